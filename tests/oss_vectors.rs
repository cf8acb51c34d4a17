//! Signed requests of real OSS clients (`vectors/oss.json`): the dialect finds out what each is addressed to, each verifies with
//! the clock at its signing time, and none does any more once a byte that its signature covers is another one. What it is
//! answered then is an error of OSS's.

mod vectors;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, request::Parts};
use partway::{
    auth::{
        Addressed, AuthError, Claim, Payload, SignedClaim, Verified,
        form::{FormClaim, FormError, FormGrant},
        oss, oss_form, s3,
    },
    dialect::{
        Dialect, ReplyContext,
        address::{Address, Hosts},
        error::Rejection,
        oss::Oss,
        xml::Element,
    },
    model::{Limits, Timestamp},
};
use std::collections::BTreeMap;
use vectors::{Vector, flip, flip_last};

const IN_HEADER: [&str; 3] = ["OSS-V1-header", "OSS-V2-header", "OSS-V4-header"];
const IN_QUERY: [&str; 3] = ["OSS-V1-url", "OSS-V2-url", "OSS-V4-url"];
const IN_FORM: [&str; 2] = ["OSS-V1-post", "OSS-V4-post"];

/// What version 1 does not sign of the queries here; all of it selects or shapes what is read.
const UNSIGNED_IN_V1: [&str; 10] = [
    "list-type",
    "prefix",
    "delimiter",
    "marker",
    "start-after",
    "fetch-owner",
    "max-keys",
    "encoding-type",
    "not-signed",
    "OSSAccessKeyId",
];

const OSS: Oss = Oss { limits: Limits::OSS };

type Outcome = Result<(Box<SignedClaim>, Verified), Rejection>;

impl Vector {
    fn all() -> Vec<Self> {
        Self::read(include_str!("vectors/oss.json"))
    }

    fn with_scheme(schemes: &[&str]) -> Vec<Self> {
        Self::all().into_iter().filter(|vector| schemes.contains(&vector.text("scheme"))).collect()
    }

    fn heads() -> Vec<Self> {
        Self::with_scheme(&[IN_HEADER, IN_QUERY].concat())
    }

    fn is_v1(&self) -> bool {
        self.text("scheme").starts_with("OSS-V1")
    }

    fn method(&self) -> Method {
        Method::from_bytes(self.text("method").as_bytes()).expect("it is a method")
    }

    /// What a request may be addressed to, as the dialect reads it.
    fn addresses(&self, parts: &Parts) -> Result<Vec<Address>, Rejection> {
        // Only the records of the name tell which bucket it stands for.
        let cnames = [("img.example.com".to_owned(), "bkt-test".to_owned())];
        let hosts = Hosts { domains: vec!["oss.example.com".to_owned()], cnames: cnames.into_iter().collect() };
        Ok(OSS.addresses(parts, &hosts)?)
    }

    /// How many readings of its address there are, and the one that its signature is for.
    fn meant(&self) -> (usize, Address) {
        let parts = self.head(&self.target(), &self.headers());
        let readings = self.addresses(&parts).expect("the address can be read");
        let verifies = |address: &&Address| self.verify_at_address(&parts, address, self.text("secret_key"), self.now()).is_ok();
        let meant = readings.iter().find(verifies).unwrap_or_else(|| panic!("{} is none of {readings:?}", self.name()));
        (readings.len(), meant.clone())
    }

    fn verify(&self, target: &str, headers: &[(String, String)]) -> Outcome {
        self.verify_with(&self.method(), target, headers, self.text("secret_key"), self.now())
    }

    /// As the server does: of several readings of the address that is meant which the signature is for, else the first.
    fn verify_with(&self, method: &Method, target: &str, headers: &[(String, String)], secret: &str, now: Timestamp) -> Outcome {
        let mut parts = self.head(target, headers);
        parts.method = method.clone();
        let mut outcomes = self.addresses(&parts)?.into_iter().map(|address| self.verify_at_address(&parts, &address, secret, now));
        let first = outcomes.next().expect("there is a reading");
        if first.is_ok() { first } else { outcomes.find(Result::is_ok).unwrap_or(first) }
    }

