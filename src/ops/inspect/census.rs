//! Counting who refers to what: holders of blobs, manifests, parts and their uploads, events and when they are due.
//!
//! The tables are walked one after the other while the store may change, so one census alone proves
//! nothing wrong. They are walked in the direction in which references move (a part's become an
//! object's, an object's move to the to-do list), so that none is missed on its way.
//!
//! Two things look wrong and are not, also when no gateway runs: a file without a row that an earlier run
//! sealed and did not confirm, and a row without a file that only the to-do list still refers to. The
//! next start settles both.

use super::{
    PROBLEMS_MAX,
    names::{Names, manifest_name, object_bucket_of},
    remedy::Remedy,
    tally::Tally,
};
use crate::{
    blob::{BlobId, BlobStore},
    meta::{
        keys,
        record::{
            BlobRecord, BucketRecord, CompletedRecord, Content, EventRecord, Extent, ManifestChunk, ManifestId, ManifestPart, ObjectRecord,
            PartRecord, Place, QuotaRecord, Record, Revision, Todo, UploadRecord,
        },
    },
    model::{EventId, Failure, KeyRecord, PartNumber, Timestamp, UploadId},
    ops::{Gateway, gateway::blob_failure, pages::Pages},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Display,
};

/// Blob files listed at once.
const FILES_PER_PAGE: usize = 1000;

/// What one walk over all tables found.
#[derive(Default)]
pub(super) struct Census {
    /// Rows looked at.
    pub(super) records: u64,
    names: Names,
    problems: BTreeMap<String, Option<Remedy>>,
    /// Whether something may refer to bytes that this census does not know of: a record that cannot be read, or is missing.
    is_blind: bool,
    open: HashSet<UploadId>,
    /// The uploads that ended and whose parts are still there, with the revisions that became objects.
    ended: HashMap<UploadId, Vec<(PartNumber, Revision)>>,
    /// The manifests referred to, how many chunks they have, and by whom.
    manifests: HashMap<ManifestId, (usize, Holder)>,
    /// How many of the chunks that objects need have not been found.
    chunks_missing: usize,
    /// How many extents refer to a blob file.
    files: HashMap<BlobId, Holders>,
    /// How many extents refer to a blob in the index.
    inline: HashMap<BlobId, Holders>,
    /// When each event is due, and whether its `N` row says so.
    events: HashMap<EventId, Due>,
    tally: Tally,
}

/// When an event is to be looked at.
struct Due {
    /// `None` when its record cannot be read.
    at: Option<Timestamp>,
    /// Whether there is an `N` row of this event and time.
    is_found: bool,
}

/// Who refers to an extent.
#[derive(Clone, Copy)]
enum Holder {
    /// An object or a part, which needs the bytes.
    Lasting,
    /// The to-do list, which is about to let go of them.
    Leaving,
}

/// How many refer to a blob.
#[derive(Clone, Copy, Default)]
struct Holders {
    lasting: u32,
    leaving: u32,
}

impl Holders {
    fn count(self) -> u32 {
        self.lasting.saturating_add(self.leaving)
    }
}

impl Census {
    pub(super) async fn take(gateway: &Gateway) -> Result<Self, Failure> {
        let mut census = Self { tally: Tally::read(gateway).await?, ..Self::default() };
        census.records = census.tally.row_count();
        census.walk_buckets(gateway).await?;
        census.walk_ended_uploads(gateway).await?;
        census.walk_uploads(gateway).await?;
        census.walk_parts(gateway).await?;
        census.walk_objects(gateway).await?;
        census.walk_todos(gateway).await?;
        census.walk_manifests(gateway).await?;
        census.walk_files(gateway).await?;
        census.walk_inline_data(gateway).await?;
        census.walk_events(gateway).await?;
        census.walk(gateway, b'C', |census, row, value| drop(census.decode::<CompletedRecord>(row, value))).await?;
        census.walk(gateway, b'K', |census, row, value| drop(census.decode::<KeyRecord>(row, value))).await?;
        census.walk(gateway, b'G', |census, row, value| _ = census.decode::<QuotaRecord>(row, value)).await?;
        for wrong in census.tally.wrong() {
            // One that has changed since was being added to while its records were walked over.
            if wrong.is_as_it_was(gateway).await? {
                census.note_with(&wrong.row, wrong.problem(), Remedy::SetCounter { row: wrong.row.clone(), count: wrong.should });
            }
        }
        Ok(census)
    }

