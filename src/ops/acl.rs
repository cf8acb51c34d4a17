//! Who may use a bucket or an object besides its owner: reading and setting it, and what the server asks for before it
//! admits a request.

use super::{
    BucketAccess, Gateway, ObjectAccess,
    gateway::{COMMIT_TRIES_MAX, LoadedBucket},
};
use crate::{
    meta::record::{BucketRecord, ObjectKind, ObjectRecord},
    model::*,
};

impl Gateway {
    /// What must be known of a bucket to admit a request; `None` when there is none.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn bucket_access(&self, bucket: &Bucket) -> Result<Option<BucketAccess>, Failure> {
        match self.load_bucket(bucket).await {
            Ok(LoadedBucket { record, .. }) => {
                let BucketRecord { owner, policy, cors, acl, referer, .. } = record;
                Ok(Some(BucketAccess { owner, policy, cors, acl, referer }))
            }
            Err(Failure::NoSuchBucket(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What must be known of an object to admit a request; nothing of one that is not there. Two reads of the index.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn object_access(&self, object: &ObjectRef) -> Result<ObjectAccess, Failure> {
        let bucket = match self.load_bucket(&object.bucket).await {
            Ok(LoadedBucket { record, .. }) => record.id,
            Err(Failure::NoSuchBucket(_)) => return Ok(ObjectAccess::default()),
            Err(failure) => return Err(failure),
        };
        let Some(record) = self.object_slot(bucket, &object.key).await?.current else { return Ok(ObjectAccess::default()) };
        let link_target = match record.kind {
            ObjectKind::Symlink(target) => Some(ObjectRef { bucket: object.bucket.clone(), key: target }),
            ObjectKind::Plain | ObjectKind::Appendable => None,
        };
        Ok(ObjectAccess { acl: record.attributes.acl, link_target })
    }

    /// An object's own access control list; `None` when it has its bucket's, or is not there.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn object_acl(&self, object: &ObjectRef) -> Result<Option<Acl>, Failure> {
        Ok(self.object_access(object).await?.acl)
    }

    pub(super) async fn get_bucket_acl(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        let BucketRecord { owner, acl, .. } = self.load_bucket(operation).await?.record;
        Ok(Outcome::Acl { owner, acl: Some(acl) })
    }

    pub(super) async fn put_bucket_acl(&self, operation: &Bucket, acl: Acl) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.acl = acl).await
    }

    pub(super) async fn get_object_acl(&self, operation: &ObjectRef) -> Result<Outcome, Failure> {
        let BucketRecord { id, owner, .. } = self.load_bucket(&operation.bucket).await?.record;
        let object = self.object_slot(id, &operation.key).await?.current;
        let object = object.ok_or_else(|| Failure::NoSuchKey(operation.key.clone()))?;
        Ok(Outcome::Acl { owner, acl: object.attributes.acl })
    }

    /// The object stays the same one: its ETag and time of modification do not change.
    pub(super) async fn put_object_acl(&self, operation: &ObjectRef, acl: Option<Acl>) -> Result<Outcome, Failure> {
        self.update_object(operation, |record| record.attributes.acl = acl).await
    }

