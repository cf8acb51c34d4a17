//! Policy documents: what they may hold, and what a document says about a request (IAM User Guide, "IAM JSON policy
//! element reference"; OSS "Policy syntax and elements"). What is not understood is refused, never ignored.
//!
//! Both services' spellings are read, also in one document: `Version` 1, actions `oss:…`, resources
//! `acs:oss:<region>:<account>:<name>` (there is one region, and a bucket's name is nobody else's, so neither counts),
//! conditions `acs:…` and `oss:…`, and principals as a list of accounts.

use super::{
    action::RESOURCE_PREFIX,
    condition::{Condition, Context},
    known,
    pattern::Pattern,
};
use crate::{auth::json::Json, model::Account};

/// The longest document, in bytes (S3 User Guide, "Bucket policies").
const DOCUMENT_SIZE_MAX: usize = 20 << 10;

/// Where a document stands, which decides what it must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// At an access key: whom it is about is clear.
    Key,
    /// At a bucket: says whom it is about, and speaks of this bucket only; `None` when that was checked before it was stored.
    Bucket(Option<&'a str>),
}

/// A document that has been read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    effect: Effect,
    /// `None` in key policies.
    principal: Option<Principal>,
    actions: Choice,
    resources: Choice,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Principal {
    /// Everybody, also without a signature.
    Anyone,
    Accounts(Vec<String>),
}

/// Action and Resource, or NotAction and NotResource.
#[derive(Clone, Debug)]
enum Choice {
    Of(Vec<Pattern>),
    AllBut(Vec<Pattern>),
}

/// What a document says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A statement denies it.
    Denied,
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement is about it.
    Silent,
}

impl Document {
    /// Reads a document; the error is for people.
    pub(super) fn parse(text: &str, place: Place<'_>) -> Result<Self, String> {
        if text.len() > DOCUMENT_SIZE_MAX {
            return Err(format!("the document is longer than {DOCUMENT_SIZE_MAX} bytes"));
        }
        let Json::Object(members) = Json::parse(text)? else { return Err("the document must be an object".to_owned()) };
        let mut statements = Vec::new();
        for (name, value) in &members {
            match (name.as_str(), value) {
                ("Version", Json::String(version)) if ["2012-10-17", "2008-10-17", "1"].contains(&version.as_str()) => {}
                ("Id", Json::String(_)) => {}
                ("Statement", Json::List(list)) => {
                    statements = list.iter().map(|statement| Statement::read(statement, place)).collect::<Result<_, _>>()?;
                }
                ("Statement", statement) => statements = vec![Statement::read(statement, place)?],
                ("Version" | "Id", _) => return Err(format!("{name} is not valid")),
                (_, _) => return Err(format!("element {name} is not supported")),
            }
        }
        if statements.is_empty() { Err("the document has no statement".to_owned()) } else { Ok(Self { statements }) }
    }

    /// What the document says about a caller's action, under all of its names in lower case, on a resource.
    pub(super) fn judge(&self, account: Option<&Account>, actions: &[String], resource: &str, context: &Context<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in self.statements.iter().filter(|statement| statement.is_about(account, actions, resource, context)) {
            match statement.effect {
                Effect::Deny => return Verdict::Denied,
                Effect::Allow => verdict = Verdict::Allowed,
            }
        }
        verdict
    }

    /// Whether a statement allows something to everybody without saying from where.
    pub(super) fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            statement.effect == Effect::Allow
                && statement.principal == Some(Principal::Anyone)
                && !statement.conditions.iter().any(Condition::pins_source)
        })
    }
}

