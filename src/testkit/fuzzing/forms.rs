//! POST forms: multipart/form-data, and the policies that forms are signed with.

use super::{Input, NOW, pieces};
use crate::{
    auth::{
        form::{self, FormClaim, FormError, FormGrant},
        oss_form,
    },
    server,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use std::cell::RefCell;
use tokio::runtime::{Builder, Runtime};

const CONTENT_TYPE: &str = "multipart/form-data; boundary=XX";
const FIELD_COUNT_MAX: usize = 100;

type Fields = Vec<(String, String)>;

/// The name of the field that holds the access key, and how a form's signature is read.
type Dialect = (&'static str, fn(&[(String, String)]) -> Result<FormClaim, FormError>);

const DIALECTS: [Dialect; 2] = [("AWSAccessKeyId", form::claim), ("OSSAccessKeyId", oss_form::claim)];

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().build().expect("a runtime of this thread can be had"));
}

/// A form's bytes: however they are cut, the form is the same.
pub(super) fn body(input: &[u8]) {
    let mut input = Input(input);
    let seed = input.byte();
    let body = input.rest();
    let whole = read(vec![body]);
    if let Some((fields, _, file)) = &whole {
        let size = fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() + file.len();
        assert!(size <= body.len() && fields.len() <= FIELD_COUNT_MAX, "a form larger than its bytes");
    }
    assert_eq!(read(pieces(body, seed)), whole);
    assert_eq!(read(body.chunks(1).collect()), whole);
}

fn read(pieces: Vec<&[u8]>) -> Option<(Fields, Option<String>, Vec<u8>)> {
    let pieces = pieces.into_iter().map(Bytes::copy_from_slice).collect();
    RUNTIME.with_borrow(|runtime| runtime.block_on(server::read_form_of_pieces(CONTENT_TYPE, pieces)))
}

/// A policy, then fields as `name=value`, with NULs between them: signed here, so that the policy is read and the fields are
/// held against it.
pub(super) fn policy(input: &[u8]) {
    let Some((policy, fields)) = fields(input) else { return };
    for claim in [form::claim, oss_form::claim] {
        // As they are: whatever they claim, nobody has signed it.
        if let Ok(FormClaim::Signed(signed)) = claim(&fields) {
            assert!(signed.verify(&fields, "bkt-test", "unknown", NOW).is_err(), "nobody has signed {fields:?}");
        }
    }
    for dialect in DIALECTS {
        if let Some(granted) = grant(dialect, &policy, &fields) {
            let (size_min, size_max) = granted.content_length_range.unwrap_or((0, u64::MAX));
            assert!(!policy.is_empty() && size_min <= size_max, "{granted:?}");
        }
    }
}

/// The policy as it is sent, and the fields.
fn fields(input: &[u8]) -> Option<(String, Fields)> {
    let mut input = Input(input);
    let policy = STANDARD.encode(input.field());
    let mut fields = Vec::new();
    while !input.0.is_empty() && fields.len() < FIELD_COUNT_MAX {
        let field = std::str::from_utf8(input.field()).ok()?;
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        fields.push((name.to_owned(), value.to_owned()));
    }
    Some((policy, fields))
}

/// What the fields are granted when they come with this policy and a signature of it.
fn grant((access_key, claim): Dialect, policy: &str, fields: &[(String, String)]) -> Option<FormGrant> {
    let signature = STANDARD.encode(hmac_sha1(b"secret", policy.as_bytes()));
    let own = [(access_key, "ak"), ("policy", policy), ("signature", &signature)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all: Fields = own.into_iter().chain(fields.iter().cloned()).collect();
    let Ok(FormClaim::Signed(signed)) = claim(&all) else { return None };
    let refused = signed.verify(&all, "bkt-test", "Secret", NOW);
    assert!(matches!(refused, Err(FormError::Auth(_))), "{refused:?}");
    signed.verify(&all, "bkt-test", "secret", NOW).ok()
}

fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::fuzzing::corpus;

    #[test]
    fn the_corpora_hold_forms_and_policies_that_are_granted() {
        assert!(corpus("form").iter().any(|(_, input)| read(vec![&input[1..]]).is_some_and(|(fields, ..)| !fields.is_empty())));
        for dialect in DIALECTS {
            let is_granted = |input: &[u8]| fields(input).and_then(|(policy, fields)| grant(dialect, &policy, &fields)).is_some();
            assert!(corpus("form_policy").iter().any(|(_, input)| is_granted(input)), "{}", dialect.0);
        }
    }
}
