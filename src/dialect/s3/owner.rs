//! Owners: S3 shows a canonical id of 64 hex digits and a display name.

use crate::{dialect::xml::Writer, digest, model::Account};

/// The account's canonical id: stable, and telling nothing but who is who.
pub(super) fn id(account: &Account) -> String {
    hex::encode(digest::sha256(account.0.as_bytes()))
}

/// Whether `x-amz-expected-bucket-owner` names this account, by its canonical id or by its name.
#[must_use]
pub fn owner_matches(account: &Account, expected: &str) -> bool {
    expected == account.0 || expected.eq_ignore_ascii_case(&id(account))
}

/// Writes `<Owner>` or `<Initiator>`.
pub(super) fn write(w: &mut Writer, element: &'static str, account: &Account) {
    w.element(element, |w| write_fields(w, account));
}

/// Writes `<ID>` and `<DisplayName>`.
pub(super) fn write_fields(w: &mut Writer, account: &Account) {
    w.leaf("ID", id(account));
    w.leaf("DisplayName", &account.0);
}

/// `<AccessControlPolicy>` of buckets and objects alike: the owner has full control, nobody else has a grant.
pub(super) fn access_control_document(owner: &Account) -> String {
    Writer::document("AccessControlPolicy", super::response::NAMESPACE, |w| {
        write(w, "Owner", owner);
        w.element("AccessControlList", |w| {
            w.element("Grant", |w| {
                let attributes = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"";
                w.element_with("Grantee", attributes, |w| write_fields(w, owner));
                w.leaf("Permission", "FULL_CONTROL");
            });
        });
    })
}
