//! Secrets of a data directory, sealed before anything is served.
//!
//! - The directory says which key its secrets are sealed with, from before the first one is sealed on. So nobody opens
//!   it without that key and finds half of the secrets unreadable.
//! - When all are sealed, the index is rewritten where they were in clear, and only then the directory says that it is done.
//!   A crash before that repeats all of it.

use super::CliError;
use crate::{
    config::Settings,
    datadir::{DataDir, DataDirError, SealedWith},
    meta::{RocksKv, keys},
    ops::Gateway,
    secrets::Vault,
};
use std::{path::Path, sync::Arc};

/// The vault that the settings name, without looking at a directory.
pub(super) fn vault(settings: &Settings) -> Result<Vault, CliError> {
    Vault::load(settings.secrets_key_files.iter().map(|file| file.as_path())).map_err(|error| CliError::usage(error.to_string()))
}

/// The vault for a directory, when it can be the right one.
///
/// # Errors
/// Wrong settings: a key is missing, or kept where what it seals is.
pub(super) fn vault_for(settings: &Settings, data: &DataDir) -> Result<Arc<Vault>, CliError> {
    for file in &settings.secrets_key_files {
        if is_within(file, data.path()) {
            let message = format!("the key file {} is in the data directory, where it protects nothing; keep it elsewhere", file.display());
            return Err(CliError::usage(message));
        }
    }
    let vault = vault(settings)?;
    let refused = |id, why| CliError::from(DataDirError::Sealed { path: data.path().to_owned(), id, why });
    match (data.sealed_with()?, vault.current()) {
        (Some(SealedWith { id, .. }), None) => Err(refused(id, "secrets-key-file has to name the file with it")),
        // While keys are changed, this is the new one already, and what the old one has sealed is found out secret by secret.
        (Some(SealedWith { id, .. }), Some(_)) if !vault.has(id) => {
            Err(refused(id, "secrets-key-file names another; to change keys, name the one until now in secrets-key-file-previous"))
        }
        (Some(_) | None, _) => Ok(Arc::new(vault)),
    }
}

fn is_within(file: &Path, directory: &Path) -> bool {
    file.canonicalize().is_ok_and(|file| file.starts_with(directory))
}

/// Sees to it that every secret is sealed with the current key, if there is one.
///
/// # Errors
/// A secret does not open with any key; or the stores fail.
pub(super) async fn settle(vault: &Vault, data: &DataDir, gateway: &Gateway, index: &Arc<RocksKv>) -> Result<(), CliError> {
    let Some(id) = vault.current() else { return Ok(()) };
    let done = SealedWith { id, is_complete: true };
    let is_done = data.sealed_with()? == Some(done);
    if !is_done {
        data.set_sealed_with(SealedWith { is_complete: false, ..done })?;
    }
    data.seal_files(vault)?;
    let count = gateway.seal_keys().await.map_err(|error| CliError::usage(format!("secrets cannot be sealed: {error}")))?;
    if count > 0 || !is_done {
        let index = Arc::clone(index);
        let rewritten = tokio::task::spawn_blocking(move || index.rewrite(&keys::table(b'K'))).await;
        let rewritten = rewritten.map_err(|error| CliError::failed(format!("rewriting the index: {error}")))?;
        rewritten.map_err(|error| CliError::failed(format!("rewriting the index: {error}")))?;
        data.set_sealed_with(done)?;
        tracing::info!(key = %id, access_keys = count, "secrets are sealed");
    }
    Ok(())
}
