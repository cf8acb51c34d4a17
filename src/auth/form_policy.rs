//! The policy of a POST form: until when, and what its fields must be (S3 API Reference, "Creating a POST Policy"; OSS API
//! Reference, "PostObject").

use super::{date, form::FormError, json::Json};
use crate::model::Timestamp;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Fields that no condition needs to cover: they carry the signature itself.
const EXEMPT: [&str; 5] = ["x-amz-signature", "signature", "awsaccesskeyid", "file", "policy"];
const NOT_ONE_PROPERTY: &str = "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.";
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// By whose rules a policy is read and applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Every field needs a condition.
    S3,
    /// Fields need none, but a policy needs at least one, and may list values.
    Oss,
}

/// A policy that has been read. Field names are lower-case.
#[derive(Debug)]
pub(super) struct FormPolicy {
    rules: Rules,
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Equal { field: String, value: String },
    StartsWith { field: String, prefix: String },
    In { field: String, values: Vec<String> },
    NotIn { field: String, values: Vec<String> },
    ContentLengthRange(u64, u64),
}

impl FormPolicy {
    /// Reads the policy field.
    pub(super) fn parse(encoded: &str, rules: Rules) -> Result<Self, FormError> {
        // Some tools wrap the lines of the base64 text.
        let unwrapped: String = encoded.split_ascii_whitespace().collect();
        if unwrapped.is_empty() {
            return Err(invalid("Expecting '{' but found End-of-Input"));
        }
        let document = BASE64.decode(unwrapped).map_err(|_| invalid("invalid Base64 encoding."))?;
        let document = std::str::from_utf8(&document).map_err(|error| error.to_string()).and_then(Json::parse);
        let members = match document {
            Ok(Json::Object(members)) => members,
            Ok(_) => return Err(invalid_json(rules, "an object is expected")),
            Err(detail) => return Err(invalid_json(rules, &detail)),
        };
        let member = |name: &str| members.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value);
        let expiration = match member("expiration") {
            None => return Err(invalid("Policy missing expiration.")),
            Some(value) => {
                let text = value.as_str().unwrap_or_default();
                date::parse_iso_extended(text).ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{text}'")))?
            }
        };
        let conditions = match member("conditions") {
            None => return Err(invalid("Policy missing conditions.")),
            Some(Json::List(list)) if list.is_empty() && rules == Rules::Oss => return Err(invalid(NOT_ONE_PROPERTY)),
            Some(Json::List(list)) => list.iter().map(|condition| Condition::read(condition, rules)).collect::<Result<_, _>>()?,
            Some(_) => return Err(invalid("Invalid 'conditions' value: must be a List.")),
        };
        Ok(Self { rules, expiration, conditions })
    }

    /// Holds the fields against the policy.
    pub(super) fn check(&self, fields: &[(String, String)], bucket: &str, now: Timestamp) -> Result<(), FormError> {
        if now > self.expiration {
            return Err(denied("Policy expired."));
        }
        let fields: Vec<(String, &str)> = std::iter::once(("bucket".to_owned(), bucket))
            .chain(fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())))
            .collect();
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(&fields)) {
            return Err(denied(&format!("Policy Condition failed: {}", failed.to_text())));
        }
        match self.rules {
            Rules::S3 => self.check_coverage(&fields),
            Rules::Oss => Ok(()),
        }
    }

    /// No field may be there that its signer did not think of.
    fn check_coverage(&self, fields: &[(String, &str)]) -> Result<(), FormError> {
        let is_covered = |name: &str| self.conditions.iter().any(|condition| condition.field() == Some(name));
        let is_exempt = |name: &str| EXEMPT.contains(&name) || name.starts_with("x-ignore-");
        match fields.iter().find(|(name, _)| !is_exempt(name) && !is_covered(name)) {
            Some((extra, _)) => Err(denied(&format!("Extra input fields: {extra}"))),
            None => Ok(()),
        }
    }

    /// The fields that it has conditions for.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().filter_map(Condition::field)
    }

    /// Until when it holds.
    pub(super) fn expiration(&self) -> Timestamp {
        self.expiration
    }

    /// Whether it allows only one value of a field.
    pub(super) fn requires(&self, name: &str) -> bool {
        self.conditions.iter().any(|condition| matches!(condition, Condition::Equal { field, .. } if field == name))
    }

    /// The sizes that every range of the policy allows.
    pub(super) fn content_length_range(&self) -> Option<(u64, u64)> {
        let ranges = self.conditions.iter().filter_map(|condition| match condition {
            Condition::ContentLengthRange(least, greatest) => Some((*least, *greatest)),
            Condition::Equal { .. } | Condition::StartsWith { .. } | Condition::In { .. } | Condition::NotIn { .. } => None,
        });
        ranges.reduce(|one, other| (one.0.max(other.0), one.1.min(other.1)))
    }
}

