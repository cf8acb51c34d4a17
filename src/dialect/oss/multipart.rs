//! Multipart uploads (OSS API Reference, the pages of the seven calls).

use super::{
    callback, conditions, copy, error,
    failure::{invalid_part_number, no_such_upload},
    headers,
    listing::shown,
    object,
    query::{PAGE_SIZE_MAX, Query},
    range,
    response::{self, ReplyContext, iso8601, quoted},
};
use crate::{
    dialect::{
        error::ErrorReply,
        storage_class,
        xml::{Element, Writer},
    },
    model::{
        Bucket, CompleteMultipartUpload, CompletedPart, CreateMultipartUpload, ETag, Entry, ListMultipartUploads, ListParts, ObjectRef,
        PartListRefusal, PartListing, PartNumber, Timestamp, UploadId, UploadListing, UploadPart, UploadPartCopy,
    },
};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, request::Parts};

/// OSS's number of a list to complete with that is no list.
const EC_MALFORMED_LIST: &str = "0042-00000205";
/// And of a list beside `x-oss-complete-all`.
const EC_COMPLETE_ALL_WITH_BODY: &str = "0042-00000216";

/// The upload a request names.
///
/// # Errors
/// `NoSuchUpload` for text that is no id of ours.
pub(super) fn upload_id(query: &Query) -> Result<UploadId, ErrorReply> {
    let text = query.text("uploadId");
    UploadId::parse(text).ok_or_else(|| no_such_upload(text))
}

/// # Errors
/// `InvalidArgument` outside 1 to 10,000.
fn part_number(query: &Query) -> Result<PartNumber, ErrorReply> {
    let text = query.text("partNumber");
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { text.parse().ok() } else { None };
    number.and_then(PartNumber::new).ok_or_else(|| invalid_part_number(text))
}

/// What the answer to InitiateMultipartUpload repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateReply {
    object: ObjectRef,
    encodes_url: bool,
}

/// Decodes InitiateMultipartUpload.
///
/// # Errors
/// As PutObject for the headers that the object will keep.
pub(super) fn decode_create(
    object: ObjectRef,
    headers: &HeaderMap,
    query: &Query,
) -> Result<(CreateMultipartUpload, CreateReply), ErrorReply> {
    let reply = CreateReply { object: object.clone(), encodes_url: query.encodes_url()? };
    let create = CreateMultipartUpload {
        object,
        attributes: headers::attributes(headers)?,
        checksum: None,
        conditions: conditions::of_write(headers)?,
        sequential: query.has("sequential"),
    };
    Ok((create, reply))
}

/// `<InitiateMultipartUploadResult>`.
pub(super) fn encode_create(reply: &CreateReply, upload_id: UploadId, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("InitiateMultipartUploadResult", "", |w| {
        w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
        w.leaf("Bucket", &reply.object.bucket);
        w.leaf("Key", shown(reply.object.key.as_str(), reply.encodes_url));
        w.leaf("UploadId", upload_id);
    });
    response::document(StatusCode::OK, document, context)
}

/// Decodes UploadPart. Its number is checked before its upload. The metadata that ali-oss repeats is the upload's already.
///
/// # Errors
/// `InvalidArgument` for the number, `NoSuchUpload`, and as PutObject for the claims.
pub(super) fn decode_part(object: ObjectRef, headers: &HeaderMap, query: &Query) -> Result<UploadPart, ErrorReply> {
    let part_number = part_number(query)?;
    let upload_id = upload_id(query)?;
    Ok(UploadPart { object, upload_id, part_number, claims: headers::body_claims(headers)? })
}

/// Decodes UploadPartCopy.
///
/// # Errors
/// As [`decode_part`], and for a source that is none.
pub(super) fn decode_part_copy(
    object: ObjectRef,
    headers: &HeaderMap,
    query: &Query,
    now: Timestamp,
) -> Result<UploadPartCopy, ErrorReply> {
    Ok(UploadPartCopy {
        object,
        part_number: part_number(query)?,
        upload_id: upload_id(query)?,
        source: copy::source(headers)?,
        source_range: range::of_copy(headers)?,
        source_conditions: conditions::of_source(headers, now),
    })
}

/// Where the completed object is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteReply {
    location: String,
    object: ObjectRef,
    encodes_url: bool,
}

