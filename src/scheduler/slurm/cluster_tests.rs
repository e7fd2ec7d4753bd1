//! The same against a real Slurm, over ssh: what only it can tell. Needs the variables of the test
//! cluster's `env.sh`, as tests/run.sh sets them.

use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use jiff::{Timestamp, ToSpan as _};

use super::Slurm;
use crate::scheduler::fake::launch;
use crate::scheduler::{
    CancelTarget, End, FoundAttempt, Launch, LostAttempt, Query, Report, Resources, RunPhase,
    Scheduler as _, SchedulerId, Seen, Source, SourceHealth, Submitted, Tag, Watch, Watched,
};
use crate::shell::{Command, ExitStatus, Output, RemotePath, quote};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run.sh"))
}

/// Runs a command as the test user, by way of sshd and the user's login shell.
fn run(command: &Command) -> Output {
    let mut child = Process::new("ssh")
        .args([
            "-i",
            &variable("NRT_SSH_KEY"),
            "-p",
            &variable("NRT_SSH_PORT"),
        ])
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            variable("NRT_KNOWN_HOSTS")
        ))
        .args(["-o", "BatchMode=yes"])
        .arg(format!("{}@127.0.0.1", variable("NRT_SSH_USER")))
        .arg(command.exec_line())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&command.stdin())
        .unwrap();
    let out = child.wait_with_output().unwrap();
    Output {
        status: ExitStatus::Code(out.status.code().unwrap_or(-1)),
        stdout: out.stdout,
        stderr: out.stderr,
    }
}

