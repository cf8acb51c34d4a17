//! Where mounts are made: in namespaces that the kernel takes down with everything in them, whatever happens to the test.

use super::disk::{FileSystem, run};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Set for the test that runs inside.
const INSIDE: &str = "CRASH_INSIDE";

/// Processes and mounts of their own, which end with the one process that `unshare` starts, which ends with `unshare`, which
/// ends with the test, however that ends.
const UNSHARE: &[&str] = &["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];

/// Runs the body of the named test in a process of its own, where nobody else sees its mounts. Says why and does nothing
/// where that is not possible.
pub(crate) fn within_namespace(test: &str, file_system: FileSystem, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    if let Err(why) = possible(file_system) {
        say(&format!("skipped {test}: {why}"));
        return;
    }
    let mut inside = Command::new("setpriv")
        .args(UNSHARE)
        .arg(std::env::current_exe().expect("this is a file"))
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was there a moment ago");
    let lines = BufReader::new(inside.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    // What the test framework inside says of its one test is no result of its own.
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("running ") && !line.starts_with("test ")) {
        println!("{line}");
    }
    let status = inside.wait().expect("it is ours");
    assert!(status.success(), "{status}; see above");
}

/// Tells whoever waits, also about a test that passes and whose output is kept back.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Tries what a test will do on a file system that nobody writes to.
fn possible(file_system: FileSystem) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root mounts images".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("there are no loop devices".to_owned());
    }
    run("xfs_io", &["-V"])?;
    let place = place();
    let image = place.path().join("image");
    File::create(&image).and_then(|file| file.set_len(320 << 20)).map_err(|error| error.to_string())?;
    file_system.make(&image)?;
    let image = image.to_str().expect("the path is text");
    let path = place.path().to_str().expect("the path is text");
    let mut arguments = UNSHARE.to_vec();
    arguments.extend(["mount", "-o", "loop", image, path]);
    run("setpriv", &arguments)
}

/// A directory for a test, removed at its end or, should it not live to see it, by the next test that starts.
pub(crate) struct Place {
    path: PathBuf,
    /// Held as long as the test lives.
    _lock: File,
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A disk may still be mounted in it when a test fails; then it is the next test that removes it.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.path);
            let _ = fs::remove_file(self.path.with_extension("lock"));
        }
    }
}

const PREFIX: &str = "crash-";

pub(crate) fn place() -> Place {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(root).expect("there is a place for tests");
    sweep(root);
    let mut name = [0; 8];
    getrandom::fill(&mut name).expect("the kernel has randomness");
    let path = root.join(format!("{PREFIX}{}", hex::encode(name)));
    let lock = File::create(path.with_extension("lock")).expect("a lock can be made");
    lock.lock().expect("nobody else knows the lock");
    fs::create_dir(&path).expect("a directory can be made");
    Place { path, _lock: lock }
}

/// Removes what tests left that did not live to do so.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let lock = entry.path();
        let is_lock = lock.extension().is_some_and(|extension| extension == "lock");
        if !is_lock || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        if let Ok(file) = File::open(&lock)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(lock.with_extension(""));
            let _ = fs::remove_file(lock);
        }
    }
}
