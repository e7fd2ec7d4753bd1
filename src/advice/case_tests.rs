//! Every real run against a table case → cause: `tests/data/namd/case-causes.tsv`, reviewed by hand.
//!
//! The runs were made with NAMD 3.0 for this project; each is judged with its own log, what it
//! printed on standard error, its configuration and its exit code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{Cause, Diagnosis, Disk, Witnesses, diagnose};
use crate::job::{self, Attempt, Job, JobId, JobSpec, JobState, Outcome};
use crate::namd::{LogReader, StepPlan};
use crate::scheduler::{Exit, Resources, SchedulerId, Tag};
use crate::shell::RemotePath;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/namd");

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A job that started at 0, in a state.
pub(super) fn job(config: &str, state: JobState) -> Job {
    let id = JobId::new("case", at(0), 7);
    let dir = |root: &str| RemotePath::parse(&format!("{root}/{id}")).unwrap();
    let spec = JobSpec {
        name: "case".into(),
        cluster: "blue".into(),
        config_path: format!("/home/ada/{config}"),
        config_sha256: "0".repeat(64),
        config_in_tree: config.into(),
        output_dirs: Vec::new(),
        files: Vec::new(),
        project_dir: dir("/project"),
        scratch_dir: dir("/scratch"),
        resources: Resources {
            memory: Some("4G".into()),
            walltime: Some(3600),
            ..Resources::default()
        },
        launch: None,
        array: None,
        labels: BTreeMap::new(),
        idempotency_key: None,
        total_steps: None,
        segments: None,
    };
    let mut job = Job::new(id, spec, state, at(0));
    job.attempts.push(Attempt {
        n: 1,
        tag: Tag::parse("token000001").unwrap(),
        asked: at(-20),
        id: Some(SchedulerId::whole(1018)),
        submitted: Some(at(-10)),
        started: Some(at(0)),
        ended: None,
        outcome: None,
        word: None,
        reason: None,
        estimated_start: None,
        exit: None,
        nodes: Some("c1".into()),
        partition: Some("main".into()),
        time_limit: Some(3600),
        max_rss: None,
        restarts: 0,
        components: Vec::new(),
        untraced: false,
        members: None,
    });
    job
}

pub(super) fn read(bytes: &[u8]) -> LogReader {
    let mut reader = LogReader::default();
    reader.feed(bytes);
    reader.finish();
    reader
}

/// What is said of one run.
fn judge(name: &str, code: i32) -> Option<Diagnosis> {
    let file = |ending: &str| {
        std::fs::read(PathBuf::from(DATA).join(format!("runs/cases/{name}.{ending}"))).ok()
    };
    let log = read(&file("log").unwrap());
    let output = file("stderr").map(|bytes| read(&bytes));
    let config = file("namd");
    let outcome = if code == 0 {
        Outcome::Completed
    } else {
        Outcome::Failed {
            cause: job::Cause::ExitCode {
                code: Some(code),
                signal: None,
            },
        }
    };
    let state = JobState::Ended {
        outcome,
        ended: at(60),
    };
    let mut job = job(&format!("{name}.namd"), state);
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.word = Some(if code == 0 { "COMPLETED" } else { "FAILED" }.into());
        attempt.exit = Some(Exit { code, signal: 0 });
    }
    diagnose(&Witnesses {
        job: &job,
        log: Some(log.report()),
        log_name: "case.log",
        output: output.as_ref().map(LogReader::report),
        config: config.as_deref(),
        plan: StepPlan::default(),
        disk: Disk::default(),
        grew: None,
        now: at(100),
    })
}

/// Exit codes by case.
fn results() -> Vec<(String, i32)> {
    let text = std::fs::read_to_string(PathBuf::from(DATA).join("runs/RESULTS.tsv")).unwrap();
    text.lines()
        .filter_map(|line| {
            let mut cells = line.split('\t');
            let name = cells.next()?.to_owned();
            let code = cells.next()?.strip_prefix("rc=")?.parse().ok()?;
            Some((name, code))
        })
        .collect()
}

const HEAD: &str = "\
# What each run's failure is put down to (see src/advice/case_tests.rs); - is success.
# line: of the configuration, from 1, where the place is shown. summary: what the person reads.
# case\tcause\tline\tsummary
";

#[test]
fn every_case_has_its_cause() {
    let path = PathBuf::from(DATA).join("case-causes.tsv");
    let mut text = HEAD.to_owned();
    let (mut good, mut all) = (0, 0);
    let mut seen = Vec::new();
    for (name, code) in results() {
        all += 1;
        let diagnosis = judge(&name, code);
        let Some(diagnosis) = diagnosis else {
            good += 1;
            let _ = writeln!(text, "{name}\t-\t-\t");
            continue;
        };
        let line = diagnosis.range.map_or_else(
            || "-".to_owned(),
            |range| (range.start.line + 1).to_string(),
        );
        let cause = diagnosis.cause;
        let _ = writeln!(
            text,
            "{name}\t{}\t{line}\t{}",
            cause.word(),
            diagnosis.summary
        );
        assert_ne!(cause, Cause::Unknown, "{name}: {diagnosis:#?}");
        assert_ne!(cause, Cause::NamdError, "{name}: {diagnosis:#?}");
        assert!(!diagnosis.advice.is_empty(), "{name}");
        let by_line = diagnosis.evidence.iter().any(|piece| piece.line.is_some());
        assert!(by_line, "{name} shows no line: {diagnosis:#?}");
        seen.push(cause);
    }
    assert_eq!((all, good), (73, 21));
    if std::env::var_os("NAMDRUNNER_CORPUS_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (expected, is) in expected.lines().zip(text.lines()) {
        assert_eq!(is, expected);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 23, "causes that are told apart");
}

#[test]
fn advice_for_a_wrong_keyword_shows_its_place() {
    let diagnosis = judge("bad_unknown_keyword", 1).unwrap();
    insta::assert_debug_snapshot!(diagnosis);
}
