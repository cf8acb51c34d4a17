//! What many tasks saw at once, and whether one order of things can explain it.
//!
//! Every operation is recorded with the moments of its beginning and its end. One that ended before another
//! began came before it; of those that overlap nothing is assumed. A refused operation is no part of the history:
//! should its effect ever be seen, nothing explains it.

use partway::model::*;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// A moment; later ones are greater.
pub(crate) type Moment = u64;

/// What stands under a key: the MD5 of the bytes, or nothing.
pub(crate) type Value = Option<[u8; 16]>;

/// How much of an object a part may be a copy of, from its first byte; no body is shorter.
pub(crate) const SLICE_SIZE: usize = 12;

/// When something happened: between these moments. Without an end nobody knows whether it happened at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begin: Moment,
    pub(crate) end: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Access {
    value: Value,
    span: Span,
}

#[derive(Default)]
struct KeyLog {
    writes: Vec<Access>,
    reads: Vec<Access>,
}

/// How somebody ended an upload, or tried to and does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Completed(Vec<CompletedPart>),
    Aborted,
}

#[derive(Clone, Debug)]
struct PartWrite {
    number: PartNumber,
    etag: ETag,
    span: Span,
}

struct UnknownCopy {
    source: ObjectKey,
    target: CopyTarget,
    span: Span,
}

enum CopyTarget {
    Object(ObjectKey),
    Part { id: UploadId, number: PartNumber, is_slice: bool },
}

#[derive(Default)]
struct UploadLog {
    parts: Vec<PartWrite>,
    endings: Vec<(Ending, Span)>,
    /// What it was completed to, as answered.
    answers: Vec<Outcome>,
    /// Its parts, as listed.
    looks: Vec<(BTreeMap<PartNumber, ETag>, Span)>,
    /// When it was found open, and when it was found gone.
    alive: Vec<Span>,
    gone: Vec<Span>,
}

/// How often what was seen.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

/// Everything that was seen.
#[derive(Default)]
pub(crate) struct History {
    now: AtomicU64,
    keys: Mutex<BTreeMap<ObjectKey, KeyLog>>,
    uploads: Mutex<BTreeMap<UploadId, UploadLog>>,
    /// The bytes of every value ever written, and the value of every multipart ETag.
    contents: Mutex<HashMap<[u8; 16], Vec<u8>>>,
    /// The objects that uploads became: several answers, one write.
    completions: Mutex<BTreeMap<(ObjectKey, UploadId, [u8; 16]), Span>>,
    multipart: Mutex<HashMap<ETag, [u8; 16]>>,
    /// Copies that nobody answered, of objects and into parts. What they would have copied is known when all is.
    unknown_copies: Mutex<Vec<UnknownCopy>>,
    /// Appends and deletes by rules that were acknowledged.
    appends: AtomicU64,
    expiries: AtomicU64,
    quota_refusals: AtomicU64,
}