impl Condition {
    fn read(condition: &Json, rules: Rules) -> Result<Self, FormError> {
        match condition {
            Json::Object(members) => match members.as_slice() {
                [(field, Json::String(value))] => Ok(Self::Equal { field: field.to_ascii_lowercase(), value: value.clone() }),
                [_] => Err(invalid("Invalid Simple-Condition: value must be a string.")),
                [] | [_, _, ..] => Err(invalid(NOT_ONE_PROPERTY)),
            },
            Json::List(values) => Self::read_list(values, rules),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                Err(invalid("Invalid condition test: must be a List or Object."))
            }
        }
    }

    fn read_list(values: &[Json], rules: Rules) -> Result<Self, FormError> {
        let Some(operator) = values.first().and_then(Json::as_str) else {
            return Err(invalid("Invalid Condition: missing operation identifier."));
        };
        let wrong_arguments = || invalid(&format!("Invalid {operator}: wrong number of arguments."));
        let [_, first, second] = values else { return Err(wrong_arguments()) };
        let field = || Some(first.as_str()?.strip_prefix('$')?.to_ascii_lowercase());
        let field_and_text = || Some((field()?, second.as_str()?.to_owned()));
        let field_and_list = || Some((field()?, texts(second)?));
        match operator.to_ascii_lowercase().as_str() {
            "eq" => field_and_text().map(|(field, value)| Self::Equal { field, value }).ok_or_else(wrong_arguments),
            "starts-with" => field_and_text().map(|(field, prefix)| Self::StartsWith { field, prefix }).ok_or_else(wrong_arguments),
            "content-length-range" => match (size(first), size(second)) {
                (Some(least), Some(greatest)) if least <= greatest => Ok(Self::ContentLengthRange(least, greatest)),
                (_, _) => Err(wrong_arguments()),
            },
            "in" if rules == Rules::Oss => field_and_list().map(|(field, values)| Self::In { field, values }).ok_or_else(wrong_arguments),
            "not-in" if rules == Rules::Oss => {
                field_and_list().map(|(field, values)| Self::NotIn { field, values }).ok_or_else(wrong_arguments)
            }
            _ => Err(invalid(&format!("Invalid Condition: unknown operation '{operator}'."))),
        }
    }

    /// Whether all fields of its name are as they must be; a missing one counts as empty.
    fn holds(&self, fields: &[(String, &str)]) -> bool {
        let all = |wanted: &str, test: &dyn Fn(&str) -> bool| {
            let mut values = fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).peekable();
            if values.peek().is_none() { test("") } else { values.all(test) }
        };
        match self {
            Self::Equal { field, value } => all(field, &|sent| sent == value),
            // A Content-Type may be a list, of which every entry must match.
            Self::StartsWith { field, prefix } if field == "content-type" => {
                all(field, &|sent| sent.split(',').all(|entry| entry.trim().starts_with(prefix)))
            }
            Self::StartsWith { field, prefix } => all(field, &|sent| sent.starts_with(prefix)),
            Self::In { field, values } => all(field, &|sent| values.iter().any(|value| value == sent)),
            Self::NotIn { field, values } => all(field, &|sent| !values.iter().any(|value| value == sent)),
            Self::ContentLengthRange(_, _) => true,
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Equal { field, .. } | Self::StartsWith { field, .. } | Self::In { field, .. } | Self::NotIn { field, .. } => Some(field),
            Self::ContentLengthRange(_, _) => None,
        }
    }

    /// As the services quote it in their messages.
    fn to_text(&self) -> String {
        match self {
            Self::Equal { field, value } => format!("[\"eq\", \"${field}\", \"{value}\"]"),
            Self::StartsWith { field, prefix } => format!("[\"starts-with\", \"${field}\", \"{prefix}\"]"),
            Self::In { field, values } => format!("[\"in\", \"${field}\", {values:?}]"),
            Self::NotIn { field, values } => format!("[\"not-in\", \"${field}\", {values:?}]"),
            Self::ContentLengthRange(least, greatest) => format!("[\"content-length-range\", {least}, {greatest}]"),
        }
    }
}

/// A list of texts.
fn texts(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::List(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => None,
    }
}

