//! Which signature an OSS request carries: version 1, 2 or 4, in the Authorization header or in the query, and where its
//! security token is.

use super::{
    AuthError, Claim, SignedClaim,
    canonical::{Query, header_text, query_names_any},
    claim::Scheme,
    ossv1::OssV1Claim,
    ossv2::{self, OssV2Claim},
    ossv4::{self, OssV4Claim},
};
use http::{HeaderValue, header, request::Parts};

/// Says in a URL which version signed it, when it is not the first.
const VERSION: &str = "x-oss-signature-version";
/// Parameters that only a URL signed with version 1 has.
const QUERY_V1: [&str; 2] = ["OSSAccessKeyId", "Signature"];
/// Parameters that only a URL signed with a later version has.
const QUERY_LATER: [&str; 4] = [VERSION, "x-oss-signature", "x-oss-credential", "x-oss-access-key-id"];

/// Whether a request carries an OSS signature, of any version, in a header or in the query. Says nothing about whether it
/// is well-formed. Of a URL with `AWSAccessKeyId` the `Signature` is S3's.
#[must_use]
pub fn is_signed(parts: &Parts) -> bool {
    let authorization = parts.headers.get_all(header::AUTHORIZATION).iter();
    let query = parts.uri.query();
    authorization.map(HeaderValue::as_bytes).any(|value| value.starts_with(b"OSS"))
        || query_names_any(query, &QUERY_LATER)
        || query_names_any(query, &["OSSAccessKeyId"])
        || (query_names_any(query, &["Signature"]) && !query_names_any(query, &["AWSAccessKeyId"]))
}

/// Reads which key a request says it was signed with.
///
/// # Errors
/// Everything about the form of the signature that is wrong without knowing the secret.
pub fn claim(parts: &Parts) -> Result<Claim, AuthError> {
    let query = Query::parse(parts.uri.query());
    let has_any = |names: &[&str]| names.iter().any(|name| query.contains(name));
    let in_header = parts.headers.get_all(header::AUTHORIZATION).iter().count();
    let in_query = has_any(&QUERY_V1) || has_any(&QUERY_LATER);
    if in_header + usize::from(in_query) > 1 {
        return Err(AuthError::MultipleMechanisms);
    }
    let (access_key, scheme) = if in_header == 1 {
        from_header(parts)?
    } else if in_query {
        from_query(parts, &query)?
    } else {
        return Ok(Claim::Anonymous);
    };
    let security_token = security_token(parts, &query, &scheme, in_query)?;
    Ok(Claim::Signed(Box::new(SignedClaim { access_key, security_token, scheme })))
}

fn from_header(parts: &Parts) -> Result<(String, Scheme), AuthError> {
    let value = header_text(&parts.headers, "authorization").ok_or(AuthError::UnsupportedScheme)?;
    match value.split_once(' ') {
        Some((ossv4::ALGORITHM, components)) => {
            let (access_key, claim) = OssV4Claim::from_header(parts, components)?;
            Ok((access_key, Scheme::OssV4(claim)))
        }
        Some((ossv2::VERSION, components)) => {
            let (access_key, claim) = OssV2Claim::from_header(components)?;
            Ok((access_key, Scheme::OssV2(claim)))
        }
        Some(("OSS", credentials)) => {
            let (access_key, claim) = OssV1Claim::from_header(credentials)?;
            Ok((access_key, Scheme::OssV1(claim)))
        }
        Some(_) | None => Err(AuthError::UnsupportedScheme),
    }
}

fn from_query(parts: &Parts, query: &Query) -> Result<(String, Scheme), AuthError> {
    query.refuse_repeated(&QUERY_V1)?;
    query.refuse_repeated(&QUERY_LATER)?;
    query.refuse_repeated(&["Expires", "x-oss-date", "x-oss-expires"])?;
    match query.first(VERSION) {
        Some(ossv4::ALGORITHM) => {
            let (access_key, claim) = OssV4Claim::from_query(parts, query)?;
            Ok((access_key, Scheme::OssV4(claim)))
        }
        Some(ossv2::VERSION) => {
            let (access_key, claim) = OssV2Claim::from_query(query)?;
            Ok((access_key, Scheme::OssV2(claim)))
        }
        Some(_) | None if QUERY_V1.iter().any(|name| query.contains(name)) => {
            let (access_key, claim) = OssV1Claim::from_query(query)?;
            Ok((access_key, Scheme::OssV1(claim)))
        }
        Some(_) | None => Err(AuthError::QueryMalformed(format!("{VERSION} must be {} or {}.", ossv2::VERSION, ossv4::ALGORITHM))),
    }
}

