//! `partway serve`: the server's life, from the lock to the last request.

use super::{
    CliError,
    command::{Events, Place, execute},
    control::ControlSocket,
    housekeeping, keys, output, sealing,
    startup_block::{self, RootKeyOrigin},
    stores::{self, Stores},
};
use crate::{
    backup::DataDirPlaces,
    config::{Durability, RootKey, Settings},
    datadir::{DataDir, DataDirError},
    events::{Outbox, Signer},
    meta::Kv,
    model::{Account, KeyRecord, KeyStatus},
    ops::{Gateway, LifecycleReport},
    secrets::Vault,
    server::{self, Certificates, ServerSettings, TlsFiles},
    telemetry::{self, Metric},
};
use rustix::{
    process::{Resource, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};
use std::{net::SocketAddr, num::NonZero, process::ExitCode, sync::Arc, thread::available_parallelism, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// How long the reaper rests when nothing is due. At most so long after its grace, bytes are gone.
const REAP_PAUSE: Duration = Duration::from_secs(2);

/// How long it rests at most after failures, each of which doubles its rest.
const REAP_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long to wait before what could not be counted is tried again.
const COUNT_AGAIN: Duration = Duration::from_secs(60);

/// File descriptors besides those of connections: index, blobs being written and read, sockets.
const DESCRIPTORS_BESIDES: u64 = 1024;

/// How long the reaper, callbacks and what operators began may go on after the last request.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// How long tasks may take to notice that the runtime ends.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(5);

/// Threads for work that blocks: enough to keep a disk's queue full of writes and syncs, and few enough
/// that their stacks and allocator caches do not add up to more than the bodies they move.
const BLOCKING_THREADS_MAX: usize = 32;

/// And for each processor: one that serves few requests at once gains nothing from more threads, and pays their memory.
const BLOCKING_THREADS_PER_PROCESSOR: usize = 8;

/// Serves until a signal, drains, and returns success.
///
/// # Errors
/// When it cannot start, or accepting fails for good.
pub(super) fn run(settings: &Settings) -> Result<ExitCode, CliError> {
    telemetry::init_logs(&settings.log_level, settings.log_format).map_err(|error| CliError::failed(error.to_string()))?;
    telemetry::init_metrics().map_err(|error| CliError::failed(error.to_string()))?;
    telemetry::report_durability(&settings.durability.to_string());
    raise_descriptor_limit();
    use_small_pages();
    let data = DataDir::open_or_create(&settings.data)?;
    let vault = sealing::vault_for(settings, &data)?;
    let signer = signer(&data, &vault)?;
    let tls = certificates(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(blocking_thread_count(available_parallelism().map_or(1, NonZero::get)))
        .build()
        .map_err(|error| CliError::failed(format!("cannot start the runtime: {error}")))?;
    let (gateway, served) = runtime.block_on(async {
        let (listener, metrics_listener) = listen(settings).await?;
        let Stores { gateway, index } = stores::open(settings, &data, Arc::clone(&vault)).await?;
        let outbox = Outbox::new(Arc::clone(&index) as Arc<dyn Kv>, settings.events.clone(), Arc::new(signer), Arc::new(stores::now));
        let stores = Stores { gateway: Arc::clone(&gateway), index };
        let served = serve(settings, &data, &vault, stores, outbox, tls, listener, metrics_listener).await;
        Ok::<_, CliError>((gateway, served))
    })?;
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    // Outside the runtime, because closing the index blocks.
    drop(gateway);
    telemetry::flush_logs();
    served.map(|()| ExitCode::SUCCESS)
}

/// How many threads may block on a machine with so many processors.
fn blocking_thread_count(processor_count: usize) -> usize {
    processor_count.saturating_mul(BLOCKING_THREADS_PER_PROCESSOR).clamp(BLOCKING_THREADS_PER_PROCESSOR, BLOCKING_THREADS_MAX)
}

async fn listen(settings: &Settings) -> Result<(TcpListener, Option<TcpListener>), CliError> {
    let bind = async |address: SocketAddr| {
        TcpListener::bind(address).await.map_err(|error| CliError::failed(format!("cannot listen on {address}: {error}")))
    };
    let listener = bind(settings.listen).await?;
    let metrics_listener = match settings.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    Ok((listener, metrics_listener))
}

#[allow(clippy::too_many_arguments, reason = "each is a part that `run` has opened, and they have nothing else in common")]
async fn serve(
    settings: &Settings,
    data: &DataDir,
    vault: &Vault,
    Stores { gateway, index }: Stores,
    outbox: Arc<Outbox>,
    tls: Option<Arc<Certificates>>,
    listener: TcpListener,
    metrics_listener: Option<TcpListener>,
) -> Result<(), CliError> {
    let failed = |what: &str, error: std::io::Error| CliError::failed(format!("{what}: {error}"));
    let (root_key, origin) = root_key(settings, data, vault)?;
    let signals = Signals::listen().map_err(|error| failed("cannot listen for signals", error))?;
    survive_file_size_limit().map_err(|error| failed("cannot listen for signals", error))?;
    let control = ControlSocket::bind(data.path()).map_err(|error| failed("cannot listen on the control socket", error))?;
    let address = listener.local_addr().map_err(|error| failed("the listening socket", error))?;
    let metrics_address =
        metrics_listener.as_ref().map(TcpListener::local_addr).transpose().map_err(|error| failed("the metrics socket", error))?;

    if let Some(certificates) = &tls {
        renew_on_hangup(Arc::clone(certificates)).map_err(|error| failed("cannot listen for signals", error))?;
    }
    let (stop, stopped) = watch::channel(());
    let expiry = tokio::spawn(expire(Arc::clone(&gateway), settings.lifecycle_interval, settings.upload_expiry, stopped.clone()));
    let orphans = tokio::spawn(housekeeping::count(Arc::clone(&gateway), settings.orphan_search_rate, stopped.clone()));
    let counting = tokio::spawn(count_older(Arc::clone(&gateway), stopped.clone()));
    let reaper = tokio::spawn(reap(Arc::clone(&gateway), stopped.clone()));
    let teller = tokio::spawn(Arc::clone(&outbox).run(stopped));
    let operators = tokio::spawn(control.serve({
        let (gateway, outbox, access_key) = (Arc::clone(&gateway), Arc::clone(&outbox), root_key.access_key.clone());
        let places = Arc::new(DataDirPlaces::of(data, vault.current().map(|id| id.to_string())));
        move |command| {
            let (gateway, outbox, access_key) = (Arc::clone(&gateway), Arc::clone(&outbox), access_key.clone());
            let (index, places) = (Arc::clone(&index), Arc::clone(&places));
            async move {
                let events = Events::Running(outbox);
                let place = Place { gateway: &gateway, root_access_key: Some(&access_key), events, index, data: &places };
                execute(&place, stores::now(), command).await
            }
        }
    }));
    output::print(&startup_block::text(settings, data, vault.current(), &root_key, origin, address, metrics_address));
    if settings.durability == Durability::None {
        tracing::warn!("durability is none: a power cut loses what was acknowledged");
    }

    let mut server = settings.server(record(root_key), tls);
    bound_connections(&mut server);
    let served = server::serve(server, Arc::clone(&gateway), Arc::clone(&outbox), listener, metrics_listener, signals.stop()).await;

    // Operators wait for a stopping server to let go of its directory rather than ask it.
    operators.abort();
    let _ = operators.await;
    drop(stop);
    let rest = async {
        let _ = counting.await;
        let _ = expiry.await;
        let _ = orphans.await;
        let _ = reaper.await;
        let _ = teller.await;
        outbox.drain().await;
        gateway.drain().await;
    };
    if tokio::time::timeout(AFTERWARDS, rest).await.is_err() {
        tracing::warn!("work was still going on after the last request; the next start repeats it");
    }
    served.map_err(|error| failed("the server stopped", error))
}

/// A write beyond the limit of file sizes fails from here on (`EFBIG`), and does not end the process as it would unheard.
fn survive_file_size_limit() -> std::io::Result<()> {
    let mut exceeded = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    tokio::spawn(async move { while exceeded.recv().await.is_some() {} });
    Ok(())
}

/// The signer of callbacks; its key is made at the first start, which takes a moment.
fn signer(data: &DataDir, vault: &Vault) -> Result<Signer, CliError> {
    let pem = data.callback_key_or_create(vault, Signer::new_key_pem)?;
    Ok(Signer::from_pem(&pem).map_err(|why| DataDirError::CallbackKey { path: data.callback_key_file(), why })?)
}

/// What clients get to see of TLS, if they are to.
fn certificates(settings: &Settings) -> Result<Option<Arc<Certificates>>, CliError> {
    let load = |files: &TlsFiles| Certificates::load(files.clone()).map_err(|error| CliError::usage(error.to_string()));
    Ok(settings.tls.as_ref().map(load).transpose()?.map(Arc::new))
}

/// Looks at the files of TLS at every SIGHUP, which without TLS ends the process as it always did.
fn renew_on_hangup(certificates: Arc<Certificates>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let certificates = Arc::clone(&certificates);
            // What there is to be said about it has been logged.
            let _ = tokio::task::spawn_blocking(move || certificates.reload()).await;
        }
    });
    Ok(())
}

