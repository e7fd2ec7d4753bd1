//! Arrays: real texts of squeue and sacct, read member by member; the job script and its trees run
//! for real in several shells.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command as Process;

use super::Slurm;
use crate::scheduler::fake::{Machine, shells};
use crate::scheduler::{
    Array, End, FoundAttempt, Launch, LostAttempt, MemberSet, Query, Report, RunPhase,
    Scheduler as _, SchedulerId, Seen, Source, SourceHealth, Tag, Watch, Watched,
};
use crate::shell::RemotePath;

const QUEUE: &str = include_str!("../../../tests/data/slurm/squeue-22.05-arrays.txt");
const RECORDS: &str = include_str!("../../../tests/data/slurm/sacct-22.05-arrays.txt");

fn watched(base: u64, open: &str) -> Watched {
    Watched {
        id: SchedulerId::whole(base),
        work_dir: RemotePath::parse(&format!("/scratch/rep{base}/1")).unwrap(),
        tag: Tag::parse("zzzz9999").unwrap(),
        submitted: "2026-11-25T08:03:15Z".parse().unwrap(),
        settled: false,
        open: Some(MemberSet::parse(open).unwrap_or_default()),
    }
}

fn machine() -> Machine {
    machine_with(QUEUE, RECORDS)
}

/// sacct answers as the real one: a member's own record for its id, everything for the array's.
fn machine_with(queue: &str, records: &str) -> Machine {
    let machine = Machine::new();
    machine.write("queue", queue);
    machine.write("records", records);
    machine.program(
        "squeue",
        r#"echo "$SLURM_BITSTR_LEN" >"$M/bits"; cat "$M/queue""#,
    );
    machine.program(
        "sacct",
        r#"ids= ; while [ $# != 0 ]; do [ "$1" != -j ] || ids=,$2,; shift; done
echo "$ids" >>"$M/asked"
while IFS= read -r line; do id=${line%%[|.]*}
case $ids in *,"$id",*) printf '%s\n' "$line"; continue ;; esac
case $ids in *,"${id%%_*}",*) printf '%s\n' "$line" ;; esac; done <"$M/records""#,
    );
    machine
}

fn ask(machine: &Machine, jobs: Vec<Watched>) -> Query {
    let watch = Watch {
        jobs,
        slurm_setup: Vec::new(),
        nonce: "n0nce".into(),
    };
    let query = Slurm.parse_query(&watch, &machine.run(&Slurm.query(&watch)));
    assert_eq!(query.squeue, SourceHealth::Ok);
    assert!(query.odd_lines.is_empty(), "{:?}", query.odd_lines);
    assert!(query.reports.is_empty() && query.absent.is_empty());
    query
}

/// `member source=word … [absent] [unrecorded]`, a line for members of which the same is said.
fn told(query: &Query) -> Vec<String> {
    let lines = query.members.iter().map(|seen| {
        let mut line = format!("{}_{}", seen.id, seen.members);
        for report in &seen.reports {
            assert_eq!(report.id, seen.id);
            write!(line, " {}={}", report.source.name(), report.word).unwrap();
        }
        if seen.absent {
            line.push_str(" absent");
        }
        if seen.unrecorded {
            line.push_str(" unrecorded");
        }
        line
    });
    lines.collect()
}

fn report(query: &Query, member: u32, source: Source) -> &Report {
    let seen = query
        .members
        .iter()
        .find(|seen| seen.members.contains(member));
    let reports = &seen.unwrap().reports;
    reports
        .iter()
        .find(|report| report.source == source)
        .unwrap()
}

#[test]
fn members_that_wait_stand_together_and_those_that_run_alone() {
    for sh in shells() {
        for awk in [
            "/usr/bin/gawk",
            "/usr/bin/mawk",
            "/bin/busybox",
            "/usr/bin/original-awk",
        ] {
            if !std::path::Path::new(awk).exists() {
                continue;
            }
            let machine = machine().with_sh(&sh);
            std::os::unix::fs::symlink(awk, machine.path("bin/awk")).unwrap();
            let query = ask(
                &machine,
                vec![
                    watched(73, "0-5"),
                    watched(1073, "0-5"),
                    watched(78, "0-999:3"),
                ],
            );
            assert_eq!(
                told(&query),
                [
                    "73_0 squeue=RUNNING",
                    "73_1 squeue=RUNNING",
                    "73_2-5 squeue=PENDING",
                    "1073_0 squeue=COMPLETED sacct=COMPLETED",
                    "1073_1 squeue=FAILED sacct=FAILED",
                    "1073_2-3 squeue=PENDING",
                    // Cancelled while the others waited: Slurm has forgotten them.
                    "1073_4-5 absent unrecorded",
                    &format!("78_{} squeue=PENDING", MemberSet::parse("0-999:3").unwrap()),
                ],
                "{sh:?} {awk}"
            );
            // Some are missing everywhere: then the whole array is asked for.
            assert_eq!(machine.read("asked"), ",1073,\n", "{sh:?} {awk}");
            assert_eq!(machine.read("bits"), "0\n");
            let failed = report(&query, 1, Source::Squeue);
            assert_eq!(
                failed.state,
                Seen::Running(RunPhase::Running),
                "of array 73"
            );
        }
    }
}

