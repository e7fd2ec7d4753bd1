//! Commands on variables: `set`, `incr`, `append`, `lappend`, `array`, `global`, …

use std::rc::Rc;

use super::super::finding::Code as Kind;
use super::super::tcl::{list, number, pattern, split_element};
use super::value::{Arg, Value, concatenate};
use super::vars::{Read, Scope};
use super::{Flow, MAX_STRING, Machine, Place, known};

impl Machine<'_> {
    pub(super) fn variable_command(
        &mut self,
        name: &str,
        args: &[Arg],
        place: Place,
    ) -> Option<Flow> {
        Some(match name {
            "set" => match args {
                [name] => match name.value.clone() {
                    Value::Known { text, .. } => self.read_named(&text, name.place),
                    Value::Unknown(why) => Ok(self.because(&why)),
                },
                [name, value] => self.write_named(name, value.value.clone(), place),
                _ => self.usage(place, "set varName ?newValue?"),
            },
            "unset" => self.do_unset(args, place),
            "incr" => self.do_incr(args, place),
            "append" => self.do_append(args, place),
            "lappend" => self.do_lappend(args, place),
            "array" => self.do_array(args, place),
            "global" => {
                let names = match super::value::texts(args) {
                    Ok(names) => names,
                    Err(why) => return Some(Ok(self.because(&why))),
                };
                if self.scope.frame > 0 {
                    for name in names {
                        let full = name.trim_start_matches(':');
                        let own = full.rsplit("::").next().unwrap_or(full);
                        self.world.frames.link(&self.scope, own, 0, full);
                    }
                }
                Ok(Value::empty())
            }
            "variable" => self.do_variable(args, place),
            "upvar" => self.do_upvar(args, place),
            _ => return None,
        })
    }

    fn do_unset(&mut self, args: &[Arg], place: Place) -> Flow {
        let names = known!(self, args);
        let quiet = names.first() == Some(&"-nocomplain");
        for name in names
            .iter()
            .filter(|name| !name.starts_with("--"))
            .skip(usize::from(quiet))
        {
            let done = match split_element(name) {
                Some((array, index)) => self.world.frames.unset(&self.scope, array, Some(index)),
                None => self.world.frames.unset(&self.scope, name, None),
            };
            if !done && !quiet && self.world.open.is_none() && self.given(name, None).is_none() {
                let message = format!("can't unset \"{name}\": no such variable");
                self.fail(Kind::UndefinedVariable, place, message)?;
            }
        }
        Ok(Value::empty())
    }

    /// The current value of a variable that a command is about to change.
    fn current(&mut self, name: &Arg) -> Option<Value> {
        let text = name.text()?;
        let (array, index) = match split_element(text) {
            Some((array, index)) => (array, Some(index)),
            None => (text, None),
        };
        match self.world.frames.read(&self.scope, array, index) {
            Read::Value(value) => Some(value),
            Read::Perhaps(why) => Some(Value::Unknown(why)),
            Read::WrongKind => None,
            Read::Missing => match self.given(array, index) {
                Some(value) => Some(value),
                None => self.world.open.as_deref().map(Value::unknown),
            },
        }
    }

    fn do_incr(&mut self, args: &[Arg], place: Place) -> Flow {
        let (name, by) = match args {
            [name] => (name, Value::known("1")),
            [name, by] => (name, by.value.clone()),
            _ => return self.usage(place, "incr varName ?increment?"),
        };
        let old = self.current(name).unwrap_or_else(|| Value::known("0"));
        let sum = match (&old, &by) {
            (Value::Unknown(why), _) | (_, Value::Unknown(why)) => Value::Unknown(Rc::clone(why)),
            (Value::Known { text: old, .. }, Value::Known { text: by, .. }) => {
                match (number::parse_int(old), number::parse_int(by)) {
                    (Some(a), Some(b)) => match a.checked_add(b) {
                        Some(sum) => Value::known(sum.to_string()),
                        None => self.unknown("it is larger than is worked out here"),
                    },
                    (a, _) => {
                        let culprit = if a.is_none() { old } else { by };
                        let message = format!("expected integer but got \"{culprit}\"");
                        self.fail(Kind::ScriptError, place, message)?
                    }
                }
            }
        };
        self.write_named(name, sum, place)
    }

    fn do_append(&mut self, args: &[Arg], place: Place) -> Flow {
        let [name, pieces @ ..] = args else {
            return self.usage(place, "append varName ?value ...?");
        };
        let mut all = vec![self.current(name).unwrap_or_else(Value::empty)];
        all.extend(pieces.iter().map(|arg| arg.value.clone()));
        let length: usize = all.iter().map(|value| value.pattern().len()).sum();
        self.charge(length)?;
        let value = if length > MAX_STRING {
            self.too_long()
        } else {
            concatenate(&all)
        };
        self.write_named(name, value, place)
    }

    fn do_lappend(&mut self, args: &[Arg], place: Place) -> Flow {
        let [name, elements @ ..] = args else {
            return self.usage(place, "lappend varName ?value ...?");
        };
        let old = self.current(name).unwrap_or_else(Value::empty);
        let value = match (&old, super::value::texts(elements)) {
            (Value::Unknown(why), _) => Value::Unknown(Rc::clone(why)),
            (_, Err(why)) => Value::Unknown(why),
            (Value::Known { text: old, .. }, Ok(elements)) => {
                let added = list::join(&elements);
                self.charge(old.len() + added.len())?;
                if old.len() + added.len() > MAX_STRING {
                    self.too_long()
                } else if old.is_empty() || added.is_empty() {
                    Value::known(format!("{old}{added}"))
                } else {
                    Value::known(format!("{old} {added}"))
                }
            }
        };
        self.write_named(name, value, place)
    }

    fn do_array(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = match args {
            [option, name, values] if option.text() == Some("set") => {
                let name = known!(self, std::slice::from_ref(name)).concat();
                return self.array_set(&name, &values.value.clone(), place);
            }
            args => known!(self, args),
        };
        let (option, name, filter) = match texts.as_slice() {
            [option, name] => (*option, *name, "*"),
            [option, name, filter, ..] => (*option, *name, *filter),
            _ => return self.usage(place, "array option arrayName ?arg ...?"),
        };
        let Some((elements, open)) = self.world.frames.array(&self.scope, name) else {
            if self.given(name, Some("")).is_some() || self.world.open.is_some() {
                return Ok(self.unknown(format!("the array {name} is set elsewhere")));
            }
            return Ok(if matches!(option, "exists" | "size") {
                Value::truth(false)
            } else {
                Value::empty()
            });
        };
        self.charge(elements.len() * filter.len())?;
        if option == "unset" {
            if filter == "*" && texts.len() == 2 {
                self.world.frames.unset(&self.scope, name, None);
            }
            for key in elements
                .keys()
                .filter(|key| texts.len() > 2 && pattern::matches(filter, key))
            {
                self.world.frames.unset(&self.scope, name, Some(key));
            }
            return Ok(Value::empty());
        }
        if option == "exists" {
            return Ok(match open {
                Some(why) if elements.is_empty() => self.because(&why),
                _ => Value::truth(true),
            });
        }
        if let Some(why) = open {
            return Ok(self.because(&why));
        }
        self.charge(elements.len() * (20 + filter.len()))?;
        let chosen = elements
            .iter()
            .filter(|(key, _)| pattern::matches(filter, key));
        match option {
            "size" => Ok(Value::known(elements.len().to_string())),
            "names" => Ok(Value::known(list::join(
                &chosen.map(|(key, _)| key).collect::<Vec<_>>(),
            ))),
            "get" => {
                let mut flat = Vec::new();
                for (key, value) in chosen {
                    match value {
                        Value::Known { text, .. } => flat.extend([key.clone(), text.to_string()]),
                        Value::Unknown(why) => return Ok(self.because(&Rc::clone(why))),
                    }
                }
                Ok(Value::known(list::join(&flat)))
            }
            _ => Ok(self.unknown(format!("`array {option}` is not worked out here"))),
        }
    }

    fn array_set(&mut self, name: &str, values: &Value, place: Place) -> Flow {
        match values {
            Value::Unknown(why) => {
                let why = Rc::clone(why);
                self.world.frames.open_array(&self.scope, name, &why);
                Ok(self.because(&why))
            }
            Value::Known { text, .. } => {
                self.charge(text.len())?;
                let pairs = list::split(text).unwrap_or_default();
                if !pairs.len().is_multiple_of(2) {
                    return self.fail(
                        Kind::ScriptError,
                        place,
                        "list must have an even number of elements",
                    );
                }
                self.world.frames.make_array(&self.scope, name);
                for pair in pairs.chunks(2) {
                    if let [key, value] = pair {
                        let value = Value::known(value.as_str());
                        self.world.frames.write(&self.scope, name, Some(key), value);
                    }
                }
                Ok(Value::empty())
            }
        }
    }

    fn do_variable(&mut self, args: &[Arg], place: Place) -> Flow {
        for pair in args.chunks(2) {
            let [name, rest @ ..] = pair else { continue };
            let name = known!(self, std::slice::from_ref(name)).concat();
            let full = match name.strip_prefix("::") {
                Some(full) => full.to_owned(),
                None if self.scope.namespace.is_empty() => name.clone(),
                None => format!("{}::{name}", self.scope.namespace),
            };
            if let Some(value) = rest.first() {
                let global = Arg::made(Value::known(format!("::{full}")), place);
                self.write_named(&global, value.value.clone(), place)?;
            }
            if self.scope.frame > 0 {
                let own = name.rsplit("::").next().unwrap_or(&name).to_owned();
                self.world.frames.link(&self.scope, &own, 0, &full);
            }
        }
        Ok(Value::empty())
    }

    /// The scope that `uplevel` and `upvar` mean by a level.
    pub(super) fn level(&self, level: &str) -> Option<Scope> {
        let frame = match level.strip_prefix('#') {
            Some(absolute) => absolute.parse().ok()?,
            None => self.scope.frame.checked_sub(level.parse().ok()?)?,
        };
        (frame < self.world.frames.len()).then(|| Scope {
            frame,
            namespace: Rc::from(""),
        })
    }

    fn do_upvar(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        let (level, pairs) = match texts.as_slice() {
            [level, pairs @ ..] if pairs.len() % 2 == 0 => (*level, pairs),
            pairs => ("1", pairs),
        };
        let Some(target) = self.level(level) else {
            let message = format!("bad level \"{level}\"");
            return self.fail(Kind::ScriptError, place, message);
        };
        for pair in pairs.chunks(2) {
            if let [other, mine] = pair {
                let (frame, key) = match split_element(other) {
                    Some((array, index)) => {
                        let (frame, key) = self.world.frames.resolve(&target, array);
                        (frame, Rc::from(format!("{key}({index})")))
                    }
                    None => self.world.frames.resolve(&target, other),
                };
                self.world.frames.link(&self.scope, mine, frame, &key);
            }
        }
        Ok(Value::empty())
    }
}
