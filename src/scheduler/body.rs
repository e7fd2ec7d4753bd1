//! The part of a job script that is the same with and without a batch system: the guard against
//! running twice, the markers, and NAMD itself. POSIX sh, so that it runs wherever it lands.

use std::fmt::Write as _;

use super::Launch;
use super::control::{one_line, output_dirs};
use crate::shell::quote;

/// What the shell calls the counts that the person left to the cluster.
pub(super) struct Counts {
    /// Nodes.
    pub(super) nodes: &'static str,
    /// Tasks.
    pub(super) ntasks: &'static str,
    /// Cores for each task.
    pub(super) cpus_per_task: &'static str,
    /// Cores in all, when neither tasks nor cores were asked for.
    pub(super) cores: &'static str,
}

/// The head of the script's commands. Needs `$nr_job`, `$nr_restarts`, `$nr_tag`, `$nr_work` and `$nr_control`;
/// `what` is what an id names (`Slurm job`).
pub(super) fn guard(launch: &Launch, what: &str) -> String {
    let n = launch.attempt;
    format!(
        r#"cd "$nr_work" || exit 73
umask o-w

# Attempt {n} belongs to one {what}. The same one may start again after a requeue. Another one, from
# a submission that was thought lost, stops here, so that nothing runs twice.
ln -s "$nr_job" "$nr_control/owner" 2>/dev/null
nr_owner=$(readlink "$nr_control/owner")
[ "$nr_owner" != "$nr_job" ] || [ ! -f "$nr_control/receipt" ] || read -r _ _ _ nr_owner _ <"$nr_control/receipt"
if [ "${{nr_owner%%;*}}" != "$nr_job" ]; then
    echo "NAMDRunner: attempt {n} belongs to {what} ${{nr_owner:-(unknown)}}. {what} $nr_job stops, so that nothing runs twice." >&2
    exit 75
fi

# An end that is left from before a requeue is not this one's.
rm -f "$nr_control/exit"
"#
    )
}

/// Leaves the word that it runs: written aside and renamed, so that nobody reads half of it.
/// `more` are further words (none, or each after a blank).
pub(super) fn started(more: &str) -> String {
    format!(
        r#"echo "started 1 $nr_tag $nr_job $nr_restarts $(uname -n) $(date +%s){more} ." >"$nr_control/started.tmp" &&
    mv -f "$nr_control/started.tmp" "$nr_control/started"
"#
    )
}

/// Traps: what stops the script stops NAMD, and the end marker is left with the exit code.
pub(super) const TRAPS: &str = r#"# Leaves word of the end, with the exit code. A kill that cannot be caught leaves none.
nr_finish() {
    echo "exit 1 $nr_tag $nr_job $nr_restarts $1 ${nr_signal:-0} $(date +%s) ." >"$nr_control/exit.tmp" &&
        mv -f "$nr_control/exit.tmp" "$nr_control/exit"
}
# What stops this script stops NAMD first. (A group of processes is led by the one it is named after.)
nr_stop() {
    trap '' TERM INT
    nr_signal=$2
    [ -n "$nr_namd" ] || exit $((128 + nr_signal))
    nr_group=$(ps -o pgid= -p $$ 2>/dev/null | tr -d ' ')
    if [ "$nr_group" = $$ ]; then kill -s "$1" 0; else kill -s "$1" "$nr_namd"; fi
}
nr_signal='' nr_namd=''
trap 'nr_finish $?' EXIT
trap 'nr_stop TERM 15' TERM
trap 'nr_stop INT 2' INT
"#;

/// The setup and NAMD.
pub(super) fn run(launch: &Launch, counts: &Counts) -> String {
    let mut text = String::new();
    if !launch.setup.is_empty() {
        text.push_str("# Setup, as configured.\n");
        for line in &launch.setup {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("cd \"$nr_work\" || exit 73\n\n");
    }
    if let Some(dirs) = output_dirs(launch, "nr_work") {
        let _ = writeln!(
            text,
            "# NAMD does not make the directories its outputs go to.\n{dirs}\n"
        );
    }
    let redirect = if launch.command.contains("{log}") {
        String::new()
    } else {
        format!(" >{} 2>&1", quote(&file_argument(&launch.log)))
    };
    let _ = write!(
        text,
        r#"# NAMD. It runs in the background because a shell heeds signals only while it waits.
{{
    trap 'exit 143' TERM
    trap 'exit 130' INT
    {command}
}}{redirect} &
nr_namd=$!
nr_code=0
wait "$nr_namd" || nr_code=$?
# The signal ended the wait: NAMD's own end comes a little later.
if [ -n "$nr_signal" ] && [ "$nr_code" != 0 ]; then
    wait "$nr_namd"
    nr_code=$((128 + nr_signal))
fi
exit "$nr_code"
"#,
        command = command_line(launch, counts)
    );
    text
}

/// What a reader is told at the top.
pub(super) fn title(launch: &Launch) -> String {
    format!(
        "# {} - attempt {}, made by NAMDRunner\n",
        one_line(&launch.job_name),
        launch.attempt
    )
}

/// A file name as an argument that no program takes for an option: NAMD's own begin with `-`,
/// Charm++'s with `+`.
fn file_argument(name: &str) -> String {
    if name.starts_with(['-', '+']) {
        format!("./{name}")
    } else {
        name.to_owned()
    }
}

/// The launch template, filled in.
pub(super) fn command_line(launch: &Launch, counts: &Counts) -> String {
    let asked = &launch.resources;
    let literal = |count: Option<u32>, variable: &str| {
        count.map_or_else(|| variable.to_owned(), |count| count.to_string())
    };
    let nodes = literal(asked.nodes, counts.nodes);
    let ntasks = literal(asked.ntasks, counts.ntasks);
    let cores = match (asked.ntasks, asked.cpus_per_task) {
        (Some(tasks), Some(each)) => (u64::from(tasks) * u64::from(each)).to_string(),
        // Nothing else is asked for, so nothing else can have set the other.
        (Some(tasks), None) if asked.extra.is_empty() => tasks.to_string(),
        (None, None) => counts.cores.to_owned(),
        (tasks, each) => format!(
            "$(({} * {}))",
            literal(tasks, counts.ntasks),
            literal(each, counts.cpus_per_task)
        ),
    };
    let values = [
        ("{config}", quote(&file_argument(&launch.config))),
        ("{log}", quote(&file_argument(&launch.log))),
        ("{cores}", cores),
        ("{ntasks}", ntasks),
        ("{nodes}", nodes),
        // Digits; braces, so that a name may go on behind it.
        ("{index}", "${NAMDRUNNER_INDEX}".to_owned()),
    ];
    let mut text = String::new();
    let mut rest = launch.command.as_str();
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        // One pass: what a value holds is not looked at again.
        if let Some((name, value)) = values.iter().find(|(name, _)| from.starts_with(name)) {
            text.push_str(value);
            rest = from.get(name.len()..).unwrap_or_default();
        } else {
            text.push('{');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    text.push_str(rest);
    text
}
