//! The job script: it waits for its turn, then runs NAMD.

use std::fmt::Write as _;

use super::process;
use crate::scheduler::Launch;
use crate::scheduler::body::{Counts, TRAPS, guard, run, started, title};
use crate::scheduler::control::variables;
use crate::shell::quote;

/// Nobody hands out cores: what was not asked for is one.
const COUNTS: Counts = Counts {
    nodes: "1",
    ntasks: "1",
    cpus_per_task: "1",
    cores: "1",
};

/// Name of the directory below the scratch root that holds the slots.
const SLOTS: &str = ".namdrunner-slots";

/// The script of one attempt.
pub(super) fn script(launch: &Launch) -> String {
    let scratch_root = launch.work_dir.parent().parent();
    let slots = quote(&format!(
        "{}/{SLOTS}",
        scratch_root.as_str().trim_end_matches('/')
    ));
    let mut text = String::from("#!/bin/sh\n");
    text.push_str(&title(launch));
    let _ = write!(
        text,
        r#"
# Outlives the connection, or the terminal, that it was started from.
trap '' HUP
nr_job=$$
nr_restarts=0
{variables}nr_slots={slots}

{guard}
{TRAPS}
# Which process this is, so that its number is not mistaken for another's later.
{functions}nr_self="$$ $(birth $$) $boot"
echo "waiting 1 $nr_tag $nr_job $nr_restarts $(uname -n) $(date +%s) $nr_self ." >"$nr_control/waiting"
# Whoever starts it waits for this line.
{{ echo $$ >&3; }} 2>/dev/null
exec 3>&-

# A shell heeds no signal while it waits for a program in the foreground.
nr_await() {{
    nr_namd=$1
    nr_code=0
    wait "$nr_namd" || nr_code=$?
    nr_namd=''
    [ -z "$nr_signal" ] || exit $((128 + nr_signal))
    return $nr_code
}}
# Waits for one of {max} slots. The kernel gives a slot back when its last process is gone, however
# it went. One process at a time looks for a slot, the others wait behind it.
mkdir -p "$nr_slots" || exit 73
nr_slot=
if command -v flock >/dev/null 2>&1; then
    exec 7>"$nr_slots/turn" || exit 73
    flock 7 7>&7 &
    nr_await $! || exit 73
    while [ -z "$nr_slot" ]; do
        nr_try=0
        while [ $nr_try -lt {max} ]; do
            nr_try=$((nr_try + 1))
            exec 8>"$nr_slots/slot.$nr_try"
            if [ {max} = 1 ]; then
                flock 8 8>&8 &
                nr_await $! && nr_slot=$nr_try
            else
                flock -n 8 8>&8 && nr_slot=$nr_try
            fi
            [ -z "$nr_slot" ] || break
        done
        [ -n "$nr_slot" ] || sleep 1
    done
    exec 7>&-
else
    # Without flock a slot is a link that says whose it is. One whose process is gone is free.
    while [ -z "$nr_slot" ]; do
        nr_try=0
        while [ $nr_try -lt {max} ]; do
            nr_try=$((nr_try + 1))
            if ln -s "$nr_self" "$nr_slots/link.$nr_try" 2>/dev/null; then nr_slot=$nr_try && break; fi
            nr_held=$(readlink "$nr_slots/link.$nr_try") || continue
            lives $nr_held && continue
            mv -f "$nr_slots/link.$nr_try" "$nr_slots/gone.$$" 2>/dev/null || continue
            # Somebody was quicker: what was moved is the new holder's.
            [ "$(readlink "$nr_slots/gone.$$")" = "$nr_held" ] ||
                mv -f "$nr_slots/gone.$$" "$nr_slots/link.$nr_try"
            rm -f "$nr_slots/gone.$$"
        done
        [ -n "$nr_slot" ] || sleep 1
    done
    nr_give_back() {{ rm -f "$nr_slots/link.$nr_slot"; }}
    trap 'nr_code=$?; nr_finish $nr_code; nr_give_back' EXIT
fi

{started}
"#,
        variables = variables(launch, "nr_"),
        guard = guard(launch, "process"),
        functions = process::FUNCTIONS,
        max = launch.max_running.max(1),
        started = started(" $nr_self"),
    );
    text.push_str(&run(launch, &COUNTS));
    text
}
