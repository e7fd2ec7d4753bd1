//! Procedures, namespaces and what a script asks about itself (`info`).

use std::rc::Rc;

use super::super::finding::{Code as Kind, Severity};
use super::super::tcl::{list, pattern, split_element};
use super::strings::is_command;
use super::value::{Arg, Value, Why, texts};
use super::vars::{Read, Scope};
use super::world::{Binding, Proc};
use super::{Flow, Machine, Place, Stop, known};

impl Machine<'_> {
    pub(super) fn proc_command(&mut self, name: &str, args: &[Arg], place: Place) -> Option<Flow> {
        Some(match name {
            "proc" => self.do_proc(args, place),
            "rename" => self.do_rename(args, place),
            "uplevel" => self.do_uplevel(args, place),
            "apply" => self.do_apply(args, place),
            "namespace" => self.do_namespace(args, place),
            "info" => self.do_info(args, place),
            "package" => self.do_package(args, place),
            "load" | "interp" => {
                self.open_world("a library or another interpreter is used");
                let message =
                    "what this loads is not looked at; commands that it brings are not known here";
                self.say(
                    Severity::Information,
                    Kind::PackageNotFollowed,
                    place,
                    message,
                );
                Ok(self.unknown("it comes from a library"))
            }
            _ => return None,
        })
    }

    fn full_name(&self, name: &str) -> String {
        match name.strip_prefix("::") {
            Some(full) => full.to_owned(),
            None if self.scope.namespace.is_empty() => name.to_owned(),
            None => format!("{}::{name}", self.scope.namespace),
        }
    }

    fn do_proc(&mut self, args: &[Arg], place: Place) -> Flow {
        let [name, params, body] = args else {
            return self.usage(place, "proc name args body");
        };
        let (Some(name), Some(params)) = (name.text(), params.text()) else {
            self.open_world("a procedure's name is made when the job runs");
            return Ok(Value::empty());
        };
        let params = list::split(params)
            .unwrap_or_default()
            .into_iter()
            .map(|param| {
                let mut parts = list::split(&param).unwrap_or_default().into_iter();
                (parts.next().unwrap_or_default(), parts.next())
            });
        let full = self.full_name(name);
        let namespace = full
            .rsplit_once("::")
            .map_or("", |(namespace, _)| namespace);
        let procedure = Proc {
            params: params.collect(),
            body: body.value.clone(),
            place: body.place,
            namespace: Rc::from(namespace),
        };
        let binding = Binding::Proc(Rc::new(procedure));
        Rc::make_mut(&mut self.world.bindings).insert(full, binding);
        Ok(Value::empty())
    }

    pub(super) fn call_proc(&mut self, procedure: &Rc<Proc>, args: &[Arg], place: Place) -> Flow {
        let frame = self.world.frames.push();
        let scope = Scope {
            frame,
            namespace: Rc::clone(&procedure.namespace),
        };
        let outer = std::mem::replace(&mut self.scope, scope);
        let outer_left = self.left.take();
        let outer_round = std::mem::take(&mut self.left_round);
        let flow = match self.bind_params(procedure, args, place) {
            Ok(true) => self.run_value(&procedure.body, procedure.place),
            Ok(false) => Ok(Value::failed()),
            Err(stop) => Err(stop),
        };
        let left = std::mem::replace(&mut self.left, outer_left);
        self.left_round = outer_round;
        self.scope = outer;
        let mut result = match flow {
            Ok(value) | Err(Stop::Return(value)) => Ok(value),
            Err(Stop::Break | Stop::Continue) => Ok(Value::empty()),
            Err(stop) => Err(stop),
        };
        if let (Some(left), false) = (left, matches!(result, Err(Stop::Budget))) {
            let why = Rc::new(Why {
                reason: "it depends on where a procedure returns".into(),
                pattern: None,
                failed: false,
            });
            self.charge(20 * self.world.weight(&left))?;
            self.world = self.world.clone().merge(&left, &why);
            if result.is_ok() {
                result = Ok(self.because(&why));
            }
        }
        self.world.frames.truncate(frame);
        result
    }

    /// Gives the arguments to the procedure's variables; false if they do not fit.
    fn bind_params(&mut self, procedure: &Proc, args: &[Arg], place: Place) -> Result<bool, Stop> {
        let mut rest = args;
        let count = procedure.params.len();
        for (at, (name, default)) in procedure.params.iter().enumerate() {
            let value = if name == "args" && at + 1 == count {
                let all = std::mem::take(&mut rest);
                match texts(all) {
                    Ok(texts) => Value::known(list::join(&texts)),
                    Err(why) => Value::Unknown(why),
                }
            } else {
                match (rest, default) {
                    ([first, tail @ ..], _) => {
                        rest = tail;
                        first.value.clone()
                    }
                    ([], Some(default)) => Value::known(default.as_str()),
                    ([], None) => {
                        let message = format!("wrong # args: the procedure needs \"{name}\" too");
                        self.fail(Kind::WrongArguments, place, message)?;
                        return Ok(false);
                    }
                }
            };
            self.world.frames.write(&self.scope, name, None, value);
        }
        if !rest.is_empty() {
            let message = format!("wrong # args: the procedure takes only {count}");
            self.fail(Kind::WrongArguments, place, message)?;
            return Ok(false);
        }
        Ok(true)
    }

    fn do_rename(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        let [old, new] = texts.as_slice() else {
            return self.usage(place, "rename oldName newName");
        };
        let (old, new) = (self.full_name(old), self.full_name(new));
        let bindings = Rc::make_mut(&mut self.world.bindings);
        let target = bindings
            .insert(old.clone(), Binding::Gone)
            .unwrap_or(Binding::Alias(Rc::from(old.as_str())));
        if !new.is_empty() && !new.ends_with("::") {
            bindings.insert(new, target);
        }
        Ok(Value::empty())
    }

    fn do_uplevel(&mut self, args: &[Arg], place: Place) -> Flow {
        let (level, rest) = match args {
            [level, rest @ ..] if !rest.is_empty() && level.text().is_some_and(is_level) => {
                (level.value.pattern().to_owned(), rest)
            }
            rest => ("1".to_owned(), rest),
        };
        let Some(scope) = self.level(&level) else {
            let message = format!("bad level \"{level}\"");
            return self.fail(Kind::ScriptError, place, message);
        };
        let script = match rest {
            [only] => only.value.clone(),
            rest => self.concat(rest),
        };
        let outer = std::mem::replace(&mut self.scope, scope);
        let flow = self.run_value(&script, place);
        self.scope = outer;
        flow
    }

    fn do_apply(&mut self, args: &[Arg], place: Place) -> Flow {
        let [lambda, rest @ ..] = args else {
            return self.usage(place, "apply lambdaExpr ?arg ...?");
        };
        let parts = known!(self, std::slice::from_ref(lambda)).concat();
        let mut parts = list::split(&parts).unwrap_or_default().into_iter();
        let params = parts.next().unwrap_or_default();
        let body = parts.next().unwrap_or_default();
        let procedure = Proc {
            params: list::split(&params)
                .unwrap_or_default()
                .into_iter()
                .map(|p| (p, None))
                .collect(),
            body: Value::known(body),
            place,
            namespace: Rc::from(""),
        };
        self.call_proc(&Rc::new(procedure), rest, place)
    }

    fn do_namespace(&mut self, args: &[Arg], place: Place) -> Flow {
        let option = args.first().and_then(Arg::text).unwrap_or("").to_owned();
        match (option.as_str(), args) {
            ("eval", [_, name, scripts @ ..]) if !scripts.is_empty() => {
                let name = known!(self, std::slice::from_ref(name)).concat();
                let script = match scripts {
                    [only] => only.value.clone(),
                    scripts => self.concat(scripts),
                };
                let namespace = Rc::from(self.full_name(&name).trim_matches(':'));
                let outer = std::mem::replace(
                    &mut self.scope,
                    Scope {
                        frame: 0,
                        namespace,
                    },
                );
                let flow = self.run_value(&script, place);
                self.scope = outer;
                flow
            }
            ("current", _) => Ok(Value::known(format!("::{}", self.scope.namespace))),
            ("tail", [_, name]) => {
                let name = known!(self, std::slice::from_ref(name)).concat();
                Ok(Value::known(name.rsplit("::").next().unwrap_or("")))
            }
            ("qualifiers", [_, name]) => {
                let name = known!(self, std::slice::from_ref(name)).concat();
                Ok(Value::known(
                    name.rsplit_once("::").map_or("", |(head, _)| head),
                ))
            }
            ("import", names) => {
                let names = known!(self, names.get(1..).unwrap_or_default());
                for name in names.into_iter().filter(|name| !name.starts_with('-')) {
                    let name = name.trim_start_matches(':');
                    let found: Vec<(String, Binding)> = self
                        .world
                        .bindings
                        .iter()
                        .filter(|(full, _)| pattern::matches(name, full))
                        .map(|(full, binding)| (full.clone(), binding.clone()))
                        .collect();
                    for (full, binding) in found {
                        let own = self.full_name(full.rsplit("::").next().unwrap_or(&full));
                        Rc::make_mut(&mut self.world.bindings).insert(own, binding);
                    }
                }
                Ok(Value::empty())
            }
            ("export" | "delete" | "path" | "ensemble", _) => Ok(Value::empty()),
            _ => Ok(self.unknown(format!("`namespace {option}` is not worked out here"))),
        }
    }

    fn do_info(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        match texts.as_slice() {
            ["script"] => Ok(Value::known(
                self.sourcing.last().map_or("", String::as_str),
            )),
            ["exists", name] => Ok(self.info_exists(name)),
            ["procs" | "commands", rest @ ..] => {
                if self.world.open.is_some() {
                    return Ok(self.unknown("commands may come from files not read here"));
                }
                let filter = rest.first().copied().unwrap_or("*");
                let plain = filter.trim_start_matches(':');
                self.charge(self.world.bindings.len() * (30 + plain.len()))?;
                let mut found: Vec<&str> = self
                    .world
                    .bindings
                    .iter()
                    .filter(|(name, binding)| {
                        matches!(binding, Binding::Proc(_)) && pattern::matches(plain, name)
                    })
                    .map(|(name, _)| name.as_str())
                    .collect();
                found.sort_unstable();
                if found.is_empty() && texts.first() == Some(&"commands") {
                    return Ok(match is_command(plain) {
                        true => Value::known(filter),
                        false if pattern::is_pattern(plain) => {
                            self.unknown("the list of commands is NAMD's")
                        }
                        false => Value::empty(),
                    });
                }
                Ok(Value::known(list::join(&found)))
            }
            ["level"] => Ok(Value::known(self.scope.frame.to_string())),
            ["body", name] => match self.binding(name) {
                Some(Binding::Proc(procedure)) => Ok(procedure.body.clone()),
                _ => Ok(self.unknown("the procedure is not known")),
            },
            ["vars" | "locals" | "globals", rest @ ..] => {
                let filter = rest.first().copied().unwrap_or("*");
                let names = self.world.frames.names(&self.scope);
                self.charge(names.len() * (30 + filter.len()))?;
                let found: Vec<&String> = names
                    .iter()
                    .filter(|n| pattern::matches(filter, n))
                    .collect();
                Ok(Value::known(list::join(&found)))
            }
            ["tclversion"] => Ok(Value::known("8.6")),
            ["complete", _] => Ok(Value::truth(true)),
            [] => self.usage(place, "info subcommand ?arg ...?"),
            [option, ..] => {
                Ok(self.unknown(format!("`info {option}` is decided where the job runs")))
            }
        }
    }

    fn info_exists(&mut self, name: &str) -> Value {
        let (array, index) = match split_element(name) {
            Some((array, index)) => (array, Some(index)),
            None => (name, None),
        };
        match self.world.frames.read(&self.scope, array, index) {
            Read::Value(_) => Value::truth(true),
            Read::WrongKind => Value::truth(index.is_none()),
            Read::Perhaps(why) => self.because(&why),
            Read::Missing => {
                if index.is_some() && array.trim_start_matches(':') == "env" {
                    return match self.environment(index.unwrap_or("")) {
                        Some(_) => Value::truth(true),
                        None => self.unknown(format!(
                            "the environment variable {} is that of the machine the job runs on",
                            index.unwrap_or("")
                        )),
                    };
                }
                match self.world.open.clone() {
                    Some(why) => self.unknown(format!("`{name}` may be set elsewhere ({why})")),
                    None => Value::truth(self.given(array, index).is_some()),
                }
            }
        }
    }

    fn do_package(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        match texts.as_slice() {
            ["require", "-exact", name, ..] | ["require", name, ..] if *name != "Tcl" => {
                self.open_world("a Tcl package is loaded");
                let message = format!(
                    "the Tcl package `{name}` is taken from the NAMD that runs the job; what it defines is not known here"
                );
                self.say(
                    Severity::Information,
                    Kind::PackageNotFollowed,
                    place,
                    message,
                );
                Ok(self.unknown("it is a package's version"))
            }
            ["require", ..] => Ok(Value::known("8.6")),
            _ => Ok(Value::empty()),
        }
    }
}

fn is_level(text: &str) -> bool {
    text.strip_prefix('#')
        .unwrap_or(text)
        .bytes()
        .all(|b| b.is_ascii_digit())
        && text.bytes().any(|b| b.is_ascii_digit())
}
