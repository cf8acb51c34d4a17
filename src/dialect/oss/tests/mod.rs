//! Tables over the whole dialect: request heads to operations and errors, outcomes to documents.

mod callbacks;
mod decode;
mod encode;
mod forms;
mod refuse;

use super::{BodyKind, ErrorReply, Route, Wire, response::fixture};
use crate::{dialect::address::Address, model::*};
use bytes::Bytes;
use http::{HeaderValue, request::Parts};

/// 2026-01-15T08:30:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_123);
const U: &str = "0123456789ABCDEF0123456789ABCDEF";

fn caller() -> Caller {
    Caller::Key { access_key: "AK".to_owned(), account: Account::root(), parent: None }
}

/// A head written as text; without a Host it is path-style.
fn head(text: &str) -> Parts {
    let mut parts = fixture::head(&text.replace("$U", U));
    parts.headers.entry("host").or_insert(HeaderValue::from_static("127.0.0.1:9000"));
    parts
}

fn route(parts: &Parts) -> Result<(Address, Route), ErrorReply> {
    let address = super::addresses(parts, &Default::default())?.remove(0);
    let route = super::route(parts, &address)?;
    Ok((address, route))
}

/// Everything the server does to decode a request, in its order.
fn decode_as(caller: &Caller, parts: &Parts, document: &str) -> Result<(Operation, Wire), ErrorReply> {
    let (_, route) = route(parts)?;
    if let BodyKind::Document { .. } = route.body() {
        route.document_claims(parts)?;
    }
    super::decode(route, parts, &Bytes::from(document.to_owned()), caller, NOW)
}

fn decode(text: &str, document: &str) -> Result<(Operation, Wire), ErrorReply> {
    decode_as(&caller(), &head(text), document)
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: fixture::bucket(), key: fixture::key(key) }
}

fn upload() -> UploadId {
    UploadId::parse(U).unwrap()
}

fn number(number: u64) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn etag(digit: u8) -> ETag {
    ETag::Whole([digit; 16])
}

/// Message, elements and the error's number, one to a line.
fn told(error: &ErrorReply) -> String {
    let elements = error.elements.iter().map(|(name, value)| format!("{name}={value}"));
    let ec = error.ec.map(|ec| format!("EC={ec}"));
    std::iter::once(error.message.to_string()).chain(elements).chain(ec).collect::<Vec<_>>().join("\n")
}
