//! How far a store had come, noted where no defect of sled can reach.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::files::io_error;
use crate::store::{ChangeSeq, StoreError};

/// The file with the sequence the store has reached, as a decimal number.
const REACHED_FILE: &str = "reached";

/// A lower bound of the last sequence.
#[derive(Debug)]
pub(super) struct Reached {
    directory: PathBuf,
    seq: AtomicU64,
}

impl Reached {
    pub(super) fn read(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(REACHED_FILE);
        let seq = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().unwrap_or_else(|_| {
                tracing::warn!(file = %path.display(), "not a number; a cut log would go unnoticed");
                0
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(io_error("read", &path, source)),
        };
        Ok(Self {
            directory: directory.to_owned(),
            seq: AtomicU64::new(seq),
        })
    }

    pub(super) fn seq(&self) -> ChangeSeq {
        ChangeSeq(self.seq.load(Ordering::Acquire))
    }

    /// Notes a sequence that is on the disk; never goes back.
    pub(super) fn raise(&self, seq: ChangeSeq) -> Result<(), StoreError> {
        if seq <= self.seq() {
            return Ok(());
        }
        let path = self.directory.join(REACHED_FILE);
        let unfinished = self.directory.join("reached.new");
        let write = || {
            let mut file = File::create(&unfinished)?;
            writeln!(file, "{}", seq.0)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|source| io_error("write", &path, source))?;
        self.seq.store(seq.0, Ordering::Release);
        Ok(())
    }
}
