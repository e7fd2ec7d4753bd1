//! Keywords: how NAMD takes them apart, what they set, which files they name.

use std::rc::Rc;

use super::super::finding::{Code as Kind, Severity};
use super::super::keywords::{self, Form, Keyword, Names, Role};
use super::super::tcl::number::{self, is_space};
use super::super::text::Span;
use super::trace::{Aside, Base, InputUse, Purpose, Setting, Spot};
use super::value::{Arg, Value, concatenate};
use super::{Flow, KEPT, Machine, Place, Tri};

impl Machine<'_> {
    /// A command that is neither Tcl's nor NAMD's: a keyword with its value.
    pub(super) fn keyword(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some(head) = args.first() else {
            return Ok(Value::empty());
        };
        if self.aside > 0 {
            return Ok(self.unknown("it is worked out by NAMD"));
        }
        self.charge(KEPT)?;
        let form = KeywordForm::read(args);
        if form.name.is_empty() {
            return self.fail(
                Kind::Syntax,
                place,
                "error parsing config file: a keyword is missing before \"=\"",
            );
        }
        let lower = form.name.to_ascii_lowercase();
        let known = keywords::find(&lower);
        if form.value.pattern().is_empty() {
            return self.read_keyword(&form.name, &lower, known, head.place);
        }
        let late = self.world.started == Tri::Yes;
        if late && let Some(flow) = self.check_late(args, &lower, known, head.place, place) {
            return flow;
        }
        if known.is_none() {
            self.unknown_keyword(&form, args, head.place);
        }
        self.record(form, &lower, known, head.place, late);
        Ok(Value::empty())
    }

    fn record(
        &mut self,
        form: KeywordForm,
        lower: &str,
        keyword: Option<&'static Keyword>,
        name_place: Place,
        late: bool,
    ) {
        let settings = Rc::make_mut(&mut self.world.settings);
        if late {
            settings.insert(lower.to_owned(), form.value.clone());
        } else {
            settings
                .entry(lower.to_owned())
                .or_insert_with(|| form.value.clone());
        }
        if late && matches!(lower, "firsttimestep" | "numsteps") && lower == "firsttimestep" {
            self.world.step = form.value.text().and_then(number::parse_int);
        }
        if self.quiet > 0 {
            return;
        }
        if let Some(Keyword {
            names: Names::Input(role, kind),
            ..
        }) = keyword
            && (!late || lower == "accelmdgrestartfile")
        {
            self.keyword_input(&form, keyword, *role, *kind, late);
        }
        if matches!(
            keyword,
            Some(Keyword {
                names: Names::Program | Names::Cache,
                ..
            })
        ) {
            self.own_program(&form, keyword);
        }
        self.trace.settings.push(Setting {
            name: lower.to_owned(),
            keyword,
            value: form.value,
            name_place,
            value_place: form.place,
            certain: self.maybe == 0,
            late,
            base: if late { self.here() } else { Base::Startup },
        });
    }

    /// A program, or a file kept between runs: taken along if it is the user's
    /// own, that is named by a relative path.
    fn own_program(&mut self, form: &KeywordForm, keyword: Option<&'static Keyword>) {
        let (Some(keyword), Some(value)) = (keyword, form.value.text()) else {
            return;
        };
        let path = value.split(is_space).next().unwrap_or("");
        if path.is_empty() || path.starts_with('/') {
            return;
        }
        let role = if keyword.names == Names::Program {
            Role::Script
        } else {
            Role::Other
        };
        self.trace.use_file(InputUse {
            keyword: keyword.name.into(),
            role,
            value: value.into(),
            path: Ok(path.into()),
            base: Base::Startup,
            purpose: Purpose::Probe,
            place: form.place,
            spot: form.spot(0, path.len()),
            certain: false,
            after_run: false,
            produced: false,
            parent: Some(keyword),
        });
    }

    fn keyword_input(
        &mut self,
        form: &KeywordForm,
        keyword: Option<&'static Keyword>,
        role: Role,
        kind: Form,
        late: bool,
    ) {
        let Some(keyword) = keyword else { return };
        let shown = form.value.pattern();
        if kind == Form::Inline && shown.contains('\n') {
            self.trace
                .asides
                .push(Aside::Text(form.value.clone(), form.place));
            return;
        }
        // `tag path`: the path begins behind the tag.
        let skip = match kind {
            Form::Tagged => {
                let tag = shown.find(is_space).unwrap_or(0);
                shown.len()
                    - shown
                        .get(tag..)
                        .unwrap_or("")
                        .trim_start_matches(is_space)
                        .len()
            }
            _ => 0,
        };
        let path = match &form.value {
            Value::Known { text, .. } => Ok(text.get(skip..).unwrap_or("").to_owned()),
            Value::Unknown(why) => {
                let tail = why.pattern.as_ref().and_then(|pattern| pattern.get(skip..));
                match tail {
                    Some(tail) if !tail.contains('*') => Ok(tail.to_owned()),
                    _ => Err(Rc::clone(why)),
                }
            }
        };
        if let Err(why) = &path {
            self.not_static(keyword.name, &form.value, form.place, &Rc::clone(why));
        }
        let base = if late { self.here() } else { Base::Startup };
        if kind == Form::Inline
            && let Ok(path) = &path
        {
            self.trace
                .asides
                .push(Aside::File(path.clone(), base.clone()));
        }
        let purpose = match (kind, role) {
            (Form::State, _) => Purpose::State,
            (_, Role::Colvars) => Purpose::Colvars,
            _ => Purpose::Read,
        };
        let length = shown.len();
        self.trace.use_file(InputUse {
            keyword: keyword.name.into(),
            role,
            value: shown.into(),
            path,
            base,
            purpose,
            place: form.place,
            spot: form.spot(skip, length),
            certain: self.maybe == 0,
            after_run: late && self.world.ran != Tri::No,
            produced: false,
            parent: Some(keyword),
        });
    }

    /// A keyword without a value reads it.
    fn read_keyword(
        &mut self,
        name: &str,
        lower: &str,
        known: Option<&'static Keyword>,
        place: Place,
    ) -> Flow {
        if let Some(value) = self.world.settings.get(lower) {
            let value = value.clone();
            if self.world.started == Tri::No || value.text().is_none() {
                return Ok(value);
            }
            // NAMD prints numbers and booleans its own way after startup.
            return Ok(match known.map(|keyword| keyword.kind) {
                Some(keywords::Kind::Text | keywords::Kind::Int)
                    if lower != "firsttimestep" && lower != "numsteps" =>
                {
                    value
                }
                _ => self.unknown(format!("NAMD gives the value of `{name}` in its own form")),
            });
        }
        let vague = self.world.open.is_some() || self.world.started != Tri::No;
        if vague && (known.is_some() || self.world.open.is_some()) {
            return Ok(self.unknown(format!("`{name}` is not set in the files read here")));
        }
        let hint = match known {
            Some(keyword) => format!(
                "`{}` stands here without a value, which asks for its value; it is not set above. \
                 Give it a value.",
                keyword.name
            ),
            None => format!(
                "`{name}` is taken for a keyword whose value is asked for. In a comment behind a value, \
                 brackets and dollar signs count: write `;#` before it."
            ),
        };
        let message = "tried before startup to read config file parameter that was not set";
        self.fail_with(Kind::ReadBeforeSet, place, message, &hint)
    }

    /// What NAMD does not accept once it has started; an answer if the command has no effect.
    fn check_late(
        &mut self,
        args: &[Arg],
        lower: &str,
        known: Option<&'static Keyword>,
        name_place: Place,
        place: Place,
    ) -> Option<Flow> {
        if !matches!(args.len(), 2 | 4) {
            let comment = args.iter().any(|arg| arg.value.pattern().starts_with('#'));
            let hint = if comment {
                "After the first run a comment needs a semicolon: `;# text`."
            } else {
                "After the first run a keyword takes one value, or three numbers."
            };
            let message = format!("wrong # args for NAMD config parameter. {hint}");
            return Some(self.fail(Kind::WrongArguments, place, message));
        }
        if keywords::settable_after_start(lower) {
            return None;
        }
        if let Some(keyword) = known {
            let message = format!(
                "`{}` cannot be changed after NAMD has started (NAMD 3.0: \"Setting parameter {} from \
                 script failed!\"). Set it above the first `run`, `minimize` or other command of NAMD.",
                keyword.name, keyword.name
            );
            self.say(Severity::Warning, Kind::NotSettable, name_place, message);
        }
        None
    }

    /// A word that is not a keyword of NAMD 3.0: a slip, a keyword of another
    /// version, or a procedure of a file that is not here.
    fn unknown_keyword(&mut self, form: &KeywordForm, args: &[Arg], place: Place) {
        if self.world.open.is_some() {
            self.unknowns += 1;
            self.unknown_command(&form.name, args);
            return;
        }
        let lower = form.name.to_ascii_lowercase();
        let hint = if matches!(
            lower.as_str(),
            "run" | "minimize" | "set" | "source" | "if" | "proc" | "foreach" | "puts" | "print"
        ) {
            format!("Tcl's and NAMD's commands are written in lower case: `{lower}`.")
        } else if let Some(close) = self.closest(&lower) {
            format!("Did you mean `{close}`?")
        } else {
            "It may belong to another version of NAMD, or be a procedure that no file here defines."
                .into()
        };
        let message = format!(
            "`{}` is not a keyword of NAMD 3.0, and NAMD refuses what it does not know. {hint}",
            form.name
        );
        self.say(Severity::Warning, Kind::UnknownKeyword, place, message);
    }

    /// The keyword a slip was meant to be, looked up once for each slip.
    fn closest(&mut self, lower: &str) -> Option<&'static str> {
        if let Some(known) = self.slips.get(lower) {
            return *known;
        }
        self.work += 5000;
        let found = keywords::closest(lower);
        self.slips.insert(lower.to_owned(), found);
        found
    }

    /// Commands of known packages that name files: psfgen and the constant-pH library.
    fn unknown_command(&mut self, name: &str, args: &[Arg]) {
        let role = match name {
            "topology" => Role::Parameters,
            "cphConfigFile" | "cphRestartFile" => Role::Other,
            "coordpdb" => Role::Coordinates,
            "readpsf" => Role::Structure,
            _ => return,
        };
        if let Some(file) = args.get(1) {
            self.maybe += 1;
            self.use_file(name, role, Purpose::Read, file);
            self.maybe -= 1;
        }
    }
}

