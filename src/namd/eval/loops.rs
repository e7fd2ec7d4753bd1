//! Loops: followed round by round while their condition is known and there are
//! not too many; else one round stands for all.

use std::rc::Rc;

use super::super::finding::{Code as Kind, Severity};
use super::super::tcl::list;
use super::value::{Arg, Value, Why};
use super::world::World;
use super::{Flow, MAX_ROUNDS, Machine, Place, Stop, known};

/// What a branch that may have been taken did to the loop round it.
#[derive(Debug, Default)]
pub(super) struct LeftRound {
    pub(super) world: Option<World>,
    pub(super) broke: bool,
}

/// How one round of a loop ended.
enum Round {
    On,
    Broke,
    PerhapsBroke,
}

impl Machine<'_> {
    /// One round: the body, with what maybe-branches in it did to the loop.
    fn round(&mut self, body: &Arg) -> Result<Round, Stop> {
        let outer = std::mem::take(&mut self.left_round);
        let flow = self.run_value(&body.value, body.place);
        let left = std::mem::replace(&mut self.left_round, outer);
        let ended = match flow {
            Ok(_) | Err(Stop::Continue) => Round::On,
            Err(Stop::Break) => Round::Broke,
            Err(stop) => return Err(stop),
        };
        if let Some(world) = left.world {
            let why = Rc::new(Why {
                reason: "it depends on how often a loop is run".into(),
                pattern: None,
                failed: false,
            });
            let mine = self.world.clone();
            self.world = self.merge(mine, &world, &why)?;
        }
        Ok(if left.broke {
            Round::PerhapsBroke
        } else {
            ended
        })
    }

    pub(super) fn do_while(
        &mut self,
        test: &Arg,
        next: Option<&Arg>,
        body: &Arg,
        place: Place,
    ) -> Flow {
        for round in 0.. {
            let truth = self.condition(test)?;
            let unknown = match truth {
                Ok(false) => return Ok(Value::empty()),
                Ok(true) if round >= MAX_ROUNDS => {
                    self.too_many_rounds(place);
                    true
                }
                Ok(true) => match self.round(body)? {
                    Round::Broke => return Ok(Value::empty()),
                    Round::PerhapsBroke => true,
                    Round::On => {
                        if let Some(next) = next {
                            self.run_value(&next.value, next.place)?;
                        }
                        false
                    }
                },
                Err(_) => true,
            };
            if unknown {
                return self.unknown_rounds(place, |machine| {
                    machine.condition(test)?.ok();
                    machine.round(body)?;
                    if let Some(next) = next {
                        machine.run_value(&next.value, next.place)?;
                    }
                    Ok(())
                });
            }
        }
        Ok(Value::empty())
    }

    fn too_many_rounds(&mut self, place: Place) {
        let message = format!(
            "this loop runs more than {MAX_ROUNDS} rounds; how many steps the job takes is not \
             worked out beyond that"
        );
        self.say(Severity::Warning, Kind::BudgetExceeded, place, message);
    }

    /// A loop whose number of rounds is not known: what a round changes is no
    /// longer known, then one round stands for all.
    fn unknown_rounds(
        &mut self,
        place: Place,
        run: impl Fn(&mut Self) -> Result<(), Stop>,
    ) -> Flow {
        let at = self
            .files
            .get(place.file)
            .map_or(0, |s| s.position(place.span.start).line + 1);
        let why = Rc::new(Why {
            reason: format!(
                "it depends on how often the loop in line {at} is run, which is not known beforehand"
            ),
            pattern: None,
            failed: false,
        });
        self.maybe += 1;
        self.quiet += 1;
        let before = self.world.clone();
        let tried = run(self);
        self.quiet -= 1;
        if matches!(tried, Err(Stop::Budget)) {
            return Err(Stop::Budget);
        }
        let after = std::mem::replace(&mut self.world, before.clone());
        self.world = self.merge(before, &after, &why)?;
        let entry = self.world.clone();
        match run(self) {
            Err(Stop::Budget) => return Err(Stop::Budget),
            Err(stop @ Stop::Return(_)) => self.way_ended(&stop, &why)?,
            _ => {}
        }
        let world = self.world.clone();
        self.world = self.merge(entry, &world, &why)?;
        self.maybe -= 1;
        Ok(self.because(&why))
    }

    pub(super) fn do_foreach(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some((body, pairs)) = args.split_last() else {
            return self.usage(place, "foreach varList list ?varList list ...? command");
        };
        if pairs.is_empty() || pairs.len() % 2 != 0 {
            return self.usage(place, "foreach varList list ?varList list ...? command");
        }
        let mut plan: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        let mut unknown: Option<Rc<Why>> = None;
        for pair in pairs.chunks(2) {
            let [names, values] = pair else { continue };
            let names = known!(self, std::slice::from_ref(names)).concat();
            let names = list::split(&names).unwrap_or_default();
            if names.is_empty() {
                return self.fail(Kind::ScriptError, place, "foreach varlist is empty");
            }
            let values = match &values.value {
                Value::Unknown(why) => {
                    unknown.get_or_insert(Rc::clone(why));
                    Vec::new()
                }
                Value::Known { text, .. } => {
                    self.charge(text.len())?;
                    if let Some(values) = list::split(text) {
                        values
                    } else {
                        let message = "foreach is given something that is not a list";
                        return self.fail(Kind::ScriptError, values.place, message);
                    }
                }
            };
            plan.push((names, values));
        }
        let rounds = plan
            .iter()
            .map(|(names, values)| values.len().div_ceil(names.len()))
            .max();
        let rounds = rounds.unwrap_or(0);
        let mut broke = unknown.is_some();
        for round in 0..rounds {
            if broke || round >= MAX_ROUNDS {
                break;
            }
            for (names, values) in &plan {
                self.charge(20 * names.len())?;
                for (n, name) in names.iter().enumerate() {
                    let value = values
                        .get(round * names.len() + n)
                        .map_or("", String::as_str);
                    let name = Arg::made(Value::known(name.as_str()), place);
                    self.write_named(&name, Value::known(value), place)?;
                }
            }
            match self.round(body)? {
                Round::On => {}
                Round::Broke => return Ok(Value::empty()),
                Round::PerhapsBroke => broke = true,
            }
        }
        if rounds > MAX_ROUNDS {
            self.too_many_rounds(place);
        } else if !broke {
            return Ok(Value::empty());
        }
        let reason = unknown.unwrap_or_else(|| {
            Rc::new(Why {
                reason: "it depends on the round of a loop".into(),
                pattern: None,
                failed: false,
            })
        });
        self.unknown_rounds(place, |machine| {
            for (names, _) in &plan {
                for name in names {
                    let name = Arg::made(Value::known(name.as_str()), place);
                    machine.write_named(&name, Value::Unknown(Rc::clone(&reason)), place)?;
                }
            }
            machine.round(body).map(drop)
        })
    }
}