impl Statement {
    fn read(statement: &Json, place: Place<'_>) -> Result<Self, String> {
        let Json::Object(members) = statement else { return Err("a statement must be an object".to_owned()) };
        let (mut effect, mut principal, mut actions, mut resources, mut conditions) = (None, None, None, None, Vec::new());
        for (name, value) in members {
            match (name.as_str(), value) {
                ("Sid", Json::String(_)) => {}
                ("Effect", Json::String(text)) if text == "Allow" => effect = Some(Effect::Allow),
                ("Effect", Json::String(text)) if text == "Deny" => effect = Some(Effect::Deny),
                ("Principal", value) if place != Place::Key => principal = Some(Principal::read(value)?),
                ("Action" | "NotAction", value) if actions.is_none() => {
                    actions = Some(Choice::new(name == "Action", read_texts(name, value)?, |text| compile_action(text, place))?);
                }
                ("Resource" | "NotResource", value) if resources.is_none() => {
                    resources = Some(Choice::new(name == "Resource", read_texts(name, value)?, |text| compile_resource(text, place))?);
                }
                ("Condition", value) => conditions = Condition::read_block(value)?,
                ("Sid" | "Effect", _) => return Err(format!("{name} is not valid")),
                ("Action" | "NotAction" | "Resource" | "NotResource", _) => {
                    return Err(format!("a statement cannot have both {name} and its opposite"));
                }
                (_, _) => return Err(format!("element {name} is not supported here")),
            }
        }
        if place != Place::Key && principal.is_none() {
            return Err("a statement has no Principal".to_owned());
        }
        Ok(Self {
            effect: effect.ok_or("a statement has no Effect")?,
            principal,
            actions: actions.ok_or("a statement has no Action")?,
            resources: resources.ok_or("a statement has no Resource")?,
            conditions,
        })
    }

    fn is_about(&self, account: Option<&Account>, actions: &[String], resource: &str, context: &Context<'_>) -> bool {
        let is_principal = match &self.principal {
            None | Some(Principal::Anyone) => true,
            Some(Principal::Accounts(accounts)) => account.is_some_and(|account| accounts.contains(&account.0)),
        };
        is_principal
            && self.actions.covers(actions)
            && self.resources.covers(&[resource])
            && self.conditions.iter().all(|condition| condition.holds(context))
    }
}

impl Principal {
    /// Reads `"*"`, or `{"AWS": …}` or OSS's list of accounts: names, `arn:aws:iam::<account>:root` or
    /// `acs:ram::<account>:root`.
    fn read(value: &Json) -> Result<Self, String> {
        let value = match value {
            Json::String(text) if text == "*" => return Ok(Self::Anyone),
            Json::List(_) => value,
            Json::Object(members) => match members.as_slice() {
                [(kind, value)] if kind == "AWS" => value,
                [] | [_] | [_, _, ..] => return Err("Principal must name AWS accounts only".to_owned()),
            },
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                return Err("Principal must be \"*\", a list or an object".to_owned());
            }
        };
        let texts = read_texts("Principal", value)?;
        if texts.contains(&"*") {
            return Ok(Self::Anyone);
        }
        let account = |text: &str| {
            let of_root = ["arn:aws:iam::", "acs:ram::"].into_iter().find_map(|prefix| text.strip_prefix(prefix)?.strip_suffix(":root"));
            let account = of_root.or(Some(text));
            let is_name = |account: &&str| !account.is_empty() && !account.contains([':', '/', '*', '?']);
            account.filter(is_name).map(str::to_owned).ok_or_else(|| format!("principal {text} is not supported"))
        };
        Ok(Self::Accounts(texts.into_iter().map(account).collect::<Result<_, _>>()?))
    }
}

impl Choice {
    fn new(of: bool, texts: Vec<&str>, compile: impl Fn(&str) -> Result<Pattern, String>) -> Result<Self, String> {
        let patterns = texts.into_iter().map(compile).collect::<Result<_, _>>()?;
        Ok(if of { Self::Of(patterns) } else { Self::AllBut(patterns) })
    }

    /// Whether it covers what has these names.
    fn covers(&self, names: &[impl AsRef<str>]) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| names.iter().any(|name| pattern.matches(name.as_ref())));
        match self {
            Self::Of(patterns) => any(patterns),
            Self::AllBut(patterns) => !any(patterns),
        }
    }
}