/// A size in bytes, written as a number or as its text.
fn size(value: &Json) -> Option<u64> {
    match value {
        Json::Number(text) | Json::String(text) => text.parse().ok(),
        Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => None,
    }
}

/// OSS says what is wrong.
fn invalid_json(rules: Rules, detail: &str) -> FormError {
    match rules {
        Rules::S3 => invalid("Invalid JSON."),
        Rules::Oss => invalid(&format!("Invalid JSON: {detail}")),
    }
}

fn invalid(detail: &str) -> FormError {
    FormError::InvalidPolicyDocument(format!("Invalid Policy: {detail}"))
}

/// 403 with what the policy does not allow.
pub(super) fn denied(detail: &str) -> FormError {
    FormError::AccessDenied(format!("Invalid according to Policy: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(document: &str) -> Result<FormPolicy, FormError> {
        FormPolicy::parse(&BASE64.encode(document), Rules::S3)
    }

    #[test]
    fn broken_policies_are_refused_in_aws_words() {
        let of = |condition: &str| format!(r#"{{"expiration":"2026-01-15T09:30:00Z","conditions":[{condition}]}}"#);
        for (document, detail) in [
            (String::new(), "Expecting '{' but found End-of-Input"),
            ("[]".to_owned(), "Invalid JSON."),
            ("{\"expiration\":".to_owned(), "Invalid JSON."),
            (r#"{"conditions":[]}"#.to_owned(), "Policy missing expiration."),
            (r#"{"Expiration":"2026-01-15T09:30:00Z","conditions":[]}"#.to_owned(), "Policy missing expiration."),
            (r#"{"expiration":"2026-01-15 09:30","conditions":[]}"#.to_owned(), "Invalid 'expiration' value: '2026-01-15 09:30'"),
            (r#"{"expiration":"2026-01-15T09:30:00Z"}"#.to_owned(), "Policy missing conditions."),
            (of("1"), "Invalid condition test: must be a List or Object."),
            (of("{}"), "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."),
            (of(r#"{"key":1}"#), "Invalid Simple-Condition: value must be a string."),
            (of("[]"), "Invalid Condition: missing operation identifier."),
            (of(r#"["ends-with","$key","a"]"#), "Invalid Condition: unknown operation 'ends-with'."),
            (of(r#"["in","$key",["a"]]"#), "Invalid Condition: unknown operation 'in'."),
            (of(r#"["eq","$key"]"#), "Invalid eq: wrong number of arguments."),
            (of(r#"["content-length-range",0]"#), "Invalid content-length-range: wrong number of arguments."),
            (of(r#"["content-length-range",-1,0]"#), "Invalid content-length-range: wrong number of arguments."),
        ] {
            let refusal = parse(&document).map(|policy| policy.conditions);
            assert_eq!(refusal, Err(invalid(detail)), "{document}");
        }
        assert_eq!(FormPolicy::parse("!", Rules::S3).map(|policy| policy.conditions), Err(invalid("invalid Base64 encoding.")));
    }

    #[test]
    fn a_policy_holds_until_it_expires_and_for_its_bucket() {
        let policy = parse(r#"{"expiration":"2026-01-15T09:30:00Z","conditions":[{"bucket":"bkt"}]}"#).unwrap();
        let expiry = Timestamp::from_secs(1_768_469_400);
        assert_eq!(policy.check(&[], "bkt", expiry), Ok(()));
        assert_eq!(policy.check(&[], "bkt", expiry.plus_millis(1)), Err(denied("Policy expired.")));
        let refusal = policy.check(&[], "other", expiry);
        assert_eq!(refusal, Err(denied("Policy Condition failed: [\"eq\", \"$bucket\", \"bkt\"]")));
        let uncovered = parse(r#"{"expiration":"2026-01-15T09:30:00Z","conditions":[]}"#).unwrap();
        assert_eq!(uncovered.check(&[], "bkt", expiry), Err(denied("Extra input fields: bucket")));
    }

    #[test]
    fn ranges_intersect_and_content_types_are_lists() {
        let policy = parse(
            r#"{"expiration":"2026-01-15T09:30:00Z","conditions":[{"bucket":"b"},["starts-with","$Content-Type","image/"],
                ["content-length-range",1,"10"],["content-length-range",5,20]]}"#,
        )
        .unwrap();
        assert_eq!(policy.content_length_range(), Some((5, 10)));
        let check = |kind: &str| policy.check(&[("Content-Type".to_owned(), kind.to_owned())], "b", Timestamp::from_secs(0)).is_ok();
        assert!(check("image/png, image/jpeg"));
        assert!(!check("image/png, text/html"));
    }
}