    /// What does not add up, a line each, with what would mend it.
    pub(super) fn problems(&mut self) -> BTreeMap<String, Option<Remedy>> {
        std::mem::take(&mut self.problems)
    }

    /// Whether bytes that seem to be nobody's may be somebody's.
    pub(super) fn is_blind(&self) -> bool {
        self.is_blind || self.chunks_missing > 0
    }

    /// How rows are named.
    pub(super) fn names(&self) -> Names {
        self.names.clone()
    }

    async fn walk_buckets(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        self.walk(gateway, b'B', |census, row, value| match keys::bucket_of(row) {
            Some(bucket) => {
                if let Some(record) = census.decode::<BucketRecord>(row, value)
                    && let Some(other) = census.names.buckets.insert(record.id, bucket)
                {
                    census.note(row, format_args!("has the id of bucket {other}"));
                }
            }
            None => census.note(row, "is not a bucket's key"),
        })
        .await
    }

    async fn walk_ended_uploads(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        let mut pages = Pages::new(keys::table(b'T'));
        while let Some(page) = pages.next(gateway).await? {
            for (_, value) in page {
                // What cannot be read is told when the whole list is walked.
                if let Ok(Todo::EndUpload { upload, kept }) = Todo::decode(&value) {
                    self.ended.insert(upload, kept);
                }
            }
        }
        Ok(())
    }

    async fn walk_uploads(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        self.walk(gateway, b'U', |census, row, value| match keys::upload_of(row) {
            Some((bucket, _, upload)) => {
                census.open.insert(upload);
                // One that cannot be read hides whom it and its parts count against.
                if let Some(record) = census.decode_holder::<UploadRecord>(row, value) {
                    census.tally.upload(bucket, upload, record);
                }
                if !census.names.buckets.contains_key(&bucket) {
                    census.note(row, "is of no bucket");
                }
            }
            None => census.note_blind(row, "is not an upload's key"),
        })
        .await
    }

    async fn walk_parts(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        self.walk(gateway, b'P', |census, row, value| {
            let Some((upload, number, revision)) = keys::part_of(row) else { return census.note_blind(row, "is not a part's key") };
            let Some(part) = census.decode_holder::<PartRecord>(row, value) else { return };
            census.tally.part(upload, number, &part);
            match census.ended.get(&upload) {
                // Its hold passed on to the object.
                Some(kept) if kept.binary_search(&(number, revision)).is_ok() => return,
                Some(_) => {}
                None if census.open.contains(&upload) => {}
                None => census.note_with(row, "is of no upload", Remedy::TakeOutRow(row.to_vec())),
            }
            census.hold(&part.extents, Holder::Lasting);
        })
        .await
    }

    async fn walk_objects(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        self.walk(gateway, b'O', |census, row, value| {
            if keys::object_key_of(row).is_none() {
                return census.note_blind(row, "is not an object's key");
            }
            let bucket = object_bucket_of(row);
            if bucket.is_none_or(|bucket| !census.names.buckets.contains_key(&bucket)) {
                census.note(row, "is of no bucket");
            }
            if let Some(object) = census.decode_holder::<ObjectRecord>(row, value) {
                if let Some(bucket) = bucket {
                    census.tally.object(bucket, &object);
                }
                census.content(row, &object.content, Holder::Lasting);
            }
        })
        .await
    }

    async fn walk_todos(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        self.walk(gateway, b'T', |census, row, value| match census.decode_holder::<Todo>(row, value) {
            Some(Todo::ReleaseContent(content)) => census.content(row, &content, Holder::Leaving),
            Some(Todo::EndUpload { .. } | Todo::ForgetCompleted(_)) | None => {}
        })
        .await
    }

    async fn walk_manifests(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        let needed = self.manifests.values().filter(|(_, holder)| matches!(holder, Holder::Lasting)).map(|(count, _)| count);
        self.chunks_missing = needed.sum();
        self.walk(gateway, b'M', |census, row, value| {
            let Some((manifest, chunk)) = keys::manifest_chunk_of(row) else { return census.note_blind(row, "is not a chunk's key") };
            let take_out = || Remedy::TakeOutRow(row.to_vec());
            let holder = match census.manifests.get(&manifest) {
                Some(&(count, holder)) => {
                    if chunk as usize >= count {
                        census.note_with(row, format_args!("is beyond the {count} chunks of its manifest"), take_out());
                    } else if matches!(holder, Holder::Lasting) {
                        census.chunks_missing = census.chunks_missing.saturating_sub(1);
                    }
                    holder
                }
                None => {
                    census.note_with(row, "is referred to by nothing", take_out());
                    Holder::Lasting
                }
            };
            if let Some(chunk) = census.decode_holder::<ManifestChunk>(row, value) {
                census.hold_parts(&chunk.parts, holder);
            }
        })
        .await
    }

