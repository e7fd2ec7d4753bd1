//! What SQLite reports, as errors a person understands.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

/// What can go wrong inside a transaction.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// No connection could be had in time.
    Pool(r2d2::Error),
    /// It has been put into words already.
    Told(Box<Error>),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<r2d2::Error> for Fault {
    fn from(error: r2d2::Error) -> Self {
        Self::Pool(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Told(Box::new(error))
    }
}

impl Fault {
    /// The error for the person, naming the file.
    pub(super) fn told(self, path: &Path) -> Error {
        match self {
            Self::Told(error) => *error,
            Self::Sqlite(error) => of_sqlite(error, path),
            Self::Pool(error) => Error::new(
                ErrorKind::StoreUnavailable,
                format!("The job database {} cannot be read: {error}.", path.display()),
            )
            .hinted("Check that the file and its directory still exist and can be read; then try again.")
            .caused_by(error),
        }
    }
}

/// What to do with a file that is no database, or a damaged one.
pub(super) fn keep_and_move_away(path: &Path) -> String {
    let name = path.display();
    format!(
        "The file was left as it is. Stop NAMDRunner and copy {name}, {name}-wal and {name}-shm to a \
         safe place; `sqlite3 {name} .recover` may save what is in it. Move them away to begin with \
         an empty list: jobs on the clusters go on, and are found again there."
    )
}

fn of_sqlite(error: rusqlite::Error, path: &Path) -> Error {
    let name = path.display();
    let unavailable = |message: String| Error::new(ErrorKind::StoreUnavailable, message);
    let told = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::new(
            ErrorKind::StoreBusy,
            format!("Another process has held the job database {name} for too long."),
        )
        .hinted("Nothing was changed. Try again; if it stays so, look for a second NAMDRunner that hangs."),
        Some(ErrorCode::DiskFull) => unavailable(format!(
            "The disk (or quota) that holds the job database {name} is full, so the change was not \
             stored."
        ))
        .hinted("Nothing was changed. Free some space there and try again."),
        Some(ErrorCode::NotADatabase) => {
            unavailable(format!("{name} is not a job database.")).hinted(keep_and_move_away(path))
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            unavailable(format!("The job database {name} is damaged ({error})."))
                .hinted(keep_and_move_away(path))
        }
        Some(ErrorCode::ReadOnly) => {
            unavailable(format!("The job database {name} cannot be written ({error})."))
                .hinted("Make the file and its directory writable for you.")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            unavailable(format!("The job database {name} cannot be opened ({error})."))
                .hinted("Check that the directory exists and that the file and the directory are yours to read and write.")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
            unavailable(format!("The job database {name} cannot be read or written ({error})."))
                .hinted("The disk or its file system reports an error; the system's log may say more.")
        }
        _ => Error::internal(format!("The job database {name} was used wrongly ({error}).")),
    };
    told.caused_by(error)
}

/// The database holds something that this program cannot have written.
pub(super) fn unreadable(what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::StoreUnavailable,
        format!("{what} in the job database cannot be read: {why}."),
    )
    .hinted("It was changed by another program, or is damaged. `namdrunner doctor` checks the database.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn each_code_has_its_kind() {
        for (code, kind, words) in [
            (ffi::SQLITE_BUSY, ErrorKind::StoreBusy, "Another process"),
            (
                ffi::SQLITE_BUSY_SNAPSHOT,
                ErrorKind::StoreBusy,
                "Another process",
            ),
            (ffi::SQLITE_FULL, ErrorKind::StoreUnavailable, "full"),
            (
                ffi::SQLITE_NOTADB,
                ErrorKind::StoreUnavailable,
                "not a job database",
            ),
            (
                ffi::SQLITE_CORRUPT_INDEX,
                ErrorKind::StoreUnavailable,
                "damaged",
            ),
            (
                ffi::SQLITE_READONLY_DIRECTORY,
                ErrorKind::StoreUnavailable,
                "written",
            ),
            (
                ffi::SQLITE_CANTOPEN_ISDIR,
                ErrorKind::StoreUnavailable,
                "opened",
            ),
            (
                ffi::SQLITE_IOERR_FSYNC,
                ErrorKind::StoreUnavailable,
                "read or written",
            ),
            (ffi::SQLITE_CONSTRAINT, ErrorKind::Internal, "used wrongly"),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let told = Fault::from(error).told(Path::new("/d/jobs.sqlite3"));
            assert_eq!(told.kind, kind, "{code}");
            assert!(told.message.contains(words), "{}", told.message);
            assert!(told.message.contains("/d/jobs.sqlite3"), "{}", told.message);
            assert!(told.hint.is_some());
        }
    }
}
