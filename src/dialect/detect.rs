//! Which dialect a request speaks.
//!
//! The signature tells, then headers and parameters that only one of the two has, then the host and the client's name
//! for itself. A request without any of them, such as a browser's for a public object, means the same in both but for
//! the look of its errors.

use super::address::host;
use http::{HeaderMap, header, request::Parts};

/// One of the two dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// Amazon S3's.
    S3,
    /// Aliyun OSS's.
    Oss,
}

/// Parameters of a signed URL, and whose they are.
const SIGNING_PARAMETERS: [(&str, Spoken); 7] = [
    ("x-oss-signature-version", Spoken::Oss),
    ("x-oss-signature", Spoken::Oss),
    ("OSSAccessKeyId", Spoken::Oss),
    ("AWSAccessKeyId", Spoken::S3),
    ("X-Amz-Algorithm", Spoken::S3),
    ("X-Amz-Signature", Spoken::S3),
    ("X-Amz-Credential", Spoken::S3),
];

/// The dialect a request gives itself away by; `None` when it speaks both.
#[must_use]
pub fn spoken(parts: &Parts) -> Option<Spoken> {
    let query = parts.uri.query().unwrap_or_default();
    by_authorization(&parts.headers)
        .or_else(|| by_signing_parameters(query))
        .or_else(|| by_prefix(parts.headers.keys().map(header::HeaderName::as_str)))
        .or_else(|| by_prefix(parameter_names(query)))
        .or_else(|| by_prefix(preflight_headers(&parts.headers)))
        .or_else(|| by_host(&host(parts)))
        .or_else(|| by_user_agent(&parts.headers))
}

/// The dialect of a form, by the names of its fields; `None` when it speaks both.
pub fn spoken_by_form<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<Spoken> {
    names.find_map(|name| match name.to_ascii_lowercase().as_str() {
        "ossaccesskeyid" | "callback" => Some(Spoken::Oss),
        "awsaccesskeyid" => Some(Spoken::S3),
        lower => prefixed(lower),
    })
}

fn by_authorization(headers: &HeaderMap) -> Option<Spoken> {
    let scheme = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split(' ').next()?;
    match scheme {
        "OSS" | "OSS2" | "OSS4-HMAC-SHA256" => Some(Spoken::Oss),
        _ if scheme.starts_with("AWS") => Some(Spoken::S3),
        _ => None,
    }
}

fn by_signing_parameters(query: &str) -> Option<Spoken> {
    parameter_names(query).find_map(|name| SIGNING_PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, spoken)| *spoken))
}

fn parameter_names(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').map(|pair| pair.split('=').next().unwrap_or_default())
}

/// What a browser will send once its preflight is answered.
fn preflight_headers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let asked = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|value| value.to_str().ok());
    asked.flat_map(|names| names.split(',')).map(str::trim)
}

fn by_prefix<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<Spoken> {
    names.find_map(|name| prefixed(&name.to_ascii_lowercase()))
}

fn prefixed(lower: &str) -> Option<Spoken> {
    if lower.starts_with("x-oss-") {
        Some(Spoken::Oss)
    } else if lower.starts_with("x-amz-") {
        Some(Spoken::S3)
    } else {
        None
    }
}

/// `oss-…` as a label of the host, or a host of Aliyun's.
fn by_host(host: &str) -> Option<Spoken> {
    let is_oss = host.ends_with(".aliyuncs.com") || host.split('.').any(|label| label == "oss" || label.starts_with("oss-"));
    let is_s3 = host.ends_with(".amazonaws.com") || host.split('.').any(|label| label == "s3" || label.starts_with("s3-"));
    match (is_oss, is_s3) {
        (true, false) => Some(Spoken::Oss),
        (false, true) => Some(Spoken::S3),
        (true, true) | (false, false) => None,
    }
}

/// SDKs that sign nothing still tell their name.
fn by_user_agent(headers: &HeaderMap) -> Option<Spoken> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?.to_ascii_lowercase();
    let begins = |names: &[&str]| names.iter().any(|name| agent.starts_with(name));
    if begins(&["aliyun-sdk-", "alibabacloud-", "ossutil"]) {
        Some(Spoken::Oss)
    } else if begins(&["aws-sdk-", "aws-cli/", "boto3/", "minio "]) {
        Some(Spoken::S3)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, headers: &[(&str, &str)]) -> Option<Spoken> {
        let request = headers.iter().fold(http::Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        spoken(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_signature_tells_whatever_else_there_is() {
        for authorization in ["OSS a:b", "OSS2 AccessKeyId:a,Signature:b", "OSS4-HMAC-SHA256 Credential=a"] {
            assert_eq!(
                of("/?X-Amz-Date=1", &[("x-amz-date", "x"), ("authorization", authorization)]),
                Some(Spoken::Oss),
                "{authorization}"
            );
        }
        for authorization in ["AWS a:b", "AWS4-HMAC-SHA256 Credential=a", "AWS4-ECDSA-P256-SHA256 x"] {
            assert_eq!(of("/", &[("x-oss-date", "x"), ("authorization", authorization)]), Some(Spoken::S3), "{authorization}");
        }
        assert_eq!(of("/?OSSAccessKeyId=a&Expires=1&Signature=b", &[("x-amz-meta-a", "x")]), Some(Spoken::Oss));
        assert_eq!(of("/?Expires=1&AWSAccessKeyId=a&Signature=b", &[("x-oss-meta-a", "x")]), Some(Spoken::S3));
        assert_eq!(of("/?x-oss-signature-version=OSS2", &[]), Some(Spoken::Oss));
        assert_eq!(of("/?X-Amz-Algorithm=AWS4-HMAC-SHA256", &[("host", "oss-cn-hangzhou.aliyuncs.com")]), Some(Spoken::S3));
    }

    #[test]
    fn headers_parameters_hosts_and_names_tell_in_this_order() {
        assert_eq!(of("/?x-amz-a=1", &[("x-oss-meta-a", "x")]), Some(Spoken::Oss));
        assert_eq!(of("/?x-oss-process=x", &[("host", "s3.example.com")]), Some(Spoken::Oss));
        assert_eq!(of("/k", &[("access-control-request-headers", "content-type, x-oss-date")]), Some(Spoken::Oss));
        assert_eq!(of("/k", &[("host", "b.oss-cn-hangzhou.aliyuncs.com:80"), ("user-agent", "Boto3/1")]), Some(Spoken::Oss));
        assert_eq!(of("/k", &[("host", "b.s3.example.com")]), Some(Spoken::S3));
        assert_eq!(of("/k", &[("user-agent", "aliyun-sdk-python/2.19.1(Linux/…)")]), None, "no visible ASCII is no name");
        assert_eq!(of("/k", &[("user-agent", "aliyun-sdk-python/2.19.1(Linux)")]), Some(Spoken::Oss));
        assert_eq!(of("/k", &[("host", "127.0.0.1:9000"), ("user-agent", "curl/8")]), None);
    }

    #[test]
    fn fields_tell_whose_form_it_is() {
        let of = |names: &[&str]| spoken_by_form(names.iter().copied());
        assert_eq!(of(&["key", "OSSAccessKeyId", "policy"]), Some(Spoken::Oss));
        assert_eq!(of(&["key", "x-oss-credential"]), Some(Spoken::Oss));
        assert_eq!(of(&["key", "X-Amz-Credential"]), Some(Spoken::S3));
        assert_eq!(of(&["key", "policy"]), None);
    }
}
