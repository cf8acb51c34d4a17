//! What each record has always looked like on disks, and what is no record.

use super::*;
use crate::model::{Bucket, Callback, CallbackBodyType, CorsRule, Expiry, KeyStatus, LifecycleRule, Origin, SystemHeaders, UserMetadata};
use proptest::prelude::*;
use std::fmt::Debug;

fn attributes() -> Attributes {
    Attributes {
        acl: None,
        headers: SystemHeaders { content_type: Some("text/plain".into()), ..SystemHeaders::default() },
        user: UserMetadata(vec![("a".into(), b"\xFF".to_vec())]),
        tags: Tags(vec![("t".into(), "v".into())]),
    }
}

fn checksum() -> Checksum {
    Checksum::new(ChecksumAlgorithm::Crc32c, vec![1, 2, 3, 4]).unwrap()
}

fn parts() -> Vec<ManifestPart> {
    let file = Extent { place: Place::File, blob: BlobId([0xB1; 16]), offset: 0, size: 300 };
    let index = Extent { place: Place::Index, blob: BlobId([0xB2; 16]), offset: 5, size: 1 };
    vec![ManifestPart { size: 301, checksum: Some(checksum()), extents: vec![file, index] }]
}

fn number(number: u64) -> PartNumber {
    PartNumber::new(number).unwrap()
}

/// A record and the value it has always had. These values are on disks: when a test of them fails,
/// the format has changed and needs a version of its own and a reader for the old one.
fn golden<R: Record + PartialEq + Debug>(record: &R, hex: &str) {
    assert_eq!(hex::encode(record.encode()), hex, "{record:?}");
    let value = hex::decode(hex).unwrap();
    assert_eq!(&R::decode(&value).unwrap(), record);
    for size in 0..value.len() {
        assert!(matches!(R::decode(&value[..size]), Err(KvError::Corrupt(_))), "cut to {size} bytes");
    }
    assert!(matches!(R::decode(&[value.as_slice(), &[0]].concat()), Err(KvError::Corrupt(_))), "a byte too many");
    for version in [0, R::VERSION + 1, 0xFF] {
        assert!(matches!(R::decode(&[&[version], &value[1..]].concat()), Err(KvError::Corrupt(_))), "version {version}");
    }
}

/// A record and how an earlier version wrote it.
fn older<R: Record + PartialEq + Debug>(record: &R, hex: &str) {
    let value = hex::decode(hex).unwrap();
    assert_eq!(&R::decode(&value).unwrap(), record);
    for size in 0..value.len() {
        assert!(matches!(R::decode(&value[..size]), Err(KvError::Corrupt(_))), "cut to {size} bytes");
    }
    assert!(matches!(R::decode(&[value.as_slice(), &[0]].concat()), Err(KvError::Corrupt(_))), "a byte too many");
}

#[test]
fn a_bucket_is_stored_as_ever() {
    let plain = BucketRecord {
        retries_callbacks: true,
        storage_class: None,
        acl: crate::model::Acl::Private,
        lifecycle: None,
        referer: None,
        id: BucketId(*b"bucketid"),
        owner: Account::root(),
        created: Timestamp::from_millis(1_700_000_000_000),
        location: None,
        cors: None,
        policy: None,
        tags: None,
    };
    older(&plain, "016275636b6574696404726f6f7480a0abfef96200000000");
    let rule = CorsRule {
        id: None,
        allowed_origins: vec!["*".into()],
        allowed_methods: vec!["GET".into()],
        allowed_headers: vec![],
        expose_headers: vec!["e".into()],
        max_age_secs: Some(300),
    };
    let full = BucketRecord {
        location: Some("l".into()),
        cors: Some(CorsConfiguration { rules: vec![rule] }),
        policy: Some("{}".into()),
        tags: Some(Tags(vec![])),
        ..plain.clone()
    };
    older(&full, "016275636b6574696404726f6f7480a0abfef96201016c01010001012a01034745540001016501ac0201027b7d0100");
    golden(&plain, "026275636b6574696404726f6f7480a0abfef962000000000000000001");
    let rule = LifecycleRule {
        id: Some("r".into()),
        enabled: true,
        prefix: "p/".into(),
        tags: Tags(vec![("t".into(), "v".into())]),
        size_above: Some(1),
        size_below: None,
        expiration: Some(Expiry::Date(Timestamp::from_millis(5))),
        abort_uploads: Some(Expiry::Days(7)),
    };
    let with_rules = BucketRecord {
        acl: Acl::PublicRead,
        storage_class: Some("IA".into()),
        lifecycle: Some(LifecycleConfiguration { rules: vec![rule] }),
        referer: Some(RefererConfiguration { allowed: vec!["*.a".into()], denied: vec!["b".into()], ..RefererConfiguration::default() }),
        retries_callbacks: false,
        ..full
    };
    golden(
        &with_rules,
        "026275636b6574696404726f6f7480a0abfef96201016c01010001012a01034745540001016501ac0201027b7d0100010102494101010101720102702f010174017601010001010a0100070101010001032a2e6101016200",
    );
}

