//! HTTP/2 frame by frame over TLS: whatever bytes a test wants to send, and as much of the answers as it takes to judge them.

use crate::{
    encrypted::{self, TlsStream},
    request::Request,
    site::Site,
};
use std::{
    io::{self, Read as _, Write as _},
    time::Duration,
};

/// Kinds of frames (RFC 9113 §6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Header fields in order, pseudo ones first.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("frames are small").to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A block of literal fields that change no table (RFC 7541 §6.2.2).
pub(crate) fn block(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn integer(block: &mut Vec<u8>, number: usize) {
    if number < 127 {
        block.push(number as u8);
        return;
    }
    block.push(127);
    let mut rest = number - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// A request's fields as HTTP/2 has them.
pub(crate) fn fields(site: &Site, request: &Request) -> Fields {
    let parts = request.signed_parts(&site.host());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let pseudo = [(":method", request.method()), (":scheme", "https"), (":authority", &site.host()), (":path", path)]
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let others = parts.headers.iter().filter(|(name, _)| name.as_str() != "host");
    pseudo.into_iter().chain(others.map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()))).collect()
}

/// How a stream, or the whole connection, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An answer of this status; 0 for one that this reader does not know.
    Status(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code.
    GoneAway(u32),
    /// Without a word.
    Closed,
    /// Not at all within a while.
    Silent,
}

/// A connection.
pub(crate) struct Frames {
    stream: TlsStream,
    received: Vec<u8>,
}

impl Frames {
    /// Connects and says what every client says first.
    pub(crate) fn connect(site: &Site) -> Self {
        let stream = encrypted::connect(site.socket(), b"h2").expect("the server shakes hands");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        let mut frames = Self { stream, received: Vec::new() };
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, b"")].concat();
        frames.send(&preface).expect("the server reads");
        frames
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the server has closed the connection, or takes nothing more.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends a request's head, and its body if there is one.
    pub(crate) fn request(&mut self, stream: u32, fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) {
        let flags = if body.is_empty() { END_HEADERS | END_STREAM } else { END_HEADERS };
        let mut bytes = frame(HEADERS, flags, stream, &block(fields));
        for (index, piece) in body.chunks(16 << 10).enumerate() {
            let is_last = (index + 1) * (16 << 10) >= body.len();
            bytes.extend(frame(DATA, u8::from(is_last), stream, piece));
        }
        let _ = self.send(&bytes);
    }

    /// Waits for how a stream ends, or the connection.
    pub(crate) fn end(&mut self, stream: u32) -> End {
        self.end_within(Duration::from_secs(20), stream)
    }

    /// How long a server may take nothing that is sent.
    pub(crate) fn set_write_timeout(&self, patience: Duration) {
        self.stream.sock.set_write_timeout(Some(patience)).expect("an option can be set");
    }

    /// As [`Self::end`], with less patience or more.
    pub(crate) fn end_within(&mut self, patience: Duration, stream: u32) -> End {
        self.stream.sock.set_read_timeout(Some(patience)).expect("an option can be set");
        loop {
            let (kind, id, payload) = match self.next() {
                Ok(frame) => frame,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return End::Silent,
                Err(_) => return End::Closed,
            };
            let code =
                |at: usize| payload.get(at..at + 4).map_or(u32::MAX, |code| u32::from_be_bytes([code[0], code[1], code[2], code[3]]));
            match kind {
                HEADERS if id == stream => return End::Status(status(&payload)),
                RST_STREAM if id == stream => return End::Reset(code(0)),
                GOAWAY => return End::GoneAway(code(4)),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> io::Result<(u8, u32, Vec<u8>)> {
        while self.received.len() < 9 || self.received.len() < 9 + self.size() {
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.received.extend_from_slice(&piece[..count]),
            }
        }
        let size = self.size();
        let rest = self.received.split_off(9 + size);
        let frame = std::mem::replace(&mut self.received, rest);
        Ok((frame[3], u32::from_be_bytes([frame[5] & 0x7f, frame[6], frame[7], frame[8]]), frame[9..].to_vec()))
    }

    fn size(&self) -> usize {
        usize::from(self.received[0]) << 16 | usize::from(self.received[1]) << 8 | usize::from(self.received[2])
    }
}

/// The status at the beginning of an answer's block: an index, or three digits (RFC 7541, appendices A and B).
fn status(block: &[u8]) -> u16 {
    match block {
        [index @ 0x88..=0x8E, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        [0x48 | 0x08 | 0x18, length, text @ ..] if length & 0x80 == 0 => {
            digits(text.get(..usize::from(*length)).unwrap_or_default().iter().copied())
        }
        [0x48 | 0x08 | 0x18, length, text @ ..] => {
            let bits: Vec<u8> =
                text.iter().take(usize::from(length & 0x7f)).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
            let number = |bits: &[u8]| bits.iter().fold(0_u8, |number, bit| number << 1 | bit);
            let mut rest = &bits[..];
            digits(
                std::iter::from_fn(|| {
                    // Up to `2` a digit has five bits, from `3` on six.
                    let (digit, size) = match number(rest.get(..5)?) {
                        digit @ 0..=2 => (digit, 5),
                        _ => (number(rest.get(..6)?) - 0b01_1001 + 3, 6),
                    };
                    rest = &rest[size..];
                    Some(b'0' + digit)
                })
                .take(3),
            )
        }
        _ => 0,
    }
}

fn digits(text: impl Iterator<Item = u8>) -> u16 {
    text.fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
}

#[test]
fn statuses_are_read_as_they_are_written() {
    assert_eq!(status(&[0x88, 1]), 200);
    assert_eq!(status(&[0x48, 3, b'4', b'1', b'7']), 417);
    // 403: 011010 00000 011001 and ones.
    assert_eq!(status(&[0x48, 0x83, 0b0110_1000, 0b0000_1100, 0b1111_1111]), 403);
}
