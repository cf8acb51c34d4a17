//! Reading objects: GetObject, HeadObject, GetObjectAttributes; and where an object is found.

use super::{
    checksum, conditions,
    error::ErrorReply,
    headers,
    query::{PAGE_SIZE_MAX, Query, natural},
    range,
    response::{self, NAMESPACE, ReplyContext, set},
};
use crate::{
    dialect::{address, percent, storage_class, xml::Writer},
    model::{
        Caller, GetObjectAttributes, ObjectAttributesInfo, ObjectRead, ObjectRef, PartNumber, ReadObject, Selected, Selection, Timestamp,
        UserMetadata,
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};

/// How GET and HEAD are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadReply {
    /// `x-amz-checksum-mode: ENABLED`.
    shows_checksum: bool,
    /// `partNumber` was given.
    by_part: bool,
    /// `response-…` parameters.
    overrides: Vec<(HeaderName, HeaderValue)>,
}

/// What `response-…` parameters replace.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-expires", header::EXPIRES),
];

/// What S3 says about objects whose writer did not name a type.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

/// Decodes GetObject and HeadObject.
///
/// # Errors
/// `InvalidArgument` for part numbers; `InvalidRequest` for a range beside one and for anonymous overrides.
pub(super) fn decode_read(
    object: ObjectRef,
    parts: &Parts,
    query: &Query,
    caller: &Caller,
    now: Timestamp,
) -> Result<(ReadObject, ReadReply), ErrorReply> {
    let headers = &parts.headers;
    let range = headers::text(headers, "range");
    let selection = match (query.get("partNumber"), range) {
        (Some(_), Some(_)) => {
            return Err(ErrorReply::invalid_request("Cannot specify both Range header and partNumber query parameter"));
        }
        (Some(number), None) => Selection::Part(part_number(number)?),
        (None, Some(range)) => range::parse(&range).map_or(Selection::Whole, Selection::Range),
        (None, None) => Selection::Whole,
    };
    let reply = ReadReply {
        shows_checksum: headers::text(headers, "x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED")),
        by_part: matches!(selection, Selection::Part(_)),
        overrides: overrides(query, caller)?,
    };
    Ok((ReadObject { object, selection, conditions: conditions::of_read(headers, now) }, reply))
}

fn overrides(query: &Query, caller: &Caller) -> Result<Vec<(HeaderName, HeaderValue)>, ErrorReply> {
    let mut overrides = Vec::new();
    for (parameter, header) in OVERRIDES {
        let Some(value) = query.get(parameter) else { continue };
        if matches!(caller, Caller::Anonymous) {
            return Err(ErrorReply::invalid_request("Request specific response headers cannot be used for anonymous GET requests."));
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            ErrorReply::invalid_argument("Header value cannot be represented using ISO-8859-1.", parameter, value.escape_default())
        })?;
        overrides.push((header, value));
    }
    Ok(overrides)
}

/// A part number of the query.
///
/// # Errors
/// `InvalidArgument` outside 1 to 10,000.
pub(super) fn part_number(text: &str) -> Result<PartNumber, ErrorReply> {
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    let number = text.parse().ok().and_then(PartNumber::new);
    number.ok_or_else(|| ErrorReply::invalid_argument(message, "partNumber", text))
}

/// Encodes GetObject and HeadObject: a head with the length of the bytes that follow, or would.
pub(super) fn encode_read(reply: &ReadReply, read: &ObjectRead, context: &ReplyContext<'_>) -> Response<Bytes> {
    let (size, content_range) = match &read.selected {
        Selected::Whole => (read.size, None),
        Selected::Range(range) | Selected::Part { range, .. } => (range.end.saturating_sub(range.start), Some(*range)),
    };
    // A range without bytes has no first and last; S3 answers 200 then.
    let content_range = content_range.filter(|_| size > 0);
    let status = if content_range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = response::bodiless(status, context);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = content_range {
        set(headers, header::CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), read.size));
    }
    response::set_etag(headers, &read.etag);
    response::set_last_modified(headers, read.last_modified);
    set_attributes(headers, read);
    if let Some(count) = read.part_count.filter(|_| reply.by_part) {
        headers.insert("x-amz-mp-parts-count", HeaderValue::from(count));
    }
    if reply.shows_checksum {
        set_checksum(headers, read);
    }
    for (name, value) in &reply.overrides {
        headers.insert(name, value.clone());
    }
    response
}

fn set_attributes(headers: &mut HeaderMap, read: &ObjectRead) {
    let system = &read.attributes.headers;
    let content_type = system.content_type.as_deref().unwrap_or(CONTENT_TYPE_DEFAULT);
    for (name, value) in [
        (header::CONTENT_TYPE, Some(content_type)),
        (header::CACHE_CONTROL, system.cache_control.as_deref()),
        (header::CONTENT_DISPOSITION, system.content_disposition.as_deref()),
        (header::CONTENT_ENCODING, system.content_encoding.as_deref()),
        (header::CONTENT_LANGUAGE, system.content_language.as_deref()),
        (header::EXPIRES, system.expires.as_deref()),
        (HeaderName::from_static("x-amz-website-redirect-location"), system.website_redirect.as_deref()),
        (HeaderName::from_static("x-amz-storage-class"), system.storage_class.as_deref().map(|class| storage_class::in_s3(Some(class)))),
    ] {
        if let Some(value) = value {
            set(headers, name, value);
        }
    }
    let tag_count = read.attributes.tags.0.len();
    if tag_count > 0 {
        headers.insert("x-amz-tagging-count", HeaderValue::from(tag_count));
    }
    set_user_metadata(headers, &read.attributes.user);
}

