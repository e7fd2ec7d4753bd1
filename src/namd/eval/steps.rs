//! Startup, `run` and `minimize`: when keywords take effect and which steps are run.

use std::rc::Rc;

use super::super::finding::{Code as Kind, Severity};
use super::super::paths;
use super::super::tcl::number;
use super::trace::Stretch;
use super::value::{Arg, Value};
use super::{Flow, KEPT, Machine, Place, Stop, Tri};

/// NAMD's default for `stepspercycle`.
const STEPS_PER_CYCLE: i128 = 20;

impl Machine<'_> {
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
        if self.quiet == 0 && !self.trace.started {
            self.trace.started = true;
            self.trace.startup.clone_from(&self.world.directory);
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
        // GPU-resident runs may tune it.
        let tuned = ["gpuresident", "cudasoaintegrate"]
            .iter()
            .any(|name| self.world.settings.contains_key(*name));
        (self.world.open.is_none() && !tuned).then_some(STEPS_PER_CYCLE)
    }

    fn check_first_step(&mut self) {
        let (Some(first), Some(cycle)) =
            (self.setting_int("firsttimestep"), self.steps_per_cycle())
        else {
            return;
        };
        if first % cycle != 0 {
            let place = self
                .trace
                .settings
                .iter()
                .find(|s| s.name == "firsttimestep")
                .map(|s| s.value_place);
            let message = format!(
                "firsttimestep is {first}, which is not a multiple of stepspercycle ({cycle}); NAMD stops at \
                 startup. Use a multiple, or 0."
            );
            self.say(
                Severity::Error,
                Kind::StepsNotMultiple,
                place.unwrap_or(self.here),
                message,
            );
        }
    }

    pub(super) fn do_run(&mut self, args: &[Arg], place: Place) -> Flow {
        let steps = match args {
            [] => {
                let message = "too few args: `run` needs the number of steps";
                return self.fail(Kind::WrongArguments, place, message);
            }
            [steps] => steps,
            [word, steps] if word.text() == Some("norepeat") || word.text().is_none() => steps,
            [_, word, ..] => {
                let comment = args.iter().any(|arg| arg.value.pattern().starts_with('#'));
                let hint = if comment {
                    "A comment behind a command needs a semicolon: `run 100 ;# text`."
                } else {
                    "It is `run STEPS` or `run norepeat STEPS`."
                };
                let place = if comment { place } else { word.place };
                return self.fail(
                    Kind::WrongArguments,
                    place,
                    format!("too many args for `run`. {hint}"),
                );
            }
        };
        let steps = self.count_steps("run", steps)?;
        self.stretch(false, steps, place)
    }

    pub(super) fn do_minimize(&mut self, args: &[Arg], place: Place) -> Flow {
        let [steps] = args else {
            let comment = args.iter().any(|arg| arg.value.pattern().starts_with('#'));
            let hint = if comment {
                "A comment behind a command needs a semicolon: `minimize 100 ;# text`."
            } else {
                "It is `minimize STEPS`."
            };
            return self.fail(
                Kind::WrongArguments,
                place,
                format!("wrong # args for `minimize`. {hint}"),
            );
        };
        let steps = self.count_steps("minimize", steps)?;
        self.stretch(true, steps, place)
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
            let message = format!("expected integer but got \"{text}\"");
            let hint = format!(
                "`{command}` takes a whole number of steps. Use int(…) round a computed one."
            );
            self.fail_with(Kind::WrongArguments, arg.place, message, &hint)?;
            return Ok(None);
        };
        if steps < 0 {
            let message = "number of steps must be non-negative";
            self.fail_with(
                Kind::WrongArguments,
                arg.place,
                message,
                &format!("This is {steps}."),
            )?;
            return Ok(None);
        }
        if let Some(cycle) = self.steps_per_cycle().filter(|cycle| steps % cycle != 0) {
            let hint = format!(
                "{steps} is not a multiple of {cycle}, and NAMD stops here. Use {} or {}, or set \
                 stepspercycle.",
                steps - steps % cycle,
                (steps - steps % cycle).saturating_add(cycle)
            );
            let message = "number of steps must be a multiple of stepsPerCycle";
            self.fail_with(Kind::StepsNotMultiple, arg.place, message, &hint)?;
        } else if let (Some(at), Some(cycle)) = (self.world.step, self.steps_per_cycle())
            && steps > 0
            && at % cycle != 0
            && self.world.ran == Tri::Yes
        {
            let message = format!(
                "the simulation is at step {at} here, which is not a multiple of stepspercycle ({cycle})"
            );
            self.fail(Kind::StepsNotMultiple, arg.place, message)?;
        }
        Ok(Some(steps))
    }

    fn stretch(&mut self, minimize: bool, steps: Option<i128>, place: Place) -> Flow {
        self.charge(KEPT / 2)?;
        if self.quiet == 0 && self.aside == 0 {
            self.trace.stretches.push(Stretch {
                minimize,
                steps,
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
        // The callback gets names and values of the energies; what it sets is set by now.
        if let Some(callback) = self.world.callback.clone() {
            let name = Arg::made(Value::known(callback), place);
            let energies = self.unknown("it is what NAMD hands to a callback");
            let energies = Arg::made(energies, place);
            self.call(&[name, energies.clone(), energies], place)?;
        }
        Ok(Value::empty())
    }
}
