//! Branches, loops and errors: `if`, `while`, `for`, `foreach`, `switch`, `catch`, …

use std::rc::Rc;

use super::super::finding::{Code as Kind, Severity};
use super::super::tcl::{self, list, number, pattern};
use super::value::{Arg, Value, Why};
use super::ways::Way;
use super::{Flow, Machine, Place, Stop, known, product};

impl Machine<'_> {
    pub(super) fn control_command(
        &mut self,
        name: &str,
        args: &[Arg],
        place: Place,
    ) -> Option<Flow> {
        Some(match name {
            "if" => self.do_if(args, place),
            "while" => match args {
                [test, body] => self.do_while(test, None, body, place),
                _ => self.usage(place, "while test command"),
            },
            "for" => match args {
                [start, test, next, body] => match self.run_value(&start.value, start.place) {
                    Ok(_) => self.do_while(test, Some(next), body, place),
                    Err(stop) => Err(stop),
                },
                _ => self.usage(place, "for start test next command"),
            },
            "foreach" => self.do_foreach(args, place),
            "switch" => self.do_switch(args, place),
            "catch" => self.do_catch(args, place),
            "try" => self.do_try(args, place),
            "expr" => self.do_expr(args, place),
            "eval" => self.do_eval(args, place),
            "time" => match args.first() {
                Some(body) => self
                    .run_value(&body.value, body.place)
                    .map(|_| Value::unknown("it is a measured time")),
                None => self.usage(place, "time command ?count?"),
            },
            "break" => Err(Stop::Break),
            "continue" => Err(Stop::Continue),
            "return" => self.do_return(args),
            "error" | "throw" => self.do_error(name, args, place),
            "exit" => Err(Stop::Exit),
            "abort" => {
                let said = args
                    .iter()
                    .map(|arg| arg.value.pattern())
                    .collect::<Vec<_>>()
                    .join(" ");
                self.ends_itself(
                    place,
                    &format!("`abort` ends the run with an error: {said}"),
                );
                Err(Stop::Exit)
            }
            _ => return None,
        })
    }

    fn ends_itself(&mut self, place: Place, message: &str) {
        let severity = if self.certain() {
            Severity::Error
        } else {
            Severity::Information
        };
        self.say(severity, Kind::ScriptError, place, message);
    }

    /// The truth of a condition, or why it is not known.
    pub(super) fn condition(&mut self, test: &Arg) -> Result<Result<bool, Rc<Why>>, Stop> {
        let value = match &test.value {
            Value::Known { text, .. } => {
                let expression = Rc::clone(text);
                self.evaluate(&expression, test.place)?
            }
            Value::Unknown(why) => self.because(&Rc::clone(why)),
        };
        match value {
            Value::Unknown(why) => Ok(Err(why)),
            Value::Known { text, .. } => {
                if let Some(truth) = number::parse_bool(&text) {
                    Ok(Ok(truth))
                } else {
                    let message = format!("expected boolean value but got \"{text}\"");
                    match self.fail(Kind::ScriptError, test.place, message)? {
                        Value::Unknown(why) => Ok(Err(why)),
                        Value::Known { .. } => Ok(Ok(false)),
                    }
                }
            }
        }
    }

    fn do_if(&mut self, args: &[Arg], place: Place) -> Flow {
        let usage = "if test ?then? script ?elseif test ?then? script ...? ?else? ?script?";
        let mut rest = args;
        let mut ways: Vec<Way<'_>> = Vec::new();
        let mut reason: Option<Rc<Why>> = None;
        loop {
            let [test, tail @ ..] = rest else {
                return self.usage(place, usage);
            };
            let tail = match tail {
                [then, tail @ ..] if then.text() == Some("then") => tail,
                tail => tail,
            };
            let [body, tail @ ..] = tail else {
                return self.usage(place, usage);
            };
            let known_true = match self.condition(test)? {
                Ok(truth) => truth,
                Err(why) => {
                    let why = self.branch_reason(test.place, &why);
                    reason.get_or_insert(why);
                    ways.push(Way::Run(body));
                    false
                }
            };
            if known_true {
                ways.push(Way::Run(body));
                break;
            }
            match tail {
                [] => {
                    ways.push(Way::Nothing);
                    break;
                }
                [word, tail @ ..] if word.text() == Some("elseif") => rest = tail,
                [word, body] if word.text() == Some("else") => {
                    ways.push(Way::Run(body));
                    break;
                }
                [body] => {
                    ways.push(Way::Run(body));
                    break;
                }
                _ => return self.usage(place, usage),
            }
        }
        match (reason, ways.as_slice()) {
            (None, [Way::Run(body)]) => self.run_value(&body.value, body.place),
            (None, _) => Ok(Value::empty()),
            (Some(why), ways) => self.branches(ways, &why),
        }
    }

    fn do_switch(&mut self, args: &[Arg], place: Place) -> Flow {
        let usage = "switch ?options? string ?pattern body ...? ?default body?";
        let mut rest = args;
        let mut kind = "-exact".to_owned();
        let mut nocase = false;
        while let [option, tail @ ..] = rest {
            match option.text() {
                Some("--") => {
                    rest = tail;
                    break;
                }
                Some("-nocase") => nocase = true,
                Some(word @ ("-exact" | "-glob" | "-regexp")) => word.clone_into(&mut kind),
                _ => break,
            }
            rest = tail;
        }
        let [value, cases @ ..] = rest else {
            return self.usage(place, usage);
        };
        let made;
        let cases = match cases {
            [only] => {
                made = self.cases(only);
                made.as_slice()
            }
            cases => cases,
        };
        if cases.is_empty() || cases.len() % 2 != 0 {
            return self.usage(place, usage);
        }
        let body_of = |at: usize| {
            cases
                .iter()
                .skip(at)
                .skip(1)
                .step_by(2)
                .find(|body| body.text() != Some("-"))
        };
        let subject = match &value.value {
            Value::Known { text, .. } if kind != "-regexp" => Ok(Rc::clone(text)),
            Value::Known { .. } => Err(Rc::new(Why {
                reason: "`switch -regexp` is not worked out here".into(),
                pattern: None,
                failed: false,
            })),
            Value::Unknown(why) => Err(Rc::clone(why)),
        };
        match subject {
            Ok(text) => {
                let fold = |s: &str| {
                    if nocase {
                        s.to_lowercase()
                    } else {
                        s.to_owned()
                    }
                };
                let text = fold(&text);
                for at in (0..cases.len()).step_by(2) {
                    let case = cases.get(at).map_or("", |case| case.value.pattern());
                    let last = at + 2 == cases.len();
                    self.charge(product(&[case, &text]))?;
                    let hit = (last && case == "default")
                        || if kind == "-glob" {
                            pattern::matches(&fold(case), &text)
                        } else {
                            fold(case) == text
                        };
                    if hit {
                        let Some(body) = body_of(at) else {
                            return Ok(Value::empty());
                        };
                        return self.run_value(&body.value, body.place);
                    }
                }
                Ok(Value::empty())
            }
            Err(why) => {
                let why = self.branch_reason(value.place, &why);
                let mut ways: Vec<Way<'_>> = cases
                    .iter()
                    .skip(1)
                    .step_by(2)
                    .filter(|body| body.text() != Some("-"))
                    .map(Way::Run)
                    .collect();
                let default = cases.get(cases.len() - 2).and_then(Arg::text);
                if default != Some("default") {
                    ways.push(Way::Nothing);
                }
                self.branches(&ways, &why)
            }
        }
    }

    /// The patterns and bodies of a `switch` written as one braced list, with
    /// their places where it stands in a file.
    fn cases(&mut self, list: &Arg) -> Vec<Arg> {
        let source = list
            .value
            .code()
            .and_then(|code| Some((code, self.files.get(code.file)?)));
        if let Some((code, source)) = source {
            let script = tcl::parse(source.text(), code.span.start, code.span.end);
            if script.errors.is_empty() {
                let words = script.commands.iter().flat_map(|command| &command.words);
                return words
                    .map(|word| {
                        let content = Place {
                            file: code.file,
                            span: word.content(),
                        };
                        let text = word
                            .literal()
                            .unwrap_or_else(|| Rc::from(source.slice(word.span)));
                        let braced = word.quote == tcl::Quote::Braced;
                        let value = Value::Known {
                            text,
                            code: braced.then_some(content),
                        };
                        Arg::made(
                            value,
                            Place {
                                file: code.file,
                                span: word.span,
                            },
                        )
                    })
                    .collect();
            }
        }
        let elements = list.text().and_then(list::split).unwrap_or_default();
        elements
            .into_iter()
            .map(|e| Arg::made(Value::known(e), list.place))
            .collect()
    }

    fn do_catch(&mut self, args: &[Arg], place: Place) -> Flow {
        let [body, names @ ..] = args else {
            return self.usage(place, "catch script ?resultVarName? ?optionVarName?");
        };
        let before = self.unknowns;
        self.catching += 1;
        let flow = self.run_value(&body.value, body.place);
        self.catching -= 1;
        let unsure = self.unknowns != before;
        let (code, result) = match flow {
            Ok(value) => ("0", value),
            Err(Stop::Error(message)) => ("1", Value::known(&*message)),
            Err(Stop::Return(value)) => ("2", value),
            Err(Stop::Break) => ("3", Value::empty()),
            Err(Stop::Continue) => ("4", Value::empty()),
            Err(stop) => return Err(stop),
        };
        let why = "it depends on whether a caught command fails";
        let result = if unsure { Value::unknown(why) } else { result };
        if let Some(name) = names.first() {
            self.write_named(name, result, place)?;
        }
        if let Some(name) = names.get(1) {
            self.write_named(
                name,
                Value::unknown("it is the detail of a caught error"),
                place,
            )?;
        }
        Ok(if unsure {
            self.unknown(why)
        } else {
            Value::known(code)
        })
    }

    fn do_try(&mut self, args: &[Arg], place: Place) -> Flow {
        let [body, rest @ ..] = args else {
            return self.usage(place, "try body ?handler ...? ?finally script?");
        };
        let before = self.unknowns;
        self.catching += 1;
        let mut flow = self.run_value(&body.value, body.place);
        self.catching -= 1;
        let failed = matches!(flow, Err(Stop::Error(_)));
        let mut finally = None;
        let mut rest = rest;
        while let [word, tail @ ..] = rest {
            match (word.text(), tail) {
                (Some("finally"), [script, ..]) => {
                    finally = Some(script);
                    break;
                }
                (Some("on" | "trap"), [_, _, handler, tail @ ..]) => {
                    if failed || self.unknowns != before {
                        let done = self
                            .perhaps(|machine| machine.run_value(&handler.value, handler.place))?;
                        if failed {
                            flow = Ok(done);
                        }
                    }
                    rest = tail;
                }
                _ => break,
            }
        }
        if let Some(script) = finally {
            self.run_value(&script.value, script.place)?;
        }
        flow
    }

    fn do_expr(&mut self, args: &[Arg], place: Place) -> Flow {
        match args {
            [] => self.usage(place, "expr arg ?arg ...?"),
            [only] => match &only.value {
                Value::Known { text, .. } => {
                    let text = Rc::clone(text);
                    self.evaluate(&text, only.place)
                }
                Value::Unknown(why) => Ok(self.because(&Rc::clone(why))),
            },
            args => {
                let text = known!(self, args).join(" ");
                self.evaluate(&text, place)
            }
        }
    }

    fn do_eval(&mut self, args: &[Arg], place: Place) -> Flow {
        match args {
            [] => self.usage(place, "eval arg ?arg ...?"),
            [only] => self.run_value(&only.value, place),
            args => {
                let script = self.concat(args);
                self.run_value(&script, place)
            }
        }
    }

    /// The arguments as `concat` and `eval` put them together.
    pub(super) fn concat(&mut self, args: &[Arg]) -> Value {
        match super::value::texts(args) {
            Ok(texts) => {
                let parts: Vec<&str> = texts
                    .iter()
                    .map(|text| text.trim_matches(number::is_space))
                    .filter(|text| !text.is_empty())
                    .collect();
                Value::known(parts.join(" "))
            }
            Err(why) => self.because(&why),
        }
    }

    fn do_return(&mut self, args: &[Arg]) -> Flow {
        let mut rest = args;
        let mut code = "ok".to_owned();
        while let [option, value, tail @ ..] = rest {
            match option.text() {
                Some("-code") => value.value.pattern().clone_into(&mut code),
                Some(word) if word.starts_with('-') && word.len() > 1 && !word.contains(' ') => {}
                _ => break,
            }
            rest = tail;
        }
        let value = rest
            .first()
            .map_or_else(Value::empty, |arg| arg.value.clone());
        match code.as_str() {
            "ok" | "0" | "return" | "2" => Err(Stop::Return(value)),
            "error" | "1" if self.catching > 0 => Err(Stop::Error(Rc::from(value.pattern()))),
            "error" | "1" => {
                let place = self.here;
                self.ends_itself(
                    place,
                    &format!("the script stops itself here: {}", value.pattern()),
                );
                Err(Stop::Exit)
            }
            "break" | "3" => Err(Stop::Break),
            "continue" | "4" => Err(Stop::Continue),
            _ => Err(Stop::Return(Value::unknown("`return -code` is computed"))),
        }
    }

    fn do_error(&mut self, name: &str, args: &[Arg], place: Place) -> Flow {
        let at = usize::from(name == "throw");
        let message = args
            .get(at)
            .map_or("", |arg| arg.value.pattern())
            .to_owned();
        if self.catching > 0 {
            return Err(Stop::Error(Rc::from(message)));
        }
        self.ends_itself(place, &format!("the script stops itself here: {message}"));
        Err(Stop::Exit)
    }
}
