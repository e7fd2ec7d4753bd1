//! From descriptions and control files back to jobs; and what hostile ones come to.

use proptest::prelude::*;

use super::*;
use crate::job::{Attempt, Cause, Outcome, Status, info};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn root(path: &str) -> RemotePath {
    RemotePath::parse(path).unwrap()
}

/// The job as it was made, on another laptop.
fn made() -> Job {
    let id = JobId::new("Ubiquitin", at(0), 7);
    let spec = JobSpec {
        name: "Ubiquitin".into(),
        cluster: "blue".into(),
        config_path: "/home/ada/ubq/run/ubq.namd".into(),
        config_sha256: "ab".repeat(32),
        config_in_tree: "run/ubq.namd".into(),
        output_dirs: vec!["run/out".into()],
        files: vec![JobFile {
            local: "/home/ada/ubq/common/x.psf".into(),
            in_tree: "common/x.psf".into(),
            bytes: 12,
            sha256: "cd".repeat(32),
            role: "structure".into(),
        }],
        project_dir: root("/project").join(id.as_str()).unwrap(),
        scratch_dir: root("/scratch").join(id.as_str()).unwrap(),
        resources: Resources {
            ntasks: Some(4),
            ..Resources::default()
        },
        launch: Some("namd3 {config}".into()),
        labels: BTreeMap::from([("study".into(), "Größe".into())]),
        idempotency_key: Some("key".into()),
        total_steps: Some(5000),
        segments: Some(2),
        array: None,
    };
    Job::new(id, spec, JobState::Created, at(0))
}

fn found(job: &Job) -> Directory {
    Directory {
        name: job.id.to_string(),
        in_project: true,
        in_scratch: true,
        info: Some(info::describe(job).into_bytes()),
        sums: Some(format!("{}  input_files/common/x.psf\n", "cd".repeat(32)).into_bytes()),
        ..Directory::default()
    }
}

fn trace(tag_text: &str, id: u64, seconds: i64) -> AttemptTrace {
    AttemptTrace {
        receipt: Some(Receipt {
            tag: tag(tag_text),
            id: SchedulerId::whole(id),
            at: at(seconds),
            line: format!("receipt 1 {tag_text} {id} {} .", at(seconds).as_second()),
        }),
        ..AttemptTrace::default()
    }
}

fn read_with(directory: &Directory) -> Result<Draft, String> {
    let check = |resources: &Resources, _: Option<&str>| {
        if resources.ntasks == Some(0) {
            Err("ntasks must be positive".to_owned())
        } else {
            Ok(())
        }
    };
    let place = Place {
        cluster: "green",
        project_root: &root("/project"),
        scratch_root: &root("/scratch"),
        check: &check,
    };
    read(directory, &place, at(9000))
}

fn rule() -> AbsenceRule {
    AbsenceRule::default()
}

fn by_id(reports: &[Report]) -> HashMap<&SchedulerId, Vec<&Report>> {
    let mut by_id: HashMap<_, Vec<_>> = HashMap::new();
    for report in reports {
        by_id.entry(&report.id).or_default().push(report);
    }
    by_id
}

fn replayed(directory: &Directory, reports: &[Report], absent: &[u64]) -> Vec<Change> {
    let absent = absent.iter().map(|id| SchedulerId::whole(*id)).collect();
    read_with(directory)
        .unwrap()
        .replay(&by_id(reports), &absent, rule(), at(9000))
}

#[test]
fn a_name_with_a_backslash_keeps_its_checksum() {
    let mut job = made();
    job.spec.files[0].in_tree = r"common/a\b".into();
    let sum = "cd".repeat(32);
    let directory = Directory {
        // As sha256sum writes it.
        sums: Some(format!("\\{sum}  input_files/common/a\\\\b\n").into_bytes()),
        ..found(&job)
    };
    let draft = read_with(&directory).unwrap();
    assert_eq!(draft.job.spec.files[0].sha256, sum);
}

/// The history as a person would read it.
fn told(changes: &[Change]) -> Vec<String> {
    let second = |at: Timestamp| at.as_second() - 1_800_000_000;
    changes
        .iter()
        .map(|change| {
            format!(
                "{} {} by {}: {}",
                second(change.at),
                change.to,
                change.source.name(),
                change.evidence.as_deref().unwrap_or("-")
            )
        })
        .collect()
}

