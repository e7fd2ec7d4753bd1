//! What a run writes: names, kinds, and the directories that must be there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::eval::trace::{Base, WrittenKind};
use super::super::facts::{Found, Want};
use super::super::finding::{Code, Severity};
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
    /// Directories they need, relative to the configuration's directory: NAMD
    /// makes none, so they must be made before the run.
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
        let path = paths::tidy(path);
        let plain = path.strip_suffix(".BAK").unwrap_or(&path);
        let plain = plain.strip_suffix(".old").unwrap_or(plain);
        self.files
            .iter()
            .find(|output| {
                output.path.as_ref().is_some_and(|known| {
                    let known = paths::tidy(known);
                    known == plain || (known.contains('*') && pattern::matches(&known, plain))
                })
            })
            .map(|output| output.kind)
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
        outputs.directories = seen.into_iter().collect();
    }
}
