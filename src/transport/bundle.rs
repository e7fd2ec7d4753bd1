//! A bundle as a tar stream with its checksums, made on a thread of its own in bounded memory.
//!
//! The format is GNU tar's, because it is what every `tar` on a cluster reads alike: names longer
//! than 100 bytes travel in a `././@LongLink` entry (busybox ignores pax headers), sizes from
//! 8 GiB in base 256, and names are plain bytes (bsdtar refuses pax names that the C locale cannot
//! hold). See tar(5) of libarchive, "GNU Tar Archives".

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use tokio::sync::mpsc;

use super::{Bundle, Content, SUMS, Sent, TransportError};

/// How many bytes of the stream travel together.
pub(super) const CHUNK: usize = 256 * 1024;

/// How many chunks wait for the link at most.
const QUEUE: usize = 4;

/// What a tar header and the padding of contents are multiples of.
const BLOCK: usize = 512;

/// Length of the name field of a tar header.
const NAME: usize = 100;

/// One part of a stream.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes to be sent.
    Chunk {
        /// The bytes, at most [`CHUNK`].
        bytes: Vec<u8>,
        /// How many of them are contents of files, for progress.
        payload: u64,
        /// The entries whose last byte is in this chunk.
        done: Vec<Sent>,
    },
    /// The stream is whole. Without it, it broke off.
    End,
}

/// Pieces as they are made; an error ends them.
pub(super) type Pieces = mpsc::Receiver<Result<Piece, TransportError>>;

/// Starts making the stream of a bundle. Dropping the receiver stops it.
pub(super) fn stream(bundle: Bundle) -> Pieces {
    on_a_thread(move |sink| sink.bundle(&bundle))
}

/// Starts reading one file as a stream of its bare bytes, under the name `path`.
pub(super) fn stream_file(path: String, from: Content) -> Pieces {
    on_a_thread(move |sink| {
        let (mut bytes, size, _, _) = open(&from)?;
        sink.content(&path, &mut bytes, size).map(drop)
    })
}

fn on_a_thread(
    work: impl FnOnce(&mut Sink) -> Result<(), TransportError> + Send + 'static,
) -> Pieces {
    let (to, pieces) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut sink = Sink {
            to,
            bytes: Vec::with_capacity(CHUNK),
            payload: 0,
            done: Vec::new(),
        };
        let last = match work(&mut sink).and_then(|()| sink.flush()) {
            Ok(()) => Ok(Piece::End),
            Err(error) => Err(error),
        };
        // A receiver that is gone wants no more.
        let _ = sink.to.blocking_send(last);
    });
    pieces
}

/// Collects small parts to chunks and sends them.
struct Sink {
    to: mpsc::Sender<Result<Piece, TransportError>>,
    bytes: Vec<u8>,
    payload: u64,
    done: Vec<Sent>,
}

impl Sink {
    fn bundle(&mut self, bundle: &Bundle) -> Result<(), TransportError> {
        let mut sums = String::new();
        for entry in &bundle.entries {
            check_path(&entry.path)?;
            let (mut bytes, size, executable, mtime) = open(&entry.from)?;
            self.push(&header(&entry.path, size, executable, mtime))?;
            let sent = self.content(&entry.path, &mut bytes, size)?;
            sums.push_str(&sum_line(&sent));
            self.pad(size)?;
        }
        let size = sums.len() as u64;
        self.push(&header(SUMS, size, false, now()))?;
        self.push(sums.as_bytes())?;
        self.pad(size)?;
        // The end of an archive is two blocks of zeros.
        self.push(&[0; 2 * BLOCK])
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<(), TransportError> {
        while !bytes.is_empty() {
            let room = CHUNK - self.bytes.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = later;
            self.flush_if_full()?;
        }
        Ok(())
    }

    fn pad(&mut self, size: u64) -> Result<(), TransportError> {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        self.push(&vec![0; (BLOCK - over) % BLOCK])
    }

    /// Sends exactly `size` bytes of a source that must hold exactly so many.
    fn content(
        &mut self,
        path: &str,
        source: &mut Source<'_>,
        size: u64,
    ) -> Result<Sent, TransportError> {
        let mut hash = Sha256::new();
        let mut left = size;
        while left > 0 {
            let start = self.bytes.len();
            let room = (CHUNK - start).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.bytes.resize(start + room, 0);
            let free = self.bytes.get_mut(start..).unwrap_or_default();
            let got = source.read(free)?;
            self.bytes.truncate(start + got);
            if got == 0 {
                return Err(source.changed(size, size - left));
            }
            hash.update(self.bytes.get(start..).unwrap_or_default());
            left -= got as u64;
            self.payload += got as u64;
            if left > 0 {
                self.flush_if_full()?;
            }
        }
        source.check_end(size)?;
        let sent = Sent {
            path: path.to_owned(),
            bytes: size,
            sha256: hex(&hash.finalize()),
        };
        self.done.push(sent.clone());
        self.flush_if_full()?;
        Ok(sent)
    }

    fn flush_if_full(&mut self) -> Result<(), TransportError> {
        if self.bytes.len() == CHUNK {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK));
        let piece = Piece::Chunk {
            bytes,
            payload: std::mem::take(&mut self.payload),
            done: std::mem::take(&mut self.done),
        };
        // Nobody reads any more: the command ended or was cancelled.
        self.to
            .blocking_send(Ok(piece))
            .map_err(|_| TransportError::Cancelled)
    }
}

