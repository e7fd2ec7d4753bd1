//! Our scripts run for real, in a temporary directory each.

use std::path::Path;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use super::Direct;
use crate::scheduler::fake::{Machine, shells};
use crate::scheduler::{
    CancelTarget, End, FoundAttempt, Launch, LostAttempt, Report, RunPhase, Scheduler as _,
    SchedulerId, Seen, Source, SourceHealth, Submitted, Tag, Watch, Watched,
};
use crate::shell::Output;

const WAITING: Seen = Seen::Waiting {
    held: false,
    requeued: false,
};
const RUNNING: Seen = Seen::Running(RunPhase::Running);

/// A launch whose "NAMD" is this shell command, in `scratch/<name>/1`.
fn prepared(machine: &Machine, name: &str, command: &str) -> Launch {
    Launch {
        work_dir: machine.remote(&format!("scratch/{name}/1")),
        command: command.to_owned(),
        ..machine.launch()
    }
}

fn submit(machine: &Machine, launch: &Launch) -> SchedulerId {
    let output = machine.run(&Direct.submit(launch));
    match Direct.parse_submit(&output) {
        Submitted::Accepted {
            id,
            repeated: false,
            ..
        } => id,
        other => panic!("{other:?}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn watch(launch: &Launch, id: &SchedulerId) -> Watch {
    Watch {
        jobs: vec![Watched {
            id: id.clone(),
            work_dir: launch.work_dir.clone(),
            tag: launch.tag.clone(),
            submitted: jiff::Timestamp::UNIX_EPOCH,
            settled: false,
            open: None,
        }],
        slurm_setup: Vec::new(),
        nonce: "n1".into(),
    }
}

fn look(machine: &Machine, launch: &Launch, id: &SchedulerId) -> Option<Report> {
    let watch = watch(launch, id);
    let output = machine.run(&Direct.query(&watch));
    let mut query = Direct.parse_query(&watch, &output);
    assert_eq!(query.marker, SourceHealth::Ok, "{output:?}");
    assert!(query.remote_now.is_some());
    assert!(query.odd_lines.is_empty(), "{:?}", query.odd_lines);
    query.reports.pop()
}

fn until(machine: &Machine, launch: &Launch, id: &SchedulerId, state: &Seen) -> Report {
    wait_for(|| look(machine, launch, id).filter(|report| report.state == *state))
        .unwrap_or_else(|| panic!("{state:?} did not come: {:?}", look(machine, launch, id)))
}

fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = what();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
    }
}

fn cancel(machine: &Machine, launch: &Launch, id: &SchedulerId) -> Result<(), String> {
    let target = CancelTarget {
        id: id.clone(),
        work_dir: launch.work_dir.clone(),
        tag: launch.tag.clone(),
        slurm_setup: Vec::new(),
    };
    Direct.parse_cancel(&machine.run(&Direct.cancel(&[target])))
}

fn fifo(machine: &Machine, name: &str) -> String {
    let path = machine.path(name);
    assert!(
        Process::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path.display().to_string()
}

fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map_or('Z', |(_, rest)| rest.chars().next().unwrap_or('Z'));
    state != 'Z'
}

fn kill_group(id: &SchedulerId) {
    Process::new("kill")
        .args(["-9", "--", &format!("-{}", id.base)])
        .status()
        .unwrap();
}

