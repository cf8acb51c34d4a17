//! Listings of objects and versions (OSS API Reference, "GetBucket (ListObjects)", "GetBucketV2
//! (ListObjectsV2)", "GetBucketVersions (ListObjectVersions)").

use super::{
    error::{ErrorReply, invalid_argument},
    owner,
    query::{PAGE_SIZE_MAX, Query},
    response::{self, ReplyContext, iso8601, quoted},
    service::PAGE_SIZE,
};
use crate::{
    dialect::{percent, storage_class, token, xml::Writer},
    model::{Account, Bucket, Entry, ListObjectVersions, ListObjects, ObjectListing, ObjectSummary, ObjectType},
};
use bytes::Bytes;
use http::{Response, StatusCode};

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
            prefix: query.text("prefix").to_owned(),
            delimiter: query.text("delimiter").to_owned(),
            count_max: query.number("max-keys", PAGE_SIZE, 1..=PAGE_SIZE_MAX)? as usize,
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

    fn shown(&self, text: &str) -> String {
        shown(text, self.encodes_url)
    }
}

/// Decodes GetBucket.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn decode_v1(bucket: Bucket, query: &Query) -> Result<(ListObjects, ObjectsReply), ErrorReply> {
    let marker = query.text("marker").to_owned();
    let after = (!marker.is_empty()).then(|| marker.clone());
    let reply = ObjectsReply::read(&bucket, query, Form::V1 { marker })?;
    Ok((reply.operation(after), reply))
}

/// Decodes GetBucketV2.
///
/// # Errors
/// `InvalidArgument`, also for a token that is none.
pub(super) fn decode_v2(bucket: Bucket, query: &Query) -> Result<(ListObjects, ObjectsReply), ErrorReply> {
    let token = query.first("continuation-token").map(str::to_owned);
    let start_after = query.first("start-after").map(str::to_owned);
    let fetch_owner = query.text("fetch-owner").eq_ignore_ascii_case("true");
    // An empty token is the start, as an empty start-after is: some clients always send both.
    let after = match token.as_deref().filter(|token| !token.is_empty()) {
        Some(token) => Some(read_token(token)?),
        None => start_after.clone().filter(|text| !text.is_empty()),
    };
    let reply = ObjectsReply::read(&bucket, query, Form::V2 { token, start_after, fetch_owner })?;
    Ok((reply.operation(after), reply))
}