#[test]
fn what_was_described_comes_back() {
    let job = made();
    let draft = read_with(&found(&job)).unwrap();
    assert_eq!(draft.made_on, "blue");
    let mut expected = job.clone();
    expected.spec.cluster = "green".into();
    expected.origin = Origin::Discovered { at: at(9000) };
    assert_eq!(draft.job, expected);
    let changes = draft.replay(&HashMap::new(), &HashSet::new(), rule(), at(9000));
    assert_eq!(
        told(&changes),
        [format!(
            "0 CREATED by discovered: found /project/{}/job_info.json",
            job.id
        )]
    );
}

#[test]
fn attempts_come_back_with_ids_and_ends_in_their_own_time() {
    let job = made();
    let mut directory = found(&job);
    let mut first = trace("aaaaaaaa", 1018, 100);
    first.started = Some(StartMark {
        tag: tag("aaaaaaaa"),
        at: at(110),
        line: "started 1 aaaaaaaa 1018 0 c1 110 .".into(),
    });
    first.exit = Some(EndMark {
        tag: tag("aaaaaaaa"),
        restarts: 0,
        code: 3,
        signal: 0,
        at: Some(at(120)),
        line: "exit 1 aaaaaaaa 1018 0 3 0 120 .".into(),
    });
    let mut again = job.clone();
    again.spec.name = "Ubiquitin, longer".into();
    again.spec.resources.ntasks = Some(8);
    let mut second = trace("bbbbbbbb", 1019, 200);
    second.asked = Some(info::asked(
        &again,
        &Attempt::new(2, tag("bbbbbbbb"), at(199)),
    ));
    directory.attempts = BTreeMap::from([(1, first), (2, second)]);
    let running = Report {
        started: Some(at(210)),
        ..Report::told(
            &SchedulerId::whole(1019),
            Source::Squeue,
            Seen::Running(RunPhase::Running),
            "RUNNING",
            "1019|RUNNING|…",
        )
    };
    let changes = replayed(&directory, &[running], &[1018]);
    assert_eq!(
        told(&changes)[1..],
        [
            "100 CREATED by user: -".to_owned(),
            format!(
                "100 PENDING by discovered: receipt 1 aaaaaaaa 1018 {} .",
                1_800_000_100
            ),
            "110 RUNNING by marker: started 1 aaaaaaaa 1018 0 c1 110 .".to_owned(),
            "120 FAILED by marker: exit 1 aaaaaaaa 1018 0 3 0 120 .".to_owned(),
            "199 CREATED by user: -".to_owned(),
            format!(
                "200 PENDING by discovered: receipt 1 bbbbbbbb 1019 {} .",
                1_800_000_200
            ),
            "9000 RUNNING by squeue: 1019|RUNNING|…".to_owned(),
        ]
    );
}

#[test]
fn an_earlier_attempt_that_nobody_saw_end_is_unknown_and_the_newest_is_looked_for() {
    let mut directory = found(&made());
    directory.attempts = BTreeMap::from([
        (2, trace("aaaaaaaa", 7, 100)),
        (5, trace("bbbbbbbb", 8, 200)),
    ]);
    let changes = replayed(&directory, &[], &[7, 8]);
    let job = &changes.last().unwrap().job;
    assert_eq!(job.status(), Status::Pending);
    assert_eq!(job.phase(), "unconfirmed");
    let numbers: Vec<u32> = job.attempts.iter().map(|attempt| attempt.n).collect();
    assert_eq!(numbers, [2, 5], "purged attempts leave gaps");
    assert_eq!(job.attempts[0].outcome, Some(Outcome::Unknown));
    assert_eq!(job.attempts[1].outcome, None);
    // Where nothing was answered, nothing is concluded.
    let job = replayed(&directory, &[], &[]).pop().unwrap().job;
    assert_eq!((job.status(), job.phase()), (Status::Pending, "queued"));
}

#[test]
fn a_submission_without_an_answer_is_taken_up_where_it_was() {
    let mut directory = found(&made());
    let lock = AttemptTrace {
        lock: Some(tag("cccccccc")),
        ..AttemptTrace::default()
    };
    directory.attempts = BTreeMap::from([(1, trace("aaaaaaaa", 7, 100)), (2, lock)]);
    let record = Report {
        ended: Some(at(150)),
        ..Report::told(
            &SchedulerId::whole(7),
            Source::Sacct,
            Seen::Ended(End::TimeLimit),
            "TIMEOUT",
            "7|TIMEOUT",
        )
    };
    let job = replayed(&directory, &[record], &[]).pop().unwrap().job;
    assert!(
        matches!(
            &job.state,
            JobState::Submitting {
                step: crate::job::SubmitStep::Sent,
                ..
            }
        ),
        "{:?}",
        job.state
    );
    assert_eq!(job.attempt().unwrap().tag, tag("cccccccc"));
    let failed = Outcome::Failed {
        cause: Cause::TimeLimit,
    };
    assert_eq!(job.attempts[0].outcome, Some(failed));
}

