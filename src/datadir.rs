//! The data directory: who may use it, what is where in it.
//!
//! ```text
//! format            what this directory is and in which format, written last when it is made
//! lock              held (flock) by the process that uses the directory; says which one
//! root-key          the root key of the first start, readable by the owner only
//! control.sock      where the running server takes operator commands
//! callback_key.pem  the key that signs upload callbacks, readable by the owner only
//! sealed-with       the key that secrets are sealed with, when they are
//! index/            the index
//! blobs/            the blobs
//! ```
//!
//! - A [`DataDir`] is the proof that the lock is held; the stores are opened through it only.
//! - Only a directory that is missing or empty is made into a data directory; a directory with
//!   somebody's files in it is refused.

use crate::{
    config::{RootKey, check_access_key, check_secret_key},
    secrets::{KeyId, Kind, OpenError, Vault, is_sealed},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

const FORMAT_FILE: &str = "format";
const FORMAT_STAMP: &str = "partway data directory, format 1\n";
const LOCK_FILE: &str = "lock";
const ROOT_KEY_FILE: &str = "root-key";
const CALLBACK_KEY_FILE: &str = "callback_key.pem";
const SEALED_WITH_FILE: &str = "sealed-with";
const CONTROL_SOCKET: &str = "control.sock";
const TEMPORARY_SUFFIX: &str = ".new";

/// No file of ours that is read whole is larger than this. Bytes.
const SMALL_FILE_SIZE_MAX: u64 = 4096;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it open.
    #[error("{} is in use by {holder}; a data directory belongs to one process at a time", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process, as its lock file tells.
        holder: String,
    },
    /// There is no data directory there.
    #[error("{} is not a data directory; `partway serve --data` makes one", path.display())]
    Absent {
        /// The directory.
        path: PathBuf,
    },
    /// There is something else there.
    #[error("{} holds files but no partway data; name an empty or a new directory", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// There is something there, and there must be nothing.
    #[error("{} is not empty; a backup is restored into an empty or a new directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Written by a release that this one does not know.
    #[error("{} has a format this release cannot read: {stamp}", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// What its stamp says.
        stamp: String,
    },
    /// The root key file is there but cannot be read as one.
    #[error("{} is not a root key file: {why}; restore it, or remove it to get a new root key", path.display())]
    RootKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key that signs callbacks cannot be made, or is none.
    #[error("{} is no key to sign callbacks with: {why}; restore it, or remove it to get a new one", path.display())]
    CallbackKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Its secrets are sealed with a key that was not given.
    #[error("the secrets in {} are sealed with key {id}: {why}", path.display())]
    Sealed {
        /// The directory.
        path: PathBuf,
        /// The key.
        id: KeyId,
        /// What is missing.
        why: &'static str,
    },
    /// The disk says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Closing it gives up the lock.
    _lock: File,
}

/// An empty directory that this process holds and that becomes a data directory when it is finished.
#[derive(Debug)]
pub struct EmptyDataDir {
    path: PathBuf,
    _lock: File,
}

/// Which key the secrets of a directory are sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedWith {
    /// The key.
    pub id: KeyId,
    /// Whether all of them are; else an earlier start may have ended on the way.
    pub is_complete: bool,
}

/// The root key, and whether this start made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRootKey {
    /// The key.
    pub key: RootKey,
    /// Whether it was made just now, so that it has to be shown.
    pub is_new: bool,
}

impl DataDir {
    /// Files besides index and blobs that a copy of the directory needs; each may be missing.
    pub const SMALL_FILES: [&str; 3] = [ROOT_KEY_FILE, CALLBACK_KEY_FILE, SEALED_WITH_FILE];

    /// What the stamp of a directory says that this release reads.
    pub const FORMAT_STAMP: &str = FORMAT_STAMP;

