//! Files of this machine, read and copied whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::transport::bundle::{CHUNK, hex};
use crate::transport::{Sent, TransportError, Watcher};

/// Which end of a copy is the user's, and which the cluster's: it decides whose error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    Source,
    Target,
}

/// Reads at most `max` bytes from `offset`.
pub(super) async fn read_from(
    path: PathBuf,
    offset: u64,
    max: u64,
) -> Result<Vec<u8>, TransportError> {
    blocking(move || {
        let failed = |error: io::Error| TransportError::Remote(said(&path, &error));
        // Opening anything but a file could wait for ever.
        if !fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(TransportError::Remote(format!(
                "{}: is not a file",
                path.display()
            )));
        }
        let mut file = File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    })
    .await
}

/// Copies a file under a temporary name beside its target and renames it.
pub(super) async fn copy(
    from: &Path,
    to: &Path,
    ours: Ours,
    watch: &Watcher,
) -> Result<Sent, TransportError> {
    let (from, to, tell) = (from.to_owned(), to.to_owned(), watch.clone());
    let cancel = watch.cancel.child_token();
    // A caller that goes away stops the copy as well.
    let _guard = cancel.clone().drop_guard();
    blocking(move || {
        let place = |path: &Path, error: &io::Error, end: Ours| {
            let text = said(path, error);
            if end == ours {
                TransportError::Local(text)
            } else {
                TransportError::Remote(text)
            }
        };
        let mut source = File::open(&from).map_err(|error| place(&from, &error, Ours::Source))?;
        let look = |source: &File| {
            let meta = source.metadata();
            meta.map_err(|error| place(&from, &error, Ours::Source))
        };
        let before = look(&source)?;
        let other = match ours {
            Ours::Source => &to,
            Ours::Target => &from,
        };
        let other = other.to_string_lossy().into_owned();
        let at_target = |error: io::Error| place(&to, &error, Ours::Target);
        let part = Part::create(&to).map_err(at_target)?;
        let mut target = part.file().map_err(at_target)?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; CHUNK];
        loop {
            if cancel.is_cancelled() {
                return Err(TransportError::Cancelled);
            }
            let read = source
                .read(&mut buffer)
                .map_err(|error| place(&from, &error, Ours::Source))?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            target.write_all(chunk).map_err(at_target)?;
            hash.update(chunk);
            bytes += read as u64;
            tell.tell(read as u64, &other, bytes, before.len());
        }
        let after = look(&source)?;
        if ours == Ours::Source
            && (after.len() != before.len() || after.modified().ok() != before.modified().ok())
        {
            return Err(TransportError::Local(format!(
                "{} changed while it was being sent; wait until nothing writes to it and repeat",
                from.display()
            )));
        }
        target
            .set_permissions(before.permissions())
            .map_err(at_target)?;
        if let Ok(modified) = before.modified() {
            target.set_modified(modified).map_err(at_target)?;
        }
        drop(target);
        part.rename(&to).map_err(at_target)?;
        Ok(Sent {
            path: other,
            bytes,
            sha256: hex(&hash.finalize()),
        })
    })
    .await
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransportError> + Send + 'static,
) -> Result<T, TransportError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(TransportError::Local(format!(
                "the thread that moves a file ended early: {error}"
            )))
        })
}

/// A file under a temporary name, removed unless it gets its own.
pub(in crate::transport) struct Part {
    path: Option<PathBuf>,
}

impl Part {
    /// Creates an empty file beside `target`: hidden, with this process' number and a count, so
    /// that two transfers do not meet.
    pub(in crate::transport) fn create(target: &Path) -> io::Result<Self> {
        for turn in 0..1000 {
            let hidden = format!(".namdrunner-{}-{turn}.part", std::process::id());
            let path = target.with_file_name(hidden);
            match File::create_new(&path) {
                Ok(_) => return Ok(Self { path: Some(path) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Opens it for writing.
    pub(in crate::transport) fn file(&self) -> io::Result<File> {
        let path = self.path.as_ref().ok_or(io::ErrorKind::NotFound)?;
        File::options().write(true).open(path)
    }

    /// Gives it its name.
    pub(in crate::transport) fn rename(mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, target)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nothing can be done about one that cannot be removed.
            let _ = fs::remove_file(path);
        }
    }
}
