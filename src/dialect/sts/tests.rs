//! Requests and answers, as tables.

use super::*;
use crate::{
    auth::{
        AuthError,
        sts::{Role, SessionRequest, TemporaryCredentials},
        sts_request::RequestError,
    },
    dialect::{ReplyContext, error::ErrorCode, xml::Element},
    model::Timestamp,
};
use http::Response;

const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);

fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn decode_form(headers: &[(&str, &str)], form: &str) -> Result<Action, StsError> {
    let parts = head(headers);
    let parameters = Parameters::read(&parts, form.as_bytes()).unwrap();
    decode(&parts, &parameters)
}

fn context() -> ReplyContext<'static> {
    ReplyContext { request_id: "RID", host_id: "", authority: "sts.test", region: "r", now: NOW }
}

fn text(response: &Response<bytes::Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

const AWS: &str = "Version=2011-06-15&Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fp%2Fdemo&RoleSessionName=s-1";
const ALIYUN: &str = "Version=2015-04-01&Action=AssumeRole&AccessKeyId=a&RoleArn=acs%3Aram%3A%3A123%3Arole%2Fdemo&RoleSessionName=s-1";

#[test]
fn an_assume_role_is_read_in_every_protocol() {
    let session = |account: &str, name: &str, duration_secs, policy: Option<&str>| {
        let role = Role { account: account.to_owned(), name: name.to_owned() };
        Ok(Action::AssumeRole(SessionRequest { role, session_name: "s-1".to_owned(), duration_secs, policy: policy.map(str::to_owned) }))
    };
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"oss:*","Resource":"*"}}"#;
    let encoded = crate::dialect::percent::encode(policy);
    assert_eq!(decode_form(&[], AWS), session("123456789012", "p/demo", 3600, None));
    assert_eq!(decode_form(&[], &format!("{AWS}&DurationSeconds=900&ExternalId=x")), session("123456789012", "p/demo", 900, None));
    assert_eq!(decode_form(&[], &format!("{ALIYUN}&DurationSeconds=43200&Policy={encoded}")), session("123", "demo", 43_200, Some(policy)));
    let acs3 = [("x-acs-action", "AssumeRole"), ("x-acs-version", "2015-04-01")];
    let form = "RoleArn=acs%3Aram%3A%3A123%3Arole%2Fdemo&RoleSessionName=s-1&Action=GetCallerIdentity";
    assert_eq!(decode_form(&acs3, form), session("123", "demo", 3600, None), "the signed header counts");
    assert_eq!(decode_form(&[], "Action=GetCallerIdentity&Version=2011-06-15"), Ok(Action::GetCallerIdentity));
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    for (change, expected) in [
        ("&DurationSeconds=899", StsError::Invalid("DurationSeconds", "It must be a number from 900 to 43200.")),
        ("&DurationSeconds=43201", StsError::Invalid("DurationSeconds", "It must be a number from 900 to 43200.")),
        ("&DurationSeconds=99999999999999999999", StsError::Invalid("DurationSeconds", "It must be a number from 900 to 43200.")),
        ("&DurationSeconds=-1", StsError::Invalid("DurationSeconds", "It must be a number from 900 to 43200.")),
        ("&PolicyArns.member.1.arn=x", StsError::Invalid("PolicyArns", "There are no managed policies.")),
    ] {
        assert_eq!(decode_form(&[], &format!("{AWS}{change}")), Err(expected), "{change}");
    }
    for (form, expected) in [
        (AWS.replace("AssumeRole", "AssumeRoot"), StsError::ActionUnknown("AssumeRoot".to_owned())),
        (AWS.replace("Action", "Auction"), StsError::Missing("Action")),
        (AWS.replace("2011", "2012"), StsError::VersionUnknown),
        (AWS.replace("Version", "V"), StsError::Missing("Version")),
        (AWS.replace("RoleArn", "R"), StsError::Missing("RoleArn")),
        (AWS.replace("s-1", ""), StsError::Missing("RoleSessionName")),
        (AWS.replace("s-1", "s+1"), StsError::Invalid("RoleSessionName", "It must have 2 to 64 letters, digits or characters of _+=,.@-")),
        (AWS.replace("role%2F", "user%2F"), StsError::Invalid("RoleArn", "It must be the resource name of a role.")),
        (format!("{AWS}&Policy={}", "a".repeat(2049)), StsError::Invalid("Policy", "It must have at most 2048 characters.")),
        (format!("{AWS}&Policy={}", "%C3%A9".repeat(1025)), StsError::PolicyTooLarge),
    ] {
        assert_eq!(decode_form(&[], &form), Err(expected), "{form}");
    }
    for policy in ["", "%7B%22a%22%3A%22b+c%22%7D", "%7B"] {
        let refusal = decode_form(&[], &format!("{AWS}&Policy={policy}"));
        assert!(matches!(refusal, Err(StsError::PolicyMalformed(_))), "{policy}: {refusal:?}");
    }
}

