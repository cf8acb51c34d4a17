//! The S3 dialect on the wire: tables of requests and answers, spoken over sockets to the real binary.
//!
//! - Requests are signed with the crate's own signer and written byte by byte; the client refuses any response header
//!   that is not on its list, and compares XML with `tests/golden/wire` byte for byte after replacing what varies.
//! - `PARTWAY_BLESS=1` rewrites the golden files; what changed is then for the reviewer to judge.
//! - Every suite ends with a canary: a comparison that must fail.

#[path = "s3_protocol/auth.rs"]
mod auth;
#[path = "s3_protocol/checksums.rs"]
mod checksums;
#[path = "s3_protocol/chunked.rs"]
mod chunked;
#[path = "s3_protocol/client.rs"]
mod client;
#[path = "s3_protocol/cors.rs"]
mod cors;
#[path = "s3_protocol/errors.rs"]
mod errors;
#[path = "s3_protocol/expect.rs"]
mod expect;
#[path = "s3_protocol/forms.rs"]
mod forms;
#[path = "s3_protocol/hostile.rs"]
mod hostile;
#[path = "s3_protocol/listing.rs"]
mod listing;
#[path = "s3_protocol/multipart.rs"]
mod multipart;
#[path = "s3_protocol/reads.rs"]
mod reads;
#[path = "s3_protocol/table.rs"]
mod table;
#[path = "s3_protocol/writes.rs"]
mod writes;

mod protocol;
mod support;
