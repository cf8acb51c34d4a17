//! A worker's line to the server: one connection, opened when there is none, and what went wrong on it.

use super::{
    client::{Answer, Connection, Request, Sink},
    payload::Payload,
    site::Site,
};
use crate::dialect::xml::Element;
use std::{
    fmt, io,
    time::{Duration, Instant},
};

/// What can pass is tried again so often.
const RETRY_COUNT_MAX: u32 = 3;
/// Before the first retry; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a request did not succeed.
#[derive(Debug)]
pub enum Trouble {
    /// Nobody can be connected to there.
    Connect(String, io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The server said no.
    Refused {
        /// The status.
        status: u16,
        /// The error's code, empty when the answer has none.
        code: String,
        /// The error's message.
        message: String,
    },
    /// The server said yes, but not to what was asked.
    Wrong(String),
}

impl Trouble {
    /// What an answer says that is no success.
    pub(super) fn of(answer: &Answer) -> Self {
        let document = Element::parse(answer.kept.trim_ascii_start()).ok();
        let text = |name: &str| {
            let text = document.as_ref().and_then(|root| root.child_text(name)).unwrap_or_default();
            text.chars().filter(|character| !character.is_control()).take(300).collect::<String>()
        };
        Self::Refused { status: answer.status, code: text("Code"), message: text("Message") }
    }

    /// The error's code, where the server gave one.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Connect(..) | Self::Broken(_) | Self::Wrong(_) => "",
        }
    }

    /// Whether it may be otherwise in a moment.
    fn is_passing(&self) -> bool {
        match self {
            Self::Connect(..) => true,
            Self::Broken(error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Wrong(_) => false,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(address, error) => write!(f, "cannot connect to {address}: {error}"),
            Self::Broken(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                write!(f, "the server did not go on for too long")
            }
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Refused { status, code, message } => {
                write!(f, "the server answered {status}")?;
                let rest = [code, message].into_iter().filter(|text| !text.is_empty()).map(String::as_str);
                let rest: Vec<&str> = rest.collect();
                if rest.is_empty() { Ok(()) } else { write!(f, " {}", rest.join(": ")) }
            }
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

/// Whether a request may be sent again when nobody knows whether it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Yes,
    Never,
}

/// A worker's line.
pub(super) struct Line<'a> {
    pub(super) site: &'a Site,
    pub(super) payload: &'a Payload,
    connection: Option<Connection>,
    /// The last answer.
    pub(super) answer: Answer,
    /// How many requests were sent.
    pub(super) asked: u64,
    /// How many of them were sent again.
    pub(super) retried: u64,
}

impl<'a> Line<'a> {
    pub(super) fn new(site: &'a Site, payload: &'a Payload) -> Self {
        Self { site, payload, connection: None, answer: Answer::default(), asked: 0, retried: 0 }
    }

    /// Connects, so that the first request need not.
    ///
    /// # Errors
    /// [`Trouble::Connect`].
    pub(super) fn open(&mut self) -> Result<(), Trouble> {
        if self.connection.is_none() {
            let opened = self.site.connect();
            self.connection = Some(opened.map_err(|error| Trouble::Connect(self.site.address().to_owned(), error))?);
        }
        Ok(())
    }

    /// Asks, and asks again when that may help. The answer is in `answer` then.
    ///
    /// # Errors
    /// What went wrong at last.
    pub(super) fn ask(&mut self, request: &Request, sink: Sink, repeat: Repeat) -> Result<(), Trouble> {
        let mut pause = PAUSE;
        for _ in 0..RETRY_COUNT_MAX {
            match self.ask_once(request, sink) {
                Err(trouble) if trouble.is_passing() && repeat == Repeat::Yes => {
                    self.retried += 1;
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                other => return other,
            }
        }
        self.ask_once(request, sink)
    }

    fn ask_once(&mut self, request: &Request, sink: Sink) -> Result<(), Trouble> {
        self.open()?;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        self.asked += 1;
        let exchanged = connection.exchange(request, self.payload, sink, &mut self.answer);
        if connection.is_over() {
            self.connection = None;
        }
        exchanged.map_err(Trouble::Broken)?;
        if self.answer.is_success() { Ok(()) } else { Err(Trouble::of(&self.answer)) }
    }
}

/// A moment, for how long something took. Nanoseconds.
pub(super) fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, kept: body.into(), ..Answer::default() }
    }

    #[test]
    fn an_error_is_told_in_the_servers_words_without_control_characters() {
        let trouble = Trouble::of(&answer(403, "<Error><Code>AccessDenied</Code><Message>no\u{7f}\u{9b}!</Message></Error>"));
        assert_eq!(trouble.to_string(), "the server answered 403 AccessDenied: no!");
        assert_eq!(trouble.code(), "AccessDenied");
        assert_eq!(Trouble::of(&answer(502, "<html>")).to_string(), "the server answered 502");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, passing) in [(400, false), (403, false), (404, false), (429, true), (500, true), (503, true), (301, false)] {
            assert_eq!(Trouble::of(&answer(status, "")).is_passing(), passing, "{status}");
        }
        assert!(Trouble::Broken(io::ErrorKind::ConnectionReset.into()).is_passing());
        assert!(!Trouble::Broken(io::ErrorKind::InvalidData.into()).is_passing());
    }
}
