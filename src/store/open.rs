//! Opening the database: its place, its journal, its schema. What is not ours is not touched.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use super::fault::{Fault, keep_and_move_away};
use super::{FILE, Journal, Options, Result, Store, filesystem};
use crate::error::{Error, ErrorKind};

/// The schema, append-only: each file brings the database from the version before to its own.
const STEPS: &[M<'_>] = &[
    M::up(include_str!("migrations/0001_jobs.sql")),
    M::up(include_str!("migrations/0002_members.sql")),
    M::up(include_str!("migrations/0003_doubt.sql")),
];

/// The schema version this program writes, and the newest it reads (`PRAGMA user_version`).
pub const SCHEMA: i64 = 3;

/// `PRAGMA application_id` of our databases: the letters `NAMD`.
const APPLICATION: i64 = 0x4E41_4D44;

impl Store {
    /// Opens the database in a directory; makes both where they are missing.
    ///
    /// A file that is not ours, damaged, or of a newer schema is an error, and stays as it is: there
    /// is never a fresh start. The content is not checked here (that would cost more than all the
    /// rest); SQLite notices a damaged page when it is read, and [`Store::check`] reads them all.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let path = dir.join(FILE);
        place(dir, &path)?;
        let (writer, id) = connect(&path, options).map_err(|fault| fault.told(&path))?;
        Ok(Self {
            readers: OnceLock::new(),
            writer: Mutex::new(writer),
            path,
            id,
            options,
        })
    }
}

/// Makes the directory (mode 0700) and an empty file (mode 0600) where they are missing: the names
/// and paths of a person's work are nobody else's business.
fn place(dir: &Path, path: &Path) -> Result<()> {
    let failed = |what: &Path, e: io::Error| {
        Error::new(
            ErrorKind::StoreUnavailable,
            format!(
                "The job database needs {}, which cannot be made: {e}.",
                what.display()
            ),
        )
        .hinted("Make the directory yours to write, or choose another place with NAMDRUNNER_HOME.")
        .caused_by(e)
    };
    let mut make = fs::DirBuilder::new();
    make.recursive(true);
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        make.mode(0o700);
        file.mode(0o600);
    }
    make.create(dir).map_err(|e| failed(dir, e))?;
    // A log without its database is a database that somebody moved: SQLite would drop the log and
    // begin anew. (The log is looked at first; in a database just being made it comes last.)
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let filled = |file: &Path| fs::metadata(file).is_ok_and(|found| found.len() > 0);
    if filled(&log) && !filled(path) {
        return Err(Error::new(
            ErrorKind::StoreUnavailable,
            format!(
                "{} is missing or empty, but its log {} is there.",
                path.display(),
                log.display()
            ),
        )
        .hinted("Put the database back beside its log, or move the log away to begin with an empty list."));
    }
    match file.open(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(failed(path, e)),
        _ => Ok(()),
    }
}

/// Opens the writing connection; gives it with the store's id.
fn connect(path: &Path, options: Options) -> Result<(Connection, String), Fault> {
    let mut db = Connection::open_with_flags(path, flags())?;
    db.busy_timeout(options.busy_timeout)?;
    // Until the file is known to be ours, closing it must not fold the log into it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let version = known_version(&mut db, path)?;
    if db.is_readonly("main")? {
        return Err(Error::new(
            ErrorKind::StoreUnavailable,
            format!("The job database {} is read-only.", path.display()),
        )
        .hinted("Make the file and its directory writable for you.")
        .into());
    }
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    set_journal(&db, journal(path, options), options.busy_timeout)?;
    // EXTRA: a commit is on the disk when it returns, the removal of a rollback journal included.
    // fullfsync: on macOS fsync alone does not reach the disk.
    db.execute_batch(
        "PRAGMA synchronous = EXTRA; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
    )?;
    db.set_prepared_statement_cache_capacity(32);
    if version < SCHEMA {
        migrate(&mut db)?;
    }
    let id = db.query_row(
        "SELECT value FROM meta WHERE name = 'store_id'",
        [],
        |row| row.get(0),
    )?;
    Ok((db, id))
}

/// No CREATE: the file was made by [`place`], with its mode. No mutex: each connection is used by one
/// thread at a time.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, name, |row| row.get(0))
}

