//! The service: its buckets, its regions, and how both are named ("GetService", "DescribeRegions").

use super::{
    error::{self, ErrorReply},
    owner,
    query::{PAGE_SIZE_MAX, Query},
    response::{self, ReplyContext, iso8601},
};
use crate::{
    dialect::{storage_class, xml::Writer},
    model::{Account, Bucket, BucketInfo, ListBuckets},
};
use bytes::Bytes;
use http::{Method, Response, StatusCode};

/// What a page holds unless the client says otherwise: of buckets and of objects.
pub(super) const PAGE_SIZE: u32 = 100;

/// What GetService echoes when it is asked for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketsReply {
    prefix: Option<String>,
    marker: Option<String>,
    count_max: Option<usize>,
}

/// Decodes GetService.
///
/// # Errors
/// `InvalidArgument` for a max-keys that is none.
pub(super) fn decode_buckets(query: &Query) -> Result<(ListBuckets, BucketsReply), ErrorReply> {
    let count_max = query.number("max-keys", PAGE_SIZE, 1..=PAGE_SIZE_MAX)? as usize;
    let reply = BucketsReply {
        prefix: query.first("prefix").map(str::to_owned),
        marker: query.first("marker").map(str::to_owned),
        count_max: query.has("max-keys").then_some(count_max),
    };
    let after = reply.marker.clone().filter(|marker| !marker.is_empty());
    Ok((ListBuckets { prefix: query.text("prefix").to_owned(), after, count_max }, reply))
}

/// `<ListAllMyBucketsResult>`.
pub(super) fn encode_buckets(
    reply: &BucketsReply,
    account: &Account,
    buckets: &[BucketInfo],
    next: Option<&str>,
    context: &ReplyContext<'_>,
) -> Response<Bytes> {
    let document = Writer::document("ListAllMyBucketsResult", "", |w| {
        w.leaf_if("Prefix", reply.prefix.as_ref());
        w.leaf_if("Marker", reply.marker.as_ref());
        w.leaf_if("MaxKeys", reply.count_max);
        if let Some(next) = next {
            w.leaf("IsTruncated", true);
            w.leaf("NextMarker", next);
        } else {
            w.leaf_if("IsTruncated", (reply != &BucketsReply { prefix: None, marker: None, count_max: None }).then_some(false));
        }
        owner::write(w, account);
        w.element("Buckets", |w| buckets.iter().for_each(|info| write_bucket(w, info, context)));
    });
    response::document(StatusCode::OK, document, context)
}

fn write_bucket(w: &mut Writer, info: &BucketInfo, context: &ReplyContext<'_>) {
    let endpoint = endpoint(context.authority, None);
    w.element("Bucket", |w| {
        w.leaf("CreationDate", iso8601(info.created));
        w.leaf("ExtranetEndpoint", endpoint);
        w.leaf("IntranetEndpoint", endpoint);
        w.leaf("Location", location(info, context));
        w.leaf("Name", &info.bucket);
        w.leaf("Region", region(info, context));
        w.leaf("StorageClass", storage_class::in_oss(info.storage_class.as_deref()));
    });
}

/// The region DescribeRegions was asked about; `None` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionsReply(Option<String>);

/// Decodes DescribeRegions. It asks the store for nothing, but only those who have a key may ask it.
pub(super) fn decode_regions(query: &Query) -> (ListBuckets, RegionsReply) {
    let region = query.first("regions").filter(|region| !region.is_empty()).map(str::to_owned);
    (ListBuckets { prefix: String::new(), after: None, count_max: 0 }, RegionsReply(region))
}

/// `<RegionInfoList>`: there is one region, and one way to it.
pub(super) fn encode_regions(reply: &RegionsReply, context: &ReplyContext<'_>) -> Response<Bytes> {
    let name = named(context.region);
    if let RegionsReply(Some(asked)) = reply
        && *asked != name
    {
        let unknown = ErrorReply::new(StatusCode::NOT_FOUND, "NoSuchRegion", "NoSuchRegion");
        return error::refusal(&unknown.with("Region", asked), &Method::GET, context);
    }
    let endpoint = endpoint(context.authority, None);
    let document = Writer::document("RegionInfoList", "", |w| {
        w.element("RegionInfo", |w| {
            w.leaf("Region", name);
            w.leaf("InternetEndpoint", endpoint);
            w.leaf("InternalEndpoint", endpoint);
            w.leaf("AccelerateEndpoint", endpoint);
        });
    });
    response::document(StatusCode::OK, document, context)
}

