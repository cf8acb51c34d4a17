//! Listings through both dialects, in every form a client may ask in: pages of every size give the same lines, and these are
//! the ones worked out from all keys at once.

use crate::{
    block_on,
    gateway::{Dice, Nature, Pieces, Place, request},
    spelling::encode,
};
use partway::{
    dialect::{
        Dialect, ReplyContext,
        address::Hosts,
        oss::Oss,
        percent::{self, Plus},
        s3::S3,
        xml::Element,
    },
    model::*,
    ops::{Body, Gateway},
};
use std::{collections::BTreeSet, sync::Arc};

const SEED_COUNT: u64 = 24;
/// More pages than a listing of this test can have.
const PAGE_COUNT_MAX: usize = 200;
const DELIMITERS: [&str; 5] = ["", "/", "//", "b", "/ü"];

/// How a listing is asked for, and what its answers call what they hold.
#[derive(Clone, Copy, Debug)]
struct Form {
    name: &'static str,
    is_oss: bool,
    query: &'static str,
    page_size: &'static str,
    /// Where to begin, as the client chooses.
    begin: &'static str,
    /// Where to go on, and the element that says so.
    go_on: (&'static str, &'static str),
    /// The element of a key; several of the same key count once.
    line: &'static str,
}

const FORMS: [Form; 7] = [
    Form {
        name: "S3 ListObjects",
        is_oss: false,
        query: "encoding-type=url",
        page_size: "max-keys",
        begin: "marker",
        go_on: ("marker", "NextMarker"),
        line: "Contents",
    },
    Form {
        name: "S3 ListObjectsV2",
        is_oss: false,
        query: "list-type=2&encoding-type=url",
        page_size: "max-keys",
        begin: "start-after",
        go_on: ("continuation-token", "NextContinuationToken"),
        line: "Contents",
    },
    Form {
        name: "S3 ListObjectVersions",
        is_oss: false,
        query: "versions&encoding-type=url",
        page_size: "max-keys",
        begin: "key-marker",
        go_on: ("key-marker", "NextKeyMarker"),
        line: "Version",
    },
    Form {
        name: "OSS GetBucket",
        is_oss: true,
        query: "encoding-type=url",
        page_size: "max-keys",
        begin: "marker",
        go_on: ("marker", "NextMarker"),
        line: "Contents",
    },
    Form {
        name: "OSS GetBucketV2",
        is_oss: true,
        query: "list-type=2&encoding-type=url",
        page_size: "max-keys",
        begin: "start-after",
        go_on: ("continuation-token", "NextContinuationToken"),
        line: "Contents",
    },
    Form {
        name: "S3 ListMultipartUploads",
        is_oss: false,
        query: "uploads&encoding-type=url",
        page_size: "max-uploads",
        begin: "key-marker",
        go_on: ("key-marker", "NextKeyMarker"),
        line: "Upload",
    },
    Form {
        name: "OSS ListMultipartUploads",
        is_oss: true,
        query: "uploads&encoding-type=url",
        page_size: "max-uploads",
        begin: "key-marker",
        go_on: ("key-marker", "NextKeyMarker"),
        line: "Upload",
    },
];

/// What a page holds.
struct Page {
    keys: Vec<String>,
    prefixes: Vec<String>,
    /// The parameters of the next page.
    next: Option<String>,
}

struct World {
    gateway: Arc<Gateway>,
    bucket: Bucket,
}

impl World {
    /// A bucket in which each key is an object and an open upload.
    async fn start(seed: u64, keys: &BTreeSet<String>) -> Self {
        let (kv, blobs) = Place::memory().open();
        let bucket = Bucket::new("bucket").expect("a bucket name");
        let world = Self { gateway: Nature::new(seed).start(kv, blobs).await, bucket: bucket.clone() };
        let create = CreateBucket { bucket, location: None, acl: None, storage_class: None, may_be_own: false };
        world.run(Operation::CreateBucket(create)).await;
        for key in keys {
            let object = ObjectRef { bucket: world.bucket.clone(), key: ObjectKey::new(key.as_str()).expect("a key") };
            let attributes = Attributes::default();
            let conditions = WriteConditions::default();
            let claims = BodyClaims::default();
            let put = PutObject { object: object.clone(), attributes, conditions, claims, callback: None };
            world.run(Operation::PutObject(put)).await;
            let (attributes, conditions) = (Attributes::default(), WriteConditions::default());
            let begin = CreateMultipartUpload { object, attributes, checksum: None, conditions, sequential: false };
            world.run(Operation::CreateMultipartUpload(begin)).await;
        }
        world
    }

    async fn run(&self, operation: Operation) -> Outcome {
        let text = format!("{operation:?}");
        let body = operation.clone().claims_mut().map(|_| Pieces::of(b"", 1) as Box<dyn Body>);
        let answer = self.gateway.execute(request(operation, Limits::S3), body).await;
        answer.unwrap_or_else(|failure| panic!("{text}: {failure:?}")).outcome
    }

