//! Aliyun OSS's REST dialect.
//!
//! Nothing here waits, reads a clock or keeps state.
//!
//! - What is understood is answered as OSS answers it; what is not understood is refused by name.
//! - Nothing that a client stored can change the head of a reply: values that are no header values are left out.

mod action;
mod address;
mod auth_error;
mod bucket;
mod callback;
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
mod query;
mod range;
mod response;
mod route;
mod service;
mod tagging;
#[cfg(test)]
mod tests;
mod unsupported;

pub use address::addresses;
pub use decode::{Wire, decode};
pub use encode::{encode, encode_called_back};
pub use error::encode_error;
pub use route::{Route, route};

use crate::{
    auth::{
        self, AuthError, Claim, Payload,
        form::{FormClaim, FormError},
        policy::{ContextHeaders, OSS_BUCKET_CONTEXT_HEADERS, OSS_OBJECT_CONTEXT_HEADERS},
    },
    dialect::{
        self, BodyKind, Decoded, Dialect, FormDefect, ReplyContext,
        address::{Address, Hosts},
        error::{ErrorReply, Rejection},
    },
    model::{BodyClaims, Bucket, CallbackReply, Caller, CorsConfiguration, Limits, Outcome, Timestamp},
};
use bytes::Bytes;
use http::{HeaderMap, Response, request::Parts};

/// The OSS dialect.
#[derive(Clone, Debug)]
pub struct Oss {
    /// What it allows.
    pub limits: Limits,
}

impl Dialect for Oss {
    fn name(&self) -> &'static str {
        "oss"
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn request_id(&self, random: [u8; 16]) -> String {
        response::request_id(random)
    }

    /// Signed URLs of OSS carry no headers: what was a header when signing must be sent as one.
    fn presigned_headers(&self, _parts: &Parts) -> Result<Option<Parts>, ErrorReply> {
        Ok(None)
    }

    fn addresses(&self, parts: &Parts, hosts: &Hosts) -> Result<Vec<Address>, ErrorReply> {
        addresses(parts, hosts)
    }

    fn context_headers(&self, of_object: bool) -> ContextHeaders {
        if of_object { OSS_OBJECT_CONTEXT_HEADERS } else { OSS_BUCKET_CONTEXT_HEADERS }
    }

    fn claim(&self, parts: &Parts) -> Result<Claim, AuthError> {
        auth::oss::claim(parts)
    }

    fn anonymous_payload(&self, _parts: &Parts) -> Result<Payload, AuthError> {
        Ok(Payload::Unsigned)
    }

    fn form_claim(&self, fields: &[(String, String)]) -> Result<FormClaim, FormError> {
        auth::oss_form::claim(fields)
    }

    fn form_defect(&self, defect: FormDefect) -> ErrorReply {
        match defect {
            FormDefect::NotMultipart => form::not_multipart(),
            FormDefect::NoFile => form::not_one_file(),
            FormDefect::FieldsTooLarge => form::fields_too_large(),
        }
    }

    /// OSS has no code of its own for it: it is no document of its schema.
    fn document_too_long(&self, size_max: usize) -> ErrorReply {
        error::malformed_xml().with("MaxMessageLengthBytes", size_max)
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

    fn add_server_time(&self, headers: &mut HeaderMap, elapsed_ms: u64) {
        response::set_server_time(headers, elapsed_ms);
    }
}

impl dialect::Route for Route {
    fn body(&self) -> BodyKind {
        self.body()
    }

    fn document_claims(&self, parts: &Parts) -> Result<BodyClaims, ErrorReply> {
        self.document_claims(parts)
    }

    /// OSS has no header in which a client says whose bucket it expects.
    fn expected_bucket_owners(&self) -> &[(Bucket, String)] {
        &[]
    }

    fn decode(self: Box<Self>, parts: &Parts, document: &Bytes, caller: &Caller, now: Timestamp) -> Result<Decoded, ErrorReply> {
        let traffic_limit = headers::traffic_limit(parts)?;
        let (operation, wire) = decode(*self, parts, document, caller, now)?;
        Ok(Decoded { operation, wire: Box::new(wire), traffic_limit })
    }

    fn decode_form(&self, parts: &Parts, fields: &[(String, String)], file_name: Option<&str>) -> Result<Decoded, ErrorReply> {
        form::decode(self, parts, fields, file_name)
    }
}

impl dialect::Wire for Wire {
    fn encode(&self, outcome: &Outcome, context: &ReplyContext<'_>) -> Response<Bytes> {
        encode(self, outcome, context)
    }

    fn encode_called_back(&self, outcome: &Outcome, told: &Result<CallbackReply, String>, context: &ReplyContext<'_>) -> Response<Bytes> {
        encode_called_back(self, outcome, told, context)
    }
}
