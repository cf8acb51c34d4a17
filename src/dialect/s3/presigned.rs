//! What a presigned URL carries in place of headers.
//!
//! Presigners move `x-amz-*` headers into the query, because whoever uses the URL sends none of them: botocore with
//! signature version 2, the JavaScript and Ruby SDKs with version 4. S3 acts on them as on headers. A server that did not
//! would store what was to be encrypted, refused or labelled as if nobody had asked.

use super::{error::ErrorReply, query::Query};
use http::{HeaderName, HeaderValue, header::Entry, request::Parts};

/// Parameters that belong to the signature, lower-case; and the name of an SDK's algorithm, which says nothing without
/// the checksum that only the sender of the body can add.
const NOT_HEADERS: &[&str] = &[
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "x-amz-sdk-checksum-algorithm",
];

/// The head with the headers that its presigned URL stands for; `None` when it has none. Headers that were sent win, of
/// repeated parameters the first counts: so does the signature's version 2, which covers no others.
///
/// The signature itself is verified against the head as it was sent.
///
/// # Errors
/// `InvalidURI`; `InvalidArgument` for what cannot be a header.
pub fn with_presigned_headers(parts: &Parts) -> Result<Option<Parts>, ErrorReply> {
    let query = Query::parse(parts)?;
    if !query.has("X-Amz-Signature") && !query.has("Signature") {
        return Ok(None);
    }
    let mut merged: Option<Parts> = None;
    for (name, value) in query.pairs() {
        let lower = name.to_ascii_lowercase();
        if !lower.starts_with("x-amz-") || NOT_HEADERS.contains(&lower.as_str()) {
            continue;
        }
        let invalid = || ErrorReply::invalid_argument("This parameter cannot be a header.", "x-amz-*", name.escape_default());
        let name = HeaderName::try_from(lower).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(value.trim_ascii().as_bytes()).map_err(|_| invalid())?;
        if let Entry::Vacant(entry) = merged.get_or_insert_with(|| parts.clone()).headers.entry(name) {
            entry.insert(value);
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(uri: &str) -> Result<Vec<(String, String)>, &'static str> {
        let request = http::Request::builder().uri(uri).header("x-amz-acl", "private").body(()).unwrap();
        let merged = with_presigned_headers(&request.into_parts().0).map_err(|error| error.code)?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut headers: Vec<_> =
            merged.into_iter().flat_map(|parts| parts.headers).map(|(name, value)| (name.unwrap().to_string(), text(&value))).collect();
        headers.sort();
        Ok(headers)
    }

    #[test]
    fn a_presigned_url_stands_for_headers() {
        let expected = |pairs: &[(&str, &str)]| Ok(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let meta = ("x-amz-meta-a", "1 2");
        for (uri, pairs) in [
            ("/b/k?X-Amz-Signature=0&X-Amz-Date=d&X-Amz-Meta-A=1+2&x-amz-meta-a=3", vec![("x-amz-acl", "private"), meta]),
            ("/b/k?Signature=0&x-amz-acl=public-read&x-amz-meta-a=1%202", vec![("x-amz-acl", "private"), meta]),
            ("/b/k?X-Amz-Signature=0&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject", vec![]),
            ("/b/k?x-amz-meta-a=1", vec![]),
        ] {
            assert_eq!(headers(uri), expected(&pairs), "{uri}");
        }
        for uri in ["/b/k?Signature=0&x-amz-meta-a=a%0d%0aX:1", "/b/k?Signature=0&x-amz-meta-%20=1"] {
            assert_eq!(headers(uri), Err("InvalidArgument"), "{uri}");
        }
    }
}
