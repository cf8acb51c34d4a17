//! Lifecycle rules (S3 API Reference, "PutBucketLifecycleConfiguration").
//!
//! What would move objects to another storage class or is about versions is refused by name: a client must not believe
//! that what it wrote is being done.

use super::{
    error::ErrorReply,
    response::NAMESPACE,
    tagging::{self, Of},
};
use crate::{
    dialect::{
        date::{self, iso8601},
        xml::{Element, Writer},
    },
    model::{Expiry, LifecycleConfiguration, LifecycleRule, Tags, Timestamp},
};
use std::collections::HashSet;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Most rules of a configuration.
const RULE_COUNT_MAX: usize = 1000;
/// Longest id of a rule, in characters.
const ID_LENGTH_MAX: usize = 255;
/// Longest prefix: as a key. Bytes.
const PREFIX_SIZE_MAX: usize = 1024;

/// Decodes a `<LifecycleConfiguration>` document.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`; `InvalidArgument` and `InvalidRequest` for rules S3 does not accept;
/// `NotImplemented` for what would not be done.
pub(super) fn parse_document(document: &[u8]) -> Result<LifecycleConfiguration, ErrorReply> {
    if document.is_empty() {
        return Err(ErrorReply::missing_body());
    }
    let root = Element::parse(document).map_err(|_| ErrorReply::malformed_xml())?;
    let rules = root.children();
    if root.name() != "LifecycleConfiguration" || rules.is_empty() || rules.iter().any(|rule| rule.name() != "Rule") {
        return Err(ErrorReply::malformed_xml());
    }
    if rules.len() > RULE_COUNT_MAX {
        return Err(ErrorReply::invalid_request("The number of lifecycle rules must not exceed the allowed limit of 1000 rules"));
    }
    let rules = rules.iter().map(parse_rule).collect::<Result<Vec<_>, _>>()?;
    let mut ids = HashSet::new();
    if let Some(id) = rules.iter().filter_map(|rule| rule.id.as_ref()).find(|id| !ids.insert(*id)) {
        return Err(ErrorReply::invalid_argument("Rule ID must be unique. Found same ID for more than one rule", "ID", id));
    }
    Ok(LifecycleConfiguration { rules })
}

fn parse_rule(element: &Element) -> Result<LifecycleRule, ErrorReply> {
    let mut rule = LifecycleRule::default();
    let (mut status, mut filter_count) = (None, 0);
    for child in element.children() {
        match child.name() {
            "ID" => rule.id = parse_id(child.text())?,
            "Status" => status = Some(parse_status(child.text())?),
            "Prefix" => {
                filter_count += 1;
                rule.prefix = parse_prefix(child)?;
            }
            "Filter" => {
                filter_count += 1;
                parse_filter(child, &mut rule)?;
            }
            "Expiration" => rule.expiration = Some(parse_expiration(child)?),
            "AbortIncompleteMultipartUpload" => rule.abort_uploads = Some(parse_abort(child)?),
            name @ ("Transition" | "NoncurrentVersionTransition" | "NoncurrentVersionExpiration") => return Err(not_done(name)),
            _ => return Err(ErrorReply::malformed_xml()),
        }
    }
    rule.enabled = status.filter(|_| filter_count == 1).ok_or_else(ErrorReply::malformed_xml)?;
    check_rule(&rule)?;
    Ok(rule)
}

fn check_rule(rule: &LifecycleRule) -> Result<(), ErrorReply> {
    if rule.expiration.is_none() && rule.abort_uploads.is_none() {
        return Err(ErrorReply::invalid_request("At least one action needs to be specified in a rule"));
    }
    if rule.abort_uploads.is_some() && rule.tags != Tags::default() {
        return Err(ErrorReply::invalid_request("AbortIncompleteMultipartUpload cannot be specified with Tags"));
    }
    if rule.abort_uploads.is_some() && (rule.size_above.is_some() || rule.size_below.is_some()) {
        return Err(ErrorReply::invalid_request("AbortIncompleteMultipartUpload cannot be specified with Object Size"));
    }
    if let (Some(above), Some(below)) = (rule.size_above, rule.size_below)
        && above >= below
    {
        let message = "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'";
        return Err(ErrorReply::invalid_request(message));
    }
    Ok(())
}

