//! DeleteObject and DeleteObjects.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn delete_object(&self, _operation: &DeleteObject) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn delete_objects(&self, _operation: &DeleteObjects) -> Result<Outcome, Failure> {
        todo!()
    }
}
