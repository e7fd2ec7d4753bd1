//! Submitting: one remote command that stages, asks sbatch once, and keeps its answer.
//!
//! Whoever repeats it gets the first answer. What cannot be told apart from a success is `unknown`,
//! never tried again here: see the table of phrases.

use std::fmt::Write as _;
use std::time::Duration;

use super::options::{arguments, overriding_variables};
use super::script::script;
use crate::scheduler::control::{CONTROL, INPUT_FILES, epoch, output_dirs, variables};
use crate::scheduler::frame::{parts, shell};
use crate::scheduler::{Launch, SchedulerId, Submitted};
use crate::shell::{Command, Output, quote};

/// Texts after which a job may have been accepted although sbatch says it failed.
///
/// The request had left, or may have: the communication errors of `src/common/slurm_errno.c`, and
/// the C library's. (`Socket timed out on send/recv operation` is known to come with an accepted job.)
///
/// `Unable to contact slurm controller (connect failure)` is not among them: it is set only when no
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
    let script = script(launch);
    Command::effect("submit", remote(launch, script.len()))
        .with_input(script)
        // Copying the inputs is the long part.
        .within(Duration::from_mins(30))
}

/// What runs on the cluster. One group, so that a text that was cut on its way does nothing.
fn remote(launch: &Launch, script_bytes: usize) -> String {
    let mut text = String::from("{\ntrap '' HUP PIPE\numask o-w\n");
    text.push_str(&variables(launch, ""));
    text.push_str(&shell(launch.tag.as_str()));
    let _ = write!(
        text,
        r#"inputs={inputs}
receipt=$control/receipt
me=$(uname -n)
over() {{ note "outcome $1"; part submit ''; exit 0; }}
errors() {{ while IFS= read -r line && [ "$count" -lt 60 ]; do note "$1 $line"; done; }}
failed() {{ note "step $1 rc=$2"; errors err <<EOF
$said
EOF
mark over; over notStaged; }}
accepted() {{ note "id $1"; note "at $2"; over "$3"; }}
known() {{
    [ -f "$receipt" ] || return
    read -r _ _ owner id at _ <"$receipt"
    [ "$owner" = "$tag" ] && accepted "$id" "$at" repeated
    note "err $work already holds job $id of another submission ($owner)"
    over notStaged
}}
mark() {{ true 2>/dev/null >"$control/$1.$k"; }}
take() {{ k=$1; ln -s "$tag $me $$" "$control/lock.$k" 2>/dev/null; }}
answer() {{
    id=
    while read -r line; do
        case ${{line%%;*}} in '' | *[!0-9]*) ;; *) id=$line ;; esac
    done <"$control/sbatch.out.$k"
}} 2>/dev/null
keep() {{
    aside=$receipt.$me.$$
    echo "receipt 1 $tag $id $at ." | dd of="$aside" conv=fsync 2>/dev/null ||
        echo "receipt 1 $tag $id $at ." >"$aside"
    mv -f "$aside" "$receipt"
}}

script=$(cat; echo .)
k=1
said=$(mkdir -p "$control" 2>&1) || failed mkdir $?
known
if ! take 1; then
    [ -L "$control/lock.1" ] || {{ said="cannot make a lock in $control"; failed lock 1; }}
    while [ -L "$control/lock.$((k+1))" ]; do k=$((k+1)); done
    held=$(readlink "$control/lock.$k") || {{ note "err cannot read the lock in $control"; over unknown; }}
    known
    if [ ! -f "$control/over.$k" ]; then
        read -r owner host pid <<EOF
$held
EOF
        if [ "$owner" != "$tag" ]; then
            note "err $work is held by another submission ($owner)"
            over notStaged
        fi
        answer
        if [ -n "$id" ]; then
            at=$(date +%s)
            keep
            accepted "$id" "$at" repeated
        fi
        where=elsewhere sending=no
        if [ "$host" = "$me" ]; then
            where=gone
            kill -0 "$pid" 2>/dev/null && where=alive
        fi
        [ ! -f "$control/sending.$k" ] || sending=yes
        case $where,$sending,{take_over} in
            gone,no,*) ;;
            gone,*,yes | elsewhere,*,yes) ;;
            *)
                note "err an earlier submission left a lock and no receipt ($host, process $pid, $where, sbatch started: $sending)"
                over unknown ;;
        esac
    fi
    take $((k+1)) || {{ note 'err another submission is under way'; over unknown; }}
fi
note "step lock rc=0"

said=$(printf '%s' "${{script%.}}" 2>&1 >"$control/job.sbatch") || failed script $?
[ "$(($(wc -c <"$control/job.sbatch")))" = {script_bytes} ] || {{ said='the job script did not arrive whole'; failed script 1; }}
if [ -d "$inputs" ]; then
    said=$(cp -Rpf --reflink=auto "$inputs/." "$work" 2>&1)
    rc=$?
    case $rc$said in 0*) ;; *option*) said=$(cp -Rpf "$inputs/." "$work" 2>&1); rc=$? ;; esac
    [ $rc = 0 ] || failed mirror $rc
    note 'step mirror rc=0'
