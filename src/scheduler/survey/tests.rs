//! The survey on a machine of its own, in every shell that is there, and what is read from it.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::scheduler::Scheduler as _;
use crate::scheduler::fake::{Machine, shells};
use crate::scheduler::slurm::Slurm;

const ONE: &str = "ubq-300-k_01hf3v8k5w2q0c9m7n4r6t1x8z";
const TWO: &str = "a_01hf3v8k5w2q0c9m7n4r6t1x90";
const GONE: &str = "b_01hf3v8k5w2q0c9m7n4r6t1x00";

fn ask(machine: &Machine, known: &[&str]) -> SurveyAsk {
    SurveyAsk {
        project_root: machine.remote("project"),
        scratch_root: machine.remote("scratch"),
        known: known.iter().map(|&id| id.to_owned()).collect(),
        slurm_setup: Vec::new(),
        nonce: "n1".into(),
    }
}

/// Two jobs, one of them known, with the attempts that real ones leave; a purged one, an upload that
/// is not whole; and things that are none of ours.
fn furnish(machine: &Machine) {
    machine.program(
        "squeue",
        "echo '1019|RUNNING|2026-11-23T21:50:31|namdrunner:k3j5h2g8|ubq|/scratch/ubq/2'\n\
         echo '7|PENDING|2026-11-23T21:50:31|(null)|mine|/home/me'",
    );
    for id in [ONE, TWO] {
        let info = format!(
            "{{\n  \"jobId\": \"{id}\",\n  \"config\": \"run/ubq.namd\",\n  \"x\": 1\n}}\n"
        );
        machine.write(&format!("project/{id}/job_info.json"), &info);
        machine.write(&format!("project/{id}/sha256sums"), "sums\n");
        machine.write(
            &format!("project/{id}/input_files/run/ubq.namd"),
            "run 1 ;# \u{e9}\n",
        );
        machine.write(
            &format!("project/{id}/attempts/1/asked"),
            "{\"schema\":1}\n",
        );
        machine.write(
            &format!("project/{id}/attempts/1/receipt"),
            "receipt 1 aaaaaaaa 1018 1800000000 .\n",
        );
    }
    let control = format!("scratch/{ONE}/2/.namdrunner");
    machine.write(
        &format!("{control}/receipt"),
        "receipt 1 k3j5h2g8 1019 1800000100 .\n",
    );
    machine.write(
        &format!("{control}/started"),
        "started 1 k3j5h2g8 1019 0 c1 1800000110 .\n",
    );
    machine.write(
        &format!("{control}/exit"),
        "exit 1 k3j5h2g8 1019 0 3 0 1800000120 .\n",
    );
    let held = format!("scratch/{ONE}/3/.namdrunner");
    machine.write(&format!("{held}/job.sbatch"), "");
    symlink(
        "zzzzzzzz login1 77",
        machine.path(&format!("{held}/lock.1")),
    )
    .unwrap();
    let given_back = format!("scratch/{ONE}/4/.namdrunner");
    machine.write(&format!("{given_back}/over.1"), "");
    symlink(
        "yyyyyyyy login1 77",
        machine.path(&format!("{given_back}/lock.1")),
    )
    .unwrap();
    machine.write(
        &format!("scratch/{GONE}/1/.namdrunner/receipt"),
        "half a rec\n",
    );
    machine.write("project/c_01hf3v8k5w2q0c9m7n4r6t1x01.partial-abc123/x", "");
    machine.write("project/notes/job_info.json", "{}");
    machine.write("project/A_01hf3v8k5w2q0c9m7n4r6t1x01/job_info.json", "{}");
    machine.write("elsewhere/job_info.json", "{}");
    symlink(
        machine.path("elsewhere"),
        machine.path("project/link_01hf3v8k5w2q0c9m7n4r6t1x02"),
    )
    .unwrap();
}

fn survey(machine: &Machine, known: &[&str]) -> Survey {
    let ask = ask(machine, known);
    let output = machine.run(&Slurm.survey(&ask));
    assert!(output.ok(), "{output:?}");
    Slurm.parse_survey(&ask, &output)
}

#[test]
fn every_shell_finds_the_same() {
    for sh in shells() {
        let machine = Machine::new().with_sh(&sh);
        furnish(&machine);
        let found = survey(&machine, &[TWO]);
        assert_eq!(found.listing, SourceHealth::Ok, "{sh:?}");
        assert_eq!(found.queue, SourceHealth::Ok, "{sh:?}");
        let names: Vec<&str> = found.directories.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(
            names,
            [
                TWO,
                ONE,
                "link_01hf3v8k5w2q0c9m7n4r6t1x02",
                "c_01hf3v8k5w2q0c9m7n4r6t1x01",
                GONE,
            ],
            "the newest first, {sh:?}"
        );
        let [two, one, link, partial, purged] = found.directories.as_slice() else {
            unreachable!()
        };
        // Of a known job no file is read, and its attempts are.
        assert_eq!((&two.info, &two.config), (&None, &None));
        assert_eq!(two.attempts.len(), 1);
        assert_eq!(one.config.as_deref(), Some("run 1 ;# \u{e9}\n".as_bytes()));
        assert_eq!(one.sums.as_deref(), Some(&b"sums\n"[..]));
        assert!(one.info.as_ref().unwrap().starts_with(b"{\n  \"jobId\""));
        assert!(one.in_project && one.in_scratch && one.not_ours.is_none());
        let first = &one.attempts[&1];
        assert_eq!(first.asked.as_deref(), Some("{\"schema\":1}"));
        assert_eq!(first.receipt.as_ref().unwrap().id, SchedulerId::whole(1018));
        let second = &one.attempts[&2];
        assert_eq!(second.receipt.as_ref().unwrap().tag.as_str(), "k3j5h2g8");
        assert_eq!(
            second.started.as_ref().unwrap().at.as_second(),
            1_800_000_110
        );
        assert_eq!(second.exit.as_ref().unwrap().code, 3);
        assert_eq!(one.attempts[&3].lock.as_ref().unwrap().as_str(), "zzzzzzzz");
        assert!(!one.attempts.contains_key(&4), "a lock that was given back");
        assert!(link.not_ours.is_some() && link.info.is_none());
        assert!(partial.partial && !partial.in_project);
        assert!(purged.in_scratch && !purged.in_project && purged.attempts.is_empty());
        assert_eq!(found.queued.len(), 2);
        assert_eq!(
            found.odd_lines,
            [format!("{GONE}: attempt 1 mark half a rec")],
            "{sh:?}"
        );
    }
}

