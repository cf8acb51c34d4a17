//! POST Object (s3.md §8): signed and unsigned forms, policies, sizes, answers.

use crate::{
    client::{Peer, get, now, post, put},
    protocol::form::{Form, hmac, post_form},
    support::{ACCESS_KEY, SECRET_KEY},
    table::{Table, line},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use partway::{dialect::date::iso8601, testkit::raw_client::RawResponse};

impl Form {
    /// With these fields, signed under a policy of these conditions.
    fn signed(peer: &Peer, fields: &[(&str, &str)], conditions: &str) -> Self {
        Self::with_policy(
            peer,
            fields,
            &format!(r#"{{"expiration":"{}","conditions":[{conditions}]}}"#, iso8601(now().plus_millis(60_000))),
        )
    }

    /// With these fields and this policy.
    fn with_policy(peer: &Peer, fields: &[(&str, &str)], policy: &str) -> Self {
        let date = get("/").signed_parts(&peer.host()).headers["x-amz-date"].to_str().expect("dates are text").to_owned();
        let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
        let policy = STANDARD.encode(policy.replace("DATE", &date).replace("CREDENTIAL", &format!("{ACCESS_KEY}/{scope}")));
        let key = scope.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, step| hmac(&key, step));
        let signature = hex::encode(hmac(&key, &policy));
        let mut form = Self::unsigned(fields);
        for (name, value) in [
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &format!("{ACCESS_KEY}/{scope}")),
            ("x-amz-date", &date),
            ("Policy", &policy),
            ("X-Amz-Signature", &signature),
        ] {
            form.fields.push((name.to_owned(), value.to_owned()));
        }
        form
    }
}

/// What covers the fields of the signature.
const OWN: &str = r#"{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-credential":"CREDENTIAL"},{"x-amz-date":"DATE"}"#;

fn shown(response: &RawResponse) -> String {
    let header = |name: &str| response.header(name).map(|value| format!(" {name}={value}")).unwrap_or_default();
    format!("{}{}{}", line(response), header("location"), header("etag"))
}

