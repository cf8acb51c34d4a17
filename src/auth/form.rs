//! POST policy forms, and which signature an S3 form carries (S3 API Reference, "POST Object", "Creating a POST Policy");
//! OSS forms are read in [`super::oss_form`].
//!
//! A form is signed through its policy: the signature covers the policy's text, and in S3 the policy must cover every
//! other field. Fields are pairs of name and value in the order sent, the file left out; names are compared without regard to
//! case. `${filename}` in the key is the dialect's to replace, before or after: the policy judges the field as sent.

use super::{
    AuthError, date,
    form_policy::{FormPolicy, Rules},
    oss_form,
    ossv4::OssScope,
    sigv2,
    sigv4::{ALGORITHM, Scope, same_signature},
};
use crate::model::Timestamp;

/// Why a form is refused. Texts are the messages of the service that the form is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormError {
    /// A field is missing or not what it should be: 400 InvalidArgument.
    InvalidArgument(String),
    /// The policy cannot be read: 400 InvalidPolicyDocument.
    InvalidPolicyDocument(String),
    /// The policy does not allow the form: 403 AccessDenied.
    AccessDenied(String),
    /// The signature is wrong.
    Auth(AuthError),
}

/// What a form says about its sender.
#[derive(Debug)]
pub enum FormClaim {
    /// Neither a policy nor a signature.
    Anonymous,
    /// A signed policy, not verified yet.
    Signed(Box<SignedForm>),
}

/// A form's signature, with what is needed to verify it.
#[derive(Debug)]
pub struct SignedForm {
    /// The access key it names.
    pub access_key: String,
    /// The security token that came with it; see [`super::SignedClaim::security_token`].
    pub security_token: Option<String>,
    pub(super) policy: String,
    pub(super) signature: String,
    pub(super) scheme: Scheme,
}

/// How the policy is signed, and with that by whose rules it is read.
#[derive(Debug)]
pub(super) enum Scheme {
    S3V4(Scope),
    S3V2,
    OssV4 { scope: OssScope, time: Timestamp },
    OssV1,
}

/// What a verified policy leaves to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormGrant {
    /// The least and greatest size of the file in bytes, both allowed; `None` when the policy does not say.
    pub content_length_range: Option<(u64, u64)>,
}

/// Reads which key a form says it was signed with.
///
/// # Errors
/// Everything about the form of the signature that is wrong without knowing the secret.
pub fn claim(fields: &[(String, String)]) -> Result<FormClaim, FormError> {
    let is_v4 = ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"].iter().any(|name| find(fields, name).is_some());
    let is_v2 = ["AWSAccessKeyId", "signature"].iter().any(|name| find(fields, name).is_some());
    if is_v4 {
        return claim_v4(fields);
    }
    if is_v2 || find(fields, "policy").is_some() {
        return Ok(FormClaim::Signed(Box::new(SignedForm {
            access_key: required(fields, "AWSAccessKeyId")?.to_owned(),
            security_token: security_token(fields),
            policy: required(fields, "policy")?.to_owned(),
            signature: required(fields, "signature")?.to_owned(),
            scheme: Scheme::S3V2,
        })));
    }
    Ok(FormClaim::Anonymous)
}

fn claim_v4(fields: &[(String, String)]) -> Result<FormClaim, FormError> {
    let policy = required(fields, "policy")?.to_owned();
    let algorithm = required(fields, "x-amz-algorithm")?;
    let credential = required(fields, "x-amz-credential")?;
    let date = required(fields, "x-amz-date")?;
    let signature = required(fields, "x-amz-signature")?.to_owned();
    if algorithm != ALGORITHM {
        return Err(FormError::InvalidArgument(format!("X-Amz-Algorithm only supports \"{ALGORITHM}\"")));
    }
    let (access_key, scope) = Scope::parse_credential(credential).map_err(FormError::InvalidArgument)?;
    if date::parse_iso_basic(date).is_none() {
        let message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
        return Err(FormError::InvalidArgument(message.to_owned()));
    }
    if !date.starts_with(&scope.date) {
        let message = format!("Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{date}\".", scope.date);
        return Err(FormError::InvalidArgument(message));
    }
    let security_token = security_token(fields);
    Ok(FormClaim::Signed(Box::new(SignedForm { access_key, security_token, policy, signature, scheme: Scheme::S3V4(scope) })))
}

