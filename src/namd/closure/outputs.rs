//! What a run writes: names, kinds, and the directories that must be there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::eval::Tri;
use super::super::eval::trace::{Base, Setting, WrittenKind};
use super::super::eval::value::Value;
use super::super::facts::{Found, Want};
use super::super::finding::{Code, Severity};
use super::super::keywords::{Keyword, Names};
use super::super::options::Options;
use super::super::paths;
use super::super::tcl::pattern;
use super::{Site, Work};

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

/// How the name of one family of files is come by.
struct Family {
    /// The keyword that names it.
    keyword: &'static str,
    /// The keyword that switches it on when above zero; empty for always.
    every: &'static str,
    /// What is put behind `outputname` if the keyword is not set.
    default: &'static str,
    /// What is put behind the name.
    suffixes: &'static [(&'static str, OutputKind)],
}

const FAMILIES: &[Family] = &[
    Family {
        keyword: "outputname",
        every: "",
        default: "",
        suffixes: &[
            (".coor", OutputKind::Coordinates),
            (".vel", OutputKind::Velocities),
            (".xsc", OutputKind::Cell),
        ],
    },
    Family {
        keyword: "restartname",
        every: "restartfreq",
        default: ".restart",
        suffixes: &[(".coor", OutputKind::Restart), (".vel", OutputKind::Restart), (".xsc", OutputKind::Restart)],
    },
    Family { keyword: "DCDfile", every: "DCDfreq", default: ".dcd", suffixes: &[("", OutputKind::Trajectory)] },
    Family {
        keyword: "velDCDfile",
        every: "velDCDfreq",
        default: ".veldcd",
        suffixes: &[("", OutputKind::VelocityTrajectory)],
    },
    Family { keyword: "forceDCDfile", every: "forceDCDfreq", default: ".forcedcd", suffixes: &[("", OutputKind::Forces)] },
    Family { keyword: "XSTfile", every: "XSTfreq", default: ".xst", suffixes: &[("", OutputKind::CellTrajectory)] },
];

