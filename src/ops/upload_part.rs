//! UploadPart.

use super::{Body, Gateway};
use crate::model::*;

impl Gateway {
    pub(super) async fn upload_part(&self, _operation: &UploadPart, _limits: &Limits, _body: Box<dyn Body>) -> Result<Outcome, Failure> {
        todo!()
    }
}
