//! The closure of a configuration as a step function: what must be looked at,
//! and, when all has been looked at, what the job reads, writes and runs.

mod inputs;
mod members;
mod naming;
mod outputs;
mod plan;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use inputs::{Input, InputState, LiteralPath, Quoting};
pub use members::INDEX;
pub use outputs::{Output, OutputKind, Outputs};
pub use plan::{Plan, Segment, SegmentKind};

use super::eval::trace::Trace;
use super::eval::{Machine, Place};
use super::facts::{Facts, Found, Need, Want};
use super::finding::{Code, Finding, Severity};
use super::keywords;
use super::options::{Complaint, Options, TOP};
use super::paths;
use super::rewrite::{Rewrite, requote};
use super::text::{Range, Source, Span};

/// How often more may be asked for before the answer is given as it is.
const MAX_STEPS: u32 = 64;

/// A place in one of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// The file: relative to the configuration's directory, or absolute.
    pub file: String,
    /// Bytes of the file.
    pub span: Span,
    /// The same as an editor counts.
    pub range: Range,
}

/// A keyword that is given a value, for hovers and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// The keyword in NAMD's spelling, or as written if NAMD 3.0 has none such.
    pub keyword: String,
    /// The value; `*` stands for what is not known of it.
    pub value: String,
    /// Whether the value is known.
    pub known: bool,
    /// Whether the place is certainly reached.
    pub certain: bool,
    /// Whether NAMD has started by then, so that a parameter is changed.
    pub after_startup: bool,
    /// Where the keyword stands.
    pub name: Site,
    /// Where the value stands.
    pub site: Site,
}

/// Everything that is known of a configuration before it is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The configuration's file name.
    pub config: String,
    /// The directory it is in, as given.
    pub directory: String,
    /// The files read to find this out, the configuration first.
    pub read: Vec<String>,
    /// The files the job reads.
    pub inputs: Vec<Input>,
    /// The files and directories it writes.
    pub outputs: Outputs,
    /// The steps it runs.
    pub plan: Plan,
    /// The keywords it sets, in order.
    pub settings: Vec<Setting>,
    /// What is to be said, gravest first within a file.
    pub findings: Vec<Finding>,
}

impl Analysis {
    /// Whether nothing stands against making a job of it.
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity != Severity::Error)
    }

    /// The inputs whose files are to be uploaded.
    pub fn uploads(&self) -> impl Iterator<Item = &Input> {
        self.inputs
            .iter()
            .filter(|input| matches!(input.state, InputState::File { .. }))
    }

    /// The paths that keep their place relative to the configuration: what
    /// [`paths::common_ancestor`] wants. Directories end with `/`.
    pub fn anchored_paths(&self) -> Vec<String> {
        let mut anchored: Vec<String> = self
            .uploads()
            .filter_map(|input| input.path.clone())
            .chain(
                self.outputs
                    .files
                    .iter()
                    .filter_map(|output| output.path.clone()),
            )
            .chain(
                self.outputs
                    .directories
                    .iter()
                    .map(|directory| format!("{directory}/")),
            )
            .filter(|path| !paths::is_absolute(path))
            .collect();
        anchored.sort();
        anchored.dedup();
        anchored
    }

    /// The changes to the uploaded copy of the configuration that lead absolute
    /// paths to the uploaded files. `place` gives the new path of an input,
    /// relative to [`Input::base`], or `None` to leave it alone.
    pub fn rewrites(&self, place: impl Fn(&Input) -> Option<String>) -> Vec<Rewrite> {
        let mut rewrites: Vec<Rewrite> = self
            .uploads()
            .filter(|input| input.is_written_absolute())
            .filter_map(|input| {
                let literal = input.literal.as_ref()?;
                let new = place(input)?;
                let new = match input.path.as_ref()?.strip_prefix(input.written_path()) {
                    Some(suffix) => new.strip_suffix(suffix).unwrap_or(&new).to_owned(),
                    None => new,
                };
                requote(literal, &new).map(|(span, text)| Rewrite {
                    file: self.config.clone(),
                    span,
                    text,
                })
            })
            .collect();
        rewrites.sort_by_key(|rewrite| rewrite.span);
        rewrites.dedup();
        rewrites
    }
}

