//! UploadPartCopy.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn upload_part_copy(&self, _operation: &UploadPartCopy, _limits: &Limits) -> Result<Outcome, Failure> {
        todo!()
    }
}
