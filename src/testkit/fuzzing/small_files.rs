//! Small files of a data directory and of a backup: keys, sealed secrets, what seals them, manifests and lists of blobs.

use crate::{
    backup, datadir,
    secrets::{Kind, Vault, is_sealed},
};
use std::path::{Component, Path};

/// The key of the only secret that was ever sealed with it, and that secret (`secrets::tests`).
const KEY_FILE: &str = "0707070707070707070707070707070707070707070707070707070707070707";
const SECRET: (Kind, &str, &str) = (Kind::AccessKey, "AK", "the-secret");

/// The bytes of a file, whichever it is: what is read is written so that it reads alike, and no secret opens that was not
/// sealed.
pub(super) fn file(bytes: &[u8]) {
    blob_list(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    manifest(text);
    manifest(&backup::manifest_of_json(text));
    secret(text);
    if let Some(written) = datadir::root_key_again(text) {
        assert_eq!(datadir::root_key_again(&written).as_ref(), Some(&written));
    }
    if let Some(written) = datadir::sealed_with_again(text) {
        assert_eq!(datadir::sealed_with_again(&written).as_ref(), Some(&written));
        assert_eq!(written.contains("in progress"), text.contains("in progress"), "{text:?}");
    }
    if let Some(vault) = Vault::of_key_file(text) {
        let sealed = vault.seal(Kind::RootKey, "", text);
        assert_eq!(vault.open(Kind::RootKey, "", &sealed).as_deref(), Ok(text));
        assert!(vault.open(Kind::CallbackKey, "", &sealed).is_err() && vault.is_current(&sealed) && !vault.is_current(text));
    }
}

fn secret(text: &str) {
    let vault = Vault::of_key_file(KEY_FILE).expect("it is a key");
    for (kind, name) in [(SECRET.0, SECRET.1), (Kind::AccessKey, "other"), (Kind::RootKey, "")] {
        let Ok(opened) = vault.open(kind, name, text) else { continue };
        let sealed = if (kind, name) == (SECRET.0, SECRET.1) { SECRET.2 } else { "nothing was sealed for this place" };
        assert_eq!(opened, if is_sealed(text) { sealed } else { text });
    }
}

fn manifest(text: &str) {
    let Some((written, paths)) = backup::manifest_again(text) else { return };
    assert_eq!(backup::manifest_again(&written), Some((written, paths.clone())));
    for path in paths {
        let file = Path::new("snapshot").join(&path);
        assert!(file.starts_with("snapshot") && file.components().all(|part| matches!(part, Component::Normal(_))), "{path}");
    }
}

fn blob_list(bytes: &[u8]) {
    let lines = backup::blobs_listed(bytes);
    assert!(lines.len() <= bytes.len(), "every line takes a byte at least");
    let Some(blobs) = lines.into_iter().collect::<Option<Vec<_>>>() else { return };
    let written: String = blobs.iter().map(|(blob, size)| format!("{blob} {size}\n")).collect();
    assert_eq!(backup::blobs_listed(written.as_bytes()), blobs.into_iter().map(Some).collect::<Vec<_>>());
}
