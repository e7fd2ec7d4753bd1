//! What is asked of the database. Each method sees one snapshot.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::fault::{Fault, unreadable};
use super::write::not_found;
use super::{ClusterFacts, Count, HistoryEntry, Result, Store, StoredProgress, row};
use crate::error::{Error, ErrorKind};
use crate::job::{Job, JobId, Status};
use crate::scheduler::Tag;

impl Store {
    /// A job, hidden or not.
    pub fn job(&self, id: &JobId) -> Result<Job> {
        self.read(|db| Ok(job(db, id)?.ok_or_else(|| not_found(id))?))
    }

    /// The jobs that a cluster (none: any cluster) must be asked about, oldest first.
    pub fn active(&self, cluster: Option<&str>) -> Result<Vec<Job>> {
        self.read(|db| match cluster {
            Some(cluster) => jobs(db, ACTIVE_ON, [cluster]),
            None => jobs(db, ACTIVE, []),
        })
    }

    /// The jobs of a cluster that came to their end at `since` or later by our clock, the latest
    /// first: one that shows up in the queue again is reopened.
    pub fn recently_ended(
        &self,
        cluster: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Job>> {
        self.read(|db| {
            jobs(
                db,
                ENDED,
                params![cluster, row::time(since), sql_limit(limit)],
            )
        })
    }

    /// The jobs of a cluster that ended at `since` or later by our clock and for which something is
    /// still to be done (its progress is not settled), the first ended first.
    pub fn unsettled_ends(
        &self,
        cluster: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Job>> {
        self.read(|db| {
            jobs(
                db,
                UNSETTLED_ENDS,
                params![cluster, row::time(since), sql_limit(limit)],
            )
        })
    }

    /// The hidden intents, oldest first: to be resumed or swept.
    pub fn uploading(&self) -> Result<Vec<Job>> {
        self.read(|db| jobs(db, HIDDEN, []))
    }

    /// The jobs whose deletion was asked for and has not happened, hidden or not.
    pub fn deleting(&self) -> Result<Vec<Job>> {
        self.read(|db| jobs(db, DELETING, []))
    }

    /// The job made with this key on this cluster, hidden or not.
    pub fn by_idempotency_key(&self, cluster: &str, key: &str) -> Result<Option<Job>> {
        self.read(|db| by_key(db, cluster, key))
    }

    /// The job whose newest attempt has this token.
    pub fn by_tag(&self, tag: &Tag) -> Result<Option<Job>> {
        self.read(|db| Ok(jobs(db, BY_TAG, [tag.as_str()])?.pop()))
    }

    /// All that happened to a job, oldest first.
    pub fn history(&self, id: &JobId) -> Result<Vec<HistoryEntry>> {
        self.read(|db| {
            let mut found = db.prepare_cached(&history_sql())?;
            let mut rows = found.query([id.as_str()])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(row::entry(row)?);
            }
            // Every visible job has a first row; without one it may be hidden, or not there.
            if entries.is_empty() && job(db, id)?.is_none() {
                return Err(not_found(id).into());
            }
            Ok(entries)
        })
    }

    /// The NAMD config as it was when the job was made.
    pub fn config_text(&self, id: &JobId) -> Result<Vec<u8>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT text FROM job_config WHERE job_id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?
                .ok_or_else(|| not_found(id))?)
        })
    }

    /// The number of the last committed change; 0 before the first.
    pub fn seq(&self) -> Result<u64> {
        self.read(|db| seq(db))
    }

    /// The clusters that visible jobs belong to, configured or not, by name.
    pub fn clusters_with_jobs(&self) -> Result<Vec<String>> {
        self.read(|db| {
            let mut found = db.prepare_cached(CLUSTERS)?;
            let names = found.query_map([], |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// How many visible jobs each cluster has, by status.
    pub fn counts(&self) -> Result<Vec<Count>> {
        self.read(|db| {
            let mut found = db.prepare_cached(
                "SELECT cluster, status, active, count(*) FROM jobs WHERE hidden = 0
                 GROUP BY cluster, status, active ORDER BY cluster, status, active",
            )?;
            let mut rows = found.query([])?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next()? {
                let word: String = row.get(1)?;
                counts.push(Count {
                    cluster: row.get(0)?,
                    status: Status::parse(&word)
                        .ok_or_else(|| unreadable("A job", format!("{word:?} is no status")))?,
                    active: row.get(2)?,
                    jobs: row::seq(row.get(3)?),
                });
            }
            Ok(counts)
        })
    }

    /// What is kept about a cluster; empty if nothing is.
    pub fn cluster_facts(&self, cluster: &str) -> Result<ClusterFacts> {
        self.read(|db| {
            let found: Option<(Option<String>, Option<String>)> = db
                .prepare_cached("SELECT facts, last_sync FROM cluster_state WHERE name = ?1")?
                .query_row([cluster], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let (facts, last_sync) = found.unwrap_or_default();
            Ok(ClusterFacts {
                facts: facts.as_deref().map(json).transpose()?,
                last_sync: last_sync.as_deref().map(row::parse_time).transpose()?,
            })
        })
    }

    /// How far a job's run is, if it has been seen.
    pub fn progress(&self, id: &JobId) -> Result<Option<StoredProgress>> {
        self.read(|db| {
            let found: Option<(u32, i64, String, Option<String>, bool)> = db
                .prepare_cached(
                    "SELECT attempt, log_offset, document, results, settled FROM progress
                     WHERE job_id = ?1",
                )?
                .query_row([id.as_str()], |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                    ))
                })
                .optional()?;
            let Some((attempt, offset, document, results, settled)) = found else {
                return Ok(None);
            };
            Ok(Some(StoredProgress {
                attempt,
                log_offset: row::seq(offset),
                document: json(&document)?,
                results: results.as_deref().map(json).transpose()?,
                settled,
            }))
        })
    }

    /// What came of the results of a job's attempt ([`StoredProgress::results`]), if anything did. No
    /// document is read: a list asks it for each job.
    pub fn results(&self, id: &JobId, attempt: u32) -> Result<Option<serde_json::Value>> {
        self.read(|db| {
            let found: Option<Option<String>> = db
                .prepare_cached("SELECT results FROM progress WHERE job_id = ?1 AND attempt = ?2")?
                .query_row(params![id.as_str(), attempt], |row| row.get(0))
                .optional()?;
            Ok(found.flatten().as_deref().map(json).transpose()?)
        })
    }

    /// Whether a job of this id was deleted here: it is not to be discovered anew.
    pub fn is_deleted(&self, id: &JobId) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT 1 FROM deleted_jobs WHERE job_id = ?1")?
                .exists([id.as_str()])?)
        })
    }

    /// Reads the whole database and every job in it. Costs some milliseconds for a thousand jobs:
    /// for `doctor`, and after a suspicion.
    pub fn check(&self) -> Result<()> {
        self.read(|db| {
            let found: String = db.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
            let dangling = db.prepare("PRAGMA foreign_key_check")?.exists([])?;
            if found != "ok" || dangling {
                let name = self.path().display();
                let what = if dangling {
                    "rows without their job"
                } else {
                    &found
                };
                return Err(Error::new(
                    ErrorKind::StoreUnavailable,
                    format!("The job database {name} is damaged ({what})."),
                )
                .hinted(super::fault::keep_and_move_away(self.path()))
                .into());
            }
            let mut all = db.prepare("SELECT job_id, document FROM jobs")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                row::job(row)?;
            }
            Ok(())
        })
    }
}

