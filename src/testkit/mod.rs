//! What tests share: conformance suites, faulty wrappers, a raw-socket client, what fuzzing calls.

pub mod blob_suite;
pub mod faulty;
#[doc(hidden)]
pub mod fuzzing;
pub mod kv_suite;
pub mod raw_client;
