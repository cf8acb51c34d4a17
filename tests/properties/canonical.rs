//! Canonical forms of signatures, written from the published specifications: SigV4 (S3 API Reference, "Signature
//! Calculations for the Authorization Header"), OSS versions 1, 2 and 4 (OSS API Reference, "Add a signature to the header",
//! "Include a V4 signature in the header"). What is signed here the product accepts, and what its signers sign is the same.

use crate::{
    gateway::Dice,
    spelling::{encode, somehow, text},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderName, HeaderValue, Request, request::Parts};
use partway::{
    auth::{
        Addressed, AuthError, Claim, Verified, oss, oss_sign, s3,
        sign::{self, Credentials},
    },
    model::Timestamp,
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// 2026-01-15T08:30:00Z.
const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);
const ISO: &str = "20260115T083000Z";
const DAY: &str = "20260115";
const HTTP_DATE: &str = "Thu, 15 Jan 2026 08:30:00 GMT";
/// A minute later, in seconds since the epoch.
const EXPIRES: &str = "1768465860";
const REGION: &str = "mars-1";
const SIG_V4_SCOPE: &str = "20260115/mars-1/s3/aws4_request";
const OSS_V4_SCOPE: &str = "20260115/mars-1/oss/aliyun_v4_request";
const ACCESS_KEY: &str = "AK/ID";
const SECRET: &str = "se/cr+et";
const CASE_COUNT: u64 = 400;

/// Parameters that version 1 signs (OSS API Reference, CanonicalizedResource), and some that it does not.
const SUB_RESOURCES: [&str; 8] =
    ["acl", "uploads", "uploadId", "partNumber", "response-content-type", "response-expires", "symlink", "tagging"];
const OTHER_PARAMETERS: [&str; 5] = ["prefix", "marker", "max-keys", "delimiter", "encoding-type"];

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// A request before it is spelled. Names of parameters are different, as in SDKs, which keep them in maps.
#[derive(Clone, Debug)]
struct Plain {
    method: &'static str,
    bucket: String,
    key: String,
    query: BTreeMap<String, Option<String>>,
    headers: BTreeMap<String, String>,
}

impl Plain {
    fn generate(dice: &mut Dice, vendor: &str) -> Self {
        let mut query = BTreeMap::new();
        for _ in 0..dice.below(5) {
            let name = match dice.below(3) {
                0 => (*dice.pick(&SUB_RESOURCES)).to_owned(),
                1 => (*dice.pick(&OTHER_PARAMETERS)).to_owned(),
                _ => format!("p{}", text(dice, 4)),
            };
            let value = (!dice.one_in(3)).then(|| text(dice, 8));
            query.insert(name, value);
        }
        let mut headers = BTreeMap::from([("host".to_owned(), "h.example:9000".to_owned())]);
        for name in ["content-type".to_owned(), "content-md5".to_owned(), format!("x-{vendor}-meta-a"), format!("x-{vendor}-meta-b")] {
            if dice.one_in(2) {
                headers.insert(name, (*dice.pick(&["", "a", "text/plain", "a,b;c=\"d\"", "ü"])).to_owned());
            }
        }
        let key = format!("k{}", text(dice, 12));
        Self { method: *dice.pick::<&str>(&["GET", "PUT", "DELETE", "HEAD"]), bucket: "bkt".to_owned(), key, query, headers }
    }

    /// The head as some client may write it; values of headers get spaces around them.
    fn head(&self, dice: &mut Dice) -> Parts {
        let mut target = format!("/{}/{}", self.bucket, somehow(&self.key, false, dice));
        let mut pairs: Vec<_> = self.query.iter().collect();
        if !pairs.is_empty() {
            let turn = dice.below(pairs.len());
            pairs.rotate_left(turn);
        }
        for (index, (name, value)) in pairs.into_iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(&somehow(name, true, dice));
            match value {
                Some(value) => target.push_str(&format!("={}", somehow(value, true, dice))),
                None if dice.one_in(2) => target.push('='),
                None => {}
            }
        }
        let request = Request::builder().method(self.method).uri(&target).body(());
        let (mut parts, ()) = request.unwrap_or_else(|error| panic!("{target}: {error}")).into_parts();
        for (name, value) in &self.headers {
            let padded = if dice.one_in(3) { format!("  {value} ") } else { value.clone() };
            set(&mut parts, name, &padded);
        }
        parts
    }

    /// The query of SigV4 and, with `empty_has_equals` not set, of OSS: encoded, sorted by encoded name.
    fn canonical_query(&self, empty_has_equals: bool) -> String {
        let mut pairs: Vec<(String, String)> =
            self.query.iter().map(|(name, value)| (encode(name, true), encode(value.as_deref().unwrap_or(""), true))).collect();
        pairs.sort();
        let pairs = pairs.iter().map(|(name, value)| match value.as_str() {
            "" if !empty_has_equals => name.clone(),
            _ => format!("{name}={value}"),
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    fn ask(&mut self, name: &str, value: &str) {
        self.query.insert(name.to_owned(), Some(value.to_owned()));
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value)
    }

    fn lines(&self, is_signed: impl Fn(&str) -> bool) -> String {
        let signed = self.headers.iter().filter(|(name, _)| is_signed(name));
        signed.map(|(name, value)| format!("{name}:{}\n", value.trim())).collect()
    }
}

fn set(parts: &mut Parts, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes()).expect("it is a name");
    parts.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("it is a value"));
}

