//! The lifecycle document of OSS ("PutBucketLifecycle").
//!
//! A rule that would move objects to another storage class, or is about versions, is refused by name: a
//! client must not believe that what it wrote is being done.

use super::{
    error::{ErrorReply, invalid_argument, invalid_request, malformed_xml, not_implemented_here},
    response::iso8601,
    tagging::{self, Of},
};
use crate::{
    dialect::{
        date,
        xml::{Element, Writer},
    },
    model::{Expiry, LifecycleConfiguration, LifecycleRule, Tags, Timestamp},
};
use std::str::FromStr;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Most rules of a bucket.
const RULE_COUNT_MAX: usize = 1000;
/// Longest id of a rule, in bytes.
const ID_SIZE_MAX: usize = 255;
/// Longest prefix: as a key. Bytes.
const PREFIX_SIZE_MAX: usize = 1023;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// Reads a `<LifecycleConfiguration>` document.
///
/// # Errors
/// `MalformedXML`, `InvalidArgument`, `InvalidRequest`, tags that are none; `NotImplemented` for what would not be done.
pub(super) fn parse_document(document: &[u8]) -> Result<LifecycleConfiguration, ErrorReply> {
    let root = Element::parse(document).map_err(|_| malformed_xml())?;
    let rules = root.children();
    if root.name() != "LifecycleConfiguration" || rules.is_empty() || rules.iter().any(|rule| rule.name() != "Rule") {
        return Err(malformed_xml());
    }
    if rules.len() > RULE_COUNT_MAX {
        return Err(invalid_request("The number of lifecycle rules must not exceed the allowed limit of 1000 rules."));
    }
    let rules: Vec<LifecycleRule> = rules.iter().map(parse_rule).collect::<Result<_, _>>()?;
    for (index, rule) in rules.iter().enumerate() {
        if let Some(id) = &rule.id
            && rules[..index].iter().any(|other| other.id.as_ref() == Some(id))
        {
            return Err(invalid_argument("Rule ID must be unique. Found same ID for more than one rule.", "ID", id));
        }
    }
    Ok(LifecycleConfiguration { rules })
}

fn parse_rule(element: &Element) -> Result<LifecycleRule, ErrorReply> {
    let mut rule = LifecycleRule::default();
    let mut tags = Vec::new();
    let mut has_status = false;
    for child in element.children() {
        let text = child.text();
        match child.name() {
            "ID" if text.len() <= ID_SIZE_MAX => rule.id = Some(text.trim().to_owned()).filter(|id| !id.is_empty()),
            "ID" => return Err(invalid_argument("The ID of a rule must not be longer than 255 bytes.", "ID", text)),
            "Prefix" if text.len() <= PREFIX_SIZE_MAX => rule.prefix = text.to_owned(),
            "Prefix" => return Err(invalid_argument("The prefix of a rule must not be longer than 1023 bytes.", "Prefix", text)),
            "Status" => {
                rule.enabled = match text.trim() {
                    "Enabled" => true,
                    "Disabled" => false,
                    _ => return Err(malformed_xml()),
                };
                has_status = true;
            }
            "Expiration" => rule.expiration = Some(parse_expiry(child, &["Days", "Date", "CreatedBeforeDate"])?),
            "AbortMultipartUpload" => rule.abort_uploads = Some(parse_expiry(child, &["Days", "CreatedBeforeDate"])?),
            "Tag" => tags.push(tagging::parse_tag(child)?),
            "Filter" => parse_filter(child, &mut rule)?,
            name @ ("Transition" | "NoncurrentVersionTransition" | "NoncurrentVersionExpiration" | "AtimeBase") => {
                return Err(not_implemented_here(format_args!("{name} of a lifecycle rule")));
            }
            _ => return Err(malformed_xml()),
        }
    }
    if !has_status || (rule.expiration.is_none() && rule.abort_uploads.is_none()) {
        return Err(malformed_xml());
    }
    rule.tags = tagging::check(tags, Of::Object)?;
    // Uploads have no tags, so this would never be done.
    if rule.abort_uploads.is_some() && rule.tags != Tags::default() {
        return Err(invalid_request("AbortMultipartUpload cannot be specified with Tag."));
    }
    Ok(rule)
}

