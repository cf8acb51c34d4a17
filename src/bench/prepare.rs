//! What has to be there before a run, and that it is gone afterwards: asked for over the protocol that is measured.

use super::{
    BenchError, Tongue,
    client::{Body, Sink},
    line::{Line, Repeat, Trouble},
    payload::Payload,
    plan::{Kind, Ring, Shape},
    site::{Draft, Site},
    worker::Results,
};
use crate::dialect::{
    percent,
    xml::{Element, Writer},
};
use http::Method;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

/// So many threads prepare, at least: what is measured one at a time need not be made one at a time.
const THREADS: usize = 16;

/// Prepares and cleans up, with as many threads as the run has workers, or more.
pub(super) struct Stage<'a> {
    pub(super) site: &'a Site,
    pub(super) payload: &'a Payload,
    pub(super) made: Made,
    threads: usize,
    asked: AtomicU64,
}

/// What would be left behind.
#[derive(Default)]
pub(super) struct Made(Mutex<Left>);

#[derive(Default)]
struct Left {
    bucket: bool,
    keys: Vec<String>,
    /// Keys and upload ids.
    uploads: Vec<(String, String)>,
}

impl Made {
    fn note<T>(&self, add: impl FnOnce(&mut Left) -> T) -> T {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what a run made and, when nothing went wrong, forgets the uploads it completed.
    pub(super) fn add_measured(&self, ring: &Ring, results: &Results) {
        let used = ring.operations.iter().take(results.used);
        let keys: Vec<String> = used.filter_map(|operation| operation.makes.clone()).collect();
        let completed = match ring.operations.first().map(|operation| operation.kind) {
            Some(Kind::Complete) if results.error_count() == 0 => keys.clone(),
            Some(_) | None => Vec::new(),
        };
        self.note(|left| {
            left.uploads.retain(|(key, _)| completed.binary_search(key).is_err());
            left.keys.extend(keys);
        });
    }
}

impl<'a> Stage<'a> {
    pub(super) fn new(site: &'a Site, payload: &'a Payload, concurrency: usize) -> Self {
        Self { site, payload, made: Made::default(), threads: concurrency.max(THREADS), asked: AtomicU64::new(0) }
    }

    /// Whether there is something to clean up.
    pub(super) fn has_made(&self) -> bool {
        self.made.note(|left| left.bucket || !left.keys.is_empty() || !left.uploads.is_empty())
    }

