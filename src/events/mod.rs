//! Telling applications of uploads (OSS "Callback"): rendered, signed, sent, and never forgotten.
//!
//! - An event is a row that was committed with its object. The request that caused it makes the first attempt; whatever
//!   comes of that, or of a crash in between, the outbox finds the row when it is due and goes on from there.
//! - An event is told until the application answers 200, under one id; after that it is never told again, unless an
//!   operator asks for it. Only a crash between that answer and its record can repeat an attempt.
//! - Where a callback may go is decided on the address it connects to, not on the name it was given.

mod answer;
#[cfg(test)]
mod app;
mod connect;
mod deliver;
mod ledger;
mod outbox;
mod render;
mod shares;
mod sign;
mod target;
mod underway;

pub use ledger::{EventSummary, Ledger};
pub use outbox::{Clock, Outbox};
pub use sign::{PUBLIC_KEY_PATH, Signer};
pub use target::Network;

/// The body that an event's application gets: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn rendered(event: &crate::meta::record::EventRecord) -> String {
    render::body(event)
}

/// Whether this is a URL that events can be sent to, as far as its text says: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn is_target(url: &str) -> bool {
    target::Target::parse(url).is_some()
}

/// Whether an application's answer with this Content-Type can be handed on: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn is_sound_answer(content_type: &str, body: &[u8]) -> bool {
    answer::is_sound(content_type, body)
}

/// How callbacks are sent; every field is a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Private networks that may be reached all the same.
    pub allow: Vec<Network>,
    /// Networks that may not be reached, whatever `allow` says.
    pub deny: Vec<Network>,
    /// Where applications fetch the public key: scheme and host. `None` is the host that the upload was sent to.
    pub public_url: Option<String>,
    /// Whether that host is served over TLS.
    pub is_encrypted: bool,
    /// How long a failed callback waits before the second attempt. Milliseconds.
    pub retry_min_ms: i64,
    /// How long it waits at most before a further one. Milliseconds.
    pub retry_max_ms: i64,
    /// How long a settled event is kept. Milliseconds.
    pub retention_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            public_url: None,
            is_encrypted: false,
            retry_min_ms: 10_000,
            retry_max_ms: 3_600_000,
            retention_ms: 7 * 24 * 3_600_000,
        }
    }
}

/// Why an application could not be told, in OSS's words where OSS has some (OSS "HTTP 203 status code").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Undelivered {
    /// The URL is none that can be called.
    #[error("The callback url configuration is invalid.")]
    Url,
    /// The host is none that a header or a TLS handshake can carry.
    #[error("The callback host configuration is invalid.")]
    Host,
    /// Its addresses are not for callbacks.
    #[error("Private address is forbidden to callback.")]
    PrivateAddress,
    /// Its name has no address.
    #[error("Can not get ip by this host.")]
    NoAddress,
    /// Nobody answered, or not in HTTP.
    #[error("Error status : -1.OSS can not connect to your callbackUrl, please check it.")]
    NoConnection,
    /// It answered with another status than 200.
    #[error("Error status : {0}.")]
    Status(u16),
    /// The answer does not say how long it is.
    #[error("Error status : 400.User server missing content-length.")]
    NoContentLength,
    /// The answer is longer than is handed on.
    #[error("Error status : 400.User server return too long content-length value.")]
    TooLong,
    /// The answer is not what its content type says.
    #[error("Response body is not valid json format.")]
    NotJson,
    /// It took too long to answer.
    #[error("Cost too long time.")]
    TooSlow,
    /// Too many callbacks are being sent.
    #[error("Too many callback requests.")]
    TooMany,
    /// We failed, not the application; the log says why.
    #[error("The callback could not be signed.")]
    Unsigned,
}