/// The endpoint that clients reach us by: the host of the request without its bucket.
pub(super) fn endpoint<'a>(authority: &'a str, bucket: Option<&Bucket>) -> &'a str {
    let label = bucket.map_or("", Bucket::as_str);
    let rest = authority.get(label.len()..).and_then(|rest| rest.strip_prefix('.'));
    rest.filter(|_| authority[..label.len()].eq_ignore_ascii_case(label)).unwrap_or(authority)
}

/// Where a bucket is, as OSS names places: `oss-cn-hangzhou`.
pub(super) fn location(info: &BucketInfo, context: &ReplyContext<'_>) -> String {
    named(region(info, context))
}

fn named(region: &str) -> String {
    format!("oss-{}", without_prefix(region))
}

fn region<'a>(info: &'a BucketInfo, context: &'a ReplyContext<'_>) -> &'a str {
    without_prefix(info.location.as_deref().unwrap_or(context.region))
}

fn without_prefix(region: &str) -> &str {
    region.strip_prefix("oss-").unwrap_or(region)
}

#[cfg(test)]
mod tests {
    use super::{super::response::fixture::*, *};

    fn query(text: &str) -> Query {
        Query::parse(&head(&format!("GET /?{text}"))).unwrap()
    }

    #[test]
    fn a_page_of_buckets_is_asked_for_and_echoed() {
        let (list, plain) = decode_buckets(&query("")).unwrap();
        assert_eq!(list, ListBuckets { prefix: String::new(), after: None, count_max: 100 });
        let (list, page) = decode_buckets(&query("prefix=b&marker=bka&max-keys=2")).unwrap();
        assert_eq!(list, ListBuckets { prefix: "b".to_owned(), after: Some("bka".to_owned()), count_max: 2 });
        assert!(decode_buckets(&query("max-keys=0")).is_err() && decode_buckets(&query("max-keys=1001")).is_err());

        let at_service = ReplyContext { authority: "oss.example.com:9000", ..context() };
        let elsewhere = BucketInfo { location: Some("oss-eu-west-1".to_owned()), storage_class: Some("IA".to_owned()), ..bucket_info() };
        let buckets = [bucket_info(), elsewhere];
        check("list_buckets", &encode_buckets(&plain, &Account::root(), &buckets, None, &at_service));
        check("list_buckets_page", &encode_buckets(&page, &Account::root(), &buckets, Some("bkt"), &at_service));
        check("list_buckets_last_page", &encode_buckets(&page, &Account::root(), &[], None, &at_service));
    }

    #[test]
    fn there_is_one_region() {
        let at_service = ReplyContext { authority: "oss.example.com:9000", ..context() };
        let (list, all) = decode_regions(&query("regions"));
        assert_eq!(list.count_max, 0);
        check("regions", &encode_regions(&all, &at_service));
        let (_, ours) = decode_regions(&query("regions=oss-cn-hangzhou"));
        assert_eq!(encode_regions(&ours, &at_service).status(), StatusCode::OK);
        let (_, other) = decode_regions(&query("regions=oss-cn-beijing"));
        check("regions_unknown", &encode_regions(&other, &at_service));
    }

    #[test]
    fn an_endpoint_is_the_host_without_its_bucket() {
        let bucket = bucket();
        for (authority, bucket, expected) in [
            ("bkt.oss.example.com:9000", Some(&bucket), "oss.example.com:9000"),
            ("BKT.localhost", Some(&bucket), "localhost"),
            ("127.0.0.1:9000", Some(&bucket), "127.0.0.1:9000"),
            ("bkt", Some(&bucket), "bkt"),
            ("", Some(&bucket), ""),
            ("é", Some(&bucket), "é"),
            (".oss-cn-hangzhou.aliyuncs.com", None, "oss-cn-hangzhou.aliyuncs.com"),
            ("oss.example.com", None, "oss.example.com"),
        ] {
            assert_eq!(endpoint(authority, bucket), expected, "{authority}");
        }
    }
}
