//! Listings of buckets, objects and versions (S3 API Reference, "ListBuckets", "ListObjects",
//! "ListObjectsV2", "ListObjectVersions").

use super::{
    checksum,
    error::ErrorReply,
    multipart::shown,
    owner,
    query::Query,
    response::{self, NAMESPACE, ReplyContext, quoted},
};
use crate::{
    dialect::{date::iso8601, storage_class, token, xml::Writer},
    model::{Account, Bucket, BucketInfo, Entry, ListBuckets, ListObjectVersions, ListObjects, ObjectListing, ObjectSummary},
};
use bytes::Bytes;
use http::{Response, StatusCode};

/// Default and largest page of ListBuckets.
const BUCKET_COUNT_MAX: usize = 10_000;
/// What ListBuckets filters and echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketsReply {
    prefix: Option<String>,
    region: Option<String>,
}

pub(super) fn decode_buckets(query: &Query) -> Result<(ListBuckets, BucketsReply), ErrorReply> {
    let count_max = match query.non_empty("max-buckets") {
        None => BUCKET_COUNT_MAX,
        Some(text) => text.parse().ok().filter(|count| (1..=BUCKET_COUNT_MAX).contains(count)).ok_or_else(|| {
            ErrorReply::invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", text)
        })?,
    };
    let after = query.non_empty("continuation-token").map(read_token).transpose()?;
    let prefix = query.get("prefix").map(str::to_owned);
    let list = ListBuckets { prefix: prefix.clone().unwrap_or_default(), after, count_max };
    Ok((list, BucketsReply { prefix, region: query.non_empty("bucket-region").map(str::to_owned) }))
}

/// `<ListAllMyBucketsResult>`.
pub(super) fn encode_buckets(
    reply: &BucketsReply,
    account: &Account,
    buckets: &[BucketInfo],
    next: Option<&str>,
    context: &ReplyContext<'_>,
) -> Response<Bytes> {
    let region = |info: &BucketInfo| info.location.clone().unwrap_or_else(|| context.region.to_owned());
    let document = Writer::document("ListAllMyBucketsResult", NAMESPACE, |w| {
        owner::write(w, "Owner", account);
        w.element("Buckets", |w| {
            for info in buckets.iter().filter(|info| reply.region.as_ref().is_none_or(|wanted| *wanted == region(info))) {
                w.element("Bucket", |w| {
                    w.leaf("Name", &info.bucket);
                    w.leaf("CreationDate", iso8601(info.created));
                    w.leaf("BucketRegion", region(info));
                });
            }
        });
        w.leaf_if("ContinuationToken", next.map(token::write));
        w.leaf_if("Prefix", reply.prefix.as_ref());
    });
    response::document(StatusCode::OK, document, context)
}

/// What a listing of objects echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsReply {
    bucket: Bucket,
    prefix: String,
    delimiter: String,
    count_max: usize,
    encodes_url: bool,
    form: Form,
}

/// The three calls that list objects.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    V1 { marker: String },
    V2 { token: Option<String>, start_after: Option<String>, fetch_owner: bool },
    Versions { key_marker: String, version_id_marker: String },
}

impl ObjectsReply {
    fn read(bucket: &Bucket, query: &Query, form: Form) -> Result<Self, ErrorReply> {
        Ok(Self {
            bucket: bucket.clone(),
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            delimiter: query.get("delimiter").unwrap_or_default().to_owned(),
            count_max: query.page_size("max-keys")?,
            encodes_url: query.encodes_url()?,
            form,
        })
    }

    fn operation(&self, after: Option<String>) -> ListObjects {
        ListObjects {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            delimiter: self.delimiter.clone(),
            after,
            count_max: self.count_max,
        }
    }
}

pub(super) fn decode_v1(bucket: Bucket, query: &Query) -> Result<(ListObjects, ObjectsReply), ErrorReply> {
    let marker = query.get("marker").unwrap_or_default().to_owned();
    let after = (!marker.is_empty()).then(|| marker.clone());
    let reply = ObjectsReply::read(&bucket, query, Form::V1 { marker })?;
    Ok((reply.operation(after), reply))
}

pub(super) fn decode_v2(bucket: Bucket, query: &Query) -> Result<(ListObjects, ObjectsReply), ErrorReply> {
    let token = query.get("continuation-token").map(str::to_owned);
    let start_after = query.get("start-after").map(str::to_owned);
    let fetch_owner = query.get("fetch-owner").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    // An empty token is the start, as an empty start-after is.
    let after = match token.as_deref().filter(|token| !token.is_empty()) {
        Some(token) => Some(read_token(token)?),
        None => start_after.clone().filter(|text| !text.is_empty()),
    };
    let reply = ObjectsReply::read(&bucket, query, Form::V2 { token, start_after, fetch_owner })?;
    Ok((reply.operation(after), reply))
}

