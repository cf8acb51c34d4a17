//! Amazon S3's REST dialect.
//!
//! The server calls, in this order: [`with_presigned_headers`], [`address()`], [`route()`], [`decode()`] (or [`form::decode`] for a
//! POST form), and then [`encode()`] or [`encode_error`]. Nothing here waits, reads a clock or keeps state.
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

pub use address::{Address, address};
pub use decode::{Wire, decode};
pub use encode::encode;
pub use error::{ErrorCode, ErrorReply, Rejection, encode_error};
pub use owner::owner_matches;
pub use presigned::with_presigned_headers;
pub use response::ReplyContext;
pub use route::{BodyKind, Route, route};
