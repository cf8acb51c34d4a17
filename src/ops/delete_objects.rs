//! DeleteObject and DeleteObjects.

use super::{
    Gateway,
    conditions::{check_write, lost_every_race},
    gateway::COMMIT_TRIES_MAX,
    publish::Batch,
};
use crate::model::*;
use futures_util::{StreamExt, stream};

/// Deletes of one request under way at once: their commits share syncs.
const DELETES_AT_ONCE: usize = 32;

impl Gateway {
    pub(super) async fn delete_object(&self, operation: &DeleteObject) -> Result<Outcome, Failure> {
        let ObjectRef { bucket, key } = &operation.object;
        self.delete(bucket, key, operation.if_match.clone()).await?;
        Ok(Outcome::Done)
    }

    pub(super) async fn delete_objects(&self, operation: &DeleteObjects) -> Result<Outcome, Failure> {
        self.load_bucket(&operation.bucket).await?;
        let deletes = operation.objects.clone().into_iter().map(|(key, if_match)| async move {
            let deleted = self.delete(&operation.bucket, &key, if_match).await;
            (key, deleted)
        });
        Ok(Outcome::DeleteObjects(stream::iter(deletes).buffered(DELETES_AT_ONCE).collect().await))
    }

    /// Removes the object under a key, if there is one.
    async fn delete(&self, bucket: &Bucket, key: &ObjectKey, if_match: Option<ETagCondition>) -> Result<(), Failure> {
        let conditions = WriteConditions { if_match, ..WriteConditions::default() };
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = self.load_bucket(bucket).await?;
            let slot = self.object_slot(bucket.record.id, key).await?;
            check_write(&conditions, key, slot.current.as_ref())?;
            if slot.current.is_none() {
                return Ok(());
            }
            let mut batch = Batch::default();
            self.replace(&mut batch, &bucket, &slot, None);
            if self.publish(batch).await? {
                return Ok(());
            }
        }
        Err(lost_every_race(&conditions, key))
    }
}
