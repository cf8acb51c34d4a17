//! Hostile clients against the real binary: connections cut at every point, requests that lie about where they end,
//! frames and documents that are bombs, names that are paths, values that would be headers, signatures that are old.
//!
//! - After each storm the server has the sockets and files it had before, no request in flight, nothing staged and no memory
//!   that stays (`site`), and answers others as it should.
//! - What was never completely sent is never visible, and what was smuggled is never carried out.
//! - The suites of the dialects have what one request is answered; here is what many of them leave behind.

#[path = "hostile/callbacks.rs"]
mod callbacks;
#[path = "hostile/client.rs"]
mod client;
#[path = "hostile/documents.rs"]
mod documents;
#[path = "hostile/echoes.rs"]
mod echoes;
#[path = "hostile/encrypted.rs"]
mod encrypted;
#[allow(dead_code, reason = "shared with other suites, which use other parts of it")]
#[path = "protocol/form.rs"]
mod form;
#[path = "hostile/frames.rs"]
mod frames;
#[path = "hostile/hang_ups.rs"]
mod hang_ups;
#[path = "hostile/http2.rs"]
mod http2;
#[path = "hostile/http2_storms.rs"]
mod http2_storms;
#[path = "hostile/lengths.rs"]
mod lengths;
#[path = "hostile/names.rs"]
mod names;
#[path = "hostile/pipelining.rs"]
mod pipelining;
#[path = "hostile/replays.rs"]
mod replays;
#[allow(dead_code, reason = "shared with other suites, which use other parts of it")]
#[path = "protocol/request.rs"]
mod request;
#[path = "hostile/site.rs"]
mod site;
#[path = "hostile/smuggling.rs"]
mod smuggling;
#[path = "hostile/victims.rs"]
mod victims;
