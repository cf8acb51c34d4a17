//! Signed requests of real clients, as the files beside this one hold them.

use http::{HeaderName, HeaderValue, Request, request::Parts};
use partway::model::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// One vector, with accessors for what it holds.
pub(crate) struct Vector(pub(crate) Value);

impl Vector {
    /// Every vector of a file's text.
    pub(crate) fn read(text: &str) -> Vec<Self> {
        serde_json::from_str::<Vec<Value>>(text).expect("the vectors are JSON").into_iter().map(Self).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("a vector has no {name}: {}", self.0))
    }

    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    /// When it was signed.
    pub(crate) fn now(&self) -> Timestamp {
        let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
        let time = time::PrimitiveDateTime::parse(self.text("signing_time"), format).expect("signing times are ISO 8601 basic");
        Timestamp::from_secs(time.assume_utc().unix_timestamp())
    }

    /// Pairs of header name and value, Host included.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = serde_json::from_value(self.0["headers"].clone()).expect("headers are pairs");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            headers.push(("Host".to_owned(), self.authority_and_target().0.to_owned()));
        }
        headers
    }

    pub(crate) fn header(&self, wanted: &str) -> Option<String> {
        self.headers().into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    pub(crate) fn authority_and_target(&self) -> (&str, &str) {
        let (_, rest) = self.text("url").split_once("://").expect("a URL has a scheme");
        rest.split_at(rest.find('/').expect("a URL has a path"))
    }

    pub(crate) fn target(&self) -> String {
        self.authority_and_target().1.to_owned()
    }

    /// The head of the request, with another target and headers than its own if wanted.
    pub(crate) fn head(&self, target: &str, headers: &[(String, String)]) -> Parts {
        let mut request = Request::builder().method(self.text("method")).uri(target);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("header names are legal");
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).expect("header values are legal"));
        }
        request.body(()).expect("the request is legal").into_parts().0
    }

    pub(crate) fn form_fields(&self) -> Vec<(String, String)> {
        let fields: BTreeMap<String, String> = serde_json::from_value(self.0["form_fields"].clone()).expect("fields are texts");
        fields.into_iter().collect()
    }
}

/// The text with one character exchanged for another that is legal at the same places.
pub(crate) fn flip(text: &str, index: usize) -> String {
    let flipped = |character: char| match character {
        '0' => '1',
        '1'..='9' => '0',
        'a' | 'A' => 'b',
        character if character.is_ascii_alphabetic() => 'a',
        _ => 'x',
    };
    text.chars().enumerate().map(|(position, character)| if position == index { flipped(character) } else { character }).collect()
}

pub(crate) fn flip_last(text: &str) -> String {
    flip(text, text.chars().count() - 1)
}
