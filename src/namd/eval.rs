//! Runs a configuration without running it: Tcl evaluated as far as its result
//! is certain before the job starts.
//!
//! A value is a known string or the reason why it is not known. Where a
//! condition is not known, every branch is followed as "maybe", and afterwards
//! only what agrees on all ways is still known. Programs are never run, files
//! are never opened: what the file system holds comes in as [`Facts`], and what
//! is missing among them goes out as needs.
//!
//! Everything is bounded: work, nesting, length of strings.

mod arithmetic;
mod asides;
mod channels;
mod control;
mod dicts;
mod expr;
mod files;
mod filesystem;
mod lists;
mod loops;
mod namd;
mod procs;
mod settings;
mod steps;
mod strings;
pub(super) mod trace;
pub(super) mod value;
mod variables;
mod vars;
mod ways;
mod words;
mod world;

use std::collections::HashMap;
use std::rc::Rc;

use super::facts::Facts;
use super::finding::{Code as Kind, Severity};
use super::tcl::{self, Command, Script};
use super::text::{Source, Span};
use trace::{Trace, Wanted};
use value::{Arg, Value, Why};
use vars::{Frames, Scope};
use world::{Binding, World};

/// Nested scripts, calls and brackets beyond this are not followed.
const MAX_DEPTH: usize = 40;
/// All work together, in units of roughly one byte looked at; a command counts as [`COMMAND`].
const MAX_WORK: u64 = 6_000_000;
/// Work of one command besides the bytes it handles.
const COMMAND: usize = 100;
/// Work of one word besides.
const WORD: usize = 20;
/// Work of a command that is remembered: a keyword, a file.
const KEPT: usize = 600;
/// A longer string is not worked out.
const MAX_STRING: usize = 1 << 20;
/// More rounds of one loop are not followed.
const MAX_ROUNDS: usize = 1000;

/// Number of a file among those read.
pub(super) type FileId = usize;

/// A piece of a file, in offsets of its decoded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// The file.
    pub file: FileId,
    /// The piece.
    pub span: Span,
}

/// A script that stands in a file word for word.
pub(super) type Code = Place;

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tri {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It depends.
    Maybe,
}

/// Why a script stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// `return`.
    Return(Value),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// An error that a `catch` is waiting for, or `error` itself.
    Error(Rc<str>),
    /// `exit`, or an error nobody catches.
    Exit,
    /// The work is more than is allowed.
    Budget,
}

/// What running something comes to.
pub(super) type Flow = Result<Value, Stop>;

/// What the spans of the script being run refer to.
#[derive(Debug, Clone, Copy)]
enum At {
    /// They are offsets of this file.
    File(FileId),
    /// The script is made at run time; it belongs to this place.
    Made(Place),
}

/// The evaluator.
pub(super) struct Machine<'f> {
    facts: &'f Facts,
    files: Vec<Rc<Source>>,
    file_ids: HashMap<String, FileId>,
    scripts: HashMap<Place, Rc<Script>>,
    /// Keywords that unknown words come close to.
    slips: HashMap<String, Option<&'static str>>,
    world: World,
    scope: Scope,
    at: At,
    /// Files being sourced, outermost first, as they were called.
    sourcing: Vec<String>,
    /// The command being run, for reports that have no place of their own.
    here: Place,
    maybe: u32,
    quiet: u32,
    catching: u32,
    /// Inside a script that NAMD runs besides the configuration (`tclForces`):
    /// its words are not keywords and its mistakes not reported.
    aside: u32,
    depth: usize,
    work: u64,
    /// Number of channels opened, for their names.
    opened: usize,
    /// What is so if a branch that may have been taken has left the procedure.
    left: Option<World>,
    /// The same for the loop being run.
    left_round: loops::LeftRound,
    /// Counts what was not known; `catch` compares it.
    unknowns: u64,
    trace: Trace,
}

impl<'f> Machine<'f> {
    /// Runs the configuration and everything it sources.
    pub(super) fn run(facts: &'f Facts, config: &str) -> Trace {
        let name = config.rsplit('/').next().unwrap_or(config).to_owned();
        let mut machine = Self::new(facts, &name);
        machine.source_config(&name);
        machine.finish()
    }

    fn new(facts: &'f Facts, name: &str) -> Self {
        let world = World {
            frames: Frames::new(),
            bindings: Rc::default(),
            settings: Rc::default(),
            channels: Rc::default(),
            started: Tri::No,
            ran: Tri::No,
            callback: None,
            step: None,
            directory: Some(String::new()),
            open: None,
        };
        Self {
            facts,
            files: Vec::new(),
            file_ids: HashMap::new(),
            scripts: HashMap::new(),
            slips: HashMap::new(),
            world,
            scope: Scope {
                frame: 0,
                namespace: Rc::from(""),
            },
            at: At::File(0),
            sourcing: vec![name.to_owned()],
            here: Place {
                file: 0,
                span: Span::default(),
            },
            left: None,
            left_round: loops::LeftRound::default(),
            maybe: 0,
            quiet: 0,
            catching: 0,
            aside: 0,
            depth: 0,
            work: 0,
            opened: 0,
            unknowns: 0,
            trace: Trace::default(),
        }
    }

