//! Buckets: list, create, head, delete, location, versioning, ACL.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn list_buckets(&self, _operation: &ListBuckets, _caller: &Caller) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn create_bucket(&self, _operation: &CreateBucket, _caller: &Caller) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn head_bucket(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn delete_bucket(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_bucket_location(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_bucket_versioning(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_bucket_acl(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }
}
