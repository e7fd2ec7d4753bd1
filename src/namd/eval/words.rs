//! Words of a command: substitution of variables and commands.

use std::rc::Rc;

use super::super::finding::Code as Kind;
use super::super::tcl::{self, Part, Quote, Word};
use super::value::{Arg, Literal, Value, concatenate};
use super::vars::Read;
use super::{At, Flow, MAX_STRING, Machine, Place, Stop, Tri};

impl Machine<'_> {
    pub(super) fn expand(&mut self, arg: Arg, into: &mut Vec<Arg>) -> Result<(), Stop> {
        match &arg.value {
            Value::Known { text, .. } => {
                self.charge(text.len())?;
                match tcl::list::split(text) {
                    Some(elements) => {
                        let place = arg.place;
                        into.extend(
                            elements
                                .into_iter()
                                .map(|e| Arg::made(Value::known(e), place)),
                        );
                    }
                    None => {
                        self.fail(
                            Kind::ScriptError,
                            arg.place,
                            "this is not a list that {*} could take apart",
                        )?;
                    }
                }
            }
            // How many words it would be is not known; one unknown word stands for them.
            Value::Unknown(_) => into.push(arg),
        }
        Ok(())
    }

    pub(super) fn word(&mut self, word: &Word) -> Result<Arg, Stop> {
        let place = self.place(word.span);
        let Some(text) = word.literal() else {
            return Ok(Arg::made(self.parts(&word.parts)?, place));
        };
        let content = word.content();
        let mut arg = Arg::made(Value::Known { text, code: None }, place);
        if let (At::File(file), false) = (self.at, word.expand) {
            if word.quote == Quote::Braced
                && let Value::Known { code, .. } = &mut arg.value
            {
                *code = Some(Place {
                    file,
                    span: content,
                });
            }
            let as_written = self.files.get(file).map(|source| source.slice(content));
            if as_written == arg.value.text() {
                arg.literal = Some(Literal {
                    content,
                    quote: word.quote,
                });
            }
        }
        Ok(arg)
    }

    pub(super) fn parts(&mut self, parts: &[Part]) -> Flow {
        let mut pieces = Vec::with_capacity(parts.len());
        let mut length = 0;
        for part in parts {
            let piece = match part {
                Part::Text { text, .. } => Value::Known {
                    text: Rc::clone(text),
                    code: None,
                },
                Part::Var { name, index, span } => {
                    let place = self.place(*span);
                    self.variable(name, index.as_deref(), place)?
                }
                Part::Script { script, .. } => {
                    let at = self.at;
                    self.run_script(script, at)?
                }
            };
            length += piece.pattern().len();
            pieces.push(piece);
        }
        self.charge(length)?;
        if length > MAX_STRING {
            return Ok(self.too_long());
        }
        if pieces.is_empty() {
            return Ok(Value::empty());
        }
        Ok(concatenate(&pieces))
    }

    pub(super) fn too_long(&mut self) -> Value {
        self.unknown("it is longer than 1 MiB, which is not worked out here")
    }

    pub(super) fn variable(&mut self, name: &str, index: Option<&[Part]>, place: Place) -> Flow {
        let Some(index) = index else {
            return self.read(name, None, place);
        };
        match self.parts(index)? {
            Value::Known { text, .. } => self.read(name, Some(&text), place),
            Value::Unknown(why) => Ok(self.because(&why)),
        }
    }

    /// Reads a variable by its full name, element included.
    pub(super) fn read_named(&mut self, name: &str, place: Place) -> Flow {
        match tcl::split_element(name) {
            Some((array, index)) => self.read(array, Some(index), place),
            None => self.read(name, None, place),
        }
    }

    pub(super) fn read(&mut self, name: &str, index: Option<&str>, place: Place) -> Flow {
        let shown = index.map_or_else(|| name.to_owned(), |index| format!("{name}({index})"));
        match self.world.frames.read(&self.scope, name, index) {
            Read::Value(value) => {
                if matches!(value, Value::Unknown(_)) {
                    self.unknowns += 1;
                }
                return Ok(value);
            }
            Read::Perhaps(why) => return Ok(self.because(&why)),
            Read::Missing => {}
            Read::WrongKind => {
                let message = format!("can't read \"{shown}\": it is an array, or is none");
                return self.fail(Kind::ScriptError, place, message);
            }
        }
        if let Some(value) = self.given(name, index) {
            return Ok(value);
        }
        if let Some(why) = self.world.open.clone() {
            return Ok(self.unknown(format!(
                "`${shown}` is not set in the files read here ({why})"
            )));
        }
        // Force scripts share the interpreter and may have set it.
        let shared = self.world.started != Tri::No && !self.trace.asides.is_empty();
        if self.aside > 0 || shared {
            return Ok(self.unknown(format!("`${shown}` may be set by a force script")));
        }
        let message = format!("can't read \"{shown}\": no such variable");
        let hint = "Nothing sets it before this place, and NAMD stops here. Set it above, or check \
                    its spelling; case matters.";
        self.fail_with(Kind::UndefinedVariable, place, message, hint)
    }

    /// Variables that exist before the script begins.
    pub(super) fn given(&mut self, name: &str, index: Option<&str>) -> Option<Value> {
        let name = name.trim_start_matches(':');
        match (name, index) {
            ("env", Some(index)) => Some(match self.environment(index) {
                Some(value) => Value::known(value.as_str()),
                None => self.unknown(format!(
                    "the environment variable {index} is that of the machine the job runs on"
                )),
            }),
            ("tcl_version", None) => Some(Value::known("8.6")),
            ("tcl_interactive", None) => Some(Value::known("0")),
            ("tcl_platform", Some("platform")) => Some(Value::known("unix")),
            ("tcl_platform", Some(_))
            | (
                "tcl_patchLevel" | "tcl_library" | "tcl_pkgPath" | "auto_path" | "argv" | "argv0"
                | "argc" | "errorInfo" | "errorCode" | "tcl_precision",
                None,
            ) => Some(self.unknown(format!("`${name}` is set by the NAMD that runs the job"))),
            _ => None,
        }
    }

    /// A variable of the environment the job will run in, if it is known; that it was asked for is
    /// remembered.
    pub(super) fn environment(&mut self, name: &str) -> Option<String> {
        self.trace.asked_environment.insert(name.to_owned());
        self.facts.environment(name).map(str::to_owned)
    }

    /// Sets a variable by its full name, element included.
    pub(super) fn write_named(&mut self, name: &Arg, value: Value, place: Place) -> Flow {
        let Some(name) = name.text() else {
            self.open_world("a variable's name is made when the job runs");
            return Ok(value);
        };
        let done = match tcl::split_element(name) {
            Some((array, index)) => {
                self.world
                    .frames
                    .write(&self.scope, array, Some(index), value.clone())
            }
            None => self
                .world
                .frames
                .write(&self.scope, name, None, value.clone()),
        };
        if done {
            return Ok(value);
        }
        let message = format!("can't set \"{name}\": it is an array, or is none");
        self.fail(Kind::ScriptError, place, message)
    }
}
