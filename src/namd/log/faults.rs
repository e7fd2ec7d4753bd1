//! Lines that are kept because they may explain a failure: few, short, with their numbers.

use serde::{Deserialize, Serialize};

/// Characters of a line that are kept.
const TEXT: usize = 400;
/// Lines of one kind that are kept: the first ones, where trouble begins.
const KEPT: usize = 24;
/// Different fatal errors that are kept.
pub(super) const FATALS: usize = 6;
/// Lines that follow a fatal error and belong to it.
const MORE: usize = 12;

/// A line, with its number from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number in the file.
    pub number: u64,
    /// Its text, cut when it is long.
    pub text: String,
}

impl Line {
    pub(super) fn new(number: u64, text: &str) -> Self {
        Self {
            number,
            text: cut(text),
        }
    }
}

/// How many lines of a kind there were, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lines {
    /// How many.
    pub count: u64,
    /// The first ones.
    pub first: Vec<Line>,
}

impl Lines {
    pub(super) fn push(&mut self, number: u64, text: &str) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < KEPT {
            self.first.push(Line::new(number, text));
        }
    }

    /// The first line that holds `words`.
    pub fn holding(&self, words: &str) -> Option<&Line> {
        self.first.iter().find(|line| line.text.contains(words))
    }
}

/// `FATAL ERROR: …` with the lines that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FatalError {
    /// The number of its first line.
    pub number: u64,
    /// The message, without `FATAL ERROR: `.
    pub text: String,
    /// Lines that follow and have no mark of their own: the rest of the message, a Tcl trace.
    pub more: Vec<String>,
}

impl FatalError {
    pub(super) fn new(number: u64, text: &str) -> Self {
        Self {
            number,
            text: cut(text),
            more: Vec::new(),
        }
    }

    /// Takes a line that continues the message; says whether there is room for another.
    pub(super) fn continued(&mut self, text: &str) -> bool {
        if self.more.len() < MORE {
            self.more.push(cut(text));
        }
        self.more.len() < MORE
    }
}

fn cut(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What other programs print when something is wrong, in lower case: the shell that starts NAMD, the
/// loader, environment modules, srun and slurmstepd, MPI launchers, CUDA, the C library.
const SIGNS: &[&str] = &[
    "command not found",
    ": not found",
    "no such file or directory",
    "permission denied",
    "cannot execute",
    "exec format error",
    "error while loading shared libraries",
    "unable to locate a modulefile",
    "the following module(s) are unknown",
    "these module(s) or extension(s) exist but cannot be loaded",
    "srun: error",
    "slurmstepd: error",
    "mpi_abort",
    "mpirun",
    "mpiexec",
    "orte",
    "prterun",
    "pmi2_init",
    "pmix",
    "there are not enough slots",
    "charmrun",
    "segmentation fault",
    "bus error",
    "illegal instruction",
    "floating point exception",
    "core dumped",
    "killed",
    "out of memory",
    "oom",
    "bad_alloc",
    "cannot allocate memory",
    "no space left on device",
    "disk quota exceeded",
    "input/output error",
    "stale file handle",
    "read-only file system",
    "cuda error",
    "cudaerror",
    "no cuda-capable device",
    "no devices found",
    "license",
    "licence",
];

/// Whether a line of another program looks like trouble.
pub(super) fn looks_like_trouble(line: &str) -> bool {
    let lower = line.to_lowercase();
    SIGNS.iter().any(|sign| lower.contains(sign))
}