    fn finish(mut self) -> Trace {
        self.trace.files = self.files;
        self.trace
    }

    /// Counts work; stops everything when it is too much.
    fn charge(&mut self, work: usize) -> Result<(), Stop> {
        self.work = self.work.saturating_add(work as u64);
        if self.work <= MAX_WORK {
            return Ok(());
        }
        // Said although it may happen on a way that is only tried.
        let quiet = std::mem::take(&mut self.quiet);
        let message = "the script does more than is worked out beforehand; it is followed up to here. \
                       Files that it names after this place are not uploaded by themselves; list them \
                       as extra inputs.";
        if !std::mem::replace(&mut self.trace.exhausted, true) {
            self.say(Severity::Warning, Kind::BudgetExceeded, self.here, message);
        }
        self.quiet = quiet;
        Err(Stop::Budget)
    }

    fn place(&self, span: Span) -> Place {
        match self.at {
            At::File(file) => Place { file, span },
            At::Made(place) => place,
        }
    }

    /// Reports something, once per place; an error on a way that may not be
    /// taken is a warning.
    fn say(&mut self, severity: Severity, code: Kind, place: Place, message: impl Into<String>) {
        if self.quiet > 0 || self.aside > 0 {
            return;
        }
        let severity = if self.maybe > 0 {
            severity.max(Severity::Warning)
        } else {
            severity
        };
        self.trace.say(severity, code, place, message.into());
    }

    /// A Tcl error: an error for a waiting `catch`, else reported, and what
    /// follows is looked at all the same.
    fn fail(&mut self, code: Kind, place: Place, message: impl Into<String>) -> Flow {
        self.fail_with(code, place, message, "")
    }

    /// The same, with more to say to a person than Tcl says to a `catch`.
    fn fail_with(&mut self, code: Kind, place: Place, tcl: impl Into<String>, hint: &str) -> Flow {
        let tcl = tcl.into();
        if self.catching > 0 {
            return Err(Stop::Error(Rc::from(tcl)));
        }
        let message = if hint.is_empty() {
            tcl
        } else {
            format!("{tcl}. {hint}")
        };
        self.say(Severity::Error, code, place, message);
        self.unknowns += 1;
        Ok(Value::failed())
    }

    /// A value that is not known; noted for `catch`.
    fn unknown(&mut self, reason: impl Into<String>) -> Value {
        self.unknowns += 1;
        Value::unknown(reason)
    }

    fn because(&mut self, why: &Rc<Why>) -> Value {
        self.unknowns += 1;
        Value::Unknown(Rc::clone(why))
    }

    /// From here on, variables and commands may exist that are not seen here.
    fn open_world(&mut self, why: &str) {
        self.unknowns += 1;
        if self.world.open.is_none() {
            self.world.open = Some(Rc::from(why));
        }
    }

    fn certain(&self) -> bool {
        self.maybe == 0
    }

    /// Runs a value as a script.
    fn run_value(&mut self, script: &Value, place: Place) -> Flow {
        match script {
            Value::Known {
                code: Some(code), ..
            } => self.run_code(*code),
            Value::Known { text, .. } => {
                let text = Rc::clone(text);
                self.run_text(&text, place)
            }
            Value::Unknown(why) => {
                let why = Rc::clone(why);
                self.not_followed(place, &why);
                Ok(self.because(&why))
            }
        }
    }

    /// Says that a script cannot be followed because it is not known.
    fn not_followed(&mut self, place: Place, why: &Rc<Why>) {
        let message = format!(
            "this script is put together when the job runs and cannot be looked at beforehand: {}. \
             Files that it names are not uploaded by themselves; list them as extra inputs.",
            why.reason
        );
        if !why.failed {
            self.say(Severity::Warning, Kind::NotStatic, place, message);
        }
        self.open_world("part of the script is made when the job runs");
    }

    fn run_code(&mut self, code: Code) -> Flow {
        let script = if let Some(script) = self.scripts.get(&code) {
            Rc::clone(script)
        } else {
            self.charge(code.span.end - code.span.start)?;
            let Some(source) = self.files.get(code.file) else {
                return Ok(Value::empty());
            };
            let script = Rc::new(tcl::parse(source.text(), code.span.start, code.span.end));
            self.scripts.insert(code, Rc::clone(&script));
            script
        };
        self.run_script(&script, At::File(code.file))
    }

    fn run_text(&mut self, text: &str, place: Place) -> Flow {
        self.charge(text.len())?;
        let script = tcl::parse(text, 0, text.len());
        self.run_script(&script, At::Made(place))
    }

    fn run_script(&mut self, script: &Script, at: At) -> Flow {
        if self.depth >= MAX_DEPTH {
            let message =
                "scripts, calls and brackets are nested more deeply here than is followed";
            self.say(Severity::Warning, Kind::BudgetExceeded, self.here, message);
            return Ok(self.unknown("it is nested too deeply"));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.at, at);
        let result = self.run_commands(script);
        self.at = outer;
        self.depth -= 1;
        result
    }