#[test]
fn a_job_runs_detached_and_leaves_its_exit_code() {
    for sh in shells() {
        // No bash: then it is the job script's shell, too.
        let machine = Machine::new()
            .with_sh(&sh)
            .with_only(&[BASE, &["setsid", "flock"]].concat());
        let gate = fifo(&machine, "gate");
        let launch = prepared(
            &machine,
            "life",
            &format!("cat {{config}} >{{log}}; echo cores {{cores}}; read line <{gate}; exit 3"),
        );
        let id = submit(&machine, &launch);
        let report = until(&machine, &launch, &id, &RUNNING);
        assert!(report.started.is_some(), "{sh:?}");
        assert_eq!(report.source, Source::Marker);
        let again = Direct.parse_submit(&machine.run(&Direct.submit(&launch)));
        assert!(
            matches!(&again, Submitted::Accepted { id: same, repeated: true, .. } if *same == id),
            "{sh:?}: {again:?}"
        );
        std::fs::write(&gate, "go\n").unwrap();
        let report = until(&machine, &launch, &id, &Seen::Ended(End::Failed));
        assert_eq!(report.exit.unwrap().code, 3);
        assert!(report.ended.is_some());
        assert_eq!(machine.read("scratch/life/1/run/ubq.log"), "run 1\n");
        assert_eq!(
            machine.read("scratch/life/1/.namdrunner/job.out"),
            "cores 8\n"
        );
        assert_eq!(cancel(&machine, &launch, &id), Ok(()), "gone is no error");
    }
}

#[test]
fn a_job_that_ended_between_two_looks_tells_when_it_started() {
    let machine = Machine::new();
    let launch = prepared(&machine, "short", "true");
    let id = submit(&machine, &launch);
    assert!(
        wait_for(|| machine
            .path("scratch/short/1/.namdrunner/exit")
            .exists()
            .then_some(()))
        .is_some()
    );
    let report = look(&machine, &launch, &id).unwrap();
    assert_eq!(report.state, Seen::Ended(End::Completed));
    assert!(report.started.is_some() && report.started <= report.ended);
    assert!(report.nodes.is_some());
    // Cancelled while it waited, it never started.
    let gate = fifo(&machine, "gate");
    let first = prepared(&machine, "first", &format!("read line <{gate}"));
    let second = Launch {
        tag: Tag::parse("tag00002").unwrap(),
        ..prepared(&machine, "second", "true")
    };
    let (a, b) = (submit(&machine, &first), submit(&machine, &second));
    until(&machine, &first, &a, &RUNNING);
    for (launch, id) in [(&second, &b), (&first, &a)] {
        assert_eq!(cancel(&machine, launch, id), Ok(()));
        let report = until(&machine, launch, id, &Seen::Ended(End::Failed));
        assert_eq!(report.started.is_some(), launch.tag == first.tag);
    }
}

#[test]
fn jobs_wait_for_a_slot_by_themselves() {
    let machine = Machine::new();
    let gate = fifo(&machine, "gate");
    let launches: Vec<Launch> = (0..3)
        .map(|n| Launch {
            tag: Tag::parse(&format!("tag0000{n}")).unwrap(),
            max_running: 2,
            ..prepared(&machine, &format!("job{n}"), &format!("read line <{gate}"))
        })
        .collect();
    let ids: Vec<SchedulerId> = launches
        .iter()
        .map(|launch| submit(&machine, launch))
        .collect();
    until(&machine, &launches[0], &ids[0], &RUNNING);
    until(&machine, &launches[1], &ids[1], &RUNNING);
    let waiting = look(&machine, &launches[2], &ids[2]).unwrap();
    assert_eq!(waiting.state, WAITING);
    assert!(waiting.reason.unwrap().contains("free slot"));
    assert!(waiting.submitted.is_some());
    // A job that is killed without a word gives its slot back as well.
    kill_group(&ids[0]);
    until(&machine, &launches[2], &ids[2], &RUNNING);
    for n in [1, 2] {
        assert_eq!(cancel(&machine, &launches[n], &ids[n]), Ok(()));
        let report = until(&machine, &launches[n], &ids[n], &Seen::Ended(End::Failed));
        assert_eq!(report.exit.unwrap().signal, 15);
    }
}