/// A scheme: its headers, and how a request is signed in its Authorization header and in its query.
struct Scheme {
    name: &'static str,
    vendor: &'static str,
    own_headers: &'static [(&'static str, &'static str)],
    authorization: fn(&Plain) -> String,
    presign: fn(&mut Plain),
    claim: fn(&Parts) -> Result<Claim, AuthError>,
    sign: fn(&mut Parts, &Credentials, &Addressed<'_>),
    /// Whether every parameter of the query is signed.
    covers_query: bool,
}

const SCHEMES: [Scheme; 4] = [
    Scheme {
        name: "SigV4",
        vendor: "amz",
        own_headers: &[("x-amz-date", ISO), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
        authorization: sig_v4,
        presign: presign_sig_v4,
        claim: s3::claim,
        sign: |parts, credentials, _| sign::sign_v4(parts, credentials, REGION, "UNSIGNED-PAYLOAD", NOW).expect("it can be signed"),
        covers_query: true,
    },
    Scheme {
        name: "OSS version 1",
        vendor: "oss",
        own_headers: &[("date", HTTP_DATE)],
        authorization: oss_v1,
        presign: presign_oss_v1,
        claim: oss::claim,
        sign: |parts, credentials, addressed| oss_sign::sign_v1(parts, credentials, addressed, NOW).expect("it can be signed"),
        covers_query: false,
    },
    Scheme {
        name: "OSS version 2",
        vendor: "oss",
        own_headers: &[("date", HTTP_DATE)],
        authorization: oss_v2,
        presign: presign_oss_v2,
        claim: oss::claim,
        sign: |parts, credentials, addressed| oss_sign::sign_v2(parts, credentials, addressed, &["host"], NOW).expect("it can be signed"),
        covers_query: true,
    },
    Scheme {
        name: "OSS version 4",
        vendor: "oss",
        own_headers: &[("x-oss-date", ISO), ("x-oss-content-sha256", "UNSIGNED-PAYLOAD")],
        authorization: oss_v4,
        presign: presign_oss_v4,
        claim: oss::claim,
        sign: |parts, credentials, addressed| {
            oss_sign::sign_v4(parts, credentials, addressed, REGION, &["host"], NOW).expect("it can be signed");
        },
        covers_query: true,
    },
];

fn sig_v4(plain: &Plain) -> String {
    let names: Vec<&str> = plain.headers.keys().map(String::as_str).collect();
    let names = names.join(";");
    let signature = sig_v4_signature(plain, &names);
    format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SIG_V4_SCOPE}, SignedHeaders={names}, Signature={signature}")
}

fn presign_sig_v4(plain: &mut Plain) {
    let names: Vec<&str> = plain.headers.keys().map(String::as_str).collect();
    let names = names.join(";");
    plain.ask("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    plain.ask("X-Amz-Credential", &format!("{ACCESS_KEY}/{SIG_V4_SCOPE}"));
    plain.ask("X-Amz-Date", ISO);
    plain.ask("X-Amz-Expires", "60");
    plain.ask("X-Amz-SignedHeaders", &names);
    plain.ask("X-Amz-Signature", &sig_v4_signature(plain, &names));
}

/// Signs all of the headers, whose names these are.
fn sig_v4_signature(plain: &Plain, names: &str) -> String {
    let path = encode(&format!("/{}/{}", plain.bucket, plain.key), false);
    let lines = plain.lines(|_| true);
    let request = format!("{}\n{path}\n{}\n{lines}\n{names}\nUNSIGNED-PAYLOAD", plain.method, plain.canonical_query(true));
    let string_to_sign = format!("AWS4-HMAC-SHA256\n{ISO}\n{SIG_V4_SCOPE}\n{}", sha256(&request));
    let key = [DAY, REGION, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, step| hmac_sha256(&key, step.as_bytes()));
    hex::encode(hmac_sha256(&key, string_to_sign.as_bytes()))
}

fn oss_v1(plain: &Plain) -> String {
    format!("OSS {ACCESS_KEY}:{}", oss_v1_signature(plain, HTTP_DATE))
}

fn presign_oss_v1(plain: &mut Plain) {
    let signature = oss_v1_signature(plain, EXPIRES);
    plain.ask("OSSAccessKeyId", ACCESS_KEY);
    plain.ask("Expires", EXPIRES);
    plain.ask("Signature", &signature);
}

fn oss_v1_signature(plain: &Plain, date: &str) -> String {
    let signed = plain.query.iter().filter(|(name, _)| SUB_RESOURCES.contains(&name.as_str()));
    let sub_resources: Vec<String> = signed
        .map(|(name, value)| match value.as_deref() {
            None | Some("") => name.clone(),
            Some(value) => format!("{name}={value}"),
        })
        .collect();
    let mark = if sub_resources.is_empty() { "" } else { "?" };
    let string_to_sign = format!(
        "{}\n{}\n{}\n{date}\n{}/{}/{}{mark}{}",
        plain.method,
        plain.header("content-md5"),
        plain.header("content-type"),
        plain.lines(|name| name.starts_with("x-oss-")),
        plain.bucket,
        plain.key,
        sub_resources.join("&")
    );
    STANDARD.encode(hmac_sha1(SECRET.as_bytes(), string_to_sign.as_bytes()))
}

fn oss_v2(plain: &Plain) -> String {
    format!("OSS2 AccessKeyId:{ACCESS_KEY},AdditionalHeaders:host,Signature:{}", oss_v2_signature(plain, HTTP_DATE))
}

fn presign_oss_v2(plain: &mut Plain) {
    plain.ask("x-oss-signature-version", "OSS2");
    plain.ask("x-oss-expires", EXPIRES);
    plain.ask("x-oss-access-key-id", ACCESS_KEY);
    plain.ask("x-oss-additional-headers", "host");
    plain.ask("x-oss-signature", &oss_v2_signature(plain, EXPIRES));
}

fn oss_v2_signature(plain: &Plain, date: &str) -> String {
    let query = plain.canonical_query(false);
    let mark = if query.is_empty() { "" } else { "?" };
    let string_to_sign = format!(
        "{}\n{}\n{}\n{date}\n{}host\n{}{mark}{query}",
        plain.method,
        plain.header("content-md5"),
        plain.header("content-type"),
        plain.lines(|name| name.starts_with("x-oss-") || name == "host"),
        encode(&format!("/{}/{}", plain.bucket, plain.key), true),
    );
    STANDARD.encode(hmac_sha256(SECRET.as_bytes(), string_to_sign.as_bytes()))
}

fn oss_v4(plain: &Plain) -> String {
    let signature = oss_v4_signature(plain);
    format!("OSS4-HMAC-SHA256 Credential={ACCESS_KEY}/{OSS_V4_SCOPE},AdditionalHeaders=host,Signature={signature}")
}

fn presign_oss_v4(plain: &mut Plain) {
    plain.headers.remove("x-oss-date");
    plain.ask("x-oss-signature-version", "OSS4-HMAC-SHA256");
    plain.ask("x-oss-credential", &format!("{ACCESS_KEY}/{OSS_V4_SCOPE}"));
    plain.ask("x-oss-date", ISO);
    plain.ask("x-oss-expires", "60");
    plain.ask("x-oss-additional-headers", "host");
    plain.ask("x-oss-signature", &oss_v4_signature(plain));
}

fn oss_v4_signature(plain: &Plain) -> String {
    let is_signed = |name: &str| name.starts_with("x-oss-") || ["content-type", "content-md5", "host"].contains(&name);
    let path = encode(&format!("/{}/{}", plain.bucket, plain.key), false);
    let request = format!("{}\n{path}\n{}\n{}\nhost\nUNSIGNED-PAYLOAD", plain.method, plain.canonical_query(false), plain.lines(is_signed));
    let string_to_sign = format!("OSS4-HMAC-SHA256\n{ISO}\n{OSS_V4_SCOPE}\n{}", sha256(&request));
    let key = [DAY, REGION, "oss", "aliyun_v4_request"]
        .iter()
        .fold(format!("aliyun_v4{SECRET}").into_bytes(), |key, step| hmac_sha256(&key, step.as_bytes()));
    hex::encode(hmac_sha256(&key, string_to_sign.as_bytes()))
}

impl Scheme {
    fn verify(&self, parts: &Parts, plain: &Plain) -> Result<Verified, AuthError> {
        let addressed = Addressed { bucket: Some(&plain.bucket), key: Some(&plain.key), bucket_in_host: None };
        match (self.claim)(parts)? {
            Claim::Signed(claim) => {
                assert_eq!(claim.access_key, ACCESS_KEY);
                claim.verify(parts, &addressed, SECRET, NOW)
            }
            Claim::Anonymous => panic!("{parts:?} is signed"),
        }
    }

    fn generate(&self, dice: &mut Dice) -> Plain {
        let mut plain = Plain::generate(dice, self.vendor);
        plain.headers.extend(self.own_headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        plain
    }
}

#[test]
fn what_is_signed_by_the_specification_verifies_however_it_is_spelled() {
    for scheme in SCHEMES {
        for seed in 0..CASE_COUNT {
            let mut dice = Dice::new(seed);
            let plain = scheme.generate(&mut dice);
            let mut parts = plain.head(&mut dice);
            set(&mut parts, "authorization", &(scheme.authorization)(&plain));
            let verified = scheme.verify(&parts, &plain);
            assert!(verified.is_ok(), "{}, seed {seed}: {plain:?}\n{parts:?}\n{verified:?}", scheme.name);
        }
    }
}

#[test]
fn what_is_presigned_by_the_specification_verifies_however_it_is_spelled_and_cannot_be_changed() {
    for scheme in SCHEMES {
        for seed in 0..CASE_COUNT {
            let mut dice = Dice::new(seed);
            let mut plain = scheme.generate(&mut dice);
            (scheme.presign)(&mut plain);
            let parts = plain.head(&mut dice);
            let verified = scheme.verify(&parts, &plain);
            assert!(verified.is_ok(), "{}, seed {seed}: {plain:?}\n{parts:?}\n{verified:?}", scheme.name);
            plain.key.push('x');
            let verified = scheme.verify(&plain.head(&mut dice), &plain);
            assert!(matches!(verified, Err(AuthError::SignatureMismatch { .. })), "{}, seed {seed}: {plain:?}: {verified:?}", scheme.name);
        }
    }
}

#[test]
fn what_the_signers_sign_is_what_the_specification_says() {
    let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET.to_owned(), security_token: None };
    for scheme in SCHEMES {
        for seed in 0..CASE_COUNT {
            let mut dice = Dice::new(seed);
            let plain = scheme.generate(&mut dice);
            let mut parts = plain.head(&mut dice);
            let addressed = Addressed { bucket: Some(&plain.bucket), key: Some(&plain.key), bucket_in_host: None };
            (scheme.sign)(&mut parts, &credentials, &addressed);
            let authorization = parts.headers["authorization"].to_str().expect("it is text");
            assert_eq!(authorization, (scheme.authorization)(&plain), "{}, seed {seed}: {plain:?}", scheme.name);
        }
    }
}

#[test]
fn nothing_that_is_signed_can_be_changed() {
    for scheme in SCHEMES {
        for seed in 0..CASE_COUNT {
            let mut dice = Dice::new(seed);
            let plain = scheme.generate(&mut dice);
            let authorization = (scheme.authorization)(&plain);
            let mut changed = plain.clone();
            match dice.below(4) {
                0 => changed.key.push('x'),
                1 => changed.method = "POST",
                2 => drop(changed.headers.insert(format!("x-{}-meta-c", scheme.vendor), "new".to_owned())),
                _ if scheme.covers_query => drop(changed.query.insert("new".to_owned(), Some("1".to_owned()))),
                _ => drop(changed.query.insert("versionId".to_owned(), Some("1".to_owned()))),
            }
            let mut parts = changed.head(&mut dice);
            set(&mut parts, "authorization", &authorization);
            let verified = scheme.verify(&parts, &changed);
            let is_refused = matches!(verified, Err(AuthError::SignatureMismatch { .. } | AuthError::HeadersNotSigned(_)));
            assert!(is_refused, "{}, seed {seed}: {plain:?} became {changed:?}: {verified:?}", scheme.name);
        }
    }
}
