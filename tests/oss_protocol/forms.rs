//! PostObject (oss.md §21): forms of versions 1 and 4, in path style and by host; policies, sizes, answers.

use crate::{
    client::{Peer, Request, get, hmac_sha1, iso_basic, now, put},
    protocol::form::{Form, hmac, post_form},
    support::{ACCESS_KEY, SECRET_KEY},
    table::{Table, line},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use partway::{auth::sign::Credentials, dialect::date::iso8601, testkit::raw_client::RawResponse};

/// What a version 4 policy must have conditions for.
pub(crate) const OWN_V4: &str = r#"{"x-oss-signature-version":"OSS4-HMAC-SHA256"},{"x-oss-credential":"CREDENTIAL"},{"x-oss-date":"DATE"}"#;

/// A policy for a minute.
pub(crate) fn policy(conditions: &str) -> String {
    format!(r#"{{"expiration":"{}","conditions":[{conditions}]}}"#, iso8601(now().plus_millis(60_000)))
}

/// The root's credentials.
pub(crate) fn root() -> Credentials {
    Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), security_token: None }
}

/// A form of version 1 with these fields, signed under this policy.
pub(crate) fn form_v1(credentials: &Credentials, fields: &[(&str, &str)], policy: &str) -> Form {
    let policy = STANDARD.encode(policy);
    let signature = hmac_sha1(&credentials.secret_key, &policy);
    let own = [("OSSAccessKeyId", credentials.access_key.as_str()), ("policy", policy.as_str()), ("Signature", signature.as_str())];
    Form::unsigned(&[fields, &own].concat())
}

/// A form of version 4; the policy may name `CREDENTIAL` and `DATE`.
pub(crate) fn form_v4(credentials: &Credentials, fields: &[(&str, &str)], policy: &str) -> Form {
    let date = iso_basic();
    let scope = format!("{}/cn-hangzhou/oss/aliyun_v4_request", &date[..8]);
    let credential = format!("{}/{scope}", credentials.access_key);
    let policy = STANDARD.encode(policy.replace("DATE", &date).replace("CREDENTIAL", &credential));
    let key = scope.split('/').fold(format!("aliyun_v4{}", credentials.secret_key).into_bytes(), |key, step| hmac(&key, step));
    let signature = hex::encode(hmac(&key, &policy));
    let own = [
        ("x-oss-signature-version", "OSS4-HMAC-SHA256"),
        ("x-oss-credential", credential.as_str()),
        ("x-oss-date", date.as_str()),
        ("policy", policy.as_str()),
        ("x-oss-signature", signature.as_str()),
    ];
    Form::unsigned(&[fields, &own].concat())
}

fn shown(response: &RawResponse) -> String {
    let location = response.header("location").map(|value| format!(" {value}")).unwrap_or_default();
    format!("{}{location}", line(response))
}

