//! Commands on files: `source`, `open`, `file …`, `glob`, `exec`. Nothing is
//! opened here; what the files hold is taken from the facts.

use std::rc::Rc;

use super::super::facts::{Found, Want};
use super::super::finding::{Code as Kind, Severity};
use super::super::keywords::Role;
use super::super::paths;
use super::super::tcl::{list, number, pattern};
use super::super::text::{Source, Span};
use super::trace::{Base, InputUse, Purpose, Spot, Written, WrittenKind};
use super::value::{Arg, Value, Why, texts};
use super::world::Channel;
use super::{Flow, Machine, Place, Stop, Tri, known};

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
            "eof" => self.do_eof(args),
            "close" => {
                if let Some(name) = args.first().and_then(Arg::text) {
                    Rc::make_mut(&mut self.world.channels).remove(name);
                }
                Ok(Value::empty())
            }
            "seek" | "tell" | "fcopy" | "socket" => Ok(self.unknown(format!("`{name}` is not worked out here"))),
            "file" => self.do_file(args, place),
            "glob" => self.do_glob(args, place),
            "exec" => self.do_exec(args, place),
            "cd" => self.do_cd(args, place),
            "pwd" => Ok(self.located(".", "it is the directory the job runs in")),
            _ => return None,
        })
    }

    /// A path whose text differs where the job runs, but not what it leads to:
    /// its pattern has no star.
    fn located(&mut self, path: &str, reason: &str) -> Value {
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
    fn from_config(&self, path: &str) -> Option<String> {
        self.world.directory.as_ref().map(|directory| paths::join(directory, path))
    }

    fn is_produced(&self, path: &str) -> bool {
        let Some(path) = self.from_config(path) else { return false };
        let path = paths::tidy(&path);
        self.trace.written.iter().any(|written| {
            written.kind == WrittenKind::File && matches!(&written.base, Base::Directory(Some(base))
                if paths::tidy(&paths::join(base, &written.path)) == path)
        })
    }

    /// Notes that a command reads or asks for a file.
    pub(super) fn use_file(&mut self, keyword: &str, role: Role, purpose: Purpose, arg: &Arg) {
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

    fn wrote(&mut self, keyword: &str, path: &str, kind: WrittenKind, place: Place) {
        if self.quiet > 0 {
            return;
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

    pub(super) fn writes(&mut self, keyword: &str, arg: Option<&Arg>, kind: WrittenKind, place: Place) {
        if let Some(Ok(path)) = arg.map(|arg| Self::path_of(&arg.value)) {
            self.wrote(keyword, &path, kind, place);
        }
    }

    // ── source ──

    /// Runs the configuration itself, and what NAMD does behind its end.
    pub(super) fn source_config(&mut self, name: &str) {
        let place = Place { file: 0, span: Span::default() };
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
            Some(Found::File { content: Some(content), .. }) => {
                let file = self.files.len();
                self.files.push(Rc::new(Source::new(paths::tidy(path), content)));
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
        let Some(source) = self.files.get(file).cloned() else { return Ok(Value::empty()) };
        let mut start = 0;
        if source.text().starts_with('\u{feff}') {
            start = 3;
            let message = "the file begins with a byte order mark, which Tcl takes for the name of a \
                           command: NAMD stops at it. Save the file as UTF-8 without a byte order mark.";
            self.fail(Kind::ByteOrderMark, Place { file, span: Span::new(0, 3) }, message)?;
        }
        self.run_code(Place { file, span: Span::new(start, source.script_end()) })
    }

    fn do_source(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some(arg) = args.last() else { return self.usage(place, "source ?-encoding name? fileName") };
        self.use_file("source", Role::Script, Purpose::Read, arg);
        let path = match Self::path_of(&arg.value) {
            Ok(path) => path,
            Err(why) => {
                self.open_world("a sourced file is not known");
                return Ok(self.because(&why));
            }
        };
        let Some(path) = self.from_config(&path) else {
            self.open_world("the directory of a sourced file is not known");
            return Ok(self.unknown("the present directory is not known"));
        };
        if self.is_produced(&path) {
            self.open_world("a file is sourced that the script writes itself");
            return Ok(self.unknown("it comes from a file that the script writes itself"));
        }
        let called = arg.value.pattern().to_owned();
        let resolved = self.facts.resolve(&path);
        let twice = self.file_ids.get(&resolved).is_some_and(|file| {
            let name = self.files.get(*file).map(|source| source.path().to_owned());
            self.sourcing.iter().any(|outer| Some(paths::tidy(outer)) == name)
        });
        if twice || self.sourcing.len() > MAX_SOURCING {
            let message = format!("`{called}` sources itself, directly or through other files; NAMD would never end");
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
                    return Err(Stop::Error(Rc::from(format!("couldn't read file \"{called}\""))));
                }
                self.open_world(&format!("`{called}` could not be read"));
                Ok(self.unknown("it comes from a file that could not be read"))
            }
        }
    }

    // ── channels ──

    fn do_open(&mut self, args: &[Arg], place: Place) -> Flow {
        let [name, rest @ ..] = args else { return self.usage(place, "open fileName ?access? ?permissions?") };
        let access = rest.first().map_or("r", |arg| arg.value.pattern());
        let reads = matches!(access, "r" | "rb" | "r+" | "RDONLY" | "*");
        let path = Self::path_of(&name.value);
        if path.as_ref().is_ok_and(|path| path.starts_with('|')) {
            self.program(place, "`open |…` runs a program");
            return Ok(self.unknown("it is the output of a program"));
        }
        let mut channel = Channel {
            content: None,
            why: Rc::new(Why {
                reason: format!("it is read from a file (`{}`) whose content is not known", name.value.pattern()),
                pattern: None,
                failed: false,
            }),
        };
        if reads {
            let role = if access == "r+" { Role::Other } else { role_by_name(name.value.pattern()) };
            self.use_file("open", role, Purpose::Read, name);
            let path = path.ok().and_then(|path| {
                (!self.is_produced(&path)).then(|| self.from_config(&path)).flatten()
            });
            match path.map(|path| self.load(&path, Want::DATA)) {
                Some(Loaded::File(file)) => {
                    let text = self.files.get(file).map_or("", |source| source.text());
                    let text: Rc<str> = Rc::from(text.replace("\r\n", "\n"));
                    self.charge(text.len())?;
                    channel.content = Some((text, 0));
                }
                Some(Loaded::Not) if self.catching > 0 => {
                    let message = format!("couldn't open \"{}\"", name.value.pattern());
                    return Err(Stop::Error(Rc::from(message)));
                }
                _ => self.unknowns += 1,
            }
        } else {
            self.writes("open", Some(name), WrittenKind::File, place);
        }
        self.opened += 1;
        let id = format!("file{}", self.opened + 2);
        Rc::make_mut(&mut self.world.channels).insert(id.clone(), channel);
        Ok(Value::known(id))
    }

    /// The content behind a channel, from where it is read on.
    fn channel(&mut self, arg: Option<&Arg>) -> Result<(String, Rc<str>, usize), Value> {
        let Some(name) = arg.and_then(Arg::text).map(str::to_owned) else {
            return Err(self.unknown("the channel is not known"));
        };
        match self.world.channels.get(&name) {
            Some(Channel { content: Some((text, at)), .. }) => Ok((name, Rc::clone(text), *at)),
            Some(Channel { why, .. }) => {
                let why = Rc::clone(why);
                Err(self.because(&why))
            }
            None => Err(self.unknown("it is read from a channel that is not known")),
        }
    }

    fn advance(&mut self, name: &str, to: usize) {
        let channels = Rc::make_mut(&mut self.world.channels);
        if let Some(Channel { content: Some((_, at)), .. }) = channels.get_mut(name) {
            *at = to;
        }
    }

    fn do_gets(&mut self, args: &[Arg], place: Place) -> Flow {
        let target = args.get(1);
        let (name, text, at) = match self.channel(args.first()) {
            Ok(found) => found,
            Err(unknown) => {
                if let Some(target) = target {
                    self.write_named(target, unknown.clone(), place)?;
                }
                return Ok(unknown);
            }
        };
        let rest = text.get(at..).unwrap_or("");
        if rest.is_empty() && at > 0 || text.is_empty() {
            self.advance(&name, text.len() + 1);
            if let Some(target) = target {
                self.write_named(target, Value::empty(), place)?;
                return Ok(Value::known("-1"));
            }
            return Ok(Value::empty());
        }
        let len = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..len).unwrap_or("").to_owned();
        self.advance(&name, at + len + 1);
        match target {
            Some(target) => {
                let count = line.chars().count().to_string();
                self.write_named(target, Value::known(line), place)?;
                Ok(Value::known(count))
            }
            None => Ok(Value::known(line)),
        }
    }

    fn do_read(&mut self, args: &[Arg]) -> Flow {
        let trim = args.first().and_then(Arg::text) == Some("-nonewline");
        let args = args.get(usize::from(trim)..).unwrap_or_default();
        let (name, text, at) = match self.channel(args.first()) {
            Ok(found) => found,
            Err(unknown) => return Ok(unknown),
        };
        let rest = text.get(at..).unwrap_or("");
        let part = match args.get(1).map(Arg::text) {
            None => rest,
            Some(Some(count)) => {
                let count = number::parse_int(count).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                let end = rest.char_indices().nth(count).map_or(rest.len(), |(end, _)| end);
                rest.get(..end).unwrap_or("")
            }
            Some(None) => return Ok(self.unknown("the amount read is not known")),
        };
        self.charge(part.len())?;
        self.advance(&name, at + part.len());
        let part = if trim { part.strip_suffix('\n').unwrap_or(part) } else { part };
        Ok(Value::known(part))
    }

    fn do_eof(&mut self, args: &[Arg]) -> Flow {
        match self.channel(args.first()) {
            // Tcl notices the end only when reading past it.
            Ok((_, text, at)) => Ok(Value::truth(at > text.len())),
            Err(unknown) => Ok(unknown),
        }
    }

    // ── file ──

    fn do_file(&mut self, args: &[Arg], place: Place) -> Flow {
        let [option, rest @ ..] = args else { return self.usage(place, "file subcommand ?arg ...?") };
        let option = known!(self, std::slice::from_ref(option)).concat();
        match (option.as_str(), rest) {
            ("exists" | "isfile" | "readable" | "isdirectory" | "size", [name]) => self.ask(&option, name),
            ("mkdir", names) => {
                for name in names {
                    self.writes("file mkdir", Some(name), WrittenKind::Directory, name.place);
                }
                Ok(Value::empty())
            }
            ("copy" | "rename", rest) => {
                let names: Vec<&Arg> =
                    rest.iter().filter(|arg| !arg.value.pattern().starts_with('-')).collect();
                if let Some((target, sources)) = names.split_last() {
                    for source in sources {
                        self.use_file(&format!("file {option}"), Role::Other, Purpose::Read, source);
                        self.into_place(&option, source, target);
                    }
                }
                Ok(Value::empty())
            }
            ("link", rest) => {
                let names: Vec<&Arg> =
                    rest.iter().filter(|arg| !arg.value.pattern().starts_with('-')).collect();
                if let [link, target] = names.as_slice() {
                    self.use_file("file link", Role::Other, Purpose::Read, target);
                    self.writes("file link", Some(link), WrittenKind::File, link.place);
                }
                Ok(Value::empty())
            }
            ("delete" | "attributes", _) => Ok(Value::empty()),
            ("join" | "dirname" | "normalize" | "nativename", names) if !names.is_empty() => {
                let paths: Result<Vec<String>, _> =
                    names.iter().map(|name| Self::path_of(&name.value)).collect();
                let paths = match paths {
                    Ok(paths) => paths,
                    Err(why) => return Ok(self.because(&why)),
                };
                let first = paths.first().map_or("", String::as_str);
                let result = match option.as_str() {
                    "join" => file_join(&paths),
                    "dirname" => dirname(first),
                    "normalize" => paths::tidy(first),
                    _ => first.to_owned(),
                };
                if option == "normalize" && !paths::is_absolute(first) {
                    let result = if result.is_empty() { "." } else { &result };
                    return Ok(self.located(result, "it is an absolute path where the job runs"));
                }
                match texts(names) {
                    Ok(_) => Ok(Value::known(result)),
                    Err(why) => Ok(self.located(&result, &why.reason)),
                }
            }
            (_, rest) => {
                let texts = known!(self, rest);
                match (option.as_str(), texts.as_slice()) {
                    ("tail", [path]) => Ok(Value::known(paths::file_name(path.trim_end_matches('/')))),
                    ("rootname", [path]) => Ok(Value::known(path.get(..stem(path)).unwrap_or(""))),
                    ("extension", [path]) => Ok(Value::known(path.get(stem(path)..).unwrap_or(""))),
                    ("split", [path]) => {
                        let lead = path.starts_with('/').then_some("/");
                        let parts: Vec<&str> =
                            lead.into_iter().chain(path.split('/').filter(|p| !p.is_empty())).collect();
                        Ok(Value::known(list::join(&parts)))
                    }
                    ("pathtype", [path]) => {
                        Ok(Value::known(if paths::is_absolute(path) { "absolute" } else { "relative" }))
                    }
                    ("separator", _) => Ok(Value::known("/")),
                    _ => Ok(self.unknown(format!("`file {option}` is decided where the job runs"))),
                }
            }
        }
    }

    /// `file copy a b`: b is there afterwards, or b/a if b is a directory.
    fn into_place(&mut self, option: &str, source: &Arg, target: &Arg) {
        let keyword = format!("file {option}");
        let (Ok(from), Ok(to)) = (Self::path_of(&source.value), Self::path_of(&target.value)) else { return };
        let inside = paths::join(to.trim_end_matches('/'), paths::file_name(&from));
        let directory = self.from_config(&to).is_some_and(|to| {
            matches!(self.facts.look(&self.facts.resolve(&to)), Some(Found::Directory { .. }))
        });
        self.wrote(&keyword, if directory { &inside } else { &to }, WrittenKind::File, target.place);
    }

    /// `file exists` and its kin: answered by what is there now, which is what
    /// will be there when the job starts, because what is asked for is uploaded.
    fn ask(&mut self, option: &str, name: &Arg) -> Flow {
        let path = match Self::path_of(&name.value) {
            Ok(path) => path,
            Err(why) => return Ok(self.because(&why)),
        };
        let Some(from_config) = self.from_config(&path) else {
            return Ok(self.unknown("the present directory is not known"));
        };
        let tidy = paths::tidy(&from_config);
        if let Some(made) = self.trace.written.iter().rev().find(|written| {
            matches!(&written.base, Base::Directory(Some(base))
                if paths::tidy(&paths::join(base, &written.path)) == tidy)
        }) {
            let directory = made.kind == WrittenKind::Directory;
            return Ok(match option {
                "exists" | "readable" if made.certain => Value::truth(true),
                "isdirectory" if made.certain => Value::truth(directory),
                "isfile" if made.certain => Value::truth(!directory),
                _ => self.unknown("it depends on what the script has written"),
            });
        }
        if self.world.ran != Tri::No {
            return Ok(self.unknown("it depends on what the run has written"));
        }
        self.use_file(&format!("file {option}"), Role::Other, Purpose::Probe, name);
        let resolved = self.facts.resolve(&from_config);
        match (self.facts.look(&resolved), option) {
            (None, _) => {
                self.need(resolved, Want::Kind);
                Ok(self.unknown("it has not been looked at yet"))
            }
            (Some(Found::File { bytes, .. }), "size") => {
                let bytes = bytes.to_string();
                Ok(Value::known(bytes))
            }
            (Some(_), "size") => Ok(self.unknown("it is the size of a file that is not there")),
            (Some(Found::File { .. }), "exists" | "isfile" | "readable") => Ok(Value::truth(true)),
            (Some(Found::Directory { .. }), "exists" | "isdirectory" | "readable") => Ok(Value::truth(true)),
            (Some(Found::Unreadable(_)), "exists") => Ok(Value::truth(true)),
            // An absolute path may be there on the cluster.
            (Some(Found::Missing), _) if paths::is_absolute(&from_config) => {
                Ok(self.unknown(format!("`{path}` is not on this machine but may be on the cluster")))
            }
            _ => Ok(Value::truth(false)),
        }
    }

    // ── glob, exec, cd ──

    fn do_glob(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        let (mut quiet, mut tails, mut directory) = (false, false, String::new());
        let mut rest = texts.as_slice();
        while let [option, tail @ ..] = rest {
            rest = match (*option, tail) {
                ("-nocomplain", tail) => {
                    quiet = true;
                    tail
                }
                ("-tails", tail) => {
                    tails = true;
                    tail
                }
                ("-directory", [dir, tail @ ..]) => {
                    (*dir).clone_into(&mut directory);
                    tail
                }
                ("-types", [_, tail @ ..]) | ("-join" | "--", tail) => tail,
                _ => break,
            };
        }
        if self.world.ran != Tri::No {
            return Ok(self.unknown("`glob` sees what the run has written"));
        }
        let mut found = Vec::new();
        let mut pending = false;
        for wanted in rest {
            for wanted in pattern::alternatives(wanted) {
                let Some(base) = self.from_config(&directory) else {
                    return Ok(self.unknown("the present directory is not known"));
                };
                match self.expand_pattern(&base, &wanted)? {
                    Some(names) => found.extend(names),
                    None => pending = true,
                }
            }
        }
        if pending {
            return Ok(self.unknown("a directory has not been looked at yet"));
        }
        found.sort();
        found.dedup();
        let shown: Vec<String> = found
            .iter()
            .map(|name| if tails || directory.is_empty() { name.clone() } else { paths::join(&directory, name) })
            .collect();
        for name in &found {
            let arg = Arg::made(Value::known(paths::join(&directory, name)), place);
            self.use_file("glob", role_by_name(name), Purpose::Probe, &arg);
        }
        if shown.is_empty() && !quiet {
            let message = format!("no files matched glob pattern \"{}\"", rest.join(" "));
            return self.fail(Kind::ScriptError, place, message);
        }
        Ok(Value::known(list::join(&shown)))
    }

    /// The paths below `base` that match, one directory level after the other.
    fn expand_pattern(&mut self, base: &str, wanted: &str) -> Result<Option<Vec<String>>, Stop> {
        let mut level = vec![if wanted.starts_with('/') { "/".to_owned() } else { String::new() }];
        let mut pending = false;
        for part in wanted.split('/').filter(|part| !part.is_empty()) {
            let mut next = Vec::new();
            for prefix in level {
                if !pattern::is_pattern(part) && matches!(part, "." | "..") {
                    next.push(paths::join(&prefix, part));
                    continue;
                }
                let resolved = self.facts.resolve(&paths::join(base, &prefix));
                if !self.facts.answers(&resolved, Want::Entries) {
                    self.need(resolved, Want::Entries);
                    pending = true;
                    continue;
                }
                let Some(Found::Directory { entries: Some(entries) }) = self.facts.look(&resolved) else {
                    continue;
                };
                let mut work = 0;
                for name in entries {
                    work += name.len() + part.len();
                    // A star does not match a leading dot.
                    let hidden = name.starts_with('.') && !part.starts_with('.');
                    if !hidden && pattern::matches(part, name) {
                        next.push(paths::join(&prefix, name));
                    }
                }
                self.charge(work)?;
            }
            level = next;
        }
        Ok((!pending).then_some(level))
    }

    fn program(&mut self, place: Place, what: &str) {
        let message = format!(
            "{what} when the job runs; it is not run beforehand. Files that it reads are uploaded only \
             if they are named here or listed as extra inputs."
        );
        self.say(Severity::Information, Kind::ProgramNotFollowed, place, message);
    }

    fn do_exec(&mut self, args: &[Arg], place: Place) -> Flow {
        let name = args.first().map_or("", |arg| arg.value.pattern()).to_owned();
        if name == "mkdir" {
            for arg in args.iter().skip(1).filter(|arg| !arg.value.pattern().starts_with('-')) {
                self.writes("exec mkdir", Some(arg), WrittenKind::Directory, arg.place);
            }
            return Ok(Value::empty());
        }
        self.program(place, &format!("`exec` runs `{name}`"));
        for arg in args.iter().skip(1) {
            let plain = arg.text().is_some_and(|text| {
                !text.is_empty() && !text.starts_with(['-', '<', '>', '|', '&', '2']) && !text.contains('\n')
            });
            if plain {
                self.use_file("exec", Role::Other, Purpose::Probe, arg);
            }
        }
        Ok(self.unknown(format!("`exec {name}` runs a program when the job runs")))
    }

    fn do_cd(&mut self, args: &[Arg], place: Place) -> Flow {
        let directory = match args {
            [to] => Self::path_of(&to.value).ok().and_then(|to| self.from_config(&to)),
            _ => None,
        };
        if directory.is_none() {
            let message = "the script changes to a directory that is not known beforehand; files named \
                           after this are looked for in vain. List them as extra inputs.";
            self.say(Severity::Warning, Kind::NotStatic, place, message);
        }
        self.world.directory = directory;
        Ok(Value::empty())
    }
}

/// What a file opened by the script is probably for, by its name.
fn role_by_name(path: &str) -> Role {
    let name = path.strip_suffix(".old").unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "xsc" | "coor" | "vel" | "state" => Role::State,
        "psf" => Role::Structure,
        "pdb" => Role::Coordinates,
        "tcl" => Role::Script,
        _ => Role::Other,
    }
}

/// Where the extension of a path begins, as `file extension` has it.
fn stem(path: &str) -> usize {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    let name = path.get(name_at..).unwrap_or("");
    name.rfind('.').map_or(path.len(), |at| name_at + at)
}

fn file_join(parts: &[String]) -> String {
    let mut path = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        path = paths::join(&path, part);
    }
    path
}

fn dirname(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return if path.is_empty() { "." } else { "/" }.into();
    }
    match paths::parent(trimmed) {
        "" => ".".into(),
        parent => match parent.trim_end_matches('/') {
            "" => "/".into(),
            parent => parent.into(),
        },
    }
}