/// Finds the closure of a configuration without touching the file system.
#[derive(Debug, Clone)]
pub struct Closure {
    config: String,
    facts: Facts,
    asked: Vec<Need>,
    steps: u32,
    /// Variables of the environment that the configuration was seen to ask for.
    asked_environment: BTreeSet<String>,
    /// The answer, once there is nothing more to ask.
    answer: Option<Analysis>,
}

impl Closure {
    /// Begins with a configuration. `config_path` is absolute and its directory
    /// canonical, so that `..` in the file means the same to us and the kernel.
    pub fn new(config_path: &str) -> Self {
        let directory = paths::parent(config_path).to_owned();
        Self {
            config: config_path.to_owned(),
            facts: Facts::new(directory),
            asked: Vec::new(),
            steps: 0,
            asked_environment: BTreeSet::new(),
            answer: None,
        }
    }

    /// Sets a variable of the environment the job will run in (`$env(NAME)`);
    /// the others are not known. What is known of the file system stays.
    #[must_use]
    pub fn with_environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.set_environment(name.into(), value.into());
        self.steps = 0;
        self.answer = None;
        self
    }

    /// Whether the configuration, as far as it has been followed, asks for a variable of the
    /// environment, so that another value may give another answer.
    pub fn asks_environment(&self, name: &str) -> bool {
        self.asked_environment.contains(name)
    }

    /// What is to be looked at next; empty when there is nothing more to ask.
    /// Each is asked once, however it is answered.
    pub fn needs(&mut self) -> Vec<Need> {
        if self.steps >= MAX_STEPS {
            return Vec::new();
        }
        let mut work = Work::new(&self.facts, &self.config);
        let (inputs, outputs) = work.resolve();
        let asked = std::mem::take(&mut work.trace.asked_environment);
        self.asked_environment.extend(asked);
        let needs: Vec<Need> = work
            .trace
            .needs
            .iter()
            .map(|(path, want)| Need {
                path: path.clone(),
                want: *want,
            })
            .collect();
        self.steps += u32::from(!needs.is_empty());
        self.asked.clone_from(&needs);
        self.answer = needs.is_empty().then(|| work.finish(inputs, outputs));
        needs
    }

    /// Tells what was found at the path of a [`Need`].
    pub fn feed(&mut self, path: &str, found: Found) {
        self.answer = None;
        let wants = self
            .asked
            .iter()
            .filter(|need| need.path == path)
            .map(|need| need.want);
        self.facts.tell(path.to_owned(), found, wants);
    }

    /// The answer, as far as the facts go; complete when [`Closure::needs`] is empty.
    pub fn finish(&self) -> Analysis {
        if let Some(answer) = &self.answer {
            return answer.clone();
        }
        let mut work = Work::new(&self.facts, &self.config);
        let (inputs, outputs) = work.resolve();
        work.finish(inputs, outputs)
    }
}

/// One evaluation on its way to an answer.
struct Work<'f> {
    facts: &'f Facts,
    config: String,
    trace: Trace,
    complaints: Vec<Complaint>,
    /// Directories that the script asks for and that are there.
    asked_directories: Vec<String>,
}

impl<'f> Work<'f> {
    fn new(facts: &'f Facts, config: &str) -> Self {
        let trace = Machine::run(facts, config);
        Self {
            facts,
            config: paths::file_name(config).to_owned(),
            trace,
            complaints: Vec::new(),
            asked_directories: Vec::new(),
        }
    }

    /// Works out inputs and outputs; notes what else must be looked at.
    fn resolve(&mut self) -> (Vec<Input>, Outputs) {
        if !self.trace.read {
            self.config_unread();
            return (Vec::new(), Outputs::default());
        }
        let mut outputs = self.outputs();
        let inputs = self.inputs(&outputs);
        outputs.directories.append(&mut self.asked_directories);
        outputs.directories.sort();
        outputs.directories.dedup();
        (inputs, outputs)
    }

