//! The file of a key: 32 random bytes in hex or base64 on a line of their own; lines that begin with `#` say something else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// No key file is larger. Bytes.
const SIZE_MAX: u64 = 4096;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The disk says no.
    #[error("the key file {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// It holds something else.
    #[error("{} is no key file: a line of 32 bytes in hex or base64 is expected; `partway keys new-key-file` makes one", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a key.
pub(super) fn read(path: &Path) -> Result<[u8; 32], KeyFileError> {
    let failed = |error| KeyFileError::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    // Container volumes may come with modes of their own, so this is no reason to stop.
    if file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!("the key file {} can be read by others than its owner", path.display());
    }
    let mut text = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut text).map_err(failed)?;
    let key = std::str::from_utf8(&text).ok().and_then(parse);
    forget(&mut text);
    key.ok_or_else(|| KeyFileError::NoKey { path: path.to_owned() })
}

pub(super) fn parse(text: &str) -> Option<[u8; 32]> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    let mut key = [0; 32];
    match hex::decode_to_slice(line, &mut key) {
        Ok(()) => Some(key),
        Err(_) => STANDARD.decode(line).ok()?.try_into().ok(),
    }
}

/// Makes a file with a new key, readable by its owner only, and returns the key's id.
///
/// # Errors
/// [`KeyFileError::Io`], also when there is such a file already.
pub fn new_key_file(path: &Path) -> Result<super::KeyId, KeyFileError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the kernel has randomness once it is up");
    let id = super::Key::new(&key).id;
    let mut text =
        format!("# Secrets of a partway data directory are sealed with this key, whose id is {id}.\n{}\n", hex::encode(key)).into_bytes();
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    });
    forget(&mut text);
    forget(&mut key);
    written.map(|()| id).map_err(|error| KeyFileError::Io { path: path.to_owned(), error })
}

/// Overwrites what must not stay in memory, as far as it is ours: copies that the compiler made are not reached.
pub(super) fn forget(bytes: &mut [u8]) {
    bytes.fill(0);
    // Looked at afterwards, so that the writes are not left out.
    std::hint::black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_file_is_its_owners_alone_and_never_replaces_another() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        let id = new_key_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(super::super::Vault::load([path.as_path()]).unwrap().current(), Some(id));
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(new_key_file(&path), Err(KeyFileError::Io { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let other = place.path().join("other");
        assert_ne!(new_key_file(&other).unwrap(), id);
    }

    #[test]
    fn a_key_is_32_bytes_in_hex_or_base64_and_nothing_else() {
        let (in_hex, in_base64) = (hex::encode([9; 32]), STANDARD.encode([9; 32]));
        for good in [format!("# comment\n\n  {in_hex}\n"), in_hex.to_uppercase(), format!("{in_base64}\n")] {
            assert_eq!(parse(&good), Some([9; 32]), "{good}");
        }
        for bad in [String::new(), "# comment".to_owned(), in_hex[2..].to_owned(), format!("{in_hex}00"), format!("{in_hex}\n{in_hex}")] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }
}
