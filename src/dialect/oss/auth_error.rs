//! From what is wrong with a signature to OSS's errors.
//!
//! Clients act on two of them: at `RequestTimeTooSkewed`, and at `InvalidArgument` with exactly the message of a wrong
//! signing date, they set their clocks by `ServerTime` or the Date header and try again.

use super::{error::ErrorReply, response::iso8601};
use crate::auth::{AuthError, CLOCK_SKEW_MAX_MS};
use http::StatusCode;

/// The error for a signature that is not accepted. Messages without a source are ours: OSS publishes only the codes.
pub(super) fn reply(error: &AuthError) -> ErrorReply {
    match error {
        AuthError::UnsupportedScheme => invalid_argument("Authorization header is invalid."),
        AuthError::MultipleMechanisms => {
            invalid_argument("Only one of the Authorization header and the query string may hold a signature, and only once.")
        }
        AuthError::HeaderMalformed(message) | AuthError::QueryMalformed(message) => invalid_argument(message),
        AuthError::PayloadHashInvalid(message) => invalid_argument(message).ec("0002-00000214"),
        AuthError::PayloadUnsupported(word) => {
            let message = format!("Payloads of the kind {word} are not implemented.");
            ErrorReply::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
        }
        AuthError::QueryIncomplete(message) => access_denied(message),
        AuthError::DateMissing => access_denied("OSS authentication requires a valid Date.").ec("0002-00000503"),
        AuthError::DateInvalid => access_denied("OSS authentication requires a valid Date.").ec("0002-00000502"),
        AuthError::SigningDateInvalid => invalid_argument("Invalid signing date in Authorization header.").ec("0002-00000212"),
        AuthError::CredentialDateInvalid => invalid_argument("Invalid signing date in x-oss-credential.").ec("0002-00000223"),
        AuthError::CredentialSuffixInvalid => invalid_argument("The credential must end with aliyun_v4_request.").ec("0002-00000213"),
        AuthError::ExpiryInvalid => access_denied("Invalid date (should be seconds since epoch).").ec("0002-00000070"),
        AuthError::ExpiryMissing => invalid_argument("The x-oss-expires parameter is required.").ec("0002-00000215"),
        AuthError::ExpiryOutOfRange => {
            invalid_argument("The x-oss-expires parameter must be between 1 and 604800 seconds.").ec("0002-00000232")
        }
        AuthError::ClockSkewed { request_time: _, requested, server_time } => ErrorReply::new(
            StatusCode::FORBIDDEN,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .with("MaxAllowedSkewMilliseconds", CLOCK_SKEW_MAX_MS)
        .with("RequestTime", iso8601(*requested))
        .with("ServerTime", iso8601(*server_time))
        .ec("0002-00000504"),
        AuthError::Expired { expires_secs: _, expired, server_time } => access_denied("Request has expired.")
            .with("Expires", iso8601(*expired))
            .with("ServerTime", iso8601(*server_time))
            .ec("0002-00000069"),
        AuthError::NotYetValid => access_denied("Request is not valid yet.").ec("0002-00000235"),
        AuthError::HeadersNotSigned(names) => {
            access_denied("There were headers present in the request which were not signed.").with("HeadersNotSigned", names.join(", "))
        }
        AuthError::UnknownAccessKey(access_key) => ErrorReply::new(
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "The OSS Access Key Id you provided does not exist in our records.",
        )
        .with("OSSAccessKeyId", access_key)
        .ec("0002-00000902"),
        AuthError::InvalidToken => {
            ErrorReply::new(StatusCode::FORBIDDEN, "InvalidSecurityToken", "The security token you provided is invalid.")
        }
        AuthError::TokenExpired => {
            ErrorReply::new(StatusCode::FORBIDDEN, "SecurityTokenExpired", "The security token you provided has expired.")
        }
        AuthError::TokenMismatch => ErrorReply::new(
            StatusCode::FORBIDDEN,
            "AccessKeyIdAndSecurityTokenNotMatch",
            "The security token you provided is not that of the access key id.",
        ),
        AuthError::TokenRepeated => invalid_argument("Only one of the headers and the query string may hold a security token."),
        AuthError::TokenNotInQuery => {
            ErrorReply::new(StatusCode::BAD_REQUEST, "InvalidRequest", "Security-token must be provided by query string parameter.")
        }
        AuthError::SignatureMismatch { access_key, string_to_sign, canonical_request, provided } => {
            let reply = ErrorReply::new(
                StatusCode::FORBIDDEN,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            )
            .with("OSSAccessKeyId", access_key)
            .with("SignatureProvided", provided)
            .with("StringToSign", string_to_sign)
            .with("StringToSignBytes", spaced_hex(string_to_sign))
            .ec("0002-00000040");
            match canonical_request {
                None => reply,
                Some(request) => reply.with("CanonicalRequest", request),
            }
        }
    }
}

fn invalid_argument(message: &str) -> ErrorReply {
    ErrorReply::new(StatusCode::BAD_REQUEST, "InvalidArgument", message.to_owned())
}

fn access_denied(message: &str) -> ErrorReply {
    ErrorReply::new(StatusCode::FORBIDDEN, "AccessDenied", message.to_owned())
}

/// The bytes in upper-case hex, each followed by a space but the last.
fn spaced_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn each_auth_error_has_its_status_code_and_elements() {
        // Clients read no milliseconds.
        let time = Timestamp::from_millis(1_768_465_800_123);
        let skewed = AuthError::ClockSkewed { request_time: "Thu".into(), requested: time, server_time: time.plus_millis(1000) };
        let mismatch = AuthError::SignatureMismatch {
            access_key: "AK".into(),
            string_to_sign: "AB\n".into(),
            canonical_request: Some("C".into()),
            provided: "sig".into(),
        };
        for (error, status, code, elements) in [
            (AuthError::UnsupportedScheme, 400, "InvalidArgument", ""),
            (AuthError::MultipleMechanisms, 400, "InvalidArgument", ""),
            (AuthError::QueryIncomplete("m"), 403, "AccessDenied", ""),
            (AuthError::DateMissing, 403, "AccessDenied", ""),
            (AuthError::SigningDateInvalid, 400, "InvalidArgument", ""),
            (AuthError::ExpiryInvalid, 403, "AccessDenied", ""),
            (AuthError::ExpiryMissing, 400, "InvalidArgument", ""),
            (AuthError::NotYetValid, 403, "AccessDenied", ""),
            (AuthError::InvalidToken, 403, "InvalidSecurityToken", ""),
            (AuthError::TokenExpired, 403, "SecurityTokenExpired", ""),
            (AuthError::TokenMismatch, 403, "AccessKeyIdAndSecurityTokenNotMatch", ""),
            (AuthError::TokenNotInQuery, 400, "InvalidRequest", ""),
            (AuthError::UnknownAccessKey("AK".into()), 403, "InvalidAccessKeyId", "OSSAccessKeyId=AK"),
            (
                AuthError::Expired { expires_secs: None, expired: time, server_time: time },
                403,
                "AccessDenied",
                "Expires=2026-01-15T08:30:00.000Z ServerTime=2026-01-15T08:30:00.000Z",
            ),
            (
                skewed,
                403,
                "RequestTimeTooSkewed",
                "MaxAllowedSkewMilliseconds=900000 RequestTime=2026-01-15T08:30:00.000Z ServerTime=2026-01-15T08:30:01.000Z",
            ),
            (
                mismatch,
                403,
                "SignatureDoesNotMatch",
                "OSSAccessKeyId=AK SignatureProvided=sig StringToSign=AB\n StringToSignBytes=41 42 0A CanonicalRequest=C",
            ),
        ] {
            let reply = reply(&error);
            let written = reply.elements.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
            assert_eq!((reply.status.as_u16(), reply.code, written.as_str()), (status, code, elements), "{error:?}");
        }
    }

    #[test]
    fn the_message_at_which_clients_set_their_clocks_is_exact() {
        assert_eq!(reply(&AuthError::SigningDateInvalid).message, "Invalid signing date in Authorization header.");
    }
}
