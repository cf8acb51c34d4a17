//! From method and sub-resource to an action.
//!
//! A sub-resource that S3 has and we have not is 501, never an operation on the object or bucket it
//! was meant to configure. Parameters that S3 does not know either are ignored, as it does, but for writes to what looks
//! like a sub-resource.

use super::{
    action::{Action, BucketAction as B, ObjectAction as O},
    address::Address,
    checksum,
    copy::CopySource,
    error::ErrorReply,
    headers,
    query::Query,
    unsupported,
};
use crate::{
    dialect::BodyKind,
    model::{AbsentConfiguration as Absent, BodyClaims, Bucket, ObjectKey, ObjectRef},
};
use http::{Method, header, request::Parts};

/// The largest documents, by what they are. Bytes.
const CREATE_BUCKET_SIZE_MAX: usize = 16 << 10;
const CONFIGURATION_SIZE_MAX: usize = 64 << 10;
const LIFECYCLE_SIZE_MAX: usize = 256 << 10;
const POLICY_SIZE_MAX: usize = 20 << 10;
const DELETE_OBJECTS_SIZE_MAX: usize = 2 << 20;
const COMPLETE_UPLOAD_SIZE_MAX: usize = 4 << 20;

/// Which operation a request is, before its document has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub(super) action: Action,
    pub(super) virtual_hosted: bool,
    expected_bucket_owners: Vec<(Bucket, String)>,
}

/// The parameters that name a sub-resource, S3's whole list. `uploadId` names one too: an upload.
const SUB_RESOURCES: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Sub-resource (empty for none), method, action. What S3 answers with a default or "not configured"
/// can be read; writing it is not in the table and thus 501.
const OF_BUCKETS: &[(&str, &str, B)] = &[
    ("", "GET", B::ListObjects),
    ("", "HEAD", B::Head),
    ("", "PUT", B::Create),
    ("", "DELETE", B::Delete),
    ("", "POST", B::PostForm),
    ("acl", "GET", B::Acl),
    ("acl", "PUT", B::PutAcl),
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
    ("tagging", "GET", B::Tagging),
    ("tagging", "PUT", B::PutTagging),
    ("tagging", "DELETE", B::DeleteTagging),
    ("uploads", "GET", B::ListUploads),
    ("versioning", "GET", B::Versioning),
    ("versions", "GET", B::ListVersions),
    ("accelerate", "GET", B::Absent(Absent::Accelerate)),
    ("encryption", "GET", B::Absent(Absent::Encryption)),
    ("logging", "GET", B::Absent(Absent::Logging)),
    ("notification", "GET", B::Absent(Absent::Notification)),
    ("object-lock", "GET", B::Absent(Absent::ObjectLock)),
    ("ownershipControls", "GET", B::Absent(Absent::OwnershipControls)),
    ("publicAccessBlock", "GET", B::Absent(Absent::PublicAccessBlock)),
    ("replication", "GET", B::Absent(Absent::Replication)),
    ("requestPayment", "GET", B::Absent(Absent::RequestPayment)),
    ("website", "GET", B::Absent(Absent::Website)),
];

/// As [`OF_BUCKETS`].
const OF_OBJECTS: &[(&str, &str, O)] = &[
    ("", "GET", O::Get),
    ("", "HEAD", O::Head),
    ("", "PUT", O::Put),
    ("", "DELETE", O::Delete),
    ("acl", "GET", O::Acl),
    ("acl", "PUT", O::PutAcl),
    ("attributes", "GET", O::Attributes),
    ("tagging", "GET", O::Tagging),
    ("tagging", "PUT", O::PutTagging),
    ("tagging", "DELETE", O::DeleteTagging),
    ("uploads", "POST", O::CreateUpload),
    ("uploadId", "GET", O::ListParts),
    ("uploadId", "PUT", O::UploadPart),
    ("uploadId", "POST", O::CompleteUpload),
    ("uploadId", "DELETE", O::AbortUpload),
];

