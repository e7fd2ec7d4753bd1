//! How commands and files reach a cluster. A transport never knows what a job is.
//!
//! Two implementations with one contract, held by one test suite (`contract`): [`local`] (this
//! machine) and [`ssh`]. Both hand the same line to a shell, feed it the same bytes and read its
//! answer through the same conversation (`process`), so that they cannot drift apart.

pub mod agents;
mod blocks;
mod bundle;
#[cfg(test)]
mod contract;
pub mod local;
mod process;
pub mod prompt;
pub mod ssh;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::shell::{Command, Output, RemotePath};

/// A way to run commands on, and move files to and from, one machine.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Runs one command to its end. Connects first if there is no connection.
    ///
    /// `Ok` whatever the exit code; `Err` when the answer is not whole. [`TransportError::Lost`]
    /// and [`TransportError::Timeout`] mean the command may have had its effect.
    async fn run(&self, command: &Command) -> Result<Output, TransportError>;

    /// Runs one command whose input is its own [`Command::input`] and then a tar stream
    /// (uncompressed, GNU format as GNU tar, bsdtar and busybox read it) of `bundle`, ended by an
    /// entry [`SUMS`] that holds a `sha256sum -c` list of all files before it.
    ///
    /// One round trip whatever the number of files. Large files are streamed, not held in memory.
    /// The command's timeout bounds a standstill, not the whole transfer: it starts anew whenever
    /// bytes leave. A command that ends before it has read everything is `Ok` with its output and
    /// the entries sent so far. Once everything is sent, the command's end is awaited whatever the
    /// [`Watcher`] says. After [`TransportError::Local`] and [`TransportError::Cancelled`]
    /// the command has seen the stream end without [`SUMS`] and has had five seconds to clean up.
    async fn run_with_bundle(
        &self,
        command: &Command,
        bundle: &Bundle,
        watch: &Watcher,
    ) -> Result<(Output, Vec<Sent>), TransportError>;

    /// Reads at most `max` bytes of a file from `offset`. A missing file is [`TransportError::Remote`].
    async fn read_from(
        &self,
        path: &RemotePath,
        offset: u64,
        max: u64,
    ) -> Result<Vec<u8>, TransportError>;

    /// Sends files that each travel by themselves: large ones, in bounded memory.
    ///
    /// Each grows under a hidden name beside its target (whose directory must exist) and gets its name
    /// and permissions when its size and its checksums have been compared there, by whatever computes
    /// SHA-256 on the other side. A connection that breaks is opened again and the rest is sent; what
    /// an earlier process left unfinished, of the same file for the same target, is compared and
    /// continued. After [`TransportError::Cancelled`], [`TransportError::Local`] and
    /// [`TransportError::Remote`] nothing unfinished is left; repeating it is always safe. A file that
    /// is written to meanwhile is [`TransportError::Local`].
    async fn put(&self, files: &[Put], watch: &Watcher) -> Result<Vec<Sent>, TransportError>;

    /// Fetches files, under the same terms as [`Transport::put`]: hidden until compared, continued
    /// where they stopped. Small ones whose size is known travel together. What is appended to a file
    /// meanwhile is left out.
    async fn get(&self, files: &[Get], watch: &Watcher) -> Result<Vec<Sent>, TransportError>;

    /// Whether large files can go over SFTP, or why they take the slower way through commands. None
    /// where nothing stands between.
    async fn sftp(&self) -> Option<Result<(), String>> {
        None
    }

    /// Opens the connection, if none stands. This alone asks a person, if there is one: commands
    /// connect with what needs nobody.
    async fn connect(
        &self,
        _person: Option<Arc<dyn prompt::Prompter>>,
    ) -> Result<(), TransportError> {
        Ok(())
    }

    /// Waits until a standing connection ends without having been told to. The local one never does.
    async fn lost(&self) {
        std::future::pending::<()>().await;
    }

    /// What of the person's settings is not followed, as far as known; more after an attempt to
    /// connect.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a connection stands. The local one always does.
    fn connected(&self) -> bool;

    /// Ends the connection. The next command opens a new one.
    async fn close(&self);
}