impl History {
    pub(crate) fn moment(&self) -> Moment {
        self.now.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Makes bytes, and the slice of them that is copied, known before they are sent anywhere.
    pub(crate) fn know(&self, bytes: Vec<u8>, multipart: Option<ETag>) -> [u8; 16] {
        let value = partway::digest::md5(&bytes);
        if let Some(etag) = multipart {
            self.multipart.lock().unwrap().insert(etag, value);
        }
        let mut contents = self.contents.lock().unwrap();
        if let Some(slice) = bytes.get(..SLICE_SIZE) {
            contents.insert(partway::digest::md5(slice), slice.to_vec());
        }
        contents.insert(value, bytes);
        value
    }

    /// Makes known what an append to an object with this ETag, if there is one, will make of it.
    pub(crate) fn know_appended(&self, before: Option<ETag>, body: &[u8]) -> [u8; 16] {
        let Some(before) = before else { return self.know(body.to_vec(), None) };
        let (_, whole) = self.content(before).expect("its bytes were made known");
        let digest = partway::digest::md5(&[*before.digest(), partway::digest::md5(body)].concat());
        let append_count = match before {
            ETag::Whole(_) => 1,
            ETag::Multipart { part_count, .. } => part_count,
        };
        self.know([&whole, body].concat(), Some(ETag::Multipart { digest, part_count: append_count + 1 }))
    }

    pub(crate) fn appended(&self) {
        self.appends.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn refused_for_quota(&self) {
        self.quota_refusals.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn expired(&self) {
        self.expiries.fetch_add(1, Ordering::SeqCst);
    }

    /// The value that an object with this ETag must have, and its bytes.
    pub(crate) fn content(&self, etag: ETag) -> Option<([u8; 16], Vec<u8>)> {
        let value = match etag {
            ETag::Whole(value) => value,
            ETag::Multipart { .. } => *self.multipart.lock().unwrap().get(&etag)?,
        };
        Some((value, self.contents.lock().unwrap().get(&value)?.clone()))
    }

    pub(crate) fn wrote(&self, key: &ObjectKey, value: Value, span: Span) {
        self.keys.lock().unwrap().entry(key.clone()).or_default().writes.push(Access { value, span });
    }

    /// An upload that was completed, perhaps several times over: the write happened before the first answer.
    pub(crate) fn completed(&self, key: &ObjectKey, id: UploadId, value: [u8; 16], span: Span) {
        let mut completions = self.completions.lock().unwrap();
        let write = completions.entry((key.clone(), id, value)).or_insert(span);
        write.begin = write.begin.min(span.begin);
        write.end = write.end.into_iter().chain(span.end).min();
    }

    /// A copy that nobody answered.
    pub(crate) fn may_have_copied(&self, source: &ObjectKey, target: &ObjectKey, span: Span) {
        // Onto itself it changes nothing.
        if source != target {
            let copy = UnknownCopy { source: source.clone(), target: CopyTarget::Object(target.clone()), span };
            self.unknown_copies.lock().unwrap().push(copy);
        }
    }

    /// A copy into a part, of an object or of its slice, that nobody answered.
    pub(crate) fn may_have_copied_part(&self, source: &ObjectKey, is_slice: bool, id: UploadId, number: PartNumber, span: Span) {
        let target = CopyTarget::Part { id, number, is_slice };
        self.unknown_copies.lock().unwrap().push(UnknownCopy { source: source.clone(), target, span });
    }

    pub(crate) fn read(&self, key: &ObjectKey, value: Value, span: Span) {
        self.keys.lock().unwrap().entry(key.clone()).or_default().reads.push(Access { value, span });
    }

    fn upload(&self, id: UploadId, note: impl FnOnce(&mut UploadLog)) {
        note(self.uploads.lock().unwrap().entry(id).or_default());
    }

    pub(crate) fn uploaded(&self, id: UploadId, number: PartNumber, etag: ETag, span: Span) {
        self.upload(id, |log| {
            log.parts.push(PartWrite { number, etag, span });
            if span.end.is_some() {
                log.alive.push(span);
            }
        });
    }

    pub(crate) fn ended(&self, id: UploadId, ending: Ending, answer: Option<Outcome>, span: Span) {
        self.upload(id, |log| {
            log.endings.push((ending, span));
            log.answers.extend(answer);
        });
    }

    pub(crate) fn looked(&self, id: UploadId, parts: BTreeMap<PartNumber, ETag>, span: Span) {
        self.upload(id, |log| {
            log.looks.push((parts, span));
            log.alive.push(span);
        });
    }

    pub(crate) fn found_alive(&self, id: UploadId, span: Span) {
        self.upload(id, |log| log.alive.push(span));
    }

    pub(crate) fn found_gone(&self, id: UploadId, span: Span) {
        self.upload(id, |log| log.gone.push(span));
    }

    /// The newest parts that were acknowledged, as far as the callers can know.
    pub(crate) fn known_parts(&self, id: UploadId) -> BTreeMap<PartNumber, ETag> {
        let uploads = self.uploads.lock().unwrap();
        let parts = uploads.get(&id).into_iter().flat_map(|log| &log.parts);
        parts.filter(|part| part.span.end.is_some()).map(|part| (part.number, part.etag)).collect()
    }

    /// How often what was seen.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        let mut add = |what, count| *counts.entry(what).or_default() += count;
        let known = |spans: &mut dyn Iterator<Item = Span>| spans.filter(|span| span.end.is_some()).count();
        add("appends", self.appends.load(Ordering::SeqCst) as usize);
        add("refusals for the quota", self.quota_refusals.load(Ordering::SeqCst) as usize);
        add("objects expired", self.expiries.load(Ordering::SeqCst) as usize);
        for log in self.keys.lock().unwrap().values() {
            add("objects written", known(&mut log.writes.iter().map(|write| write.span)));
            add("writes hung up on", log.writes.iter().filter(|write| write.span.end.is_none()).count());
            add("objects read", log.reads.iter().filter(|read| read.value.is_some()).count());
            add("objects found absent", log.reads.iter().filter(|read| read.value.is_none()).count());
        }
        for log in self.uploads.lock().unwrap().values() {
            let endings = |aborted: bool| log.endings.iter().filter(move |(ending, _)| (*ending == Ending::Aborted) == aborted);
            add("parts uploaded", known(&mut log.parts.iter().map(|part| part.span)));
            add("uploads completed", known(&mut endings(false).map(|(_, span)| *span)).min(1));
            add("completes repeated", log.answers.len().saturating_sub(1));
            add("uploads aborted", known(&mut endings(true).map(|(_, span)| *span)));
            add("uploads found gone", log.gone.len());
            add("parts listed", log.looks.iter().filter(|(parts, _)| !parts.is_empty()).count());
        }
        counts
    }

    /// Everything that no order explains, a line each.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let (mut keys, mut uploads) = (self.keys.lock().unwrap(), self.uploads.lock().unwrap());
        for ((key, _, value), span) in std::mem::take(&mut *self.completions.lock().unwrap()) {
            keys.entry(key).or_default().writes.push(Access { value: Some(value), span });
        }
        self.resolve_copies(&mut keys, &mut uploads);
        let mut found = Vec::new();
        for (id, log) in uploads.iter() {
            found.extend(log.contradictions().into_iter().map(|line| format!("upload {id}: {line}")));
        }
        for (key, log) in keys.iter_mut() {
            found.extend(log.contradictions().into_iter().map(|line| format!("key {key}: {line}")));
        }
        found
    }
}

impl History {
    /// Adds what copies that nobody answered may have written: whatever they may have read.
    fn resolve_copies(&self, keys: &mut BTreeMap<ObjectKey, KeyLog>, uploads: &mut BTreeMap<UploadId, UploadLog>) {
        let copies = std::mem::take(&mut *self.unknown_copies.lock().unwrap());
        // One may have copied what another wrote, so they are gone through until nothing is new.
        let mut is_new = true;
        while std::mem::take(&mut is_new) {
            for UnknownCopy { source, target, span } in &copies {
                let CopyTarget::Object(target) = target else { continue };
                let values = keys.get(source).map(|log| log.readable(*span)).unwrap_or_default();
                let writes = &mut keys.entry(target.clone()).or_default().writes;
                for value in values.into_iter().filter(Option::is_some) {
                    if !writes.iter().any(|write| write.value == value && write.span == *span) {
                        writes.push(Access { value, span: *span });
                        is_new = true;
                    }
                }
            }
        }
        for UnknownCopy { source, target, span } in copies {
            let CopyTarget::Part { id, number, is_slice } = target else { continue };
            let values = keys.get(&source).map(|log| log.readable(span)).unwrap_or_default();
            for value in values.into_iter().flatten() {
                let (_, bytes) = self.content(ETag::Whole(value)).expect("its bytes were made known");
                // What is too short was never there: a Complete without parts, which was refused without an answer.
                let Some(slice) = bytes.get(..SLICE_SIZE) else { continue };
                let etag = ETag::Whole(if is_slice { partway::digest::md5(slice) } else { value });
                uploads.entry(id).or_default().parts.push(PartWrite { number, etag, span });
            }
        }
    }
}

impl KeyLog {
    /// What a read in this time may find.
    fn readable(&self, span: Span) -> Vec<Value> {
        let newest = self.newest_before(span.begin);
        let explains = |write: &&Access| Self::explains(write, span.end.unwrap_or(Moment::MAX), newest);
        self.writes.iter().filter(explains).map(|write| write.value).collect()
    }

