//! OSS signature version 1, in the Authorization header and in signed URLs (OSS API Reference, "Add a signature to the
//! header", "Add signatures to a URL").
//!
//! - A signature covers the method, Content-MD5, Content-Type, the date, all `x-oss-*` headers, bucket and key, and those
//!   parameters of the query that every client and server must know by name. Clients disagree about which `x-oss-*`
//!   parameters are among them, so three readings are tried.
//! - A name that is in no list is never signed: whoever holds a signed URL may change such a parameter, and where the signer
//!   used none, add any `x-oss-*` one. So these parameters must not be taken for the headers of the same names.

use super::{
    Addressed, AuthError, Payload, Verified,
    canonical::Query,
    oss_canonical::{Place, first_lines, header_lines, resource},
    sigv2::sign,
    sigv4::same_signature,
};
use crate::model::Timestamp;
use http::request::Parts;

/// The parameters that are signed, in order: what the SDKs list, taken together. Names that begin `udf` are signed as well.
const SUB_RESOURCES: &[&str] = &[
    "accessPoint",
    "accessPointPolicy",
    "acl",
    "append",
    "asyncFetch",
    "bucketArchiveDirectRead",
    "bucketInfo",
    "callback",
    "callback-var",
    "cloudboxes",
    "cname",
    "comp",
    "continuation-token",
    "cors",
    "delete",
    "encryption",
    "endTime",
    "group",
    "httpsConfig",
    "img",
    "inventory",
    "inventoryId",
    "lifecycle",
    "link",
    "live",
    "location",
    "logging",
    "metaQuery",
    "objectInfo",
    "objectMeta",
    "partNumber",
    "policy",
    "policyStatus",
    "position",
    "processConfiguration",
    "publicAccessBlock",
    "qos",
    "qosInfo",
    "qosRequester",
    "redundancyTransition",
    "referer",
    "regionList",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "requesterQosInfo",
    "resourceGroup",
    "resourcePool",
    "resourcePoolBuckets",
    "resourcePoolInfo",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "responseHeader",
    "restore",
    "rtc",
    "seal",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "transferAcceleration",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "vip",
    "vod",
    "vpcip",
    "website",
    "withHashContext",
    "worm",
    "wormExtend",
    "wormId",
];

/// The `x-oss-*` parameters that most SDKs sign, in order.
const VENDOR_SUB_RESOURCES: &[&str] = &[
    "x-oss-ac-forward-allow",
    "x-oss-ac-source-ip",
    "x-oss-ac-subnet-mask",
    "x-oss-ac-vpc-id",
    "x-oss-access-point-name",
    "x-oss-async-process",
    "x-oss-delete",
    "x-oss-dir",
    "x-oss-enable-md5",
    "x-oss-enable-sha1",
    "x-oss-enable-sha256",
    "x-oss-hash-ctx",
    "x-oss-md5-ctx",
    "x-oss-process",
    "x-oss-redundancy-transition-taskid",
    "x-oss-rename",
    "x-oss-request-payer",
    "x-oss-security-token",
    "x-oss-target-redundancy-type",
    "x-oss-traffic-limit",
    "x-oss-write-get-object-response",
];

/// Which `x-oss-*` parameters a client signs.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// Those that most SDKs list.
    Listed,
    /// All of them, as the Go SDK does.
    All,
    /// None, as the second Python SDK does, but for the token, which nobody leaves out.
    TokenOnly,
}

/// A version 1 signature as a request carries it.
#[derive(Debug)]
pub(super) struct OssV1Claim {
    signature: String,
    place: Place,
}

impl OssV1Claim {
    /// Reads what follows `OSS ` in the Authorization header. Returns the access key with it.
    pub(super) fn from_header(credentials: &str) -> Result<(String, Self), AuthError> {
        let (access_key, signature) = credentials
            .split_once(':')
            .map(|(access_key, signature)| (access_key.trim(), signature.trim()))
            .filter(|(access_key, signature)| !access_key.is_empty() && !signature.is_empty())
            .ok_or_else(|| AuthError::HeaderMalformed("Authorization header is invalid.".to_owned()))?;
        Ok((access_key.to_owned(), Self { signature: signature.to_owned(), place: Place::Header }))
    }