    /// How many requests were sent so far.
    pub(super) fn requests(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Looks for the bucket, and creates it when it is absent.
    ///
    /// # Errors
    /// [`BenchError::NoBucket`], or [`BenchError::Failed`] when the server cannot be asked or does not know the key.
    pub(super) fn bucket(&self) -> Result<(), BenchError> {
        let name = self.site.bucket();
        self.each(1, |line, _| {
            let look = Draft { method: Method::GET, key: None, query: "list-type=2&max-keys=1", range: None, body: Body::Empty };
            match self.ask(line, look, Sink::Drop)? {
                Ok(()) => return Ok(()),
                // Whoever may not list may still be allowed what is measured.
                Err(trouble) if trouble.code() == "AccessDenied" => return Ok(()),
                Err(Trouble::Refused { status: 404, .. }) => {}
                Err(trouble) => return Err(BenchError::Failed { doing: format!("bucket {name} cannot be looked at"), trouble }),
            }
            let create = Draft { method: Method::PUT, key: None, query: "", range: None, body: self.bucket_body(line.site) };
            self.ask(line, create, Sink::Drop)?.map_err(|trouble| BenchError::NoBucket { bucket: name.to_owned(), trouble })?;
            self.made.note(|left| left.bucket = true);
            Ok(())
        })
        .map(drop)
    }

    /// S3 wants to be told the region, unless it is the first one.
    fn bucket_body(&self, site: &Site) -> Body {
        let region = site.region();
        if site.tongue() == Tongue::Oss || region == "us-east-1" {
            return Body::Empty;
        }
        let document = Writer::document("CreateBucketConfiguration", S3_NAMESPACE, |writer| writer.leaf("LocationConstraint", region));
        Body::Bytes(document.into_bytes().into())
    }

    /// Uploads objects. Those that are there already, with the right size, stay as they are when `reuse` is set.
    ///
    /// # Errors
    /// [`BenchError::Failed`].
    pub(super) fn objects(&self, keys: &[String], shape: &Shape, reuse: bool) -> Result<(), BenchError> {
        let absent = |line: &mut Line<'_>, index: usize| {
            let key = keys[index].as_str();
            let look = Draft { method: Method::HEAD, key: Some(key), query: "", range: None, body: Body::Empty };
            let is_there = reuse && self.ask(line, look, Sink::Drop)?.is_ok() && line.answer.size == shape.object_size;
            if is_there || shape.object_parts > 1 {
                return Ok((!is_there).then(|| key.to_owned()));
            }
            self.made.note(|left| left.keys.push(key.to_owned()));
            let put = Draft {
                method: Method::PUT,
                key: Some(key),
                query: "",
                range: None,
                body: Body::Payload { start: 0, size: shape.object_size },
            };
            self.need(line, put, Sink::Drop, || format!("object {key} cannot be put"))?;
            Ok(None)
        };
        let absent: Vec<String> = self.each(keys.len(), absent)?.into_iter().flatten().collect();
        let uploads = self.uploads(&absent)?;
        let whole = usize::from(shape.object_parts).saturating_sub(1);
        let mut sizes = vec![shape.part_size; whole];
        sizes.push(shape.object_size.saturating_sub(shape.part_size.saturating_mul(whole as u64)));
        let etags = self.parts(&absent, &uploads, &sizes)?;
        self.each(absent.len(), |line, index| {
            let key = absent[index].as_str();
            let query = format!("uploadId={}", percent::encode(&uploads[index]));
            let body = Body::Bytes(complete_document(line.site.tongue(), &etags[index]).into_bytes().into());
            let complete = Draft { method: Method::POST, key: Some(key), query: &query, range: None, body };
            self.made.note(|left| left.keys.push(key.to_owned()));
            self.need(line, complete, Sink::Keep, || format!("object {key} cannot be completed"))?;
            if is_error(&line.answer.kept) {
                let trouble = Trouble::of(&line.answer);
                return Err(BenchError::Failed { doing: format!("object {key} cannot be completed"), trouble });
            }
            self.made.note(|left| left.uploads.retain(|(open, _)| open != key));
            Ok(())
        })
        .map(drop)
    }

    /// Creates an upload for each key; returns their ids.
    ///
    /// # Errors
    /// [`BenchError::Failed`].
    pub(super) fn uploads(&self, keys: &[String]) -> Result<Vec<String>, BenchError> {
        self.each(keys.len(), |line, index| {
            let key = keys[index].as_str();
            let create = Draft { method: Method::POST, key: Some(key), query: "uploads", range: None, body: Body::Empty };
            self.need(line, create, Sink::Keep, || format!("no upload can be created for {key}"))?;
            let id = Element::parse(&line.answer.kept).ok().and_then(|root| root.child_text("UploadId").map(str::to_owned));
            let trouble = || Trouble::Wrong("the answer has no upload id".to_owned());
            let id = id.ok_or_else(|| BenchError::Failed { doing: format!("no upload can be created for {key}"), trouble: trouble() })?;
            self.made.note(|left| left.uploads.push((key.to_owned(), id.clone())));
            Ok(id)
        })
    }

    /// Uploads parts of these sizes to each upload; returns their ETags, upload by upload.
    ///
    /// # Errors
    /// [`BenchError::Failed`].
    pub(super) fn parts(&self, keys: &[String], uploads: &[String], sizes: &[u64]) -> Result<Vec<Vec<String>>, BenchError> {
        let etags = self.each(keys.len().saturating_mul(sizes.len()), |line, index| {
            let (upload, part) = (index / sizes.len(), index % sizes.len());
            let query = format!("partNumber={}&uploadId={}", part + 1, percent::encode(&uploads[upload]));
            let body = Body::Payload { start: 0, size: sizes[part] };
            let put = Draft { method: Method::PUT, key: Some(&keys[upload]), query: &query, range: None, body };
            self.need(line, put, Sink::Drop, || format!("part {} of {} cannot be uploaded", part + 1, keys[upload]))?;
            Ok(line.answer.etag.clone())
        })?;
        Ok(etags.chunks(sizes.len()).map(<[String]>::to_vec).collect())
    }

