//! What a bucket is configured with: CORS, policy, tags, lifecycle and referer rules, and what cannot be configured yet.

use super::{
    Gateway,
    gateway::{COMMIT_TRIES_MAX, LoadedBucket},
};
use crate::{
    auth::policy,
    meta::{
        Write, keys,
        record::{BucketRecord, Record},
    },
    model::*,
};

impl Gateway {
    pub(super) async fn get_bucket_cors(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        let cors = self.load_bucket(operation).await?.record.cors;
        cors.map(Outcome::Cors).ok_or_else(|| Failure::NoSuchCorsConfiguration(operation.clone()))
    }

    pub(super) async fn put_bucket_cors(&self, operation: &Bucket, rules: &CorsConfiguration) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.cors = Some(rules.clone())).await
    }

    pub(super) async fn delete_bucket_cors(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.cors = None).await
    }

    pub(super) async fn get_bucket_policy(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        self.bucket_policy(operation).await.map(Outcome::Policy)
    }

    pub(super) async fn get_bucket_policy_status(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        let document = self.bucket_policy(operation).await?;
        Ok(Outcome::PolicyStatus { is_public: policy::is_public(&document) })
    }

    /// The bucket is looked for first: its absence is told before the document's faults.
    pub(super) async fn put_bucket_policy(&self, operation: &Bucket, document: &str) -> Result<Outcome, Failure> {
        self.load_bucket(operation).await?;
        policy::validate_bucket_policy(document, operation).map_err(Failure::MalformedPolicy)?;
        self.update_bucket(operation, |record| record.policy = Some(document.to_owned())).await
    }

    pub(super) async fn delete_bucket_policy(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.policy = None).await
    }

    pub(super) async fn get_bucket_tagging(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        let tags = self.load_bucket(operation).await?.record.tags;
        tags.map(Outcome::Tagging).ok_or_else(|| Failure::NoSuchTagSet(operation.clone()))
    }

    /// An empty set is none.
    pub(super) async fn put_bucket_tagging(&self, operation: &Bucket, tags: &Tags) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.tags = Some(tags.clone()).filter(|tags| !tags.0.is_empty())).await
    }

    pub(super) async fn delete_bucket_tagging(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.tags = None).await
    }

    pub(super) async fn get_bucket_lifecycle(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        let rules = self.load_bucket(operation).await?.record.lifecycle;
        rules.map(Outcome::Lifecycle).ok_or_else(|| Failure::NoSuchLifecycle(operation.clone()))
    }

    pub(super) async fn put_bucket_lifecycle(&self, operation: &Bucket, rules: &LifecycleConfiguration) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.lifecycle = Some(rules.clone())).await
    }

    pub(super) async fn delete_bucket_lifecycle(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        self.update_bucket(operation, |record| record.lifecycle = None).await
    }

    /// A bucket without rules has those that let everybody in.
    pub(super) async fn get_bucket_referer(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        Ok(Outcome::Referer(self.load_bucket(operation).await?.record.referer.unwrap_or_default()))
    }

    /// Rules that let everybody in are none: how OSS clients delete them.
    pub(super) async fn put_bucket_referer(&self, operation: &Bucket, rules: &RefererConfiguration) -> Result<Outcome, Failure> {
        let rules = Some(rules.clone()).filter(|rules| *rules != RefererConfiguration::default());
        self.update_bucket(operation, |record| record.referer = rules.clone()).await
    }

    /// Sets whether callbacks of uploads to this bucket that failed are tried again. Operators decide it, clients do not.
    ///
    /// # Errors
    /// `NoSuchBucket`; when the index cannot be written.
    pub async fn set_retries_callbacks(&self, bucket: &Bucket, retries: bool) -> Result<(), Failure> {
        self.update_bucket(bucket, |record| record.retries_callbacks = retries).await.map(drop)
    }

    pub(super) async fn get_absent_configuration(&self, operation: &Bucket, kind: AbsentConfiguration) -> Result<Outcome, Failure> {
        self.load_bucket(operation).await?;
        Err(Failure::NoSuchConfiguration(operation.clone(), kind))
    }

    async fn bucket_policy(&self, bucket: &Bucket) -> Result<String, Failure> {
        let policy = self.load_bucket(bucket).await?.record.policy;
        policy.ok_or_else(|| Failure::NoSuchBucketPolicy(bucket.clone()))
    }

    /// Changes a bucket's record as it is at the moment of the commit, so that two changes of different things at
    /// once both last.
    pub(super) async fn update_bucket(
        &self,
        bucket: &Bucket,
        change: impl Fn(&mut BucketRecord) + Send + Sync,
    ) -> Result<Outcome, Failure> {
        for _ in 0..COMMIT_TRIES_MAX {
            let LoadedBucket { record, unchanged } = self.load_bucket(bucket).await?;
            let mut changed = record.clone();
            change(&mut changed);
            if changed == record {
                return Ok(Outcome::Done);
            }
            if self.commit(vec![unchanged], vec![Write::Put(keys::bucket(bucket), changed.encode())]).await?.is_none() {
                return Ok(Outcome::Done);
            }
        }
        Err(Failure::SlowDown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::index_fixture::{Fixture, bucket, bucket_record};

    fn rules() -> CorsConfiguration {
        let rule = CorsRule { allowed_origins: vec!["*".to_owned()], allowed_methods: vec!["GET".to_owned()], ..CorsRule::default() };
        CorsConfiguration { rules: vec![rule] }
    }

    fn tags() -> Tags {
        Tags(vec![("team".to_owned(), "blue".to_owned())])
    }

    #[tokio::test]
    async fn cors_rules_are_kept_until_deleted() {
        let fixture = Fixture::new();
        fixture.put_bucket("photos").await;
        let absent = Err(Failure::NoSuchCorsConfiguration(bucket("photos")));
        let get = || fixture.execute(Operation::GetBucketCors(bucket("photos")));
        assert_eq!(get().await, absent);
        assert_eq!(fixture.execute(Operation::PutBucketCors(bucket("photos"), rules())).await, Ok(Outcome::Done));
        assert_eq!(get().await, Ok(Outcome::Cors(rules())));
        assert_eq!(fixture.execute(Operation::DeleteBucketCors(bucket("photos"))).await, Ok(Outcome::Done));
        assert_eq!(get().await, absent);
        assert_eq!(fixture.execute(Operation::DeleteBucketCors(bucket("photos"))).await, Ok(Outcome::Done), "deleting what is absent");
    }

    #[tokio::test]
    async fn tags_are_kept_until_deleted() {
        let fixture = Fixture::new();
        fixture.put_bucket("photos").await;
        let absent = Err(Failure::NoSuchTagSet(bucket("photos")));
        let get = || fixture.execute(Operation::GetBucketTagging(bucket("photos")));
        assert_eq!(get().await, absent);
        assert_eq!(fixture.execute(Operation::PutBucketTagging(bucket("photos"), tags())).await, Ok(Outcome::Done));
        assert_eq!(get().await, Ok(Outcome::Tagging(tags())));
        for empty in [Operation::DeleteBucketTagging(bucket("photos")), Operation::PutBucketTagging(bucket("photos"), Tags::default())] {
            fixture.execute(Operation::PutBucketTagging(bucket("photos"), tags())).await.unwrap();
            assert_eq!(fixture.execute(empty).await, Ok(Outcome::Done));
            assert_eq!(get().await, absent);
        }
    }

    #[tokio::test]
    async fn lifecycle_rules_are_kept_until_deleted() {
        let fixture = Fixture::new();
        fixture.put_bucket("photos").await;
        let absent = Err(Failure::NoSuchLifecycle(bucket("photos")));
        let get = || fixture.execute(Operation::GetBucketLifecycle(bucket("photos")));
        assert_eq!(get().await, absent);
        let rules = LifecycleConfiguration { rules: vec![LifecycleRule { expiration: Some(Expiry::Days(1)), ..LifecycleRule::default() }] };
        assert_eq!(fixture.execute(Operation::PutBucketLifecycle(bucket("photos"), rules.clone())).await, Ok(Outcome::Done));
        assert_eq!(get().await, Ok(Outcome::Lifecycle(rules)));
        assert_eq!(fixture.execute(Operation::DeleteBucketLifecycle(bucket("photos"))).await, Ok(Outcome::Done));
        assert_eq!(get().await, absent);
    }

    #[tokio::test]
    async fn referer_rules_let_everybody_in_until_set() {
        let fixture = Fixture::new();
        fixture.put_bucket("photos").await;
        let get = || fixture.execute(Operation::GetBucketReferer(bucket("photos")));
        let rules = RefererConfiguration { allowed: vec!["http://a".to_owned()], ..RefererConfiguration::default() };
        for rules in [RefererConfiguration::default(), rules, RefererConfiguration::default()] {
            assert_eq!(fixture.execute(Operation::PutBucketReferer(bucket("photos"), rules.clone())).await, Ok(Outcome::Done));
            assert_eq!(get().await, Ok(Outcome::Referer(rules)));
        }
        assert_eq!(fixture.gateway.load_bucket(&bucket("photos")).await.unwrap().record, bucket_record("photos"));
    }

    #[tokio::test]
    async fn an_operator_decides_whether_callbacks_are_tried_again() {
        let fixture = Fixture::new();
        let photos = bucket("photos");
        assert_eq!(fixture.gateway.set_retries_callbacks(&photos, false).await, Err(Failure::NoSuchBucket(photos.clone())));
        fixture.put_bucket("photos").await;
        for retries in [false, true] {
            fixture.gateway.set_retries_callbacks(&photos, retries).await.unwrap();
            let record = fixture.gateway.load_bucket(&photos).await.unwrap().record;
            assert_eq!(record, BucketRecord { retries_callbacks: retries, ..bucket_record("photos") });
        }
    }

    fn policy(bucket: &str, principal: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
        )
    }

    #[tokio::test]
    async fn a_policy_is_kept_as_sent_and_says_whether_it_is_public() {
        let fixture = Fixture::new();
        let absent = Err(Failure::NoSuchBucketPolicy(bucket("photos")));
        let put = |document: &str| fixture.execute(Operation::PutBucketPolicy(bucket("photos"), document.to_owned()));
        let get = || fixture.execute(Operation::GetBucketPolicy(bucket("photos")));
        let status = || fixture.execute(Operation::GetBucketPolicyStatus(bucket("photos")));
        assert_eq!(put("nonsense").await, Err(Failure::NoSuchBucket(bucket("photos"))), "the bucket is looked for first");
        fixture.put_bucket("photos").await;
        assert_eq!((get().await, status().await), (absent.clone(), absent.clone()));

        let public = policy("photos", r#""*""#);
        assert_eq!(put(&public).await, Ok(Outcome::Done));
        assert_eq!(get().await, Ok(Outcome::Policy(public.clone())));
        assert_eq!(status().await, Ok(Outcome::PolicyStatus { is_public: true }));

        for malformed in ["nonsense", &policy("movies", r#""*""#)] {
            let refused = put(malformed).await;
            assert!(matches!(refused, Err(Failure::MalformedPolicy(_))), "{refused:?}");
        }
        assert_eq!(get().await, Ok(Outcome::Policy(public)), "what was refused changed nothing");

        let private = policy("photos", r#"{"AWS":["alice"]}"#);
        assert_eq!(put(&private).await, Ok(Outcome::Done));
        assert_eq!(status().await, Ok(Outcome::PolicyStatus { is_public: false }));
        assert_eq!(fixture.execute(Operation::DeleteBucketPolicy(bucket("photos"))).await, Ok(Outcome::Done));
        assert_eq!(get().await, absent);
    }

    #[tokio::test]
    async fn changes_of_different_things_at_once_both_last() {
        let fixture = Fixture::new();
        fixture.put_bucket("photos").await;
        let tagged = BucketRecord { tags: Some(tags()), ..bucket_record("photos") };
        fixture.index.before_commit(vec![Write::Put(keys::bucket(&bucket("photos")), tagged.encode())]);
        fixture.execute(Operation::PutBucketCors(bucket("photos"), rules())).await.unwrap();
        let record = fixture.gateway.load_bucket(&bucket("photos")).await.unwrap().record;
        assert_eq!(record, BucketRecord { cors: Some(rules()), ..tagged });
    }

    #[tokio::test]
    async fn a_bucket_deleted_meanwhile_does_not_come_back() {
        let fixture = Fixture::new();
        fixture.put_bucket("photos").await;
        fixture.index.before_commit(vec![Write::Delete(keys::bucket(&bucket("photos")))]);
        let put = fixture.execute(Operation::PutBucketTagging(bucket("photos"), tags())).await;
        assert_eq!(put, Err(Failure::NoSuchBucket(bucket("photos"))));
        assert_eq!(fixture.row(&keys::bucket(&bucket("photos"))).await, None);
    }

    #[tokio::test]
    async fn what_cannot_be_configured_is_absent_and_of_no_bucket_no_such_bucket() {
        let fixture = Fixture::new();
        let get = || fixture.execute(Operation::GetAbsentBucketConfiguration(bucket("photos"), AbsentConfiguration::Replication));
        assert_eq!(get().await, Err(Failure::NoSuchBucket(bucket("photos"))));
        fixture.put_bucket("photos").await;
        assert_eq!(get().await, Err(Failure::NoSuchConfiguration(bucket("photos"), AbsentConfiguration::Replication)));
    }
}
