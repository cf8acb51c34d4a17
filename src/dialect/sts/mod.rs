//! STS: how temporary credentials are asked for and handed out, in AWS's query protocol and in Aliyun's (AWS STS API
//! Reference; Aliyun "STS API: AssumeRole", "GetCallerIdentity").
//!
//! There are no roles here. Any role of legal form may be assumed: it gives its name to the session and no rights.

mod error;
mod reply;
mod request;

pub use error::{StsError, encode_error};
pub use reply::{Identity, Reply, encode, role_arn};
pub use request::{Action, decode};

use crate::auth::sts_request::{Parameters, Protocol};
use http::{header::ACCEPT, request::Parts};

/// How answers look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// AWS's XML.
    Aws,
    /// Aliyun's JSON.
    AliyunJson,
    /// Aliyun's XML.
    AliyunXml,
}

impl Style {
    /// What a request wants. Aliyun's RPC protocol answers in XML unless asked otherwise, its version 3 in JSON.
    #[must_use]
    pub fn of(parts: &Parts, parameters: &Parameters) -> Self {
        let format = parameters.find("Format").map(str::to_ascii_lowercase);
        match (Protocol::of(parts, parameters), format.as_deref()) {
            (Protocol::Aws, _) => Self::Aws,
            (_, Some("json")) => Self::AliyunJson,
            (_, Some("xml")) | (Protocol::AliyunRpc, _) => Self::AliyunXml,
            (Protocol::Aliyun3, _) => {
                let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
                if accept.contains("xml") && !accept.contains("json") { Self::AliyunXml } else { Self::AliyunJson }
            }
        }
    }
}

#[cfg(test)]
mod tests;
