//! Cross-origin requests (S3 User Guide, "Using cross-origin resource sharing").

use super::{
    address::Address,
    error::ErrorReply,
    headers,
    response::{self, NAMESPACE, ReplyContext},
};
use crate::{
    dialect::{
        cross_origin::{self, Credentials, METHODS, requested_headers},
        xml::{Element, Writer},
    },
    model::{CorsConfiguration, CorsRule},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, request::Parts};

/// Most rules of a configuration.
const RULE_COUNT_MAX: usize = 100;
/// Longest id of a rule, in characters.
const ID_LENGTH_MAX: usize = 255;

/// Answers an OPTIONS request. `configuration` is the bucket's, if it has one.
///
/// # Errors
/// 400 `BadRequest` for what is no preflight, 403 `AccessForbidden` when no rule allows it.
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
    cross_origin::add_rule(response.headers_mut(), rule, &origin, &requested, Credentials::Allowed);
    Ok(response)
}

/// Adds what the bucket's rules say about an actual request to its response, errors included.
pub fn add_headers(configuration: &CorsConfiguration, parts: &Parts, headers: &mut HeaderMap) {
    cross_origin::add_headers(configuration, parts, headers, Credentials::Allowed);
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
