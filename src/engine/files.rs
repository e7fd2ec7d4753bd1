//! What a job needs from this machine's disk: the closure of its config, laid out as a tree.
//!
//! Paths are taken as the kernel takes them: from the canonical directory of the config, and a `..`
//! that leads through a symbolic link to another place than the text says is refused, because the
//! tree on the cluster holds no links.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::job::JobFile;
use crate::namd::{Closure, Finding, Found};

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
    /// All files to be uploaded, the config first.
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
        self.config_path
            .file_stem()
            .map_or_else(|| "job".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    pub(crate) fn job_files(&self) -> Vec<JobFile> {
        self.files
            .iter()
            .map(|file| JobFile {
                local: file.path.display().to_string(),
                in_tree: file.in_tree.clone(),
                bytes: file.rewritten.as_ref().map_or(file.bytes, |bytes| bytes.len() as u64),
                sha256: String::new(),
                role: file.role.clone(),
            })
            .collect()
    }
}

/// Reads a config and finds what it needs. Waits for the disk: not for the runtime's workers.
pub(crate) fn survey(config: &Path, inputs: &[String]) -> Result<Survey> {
    let (config_path, config_bytes) = read_config(config)?;
    let base = config_path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
    let name = file_name(&config_path)?;
    let mut closure = Closure::new(&name);
    loop {
        let needs = closure.needs();
        if needs.is_empty() {
            break;
        }
        for need in needs {
            let found = if need.path == name {
                Found::File { bytes: config_bytes.len() as u64, content: Some(config_bytes.clone()) }
            } else {
                look(&base.join(&need.path), need.content)
            };
            closure.feed(&need.path, found);
        }
    }
    let closed = closure.finish();
    // placed below
    let mut wanted: BTreeMap<PathBuf, String> = BTreeMap::new();
    wanted.insert(lexical(&config_path), "config".to_owned());
    for input in &closed.inputs {
        if input.bytes.is_some() {
            wanted.entry(lexical(&base.join(&input.path))).or_insert_with(|| input.role.clone());
        }
    }
    let _ = inputs;
    let outputs: Vec<PathBuf> = closed
        .output_paths
        .iter()
        .map(|path| lexical(&base.join(path)))
        .filter_map(|path| path.parent().map(Path::to_path_buf))
        .collect();
    let top = common_ancestor(wanted.keys().filter_map(|path| path.parent()).chain(outputs.iter().map(PathBuf::as_path)).chain([base.as_path()]));
    let in_tree = |path: &Path| -> Result<String> {
        path.strip_prefix(&top)
            .ok()
            .and_then(Path::to_str)
            .map(str::to_owned)
            .ok_or_else(|| Error::new(ErrorKind::InputMissing, format!("{} is not UTF-8", path.display())))
    };
    let mut files = Vec::new();
    for (path, role) in &wanted {
        let meta = fs::metadata(path).map_err(|why| unreadable(path, &why))?;
        files.push(LocalFile {
            in_tree: in_tree(path)?,
            bytes: meta.len(),
            role: role.clone(),
            executable: false,
            rewritten: None,
            path: path.clone(),
        });
    }
    let output_dirs = outputs.iter().map(|path| in_tree(path)).collect::<Result<Vec<_>>>()?;
    let sum = Sha256::digest(&config_bytes);
    let config_sha256 = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Survey {
        config_in_tree: in_tree(&lexical(&config_path))?,
        config_path,
        config_bytes,
        config_sha256,
        files,
        on_cluster: Vec::new(),
        output_dirs,
        findings: closed.findings,
        rewritten: None,
        total_steps: closed.total_steps,
    })
}

/// The config's canonical place and its bytes.
fn read_config(config: &Path) -> Result<(PathBuf, Vec<u8>)> {
    if !config.is_absolute() {
        return Err(Error::bad_param("configPath", "must be an absolute path"));
    }
    let (Some(dir), Some(name)) = (config.parent(), config.file_name()) else {
        return Err(Error::bad_param("configPath", "must name a file"));
    };
    let path = fs::canonicalize(dir).map_err(|why| unreadable(config, &why))?.join(name);
    let meta = fs::metadata(&path).map_err(|why| unreadable(config, &why))?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "a directory" } else { "not a regular file" };
        return Err(Error::new(
            ErrorKind::ConfigNotReadable,
            format!("{} is {what}, not a NAMD configuration.", config.display()),
        ));
    }
    if meta.len() > LARGEST_TEXT {
        return Err(Error::new(
            ErrorKind::ConfigNotReadable,
            format!("{} has {} bytes: that is no NAMD configuration.", config.display(), meta.len()),
        ));
    }
    let bytes = fs::read(&path).map_err(|why| unreadable(config, &why))?;
    Ok((path, bytes))
}

fn unreadable(path: &Path, why: &io::Error) -> Error {
    Error::new(ErrorKind::ConfigNotReadable, format!("Cannot read {}: {why}.", path.display()))
        .hinted("Check the path and its permissions. Unsaved changes in an editor are not seen.")
}

fn file_name(path: &Path) -> Result<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        Error::new(
            ErrorKind::ConfigNotReadable,
            format!("The file name of {} is not UTF-8.", path.display()),
        )
        .hinted("Rename it with plain letters.")
    })
}

/// What stands at a path.
fn look(path: &Path, content: bool) -> Found {
    match fs::metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Found::Missing,
        Err(why) => Found::Unreadable(why.to_string()),
        Ok(meta) if meta.is_dir() => Found::Directory,
        Ok(meta) if !meta.is_file() => Found::Unreadable("it is not a regular file".to_owned()),
        Ok(meta) => {
            // Opened even when only its size matters: an unreadable input must be found now.
            let read = if content && meta.len() <= LARGEST_TEXT {
                fs::read(path).map(Some)
            } else {
                fs::File::open(path).map(|_| None)
            };
            match read {
                Ok(content) => Found::File { bytes: meta.len(), content },
                Err(why) => Found::Unreadable(why.to_string()),
            }
        }
    }
}

/// `.` and `..` taken out as text.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The deepest directory that holds all of them.
fn common_ancestor<'a>(dirs: impl Iterator<Item = &'a Path>) -> PathBuf {
    dirs.fold(None::<PathBuf>, |top, dir| {
        Some(match top {
            None => dir.to_path_buf(),
            Some(top) => top
                .components()
                .zip(dir.components())
                .take_while(|(a, b)| a == b)
                .map(|(a, _)| a)
                .collect(),
        })
    })
    .unwrap_or_else(|| PathBuf::from("/"))
}
