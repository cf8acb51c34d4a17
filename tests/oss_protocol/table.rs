//! An OSS error in a line.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use partway::{dialect::xml::Element, testkit::raw_client::RawResponse};

pub(crate) use crate::protocol::table::Table;

/// The directory of this suite's golden files.
pub(crate) const GOLDEN: &str = "oss_wire";

/// `404 NoSuchKey: The specified key does not exist. (Key=k) 0026-00000001`, or `200`. An error that answers HEAD is read from the
/// header `x-oss-err`.
///
/// What every error must be besides is asserted: RequestId and HostId after the message, the id that of the header, and EC with its
/// page last, the EC that of the header.
pub(crate) fn line(response: &RawResponse) -> String {
    let status = response.status;
    let document = match response.header("x-oss-err") {
        Some(header) => {
            assert!(response.body.is_empty(), "an error twice: {response:?}");
            STANDARD.decode(header).expect("x-oss-err is base64")
        }
        None => response.body.clone(),
    };
    let text = String::from_utf8_lossy(&document);
    if !text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>") {
        return status.to_string();
    }
    if !response.body.is_empty() {
        assert_eq!(response.header("content-type"), Some("application/xml"));
    }
    let root = Element::parse(&document).expect("an error is well-formed XML");
    let elements: Vec<(&str, &str)> = root.children().iter().map(|child| (child.name(), child.text())).collect();
    let [("Code", code), ("Message", message), ("RequestId", id), ("HostId", host), extras @ ..] = &elements[..] else {
        return format!("{status} with elements {elements:?}");
    };
    assert!(!host.is_empty() && Some(*id) == response.header("x-oss-request-id"), "{text}");
    let (extras, ec) = match extras {
        [extras @ .., ("EC", ec), ("RecommendDoc", page)] => {
            assert_eq!((*page, Some(*ec)), (format!("https://api.aliyun.com/troubleshoot?q={ec}").as_str(), response.header("x-oss-ec")));
            (extras, format!(" {ec}"))
        }
        extras => {
            assert_eq!(response.header("x-oss-ec"), None);
            (extras, String::new())
        }
    };
    let extras: Vec<String> = extras.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let extras = if extras.is_empty() { String::new() } else { format!(" ({})", extras.join("; ")) };
    format!("{status} {code}: {message}{extras}{ec}")
}