else
    said="$inputs is not there"
    failed mirror 1
fi
{output_dirs}
said=$(
    {{
        (
            nr_k=$k
            {{ {setup}:; }} >"$control/setup.out" 2>&1 </dev/null
            cd {work} || exit 73
            unset {variables}
            true >"{CONTROL}/sending.$nr_k" || exit 73
            exec sbatch --parsable {arguments} {CONTROL}/job.sbatch
        ) </dev/null 2>"$control/sbatch.err.$k"
        echo "rc $?"
    }} | tee "$control/sbatch.out.$k"
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
errors err <"$control/sbatch.err.$k"
if [ ! -f "$control/sending.$k" ] || [ "$rc" = 126 ] || [ "$rc" = 127 ]; then
    [ ! -f "$control/setup.out" ] || errors setup <"$control/setup.out"
    mark over
    over notRun
fi
outcome=unknown
case $rc in
    0 | '' | 12[89] | 1[3-9]? | 2[0-4]?) ;;
    *) case $(cat "$control/sbatch.err.$k") in
        {ambiguous}) ;;
        *error:* | *option* | *usage:* | *Usage:*) outcome=rejected ;;
    esac ;;
esac
[ "$outcome" = unknown ] || mark over
over "$outcome"
}}
"#,
        inputs = quote(&format!("{}/{INPUT_FILES}", launch.project_dir)),
        take_over = if launch.take_over { "yes" } else { "no" },
        output_dirs = output_dirs(launch, "work")
            .map(|dirs| format!("said=$({dirs} 2>&1) || failed output_dirs $?\n"))
            .unwrap_or_default(),
        setup = if launch.slurm_setup.is_empty() {
            String::new()
        } else {
            format!("eval {}; ", quote(&launch.slurm_setup.join("\n")))
        },
        work = launch.work_dir.quoted(),
        variables = overriding_variables(launch),
        arguments = arguments(launch),
        ambiguous = patterns(AMBIGUOUS),
    );
    text
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
    let text = output.text();
    let parts = parts(&text, None);
    let Some(part) = parts.iter().find(|part| part.name == "submit") else {
        let seen = output
            .first_error_line()
            .unwrap_or_else(|| "no error message".to_owned());
        return Submitted::Unknown {
            detail: format!("the answer was not whole ({}): {seen}", output.status),
        };
    };
    let said = |key: &str| -> Vec<&str> {
        part.lines
            .iter()
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .filter(|line| !line.trim().is_empty())
            .collect()
    };
    let last = |key: &str| said(key).last().copied().unwrap_or_default().to_owned();
    let errors = said("err");
    match last("outcome").as_str() {
        outcome @ ("accepted" | "repeated") => match SchedulerId::parse(&last("id")) {
            Ok(id) => Submitted::Accepted {
                at: epoch(&last("at")),
                repeated: outcome == "repeated",
                evidence: format!("sbatch: {id}"),
                id,
            },
            Err(bad) => Submitted::Unknown {
                detail: bad.to_string(),
            },
        },
        "rejected" => Submitted::Rejected {
            no_room: no_room(&errors),
            reason: reason(&errors),
        },
        "notRun" => {
            let mut said_all = errors.clone();
            said_all.extend(said("setup"));
            let words = if said_all.is_empty() {
                "`slurm_setup` ended the shell".to_owned()
            } else {
                first_few(&said_all)
            };
            Submitted::NotStaged {
                reason: format!("sbatch could not be run: {words}"),
                quota: false,
            }
        }
        "notStaged" => Submitted::NotStaged {
            quota: is_quota(&errors),
            reason: first_few(&errors),
        },
        outcome => {
            let mut detail = vec![format!("sbatch: {}", last("step"))];
            detail.extend(errors.iter().map(|&line| line.to_owned()));
            detail.extend(said("out").iter().map(|&line| line.to_owned()));
            if outcome != "unknown" {
                detail.push(format!("outcome {outcome:?}"));
            }
            Submitted::Unknown {
                detail: detail.join(" · "),
            }
        }
    }
}

/// A copy that fails can fail for each of a thousand files.
fn first_few(lines: &[&str]) -> String {
    let more = if lines.len() > 3 { " · …" } else { "" };
    let few: Vec<&str> = lines.iter().take(3).copied().collect();
    format!("{}{more}", few.join(" · "))
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

/// Whether a disk or a quota is full, by the C library's texts (and Lustre's, GPFS' tools').
fn is_quota(errors: &[&str]) -> bool {
    errors.iter().any(|line| {
        line.contains("No space left on device")
            || line.to_ascii_lowercase().contains("quota exceeded")
    })
}