fn not_done(what: &str) -> ErrorReply {
    ErrorReply::not_implemented(&format!("{what} is not implemented in lifecycle rules"))
}

fn parse_id(text: &str) -> Result<Option<String>, ErrorReply> {
    if text.chars().count() > ID_LENGTH_MAX {
        return Err(ErrorReply::invalid_argument("ID length should not exceed allowed limit of 255", "ID", text));
    }
    Ok(Some(text.to_owned()).filter(|id| !id.is_empty()))
}

fn parse_status(text: &str) -> Result<bool, ErrorReply> {
    match text.trim() {
        "Enabled" => Ok(true),
        "Disabled" => Ok(false),
        _ => Err(ErrorReply::malformed_xml()),
    }
}

fn parse_prefix(element: &Element) -> Result<String, ErrorReply> {
    let text = element.text();
    if text.len() > PREFIX_SIZE_MAX {
        let message = "The maximum size of a prefix is 1024.";
        return Err(ErrorReply::invalid_request(message));
    }
    Ok(text.to_owned())
}

/// One condition, or several within `And`; none at all is everything.
fn parse_filter(filter: &Element, rule: &mut LifecycleRule) -> Result<(), ErrorReply> {
    match filter.children() {
        [] => Ok(()),
        [and] if and.name() == "And" => parse_conditions(and.children(), rule),
        [one] => parse_conditions(std::slice::from_ref(one), rule),
        [_, ..] => Err(ErrorReply::malformed_xml()),
    }
}

fn parse_conditions(conditions: &[Element], rule: &mut LifecycleRule) -> Result<(), ErrorReply> {
    let size = |text: &str| text.trim().parse::<u64>().map(Some).map_err(|_| ErrorReply::malformed_xml());
    for condition in conditions {
        match condition.name() {
            "Prefix" => rule.prefix = parse_prefix(condition)?,
            "Tag" => {}
            "ObjectSizeGreaterThan" => rule.size_above = size(condition.text())?,
            "ObjectSizeLessThan" => rule.size_below = size(condition.text())?,
            _ => return Err(ErrorReply::malformed_xml()),
        }
    }
    rule.tags = tagging::parse_elements(conditions.iter().filter(|condition| condition.name() == "Tag"), Of::Object)?;
    Ok(())
}

fn parse_expiration(action: &Element) -> Result<Expiry, ErrorReply> {
    // Objects have no versions here, so no marker is ever left alone.
    let children: Vec<&Element> =
        action.children().iter().filter(|child| (child.name(), child.text().trim()) != ("ExpiredObjectDeleteMarker", "false")).collect();
    let [child] = children.as_slice() else { return Err(ErrorReply::malformed_xml()) };
    match child.name() {
        "Days" => parse_days(child.text(), "'Days' for Expiration action must be a positive integer", "Days"),
        "Date" => parse_date(child.text()).map(Expiry::Date),
        name @ "ExpiredObjectDeleteMarker" => Err(not_done(name)),
        _ => Err(ErrorReply::malformed_xml()),
    }
}

fn parse_abort(action: &Element) -> Result<Expiry, ErrorReply> {
    let [child] = action.children() else { return Err(ErrorReply::malformed_xml()) };
    if child.name() != "DaysAfterInitiation" {
        return Err(ErrorReply::malformed_xml());
    }
    let message = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer";
    parse_days(child.text(), message, "DaysAfterInitiation")
}

fn parse_days(text: &str, message: &'static str, name: &'static str) -> Result<Expiry, ErrorReply> {
    let days = text.trim().parse::<i64>().map_err(|_| ErrorReply::malformed_xml())?;
    let days = u32::try_from(days).ok().filter(|&days| days > 0 && i32::try_from(days).is_ok());
    days.map(Expiry::Days).ok_or_else(|| ErrorReply::invalid_argument(message, name, text.trim()))
}

