//! POST Object: a browser's form (S3 API Reference, "POST Object").
//!
//! The fields come here already verified against the policy. Most of them are headers under another
//! guise, so they are read by the same code.

use super::{
    action::{Action, BucketAction, ObjectAction},
    checksum,
    decode::Wire,
    error::ErrorReply,
    headers, object,
    response::{self, ReplyContext, quoted, set},
    route::Route,
    tagging::{self, Of},
    unsupported,
};
use crate::{
    dialect::{
        FormDefect,
        form_answer::{self, Answer},
        xml::Writer,
    },
    model::{ETag, ObjectChecksum, ObjectKey, ObjectRef, Operation, PutObject, Tags, WriteConditions},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};

/// How a form wants its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormReply {
    object: ObjectRef,
    location: String,
    answer: Answer,
}

/// Decodes a form. `fields` are all fields before the file, in order; `file_name` is the file part's.
/// The size is not known before the end: the server bounds it by the policy's content-length-range.
///
/// # Errors
/// `InvalidArgument` without a key, and whatever PutObject refuses.
pub fn decode(route: &Route, parts: &Parts, fields: &[(String, String)], file_name: Option<&str>) -> Result<(Operation, Wire), ErrorReply> {
    let Action::Bucket(bucket, BucketAction::PostForm) = &route.action else {
        return Err(ErrorReply::method_not_allowed(&parts.method, "OBJECT", "GET, HEAD, PUT, DELETE"));
    };
    let field = |name: &str| fields.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let key = form_answer::key(field("key").ok_or_else(|| missing_field("key"))?, file_name);
    let key = match (ObjectKey::new(key.as_str()), key.len()) {
        (Some(key), _) => key,
        (None, 0) => {
            return Err(ErrorReply::bad_request(
                "UserKeyMustBeSpecified",
                "The bucket POST must contain the specified field name. If it is specified, check the order of the fields.",
            ));
        }
        (None, size) => return Err(ErrorReply::key_too_long(size)),
    };
    let object = ObjectRef { bucket: bucket.clone(), key };
    let headers = as_headers(fields)?;
    unsupported::refuse(&headers, &Action::Object(object.clone(), ObjectAction::Put))?;
    let mut attributes = headers::attributes(&headers)?;
    if let Some(document) = field("tagging") {
        attributes.tags = if document.is_empty() { Tags::default() } else { tagging::parse_document(document.as_bytes(), Of::Object)? };
    }
    let redirect = field("success_action_redirect").or_else(|| field("redirect"));
    let reply = FormReply {
        location: object::location(parts, &object, route.virtual_hosted),
        object: object.clone(),
        answer: Answer::new(redirect, field("success_action_status")),
    };
    let put =
        PutObject { object, attributes, conditions: WriteConditions::default(), claims: checksum::body_claims(&headers)?, callback: None };
    Ok((Operation::PutObject(put), Wire::Form(Box::new(reply))))
}

/// What is said of a form that cannot be read.
pub(super) fn defect(defect: FormDefect) -> ErrorReply {
    match defect {
        FormDefect::NotMultipart => ErrorReply::precondition_failed("Bucket POST must be of the enclosure-type multipart/form-data"),
        FormDefect::NoFile => not_one_file(0),
        FormDefect::FieldsTooLarge => {
            ErrorReply::bad_request("MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.")
        }
    }
}

/// The fields that PutObject knows as headers. Fields that cannot be headers are not among them; values
/// that cannot be are refused, because they could not be returned.
fn as_headers(fields: &[(String, String)]) -> Result<HeaderMap, ErrorReply> {
    const KNOWN: &[&str] =
        &["cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "content-md5", "expires"];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = match name.to_ascii_lowercase() {
            acl if acl == "acl" => "x-amz-acl".to_owned(),
            other => other,
        };
        // Tags come as a document in a field of their own, and a form has no trailer.
        let is_header = KNOWN.contains(&name.as_str()) || name.starts_with("x-amz-");
        if !is_header || name == "x-amz-tagging" || name == "x-amz-trailer" {
            continue;
        }
        let Ok(header) = HeaderName::try_from(name) else { continue };
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| ErrorReply::invalid_argument("Header value cannot be represented using ISO-8859-1.", "field", header.as_str()))?;
        headers.append(header, value);
    }
    Ok(headers)
}

/// Encodes a form's answer.
pub(super) fn encode(reply: &FormReply, etag: &ETag, checksum: &ObjectChecksum, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut location = reply.location.clone();
    let mut response = match &reply.answer {
        Answer::Redirect(target) => {
            location = form_answer::redirect_target(target, &reply.object, etag, quoted);
            response::empty(StatusCode::SEE_OTHER, context)
        }
        Answer::Status(status) if *status == StatusCode::CREATED => {
            let document = Writer::document("PostResponse", "", |w| {
                w.leaf("Location", &reply.location);
                w.leaf("Bucket", &reply.object.bucket);
                w.leaf("Key", &reply.object.key);
                w.leaf("ETag", quoted(etag));
            });
            response::document(*status, document, context)
        }
        Answer::Status(status) => response::empty(*status, context),
    };
    let headers = response.headers_mut();
    set(headers, header::LOCATION, location);
    response::set_etag(headers, etag);
    checksum::set_object(headers, checksum);
    response
}

/// A field that must be there is not.
#[must_use]
pub fn missing_field(name: &str) -> ErrorReply {
    let message = format!("Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields.");
    ErrorReply::bad_request("InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", "")
}

/// There is no file in the form, or more than one.
#[must_use]
pub fn not_one_file(count: usize) -> ErrorReply {
    ErrorReply::invalid_argument("POST requires exactly one file upload per request.", "file", count)
}
