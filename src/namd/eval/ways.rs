//! Ways a script may go when a condition is not known: each is followed from
//! the same beginning, and what agrees on all of them stays known.

use std::rc::Rc;

use super::value::{Arg, Value, Why};
use super::world::World;
use super::{Flow, Machine, Place, Stop};

/// One way a script may go.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    Run(&'a Arg),
    Nothing,
}

impl Machine<'_> {
    /// Why what follows a branch is not known.
    pub(super) fn branch_reason(&self, place: Place, why: &Rc<Why>) -> Rc<Why> {
        if why.failed || why.reason.starts_with("it depends on") {
            return Rc::clone(why);
        }
        let at = self
            .files
            .get(place.file)
            .map_or_else(String::new, |source| {
                format!(
                    "{}:{}",
                    source.path(),
                    source.position(place.span.start).line + 1
                )
            });
        let reason = format!("it depends on a condition at {at}, and {}", why.reason);
        Rc::new(Why {
            reason,
            pattern: None,
            failed: false,
        })
    }

    pub(super) fn merge(
        &mut self,
        world: World,
        other: &World,
        why: &Rc<Why>,
    ) -> Result<World, Stop> {
        self.charge(20 * world.weight(other))?;
        Ok(world.merge(other, why))
    }

    /// Follows every way a script may go, each from the same beginning.
    pub(super) fn branches(&mut self, ways: &[Way<'_>], why: &Rc<Why>) -> Flow {
        let before = self.world.clone();
        let mut merged: Option<World> = None;
        let mut ended = None;
        self.maybe += 1;
        for way in ways {
            self.world = before.clone();
            let flow = match way {
                Way::Run(body) => self.run_value(&body.value, body.place),
                Way::Nothing => Ok(Value::empty()),
            };
            match flow {
                Ok(_) => {
                    let world = self.world.clone();
                    merged = Some(match merged {
                        Some(other) => self.merge(other, &world, why)?,
                        None => world,
                    });
                }
                Err(Stop::Budget) => return Err(Stop::Budget),
                Err(stop) => {
                    self.way_ended(&stop, why)?;
                    ended = Some(match (ended, stop) {
                        (Some(Stop::Return(_)), _) | (_, Stop::Return(_)) => {
                            Stop::Return(Value::Unknown(Rc::clone(why)))
                        }
                        (_, stop) => stop,
                    });
                }
            }
        }
        self.maybe -= 1;
        match (merged, ended) {
            (Some(world), _) => {
                self.world = world;
                Ok(self.because(why))
            }
            (None, Some(stop)) => Err(stop),
            (None, None) => Ok(Value::empty()),
        }
    }

    /// Keeps what is so when one way has left the procedure or the round.
    pub(super) fn way_ended(&mut self, stop: &Stop, why: &Rc<Why>) -> Result<(), Stop> {
        let world = self.world.clone();
        match stop {
            Stop::Return(_) => {
                self.left = Some(match self.left.take() {
                    Some(other) => self.merge(other, &world, why)?,
                    None => world,
                });
            }
            Stop::Break | Stop::Continue => {
                self.left_round.broke |= matches!(stop, Stop::Break);
                self.left_round.world = Some(match self.left_round.world.take() {
                    Some(other) => self.merge(other, &world, why)?,
                    None => world,
                });
            }
            Stop::Error(_) => self.unknowns += 1,
            Stop::Exit | Stop::Budget => {}
        }
        Ok(())
    }

    /// Runs something that may or may not be run.
    pub(super) fn perhaps(&mut self, run: impl FnOnce(&mut Self) -> Flow) -> Flow {
        let why = Rc::new(Why {
            reason: "it depends on a branch whose condition is not known beforehand".into(),
            pattern: None,
            failed: false,
        });
        let before = self.world.clone();
        self.maybe += 1;
        let flow = run(self);
        self.maybe -= 1;
        match flow {
            Ok(_) => {
                let world = self.world.clone();
                self.world = self.merge(world, &before, &why)?;
            }
            Err(Stop::Budget) => return Err(Stop::Budget),
            Err(stop) => {
                self.way_ended(&stop, &why)?;
                self.world = before;
            }
        }
        Ok(self.because(&why))
    }
}
