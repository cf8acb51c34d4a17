//! What is asked for and not there. It is refused: a client that asked for encryption, a lock or a restriction must never believe
//! it got it.

use super::{
    action::{Action, ObjectAction as O},
    error, headers,
    query::Query,
};
use crate::dialect::error::ErrorReply;
use http::{HeaderMap, Method, request::Parts};

/// Sub-resources that OSS has and we have not, whatever the method.
pub(super) const SUB_RESOURCES: &[&str] = &[
    "accessPoint",
    "accessPointConfig",
    "accessPointConfigForObjectProcess",
    "accessPointForObjectProcess",
    "accessPointPolicy",
    "accessPointPolicyForObjectProcess",
    "accessmonitor",
    "agenticBucket",
    "asyncFetch",
    "bucketSpace",
    "bucketArchiveDirectRead",
    "cloudboxes",
    "cleanRestoredObject",
    "cname",
    "comp",
    "dataPipeline",
    "httpsConfig",
    "img",
    "inventory",
    "inventoryId",
    "legalHold",
    "live",
    "metaQuery",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "objectInfo",
    "objectWorm",
    "overwriteConfig",
    "processConfiguration",
    "qos",
    "qosInfo",
    "qosRequester",
    "quota",
    "redundancyTransition",
    "regionList",
    "replicationLocation",
    "replicationProgress",
    "requesterQosInfo",
    "resourceGroup",
    "resourcePool",
    "resourcePoolBuckets",
    "resourcePoolInfo",
    "responseHeader",
    "retention",
    "rtc",
    "seal",
    "style",
    "styleName",
    "udf",
    "userDefinedLogFieldsConfig",
    "vip",
    "vod",
    "vpcip",
    "wormExtend",
    "wormId",
    "x-oss-delete",
    "x-oss-dir",
    "x-oss-rename",
    "x-oss-write-get-object-response",
];

/// Parameters that ask for something we have not, or that restrict who may use a signed URL: an ignored one would let anybody.
const PARAMETERS: &[&str] = &[
    "withHashContext",
    "x-oss-ac-forward-allow",
    "x-oss-ac-source-ip",
    "x-oss-ac-subnet-mask",
    "x-oss-ac-vpc-id",
    "x-oss-access-point-name",
    "x-oss-enable-md5",
    "x-oss-enable-sha1",
    "x-oss-enable-sha256",
    "x-oss-hash-ctx",
    "x-oss-md5-ctx",
];

/// Parameters that a write may have beside its sub-resource: those of the signature, and those that are acted upon.
const KNOWN_TO_WRITES: &[&str] = &[
    "Expires",
    "OSSAccessKeyId",
    "Signature",
    "callback",
    "callback-var",
    "encoding-type",
    "partNumber",
    "position",
    "security-token",
    "sequential",
    "uploadId",
    "versionId",
    "x-oss-access-key-id",
    "x-oss-additional-headers",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-request-payer",
    "x-oss-security-token",
    "x-oss-signature",
    "x-oss-signature-version",
    "x-oss-traffic-limit",
];

/// Headers (or, with a final dash, prefixes of names) that no operation honours.
const HEADERS: &[&str] = &[
    "x-oss-access-point-name",
    "x-oss-copy-source-ssec-",
    "x-oss-object-worm-",
    "x-oss-persistent-headers",
    "x-oss-process",
    "x-oss-async-process",
    "x-oss-server-side-data-encryption",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-",
    "x-oss-ssec-",
];

/// Refuses parameters by name. `sub_resource` is the request's own. Reads may have parameters that mean nothing, as browsers and
/// caches add them; a write with a parameter that we do not know may be meant for something other than the object itself.
///
/// # Errors
/// `InvalidArgument`, `NotImplemented`.
pub(super) fn refuse_parameters(method: &Method, query: &Query, sub_resource: &str) -> Result<(), ErrorReply> {
    let writes = *method != Method::GET && *method != Method::HEAD;
    for name in query.names() {
        if name == "x-oss-process" || name == "x-oss-async-process" {
            return Err(error::invalid_argument("Image and document processing is not supported.", "x-oss-process", query.text(name)));
        }
        if PARAMETERS.contains(&name) || SUB_RESOURCES.contains(&name) {
            return Err(error::not_implemented_here(format_args!("The parameter {name}")));
        }
        if writes && name != sub_resource && !KNOWN_TO_WRITES.contains(&name) {
            return Err(unexpected_parameter(name));
        }
    }
    Ok(())
}

/// A parameter that has no business in this request.
pub(super) fn unexpected_parameter(name: &str) -> ErrorReply {
    error::invalid_argument("Unexpected query string parameter", "QueryParameter", name).ec("0017-00000219")
}

/// # Errors
/// `NotImplemented`; `InvalidArgument` for encryption of a part.
pub(super) fn refuse_headers(parts: &Parts, action: &Action) -> Result<(), ErrorReply> {
    let is_part = matches!(action, Action::Object(_, O::UploadPart | O::UploadPartCopy));
    for name in parts.headers.keys() {
        let name = name.as_str();
        if name == "x-oss-server-side-encryption" && is_part {
            let value = headers::text(&parts.headers, name).unwrap_or_default();
            let message = "x-oss-server-side-encryption must not be specified for a part.";
            return Err(error::invalid_argument(message, "x-oss-server-side-encryption", value));
        }
        if is_refused(name) {
            return Err(error::not_implemented(name));
        }
    }
    Ok(())
}

/// Refuses a form's fields that are headers which no operation honours.
///
/// # Errors
/// `NotImplemented`.
pub(super) fn refuse_fields(headers: &HeaderMap) -> Result<(), ErrorReply> {
    headers.keys().find(|name| is_refused(name.as_str())).map_or(Ok(()), |name| Err(error::not_implemented(name.as_str())))
}

fn is_refused(name: &str) -> bool {
    HEADERS.iter().any(|refused| name == *refused || (refused.ends_with('-') && name.starts_with(refused)))
}
