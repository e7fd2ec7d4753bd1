//! Tests of the transition table: lives as they are lived, told row by row; then any sequence of
//! facts at all.

mod absence;
mod any_life;
mod ends;
mod members;
mod submission;
mod words;

use super::*;
use crate::error::ErrorKind;
use crate::job::{Cause, JobId, JobSpec, Outcome};
use crate::scheduler::{End, Exit, RunPhase, Seen};
use crate::shell::RemotePath;

/// A moment, in seconds after an arbitrary beginning.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn tag(n: u32) -> Tag {
    Tag::parse(&format!("token{n:06}")).unwrap()
}

fn id(n: u64) -> SchedulerId {
    SchedulerId::whole(n)
}

/// A job whose files are on their way.
fn uploading() -> Job {
    let job_id = JobId::new("Ubiquitin", at(0), 7);
    let dir = |root: &str| RemotePath::parse(&format!("{root}/{job_id}")).unwrap();
    let spec = JobSpec {
        name: "Ubiquitin".into(),
        cluster: "blue".into(),
        config_path: "/home/ada/ubq.namd".into(),
        config_sha256: "0".repeat(64),
        config_in_tree: "ubq.namd".into(),
        output_dirs: Vec::new(),
        files: Vec::new(),
        project_dir: dir("/project"),
        scratch_dir: dir("/scratch"),
        resources: Resources::default(),
        launch: None,
        array: None,
        labels: BTreeMap::new(),
        idempotency_key: None,
        total_steps: None,
        segments: None,
    };
    let state = JobState::Uploading {
        since: at(0),
        owner: "this process".into(),
    };
    Job::new(job_id, spec, state, at(0))
}

fn uploaded() -> Fact {
    Fact::Uploaded {
        sha256: BTreeMap::new(),
    }
}

fn ask(n: u32) -> Fact {
    Fact::SubmitAsked { tag: tag(n) }
}

fn error(kind: ErrorKind, message: &str) -> ErrorInfo {
    ErrorInfo::new(kind, message, None, at(0))
}

fn accepted(n: u64, seconds: i64) -> Fact {
    Fact::Submitted {
        id: id(n),
        at: at(seconds),
        source: Source::Local,
        evidence: format!("receipt {n}"),
    }
}

fn rejected() -> Fact {
    Fact::NotSubmitted {
        error: Some(error(
            ErrorKind::SlurmRejected,
            "sbatch: error: invalid partition specified: bad",
        )),
    }
}

fn withdrawn() -> Fact {
    Fact::NotSubmitted { error: None }
}

/// The state of Slurm's word, as `scheduler::slurm` reads it (facts of squeue(1) and sacct(1)).
fn meaning(word: &str) -> Seen {
    let waiting = |held, requeued| Seen::Waiting { held, requeued };
    match word {
        "PENDING" => waiting(false, false),
        "REQUEUED" => waiting(false, true),
        "REQUEUE_HOLD" => waiting(true, true),
        "CONFIGURING" => Seen::Running(RunPhase::Starting),
        "RUNNING" => Seen::Running(RunPhase::Running),
        "SUSPENDED" => Seen::Running(RunPhase::Suspended),
        "COMPLETING" => Seen::Running(RunPhase::Finishing),
        "COMPLETED" => Seen::Ended(End::Completed),
        "FAILED" => Seen::Ended(End::Failed),
        "TIMEOUT" => Seen::Ended(End::TimeLimit),
        "OUT_OF_MEMORY" => Seen::Ended(End::OutOfMemory),
        "NODE_FAIL" => Seen::Ended(End::NodeFail),
        "BOOT_FAIL" => Seen::Ended(End::BootFail),
        "DEADLINE" => Seen::Ended(End::Deadline),
        "REVOKED" => Seen::Ended(End::Revoked),
        "PREEMPTED" => Seen::Ended(End::Preempted),
        "CANCELLED" => Seen::Ended(End::Cancelled { by_uid: None }),
        _ => match word.strip_prefix("CANCELLED by ") {
            Some(uid) => Seen::Ended(End::Cancelled {
                by_uid: uid.parse().ok(),
            }),
            None => Seen::Other,
        },
    }
}