#[test]
fn records_are_asked_for_one_by_one_when_the_queue_tells_of_all() {
    let machine = machine();
    let query = ask(&machine, vec![watched(1073, "0-3")]);
    assert_eq!(machine.read("asked"), ",1073_0,1073_1,\n");
    let failed = report(&query, 1, Source::Sacct);
    assert_eq!(failed.state, Seen::Ended(End::Failed));
    assert_eq!(failed.exit.unwrap().code, 3);
    assert_eq!(failed.max_rss, Some(4280 << 10));
    assert!(failed.started.is_some() && failed.nodes.is_some());
}

#[test]
fn members_that_ended_before_are_asked_about_no_more() {
    let machine = machine();
    let query = ask(&machine, vec![watched(1073, "2-3"), watched(1089, "1")]);
    assert_eq!(
        told(&query),
        ["1073_2-3 squeue=PENDING", "1089_1 squeue=PENDING"]
    );
    assert_eq!(machine.read("asked"), "");
    let held = Seen::Waiting {
        held: true,
        requeued: false,
    };
    assert_eq!(report(&query, 1, Source::Squeue).state, held);
}

#[test]
fn a_member_that_ended_and_is_back_is_told_of() {
    let machine = machine();
    // Of a job that has ended, and of one whose member 0 has.
    for (settled, open) in [(true, ""), (false, "1-5")] {
        let job = Watched {
            settled,
            ..watched(1086, open)
        };
        let query = ask(&machine, vec![job]);
        let back: Vec<String> = told(&query)
            .into_iter()
            .filter(|line| line.starts_with("1086_0 "))
            .collect();
        assert_eq!(back, ["1086_0 squeue=PENDING"], "{settled}");
        assert_eq!(query.members.len(), if settled { 1 } else { 3 });
    }
}

#[test]
fn a_shared_record_is_not_about_a_member_that_has_its_own() {
    let machine = machine();
    let query = ask(&machine, vec![watched(1086, "0-5")]);
    // squeue's row of those that wait is kept up ([2-5]); sacct's is not ([1-5]).
    assert_eq!(
        told(&query),
        [
            "1086_0 squeue=PENDING",
            "1086_1 squeue=CANCELLED by 1001 sacct=CANCELLED by 1001",
            "1086_2-5 squeue=CANCELLED by 1001 sacct=CANCELLED by 1001",
        ]
    );
    assert!(report(&query, 1, Source::Sacct).started.is_some());
    let waited = report(&query, 4, Source::Sacct);
    assert_eq!((waited.started, &waited.nodes), (None, &None));
}

#[test]
fn after_the_queue_has_forgotten_the_records_tell() {
    let machine = machine_with("", RECORDS);
    let query = ask(
        &machine,
        vec![
            watched(77, "1,3,5,7,9"),
            watched(1073, "0-5"),
            watched(1091, "0-3"),
        ],
    );
    assert_eq!(
        told(&query),
        [
            // The record of an array that nobody had started has the bare number, and no directory.
            "77_1,3,5,7,9 sacct=CANCELLED by 1001 absent",
            "1073_0 sacct=COMPLETED absent",
            "1073_1 sacct=FAILED absent",
            "1073_2-5 absent unrecorded",
            "1091_0,3 sacct=CANCELLED by 1001 absent",
            "1091_1 absent unrecorded",
            "1091_2 sacct=CANCELLED by 1001 absent",
        ]
    );
    assert_eq!(machine.read("asked"), ",77,1073,1091,\n");
    machine.program(
        "sacct",
        "echo 'sacct: error: Problem talking to the database' >&2; exit 1",
    );
    let query = ask(&machine, vec![watched(1073, "0-5")]);
    assert_eq!(
        told(&query),
        ["1073_0-5 absent"],
        "nothing is known of records"
    );
}