    fn verify_at_address(&self, parts: &Parts, address: &Address, secret: &str, now: Timestamp) -> Outcome {
        let addressed = Addressed { bucket: address.bucket.as_deref(), key: address.key.as_deref(), bucket_in_host: None };
        match OSS.claim(parts)? {
            Claim::Anonymous => panic!("{} is taken for anonymous", self.name()),
            Claim::Signed(signed) => {
                let verified = signed.verify(parts, &addressed, secret, now)?;
                Ok((signed, verified))
            }
        }
    }

    fn verify_at(&self, secret: &str, now: Timestamp) -> Outcome {
        self.verify_with(&self.method(), &self.target(), &self.headers(), secret, now)
    }

    /// Whether its signature covers this header, by the rules of its version and the names that it lists itself.
    fn covers(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let authorization = self.header("authorization").unwrap_or_default();
        let listed = authorization.split(&[',', ' ']).find_map(|part| part.strip_prefix("AdditionalHeaders")).map(|list| &list[1..]);
        let in_query = self
            .target()
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix("x-oss-additional-headers="))
            .map(|list| list.replace("%3B", ";"));
        let is_dated_by = match self.text("scheme") {
            "OSS-V1-header" | "OSS-V2-header" => self.header("x-oss-date").is_none() && name == "date",
            _ => false,
        };
        let is_listed = [listed, in_query.as_deref()].into_iter().flatten().any(|list| list.split(';').any(|listed| listed == name));
        name.starts_with("x-oss-") || name == "content-type" || name == "content-md5" || is_dated_by || is_listed
    }

    fn verify_form(&self, fields: &[(String, String)]) -> Result<(String, FormGrant), FormError> {
        match oss_form::claim(fields)? {
            FormClaim::Anonymous => panic!("{} is taken for anonymous", self.name()),
            FormClaim::Signed(signed) => {
                let grant = signed.verify(fields, self.text("bucket"), self.text("secret_key"), self.now())?;
                Ok((signed.access_key, grant))
            }
        }
    }
}

#[test]
fn every_vector_is_covered_by_a_test() {
    let mut counts = BTreeMap::new();
    for vector in Vector::all() {
        *counts.entry(vector.text("scheme").to_owned()).or_insert(0) += 1;
    }
    let expected = [
        ("OSS-V1-header", 18),
        ("OSS-V1-post", 1),
        ("OSS-V1-url", 6),
        ("OSS-V2-header", 2),
        ("OSS-V2-url", 1),
        ("OSS-V4-header", 11),
        ("OSS-V4-post", 1),
        ("OSS-V4-url", 6),
    ];
    assert_eq!(counts, expected.into_iter().map(|(scheme, count)| (scheme.to_owned(), count)).collect());
    for (scheme, _) in expected {
        assert!(IN_HEADER.iter().chain(&IN_QUERY).chain(&IN_FORM).any(|covered| *covered == scheme), "{scheme}");
    }
}

#[test]
fn every_vector_is_addressed_as_it_says() {
    let mut ambiguous = Vec::new();
    for vector in Vector::heads() {
        let (readings, meant) = vector.meant();
        assert_eq!(meant.bucket.as_deref(), vector.find("bucket"), "{}", vector.name());
        assert_eq!(meant.key.as_deref(), vector.find("key").filter(|key| !key.is_empty()), "{}", vector.name());
        assert_eq!(meant.virtual_hosted, vector.text("addressing") != "path", "{}", vector.name());
        if readings > 1 {
            ambiguous.push(vector.name().to_owned());
        }
    }
    assert_eq!(ambiguous, ["oss-v1-header-put-ali-oss-ip-sld-ambiguous"]);
}

#[test]
fn every_signed_head_verifies_at_its_signing_time() {
    for vector in Vector::heads() {
        let parts = vector.head(&vector.target(), &vector.headers());
        assert!(oss::is_signed(&parts) && !s3::is_signed(&parts), "{}", vector.name());
        let (signed, verified) =
            vector.verify(&vector.target(), &vector.headers()).unwrap_or_else(|error| panic!("{}: {error:?}", vector.name()));
        assert_eq!(signed.access_key, vector.text("access_key"), "{}", vector.name());
        assert_eq!(signed.security_token.as_deref(), vector.find("session_token"), "{}", vector.name());
        assert_eq!(verified.payload, Payload::Unsigned, "{}", vector.name());
    }
}

