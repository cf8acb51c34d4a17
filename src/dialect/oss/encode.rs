//! From an outcome to a response.

use super::{
    bucket, callback, copy, cors,
    decode::Wire,
    delete_objects, error, failure, form, lifecycle, listing, multipart, object,
    response::{self, ReplyContext},
    service, tagging,
};
use crate::model::{CallbackReply, Outcome};
use bytes::Bytes;
use http::{Method, Response, StatusCode};

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
            if let Wire::Regions(reply) = wire {
                return service::encode_regions(reply, context);
            }
            let Wire::Buckets(reply) = wire else { return mismatch(context) };
            service::encode_buckets(reply, owner, buckets, next.as_deref(), context)
        }
        Outcome::CreateBucket => {
            let Wire::CreateBucket(bucket) = wire else { return mismatch(context) };
            bucket::encode_create(bucket, context)
        }
        Outcome::GetBucketInfo(info) => bucket::encode_info(info, context),
        Outcome::GetBucketStat(stat) => bucket::encode_stat(stat, context),
        Outcome::GetBucketLocation(info) => bucket::encode_location(info, context),
        Outcome::GetBucketVersioning => ok(bucket::versioning_document()),
        Outcome::Acl { owner, acl } => ok(bucket::acl_document(owner, *acl)),
        Outcome::Lifecycle(configuration) => ok(lifecycle::document(configuration)),
        Outcome::Referer(configuration) => ok(bucket::referer_document(configuration)),
        Outcome::Cors(configuration) => ok(cors::document(configuration)),
        Outcome::Policy(policy) => bucket::encode_policy(policy, context),
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
        Outcome::PutObject { etag, crc64_ecma, .. } => {
            if let Wire::Form(reply) = wire {
                form::encode(reply, etag, *crc64_ecma, context)
            } else {
                object::encode_stored(etag, *crc64_ecma, context)
            }
        }
        Outcome::AppendObject { etag, next_position, crc64_ecma } => object::encode_append(etag, *next_position, *crc64_ecma, context),
        Outcome::Symlink { target, etag, last_modified } => {
            if *wire == Wire::PutSymlink {
                object::encode_link_written(etag, context)
            } else {
                object::encode_symlink(target, etag, *last_modified, context)
            }
        }
        Outcome::GetObject(read) | Outcome::HeadObject(read) => {
            let Wire::Read(reply) = wire else { return mismatch(context) };
            object::encode_read(reply, read, context)
        }
        Outcome::CopyObject { etag, last_modified, crc64_ecma, .. } => copy::encode_object(etag, *last_modified, *crc64_ecma, context),
        Outcome::CreateMultipartUpload { upload_id, .. } => {
            let Wire::CreateUpload(reply) = wire else { return mismatch(context) };
            multipart::encode_create(reply, *upload_id, context)
        }
        Outcome::UploadPart { etag, crc64_ecma, .. } => object::encode_stored(etag, *crc64_ecma, context),
        Outcome::UploadPartCopy { etag, last_modified, crc64_ecma, .. } => copy::encode_part(etag, *last_modified, *crc64_ecma, context),
        Outcome::CompleteMultipartUpload { etag, crc64_ecma, .. } => {
            let Wire::Complete(reply) = wire else { return mismatch(context) };
            multipart::encode_complete(reply, etag, *crc64_ecma, context)
        }
        Outcome::ListParts(listing) => {
            let Wire::Parts(reply) = wire else { return mismatch(context) };
            multipart::encode_list_parts(reply, listing, context)
        }
        Outcome::ListMultipartUploads(listing) => {
            let Wire::Uploads(reply) = wire else { return mismatch(context) };
            multipart::encode_list_uploads(reply, listing, context)
        }
        // Answers to what OSS cannot ask for.
        Outcome::HeadBucket(_) | Outcome::GetObjectAttributes(_) => mismatch(context),
    }
}

/// Encodes an upload of which an application was told: what it replied, or why it did not.
#[must_use]
pub fn encode_called_back(
    wire: &Wire,
    outcome: &Outcome,
    told: &Result<CallbackReply, String>,
    context: &ReplyContext<'_>,
) -> Response<Bytes> {
    // Nothing else has callbacks.
    let (Outcome::PutObject { etag, crc64_ecma, .. } | Outcome::CompleteMultipartUpload { etag, crc64_ecma, .. }) = outcome else {
        return encode(wire, outcome, context);
    };
    callback::encode(etag, *crc64_ecma, told, context)
}

/// An outcome that does not answer what was decoded is a fault of ours, and no reason to bring the server down.
fn mismatch(context: &ReplyContext<'_>) -> Response<Bytes> {
    tracing::error!("an outcome does not fit the operation it answers");
    error::refusal(&failure::internal_error(), &Method::GET, context)
}
