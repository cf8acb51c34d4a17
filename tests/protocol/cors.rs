//! Preflights as browsers send them, and what browsers read of answers.

use super::request::{Request, request};
use crate::table::line;
use partway::testkit::raw_client::RawResponse;

/// Status or error, then the headers that matter to browsers.
pub(crate) fn shown(response: &RawResponse) -> String {
    let header =
        |name: &str| response.header(&format!("access-control-{name}")).map(|value| format!(" {name}={value}")).unwrap_or_default();
    let names = ["allow-origin", "allow-methods", "allow-headers", "expose-headers", "max-age", "allow-credentials"];
    format!("{}{}", line(response), names.map(header).concat())
}

/// A preflight; what is empty is not sent.
pub(crate) fn preflight(target: &str, origin: &str, method: &str, headers: &str) -> Request {
    [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .fold(request("OPTIONS", target).anonymous(), |asked, (name, value)| asked.with(name, value))
}
