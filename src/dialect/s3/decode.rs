//! From a routed request to an operation, and what the encoder must remember of it.

use super::{
    action::{Action, BucketAction as B, ObjectAction as O},
    bucket, checksum, conditions, copy, cors,
    delete_objects::{self, DeleteReply},
    error::ErrorReply,
    form::{self, FormReply},
    headers, lifecycle,
    listing::{self, BucketsReply, ObjectsReply},
    multipart::{self, CompleteReply, PartsReply, UploadsReply},
    object::{self, AttributesReply, ReadReply},
    query::Query,
    route::Route,
    tagging::{self, Of},
};
use crate::model::{Acl, BodyClaims, Bucket, Caller, DeleteObject, ObjectRef, Operation, PutObject, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, request::Parts};

/// What the encoder must remember of a request, because the outcome does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Nothing: the outcome says it all.
    Plain,
    /// The status of an answer that says no more: 200 or 204.
    Done(StatusCode),
    /// Filters and echoes of ListBuckets.
    Buckets(BucketsReply),
    /// The new bucket's name.
    CreateBucket(Bucket),
    /// Echoes of a listing of objects or versions.
    Objects(Box<ObjectsReply>),
    /// Echoes of ListMultipartUploads.
    Uploads(Box<UploadsReply>),
    /// Echoes of ListParts.
    Parts(Box<PartsReply>),
    /// What DeleteObjects shows.
    Delete(DeleteReply),
    /// How GET and HEAD are shown.
    Read(ReadReply),
    /// Which attributes were asked for.
    Attributes(AttributesReply),
    /// The object of a new upload.
    CreateUpload(ObjectRef),
    /// The completed object and its location.
    Complete(CompleteReply),
    /// How a POST form wants its answer.
    Form(Box<FormReply>),
}

/// Decodes an operation. `document` is the body of a [`super::BodyKind::Document`] route, else empty.
/// A POST form is decoded by [`super::form::decode`] instead.
///
/// # Errors
/// As S3 words them.
pub fn decode(route: Route, parts: &Parts, document: &Bytes, caller: &Caller, now: Timestamp) -> Result<(Operation, Wire), ErrorReply> {
    let query = Query::parse(parts)?;
    let virtual_hosted = route.virtual_hosted;
    match route.action {
        Action::ListBuckets => {
            let (list, reply) = listing::decode_buckets(&query)?;
            Ok((Operation::ListBuckets(list), Wire::Buckets(reply)))
        }
        Action::Bucket(bucket, action) => of_bucket(bucket, action, parts, &query, document),
        Action::Object(object, action) => {
            let request = ObjectRequest { object, parts, query: &query, document, caller, now, virtual_hosted };
            of_object(action, request)
        }
    }
}

fn of_bucket(bucket: Bucket, action: B, parts: &Parts, query: &Query, document: &Bytes) -> Result<(Operation, Wire), ErrorReply> {
    let ok = Wire::Done(StatusCode::OK);
    let no_content = Wire::Done(StatusCode::NO_CONTENT);
    Ok(match action {
        B::Create => {
            let create = bucket::decode_create(bucket, &parts.headers, document)?;
            let wire = Wire::CreateBucket(create.bucket.clone());
            (Operation::CreateBucket(create), wire)
        }
        B::Head => (Operation::HeadBucket(bucket), Wire::Plain),
        B::Delete => (Operation::DeleteBucket(bucket), no_content),
        B::Location => (Operation::GetBucketLocation(bucket), Wire::Plain),
        B::Versioning => (Operation::GetBucketVersioning(bucket), Wire::Plain),
        B::Acl => (Operation::GetBucketAcl(bucket), Wire::Plain),
        B::PutAcl => (Operation::PutBucketAcl(bucket, new_acl(&parts.headers)), ok),
        B::Cors => (Operation::GetBucketCors(bucket), Wire::Plain),
        B::Lifecycle => (Operation::GetBucketLifecycle(bucket), Wire::Plain),
        B::PutLifecycle => (Operation::PutBucketLifecycle(bucket, lifecycle::parse_document(document)?), ok),
        B::DeleteLifecycle => (Operation::DeleteBucketLifecycle(bucket), no_content),
        B::PutCors => (Operation::PutBucketCors(bucket, cors::parse_document(document)?), ok),
        B::DeleteCors => (Operation::DeleteBucketCors(bucket), no_content),
        B::Policy => (Operation::GetBucketPolicy(bucket), Wire::Plain),
        B::PolicyStatus => (Operation::GetBucketPolicyStatus(bucket), Wire::Plain),
        B::PutPolicy => (Operation::PutBucketPolicy(bucket, bucket::decode_policy(document)?), no_content),
        B::DeletePolicy => (Operation::DeleteBucketPolicy(bucket), no_content),
        B::Tagging => (Operation::GetBucketTagging(bucket), Wire::Plain),
        B::PutTagging => (Operation::PutBucketTagging(bucket, tagging::parse_document(document, Of::Bucket)?), no_content),
        B::DeleteTagging => (Operation::DeleteBucketTagging(bucket), no_content),
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
            let (delete, reply) = delete_objects::decode(bucket, document)?;
            (Operation::DeleteObjects(delete), Wire::Delete(reply))
        }
        // The server hands forms to `form::decode`; a form that reaches this has no fields.
        B::PostForm => return Err(form::missing_field("key")),
    })
}