#[test]
fn answers_look_as_the_protocol_wants_them() {
    for (headers, form, expected) in [
        (&[][..], AWS.to_owned(), Style::Aws),
        (&[][..], format!("{AWS}&Format=JSON"), Style::Aws),
        (&[][..], ALIYUN.to_owned(), Style::AliyunXml),
        (&[][..], format!("{ALIYUN}&Format=JSON"), Style::AliyunJson),
        (&[][..], format!("{ALIYUN}&Format=xml"), Style::AliyunXml),
        (&[("x-acs-action", "A")][..], String::new(), Style::AliyunJson),
        (&[("x-acs-action", "A"), ("accept", "application/xml")][..], String::new(), Style::AliyunXml),
        (&[("x-acs-action", "A"), ("accept", "application/json")][..], "Format=XML".to_owned(), Style::AliyunXml),
    ] {
        let parts = head(headers);
        assert_eq!(Style::of(&parts, &Parameters::read(&parts, form.as_bytes()).unwrap()), expected, "{headers:?} {form}");
    }
}

fn assumed() -> Reply {
    let credentials = TemporaryCredentials {
        access_key: "STS.KEY".to_owned(),
        secret_key: "SECRET".to_owned(),
        security_token: "TOKEN".to_owned(),
        expiration: NOW.plus_millis(3_600_000),
    };
    let role = Role { account: "123".to_owned(), name: "p/demo".to_owned() };
    Reply::Assumed { request: SessionRequest { role, session_name: "s-1".to_owned(), duration_secs: 3600, policy: None }, credentials }
}