/// When an action is due: exactly one of these children says it.
fn parse_expiry(action: &Element, allowed: &[&str]) -> Result<Expiry, ErrorReply> {
    let [child] = action.children() else { return Err(malformed_xml()) };
    let text = child.text().trim();
    match child.name() {
        "ExpiredObjectDeleteMarker" => Err(not_implemented_here("ExpiredObjectDeleteMarker of a lifecycle rule")),
        name if !allowed.contains(&name) => Err(malformed_xml()),
        "Days" => {
            let days = parse_number(text).filter(|&days| days > 0);
            days.map(Expiry::Days).ok_or_else(|| invalid_argument("'Days' must be a positive integer.", "Days", text))
        }
        "Date" => parse_date(text, "Date").map(Expiry::Date),
        _ => parse_date(text, "CreatedBeforeDate").map(Expiry::CreatedBefore),
    }
}

/// The sizes of a filter. What else it can say is an exception from the rule, so ignoring it would delete too much.
fn parse_filter(filter: &Element, rule: &mut LifecycleRule) -> Result<(), ErrorReply> {
    for child in filter.children() {
        let text = child.text().trim();
        let size = || parse_number(text).ok_or_else(|| invalid_argument("The size of a filter must be a number of bytes.", "Filter", text));
        match child.name() {
            "ObjectSizeGreaterThan" => rule.size_above = Some(size()?),
            "ObjectSizeLessThan" => rule.size_below = Some(size()?),
            "Not" => return Err(not_implemented_here("Filter with Not of a lifecycle rule")),
            _ => return Err(malformed_xml()),
        }
    }
    if let (Some(above), Some(below)) = (rule.size_above, rule.size_below)
        && above >= below
    {
        return Err(invalid_argument("ObjectSizeLessThan must be larger than ObjectSizeGreaterThan.", "ObjectSizeLessThan", below));
    }
    Ok(())
}

fn parse_number<N: FromStr>(text: &str) -> Option<N> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A midnight in UTC: `2002-10-11T00:00:00.000Z`.
fn parse_date(text: &str, name: &'static str) -> Result<Timestamp, ErrorReply> {
    let seconds = OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos);
    let millis = seconds.and_then(|nanos| i64::try_from(nanos.div_euclid(1_000_000)).ok());
    let midnight = millis.filter(|millis| millis % DAY_MILLIS == 0).map(Timestamp::from_millis);
    // What is stored must be what is told again.
    midnight.filter(|&midnight| date::can_be_shown(midnight)).ok_or_else(|| {
        let message = format!("'{name}' must be at midnight GMT, in ISO 8601 format.");
        invalid_argument(message, name, text)
    })
}

/// `<LifecycleConfiguration>`. Clients look for the id, prefix and status of every rule.
pub(super) fn document(configuration: &LifecycleConfiguration) -> String {
    Writer::document("LifecycleConfiguration", "", |w| {
        for rule in &configuration.rules {
            w.element("Rule", |w| write_rule(w, rule));
        }
    })
}

