//! An error as OSS words it: status, code, message, extra elements, number and headers (OSS API Reference,
//! "Error responses").
//!
//! What the client is told is made here and in [`super::failure`] and [`super::auth_error`]; what the log is told is not.

use super::{
    auth_error,
    failure::{self, Answer},
    response::{self, ReplyContext},
};
use crate::{
    dialect::{
        address::Address,
        error::{ErrorCode, Rejection},
        xml::Writer,
    },
    model::Failure,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, Method, Response, StatusCode, header, request::Parts};
use std::{borrow::Cow, fmt::Display};

pub(super) use crate::dialect::error::ErrorReply;

/// Where OSS's numbers of errors are explained.
const RECOMMEND_DOC: &str = "https://api.aliyun.com/troubleshoot?q=";
/// The largest document that goes into the header `x-oss-err`: some clients read heads of 16 KiB only. Bytes.
const HEADER_DOCUMENT_SIZE_MAX: usize = 4096;

/// 400 InvalidArgument, naming the argument.
#[must_use]
pub(super) fn invalid_argument(message: impl Into<Cow<'static, str>>, name: &'static str, value: impl Display) -> ErrorReply {
    ErrorReply::bad_request("InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
}

/// 400 InvalidRequest.
#[must_use]
pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> ErrorReply {
    ErrorReply::bad_request("InvalidRequest", message)
}

/// 400 InvalidBucketName.
#[must_use]
pub(super) fn invalid_bucket_name() -> ErrorReply {
    ErrorReply::bad_request("InvalidBucketName", "The specified bucket is not valid.")
}

/// 400 InvalidObjectName.
#[must_use]
pub(super) fn invalid_object_name() -> ErrorReply {
    ErrorReply::bad_request("InvalidObjectName", "The specified object is not valid.")
}

/// 400 InvalidDigest, for a Content-MD5 that is none and for one that is not the body's.
#[must_use]
pub(super) fn invalid_digest(content_md5: impl Display) -> ErrorReply {
    ErrorReply::bad_request("InvalidDigest", "The Content-MD5 you specified was invalid.").with("Content-MD5", content_md5)
}

/// 400 MalformedXML.
#[must_use]
pub(super) fn malformed_xml() -> ErrorReply {
    let message = "The XML you provided was not well-formed or did not validate against our published schema.";
    ErrorReply::bad_request("MalformedXML", message)
}

/// 400 MissingArgument.
#[must_use]
pub(super) fn missing_argument() -> ErrorReply {
    ErrorReply::bad_request("MissingArgument", "Missing Some Required Arguments.")
}

/// 400 NotImplemented because of a header. OSS says so with 400, which clients do not retry.
#[must_use]
pub(super) fn not_implemented(header: &str) -> ErrorReply {
    let message = "A header you provided implies functionality that is not implemented.";
    ErrorReply::bad_request("NotImplemented", message).with("Header", header)
}

/// 400 NotImplemented because of something else: a sub-resource, a document's element.
#[must_use]
pub(super) fn not_implemented_here(what: impl Display) -> ErrorReply {
    ErrorReply::bad_request("NotImplemented", format!("{what} is not implemented."))
}

/// 403 AccessDenied in these words.
#[must_use]
pub(super) fn access_denied(message: impl Into<Cow<'static, str>>) -> ErrorReply {
    ErrorReply::new(StatusCode::FORBIDDEN, "AccessDenied", message)
}

/// 405 MethodNotAllowed.
#[must_use]
pub(super) fn method_not_allowed(method: &Method, resource_type: &'static str, allow: &str) -> ErrorReply {
    ErrorReply::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        .with("Method", method)
        .with("ResourceType", resource_type)
        .with_header(header::ALLOW, allow)
}

/// 411 MissingContentLength.
#[must_use]
pub(super) fn missing_content_length() -> ErrorReply {
    ErrorReply::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", "You must provide the Content-Length HTTP header.")
}

/// 412 PreconditionFailed.
#[must_use]
pub(super) fn precondition_failed(condition: impl Display) -> ErrorReply {
    let message = "At least one of the pre-conditions you specified did not hold.";
    ErrorReply::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message).with("Condition", condition)
}

/// Encodes an error. `parts` are the request's.
///
/// A body that was not read is still on the connection: whoever sends the reply closes it then.
#[must_use]
pub fn encode_error(rejection: &Rejection, parts: &Parts, address: Option<&Address>, context: &ReplyContext<'_>) -> Response<Bytes> {
    match rejection {
        Rejection::Auth(error) => refusal(&auth_error::reply(error), &parts.method, context),
        Rejection::Decode(reply) => refusal(reply, &parts.method, context),
        Rejection::Failure(Failure::AccessDenied) => refusal(&denied(parts, address), &parts.method, context),
        // What a copy finds unchanged is 304; what a part copied finds so is 412 ("CopyObject", "UploadPartCopy").
        Rejection::Failure(Failure::PreconditionFailed(condition)) if is_unchanged(condition) && !is_of_upload(parts) => {
            response::empty(StatusCode::NOT_MODIFIED, context)
        }
        Rejection::Failure(failure) => match failure::answer(failure) {
            Answer::Error(reply) => refusal(&reply, &parts.method, context),
            Answer::Success(document) => response::document(StatusCode::OK, document, context),
            Answer::NotModified(etag, last_modified) => {
                let mut response = response::empty(StatusCode::NOT_MODIFIED, context);
                response::set_etag(response.headers_mut(), etag);
                response::set_last_modified(response.headers_mut(), last_modified);
                response
            }
        },
    }
}