#[test]
fn a_member_s_marker_counts_when_it_is_its_own() {
    let machine = machine_with("", "");
    let dir = machine.remote("scratch/job/1");
    let job = Watched {
        work_dir: dir,
        ..watched(90, "0-3")
    };
    for (member, line) in [
        (0, "exit 1 zzzz9999 90_0 0 0 0 1800000000 .\n"),
        (1, "exit 1 zzzz9999 90_1 0 3 0 1800000000 .\n"),
        // Another submission's, and another member's.
        (2, "exit 1 zzzz9999 89_2 0 3 0 1800000000 .\n"),
        (3, "exit 1 zzzz9999 90_2 0 3 0 1800000000 .\n"),
    ] {
        machine.write(&format!("scratch/job/1/{member}/.namdrunner/exit"), line);
    }
    // What Slurm wrote into a member's output names the number that the member has alone.
    machine.write(
        "scratch/job/1/.namdrunner/slurm-90_1.out",
        "slurmstepd: error: *** JOB 93 ON c1 CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LIMIT ***\n",
    );
    machine.write(
        "scratch/job/1/1/.namdrunner/started",
        "started 1 zzzz9999 90_1 0 c1 1800000000 .\n",
    );
    let watch = Watch {
        jobs: vec![job],
        slurm_setup: Vec::new(),
        nonce: "n0nce".into(),
    };
    let query = Slurm.parse_query(&watch, &machine.run(&Slurm.query(&watch)));
    assert_eq!(
        told(&query),
        [
            "90_0 marker=exit 0 absent unrecorded",
            "90_1 log=TIMEOUT marker=exit 3 absent unrecorded",
            "90_2-3 absent unrecorded",
        ]
    );
    assert_eq!(query.odd_lines.len(), 2);
}

#[test]
fn a_cut_answer_never_forgets_a_member() {
    let machine = machine_with("", RECORDS);
    let watch = Watch {
        jobs: vec![watched(1073, "0-5"), watched(77, "1,3,5,7,9")],
        slurm_setup: Vec::new(),
        nonce: "n0nce".into(),
    };
    let output = machine.run(&Slurm.query(&watch));
    let mut full: BTreeMap<u32, bool> = BTreeMap::new();
    for seen in &Slurm.parse_query(&watch, &output).members {
        for member in seen.members.iter().filter(|_| seen.id.base == 1073) {
            full.insert(member, seen.unrecorded);
        }
    }
    assert_eq!(full.values().filter(|unrecorded| **unrecorded).count(), 4);
    for end in 0..=output.stdout.len() {
        let cut = crate::shell::Output {
            stdout: output.stdout[..end].to_vec(),
            ..output.clone()
        };
        for seen in &Slurm.parse_query(&watch, &cut).members {
            assert!(!seen.unrecorded || end >= output.stdout.len() - 1, "{end}");
        }
    }
}

/// A launch of three members whose "NAMD" tells where it is.
fn array(machine: &Machine, text: &str, command: &str) -> Launch {
    Launch {
        array: Some(Array::parse(text).unwrap()),
        command: command.to_owned(),
        ..machine.launch()
    }
}

/// Submits, and runs the script as the members of the array that sbatch named.
fn run_members(machine: &Machine, sh: &str, id: u64, members: &[u32]) -> Vec<i32> {
    let run = |member: &u32| {
        let status = Process::new(sh)
            .arg(machine.path("scratch/job/1/.namdrunner/job.sbatch"))
            .env("SLURM_JOB_ID", (id + 1 + u64::from(*member)).to_string())
            .env("SLURM_ARRAY_JOB_ID", id.to_string())
            .env("SLURM_ARRAY_TASK_ID", member.to_string())
            .status()
            .unwrap();
        status.code().unwrap()
    };
    members.iter().map(run).collect()
}

