//! Which signature an S3 request carries: SigV4 or SigV2, in the Authorization header or in the query (S3 API
//! Reference, "Authenticating Requests").

use super::{
    AuthError, Claim, Payload, SignedClaim,
    canonical::{Query, header_text, query_names_any},
    claim::Scheme,
    payload::PayloadWord,
    sigv2::V2Claim,
    sigv4::{ALGORITHM, V4Claim},
};
use http::{header, request::Parts};

/// Parameters that only a URL signed with SigV4 has.
const QUERY_V4: [&str; 3] = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"];
/// Parameters of URLs signed with SigV2.
const QUERY_V2: [&str; 3] = ["AWSAccessKeyId", "Signature", "Expires"];

/// Whether a request carries an S3 signature, of any version, in a header or in the query. Says nothing about whether it
/// is well-formed. `Signature` alone is no sign of S3: OSS has a parameter of that name, too.
#[must_use]
pub fn is_signed(parts: &Parts) -> bool {
    let authorization = parts.headers.get_all(header::AUTHORIZATION).iter();
    authorization.map(http::HeaderValue::as_bytes).any(|value| value.starts_with(b"AWS"))
        || query_names_any(parts.uri.query(), &QUERY_V4)
        || query_names_any(parts.uri.query(), &["AWSAccessKeyId"])
}

/// Reads which key a request says it was signed with.
///
/// # Errors
/// Everything about the form of the signature that is wrong without knowing the secret.
pub fn claim(parts: &Parts) -> Result<Claim, AuthError> {
    let query = Query::parse(parts.uri.query());
    let in_header = parts.headers.get_all(header::AUTHORIZATION).iter().count();
    let in_query_v4 = QUERY_V4.iter().any(|name| query.contains(name));
    let in_query_v2 = ["AWSAccessKeyId", "Signature"].iter().any(|name| query.contains(name));
    if in_header + usize::from(in_query_v4) + usize::from(in_query_v2) > 1 {
        return Err(AuthError::MultipleMechanisms);
    }
    let (access_key, scheme) = if in_query_v4 {
        query.refuse_repeated(&QUERY_V4)?;
        let (access_key, claim) = V4Claim::from_query(parts, &query)?;
        (access_key, Scheme::S3V4(claim))
    } else if in_query_v2 {
        query.refuse_repeated(&QUERY_V2)?;
        let (access_key, claim) = V2Claim::from_query(&query)?;
        (access_key, Scheme::S3V2(claim))
    } else if in_header == 1 {
        let value = header_text(&parts.headers, "authorization").ok_or(AuthError::UnsupportedScheme)?;
        match value.split_once(' ') {
            Some((ALGORITHM, components)) => {
                let (access_key, claim) = V4Claim::from_header(parts, components)?;
                (access_key, Scheme::S3V4(claim))
            }
            Some(("AWS", credentials)) => {
                let (access_key, claim) = V2Claim::from_header(credentials.trim_start())?;
                (access_key, Scheme::S3V2(claim))
            }
            Some(_) | None => return Err(AuthError::UnsupportedScheme),
        }
    } else {
        return Ok(Claim::Anonymous);
    };
    let security_token = security_token(parts, &query, &scheme);
    Ok(Claim::Signed(Box::new(SignedClaim { access_key, security_token, scheme })))
}

/// What an anonymous request says about its body. SDKs without credentials still send checksums in trailers, and then
/// announce the framing in Content-Encoding alone, because the payload word is the signer's to add.
///
/// # Errors
/// `PayloadHashInvalid`, `PayloadUnsupported`.
pub fn anonymous_payload(parts: &Parts) -> Result<Payload, AuthError> {
    match header_text(&parts.headers, "x-amz-content-sha256") {
        Some(word) => PayloadWord::parse(word)?.without_chunk_signatures(),
        None if parts.headers.contains_key("x-amz-trailer") && is_aws_chunked(parts) => {
            PayloadWord::UnsignedChunks.without_chunk_signatures()
        }
        None => Ok(Payload::Unsigned),
    }
}