#[test]
fn credentials_are_told_in_every_style() {
    let aws = encode(&assumed(), Style::Aws, &context());
    assert!(
        text(&aws).contains("<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"),
        "{}",
        text(&aws)
    );
    let root = Element::parse(aws.body()).unwrap();
    let result = root.child("AssumeRoleResult").unwrap();
    let credentials = result.child("Credentials").unwrap();
    let texts: Vec<_> = credentials.children().iter().map(|child| (child.name(), child.text())).collect();
    assert_eq!(
        texts,
        [("AccessKeyId", "STS.KEY"), ("SecretAccessKey", "SECRET"), ("SessionToken", "TOKEN"), ("Expiration", "2026-01-15T09:30:00Z")]
    );
    let user = result.child("AssumedRoleUser").unwrap();
    assert_eq!(user.child_text("Arn"), Some("arn:aws:sts::123:assumed-role/demo/s-1"));
    let id = user.child_text("AssumedRoleId").unwrap();
    assert!(id.len() == 25 && id.starts_with("AROA") && id.ends_with(":s-1"), "{id}");
    assert_eq!(root.child("ResponseMetadata").and_then(|metadata| metadata.child_text("RequestId")), Some("RID"));
    assert_eq!((aws.headers()["content-type"].as_bytes(), aws.headers()["x-amzn-requestid"].as_bytes()), (&b"text/xml"[..], &b"RID"[..]));

    let aliyun = encode(&assumed(), Style::AliyunJson, &context());
    let value: serde_json::Value = serde_json::from_slice(aliyun.body()).unwrap();
    assert_eq!(
        value["Credentials"],
        serde_json::json!({ "AccessKeyId": "STS.KEY", "AccessKeySecret": "SECRET", "SecurityToken": "TOKEN", "Expiration": "2026-01-15T09:30:00Z" })
    );
    assert_eq!((&value["RequestId"], &value["AssumedRoleUser"]["Arn"]), (&"RID".into(), &"acs:ram::123:role/p/demo/s-1".into()));
    let id = value["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap();
    assert!(id.strip_suffix(":s-1").is_some_and(|id| id.len() == 18 && id.bytes().all(|byte| byte.is_ascii_digit())), "{id}");

    let xml = encode(&assumed(), Style::AliyunXml, &context());
    let root = Element::parse(xml.body()).unwrap();
    assert_eq!((root.name(), root.child_text("RequestId")), ("AssumeRoleResponse", Some("RID")));
    assert_eq!(root.child("Credentials").and_then(|credentials| credentials.child_text("AccessKeySecret")), Some("SECRET"));
}

#[test]
fn identities_are_told_in_every_style() {
    let role = Role { account: "123".to_owned(), name: "demo".to_owned() };
    let plain = Identity { account: "alice".to_owned(), access_key: "AK".to_owned(), session: None };
    let session = Identity { access_key: "STS.KEY".to_owned(), session: Some((role, "s-1".to_owned())), ..plain.clone() };
    for (identity, aws_arn, aliyun_arn, kind) in [
        (plain, "arn:aws:iam::alice:user/AK", "acs:ram::alice:user/AK", "RAMUser"),
        (session, "arn:aws:sts::123:assumed-role/demo/s-1", "acs:ram::123:role/demo/s-1", "AssumedRoleUser"),
    ] {
        let reply = Reply::Identity(identity);
        let root = Element::parse(encode(&reply, Style::Aws, &context()).body()).unwrap();
        let result = root.child("GetCallerIdentityResult").unwrap();
        assert_eq!((result.child_text("Arn"), result.child_text("Account")), (Some(aws_arn), Some("alice")));
        let value: serde_json::Value = serde_json::from_slice(encode(&reply, Style::AliyunJson, &context()).body()).unwrap();
        assert_eq!((&value["Arn"], &value["IdentityType"], &value["AccountId"]), (&aliyun_arn.into(), &kind.into(), &"alice".into()));
        let root = Element::parse(encode(&reply, Style::AliyunXml, &context()).body()).unwrap();
        assert_eq!((root.child_text("Arn"), root.child_text("RequestId")), (Some(aliyun_arn), Some("RID")));
    }
}

#[test]
fn each_error_has_its_status_and_code_in_each_protocol() {
    let mismatch = || RequestError::Mismatch { string_to_sign: "a&<b".to_owned() };
    for (error, aws, aliyun) in [
        (StsError::Signature(RequestError::Unsigned), (403, "MissingAuthenticationToken"), (400, "MissingAccessKeyId")),
        (StsError::Signature(RequestError::Missing("Timestamp")), (400, "IncompleteSignature"), (400, "MissingTimestamp")),
        (StsError::Signature(RequestError::Malformed("m".into())), (400, "IncompleteSignature"), (400, "IncompleteSignature")),
        (StsError::Signature(RequestError::TimeMalformed), (400, "IncompleteSignature"), (400, "InvalidTimeStamp.Format")),
        (StsError::Signature(RequestError::Skewed), (403, "SignatureDoesNotMatch"), (400, "InvalidTimeStamp.Expired")),
        (StsError::Signature(mismatch()), (403, "SignatureDoesNotMatch"), (400, "SignatureDoesNotMatch")),
        (StsError::UnknownAccessKey, (403, "InvalidClientTokenId"), (404, "InvalidAccessKeyId.NotFound")),
        (StsError::TokenInvalid, (403, "InvalidClientTokenId"), (400, "InvalidSecurityToken.Malformed")),
        (StsError::TokenExpired, (403, "ExpiredToken"), (400, "InvalidSecurityToken.Expired")),
        (StsError::TokenMismatch, (403, "InvalidClientTokenId"), (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        (StsError::NonceUsed, (403, "SignatureDoesNotMatch"), (400, "SignatureNonceUsed")),
        (StsError::Busy, (400, "Throttling"), (400, "Throttling")),
        (StsError::ActionUnknown("X".into()), (400, "InvalidAction"), (404, "InvalidAction.NotFound")),
        (StsError::VersionUnknown, (400, "InvalidAction"), (400, "InvalidVersion")),
        (StsError::Missing("Action"), (400, "MissingAction"), (400, "MissingAction")),
        (StsError::Missing("RoleArn"), (400, "ValidationError"), (400, "MissingRoleArn")),
        (StsError::Invalid("RoleArn", "w"), (400, "ValidationError"), (400, "InvalidParameter.RoleArn")),
        (StsError::Invalid("PolicyArns", "w"), (400, "ValidationError"), (400, "InvalidParameter")),
        (StsError::PolicyMalformed("w".into()), (400, "MalformedPolicyDocument"), (400, "InvalidParameter.PolicyGrammar")),
        (StsError::PolicyTooLarge, (400, "PackedPolicyTooLarge"), (400, "InvalidParameter.PolicySize")),
        (StsError::AccessDenied, (403, "AccessDenied"), (403, "NoPermission")),
    ] {
        let response = encode_error(&error, Style::Aws, &context());
        let root = Element::parse(response.body()).unwrap();
        let code = root.child("Error").and_then(|error| error.child_text("Code"));
        assert_eq!((response.status().as_u16(), code), (aws.0, Some(aws.1)), "{error:?}");
        assert_eq!((root.name(), root.child_text("RequestId")), ("ErrorResponse", Some("RID")));
        assert_eq!(response.extensions().get::<ErrorCode>(), Some(&ErrorCode(aws.1)));

        let response = encode_error(&error, Style::AliyunJson, &context());
        let value: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), value["Code"].as_str()), (aliyun.0, Some(aliyun.1)), "{error:?}");
        assert_eq!((&value["RequestId"], &value["HostId"]), (&"RID".into(), &"sts.test".into()));
        let root = Element::parse(encode_error(&error, Style::AliyunXml, &context()).body()).unwrap();
        assert_eq!((root.name(), root.child_text("Code")), ("Error", Some(aliyun.1)));
    }
}

#[test]
fn what_is_wrong_with_credentials_has_its_word() {
    for (error, expected) in [
        (AuthError::UnknownAccessKey("a".into()), StsError::UnknownAccessKey),
        (AuthError::InvalidToken, StsError::TokenInvalid),
        (AuthError::TokenExpired, StsError::TokenExpired),
        (AuthError::TokenMismatch, StsError::TokenMismatch),
    ] {
        assert_eq!(StsError::of_credentials(&error), expected);
    }
}
