//! From what is wrong with a signature to S3's errors.

use super::{error::ErrorReply, failure::access_denied};
use crate::{
    auth::{AuthError, CLOCK_SKEW_MAX_MS},
    dialect::date::iso8601,
    model::Timestamp,
};
use http::StatusCode;

/// The error for a signature that is not accepted.
pub(super) fn reply(error: &AuthError) -> ErrorReply {
    match error {
        AuthError::UnsupportedScheme => {
            ErrorReply::bad_request("InvalidArgument", "Unsupported Authorization Type").with("ArgumentName", "Authorization")
        }
        AuthError::MultipleMechanisms => ErrorReply::bad_request(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter \
             or the Authorization header should be specified",
        ),
        AuthError::HeaderMalformed(message) => ErrorReply::bad_request("AuthorizationHeaderMalformed", message.clone()),
        AuthError::QueryMalformed(message) => ErrorReply::bad_request("AuthorizationQueryParametersError", message.clone()),
        AuthError::PayloadHashInvalid(message) => {
            ErrorReply::bad_request("InvalidArgument", message.clone()).with("ArgumentName", "x-amz-content-sha256")
        }
        AuthError::PayloadUnsupported(word) => {
            ErrorReply::header_not_implemented("x-amz-content-sha256", &format!("Payloads of the kind {word} are not implemented"))
        }
        AuthError::QueryIncomplete(message) => ErrorReply::bad_request("AuthorizationQueryParametersError", *message),
        AuthError::DateMissing | AuthError::DateInvalid => access_denied("AWS authentication requires a valid Date or x-amz-date header"),
        // What follows is only wrong in OSS signatures; S3 has these codes for what is closest.
        AuthError::SigningDateInvalid => {
            ErrorReply::bad_request("AuthorizationHeaderMalformed", "The authorization header is malformed; Invalid credential date.")
        }
        AuthError::CredentialDateInvalid => query_parameters("Invalid credential date."),
        AuthError::CredentialSuffixInvalid => query_parameters("Invalid credential terminal."),
        AuthError::ExpiryInvalid => query_parameters("Invalid date (should be seconds since epoch)."),
        AuthError::ExpiryMissing => query_parameters("The expiry is missing."),
        AuthError::ExpiryOutOfRange => query_parameters("The expiry must be a number of seconds, and at most a week."),
        AuthError::TokenRepeated => ErrorReply::bad_request("InvalidArgument", "Only one security token allowed."),
        AuthError::TokenNotInQuery => ErrorReply::invalid_request("The security token must be a parameter of the URL."),
        AuthError::ClockSkewed { request_time, requested: _, server_time } => ErrorReply::new(
            StatusCode::FORBIDDEN,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .with("RequestTime", request_time)
        .with("ServerTime", seconds(*server_time))
        .with("MaxAllowedSkewMilliseconds", CLOCK_SKEW_MAX_MS),
        AuthError::Expired { expires_secs: Some(secs), expired, server_time } => access_denied("Request has expired")
            .with("X-Amz-Expires", secs)
            .with("Expires", seconds(*expired))
            .with("ServerTime", seconds(*server_time)),
        AuthError::Expired { expires_secs: None, expired, server_time } => {
            access_denied("Request has expired.").with("Expires", seconds(*expired)).with("ServerTime", seconds(*server_time))
        }
        AuthError::NotYetValid => access_denied("Request is not valid yet"),
        AuthError::HeadersNotSigned(names) => {
            access_denied("There were headers present in the request which were not signed").with("HeadersNotSigned", names.join(", "))
        }
        AuthError::UnknownAccessKey(access_key) => ErrorReply::new(
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        )
        .with("AWSAccessKeyId", access_key),
        AuthError::TokenExpired => ErrorReply::bad_request("ExpiredToken", "The provided token has expired."),
        AuthError::InvalidToken | AuthError::TokenMismatch => {
            ErrorReply::bad_request("InvalidToken", "The provided token is malformed or otherwise invalid.")
        }
        AuthError::SignatureMismatch { access_key, string_to_sign, canonical_request, provided } => {
            let reply = ErrorReply::new(
                StatusCode::FORBIDDEN,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            )
            .with("AWSAccessKeyId", access_key)
            .with("StringToSign", string_to_sign)
            .with("SignatureProvided", provided)
            .with("StringToSignBytes", spaced_hex(string_to_sign));
            match canonical_request {
                None => reply,
                Some(request) => reply.with("CanonicalRequest", request).with("CanonicalRequestBytes", spaced_hex(request)),
            }
        }
    }
}

fn query_parameters(message: &'static str) -> ErrorReply {
    ErrorReply::bad_request("AuthorizationQueryParametersError", message)
}

/// `2026-01-15T08:30:00Z`: these elements have no milliseconds.
fn seconds(time: Timestamp) -> String {
    iso8601(Timestamp::from_secs(time.secs())).replace(".000Z", "Z")
}

fn spaced_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_auth_error_has_its_status_code_and_elements() {
        let time = Timestamp::from_secs(1_768_465_800);
        let mismatch = AuthError::SignatureMismatch {
            access_key: "AK".into(),
            string_to_sign: "AB\n".into(),
            canonical_request: Some("C".into()),
            provided: "sig".into(),
        };
        for (error, status, code, last) in [
            (AuthError::UnsupportedScheme, 400, "InvalidArgument", "Authorization"),
            (AuthError::HeaderMalformed("m".into()), 400, "AuthorizationHeaderMalformed", ""),
            (AuthError::QueryMalformed("m".into()), 400, "AuthorizationQueryParametersError", ""),
            (AuthError::DateMissing, 403, "AccessDenied", ""),
            (
                AuthError::ClockSkewed { request_time: "t".into(), requested: time, server_time: time },
                403,
                "RequestTimeTooSkewed",
                "900000",
            ),
            (AuthError::Expired { expires_secs: Some(9), expired: time, server_time: time }, 403, "AccessDenied", "2026-01-15T08:30:00Z"),
            (AuthError::HeadersNotSigned(vec!["a".into(), "b".into()]), 403, "AccessDenied", "a, b"),
            (AuthError::UnknownAccessKey("AK".into()), 403, "InvalidAccessKeyId", "AK"),
            (AuthError::InvalidToken, 400, "InvalidToken", ""),
            (AuthError::TokenMismatch, 400, "InvalidToken", ""),
            (AuthError::TokenExpired, 400, "ExpiredToken", ""),
            (AuthError::PayloadUnsupported("W".into()), 501, "NotImplemented", "Payloads of the kind W are not implemented"),
            (mismatch, 403, "SignatureDoesNotMatch", "43"),
        ] {
            let reply = reply(&error);
            let value = reply.elements.last().map(|(_, value)| value.as_str()).unwrap_or_default();
            assert_eq!((reply.status.as_u16(), reply.code, value), (status, code, last), "{error:?}");
        }
    }
}
