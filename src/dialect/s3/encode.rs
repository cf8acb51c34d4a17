//! From an outcome to a response.

use super::{
    bucket, checksum, copy, cors,
    decode::Wire,
    delete_objects, failure, form, listing, multipart, object,
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
        Outcome::Done => match wire {
            Wire::Done(status) => response::empty(*status, context),
            _ => mismatch(context),
        },
        Outcome::ListBuckets { owner, buckets, next } => match wire {
            Wire::Buckets(reply) => listing::encode_buckets(reply, owner, buckets, next.as_deref(), context),
            _ => mismatch(context),
        },
        Outcome::CreateBucket => match wire {
            Wire::CreateBucket(bucket) => bucket::encode_create(bucket, context),
            _ => mismatch(context),
        },
        Outcome::HeadBucket(info) => bucket::encode_head(info, context),
        Outcome::GetBucketLocation(info) => bucket::encode_location(info, context),
        Outcome::GetBucketVersioning => ok(bucket::versioning_document()),
        Outcome::Acl { owner } => object::encode_acl(*wire == Wire::AclUnchanged, owner, context),
        Outcome::Cors(configuration) => ok(cors::document(configuration)),
        Outcome::Policy(policy) => response::text(StatusCode::OK, "application/json", policy.clone(), context),
        Outcome::PolicyStatus { is_public } => ok(bucket::policy_status_document(*is_public)),
        Outcome::Tagging(tags) => ok(tagging::document(tags)),
        Outcome::ListObjects(listing) | Outcome::ListObjectVersions(listing) => match wire {
            Wire::Objects(reply) => listing::encode_objects(reply, listing, context),
            _ => mismatch(context),
        },
        Outcome::DeleteObjects(results) => match wire {
            Wire::Delete(reply) => delete_objects::encode(reply, results, context),
            _ => mismatch(context),
        },
        Outcome::PutObject { etag, checksum, .. } => match wire {
            Wire::Form(reply) => form::encode(reply, etag, checksum, context),
            _ => put(etag, checksum, context),
        },
        Outcome::GetObject(read) | Outcome::HeadObject(read) => match wire {
            Wire::Read(reply) => object::encode_read(reply, read, context),
            _ => mismatch(context),
        },
        Outcome::CopyObject { etag, last_modified, checksum } => ok(copy::object_document(etag, *last_modified, checksum.as_ref())),
        Outcome::GetObjectAttributes(info) => match wire {
            Wire::Attributes(reply) => object::encode_attributes(reply, info, context),
            _ => mismatch(context),
        },
        Outcome::CreateMultipartUpload { upload_id, checksum } => match wire {
            Wire::CreateUpload(object) => multipart::encode_create(object, *upload_id, *checksum, context),
            _ => mismatch(context),
        },
        Outcome::UploadPart { etag, checksum, .. } => {
            let mut response = response::empty(StatusCode::OK, context);
            response::set_etag(response.headers_mut(), etag);
            if let Some(checksum) = checksum {
                checksum::set_value(response.headers_mut(), checksum);
            }
            response
        }
        Outcome::UploadPartCopy { etag, last_modified, checksum } => ok(copy::part_document(etag, *last_modified, checksum.as_ref())),
        Outcome::CompleteMultipartUpload { etag, checksum, .. } => match wire {
            Wire::Complete(reply) => multipart::encode_complete(reply, etag, checksum.as_ref(), context),
            _ => mismatch(context),
        },
        Outcome::ListParts(listing) => match wire {
            Wire::Parts(reply) => multipart::encode_list_parts(reply, listing, context),
            _ => mismatch(context),
        },
        Outcome::ListMultipartUploads(listing) => match wire {
            Wire::Uploads(reply) => multipart::encode_list_uploads(reply, listing, context),
            _ => mismatch(context),
        },
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
