//! A blob being written: bytes to their place in the staging file, checksums on the way, and the seal.
//!
//! Hot: every uploaded byte that is not kept in the index passes through [`Writer::append`].

use super::{
    directory::{Directory, remove_file},
    disk::DiskFile,
    format::{Footer, TableBuilder, crc32c, file_size},
};
use crate::{
    blob::{
        BlobError, BlobId, Sealed, Staging,
        blocking::{self, detach},
    },
    digest::OtherDigests,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    io::{self, IoSlice},
    path::PathBuf,
    sync::Arc,
};

/// Buffers per system call; Linux takes no more (`IOV_MAX`).
const WRITE_BUFFER_COUNT_MAX: usize = 1_024;

/// The [`Staging`] of a local store.
pub(super) struct LocalStaging {
    /// Away while a step is under way. A step that failed, or whose future was dropped, does not bring it back.
    writer: Option<Writer>,
}

impl LocalStaging {
    /// Begins a blob; blocks.
    pub(super) fn begin(directory: Arc<Directory>, blob: BlobId, size: Option<u64>) -> Result<Self, BlobError> {
        Ok(Self { writer: Some(Writer::begin(directory, blob, size)?) })
    }

    fn take(&mut self) -> Result<Writer, BlobError> {
        self.writer.take().ok_or_else(|| BlobError::Io("an earlier step of this staging did not finish".into()))
    }
}

#[async_trait]
impl Staging for LocalStaging {
    async fn append(&mut self, bytes: Vec<Bytes>) -> Result<(), BlobError> {
        let mut writer = self.take()?;
        self.writer = Some(
            blocking::run(writer.directory.disk.pace(), move || {
                writer.append(&bytes)?;
                Ok(writer)
            })
            .await?,
        );
        Ok(())
    }

    async fn append_digested(&mut self, bytes: Vec<Bytes>, mut digests: OtherDigests) -> Result<OtherDigests, BlobError> {
        let mut writer = self.take()?;
        let (writer, digests) = blocking::run(writer.directory.disk.pace(), move || {
            bytes.iter().for_each(|piece| digests.update(piece));
            writer.append(&bytes)?;
            Ok((writer, digests))
        })
        .await?;
        self.writer = Some(writer);
        Ok(digests)
    }

    async fn seal(mut self: Box<Self>) -> Result<Sealed, BlobError> {
        let writer = self.take()?;
        // When this future is dropped, so is the published file, and with it what was published: nobody will record it.
        let published = blocking::run(writer.directory.disk.pace(), move || writer.seal()).await?;
        Ok(published.keep())
    }
}

/// A file in the staging directory. Dropping it removes it under all its names.
pub(super) struct StagedFile {
    directory: Arc<Directory>,
    /// Taken by `drop` alone.
    file: Option<Box<dyn DiskFile>>,
    /// In the order in which they are removed.
    names: Vec<PathBuf>,
}

impl StagedFile {
    fn file(&self) -> &dyn DiskFile {
        self.file.as_deref().expect("a staged file is open until it is dropped")
    }

    /// Notes that the file has another name, to be removed first.
    pub(super) fn linked_as(&mut self, name: PathBuf) {
        self.names.insert(0, name);
    }

    fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let (names, file, directory) = (std::mem::take(&mut self.names), self.file.take(), Arc::clone(&self.directory));
        detach(self.directory.disk.pace(), move || {
            for name in names {
                // What stays behind is found by the next start.
                let _ = remove_file(&*directory.disk, &name);
            }
            // Closing a removed file frees its blocks, which takes a while.
            drop(file);
        });
    }
}

/// A blob that is published but not yet accepted by whoever asked for it.
struct Published {
    staged: StagedFile,
    sealed: Sealed,
}

impl Published {
    fn keep(self) -> Sealed {
        self.staged.keep();
        self.sealed
    }
}

struct Writer {
    directory: Arc<Directory>,
    blob: BlobId,
    staged: StagedFile,
    /// Length the file has room for beyond what is written, in bytes; 0 when nothing was reserved.
    reserved: u64,
    size: u64,
    table: TableBuilder,
}

impl Writer {
    fn begin(directory: Arc<Directory>, blob: BlobId, size: Option<u64>) -> Result<Self, BlobError> {
        directory.health.check()?;
        let path = directory.staging_path(blob);
        let file = directory
            .disk
            .create(&path)
            .map_err(|error| directory.health.write_error(&format!("creating the staging file of blob {blob}"), &error))?;
        let staged = StagedFile { directory: Arc::clone(&directory), file: Some(file), names: vec![path] };
        let mut reserved = 0;
        if let Some(size) = size {
            reserved = file_size(size).ok_or(BlobError::NoSpace)?;
            reserve(&directory, staged.file(), reserved)?;
        }
        Ok(Self { directory, blob, staged, reserved, size: 0, table: TableBuilder::new() })
    }

    fn append(&mut self, pieces: &[Bytes]) -> Result<(), BlobError> {
        self.directory.health.check()?;
        let written = write_all_at(self.staged.file(), pieces, self.size)
            .map_err(|error| self.directory.health.write_error("writing a blob", &error))?;
        for piece in pieces {
            self.table.update(piece);
        }
        self.size += written;
        Ok(())
    }

    fn seal(mut self) -> Result<Published, BlobError> {
        self.directory.health.check()?;
        let directory = Arc::clone(&self.directory);
        let failed = |error: io::Error| directory.health.write_error("finishing a blob file", &error);
        let mut tail = self.table.finish();
        let footer = Footer { blob: self.blob, size: self.size, table_crc: crc32c(&tail) };
        tail.extend_from_slice(&footer.encode());
        let length = self.size + write_all_at(self.staged.file(), &[Bytes::from(tail)], self.size).map_err(failed)?;
        if self.reserved > length {
            // Fewer bytes came than were announced: give back the blocks beyond the end.
            self.staged.file().set_length(length).map_err(failed)?;
        }
        self.directory.sync_file(self.staged.file())?;
        self.directory.publish(self.blob, &mut self.staged)?;
        Ok(Published { staged: self.staged, sealed: Sealed { blob: self.blob, size: self.size } })
    }
}

/// Reserves room for a file of so many bytes without changing its length, where the file system can.
fn reserve(directory: &Directory, file: &dyn DiskFile, length: u64) -> Result<(), BlobError> {
    // An allocation that cannot succeed takes what there is before it fails, and starves everybody else meanwhile.
    if directory.free_bytes().is_some_and(|free| free < length) {
        return Err(BlobError::NoSpace);
    }
    file.reserve(length).map_err(|error| directory.health.write_error("reserving room for a blob", &error))
}

/// Writes all pieces one after the other at an offset and returns the number of bytes.
fn write_all_at(file: &dyn DiskFile, pieces: &[Bytes], offset: u64) -> io::Result<u64> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece)).collect();
    let mut slices = slices.as_mut_slice();
    let mut written = 0;
    while !slices.is_empty() {
        match file.write_at(&slices[..slices.len().min(WRITE_BUFFER_COUNT_MAX)], offset + written) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                IoSlice::advance_slices(&mut slices, count);
                written += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
