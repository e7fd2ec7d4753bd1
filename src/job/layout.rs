//! Where a job lies on the cluster: project and scratch paths, and what may be deleted.
//!
//! ```text
//! <project_root>/<jobId>/job_info.json      what this job is, for other laptops and lost databases
//!                        input_files/…      the tree as it was uploaded, never changed
//!                        outputs/<n>/…      collected results of attempt n
//!                        logs/<n>/…         collected logs of attempt n
//! <scratch_root>/<jobId>/<n>/…              the working tree of attempt n
//!                        <n>/.namdrunner/   job.sbatch, lock, receipt, started, exit
//! ```

use crate::job::{Job, JobId};
use crate::shell::{BadPath, RemotePath};

/// Name of the description file in the project directory.
pub const JOB_INFO: &str = "job_info.json";
/// Name of the directory that keeps the uploaded tree.
pub const INPUT_FILES: &str = "input_files";
/// Name of the control directory in a working tree.
pub const CONTROL: &str = ".namdrunner";
/// Suffix of a project directory that is not whole yet; it is renamed when it is.
pub const PARTIAL: &str = ".partial";

/// `<root>/<jobId>`.
pub fn job_dir(root: &RemotePath, id: &JobId) -> Result<RemotePath, BadPath> {
    root.join(id.as_str())
}

/// `<scratch_root>/<jobId>/<n>`: where attempt `n` runs.
pub fn work_dir(job: &Job, attempt: u32) -> Result<RemotePath, BadPath> {
    job.spec.scratch_dir.join(&attempt.to_string())
}

/// `<project_dir>.partial`: where an upload grows.
pub fn partial_dir(project_dir: &RemotePath) -> Result<RemotePath, BadPath> {
    RemotePath::parse(&format!("{project_dir}{PARTIAL}"))
}

/// NAMD's log of an attempt, relative to the working tree: beside the config, where its user would
/// put it, unless an input has that name.
pub fn log_in_tree(job: &Job) -> String {
    let config = &job.spec.config_in_tree;
    let (dir, name) = config
        .rsplit_once('/')
        .map_or(("", config.as_str()), |(d, n)| (d, n));
    let stem = name
        .rsplit_once('.')
        .map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
    let log = if dir.is_empty() {
        format!("{stem}.log")
    } else {
        format!("{dir}/{stem}.log")
    };
    if job.spec.files.iter().any(|file| file.in_tree == log) {
        format!("{CONTROL}/namd.log")
    } else {
        log
    }
}

/// The directories that deleting a job removes, or why a path is not one of them.
///
/// A path qualifies only when it lies strictly inside its configured root and its last component
/// is the job's own id. The command that removes it compares canonical paths once more.
pub fn deletable(
    job: &Job,
    project_root: &RemotePath,
    scratch_root: &RemotePath,
) -> Result<Vec<(RemotePath, RemotePath)>, String> {
    let mut found: Vec<(RemotePath, RemotePath)> = Vec::new();
    for (path, root) in [
        (&job.spec.project_dir, project_root),
        (&job.spec.scratch_dir, scratch_root),
    ] {
        if !path.is_inside(root) {
            return Err(format!("{path} does not lie inside {root}"));
        }
        if path.file_name() != job.id.as_str() {
            return Err(format!("{path} does not carry the job's id"));
        }
        if found.iter().all(|(known, _)| known != path) {
            found.push((path.clone(), root.clone()));
        }
    }
    Ok(found)
}
