//! What is there after a crash, compared with what may be there.

use super::{
    client::{Client, Dialect, Request, elements},
    load::{complete_request, etag, is_success, read_object},
    oracle::{History, Oracle, Piece, Stage, Upload, Version},
    server::{Server, verify},
};
use crate::gateway::Dice;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::AddAssign,
    path::Path,
};

/// What was looked at.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Audited {
    /// Operations acknowledged since the audit before.
    pub(crate) acknowledged: u64,
    /// Keys and what stands under them, and parts of open uploads.
    pub(crate) objects: u64,
    pub(crate) parts: u64,
    /// Bytes read and compared.
    pub(crate) bytes: u64,
    /// Writes that were under way and did, or did not, happen.
    pub(crate) happened: u64,
    pub(crate) vanished: u64,
}

impl AddAssign for Audited {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.objects += other.objects;
        self.parts += other.parts;
        self.bytes += other.bytes;
        self.happened += other.happened;
        self.vanished += other.vanished;
    }
}

/// Compares everything, and settles in the oracle what has become of the operations that were under way.
pub(crate) fn audit(server: &Server, data: &Path, oracle: &mut Oracle, dice: &mut Dice) -> Audited {
    let mut audit = Audit { client: Client::new(server.address), oracle, dice, audited: Audited::default() };
    audit.staging(data);
    audit.objects();
    audit.uploads();
    audit.verify(data);
    let log = server.log();
    if log.contains("ERROR") {
        audit.oracle.problem(format!("the server has logged an error: {log}"));
    }
    audit.audited.acknowledged = std::mem::take(&mut audit.oracle.acknowledged);
    audit.audited
}

struct Audit<'a> {
    client: Client,
    oracle: &'a mut Oracle,
    dice: &'a mut Dice,
    audited: Audited,
}

