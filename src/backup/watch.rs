//! When a backup has to end early: its time is up, or whoever asked for it has gone.

use super::BackupError;
use crate::blob::BlobError;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// Says whether to go on. Asked between files, and between the pieces of large ones.
#[derive(Clone)]
pub(super) struct Watch {
    abandoned: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

/// Ends the work of its [`Watch`] when it is dropped.
pub(super) struct Asker(Arc<AtomicBool>);

impl Watch {
    /// A watch that runs out at the deadline, or with the asker.
    pub(super) fn new(deadline: Option<Instant>) -> (Self, Asker) {
        let abandoned = Arc::new(AtomicBool::new(false));
        (Self { abandoned: Arc::clone(&abandoned), deadline }, Asker(abandoned))
    }

    pub(super) fn go_on(&self) -> Result<(), BackupError> {
        if self.abandoned.load(Ordering::Acquire) {
            return Err(BackupError::Ended("it was ended before it was complete"));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(BackupError::Ended("it took longer than it may")),
            Some(_) | None => Ok(()),
        }
    }

    /// The same for the blob store, whose error stands in until [`Self::explain`] is asked.
    pub(super) fn go_on_with_blob(&self) -> Result<(), BlobError> {
        self.go_on().map_err(|error| BlobError::Io(error.to_string()))
    }

    /// What a blob's error means: mostly itself, unless it is our own.
    pub(super) fn explain(&self, error: BlobError) -> BackupError {
        self.go_on().err().unwrap_or(BackupError::Blob(error))
    }

    /// Ends the work: another part of it has failed.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_goes_on_until_the_deadline_or_until_nobody_asks() {
        let (watch, asker) = Watch::new(None);
        assert!(watch.go_on().is_ok() && watch.go_on_with_blob().is_ok());
        drop(asker);
        assert!(matches!(watch.go_on(), Err(BackupError::Ended(_))));
        let (late, _asker) = Watch::new(Some(Instant::now() - Duration::from_millis(1)));
        assert!(matches!(late.explain(BlobError::NoSpace), BackupError::Ended(_)));
        let (watch, _asker) = Watch::new(Some(Instant::now() + Duration::from_secs(3600)));
        assert!(matches!(watch.explain(BlobError::NoSpace), BackupError::Blob(BlobError::NoSpace)));
    }
}
