//! Buckets: creating them, where they are, and configuration that cannot be set.

use super::{
    error::ErrorReply,
    headers,
    response::{self, NAMESPACE, ReplyContext, set},
};
use crate::{
    dialect::xml::{Element, Writer},
    model::{AbsentConfiguration, Bucket, BucketInfo, CreateBucket},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};

/// The region whose location constraint S3 shows as nothing.
const REGION_WITHOUT_CONSTRAINT: &str = "us-east-1";

/// Decodes CreateBucket; the document is optional.
///
/// # Errors
/// `MalformedXML`, `InvalidLocationConstraint`, `NotImplemented` for what else a configuration can say.
pub(super) fn decode_create(bucket: Bucket, headers: &HeaderMap, document: &[u8]) -> Result<CreateBucket, ErrorReply> {
    let acl = headers::canned_acl(headers);
    if document.is_empty() {
        return Ok(CreateBucket { bucket, location: None, acl, storage_class: None, may_be_own: false });
    }
    let root = Element::parse(document).map_err(|_| ErrorReply::malformed_xml())?;
    if root.name() != "CreateBucketConfiguration" {
        return Err(ErrorReply::malformed_xml());
    }
    if let Some(other) = root.children().iter().find(|child| child.name() != "LocationConstraint") {
        return Err(ErrorReply::not_implemented(&format!("{} is not implemented in CreateBucketConfiguration", other.name())));
    }
    let location = root.child_text("LocationConstraint").map(str::trim).filter(|text| !text.is_empty());
    let legal = |text: &str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if let Some(text) = location.filter(|text| !legal(text)) {
        let message = "The specified location-constraint is not valid";
        return Err(ErrorReply::bad_request("InvalidLocationConstraint", message).with("LocationConstraint", text));
    }
    Ok(CreateBucket { bucket, location: location.map(str::to_owned), acl, storage_class: None, may_be_own: false })
}

/// CreateBucket's answer.
pub(super) fn encode_create(bucket: &Bucket, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    set(response.headers_mut(), header::LOCATION, format!("/{bucket}"));
    response
}

/// HeadBucket's answer; clients learn from it with which region to sign.
pub(super) fn encode_head(info: &BucketInfo, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    set(response.headers_mut(), HeaderName::from_static("x-amz-bucket-region"), region(info, context));
    response
}

/// `<LocationConstraint>`.
pub(super) fn encode_location(info: &BucketInfo, context: &ReplyContext<'_>) -> Response<Bytes> {
    let region = region(info, context);
    let document = Writer::document("LocationConstraint", NAMESPACE, |w| {
        if region != REGION_WITHOUT_CONSTRAINT {
            w.text(region);
        }
    });
    response::document(StatusCode::OK, document, context)
}

fn region<'a>(info: &'a BucketInfo, context: &'a ReplyContext<'_>) -> &'a str {
    info.location.as_deref().unwrap_or(context.region)
}

/// `<VersioningConfiguration>` of a bucket that never was versioned.
pub(super) fn versioning_document() -> String {
    empty_document("VersioningConfiguration")
}

/// `<PolicyStatus>`.
pub(super) fn policy_status_document(is_public: bool) -> String {
    Writer::document("PolicyStatus", NAMESPACE, |w| w.leaf("IsPublic", is_public))
}

/// Decodes PutBucketPolicy; whether it is a policy is decided where policies are read.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedPolicy` for bytes that are not UTF-8.
pub(super) fn decode_policy(document: &[u8]) -> Result<String, ErrorReply> {
    if document.is_empty() {
        return Err(ErrorReply::missing_body());
    }
    let message = "Policies must be valid JSON and the first byte must be '{'";
    String::from_utf8(document.to_vec()).map_err(|_| ErrorReply::bad_request("MalformedPolicy", message))
}

/// How S3 answers when a configuration is not set.
pub(super) enum Absent {
    /// With a default: the root element, and an element with text in it.
    Default(&'static str, Option<(&'static str, &'static str)>),
    /// With this code and message, 404.
    Error(&'static str, &'static str),
}

pub(super) fn absent_configuration(kind: AbsentConfiguration) -> Absent {
    match kind {
        AbsentConfiguration::Accelerate => Absent::Default("AccelerateConfiguration", None),
        AbsentConfiguration::Logging => Absent::Default("BucketLoggingStatus", None),
        AbsentConfiguration::Notification => Absent::Default("NotificationConfiguration", None),
        AbsentConfiguration::RequestPayment => Absent::Default("RequestPaymentConfiguration", Some(("Payer", "BucketOwner"))),
        AbsentConfiguration::Website => {
            Absent::Error("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
        }
        AbsentConfiguration::Encryption => {
            Absent::Error("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found")
        }
        AbsentConfiguration::ObjectLock => {
            Absent::Error("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
        }
        AbsentConfiguration::PublicAccessBlock => {
            Absent::Error("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
        }
        AbsentConfiguration::OwnershipControls => {
            Absent::Error("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
        }
        AbsentConfiguration::Replication => {
            Absent::Error("ReplicationConfigurationNotFoundError", "The replication configuration was not found")
        }
    }
}

/// The default document of a configuration that is not set, if S3 has one for it.
pub(super) fn default_configuration(kind: AbsentConfiguration) -> Option<String> {
    match absent_configuration(kind) {
        Absent::Default(root, None) => Some(empty_document(root)),
        Absent::Default(root, Some((element, text))) => Some(Writer::document(root, NAMESPACE, |w| w.leaf(element, text))),
        Absent::Error(..) => None,
    }
}

fn empty_document(root: &'static str) -> String {
    Writer::document(root, NAMESPACE, |_| {})
}
