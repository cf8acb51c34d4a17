//! Opening the stores of a data directory: for the server, and for operator commands while it is stopped.

use super::{CliError, sealing};
use crate::{
    blob::LocalBlobs,
    config::Settings,
    datadir::DataDir,
    meta::{Kv, RocksKv},
    model::Timestamp,
    ops::{Environment, Gateway, GatewaySettings},
    secrets::Vault,
    space::Space,
};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// The stores of a data directory, opened.
pub(super) struct Stores {
    pub(super) gateway: Arc<Gateway>,
    /// The index, for what has its own rows in it.
    pub(super) index: Arc<RocksKv>,
}

/// A gateway over the stores of a data directory, with what an earlier run left half-done settled and its secrets sealed. Blocks
/// while the index reads its log, so it is called before anything else runs.
pub(super) async fn open(settings: &Settings, data: &DataDir, vault: Arc<Vault>) -> Result<Stores, CliError> {
    Space::prepare(&data.index(), settings.disk_reserve_bytes);
    let index = RocksKv::open(&data.index(), settings.rocks.clone())
        .map_err(|error| CliError::failed(format!("cannot open the index in {}: {error}", data.index().display())))?;
    let blobs = LocalBlobs::open(&data.blobs(), settings.blobs.clone())
        .map_err(|error| CliError::failed(format!("cannot open the blobs in {}: {error}", data.blobs().display())))?;
    let index = Arc::new(index);
    let kv = Arc::clone(&index) as Arc<dyn Kv>;
    let behaviour = GatewaySettings { vault: Arc::clone(&vault), ..settings.gateway.clone() };
    let space = Space::open(&data.index(), &data.blobs(), settings.disk_reserve_bytes);
    let gateway = Gateway::with_space(kv, Arc::new(blobs), behaviour, environment(), space);
    let recovered = gateway.recover().await;
    recovered.map_err(|failure| CliError::failed(format!("cannot settle what an earlier run left half-done: {failure:?}")))?;
    sealing::settle(&vault, data, &gateway, &index).await?;
    Ok(Stores { gateway, index })
}

fn environment() -> Environment {
    Environment { now: Arc::new(now), random: Arc::new(random) }
}

/// The time by the system's clock; the epoch when that is set to before it.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Fills a buffer with random bytes of the kernel.
pub(super) fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel has randomness once it is up");
}
