//! CompleteMultipartUpload.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn complete_multipart_upload(
        &self,
        _operation: &CompleteMultipartUpload,
        _limits: &Limits,
    ) -> Result<Outcome, Failure> {
        todo!()
    }
}
