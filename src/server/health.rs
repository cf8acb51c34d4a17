//! The listener for operators: `/healthz`, `/readyz` and `/metrics`. It knows no buckets, and the main listener none
//! of these paths, so that no key is hidden by them.

use super::{connection::Handler, reply::ReplyBody};
use crate::telemetry;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Response, StatusCode, header};
use std::{future::ready, sync::Arc};

/// Whether requests are served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// All of them.
    Ready,
    /// All but those that bring new bytes, in words. Deletes have to come through, or it stays like that.
    Partly(&'static str),
    /// Not, in words.
    NotReady(&'static str),
}

/// Asks whether requests are served now.
pub(super) type AskReadiness = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// Answers what operators and their tools ask.
pub(super) fn handler(readiness: AskReadiness) -> Handler {
    Arc::new(move |request, _peer| {
        let reply = if *request.method() == Method::GET || *request.method() == Method::HEAD {
            answer(request.uri().path(), &readiness)
        } else {
            text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n")
        };
        ready(reply).boxed()
    })
}

fn answer(path: &str, readiness: &AskReadiness) -> Response<ReplyBody> {
    match path {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match readiness() {
            Readiness::Ready => text(StatusCode::OK, "ready\n"),
            Readiness::Partly(but) => text(StatusCode::OK, format!("ready, but {but}\n")),
            Readiness::NotReady(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        "/metrics" => {
            // Asked now, so that it is never older than the scrape.
            let _ = readiness();
            let mut reply = text(StatusCode::OK, telemetry::render_metrics());
            reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
            reply
        }
        _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n"),
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut reply = Response::new(ReplyBody::full(text.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply
}
