//! Clients that do all kinds of things at once, until the server is gone.
//!
//! Each thread has keys that it alone writes, so it knows exactly what stands there; a few keys belong to all.

use super::{
    client::{BUCKET, Client, Dialect, Request},
    oracle::{Oracle, Piece, Stage, Ticket, Upload, Version},
};
use crate::gateway::Dice;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use partway::{digest, testkit::raw_client::RawResponse};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Clients at once.
const THREADS: usize = 6;

/// Uploads that a thread has open at once.
const OPEN_UPLOADS_MAX: usize = 3;

/// An appended object that is longer is deleted. Bytes.
const APPENDED_SIZE_MAX: usize = 200_000;

/// What all threads share.
pub(crate) struct Load {
    pub(crate) oracle: Mutex<Oracle>,
    /// The interruption has begun: from here on failures are what is expected.
    interrupting: AtomicBool,
    stopped: AtomicBool,
    /// The power may be gone already.
    power_goes: AtomicBool,
    /// The power is gone.
    power_is_gone: AtomicBool,
}

/// The server did not acknowledge: whatever this thread had under way may or may not have happened.
struct Unanswered;

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            oracle: Mutex::default(),
            interrupting: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            power_goes: AtomicBool::new(false),
            power_is_gone: AtomicBool::new(false),
        }
    }

    /// Lets clients loose on a server and interrupts them after so many operations. Returns when all have noticed.
    pub(crate) fn run(&self, address: SocketAddr, dice: &mut Dice, operations: u64, interrupt: impl FnOnce(&mut Dice)) {
        for flag in [&self.interrupting, &self.stopped, &self.power_goes, &self.power_is_gone] {
            flag.store(false, Ordering::SeqCst);
        }
        let target = self.oracle().begun + operations;
        thread::scope(|scope| {
            // However this ends, the threads must.
            let _stop = StopAtEnd(&self.stopped);
            let workers: Vec<_> = (0..THREADS)
                .map(|index| {
                    let mut worker = Worker { load: self, index, dice: Dice::new(dice.number()), client: Client::new(address) };
                    scope.spawn(move || worker.run())
                })
                .collect();
            while self.oracle().begun < target && !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(dice.number() % 20_000));
            self.interrupting.store(true, Ordering::SeqCst);
            interrupt(dice);
        });
    }

    /// Cuts the power. What began before and is acknowledged from here on counts as unanswered: see `disk`.
    pub(crate) fn cut_power(&self, cut: impl FnOnce()) {
        self.power_goes.store(true, Ordering::SeqCst);
        cut();
        self.power_is_gone.store(true, Ordering::SeqCst);
    }

    /// What is known.
    pub(crate) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Worker<'a> {
    load: &'a Load,
    index: usize,
    dice: Dice,
    client: Client,
}