    /// Compares the `L` rows with the references found and with the files there are.
    async fn walk_files(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        let unconfirmed = gateway.blobs.unconfirmed().await.map_err(blob_failure)?.into_iter().collect();
        let mut files = Files::new(gateway.blobs.as_ref());
        let mut pages = Pages::new(keys::table(b'L'));
        while let Some(page) = pages.next(gateway).await? {
            for (row, value) in &page {
                self.records += 1;
                let Some(blob) = keys::blob_of(row) else {
                    self.note(row, "is not a blob's key");
                    continue;
                };
                while let Some(file) = files.next_below(Some(blob)).await? {
                    self.file_without_row(file, &unconfirmed);
                }
                let found = self.files.remove(&blob).unwrap_or_default();
                let is_leaving = found.lasting == 0 && found.leaving > 0;
                if !files.take(blob).await? && !is_leaving {
                    self.note(row, "has no file");
                }
                match BlobRecord::decode(value) {
                    Ok(record) if record.holders == found.count() => {}
                    Ok(record) => {
                        let remedy = match found.count() {
                            0 => Remedy::SetBlobAside(blob),
                            holders => Remedy::Recount { blob, recorded: record.holders, holders },
                        };
                        self.note_with(row, format_args!("{} holders are recorded, {} found", record.holders, found.count()), remedy);
                    }
                    Err(error) => match found.count() {
                        0 => self.note_with(row, error, Remedy::SetBlobAside(blob)),
                        holders => self.note_with(row, error, Remedy::RestoreRow { blob, holders, is_leaving }),
                    },
                }
            }
        }
        while let Some(file) = files.next_below(None).await? {
            self.file_without_row(file, &unconfirmed);
        }
        for (blob, found) in std::mem::take(&mut self.files) {
            let is_leaving = found.lasting == 0;
            let remedy = Remedy::RestoreRow { blob, holders: found.count(), is_leaving };
            self.note_with(&keys::blob(blob), format_args!("there is no row, but {} holders", found.count()), remedy);
        }
        Ok(())
    }

    fn file_without_row(&mut self, file: BlobId, unconfirmed: &HashSet<BlobId>) {
        if unconfirmed.contains(&file) {
            return;
        }
        // One that somebody holds lacks its row, which is told and mended below.
        let remedy = (!self.files.contains_key(&file)).then_some(Remedy::SetBlobAside(file));
        self.add_problem(&keys::blob(file), "there is a file, but no row", remedy);
    }

    /// Compares the `E` rows with the `N` rows. An event without one is never told, nor forgotten.
    async fn walk_events(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        self.walk(gateway, b'E', |census, row, value| match keys::event_of(row) {
            Some(event) => {
                let at = census.decode::<EventRecord>(row, value).map(|record| record.due);
                census.events.insert(event, Due { at, is_found: false });
            }
            None => census.note(row, "is not an event's key"),
        })
        .await?;
        self.walk(gateway, b'N', |census, row, _| {
            let Some(event) = keys::event_due_of(row) else { return census.note(row, "is not a due event's key") };
            match census.events.get_mut(&event) {
                Some(due) if due.at.is_none_or(|at| keys::event_due(at, event) == row) => due.is_found = true,
                Some(_) => census.note_with(row, "is not when its event is due", Remedy::TakeOutRow(row.to_vec())),
                None => census.note_with(row, "is of no event", Remedy::TakeOutRow(row.to_vec())),
            }
        })
        .await?;
        for (event, due) in std::mem::take(&mut self.events) {
            if let Due { at: Some(at), is_found: false } = due {
                let remedy = Remedy::MakeDue(event, at);
                self.note_with(&keys::event(event), format_args!("is due at {} ms, but no row says so", at.millis()), remedy);
            }
        }
        Ok(())
    }