/// A date with or without its time, which must be midnight.
fn parse_date(text: &str) -> Result<Timestamp, ErrorReply> {
    let text = text.trim();
    let with_time = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let date = OffsetDateTime::parse(&with_time, &Rfc3339).map_err(|_| ErrorReply::malformed_xml())?;
    let secs = date.unix_timestamp();
    if secs.rem_euclid(24 * 3600) != 0 || date.nanosecond() != 0 {
        return Err(ErrorReply::invalid_argument("'Date' must be at midnight GMT", "Date", text));
    }
    // What is stored must be what is told again.
    Some(Timestamp::from_secs(secs)).filter(|&date| date::can_be_shown(date)).ok_or_else(ErrorReply::malformed_xml)
}

/// `<LifecycleConfiguration>`. What another dialect's clients have set and S3 has no words for is left out: an S3 client
/// must not read it as something else.
pub(super) fn document(configuration: &LifecycleConfiguration) -> String {
    Writer::document("LifecycleConfiguration", NAMESPACE, |w| {
        for rule in &configuration.rules {
            w.element("Rule", |w| write_rule(w, rule));
        }
    })
}

fn write_rule(w: &mut Writer, rule: &LifecycleRule) {
    w.leaf_if("ID", rule.id.as_ref());
    w.element("Filter", |w| write_filter(w, rule));
    w.leaf("Status", if rule.enabled { "Enabled" } else { "Disabled" });
    match rule.expiration {
        Some(Expiry::Days(days)) => w.element("Expiration", |w| w.leaf("Days", days)),
        Some(Expiry::Date(date)) => w.element("Expiration", |w| w.leaf("Date", iso8601(date))),
        Some(Expiry::CreatedBefore(_)) | None => {}
    }
    match rule.abort_uploads {
        Some(Expiry::Days(days)) => w.element("AbortIncompleteMultipartUpload", |w| w.leaf("DaysAfterInitiation", days)),
        Some(Expiry::Date(_) | Expiry::CreatedBefore(_)) | None => {}
    }
}