#[test]
fn hostile_descriptions_are_refused_with_a_reason() {
    let job = made();
    let good = String::from_utf8(found(&job).info.unwrap()).unwrap();
    let id = job.id.as_str();
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    for (text, why) in [
        (String::new(), "garbled (line 1"),
        ("[]".to_owned(), "garbled"),
        ("[".repeat(100_000), "garbled"),
        (good[..good.len() / 2].to_owned(), "garbled"),
        (replaced("\"schema\": 1", "\"schema\": 2"), "newer version"),
        (
            replaced(id, "other_01hf3v8k5w2q0c9m7n4r6t1x8z"),
            "is that of other_",
        ),
        (
            replaced(&format!("\"/scratch/{id}\""), &format!("\"/etc/{id}\"")),
            "another scratch_root",
        ),
        (
            replaced("\"run/ubq.namd\"", "\"../../.ssh/id_rsa\""),
            "`config`",
        ),
        (replaced("\"run/ubq.namd\"", "\"/etc/passwd\""), "`config`"),
        (replaced("\"run/out\"", "\"run/../../x\""), "`config`"),
        (
            replaced("\"common/x.psf\"", "\".namdrunner/receipt\""),
            "`files`",
        ),
        (
            replaced("\"bytes\": 12", "\"bytes\": 18446744073709551615"),
            "`files`",
        ),
        (replaced("\"bytes\": 12", "\"bytes\": -1"), "garbled"),
        (replaced("\"Ubiquitin\"", "\"a\\nb\""), "`jobName`"),
        (replaced("\"Größe\"", "\"\\u0000\""), "`labels`"),
        (
            replaced("\"ntasks\": 4", "\"ntasks\": 0"),
            "ntasks must be positive",
        ),
        (replaced(&"ab".repeat(32), "short"), "`configSha256`"),
    ] {
        let directory = Directory {
            info: Some(text.clone().into_bytes()),
            ..found(&job)
        };
        let refused = read_with(&directory).unwrap_err();
        assert!(refused.contains(why), "{why}: {refused}");
        assert!(!refused.contains('\n'));
    }
    let stray = |change: fn(&mut Directory)| {
        let mut directory = found(&job);
        change(&mut directory);
        read_with(&directory).unwrap_err()
    };
    assert!(stray(|d| d.not_ours = Some("it belongs to somebody else")).contains("somebody else"));
    assert!(stray(|d| d.info = None).contains("holds no job_info.json"));
    assert!(stray(|d| d.in_project = false).contains("scratch"));
    assert!(stray(|d| d.name = "../x".into()).contains("no job id"));
}

#[test]
fn a_hostile_attempt_changes_nothing_of_the_job() {
    let job = made();
    let mut directory = found(&job);
    let mut trace = trace("aaaaaaaa", 7, 100);
    trace.asked = Some(r#"{"schema":1,"tag":"aaaaaaaa","askedAt":"2027-01-15T08:00:00Z","jobName":"x","resources":{"ntasks":0}}"#.into());
    directory.attempts = BTreeMap::from([(1, trace)]);
    let draft = read_with(&directory).unwrap();
    assert_eq!(draft.job.spec.name, job.spec.name);
    assert_eq!(draft.job.spec.resources, job.spec.resources);
}

proptest! {
    /// Whatever a byte of the description is turned into, it is read or refused, and never leaves the
    /// roots.
    #[test]
    fn any_damage_is_survived(at in 0_usize..2000, byte in any::<u8>()) {
        let mut directory = found(&made());
        let bytes = directory.info.as_mut().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(draft) = read_with(&directory) {
            prop_assert!(draft.job.spec.project_dir.is_inside(&root("/project")));
            prop_assert!(draft.job.spec.scratch_dir.is_inside(&root("/scratch")));
            let changes = draft.replay(&HashMap::new(), &HashSet::new(), rule(), super::tests::at(9000));
            prop_assert_eq!(changes.last().unwrap().job.status(), Status::Created);
        }
    }
}
