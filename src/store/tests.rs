//! Tests of the store: what it keeps, what it tells, and that a change is whole or not at all.

mod damage;
mod figures;
mod kept;
mod killed;
mod lists;
mod members;
mod numbers;
mod together;

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::job::state::Fact;
use crate::job::{
    Absence, Attempt, Cause, ErrorInfo, JobFile, JobSpec, JobState, Outcome, Sighting, SubmitStep,
};
use crate::scheduler::{Exit, Resources, RunPhase, SchedulerId, Tag};
use crate::shell::RemotePath;

/// A moment, in seconds since the year 2025 began; with odd nanoseconds, which the columns cut off.
fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_735_689_600 + seconds, 123_456_789).unwrap()
}

fn tag(n: u32) -> Tag {
    Tag::parse(&format!("tag{n:08}")).unwrap()
}

/// A job that is whole on the cluster. Different `n` give different ids, names, paths and times.
fn job(n: u32) -> Job {
    let name = format!("Ubiquitin {n}");
    let created_at = at(i64::from(n));
    let id = JobId::new(&name, created_at, u128::from(n));
    let path = |root: &str| RemotePath::parse(&format!("{root}/{id}")).unwrap();
    let spec = JobSpec {
        cluster: if n.is_multiple_of(2) { "even" } else { "odd" }.into(),
        config_path: format!("/home/ada/ubq/run{n}.namd"),
        config_sha256: format!("{n:064x}"),
        config_in_tree: "ubq/run.namd".into(),
        output_dirs: vec!["ubq/out".into()],
        files: vec![JobFile {
            local: "/home/ada/common/par_all36_prot.prm".into(),
            in_tree: "common/par_all36_prot.prm".into(),
            bytes: 9_007_199_254_740_993,
            sha256: "ab".repeat(32),
            role: "parameters".into(),
        }],
        project_dir: path("/project"),
        scratch_dir: path("/scratch"),
        resources: Resources {
            ntasks: Some(4),
            extra: vec!["--mail-type=END".into()],
            ..Resources::default()
        },
        launch: None,
        array: None,
        labels: BTreeMap::from([("study".into(), format!("Größe {n}"))]),
        idempotency_key: None,
        total_steps: Some(50_000),
        segments: None,
        name,
    };
    Job::new(id, spec, JobState::Created, created_at)
}

/// The same, its files still on their way.
fn intent(n: u32) -> Job {
    let mut job = job(n);
    job.state = JobState::Uploading {
        since: job.created_at,
        owner: "this process".into(),
    };
    job
}

fn attempt(n: u32) -> Attempt {
    Attempt {
        id: Some(SchedulerId::whole(1000 + u64::from(n))),
        submitted: Some(at(10)),
        started: Some(at(20)),
        word: Some("COMPLETED".into()),
        exit: Some(Exit { code: 0, signal: 9 }),
        nodes: Some("c[1-3]".into()),
        max_rss: Some(u64::MAX),
        ..Attempt::new(n, tag(n), at(9))
    }
}

/// A job in every state there is, with every outcome, cause and step.
fn every_state() -> Vec<Job> {
    let id = SchedulerId::parse("1001_[3-9%2];blue").unwrap();
    let mut states = vec![
        JobState::Uploading {
            since: at(1),
            owner: "this process".into(),
        },
        JobState::Created,
    ];
    states.extend(
        [
            SubmitStep::Asked,
            SubmitStep::WaitingForLogin,
            SubmitStep::WaitingForRoom,
            SubmitStep::Sent,
            SubmitStep::Unconfirmed,
        ]
        .map(|step| JobState::Submitting { since: at(9), step }),
    );
    states.extend([false, true].map(|held| JobState::Pending {
        id: id.clone(),
        submitted: at(10),
        held,
    }));
    states.extend(
        [
            RunPhase::Starting,
            RunPhase::Running,
            RunPhase::Suspended,
            RunPhase::Finishing,
        ]
        .map(|run| JobState::Running {
            id: id.clone(),
            submitted: at(10),
            started: at(20),
            run,
        }),
    );
    let causes = [
        Cause::ExitCode {
            code: Some(3),
            signal: None,
        },
        Cause::MarkerDisagrees { code: -1 },
        Cause::TimeLimit,
        Cause::OutOfMemory,
        Cause::NodeFail,
        Cause::BootFail,
        Cause::Deadline,
        Cause::Preempted,
        Cause::Revoked,
        Cause::Vanished {
            detail: "no process 17".into(),
        },
    ];
    let mut outcomes = vec![
        Outcome::Completed,
        Outcome::Cancelled {
            by: "user 0".into(),
        },
        Outcome::Unknown,
    ];
    outcomes.extend(causes.map(|cause| Outcome::Failed { cause }));
    states.extend(outcomes.into_iter().map(|outcome| JobState::Ended {
        outcome,
        ended: at(99),
    }));
    let jobs = (0..).zip(states).map(|(n, state)| {
        let mut job = job(n);
        if !matches!(state, JobState::Uploading { .. } | JobState::Created) {
            job.attempts = vec![attempt(1), attempt(2)];
            job.absence = Some(Absence {
                since: at(30),
                answers: 2,
                preempted: false,
            });
            job.seen = Some(Sighting {
                at: at(40),
                source: Source::Sacct,
            });
            job.error = Some(ErrorInfo::new(
                ErrorKind::SubmitUnknown,
                "The answer was lost.",
                Some("Look."),
                at(41),
            ));
            job.cancel_asked = Some(at(42));
            job.delete_asked = Some(at(43));
            job.delete_remote = true;
            job.archive_asked = Some(at(44));
            job.spec.idempotency_key = Some(format!("key {n}"));
        }
        job.state = state;
        job
    });
    jobs.collect()
}

