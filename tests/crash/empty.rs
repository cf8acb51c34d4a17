//! The end of a run: everything is deleted, and then no bytes may be left, whatever crashes there were.

use super::{
    client::{Client, Dialect, Request},
    load::is_success,
    oracle::Oracle,
    server::Server,
};
use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Much longer than the reaper's grace and its rests together.
const PATIENCE: Duration = Duration::from_secs(300);

/// Deletes what stands and waits until no blob file is left.
///
/// # Errors
/// Some stay.
pub(crate) fn empty(server: &Server, data: &Path, oracle: &Oracle) -> Result<(), String> {
    let mut client = Client::new(server.address);
    let objects = oracle.objects.keys().map(|key| Request::new(Dialect::S3, "DELETE", key));
    let uploads =
        oracle.uploads.iter().map(|(id, upload)| Request::new(Dialect::Oss, "DELETE", &upload.key).query(format!("uploadId={id}")));
    for request in objects.chain(uploads) {
        let answer = client.ask(&request).map_err(|error| error.to_string())?;
        if !is_success(&answer) {
            return Err(format!("{} {}: {answer:?}", request.key, request.query));
        }
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The reaper may remove a directory entry while this looks at it; then the next look counts.
        let left = files_below(&data.join("blobs/data")).unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("everything is deleted, and {left} files are left"));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn files_below(path: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files_below(&entry.path())? } else { 1 };
    }
    Ok(count)
}
