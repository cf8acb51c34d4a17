//! Checksums (s3.md §6): what uploads declare, what parts and Completes must bring, what reads show.

use crate::{
    client::{Peer, Request, checksum, get, head, post, put},
    table::Table,
};

/// Algorithms and the header, element and name they go by in messages.
const ALGORITHMS: [(&str, &str); 5] =
    [("CRC32", "crc32"), ("CRC32C", "crc32c"), ("CRC64NVME", "crc64nvme"), ("SHA1", "sha1"), ("SHA256", "sha256")];

const MULTIPLE: &str = "400 InvalidRequest: Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";

#[test]
fn a_put_is_checked_against_what_it_brings_and_keeps_it() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    for (name, lower) in ALGORITHMS {
        let header = format!("x-amz-checksum-{lower}");
        let right = checksum(name, b"hello");
        let stored = peer.ask(&put(&target, "hello").with(&header, &right));
        table.line(name, &stored, "200");
        table.check(name, stored.header(&header).unwrap_or_default(), &right);
        table.check(name, stored.header("x-amz-checksum-type").unwrap_or_default(), "FULL_OBJECT");
        let enabled = |asked: Request| asked.with("x-amz-checksum-mode", "ENABLED");
        for (what, asked, shows) in [
            ("whole", enabled(get(&target)), true),
            ("head", enabled(head(&target)), true),
            ("not asked for", get(&target), false),
            ("range", enabled(get(&target)).with("range", "bytes=0-3"), false),
            ("whole range", enabled(get(&target)).with("range", "bytes=0-4"), true),
            ("part", enabled(get(&format!("{target}?partNumber=1"))), true),
        ] {
            let response = peer.ask(&asked);
            let expected = if shows { format!("Some({right:?}) Some(\"FULL_OBJECT\")") } else { "None None".to_owned() };
            let shown = format!("{:?} {:?}", response.header(&header), response.header("x-amz-checksum-type"));
            table.check(&format!("{name} {what}"), &shown, &expected);
        }
        let wrong = format!("400 BadDigest: The {name} you specified did not match the calculated checksum.");
        table.line(&format!("{name} wrong"), &peer.ask(&put(&target, "hello").with(&header, checksum(name, b"jello"))), &wrong);
        let invalid = format!("400 InvalidRequest: Value for {header} header is invalid.");
        for value in ["x", "", "!!!!", "AAAA", &checksum(if name == "SHA1" { "SHA256" } else { "SHA1" }, b"hello")] {
            table.line(&format!("{name} {value:?}"), &peer.ask(&put(&target, "hello").with(&header, value)), &invalid);
        }
        table.check("the object stays", peer.ask(&get(&target)).text(), "hello");
    }
    let plain = peer.ask(&put(&target, "hello"));
    table.check("none given", plain.header("x-amz-checksum-crc64nvme").unwrap_or_default(), "M3eFcAZSQlc=");
    let crc = || put(&target, "hello").with("x-amz-checksum-crc32", "NhCmhg==");
    let without = "400 InvalidRequest: x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers \
                   were found.";
    for (name, asked, expected) in [
        ("two", crc().with("x-amz-checksum-sha1", checksum("SHA1", b"hello")), MULTIPLE.to_owned()),
        ("SDK algorithm", crc().with("x-amz-sdk-checksum-algorithm", "CRC32"), "200".to_owned()),
        ("SDK algorithm alone", put(&target, "hello").with("x-amz-sdk-checksum-algorithm", "CRC32"), without.to_owned()),
        ("another SDK algorithm", crc().with("x-amz-sdk-checksum-algorithm", "SHA1"), MULTIPLE.to_owned()),
        (
            "algorithm that is not here",
            put(&target, "hello").with("x-amz-checksum-xxhash64", "AAAAAAAAAAA="),
            "501 NotImplemented: A header you provided implies functionality that is not implemented \
             (Header=x-amz-checksum-xxhash64; additionalMessage=This checksum algorithm is not implemented)"
                .to_owned(),
        ),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    let canary = peer.ask(&crc().with("x-amz-checksum-sha1", checksum("SHA1", b"hello")));
    table.finish(&canary, "200");
}