/// Sub-resources that S3 lets clients write and we do not: 501 instead of 405.
const NOT_WRITABLE: &[&str] = &[
    "accelerate",
    "encryption",
    "logging",
    "notification",
    "object-lock",
    "ownershipControls",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "versioning",
    "website",
];

/// Tells which operation a request is, and refuses what implies more than we have.
///
/// # Errors
/// `MethodNotAllowed`, `NotImplemented`, `InvalidBucketName`, `KeyTooLongError`, `InvalidArgument`, …
pub fn route(parts: &Parts, address: &Address) -> Result<Route, ErrorReply> {
    let query = Query::parse(parts)?;
    refuse_unknown(&parts.method, &query)?;
    let sub_resource = sub_resource(&query)?;
    let action = match (&address.bucket, &address.key) {
        (None, _) => service(&parts.method, sub_resource)?,
        (Some(name), None) => Action::Bucket(bucket(name)?, bucket_action(parts, &query, sub_resource)?),
        (Some(name), Some(key)) => {
            let bucket = bucket(name)?;
            let key = ObjectKey::new(key.as_str()).ok_or_else(|| ErrorReply::key_too_long(key.len()))?;
            Action::Object(ObjectRef { bucket, key }, object_action(parts, &query, sub_resource)?)
        }
    };
    unsupported::refuse(&parts.headers, &action)?;
    let expected_bucket_owners = expected_bucket_owners(parts, &action)?;
    Ok(Route { action, virtual_hosted: address.virtual_hosted, expected_bucket_owners })
}