impl Worker<'_> {
    fn run(&mut self) {
        while !self.load.stopped.load(Ordering::SeqCst) {
            if let Err(Unanswered) = self.step() {
                return;
            }
        }
    }

    fn step(&mut self) -> Result<(), Unanswered> {
        match self.dice.below(20) {
            0..=3 => {
                let key = self.own_key();
                self.put(&key)
            }
            4..=5 => {
                let key = self.shared_key();
                self.put(&key)
            }
            6 => {
                let key = self.own_key();
                self.delete(&key)
            }
            7 => {
                let key = if self.dice.one_in(3) { self.shared_key() } else { self.own_key() };
                self.delete_several(&key)
            }
            8..=9 => self.copy(),
            10..=11 => self.append(),
            12 => {
                let key = self.own_key();
                let expected = self.load.oracle().latest(&key);
                self.read(&key, |_, version| version == expected.as_ref())
            }
            13 => {
                let anybody = self.dice.below(THREADS);
                let key = if self.dice.one_in(2) { self.shared_key() } else { format!("t{anybody}/m{}", self.dice.below(3)) };
                self.read(&key.clone(), move |oracle, version| {
                    oracle.objects.get(&key).is_none_or(|history| history.all().any(|known| known.as_ref() == version))
                })
            }
            _ => self.multipart(),
        }
    }

    fn put(&mut self, key: &str) -> Result<(), Unanswered> {
        let number = self.load.oracle().begin();
        let piece = self.piece();
        let dialect = self.dialect();
        let request = Request::new(dialect, "PUT", key).header(dialect.header("meta-n"), number.to_string()).body(piece.bytes());
        self.write(key, Some(Version { number, pieces: vec![piece] }), &request)
    }

    fn delete(&mut self, key: &str) -> Result<(), Unanswered> {
        self.load.oracle().begin();
        let dialect = self.dialect();
        self.write(key, None, &Request::new(dialect, "DELETE", key))
    }

    fn delete_several(&mut self, first: &str) -> Result<(), Unanswered> {
        let mut keys = vec![first.to_owned(), self.own_key(), self.own_key()];
        keys.sort();
        keys.dedup();
        let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        let body = format!("<Delete>{objects}</Delete>").into_bytes();
        let md5 = STANDARD.encode(digest::md5(&body));
        let dialect = self.dialect();
        let request = Request::new(dialect, "POST", "").query("delete").header("content-md5".to_owned(), md5).body(body);
        let tickets: Vec<Ticket> = {
            let mut oracle = self.load.oracle();
            keys.iter().for_each(|_| _ = oracle.begin());
            keys.iter().map(|key| oracle.begin_object(key, None)).collect()
        };
        self.ask(&request)?;
        let mut oracle = self.load.oracle();
        tickets.into_iter().for_each(|ticket| oracle.acknowledge(ticket));
        Ok(())
    }

    fn copy(&mut self) -> Result<(), Unanswered> {
        let target = self.own_key();
        // What consists of several blobs is shared piece by piece.
        let source = match self.dice.below(4) {
            0 => format!("t{}/m{}", self.index, self.dice.below(3)),
            1 => format!("t{}/log", self.index),
            _ => self.own_key(),
        };
        let Some(version) = self.load.oracle().latest(&source) else { return Ok(()) };
        if source == target {
            return Ok(());
        }
        self.load.oracle().begin();
        let dialect = self.dialect();
        let request = Request::new(dialect, "PUT", &target).header(dialect.header("copy-source"), format!("/{BUCKET}/{source}"));
        // The copy has its source's metadata, so its number, too.
        self.write(&target, Some(version), &request)
    }

    fn append(&mut self) -> Result<(), Unanswered> {
        let key = format!("t{}/log", self.index);
        let current = self.load.oracle().latest(&key);
        if current.as_ref().is_some_and(|version| version.size() > APPENDED_SIZE_MAX) {
            return self.delete(&key);
        }
        let begun = self.load.oracle().begin();
        let mut request = Request::new(Dialect::Oss, "POST", &key);
        let mut version = match current {
            Some(version) => version,
            None => {
                request = request.header(Dialect::Oss.header("meta-n"), begun.to_string());
                Version { number: begun, pieces: vec![] }
            }
        };
        let size_max = *self.dice.pick(&[2_000, 2_000, 2_000, 30_000]);
        let piece = Piece { seed: self.dice.number(), size: 1 + self.dice.below(size_max) };
        request = request.query(format!("append&position={}", version.size())).body(piece.bytes());
        version.pieces.push(piece);
        self.write(&key, Some(version), &request)
    }

    fn multipart(&mut self) -> Result<(), Unanswered> {
        let prefix = format!("t{}/", self.index);
        let open: Vec<String> = {
            let oracle = self.load.oracle();
            let mine = oracle.uploads.iter().filter(|(_, upload)| upload.stage == Stage::Open && upload.key.starts_with(&prefix));
            mine.map(|(id, _)| id.clone()).collect()
        };
        if open.is_empty() || (open.len() < OPEN_UPLOADS_MAX && self.dice.one_in(5)) {
            return self.create_upload();
        }
        let id = self.dice.pick(&open).clone();
        match self.dice.below(10) {
            0 => self.abort(&id),
            1..=2 => self.complete(&id),
            _ => self.upload_part(&id),
        }
    }

    fn create_upload(&mut self) -> Result<(), Unanswered> {
        let key = format!("t{}/m{}", self.index, self.dice.below(3));
        let dialect = self.dialect();
        let number = {
            let mut oracle = self.load.oracle();
            let number = oracle.begin();
            oracle.creating.insert(number, key.clone());
            number
        };
        let request = Request::new(dialect, "POST", &key).query("uploads").header(dialect.header("meta-n"), number.to_string());
        let answer = self.ask(&request)?;
        let id = answer.element("UploadId").expect("an upload has an id").to_owned();
        let mut oracle = self.load.oracle();
        oracle.creating.remove(&number);
        oracle.acknowledged += 1;
        oracle.uploads.insert(id, Upload { key, number, parts: BTreeMap::new(), stage: Stage::Open });
        Ok(())
    }

    fn upload_part(&mut self, id: &str) -> Result<(), Unanswered> {
        let number = 1 + u32::try_from(self.dice.below(5)).expect("it is small");
        let source = self.own_key();
        let copied = self.load.oracle().latest(&source).filter(|_| self.dice.one_in(4)).and_then(|version| match version.pieces[..] {
            [piece] => Some(piece),
            _ => None,
        });
        let piece = copied.unwrap_or_else(|| self.piece());
        let dialect = self.dialect();
        let (key, ticket) = {
            let mut oracle = self.load.oracle();
            oracle.begin();
            (oracle.uploads[id].key.clone(), oracle.begin_part(id, number, piece))
        };
        let request = Request::new(dialect, "PUT", &key).query(format!("partNumber={number}&uploadId={id}"));
        self.ask(&match copied {
            Some(_) => request.header(dialect.header("copy-source"), format!("/{BUCKET}/{source}")),
            None => request.body(piece.bytes()),
        })?;
        self.load.oracle().acknowledge(ticket);
        Ok(())
    }

    fn complete(&mut self, id: &str) -> Result<(), Unanswered> {
        let dialect = self.dialect();
        let (key, number, parts) = {
            let oracle = self.load.oracle();
            let upload = &oracle.uploads[id];
            let parts = upload.parts.iter().filter_map(|(&number, history)| Some((number, (*history.latest())?)));
            (upload.key.clone(), upload.number, parts.collect::<Vec<(u32, Piece)>>())
        };
        if parts.is_empty() {
            return self.upload_part(id);
        }
        let list: Vec<(u32, String)> = parts.iter().map(|&(number, piece)| (number, etag(piece))).collect();
        let version = Version { number, pieces: parts.into_iter().map(|(_, piece)| piece).collect() };
        self.end(id, Stage::Completing);
        self.write(&key, Some(version), &complete_request(dialect, &key, id, &list))?;
        self.end(id, Stage::Ended);
        Ok(())
    }

    fn abort(&mut self, id: &str) -> Result<(), Unanswered> {
        let dialect = self.dialect();
        let key = self.load.oracle().uploads[id].key.clone();
        self.end(id, Stage::Aborting);
        self.ask(&Request::new(dialect, "DELETE", &key).query(format!("uploadId={id}")))?;
        self.end(id, Stage::Ended);
        self.load.oracle().acknowledged += 1;
        Ok(())
    }

    fn end(&self, id: &str, stage: Stage) {
        let mut oracle = self.load.oracle();
        if stage != Stage::Ended {
            oracle.begin();
        }
        oracle.uploads.get_mut(id).expect("it is one of ours").stage = stage;
    }

    /// Reads an object and complains unless it is what it may be.
    fn read(&mut self, key: &str, is_right: impl Fn(&Oracle, Option<&Version>) -> bool) -> Result<(), Unanswered> {
        self.load.oracle().begin();
        let dialect = self.dialect();
        let found = read_object(&mut self.client, dialect, key);
        if found.is_err() && self.is_interrupting() {
            return Err(Unanswered);
        }
        let mut oracle = self.load.oracle();
        match found {
            Err(why) => {
                oracle.problem(format!("{key} cannot be read: {why}"));
                return Err(Unanswered);
            }
            Ok(None) if is_right(&oracle, None) => {}
            Ok(None) => oracle.problem(format!("{key} is gone while it is used")),
            Ok(Some((number, body))) => {
                // Whose bytes they are is looked up rather than taken from the metadata.
                let known = oracle.objects.get(key).and_then(|history| {
                    let versions = history.all().flatten();
                    versions
                        .filter(|version| version.number == number && version.size() == body.len())
                        .find(|version| version.bytes() == body)
                        .cloned()
                });
                if !known.is_some_and(|version| is_right(&oracle, Some(&version))) {
                    oracle.problem(format!("{key} reads as write {number} with {} bytes, which it is not", body.len()));
                }
            }
        }
        Ok(())
    }

    /// Writes an object and notes the acknowledgement.
    fn write(&mut self, key: &str, value: Option<Version>, request: &Request<'_>) -> Result<(), Unanswered> {
        let ticket = self.load.oracle().begin_object(key, value);
        self.ask(request)?;
        self.load.oracle().acknowledge(ticket);
        Ok(())
    }

    /// Asks; anything but a success is a problem unless the server is being interrupted.
    fn ask(&mut self, request: &Request<'_>) -> Result<RawResponse, Unanswered> {
        let began_without_power = self.load.power_is_gone.load(Ordering::SeqCst);
        let why = match self.client.ask(request) {
            Ok(answer) if is_success(&answer) => {
                let is_heard = began_without_power || !self.load.power_goes.load(Ordering::SeqCst);
                return if is_heard { Ok(answer) } else { Err(Unanswered) };
            }
            Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(error) => error.to_string(),
        };
        if !self.is_interrupting() {
            self.load.oracle().problem(format!("{} {} {}: {why}", request.method, request.key, request.query));
        }
        Err(Unanswered)
    }

    fn is_interrupting(&self) -> bool {
        self.load.interrupting.load(Ordering::SeqCst)
    }

    /// Mostly small; some are kept in the index, some in files of one block or several.
    fn piece(&mut self) -> Piece {
        let size = match self.dice.below(8) {
            0..=3 => self.dice.below(4_097),
            4..=6 => self.dice.below(60_000),
            _ => self.dice.below(300_000),
        };
        // Two empty parts in a row would not be told apart, so there is at least one byte.
        Piece { seed: self.dice.number(), size: size + 1 }
    }

    fn dialect(&mut self) -> Dialect {
        *self.dice.pick(&[Dialect::S3, Dialect::Oss])
    }

    fn own_key(&mut self) -> String {
        format!("t{}/k{}", self.index, self.dice.below(6))
    }

    fn shared_key(&mut self) -> String {
        format!("shared/k{}", self.dice.below(3))
    }
}

