//! partway: an upload gateway for S3 and OSS clients.
//!
//! The way of a request: `server` reads it, `dialect` tells what it claims to be, `auth` verifies
//! who sent it, `dialect` decodes an operation, `ops` carries it out on `meta` and `blob`, and
//! `dialect` encodes the outcome. `docs/architecture.md` has the picture.

pub mod auth;
pub mod backup;
pub mod bench;
pub mod blob;
pub mod cli;
pub mod config;
pub mod datadir;
pub mod dialect;
pub mod digest;
pub mod events;
pub mod meta;
pub mod model;
pub mod ops;
pub mod secrets;
pub mod server;
pub mod space;
pub mod telemetry;
pub mod testkit;
