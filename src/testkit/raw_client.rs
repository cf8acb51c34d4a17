//! A blocking HTTP/1.1 client that sends exactly the bytes it is given, for tables of requests and answers. In clear, or over
//! whatever stream a test encrypts with.
//!
//! It understands just enough of HTTP to know where an answer ends, and it is strict: whatever is not well-formed
//! is an error. Meant for tests, so it trusts its server with memory.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// A connection to a server.
pub struct RawClient<S: Read + Write = TcpStream> {
    stream: BufReader<S>,
}

/// An answer, interim ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// Its status.
    pub status: u16,
    /// Its header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, with any chunking undone.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// The value of a header that came once; `None` when it did not come.
    ///
    /// # Panics
    /// When it came more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} came more than once: {:?}", self.headers);
        value
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// What stands in the first element of this name, unescaped nothing.
    #[must_use]
    pub fn element(&self, name: &str) -> Option<&str> {
        let text = self.text();
        let start = text.find(&format!("<{name}>"))? + name.len() + 2;
        let length = text[start..].find(&format!("</{name}>"))?;
        Some(&text[start..start + length])
    }
}

impl RawClient<TcpStream> {
    /// Connects; reading and writing give up after ten seconds.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self::over(stream))
    }

    /// How long to wait for the server's next bytes.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn set_read_timeout(&self, patience: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(patience))
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }
}

impl<S: Read + Write> RawClient<S> {
    /// Speaks over this stream.
    #[must_use]
    pub fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// When the server does not take them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Reads one answer; a `100 Continue` counts as one. `method` is the request's, as HEAD has no body.
    ///
    /// # Errors
    /// When the connection ends within it (`UnexpectedEof`), or it is not well-formed (`InvalidData`).
    pub fn receive(&mut self, method: &str) -> io::Result<RawResponse> {
        let status_line = self.line()?;
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| invalid(format!("status line {status_line:?}")))?;
        let mut response = RawResponse { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(format!("header {line:?}")))?;
            response.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if method == "HEAD" || status / 100 == 1 || status == 204 || status == 304 {
            return Ok(response);
        }
        response.body = match (response.header("content-length"), response.header("transfer-encoding")) {
            (Some(size), None) => self.exactly(size.parse().map_err(|_| invalid(format!("content-length {size:?}")))?)?,
            (None, Some("chunked")) => self.chunks()?,
            (None, None) => {
                let mut body = Vec::new();
                self.stream.read_to_end(&mut body)?;
                body
            }
            framing => return Err(invalid(format!("framing {framing:?}"))),
        };
        Ok(response)
    }

    /// Sends a request and reads its final answer, past interim ones.
    ///
    /// # Errors
    /// As [`Self::send`] and [`Self::receive`].
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<RawResponse> {
        let request = request.as_ref();
        let method = request.split(|&byte| byte == b' ').next().unwrap_or_default();
        let method = String::from_utf8_lossy(method).into_owned();
        self.send(request)?;
        loop {
            let response = self.receive(&method)?;
            if response.status / 100 != 1 {
                return Ok(response);
            }
        }
    }

    /// Whether the server has closed the connection: true at its end, false when nothing came in time.
    ///
    /// # Errors
    /// When something came instead, and for a reset.
    pub fn is_closed(&mut self) -> io::Result<bool> {
        match self.stream.fill_buf() {
            Ok([]) => Ok(true),
            Ok(bytes) => Err(invalid(format!("the server sent {} more bytes", bytes.len()))),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None if line.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Err(invalid(format!("line {line:?}"))),
        }
    }

    fn exactly(&mut self, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| invalid(format!("chunk size {line:?}")))?;
            body.extend(self.exactly(size)?);
            let end = self.line()?;
            if !end.is_empty() {
                return Err(invalid(format!("{end:?} after a chunk")));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    fn answered_with(answer: &'static str) -> RawClient {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.accept().unwrap().0.write_all(answer.as_bytes()).unwrap());
        RawClient::connect(address).unwrap()
    }

    #[test]
    fn reads_interim_sized_and_chunked_answers_one_by_one() {
        let mut client = answered_with(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<Code>X</Code>\
             HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        );
        assert_eq!(client.receive("PUT").unwrap().status, 100);
        assert_eq!(client.receive("PUT").unwrap().element("Code"), Some("X"));
        assert_eq!(client.receive("PUT").unwrap().text(), "abc");
        assert!(client.is_closed().unwrap());
    }

    #[test]
    fn refuses_what_is_not_http() {
        for answer in ["HTTP/1.1 2", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "SIP/2.0 200\r\n\r\n"] {
            assert!(answered_with(answer).receive("GET").is_err(), "{answer:?}");
        }
    }
}
