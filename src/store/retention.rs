//! What is forgotten with time: raw evidence, and jobs where the settings say so.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::read::sql_limit;
use super::{Result, Store, row};
use crate::job::JobId;

/// The number of the last history row whose evidence is settled: dropped, if it was old enough.
const MARK: &str = "evidence_forgotten";

impl Store {
    /// Drops the raw lines of history rows that are older than `before`; what happened, when and by
    /// whose witness stays. Looks at no more than `limit` rows, and at none twice. Returns how many
    /// rows it looked at.
    pub fn forget_evidence(&self, before: Timestamp, limit: usize) -> Result<usize> {
        let before = row::time(before);
        self.write(|db| {
            let mark: Option<String> = db
                .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
                .query_row([MARK], |row| row.get(0))
                .optional()?;
            let mark: i64 = mark.and_then(|mark| mark.parse().ok()).unwrap_or(0);
            // Rows come in the order of time, but for those of jobs that were found on a cluster:
            // the first that is young enough ends the window.
            let mut found = db.prepare_cached(
                "SELECT id, timestamp < ?2 FROM job_status_history WHERE id > ?1 ORDER BY id LIMIT ?3",
            )?;
            let mut rows = found.query(params![mark, before, sql_limit(limit)])?;
            let (mut last, mut looked) = (mark, 0);
            while let Some(row) = rows.next()? {
                if !row.get::<_, bool>(1)? {
                    break;
                }
                last = row.get(0)?;
                looked += 1;
            }
            if looked > 0 {
                db.prepare_cached(
                    "UPDATE job_status_history SET evidence = NULL
                     WHERE id > ?1 AND id <= ?2 AND evidence IS NOT NULL",
                )?
                .execute([mark, last])?;
                db.prepare_cached(
                    "INSERT INTO meta (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )?
                .execute(params![MARK, last.to_string()])?;
            }
            Ok(looked)
        })
    }

    /// The jobs of a cluster that came to their end before `before`, the oldest first, at most
    /// `limit`.
    pub fn ended_before(
        &self,
        cluster: &str,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<JobId>> {
        self.read(|db| {
            let mut found = db.prepare_cached(OLD)?;
            let mut rows = found.query(params![cluster, row::time(before), sql_limit(limit)])?;
            let mut ids = Vec::new();
            while let Some(row) = rows.next()? {
                ids.push(row::job_id(&row.get::<_, String>(0)?)?);
            }
            Ok(ids)
        })
    }
}

pub(super) const OLD: &str = "SELECT job_id FROM jobs WHERE completed_at IS NOT NULL
    AND cluster = ?1 AND status_since < ?2 ORDER BY status_since LIMIT ?3";
