//! From a seed and the state of the model to the next step: mostly sensible requests, some that must be refused.

use crate::{
    gateway::{Dice, GRACE_MS, INLINE_MAX, RETENTION_MS, number},
    reference::{self, Reference},
};
use partway::{digest::CrcKind, model::*};

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// One request with its body.
    Run(Operation, Vec<u8>),
    /// A listing, page after page.
    Pages(Operation),
    /// A read whose bytes are asked for later.
    Hold(ReadObject),
    /// The bytes of a read that was held.
    Release(usize),
    Pass {
        millis: i64,
    },
    Reap,
    /// A bucket is given rules, and they are carried out.
    Expire(Bucket, LifecycleConfiguration),
    Restart,
}

/// Names of buckets and keys: few, so that requests meet, and such that they sort and roll up in interesting ways.
pub(crate) const BUCKETS: [&str; 3] = ["alpha", "beta", "beta.2"];
const KEYS: [&str; 11] = ["a", "a/", "a/b", "a/b/c", "a0", "b", "b//x", "b\0", "b\0\u{1}", "é/é", "\u{10FFFF}"];
const PREFIXES: [&str; 7] = ["", "", "a", "a/", "b", "é", "none"];
const DELIMITERS: [&str; 5] = ["", "/", "/", "//", "b"];

/// Time that passes; clocks are set back, too.
const PASSING_MS: [i64; 10] = [0, 1, 999, GRACE_MS / 2, GRACE_MS, GRACE_MS, RETENTION_MS / 2, -1, -GRACE_MS, -3_600_000];

const ACLS: [Option<Acl>; 3] = [None, Some(Acl::Private), Some(Acl::PublicRead)];

const CHECKSUMS: [Option<(ChecksumAlgorithm, ChecksumType)>; 7] = [
    None,
    None,
    None,
    Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject)),
    Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject)),
    Some((ChecksumAlgorithm::Crc32c, ChecksumType::Composite)),
    Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite)),
];

/// The step of a seed. `held` is the number of reads that are held; `ended` are uploads that were open once.
pub(crate) fn step(seed: u64, model: &Reference, held: usize, ended: &[(ObjectRef, UploadId)]) -> Step {
    let mut plan = Plan { dice: Dice::new(seed), model, ended };
    if model.buckets.is_empty() && !plan.dice.one_in(8) {
        return Step::Run(
            Operation::CreateBucket(CreateBucket {
                acl: None,
                may_be_own: false,
                storage_class: None,
                bucket: plan.bucket(),
                location: None,
            }),
            vec![],
        );
    }
    let nothing_open = model.buckets.values().all(|bucket| bucket.uploads.is_empty());
    match plan.dice.below(119) {
        41..81 if nothing_open && !plan.dice.one_in(5) => plan.create_upload(),
        0..4 => Step::Run(
            Operation::CreateBucket(CreateBucket {
                acl: None,
                may_be_own: false,
                storage_class: None,
                bucket: plan.bucket(),
                location: None,
            }),
            vec![],
        ),
        4 => Step::Run(Operation::DeleteBucket(plan.bucket()), vec![]),
        5..17 => plan.put(),
        17..22 => Step::Run(Operation::GetObject(plan.read()), vec![]),
        22..24 => Step::Run(Operation::HeadObject(plan.read()), vec![]),
        24..28 => Step::Run(Operation::DeleteObject(plan.delete()), vec![]),
        28..30 => plan.delete_objects(),
        30..38 => plan.copy(),
        38..41 => plan.tagging(),
        41..45 => plan.create_upload(),
        45..62 => plan.upload_part(),
        62..68 => plan.upload_part_copy(),
        68..70 => plan.list_parts(),
        70..79 => plan.complete(),
        79..81 => plan.abort(),
        81..84 => plan.list_uploads(),
        84..88 => plan.list_objects(),
        88..90 => Step::Hold(plan.read()),
        90..92 if held > 0 => Step::Release(plan.dice.below(held)),
        90..96 => Step::Pass { millis: *plan.dice.pick(&PASSING_MS) },
        96..99 => Step::Reap,
        99..106 => plan.append(),
        106..112 => plan.link(),
        112..115 => plan.acl(),
        115..118 => plan.expire(),
        _ => Step::Restart,
    }
}

