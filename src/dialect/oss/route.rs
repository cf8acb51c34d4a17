//! From method and sub-resource to an action.
//!
//! A sub-resource that OSS has and we have not is refused, never an operation on the object or bucket it was meant to configure.

use super::{
    action::{Action, BucketAction as B, ObjectAction as O, ServiceAction},
    error, form, headers,
    query::Query,
    unsupported,
};
use crate::{
    dialect::{BodyKind, address::Address, error::ErrorReply},
    model::{AbsentConfiguration as Absent, BodyClaims, Bucket, ObjectKey, ObjectRef},
};
use http::{HeaderMap, Method, header, request::Parts};

/// The largest documents, by what they are. Bytes.
const CREATE_BUCKET_SIZE_MAX: usize = 16 << 10;
const CONFIGURATION_SIZE_MAX: usize = 64 << 10;
const LIFECYCLE_SIZE_MAX: usize = 512 << 10;
const POLICY_SIZE_MAX: usize = 20 << 10;
const DELETE_OBJECTS_SIZE_MAX: usize = 2 << 20;
const COMPLETE_UPLOAD_SIZE_MAX: usize = 4 << 20;

/// Which operation a request is, before its document has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub(super) action: Action,
    pub(super) virtual_hosted: bool,
}

/// The longest key of OSS. Bytes.
const KEY_SIZE_MAX: usize = 1023;

/// The parameters that name a sub-resource we have at least in part. `uploadId` names one too: an upload.
const SUB_RESOURCES: &[&str] = &[
    "acl",
    "append",
    "bucketInfo",
    "cors",
    "delete",
    "encryption",
    "lifecycle",
    "location",
    "logging",
    "objectMeta",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "referer",
    "regions",
    "replication",
    "requestPayment",
    "restore",
    "stat",
    "symlink",
    "tagging",
    "transferAcceleration",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
    "worm",
];

/// Sub-resource (empty for none), method, action. What OSS answers with a default or "not configured"
/// can be read; writing it is not in the table and thus refused.
const OF_BUCKETS: &[(&str, &str, B)] = &[
    ("", "GET", B::ListObjects),
    ("", "PUT", B::Create),
    ("", "DELETE", B::Delete),
    ("", "POST", B::PostForm),
    ("acl", "GET", B::Acl),
    ("acl", "PUT", B::PutAcl),
    ("bucketInfo", "GET", B::Info),
    ("cors", "GET", B::Cors),
    ("cors", "PUT", B::PutCors),
    ("cors", "DELETE", B::DeleteCors),
    ("delete", "POST", B::DeleteObjects),
    ("lifecycle", "GET", B::Lifecycle),
    ("lifecycle", "PUT", B::PutLifecycle),
    ("lifecycle", "DELETE", B::DeleteLifecycle),
    ("location", "GET", B::Location),
    ("policy", "GET", B::Policy),
    ("policy", "PUT", B::PutPolicy),
    ("policy", "DELETE", B::DeletePolicy),
    ("policyStatus", "GET", B::PolicyStatus),
    ("referer", "GET", B::Referer),
    ("referer", "PUT", B::PutReferer),
    ("stat", "GET", B::Stat),
    ("tagging", "GET", B::Tagging),
    ("tagging", "PUT", B::PutTagging),
    ("tagging", "DELETE", B::DeleteTagging),
    ("uploads", "GET", B::ListUploads),
    ("versioning", "GET", B::Versioning),
    ("versions", "GET", B::ListVersions),
    ("encryption", "GET", B::Absent(Absent::Encryption)),
    ("logging", "GET", B::Absent(Absent::Logging)),
    ("publicAccessBlock", "GET", B::Absent(Absent::PublicAccessBlock)),
    ("replication", "GET", B::Absent(Absent::Replication)),
    ("requestPayment", "GET", B::Absent(Absent::RequestPayment)),
    ("transferAcceleration", "GET", B::Absent(Absent::Accelerate)),
    ("website", "GET", B::Absent(Absent::Website)),
    ("worm", "GET", B::Absent(Absent::ObjectLock)),
];

