//! One connection: sends a prepared request, reads the answer into one buffer that is used again, and drops it.
//!
//! - In clear, a large body goes from the memory file to the socket by `sendfile`, and an answer that nobody looks at is
//!   dropped by the kernel (`MSG_TRUNC`), so that neither is copied into this process.
//! - The server is not trusted: heads are bounded, what is kept of an answer is, too.

use super::payload::Payload;
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

/// Room for a head, and for what comes with it. Bytes.
const BUFFER_SIZE: usize = 256 << 10;
/// No more is received with a head, so that little of a large body is copied. Bytes.
const HEAD_ROOM: usize = 16 << 10;
/// As much of an answer is dropped at once. Bytes.
const DROP_SIZE: u64 = 4 << 20;
/// A body up to this size is sent together with its head. Bytes.
const TOGETHER_MAX: u64 = 32 << 10;
/// As much of a longer body is encrypted at once. Bytes.
const WRITE_SIZE: usize = 256 << 10;
/// No more of an answer is kept. Bytes.
const KEEP_MAX: usize = 16 << 20;
const HEADER_COUNT_MAX: usize = 100;
/// More is about to be sent (Linux, `send(2)`).
const MSG_MORE: i32 = 0x8000;
/// Drop what is received (Linux, `tcp(7)`).
const MSG_TRUNC: i32 = 0x20;

/// A request, signed and written out.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: Box<[u8]>,
    pub(super) body: Body,
    pub(super) is_head: bool,
}

/// What follows the head.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Nothing.
    Empty,
    /// A document.
    Bytes(Box<[u8]>),
    /// So many bytes of the payload, from there on.
    Payload { start: u64, size: u64 },
}

impl Body {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Payload { size, .. } => *size,
        }
    }
}

/// What becomes of an answer's body when the answer is a success. That of an error is always kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sink {
    /// It is dropped.
    Drop,
    /// It is kept.
    Keep,
    /// It is compared with the payload as an object in parts of so many bytes has it from a position on.
    Compare { part_size: u64, position: u64 },
}

/// The last answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Bytes of the body; to HEAD, what they would be.
    pub(super) size: u64,
    /// The ETag without its quotes.
    pub(super) etag: String,
    /// What was kept of the body.
    pub(super) kept: Vec<u8>,
    /// Whether the connection ends with it.
    pub(super) is_last: bool,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        self.status / 100 == 2
    }
}

/// In clear or not.
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Where an answer's body ends.
#[derive(Clone, Copy)]
enum Framing {
    Sized(u64),
    Chunked,
    UntilClosed,
}

/// A connection that is used for one request after the other.
pub(super) struct Connection {
    stream: Stream,
    buffer: Box<[u8]>,
    /// What was received and is not used yet.
    start: usize,
    end: usize,
    /// A head with its small body.
    together: Vec<u8>,
    /// Room that is named to the kernel and never filled.
    dropped: Vec<u8>,
    is_over: bool,
}

impl Connection {
    pub(super) fn over(stream: Stream) -> Self {
        let dropped = Vec::with_capacity(usize::try_from(DROP_SIZE).unwrap_or(BUFFER_SIZE));
        Self { stream, buffer: vec![0; BUFFER_SIZE].into(), start: 0, end: 0, together: Vec::new(), dropped, is_over: false }
    }

    /// Whether nothing more can be asked.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks, the answer is none, or it is not what it is compared with (`InvalidData`). Nothing more can
    /// be asked then.
    pub(super) fn exchange(&mut self, request: &Request, payload: &Payload, sink: Sink, answer: &mut Answer) -> io::Result<()> {
        self.is_over = true;
        let sent = self.send(request, payload);
        let received = self.receive(request.is_head, payload, sink, answer);
        match (sent, received) {
            // A server that refuses a body answers before it is sent, and hangs up: the answer tells more than the broken pipe.
            (Err(_), Ok(())) if !answer.is_success() => Ok(()),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => {
                self.is_over = answer.is_last;
                Ok(())
            }
        }
    }

