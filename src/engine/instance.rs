//! Whether a process is still there: each holds a lock on a file of its own beside the database.
//!
//! An upload's intent names its process. When that lock can be taken, the process is gone and what
//! it left half-made can be swept. A process id would not do: it may be another's by now.
//! The same kind of lock elects the one process that polls a cluster.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::engine::cluster::lock;
use crate::error::{Error, ErrorKind, Result};

/// Directory of the lock files, in the data directory.
pub(super) const DIR: &str = "locks";

/// This process.
pub(crate) struct Instance {
    name: String,
    path: PathBuf,
    held: Mutex<Option<File>>,
}

impl Instance {
    pub(crate) fn start(data_dir: &Path) -> Result<Self> {
        let dir = data_dir.join(DIR);
        let name = ulid::Ulid::generate().to_string().to_ascii_lowercase();
        let path = dir.join(format!("process-{name}"));
        let held = std::fs::create_dir_all(&dir)
            .and_then(|()| File::create(&path))
            .and_then(|file| file.try_lock().map(|()| file).map_err(Into::into))
            .map_err(|why| {
                Error::new(
                    ErrorKind::StoreUnavailable,
                    format!("Cannot lock {}: {why}.", path.display()),
                )
                .hinted("The data directory must be writable and its file system must know locks.")
            })?;
        Ok(Self {
            name,
            path,
            held: Mutex::new(Some(held)),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn end(&self) {
        if lock(&self.held).take().is_some() {
            // Left behind it is harmless: an unlocked file is a process that is gone.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether the process of this name is gone.
pub(crate) fn is_gone(data_dir: &Path, name: &str) -> bool {
    let path = data_dir.join(DIR).join(format!("process-{name}"));
    match File::open(&path) {
        Err(_) => true,
        Ok(file) => {
            let gone = file.try_lock().is_ok();
            if gone {
                let _ = std::fs::remove_file(&path);
            }
            gone
        }
    }
}

/// The right to poll a cluster on schedule: one process has it at a time.
#[derive(Default)]
pub(crate) struct Turn {
    held: Option<File>,
}

impl Turn {
    /// Takes the right, if nobody else has it.
    pub(crate) fn take(&mut self, data_dir: &Path, cluster: &str) -> bool {
        if self.held.is_none() {
            let path = data_dir.join(DIR).join(format!("poll-{cluster}"));
            self.held = File::create(path)
                .ok()
                .filter(|file| file.try_lock().is_ok());
        }
        self.held.is_some()
    }

    /// Gives it back.
    pub(crate) fn give_back(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_there_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let own = Instance::start(dir.path()).unwrap();
        assert!(!is_gone(dir.path(), own.name()));
        own.end();
        assert!(is_gone(dir.path(), own.name()));
    }

    #[test]
    fn one_poller_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let _own = Instance::start(dir.path()).unwrap();
        let (mut first, mut second) = (Turn::default(), Turn::default());
        assert!(first.take(dir.path(), "c") && first.take(dir.path(), "c"));
        assert!(!second.take(dir.path(), "c"));
        first.give_back();
        assert!(second.take(dir.path(), "c"));
    }
}