/// A report about job 1 of the batch system.
fn said(source: Source, word: &str) -> Report {
    Report {
        id: id(1),
        source,
        state: meaning(word),
        word: word.into(),
        reason: None,
        submitted: None,
        started: None,
        ended: None,
        exit: None,
        nodes: None,
        partition: None,
        time_limit: None,
        max_rss: None,
        restarts: None,
        components: Vec::new(),
        evidence: format!("1|{word}"),
    }
}

/// squeue's line.
fn queue(word: &str) -> Report {
    said(Source::Squeue, word)
}

/// sacct's line.
fn record(word: &str) -> Report {
    said(Source::Sacct, word)
}

/// The job's own end marker.
fn marker(code: i32) -> Report {
    Report {
        word: format!("exit {code}"),
        state: Seen::Ended(if code == 0 {
            End::Completed
        } else {
            End::Failed
        }),
        exit: Some(Exit {
            code,
            signal: if code > 128 { code - 128 } else { 0 },
        }),
        evidence: format!("exit 1 token000001 1 0 {code} 0 1800000100 ."),
        ..said(Source::Marker, "")
    }
}

/// What one look at the cluster says, the queue holding the job or saying nothing.
fn look(reports: impl Into<Vec<Report>>) -> Fact {
    Fact::Seen {
        reports: reports.into(),
        absent: false,
        rule: AbsenceRule::default(),
    }
}

/// What one look says in which a whole answer of the queue lacks the job.
fn absent(reports: impl Into<Vec<Report>>) -> Fact {
    Fact::Seen {
        reports: reports.into(),
        absent: true,
        rule: AbsenceRule::default(),
    }
}

/// A job living through facts; each change is kept as a line.
struct Life {
    job: Job,
    rows: Vec<String>,
}

impl Life {
    /// A job that is whole on the cluster, at second 0.
    fn created() -> Self {
        let mut life = Self {
            job: uploading(),
            rows: Vec::new(),
        };
        life.then(0, &uploaded());
        life.rows.clear();
        life
    }

    /// A job in the queue as number 1 since second 2.
    fn pending() -> Self {
        let mut life = Self::created();
        life.then(1, &ask(1))
            .then(1, &Fact::SubmitSent)
            .then(2, &accepted(1, 2));
        life.rows.clear();
        life
    }

    /// The same, running since second 10.
    fn running() -> Self {
        let mut life = Self::pending();
        life.then(10, &look([queue("RUNNING")]));
        life.rows.clear();
        life
    }

    /// The job takes in a fact that it does not refuse. News makes a row:
    /// `<second> <status before> → <status> (<phase>) <source>: <evidence>`.
    fn then(&mut self, seconds: i64, fact: &Fact) -> &mut Self {
        let change = self
            .job
            .apply(fact, at(seconds))
            .unwrap_or_else(|refused| panic!("{fact:?} is refused: {refused}"));
        if let Some(change) = change {
            assert_eq!(change.from, Some(self.job.status()));
            assert_eq!(change.to, change.job.status());
            assert_eq!(change.phase, change.job.phase());
            let from = self.job.status();
            self.rows.push(format!(
                "{seconds} {from} → {} ({}) {}: {}",
                change.to,
                change.phase,
                change.source.name(),
                change.evidence.as_deref().unwrap_or("-"),
            ));
            self.job = change.job;
        }
        self
    }

    /// The job refuses a fact; the words for the person.
    fn refuses(&self, fact: &Fact) -> String {
        let refused = self.job.apply(fact, at(1_000_000)).unwrap_err();
        assert!(!refused.hint.is_empty());
        refused.why
    }

    /// Nothing new since the rows were last looked at.
    fn is_unmoved(&mut self, since: &[&str]) -> &mut Self {
        assert_eq!(self.rows, since);
        self
    }

    /// The rows since the last call.
    fn rows(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rows)
    }

    fn attempt(&self) -> &Attempt {
        self.job.attempts.last().unwrap()
    }

    fn outcome(&self) -> &Outcome {
        match &self.job.state {
            JobState::Ended { outcome, .. } => outcome,
            other => panic!("not ended: {other:?}"),
        }
    }
}

