//! What the reader of a configuration needs to know of the file system, and
//! what it has been told.

use std::collections::{HashMap, HashSet};

use super::paths;

/// A script longer than this is not read.
const MAX_SCRIPT: u64 = 4 << 20;
/// A file that the script reads line by line is read here up to this size.
const MAX_DATA: u64 = 1 << 20;

/// What is wanted of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Want {
    /// Whether it is there, whether it is a directory, and its size.
    Kind,
    /// The same, and for a file of at most so many bytes its content.
    Content {
        /// Larger files need not be read.
        max_bytes: u64,
    },
    /// The same, and for a directory the names in it.
    Entries,
}

impl Want {
    /// A script or a Colvars configuration.
    pub(super) const SCRIPT: Self = Self::Content {
        max_bytes: MAX_SCRIPT,
    };
    /// A file of which the script reads some lines.
    pub(super) const DATA: Self = Self::Content {
        max_bytes: MAX_DATA,
    };
}

/// One path to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Need {
    /// The path as the kernel is to take it: the configuration's directory and
    /// the path in the file joined, `..` left in. Give it back to `feed` unchanged.
    pub path: String,
    /// What is wanted of it.
    pub want: Want,
}

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing is there.
    Missing,
    /// It could not be looked at or read; the reason in words ("permission denied").
    Unreadable(String),
    /// A directory; the names in it if they were wanted.
    Directory {
        /// Names without path, files and directories alike.
        entries: Option<Vec<String>>,
    },
    /// A file, or what a link to one leads to.
    File {
        /// Its size.
        bytes: u64,
        /// Its content, if it was wanted and is not larger than was asked for.
        content: Option<Vec<u8>>,
    },
}

/// Everything told so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    directory: String,
    found: HashMap<String, Found>,
    /// What was wanted and answered, however little the answer held.
    answered: HashSet<(String, Want)>,
    environment: HashMap<String, String>,
}

impl Facts {
    /// Facts about the surroundings of a configuration in `directory`.
    pub(super) fn new(directory: String) -> Self {
        Self {
            directory,
            ..Self::default()
        }
    }

    /// Sets a variable of the environment the job will run in.
    pub(super) fn set_environment(&mut self, name: String, value: String) {
        self.environment.insert(name, value);
    }

    /// A variable of the environment the job will run in, if it is known.
    pub(super) fn environment(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// The path to look at for a path relative to the configuration's directory.
    pub(super) fn resolve(&self, path: &str) -> String {
        paths::join(&self.directory, path)
    }

    /// Keeps what was found at a path that `resolve` gave, in answer to `wants`.
    /// More is never replaced by less.
    pub(super) fn tell(
        &mut self,
        path: String,
        found: Found,
        wants: impl IntoIterator<Item = Want>,
    ) {
        self.answered
            .extend(wants.into_iter().map(|want| (path.clone(), want)));
        let known = self.found.get(&path);
        let less = matches!(
            (known, &found),
            (
                Some(Found::File {
                    content: Some(_),
                    ..
                }),
                Found::File { content: None, .. }
            ) | (
                Some(Found::Directory { entries: Some(_) }),
                Found::Directory { entries: None }
            )
        );
        if !less {
            self.found.insert(path, found);
        }
    }

    /// What was found at a resolved path.
    pub(super) fn look(&self, resolved: &str) -> Option<&Found> {
        self.found.get(resolved)
    }

    /// Whether what is known of a resolved path answers `want`.
    pub(super) fn answers(&self, resolved: &str, want: Want) -> bool {
        if self.answered.contains(&(resolved.to_owned(), want)) {
            return true;
        }
        match (self.found.get(resolved), want) {
            (None, _) => false,
            (Some(Found::File { bytes, content }), Want::Content { max_bytes }) => {
                content.is_some() || *bytes > max_bytes
            }
            (Some(Found::Directory { entries }), Want::Entries) => entries.is_some(),
            (Some(_), _) => true,
        }
    }
}
