//! A job as a row: the document, and the columns derived from it. Nowhere else are they written.

use std::sync::LazyLock;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use super::fault::{Fault, unreadable};
use super::{HistoryEntry, Result};
use crate::error::Error;
use crate::job::{Job, JobId, JobState, Status};
use crate::scheduler::Source;

/// A time as the database holds it.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A time from the database.
pub(super) fn parse_time(text: &str) -> Result<Timestamp> {
    text.parse()
        .map_err(|e| unreadable(&format!("The time {text:?}"), e))
}

/// Whether a job is in no list yet: an intent whose files are on their way.
pub(super) fn hidden(job: &Job) -> bool {
    matches!(job.state, JobState::Uploading { .. })
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn or_null<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}

type Column = (&'static str, fn(&Job) -> Value);

/// The columns of `jobs` beside the document, each with how it follows from the job.
const COLUMNS: [Column; 27] = [
    ("job_id", |job| text(job.id.as_str())),
    ("job_name", |job| text(&job.spec.name)),
    ("slurm_job_id", |job| {
        or_null(job.scheduler_id().map(ToString::to_string))
    }),
    ("status", |job| text(job.status().word())),
    ("phase", |job| text(job.phase())),
    ("created_at", |job| text(time(job.created_at))),
    ("updated_at", |job| text(time(job.updated_at))),
    ("status_since", |job| text(time(job.status_since))),
    ("submitted_at", |job| {
        or_null(job.attempt().and_then(|a| a.submitted).map(time))
    }),
    ("completed_at", |job| or_null(job.ended().map(time))),
    ("cluster", |job| text(&job.spec.cluster)),
    ("project_dir", |job| text(job.spec.project_dir.as_str())),
    ("scratch_dir", |job| text(job.spec.scratch_dir.as_str())),
    ("config_path", |job| text(&job.spec.config_path)),
    ("config_sha256", |job| text(&job.spec.config_sha256)),
    ("attempt", |job| {
        Value::Integer(job.attempt().map_or(0, |a| i64::from(a.n)))
    }),
    ("tag", |job| {
        or_null(job.attempt().map(|a| a.tag.as_str().to_owned()))
    }),
    ("error_info", |job| {
        // Plain strings and a time: it cannot fail.
        or_null(
            job.error
                .as_ref()
                .and_then(|e| serde_json::to_string(e).ok()),
        )
    }),
    ("cancel_asked_at", |job| or_null(job.cancel_asked.map(time))),
    ("delete_asked_at", |job| or_null(job.delete_asked.map(time))),
    ("archive_asked_at", |job| {
        or_null(job.archive_asked.map(time))
    }),
    ("unconfirmed_since", |job| {
        or_null(job.absence.as_ref().map(|absence| time(absence.since)))
    }),
    ("unconfirmed_answers", |job| {
        or_null(
            job.absence
                .as_ref()
                .map(|absence| i64::from(absence.answers)),
        )
    }),
    ("idempotency_key", |job| {
        or_null(job.spec.idempotency_key.clone())
    }),
    ("hidden", |job| Value::Integer(hidden(job).into())),
    ("active", |job| Value::Integer(job.is_active().into())),
    ("search", |job| text(searchable(job))),
];

/// What a text search looks through, lower case, a line for each thing.
fn searchable(job: &Job) -> String {
    let ids = job
        .attempts
        .iter()
        .filter_map(|attempt| attempt.id.as_ref());
    let mut lines = vec![job.spec.name.clone(), job.id.to_string()];
    lines.extend(ids.map(ToString::to_string));
    lines.extend(job.spec.labels.values().cloned());
    lines.join("\n").to_lowercase()
}

fn document(job: &Job) -> Result<Value, Fault> {
    serde_json::to_string(job)
        .map(Value::Text)
        .map_err(|e| Error::internal(format!("Job {} cannot be written: {e}.", job.id)).into())
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let marks = vec!["?"; COLUMNS.len() + 1].join(", ");
    format!(
        "INSERT INTO jobs ({}, document) VALUES ({marks})",
        names.join(", ")
    )
});

