//! Tables over the whole dialect: request heads to operations and errors, outcomes to documents.

mod decode;
mod encode;
mod forms;
mod refuse;

use super::{Address, BodyKind, ErrorReply, Route, Wire};
use crate::model::*;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, request::Parts};

/// 2026-01-15T08:30:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_123);

fn caller() -> Caller {
    Caller::Key { access_key: "AK".to_owned(), account: Account::root(), parent: None }
}

/// The head of a request written as text: a request line without version, then header lines.
fn head(text: &str) -> Parts {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target).body(()).unwrap();
    request.headers_mut().insert("host", HeaderValue::from_static("127.0.0.1:9000"));
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).unwrap();
        if name == "host" {
            request.headers_mut().insert(name, value);
        } else {
            request.headers_mut().append(name, value);
        }
    }
    request.into_parts().0
}

fn route(parts: &Parts) -> Result<(Address, Route), ErrorReply> {
    let address = super::address(parts, &Default::default())?;
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

fn bucket() -> Bucket {
    Bucket::new("bkt").unwrap()
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: bucket(), key: ObjectKey::new(key).unwrap() }
}

fn etag(digit: u8) -> ETag {
    ETag::Whole([digit; 16])
}

fn upload() -> UploadId {
    UploadId::parse("0123456789ABCDEF0123456789ABCDEF").unwrap()
}

fn number(number: u64) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn crc32(digest: [u8; 4]) -> Checksum {
    Checksum::new(ChecksumAlgorithm::Crc32, digest.to_vec()).unwrap()
}
