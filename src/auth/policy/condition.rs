//! The Condition element: operators, keys and values (IAM User Guide, "IAM JSON policy elements: Condition operators").

use super::pattern::Pattern;
use crate::{
    auth::{date, json::Json},
    model::Timestamp,
};
use std::net::IpAddr;

/// Looks up what a request has for a condition key, by its lower-case name.
pub(super) type Context<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// One operator on one key: the values are alternatives.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Lower-case.
    key: &'static str,
    test: Test,
    /// Holds when the values do *not* match, a missing key included.
    negated: bool,
    /// Holds when the key is missing.
    if_exists: bool,
}

#[derive(Clone, Debug)]
enum Test {
    Equals(Vec<String>),
    /// The values are lower-case.
    EqualsIgnoreCase(Vec<String>),
    Like(Vec<Pattern>),
    Number(Comparison, Vec<f64>),
    Date(Comparison, Vec<Timestamp>),
    Bool(Vec<bool>),
    Ip(Vec<Network>),
    Null(bool),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What kind of value a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Date,
    Bool,
    Ip,
}

/// Every condition key that requests have values for. Another one would never match, so it is refused.
const KEYS: [(&str, Kind); 13] = [
    ("aws:sourceip", Kind::Ip),
    ("aws:securetransport", Kind::Bool),
    ("aws:currenttime", Kind::Date),
    ("aws:useragent", Kind::Text),
    ("aws:referer", Kind::Text),
    ("s3:prefix", Kind::Text),
    ("s3:delimiter", Kind::Text),
    ("s3:max-keys", Kind::Number),
    ("s3:x-amz-acl", Kind::Text),
    ("s3:x-amz-storage-class", Kind::Text),
    ("s3:x-amz-metadata-directive", Kind::Text),
    ("s3:x-amz-copy-source", Kind::Text),
    ("s3:x-amz-server-side-encryption", Kind::Text),
];

/// Condition keys as OSS's documents spell them, and the key of [`KEYS`] that they are.
const OSS_KEYS: [(&str, &str); 7] = [
    ("acs:sourceip", "aws:sourceip"),
    ("acs:securetransport", "aws:securetransport"),
    ("acs:currenttime", "aws:currenttime"),
    ("acs:useragent", "aws:useragent"),
    ("acs:referer", "aws:referer"),
    ("oss:prefix", "s3:prefix"),
    ("oss:delimiter", "s3:delimiter"),
];

/// Headers whose values are condition keys, each with the key's name as the context holds it.
pub type ContextHeaders = &'static [(&'static str, &'static str)];

/// The headers that say in the S3 dialect what conditions ask about.
pub const CONTEXT_HEADERS: ContextHeaders = &[
    ("user-agent", "aws:useragent"),
    ("referer", "aws:referer"),
    ("x-amz-acl", "s3:x-amz-acl"),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
    ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
    ("x-amz-copy-source", "s3:x-amz-copy-source"),
    ("x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"),
];

/// The headers that say the same of an object in the OSS dialect. `x-amz-*` headers say nothing there: neither are they
/// signed, nor does anybody act on them.
pub const OSS_OBJECT_CONTEXT_HEADERS: ContextHeaders = &[
    ("user-agent", "aws:useragent"),
    ("referer", "aws:referer"),
    ("x-oss-object-acl", "s3:x-amz-acl"),
    ("x-oss-storage-class", "s3:x-amz-storage-class"),
    ("x-oss-metadata-directive", "s3:x-amz-metadata-directive"),
    ("x-oss-copy-source", "s3:x-amz-copy-source"),
    ("x-oss-server-side-encryption", "s3:x-amz-server-side-encryption"),
];

/// And of a bucket.
pub const OSS_BUCKET_CONTEXT_HEADERS: ContextHeaders =
    &[("user-agent", "aws:useragent"), ("referer", "aws:referer"), ("x-oss-acl", "s3:x-amz-acl")];

