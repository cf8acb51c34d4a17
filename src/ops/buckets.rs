//! Buckets: list, create, head, delete, location, versioning.

use super::{
    Gateway,
    gateway::{COMMIT_TRIES_MAX, LoadedBucket, decode},
    listing::{Walk, corrupt_row},
    usage::end_of_upload,
};
use crate::{
    meta::{
        Check, Write,
        keys::{self, Whose},
        record::{BucketId, BucketRecord, Record, Todo, UploadRecord},
    },
    model::*,
};
use bytes::Bytes;

/// How many open uploads end in one commit when their bucket is deleted.
const UPLOADS_ENDED_MAX: usize = 1000;

impl Gateway {
    /// The root account sees every bucket, others see their own.
    pub(super) async fn list_buckets(&self, operation: &ListBuckets, caller: &Caller) -> Result<Outcome, Failure> {
        let ListBuckets { prefix, after, count_max } = operation;
        let account = caller.account().ok_or(Failure::AccessDenied)?;
        let sees_all = *account == Account::root();
        let mut buckets: Vec<BucketInfo> = Vec::new();
        let mut next = None;
        let mut walk = Walk::new(self, keys::buckets(prefix, after.as_deref()), count_max.saturating_add(1));
        while *count_max > 0
            && let Some((row, value)) = walk.next().await?
        {
            let record: BucketRecord = decode(&value)?;
            if !sees_all && record.owner != *account {
                continue;
            }
            if buckets.len() == *count_max {
                next = buckets.last().map(|last| last.bucket.as_str().to_owned());
                break;
            }
            buckets.push(info(&bucket_of(&row)?, record));
        }
        Ok(Outcome::ListBuckets { owner: account.clone(), buckets, next })
    }