fn sh(script: &str) -> String {
    let output = run(&Command::read("test", script));
    format!(
        "{}{}",
        output.text(),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A launch in directories of its own, whose "NAMD" is this shell command.
fn prepared(name: &str, command: &str) -> Launch {
    let nanos = Timestamp::now().as_nanosecond();
    let unique = format!("{nanos:x}{:x}", std::process::id());
    let job = format!("{name}_{unique}");
    let path = |root: &str| {
        RemotePath::parse(&variable(root))
            .unwrap()
            .join(&job)
            .unwrap()
    };
    let (project_dir, scratch) = (path("NRT_PROJECT_ROOT"), path("NRT_SCRATCH_ROOT"));
    sh(&format!(
        "mkdir -p {0}/input_files/run && echo run 1 >{0}/input_files/run/ubq.namd",
        project_dir.quoted()
    ));
    Launch {
        job_id: job
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect(),
        tag: Tag::parse(&format!("t{}", &unique[unique.len() - 16..])).unwrap(),
        project_dir,
        work_dir: scratch.join("1").unwrap(),
        resources: Resources {
            ntasks: Some(1),
            memory: Some("20M".into()),
            walltime: Some(600),
            ..Resources::default()
        },
        command: command.to_owned(),
        ..launch()
    }
}

fn submit(launch: &Launch) -> SchedulerId {
    let output = run(&Slurm.submit(launch));
    match Slurm.parse_submit(&output) {
        Submitted::Accepted { id, .. } => id,
        other => panic!("{other:?}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn watch(launch: &Launch, id: &SchedulerId) -> Watch {
    Watch {
        jobs: vec![Watched {
            id: id.clone(),
            work_dir: launch.work_dir.clone(),
            tag: launch.tag.clone(),
            submitted: Timestamp::now(),
            settled: false,
            open: None,
        }],
        slurm_setup: Vec::new(),
        nonce: "t1".into(),
    }
}

fn ask(watch: &Watch) -> Query {
    let output = run(&Slurm.query(watch));
    let query = Slurm.parse_query(watch, &output);
    assert_eq!(query.squeue, SourceHealth::Ok, "{output:?}");
    query
}

/// Asks until a source says what is waited for.
fn until(watch: &Watch, source: Source, wanted: impl Fn(&Report) -> bool) -> (Report, Query) {
    let deadline = Timestamp::now() + 60.seconds();
    loop {
        let query = ask(watch);
        let found = query
            .reports
            .iter()
            .find(|report| report.source == source && wanted(report));
        if let Some(found) = found {
            return (found.clone(), query.clone());
        }
        assert!(Timestamp::now() < deadline, "{query:?}");
    }
}

fn ended(report: &Report) -> bool {
    matches!(report.state, Seen::Ended(_))
}

fn remove(launch: &Launch) {
    for dir in [&launch.project_dir, &launch.work_dir.parent()] {
        sh(&format!("rm -rf {}", dir.quoted()));
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_job_is_followed_from_submission_to_its_exit_code() {
    let launch = prepared("life", "cat {config} >{log}; sleep 2; exit 3");
    let output = run(&Slurm.submit(&launch));
    let Submitted::Accepted {
        id,
        at,
        repeated: false,
        ..
    } = Slurm.parse_submit(&output)
    else {
        panic!("{output:?}");
    };
    assert!(at.unwrap().duration_since(Timestamp::now()).as_secs().abs() < 60);
    let again = Slurm.parse_submit(&run(&Slurm.submit(&launch)));
    assert!(matches!(&again, Submitted::Accepted { id: same, repeated: true, .. } if *same == id));

    let watch = watch(&launch, &id);
    let (running, _) = until(&watch, Source::Squeue, |report| {
        report.state == Seen::Running(RunPhase::Running)
    });
    assert_eq!(running.time_limit, Some(600));
    let (end, query) = until(&watch, Source::Squeue, ended);
    assert_eq!(end.state, Seen::Ended(End::Failed));
    assert!(end.started.unwrap() <= end.ended.unwrap());
    let marker = query
        .reports
        .iter()
        .find(|report| report.source == Source::Marker)
        .unwrap();
    assert_eq!(marker.exit.unwrap().code, 3);
    let (record, _) = until(&watch, Source::Sacct, ended);
    assert_eq!(record.exit.unwrap().code, 3);
    assert!(record.max_rss.is_some());
    assert!(query.remote_now.is_some() && query.squeue_ms.is_some());
    let log = sh(&format!("cat {}/run/ubq.log", launch.work_dir.quoted()));
    assert_eq!(log, "run 1\n");
    remove(&launch);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn names_that_mean_something_to_slurm_or_a_shell_are_only_names() {
    for name in [
        "it's a \"dir\" %j # $(id) -y",
        "back\\slash%",
        "hetjob",
        "per%cent%%j",
        "bar|bar",
    ] {
        let launch = prepared(name, "cat {config} >{log}");
        let id = submit(&launch);
        let watch = watch(&launch, &id);
        let (end, _) = until(&watch, Source::Squeue, ended);
        assert_eq!(end.state, Seen::Ended(End::Completed), "{name}");
        let (record, _) = until(&watch, Source::Sacct, ended);
        assert_eq!(record.state, Seen::Ended(End::Completed), "{name}");
        let (marker, _) = until(&watch, Source::Marker, ended);
        assert_eq!(marker.exit.unwrap().code, 0, "{name}");
        let out = sh(&format!("ls {}/.namdrunner", launch.work_dir.quoted()));
        assert!(out.contains("slurm"), "{out}");
        remove(&launch);
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn cancelling_what_runs_waits_or_is_gone() {
    let mut launch = prepared("cancel", "trap '' HUP; sleep 300");
    let running = submit(&launch);
    let running_watch = watch(&launch, &running);
    until(&running_watch, Source::Squeue, |report| {
        report.state == Seen::Running(RunPhase::Running)
    });
    launch.work_dir = launch.work_dir.parent().join("2").unwrap();
    launch.resources.extra = vec!["--hold".into()];
    let held = submit(&launch);
    let held_watch = watch(&launch, &held);
    let (report, _) = until(&held_watch, Source::Squeue, |_| true);
    assert_eq!(
        report.state,
        Seen::Waiting {
            held: true,
            requeued: false
        }
    );

    let target = |id: &SchedulerId| CancelTarget {
        id: id.clone(),
        work_dir: launch.work_dir.clone(),
        tag: launch.tag.clone(),
        slurm_setup: Vec::new(),
    };
    let targets = [
        target(&running),
        target(&held),
        target(&SchedulerId::whole(99_999_999)),
    ];
    for _ in 0..2 {
        let output = run(&Slurm.cancel(&targets));
        assert_eq!(Slurm.parse_cancel(&output), Ok(()), "{output:?}");
    }
    for watch in [&running_watch, &held_watch] {
        let (report, _) = until(watch, Source::Sacct, ended);
        assert!(matches!(
            report.state,
            Seen::Ended(End::Cancelled { by_uid: Some(_) })
        ));
    }
    let (marker, _) = until(&running_watch, Source::Marker, ended);
    assert_eq!(
        (marker.exit.unwrap().code, marker.exit.unwrap().signal),
        (143, 15)
    );
    remove(&launch);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_lost_submission_is_found_by_each_trace() {
    let launch = prepared("lost", "sleep 1");
    let lost = [LostAttempt {
        tag: launch.tag.clone(),
        work_dir: launch.work_dir.clone(),
        since: Timestamp::now(),
        slurm_setup: Vec::new(),
    }];
    let find = || {
        let output = run(&Slurm.find(&lost));
        Slurm.parse_find(&lost, &output).remove(0)
    };
    assert_eq!(find(), FoundAttempt::Nothing { locked: false });
    let id = submit(&launch);
    let control = format!("{}/.namdrunner", launch.work_dir.quoted());
    let (_, _) = until(&watch(&launch, &id), Source::Sacct, ended);
    for (hide, expected) in [
        ("true", Source::Marker),
        ("rm receipt", Source::Marker),
        ("rm answer.1", Source::Marker),
        ("rm owner", Source::Squeue),
    ] {
        sh(&format!("cd {control} && {hide}"));
        match find() {
            FoundAttempt::Job {
                id: found, source, ..
            } => {
                assert_eq!((&found, source), (&id, expected), "{hide}");
            }
            other => panic!("{hide}: {other:?}"),
        }
    }
    // What the queue has forgotten, the records know.
    let mut command = Slurm.find(&lost);
    command.script = command
        .script
        .replace("ask squeue squeue", "ask squeue true");
    let output = run(&command);
    let found = Slurm.parse_find(&lost, &output).remove(0);
    assert!(
        matches!(&found, FoundAttempt::Job { id: same, source: Source::Sacct, .. } if *same == id),
        "{found:?}"
    );
    remove(&launch);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn the_guard_lets_a_requeue_pass_and_a_second_job_not() {
    let launch = Launch {
        requeue: true,
        ..prepared(
            "guard",
            "echo $nr_restarts $SLURM_JOB_ID >>runs; [ $nr_restarts != 0 ] || sleep 300",
        )
    };
    let id = submit(&launch);
    let job_watch = watch(&launch, &id);
    until(&job_watch, Source::Squeue, |report| {
        report.state == Seen::Running(RunPhase::Running)
    });
    let second: u64 = sh(&format!(
        "sbatch --parsable {}/.namdrunner/job.sbatch",
        launch.work_dir.quoted()
    ))
    .trim()
    .parse()
    .unwrap();
    let second_watch = watch(&launch, &SchedulerId::whole(second));
    let (record, _) = until(&second_watch, Source::Sacct, ended);
    assert_eq!(record.exit.unwrap().code, 75);
    let words = sh(&format!(
        "cat {}/.namdrunner/slurm-{second}.out",
        launch.work_dir.quoted()
    ));
    assert!(
        words.contains(&format!("belongs to Slurm job {}", id.base)),
        "{words}"
    );

    let base = id.base;
    sh(&format!("scontrol requeue {base}"));
    until(&job_watch, Source::Squeue, |report| {
        matches!(report.state, Seen::Waiting { .. })
    });
    sh(&format!("scontrol update JobId={base} StartTime=now"));
    let (end, _) = until(&job_watch, Source::Squeue, ended);
    assert_eq!(end.state, Seen::Ended(End::Completed), "{end:?}");
    let (marker, _) = until(&job_watch, Source::Marker, ended);
    assert_eq!((marker.exit.unwrap().code, marker.restarts), (0, Some(1)));
    let (record, _) = until(&job_watch, Source::Sacct, |report| {
        ended(report) && report.restarts == Some(1)
    });
    assert_eq!(record.state, Seen::Ended(End::Completed));
    let runs = sh(&format!(
        "cat {}",
        quote(&format!("{}/runs", launch.work_dir))
    ));
    assert_eq!(runs, format!("0 {base}\n1 {base}\n"));
    remove(&launch);
}