    /// One request of a client, as a URL, and its answer, as XML.
    async fn page(&self, form: Form, query: &str) -> Page {
        let (s3, oss) = (S3 { limits: Limits::S3 }, Oss { limits: Limits::OSS });
        let dialect: &dyn Dialect = if form.is_oss { &oss } else { &s3 };
        let head = http::Request::get(format!("/{}?{query}", self.bucket)).header("host", "h").body(());
        let (parts, ()) = head.expect("the request is in order").into_parts();
        let address = dialect.addresses(&parts, &Hosts::default()).expect("it has an address").remove(0);
        let route = dialect.route(&parts, &address).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let now = Timestamp::from_secs(0);
        let decoded = route.decode(&parts, &bytes::Bytes::new(), &Caller::Anonymous, now);
        let decoded = decoded.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let outcome = self.run(decoded.operation).await;
        let context = ReplyContext { request_id: "R", host_id: "H", authority: "h", region: "r", now };
        let answer = decoded.wire.encode(&outcome, &context);
        read(form, &Element::parse(answer.body()).expect("answers are well-formed"))
    }
}

fn read(form: Form, root: &Element) -> Page {
    let plain = |text: &str| percent::decode(text, Plus::Literal).expect("what is encoded decodes");
    let mut keys: Vec<String> = root.children_named(form.line).filter_map(|line| line.child_text("Key")).map(plain).collect();
    keys.dedup();
    let prefixes = root.children_named("CommonPrefixes").filter_map(|line| line.child_text("Prefix")).map(plain).collect();
    let is_truncated = root.child_text("IsTruncated") == Some("true");
    let next = root.child_text(form.go_on.1).filter(|text| !text.is_empty()).map(|text| {
        // Tokens are handed back as they are, markers are text.
        let value = if form.go_on.0 == "continuation-token" { text.to_owned() } else { plain(text) };
        let upload = root.child_text("NextUploadIdMarker").filter(|id| !id.is_empty());
        let upload = upload.map(|id| format!("&upload-id-marker={id}")).unwrap_or_default();
        format!("{}={}{upload}", form.go_on.0, encode(&value, true))
    });
    let last = keys.iter().chain(&prefixes).max().cloned();
    // S3 gives ListObjects without a delimiter no NextMarker: the last key is the marker.
    let next = next.or_else(|| last.map(|last| format!("{}={}", form.go_on.0, encode(&last, true))));
    Page { keys, prefixes, next: next.filter(|_| is_truncated) }
}

/// What a listing holds, from all keys at once: keys and common prefixes after `after`.
fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let (mut alone, mut rolled_up) = (Vec::new(), BTreeSet::new());
    for key in keys {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => drop(rolled_up.insert(format!("{prefix}{}", &rest[..at + delimiter.len()]))),
            None => alone.push(key.clone()),
        }
    }
    let is_after = |line: &String| after.is_empty() || line.as_str() > after;
    (alone.into_iter().filter(is_after).collect(), rolled_up.into_iter().filter(is_after).collect())
}

fn text(dice: &mut Dice, length_max: usize) -> String {
    const LETTERS: [char; 10] = ['a', 'b', '/', '/', 'ü', '%', '+', '\u{1}', '&', '\u{10FFFF}'];
    let length = dice.below(length_max + 1);
    (0..length).map(|_| *dice.pick(&LETTERS)).collect()
}

#[test]
fn pages_of_every_size_give_the_lines_of_a_naive_listing_in_both_dialects() {
    block_on(async {
        let (mut rolled_up, mut continued) = (0, 0);
        for seed in 0..SEED_COUNT {
            let mut dice = Dice::new(seed);
            let keys: BTreeSet<String> = (0..30).map(|_| format!("{}{}", dice.pick(&["a", "b", "/"]), text(&mut dice, 5))).collect();
            let world = World::start(seed, &keys).await;
            for form in FORMS {
                let prefix = if dice.one_in(2) { text(&mut dice, 2) } else { String::new() };
                let delimiter = *dice.pick(&DELIMITERS);
                let after = if dice.one_in(2) { text(&mut dice, 3) } else { String::new() };
                let expected = expected(&keys, &prefix, delimiter, &after);
                for size in [1, 2, 3, 7, 1000] {
                    let question = format!(
                        "{}&{}={size}&prefix={}&delimiter={}",
                        form.query,
                        form.page_size,
                        encode(&prefix, true),
                        encode(delimiter, true)
                    );
                    let mut position = Some(format!("{}={}", form.begin, encode(&after, true)));
                    let (mut found, mut page_count) = ((Vec::new(), Vec::new()), 0);
                    while let Some(at) = position.take() {
                        let page = world.page(form, &format!("{question}&{at}")).await;
                        assert!(page.keys.len() + page.prefixes.len() <= size, "{}, seed {seed}: a page of {size}", form.name);
                        page_count += 1;
                        assert!(page_count < PAGE_COUNT_MAX, "{}, seed {seed}: {question} does not end", form.name);
                        found.0.extend(page.keys);
                        found.1.extend(page.prefixes);
                        position = page.next;
                    }
                    assert_eq!(found, expected, "{}, seed {seed}: {question} after {after:?}", form.name);
                    rolled_up += found.1.len();
                    continued += page_count - 1;
                }
            }
        }
        assert!(rolled_up > 1000 && continued > 1000, "too little was tried: {rolled_up} prefixes, {continued} further pages");
    });
}