    /// Reads the parameters of a signed URL. Returns the access key with it.
    pub(super) fn from_query(query: &Query) -> Result<(String, Self), AuthError> {
        let required = |name| {
            query.first(name).filter(|value| !value.is_empty()).ok_or(AuthError::QueryIncomplete(
                "Query string authentication requires the Signature, Expires and OSSAccessKeyId parameters.",
            ))
        };
        let access_key = required("OSSAccessKeyId")?.to_owned();
        let signature = required("Signature")?.to_owned();
        let place = Place::in_query(required("Expires")?)?;
        Ok((access_key, Self { signature, place }))
    }

    /// Verifies the signature.
    pub(super) fn verify(
        &self,
        access_key: &str,
        parts: &Parts,
        addressed: &Addressed<'_>,
        secret: &str,
        now: Timestamp,
    ) -> Result<Verified, AuthError> {
        let date = self.place.date(&parts.headers, now)?;
        let strings = strings_to_sign(parts, addressed, date, &self.place);
        if strings.iter().any(|string| same_signature(&sign(secret, string), &self.signature)) {
            return Ok(Verified { payload: Payload::Unsigned });
        }
        Err(AuthError::SignatureMismatch {
            access_key: access_key.to_owned(),
            string_to_sign: strings.first().map(|string| String::from_utf8_lossy(string).into_owned()).unwrap_or_default(),
            canonical_request: None,
            provided: self.signature.clone(),
        })
    }
}

/// The string that we sign.
pub(super) fn string_to_sign(parts: &Parts, addressed: &Addressed<'_>, date: &str) -> Vec<u8> {
    let query = Query::parse(parts.uri.query());
    [up_to_resource(parts, date), resource(addressed).into_bytes(), sub_resources(&query, Reading::Listed)].concat()
}

/// The strings that clients may have signed, ours first; at most six.
fn strings_to_sign(parts: &Parts, addressed: &Addressed<'_>, date: &str, place: &Place) -> Vec<Vec<u8>> {
    let query = Query::parse(parts.uri.query());
    let start = up_to_resource(parts, date);
    let mut resources = vec![resource(addressed)];
    if let (Place::Query { .. }, Some(bucket), None) = (place, addressed.bucket, addressed.key) {
        // The first Java SDK signs URLs of a bucket so.
        resources.push(format!("/{bucket}"));
    }
    let mut strings: Vec<Vec<u8>> = Vec::new();
    for reading in [Reading::Listed, Reading::All, Reading::TokenOnly] {
        let sub_resources = sub_resources(&query, reading);
        for resource in &resources {
            let string = [&start, resource.as_bytes(), &sub_resources].concat();
            if !strings.contains(&string) {
                strings.push(string);
            }
        }
    }
    strings
}

fn up_to_resource(parts: &Parts, date: &str) -> Vec<u8> {
    [first_lines(parts, date), header_lines(&parts.headers, |_| false)].concat()
}

/// `?` and the sorted sub-resources with their decoded values; empty when there is none.
fn sub_resources(query: &Query, reading: Reading) -> Vec<u8> {
    let mut signed: Vec<_> = query.pairs().filter(|(name, _)| is_signed(name, reading)).collect();
    signed.sort_by_key(|&(name, _)| name);
    let mut text = Vec::new();
    for (name, value) in signed {
        text.push(if text.is_empty() { b'?' } else { b'&' });
        text.extend_from_slice(name);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push(b'=');
            text.extend_from_slice(value);
        }
    }
    text
}