#[test]
fn every_head_is_signed_over_the_expected_strings() {
    for vector in Vector::heads() {
        let parts = vector.head(&vector.target(), &vector.headers());
        let refusal = vector.verify_at_address(&parts, &vector.meant().1, "another secret", vector.now()).map(|_| ());
        let Err(Rejection::Auth(AuthError::SignatureMismatch { access_key, string_to_sign, canonical_request, provided })) = refusal else {
            panic!("{}: {refusal:?}", vector.name());
        };
        assert_eq!(access_key, vector.text("access_key"), "{}", vector.name());
        assert_eq!(string_to_sign, vector.text("expected_string_to_sign"), "{}", vector.name());
        assert_eq!(canonical_request.as_deref(), vector.find("expected_canonical_request"), "{}", vector.name());
        let expected = vector.find("expected_signature").unwrap_or_else(|| vector.text("expected_authorization"));
        assert!(expected.contains(&provided), "{}", vector.name());
    }
}

#[test]
fn no_signature_is_good_for_ever() {
    for vector in Vector::heads() {
        let verify_after =
            |minutes: i64| vector.verify_at(vector.text("secret_key"), vector.now().plus_millis(minutes * 60_000)).map(|_| ());
        if IN_HEADER.contains(&vector.text("scheme")) {
            assert_eq!((verify_after(-15), verify_after(15)), (Ok(()), Ok(())), "{}", vector.name());
            for minutes in [-16, 16] {
                let refusal = verify_after(minutes);
                assert!(matches!(refusal, Err(Rejection::Auth(AuthError::ClockSkewed { .. }))), "{}: {refusal:?}", vector.name());
            }
        } else {
            let refusal = verify_after(61);
            assert!(matches!(refusal, Err(Rejection::Auth(AuthError::Expired { .. }))), "{}: {refusal:?}", vector.name());
            let early = if vector.text("scheme") == "OSS-V4-url" { Err(AuthError::NotYetValid.into()) } else { Ok(()) };
            assert_eq!((verify_after(-15), verify_after(-16)), (Ok(()), early), "{}", vector.name());
        }
    }
}

#[test]
fn a_flipped_byte_in_a_header_signature_is_refused() {
    for vector in Vector::with_scheme(&IN_HEADER) {
        let authorization = vector.header("authorization").expect("the signature is in the header");
        let start = authorization.find("Signature").map_or_else(|| authorization.find(':'), |name| Some(name + 9)).expect("a colon") + 1;
        let size = authorization[start..].find(',').unwrap_or(authorization.len() - start);
        assert!(size >= 28, "{}", vector.name());
        for index in start..start + size {
            let mut headers = vector.headers();
            let altered = headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).expect("it is there");
            altered.1 = flip(&authorization, index);
            let refusal = vector.verify(&vector.target(), &headers).map(|_| ());
            assert!(
                matches!(refusal, Err(Rejection::Auth(AuthError::SignatureMismatch { .. }))),
                "{} at {index}: {refusal:?}",
                vector.name()
            );
        }
    }
}

#[test]
fn a_flipped_byte_in_any_signed_header_is_refused_and_none_can_be_added() {
    let mut count = 0;
    for vector in Vector::heads() {
        for (index, (name, value)) in vector.headers().into_iter().enumerate() {
            let mut flipped = vector.headers();
            flipped[index].1 = flip_last(&value);
            let mut removed = vector.headers();
            removed.remove(index);
            if vector.covers(&name) {
                assert!(vector.verify(&vector.target(), &flipped).is_err(), "{} {name}", vector.name());
                assert!(vector.verify(&vector.target(), &removed).is_err(), "{} without {name}", vector.name());
                count += 1;
            } else if name == "security-token" {
                // Nobody signed it, so it is the token alone that tells whether it belongs to the key.
                let (signed, _) = vector.verify(&vector.target(), &flipped).expect("it is not signed");
                assert_ne!(signed.security_token.as_deref(), vector.find("session_token"), "{}", vector.name());
            } else if name.eq_ignore_ascii_case("host") {
                // It is signed as the bucket that it names.
                let is_told_by_path = vector.text("addressing") == "path";
                assert_eq!(vector.verify(&vector.target(), &removed).is_ok(), is_told_by_path, "{} without {name}", vector.name());
            } else if !name.eq_ignore_ascii_case("authorization") {
                assert!(vector.verify(&vector.target(), &removed).is_ok(), "{} without {name}", vector.name());
            }
        }
        for name in ["x-oss-copy-source", "x-oss-meta-added", "content-type", "content-md5"] {
            let mut added = vector.headers();
            added.push((name.to_owned(), "added".to_owned()));
            assert!(vector.verify(&vector.target(), &added).is_err(), "{} with {name}", vector.name());
        }
    }
    assert!(count > 100, "only {count} headers were tried");
}

