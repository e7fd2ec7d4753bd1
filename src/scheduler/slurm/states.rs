//! Slurm's state words and what they mean to us, as data.
//!
//! A job has exactly one base state, and flags. A flag hides the base state in what squeue and sacct
//! print, in the order of `job_state_string` (in `src/common/slurm_protocol_defs.c`):
//!
//! ```text
//! COMPLETING STAGE_OUT CONFIGURING EXPEDITING RESIZING REQUEUED REQUEUE_FED REQUEUE_HOLD
//! SPECIAL_EXIT STOPPED REVOKED RESV_DEL_HOLD SIGNALING, then the base state;
//! alone in some outputs: LAUNCH_FAILED RECONFIG_FAIL POWER_UP_NODE UPDATE_DB
//! ```
//!
//! So COMPLETING says nothing of how a job ends, and no flag is an end, but for REVOKED. Compact
//! codes: squeue(1), JOB STATE CODES.

use crate::scheduler::{End, RunPhase, Seen};

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Waiting { held: bool, requeued: bool },
    Running(RunPhase),
    Completed,
    Failed,
    Cancelled,
    TimeLimit,
    OutOfMemory,
    NodeFail,
    BootFail,
    Deadline,
    Preempted,
    Revoked,
    Other,
}

use Meaning::{
    BootFail, Cancelled, Completed, Deadline, Failed, NodeFail, Other, OutOfMemory, Preempted,
    Revoked, Running, TimeLimit, Waiting,
};

const QUEUED: Meaning = Waiting {
    held: false,
    requeued: false,
};
const REQUEUED: Meaning = Waiting {
    held: false,
    requeued: true,
};
const HELD: Meaning = Waiting {
    held: true,
    requeued: true,
};

/// Word, compact code, meaning.
const STATES: &[(&str, &str, Meaning)] = &[
    // Base states.
    ("PENDING", "PD", QUEUED),
    ("RUNNING", "R", Running(RunPhase::Running)),
    ("SUSPENDED", "S", Running(RunPhase::Suspended)),
    ("COMPLETED", "CD", Completed),
    ("CANCELLED", "CA", Cancelled),
    ("FAILED", "F", Failed),
    ("TIMEOUT", "TO", TimeLimit),
    ("NODE_FAIL", "NF", NodeFail),
    ("PREEMPTED", "PR", Preempted),
    ("BOOT_FAIL", "BF", BootFail),
    ("DEADLINE", "DL", Deadline),
    ("OUT_OF_MEMORY", "OOM", OutOfMemory),
    // Flags.
    ("COMPLETING", "CG", Running(RunPhase::Finishing)),
    ("STAGE_OUT", "SO", Running(RunPhase::Finishing)),
    ("CONFIGURING", "CF", Running(RunPhase::Starting)),
    ("EXPEDITING", "", REQUEUED),
    ("RESIZING", "RS", Running(RunPhase::Running)),
    ("REQUEUED", "RQ", REQUEUED),
    ("REQUEUE_FED", "RF", REQUEUED),
    ("REQUEUE_HOLD", "RH", HELD),
    ("SPECIAL_EXIT", "SE", HELD),
    ("STOPPED", "ST", Running(RunPhase::Suspended)),
    ("REVOKED", "RV", Revoked),
    (
        "RESV_DEL_HOLD",
        "RD",
        Waiting {
            held: true,
            requeued: false,
        },
    ),
    ("SIGNALING", "SI", Running(RunPhase::Running)),
    // Not in the order above: burst buffers stage in before CONFIGURING.
    ("STAGE_IN", "", Running(RunPhase::Starting)),
    ("LAUNCH_FAILED", "", Other),
    ("RECONFIG_FAIL", "", Other),
    ("POWER_UP_NODE", "", Other),
    ("UPDATE_DB", "", Other),
];

/// Reasons for which a PENDING job waits for a person (squeue(1), JOB REASON CODES; the second is
/// what `scontrol requeuehold` leaves, observed).
const HELD_REASONS: &[&str] = &[
    "JobHeldUser",
    "JobHeldAdmin",
    "job requeued in held state",
    "launch failed requeued held",
];

