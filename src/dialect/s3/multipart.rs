//! Multipart uploads (S3 API Reference, the pages of the seven calls).

use super::{
    checksum, conditions,
    copy::CopySource,
    error::ErrorReply,
    failure::no_such_upload,
    headers, object, owner,
    query::Query,
    range,
    response::{self, NAMESPACE, ReplyContext, quoted, set},
};
use crate::{
    dialect::{
        date::iso8601,
        percent, storage_class,
        xml::{Element, Writer},
    },
    model::{
        BodyClaims, Bucket, ChecksumAlgorithm, ChecksumType, CompleteMultipartUpload, CompletedPart, CreateMultipartUpload, ETag, Entry,
        ListMultipartUploads, ListParts, ObjectChecksum, ObjectRef, PartListRefusal, PartListing, PartNumber, Timestamp, UploadId,
        UploadListing, UploadPart, UploadPartCopy, WriteConditions,
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode};

/// The upload a request names.
///
/// # Errors
/// `NoSuchUpload` for text that is no id of ours.
pub(super) fn upload_id(query: &Query) -> Result<UploadId, ErrorReply> {
    let text = query.get("uploadId").unwrap_or_default();
    UploadId::parse(text).ok_or_else(|| no_such_upload(text))
}

fn part_number(query: &Query) -> Result<PartNumber, ErrorReply> {
    object::part_number(query.get("partNumber").unwrap_or_default())
}

pub(super) fn decode_create(object: ObjectRef, headers: &HeaderMap) -> Result<CreateMultipartUpload, ErrorReply> {
    let (attributes, checksum) = (headers::attributes(headers)?, checksum::declared(headers)?);
    Ok(CreateMultipartUpload { object, attributes, checksum, conditions: WriteConditions::default(), sequential: false })
}

/// `<InitiateMultipartUploadResult>`.
pub(super) fn encode_create(
    object: &ObjectRef,
    upload_id: UploadId,
    declared: Option<(ChecksumAlgorithm, ChecksumType)>,
    context: &ReplyContext<'_>,
) -> Response<Bytes> {
    let document = Writer::document("InitiateMultipartUploadResult", NAMESPACE, |w| {
        w.leaf("Bucket", &object.bucket);
        w.leaf("Key", &object.key);
        w.leaf("UploadId", upload_id);
    });
    let mut response = response::document(StatusCode::OK, document, context);
    if let Some((algorithm, kind)) = declared {
        set(response.headers_mut(), HeaderName::from_static("x-amz-checksum-algorithm"), algorithm.name());
        checksum::set_type(response.headers_mut(), kind);
    }
    response
}

/// Decodes UploadPart. Its number is checked before its upload, as S3 does.
pub(super) fn decode_part(object: ObjectRef, headers: &HeaderMap, query: &Query) -> Result<UploadPart, ErrorReply> {
    let part_number = part_number(query)?;
    let upload_id = upload_id(query)?;
    let claims = BodyClaims { size: Some(headers::body_size(headers)?), ..checksum::body_claims(headers)? };
    Ok(UploadPart { object, upload_id, part_number, claims })
}

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
        source: CopySource::parse(headers)?.object,
        source_range: headers::text(headers, "x-amz-copy-source-range")
            .map(|text| range::parse_copy(&text))
            .transpose()?
            .map(|(first, last)| (first, Some(last))),
        source_conditions: conditions::of_source(headers, now),
    })
}

/// Where the completed object is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteReply {
    /// Its URL.
    pub(super) location: String,
    /// Its name.
    pub(super) object: ObjectRef,
}

