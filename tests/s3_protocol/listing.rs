//! Listings (s3.md §15) and small documents of buckets (§16), byte for byte.

use crate::{
    client::{Peer, delete, get, put},
    table::Table,
};

/// Keys in the order of their bytes, as they are put and as they sort.
const KEYS: &[&str] = &[
    "%01control",
    "%20space",
    "%25percent",
    "%2Bplus",
    "/",
    "//double",
    "%3C%26%3E%22'",
    "a",
    "a/",
    "a/1",
    "a/2",
    "a/b/3",
    "a0",
    "b/1",
    "trailing%0A",
    "%C3%BC",
    "%F0%9F%98%80",
];

#[test]
fn listings_are_what_clients_read() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    for key in KEYS {
        // A slash that begins a key is sent as it is.
        peer.expect(&put(&format!("/{bucket}/{key}"), "hello"), 200);
    }
    let list = |query: &str| peer.ask(&get(&format!("/{bucket}?{query}")));
    let v2 = |query: &str| list(&format!("list-type=2&{query}"));
    for (name, response) in [
        ("list_v1", list("prefix=a")),
        ("list_v1_everything_url", list("encoding-type=url")),
        ("list_v1_everything", list("")),
        ("list_v1_delimiter", list("delimiter=/&encoding-type=url")),
        ("list_v1_page", list("delimiter=/&prefix=a&max-keys=2")),
        ("list_v1_page_without_delimiter", list("prefix=a&max-keys=2")),
        ("list_v1_marker_within_prefix", list("delimiter=/&prefix=a&marker=a/1")),
        ("list_v1_marker_is_prefix", list("delimiter=/&prefix=a&marker=a/")),
        ("list_v2", v2("prefix=a")),
        ("list_v2_delimiter", v2("delimiter=/&encoding-type=url")),
        ("list_v2_long_delimiter", v2("delimiter=/b/&prefix=a")),
        ("list_v2_owner", v2("prefix=b&fetch-owner=true")),
        ("list_v2_start_after", v2("prefix=a&start-after=a/1")),
        ("list_v2_nothing", v2("prefix=zzz&delimiter=%2F")),
        ("list_v2_max_keys_0", v2("max-keys=0")),
        ("list_v2_max_keys_large", v2("prefix=b&max-keys=2147483647")),
        ("list_versions", list("versions&prefix=a&delimiter=/")),
        ("list_versions_page", list("versions&prefix=a/&max-keys=1&encoding-type=url")),
    ] {
        table.golden(name, &response, &[]);
    }
    // Every way of paging shows every key once, in order.
    for size in [1, 2, 3, 7, 1000] {
        let (mut keys, mut token) = (Vec::new(), None::<String>);
        loop {
            let token_query = token.as_ref().map(|token| format!("&continuation-token={token}&start-after=zzz")).unwrap_or_default();
            let page = v2(&format!("encoding-type=url&max-keys={size}{token_query}"));
            keys.extend(page.text().split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap_or_default().to_owned()));
            table.check("the token is echoed", page.element("ContinuationToken").unwrap_or_default(), token.as_deref().unwrap_or_default());
            token = page.element("NextContinuationToken").map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        let expected: Vec<String> = KEYS.iter().map(|key| key.replace('\'', "%27")).collect();
        table.check(&format!("pages of {size}"), &keys.join(" "), &expected.join(" "));
    }
    let max_keys = |text: &str| {
        format!(
            "400 InvalidArgument: Argument maxKeys must be an integer between 0 and 2147483647 (ArgumentName=max-keys; ArgumentValue={text})"
        )
    };
    let no_integer = |text: &str| {
        format!("400 InvalidArgument: Provided {text} not an integer or within integer range (ArgumentName=max-keys; ArgumentValue={text})")
    };
    let token = |text: &str| {
        format!("400 InvalidArgument: The continuation token provided is incorrect (ArgumentName=continuation-token; ArgumentValue={text})")
    };
    for (query, expected) in [
        ("max-keys=-1", max_keys("-1")),
        ("max-keys=2147483648", max_keys("2147483648")),
        ("max-keys=abc", no_integer("abc")),
        ("max-keys=99999999999999999999", no_integer("99999999999999999999")),
        ("max-keys=", "200".to_owned()),
        ("max-keys=5000", "200".to_owned()),
        ("list-type=2&continuation-token=x", token("x")),
        ("list-type=2&continuation-token=!!!", token("!!!")),
        ("list-type=2&continuation-token=", "200".to_owned()),
        ("list-type=3", "400 InvalidArgument: Invalid List Type specified in Request (ArgumentName=list-type; ArgumentValue=3)".to_owned()),
        (
            "encoding-type=xml",
            "400 InvalidArgument: Invalid Encoding Method specified in Request (ArgumentName=encoding-type; ArgumentValue=xml)".to_owned(),
        ),
        (
            "versions&version-id-marker=null",
            "400 InvalidArgument: A version-id marker cannot be specified without a key marker. \
             (ArgumentName=version-id-marker; ArgumentValue=null)"
                .to_owned(),
        ),
    ] {
        table.line(query, &list(query), &expected);
    }
    table.check("echoed cap", list("max-keys=5000").element("MaxKeys").unwrap_or_default(), "1000");
    table.finish(&list("max-keys=-1"), &max_keys("-2"));
}