impl Audit<'_> {
    /// What was not sealed is gone and what was is settled before the server listens.
    fn staging(&mut self, data: &Path) {
        let staging = data.join("blobs/staging");
        let left: Vec<_> =
            fs::read_dir(staging).expect("there is a staging directory").filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        if !left.is_empty() {
            self.oracle.problem(format!("staged files are left: {left:?}"));
        }
    }

    fn objects(&mut self) {
        let listed: BTreeMap<String, usize> = {
            let text = self.text(&Request::new(Dialect::S3, "GET", "").query("list-type=2&max-keys=1000"));
            let sizes = elements(&text, "Size").into_iter().map(|size| size.parse().expect("a size is a number"));
            elements(&text, "Key").into_iter().map(str::to_owned).zip(sizes).collect()
        };
        let keys = self.oracle.keys();
        for stray in listed.keys().filter(|key| !keys.contains(*key)).cloned().collect::<Vec<_>>() {
            self.oracle.problem(format!("{stray} is listed and was never written"));
        }
        for key in keys {
            let dialect = *self.dice.pick(&[Dialect::S3, Dialect::Oss]);
            let found = match read_object(&mut self.client, dialect, &key) {
                Ok(found) => found,
                Err(why) => {
                    self.oracle.problem(format!("{key} cannot be read: {why}"));
                    continue;
                }
            };
            if listed.get(&key).copied() != found.as_ref().map(|(_, bytes)| bytes.len()) {
                self.oracle.problem(format!("{key} is listed with size {:?} and read otherwise", listed.get(&key)));
            }
            self.audited.objects += 1;
            self.audited.bytes += found.as_ref().map_or(0, |(_, bytes)| bytes.len() as u64);
            self.settle_object(&key, found);
        }
    }

    fn settle_object(&mut self, key: &str, found: Option<(u64, Vec<u8>)>) {
        let history = &self.oracle.objects[key];
        let is_found = |version: &Option<Version>| match (version, &found) {
            (None, None) => true,
            (Some(version), Some((number, bytes))) => {
                version.number == *number && version.size() == bytes.len() && version.bytes() == *bytes
            }
            (None, Some(_)) | (Some(_), None) => false,
        };
        let stands = history.allowed().into_iter().find(|version| is_found(version)).cloned();
        match stands {
            Some(stands) => {
                for unanswered in history.unanswered() {
                    *(if *unanswered == stands { &mut self.audited.happened } else { &mut self.audited.vanished }) += 1;
                }
                self.oracle.objects.insert(key.to_owned(), History::certain(stands));
            }
            None => {
                let found = found.as_ref().map(|(number, bytes)| format!("write {number} with {} bytes", bytes.len()));
                let problem = format!("{key} must be one of {:?} and is {found:?}", history.allowed());
                self.oracle.problem(problem);
            }
        }
    }

    fn uploads(&mut self) {
        let text = self.text(&Request::new(Dialect::S3, "GET", "").query("uploads&max-uploads=1000"));
        let listed: BTreeMap<String, String> =
            elements(&text, "UploadId").into_iter().map(str::to_owned).zip(elements(&text, "Key").into_iter().map(str::to_owned)).collect();
        // Taken before any upload is completed below: several may be for one key.
        let uploads = std::mem::take(&mut self.oracle.uploads).into_iter().map(|(id, upload)| {
            let became_object = self.oracle.latest(&upload.key).is_some_and(|version| version.number == upload.number);
            (id, upload, became_object)
        });
        for (id, upload, became_object) in uploads.collect::<Vec<_>>() {
            let is_open = listed.contains_key(&id);
            let wrong = match (upload.stage, is_open) {
                (Stage::Open, false) => Some("is gone"),
                (Stage::Ended, true) => Some("ended and is still open"),
                (Stage::Completing, true) if became_object => Some("is an object already and still open"),
                (Stage::Completing, false) if !became_object => Some("is neither open nor an object"),
                (Stage::Open | Stage::Completing | Stage::Aborting, true) | (Stage::Completing | Stage::Aborting | Stage::Ended, false) => {
                    None
                }
            };
            if let Some(wrong) = wrong {
                let stands = self.oracle.latest(&upload.key);
                let problem = format!("upload {id} of {} for write {} {wrong}; there is {stands:?}", upload.key, upload.number);
                self.oracle.problem(problem);
            } else if is_open && let Some(upload) = self.open_upload(&id, upload) {
                self.oracle.uploads.insert(id, upload);
            }
        }
        self.uploads_being_created(listed);
    }

    /// Compares the parts of an open upload. Every other time it is completed, to compare their bytes; else it goes on.
    fn open_upload(&mut self, id: &str, upload: Upload) -> Option<Upload> {
        let Upload { key, number, parts: histories, .. } = upload;
        let text = self.text(&Request::new(Dialect::S3, "GET", &key).query(format!("uploadId={id}")));
        let numbers = elements(&text, "PartNumber").into_iter().map(|number| number.parse().expect("a part has a number"));
        let rows = elements(&text, "ETag").into_iter().map(|etag| etag.replace("&quot;", "\"")).zip(elements(&text, "Size"));
        let listed: BTreeMap<u32, (String, &str)> = numbers.zip(rows).collect();
        let mut parts = BTreeMap::new();
        let numbers: BTreeSet<u32> = histories.keys().chain(listed.keys()).copied().collect();
        for number in numbers {
            let found = listed.get(&number);
            let is_found = |piece: &Option<Piece>| match (piece, found) {
                (None, None) => true,
                (Some(piece), Some((tag, size))) => *tag == etag(*piece) && *size == piece.size.to_string(),
                (None, Some(_)) | (Some(_), None) => false,
            };
            let allowed = histories.get(&number).map(History::allowed).unwrap_or_default();
            match allowed.iter().find(|piece| is_found(piece)) {
                Some(&&stands) => {
                    for unanswered in histories[&number].unanswered() {
                        *(if *unanswered == stands { &mut self.audited.happened } else { &mut self.audited.vanished }) += 1;
                    }
                    parts.insert(number, stands);
                }
                None => self.oracle.problem(format!("part {number} of upload {id} of {key} must be one of {allowed:?} and is {found:?}")),
            }
            self.audited.parts += 1;
        }
        let list: Vec<(u32, String)> = parts.iter().filter_map(|(&number, piece)| Some((number, etag((*piece)?)))).collect();
        if list.is_empty() || self.dice.one_in(2) {
            let parts = parts.into_iter().map(|(number, piece)| (number, History::certain(piece))).collect();
            return Some(Upload { key, number, parts, stage: Stage::Open });
        }
        let dialect = *self.dice.pick(&[Dialect::S3, Dialect::Oss]);
        self.text(&complete_request(dialect, &key, id, &list));
        let version = Version { number, pieces: parts.into_values().flatten().collect() };
        match read_object(&mut self.client, dialect, &key) {
            Ok(Some((read, bytes))) if read == number && bytes == version.bytes() => self.audited.bytes += bytes.len() as u64,
            Ok(found) => {
                let found = found.map(|(number, bytes)| format!("write {number} with {} bytes", bytes.len()));
                self.oracle.problem(format!("{key} was completed as {version:?} and is {found:?}"));
            }
            Err(why) => self.oracle.problem(format!("{key}, just completed, cannot be read: {why}")),
        }
        self.oracle.objects.insert(key, History::certain(Some(version)));
        None
    }

    /// Uploads that were being created may be open, without parts, and nothing else may. They are aborted.
    fn uploads_being_created(&mut self, listed: BTreeMap<String, String>) {
        let mut creating: Vec<String> = std::mem::take(&mut self.oracle.creating).into_values().collect();
        let (mut happened, begun) = (0, creating.len() as u64);
        for (id, key) in listed {
            if self.oracle.uploads.contains_key(&id) || self.is_open(&id, &key) == Some(false) {
                continue;
            }
            match creating.iter().position(|created| *created == key) {
                Some(index) => {
                    creating.remove(index);
                    happened += 1;
                }
                None => self.oracle.problem(format!("upload {id} of {key} is open and nobody created it")),
            }
            self.text(&Request::new(Dialect::S3, "DELETE", &key).query(format!("uploadId={id}")));
        }
        self.audited.happened += happened;
        self.audited.vanished += begun - happened;
    }

    /// Whether an upload is open still: the audit itself completes some.
    fn is_open(&mut self, id: &str, key: &str) -> Option<bool> {
        let answer = self.client.ask(&Request::new(Dialect::S3, "GET", key).query(format!("uploadId={id}"))).ok()?;
        Some(answer.status == 200)
    }

    /// Every record has its bytes, and no file is there that no record knows.
    fn verify(&mut self, data: &Path) {
        let (is_well, text) = verify(data);
        if !is_well {
            self.oracle.problem(format!("verify: {text}"));
        }
    }

    /// The text of an answer that has to be a success.
    fn text(&mut self, request: &Request<'_>) -> String {
        match self.client.ask(request) {
            Ok(answer) if is_success(&answer) => String::from_utf8(answer.body).expect("XML is text"),
            other => {
                self.oracle.problem(format!("{} {} {}: {other:?}", request.method, request.key, request.query));
                String::new()
            }
        }
    }
}