/// Decodes GetBucketVersions.
///
/// # Errors
/// `InvalidArgument`, also for the marker of a version that cannot be.
pub(super) fn decode_versions(bucket: Bucket, query: &Query) -> Result<(ListObjectVersions, ObjectsReply), ErrorReply> {
    let key_marker = query.text("key-marker").to_owned();
    let version_id_marker = query.text("version-id-marker").to_owned();
    // The one version of a key is `null`: after it comes the next key, as after the key alone.
    match version_id_marker.as_str() {
        "" => {}
        _ if key_marker.is_empty() => {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(invalid_argument(message, "version-id-marker", &version_id_marker));
        }
        "null" => {}
        other => return Err(invalid_argument("Invalid version id specified.", "version-id-marker", other)),
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
    let document = Writer::document(root, "", |w| {
        write_head(w, reply, listing);
        for entry in &listing.entries {
            let Entry::Item(object) = entry else { continue };
            write_object(w, reply, &listing.owner, object);
        }
        for entry in &listing.entries {
            let Entry::CommonPrefix(prefix) = entry else { continue };
            w.element("CommonPrefixes", |w| w.leaf("Prefix", reply.shown(prefix)));
        }
    });
    response::document(StatusCode::OK, document, context)
}

fn write_head(w: &mut Writer, reply: &ObjectsReply, listing: &ObjectListing) {
    let next = listing.next_after.as_deref();
    w.leaf("Name", &reply.bucket);
    w.leaf("Prefix", reply.shown(&reply.prefix));
    match &reply.form {
        Form::V1 { marker } => w.leaf("Marker", reply.shown(marker)),
        Form::V2 { start_after, .. } => w.leaf_if("StartAfter", start_after.as_deref().map(|text| reply.shown(text))),
        Form::Versions { key_marker, version_id_marker } => {
            w.leaf("KeyMarker", reply.shown(key_marker));
            w.leaf("VersionIdMarker", version_id_marker);
        }
    }
    w.leaf("MaxKeys", reply.count_max);
    w.leaf("Delimiter", reply.shown(&reply.delimiter));
    w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
    w.leaf("IsTruncated", next.is_some());
    match &reply.form {
        Form::V1 { .. } => w.leaf_if("NextMarker", next.map(|next| reply.shown(next))),
        Form::V2 { token: given, .. } => {
            w.leaf_if("ContinuationToken", given.as_ref());
            w.leaf_if("NextContinuationToken", next.map(token::write));
            w.leaf("KeyCount", listing.entries.len());
        }
        Form::Versions { .. } => {
            if let Some(next) = next {
                w.leaf("NextKeyMarker", reply.shown(next));
                // A common prefix has no versions; clients that look for the element find it empty.
                w.leaf("NextVersionIdMarker", if matches!(listing.entries.last(), Some(Entry::Item(_))) { "null" } else { "" });
            }
        }
    }
}

fn write_object(w: &mut Writer, reply: &ObjectsReply, account: &Account, object: &ObjectSummary) {
    let (element, is_version, shows_owner) = match &reply.form {
        Form::V1 { .. } => ("Contents", false, true),
        Form::V2 { fetch_owner, .. } => ("Contents", false, *fetch_owner),
        Form::Versions { .. } => ("Version", true, true),
    };
    w.element(element, |w| {
        w.leaf("Key", reply.shown(object.key.as_str()));
        if is_version {
            w.leaf("VersionId", "null");
            w.leaf("IsLatest", true);
        }
        w.leaf("LastModified", iso8601(object.last_modified));
        w.leaf("ETag", quoted(&object.etag));
        w.leaf("Type", object_type(object.object_type));
        w.leaf("Size", object.size);
        w.leaf("StorageClass", storage_class::in_oss(object.storage_class.as_deref()));
        if shows_owner {
            owner::write(w, account);
        }
    });
}

/// How an object came to be, as documents and `x-oss-object-type` have it.
pub(super) fn object_type(object_type: ObjectType) -> &'static str {
    match object_type {
        ObjectType::Normal => "Normal",
        ObjectType::Multipart => "Multipart",
        ObjectType::Appendable => "Appendable",
        ObjectType::Symlink => "Symlink",
    }
}

/// A text of a listing, percent-encoded when the client asked for that; OSS encodes slashes, too.
pub(super) fn shown(text: &str, encodes_url: bool) -> String {
    if encodes_url { percent::encode(text) } else { text.to_owned() }
}

fn read_token(token: &str) -> Result<String, ErrorReply> {
    token::read(token).ok_or_else(|| invalid_argument("The continuation token provided is incorrect.", "continuation-token", token))
}

#[cfg(test)]
mod tests {
    use super::{super::response::fixture::*, *};

    fn query(text: &str) -> Query {
        Query::parse(&head(&format!("GET /bkt/?{text}"))).unwrap()
    }

    fn listing(next_after: Option<&str>) -> ObjectListing {
        let object = |text: &str, object_type, storage_class: Option<&str>| {
            Entry::Item(ObjectSummary {
                key: key(text),
                size: 5,
                etag: etag(),
                last_modified: LAST_MODIFIED,
                storage_class: storage_class.map(str::to_owned),
                checksum: None,
                object_type,
            })
        };
        ObjectListing {
            owner: Account::root(),
            entries: vec![
                object("fun/a b", ObjectType::Normal, None),
                Entry::CommonPrefix("fun/b+/".to_owned()),
                object("fun/c\u{1}&d", ObjectType::Multipart, Some("STANDARD_IA")),
                object("fun/e", ObjectType::Appendable, Some("IA")),
                object("fun/f", ObjectType::Symlink, None),
            ],
            next_after: next_after.map(str::to_owned),
        }
    }

