//! Who may open a store: one daemon alone, or servers without a daemon side by side.
//!
//! A lock on a file beside the database decides, not a process id or a socket: the kernel frees it
//! however its holder ends, and it is the same for every name the data directory has. What the file
//! says is a note by the daemon that holds it: where it can be reached, for whoever comes later.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::instance::DIR;
use crate::config::home::ensure_private_dir;
use crate::error::{Error, ErrorKind, Result};

/// The lock file, among the locks.
const FILE: &str = "store";
/// A note is shorter than this, in bytes.
const MAX_NOTE: u64 = 16 * 1024;

/// The right to use a store. It ends with the last of its holders.
#[derive(Debug)]
pub struct Owner {
    file: File,
    path: PathBuf,
    alone: bool,
}

/// What the daemon that owns a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its process id, on its machine.
    pub pid: u32,
    /// Its machine's name.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Where it listens.
    pub socket: PathBuf,
}

impl Owner {
    /// Takes a store for one process alone. Fails with `storeBusy` while anybody uses it.
    pub fn alone(data_dir: &Path) -> Result<Self> {
        Self::take(data_dir, true)
    }

    /// Takes a store beside others that do the same. Fails with `storeBusy` while a daemon owns it.
    pub fn beside_others(data_dir: &Path) -> Result<Self> {
        let owner = Self::take(data_dir, false)?;
        // No daemon is there: what the last one noted is not true any more.
        let _ = owner.file.set_len(0);
        Ok(owner)
    }

    fn take(data_dir: &Path, alone: bool) -> Result<Self> {
        ensure_private_dir(&data_dir.join(DIR))?;
        let path = lock_file(data_dir);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let file = options.open(&path).map_err(|why| unlockable(&path, &why))?;
        let locked = if alone {
            file.try_lock()
        } else {
            file.try_lock_shared()
        };
        match locked {
            Ok(()) => Ok(Self { file, path, alone }),
            Err(TryLockError::WouldBlock) => Err(busy(data_dir)),
            Err(TryLockError::Error(why)) => Err(unlockable(&path, &why)),
        }
    }

    /// Whether no other process uses the store.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Says where the holder can be reached.
    pub fn write_note(&self, note: &Note) -> Result<()> {
        let text = serde_json::to_string(note).unwrap_or_default();
        let file = &self.file;
        let write = || {
            // In one piece, over what was there: whoever reads meanwhile finds one note or the other.
            let before = usize::try_from(file.metadata()?.len()).unwrap_or_default();
            let padded = format!("{text:before$}");
            file.write_all_at(padded.as_bytes(), 0)?;
            file.set_len(text.len() as u64)
        };
        write().map_err(|why| unlockable(&self.path, &why))
    }

    /// Whether the lock still stands where others look for it: a data directory that was removed
    /// or replaced has no owner.
    pub fn holds(&self) -> bool {
        let (Ok(own), Ok(there)) = (self.file.metadata(), std::fs::metadata(&self.path)) else {
            return false;
        };
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    }
}

/// What the daemon of a store noted; it may be gone by now.
pub fn noted(data_dir: &Path) -> Option<Note> {
    let mut text = String::new();
    let file = File::open(lock_file(data_dir)).ok()?;
    file.take(MAX_NOTE).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// The error for a store that is in use.
pub fn busy(data_dir: &Path) -> Error {
    let dir = data_dir.display();
    match noted(data_dir) {
        Some(note) => Error::new(
            ErrorKind::StoreBusy,
            format!(
                "The background server of NAMDRunner {} (process {} on {}) owns the jobs in {dir}.",
                note.version, note.pid, note.host
            ),
        )
        .hinted(
            "Use `namdrunner` without --standalone, which speaks with it, or end it with \
             `namdrunner stop`.",
        ),
        None => Error::new(
            ErrorKind::StoreBusy,
            format!("A server that was started with --standalone uses the jobs in {dir}."),
        )
        .hinted("End it, or start this one with --standalone too."),
    }
}

fn lock_file(data_dir: &Path) -> PathBuf {
    data_dir.join(DIR).join(FILE)
}

fn unlockable(path: &Path, why: &io::Error) -> Error {
    Error::new(
        ErrorKind::StoreUnavailable,
        format!("Cannot lock {}: {why}.", path.display()),
    )
    .hinted("The data directory must be writable and its file system must know locks.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            pid: 7,
            host: "bench".into(),
            version: "1.2.3".into(),
            socket: "/run/user/1/x.sock".into(),
        }
    }

    #[test]
    fn a_daemon_is_alone_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let first = Owner::beside_others(dir.path()).unwrap();
        let second = Owner::beside_others(dir.path()).unwrap();
        assert!(!first.is_alone());
        let error = Owner::alone(dir.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::StoreBusy);
        assert!(error.message.contains("--standalone"), "{error}");
        drop((first, second));
        let daemon = Owner::alone(dir.path()).unwrap();
        assert!(daemon.is_alone());
        daemon.write_note(&note()).unwrap();
        for error in [
            Owner::alone(dir.path()).unwrap_err(),
            Owner::beside_others(dir.path()).unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::StoreBusy);
            assert!(error.message.contains("process 7 on bench"), "{error}");
        }
        assert_eq!(noted(dir.path()), Some(note()));
        drop(daemon);
        let _after = Owner::beside_others(dir.path()).unwrap();
        assert_eq!(noted(dir.path()), None, "it is gone");
    }

    #[test]
    fn a_directory_that_was_replaced_has_no_owner() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = Owner::alone(&data).unwrap();
        assert!(first.holds());
        std::fs::remove_dir_all(&data).unwrap();
        assert!(!first.holds());
        let second = Owner::alone(&data).unwrap();
        assert!(second.holds() && !first.holds());
    }
}