#[test]
fn another_method_is_refused() {
    for vector in Vector::heads() {
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD] {
            let verified = vector.verify_with(&method, &vector.target(), &vector.headers(), vector.text("secret_key"), vector.now());
            assert_eq!(verified.is_ok(), method.as_str() == vector.text("method"), "{} by {method}", vector.name());
        }
    }
}

#[test]
fn a_flipped_byte_in_the_path_is_refused() {
    for vector in Vector::heads() {
        let target = vector.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        for index in 1..path.len() {
            let altered = format!("{}?{query}", flip(path, index));
            assert!(vector.verify(&altered, &vector.headers()).is_err(), "{} {altered}", vector.name());
        }
        let longer = format!("{path}x?{query}");
        assert!(vector.verify(&longer, &vector.headers()).is_err(), "{} {longer}", vector.name());
    }
}

#[test]
fn a_flipped_byte_in_a_signed_parameter_is_refused_and_none_can_be_added() {
    let mut count = 0;
    for vector in Vector::heads() {
        let target = vector.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        for (index, pair) in pairs.iter().enumerate() {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let with = |pair: Option<String>| {
                let mut pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
                match pair {
                    Some(pair) => pairs[index] = pair,
                    None => drop(pairs.remove(index)),
                }
                vector.verify(&format!("{path}?{}", pairs.join("&")), &vector.headers())
            };
            let flipped = if value.is_empty() { "x".to_owned() } else { flip_last(value) };
            let flipped = with(Some(format!("{name}={flipped}")));
            if vector.is_v1() && UNSIGNED_IN_V1.contains(&name) {
                let (signed, _) = flipped.expect("it is not signed");
                // Another access key has another secret.
                assert_eq!(signed.access_key != vector.text("access_key"), name == "OSSAccessKeyId", "{} {name}", vector.name());
            } else {
                assert!(flipped.is_err(), "{} {name}", vector.name());
                assert!(with(None).is_err(), "{} without {name}", vector.name());
                count += 1;
            }
        }
        for added in ["acl", "uploadId=u", "security-token=t", "response-content-type=a"] {
            let altered = format!("{path}?{query}&{added}");
            assert!(vector.verify(&altered, &vector.headers()).is_err(), "{} {altered}", vector.name());
        }
    }
    assert!(count > 80, "only {count} parameters were tried");
}

/// Status and code of the answer to a request of which something was altered, in OSS's XML.
fn answered(vector: &Vector, target: &str, headers: &[(String, String)]) -> (u16, String) {
    let parts = vector.head(target, headers);
    let refusal = match vector.verify(target, headers) {
        // The server looks up the secret of the key that is named.
        Ok((signed, _)) if signed.access_key != vector.text("access_key") => AuthError::UnknownAccessKey(signed.access_key).into(),
        Ok(_) => panic!("{} verifies: {target} {headers:?}", vector.name()),
        Err(Rejection::Auth(AuthError::SignatureMismatch { access_key, .. })) if access_key != vector.text("access_key") => {
            AuthError::UnknownAccessKey(access_key).into()
        }
        Err(refusal) => refusal,
    };
    let context = ReplyContext {
        request_id: "5C06A3B67B8B5A3DA422299D",
        host_id: "",
        authority: "bkt-test.oss.example.com",
        region: "cn-hangzhou",
        now: vector.now(),
    };
    let response = OSS.encode_error(&refusal, &parts, None, &context);
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("it is text"));
    let document = match header("x-oss-err") {
        Some(encoded) => STANDARD.decode(encoded).expect("it is base64"),
        None => response.body().to_vec(),
    };
    assert_eq!(header("x-oss-err").is_some(), parts.method == Method::HEAD, "{}", vector.name());
    let root = Element::parse(&document).expect("an error is XML");
    let text = |name: &str| root.child_text(name).unwrap_or_default().to_owned();
    assert_eq!((root.name(), text("RequestId"), text("HostId")), ("Error", context.request_id.to_owned(), context.authority.to_owned()));
    if let Rejection::Auth(AuthError::SignatureMismatch { string_to_sign, canonical_request, provided, .. }) = &refusal {
        let told = [text("OSSAccessKeyId"), text("StringToSign"), text("SignatureProvided"), text("CanonicalRequest")];
        let canonical_request = canonical_request.clone().unwrap_or_default();
        assert_eq!(told, [vector.text("access_key").to_owned(), string_to_sign.clone(), provided.clone(), canonical_request]);
        assert_eq!((text("EC").as_str(), header("x-oss-ec")), ("0002-00000040", Some("0002-00000040")));
    }
    (response.status().as_u16(), text("Code"))
}

