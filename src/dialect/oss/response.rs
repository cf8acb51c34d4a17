//! What every reply has in common, and headers that cannot be injected into.

use crate::{
    dialect::{date, reply},
    model::{ETag, Timestamp},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

pub(super) use crate::dialect::{
    ReplyContext,
    reply::{set, set_last_modified},
};

/// x-oss-request-id: 24 upper-case hex digits, 96 random bits.
pub(super) fn request_id(random: [u8; 16]) -> String {
    hex::encode_upper(&random[..12])
}

/// A reply whose length is left to whoever sends it: HEAD errors, bytes that come from elsewhere.
pub(super) fn bodiless(status: StatusCode, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    set(headers, HeaderName::from_static("x-oss-request-id"), context.request_id);
    set(headers, header::DATE, date::http_date(context.now));
    headers.insert(header::SERVER, HeaderValue::from_static("AliyunOSS"));
    response
}

/// A reply without a body.
pub(super) fn empty(status: StatusCode, context: &ReplyContext<'_>) -> Response<Bytes> {
    reply::empty(bodiless(status, context))
}

/// A reply with an XML document.
pub(super) fn document(status: StatusCode, document: String, context: &ReplyContext<'_>) -> Response<Bytes> {
    text(status, "application/xml", document, context)
}

/// A reply with a document of another type.
pub(super) fn text(status: StatusCode, content_type: &'static str, text: String, context: &ReplyContext<'_>) -> Response<Bytes> {
    reply::text(bodiless(status, context), content_type, text)
}

/// ETag, in quotes.
pub(super) fn set_etag(headers: &mut HeaderMap, etag: &ETag) {
    set(headers, header::ETAG, quoted(etag));
}

/// x-oss-hash-crc64ecma, in decimal digits: clients compare it with their own.
pub(super) fn set_crc64(headers: &mut HeaderMap, crc64_ecma: u64) {
    headers.insert(HeaderName::from_static("x-oss-hash-crc64ecma"), HeaderValue::from(crc64_ecma));
}

/// x-oss-server-time: how long the answer took. Milliseconds.
pub(super) fn set_server_time(headers: &mut HeaderMap, elapsed_ms: u64) {
    headers.insert(HeaderName::from_static("x-oss-server-time"), HeaderValue::from(elapsed_ms));
}

/// The ETag in quotes and upper case, as headers and documents show it.
pub(super) fn quoted(etag: &ETag) -> String {
    format!("\"{}\"", etag.to_string().to_ascii_uppercase())
}

/// A time in a document: `2012-02-23T04:18:23.000Z`. Always with these milliseconds, the only ones that oss2 reads.
pub(super) fn iso8601(time: Timestamp) -> String {
    date::iso8601(Timestamp::from_secs(time.secs()))
}

/// What the tests of the encoders share.
#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use crate::{dialect::xml::Element, model::*};
    use http::{Request, request::Parts};
    use std::{fs, path::PathBuf};

    /// 2009-10-12T17:50:30.042Z.
    pub(in crate::dialect::oss) const LAST_MODIFIED: Timestamp = Timestamp::from_millis(1_255_369_830_042);

    /// A reply's surroundings; the host is the bucket's.
    pub(in crate::dialect::oss) fn context() -> ReplyContext<'static> {
        ReplyContext {
            request_id: "5C06A3B67B8B5A3DA422299D",
            host_id: "host",
            authority: "bkt.oss.example.com:9000",
            region: "cn-hangzhou",
            now: Timestamp::from_millis(1_768_465_800_123),
        }
    }

    /// Compares with the golden file; `PARTWAY_BLESS=1` writes it instead, to be reviewed as a diff.
    pub(in crate::dialect::oss) fn check(name: &str, response: &Response<Bytes>) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/oss").join(format!("{name}.xml"));
        let body = std::str::from_utf8(response.body()).unwrap();
        assert_eq!(header(response, "content-type"), "application/xml", "{name}");
        assert_eq!(header(response, "content-length"), body.len().to_string(), "{name}");
        if std::env::var_os("PARTWAY_BLESS").is_some() {
            fs::write(&path, body).unwrap();
        }
        assert_eq!(body, fs::read_to_string(&path).unwrap_or_default(), "{name}");
        assert!(Element::parse(body.as_bytes()).is_ok(), "{name} is not well-formed");
        assert!(!body.contains("xmlns"), "{name}: oss2 finds nothing in a namespace");
        assert!(!body.contains(".042Z"), "{name}: oss2 reads no milliseconds");
    }

    /// A response's header, empty when it is not there.
    pub(in crate::dialect::oss) fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
        response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The head of a request written as text: method and target, then header lines.
    pub(in crate::dialect::oss) fn head(text: &str) -> Parts {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target);
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            request = request.header(name, value.trim());
        }
        request.body(()).unwrap().into_parts().0
    }

    pub(in crate::dialect::oss) fn bucket() -> Bucket {
        Bucket::new("bkt").unwrap()
    }

    pub(in crate::dialect::oss) fn key(text: &str) -> ObjectKey {
        ObjectKey::new(text).unwrap()
    }

    pub(in crate::dialect::oss) fn etag() -> ETag {
        ETag::Whole([0xab; 16])
    }

    pub(in crate::dialect::oss) fn bucket_info() -> BucketInfo {
        BucketInfo {
            bucket: bucket(),
            owner: Account::root(),
            created: LAST_MODIFIED,
            location: None,
            acl: Acl::Private,
            storage_class: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fixture::*, *};

    #[test]
    fn request_ids_are_24_upper_case_hex_digits() {
        assert_eq!(request_id([0xa7; 16]), "A7A7A7A7A7A7A7A7A7A7A7A7");
    }

    #[test]
    fn every_reply_says_who_answered_when_and_how_long_it_is() {
        let mut response = empty(StatusCode::OK, &context());
        set_etag(response.headers_mut(), &etag());
        set_crc64(response.headers_mut(), u64::MAX);
        set_server_time(response.headers_mut(), 12);
        for (name, value) in [
            ("x-oss-request-id", "5C06A3B67B8B5A3DA422299D"),
            ("server", "AliyunOSS"),
            ("date", "Thu, 15 Jan 2026 08:30:00 GMT"),
            ("content-length", "0"),
            ("etag", "\"ABABABABABABABABABABABABABABABAB\""),
            ("x-oss-hash-crc64ecma", "18446744073709551615"),
            ("x-oss-server-time", "12"),
        ] {
            assert_eq!(header(&response, name), value, "{name}");
        }
        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
            assert!(!empty(status, &context()).headers().contains_key("content-length"));
        }
    }

    #[test]
    fn times_in_documents_have_no_milliseconds() {
        assert_eq!(iso8601(LAST_MODIFIED), "2009-10-12T17:50:30.000Z");
    }

    #[test]
    fn etags_of_multipart_objects_are_upper_case_too() {
        assert_eq!(quoted(&ETag::Multipart { digest: [0xcd; 16], part_count: 3 }), format!("\"{}-3\"", "CD".repeat(16)));
    }
}
