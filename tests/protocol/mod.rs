//! What the suites of both dialects share: requests written byte by byte, a server, tables of answers.
//!
//! How requests are signed, what every answer must look like and how an error is shown is each suite's own (`client`, `table`).

#![allow(dead_code, reason = "each suite uses a part of it")]

pub(crate) mod cors;
pub(crate) mod form;
pub(crate) mod peer;
pub(crate) mod request;
pub(crate) mod table;

/// An MD5 as Content-MD5 writes it.
pub(crate) fn content_md5(body: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(partway::digest::md5(body))
}
