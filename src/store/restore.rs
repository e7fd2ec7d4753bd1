//! Jobs that were not made here, and what comparing with a cluster asks of the database.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::{Result, Store, row};
use crate::error::Error;
use crate::job::JobId;
use crate::job::state::Change;

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
    /// Stores jobs that were found on a cluster, or taken over, each with its whole history (the
    /// changes in their order, the first from nothing) and its config, in one transaction: one wait for
    /// the disk for all of them. Returns the changes' numbers, in the order of the jobs.
    ///
    /// None for a job that is here already, or was deleted here. An idempotency key that another job
    /// has by now is dropped.
    pub fn restore(&self, jobs: &[(Vec<Change>, Vec<u8>)]) -> Result<Vec<Option<Vec<u64>>>> {
        self.write(|db| {
            jobs.iter()
                .map(|(changes, config)| restore(db, changes, config))
                .collect()
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

    /// The jobs of a cluster that are over without a witness of their end, or of that of some
    /// members, since when; those of `since` or later, the latest first.
    pub fn unwitnessed(&self, cluster: &str, since: Timestamp) -> Result<Vec<(JobId, Timestamp)>> {
        self.read(|db| {
            let mut found = db.prepare_cached(UNWITNESSED)?;
            let mut rows = found.query(params![cluster, row::time(since)])?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                let ended = row::parse_time(&row.get::<_, String>(1)?)?;
                ids.push((row::job_id(&row.get::<_, String>(0)?)?, ended));
            }
            Ok(ids)
        })
    }

    /// The jobs that changed after the change of this number.
    pub fn changed_after(&self, seq: u64) -> Result<HashSet<JobId>> {
        self.read(|db| {
            let mut found = db.prepare_cached(CHANGED_AFTER)?;
            let mut rows = found.query([i64::try_from(seq).unwrap_or(i64::MAX)])?;
            let mut ids = HashSet::new();
            while let Some(row) = rows.next()? {
                ids.insert(row::job_id(&row.get::<_, String>(0)?)?);
            }
            Ok(ids)
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
/// By the status alone: such jobs and members are few. No document is read.
pub(super) const UNWITNESSED: &str = "SELECT job_id, status_since FROM jobs
    WHERE job_id IN (
        SELECT job_id FROM jobs WHERE status = 'UNKNOWN' AND hidden = 0
        UNION ALL
        SELECT job_members.job_id FROM job_members JOIN jobs AS array
            ON array.job_id = job_members.job_id AND array.attempt = job_members.attempt
            WHERE job_members.status = 'UNKNOWN')
    AND cluster = ?1 AND active = 0 AND status_since >= ?2 ORDER BY status_since DESC";
pub(super) const CHANGED_AFTER: &str = "SELECT job_id FROM job_status_history WHERE id > ?1";

fn restore(
    db: &Connection,
    changes: &[Change],
    config_text: &[u8],
) -> Result<Option<Vec<u64>>, Fault> {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
        return Err(Error::internal("a job without a history was to be restored").into());
    };
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
}

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
