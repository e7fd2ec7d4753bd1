//! The job script.

use std::fmt::Write as _;

use super::options::options;
use crate::scheduler::Launch;
use crate::scheduler::body::{Counts, TRAPS, guard, run, started, title};
use crate::scheduler::control::{one_line, variables};

/// What Slurm tells a job about itself (sbatch(1), OUTPUT ENVIRONMENT VARIABLES).
const COUNTS: Counts = Counts {
    nodes: "${SLURM_JOB_NUM_NODES:-1}",
    ntasks: "${SLURM_NTASKS:-1}",
    cpus_per_task: "${SLURM_CPUS_PER_TASK:-1}",
    cores: "${SLURM_CPUS_ON_NODE:-1}",
};

/// From here on the script is one member's: its number, its tree, its markers.
const MEMBER: &str = r#"# One member of the array, in a tree of its own. NAMD's script finds the number in
# $env(NAMDRUNNER_INDEX).
nr_top=$nr_work
nr_job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
nr_work=$nr_top/$SLURM_ARRAY_TASK_ID
nr_control=$nr_work/.namdrunner
NAMDRUNNER_INDEX=$SLURM_ARRAY_TASK_ID
export NAMDRUNNER_INDEX
mkdir -p "$nr_control" && cd "$nr_work" || exit 73
rm -f "$nr_control/exit"

"#;

/// Lays out a member's tree, once: a requeued member goes on in its own.
///
/// A member may write over its inputs, and must not write over the others'. So files are clones
/// where the file system has them, and else copies; but a large file may be the same one for all
/// (a hard link), and then nobody can write to it.
const MEMBER_TREE: &str = r#"
# Its files: clones where the file system makes them; else links to one read-only file for all, and
# own copies of what is small.
if [ ! -e "$nr_control/laid" ]; then
    nr_from=$nr_top/input_files
    if cp -Rp --reflink=always "$nr_from/." . 2>/dev/null; then
        chmod -R u+w .
    elif cp -Rplf "$nr_from/." . 2>/dev/null; then
        find . -type f -links +1 -size -2049 -exec sh -c '
            for file; do
                cp -p "$file" "$file.nr" && chmod u+w "$file.nr" && mv -f "$file.nr" "$file" || exit 1
            done' sh {} + || exit 73
    else
        cp -Rpf "$nr_from/." . && chmod -R u+w . || exit 73
    fi
    : >"$nr_control/laid"
fi
"#;

/// The script of one attempt.
pub(super) fn script(launch: &Launch) -> String {
    let mut text = String::from("#!/bin/bash\n");
    text.push_str(&title(launch));
    for option in options(launch) {
        if option.fits_directive() {
            let _ = writeln!(text, "#SBATCH {}", option.directive());
        } else {
            let _ = writeln!(text, "# on sbatch's command line: {}", option.directive());
        }
    }
    for line in &launch.resources.extra {
        let line = one_line(line);
        let line = line.strip_prefix("#SBATCH").unwrap_or(&line).trim();
        if !line.is_empty() {
            let _ = writeln!(text, "#SBATCH {line}");
        }
    }
    // Each member has a number of its own in Slurm; what an attempt belongs to is the array.
    let (id, member, tree) = match launch.array {
        Some(_) => ("SLURM_ARRAY_JOB_ID", MEMBER, MEMBER_TREE),
        None => ("SLURM_JOB_ID", "", ""),
    };
    let _ = write!(
        text,
        "\nnr_job=${id}\nnr_restarts=${{SLURM_RESTART_COUNT:-0}}\n{}\n{}\n{member}{}\n{TRAPS}{tree}\n",
        variables(launch, "nr_"),
        guard(launch, "Slurm job"),
        started("")
    );
    if !launch.setup.is_empty() {
        // A batch script's shell is no login shell, and what submits is none either.
        text.push_str(
            "# `module` is a function that login shells get.\n\
             if ! command -v module >/dev/null 2>&1 && [ -r /etc/profile ]; then . /etc/profile; fi\n\n",
        );
    }
    text.push_str(&run(launch, &COUNTS));
    text
}
