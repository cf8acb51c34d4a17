//! Owners: S3 shows a canonical id of 64 hex digits and a display name.

use crate::{
    dialect::xml::Writer,
    digest,
    model::{Account, Acl},
};

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

/// The attributes of a `<Grantee>`.
const A_USER: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"";
const A_GROUP: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"";

/// What S3 calls everybody.
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// `<AccessControlPolicy>` of buckets and objects alike: the owner has full control, and everybody what the list opens.
pub(super) fn access_control_document(owner: &Account, acl: Acl) -> String {
    let for_everybody: &[&str] = match acl {
        Acl::Private => &[],
        Acl::PublicRead => &["READ"],
        Acl::PublicReadWrite => &["READ", "WRITE"],
    };
    Writer::document("AccessControlPolicy", super::response::NAMESPACE, |w| {
        write(w, "Owner", owner);
        w.element("AccessControlList", |w| {
            grant(w, A_USER, "FULL_CONTROL", |w| write_fields(w, owner));
            for permission in for_everybody {
                grant(w, A_GROUP, permission, |w| w.leaf("URI", ALL_USERS));
            }
        });
    })
}

fn grant(w: &mut Writer, kind: &'static str, permission: &str, grantee: impl FnOnce(&mut Writer)) {
    w.element("Grant", |w| {
        w.element_with("Grantee", kind, grantee);
        w.leaf("Permission", permission);
    });
}