    /// Begins a data directory that gets its content from elsewhere. The directory has to be missing or empty. As long as it is
    /// not finished, it is none, and no release opens it.
    ///
    /// # Errors
    /// See [`DataDirError`]; [`DataDirError::NotEmpty`] when there is something in it.
    pub fn create_empty(path: &Path) -> Result<EmptyDataDir, DataDirError> {
        let missing = !path.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path))?;
        if missing && let Some(parent) = path.canonicalize().map_err(io_error(path))?.parent() {
            sync_directory(parent)?;
        }
        for entry in path.read_dir().map_err(io_error(path))? {
            let name = entry.map_err(io_error(path))?.file_name();
            if name != LOCK_FILE && name != "lost+found" {
                return Err(DataDirError::NotEmpty { path: path.to_owned() });
            }
        }
        let lock = Self::lock(path)?;
        Ok(EmptyDataDir { path: path.canonicalize().map_err(io_error(path))?, _lock: lock })
    }

    /// Opens the directory for this process alone, making it when it is missing or empty.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn open_or_create(path: &Path) -> Result<Self, DataDirError> {
        let missing = !path.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path))?;
        if missing && let Some(parent) = path.canonicalize().map_err(io_error(path))?.parent() {
            sync_directory(parent)?;
        }
        if is_foreign(path)? {
            return Err(DataDirError::Foreign { path: path.to_owned() });
        }
        let lock = Self::lock(path)?;
        match read_small(&path.join(FORMAT_FILE))? {
            Some(stamp) => check_stamp(path, &stamp)?,
            None => write_durably(path, FORMAT_FILE, FORMAT_STAMP, 0o644)?,
        }
        Self::opened(path, lock)
    }

    /// Opens the directory for this process alone; it has to be one already.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let stamp = read_small(&path.join(FORMAT_FILE))?.ok_or_else(|| DataDirError::Absent { path: path.to_owned() })?;
        check_stamp(path, &stamp)?;
        Self::opened(path, Self::lock(path)?)
    }

    fn opened(path: &Path, lock: File) -> Result<Self, DataDirError> {
        Ok(Self { path: path.canonicalize().map_err(io_error(path))?, _lock: lock })
    }

    /// Takes the lock or says who has it. The kernel gives it up when the process ends, however it ends.
    fn lock(path: &Path) -> Result<File, DataDirError> {
        let file = path.join(LOCK_FILE);
        let mut lock =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&file).map_err(io_error(&file))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = lock.take(64).read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "another process".to_owned() } else { holder.trim().to_owned() };
                return Err(DataDirError::InUse { path: path.to_owned(), holder });
            }
            Err(errno) => return Err(io_error(&file)(errno.into())),
        }
        // For people only, so it needs neither a sync nor care when it is torn.
        let note = format!("process {}\n", std::process::id());
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(note.as_bytes())).map_err(io_error(&file))?;
        Ok(lock)
    }

    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the index is.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// Where the blobs are.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// Where the root key is.
    #[must_use]
    pub fn root_key_file(&self) -> PathBuf {
        self.path.join(ROOT_KEY_FILE)
    }

    /// Where the key that signs callbacks is.
    #[must_use]
    pub fn callback_key_file(&self) -> PathBuf {
        self.path.join(CALLBACK_KEY_FILE)
    }

    /// The text of the key that signs callbacks; makes one when there is none.
    ///
    /// # Errors
    /// [`DataDirError::CallbackKey`] when none can be made or it does not open, [`DataDirError::Io`].
    pub fn callback_key_or_create(&self, vault: &Vault, make: impl FnOnce() -> Result<String, String>) -> Result<String, DataDirError> {
        let file = self.callback_key_file();
        if let Some(text) = read_small(&file)? {
            return vault.open(Kind::CallbackKey, "", &text).map_err(|error| shut(file, Kind::CallbackKey, error));
        }
        let text = make().map_err(|why| DataDirError::CallbackKey { path: file, why })?;
        write_durably(&self.path, CALLBACK_KEY_FILE, &stored(vault, Kind::CallbackKey, &text), 0o600)?;
        Ok(text)
    }

    /// The root key of this directory, if it has one.
    ///
    /// # Errors
    /// [`DataDirError::RootKey`], [`DataDirError::Io`].
    pub fn root_key(&self, vault: &Vault) -> Result<Option<RootKey>, DataDirError> {
        root_key_of(&self.path, vault)
    }

    /// The root key of this directory; makes one of these random texts when there is none.
    ///
    /// # Errors
    /// [`DataDirError::RootKey`], [`DataDirError::Io`].
    pub fn root_key_or_create(&self, vault: &Vault, make: impl FnOnce() -> RootKey) -> Result<StoredRootKey, DataDirError> {
        if let Some(key) = self.root_key(vault)? {
            return Ok(StoredRootKey { key, is_new: false });
        }
        let key = make();
        write_durably(&self.path, ROOT_KEY_FILE, &stored(vault, Kind::RootKey, &root_key_text(&key)), 0o600)?;
        Ok(StoredRootKey { key, is_new: true })
    }

    /// Seals with the current key what is in clear or sealed with another one.
    ///
    /// # Errors
    /// [`DataDirError::RootKey`] and [`DataDirError::CallbackKey`] when they do not open, [`DataDirError::Io`].
    pub fn seal_files(&self, vault: &Vault) -> Result<(), DataDirError> {
        for (name, kind) in [(ROOT_KEY_FILE, Kind::RootKey), (CALLBACK_KEY_FILE, Kind::CallbackKey)] {
            let path = self.path.join(name);
            let Some(text) = read_small(&path)?.filter(|text| !vault.is_current(text)) else { continue };
            let secret = vault.open(kind, "", &text).map_err(|error| shut(path, kind, error))?;
            write_durably(&self.path, name, &stored(vault, kind, &secret), 0o600)?;
        }
        Ok(())
    }

    /// Which key the secrets are sealed with; `None` when they are in clear.
    ///
    /// # Errors
    /// [`DataDirError::Format`] when the file does not say so, [`DataDirError::Io`].
    pub fn sealed_with(&self) -> Result<Option<SealedWith>, DataDirError> {
        let Some(text) = read_small(&self.path.join(SEALED_WITH_FILE))? else { return Ok(None) };
        let strange = || DataDirError::Format { path: self.path.join(SEALED_WITH_FILE), stamp: text.escape_default().to_string() };
        SealedWith::parse(&text).map(Some).ok_or_else(strange)
    }

    /// Writes down which key the secrets are sealed with.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn set_sealed_with(&self, sealed_with: SealedWith) -> Result<(), DataDirError> {
        write_durably(&self.path, SEALED_WITH_FILE, &sealed_with.to_text(), 0o600)
    }
}

