//! What a gateway should answer: maps, whole bytes, and every digest computed anew over them.

use crate::gateway::RETENTION_MS;
use partway::{
    digest::{self, CrcKind, Hasher},
    model::*,
};
use std::collections::BTreeMap;

/// Everything there is.
pub(crate) struct Reference {
    /// The time, which may go back.
    pub(crate) now: Timestamp,
    /// The latest time since the last start: what the reaper goes by.
    pub(crate) steady: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) buckets: BTreeMap<Bucket, BucketState>,
    pub(crate) completed: BTreeMap<UploadId, CompletedState>,
    /// How many buckets there have been.
    lives: u64,
}

pub(crate) struct BucketState {
    life: u64,
    pub(crate) created: Timestamp,
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    pub(crate) uploads: BTreeMap<(ObjectKey, UploadId), Upload>,
}

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) head: ObjectRead,
    /// One for an object written in one piece.
    pub(crate) parts: Vec<(Vec<u8>, Option<Checksum>)>,
    /// What a symbolic link stands for.
    target: Option<ObjectKey>,
}

pub(crate) struct Upload {
    pub(crate) initiated: Timestamp,
    attributes: Attributes,
    pub(crate) declared: Option<(ChecksumAlgorithm, ChecksumType)>,
    sequential: bool,
    pub(crate) parts: BTreeMap<PartNumber, Part>,
    pub(crate) last_activity: Timestamp,
    pub(crate) bytes_held: u64,
}

#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    last_modified: Timestamp,
    pub(crate) checksum: Option<Checksum>,
}

pub(crate) struct CompletedState {
    life: u64,
    pub(crate) object: ObjectRef,
    pub(crate) list: Vec<CompletedPart>,
    pub(crate) takes_all: bool,
    answer: Outcome,
    forget_at: Timestamp,
}

/// An answer and the bytes that go with it.
pub(crate) type Answer = (Result<Outcome, Failure>, Option<Vec<u8>>);

pub(crate) fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

pub(crate) fn etag(bytes: &[u8]) -> ETag {
    ETag::Whole(digest::md5(bytes))
}

impl Object {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect()
    }

    fn in_one_piece(bytes: Vec<u8>, checksum: Checksum, attributes: Attributes, now: Timestamp) -> Self {
        let head = ObjectRead {
            object_type: ObjectType::Normal,
            size: bytes.len() as u64,
            etag: etag(&bytes),
            last_modified: now,
            attributes,
            checksum: Some(ObjectChecksum { value: checksum.clone(), composite_of: None }),
            crc64_ecma: CrcKind::Crc64Ecma.of_bytes(&bytes),
            part_count: None,
            selected: Selected::Whole,
        };
        Self { head, parts: vec![(bytes, Some(checksum))], target: None }
    }
}

impl Reference {
    pub(crate) fn new(now: Timestamp, limits: Limits) -> Self {
        Self { now, steady: now, limits, buckets: BTreeMap::new(), completed: BTreeMap::new(), lives: 0 }
    }

    /// What the reaper does that a caller can tell: answers are forgotten that nobody who is reading may need.
    pub(crate) fn reap(&mut self, oldest_read: Option<Timestamp>) {
        let until = oldest_read.map_or(self.steady, |oldest| self.steady.min(oldest.plus_millis(-1)));
        self.completed.retain(|_, completed| completed.forget_at > until);
    }

