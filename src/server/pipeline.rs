//! placeholder while the dialect is written
use super::{ServerSettings, connection::Handler};
use crate::ops::Gateway;
use std::sync::Arc;
pub(super) struct Server {}
impl Server {
    pub(super) fn new(_s: ServerSettings, _g: Arc<Gateway>) -> Arc<Self> {
        todo!()
    }
    pub(super) fn handler(self: &Arc<Self>) -> Handler {
        todo!()
    }
    pub(super) fn begin_drain(&self) {
        todo!()
    }
    pub(super) async fn idle(&self) {
        todo!()
    }
    pub(super) fn not_ready(&self) -> Option<&'static str> {
        todo!()
    }
}
