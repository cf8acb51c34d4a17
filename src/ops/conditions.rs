//! Whether a request's conditions hold for the object as it is now.

use crate::{
    meta::record::ObjectRecord,
    model::{Failure, ObjectKey, ReadConditions, WriteConditions},
};

/// The conditions of a write on what stands under `key` (S3 User Guide, "Conditional writes").
pub(super) fn check_write(conditions: &WriteConditions, key: &ObjectKey, current: Option<&ObjectRecord>) -> Result<(), Failure> {
    if let Some(condition) = &conditions.if_match {
        let current = current.ok_or_else(|| Failure::NoSuchKey(key.clone()))?;
        if !condition.matches(&current.etag) {
            return Err(Failure::PreconditionFailed("If-Match"));
        }
    }
    if conditions.if_absent && current.is_some() {
        return Err(Failure::PreconditionFailed("If-None-Match"));
    }
    if conditions.forbid_overwrite && current.is_some() {
        return Err(Failure::ObjectExists(key.clone()));
    }
    Ok(())
}

/// What a write that kept losing races is told: one with conditions may be repeated by the client, any other should wait.
pub(super) fn lost_every_race(conditions: &WriteConditions, key: &ObjectKey) -> Failure {
    match conditions {
        WriteConditions { if_match: None, if_absent: false, forbid_overwrite: false } => Failure::SlowDown,
        WriteConditions { .. } => Failure::ConditionalConflict(key.clone()),
    }
}

/// Which condition of a read does not hold, if any.
enum Unmet {
    Match,
    UnmodifiedSince,
    NoneMatch,
    ModifiedSince,
}

/// The precedence of RFC 9110 §13.2.2: an ETag condition makes the date condition of its kind irrelevant.
fn unmet(conditions: &ReadConditions, object: &ObjectRecord) -> Option<Unmet> {
    let modified = object.last_modified.secs();
    if let Some(condition) = &conditions.if_match {
        if !condition.matches(&object.etag) {
            return Some(Unmet::Match);
        }
    } else if conditions.if_unmodified_since.is_some_and(|since| modified > since.secs()) {
        return Some(Unmet::UnmodifiedSince);
    }
    if let Some(condition) = &conditions.if_none_match {
        if condition.matches(&object.etag) {
            return Some(Unmet::NoneMatch);
        }
    } else if conditions.if_modified_since.is_some_and(|since| modified <= since.secs()) {
        return Some(Unmet::ModifiedSince);
    }
    None
}

/// The conditions of GET and HEAD.
pub(super) fn check_read(conditions: &ReadConditions, object: &ObjectRecord) -> Result<(), Failure> {
    match unmet(conditions, object) {
        None => Ok(()),
        Some(Unmet::Match) => Err(Failure::PreconditionFailed("If-Match")),
        Some(Unmet::UnmodifiedSince) => Err(Failure::PreconditionFailed("If-Unmodified-Since")),
        Some(Unmet::NoneMatch | Unmet::ModifiedSince) => {
            Err(Failure::NotModified { etag: object.etag, last_modified: object.last_modified })
        }
    }
}