#[test]
fn a_waiting_job_is_cancelled_like_a_running_one() {
    let machine = Machine::new();
    let first = prepared(
        &machine,
        "first",
        "echo $$ >pid; sleep 1000; echo never >after",
    );
    let second = Launch {
        tag: Tag::parse("tag00002").unwrap(),
        ..prepared(&machine, "second", "echo never >ran")
    };
    let (a, b) = (submit(&machine, &first), submit(&machine, &second));
    until(&machine, &first, &a, &RUNNING);
    assert_eq!(look(&machine, &second, &b).unwrap().state, WAITING);
    for (launch, id) in [(&second, &b), (&first, &a)] {
        assert_eq!(cancel(&machine, launch, id), Ok(()));
        let report = until(&machine, launch, id, &Seen::Ended(End::Failed));
        let exit = report.exit.unwrap();
        assert_eq!((exit.code, exit.signal), (143, 15));
    }
    assert!(!machine.path("scratch/second/1/ran").exists());
    assert!(!machine.path("scratch/first/1/after").exists());
    assert!(wait_for(|| (!lives(&a.base.to_string())).then_some(())).is_some());
}

#[test]
fn what_does_not_heed_is_killed_when_asked_again() {
    let machine = Machine::new();
    let launch = prepared(
        &machine,
        "deaf",
        "trap '' TERM; echo $$ >pid; while :; do sleep 1; done",
    );
    let id = submit(&machine, &launch);
    until(&machine, &launch, &id, &RUNNING);
    wait_for(|| (!machine.read("scratch/deaf/1/pid").is_empty()).then_some(())).unwrap();
    assert_eq!(cancel(&machine, &launch, &id), Ok(()));
    assert!(lives(&id.base.to_string()));
    machine.write("scratch/deaf/1/.namdrunner/cancelled", "1000\n");
    assert_eq!(cancel(&machine, &launch, &id), Ok(()));
    let report = until(&machine, &launch, &id, &Seen::Ended(End::Failed));
    assert_eq!(report.exit.unwrap().signal, 9);
    assert!(wait_for(|| (!lives(&id.base.to_string())).then_some(())).is_some());
}

#[test]
fn a_process_that_vanished_is_missed_twice_before_it_is_gone() {
    let machine = Machine::new();
    let launch = prepared(&machine, "gone", "sleep 1000");
    let id = submit(&machine, &launch);
    until(&machine, &launch, &id, &RUNNING);
    kill_group(&id);
    wait_for(|| (!lives(&id.base.to_string())).then_some(())).unwrap();
    assert_eq!(look(&machine, &launch, &id), None);
    let report = look(&machine, &launch, &id).unwrap();
    assert!(
        matches!(&report.state, Seen::Ended(End::Vanished { detail }) if detail.contains("killed")),
        "{report:?}"
    );
}

#[test]
fn a_number_that_belongs_to_another_process_is_neither_ours_nor_ended() {
    let machine = Machine::new();
    let launch = prepared(&machine, "reused", "sleep 1000");
    let id = submit(&machine, &launch);
    until(&machine, &launch, &id, &RUNNING);
    let control = "scratch/reused/1/.namdrunner";
    let started = machine.read(&format!("{control}/started"));
    let words: Vec<&str> = started.split_whitespace().collect();
    let (birth, boot, host) = (words[8], words[9], words[5]);
    let pretend = |from: &str, to: &str| {
        machine.write(&format!("{control}/started"), &started.replace(from, to));
        let _ = std::fs::remove_file(machine.path(&format!("{control}/missed")));
    };

    pretend(birth, "12345");
    assert_eq!(look(&machine, &launch, &id), None);
    assert_eq!(cancel(&machine, &launch, &id), Ok(()));
    assert!(lives(&id.base.to_string()), "it is another's now");

    pretend(boot, "another-boot");
    look(&machine, &launch, &id);
    let report = look(&machine, &launch, &id).unwrap();
    assert!(
        matches!(report.state, Seen::Ended(End::Vanished { detail }) if detail.contains("restarted"))
    );

    // On another machine nothing can be seen from here, and nothing ended.
    machine.write(
        &format!("{control}/started"),
        &started
            .replace(boot, "another-boot")
            .replace(&format!(" {host} "), " elsewhere "),
    );
    assert_eq!(look(&machine, &launch, &id).unwrap().state, RUNNING);
    let said = cancel(&machine, &launch, &id).unwrap_err();
    assert!(said.contains("runs on elsewhere"), "{said}");

    machine.write(&format!("{control}/started"), &started);
    assert_eq!(look(&machine, &launch, &id).unwrap().state, RUNNING);
    assert_eq!(cancel(&machine, &launch, &id), Ok(()));
    until(&machine, &launch, &id, &Seen::Ended(End::Failed));
}

