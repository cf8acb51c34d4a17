//! What is told of a request when it is over: one line in the log, and the metrics.
//!
//! A [`Completion`] lives as long as its request: it is made when the head has arrived, travels with the response's
//! body, and reports when it is dropped. So a request is told of exactly once, also when its client hung up or its
//! handler panicked. It holds no header and no query, hence no signature.

use super::{counted::Counted, tenants::Held};
use crate::telemetry::{Ended, REQUESTS};
use http::{Method, StatusCode};
use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// The status told of a request whose client went away before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// How much of a bucket's or a key's name is logged. Bytes. No name that is one is longer; a head has room for far more, and what
/// is escaped is longer still.
const NAME_SIZE_LOGGED: usize = 1024;

/// Counts a body's bytes as they pass.
pub(super) type ByteCounter = Arc<AtomicU64>;

/// What is known of a request so far.
pub(super) struct Completion {
    /// x-amz-request-id.
    pub(super) request_id: String,
    /// Who is connected.
    pub(super) peer: SocketAddr,
    /// The request's method.
    pub(super) method: Method,
    /// The operation's name; `None` until it is decoded.
    pub(super) operation: Option<&'static str>,
    /// The bucket addressed.
    pub(super) bucket: Option<String>,
    /// The key addressed.
    pub(super) key: Option<String>,
    /// The verified access key.
    pub(super) access_key: Option<String>,
    /// The error's code.
    pub(super) error: Option<&'static str>,
    /// The answer's status; `None` until there is one.
    pub(super) status: Option<StatusCode>,
    /// What it has of what is scarce.
    pub(super) held: Held,
    bytes_in: ByteCounter,
    bytes_out: AtomicU64,
    broke_off: bool,
    begun: Instant,
    /// Dropped after the report: shutting down waits for it.
    _in_flight: Option<Counted>,
}

impl Completion {
    /// How long ago the head arrived. Milliseconds.
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Of a request whose head has just arrived. `in_flight` counts it, unless it will be turned away.
    pub(super) fn new(request_id: String, peer: SocketAddr, method: Method, in_flight: Option<Counted>) -> Self {
        Self {
            request_id,
            peer,
            method,
            operation: None,
            bucket: None,
            key: None,
            access_key: None,
            error: None,
            status: None,
            held: Held::default(),
            bytes_in: ByteCounter::default(),
            bytes_out: AtomicU64::new(0),
            broke_off: false,
            begun: Instant::now(),
            _in_flight: in_flight,
        }
    }

    /// Counts the request body's bytes as received, framing included.
    pub(super) fn bytes_in(&self) -> ByteCounter {
        Arc::clone(&self.bytes_in)
    }

    /// Counts bytes of the response's body.
    pub(super) fn add_bytes_out(&self, size: u64) {
        self.bytes_out.fetch_add(size, Ordering::Relaxed);
    }

    /// Says that the answer ended before all of it was sent.
    pub(super) fn broke_off(&mut self) {
        self.broke_off = true;
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let status = self.status.map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16());
        let operation = self.operation.unwrap_or("-");
        let (bytes_in, bytes_out) = (self.bytes_in.load(Ordering::Relaxed), self.bytes_out.load(Ordering::Relaxed));
        let duration = self.begun.elapsed();
        tracing::info!(
            target: REQUESTS,
            request_id = %self.request_id,
            method = %self.method,
            operation,
            bucket = %Logged::of(&self.bucket),
            key = %Logged::of(&self.key),
            status,
            error = %self.error.unwrap_or("-"),
            bytes_in,
            bytes_out,
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            peer = %self.peer,
            access_key = %Logged::of(&self.access_key),
            broke_off = self.broke_off,
            "request"
        );
        Ended { operation, status, bytes_in, bytes_out, duration_secs: duration.as_secs_f64() }.record();
    }
}

/// A name as it is logged: as much of it as one can be long, on one line whatever is in it.
struct Logged<'a>(&'a str);

impl<'a> Logged<'a> {
    fn of(name: &'a Option<String>) -> Self {
        let name = name.as_deref().unwrap_or("-");
        Self(&name[..name.floor_char_boundary(NAME_SIZE_LOGGED)])
    }
}

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nearly every name stands for itself.
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\');
        if self.0.bytes().all(is_plain) {
            return f.write_str(self.0);
        }
        write!(f, "{}", self.0.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io,
        sync::{Mutex, PoisonError},
    };

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line_of(change: impl FnOnce(&mut Completion)) -> serde_json::Value {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut completion = Completion::new("REQUESTID".to_owned(), ([127, 0, 0, 1], 4711).into(), Method::PUT, None);
            change(&mut completion);
        });
        let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut lines = serde_json::Deserializer::from_slice(&bytes).into_iter();
        let line = lines.next().expect("a line").expect("JSON");
        assert!(lines.next().is_none(), "one line a request");
        line
    }

    #[test]
    fn a_request_is_told_of_in_one_line_with_its_sizes() {
        let line = line_of(|completion| {
            completion.operation = Some("PutObject");
            completion.bucket = Some("bkt".to_owned());
            completion.key = Some("a\nb".to_owned());
            completion.access_key = Some("ak".to_owned());
            completion.status = Some(StatusCode::NOT_FOUND);
            completion.error = Some("NoSuchBucket");
            completion.bytes_in().fetch_add(5, Ordering::Relaxed);
            completion.add_bytes_out(7);
        });
        for (field, expected) in [
            ("target", serde_json::json!("partway::request")),
            ("request_id", "REQUESTID".into()),
            ("method", "PUT".into()),
            ("operation", "PutObject".into()),
            ("bucket", "bkt".into()),
            ("key", "a\\nb".into()),
            ("status", 404.into()),
            ("error", "NoSuchBucket".into()),
            ("bytes_in", 5.into()),
            ("bytes_out", 7.into()),
            ("peer", "127.0.0.1:4711".into()),
            ("access_key", "ak".into()),
        ] {
            assert_eq!(line[field], expected, "{field} in {line}");
        }
    }

    #[test]
    fn a_name_that_is_none_does_not_fill_the_log() {
        let key = "\u{e9}".repeat(15_000);
        let line = line_of(|completion| completion.key = Some(format!("k{key}")));
        assert_eq!(line["key"], format!("k{}", &key[..1022]));
    }

    #[test]
    fn a_request_whose_client_went_away_is_told_of_too() {
        assert_eq!(line_of(|_| {})["status"], CLIENT_CLOSED_REQUEST);
    }
}