pub(super) fn decode_versions(bucket: Bucket, query: &Query) -> Result<(ListObjectVersions, ObjectsReply), ErrorReply> {
    let key_marker = query.get("key-marker").unwrap_or_default().to_owned();
    let version_id_marker = query.get("version-id-marker").unwrap_or_default().to_owned();
    // The one version of a key is `null`: after it comes the next key, as after the key alone.
    match version_id_marker.as_str() {
        "" => {}
        _ if key_marker.is_empty() => {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(ErrorReply::invalid_argument(message, "version-id-marker", &version_id_marker));
        }
        "null" => {}
        other => return Err(ErrorReply::invalid_version_id("version-id-marker", other)),
    }
    let after = (!key_marker.is_empty()).then(|| key_marker.clone());
    let reply = ObjectsReply::read(&bucket, query, Form::Versions { key_marker, version_id_marker })?;
    let list = ListObjectVersions {
        bucket,
        prefix: reply.prefix.clone(),
        delimiter: reply.delimiter.clone(),
        key_marker: after,
        count_max: reply.count_max,
    };
    Ok((list, reply))
}

/// `<ListBucketResult>` or `<ListVersionsResult>`.
pub(super) fn encode_objects(reply: &ObjectsReply, listing: &ObjectListing, context: &ReplyContext<'_>) -> Response<Bytes> {
    let root = match reply.form {
        Form::V1 { .. } | Form::V2 { .. } => "ListBucketResult",
        Form::Versions { .. } => "ListVersionsResult",
    };
    let document = Writer::document(root, NAMESPACE, |w| {
        write_head(w, reply, listing);
        for entry in &listing.entries {
            let Entry::Item(object) = entry else { continue };
            write_object(w, reply, &listing.owner, object);
        }
        for entry in &listing.entries {
            let Entry::CommonPrefix(prefix) = entry else { continue };
            w.element("CommonPrefixes", |w| w.leaf("Prefix", shown(prefix, reply.encodes_url)));
        }
    });
    response::document(StatusCode::OK, document, context)
}

fn write_head(w: &mut Writer, reply: &ObjectsReply, listing: &ObjectListing) {
    let shown = |text: &str| shown(text, reply.encodes_url);
    let next = listing.next_after.as_deref();
    w.leaf("Name", &reply.bucket);
    w.leaf("Prefix", shown(&reply.prefix));
    match &reply.form {
        Form::V1 { marker } => {
            w.leaf("Marker", shown(marker));
            // Without a delimiter clients go on from the last key; S3 says nothing more.
            w.leaf_if("NextMarker", next.filter(|_| !reply.delimiter.is_empty()).map(shown));
        }
        Form::V2 { .. } => w.leaf("KeyCount", listing.entries.len()),
        Form::Versions { key_marker, version_id_marker } => {
            w.leaf("KeyMarker", shown(key_marker));
            w.leaf("VersionIdMarker", version_id_marker);
            if let Some(next) = next {
                w.leaf("NextKeyMarker", shown(next));
                w.leaf_if("NextVersionIdMarker", matches!(listing.entries.last(), Some(Entry::Item(_))).then_some("null"));
            }
        }
    }
    w.leaf("MaxKeys", reply.count_max);
    w.leaf_if("Delimiter", (!reply.delimiter.is_empty()).then(|| shown(&reply.delimiter)));
    w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
    w.leaf("IsTruncated", next.is_some());
    if let Form::V2 { token: given, start_after, .. } = &reply.form {
        w.leaf_if("ContinuationToken", given.as_ref());
        w.leaf_if("NextContinuationToken", next.map(token::write));
        w.leaf_if("StartAfter", start_after.as_deref().map(shown));
    }
}

fn write_object(w: &mut Writer, reply: &ObjectsReply, account: &Account, object: &ObjectSummary) {
    let (element, is_version, shows_owner) = match &reply.form {
        Form::V1 { .. } => ("Contents", false, true),
        Form::V2 { fetch_owner, .. } => ("Contents", false, *fetch_owner),
        Form::Versions { .. } => ("Version", true, true),
    };
    w.element(element, |w| {
        w.leaf("Key", shown(object.key.as_str(), reply.encodes_url));
        if is_version {
            w.leaf("VersionId", "null");
            w.leaf("IsLatest", true);
        }
        w.leaf("LastModified", iso8601(object.last_modified));
        w.leaf("ETag", quoted(&object.etag));
        checksum::write_kind(w, object.checksum);
        w.leaf("Size", object.size);
        w.leaf("StorageClass", storage_class::in_s3(object.storage_class.as_deref()));
        if shows_owner {
            owner::write(w, "Owner", account);
        }
    });
}

fn read_token(token: &str) -> Result<String, ErrorReply> {
    token::read(token)
        .ok_or_else(|| ErrorReply::invalid_argument("The continuation token provided is incorrect", "continuation-token", token))
}
