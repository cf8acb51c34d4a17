//! Cross-origin requests (OSS API Reference, "OptionObject", "PutBucketCors").

use super::{
    error::{ErrorReply, invalid_argument, malformed_xml},
    headers,
    response::{self, ReplyContext},
};
use crate::{
    dialect::{
        address::Address,
        cross_origin::{self, Credentials, METHODS, requested_headers},
        xml::{Element, Writer},
    },
    model::{CorsConfiguration, CorsRule},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, request::Parts};

/// Most rules of a configuration.
const RULE_COUNT_MAX: usize = 20;
/// Longest time a browser may keep an answer, in seconds.
const MAX_AGE_SECS_MAX: u32 = 999_999_999;
/// OSS's own words, slips of the pen included: some clients compare them.
const NOT_ALLOWED: &str = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
                           request method / Access-Control-Request-Method or Access-Control-Requet-Headers are not whitelisted \
                           by the resource's CORS spec.";

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
    let needed = |name, message| {
        let value = headers::text(&parts.headers, name).filter(|value| !value.is_empty());
        value.ok_or_else(|| ErrorReply::bad_request("BadRequest", message))
    };
    let origin = needed("origin", "Insufficient information. Origin request header needed.")?;
    let method = needed("access-control-request-method", "Insufficient information. Request Access-Control-Request-Method header needed.")?;
    if !METHODS.contains(&method.as_str()) {
        return Err(ErrorReply::bad_request("BadRequest", format!("Invalid Access-Control-Request-Method: {method}")));
    }
    let requested = requested_headers(&parts.headers);
    let rule = configuration.and_then(|configuration| configuration.matching(&origin, &method, &requested)).ok_or_else(|| {
        ErrorReply::new(StatusCode::FORBIDDEN, "AccessForbidden", NOT_ALLOWED)
            .with("Method", &method)
            .with("ResourceType", if address.key.is_some() { "OBJECT" } else { "BUCKET" })
    })?;
    let mut response = response::empty(StatusCode::OK, context);
    cross_origin::add_rule(response.headers_mut(), rule, &origin, &requested, Credentials::NotSaid);
    Ok(response)
}

/// Adds what the bucket's rules say about an actual request to its response, errors included.
pub fn add_headers(configuration: &CorsConfiguration, parts: &Parts, headers: &mut HeaderMap) {
    cross_origin::add_headers(configuration, parts, headers, Credentials::NotSaid);
}

/// Reads a `<CORSConfiguration>` document.
///
/// # Errors
/// `MalformedXML`, `CORSRuleBeyondLimit` for too many rules, `InvalidArgument` for rules OSS does not accept.
pub(super) fn parse_document(document: &[u8]) -> Result<CorsConfiguration, ErrorReply> {
    let root = Element::parse(document).map_err(|_| malformed_xml())?;
    let mut rules = Vec::new();
    for child in root.children() {
        match child.name() {
            "CORSRule" => rules.push(parse_rule(child)?),
            // Answers vary by origin whatever this says.
            "ResponseVary" if ["true", "false"].contains(&child.text().trim().to_ascii_lowercase().as_str()) => {}
            _ => return Err(malformed_xml()),
        }
    }
    if root.name() != "CORSConfiguration" || rules.is_empty() {
        return Err(malformed_xml());
    }
    if rules.len() > RULE_COUNT_MAX {
        return Err(ErrorReply::bad_request("CORSRuleBeyondLimit", "The CORS Rules num is beyond limit."));
    }
    Ok(CorsConfiguration { rules })
}

fn parse_rule(element: &Element) -> Result<CorsRule, ErrorReply> {
    let mut rule = CorsRule::default();
    for child in element.children() {
        let text = child.text().trim().to_owned();
        match child.name() {
            "AllowedOrigin" => rule.allowed_origins.push(text),
            "AllowedMethod" => rule.allowed_methods.push(text),
            // Clients write an empty element for an empty list.
            "AllowedHeader" => rule.allowed_headers.extend(Some(text).filter(|text| !text.is_empty())),
            "ExposeHeader" => rule.expose_headers.extend(Some(text).filter(|text| !text.is_empty())),
            "MaxAgeSeconds" if text.is_empty() => {}
            "MaxAgeSeconds" => {
                let secs = text.parse().ok().filter(|secs| *secs <= MAX_AGE_SECS_MAX);
                rule.max_age_secs = Some(secs.ok_or_else(malformed_xml)?);
            }
            _ => return Err(malformed_xml()),
        }
    }
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(malformed_xml());
    }
    check_rule(&rule)?;
    Ok(rule)
}