#[test]
fn one_root_for_both_and_roots_that_are_not_there() {
    let machine = Machine::new();
    furnish(&machine);
    let mut ask = ask(&machine, &[]);
    ask.scratch_root = ask.project_root.clone();
    let found = Slurm.parse_survey(&ask, &machine.run(&Slurm.survey(&ask)));
    assert_eq!(found.listing, SourceHealth::Ok);
    assert!(
        found
            .directories
            .iter()
            .any(|d| d.name == ONE && d.in_project && d.in_scratch)
    );
    ask.project_root = machine.remote("nothing");
    ask.scratch_root = machine.remote("nothing");
    let found = Slurm.parse_survey(&ask, &machine.run(&Slurm.survey(&ask)));
    assert_eq!(found.listing, SourceHealth::Ok);
    assert!(found.directories.is_empty());
}

#[test]
fn large_files_and_links_are_withheld() {
    let machine = Machine::new();
    furnish(&machine);
    machine.write(
        &format!("project/{ONE}/job_info.json"),
        &"x".repeat((1 << 20) + 1),
    );
    std::fs::remove_file(machine.path(&format!("project/{TWO}/job_info.json"))).unwrap();
    symlink(
        "/etc/passwd",
        machine.path(&format!("project/{TWO}/job_info.json")),
    )
    .unwrap();
    let found = survey(&machine, &[]);
    let of = |name: &str| found.directories.iter().find(|d| d.name == name).unwrap();
    assert!(of(ONE).withheld.as_ref().unwrap().contains("1048577 bytes"));
    assert!(of(TWO).withheld.as_ref().unwrap().contains("symbolic link"));
    assert!(of(ONE).info.is_none() && of(TWO).info.is_none());
}

#[test]
fn a_config_that_leads_out_of_the_inputs_is_not_read() {
    let machine = Machine::new();
    furnish(&machine);
    machine.write(&format!("project/{ONE}/secret"), "secret");
    machine.write(
        &format!("project/{ONE}/job_info.json"),
        "{\n  \"config\": \"../secret\",\n  \"x\": 1\n}\n",
    );
    let found = survey(&machine, &[]);
    let one = found.directories.iter().find(|d| d.name == ONE).unwrap();
    assert!(one.info.is_some() && one.config.is_none());
}

#[test]
fn a_cut_answer_is_no_list() {
    let machine = Machine::new();
    furnish(&machine);
    let ask = ask(&machine, &[]);
    let whole = machine.run(&Slurm.survey(&ask));
    for at in (0..whole.stdout.len()).step_by(97) {
        let mut cut = whole.clone();
        cut.stdout.truncate(at);
        let found = Slurm.parse_survey(&ask, &cut);
        assert!(!found.queue.is_ok() || at + 2 > whole.stdout.len(), "{at}");
        if found.listing.is_ok() {
            assert_eq!(found.directories.len(), 5, "{at}");
        }
    }
}

#[test]
fn a_failing_queue_leaves_the_directories() {
    let machine = Machine::new();
    furnish(&machine);
    machine.program("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1");
    let found = survey(&machine, &[]);
    assert!(found.listing.is_ok());
    assert!(
        matches!(&found.queue, SourceHealth::Failed { exit: Some(1), why } if why.contains("Unable to contact")),
        "{:?}",
        found.queue
    );
}

proptest! {
    #[test]
    fn any_lines_are_read(lines in proptest::collection::vec("(attempt [0-9]{1,3} (asked|mark|lock) )?(receipt|started|exit)?( 1 [a-z]{8} [0-9]+)?\\PC{0,40}", 0..8)) {
        let body = lines.iter().fold(String::new(), |all, line| all + "|" + line + "\n");
        let text = format!(
            "@namdrunner n1 begin dir {ONE}\n{body}@namdrunner n1 end dir {ONE} lines={}\n",
            lines.len()
        );
        let machine_less = SurveyAsk {
            project_root: RemotePath::root(),
            scratch_root: RemotePath::root(),
            known: Vec::new(),
            slurm_setup: Vec::new(),
            nonce: "n1".into(),
        };
        let output = Output { stdout: text.into_bytes(), ..Output::default() };
        let found = Slurm.parse_survey(&machine_less, &output);
        prop_assert!(!found.listing.is_ok());
    }
}
