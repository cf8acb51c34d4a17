//! What stands in a large index: every name and every row is a function of its number, so that nobody has to remember them.
//!
//! - 8 of 10 objects are in directories of 1,000 each (`data/000123/…`), 1 of 10 in one flat run (`flat/…`), and 1 of 10 in ten
//!   huge directories (`huge-0/…`).
//! - Half of the objects have their bytes in the index, the others in files, which nobody made: they are listed, not read.
//! - Objects were written in another order than that of their keys, so their bytes and files are all over the index.
//! - 100,000 uploads are open, of one part each, and some of thousands of parts.

use bytes::Bytes;
use partway::{
    blob::BlobId,
    meta::{
        keys::{self, Counter, Whose},
        record::{
            BlobRecord, BucketId, BucketRecord, Charge, Content, Extent, ManifestPart, ObjectKind, ObjectRecord, PartRecord, Place, Record,
            Revision, UploadRecord,
        },
        row_of,
    },
    model::{
        Account, Acl, Attributes, Bucket, Checksum, ChecksumAlgorithm, ETag, ObjectChecksum, ObjectKey, PartNumber, Timestamp, UploadId,
    },
};
use std::collections::BTreeMap;

pub(crate) const BUCKET: &str = "scale";
pub(crate) const ACCESS_KEY: &str = "PARTWAYSCALEROOTKEY1";

/// Objects in a directory below `data/`.
pub(crate) const PER_DIRECTORY: u64 = 1_000;
/// Bytes of an object that is in the index, of one that is in a file, and of a part.
const SMALL: u64 = 64;
const LARGE: u64 = 1 << 20;
const PART: u64 = 8 << 20;

/// Open uploads of one part.
pub(crate) const UPLOADS: u64 = 100_000;
/// Open uploads of many parts: their part counts, and how many there are of each. The first is for listing.
pub(crate) const PARTS_MANY: u64 = 10_000;
pub(crate) const PARTS_SOME: u64 = 1_000;
pub(crate) const OF_MANY: u64 = 9;
pub(crate) const OF_SOME: u64 = 20;

/// When the first of it was written. Milliseconds.
const BEGINNING: u64 = 1_700_000_000_000;
/// A prime by which the order of writing differs from that of the keys.
const STRIDE: u64 = 2_654_435_761;

/// Something unpredictable that is always the same of the same number (the finaliser of SplitMix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn bytes<const N: usize>(number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    for (index, chunk) in (0_u64..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(&mixed(number ^ (index << 56)).to_be_bytes()[..chunk.len()]);
    }
    bytes
}

pub(crate) fn bucket_id() -> BucketId {
    BucketId(*b"scalescl")
}

/// As many objects.
#[derive(Clone, Copy)]
pub(crate) struct World(pub(crate) u64);

/// An upload of many parts.
#[derive(Clone, Copy)]
pub(crate) struct Long {
    pub(crate) number: u64,
    pub(crate) parts: u64,
}

impl World {
    pub(crate) fn directories(self) -> u64 {
        self.0 * 8 / 10 / PER_DIRECTORY
    }

    /// The key of an object; keys ascend with their numbers.
    pub(crate) fn key(self, number: u64) -> String {
        let tag = mixed(number) as u32;
        let (directories, flat) = (self.directories() * PER_DIRECTORY, self.0 / 10);
        match number.checked_sub(directories) {
            None => format!("data/{:06}/{:04}-{tag:08x}.bin", number / PER_DIRECTORY, number % PER_DIRECTORY),
            Some(rest) if rest < flat => format!("flat/{rest:010}-{tag:08x}.log"),
            Some(rest) => {
                let (rest, each) = (rest - flat, (self.0 - directories - flat).div_ceil(10).max(1));
                format!("huge-{}/{:010}-{tag:08x}.dat", rest / each, rest % each)
            }
        }
    }

    /// When an object was written, as a place in the order of writing.
    fn rank(self, number: u64) -> u64 {
        (u128::from(number) * u128::from(STRIDE) % u128::from(self.0)) as u64
    }

    /// Whether an object's bytes are in the index.
    pub(crate) fn is_small(self, number: u64) -> bool {
        self.rank(number).is_multiple_of(2)
    }

    fn object_row(self, number: u64) -> (Vec<u8>, Bytes) {
        let rank = self.rank(number);
        let (place, size) = if rank.is_multiple_of(2) { (Place::Index, SMALL) } else { (Place::File, LARGE) };
        let crc64_nvme =
            Checksum::new(ChecksumAlgorithm::Crc64Nvme, mixed(rank ^ 1 << 40).to_be_bytes().to_vec()).expect("it is of eight bytes");
        let extent = Extent { place, blob: blob(rank), offset: 0, size };
        let record = ObjectRecord {
            etag: ETag::Whole(bytes(number ^ 1 << 41)),
            size,
            last_modified: time(rank),
            attributes: Attributes::default(),
            checksum: Some(ObjectChecksum { value: crc64_nvme, composite_of: None }),
            crc64_ecma: mixed(rank ^ 1 << 42),
            part_count: None,
            content: Content::Here(vec![ManifestPart { size, checksum: None, extents: vec![extent] }]),
            kind: ObjectKind::Plain,
            charge: Charge::Key(ACCESS_KEY.to_owned()),
        };
        (keys::object(bucket_id(), &key(&self.key(number))), record.encode())
    }

    pub(crate) fn object_rows(self) -> impl Iterator<Item = (Vec<u8>, Bytes)> {
        (0..self.0).map(move |number| self.object_row(number))
    }

