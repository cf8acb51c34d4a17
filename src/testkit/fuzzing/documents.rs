//! XML: the reader itself, and every document that is read as the configuration of a bucket or the list of a request.

use super::{Input, NOW, requests};
use crate::{
    dialect::{
        Dialect,
        address::Address,
        oss::Oss,
        s3::S3,
        xml::{Element, Writer},
    },
    model::{Account, Caller, Limits, Operation, Outcome},
};
use bytes::Bytes;
use http::{Method, Request, request::Parts};

const DEPTH_MAX: usize = 16;

/// Any document: what is read is no larger than what was sent, and text that is written reads back.
pub(super) fn tree(input: &[u8]) {
    if let Ok(root) = Element::parse(input) {
        assert!(size(&root, 1) <= input.len(), "a tree larger than its document");
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let document = Writer::document("Root", "", |w| w.leaf("Text", text));
        let read = Element::parse(document.as_bytes()).expect("what is written is well-formed");
        assert_eq!(read.child_text("Text"), Some(text));
    }
}

fn size(element: &Element, depth: usize) -> usize {
    assert!(depth <= DEPTH_MAX, "too deep");
    element.name().len() + element.text().len() + element.children().iter().map(|child| size(child, depth + 1)).sum::<usize>()
}

/// How documents are sent: whether to OSS, method, target.
const REQUESTS: [(bool, &str, &str); 14] = [
    (false, "PUT", "/bkt-test?cors"),
    (false, "PUT", "/bkt-test?lifecycle"),
    (false, "PUT", "/bkt-test?tagging"),
    (false, "PUT", "/bkt-test/k?tagging"),
    (false, "PUT", "/bkt-test?policy"),
    (false, "PUT", "/bkt-test"),
    (false, "POST", "/bkt-test?delete"),
    (false, "POST", "/bkt-test/k?uploadId=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    (true, "PUT", "/bkt-test?cors"),
    (true, "PUT", "/bkt-test?lifecycle"),
    (true, "PUT", "/bkt-test?referer"),
    (true, "PUT", "/bkt-test/k?tagging"),
    (true, "POST", "/bkt-test?delete"),
    (true, "POST", "/bkt-test/k?uploadId=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
];

/// The document of one of these requests, chosen by the first byte: what it says is told again in a form that says the same.
pub(super) fn configurations(input: &[u8]) {
    let mut input = Input(input);
    let (is_oss, method, target) = REQUESTS[usize::from(input.byte()) % REQUESTS.len()];
    let document = input.rest();
    let (s3, oss) = (S3 { limits: Limits::S3 }, Oss { limits: Limits::OSS });
    let (own, other): (&dyn Dialect, &dyn Dialect) = if is_oss { (&oss, &s3) } else { (&s3, &oss) };
    let Some(operation) = decode(own, method, target, document) else { return };
    let outcome = match &operation {
        Operation::PutBucketCors(_, cors) => Outcome::Cors(cors.clone()),
        Operation::PutBucketLifecycle(_, lifecycle) => Outcome::Lifecycle(lifecycle.clone()),
        Operation::PutBucketReferer(_, referer) => Outcome::Referer(referer.clone()),
        Operation::PutBucketTagging(_, tags) | Operation::PutObjectTagging(_, tags) => Outcome::Tagging(tags.clone()),
        Operation::PutBucketPolicy(_, policy) => Outcome::Policy(policy.clone()),
        Operation::DeleteObjects(delete) => return assert!(delete.objects.len() <= 1000),
        Operation::CompleteMultipartUpload(complete) => return assert!(complete.parts.len() <= 10_000),
        _ => return,
    };
    let told = encode(own, target, &outcome).expect("what can be put can be asked for");
    assert_eq!(decode(own, method, target, &told), Some(operation), "{}", String::from_utf8_lossy(&told));
    // Who speaks the other dialect asks for the same configuration; it may not have words for all of it. Policies are JSON.
    let told = encode(other, target, &outcome).filter(|_| !matches!(outcome, Outcome::Policy(_)));
    if let Some(told) = told.filter(|told| !told.is_empty()) {
        assert!(Element::parse(&told).is_ok(), "{}", String::from_utf8_lossy(&told));
    }
}

fn head(method: &str, target: &str) -> Parts {
    let request = Request::builder().method(method).uri(target).header("host", "h").body(());
    request.expect("the requests are in order").into_parts().0
}

fn address(dialect: &dyn Dialect, parts: &Parts) -> Address {
    dialect.addresses(parts, &requests::hosts()).expect("the requests are in order").remove(0)
}

fn decode(dialect: &dyn Dialect, method: &str, target: &str, document: &[u8]) -> Option<Operation> {
    let parts = head(method, target);
    let route = dialect.route(&parts, &address(dialect, &parts)).ok()?;
    let caller = Caller::Key { access_key: "ak".to_owned(), account: Account("alice".to_owned()), parent: None };
    route.decode(&parts, &Bytes::copy_from_slice(document), &caller, NOW).ok().map(|decoded| decoded.operation)
}

/// The document of the answer to who asks for this; `None` when the dialect has no such request.
fn encode(dialect: &dyn Dialect, target: &str, outcome: &Outcome) -> Option<Bytes> {
    let parts = head(Method::GET.as_str(), target);
    let route = dialect.route(&parts, &address(dialect, &parts)).ok()?;
    let decoded = route.decode(&parts, &Bytes::new(), &Caller::Anonymous, NOW).ok()?;
    Some(decoded.wire.encode(outcome, &requests::context(&parts)).into_body())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::fuzzing::corpus;
    use std::collections::BTreeSet;

    #[test]
    fn the_corpus_is_of_documents_for_each_request() {
        let mut seen = BTreeSet::new();
        for (name, bytes) in corpus("documents") {
            let mut input = Input(&bytes);
            let index = usize::from(input.byte()) % REQUESTS.len();
            let (is_oss, method, target) = REQUESTS[index];
            let dialect: &dyn Dialect = if is_oss { &Oss { limits: Limits::OSS } } else { &S3 { limits: Limits::S3 } };
            assert!(decode(dialect, method, target, input.rest()).is_some(), "{name}");
            seen.insert(index);
        }
        assert_eq!(seen.len(), REQUESTS.len(), "{seen:?}");
    }
}