#[test]
fn forms_store_what_their_policy_allows_and_answer_as_asked() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}");
    let host = peer.host();
    let own = format!(r#"{{"bucket":"{bucket}"}},{OWN}"#);
    let any_key = format!(r#"{own},["starts-with","$key",""]"#);
    let etag = "etag=\"5d41402abc4b2a76b9719d911017c592\"";
    let here = format!(" location=http://{host}/{bucket}/k {etag}");
    let with_status = |status: &str| {
        let conditions = format!(r#"{any_key},["starts-with","$success_action_status",""]"#);
        Form::signed(&peer, &[("key", "k"), ("success_action_status", status)], &conditions)
    };
    let with_redirect = |to: &str| {
        let conditions = format!(r#"{any_key},["starts-with","$success_action_redirect",""]"#);
        Form::signed(&peer, &[("key", "k"), ("success_action_redirect", to), ("success_action_status", "200")][..2], &conditions)
    };
    let query = format!("bucket={bucket}&key=k&etag=%225d41402abc4b2a76b9719d911017c592%22");
    for (name, form, expected) in [
        ("plain", Form::signed(&peer, &[("key", "k")], &any_key), format!("204{here}")),
        ("upper case", Form::signed(&peer, &[("KEY", "k")], &any_key), format!("204{here}")),
        ("200", with_status("200"), format!("200{here}")),
        ("201", with_status("201"), format!("201{here}")),
        ("404", with_status("404"), format!("204{here}")),
        ("redirect", with_redirect("http://example.org/done"), format!("303 location=http://example.org/done?{query} {etag}")),
        (
            "redirect with a query",
            with_redirect("https://example.org/?a=b"),
            format!("303 location=https://example.org/?a=b&{query} {etag}"),
        ),
        ("redirect to nowhere", with_redirect("/done"), format!("204{here}")),
        ("redirect with a script", with_redirect("javascript:alert(1)"), format!("204{here}")),
        (
            "file name",
            Form::signed(&peer, &[("key", "up/${filename}")], &any_key),
            format!("204 location=http://{host}/{bucket}/up/a%20b.txt {etag}"),
        ),
        (
            "line breaks in the key",
            Form::signed(&peer, &[("key", "a\r\nSet-Cookie: b")], &any_key),
            format!("204 location=http://{host}/{bucket}/a%0D%0ASet-Cookie%3A%20b {etag}"),
        ),
        ("ignored", Form::signed(&peer, &[("key", "k"), ("x-ignore-this", "x")], &any_key), format!("204{here}")),
    ] {
        table.check(name, &shown(&peer.ask(&form.request(&target))), &expected);
    }
    let created = peer.ask(&with_status("201").request(&target));
    table.golden("post_response", &created, &[(&host, "HOST")]);
    table.check("content", peer.ask(&get(&format!("/{bucket}/up/a%20b.txt"))).text(), "hello");
    let attributes = [
        ("key", "attributes"),
        ("Content-Type", "image/x"),
        ("Cache-Control", "no-store"),
        ("x-amz-meta-a", "b"),
        ("tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        ("acl", "private"),
    ];
    let covered: String = attributes[1..].iter().map(|(name, _)| format!(r#",["starts-with","${name}",""]"#)).collect();
    let stored = peer.ask(&Form::signed(&peer, &attributes, &format!("{any_key}{covered}")).request(&target));
    table.line("attributes", &stored, "204");
    let read = peer.ask(&get(&format!("/{bucket}/attributes")));
    for (name, value) in [("content-type", "image/x"), ("cache-control", "no-store"), ("x-amz-meta-a", "b"), ("x-amz-tagging-count", "1")] {
        table.check(name, read.header(name).unwrap_or_default(), value);
    }
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    );
    table.line("anybody", &peer.ask(&Form::unsigned(&[("key", "k")]).request(&target)), "403 AccessDenied: Access Denied");
    peer.expect(&put(&format!("{target}?policy"), policy), 204);
    table.line("anybody, allowed", &peer.ask(&Form::unsigned(&[("key", "k")]).request(&target)), "204");
    table.finish(&created, "204");
}

#[test]
fn forms_are_refused_for_what_is_wrong_with_them() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}");
    let own = format!(r#"{{"bucket":"{bucket}"}},{OWN}"#);
    let any_key = format!(r#"{own},["starts-with","$key",""]"#);
    let ranged = |range: &str| Form::signed(&peer, &[("key", "none")], &format!(r#"{any_key},["content-length-range",{range}]"#));
    let denied = |reason: &str| format!("403 AccessDenied: Invalid according to Policy: {reason}");
    let failed = |condition: &str| denied(&format!("Policy Condition failed: {condition}"));
    let field = |name: &str| {
        format!(
            "400 InvalidArgument: Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
        )
    };
    let with = |form: Form, from: &str, to: &str| {
        let fields = form.fields.iter().map(|(name, value)| (name.clone(), if name == from { to.to_owned() } else { value.clone() }));
        Form { fields: fields.collect(), ..form.clone() }
    };
    let without =
        |form: Form, field: &str| Form { fields: form.fields.iter().filter(|(name, _)| name != field).cloned().collect(), ..form };
    let good = || Form::signed(&peer, &[("key", "none")], &any_key);
    let expired = format!(r#"{{"expiration":"2020-01-01T00:00:00Z","conditions":[{any_key}]}}"#);
    for (name, form, expected) in [
        ("expired", Form::with_policy(&peer, &[("key", "none")], &expired), denied("Policy expired.")),
        (
            "key differs",
            Form::signed(&peer, &[("key", "none")], &format!(r#"{own},{{"key":"other"}}"#)),
            failed(r#"["eq", "$key", "other"]"#),
        ),
        (
            "key begins otherwise",
            Form::signed(&peer, &[("key", "none")], &format!(r#"{own},["starts-with","$key","user/"]"#)),
            failed(r#"["starts-with", "$key", "user/"]"#),
        ),
        (
            "bucket differs",
            Form::signed(&peer, &[("key", "none")], &any_key.replace(&bucket, "other")),
            failed(r#"["eq", "$bucket", "other"]"#),
        ),
        (
            "extra field",
            Form::signed(&peer, &[("key", "none"), ("x-amz-meta-a", "b")], &any_key),
            denied("Extra input fields: x-amz-meta-a"),
        ),
        (
            "too large",
            ranged("0,4"),
            "400 EntityTooLarge: Your proposed upload exceeds the maximum allowed size (ProposedSize=5; MaxSizeAllowed=4)".to_owned(),
        ),
        (
            "too small",
            ranged("6,10"),
            "400 EntityTooSmall: Your proposed upload is smaller than the minimum allowed size (ProposedSize=5; MinSizeAllowed=6)"
                .to_owned(),
        ),
        (
            "no JSON",
            Form::with_policy(&peer, &[("key", "none")], "hello"),
            "400 InvalidPolicyDocument: Invalid Policy: Invalid JSON.".to_owned(),
        ),
        ("no policy", without(good(), "Policy"), field("policy")),
        ("no signature", without(good(), "X-Amz-Signature"), field("x-amz-signature")),
        ("no date", without(good(), "x-amz-date"), field("x-amz-date")),
        (
            "unknown key",
            with(good(), "x-amz-credential", &format!("NOBODY/{}/us-east-1/s3/aws4_request", &iso8601(now())[..10].replace('-', ""))),
            "403 InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records. (AWSAccessKeyId=NOBODY)".to_owned(),
        ),
    ] {
        let response = line(&peer.ask(&form.request(&target)));
        // Which argument is missing is told by the message.
        table.check(name, response.split(" (ArgumentName").next().unwrap_or_default(), &expected);
    }
    let wrong = peer.ask(&with(good(), "X-Amz-Signature", &"0".repeat(64)).request(&target));
    table.check("signature", wrong.element("Code").unwrap_or_default(), "SignatureDoesNotMatch");
    let multipart = "412 PreconditionFailed: At least one of the pre-conditions you specified did not hold \
                     (Condition=Bucket POST must be of the enclosure-type multipart/form-data)";
    let one_file = "400 InvalidArgument: POST requires exactly one file upload per request. (ArgumentName=file; ArgumentValue=0)";
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    );
    peer.expect(&put(&format!("{target}?policy"), policy), 204);
    let anybody = Form::unsigned(&[("key", "none")]);
    let no_file = anybody.body().replace("name=\"file\"", "name=\"other\"");
    let too_long = Form::unsigned(&[("key", &"k".repeat(1025))]);
    let huge = Form::unsigned(&[("key", "none"), ("x-ignore-a", &"a".repeat(200_000))]);
    for (name, asked, expected) in [
        ("no form", post(&target, "hello").anonymous(), multipart),
        ("URL-encoded", post(&target, "key=none").anonymous().with("content-type", "application/x-www-form-urlencoded"), multipart),
        ("no boundary", post(&target, anybody.body()).anonymous().with("content-type", "multipart/form-data"), multipart),
        ("no file", post_form(&target, &no_file), one_file),
        (
            "no key",
            Form::unsigned(&[]).request(&target),
            "400 InvalidArgument: Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields. \
             (ArgumentName=key; ArgumentValue=)",
        ),
        ("long key", too_long.request(&target), "400 KeyTooLongError: Your key is too long (Size=1025; MaxSizeAllowed=1024)"),
        (
            "large fields",
            huge.request(&target),
            "400 MaxPostPreDataLengthExceeded: Your POST request fields preceding the upload file were too large.",
        ),
        ("truncated", post_form(&target, &anybody.body()[..120]), "400 IncompleteBody: The request body terminated unexpectedly"),
        (
            "truncated file",
            post_form(&target, anybody.body().trim_end_matches("7--\r\n")),
            "400 IncompleteBody: The request body terminated unexpectedly",
        ),
        ("no bucket", anybody.request("/missing-bucket"), "403 AccessDenied: Access Denied"),
        (
            "of an object",
            anybody.request(&format!("{target}/k")),
            "405 MethodNotAllowed: The specified method is not allowed against this resource. (Method=POST; ResourceType=OBJECT)",
        ),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    let absent = peer.ask(&get(&format!("{target}/none")));
    table.line("nothing was stored", &absent, "404 NoSuchKey: The specified key does not exist. (Key=none)");
    table.finish(&absent, "204");
}