/// Contents being read.
enum Source<'a> {
    Bytes(&'a [u8]),
    File {
        file: File,
        path: &'a Path,
        modified: Option<SystemTime>,
    },
}

impl Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, TransportError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.read(into).unwrap_or_default()),
            Self::File { file, path, .. } => loop {
                match file.read(into) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return other.map_err(|error| unreadable(path, &error)),
                }
            },
        }
    }

    /// Refuses a file that grew, or that was written to, while it was read.
    fn check_end(&mut self, size: u64) -> Result<(), TransportError> {
        let Self::File {
            file,
            path,
            modified,
        } = self
        else {
            return Ok(());
        };
        let meta = file.metadata().map_err(|error| unreadable(path, &error))?;
        if meta.len() != size {
            return Err(self.changed(size, meta.len()));
        }
        if meta.modified().ok() != *modified {
            return Err(TransportError::Local(format!(
                "{} was written to while it was being sent; wait until nothing writes to it and repeat",
                path.display()
            )));
        }
        Ok(())
    }

    fn changed(&self, expected: u64, found: u64) -> TransportError {
        let name = match self {
            Self::Bytes(_) => "a generated file".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        };
        TransportError::Local(format!(
            "{name} changed while it was being sent: {expected} bytes when it was looked at, \
             {found} bytes now; wait until nothing writes to it and repeat"
        ))
    }
}

/// Opens contents: the source, its size, whether it is executable, its time of modification.
fn open(from: &Content) -> Result<(Source<'_>, u64, bool, u64), TransportError> {
    match from {
        Content::Bytes(bytes) => Ok((Source::Bytes(bytes), bytes.len() as u64, false, now())),
        Content::File {
            path,
            bytes,
            modified: expected,
            executable,
        } => {
            // Asked before opening: opening a named pipe would wait for a writer.
            let meta = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
            if !meta.is_file() {
                return Err(TransportError::Local(format!(
                    "{} is not a regular file",
                    path.display()
                )));
            }
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            let meta = file.metadata().map_err(|error| unreadable(path, &error))?;
            let modified = meta.modified().ok();
            let source = Source::File {
                file,
                path,
                modified,
            };
            if meta.len() != *bytes {
                return Err(source.changed(*bytes, meta.len()));
            }
            if expected.is_some() && modified != *expected {
                return Err(TransportError::Local(format!(
                    "{} was written to since it was looked at; wait until nothing writes to it and repeat",
                    path.display()
                )));
            }
            let mtime = modified.map_or_else(now, unix_seconds);
            Ok((source, *bytes, *executable, mtime))
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> TransportError {
    TransportError::Local(if error.kind() == io::ErrorKind::NotFound {
        format!(
            "{} is gone: it was there when the transfer was planned; put it back and repeat",
            path.display()
        )
    } else {
        format!("{} cannot be read: {error}", path.display())
    })
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn now() -> u64 {
    unix_seconds(SystemTime::now())
}

/// Refuses what an unpacking `tar` would put elsewhere or read otherwise.
fn check_path(path: &str) -> Result<(), TransportError> {
    let plain = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..");
    if plain && !path.contains('\0') && path != SUMS {
        Ok(())
    } else {
        Err(TransportError::Local(format!(
            "{path:?} cannot be the name of a file in a bundle"
        )))
    }
}

/// The blocks before the contents of one file.
fn header(path: &str, size: u64, executable: bool, mtime: u64) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(BLOCK);
    if path.len() > NAME {
        // The long name is itself an entry: its name ended by NUL, padded to a block.
        let held = path.len() + 1;
        blocks.extend(block(
            "././@LongLink",
            EntryType::GNULongName,
            held as u64,
            0o644,
            0,
        ));
        blocks.extend_from_slice(path.as_bytes());
        blocks.resize(BLOCK + held.next_multiple_of(BLOCK), 0);
    }
    let mode = if executable { 0o755 } else { 0o644 };
    blocks.extend(block(path, EntryType::Regular, size, mode, mtime));
    blocks
}

fn block(path: &str, kind: EntryType, size: u64, mode: u32, mtime: u64) -> [u8; BLOCK] {
    let mut header = Header::new_gnu();
    for (slot, byte) in header.as_old_mut().name.iter_mut().zip(path.bytes()) {
        *slot = byte;
    }
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    *header.as_bytes()
}

/// One line for `sha256sum -c`. A name with a backslash or a line feed is escaped and announced by
/// a leading backslash (GNU coreutils manual, "md5sum invocation").
fn sum_line(sent: &Sent) -> String {
    let Sent { path, sha256, .. } = sent;
    if path.contains(['\\', '\n']) {
        let path = path.replace('\\', "\\\\").replace('\n', "\\n");
        format!("\\{sha256}  {path}\n")
    } else {
        format!("{sha256}  {path}\n")
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
