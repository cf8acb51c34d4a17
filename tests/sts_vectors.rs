//! Signed requests of real clients to STS (`vectors/sts.json`): each verifies with the clock at its signing time, and none
//! any more once a byte of it is another one.

use http::{Request, request::Parts};
use partway::{
    auth::sts_request::{Nonce, Parameters, Protocol, RequestError, claim},
    dialect::sts::{self, Action, StsError},
    model::Timestamp,
};
use serde_json::Value;

fn vectors() -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors/sts.json")).expect("the vectors are JSON");
    assert_eq!(vectors.len(), 2);
    vectors
}

fn vector(scheme: &str) -> Value {
    vectors().into_iter().find(|vector| vector["scheme"] == scheme).expect("there is one of each scheme")
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("a vector has no {name}"))
}

fn now(vector: &Value) -> Timestamp {
    assert_eq!(vector["signing_time"], "20260115T083000Z");
    Timestamp::from_secs(1_768_465_800)
}

fn head(vector: &Value) -> Parts {
    let mut request = Request::builder().method(text(vector, "method")).uri("/");
    for pair in vector["headers"].as_array().expect("headers are pairs") {
        request = request.header(pair[0].as_str().expect("a name is text"), pair[1].as_str().expect("a value is text"));
    }
    request.body(()).expect("the request is legal").into_parts().0
}

fn verify(parts: &Parts, vector: &Value, body: &str, secret: &str, now: Timestamp) -> Result<Option<Nonce>, RequestError> {
    let parameters = Parameters::read(parts, body.as_bytes())?;
    let claim = claim(parts, body.as_bytes(), &parameters)?;
    if claim.access_key != text(vector, "access_key") {
        return Err(RequestError::Unsigned);
    }
    claim.verify(parts, body.as_bytes(), &parameters, secret, now)
}

#[test]
fn every_vector_verifies_at_its_time_and_with_its_secret_only() {
    for vector in vectors() {
        let (parts, body, secret, now) = (head(&vector), text(&vector, "body"), text(&vector, "secret_key"), now(&vector));
        let name = text(&vector, "name");
        assert!(verify(&parts, &vector, body, secret, now).is_ok(), "{name}");
        assert!(verify(&parts, &vector, body, &format!("{secret}x"), now).is_err(), "{name}");
        assert_eq!(verify(&parts, &vector, body, secret, now.plus_millis(15 * 60 * 1000 + 1)), Err(RequestError::Skewed), "{name}");
    }
}

#[test]
fn no_vector_verifies_with_another_byte() {
    for vector in vectors() {
        let (parts, body, secret, now) = (head(&vector), text(&vector, "body"), text(&vector, "secret_key"), now(&vector));
        for index in 0..body.len() {
            let mut bytes = body.as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            let altered = String::from_utf8(bytes).expect("one letter for another");
            assert!(verify(&parts, &vector, &altered, secret, now).is_err(), "{index}: {altered}");
        }
    }
}

#[test]
fn the_string_to_sign_is_the_clients() {
    let vector = vector("POP-RPC");
    let refusal = verify(&head(&vector), &vector, text(&vector, "body"), "wrong", now(&vector));
    assert_eq!(refusal, Err(RequestError::Mismatch { string_to_sign: text(&vector, "expected_string_to_sign").to_owned() }));
    let vector = self::vector("SigV4-header");
    let refusal = verify(&head(&vector), &vector, text(&vector, "body"), "wrong", now(&vector));
    assert_eq!(refusal, Err(RequestError::Mismatch { string_to_sign: text(&vector, "expected_string_to_sign").to_owned() }));
}

#[test]
fn the_vectors_are_decoded() {
    let aliyun = vector("POP-RPC");
    let parts = head(&aliyun);
    let parameters = Parameters::read(&parts, text(&aliyun, "body").as_bytes()).expect("it is a form");
    assert_eq!(Protocol::of(&parts, &parameters), Protocol::AliyunRpc);
    let Ok(Action::AssumeRole(request)) = sts::decode(&parts, &parameters) else { panic!("it assumes a role") };
    assert_eq!((request.role.account.as_str(), request.role.name.as_str()), ("1234567890123456", "demo"));
    assert_eq!((request.session_name.as_str(), request.duration_secs), ("session-1", 3600));
    assert_eq!(request.policy.as_deref(), Some(r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:*"],"Resource":["*"]}]}"#));

    let aws = vector("SigV4-header");
    let parts = head(&aws);
    let parameters = Parameters::read(&parts, text(&aws, "body").as_bytes()).expect("it is a form");
    assert_eq!(Protocol::of(&parts, &parameters), Protocol::Aws);
    // The client was told to send a name with a space and a policy that is none.
    assert!(matches!(sts::decode(&parts, &parameters), Err(StsError::Invalid("RoleSessionName", _))));
}
