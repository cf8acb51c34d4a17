//! From a routed request to an operation, and what the encoder must remember of it.

use super::{
    action::{Action, BucketAction as B, ObjectAction as O, ServiceAction},
    bucket, conditions, copy, cors,
    delete_objects::{self, DeleteReply},
    form::{self, FormReply},
    lifecycle,
    listing::{self, ObjectsReply},
    multipart::{self, CompleteReply, CreateReply, PartsReply, UploadsReply},
    object::{self, ReadReply},
    query::Query,
    route::Route,
    service::{self, BucketsReply, RegionsReply},
    tagging::{self, Of},
};
use crate::{
    dialect::error::ErrorReply,
    model::{Bucket, Caller, DeleteObject, ObjectRef, Operation, Timestamp},
};
use bytes::Bytes;
use http::{StatusCode, request::Parts};

/// What the encoder must remember of a request, because the outcome does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Nothing: the outcome says it all.
    Plain,
    /// The status of an answer that says no more: 200 or 204.
    Done(StatusCode),
    /// Filters and echoes of GetService.
    Buckets(BucketsReply),
    /// The region that DescribeRegions asked for.
    Regions(RegionsReply),
    /// The new bucket's name.
    CreateBucket(Bucket),
    /// Echoes of a listing of objects or versions.
    Objects(Box<ObjectsReply>),
    /// Echoes of ListMultipartUploads.
    Uploads(Box<UploadsReply>),
    /// Echoes of ListParts.
    Parts(Box<PartsReply>),
    /// What DeleteMultipleObjects shows.
    Delete(DeleteReply),
    /// How GET and HEAD are shown.
    Read(ReadReply),
    /// A link that was written, whose target the client knows.
    PutSymlink,
    /// The object of a new upload.
    CreateUpload(CreateReply),
    /// The completed object and its location.
    Complete(Box<CompleteReply>),
    /// How a POST form wants its answer.
    Form(Box<FormReply>),
}

/// Decodes an operation. `document` is the body of a [`crate::dialect::BodyKind::Document`] route, else empty.
/// A POST form is decoded by [`super::form::decode`] instead.
///
/// # Errors
/// As OSS words them.
pub fn decode(route: Route, parts: &Parts, document: &Bytes, caller: &Caller, now: Timestamp) -> Result<(Operation, Wire), ErrorReply> {
    let query = Query::parse(parts)?;
    let virtual_hosted = route.virtual_hosted;
    match route.action {
        Action::Service(action) => of_service(action, &query),
        Action::Bucket(bucket, action) => of_bucket(bucket, action, parts, &query, document),
        Action::Object(object, action) => {
            of_object(action, ObjectRequest { object, parts, query: &query, document, caller, now, virtual_hosted })
        }
    }
}

fn of_service(action: ServiceAction, query: &Query) -> Result<(Operation, Wire), ErrorReply> {
    match action {
        ServiceAction::ListBuckets => {
            let (list, reply) = service::decode_buckets(query)?;
            Ok((Operation::ListBuckets(list), Wire::Buckets(reply)))
        }
        ServiceAction::DescribeRegions => {
            let (list, reply) = service::decode_regions(query);
            Ok((Operation::ListBuckets(list), Wire::Regions(reply)))
        }
    }
}

fn of_bucket(bucket: Bucket, action: B, parts: &Parts, query: &Query, document: &Bytes) -> Result<(Operation, Wire), ErrorReply> {
    let headers = &parts.headers;
    let ok = Wire::Done(StatusCode::OK);
    let no_content = Wire::Done(StatusCode::NO_CONTENT);
    Ok(match action {
        B::Create => {
            let create = bucket::decode_create(bucket, headers, document)?;
            let wire = Wire::CreateBucket(create.bucket.clone());
            (Operation::CreateBucket(create), wire)
        }
        B::Delete => (Operation::DeleteBucket(bucket), no_content),
        B::Info => (Operation::GetBucketInfo(bucket), Wire::Plain),
        B::Stat => (Operation::GetBucketStat(bucket), Wire::Plain),
        B::Location => (Operation::GetBucketLocation(bucket), Wire::Plain),
        B::Acl => (Operation::GetBucketAcl(bucket), Wire::Plain),
        B::PutAcl => (Operation::PutBucketAcl(bucket, bucket::decode_acl(headers)?), ok),
        B::Cors => (Operation::GetBucketCors(bucket), Wire::Plain),
        B::PutCors => (Operation::PutBucketCors(bucket, cors::parse_document(document)?), ok),
        B::DeleteCors => (Operation::DeleteBucketCors(bucket), no_content),
        B::Lifecycle => (Operation::GetBucketLifecycle(bucket), Wire::Plain),
        B::PutLifecycle => (Operation::PutBucketLifecycle(bucket, lifecycle::parse_document(document)?), ok),
        B::DeleteLifecycle => (Operation::DeleteBucketLifecycle(bucket), no_content),
        B::Policy => (Operation::GetBucketPolicy(bucket), Wire::Plain),
        B::PolicyStatus => (Operation::GetBucketPolicyStatus(bucket), Wire::Plain),
        B::PutPolicy => (Operation::PutBucketPolicy(bucket, bucket::decode_policy(document)?), ok),
        B::DeletePolicy => (Operation::DeleteBucketPolicy(bucket), no_content),
        B::Tagging => (Operation::GetBucketTagging(bucket), Wire::Plain),
        B::PutTagging => (Operation::PutBucketTagging(bucket, tagging::parse_document(document, Of::Bucket)?), ok),
        B::DeleteTagging => (Operation::DeleteBucketTagging(bucket), no_content),
        B::Referer => (Operation::GetBucketReferer(bucket), Wire::Plain),
        B::PutReferer => (Operation::PutBucketReferer(bucket, bucket::decode_referer(document)?), ok),
        B::Versioning => (Operation::GetBucketVersioning(bucket), Wire::Plain),
        B::Absent(kind) => (Operation::GetAbsentBucketConfiguration(bucket, kind), Wire::Plain),
        B::ListObjects => {
            let (list, reply) = listing::decode_v1(bucket, query)?;
            (Operation::ListObjects(list), Wire::Objects(Box::new(reply)))
        }
        B::ListObjectsV2 => {
            let (list, reply) = listing::decode_v2(bucket, query)?;
            (Operation::ListObjects(list), Wire::Objects(Box::new(reply)))
        }
        B::ListVersions => {
            let (list, reply) = listing::decode_versions(bucket, query)?;
            (Operation::ListObjectVersions(list), Wire::Objects(Box::new(reply)))
        }
        B::ListUploads => {
            let (list, reply) = multipart::decode_list_uploads(bucket, query)?;
            (Operation::ListMultipartUploads(list), Wire::Uploads(Box::new(reply)))
        }
        B::DeleteObjects => {
            let (delete, reply) = delete_objects::decode(bucket, query, document)?;
            (Operation::DeleteObjects(delete), Wire::Delete(reply))
        }
        // The server hands forms to `form::decode`; a form that reaches this has no fields.
        B::PostForm => return Err(form::missing_field("key")),
    })
}