impl Condition {
    /// Reads `{ operator: { key: value or [values] } }`; all of the conditions must hold.
    pub(super) fn read_block(block: &Json) -> Result<Vec<Self>, String> {
        let Json::Object(operators) = block else { return Err("Condition must be an object".to_owned()) };
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let Json::Object(keys) = keys else { return Err(format!("Condition {operator} must be an object")) };
            for (key, values) in keys {
                conditions.push(Self::read(operator, key, values)?);
            }
        }
        Ok(conditions)
    }

    fn read(operator: &str, key: &str, values: &Json) -> Result<Self, String> {
        let key_lower = key.to_ascii_lowercase();
        let name = OSS_KEYS.iter().find(|(oss, _)| *oss == key_lower).map_or(key_lower.as_str(), |(_, name)| name);
        let &(known, kind) =
            KEYS.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("condition key {key} is not supported"))?;
        let values = read_values(values).filter(|values| !values.is_empty()).ok_or_else(|| format!("{operator} {key} has no values"))?;
        if values.iter().any(|value| value.contains("${")) {
            return Err(format!("policy variables are not supported: {operator} {key}"));
        }
        let (base, if_exists) = match operator.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (operator, false),
        };
        let unsupported = || format!("condition operator {operator} is not supported");
        let (test, wanted) = read_test(base, &values).ok_or_else(unsupported)?;
        let test = test.ok_or_else(|| format!("a value of {operator} {key} cannot be read"))?;
        if wanted.is_some_and(|wanted| wanted != kind) {
            return Err(format!("condition operator {operator} does not apply to {key}"));
        }
        if if_exists && matches!(test, Test::Null(_)) {
            return Err(unsupported());
        }
        Ok(Self { key: known, test, negated: base.contains("Not"), if_exists })
    }

    /// Whether a request fulfils it.
    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        let value = context(self.key);
        if let Test::Null(expected) = self.test {
            // An empty value says as little as none: a listing's prefix has no other way to be absent.
            return value.is_none_or(|value| value.is_empty()) == expected;
        }
        match value {
            Some(value) => self.test.matches(&value) != self.negated,
            None => self.negated || self.if_exists,
        }
    }

    /// Whether it ties the statement to source addresses narrow enough not to be called public: ranges of /8 (IPv4) or /32
    /// (IPv6) at most (S3 User Guide, "The meaning of public").
    pub(super) fn pins_source(&self) -> bool {
        match &self.test {
            Test::Ip(networks) => !self.negated && !self.if_exists && networks.iter().all(Network::is_narrow),
            Test::Equals(_)
            | Test::EqualsIgnoreCase(_)
            | Test::Like(_)
            | Test::Number(..)
            | Test::Date(..)
            | Test::Bool(_)
            | Test::Null(_) => false,
        }
    }
}

/// The test an operator makes, and the kind of key it is for; `None` inside when a value is not of that kind.
fn read_test(operator: &str, values: &[String]) -> Option<(Option<Test>, Option<Kind>)> {
    let number = |comparison| (parse_all(values, parse_number).map(|values| Test::Number(comparison, values)), Some(Kind::Number));
    let date = |comparison| (parse_all(values, parse_date).map(|values| Test::Date(comparison, values)), Some(Kind::Date));
    Some(match operator {
        "StringEquals" | "StringNotEquals" => (Some(Test::Equals(values.to_vec())), None),
        "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => {
            (Some(Test::EqualsIgnoreCase(values.iter().map(|value| value.to_lowercase()).collect())), None)
        }
        "StringLike" | "StringNotLike" => (Some(Test::Like(values.iter().map(|value| Pattern::new(value)).collect())), None),
        "NumericEquals" | "NumericNotEquals" => number(Comparison::Equal),
        "NumericLessThan" => number(Comparison::Less),
        "NumericLessThanEquals" => number(Comparison::LessOrEqual),
        "NumericGreaterThan" => number(Comparison::Greater),
        "NumericGreaterThanEquals" => number(Comparison::GreaterOrEqual),
        "DateEquals" | "DateNotEquals" => date(Comparison::Equal),
        "DateLessThan" => date(Comparison::Less),
        "DateLessThanEquals" => date(Comparison::LessOrEqual),
        "DateGreaterThan" => date(Comparison::Greater),
        "DateGreaterThanEquals" => date(Comparison::GreaterOrEqual),
        "Bool" => (parse_all(values, parse_bool).map(Test::Bool), Some(Kind::Bool)),
        "IpAddress" | "NotIpAddress" => (parse_all(values, Network::parse).map(Test::Ip), Some(Kind::Ip)),
        "Null" => match values {
            [value] => (parse_bool(value).map(Test::Null), None),
            [] | [_, _, ..] => (None, None),
        },
        _ => return None,
    })
}

