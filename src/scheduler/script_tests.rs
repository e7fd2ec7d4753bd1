//! What the scripts look like, and that shells can read them.

use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use super::direct::Direct;
use super::fake::{launch, shells};
use super::slurm::Slurm;
use super::survey::SurveyAsk;
use super::{
    Array, CancelTarget, Launch, LostAttempt, Resources, Scheduler, SchedulerId, Tag, Watch,
    Watched,
};
use crate::shell::RemotePath;

/// A launch that asks for everything.
fn full() -> Launch {
    Launch {
        job_name: "Ubiquitin:\n300 K".into(),
        resources: Resources {
            nodes: Some(2),
            ntasks: Some(16),
            cpus_per_task: Some(4),
            memory: Some("4G".into()),
            walltime: Some(90_000),
            partition: Some("gpu # now".into()),
            qos: Some("high".into()),
            account: Some("hetjob-lab".into()),
            gres: Some("gpu:a100:2".into()),
            constraint: Some("a&b".into()),
            extra: vec![
                "--mail-type=END".into(),
                "#SBATCH --exclusive".into(),
                " ".into(),
                "--reservation=x\nrm -rf ~".into(),
            ],
        },
        setup: vec!["module load namd/3.0".into(), "export X='a b'".into()],
        slurm_setup: vec!["module load slurm".into()],
        command: "srun -n {ntasks} -N {nodes} namd3 +p {cores} {config} | awk '{print {x}}'".into(),
        requeue: true,
        ..launch()
    }
}

/// A launch of an array.
fn array() -> Launch {
    Launch {
        array: Some(Array::parse("0-9%4").unwrap()),
        command: "namd3 +p{cores} --seed {index} {config} >{log}".into(),
        ..launch()
    }
}

fn watch() -> Watch {
    Watch {
        jobs: vec![Watched {
            id: SchedulerId::whole(1018),
            work_dir: RemotePath::parse("/scratch/me/ubq/1").unwrap(),
            tag: Tag::parse("k3j5h2g8").unwrap(),
            submitted: jiff::Timestamp::UNIX_EPOCH,
            settled: false,
            open: None,
        }],
        slurm_setup: vec!["module load slurm".into()],
        nonce: "n0nce".into(),
    }
}

fn lost() -> Vec<LostAttempt> {
    vec![LostAttempt {
        tag: Tag::parse("k3j5h2g8").unwrap(),
        work_dir: RemotePath::parse("/scratch/me/ubq/1").unwrap(),
        since: "2026-11-23T21:50:29Z".parse().unwrap(),
        slurm_setup: vec!["module load slurm".into()],
    }]
}

fn targets() -> Vec<CancelTarget> {
    ["1018", "3_7", "3_[8-9%2]", "12+1", "44;blue"]
        .iter()
        .map(|id| CancelTarget {
            id: SchedulerId::parse(id).unwrap(),
            work_dir: RemotePath::parse("/scratch/me/ubq/1").unwrap(),
            tag: Tag::parse("k3j5h2g8").unwrap(),
            slurm_setup: Vec::new(),
        })
        .collect()
}

fn survey() -> SurveyAsk {
    SurveyAsk {
        project_root: RemotePath::parse("/home/me/it's mine").unwrap(),
        scratch_root: RemotePath::parse("/scratch/me").unwrap(),
        known: Vec::new(),
        slurm_setup: vec!["module load slurm".into()],
        nonce: "n0nce".into(),
    }
}

/// Every script that is made, by name.
fn all() -> Vec<(&'static str, String)> {
    let mut scripts = Vec::new();
    let schedulers: [(&dyn Scheduler, [&'static str; 7]); 2] = [
        (
            &Slurm,
            [
                "slurm-job",
                "slurm-job-full",
                "slurm-submit",
                "slurm-query",
                "slurm-find",
                "slurm-cancel",
                "slurm-survey",
            ],
        ),
        (
            &Direct,
            [
                "direct-job",
                "direct-job-full",
                "direct-submit",
                "direct-query",
                "direct-find",
                "direct-cancel",
                "direct-survey",
            ],
        ),
    ];
    for (scheduler, names) in schedulers {
        if names[0] == "slurm-job" {
            scripts.push(("slurm-array-job", scheduler.script(&array())));
            scripts.push(("slurm-array-submit", scheduler.submit(&array()).script));
        }
        let texts = [
            scheduler.script(&launch()),
            scheduler.script(&full()),
            scheduler.submit(&full()).script,
            scheduler.query(&watch()).script,
            scheduler.find(&lost()).script,
            scheduler.cancel(&targets()).script,
            scheduler.survey(&survey()).script,
        ];
        scripts.extend(names.into_iter().zip(texts));
    }
    let id = SchedulerId::parse("3_7").unwrap();
    let setup = ["module load slurm".to_owned()];
    let adopt = Slurm.hand_made(&id, &setup).unwrap();
    scripts.push(("slurm-adopt", adopt.script));
    scripts
}

#[test]
fn scripts_read_like_this() {
    for (name, text) in all() {
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn every_shell_can_read_them() {
    for sh in shells() {
        for (name, text) in all() {
            let mut shell = Process::new(&sh);
            if sh.ends_with("busybox") {
                shell.arg("sh");
            }
            let mut child = shell
                .arg("-n")
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            let out = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success(), "{sh:?} {name}: {said}");
        }
    }
}

/// What shellcheck may say: variables that other parts use or set (2034, 2154), words that are
/// meant to be split (2046, 2086), texts that are evaluated later (2016, 2089, 2090), `A && B || C`
/// where B cannot fail (2015), files that are not there (1090, 1091), functions called by traps
/// (2317, 2329), exit statuses looked at in groups (2181, 2320), variables emptied (1007), `done` as
/// a plain word (1010), words of `case` and `[` that are put in by us (2050, 2195),
/// names of commands kept in variables (2209), `ls` whose names are filtered by their form (2012).
const EXPECTED: &str = "2034,2154,2046,2086,2016,2089,2090,2015,1090,1091,2317,2329,2181,2320,1007,2195,1010,2050,2209,2012";

#[test]
#[ignore = "needs tests/run.sh"]
fn shellcheck_finds_nothing_unexpected() {
    for (name, text) in all() {
        let shell = if name.starts_with("slurm") && name.contains("job") {
            "bash"
        } else {
            "sh"
        };
        let mut child = Process::new("shellcheck")
            .args(["-s", shell, "-e", EXPECTED, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let out = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{name}: {said}");
    }
}

#[test]
fn what_is_sent_holds_no_secret_comment_for_the_login_shell() {
    // The line for the login shell is the same for every command but for a number.
    for command in [
        Slurm.query(&watch()),
        Direct.query(&watch()),
        Slurm.submit(&full()),
    ] {
        let line = command.exec_line();
        assert!(
            !line.contains("scratch") && !line.contains("k3j5"),
            "{line}"
        );
        assert!(command.script.starts_with("{\n") && command.script.ends_with("}\n"));
    }
}