fn is_aws_chunked(parts: &Parts) -> bool {
    let encodings = parts.headers.get_all(header::CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    encodings.flat_map(|value| value.split(',')).any(|encoding| encoding.trim().eq_ignore_ascii_case("aws-chunked"))
}

/// The token of the header, else of the query; both are signed wherever they count.
fn security_token(parts: &Parts, query: &Query, scheme: &Scheme) -> Option<String> {
    let any_case = || {
        let token = query.pairs().find(|(name, _)| name.eq_ignore_ascii_case(b"x-amz-security-token"));
        token.map(|(_, value)| std::str::from_utf8(value.unwrap_or_default()).unwrap_or_default())
    };
    let in_query = match scheme {
        Scheme::S3V2(_) => any_case(),
        Scheme::S3V4(_) | Scheme::OssV4(_) | Scheme::OssV2(_) | Scheme::OssV1(_) => query.first("X-Amz-Security-Token"),
    };
    header_text(&parts.headers, "x-amz-security-token").or(in_query).map(str::to_owned)
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

    const V4: &str = "AWS4-HMAC-SHA256 Credential=ak/20260115/r/s3/aws4_request, SignedHeaders=host, Signature=00";

    #[test]
    fn a_request_without_a_signature_is_anonymous() {
        assert!(matches!(claim(&head("/b/k?prefix=Signature", &[("x-amz-date", "now")])), Ok(Claim::Anonymous)));
    }

    #[test]
    fn two_signatures_are_refused() {
        for (uri, headers) in [
            ("/?X-Amz-Signature=0", vec![("authorization", V4)]),
            ("/?AWSAccessKeyId=a", vec![("authorization", "AWS a:b")]),
            ("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&Signature=a", vec![]),
            ("/", vec![("authorization", V4), ("authorization", V4)]),
        ] {
            assert!(matches!(claim(&head(uri, &headers)), Err(AuthError::MultipleMechanisms)), "{uri}");
        }
    }

    #[test]
    fn what_a_signature_consists_of_is_given_once() {
        for uri in [
            "/?X-Amz-Signature=0&X-Amz-Signature=0",
            "/?X-Amz-Signature=0&X-Amz%2DSignature=1",
            "/?X-Amz-Credential=a&X-Amz-Signature=0&X-Amz-Credential=b",
            "/?AWSAccessKeyId=a&Signature=b&Expires=1&Signature=c",
            "/?AWSAccessKeyId=a&Signature=b&Expires=1&Expires=2",
        ] {
            let refusal = claim(&head(uri, &[]));
            assert!(
                matches!(&refusal, Err(AuthError::QueryMalformed(message)) if message.ends_with("must be given once.")),
                "{uri}: {refusal:?}"
            );
        }
        for component in ["Credential=ak/20260115/r/s3/aws4_request", "SignedHeaders=host", "Signature=00"] {
            let authorization = format!("{V4}, {component}");
            let refusal = claim(&head("/", &[("authorization", &authorization), ("x-amz-date", "20260115T083000Z")]));
            assert!(matches!(&refusal, Err(AuthError::HeaderMalformed(message)) if message.contains("twice")), "{component}: {refusal:?}");
        }
    }

    #[test]
    fn broken_authorization_headers_are_refused_for_what_they_are() {
        let dated = |authorization| head("/", &[("authorization", authorization), ("x-amz-date", "20260115T083000Z")]);
        for authorization in ["", "AWS", "AWS4-HMAC-SHA256", "Bearer x", "OSS a:b", "AWS4-ECDSA-P256-SHA256 Credential=a"] {
            assert!(matches!(claim(&dated(authorization)), Err(AuthError::UnsupportedScheme)), "{authorization}");
        }
        for (authorization, part) in [
            ("AWS4-HMAC-SHA256 ,", "three components"),
            ("AWS4-HMAC-SHA256 x", "component \"x\" is malformed"),
            ("AWS4-HMAC-SHA256 SignedHeaders=host,Signature=00", "missing Credential."),
            ("AWS4-HMAC-SHA256 Credential=ak/20260115/r/s3/aws4_request,Signature=00", "missing SignedHeaders."),
            ("AWS4-HMAC-SHA256 Credential=ak/20260115/r/s3/aws4_request,SignedHeaders=host", "missing Signature."),
            ("AWS4-HMAC-SHA256 Credential=ak/20260114/r/s3/aws4_request,SignedHeaders=host,Signature=00", "Invalid credential date"),
        ] {
            let refusal = claim(&dated(authorization));
            assert!(
                matches!(&refusal, Err(AuthError::HeaderMalformed(message))
                    if message.starts_with("The authorization header is malformed; ") && message.contains(part)),
                "{authorization}: {refusal:?}"
            );
        }
        assert!(matches!(claim(&head("/", &[("authorization", V4)])), Err(AuthError::DateMissing)));
    }

    #[test]
    fn broken_presigned_queries_are_refused_in_aws_words() {
        let query = |credential: &str, date: &str, expires: &str| {
            format!(
                "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}&X-Amz-Expires={expires}\
                 &X-Amz-SignedHeaders=host&X-Amz-Signature=00"
            )
        };
        let credential = "ak/20260115/r/s3/aws4_request";
        for (uri, part) in [
            ("/?X-Amz-Signature=00".to_owned(), "requires the X-Amz-Algorithm, X-Amz-Credential"),
            (query("ak", "20260115T083000Z", "1"), "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed"),
            (query(credential, "2026-01-15", "1"), "ISO8601 Long Format"),
            (query(credential, "20260116T083000Z", "1"), "not the same as X-Amz-Date: \"20260116T083000Z\""),
            (query(credential, "20260115T083000Z", "x"), "X-Amz-Expires should be a number"),
        ] {
            let refusal = claim(&head(&uri, &[]));
            assert!(matches!(&refusal, Err(AuthError::QueryMalformed(message)) if message.contains(part)), "{uri}: {refusal:?}");
        }
    }

    #[test]
    fn a_missing_payload_word_means_the_hash_of_nothing_only_without_a_body() {
        let dated = [("authorization", V4), ("x-amz-date", "20260115T083000Z")];
        assert!(claim(&head("/", &dated)).is_ok());
        assert!(claim(&head("/", &[&dated[..], &[("content-length", "0")]].concat())).is_ok());
        for body in [("content-length", "1"), ("transfer-encoding", "chunked")] {
            let refusal = claim(&head("/", &[&dated[..], &[body]].concat()));
            assert!(matches!(refusal, Err(AuthError::PayloadHashInvalid(_))), "{refusal:?}");
        }
    }

    #[test]
    fn anonymous_bodies_may_be_framed_but_not_signed() {
        let payload = |headers: &[(&str, &str)]| anonymous_payload(&head("/", headers));
        assert_eq!(payload(&[]), Ok(Payload::Unsigned));
        assert!(matches!(payload(&[("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")]), Ok(Payload::Chunked(_))));
        assert!(matches!(
            payload(&[("content-encoding", "gzip, aws-chunked"), ("x-amz-trailer", "x-amz-checksum-crc32")]),
            Ok(Payload::Chunked(_))
        ));
        assert!(payload(&[("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]).is_err());
    }

    #[test]
    fn a_signature_is_noticed_wherever_it_is_and_however_broken() {
        assert!(is_signed(&head("/", &[("authorization", "AWS a:b")])));
        assert!(is_signed(&head("/", &[("authorization", "AWS4-ECDSA-P256-SHA256 Credential=a")])));
        assert!(is_signed(&head("/?a=b&X-%41mz-Signature", &[])));
        assert!(is_signed(&head("/?AWSAccessKeyId=a&Signature=b", &[])));
        assert!(!is_signed(&head("/?Signature=b&prefix=AWSAccessKeyId", &[("authorization", "OSS a:b"), ("x-amz-date", "now")])));
    }

    proptest! {
        /// Whatever the header or query holds, claiming and verifying answer instead of panicking.
        #[test]
        fn claiming_never_panics(
            authorization in "(AWS4-HMAC-SHA256 |AWS )?(Credential=|SignedHeaders=|Signature=|[ -~]|,|;|/|:){0,40}",
            date in "(20260115T083000Z|[ -~]{0,30})",
            query in "(X-Amz-(Algorithm=AWS4-HMAC-SHA256|Credential=a/20260115/r/s3/aws4_request|Date=20260115T083000Z|Expires=[0-9-]{0,25}|SignedHeaders=[a-z;%]{0,9}|Signature=[0-9a-f]{0,4})&|Signature=a&|AWSAccessKeyId=%[0-9a-f]{0,3}&|Expires=[0-9-]{0,22}&){0,8}",
            now in any::<i64>(),
            signed_in_query in any::<bool>(),
        ) {
            let uri = if signed_in_query { format!("/b/%k?{query}") } else { "/b/k".to_owned() };
            let mut request = http::Request::builder().uri(uri).header("x-amz-date", date);
            if !signed_in_query {
                request = request.header("authorization", authorization);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            if let Ok(Claim::Signed(signed)) = claim(&parts) {
                let addressed = Addressed { bucket_in_host: Some("b"), ..Addressed::default() };
                let outcome = signed.verify(&parts, &addressed, "secret", Timestamp::from_millis(now));
                prop_assert!(outcome.is_err());
            }
        }
    }
}