/// A request to an object, with all that its decoding may need.
struct ObjectRequest<'a> {
    object: ObjectRef,
    parts: &'a Parts,
    query: &'a Query,
    document: &'a Bytes,
    caller: &'a Caller,
    now: Timestamp,
    virtual_hosted: bool,
}

fn of_object(action: O, request: ObjectRequest<'_>) -> Result<(Operation, Wire), ErrorReply> {
    let ObjectRequest { object, parts, query, document, caller, now, virtual_hosted } = request;
    let headers = &parts.headers;
    let ok = Wire::Done(StatusCode::OK);
    let no_content = Wire::Done(StatusCode::NO_CONTENT);
    Ok(match action {
        O::Put => (Operation::PutObject(object::decode_put(object, headers, query)?), Wire::Plain),
        O::Copy => (Operation::CopyObject(copy::decode(headers, object, now)?), Wire::Plain),
        O::Append => (Operation::AppendObject(object::decode_append(object, headers, query)?), Wire::Plain),
        O::Get => {
            let (read, reply) = object::decode_read(object, headers, query, caller, now)?;
            (Operation::GetObject(read), Wire::Read(reply))
        }
        O::Head => {
            let (read, reply) = object::decode_read(object, headers, query, caller, now)?;
            (Operation::HeadObject(read), Wire::Read(reply))
        }
        O::Meta => {
            let (read, reply) = object::decode_meta(object, headers, now);
            (Operation::HeadObject(read), Wire::Read(reply))
        }
        O::Delete => {
            conditions::refuse(headers)?;
            (Operation::DeleteObject(DeleteObject { object, if_match: None }), no_content)
        }
        O::PutSymlink => (Operation::PutSymlink(object::decode_symlink(object, headers)?), Wire::PutSymlink),
        O::Symlink => (Operation::GetSymlink(object), Wire::Plain),
        O::Acl => (Operation::GetObjectAcl(object), Wire::Plain),
        O::PutAcl => (Operation::PutObjectAcl(object, object::decode_acl(headers)?), ok),
        O::Tagging => (Operation::GetObjectTagging(object), Wire::Plain),
        O::PutTagging => (Operation::PutObjectTagging(object, tagging::parse_document(document, Of::Object)?), ok),
        O::DeleteTagging => (Operation::DeleteObjectTagging(object), no_content),
        O::CreateUpload => {
            let (create, reply) = multipart::decode_create(object, headers, query)?;
            (Operation::CreateMultipartUpload(create), Wire::CreateUpload(reply))
        }
        O::UploadPart => (Operation::UploadPart(multipart::decode_part(object, headers, query)?), Wire::Plain),
        O::UploadPartCopy => (Operation::UploadPartCopy(multipart::decode_part_copy(object, headers, query, now)?), Wire::Plain),
        O::CompleteUpload => {
            let (complete, reply) = multipart::decode_complete(object, parts, query, document, virtual_hosted)?;
            (Operation::CompleteMultipartUpload(complete), Wire::Complete(Box::new(reply)))
        }
        O::AbortUpload => (Operation::AbortMultipartUpload(object, multipart::upload_id(query)?), no_content),
        O::ListParts => {
            let (list, reply) = multipart::decode_list_parts(object, query)?;
            (Operation::ListParts(list), Wire::Parts(Box::new(reply)))
        }
    })
}
