//! What a run reads, held against what is there.

use serde::{Deserialize, Serialize};

use super::super::eval::Tri;
use super::super::eval::trace::{Base, InputUse, Purpose};
use super::super::facts::{Found, Want};
use super::super::finding::{Code, Severity};
use super::super::keywords::Role;
use super::super::options::{Options, TOP};
use super::super::paths;
use super::super::tcl::Quote;
use super::super::text::{Span, has_odd_bytes};
use super::outputs::Index;
use super::{Outputs, Site, Work};

/// What Colvars puts behind the name of a state.
const STATE_SUFFIX: &str = ".colvars.state";

/// What is known of an input's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum InputState {
    /// It is there.
    File {
        /// Its size.
        bytes: u64,
    },
    /// It is not there.
    Missing,
    /// A directory is there.
    Directory,
    /// It cannot be read.
    Unreadable {
        /// Why, in words.
        reason: String,
    },
    /// An absolute path that is not on this machine: left to the cluster.
    OnCluster,
    /// The run itself writes it before it reads it.
    Produced,
    /// Its name is decided only when the job runs, or it was not looked at.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// A path that stands in the configuration as it is, so that it can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiteralPath {
    /// Bytes of the path itself.
    pub path: Span,
    /// Bytes of the word it stands in, delimiters included.
    pub word: Span,
    /// How the word is written.
    pub quoting: Quoting,
}

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quoting {
    /// Without delimiters.
    Bare,
    /// In braces.
    Braced,
    /// In double quotes.
    Quoted,
}

/// One file that the job reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The keyword or command that names it: `structure`, `source`, `open`,
    /// `colvars refPositionsFile`, …
    pub keyword: String,
    /// What the file is for.
    pub role: Role,
    /// The value as NAMD gets it; `*` stands for what is not known of it.
    pub value: String,
    /// The file: relative to the configuration's directory (`cd` and `cwd`
    /// followed) or absolute; `..` is left in. `None` if it is not known.
    pub path: Option<String>,
    /// The directory the value is relative to, seen from the configuration's.
    pub base: String,
    /// The value is written out at its place, not put together from variables.
    pub is_literal: bool,
    /// Set if the path can be changed in the configuration itself.
    pub literal: Option<LiteralPath>,
    /// It is certainly read; else it depends on a condition, or its feature is off.
    pub certain: bool,
    /// Its feature is certainly off: NAMD ignores the keyword.
    pub unused: bool,
    /// What is there.
    pub state: InputState,
    /// Where it is named.
    pub site: Site,
}

impl Input {
    /// Whether the path is absolute.
    pub fn is_absolute(&self) -> bool {
        self.path.as_deref().is_some_and(paths::is_absolute)
    }

    /// Whether the path is absolute as it is written, not by `cd` or `cwd`.
    pub fn is_written_absolute(&self) -> bool {
        self.is_absolute() && paths::is_absolute(self.written_path()) && !self.base.starts_with('/')
    }

    /// The path as it is written in the value: behind a tag, before a suffix.
    pub(super) fn written_path(&self) -> &str {
        let path = self.path.as_deref().unwrap_or("");
        let value = self.value.rsplit([' ', '\t']).next().unwrap_or("");
        if path.starts_with(self.value.as_str()) {
            &self.value
        } else if path.starts_with(value) {
            value
        } else {
            path
        }
    }
}

