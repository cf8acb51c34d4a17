//! ListParts.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn list_parts(&self, _operation: &ListParts) -> Result<Outcome, Failure> {
        todo!()
    }
}