    /// What rules lead to in a bucket, if there is one: how many objects are deleted and how many uploads aborted.
    pub(crate) fn expire(&mut self, bucket: &Bucket, rules: &LifecycleConfiguration) -> (u64, u64) {
        let now = self.now;
        let Ok(state) = self.bucket_mut(bucket) else { return (0, 0) };
        let is_over = |expiry: Option<Expiry>, since: Timestamp| match expiry {
            None => false,
            Some(Expiry::Date(date)) => now >= date,
            Some(Expiry::CreatedBefore(date)) => since < date,
            Some(Expiry::Days(_)) => panic!("days are longer than a sequence"),
        };
        let about = |rule: &LifecycleRule, key: &ObjectKey| rule.enabled && key.as_str().as_bytes().starts_with(rule.prefix.as_bytes());
        let (objects, uploads) = (state.objects.len(), state.uploads.len());
        state.objects.retain(|key, object| {
            let ObjectRead { size, last_modified, attributes, .. } = &object.head;
            !rules.rules.iter().any(|rule| {
                let sizes = rule.size_above.map_or(0, |above| above + 1)..rule.size_below.unwrap_or(u64::MAX);
                let tags = rule.tags.0.iter().filter(|tag| !attributes.tags.0.contains(tag)).count();
                about(rule, key) && is_over(rule.expiration, *last_modified) && sizes.contains(size) && tags == 0
            })
        });
        state.uploads.retain(|(key, _), upload| {
            !rules.rules.iter().any(|rule| about(rule, key) && rule.tags.0.is_empty() && is_over(rule.abort_uploads, upload.initiated))
        });
        ((objects - state.objects.len()) as u64, (uploads - state.uploads.len()) as u64)
    }

    /// Carries out an operation. Of what was answered only the id of a new upload is taken over.
    pub(crate) fn apply(&mut self, operation: &Operation, body: &[u8], answered: &Result<Outcome, Failure>) -> Answer {
        if let Operation::GetObject(read) = operation {
            return match self.read(read) {
                Ok((head, bytes)) => (Ok(Outcome::GetObject(head)), Some(bytes)),
                Err(failure) => (Err(failure), None),
            };
        }
        let expected = match operation {
            Operation::ListBuckets(list) => Ok(self.list_buckets(list)),
            Operation::CreateBucket(create) => self.create_bucket(&create.bucket),
            Operation::DeleteBucket(bucket) => self.delete_bucket(bucket),
            Operation::HeadObject(read) => self.read(read).map(|(head, _)| Outcome::HeadObject(head)),
            Operation::PutObject(put) => self.put(put, body),
            Operation::DeleteObject(delete) => self.delete(&delete.object, delete.if_match.as_ref()).map(|()| Outcome::Done),
            Operation::DeleteObjects(delete) => self.delete_objects(delete),
            Operation::CopyObject(copy) => self.copy(copy),
            Operation::AppendObject(append) => self.append(append, body),
            Operation::PutSymlink(link) => self.put_symlink(link),
            Operation::GetSymlink(link) => self.get_symlink(link),
            Operation::GetObjectAcl(object) => self.acl(object),
            Operation::PutObjectAcl(object, acl) => self.put_acl(object, *acl),
            Operation::GetObjectTagging(object) => self.object(object).map(|object| Outcome::Tagging(object.head.attributes.tags.clone())),
            Operation::PutObjectTagging(object, tags) => self.tag(object, tags.clone()),
            Operation::DeleteObjectTagging(object) => self.tag(object, Tags::default()),
            Operation::CreateMultipartUpload(create) => self.create_upload(create, answered),
            Operation::UploadPart(upload) => self.upload_part(upload, body),
            Operation::UploadPartCopy(copy) => self.upload_part_copy(copy),
            Operation::CompleteMultipartUpload(complete) => self.complete(complete),
            Operation::AbortMultipartUpload(object, id) => self.abort(object, *id),
            Operation::ListObjects(list) => self.list_objects(list),
            Operation::ListParts(list) => self.list_parts(list),
            Operation::ListMultipartUploads(list) => self.list_uploads(list),
            other => panic!("{} is not in the model", other.name()),
        };
        (expected, None)
    }

    pub(crate) fn bucket(&self, bucket: &Bucket) -> Result<&BucketState, Failure> {
        self.buckets.get(bucket).ok_or_else(|| Failure::NoSuchBucket(bucket.clone()))
    }

    fn bucket_mut(&mut self, bucket: &Bucket) -> Result<&mut BucketState, Failure> {
        self.buckets.get_mut(bucket).ok_or_else(|| Failure::NoSuchBucket(bucket.clone()))
    }

    fn object(&self, object: &ObjectRef) -> Result<&Object, Failure> {
        self.bucket(&object.bucket)?.objects.get(&object.key).ok_or_else(|| Failure::NoSuchKey(object.key.clone()))
    }

    pub(crate) fn is_link(&self, object: &ObjectRef) -> bool {
        self.object(object).is_ok_and(|found| found.target.is_some())
    }

