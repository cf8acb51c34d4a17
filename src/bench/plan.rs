//! What a run does: how much of what, and every measured operation with its signed requests.
//!
//! Operations stand in a ring. Workers take one after the other, and begin anew at its end; only uploads can be completed but once.

use super::{
    BenchError, Limit, Order, Work,
    client::{Body, Request, Sink},
    payload,
    prepare::{Stage, complete_document},
    site::{Draft, Site},
};
use crate::dialect::percent;
use http::Method;
use std::sync::Arc;

/// Keys on one page of a listing, in both dialects.
const PAGE_SIZE: usize = 1000;
/// Parts of an upload, in both dialects.
const PARTS_MAX: u16 = 10_000;
/// The largest body of one request, in both dialects: 5 GiB. Bytes.
const BODY_SIZE_MAX: u64 = 5 << 30;
/// A presigned request takes about a kilobyte of memory.
const OBJECTS_MAX: u64 = 1_000_000;
/// Each worker is a thread.
const CONCURRENCY_MAX: usize = 1024;
/// Different operations in a ring that could have more.
const RING_SIZE: usize = 10_000;
/// Objects that are read take this together, unless their number is given. Bytes.
const READ_SIZE: u64 = 1 << 30;
/// Larger objects are uploaded in parts of this size, unless the number of parts is given. Bytes.
const READ_PART_SIZE: u64 = 64 << 20;

/// What an operation is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    UploadPart,
    Put,
    Get,
    Range,
    List,
    Complete,
}

impl Kind {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UploadPart => "upload-part",
            Self::Put => "put",
            Self::Get => "get",
            Self::Range => "range",
            Self::List => "list",
            Self::Complete => "complete",
        }
    }
}

/// Something that is measured as one: its requests are sent one after the other.
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) requests: Vec<Request>,
    /// What becomes of the answers.
    pub(super) sink: Sink,
    /// What has to be true of them, besides being successes.
    pub(super) check: Check,
    /// The object that is there afterwards and was not before.
    pub(super) makes: Option<String>,
}

/// What an answer has to be.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// A success.
    Nothing,
    /// It has this ETag.
    ETag(Arc<str>),
    /// It has this status and size.
    Content(u16, u64),
    /// All answers together list so many keys.
    Keys(usize),
    /// It is no error with the status of a success.
    Completed,
}

/// The operations of a run.
pub(super) struct Ring {
    pub(super) operations: Vec<Operation>,
    /// Whether it ends where others begin anew.
    pub(super) is_once: bool,
}

/// How much of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Of a measured body. Bytes.
    pub(super) size: u64,
    /// Objects to read, to list or to put.
    pub(super) objects: usize,
    /// Of those that are read. Bytes.
    pub(super) object_size: u64,
    /// In how many parts they are uploaded; 1 is a PUT.
    pub(super) object_parts: u16,
    /// The size of such a part but the last. Bytes.
    pub(super) part_size: u64,
    /// Open uploads.
    pub(super) uploads: usize,
    /// Parts of each.
    pub(super) upload_parts: u16,
    /// What keys begin with.
    pub(super) prefix: String,
}