    fn run_commands(&mut self, script: &Script) -> Flow {
        let mut errors = script.errors.iter().peekable();
        let mut result = Value::empty();
        for command in &script.commands {
            while let Some(error) = errors.next_if(|error| error.at < command.span.start) {
                self.syntax(error)?;
            }
            result = self.run_command(command)?;
        }
        for error in errors {
            self.syntax(error)?;
        }
        Ok(result)
    }

    fn syntax(&mut self, error: &tcl::SyntaxError) -> Result<(), Stop> {
        let hint = match error.kind {
            tcl::SyntaxKind::MissingBrace => {
                "The brace that opens here is never closed. Count the braces below, those in comments too."
            }
            tcl::SyntaxKind::MissingQuote => "The quotation mark that opens here is never closed.",
            tcl::SyntaxKind::MissingBracket => {
                "The bracket that opens here is never closed. Write \\[ for a plain bracket."
            }
            tcl::SyntaxKind::MissingParen => {
                "The parenthesis of an array element that opens here is never closed."
            }
            tcl::SyntaxKind::AfterBrace => "Put a space behind the closing brace.",
            tcl::SyntaxKind::AfterQuote => "Put a space behind the closing quotation mark.",
            tcl::SyntaxKind::TooDeep => "Use variables for the inner parts.",
        };
        let place = self.place(Span::new(error.at, error.end));
        self.fail_with(Kind::Syntax, place, error.kind.wording(), hint)
            .map(drop)
    }

    fn run_command(&mut self, command: &Command) -> Flow {
        let place = self.place(command.span);
        self.here = place;
        self.charge(COMMAND)?;
        self.charge(WORD * command.words.len())?;
        let mut args = Vec::with_capacity(command.words.len());
        for word in &command.words {
            let arg = self.word(word)?;
            if word.expand {
                self.expand(arg, &mut args)?;
            } else {
                args.push(arg);
            }
        }
        self.call(&args, place)
    }

    /// Runs a command whose words are known as far as they are.
    fn call(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some((head, rest)) = args.split_first() else {
            return Ok(Value::empty());
        };
        let name = match &head.value {
            Value::Known { text, .. } => Rc::clone(text),
            Value::Unknown(why) => {
                let why = Rc::clone(why);
                self.not_followed(head.place, &why);
                return Ok(self.because(&why));
            }
        };
        let name = match self.binding(&name) {
            Some(Binding::Proc(procedure)) => return self.call_proc(&procedure, rest, place),
            Some(Binding::Perhaps(procedure)) => {
                return self.perhaps(|machine| machine.call_proc(&procedure, rest, place));
            }
            Some(Binding::Gone) => {
                let message = format!("the command \"{name}\" was removed by `rename`");
                return self.fail(Kind::ScriptError, head.place, message);
            }
            Some(Binding::Alias(target)) => target,
            None => name,
        };
        let plain = name.strip_prefix("::").unwrap_or(&name);
        if let Some(flow) = self.tcl_command(plain, rest, place) {
            return flow;
        }
        if let Some(flow) = self.namd_command(plain, rest, place) {
            return flow;
        }
        self.keyword(args, place)
    }

    fn binding(&self, name: &str) -> Option<Binding> {
        if self.world.bindings.is_empty() {
            return None;
        }
        if let Some(full) = name.strip_prefix("::") {
            return self.world.bindings.get(full).cloned();
        }
        if !self.scope.namespace.is_empty() {
            let inner = format!("{}::{name}", self.scope.namespace);
            if let Some(found) = self.world.bindings.get(&inner) {
                return Some(found.clone());
            }
        }
        self.world.bindings.get(name).cloned()
    }

    fn tcl_command(&mut self, name: &str, args: &[Arg], place: Place) -> Option<Flow> {
        self.control_command(name, args, place)
            .or_else(|| self.variable_command(name, args, place))
            .or_else(|| self.proc_command(name, args, place))
            .or_else(|| self.string_command(name, args, place))
            .or_else(|| self.list_command(name, args, place))
            .or_else(|| self.file_command(name, args, place))
    }

    fn usage(&mut self, place: Place, usage: &str) -> Flow {
        self.fail(
            Kind::WrongArguments,
            place,
            format!("wrong # args: should be \"{usage}\""),
        )
    }

    fn need(&mut self, path: String, wanted: Wanted) {
        self.trace.need(path, wanted);
    }
}

/// Work of holding every argument against every other, as patterns and maps do.
fn product(texts: &[&str]) -> usize {
    let all: usize = texts.iter().map(|text| text.len()).sum();
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    // The shorter ones are held against the longest.
    all.saturating_add((all - longest).saturating_mul(longest) / 16)
}

/// The strings of the arguments, or an early answer that something is unknown.
macro_rules! known {
    ($machine:expr, $args:expr) => {
        match $crate::namd::eval::value::texts($args) {
            Ok(texts) => texts,
            Err(why) => return Ok($machine.because(&why)),
        }
    };
}
use known;

#[cfg(test)]
mod tests;