    pub(crate) fn data_rows(self) -> impl Iterator<Item = (Vec<u8>, Bytes)> {
        (0..self.0).step_by(2).map(|rank| (keys::inline_data(blob(rank)), Bytes::copy_from_slice(&bytes::<{ SMALL as usize }>(rank))))
    }

    pub(crate) fn blob_rows(self) -> impl Iterator<Item = (Vec<u8>, Bytes)> {
        let row = |rank, size| (keys::blob(blob(rank)), BlobRecord { size, holders: 1 }.encode());
        let objects = (1..self.0).step_by(2).map(move |rank| row(rank, LARGE));
        objects.chain((0..self.part_count()).map(move |part| row(self.0 + part, PART)))
    }

    fn part_count(self) -> u64 {
        UPLOADS + longs().map(|long| long.parts).sum::<u64>()
    }

    pub(crate) fn upload_rows(self) -> impl Iterator<Item = (Vec<u8>, Bytes)> {
        let short = (0..UPLOADS).map(|number| (short_key(number), number));
        let long = longs().map(|long| (long.key(), UPLOADS + long.number));
        short.chain(long).map(|(text, number)| {
            let record = UploadRecord {
                initiator: Account::root(),
                initiated: time(number),
                attributes: Attributes::default(),
                checksum: None,
                sequential: false,
                charge: Charge::Key(ACCESS_KEY.to_owned()),
            };
            (keys::upload(bucket_id(), &key(&text), &upload_id(number)), record.encode())
        })
    }

    pub(crate) fn part_rows(self) -> impl Iterator<Item = (Vec<u8>, Bytes)> {
        let short = (0..UPLOADS).map(|number| (number, 1));
        let parts = short.chain(longs().flat_map(|long| (1..=long.parts).map(move |part| (UPLOADS + long.number, part))));
        (self.0..).zip(parts).map(|(rank, (upload, part))| {
            let extent = Extent { place: Place::File, blob: blob(rank), offset: 0, size: PART };
            let record = PartRecord {
                md5: part_md5(part),
                size: PART,
                last_modified: time(rank),
                checksum: None,
                crc64_nvme: mixed(rank ^ 1 << 43),
                crc64_ecma: mixed(rank ^ 1 << 44),
                extents: vec![extent],
                is_counted: true,
            };
            let number = PartNumber::new(part).expect("it is at most 10,000");
            (keys::part(&upload_id(upload), number, Revision((BEGINNING + rank) * 1_000)), record.encode())
        })
    }

    pub(crate) fn counter_rows(self) -> impl Iterator<Item = (Vec<u8>, Bytes)> {
        let mut rows = BTreeMap::new();
        let small = self.0.div_ceil(2);
        for whose in [Whose::Bucket(bucket_id()), Whose::Key(ACCESS_KEY.to_owned())] {
            for (counter, count) in [
                (Counter::Objects, self.0),
                (Counter::ObjectBytes, small * SMALL + (self.0 - small) * LARGE),
                (Counter::Uploads, UPLOADS + OF_MANY + OF_SOME),
                (Counter::Parts, self.part_count()),
                (Counter::PartBytes, self.part_count() * PART),
            ] {
                rows.insert(keys::counter(&whose, counter), count);
            }
        }
        let short = (0..UPLOADS).map(|number| (number, 1));
        for (upload, parts) in short.chain(longs().map(|long| (UPLOADS + long.number, long.parts))) {
            let whose = Whose::Upload(upload_id(upload));
            for (counter, count) in [(Counter::Uploads, 1), (Counter::Parts, parts), (Counter::PartBytes, parts * PART)] {
                rows.insert(keys::counter(&whose, counter), count);
            }
        }
        rows.into_iter().filter_map(|(row, count)| Some((row, row_of(count)?)))
    }

    pub(crate) fn bucket_row(self) -> (Vec<u8>, Bytes) {
        let record = BucketRecord {
            id: bucket_id(),
            owner: Account::root(),
            created: Timestamp::from_millis(BEGINNING as i64 - 1),
            location: None,
            cors: None,
            policy: None,
            tags: None,
            acl: Acl::Private,
            storage_class: None,
            lifecycle: None,
            referer: None,
            retries_callbacks: true,
        };
        (keys::bucket(&Bucket::new(BUCKET).expect("it is a name")), record.encode())
    }
}

impl Long {
    pub(crate) fn key(self) -> String {
        format!("long/{:02}", self.number)
    }

    pub(crate) fn id(self) -> UploadId {
        upload_id(UPLOADS + self.number)
    }
}

/// The uploads of many parts: those of 10,000 before those of 1,000.
pub(crate) fn longs() -> impl Iterator<Item = Long> {
    (0..OF_MANY + OF_SOME).map(|number| Long { number, parts: if number < OF_MANY { PARTS_MANY } else { PARTS_SOME } })
}

/// The key of an open upload of one part.
pub(crate) fn short_key(number: u64) -> String {
    format!("incoming/{:04}/{number:06}.bin", number / 100)
}

pub(crate) fn part_md5(part: u64) -> [u8; 16] {
    bytes(part ^ 1 << 45)
}

fn upload_id(number: u64) -> UploadId {
    UploadId::new(time(number), bytes(number ^ 1 << 46))
}

fn time(rank: u64) -> Timestamp {
    Timestamp::from_millis((BEGINNING + rank) as i64)
}

fn blob(rank: u64) -> BlobId {
    let mut id = bytes::<16>(rank ^ 1 << 47);
    id[..6].copy_from_slice(&(BEGINNING + rank).to_be_bytes()[2..]);
    BlobId(id)
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).expect("it is a key")
}