/// One string or a list of them, not empty.
fn read_texts<'a>(name: &str, value: &'a Json) -> Result<Vec<&'a str>, String> {
    let texts = match value {
        Json::String(text) => Some(vec![text.as_str()]),
        Json::List(list) if !list.is_empty() => list.iter().map(Json::as_str).collect(),
        Json::List(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => None,
    };
    texts.ok_or_else(|| format!("{name} must be a string or a list of strings"))
}

/// A pattern over lower-case action names, which compare without regard to case.
fn compile_action(text: &str, place: Place<'_>) -> Result<Pattern, String> {
    let lower = text.to_ascii_lowercase();
    let pattern = Pattern::new(&lower);
    // A key policy may speak of other services as well; that neither allows nor denies anything here.
    let is_other_service = place == Place::Key
        && lower.split_once(':').is_some_and(|(service, action)| {
            let is_word = |text: &str, extra: &str| {
                !text.is_empty() && text.chars().all(|character| character.is_ascii_alphanumeric() || extra.contains(character))
            };
            !["s3", "oss"].contains(&service) && is_word(service, "-") && is_word(action, "*?")
        });
    if is_other_service || known::is_known(&lower, &pattern) { Ok(pattern) } else { Err(format!("action {text} is not known")) }
}

fn compile_resource(text: &str, place: Place<'_>) -> Result<Pattern, String> {
    if text.contains("${") {
        return Err(format!("policy variables are not supported: {text}"));
    }
    let name = text.strip_prefix(RESOURCE_PREFIX).or_else(|| oss_name(text));
    let is_legal = match place {
        Place::Key => text == "*" || name.is_some_and(|name| !name.is_empty()),
        Place::Bucket(None) => name.is_some(),
        Place::Bucket(Some(bucket)) => name
            .and_then(|name| name.strip_prefix(bucket))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('*')),
    };
    let pattern = || name.map_or_else(|| Pattern::new(text), |name| Pattern::new(&format!("{RESOURCE_PREFIX}{name}")));
    if is_legal { Ok(pattern()) } else { Err(format!("resource {text} is not valid here")) }
}

