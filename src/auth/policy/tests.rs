//! The decision, as tables.

use super::*;
use crate::model::{Acl, CreateBucket, DeleteObject, DeleteObjects, Directive, ListBuckets, ListObjects, ObjectKey, PutObject, Tags};

fn bucket() -> Bucket {
    Bucket::new("bkt").unwrap()
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: bucket(), key: ObjectKey::new(key).unwrap() }
}

fn key_of(account: &str) -> Caller {
    Caller::Key { access_key: format!("{account}-key"), account: Account(account.to_owned()), parent: None }
}

fn delete(key: &str) -> Operation {
    Operation::DeleteObject(DeleteObject { object: object(key), if_match: None })
}

fn put(tags: Tags) -> Operation {
    let attributes = crate::model::Attributes { tags, ..Default::default() };
    Operation::PutObject(PutObject {
        callback: None,
        object: object("k"),
        attributes,
        conditions: Default::default(),
        claims: Default::default(),
    })
}

fn list(prefix: &str) -> Operation {
    let prefix = prefix.to_owned();
    Operation::ListObjects(ListObjects { bucket: bucket(), prefix, delimiter: String::new(), after: None, count_max: 1000 })
}

/// Decides for a bucket of alice's.
fn decide(caller: &Caller, key_policy: Option<&str>, bucket_policy: Option<&str>, operation: &Operation) -> bool {
    let alice = Account("alice".to_owned());
    let grounds = Grounds { caller, key_policy, session_policy: None, bucket_owner: Some(&alice), bucket_policy, acl: None, context: &[] };
    allows(&grounds, operation)
}

