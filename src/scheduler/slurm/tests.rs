//! Our scripts run for real, against a Slurm of shell scripts.

use std::fmt::Write as _;

use std::process::Command as Process;

use super::Slurm;
use crate::scheduler::fake::{Machine, shells};
use crate::scheduler::{Launch, Scheduler as _, Submitted, Tag};
use crate::shell::Output;

fn submit(machine: &Machine, launch: &Launch) -> Submitted {
    let output = machine.run(&Slurm.submit(launch));
    let answer = Slurm.parse_submit(&output);
    if matches!(&answer, Submitted::Unknown { detail } if detail.starts_with("the answer")) {
        panic!("{answer:?}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    answer
}

fn accepted(answer: &Submitted) -> (u64, bool) {
    match answer {
        Submitted::Accepted {
            id, repeated, at, ..
        } => {
            assert!(at.is_some());
            (id.base, *repeated)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_accepted_job_is_submitted_once_in_every_shell() {
    for sh in shells() {
        let machine = Machine::new().with_sh(&sh);
        machine.sbatch("echo 1018");
        let launch = machine.launch();
        assert_eq!(
            accepted(&submit(&machine, &launch)),
            (1018, false),
            "{sh:?}"
        );
        assert_eq!(accepted(&submit(&machine, &launch)), (1018, true), "{sh:?}");
        assert_eq!(machine.sbatch_calls(), 1);
        assert_eq!(machine.read("scratch/job/1/common/x.psf"), "psf\n");
        assert!(machine.path("scratch/job/1/run/out").is_dir());
        assert_eq!(
            machine.read("scratch/job/1/.namdrunner/job.sbatch"),
            Slurm.script(&launch)
        );
        let args = machine.read("sbatch.args");
        assert!(args.contains("--parsable\n"), "{args}");
        assert!(args.contains("--comment=namdrunner:k3j5h2g8\n"), "{args}");
        assert!(args.ends_with(".namdrunner/job.sbatch\n"), "{args}");
    }
}

/// What sbatch writes on a real 22.05 (pasted), and how it is sorted.
#[test]
fn refusals_are_told_from_unknowns() {
    let cases = include_str!("../../../tests/data/slurm/sbatch-errors.txt");
    let mut table = String::new();
    for case in cases.split("\n\n").filter(|case| !case.trim().is_empty()) {
        let (head, errors) = case.trim().split_once('\n').unwrap_or((case.trim(), ""));
        let code = head
            .trim_start_matches("# exit ")
            .split(' ')
            .next()
            .unwrap();
        let machine = Machine::new();
        machine.write("err", &format!("{errors}\n"));
        machine.sbatch(&format!("cat \"$M/err\" >&2; exit {code}"));
        let launch = machine.launch();
        let answer = submit(&machine, &launch);
        writeln!(table, "{answer:?}").unwrap();
        let again = Tag::parse("zzzzzzzz").unwrap();
        let other = Launch {
            tag: again,
            ..launch.clone()
        };
        machine.sbatch("echo 7");
        match answer {
            Submitted::Rejected { .. } | Submitted::NotReached { .. } => {
                // The directory is free for another submission of the same number.
                assert_eq!(accepted(&submit(&machine, &other)), (7, false));
            }
            Submitted::Unknown { .. } => {
                assert!(matches!(
                    submit(&machine, &launch),
                    Submitted::Unknown { .. }
                ));
                assert!(matches!(
                    submit(&machine, &other),
                    Submitted::NotStaged { .. }
                ));
                assert_eq!(machine.sbatch_calls(), 1, "never asked twice");
            }
            other => panic!("{other:?}"),
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_id_counts_whatever_else_sbatch_says() {
    let machine = Machine::new();
    machine.sbatch(
        "echo 'lua: hello'; echo '1018;blue'; echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1",
    );
    let launch = machine.launch();
    let Submitted::Accepted { id, repeated, .. } = submit(&machine, &launch) else {
        panic!();
    };
    assert_eq!((id.to_string().as_str(), repeated), ("1018;blue", false));
}

#[test]
fn a_shell_killed_before_the_receipt_loses_nothing() {
    let machine = Machine::new();
    machine.sbatch(
        r#"echo 1018; exec >&-; kill -9 $(readlink "$M/scratch/job/1/.namdrunner/lock.1" | cut -d' ' -f3)"#,
    );
    let launch = machine.launch();
    let output = machine.run(&Slurm.submit(&launch));
    assert!(matches!(
        Slurm.parse_submit(&output),
        Submitted::Unknown { .. }
    ));
    assert!(!machine.path("scratch/job/1/.namdrunner/receipt").exists());
    // The answer's file is written by a process of its own, which may need a moment.
    while !machine
        .read("scratch/job/1/.namdrunner/answer.1")
        .contains("1018")
    {
        std::thread::yield_now();
    }
    assert_eq!(accepted(&submit(&machine, &launch)), (1018, true));
    assert_eq!(machine.sbatch_calls(), 1);
}

#[test]
fn an_abandoned_lock_is_taken_over_only_when_asked_or_harmless() {
    let machine = Machine::new();
    machine.sbatch("echo 1018");
    let launch = machine.launch();
    let host = String::from_utf8(
        std::process::Command::new("uname")
            .arg("-n")
            .output()
            .unwrap()
            .stdout,
    )
    .unwrap();
    let host = host.trim();
    let control = machine.path("scratch/job/1/.namdrunner");
    std::fs::create_dir_all(&control).unwrap();
    let lock = |k: u32, holder: &str| {
        std::os::unix::fs::symlink(holder, control.join(format!("lock.{k}"))).unwrap();
    };
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let asked_again = Launch {
        take_over: true,
        ..launch.clone()
    };

    // Somebody is at it, here or on another login node.
    lock(1, &format!("k3j5h2g8 {host} {}", std::process::id()));
    for launch in [&launch, &asked_again] {
        assert!(matches!(
            submit(&machine, launch),
            Submitted::Unknown { .. }
        ));
    }
    lock(2, "k3j5h2g8 another-node 1");
    assert!(matches!(
        submit(&machine, &launch),
        Submitted::Unknown { .. }
    ));
    // It died, and may have asked sbatch.
    lock(3, &format!("k3j5h2g8 {host} {}", dead.id()));
    std::fs::write(control.join("sending.3"), "").unwrap();
    assert!(matches!(
        submit(&machine, &launch),
        Submitted::Unknown { .. }
    ));
    assert_eq!(machine.sbatch_calls(), 0);
    assert_eq!(accepted(&submit(&machine, &asked_again)), (1018, false));
    assert!(control.join("lock.4").is_symlink());

    // It died before it asked: nothing can have happened.
    let machine = Machine::new();
    machine.sbatch("echo 1019");
    let launch = machine.launch();
    let control = machine.path("scratch/job/1/.namdrunner");
    std::fs::create_dir_all(&control).unwrap();
    std::os::unix::fs::symlink(
        format!("k3j5h2g8 {host} {}", dead.id()),
        control.join("lock.1"),
    )
    .unwrap();
    assert_eq!(accepted(&submit(&machine, &launch)), (1019, false));
}

#[test]
fn many_submissions_at_once_make_one_job() {
    let machine = Machine::new();
    machine.sbatch("echo 1018");
    let launch = machine.launch();
    let answers: Vec<Submitted> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| submit(&machine, &launch)))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let first = answers
        .iter()
        .filter(|answer| {
            matches!(
                answer,
                Submitted::Accepted {
                    repeated: false,
                    ..
                }
            )
        })
        .count();
    assert_eq!((first, machine.sbatch_calls()), (1, 1), "{answers:?}");
    for answer in answers {
        assert!(
            matches!(
                answer,
                Submitted::Accepted { .. } | Submitted::Unknown { .. }
            ),
            "{answer:?}"
        );
    }
}

#[test]
fn a_directory_of_another_submission_is_left_alone() {
    let machine = Machine::new();
    machine.sbatch("echo 1018");
    let launch = machine.launch();
    submit(&machine, &launch);
    machine.write("scratch/job/1/out.dcd", "a month of work");
    let other = Launch {
        tag: Tag::parse("zzzzzzzz").unwrap(),
        take_over: true,
        ..launch
    };
    let Submitted::NotStaged { reason, quota } = submit(&machine, &other) else {
        panic!();
    };
    assert!(reason.contains("already holds job 1018"), "{reason}");
    assert!(!quota);
    assert_eq!(machine.sbatch_calls(), 1);
    assert_eq!(machine.read("scratch/job/1/out.dcd"), "a month of work");
}

#[test]
fn a_lock_whose_holder_died_before_it_asked_holds_nobody_up() {
    let machine = Machine::new();
    machine.sbatch("echo 1018");
    let launch = machine.launch();
    let host = Process::new("uname").arg("-n").output().unwrap().stdout;
    let host = String::from_utf8(host).unwrap();
    let mut dead = Process::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let control = machine.path("scratch/job/1/.namdrunner");
    std::fs::create_dir_all(&control).unwrap();
    let lock = format!("zzzzzzzz {} {}", host.trim(), dead.id());
    std::os::unix::fs::symlink(lock, control.join("lock.1")).unwrap();
    // It had begun to ask: the batch system may have its job.
    std::fs::write(control.join("sending.1"), "").unwrap();
    let held = submit(&machine, &launch);
    assert!(
        matches!(&held, Submitted::NotStaged { reason, .. } if reason.contains("is held by another")),
        "{held:?}"
    );
    assert_eq!(machine.sbatch_calls(), 0);
    std::fs::remove_file(control.join("sending.1")).unwrap();
    assert_eq!(accepted(&submit(&machine, &launch)), (1018, false));
    let left: Vec<_> = std::fs::read_dir(&control)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("slip"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn staging_that_fails_asks_nobody_and_frees_the_lock() {
    let machine = Machine::new();
    machine.sbatch("echo 1018");
    machine.write("blocked", "a file, not a directory");
    let launch = machine.launch();
    let blocked = Launch {
        work_dir: machine.remote("blocked/1"),
        ..launch.clone()
    };
    let Submitted::NotStaged {
        reason,
        quota: false,
    } = submit(&machine, &blocked)
    else {
        panic!();
    };
    assert!(reason.contains("Not a directory"), "{reason}");

    machine.program(
        "cp",
        "echo \"cp: error writing 'x.psf': No space left on device\" >&2; exit 1",
    );
    let Submitted::NotStaged {
        reason,
        quota: true,
    } = submit(&machine, &launch)
    else {
        panic!();
    };
    assert!(reason.contains("No space left"), "{reason}");
    // A cp without --reflink.
    machine.program(
        "cp",
        "case $* in *--reflink*) echo 'cp: illegal option -- -' >&2; exit 64;; esac; exec /bin/cp \"$@\"",
    );
    assert_eq!(accepted(&submit(&machine, &launch)), (1018, false));
    assert_eq!(machine.sbatch_calls(), 1);

    std::fs::remove_dir_all(machine.path("project/job/input_files")).unwrap();
    let gone = Launch {
        work_dir: machine.remote("scratch/job/2"),
        ..launch
    };
    assert!(matches!(
        submit(&machine, &gone),
        Submitted::NotStaged { .. }
    ));
}

#[test]
fn sbatch_that_cannot_be_run_is_no_mystery() {
    let machine = Machine::new();
    let launch = machine.launch();
    let with = |setup: &str| Launch {
        slurm_setup: vec![setup.to_owned()],
        ..launch.clone()
    };
    for setup in [
        "PATH=/usr/bin:/bin; unset -f sbatch; alias sbatch=/nonexistent/sbatch; hash -r; PATH=/nonexistent:$M/none",
        "echo 'module: no such module' >&2; exit 1",
        "if broken",
    ] {
        machine.sbatch("echo 1018");
        let Submitted::NotStaged { reason, .. } = submit(&machine, &with(setup)) else {
            panic!("{setup}");
        };
        assert!(reason.contains("sbatch"), "{reason}");
    }
    assert_eq!(machine.sbatch_calls(), 0);
    // Noisy, strict, and changing everything it can reach.
    let noisy = "echo 4711; echo 'error: Socket timed out' >&2; cd /; tag=x control=/ work=/ k=9; read line; set -eu";
    assert_eq!(accepted(&submit(&machine, &with(noisy))), (1018, false));
}

#[test]
fn texts_cut_on_their_way_do_nothing() {
    let machine = Machine::new();
    machine.sbatch("echo 1018");
    let launch = machine.launch();
    let command = Slurm.submit(&launch);
    let whole = command.stdin();
    let script = command.script.len();
    for cut in [10, script / 2, script - 3, script - 2] {
        let output = machine.run_with(&command, &whole[..cut]);
        assert!(matches!(
            Slurm.parse_submit(&output),
            Submitted::Unknown { .. }
        ));
        assert!(!machine.path("scratch/job").exists(), "{cut}");
    }
    // Our commands are there, the job script is not.
    let output = machine.run_with(&command, &whole[..script + 40]);
    let Submitted::NotStaged { reason, .. } = Slurm.parse_submit(&output) else {
        panic!("{output:?}");
    };
    assert!(reason.contains("did not arrive whole"), "{reason}");
    assert_eq!(machine.sbatch_calls(), 0);
    assert_eq!(accepted(&submit(&machine, &launch)), (1018, false));
}

#[test]
fn names_that_mean_something_to_a_shell_are_only_names() {
    let name = "it's a \"dir\" %j # $(touch pwned) `touch pwned` -y\\n;&*?[a]~";
    for sh in shells() {
        let machine = Machine::new().with_sh(&sh);
        machine.sbatch("pwd >\"$M/cwd\"; echo 1018");
        machine.write(
            &format!("project/{name}/input_files/-x {name}.namd"),
            "run 1\n",
        );
        let launch = Launch {
            project_dir: machine.remote(&format!("project/{name}")),
            work_dir: machine.remote(&format!("scratch/{name}/1")),
            output_dirs: vec![format!("-out {name}")],
            ..machine.launch()
        };
        assert_eq!(
            accepted(&submit(&machine, &launch)),
            (1018, false),
            "{sh:?}"
        );
        assert!(
            machine
                .path(&format!("scratch/{name}/1/-x {name}.namd"))
                .exists()
        );
        assert!(
            machine
                .path(&format!("scratch/{name}/1/-out {name}"))
                .is_dir()
        );
        let cwd = machine.read("cwd");
        assert_eq!(cwd.trim_end(), launch.work_dir.as_str());
        assert_eq!(accepted(&submit(&machine, &launch)), (1018, true));
        assert!(!machine.read("sbatch.args").contains("pwned\n"));
        for dir in ["", "home", &format!("scratch/{name}/1")] {
            assert!(!machine.path(dir).join("pwned").exists());
        }
    }
}

#[test]
fn any_login_shell_will_do() {
    for shell in ["csh", "tcsh", "zsh", "bash", "mksh", "yash"] {
        if std::process::Command::new(shell)
            .args(["-c", "true"])
            .output()
            .is_err()
        {
            continue;
        }
        let machine = Machine::new().with_login_shell(shell);
        for file in [".cshrc", ".tcshrc", ".zshenv"] {
            machine.write(&format!("home/{file}"), "echo Welcome to blue\necho 4711\n");
        }
        machine.sbatch("echo 1018");
        let launch = machine.launch();
        assert_eq!(
            accepted(&submit(&machine, &launch)),
            (1018, false),
            "{shell}"
        );
    }
}

#[test]
fn an_answer_that_is_not_whole_is_unknown() {
    let machine = Machine::new();
    machine.sbatch("echo 1018");
    let launch = machine.launch();
    let output = machine.run(&Slurm.submit(&launch));
    let whole = Slurm.parse_submit(&output);
    assert_eq!(accepted(&whole).0, 1018);
    for end in 0..output.stdout.len() {
        let cut = Output {
            stdout: output.stdout[..end].to_vec(),
            ..output.clone()
        };
        assert!(
            matches!(Slurm.parse_submit(&cut), Submitted::Unknown { .. }),
            "{end}"
        );
    }
}
