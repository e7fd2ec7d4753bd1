//! Submitting: one remote command that stages, asks sbatch once, and keeps its answer.
//!
//! Whoever repeats it gets the first answer. What cannot be told apart from a success is `unknown`,
//! never tried again here: see the table of phrases.

use super::options::{arguments, overriding_variables};
use super::script::script;
use crate::scheduler::control::CONTROL;
use crate::scheduler::{Launch, Submitted, stage};
use crate::shell::{Command, Output, quote};

/// Texts after which a job may have been accepted although sbatch says it failed.
///
/// The request had left, or may have: the communication errors of `src/common/slurm_errno.c`, and
/// the C library's. (`Socket timed out on send/recv operation` is known to come with an accepted job.)
///
/// [`NOT_REACHED`] is not among them: it is set only when no
/// connection could be made, so this request was not sent; and sbatch asks a second time only after
/// an answer that refused (`slurm_send_recv_controller_msg` goes on after `IN_STANDBY_MODE` alone) or
/// after saying `temporarily unable to accept job`, which is among them.
const AMBIGUOUS: &[&str] = &[
    "timed out",
    "imeout",
    "send failure",
    "receive failure",
    "shutdown failure",
    "Message send",
    "Message receive",
    "Unexpected message",
    "Zero Bytes",
    "Header lengths",
    "Insane message",
    "Incompatible versions",
    "rotocol",
    "Connection reset",
    "Connection forced closed",
    "connection failure",
    "socket error",
    "Broken pipe",
    "Interrupted",
    "Input/output error",
    "temporarily unable",
    "temporarily unavailable",
    "would block",
    "in progress",
    "shutting down",
    "Unknown error",
    "Unknown negative",
    "Unable to process",
];

/// What sbatch says when the controller could not be connected to (observed on 22.05, no slurmctld).
const NOT_REACHED: &str = "Unable to contact slurm controller (connect failure)";

/// Texts that mean: this user may have no more jobs now. The first are the names of limits on the
/// number of submitted jobs (`src/common/job_state_reason.c`), printed before the refusal since 20.11.
const NO_ROOM: &[&str] = &[
    "MaxSubmitJob",
    "GrpSubmitJob",
    "MaxJobCount limit reached",
    "Slurm job queue full",
    "job queue full",
];

/// The refusal that stands for every limit, and says which one only in a line before it.
const POLICY: &str = "Job violates accounting/QOS policy (job submit limit";

/// The command. Its input is the job script.
pub(super) fn submit(launch: &Launch) -> Command {
    stage::command(launch, "job.sbatch", script(launch), &send(launch))
}

/// Asks sbatch. The configured lines run in a subshell with it, where they can do no harm.
fn send(launch: &Launch) -> String {
    format!(
        r#"said=$(
    {{
        (
            nr_k=$k
            {{ {setup}:; }} >"$control/setup.out" 2>&1 </dev/null
            cd {work} || exit 73
            unset {variables}
            true >"{CONTROL}/sending.$nr_k" || exit 73
            exec sbatch --parsable {arguments} {CONTROL}/job.sbatch
        ) </dev/null 2>"$control/errors.$k"
        echo "rc $?"
    }} | tee "$control/answer.$k"
)
at=$(date +%s)
id= rc=
while read -r line; do
    case $line in 'rc '*) rc=${{line#rc }}; continue ;; esac
    case ${{line%%;*}} in '' | *[!0-9]*) note "out $line" ;; *) id=$line ;; esac
done <<EOF
$said
EOF
note "step sbatch rc=$rc"
if [ -n "$id" ]; then
    keep
    accepted "$id" "$at" accepted
fi
errors err <"$control/errors.$k"
if [ ! -f "$control/sending.$k" ] || [ "$rc" = 126 ] || [ "$rc" = 127 ]; then
    [ ! -f "$control/setup.out" ] || errors setup <"$control/setup.out"
    release
    over notRun
fi
outcome=unknown
case $rc in
    0 | '' | 12[89] | 1[3-9]? | 2[0-4]?) ;;
    *) case $(cat "$control/errors.$k") in
        {ambiguous}) ;;
        *error:* | *option* | *usage:* | *Usage:*) outcome=rejected ;;
    esac ;;
esac
[ "$outcome" = unknown ] || release
over "$outcome"
"#,
        setup = if launch.slurm_setup.is_empty() {
            String::new()
        } else {
            format!("eval {}; ", quote(&launch.slurm_setup.join("\n")))
        },
        work = launch.work_dir.quoted(),
        variables = overriding_variables(launch),
        arguments = arguments(launch),
        ambiguous = patterns(AMBIGUOUS),
    )
}

/// Texts as the patterns of a shell's `case` that find them anywhere.
fn patterns(texts: &[&str]) -> String {
    let patterns: Vec<String> = texts
        .iter()
        .map(|text| format!("*{}*", quote(text)))
        .collect();
    patterns.join(" | ")
}

/// What the answer says.
pub(super) fn parse(output: &Output) -> Submitted {
    stage::parse(output, "sbatch", |errors| {
        let reason = reason(errors);
        if errors.iter().any(|line| line.contains(NOT_REACHED)) {
            return Submitted::NotReached { reason };
        }
        Submitted::Rejected {
            no_room: no_room(errors),
            reason,
        }
    })
}

/// Slurm's words without the program's name, each line once.
fn reason(errors: &[&str]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for line in errors {
        let line = line.trim();
        let line = line.strip_prefix("sbatch: ").unwrap_or(line);
        let line = line.strip_prefix("error: ").unwrap_or(line);
        let line = line
            .strip_prefix("Batch job submission failed: ")
            .unwrap_or(line);
        let hint = line.starts_with("Try \"sbatch --help\"");
        if !hint && !words.contains(&line) {
            words.push(line);
        }
    }
    words.join(" · ")
}

/// Whether the refusal is only for now: the number of jobs, not what this one asks for.
fn no_room(errors: &[&str]) -> bool {
    let says = |text: &str| errors.iter().any(|line| line.contains(text));
    if NO_ROOM.iter().any(|text| says(text)) {
        return true;
    }
    // Where the line that names the limit is missing (before 20.11), it may be either.
    let names_a_limit = errors.iter().any(|line| {
        line.trim_start_matches("sbatch: error: ")
            .starts_with(['Q', 'A'])
            && line.ends_with("Limit")
    });
    says(POLICY) && !names_a_limit
}
