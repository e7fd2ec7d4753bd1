//! How commands and files reach a cluster. A transport never knows what a job is.
//!
//! Two implementations with one contract, held by one test suite (`contract`): [`local`] (this
//! machine) and [`ssh`]. Both hand the same line to a shell, feed it the same bytes and read its
//! answer through the same conversation (`process`), so that they cannot drift apart.

mod bundle;
#[cfg(test)]
mod contract;
pub mod local;
mod process;
pub mod ssh;

use std::path::{Path, PathBuf};
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

    /// Fetches a file: temporary name, then rename. Returns its size.
    async fn get(
        &self,
        from: &RemotePath,
        to: &Path,
        watch: &Watcher,
    ) -> Result<u64, TransportError>;

    /// Puts one file where it belongs: temporary name, then rename. Directories must exist.
    async fn put(
        &self,
        from: &Path,
        to: &RemotePath,
        watch: &Watcher,
    ) -> Result<Sent, TransportError>;

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

/// What was sent of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its path in the bundle (or the remote path for [`Transport::put`]).
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the bytes sent, lower-case hex.
    pub sha256: String,
}

/// The caller's eye and hand on a transfer.
#[derive(Clone, Default)]
pub struct Watcher {
    /// Told how many more bytes have been sent or received.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    /// Stops the transfer; nothing half-named is left by `get` and `put`.
    pub cancel: CancellationToken,
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