/// What PutBucketAcl and PutObjectAcl set: private where only the owner was named.
fn new_acl(headers: &HeaderMap) -> Acl {
    headers::canned_acl(headers).unwrap_or_default()
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
    let no_content = Wire::Done(StatusCode::NO_CONTENT);
    Ok(match action {
        O::Put => {
            let claims = BodyClaims { size: Some(headers::body_size(headers)?), ..checksum::body_claims(headers)? };
            let put = PutObject {
                object,
                attributes: headers::attributes(headers)?,
                conditions: conditions::of_write(headers)?,
                claims,
                callback: None,
            };
            (Operation::PutObject(put), Wire::Plain)
        }
        O::Copy => (Operation::CopyObject(copy::decode(headers, object, now)?), Wire::Plain),
        O::Get => {
            let (read, reply) = object::decode_read(object, parts, query, caller, now)?;
            (Operation::GetObject(read), Wire::Read(reply))
        }
        O::Head => {
            let (read, reply) = object::decode_read(object, parts, query, caller, now)?;
            (Operation::HeadObject(read), Wire::Read(reply))
        }
        O::Delete => (Operation::DeleteObject(DeleteObject { object, if_match: conditions::of_delete(headers)? }), no_content),
        O::Attributes => {
            let (attributes, reply) = object::decode_attributes(object, headers)?;
            (Operation::GetObjectAttributes(attributes), Wire::Attributes(reply))
        }
        O::Acl => (Operation::GetObjectAcl(object), Wire::Plain),
        O::PutAcl => (Operation::PutObjectAcl(object, Some(new_acl(headers))), Wire::Done(StatusCode::OK)),
        O::Tagging => (Operation::GetObjectTagging(object), Wire::Plain),
        O::PutTagging => (Operation::PutObjectTagging(object, tagging::parse_document(document, Of::Object)?), Wire::Done(StatusCode::OK)),
        O::DeleteTagging => (Operation::DeleteObjectTagging(object), no_content),
        O::CreateUpload => {
            let create = multipart::decode_create(object.clone(), headers)?;
            (Operation::CreateMultipartUpload(create), Wire::CreateUpload(object))
        }
        O::UploadPart => (Operation::UploadPart(multipart::decode_part(object, headers, query)?), Wire::Plain),
        O::UploadPartCopy => (Operation::UploadPartCopy(multipart::decode_part_copy(object, headers, query, now)?), Wire::Plain),
        O::CompleteUpload => {
            let reply = CompleteReply { location: object::location(parts, &object, virtual_hosted), object: object.clone() };
            (Operation::CompleteMultipartUpload(multipart::decode_complete(object, headers, query, document)?), Wire::Complete(reply))
        }
        O::AbortUpload => (Operation::AbortMultipartUpload(object, multipart::upload_id(query)?), no_content),
        O::ListParts => {
            let (list, reply) = multipart::decode_list_parts(object, query)?;
            (Operation::ListParts(list), Wire::Parts(Box::new(reply)))
        }
    })
}
