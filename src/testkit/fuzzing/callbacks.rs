//! Callbacks as uploads ask for them, the bodies that are rendered from their templates, and what applications answer.

use super::{Input, NOW, requests};
use crate::{
    dialect::{Dialect, oss::Oss},
    events,
    meta::record::{EventRecord, EventState},
    model::{Account, Bucket, Callback, CallbackBodyType, Caller, ETag, Limits, ObjectKey, Origin, Timestamp},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;

const VALUE_SIZE_MAX: usize = 4096;

/// A configuration and its variables, both JSON, with a NUL between them.
pub(super) fn configuration(input: &[u8]) {
    let Some(callback) = read(input) else { return };
    assert!((1..=5).contains(&callback.urls.len()), "{:?}", callback.urls);
    for url in &callback.urls {
        assert!(events::is_target(url), "{url} was accepted and is nowhere");
    }
    render(callback);
}

/// The Content-Type of an answer, a NUL, and its body. What is handed on to clients is whole: without its last byte it would
/// not be.
pub(super) fn answer(input: &[u8]) {
    let mut input = Input(input);
    let Ok(content_type) = std::str::from_utf8(input.field()) else { return };
    let body = input.rest();
    if events::is_sound_answer(content_type, body) {
        let end = body.trim_ascii_end();
        // Half a number is a number.
        let is_number = end.last().is_some_and(u8::is_ascii_digit);
        assert!(is_number || !events::is_sound_answer(content_type, &end[..end.len() - 1]), "half of it is sound, too");
    } else if !content_type.to_ascii_lowercase().contains("xml") {
        assert!(serde_json::from_slice::<serde_json::Value>(body).is_err(), "JSON is refused");
    }
}

fn read(input: &[u8]) -> Option<Callback> {
    let mut input = Input(input);
    let callback = STANDARD.encode(input.field());
    let variables = STANDARD.encode(input.rest());
    let head = Request::put("/bkt-test/k").header("host", "h").header("content-length", "0").header("x-oss-callback", callback);
    let head = if variables.is_empty() { head } else { head.header("x-oss-callback-var", variables) };
    let (parts, ()) = head.body(()).expect("base64 can stand in a header").into_parts();
    let dialect = Oss { limits: Limits::OSS };
    let address = dialect.addresses(&parts, &requests::hosts()).expect("the request is in order").remove(0);
    let route = dialect.route(&parts, &address).expect("the request is in order");
    let decoded = route.decode(&parts, &Bytes::new(), &Caller::Anonymous, NOW).ok()?;
    Some(decoded.operation.callback().expect("the callback was asked for").clone())
}

fn render(callback: Callback) {
    let event = event(callback);
    let body = events::rendered(&event);
    let template = event.callback.body.as_str();
    let longest = event.callback.variables.iter().map(|(_, value)| value.len()).max().unwrap_or_default().max(64);
    // A value is at most so long, a variable at least `${}`, and what is escaped at most six times its length.
    assert!(body.len() <= VALUE_SIZE_MAX + template.len() * (1 + 6 * longest), "{} bytes of {}", body.len(), template.len());
    match event.callback.body_type {
        CallbackBodyType::Form => {
            let count = |text: &str| text.bytes().filter(|byte| matches!(byte, b'&' | b'=' | b'\n')).count();
            assert_eq!(count(&body), count(&with_variables(template, "")), "a value became a field: {body}");
        }
        CallbackBodyType::Json => {
            let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
            // Both stand within quotes as well as without them; one shows what runs into its neighbours, the other what is escaped.
            if ["1", "null"].iter().all(|text| is_json(&with_variables(template, text))) {
                assert!(is_json(&body), "{template} became {body}");
            }
        }
    }
}

/// The template with the same text for every variable; a name goes from `${` to the next `}`, whatever is in between.
fn with_variables(template: &str, text: &str) -> String {
    match template.split_once("${").and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) {
        Some((before, after)) => format!("{before}{text}{}", with_variables(after, text)),
        None => template.to_owned(),
    }
}

fn event(callback: Callback) -> EventRecord {
    EventRecord {
        callback,
        origin: Origin { request_id: "R".into(), client_ip: "2001:db8::1".into(), authority: "h:9000".into() },
        requester: Some(Account("alice".to_owned())),
        operation: "PutObject".to_owned(),
        bucket: Bucket::new("bkt-test").expect("it is legal"),
        key: ObjectKey::new("a/b &=\"\\\n+图.jpg").expect("it is legal"),
        etag: ETag::Whole([0xEE; 16]),
        size: 5,
        content_type: Some("image/\"jpeg\"".to_owned()),
        crc64_ecma: u64::MAX,
        created: Timestamp::from_millis(0),
        attempts: 0,
        due: Timestamp::from_millis(1000),
        last_error: None,
        state: EventState::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::fuzzing::corpus;

    #[test]
    fn the_corpus_is_of_callbacks() {
        for (name, input) in corpus("callback") {
            assert!(read(&input).is_some(), "{name}");
        }
    }
}
