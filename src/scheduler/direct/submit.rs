//! Starting the script, detached.

use super::script::script;
use crate::scheduler::{Launch, Submitted, stage};
use crate::shell::{Command, Output};

/// Starts the script in a session of its own, all three descriptors closed, and waits for the line
/// that it prints to descriptor 3 when it has passed its guard. Where there is no `setsid` (macOS),
/// perl has one; failing that, job control gives it at least a process group of its own.
///
/// bash where there is one, for people's own setup lines.
const SEND: &str = r#"mark sending
sh=sh
command -v bash >/dev/null 2>&1 && sh=bash
said=$(
    {
        if command -v setsid >/dev/null 2>&1; then
            setsid "$sh" "$control/job.sh" 3>&1 </dev/null >>"$control/job.out" 2>&1 &
        elif command -v perl >/dev/null 2>&1; then
            perl -MPOSIX -e 'setsid(); exec(@ARGV)' "$sh" "$control/job.sh" 3>&1 </dev/null >>"$control/job.out" 2>&1 &
        else
            set -m
            "$sh" "$control/job.sh" 3>&1 </dev/null >>"$control/job.out" 2>&1 &
        fi
    } | tee "$control/answer.$k"
)
at=$(date +%s)
id=
case $said in '' | *[!0-9]*) ;; *) id=$said ;; esac
if [ -n "$id" ]; then
    keep
    accepted "$id" "$at" accepted
fi
# It stopped at its guard: an earlier start was not lost.
id=$(readlink "$control/owner")
if [ -n "$id" ]; then
    keep
    accepted "$id" "$at" repeated
fi
note "step start rc=1"
[ ! -f "$control/job.out" ] || errors err <"$control/job.out"
mark over
over notRun
"#;

/// The command. Its input is the job script.
pub(super) fn submit(launch: &Launch) -> Command {
    stage::command(launch, "job.sh", script(launch), SEND)
}

/// What the answer says.
pub(super) fn parse(output: &Output) -> Submitted {
    stage::parse(output, "job.sh", |errors| Submitted::NotStaged {
        reason: errors.join(" · "),
        quota: false,
    })
}
