//! The near end of a file that is sent: read once, in order, on a thread that may wait for the disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::shell::RemotePath;
use crate::transport::blocks::{self, BLOCK, PIECE};
use crate::transport::bundle::hex;
use crate::transport::{Put, TransportError};

/// Pieces that wait for a lane at most.
const AHEAD: usize = 4;

/// A file as it was looked at first.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) from: PathBuf,
    pub(super) to: RemotePath,
    pub(super) size: u64,
    pub(super) mode: u32,
    modified: Option<SystemTime>,
    /// The name of the unfinished file, in the directory of `to`.
    pub(super) part: String,
}

/// A piece of a file on its way.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) file: usize,
    pub(super) at: u64,
    pub(super) bytes: Arc<[u8]>,
}

impl Chunk {
    /// What tells it from others.
    pub(super) fn key(&self) -> (usize, u64) {
        (self.file, self.at)
    }
}

/// What the reader says, in the order of the files.
#[derive(Debug)]
pub(super) enum Read {
    /// To be sent.
    Chunk(Chunk),
    /// All of a block was handed on.
    Block {
        file: usize,
        block: u64,
        sum: String,
    },
    /// A block is there already.
    Present {
        file: usize,
        block: u64,
        sum: String,
    },
    /// A file was read to its end.
    End { file: usize, sha256: String },
}

/// The checksums of blocks that are there, by file.
pub(super) type There = Vec<Vec<Option<String>>>;

/// Looks at the files to be sent.
pub(super) async fn look(files: Vec<Put>) -> Result<Vec<Outgoing>, TransportError> {
    blocking(move || files.into_iter().map(look_at).collect()).await
}

fn look_at(file: Put) -> Result<Outgoing, TransportError> {
    let Put {
        from,
        to,
        modified: expected,
    } = file;
    let meta = fs::metadata(&from).map_err(|error| unreadable(&from, &error))?;
    if !meta.is_file() {
        return Err(TransportError::Local(format!(
            "{} is not a regular file",
            from.display()
        )));
    }
    let modified = meta.modified().ok();
    if expected.is_some() && modified != expected {
        return Err(changed(&from));
    }
    let stamp = modified
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    let name = blocks::part_name(&[
        to.as_str(),
        &from.to_string_lossy(),
        &meta.len().to_string(),
        &stamp.to_string(),
    ]);
    Ok(Outgoing {
        part: name,
        size: meta.len(),
        mode: meta.permissions().mode() & 0o777,
        modified,
        from,
        to,
    })
}

/// Starts reading. Dropping the receiver stops it.
pub(super) fn start(
    files: Vec<Outgoing>,
    there: There,
) -> mpsc::Receiver<Result<Read, TransportError>> {
    let (to, reads) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        for (number, file) in files.iter().enumerate() {
            let there = there.get(number).map_or(&[][..], Vec::as_slice);
            match read(number, file, there, &to) {
                Ok(()) => {}
                Err(Some(error)) => {
                    // A receiver that is gone wants to know nothing.
                    let _ = to.blocking_send(Err(error));
                    return;
                }
                Err(None) => return,
            }
        }
    });
    reads
}

/// Reads one file. An error without a reason means that nobody listens any more.
fn read(
    number: usize,
    file: &Outgoing,
    there: &[Option<String>],
    to: &mpsc::Sender<Result<Read, TransportError>>,
) -> Result<(), Option<TransportError>> {
    let say = |read| to.blocking_send(Ok(read)).map_err(|_| None);
    let open = File::open(&file.from).map_err(|error| unreadable(&file.from, &error))?;
    file.check(&open)?;
    let mut whole = Sha256::new();
    for block in 0..blocks::count(file.size) {
        let (at, length) = (block * BLOCK, blocks::length(file.size, block));
        let known = usize::try_from(block)
            .ok()
            .and_then(|block| there.get(block)?.as_ref());
        if let Some(known) = known {
            let mut hash = Sha256::new();
            file.pieces(&open, at, length, |_, bytes| {
                hash.update(&bytes);
                whole.update(&bytes);
                Ok(())
            })?;
            if hex(&hash.finalize()) == *known {
                say(Read::Present {
                    file: number,
                    block,
                    sum: known.clone(),
                })?;
                continue;
            }
        }
        let mut hash = Sha256::new();
        file.pieces(&open, at, length, |at, bytes| {
            hash.update(&bytes);
            if known.is_none() {
                whole.update(&bytes);
            }
            say(Read::Chunk(Chunk {
                file: number,
                at,
                bytes: bytes.into(),
            }))
        })?;
        say(Read::Block {
            file: number,
            block,
            sum: hex(&hash.finalize()),
        })?;
    }
    file.check(&open)?;
    say(Read::End {
        file: number,
        sha256: hex(&whole.finalize()),
    })
}

impl Outgoing {
    /// Hands on a part of the file piece by piece.
    fn pieces(
        &self,
        open: &File,
        at: u64,
        length: u64,
        mut each: impl FnMut(u64, Vec<u8>) -> Result<(), Option<TransportError>>,
    ) -> Result<(), Option<TransportError>> {
        let mut done = 0;
        while done < length {
            let size = usize::try_from(length - done).map_or(PIECE, |left| left.min(PIECE));
            let mut bytes = vec![0; size];
            open.read_exact_at(&mut bytes, at + done)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => self.changed(),
                    _ => unreadable(&self.from, &error),
                })?;
            each(at + done, bytes)?;
            done += size as u64;
        }
        Ok(())
    }

    /// Refuses a file that is no longer what was looked at.
    fn check(&self, open: &File) -> Result<(), TransportError> {
        let meta = open
            .metadata()
            .map_err(|error| unreadable(&self.from, &error))?;
        if meta.len() == self.size && meta.modified().ok() == self.modified {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn changed(&self) -> TransportError {
        changed(&self.from)
    }
}

fn changed(from: &Path) -> TransportError {
    TransportError::Local(format!(
        "{} changed while it was being sent; wait until nothing writes to it and repeat",
        from.display()
    ))
}

fn unreadable(path: &Path, error: &io::Error) -> TransportError {
    TransportError::Local(if error.kind() == io::ErrorKind::NotFound {
        format!("{} is gone", path.display())
    } else {
        format!("{} cannot be read: {error}", path.display())
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransportError> + Send + 'static,
) -> Result<T, TransportError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(TransportError::Local(format!(
                "the thread that reads ended early: {error}"
            )))
        })
}
