//! Policy documents: read, checked, and asked who may do what.

use super::Input;
use crate::{
    auth::policy::{self, Grounds},
    model::{
        Account, Acl, Bucket, Caller, DeleteObject, ListObjects, ObjectKey, ObjectRef, Operation, ReadConditions, ReadObject, Selection,
    },
};

/// A key's policy and a bucket's, with a NUL between them; without one the same text is both.
pub(super) fn document(input: &[u8]) {
    let mut input = Input(input);
    let first = input.field();
    let rest = input.rest();
    let Ok(key_policy) = std::str::from_utf8(first) else { return };
    let bucket_policy = std::str::from_utf8(rest).ok().filter(|text| !text.is_empty()).unwrap_or(key_policy);
    let bucket = Bucket::new("bkt-test").expect("it is legal");
    let key_is_legal = policy::validate(key_policy).is_ok();
    let _ = (policy::validate_bucket_policy(bucket_policy, &bucket), policy::is_public(bucket_policy));
    let context = [
        ("aws:sourceip", "192.0.2.7".to_owned()),
        ("aws:securetransport", "false".to_owned()),
        ("aws:currenttime", "2026-01-15T08:30:00Z".to_owned()),
        ("aws:referer", "https://a.example/".to_owned()),
    ];
    let alice = Account("alice".to_owned());
    let named = |account: &Account| Caller::Key { access_key: "ak".to_owned(), account: account.clone(), parent: None };
    let callers = [Caller::Anonymous, named(&alice), named(&Account("bob".to_owned())), named(&Account::root())];
    let operations = operations(&bucket);
    for caller in &callers {
        let grounds = Grounds {
            caller,
            key_policy: Some(key_policy),
            session_policy: None,
            bucket_owner: Some(&alice),
            bucket_policy: Some(bucket_policy),
            acl: None,
            context: &context,
        };
        for operation in &operations {
            let is_allowed = policy::allows(&grounds, operation);
            let is_root = caller.account() == Some(&Account::root());
            assert!(key_is_legal || caller == &Caller::Anonymous || !is_allowed, "a policy that cannot be read lets {operation:?} happen");
            // What a session policy says only narrows, and what an access control list says only widens.
            let narrowed = policy::allows(&Grounds { session_policy: Some(bucket_policy), ..grounds }, operation);
            assert!(!narrowed || is_allowed, "a session may do more than its key: {operation:?}");
            let widened = policy::allows(&Grounds { acl: Some(Acl::PublicReadWrite), ..grounds }, operation);
            assert!(widened || !is_allowed || is_root, "an open list takes rights away: {operation:?}");
        }
    }
}

fn operations(bucket: &Bucket) -> [Operation; 5] {
    let object = ObjectRef { bucket: bucket.clone(), key: ObjectKey::new("dir/key").expect("it is legal") };
    let listing = ListObjects { bucket: bucket.clone(), prefix: "dir/".into(), delimiter: "/".into(), after: None, count_max: 1000 };
    let read = ReadObject { object: object.clone(), selection: Selection::Whole, conditions: ReadConditions::default() };
    [
        Operation::GetObject(read),
        Operation::DeleteObject(DeleteObject { object, if_match: None }),
        Operation::ListObjects(listing),
        Operation::PutBucketPolicy(bucket.clone(), "{}".to_owned()),
        Operation::DeleteBucket(bucket.clone()),
    ]
}
