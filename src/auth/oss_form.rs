//! POST policy forms as OSS has them (OSS API Reference, "PostObject").
//!
//! They differ from S3's in the names of the fields, in the conditions that a policy may hold, and in that fields which no
//! condition names are accepted. Version 4 policies must bind their own signature's fields, and are good for a week at most.

use super::{
    AuthError, CLOCK_SKEW_MAX_MS, date,
    form::{FormClaim, FormError, Scheme, SignedForm, find},
    form_policy::{FormPolicy, denied},
    ossv4::{ALGORITHM, EXPIRES_SECS_MAX, OssScope},
};
use crate::model::Timestamp;

/// Fields that a version 4 policy must have conditions for.
const BOUND_V4: [&str; 3] = ["x-oss-signature-version", "x-oss-credential", "x-oss-date"];

/// Reads which key a form says it was signed with.
///
/// # Errors
/// Everything about the form of the signature that is wrong without knowing the secret.
pub fn claim(fields: &[(String, String)]) -> Result<FormClaim, FormError> {
    let has_any = |names: &[&str]| names.iter().any(|name| find(fields, name).is_some());
    if has_any(&["x-oss-signature-version", "x-oss-credential", "x-oss-signature"]) {
        return claim_v4(fields);
    }
    if has_any(&["OSSAccessKeyId", "Signature", "policy"]) {
        return Ok(FormClaim::Signed(Box::new(SignedForm {
            access_key: required(fields, "OSSAccessKeyId", ACCESS_KEY_EMPTY)?.to_owned(),
            security_token: security_token(fields),
            signature: required(fields, "Signature", SIGNATURE_EMPTY)?.to_owned(),
            policy: required(fields, "policy", FIELD_MISSING)?.to_owned(),
            scheme: Scheme::OssV1,
        })));
    }
    Ok(FormClaim::Anonymous)
}

const ACCESS_KEY_EMPTY: &str = "Post request accessKeyId is empty.";
const SIGNATURE_EMPTY: &str = "Post request signature is empty.";
const FIELD_MISSING: &str = "The bucket POST must contain the specified field name.";

fn claim_v4(fields: &[(String, String)]) -> Result<FormClaim, FormError> {
    let invalid = |field: &str| FormError::InvalidArgument(format!("The {field} field is invalid."));
    let credential = required(fields, "x-oss-credential", ACCESS_KEY_EMPTY)?;
    let signature = required(fields, "x-oss-signature", SIGNATURE_EMPTY)?.to_owned();
    let policy = required(fields, "policy", FIELD_MISSING)?.to_owned();
    let version = required(fields, "x-oss-signature-version", FIELD_MISSING)?;
    let date = required(fields, "x-oss-date", FIELD_MISSING)?;
    if version != ALGORITHM {
        return Err(invalid("x-oss-signature-version"));
    }
    let (access_key, scope) = OssScope::parse_credential(credential).map_err(|_| invalid("x-oss-credential"))?;
    let time = date::parse_iso_basic(date).ok_or_else(|| invalid("x-oss-date"))?;
    if !date.starts_with(&scope.date) {
        return Err(invalid("x-oss-credential"));
    }
    let security_token = security_token(fields);
    Ok(FormClaim::Signed(Box::new(SignedForm { access_key, security_token, policy, signature, scheme: Scheme::OssV4 { scope, time } })))
}

/// Refuses policies that S3's forms were signed with. Version 1 signs a policy as S3's version 2 does, so that whoever was
/// given one of those could send it here, where fields that it does not name are accepted.
pub(super) fn check_v1(policy: &FormPolicy) -> Result<(), FormError> {
    let is_s3s = |field: &str| field == "acl" || field.starts_with("x-amz-");
    match policy.fields().find(|field| is_s3s(field)) {
        Some(field) => Err(denied(&format!("Policy Condition failed: {field} is not a field of this form."))),
        None => Ok(()),
    }
}

