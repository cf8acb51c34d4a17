//! Cross-origin requests (S3 User Guide, "Using cross-origin resource sharing").

use super::{
    address::Address,
    error::{ErrorReply, encode_error},
    headers,
    response::{self, NAMESPACE, ReplyContext, set},
};
use crate::{
    dialect::{
        error::Rejection,
        xml::{Element, Writer},
    },
    model::{CorsConfiguration, CorsRule},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};

/// Most rules of a configuration.
const RULE_COUNT_MAX: usize = 100;
/// Longest id of a rule, in characters.
const ID_LENGTH_MAX: usize = 255;
/// The methods a rule may allow and a preflight may ask for; S3 compares them with regard to case.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// Answers an OPTIONS request. `configuration` is the bucket's, if it has one.
///
/// # Errors
/// 400 `BadRequest` for what is no preflight, 403 `AccessForbidden` when no rule allows it; encode them with [`encode_error`].
pub fn preflight(
    configuration: Option<&CorsConfiguration>,
    parts: &Parts,
    address: &Address,
    context: &ReplyContext<'_>,
) -> Result<Response<Bytes>, ErrorReply> {
    let bad = |message: String| ErrorReply::bad_request("BadRequest", message);
    let origin = headers::text(&parts.headers, "origin")
        .filter(|origin| !origin.is_empty())
        .ok_or_else(|| bad("Insufficient information. Origin request header needed.".to_owned()))?;
    let method = headers::text(&parts.headers, "access-control-request-method").unwrap_or_else(|| "null".to_owned());
    if !METHODS.contains(&method.as_str()) {
        return Err(bad(format!("Invalid Access-Control-Request-Method: {method}")));
    }
    let forbidden = |message| {
        ErrorReply::new(StatusCode::FORBIDDEN, "AccessForbidden", message)
            .with("Method", &method)
            .with("ResourceType", if address.key.is_some() { "OBJECT" } else { "BUCKET" })
    };
    let configuration = configuration.ok_or_else(|| forbidden("CORSResponse: CORS is not enabled for this bucket."))?;
    let requested = requested_headers(&parts.headers);
    let rule = configuration.matching(&origin, &method, &requested).ok_or_else(|| {
        forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / \
             Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
        )
    })?;
    let mut response = response::empty(StatusCode::OK, context);
    add_rule(response.headers_mut(), rule, &origin, &requested);
    Ok(response)
}

/// As [`preflight`], with the error encoded too.
#[must_use]
pub fn preflight_response(
    configuration: Option<&CorsConfiguration>,
    parts: &Parts,
    address: &Address,
    context: &ReplyContext<'_>,
) -> Response<Bytes> {
    preflight(configuration, parts, address, context)
        .unwrap_or_else(|error| encode_error(&Rejection::Decode(error), parts, Some(address), context))
}

/// Adds what the bucket's rules say about an actual request to its response, errors included. Without
/// an Origin, or when no rule matches, the response stays as it is but for Vary, which keeps caches
/// from giving one origin's answer to another.
pub fn add_headers(configuration: &CorsConfiguration, parts: &Parts, headers: &mut HeaderMap) {
    let origin = headers::text(&parts.headers, "origin");
    let rule = origin.as_deref().and_then(|origin| configuration.matching(origin, parts.method.as_str(), &[]));
    match (rule, origin) {
        (Some(rule), Some(origin)) => add_rule(headers, rule, &origin, &[]),
        (None, _) | (_, None) => {
            headers.append(header::VARY, HeaderValue::from_static(VARY));
        }
    }
}

fn add_rule(headers: &mut HeaderMap, rule: &CorsRule, origin: &str, requested: &[String]) {
    let any = rule.allows_any_origin(origin);
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*" } else { origin });
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, rule.allowed_methods.join(", "));
    if !requested.is_empty() {
        set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, requested.join(", "));
    }
    if !rule.expose_headers.is_empty() {
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, rule.expose_headers.join(", "));
    }
    if let Some(secs) = rule.max_age_secs {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(secs));
    }
    if !any {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.append(header::VARY, HeaderValue::from_static(VARY));
}