/// The schema version of a database that is ours, or is empty; anything else is refused.
fn known_version(db: &mut Connection, path: &Path) -> Result<i64, Fault> {
    // One snapshot: another process may be making the same database.
    let snapshot = db.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let version = pragma(&snapshot, "user_version")?;
    let application = pragma(&snapshot, "application_id")?;
    let tables: i64 =
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    drop(snapshot);
    let name = path.display();
    if version > SCHEMA {
        return Err(Error::new(
            ErrorKind::StoreTooNew,
            format!(
                "The job database {name} has schema {version}; this NAMDRunner knows schemas up to \
                 {SCHEMA}. It was written by a newer one."
            ),
        )
        .hinted("Install the newer NAMDRunner again. The file was left as it is.")
        .into());
    }
    let (ours, empty) = (application == APPLICATION, tables == 0 && application == 0);
    if (version > 0 && !ours) || (version <= 0 && !empty) {
        return Err(Error::new(
            ErrorKind::StoreUnavailable,
            format!("{name} is an SQLite database, but not NAMDRunner's."),
        )
        .hinted(keep_and_move_away(path))
        .into());
    }
    Ok(version)
}

fn journal(path: &Path, options: Options) -> Journal {
    match options.journal {
        Journal::ByFilesystem => match filesystem::local(path) {
            Ok(()) => Journal::WriteAhead,
            Err(what) => {
                tracing::warn!(
                    "{} lies on a file system that is {what}: the job database uses a rollback \
                     journal there, which is slower. A directory on a local disk is better \
                     (NAMDRUNNER_HOME).",
                    path.display()
                );
                Journal::Rollback
            }
        },
        chosen => chosen,
    }
}

fn set_journal(db: &Connection, journal: Journal, patience: Duration) -> Result<(), Fault> {
    let wanted = match journal {
        Journal::Rollback => "delete",
        Journal::WriteAhead | Journal::ByFilesystem => "wal",
    };
    let began = Instant::now();
    loop {
        // Naming the mode that is set already needs no lock.
        let set: rusqlite::Result<String> =
            db.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0));
        match set {
            Ok(mode) if mode == wanted => return Ok(()),
            Ok(mode) => {
                return Err(Error::new(
                    ErrorKind::StoreUnavailable,
                    format!("SQLite keeps the journal mode {mode}; {wanted} is needed here."),
                )
                .hinted("Another NAMDRunner may hold the database in another way: stop it and try again.")
                .into());
            }
            // The busy handler is not asked when two processes make the same new database.
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && began.elapsed() < patience =>
            {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

fn migrate(db: &mut Connection) -> Result<(), Fault> {
    db.set_transaction_behavior(TransactionBehavior::Immediate);
    let migrated = Migrations::from_slice(STEPS).to_latest(db);
    db.set_transaction_behavior(TransactionBehavior::Deferred);
    match migrated {
        Ok(()) => Ok(()),
        // The crate reads the version before it takes the lock: another process may have been first.
        Err(_) if pragma(db, "user_version")? == SCHEMA => Ok(()),
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => Err(err.into()),
        Err(e) => Err(Error::internal(format!(
            "The job database cannot be brought up to date: {e}."
        ))
        .into()),
    }
}

/// The pool of reading connections. They open when they are first needed: start-up does not wait.
///
/// `query_only` rather than a read-only open: a reader must be able to roll back the journal that a
/// killed process left (<https://www.sqlite.org/rescode.html#readonly_rollback>).
pub(super) fn readers(
    path: &Path,
    options: Options,
) -> r2d2::Pool<r2d2_sqlite::SqliteConnectionManager> {
    let patience = options.busy_timeout;
    let manager = r2d2_sqlite::SqliteConnectionManager::file(path)
        .with_flags(flags())
        .with_init(move |db| {
            db.busy_timeout(patience)?;
            db.set_prepared_statement_cache_capacity(32);
            // Half a MiB of pages for each: behind them is the system's own cache.
            db.execute_batch(
                "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -512;",
            )
        });
    r2d2::Pool::builder()
        .max_size(options.readers.max(1))
        .min_idle(Some(0))
        .test_on_check_out(false)
        // No reaper: a program that has nothing to do is not woken every half minute for it.
        .max_lifetime(None)
        .idle_timeout(None)
        .connection_timeout(patience)
        .build_unchecked(manager)
}
