//! Telling an application of an upload (OSS "Callback").

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a client asked to be told, and whom, when its upload has succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// One to five URLs, tried in order until one answers 200.
    pub urls: Vec<String>,
    /// What the Host header says instead of the URL's host.
    pub host: Option<String>,
    /// The body, with `${…}` where variables go.
    pub body: String,
    /// How the body is written.
    pub body_type: CallbackBodyType,
    /// Whether TLS asks for `host` instead of the URL's host.
    pub sni: bool,
    /// The client's own variables, names with their `x:`.
    pub variables: Vec<(String, String)>,
}

/// How a callback's body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallbackBodyType {
    /// application/x-www-form-urlencoded: values are URL-encoded.
    #[default]
    Form,
    /// application/json: values are JSON strings and numbers.
    Json,
}

/// What an application answered when it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackReply {
    /// Its Content-Type.
    pub content_type: String,
    /// Its body, which is handed on to the client.
    pub body: Vec<u8>,
}

/// Names one event: the same at every attempt to deliver it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// Reads 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).ok()?;
        Some(Self(id))
    }
}

/// 32 lower-case hex digits.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Where a request came from, for those who are told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The request's id.
    pub request_id: String,
    /// The client's address without port.
    pub client_ip: String,
    /// The host and port that it was sent to.
    pub authority: String,
}
