//! The OSS dialect on the wire: tables of requests and answers, spoken over sockets to the real binary.
//!
//! - Requests are signed with the crate's own signer in every way that OSS clients have; among them are the shapes captured from
//!   clients that cannot be run here (iOS, Java, Go, PHP, browsers).
//! - The client refuses any response header that is not on its list, and compares documents with `tests/golden/oss_wire` byte
//!   for byte after replacing what varies. `PARTWAY_BLESS=1` rewrites those files.
//! - Every table ends with a canary: a comparison that must fail.

#[path = "oss_protocol/answers.rs"]
mod answers;
#[path = "oss_protocol/captured.rs"]
mod captured;
#[path = "oss_protocol/client.rs"]
mod client;
#[path = "oss_protocol/cors.rs"]
mod cors;
#[path = "oss_protocol/errors.rs"]
mod errors;
#[path = "oss_protocol/forms.rs"]
mod forms;
#[path = "oss_protocol/hostile.rs"]
mod hostile;
#[path = "oss_protocol/multipart.rs"]
mod multipart;
#[path = "oss_protocol/objects.rs"]
mod objects;
#[path = "oss_protocol/signatures.rs"]
mod signatures;
#[path = "oss_protocol/table.rs"]
mod table;
#[path = "oss_protocol/tokens.rs"]
mod tokens;

mod protocol;
mod support;
