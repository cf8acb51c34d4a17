//! GetObject and HeadObject.

use super::{Gateway, Reply};
use crate::model::*;

impl Gateway {
    pub(super) async fn head_object(&self, _operation: &ReadObject) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_object(&self, _operation: &ReadObject) -> Result<Reply, Failure> {
        todo!()
    }
}
