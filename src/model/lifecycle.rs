//! Rules that delete objects and end uploads in time (S3 "PutBucketLifecycleConfiguration", OSS "PutBucketLifecycle").

use super::{ObjectKey, Tags, Timestamp};
use serde::{Deserialize, Serialize};

/// The rules of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleConfiguration {
    /// 1 to 1,000 rules. What any of them says is due, is done.
    pub rules: Vec<LifecycleRule>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleRule {
    /// A name for people; kept and returned.
    pub id: Option<String>,
    /// Whether it is carried out.
    pub enabled: bool,
    /// Only keys that start so.
    pub prefix: String,
    /// Only objects that have all of these. Uploads have none, so a rule with tags ends no upload.
    pub tags: Tags,
    /// Only objects of more bytes than this.
    pub size_above: Option<u64>,
    /// Only objects of fewer bytes than this.
    pub size_below: Option<u64>,
    /// When objects are deleted.
    pub expiration: Option<Expiry>,
    /// When open uploads are aborted.
    pub abort_uploads: Option<Expiry>,
}

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// So many days after it was written or begun, at the next midnight UTC.
    Days(u32),
    /// From this time on, whenever it was written.
    Date(Timestamp),
    /// If it was written or begun before this time (OSS CreatedBeforeDate).
    CreatedBefore(Timestamp),
}

const DAY_MS: i64 = 24 * 3_600_000;

impl LifecycleConfiguration {
    /// Whether a rule says that an object is to be deleted.
    #[must_use]
    pub fn expires_object(&self, key: &ObjectKey, size: u64, tags: &Tags, last_modified: Timestamp, now: Timestamp) -> bool {
        self.rules.iter().any(|rule| {
            rule.is_about(key)
                && rule.expiration.is_some_and(|expiry| expiry.is_due(last_modified, now))
                && rule.size_above.is_none_or(|above| size > above)
                && rule.size_below.is_none_or(|below| size < below)
                && rule.tags.0.iter().all(|tag| tags.0.contains(tag))
        })
    }

    /// Whether a rule says that an open upload is to be aborted.
    #[must_use]
    pub fn aborts_upload(&self, key: &ObjectKey, initiated: Timestamp, now: Timestamp) -> bool {
        self.rules.iter().any(|rule| {
            rule.is_about(key) && rule.tags.0.is_empty() && rule.abort_uploads.is_some_and(|expiry| expiry.is_due(initiated, now))
        })
    }

    /// Whether a rule says when uploads of a key are to be aborted, due or not.
    #[must_use]
    pub fn has_abort_rule(&self, key: &ObjectKey) -> bool {
        self.rules.iter().any(|rule| rule.is_about(key) && rule.tags.0.is_empty() && rule.abort_uploads.is_some())
    }

    /// The prefixes of the keys that enabled rules of a kind are about, none of them within another.
    #[must_use]
    pub fn prefixes(&self, is_of_kind: impl Fn(&LifecycleRule) -> bool) -> Vec<&str> {
        let mut prefixes: Vec<&str> =
            self.rules.iter().filter(|rule| rule.enabled && is_of_kind(rule)).map(|rule| rule.prefix.as_str()).collect();
        prefixes.sort_unstable();
        // In order, a prefix comes right before all that start with it.
        prefixes.dedup_by(|longer, shorter| longer.starts_with(*shorter));
        prefixes
    }
}

impl LifecycleRule {
    fn is_about(&self, key: &ObjectKey) -> bool {
        self.enabled && key.as_str().starts_with(&self.prefix)
    }
}

impl Expiry {
    /// Whether what was written or begun at `since` is due at `now`.
    #[must_use]
    pub fn is_due(self, since: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Days(days) => {
                let passed = since.plus_millis(i64::from(days).saturating_mul(DAY_MS));
                now.millis().div_euclid(DAY_MS) > passed.millis().div_euclid(DAY_MS)
            }
            Self::Date(date) => now >= date,
            Self::CreatedBefore(date) => since < date,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64, millis: i64) -> Timestamp {
        Timestamp::from_millis(days * DAY_MS + millis)
    }

    fn rule(prefix: &str) -> LifecycleRule {
        LifecycleRule {
            enabled: true,
            prefix: prefix.to_owned(),
            expiration: Some(Expiry::Days(1)),
            abort_uploads: Some(Expiry::Days(1)),
            ..LifecycleRule::default()
        }
    }