/// As [`OF_BUCKETS`].
const OF_OBJECTS: &[(&str, &str, O)] = &[
    ("", "GET", O::Get),
    ("", "HEAD", O::Head),
    ("", "PUT", O::Put),
    ("", "DELETE", O::Delete),
    ("acl", "GET", O::Acl),
    ("acl", "PUT", O::PutAcl),
    ("append", "POST", O::Append),
    ("objectMeta", "HEAD", O::Meta),
    ("symlink", "GET", O::Symlink),
    ("symlink", "PUT", O::PutSymlink),
    ("tagging", "GET", O::Tagging),
    ("tagging", "PUT", O::PutTagging),
    ("tagging", "DELETE", O::DeleteTagging),
    ("uploads", "POST", O::CreateUpload),
    ("uploadId", "GET", O::ListParts),
    ("uploadId", "PUT", O::UploadPart),
    ("uploadId", "POST", O::CompleteUpload),
    ("uploadId", "DELETE", O::AbortUpload),
];

/// Configuration that OSS lets clients write and we do not: refused as not implemented, not as a wrong method.
const NOT_WRITABLE: &[&str] = &[
    "encryption",
    "logging",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "transferAcceleration",
    "versioning",
    "website",
    "worm",
];

/// Tells which operation a request is, and refuses what implies more than we have.
///
/// # Errors
/// `MethodNotAllowed`, `NotImplemented`, `InvalidBucketName`, `InvalidObjectName`, `InvalidArgument`, …
pub fn route(parts: &Parts, address: &Address) -> Result<Route, ErrorReply> {
    let query = Query::parse(parts)?;
    let sub_resource = sub_resource(&query)?;
    unsupported::refuse_parameters(&parts.method, &query, sub_resource)?;
    let action = match (&address.bucket, &address.key) {
        (None, _) => Action::Service(service(&parts.method, sub_resource)?),
        (Some(name), None) => Action::Bucket(bucket(name)?, bucket_action(parts, &query, sub_resource)?),
        (Some(name), Some(key)) => {
            let bucket = bucket(name)?;
            let key = object_key(key)?;
            Action::Object(ObjectRef { bucket, key }, object_action(parts, &query, sub_resource)?)
        }
    };
    unsupported::refuse_headers(parts, &action)?;
    Ok(Route { action, virtual_hosted: address.virtual_hosted })
}

/// A bucket's name, by OSS's rules: 3 to 63 of `[a-z0-9-]`, first and last alphanumeric.
///
/// # Errors
/// `InvalidBucketName`.
pub(super) fn bucket(name: &str) -> Result<Bucket, ErrorReply> {
    let bucket = Bucket::new(name).filter(|_| !name.contains('.'));
    bucket.ok_or_else(|| error::invalid_bucket_name().with("BucketName", name))
}

/// An object's key, by OSS's rules: at most 1,023 bytes, beginning with neither `/` nor `\`.
///
/// # Errors
/// `InvalidObjectName`.
pub(super) fn object_key(text: &str) -> Result<ObjectKey, ErrorReply> {
    if text.len() > KEY_SIZE_MAX {
        return Err(ErrorReply::bad_request("InvalidObjectName", "The Length of Object name must be less than 1024."));
    }
    let key = ObjectKey::new(text).filter(|_| !text.starts_with(['/', '\\']));
    key.ok_or_else(error::invalid_object_name)
}

