//! Amazon S3's REST dialect.
//!
//! Nothing here waits, reads a clock or keeps state.
//!
//! - What is understood is answered as S3 answers it; what is not understood is refused by name.
//! - Nothing that a client stored can change the head of a reply: values that are no header values are left out.

mod action;
mod address;
mod auth_error;
mod bucket;
mod checksum;
mod conditions;
mod copy;
pub mod cors;
mod decode;
mod delete_objects;
mod encode;
mod error;
mod failure;
pub mod form;
mod headers;
mod lifecycle;
mod listing;
mod multipart;
mod object;
mod owner;
mod presigned;
mod query;
mod range;
mod response;
mod route;
mod tagging;
#[cfg(test)]
mod tests;
mod unsupported;

pub use crate::dialect::address::Address;
pub use address::address;
pub use decode::{Wire, decode};
pub use encode::encode;
pub use error::encode_error;
pub use owner::owner_matches;
pub use presigned::with_presigned_headers;
pub use route::{Route, route};

use crate::{
    auth::{
        self, AuthError, Claim, Payload,
        form::{FormClaim, FormError},
        policy::{CONTEXT_HEADERS, ContextHeaders},
    },
    dialect::{
        self, BodyKind, Decoded, Dialect, FormDefect, ReplyContext,
        address::Hosts,
        error::{ErrorReply, Rejection},
    },
    model::{BodyClaims, Bucket, CallbackReply, Caller, CorsConfiguration, Limits, Outcome, Timestamp},
};
use bytes::Bytes;
use http::{HeaderMap, Response, request::Parts};

/// The S3 dialect.
#[derive(Clone, Debug)]
pub struct S3 {
    /// What it allows.
    pub limits: Limits,
}

impl Dialect for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn request_id(&self, random: [u8; 16]) -> String {
        response::request_id(random)
    }

    fn presigned_headers(&self, parts: &Parts) -> Result<Option<Parts>, ErrorReply> {
        presigned::with_presigned_headers(parts)
    }

    fn addresses(&self, parts: &Parts, hosts: &Hosts) -> Result<Vec<Address>, ErrorReply> {
        Ok(vec![address(parts, hosts)?])
    }

    fn context_headers(&self, _of_object: bool) -> ContextHeaders {
        CONTEXT_HEADERS
    }

    fn claim(&self, parts: &Parts) -> Result<Claim, AuthError> {
        auth::s3::claim(parts)
    }

    fn anonymous_payload(&self, parts: &Parts) -> Result<Payload, AuthError> {
        auth::s3::anonymous_payload(parts)
    }

    fn form_claim(&self, fields: &[(String, String)]) -> Result<FormClaim, FormError> {
        auth::form::claim(fields)
    }

    fn form_defect(&self, defect: FormDefect) -> ErrorReply {
        form::defect(defect)
    }

    fn document_too_long(&self, size_max: usize) -> ErrorReply {
        ErrorReply::message_too_long(size_max)
    }

    fn route(&self, parts: &Parts, address: &Address) -> Result<Box<dyn dialect::Route>, ErrorReply> {
        Ok(Box::new(route(parts, address)?))
    }

    fn encode_error(&self, rejection: &Rejection, parts: &Parts, address: Option<&Address>, context: &ReplyContext<'_>) -> Response<Bytes> {
        encode_error(rejection, parts, address, context)
    }

    fn preflight(
        &self,
        rules: Option<&CorsConfiguration>,
        parts: &Parts,
        address: &Address,
        context: &ReplyContext<'_>,
    ) -> Result<Response<Bytes>, ErrorReply> {
        cors::preflight(rules, parts, address, context)
    }

    fn add_cors(&self, rules: &CorsConfiguration, parts: &Parts, headers: &mut HeaderMap) {
        cors::add_headers(rules, parts, headers);
    }

    fn add_server_time(&self, _headers: &mut HeaderMap, _elapsed_ms: u64) {}
}

impl dialect::Route for Route {
    fn body(&self) -> BodyKind {
        self.body()
    }

    fn document_claims(&self, parts: &Parts) -> Result<BodyClaims, ErrorReply> {
        self.document_claims(parts)
    }

    fn expected_bucket_owners(&self) -> &[(Bucket, String)] {
        self.expected_bucket_owners()
    }

    fn decode(self: Box<Self>, parts: &Parts, document: &Bytes, caller: &Caller, now: Timestamp) -> Result<Decoded, ErrorReply> {
        let (operation, wire) = decode(*self, parts, document, caller, now)?;
        Ok(Decoded { operation, wire: Box::new(wire), traffic_limit: None })
    }

    fn decode_form(&self, parts: &Parts, fields: &[(String, String)], file_name: Option<&str>) -> Result<Decoded, ErrorReply> {
        let (operation, wire) = form::decode(self, parts, fields, file_name)?;
        Ok(Decoded { operation, wire: Box::new(wire), traffic_limit: None })
    }
}

impl dialect::Wire for Wire {
    fn encode(&self, outcome: &Outcome, context: &ReplyContext<'_>) -> Response<Bytes> {
        encode(self, outcome, context)
    }

    /// S3 has no callbacks, so nobody was told.
    fn encode_called_back(&self, outcome: &Outcome, _told: &Result<CallbackReply, String>, context: &ReplyContext<'_>) -> Response<Bytes> {
        encode(self, outcome, context)
    }
}