    /// Compares the `D` rows with the references found.
    async fn walk_inline_data(&mut self, gateway: &Gateway) -> Result<(), Failure> {
        self.walk(gateway, keys::INLINE_DATA_TABLE, |census, row, _| match keys::blob_of(row) {
            Some(blob) => match census.inline.remove(&blob).map(Holders::count) {
                Some(1) => {}
                Some(found) => census.note(row, format_args!("has {found} holders instead of one")),
                None => census.note_with(row, "is referred to by nothing", Remedy::TakeOutRow(row.to_vec())),
            },
            None => census.note(row, "is not a blob's key"),
        })
        .await?;
        for (blob, found) in std::mem::take(&mut self.inline) {
            self.note(&keys::inline_data(blob), format_args!("there is no row, but {} holders", found.count()));
        }
        Ok(())
    }

    fn content(&mut self, row: &[u8], content: &Content, holder: Holder) {
        match content {
            Content::Here(parts) => self.hold_parts(parts, holder),
            Content::Manifest { id, chunk_ends } => {
                if self.manifests.insert(*id, (chunk_ends.len(), holder)).is_some() {
                    self.note(row, format_args!("shares manifest {} with another", manifest_name(*id)));
                }
            }
        }
    }

    fn hold_parts(&mut self, parts: &[ManifestPart], holder: Holder) {
        parts.iter().for_each(|part| self.hold(&part.extents, holder));
    }

    fn hold(&mut self, extents: &[Extent], holder: Holder) {
        for extent in extents {
            let blobs = match extent.place {
                Place::File => &mut self.files,
                Place::Index => &mut self.inline,
            };
            let holders = blobs.entry(extent.blob).or_default();
            let count = match holder {
                Holder::Lasting => &mut holders.lasting,
                Holder::Leaving => &mut holders.leaving,
            };
            *count = count.saturating_add(1);
        }
    }

    async fn walk(&mut self, gateway: &Gateway, table: u8, mut visit: impl FnMut(&mut Self, &[u8], &[u8]) + Send) -> Result<(), Failure> {
        let mut pages = Pages::new(keys::table(table));
        while let Some(page) = pages.next(gateway).await? {
            for (row, value) in &page {
                self.records += 1;
                visit(self, row, value);
            }
        }
        Ok(())
    }

    fn decode<R: Record>(&mut self, row: &[u8], value: &[u8]) -> Option<R> {
        R::decode(value).map_err(|error| self.note(row, error)).ok()
    }

    /// Decodes a record that refers to others.
    fn decode_holder<R: Record>(&mut self, row: &[u8], value: &[u8]) -> Option<R> {
        R::decode(value).map_err(|error| self.note_blind(row, error)).ok()
    }

    fn note(&mut self, row: &[u8], problem: impl Display) {
        self.add_problem(row, problem, None);
    }

    fn note_with(&mut self, row: &[u8], problem: impl Display, remedy: Remedy) {
        self.add_problem(row, problem, Some(remedy));
    }

    /// Notes a problem that hides references.
    fn note_blind(&mut self, row: &[u8], problem: impl Display) {
        self.is_blind = true;
        self.note(row, problem);
    }

    fn add_problem(&mut self, row: &[u8], problem: impl Display, remedy: Option<Remedy>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.insert(format!("{}: {problem}", self.names.of(row)), remedy);
        }
    }
}

/// The blob files in order of id.
struct Files<'a> {
    blobs: &'a dyn BlobStore,
    /// Those read and not taken yet, the lowest last.
    page: Vec<BlobId>,
    last: Option<BlobId>,
    is_last_page: bool,
}

impl<'a> Files<'a> {
    fn new(blobs: &'a dyn BlobStore) -> Self {
        Self { blobs, page: Vec::new(), last: None, is_last_page: false }
    }

    async fn peek(&mut self) -> Result<Option<BlobId>, Failure> {
        if self.page.is_empty() && !self.is_last_page {
            self.page = self.blobs.scan(self.last, FILES_PER_PAGE).await.map_err(blob_failure)?;
            self.is_last_page = self.page.len() < FILES_PER_PAGE;
            self.last = self.page.last().copied().or(self.last);
            self.page.reverse();
        }
        Ok(self.page.last().copied())
    }

    /// Takes the next file if its id is below `end`.
    async fn next_below(&mut self, end: Option<BlobId>) -> Result<Option<BlobId>, Failure> {
        match self.peek().await? {
            Some(file) if end.is_none_or(|end| file < end) => Ok(self.page.pop()),
            Some(_) | None => Ok(None),
        }
    }

    /// Takes the next file if it is this one.
    async fn take(&mut self, blob: BlobId) -> Result<bool, Failure> {
        let is_next = self.peek().await? == Some(blob);
        if is_next {
            self.page.pop();
        }
        Ok(is_next)
    }
}
