//! What a job needs from this machine's disk: the closure of its config, laid out as a tree.
//!
//! Paths are taken as the kernel takes them: from the canonical directory of the config, and a `..`
//! that leads through a symbolic link to another place than the text says is refused, because the
//! tree on the cluster holds no links.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::job::JobFile;
use crate::namd::paths::{self, Ancestor};
use crate::namd::{
    Analysis, Closure, Code, Finding, Found, InputState, Role, Severity, Want, apply_rewrites,
};

/// A config (or a file it sources) larger than this is not read: it is not a config.
const LARGEST_TEXT: u64 = 16 << 20;
/// Most files one job may bring.
const MOST_FILES: usize = 20_000;

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
}

/// One file to be uploaded.
#[derive(Debug)]
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    pub(crate) in_tree: String,
    pub(crate) bytes: u64,
    pub(crate) role: String,
    pub(crate) executable: bool,
    /// The content sent instead of the file's own, where an absolute path was rewritten.
    pub(crate) rewritten: Option<Arc<[u8]>>,
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
                bytes: file
                    .rewritten
                    .as_ref()
                    .map_or(file.bytes, |bytes| bytes.len() as u64),
                sha256: String::new(),
                role: file.role.clone(),
            })
            .collect()
    }
}

/// Reads a config and finds what it needs. Waits for the disk: not for the runtime's workers.
pub(crate) fn survey(config: &Path, inputs: &[String]) -> Result<Survey> {
    let (config_path, config_bytes) = read_config(config)?;
    let full = utf8(&config_path)?;
    let mut closure = Closure::new(&full);
    loop {
        let needs = closure.needs();
        if needs.is_empty() {
            break;
        }
        for need in needs {
            let found = look(Path::new(&need.path), need.want);
            closure.feed(&need.path, found);
        }
    }
    let mut analysis = closure.finish();
    let extra = further_inputs(paths::parent(&full), inputs)?;
    let mut tree = Tree::around(&analysis, &extra);
    for input in analysis.uploads() {
        tree.add(
            input.path.as_deref().unwrap_or_default(),
            role_of(input.role),
        );
    }
    for path in &extra {
        tree.add(path, "input".to_owned());
    }
    let Tree {
        ancestor,
        directory,
        placed,
        absolute_dir,
        findings,
    } = tree;
    analysis.findings.extend(findings);
    let in_tree = |path: &str| paths::below(&ancestor.root, &paths::join(&directory, path));
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

    // Directories that must be there for a path to open, or for an output to be written.
    let mut output_dirs: Vec<String> = analysis
        .outputs
        .directories
        .iter()
        .cloned()
        .chain(placed.keys().flat_map(|path| paths::walked_through(path)))
        .filter(|path| !paths::is_absolute(path))
        .filter_map(|path| in_tree(&path))
        .filter(|path| !path.is_empty())
        .collect();
    output_dirs.sort_unstable();
    output_dirs.dedup();

    let mut by_place: BTreeMap<String, LocalFile> = BTreeMap::new();
    for (path, place) in placed {
        let is_config = path == analysis.config;
        let local = PathBuf::from(paths::join(&directory, &path));
        let meta = fs::metadata(&local).map_err(|why| unreadable(&local, &why))?;
        by_place.entry(place.in_tree.clone()).or_insert(LocalFile {
            bytes: if is_config {
                uploaded.len() as u64
            } else {
                meta.len()
            },
            role: place.role,
            executable: is_executable(&meta),
            rewritten: (is_config && changed).then(|| uploaded.clone().into()),
            in_tree: place.in_tree,
            path: local,
        });
    }
    let config_in_tree = in_tree(&analysis.config)
        .ok_or_else(|| Error::internal("the config lies outside its own tree"))?;
    let sum = Sha256::digest(&config_bytes);
    Ok(Survey {
        config_sha256: hex(&sum),
        on_cluster: analysis
            .inputs
            .iter()
            .filter(|input| input.state == InputState::OnCluster)
            .filter_map(|input| Some((input.path.clone()?, role_of(input.role))))
            .collect(),
        total_steps: analysis.plan.total_steps,
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
    in_tree: String,
    role: String,
}

impl Tree {
    fn around(analysis: &Analysis, extra: &[String]) -> Self {
        let anchored = analysis.anchored_paths();
        let kept = anchored.iter().chain(extra).map(String::as_str);
        let ancestor = paths::common_ancestor(&analysis.directory, kept);
        let directory = analysis.directory.clone();
        let taken = |name: &str| {
            anchored.iter().chain(extra).any(|path| {
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

    fn add(&mut self, path: &str, role: String) {
        if path.is_empty() || self.placed.contains_key(path) {
            return;
        }
        let in_tree = if paths::is_absolute(path) {
            self.absolute_place(path)
        } else {
            let opened = paths::join(&self.directory, path);
            if leads_elsewhere(&opened) {
                let message = format!(
                    "The path {path} goes through a symbolic link and up again: it would open another \
                     file on the cluster, where the tree holds no links. Write the path without the link."
                );
                self.findings.push(Finding::of_config(
                    Severity::Error,
                    Code::InputUnreadable,
                    message,
                ));
            }
            paths::below(&self.ancestor.root, &opened).unwrap_or_default()
        };
        self.placed
            .insert(path.to_owned(), Placed { in_tree, role });
    }

    /// The place of an input that is named by an absolute path: its own name, made unique.
    fn absolute_place(&self, path: &str) -> String {
        let name = paths::file_name(path);
        (0..u32::MAX)
            .map(|n| match n {
                0 => format!("{}/{name}", self.absolute_dir),
                n => format!("{}/{n}/{name}", self.absolute_dir),
            })
            .find(|place| self.placed.values().all(|placed| placed.in_tree != *place))
            .unwrap_or_default()
    }
}

/// Whether the kernel's meaning of a path differs from the text's.
fn leads_elsewhere(opened: &str) -> bool {
    let parent = |path: &str| fs::canonicalize(paths::parent(path)).ok();
    opened.contains("..") && parent(opened) != parent(&paths::tidy(opened))
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
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

/// The files that the caller names beside the closure: paths or globs relative to the config's
/// directory; a directory stands for all files below it.
fn further_inputs(directory: &str, patterns: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for pattern in patterns {
        let bad = |why: String| Error::bad_param("inputs", format!("{pattern:?}: {why}"));
        if pattern.is_empty() || paths::is_absolute(pattern) || pattern.contains('\0') {
            return Err(bad("must be relative to the config's directory".to_owned()));
        }
        let whole = paths::join(&glob::Pattern::escape(directory), pattern);
        let before = found.len();
        for entry in glob::glob(&whole).map_err(|why| bad(why.to_string()))? {
            let path = entry.map_err(|why| bad(why.to_string()))?;
            gather(&path, &mut found).map_err(|why| unreadable(&path, &why))?;
            if found.len() > MOST_FILES {
                return Err(bad(format!("more than {MOST_FILES} files")));
            }
        }
        if found.len() == before {
            return Err(Error::new(
                ErrorKind::InputMissing,
                format!("No file matches the input {pattern:?} in {directory}."),
            )
            .hinted("Paths and globs are relative to the config's directory."));
        }
    }
    found
        .iter()
        .map(|path| {
            let path = utf8(path)?;
            // Relative to the config's directory again, climbing where it must.
            Ok(relative_to(directory, &path))
        })
        .collect()
}

fn gather(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            // A link to a directory may lead round in a circle.
            if found.len() <= MOST_FILES
                && !(entry.file_type()?.is_symlink() && entry.path().is_dir())
            {
                gather(&entry.path(), found)?;
            }
        }
    } else {
        found.push(path.to_path_buf());
    }
    Ok(())
}

/// A path as seen from a directory, both absolute.
fn relative_to(directory: &str, path: &str) -> String {
    let (directory, path) = (paths::tidy(directory), paths::tidy(path));
    let shared = directory
        .split('/')
        .zip(path.split('/'))
        .take_while(|(a, b)| a == b)
        .count();
    let up = directory
        .split('/')
        .skip(shared)
        .filter(|part| !part.is_empty())
        .map(|_| "..");
    up.chain(path.split('/').skip(shared))
        .collect::<Vec<_>>()
        .join("/")
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

/// The config's canonical place and its bytes.
fn read_config(config: &Path) -> Result<(PathBuf, Vec<u8>)> {
    if !config.is_absolute() {
        return Err(Error::bad_param("configPath", "must be an absolute path"));
    }
    let (Some(dir), Some(name)) = (config.parent(), config.file_name()) else {
        return Err(Error::bad_param("configPath", "must name a file"));
    };
    let path = fs::canonicalize(dir)
        .map_err(|why| unreadable(config, &why))?
        .join(name);
    let meta = fs::metadata(&path).map_err(|why| unreadable(config, &why))?;
    if !meta.is_file() {
        let what = if meta.is_dir() {
            "a directory"
        } else {
            "not a regular file"
        };
        return Err(Error::new(
            ErrorKind::ConfigNotReadable,
            format!("{} is {what}, not a NAMD configuration.", config.display()),
        ));
    }
    if meta.len() > LARGEST_TEXT {
        return Err(Error::new(
            ErrorKind::ConfigNotReadable,
            format!(
                "{} has {} bytes: that is no NAMD configuration.",
                config.display(),
                meta.len()
            ),
        ));
    }
    let bytes = fs::read(&path).map_err(|why| unreadable(config, &why))?;
    Ok((path, bytes))
}

fn unreadable(path: &Path, why: &io::Error) -> Error {
    Error::new(
        ErrorKind::ConfigNotReadable,
        format!("Cannot read {}: {why}.", path.display()),
    )
    .hinted("Check the path and its permissions. Unsaved changes in an editor are not seen.")
}

/// What stands at a path.
fn look(path: &Path, want: Want) -> Found {
    let meta = match fs::metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Found::Missing,
        Err(why) => return Found::Unreadable(why.to_string()),
        Ok(meta) => meta,
    };
    if meta.is_dir() {
        let names = |dir: fs::ReadDir| {
            dir.flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect()
        };
        let entries = (want == Want::Entries)
            .then(|| fs::read_dir(path).map(names).ok())
            .flatten();
        return Found::Directory { entries };
    }
    if !meta.is_file() {
        return Found::Unreadable("it is not a regular file".to_owned());
    }
    // Opened even when only its size matters: an unreadable input must be found now.
    let read = match want {
        Want::Content { max_bytes } if meta.len() <= max_bytes => fs::read(path).map(Some),
        _ => fs::File::open(path).map(|_| None),
    };
    match read {
        Ok(content) => Found::File {
            bytes: meta.len(),
            content,
        },
        Err(why) => Found::Unreadable(why.to_string()),
    }
}

fn utf8(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(
            ErrorKind::ConfigNotReadable,
            format!("The path {} is not UTF-8.", path.display()),
        )
        .hinted("Rename it with plain letters.")
    })
}