/// Decodes CompleteMultipartUpload. What is listed is judged by the operation, after the upload's existence.
///
/// # Errors
/// `MalformedXML`, `NoSuchUpload` for ids that cannot be any, `InvalidArgument` for checksums that are none, `InvalidRequest`.
pub(super) fn decode_complete(
    object: ObjectRef,
    headers: &HeaderMap,
    query: &Query,
    document: &[u8],
) -> Result<CompleteMultipartUpload, ErrorReply> {
    let root = Element::parse(document).map_err(|_| ErrorReply::malformed_xml())?;
    let listed: Vec<&Element> = root.children_named("Part").collect();
    let is_list = root.name() == "CompleteMultipartUpload" && !listed.is_empty() && listed.len() <= usize::from(PartNumber::MAX);
    if !is_list {
        return Err(ErrorReply::malformed_xml());
    }
    let listed = listed.into_iter().map(ListedPart::read).collect::<Result<Vec<_>, _>>()?;
    let upload_id = upload_id(query)?;
    let refusal = refusal(&listed);
    let parts = if refusal.is_some() { Vec::new() } else { listed.iter().map(ListedPart::completed).collect::<Result<_, _>>()? };
    let object_size = headers::text(headers, "x-amz-mp-object-size")
        .map(|text| text.trim().parse().map_err(|_| ErrorReply::invalid_request("Value for x-amz-mp-object-size header is invalid.")))
        .transpose()?;
    Ok(CompleteMultipartUpload {
        object,
        upload_id,
        parts,
        refusal,
        conditions: conditions::of_write(headers)?,
        object_size,
        checksum: checksum::object_checksum(headers)?,
        checksum_type: checksum::checksum_type(headers)?,
        takes_all_parts: false,
        callback: None,
    })
}

/// A `<Part>` that has what the schema asks for.
struct ListedPart<'a> {
    number: i64,
    etag: &'a str,
    element: &'a Element,
}

impl<'a> ListedPart<'a> {
    fn read(element: &'a Element) -> Result<Self, ErrorReply> {
        let number = element.child_text("PartNumber").and_then(|text| text.trim().parse().ok());
        let etag = element.child_text("ETag").map(str::trim);
        let (number, etag) = number.zip(etag).ok_or_else(ErrorReply::malformed_xml)?;
        Ok(Self { number, etag, element })
    }

    /// Its number and ETag, if a part can have them.
    fn identity(&self) -> Option<(PartNumber, ETag)> {
        PartNumber::new(u64::try_from(self.number).ok()?).zip(ETag::parse(self.etag))
    }

    fn completed(&self) -> Result<CompletedPart, ErrorReply> {
        let (number, etag) = self.identity().expect("a list with what cannot be a part is refused before");
        Ok(CompletedPart { number, etag, checksum: checksum::in_element(self.element)? })
    }
}

/// What is wrong with a list that names what cannot be a part, in the order in which S3 looks.
fn refusal(listed: &[ListedPart<'_>]) -> Option<PartListRefusal> {
    if let Some(part) = listed.iter().find(|part| part.number < 1) {
        return Some(PartListRefusal::NumberTooSmall(part.number));
    }
    let impossible = listed.iter().find(|part| part.identity().is_none())?;
    if listed.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Some(PartListRefusal::OutOfOrder);
    }
    Some(PartListRefusal::NoSuchPart { number: impossible.number, etag: impossible.etag.trim_matches('"').to_owned() })
}

/// `<CompleteMultipartUploadResult>`.
pub(super) fn encode_complete(
    reply: &CompleteReply,
    etag: &ETag,
    checksum: Option<&ObjectChecksum>,
    context: &ReplyContext<'_>,
) -> Response<Bytes> {
    let document = Writer::document("CompleteMultipartUploadResult", NAMESPACE, |w| {
        w.leaf("Location", &reply.location);
        w.leaf("Bucket", &reply.object.bucket);
        w.leaf("Key", &reply.object.key);
        w.leaf("ETag", quoted(etag));
        if let Some(checksum) = checksum {
            checksum::write_object(w, checksum);
        }
    });
    response::document(StatusCode::OK, document, context)
}

/// What ListParts echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsReply {
    object: ObjectRef,
    upload_id: UploadId,
    part_number_marker: u32,
    count_max: usize,
    encodes_url: bool,
}

pub(super) fn decode_list_parts(object: ObjectRef, query: &Query) -> Result<(ListParts, PartsReply), ErrorReply> {
    let count_max = query.page_size("max-parts")?;
    let part_number_marker = query.part_number_marker()?;
    let encodes_url = query.encodes_url()?;
    let upload_id = upload_id(query)?;
    let reply = PartsReply { object: object.clone(), upload_id, part_number_marker, count_max, encodes_url };
    Ok((ListParts { object, upload_id, part_number_marker, count_max }, reply))
}

