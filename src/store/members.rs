//! The members of arrays: rows of their own, written with the job they belong to.

use rusqlite::{Connection, params};

use super::fault::{Fault, unreadable};
use super::{Result, Store};
use crate::job::members::Members;
use crate::job::{Job, JobId};

impl Store {
    /// What is known of the members of a job's newest attempt; empty for what is no array.
    pub fn members(&self, id: &JobId) -> Result<Members> {
        self.read(|db| match super::read::job(db, id)? {
            Some(job) => of(db, &job),
            None => Err(super::write::not_found(id).into()),
        })
    }
}

/// The members of a job's newest attempt.
pub(super) fn of(db: &Connection, job: &Job) -> Result<Members, Fault> {
    let mut members = Members::default();
    let (Some(_), Some(attempt)) = (&job.spec.array, job.attempt()) else {
        return Ok(members);
    };
    let mut found = db.prepare_cached(
        "SELECT member, document FROM job_members WHERE job_id = ?1 AND attempt = ?2",
    )?;
    let mut rows = found.query(params![job.id.as_str(), attempt.n])?;
    while let Some(row) = rows.next()? {
        let number: u32 = row.get(0)?;
        let document = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let member = serde_json::from_str(document).map_err(|why| {
            unreadable(&format!("Member {number} of job {}", job.id), why).of_job(&job.id)
        })?;
        members.0.insert(number, member);
    }
    Ok(members)
}

/// Writes the members that a change of their job changed.
pub(super) fn update(db: &Connection, before: &Job, after: &Job) -> Result<(), Fault> {
    let Some(attempt) = after.attempt() else {
        return Ok(());
    };
    let same_attempt = before.attempt().is_some_and(|known| known.n == attempt.n);
    let mut put = db.prepare_cached(
        "INSERT INTO job_members (job_id, attempt, member, status, document)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (job_id, attempt, member)
         DO UPDATE SET status = excluded.status, document = excluded.document",
    )?;
    for (number, member) in &after.members.0 {
        if same_attempt && before.members.0.get(number) == Some(member) {
            continue;
        }
        let document = serde_json::to_string(member).map_err(|why| {
            crate::error::Error::internal(format!(
                "Member {number} of job {} cannot be written: {why}.",
                after.id
            ))
        })?;
        put.execute(params![
            after.id.as_str(),
            attempt.n,
            number,
            member.status().word(),
            document
        ])?;
    }
    Ok(())
}