#[test]
fn an_object_is_stored_as_ever() {
    let whole = ObjectRecord {
        kind: crate::meta::record::ObjectKind::Plain,
        charge: crate::meta::record::Charge::Uncounted,
        etag: ETag::Whole([0xEE; 16]),
        size: 301,
        last_modified: Timestamp::from_millis(-1),
        attributes: Attributes::default(),
        checksum: Some(ObjectChecksum { value: checksum(), composite_of: None }),
        crc64_ecma: u64::MAX,
        part_count: None,
        content: Content::Here(parts()),
    };
    older(
        &whole,
        "0100eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeead0201000000000000000000000101040102030400ffffffffffffffffff01000001ad02010104010203040200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
    );
    let multipart = ObjectRecord {
        etag: ETag::Multipart { digest: [0xEE; 16], part_count: 300 },
        attributes: attributes(),
        checksum: Some(ObjectChecksum { value: checksum(), composite_of: Some(300) }),
        crc64_ecma: 0,
        part_count: Some(300),
        content: Content::Manifest { id: ManifestId([0xDD; 16]), chunk_ends: vec![256, 301] },
        ..whole
    };
    older(
        &multipart,
        "0101eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff01017401760101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad02",
    );
    older(
        &multipart,
        "0201eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad0200",
    );
    golden(
        &multipart,
        "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad020000",
    );
    let charge = Charge::Key("AK".to_owned());
    golden(
        &ObjectRecord { charge, ..multipart.clone() },
        "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad02000202414b",
    );
    let attributes = Attributes { acl: Some(Acl::Private), ..Attributes::default() };
    let link = ObjectRecord { attributes, kind: ObjectKind::Symlink(ObjectKey::new("k").unwrap()), ..multipart.clone() };
    older(
        &link,
        "0201eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad02010000000000000000000001000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad0202016b",
    );
    golden(
        &ObjectRecord { charge: Charge::Bucket, ..link },
        "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad02010000000000000000000001000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad0202016b01",
    );
    let log = ObjectRecord { kind: ObjectKind::Appendable, content: Content::Here(vec![]), ..multipart };
    older(
        &log,
        "0201eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac02000001",
    );
    golden(
        &ObjectRecord { charge: Charge::Bucket, ..log },
        "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0200000101",
    );
}

#[test]
fn a_manifest_chunk_is_stored_as_ever() {
    golden(
        &ManifestChunk { start: 128, parts: parts() },
        "01800101ad02010104010203040200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
    );
}

#[test]
fn an_upload_is_stored_as_ever() {
    let upload = UploadRecord {
        charge: Charge::Uncounted,
        sequential: false,
        initiator: Account::root(),
        initiated: Timestamp::from_millis(1),
        attributes: attributes(),
        checksum: Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite)),
    };
    older(&upload, "0104726f6f7402010a746578742f706c61696e0000000000000001016101ff0101740176010400");
    let sequential = UploadRecord { sequential: true, ..upload };
    older(&sequential, "0204726f6f7402010a746578742f706c61696e0000000000000001016101ff01017401760001040001");
    golden(&sequential, "0304726f6f7402010a746578742f706c61696e0000000000000001016101ff0101740176000104000100");
    golden(
        &UploadRecord { charge: Charge::Key("AK".to_owned()), ..sequential.clone() },
        "0304726f6f7402010a746578742f706c61696e0000000000000001016101ff010174017600010400010202414b",
    );
    golden(
        &UploadRecord { charge: Charge::Bucket, ..sequential },
        "0304726f6f7402010a746578742f706c61696e0000000000000001016101ff0101740176000104000101",
    );
}

#[test]
fn a_part_is_stored_as_ever() {
    let part = PartRecord {
        md5: [0xAA; 16],
        size: 301,
        last_modified: Timestamp::from_millis(2),
        checksum: None,
        crc64_nvme: 3,
        crc64_ecma: 1 << 63,
        extents: parts().remove(0).extents,
        is_counted: false,
    };
    older(
        &part,
        "01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad02040003808080808080808080010200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
    );
    golden(
        &part,
        "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad02040003808080808080808080010200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2050100",
    );
    golden(
        &PartRecord { is_counted: true, ..part },
        "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad02040003808080808080808080010200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2050101",
    );
}

#[test]
fn a_quota_is_stored_as_ever() {
    golden(&QuotaRecord { bytes_max: Some(300), objects_max: None }, "0101ac0200");
    golden(&QuotaRecord { bytes_max: None, objects_max: Some(0) }, "01000100");
}