#[test]
fn uploads_declare_algorithm_and_type_or_neither() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k?uploads", peer.bucket());
    let create = |headers: &[(&str, &str)]| {
        let create = headers.iter().fold(post(&target, ""), |create, (name, value)| create.with(&format!("x-amz-checksum-{name}"), value));
        peer.ask(&create)
    };
    for (name, lower) in ALGORITHMS {
        for (kind, allowed) in [("COMPOSITE", name != "CRC64NVME"), ("FULL_OBJECT", name.starts_with("CRC"))] {
            let response = create(&[("algorithm", name), ("type", kind)]);
            let refused = format!("400 InvalidRequest: The {kind} checksum type cannot be used with the {lower} checksum algorithm.");
            table.line(&format!("{name} {kind}"), &response, if allowed { "200" } else { &refused });
            if allowed {
                table.check(name, response.header("x-amz-checksum-type").unwrap_or_default(), kind);
            }
        }
        let response = create(&[("algorithm", name)]);
        let default = if name == "CRC64NVME" { "FULL_OBJECT" } else { "COMPOSITE" };
        table.check(name, response.header("x-amz-checksum-algorithm").unwrap_or_default(), name);
        table.check(name, response.header("x-amz-checksum-type").unwrap_or_default(), default);
    }
    let neither = create(&[]);
    table.check("neither", &format!("{:?}", neither.header("x-amz-checksum-type")), "None");
    let alone = "400 InvalidRequest: The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
    table.line("type alone", &create(&[("type", "COMPOSITE")]), alone);
    let unknown = create(&[("algorithm", "CRC31")]);
    table.check("unknown algorithm", &unknown.status.to_string(), "400");
    table.line(
        "unknown type",
        &create(&[("algorithm", "CRC32"), ("type", "PARTIAL")]),
        "400 InvalidRequest: Value for x-amz-checksum-type header is invalid.",
    );
    table.finish(&unknown, "200");
}