impl Route {
    /// What to do with the body.
    #[must_use]
    pub fn body(&self) -> BodyKind {
        match &self.action {
            Action::ListBuckets => BodyKind::None,
            Action::Bucket(_, action) => match action {
                B::Create => BodyKind::Document { size_max: CREATE_BUCKET_SIZE_MAX },
                B::PutCors | B::PutTagging => BodyKind::Document { size_max: CONFIGURATION_SIZE_MAX },
                // Every request to the bucket reads its rules.
                B::PutLifecycle => BodyKind::Document { size_max: LIFECYCLE_SIZE_MAX },
                // S3's own limit for bucket policies.
                B::PutPolicy => BodyKind::Document { size_max: POLICY_SIZE_MAX },
                B::DeleteObjects => BodyKind::Document { size_max: DELETE_OBJECTS_SIZE_MAX },
                B::PostForm => BodyKind::Form,
                B::Head
                | B::Delete
                | B::Location
                | B::Versioning
                | B::Lifecycle
                | B::DeleteLifecycle
                | B::Acl
                | B::PutAcl
                | B::Cors
                | B::DeleteCors
                | B::Policy
                | B::PolicyStatus
                | B::DeletePolicy
                | B::Tagging
                | B::DeleteTagging
                | B::Absent(_)
                | B::ListObjects
                | B::ListObjectsV2
                | B::ListVersions
                | B::ListUploads => BodyKind::None,
            },
            Action::Object(_, action) => match action {
                O::Put | O::UploadPart => BodyKind::Stream,
                O::PutTagging => BodyKind::Document { size_max: CONFIGURATION_SIZE_MAX },
                // 10,000 parts with checksums need up to 2.5 MiB.
                O::CompleteUpload => BodyKind::Document { size_max: COMPLETE_UPLOAD_SIZE_MAX },
                O::Copy
                | O::Get
                | O::Head
                | O::Delete
                | O::Attributes
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

    /// The bucket the request is addressed to, if it is to one.
    #[must_use]
    pub fn bucket(&self) -> Option<&Bucket> {
        match &self.action {
            Action::ListBuckets => None,
            Action::Bucket(bucket, _) => Some(bucket),
            Action::Object(object, _) => Some(&object.bucket),
        }
    }

    /// Buckets and the owners the client expects them to have: `x-amz-expected-bucket-owner` and
    /// `x-amz-source-expected-bucket-owner`. Compare with [`super::owner_matches`]; a difference is
    /// 403 AccessDenied.
    #[must_use]
    pub fn expected_bucket_owners(&self) -> &[(Bucket, String)] {
        &self.expected_bucket_owners
    }

    /// What the client said about its document's bytes, for the server to verify before `decode`.
    ///
    /// # Errors
    /// `InvalidDigest`, checksum headers that are not ones, `MissingContentLength` of an aws-chunked
    /// document, and for DeleteObjects the absence of both Content-MD5 and checksum.
    pub fn document_claims(&self, parts: &Parts) -> Result<BodyClaims, ErrorReply> {
        let headers = &parts.headers;
        let size = headers::document_size(headers)?;
        // The checksum in the head of a CompleteMultipartUpload is the object's, not its document's.
        if let Action::Object(_, O::CompleteUpload) = self.action {
            let (md5, trailer) = (headers::content_md5(headers)?, checksum::announced_trailer(headers)?);
            return Ok(BodyClaims { size, md5, trailer, ..BodyClaims::default() });
        }
        let claims = BodyClaims { size, ..checksum::body_claims(headers)? };
        let unguarded = claims.md5.is_none() && claims.checksum_algorithm().is_none();
        if unguarded && matches!(self.action, Action::Bucket(_, B::DeleteObjects)) {
            return Err(ErrorReply::invalid_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*"));
        }
        Ok(claims)
    }
}

/// A name without a value is how new sub-resources look. One that is not known yet must not make a write go to the object or
/// bucket that it was meant to configure.
fn refuse_unknown(method: &Method, query: &Query) -> Result<(), ErrorReply> {
    const WITH_VALUES: [&str; 3] = ["partNumber", "versionId", "x-id"];
    let is_write = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    let is_unknown = |name: &str| !SUB_RESOURCES.contains(&name) && !WITH_VALUES.contains(&name);
    match query.pairs().find(|(name, value)| value.is_empty() && is_unknown(name)) {
        Some((name, _)) if is_write => Err(not_implemented(name)),
        Some(_) | None => Ok(()),
    }
}

/// The sub-resource asked for, or the empty text.
fn sub_resource(query: &Query) -> Result<&'static str, ErrorReply> {
    let mut found = SUB_RESOURCES.iter().copied().filter(|name| query.has(name));
    let first = found.next().unwrap_or_default();
    match found.next() {
        None => Ok(first),
        Some(second) => Err(ErrorReply::bad_request("InvalidArgument", format!("Conflicting query string parameters: {first}, {second}"))
            .with("ArgumentName", "ResourceType")
            .with("ArgumentValue", first)),
    }
}

fn service(method: &Method, sub_resource: &str) -> Result<Action, ErrorReply> {
    match (method.as_str(), sub_resource) {
        ("GET", "") => Ok(Action::ListBuckets),
        (_, "") => Err(ErrorReply::method_not_allowed(method, "SERVICE", "GET")),
        (_, name) => Err(not_implemented(name)),
    }
}

fn bucket_action(parts: &Parts, query: &Query, sub_resource: &str) -> Result<B, ErrorReply> {
    let action = look_up(OF_BUCKETS, &parts.method, sub_resource, "BUCKET")?;
    match action {
        B::ListObjects => match query.non_empty("list-type") {
            None | Some("1") => Ok(B::ListObjects),
            Some("2") => Ok(B::ListObjectsV2),
            Some(other) => Err(ErrorReply::invalid_argument("Invalid List Type specified in Request", "list-type", other)),
        },
        B::PostForm if !is_form(parts) => {
            Err(ErrorReply::precondition_failed("Bucket POST must be of the enclosure-type multipart/form-data"))
        }
        other => Ok(other),
    }
}

fn object_action(parts: &Parts, query: &Query, sub_resource: &str) -> Result<O, ErrorReply> {
    let without_upload = sub_resource.is_empty() && query.has("partNumber");
    if without_upload && (parts.method == Method::PUT || parts.method == Method::DELETE || parts.method == Method::POST) {
        let value = query.get("partNumber").unwrap_or_default();
        return Err(ErrorReply::invalid_argument("This operation does not accept partNumber without uploadId", "partNumber", value));
    }
    let action = look_up(OF_OBJECTS, &parts.method, sub_resource, "OBJECT")?;
    if action == O::UploadPart && !query.has("partNumber") {
        let value = query.get("uploadId").unwrap_or_default();
        return Err(ErrorReply::invalid_argument("This operation does not accept uploadId without partNumber", "uploadId", value));
    }
    refuse_versions(query, action)?;
    let Some(source) = headers::text(&parts.headers, "x-amz-copy-source") else { return Ok(action) };
    let reads_or_deletes = [Method::GET, Method::HEAD, Method::DELETE].contains(&parts.method);
    if action == O::Put {
        Ok(O::Copy)
    } else if action == O::UploadPart {
        Ok(O::UploadPartCopy)
    } else if reads_or_deletes {
        Ok(action)
    } else {
        let message = "You can only specify a copy source header for copy requests.";
        Err(ErrorReply::invalid_argument(message, "x-amz-copy-source", source))
    }
}

/// Buckets are unversioned: the one version of every object is `null`, and writes name none.
fn refuse_versions(query: &Query, action: O) -> Result<(), ErrorReply> {
    let Some(version) = query.get("versionId") else { return Ok(()) };
    let writes = match action {
        O::Put | O::Copy | O::CreateUpload | O::UploadPart | O::UploadPartCopy | O::CompleteUpload | O::AbortUpload | O::ListParts => true,
        O::Get | O::Head | O::Delete | O::Attributes | O::Acl | O::PutAcl | O::Tagging | O::PutTagging | O::DeleteTagging => false,
    };
    match version {
        _ if writes => Err(ErrorReply::invalid_argument("This operation does not accept a version-id.", "versionId", version)),
        "null" => Ok(()),
        "" => Err(ErrorReply::invalid_argument("Version id cannot be the empty string", "versionId", version)),
        other => Err(ErrorReply::invalid_version_id("versionId", other)),
    }
}

/// The table's action, else 501 for what S3 could do, else 405.
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
    let writes = *method == Method::PUT || *method == Method::DELETE;
    if allowed.is_empty() || (writes && NOT_WRITABLE.contains(&sub_resource)) {
        return Err(not_implemented(sub_resource));
    }
    Err(ErrorReply::method_not_allowed(method, resource_type, &allowed.join(", ")))
}

fn not_implemented(sub_resource: &str) -> ErrorReply {
    ErrorReply::not_implemented(&format!("The sub-resource {sub_resource} is not implemented"))
}

fn is_form(parts: &Parts) -> bool {
    let content_type = headers::text(&parts.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

fn bucket(name: &str) -> Result<Bucket, ErrorReply> {
    Bucket::new(name)
        .ok_or_else(|| ErrorReply::bad_request("InvalidBucketName", "The specified bucket is not valid.").with("BucketName", name))
}

fn expected_bucket_owners(parts: &Parts, action: &Action) -> Result<Vec<(Bucket, String)>, ErrorReply> {
    let mut owners = Vec::new();
    let target = match action {
        Action::ListBuckets | Action::Bucket(_, B::Create) => None,
        Action::Bucket(bucket, _) => Some(bucket),
        Action::Object(object, _) => Some(&object.bucket),
    };
    let expected = |name| headers::text(&parts.headers, name);
    if let (Some(bucket), Some(owner)) = (target, expected("x-amz-expected-bucket-owner")) {
        owners.push((bucket.clone(), owner));
    }
    if let Action::Object(_, O::Copy | O::UploadPartCopy) = action
        && let Some(owner) = expected("x-amz-source-expected-bucket-owner")
    {
        owners.push((CopySource::parse(&parts.headers)?.object.bucket, owner));
    }
    Ok(owners)
}
