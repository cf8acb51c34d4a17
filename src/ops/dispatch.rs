//! From an operation to its handler.

use super::{Body, Gateway, Reply, Request, telling::Telling};
use crate::{
    meta::record::Charge,
    model::{Failure, Operation as Op, Outcome},
};
use std::sync::Arc;

impl Gateway {
    /// Carries out an operation. `body` is given for the operations that take one.
    ///
    /// # Errors
    /// Every reason it did not succeed.
    pub async fn execute(self: &Arc<Self>, request: Request, body: Option<Box<dyn Body>>) -> Result<Reply, Failure> {
        let Request { caller, limits, operation, name: _, origin: _, admitted } = &request;
        self.check_room(operation)?;
        let body = || body.ok_or(Failure::IncompleteBody);
        let charge = || Charge::of(caller.charged_key());
        let outcome: Outcome = match operation {
            Op::GetObject(read) => return self.get_object(read, admitted).await,
            Op::HeadObject(read) => self.head_object(read, admitted).await?,
            Op::PutObject(put) => self.put_object(put, charge(), limits, body()?, Telling::of(&request, put.callback.as_ref())).await?,
            Op::AppendObject(append) => self.append_object(append, charge(), limits, body()?).await?,
            Op::DeleteObject(delete) => {
                let delete = delete.clone();
                self.run_on(|gateway| async move { gateway.delete_object(&delete).await }).await?
            }
            Op::DeleteObjects(delete) => {
                let delete = delete.clone();
                self.run_on(|gateway| async move { gateway.delete_objects(&delete).await }).await?
            }
            Op::PutSymlink(link) => self.put_symlink(link, charge()).await?,
            Op::GetSymlink(object) => self.get_symlink(object).await?,
            Op::CopyObject(copy) => self.copy_object(copy, &charge(), admitted).await?,
            Op::GetObjectAttributes(get) => self.get_object_attributes(get, admitted).await?,
            Op::GetObjectAcl(object) => self.get_object_acl(object).await?,
            Op::PutObjectAcl(object, acl) => self.put_object_acl(object, *acl).await?,
            Op::GetObjectTagging(object) => self.get_object_tagging(object).await?,
            Op::PutObjectTagging(object, tags) => self.put_object_tagging(object, tags).await?,
            Op::DeleteObjectTagging(object) => self.delete_object_tagging(object).await?,
            Op::CreateMultipartUpload(create) => self.create_multipart_upload(create, caller).await?,
            Op::UploadPart(upload) => self.upload_part(upload, limits, body()?).await?,
            Op::UploadPartCopy(copy) => self.upload_part_copy(copy, limits, admitted).await?,
            Op::CompleteMultipartUpload(complete) => {
                let telling = Telling::of(&request, complete.callback.as_ref());
                let (complete, limits) = (complete.clone(), *limits);
                self.run_on(|gateway| async move { gateway.complete_multipart_upload(&complete, &limits, telling.as_ref()).await }).await?
            }
            Op::AbortMultipartUpload(object, upload) => {
                let (object, upload) = (object.clone(), *upload);
                self.run_on(|gateway| async move { gateway.abort_multipart_upload(&object, upload).await }).await?
            }
            Op::ListParts(list) => self.list_parts(list).await?,
            Op::ListMultipartUploads(list) => self.list_multipart_uploads(list).await?,
            Op::ListObjects(list) => self.list_objects(list).await?,
            Op::ListObjectVersions(list) => self.list_object_versions(list).await?,
            Op::ListBuckets(list) => self.list_buckets(list, caller).await?,
            Op::CreateBucket(create) => self.create_bucket(create, caller).await?,
            Op::HeadBucket(bucket) => self.head_bucket(bucket).await?,
            Op::DeleteBucket(bucket) => self.delete_bucket(bucket).await?,
            Op::GetBucketInfo(bucket) => self.get_bucket_info(bucket).await?,
            Op::GetBucketStat(bucket) => self.get_bucket_stat(bucket).await?,
            Op::GetBucketLifecycle(bucket) => self.get_bucket_lifecycle(bucket).await?,
            Op::PutBucketLifecycle(bucket, rules) => self.put_bucket_lifecycle(bucket, rules).await?,
            Op::DeleteBucketLifecycle(bucket) => self.delete_bucket_lifecycle(bucket).await?,
            Op::GetBucketReferer(bucket) => self.get_bucket_referer(bucket).await?,
            Op::PutBucketReferer(bucket, rules) => self.put_bucket_referer(bucket, rules).await?,
            Op::GetBucketLocation(bucket) => self.get_bucket_location(bucket).await?,
            Op::GetBucketVersioning(bucket) => self.get_bucket_versioning(bucket).await?,
            Op::GetBucketAcl(bucket) => self.get_bucket_acl(bucket).await?,
            Op::PutBucketAcl(bucket, acl) => self.put_bucket_acl(bucket, *acl).await?,
            Op::GetBucketCors(bucket) => self.get_bucket_cors(bucket).await?,
            Op::PutBucketCors(bucket, rules) => self.put_bucket_cors(bucket, rules).await?,
            Op::DeleteBucketCors(bucket) => self.delete_bucket_cors(bucket).await?,
            Op::GetBucketPolicy(bucket) => self.get_bucket_policy(bucket).await?,
            Op::GetBucketPolicyStatus(bucket) => self.get_bucket_policy_status(bucket).await?,
            Op::PutBucketPolicy(bucket, document) => self.put_bucket_policy(bucket, document).await?,
            Op::DeleteBucketPolicy(bucket) => self.delete_bucket_policy(bucket).await?,
            Op::GetBucketTagging(bucket) => self.get_bucket_tagging(bucket).await?,
            Op::PutBucketTagging(bucket, tags) => self.put_bucket_tagging(bucket, tags).await?,
            Op::DeleteBucketTagging(bucket) => self.delete_bucket_tagging(bucket).await?,
            Op::GetAbsentBucketConfiguration(bucket, kind) => self.get_absent_configuration(bucket, *kind).await?,
        };
        Ok(Reply { outcome, content: None })
    }
}