#[test]
fn each_member_runs_in_a_tree_of_its_own() {
    for sh in ["bash", "dash"] {
        let machine = Machine::new();
        machine.sbatch("echo 500");
        let command = "echo $NAMDRUNNER_INDEX {index}_x >$PWD/seen; echo mine >>common/x.psf; \
                       cat {config} >{log}; test {index} != 1";
        let launch = array(&machine, "0-2%2", command);
        machine.write(
            "project/job/input_files/common/big.dat",
            &"x".repeat(3 << 20),
        );
        let output = machine.run(&Slurm.submit(&launch));
        let submitted = Slurm.parse_submit(&output);
        assert!(
            matches!(&submitted, crate::scheduler::Submitted::Accepted { id, .. } if id.base == 500),
            "{submitted:?}"
        );
        assert!(machine.read("sbatch.args").contains("--array=0-2%2"));
        assert!(
            !machine.path("scratch/job/1/run").exists(),
            "no tree of the whole array"
        );
        assert_eq!(run_members(&machine, sh, 500, &[0, 1, 2]), [0, 1, 0]);
        for member in 0..3 {
            let at = |name: &str| format!("scratch/job/1/{member}/{name}");
            assert_eq!(machine.read(&at("seen")), format!("{member} {member}_x\n"));
            assert_eq!(machine.read(&at("run/ubq.log")), "run 1\n");
            // What one writes over is its own.
            assert_eq!(machine.read(&at("common/x.psf")), "psf\nmine\n");
            assert!(machine.path(&at("run/out")).is_dir());
            let code = i32::from(member == 1);
            let mark = machine.read(&at(".namdrunner/exit"));
            assert!(
                mark.starts_with(&format!("exit 1 k3j5h2g8 500_{member} 0 {code} 0 ")),
                "{mark}"
            );
        }
        assert_eq!(
            machine.read("scratch/job/1/input_files/common/x.psf"),
            "psf\n"
        );
        // A large file is not copied for each where the file system cannot clone; and then nobody
        // can write to it.
        let big = machine.path("scratch/job/1/0/common/big.dat");
        let meta = std::fs::metadata(&big).unwrap();
        let shared = std::os::unix::fs::MetadataExt::nlink(&meta) > 1;
        assert_eq!(meta.permissions().readonly(), shared);
        // Another submission of the same attempt stops, and disturbs nobody.
        assert_eq!(run_members(&machine, sh, 700, &[0, 2]), [75, 75]);
        assert!(
            machine
                .read("scratch/job/1/0/.namdrunner/exit")
                .contains(" 500_0 ")
        );
        // A requeued member goes on in its tree.
        machine.write("scratch/job/1/2/run/ubq.restart.coor", "half");
        assert_eq!(run_members(&machine, sh, 500, &[2]), [0]);
        assert_eq!(machine.read("scratch/job/1/2/run/ubq.restart.coor"), "half");
        assert_eq!(
            machine.read("scratch/job/1/2/common/x.psf"),
            "psf\nmine\nmine\n"
        );
    }
}

#[test]
fn a_member_whose_tree_cannot_be_made_says_so() {
    let machine = Machine::new();
    machine.sbatch("echo 500");
    machine.run(&Slurm.submit(&array(&machine, "0-2", "true {config}")));
    std::fs::remove_dir_all(machine.path("scratch/job/1/input_files")).unwrap();
    assert_eq!(run_members(&machine, "bash", 500, &[1]), [73]);
    let mark = machine.read("scratch/job/1/1/.namdrunner/exit");
    assert!(mark.starts_with("exit 1 k3j5h2g8 500_1 0 73 0 "), "{mark}");
}

#[test]
fn a_repeated_submission_of_an_array_gets_the_first_id() {
    let machine = Machine::new();
    machine.sbatch("echo 500");
    let launch = array(&machine, "0-2", "true {config}");
    for _ in 0..3 {
        let output = machine.run(&Slurm.submit(&launch));
        let submitted = Slurm.parse_submit(&output);
        assert!(
            matches!(&submitted, crate::scheduler::Submitted::Accepted { id, .. } if id.base == 500),
            "{submitted:?}"
        );
    }
    assert_eq!(machine.sbatch_calls(), 1);
}

#[test]
fn a_lost_array_is_found_by_any_member_s_row() {
    for queue in [
        "500_[2-5%2]|PENDING|2026-11-25T08:03:15|namdrunner:k3j5h2g8|DIR\n",
        "500_1|RUNNING|2026-11-25T08:03:15|namdrunner:k3j5h2g8|DIR\n",
    ] {
        let machine = Machine::new();
        let launch = array(&machine, "0-5", "true {config}");
        let lost = [LostAttempt {
            tag: launch.tag.clone(),
            work_dir: launch.work_dir.clone(),
            since: "2026-11-25T08:03:15Z".parse().unwrap(),
            slurm_setup: Vec::new(),
        }];
        let row = queue.replace("DIR", launch.work_dir.as_str());
        machine.write("queue", &row);
        machine.program("squeue", "cat \"$M/queue\"");
        machine.program("sacct", "true");
        let found = Slurm.parse_find(&lost, &machine.run(&Slurm.find(&lost)));
        assert!(
            matches!(&found[0], FoundAttempt::Job { id, .. } if *id == SchedulerId::whole(500)),
            "{found:?}"
        );
    }
}
