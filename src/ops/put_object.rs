//! PutObject.

use super::{Body, Gateway};
use crate::model::*;

impl Gateway {
    pub(super) async fn put_object(&self, _operation: &PutObject, _limits: &Limits, _body: Box<dyn Body>) -> Result<Outcome, Failure> {
        todo!()
    }
}
