//! What NAMD adds to Tcl: its keywords, `run`, `minimize` and the other commands.
//!
//! Before startup an unknown command is a keyword with its value
//! (`ScriptTcl::Tcl_config`); afterwards it sets a parameter
//! (`ScriptTcl::Tcl_param`). `run`, `minimize` and most other commands of NAMD
//! bring startup about (`ScriptTcl::initcheck`).

use std::rc::Rc;

use super::super::facts::Want;
use super::super::finding::{Code as Kind, Severity};
use super::super::keywords::{self, Form, Keyword, Names, Role};
use super::super::paths;
use super::super::tcl::number::{self, is_space};
use super::super::text::Span;
use super::super::{colvars, tcl};
use super::files::Loaded;
use super::trace::{Aside, Base, InputUse, Purpose, Setting, Spot, Stretch, WrittenKind};
use super::value::{Arg, Value, Why, concatenate};
use super::{Flow, Machine, Place, Stop, Tri};

/// NAMD's default for `stepspercycle`.
const STEPS_PER_CYCLE: i128 = 20;

impl Machine<'_> {
    pub(super) fn namd_command(&mut self, name: &str, args: &[Arg], place: Place) -> Option<Flow> {
        let starts = matches!(
            name,
            "startup" | "run" | "minimize" | "reinitvels" | "rescalevels" | "move" | "moveallby"
                | "output" | "measure" | "colvarbias" | "colvarvalue" | "colvarfreq" | "cv"
                | "checkpoint" | "revert" | "checkpointStore" | "checkpointLoad" | "checkpointSwap"
                | "checkpointFree" | "replicaDcdFile" | "reinitatoms" | "coorfile" | "dumpbench"
                | "consForceConfig" | "reloadCharges" | "reloadGridforceGrid" | "updateGridScale"
                | "replicaAtomSendrecv" | "replicaAtomSend" | "replicaAtomRecv"
                | "rescalesolutecharges"
        );
        if starts && self.aside == 0 {
            self.startup();
        }
        Some(match name {
            "run" => self.do_run(args, place),
            "minimize" => self.do_minimize(args, place),
            "output" => self.do_output(args, place),
            "cv" => self.do_cv(args, place),
            // `param NAME VALUE` and NAME VALUE are the same.
            "param" => self.keyword(args, place),
            "isset" | "istrue" => self.do_isset(name, args, place),
            "structure" if self.world.started == Tri::Yes => {
                self.reload_structure(args);
                Ok(Value::empty())
            }
            "coorfile" => {
                if let [what, _, file, ..] = args {
                    if what.text() == Some("open") {
                        self.use_file("coorfile open", Role::Coordinates, Purpose::Read, file);
                    }
                }
                Ok(self.unknown("it depends on a trajectory file"))
            }
            "reloadCharges" => {
                if let Some(file) = args.first() {
                    self.use_file(name, Role::Atoms, Purpose::Read, file);
                }
                Ok(Value::empty())
            }
            "reinitatoms" => {
                if let Some(base) = args.first() {
                    for suffix in [".xsc", ".coor", ".vel"] {
                        let path = concatenate(&[base.value.clone(), Value::known(suffix)]);
                        self.use_file(name, Role::State, Purpose::Read, &Arg::made(path, base.place));
                    }
                }
                Ok(Value::empty())
            }
            "replicaDcdFile" => {
                self.writes(name, args.get(1), WrittenKind::File, place);
                Ok(Value::empty())
            }
            "stdout" | "dumpbench" => {
                self.writes(name, args.first(), WrittenKind::File, place);
                Ok(Value::empty())
            }
            "startup" | "callback" | "reinitvels" | "rescalevels" | "move" | "moveallby" | "checkpoint"
            | "revert" | "checkpointStore" | "checkpointLoad" | "checkpointSwap" | "checkpointFree"
            | "colvarfreq" | "consForceConfig" | "reloadGridforceGrid" | "updateGridScale"
            | "replicaAtomSendrecv" | "replicaAtomSend" | "replicaAtomRecv" | "rescalesolutecharges"
            | "replicaBarrier" | "replicaSend" | "replicaYield" => Ok(Value::empty()),
            "numPes" | "numNodes" | "numPhysicalNodes" | "numReplicas" | "myReplica" | "replicaRecv"
            | "replicaSendrecv" | "replicaEval" => {
                Ok(self.unknown(format!("`{name}` is decided by how the job is launched")))
            }
            "measure" | "colvarbias" | "colvarvalue" | "vecadd" | "vecsub" | "vecscale" | "getbond"
            | "getangle" | "getdihedral" | "anglegrad" | "dihedralgrad" | "python" => {
                Ok(self.unknown(format!("`{name}` is worked out by NAMD")))
            }
            _ => return None,
        })
    }

    /// NAMD's startup: the keywords given so far take effect.
    pub(super) fn startup(&mut self) {
        if self.world.started == Tri::Yes {
            return;
        }
        let first = self.world.started == Tri::No;
        self.world.started = if self.certain() { Tri::Yes } else { Tri::Maybe };
        if first {
            self.world.step = match self.world.settings.get("firsttimestep") {
                None => Some(0),
                Some(value) => value.text().and_then(number::parse_int),
            };
            if let Some(cwd) = self.world.settings.get("cwd").cloned() {
                let to = Self::path_of(&cwd).ok();
                self.world.directory = match (&self.world.directory, to) {
                    (Some(directory), Some(to)) => Some(paths::join(directory, &to)),
                    _ => None,
                };
            }
        }
        if self.quiet == 0 && self.trace.startup.is_none() {
            self.trace.startup = Some(self.world.directory.clone());
            self.check_first_step();
        }
    }

    /// What a keyword was set to before startup, as an integer.
    fn setting_int(&self, name: &str) -> Option<i128> {
        number::parse_int(self.world.settings.get(name)?.text()?)
    }

    fn steps_per_cycle(&self) -> Option<i128> {
        if self.world.settings.contains_key("stepspercycle") {
            return self.setting_int("stepspercycle").filter(|n| *n > 0);
        }
        self.world.open.is_none().then_some(STEPS_PER_CYCLE)
    }

    fn check_first_step(&mut self) {
        let (Some(first), Some(cycle)) = (self.setting_int("firsttimestep"), self.steps_per_cycle()) else {
            return;
        };
        if first % cycle != 0 {
            let place = self.trace.settings.iter().find(|s| s.name == "firsttimestep").map(|s| s.value_place);
            let message = format!(
                "firsttimestep is {first}, which is not a multiple of stepspercycle ({cycle}); NAMD stops at \
                 startup. Use a multiple, or 0."
            );
            self.say(Severity::Error, Kind::StepsNotMultiple, place.unwrap_or(self.here), message);
        }
    }

    // ── running ──

    fn do_run(&mut self, args: &[Arg], place: Place) -> Flow {
        let (steps, norepeat) = match args {
            [] => {
                let message = "too few args: `run` needs the number of steps";
                return self.fail(Kind::WrongArguments, place, message);
            }
            [steps] => (steps, false),
            [word, steps] if word.text() == Some("norepeat") || word.text().is_none() => (steps, true),
            [_, word, ..] => {
                let comment = args.iter().any(|arg| arg.value.pattern().starts_with('#'));
                let hint = if comment {
                    "A comment behind a command needs a semicolon: `run 100 ;# text`."
                } else {
                    "It is `run STEPS` or `run norepeat STEPS`."
                };
                let place = if comment { place } else { word.place };
                return self.fail(Kind::WrongArguments, place, format!("too many args for `run`. {hint}"));
            }
        };
        let steps = self.count_steps("run", steps)?;
        self.stretch(false, steps, norepeat, place)
    }

    fn do_minimize(&mut self, args: &[Arg], place: Place) -> Flow {
        let [steps] = args else {
            let comment = args.iter().any(|arg| arg.value.pattern().starts_with('#'));
            let hint = if comment {
                "A comment behind a command needs a semicolon: `minimize 100 ;# text`."
            } else {
                "It is `minimize STEPS`."
            };
            return self.fail(Kind::WrongArguments, place, format!("wrong # args for `minimize`. {hint}"));
        };
        let steps = self.count_steps("minimize", steps)?;
        self.stretch(true, steps, false, place)
    }

    fn count_steps(&mut self, command: &str, arg: &Arg) -> Result<Option<i128>, Stop> {
        let text = match &arg.value {
            Value::Known { text, .. } => Rc::clone(text),
            Value::Unknown(why) => {
                let why = Rc::clone(why);
                if !why.failed {
                    let message = format!(
                        "how many steps `{command}` takes is not known before the job runs: {}. Progress \
                         is shown without an end.",
                        why.reason
                    );
                    self.say(Severity::Information, Kind::NotStatic, arg.place, message);
                }
                return Ok(None);
            }
        };
        let Some(steps) = number::parse_int(&text) else {
            let message = format!(
                "expected integer but got \"{text}\": `{command}` takes a whole number of steps. \
                 Use int(…) round a computed one."
            );
            self.fail(Kind::WrongArguments, arg.place, message)?;
            return Ok(None);
        };
        if steps < 0 {
            let message = format!("number of steps must be non-negative, and this is {steps}");
            self.fail(Kind::WrongArguments, arg.place, message)?;
            return Ok(None);
        }
        if let Some(cycle) = self.steps_per_cycle().filter(|cycle| steps % cycle != 0) {
            let message = format!(
                "{steps} steps are not a multiple of stepspercycle ({cycle}), and NAMD stops here. Use \
                 {} or {}, or set stepspercycle.",
                steps - steps % cycle,
                steps - steps % cycle + cycle
            );
            self.fail(Kind::StepsNotMultiple, arg.place, message)?;
        } else if let (Some(at), Some(cycle)) = (self.world.step, self.steps_per_cycle()) {
            if steps > 0 && at % cycle != 0 && self.world.ran == Tri::Yes {
                let message = format!(
                    "the simulation is at step {at} here, which is not a multiple of stepspercycle ({cycle})"
                );
                self.fail(Kind::StepsNotMultiple, arg.place, message)?;
            }
        }
        Ok(Some(steps))
    }

    fn stretch(&mut self, minimize: bool, steps: Option<i128>, norepeat: bool, place: Place) -> Flow {
        if self.quiet == 0 && self.aside == 0 {
            self.trace.stretches.push(Stretch {
                minimize,
                steps,
                norepeat,
                place,
                certain: self.certain(),
                first: self.world.step,
            });
        }
        self.world.step = match (self.world.step, steps) {
            (Some(at), Some(steps)) => at.checked_add(steps),
            _ => None,
        };
        self.world.ran = match (self.world.ran, self.certain()) {
            (Tri::Yes, _) | (_, true) => Tri::Yes,
            _ => Tri::Maybe,
        };
        Ok(Value::empty())
    }

    // ── other commands ──

    fn do_output(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some(name) = args.last() else { return self.usage(place, "output ?withforces|onlyforces? name") };
        let mode = if args.len() > 1 { args.first().and_then(Arg::text) } else { None };
        if mode != Some("onlyforces") {
            self.writes("output", Some(name), WrittenKind::Coordinates, place);
        }
        if mode.is_some() {
            self.writes("output", Some(name), WrittenKind::Forces, place);
        }
        Ok(Value::empty())
    }

    fn do_cv(&mut self, args: &[Arg], place: Place) -> Flow {
        let word = |at: usize| args.get(at).and_then(Arg::text).unwrap_or("");
        match (word(0), args) {
            ("configfile", [_, file]) => {
                self.use_file("cv configfile", Role::Colvars, Purpose::Colvars, file);
            }
            ("load", [_, file]) => self.use_file("cv load", Role::State, Purpose::State, file),
            ("bias", [_, _, what, file]) if what.text() == Some("load") => {
                self.use_file("cv bias load", Role::State, Purpose::State, file);
            }
            ("save", [_, file]) => self.writes("cv save", Some(file), WrittenKind::ColvarsState, place),
            ("bias", [_, _, what, file]) if what.text() == Some("save") => {
                self.writes("cv bias save", Some(file), WrittenKind::ColvarsState, place);
            }
            ("config", [_, config]) => {
                if let Value::Known { text, .. } = &config.value {
                    let text = Rc::clone(text);
                    self.charge(text.len())?;
                    let code = config.value.code();
                    self.colvars_names(&text, |span| match code {
                        // Word for word in the file only where nothing was joined.
                        Some(code) if code.span.end - code.span.start == text.len() => {
                            Place { file: code.file, span: Span::new(code.span.start + span.start, code.span.start + span.end) }
                        }
                        _ => config.place,
                    });
                }
            }
            _ => {}
        }
        Ok(self.unknown("`cv` is worked out by NAMD"))
    }

    fn do_isset(&mut self, name: &str, args: &[Arg], place: Place) -> Flow {
        let [keyword] = args else { return self.usage(place, &format!("{name} keyword")) };
        let keyword = super::known!(self, std::slice::from_ref(keyword)).concat().to_ascii_lowercase();
        let value = self.world.settings.get(&keyword).cloned();
        let sure = self.world.started == Tri::No && self.world.open.is_none();
        match (value, name) {
            (Some(Value::Unknown(why)), _) => Ok(self.because(&why)),
            (Some(Value::Known { text, .. }), "istrue") => Ok(match keywords::read_bool(&text) {
                Some(yes) => Value::truth(yes),
                None => self.unknown("it is not a boolean"),
            }),
            (Some(_), _) => Ok(Value::truth(true)),
            (None, "isset") if sure => Ok(Value::truth(false)),
            (None, _) => Ok(self.unknown(format!("`{keyword}` is not set in the files read here"))),
        }
    }

    fn reload_structure(&mut self, args: &[Arg]) {
        match args {
            [structure] => self.use_file("structure", Role::Structure, Purpose::Read, structure),
            [structure, _, coordinates] => {
                self.use_file("structure", Role::Structure, Purpose::Read, structure);
                self.use_file("structure … pdb", Role::Coordinates, Purpose::Read, coordinates);
            }
            _ => {}
        }
    }

    // ── keywords ──

    /// A command that is neither Tcl's nor NAMD's: a keyword with its value.
    pub(super) fn keyword(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some(head) = args.first() else { return Ok(Value::empty()) };
        if self.aside > 0 {
            return Ok(self.unknown("it is worked out by NAMD"));
        }
        let form = KeywordForm::read(args);
        if form.name.is_empty() {
            return self.fail(Kind::Syntax, place, "error parsing config file: a keyword is missing before \"=\"");
        }
        let lower = form.name.to_ascii_lowercase();
        let known = keywords::find(&lower);
        if form.value.pattern().is_empty() {
            return self.read_keyword(&form.name, &lower, known, head.place);
        }
        let late = self.world.started == Tri::Yes;
        if late {
            if let Some(flow) = self.check_late(args, &lower, known, head.place, place) {
                return flow;
            }
        }
        if known.is_none() {
            self.unknown_keyword(&form, args, head.place);
        }
        self.record(form, &lower, known, head.place, late);
        Ok(Value::empty())
    }

    fn record(&mut self, form: KeywordForm, lower: &str, keyword: Option<&'static Keyword>, name_place: Place, late: bool) {
        let settings = Rc::make_mut(&mut self.world.settings);
        if late {
            settings.insert(lower.to_owned(), form.value.clone());
        } else {
            settings.entry(lower.to_owned()).or_insert_with(|| form.value.clone());
        }
        if late && matches!(lower, "firsttimestep" | "numsteps") {
            if lower == "firsttimestep" {
                self.world.step = form.value.text().and_then(number::parse_int);
            }
        }
        if self.quiet > 0 {
            return;
        }
        if let Some(Keyword { names: Names::Input(role, kind), .. }) = keyword {
            if !late || lower == "accelmdgrestartfile" {
                self.keyword_input(&form, keyword, *role, *kind, late);
            }
        }
        let spot = form.spot(0, form.value.pattern().len());
        self.trace.settings.push(Setting {
            name: lower.to_owned(),
            keyword,
            value: form.value,
            name_place,
            value_place: form.place,
            certain: self.maybe == 0,
            late,
            base: if late { self.here() } else { Base::Startup },
            spot,
        });
    }

    fn keyword_input(&mut self, form: &KeywordForm, keyword: Option<&'static Keyword>, role: Role, kind: Form, late: bool) {
        let Some(keyword) = keyword else { return };
        let shown = form.value.pattern();
        if kind == Form::Inline && shown.contains('\n') {
            self.trace.asides.push(Aside::Text(form.value.clone(), form.place));
            return;
        }
        // `tag path`: the path begins behind the tag.
        let skip = match kind {
            Form::Tagged => {
                let tag = shown.find(is_space).unwrap_or(0);
                shown.len() - shown.get(tag..).unwrap_or("").trim_start_matches(is_space).len()
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
        if kind == Form::Inline {
            if let Ok(path) = &path {
                self.trace.asides.push(Aside::File(path.clone(), base.clone()));
            }
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
    fn read_keyword(&mut self, name: &str, lower: &str, known: Option<&'static Keyword>, place: Place) -> Flow {
        if let Some(value) = self.world.settings.get(lower) {
            let value = value.clone();
            if self.world.started == Tri::No || value.text().is_none() {
                return Ok(value);
            }
            // NAMD prints numbers and booleans its own way after startup.
            return Ok(match known.map(|keyword| keyword.kind) {
                Some(keywords::Kind::Text | keywords::Kind::Int) if lower != "firsttimestep" && lower != "numsteps" => value,
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
        let message = format!("tried before startup to read config file parameter that was not set. {hint}");
        self.fail(Kind::ReadBeforeSet, place, message)
    }

    /// What NAMD does not accept once it has started; an answer if the command has no effect.
    fn check_late(&mut self, args: &[Arg], lower: &str, known: Option<&'static Keyword>, name_place: Place, place: Place) -> Option<Flow> {
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
        match known {
            Some(keyword) => {
                let message = format!(
                    "`{}` cannot be changed after NAMD has started (NAMD 3.0: \"Setting parameter {} from \
                     script failed!\"). Set it above the first `run`, `minimize` or other command of NAMD.",
                    keyword.name, keyword.name
                );
                self.say(Severity::Warning, Kind::NotSettable, name_place, message);
            }
            None => self.unknown_keyword(&KeywordForm::read(args), args, name_place),
        }
        Some(Ok(Value::empty()))
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
        let hint = if matches!(lower.as_str(), "run" | "minimize" | "set" | "source" | "if" | "proc" | "foreach" | "puts" | "print") {
            format!("Tcl's and NAMD's commands are written in lower case: `{lower}`.")
        } else if let Some(close) = keywords::closest(&form.name) {
            format!("Did you mean `{close}`?")
        } else {
            "It may belong to another version of NAMD, or be a procedure that no file here defines.".into()
        };
        let message = format!("`{}` is not a keyword of NAMD 3.0, and NAMD refuses what it does not know. {hint}", form.name);
        self.say(Severity::Warning, Kind::UnknownKeyword, place, message);
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

    // ── scripts and Colvars configurations ──

    /// Looks through the scripts that NAMD runs beside the configuration, and
    /// through the Colvars configurations, for further files.
    pub(super) fn run_asides(&mut self, place: Place) {
        let startup = self.trace.startup.clone().flatten();
        let mut at = 0;
        while let Some(input) = self.trace.inputs.get(at).cloned() {
            at += 1;
            if input.purpose == Purpose::Colvars {
                self.read_colvars(&input, startup.as_deref());
            }
        }
        let mut at = 0;
        while let Some(aside) = self.trace.asides.get(at).cloned() {
            at += 1;
            self.aside += 1;
            self.maybe += 1;
            let _ = match aside {
                Aside::Text(value, place) => self.run_value(&value, place),
                Aside::File(path, base) => self.run_aside_file(&path, &base, startup.as_deref(), place),
            };
            self.aside -= 1;
            self.maybe -= 1;
        }
    }

    fn from_base(path: &str, base: &Base, startup: Option<&str>) -> Option<String> {
        let directory = match base {
            Base::Startup => startup,
            Base::Directory(directory) => directory.as_deref(),
        };
        directory.map(|directory| paths::join(directory, path))
    }

    fn run_aside_file(&mut self, path: &str, base: &Base, startup: Option<&str>, place: Place) -> Flow {
        let Some(path) = Self::from_base(path, base, startup) else { return Ok(Value::empty()) };
        match self.load(&path, Want::SCRIPT) {
            Loaded::File(file) => {
                let end = self.files.get(file).map_or(0, |source| source.script_end());
                self.sourcing.push(path);
                let flow = self.run_value(
                    &Value::Known { text: Rc::from(""), code: Some(Place { file, span: Span::new(0, end) }) },
                    place,
                );
                self.sourcing.pop();
                flow
            }
            _ => Ok(Value::empty()),
        }
    }

    fn read_colvars(&mut self, input: &InputUse, startup: Option<&str>) {
        let Ok(path) = &input.path else { return };
        let Some(path) = Self::from_base(path, &input.base, startup) else { return };
        if input.produced {
            return;
        }
        let Loaded::File(file) = self.load(&path, Want::SCRIPT) else { return };
        let Some(source) = self.files.get(file).cloned() else { return };
        if self.charge(source.text().len()).is_err() {
            return;
        }
        let before = self.trace.inputs.len();
        self.colvars_names(source.text(), |span| Place { file, span });
        for added in self.trace.inputs.get_mut(before..).unwrap_or_default() {
            added.certain &= input.certain;
            added.base = input.base.clone();
            added.after_run = input.after_run;
            added.parent = input.parent;
        }
    }

    /// Notes the files that a Colvars configuration names.
    fn colvars_names(&mut self, text: &str, place: impl Fn(Span) -> Place) {
        let read = colvars::read(text);
        for error in read.errors {
            let message = format!(
                "Colvars cannot read this: {}. NAMD stops with \"Error in the collective variables module\".",
                error.what
            );
            self.say(Severity::Error, Kind::Syntax, place(error.at), message);
        }
        if self.quiet > 0 {
            return;
        }
        for named in read.files {
            let place = place(named.span);
            let spot = Spot { path: place.span, word: place.span, quote: tcl::Quote::Bare };
            let base = if self.world.started == Tri::Yes { self.here() } else { Base::Startup };
            if named.kind == colvars::Kind::Script {
                self.trace.asides.push(Aside::File(named.path.clone(), base.clone()));
            }
            self.trace.use_file(InputUse {
                keyword: format!("colvars {}", named.keyword),
                role: if named.kind == colvars::Kind::Script { Role::Script } else { Role::Colvars },
                value: named.path.clone(),
                path: Ok(named.path),
                base,
                purpose: Purpose::Read,
                place,
                spot: Some(spot),
                certain: self.maybe == 0,
                after_run: self.world.ran != Tri::No,
                produced: false,
                parent: None,
            });
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
        let end = args.iter().skip(1).position(|arg| arg.value.pattern().starts_with('#'));
        let words = args.get(1..end.map_or(args.len(), |end| end + 1)).unwrap_or_default();
        let mut parts: Vec<(Value, &Arg, usize)> = Vec::new();
        if let (Some(tail), Some(head)) = (tail.take(), args.first()) {
            if !tail.is_empty() {
                parts.push((Value::known(tail), head, name.len() + 1));
            }
        }
        let equals = parts.is_empty() && !head.contains('=');
        for (at, arg) in words.iter().enumerate() {
            match arg.text().and_then(|text| text.strip_prefix('=')).filter(|_| equals && at == 0) {
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
                    word: if *skip == 0 { arg.place.span } else { Span::new(start, start + len) },
                    quote: literal.quote,
                };
                pieces.push((length, len, spot));
            }
            length += len;
            values.push(value.clone());
        }
        let place = match (parts.first(), parts.last(), args.first()) {
            (Some((_, first, skip)), Some((_, last, _)), _) if first.place.file == last.place.file => Place {
                file: first.place.file,
                span: Span::new(first.place.span.start + skip, last.place.span.end),
            },
            (_, _, Some(head)) => head.place,
            _ => Place { file: 0, span: Span::default() },
        };
        let value = if values.is_empty() { Value::empty() } else { concatenate(&values) };
        Self { name: name.to_owned(), value, place, pieces }
    }

    /// Where `value[start..end]` is written, if it is written in one word.
    fn spot(&self, start: usize, end: usize) -> Option<Spot> {
        let (at, _, spot) = self.pieces.iter().find(|(at, len, _)| *at <= start && end <= at + len)?;
        let from = spot.path.start + (start - at);
        Some(Spot { path: Span::new(from, from + (end - start)), ..*spot })
    }
}

impl Why {
    /// Whether the value is known up to what it leads to.
    pub(in crate::namd) fn leads_somewhere(&self) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| !pattern.contains('*'))
    }
}