    fn send(&mut self, request: &Request, payload: &Payload) -> io::Result<()> {
        let size = request.body.size();
        match (&self.stream, &request.body) {
            (Stream::Plain(stream), Body::Payload { start, .. }) if size > TOGETHER_MAX => {
                let mut head = &request.head[..];
                while !head.is_empty() {
                    let sent = SockRef::from(stream).send_with_flags(head, MSG_MORE)?;
                    head = &head[sent..];
                }
                return send_file(stream, payload, *start, size);
            }
            _ => {}
        }
        self.together.clear();
        self.together.extend_from_slice(&request.head);
        let mut rest = 0;
        match &request.body {
            Body::Empty => {}
            Body::Bytes(bytes) => self.together.extend_from_slice(bytes),
            Body::Payload { start, size } if *size <= TOGETHER_MAX => {
                while rest < *size {
                    let piece = piece(payload, start + rest, size - rest);
                    self.together.extend_from_slice(piece);
                    rest += piece.len() as u64;
                }
            }
            Body::Payload { .. } => {}
        }
        self.write(Piece::Together)?;
        if let Body::Payload { start, size } = request.body {
            while rest < size {
                let piece = piece(payload, start + rest, size - rest);
                rest += piece.len() as u64;
                self.write(Piece::Bytes(piece))?;
            }
        }
        match &mut self.stream {
            Stream::Plain(_) => Ok(()),
            Stream::Encrypted(stream) => stream.flush(),
        }
    }

    fn write(&mut self, piece: Piece<'_>) -> io::Result<()> {
        let bytes = match piece {
            Piece::Together => &self.together,
            Piece::Bytes(bytes) => bytes,
        };
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Encrypted(stream) => stream.write_all(bytes),
        }
    }

    fn receive(&mut self, is_head: bool, payload: &Payload, sink: Sink, answer: &mut Answer) -> io::Result<()> {
        let framing = loop {
            let framing = self.head(answer)?;
            if answer.status / 100 != 1 {
                break framing;
            }
        };
        answer.kept.clear();
        if is_head || matches!(answer.status, 204 | 304) {
            answer.size = match framing {
                Framing::Sized(size) => size,
                Framing::Chunked | Framing::UntilClosed => 0,
            };
            return Ok(());
        }
        let mut taker = Taker { sink: if answer.is_success() { sink } else { Sink::Keep }, payload, answer };
        taker.answer.size = 0;
        match framing {
            Framing::Sized(size) => self.take(size, &mut taker),
            Framing::Chunked => self.chunks(&mut taker),
            Framing::UntilClosed => {
                taker.answer.is_last = true;
                loop {
                    let held = (self.end - self.start) as u64;
                    self.take(held, &mut taker)?;
                    match self.fill(BUFFER_SIZE) {
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                        other => other?,
                    }
                }
            }
        }
    }

    /// Reads a head, which may be that of an interim answer.
    fn head(&mut self, answer: &mut Answer) -> io::Result<Framing> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.buffer[self.start..self.end]);
            match parsed.map_err(|error| invalid(&format!("what came is not HTTP/1.1: {error}")))? {
                httparse::Status::Complete(size) => {
                    let framing = read_head(&response, answer)?;
                    self.start += size;
                    return Ok(framing);
                }
                httparse::Status::Partial => self.fill(HEAD_ROOM)?,
            }
        }
    }

    /// Takes so many bytes of the body.
    fn take(&mut self, size: u64, taker: &mut Taker<'_>) -> io::Result<()> {
        let mut rest = size;
        while rest > 0 {
            let held = self.end - self.start;
            if held > 0 {
                let count = held.min(usize::try_from(rest).unwrap_or(usize::MAX));
                taker.take(&self.buffer[self.start..self.start + count])?;
                self.start += count;
                rest -= count as u64;
            } else if let (Stream::Plain(stream), Sink::Drop) = (&self.stream, taker.sink) {
                let room = self.dropped.spare_capacity_mut();
                let count = room.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                let received = uninterrupted(|| SockRef::from(stream).recv_with_flags(&mut room[..count], MSG_TRUNC))?;
                if received == 0 {
                    return Err(closed());
                }
                taker.answer.size += received as u64;
                rest = rest.saturating_sub(received as u64);
            } else {
                self.fill(BUFFER_SIZE)?;
            }
        }
        Ok(())
    }

    fn chunks(&mut self, taker: &mut Taker<'_>) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16).map_err(|_| invalid("a chunk has no size"))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            self.take(size, taker)?;
            if !self.line()?.is_empty() {
                return Err(invalid("a chunk does not end where it should"));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            let held = &self.buffer[self.start..self.end];
            if let Some(size) = memchr::memchr(b'\n', held) {
                let line = String::from_utf8_lossy(&held[..size]).trim_end_matches('\r').to_owned();
                self.start += size + 1;
                return Ok(line);
            }
            self.fill(BUFFER_SIZE)?;
        }
    }

    /// Receives more into the buffer, up to so many bytes.
    fn fill(&mut self, most: usize) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            return Err(invalid("a head or a line of the answer is too long"));
        }
        let until = self.end.saturating_add(most).min(self.buffer.len());
        let (stream, room) = (&mut self.stream, &mut self.buffer[self.end..until]);
        let received = uninterrupted(|| match stream {
            Stream::Plain(stream) => stream.read(room),
            Stream::Encrypted(stream) => stream.read(room),
        })?;
        self.end += received;
        if received == 0 { Err(closed()) } else { Ok(()) }
    }
}

