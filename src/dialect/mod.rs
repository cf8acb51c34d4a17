//! The two wire dialects. A dialect turns a request into an operation and an outcome into a
//! response; it knows neither stores nor the async runtime.
//!
//! The server calls, in this order: [`Dialect::presigned_headers`], [`Dialect::addresses`], [`Dialect::claim`],
//! [`Dialect::route`], [`Route::decode`] (or [`Route::decode_form`]), and then [`Wire::encode`] or
//! [`Dialect::encode_error`].
//!
//! `s3/` and `oss/` have the same file names, so that reading them side by side shows how the
//! dialects differ. What both share lies beside them: XML, percent-encoding, dates, addresses, errors,
//! header values, conditions of reads, tokens, storage classes, cross-origin rules, forms.

pub mod address;
mod conditions;
mod cross_origin;
pub mod date;
pub mod detect;
pub mod error;
mod form_answer;
pub mod oss;
pub mod percent;
mod reply;
pub mod s3;
mod storage_class;
pub mod sts;
mod token;
mod values;
pub mod xml;

use self::{
    address::{Address, Hosts},
    error::{ErrorReply, Rejection},
};
use crate::{
    auth::{
        AuthError, Claim, Payload,
        form::{FormClaim, FormError},
        policy::ContextHeaders,
    },
    model::{BodyClaims, Bucket, CallbackReply, Caller, CorsConfiguration, Limits, Operation, Outcome, Timestamp},
};
use bytes::Bytes;
use http::{HeaderMap, Response, request::Parts};

/// One of the two dialects.
pub trait Dialect: Send + Sync {
    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// What it allows.
    fn limits(&self) -> &Limits;

    /// A request id as its clients know them.
    fn request_id(&self, random: [u8; 16]) -> String;

    /// The head with the headers that its presigned URL stands for; `None` when it has none.
    ///
    /// # Errors
    /// For what cannot be a header.
    fn presigned_headers(&self, parts: &Parts) -> Result<Option<Parts>, ErrorReply>;

    /// Where a request is addressed: the one reading or, where the form of the URL leaves it open, several, of which
    /// the signature tells the right one. Never empty.
    ///
    /// # Errors
    /// For paths that do not decode.
    fn addresses(&self, parts: &Parts, hosts: &Hosts) -> Result<Vec<Address>, ErrorReply>;

    /// The headers that say what conditions of policies ask about: those that the dialect acts on. `of_object` tells
    /// whether the request is to an object.
    fn context_headers(&self, of_object: bool) -> ContextHeaders;

    /// Reads which key a request says it was signed with.
    ///
    /// # Errors
    /// Everything about the form of the signature that is wrong without knowing the secret.
    fn claim(&self, parts: &Parts) -> Result<Claim, AuthError>;

    /// What a request without a signature says about its body.
    ///
    /// # Errors
    /// For framings that need a signature.
    fn anonymous_payload(&self, parts: &Parts) -> Result<Payload, AuthError>;

    /// Reads which key a POST form says it was signed with.
    ///
    /// # Errors
    /// Everything about the form of the signature that is wrong without knowing the secret.
    fn form_claim(&self, fields: &[(String, String)]) -> Result<FormClaim, FormError>;

    /// What is said of a form that cannot be read.
    fn form_defect(&self, defect: FormDefect) -> ErrorReply;

    /// What is said of a document that is longer than [`BodyKind::Document`] allows. Bytes.
    fn document_too_long(&self, size_max: usize) -> ErrorReply;

    /// Tells which operation a request is, and refuses what implies more than we have.
    ///
    /// # Errors
    /// As the dialect words them.
    fn route(&self, parts: &Parts, address: &Address) -> Result<Box<dyn Route>, ErrorReply>;

    /// Encodes an error. `parts` are the request's.
    fn encode_error(&self, rejection: &Rejection, parts: &Parts, address: Option<&Address>, context: &ReplyContext<'_>) -> Response<Bytes>;

    /// The answer to a preflight.
    ///
    /// # Errors
    /// When it is none, or no rule allows it.
    fn preflight(
        &self,
        rules: Option<&CorsConfiguration>,
        parts: &Parts,
        address: &Address,
        context: &ReplyContext<'_>,
    ) -> Result<Response<Bytes>, ErrorReply>;

    /// Adds what a bucket's rules say to the answer of an actual cross-origin request.
    fn add_cors(&self, rules: &CorsConfiguration, parts: &Parts, headers: &mut HeaderMap);

    /// Adds to an answer how long its making took. Milliseconds.
    fn add_server_time(&self, headers: &mut HeaderMap, elapsed_ms: u64);
}

/// Which operation a request is, before its document has been read.
pub trait Route: Send + Sync {
    /// What to do with the body.
    fn body(&self) -> BodyKind;

    /// What the head claims about the document, which must be verified before `decode`.
    ///
    /// # Errors
    /// For claims that are none, or missing ones.
    fn document_claims(&self, parts: &Parts) -> Result<BodyClaims, ErrorReply>;

    /// The owners that the client expects of the buckets it names.
    fn expected_bucket_owners(&self) -> &[(Bucket, String)];

    /// Decodes an operation. `document` is the body of a [`BodyKind::Document`] route, else empty.
    ///
    /// # Errors
    /// As the dialect words them.
    fn decode(self: Box<Self>, parts: &Parts, document: &Bytes, caller: &Caller, now: Timestamp) -> Result<Decoded, ErrorReply>;

    /// Decodes a POST form. `fields` are all fields before the file, in order; `file_name` is the file part's.
    ///
    /// # Errors
    /// As the dialect words them.
    fn decode_form(&self, parts: &Parts, fields: &[(String, String)], file_name: Option<&str>) -> Result<Decoded, ErrorReply>;
}

/// What a request asks for, and how.
pub struct Decoded {
    /// The operation.
    pub operation: Operation,
    /// How its outcome is told.
    pub wire: Box<dyn Wire>,
    /// How fast its body, or the answer's, may be moved. Bytes per second.
    pub traffic_limit: Option<u64>,
}

/// What the encoder must remember of a request, because the outcome does not say it.
pub trait Wire: Send + Sync {
    /// Encodes an outcome: head and document. For `GetObject` the body is empty and Content-Length is set; the server attaches the bytes.
    fn encode(&self, outcome: &Outcome, context: &ReplyContext<'_>) -> Response<Bytes>;

    /// Encodes an outcome of which an application was told: what it replied, or why it did not.
    fn encode_called_back(&self, outcome: &Outcome, told: &Result<CallbackReply, String>, context: &ReplyContext<'_>) -> Response<Bytes>;
}

/// What can be wrong with a POST form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormDefect {
    /// The request is not `multipart/form-data` or names no boundary.
    NotMultipart,
    /// There is no file.
    NoFile,
    /// Too many or too large fields.
    FieldsTooLarge,
}

/// What the server does with a request's body before decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There should be none; what comes is discarded.
    None,
    /// A document of at most so many bytes, read whole and verified before `decode`.
    Document {
        /// Bytes.
        size_max: usize,
    },
    /// The object's bytes, streamed to the operation.
    Stream,
    /// A multipart/form-data POST.
    Form,
}

/// What every reply needs.
#[derive(Clone, Debug)]
pub struct ReplyContext<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// x-amz-id-2.
    pub host_id: &'a str,
    /// The host as the client wrote it, port included.
    pub authority: &'a str,
    /// The region reported to clients.
    pub region: &'a str,
    /// Our time.
    pub now: Timestamp,
}