fn write_filter(w: &mut Writer, rule: &LifecycleRule) {
    let sizes = usize::from(rule.size_above.is_some()) + usize::from(rule.size_below.is_some());
    let other_count = rule.tags.0.len() + sizes;
    let has_prefix = !rule.prefix.is_empty() || other_count == 0;
    let conditions = |w: &mut Writer| {
        w.leaf_if("Prefix", has_prefix.then_some(&rule.prefix));
        for (key, value) in &rule.tags.0 {
            w.element("Tag", |w| {
                w.leaf("Key", key);
                w.leaf("Value", value);
            });
        }
        w.leaf_if("ObjectSizeGreaterThan", rule.size_above);
        w.leaf_if("ObjectSizeLessThan", rule.size_below);
    };
    if other_count + usize::from(has_prefix) > 1 { w.element("And", conditions) } else { conditions(w) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rules: &str) -> Result<LifecycleConfiguration, (u16, &'static str, String)> {
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        parse_document(document.as_bytes()).map_err(|error| (error.status.as_u16(), error.code, error.message.to_string()))
    }

    fn one(inside: &str) -> Result<LifecycleRule, (u16, &'static str, String)> {
        parse(&format!("<Rule>{inside}</Rule>")).map(|mut configuration| configuration.rules.remove(0))
    }

    const DAYS: &str = "<Expiration><Days>3</Days></Expiration>";
    const ABORT: &str = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>";

    fn rule() -> LifecycleRule {
        LifecycleRule { enabled: true, expiration: Some(Expiry::Days(3)), ..LifecycleRule::default() }
    }

    #[test]
    fn rules_are_read_in_every_form_that_clients_write() {
        let tag = |key: &str| (key.to_owned(), "v".to_owned());
        for (text, expected) in [
            (format!("<ID>a</ID><Status>Enabled</Status><Prefix>p/</Prefix>{DAYS}"), LifecycleRule {
                id: Some("a".to_owned()),
                prefix: "p/".to_owned(),
                ..rule()
            }),
            (format!("<Filter/><Status>Disabled</Status>{DAYS}{ABORT}"), LifecycleRule {
                enabled: false,
                abort_uploads: Some(Expiry::Days(7)),
                ..rule()
            }),
            (format!("<Filter><Prefix>p/</Prefix></Filter><Status>Enabled</Status>{ABORT}"), LifecycleRule {
                prefix: "p/".to_owned(),
                expiration: None,
                abort_uploads: Some(Expiry::Days(7)),
                ..rule()
            }),
            (format!("<Filter><Tag><Key>t</Key><Value>v</Value></Tag></Filter><Status>Enabled</Status>{DAYS}"), LifecycleRule {
                tags: Tags(vec![tag("t")]),
                ..rule()
            }),
            (
                format!(
                    "<Filter><And><Prefix>p</Prefix><Tag><Key>t</Key><Value>v</Value></Tag><Tag><Key>u</Key><Value>v</Value></Tag>\
                     <ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>7</ObjectSizeLessThan></And></Filter>\
                     <Status>Enabled</Status>{DAYS}"
                ),
                LifecycleRule {
                    prefix: "p".to_owned(),
                    tags: Tags(vec![tag("t"), tag("u")]),
                    size_above: Some(5),
                    size_below: Some(7),
                    ..rule()
                },
            ),
            (
                "<Prefix/><Status>Enabled</Status><Expiration><Date>2026-01-15T00:00:00.000Z</Date></Expiration>".to_owned(),
                LifecycleRule { expiration: Some(Expiry::Date(Timestamp::from_secs(1_768_435_200))), ..rule() },
            ),
            (
                "<Prefix/><Status>Enabled</Status><Expiration><Date>2026-01-15</Date></Expiration>".to_owned(),
                LifecycleRule { expiration: Some(Expiry::Date(Timestamp::from_secs(1_768_435_200))), ..rule() },
            ),
            (
                "<Prefix/><Status>Enabled</Status><Expiration><Days>3</Days><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration>"
                    .to_owned(),
                rule(),
            ),
        ] {
            assert_eq!(one(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn rules_are_refused_as_s3_refuses_them() {
        let rule = |inside: &str| format!("<Prefix/><Status>Enabled</Status>{inside}");
        let days = |days: &str| rule(&format!("<Expiration><Days>{days}</Days></Expiration>"));
        for (text, status, code, words) in [
            (String::new(), 400, "MalformedXML", ""),
            (format!("<Status>Enabled</Status>{DAYS}"), 400, "MalformedXML", ""),
            (format!("<Prefix/>{DAYS}"), 400, "MalformedXML", ""),
            (format!("<Prefix/><Filter/><Status>Enabled</Status>{DAYS}"), 400, "MalformedXML", ""),
            (format!("<Prefix/><Status>On</Status>{DAYS}"), 400, "MalformedXML", ""),
            (rule("<Unknown/>"), 400, "MalformedXML", ""),
            (rule(""), 400, "InvalidRequest", "At least one action needs to be specified in a rule"),
            (rule("<Expiration/>"), 400, "MalformedXML", ""),
            (rule("<Expiration><Days>1</Days><Date>2026-01-15</Date></Expiration>"), 400, "MalformedXML", ""),
            (days("0"), 400, "InvalidArgument", "'Days' for Expiration action must be a positive integer"),
            (days("-1"), 400, "InvalidArgument", "must be a positive integer"),
            (days("4294967296"), 400, "InvalidArgument", "must be a positive integer"),
            (days("soon"), 400, "MalformedXML", ""),
            (rule("<Expiration><Date>2026-01-15T08:30:00Z</Date></Expiration>"), 400, "InvalidArgument", "'Date' must be at midnight GMT"),
            (rule("<Expiration><Date>tomorrow</Date></Expiration>"), 400, "MalformedXML", ""),
            (rule("<Expiration><Date>1969-12-31</Date></Expiration>"), 400, "MalformedXML", ""),
            (rule("<Expiration><Date>9999-12-31T23:00:00-01:00</Date></Expiration>"), 400, "MalformedXML", ""),
            (rule("<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"), 501, "NotImplemented", ""),
            (rule("<NoncurrentVersionExpiration/>"), 501, "NotImplemented", ""),
            (rule("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"), 501, "NotImplemented", ""),
            (format!("<ID>{}</ID>{}", "x".repeat(256), days("1")), 400, "InvalidArgument", "ID length should not exceed"),
            (format!("<Prefix>{}</Prefix><Status>Enabled</Status>{DAYS}", "x".repeat(1025)), 400, "InvalidRequest", "1024"),
            (
                format!("<Filter><Tag><Key>t</Key><Value>v</Value></Tag></Filter><Status>Enabled</Status>{ABORT}"),
                400,
                "InvalidRequest",
                "cannot be specified with Tags",
            ),
            (
                format!("<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter><Status>Enabled</Status>{ABORT}"),
                400,
                "InvalidRequest",
                "cannot be specified with Object Size",
            ),
            (
                format!(
                    "<Filter><And><ObjectSizeLessThan>5</ObjectSizeLessThan><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>\
                     <Status>Enabled</Status>{DAYS}"
                ),
                400,
                "InvalidRequest",
                "has to be a value greater than",
            ),
            (format!("<Filter><Prefix/><Prefix/></Filter><Status>Enabled</Status>{DAYS}"), 400, "MalformedXML", ""),
            (format!("<Filter><ObjectSizeLessThan>x</ObjectSizeLessThan></Filter><Status>Enabled</Status>{DAYS}"), 400, "MalformedXML", ""),
            (format!("<Filter><And><Tag><Key/><Value/></Tag></And></Filter><Status>Enabled</Status>{DAYS}"), 400, "InvalidTag", ""),
        ] {
            let refused = one(&text).unwrap_err();
            assert_eq!((refused.0, refused.1), (status, code), "{text}");
            assert!(refused.2.contains(words), "{text}: {}", refused.2);
        }
        let twice = format!("<Rule><ID>a</ID>{}</Rule>", rule(DAYS)).repeat(2);
        assert_eq!(parse(&twice).unwrap_err().1, "InvalidArgument");
        assert_eq!(parse(&format!("<Rule>{}</Rule>", rule(DAYS)).repeat(1001)).unwrap_err().1, "InvalidRequest");
        assert_eq!(parse("").unwrap_err().1, "MalformedXML");
        assert_eq!(parse_document(b"").unwrap_err().code, "MissingRequestBodyError");
        assert_eq!(parse_document(b"<x").unwrap_err().code, "MalformedXML");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let rules = vec![
            LifecycleRule { id: Some("<a>".to_owned()), ..rule() },
            LifecycleRule { prefix: "p/".to_owned(), abort_uploads: Some(Expiry::Days(1)), expiration: None, ..rule() },
            LifecycleRule { tags: Tags(vec![("t".to_owned(), String::new())]), enabled: false, ..rule() },
            LifecycleRule { prefix: "p".to_owned(), size_below: Some(7), ..rule() },
            LifecycleRule { size_above: Some(5), expiration: Some(Expiry::Date(Timestamp::from_secs(1_768_435_200))), ..rule() },
        ];
        let configuration = LifecycleConfiguration { rules };
        assert_eq!(parse_document(document(&configuration).as_bytes()).map_err(|error| error.code), Ok(configuration));
    }

    #[test]
    fn what_s3_has_no_words_for_is_left_out() {
        let date = Timestamp::from_secs(1_768_435_200);
        let rule = LifecycleRule { expiration: Some(Expiry::CreatedBefore(date)), abort_uploads: Some(Expiry::Date(date)), ..rule() };
        let document = document(&LifecycleConfiguration { rules: vec![rule] });
        assert!(!document.contains("2026") && !document.contains("Abort"), "{document}");
    }
}