fn check_rule(rule: &CorsRule) -> Result<(), ErrorReply> {
    let wildcard_count = |pattern: &str| pattern.matches('*').count();
    let is_name = |text: &str| HeaderName::try_from(text).is_ok();
    let first = |values: &[String], is_bad: &dyn Fn(&str) -> bool| values.iter().find(|value| is_bad(value)).cloned();
    let found = [
        ("AllowedMethod", first(&rule.allowed_methods, &|method| !METHODS.contains(&method))),
        ("AllowedOrigin", first(&rule.allowed_origins, &|origin| origin.is_empty() || wildcard_count(origin) > 1)),
        ("AllowedHeader", first(&rule.allowed_headers, &|name| !is_name(name) || wildcard_count(name) > 1)),
        ("ExposeHeader", first(&rule.expose_headers, &|name| !is_name(name) || wildcard_count(name) > 0)),
    ];
    match found.into_iter().find_map(|(name, value)| value.map(|value| (name, value))) {
        None => Ok(()),
        Some((name, value)) => Err(invalid_argument(format!("{name} of a CORS rule is invalid."), name, value)),
    }
}

/// `<CORSConfiguration>`.
pub(super) fn document(configuration: &CorsConfiguration) -> String {
    Writer::document("CORSConfiguration", "", |w| {
        for rule in &configuration.rules {
            w.element("CORSRule", |w| {
                for (name, values) in [
                    ("AllowedOrigin", &rule.allowed_origins),
                    ("AllowedMethod", &rule.allowed_methods),
                    ("AllowedHeader", &rule.allowed_headers),
                    ("ExposeHeader", &rule.expose_headers),
                ] {
                    values.iter().for_each(|value| w.leaf(name, value));
                }
                w.leaf_if("MaxAgeSeconds", rule.max_age_secs);
            });
        }
        w.leaf("ResponseVary", true);
    })
}

#[cfg(test)]
mod tests {
    use super::{super::response::fixture::*, *};
    use crate::dialect::{cross_origin::VARY, oss::error::refusal};

    fn browser_rules() -> CorsConfiguration {
        let methods = ["GET", "PUT", "POST", "DELETE", "HEAD"];
        let browser = CorsRule {
            id: None,
            allowed_origins: vec!["https://*.example.com".to_owned()],
            allowed_methods: methods.map(str::to_owned).to_vec(),
            allowed_headers: vec!["*".to_owned()],
            expose_headers: vec!["ETag".to_owned(), "x-oss-request-id".to_owned()],
            max_age_secs: Some(100),
        };
        let anybody = CorsRule { allowed_origins: vec!["*".to_owned()], allowed_methods: vec!["GET".to_owned()], ..CorsRule::default() };
        CorsConfiguration { rules: vec![browser, anybody] }
    }

    fn address() -> Address {
        Address { bucket: Some("bkt".to_owned()), key: Some("k".to_owned()), virtual_hosted: false }
    }

    fn ask(rules: Option<&CorsConfiguration>, headers: &str) -> Response<Bytes> {
        let parts = head(&format!("OPTIONS /bkt/k\n{headers}"));
        preflight(rules, &parts, &address(), &context()).unwrap_or_else(|error| refusal(&error, &parts.method, &context()))
    }

    #[test]
    fn a_preflight_of_a_browser_is_answered_with_what_it_asked_for() {
        let asked = "Origin: https://a.example.com\nAccess-Control-Request-Method: PUT\n\
                     Access-Control-Request-Headers: authorization, X-OSS-Date,x-oss-meta-a";
        let response = ask(Some(&browser_rules()), asked);
        assert_eq!(response.status(), StatusCode::OK);
        for (name, value) in [
            ("access-control-allow-origin", "https://a.example.com"),
            ("access-control-allow-methods", "GET, PUT, POST, DELETE, HEAD"),
            ("access-control-allow-headers", "authorization, x-oss-date, x-oss-meta-a"),
            ("access-control-expose-headers", "ETag, x-oss-request-id"),
            ("access-control-max-age", "100"),
            ("vary", VARY),
            ("content-length", "0"),
        ] {
            assert_eq!(header(&response, name), value, "{name}");
        }
        let response = ask(Some(&browser_rules()), "Origin: http://b.com\nAccess-Control-Request-Method: GET");
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
    }

