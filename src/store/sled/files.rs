//! The files of a store: whose they are, and what of them a crash may have left.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::store::StoreError;

/// The file whose lock says that the directory is taken; holds the process id.
const LOCK_FILE: &str = "lock";

/// Takes the directory for this process until the file is closed.
pub(super) fn take_lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|source| io_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message: whoever holds it may not have written it yet.
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::InUse {
                directory: directory.to_owned(),
                holder: holder.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path, source)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|source| io_error("write", &path, source))?;
    Ok(file)
}

/// Removes what a crash left of a snapshot: a half one under its working name, or an empty one.
pub(super) fn remove_unfinished_snapshots(directory: &Path) -> Result<(), StoreError> {
    for path in snapshots(directory)? {
        let empty = fs::metadata(&path)
            .map_err(|source| io_error("look at", &path, source))?
            .len()
            == 0;
        if empty || path.extension().is_some_and(|part| part == "generating") {
            fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?;
            tracing::warn!(file = %path.display(), "removed an unfinished snapshot of the store");
        }
    }
    Ok(())
}

/// Renames all snapshots so that sled does not see them; returns whether there were any.
pub(super) fn set_snapshots_aside(directory: &Path) -> Result<bool, StoreError> {
    let snapshots = snapshots(directory)?;
    for path in &snapshots {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // In front, since sled takes every name that begins with `snap.`.
        let aside = (1_u32..)
            .map(|n| directory.join(format!("broken-{n}.{name}")))
            .find(|aside| !aside.exists())
            .unwrap_or_else(|| directory.join("broken"));
        fs::rename(path, &aside).map_err(|source| io_error("rename", path, source))?;
        tracing::warn!(
            from = %path.display(),
            to = %aside.display(),
            "set a broken snapshot of the store aside; rebuilding it from the log"
        );
    }
    Ok(!snapshots.is_empty())
}

/// The files sled would take for snapshots.
fn snapshots(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for file in fs::read_dir(directory)? {
            let file = file?;
            if file.file_name().as_encoded_bytes().starts_with(b"snap.") {
                found.push(file.path());
            }
        }
        Ok(found)
    };
    list().map_err(|source| io_error("list", directory, source))
}

/// Makes the files sled may just have made, and their names, survive a power failure.
pub(super) fn sync_new_files(directory: &Path) -> Result<(), StoreError> {
    let parent = directory.parent().filter(|parent| *parent != Path::new(""));
    let paths = [
        &directory.join("conf"),
        directory,
        parent.unwrap_or_else(|| Path::new(".")),
    ];
    for path in paths {
        File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|source| io_error("sync", path, source))?;
    }
    Ok(())
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