#[test]
fn forms_store_what_their_policy_allows_and_answer_as_asked() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let conditions = format!(r#"{{"bucket":"{bucket}"}},["starts-with","$key","up/"],["content-length-range",1,10]"#);
    let by_v1 = |fields: &[(&str, &str)]| form_v1(&root(), fields, &policy(&conditions));
    let by_v4 = |fields: &[(&str, &str)]| form_v4(&root(), fields, &policy(&format!("{conditions},{OWN_V4}")));
    let by_path = |form: Form| form.request(&format!("/{bucket}/"));
    let by_short_path = |form: Form| form.request(&format!("/{bucket}"));
    let by_host = |form: Form| form.request("/").with("host", format!("{bucket}.oss.test"));
    let by_aliyun = |form: Form| form.request("/").with("host", format!("{bucket}.oss-cn-hangzhou.aliyuncs.com"));
    type Sent<'a> = &'a dyn Fn(Form) -> Request;
    type Signed<'a> = &'a dyn Fn(&[(&str, &str)]) -> Form;
    let redirected = format!("303 http://example.org/done?bucket={bucket}&key=up%2Fk&etag=%225D41402ABC4B2A76B9719D911017C592%22");
    for (place, send) in [("path", &by_path as Sent<'_>), ("short path", &by_short_path), ("host", &by_host), ("Aliyun", &by_aliyun)] {
        for (version, sign) in [("V1", &by_v1 as Signed<'_>), ("V4", &by_v4)] {
            for (name, fields, expected) in [
                ("plain", &[("key", "up/k")][..], "204"),
                ("upper case", &[("KEY", "up/k")], "204"),
                ("200", &[("key", "up/k"), ("success_action_status", "200")], "200"),
                ("201", &[("key", "up/k"), ("success_action_status", "201")], "201"),
                ("404", &[("key", "up/k"), ("success_action_status", "404")], "204"),
                ("redirect", &[("key", "up/k"), ("success_action_redirect", "http://example.org/done")], redirected.as_str()),
                ("redirect to a script", &[("key", "up/k"), ("success_action_redirect", "javascript:alert(1)")], "204"),
                ("no condition names it", &[("key", "up/k"), ("x-oss-meta-a", "b"), ("Content-Type", "image/x")], "204"),
                ("file name", &[("key", "up/${filename}")], "204"),
            ] {
                let response = peer.ask(&send(sign(fields)));
                table.check(&format!("{place} {version} {name}"), &shown(&response), expected);
                table.check(name, response.header("etag").unwrap_or_default(), "\"5D41402ABC4B2A76B9719D911017C592\"");
                table.check(name, response.header("x-oss-hash-crc64ecma").unwrap_or_default(), "11177612005948864433");
            }
        }
    }
    let created = peer.ask(&by_host(by_v4(&[("key", "up/k ü"), ("success_action_status", "201")])));
    table.golden("post_response", &created, &[]);
    table.check("file name", peer.ask(&get(&format!("/{bucket}/up/a%20b.txt"))).text(), "hello");
    let attributes = [
        ("key", "up/attributes"),
        ("x-oss-content-type", "image/x"),
        ("Cache-Control", "no-store"),
        ("x-oss-meta-a", "ü"),
        ("x-oss-tagging", "a=1&b=2"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-object-acl", "public-read"),
    ];
    table.line("attributes", &peer.ask(&by_path(by_v1(&attributes))), "204");
    let stored = peer.ask(&get(&format!("/{bucket}/up/attributes")).anonymous().of_oss());
    for (name, expected) in [
        ("content-type", "image/x"),
        ("cache-control", "no-store"),
        ("x-oss-meta-a", "ü"),
        ("x-oss-tagging-count", "2"),
        ("x-oss-storage-class", "IA"),
    ] {
        table.check(name, stored.header(name).unwrap_or_default(), expected);
    }
    table.finish(&created, "204");
}

#[test]
fn forms_that_are_refused_say_why_and_store_nothing() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    peer.expect(&put(&format!("/{bucket}/up/exists"), "x"), 200);
    let target = format!("/{bucket}/");
    let conditions = format!(r#"{{"bucket":"{bucket}"}},["starts-with","$key","up/"],["content-length-range",2,10]"#);
    let key = [("key", "up/k")];
    let good = policy(&conditions);
    let v1 = |fields: &[(&str, &str)]| form_v1(&root(), fields, &good);
    let under = |policy: &str| form_v1(&root(), &key, policy);
    let edited = |mut form: Form, name: &str, value: Option<&str>| {
        match value {
            Some(value) => form.fields.iter_mut().filter(|(each, _)| each == name).for_each(|(_, old)| *old = value.to_owned()),
            None => form.fields.retain(|(each, _)| each != name),
        }
        form
    };
    let with_file = |file: &str| Form { file: file.to_owned(), ..v1(&key) };
    let bound = policy(&format!("{conditions},{OWN_V4}"));
    let v4 = || form_v4(&root(), &key, &bound);
    let in_a_month = format!(r#"{{"expiration":"{}","conditions":[{conditions},{OWN_V4}]}}"#, iso8601(now().plus_millis(2_592_000_000)));
    let expired = format!(r#"{{"expiration":"{}","conditions":[{conditions}]}}"#, iso8601(now().plus_millis(-1000)));
    let missing = "400 InvalidArgument: The bucket POST must contain the specified field name.";
    for (name, form, expected) in [
        (
            "another key",
            v1(&[("key", "down/k")]),
            r#"403 AccessDenied: Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "up/"]"#,
        ),
        ("expired", under(&expired), "403 AccessDenied: Invalid according to Policy: Policy expired."),
        ("no key", v1(&[]), "403 AccessDenied: Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$key\", \"up/\"]"),
        (
            "no key and no condition for one",
            form_v1(&root(), &[], &policy(r#"["content-length-range",0,9]"#)),
            &format!("{missing} (ArgumentName=key; ArgumentValue=)"),
        ),
        ("V1 without an access key", edited(v1(&key), "OSSAccessKeyId", None), "400 InvalidArgument: Post request accessKeyId is empty."),
        ("V1 without a signature", edited(v1(&key), "Signature", None), "400 InvalidArgument: Post request signature is empty."),
        ("V1 without a policy", edited(v1(&key), "policy", None), missing),
        (
            "unknown access key",
            edited(v1(&key), "OSSAccessKeyId", Some("nobody")),
            "403 InvalidAccessKeyId: The OSS Access Key Id you provided does not exist in our records. (OSSAccessKeyId=nobody) 0002-00000902",
        ),
        ("V4 without a date", edited(v4(), "x-oss-date", None), missing),
        ("V4 without a signature", edited(v4(), "x-oss-signature", None), "400 InvalidArgument: Post request signature is empty."),
        (
            "V4 with another version",
            edited(v4(), "x-oss-signature-version", Some("OSS5")),
            "400 InvalidArgument: The x-oss-signature-version field is invalid.",
        ),
        (
            "V4 with a credential that is none",
            edited(v4(), "x-oss-credential", Some("ak/x")),
            "400 InvalidArgument: The x-oss-credential field is invalid.",
        ),
        (
            "V4 for a month",
            form_v4(&root(), &key, &in_a_month),
            "403 AccessDenied: Invalid according to Policy: Policy expiration must be within seven days of x-oss-date.",
        ),
        (
            "V4 that does not bind itself",
            form_v4(&root(), &key, &good),
            "403 AccessDenied: Invalid according to Policy: Policy Condition failed: x-oss-signature-version must have a condition.",
        ),
        (
            "too small",
            with_file("h"),
            "400 EntityTooSmall: Your proposed upload smaller than the minimum allowed size. (MinSizeAllowed=2; ProposedSize=1)",
        ),
        (
            "exists",
            v1(&[("key", "up/exists"), ("x-oss-forbid-overwrite", "true")]),
            "409 FileAlreadyExists: The object you specified already exists and can not be overwritten. (Key=up/exists)",
        ),
        (
            "traffic limit",
            v1(&[("key", "up/k"), ("x-oss-traffic-limit", "1")]),
            "400 InvalidArgument: x-oss-traffic-limit is invalid, should be specified between 819200(100KB/s) and 838860800(100MB/s). \
             (ArgumentName=x-oss-traffic-limit; ArgumentValue=1)",
        ),
        (
            "encryption",
            v1(&[("key", "up/k"), ("x-oss-server-side-encryption", "AES256")]),
            "400 NotImplemented: A header you provided implies functionality that is not implemented. (Header=x-oss-server-side-encryption)",
        ),
        (
            "a callback that is none",
            v1(&[("key", "up/k"), ("callback", "!")]),
            "400 InvalidArgument: The callback configuration is not base64 encoded. (ArgumentName=callback)",
        ),
    ] {
        table.line(name, &peer.ask(&form.request(&target).of_oss()), expected);
    }
    let too_large = peer.ask(&with_file("hello world").request(&target));
    table.check("too large", &format!("{} {}", too_large.status, too_large.element("Code").unwrap_or("-")), "400 EntityTooLarge");
    let code = |form: Form| peer.ask(&form.request(&target).of_oss()).element("Code").unwrap_or("-").to_owned();
    for (name, form, expected) in [
        ("V1 signature", edited(v1(&key), "Signature", Some("AAAA")), "SignatureDoesNotMatch"),
        ("V4 signature", edited(v4(), "x-oss-signature", Some(&"0".repeat(64))), "SignatureDoesNotMatch"),
        ("V1 policy that was changed", edited(v1(&key), "policy", Some("e30=")), "SignatureDoesNotMatch"),
        ("policy that is no JSON", under("nonsense"), "InvalidPolicyDocument"),
        ("policy without an expiration", under(r#"{"conditions":[]}"#), "InvalidPolicyDocument"),
        ("policy with an unknown condition", under(&policy(r#"["like","$key","x"]"#)), "InvalidPolicyDocument"),
    ] {
        table.check(name, &code(form), expected);
    }
    let plain = v1(&key).body();
    let no_file = plain.replace("name=\"file\"", "name=\"other\"");
    let one_file = "400 IncorrectNumberOfFilesInPOSTRequest: POST requires exactly one file upload per request.";
    let of_oss = |body: &str| post_form(&target, body).of_oss();
    table.line("no file", &peer.ask(&of_oss(&no_file)), one_file);
    let malformed = peer.ask(&of_oss("hello"));
    table.check("no form", &malformed.status.to_string(), "400");
    let truncated = peer.ask(&of_oss(&plain[..plain.len() - 10]));
    table.check("truncated", &format!("{} {}", truncated.status, truncated.element("Code").unwrap_or("-")), "400 MalformedPOSTRequest");
    let anonymous = peer.ask(&Form::unsigned(&[("key", "up/k"), ("x-oss-meta-a", "b")]).request(&target));
    table.line("anonymous", &anonymous, "403 AccessDenied: AccessDenied.");
    table.line(
        "nothing was stored",
        &peer.ask(&get(&format!("/{bucket}/up/k"))),
        "404 NoSuchKey: The specified key does not exist. (Key=up/k) 0026-00000001",
    );
    peer.expect(&put(&format!("/{bucket}?acl"), "").with("x-oss-acl", "public-read-write"), 200);
    let open = peer.ask(&Form::unsigned(&[("key", "up/k"), ("x-oss-meta-a", "b")]).request(&target));
    table.line("no policy on a public bucket", &open, "204");
    table.finish(&open, "403");
}