#[test]
fn a_second_start_of_the_same_attempt_stops_itself() {
    let machine = Machine::new();
    let launch = prepared(&machine, "twice", "echo ran >>runs; sleep 1000");
    let id = submit(&machine, &launch);
    until(&machine, &launch, &id, &RUNNING);
    let control = machine.path("scratch/twice/1/.namdrunner");
    let lost = [LostAttempt {
        tag: launch.tag.clone(),
        work_dir: launch.work_dir.clone(),
        since: jiff::Timestamp::UNIX_EPOCH,
        slurm_setup: Vec::new(),
    }];
    let found = |expected: &SchedulerId| {
        let output = machine.run(&Direct.find(&lost));
        let found = Direct.parse_find(&lost, &output).remove(0);
        assert!(
            matches!(&found, FoundAttempt::Job { id, .. } if id == expected),
            "{found:?}"
        );
    };
    found(&id);
    std::fs::remove_file(control.join("receipt")).unwrap();
    found(&id);
    std::fs::remove_file(control.join("answer.1")).unwrap();
    found(&id);
    // As if the first submission had died without a trace but for the process itself.
    std::fs::remove_file(control.join("lock.1")).unwrap();
    let again = Direct.parse_submit(&machine.run(&Direct.submit(&launch)));
    assert!(
        matches!(&again, Submitted::Accepted { id: same, repeated: true, .. } if *same == id),
        "{again:?}"
    );
    assert_eq!(machine.read("scratch/twice/1/runs"), "ran\n");
    assert_eq!(cancel(&machine, &launch, &id), Ok(()));
    until(&machine, &launch, &id, &Seen::Ended(End::Failed));

    let nowhere = [LostAttempt {
        work_dir: machine.remote("scratch/nowhere/1"),
        ..lost[0].clone()
    }];
    let output = machine.run(&Direct.find(&nowhere));
    assert_eq!(
        Direct.parse_find(&nowhere, &output),
        [FoundAttempt::Nothing { locked: false }]
    );
    assert!(matches!(
        Direct.parse_find(&nowhere, &Output::default()).remove(0),
        FoundAttempt::Unanswered { .. }
    ));
}

#[test]
fn names_that_mean_something_to_a_shell_are_only_names() {
    let name = "it's a \"dir\" %j # $(touch pwned) `touch pwned` -y\\n;&*?[a]~";
    for sh in shells() {
        let machine = Machine::new().with_sh(&sh);
        let config = format!("-x {name}.namd");
        machine.write(&format!("project/{name}/input_files/{config}"), "run 1\n");
        let launch = Launch {
            job_name: format!("{name}\ntouch pwned"),
            project_dir: machine.remote(&format!("project/{name}")),
            config,
            log: format!("-x {name}.log"),
            output_dirs: vec![format!("-out {name}")],
            ..prepared(&machine, name, "cat {config} >{log}")
        };
        let id = submit(&machine, &launch);
        until(&machine, &launch, &id, &Seen::Ended(End::Completed));
        assert_eq!(
            machine.read(&format!("scratch/{name}/1/-x {name}.log")),
            "run 1\n"
        );
        for dir in ["", "home", &format!("scratch/{name}/1")] {
            assert!(!machine.path(dir).join("pwned").exists(), "{sh:?}");
        }
    }
}

