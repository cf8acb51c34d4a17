//! GetObjectAttributes and GetObjectAcl.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn get_object_attributes(&self, _operation: &GetObjectAttributes) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_object_acl(&self, _operation: &ObjectRef) -> Result<Outcome, Failure> {
        todo!()
    }
}