/// `<ListPartsResult>`.
pub(super) fn encode_list_parts(reply: &PartsReply, listing: &PartListing, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("ListPartsResult", NAMESPACE, |w| {
        w.leaf("Bucket", &reply.object.bucket);
        w.leaf("Key", shown(reply.object.key.as_str(), reply.encodes_url));
        w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
        w.leaf("UploadId", reply.upload_id);
        w.leaf("PartNumberMarker", reply.part_number_marker);
        w.leaf("NextPartNumberMarker", listing.parts.last().map_or(reply.part_number_marker, |part| u32::from(part.number.get())));
        w.leaf("MaxParts", reply.count_max);
        w.leaf("IsTruncated", listing.is_truncated);
        for part in &listing.parts {
            w.element("Part", |w| {
                w.leaf("PartNumber", part.number);
                w.leaf("LastModified", iso8601(part.last_modified));
                w.leaf("ETag", quoted(&part.etag));
                w.leaf("Size", part.size);
                if let Some(checksum) = &part.checksum {
                    checksum::write_value(w, checksum);
                }
            });
        }
        owner::write(w, "Initiator", &listing.initiator);
        owner::write(w, "Owner", &listing.owner);
        w.leaf("StorageClass", storage_class::in_s3(listing.storage_class.as_deref()));
        checksum::write_kind(w, listing.checksum);
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
    count_max: usize,
    encodes_url: bool,
}

pub(super) fn decode_list_uploads(bucket: Bucket, query: &Query) -> Result<(ListMultipartUploads, UploadsReply), ErrorReply> {
    let text = |name| query.get(name).unwrap_or_default().to_owned();
    let given = |name| query.non_empty(name).map(str::to_owned);
    let reply = UploadsReply {
        bucket: bucket.clone(),
        prefix: text("prefix"),
        delimiter: text("delimiter"),
        key_marker: text("key-marker"),
        upload_id_marker: text("upload-id-marker"),
        count_max: query.page_size("max-uploads")?,
        encodes_url: query.encodes_url()?,
    };
    let list = ListMultipartUploads {
        bucket,
        prefix: reply.prefix.clone(),
        delimiter: reply.delimiter.clone(),
        key_marker: given("key-marker"),
        upload_id_marker: given("upload-id-marker"),
        count_max: reply.count_max,
    };
    Ok((list, reply))
}

/// `<ListMultipartUploadsResult>`.
pub(super) fn encode_list_uploads(reply: &UploadsReply, listing: &UploadListing, context: &ReplyContext<'_>) -> Response<Bytes> {
    let shown = |text: &str| shown(text, reply.encodes_url);
    let document = Writer::document("ListMultipartUploadsResult", NAMESPACE, |w| {
        w.leaf("Bucket", &reply.bucket);
        w.leaf("KeyMarker", shown(&reply.key_marker));
        w.leaf("UploadIdMarker", &reply.upload_id_marker);
        if let Some((key, upload_id)) = &listing.next {
            w.leaf("NextKeyMarker", shown(key));
            w.leaf("NextUploadIdMarker", upload_id.map(|id| id.to_string()).unwrap_or_default());
        }
        w.leaf("Prefix", shown(&reply.prefix));
        w.leaf_if("Delimiter", (!reply.delimiter.is_empty()).then(|| shown(&reply.delimiter)));
        w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
        w.leaf("MaxUploads", reply.count_max);
        w.leaf("IsTruncated", listing.next.is_some());
        for entry in &listing.entries {
            let Entry::Item(upload) = entry else { continue };
            w.element("Upload", |w| {
                w.leaf("Key", shown(upload.key.as_str()));
                w.leaf("UploadId", upload.upload_id);
                owner::write(w, "Initiator", &upload.initiator);
                owner::write(w, "Owner", &listing.owner);
                w.leaf("StorageClass", storage_class::in_s3(upload.storage_class.as_deref()));
                w.leaf("Initiated", iso8601(upload.initiated));
                checksum::write_kind(w, upload.checksum);
            });
        }
        for entry in &listing.entries {
            let Entry::CommonPrefix(prefix) = entry else { continue };
            w.element("CommonPrefixes", |w| w.leaf("Prefix", shown(prefix)));
        }
    });
    response::document(StatusCode::OK, document, context)
}

/// Text as listings show it: percent-encoded when the client asked for it.
pub(super) fn shown(text: &str, encodes_url: bool) -> String {
    if encodes_url { percent::encode_path(text) } else { text.to_owned() }
}
