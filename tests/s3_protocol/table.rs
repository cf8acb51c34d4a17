//! An S3 error in a line.

use partway::{dialect::xml::Element, testkit::raw_client::RawResponse};

pub(crate) use crate::protocol::table::Table;

/// The directory of this suite's golden files.
pub(crate) const GOLDEN: &str = "wire";

/// `404 NoSuchKey: The specified key does not exist. (Key=k)`, or `200`.
///
/// What every error must be besides is asserted: no namespace, Resource, RequestId and HostId last, the ids those of the headers.
pub(crate) fn line(response: &RawResponse) -> String {
    let status = response.status;
    if !response.body.starts_with(b"<?xml") || !response.text().contains("\n<Error>") {
        return status.to_string();
    }
    assert_eq!(response.header("content-type"), Some("application/xml"));
    let root = Element::parse(&response.body).expect("an error is well-formed XML");
    let elements: Vec<(&str, &str)> = root.children().iter().map(|child| (child.name(), child.text())).collect();
    let [("Code", code), ("Message", message), extras @ .., ("Resource", resource), ("RequestId", id), ("HostId", host)] = &elements[..]
    else {
        return format!("{status} with elements {elements:?}");
    };
    assert!(resource.starts_with('/') || resource.is_empty(), "{resource:?}");
    assert_eq!((Some(*id), Some(*host)), (response.header("x-amz-request-id"), response.header("x-amz-id-2")));
    let extras: Vec<String> = extras.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let extras = if extras.is_empty() { String::new() } else { format!(" ({})", extras.join("; ")) };
    format!("{status} {code}: {message}{extras}")
}