    /// When the write began that is the last to have begun of those that were over by then.
    fn newest_before(&self, moment: Moment) -> Moment {
        let before = |write: &&Access| write.span.end.is_some_and(|end| end < moment);
        self.writes.iter().filter(before).map(|write| write.span.begin).max().unwrap_or(0)
    }

    /// Whether a read that ended then, with the newest write before it, may have found what a write wrote.
    fn explains(write: &Access, read_end: Moment, newest: Moment) -> bool {
        write.span.begin < read_end && write.span.end.is_none_or(|end| end >= newest)
    }

    fn contradictions(&mut self) -> Vec<String> {
        self.writes.push(Access { value: None, span: Span { begin: 0, end: Some(0) } });
        // Whoever reads a value knows that it has been written.
        for read in &self.reads {
            let mut writers = self.writes.iter_mut().filter(|write| write.value == read.value);
            if let (Some(writer), None) = (writers.next(), writers.next()) {
                writer.span.end = Some(writer.span.end.unwrap_or(Moment::MAX).min(read.span.end.unwrap_or(Moment::MAX)));
            }
        }
        let mut found = Vec::new();
        for read in &self.reads {
            let read_end = read.span.end.unwrap_or(Moment::MAX);
            let newest = self.newest_before(read.span.begin);
            if !self.writes.iter().any(|write| write.value == read.value && Self::explains(write, read_end, newest)) {
                let writers: Vec<_> = self.writes.iter().filter(|write| write.value == read.value).collect();
                found.push(format!("{read:?} although a write that began at {newest} had ended; it was written by {writers:?}"));
            }
        }
        if found.is_empty() { self.disorder() } else { found }
    }

