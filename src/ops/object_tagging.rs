//! Object tags.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn get_object_tagging(&self, _operation: &ObjectRef) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn put_object_tagging(&self, _operation: &ObjectRef, _tags: &Tags) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn delete_object_tagging(&self, _operation: &ObjectRef) -> Result<Outcome, Failure> {
        todo!()
    }
}