pub(crate) fn is_success(answer: &RawResponse) -> bool {
    // Some operations answer 200 before they know, and put their failure into the body.
    answer.status / 100 == 2 && !answer.body.windows(7).take(300).any(|window| window == b"<Error>")
}

/// The ETag of a part of these bytes, quoted.
pub(crate) fn etag(piece: Piece) -> String {
    format!("\"{}\"", hex::encode(digest::md5(&piece.bytes())))
}

pub(crate) fn complete_request<'a>(dialect: Dialect, key: &'a str, id: &str, parts: &[(u32, String)]) -> Request<'a> {
    let parts = parts.iter().map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
    Request::new(dialect, "POST", key).query(format!("uploadId={id}")).body(body.into_bytes())
}

/// An object's number and bytes, when there is one.
pub(crate) fn read_object(client: &mut Client, dialect: Dialect, key: &str) -> Result<Option<(u64, Vec<u8>)>, String> {
    let answer = client.ask(&Request::new(dialect, "GET", key)).map_err(|error| error.to_string())?;
    match answer.status {
        404 => Ok(None),
        200 => {
            let number = answer.header(&dialect.header("meta-n")).and_then(|number| number.parse().ok());
            Ok(Some((number.ok_or("it has no number")?, answer.body)))
        }
        status => Err(format!("{status} {}", String::from_utf8_lossy(&answer.body))),
    }
}