/// Both journals must keep the same promises.
const JOURNALS: [Journal; 2] = [Journal::WriteAhead, Journal::Rollback];

/// Opens a store as the tests do: on a loaded machine a writer may have to wait long for its turn.
fn open(dir: &Path, journal: Journal) -> Store {
    let options = Options {
        journal,
        busy_timeout: Duration::from_mins(2),
        ..Options::default()
    };
    Store::open(dir, options).unwrap()
}

/// A new store in a directory of its own.
fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Journal::WriteAhead);
    (dir, store)
}

/// Stores a new job with a config that is not UTF-8.
fn put(store: &Store, job: Job) -> u64 {
    store
        .insert(&job.introduced(), b"run 100 ;# \xe9\n")
        .unwrap()
}

/// Applies a fact as the engine does.
fn record(store: &Store, id: &JobId, fact: &Fact, now: Timestamp) -> Result<Updated> {
    store.update(id, |job| {
        job.apply(fact, now)
            .map_err(|refused| crate::error::Error::new(ErrorKind::RefusedInState, refused.why))
    })
}

/// A change of the name: what a test needs when any change will do.
fn renamed(name: &str) -> Fact {
    Fact::Updated {
        name: Some(name.into()),
        labels: None,
        resources: None,
        launch: None,
    }
}

fn uploaded() -> Fact {
    Fact::Uploaded {
        sha256: BTreeMap::new(),
    }
}

/// Checks what must hold whatever has happened: the file is sound, the columns follow from the
/// documents, the newest history row of each visible job tells of the job as it is, hidden jobs have
/// none, and no number is above the counter or given twice.
fn assert_sound(store: &Store) {
    store.check().unwrap();
    store
        .read(|db| {
            let mut jobs = db.prepare("SELECT job_id, document, * FROM jobs")?;
            let mut rows = jobs.query([])?;
            while let Some(row) = rows.next()? {
                let job = row::job(row)?;
                row::assert_columns(row, 2, &job);
                let newest = db
                    .prepare_cached(&format!(
                        "SELECT {} FROM job_status_history WHERE job_id = ?1 ORDER BY id DESC LIMIT 1",
                        row::ENTRY
                    ))?
                    .query([job.id.as_str()])?
                    .next()?
                    .map(row::entry)
                    .transpose()?;
                if row::hidden(&job) {
                    assert_eq!(newest, None);
                    continue;
                }
                let newest = newest.expect("a visible job has history");
                assert_eq!(newest.to, job.status(), "{}", job.id);
                assert_eq!(newest.phase, job.phase(), "{}", job.id);
                assert_eq!(row::time(newest.at), row::time(job.updated_at), "{}", job.id);
            }
            let above: i64 = db.query_row(
                "SELECT count(*) FROM (SELECT id FROM job_status_history UNION ALL SELECT seq FROM deleted_jobs)
                 WHERE id > (SELECT seq FROM sqlite_sequence)",
                [],
                |row| row.get(0),
            )?;
            let twice: i64 = db.query_row(
                "SELECT count(*) FROM job_status_history JOIN deleted_jobs ON id = seq",
                [],
                |row| row.get(0),
            )?;
            assert_eq!((above, twice), (0, 0));
            Ok(())
        })
        .unwrap();
}