/// Values are returned as the bytes sent. What cannot be a header is counted, as S3 counts it.
fn set_user_metadata(headers: &mut HeaderMap, metadata: &UserMetadata) {
    let mut missing_count = 0_usize;
    for (name, value) in &metadata.0 {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}"));
        if !name.is_ok_and(|name| set(headers, name, value)) {
            missing_count += 1;
        }
    }
    if missing_count > 0 {
        headers.insert("x-amz-missing-meta", HeaderValue::from(missing_count));
    }
}

/// Clients validate what they received against any checksum they are told, so one is told only for
/// exactly the bytes it was made of.
fn set_checksum(headers: &mut HeaderMap, read: &ObjectRead) {
    let is_whole = match &read.selected {
        Selected::Whole => true,
        Selected::Range(range) => range.start == 0 && range.end == read.size,
        Selected::Part { range, .. } => read.part_count.is_none() && range.start == 0 && range.end == read.size,
    };
    match (&read.selected, &read.checksum) {
        (Selected::Part { checksum: Some(of_part), .. }, of_object) => {
            checksum::set_value(headers, of_part);
            if let Some(of_object) = of_object {
                checksum::set_type(headers, of_object.kind());
            }
        }
        (_, Some(of_object)) if is_whole => checksum::set_object(headers, of_object),
        (Selected::Whole | Selected::Range(_) | Selected::Part { .. }, _) => {}
    }
}

/// Which attributes GetObjectAttributes shows, and the page of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributesReply {
    etag: bool,
    checksum: bool,
    object_parts: bool,
    storage_class: bool,
    object_size: bool,
    part_number_marker: u32,
    parts_max: usize,
}

/// Decodes GetObjectAttributes, whose arguments are headers.
///
/// # Errors
/// `InvalidRequest` without attributes, `InvalidArgument` for unknown ones and for numbers.
pub(super) fn decode_attributes(object: ObjectRef, headers: &HeaderMap) -> Result<(GetObjectAttributes, AttributesReply), ErrorReply> {
    let number = |name: &'static str| headers::text(headers, name).map(|text| natural(name, name, text.trim())).transpose();
    let part_number_marker = number("x-amz-part-number-marker")?.unwrap_or(0);
    let parts_max = number("x-amz-max-parts")?.map_or(PAGE_SIZE_MAX, |count| (count as usize).min(PAGE_SIZE_MAX));
    let mut reply = AttributesReply {
        etag: false,
        checksum: false,
        object_parts: false,
        storage_class: false,
        object_size: false,
        part_number_marker,
        parts_max,
    };
    let listed = headers::text(headers, "x-amz-object-attributes").unwrap_or_default();
    if listed.split(',').all(|name| name.trim().is_empty()) {
        let message = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
        return Err(ErrorReply::invalid_request(message));
    }
    for name in listed.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "ETag" => reply.etag = true,
            "Checksum" => reply.checksum = true,
            "ObjectParts" => reply.object_parts = true,
            "StorageClass" => reply.storage_class = true,
            "ObjectSize" => reply.object_size = true,
            other => {
                return Err(ErrorReply::invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", other));
            }
        }
    }
    Ok((GetObjectAttributes { object, part_number_marker, parts_max }, reply))
}

/// Encodes GetObjectAttributes. The ETag has no quotes here.
pub(super) fn encode_attributes(reply: &AttributesReply, info: &ObjectAttributesInfo, context: &ReplyContext<'_>) -> Response<Bytes> {
    let object = &info.object;
    let document = Writer::document("GetObjectAttributesResponse", NAMESPACE, |w| {
        w.leaf_if("ETag", reply.etag.then_some(&object.etag));
        if let Some(checksum) = object.checksum.as_ref().filter(|_| reply.checksum) {
            w.element("Checksum", |w| checksum::write_object(w, checksum));
        }
        if let Some(part_count) = object.part_count.filter(|_| reply.object_parts) {
            w.element("ObjectParts", |w| write_parts(w, reply, info, part_count));
        }
        let class = storage_class::in_s3(object.attributes.headers.storage_class.as_deref());
        w.leaf_if("StorageClass", reply.storage_class.then_some(class));
        w.leaf_if("ObjectSize", reply.object_size.then_some(object.size));
    });
    let mut response = response::document(StatusCode::OK, document, context);
    response::set_last_modified(response.headers_mut(), object.last_modified);
    response
}

fn write_parts(w: &mut Writer, reply: &AttributesReply, info: &ObjectAttributesInfo, part_count: u16) {
    w.leaf("PartsCount", part_count);
    w.leaf("PartNumberMarker", reply.part_number_marker);
    w.leaf("NextPartNumberMarker", info.parts.last().map_or(reply.part_number_marker, |part| part.number));
    w.leaf("MaxParts", reply.parts_max);
    w.leaf("IsTruncated", info.is_truncated);
    for part in &info.parts {
        w.element("Part", |w| {
            w.leaf("PartNumber", part.number);
            w.leaf("Size", part.size);
            if let Some(checksum) = &part.checksum {
                checksum::write_value(w, checksum);
            }
        });
    }
}

/// The object's URL as this client would write it. Behind a proxy that ends TLS the scheme is the one it reports.
pub(super) fn location(parts: &Parts, object: &ObjectRef, virtual_hosted: bool) -> String {
    address::url(parts, &object.bucket, &percent::encode_path(object.key.as_str()), virtual_hosted)
}
