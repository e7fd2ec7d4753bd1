//! `file …`, `glob`, `exec`, `cd`: what a script asks of the file system and
//! does to it.

use super::super::facts::{Found, Want};
use super::super::finding::{Code as Kind, Severity};
use super::super::keywords::Role;
use super::super::paths;
use super::super::tcl::{list, pattern};
use super::channels::role_by_name;
use super::trace::{Purpose, WrittenKind};
use super::value::{Arg, Value, texts};
use super::{Flow, Machine, Place, Stop, Tri, known};

impl Machine<'_> {
    pub(super) fn do_file(&mut self, args: &[Arg], place: Place) -> Flow {
        let [option, rest @ ..] = args else {
            return self.usage(place, "file subcommand ?arg ...?");
        };
        let option = known!(self, std::slice::from_ref(option)).concat();
        match (option.as_str(), rest) {
            ("exists" | "isfile" | "readable" | "isdirectory" | "size", [name]) => {
                Ok(self.ask(&option, name))
            }
            ("mkdir", names) => {
                for name in names {
                    self.writes("file mkdir", Some(name), WrittenKind::Directory, name.place);
                }
                Ok(Value::empty())
            }
            ("copy" | "rename", rest) => {
                let names: Vec<&Arg> = rest
                    .iter()
                    .filter(|arg| !arg.value.pattern().starts_with('-'))
                    .collect();
                if let Some((target, sources)) = names.split_last() {
                    for source in sources {
                        self.use_file(
                            &format!("file {option}"),
                            Role::Other,
                            Purpose::Read,
                            source,
                        );
                        self.put_in_place(&option, source, target);
                    }
                }
                Ok(Value::empty())
            }
            ("link", rest) => {
                let names: Vec<&Arg> = rest
                    .iter()
                    .filter(|arg| !arg.value.pattern().starts_with('-'))
                    .collect();
                if let [link, target] = names.as_slice() {
                    self.use_file("file link", Role::Other, Purpose::Read, target);
                    self.writes("file link", Some(link), WrittenKind::File, link.place);
                }
                Ok(Value::empty())
            }
            ("delete" | "attributes", _) => Ok(Value::empty()),
            ("join" | "dirname" | "normalize" | "nativename", names) if !names.is_empty() => {
                let paths: Result<Vec<String>, _> = names
                    .iter()
                    .map(|name| Self::path_of(&name.value))
                    .collect();
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
                    ("tail", [path]) => {
                        Ok(Value::known(paths::file_name(path.trim_end_matches('/'))))
                    }
                    ("rootname", [path]) => Ok(Value::known(path.get(..stem(path)).unwrap_or(""))),
                    ("extension", [path]) => Ok(Value::known(path.get(stem(path)..).unwrap_or(""))),
                    ("split", [path]) => {
                        let lead = path.starts_with('/').then_some("/");
                        let parts: Vec<&str> = lead
                            .into_iter()
                            .chain(path.split('/').filter(|p| !p.is_empty()))
                            .collect();
                        Ok(Value::known(list::join(&parts)))
                    }
                    ("pathtype", [path]) => Ok(Value::known(if paths::is_absolute(path) {
                        "absolute"
                    } else {
                        "relative"
                    })),
                    ("separator", _) => Ok(Value::known("/")),
                    _ => Ok(self.unknown(format!("`file {option}` is decided where the job runs"))),
                }
            }
        }
    }

    /// `file copy a b`: b is there afterwards, or b/a if b is a directory.
    fn put_in_place(&mut self, option: &str, source: &Arg, target: &Arg) {
        let keyword = format!("file {option}");
        let (Ok(from), Ok(to)) = (Self::path_of(&source.value), Self::path_of(&target.value))
        else {
            return;
        };
        let inside = paths::join(to.trim_end_matches('/'), paths::file_name(&from));
        let directory = self.seen_from_config(&to).is_some_and(|to| {
            matches!(
                self.facts.look(&self.facts.resolve(&to)),
                Some(Found::Directory { .. })
            )
        });
        self.wrote(
            &keyword,
            if directory { &inside } else { &to },
            WrittenKind::File,
            target.place,
        );
    }

    /// `file exists` and its kin: answered by what is there now, which is what
    /// will be there when the job starts, because what is asked for is uploaded.
    fn ask(&mut self, option: &str, name: &Arg) -> Value {
        let path = match Self::path_of(&name.value) {
            Ok(path) => path,
            Err(why) => return self.because(&why),
        };
        let Some(seen_from_config) = self.seen_from_config(&path) else {
            return self.unknown("the present directory is not known");
        };
        if let Some((kind, certain)) = self.made(&path) {
            let directory = kind == WrittenKind::Directory;
            return match option {
                "exists" | "readable" if certain => Value::truth(true),
                "isdirectory" if certain => Value::truth(directory),
                "isfile" if certain => Value::truth(!directory),
                _ => self.unknown("it depends on what the script has written"),
            };
        }
        if self.world.ran != Tri::No {
            return self.unknown("it depends on what the run has written");
        }
        self.use_file(&format!("file {option}"), Role::Other, Purpose::Probe, name);
        let resolved = self.facts.resolve(&seen_from_config);
        match (self.facts.look(&resolved), option) {
            (None, _) => {
                self.need(resolved, Want::Kind);
                self.unknown("it has not been looked at yet")
            }
            (Some(Found::File { bytes, .. }), "size") => Value::known(bytes.to_string()),
            (Some(_), "size") => self.unknown("it is the size of a file that is not there"),
            (Some(Found::File { .. }), "exists" | "isfile" | "readable")
            | (Some(Found::Directory { .. }), "exists" | "isdirectory" | "readable")
            | (Some(Found::Unreadable(_)), "exists") => Value::truth(true),
            // An absolute path may be there on the cluster.
            (Some(Found::Missing), _) if paths::is_absolute(&seen_from_config) => self.unknown(
                format!("`{path}` is not on this machine but may be on the cluster"),
            ),
            _ => Value::truth(false),
        }
    }

    pub(super) fn do_glob(&mut self, args: &[Arg], place: Place) -> Flow {
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
                let Some(base) = self.seen_from_config(&directory) else {
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
            .map(|name| {
                if tails || directory.is_empty() {
                    name.clone()
                } else {
                    paths::join(&directory, name)
                }
            })
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
        let mut level = vec![if wanted.starts_with('/') {
            "/".to_owned()
        } else {
            String::new()
        }];
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
                let Some(Found::Directory {
                    entries: Some(entries),
                }) = self.facts.look(&resolved)
                else {
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

    pub(super) fn program(&mut self, place: Place, what: &str) {
        let message = format!(
            "{what} when the job runs; it is not run beforehand. Files that it reads are uploaded only \
             if they are named here or listed as extra inputs."
        );
        self.say(
            Severity::Information,
            Kind::ProgramNotFollowed,
            place,
            message,
        );
    }

    pub(super) fn do_exec(&mut self, args: &[Arg], place: Place) -> Value {
        let name = args
            .first()
            .map_or("", |arg| arg.value.pattern())
            .to_owned();
        if name == "mkdir" {
            for arg in args
                .iter()
                .skip(1)
                .filter(|arg| !arg.value.pattern().starts_with('-'))
            {
                self.writes("exec mkdir", Some(arg), WrittenKind::Directory, arg.place);
            }
            return Value::empty();
        }
        self.program(place, &format!("`exec` runs `{name}`"));
        for arg in args.iter().skip(1) {
            let plain = arg.text().is_some_and(|text| {
                !text.is_empty()
                    && !text.starts_with(['-', '<', '>', '|', '&', '2', '/'])
                    && !text.contains('\n')
            });
            if plain {
                self.use_file("exec", Role::Other, Purpose::Probe, arg);
            }
        }
        self.unknown(format!("`exec {name}` runs a program when the job runs"))
    }

    pub(super) fn do_cd(&mut self, args: &[Arg], place: Place) -> Value {
        let directory = match args {
            [to] => Self::path_of(&to.value)
                .ok()
                .and_then(|to| self.seen_from_config(&to)),
            _ => None,
        };
        if directory.is_none() {
            let message = "the script changes to a directory that is not known beforehand; files named \
                           after this are looked for in vain. List them as extra inputs.";
            self.say(Severity::Warning, Kind::NotStatic, place, message);
        }
        self.world.directory = directory;
        Value::empty()
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
