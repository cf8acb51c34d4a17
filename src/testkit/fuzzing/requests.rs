//! Requests up to the operation they ask for, as the pipeline reads them, and the errors they get.

use super::{NOW, head, secret_of};
use crate::{
    auth::{
        Addressed, AuthError, Claim,
        policy::{self, Grounds},
    },
    dialect::{
        BodyKind, Decoded, Dialect, ReplyContext,
        address::{self, Address, Hosts},
        detect,
        error::Rejection,
        oss::Oss,
        s3::S3,
        xml::Element,
    },
    model::{Account, Caller, Limits, Operation},
};
use bytes::Bytes;
use http::{Method, Response, header, request::Parts};

/// What an answer may have besides what it repeats of the request. Bytes.
const REPLY_SIZE_MAX: usize = 16 << 10;
/// How often a byte of the request may come again: in the string to sign and the canonical request, each as text, where it
/// may have to be percent-encoded and escaped, and in hex.
const REPEATED_MAX: usize = 64;

/// A request to S3.
pub(super) fn s3(input: &[u8]) {
    answer(&S3 { limits: Limits::S3 }, input);
}

/// A request to OSS.
pub(super) fn oss(input: &[u8]) {
    answer(&Oss { limits: Limits::OSS }, input);
}

/// The hosts that buckets may be named in.
pub(super) fn hosts() -> Hosts {
    let cnames = [("files.example.com".to_owned(), "bkt-test".to_owned())];
    Hosts { domains: vec!["localhost".to_owned(), "s3.example.com".to_owned()], cnames: cnames.into() }
}

/// What replies to a request are made with.
pub(super) fn context(parts: &Parts) -> ReplyContext<'_> {
    ReplyContext {
        request_id: "5C3D9175B6FC201293AD",
        host_id: "host",
        authority: address::authority(parts),
        region: "us-east-1",
        now: NOW,
    }
}

fn answer(dialect: &dyn Dialect, input: &[u8]) {
    let Some((sent, document)) = head::request(input) else { return };
    let _ = detect::spoken(&sent);
    let request = Asked { dialect, sent: &sent, document: &document, size: input.len() };
    let with_headers = match dialect.presigned_headers(&sent) {
        Ok(with_headers) => with_headers,
        Err(error) => return request.refuse(error, None),
    };
    let parts = with_headers.as_ref().unwrap_or(&sent);
    let readings = match dialect.addresses(parts, &hosts()) {
        Ok(readings) => readings,
        Err(error) => return request.refuse(error, None),
    };
    assert!(!readings.is_empty(), "there is always a reading");
    for address in &readings {
        if let Err(error) = request.verify(address) {
            request.refuse(error, Some(address));
        }
        if sent.method == Method::OPTIONS {
            match dialect.preflight(None, parts, address, &context(&sent)) {
                Ok(reply) => request.check(&reply),
                Err(error) => request.refuse(error, Some(address)),
            }
        }
        if let Err(rejection) = request.decode(parts, address) {
            request.refuse(rejection, Some(address));
        }
    }
}

struct Asked<'a> {
    dialect: &'a dyn Dialect,
    sent: &'a Parts,
    document: &'a Bytes,
    size: usize,
}

impl Asked<'_> {
    fn verify(&self, address: &Address) -> Result<(), AuthError> {
        let bucket_in_host = address.bucket.as_deref().filter(|_| address.virtual_hosted);
        let addressed = Addressed { bucket: address.bucket.as_deref(), key: address.key.as_deref(), bucket_in_host };
        match self.dialect.claim(self.sent)? {
            Claim::Anonymous => self.dialect.anonymous_payload(self.sent).map(drop),
            Claim::Signed(claim) => claim.verify(self.sent, &addressed, secret_of(&claim.access_key), NOW).map(drop),
        }
    }

    fn decode(&self, parts: &Parts, address: &Address) -> Result<(), Rejection> {
        let route = self.dialect.route(parts, address)?;
        let document = match route.body() {
            BodyKind::Document { size_max } => {
                route.document_claims(parts)?;
                self.document.slice(..self.document.len().min(size_max))
            }
            BodyKind::None | BodyKind::Stream => Bytes::new(),
            BodyKind::Form => {
                let fields = [("key".to_owned(), String::from_utf8_lossy(self.document).into_owned())];
                return route.decode_form(parts, &fields, Some("a.txt")).map(|decoded| judge(&decoded.operation)).map_err(Rejection::from);
            }
        };
        let _ = route.expected_bucket_owners();
        let caller = Caller::Key { access_key: "ak".to_owned(), account: Account("alice".to_owned()), parent: None };
        let Decoded { operation, .. } = route.decode(parts, &document, &caller, NOW)?;
        judge(&operation);
        Ok(())
    }

    fn refuse(&self, rejection: impl Into<Rejection>, address: Option<&Address>) {
        let rejection = rejection.into();
        self.check(&self.dialect.encode_error(&rejection, self.sent, address, &context(self.sent)));
    }

    /// An answer says its length, can be read, and is in proportion.
    fn check(&self, reply: &Response<Bytes>) {
        let body = reply.body();
        assert!(body.len() <= REPLY_SIZE_MAX + REPEATED_MAX * self.size, "{} bytes of answer to {}", body.len(), self.size);
        if body.is_empty() {
            return;
        }
        let length = reply.headers().get(header::CONTENT_LENGTH).expect("what has a body has a length");
        assert_eq!(length.to_str().ok(), Some(body.len().to_string().as_str()));
        if reply.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/xml")) {
            assert!(Element::parse(body).is_ok(), "the answer is not well-formed: {}", String::from_utf8_lossy(body));
        }
    }
}

/// Policies are asked about every operation; one that allows nothing must not allow this one.
fn judge(operation: &Operation) {
    let caller = Caller::Key { access_key: "ak".to_owned(), account: Account("alice".to_owned()), parent: None };
    let owner = Account("alice".to_owned());
    let grounds = Grounds {
        caller: &caller,
        key_policy: Some(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#),
        session_policy: None,
        bucket_owner: Some(&owner),
        bucket_policy: None,
        acl: None,
        context: &[],
    };
    let is_told_key_by_key = matches!(operation, Operation::DeleteObjects(_));
    assert!(is_told_key_by_key || !policy::allows(&grounds, operation), "{operation:?}");
    let _ = policy::allows(&Grounds { key_policy: None, ..grounds }, operation);
    let _ = (operation.name(), operation.callback());
}
