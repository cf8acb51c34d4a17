//! What fuzzing calls: one function per kind of input that a stranger, a disk or an operator hands us.
//!
//! `tests/fuzz` puts libFuzzer around these functions, and `tests/fuzzing.rs` replays the corpora and tries mutations
//! without it. A function returns for whatever bytes it gets and panics when a promise is broken: beyond that nothing
//! panics, what was decoded encodes to what decodes alike, splits do not matter, and answers stay in proportion to what was
//! asked.

mod blob_files;
mod callbacks;
mod chunked;
mod configuration;
mod control;
mod documents;
mod forms;
mod head;
mod policies;
mod records;
mod requests;
mod signatures;
mod small_files;
mod sts;
mod values;

use crate::model::Timestamp;

/// One kind of input.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its corpus.
    pub name: &'static str,
    /// Takes one input.
    ///
    /// # Panics
    /// When a promise is broken.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 20] = [
    Target { name: "s3_request", run: requests::s3 },
    Target { name: "oss_request", run: requests::oss },
    Target { name: "sts_request", run: sts::request },
    Target { name: "s3_signature", run: signatures::s3 },
    Target { name: "oss_signature", run: signatures::oss },
    Target { name: "xml", run: documents::tree },
    Target { name: "documents", run: documents::configurations },
    Target { name: "chunked_received", run: chunked::received },
    Target { name: "chunked_sent", run: chunked::sent },
    Target { name: "policy", run: policies::document },
    Target { name: "form", run: forms::body },
    Target { name: "form_policy", run: forms::policy },
    Target { name: "record", run: records::value_and_row },
    Target { name: "blob_file", run: blob_files::file },
    Target { name: "small_file", run: small_files::file },
    Target { name: "control", run: control::line },
    Target { name: "callback", run: callbacks::configuration },
    Target { name: "answer", run: callbacks::answer },
    Target { name: "value", run: values::text },
    Target { name: "config", run: configuration::file },
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// The time of every input: that of the requests in `tests/vectors`, so that their signatures are good.
const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);

/// The secret of an access key: those in `tests/vectors` have one of their own.
fn secret_of(access_key: &str) -> &'static str {
    match access_key {
        "AKIAIOSFODNN7EXAMPLE" => "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "LTAI5tExampleAccessKey1" => "ExampleSecretKey/1+abcdefghijk",
        _ => "secret",
    }
}

/// The bytes of an input, taken from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The next byte; 0 after the last.
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// What stands before the next NUL, which is taken as well, or all that is left.
    fn field(&mut self) -> &'a [u8] {
        let (field, rest) = match memchr::memchr(0, self.0) {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &self.0[..0]),
        };
        self.0 = rest;
        field
    }

    /// What is left.
    fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// The bytes in pieces whose sizes follow from `seed`; none of them is empty.
fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut rest, mut state) = (bytes, u32::from(seed) | 1);
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Mostly a few bytes, at times many: line ends and chunk ends fall on every side of a cut.
        let size = if state >> 30 == 0 { 1 + (state >> 8 & 0x3FF) } else { 1 + (state >> 8 & 7) };
        let (piece, after) = rest.split_at(rest.len().min(size as usize));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The committed inputs of a target, by name.
#[cfg(test)]
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}
