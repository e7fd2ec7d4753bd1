//! What a person sees in each awkward case, as data: a table of `protocol/README.md`.

use std::fmt::Write as _;

/// One awkward case.
struct Case {
    /// What happens.
    what: &'static str,
    /// What the job shows.
    job: &'static str,
    /// What else tells of it, and what can be done.
    more: &'static str,
}

/// The cases, those of Slurm first.
const CASES: &[Case] = &[
    Case {
        what: "Somebody else, or root, cancels the job with `scancel`",
        job: "`CANCELLED`; `cause.text` says by whom: `user 0` where the accounting names the number, `somebody else` where it does not",
        more: "`jobHistory` quotes the line, `CANCELLED by 0`",
    },
    Case {
        what: "The job reaches its time limit",
        job: "`FAILED`, `cause.code` `timeLimit`, `slurmState` `TIMEOUT`",
        more: "not mixed up with a cancellation, although both end by signal 15; where queue and accounting tell nothing, Slurm's line in the job's own output does (`source` `log`)",
    },
    Case {
        what: "The job script, or NAMD in it, ends with exit code 3",
        job: "`FAILED`, `cause.code` `exitCode`, `exitCode` 3",
        more: "it is not submitted again by itself",
    },
    Case {
        what: "Slurm says COMPLETED, the job's own end marker holds another exit code",
        job: "`FAILED`, `cause.code` `markerDisagrees`",
        more: "`jobHistory` quotes both witnesses",
    },
    Case {
        what: "`slurmctld` is down",
        job: "as it was; `observed.stale` and `ageSeconds` tell how old that is",
        more: "the cluster is `unavailable` with `squeue`'s words in `errors`; it is asked again after 5 s, then less often, to 5 minutes. Other calls do not wait for it",
    },
    Case {
        what: "`slurmdbd` is down, for hours if need be",
        job: "right, with the queue as the witness: it shows an end for `MinJobAge`, and looks are more frequent than that. A job that ended unseen is settled by its end marker",
        more: "`sources.sacct` is `failed`, the cluster stays `ok`",
    },
    Case {
        what: "The site keeps no accounting, or has no `sacct`",
        job: "as above",
        more: "`sources.sacct` is `absent` from the first connection on",
    },
    Case {
        what: "`squeue` fails once, times out, exits with 0 and prints an error, or its answer is cut",
        job: "as it was: an answer that is not whole says nothing",
        more: "one entry in `errors`, with exit code and first line of the error; the next look is right",
    },
    Case {
        what: "A login banner, a noisy `.bashrc`, a csh user, an odd time format or locale",
        job: "right: answers are framed, commands run in `sh`, in UTC and the C locale",
        more: "what is not understood goes to the log",
    },
    Case {
        what: "The job is requeued by `scontrol requeue`, preemption or a failed node",
        job: "`PENDING` again under the same id, `restarts` counts; then `RUNNING` and its end. The reason disappears when it no longer holds",
        more: "`--no-requeue` is the default, since a rerun overwrites restart files; `requeue = true` allows it",
    },
    Case {
        what: "The job is preempted and not put back, or lost with its node",
        job: "`FAILED`, `cause.code` `preempted` after it has stayed away as the rule of absence says, or `nodeFail`",
        more: "it is reopened should it come back",
    },
    Case {
        what: "The job is in no source although it should be",
        job: "phase `unconfirmed` at once, with `unconfirmedSince`; `UNKNOWN` after three whole answers and ten minutes without it (`absence` in config.toml)",
        more: "looked for a day longer, less and less often; a late record or a sighting settles or reopens it, and so does `reconcile`",
    },
    Case {
        what: "A heterogeneous job (`sbatch … : …`) was submitted by hand and adopted",
        job: "one job; `components` tells of each, with its nodes and its end. It runs while one of them runs, and has ended when all have; the worst end counts",
        more: "`cancel` ends all of them. Jobs made here have one component",
    },
    Case {
        what: "A job id is used again by Slurm for somebody else's job",
        job: "as it was: a row or record counts only with the attempt's own directory or token",
        more: "the stranger's line goes to the log",
    },
    Case {
        what: "Slurm prints a state word that is not known here",
        job: "as it was, the word in `slurmState`",
        more: "logged",
    },
    Case {
        what: "The job waits in the queue and cannot start, or not without you",
        job: "`PENDING`; `reason.class` is `never` or `needsYou`, `reason.text` says what to do. Held: phase `held`",
        more: "for instance a limit of the account, a dependency that cannot be met, more than the partition has",
    },
    Case {
        what: "The site allows no more jobs of yours now",
        job: "`CREATED`, phase `waitingForRoom`",
        more: "tried again each minute; `cancel` withdraws it",
    },
    Case {
        what: "sbatch refuses the job",
        job: "`CREATED` (or the end of the attempt before), `errorInfo.kind` `slurmRejected` with Slurm's words",
        more: "`updateJob`, then `submit`; nothing is uploaded again",
    },
    Case {
        what: "sbatch fails with a socket error or a time-out and the job was accepted all the same",
        job: "phase `submitting` while it is looked for, then `PENDING` with the id that Slurm gave",
        more: "one sbatch: the receipt, the queue and the records are asked, nothing is sent twice",
    },
    Case {
        what: "The link breaks during a submission, or the program is killed between sbatch and its answer",
        job: "as above, by this program or at its next start",
        more: "0 duplicates",
    },
    Case {
        what: "No trace of a submission is found for three minutes",
        job: "`CREATED`, phase `unconfirmed`, `errorInfo.kind` `submitUnknown`",
        more: "`submit` tries again in the same attempt: a first copy that starts late stops itself",
    },
    Case {
        what: "The cluster asks for a login, or cannot be reached, after a submission was asked for",
        job: "`CREATED`, phase `waitingForLogin`",
        more: "goes on by itself within a day, and is withdrawn after it",
    },
    Case {
        what: "The cancellation does not reach the cluster",
        job: "as it was, `cancelRequestedAt` and `errorInfo` set",
        more: "sent again at the next looks, after a restart too",
    },
    Case {
        what: "The database is lost, or you sit at another laptop",
        job: "comes back with attempts, ids, ends and history, `origin.kind` `discovered`",
        more: "at the first connection, or by `discoverJobs`; what was deleted stays deleted",
    },
    Case {
        what: "A job was submitted by hand",
        job: "not in the list; `adoptJob` takes it in, `origin.kind` `adopted`",
        more: "`reconcile` counts such jobs and lists them when asked; their files are never touched",
    },
    Case {
        what: "A directory is gone, half made, somebody else's, or its `job_info.json` is garbled",
        job: "as it was",
        more: "`reconcile` names it and says why; nothing is removed",
    },
];

/// The table.
pub(super) fn table() -> String {
    let mut out = String::from("| what happens | what the job shows | and |\n|---|---|---|\n");
    for case in CASES {
        let _ = writeln!(out, "| {} | {} | {} |", case.what, case.job, case.more);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every word in backquotes that looks like one of the wire's is one.
    #[test]
    fn words_of_the_wire_are_the_wires() {
        let known = crate::protocol::emit::openrpc();
        let ours = |word: &str| {
            word.chars().all(|c| c.is_ascii_alphanumeric())
                && word.chars().next().is_some_and(char::is_lowercase)
                && word.chars().any(char::is_uppercase)
        };
        let mut seen = 0;
        for case in CASES {
            for text in [case.what, case.job, case.more] {
                let quoted = text.split('`').skip(1).step_by(2);
                for word in quoted
                    .flat_map(|quoted| quoted.split(['.', ' ']))
                    .filter(|w| ours(w))
                {
                    assert!(known.contains(&format!("\"{word}\"")), "{word}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
