//! What a job needs from this machine's disk: the closure of its config, laid out as a tree.
//!
//! Paths are taken as the kernel takes them: from the canonical directory of the config, and a `..`
//! that leads through a symbolic link to another place than the text says is refused, because the
//! tree on the cluster holds no links.

mod disk;
mod inputs;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

pub(crate) use self::disk::utf8;
use self::disk::{as_read, look, read_config, unreadable};
use crate::error::{Error, Result};
use crate::job::{JobFile, layout};
use crate::namd::paths::{self, Ancestor};
use crate::namd::{
    Analysis, Closure, Code, Finding, Found, INDEX, InputState, Role, Severity, apply_rewrites,
};
use crate::scheduler::Array;

/// A config (or a file it sources) larger than this is not read: it is not a config.
const LARGEST_TEXT: u64 = 16 << 20;
/// Most files that may be named beside the closure.
const MOST_FILES: usize = 20_000;
/// The role of a file that only the caller names.
const FURTHER: &str = "input";

/// A config with everything it needs, placed.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The config, canonical but for its own name.
    pub(crate) config_path: PathBuf,
    pub(crate) config_bytes: Vec<u8>,
    pub(crate) config_sha256: String,
    pub(crate) config_in_tree: String,
    /// All files to be uploaded, by their place in the tree.
    pub(crate) files: Vec<LocalFile>,
    /// Absolute paths that are only on the cluster, with their roles.
    pub(crate) on_cluster: Vec<(String, String)>,
    /// Directories in the tree that the config's output names need.
    pub(crate) output_dirs: Vec<String>,
    pub(crate) findings: Vec<Finding>,
    /// How the uploaded copies differ from the user's files.
    pub(crate) rewritten: Option<String>,
    pub(crate) total_steps: Option<u64>,
    /// Runs and minimisations, where their number is certain.
    pub(crate) segments: Option<u32>,
}

/// One file to be uploaded.
#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    pub(crate) in_tree: String,
    pub(crate) bytes: u64,
    /// When it had been written to; one that is written to before it is sent is refused.
    pub(crate) modified: Option<SystemTime>,
    pub(crate) role: String,
    pub(crate) executable: bool,
    /// What is sent instead of the file as it is then: the config with its rewritten paths, and the
    /// files it reads commands from, as they were read. So what runs is what was looked at, even if
    /// it is saved meanwhile.
    pub(crate) content: Option<Arc<[u8]>>,
}

