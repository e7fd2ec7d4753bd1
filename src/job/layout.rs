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

mod placed;

use std::collections::BTreeMap;

use crate::job::origin::Origin;
use crate::job::{Job, JobId};
use crate::shell::{BadPath, RemotePath, quote};

pub use placed::{
    NOT_AS_IT_WAS, Placed, STAGED_DAYS, STAGING, Supply, staging_script, still_there_script,
};

/// Name of the description file in the project directory.
pub const JOB_INFO: &str = "job_info.json";
/// Name of the directory that keeps the uploaded tree.
pub const INPUT_FILES: &str = "input_files";
/// Name of the directory in the project directory that collects outputs, by attempt.
pub const OUTPUTS: &str = "outputs";
/// Name of the directory in the project directory that collects logs, by attempt.
pub const LOGS: &str = "logs";
/// Name of the control directory in a working tree.
pub const CONTROL: &str = ".namdrunner";
/// Name of the directory that keeps, for each attempt, what was asked and its receipt: beside the
/// inputs, where no purge of the scratch file system reaches it.
pub const ATTEMPTS: &str = "attempts";
/// Name of the list of checksums in the project directory, as `sha256sum -c` reads it.
pub const SUMS: &str = "sha256sums";
/// What stands between a job's id and the token of one sending, in the name of a project directory
/// that is not whole yet; it is renamed when it is.
pub const PARTIAL: &str = ".partial-";

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

/// `<project_dir>.partial-<token>`: where one sending of an upload grows. A repeated one has a
/// directory of its own, because the process of the first may still run.
pub fn partial_dir(project_dir: &RemotePath, token: &str) -> Result<RemotePath, BadPath> {
    RemotePath::parse(&format!("{project_dir}{PARTIAL}{token}"))
}

/// Shell text: the function `clear`, which removes what other sendings of this upload left beside
/// `$whole`. Each directory is renamed first: a process that still fills one can then no longer give
/// it its final name, not even while it is being removed.
const CLEAR: &str = r#"clear() {
    for old in "$whole".partial-*; do
        [ -d "$old" ] || continue
        case $old in *.gone) gone=$old ;; *) gone=$old.$$.gone; mv "$old" "$gone" 2>/dev/null || continue ;; esac
        rm -rf "$gone" 2>/dev/null || rm -rf "$gone" || return 1
    done
}
"#;

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

/// A directory that deleting a job removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The directory.
    pub dir: RemotePath,
    /// The root it lies in.
    pub root: RemotePath,
    /// Whether it must show by what it holds that it is the job's: its root is none of the roots
    /// configured now, so that only the job's own row names it.
    pub must_prove: bool,
}

/// The directories that deleting a job removes, or why a path is not one of them.
///
/// A path qualifies only when its last component is the job's own id and it lies strictly inside a
/// root. A job keeps the roots it was made with, so these need not be the `configured` ones of its
/// cluster; a directory in another root is removed only if it holds the job's description or an
/// attempt's control directory. The command that removes it compares canonical paths once more.
pub fn deletable(job: &Job, configured: [&RemotePath; 2]) -> Result<Vec<Removal>, String> {
    if job.origin.is_adopted() {
        return Err("the job was submitted by hand, and its files are its owner's".to_owned());
    }
    let mut found: Vec<Removal> = Vec::new();
    for dir in [&job.spec.project_dir, &job.spec.scratch_dir] {
        let root = dir.parent();
        if dir.file_name() != job.id.as_str() {
            return Err(format!("{dir} does not carry the job's id"));
        }
        if !dir.is_inside(&root) {
            return Err(format!("{dir} does not lie inside a root"));
        }
        if found.iter().all(|known| known.dir != *dir) {
            found.push(Removal {
                dir: dir.clone(),
                must_prove: !configured.contains(&&root),
                root,
            });
        }
    }
    Ok(found)
}

