//! PostObject: a browser's form (OSS API Reference, "PostObject").
//!
//! The fields come here already verified against the policy. Most of them are headers under another
//! guise, so they are read by the same code.

use super::{
    action::{Action, BucketAction},
    callback, conditions,
    decode::Wire,
    error, headers, object,
    response::{self, ReplyContext, quoted, set},
    route::{self, Route},
    unsupported,
};
use crate::{
    dialect::{
        Decoded,
        error::ErrorReply,
        form_answer::{self, Answer},
        xml::Writer,
    },
    model::{ETag, ObjectRef, Operation, PutObject},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};

/// Fields that are headers of the object, and `x-oss-content-type`, which forms have for those that cannot send Content-Type.
const HEADERS: &[&str] =
    &["cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "content-md5", "expires"];
/// Fields that are the signature's, not the object's.
const OF_SIGNATURE: &[&str] = &["x-oss-signature", "x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-security-token"];

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
pub fn decode(route: &Route, parts: &Parts, fields: &[(String, String)], file_name: Option<&str>) -> Result<Decoded, ErrorReply> {
    let Action::Bucket(bucket, BucketAction::PostForm) = &route.action else {
        return Err(error::method_not_allowed(&parts.method, "OBJECT", "GET, HEAD, PUT, DELETE"));
    };
    let field = |name: &str| fields.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let key = field("key").filter(|key| !key.is_empty()).ok_or_else(|| missing_field("key"))?;
    let object = ObjectRef { bucket: bucket.clone(), key: route::object_key(&form_answer::key(key, file_name))? };
    let headers = as_headers(fields)?;
    unsupported::refuse_fields(&headers)?;
    let put = PutObject {
        attributes: headers::attributes(&headers)?,
        conditions: conditions::of_write(&headers)?,
        claims: headers::digest_claims(&headers)?,
        callback: callback::parse_fields(fields)?,
        object,
    };
    let reply = FormReply {
        location: object::location(parts, &put.object, route.virtual_hosted),
        object: put.object.clone(),
        answer: Answer::new(field("success_action_redirect"), field("success_action_status")),
    };
    let traffic_limit = field("x-oss-traffic-limit").map(headers::parse_traffic_limit).transpose()?;
    Ok(Decoded { operation: Operation::PutObject(put), wire: Box::new(Wire::Form(Box::new(reply))), traffic_limit })
}

/// The fields that PutObject knows as headers; of repeated ones the first counts. Fields that cannot be headers are not among
/// them; values that cannot be are refused, because they could not be returned.
fn as_headers(fields: &[(String, String)]) -> Result<HeaderMap, ErrorReply> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        let is_header = HEADERS.contains(&name.as_str()) || name.starts_with("x-oss-");
        if !is_header || OF_SIGNATURE.contains(&name.as_str()) {
            continue;
        }
        let name = if name == "x-oss-content-type" { header::CONTENT_TYPE.as_str().to_owned() } else { name };
        let Ok(header) = HeaderName::try_from(name) else { continue };
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| error::invalid_argument("The value of this field cannot be a header.", "field", header.as_str()))?;
        headers.entry(header).or_insert(value);
    }
    Ok(headers)
}

/// Encodes a form's answer.
pub(super) fn encode(reply: &FormReply, etag: &ETag, crc64_ecma: u64, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = match &reply.answer {
        Answer::Redirect(target) => {
            let mut response = response::empty(StatusCode::SEE_OTHER, context);
            set(response.headers_mut(), header::LOCATION, form_answer::redirect_target(target, &reply.object, etag, quoted));
            response
        }
        Answer::Status(status) if *status == StatusCode::CREATED => {
            let document = Writer::document("PostResponse", "", |w| {
                w.leaf("Bucket", &reply.object.bucket);
                w.leaf("Location", &reply.location);
                w.leaf("Key", &reply.object.key);
                w.leaf("ETag", quoted(etag));
            });
            response::document(*status, document, context)
        }
        Answer::Status(status) => response::empty(*status, context),
    };
    object::set_stored(response.headers_mut(), etag, crc64_ecma);
    response
}

/// A field that must be there is not.
#[must_use]
pub fn missing_field(name: &str) -> ErrorReply {
    ErrorReply::bad_request("InvalidArgument", "The bucket POST must contain the specified field name.")
        .with("ArgumentName", name)
        .with("ArgumentValue", "")
}

/// There is no file in the form, or more than one.
#[must_use]
pub fn not_one_file() -> ErrorReply {
    ErrorReply::bad_request("IncorrectNumberOfFilesInPOSTRequest", "POST requires exactly one file upload per request.")
}

/// A POST to a bucket that is no form.
#[must_use]
pub fn not_multipart() -> ErrorReply {
    ErrorReply::bad_request("RequestIsNotMultiPartContent", "Bucket POST must be of the enclosure-type multipart/form-data.")
}

/// More before the file than a form may have.
#[must_use]
pub fn fields_too_large() -> ErrorReply {
    let message = "Your POST request fields preceding the upload file were too large.";
    ErrorReply::bad_request("MaxPOSTPreDataLengthExceededError", message)
}