    /// What a reader of an object sees: of a link its target's bytes.
    fn followed(&self, object: &ObjectRef) -> Result<Object, Failure> {
        let found = self.object(object)?;
        let Some(target) = &found.target else { return Ok(found.clone()) };
        let behind = self.bucket(&object.bucket)?.objects.get(target).ok_or_else(|| Failure::SymlinkTargetMissing(target.clone()))?;
        if behind.target.is_some() {
            return Err(Failure::SymlinkTargetIsLink(target.clone()));
        }
        let ObjectRead { attributes, last_modified, object_type, .. } = found.head.clone();
        let last_modified = last_modified.max(behind.head.last_modified);
        Ok(Object { head: ObjectRead { attributes, last_modified, object_type, ..behind.head.clone() }, ..behind.clone() })
    }

    pub(crate) fn upload(&self, object: &ObjectRef, id: UploadId) -> Result<&Upload, Failure> {
        let found = self.bucket(&object.bucket)?.uploads.get(&(object.key.clone(), id));
        found.ok_or_else(|| Failure::NoSuchUpload(id.to_string()))
    }

    fn check_write(&self, object: &ObjectRef, conditions: &WriteConditions) -> Result<(), Failure> {
        let current = self.bucket(&object.bucket)?.objects.get(&object.key);
        match (&conditions.if_match, current) {
            (Some(_), None) => return Err(Failure::NoSuchKey(object.key.clone())),
            (Some(ETagCondition::OneOf(listed)), Some(object)) if !listed.contains(&object.head.etag) => {
                return Err(Failure::PreconditionFailed("If-Match"));
            }
            (Some(_) | None, _) => {}
        }
        match current {
            Some(_) if conditions.if_absent => Err(Failure::PreconditionFailed("If-None-Match")),
            Some(_) if conditions.forbid_overwrite => Err(Failure::ObjectExists(object.key.clone())),
            Some(_) | None => Ok(()),
        }
    }

    fn create_bucket(&mut self, bucket: &Bucket) -> Result<Outcome, Failure> {
        if self.buckets.contains_key(bucket) {
            return Err(Failure::BucketAlreadyOwnedByYou(bucket.clone()));
        }
        self.lives += 1;
        let state = BucketState { life: self.lives, created: self.now, objects: BTreeMap::new(), uploads: BTreeMap::new() };
        self.buckets.insert(bucket.clone(), state);
        Ok(Outcome::CreateBucket)
    }

    fn delete_bucket(&mut self, bucket: &Bucket) -> Result<Outcome, Failure> {
        if !self.bucket(bucket)?.objects.is_empty() {
            return Err(Failure::BucketNotEmpty(bucket.clone()));
        }
        self.buckets.remove(bucket);
        Ok(Outcome::Done)
    }