impl Work<'_> {
    pub(super) fn inputs(&mut self, outputs: &Outputs) -> Vec<Input> {
        let uses = self.trace.inputs.clone();
        let parents: Vec<Tri> = {
            let mut options = Options::new(&self.trace);
            uses.iter()
                .map(|input| {
                    input
                        .parent
                        .map_or(Tri::Yes, |keyword| options.active(keyword))
                })
                .collect()
        };
        let index = Index::new(outputs);
        let mut inputs = vec![self.config_itself()];
        for (input, active) in uses.iter().zip(parents) {
            inputs.extend(self.input(input, active, &index));
        }
        inputs
    }

    fn config_itself(&mut self) -> Input {
        let config = self.config.clone();
        let state = match self.look(&config, Want::SCRIPT) {
            Some(Found::File { bytes, .. }) => InputState::File { bytes: *bytes },
            _ => InputState::Unknown {
                reason: "it was not looked at".into(),
            },
        };
        Input {
            keyword: "configuration".into(),
            role: Role::Config,
            value: config.clone(),
            path: Some(config),
            base: String::new(),
            is_literal: false,
            literal: None,
            certain: true,
            unused: false,
            state,
            site: self.site(TOP),
        }
    }

    fn input(&mut self, used: &InputUse, active: Tri, outputs: &Index) -> Option<Input> {
        let startup = self.trace.startup.clone();
        let base = match &used.base {
            Base::Startup => startup,
            Base::Directory(directory) => directory.clone(),
        };
        let path = match (&used.path, &base) {
            (Ok(path), Some(base)) => Ok(paths::join(base, path)),
            (Ok(path), None) if paths::is_absolute(path) => Ok(path.clone()),
            (Ok(_), None) => Err("the directory it is relative to is not known".to_owned()),
            (Err(why), _) => Err(why.reason.clone()),
        };
        let path = match (used.purpose, path) {
            (Purpose::State, Ok(path)) => Ok(self.state_file(&path)),
            (_, path) => path.map(Some),
        };
        let certain = used.certain && active == Tri::Yes && used.purpose != Purpose::Probe;
        let literal = used
            .spot
            .filter(|_| used.place.file == 0)
            .map(|spot| self.literal(spot));
        let mut input = Input {
            keyword: used.keyword.clone(),
            role: used.role,
            value: used.value.clone(),
            path: None,
            base: base.unwrap_or_default(),
            is_literal: used.spot.is_some(),
            literal,
            certain,
            unused: active == Tri::No,
            state: InputState::Unknown {
                reason: String::new(),
            },
            site: self.site(used.place),
        };
        match path {
            Err(reason) => {
                if used.purpose == Purpose::Probe {
                    return None;
                }
                input.state = InputState::Unknown { reason };
            }
            Ok(None) => {
                input.state = InputState::Unknown {
                    reason: "it was not looked at yet".into(),
                }
            }
            Ok(Some(path)) => {
                let produced =
                    used.produced || (used.after_run && outputs.kind_of(&path).is_some());
                input.state = if produced {
                    InputState::Produced
                } else {
                    self.state_of(&path, used)
                };
                let there = matches!(input.state, InputState::File { .. });
                if used.purpose == Purpose::Probe && !there {
                    // The script on the cluster is to find the directory too.
                    if input.state == InputState::Directory && !paths::is_absolute(&path) {
                        self.asked_directories.push(paths::tidy(&path));
                    }
                    return None;
                }
                input.path = Some(path);
            }
        }
        self.judge(used, &input, outputs);
        Some(input)
    }

    fn state_of(&mut self, path: &str, used: &InputUse) -> InputState {
        let want = match (used.purpose, used.keyword.as_str()) {
            (Purpose::Colvars, _) | (_, "source") => Want::SCRIPT,
            (_, "open") => Want::DATA,
            _ => Want::Kind,
        };
        match self.look(path, want) {
            None => InputState::Unknown {
                reason: "it was not looked at yet".into(),
            },
            Some(Found::Missing) if paths::is_absolute(path) => InputState::OnCluster,
            Some(Found::Missing) => InputState::Missing,
            Some(Found::Directory { .. }) => InputState::Directory,
            Some(Found::Unreadable(reason)) => InputState::Unreadable {
                reason: reason.clone(),
            },
            Some(Found::File { bytes, .. }) => InputState::File { bytes: *bytes },
        }
    }

    /// Which file Colvars takes for a state: with the suffix, or as it is
    /// (`colvarmodule::setup_input`). `None` while it is not known.
    fn state_file(&mut self, value: &str) -> Option<String> {
        let stem = value.strip_suffix(STATE_SUFFIX).unwrap_or(value);
        let full = format!("{stem}{STATE_SUFFIX}");
        let with = self.look(&full, Want::Kind).cloned();
        let bare = self.look(stem, Want::Kind).cloned();
        match (with?, bare?) {
            (Found::Missing, Found::File { .. }) => Some(stem.to_owned()),
            _ => Some(full),
        }
    }

    fn literal(&self, spot: super::super::eval::trace::Spot) -> LiteralPath {
        let bytes = |span: Span| {
            self.trace
                .files
                .first()
                .map_or(span, |source| source.byte_span(span))
        };
        LiteralPath {
            path: bytes(spot.path),
            word: bytes(spot.word),
            quoting: match spot.quote {
                Quote::Bare => Quoting::Bare,
                Quote::Braced => Quoting::Braced,
                Quote::Quoted => Quoting::Quoted,
            },
        }
    }

    /// Says what is to be said of an input.
    fn judge(&mut self, used: &InputUse, input: &Input, outputs: &Index) {
        if input.unused {
            return;
        }
        let place = used.place;
        let path = input.path.as_deref().unwrap_or("");
        let keyword = &input.keyword;
        let grave = if input.certain {
            Severity::Error
        } else {
            Severity::Warning
        };
        if let InputState::File { bytes } = input.state
            && let Some(problem) = broken(used, bytes)
        {
            let message = format!("`{path}` behind `{keyword}` {problem}.");
            self.complain(grave, Code::InputBroken, place, message);
        }
        if has_odd_bytes(path) {
            let message = format!(
                "the file name behind `{keyword}` holds bytes that are not UTF-8; such names are not \
                 transferred. Rename the file."
            );
            self.complain(Severity::Error, Code::NonUtf8FileName, place, message);
        }
        match &input.state {
            InputState::Missing if used.purpose == Purpose::State => {
                let message = format!(
                    "the Colvars state behind `{keyword}` is missing: neither `{path}` nor `{}` is there.",
                    path.strip_suffix(STATE_SUFFIX).unwrap_or(path)
                );
                self.complain(grave, Code::InputMissing, place, message);
            }
            InputState::Missing => {
                let mut message = format!("the file `{path}` behind `{keyword}` is not there");
                if outputs.kind_of(path).is_some() {
                    message.push_str(
                        "; this configuration writes it, but only after it is read. \
                                      Give an earlier run's file, or start without it.",
                    );
                } else if input.certain {
                    message.push_str(", and NAMD stops without it. Check the name; it is relative to the configuration.");
                } else {
                    message.push_str("; it depends on a condition whether it is needed.");
                }
                self.complain(grave, Code::InputMissing, place, message);
            }
            InputState::Directory => {
                let message = format!("`{path}` behind `{keyword}` is a directory, not a file.");
                self.complain(grave, Code::InputIsDirectory, place, message);
            }
            InputState::Unreadable { reason } => {
                let message = format!("`{path}` behind `{keyword}` cannot be read: {reason}.");
                self.complain(grave, Code::InputUnreadable, place, message);
            }
            InputState::OnCluster => {
                let message = format!(
                    "`{path}` behind `{keyword}` is not on this machine; the path is left as it is and must \
                     exist on the cluster."
                );
                self.complain(Severity::Warning, Code::OnClusterOnly, place, message);
            }
            InputState::File { .. } if input.is_absolute() => {
                self.judge_absolute(used, input, place, grave);
            }
            InputState::File { .. } if !used.after_run && outputs.kind_of(path).is_some() => {
                let message = format!(
                    "`{path}` is read at the start and written over by the same run; each attempt of the job \
                     begins with the uploaded file."
                );
                self.complain(
                    Severity::Information,
                    Code::InputOverwritten,
                    place,
                    message,
                );
            }
            _ => {}
        }
    }

    fn judge_absolute(
        &mut self,
        used: &InputUse,
        input: &Input,
        place: super::Place,
        grave: Severity,
    ) {
        let path = input.path.as_deref().unwrap_or("");
        let keyword = &input.keyword;
        let own = used
            .path
            .as_ref()
            .is_ok_and(|path| paths::is_absolute(path));
        if own && input.literal.is_some() {
            let message = format!(
                "the absolute path `{path}` does not exist on the cluster: the file is uploaded, and the path \
                 is changed in the uploaded copy of the configuration."
            );
            self.complain(Severity::Information, Code::AbsolutePath, place, message);
            return;
        }
        let why = if !own {
            "`cd` or `cwd` leads to an absolute directory"
        } else if place.file != 0 {
            "it stands in a file that the configuration reads, and those are uploaded unchanged"
        } else {
            "it is put together from variables"
        };
        let message = format!(
            "the absolute path `{path}` behind `{keyword}` will not exist on the cluster and cannot be \
             changed there: {why}. Make it relative to the configuration, or write it out as one literal path."
        );
        self.complain(grave, Code::AbsolutePath, place, message);
    }
}

/// What is wrong with a file of this size, to stand behind its name.
fn broken(used: &InputUse, bytes: u64) -> Option<String> {
    let keyword = used.parent?.name.to_ascii_lowercase();
    match keyword.as_str() {
        // namdbin: a count of atoms in 4 bytes, then three doubles for each.
        "bincoordinates" | "binvelocities" if bytes < 4 || !(bytes - 4).is_multiple_of(24) => {
            Some(format!(
                "is not a whole binary file of NAMD: its size is {bytes} bytes, and not 4 and 24 for each \
             atom. It may be cut off, or be a text file"
            ))
        }
        "structure" | "coordinates" | "extendedsystem" | "velocities" | "parmfile"
            if bytes == 0 =>
        {
            Some("is empty, and NAMD stops at it".into())
        }
        _ => None,
    }
}
