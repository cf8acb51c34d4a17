//! What tests share: conformance suites, faulty wrappers, a machine whose power goes, a raw-socket client, what fuzzing calls.

pub mod blob_suite;
pub mod dice;
pub mod faulty;
#[doc(hidden)]
pub mod fuzzing;
pub mod kv_suite;
pub mod power;
pub mod raw_client;