/// The headers a preflight asks for, lower-case.
fn requested_headers(headers: &HeaderMap) -> Vec<String> {
    let text = headers::text(headers, "access-control-request-headers").unwrap_or_default();
    text.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

/// Decodes a `<CORSConfiguration>` document.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`, `InvalidRequest` for rules S3 does not accept.
pub(super) fn parse_document(document: &[u8]) -> Result<CorsConfiguration, ErrorReply> {
    if document.is_empty() {
        return Err(ErrorReply::missing_body());
    }
    let root = Element::parse(document).map_err(|_| ErrorReply::malformed_xml())?;
    let rules: Vec<&Element> = root.children_named("CORSRule").collect();
    if root.name() != "CORSConfiguration" || rules.is_empty() || rules.len() != root.children().len() {
        return Err(ErrorReply::malformed_xml());
    }
    if rules.len() > RULE_COUNT_MAX {
        return Err(ErrorReply::invalid_request("The number of CORS rules should not exceed allowed limit of 100 rules."));
    }
    Ok(CorsConfiguration { rules: rules.into_iter().map(parse_rule).collect::<Result<_, _>>()? })
}

fn parse_rule(element: &Element) -> Result<CorsRule, ErrorReply> {
    let mut rule = CorsRule::default();
    for child in element.children() {
        let text = child.text().trim().to_owned();
        match child.name() {
            "ID" if text.chars().count() <= ID_LENGTH_MAX => rule.id = Some(text),
            "AllowedOrigin" => rule.allowed_origins.push(text),
            "AllowedMethod" => rule.allowed_methods.push(text),
            "AllowedHeader" => rule.allowed_headers.push(text),
            "ExposeHeader" => rule.expose_headers.push(text),
            "MaxAgeSeconds" => rule.max_age_secs = Some(text.parse().map_err(|_| ErrorReply::malformed_xml())?),
            _ => return Err(ErrorReply::malformed_xml()),
        }
    }
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(ErrorReply::malformed_xml());
    }
    check_rule(&rule)?;
    Ok(rule)
}

fn check_rule(rule: &CorsRule) -> Result<(), ErrorReply> {
    let invalid = |message: String| Err(ErrorReply::invalid_request(message));
    let wildcard_count = |pattern: &str| pattern.matches('*').count();
    let is_name = |text: &str| HeaderName::try_from(text).is_ok();
    if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return invalid(format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}"));
    }
    if let Some(origin) = rule.allowed_origins.iter().find(|origin| wildcard_count(origin) > 1) {
        return invalid(format!("AllowedOrigin \"{origin}\" can not have more than one wildcard."));
    }
    if let Some(name) = rule.allowed_headers.iter().find(|name| wildcard_count(name) > 1) {
        return invalid(format!("AllowedHeader \"{name}\" can not have more than one wildcard."));
    }
    if let Some(name) = rule.allowed_headers.iter().find(|name| !is_name(name)) {
        return invalid(format!("AllowedHeader \"{name}\" contains invalid character."));
    }
    if let Some(name) = rule.expose_headers.iter().find(|name| name.contains('*')) {
        return invalid(format!("ExposeHeader \"{name}\" contains wildcard. We currently do not support wildcard for ExposeHeader."));
    }
    if let Some(name) = rule.expose_headers.iter().find(|name| !is_name(name)) {
        return invalid(format!("ExposeHeader \"{name}\" contains invalid character."));
    }
    Ok(())
}

/// `<CORSConfiguration>`.
pub(super) fn document(configuration: &CorsConfiguration) -> String {
    Writer::document("CORSConfiguration", NAMESPACE, |w| {
        for rule in &configuration.rules {
            w.element("CORSRule", |w| {
                w.leaf_if("ID", rule.id.as_ref());
                for (name, values) in [
                    ("AllowedHeader", &rule.allowed_headers),
                    ("AllowedMethod", &rule.allowed_methods),
                    ("AllowedOrigin", &rule.allowed_origins),
                    ("ExposeHeader", &rule.expose_headers),
                ] {
                    values.iter().for_each(|value| w.leaf(name, value));
                }
                w.leaf_if("MaxAgeSeconds", rule.max_age_secs);
            });
        }
    })
}