#[test]
fn a_flipped_byte_is_answered_with_the_error_of_oss() {
    let mut counts: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for vector in Vector::heads() {
        let target = vector.target();
        let mut requests = Vec::new();
        if let Some(authorization) = vector.header("authorization") {
            for index in 0..authorization.len() {
                let mut headers = vector.headers();
                let altered = headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).expect("it is there");
                altered.1 = flip(&authorization, index);
                requests.push((target.clone(), headers));
            }
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let is_signed = |name: &str| !(vector.is_v1() && UNSIGNED_IN_V1.contains(&name)) || name == "OSSAccessKeyId";
        let mut start = path.len() + 1;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let begins = start + pair.len() - value.len();
            let positions = if is_signed(name) { begins..start + pair.len() } else { 0..0 };
            requests.extend(positions.map(|position| (flip(&target, position), vector.headers())));
            start += pair.len() + 1;
        }
        requests.extend((1..path.len()).map(|position| (flip(&target, position), vector.headers())));
        for (target, headers) in requests {
            *counts.entry(answered(&vector, &target, &headers)).or_default() += 1;
        }
    }
    // What a flip can break besides: the name of the key, what must be well-formed, dates and expiries, characters of the path.
    let codes: Vec<(u16, &str)> = counts.keys().map(|(status, code)| (*status, code.as_str())).collect();
    let expected = [
        (400, "InvalidArgument"),
        (400, "InvalidObjectName"),
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
    ];
    assert_eq!(codes, expected, "{counts:?}");
    assert!(counts[&(403, "SignatureDoesNotMatch".to_owned())] > 1000, "{counts:?}");
}

#[test]
fn every_form_verifies_and_none_does_with_a_flipped_byte() {
    for vector in Vector::with_scheme(&IN_FORM) {
        let fields = vector.form_fields();
        let content_length_range = vector.text("scheme").starts_with("OSS-V1").then_some((0, 1_048_576));
        let granted = Ok((vector.text("access_key").to_owned(), FormGrant { content_length_range }));
        assert_eq!(vector.verify_form(&fields), granted, "{}", vector.name());
        for (index, (name, value)) in fields.iter().enumerate() {
            // The policy asks only for the beginning of a key.
            let size = if name == "key" { 3 } else { value.len() };
            for position in 0..size {
                let mut altered = fields.clone();
                altered[index].1 = flip(value, position);
                // Version 1 signs the policy alone; another access key has another secret.
                let is_other_key = |access_key: &str| name == "OSSAccessKeyId" && access_key != vector.text("access_key");
                match vector.verify_form(&altered) {
                    Ok((access_key, _)) => assert!(is_other_key(&access_key), "{} {name} at {position}", vector.name()),
                    Err(FormError::Auth(_) | FormError::InvalidArgument(_) | FormError::AccessDenied(_)) => {}
                    Err(FormError::InvalidPolicyDocument(message)) => panic!("{} {name}: {message}", vector.name()),
                }
            }
        }
        let mut extra = fields.clone();
        extra.push(("x-oss-meta-extra".to_owned(), "1".to_owned()));
        assert_eq!(vector.verify_form(&extra), granted, "{}", vector.name());
        let mut expected = vector.form_fields();
        expected.retain(|(name, _)| name.eq_ignore_ascii_case("policy"));
        assert_eq!(expected[0].1, vector.text("expected_string_to_sign"), "{}", vector.name());
    }
}
