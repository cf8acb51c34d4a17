//! The two wire dialects. A dialect turns a request into an operation and an outcome into a
//! response; it knows neither stores nor the async runtime.
//!
//! `s3/` and `oss/` have the same file names, so that reading them side by side shows how the
//! dialects differ. What both share lies beside them: XML, percent-encoding, dates.

pub mod date;
pub mod percent;
pub mod s3;
pub mod xml;