    fn read(&self, read: &ReadObject) -> Result<(ObjectRead, Vec<u8>), Failure> {
        let object = &self.followed(&read.object)?;
        let means = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::OneOf(listed) => listed.contains(&object.head.etag),
        };
        if read.conditions.if_match.as_ref().is_some_and(|condition| !means(condition)) {
            return Err(Failure::PreconditionFailed("If-Match"));
        }
        if read.conditions.if_none_match.as_ref().is_some_and(means) {
            return Err(Failure::NotModified { etag: object.head.etag, last_modified: object.head.last_modified });
        }
        let bytes = object.bytes();
        let (selected, range) = select(object, read.selection)?;
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        Ok((ObjectRead { selected, ..object.head.clone() }, bytes[range].to_vec()))
    }

    fn put(&mut self, put: &PutObject, body: &[u8]) -> Result<Outcome, Failure> {
        self.check_write(&put.object, &put.conditions)?;
        self.check_body(&put.claims, body)?;
        let algorithm = put.claims.checksum_algorithm().unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let object = Object::in_one_piece(body.to_vec(), checksum(algorithm, body), put.attributes.clone(), self.now);
        let ObjectRead { etag, checksum, size, crc64_ecma, .. } = object.head.clone();
        self.bucket_mut(&put.object.bucket)?.objects.insert(put.object.key.clone(), object);
        Ok(Outcome::PutObject { crc64_ecma, event: None, etag, checksum: checksum.expect("it has one"), size })
    }

    fn append(&mut self, append: &AppendObject, body: &[u8]) -> Result<Outcome, Failure> {
        let current = self.bucket(&append.object.bucket)?.objects.get(&append.object.key);
        let size = match current {
            Some(object) if object.head.object_type != ObjectType::Appendable => {
                return Err(Failure::NotAppendable(append.object.key.clone()));
            }
            Some(object) => object.head.size,
            None => 0,
        };
        if size != append.position {
            return Err(Failure::AppendPositionMismatch { size });
        }
        self.check_body(&append.claims, body)?;
        let now = self.now;
        let object = match current {
            Some(object) if body.is_empty() => object.clone(),
            _ => {
                let whole = [current.map_or(vec![], Object::bytes), body.to_vec()].concat();
                let value = checksum(ChecksumAlgorithm::Crc64Nvme, &whole);
                let attributes = current.map_or_else(|| append.attributes.clone(), |object| object.head.attributes.clone());
                let mut object = Object::in_one_piece(whole, value, attributes, now);
                object.head.object_type = ObjectType::Appendable;
                // The ETag is the MD5 of the one before and of what was appended, and counts the appends; the first is that of
                // the first bytes.
                if let Some(before) = current.map(|object| object.head.etag) {
                    let part_count = match before {
                        ETag::Whole(_) => 2,
                        ETag::Multipart { part_count, .. } => part_count + 1,
                    };
                    let digest = digest::md5(&[*before.digest(), digest::md5(body)].concat());
                    object.head.etag = ETag::Multipart { digest, part_count };
                }
                object
            }
        };
        let ObjectRead { etag, size, crc64_ecma, .. } = object.head.clone();
        self.bucket_mut(&append.object.bucket)?.objects.insert(append.object.key.clone(), object);
        Ok(Outcome::AppendObject { etag, next_position: size, crc64_ecma })
    }

    fn put_symlink(&mut self, link: &PutSymlink) -> Result<Outcome, Failure> {
        self.check_write(&link.object, &link.conditions)?;
        let head = ObjectRead {
            object_type: ObjectType::Symlink,
            size: 0,
            etag: etag(link.target.as_str().as_bytes()),
            last_modified: self.now,
            attributes: link.attributes.clone(),
            checksum: None,
            crc64_ecma: 0,
            part_count: None,
            selected: Selected::Whole,
        };
        let object = Object { head, parts: vec![], target: Some(link.target.clone()) };
        self.bucket_mut(&link.object.bucket)?.objects.insert(link.object.key.clone(), object);
        self.get_symlink(&link.object)
    }

    fn get_symlink(&self, link: &ObjectRef) -> Result<Outcome, Failure> {
        let Object { head: ObjectRead { etag, last_modified, .. }, target, .. } = self.object(link)?.clone();
        let target = target.ok_or_else(|| Failure::NotSymlink(link.key.clone()))?;
        Ok(Outcome::Symlink { target, etag, last_modified })
    }

    fn acl(&self, object: &ObjectRef) -> Result<Outcome, Failure> {
        Ok(Outcome::Acl { owner: Account::root(), acl: self.object(object)?.head.attributes.acl })
    }

    fn put_acl(&mut self, object: &ObjectRef, acl: Option<Acl>) -> Result<Outcome, Failure> {
        self.object(object)?;
        let found = self.bucket_mut(&object.bucket)?.objects.get_mut(&object.key);
        found.expect("it was just there").head.attributes.acl = acl;
        Ok(Outcome::Done)
    }

    fn check_body(&self, claims: &BodyClaims, body: &[u8]) -> Result<(), Failure> {
        let (size, size_max) = (claims.size.unwrap_or(body.len() as u64), self.limits.part_size_bytes_max);
        if size > size_max {
            return Err(Failure::TooLarge { size, size_max });
        }
        if size != body.len() as u64 {
            return Err(Failure::IncompleteBody);
        }
        let actual = digest::md5(body);
        if let Some(expected) = claims.md5.filter(|expected| *expected != actual) {
            return Err(Failure::Md5Mismatch { expected, actual });
        }
        let actual = CrcKind::Crc64Ecma.of_bytes(body);
        if let Some(expected) = claims.crc64_ecma.filter(|expected| *expected != actual) {
            return Err(Failure::Crc64Mismatch { expected, actual });
        }
        match &claims.checksum {
            Some(claimed) if *claimed != checksum(claimed.algorithm(), body) => Err(Failure::ChecksumMismatch(claimed.algorithm())),
            Some(_) | None => Ok(()),
        }
    }

    fn delete(&mut self, object: &ObjectRef, if_match: Option<&ETagCondition>) -> Result<(), Failure> {
        self.check_write(object, &WriteConditions { forbid_overwrite: false, if_match: if_match.cloned(), if_absent: false })?;
        self.bucket_mut(&object.bucket)?.objects.remove(&object.key);
        Ok(())
    }

    fn delete_objects(&mut self, delete: &DeleteObjects) -> Result<Outcome, Failure> {
        self.bucket(&delete.bucket)?;
        let deleted = delete.objects.iter().map(|(key, if_match)| {
            let object = ObjectRef { bucket: delete.bucket.clone(), key: key.clone() };
            (key.clone(), self.delete(&object, if_match.as_ref()))
        });
        Ok(Outcome::DeleteObjects(deleted.collect()))
    }

    fn copy(&mut self, copy: &CopyObject) -> Result<Outcome, Failure> {
        let source = self.followed(&copy.source)?;
        let has = source.head.checksum.as_ref().expect("every object has one").value.algorithm();
        let algorithm = copy.checksum_algorithm.unwrap_or(has);
        let nothing_replaced = copy.metadata == Directive::Copy && copy.tags == Directive::Copy;
        let class_changes = copy.storage_class.is_some() && copy.storage_class != source.head.attributes.headers.storage_class;
        let acl_changes = copy.acl.is_some() && copy.acl != source.head.attributes.acl;
        if copy.source == copy.target && nothing_replaced && algorithm == has && !class_changes && !acl_changes {
            return Err(Failure::CopyOntoItself);
        }
        let bytes = source.bytes();
        let (mut headers, user) = match &copy.metadata {
            Directive::Copy => (source.head.attributes.headers.clone(), source.head.attributes.user.clone()),
            Directive::Replace(replacement) => replacement.clone(),
        };
        headers.storage_class.clone_from(&copy.storage_class);
        let tags = match &copy.tags {
            Directive::Copy => source.head.attributes.tags.clone(),
            Directive::Replace(tags) => tags.clone(),
        };
        self.check_write(&copy.target, &copy.conditions)?;
        let value = checksum(algorithm, &bytes);
        let object = Object::in_one_piece(bytes, value, Attributes { acl: copy.acl, headers, user, tags }, self.now);
        let ObjectRead { etag, last_modified, checksum, crc64_ecma, .. } = object.head.clone();
        self.bucket_mut(&copy.target.bucket)?.objects.insert(copy.target.key.clone(), object);
        Ok(Outcome::CopyObject { crc64_ecma, etag, last_modified, checksum })
    }

    fn tag(&mut self, object: &ObjectRef, tags: Tags) -> Result<Outcome, Failure> {
        self.object(object)?;
        let found = self.bucket_mut(&object.bucket)?.objects.get_mut(&object.key);
        found.expect("it was just there").head.attributes.tags = tags;
        Ok(Outcome::Done)
    }

    fn create_upload(&mut self, create: &CreateMultipartUpload, answered: &Result<Outcome, Failure>) -> Result<Outcome, Failure> {
        let now = self.now;
        self.check_write(&create.object, &create.conditions)?;
        let bucket = self.bucket_mut(&create.object.bucket)?;
        // The id is the gateway's to choose, but it must be new and tell the time.
        let upload_id = match answered {
            Ok(Outcome::CreateMultipartUpload { upload_id, .. }) => *upload_id,
            Ok(_) | Err(_) => UploadId::new(now, [0; 10]),
        };
        let begins = UploadId::new(now, [0; 10]);
        assert_eq!(upload_id.as_bytes()[..6], begins.as_bytes()[..6], "an upload id begins with the time");
        let upload = Upload {
            initiated: now,
            attributes: create.attributes.clone(),
            declared: create.checksum,
            sequential: create.sequential,
            parts: BTreeMap::new(),
            last_activity: now,
            bytes_held: 0,
        };
        let earlier = bucket.uploads.insert((create.object.key.clone(), upload_id), upload);
        assert!(earlier.is_none(), "an upload id comes once");
        Ok(Outcome::CreateMultipartUpload { upload_id, checksum: create.checksum })
    }

    /// An upload that a part of this number may be uploaded to.
    fn open_for(&self, object: &ObjectRef, id: UploadId, number: PartNumber) -> Result<&Upload, Failure> {
        let upload = self.upload(object, id)?;
        let before = PartNumber::new(u64::from(number.get()) - 1);
        let follows = before.is_none_or(|before| upload.parts.contains_key(&before));
        if upload.sequential && !follows { Err(Failure::PartNotSequential { number }) } else { Ok(upload) }
    }

    fn upload_part(&mut self, upload: &UploadPart, body: &[u8]) -> Result<Outcome, Failure> {
        let declared = self.open_for(&upload.object, upload.upload_id, upload.part_number)?.declared;
        let claimed = upload.claims.checksum_algorithm();
        if let Some((expected, kind)) = declared
            && claimed != Some(expected)
            && (claimed.is_some() || kind == ChecksumType::Composite)
        {
            return Err(Failure::ChecksumAlgorithmMismatch { expected, actual: claimed });
        }
        self.check_body(&upload.claims, body)?;
        let algorithm = claimed.or(declared.map(|(algorithm, _)| algorithm));
        let part = self.add_part(&upload.object, upload.upload_id, upload.part_number, body.to_vec(), algorithm)?;
        let crc64_ecma = CrcKind::Crc64Ecma.of_bytes(body);
        Ok(Outcome::UploadPart { etag: etag(body), checksum: part.checksum, crc64_ecma })
    }

    fn add_part(
        &mut self,
        object: &ObjectRef,
        id: UploadId,
        number: PartNumber,
        bytes: Vec<u8>,
        algorithm: Option<ChecksumAlgorithm>,
    ) -> Result<Part, Failure> {
        let now = self.now;
        let found = self.bucket_mut(&object.bucket)?.uploads.get_mut(&(object.key.clone(), id));
        let upload = found.ok_or_else(|| Failure::NoSuchUpload(id.to_string()))?;
        upload.last_activity = upload.last_activity.max(now);
        upload.bytes_held += bytes.len() as u64;
        let part = Part { checksum: algorithm.map(|algorithm| checksum(algorithm, &bytes)), bytes, last_modified: now };
        upload.parts.insert(number, part.clone());
        Ok(part)
    }

    fn upload_part_copy(&mut self, copy: &UploadPartCopy) -> Result<Outcome, Failure> {
        let declared = self.open_for(&copy.object, copy.upload_id, copy.part_number)?.declared;
        let bytes = self.followed(&copy.source)?.bytes();
        let size = bytes.len() as u64;
        let bytes = match copy.source_range {
            None => bytes,
            Some((first, last)) if last.unwrap_or(first) >= size => return Err(Failure::CopyRangeInvalid { size }),
            Some((first, None)) => bytes[usize::try_from(first).unwrap()..].to_vec(),
            Some((first, Some(last))) => bytes[usize::try_from(first).unwrap()..=usize::try_from(last).unwrap()].to_vec(),
        };
        let size_max = self.limits.part_size_bytes_max;
        if bytes.len() as u64 > size_max {
            return Err(Failure::CopySourceTooLarge { size_max });
        }
        let algorithm = declared.map(|(algorithm, _)| algorithm);
        let part = self.add_part(&copy.object, copy.upload_id, copy.part_number, bytes, algorithm)?;
        let crc64_ecma = CrcKind::Crc64Ecma.of_bytes(&part.bytes);
        Ok(Outcome::UploadPartCopy { crc64_ecma, etag: etag(&part.bytes), last_modified: part.last_modified, checksum: part.checksum })
    }

    fn complete(&mut self, complete: &CompleteMultipartUpload) -> Result<Outcome, Failure> {
        let id = complete.upload_id;
        let bucket = self.bucket(&complete.object.bucket)?;
        let Ok(upload) = self.upload(&complete.object, id) else {
            let same = |completed: &&CompletedState| {
                let same_list = completed.list == complete.parts && completed.takes_all == complete.takes_all_parts;
                completed.life == bucket.life && completed.object == complete.object && same_list
            };
            let completed = self.completed.get(&id).filter(same);
            return completed.map(|completed| completed.answer.clone()).ok_or_else(|| Failure::NoSuchUpload(id.to_string()));
        };
        let object = self.assembled(complete, upload)?;
        self.check_write(&complete.object, &complete.conditions)?;
        let ObjectRead { etag, checksum, size, crc64_ecma, .. } = object.head.clone();
        let answer = Outcome::CompleteMultipartUpload { event: None, etag, checksum, size, crc64_ecma };
        let completed = CompletedState {
            life: bucket.life,
            object: complete.object.clone(),
            list: complete.parts.clone(),
            takes_all: complete.takes_all_parts,
            answer: answer.clone(),
            forget_at: self.steady.plus_millis(RETENTION_MS),
        };
        self.completed.insert(id, completed);
        let bucket = self.bucket_mut(&complete.object.bucket)?;
        bucket.uploads.remove(&(complete.object.key.clone(), id));
        bucket.objects.insert(complete.object.key.clone(), object);
        Ok(answer)
    }

    fn assembled(&self, complete: &CompleteMultipartUpload, upload: &Upload) -> Result<Object, Failure> {
        let upload_id = complete.upload_id;
        let is_composite = matches!(upload.declared, Some((_, ChecksumType::Composite)));
        let all = upload.parts.iter().map(|(&number, part)| CompletedPart {
            number,
            etag: etag(&part.bytes),
            checksum: part.checksum.clone().filter(|_| is_composite),
        });
        let list = &if complete.takes_all_parts { all.collect() } else { complete.parts.clone() };
        if list.is_empty() {
            return Err(Failure::NoParts);
        }
        if list.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(Failure::PartsOutOfOrder { upload_id });
        }
        let invalid = |listed: &CompletedPart| Failure::PartInvalid { upload_id, number: listed.number, etag: listed.etag };
        let mut parts = Vec::new();
        for listed in list {
            let part = upload.parts.get(&listed.number).filter(|part| etag(&part.bytes) == listed.etag);
            parts.push(part.ok_or_else(|| invalid(listed))?);
        }
        let size_min = self.limits.part_size_bytes_min;
        for (listed, part) in list.iter().zip(&parts[..parts.len() - 1]) {
            let size = part.bytes.len() as u64;
            if size < size_min {
                return Err(Failure::PartTooSmall { number: listed.number, etag: listed.etag, size, size_min });
            }
        }
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.bytes.iter().copied()).collect();
        let (size, size_max) = (bytes.len() as u64, self.limits.object_size_bytes_max);
        if size > size_max {
            return Err(Failure::TooLarge { size, size_max });
        }
        for (listed, part) in list.iter().zip(&parts) {
            match (&listed.checksum, upload.declared) {
                (None, Some((algorithm, ChecksumType::Composite))) => {
                    return Err(Failure::PartChecksumMissing { number: listed.number, algorithm });
                }
                (None, _) => {}
                (Some(given), _) if *given != checksum(given.algorithm(), &part.bytes) => return Err(invalid(listed)),
                (Some(_), _) => {}
            }
        }
        let consecutive = (1..).zip(list).all(|(number, listed): (u16, _)| listed.number.get() == number);
        if upload.declared.is_some() && list.iter().any(|listed| listed.checksum.is_some()) && !consecutive {
            return Err(Failure::PartsOutOfOrder { upload_id });
        }
        if let Some(expected) = complete.object_size.filter(|&expected| expected != size) {
            return Err(Failure::ObjectSizeMismatch { expected, actual: size });
        }
        let part_count = u16::try_from(parts.len()).expect("few parts");
        let md5s: Vec<u8> = parts.iter().flat_map(|part| digest::md5(&part.bytes)).collect();
        let object_checksum = match upload.declared {
            Some((algorithm, ChecksumType::Composite)) => {
                let digests: Vec<u8> = parts.iter().flat_map(|part| checksum(algorithm, &part.bytes).digest().to_vec()).collect();
                ObjectChecksum { value: checksum(algorithm, &digests), composite_of: Some(part_count) }
            }
            Some((algorithm, ChecksumType::FullObject)) => ObjectChecksum { value: checksum(algorithm, &bytes), composite_of: None },
            None => ObjectChecksum { value: checksum(ChecksumAlgorithm::Crc64Nvme, &bytes), composite_of: None },
        };
        let head = ObjectRead {
            object_type: ObjectType::Multipart,
            size,
            etag: ETag::Multipart { digest: digest::md5(&md5s), part_count },
            last_modified: self.now,
            attributes: upload.attributes.clone(),
            checksum: Some(object_checksum),
            crc64_ecma: CrcKind::Crc64Ecma.of_bytes(&bytes),
            part_count: Some(part_count),
            selected: Selected::Whole,
        };
        let of_declared = |part: &&Part| upload.declared.map(|(algorithm, _)| checksum(algorithm, &part.bytes));
        Ok(Object { head, parts: parts.iter().map(|part| (part.bytes.clone(), of_declared(part))).collect(), target: None })
    }

    fn abort(&mut self, object: &ObjectRef, id: UploadId) -> Result<Outcome, Failure> {
        self.upload(object, id)?;
        self.bucket_mut(&object.bucket)?.uploads.remove(&(object.key.clone(), id));
        Ok(Outcome::Done)
    }

    fn list_parts(&self, list: &ListParts) -> Result<Outcome, Failure> {
        let upload = self.upload(&list.object, list.upload_id)?;
        let above: Vec<_> = upload.parts.iter().filter(|(number, _)| u32::from(number.get()) > list.part_number_marker).collect();
        let summary = |&(&number, part): &(&PartNumber, &Part)| PartSummary {
            number,
            size: part.bytes.len() as u64,
            etag: etag(&part.bytes),
            last_modified: part.last_modified,
            checksum: part.checksum.clone(),
            crc64_ecma: CrcKind::Crc64Ecma.of_bytes(&part.bytes),
        };
        Ok(Outcome::ListParts(PartListing {
            owner: Account::root(),
            initiator: Account::root(),
            storage_class: None,
            checksum: upload.declared,
            parts: above.iter().take(list.count_max).map(summary).collect(),
            is_truncated: list.count_max > 0 && above.len() > list.count_max,
        }))
    }
}

