//! ListObjects and ListObjectVersions: pages that seek past common prefixes.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn list_objects(&self, _operation: &ListObjects) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn list_object_versions(&self, _operation: &ListObjectVersions) -> Result<Outcome, Failure> {
        todo!()
    }
}