    /// Removes what was made, the bucket last.
    ///
    /// # Errors
    /// The first thing that could not be removed; what comes after it is left, too.
    pub(super) fn clean(&self) -> Result<(), BenchError> {
        let Left { bucket, keys, uploads } = self.made.note(std::mem::take);
        self.each(uploads.len(), |line, index| {
            let (key, id) = &uploads[index];
            let query = format!("uploadId={}", percent::encode(id));
            self.remove(line, Some(key), &query, || format!("the upload to {key} cannot be aborted"))
        })?;
        self.each(keys.len(), |line, index| {
            let key = &keys[index];
            self.remove(line, Some(key), "", || format!("object {key} cannot be deleted"))
        })?;
        self.each(usize::from(bucket), |line, _| self.remove(line, None, "", || format!("bucket {} cannot be deleted", line.site.bucket())))
            .map(drop)
    }

    fn remove(&self, line: &mut Line<'_>, key: Option<&str>, query: &str, doing: impl Fn() -> String) -> Result<(), BenchError> {
        let delete = Draft { method: Method::DELETE, key, query, range: None, body: Body::Empty };
        match self.ask(line, delete, Sink::Drop)? {
            Ok(()) | Err(Trouble::Refused { status: 404, .. }) => Ok(()),
            Err(trouble) => Err(BenchError::Failed { doing: doing(), trouble }),
        }
    }

    fn need(&self, line: &mut Line<'_>, draft: Draft<'_>, sink: Sink, doing: impl Fn() -> String) -> Result<(), BenchError> {
        self.ask(line, draft, sink)?.map_err(|trouble| BenchError::Failed { doing: doing(), trouble })
    }

    fn ask(&self, line: &mut Line<'_>, draft: Draft<'_>, sink: Sink) -> Result<Result<(), Trouble>, BenchError> {
        let request = self.site.request(draft)?;
        Ok(line.ask(&request, sink, Repeat::Yes))
    }

    /// Does something for each of so many, in no order, until something goes wrong; returns what came of each, in order.
    fn each<T: Send>(
        &self,
        count: usize,
        task: impl Fn(&mut Line<'_>, usize) -> Result<T, BenchError> + Sync,
    ) -> Result<Vec<T>, BenchError> {
        let (cursor, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let (mut line, mut done) = (Line::new(self.site, self.payload), Vec::new());
            let outcome = loop {
                let index = cursor.fetch_add(1, Ordering::Relaxed);
                if index >= count || has_failed.load(Ordering::Relaxed) {
                    break Ok(());
                }
                match task(&mut line, index) {
                    Ok(value) => done.push((index, value)),
                    Err(error) => {
                        has_failed.store(true, Ordering::Relaxed);
                        break Err(error);
                    }
                }
            };
            self.asked.fetch_add(line.asked, Ordering::Relaxed);
            outcome.map(|()| done)
        };
        let outcomes: Vec<Result<Vec<(usize, T)>, BenchError>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads.min(count)).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
        });
        let mut done: Vec<(usize, T)> = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        done.sort_unstable_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, value)| value).collect())
    }
}

const S3_NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// The list of parts an upload is completed with, as both dialects write it.
pub(super) fn complete_document(tongue: Tongue, etags: &[String]) -> String {
    let namespace = match tongue {
        Tongue::S3 => S3_NAMESPACE,
        Tongue::Oss => "",
    };
    Writer::document("CompleteMultipartUpload", namespace, |writer| {
        for (etag, number) in etags.iter().zip(1u32..) {
            writer.element("Part", |part| {
                part.leaf("PartNumber", number);
                part.leaf("ETag", format!("\"{etag}\""));
            });
        }
    })
}

/// Whether a success is none: servers that take their time to complete begin their answer before they know its end.
pub(super) fn is_error(document: &[u8]) -> bool {
    // Some send blanks meanwhile.
    Element::parse(document.trim_ascii_start()).is_ok_and(|root| root.name() == "Error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_listed_in_order_with_their_etags() {
        let document = complete_document(Tongue::Oss, &["aa".to_owned(), "b<b".to_owned()]);
        let root = Element::parse(document.as_bytes()).unwrap();
        let parts: Vec<_> = root.children_named("Part").map(|part| (part.child_text("PartNumber"), part.child_text("ETag"))).collect();
        assert_eq!(parts, [(Some("1"), Some("\"aa\"")), (Some("2"), Some("\"b<b\""))]);
    }

    #[test]
    fn an_error_is_one_whatever_its_status() {
        for blanks in ["", " \n "] {
            assert!(is_error(format!("{blanks}<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>").as_bytes()));
        }
        assert!(!is_error(b"<CompleteMultipartUploadResult/>") && !is_error(b""));
    }
}
