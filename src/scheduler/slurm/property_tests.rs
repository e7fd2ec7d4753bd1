//! What the readers of Slurm's answers promise for any text: an answer that was cut says nothing that
//! the whole one does not, and values read back.

use proptest::prelude::*;

use super::Slurm;
use super::text::{bytes, duration, exit, slurm_time, time, walltime};
use crate::scheduler::control::ExitMark;
use crate::scheduler::fake::Machine;
use crate::scheduler::{
    CancelTarget, FoundAttempt, LostAttempt, Scheduler as _, SchedulerId, Source, Submitted, Tag,
};
use crate::shell::Output;

/// An answer's beginnings, without the answer itself.
fn beginnings(output: &Output) -> impl Iterator<Item = Output> {
    (0..output.stdout.len()).map(|end| Output {
        stdout: output.stdout[..end].to_vec(),
        ..output.clone()
    })
}

#[test]
fn a_cut_answer_to_a_submission_is_unknown() {
    let refusal =
        "echo 'sbatch: error: Batch job submission failed: Invalid qos specification' >&2; exit 1";
    let down = "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' >&2; exit 1";
    for sbatch in ["echo 1018", refusal, down, "/nonexistent/sbatch"] {
        let machine = Machine::new();
        machine.sbatch(sbatch);
        let output = machine.run(&Slurm.submit(&machine.launch()));
        let whole = Slurm.parse_submit(&output);
        assert!(!matches!(whole, Submitted::Unknown { .. }), "{whole:?}");
        for cut in beginnings(&output) {
            let read = Slurm.parse_submit(&cut);
            assert!(
                matches!(read, Submitted::Unknown { .. }),
                "{sbatch}: {read:?}"
            );
        }
    }
}

#[test]
fn a_cut_search_finds_the_same_or_has_no_answer() {
    let machine = Machine::new();
    let lost = |tag: &str, dir: &str| LostAttempt {
        tag: Tag::parse(tag).unwrap(),
        work_dir: machine.remote(dir),
        since: jiff::Timestamp::UNIX_EPOCH,
        slurm_setup: Vec::new(),
    };
    let attempts = [
        lost("receipt1", "scratch/a/1"),
        lost("queued12", "scratch/b/1"),
        lost("record12", "scratch/c/1"),
        lost("nothing1", "scratch/d/1"),
    ];
    machine.write(
        "scratch/a/1/.namdrunner/receipt",
        "receipt 1 receipt1 11 1800000000 .\n",
    );
    machine.program(
        "squeue",
        "echo '12|PENDING|2026-11-23T21:50:29|namdrunner:queued12|/elsewhere'",
    );
    machine.program(
        "sacct",
        "echo \"13|FAILED|2026-11-23T21:50:29|$M/scratch/c/1\"",
    );
    let output = machine.run(&Slurm.find(&attempts));
    let whole = Slurm.parse_find(&attempts, &output);
    let ids: Vec<Option<(String, Source)>> = whole
        .iter()
        .map(|found| match found {
            FoundAttempt::Job { id, source, .. } => Some((id.to_string(), *source)),
            _ => None,
        })
        .collect();
    let expected = [
        ("11", Source::Marker),
        ("12", Source::Squeue),
        ("13", Source::Sacct),
    ];
    let expected = expected.map(|(id, source)| Some((id.to_owned(), source)));
    assert_eq!(ids[..3], expected, "{whole:?}");
    assert_eq!(whole[3], FoundAttempt::Nothing { locked: false });
    for cut in beginnings(&output) {
        for (read, whole) in Slurm.parse_find(&attempts, &cut).iter().zip(&whole) {
            let unanswered = matches!(read, FoundAttempt::Unanswered { .. });
            assert!(read == whole || unanswered, "{read:?}");
            // "Nothing" lets a person submit again: never from half an answer.
            assert!(!matches!(read, FoundAttempt::Nothing { .. }), "{read:?}");
        }
    }
}

#[test]
fn a_cut_answer_to_a_cancellation_is_a_failure() {
    let machine = Machine::new();
    machine.program("scancel", "true");
    let target = CancelTarget {
        id: SchedulerId::whole(10),
        work_dir: machine.remote("scratch/a/1"),
        tag: Tag::parse("aaaa1111").unwrap(),
        slurm_setup: Vec::new(),
    };
    let output = machine.run(&Slurm.cancel(&[target]));
    assert_eq!(Slurm.parse_cancel(&output), Ok(()));
    for cut in beginnings(&output) {
        assert!(Slurm.parse_cancel(&cut).is_err());
    }
}

proptest! {
    #[test]
    fn times_and_durations_read_back(seconds in 0_i64..4_102_444_800, length in 60_u64..400_000_000) {
        let at = jiff::Timestamp::from_second(seconds).unwrap();
        prop_assert_eq!(time(&slurm_time(at)), Some(at));
        prop_assert_eq!(duration(&walltime(length)), Some(length));
    }

    #[test]
    fn any_value_is_read(text in "[0-9.:KMGTP-]{0,24}|\\PC{0,12}") {
        let _ = (time(&text), duration(&text), bytes(&text), exit(&text));
    }

    #[test]
    fn an_id_reads_back_as_it_is_written(text in "[0-9]{1,10}([_+][0-9]{1,3})?(_\\[[0-9,%-]{1,9}\\])?(;[a-z]{1,4})?|\\PC{0,8}") {
        if let Ok(id) = SchedulerId::parse(&text) {
            prop_assert_eq!(SchedulerId::parse(&id.to_string()), Ok(id.clone()));
            let plain = |c: char| c.is_ascii_alphanumeric() || "_+[]-,%:;.".contains(c);
            prop_assert!(id.to_string().chars().all(plain), "{}", id);
        }
    }

    #[test]
    fn any_marker_is_read(text in "exit 1 [a-z0-9]{6,10}( -?[0-9]{1,11}){0,6}( \\.)?|\\PC{0,30}") {
        if let Some(mark) = ExitMark::parse(&text) {
            prop_assert!(text.ends_with(" .") && text.contains(mark.tag.as_str()));
        }
    }
}