fn is_unchanged(condition: &str) -> bool {
    matches!(condition, "x-amz-copy-source-If-None-Match" | "x-amz-copy-source-If-Modified-Since")
}

fn is_of_upload(parts: &Parts) -> bool {
    parts.uri.query().is_some_and(|query| query.split('&').any(|parameter| parameter.starts_with("uploadId=")))
}

/// An error's reply; to HEAD the document comes in a header, where the newer SDKs look for it.
pub(super) fn refusal(reply: &ErrorReply, method: &Method, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = if *method == Method::HEAD {
        let mut response = response::bodiless(reply.status, context);
        let whole = document(reply, context);
        let shown = if whole.len() <= HEADER_DOCUMENT_SIZE_MAX {
            whole
        } else {
            document(&ErrorReply { elements: Vec::new(), ..reply.clone() }, context)
        };
        response::set(response.headers_mut(), HeaderName::from_static("x-oss-err"), STANDARD.encode(shown));
        response
    } else {
        response::document(reply.status, document(reply, context), context)
    };
    let headers = response.headers_mut();
    if let Some(ec) = reply.ec {
        response::set(headers, HeaderName::from_static("x-oss-ec"), ec);
    }
    for (name, value) in &reply.headers {
        headers.insert(name.clone(), value.clone());
    }
    response.extensions_mut().insert(ErrorCode(reply.code));
    response
}

/// `<Error>`.
pub(super) fn document(reply: &ErrorReply, context: &ReplyContext<'_>) -> String {
    Writer::document("Error", "", |w| {
        w.leaf("Code", reply.code);
        w.leaf("Message", &reply.message);
        w.leaf("RequestId", context.request_id);
        w.leaf("HostId", context.authority);
        for (name, value) in &reply.elements {
            w.leaf(name, value);
        }
        if let Some(ec) = reply.ec {
            w.leaf("EC", ec);
            w.leaf("RecommendDoc", format_args!("{RECOMMEND_DOC}{ec}"));
        }
    })
}

/// OSS words a denial by who was denied and what.
fn denied(parts: &Parts, address: Option<&Address>) -> ErrorReply {
    let is_object = address.is_some_and(|address| address.key.is_some());
    let is_bucket = address.is_some_and(|address| address.bucket.is_some());
    match (is_anonymous(parts), is_bucket, is_object) {
        (true, false, _) => access_denied("Anonymous access is forbidden for this operation.").ec("0003-00001201"),
        (true, true, false) => access_denied("Anonymous user has no right to access this bucket."),
        (true, true, true) => access_denied("Anonymous user has no right to access this object."),
        (false, _, true) => access_denied("You have no right to access this object because of bucket acl.").ec("0003-00000001"),
        (false, _, false) => access_denied("AccessDenied."),
    }
}

/// Whether the head carries no signature. A form's is in its fields.
fn is_anonymous(parts: &Parts) -> bool {
    let signs = |name: &str| name == "Signature" || name == "x-oss-signature";
    let query = parts.uri.query().unwrap_or_default();
    let in_query = query.split('&').any(|parameter| signs(parameter.split('=').next().unwrap_or_default()));
    !in_query && !parts.headers.contains_key(header::AUTHORIZATION) && parts.method != Method::POST
}

#[cfg(test)]
mod tests {
    use super::{super::response::fixture::*, *};
    use crate::auth::AuthError;

    #[test]
    fn a_signature_that_is_not_accepted_is_told_with_its_number() {
        let error = AuthError::UnknownAccessKey("AK".to_owned());
        let response = encode_error(&error.into(), &head("GET /bkt/k\nAuthorization: OSS AK:x"), None, &context());
        assert_eq!((response.status().as_u16(), header(&response, "x-oss-ec")), (403, "0002-00000902"));
        check("error_access_key", &response);
    }

    #[test]
    fn a_copy_of_what_has_not_changed_is_304_and_a_part_of_it_412() {
        let failure = || Failure::PreconditionFailed("x-amz-copy-source-If-None-Match").into();
        let status = |request: &str| encode_error(&failure(), &head(request), None, &context()).status().as_u16();
        assert_eq!(status("PUT /bkt/k"), 304);
        assert_eq!(status("PUT /bkt/k?partNumber=1&uploadId=0"), 412);
    }

    #[test]
    fn a_reply_says_what_its_headers_have_to() {
        let reply = method_not_allowed(&Method::DELETE, "SERVICE", "GET");
        let response = refusal(&reply, &Method::DELETE, &context());
        assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "GET"));
        check("error_method_not_allowed", &response);
        assert!(!response.headers().contains_key("x-oss-ec"));
    }
}
