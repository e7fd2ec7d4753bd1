//! What Slurm writes into a job's own output as it ends it.
//!
//! `slurmstepd: error: *** JOB 123 ON c1 CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LIMIT ***`
//! (`_handle_notify` and `_handle_signal_container` in src/slurmd/slurmstepd/req.c). It tells a job
//! that ran out of time from one that failed, where there is no accounting and the queue has forgotten
//! the job. Its time is the node's local time without an offset, so it is not read.

use super::states::seen;
use crate::scheduler::{End, Report, Seen, Source, Watched};

/// What such a line looks like, as a pattern of awk's. Where one host has several nodes the program's
/// name has the node's behind it (observed: `slurmstepd-c1`).
pub(super) const PATTERN: &str = r"^slurmstepd(-[^ ]*)?: error: [*][*][*] JOB [0-9]+ ON ";

/// What a line says of how its job ended; none if it says nothing of that.
pub(super) fn end(line: &str) -> Option<End> {
    let (program, said) = line.split_once(": error: *** JOB ")?;
    let node = program.strip_prefix("slurmstepd")?;
    let (id, said) = said.split_once(" ON ")?;
    if !node.is_empty() && !node.starts_with('-') || node.contains(' ') {
        return None;
    }
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (_node, said) = said.strip_suffix(" ***")?.split_once(" CANCELLED AT ")?;
    match said.split_once(" DUE ") {
        None if !said.contains(' ') => Some(End::Cancelled { by_uid: None }),
        Some((_, "TO TIME LIMIT")) => Some(End::TimeLimit),
        Some((_, "TO PREEMPTION")) => Some(End::Preempted),
        Some((_, why)) if why.starts_with("TO NODE FAILURE") => Some(End::NodeFail),
        // It goes back to the queue; or newer words, of which nothing is known.
        _ => None,
    }
}

/// What a line says of a job. The end has no time of its own: the marker's is the job's.
pub(super) fn report(job: &Watched, line: &str) -> Option<Report> {
    let end = end(line)?;
    let word = match end {
        End::TimeLimit => "TIMEOUT",
        End::Preempted => "PREEMPTED",
        End::NodeFail => "NODE_FAIL",
        _ => "CANCELLED",
    };
    debug_assert_eq!(seen(word), Seen::Ended(end.clone()));
    let state = Seen::Ended(end);
    Some(Report::told(&job.id, Source::Log, state, word, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_says_of_an_end() {
        let line = |tail: &str| format!("slurmstepd: error: *** JOB 123 ON c1 {tail} ***");
        for (tail, expected) in [
            (
                "CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LIMIT",
                Some(End::TimeLimit),
            ),
            (
                "CANCELLED AT 2026-11-25T12:00:00 DUE TO PREEMPTION",
                Some(End::Preempted),
            ),
            (
                "CANCELLED AT 2026-11-25T12:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS",
                Some(End::NodeFail),
            ),
            (
                "CANCELLED AT 2026-11-25T12:00:00",
                Some(End::Cancelled { by_uid: None }),
            ),
            ("CANCELLED AT 2026-11-25T12:00:00 DUE TO JOB REQUEUE", None),
            (
                "CANCELLED AT 2026-11-25T12:00:00 DUE to SIGNAL Killed",
                None,
            ),
            ("FAILED (non-zero exit code or other failure mode)", None),
            ("", None),
        ] {
            assert_eq!(end(&line(tail)), expected, "{tail}");
        }
        let of_a_node = line("CANCELLED AT now").replace("stepd:", "stepd-c1:");
        assert_eq!(end(&of_a_node), Some(End::Cancelled { by_uid: None }));
        // A step's end is not its job's; and nothing that only looks like it.
        for other in [
            "slurmstepd: error: *** STEP 123.0 ON c1 CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LIMIT ***",
            "echo slurmstepd: error: *** JOB 123 ON c1 CANCELLED AT now ***",
            "slurmstepd: error: *** JOB x ON c1 CANCELLED AT now ***",
            "slurmstepdx: error: *** JOB 1 ON c1 CANCELLED AT now ***",
            "slurmstepd-a b: error: *** JOB 1 ON c1 CANCELLED AT now ***",
            "slurmstepd: error: *** JOB 1 ON c1 CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LI",
        ] {
            assert_eq!(end(other), None, "{other}");
        }
    }
}
