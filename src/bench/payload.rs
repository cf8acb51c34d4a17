//! The bytes that are sent: random ones, once in a memory file for `sendfile` and once in memory.

use md5::{Digest as _, Md5};
use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    fs::File,
    io::{self, Write as _},
};

/// Longer bodies repeat themselves. Bytes.
pub(super) const SIZE_MAX: u64 = 32 << 20;

/// The beginning of every body; a longer body is this over and over.
pub(super) struct Payload {
    pub(super) file: File,
    bytes: Vec<u8>,
}

impl Payload {
    /// For bodies of up to so many bytes.
    ///
    /// # Errors
    /// When the kernel has no memory for it.
    pub(super) fn new(size: u64) -> io::Result<Self> {
        let size = usize::try_from(size.clamp(1, SIZE_MAX)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let mut file = File::from(memfd_create("partway-bench", MemfdFlags::CLOEXEC)?);
        file.write_all(&bytes)?;
        Ok(Self { file, bytes })
    }

    /// How many bytes come before they repeat.
    pub(super) fn period(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What a body has at a position, up to where the bytes repeat; never empty.
    pub(super) fn at(&self, position: u64) -> &[u8] {
        let start = usize::try_from(position % self.period()).unwrap_or(0);
        &self.bytes[start..]
    }

    /// Whether these bytes are what an object uploaded in parts of `part_size` bytes has at a position.
    pub(super) fn is_at(&self, position: u64, part_size: u64, mut bytes: &[u8]) -> bool {
        let mut position = position;
        while !bytes.is_empty() {
            let within = position % part_size.max(1);
            let rest = usize::try_from(part_size.max(1) - within).unwrap_or(usize::MAX);
            let expected = self.at(within);
            let size = bytes.len().min(expected.len()).min(rest);
            let (head, tail) = bytes.split_at(size);
            if head != &expected[..size] {
                return false;
            }
            (bytes, position) = (tail, position.saturating_add(size as u64));
        }
        true
    }

    /// The MD5 of a body, in hex: its ETag, where nothing is encrypted.
    pub(super) fn md5(&self, size: u64) -> String {
        let (mut md5, mut position) = (Md5::new(), 0);
        while position < size {
            let bytes = self.at(position);
            let count = bytes.len().min(usize::try_from(size - position).unwrap_or(usize::MAX));
            md5.update(&bytes[..count]);
            position += count as u64;
        }
        hex::encode(md5.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_known_at_every_position_of_every_part() {
        let payload = Payload::new(1000).unwrap();
        let (part_size, size) = (2300, 5000u64);
        let content: Vec<u8> = (0..size).map(|position| payload.at(position % part_size)[0]).collect();
        for start in [0, 1, 999, 1000, 2299, 2300, 4600] {
            for end in [start + 1, start + 400, 5000] {
                assert!(payload.is_at(start as u64, part_size, &content[start..end]), "{start}..{end}");
                let mut wrong = content[start..end].to_vec();
                *wrong.last_mut().unwrap() ^= 1;
                assert!(!payload.is_at(start as u64, part_size, &wrong), "{start}..{end}");
            }
        }
        assert_eq!(payload.md5(2300), hex::encode(Md5::digest(&content[..2300])));
        assert_eq!(payload.md5(0), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
