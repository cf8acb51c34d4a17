//! PutSymlink, GetSymlink, and reading through a symbolic link.
//!
//! A link is an object without bytes. Reading it gives the bytes of its target, which is looked up then: it may be
//! written, replaced and deleted without the link's knowledge. A link does not lead to another link.

use super::{
    Admitted, Gateway,
    publish::{ObjectSlot, Stored},
};
use crate::{
    digest::{self, CrcKind},
    meta::record::{BucketId, Charge, Content, ObjectKind, ObjectRecord},
    model::*,
};

/// An object as it is read: through the link, if it is one.
pub(super) struct Followed {
    /// Of a link: its attributes with its target's content, and the later time of the two.
    pub(super) object: ObjectRecord,
    /// What stands under the key that was asked for.
    pub(super) object_type: ObjectType,
    /// Where it was read.
    pub(super) slots: Vec<ObjectSlot>,
}

impl Gateway {
    pub(super) async fn put_symlink(&self, operation: &PutSymlink, charge: Charge) -> Result<Outcome, Failure> {
        let PutSymlink { object, target, attributes, conditions } = operation;
        let record = ObjectRecord {
            etag: ETag::Whole(digest::md5(target.as_str().as_bytes())),
            size: 0,
            last_modified: self.now(),
            attributes: attributes.clone(),
            checksum: None,
            crc64_ecma: CrcKind::Crc64Ecma.of_bytes(&[]),
            part_count: None,
            content: Content::Here(vec![]),
            kind: ObjectKind::Symlink(target.clone()),
            charge,
        };
        let etag = record.etag;
        let bucket = self.load_bucket(&object.bucket).await?.record.id;
        let put = self.put_stored(bucket, object, conditions, record, &Stored::nothing(), None).await?;
        Ok(Outcome::Symlink { target: target.clone(), etag, last_modified: put.last_modified })
    }

    /// The link itself, whether or not there is a target.
    pub(super) async fn get_symlink(&self, operation: &ObjectRef) -> Result<Outcome, Failure> {
        let ObjectRef { bucket, key } = operation;
        let slot = self.object_slot(self.load_bucket(bucket).await?.record.id, key).await?;
        let ObjectRecord { etag, last_modified, kind, .. } = slot.current.ok_or_else(|| Failure::NoSuchKey(key.clone()))?;
        match kind {
            ObjectKind::Symlink(target) => Ok(Outcome::Symlink { target, etag, last_modified }),
            ObjectKind::Plain | ObjectKind::Appendable => Err(Failure::NotSymlink(key.clone())),
        }
    }

    /// The object under a key, for a reader of its bytes.
    ///
    /// # Errors
    /// `NoSuchKey`, `SymlinkTargetMissing`, `SymlinkTargetIsLink`; `SlowDown` when it is not what the sender was admitted to.
    pub(super) async fn follow(&self, bucket: BucketId, key: &ObjectKey, admitted: &Admitted) -> Result<Followed, Failure> {
        let slot = self.object_slot(bucket, key).await?;
        let object = slot.current.clone().ok_or_else(|| Failure::NoSuchKey(key.clone()))?;
        let object_type = object.object_type();
        if !is_admitted(&object, admitted) {
            return Err(Failure::SlowDown);
        }
        let ObjectKind::Symlink(target) = &object.kind else { return Ok(Followed { object, object_type, slots: vec![slot] }) };
        let target_slot = self.object_slot(bucket, target).await?;
        let found = target_slot.current.clone().ok_or_else(|| Failure::SymlinkTargetMissing(target.clone()))?;
        if let ObjectKind::Symlink(_) = found.kind {
            return Err(Failure::SymlinkTargetIsLink(target.clone()));
        }
        if !is_admitted_target(&found, admitted) {
            return Err(Failure::SlowDown);
        }
        let last_modified = object.last_modified.max(found.last_modified);
        let object = ObjectRecord { attributes: object.attributes, last_modified, ..found };
        Ok(Followed { object, object_type, slots: vec![slot, target_slot] })
    }
}

/// Whether an object is the one that was looked at, as far as that decided.
fn is_admitted(object: &ObjectRecord, admitted: &Admitted) -> bool {
    match admitted {
        Admitted::Anything => true,
        Admitted::Seen { object: seen, target_acl: _ } => {
            let target = match &object.kind {
                ObjectKind::Symlink(target) => Some(target),
                ObjectKind::Plain | ObjectKind::Appendable => None,
            };
            object.attributes.acl == seen.acl && target == seen.link_target.as_ref().map(|target| &target.key)
        }
    }
}

fn is_admitted_target(target: &ObjectRecord, admitted: &Admitted) -> bool {
    match admitted {
        Admitted::Anything => true,
        Admitted::Seen { object: _, target_acl } => target.attributes.acl == *target_acl,
    }
}
