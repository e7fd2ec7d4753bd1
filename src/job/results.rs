//! What a job has on the cluster: the listing command, its answer, and what each file is. Pure.

use std::fmt::Write as _;

use crate::job::origin::Origin;
use crate::job::{Job, collect, layout};
use crate::shell::RemotePath;

/// Files of one listing; beyond, the rest is left out.
const MOST: usize = 20_000;
/// The same, of an adopted job.
const MOST_ADOPTED: usize = 2_000;

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
///
/// The directory of an adopted job is its owner's, and may be all of a home. There, only its config,
/// its log, and what was written while it ran are listed: no deeper than one directory, none that is
/// hidden.
pub fn listing_script(job: &Job) -> String {
    if let Origin::Adopted { work_dir, log, .. } = &job.origin {
        return adopted_script(job, work_dir, log.as_deref());
    }
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

/// Lists what of its owner's directory belongs to an adopted job.
fn adopted_script(job: &Job, work_dir: &RemotePath, log: Option<&str>) -> String {
    let submitted = job.attempt().and_then(|attempt| attempt.submitted);
    let submitted = submitted.unwrap_or(job.created_at).as_second();
    let ended = job.ended();
    // Written until some minutes after its end: files of network file systems show late.
    let until = ended.map_or(String::new(), |at| {
        format!(
            "late=$((($(date +%s) - {}) / 60 - 5)); [ \"$late\" -le 0 ] || until=\"! -mmin -$late\"\n",
            at.as_second()
        )
    });
    let named: Vec<String> = [Some(job.spec.config_in_tree.as_str()), log]
        .into_iter()
        .flatten()
        .filter(|name| work_dir.join(name).is_ok())
        .map(|name| crate::shell::quote(&format!("./{name}")))
        .collect();
    let named = named.join(" ");
    format!(
        r#"printf 'dir 0\n'
cd {dir} 2>/dev/null || exit 0
until=
{until}minutes=$((($(date +%s) - {submitted}) / 60 + 2))
if stat -c %s . >/dev/null 2>&1; then form='-c' fields='%s %Y %n'; else form='-f' fields='%z %m %N'; fi
for file in {named}; do [ ! -f "$file" ] || stat "$form" "$fields" "$file"; done
find . -maxdepth 2 -name '.?*' -prune -o -type f -mmin "-$minutes" $until -exec stat "$form" "$fields" {{}} + 2>/dev/null | head -n {MOST_ADOPTED}
"#,
        dir = work_dir.quoted(),
    )
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
    // A result that was copied to the project directory stands there and on scratch. Where they
    // differ, the newer one is the file.
    files.sort_by(|a, b| {
        (a.attempt, !a.input, &a.path)
            .cmp(&(b.attempt, !b.input, &b.path))
            .then(b.modified.cmp(&a.modified))
            .then(b.in_project.cmp(&a.in_project))
    });
    files.dedup_by(|b, a| {
        a.attempt.is_some()
            && a.attempt == b.attempt
            && a.input == b.input
            && a.path == b.path
            && !(a.in_project && b.in_project)
    });
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
    if let Origin::Adopted { log, .. } = &job.origin {
        let is_log = log.as_deref() == Some(below);
        let input = below == job.spec.config_in_tree;
        let role = match (is_log, input) {
            (true, _) => "log",
            (_, true) => "config",
            _ => role(below),
        };
        return Some(RemoteFile {
            path: below.to_owned(),
            remote,
            role: role.to_owned(),
            input,
            bytes,
            modified,
            in_project: false,
            attempt: job.attempt().map(|attempt| attempt.n),
        });
    }
    if below.rsplit('/').next().is_some_and(collect::is_own) {
        return None;
    }
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

    fn job(array: Option<&str>) -> Job {
        let mut job = crate::job::layout::tests::job("/p", "/s");
        job.spec.array = array.map(|text| crate::scheduler::Array::parse(text).unwrap());
        job.spec.files.push(crate::job::JobFile {
            local: "/home/ada/ubq/run.namd".into(),
            in_tree: "ubq/run.namd".into(),
            bytes: 300,
            sha256: String::new(),
            role: "config".into(),
        });
        job
    }

    fn shown(job: &Job, listing: &str) -> Vec<(String, String, Option<u32>)> {
        read_listing(job, listing)
            .into_iter()
            .map(|file| (file.remote.to_string(), file.role, file.attempt))
            .map(|(remote, role, attempt)| {
                let id = job.id.as_str();
                (remote.replace(id, "ID"), role, attempt)
            })
            .collect()
    }

    #[test]
    fn a_members_file_is_what_it_is_in_the_members_own_tree() {
        let listing = "dir 1\n300 9 ./1/3/ubq/run.namd\n\
            300 9 ./1/input_files/ubq/run.namd\n\
            50 9 ./1/3/.namdrunner/exit\n\
            60 9 ./1/3/.namdrunner/namd.log\n\
            70 9 ./1/3/ubq/eq.dcd\n\
            300 9 ./1/x/ubq/run.namd\n";
        let of = |path: &str, role: &str| (format!("/s/ID/{path}"), role.to_owned(), Some(1));
        // Of an array, the members' copies of an input are inputs, and their control files theirs.
        assert_eq!(
            shown(&job(Some("0-4")), listing),
            [
                of("1/3/.namdrunner/exit", "control"),
                of("1/3/.namdrunner/namd.log", "log"),
                of("1/3/ubq/eq.dcd", "trajectory"),
                of("1/x/ubq/run.namd", "output"),
            ]
        );
        // Of any other job, a directory with a number for a name is one that it made.
        let plain = shown(&job(None), listing);
        assert_eq!(plain.len(), 6, "{plain:#?}");
        assert!(plain.contains(&of("1/3/.namdrunner/exit", "output")));
    }

    #[test]
    fn a_result_in_both_places_is_listed_once() {
        let job = job(None);
        let both = "dir 0\n70 9 ./outputs/1/ubq/eq.coor\n3 9 ./outputs/1/ubq/eq.dcd.collecting-77\n8 9 ./logs/1/.collecting\n\
            40 9 ./logs/1/ubq/run.log\n\
            dir 1\n70 9 ./1/ubq/eq.coor\n55 12 ./1/ubq/run.log\n";
        // Where they are alike it is the one that stays; where not, the one that was written later.
        assert_eq!(
            shown(&job, both),
            [
                (
                    "/p/ID/outputs/1/ubq/eq.coor".into(),
                    "restart".into(),
                    Some(1)
                ),
                ("/s/ID/1/ubq/run.log".into(), "log".into(), Some(1)),
            ]
        );
    }

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
