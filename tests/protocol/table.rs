//! Comparing answers: in a line, or with a golden file.

use crate::table::{GOLDEN, line};
use partway::testkit::raw_client::RawResponse;
use std::path::PathBuf;

/// Collects what differs, so that one run shows all of it.
#[derive(Default)]
pub(crate) struct Table {
    differences: Vec<String>,
    count: usize,
}

impl Table {
    /// Compares and remembers a difference.
    pub(crate) fn check(&mut self, name: &str, actual: &str, expected: &str) {
        self.count += 1;
        if actual != expected {
            self.differences.push(format!("{name}\n  expected {expected}\n  received {actual}"));
        }
    }

    /// Compares an error, or the bare status of a success, with its line, as the suite writes it.
    pub(crate) fn line(&mut self, name: &str, response: &RawResponse, expected: &str) {
        self.check(name, &line(response), expected);
    }

    /// Compares a document with its golden file, after replacing what varies.
    pub(crate) fn golden(&mut self, name: &str, response: &RawResponse, varying: &[(&str, &str)]) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(GOLDEN).join(format!("{name}.xml"));
        let actual = format!("{}\n", masked(response.text(), varying));
        if std::env::var_os("PARTWAY_BLESS").is_some() {
            std::fs::write(&path, &actual).expect("the golden file can be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| format!("(no {}: {error})", path.display()));
        self.check(name, &actual, &expected);
    }

    /// Asserts that there was no difference, after the canary: this answer must differ from this line.
    pub(crate) fn finish(mut self, canary: &RawResponse, must_differ: &str) {
        let before = self.differences.len();
        self.line("canary", canary, must_differ);
        assert_eq!(self.differences.len(), before + 1, "the canary lives: the comparison cannot fail");
        self.differences.pop();
        let (differences, count) = (&self.differences, self.count);
        assert!(differences.is_empty(), "{} of {count} cases differ:\n{}", differences.len(), differences.join("\n"));
    }
}

/// The document with what varies replaced: ids and times by their element's name, the given texts by theirs.
fn masked(document: &str, varying: &[(&str, &str)]) -> String {
    let mut text = document.to_owned();
    for (value, placeholder) in varying {
        text = text.replace(value, placeholder);
    }
    for name in ["RequestId", "HostId", "LastModified", "CreationDate", "Initiated", "ServerTime", "RequestTime", "Expires"] {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let mut rest = text.as_str();
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once(&open) {
            let (value, end) = after.split_once(&close).expect("the element ends");
            if name == "LastModified" || name == "CreationDate" || name == "Initiated" {
                assert!(value.len() == 24 && value.ends_with('Z') && value.as_bytes()[10] == b'T', "{name} {value}");
            }
            out.push_str(&format!("{before}{open}{}{close}", name.to_uppercase()));
            rest = end;
        }
        text = out + rest;
    }
    text
}

#[test]
fn what_does_not_vary_is_compared() {
    assert_eq!(masked("<a><RequestId>1</RequestId>x</a>", &[("x", "X")]), "<a><RequestId>REQUESTID</RequestId>X</a>");
    let response = RawResponse { status: 404, headers: Vec::new(), body: b"not found".to_vec() };
    assert_eq!(line(&response), "404");
}
