//! Reading every byte that a record refers to, and holding it against the record.
//!
//! - A record that is found wrong is read again: only one that has not changed meanwhile is a problem.
//! - The bytes of an extent are read once, unless only one of its holders is known.

use super::{
    PROBLEMS_MAX,
    names::{Names, manifest_name},
};
use crate::{
    blob::{BlobError, BlobId},
    digest::{Crc, CrcKind},
    meta::{
        keys,
        record::{BlobRecord, Content, Extent, MANIFEST_CHUNK_PARTS, ManifestChunk, ManifestPart, ObjectRecord, PartRecord, Place, Record},
    },
    model::{ByteRange, Failure},
    ops::{Gateway, pages::Pages},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A record that changes each time it is read again is given up after so many times: it is in use, and well.
const READS_MAX: usize = 5;

const CRC: CrcKind = CrcKind::Crc64Ecma;

/// What reading everything found.
pub(super) struct Scrub<'a> {
    gateway: &'a Gateway,
    names: Names,
    /// Blobs read, files and index rows.
    pub(super) blobs: u64,
    /// Bytes read.
    pub(super) bytes: u64,
    /// What is wrong, a line each.
    pub(super) problems: BTreeSet<String>,
    /// The files read from end to end and found well.
    whole: HashSet<BlobId>,
    /// The digests of extents of files with several holders, by blob, offset and size.
    shared: HashMap<(BlobId, u64, u64), u64>,
}

/// The sum of some bytes: what a record is held against.
struct Sum {
    size: u64,
    /// `None` once some of the bytes could not be read.
    crc: Option<u64>,
}

impl Sum {
    fn new() -> Self {
        Self { size: 0, crc: Some(CRC.of_bytes(&[])) }
    }

    fn add(&mut self, size: u64, crc: Option<u64>) {
        // Combining takes microseconds, and most sums are of one extent.
        let is_first = self.size == 0;
        self.crc = self.crc.zip(crc).map(|(whole, crc)| if is_first { crc } else { CRC.combine(whole, crc, size) });
        self.size = self.size.saturating_add(size);
    }

    /// How it differs from what is recorded.
    fn compare(&self, size: u64, crc: u64, wrong: &mut Vec<String>) {
        if self.size != size {
            wrong.push(format!("{size} bytes are recorded, its bytes are {}", self.size));
        } else if let Some(found) = self.crc.filter(|&found| found != crc) {
            wrong.push(format!("its bytes have CRC-64 {found:016x}, not {crc:016x} as recorded"));
        }
    }
}

impl<'a> Scrub<'a> {
    pub(super) async fn run(gateway: &'a Gateway, names: Names) -> Result<Self, Failure> {
        let mut scrub =
            Self { gateway, names, blobs: 0, bytes: 0, problems: BTreeSet::new(), whole: HashSet::new(), shared: HashMap::new() };
        scrub.uploads().await?;
        scrub.objects().await?;
        scrub.files().await?;
        Ok(scrub)
    }