const ALLOW_ALL: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const DENY_ALL: &str = r#"{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#;
const ALLOW_OTHER: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}}"#;
const BUCKET_ALLOW: &str =
    r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:DELETE*","Resource":["arn:aws:s3:::bkt/*","arn:aws:s3:::bkt"]}}"#;
const BUCKET_DENY: &str =
    r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bkt/*","arn:aws:s3:::bkt"]}}"#;
const BUCKET_BOB: &str =
    r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::bob:root"},"Action":"s3:*","Resource":"arn:aws:s3:::bkt/*"}}"#;

#[test]
fn key_and_bucket_policies_decide_together() {
    let (root, alice, bob, nobody) = (key_of("root"), key_of("alice"), key_of("bob"), Caller::Anonymous);
    for (case, caller, key_policy, bucket_policy, expected) in [
        ("root may do everything", &root, None, Some(BUCKET_DENY), true),
        ("a narrowed root key only what its policy allows", &root, Some(ALLOW_OTHER), Some(BUCKET_ALLOW), false),
        ("a narrowed root key what its policy allows", &root, Some(ALLOW_ALL), Some(BUCKET_DENY), true),
        ("an owner without policies", &alice, None, None, true),
        ("an owner whose key's policy is silent", &alice, Some(ALLOW_OTHER), None, false),
        ("an owner whom only the bucket's policy allows", &alice, Some(ALLOW_OTHER), Some(BUCKET_ALLOW), true),
        ("an owner whom the key's policy denies", &alice, Some(DENY_ALL), Some(BUCKET_ALLOW), false),
        ("an owner whom the bucket's policy denies", &alice, None, Some(BUCKET_DENY), false),
        ("another account without policies", &bob, None, None, false),
        ("another account whom the bucket's policy allows", &bob, None, Some(BUCKET_ALLOW), true),
        ("another account that is named", &bob, Some(ALLOW_ALL), Some(BUCKET_BOB), true),
        ("another account whom only the bucket's policy allows", &bob, Some(ALLOW_OTHER), Some(BUCKET_ALLOW), false),
        ("another account whom only its key's policy allows", &bob, Some(ALLOW_ALL), None, false),
        ("another account than the one named", &key_of("carol"), None, Some(BUCKET_BOB), false),
        ("nobody without policies", &nobody, None, None, false),
        ("nobody whom the bucket's policy allows", &nobody, None, Some(BUCKET_ALLOW), true),
        ("nobody when an account is named", &nobody, None, Some(BUCKET_BOB), false),
        ("nobody whom the bucket's policy denies", &nobody, None, Some(BUCKET_DENY), false),
        ("a broken key policy allows nothing", &alice, Some("{"), Some(BUCKET_ALLOW), false),
        ("a broken bucket policy allows nothing", &alice, None, Some("{"), false),
    ] {
        assert_eq!(decide(caller, key_policy, bucket_policy, &delete("k")), expected, "{case}");
    }
}

#[test]
fn an_owner_cannot_be_locked_out_of_the_buckets_policy() {
    let alice = key_of("alice");
    for operation in
        [Operation::GetBucketPolicy(bucket()), Operation::PutBucketPolicy(bucket(), String::new()), Operation::DeleteBucketPolicy(bucket())]
    {
        assert!(decide(&alice, None, Some(BUCKET_DENY), &operation), "{operation:?}");
        assert!(decide(&alice, None, Some("{"), &operation), "{operation:?}");
        assert!(!decide(&alice, Some(DENY_ALL), None, &operation), "{operation:?}");
        assert!(!decide(&key_of("bob"), None, Some(BUCKET_DENY), &operation), "{operation:?}");
    }
    assert!(!decide(&alice, None, Some(BUCKET_DENY), &Operation::GetBucketPolicyStatus(bucket())));
}

#[test]
fn a_bucket_that_is_not_there_is_no_secret_to_signed_callers() {
    let decide = |caller: &Caller, key_policy, operation: &Operation| {
        allows(
            &Grounds { caller, key_policy, session_policy: None, bucket_owner: None, bucket_policy: None, acl: None, context: &[] },
            operation,
        )
    };
    let create =
        Operation::CreateBucket(CreateBucket { acl: None, may_be_own: false, storage_class: None, bucket: bucket(), location: None });
    let listing = Operation::ListBuckets(ListBuckets { prefix: String::new(), after: None, count_max: 1 });
    for operation in [&create, &listing, &delete("k")] {
        assert!(decide(&key_of("bob"), None, operation), "{operation:?}");
        assert!(decide(&key_of("bob"), Some(ALLOW_ALL), operation), "{operation:?}");
        assert!(!decide(&key_of("bob"), Some(ALLOW_OTHER), operation), "{operation:?}");
        assert!(!decide(&Caller::Anonymous, None, operation), "{operation:?}");
    }
}

#[test]
fn creating_a_bucket_that_is_somebody_elses_is_no_matter_of_permission() {
    let create =
        Operation::CreateBucket(CreateBucket { acl: None, may_be_own: false, storage_class: None, bucket: bucket(), location: None });
    assert!(decide(&key_of("bob"), None, Some(BUCKET_DENY), &create));
}

#[test]
fn writing_tags_needs_a_permission_of_its_own() {
    let alice = key_of("alice");
    let put_only = r#"{"Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::bkt/*"}}"#;
    let tags = Tags(vec![("a".to_owned(), "b".to_owned())]);
    assert!(decide(&alice, Some(put_only), None, &put(Tags::default())));
    assert!(!decide(&alice, Some(put_only), None, &put(tags.clone())));
    assert!(decide(&alice, Some(ALLOW_ALL), None, &put(tags)));
}

#[test]
fn deletes_in_a_batch_are_judged_key_by_key() {
    let alice = key_of("alice");
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::bkt/tmp/*"}]}"#;
    let owner = Account("alice".to_owned());
    let grounds = Grounds {
        caller: &alice,
        key_policy: Some(policy),
        session_policy: None,
        bucket_owner: Some(&owner),
        bucket_policy: None,
        acl: None,
        context: &[],
    };
    assert!(allows_delete(&grounds, &object("tmp/a")));
    assert!(!allows_delete(&grounds, &object("a")));
    let batch = |key| Operation::DeleteObjects(DeleteObjects { bucket: bucket(), objects: vec![(ObjectKey::new(key).unwrap(), None)] });
    assert!(allows(&grounds, &batch("a")));
    let public = Some(r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::bkt/tmp/*"}}"#);
    assert!(decide(&Caller::Anonymous, None, public, &batch("tmp/a")));
    assert!(!decide(&Caller::Anonymous, None, public, &batch("a")));
}

#[test]
fn listings_are_judged_by_their_prefix() {
    let alice = key_of("alice");
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bkt",
        "Condition":{"StringLike":{"s3:prefix":"home/*"},"NumericLessThanEquals":{"s3:max-keys":"1000"}}}}"#;
    assert!(decide(&alice, Some(policy), None, &list("home/a")));
    assert!(!decide(&alice, Some(policy), None, &list("")));
    let oss = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:ListObjects"],"Resource":["acs:oss:*:*:bkt"],
        "Condition":{"StringLike":{"oss:Prefix":["home/*"]},"StringEquals":{"oss:Delimiter":""}}}]}"#;
    assert!(decide(&alice, Some(oss), None, &list("home/a")) && !decide(&alice, Some(oss), None, &list("")));
    // HeadBucket needs the same action but has no prefix.
    assert!(!decide(&alice, Some(policy), None, &Operation::HeadBucket(bucket())));
}

#[test]
fn conditions_see_what_the_server_knows() {
    let policy = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::bkt/*",
        "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"Bool":{"aws:SecureTransport":"true"}}}}"#;
    let owner = Account("alice".to_owned());
    let decide = |address: &str, secure: &str| {
        let context = [("aws:sourceip", address.to_owned()), ("aws:securetransport", secure.to_owned())];
        let grounds = Grounds {
            caller: &Caller::Anonymous,
            key_policy: None,
            session_policy: None,
            bucket_owner: Some(&owner),
            acl: None,
            bucket_policy: Some(policy),
            context: &context,
        };
        allows(&grounds, &delete("k"))
    };
    assert!(decide("10.1.2.3", "true"));
    assert!(!decide("11.1.2.3", "true"));
    assert!(!decide("10.1.2.3", "false"));
}

#[test]
fn a_copy_needs_its_source_and_its_target() {
    let source = ObjectRef { bucket: Bucket::new("source").unwrap(), key: ObjectKey::new("s").unwrap() };
    let copy = Operation::CopyObject(crate::model::CopyObject {
        source: source.clone(),
        source_conditions: Default::default(),
        target: object("k"),
        conditions: Default::default(),
        metadata: Directive::Copy,
        tags: Directive::Copy,
        storage_class: None,
        acl: None,
        checksum_algorithm: None,
    });
    assert_eq!(copy_source(&copy), Some(&source));
    assert_eq!(copy_source(&delete("k")), None);
    let (alice, bob) = (key_of("alice"), Account("bob".to_owned()));
    assert!(decide(&alice, None, None, &copy));
    let mut grounds = Grounds {
        caller: &alice,
        key_policy: None,
        session_policy: None,
        bucket_owner: Some(&bob),
        bucket_policy: None,
        acl: None,
        context: &[],
    };
    assert!(!allows_source(&grounds, &source));
    let shared =
        r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"alice"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::source/*"}}"#;
    grounds.bucket_policy = Some(shared);
    assert!(allows_source(&grounds, &source));
}

#[test]
fn public_means_everybody_from_anywhere() {
    let allow =
        |rest: &str| format!(r#"{{"Statement":{{"Effect":"Allow",{rest},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*"}}}}"#);
    for (document, expected) in [
        (allow(r#""Principal":"*""#), true),
        (allow(r#""Principal":{"AWS":["bob","*"]}"#), true),
        (allow(r#""Principal":"*","Condition":{"StringLike":{"aws:Referer":"http://me/*"}}"#), true),
        (allow(r#""Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}}"#), true),
        (allow(r#""Principal":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#), true),
        (allow(r#""Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#), false),
        (allow(r#""Principal":{"AWS":"bob"}"#), false),
        (BUCKET_DENY.to_owned(), false),
        ("{".to_owned(), false),
    ] {
        assert_eq!(is_public(&document), expected, "{document}");
    }
}

#[test]
fn documents_are_checked_for_where_they_stand() {
    assert!(validate(ALLOW_ALL).is_ok() && validate(BUCKET_ALLOW).is_err());
    assert!(validate_bucket_policy(BUCKET_ALLOW, &bucket()).is_ok() && validate_bucket_policy(ALLOW_ALL, &bucket()).is_err());
    assert!(validate_bucket_policy(BUCKET_ALLOW, &Bucket::new("other").unwrap()).is_err());
}

fn get(key: &str) -> Operation {
    let (selection, conditions) = (crate::model::Selection::Whole, Default::default());
    Operation::GetObject(crate::model::ReadObject { object: object(key), selection, conditions })
}

#[test]
fn an_acl_opens_to_everybody_what_nothing_denies() {
    let (alice, bob, nobody) = (key_of("alice"), key_of("bob"), Caller::Anonymous);
    let owner = Account("alice".to_owned());
    let (private, read, write) = (Some(Acl::Private), Some(Acl::PublicRead), Some(Acl::PublicReadWrite));
    for (case, caller, key_policy, bucket_policy, acl, operation, expected) in [
        ("nobody reads what has no list", &nobody, None, None, None, get("k"), false),
        ("nobody reads what is private", &nobody, None, None, private, get("k"), false),
        ("nobody reads what everybody may read", &nobody, None, None, read, get("k"), true),
        ("nobody lists what everybody may read", &nobody, None, None, read, list("p"), true),
        ("nobody writes what everybody may read", &nobody, None, None, read, put(Tags::default()), false),
        ("nobody deletes what everybody may read", &nobody, None, None, read, delete("k"), false),
        ("nobody writes what everybody may write", &nobody, None, None, write, put(Tags::default()), true),
        ("nobody deletes what everybody may write", &nobody, None, None, write, delete("k"), true),
        ("nobody sets what a bucket is", &nobody, None, None, write, Operation::PutBucketAcl(bucket(), Acl::Private), false),
        ("nobody sees what a bucket is", &nobody, None, None, write, Operation::GetBucketAcl(bucket()), false),
        ("nobody deletes a bucket", &nobody, None, None, write, Operation::DeleteBucket(bucket()), false),
        ("nobody sets an object's list", &nobody, None, None, write, Operation::PutObjectAcl(object("k"), None), false),
        ("a policy's Deny wins", &nobody, None, Some(BUCKET_DENY), write, get("k"), false),
        ("another account is somebody of everybody", &bob, None, None, read, get("k"), true),
        ("also with a key whose policy is silent", &bob, Some(ALLOW_OTHER), None, read, get("k"), true),
        ("but not with one whose policy denies", &bob, Some(DENY_ALL), None, read, get("k"), false),
        ("the owner needs no list", &alice, None, None, private, delete("k"), true),
        ("the owner's key with a silent policy", &alice, Some(ALLOW_OTHER), None, read, get("k"), true),
        ("the owner's key with a policy that denies", &alice, Some(DENY_ALL), None, write, get("k"), false),
    ] {
        let grounds = Grounds { caller, key_policy, session_policy: None, bucket_owner: Some(&owner), bucket_policy, acl, context: &[] };
        assert_eq!(allows(&grounds, &operation), expected, "{case}");
    }
    let grounds = Grounds {
        caller: &nobody,
        key_policy: None,
        session_policy: None,
        bucket_owner: None,
        bucket_policy: None,
        acl: write,
        context: &[],
    };
    assert!(!allows(&grounds, &get("k")), "a bucket that is not there");
}

#[test]
fn deletes_in_a_batch_are_judged_by_each_objects_acl() {
    let (nobody, owner) = (Caller::Anonymous, Account("alice".to_owned()));
    let acl = Some(Acl::PublicReadWrite);
    let grounds = Grounds {
        caller: &nobody,
        key_policy: None,
        session_policy: None,
        bucket_owner: Some(&owner),
        bucket_policy: None,
        acl,
        context: &[],
    };
    let policies = Policies::new(grounds);
    let objects = vec![(ObjectKey::new("k").unwrap(), None)];
    assert!(policies.allows(&Operation::DeleteObjects(DeleteObjects { bucket: bucket(), objects })));
    assert!(policies.allows_delete(&object("k"), acl));
    assert!(!policies.allows_delete(&object("k"), Some(Acl::Private)));
}

#[test]
fn opening_something_to_everybody_needs_a_permission_of_its_own() {
    let alice = key_of("alice");
    let put_only = r#"{"Statement":{"Effect":"Allow","Action":["s3:PutObject","s3:CreateBucket"],"Resource":["arn:aws:s3:::bkt/*","arn:aws:s3:::bkt"]}}"#;
    let put_as = |acl| {
        let Operation::PutObject(mut put) = put(Tags::default()) else { panic!() };
        put.attributes.acl = acl;
        Operation::PutObject(put)
    };
    let create = |acl, may_be_own| {
        Operation::CreateBucket(CreateBucket { acl: Some(acl), storage_class: None, bucket: bucket(), location: None, may_be_own })
    };
    for (operation, expected) in [
        (put_as(None), true),
        (put_as(Some(Acl::Private)), true),
        (put_as(Some(Acl::PublicRead)), false),
        (create(Acl::Private, false), true),
        (create(Acl::PublicRead, false), false),
        // Its list could be another one by now.
        (create(Acl::Private, true), false),
    ] {
        assert_eq!(decide(&alice, Some(put_only), None, &operation), expected, "{operation:?}");
        assert!(decide(&alice, Some(ALLOW_ALL), None, &operation));
    }
}

#[test]
fn a_session_may_do_what_its_policy_and_its_parent_may_both() {
    let (root, alice, bob, owner) = (key_of("root"), key_of("alice"), key_of("bob"), Account("alice".to_owned()));
    let some = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:DeleteObject"],"Resource":["acs:oss:*:*:bkt/*"]}]}"#;
    let but = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}]}"#;
    for (case, caller, key_policy, session_policy, bucket_policy, expected) in [
        ("both allow", &alice, Some(ALLOW_ALL), Some(some), None, true),
        ("a parent without a policy", &alice, None, Some(some), None, true),
        ("a session without a policy", &alice, Some(ALLOW_ALL), None, None, true),
        ("the session's is silent", &alice, None, Some(ALLOW_OTHER), None, false),
        ("the session's denies", &alice, None, Some(but), None, false),
        ("the parent's is silent", &alice, Some(ALLOW_OTHER), Some(some), None, false),
        ("the parent's denies", &alice, Some(DENY_ALL), Some(some), None, false),
        ("the bucket's allows the parent, the session's too", &alice, Some(ALLOW_OTHER), Some(some), Some(BUCKET_ALLOW), true),
        ("the bucket's allows the parent, the session's not", &alice, None, Some(ALLOW_OTHER), Some(BUCKET_ALLOW), false),
        ("the bucket's denies", &alice, None, Some(some), Some(BUCKET_DENY), false),
        ("root's session", &root, None, Some(some), Some(BUCKET_DENY), true),
        ("root's session whose policy is silent", &root, None, Some(ALLOW_OTHER), None, false),
        ("a session gives a stranger nothing", &bob, None, Some(ALLOW_ALL), None, false),
        ("a broken session policy allows nothing", &root, None, Some("{"), Some(BUCKET_ALLOW), false),
    ] {
        let grounds = Grounds { caller, key_policy, session_policy, bucket_owner: Some(&owner), bucket_policy, acl: None, context: &[] };
        assert_eq!(allows(&grounds, &delete("k")), expected, "{case}");
        assert_eq!(allows_delete(&grounds, &object("k")), expected, "{case}");
    }
    let grounds = Grounds {
        caller: &alice,
        key_policy: None,
        session_policy: Some(some),
        bucket_owner: Some(&owner),
        bucket_policy: None,
        acl: None,
        context: &[],
    };
    assert!(!allows_source(&grounds, &object("k")));
    assert!(!allows(&grounds, &Operation::PutBucketPolicy(bucket(), String::new())), "the way to the bucket's policy is narrowed, too");
}

#[test]
fn oss_names_mean_what_oss_needs_them_for() {
    let upload = crate::model::UploadId::new(crate::model::Timestamp::from_secs(1), [0; 10]);
    let list_uploads = Operation::ListMultipartUploads(crate::model::ListMultipartUploads {
        bucket: bucket(),
        prefix: String::new(),
        delimiter: String::new(),
        key_marker: None,
        upload_id_marker: None,
        count_max: 1,
    });
    let on_bucket = "acs:oss:*:*:bkt";
    let on_objects = "acs:oss:oss-cn-hangzhou:1234567890123456:bkt/*";
    for (action, resource, operation) in [
        ("oss:PutObject", on_objects, put(Tags::default())),
        ("oss:DeleteObject", on_objects, delete("k")),
        ("oss:AbortMultipartUpload", on_objects, Operation::AbortMultipartUpload(object("k"), upload)),
        ("oss:PutObjectAcl", on_objects, Operation::PutObjectAcl(object("k"), Some(crate::model::Acl::Private))),
        ("oss:GetObjectTagging", on_objects, Operation::GetObjectTagging(object("k"))),
        ("oss:ListObjects", on_bucket, list("")),
        ("oss:ListMultipartUploads", on_bucket, list_uploads),
        ("oss:GetBucketInfo", on_bucket, Operation::GetBucketInfo(bucket())),
        ("oss:DeleteBucketCors", on_bucket, Operation::DeleteBucketCors(bucket())),
        ("oss:ListBuckets", "acs:oss:*:*:*", Operation::ListBuckets(ListBuckets { prefix: String::new(), after: None, count_max: 1 })),
    ] {
        let document = |effect: &str, action: &str, resource: &str| {
            format!(r#"{{"Version":"1","Statement":[{{"Effect":"{effect}","Action":["{action}"],"Resource":["{resource}"]}}]}}"#)
        };
        let decide = |policy: &str| decide(&key_of("alice"), Some(policy), None, &operation);
        assert!(decide(&document("Allow", action, resource)), "{action}");
        assert!(decide(&document("Allow", "oss:*", "*")) && decide(&document("Allow", "oss:*", "acs:oss:*:*:*")), "{action}");
        assert!(decide(&document("Allow", "s3:*", "arn:aws:s3:::*")), "{action} is covered by s3:*");
        assert!(!decide(&document("Deny", "s3:*", "*")), "{action}");
        assert!(!decide(&document("Allow", action, "acs:oss:*:*:other/*")), "{action}");
        assert!(!decide(&document("Allow", "oss:GetStyle", "*")), "{action}");
        assert!(!decide(&document("Allow", "sts:*", "*")), "{action}");
    }
}

#[test]
fn each_spelling_is_as_fine_as_its_service() {
    let of = |action: &str| format!(r#"{{"Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#);
    let decide = |action: &str, operation: &Operation| decide(&key_of("alice"), Some(&of(action)), None, operation);
    let (put, delete) = (Operation::PutBucketCors(bucket(), Default::default()), Operation::DeleteBucketCors(bucket()));
    assert!(decide("s3:PutBucketCORS", &put) && decide("s3:PutBucketCORS", &delete));
    assert!(decide("oss:PutBucketCors", &put) && !decide("oss:PutBucketCors", &delete));
    assert!(!decide("oss:DeleteBucketCors", &put) && decide("oss:DeleteBucketCors", &delete));
    assert!(decide("s3:GetBucketStat", &Operation::GetBucketStat(bucket())), "what S3 lacks has a name there as well");
}

#[test]
fn a_bucket_policy_of_oss_names_accounts_in_a_list() {
    let bob = key_of("bob");
    let policy = |principals: &str| {
        format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":["oss:DeleteObject"],"Principal":{principals},
               "Resource":["acs:oss:*:alice:bkt/*"],"Condition":{{"Bool":{{"acs:SecureTransport":["false"]}}}}}}]}}"#
        )
    };
    let owner = Account("alice".to_owned());
    let context = [("aws:securetransport", "false".to_owned())];
    for (principals, caller, expected) in [
        (r#"["bob"]"#, &bob, true),
        (r#"["carol","acs:ram::bob:root"]"#, &bob, true),
        (r#"["carol"]"#, &bob, false),
        (r#"["bob"]"#, &Caller::Anonymous, false),
        (r#"["*"]"#, &Caller::Anonymous, true),
    ] {
        let policy = policy(principals);
        assert_eq!(validate_bucket_policy(&policy, &bucket()), Ok(()));
        let bucket_policy = Some(policy.as_str());
        let grounds = Grounds {
            caller,
            key_policy: None,
            session_policy: None,
            bucket_owner: Some(&owner),
            bucket_policy,
            acl: None,
            context: &context,
        };
        assert_eq!(allows(&grounds, &delete("k")), expected, "{principals}");
    }
}

#[test]
fn a_key_may_ask_for_a_session_unless_its_policy_denies_that() {
    let deny = r#"{"Statement":{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}}"#;
    let allow_s3_only = r#"{"Statement":{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}}"#;
    for (key_policy, expected) in [
        (None, true),
        (Some(ALLOW_ALL), true),
        (Some(ALLOW_OTHER), true),
        (Some(DENY_ALL), true),
        (Some(deny), false),
        (Some(allow_s3_only), false),
        (Some("{"), false),
    ] {
        let caller = key_of("alice");
        let grounds =
            Grounds { caller: &caller, key_policy, session_policy: None, bucket_owner: None, bucket_policy: None, acl: None, context: &[] };
        assert_eq!(Policies::new(grounds).allows_assume_role("arn:aws:iam::1:role/demo"), expected, "{key_policy:?}");
    }
}
