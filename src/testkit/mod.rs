//! What tests share: conformance suites, faulty wrappers, a raw-socket client.

pub mod kv_suite;
pub mod blob_suite;
pub mod faulty;