impl Route {
    /// What to do with the body.
    #[must_use]
    pub fn body(&self) -> BodyKind {
        match &self.action {
            Action::Service(ServiceAction::ListBuckets | ServiceAction::DescribeRegions) => BodyKind::None,
            Action::Bucket(_, action) => match action {
                B::Create => BodyKind::Document { size_max: CREATE_BUCKET_SIZE_MAX },
                B::PutCors | B::PutTagging | B::PutReferer => BodyKind::Document { size_max: CONFIGURATION_SIZE_MAX },
                // A thousand rules of a few hundred bytes.
                B::PutLifecycle => BodyKind::Document { size_max: LIFECYCLE_SIZE_MAX },
                B::PutPolicy => BodyKind::Document { size_max: POLICY_SIZE_MAX },
                // OSS's own limit.
                B::DeleteObjects => BodyKind::Document { size_max: DELETE_OBJECTS_SIZE_MAX },
                B::PostForm => BodyKind::Form,
                B::Delete
                | B::Info
                | B::Stat
                | B::Location
                | B::Acl
                | B::PutAcl
                | B::Cors
                | B::DeleteCors
                | B::Lifecycle
                | B::DeleteLifecycle
                | B::Policy
                | B::PolicyStatus
                | B::DeletePolicy
                | B::Tagging
                | B::DeleteTagging
                | B::Referer
                | B::Versioning
                | B::Absent(_)
                | B::ListObjects
                | B::ListObjectsV2
                | B::ListVersions
                | B::ListUploads => BodyKind::None,
            },
            Action::Object(_, action) => match action {
                O::Put | O::Append | O::UploadPart => BodyKind::Stream,
                O::PutTagging => BodyKind::Document { size_max: CONFIGURATION_SIZE_MAX },
                // 10,000 parts need up to 1.5 MiB, more when a client writes its ETags as entities.
                O::CompleteUpload => BodyKind::Document { size_max: COMPLETE_UPLOAD_SIZE_MAX },
                O::Copy
                | O::Get
                | O::Head
                | O::Meta
                | O::Delete
                | O::PutSymlink
                | O::Symlink
                | O::Acl
                | O::PutAcl
                | O::Tagging
                | O::DeleteTagging
                | O::CreateUpload
                | O::UploadPartCopy
                | O::AbortUpload
                | O::ListParts => BodyKind::None,
            },
        }
    }

    /// What the client said about its document's bytes, for the server to verify before `decode`.
    ///
    /// # Errors
    /// `InvalidDigest`, a length that is no number; for DeleteMultipleObjects the absence of Content-MD5 or Content-Length.
    pub fn document_claims(&self, parts: &Parts) -> Result<BodyClaims, ErrorReply> {
        let headers = &parts.headers;
        let claims = BodyClaims { size: headers::content_length(headers)?, md5: headers::content_md5(headers)?, ..BodyClaims::default() };
        if matches!(self.action, Action::Bucket(_, B::DeleteObjects)) {
            if claims.size.is_none() {
                return Err(error::missing_content_length());
            }
            if claims.md5.is_none() {
                return Err(error::missing_argument().ec("0016-00000606"));
            }
        }
        Ok(claims)
    }
}

/// The sub-resource asked for, or the empty text.
fn sub_resource(query: &Query) -> Result<&'static str, ErrorReply> {
    let mut found = SUB_RESOURCES.iter().copied().filter(|name| query.has(name));
    let first = found.next().unwrap_or_default();
    match found.next() {
        None => Ok(first),
        Some(second) => {
            let message = format!("Conflicting query string parameters: {first}, {second}");
            Err(error::invalid_argument(message, "ResourceType", first))
        }
    }
}

fn service(method: &Method, sub_resource: &str) -> Result<ServiceAction, ErrorReply> {
    match (method.as_str(), sub_resource) {
        ("GET", "") => Ok(ServiceAction::ListBuckets),
        ("GET", "regions") => Ok(ServiceAction::DescribeRegions),
        (_, "" | "regions") => Err(error::method_not_allowed(method, "SERVICE", "GET")),
        (_, name) => Err(not_implemented(name)),
    }
}

fn bucket_action(parts: &Parts, query: &Query, sub_resource: &str) -> Result<B, ErrorReply> {
    match look_up(OF_BUCKETS, &parts.method, sub_resource, "BUCKET")? {
        B::ListObjects => match query.text("list-type") {
            "" | "1" => Ok(B::ListObjects),
            "2" => Ok(B::ListObjectsV2),
            other => Err(error::invalid_argument("Invalid List Type specified in Request.", "list-type", other)),
        },
        B::PostForm if !is_form(&parts.headers) => Err(form::not_multipart()),
        other => Ok(other),
    }
}

