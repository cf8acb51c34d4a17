//! Keys of rows: they sort as what they are made of, and tell it again.

use partway::{
    meta::{keys, record::BucketId},
    model::{ObjectKey, UploadId},
};
use proptest::{collection::vec, prelude::*};

/// Text near what escaping is about, text of any kind, and keys as long as they may be.
fn key() -> impl Strategy<Value = ObjectKey> {
    let tricky = vec(prop::sample::select(vec!['\0', '\u{1}', '\u{FF}', 'a', '/']), 1..6).prop_map(String::from_iter);
    let any = vec(any::<char>(), 1..200).prop_map(String::from_iter);
    let longest = prop::sample::select(vec!['\0', 'z']).prop_map(|letter| String::from(letter).repeat(ObjectKey::SIZE_MAX));
    prop_oneof![4 => tricky, 4 => any, 1 => longest].prop_map(|text| ObjectKey::new(text).expect("it is short enough"))
}

proptest! {
    /// Sorting rows sorts keys by their bytes, which is the order of listings, and each row gives its key back.
    #[test]
    fn object_rows_sort_as_their_keys_and_give_them_back(mut keys in vec(key(), 1..40), bucket in any::<[u8; 8]>()) {
        let bucket = BucketId(bucket);
        let mut rows: Vec<Vec<u8>> = keys.iter().map(|key| keys::object(bucket, key)).collect();
        rows.sort_unstable();
        keys.sort_unstable_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
        let told: Vec<ObjectKey> = rows.iter().map(|row| keys::object_key_of(row).expect("it is an object's row")).collect();
        prop_assert_eq!(told, keys);
    }

    /// No row of one bucket lies among those of another, whatever the buckets and keys are.
    #[test]
    fn rows_of_different_buckets_never_mix(key in key(), one in any::<[u8; 8]>(), other in any::<[u8; 8]>()) {
        let row = keys::object(BucketId(one), &key);
        prop_assert_eq!(keys::objects(BucketId(other)).contains(&row), one == other);
        let upload = keys::upload(BucketId(one), &key, &UploadId::from_bytes([0xFF; 16]));
        prop_assert_eq!(keys::uploads(BucketId(other)).contains(&upload), one == other);
        prop_assert!(!keys::objects(BucketId(one)).contains(&upload));
    }

    /// One key's row is never the beginning of another's, so that a range of one key holds that key alone.
    #[test]
    fn no_row_begins_with_another(a in key(), b in key(), bucket in any::<[u8; 8]>()) {
        prop_assume!(a != b);
        let (a, b) = (keys::object(BucketId(bucket), &a), keys::object(BucketId(bucket), &b));
        prop_assert!(!a.starts_with(&b) && !b.starts_with(&a));
    }
}