enum Piece<'a> {
    Together,
    Bytes(&'a [u8]),
}

/// Takes the body of an answer as it comes.
struct Taker<'a> {
    sink: Sink,
    payload: &'a Payload,
    answer: &'a mut Answer,
}

impl Taker<'_> {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.sink {
            Sink::Drop => {}
            Sink::Keep => {
                let room = KEEP_MAX.saturating_sub(self.answer.kept.len());
                self.answer.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Sink::Compare { part_size, position } => {
                if !self.payload.is_at(position.saturating_add(self.answer.size), part_size, bytes) {
                    return Err(invalid("the content is not what was uploaded"));
                }
            }
        }
        self.answer.size += bytes.len() as u64;
        Ok(())
    }
}

fn read_head(response: &httparse::Response<'_, '_>, answer: &mut Answer) -> io::Result<Framing> {
    answer.status = response.code.unwrap_or(0);
    answer.is_last = response.version == Some(0);
    answer.etag.clear();
    let mut framing = Framing::UntilClosed;
    for header in response.headers.iter() {
        let value = || std::str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-length") && !matches!(framing, Framing::Chunked) {
            framing = Framing::Sized(value().parse().map_err(|_| invalid("Content-Length is no number"))?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            answer.is_last |= value().eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("etag") {
            answer.etag.push_str(value().trim_matches('"'));
        }
    }
    Ok(framing)
}

fn send_file(stream: &TcpStream, payload: &Payload, start: u64, size: u64) -> io::Result<()> {
    let (period, mut position) = (payload.period(), 0);
    while position < size {
        let mut offset = (start + position) % period;
        let count = usize::try_from((size - position).min(period - offset)).unwrap_or(usize::MAX);
        let sent = uninterrupted(|| Ok(rustix::fs::sendfile(stream, &payload.file, Some(&mut offset), count)?))?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        position += sent as u64;
    }
    Ok(())
}

/// The payload from a position on, as much of a rest as is written at once.
fn piece(payload: &Payload, position: u64, rest: u64) -> &[u8] {
    let bytes = payload.at(position);
    &bytes[..bytes.len().min(WRITE_SIZE).min(usize::try_from(rest).unwrap_or(usize::MAX))]
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection before its answer was whole")
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