fn object_action(parts: &Parts, query: &Query, sub_resource: &str) -> Result<O, ErrorReply> {
    if sub_resource == "restore" && parts.method == Method::POST {
        let message = "The operation is not supported for this resource.";
        return Err(ErrorReply::bad_request("OperationNotSupported", message));
    }
    let action = look_up(OF_OBJECTS, &parts.method, sub_resource, "OBJECT")?;
    refuse_stray_parameters(query, action)?;
    refuse_versions(query, action)?;
    let Some(source) = headers::text(&parts.headers, "x-oss-copy-source") else { return Ok(action) };
    match action {
        O::Put => Ok(O::Copy),
        O::UploadPart => Ok(O::UploadPartCopy),
        O::Get | O::Head | O::Meta | O::Delete | O::Symlink | O::Acl | O::Tagging | O::DeleteTagging | O::AbortUpload | O::ListParts => {
            Ok(action)
        }
        O::Copy | O::Append | O::PutSymlink | O::PutAcl | O::PutTagging | O::CreateUpload | O::UploadPartCopy | O::CompleteUpload => {
            let message = "You can only specify a copy source header for copy requests.";
            Err(error::invalid_argument(message, "x-oss-copy-source", source))
        }
    }
}

/// An upload's part without its number, a number without an upload, and a position of what is not appended.
fn refuse_stray_parameters(query: &Query, action: O) -> Result<(), ErrorReply> {
    let is_part = matches!(action, O::UploadPart | O::UploadPartCopy);
    let reads = matches!(action, O::Get | O::Head | O::Meta | O::Symlink | O::Acl | O::Tagging | O::ListParts);
    if is_part && !query.has("partNumber") {
        return Err(unsupported::unexpected_parameter("uploadId"));
    }
    for (name, is_at_home) in [
        ("partNumber", is_part),
        ("position", action == O::Append),
        ("sequential", action == O::CreateUpload),
        ("callback", matches!(action, O::Put | O::CompleteUpload)),
    ] {
        if query.has(name) && !is_at_home && !reads {
            return Err(unsupported::unexpected_parameter(name));
        }
    }
    Ok(())
}

/// Buckets are unversioned: the one version of every object is `null`, and writes name none.
fn refuse_versions(query: &Query, action: O) -> Result<(), ErrorReply> {
    let Some(version) = query.first("versionId") else { return Ok(()) };
    let names_one = match action {
        O::Get | O::Head | O::Meta | O::Delete | O::Symlink | O::Acl | O::PutAcl | O::Tagging | O::PutTagging | O::DeleteTagging => true,
        O::Put
        | O::Copy
        | O::Append
        | O::PutSymlink
        | O::CreateUpload
        | O::UploadPart
        | O::UploadPartCopy
        | O::CompleteUpload
        | O::AbortUpload
        | O::ListParts => false,
    };
    if names_one { check_version(version) } else { Err(unsupported::unexpected_parameter("versionId")) }
}

/// # Errors
/// `InvalidArgument` for every version id but `null`.
pub(super) fn check_version(version: &str) -> Result<(), ErrorReply> {
    match version {
        "null" => Ok(()),
        "" => Err(error::invalid_argument("Version id can not be the empty string.", "versionId", version)),
        other => Err(error::invalid_argument("Invalid version id specified.", "versionId", other)),
    }
}

/// The table's action, else not implemented for what OSS could do, else 405.
fn look_up<T: Copy>(
    table: &[(&'static str, &'static str, T)],
    method: &Method,
    sub_resource: &str,
    resource_type: &'static str,
) -> Result<T, ErrorReply> {
    let rows = || table.iter().filter(|(name, ..)| *name == sub_resource);
    if let Some((.., action)) = rows().find(|(_, each, _)| *each == method.as_str()) {
        return Ok(*action);
    }
    let allowed: Vec<&str> = rows().map(|(_, method, _)| *method).collect();
    let writes = *method != Method::GET && *method != Method::HEAD;
    if allowed.is_empty() || (writes && NOT_WRITABLE.contains(&sub_resource)) {
        return Err(not_implemented(sub_resource));
    }
    Err(error::method_not_allowed(method, resource_type, &allowed.join(", ")))
}

fn not_implemented(sub_resource: &str) -> ErrorReply {
    error::not_implemented_here(format_args!("The sub-resource {sub_resource}"))
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers::text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}