impl Survey {
    /// The config's file name without its ending.
    pub(crate) fn stem(&self) -> String {
        self.config_path.file_stem().map_or_else(
            || "job".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    }

    pub(crate) fn job_files(&self) -> Vec<JobFile> {
        self.files
            .iter()
            .map(|file| JobFile {
                local: file.path.display().to_string(),
                in_tree: file.in_tree.clone(),
                bytes: file.bytes,
                sha256: String::new(),
                role: file.role.clone(),
            })
            .collect()
    }
}

/// Finds what a config needs: `bytes` are its text, the rest is as it is on disk. Waits for the disk.
pub(crate) fn analyse(full: &str, bytes: &[u8]) -> Analysis {
    follow(&mut Closure::new(full), full, bytes, &mut |_, _| {})
}

/// The same for an array: once for each member, if what the config does depends on the number.
fn analyse_members(
    full: &str,
    bytes: &[u8],
    array: &Array,
    keep: &mut Keep<'_>,
) -> Result<Analysis> {
    let mut closure = Closure::new(full);
    let mut each = Vec::new();
    for member in array.members().iter() {
        closure = closure.with_environment(INDEX, member.to_string());
        each.push((member, follow(&mut closure, full, bytes, keep)));
        if !closure.asks_environment(INDEX) {
            break;
        }
    }
    Analysis::of_members(each).ok_or_else(|| Error::internal("an array without members"))
}

/// Is shown each text that was read, with its path.
type Keep<'k> = dyn FnMut(&str, &[u8]) + 'k;

/// Looks at what a config asks for until it asks no more.
fn follow(closure: &mut Closure, full: &str, bytes: &[u8], keep: &mut Keep<'_>) -> Analysis {
    loop {
        let needs = closure.needs();
        if needs.is_empty() {
            return closure.finish();
        }
        for need in needs {
            let found = if need.path == full {
                as_read(bytes, need.want)
            } else {
                look(Path::new(&need.path), need.want)
            };
            if let Found::File {
                content: Some(text),
                ..
            } = &found
            {
                keep(&need.path, text);
            }
            closure.feed(&need.path, found);
        }
    }
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Reads a config and finds what it needs. Waits for the disk: not for the runtime's workers.
///
/// Of an array the files of all members are found.
pub(crate) fn survey(config: &Path, inputs: &[String], array: Option<&Array>) -> Result<Survey> {
    let (config_path, config_bytes) = read_config(config)?;
    let full = utf8(&config_path)?;
    let mut texts: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
    let mut keep = |path: &str, text: &[u8]| {
        texts.insert(paths::tidy(path), text.into());
    };
    let mut analysis = match array {
        Some(array) => analyse_members(&full, &config_bytes, array, &mut keep)?,
        None => follow(&mut Closure::new(&full), &full, &config_bytes, &mut keep),
    };
    let further = inputs::further_inputs(paths::parent(&full), inputs)?;
    let mut tree = Tree::around(&analysis, &further.paths);
    for input in analysis.uploads() {
        tree.add(
            input.path.as_deref().unwrap_or_default(),
            role_of(input.role),
        );
    }
    for path in &further.paths {
        tree.add(path, FURTHER.to_owned());
    }
    let output_dirs = tree.directories(&analysis);
    let config_in_tree = tree
        .place(&analysis.config)
        .ok_or_else(|| Error::internal("the config lies outside its own tree"))?;
    let Tree {
        ancestor,
        placed,
        absolute_dir,
        findings,
        ..
    } = tree;
    analysis
        .findings
        .extend(findings.into_iter().chain(further.findings));
    let rewrites = analysis.rewrites(|input| {
        let placed = placed.get(input.path.as_deref()?)?;
        let from = paths::tidy(&paths::join(&ancestor.config_directory, &input.base));
        let up = "../".repeat(from.split('/').filter(|part| !part.is_empty()).count());
        placed
            .in_tree
            .starts_with(&absolute_dir)
            .then(|| format!("{up}{}", placed.in_tree))
    });
    let uploaded = apply_rewrites(&config_bytes, &rewrites);
    let changed = uploaded != config_bytes;
    let rewritten = changed.then(|| line_diff(&analysis.config, &config_bytes, &uploaded));

    let uploaded: Arc<[u8]> = uploaded.into();
    let mut by_place: BTreeMap<String, LocalFile> = BTreeMap::new();
    for placed in placed.into_values() {
        let Placed {
            local,
            in_tree,
            role,
        } = placed;
        let is_config = in_tree == config_in_tree;
        let text = local.to_str().and_then(|local| texts.get(local));
        let content = if is_config { Some(&uploaded) } else { text }.map(Arc::clone);
        let meta = fs::metadata(&local).map_err(|why| unreadable(&local, &why))?;
        let role = if is_config {
            role_of(Role::Config)
        } else {
            role
        };
        let file = LocalFile {
            bytes: content
                .as_ref()
                .map_or(meta.len(), |content| content.len() as u64),
            modified: meta.modified().ok(),
            executable: is_executable(&meta),
            in_tree: in_tree.clone(),
            path: local,
            content,
            role,
        };
        // One file may be named in two ways; what the config calls it says more.
        match by_place.entry(in_tree) {
            Entry::Vacant(free) => drop(free.insert(file)),
            Entry::Occupied(mut known) if known.get().role == FURTHER => drop(known.insert(file)),
            Entry::Occupied(_) => {}
        }
    }
    Ok(Survey {
        config_sha256: sha256(&config_bytes),
        on_cluster: analysis
            .inputs
            .iter()
            .filter(|input| input.state == InputState::OnCluster)
            .filter_map(|input| Some((input.path.clone()?, role_of(input.role))))
            .collect(),
        total_steps: analysis.plan.total_steps,
        segments: analysis
            .plan
            .segments
            .iter()
            .all(|segment| segment.certain)
            .then(|| u32::try_from(analysis.plan.segments.len()).ok())
            .flatten(),
        files: by_place.into_values().collect(),
        findings: analysis.findings,
        config_path,
        config_bytes,
        config_in_tree,
        output_dirs,
        rewritten,
    })
}

/// Where the files of one config go in the uploaded tree.
struct Tree {
    ancestor: Ancestor,
    /// The config's directory on this machine.
    directory: String,
    /// By the path as it is opened here: relative to the config's directory, or absolute.
    placed: BTreeMap<String, Placed>,
    /// Where inputs named by absolute paths go.
    absolute_dir: String,
    findings: Vec<Finding>,
}

struct Placed {
    /// Where it is on this machine.
    local: PathBuf,
    in_tree: String,
    role: String,
}

impl Tree {
    fn around(analysis: &Analysis, extra: &[String]) -> Self {
        let mut kept = analysis.anchored_paths();
        kept.extend(working_directories(analysis).map(|path| format!("{path}/")));
        // A path that climbs out of a directory and comes back needs what it climbs to.
        let climbs: Vec<String> = kept.iter().flat_map(|path| climbs(path)).collect();
        kept.extend(climbs);
        kept.extend(extra.iter().cloned());
        let directory = analysis.directory.clone();
        let ancestor = paths::common_ancestor(&directory, kept.iter().map(String::as_str));
        let taken = |name: &str| {
            kept.iter().any(|path| {
                paths::below(&ancestor.root, &paths::join(&directory, path))
                    .is_some_and(|place| place == name || place.starts_with(&format!("{name}/")))
            })
        };
        let absolute_dir = (0..u32::MAX)
            .map(|n| {
                if n == 0 {
                    "absolute_inputs".to_owned()
                } else {
                    format!("absolute_inputs_{n}")
                }
            })
            .find(|name| !taken(name))
            .unwrap_or_default();
        Self {
            ancestor,
            directory,
            placed: BTreeMap::new(),
            absolute_dir,
            findings: Vec::new(),
        }
    }

    /// The place of a relative path.
    fn place(&self, path: &str) -> Option<String> {
        paths::below(&self.ancestor.root, &paths::join(&self.directory, path))
    }

    fn add(&mut self, path: &str, role: String) {
        if path.is_empty() || self.placed.contains_key(path) {
            return;
        }
        let opened = paths::join(&self.directory, path);
        let (local, in_tree) = if paths::is_absolute(path) {
            (opened, self.absolute_place(path))
        } else if leads_elsewhere(&opened) {
            self.refuse(Code::InputUnreadable, format!(
                "The path {path} goes through a symbolic link and up again: it would open another \
                 file on the cluster, where the tree holds no links. Write the path without the link."
            ));
            (opened, self.place(path).unwrap_or_default())
        } else {
            (paths::tidy(&opened), self.place(path).unwrap_or_default())
        };
        self.check(&in_tree, Code::InputUnreadable);
        self.placed.insert(
            path.to_owned(),
            Placed {
                local: local.into(),
                in_tree,
                role,
            },
        );
    }

    /// Directories that must be there for a path to open, or for an output to be written.
    fn directories(&mut self, analysis: &Analysis) -> Vec<String> {
        let outputs = analysis
            .outputs
            .files
            .iter()
            .filter_map(|output| output.path.as_deref());
        let walked = self.placed.keys().map(String::as_str).chain(outputs);
        let mut directories: Vec<String> = analysis
            .outputs
            .directories
            .iter()
            .cloned()
            .chain(walked.flat_map(paths::walked_through))
            .chain(working_directories(analysis).map(str::to_owned))
            .filter(|path| !paths::is_absolute(path) && !path.contains('*'))
            .filter_map(|path| self.place(&path))
            .filter(|path| !path.is_empty())
            .collect();
        directories.sort_unstable();
        directories.dedup();
        for directory in &directories {
            self.check(directory, Code::InvalidValue);
        }
        directories
    }

    /// Refuses a place that the cluster cannot have.
    fn check(&mut self, in_tree: &str, code: Code) {
        if in_tree.chars().any(char::is_control) {
            self.refuse(code, format!(
                "The name {in_tree:?} holds a control character, which the scripts and lists on a \
                 cluster cannot carry. Rename it."
            ));
        }
        if in_tree.split('/').next() == Some(layout::CONTROL) {
            self.refuse(Code::Conflict, format!(
                "{in_tree} would lie in the job's own control directory, {}. Rename that directory, or \
                 leave it out.",
                layout::CONTROL
            ));
        }
    }

    fn refuse(&mut self, code: Code, message: String) {
        self.findings
            .push(Finding::of_config(Severity::Error, code, message));
    }

    /// The place of an input that is named by an absolute path: its own name, made unique.
    fn absolute_place(&self, path: &str) -> String {
        let name = paths::file_name(path);
        let within = |place: &str, other: &str| {
            place
                .strip_prefix(other)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (0..u32::MAX)
            .map(|n| match n {
                0 => format!("{}/{name}", self.absolute_dir),
                n => format!("{}/{n}/{name}", self.absolute_dir),
            })
            .find(|place| {
                let mut others = self.placed.values().map(|placed| &placed.in_tree);
                others.all(|other| !within(place, other) && !within(other, place))
            })
            .unwrap_or_default()
    }
}

/// The directories, relative to the config's, that NAMD changes to before it reads.
fn working_directories(analysis: &Analysis) -> impl Iterator<Item = &str> {
    let bases = analysis.inputs.iter().map(|input| input.base.as_str());
    bases.filter(|base| !base.is_empty() && !paths::is_absolute(base))
}

/// The directories that a path climbs to, each with its `/`: `a/../../b` climbs to `a/../` and
/// `a/../../`.
fn climbs(path: &str) -> Vec<String> {
    let ends = path.match_indices("..").map(|(at, up)| at + up.len());
    ends.filter_map(|end| path.get(..end))
        .filter(|climb| *climb == ".." || climb.ends_with("/.."))
        .filter(|climb| {
            path.len() == climb.len() || path.as_bytes().get(climb.len()) == Some(&b'/')
        })
        .map(|climb| format!("{climb}/"))
        .collect()
}

/// Whether the kernel's meaning of a path differs from the text's.
fn leads_elsewhere(opened: &str) -> bool {
    let parent = |path: &str| fs::canonicalize(paths::parent(path)).ok();
    opened.contains("..") && parent(opened) != parent(&paths::tidy(opened))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn role_of(role: Role) -> String {
    serde_json::to_value(role)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_else(|| "other".to_owned())
}

#[cfg(unix)]
fn is_executable(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0
}

/// The lines that differ between two texts of the same number of lines, as a unified diff without
/// context.
fn line_diff(name: &str, old: &[u8], new: &[u8]) -> String {
    use std::fmt::Write as _;
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let mut diff = format!("--- {name} (yours)\n+++ {name} (uploaded)\n");
    for (number, (old, new)) in (1..).zip(old.lines().zip(new.lines())) {
        if old != new {
            let _ = write!(diff, "@@ -{number} +{number} @@\n-{old}\n+{new}\n");
        }
    }
    diff
}

#[cfg(test)]
mod tests;