    #[test]
    fn version_1_goes_on_after_a_marker() {
        let (list, reply) = decode_v1(bucket(), &query("prefix=fun/&marker=fun/A&delimiter=/&max-keys=7&encoding-type=url")).unwrap();
        let expected = ListObjects {
            bucket: bucket(),
            prefix: "fun/".to_owned(),
            delimiter: "/".to_owned(),
            after: Some("fun/A".to_owned()),
            count_max: 7,
        };
        assert_eq!(list, expected);
        check("list_v1_url", &encode_objects(&reply, &listing(Some("fun/f")), &context()));
        let (list, reply) = decode_v1(bucket(), &query("")).unwrap();
        assert_eq!(list, ListObjects { prefix: String::new(), delimiter: String::new(), after: None, count_max: 100, ..expected });
        check("list_v1", &encode_objects(&reply, &listing(Some("fun/f")), &context()));
        check("list_v1_last", &encode_objects(&reply, &ObjectListing { entries: vec![], ..listing(None) }, &context()));
    }

    #[test]
    fn version_2_goes_on_at_its_token() {
        let (list, reply) = decode_v2(bucket(), &query("list-type=2&start-after=fun/A&continuation-token&encoding-type=url")).unwrap();
        assert_eq!((list.after.as_deref(), list.count_max), (Some("fun/A"), 100));
        let response = encode_objects(&reply, &listing(Some("fun/é?>")), &context());
        check("list_v2_url", &response);
        let body = std::str::from_utf8(response.body()).unwrap();
        let (_, rest) = body.split_once("<NextContinuationToken>").unwrap();
        let (token, _) = rest.split_once('<').unwrap();
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");

        let (list, reply) =
            decode_v2(bucket(), &query(&format!("list-type=2&fetch-owner=true&start-after=x&continuation-token={token}"))).unwrap();
        assert_eq!(list.after.as_deref(), Some("fun/é?>"));
        check("list_v2_owner", &encode_objects(&reply, &listing(None), &context()));
        for bad in ["fun", "_", "AmE", "Af8"] {
            let refused = decode_v2(bucket(), &query(&format!("continuation-token={bad}"))).map_err(|error| error.code);
            assert_eq!(refused, Err("InvalidArgument"), "{bad}");
        }
    }

    #[test]
    fn every_object_has_the_one_version_null() {
        let (list, reply) = decode_versions(bucket(), &query("versions&key-marker=k&version-id-marker=null&delimiter=/")).unwrap();
        assert_eq!((list.key_marker.as_deref(), list.count_max), (Some("k"), 100));
        check("list_versions", &encode_objects(&reply, &listing(Some("fun/f")), &context()));
        let at_prefix = ObjectListing { entries: vec![Entry::CommonPrefix("fun/".to_owned())], ..listing(Some("fun/")) };
        check("list_versions_at_prefix", &encode_objects(&reply, &at_prefix, &context()));
        for bad in ["version-id-marker=null", "key-marker=k&version-id-marker=CAEQ"] {
            assert_eq!(decode_versions(bucket(), &query(bad)).map_err(|error| error.code), Err("InvalidArgument"), "{bad}");
        }
    }

    #[test]
    fn pages_and_encodings_that_are_none_are_refused() {
        for bad in ["max-keys=0", "max-keys=1001", "max-keys=-1", "max-keys=a", "encoding-type=gzip"] {
            assert_eq!(decode_v1(bucket(), &query(bad)).map_err(|error| error.code), Err("InvalidArgument"), "{bad}");
        }
    }
}
