//! Buckets: creating them, what they are, their access control lists, referers and policies, and
//! configuration that cannot be set.

use super::{
    error::{ErrorReply, invalid_argument, malformed_xml, missing_argument, not_implemented_here},
    owner,
    response::{self, ReplyContext, iso8601, set},
    service::{endpoint, location},
};
use crate::{
    dialect::{
        storage_class,
        xml::{Element, Writer},
    },
    model::{Account, Acl, Bucket, BucketInfo, BucketStat, CreateBucket, RefererConfiguration},
};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};

/// Longest location constraint, in bytes.
const LOCATION_SIZE_MAX: usize = 64;
/// Most patterns in each list of referers.
const REFERER_COUNT_MAX: usize = 1000;

/// Decodes PutBucket; the document is optional.
///
/// # Errors
/// `InvalidArgument`, `MalformedXML`, `NotImplemented` for what else a configuration can say.
pub(super) fn decode_create(bucket: Bucket, headers: &HeaderMap, document: &[u8]) -> Result<CreateBucket, ErrorReply> {
    let acl = acl_header(headers)?;
    let mut create = CreateBucket { bucket, location: None, acl, storage_class: None, may_be_own: true };
    if document.is_empty() {
        return Ok(create);
    }
    let root = parse(document, "CreateBucketConfiguration")?;
    for child in root.children() {
        let text = child.text().trim();
        match child.name() {
            "LocationConstraint" => create.location = parse_location(text)?,
            "StorageClass" => create.storage_class = parse_storage_class(text)?,
            // What is there is one copy in one place.
            "DataRedundancyType" if ["", "LRS"].contains(&text) => {}
            "DataRedundancyType" if text == "ZRS" => return Err(not_implemented_here("DataRedundancyType ZRS")),
            "DataRedundancyType" => {
                return Err(invalid_argument("The data redundancy type you specified is not valid.", "DataRedundancyType", text));
            }
            other => return Err(not_implemented_here(format_args!("{other} in CreateBucketConfiguration"))),
        }
    }
    Ok(create)
}