#[test]
fn the_usual_life() {
    let mut life = Life {
        job: uploading(),
        rows: Vec::new(),
    };
    let mut waits = queue("PENDING");
    waits.reason = Some("Priority".into());
    let mut runs = queue("RUNNING");
    runs.nodes = Some("c[1-2]".into());
    runs.started = Some(at(60));
    let mut over = queue("COMPLETED");
    over.ended = Some(at(400));
    life.then(5, &uploaded())
        .then(10, &ask(1))
        .then(10, &Fact::SubmitSent)
        .then(12, &accepted(1, 11))
        .then(30, &look([waits.clone()]))
        .then(60, &look([waits]))
        .then(90, &look([queue("CONFIGURING")]))
        .then(120, &look([runs.clone()]))
        .then(150, &look([runs]))
        .then(390, &look([queue("COMPLETING")]))
        .then(420, &look([over.clone(), marker(0)]))
        .then(450, &look([over, marker(0)]));
    assert_eq!(
        life.rows(),
        [
            "5 CREATED → CREATED (staged) local: -",
            "10 CREATED → CREATED (submitting) user: -",
            "10 CREATED → CREATED (submitting) local: -",
            "12 CREATED → PENDING (queued) local: receipt 1",
            "30 PENDING → PENDING (queued) squeue: 1|PENDING",
            "90 PENDING → RUNNING (starting) squeue: 1|CONFIGURING",
            "120 RUNNING → RUNNING (running) squeue: 1|RUNNING",
            "390 RUNNING → RUNNING (finishing) squeue: 1|COMPLETING",
            "420 RUNNING → COMPLETED (settled) squeue: 1|COMPLETED",
        ]
    );
    assert_eq!(life.job.ended(), Some(at(400)));
    assert_eq!(life.job.status_since, at(420));
    let attempt = life.attempt();
    assert_eq!(attempt.started, Some(at(60)));
    assert_eq!(attempt.ended, Some(at(400)));
    assert_eq!(attempt.outcome, Some(Outcome::Completed));
    assert_eq!(attempt.nodes.as_deref(), Some("c[1-2]"));
    assert_eq!(attempt.reason, None);
    assert_eq!(attempt.exit, Some(Exit { code: 0, signal: 0 }));
    assert_eq!(attempt.restarts, 0);
}

#[test]
fn the_time_in_a_status_is_told_when_it_is_left() {
    let life = Life::pending();
    let change = life
        .job
        .apply(&look([queue("RUNNING")]), at(100))
        .unwrap()
        .unwrap();
    assert_eq!(change.seconds_in_from, 98);
    // A change within a status counts from the same beginning.
    let change = life.job.apply(&Fact::CancelAsked, at(50)).unwrap().unwrap();
    assert_eq!(
        (change.seconds_in_from, change.job.status_since),
        (48, at(2))
    );
}

#[test]
fn a_clock_set_back_does_not_turn_the_order() {
    let mut life = Life::running();
    let before = life.job.updated_at;
    life.then(-3600, &look([queue("COMPLETED")]));
    assert_eq!(life.job.updated_at, before);
    assert_eq!(life.job.status_since, before);
    assert_eq!(life.job.status(), Status::Completed);
}

#[test]
fn sums_are_taken_over_when_the_upload_is_whole() {
    let mut job = uploading();
    let file = |in_tree: &str| crate::job::JobFile {
        local: format!("/home/ada/{in_tree}"),
        in_tree: in_tree.into(),
        bytes: 1,
        sha256: String::new(),
        role: "structure".into(),
    };
    job.spec.files = vec![file("a.psf"), file("b.psf")];
    let sums = BTreeMap::from([("b.psf".to_owned(), "f00".to_owned())]);
    let change = job
        .apply(&Fact::Uploaded { sha256: sums }, at(1))
        .unwrap()
        .unwrap();
    let sums: Vec<_> = change
        .job
        .spec
        .files
        .iter()
        .map(|f| f.sha256.as_str())
        .collect();
    assert_eq!(sums, ["", "f00"]);
    assert_eq!(change.job.apply(&uploaded(), at(2)), Ok(None));
}

