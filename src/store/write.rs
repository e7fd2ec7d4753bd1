//! What changes the database. Each method is one transaction, durable when it returns.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::{ClusterFacts, Result, Store, StoredProgress, row};
use crate::error::{Error, ErrorKind};
use crate::job::members::Members;
use crate::job::state::Change;
use crate::job::{Job, JobId, Status};

/// A change as it was committed, with its number (0: nobody is to be told); none if there was no
/// news.
pub type Updated = Option<(u64, Change)>;

impl Store {
    /// Stores a new job with the bytes of its config, as [`Job::introduced`] gives it.
    ///
    /// Returns the number of the change, or 0 for an intent ([`JobState::Uploading`]): it is hidden,
    /// and nobody is to be told. A second job with the same idempotency key on the same cluster is
    /// refused (`refusedInState`, naming the first: [`Store::by_idempotency_key`] gives it).
    ///
    /// [`JobState::Uploading`]: crate::job::JobState::Uploading
    pub fn insert(&self, change: &Change, config_text: &[u8]) -> Result<u64> {
        let job = &change.job;
        self.write(|db| {
            if let Some(key) = &job.spec.idempotency_key
                && let Some(first) = super::read::by_key(db, &job.spec.cluster, key)?
            {
                return Err(Error::new(
                    ErrorKind::RefusedInState,
                    format!(
                        "Job {} was created with the same idempotency key.",
                        first.id
                    ),
                )
                .hinted("Use that job, or a new key.")
                .of_job(&first.id)
                .into());
            }
            introduce(db, change, config_text)
        })
    }

    /// Changes a job: reads it, asks `f`, and writes what `f` answers with its history row.
    ///
    /// All of it happens under the database's write lock, so no other process comes in between. An
    /// error of `f` is passed on, and nothing is written; the same if `f` has no news. The change is
    /// returned as it is told: a job that becomes visible comes from nothing, whatever `f` thought, and
    /// of an array there are counts only. (`f` is given its members, and what it changes of them is
    /// written.)
    pub fn update(
        &self,
        id: &JobId,
        f: impl FnOnce(&Job) -> Result<Option<Change>, Error>,
    ) -> Result<Updated> {
        self.write(|db| apply(db, id, f))
    }

    /// Changes many jobs in one transaction: one wait for the disk for a whole look at a cluster.
    ///
    /// An error of one `f`, or a job that is gone, concerns that job alone. Only the database itself
    /// failing makes the whole call fail, and then nothing is written. The answers come in the order
    /// of the questions.
    pub fn update_many<F>(
        &self,
        asks: impl IntoIterator<Item = (JobId, F)>,
    ) -> Result<Vec<Result<Updated>>>
    where
        F: FnOnce(&Job) -> Result<Option<Change>, Error>,
    {
        self.write(|db| {
            asks.into_iter()
                .map(|(id, f)| match apply(db, &id, f) {
                    Ok(done) => Ok(Ok(done)),
                    Err(Fault::Told(error)) => Ok(Err(*error)),
                    Err(fault) => Err(fault),
                })
                .collect()
        })
    }

    /// Removes a job with its history, and leaves a tombstone. Returns the tombstone's number, or 0
    /// if the job was hidden: nobody has heard of it, so there is nothing to tell and no tombstone.
    ///
    /// A job that is on its way, in the queue or running is refused: another process may have
    /// submitted it since the caller looked. (One that was submitted by hand goes on without us.)
    pub fn delete(&self, id: &JobId, now: Timestamp) -> Result<u64> {
        self.write(|db| {
            let (hidden, active): (bool, bool) = db
                .prepare_cached("SELECT hidden, active FROM jobs WHERE job_id = ?1")?
                .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?
                .ok_or_else(|| not_found(id))?;
            if active && !super::read::job(db, id)?.is_some_and(|job| job.origin.is_adopted()) {
                return Err(Error::new(
                    ErrorKind::RefusedInState,
                    format!("Job {id} has been submitted and has not ended."),
                )
                .hinted("Cancel it and wait for its end; then delete it.")
                .of_job(id)
                .into());
            }
            let seq = if hidden { 0 } else { bury(db, id, now)? };
            remove(db, id)?;
            Ok(seq)
        })
    }

    /// Removes an intent that came to nothing. A job that is whole is refused: it is deleted.
    pub fn discard(&self, id: &JobId) -> Result<()> {
        self.write(|db| {
            let job = super::read::job(db, id)?.ok_or_else(|| not_found(id))?;
            if !row::hidden(&job) {
                return Err(Error::new(
                    ErrorKind::RefusedInState,
                    format!("Job {id} is whole and cannot be discarded."),
                )
                .hinted("Delete it.")
                .of_job(id)
                .into());
            }
            remove(db, id)
        })
    }

