//! ListMultipartUploads.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn list_multipart_uploads(&self, _operation: &ListMultipartUploads) -> Result<Outcome, Failure> {
        todo!()
    }
}
