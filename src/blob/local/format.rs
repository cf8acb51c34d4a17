//! The file of a blob: its bytes, a checksum per block, and a footer that says how to read them.
//!
//! ```text
//! data    [0, size)     the bytes as they came
//! table   4 × blocks    CRC-32C of each block of 128 KiB; the last block may be shorter
//! footer  48 bytes
//!          0  magic         8   "partblob"
//!          8  version       2   1
//!         10  zero          2
//!         12  block size    4   131072
//!         16  data size     8
//!         24  blob id      16   so that a file under the wrong name is noticed
//!         40  table CRC     4   CRC-32C of the table, for `verify`
//!         44  footer CRC    4   CRC-32C of the 44 bytes before it
//! ```
//!
//! Integers are big-endian. A read of a range needs only the footer and the table entries of its
//! blocks: a damaged entry disagrees with its block, so it is noticed without the table's own CRC.
//! docs/adr/0001-blob-files.md has the reasons.

use crate::{
    blob::BlobId,
    digest::{Crc, CrcKind},
};

/// Bytes under one checksum.
pub(super) const BLOCK_SIZE: usize = 128 << 10;
/// Size of a table entry in bytes.
pub(super) const ENTRY_SIZE: usize = 4;
/// Size of the footer in bytes.
pub(super) const FOOTER_SIZE: usize = 48;

const MAGIC: [u8; 8] = *b"partblob";
const VERSION: u16 = 1;

/// What stands at the end of a blob file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) blob: BlobId,
    /// Size of the data in bytes.
    pub(super) size: u64,
    pub(super) table_crc: u32,
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER_SIZE] {
        let mut footer = [0; FOOTER_SIZE];
        footer[..8].copy_from_slice(&MAGIC);
        footer[8..10].copy_from_slice(&VERSION.to_be_bytes());
        footer[12..16].copy_from_slice(&(BLOCK_SIZE as u32).to_be_bytes());
        footer[16..24].copy_from_slice(&self.size.to_be_bytes());
        footer[24..40].copy_from_slice(&self.blob.0);
        footer[40..44].copy_from_slice(&self.table_crc.to_be_bytes());
        let crc = crc32c(&footer[..44]);
        footer[44..].copy_from_slice(&crc.to_be_bytes());
        footer
    }

    /// Reads a footer; the error says what is wrong with it.
    pub(super) fn decode(footer: &[u8; FOOTER_SIZE]) -> Result<Self, String> {
        if footer[..8] != MAGIC {
            return Err("no footer where one is expected".into());
        }
        if u32_at(footer, 44) != crc32c(&footer[..44]) {
            return Err("the footer does not match its checksum".into());
        }
        let version = u16::from_be_bytes([footer[8], footer[9]]);
        let block_size = u32_at(footer, 12);
        // What says zero is checked as well: a copy of the file is written with zeros there.
        if (version, [footer[10], footer[11]], block_size as usize) != (VERSION, [0; 2], BLOCK_SIZE) {
            return Err(format!("format version {version} with blocks of {block_size} bytes is not known"));
        }
        Ok(Self {
            blob: BlobId(footer[24..40].try_into().expect("16 bytes")),
            size: u64::from_be_bytes(footer[16..24].try_into().expect("8 bytes")),
            table_crc: u32_at(footer, 40),
        })
    }
}

/// The table of a blob, built as its bytes pass by.
pub(super) struct TableBuilder {
    table: Vec<u8>,
    block: Crc,
    block_filled: usize,
}

impl TableBuilder {
    pub(super) fn new() -> Self {
        Self { table: Vec::new(), block: Crc::new(CrcKind::Crc32c), block_filled: 0 }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK_SIZE - self.block_filled));
            self.block.update(head);
            self.block_filled += head.len();
            if self.block_filled == BLOCK_SIZE {
                self.end_block();
            }
            bytes = rest;
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.block_filled > 0 {
            self.end_block();
        }
        self.table
    }

    fn end_block(&mut self) {
        self.table.extend_from_slice(&self.block.to_be_bytes());
        self.block = Crc::new(CrcKind::Crc32c);
        self.block_filled = 0;
    }
}

/// Number of blocks of so many bytes.
pub(super) fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_SIZE as u64)
}

/// Size of the file that holds so many bytes; `None` when no file can.
pub(super) fn file_size(size: u64) -> Option<u64> {
    size.checked_add(block_count(size).checked_mul(ENTRY_SIZE as u64)?)?.checked_add(FOOTER_SIZE as u64)
}

/// CRC-32C of one buffer.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    u32::try_from(CrcKind::Crc32c.of_bytes(bytes)).expect("a 32-bit CRC")
}

/// The big-endian integer at an offset.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(bytes[offset..offset + 4].try_into().expect("4 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOOTER: Footer = Footer { blob: BlobId([0xAB; 16]), size: 0x0102_0304_0506, table_crc: 0xDEAD_BEEF };

    /// Files on disk outlive releases: the layout is fixed byte by byte.
    #[test]
    fn a_footer_has_the_documented_bytes() {
        let bytes = FOOTER.encode();
        let expected = "70617274626c6f6200010000000200000000010203040506abababababababababababababababab" /* then the CRCs */;
        assert_eq!(hex::encode(&bytes[..40]), expected);
        assert_eq!(hex::encode(&bytes[40..44]), "deadbeef");
        assert_eq!(u32_at(&bytes, 44), crc32c(&bytes[..44]));
        assert_eq!(Footer::decode(&bytes), Ok(FOOTER));
    }

    #[test]
    fn a_footer_with_any_bit_flipped_is_refused() {
        for bit in 0..FOOTER_SIZE * 8 {
            let mut bytes = FOOTER.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_footer_of_another_version_is_refused() {
        let with = |at: usize, byte| {
            let mut bytes = FOOTER.encode();
            bytes[at] = byte;
            let crc = crc32c(&bytes[..44]);
            bytes[44..].copy_from_slice(&crc.to_be_bytes());
            Footer::decode(&bytes)
        };
        assert!(with(9, 2).unwrap_err().contains("version 2"));
        for (at, byte) in [(10, 1), (11, 1), (12, 1), (15, 1)] {
            assert!(with(at, byte).is_err(), "byte {at}");
        }
        assert_eq!(with(9, 1), Ok(FOOTER));
    }

    #[test]
    fn the_table_does_not_depend_on_how_the_bytes_are_split() {
        let bytes: Vec<u8> = (0..3 * BLOCK_SIZE + 5).map(|index| (index * 31 % 253) as u8).collect();
        let expected: Vec<u8> = bytes.chunks(BLOCK_SIZE).flat_map(|block| crc32c(block).to_be_bytes()).collect();
        for step in [1, 1_000, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, bytes.len()] {
            let mut table = TableBuilder::new();
            bytes.chunks(step).for_each(|piece| table.update(piece));
            assert_eq!(table.finish(), expected, "steps of {step}");
        }
        assert!(TableBuilder::new().finish().is_empty(), "no bytes, no blocks");
    }

    #[test]
    fn sizes_beyond_any_file_are_noticed() {
        assert_eq!(file_size(0), Some(48));
        assert_eq!(file_size(BLOCK_SIZE as u64 + 1), Some(BLOCK_SIZE as u64 + 1 + 8 + 48));
        assert_eq!(file_size(u64::MAX), None);
    }
}