#[test]
fn documents_of_buckets_and_objects_are_what_clients_read() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let configuration = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                         <LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    let created = peer.expect(&put("/elsewhere", configuration), 200);
    table.check("Location", created.header("location").unwrap_or_default(), "/elsewhere");
    peer.expect(&put(&target, "hello").with("x-amz-tagging", "a=1&b=%C3%BC%20x"), 200);
    let cors = "<CORSConfiguration><CORSRule><ID>one</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
                <AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>30</MaxAgeSeconds></CORSRule></CORSConfiguration>";
    peer.expect(&put(&format!("/{bucket}?cors"), cors), 200);
    let tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>&lt;</Value></Tag></TagSet></Tagging>".replace("&lt;", "b");
    peer.expect(&put(&format!("/{bucket}?tagging"), tagging), 204);
    let lifecycle = "<LifecycleConfiguration><Rule><ID>one</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>\
                     <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
                     </LifecycleConfiguration>";
    peer.expect(&put(&format!("/{bucket}?lifecycle"), lifecycle), 200);
    peer.expect(&put("/elsewhere?lifecycle", lifecycle), 200);
    peer.expect(&delete("/elsewhere?lifecycle"), 204);
    peer.expect(&put("/elsewhere?acl", "").with("x-amz-acl", "public-read-write"), 200);
    peer.expect(&put("/elsewhere/k", "x").with("x-amz-acl", "public-read"), 200);
    for (name, response) in [
        ("buckets", get("/")),
        ("buckets_page", get("/?max-buckets=1&prefix=")),
        ("location", get(&format!("/{bucket}?location"))),
        ("location_elsewhere", get("/elsewhere?location")),
        ("versioning", get(&format!("/{bucket}?versioning"))),
        ("acl", get(&format!("/{bucket}?acl"))),
        ("object_acl", get(&format!("{target}?acl"))),
        ("acl_public_read_write", get("/elsewhere?acl")),
        ("object_acl_public_read", get("/elsewhere/k?acl")),
        ("lifecycle", get(&format!("/{bucket}?lifecycle"))),
        ("no_lifecycle", get("/elsewhere?lifecycle")),
        ("cors", get(&format!("/{bucket}?cors"))),
        ("bucket_tagging", get(&format!("/{bucket}?tagging"))),
        ("tagging", get(&format!("{target}?tagging"))),
        ("request_payment", get(&format!("/{bucket}?requestPayment"))),
        ("logging", get(&format!("/{bucket}?logging"))),
        ("copy_object", put(&format!("/{bucket}/copy"), "").with("x-amz-copy-source", &target)),
        ("no_such_key", get(&format!("/{bucket}/none%20%3C"))),
    ]
    .map(|(name, asked)| (name, peer.ask(&asked)))
    {
        table.golden(name, &response, &[]);
    }
    table.finish(&peer.ask(&get("/missing-bucket")), "200");
}
