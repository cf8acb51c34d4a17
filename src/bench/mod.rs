//! Load on any S3 or OSS endpoint, and what came of it: `partway bench`.
//!
//! A run is planned (`plan`), prepared over the same protocol that is measured (`prepare`), carried out by one thread and
//! one kept-alive connection per worker (`worker`, `client`), and told as a [`Report`], which can be compared with another.
//!
//! - Every measured URL is signed before the first measured request, and bodies are not signed.
//! - In clear, bodies go from a memory file to the socket and answers are dropped in the kernel: the generator's own work is
//!   small, and the report says how much it was.
//! - Nothing here knows the server's code: what is measured is what any client sees.

mod client;
mod compare;
mod cpu;
mod error;
#[cfg(test)]
mod fixture;
mod histogram;
mod line;
mod payload;
mod plan;
mod prepare;
mod report;
mod site;
mod worker;

pub use compare::{comparison, differences};
pub use error::BenchError;
pub use histogram::{Bucket, Histogram};
pub use line::Trouble;
pub use report::{FORMAT, Latency, Measured, Report, ServerCost, TroubleCount};

use crate::auth::sign::Credentials;
use std::{path::PathBuf, time::Duration};

/// Which dialect is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// Amazon S3, signed with SigV4.
    S3,
    /// Aliyun OSS, signed with its version 4.
    Oss,
}

impl Tongue {
    /// Its name in arguments and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Oss => "oss",
        }
    }
}

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Uploads parts to open uploads, over and over.
    UploadParts,
    /// Puts objects.
    Put,
    /// Gets whole objects.
    Get,
    /// Gets ranges of objects.
    Range,
    /// Lists all objects, a page of up to 1,000 after the other.
    List,
    /// Completes uploads whose parts are there.
    Complete,
    /// Some of everything but completing.
    Mixed,
}

impl Work {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::UploadParts, Self::Put, Self::Get, Self::Range, Self::List, Self::Complete, Self::Mixed];

    /// Its name in arguments and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadParts => "upload-parts",
            Self::Put => "put",
            Self::Get => "get",
            Self::Range => "range",
            Self::List => "list",
            Self::Complete => "complete",
            Self::Mixed => "mixed",
        }
    }
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After so many operations.
    Count(u64),
    /// When no operation begins any more.
    Time(Duration),
}

/// A run as it is asked for. What is `None` has a default that depends on the work.
#[derive(Clone, Debug)]
pub struct Order {
    /// `http://host:port` or `https://host:port`.
    pub endpoint: String,
    /// `host:port` to connect to instead of the endpoint's own.
    pub connect: Option<String>,
    /// Whether the bucket is named in the host instead of in the path.
    pub virtual_host: bool,
    /// A file of certificates in PEM to trust instead of what the system trusts.
    pub ca: Option<PathBuf>,
    /// The dialect.
    pub tongue: Tongue,
    /// The region that is signed.
    pub region: String,
    /// What is signed with.
    pub credentials: Credentials,
    /// The bucket; created when it is absent, and then removed at the end.
    pub bucket: String,
    /// What the keys begin with; a random one when `None`. Objects that are there already are used.
    pub prefix: Option<String>,
    /// The work.
    pub work: Work,
    /// Bytes of a body: of a part, an object, a range.
    pub size: Option<u64>,
    /// Bytes of the objects that ranges are read of.
    pub object_size: Option<u64>,
    /// How many objects, or uploads.
    pub objects: Option<u64>,
    /// How many parts an upload has, or an object that is read was uploaded in.
    pub parts: Option<u16>,
    /// How many workers.
    pub concurrency: usize,
    /// When it ends.
    pub limit: Limit,
    /// Whether the content of what is read is compared, and the ETag of what is written.
    pub verify: bool,
    /// Whether what is measured writes bodies that differ from each other, for servers that store equal bytes once.
    pub distinct: bool,
    /// Whether what was made stays.
    pub keep: bool,
    /// The server's process, when it is on this machine.
    pub server_pid: Option<u32>,
}

/// Carries out a run. `tell` is told what goes on, for somebody who waits.
///
/// # Errors
/// When the run could not be prepared. Errors of measured operations are in the report.
pub fn run(order: &Order, tell: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let shape = plan::Shape::of(order)?;
    let site = site::Site::new(order)?;
    // Bodies that differ begin at different places of it.
    let payload_size = if order.distinct { payload::SIZE_MAX } else { shape.size.max(shape.part_size) };
    let payload = payload::Payload::new(payload_size).map_err(BenchError::Memory)?;
    if let Some(pid) = order.server_pid {
        cpu::usage(Some(pid)).map_err(|source| BenchError::Process { pid, source })?;
    }
    let stage = prepare::Stage::new(&site, &payload, order.concurrency);
    let outcome = measure(order, &shape, &stage, tell);
    if order.keep {
        return outcome.map(|mut report| {
            report.kept = Some(shape.prefix.clone());
            report
        });
    }
    if stage.has_made() {
        tell("cleaning up");
    }
    let prepared = stage.requests();
    let cleaned = stage.clean();
    let mut report = outcome?;
    report.cleanup_requests = stage.requests().saturating_sub(prepared);
    report.left_behind = cleaned.err().map(|error| error.to_string());
    Ok(report)
}

fn measure(order: &Order, shape: &plan::Shape, stage: &prepare::Stage<'_>, tell: &dyn Fn(&str)) -> Result<Report, BenchError> {
    tell(&format!("preparing {}", shape.words(order.work)));
    stage.bucket()?;
    let ring = plan::ring(order, shape, stage)?;
    let preparation_requests = stage.requests();
    tell(&format!("measuring with {} connections", order.concurrency));
    let usage = |pid| cpu::usage(pid).map_err(|source| BenchError::Process { pid: pid.unwrap_or(0), source });
    let server = || order.server_pid.map(|pid| usage(Some(pid))).transpose();
    let (own_before, server_before) = (usage(None)?, server()?);
    let (results, elapsed) = worker::carry_out(&ring, order, stage.site, stage.payload);
    // A server that is gone has no figures any more; the errors tell that.
    let (own_after, server_after) = (usage(None)?, server().unwrap_or(None));
    stage.made.add_measured(&ring, &results);
    Ok(report::Figures { order, shape, results: &results, elapsed, preparation_requests, own: (own_before, own_after) }
        .report(server_before.zip(server_after)))
}
