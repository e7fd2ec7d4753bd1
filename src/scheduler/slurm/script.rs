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
    let _ = write!(
        text,
        "\nnr_job=$SLURM_JOB_ID\nnr_restarts=${{SLURM_RESTART_COUNT:-0}}\n{}\n{}\n{}\n{TRAPS}\n",
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