/// Name of the bundle's last entry: the list for `sha256sum -c`.
pub const SUMS: &str = ".namdrunner-sha256sums";

/// Files to be sent as one stream.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// The entries, in the order sent; directories are made as needed by the unpacking `tar`.
    pub entries: Vec<Entry>,
}

/// One file of a bundle.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Relative path in the stream, `/`-separated, no `.` or `..`.
    pub path: String,
    /// Where its bytes come from.
    pub from: Content,
}

/// Where bytes come from.
#[derive(Debug, Clone)]
pub enum Content {
    /// A file on this machine, which must still be as it was when it was looked at.
    File {
        /// Its path.
        path: PathBuf,
        /// Its size when it was looked at.
        bytes: u64,
        /// When it had been written to then, if that is known.
        modified: Option<SystemTime>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// Bytes made here.
    Bytes(Arc<[u8]>),
}

/// A file of this machine from which on it travels by itself ([`Transport::put`]) rather than in a
/// bundle: from here on, what several channels gain at a round trip of 40 ms is more than the four
/// round trips that opening them costs.
pub const LARGE: u64 = 8 * 1024 * 1024;

/// One file to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where it is on this machine.
    pub from: PathBuf,
    /// Where it goes.
    pub to: RemotePath,
    /// When it had been written to when it was looked at, if it was: a file that is not as it was
    /// then is not sent.
    pub modified: Option<SystemTime>,
}

/// One file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Get {
    /// Where it is.
    pub from: RemotePath,
    /// Where it goes on this machine; its directory must exist.
    pub to: PathBuf,
    /// Its size, if it has been listed: small files travel together.
    pub bytes: Option<u64>,
}

/// What was sent or fetched of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its path in the bundle; for [`Transport::put`] and [`Transport::get`] that on the other side.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the bytes, lower-case hex; empty for what [`Transport::get`] compared in blocks.
    pub sha256: String,
}

/// Told of a file that travels by itself: its path on the other side, bytes done, its size.
pub type FileWatch = Arc<dyn Fn(&str, u64, u64) + Send + Sync>;

/// The caller's eye and hand on a transfer.
#[derive(Clone, Default)]
pub struct Watcher {
    /// Told how many more bytes have been sent or received.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    /// Told, of files that travel by themselves: the path on the other side, bytes done, its size.
    pub file: Option<FileWatch>,
    /// Stops the transfer; nothing half-named is left by `get` and `put`.
    pub cancel: CancellationToken,
}

impl Watcher {
    /// Tells of more bytes of a file that travels by itself.
    fn tell(&self, bytes: u64, path: &str, done: u64, size: u64) {
        if let Some(file) = &self.file {
            file(path, done, size);
        }
        if let Some(progress) = &self.progress {
            progress(bytes);
        }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("cancelled", &self.cancel.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Why an answer is not whole.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No connection could be made: nothing was run.
    #[error("{0}")]
    Unreachable(String),
    /// A login is needed that cannot be given silently: nothing was run.
    #[error("{0}")]
    AuthRequired(String),
    /// The host key is unknown, changed or revoked: nothing was run.
    #[error("{message}")]
    HostKey {
        /// What happened, with the fingerprint.
        message: String,
        /// How to accept it, or why not to.
        hint: String,
    },
    /// The connection broke while the command ran: it may have had its effect.
    #[error("{0}")]
    Lost(String),
    /// The command took longer than it may: it may have had, or may yet have, its effect.
    #[error("{0}")]
    Timeout(String),
    /// The other side refused (missing file, permission); the text is its own.
    #[error("{0}")]
    Remote(String),
    /// Something on this machine: a file vanished, changed while being sent, cannot be written.
    #[error("{0}")]
    Local(String),
    /// The caller withdrew.
    #[error("the transfer was cancelled")]
    Cancelled,
}

impl TransportError {
    /// Whether the command can certainly not have had an effect.
    pub fn nothing_ran(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::AuthRequired(_) | Self::HostKey { .. }
        )
    }

    /// Whether the cluster itself was out of reach, which makes it `unavailable`.
    pub fn is_link(&self) -> bool {
        self.nothing_ran() || matches!(self, Self::Lost(_) | Self::Timeout(_))
    }
}
