//! What a run of the evaluator leaves behind.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::super::facts::Want;
use super::super::finding::{Code, Severity};
use super::super::keywords::{Keyword, Role};
use super::super::tcl::Quote;
use super::super::text::{Source, Span};
use super::Place;
use super::value::{Value, Why};

/// Findings beyond this number are not kept.
const MAX_FINDINGS: usize = 500;

/// What is wanted of a path.
pub(in crate::namd) use super::super::facts::Want as Wanted;

/// A report with its place.
#[derive(Debug, Clone)]
pub(in crate::namd) struct Report {
    pub severity: Severity,
    pub code: Code,
    pub place: Place,
    pub message: String,
}

/// What a path in the script is relative to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::namd) enum Base {
    /// The directory NAMD is in when it starts up (after `cd` and `cwd`).
    Startup,
    /// This one, relative to the configuration's directory; `None` if not known.
    Directory(Option<String>),
}

/// Why a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::namd) enum Purpose {
    /// It is opened for reading.
    Read,
    /// The script only asks whether it is there.
    Probe,
    /// A Colvars state: the value, or the value with `.colvars.state`.
    State,
    /// A Colvars configuration, read for further names.
    Colvars,
}

/// A path written literally, so that it can be changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::namd) struct Spot {
    /// Where exactly the path stands, in offsets of the decoded text.
    pub path: Span,
    /// The word it stands in, delimiters included.
    pub word: Span,
    /// How that word is written.
    pub quote: Quote,
}

/// One use of a file.
#[derive(Debug, Clone)]
pub(in crate::namd) struct InputUse {
    /// The keyword or command that names it.
    pub keyword: String,
    pub role: Role,
    /// The value as NAMD gets it; with `*` for what is not known.
    pub value: String,
    /// The path in it, or why it is not known.
    pub path: Result<String, Rc<Why>>,
    pub base: Base,
    pub purpose: Purpose,
    /// Where the value is written.
    pub place: Place,
    pub spot: Option<Spot>,
    pub certain: bool,
    /// It is read after steps were run, when output may exist.
    pub after_run: bool,
    /// The script itself wrote it before.
    pub produced: bool,
    /// The keyword's parent decides whether it is read at all.
    pub parent: Option<&'static Keyword>,
}

/// One keyword given a value.
#[derive(Debug, Clone)]
pub(in crate::namd) struct Setting {
    /// In lower case.
    pub name: String,
    pub keyword: Option<&'static Keyword>,
    pub value: Value,
    pub name_place: Place,
    pub value_place: Place,
    pub certain: bool,
    /// Given after NAMD had started.
    pub late: bool,
    /// The directory NAMD is in by then, when it is late.
    pub base: Base,
}

/// A file that a command of the script writes.
#[derive(Debug, Clone)]
pub(in crate::namd) struct Written {
    pub keyword: String,
    pub path: String,
    pub base: Base,
    pub kind: WrittenKind,
    pub place: Place,
    pub certain: bool,
}

/// What a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::namd) enum WrittenKind {
    /// `NAME.coor`, `.vel`, `.xsc`.
    Coordinates,
    /// `NAME.force`.
    Forces,
    /// `NAME.colvars.state`.
    ColvarsState,
    /// A file of this name.
    File,
    /// A directory.
    Directory,
}

/// One `run` or `minimize`.
#[derive(Debug, Clone)]
pub(in crate::namd) struct Stretch {
    pub minimize: bool,
    /// Number of steps, if known.
    pub steps: Option<i128>,
    pub place: Place,
    pub certain: bool,
    /// Step at which it begins, if known.
    pub first: Option<i128>,
}

/// A script that NAMD runs beside the configuration.
#[derive(Debug, Clone)]
pub(in crate::namd) enum Aside {
    Text(Value, Place),
    File(String, Base),
}

/// Everything a run left behind.
#[derive(Debug, Default)]
pub(in crate::namd) struct Trace {
    /// The files read; the first is the configuration.
    pub files: Vec<Rc<Source>>,
    pub reports: Vec<Report>,
    pub inputs: Vec<InputUse>,
    pub settings: Vec<Setting>,
    pub written: Vec<Written>,
    /// The same by tidy path from the configuration's directory, and whether it is certain.
    pub made: HashMap<String, (WrittenKind, bool)>,
    pub stretches: Vec<Stretch>,
    pub asides: Vec<Aside>,
    /// Paths still to be looked at.
    pub needs: BTreeSet<(String, Want)>,
    /// Variables of the environment that were asked for.
    pub asked_environment: BTreeSet<String>,
    /// NAMD's startup was reached.
    pub started: bool,
    /// The directory at startup, if it is known.
    pub startup: Option<String>,
    /// A command that was not understood may run steps or set keywords.
    pub open: Option<Rc<str>>,
    /// Not everything was followed.
    pub exhausted: bool,
    /// The configuration could be read.
    pub read: bool,
    said: HashMap<(Code, Place), usize>,
    used: HashSet<(String, String, Place, bool)>,
}

impl Trace {
    /// Keeps a report; the graver one if the place has one of the kind already.
    pub(in crate::namd) fn say(
        &mut self,
        severity: Severity,
        code: Code,
        place: Place,
        message: String,
    ) {
        if let Some(at) = self.said.get(&(code, place)) {
            if let Some(report) = self
                .reports
                .get_mut(*at)
                .filter(|old| severity < old.severity)
            {
                report.severity = severity;
                report.message = message;
            }
            return;
        }
        if self.reports.len() < MAX_FINDINGS {
            self.said.insert((code, place), self.reports.len());
            self.reports.push(Report {
                severity,
                code,
                place,
                message,
            });
        }
    }

    /// Keeps the use of a file, once per place and certainty.
    pub(in crate::namd) fn use_file(&mut self, input: InputUse) {
        let key = (
            input.keyword.clone(),
            input.value.clone(),
            input.place,
            input.certain,
        );
        if self.used.insert(key) {
            self.inputs.push(input);
        }
    }

    /// Notes that a path has to be looked at.
    pub(in crate::namd) fn need(&mut self, path: String, want: Want) {
        self.needs.insert((path, want));
    }
}
