//! What tests share: conformance suites, faulty wrappers, a raw-socket client.

pub mod kv_suite;
