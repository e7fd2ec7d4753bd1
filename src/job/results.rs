//! What a job has on the cluster: the listing command, its answer, and what each file is. Pure.

use std::fmt::Write as _;

use crate::job::{Job, layout};
use crate::shell::RemotePath;

/// Files of one listing; beyond, the rest is left out.
const MOST: usize = 20_000;

/// A file of a job on its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where it is in the job's tree, `/`-separated: as the config names it where it can.
    pub path: String,
    /// Where it is on the cluster.
    pub remote: RemotePath,
    /// What it is: an input's own role, or `log`, `restart`, `trajectory`, `xst`, `colvars`,
    /// `control`, `output`.
    pub role: String,
    /// Whether it was uploaded.
    pub input: bool,
    /// Its size.
    pub bytes: u64,
    /// When it was modified there, in seconds since 1970.
    pub modified: Option<i64>,
    /// Whether it lies in the project directory, and not on scratch.
    pub in_project: bool,
    /// The attempt that wrote it.
    pub attempt: Option<u32>,
}

/// Lists all files below the job's directories: `dir N`, then a line of size, date and path each.
pub fn listing_script(job: &Job) -> String {
    let mut script = format!(
        r#"list() {{
  printf 'dir %s\n' "$1"
  cd "$2" 2>/dev/null || return 0
  if stat -c %s . >/dev/null 2>&1; then find . -type f -exec stat -c '%s %Y %n' {{}} +
  else find . -type f -exec stat -f '%z %m %N' {{}} +
  fi | head -n {MOST}
}}
"#
    );
    for (number, dir) in directories(job).enumerate() {
        let _ = writeln!(script, "list {number} {}", dir.quoted());
    }
    script
}

/// The project directory and, where it is another one, that on scratch.
fn directories(job: &Job) -> impl Iterator<Item = &RemotePath> {
    let (project, scratch) = (&job.spec.project_dir, &job.spec.scratch_dir);
    std::iter::once(project).chain((project != scratch).then_some(scratch))
}

/// Reads the answer to [`listing_script`]. What it does not understand it leaves out.
pub fn read_listing(job: &Job, text: &str) -> Vec<RemoteFile> {
    let directories: Vec<&RemotePath> = directories(job).collect();
    let mut files = Vec::new();
    let mut dir = None;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("dir ") {
            let number: Option<usize> = number.parse().ok();
            dir = number.and_then(|number| directories.get(number).copied());
            continue;
        }
        let mut words = line.splitn(3, ' ');
        let (Some(dir), Some(bytes), Some(modified), Some(path)) =
            (dir, words.next(), words.next(), words.next())
        else {
            continue;
        };
        let (Ok(bytes), Some(below)) = (bytes.parse(), path.strip_prefix("./")) else {
            continue;
        };
        files.extend(file(job, dir, below, bytes, modified.parse().ok()));
    }
    files.sort_by(|a, b| {
        (a.attempt, !a.in_project, &a.path).cmp(&(b.attempt, !b.in_project, &b.path))
    });
    // A result that was copied to the project directory stands there and on scratch.
    files.dedup_by(|b, a| a.attempt == b.attempt && a.path == b.path && a.bytes == b.bytes);
    files
}

fn file(
    job: &Job,
    dir: &RemotePath,
    below: &str,
    bytes: u64,
    modified: Option<i64>,
) -> Option<RemoteFile> {
    let remote = dir.join(below).ok()?;
    let made = |path: &str, role: &str, attempt, in_project| RemoteFile {
        path: path.to_owned(),
        remote: remote.clone(),
        role: role.to_owned(),
        input: false,
        bytes,
        modified,
        in_project,
        attempt,
    };
    let input = |in_tree: &str| job.spec.files.iter().find(|file| file.in_tree == in_tree);
    let (first, rest) = below.split_once('/').unwrap_or((below, ""));
    if first == layout::INPUT_FILES && !rest.is_empty() {
        let role = input(rest).map_or("input", |file| file.role.as_str());
        return Some(RemoteFile {
            input: true,
            ..made(rest, role, None, true)
        });
    }
    if (first == "outputs" || first == "logs") && rest.contains('/') {
        let (attempt, path) = rest.split_once('/')?;
        return Some(made(path, role(path), Some(attempt.parse().ok()?), true));
    }
    match first.parse::<u32>() {
        Ok(attempt) if !rest.is_empty() => {
            let in_tree = in_own_tree(job, rest);
            // The working tree's copy of an input is the input.
            let is_copy = input(in_tree).is_some_and(|file| file.bytes == bytes);
            (!is_copy).then(|| made(rest, role(in_tree), Some(attempt), false))
        }
        _ => Some(made(below, "control", None, dir == &job.spec.project_dir)),
    }
}

/// A place in an attempt's directory as the config sees it. The members of an array have trees of
/// their own there, beside the copy of the inputs that these are made from.
fn in_own_tree<'p>(job: &Job, below: &'p str) -> &'p str {
    match below.split_once('/') {
        Some((first, rest))
            if job.spec.array.is_some()
                && (first == layout::INPUT_FILES || first.parse::<u32>().is_ok()) =>
        {
            rest
        }
        _ => below,
    }
}

/// What a file is that a run wrote, by its name (NAMD's own endings).
pub fn role(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    if path.split('/').next() == Some(layout::CONTROL) {
        return if name == "namd.log" { "log" } else { "control" };
    }
    // What NAMD keeps of an earlier version is what that was.
    let plain = [".old", ".bak"]
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    let ends = |endings: &[&str]| endings.iter().any(|ending| plain.ends_with(ending));
    if ends(&[".dcd", ".veldcd", ".forcedcd"]) {
        "trajectory"
    } else if ends(&[".log", ".out", ".err"]) || plain.starts_with("slurm-") {
        "log"
    } else if ends(&[".xst"]) {
        "xst"
    } else if plain.contains(".colvars.") || ends(&[".pmf", ".hills", ".hills.traj"]) {
        "colvars"
    } else if ends(&[".coor", ".vel", ".xsc"]) {
        "restart"
    } else {
        "output"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_namds_endings() {
        for (path, is) in [
            ("eq.dcd", "trajectory"),
            ("output/eq.restart.coor", "restart"),
            ("eq.restart.xsc.old", "restart"),
            ("eq.vel.BAK", "restart"),
            ("eq.xst", "xst"),
            ("eq.colvars.traj", "colvars"),
            ("eq.restart.colvars.state", "colvars"),
            ("eq.log", "log"),
            ("slurm-12.out", "log"),
            (".namdrunner/exit", "control"),
            (".namdrunner/namd.log", "log"),
            ("rmsd.dat", "output"),
        ] {
            assert_eq!(role(path), is, "{path}");
        }
    }
}