impl SignedForm {
    /// Verifies the signature, then holds the fields against the policy. `bucket` is the one the form was posted to: it counts
    /// as a field of that name.
    ///
    /// # Errors
    /// `Auth` for a wrong signature, `InvalidPolicyDocument`, `AccessDenied`.
    pub fn verify(&self, fields: &[(String, String)], bucket: &str, secret: &str, now: Timestamp) -> Result<FormGrant, FormError> {
        let computed = match &self.scheme {
            Scheme::S3V4(scope) => scope.signing_key(secret).sign(&self.policy),
            Scheme::OssV4 { scope, time: _ } => scope.signing_key(secret).sign(&self.policy),
            Scheme::S3V2 | Scheme::OssV1 => sigv2::sign(secret, self.policy.as_bytes()),
        };
        if !same_signature(&computed, &self.signature) {
            return Err(FormError::Auth(AuthError::SignatureMismatch {
                access_key: self.access_key.clone(),
                string_to_sign: self.policy.clone(),
                canonical_request: None,
                provided: self.signature.clone(),
            }));
        }
        let rules = match &self.scheme {
            Scheme::S3V4(_) | Scheme::S3V2 => Rules::S3,
            Scheme::OssV4 { .. } | Scheme::OssV1 => Rules::Oss,
        };
        let policy = FormPolicy::parse(&self.policy, rules)?;
        if matches!(self.scheme, Scheme::OssV1) {
            oss_form::check_v1(&policy)?;
        }
        policy.check(fields, bucket, now)?;
        if let Scheme::OssV4 { time, .. } = &self.scheme {
            oss_form::check_v4(&policy, *time, now)?;
        }
        Ok(FormGrant { content_length_range: policy.content_length_range() })
    }
}

/// The first field of this name, in any letter case.
pub(super) fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn required<'a>(fields: &'a [(String, String)], name: &str) -> Result<&'a str, FormError> {
    find(fields, name).ok_or_else(|| {
        FormError::InvalidArgument(format!(
            "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
        ))
    })
}

fn security_token(fields: &[(String, String)]) -> Option<String> {
    find(fields, "x-amz-security-token").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn signed_v2(policy: &str, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let policy = STANDARD.encode(policy);
        let signature = sigv2::sign("secret", policy.as_bytes());
        form(&[pairs, &[("AwsAccessKeyID", "ak"), ("Policy", &policy), ("SIGNATURE", &signature)]].concat())
    }

    fn verify(fields: &[(String, String)]) -> Result<FormGrant, FormError> {
        match claim(fields)? {
            FormClaim::Signed(signed) => signed.verify(fields, "bkt", "secret", NOW),
            FormClaim::Anonymous => panic!("the form is signed"),
        }
    }

    #[test]
    fn a_form_without_signature_fields_is_anonymous_and_a_half_signed_one_is_refused() {
        assert!(matches!(claim(&form(&[("key", "k")])), Ok(FormClaim::Anonymous)));
        for (pairs, missing) in [
            (&[("policy", "e30=")][..], "'AWSAccessKeyId'"),
            (&[("AWSAccessKeyId", "ak")][..], "'policy'"),
            (&[("x-amz-signature", "00")][..], "'policy'"),
            (&[("policy", "e30="), ("x-amz-signature", "00")][..], "'x-amz-algorithm'"),
        ] {
            let refusal = claim(&form(pairs));
            assert!(matches!(&refusal, Err(FormError::InvalidArgument(message)) if message.contains(missing)), "{refusal:?}");
        }
    }

    #[test]
    fn a_signed_form_that_its_policy_covers_is_granted() {
        let policy = r#"{"expiration":"2026-01-15T09:30:00.000Z","conditions":[{"bUcKeT":"bkt"},["StArTs-WiTh","$KeY","foo"],["content-length-range",1,10]]}"#;
        let fields = signed_v2(policy, &[("key", "foo/${filename}"), ("x-ignore-me", "1")]);
        assert_eq!(verify(&fields), Ok(FormGrant { content_length_range: Some((1, 10)) }));
        let mut altered = fields.clone();
        altered[3].1 = STANDARD.encode(policy.replace("10]", "99]"));
        assert!(matches!(verify(&altered), Err(FormError::Auth(AuthError::SignatureMismatch { .. }))));
    }

    #[test]
    fn a_signed_form_beyond_its_policy_is_refused() {
        let policy = r#"{"expiration":"2026-01-15T09:30:00Z","conditions":[{"bucket":"bkt"},{"key":"foo"}]}"#;
        for (pairs, message) in [
            (&[("key", "foo"), ("acl", "private")][..], "Invalid according to Policy: Extra input fields: acl"),
            (&[("key", "bar")][..], "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$key\", \"foo\"]"),
            (&[("key", "foo"), ("KEY", "bar")][..], "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$key\", \"foo\"]"),
            (&[][..], "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$key\", \"foo\"]"),
        ] {
            assert_eq!(verify(&signed_v2(policy, pairs)), Err(FormError::AccessDenied(message.to_owned())), "{pairs:?}");
        }
    }
}
