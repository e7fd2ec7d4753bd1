//! Jobs that were not made here, and what comparing with a cluster asks of the database.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::read::jobs;
use super::{Result, Store, row};
use crate::error::Error;
use crate::job::state::Change;
use crate::job::{Job, JobId};

/// What comparing with a cluster needs of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its directory below the project root.
    pub project_dir: String,
    /// The batch system's id of its newest attempt.
    pub scheduler_id: Option<String>,
    /// Whether the cluster must be asked about it.
    pub active: bool,
}

impl Store {
    /// Stores a job that was found on a cluster, or taken over, with its whole history: the changes
    /// in their order, the first from nothing. Returns their numbers.
    ///
    /// None if the job is here already, or was deleted here. An idempotency key that another job has
    /// by now is dropped.
    pub fn restore(&self, changes: &[Change], config_text: &[u8]) -> Result<Option<Vec<u64>>> {
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
            return Err(Error::internal(
                "a job without a history was to be restored",
            ));
        };
        self.write(|db| {
            let id = &first.job.id;
            let known = db
                .prepare_cached(
                    "SELECT 1 FROM jobs WHERE job_id = ?1
                     UNION ALL SELECT 1 FROM deleted_jobs WHERE job_id = ?1",
                )?
                .exists([id.as_str()])?;
            if known {
                return Ok(None);
            }
            let mut job = last.job.clone();
            if let Some(key) = &job.spec.idempotency_key
                && super::read::by_key(db, &job.spec.cluster, key)?.is_some()
            {
                job.spec.idempotency_key = None;
            }
            let story = Change {
                job,
                ..first.clone()
            };
            let mut numbers = vec![super::write::introduce(db, &story, config_text)?];
            for change in changes.iter().skip(1) {
                numbers.push(super::write::log(db, change)?);
            }
            Ok(Some(numbers))
        })
    }

    /// The ids of all jobs, hidden and deleted ones included.
    pub fn known_ids(&self) -> Result<Vec<String>> {
        self.read(|db| {
            let mut found =
                db.prepare_cached("SELECT job_id FROM jobs UNION SELECT job_id FROM deleted_jobs")?;
            let ids = found.query_map([], |row| row.get(0))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The visible jobs of a cluster, as far as comparing needs them.
    pub fn outlines(&self, cluster: &str) -> Result<Vec<Outline>> {
        self.read(|db| {
            let mut found = db.prepare_cached(OUTLINES)?;
            let mut rows = found.query([cluster])?;
            let mut outlines = Vec::new();
            while let Some(row) = rows.next()? {
                outlines.push(Outline {
                    id: row::job_id(&row.get::<_, String>(0)?)?,
                    name: row.get(1)?,
                    project_dir: row.get(2)?,
                    scheduler_id: row.get(3)?,
                    active: row.get(4)?,
                });
            }
            Ok(outlines)
        })
    }

    /// The jobs of a cluster whose end nothing witnessed, the latest first.
    pub fn unwitnessed(&self, cluster: &str, limit: usize) -> Result<Vec<Job>> {
        self.read(|db| {
            jobs(
                db,
                UNWITNESSED,
                params![cluster, super::read::sql_limit(limit)],
            )
        })
    }

    /// Whether a cluster has or had visible jobs here.
    pub fn has_known(&self, cluster: &str) -> Result<bool> {
        self.read(|db| known_on(db, cluster))
    }
}

pub(super) const OUTLINES: &str =
    "SELECT job_id, job_name, project_dir, slurm_job_id, active FROM jobs
    WHERE hidden = 0 AND cluster = ?1";
/// By the status alone (the `+` keeps SQLite from the cluster's index): such jobs are few.
pub(super) const UNWITNESSED: &str = "SELECT job_id, document FROM jobs
    WHERE status = 'UNKNOWN' AND hidden = 0 AND +cluster = ?1 ORDER BY created_at DESC LIMIT ?2";

fn known_on(db: &Connection, cluster: &str) -> Result<bool, Fault> {
    let found: Option<i64> = db
        .prepare_cached(
            "SELECT 1 FROM jobs WHERE hidden = 0 AND cluster = ?1
             UNION ALL SELECT 1 FROM deleted_jobs WHERE cluster = ?1 LIMIT 1",
        )?
        .query_row([cluster], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}