fn is_signed(name: &[u8], reading: Reading) -> bool {
    let is_in = |list: &[&str]| list.binary_search_by(|listed| listed.as_bytes().cmp(name)).is_ok();
    if !name.starts_with(b"x-oss-") {
        return is_in(SUB_RESOURCES) || name.starts_with(b"udf");
    }
    match reading {
        Reading::Listed => is_in(VENDOR_SUB_RESOURCES),
        Reading::All => true,
        Reading::TokenOnly => name == b"x-oss-security-token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str) -> Parts {
        http::Request::get(uri).body(()).unwrap().into_parts().0
    }

    fn of_bucket(bucket: &str) -> Addressed<'_> {
        Addressed { bucket: Some(bucket), ..Addressed::default() }
    }

    /// Verifies a URL that was signed over this string.
    fn verify(uri: &str, addressed: &Addressed<'_>, signed_text: &str) -> Result<Verified, AuthError> {
        let signature = sign("secret", signed_text.as_bytes());
        let claim = OssV1Claim { signature, place: Place::in_query("2000000000").unwrap() };
        claim.verify("ak", &head(uri), addressed, "secret", Timestamp::from_secs(0))
    }

    #[test]
    fn the_lists_are_sorted_as_searching_needs() {
        for list in [SUB_RESOURCES, VENDOR_SUB_RESOURCES] {
            assert!(list.is_sorted());
        }
    }

    #[test]
    fn listed_sub_resources_are_signed_decoded_and_sorted_and_others_never() {
        let of = |raw| String::from_utf8(sub_resources(&Query::parse(Some(raw)), Reading::Listed)).unwrap();
        assert_eq!(of("list-type=2&prefix=a&delimiter=/&marker=m&max-keys=1&key-marker=k&fetch-owner&start-after=s&regions"), "");
        assert_eq!(of("uploads="), "?uploads");
        assert_eq!(of("uploadId=u%2F1&x=y&partNumber=2&acl"), "?acl&partNumber=2&uploadId=u/1");
        assert_eq!(
            of("continuation-token=c%2B&udfName=n&x-oss-process=p&x-oss-other=1"),
            "?continuation-token=c+&udfName=n&x-oss-process=p"
        );
    }

    #[test]
    fn clients_that_sign_all_or_no_vendor_parameters_verify_too() {
        let addressed = Addressed { bucket: Some("b"), key: Some("k"), bucket_in_host: None };
        let uri = "/b/k?x-oss-new=1&x-oss-process=p&acl&x-oss-security-token=t";
        let string = |query: &str| format!("GET\n\n\n2000000000\n/b/k?{query}");
        for query in [
            "acl&x-oss-process=p&x-oss-security-token=t",
            "acl&x-oss-new=1&x-oss-process=p&x-oss-security-token=t",
            "acl&x-oss-security-token=t",
        ] {
            assert!(verify(uri, &addressed, &string(query)).is_ok(), "{query}");
        }
        for query in ["acl", "x-oss-process=p&x-oss-security-token=t", "acl&x-oss-new=1&x-oss-security-token=t"] {
            assert!(matches!(verify(uri, &addressed, &string(query)), Err(AuthError::SignatureMismatch { .. })), "{query}");
        }
    }

    #[test]
    fn a_bucket_may_be_signed_without_its_slash_in_a_url_only() {
        let string = "GET\n\n\n2000000000\n/b?acl";
        assert!(verify("/b/?acl", &of_bucket("b"), string).is_ok());
        assert!(verify("/b/?acl", &of_bucket("b"), &string.replace("/b?", "/b/?")).is_ok());
        assert!(verify("/b/k?acl", &Addressed { key: Some("k"), ..of_bucket("b") }, string).is_err());
        assert_eq!(strings_to_sign(&head("/b/?acl"), &of_bucket("b"), "d", &Place::Header).len(), 1);
    }

    #[test]
    fn headers_and_queries_must_be_complete() {
        for bad in ["", "ak", "ak:", ":sig"] {
            assert!(matches!(OssV1Claim::from_header(bad), Err(AuthError::HeaderMalformed(_))), "{bad}");
        }
        for bad in
            ["OSSAccessKeyId=a&Signature=s", "Signature=s&Expires=1", "OSSAccessKeyId=a&Expires=1", "OSSAccessKeyId=&Signature=s&Expires=1"]
        {
            let refusal = OssV1Claim::from_query(&Query::parse(Some(bad)));
            assert!(matches!(refusal, Err(AuthError::QueryIncomplete(_))), "{bad}");
        }
        let refusal = OssV1Claim::from_query(&Query::parse(Some("OSSAccessKeyId=a&Signature=s&Expires=soon")));
        assert!(matches!(refusal, Err(AuthError::ExpiryInvalid)));
    }
}
