//! A request that is written byte by byte; how it is signed is its dialect's business.

use crate::client::Signing;

/// A request that is written as it is given.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    unsigned_headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    framed: bool,
    /// How it is signed.
    pub(crate) signing: Signing,
}

/// A request with this method and target, signed as its dialect's clients do.
pub(crate) fn request(method: &str, target: &str) -> Request {
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        unsigned_headers: Vec::new(),
        body: Vec::new(),
        framed: true,
        signing: Signing::default(),
    }
}

/// GET.
pub(crate) fn get(target: &str) -> Request {
    request("GET", target)
}

/// HEAD.
pub(crate) fn head(target: &str) -> Request {
    request("HEAD", target)
}

/// DELETE.
pub(crate) fn delete(target: &str) -> Request {
    request("DELETE", target)
}

/// PUT with a body.
pub(crate) fn put(target: &str, body: impl AsRef<[u8]>) -> Request {
    request("PUT", target).body(body)
}

/// POST with a body.
pub(crate) fn post(target: &str, body: impl AsRef<[u8]>) -> Request {
    request("POST", target).body(body)
}

impl Request {
    /// With a signed header.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With a header that is not signed.
    pub(crate) fn with_unsigned(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.unsigned_headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With this body; its length and hash are announced.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Without Content-Length: whoever calls this says how the body is framed.
    pub(crate) fn unframed(mut self) -> Self {
        self.framed = false;
        self
    }

    /// The method.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// The head as parts, signed, for those who need the signature.
    pub(crate) fn signed_parts(&self, host: &str) -> http::request::Parts {
        let mut builder = http::Request::builder().method(self.method.as_str()).uri(&self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            builder = builder.header("host", host);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name.as_str(), value.as_slice());
        }
        let (mut parts, ()) = builder.body(()).expect("the request is one").into_parts();
        self.signing.sign(&mut parts, &self.body);
        parts
    }

    /// The head as sent, up to and with the empty line.
    pub(crate) fn head_bytes(&self, host: &str) -> Vec<u8> {
        let parts = self.signed_parts(host);
        let target = parts.uri.path_and_query().map_or("*", |target| target.as_str());
        let mut bytes = format!("{} {target} HTTP/1.1\r\n", self.method).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(format!("{name}: ").as_bytes());
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        for (name, value) in &parts.headers {
            line(name.as_str(), value.as_bytes());
        }
        for (name, value) in &self.unsigned_headers {
            line(name, value);
        }
        let has_body = !self.body.is_empty() || ["PUT", "POST"].contains(&self.method.as_str());
        if self.framed && has_body {
            line("Content-Length", self.body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// The whole request as sent.
    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        [self.head_bytes(host), self.body.clone()].concat()
    }
}