/// Decodes CompleteMultipartUpload. What is listed is judged by the operation, after the upload's existence.
///
/// # Errors
/// `MalformedXML`, `NoSuchUpload` for ids that cannot be any, `InvalidArgument` for a list beside `x-oss-complete-all`, and for
/// callbacks that are none.
pub(super) fn decode_complete(
    object: ObjectRef,
    parts: &Parts,
    query: &Query,
    document: &[u8],
    virtual_hosted: bool,
) -> Result<(CompleteMultipartUpload, CompleteReply), ErrorReply> {
    let headers = &parts.headers;
    let takes_all_parts = takes_all_parts(headers, document)?;
    let root = if takes_all_parts { None } else { Some(parse_list(document)?) };
    let listed = root.iter().flat_map(Element::children).filter(|child| child.name() == "Part").map(ListedPart::read);
    let listed = listed.collect::<Result<Vec<_>, _>>()?;
    let upload_id = upload_id(query)?;
    let refusal = refusal(&listed);
    let completed = if refusal.is_some() { Vec::new() } else { listed.iter().filter_map(ListedPart::completed).collect() };
    let reply = CompleteReply {
        location: object::location(parts, &object, virtual_hosted),
        object: object.clone(),
        encodes_url: query.encodes_url()?,
    };
    let complete = CompleteMultipartUpload {
        object,
        upload_id,
        parts: completed,
        takes_all_parts,
        refusal,
        conditions: conditions::of_write(headers)?,
        object_size: None,
        checksum: None,
        checksum_type: None,
        callback: callback::parse(headers, query)?,
    };
    Ok((complete, reply))
}

/// `x-oss-complete-all: yes`, which comes without a list.
fn takes_all_parts(headers: &HeaderMap, document: &[u8]) -> Result<bool, ErrorReply> {
    const NAME: &str = "x-oss-complete-all";
    match headers::text(headers, NAME) {
        None => Ok(false),
        Some(word) if !word.eq_ignore_ascii_case("yes") => {
            Err(error::invalid_argument("The value of x-oss-complete-all must be yes.", NAME, word))
        }
        Some(_) if document.is_empty() => Ok(true),
        Some(word) => {
            // The misspelling is the service's own.
            let message = "Should not speficy both complete all header and http body.";
            Err(error::invalid_argument(message, NAME, word).ec(EC_COMPLETE_ALL_WITH_BODY))
        }
    }
}

fn parse_list(document: &[u8]) -> Result<Element, ErrorReply> {
    let root = Element::parse(document).map_err(|_| malformed_list())?;
    let count = root.children_named("Part").count();
    let is_list = root.name() == "CompleteMultipartUpload" && (1..=usize::from(PartNumber::MAX)).contains(&count);
    if is_list { Ok(root) } else { Err(malformed_list()) }
}

fn malformed_list() -> ErrorReply {
    error::malformed_xml().ec(EC_MALFORMED_LIST)
}

/// A `<Part>` that has what the schema asks for.
struct ListedPart<'a> {
    number: i64,
    etag: &'a str,
}

impl<'a> ListedPart<'a> {
    fn read(element: &'a Element) -> Result<Self, ErrorReply> {
        let number = element.child_text("PartNumber").and_then(|text| text.trim().parse().ok());
        let etag = element.child_text("ETag").map(str::trim);
        let (number, etag) = number.zip(etag).ok_or_else(malformed_list)?;
        Ok(Self { number, etag })
    }

    /// What a part of an upload can be listed as, else `None`.
    fn completed(&self) -> Option<CompletedPart> {
        let number = PartNumber::new(u64::try_from(self.number).ok()?)?;
        Some(CompletedPart { number, etag: ETag::parse(self.etag)?, checksum: None })
    }
}

/// What is wrong with a list that names what cannot be a part.
fn refusal(listed: &[ListedPart<'_>]) -> Option<PartListRefusal> {
    if let Some(part) = listed.iter().find(|part| part.number < 1) {
        return Some(PartListRefusal::NumberTooSmall(part.number));
    }
    let impossible = listed.iter().find(|part| part.completed().is_none())?;
    if listed.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Some(PartListRefusal::OutOfOrder);
    }
    Some(PartListRefusal::NoSuchPart { number: impossible.number, etag: impossible.etag.trim_matches('"').to_owned() })
}

/// `<CompleteMultipartUploadResult>`.
pub(super) fn encode_complete(reply: &CompleteReply, etag: &ETag, crc64_ecma: u64, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("CompleteMultipartUploadResult", "", |w| {
        w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
        w.leaf("Location", &reply.location);
        w.leaf("Bucket", &reply.object.bucket);
        w.leaf("Key", shown(reply.object.key.as_str(), reply.encodes_url));
        w.leaf("ETag", quoted(etag));
    });
    let mut response = response::document(StatusCode::OK, document, context);
    response::set_etag(response.headers_mut(), etag);
    response::set_crc64(response.headers_mut(), crc64_ecma);
    response
}

/// What ListParts echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsReply {
    object: ObjectRef,
    upload_id: UploadId,
    part_number_marker: u32,
    count_max: u32,
    encodes_url: bool,
}

/// Decodes ListParts.
///
/// # Errors
/// `InvalidArgument` for numbers, `NoSuchUpload`.
pub(super) fn decode_list_parts(object: ObjectRef, query: &Query) -> Result<(ListParts, PartsReply), ErrorReply> {
    let count_max = query.number("max-parts", PAGE_SIZE_MAX, 1..=PAGE_SIZE_MAX)?;
    let part_number_marker = query.number("part-number-marker", 0, 0..=i32::MAX.unsigned_abs())?;
    let encodes_url = query.encodes_url()?;
    let upload_id = upload_id(query)?;
    let reply = PartsReply { object: object.clone(), upload_id, part_number_marker, count_max, encodes_url };
    Ok((ListParts { object, upload_id, part_number_marker, count_max: count_max as usize }, reply))
}

