//! Commands for a POSIX shell, their output, and remote paths; the only quoting function.
//!
//! Every command we run on a cluster is a script for `sh`. It reaches the shell as a counted
//! prefix of standard input ([`Command::exec_line`]), never through the command line: so nothing
//! depends on the user's login shell (csh included), on the 128 KiB limit of one argument, or on
//! the shell reading exactly to the end of the script. What follows the prefix is the command's
//! own input (a list, a tar stream).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Quotes a word for a POSIX shell. The result is one word, whatever it holds.
///
/// NUL cannot be in an argument; callers refuse it before ([`RemotePath`] does).
pub fn quote(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-./:=,+@%".contains(&b))
        && !word.starts_with('-')
        && !word.starts_with('=');
    if plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// One command for a cluster: a POSIX shell script with its input.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// What it is for, in a few words, for logs and error lists (`squeue`, `submit`).
    pub what: &'static str,
    /// The script, read by `sh`.
    pub script: String,
    /// What the script finds on its standard input.
    pub input: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it can be repeated after a lost answer without harm.
    pub idempotent: bool,
}

impl Command {
    /// A command that may be repeated, with a time-out of one minute and no input.
    pub fn read(what: &'static str, script: impl Into<String>) -> Self {
        Self {
            what,
            script: script.into(),
            input: Vec::new(),
            timeout: Duration::from_mins(1),
            idempotent: true,
        }
    }

    /// A command with an effect that must not be repeated blindly.
    pub fn effect(what: &'static str, script: impl Into<String>) -> Self {
        Self {
            idempotent: false,
            ..Self::read(what, script)
        }
    }

    /// Gives the script something on its standard input.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The line handed to the login shell. It is the same for all commands but for the count, holds
    /// no user text, and means the same to sh, bash, zsh, csh, tcsh and fish.
    ///
    /// `dd bs=1` reads exactly the script and leaves the rest of standard input to it; `sh -s`
    /// would not (dash reads ahead in blocks).
    pub fn exec_line(&self) -> String {
        exec_line(self.script.len())
    }

    /// What goes to the process' standard input: the script, then the input.
    pub fn stdin(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.script.len() + self.input.len());
        bytes.extend_from_slice(self.script.as_bytes());
        bytes.extend_from_slice(&self.input);
        bytes
    }
}

/// The login-shell line for a script of this many bytes; see [`Command::exec_line`].
pub fn exec_line(script_bytes: usize) -> String {
    format!("exec sh -c 'eval \"$(dd bs=1 count={script_bytes} 2>/dev/null)\"'")
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("what", &self.what)
            .field("script_bytes", &self.script.len())
            .field("input_bytes", &self.input.len())
            .finish_non_exhaustive()
    }
}

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// Standard error, cut to its last 64 KiB.
    pub stderr: Vec<u8>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it (`TERM`, `KILL`).
    Signal(String),
}

impl Default for ExitStatus {
    fn default() -> Self {
        Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

impl Output {
    /// Whether it exited with code 0.
    pub fn ok(&self) -> bool {
        self.status == ExitStatus::Code(0)
    }

    /// Standard output as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The first non-empty line of standard error, for messages.
    pub fn first_error_line(&self) -> Option<String> {
        String::from_utf8_lossy(&self.stderr)
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(str::to_owned)
    }
}

/// An absolute, normalised path on a cluster.
///
/// Holds no `.`, `..`, empty components, NUL or newline. Made only by parsing or by joining
/// checked relative paths, so a path from a config or a cluster's answer cannot escape a root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemotePath(String);

/// Why a text is not a usable remote path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} {why}")]
pub struct BadPath {
    /// The text.
    pub path: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl RemotePath {
    /// Parses an absolute path; `.`, `..` and control characters are refused, double slashes folded.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        let bad = |why| BadPath {
            path: text.to_owned(),
            why,
        };
        if !text.starts_with('/') {
            return Err(bad("is not absolute"));
        }
        let mut path = String::with_capacity(text.len());
        for part in text.split('/').filter(|part| !part.is_empty()) {
            check_component(part).map_err(bad)?;
            path.push('/');
            path.push_str(part);
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path))
    }

    /// `/`.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Appends a relative path of plain components.
    pub fn join(&self, relative: &str) -> Result<Self, BadPath> {
        let bad = |why| BadPath {
            path: relative.to_owned(),
            why,
        };
        if relative.starts_with('/') {
            return Err(bad("is absolute where a relative path is needed"));
        }
        let mut path = if self.0 == "/" {
            String::new()
        } else {
            self.0.clone()
        };
        for part in relative
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
        {
            check_component(part).map_err(bad)?;
            path.push('/');
            path.push_str(part);
        }
        Ok(Self(path))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as one shell word.
    pub fn quoted(&self) -> String {
        quote(&self.0)
    }

    /// The last component; empty for `/`.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The containing directory; `/` for `/`.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.0.rsplit_once('/') {
            Some(("", _)) | None => Self("/".to_owned()),
            Some((parent, _)) => Self(parent.to_owned()),
        }
    }

    /// Whether this path lies strictly below another, component by component.
    pub fn is_inside(&self, root: &Self) -> bool {
        root.0 != "/"
            && self
                .0
                .strip_prefix(&root.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

fn check_component(part: &str) -> Result<(), &'static str> {
    if part == "." || part == ".." {
        Err("holds `.` or `..`")
    } else if part.chars().any(char::is_control) {
        Err("holds a control character")
    } else {
        Ok(())
    }
}

impl TryFrom<String> for RemotePath {
    type Error = BadPath;
    fn try_from(text: String) -> Result<Self, BadPath> {
        Self::parse(&text)
    }
}

impl From<RemotePath> for String {
    fn from(path: RemotePath) -> Self {
        path.0
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_what_a_shell_would_read_otherwise() {
        for (word, quoted) in [
            ("plain-1.psf", "plain-1.psf"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm -rf ~)", "'$(rm -rf ~)'"),
            ("-rf", "'-rf'"),
            ("~root", "'~root'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }

    proptest! {
        #[test]
        fn a_quoted_word_comes_back_from_a_real_shell(word in "[^\0]{0,40}") {
            let out = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quote(&word)))
                .output()
                .unwrap();
            prop_assert_eq!(out.stdout, word.as_bytes());
        }

        #[test]
        fn a_joined_path_stays_inside(relative in "[a-z./ ~*]{0,30}") {
            let root = RemotePath::parse("/scratch/me").unwrap();
            if let Ok(path) = root.join(&relative) {
                prop_assert!(path == root || path.is_inside(&root));
            }
        }
    }

    #[test]
    fn paths_that_could_escape_are_refused() {
        for text in ["relative", "/a/../b", "/a/./b", "/a\nb", "/a/\0"] {
            assert!(RemotePath::parse(text).is_err(), "{text:?}");
        }
        let root = RemotePath::parse("/scratch/me").unwrap();
        assert!(root.join("../you").is_err());
        assert!(root.join("/etc").is_err());
        assert!(!RemotePath::parse("/scratch/me2").unwrap().is_inside(&root));
        assert!(!root.is_inside(&root));
        assert!(!root.is_inside(&RemotePath::parse("/").unwrap()));
    }

    #[test]
    fn the_script_is_read_exactly_and_the_rest_is_its_input() {
        let command = Command::read("test", "cat; exit 3").with_input("it's $HOME\n");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &command.exec_line()])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &command.stdin()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(3));
        assert_eq!(out.stdout, b"it's $HOME\n");
    }
}