    #[test]
    fn a_preflight_that_no_rule_allows_is_refused_in_the_words_of_oss() {
        let put = "Origin: http://b.com\nAccess-Control-Request-Method: PUT";
        for rules in [None, Some(&browser_rules())] {
            let response = ask(rules, put);
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            check("cors_not_allowed", &response);
        }
        for bad in ["Access-Control-Request-Method: PUT", "Origin: http://b.com", "Origin: http://b.com\nAccess-Control-Request-Method: X"]
        {
            let response = ask(Some(&browser_rules()), bad);
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
            assert!(std::str::from_utf8(response.body()).unwrap().contains("<Code>BadRequest</Code>"));
        }
    }

    #[test]
    fn actual_requests_get_what_scripts_may_read() {
        let added = |request: &str| {
            let mut response = response::empty(StatusCode::OK, &context());
            add_headers(&browser_rules(), &head(request), response.headers_mut());
            response
        };
        let response = added("PUT /bkt/k\nOrigin: https://a.example.com");
        assert_eq!(header(&response, "access-control-allow-origin"), "https://a.example.com");
        assert_eq!(header(&response, "access-control-expose-headers"), "ETag, x-oss-request-id");
        for other in ["PUT /bkt/k\nOrigin: http://b.com", "GET /bkt/k"] {
            let response = added(other);
            assert_eq!((header(&response, "access-control-allow-origin"), header(&response, "vary")), ("", VARY), "{other}");
        }
    }

    #[test]
    fn rules_are_read_as_written() {
        let written = document(&browser_rules());
        assert_eq!(parse_document(written.as_bytes()), Ok(browser_rules()));
        check("cors", &response::document(StatusCode::OK, written, &context()));
        let empties = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader/>\
                       <ExposeHeader/><MaxAgeSeconds/></CORSRule><ResponseVary>False</ResponseVary></CORSConfiguration>";
        assert_eq!(parse_document(empties.as_bytes()).map(|mut rules| rules.rules.pop()), Ok(browser_rules().rules.pop()));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let good = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";
        let many = format!("<CORSRule>{good}</CORSRule>").repeat(RULE_COUNT_MAX);
        for (content, code) in [
            (String::new(), "MalformedXML"),
            ("<X/>".to_owned(), "MalformedXML"),
            ("<ResponseVary>true</ResponseVary>".to_owned(), "MalformedXML"),
            ("<CORSRule/>".to_owned(), "MalformedXML"),
            (format!("<CORSRule>{good}<X/></CORSRule>"), "MalformedXML"),
            (format!("<CORSRule>{good}<MaxAgeSeconds>-1</MaxAgeSeconds></CORSRule>"), "MalformedXML"),
            (format!("<CORSRule>{good}<MaxAgeSeconds>1000000000</MaxAgeSeconds></CORSRule>"), "MalformedXML"),
            (format!("<CORSRule>{good}<AllowedMethod>OPTIONS</AllowedMethod></CORSRule>"), "InvalidArgument"),
            (format!("<CORSRule>{good}<AllowedOrigin>a*b*</AllowedOrigin></CORSRule>"), "InvalidArgument"),
            (format!("<CORSRule>{good}<AllowedHeader>**</AllowedHeader></CORSRule>"), "InvalidArgument"),
            (format!("<CORSRule>{good}<ExposeHeader>x-*</ExposeHeader></CORSRule>"), "InvalidArgument"),
            (format!("<CORSRule>{good}<ExposeHeader>a b</ExposeHeader></CORSRule>"), "InvalidArgument"),
            (format!("{many}<CORSRule>{good}</CORSRule>"), "CORSRuleBeyondLimit"),
        ] {
            let document = format!("<CORSConfiguration>{content}</CORSConfiguration>");
            assert_eq!(parse_document(document.as_bytes()).map_err(|error| error.code), Err(code), "{content}");
        }
    }
}
