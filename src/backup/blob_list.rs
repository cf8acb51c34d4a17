//! The list of the blobs that a snapshot refers to: a line each, with the id and the size, in order of id.
//!
//! It is read a line at a time, because there may be many millions.

use super::{BackupError, io_error};
use crate::blob::BlobId;
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// No line is longer. Bytes.
const LINE_SIZE_MAX: u64 = 64;

/// A list being written.
pub(super) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    /// How many blobs it has, and their bytes.
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Self, BackupError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_error(path))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), count: 0, bytes: 0 })
    }

    pub(super) fn add(&mut self, blob: BlobId, size: u64) -> Result<(), BackupError> {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(size);
        writeln!(self.file, "{blob} {size}").map_err(io_error(&self.path))
    }

    /// Writes out what is left; syncing is up to who hashes the file.
    pub(super) fn finish(mut self) -> Result<(u64, u64), BackupError> {
        self.file.flush().map_err(io_error(&self.path))?;
        Ok((self.count, self.bytes))
    }
}

/// A list being read.
pub(super) struct Reader<F = BufReader<File>> {
    path: PathBuf,
    file: F,
}

impl<F: BufRead> Reader<F> {
    /// A list that is called so and has this content.
    pub(super) fn over(path: &Path, file: F) -> Self {
        Self { path: path.to_owned(), file }
    }
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        Ok(Self::over(path, BufReader::new(File::open(path).map_err(io_error(path))?)))
    }
}

impl<F: BufRead> Iterator for Reader<F> {
    type Item = Result<(BlobId, u64), BackupError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match (&mut self.file).take(LINE_SIZE_MAX).read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                let wrong = || BackupError::Refused(format!("{}: `{}` is no blob", self.path.display(), line.trim_end().escape_default()));
                Some(parse(&line).ok_or_else(wrong))
            }
            Err(error) => Some(Err(io_error(&self.path)(error))),
        }
    }
}

fn parse(line: &str) -> Option<(BlobId, u64)> {
    let (id, size) = line.strip_suffix('\n')?.split_once(' ')?;
    let mut blob = [0; 16];
    hex::decode_to_slice(id, &mut blob).ok()?;
    Some((BlobId(blob), size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_or_strange_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("blobs");
        let blobs: Vec<_> = (0..100_u8).map(|number| (BlobId([number; 16]), u64::from(number) << 50)).collect();
        let mut writer = Writer::create(&path).unwrap();
        blobs.iter().for_each(|&(blob, size)| writer.add(blob, size).unwrap());
        assert_eq!(writer.finish().unwrap().0, 100);
        assert_eq!(Reader::open(&path).unwrap().collect::<Result<Vec<_>, _>>().unwrap(), blobs);
        let text = std::fs::read_to_string(&path).unwrap();
        for wrong in [&text[..text.len() - 1], "ab 1\n", "00000000000000000000000000000000 -1\n", "\n", &"0".repeat(1000)] {
            std::fs::write(&path, wrong).unwrap();
            assert!(Reader::open(&path).unwrap().any(|line| line.is_err()), "{wrong}");
        }
    }
}