fn root_key(settings: &Settings, data: &DataDir, vault: &Vault) -> Result<(RootKey, RootKeyOrigin), CliError> {
    match &settings.root_key {
        Some(key) => Ok((key.clone(), RootKeyOrigin::Settings)),
        None => {
            let stored = data.root_key_or_create(vault, || keys::random_key(&stores::random))?;
            Ok((stored.key, if stored.is_new { RootKeyOrigin::Made } else { RootKeyOrigin::File }))
        }
    }
}

fn record(RootKey { access_key, secret_key }: RootKey) -> KeyRecord {
    KeyRecord { access_key, secret_key, account: Account::root(), policy: None, status: KeyStatus::Active, created: stores::now() }
}

/// Works off the to-do list until `stopped`'s sender is gone. Failures are told once until it works again.
async fn reap(gateway: Arc<Gateway>, mut stopped: watch::Receiver<()>) {
    let mut pause = REAP_PAUSE;
    loop {
        let failed_before = pause > REAP_PAUSE;
        match gateway.reap().await {
            Ok(0) => pause = REAP_PAUSE,
            Ok(_) => pause = Duration::ZERO,
            Err(failure) => {
                if !failed_before {
                    tracing::warn!(?failure, "cannot work off the to-do list; will try again");
                }
                pause = pause.max(REAP_PAUSE).saturating_mul(2).min(REAP_PAUSE_MAX);
            }
        }
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Counts what an earlier release wrote, until `stopped`'s sender is gone; the next start goes on then.
async fn count_older(gateway: Arc<Gateway>, mut stopped: watch::Receiver<()>) {
    let work = async {
        loop {
            match gateway.count_older().await {
                Ok(0) => return,
                Ok(count) => return tracing::info!(count, "records of an earlier release are counted; quotas hold for all there is"),
                Err(failure) => tracing::warn!(?failure, "cannot count what an earlier release wrote; will try again"),
            }
            tokio::time::sleep(COUNT_AGAIN).await;
        }
    };
    tokio::select! {
        biased;
        _ = stopped.changed() => {}
        () = work => {}
    }
}

/// Carries out lifecycle rules and aborts uploads that were `idle` for too long, a round at the start and one every `interval`,
/// until `stopped`'s sender is gone. A round that is under way then is broken off; the next start begins another.
async fn expire(gateway: Arc<Gateway>, interval: Duration, idle: Option<Duration>, mut stopped: watch::Receiver<()>) {
    let rounds = async {
        loop {
            match gateway.apply_lifecycle(gateway.now()).await {
                Ok(LifecycleReport { deleted_objects, aborted_uploads }) => {
                    telemetry::counter(Metric::LifecycleDeletedObjects, &[]).increment(deleted_objects);
                    telemetry::counter(Metric::LifecycleAbortedUploads, &[]).increment(aborted_uploads);
                }
                Err(failure) => tracing::warn!(?failure, "cannot carry out lifecycle rules; the next round will try again"),
            }
            if let Some(idle) = idle {
                let idle_ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
                if let Err(failure) = housekeeping::expire_uploads(&gateway, gateway.now(), idle_ms, 0).await {
                    tracing::warn!(?failure, "cannot expire stale uploads; the next round will try again");
                }
            }
            tokio::time::sleep(interval).await;
        }
    };
    tokio::select! {
        biased;
        _ = stopped.changed() => {}
        () = rounds => {}
    }
}

/// The signals that end the server: SIGTERM of supervisors, SIGINT of terminals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals no longer kill the process.
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the first signal. The second one ends the process at once, which loses no more than a crash would.
    async fn stop(mut self) {
        let name = self.next().await;
        tracing::info!("{name}: draining");
        tokio::spawn(async move {
            let name = self.next().await;
            output::complain(&format!("partway: {name} again: ending at once"));
            std::process::exit(1);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Asks for as many file descriptors as the system grants.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}

/// Lets the kernel give memory by the page. Allocators ask it for 2 MiB at once, of which the many threads here would each use
/// a little: half of all memory, for some three hundredths of the CPU time of uploads.
fn use_small_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "cannot do without huge pages");
    }
}

/// Serves no more connections than there are descriptors for, and says so.
fn bound_connections(server: &mut ServerSettings) {
    let Some(granted) = getrlimit(Resource::Nofile).current else { return };
    let wanted = server.connection_count_max;
    let possible = connections_possible(granted, server.request_count_max);
    if possible < wanted {
        tracing::warn!(granted, wanted, served = possible, "the limit of open files is too low for connections-max: fewer are served");
        server.connection_count_max = possible;
    }
}

/// How many connections may be open with so many descriptors, at least one: the index and files that are being written
/// come first. A request in flight has at most one file besides its connection, and there are two kinds of requests.
fn connections_possible(granted: u64, request_count_max: usize) -> usize {
    let rest = granted - DESCRIPTORS_BESIDES.min(granted / 2);
    let of_requests = u64::try_from(request_count_max).unwrap_or(u64::MAX).saturating_mul(2).min(rest / 2);
    usize::try_from(rest - of_requests).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_block_follow_the_processors() {
        let counts = [0, 1, 2, 3, 4, 64, usize::MAX].map(blocking_thread_count);
        assert_eq!(counts, [8, 8, 16, 24, 32, 32, 32]);
    }

    #[test]
    fn connections_leave_descriptors_to_files() {
        for (granted, requests, expected) in
            [(20_000, 1024, 16_928), (1_048_576, 1024, 1_045_504), (4096, 1024, 1536), (1024, 1024, 256), (2, 1, 1), (0, 1024, 1)]
        {
            assert_eq!(connections_possible(granted, requests), expected, "{granted}");
        }
    }
}