    async fn uploads(&mut self) -> Result<(), Failure> {
        let mut uploads = Pages::new(keys::table(b'U'));
        while let Some(page) = uploads.next(self.gateway).await? {
            for upload in page.iter().filter_map(|(row, _)| keys::upload_of(row)) {
                let mut parts = Pages::new(keys::parts(&upload.2));
                while let Some(page) = parts.next(self.gateway).await? {
                    for (row, value) in page {
                        self.record(&row, value).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn objects(&mut self) -> Result<(), Failure> {
        let mut objects = Pages::new(keys::table(b'O'));
        while let Some(page) = objects.next(self.gateway).await? {
            for (row, value) in page {
                self.record(&row, value).await?;
            }
        }
        Ok(())
    }

    /// Looks at an object or a part, again if it changes while it is looked at.
    async fn record(&mut self, row: &[u8], mut value: Bytes) -> Result<(), Failure> {
        for _ in 0..READS_MAX {
            let wrong = if row.first() == Some(&b'O') { self.object(&value).await? } else { self.part(&value).await? };
            if wrong.is_empty() {
                break;
            }
            match self.gateway.get(row).await? {
                Some(now) if now == value => {
                    wrong.iter().for_each(|wrong| self.note(row, wrong));
                    break;
                }
                Some(now) => value = now,
                None => break,
            }
        }
        Ok(())
    }

    /// What is wrong with a part. One that cannot be decoded is the census's to tell.
    async fn part(&mut self, value: &[u8]) -> Result<Vec<String>, Failure> {
        let mut wrong = Vec::new();
        let Ok(part) = PartRecord::decode(value) else { return Ok(wrong) };
        let sum = self.extents(&part.extents, &mut wrong).await?;
        sum.compare(part.size, part.crc64_ecma, &mut wrong);
        Ok(wrong)
    }

    /// What is wrong with an object. One that cannot be decoded is the census's to tell.
    async fn object(&mut self, value: &[u8]) -> Result<Vec<String>, Failure> {
        let mut wrong = Vec::new();
        let Ok(object) = ObjectRecord::decode(value) else { return Ok(wrong) };
        let mut sum = Sum::new();
        match &object.content {
            Content::Here(parts) => self.parts(parts, &mut sum, &mut wrong).await?,
            Content::Manifest { id, chunk_ends } => {
                for (number, &end) in (0_u32..).zip(chunk_ends) {
                    let name = format!("chunk {number} of manifest {}", manifest_name(*id));
                    let Some(value) = self.gateway.get(&keys::manifest_chunk(*id, number)).await? else {
                        wrong.push(format!("{name} is missing"));
                        return Ok(wrong);
                    };
                    let chunk = match ManifestChunk::decode(&value) {
                        Ok(chunk) => chunk,
                        Err(error) => {
                            wrong.push(format!("{name} cannot be read: {error}"));
                            return Ok(wrong);
                        }
                    };
                    if chunk.start != sum.size {
                        wrong.push(format!("{name} starts at {}, the one before ends at {}", chunk.start, sum.size));
                    }
                    let is_last = number as usize + 1 == chunk_ends.len();
                    if !is_last && chunk.parts.len() != MANIFEST_CHUNK_PARTS {
                        wrong.push(format!("{name} has {} parts, not {MANIFEST_CHUNK_PARTS}", chunk.parts.len()));
                    }
                    self.parts(&chunk.parts, &mut sum, &mut wrong).await?;
                    if sum.size != end {
                        wrong.push(format!("{name} ends at {}, not at {end} as recorded", sum.size));
                    }
                }
            }
        }
        sum.compare(object.size, object.crc64_ecma, &mut wrong);
        Ok(wrong)
    }

    async fn parts(&mut self, parts: &[ManifestPart], whole: &mut Sum, wrong: &mut Vec<String>) -> Result<(), Failure> {
        for part in parts {
            let sum = self.extents(&part.extents, wrong).await?;
            if sum.size != part.size {
                wrong.push(format!("a part at offset {} has {} bytes, not {} as recorded", whole.size, sum.size, part.size));
            }
            whole.add(sum.size, sum.crc);
        }
        Ok(())
    }

    async fn extents(&mut self, extents: &[Extent], wrong: &mut Vec<String>) -> Result<Sum, Failure> {
        let mut sum = Sum::new();
        for extent in extents {
            // What is in memory is had without waiting, and others want this thread too.
            tokio::task::consume_budget().await;
            let read = match extent.place {
                Place::File => self.file_extent(extent).await?,
                Place::Index => self.inline_extent(extent).await?,
            };
            let crc =
                read.map_err(|error| wrong.push(format!("{} bytes at {} of blob {}: {error}", extent.size, extent.offset, extent.blob)));
            sum.add(extent.size, crc.ok());
        }
        Ok(sum)
    }

    /// The digest of an extent's bytes, or why there is none.
    async fn inline_extent(&mut self, extent: &Extent) -> Result<Result<u64, String>, Failure> {
        let Some(value) = self.gateway.get(&keys::inline_data(extent.blob)).await? else {
            return Ok(Err("there is no such row in D".to_owned()));
        };
        let end = extent.offset.checked_add(extent.size).and_then(|end| usize::try_from(end).ok());
        let bytes = usize::try_from(extent.offset).ok().zip(end).and_then(|(start, end)| value.get(start..end));
        let Some(bytes) = bytes else { return Ok(Err(format!("the blob has {} bytes", value.len()))) };
        self.blobs += 1;
        self.bytes = self.bytes.saturating_add(extent.size);
        Ok(Ok(CRC.of_bytes(bytes)))
    }

    /// The digest of an extent's bytes, or why there is none.
    async fn file_extent(&mut self, extent: &Extent) -> Result<Result<u64, String>, Failure> {
        let Extent { blob, offset, size, place: _ } = *extent;
        let Some(end) = offset.checked_add(size) else { return Ok(Err("no blob is that long".to_owned())) };
        // A row that is not there or cannot be decoded is the census's to tell.
        let row = self.gateway.get(&keys::blob(blob)).await?.and_then(|value| BlobRecord::decode(&value).ok());
        if let Some(row) = row
            && end > row.size
        {
            return Ok(Err(format!("the blob has {} bytes", row.size)));
        }
        if let Some(&crc) = self.shared.get(&(blob, offset, size)) {
            return Ok(Ok(crc));
        }
        let read = self.read(blob, ByteRange { start: offset, end }).await;
        if let (Ok(crc), Some(row)) = (&read, row) {
            if row.holders > 1 {
                self.shared.insert((blob, offset, size), *crc);
            }
            if size == row.size && self.whole.insert(blob) {
                self.blobs += 1;
            }
        }
        Ok(read)
    }

    async fn read(&mut self, blob: BlobId, range: ByteRange) -> Result<u64, String> {
        let mut crc = Crc::new(CRC);
        let mut size = 0_u64;
        let mut stream = self.gateway.blobs.read(blob, range).await.map_err(|error| error.to_string())?;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| error.to_string())?;
            size = size.saturating_add(piece.len() as u64);
            crc.update(&piece);
        }
        self.bytes = self.bytes.saturating_add(size);
        if size == range.size() { Ok(crc.value()) } else { Err(format!("{size} bytes were read")) }
    }

    /// Reads the files that no single extent covers, as copies of ranges leave them behind.
    async fn files(&mut self) -> Result<(), Failure> {
        let mut pages = Pages::new(keys::table(b'L'));
        while let Some(page) = pages.next(self.gateway).await? {
            for (row, value) in page {
                let Some(blob) = keys::blob_of(&row).filter(|blob| !self.whole.contains(blob)) else { continue };
                let Ok(record) = BlobRecord::decode(&value) else { continue };
                let wrong = match self.gateway.blobs.verify(blob).await {
                    Ok(size) => {
                        self.blobs += 1;
                        self.bytes = self.bytes.saturating_add(size);
                        (size != record.size).then(|| format!("{} bytes are recorded, the file has {size}", record.size))
                    }
                    // Whether it may be gone depends on its holders, which the census knows.
                    Err(BlobError::Missing(_)) => None,
                    Err(error @ (BlobError::Corrupt(..) | BlobError::Io(_) | BlobError::NoSpace | BlobError::ReadOnly)) => {
                        Some(error.to_string())
                    }
                };
                // A blob never changes, so a row that is still there is enough.
                if let Some(wrong) = wrong
                    && self.gateway.get(&row).await?.is_some()
                {
                    self.note(&row, &wrong);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, row: &[u8], wrong: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.insert(format!("{}: {wrong}", self.names.of(row)));
        }
    }
}
