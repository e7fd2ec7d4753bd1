//! The job database: SQLite, one writer, pooled readers. The only place that names `rusqlite`.
//!
//! Every change of a job and its history row are one transaction, in [`Store::update`]: the job is
//! read again inside `BEGIN IMMEDIATE`, so that the commit of an intent is also the mutex between
//! processes. A change is durable when the call returns (`synchronous=EXTRA`, and `fullfsync` on
//! macOS): an intent must survive a power failure, or it is none.
//!
//! The sequence number of a change is the id of its history row; the tombstone of a deleted job
//! takes its number from the same counter. So the numbers clients see grow by exactly one with each
//! committed change. A job whose files are still on their way ([`JobState::Uploading`]) is hidden:
//! it is in no list, its changes write no history and take no number (they are given number 0), and
//! its first history row, from nothing to CREATED, is written when it is whole.
//!
//! The job itself is stored as JSON; all columns beside it are derived from it in one place
//! (`store/row.rs`). Fields an older program does not know are ignored by it; whatever it could not
//! read at all must raise the schema version, which an older program refuses
//! ([`ErrorKind::StoreTooNew`]).
//!
//! Calls block; asynchronous callers wrap them (`spawn_blocking`).
//!
//! [`ErrorKind::StoreTooNew`]: crate::error::ErrorKind::StoreTooNew
//! [`JobState::Uploading`]: crate::job::JobState::Uploading

mod changes;
mod fault;
mod filesystem;
mod list;
mod members;
mod open;
mod read;
mod restore;
mod retention;
mod row;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::Result;
use crate::job::{Job, JobId, Status};
use crate::scheduler::Source;
use fault::Fault;

pub use open::SCHEMA;
pub use restore::Outline;
pub use write::Updated;

/// Name of the database file in the data directory. SQLite keeps `-wal` and `-shm` (or `-journal`)
/// beside it while it is open; they belong to it.
pub const FILE: &str = "jobs.sqlite3";

/// The open database. Shared between threads by reference.
pub struct Store {
    // Readers go first: the connection that closes last folds the write-ahead log into the file.
    readers: OnceLock<r2d2::Pool<r2d2_sqlite::SqliteConnectionManager>>,
    writer: Mutex<Connection>,
    path: PathBuf,
    id: String,
    options: Options,
}

/// How to open a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for another process that writes before the answer is `storeBusy`.
    pub busy_timeout: Duration,
    /// How transactions are made safe.
    pub journal: Journal,
    /// At most this many connections read at once.
    pub readers: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            journal: Journal::ByFilesystem,
            readers: 4,
        }
    }
}

/// How transactions are made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// A write-ahead log on file systems of this machine, a rollback journal on all others: the log
    /// needs memory shared by all processes, which a network does not have; it corrupts there
    /// (<https://www.sqlite.org/wal.html>, "All processes using a database must be on the same host").
    ByFilesystem,
    /// A write-ahead log: readers and the writer do not wait for each other.
    WriteAhead,
    /// A rollback journal: right everywhere, slower.
    Rollback,
}

/// Which jobs a list holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Only these statuses; empty means all.
    pub statuses: Vec<Status>,
    /// Only this cluster.
    pub cluster: Option<String>,
    /// Only jobs made from this config (absolute path).
    pub config_path: Option<String>,
    /// Only jobs whose name, id, Slurm id or label values hold this text, in any case.
    pub text: Option<String>,
    /// At most this many.
    pub limit: usize,
    /// Only jobs after this one in the order of the list (`next` of the page before).
    pub after: Option<String>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What to give as `after` for the next page, if there is one.
    pub next: Option<String>,
    /// The store's sequence number when the page was read.
    pub seq: u64,
}

/// One row of a job's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The change's number in this store.
    pub seq: u64,
    /// The job.
    pub job_id: JobId,
    /// When, by our clock.
    pub at: Timestamp,
    /// The status before; none for a new job.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// The finer phase after.
    pub phase: String,
    /// Who witnessed it.
    pub source: Source,
    /// The raw line that witnesses it.
    pub evidence: Option<String>,
    /// The attempt it belongs to; 0 before the first.
    pub attempt: u32,
    /// Seconds spent in the status before.
    pub seconds_in_from: i64,
}

/// One committed change, as `changesSince` tells it.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredChange {
    /// A job changed; the job is as it is now (not as it was then).
    Job {
        /// The history row.
        entry: HistoryEntry,
        /// The job now.
        job: Box<Job>,
    },
    /// A job was deleted.
    Deleted {
        /// The change's number.
        seq: u64,
        /// The job.
        job_id: JobId,
    },
}

/// What happened since a sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The changes, oldest first.
    pub changes: Vec<StoredChange>,
    /// The last number told (give it the next time).
    pub seq: u64,
    /// There are more, or the past was cut: list the jobs anew.
    pub truncated: bool,
}

/// A job's progress as it is kept: opaque here.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredProgress {
    /// The attempt it belongs to.
    pub attempt: u32,
    /// How many bytes of NAMD's log have been read.
    pub log_offset: u64,
    /// What the reader of the log knows and has told.
    pub document: serde_json::Value,
    /// What came of its results: opaque here.
    pub results: Option<serde_json::Value>,
    /// It has ended, and nothing more is done for it by itself.
    pub settled: bool,
}

/// What is kept about a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterFacts {
    /// What was found out about it: opaque here.
    pub facts: Option<serde_json::Value>,
    /// When it last answered.
    pub last_sync: Option<Timestamp>,
}

/// How many visible jobs of a cluster have a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The cluster.
    pub cluster: String,
    /// The status.
    pub status: Status,
    /// Whether the cluster must be asked about them.
    pub active: bool,
    /// How many.
    pub jobs: u64,
}

impl Store {
    /// Random name of this database, made when it was made: sequence numbers of another mean nothing
    /// here.
    pub fn store_id(&self) -> &str {
        &self.id
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` in a writing transaction: all of it is committed, durably, or nothing.
    fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        // A panic in `f` has rolled the transaction back on its way; the connection is sound.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || -> Result<T, Fault> {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = f(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|fault| fault.told(&self.path))
    }

    /// Runs `f` on one snapshot of the database.
    fn read<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        let run = || -> Result<T, Fault> {
            let mut reader = self
                .readers
                .get_or_init(|| open::readers(&self.path, self.options))
                .get()?;
            let snapshot = reader.transaction_with_behavior(TransactionBehavior::Deferred)?;
            f(&snapshot)
        };
        run().map_err(|fault| fault.told(&self.path))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