impl Work<'_> {
    pub(super) fn outputs(&mut self) -> Outputs {
        let mut outputs = Outputs::default();
        let trace = std::mem::take(&mut self.trace);
        {
            let mut options = Options::new(&trace);
            let named = |name: &str| -> Vec<&Setting> {
                let lower = name.to_ascii_lowercase();
                trace.settings.iter().filter(|setting| setting.name == lower).collect()
            };
            let startup = trace.startup.clone().flatten();
            let full = |value: &Value, base: &Base, suffix: &str| -> Option<String> {
                let directory = match base {
                    Base::Startup => startup.clone(),
                    Base::Directory(directory) => directory.clone(),
                }?;
                let name = value.pattern();
                (name != "*").then(|| paths::join(&directory, &format!("{name}{suffix}")))
            };
            let mut sites = Vec::new();
            let mut add = |keyword: &str, kind, path: Option<String>, certain: bool, place| {
                sites.push(place);
                outputs.files.push(Output {
                    keyword: keyword.to_owned(),
                    kind,
                    path,
                    certain,
                    site: Site { file: String::new(), span: super::Span::default(), range: super::Range::default() },
                });
            };
            for family in FAMILIES {
                let every = if family.every.is_empty() { Some(1.0) } else { options.number(family.every) };
                let late = named(family.every).iter().any(|setting| setting.late);
                if every == Some(0.0) && !late {
                    continue;
                }
                let own = named(family.keyword);
                let save = family.keyword == "restartname" && options.on("restartsave") != Tri::No;
                let (names, default) = if own.is_empty() && !family.default.is_empty() {
                    let default = if save { "" } else { family.default };
                    (named("outputname"), default)
                } else {
                    (own, "")
                };
                for setting in names {
                    for (suffix, kind) in family.suffixes {
                        let step = if save { ".*" } else { "" };
                        let path = full(&setting.value, &setting.base, &format!("{default}{step}{suffix}"));
                        let certain = setting.certain && every.is_some();
                        add(family.keyword, *kind, path, certain, setting.value_place);
                    }
                }
            }
            if options.on("colvars") != Tri::No {
                let certain = options.on("colvars") == Tri::Yes;
                for setting in named("outputname") {
                    for (suffix, kind) in [(".colvars.state", OutputKind::ColvarsState), (".colvars.traj", OutputKind::Colvars), (".*.pmf", OutputKind::Colvars)] {
                        let path = full(&setting.value, &setting.base, suffix);
                        add("colvars", kind, path, certain && setting.certain, setting.value_place);
                    }
                }
                for (setting, suffix) in match named("restartname") {
                    own if own.is_empty() => named("outputname").into_iter().map(|s| (s, ".restart.colvars.state")).collect(),
                    own => own.into_iter().map(|s| (s, ".colvars.state")).collect::<Vec<_>>(),
                } {
                    let path = full(&setting.value, &setting.base, suffix);
                    add("colvars", OutputKind::ColvarsState, path, false, setting.value_place);
                }
            }
            if options.on("alch") != Tri::No && named("alchOutFile").is_empty() {
                for setting in named("outputname") {
                    let suffix = match options.text("alchType").map(str::to_ascii_lowercase).as_deref() {
                        Some("ti") => ".ti",
                        _ => ".fep",
                    };
                    let path = full(&setting.value, &setting.base, suffix);
                    add("alchOutFile", OutputKind::Alchemical, path, false, setting.value_place);
                }
            }
            if options.on("accelMDG") != Tri::No {
                for setting in named("outputname").into_iter().chain(named("restartname")) {
                    let path = full(&setting.value, &setting.base, ".gamd");
                    add("accelMDG", OutputKind::Other, path, false, setting.value_place);
                }
            }
            for setting in &trace.settings {
                let Some(Keyword { names: Names::Output, name, .. }) = setting.keyword else { continue };
                if FAMILIES.iter().any(|family| family.keyword.eq_ignore_ascii_case(name)) {
                    continue;
                }
                let kind = if *name == "alchOutFile" { OutputKind::Alchemical } else { OutputKind::Other };
                add(name, kind, full(&setting.value, &setting.base, ""), setting.certain, setting.value_place);
            }
            for written in &trace.written {
                let suffixes: &[(&str, OutputKind)] = match written.kind {
                    WrittenKind::Coordinates => FAMILIES.first().map_or(&[], |family| family.suffixes),
                    WrittenKind::Forces => &[(".force", OutputKind::Forces)],
                    WrittenKind::ColvarsState => &[(".colvars.state", OutputKind::ColvarsState)],
                    WrittenKind::File => &[("", OutputKind::Other)],
                    WrittenKind::Directory => continue,
                };
                for (suffix, kind) in suffixes {
                    let bare = written.kind == WrittenKind::ColvarsState && written.path.ends_with(suffix);
                    let path = full(&Value::known(written.path.as_str()), &written.base, if bare { "" } else { suffix });
                    add(&written.keyword, *kind, path, written.certain, written.place);
                }
            }
            outputs.outputname = options.text("outputname").map(str::to_owned);
            outputs.restartname = options.text("restartname").map(str::to_owned).or_else(|| {
                outputs.outputname.as_ref().map(|name| format!("{name}.restart"))
            });
            self.trace = trace;
            for (output, place) in outputs.files.iter_mut().zip(sites) {
                output.site = self.site(place);
                if output.keyword == "outputname" && output.path.is_none() && output.kind == OutputKind::Coordinates {
                    self.complaints.push(super::Complaint {
                        severity: Severity::Warning,
                        code: Code::NotStatic,
                        place,
                        message: "the name of the output cannot be determined before the job runs; all \
                                  files that are new after the run are taken for output"
                            .into(),
                        other: None,
                    });
                }
            }
        }
        self.output_directories(&mut outputs);
        outputs
    }

    /// The directories that the outputs need, and what is to be said of them.
    fn output_directories(&mut self, outputs: &mut Outputs) {
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
        for output in &outputs.files {
            let Some(path) = &output.path else { continue };
            let directory = paths::tidy(paths::parent(path));
            let place = self.place_of(&output.site);
            if paths::is_absolute(path) {
                let message = format!(
                    "`{}` writes to `{path}`, an absolute path: it must exist on the cluster, is not made \
                     beforehand, and what is written there is not collected. Use a path relative to the \
                     configuration.",
                    output.keyword
                );
                self.complain(Severity::Warning, Code::AbsoluteOutput, place, message);
                continue;
            }
            if directory.is_empty() || directory.contains('*') || !seen.insert(directory.clone()) {
                continue;
            }
            let by_script = made.iter().any(|made| *made == directory || made.starts_with(&format!("{directory}/")));
            match self.look(&directory, Want::Kind) {
                Some(Found::Missing) if !by_script => {
                    let message = format!(
                        "the directory `{directory}` for the output of `{}` is not there; NAMD does not make \
                         it, so it is made before the run.",
                        output.keyword
                    );
                    self.complain(Severity::Information, Code::OutputDirectoryMissing, place, message);
                }
                Some(Found::File { .. }) => {
                    let message = format!(
                        "`{}` writes into `{directory}`, but that is a file, not a directory. Rename one of them.",
                        output.keyword
                    );
                    self.complain(Severity::Error, Code::Conflict, place, message);
                }
                _ => {}
            }
        }
        outputs.directories = seen.into_iter().collect();
    }

    fn place_of(&self, site: &Site) -> super::Place {
        let file = self.trace.files.iter().position(|source| source.path() == site.file).unwrap_or(0);
        // Sites are made from places; only the beginning is needed to find the finding's own.
        let source = self.trace.files.get(file);
        let start = source.map_or(0, |source| source.text_offset(site.range.start));
        let end = source.map_or(0, |source| source.text_offset(site.range.end));
        super::Place { file, span: super::Span::new(start, end) }
    }
}