/// The script that takes an upload: unpacks the tar stream on its input into
/// `<project_dir>.partial-<token>`, checks it against `sums` (the stream's last entry), and renames
/// the directory.
///
/// Repeating it (with another token) is harmless: a directory that is whole already is left alone,
/// also when it became whole meanwhile, and then its checksums are printed for [`whole_upload`];
/// unfinished ones are cleared away. Exit codes: see [`upload_failure`].
pub fn upload_script(
    project_dir: &RemotePath,
    token: &str,
    sums: &str,
    placed: &[Placed],
) -> Result<String, BadPath> {
    let partial = partial_dir(project_dir, token)?;
    Ok(format!(
        r#"whole={whole}; partial={partial}; root={root}; sums={sums}
{CLEAR}told() {{ printf 'whole\n' && cat "$whole/{SUMS}"; }}
# Whatever went wrong here: another sending may have made it whole meanwhile, and cleared this one away.
failed() {{ [ ! -e "$whole/{JOB_INFO}" ] || {{ cat >/dev/null; told; exit; }}; exit "$1"; }}
if [ -e "$whole/{JOB_INFO}" ]; then cat >/dev/null; told; exit; fi
[ ! -e "$whole" ] || exit 74
mkdir -p "$root" && {{ clear 2>/dev/null || :; }} && mkdir "$partial" && cd "$partial" || failed 70
{place}# tar may say no more than that it wrote less than it should: the system's own word for it is asked.
tar -xf - || {{ said=$(dd if=/dev/zero of=.room bs=65536 count=1 2>&1) || printf '%s\n' "$said" >&2; failed 71; }}
if command -v sha256sum >/dev/null 2>&1; then sha256sum -c "$sums" >/dev/null || failed 72
elif command -v shasum >/dev/null 2>&1; then shasum -a 256 -c "$sums" >/dev/null || failed 72
fi
{list}mv "$sums" {SUMS} && mkdir -p {INPUT_FILES} {OUTPUTS} {LOGS} || failed 73
mine=
if [ ! -e "$whole" ]; then mv "$partial" "$whole" || failed 73; mine=1; fi
# An earlier sending was quicker, by the blink of an eye between the question and the renaming.
inside=$whole/${{partial##*/}}
if [ -d "$inside" ]; then rm -rf "$inside"; mine=; fi
# What stands there is another sending's: that is what counts, and what is said.
if [ -z "$mine" ]; then clear; [ -e "$whole/{JOB_INFO}" ] || exit 74; told; fi
{release}"#,
        place = placed::place(placed),
        list = placed::list(placed),
        release = placed::release(placed),
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
        NOT_AS_IT_WAS => "a file that was there already is not as it was",
        74 => "something else has the name of its directory",
        _ => "it ended unexpectedly",
    }
}

/// Clears what a broken upload left: prints `whole` and the list of checksums if the directory had
/// been finished after all, removes the unfinished ones otherwise.
pub fn sweep_script(project_dir: &RemotePath) -> String {
    // Cleared first: what becomes whole before that is found, afterwards nothing can.
    format!(
        r#"whole={whole}
{CLEAR}clear || exit
if [ -e "$whole/{JOB_INFO}" ]; then printf 'whole\n' && cat "$whole/{SUMS}"; fi
"#,
        whole = project_dir.quoted(),
    )
}

/// Reads the answer of [`sweep_script`], or of an [`upload_script`] that found its work done: the
/// checksums by path in the tree, if the upload was whole.
pub fn whole_upload(answer: &str) -> Option<BTreeMap<String, String>> {
    let (_, list) = answer.split_once("whole\n")?;
    Some(sums_in_tree(list))
}

/// The checksums by path in the uploaded tree, of the lines of a `sha256sums` file; other lines are
/// passed over.
pub fn sums_in_tree(list: &str) -> BTreeMap<String, String> {
    list.lines()
        .filter_map(|line| {
            // A leading backslash announces that the name is escaped (GNU coreutils manual, "cksum
            // output modes").
            let (line, escaped) = line
                .strip_prefix('\\')
                .map_or((line, false), |line| (line, true));
            let (sum, path) = line.split_once("  ")?;
            let path = path.strip_prefix(INPUT_FILES)?.strip_prefix('/')?;
            let path = if escaped {
                unescaped(path)
            } else {
                path.to_owned()
            };
            (sum.len() == 64).then(|| (path, sum.to_owned()))
        })
        .collect()
}

/// A name as it was before `sha256sum` escaped its backslashes and line ends.
fn unescaped(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name.chars();
    while let Some(letter) = rest.next() {
        plain.push(match letter {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            plain => plain,
        });
    }
    plain
}

/// Removes directories that [`deletable`] named. The canonical path of each is compared with the
/// canonical root first, so that a symbolic link cannot lead out.
pub fn remove_script(removals: &[Removal]) -> String {
    use std::fmt::Write as _;
    let mut script = format!(
        r#"proven() {{
  grep -qF "\"$2\"" "$1/{JOB_INFO}" 2>/dev/null && return
  for control in "$1"/*/{CONTROL}; do [ -d "$control" ] && return; done
  return 1
}}
remove() {{
  [ -e "$1" ] || [ -L "$1" ] || return 0
  if [ -L "$1" ]; then printf '%s is a symbolic link; it is left alone\n' "$1" >&2; return 1; fi
  real=$(cd -P -- "$1" && pwd -P) && root=$(cd -P -- "$2" && pwd -P) || return 1
  if [ "$real" != "${{root%/}}/$3" ]; then
    printf '%s does not lie in %s; it is left alone\n' "$real" "$root" >&2; return 1
  fi
  if [ "$4" = prove ] && ! proven "$real" "$3"; then
    printf '%s lies in none of the configured roots and holds no sign of being the job; it is left alone\n' "$1" >&2
    return 1
  fi
  rm -rf -- "$real" && printf 'removed %s\n' "$1"
}}
bad=0
"#
    );
    for removal in removals {
        let Removal {
            dir,
            root,
            must_prove,
        } = removal;
        let _ = writeln!(
            script,
            "remove {} {} {} {} || bad=1",
            dir.quoted(),
            root.quoted(),
            quote(dir.file_name()),
            if *must_prove { "prove" } else { "known" },
        );
    }
    script.push_str("exit \"$bad\"\n");
    script
}

#[cfg(test)]
pub(crate) mod tests;