    /// What one order of all accesses cannot explain, of the values that only one write ever wrote. Leaving the other values
    /// out breaks no order, and with values that tell their writer the question has an exact and quick answer (Gibbons and
    /// Korach, "Testing Shared Memories", 1997): while a value is certainly there, from the first end of an access to it to the
    /// last beginning of one, no other value is certainly there, and none comes and goes.
    fn disorder(&self) -> Vec<String> {
        let mut stays: Vec<Stay> = Vec::new();
        for write in self.writes.iter().filter(|write| write.value.is_some()) {
            if self.writes.iter().filter(|other| other.value == write.value).count() == 1 {
                let reads = self.reads.iter().filter(|read| read.value == write.value).map(|read| read.span);
                let spans = || reads.clone().chain([write.span]);
                let first_end = spans().map(|span| span.end.unwrap_or(Moment::MAX)).min().expect("one write");
                let last_begin = spans().map(|span| span.begin).max().expect("one write");
                stays.push(Stay { value: write.value, first_end, last_begin });
            }
        }
        let certain: Vec<_> = stays.iter().filter(|stay| stay.first_end < stay.last_begin).collect();
        let mut found = Vec::new();
        for stay in &stays {
            let clash = certain.iter().filter(|other| other.value != stay.value).find(|other| {
                let (from, to) = (stay.first_end.min(stay.last_begin), stay.first_end.max(stay.last_begin));
                match stay.first_end < stay.last_begin {
                    true => from < other.last_begin && other.first_end < to,
                    false => other.first_end < from && to < other.last_begin,
                }
            });
            found.extend(clash.map(|other| format!("{stay:?} and {other:?} cannot both be")));
        }
        found
    }
}

/// How long a value is there: certainly in between when the first end comes first, and at one moment in between when not.
#[derive(Debug)]
struct Stay {
    value: Value,
    first_end: Moment,
    last_begin: Moment,
}

impl UploadLog {
    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let certain: Vec<_> = self.endings.iter().filter_map(|(ending, span)| Some((ending, span.begin, span.end?))).collect();
        if certain.iter().any(|(ending, ..)| *ending != certain[0].0) {
            found.push(format!("it ended in more than one way: {certain:?}"));
        }
        if certain.iter().filter(|(ending, ..)| **ending == Ending::Aborted).count() > 1 {
            found.push("it was aborted twice".to_owned());
        }
        if self.answers.windows(2).any(|pair| pair[0] != pair[1]) {
            found.push(format!("its completion was answered in more than one way: {:?}", self.answers));
        }
        let ended_by = certain.iter().map(|(.., end)| *end).min().unwrap_or(Moment::MAX);
        let gone_by = self.gone.iter().filter_map(|span| span.end).min().unwrap_or(Moment::MAX);
        let first_ending = self.endings.iter().map(|(_, span)| span.begin).min().unwrap_or(Moment::MAX);
        if gone_by < first_ending {
            found.push(format!("it was gone at {gone_by} although nobody ended it before {first_ending}"));
        }
        for span in self.alive.iter().filter(|span| span.begin > ended_by.min(gone_by)) {
            found.push(format!("it was open at {span:?} although it had ended by {}", ended_by.min(gone_by)));
        }
        for (parts, span) in &self.looks {
            self.explain_parts(parts.iter().map(|(number, etag)| (*number, *etag)), *span, &mut found);
            let acknowledged = self.parts.iter().filter(|part| part.span.end.is_some_and(|end| end < span.begin));
            let missing = acknowledged.filter(|part| !parts.contains_key(&part.number));
            found.extend(missing.map(|part| format!("{part:?} was not listed at {span:?}")));
        }
        if let Some((Ending::Completed(list), ..)) = certain.first() {
            let begin = certain.iter().map(|(_, begin, _)| *begin).min().unwrap_or(0);
            let listed = list.iter().map(|part| (part.number, part.etag));
            self.explain_parts(listed, Span { begin, end: Some(ended_by) }, &mut found);
        }
        found
    }