    /// Stores how far runs are, many in one transaction. A job that is gone is passed over.
    pub fn put_progress(&self, all: &[(JobId, StoredProgress)], now: Timestamp) -> Result<()> {
        self.write(|db| {
            let mut put = db.prepare_cached(
                "INSERT INTO progress
                    (job_id, attempt, log_offset, updated_at, document, results, settled)
                 SELECT job_id, ?2, ?3, ?4, ?5, ?6, ?7 FROM jobs WHERE job_id = ?1
                 ON CONFLICT (job_id) DO UPDATE SET attempt = excluded.attempt,
                    log_offset = excluded.log_offset, updated_at = excluded.updated_at,
                    document = excluded.document, results = excluded.results,
                    settled = excluded.settled",
            )?;
            for (id, progress) in all {
                let offset = i64::try_from(progress.log_offset).unwrap_or(i64::MAX);
                put.execute(params![
                    id.as_str(),
                    progress.attempt,
                    offset,
                    row::time(now),
                    progress.document.to_string(),
                    progress.results.as_ref().map(ToString::to_string),
                    progress.settled,
                ])?;
            }
            Ok(())
        })
    }

    /// Stores what is known about a cluster; what is `None` stays as it was.
    pub fn put_cluster_facts(&self, cluster: &str, facts: &ClusterFacts) -> Result<()> {
        self.write(|db| {
            db.prepare_cached(
                "INSERT INTO cluster_state (name, facts, last_sync) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET facts = coalesce(excluded.facts, facts),
                    last_sync = coalesce(excluded.last_sync, last_sync)",
            )?
            .execute(params![
                cluster,
                facts.facts.as_ref().map(ToString::to_string),
                facts.last_sync.map(row::time),
            ])?;
            Ok(())
        })
    }
}

pub(super) fn not_found(id: &JobId) -> Error {
    Error::new(ErrorKind::JobNotFound, format!("There is no job {id}."))
        .hinted("It may have been deleted; list the jobs to see what there is.")
        .of_job(id)
}

/// Writes a new job with its config and its first history row.
pub(super) fn introduce(db: &Connection, change: &Change, config: &[u8]) -> Result<u64, Fault> {
    row::insert(db, &change.job)?;
    db.prepare_cached("INSERT INTO job_config (job_id, text) VALUES (?1, ?2)")?
        .execute(params![change.job.id.as_str(), config])?;
    log(db, change)
}

fn apply(
    db: &Connection,
    id: &JobId,
    f: impl FnOnce(&Job) -> Result<Option<Change>, Error>,
) -> Result<Updated, Fault> {
    let mut before = super::read::job(db, id)?.ok_or_else(|| not_found(id))?;
    before.members = super::members::of(db, &before)?;
    let Some(mut change) = f(&before)? else {
        return Ok(None);
    };
    if change.from != Some(before.status()) {
        return Err(
            Error::internal(format!("A change of job {id} was made from another state."))
                .of_job(id)
                .into(),
        );
    }
    if row::hidden(&before) {
        change.from = None;
        change.seconds_in_from = 0;
    }
    row::update(db, &before, &change.job)?;
    super::members::update(db, &before, &change.job)?;
    // What is told of a change holds counts only.
    change.job.members = Members::default();
    let seq = log(db, &change)?;
    Ok(Some((seq, change)))
}

/// Writes the history row of a change, unless the job is hidden. Returns its number, or 0.
pub(super) fn log(db: &Connection, change: &Change) -> Result<u64, Fault> {
    let job = &change.job;
    if row::hidden(job) {
        return Ok(0);
    }
    db.prepare_cached(
        "INSERT INTO job_status_history (job_id, status, timestamp, source, from_status, phase,
            evidence, attempt, seconds_in_from) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        job.id.as_str(),
        change.to.word(),
        row::time(change.at),
        change.source.name(),
        change.from.map(Status::word),
        change.phase,
        change.evidence,
        job.attempt().map_or(0, |attempt| attempt.n),
        change.seconds_in_from,
    ])?;
    Ok(row::seq(db.last_insert_rowid()))
}

/// Leaves a tombstone, with a number from the counter of the history.
fn bury(db: &Connection, id: &JobId, now: Timestamp) -> Result<u64, Fault> {
    db.prepare_cached(
        "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'job_status_history'",
    )?
    .execute([])?;
    let seq: i64 = db
        .prepare_cached(
            "INSERT INTO deleted_jobs (seq, job_id, job_name, cluster, slurm_job_id, status, deleted_at)
             SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'job_status_history'),
                job_id, job_name, cluster, slurm_job_id, status, ?2
             FROM jobs WHERE job_id = ?1
             RETURNING seq",
        )?
        .query_row(params![id.as_str(), row::time(now)], |row| row.get(0))?;
    Ok(row::seq(seq))
}

/// History, config and progress go with the row (`ON DELETE CASCADE`).
fn remove(db: &Connection, id: &JobId) -> Result<(), Fault> {
    db.prepare_cached("DELETE FROM jobs WHERE job_id = ?1")?
        .execute([id.as_str()])?;
    Ok(())
}