impl Shape {
    /// Fills in what was not asked for.
    ///
    /// # Errors
    /// [`BenchError::Setting`] for what does not fit together.
    pub(super) fn of(order: &Order) -> Result<Self, BenchError> {
        let setting = |what: String| Err(BenchError::Setting(what));
        let work = order.work;
        let size = order.size.unwrap_or(match work {
            Work::UploadParts => 8 << 20,
            Work::Put | Work::Get | Work::Range | Work::Mixed => 1 << 20,
            Work::List => 1 << 10,
            Work::Complete => 5 << 20,
        });
        let count = match order.limit {
            Limit::Count(count) => Some(count),
            Limit::Time(_) => None,
        };
        let object_size = match work {
            Work::Range => order.object_size.unwrap_or(size.saturating_mul(64)),
            _ => size,
        };
        let object_parts = match work {
            // Parts are those of uploads, if of anything.
            Work::UploadParts | Work::Put | Work::List | Work::Complete => 1,
            Work::Get | Work::Range | Work::Mixed if object_size <= READ_SIZE => order.parts.unwrap_or(1),
            Work::Get | Work::Range | Work::Mixed => {
                order.parts.unwrap_or(u16::try_from(object_size.div_ceil(READ_PART_SIZE)).unwrap_or(u16::MAX))
            }
        };
        let objects = order.objects.unwrap_or(match work {
            Work::Put => count.unwrap_or(RING_SIZE as u64).clamp(1, RING_SIZE as u64),
            Work::Get | Work::Range | Work::Mixed => (READ_SIZE / object_size.max(1)).clamp(1, 1000),
            Work::List => 1000,
            Work::UploadParts => order.concurrency as u64,
            Work::Complete => count.unwrap_or(10),
        });
        if order.concurrency == 0 || order.concurrency > CONCURRENCY_MAX {
            return setting(format!("concurrency has to be 1 to {CONCURRENCY_MAX}"));
        }
        if objects == 0 || objects > OBJECTS_MAX {
            return setting(format!("objects has to be 1 to {OBJECTS_MAX}"));
        }
        if matches!(order.limit, Limit::Count(0)) {
            return setting("count has to be at least 1".to_owned());
        }
        let upload_parts = order.parts.unwrap_or(100);
        if upload_parts == 0 || upload_parts > PARTS_MAX || object_parts == 0 || object_parts > PARTS_MAX {
            return setting(format!("parts has to be 1 to {PARTS_MAX}"));
        }
        let part_size = object_size.div_ceil(u64::from(object_parts));
        if size > BODY_SIZE_MAX || part_size > BODY_SIZE_MAX {
            return setting("a body may have up to 5 GiB".to_owned());
        }
        if order.distinct && order.verify {
            return setting("bodies cannot be distinct and verified: only one ETag is known".to_owned());
        }
        if matches!(work, Work::Range) && (size == 0 || size > object_size) {
            return setting("a range has at least one byte and is no larger than its object".to_owned());
        }
        if object_parts > 1 && object_size < u64::from(object_parts) {
            return setting(format!("an object of {object_size} bytes does not have {object_parts} parts"));
        }
        let objects = usize::try_from(objects).unwrap_or(usize::MAX);
        Ok(Self {
            size,
            objects,
            object_size,
            // Rounding up can leave nothing for the last ones.
            object_parts: u16::try_from(object_size.div_ceil(part_size.max(1)).max(1)).unwrap_or(object_parts),
            part_size,
            uploads: if work == Work::Mixed { order.concurrency } else { objects },
            upload_parts,
            prefix: order.prefix.clone().unwrap_or_else(random_prefix),
        })
    }

    /// What has to be there before a run.
    pub(super) fn words(&self, work: Work) -> String {
        let objects = format!("{} objects of {} bytes", self.objects, self.object_size);
        match work {
            Work::UploadParts => format!("{} uploads", self.uploads),
            Work::Put => "the bucket".to_owned(),
            Work::Get | Work::Range | Work::List => objects,
            Work::Complete => format!("{} uploads of {} parts of {} bytes", self.uploads, self.upload_parts, self.size),
            Work::Mixed => format!("{objects} and {} uploads", self.uploads),
        }
    }

    fn keys(&self, place: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{}{place}/{number:08}", self.prefix)).collect()
    }
}

fn random_prefix() -> String {
    let mut random = [0; 6];
    getrandom::fill(&mut random).expect("the kernel has randomness once it is up");
    format!("partway-bench/{}/", hex::encode(random))
}

/// Prepares what a run needs, and signs its operations.
///
/// # Errors
/// When it cannot be prepared.
pub(super) fn ring(order: &Order, shape: &Shape, stage: &Stage<'_>) -> Result<Ring, BenchError> {
    let maker = Maker { site: stage.site, shape, etag: etag(order, shape, stage), verify: order.verify, distinct: order.distinct };
    let read = |place: &str| -> Result<Vec<String>, BenchError> {
        let keys = shape.keys(place, shape.objects);
        stage.objects(&keys, shape, order.prefix.is_some())?;
        Ok(keys)
    };
    let operations = match order.work {
        Work::UploadParts => maker.upload_parts(stage)?,
        Work::Put => maker.puts(shape.objects)?,
        Work::Get => maker.gets(&read("read")?)?,
        Work::Range => maker.ranges(&read("read")?)?,
        Work::List => vec![maker.list("list", &read("list")?)?],
        Work::Complete => maker.completes(stage)?,
        Work::Mixed => maker.mixed(&read("read")?, stage)?,
    };
    Ok(Ring { operations, is_once: order.work == Work::Complete })
}

