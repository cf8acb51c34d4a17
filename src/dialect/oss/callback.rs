//! Callbacks: whom an upload is to be told to, and how the client is answered once it was (OSS API Reference, "Callback").

use super::{
    error, headers, object,
    query::Query,
    response::{self, ReplyContext},
};
use crate::{
    dialect::error::ErrorReply,
    model::{Callback, CallbackBodyType, CallbackReply, ETag},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use serde_json::{Map, Value};

/// Largest configuration and largest set of variables, each as it is sent. Bytes.
const SIZE_MAX: usize = 5 << 10;
/// Most URLs of a callback.
const URL_COUNT_MAX: usize = 5;

const EC_GIVEN_TWICE: &str = "0007-00000027";
const EC_FAILED: &str = "0007-00000203";

/// Reads `x-oss-callback` and `x-oss-callback-var`, or the parameters `callback` and `callback-var` of a URL.
///
/// # Errors
/// `InvalidArgument` in OSS's words for everything that is wrong with them.
pub(super) fn parse(headers: &HeaderMap, query: &Query) -> Result<Option<Callback>, ErrorReply> {
    let given = |header: &str, parameter: &'static str| {
        // A plus that a client forgot to encode is a space by now, which base64 has not.
        match (headers::text(headers, header), query.first(parameter).map(|text| text.replace(' ', "+"))) {
            (Some(_), Some(text)) => {
                let message =
                    format!("Either the {parameter} query string parameter or the {header} header should be specified, not both.");
                Err(error::invalid_argument(message, parameter, text).ec(EC_GIVEN_TWICE))
            }
            (in_header, in_query) => Ok(in_header.or(in_query)),
        }
    };
    let callback = given("x-oss-callback", "callback")?;
    let variables = given("x-oss-callback-var", "callback-var")?;
    let Some(callback) = callback else { return Ok(None) };
    let variables = variables.map_or(Ok(Vec::new()), |text| parse_variables(&text))?;
    parse_configuration(&callback, variables).map(Some)
}

/// Reads a form's `callback` field and its `x:` fields.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_fields(fields: &[(String, String)]) -> Result<Option<Callback>, ErrorReply> {
    let Some((_, callback)) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("callback")) else { return Ok(None) };
    let variables = fields.iter().filter(|(name, _)| name.starts_with("x:")).cloned().collect();
    parse_configuration(callback, variables).map(Some)
}

fn parse_configuration(text: &str, variables: Vec<(String, String)>) -> Result<Callback, ErrorReply> {
    let object = decode(text, &OF_CALLBACK)?;
    let string = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(invalid("The callback configuration is not json format.")),
    };
    let body = string("callbackBody")?.filter(|body| !body.is_empty()).ok_or_else(|| invalid("The callback body is empty."))?;
    let host = string("callbackHost")?.filter(|host| !host.is_empty());
    if host.is_some_and(|host| !is_host(host)) {
        return Err(invalid("The callback host configuration is invalid."));
    }
    Ok(Callback {
        urls: parse_urls(string("callbackUrl")?.unwrap_or_default())?,
        host: host.map(str::to_owned),
        body: body.to_owned(),
        body_type: parse_body_type(string("callbackBodyType")?)?,
        sni: matches!(object.get("callbackSNI"), Some(Value::Bool(true))),
        variables,
    })
}

fn parse_body_type(text: Option<&str>) -> Result<CallbackBodyType, ErrorReply> {
    let essence = text.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    match essence {
        "" => Ok(CallbackBodyType::Form),
        _ if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Ok(CallbackBodyType::Form),
        _ if essence.eq_ignore_ascii_case("application/json") => Ok(CallbackBodyType::Json),
        _ => Err(invalid("The callback body type configuration is invalid.")),
    }
}

fn parse_urls(text: &str) -> Result<Vec<String>, ErrorReply> {
    let urls: Vec<String> = text.split(';').map(str::trim).filter(|url| !url.is_empty()).map(with_scheme).collect();
    if urls.len() > URL_COUNT_MAX {
        return Err(invalid("The number of callback url exceed max value."));
    }
    let is_legal = !urls.is_empty() && urls.iter().all(|url| is_url(url));
    if is_legal { Ok(urls) } else { Err(invalid("The callback url configuration is invalid.")) }
}

/// OSS's own examples leave out the scheme.
fn with_scheme(url: &str) -> String {
    let before_query = url.split('?').next().unwrap_or(url);
    if before_query.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

/// An http(s) URL of a host that is no IPv6 address, in characters that need no encoding, without credentials and fragment.
fn is_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().map(|authority| authority.as_str()) else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && !url.contains('#')
        && is_host(authority)
}

/// A host name or IPv4 address, with or without port.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.bytes().all(legal) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Names begin with `x:`; values that are no text are their JSON.
fn parse_variables(text: &str) -> Result<Vec<(String, String)>, ErrorReply> {
    let variables = decode(text, &OF_VARIABLES)?.into_iter().map(|(name, value)| {
        if !name.starts_with("x:") {
            return Err(invalid("The callback variables must begin with x:."));
        }
        let value = match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
        };
        Ok((name, value))
    });
    variables.collect()
}

/// What is said of an object that is none.
struct Words {
    too_long: &'static str,
    not_base64: &'static str,
    not_json: &'static str,
}

const OF_CALLBACK: Words = Words {
    too_long: "The length of callback exceed max value.",
    not_base64: "The callback configuration is not base64 encoded.",
    not_json: "The callback configuration is not json format.",
};
/// The misspelling is the service's own.
const OF_VARIABLES: Words = Words {
    too_long: "The length of callback var exceed max value.",
    not_base64: "The callback var is not base64 encoded.",
    not_json: "The callback var is not expecten json.",
};

/// A JSON object in base64.
fn decode(text: &str, words: &Words) -> Result<Map<String, Value>, ErrorReply> {
    let text = text.trim();
    if text.len() > SIZE_MAX {
        return Err(invalid(words.too_long));
    }
    let json = STANDARD.decode(text).map_err(|_| invalid(words.not_base64))?;
    serde_json::from_slice(&json).map_err(|_| invalid(words.not_json))
}

fn invalid(message: &'static str) -> ErrorReply {
    ErrorReply::bad_request("InvalidArgument", message).with("ArgumentName", "callback")
}

/// The answer to an upload that an application was told of: what it replied, or 203 when that failed. The object is stored in
/// either case.
pub(super) fn encode(etag: &ETag, crc64_ecma: u64, told: &Result<CallbackReply, String>, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = match told {
        Ok(reply) => {
            let is_xml = reply.content_type.trim_start().to_ascii_lowercase().starts_with("application/xml");
            let content_type = if is_xml { "application/xml" } else { "application/json" };
            let mut response = response::text(StatusCode::OK, content_type, String::new(), context);
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
            *response.body_mut() = Bytes::copy_from_slice(&reply.body);
            response
        }
        Err(reason) => {
            let failed = ErrorReply::new(StatusCode::NON_AUTHORITATIVE_INFORMATION, "CallbackFailed", reason.clone()).ec(EC_FAILED);
            error::refusal(&failed, &Method::POST, context)
        }
    };
    object::set_stored(response.headers_mut(), etag, crc64_ecma);
    response
}