/// Holds a policy against what version 4 asks of every policy.
pub(super) fn check_v4(policy: &FormPolicy, time: Timestamp, now: Timestamp) -> Result<(), FormError> {
    if let Some(unbound) = BOUND_V4.iter().find(|field| !policy.requires(field)) {
        return Err(denied(&format!("Policy Condition failed: {unbound} must have a condition.")));
    }
    if time > now.plus_millis(CLOCK_SKEW_MAX_MS) {
        return Err(FormError::Auth(AuthError::NotYetValid));
    }
    let valid_ms = i64::try_from(EXPIRES_SECS_MAX).unwrap_or(i64::MAX).saturating_mul(1000);
    if policy.expiration() > time.plus_millis(valid_ms) {
        return Err(denied("Policy expiration must be within seven days of x-oss-date."));
    }
    Ok(())
}

fn required<'a>(fields: &'a [(String, String)], name: &str, missing: &str) -> Result<&'a str, FormError> {
    find(fields, name).filter(|value| !value.is_empty()).ok_or_else(|| FormError::InvalidArgument(missing.to_owned()))
}

fn security_token(fields: &[(String, String)]) -> Option<String> {
    find(fields, "x-oss-security-token").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{form::FormGrant, sigv2};
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);
    const CREDENTIAL: &str = "ak/20260115/cn-hangzhou/oss/aliyun_v4_request";
    const BINDING: &str = r#"{"x-oss-signature-version":"OSS4-HMAC-SHA256"},{"x-oss-credential":"ak/20260115/cn-hangzhou/oss/aliyun_v4_request"},{"x-oss-date":"20260115T083000Z"}"#;

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn policy(expiration: &str, conditions: &str) -> String {
        STANDARD.encode(format!(r#"{{"expiration":"{expiration}","conditions":[{conditions}]}}"#))
    }

    fn signed_v1(conditions: &str, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let policy = policy("2026-01-15T09:30:00.000Z", conditions);
        let signature = sigv2::sign("secret", policy.as_bytes());
        form(&[pairs, &[("ossaccesskeyid", "ak"), ("Policy", &policy), ("SIGNATURE", &signature)]].concat())
    }

    fn signed_v4(expiration: &str, conditions: &str, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let policy = policy(expiration, conditions);
        let (_, scope) = OssScope::parse_credential(CREDENTIAL).unwrap();
        let signature = scope.signing_key("secret").sign(&policy);
        let own = [
            ("policy", policy.as_str()),
            ("x-oss-signature-version", ALGORITHM),
            ("X-Oss-Credential", CREDENTIAL),
            ("x-oss-date", "20260115T083000Z"),
            ("x-oss-signature", &signature),
        ];
        form(&[pairs, &own].concat())
    }

    fn verify_at(fields: &[(String, String)], now: Timestamp) -> Result<FormGrant, FormError> {
        match claim(fields)? {
            FormClaim::Signed(signed) => {
                assert_eq!(signed.access_key, "ak");
                signed.verify(fields, "bkt", "secret", now)
            }
            FormClaim::Anonymous => panic!("the form is signed"),
        }
    }

    fn verify(fields: &[(String, String)]) -> Result<FormGrant, FormError> {
        verify_at(fields, NOW)
    }

    #[test]
    fn a_form_without_signature_fields_is_anonymous_and_a_half_signed_one_is_refused() {
        assert!(matches!(claim(&form(&[("key", "k"), ("x-oss-date", "d")])), Ok(FormClaim::Anonymous)));
        for (pairs, message) in [
            (&[("policy", "e30=")][..], ACCESS_KEY_EMPTY),
            (&[("policy", "e30="), ("Signature", "s"), ("OSSAccessKeyId", "")][..], ACCESS_KEY_EMPTY),
            (&[("policy", "e30="), ("OSSAccessKeyId", "ak")][..], SIGNATURE_EMPTY),
            (&[("OSSAccessKeyId", "ak"), ("signature", "s")][..], FIELD_MISSING),
            (&[("policy", "e30="), ("x-oss-signature", "00")][..], ACCESS_KEY_EMPTY),
            (&[("policy", "e30="), ("x-oss-credential", CREDENTIAL)][..], SIGNATURE_EMPTY),
            (&[("policy", "e30="), ("x-oss-credential", CREDENTIAL), ("x-oss-signature", "00")][..], FIELD_MISSING),
        ] {
            let refusal = claim(&form(pairs)).map(|_| ());
            assert_eq!(refusal, Err(FormError::InvalidArgument(message.to_owned())), "{pairs:?}");
        }
        let good = signed_v4("2026-01-15T09:30:00.000Z", BINDING, &[]);
        for (index, value) in
            [(1, "OSS2"), (2, "ak/20260116/r/oss/aliyun_v4_request"), (2, "ak/20260115/r/oss/aws4_request"), (3, "2026-01-15")]
        {
            let mut fields = good.clone();
            fields[index].1 = value.to_owned();
            let message = format!("The {} field is invalid.", fields[index].0.to_ascii_lowercase());
            assert_eq!(claim(&fields).map(|_| ()), Err(FormError::InvalidArgument(message)), "{value}");
        }
    }

    #[test]
    fn fields_that_no_condition_names_are_accepted() {
        let conditions = r#"{"bUcKeT":"bkt"},["starts-with","$KEY","up/"],["content-length-range",1,10]"#;
        let pairs = [("Key", "up/${filename}"), ("x-oss-meta-any", "1"), ("callback", "e30=")];
        let grant = Ok(FormGrant { content_length_range: Some((1, 10)) });
        assert_eq!(verify(&signed_v1(conditions, &pairs)), grant);
        assert_eq!(verify(&signed_v4("2026-01-15T09:30:00Z", &format!("{BINDING},{conditions}"), &pairs)), grant);
        let failed = "Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$key\", \"up/\"]";
        assert_eq!(verify(&signed_v1(conditions, &[("key", "down/a")])), Err(FormError::AccessDenied(failed.to_owned())));
    }

    #[test]
    fn a_policy_of_an_s3_form_is_none_of_these() {
        // Signed with the same secret in the same way, it would let in every field that it does not name.
        for condition in [r#"{"acl":"private"}"#, r#"["starts-with","$x-amz-meta-a",""]"#] {
            let fields = signed_v1(condition, &[("key", "k"), ("acl", "private"), ("x-oss-object-acl", "public-read")]);
            assert!(matches!(verify(&fields), Err(FormError::AccessDenied(_))), "{condition}");
        }
    }

    #[test]
    fn a_list_of_values_may_be_allowed_or_forbidden() {
        let allowed = r#"["in","$content-type",["image/jpg","image/png"]]"#;
        let forbidden = r#"["not-in","$cache-control",["no-cache"]]"#;
        let judge = |pairs: &[(&str, &str)]| verify(&signed_v1(&format!("{allowed},{forbidden}"), pairs)).map(|_| ());
        assert_eq!(judge(&[("Content-Type", "image/png")]), Ok(()));
        assert_eq!(judge(&[("content-type", "image/png"), ("cache-control", "private")]), Ok(()));
        for (pairs, quoted) in [
            (&[("content-type", "text/html")][..], "[\"in\", \"$content-type\", [\"image/jpg\", \"image/png\"]]"),
            (&[][..], "[\"in\", \"$content-type\", [\"image/jpg\", \"image/png\"]]"),
            (&[("content-type", "image/jpg"), ("Cache-Control", "no-cache")][..], "[\"not-in\", \"$cache-control\", [\"no-cache\"]]"),
        ] {
            let message = format!("Invalid according to Policy: Policy Condition failed: {quoted}");
            assert_eq!(judge(pairs), Err(FormError::AccessDenied(message)), "{pairs:?}");
        }
        for broken in [r#"["in","$content-type","image/jpg"]"#, r#"["in","$content-type",[1]]"#, r#"["not-in",["a"],"$b"]"#] {
            assert!(matches!(verify(&signed_v1(broken, &[])), Err(FormError::InvalidPolicyDocument(_))), "{broken}");
        }
    }

    #[test]
    fn a_version_4_policy_binds_its_signature_and_is_good_for_a_week() {
        let judge = |expiration: &str, conditions: &str, now| verify_at(&signed_v4(expiration, conditions, &[]), now).map(|_| ());
        assert_eq!(judge("2026-01-22T08:30:00.000Z", BINDING, NOW), Ok(()));
        assert!(
            matches!(judge("2026-01-22T08:30:00.001Z", BINDING, NOW), Err(FormError::AccessDenied(message)) if message.contains("seven days"))
        );
        for field in BOUND_V4 {
            let conditions = BINDING.replace(field, "x-oss-meta-a");
            let refusal = judge("2026-01-16T00:00:00Z", &conditions, NOW);
            assert!(matches!(&refusal, Err(FormError::AccessDenied(_))), "{field}: {refusal:?}");
        }
        // A prefix would let the form choose the rest.
        let loose = BINDING.replace(r#"{"x-oss-date":"20260115T083000Z"}"#, r#"["starts-with","$x-oss-date","2026"]"#);
        assert!(matches!(judge("2026-01-16T00:00:00Z", &loose, NOW), Err(FormError::AccessDenied(_))));
        let other_date = BINDING.replace("T083000Z", "T083001Z");
        assert!(matches!(judge("2026-01-16T00:00:00Z", &other_date, NOW), Err(FormError::AccessDenied(_))));
        let minutes = |count: i64| NOW.plus_millis(count * 60_000);
        assert_eq!(judge("2026-01-16T00:00:00Z", BINDING, minutes(-15)), Ok(()));
        assert_eq!(judge("2026-01-16T00:00:00Z", BINDING, minutes(-16)), Err(FormError::Auth(AuthError::NotYetValid)));
        let expired = Err(FormError::AccessDenied("Invalid according to Policy: Policy expired.".to_owned()));
        assert_eq!(judge("2026-01-15T08:30:59Z", BINDING, minutes(1)), expired);
    }

    #[test]
    fn broken_policies_are_refused_in_words() {
        let refusal = |document: &str| {
            let policy = STANDARD.encode(document);
            let signature = sigv2::sign("secret", policy.as_bytes());
            verify(&form(&[("OSSAccessKeyId", "ak"), ("policy", &policy), ("Signature", &signature)]))
        };
        for (document, message) in [
            ("{", "Invalid Policy: Invalid JSON: "),
            ("[]", "Invalid Policy: Invalid JSON: "),
            (r#"{"conditions":[]}"#, "Invalid Policy: Policy missing expiration."),
            (r#"{"expiration":"2026-01-15T09:30:00Z","conditions":[]}"#, "Invalid Policy: Invalid Simple-Condition: "),
            (r#"{"expiration":"2026-01-15T09:30:00Z","conditions":[["near","$a","b"]]}"#, "Invalid Policy: Invalid Condition: "),
        ] {
            let refusal = refusal(document);
            assert!(
                matches!(&refusal, Err(FormError::InvalidPolicyDocument(text)) if text.starts_with(message)),
                "{document}: {refusal:?}"
            );
        }
    }

    proptest! {
        /// Whatever the fields hold, claiming and verifying answer instead of panicking.
        #[test]
        fn forms_never_panic(
            document in "(\\{\"expiration\":\"2026-01-15T09:30:00Z\",\"conditions\":\\[)?(\\[|\\]|\\{|\\}|\"|,|:|in|not-in|content-length-range|\\$key|[0-9]|[ -~]){0,30}(\\]\\})?",
            date in "(20260115T083000Z|[ -~]{0,20})",
            credential in "(ak/20260115/r/oss/aliyun_v4_request|[ -~/]{0,40})",
            is_v4 in any::<bool>(),
            now in any::<i64>(),
        ) {
            let policy = STANDARD.encode(document);
            let fields = if is_v4 {
                let signature = OssScope::parse_credential(&credential).map(|(_, scope)| scope.signing_key("secret").sign(&policy)).unwrap_or_default();
                form(&[("policy", &policy), ("x-oss-signature-version", ALGORITHM), ("x-oss-credential", &credential), ("x-oss-date", &date), ("x-oss-signature", &signature)])
            } else {
                form(&[("policy", &policy), ("OSSAccessKeyId", &credential), ("Signature", &sigv2::sign("secret", policy.as_bytes()))])
            };
            if let Ok(FormClaim::Signed(signed)) = claim(&fields) {
                let _ = signed.verify(&fields, "bkt", "secret", Timestamp::from_millis(now));
            }
        }
    }
}
