//! Files of blobs: any bytes, and sound files of several blocks that were altered.

use super::Input;
use crate::{
    blob::{BlobError, BlobId, BlobStore, Disk, DiskFile, LocalBlobs, LocalSettings, Names, Pace},
    digest::CrcKind,
    model::ByteRange,
};
use futures_util::TryStreamExt as _;
use std::{
    cell::OnceCell,
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};
use tokio::runtime::{Builder, Runtime};

const BLOB: BlobId = BlobId([7; 16]);
const BLOCK_SIZE: usize = 128 << 10;
const FOOTER_SIZE: usize = 48;
/// Bytes of data for each unit of a size in the input, so that two bytes of it reach the third block.
const SIZE_UNIT: usize = 5;
const EDIT_COUNT_MAX: usize = 8;

/// What the first byte asks for: the rest is the file, instead of a recipe for one.
const IS_FILE: u8 = 1;
/// What the first byte asks for: the footer's own checksum is made right.
const IS_SEALED: u8 = 2;

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// A file is accepted when it is what the format says of its data, and only then; a read returns what stands there.
pub(super) fn file(bytes: &[u8]) {
    let mut input = Input(bytes);
    let how = input.byte();
    let [start, end] = [two(&mut input), two(&mut input)].map(|number| (number * SIZE_UNIT) as u64);
    let mut file = if how & IS_FILE == 0 { altered(input) } else { input.rest().to_vec() };
    if how & IS_SEALED != 0 {
        seal(&mut file);
    }
    let file = Arc::new(file);
    let expected = sound_size(&file);
    let (verified, read) = RUNTIME.with(|runtime| {
        let runtime = runtime.get_or_init(|| Builder::new_current_thread().build().expect("a runtime without drivers needs nothing"));
        runtime.block_on(look(Arc::clone(&file), ByteRange { start, end }))
    });
    match (&verified, expected) {
        (Ok(size), Some(expected)) => assert_eq!(*size, expected as u64),
        (Err(BlobError::Corrupt(blob, _)), None) => assert_eq!(*blob, BLOB),
        (Ok(_) | Err(_), _) => panic!("{verified:?} of a file with {expected:?} sound bytes"),
    }
    match read {
        Ok(read) => assert_eq!(Some(&read[..]), slice(&file, start, end), "{start} to {end}"),
        Err(error) => assert!(expected.is_none_or(|size| start > end || end > size as u64), "{start} to {end}: {error}"),
    }
}

/// The next two bytes as a number.
fn two(input: &mut Input<'_>) -> usize {
    usize::from(input.byte()) << 8 | usize::from(input.byte())
}

fn slice(file: &[u8], start: u64, end: u64) -> Option<&[u8]> {
    file.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

async fn look(file: Arc<Vec<u8>>, range: ByteRange) -> (Result<u64, BlobError>, Result<Vec<u8>, BlobError>) {
    let disk = Arc::new(OneFile(file));
    let store = LocalBlobs::open_on(disk, Path::new("/"), LocalSettings { sync: false }).expect("the disk has an empty store");
    let verified = store.verify(BLOB).await;
    let read = match store.read(BLOB, range).await {
        Ok(pieces) => pieces.try_fold(Vec::new(), |all, piece| async move { Ok([&all[..], &piece].concat()) }).await,
        Err(error) => Err(error),
    };
    (verified, read)
}

/// The file of these bytes, as docs/adr/0001-blob-files.md has it.
fn sound(data: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| u32::try_from(CrcKind::Crc32c.of_bytes(bytes)).expect("it has 32 bits").to_be_bytes();
    let table: Vec<u8> = data.chunks(BLOCK_SIZE).flat_map(crc).collect();
    let mut footer = b"partblob\0\x01\0\0\0\x02\0\0".to_vec();
    footer.extend_from_slice(&(data.len() as u64).to_be_bytes());
    footer.extend_from_slice(&BLOB.0);
    footer.extend_from_slice(&crc(&table));
    let own = crc(&footer);
    [data, &table, &footer, &own].concat()
}

/// How many bytes of data a file holds; `None` when it is not what it should be.
fn sound_size(file: &[u8]) -> Option<usize> {
    let footer = &file[file.len().checked_sub(FOOTER_SIZE)?..];
    let size = usize::try_from(u64::from_be_bytes(footer[16..24].try_into().expect("eight bytes"))).ok()?;
    (sound(file.get(..size)?) == file).then_some(size)
}

/// A sound file whose size is in the input, with the changes that follow: where, counted from the end, and what is flipped.
/// Flipping nothing cuts the file there.
fn altered(mut input: Input<'_>) -> Vec<u8> {
    let data = vec![input.byte(); two(&mut input) * SIZE_UNIT];
    let mut file = sound(&data);
    for edit in input.rest().chunks_exact(4).take(EDIT_COUNT_MAX) {
        let from_end = u32::from_be_bytes([0, edit[0], edit[1], edit[2]]) as usize;
        let Some(at) = file.len().checked_sub(from_end + 1) else { continue };
        match edit[3] {
            0 => file.truncate(at),
            flipped => file[at] ^= flipped,
        }
    }
    file
}

fn seal(file: &mut [u8]) {
    let Some((rest, crc)) = file.split_last_chunk_mut::<4>() else { return };
    let Some((_, footer)) = rest.split_last_chunk::<44>() else { return };
    *crc = u32::try_from(CrcKind::Crc32c.of_bytes(footer)).expect("it has 32 bits").to_be_bytes();
}

/// A disk on which every file that is opened is this one.
struct OneFile(Arc<Vec<u8>>);

struct Opened(Arc<Vec<u8>>);

impl Disk for OneFile {
    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }

    fn exists(&self, _: &Path) -> io::Result<bool> {
        Ok(true)
    }

    fn list(&self, _: &Path) -> io::Result<Names> {
        Ok(Box::new(std::iter::empty()))
    }

    fn create_directory(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Opened(Arc::clone(&self.0))))
    }

    fn link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn free_bytes(&self, _: &Path) -> Option<u64> {
        None
    }

    fn pace(&self) -> Option<Pace> {
        Some(Box::pin(std::future::ready(())))
    }
}

impl DiskFile for Opened {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _: &[IoSlice<'_>], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::fuzzing::corpus;

    #[test]
    fn the_corpus_has_sound_files_and_others_of_each_kind() {
        let of = |input: &[u8]| {
            let mut input = Input(input);
            let how = input.byte();
            two(&mut input);
            two(&mut input);
            let file = if how & IS_FILE == 0 { altered(input) } else { input.rest().to_vec() };
            (how & IS_FILE != 0, sound_size(&file).is_some())
        };
        let kinds: std::collections::BTreeSet<_> = corpus("blob_file").iter().map(|(_, input)| of(input)).collect();
        assert_eq!(kinds.len(), 4, "{kinds:?}");
    }
}
