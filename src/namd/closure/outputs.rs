//! What a run writes: names, kinds, and the directories that must be there.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::super::eval::trace::{Base, WrittenKind};
use super::super::facts::{Found, Want};
use super::super::finding::{Code, Severity};
use super::super::keywords::{Keyword, Names};
use super::super::paths;
use super::super::tcl::pattern;
use super::naming::{self, Draft};
use super::{Place, Site, Work};

/// What an output file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutputKind {
    /// Final coordinates (`NAME.coor`).
    Coordinates,
    /// Final velocities (`NAME.vel`).
    Velocities,
    /// Final cell (`NAME.xsc`).
    Cell,
    /// Coordinates, velocities or cell to restart from.
    Restart,
    /// Trajectory (`.dcd`).
    Trajectory,
    /// Velocities along the run (`.veldcd`).
    VelocityTrajectory,
    /// Forces along the run (`.forcedcd`), or at its end (`.force`).
    Forces,
    /// Cell along the run (`.xst`).
    CellTrajectory,
    /// State of the Colvars module.
    ColvarsState,
    /// Values of collective variables and what biases write.
    Colvars,
    /// Free-energy output (`alchOutFile`).
    Alchemical,
    /// What the script or another feature writes.
    Other,
}

/// One file, or a family of files, that the run writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The keyword or command it comes from; with its default if it is not set.
    pub keyword: String,
    /// What it holds.
    pub kind: OutputKind,
    /// The path, relative to the configuration's directory or absolute, `*` for
    /// a part that changes or is not known. `None` if nothing is known.
    pub path: Option<String>,
    /// Whether it is certainly written when the run gets there.
    pub certain: bool,
    /// Where it is named.
    pub site: Site,
}

/// Everything a run writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// The files.
    pub files: Vec<Output>,
    /// Directories that must be there before the run, relative to the
    /// configuration's directory: those of the files, since NAMD makes none,
    /// scratch directories, and those the script asks for and that are here.
    pub directories: Vec<String>,
    /// The value of `outputname` at startup, if known.
    pub outputname: Option<String>,
    /// What restart files are called, without suffix: `restartname` or its default.
    pub restartname: Option<String>,
}

impl Outputs {
    /// What a file of the working tree is, if the run wrote it: `path` is
    /// relative to the configuration's directory. Older copies count: NAMD
    /// renames a file of the same name to `.BAK`, and the last restart set to `.old`.
    pub fn kind_of(&self, path: &str) -> Option<OutputKind> {
        Index::new(self).kind_of(path)
    }
}

/// The outputs, made ready to look many paths up.
pub(super) struct Index {
    exact: HashMap<String, OutputKind>,
    patterns: Vec<(String, OutputKind)>,
}

/// More patterns than these are not tried.
const MAX_PATTERNS: usize = 200;

impl Index {
    pub(super) fn new(outputs: &Outputs) -> Self {
        let mut index = Self {
            exact: HashMap::new(),
            patterns: Vec::new(),
        };
        for output in &outputs.files {
            let Some(path) = output.path.as_deref().map(paths::tidy) else {
                continue;
            };
            if !path.contains('*') {
                index.exact.entry(path).or_insert(output.kind);
            } else if index.patterns.len() < MAX_PATTERNS {
                index.patterns.push((path, output.kind));
            }
        }
        index
    }

    /// See [`Outputs::kind_of`].
    pub(super) fn kind_of(&self, path: &str) -> Option<OutputKind> {
        let path = paths::tidy(path);
        let plain = path.strip_suffix(".BAK").unwrap_or(&path);
        let plain = plain.strip_suffix(".old").unwrap_or(plain);
        let exact = self.exact.get(plain).copied();
        exact.or_else(|| {
            let fits = |(known, _): &&(String, OutputKind)| pattern::matches(known, plain);
            self.patterns.iter().find(fits).map(|(_, kind)| *kind)
        })
    }
}

impl Work<'_> {
    pub(super) fn outputs(&mut self) -> Outputs {
        let (drafts, outputname, restartname) = naming::collect(&self.trace);
        let mut outputs = Outputs {
            outputname,
            restartname,
            ..Outputs::default()
        };
        for draft in &drafts {
            outputs.files.push(Output {
                keyword: draft.keyword.clone(),
                kind: draft.kind,
                path: draft.path.clone(),
                certain: draft.certain,
                site: self.site(draft.place),
            });
            let nameless = draft.path.is_none() && !draft.failed;
            if nameless && draft.kind == OutputKind::Coordinates {
                let message = "the name of the output cannot be determined before the job runs; all files \
                               that are new after the run are taken for output";
                self.complain(
                    Severity::Warning,
                    Code::NotStatic,
                    draft.place,
                    message.into(),
                );
            }
        }
        self.output_directories(&mut outputs, &drafts);
        outputs
    }

    /// The directories that the outputs need, and what is to be said of them.
    fn output_directories(&mut self, outputs: &mut Outputs, drafts: &[Draft]) {
        let made: BTreeSet<String> = self
            .trace
            .written
            .iter()
            .filter(|written| written.kind == WrittenKind::Directory && written.certain)
            .filter_map(|written| match &written.base {
                Base::Directory(Some(base)) => Some(paths::tidy(&paths::join(base, &written.path))),
                _ => None,
            })
            .collect();
        let mut seen = BTreeSet::new();
        for draft in drafts {
            let Some(path) = &draft.path else { continue };
            let directory = paths::tidy(paths::parent(path));
            let place: Place = draft.place;
            if paths::is_absolute(path) {
                let message = format!(
                    "`{}` writes to `{path}`, an absolute path: it must exist on the cluster, is not made \
                     beforehand, and what is written there is not collected. Use a path relative to the \
                     configuration.",
                    draft.keyword
                );
                self.complain(Severity::Warning, Code::AbsoluteOutput, place, message);
                continue;
            }
            if directory.is_empty() || directory.contains('*') || !seen.insert(directory.clone()) {
                continue;
            }
            let by_script = made
                .iter()
                .any(|made| *made == directory || made.starts_with(&format!("{directory}/")));
            match self.look(&directory, Want::Kind) {
                Some(Found::Missing) if !by_script => {
                    let message = format!(
                        "the directory `{directory}` for the output of `{}` is not there; NAMD does not make \
                         it, so it is made before the run.",
                        draft.keyword
                    );
                    self.complain(
                        Severity::Information,
                        Code::OutputDirectoryMissing,
                        place,
                        message,
                    );
                }
                Some(Found::File { .. }) => {
                    let message = format!(
                        "`{}` writes into `{directory}`, but that is a file, not a directory. Rename one of them.",
                        draft.keyword
                    );
                    self.complain(Severity::Error, Code::Conflict, place, message);
                }
                _ => {}
            }
        }
        // Scratch directories of methods (`QMBaseDir`) must be there as well.
        for setting in &self.trace.settings {
            let scratch = matches!(
                setting.keyword,
                Some(Keyword {
                    names: Names::Directory,
                    ..
                })
            );
            let (Some(value), Some(startup)) = (setting.value.text(), &self.trace.startup) else {
                continue;
            };
            let directory = paths::tidy(&paths::join(startup, value));
            if scratch && !directory.is_empty() && !paths::is_absolute(&directory) {
                seen.insert(directory);
            }
        }
        outputs.directories = seen.into_iter().collect();
    }
}
