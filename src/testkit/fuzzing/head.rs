//! Request heads of arbitrary bytes, in the form in which hyper hands them over.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts};

/// More headers than this are not read, as in the server. Bounds an input's work.
const HEADER_COUNT_MAX: usize = 100;

/// Reads `METHOD target`, header lines, an empty line and the body. Line ends may lack the carriage return, the version may
/// be left out. `None` for what is not a head.
pub(super) fn request(input: &[u8]) -> Option<(Parts, Bytes)> {
    let mut rest = input;
    let mut line = || -> Option<&[u8]> {
        let end = memchr::memchr(b'\n', rest);
        let (line, after) = end.map_or((rest, &rest[rest.len()..]), |end| (&rest[..end], &rest[end + 1..]));
        let is_line = end.is_some() || !line.is_empty();
        rest = after;
        is_line.then(|| line.strip_suffix(b"\r").unwrap_or(line))
    };
    let first = line()?;
    let mut words = first.split(|&byte| byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let target = Uri::try_from(words.next()?).ok()?;
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri) = (method, target);
    while let Some(line) = line().filter(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line)?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        if parts.headers.len() == HEADER_COUNT_MAX {
            return None;
        }
        parts.headers.append(name, value);
    }
    Some((parts, Bytes::copy_from_slice(rest)))
}