/// A keyword as `Tcl_config` takes it apart.
struct KeywordForm {
    name: String,
    value: Value,
    /// Where the value is written.
    place: Place,
    /// Offset in the value, length, and word of each piece that is written as it is.
    pieces: Vec<(usize, usize, Spot)>,
}

impl KeywordForm {
    /// `name value…`, `name=value`, `name = value`, each cut at a word that
    /// begins with `#`; the value's words are joined by one space.
    fn read(args: &[Arg]) -> Self {
        let head = args.first().map_or("", |arg| arg.value.pattern());
        let (name, mut tail) = match head.split_once('=') {
            Some((name, tail)) => (name, Some(tail)),
            None => (head, None),
        };
        let end = args
            .iter()
            .skip(1)
            .position(|arg| arg.value.pattern().starts_with('#'));
        let words = args
            .get(1..end.map_or(args.len(), |end| end + 1))
            .unwrap_or_default();
        let mut parts: Vec<(Value, &Arg, usize)> = Vec::new();
        if let (Some(tail), Some(head)) = (tail.take(), args.first())
            && !tail.is_empty()
        {
            parts.push((Value::known(tail), head, name.len() + 1));
        }
        let equals = parts.is_empty() && !head.contains('=');
        for (at, arg) in words.iter().enumerate() {
            match arg
                .text()
                .and_then(|text| text.strip_prefix('='))
                .filter(|_| equals && at == 0)
            {
                Some("") => {}
                Some(rest) => parts.push((Value::known(rest), arg, 1)),
                None => parts.push((arg.value.clone(), arg, 0)),
            }
        }
        let mut values = Vec::new();
        let mut pieces = Vec::new();
        let mut length = 0;
        for (value, arg, skip) in &parts {
            if length > 0 {
                values.push(Value::known(" "));
                length += 1;
            }
            let len = value.pattern().len();
            if let Some(literal) = arg.literal {
                let start = literal.content.start + skip;
                let spot = Spot {
                    path: Span::new(start, start + len),
                    word: if *skip == 0 {
                        arg.place.span
                    } else {
                        Span::new(start, start + len)
                    },
                    quote: literal.quote,
                };
                pieces.push((length, len, spot));
            }
            length += len;
            values.push(value.clone());
        }
        let place = match (parts.first(), parts.last(), args.first()) {
            (Some((_, first, skip)), Some((_, last, _)), _)
                if first.place.file == last.place.file =>
            {
                Place {
                    file: first.place.file,
                    span: Span::new(first.place.span.start + skip, last.place.span.end),
                }
            }
            (_, _, Some(head)) => head.place,
            _ => Place {
                file: 0,
                span: Span::default(),
            },
        };
        let value = if values.is_empty() {
            Value::empty()
        } else {
            concatenate(&values)
        };
        Self {
            name: name.to_owned(),
            value,
            place,
            pieces,
        }
    }

    /// Where `value[start..end]` is written, if it is written in one word.
    fn spot(&self, start: usize, end: usize) -> Option<Spot> {
        let (at, _, spot) = self
            .pieces
            .iter()
            .find(|(at, len, _)| *at <= start && end <= at + len)?;
        let from = spot.path.start + (start - at);
        Some(Spot {
            path: Span::new(from, from + (end - start)),
            ..*spot
        })
    }
}