/// What every machine has, macOS included.
const BASE: &[&str] = &[
    "dd", "cat", "date", "uname", "ln", "readlink", "mkdir", "cp", "wc", "tee", "mv", "rm", "ps",
    "tr", "sleep", "printf", "echo", "[", "true", "kill",
];

#[test]
fn machines_without_setsid_or_flock_do_as_well() {
    for more in [&["perl"][..], &["bash"][..], &["bash", "setsid"][..]] {
        let mut programs = BASE.to_vec();
        programs.extend(more);
        // Job control needs a terminal in dash, not in bash, which is sh on macOS.
        let sh = if more == ["bash"] {
            "/bin/bash"
        } else {
            "/bin/sh"
        };
        let machine = Machine::new().with_sh(Path::new(sh)).with_only(&programs);
        let first = prepared(&machine, "first", "sleep 1000");
        let second = Launch {
            tag: Tag::parse("tag00002").unwrap(),
            ..prepared(&machine, "second", "exit 0")
        };
        let a = submit(&machine, &first);
        until(&machine, &first, &a, &RUNNING);
        let b = submit(&machine, &second);
        assert_eq!(
            look(&machine, &second, &b).unwrap().state,
            WAITING,
            "{more:?}"
        );
        // Killed without a word: its slot is taken over.
        kill_group(&a);
        until(&machine, &second, &b, &Seen::Ended(End::Completed));
        let third = Launch {
            tag: Tag::parse("tag00003").unwrap(),
            ..prepared(&machine, "third", "sleep 1000")
        };
        let c = submit(&machine, &third);
        until(&machine, &third, &c, &RUNNING);
        assert_eq!(cancel(&machine, &third, &c), Ok(()));
        let report = until(&machine, &third, &c, &Seen::Ended(End::Failed));
        assert_eq!(report.exit.unwrap().signal, 15, "{more:?}");
    }
}

#[test]
fn setup_runs_before_and_a_missing_program_is_an_exit_code() {
    let machine = Machine::new();
    let launch = Launch {
        setup: vec![
            "PATH=$PATH:/nowhere".into(),
            "export GREETING='hello you'".into(),
            "cd /".into(),
        ],
        ..prepared(
            &machine,
            "setup",
            "echo \"$GREETING\"; pwd; nonesuch {config}",
        )
    };
    let id = submit(&machine, &launch);
    let report = until(&machine, &launch, &id, &Seen::Ended(End::Failed));
    assert_eq!(report.exit.unwrap().code, 127);
    // No {log} in the command: what it prints goes to the log.
    let log = machine.read("scratch/setup/1/run/ubq.log");
    assert!(
        log.starts_with(&format!("hello you\n{}\n", launch.work_dir)),
        "{log}"
    );
}

#[test]
fn a_directory_that_is_gone_is_absent() {
    let machine = Machine::new();
    let launch = prepared(&machine, "never", "true");
    let watch = watch(&launch, &SchedulerId::whole(1));
    let output = machine.run(&Direct.query(&watch));
    let query = Direct.parse_query(&watch, &output);
    assert_eq!(query.absent, [SchedulerId::whole(1)]);
    assert!(query.reports.is_empty());
}

#[test]
fn a_cut_answer_says_nothing() {
    let machine = Machine::new();
    let launch = prepared(&machine, "cut", "exit 3");
    let id = submit(&machine, &launch);
    until(&machine, &launch, &id, &Seen::Ended(End::Failed));
    let watch = watch(&launch, &id);
    let output = machine.run(&Direct.query(&watch));
    for end in 0..output.stdout.len() {
        let cut = Output {
            stdout: output.stdout[..end].to_vec(),
            ..output.clone()
        };
        let query = Direct.parse_query(&watch, &cut);
        assert!(query.reports.is_empty() && query.absent.is_empty(), "{end}");
        assert!(matches!(query.marker, SourceHealth::Failed { .. }));
    }
}
