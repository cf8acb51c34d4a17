//! The two wire dialects. A dialect turns a request into an operation and an outcome into a
//! response; it knows neither stores nor the async runtime.
//!
//! `s3/` and `oss/` have the same file names, so that reading them side by side shows how the
//! dialects differ.

pub mod s3;
pub mod xml;