/// What a state word means. `CANCELLED by 1000` is sacct's; `OUT_OF_ME+` is a word cut to a column.
pub(super) fn seen(word: &str) -> Seen {
    let word = word.trim();
    if let Some(by) = word.strip_prefix("CANCELLED by ") {
        return Seen::Ended(End::Cancelled {
            by_uid: by.trim().parse().ok(),
        });
    }
    let known = STATES
        .iter()
        .find(|(long, compact, _)| *long == word || (!compact.is_empty() && *compact == word))
        .or_else(|| {
            let cut = word.strip_suffix('+').filter(|cut| cut.len() >= 4)?;
            let mut fits = STATES.iter().filter(|(long, _, _)| long.starts_with(cut));
            // Two words could be meant: then neither is.
            fits.next().filter(|_| fits.next().is_none())
        });
    let Some((_, _, meaning)) = known else {
        return Seen::Other;
    };
    match *meaning {
        Waiting { held, requeued } => Seen::Waiting { held, requeued },
        Running(phase) => Seen::Running(phase),
        Completed => Seen::Ended(End::Completed),
        Failed => Seen::Ended(End::Failed),
        Cancelled => Seen::Ended(End::Cancelled { by_uid: None }),
        TimeLimit => Seen::Ended(End::TimeLimit),
        OutOfMemory => Seen::Ended(End::OutOfMemory),
        NodeFail => Seen::Ended(End::NodeFail),
        BootFail => Seen::Ended(End::BootFail),
        Deadline => Seen::Ended(End::Deadline),
        Preempted => Seen::Ended(End::Preempted),
        Revoked => Seen::Ended(End::Revoked),
        Other => Seen::Other,
    }
}

/// What a state word and the reason beside it mean: a reason can say that a job is held.
pub(super) fn seen_with(word: &str, reason: Option<&str>) -> Seen {
    match seen(word) {
        Seen::Waiting { held, requeued } => Seen::Waiting {
            held: held || reason.is_some_and(|reason| HELD_REASONS.contains(&reason)),
            requeued,
        },
        other => other,
    }
}

/// The words that end a job, for a script's own look at the queue.
pub(super) fn ending_words() -> impl Iterator<Item = &'static str> {
    STATES
        .iter()
        .map(|(word, _, _)| *word)
        .filter(|word| matches!(seen(word), Seen::Ended(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_code_has_its_meaning() {
        let table: Vec<String> = STATES
            .iter()
            .map(|(word, code, _)| {
                if !code.is_empty() {
                    assert_eq!(seen(word), seen(code), "{word}");
                }
                format!("{word} {code} {:?}", seen(word))
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn no_flag_but_revoked_is_an_end() {
        for (word, _, _) in &STATES[12..] {
            let ended = matches!(seen(word), Seen::Ended(_));
            assert_eq!(ended, *word == "REVOKED", "{word}");
        }
    }

    #[test]
    fn sacct_s_own_words() {
        assert_eq!(
            seen("CANCELLED by 1002"),
            Seen::Ended(End::Cancelled { by_uid: Some(1002) })
        );
        assert_eq!(
            seen("CANCELLED by root"),
            Seen::Ended(End::Cancelled { by_uid: None })
        );
        assert_eq!(seen("OUT_OF_ME+"), Seen::Ended(End::OutOfMemory));
        assert_eq!(
            seen("CANCELLED+"),
            Seen::Ended(End::Cancelled { by_uid: None })
        );
        assert_eq!(seen("REQUEUE+"), Seen::Other, "three words begin so");
        assert_eq!(seen("FAI+"), Seen::Other);
    }

    #[test]
    fn unknown_words_are_other() {
        for word in ["", "HIBERNATING", "completed", "COMPLETED!", "PD "] {
            let expected = if word == "PD " {
                seen("PD")
            } else {
                Seen::Other
            };
            assert_eq!(seen(word), expected, "{word:?}");
        }
    }

    #[test]
    fn a_reason_can_say_held() {
        let held = Seen::Waiting {
            held: true,
            requeued: false,
        };
        assert_eq!(seen_with("PENDING", Some("JobHeldUser")), held);
        assert_eq!(seen_with("PENDING", Some("Priority")), seen("PENDING"));
        assert_eq!(
            seen_with("CANCELLED", Some("JobHeldUser")),
            seen("CANCELLED")
        );
    }
}