/// Which bytes a selection means.
fn select(object: &Object, selection: Selection) -> Result<(Selected, ByteRange), Failure> {
    let size = object.head.size;
    let bytes = |start, end| ByteRange { start, end };
    let range = |range| Ok((Selected::Range(range), range));
    match selection {
        Selection::Whole => Ok((Selected::Whole, bytes(0, size))),
        Selection::Range(RangeRequest::FromTo(first, last)) if first < size => range(bytes(first, last.min(size - 1) + 1)),
        Selection::Range(RangeRequest::From(first)) if first < size => range(bytes(first, size)),
        Selection::Range(RangeRequest::Suffix(count)) if count > 0 => range(bytes(size - count.min(size), size)),
        Selection::RangeWithin(RangeRequest::FromTo(first, last)) if last < size => range(bytes(first, last + 1)),
        Selection::RangeWithin(RangeRequest::From(first)) if first < size => range(bytes(first, size)),
        Selection::RangeWithin(RangeRequest::Suffix(count)) if 0 < count && count <= size => range(bytes(size - count, size)),
        Selection::RangeWithin(_) => Ok((Selected::Whole, bytes(0, size))),
        Selection::Range(_) => Err(Failure::RangeNotSatisfiable { size }),
        Selection::Part(number) => {
            let index = usize::from(number.get()) - 1;
            let Some((part, checksum)) = object.parts.get(index) else {
                return Err(Failure::NoSuchPart { number, count: object.parts.len() as u16 });
            };
            let start: usize = object.parts[..index].iter().map(|(part, _)| part.len()).sum();
            let range = bytes(start as u64, (start + part.len()) as u64);
            Ok((Selected::Part { range, checksum: checksum.clone() }, range))
        }
    }
}