/// Indexed columns that are as they are for ever, but for `hidden`, which changes once. An UPDATE that
/// names an indexed column rewrites its index entry even if the value is the same, and these are in
/// most indexes: without them updating a thousand jobs takes half the time.
const FIXED: [&str; 6] = [
    "job_id",
    "created_at",
    "cluster",
    "config_path",
    "idempotency_key",
    "hidden",
];

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let sets: Vec<String> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| !FIXED.contains(name))
        .map(|(i, (name, _))| format!("{name} = ?{}", i + 1))
        .collect();
    format!(
        "UPDATE jobs SET {}, document = ?{} WHERE job_id = ?1",
        sets.join(", "),
        COLUMNS.len() + 1
    )
});

fn write(db: &Connection, sql: &str, job: &Job) -> Result<usize, Fault> {
    let values = COLUMNS.iter().map(|(_, of)| of(job));
    let document = document(job)?;
    Ok(db
        .prepare_cached(sql)?
        .execute(params_from_iter(values.chain([document])))?)
}

/// Writes a new row.
pub(super) fn insert(db: &Connection, job: &Job) -> Result<usize, Fault> {
    write(db, &INSERT, job)
}

/// Writes what has changed of a row. A job may be revealed; else what is fixed must be the same.
pub(super) fn update(db: &Connection, before: &Job, after: &Job) -> Result<(), Fault> {
    let revealed = hidden(before) && !hidden(after);
    for (name, of) in COLUMNS.iter().filter(|(name, _)| FIXED.contains(name)) {
        if of(before) != of(after) && !(revealed && *name == "hidden") {
            let what = format!("The column {name} of job {} is fixed.", before.id);
            return Err(Error::internal(what).of_job(&before.id).into());
        }
    }
    if revealed {
        db.prepare_cached("UPDATE jobs SET hidden = 0 WHERE job_id = ?1")?
            .execute([before.id.as_str()])?;
    }
    write(db, &UPDATE, after)?;
    Ok(())
}

/// Reads a job from a row that begins with `job_id, document`.
pub(super) fn job(row: &Row<'_>) -> Result<Job, Fault> {
    let document = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    match serde_json::from_str(document) {
        Ok(job) => Ok(job),
        Err(e) => {
            let id: String = row.get(0)?;
            Err(unreadable(&format!("Job {id}"), e).of_job(id).into())
        }
    }
}

/// The same for one of many rows. One that cannot be read spoils no list: it is left out, and the log
/// says so.
pub(super) fn readable(row: &Row<'_>) -> Result<Option<Job>, Fault> {
    match job(row) {
        Ok(job) => Ok(Some(job)),
        Err(Fault::Told(error)) => {
            tracing::error!("{error}");
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// The columns [`entry`] reads.
pub(super) const ENTRY: &str = "id, job_id, timestamp, from_status, status, phase, source, \
                                evidence, attempt, seconds_in_from";

/// Reads a history row selected with [`ENTRY`].
pub(super) fn entry(row: &Row<'_>) -> Result<HistoryEntry, Fault> {
    let number: i64 = row.get(0)?;
    let what = format!("History row {number}");
    let status = |word: &str| {
        Status::parse(word).ok_or_else(|| unreadable(&what, format!("{word:?} is no status")))
    };
    let from: Option<String> = row.get(3)?;
    let to: String = row.get(4)?;
    let source: String = row.get(6)?;
    let word: StrDeserializer<'_, serde::de::value::Error> = source.as_str().into_deserializer();
    Ok(HistoryEntry {
        seq: seq(number),
        job_id: job_id(&row.get::<_, String>(1)?)?,
        at: parse_time(&row.get::<_, String>(2)?)?,
        from: from.as_deref().map(status).transpose()?,
        to: status(&to)?,
        phase: row.get(5)?,
        source: Source::deserialize(word).map_err(|e| unreadable(&what, e))?,
        evidence: row.get(7)?,
        attempt: row.get(8)?,
        seconds_in_from: row.get(9)?,
    })
}

/// A job id from the database.
pub(super) fn job_id(text: &str) -> Result<JobId> {
    JobId::parse(text).ok_or_else(|| unreadable("A row", format!("{text:?} is no job id")))
}

/// A sequence number from the database; it starts at 1 and never comes near 2^63.
pub(super) fn seq(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Checks the columns of a row, of which `job_id` is number `first`, against the job.
#[cfg(test)]
pub(super) fn assert_columns(row: &Row<'_>, first: usize, job: &Job) {
    for (i, (name, of)) in COLUMNS.iter().enumerate() {
        assert_eq!(row.as_ref().column_name(first + i), Ok(*name));
        let stored: Value = row.get(first + i).unwrap();
        assert_eq!(stored, of(job), "{name} of {}", job.id);
    }
}