    /// The configuration itself cannot be read.
    fn config_unread(&mut self) {
        let resolved = self.facts.resolve(&self.config);
        let (code, what) = match self.facts.look(&resolved) {
            None => return,
            Some(Found::Missing) => (Code::InputMissing, "is not there".to_owned()),
            Some(Found::Directory { .. }) => (Code::InputIsDirectory, "is a directory".to_owned()),
            Some(Found::Unreadable(reason)) => {
                (Code::InputUnreadable, format!("cannot be read: {reason}"))
            }
            Some(Found::File { bytes, .. }) => (
                Code::InputUnreadable,
                format!("is too long for a configuration ({bytes} bytes)"),
            ),
        };
        let message = format!("the configuration `{}` {what}", self.config);
        self.complain(Severity::Error, code, TOP, message);
    }

    fn complain(&mut self, severity: Severity, code: Code, place: Place, message: String) {
        self.complaints.push(Complaint {
            severity,
            code,
            place,
            message,
            other: None,
        });
    }

    /// What is known of a path; notes the need if it is nothing.
    fn look(&mut self, path: &str, want: Want) -> Option<&'f Found> {
        let resolved = self.facts.resolve(path);
        if !self.facts.answers(&resolved, want) {
            self.trace.need(resolved, want);
            return None;
        }
        self.facts.look(&resolved)
    }

    fn finish(mut self, inputs: Vec<Input>, outputs: Outputs) -> Analysis {
        let plan = self.plan();
        let mut complaints = std::mem::take(&mut self.complaints);
        if self.trace.read {
            let job = !self.trace.stretches.is_empty()
                || ["numsteps", "structure", "parmfile", "grotopfile"]
                    .iter()
                    .any(|name| {
                        self.trace
                            .settings
                            .iter()
                            .any(|setting| setting.name == *name)
                    });
            let mut options = Options::new(&self.trace);
            options.check(&mut complaints, job);
        }
        for mut complaint in complaints {
            if let Some(other) = complaint.other {
                let site = self.site(other);
                let line = site.range.start.line + 1;
                complaint.message = format!(
                    "{} (The first is at {}:{line}.)",
                    complaint.message, site.file
                );
            }
            self.trace.say(
                complaint.severity,
                complaint.code,
                complaint.place,
                complaint.message,
            );
        }
        let mut findings: Vec<(usize, Finding)> = self
            .trace
            .reports
            .iter()
            .map(|report| {
                let site = self.site(report.place);
                let finding = Finding {
                    severity: report.severity,
                    code: report.code,
                    message: report.message.clone(),
                    file: site.file,
                    span: site.span,
                    range: site.range,
                };
                (report.place.file, finding)
            })
            .collect();
        findings.sort_by(|(file, a), (other, b)| {
            (file, a.severity, a.span, a.code).cmp(&(other, b.severity, b.span, b.code))
        });
        let settings = self
            .trace
            .settings
            .iter()
            .map(|setting| Setting {
                keyword: keywords::find(&setting.name)
                    .map_or_else(|| setting.name.clone(), |keyword| keyword.name.to_owned()),
                value: setting.value.pattern().to_owned(),
                known: setting.value.text().is_some(),
                certain: setting.certain,
                after_startup: setting.late,
                name: self.site(setting.name_place),
                site: self.site(setting.value_place),
            })
            .collect();
        Analysis {
            config: self.config.clone(),
            directory: self.facts.resolve(""),
            read: self
                .trace
                .files
                .iter()
                .map(|source| source.path().to_owned())
                .collect(),
            inputs,
            outputs,
            plan,
            settings,
            findings: findings.into_iter().map(|(_, finding)| finding).collect(),
        }
    }

    fn site(&self, place: Place) -> Site {
        let source = self.trace.files.get(place.file);
        Site {
            file: source.map_or_else(|| self.config.clone(), |source| source.path().to_owned()),
            span: source.map_or(place.span, |source: &std::rc::Rc<Source>| {
                source.byte_span(place.span)
            }),
            range: source.map_or_else(Range::default, |source| source.range(place.span)),
        }
    }
}

#[cfg(test)]
mod tests;