#[test]
fn the_published_values_of_three_parts_come_out() {
    // s3.md §6: three parts of 5 MiB of A, B and C.
    const VALUES: [(&str, Option<&str>, Option<&str>); 5] = [
        ("CRC32", Some("Z+ry2Q==-3"), Some("WgDhBQ==")),
        ("CRC32C", Some("g9DPqQ==-3"), Some("xU+Krw==")),
        ("CRC64NVME", None, Some("i+6LR0y3eFo=")),
        ("SHA1", Some("sizjvY4eud3MrcHdZM3cQ/ol39o=-3"), None),
        ("SHA256", Some("uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-3"), None),
    ];
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let bodies = [b'A', b'B', b'C'].map(|byte| vec![byte; 5 << 20]);
    let mut last = None;
    for (algorithm, composite, full) in VALUES {
        let sums = [0, 1, 2].map(|index| checksum(algorithm, &bodies[index]));
        for (kind, expected) in [("COMPOSITE", composite), ("FULL_OBJECT", full)] {
            let Some(expected) = expected else { continue };
            let upload = peer.create_upload(&target, &[("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)]);
            let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
            let mut listed = String::new();
            for (index, body) in bodies.iter().enumerate() {
                let number = index + 1;
                let part = put(&format!("{target}?partNumber={number}&uploadId={upload}"), body).with(&header, &sums[index]);
                let answer = peer.expect(&part.payload("UNSIGNED-PAYLOAD"), 200);
                table.check("echo", answer.header(&header).unwrap_or_default(), &sums[index]);
                let etag = answer.header("etag").expect("a part has an ETag");
                let sum = &sums[index];
                listed += &format!(
                    "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Checksum{algorithm}>{sum}</Checksum{algorithm}></Part>"
                );
            }
            let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
            let complete = post(&format!("{target}?uploadId={upload}"), document).with(&header, expected).with("x-amz-checksum-type", kind);
            let answer = peer.ask(&complete.with("x-amz-mp-object-size", "15728640"));
            let name = format!("{algorithm} {kind}");
            table.line(&name, &answer, "200");
            table.check(&name, answer.element(&format!("Checksum{algorithm}")).unwrap_or_default(), expected);
            table.check(&name, answer.element("ChecksumType").unwrap_or_default(), kind);
            let etag = answer.element("ETag").unwrap_or_default().replace("&quot;", "");
            table.check(&name, &etag, "b2add96cc9702bbf4efb0ccdfc6b7747-3");
            let read = peer.ask(&head(&target).with("x-amz-checksum-mode", "ENABLED"));
            table.check(&name, read.header(&header).unwrap_or_default(), expected);
            let part = peer.ask(&head(&format!("{target}?partNumber=2")).with("x-amz-checksum-mode", "ENABLED"));
            table.check(&format!("{name} part"), part.header(&header).unwrap_or_default(), &sums[1]);
            last = Some(answer);
        }
    }
    let attributes =
        get(&format!("{target}?attributes")).with("x-amz-object-attributes", "ETag,Checksum,ObjectParts,StorageClass,ObjectSize");
    table.golden("attributes", &peer.ask(&attributes), &[]);
    let page = attributes.with("x-amz-max-parts", "1").with("x-amz-part-number-marker", "1");
    table.golden("attributes_page", &peer.ask(&page), &[]);
    table.finish(&last.expect("there were algorithms"), "400");
}

#[test]
fn parts_and_completes_bring_what_the_upload_declared() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let part = |upload: &str, number: u32, algorithm: Option<&str>| {
        let asked = put(&format!("{target}?partNumber={number}&uploadId={upload}"), "hello");
        algorithm
            .into_iter()
            .fold(asked, |asked, name| asked.with(&format!("x-amz-checksum-{}", name.to_lowercase()), checksum(name, b"hello")))
    };
    let mismatch = |expected: &str, actual: &str| {
        format!("400 InvalidRequest: Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}")
    };
    let composite = peer.create_upload(&target, &[("x-amz-checksum-algorithm", "SHA1")]);
    let full = peer.create_upload(&target, &[("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")]);
    let bare = peer.create_upload(&target, &[]);
    for (name, asked, expected) in [
        ("composite: its own", part(&composite, 1, Some("SHA1")), "200".to_owned()),
        ("composite: another", part(&composite, 1, Some("SHA256")), mismatch("sha1", "sha256")),
        ("composite: none", part(&composite, 1, None), mismatch("sha1", "null")),
        ("full: its own", part(&full, 1, Some("CRC32")), "200".to_owned()),
        ("full: another", part(&full, 1, Some("SHA256")), mismatch("crc32", "sha256")),
        ("full: none", part(&full, 2, None), "200".to_owned()),
        ("bare: any", part(&bare, 1, Some("CRC32")), "200".to_owned()),
        ("bare: another", part(&bare, 2, Some("SHA256")), "200".to_owned()),
        ("bare: none", part(&bare, 3, None), "200".to_owned()),
        (
            "bare: wrong",
            put(&format!("{target}?partNumber=4&uploadId={bare}"), "jello").with("x-amz-checksum-crc32", "NhCmhg=="),
            "400 BadDigest: The CRC32 you specified did not match the calculated checksum.".to_owned(),
        ),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    peer.expect(&part(&composite, 3, Some("SHA1")), 200);
    let etag = crate::client::etag(b"hello");
    let listed = |parts: &[(u32, &str)]| {
        let parts: String =
            parts.iter().map(|(number, sum)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{sum}</Part>")).collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    };
    let complete = |upload: &str, parts: &[(u32, &str)]| post(&format!("{target}?uploadId={upload}"), listed(parts));
    let sha1 = format!("<ChecksumSHA1>{}</ChecksumSHA1>", checksum("SHA1", b"hello"));
    let other_sha1 = format!("<ChecksumSHA1>{}</ChecksumSHA1>", checksum("SHA1", b"jello"));
    let sha256 = format!("<ChecksumSHA256>{}</ChecksumSHA256>", checksum("SHA256", b"hello"));
    let crc32 = "<ChecksumCRC32>NhCmhg==</ChecksumCRC32>";
    let type_differs = |declared: &str| {
        format!(
            "400 InvalidRequest: The upload was created using the {declared} checksum mode. The complete request must use the same checksum mode."
        )
    };
    let one_digest = bare_etag(&etag);
    for (name, asked, expected) in [
        (
            "missing",
            complete(&composite, &[(1, "")]),
            "400 InvalidRequest: The upload was created using a sha1 checksum. The complete request must include the checksum for each part. \
             It was missing for part 1 in the request."
                .to_owned(),
        ),
        (
            "wrong",
            complete(&composite, &[(1, &other_sha1)]),
            format!(
                "400 InvalidPart: One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
                 specified entity tag may not match the part's entity tag. (UploadId={composite}; PartNumber=1; ETag={one_digest})"
            ),
        ),
        (
            "another algorithm",
            complete(&composite, &[(1, &sha256)]),
            "400 BadDigest: The sha256 you specified for part 1 did not match what we received.".to_owned(),
        ),
        (
            "two",
            complete(&composite, &[(1, &format!("{sha1}{sha1}"))]),
            format!(
                "400 InvalidArgument: Invalid Base64 or multiple checksums present in request (ArgumentName=Checksum; ArgumentValue={})",
                checksum("SHA1", b"hello")
            ),
        ),
        (
            "not base64",
            complete(&composite, &[(1, "<ChecksumSHA1>x</ChecksumSHA1>")]),
            "400 InvalidArgument: Invalid Base64 or multiple checksums present in request (ArgumentName=Checksum; ArgumentValue=x)".to_owned(),
        ),
        (
            "a gap",
            complete(&composite, &[(1, &sha1), (3, &sha1)]),
            format!("400 InvalidPartOrder: The list of parts was not in ascending order. Parts must be ordered by part number. (UploadId={composite})"),
        ),
        ("another type", complete(&composite, &[(1, &sha1)]).with("x-amz-checksum-type", "FULL_OBJECT"), type_differs("COMPOSITE")),
        ("another type of none", complete(&bare, &[(1, "")]).with("x-amz-checksum-type", "COMPOSITE"), type_differs("FULL_OBJECT")),
        (
            "wrong object",
            complete(&full, &[(1, crc32)]).with("x-amz-checksum-crc32", checksum("CRC32", b"jello")),
            "400 BadDigest: The CRC32 you specified did not match the calculated checksum.".to_owned(),
        ),
        ("full without checksums", complete(&full, &[(1, ""), (2, "")]), "200".to_owned()),
        ("plain with a gap", complete(&bare, &[(1, crc32), (3, "")]), "200".to_owned()),
        ("composite", complete(&composite, &[(1, &sha1)]), "200".to_owned()),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    let canary = peer.ask(&complete(&composite, &[(1, &sha1)]));
    table.check("replayed", canary.element("ChecksumType").unwrap_or_default(), "COMPOSITE");
    table.finish(&canary, "404");
}

fn bare_etag(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}