    /// Each part must have been uploaded, and not been replaced before the look began. The same bytes may come twice.
    fn explain_parts(&self, parts: impl Iterator<Item = (PartNumber, ETag)>, look: Span, found: &mut Vec<String>) {
        for (number, etag) in parts {
            let of_number = || self.parts.iter().filter(|part| part.number == number);
            let explains = |part: &PartWrite| {
                let ended = part.span.end.unwrap_or(Moment::MAX);
                let replaced = |other: &PartWrite| other.span.begin > ended && other.span.end.is_some_and(|end| end < look.begin);
                part.span.begin < look.end.unwrap_or(Moment::MAX) && !of_number().any(replaced)
            };
            if !of_number().any(|part| part.etag == etag && explains(part)) {
                let uploads: Vec<_> = of_number().collect();
                found.push(format!("part {number} with {etag} was seen at {look:?}; it was uploaded {uploads:?}"));
            }
        }
    }
}

/// The canaries: each history is impossible, and its lawful twin is not.
#[test]
fn impossible_histories_are_noticed() {
    let key = ObjectKey::new("k").unwrap();
    let span = |begin, end| Span { begin, end: Some(end) };
    let unknown = |begin| Span { begin, end: None };
    let reads = |writes: &[(u8, Span)], reads: &[(Option<u8>, Span)]| {
        let history = History::default();
        writes.iter().for_each(|(value, span)| history.wrote(&key, Some([*value; 16]), *span));
        reads.iter().for_each(|(value, span)| history.read(&key, value.map(|value| [value; 16]), *span));
        history.contradictions().len()
    };
    assert_eq!(reads(&[(1, span(1, 2)), (2, span(3, 4))], &[(Some(2), span(5, 6))]), 0);
    assert_eq!(reads(&[(1, span(1, 2)), (2, span(3, 4))], &[(Some(1), span(5, 6))]), 1, "an acknowledged write is lost");
    assert_eq!(reads(&[(1, span(1, 2)), (2, span(3, 6))], &[(Some(1), span(5, 7))]), 0, "it may not have happened yet");
    assert_eq!(reads(&[(1, span(1, 2))], &[(None, span(3, 4))]), 1, "an acknowledged write is lost");
    assert_eq!(reads(&[(1, span(1, 2))], &[(Some(3), span(3, 4))]), 1, "a value that nobody wrote");
    assert_eq!(reads(&[(1, span(5, 6))], &[(Some(1), span(3, 4))]), 1, "a value from the future");
    assert_eq!(reads(&[(1, span(1, 2)), (2, unknown(3))], &[(Some(2), span(4, 5)), (Some(1), span(6, 7))]), 1, "new, then old");
    assert_eq!(reads(&[(1, span(1, 2)), (2, unknown(3))], &[(Some(1), span(4, 5)), (Some(2), span(6, 7))]), 0);
    let to_and_fro = |last| reads(&[(1, span(1, 4)), (2, span(2, 3))], &[(Some(1), span(5, 6)), (Some(last), span(7, 8))]);
    assert!(to_and_fro(2) > 0, "each could be the later one, but not both");
    assert_eq!(to_and_fro(1), 0);
    let in_between = |end| reads(&[(1, span(1, 3)), (2, span(4, end))], &[(Some(1), span(2, 3)), (Some(1), span(6, 7))]);
    assert!(in_between(5) > 0, "it comes and goes while the other is there");
    assert_eq!(in_between(8), 0);

    let id = UploadId::from_bytes([1; 16]);
    let (number, one, two) = (PartNumber::new(1).unwrap(), ETag::Whole([1; 16]), ETag::Whole([2; 16]));
    let list = |etag| vec![CompletedPart { number, etag, checksum: None }];
    let seen = |note: &dyn Fn(&History)| {
        let history = History::default();
        history.uploaded(id, number, one, span(1, 2));
        history.uploaded(id, number, two, span(3, 4));
        note(&history);
        history.contradictions().len()
    };
    assert_eq!(seen(&|_| {}), 0);
    assert_eq!(seen(&|history| history.looked(id, [(number, two)].into(), span(5, 6))), 0);
    assert_eq!(seen(&|history| history.looked(id, [(number, one)].into(), span(5, 6))), 1, "an old part");
    assert_eq!(seen(&|history| history.looked(id, [].into(), span(5, 6))), 2, "both parts are lost");
    assert_eq!(seen(&|history| history.ended(id, Ending::Completed(list(one)), None, span(5, 6))), 1, "of an old part");
    assert_eq!(seen(&|history| history.ended(id, Ending::Completed(list(two)), None, span(5, 6))), 0);
    assert_eq!(seen(&|history| history.found_gone(id, span(5, 6))), 1, "nobody ended it");
    let complete = |history: &History| history.ended(id, Ending::Completed(list(two)), None, span(5, 6));
    let and_aborted = |history: &History| {
        complete(history);
        history.ended(id, Ending::Aborted, None, span(5, 7));
    };
    assert_eq!(seen(&and_aborted), 1, "two winners");
    let and_uploaded = |history: &History| {
        complete(history);
        history.uploaded(id, number, one, span(7, 8));
    };
    assert!(seen(&and_uploaded) > 0, "a part after the end");
    let and_gone = |history: &History| {
        complete(history);
        history.found_gone(id, span(7, 8));
    };
    assert_eq!(seen(&and_gone), 0);
}