#[test]
fn estimates_and_reasons() {
    let mut life = Life::pending();
    let waits = |reason: &str, start: Option<i64>| {
        let mut report = queue("PENDING");
        report.reason = Some(reason.into());
        report.started = start.map(at);
        look([report])
    };
    life.then(10, &waits("Priority", None))
        .then(20, &waits("Priority", Some(5000)))
        .then(30, &waits("Priority", Some(5599)))
        .then(40, &waits("Priority", Some(4401)))
        .then(50, &waits("Resources", Some(4900)))
        .then(60, &waits("Resources", Some(5600)));
    assert_eq!(
        life.rows(),
        [10, 20, 50, 60].map(|s| format!("{s} PENDING → PENDING (queued) squeue: 1|PENDING"))
    );
    assert_eq!(life.attempt().estimated_start, Some(at(5600)));
    assert_eq!(life.attempt().reason.as_deref(), Some("Resources"));
    life.then(70, &look([queue("RUNNING")]));
    assert_eq!(life.attempt().estimated_start, None);
    assert_eq!(life.attempt().reason, None);
}

#[test]
fn held_and_suspended_are_phases() {
    let mut life = Life::pending();
    life.then(10, &look([queue("REQUEUE_HOLD")]))
        .then(20, &look([queue("PENDING")]))
        .then(30, &look([queue("RUNNING")]))
        .then(40, &look([queue("SUSPENDED")]));
    let phases: Vec<String> = life
        .rows()
        .iter()
        .map(|row| row.split(['(', ')']).nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(phases, ["held", "queued", "running", "suspended"]);
}

#[test]
fn a_word_nobody_knows_changes_no_status() {
    let mut life = Life::running();
    life.then(20, &look([queue("LEVITATING")]))
        .then(30, &look([queue("LEVITATING")]));
    assert_eq!(
        life.rows(),
        ["20 RUNNING → RUNNING (running) squeue: 1|LEVITATING"]
    );
    assert_eq!(life.attempt().word.as_deref(), Some("LEVITATING"));
    // But the queue holds the job: it is not missing.
    life.then(40, &absent([]));
    assert_eq!(life.job.phase(), "unconfirmed");
    life.then(50, &look([queue("LEVITATING")]));
    assert_eq!(life.job.phase(), "running");
}

#[test]
fn what_may_be_changed_when() {
    let update = |resources: bool| Fact::Updated {
        name: Some("another".into()),
        labels: None,
        resources: resources.then(|| Resources {
            partition: Some("long".into()),
            ..Resources::default()
        }),
        launch: None,
    };
    let mut life = Life::created();
    life.then(1, &update(true));
    assert_eq!(life.job.spec.resources.partition.as_deref(), Some("long"));
    assert_eq!(life.job.apply(&update(true), at(2)), Ok(None));
    for life in [Life::pending(), Life::running()] {
        assert!(
            life.refuses(&update(true))
                .contains("cannot be changed now")
        );
        let change = life.job.apply(&update(false), at(20)).unwrap().unwrap();
        assert_eq!(change.job.spec.name, "another");
        assert_eq!(change.job.state, life.job.state);
    }
    let mut life = Life::running();
    life.then(20, &look([queue("TIMEOUT")]))
        .then(30, &update(true));
    assert_eq!(life.job.status(), Status::Failed);
}

#[test]
fn what_is_noted_changes_nothing_else() {
    let mut life = Life::running();
    let noted = Fact::Noted {
        error: error(ErrorKind::TransferFailed, "no link"),
    };
    life.then(20, &noted).then(30, &noted);
    assert_eq!(
        life.rows(),
        ["20 RUNNING → RUNNING (running) local: no link"]
    );
    // The next attempt begins without it.
    life.then(40, &look([queue("FAILED")])).then(50, &ask(2));
    assert_eq!(life.job.error, None);
}

#[test]
fn deletion_is_asked_once_and_may_be_given_up() {
    let delete = |remote_files| Fact::DeleteAsked { remote_files };
    let mut life = Life::created();
    life.then(1, &delete(false)).then(2, &delete(false));
    assert_eq!(life.rows().len(), 1);
    assert_eq!(
        (life.job.delete_asked, life.job.delete_remote),
        (Some(at(1)), false)
    );
    life.then(3, &delete(true));
    assert_eq!(
        (life.job.delete_asked, life.job.delete_remote),
        (Some(at(1)), true)
    );
    assert!(life.refuses(&ask(1)).contains("being deleted"));
    life.then(4, &Fact::DeleteWithdrawn).then(5, &ask(1));
    assert_eq!(
        (life.job.delete_asked, life.job.delete_remote),
        (None, false)
    );
    assert_eq!(life.job.phase(), "submitting");
}
