//! Ending a job's processes.

use std::fmt::Write as _;

use super::process;
use crate::scheduler::CancelTarget;
use crate::scheduler::control::CONTROL;
use crate::scheduler::frame::{parts, shell};
use crate::shell::{Command, Output};

/// Seconds after which a process that was asked to end is killed by the next cancellation.
const GRACE_SECONDS: u32 = 5;

/// The command. Its input is the list of jobs, a line each.
///
/// The whole process group is asked to end, waiting or running, if its leader is known to be ours.
/// Asked again after a while, it is killed; then the end marker is written here, since nobody else
/// can.
pub(super) fn cancel(targets: &[CancelTarget]) -> Command {
    let mut list = String::new();
    for target in targets {
        let _ = writeln!(
            list,
            "{}\t{}\t{}",
            target.id.base,
            target.tag.as_str(),
            target.work_dir
        );
    }
    let script = format!(
        r#"{{
{shell}{functions}me=$(uname -n)
now=$(date +%s)
tab=$(printf '\t')
line_of() {{ line=; [ -f "$control/$1" ] && IFS= read -r line <"$control/$1"; }}
while IFS=$tab read -r id tag work; do
    control=$work/{CONTROL}
    if [ -f "$control/exit" ]; then continue; fi
    if ! line_of started && ! line_of waiting; then continue; fi
    set -- $line
    if [ "$3" != "$tag" ] || [ "$4" != "$id" ]; then
        note "the process $id is not the job's: $line"
        continue
    fi
    if ! lives "$8" "$9" "${{10}}"; then
        if [ "${{10}}" != "$boot" ] && [ "$6" != "$me" ]; then note "the job runs on $6, this is $me"; fi
        continue
    fi
    group=-$id
    [ "$(ps -o pgid= -p "$id" 2>/dev/null | tr -d ' ')" = "$id" ] || group=$id
    asked=$now
    if line_of cancelled; then asked=$line; else echo "$now" >"$control/cancelled"; fi
    if [ $((now - asked)) -lt {GRACE_SECONDS} ]; then
        said=$(kill -s TERM -- "$group" 2>&1) || note "$said"
    else
        said=$(kill -s KILL -- "$group" 2>&1) || note "$said"
        echo "exit 1 $tag $id 0 137 9 $now ." >"$control/exit.tmp" && mv -f "$control/exit.tmp" "$control/exit"
    fi
done
part cancel ''
}}
"#,
        shell = shell("cancel"),
        functions = process::FUNCTIONS,
    );
    Command::read("cancel", script).with_input(list)
}

/// Whether all were told. Jobs that are over need not be.
pub(super) fn parse(output: &Output) -> Result<(), String> {
    let text = output.text();
    let parts = parts(&text, None);
    let Some(part) = parts.iter().find(|part| part.name == "cancel") else {
        return Err(output
            .first_error_line()
            .unwrap_or_else(|| format!("the answer was not whole ({})", output.status)));
    };
    match part.lines.first() {
        None => Ok(()),
        Some(line) => Err((*line).to_owned()),
    }
}
