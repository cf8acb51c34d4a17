//! From an outcome to a response.

use super::{
    bucket, checksum, copy, cors,
    decode::Wire,
    delete_objects, failure, form, lifecycle, listing, multipart, object, owner,
    response::{self, ReplyContext},
    tagging,
};
use crate::model::{ETag, ObjectChecksum, Outcome};
use bytes::Bytes;
use http::{Response, StatusCode};

/// Encodes an outcome: head and document. For `GetObject` the body is empty and Content-Length is set; the server attaches the bytes.
#[must_use]
pub fn encode(wire: &Wire, outcome: &Outcome, context: &ReplyContext<'_>) -> Response<Bytes> {
    let ok = |document| response::document(StatusCode::OK, document, context);
    match outcome {
        Outcome::Done => {
            let Wire::Done(status) = wire else { return mismatch(context) };
            response::empty(*status, context)
        }
        Outcome::ListBuckets { owner, buckets, next } => {
            let Wire::Buckets(reply) = wire else { return mismatch(context) };
            listing::encode_buckets(reply, owner, buckets, next.as_deref(), context)
        }
        Outcome::CreateBucket => {
            let Wire::CreateBucket(bucket) = wire else { return mismatch(context) };
            bucket::encode_create(bucket, context)
        }
        Outcome::HeadBucket(info) => bucket::encode_head(info, context),
        Outcome::GetBucketLocation(info) => bucket::encode_location(info, context),
        Outcome::GetBucketVersioning => ok(bucket::versioning_document()),
        Outcome::Acl { owner, acl } => ok(owner::access_control_document(owner, acl.unwrap_or_default())),
        // Answers to what S3 cannot ask for.
        Outcome::GetBucketInfo(_)
        | Outcome::GetBucketStat(_)
        | Outcome::Referer(_)
        | Outcome::AppendObject { .. }
        | Outcome::Symlink { .. } => mismatch(context),
        Outcome::Lifecycle(configuration) => ok(lifecycle::document(configuration)),
        Outcome::Cors(configuration) => ok(cors::document(configuration)),
        Outcome::Policy(policy) => response::text(StatusCode::OK, "application/json", policy.clone(), context),
        Outcome::PolicyStatus { is_public } => ok(bucket::policy_status_document(*is_public)),
        Outcome::Tagging(tags) => ok(tagging::document(tags)),
        Outcome::ListObjects(listing) | Outcome::ListObjectVersions(listing) => {
            let Wire::Objects(reply) = wire else { return mismatch(context) };
            listing::encode_objects(reply, listing, context)
        }
        Outcome::DeleteObjects(results) => {
            let Wire::Delete(reply) = wire else { return mismatch(context) };
            delete_objects::encode(reply, results, context)
        }
        Outcome::PutObject { etag, checksum, .. } => {
            if let Wire::Form(reply) = wire {
                form::encode(reply, etag, checksum, context)
            } else {
                put(etag, checksum, context)
            }
        }
        Outcome::GetObject(read) | Outcome::HeadObject(read) => {
            let Wire::Read(reply) = wire else { return mismatch(context) };
            object::encode_read(reply, read, context)
        }
        Outcome::CopyObject { etag, last_modified, checksum, .. } => ok(copy::object_document(etag, *last_modified, checksum.as_ref())),
        Outcome::GetObjectAttributes(info) => {
            let Wire::Attributes(reply) = wire else { return mismatch(context) };
            object::encode_attributes(reply, info, context)
        }
        Outcome::CreateMultipartUpload { upload_id, checksum } => {
            let Wire::CreateUpload(object) = wire else { return mismatch(context) };
            multipart::encode_create(object, *upload_id, *checksum, context)
        }
        Outcome::UploadPart { etag, checksum, .. } => {
            let mut response = response::empty(StatusCode::OK, context);
            response::set_etag(response.headers_mut(), etag);
            if let Some(checksum) = checksum {
                checksum::set_value(response.headers_mut(), checksum);
            }
            response
        }
        Outcome::UploadPartCopy { etag, last_modified, checksum, .. } => ok(copy::part_document(etag, *last_modified, checksum.as_ref())),
        Outcome::CompleteMultipartUpload { etag, checksum, .. } => {
            let Wire::Complete(reply) = wire else { return mismatch(context) };
            multipart::encode_complete(reply, etag, checksum.as_ref(), context)
        }
        Outcome::ListParts(listing) => {
            let Wire::Parts(reply) = wire else { return mismatch(context) };
            multipart::encode_list_parts(reply, listing, context)
        }
        Outcome::ListMultipartUploads(listing) => {
            let Wire::Uploads(reply) = wire else { return mismatch(context) };
            multipart::encode_list_uploads(reply, listing, context)
        }
    }
}

fn put(etag: &ETag, checksum: &ObjectChecksum, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    response::set_etag(response.headers_mut(), etag);
    checksum::set_object(response.headers_mut(), checksum);
    response
}

/// An outcome that does not answer what was decoded is a fault of ours, and no reason to bring the server down.
fn mismatch(context: &ReplyContext<'_>) -> Response<Bytes> {
    tracing::error!("an outcome does not fit the operation it answers");
    response::document(StatusCode::INTERNAL_SERVER_ERROR, super::error::document(&failure::internal_error(), "", context), context)
}