fn parse_location(text: &str) -> Result<Option<String>, ErrorReply> {
    let is_legal = text.len() <= LOCATION_SIZE_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_legal {
        let message = "The specified location-constraint is not valid.";
        return Err(ErrorReply::bad_request("InvalidLocationConstraint", message).with("LocationConstraint", text));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn parse_storage_class(text: &str) -> Result<Option<String>, ErrorReply> {
    match text {
        "" | "Standard" => Ok(None),
        class if storage_class::of_oss(class) => Ok(Some(class.to_owned())),
        other => Err(invalid_argument("No such bucket storage class exists.", "StorageClass", other)),
    }
}

/// PutBucket's answer.
pub(super) fn encode_create(bucket: &Bucket, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    set(response.headers_mut(), header::LOCATION, format!("/{bucket}"));
    response
}

/// GetBucketInfo's answer.
pub(super) fn encode_info(info: &BucketInfo, context: &ReplyContext<'_>) -> Response<Bytes> {
    let endpoint = endpoint(context.authority, Some(&info.bucket));
    let document = Writer::document("BucketInfo", "", |w| {
        w.element("Bucket", |w| {
            w.leaf("AccessMonitor", "Disabled");
            w.leaf("Comment", "");
            w.leaf("CreationDate", iso8601(info.created));
            w.leaf("CrossRegionReplication", "Disabled");
            w.leaf("DataRedundancyType", "LRS");
            w.leaf("ExtranetEndpoint", endpoint);
            w.leaf("IntranetEndpoint", endpoint);
            w.leaf("Location", location(info, context));
            w.leaf("Name", &info.bucket);
            w.leaf("ResourceGroupId", "");
            w.leaf("StorageClass", storage_class::in_oss(info.storage_class.as_deref()));
            w.leaf("TransferAcceleration", "Disabled");
            w.leaf("BlockPublicAccess", false);
            owner::write(w, &info.owner);
            write_grant(w, info.acl.name());
            w.element("ServerSideEncryptionRule", |w| w.leaf("SSEAlgorithm", "None"));
            w.element("BucketPolicy", |w| {
                w.leaf("LogBucket", "");
                w.leaf("LogPrefix", "");
            });
        });
    });
    response::document(StatusCode::OK, document, context)
}

/// GetBucketStat's answer. Storage classes are labels here, so that everything counts as Standard.
pub(super) fn encode_stat(stat: &BucketStat, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("BucketStat", "", |w| {
        w.leaf("Storage", stat.object_size);
        w.leaf("ObjectCount", stat.object_count);
        w.leaf("MultipartUploadCount", stat.upload_count);
        w.leaf("LiveChannelCount", 0);
        w.leaf("LastModifiedTime", stat.counted.secs());
        w.leaf("StandardStorage", stat.object_size);
        w.leaf("StandardObjectCount", stat.object_count);
        for [storage, real_storage, object_count] in STAT_OF_OTHER_CLASSES {
            w.leaf(storage, 0);
            w.leaf(real_storage, 0);
            w.leaf(object_count, 0);
        }
        w.leaf("MultipartPartCount", stat.part_count);
        w.leaf("DeleteMarkerCount", 0);
    });
    response::document(StatusCode::OK, document, context)
}

const STAT_OF_OTHER_CLASSES: [[&str; 3]; 4] = [
    ["InfrequentAccessStorage", "InfrequentAccessRealStorage", "InfrequentAccessObjectCount"],
    ["ArchiveStorage", "ArchiveRealStorage", "ArchiveObjectCount"],
    ["ColdArchiveStorage", "ColdArchiveRealStorage", "ColdArchiveObjectCount"],
    ["DeepColdArchiveStorage", "DeepColdArchiveRealStorage", "DeepColdArchiveObjectCount"],
];

/// GetBucketLocation's answer.
pub(super) fn encode_location(info: &BucketInfo, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("LocationConstraint", "", |w| w.text(&location(info, context)));
    response::document(StatusCode::OK, document, context)
}

/// The access control list that PutBucketAcl asks for.
///
/// # Errors
/// `MissingArgument` without a header, `InvalidArgument` for a word that is none.
pub(super) fn decode_acl(headers: &HeaderMap) -> Result<Acl, ErrorReply> {
    acl_header(headers)?.ok_or_else(missing_argument)
}

fn acl_header(headers: &HeaderMap) -> Result<Option<Acl>, ErrorReply> {
    let Some(value) = headers.get("x-oss-acl") else { return Ok(None) };
    let word = String::from_utf8_lossy(value.as_bytes());
    let acl = Acl::parse(word.trim())
        .ok_or_else(|| invalid_argument("no such bucket access control exists", "x-oss-acl", &word).ec("0015-00000204"))?;
    Ok(Some(acl))
}

/// `<AccessControlPolicy>` of a bucket or an object; an object without a list of its own has its bucket's.
pub(super) fn acl_document(owner: &Account, acl: Option<Acl>) -> String {
    Writer::document("AccessControlPolicy", "", |w| {
        owner::write(w, owner);
        write_grant(w, acl.map_or("default", Acl::name));
    })
}

fn write_grant(w: &mut Writer, word: &str) {
    w.element("AccessControlList", |w| w.leaf("Grant", word));
}

/// `<VersioningConfiguration>` of a bucket that never was versioned.
pub(super) fn versioning_document() -> String {
    Writer::document("VersioningConfiguration", "", |_| {})
}

/// `<BucketLoggingStatus>` of a bucket whose requests are not logged.
pub(super) fn logging_document() -> String {
    Writer::document("BucketLoggingStatus", "", |_| {})
}

/// `<RequestPaymentConfiguration>`.
pub(super) fn request_payment_document() -> String {
    Writer::document("RequestPaymentConfiguration", "", |w| w.leaf("Payer", "BucketOwner"))
}

/// `<PublicAccessBlockConfiguration>`.
pub(super) fn public_access_block_document() -> String {
    Writer::document("PublicAccessBlockConfiguration", "", |w| w.leaf("BlockPublicAccess", false))
}

/// Decodes PutBucketReferer.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument` for more patterns than there may be.
pub(super) fn decode_referer(document: &[u8]) -> Result<RefererConfiguration, ErrorReply> {
    let root = parse(document, "RefererConfiguration")?;
    let default = RefererConfiguration::default();
    let flag = |name: &str, default: Option<bool>| match root.child_text(name).map(str::trim) {
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(malformed_xml()),
        None => default.ok_or_else(malformed_xml),
    };
    let patterns = |list: &'static str| {
        let children = root.child(list).map(Element::children).unwrap_or_default();
        if children.iter().any(|child| child.name() != "Referer") {
            return Err(malformed_xml());
        }
        if children.len() > REFERER_COUNT_MAX {
            let message = format!("The number of referers must not exceed {REFERER_COUNT_MAX}.");
            return Err(invalid_argument(message, list, children.len()));
        }
        let texts = children.iter().map(|child| child.text().trim()).filter(|text| !text.is_empty());
        Ok(texts.map(str::to_owned).collect::<Vec<_>>())
    };
    Ok(RefererConfiguration {
        allow_empty: flag("AllowEmptyReferer", None)?,
        truncate_query: flag("AllowTruncateQueryString", Some(default.truncate_query))?,
        truncate_path: flag("TruncatePath", Some(default.truncate_path))?,
        allowed: patterns("RefererList")?,
        denied: patterns("RefererBlacklist")?,
    })
}

/// `<RefererConfiguration>`.
pub(super) fn referer_document(referer: &RefererConfiguration) -> String {
    Writer::document("RefererConfiguration", "", |w| {
        w.leaf("AllowEmptyReferer", referer.allow_empty);
        w.leaf("AllowTruncateQueryString", referer.truncate_query);
        w.leaf("TruncatePath", referer.truncate_path);
        w.element("RefererList", |w| write_referers(w, &referer.allowed));
        // Clients of before there was such a list do not expect one.
        if !referer.denied.is_empty() {
            w.element("RefererBlacklist", |w| write_referers(w, &referer.denied));
        }
    })
}

fn write_referers(w: &mut Writer, patterns: &[String]) {
    patterns.iter().for_each(|pattern| w.leaf("Referer", pattern));
}

/// Decodes PutBucketPolicy; whether it is a policy is decided where policies are read.
///
/// # Errors
/// `InvalidPolicyDocument` for bytes that are not UTF-8 or none at all.
pub(super) fn decode_policy(document: &[u8]) -> Result<String, ErrorReply> {
    let invalid = || ErrorReply::bad_request("InvalidPolicyDocument", "The policy must be a JSON document in UTF-8.");
    String::from_utf8(document.to_vec()).ok().filter(|text| !text.is_empty()).ok_or_else(invalid)
}

/// GetBucketPolicy's answer: the document as it was stored.
pub(super) fn encode_policy(policy: &str, context: &ReplyContext<'_>) -> Response<Bytes> {
    response::text(StatusCode::OK, "application/json", policy.to_owned(), context)
}

/// `<PolicyStatus>`.
pub(super) fn policy_status_document(is_public: bool) -> String {
    Writer::document("PolicyStatus", "", |w| w.leaf("IsPublic", is_public))
}

/// A document with this root.
fn parse(document: &[u8], root: &str) -> Result<Element, ErrorReply> {
    Element::parse(document).ok().filter(|element| element.name() == root).ok_or_else(malformed_xml)
}

#[cfg(test)]
mod tests {
    use super::{super::response::fixture::*, *};
    use crate::model::Timestamp;
    use http::HeaderValue;

    fn headers(acl: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static("x-oss-acl"), HeaderValue::from_static(acl))])
    }

    fn ok(document: String) -> Response<Bytes> {
        response::document(StatusCode::OK, document, &context())
    }

    fn create(acl: Option<&'static str>, document: &str) -> Result<CreateBucket, ErrorReply> {
        decode_create(bucket(), &acl.map(headers).unwrap_or_default(), document.as_bytes())
    }

    #[test]
    fn a_new_bucket_has_the_list_class_and_place_that_were_asked_for() {
        let plain = CreateBucket { bucket: bucket(), location: None, acl: None, storage_class: None, may_be_own: true };
        assert_eq!(create(None, ""), Ok(plain.clone()));
        assert_eq!(create(Some("public-read"), ""), Ok(CreateBucket { acl: Some(Acl::PublicRead), ..plain.clone() }));
        let root = |content: &str| format!("<CreateBucketConfiguration>{content}</CreateBucketConfiguration>");
        let both = root("<StorageClass>IA</StorageClass><DataRedundancyType>LRS</DataRedundancyType>");
        assert_eq!(create(None, &both), Ok(CreateBucket { storage_class: Some("IA".to_owned()), ..plain.clone() }));
        assert_eq!(create(None, &root("<StorageClass>Standard</StorageClass>")), Ok(plain.clone()));
        let place = root("<LocationConstraint>oss-cn-hangzhou</LocationConstraint>");
        assert_eq!(create(None, &place), Ok(CreateBucket { location: Some("oss-cn-hangzhou".to_owned()), ..plain.clone() }));
        assert_eq!(create(None, &root("")), Ok(plain));
    }

    #[test]
    fn a_new_bucket_that_would_be_less_than_asked_for_is_refused() {
        let root = |content: &str| format!("<CreateBucketConfiguration>{content}</CreateBucketConfiguration>");
        for (acl, document, code) in [
            (Some("default"), String::new(), "InvalidArgument"),
            (None, root("<StorageClass>STANDARD</StorageClass>"), "InvalidArgument"),
            (None, root("<DataRedundancyType>ZRS</DataRedundancyType>"), "NotImplemented"),
            (None, root("<DataRedundancyType>x</DataRedundancyType>"), "InvalidArgument"),
            (None, root("<LocationConstraint>a/b</LocationConstraint>"), "InvalidLocationConstraint"),
            (None, root("<Worm/>"), "NotImplemented"),
            (None, "<X/>".to_owned(), "MalformedXML"),
            (None, "x".to_owned(), "MalformedXML"),
        ] {
            assert_eq!(create(acl, &document).map_err(|error| error.code), Err(code), "{acl:?} {document}");
        }
    }

    #[test]
    fn documents_about_buckets_are_those_of_oss() {
        check("bucket_info", &encode_info(&bucket_info(), &context()));
        let elsewhere = BucketInfo {
            location: Some("oss-cn-beijing".to_owned()),
            acl: Acl::PublicRead,
            storage_class: Some("IA".to_owned()),
            ..bucket_info()
        };
        check("bucket_info_elsewhere", &encode_info(&elsewhere, &context()));
        check("location", &encode_location(&bucket_info(), &context()));
        let stat = BucketStat {
            object_count: 230,
            object_size: 1600,
            upload_count: 40,
            part_count: 41,
            counted: Timestamp::from_secs(1_643_341_269),
        };
        check("bucket_stat", &encode_stat(&stat, &context()));
        check("versioning", &ok(versioning_document()));
        check("policy_status", &ok(policy_status_document(true)));
    }

    #[test]
    fn a_list_is_one_word() {
        check("acl_bucket", &ok(acl_document(&Account::root(), Some(Acl::PublicReadWrite))));
        check("acl_object_default", &ok(acl_document(&Account::root(), None)));
        assert_eq!(decode_acl(&headers("public-read-write")), Ok(Acl::PublicReadWrite));
        assert_eq!(decode_acl(&HeaderMap::new()).map_err(|error| error.code), Err("MissingArgument"));
        for bad in ["", "default", "Private", "public"] {
            assert_eq!(decode_acl(&headers(bad)).map_err(|error| error.code), Err("InvalidArgument"), "{bad}");
        }
    }

    #[test]
    fn referers_are_read_as_written() {
        let full = RefererConfiguration {
            allow_empty: false,
            truncate_query: false,
            truncate_path: true,
            allowed: vec!["http://*.x.com".to_owned(), "https://a?.com".to_owned()],
            denied: vec!["http://bad.x.com".to_owned()],
        };
        for (name, referer) in [("referer", full), ("referer_default", RefererConfiguration::default())] {
            assert_eq!(decode_referer(referer_document(&referer).as_bytes()), Ok(referer.clone()));
            check(name, &ok(referer_document(&referer)));
        }
    }

    #[test]
    fn what_clients_leave_out_of_referers_has_its_default() {
        let oss2 =
            "<RefererConfiguration><AllowEmptyReferer>True</AllowEmptyReferer><RefererList><Referer/></RefererList></RefererConfiguration>";
        assert_eq!(decode_referer(oss2.as_bytes()), Ok(RefererConfiguration::default()));
        let many = format!("<RefererList>{}</RefererList>", "<Referer>a</Referer>".repeat(REFERER_COUNT_MAX + 1));
        for (content, code) in [
            ("<RefererList/>", "MalformedXML"),
            ("<AllowEmptyReferer>1</AllowEmptyReferer>", "MalformedXML"),
            ("<AllowEmptyReferer>true</AllowEmptyReferer><RefererList><X/></RefererList>", "MalformedXML"),
            (&format!("<AllowEmptyReferer>true</AllowEmptyReferer>{many}"), "InvalidArgument"),
        ] {
            let document = format!("<RefererConfiguration>{content}</RefererConfiguration>");
            assert_eq!(decode_referer(document.as_bytes()).map_err(|error| error.code), Err(code));
        }
    }

    #[test]
    fn a_policy_is_text() {
        assert_eq!(decode_policy(b"{}"), Ok("{}".to_owned()));
        assert!(decode_policy(b"").is_err() && decode_policy(b"\xff").is_err());
        let response = encode_policy("{}", &context());
        assert_eq!((header(&response, "content-type"), &response.body()[..]), ("application/json", &b"{}"[..]));
    }
}
