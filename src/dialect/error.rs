//! An error on its way to the client: what both dialects say about it, each in its own words.

use crate::{auth::AuthError, model::Failure};
use http::{HeaderName, HeaderValue, StatusCode};
use std::{borrow::Cow, fmt::Display};

/// An error on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The signature or its form.
    Auth(AuthError),
    /// The request cannot be understood.
    Decode(ErrorReply),
    /// The operation did not succeed.
    Failure(Failure),
}

impl From<AuthError> for Rejection {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<ErrorReply> for Rejection {
    fn from(error: ErrorReply) -> Self {
        Self::Decode(error)
    }
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// An error as its dialect words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: StatusCode,
    /// `<Code>`.
    pub code: &'static str,
    /// `<Message>`.
    pub message: Cow<'static, str>,
    /// Further elements, in order.
    pub elements: Vec<(&'static str, String)>,
    /// OSS's number of the error (`<EC>`), where it is known.
    pub ec: Option<&'static str>,
    /// Headers beyond those of every reply.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl ErrorReply {
    /// An error without extras.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), elements: Vec::new(), ec: None, headers: Vec::new() }
    }

    /// With one more element.
    #[must_use]
    pub fn with(mut self, element: &'static str, value: impl Display) -> Self {
        self.elements.push((element, value.to_string()));
        self
    }

    /// With one more header; a value that cannot be one is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        self.headers.extend(HeaderValue::from_bytes(value.as_ref()).ok().map(|value| (name, value)));
        self
    }

    /// With OSS's number of the error.
    #[must_use]
    pub fn ec(mut self, ec: &'static str) -> Self {
        self.ec = Some(ec);
        self
    }

    /// 400 with this code.
    #[must_use]
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }
}

/// The `<Code>` of an encoded error, among the response's extensions: for the log, also when HEAD gets no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub &'static str);