impl SealedWith {
    fn parse(text: &str) -> Option<Self> {
        let (id, is_complete) = match text.trim_end().split_once(' ') {
            Some((id, "in progress")) => (id, false),
            Some(_) => return None,
            None => (text.trim_end(), true),
        };
        Some(Self { id: KeyId::parse(id)?, is_complete })
    }

    fn to_text(self) -> String {
        let state = if self.is_complete { "" } else { " in progress" };
        format!("{}{state}\n", self.id)
    }
}

/// The text of a root key's file as it would be written; `None` when it is none: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn root_key_again(text: &str) -> Option<String> {
    parse_root_key(text).ok().map(|key| root_key_text(&key))
}

/// What says which key seals, as it would be written; `None` when it is not that: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn sealed_with_again(text: &str) -> Option<String> {
    SealedWith::parse(text).map(SealedWith::to_text)
}

impl EmptyDataDir {
    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the blobs are.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// Makes it a data directory. What is in it has to be synced.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn finish(self) -> Result<(), DataDirError> {
        write_durably(&self.path, FORMAT_FILE, FORMAT_STAMP, 0o644)
    }

    /// Removes what was put into it, so that it is empty again. What cannot be removed stays.
    pub fn clear(self) {
        for name in DataDir::SMALL_FILES {
            let _ = std::fs::remove_file(self.path.join(name));
        }
        for name in ["index", "blobs"] {
            let _ = std::fs::remove_dir_all(self.path.join(name));
        }
        let _ = std::fs::remove_file(self.path.join(LOCK_FILE));
    }
}