pub(super) const JOB: &str = "SELECT job_id, document FROM jobs WHERE job_id = ?1";
pub(super) const ACTIVE_ON: &str =
    "SELECT job_id, document FROM jobs WHERE active = 1 AND cluster = ?1 ORDER BY created_at";
pub(super) const ACTIVE: &str =
    "SELECT job_id, document FROM jobs WHERE active = 1 ORDER BY cluster, created_at";
pub(super) const ENDED: &str = "SELECT job_id, document FROM jobs WHERE completed_at IS NOT NULL
    AND cluster = ?1 AND status_since >= ?2 ORDER BY status_since DESC LIMIT ?3";
pub(super) const UNSETTLED_ENDS: &str = "SELECT jobs.job_id, jobs.document FROM jobs
    LEFT JOIN progress ON progress.job_id = jobs.job_id AND progress.attempt = jobs.attempt
    WHERE completed_at IS NOT NULL AND cluster = ?1 AND status_since >= ?2 AND jobs.attempt > 0
    AND (progress.settled IS NOT 1 OR progress.updated_at < jobs.status_since)
    ORDER BY status_since LIMIT ?3";
pub(super) const HIDDEN: &str =
    "SELECT job_id, document FROM jobs WHERE hidden = 1 ORDER BY created_at";
pub(super) const DELETING: &str =
    "SELECT job_id, document FROM jobs WHERE delete_asked_at IS NOT NULL
    ORDER BY delete_asked_at";
pub(super) const BY_KEY: &str =
    "SELECT job_id, document FROM jobs WHERE cluster = ?1 AND idempotency_key = ?2";
pub(super) const BY_TAG: &str = "SELECT job_id, document FROM jobs WHERE tag = ?1";
pub(super) const CLUSTERS: &str =
    "SELECT DISTINCT cluster FROM jobs WHERE hidden = 0 ORDER BY cluster";

pub(super) fn history_sql() -> String {
    format!(
        "SELECT {} FROM job_status_history WHERE job_id = ?1 ORDER BY id",
        row::ENTRY
    )
}

pub(super) fn job(db: &Connection, id: &JobId) -> Result<Option<Job>, Fault> {
    let mut found = db.prepare_cached(JOB)?;
    let mut rows = found.query([id.as_str()])?;
    rows.next()?.map(row::job).transpose()
}

pub(super) fn by_key(db: &Connection, cluster: &str, key: &str) -> Result<Option<Job>, Fault> {
    let mut found = db.prepare_cached(BY_KEY)?;
    let mut rows = found.query([cluster, key])?;
    rows.next()?.map(row::job).transpose()
}

/// Reads many jobs. One that cannot be read spoils no list: it is left out, and the log says so.
pub(super) fn jobs(db: &Connection, sql: &str, params: impl Params) -> Result<Vec<Job>, Fault> {
    let mut found = db.prepare_cached(sql)?;
    let mut rows = found.query(params)?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.extend(row::readable(row)?);
    }
    Ok(jobs)
}

fn json(text: &str) -> Result<serde_json::Value> {
    serde_json::from_str(text).map_err(|e| unreadable("A document", e))
}

/// A number of rows as SQLite takes it.
pub(super) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The number of the last committed change.
pub(super) fn seq(db: &Connection) -> Result<u64, Fault> {
    let last: i64 = db
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'job_status_history'")?
        .query_row([], |row| row.get(0))?;
    Ok(row::seq(last))
}