/// The ETag of what is written, when it is to be compared.
fn etag(order: &Order, shape: &Shape, stage: &Stage<'_>) -> Option<Arc<str>> {
    order.verify.then(|| stage.payload.md5(shape.size).into())
}

/// Makes operations.
struct Maker<'a> {
    site: &'a Site,
    shape: &'a Shape,
    etag: Option<Arc<str>>,
    verify: bool,
    distinct: bool,
}

impl Maker<'_> {
    fn written(&self) -> Check {
        self.etag.clone().map_or(Check::Nothing, Check::ETag)
    }

    /// The measured body with this number.
    fn body(&self, number: u64) -> Body {
        let start = if self.distinct { scatter(number) % payload::SIZE_MAX } else { 0 };
        Body::Payload { start, size: self.shape.size }
    }

    fn operation(&self, kind: Kind, draft: Draft<'_>, sink: Sink, check: Check) -> Result<Operation, BenchError> {
        Ok(Operation { kind, requests: vec![self.site.request(draft)?], sink, check, makes: None })
    }

    fn puts(&self, count: usize) -> Result<Vec<Operation>, BenchError> {
        let put = |(key, number): (String, u64)| {
            let draft = Draft { method: Method::PUT, key: Some(&key), query: "", range: None, body: self.body(number) };
            let operation = self.operation(Kind::Put, draft, Sink::Drop, self.written())?;
            Ok(Operation { makes: Some(key), ..operation })
        };
        self.shape.keys("put", count).into_iter().zip(0..).map(put).collect()
    }

    /// Part after part, every upload's first ones first.
    fn upload_parts(&self, stage: &Stage<'_>) -> Result<Vec<Operation>, BenchError> {
        let keys = self.shape.keys("upload", self.shape.uploads);
        let uploads = stage.uploads(&keys)?;
        let numbers = 1..=self.shape.upload_parts;
        let all = numbers.flat_map(|number| keys.iter().zip(&uploads).map(move |(key, upload)| (number, key, upload)));
        let part = |((number, key, upload), place): ((u16, &String, &String), u64)| {
            let query = format!("partNumber={number}&uploadId={}", percent::encode(upload));
            let body = self.body(place);
            let draft = Draft { method: Method::PUT, key: Some(key), query: &query, range: None, body };
            self.operation(Kind::UploadPart, draft, Sink::Drop, self.written())
        };
        all.zip(0..).map(part).collect()
    }

    fn gets(&self, keys: &[String]) -> Result<Vec<Operation>, BenchError> {
        let sink = match self.verify {
            true => Sink::Compare { part_size: self.shape.part_size, position: 0 },
            false => Sink::Drop,
        };
        let get = |key: &String| {
            let draft = Draft { method: Method::GET, key: Some(key), query: "", range: None, body: Body::Empty };
            self.operation(Kind::Get, draft, sink, Check::Content(200, self.shape.object_size))
        };
        keys.iter().map(get).collect()
    }

    /// Every range that begins at a multiple of its size, or as many as a ring has, in an order that no read-ahead knows.
    fn ranges(&self, keys: &[String]) -> Result<Vec<Operation>, BenchError> {
        let size = self.shape.size.min(self.shape.object_size);
        let blocks = (self.shape.object_size / size.max(1)).max(1);
        let each = usize::try_from(blocks).unwrap_or(RING_SIZE).min(RING_SIZE.div_ceil(keys.len()));
        let range = |number: usize| {
            let key = &keys[number % keys.len()];
            let position = scatter(number as u64) % blocks * size;
            let sink = match self.verify {
                true => Sink::Compare { part_size: self.shape.part_size, position },
                false => Sink::Drop,
            };
            let range = Some((position, position + size - 1));
            let draft = Draft { method: Method::GET, key: Some(key), query: "", range, body: Body::Empty };
            self.operation(Kind::Range, draft, sink, Check::Content(206, size))
        };
        (0..each * keys.len()).map(range).collect()
    }

    /// One walk over all keys. The pages are known, so that their URLs can be signed beforehand.
    fn list(&self, place: &str, keys: &[String]) -> Result<Operation, BenchError> {
        let prefix = percent::encode(&format!("{}{place}/", self.shape.prefix));
        let after = std::iter::once(None).chain(keys.chunks_exact(PAGE_SIZE).map(<[String]>::last));
        let pages = keys.len().div_ceil(PAGE_SIZE);
        let page = |after: Option<&String>| {
            let after = after.map(|key| format!("&start-after={}", percent::encode(key))).unwrap_or_default();
            let query = format!("list-type=2&max-keys={PAGE_SIZE}&prefix={prefix}{after}");
            self.site.request(Draft { method: Method::GET, key: None, query: &query, range: None, body: Body::Empty })
        };
        let requests = after.take(pages).map(page).collect::<Result<_, _>>()?;
        let (sink, check) = if self.verify { (Sink::Keep, Check::Keys(keys.len())) } else { (Sink::Drop, Check::Nothing) };
        Ok(Operation { kind: Kind::List, requests, sink, check, makes: None })
    }

    fn completes(&self, stage: &Stage<'_>) -> Result<Vec<Operation>, BenchError> {
        let keys = self.shape.keys("complete", self.shape.uploads);
        let uploads = stage.uploads(&keys)?;
        let etags = stage.parts(&keys, &uploads, &vec![self.shape.size; usize::from(self.shape.upload_parts)])?;
        let complete = |((key, upload), etags): ((&String, &String), &Vec<String>)| {
            let query = format!("uploadId={}", percent::encode(upload));
            let body = Body::Bytes(complete_document(self.site.tongue(), etags).into_bytes().into());
            let draft = Draft { method: Method::POST, key: Some(key), query: &query, range: None, body };
            let operation = self.operation(Kind::Complete, draft, Sink::Keep, Check::Completed)?;
            Ok(Operation { makes: Some(key.clone()), ..operation })
        };
        keys.iter().zip(&uploads).zip(&etags).map(complete).collect()
    }

    /// Of ten operations, three upload a part, two put, three get, one gets a range (the first half), and one lists.
    fn mixed(&self, keys: &[String], stage: &Stage<'_>) -> Result<Vec<Operation>, BenchError> {
        const CYCLES: usize = 500;
        let half = Shape { size: (self.shape.size / 2).max(1), ..self.shape.clone() };
        let mut parts = self.upload_parts(stage)?.into_iter().cycle_of(3 * CYCLES);
        let mut puts = self.puts(2 * CYCLES)?.into_iter();
        let mut gets = self.gets(keys)?.into_iter().cycle_of(3 * CYCLES);
        let has_ranges = self.shape.object_size > 0;
        let ranges = if has_ranges { Maker { shape: &half, etag: None, ..*self }.ranges(keys)? } else { Vec::new() };
        let mut ranges = ranges.into_iter().cycle_of(CYCLES);
        let mut lists = vec![self.list("read", keys)?].into_iter().cycle_of(CYCLES);
        let mut operations = Vec::with_capacity(10 * CYCLES);
        for _ in 0..CYCLES {
            for step in 0..10 {
                operations.extend(match step {
                    0 | 3 | 6 => parts.next(),
                    1 | 7 => puts.next(),
                    2 | 5 | 8 => gets.next(),
                    4 => ranges.next(),
                    _ => lists.next(),
                });
            }
        }
        Ok(operations)
    }
}