/// The root key in a data directory, which another process may hold.
///
/// # Errors
/// [`DataDirError::RootKey`], [`DataDirError::Io`].
pub fn root_key_of(data: &Path, vault: &Vault) -> Result<Option<RootKey>, DataDirError> {
    let file = data.join(ROOT_KEY_FILE);
    let Some(text) = read_small(&file)? else { return Ok(None) };
    // Container volumes may come with modes of their own, so this is no reason to stop.
    if file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!("{} can be read by others than its owner", file.display());
    }
    let text = vault.open(Kind::RootKey, "", &text).map_err(|error| shut(file.clone(), Kind::RootKey, error))?;
    parse_root_key(&text).map(Some).map_err(|why| DataDirError::RootKey { path: file, why })
}

/// Why the secret in a file does not open.
fn shut(path: PathBuf, kind: Kind, error: OpenError) -> DataDirError {
    match (error, kind) {
        (OpenError::NoSuchKey(id), _) => DataDirError::Sealed { path, id, why: "no key file with it was given" },
        (OpenError::Damaged, Kind::CallbackKey) => DataDirError::CallbackKey { path, why: OpenError::Damaged.to_string() },
        (OpenError::Damaged, Kind::RootKey | Kind::AccessKey) => DataDirError::RootKey { path, why: OpenError::Damaged.to_string() },
    }
}

/// A secret text as its file has it.
fn stored(vault: &Vault, kind: Kind, secret: &str) -> String {
    let text = vault.seal(kind, "", secret);
    if is_sealed(&text) { text + "\n" } else { text }
}

/// Where the server of a data directory takes operator commands.
#[must_use]
pub fn control_socket(data: &Path) -> PathBuf {
    data.join(CONTROL_SOCKET)
}

/// Whether there are files, and none of them is a sign that the directory is ours or was about to be.
fn is_foreign(path: &Path) -> Result<bool, DataDirError> {
    let ours = [FORMAT_FILE, LOCK_FILE, "lost+found"];
    let half_made = format!("{FORMAT_FILE}{TEMPORARY_SUFFIX}");
    let mut foreign = false;
    for entry in path.read_dir().map_err(io_error(path))? {
        let name = entry.map_err(io_error(path))?.file_name();
        if name == FORMAT_FILE {
            return Ok(false);
        }
        foreign |= !ours.iter().any(|our| name == *our) && name != *half_made;
    }
    Ok(foreign)
}

fn check_stamp(path: &Path, stamp: &str) -> Result<(), DataDirError> {
    match stamp == FORMAT_STAMP {
        true => Ok(()),
        false => Err(DataDirError::Format { path: path.to_owned(), stamp: stamp.trim().escape_default().to_string() }),
    }
}

/// The root key as its file has it in clear: it can be read into a shell, so that `aws` works in the next line.
#[must_use]
pub fn root_key_text(key: &RootKey) -> String {
    format!(
        "# The root key: may do everything, everywhere. Use it with: . ./{ROOT_KEY_FILE}\n\
         export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
        key.access_key, key.secret_key
    )
}

fn parse_root_key(text: &str) -> Result<RootKey, String> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='));
        line.map(str::to_owned).ok_or_else(|| format!("it has no line `export {name}=…`"))
    };
    let key = RootKey { access_key: value("AWS_ACCESS_KEY_ID")?, secret_key: value("AWS_SECRET_ACCESS_KEY")? };
    check_access_key(&key.access_key)?;
    check_secret_key(&key.secret_key)?;
    Ok(key)
}

fn read_small(file: &Path) -> Result<Option<String>, DataDirError> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(file)(error)),
    };
    let mut text = String::new();
    opened.take(SMALL_FILE_SIZE_MAX).read_to_string(&mut text).map_err(io_error(file))?;
    Ok(Some(text))
}