struct Plan<'a> {
    dice: Dice,
    model: &'a Reference,
    ended: &'a [(ObjectRef, UploadId)],
}

impl Plan<'_> {
    /// Mostly one that exists.
    fn bucket(&mut self) -> Bucket {
        let existing: Vec<_> = self.model.buckets.keys().collect();
        match existing.is_empty() || self.dice.one_in(10) {
            true => Bucket::new(self.dice.pick::<&str>(&BUCKETS)).expect("a bucket name"),
            false => (*self.dice.pick(&existing)).clone(),
        }
    }

    fn key(&mut self) -> ObjectKey {
        ObjectKey::new(*self.dice.pick(&KEYS)).expect("an object key")
    }

    fn any_object(&mut self) -> ObjectRef {
        ObjectRef { bucket: self.bucket(), key: self.key() }
    }

    /// Mostly one that exists.
    fn object(&mut self) -> ObjectRef {
        let all = self.model.buckets.iter();
        let existing: Vec<_> = all.flat_map(|(bucket, state)| state.objects.keys().map(move |key| (bucket, key))).collect();
        if existing.is_empty() || self.dice.one_in(8) {
            return self.any_object();
        }
        let (bucket, key) = *self.dice.pick(&existing);
        ObjectRef { bucket: bucket.clone(), key: key.clone() }
    }

    /// Mostly one that is open, and of those mostly the oldest, so that it gets many parts.
    fn upload(&mut self) -> (ObjectRef, UploadId) {
        let all = self.model.buckets.iter();
        let mut open: Vec<_> = all.flat_map(|(bucket, state)| state.uploads.keys().map(move |(key, id)| (bucket, key, id))).collect();
        if !self.dice.one_in(4) {
            open.sort_by_key(|(_, _, id)| **id);
            open.truncate(1);
        }
        if !open.is_empty() && !self.dice.one_in(10) {
            let (bucket, key, id) = *self.dice.pick(&open);
            let object = ObjectRef { bucket: bucket.clone(), key: key.clone() };
            return if self.dice.one_in(25) { (self.any_object(), *id) } else { (object, *id) };
        }
        match self.ended.is_empty() || self.dice.one_in(10) {
            true => (self.any_object(), UploadId::new(self.model.now, [7; 10])),
            false => self.dice.pick(self.ended).clone(),
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let inline_max = usize::try_from(INLINE_MAX).expect("small");
        let part_max = usize::try_from(self.model.limits.part_size_bytes_max).expect("small");
        let size = match self.dice.below(12) {
            0 => 0,
            1..4 => self.dice.below(inline_max + 1),
            4 => inline_max,
            5 => inline_max + 1,
            6 => part_max,
            7 if self.dice.one_in(4) => part_max + 1,
            7 | 8 => self.dice.below(part_max + 1),
            _ => inline_max / 2 + self.dice.below(inline_max),
        };
        self.dice.bytes(size)
    }

    /// What is said about a body: nothing, the truth, or not.
    fn claims(&mut self, body: &[u8], algorithm: Option<ChecksumAlgorithm>) -> BodyClaims {
        let mut claims = BodyClaims::default();
        // Only what was announced can be refused without knowing where the pieces of the body end.
        if body.len() as u64 > self.model.limits.part_size_bytes_max || self.dice.one_in(2) {
            claims.size = Some(body.len() as u64);
        }
        claims.checksum = algorithm.map(|algorithm| reference::checksum(algorithm, body));
        match self.dice.below(20) {
            0 => claims.size = Some(body.len() as u64 + 1),
            1 if !body.is_empty() => claims.size = Some(body.len() as u64 - 1),
            2 => claims.md5 = Some([0; 16]),
            3 => claims.md5 = Some(partway::digest::md5(body)),
            5 => claims.crc64_ecma = Some(CrcKind::Crc64Ecma.of_bytes(body)),
            6 => claims.crc64_ecma = Some(1),
            4 if algorithm.is_some() => claims.checksum = algorithm.map(|algorithm| reference::checksum(algorithm, b"something else")),
            _ => {}
        }
        claims
    }

    fn algorithm(&mut self) -> Option<ChecksumAlgorithm> {
        self.dice.one_in(4).then(|| *self.dice.pick(&ChecksumAlgorithm::ALL))
    }

    fn etag_of(&self, object: &ObjectRef) -> Option<ETag> {
        Some(self.model.buckets.get(&object.bucket)?.objects.get(&object.key)?.head.etag)
    }

    fn etag_condition(&mut self, object: &ObjectRef) -> ETagCondition {
        match (self.etag_of(object), self.dice.below(3)) {
            (_, 0) => ETagCondition::Any,
            (Some(etag), 1) => ETagCondition::OneOf(vec![ETag::Whole([0; 16]), etag]),
            (Some(_) | None, _) => ETagCondition::OneOf(vec![ETag::Whole([0; 16])]),
        }
    }

    fn conditions(&mut self, object: &ObjectRef) -> WriteConditions {
        match self.dice.below(10) {
            0 => WriteConditions { forbid_overwrite: false, if_match: None, if_absent: true },
            1 => WriteConditions { forbid_overwrite: false, if_match: Some(self.etag_condition(object)), if_absent: false },
            2 => WriteConditions { forbid_overwrite: true, if_match: None, if_absent: false },
            _ => WriteConditions::default(),
        }
    }

    fn tags(&mut self) -> Tags {
        Tags((0..self.dice.below(3)).map(|index| (format!("tag{index}"), format!("{}", self.dice.below(3)))).collect())
    }

    fn attributes(&mut self) -> Attributes {
        let mut attributes = Attributes { tags: self.tags(), ..Attributes::default() };
        if self.dice.one_in(3) {
            attributes.headers.content_type = Some(format!("text/{}", self.dice.below(3)));
            attributes.user.0.push(("name".to_owned(), self.dice.bytes(3)));
        }
        attributes
    }

    fn put(&mut self) -> Step {
        let (object, body, algorithm) = (self.any_object(), self.body(), self.algorithm());
        let (conditions, claims) = (self.conditions(&object), self.claims(&body, algorithm));
        let mut attributes = self.attributes();
        attributes.headers.storage_class = self.dice.one_in(8).then(|| "STANDARD_IA".to_owned());
        Step::Run(Operation::PutObject(PutObject { callback: None, object, attributes, conditions, claims }), body)
    }

    /// Mostly at the end of an object that may be appended to.
    fn append(&mut self) -> Step {
        let all =
            self.model.buckets.iter().flat_map(|(bucket, state)| state.objects.iter().map(move |(key, object)| (bucket, key, object)));
        let appendable: Vec<_> = all.filter(|(.., object)| object.head.object_type == ObjectType::Appendable).collect();
        let (object, size) = match appendable.is_empty() || self.dice.one_in(6) {
            true => (self.any_object(), 0),
            false => {
                let (bucket, key, object) = *self.dice.pick(&appendable);
                (ObjectRef { bucket: bucket.clone(), key: key.clone() }, object.head.size)
            }
        };
        let position = if self.dice.one_in(8) { size + 1 } else { size };
        let (body, attributes, algorithm) = (self.body(), self.attributes(), self.algorithm());
        let claims = self.claims(&body, algorithm);
        Step::Run(Operation::AppendObject(AppendObject { object, position, attributes, claims }), body)
    }

    fn link(&mut self) -> Step {
        if self.dice.one_in(4) {
            return Step::Run(Operation::GetSymlink(self.object()), vec![]);
        }
        let (object, attributes) = (self.any_object(), self.attributes());
        let (target, conditions) = (if self.dice.one_in(3) { self.key() } else { self.object().key }, self.conditions(&object));
        Step::Run(Operation::PutSymlink(PutSymlink { object, target, attributes, conditions }), vec![])
    }

    fn acl(&mut self) -> Step {
        let object = self.object();
        let acl = *self.dice.pick(&ACLS);
        Step::Run(if self.dice.one_in(3) { Operation::GetObjectAcl(object) } else { Operation::PutObjectAcl(object, acl) }, vec![])
    }

    /// Rules about some of what there is.
    fn expire(&mut self) -> Step {
        let bucket = self.bucket();
        let rules = (0..1 + self.dice.below(3)).map(|_| self.rule()).collect();
        Step::Expire(bucket, LifecycleConfiguration { rules })
    }

    fn rule(&mut self) -> LifecycleRule {
        let tags = if self.dice.one_in(4) { self.attributes().tags } else { Tags::default() };
        let mut size = || self.dice.one_in(4).then(|| self.dice.number() % 60);
        let (size_above, size_below) = (size(), size());
        let mut expiry = || {
            let time = self.model.now.plus_millis(*self.dice.pick(&[-3_600_000, -GRACE_MS, -1_000, 0, 1]));
            let kinds = [None, Some(Expiry::CreatedBefore(time)), Some(Expiry::CreatedBefore(time)), Some(Expiry::Date(time))];
            *self.dice.pick(&kinds)
        };
        let (expiration, abort_uploads) = (expiry(), expiry());
        let (enabled, prefix) = (!self.dice.one_in(5), (*self.dice.pick(&PREFIXES)).to_owned());
        LifecycleRule { id: None, enabled, prefix, tags, size_above, size_below, expiration, abort_uploads }
    }

    fn read(&mut self) -> ReadObject {
        let object = self.object();
        let size = self.model.buckets.get(&object.bucket).and_then(|state| state.objects.get(&object.key)).map_or(0, |it| it.head.size);
        let mut offset = || self.dice.number() % (size + 2);
        let (first, last) = (offset(), offset());
        let selection = match self.dice.below(7) {
            0 => Selection::Range(RangeRequest::FromTo(first.min(last), first.max(last))),
            1 => Selection::Range(RangeRequest::From(first)),
            2 => Selection::Range(RangeRequest::Suffix(first)),
            3 => Selection::RangeWithin(RangeRequest::FromTo(first.min(last), first.max(last))),
            4 => Selection::Part(number(self.dice.number() % 7 + 1)),
            _ => Selection::Whole,
        };
        let mut conditions = ReadConditions::default();
        match self.dice.below(12) {
            0 => conditions.if_match = Some(self.etag_condition(&object)),
            1 => conditions.if_none_match = Some(self.etag_condition(&object)),
            _ => {}
        }
        ReadObject { object, selection, conditions }
    }

    fn delete(&mut self) -> DeleteObject {
        let object = self.object();
        let if_match = self.dice.one_in(6).then(|| self.etag_condition(&object));
        DeleteObject { object, if_match }
    }

    fn delete_objects(&mut self) -> Step {
        let bucket = self.bucket();
        let mut objects: Vec<(ObjectKey, Option<ETagCondition>)> = Vec::new();
        for _ in 0..self.dice.below(5) {
            let object = ObjectRef { bucket: bucket.clone(), key: self.key() };
            if objects.iter().all(|(key, _)| *key != object.key) {
                let if_match = self.dice.one_in(6).then(|| self.etag_condition(&object));
                objects.push((object.key, if_match));
            }
        }
        Step::Run(Operation::DeleteObjects(DeleteObjects { bucket, objects }), vec![])
    }

    fn copy(&mut self) -> Step {
        let source = self.object();
        let target = if self.dice.one_in(6) { source.clone() } else { self.any_object() };
        let conditions = self.conditions(&target);
        let metadata = match self.dice.one_in(4) {
            true => Directive::Replace((self.attributes().headers, UserMetadata::default())),
            false => Directive::Copy,
        };
        let tags = if self.dice.one_in(4) { Directive::Replace(self.tags()) } else { Directive::Copy };
        let copy = CopyObject {
            source,
            source_conditions: ReadConditions::default(),
            target,
            conditions,
            metadata,
            tags,
            storage_class: self.dice.one_in(8).then(|| "STANDARD_IA".to_owned()),
            acl: if self.dice.one_in(8) { *self.dice.pick(&ACLS) } else { None },
            checksum_algorithm: self.algorithm(),
        };
        Step::Run(Operation::CopyObject(copy), vec![])
    }

    fn tagging(&mut self) -> Step {
        let object = self.object();
        let operation = match self.dice.below(4) {
            0 => Operation::GetObjectTagging(object),
            1 => Operation::DeleteObjectTagging(object),
            _ => Operation::PutObjectTagging(object, self.tags()),
        };
        Step::Run(operation, vec![])
    }

    fn create_upload(&mut self) -> Step {
        let (object, attributes, checksum) = (self.any_object(), self.attributes(), *self.dice.pick(&CHECKSUMS));
        let conditions = if self.dice.one_in(6) { self.conditions(&object) } else { WriteConditions::default() };
        Step::Run(
            Operation::CreateMultipartUpload(CreateMultipartUpload {
                conditions,
                sequential: self.dice.one_in(8),
                object,
                attributes,
                checksum,
            }),
            vec![],
        )
    }

    /// Small ones, so that parts are uploaded again, and now and then one far away.
    fn part_number(&mut self) -> PartNumber {
        if self.dice.one_in(12) { number(self.dice.number() % 10_000 + 1) } else { number(self.dice.number() % 7 + 1) }
    }

    fn upload_part(&mut self) -> Step {
        let ((object, upload_id), part_number, body) = (self.upload(), self.part_number(), self.body());
        let declared = self.model.upload(&object, upload_id).ok().and_then(|upload| upload.declared);
        let algorithm = match declared {
            Some((_, ChecksumType::FullObject)) if self.dice.one_in(2) => None,
            Some((algorithm, _)) if !self.dice.one_in(12) => Some(algorithm),
            Some(_) | None => self.algorithm(),
        };
        let claims = self.claims(&body, algorithm);
        Step::Run(Operation::UploadPart(UploadPart { object, upload_id, part_number, claims }), body)
    }

    fn upload_part_copy(&mut self) -> Step {
        let ((object, upload_id), part_number, read) = (self.upload(), self.part_number(), self.read());
        let source_range = match read.selection {
            Selection::Range(RangeRequest::FromTo(first, last)) | Selection::RangeWithin(RangeRequest::FromTo(first, last)) => {
                Some((first, Some(last)))
            }
            Selection::Range(RangeRequest::From(first)) => Some((first, None)),
            Selection::Range(RangeRequest::Suffix(first)) => Some((first / 2, Some(first))),
            Selection::RangeWithin(_) | Selection::Whole | Selection::Part(_) => None,
        };
        let source_conditions = ReadConditions::default();
        let copy = UploadPartCopy { object, upload_id, part_number, source: read.object, source_range, source_conditions };
        Step::Run(Operation::UploadPartCopy(copy), vec![])
    }

    fn complete(&mut self) -> Step {
        let replayed = self.model.completed.iter().nth(self.dice.below(self.model.completed.len().max(1)));
        if let Some((&upload_id, completed)) = replayed
            && self.dice.one_in(4)
        {
            let mut complete = complete_of(completed.object.clone(), upload_id, completed.list.clone());
            complete.takes_all_parts = completed.takes_all;
            match self.dice.below(6) {
                0 => complete.object = self.any_object(),
                1 => drop(complete.parts.pop()),
                _ => {}
            }
            return Step::Run(Operation::CompleteMultipartUpload(complete), vec![]);
        }
        let (mut object, mut upload_id) = self.upload();
        // An upload without parts is of little interest here.
        for _ in 0..2 {
            if self.model.upload(&object, upload_id).is_ok_and(|upload| upload.parts.len() < 3) {
                (object, upload_id) = self.upload();
            }
        }
        if self.model.upload(&object, upload_id).is_ok_and(|upload| upload.parts.is_empty()) && !self.dice.one_in(5) {
            return self.upload_part();
        }
        let conditions = self.conditions(&object);
        let mut parts = match self.model.upload(&object, upload_id) {
            Ok(upload) => {
                let with_checksums = upload.declared.is_some() && !self.dice.one_in(6) || self.dice.one_in(3);
                let listed = upload.parts.iter().map(|(&number, part)| CompletedPart {
                    number,
                    etag: reference::etag(&part.bytes),
                    checksum: part.checksum.clone().filter(|_| with_checksums),
                });
                listed.collect()
            }
            Err(_) => vec![CompletedPart { number: number(1), etag: ETag::Whole([1; 16]), checksum: None }],
        };
        // Most parts are below the smallest size, so that lists without them are what mostly succeeds.
        let is_large = |part: &CompletedPart| {
            let upload = self.model.upload(&object, upload_id).ok();
            upload.is_none_or(|it| it.parts[&part.number].bytes.len() as u64 >= self.model.limits.part_size_bytes_min)
        };
        if !self.dice.one_in(6) {
            parts.retain(is_large);
        }
        // With checksums the numbers must be 1, 2, 3 …
        if parts.iter().any(|part| part.checksum.is_some()) && !self.dice.one_in(5) {
            let consecutive = (1..).zip(&parts).take_while(|(number, part)| part.number.get() == *number).count();
            parts.truncate(consecutive.max(1));
        }
        let listed = |number: &PartNumber| parts.iter().any(|part| part.number == *number);
        let size: u64 = self
            .model
            .upload(&object, upload_id)
            .map_or(0, |upload| upload.parts.iter().filter(|(number, _)| listed(number)).map(|(_, part)| part.bytes.len() as u64).sum());
        let mut object_size = None;
        match self.dice.below(24) {
            0 => parts.clear(),
            1 => parts.reverse(),
            2 => parts.retain(|_| !self.dice.one_in(3)),
            5 => parts.extend(parts.last().cloned()),
            6 => parts.push(CompletedPart { number: number(10_000), etag: ETag::Whole([1; 16]), checksum: None }),
            7 => {
                if let Some(part) = parts.last_mut() {
                    part.etag = ETag::Whole([1; 16]);
                }
            }
            8 => object_size = Some(size),
            10 => object_size = Some(size + 1),
            9 => {
                if let Some(part) = parts.first_mut()
                    && let Some(given) = &part.checksum
                {
                    part.checksum = Some(reference::checksum(given.algorithm(), b"something else"));
                }
            }
            _ => {}
        }
        let takes_all_parts = self.dice.one_in(8);
        if takes_all_parts {
            (parts, object_size) = (vec![], None);
        }
        let complete = CompleteMultipartUpload { conditions, object_size, takes_all_parts, ..complete_of(object, upload_id, parts) };
        Step::Run(Operation::CompleteMultipartUpload(complete), vec![])
    }

    fn abort(&mut self) -> Step {
        let (object, upload_id) = self.upload();
        Step::Run(Operation::AbortMultipartUpload(object, upload_id), vec![])
    }

    fn count(&mut self) -> usize {
        *self.dice.pick(&[0, 1, 1, 2, 2, 3, 5, 1000])
    }

    fn list_parts(&mut self) -> Step {
        let ((object, upload_id), count_max) = (self.upload(), self.count());
        let part_number_marker = if self.dice.one_in(3) { *self.dice.pick(&[1, 3, 9_999, 10_000, 65_535, 100_000]) } else { 0 };
        Step::Pages(Operation::ListParts(ListParts { object, upload_id, part_number_marker, count_max }))
    }

    fn list_objects(&mut self) -> Step {
        let after = self.dice.one_in(3).then(|| format!("{}{}", self.key(), self.dice.pick(&["", "", "0", "/zz"])));
        let list = ListObjects {
            bucket: self.bucket(),
            prefix: (*self.dice.pick(&PREFIXES)).to_owned(),
            delimiter: (*self.dice.pick(&DELIMITERS)).to_owned(),
            after,
            count_max: self.count(),
        };
        Step::Pages(Operation::ListObjects(list))
    }

    fn list_uploads(&mut self) -> Step {
        let (marker, id) = self.upload();
        let key_marker = self.dice.one_in(3).then(|| if self.dice.one_in(3) { self.key() } else { marker.key });
        let upload_id_marker = match self.dice.below(4) {
            0 => Some("nonsense".to_owned()),
            1 => None,
            _ => Some(id.to_string()),
        };
        let list = ListMultipartUploads {
            bucket: self.bucket(),
            prefix: (*self.dice.pick(&PREFIXES)).to_owned(),
            delimiter: (*self.dice.pick(&DELIMITERS)).to_owned(),
            key_marker: key_marker.map(|key| key.as_str().to_owned()),
            upload_id_marker,
            count_max: self.count(),
        };
        Step::Pages(Operation::ListMultipartUploads(list))
    }
}

fn complete_of(object: ObjectRef, upload_id: UploadId, parts: Vec<CompletedPart>) -> CompleteMultipartUpload {
    CompleteMultipartUpload {
        callback: None,
        takes_all_parts: false,
        object,
        upload_id,
        parts,
        conditions: WriteConditions::default(),
        object_size: None,
        checksum: None,
        checksum_type: None,
        refusal: None,
    }
}
