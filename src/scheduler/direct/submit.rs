//! Starting the script, detached.

use super::script::script;
use crate::scheduler::{Launch, Submitted, stage};
use crate::shell::{Command, Output};

/// Starts the script in a session of its own, all three descriptors closed, and waits for the line
/// that it prints to descriptor 3 when it has passed its guard. Where there is no `setsid` (macOS),
/// perl has one; failing that, job control gives it at least a process group of its own.
///
/// The shell that starts it becomes it (`exec`): one that only redirects a command keeps the old
/// descriptors aside meanwhile, and yash hands those on, so that the pipe would never end. The
/// redirections belong to that command: descriptors above 2 that a bare `exec` opens are closed by
/// mksh when it starts a program.
///
/// bash where there is one, for people's own setup lines.
const SEND: &str = r#"said=$( { true >"$control/sending.$k"; } 2>&1) || failed sending $?
sh=sh
command -v bash >/dev/null 2>&1 && sh=bash
start() {
    case $how in
        setsid) set -- setsid "$sh" "$control/job.sh" ;;
        perl) set -- perl -MPOSIX -e 'setsid(); exec(@ARGV)' "$sh" "$control/job.sh" ;;
        *) set -- "$sh" "$control/job.sh" ;;
    esac
    exec "$@" 3>&1 </dev/null >>"$control/job.out" 2>&1
}
how=none
command -v perl >/dev/null 2>&1 && how=perl
command -v setsid >/dev/null 2>&1 && how=setsid
said=$(
    {
        [ "$how" != none ] || set -m
        start &
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
release
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
