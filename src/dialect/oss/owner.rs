//! Owners: OSS shows an account as a number.

use crate::{dialect::xml::Writer, digest, model::Account};

/// Account numbers have 16 digits and no leading zero.
const ID_MIN: u64 = 1_000_000_000_000_000;

/// The account's number: stable, and telling nothing but who is who.
pub(super) fn id(account: &Account) -> String {
    let digest = digest::sha256(account.0.as_bytes());
    let number = digest[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (ID_MIN + number % (9 * ID_MIN)).to_string()
}

/// Writes `<Owner>`.
pub(super) fn write(w: &mut Writer, account: &Account) {
    w.element("Owner", |w| {
        w.leaf("ID", id(account));
        w.leaf("DisplayName", &account.0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_digits_and_each_account_has_its_own() {
        let ids: Vec<String> = ["root", "alice", "bob", ""].iter().map(|name| id(&Account((*name).to_owned()))).collect();
        for (index, id) in ids.iter().enumerate() {
            assert!(id.len() == 16 && !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
            assert!(!ids[..index].contains(id));
        }
        assert_eq!(ids[0], "1575390676653617", "an account's number never changes");
    }
}
