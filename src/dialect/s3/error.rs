//! An error as S3 words it: status, code, message, extra elements and headers (S3 API Reference,
//! "Error responses").
//!
//! What the client is told is made here and in [`super::failure`] and [`super::auth_error`]; what the
//! log is told is not.

use super::{
    address::Address,
    auth_error,
    bucket::default_configuration,
    failure,
    response::{self, ReplyContext},
};
use crate::{
    dialect::{
        error::{ErrorCode, Rejection},
        xml::Writer,
    },
    model::{Failure, ObjectKey},
};
use bytes::Bytes;
use http::{Method, Response, StatusCode, header, request::Parts};
use std::{borrow::Cow, fmt::Display};

pub(super) use crate::dialect::error::ErrorReply;

impl ErrorReply {
    /// 400 InvalidRequest.
    #[must_use]
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("InvalidRequest", message)
    }

    /// 400 InvalidArgument, naming the argument.
    #[must_use]
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>, name: &'static str, value: impl Display) -> Self {
        Self::bad_request("InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    /// 400 InvalidURI.
    #[must_use]
    pub fn invalid_uri() -> Self {
        Self::bad_request("InvalidURI", "Couldn't parse the specified URI.")
    }

    /// 400 MalformedXML.
    #[must_use]
    pub fn malformed_xml() -> Self {
        Self::bad_request("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
    }

    /// 400 MissingRequestBodyError.
    #[must_use]
    pub fn missing_body() -> Self {
        Self::bad_request("MissingRequestBodyError", "Request Body is empty")
    }

    /// 400 MaxMessageLengthExceeded: a document larger than [`super::BodyKind::Document`] allows.
    #[must_use]
    pub fn message_too_long(size_max: usize) -> Self {
        Self::bad_request("MaxMessageLengthExceeded", "Your request was too big.").with("MaxMessageLengthBytes", size_max)
    }

    /// 400 KeyTooLongError.
    #[must_use]
    pub fn key_too_long(size: usize) -> Self {
        Self::bad_request("KeyTooLongError", "Your key is too long").with("Size", size).with("MaxSizeAllowed", ObjectKey::SIZE_MAX)
    }

    /// 400 InvalidArgument for a version id that is not `null`: nothing here has another one.
    #[must_use]
    pub fn invalid_version_id(name: &'static str, value: &str) -> Self {
        Self::invalid_argument("Invalid version id specified", name, value)
    }

    /// 405 MethodNotAllowed.
    #[must_use]
    pub fn method_not_allowed(method: &Method, resource_type: &'static str, allowed: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The specified method is not allowed against this resource.")
            .with("Method", method)
            .with("ResourceType", resource_type)
            .with_header(header::ALLOW, allowed)
    }

    /// 411 MissingContentLength.
    #[must_use]
    pub fn missing_content_length() -> Self {
        Self::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    }

    /// 412 PreconditionFailed.
    #[must_use]
    pub fn precondition_failed(condition: &str) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            .with("Condition", condition)
    }

    /// 501 NotImplemented because of a header.
    #[must_use]
    pub fn header_not_implemented(name: &str, additional: &str) -> Self {
        Self::not_implemented_with(Some(name), additional)
    }

    /// 501 NotImplemented because of something else: a sub-resource, a document's element.
    #[must_use]
    pub fn not_implemented(additional: &str) -> Self {
        Self::not_implemented_with(None, additional)
    }

    fn not_implemented_with(header: Option<&str>, additional: &str) -> Self {
        let reply =
            Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "A header you provided implies functionality that is not implemented");
        let reply = header.into_iter().fold(reply, |reply, name| reply.with("Header", name));
        reply.with("additionalMessage", additional)
    }
}

/// Encodes an error. `parts` are the request's (Resource, HEAD without a body).
///
/// A body that was not read is still on the connection: whoever sends the reply closes it then.
#[must_use]
pub fn encode_error(rejection: &Rejection, parts: &Parts, address: Option<&Address>, context: &ReplyContext<'_>) -> Response<Bytes> {
    let reply = match rejection {
        Rejection::Auth(error) => auth_error::reply(error),
        Rejection::Decode(reply) => reply.clone(),
        // Not having configured what cannot be configured is no error where S3 answers with a default.
        Rejection::Failure(Failure::NoSuchConfiguration(_, kind)) if let Some(document) = default_configuration(*kind) => {
            return response::document(StatusCode::OK, document, context);
        }
        Rejection::Failure(Failure::NotModified { etag, last_modified }) => {
            let mut response = response::empty(StatusCode::NOT_MODIFIED, context);
            response::set_etag(response.headers_mut(), etag);
            response::set_last_modified(response.headers_mut(), *last_modified);
            return response;
        }
        Rejection::Failure(failure) => {
            let range = parts.headers.get(header::RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
            failure::reply(failure, range)
        }
    };
    let code = ErrorCode(reply.code);
    let mut response = if parts.method == Method::HEAD {
        response::bodiless(reply.status, context)
    } else {
        let resource = address.map_or_else(|| parts.uri.path().to_owned(), Address::resource);
        response::document(reply.status, document(&reply, &resource, context), context)
    };
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value);
    }
    response.extensions_mut().insert(code);
    response
}

pub(super) fn document(reply: &ErrorReply, resource: &str, context: &ReplyContext<'_>) -> String {
    Writer::document("Error", "", |w| {
        w.leaf("Code", reply.code);
        w.leaf("Message", &reply.message);
        for (name, value) in &reply.elements {
            w.leaf(name, value);
        }
        w.leaf("Resource", resource);
        w.leaf("RequestId", context.request_id);
        w.leaf("HostId", context.host_id);
    })
}
