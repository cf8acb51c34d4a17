//! Properties: what holds for every key, range, split, page and request, tried on generated ones against naive models and
//! against implementations of published specifications that share no code with the product.

#[path = "properties/canonical.rs"]
mod canonical;
#[path = "properties/crc.rs"]
mod crc;
mod gateway;
#[path = "properties/keys.rs"]
mod keys;
#[path = "properties/listing.rs"]
mod listing;
#[path = "properties/ranges.rs"]
mod ranges;
#[path = "properties/spelling.rs"]
mod spelling;

use std::future::Future;

/// Runs to the end on a runtime of this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime of this thread can be had").block_on(future)
}
