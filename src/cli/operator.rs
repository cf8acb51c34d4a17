//! Operator commands: carried out here when the data directory is free, else by the process that has it.

use super::{
    CliError, STATUS_IN_USE,
    command::{Answer, Command, Events, Place, execute},
    control, sealing,
    stores::{self, Stores},
};
use crate::{
    backup::DataDirPlaces,
    config::Settings,
    datadir::{DataDir, DataDirError},
    events::Ledger,
    meta::Kv,
    telemetry,
};
use std::{
    io,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

/// How long to try when the directory is held by a process that does not answer: it may be starting or ending.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does a command and returns its answer.
///
/// # Errors
/// When it fails, or the directory can neither be opened nor its server be asked.
pub(super) fn ask(settings: &Settings, command: &Command) -> Result<Answer, CliError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let in_use = match DataDir::open(&settings.data) {
            Ok(data) => return answer_here(settings, &data, command.clone()),
            Err(in_use @ DataDirError::InUse { .. }) => in_use,
            Err(other) => return Err(other.into()),
        };
        match control::ask(&settings.data, command) {
            Ok(reply) => return reply.map_err(CliError::failed),
            Err(error) if !is_nobody_there(&error) => return Err(CliError::failed(format!("the running server: {error}"))),
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(100)),
            Err(error) => {
                let message = format!("{in_use}, and that process takes no commands: {error}");
                return Err(CliError { message, status: STATUS_IN_USE });
            }
        }
    }
}

/// Does a command that no running server can do.
///
/// # Errors
/// When it fails, or another process has the directory.
pub(super) fn do_alone(settings: &Settings, command: Command) -> Result<Answer, CliError> {
    answer_here(settings, &DataDir::open(&settings.data)?, command)
}

fn is_nobody_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn answer_here(settings: &Settings, data: &DataDir, command: Command) -> Result<Answer, CliError> {
    let _ = telemetry::init_logs("warn", settings.log_format);
    let vault = sealing::vault_for(settings, data)?;
    // As in the server, a key from the settings stands in for the one in the directory.
    let root = match &settings.root_key {
        Some(root) => Some(root.access_key.clone()),
        None => data.root_key(&vault)?.map(|root| root.access_key),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("cannot start the runtime: {error}")))?;
    let (gateway, reply) = runtime.block_on(async {
        let sealed_with = vault.current().map(|id| id.to_string());
        let Stores { gateway, index } = stores::open(settings, data, vault).await?;
        let places = DataDirPlaces::of(data, sealed_with);
        let events = Events::Stopped(Ledger::new(Arc::clone(&index) as Arc<dyn Kv>));
        let place = Place { gateway: &gateway, root_access_key: root.as_deref(), events, index, data: &places };
        let reply = execute(&place, stores::now(), command).await;
        drop(place);
        gateway.drain().await;
        Ok::<_, CliError>((gateway, reply))
    })?;
    drop(runtime);
    // Outside the runtime, because closing the index blocks.
    drop(gateway);
    reply.map_err(CliError::failed)
}