/// `<ListPartsResult>`. Clients fail when any of its elements is missing, so all of them are always there.
pub(super) fn encode_list_parts(reply: &PartsReply, listing: &PartListing, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("ListPartsResult", "", |w| {
        w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
        w.leaf("Bucket", &reply.object.bucket);
        w.leaf("Key", shown(reply.object.key.as_str(), reply.encodes_url));
        w.leaf("UploadId", reply.upload_id);
        w.leaf("StorageClass", storage_class::in_oss(listing.storage_class.as_deref()));
        w.leaf("PartNumberMarker", reply.part_number_marker);
        w.leaf("NextPartNumberMarker", listing.parts.last().map_or(reply.part_number_marker, |part| u32::from(part.number.get())));
        w.leaf("MaxParts", reply.count_max);
        w.leaf("IsTruncated", listing.is_truncated);
        for part in &listing.parts {
            w.element("Part", |w| {
                w.leaf("PartNumber", part.number);
                w.leaf("LastModified", iso8601(part.last_modified));
                w.leaf("ETag", quoted(&part.etag));
                w.leaf("HashCrc64ecma", part.crc64_ecma);
                w.leaf("Size", part.size);
            });
        }
    });
    response::document(StatusCode::OK, document, context)
}

/// What ListMultipartUploads echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsReply {
    bucket: Bucket,
    prefix: String,
    delimiter: String,
    key_marker: String,
    upload_id_marker: String,
    count_max: u32,
    encodes_url: bool,
}

/// Decodes ListMultipartUploads.
///
/// # Errors
/// `InvalidArgument` for numbers and encodings.
pub(super) fn decode_list_uploads(bucket: Bucket, query: &Query) -> Result<(ListMultipartUploads, UploadsReply), ErrorReply> {
    let given = |name| Some(query.text(name).to_owned()).filter(|text| !text.is_empty());
    let reply = UploadsReply {
        bucket: bucket.clone(),
        prefix: query.text("prefix").to_owned(),
        delimiter: query.text("delimiter").to_owned(),
        key_marker: query.text("key-marker").to_owned(),
        upload_id_marker: query.text("upload-id-marker").to_owned(),
        count_max: query.number("max-uploads", PAGE_SIZE_MAX, 1..=PAGE_SIZE_MAX)?,
        encodes_url: query.encodes_url()?,
    };
    let list = ListMultipartUploads {
        bucket,
        prefix: reply.prefix.clone(),
        delimiter: reply.delimiter.clone(),
        key_marker: given("key-marker"),
        upload_id_marker: given("upload-id-marker"),
        count_max: reply.count_max as usize,
    };
    Ok((list, reply))
}

/// `<ListMultipartUploadsResult>`.
pub(super) fn encode_list_uploads(reply: &UploadsReply, listing: &UploadListing, context: &ReplyContext<'_>) -> Response<Bytes> {
    let shown = |text: &str| shown(text, reply.encodes_url);
    let (next_key, next_upload_id) = next_markers(listing);
    let document = Writer::document("ListMultipartUploadsResult", "", |w| {
        w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
        w.leaf("Bucket", &reply.bucket);
        w.leaf("KeyMarker", shown(&reply.key_marker));
        w.leaf("UploadIdMarker", &reply.upload_id_marker);
        w.leaf("NextKeyMarker", shown(&next_key));
        w.leaf("NextUploadIdMarker", next_upload_id.map(|id| id.to_string()).unwrap_or_default());
        w.leaf("Delimiter", shown(&reply.delimiter));
        w.leaf("Prefix", shown(&reply.prefix));
        w.leaf("MaxUploads", reply.count_max);
        w.leaf("IsTruncated", listing.next.is_some());
        for entry in &listing.entries {
            let Entry::Item(upload) = entry else { continue };
            w.element("Upload", |w| {
                w.leaf("Key", shown(upload.key.as_str()));
                w.leaf("UploadId", upload.upload_id);
                w.leaf("StorageClass", storage_class::in_oss(upload.storage_class.as_deref()));
                w.leaf("Initiated", iso8601(upload.initiated));
            });
        }
        for entry in &listing.entries {
            let Entry::CommonPrefix(prefix) = entry else { continue };
            w.element("CommonPrefixes", |w| w.leaf("Prefix", shown(prefix)));
        }
    });
    response::document(StatusCode::OK, document, context)
}

/// The next page's markers; on the last page they name its last entry, as OSS sends them there, too.
fn next_markers(listing: &UploadListing) -> (String, Option<UploadId>) {
    match (&listing.next, listing.entries.last()) {
        (Some((key, upload_id)), _) => (key.clone(), *upload_id),
        (None, Some(Entry::Item(upload))) => (upload.key.to_string(), Some(upload.upload_id)),
        (None, Some(Entry::CommonPrefix(prefix))) => (prefix.clone(), None),
        (None, None) => (String::new(), None),
    }
}
