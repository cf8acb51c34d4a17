//! What a bucket is configured with: CORS, policy, tags, and what cannot be configured yet.

use super::Gateway;
use crate::model::*;

impl Gateway {
    pub(super) async fn get_bucket_cors(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn put_bucket_cors(&self, _operation: &Bucket, _rules: &CorsConfiguration) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn delete_bucket_cors(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_bucket_policy(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_bucket_policy_status(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn put_bucket_policy(&self, _operation: &Bucket, _document: &str) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn delete_bucket_policy(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_bucket_tagging(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn put_bucket_tagging(&self, _operation: &Bucket, _tags: &Tags) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn delete_bucket_tagging(&self, _operation: &Bucket) -> Result<Outcome, Failure> {
        todo!()
    }

    pub(super) async fn get_absent_configuration(&self, _operation: &Bucket, _kind: AbsentConfiguration) -> Result<Outcome, Failure> {
        todo!()
    }
}