impl Test {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Equals(values) => values.iter().any(|expected| expected == value),
            Self::EqualsIgnoreCase(values) => {
                let value = value.to_lowercase();
                values.contains(&value)
            }
            Self::Like(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
            Self::Number(comparison, values) => {
                parse_number(value).is_some_and(|value| values.iter().any(|expected| comparison.holds(&value, expected)))
            }
            Self::Date(comparison, values) => {
                parse_date(value).is_some_and(|value| values.iter().any(|expected| comparison.holds(&value, expected)))
            }
            Self::Bool(values) => parse_bool(value).is_some_and(|value| values.contains(&value)),
            Self::Ip(networks) => value.parse().is_ok_and(|address| networks.iter().any(|network| network.contains(address))),
            Self::Null(expected) => value.is_empty() == *expected,
        }
    }
}

impl Comparison {
    fn holds<T: PartialOrd>(self, value: &T, expected: &T) -> bool {
        match self {
            Self::Equal => value == expected,
            Self::Less => value < expected,
            Self::LessOrEqual => value <= expected,
            Self::Greater => value > expected,
            Self::GreaterOrEqual => value >= expected,
        }
    }
}

/// An address range in CIDR notation; a bare address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_length: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let length_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_length = match length {
            Some(length) => length.parse().ok().filter(|&length| length <= length_max)?,
            None => length_max,
        };
        Some(Self { address, prefix_length })
    }

    fn contains(&self, address: IpAddr) -> bool {
        // A dual-stack socket reports IPv4 peers as mapped IPv6 addresses.
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix_length)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix_length)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn is_narrow(&self) -> bool {
        self.prefix_length >= if self.address.is_ipv4() { 8 } else { 32 }
    }
}

/// One value or a list of them, as text; `None` when one is neither string, number nor boolean.
fn read_values(values: &Json) -> Option<Vec<String>> {
    match values {
        Json::String(text) | Json::Number(text) => Some(vec![text.clone()]),
        Json::Bool(value) => Some(vec![value.to_string()]),
        Json::List(list) => {
            let values: Option<Vec<_>> =
                list.iter().map(|value| if matches!(value, Json::List(_)) { None } else { read_values(value) }).collect();
            Some(values?.concat())
        }
        Json::Null | Json::Object(_) => None,
    }
}

fn parse_all<T>(values: &[String], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    values.iter().map(|value| parse(value)).collect()
}

