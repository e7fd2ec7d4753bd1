//! The unfinished copy of a file that is being fetched: hidden beside its target, and found again by
//! the next attempt.

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::transport::blocks::{self, BLOCK};
use crate::transport::{Get, TransportError};

/// An unfinished copy.
#[derive(Clone)]
pub(super) struct Here {
    file: Arc<File>,
    pub(super) path: PathBuf,
    target: PathBuf,
    /// What it held when it was found.
    pub(super) held: u64,
    pub(super) size: u64,
    mode: u32,
    /// In seconds since 1970; 0 if not known.
    modified: u64,
}

impl Here {
    /// Makes or finds the copy of a file of this size, with these permissions and date.
    pub(super) async fn find(
        get: &Get,
        size: u64,
        mode: u32,
        modified: &str,
    ) -> Result<Self, TransportError> {
        let target = get.to.clone();
        let name = blocks::part_name(&[
            get.from.as_str(),
            &target.to_string_lossy(),
            &size.to_string(),
            modified,
        ]);
        let modified = modified.parse().unwrap_or(0);
        blocking(move || {
            let found = || {
                if target.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                let (file, path) = open(target.with_file_name(name))?;
                let held = file.metadata()?.len().min(size);
                Ok((file, path, held))
            };
            let (file, path, held) = found().map_err(|error| trouble(&target, &error))?;
            Ok(Self {
                file: Arc::new(file),
                path,
                target,
                held,
                size,
                mode,
                modified,
            })
        })
        .await
    }

    /// Writes a part.
    pub(super) async fn write(self, at: u64, bytes: Vec<u8>) -> Result<(), TransportError> {
        blocking(move || {
            let written = self.file.write_all_at(&bytes, at);
            written.map_err(|error| trouble(&self.target, &error))
        })
        .await
    }

    /// The checksum of a block.
    pub(super) async fn sum(self, block: u64) -> Result<String, TransportError> {
        blocking(move || {
            let length = blocks::length(self.size, block);
            let sum = blocks::sum(&self.file, block.saturating_mul(BLOCK), length);
            sum.map_err(|error| trouble(&self.target, &error))
        })
        .await
    }

    /// Gives it its permissions, its date and its name.
    pub(super) async fn name(self) -> Result<(), TransportError> {
        blocking(move || {
            let finish = || {
                self.file.set_len(self.size)?;
                // What is fetched belongs to the user: always theirs to read and to write, and never
                // with the bits that mean another user or group on another machine.
                let mode = (self.mode & 0o777) | 0o600;
                self.file.set_permissions(Permissions::from_mode(mode))?;
                if self.modified > 0 {
                    let date = UNIX_EPOCH + Duration::from_secs(self.modified);
                    self.file.set_modified(date)?;
                }
                std::fs::rename(&self.path, &self.target)
            };
            finish().map_err(|error| trouble(&self.target, &error))
        })
        .await
    }
}

/// Opens an unfinished copy; if another transfer is at it, one of our own.
fn open(path: PathBuf) -> io::Result<(File, PathBuf)> {
    let open = |path: &PathBuf| {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    };
    let file = open(&path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let mut own = path.into_os_string();
            own.push(format!(".{}", std::process::id()));
            let own = PathBuf::from(own);
            let file = open(&own)?;
            // A third one in this process is one too many.
            file.try_lock()?;
            Ok((file, own))
        }
        // A file system without locks has no second writer either, as far as can be known.
        Ok(()) | Err(TryLockError::Error(_)) => Ok((file, path)),
    }
}

fn trouble(target: &std::path::Path, error: &io::Error) -> TransportError {
    TransportError::Local(format!("{}: {error}", target.display()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransportError> + Send + 'static,
) -> Result<T, TransportError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(TransportError::Local(format!(
                "the thread that writes ended early: {error}"
            )))
        })
}
