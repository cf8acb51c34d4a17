//! Requests to STS, the sessions they ask for, and the tokens that hold them.

use super::{NOW, head, requests, secret_of};
use crate::{
    auth::{
        AuthError,
        sts::{SessionRequest, TokenKey},
        sts_request::{self, Parameters},
    },
    dialect::{
        sts::{self, Action, Identity, Reply, StsError, Style},
        xml::Element,
    },
    model::{Account, KeyRecord, KeyStatus},
};
use bytes::Bytes;
use http::{Response, request::Parts};

/// A request, its signature, what it asks for and its answer; the input is also tried as a token.
pub(super) fn request(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(TokenKey::new("root").open("STS.ak", text, NOW).is_err(), "nobody else can make a token");
    }
    let Some((parts, document)) = head::request(input) else { return };
    match Parameters::read(&parts, &document) {
        Ok(parameters) => answer(&parts, &document, &parameters),
        Err(error) => {
            let style = Style::of(&parts, &Parameters::default());
            check(&sts::encode_error(&StsError::Signature(error), style, &requests::context(&parts)));
        }
    }
}

fn answer(parts: &Parts, document: &[u8], parameters: &Parameters) {
    let (style, context) = (Style::of(parts, parameters), requests::context(parts));
    let claimed = sts_request::claim(parts, document, parameters);
    let verified = claimed.and_then(|claim| claim.verify(parts, document, parameters, secret_of(&claim.access_key), NOW));
    if let Err(error) = verified {
        check(&sts::encode_error(&StsError::Signature(error), style, &context));
    }
    let reply = match sts::decode(parts, parameters) {
        Ok(Action::AssumeRole(request)) => assume(request),
        Ok(Action::GetCallerIdentity) => {
            Reply::Identity(Identity { account: "alice".to_owned(), access_key: "ak".to_owned(), session: None })
        }
        Err(error) => return check(&sts::encode_error(&error, style, &context)),
    };
    check(&sts::encode(&reply, style, &context));
}

/// Issues a token, and holds what it opens to against what was asked for.
fn assume(request: SessionRequest) -> Reply {
    let parent = KeyRecord {
        access_key: "ak".to_owned(),
        secret_key: "secret".to_owned(),
        account: Account("alice".to_owned()),
        policy: None,
        status: KeyStatus::Active,
        created: NOW,
    };
    let tokens = TokenKey::new("root");
    let credentials = tokens.issue(&parent, &request, NOW, [7; 16]);
    let session = tokens.open(&credentials.access_key, &credentials.security_token, NOW).expect("a token of ours opens");
    assert_eq!((session.parent.as_str(), &session.secret_key), ("ak", &credentials.secret_key));
    assert_eq!((&session.role, &session.session_name, &session.policy), (&request.role, &request.session_name, &request.policy));
    assert_eq!(tokens.check_parent(&session, &parent), Ok(()));
    let expired = tokens.open(&credentials.access_key, &credentials.security_token, session.expiration);
    assert!(matches!(expired, Err(AuthError::TokenExpired)), "{expired:?}");
    Reply::Assumed { request, credentials }
}

fn check(reply: &Response<Bytes>) {
    let body = reply.body();
    let is_json = body.starts_with(b"{");
    let is_read = if is_json { serde_json::from_slice::<serde_json::Value>(body).is_ok() } else { Element::parse(body).is_ok() };
    assert!(is_read, "{}", String::from_utf8_lossy(body));
}