    fn key(text: &str) -> ObjectKey {
        ObjectKey::new(text).unwrap()
    }

    #[test]
    fn days_end_at_midnight() {
        for (days, since, now, expected) in [
            (1, at(10, 1), at(11, DAY_MS - 1), false),
            (1, at(10, 1), at(12, 0), true),
            (1, at(10, DAY_MS - 1), at(12, 0), true),
            (1, at(10, 0), at(11, DAY_MS - 1), false),
            (3, at(10, 5), at(13, DAY_MS - 1), false),
            (3, at(10, 5), at(14, 0), true),
            (0, at(10, 5), at(11, 0), true),
            (u32::MAX, at(10, 5), at(100_000, 0), false),
        ] {
            assert_eq!(Expiry::Days(days).is_due(since, now), expected, "{days} {since:?} {now:?}");
        }
        assert!(!Expiry::Days(u32::MAX).is_due(Timestamp::from_millis(i64::MAX), Timestamp::from_millis(i64::MAX)));
    }

    #[test]
    fn dates_are_about_now_or_about_then() {
        assert!(Expiry::Date(at(5, 0)).is_due(at(9, 0), at(5, 0)) && !Expiry::Date(at(5, 0)).is_due(at(1, 0), at(4, DAY_MS - 1)));
        assert!(Expiry::CreatedBefore(at(5, 0)).is_due(at(4, 0), at(1, 0)) && !Expiry::CreatedBefore(at(5, 0)).is_due(at(5, 0), at(9, 0)));
    }

    #[test]
    fn a_rule_is_about_what_its_filters_let_through() {
        let tag = |value: &str| ("t".to_owned(), value.to_owned());
        let expires = |rule: LifecycleRule, name: &str, size, tags: &[(String, String)]| {
            LifecycleConfiguration { rules: vec![rule] }.expires_object(&key(name), size, &Tags(tags.to_vec()), at(0, 0), at(9, 0))
        };
        assert!(expires(rule(""), "a", 0, &[]));
        assert!(expires(rule("a/"), "a/b", 0, &[]) && !expires(rule("a/"), "ab", 0, &[]));
        assert!(!expires(LifecycleRule { enabled: false, ..rule("") }, "a", 0, &[]));
        assert!(!expires(LifecycleRule { expiration: None, ..rule("") }, "a", 0, &[]));
        let above = || LifecycleRule { size_above: Some(5), ..rule("") };
        assert!(expires(above(), "a", 6, &[]) && !expires(above(), "a", 5, &[]));
        let below = || LifecycleRule { size_below: Some(5), ..rule("") };
        assert!(expires(below(), "a", 4, &[]) && !expires(below(), "a", 5, &[]));
        let tagged = || LifecycleRule { tags: Tags(vec![tag("v"), ("u".to_owned(), String::new())]), ..rule("") };
        let both = [("u".to_owned(), String::new()), tag("v"), ("w".to_owned(), String::new())];
        assert!(expires(tagged(), "a", 0, &both) && !expires(tagged(), "a", 0, &[tag("v")]) && !expires(tagged(), "a", 0, &[]));
    }

    #[test]
    fn a_rule_with_tags_ends_no_upload() {
        let aborts = |rule| LifecycleConfiguration { rules: vec![rule] }.aborts_upload(&key("a/b"), at(0, 0), at(9, 0));
        assert!(aborts(rule("a/")) && !aborts(rule("b")));
        assert!(!aborts(LifecycleRule { tags: Tags(vec![("t".to_owned(), "v".to_owned())]), ..rule("") }));
        assert!(!aborts(LifecycleRule { abort_uploads: None, ..rule("") }));
        assert!(!aborts(LifecycleRule { enabled: false, ..rule("") }));
    }

    #[test]
    fn prefixes_do_not_contain_each_other() {
        let rules = |prefixes: &[&str]| LifecycleConfiguration { rules: prefixes.iter().map(|prefix| rule(prefix)).collect() };
        assert_eq!(rules(&["b/", "a/x", "a/", "a", "b/", "c"]).prefixes(|_| true), ["a", "b/", "c"]);
        assert_eq!(rules(&["b", ""]).prefixes(|_| true), [""]);
        assert_eq!(rules(&["b", "a"]).prefixes(|rule| rule.prefix == "b"), ["b"]);
        let disabled = LifecycleConfiguration { rules: vec![LifecycleRule { enabled: false, ..rule("a") }] };
        assert!(disabled.prefixes(|_| true).is_empty());
    }
}
