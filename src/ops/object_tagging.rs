//! Object tags.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn get_object_tagging(&self, operation: &ObjectRef) -> Result<Outcome, Failure> {
        let bucket = self.load_bucket(&operation.bucket).await?.record;
        let object = self.object_slot(bucket.id, &operation.key).await?.current;
        let object = object.ok_or_else(|| Failure::NoSuchKey(operation.key.clone()))?;
        Ok(Outcome::Tagging(object.attributes.tags))
    }

    /// The object stays the same one: its ETag and time of modification do not change.
    pub(super) async fn put_object_tagging(&self, operation: &ObjectRef, tags: &Tags) -> Result<Outcome, Failure> {
        self.update_object(operation, |record| record.attributes.tags = tags.clone()).await
    }

    pub(super) async fn delete_object_tagging(&self, operation: &ObjectRef) -> Result<Outcome, Failure> {
        self.put_object_tagging(operation, &Tags::default()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::index_fixture::{Fixture, bucket, key, object, object_record};
    use crate::{
        meta::{
            Write, keys,
            record::{ObjectRecord, Record},
        },
        ops::gateway::COMMIT_TRIES_MAX,
    };

    fn tags(value: &str) -> Tags {
        Tags(vec![("team".to_owned(), value.to_owned())])
    }

    #[tokio::test]
    async fn tags_change_and_nothing_else_of_the_object_does() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_object(id, "cat.jpg").await;
        let cat = object("photos", "cat.jpg");
        let get = || fixture.execute(Operation::GetObjectTagging(cat.clone()));
        assert_eq!(get().await, Ok(Outcome::Tagging(Tags::default())));
        assert_eq!(fixture.execute(Operation::PutObjectTagging(cat.clone(), tags("blue"))).await, Ok(Outcome::Done));
        assert_eq!(get().await, Ok(Outcome::Tagging(tags("blue"))));
        let mut expected = object_record();
        expected.attributes.tags = tags("blue");
        assert_eq!(ObjectRecord::decode(&fixture.row(&keys::object(id, &cat.key)).await.unwrap()), Ok(expected));
        assert_eq!(fixture.execute(Operation::DeleteObjectTagging(cat.clone())).await, Ok(Outcome::Done));
        assert_eq!(ObjectRecord::decode(&fixture.row(&keys::object(id, &cat.key)).await.unwrap()), Ok(object_record()));
    }

    #[tokio::test]
    async fn the_object_must_be_there() {
        let fixture = Fixture::new();
        let absent = object("photos", "cat.jpg");
        let all = [
            Operation::GetObjectTagging(absent.clone()),
            Operation::PutObjectTagging(absent.clone(), tags("blue")),
            Operation::DeleteObjectTagging(absent.clone()),
        ];
        for operation in &all {
            assert_eq!(fixture.execute(operation.clone()).await, Err(Failure::NoSuchBucket(bucket("photos"))));
        }
        fixture.put_bucket("photos").await;
        for operation in &all {
            assert_eq!(fixture.execute(operation.clone()).await, Err(Failure::NoSuchKey(key("cat.jpg"))));
        }
    }

    #[tokio::test]
    async fn an_object_overwritten_or_deleted_meanwhile_is_tagged_as_it_is_then() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_object(id, "cat.jpg").await;
        let cat = object("photos", "cat.jpg");
        let row = keys::object(id, &cat.key);
        let mut newer = ObjectRecord { size: 99, ..object_record() };
        fixture.index.before_commit(vec![Write::Put(row.clone(), newer.encode())]);
        fixture.execute(Operation::PutObjectTagging(cat.clone(), tags("blue"))).await.unwrap();
        newer.attributes.tags = tags("blue");
        assert_eq!(ObjectRecord::decode(&fixture.row(&row).await.unwrap()), Ok(newer));

        fixture.index.before_commit(vec![Write::Delete(row.clone())]);
        let put = fixture.execute(Operation::PutObjectTagging(cat.clone(), tags("red"))).await;
        assert_eq!(put, Err(Failure::NoSuchKey(cat.key.clone())));
        assert_eq!(fixture.row(&row).await, None);
    }

    #[tokio::test]
    async fn who_never_wins_the_race_is_told_to_slow_down() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_object(id, "cat.jpg").await;
        for size in 0..COMMIT_TRIES_MAX as u64 {
            let newer = ObjectRecord { size, ..object_record() };
            fixture.index.before_commit(vec![Write::Put(keys::object(id, &key("cat.jpg")), newer.encode())]);
        }
        let put = fixture.execute(Operation::PutObjectTagging(object("photos", "cat.jpg"), tags("blue"))).await;
        assert_eq!(put, Err(Failure::SlowDown));
    }
}