#[test]
fn a_completed_upload_is_stored_as_ever() {
    let completed = CompletedRecord {
        bucket: BucketId(*b"bucketid"),
        key: ObjectKey::new("k/\0").unwrap(),
        list_digest: [0xCC; 32],
        etag: ETag::Multipart { digest: [0xEE; 16], part_count: 2 },
        size: 10,
        checksum: None,
        crc64_ecma: 7,
    };
    golden(
        &completed,
        "016275636b65746964036b2f00cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc01eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee020a0007",
    );
}

#[test]
fn a_blob_is_stored_as_ever() {
    golden(&BlobRecord { size: 1 << 32, holders: 2 }, "01808080801002");
}

#[test]
fn todos_are_stored_as_ever() {
    let upload = UploadId::from_bytes([0x11; 16]);
    golden(
        &Todo::ReleaseContent(Content::Here(parts())),
        "01000001ad02010104010203040200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
    );
    golden(
        &Todo::EndUpload { upload, kept: vec![(number(1), Revision(5)), (number(10_000), Revision(u64::MAX))] },
        "010111111111111111111111111111111111020105904effffffffffffffffff01",
    );
    golden(&Todo::ForgetCompleted(upload), "010211111111111111111111111111111111");
}

#[test]
fn an_event_is_stored_as_ever() {
    let event = EventRecord {
        callback: Callback {
            urls: vec!["http://a".into()],
            host: Some("h".into()),
            body: "${object}".into(),
            body_type: CallbackBodyType::Json,
            sni: true,
            variables: vec![("x:a".into(), "1".into())],
        },
        origin: Origin { request_id: "R".into(), client_ip: "::1".into(), authority: "h:1".into() },
        requester: Some(Account::root()),
        operation: "PutObject".into(),
        bucket: Bucket::new("photos").unwrap(),
        key: ObjectKey::new("k").unwrap(),
        etag: ETag::Whole([0xEE; 16]),
        size: 300,
        content_type: None,
        crc64_ecma: 7,
        created: Timestamp::from_millis(1),
        attempts: 2,
        due: Timestamp::from_millis(3),
        last_error: Some("e".into()),
        state: EventState::Delivered(Timestamp::from_millis(4)),
    };
    golden(
        &event,
        "010108687474703a2f2f6101016809247b6f626a6563747d01010103783a6101310152033a3a3103683a310104726f6f74095075744f626a6563740670686f746f73016b00eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac0200070202060101650108",
    );
}

#[test]
fn an_access_key_is_stored_as_ever() {
    let key = KeyRecord {
        access_key: "AK".into(),
        secret_key: "SK".into(),
        account: Account::root(),
        policy: Some("{}".into()),
        status: KeyStatus::Disabled,
        created: Timestamp::from_millis(4),
    };
    golden(&key, "0102414b02534b04726f6f7401027b7d0108");
}

/// Whatever bytes decode also encode again, and none make it panic.
fn decodes_or_refuses<R: Record + PartialEq + Debug>(value: &[u8]) {
    match R::decode(value) {
        Ok(record) => assert_eq!(R::decode(&record.encode()).unwrap(), record),
        Err(error) => assert!(matches!(error, KvError::Corrupt(_)), "{error}"),
    }
}

fn all_decode_or_refuse(value: &[u8]) {
    decodes_or_refuses::<BucketRecord>(value);
    decodes_or_refuses::<ObjectRecord>(value);
    decodes_or_refuses::<ManifestChunk>(value);
    decodes_or_refuses::<UploadRecord>(value);
    decodes_or_refuses::<PartRecord>(value);
    decodes_or_refuses::<CompletedRecord>(value);
    decodes_or_refuses::<BlobRecord>(value);
    decodes_or_refuses::<Todo>(value);
    decodes_or_refuses::<KeyRecord>(value);
}

#[test]
fn a_length_that_lies_is_refused() {
    // A list of 2^63 parts in a few bytes, at the depth of each list.
    for head in ["0100", "010000", "01", "0180", "010001"] {
        let value = hex::decode(format!("{head}ffffffffffffffffff01")).unwrap();
        all_decode_or_refuse(&value);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
        all_decode_or_refuse(&value);
        all_decode_or_refuse(&[&[1], value.as_slice()].concat());
    }

    #[test]
    fn a_flipped_bit_never_panics(bit in 0_usize..8000) {
        let object = Todo::ReleaseContent(Content::Here(parts())).encode();
        let chunk = ManifestChunk { start: 128, parts: parts() }.encode();
        for value in [object, chunk] {
            let mut value = value.to_vec();
            let at = bit / 8 % value.len();
            value[at] ^= 1 << (bit % 8);
            all_decode_or_refuse(&value);
        }
    }
}
