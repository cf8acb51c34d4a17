//! What tests share: conformance suites, faulty wrappers, a raw-socket client.

pub mod blob_suite;
pub mod faulty;
pub mod kv_suite;
