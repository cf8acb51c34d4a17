//! CopyObject.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn copy_object(&self, _operation: &CopyObject) -> Result<Outcome, Failure> {
        todo!()
    }
}
