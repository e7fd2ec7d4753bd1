//! What was committed since a number: the history and the tombstones, as one sequence.

use std::collections::HashMap;
use std::sync::LazyLock;

use rusqlite::Connection;

use super::fault::Fault;
use super::read::{JOB, jobs, seq, sql_limit};
use super::{Changes, HistoryEntry, Result, Store, StoredChange, row};
use crate::job::{Job, JobId};

impl Store {
    /// What was committed after `since`, oldest first, at most `limit` changes.
    ///
    /// History of a job that has been deleted since is not told, its deletion is. A number this
    /// store has not reached comes from another one (a restored copy): then `truncated` says that
    /// the jobs are to be listed anew.
    pub fn changes_since(&self, since: u64, limit: usize) -> Result<Changes> {
        self.read(|db| changes(db, since, limit))
    }
}

pub(super) static CHANGED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job_status_history WHERE id > ?1 ORDER BY id LIMIT ?2",
        row::ENTRY
    )
});
pub(super) const DELETED: &str =
    "SELECT seq, job_id FROM deleted_jobs WHERE seq > ?1 ORDER BY seq LIMIT ?2";

fn changes(db: &Connection, since: u64, limit: usize) -> Result<Changes, Fault> {
    let last = seq(db)?;
    if since > last {
        return Ok(Changes {
            changes: Vec::new(),
            seq: last,
            truncated: true,
        });
    }
    // Each source may fill the whole answer, and the smaller number goes first.
    let wanted = sql_limit(limit.saturating_add(1));
    let since_sql = i64::try_from(since).unwrap_or(i64::MAX);
    let mut found: Vec<Told> = Vec::new();
    let mut history = db.prepare_cached(&CHANGED)?;
    let mut rows = history.query([since_sql, wanted])?;
    while let Some(row) = rows.next()? {
        found.push(Told::Changed(row::entry(row)?));
    }
    let mut tombstones = db.prepare_cached(DELETED)?;
    let mut rows = tombstones.query([since_sql, wanted])?;
    while let Some(row) = rows.next()? {
        found.push(Told::Deleted(
            row::seq(row.get(0)?),
            row::job_id(&row.get::<_, String>(1)?)?,
        ));
    }
    found.sort_unstable_by_key(Told::seq);
    let truncated = found.len() > limit;
    found.truncate(limit);
    // Without a cut all numbers up to the last are told, those of deleted jobs' histories included.
    let seq = if truncated {
        found.last().map_or(since, Told::seq)
    } else {
        last
    };
    let mut now: HashMap<JobId, Option<Job>> = HashMap::new();
    let mut changes = Vec::with_capacity(found.len());
    for told in found {
        match told {
            Told::Deleted(seq, job_id) => changes.push(StoredChange::Deleted { seq, job_id }),
            Told::Changed(entry) => {
                if !now.contains_key(&entry.job_id) {
                    let job = jobs(db, JOB, [entry.job_id.as_str()])?.pop();
                    now.insert(entry.job_id.clone(), job);
                }
                // A job that cannot be read has been logged, and is left out as in lists.
                if let Some(Some(job)) = now.get(&entry.job_id) {
                    changes.push(StoredChange::Job {
                        job: Box::new(job.clone()),
                        entry,
                    });
                }
            }
        }
    }
    Ok(Changes {
        changes,
        seq,
        truncated,
    })
}

/// A row of either kind, before the jobs are read.
enum Told {
    Changed(HistoryEntry),
    Deleted(u64, JobId),
}

impl Told {
    fn seq(&self) -> u64 {
        match self {
            Self::Changed(entry) => entry.seq,
            Self::Deleted(seq, _) => *seq,
        }
    }
}
