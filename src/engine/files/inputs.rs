//! The files that a caller names beside the closure: paths and globs relative to the config.

use std::fs;
use std::path::Path;

use glob::Pattern;

use super::{MOST_FILES, leads_elsewhere, utf8};
use crate::error::{Error, ErrorKind, Result};
use crate::namd::paths;
use crate::namd::{Code, Finding, Severity};

/// Most directory entries that are looked at: `../../**/x` may mean a whole disk.
const MOST_ENTRIES: usize = 200_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Further {
    /// Regular files, relative to the config's directory. A `..` is left in only where it leads
    /// through a link to another place than the text says.
    pub(super) paths: Vec<String>,
    /// What was left out of a directory or a glob, and why.
    pub(super) findings: Vec<Finding>,
    entries: usize,
}

/// Finds the files that `patterns` stand for: a path stands for itself, whatever characters it
/// holds; a directory for all files below it; `*`, `?`, `[…]` and `**` match as in a shell, leading
/// dots included. Links to directories are followed only where they are named or matched themselves.
pub(super) fn further_inputs(directory: &str, patterns: &[String]) -> Result<Further> {
    let mut further = Further::default();
    for pattern in patterns {
        let mut search = Search {
            directory,
            pattern,
            found: &mut further,
        };
        search.run()?;
    }
    Ok(further)
}

/// One component of a pattern.
enum Part {
    Literal(String),
    Matching(Pattern),
    /// `**`: any number of directories.
    Deep,
}

impl Part {
    fn parse(text: &str) -> Result<Self, glob::PatternError> {
        Ok(if text == "**" {
            Self::Deep
        } else if text.contains(['*', '?', '[']) {
            Self::Matching(Pattern::new(text)?)
        } else {
            Self::Literal(text.to_owned())
        })
    }
}

struct Search<'s> {
    directory: &'s str,
    pattern: &'s str,
    found: &'s mut Further,
}

impl Search<'_> {
    fn run(&mut self) -> Result<()> {
        let pattern = self.pattern;
        if pattern.is_empty() || paths::is_absolute(pattern) || pattern.contains('\0') {
            return Err(self.bad("must be relative to the config's directory"));
        }
        let (files, left_out) = (self.found.paths.len(), self.found.findings.len());
        let itself = paths::join(self.directory, pattern);
        if fs::symlink_metadata(&itself).is_ok() {
            self.gather(Path::new(&itself))?;
        } else {
            let parts = pattern
                .split('/')
                .filter(|part| !part.is_empty())
                .map(Part::parse);
            let mut parts = parts
                .collect::<Result<Vec<_>, _>>()
                .map_err(|why| self.bad(&why.to_string()))?;
            parts.dedup_by(|a, b| matches!((a, b), (Part::Deep, Part::Deep)));
            self.expand(self.directory, &parts)?;
        }
        if self.found.paths.len() > files {
            return Ok(());
        }
        let why = self
            .found
            .findings
            .get(left_out)
            .map_or_else(String::new, |finding| format!(" {}", finding.message));
        Err(Error::new(
            ErrorKind::InputMissing,
            format!(
                "No file matches the input {pattern:?} in {}.{why}",
                self.directory
            ),
        )
        .hinted("Paths and globs are relative to the config's directory."))
    }

    fn bad(&self, why: &str) -> Error {
        Error::bad_param("inputs", format!("{:?}: {why}", self.pattern))
    }

    /// Takes what the rest of a pattern matches below a directory.
    fn expand(&mut self, base: &str, parts: &[Part]) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else {
            return self.gather(Path::new(base));
        };
        match part {
            Part::Literal(name) => {
                let next = paths::join(base, name);
                if fs::symlink_metadata(&next).is_ok() {
                    self.expand(&next, rest)?;
                }
            }
            Part::Matching(pattern) => {
                for name in self.entries(Path::new(base))? {
                    if pattern.matches(&name.to_string_lossy()) {
                        let next = Path::new(base).join(&name);
                        self.expand(&utf8(&next)?, rest)?;
                    }
                }
            }
            Part::Deep => {
                self.expand(base, rest)?;
                // At the end it stands for everything below, and that has just been taken.
                if rest.is_empty() {
                    return Ok(());
                }
                for name in self.entries(Path::new(base))? {
                    let next = Path::new(base).join(&name);
                    if fs::symlink_metadata(&next).is_ok_and(|meta| meta.is_dir()) {
                        self.expand(&utf8(&next)?, parts)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a file, or all files below a directory.
    fn gather(&mut self, path: &Path) -> Result<()> {
        let text = utf8(path)?;
        match fs::metadata(path) {
            Err(why) => self.leave_out(&text, &format!("cannot be read: {why}")),
            Ok(meta) if meta.is_dir() => {
                for name in self.entries(path)? {
                    let next = path.join(&name);
                    // A link to a directory may lead round in a circle.
                    if next.is_symlink() && next.is_dir() {
                        let why = "is a link to a directory; name it by itself if it is needed";
                        self.leave_out(&utf8(&next)?, why);
                    } else {
                        self.gather(&next)?;
                    }
                }
            }
            Ok(meta) if !meta.is_file() => self.leave_out(&text, "is not a regular file"),
            Ok(_) => {
                let path = self.relative(&text);
                self.found.paths.push(path);
                if self.found.paths.len() > MOST_FILES {
                    return Err(self.bad(&format!("more than {MOST_FILES} files")));
                }
            }
        }
        Ok(())
    }

    /// The names in a directory, in order. What is no directory has none.
    fn entries(&mut self, path: &Path) -> Result<Vec<std::ffi::OsString>> {
        let listed = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => fs::read_dir(path),
            _ => return Ok(Vec::new()),
        };
        let room = MOST_ENTRIES.saturating_sub(self.found.entries);
        let names = listed.and_then(|dir| {
            dir.take(room + 1)
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect()
        });
        let mut names: Vec<_> = match names {
            Ok(names) => names,
            Err(why) => {
                let text = utf8(path)?;
                self.leave_out(&text, &format!("cannot be listed: {why}"));
                return Ok(Vec::new());
            }
        };
        if names.len() > room {
            let why = format!(
                "more than {MOST_ENTRIES} directory entries would have to be looked at; name the files \
                 more closely"
            );
            return Err(self.bad(&why));
        }
        self.found.entries += names.len();
        names.sort_unstable();
        Ok(names)
    }

    fn leave_out(&mut self, path: &str, why: &str) {
        let message = format!("The input {} is left out: it {why}.", self.relative(path));
        let finding = Finding::of_config(Severity::Warning, Code::InputUnreadable, message);
        self.found.findings.push(finding);
    }

    /// A path as seen from the config's directory.
    fn relative(&self, path: &str) -> String {
        if leads_elsewhere(path) {
            let below = path.strip_prefix(self.directory).unwrap_or(path);
            return below.trim_start_matches('/').to_owned();
        }
        relative_to(self.directory, path)
    }
}

/// A path as seen from a directory, both absolute and taken lexically.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_another_directory() {
        for (from, path, seen) in [
            ("/a/b", "/a/b/c", "c"),
            ("/a/b", "/a/c/d", "../c/d"),
            ("/a/b", "/x", "../../x"),
            ("/", "/x/y", "x/y"),
            ("/a/bc", "/a/b/x", "../b/x"),
            ("/a//b/", "/a/./b/c", "c"),
        ] {
            assert_eq!(relative_to(from, path), seen, "{path} from {from}");
        }
    }
}
