//! Small values of headers, parameters and settings.

use super::{NOW, requests};
use crate::{
    auth::sts::Role,
    config::TABLE,
    dialect::{
        Dialect, date,
        oss::Oss,
        percent::{self, Plus},
        s3::S3,
    },
    events::Network,
    model::{Bucket, Caller, ETag, EventId, Limits, ObjectKey, Operation, RangeRequest, Selection, Timestamp, UploadId},
};
use bytes::Bytes;
use http::{HeaderValue, Request, header};

/// One text, read as everything that a text can be.
pub(super) fn text(input: &[u8]) {
    numbers(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    encodings(text);
    names(text);
    ranges(text);
    for setting in TABLE {
        if let Ok(value) = setting.kind.parse(text) {
            assert_eq!(setting.kind.parse(&value.to_text()).as_ref(), Ok(&value), "{} prints {value:?} as another value", setting.name);
        }
    }
}

/// The first sixteen bytes as two numbers.
fn numbers(input: &[u8]) {
    let Some((a, rest)) = input.split_first_chunk::<8>() else { return };
    let Some((b, _)) = rest.split_first_chunk::<8>() else { return };
    let (a, b) = (u64::from_be_bytes(*a), u64::from_be_bytes(*b));
    let time = Timestamp::from_millis(a.cast_signed());
    let written = date::http_date(time);
    let read = date::parse_http_date(&written).unwrap_or_else(|| panic!("{written} is no date"));
    assert_eq!(date::http_date(read), written);
    assert!(date::iso8601(time).len() >= 24);
    let _ = (time.plus_millis(b.cast_signed()), Timestamp::from_secs(a.cast_signed()).secs());
    for range in [RangeRequest::FromTo(a.min(b), a.max(b)), RangeRequest::From(a), RangeRequest::Suffix(a)] {
        in_bounds(range, b);
        in_bounds(range, a);
        in_bounds(range, 0);
    }
}

fn in_bounds(range: RangeRequest, size: u64) {
    let Some(bytes) = range.resolve(size) else { return };
    assert!(bytes.start <= bytes.end && bytes.end <= size, "{range:?} of {size}: {bytes:?}");
    assert!(bytes.size() > 0 || size == 0, "{range:?} of {size} selects nothing");
    if range.is_within(size)
        && let RangeRequest::FromTo(first, last) = range
    {
        assert_eq!((bytes.start, bytes.size()), (first, last - first + 1));
    }
}

fn encodings(text: &str) {
    assert_eq!(percent::decode(&percent::encode(text), Plus::Space).as_deref(), Some(text));
    assert_eq!(percent::decode(&percent::encode_path(text), Plus::Literal).as_deref(), Some(text));
    if !text.contains('%') {
        assert_eq!(percent::decode(text, Plus::Literal).as_deref(), Some(text));
        assert_eq!(percent::decode(text, Plus::Space), Some(text.replace('+', " ")));
    }
    if let Some(decoded) = percent::decode(text, Plus::Literal) {
        assert!(decoded.len() <= text.len());
    }
    if let Some(pairs) = percent::decode_pairs(text) {
        let written = pairs.iter().map(|(name, value)| format!("{}={}", percent::encode(name), percent::encode(value)));
        assert_eq!(percent::decode_pairs(&written.collect::<Vec<_>>().join("&")), Some(pairs));
    }
    if let Some(time) = date::parse_http_date(text) {
        assert_eq!(date::parse_http_date(&date::http_date(time)), Some(time), "{text}");
    }
}

fn names(text: &str) {
    if let Some(etag) = ETag::parse(text) {
        assert_eq!(ETag::parse(&etag.to_string()), Some(etag));
    }
    if let Some(bucket) = Bucket::new(text) {
        assert!(bucket.as_str().len() <= 63 && !bucket.as_str().contains('/'));
    }
    assert_eq!(ObjectKey::new(text).is_some(), (1..=ObjectKey::SIZE_MAX).contains(&text.len()));
    if let Some(upload) = UploadId::parse(text) {
        assert_eq!(UploadId::parse(&upload.to_string()), Some(upload));
    }
    if let Some(event) = EventId::parse(text) {
        assert_eq!(EventId::parse(&event.to_string()), Some(event));
    }
    let _ = (Role::parse(text), Network::parse(text));
}

/// Range, and the conditions of reads, in both dialects.
fn ranges(text: &str) {
    let Ok(value) = HeaderValue::from_str(text) else { return };
    let (mut parts, ()) = Request::get("/bkt-test/k").header("host", "h").body(()).expect("the request is in order").into_parts();
    for name in [header::RANGE, header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        parts.headers.insert(name, value.clone());
    }
    let dialects: [&dyn Dialect; 2] = [&S3 { limits: Limits::S3 }, &Oss { limits: Limits::OSS }];
    for dialect in dialects {
        let address = dialect.addresses(&parts, &requests::hosts()).expect("the request is in order").remove(0);
        let route = dialect.route(&parts, &address).expect("the request is in order");
        let decoded = route.decode(&parts, &Bytes::new(), &Caller::Anonymous, NOW);
        let Ok(Operation::GetObject(read)) = decoded.map(|decoded| decoded.operation) else { continue };
        if let Selection::Range(RangeRequest::FromTo(first, last)) | Selection::RangeWithin(RangeRequest::FromTo(first, last)) =
            read.selection
        {
            assert!(first <= last, "{text}");
        }
    }
}