fn write_rule(w: &mut Writer, rule: &LifecycleRule) {
    w.leaf("ID", rule.id.as_deref().unwrap_or_default());
    w.leaf("Prefix", &rule.prefix);
    w.leaf("Status", if rule.enabled { "Enabled" } else { "Disabled" });
    if rule.size_above.is_some() || rule.size_below.is_some() {
        w.element("Filter", |w| {
            w.leaf_if("ObjectSizeGreaterThan", rule.size_above);
            w.leaf_if("ObjectSizeLessThan", rule.size_below);
        });
    }
    tagging::write(w, &rule.tags);
    for (name, expiry) in [("Expiration", rule.expiration), ("AbortMultipartUpload", rule.abort_uploads)] {
        let Some(expiry) = expiry else { continue };
        w.element(name, |w| match expiry {
            Expiry::Days(days) => w.leaf("Days", days),
            Expiry::Date(date) => w.leaf("Date", iso8601(date)),
            Expiry::CreatedBefore(date) => w.leaf("CreatedBeforeDate", iso8601(date)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::response::{self, fixture::*},
        *,
    };
    use http::StatusCode;
    use proptest::prelude::*;

    /// 2002-10-11T00:00:00Z.
    const MIDNIGHT: Timestamp = Timestamp::from_secs(1_034_294_400);

    fn parse(rule: &str) -> Result<LifecycleRule, ErrorReply> {
        let document = format!("<LifecycleConfiguration><Rule>{rule}</Rule></LifecycleConfiguration>");
        parse_document(document.as_bytes()).map(|configuration| configuration.rules[0].clone())
    }

    #[test]
    fn rules_are_read_as_written() {
        let expiring = LifecycleRule {
            id: Some("old".to_owned()),
            enabled: true,
            prefix: "logs/ ".to_owned(),
            tags: Tags(vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]),
            size_above: Some(500),
            size_below: Some(64000),
            expiration: Some(Expiry::Days(1)),
            abort_uploads: None,
        };
        let aborting = LifecycleRule {
            expiration: Some(Expiry::CreatedBefore(MIDNIGHT)),
            abort_uploads: Some(Expiry::Days(30)),
            ..LifecycleRule::default()
        };
        let dated = LifecycleRule {
            id: Some("dated".to_owned()),
            expiration: Some(Expiry::Date(MIDNIGHT)),
            abort_uploads: Some(Expiry::CreatedBefore(MIDNIGHT)),
            ..LifecycleRule::default()
        };
        let configuration = LifecycleConfiguration { rules: vec![expiring, aborting, dated] };
        assert_eq!(parse_document(document(&configuration).as_bytes()), Ok(configuration.clone()));
        check("lifecycle", &response::document(StatusCode::OK, document(&configuration), &context()));
    }

    #[test]
    fn what_clients_send_is_understood() {
        let rule = parse(
            "<ID>r</ID><Prefix>a/</Prefix><Status>Enabled</Status><Expiration>\n<CreatedBeforeDate>2002-10-11T00:00:00.000Z</CreatedBeforeDate>\n</Expiration>",
        );
        assert_eq!(rule.map(|rule| rule.expiration), Ok(Some(Expiry::CreatedBefore(MIDNIGHT))));
        let rule = parse("<Prefix/><Status>Disabled</Status><AbortMultipartUpload><Days>7</Days></AbortMultipartUpload>").unwrap();
        assert_eq!((rule.id, rule.enabled, rule.abort_uploads), (None, false, Some(Expiry::Days(7))));
    }

    #[test]
    fn what_would_not_be_done_is_refused_by_name() {
        let base = "<Prefix/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>";
        for (addition, name) in [
            ("<Transition><Days>30</Days><StorageClass>IA</StorageClass></Transition>", "Transition"),
            (
                "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
                "NoncurrentVersionExpiration",
            ),
            ("<NoncurrentVersionTransition/>", "NoncurrentVersionTransition"),
            ("<Filter><Not><Prefix>a</Prefix></Not></Filter>", "Not"),
            ("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>", "ExpiredObjectDeleteMarker"),
        ] {
            let refused = parse(&format!("{base}{addition}")).unwrap_err();
            assert!(refused.code == "NotImplemented" && refused.message.contains(name), "{refused:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let expiring = |expiration: &str| format!("<Prefix/><Status>Enabled</Status><Expiration>{expiration}</Expiration>");
        for (rule, code) in [
            (String::new(), "MalformedXML"),
            ("<Prefix/><Status>Enabled</Status>".to_owned(), "MalformedXML"),
            ("<Prefix/><Expiration><Days>1</Days></Expiration>".to_owned(), "MalformedXML"),
            ("<Prefix/><Status>On</Status><Expiration><Days>1</Days></Expiration>".to_owned(), "MalformedXML"),
            (expiring(""), "MalformedXML"),
            (expiring("<Days>1</Days><Date>2002-10-11T00:00:00.000Z</Date>"), "MalformedXML"),
            (expiring("<X/>"), "MalformedXML"),
            (format!("{}<X/>", expiring("<Days>1</Days>")), "MalformedXML"),
            (expiring("<Days>0</Days>"), "InvalidArgument"),
            (expiring("<Days>-1</Days>"), "InvalidArgument"),
            (expiring("<Days>+1</Days>"), "InvalidArgument"),
            (expiring("<Days>99999999999</Days>"), "InvalidArgument"),
            (expiring("<Date>2002-10-11T00:00:01.000Z</Date>"), "InvalidArgument"),
            (expiring("<Date>2002-10-11T00:00:00+08:00</Date>"), "InvalidArgument"),
            (expiring("<Date>1969-12-31T23:59:59.9999999Z</Date>"), "InvalidArgument"),
            (expiring("<Date>9999-12-31T23:00:00-01:00</Date>"), "InvalidArgument"),
            (expiring("<Date>yesterday</Date>"), "InvalidArgument"),
            (format!("<ID>{}</ID>{}", "i".repeat(256), expiring("<Days>1</Days>")), "InvalidArgument"),
            (format!("{}<Tag><Key/></Tag>", expiring("<Days>1</Days>")), "InvalidTag"),
            (
                "<Status>Enabled</Status><AbortMultipartUpload><Days>1</Days></AbortMultipartUpload><Tag><Key>a</Key><Value/></Tag>"
                    .to_owned(),
                "InvalidRequest",
            ),
            (
                format!(
                    "{}<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>",
                    expiring("<Days>1</Days>")
                ),
                "InvalidArgument",
            ),
        ] {
            assert_eq!(parse(&rule).map_err(|error| error.code), Err(code), "{rule}");
        }
        for document in ["", "<X/>", "<LifecycleConfiguration/>"] {
            assert_eq!(parse_document(document.as_bytes()).map_err(|error| error.code), Err("MalformedXML"));
        }
        let twice = format!("<Rule><ID>a</ID>{0}</Rule><Rule><ID>a</ID>{0}</Rule>", expiring("<Days>1</Days>"));
        let document = format!("<LifecycleConfiguration>{twice}</LifecycleConfiguration>");
        assert_eq!(parse_document(document.as_bytes()).map_err(|error| error.code), Err("InvalidArgument"));
    }

    /// Rules of whatever elements, most of which are none.
    fn any_rules() -> impl Strategy<Value = String> {
        let due = prop_oneof![
            (0u64..5_000_000_000).prop_map(|days| format!("<Days>{days}</Days>")),
            (1u8..13, 1u8..31).prop_map(|(month, day)| format!("<Date>2030-{month:02}-{day:02}T00:00:00.000Z</Date>")),
            Just("<CreatedBeforeDate>1970-01-01T00:00:00Z</CreatedBeforeDate>".to_owned()),
            "[0-9a-z.:-]{0,12}".prop_map(|text| format!("<Date>{text}</Date>")),
        ];
        let element = prop_oneof![
            "[ -%'-;=-~]{0,12}".prop_map(|text| format!("<ID>{text}</ID>")),
            "[ -%'-;=-~]{0,12}".prop_map(|text| format!("<Prefix>{text}</Prefix>")),
            due.clone().prop_map(|due| format!("<Expiration>{due}</Expiration>")),
            due.prop_map(|due| format!("<AbortMultipartUpload>{due}</AbortMultipartUpload>")),
            "[a-c]{0,2}".prop_map(|key| format!("<Tag><Key>{key}</Key></Tag>")),
            any::<u64>().prop_map(|size| format!("<Filter><ObjectSizeGreaterThan>{size}</ObjectSizeGreaterThan></Filter>")),
        ];
        let rule =
            prop::collection::vec(element, 0..5).prop_map(|elements| format!("<Rule><Status>Enabled</Status>{}</Rule>", elements.concat()));
        prop::collection::vec(rule, 0..3).prop_map(|rules| format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rules.concat()))
    }

    proptest! {
        #[test]
        fn rules_that_are_read_are_written_so_that_they_read_the_same(text in any_rules()) {
            if let Ok(configuration) = parse_document(text.as_bytes()) {
                prop_assert_eq!(parse_document(document(&configuration).as_bytes()), Ok(configuration));
            }
        }
    }
}