    /// Changes what an object carries, as it is at the moment of the commit. Its bytes are not to be touched.
    pub(super) async fn update_object(
        &self,
        object: &ObjectRef,
        change: impl Fn(&mut ObjectRecord) + Send + Sync,
    ) -> Result<Outcome, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = self.load_bucket(&object.bucket).await?.record;
            let slot = self.object_slot(bucket.id, &object.key).await?;
            let mut changed = slot.current.clone().ok_or_else(|| Failure::NoSuchKey(object.key.clone()))?;
            change(&mut changed);
            if slot.current.as_ref() == Some(&changed) {
                return Ok(Outcome::Done);
            }
            if self.commit(vec![slot.unchanged()], vec![slot.put(&changed)]).await?.is_none() {
                return Ok(Outcome::Done);
            }
        }
        Err(Failure::SlowDown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::{Write, keys, record::Record},
        ops::index_fixture::{Fixture, bucket, bucket_record, key, object, object_record},
    };

    #[tokio::test]
    async fn a_bucket_has_the_acl_it_was_given() {
        let fixture = Fixture::new();
        let put = |acl| fixture.execute(Operation::PutBucketAcl(bucket("photos"), acl));
        assert_eq!(put(Acl::PublicRead).await, Err(Failure::NoSuchBucket(bucket("photos"))));
        assert_eq!(fixture.gateway.bucket_access(&bucket("photos")).await, Ok(None));
        let create = CreateBucket {
            bucket: bucket("photos"),
            location: None,
            acl: Some(Acl::PublicReadWrite),
            storage_class: Some("IA".to_owned()),
            may_be_own: false,
        };
        fixture.execute(Operation::CreateBucket(create)).await.unwrap();
        for acl in [Acl::PublicReadWrite, Acl::PublicRead, Acl::Private] {
            assert_eq!(put(acl).await, Ok(Outcome::Done));
            let shown = fixture.execute(Operation::GetBucketAcl(bucket("photos"))).await;
            assert_eq!(shown, Ok(Outcome::Acl { owner: Account::root(), acl: Some(acl) }));
            assert_eq!(fixture.gateway.bucket_access(&bucket("photos")).await.unwrap().unwrap().acl, acl);
        }
    }

    #[tokio::test]
    async fn an_object_has_its_own_acl_or_none() {
        let fixture = Fixture::new();
        let cat = object("photos", "cat.jpg");
        let put = |acl| fixture.execute(Operation::PutObjectAcl(cat.clone(), acl));
        let get = || fixture.execute(Operation::GetObjectAcl(cat.clone()));
        for missing in [Failure::NoSuchBucket(bucket("photos")), Failure::NoSuchKey(key("cat.jpg"))] {
            assert_eq!(put(None).await, Err(missing.clone()));
            assert_eq!(get().await, Err(missing));
            assert_eq!(fixture.gateway.object_access(&cat).await, Ok(ObjectAccess::default()));
            fixture.put_bucket("photos").await;
        }
        let id = bucket_record("photos").id;
        fixture.put_object(id, "cat.jpg").await;
        for acl in [None, Some(Acl::Private), Some(Acl::PublicRead), None] {
            assert_eq!(put(acl).await, Ok(Outcome::Done));
            assert_eq!(get().await, Ok(Outcome::Acl { owner: Account::root(), acl }));
            assert_eq!(fixture.gateway.object_acl(&cat).await, Ok(acl));
        }
        let stored = fixture.row(&keys::object(id, &cat.key)).await.unwrap();
        assert_eq!(ObjectRecord::decode(&stored), Ok(object_record()), "nothing else has changed");
    }

    #[tokio::test]
    async fn a_link_tells_its_own_acl_and_where_it_leads() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        let attributes = Attributes { acl: Some(Acl::PublicRead), ..Attributes::default() };
        let link = ObjectRecord { kind: ObjectKind::Symlink(key("cat.jpg")), attributes, ..object_record() };
        fixture.put_row(keys::object(id, &key("link")), link.encode()).await;
        let access = fixture.gateway.object_access(&object("photos", "link")).await.unwrap();
        assert_eq!(access, ObjectAccess { acl: Some(Acl::PublicRead), link_target: Some(object("photos", "cat.jpg")) });
    }

    #[tokio::test]
    async fn an_object_overwritten_meanwhile_gets_the_acl_as_it_is_then() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_object(id, "cat.jpg").await;
        let cat = object("photos", "cat.jpg");
        let row = keys::object(id, &cat.key);
        let newer = ObjectRecord { size: 99, ..object_record() };
        fixture.index.before_commit(vec![Write::Put(row.clone(), newer.encode())]);
        fixture.execute(Operation::PutObjectAcl(cat, Some(Acl::PublicRead))).await.unwrap();
        let attributes = Attributes { acl: Some(Acl::PublicRead), ..Attributes::default() };
        assert_eq!(ObjectRecord::decode(&fixture.row(&row).await.unwrap()), Ok(ObjectRecord { attributes, ..newer }));
    }
}
