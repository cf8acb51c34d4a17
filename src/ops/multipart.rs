//! CreateMultipartUpload and AbortMultipartUpload.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn create_multipart_upload(&self, _operation: &CreateMultipartUpload, _caller: &Caller) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn abort_multipart_upload(&self, _operation: &ObjectRef, _upload: UploadId) -> Result<Outcome, Failure> {
        todo!()
    }
}