/// Repeats operations until there are so many.
trait CycleOf: Iterator<Item = Operation> + Sized {
    fn cycle_of(self, count: usize) -> std::vec::IntoIter<Operation> {
        let operations: Vec<Operation> = self.collect();
        let repeated: Vec<Operation> = operations.iter().cycle().take(count).map(Operation::again).collect();
        repeated.into_iter()
    }
}

impl<I: Iterator<Item = Operation>> CycleOf for I {}

impl Operation {
    fn again(&self) -> Self {
        Self { kind: self.kind, requests: self.requests.clone(), sink: self.sink, check: self.check.clone(), makes: self.makes.clone() }
    }
}

/// Numbers without an order that anybody could guess ahead (the finaliser of SplitMix64).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::order;

    fn shape(change: impl FnOnce(&mut Order)) -> Result<Shape, BenchError> {
        let mut order = order();
        change(&mut order);
        Shape::of(&order)
    }

    #[test]
    fn what_is_not_asked_for_depends_on_the_work() {
        let parts = shape(|order| order.work = Work::UploadParts).unwrap();
        assert_eq!((parts.size, parts.uploads, parts.upload_parts), (8 << 20, 16, 100));
        let get = shape(|order| (order.work, order.size) = (Work::Get, Some(2 << 30))).unwrap();
        assert_eq!((get.objects, get.object_parts, get.part_size), (1, 32, 64 << 20));
        let range = shape(|order| (order.work, order.object_size, order.parts) = (Work::Range, Some(2 << 30), Some(256))).unwrap();
        assert_eq!((range.size, range.objects, range.object_parts, range.part_size), (1 << 20, 1, 256, 8 << 20));
        let small = shape(|order| (order.work, order.size) = (Work::Get, Some(4 << 10))).unwrap();
        assert_eq!((small.objects, small.object_parts), (1000, 1));
        let puts = shape(|order| (order.work, order.limit) = (Work::Put, Limit::Count(7))).unwrap();
        assert_eq!(puts.objects, 7);
        let complete = shape(|order| (order.work, order.size, order.parts) = (Work::Complete, Some(1), Some(10_000))).unwrap();
        assert_eq!((complete.size, complete.upload_parts, complete.uploads), (1, 10_000, 1000), "the size is that of each part");
        let uneven = shape(|order| (order.work, order.size, order.parts) = (Work::Get, Some(10), Some(6))).unwrap();
        assert_eq!((uneven.part_size, uneven.object_parts), (2, 5), "six parts of two bytes would be more than there are");
        assert_ne!(puts.prefix, small.prefix, "runs do not meet");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused: [fn(&mut Order); 9] = [
            |order| order.concurrency = 0,
            |order| order.concurrency = 1025,
            |order| order.objects = Some(0),
            |order| order.parts = Some(0),
            |order| order.parts = Some(10_001),
            |order| order.limit = Limit::Count(0),
            |order| order.size = Some((5 << 30) + 1),
            |order| (order.work, order.size, order.object_size) = (Work::Range, Some(2), Some(1)),
            |order| (order.distinct, order.verify) = (true, true),
        ];
        for (number, change) in refused.into_iter().enumerate() {
            assert!(matches!(shape(change), Err(BenchError::Setting(_))), "{number}");
        }
    }

    #[test]
    fn distinct_bodies_begin_at_different_places() {
        let order = Order { distinct: true, size: Some(4096), ..order() };
        let (site, shape) = (Site::new(&order).unwrap(), Shape::of(&order).unwrap());
        let starts = |distinct| {
            let maker = Maker { site: &site, shape: &shape, etag: None, verify: false, distinct };
            let bodies = maker.puts(1000).unwrap().into_iter().map(|operation| operation.requests[0].body.clone());
            let starts = bodies.map(|body| match body {
                Body::Payload { start, size: 4096 } if start < payload::SIZE_MAX => start,
                body => panic!("{body:?}"),
            });
            starts.collect::<std::collections::BTreeSet<u64>>()
        };
        assert_eq!(starts(false).len(), 1);
        assert_eq!(starts(true).len(), 1000);
    }

    #[test]
    fn ranges_lie_within_their_objects_and_listings_have_all_pages() {
        let order = Order { work: Work::Range, size: Some(10), object_size: Some(95), ..order() };
        let (site, shape) = (Site::new(&order).unwrap(), Shape::of(&order).unwrap());
        let maker = Maker { site: &site, shape: &shape, etag: None, verify: true, distinct: false };
        let keys = shape.keys("read", 2500);
        for operation in maker.ranges(&keys[..3]).unwrap() {
            let Sink::Compare { position, .. } = operation.sink else { panic!("it is to be verified") };
            assert!(position % 10 == 0 && position + 10 <= 95, "{position}");
            let head = String::from_utf8(operation.requests[0].head.to_vec()).unwrap();
            assert!(head.contains(&format!("\r\nRange: bytes={position}-{}\r\n", position + 9)), "{head}");
        }
        let list = maker.list("read", &keys).unwrap();
        assert_eq!(list.requests.len(), 3);
        let last = String::from_utf8(list.requests[2].head.to_vec()).unwrap();
        assert!(last.contains("%2Fread%2F00001999&"), "{last}");
        assert_eq!(maker.list("read", &keys[..2000]).unwrap().requests.len(), 2, "no page is empty");
    }
}