/// After a crash the file is there whole, or not at all.
fn write_durably(directory: &Path, name: &str, text: &str, mode: u32) -> Result<(), DataDirError> {
    let (target, temporary) = (directory.join(name), directory.join(format!("{name}{TEMPORARY_SUFFIX}")));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        // A left-over of an earlier try keeps its mode when it is opened again.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, &target)
    })();
    written.map_err(io_error(&target))?;
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> Result<(), DataDirError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io_error(directory))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |error| DataDirError::Io { path, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RootKey {
        RootKey { access_key: "AKEXAMPLE".to_owned(), secret_key: "secret-of-the-example".to_owned() }
    }

    #[test]
    fn one_holder_at_a_time_and_the_next_after_it_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("new/data");
        let first = DataDir::open_or_create(&data).unwrap();
        for second in [DataDir::open_or_create(&data), DataDir::open(&data)] {
            let error = second.unwrap_err();
            assert!(matches!(&error, DataDirError::InUse { holder, .. } if holder.contains(&std::process::id().to_string())), "{error}");
        }
        drop(first);
        assert!(DataDir::open(&data).is_ok());
    }

    #[test]
    fn only_missing_or_empty_directories_are_made_into_one() {
        let place = tempfile::tempdir().unwrap();
        assert!(matches!(DataDir::open(place.path()), Err(DataDirError::Absent { .. })));
        assert!(matches!(DataDir::open(&place.path().join("missing")), Err(DataDirError::Absent { .. })));

        let foreign = place.path().join("foreign");
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("thesis.txt"), "text").unwrap();
        assert!(matches!(DataDir::open_or_create(&foreign), Err(DataDirError::Foreign { .. })));
        assert!(!foreign.join(LOCK_FILE).exists(), "a refused directory stays as it was");

        let half_made = place.path().join("half-made");
        std::fs::create_dir(&half_made).unwrap();
        std::fs::write(half_made.join(LOCK_FILE), "").unwrap();
        std::fs::write(half_made.join("format.new"), "part").unwrap();
        drop(DataDir::open_or_create(&half_made).unwrap());
        std::fs::write(half_made.join("thesis.txt"), "text").unwrap();
        assert!(DataDir::open_or_create(&half_made).is_ok(), "what others leave in a data directory does not make it foreign");
    }

    #[test]
    fn a_format_of_the_future_is_refused() {
        let place = tempfile::tempdir().unwrap();
        drop(DataDir::open_or_create(place.path()).unwrap());
        std::fs::write(place.path().join(FORMAT_FILE), "partway data directory, format 99\n").unwrap();
        for opened in [DataDir::open_or_create(place.path()), DataDir::open(place.path())] {
            assert!(matches!(opened, Err(DataDirError::Format { stamp, .. }) if stamp.contains("99")));
        }
    }

    #[test]
    fn the_root_key_is_made_once_and_readable_by_the_owner_only() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open_or_create(place.path()).unwrap();
        assert_eq!(data.root_key(&Vault::none()).unwrap(), None);
        assert_eq!(data.root_key_or_create(&Vault::none(), key).unwrap(), StoredRootKey { key: key(), is_new: true });
        let mode = std::fs::metadata(data.root_key_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = data.root_key_or_create(&Vault::none(), || unreachable!("there is one")).unwrap();
        assert_eq!(again, StoredRootKey { key: key(), is_new: false });
    }

    #[test]
    fn the_callback_key_is_made_once_and_readable_by_the_owner_only() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open_or_create(place.path()).unwrap();
        let failed = data.callback_key_or_create(&Vault::none(), || Err("no randomness".to_owned()));
        assert!(matches!(failed, Err(DataDirError::CallbackKey { .. })));
        assert_eq!(data.callback_key_or_create(&Vault::none(), || Ok("PEM".to_owned())).unwrap(), "PEM");
        let mode = std::fs::metadata(data.callback_key_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(data.callback_key_or_create(&Vault::none(), || unreachable!("there is one")).unwrap(), "PEM");
    }

    #[test]
    fn a_new_data_directory_is_private() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open_or_create(&place.path().join("data")).unwrap();
        assert_eq!(std::fs::metadata(data.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_broken_root_key_file_is_an_error_and_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open_or_create(place.path()).unwrap();
        for broken in ["", "export AWS_ACCESS_KEY_ID=AKEXAMPLE\n", "export AWS_ACCESS_KEY_ID=a b\nexport AWS_SECRET_ACCESS_KEY=12345678\n"]
        {
            std::fs::write(data.root_key_file(), broken).unwrap();
            assert!(matches!(data.root_key_or_create(&Vault::none(), key), Err(DataDirError::RootKey { .. })), "{broken}");
            assert_eq!(std::fs::read_to_string(data.root_key_file()).unwrap(), broken);
        }
    }
}
