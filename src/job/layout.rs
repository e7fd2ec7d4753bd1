//! Where a job lies on the cluster: project and scratch paths, and what may be deleted.
//!
//! ```text
//! <project_root>/<jobId>/job_info.json      what this job is, for other laptops and lost databases
//!                        input_files/…      the tree as it was uploaded, never changed
//!                        attempts/<n>/…     what attempt n asked, and the receipt of its submission
//!                        outputs/<n>/…      collected results of attempt n
//!                        logs/<n>/…         collected logs of attempt n
//! <scratch_root>/<jobId>/<n>/…              the working tree of attempt n
//!                        <n>/.namdrunner/   job.sbatch, lock, receipt, started, exit
//! ```

use std::collections::BTreeMap;

use crate::job::origin::Origin;
use crate::job::{Job, JobId};
use crate::shell::{BadPath, RemotePath, quote};

/// Name of the description file in the project directory.
pub const JOB_INFO: &str = "job_info.json";
/// Name of the directory that keeps the uploaded tree.
pub const INPUT_FILES: &str = "input_files";
/// Name of the control directory in a working tree.
pub const CONTROL: &str = ".namdrunner";
/// Name of the directory that keeps, for each attempt, what was asked and its receipt: beside the
/// inputs, where no purge of the scratch file system reaches it.
pub const ATTEMPTS: &str = "attempts";
/// Name of the list of checksums in the project directory, as `sha256sum -c` reads it.
pub const SUMS: &str = "sha256sums";
/// Suffix of a project directory that is not whole yet; it is renamed when it is.
pub const PARTIAL: &str = ".partial";

/// `<root>/<jobId>`.
pub fn job_dir(root: &RemotePath, id: &JobId) -> Result<RemotePath, BadPath> {
    root.join(id.as_str())
}

/// `<scratch_root>/<jobId>/<n>`: where attempt `n` runs. An adopted job runs where its owner has it.
pub fn work_dir(job: &Job, attempt: u32) -> Result<RemotePath, BadPath> {
    if let Origin::Adopted { work_dir, .. } = &job.origin {
        return Ok(work_dir.clone());
    }
    job.spec.scratch_dir.join(&attempt.to_string())
}

/// `<project_dir>.partial`: where an upload grows.
pub fn partial_dir(project_dir: &RemotePath) -> Result<RemotePath, BadPath> {
    RemotePath::parse(&format!("{project_dir}{PARTIAL}"))
}

/// NAMD's log of an attempt, relative to the working tree: beside the config, where its user would
/// put it, unless an input has that name.
pub fn log_in_tree(job: &Job) -> String {
    if let Origin::Adopted { log: Some(log), .. } = &job.origin {
        return log.clone();
    }
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
    if job.origin.is_adopted() {
        return Err("the job was submitted by hand, and its files are its owner's".to_owned());
    }
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

/// The script that takes an upload: unpacks the tar stream on its input into `<project_dir>.partial`,
/// checks it against `sums` (the stream's last entry), and renames the directory.
///
/// Repeating it is harmless: a directory that is whole already is left alone, an unfinished one is
/// begun anew. Exit codes: see [`upload_failure`].
pub fn upload_script(project_dir: &RemotePath, sums: &str) -> Result<String, BadPath> {
    let partial = partial_dir(project_dir)?;
    Ok(format!(
        r#"whole={whole}; partial={partial}; root={root}; sums={sums}
if [ -e "$whole/{JOB_INFO}" ]; then cat >/dev/null; exit 0; fi
[ ! -e "$whole" ] || exit 74
mkdir -p "$root" && rm -rf "$partial" && mkdir "$partial" && cd "$partial" || exit 70
tar -xf - || exit 71
if command -v sha256sum >/dev/null 2>&1; then sha256sum -c "$sums" >/dev/null || exit 72
elif command -v shasum >/dev/null 2>&1; then shasum -a 256 -c "$sums" >/dev/null || exit 72
fi
mv "$sums" {SUMS} && mkdir -p {INPUT_FILES} outputs logs && mv "$partial" "$whole" || exit 73
"#,
        whole = project_dir.quoted(),
        partial = partial.quoted(),
        root = project_dir.parent().quoted(),
        sums = quote(sums),
    ))
}

/// What an exit code of [`upload_script`] means.
pub fn upload_failure(code: i32) -> &'static str {
    match code {
        70 => "the job's directory could not be made",
        71 => "the files could not be unpacked",
        72 => "the checksums differ",
        73 => "the finished directory could not be given its name",
        74 => "something else has the name of its directory",
        _ => "it ended unexpectedly",
    }
}

/// Clears what a broken upload left: prints `whole` and the list of checksums if the directory had
/// been finished after all, removes the unfinished one otherwise.
pub fn sweep_script(project_dir: &RemotePath) -> Result<String, BadPath> {
    let partial = partial_dir(project_dir)?;
    Ok(format!(
        r#"whole={whole}; partial={partial}
if [ -e "$whole/{JOB_INFO}" ]; then printf 'whole\n' && cat "$whole/{SUMS}"; exit; fi
rm -rf "$partial"
"#,
        whole = project_dir.quoted(),
        partial = partial.quoted(),
    ))
}

/// Reads the answer of [`sweep_script`]: the checksums by path in the tree, if the upload was whole.
pub fn whole_upload(answer: &str) -> Option<BTreeMap<String, String>> {
    let (_, list) = answer.split_once("whole\n")?;
    let sums = list
        .lines()
        .filter_map(|line| {
            let (sum, path) = line.split_once("  ")?;
            let path = path.strip_prefix(INPUT_FILES)?.strip_prefix('/')?;
            (sum.len() == 64).then(|| (path.to_owned(), sum.to_owned()))
        })
        .collect();
    Some(sums)
}

/// Removes directories that [`deletable`] named, each with its root. The canonical path of each is
/// compared with the canonical root first, so that a symbolic link cannot lead out.
pub fn remove_script(dirs: &[(RemotePath, RemotePath)]) -> String {
    use std::fmt::Write as _;
    let mut script = String::from(
        r#"remove() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  if [ -L "$1" ]; then printf '%s is a symbolic link; it is left alone\n' "$1" >&2; return 1; fi
  real=$(cd -P -- "$1" && pwd -P) && root=$(cd -P -- "$2" && pwd -P) || return 1
  if [ "$real" != "${root%/}/$3" ]; then
    printf '%s does not lie in %s; it is left alone\n' "$real" "$root" >&2; return 1
  fi
  rm -rf -- "$real" && printf 'removed %s\n' "$1"
}
bad=0
"#,
    );
    for (dir, root) in dirs {
        let name = quote(dir.file_name());
        let _ = writeln!(
            script,
            "remove {} {} {name} || bad=1",
            dir.quoted(),
            root.quoted()
        );
    }
    script.push_str("exit \"$bad\"\n");
    script
}

#[cfg(test)]
mod tests;
