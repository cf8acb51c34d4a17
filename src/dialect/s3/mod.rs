//! Amazon S3's REST dialect.

use crate::{
    auth::AuthError,
    model::{Failure, Operation, Outcome, Timestamp},
};
use bytes::Bytes;
use http::{Response, request::Parts};

/// Where a request is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The bucket's name as sent, if any; not validated yet.
    pub bucket: Option<String>,
    /// The decoded key, if any.
    pub key: Option<String>,
    /// Whether the bucket came in the host.
    pub virtual_hosted: bool,
}

/// An error on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The signature or its form.
    Auth(AuthError),
    /// The request cannot be understood.
    Decode(ErrorReply),
    /// The operation did not succeed.
    Failure(Failure),
}

/// An error as S3 words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {}

/// Which operation a request is, before its document has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {}

/// What the server does with a request's body before decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There should be none; what comes is discarded.
    None,
    /// A document of at most so many bytes, read whole and verified before `decode`.
    Document {
        /// Bytes.
        size_max: usize,
    },
    /// The object's bytes, streamed to the operation.
    Stream,
    /// A multipart/form-data POST.
    Form,
}

/// What the encoder must remember of the request: overrides, encoding-type, checksum mode, list version…
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {}

/// What every reply needs.
#[derive(Clone, Debug)]
pub struct ReplyContext<'a> {
    /// x-amz-request-id.
    pub request_id: &'a str,
    /// x-amz-id-2.
    pub host_id: &'a str,
    /// The region reported by GetBucketLocation and HeadBucket.
    pub region: &'a str,
    /// Our time.
    pub now: Timestamp,
}

/// Reads bucket and key from host and path. `domains` are the suffixes of virtual hosts, lower-case; `localhost` is always one.
///
/// # Errors
/// `InvalidURI` for a path that does not decode to UTF-8.
pub fn address(_parts: &Parts, _domains: &[String]) -> Result<Address, ErrorReply> {
    todo!()
}

/// Tells which operation a request is.
///
/// # Errors
/// `MethodNotAllowed`, `NotImplemented`, `InvalidBucketName`, `KeyTooLongError`, …
pub fn route(_parts: &Parts, _address: &Address) -> Result<Route, ErrorReply> {
    todo!()
}

impl Route {
    /// What to do with the body.
    #[must_use]
    pub fn body(&self) -> BodyKind {
        todo!()
    }
}

/// Decodes an operation. `document` is the body of a [`BodyKind::Document`] route, else empty.
///
/// # Errors
/// As S3 words them.
pub fn decode(_route: Route, _parts: &Parts, _document: &Bytes, _now: Timestamp) -> Result<(Operation, Wire), ErrorReply> {
    todo!()
}

/// Encodes an outcome: head and document. For `GetObject` the body is empty and Content-Length is set; the server attaches the bytes.
#[must_use]
pub fn encode(_wire: &Wire, _outcome: &Outcome, _context: &ReplyContext<'_>) -> Response<Bytes> {
    todo!()
}

/// Encodes an error. `parts` are the request's (Resource, HEAD without a body).
#[must_use]
pub fn encode_error(_rejection: &Rejection, _parts: &Parts, _address: Option<&Address>, _context: &ReplyContext<'_>) -> Response<Bytes> {
    todo!()
}