fn parse_number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// ISO 8601, or seconds since the epoch.
fn parse_date(text: &str) -> Option<Timestamp> {
    let day = || date::parse_iso_extended(&format!("{text}T00:00:00Z"));
    date::parse_iso_extended(text).or_else(day).or_else(|| text.parse().ok().map(Timestamp::from_secs))
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the condition holds for a request whose every key has this value, or is missing.
    fn holds(block: &str, value: Option<&str>) -> bool {
        let conditions = Condition::read_block(&Json::parse(block).unwrap()).unwrap();
        conditions.iter().all(|condition| condition.holds(&|_| value.map(str::to_owned)))
    }

    #[test]
    fn operators_match_what_they_name() {
        for (block, yes, no) in [
            (r#"{"StringEquals":{"s3:prefix":["a","b"]}}"#, "b", "B"),
            (r#"{"StringNotEquals":{"s3:prefix":["a","b"]}}"#, "c", "a"),
            (r#"{"StringEqualsIgnoreCase":{"s3:prefix":"Ab"}}"#, "aB", "a"),
            (r#"{"StringNotEqualsIgnoreCase":{"s3:prefix":"Ab"}}"#, "a", "aB"),
            (r#"{"StringLike":{"s3:prefix":"home/?/*"}}"#, "home/a/b", "home//b"),
            (r#"{"StringNotLike":{"s3:prefix":"home/*"}}"#, "etc", "home/"),
            (r#"{"NumericEquals":{"s3:max-keys":10}}"#, "10", "11"),
            (r#"{"NumericNotEquals":{"s3:max-keys":"10"}}"#, "11", "10"),
            (r#"{"NumericLessThan":{"s3:max-keys":10}}"#, "9", "10"),
            (r#"{"NumericLessThanEquals":{"s3:max-keys":10}}"#, "10", "11"),
            (r#"{"NumericGreaterThan":{"s3:max-keys":10}}"#, "11", "10"),
            (r#"{"NumericGreaterThanEquals":{"s3:max-keys":10}}"#, "10", "9"),
            (r#"{"DateLessThan":{"aws:CurrentTime":"2026-01-15T00:00:00Z"}}"#, "2026-01-14T23:59:59Z", "2026-01-15T00:00:00Z"),
            (r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-01-15"}}"#, "2026-01-15T00:00:01Z", "2026-01-15T00:00:00Z"),
            (r#"{"DateGreaterThanEquals":{"aws:CurrentTime":"0"}}"#, "1970-01-01T00:00:00Z", "1969-12-31T00:00:00Z"),
            (r#"{"Bool":{"aws:SecureTransport":true}}"#, "true", "false"),
            (r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}}"#, "10.255.0.1", "11.0.0.1"),
            (r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}}"#, "2001:db8:1::1", "2001:db9::1"),
            (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, "::ffff:1.2.3.4", "::1"),
            (r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.1"}}"#, "192.0.2.2", "192.0.2.1"),
            (r#"{"Null":{"s3:x-amz-acl":"false"}}"#, "private", ""),
            (r#"{"IpAddress":{"acs:SourceIp":["10.0.0.0/8"]}}"#, "10.255.0.1", "11.0.0.1"),
            (r#"{"NotIpAddress":{"acs:SourceIp":["10.0.0.0/8"]}}"#, "11.0.0.1", "10.0.0.1"),
            (r#"{"Bool":{"acs:SecureTransport":["true"]}}"#, "true", "false"),
            (r#"{"DateLessThan":{"acs:CurrentTime":"2026-01-15T08:00:00+08:00"}}"#, "2026-01-14T23:59:59Z", "2026-01-15T00:00:00Z"),
            (r#"{"StringLike":{"acs:UserAgent":"aliyun-*"}}"#, "aliyun-sdk-js", "curl"),
            (r#"{"StringEquals":{"oss:Prefix":["a/","b/"]}}"#, "b/", "c/"),
            (r#"{"StringEquals":{"oss:Delimiter":"/"}}"#, "/", ""),
        ] {
            assert!(holds(block, Some(yes)), "{block} {yes}");
            assert!(!holds(block, Some(no)), "{block} {no}");
        }
    }

    #[test]
    fn a_missing_key_fails_unless_the_operator_says_otherwise() {
        for (block, expected) in [
            (r#"{"StringEquals":{"aws:Referer":"a"}}"#, false),
            (r#"{"StringNotEquals":{"aws:Referer":"a"}}"#, true),
            (r#"{"StringEqualsIfExists":{"aws:Referer":"a"}}"#, true),
            (r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, true),
            (r#"{"Bool":{"aws:SecureTransport":"false"}}"#, false),
            (r#"{"Null":{"aws:Referer":true}}"#, true),
            (r#"{"Null":{"aws:Referer":false}}"#, false),
        ] {
            assert_eq!(holds(block, None), expected, "{block}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused() {
        for (block, part) in [
            ("[]", "must be an object"),
            (r#"{"StringEquals":[]}"#, "must be an object"),
            (r#"{"StringEquals":{"aws:username":"a"}}"#, "condition key aws:username is not supported"),
            (r#"{"StringEquals":{"acs:SourceVpc":"a"}}"#, "condition key acs:SourceVpc is not supported"),
            (r#"{"IpAddress":{"acs:UserAgent":"10.0.0.1"}}"#, "does not apply to acs:UserAgent"),
            (r#"{"StringEquals":{"s3:prefix":[]}}"#, "no values"),
            (r#"{"StringEquals":{"s3:prefix":[["a"]]}}"#, "no values"),
            (r#"{"StringEquals":{"s3:prefix":{"a":1}}}"#, "no values"),
            (r#"{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}"#, "policy variables"),
            (r#"{"ForAllValues:StringEquals":{"s3:prefix":"a"}}"#, "operator ForAllValues:StringEquals is not supported"),
            (r#"{"ArnLike":{"s3:prefix":"a"}}"#, "operator ArnLike is not supported"),
            (r#"{"NullIfExists":{"s3:prefix":"true"}}"#, "operator NullIfExists is not supported"),
            (r#"{"Null":{"s3:prefix":["true","false"]}}"#, "cannot be read"),
            (r#"{"Bool":{"aws:SecureTransport":"yes"}}"#, "cannot be read"),
            (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}"#, "cannot be read"),
            (r#"{"NumericEquals":{"s3:max-keys":"NaN"}}"#, "cannot be read"),
            (r#"{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}"#, "cannot be read"),
            (r#"{"IpAddress":{"aws:UserAgent":"10.0.0.0/8"}}"#, "does not apply to aws:UserAgent"),
        ] {
            let refusal = Condition::read_block(&Json::parse(block).unwrap()).map(|conditions| conditions.len());
            assert!(matches!(&refusal, Err(message) if message.contains(part)), "{block}: {refusal:?}");
        }
    }
}