    pub(super) async fn create_bucket(&self, operation: &CreateBucket, caller: &Caller) -> Result<Outcome, Failure> {
        let CreateBucket { bucket, location, acl, storage_class, may_be_own } = operation;
        let owner = caller.account().ok_or(Failure::AccessDenied)?;
        let record = BucketRecord {
            id: BucketId(self.random()),
            owner: owner.clone(),
            created: self.now(),
            location: location.clone(),
            cors: None,
            policy: None,
            tags: None,
            acl: acl.unwrap_or_default(),
            storage_class: storage_class.clone(),
            lifecycle: None,
            referer: None,
            retries_callbacks: true,
        };
        let row = keys::bucket(bucket);
        for _ in 0..COMMIT_TRIES_MAX {
            if self.commit(vec![Check::Absent(row.clone())], vec![Write::Put(row.clone(), record.encode())]).await?.is_none() {
                return Ok(Outcome::CreateBucket);
            }
            match self.load_bucket(bucket).await {
                Ok(existing) if existing.record.owner != *owner => return Err(Failure::BucketAlreadyExists(bucket.clone())),
                Ok(existing) if *may_be_own => return self.create_own_bucket(operation, &existing.record).await,
                Ok(_) => return Err(Failure::BucketAlreadyOwnedByYou(bucket.clone())),
                // Deleted since the commit found it.
                Err(Failure::NoSuchBucket(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::SlowDown)
    }

    /// Creates a bucket that its owner has already: as far as it is the same, its access control list is what can change.
    async fn create_own_bucket(&self, operation: &CreateBucket, existing: &BucketRecord) -> Result<Outcome, Failure> {
        let CreateBucket { bucket, location, acl, storage_class, may_be_own: _ } = operation;
        // What either of the two does not say is the default, whose name the dialect knows.
        let differ =
            |asked: &Option<String>, has: &Option<String>| asked.as_ref().zip(has.as_ref()).is_some_and(|(asked, has)| asked != has);
        if differ(location, &existing.location) {
            return Err(Failure::BucketElsewhere(bucket.clone()));
        }
        if storage_class.is_some() && *storage_class != existing.storage_class {
            return Err(Failure::BucketOfOtherClass(bucket.clone()));
        }
        if let Some(acl) = acl {
            let change = |record: &mut BucketRecord| {
                // By now it could be somebody else's.
                if record.id == existing.id {
                    record.acl = *acl;
                }
            };
            self.update_bucket(bucket, change).await?;
        }
        Ok(Outcome::CreateBucket)
    }

    pub(super) async fn head_bucket(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        Ok(Outcome::HeadBucket(info(operation, self.load_bucket(operation).await?.record)))
    }

    /// Deletes a bucket without objects. Uploads that are still open end with it, as in S3, where they do not keep
    /// a bucket alive.
    ///
    /// Every commit that adds to a bucket checks its row, and the commit here removes the row only while the
    /// bucket holds no object and no other uploads than those it ends. So nothing is left behind in a deleted
    /// bucket, and up to [`UPLOADS_ENDED_MAX`] uploads end only if the bucket is deleted.
    pub(super) async fn delete_bucket(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        const NO_OBJECTS: usize = 1;
        let mut tries_left = COMMIT_TRIES_MAX;
        while tries_left > 0 {
            let LoadedBucket { record, unchanged } = self.load_bucket(operation).await?;
            let uploads = self.scan(keys::uploads(record.id), UPLOADS_ENDED_MAX).await?;
            let is_last = uploads.len() < UPLOADS_ENDED_MAX;
            let mut checks = vec![unchanged, Check::EmptyRange(keys::objects(record.id))];
            let mut writes = Vec::new();
            if is_last {
                checks.extend(nothing_between(&uploads, record.id));
                writes.push(Write::Delete(keys::bucket(operation)));
                writes.push(Write::Delete(keys::quota(&Whose::Bucket(record.id))));
            }
            for (row, value) in uploads {
                self.end_upload(row, value, &mut checks, &mut writes)?;
            }
            match self.commit(checks, writes).await? {
                None if is_last => return Ok(Outcome::Done),
                None => {}
                Some(NO_OBJECTS) => return Err(Failure::BucketNotEmpty(operation.clone())),
                Some(_) => tries_left -= 1,
            }
        }
        Err(Failure::SlowDown)
    }

    pub(super) async fn get_bucket_info(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        Ok(Outcome::GetBucketInfo(info(operation, self.load_bucket(operation).await?.record)))
    }

    pub(super) async fn get_bucket_location(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        Ok(Outcome::GetBucketLocation(info(operation, self.load_bucket(operation).await?.record)))
    }

    pub(super) async fn get_bucket_versioning(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        self.load_bucket(operation).await?;
        Ok(Outcome::GetBucketVersioning)
    }

    /// Adds to a commit that an upload ends as by an abort, if it is still open.
    fn end_upload(&self, row: Bytes, value: Bytes, checks: &mut Vec<Check>, writes: &mut Vec<Write>) -> Result<(), Failure> {
        let (bucket, _, upload) = keys::upload_of(&row).ok_or_else(|| corrupt_row(&row))?;
        let UploadRecord { charge, .. } = decode(&value)?;
        checks.push(Check::Equals(row.to_vec(), value));
        writes.push(Write::Delete(row.to_vec()));
        writes.extend(end_of_upload(bucket, &charge, upload));
        let due = self.now().plus_millis(self.settings.reap_grace_ms);
        let line = keys::todo(due, self.next_sequence());
        // A clock that was set back could repeat a sequence number, and the line it names must not be lost.
        checks.push(Check::Absent(line.clone()));
        writes.push(Write::Put(line, Todo::EndUpload { upload, kept: Vec::new() }.encode()));
        Ok(())
    }
}

/// That a bucket holds no uploads but these, which are in order.
fn nothing_between(uploads: &[(Bytes, Bytes)], bucket: BucketId) -> Vec<Check> {
    let all = keys::uploads(bucket);
    let mut gaps = Vec::with_capacity(uploads.len() + 1);
    let mut from = all.start;
    for (row, _) in uploads {
        gaps.push(Check::EmptyRange(from..row.to_vec()));
        from = keys::successor(row);
    }
    gaps.push(Check::EmptyRange(from..all.end));
    gaps
}

fn info(bucket: &Bucket, record: BucketRecord) -> BucketInfo {
    let BucketRecord { owner, created, location, acl, storage_class, .. } = record;
    BucketInfo { bucket: bucket.clone(), owner, created, location, acl, storage_class }
}

/// The bucket in the key of a bucket's row.
fn bucket_of(row: &[u8]) -> Result<Bucket, Failure> {
    let name = row.strip_prefix(b"B").and_then(|name| std::str::from_utf8(name).ok());
    name.and_then(Bucket::new).ok_or_else(|| corrupt_row(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::index_fixture::{Fixture, NOW, bucket, bucket_record, caller, key, object_record, upload_id, upload_record};

    fn create(name: &str) -> Operation {
        Operation::CreateBucket(CreateBucket {
            bucket: bucket(name),
            location: Some("eu-west-1".to_owned()),
            acl: None,
            storage_class: None,
            may_be_own: false,
        })
    }

    async fn list(fixture: &Fixture, account: &str, prefix: &str, after: Option<&str>, count_max: usize) -> (Vec<String>, Option<String>) {
        let operation = ListBuckets { prefix: prefix.to_owned(), after: after.map(str::to_owned), count_max };
        match fixture.execute_as(caller(account), Operation::ListBuckets(operation)).await.unwrap() {
            Outcome::ListBuckets { owner, buckets, next } => {
                assert_eq!(owner, Account(account.to_owned()));
                (buckets.into_iter().map(|info| info.bucket.as_str().to_owned()).collect(), next)
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_bucket_is_created_once_and_told_whose_it_is() {
        let fixture = Fixture::new();
        assert_eq!(fixture.execute_as(caller("alice"), create("photos")).await, Ok(Outcome::CreateBucket));
        let again = fixture.execute_as(caller("alice"), create("photos")).await;
        assert_eq!(again, Err(Failure::BucketAlreadyOwnedByYou(bucket("photos"))));
        let others = fixture.execute_as(caller("bob"), create("photos")).await;
        assert_eq!(others, Err(Failure::BucketAlreadyExists(bucket("photos"))));
        assert_eq!(fixture.execute_as(Caller::Anonymous, create("movies")).await, Err(Failure::AccessDenied));

        let expected = BucketInfo {
            acl: crate::model::Acl::Private,
            storage_class: None,
            bucket: bucket("photos"),
            owner: Account("alice".to_owned()),
            created: NOW,
            location: Some("eu-west-1".to_owned()),
        };
        let head = fixture.execute(Operation::HeadBucket(bucket("photos"))).await;
        assert_eq!(head, Ok(Outcome::HeadBucket(expected.clone())));
        let told = fixture.execute(Operation::GetBucketInfo(bucket("photos"))).await;
        assert_eq!(told, Ok(Outcome::GetBucketInfo(expected.clone())));
        let location = fixture.execute(Operation::GetBucketLocation(bucket("photos"))).await;
        assert_eq!(location, Ok(Outcome::GetBucketLocation(expected.clone())));
        let acl = fixture.execute(Operation::GetBucketAcl(bucket("photos"))).await;
        assert_eq!(acl, Ok(Outcome::Acl { owner: expected.owner, acl: Some(Acl::Private) }));
        let versioning = fixture.execute(Operation::GetBucketVersioning(bucket("photos"))).await;
        assert_eq!(versioning, Ok(Outcome::GetBucketVersioning));
    }

    #[tokio::test]
    async fn a_bucket_that_may_be_ones_own_keeps_class_and_place_and_gets_the_acl_that_is_asked_for() {
        let fixture = Fixture::new();
        let plain = CreateBucket { bucket: bucket("photos"), location: None, acl: None, storage_class: None, may_be_own: true };
        let create = |create: &CreateBucket| fixture.execute(Operation::CreateBucket(create.clone()));
        let placed = CreateBucket {
            location: Some("oss-cn-hangzhou".to_owned()),
            storage_class: Some("IA".to_owned()),
            acl: Some(Acl::PublicRead),
            ..plain.clone()
        };
        let acl = async || fixture.gateway.bucket_access(&bucket("photos")).await.unwrap().unwrap().acl;
        assert_eq!(create(&placed).await, Ok(Outcome::CreateBucket));
        for same in [&placed, &plain] {
            assert_eq!(create(same).await, Ok(Outcome::CreateBucket));
            assert_eq!(acl().await, Acl::PublicRead, "what is not said does not change");
        }
        let elsewhere = CreateBucket { location: Some("oss-cn-beijing".to_owned()), acl: Some(Acl::Private), ..plain.clone() };
        assert_eq!(create(&elsewhere).await, Err(Failure::BucketElsewhere(bucket("photos"))));
        let other_class = CreateBucket { storage_class: Some("Archive".to_owned()), acl: Some(Acl::Private), ..plain.clone() };
        assert_eq!(create(&other_class).await, Err(Failure::BucketOfOtherClass(bucket("photos"))));
        assert_eq!(acl().await, Acl::PublicRead, "what is refused changes nothing");
        assert_eq!(create(&CreateBucket { acl: Some(Acl::Private), ..plain.clone() }).await, Ok(Outcome::CreateBucket));
        assert_eq!(acl().await, Acl::Private);
        let others = fixture.execute_as(caller("bob"), Operation::CreateBucket(plain)).await;
        assert_eq!(others, Err(Failure::BucketAlreadyExists(bucket("photos"))));
    }

    #[tokio::test]
    async fn a_bucket_created_again_is_another_one() {
        let fixture = Fixture::new();
        let id = async || {
            fixture.execute(create("photos")).await.unwrap();
            fixture.gateway.load_bucket(&bucket("photos")).await.unwrap().record.id
        };
        let first = id().await;
        fixture.execute(Operation::DeleteBucket(bucket("photos"))).await.unwrap();
        assert_ne!(first, id().await);
    }

    #[tokio::test]
    async fn what_is_asked_of_no_bucket_is_no_such_bucket() {
        let fixture = Fixture::new();
        for operation in [
            Operation::HeadBucket(bucket("none")),
            Operation::DeleteBucket(bucket("none")),
            Operation::GetBucketLocation(bucket("none")),
            Operation::GetBucketVersioning(bucket("none")),
            Operation::GetBucketAcl(bucket("none")),
        ] {
            assert_eq!(fixture.execute(operation.clone()).await, Err(Failure::NoSuchBucket(bucket("none"))), "{operation:?}");
        }
    }

    #[tokio::test]
    async fn root_lists_all_buckets_and_others_their_own() {
        let fixture = Fixture::new();
        for (name, owner) in [("a-1", "alice"), ("b-1", "bob"), ("a-2", "alice"), ("c-1", "root"), ("a-3", "alice")] {
            fixture.execute_as(caller(owner), create(name)).await.unwrap();
        }
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(list(&fixture, "root", "", None, 10).await, (owned(&["a-1", "a-2", "a-3", "b-1", "c-1"]), None));
        assert_eq!(list(&fixture, "alice", "", None, 10).await, (owned(&["a-1", "a-2", "a-3"]), None));
        assert_eq!(list(&fixture, "bob", "", None, 1).await, (owned(&["b-1"]), None), "what others own does not make it truncated");
        assert_eq!(list(&fixture, "root", "a-", Some("a-1"), 1).await, (owned(&["a-2"]), Some("a-2".to_owned())));
        assert_eq!(list(&fixture, "root", "a-", Some("a-2"), 1).await, (owned(&["a-3"]), None));
        assert_eq!(list(&fixture, "root", "b", Some("a-2"), 9).await, (owned(&["b-1"]), None));
        assert_eq!(list(&fixture, "root", "a", Some("c"), 9).await, (vec![], None));
        assert_eq!(list(&fixture, "root", "", None, 0).await, (vec![], None));
        let everything = ListBuckets { prefix: String::new(), after: None, count_max: usize::MAX };
        assert_eq!(fixture.execute_as(Caller::Anonymous, Operation::ListBuckets(everything)).await, Err(Failure::AccessDenied));
    }

    async fn delete(fixture: &Fixture) -> Result<Outcome, Failure> {
        fixture.execute(Operation::DeleteBucket(bucket("photos"))).await
    }

    async fn todos(fixture: &Fixture) -> Vec<Todo> {
        fixture.rows(keys::table(b'T')).await.iter().map(|(_, value)| Todo::decode(value).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_bucket_with_objects_stays_and_so_do_its_uploads() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_object(id, "cat.jpg").await;
        fixture.put_upload(id, "dog.jpg", upload_id(1)).await;
        assert_eq!(delete(&fixture).await, Err(Failure::BucketNotEmpty(bucket("photos"))));
        assert!(fixture.row(&keys::bucket(&bucket("photos"))).await.is_some());
        assert_eq!(fixture.rows(keys::uploads(id)).await.len(), 1);
        assert_eq!(todos(&fixture).await, []);
    }

    #[tokio::test]
    async fn a_deleted_bucket_takes_its_open_uploads_with_it_however_many() {
        for count in [0, 1, 2, UPLOADS_ENDED_MAX - 1, UPLOADS_ENDED_MAX, 2 * UPLOADS_ENDED_MAX + 500] {
            let fixture = Fixture::new();
            let id = fixture.put_bucket("photos").await;
            let other = fixture.put_bucket("movies").await;
            fixture.put_upload(other, "untouched", upload_id(0)).await;
            let uploads: Vec<_> = (0..count).rev().map(|age| upload_id(age as i64)).collect();
            for upload in &uploads {
                fixture.put_upload(id, "dog.jpg", *upload).await;
            }
            assert_eq!(delete(&fixture).await, Ok(Outcome::Done), "{count} uploads");
            assert_eq!(fixture.row(&keys::bucket(&bucket("photos"))).await, None);
            assert_eq!(fixture.rows(keys::uploads(id)).await, []);
            let expected: Vec<_> = uploads.iter().map(|&upload| Todo::EndUpload { upload, kept: vec![] }).collect();
            assert_eq!(todos(&fixture).await, expected);
            assert_eq!(fixture.rows(keys::uploads(other)).await.len(), 1);
        }
    }

    #[tokio::test]
    async fn an_object_put_meanwhile_keeps_the_bucket_and_its_uploads() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_upload(id, "dog.jpg", upload_id(1)).await;
        fixture.index.before_commit(vec![Write::Put(keys::object(id, &key("cat.jpg")), object_record().encode())]);
        assert_eq!(delete(&fixture).await, Err(Failure::BucketNotEmpty(bucket("photos"))));
        assert!(fixture.row(&keys::bucket(&bucket("photos"))).await.is_some());
        assert_eq!(fixture.rows(keys::uploads(id)).await.len(), 1);
    }

    #[tokio::test]
    async fn uploads_begun_meanwhile_end_too_wherever_they_sort() {
        for meanwhile in ["a", "dog.jpg", "z"] {
            let fixture = Fixture::new();
            let id = fixture.put_bucket("photos").await;
            fixture.put_upload(id, "cat.jpg", upload_id(9)).await;
            fixture.put_upload(id, "elk.jpg", upload_id(9)).await;
            fixture.index.before_commit(vec![Write::Put(keys::upload(id, &key(meanwhile), &upload_id(1)), upload_record().encode())]);
            assert_eq!(delete(&fixture).await, Ok(Outcome::Done), "{meanwhile}");
            assert_eq!(fixture.rows(keys::uploads(id)).await, [], "{meanwhile}");
            assert_eq!(todos(&fixture).await.len(), 3, "{meanwhile}: the commit that failed left nothing");
        }
    }

    #[tokio::test]
    async fn an_upload_that_ends_meanwhile_is_not_ended_twice() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_upload(id, "cat.jpg", upload_id(1)).await;
        fixture.index.before_commit(vec![Write::Delete(keys::upload(id, &key("cat.jpg"), &upload_id(1)))]);
        assert_eq!(delete(&fixture).await, Ok(Outcome::Done));
        assert_eq!(todos(&fixture).await, []);
    }

    #[tokio::test]
    async fn what_others_left_to_do_is_not_overwritten() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_upload(id, "cat.jpg", upload_id(1)).await;
        let due = NOW.plus_millis(fixture.gateway.settings.reap_grace_ms);
        let next = fixture.gateway.next_sequence() + 1;
        let left = Todo::ForgetCompleted(upload_id(7));
        fixture.put_row(keys::todo(due, next), left.encode()).await;
        assert_eq!(delete(&fixture).await, Ok(Outcome::Done));
        assert_eq!(todos(&fixture).await, [left, Todo::EndUpload { upload: upload_id(1), kept: vec![] }]);
    }

    #[tokio::test]
    async fn a_bucket_changed_or_deleted_meanwhile_is_looked_at_again() {
        let fixture = Fixture::new();
        fixture.put_bucket("photos").await;
        let row = keys::bucket(&bucket("photos"));
        let changed = BucketRecord { tags: Some(Tags::default()), ..bucket_record("photos") };
        fixture.index.before_commit(vec![Write::Put(row.clone(), changed.encode())]);
        assert_eq!(delete(&fixture).await, Ok(Outcome::Done));

        fixture.put_bucket("photos").await;
        fixture.index.before_commit(vec![Write::Delete(row)]);
        assert_eq!(delete(&fixture).await, Err(Failure::NoSuchBucket(bucket("photos"))));
    }

    #[tokio::test]
    async fn a_bucket_deleted_between_the_commit_and_the_look_is_created_all_the_same() {
        let fixture = Fixture::new();
        let row = keys::bucket(&bucket("photos"));
        // There is one when the first commit checks, and none when the second does.
        fixture.index.before_commit(vec![Write::Put(row.clone(), bucket_record("photos").encode())]);
        fixture.index.after_conflict(vec![Write::Delete(row)]);
        assert_eq!(fixture.execute(create("photos")).await, Ok(Outcome::CreateBucket));
    }
}
