//! What STS refuses, and how each protocol words it (AWS STS API Reference, "Common Errors"; Aliyun "STS: error codes" and
//! "Common error codes").

use super::{
    Style,
    reply::{NAMESPACE, respond},
};
use crate::{
    auth::{AuthError, sts_request::RequestError},
    dialect::{ReplyContext, error::ErrorCode, xml::Writer},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;
use std::borrow::Cow;

/// Why STS does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StsError {
    /// The signature or its form.
    Signature(RequestError),
    /// No such (active) access key, or a temporary one without its token.
    UnknownAccessKey,
    /// A security token that is none of ours.
    TokenInvalid,
    /// A security token past its time.
    TokenExpired,
    /// Another access key's security token.
    TokenMismatch,
    /// A nonce that has been used.
    NonceUsed,
    /// Too many requests to remember the nonces of.
    Busy,
    /// No such action.
    ActionUnknown(String),
    /// No such version.
    VersionUnknown,
    /// A parameter is missing.
    Missing(&'static str),
    /// A parameter is not what it must be: which, and what that is.
    Invalid(&'static str, &'static str),
    /// The policy cannot be read; why.
    PolicyMalformed(String),
    /// The policy is too long for a token.
    PolicyTooLarge,
    /// The caller may not.
    AccessDenied,
}

impl StsError {
    /// What is wrong with the credentials of a request.
    #[must_use]
    pub fn of_credentials(error: &AuthError) -> Self {
        if *error == AuthError::TokenExpired {
            Self::TokenExpired
        } else if *error == AuthError::TokenMismatch {
            Self::TokenMismatch
        } else if *error == AuthError::InvalidToken {
            Self::TokenInvalid
        } else {
            Self::UnknownAccessKey
        }
    }

    fn words(&self, style: Style) -> Words {
        match style {
            Style::Aws => self.aws(),
            Style::AliyunJson | Style::AliyunXml => self.aliyun(),
        }
    }

    fn aws(&self) -> Words {
        let (status, code, message): (u16, &'static str, Cow<'static, str>) = match self {
            Self::Signature(RequestError::Unsigned) => {
                (403, "MissingAuthenticationToken", "Request is missing Authentication Token".into())
            }
            Self::Signature(RequestError::Missing(name)) => (400, "IncompleteSignature", format!("{name} is missing.").into()),
            Self::Signature(RequestError::Malformed(message)) => (400, "IncompleteSignature", message.clone().into()),
            Self::Signature(RequestError::TimeMalformed) => (400, "IncompleteSignature", "The date cannot be read.".into()),
            Self::Signature(RequestError::Skewed) => {
                (403, "SignatureDoesNotMatch", "Signature expired or not yet current: the clocks differ by more than 15 min.".into())
            }
            Self::Signature(RequestError::Mismatch { .. }) => (
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
                 signing method. Consult the service documentation for details."
                    .into(),
            ),
            Self::UnknownAccessKey | Self::TokenInvalid | Self::TokenMismatch => {
                (403, "InvalidClientTokenId", "The security token included in the request is invalid.".into())
            }
            Self::TokenExpired => (403, "ExpiredToken", "The security token included in the request is expired".into()),
            Self::NonceUsed => (403, "SignatureDoesNotMatch", "The request has been sent before.".into()),
            Self::Busy => (400, "Throttling", "Rate exceeded".into()),
            Self::ActionUnknown(action) => {
                (400, "InvalidAction", format!("Could not find operation {action} for version 2011-06-15").into())
            }
            Self::VersionUnknown => (400, "InvalidAction", "Could not find the version that was asked for".into()),
            Self::Missing("Action") => (400, "MissingAction", "Missing Action".into()),
            Self::Missing(name) => (400, "ValidationError", format!("1 validation error detected: {name} must not be null").into()),
            Self::Invalid(name, why) => (400, "ValidationError", format!("1 validation error detected: {name} is not valid. {why}").into()),
            Self::PolicyMalformed(why) => (400, "MalformedPolicyDocument", format!("The policy cannot be read: {why}").into()),
            Self::PolicyTooLarge => (400, "PackedPolicyTooLarge", "The policy is too long for a token.".into()),
            Self::AccessDenied => (403, "AccessDenied", "The caller is not authorized to perform: sts:AssumeRole".into()),
        };
        Words { status, code, message }
    }

    fn aliyun(&self) -> Words {
        let (status, code, message): (u16, &'static str, Cow<'static, str>) = match self {
            Self::Signature(RequestError::Unsigned) => missing("AccessKeyId"),
            Self::Signature(RequestError::Missing(name)) | Self::Missing(name) => missing(name),
            Self::Signature(RequestError::Malformed(message)) => (400, "IncompleteSignature", message.clone().into()),
            Self::Signature(RequestError::TimeMalformed) => {
                (400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.".into())
            }
            Self::Signature(RequestError::Skewed) => {
                (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.".into())
            }
            Self::Signature(RequestError::Mismatch { string_to_sign }) => (
                400,
                "SignatureDoesNotMatch",
                format!("Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}").into(),
            ),
            Self::UnknownAccessKey => (404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.".into()),
            Self::TokenInvalid => (400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.".into()),
            Self::TokenExpired => (400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.".into()),
            Self::TokenMismatch => {
                (400, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey.".into())
            }
            Self::NonceUsed => (400, "SignatureNonceUsed", "Specified signature nonce was used already.".into()),
            Self::Busy => (400, "Throttling", "Request was denied due to request throttling.".into()),
            Self::ActionUnknown(_) => {
                (404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method.".into())
            }
            Self::VersionUnknown => (400, "InvalidVersion", "Specified parameter Version is not valid.".into()),
            Self::Invalid(name, why) => {
                let code = match *name {
                    "RoleArn" => "InvalidParameter.RoleArn",
                    "RoleSessionName" => "InvalidParameter.RoleSessionName",
                    "DurationSeconds" => "InvalidParameter.DurationSeconds",
                    "Policy" => "InvalidParameter.PolicySize",
                    _ => "InvalidParameter",
                };
                (400, code, format!("The parameter {name} is wrongly formed. {why}").into())
            }
            Self::PolicyMalformed(why) => {
                (400, "InvalidParameter.PolicyGrammar", format!("The parameter Policy has not passed grammar check: {why}").into())
            }
            Self::PolicyTooLarge => (400, "InvalidParameter.PolicySize", "The size of Policy must be smaller than 2048 bytes.".into()),
            Self::AccessDenied => {
                (403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM.".into())
            }
        };
        Words { status, code, message }
    }
}

/// An error as a protocol words it.
struct Words {
    status: u16,
    code: &'static str,
    message: Cow<'static, str>,
}

/// Aliyun has a code of its own for each parameter that is missing.
fn missing(name: &str) -> (u16, &'static str, Cow<'static, str>) {
    let code = match name {
        "Action" => "MissingAction",
        "Version" => "MissingVersion",
        "AccessKeyId" => "MissingAccessKeyId",
        "Signature" => "MissingSignature",
        "SignatureMethod" => "MissingSignatureMethod",
        "SignatureVersion" => "MissingSignatureVersion",
        "SignatureNonce" | "x-acs-signature-nonce" => "MissingSignatureNonce",
        "Timestamp" | "x-acs-date" => "MissingTimestamp",
        "RoleArn" => "MissingRoleArn",
        "RoleSessionName" => "MissingRoleSessionName",
        _ => "MissingParameter",
    };
    (400, code, format!("{name} is mandatory for this action.").into())
}

/// Encodes an error.
#[must_use]
pub fn encode_error(error: &StsError, style: Style, context: &ReplyContext<'_>) -> Response<Bytes> {
    let Words { status, code, message } = error.words(style);
    let document = match style {
        Style::Aws => Writer::document("ErrorResponse", NAMESPACE, |xml| {
            xml.element("Error", |xml| {
                xml.leaf("Type", "Sender");
                xml.leaf("Code", code);
                xml.leaf("Message", &message);
            });
            xml.leaf("RequestId", context.request_id);
        }),
        Style::AliyunJson => {
            json!({ "RequestId": context.request_id, "HostId": context.authority, "Code": code, "Message": message }).to_string()
        }
        Style::AliyunXml => Writer::document("Error", "", |xml| {
            xml.leaf("RequestId", context.request_id);
            xml.leaf("HostId", context.authority);
            xml.leaf("Code", code);
            xml.leaf("Message", &message);
        }),
    };
    let status = StatusCode::from_u16(status).expect("the tables hold statuses only");
    let mut response = respond(status, document, style, context);
    response.extensions_mut().insert(ErrorCode(code));
    response
}