/// The bucket and key in `acs:oss:<region>:<account>:<name>`.
fn oss_name(text: &str) -> Option<&str> {
    let (region, rest) = text.strip_prefix("acs:oss:")?.split_once(':')?;
    let (account, name) = rest.split_once(':')?;
    let is_plain = |field: &str| !field.contains(['/', '?']);
    (is_plain(region) && is_plain(account)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str, place: Place<'_>) -> String {
        Document::parse(text, place).map(|_| ()).unwrap_err()
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let statement = |members: &str| format!(r#"{{"Statement":[{{"Effect":"Allow",{members}}}]}}"#);
        let on = r#""Resource":"arn:aws:s3:::bkt/*""#;
        for (text, part) in [
            ("[]".to_owned(), "must be an object"),
            ("{".to_owned(), "EOF"),
            ("{}".to_owned(), "no statement"),
            (r#"{"Statement":[]}"#.to_owned(), "no statement"),
            (r#"{"Statement":[1]}"#.to_owned(), "a statement must be an object"),
            (r#"{"Version":"2","Statement":[]}"#.to_owned(), "Version is not valid"),
            (r#"{"Version":"2030-01-01","Statement":[]}"#.to_owned(), "Version is not valid"),
            (r#"{"Statements":[]}"#.to_owned(), "element Statements is not supported"),
            (format!("{}{}", " ".repeat(DOCUMENT_SIZE_MAX), "{}"), "longer than"),
            (statement(on), "no Action"),
            (statement(r#""Action":"s3:GetObject""#), "no Resource"),
            (statement(&format!(r#""Action":[],{on}"#)), "Action must be a string or a list"),
            (statement(&format!(r#""Action":"s3:GetObjct",{on}"#)), "action s3:GetObjct is not known"),
            (statement(&format!(r#""Action":"GetObject",{on}"#)), "action GetObject is not known"),
            (statement(&format!(r#""Action":"oss:GetObjct",{on}"#)), "action oss:GetObjct is not known"),
            (statement(r#""Action":"oss:*","Resource":"acs:oss:bkt/*""#), "resource acs:oss:bkt/* is not valid"),
            (statement(r#""Action":"oss:*","Resource":"acs:oss:*:*:""#), "is not valid"),
            (statement(r#""Action":"oss:*","Resource":"acs:oss:*:*:${acs:username}/*""#), "policy variables"),
            (statement(&format!(r#""Action":"s3:*","NotAction":"s3:*",{on}"#)), "both NotAction"),
            (statement(&format!(r#""Action":"s3:*","Action":"s3:*",{on}"#)), "appears twice"),
            (statement(&format!(r#""Action":"s3:*","Condition":{{"X":{{"s3:prefix":"a"}}}},{on}"#)), "operator X is not supported"),
            (statement(&format!(r#""Action":"s3:*","Principal":"*",{on}"#)), "element Principal is not supported"),
            (statement(r#""Action":"s3:*","Resource":"bkt/*""#), "resource bkt/* is not valid"),
            (statement(r#""Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}/*""#), "policy variables"),
            (r#"{"Statement":{"Effect":"allow"}}"#.to_owned(), "Effect is not valid"),
        ] {
            let message = refusal(&text, Place::Key);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn bucket_policies_name_principals_and_stay_within_their_bucket() {
        let with = |principal: &str, resource: &str| {
            format!(r#"{{"Statement":{{"Effect":"Deny",{principal}"Action":["s3:*"],"NotResource":["{resource}"]}}}}"#)
        };
        let anyone = r#""Principal":"*","#;
        for resource in
            ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*", "arn:aws:s3:::bkt*", "acs:oss:*:*:bkt/*", "acs:oss:oss-cn-hangzhou:1:bkt"]
        {
            assert!(Document::parse(&with(anyone, resource), Place::Bucket(Some("bkt"))).is_ok(), "{resource}");
        }
        for resource in ["*", "arn:aws:s3:::*", "arn:aws:s3:::bkt2/*", "arn:aws:s3:::b?t", "bkt", "acs:oss:*:*:*", "acs:oss:*:*:bkt2/*"] {
            assert!(refusal(&with(anyone, resource), Place::Bucket(Some("bkt"))).contains("not valid here"), "{resource}");
        }
        let own = "arn:aws:s3:::bkt";
        assert!(refusal(&with("", own), Place::Bucket(Some("bkt"))).contains("no Principal"));
        for principal in [r#"{"AWS":"*"}"#, r#"{"AWS":["alice","arn:aws:iam::bob:root"]}"#, r#"["*"]"#, r#"["1234","acs:ram::bob:root"]"#] {
            assert!(Document::parse(&with(&format!("\"Principal\":{principal},"), own), Place::Bucket(Some("bkt"))).is_ok(), "{principal}");
        }
        for principal in [
            r#""alice""#,
            "{}",
            "[]",
            "[1]",
            r#"["arn:sts::1:assumed-role/r/s"]"#,
            r#"{"AWS":[]}"#,
            r#"{"Service":"x"}"#,
            r#"{"AWS":"arn:aws:iam::1:user/x"}"#,
            r#"{"AWS":"al*"}"#,
        ] {
            assert!(
                Document::parse(&with(&format!("\"Principal\":{principal},"), own), Place::Bucket(Some("bkt"))).is_err(),
                "{principal}"
            );
        }
    }

    #[test]
    fn key_policies_may_speak_of_other_services() {
        let text = r#"{"Id":"i","Version":"2012-10-17","Statement":{"Sid":"s","Effect":"Allow","Action":["*","sts:AssumeRole","s3:Get*"],"Resource":"*"}}"#;
        assert!(Document::parse(text, Place::Key).is_ok());
    }
}