/// The conditions on the source of a copy: there is no "not modified" for them (S3 API Reference, "CopyObject").
pub(super) fn check_copy_source(conditions: &ReadConditions, source: &ObjectRecord) -> Result<(), Failure> {
    match unmet(conditions, source) {
        None => Ok(()),
        Some(Unmet::Match) => Err(Failure::PreconditionFailed("x-amz-copy-source-If-Match")),
        Some(Unmet::UnmodifiedSince) => Err(Failure::PreconditionFailed("x-amz-copy-source-If-Unmodified-Since")),
        Some(Unmet::NoneMatch) => Err(Failure::PreconditionFailed("x-amz-copy-source-If-None-Match")),
        Some(Unmet::ModifiedSince) => Err(Failure::PreconditionFailed("x-amz-copy-source-If-Modified-Since")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::record::Content,
        model::{Attributes, ETag, ETagCondition, Timestamp},
    };

    const MINE: ETag = ETag::Whole([1; 16]);
    const OTHER: ETag = ETag::Whole([2; 16]);

    fn object() -> ObjectRecord {
        ObjectRecord {
            kind: crate::meta::record::ObjectKind::Plain,
            charge: crate::meta::record::Charge::Uncounted,
            etag: MINE,
            size: 0,
            last_modified: Timestamp::from_millis(100_900),
            attributes: Attributes::default(),
            checksum: None,
            crc64_ecma: 0,
            part_count: None,
            content: Content::Here(vec![]),
        }
    }

    fn is(etag: ETag) -> Option<ETagCondition> {
        Some(ETagCondition::OneOf(vec![etag]))
    }

    #[test]
    fn reads_follow_the_precedence_of_rfc_9110() {
        let (before, same, after) = (Timestamp::from_secs(99), Timestamp::from_secs(100), Timestamp::from_secs(101));
        let none = ReadConditions::default;
        let failed = |name| Err(Failure::PreconditionFailed(name));
        let not_modified = || Err(Failure::NotModified { etag: MINE, last_modified: Timestamp::from_millis(100_900) });
        for (conditions, expected) in [
            (none(), Ok(())),
            (ReadConditions { if_match: is(MINE), ..none() }, Ok(())),
            (ReadConditions { if_match: Some(ETagCondition::Any), ..none() }, Ok(())),
            (ReadConditions { if_match: is(OTHER), ..none() }, failed("If-Match")),
            (ReadConditions { if_match: is(MINE), if_unmodified_since: Some(before), ..none() }, Ok(())),
            (ReadConditions { if_unmodified_since: Some(before), ..none() }, failed("If-Unmodified-Since")),
            (ReadConditions { if_unmodified_since: Some(same), ..none() }, Ok(())),
            (ReadConditions { if_none_match: is(MINE), ..none() }, not_modified()),
            (ReadConditions { if_none_match: is(OTHER), if_modified_since: Some(after), ..none() }, Ok(())),
            (ReadConditions { if_modified_since: Some(same), ..none() }, not_modified()),
            (ReadConditions { if_modified_since: Some(before), ..none() }, Ok(())),
            (ReadConditions { if_match: is(OTHER), if_none_match: is(MINE), ..none() }, failed("If-Match")),
            (ReadConditions { if_match: is(MINE), if_none_match: is(MINE), ..none() }, not_modified()),
        ] {
            assert_eq!(check_read(&conditions, &object()), expected, "{conditions:?}");
            assert_eq!(check_copy_source(&conditions, &object()).is_ok(), expected.is_ok(), "{conditions:?}");
            assert!(!matches!(check_copy_source(&conditions, &object()), Err(Failure::NotModified { .. })));
        }
    }

    #[test]
    fn writes_are_conditional_on_the_current_object() {
        let key = ObjectKey::new("k").unwrap();
        let present = object();
        let absent = WriteConditions { if_absent: true, ..WriteConditions::default() };
        let matching = |etag| WriteConditions { if_match: is(etag), ..WriteConditions::default() };
        assert_eq!(check_write(&absent, &key, None), Ok(()));
        assert_eq!(check_write(&absent, &key, Some(&present)), Err(Failure::PreconditionFailed("If-None-Match")));
        assert_eq!(check_write(&matching(MINE), &key, Some(&present)), Ok(()));
        assert_eq!(check_write(&matching(OTHER), &key, Some(&present)), Err(Failure::PreconditionFailed("If-Match")));
        assert_eq!(check_write(&matching(MINE), &key, None), Err(Failure::NoSuchKey(key.clone())));
        let careful = WriteConditions { forbid_overwrite: true, ..WriteConditions::default() };
        assert_eq!(check_write(&careful, &key, None), Ok(()));
        assert_eq!(check_write(&careful, &key, Some(&present)), Err(Failure::ObjectExists(key.clone())));
    }
}
