//! `open`, `gets`, `read`, `eof`: files that the script reads itself, such as
//! the first step out of an `.xsc`.

use std::rc::Rc;

use super::super::facts::Want;
use super::super::keywords::Role;
use super::super::tcl::number;
use super::files::Loaded;
use super::trace::{Purpose, WrittenKind};
use super::value::{Arg, Value, Why};
use super::world::Channel;
use super::{Flow, Machine, Place, Stop};

impl Machine<'_> {
    pub(super) fn do_open(&mut self, args: &[Arg], place: Place) -> Flow {
        let [name, rest @ ..] = args else {
            return self.usage(place, "open fileName ?access? ?permissions?");
        };
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
                reason: format!(
                    "it is read from a file (`{}`) whose content is not known",
                    name.value.pattern()
                ),
                pattern: None,
                failed: false,
            }),
        };
        if reads {
            let role = if access == "r+" {
                Role::Other
            } else {
                role_by_name(name.value.pattern())
            };
            self.use_file("open", role, Purpose::Read, name);
            let path = path.ok().and_then(|path| {
                (!self.is_produced(&path))
                    .then(|| self.seen_from_config(&path))
                    .flatten()
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
            Some(Channel {
                content: Some((text, at)),
                ..
            }) => Ok((name, Rc::clone(text), *at)),
            Some(Channel { why, .. }) => {
                let why = Rc::clone(why);
                Err(self.because(&why))
            }
            None => Err(self.unknown("it is read from a channel that is not known")),
        }
    }

    fn advance(&mut self, name: &str, to: usize) {
        let channels = Rc::make_mut(&mut self.world.channels);
        if let Some(Channel {
            content: Some((_, at)),
            ..
        }) = channels.get_mut(name)
        {
            *at = to;
        }
    }

    pub(super) fn do_gets(&mut self, args: &[Arg], place: Place) -> Flow {
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

    pub(super) fn do_read(&mut self, args: &[Arg]) -> Flow {
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
                let count = number::parse_int(count)
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(0);
                let end = rest
                    .char_indices()
                    .nth(count)
                    .map_or(rest.len(), |(end, _)| end);
                rest.get(..end).unwrap_or("")
            }
            Some(None) => return Ok(self.unknown("the amount read is not known")),
        };
        self.charge(part.len())?;
        self.advance(&name, at + part.len());
        let part = if trim {
            part.strip_suffix('\n').unwrap_or(part)
        } else {
            part
        };
        Ok(Value::known(part))
    }

    pub(super) fn do_eof(&mut self, args: &[Arg]) -> Value {
        match self.channel(args.first()) {
            // Tcl notices the end only when reading past it.
            Ok((_, text, at)) => Value::truth(at > text.len()),
            Err(unknown) => unknown,
        }
    }
}

/// What a file opened by the script is probably for, by its name.
pub(super) fn role_by_name(path: &str) -> Role {
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
