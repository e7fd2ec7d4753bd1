//! Commands on files: `source`, `open`, `file …`, `glob`, `exec`. Nothing is
//! opened here; what the files hold is taken from the facts.

use std::rc::Rc;

use super::super::facts::{Found, Want};
use super::super::finding::{Code as Kind, Severity};
use super::super::keywords::Role;
use super::super::paths;
use super::super::text::{Source, Span};
use super::trace::{Base, InputUse, Purpose, Spot, Written, WrittenKind};
use super::value::{Arg, Value, Why};
use super::{Flow, Machine, Place, Stop, Tri};

/// How many files may be sourced inside each other.
const MAX_SOURCING: usize = 16;

/// What a file to be read turned out to be.
pub(super) enum Loaded {
    /// Its content, as one of the files read.
    File(super::FileId),
    /// It is not looked at yet; a need was noted.
    Pending,
    /// It is not there or cannot be read.
    Not,
}

impl Machine<'_> {
    pub(super) fn file_command(&mut self, name: &str, args: &[Arg], place: Place) -> Option<Flow> {
        Some(match name {
            "source" => self.do_source(args, place),
            "open" => self.do_open(args, place),
            "gets" => self.do_gets(args, place),
            "read" => self.do_read(args),
            "eof" => Ok(self.do_eof(args)),
            "close" => {
                if let Some(name) = args.first().and_then(Arg::text) {
                    Rc::make_mut(&mut self.world.channels).remove(name);
                }
                Ok(Value::empty())
            }
            "seek" | "tell" | "fcopy" | "socket" => {
                Ok(self.unknown(format!("`{name}` is not worked out here")))
            }
            "file" => self.do_file(args, place),
            "glob" => self.do_glob(args, place),
            "exec" => Ok(self.do_exec(args, place)),
            "cd" => Ok(self.do_cd(args, place)),
            "pwd" => Ok(self.located(".", "it is the directory the job runs in")),
            _ => return None,
        })
    }

    /// A path whose text differs where the job runs, but not what it leads to:
    /// its pattern has no star.
    pub(super) fn located(&mut self, path: &str, reason: &str) -> Value {
        self.unknowns += 1;
        Value::Unknown(Rc::new(Why {
            reason: reason.into(),
            pattern: Some(path.into()),
            failed: false,
        }))
    }

    /// The path a value leads to, if that is known.
    pub(super) fn path_of(value: &Value) -> Result<String, Rc<Why>> {
        match value {
            Value::Known { text, .. } => Ok(text.to_string()),
            Value::Unknown(why) => match &why.pattern {
                Some(pattern) if !pattern.contains('*') => Ok(pattern.clone()),
                _ => Err(Rc::clone(why)),
            },
        }
    }

    /// The directory that commands are run in now.
    pub(super) fn here(&self) -> Base {
        Base::Directory(self.world.directory.clone())
    }

    /// A path as the configuration's directory sees it, if the present directory is known.
    pub(super) fn seen_from_config(&self, path: &str) -> Option<String> {
        self.world
            .directory
            .as_ref()
            .map(|directory| paths::join(directory, path))
    }

    /// What the script has made of a path, and whether it is certain.
    pub(super) fn made(&self, path: &str) -> Option<(WrittenKind, bool)> {
        let path = self.seen_from_config(path)?;
        self.trace.made.get(&paths::tidy(&path)).copied()
    }

    pub(super) fn is_produced(&self, path: &str) -> bool {
        matches!(self.made(path), Some((WrittenKind::File, _)))
    }

    /// Notes that a command reads or asks for a file.
    pub(super) fn use_file(&mut self, keyword: &str, role: Role, purpose: Purpose, arg: &Arg) {
        self.work += super::KEPT as u64;
        if self.quiet > 0 {
            return;
        }
        let path = Self::path_of(&arg.value);
        let produced = path.as_ref().is_ok_and(|path| self.is_produced(path));
        if let (Err(why), true) = (&path, purpose != Purpose::Probe) {
            self.not_static(keyword, &arg.value, arg.place, &Rc::clone(why));
        }
        let spot = arg.literal.map(|literal| Spot {
            path: literal.content,
            word: arg.place.span,
            quote: literal.quote,
        });
        self.trace.use_file(InputUse {
            keyword: keyword.into(),
            role,
            value: arg.value.pattern().into(),
            path,
            base: self.here(),
            purpose,
            place: arg.place,
            spot,
            certain: self.maybe == 0 && self.catching == 0 && self.aside == 0,
            after_run: self.world.ran != Tri::No,
            produced,
            parent: None,
        });
    }

    /// Says that a file's name cannot be determined.
    pub(super) fn not_static(&mut self, keyword: &str, value: &Value, place: Place, why: &Why) {
        if why.failed {
            return;
        }
        let shown = match value.pattern() {
            "*" => String::new(),
            pattern => format!(" (`{pattern}`)"),
        };
        let message = format!(
            "the file named by `{keyword}`{shown} cannot be determined before the job runs: {}. \
             If it is needed, list it as an extra input.",
            why.reason
        );
        self.say(Severity::Warning, Kind::NotStatic, place, message);
    }

    pub(super) fn wrote(&mut self, keyword: &str, path: &str, kind: WrittenKind, place: Place) {
        if self.quiet > 0 {
            return;
        }
        self.work += super::KEPT as u64;
        if let Some(full) = self.seen_from_config(path) {
            self.trace
                .made
                .insert(paths::tidy(&full), (kind, self.certain()));
        }
        let written = Written {
            keyword: keyword.into(),
            path: path.into(),
            base: self.here(),
            kind,
            place,
            certain: self.certain(),
        };
        self.trace.written.push(written);
    }

    pub(super) fn writes(
        &mut self,
        keyword: &str,
        arg: Option<&Arg>,
        kind: WrittenKind,
        place: Place,
    ) {
        if let Some(Ok(path)) = arg.map(|arg| Self::path_of(&arg.value)) {
            self.wrote(keyword, &path, kind, place);
        }
    }

    /// Runs the configuration itself, and what NAMD does behind its end.
    pub(super) fn source_config(&mut self, name: &str) {
        let place = Place {
            file: 0,
            span: Span::default(),
        };
        match self.load(name, Want::SCRIPT) {
            Loaded::File(file) => {
                self.trace.read = true;
                let _ = self.run_file(file);
            }
            Loaded::Pending | Loaded::Not => {
                if self.files.is_empty() {
                    self.files.push(Rc::new(Source::new(name, b"")));
                }
                return;
            }
        }
        (self.maybe, self.quiet, self.catching) = (0, 0, 0);
        self.startup();
        self.trace.open.clone_from(&self.world.open);
        self.run_asides(place);
    }

    /// Reads a file by its path relative to the configuration's directory.
    pub(super) fn load(&mut self, path: &str, want: Want) -> Loaded {
        let resolved = self.facts.resolve(path);
        if let Some(file) = self.file_ids.get(&resolved) {
            return Loaded::File(*file);
        }
        match self.facts.look(&resolved) {
            Some(Found::File {
                content: Some(content),
                ..
            }) => {
                let file = self.files.len();
                self.files
                    .push(Rc::new(Source::new(paths::tidy(path), content)));
                self.file_ids.insert(resolved, file);
                Loaded::File(file)
            }
            Some(_) if self.facts.answers(&resolved, want) => Loaded::Not,
            _ => {
                self.need(resolved, want);
                Loaded::Pending
            }
        }
    }

    fn run_file(&mut self, file: super::FileId) -> Flow {
        let Some(source) = self.files.get(file).cloned() else {
            return Ok(Value::empty());
        };
        let mut start = 0;
        if source.text().starts_with('\u{feff}') {
            start = 3;
            let message = "the file begins with a byte order mark, which Tcl takes for the name of a \
                           command: NAMD stops at it. Save the file as UTF-8 without a byte order mark.";
            self.fail(
                Kind::ByteOrderMark,
                Place {
                    file,
                    span: Span::new(0, 3),
                },
                message,
            )?;
        }
        self.run_code(Place {
            file,
            span: Span::new(start, source.script_end()),
        })
    }

    fn do_source(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some(arg) = args.last() else {
            return self.usage(place, "source ?-encoding name? fileName");
        };
        self.use_file("source", Role::Script, Purpose::Read, arg);
        let path = match Self::path_of(&arg.value) {
            Ok(path) => path,
            Err(why) => {
                self.open_world("a sourced file is not known");
                return Ok(self.because(&why));
            }
        };
        if self.is_produced(&path) {
            self.open_world("a file is sourced that the script writes itself");
            return Ok(self.unknown("it comes from a file that the script writes itself"));
        }
        let Some(path) = self.seen_from_config(&path) else {
            self.open_world("the directory of a sourced file is not known");
            return Ok(self.unknown("the present directory is not known"));
        };
        let called = arg.value.pattern().to_owned();
        let resolved = self.facts.resolve(&path);
        let twice = self.file_ids.get(&resolved).is_some_and(|file| {
            let name = self.files.get(*file).map(|source| source.path().to_owned());
            self.sourcing
                .iter()
                .any(|outer| Some(paths::tidy(outer)) == name)
        });
        if twice || self.sourcing.len() > MAX_SOURCING {
            let message = format!(
                "`{called}` sources itself, directly or through other files; NAMD would never end"
            );
            self.say(Severity::Error, Kind::SourceCycle, arg.place, message);
            self.open_world("files source each other");
            return Ok(Value::failed());
        }
        match self.load(&path, Want::SCRIPT) {
            Loaded::File(file) => {
                self.sourcing.push(called);
                let outer_left = self.left.take();
                let flow = self.run_file(file);
                self.left = outer_left;
                self.sourcing.pop();
                match flow {
                    Err(Stop::Return(value)) => Ok(value),
                    other => other,
                }
            }
            Loaded::Pending => {
                self.open_world("a sourced file has not been read yet");
                Ok(self.unknown("it comes from a file not read yet"))
            }
            Loaded::Not => {
                if self.catching > 0 {
                    return Err(Stop::Error(Rc::from(format!(
                        "couldn't read file \"{called}\""
                    ))));
                }
                self.open_world(&format!("`{called}` could not be read"));
                Ok(self.unknown("it comes from a file that could not be read"))
            }
        }
    }
}