/// The token of a header-signed request is in a header; that of a signed URL is in the URL, because whoever is handed it
/// has no token. The second Python SDK's version 1 names the header as it names the parameter, and does not sign it.
fn security_token(parts: &Parts, query: &Query, scheme: &Scheme, in_query: bool) -> Result<Option<String>, AuthError> {
    let headers: &[&str] = match scheme {
        Scheme::OssV1(_) => &["x-oss-security-token", "security-token"],
        Scheme::OssV2(_) | Scheme::OssV4(_) | Scheme::S3V4(_) | Scheme::S3V2(_) => &["x-oss-security-token"],
    };
    let header = headers.iter().find_map(|name| parts.headers.get(*name));
    let parameter = ["security-token", "x-oss-security-token"].into_iter().find(|name| query.contains(name));
    match (header, parameter) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(AuthError::TokenRepeated),
        (Some(_), None) if in_query => Err(AuthError::TokenNotInQuery),
        // What is no text is nothing that we have issued.
        (Some(header), None) => header.to_str().map(|token| Some(token.trim().to_owned())).map_err(|_| AuthError::InvalidToken),
        (None, Some(name)) => query.first(name).map(|token| Some(token.to_owned())).ok_or(AuthError::InvalidToken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::Addressed, model::Timestamp};
    use proptest::prelude::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const V4: &str = "OSS4-HMAC-SHA256 Credential=ak/20260115/r/oss/aliyun_v4_request,Signature=00";
    const V4_URL: &str = "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=ak/20260115/r/oss/aliyun_v4_request\
                          &x-oss-date=20260115T083000Z&x-oss-expires=60&x-oss-signature=00";
    const V2_URL: &str = "x-oss-signature-version=OSS2&x-oss-access-key-id=ak&x-oss-expires=1&x-oss-signature=s";
    const V1_URL: &str = "OSSAccessKeyId=ak&Expires=1&Signature=s";

    fn v4_headers() -> Vec<(&'static str, &'static str)> {
        vec![("authorization", V4), ("x-oss-date", "20260115T083000Z"), ("x-oss-content-sha256", "UNSIGNED-PAYLOAD")]
    }

    fn scheme_of(uri: &str, headers: &[(&str, &str)]) -> String {
        match claim(&head(uri, headers)) {
            Ok(Claim::Signed(signed)) => {
                assert_eq!(signed.access_key, "ak");
                format!("{:?}", signed.scheme).chars().take_while(|character| *character != '(').collect()
            }
            Ok(Claim::Anonymous) => "Anonymous".to_owned(),
            Err(error) => format!("{error:?}"),
        }
    }

    fn token_of(uri: &str, headers: &[(&str, &str)]) -> Result<Option<String>, AuthError> {
        match claim(&head(uri, headers))? {
            Claim::Signed(signed) => Ok(signed.security_token),
            Claim::Anonymous => panic!("the request is signed"),
        }
    }

    #[test]
    fn the_versions_are_told_apart_in_header_and_query() {
        for (query, headers, scheme) in [
            ("", v4_headers(), "OssV4"),
            ("", vec![("authorization", "OSS2 AccessKeyId:ak,Signature:s")], "OssV2"),
            ("", vec![("authorization", "OSS ak:s")], "OssV1"),
            (V4_URL, vec![], "OssV4"),
            (V2_URL, vec![], "OssV2"),
            (V1_URL, vec![], "OssV1"),
            ("x-oss-process=p&prefix=Signature", vec![("x-oss-date", "now")], "Anonymous"),
            ("", vec![("authorization", "AWS ak:s")], "UnsupportedScheme"),
            ("", vec![("authorization", "OSS")], "UnsupportedScheme"),
        ] {
            let uri = format!("/b/k?{query}");
            assert_eq!(scheme_of(&uri, &headers), scheme, "{uri} {headers:?}");
            let is_ours = scheme.starts_with("Oss") || headers.contains(&("authorization", "OSS"));
            assert_eq!(is_signed(&head(&uri, &headers)), is_ours, "{uri} {headers:?}");
        }
        assert!(scheme_of("/b/k?x-oss-signature-version=OSS3&x-oss-signature=s", &[]).starts_with("QueryMalformed"));
        assert!(scheme_of("/b/k?x-oss-credential=c", &[]).starts_with("QueryMalformed"));
        assert!(is_signed(&head("/b/k?Signature=s", &[])));
        assert!(!is_signed(&head("/b/k?Signature=s&AWSAccessKeyId=a", &[])));
    }

    #[test]
    fn two_signatures_are_refused() {
        for query in [V4_URL, V2_URL, V1_URL, "Signature=", "x-oss-signature"] {
            for headers in [v4_headers(), vec![("authorization", "OSS ak:s")]] {
                assert_eq!(scheme_of(&format!("/b/k?{query}"), &headers), "MultipleMechanisms", "{query}");
            }
        }
        assert_eq!(scheme_of("/", &[("authorization", "OSS a:b"), ("authorization", "OSS a:b")]), "MultipleMechanisms");
    }

    #[test]
    fn what_a_signature_consists_of_is_given_once() {
        for (url, parameter) in [
            (V4_URL, "x-oss-signature=00"),
            (V4_URL, "x-oss-signature-version=OSS2"),
            (V4_URL, "x-oss-credential=b"),
            (V4_URL, "x-oss-date=20260115T083000Z"),
            (V4_URL, "x-oss-expires=60"),
            (V2_URL, "x-oss-access-key-id=b"),
            (V2_URL, "x-oss-signature=t"),
            (V1_URL, "Signature=t"),
            (V1_URL, "Expires=2"),
            (V1_URL, "OSSAccessKeyId=b"),
        ] {
            for query in [format!("{url}&{parameter}"), format!("{parameter}&{url}")] {
                assert!(scheme_of(&format!("/b/k?{query}"), &[]).starts_with("QueryMalformed"), "{query}");
            }
        }
        for component in ["Credential=b/20260115/r/oss/aliyun_v4_request", "Signature=01"] {
            let authorization = format!("{V4},{component}");
            let headers = [("authorization", authorization.as_str()), v4_headers()[1], v4_headers()[2]];
            assert!(scheme_of("/b/k", &headers).starts_with("HeaderMalformed"), "{component}");
        }
        for component in ["AccessKeyId:b", "Signature:t"] {
            let authorization = format!("OSS2 AccessKeyId:ak,Signature:s,{component}");
            assert!(scheme_of("/b/k", &[("authorization", &authorization)]).starts_with("HeaderMalformed"), "{component}");
        }
    }

    #[test]
    fn the_token_is_where_its_scheme_has_it() {
        let with = |mut headers: Vec<(&'static str, &'static str)>, token| {
            headers.push(token);
            headers
        };
        let (v1, v2) = (vec![("authorization", "OSS ak:s")], vec![("authorization", "OSS2 AccessKeyId:ak,Signature:s")]);
        let (header, python_header) = (("x-oss-security-token", "T+/="), ("security-token", "T+/="));
        let token = Ok(Some("T+/=".to_owned()));
        for headers in [v1.clone(), v2.clone(), v4_headers()] {
            assert_eq!(token_of("/b/k", &headers), Ok(None));
            assert_eq!(token_of("/b/k", &with(headers.clone(), header)), token);
            assert_eq!(token_of("/b/k?security-token=t", &with(headers, header)), Err(AuthError::TokenRepeated));
        }
        assert_eq!(token_of("/b/k", &with(v1, python_header)), token);
        assert_eq!(token_of("/b/k", &with(v2, python_header)), Ok(None));
        for (query, name) in [(V1_URL, "security-token"), (V2_URL, "security-token"), (V4_URL, "x-oss-security-token")] {
            assert_eq!(token_of(&format!("/b/k?{query}"), &[]), Ok(None));
            assert_eq!(token_of(&format!("/b/k?{query}&{name}=T%2B/="), &[]), token);
            assert_eq!(token_of(&format!("/b/k?{query}"), &[header]), Err(AuthError::TokenNotInQuery));
            assert_eq!(token_of(&format!("/b/k?{query}&{name}=t"), &[header]), Err(AuthError::TokenRepeated));
            assert_eq!(token_of(&format!("/b/k?{query}&{name}=%ff"), &[]), Err(AuthError::InvalidToken));
        }
    }

    proptest! {
        /// Whatever the header or query holds, claiming and verifying answer instead of panicking.
        #[test]
        fn claiming_never_panics(
            authorization in "(OSS4-HMAC-SHA256 |OSS2 |OSS )?(Credential=a/20260115/r/oss/aliyun_v4_request|AccessKeyId:a|AdditionalHeaders[=:]|Signature[=:]|[ -~]|,|;|/|:){0,40}",
            date in "(20260115T083000Z|Thu, 15 Jan 2026 08:30:00 GMT|[ -~]{0,30})",
            query in "(x-oss-(signature-version=(OSS2|OSS4-HMAC-SHA256)|credential=a/20260115/r/oss/aliyun_v4_request|access-key-id=a|date=20260115T083000Z|expires=[0-9-]{0,25}|additional-headers=[a-z;%]{0,9}|signature=[0-9a-f]{0,4}|security-token=%[0-9a-f]{0,3})&|Signature=a&|OSSAccessKeyId=%[0-9a-f]{0,3}&|Expires=[0-9-]{0,22}&){0,8}",
            now in any::<i64>(),
            signed_in_query in any::<bool>(),
            addressed_to in any::<(bool, bool)>(),
        ) {
            let uri = if signed_in_query { format!("/b/%k?{query}") } else { "/b/k".to_owned() };
            let mut request = http::Request::builder().uri(uri).header("x-oss-date", date);
            if !signed_in_query {
                request = request.header("authorization", authorization).header("x-oss-content-sha256", "UNSIGNED-PAYLOAD");
            }
            let parts = request.body(()).unwrap().into_parts().0;
            let _ = is_signed(&parts);
            if let Ok(Claim::Signed(signed)) = claim(&parts) {
                let addressed = Addressed { bucket: addressed_to.0.then_some("b"), key: addressed_to.1.then_some("%k"), bucket_in_host: None };
                let outcome = signed.verify(&parts, &addressed, "secret", Timestamp::from_millis(now));
                prop_assert!(outcome.is_err());
            }
        }
    }
}
