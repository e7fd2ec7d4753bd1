//! What running changes, and what is left certain where two ways meet.

use std::collections::HashMap;
use std::rc::Rc;

use super::value::{Value, Why};
use super::vars::Frames;
use super::{Place, Tri};

/// A procedure.
#[derive(Debug)]
pub(super) struct Proc {
    /// Name and default of each argument.
    pub(super) params: Vec<(String, Option<String>)>,
    pub(super) body: Value,
    /// Where it is defined; places of a body made at run time.
    pub(super) place: Place,
    pub(super) namespace: Rc<str>,
}

/// What a command's name stands for when it is not a command of Tcl or NAMD.
#[derive(Debug, Clone)]
pub(super) enum Binding {
    Proc(Rc<Proc>),
    /// A command of Tcl or NAMD under another name, by `rename`.
    Alias(Rc<str>),
    /// Removed, by `rename name {}`.
    Gone,
    /// Defined on some ways only.
    Perhaps(Rc<Proc>),
}

/// A file opened by the script.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    /// What is still to be read, if the content is known.
    pub(super) content: Option<(Rc<str>, usize)>,
    pub(super) why: Rc<Why>,
}

/// Everything that running changes and that branches may disagree on.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) frames: Frames,
    pub(super) bindings: Rc<HashMap<String, Binding>>,
    /// First value given to each keyword, by lower-case name.
    pub(super) settings: Rc<HashMap<String, Value>>,
    pub(super) channels: Rc<HashMap<String, Channel>>,
    /// Whether NAMD has finished its startup.
    pub(super) started: Tri,
    /// Whether steps have been run, so that output may be there.
    pub(super) ran: Tri,
    /// The procedure called after each run (`callback`).
    pub(super) callback: Option<Rc<str>>,
    /// The step the simulation is at, if known.
    pub(super) step: Option<i128>,
    /// The directory NAMD works in, relative to the configuration's or absolute.
    pub(super) directory: Option<String>,
    /// Why variables and commands may exist that were not seen.
    pub(super) open: Option<Rc<str>>,
}

impl World {
    /// How much there is to compare, for the budget.
    pub(super) fn weight(&self, other: &Self) -> usize {
        let settings = if Rc::ptr_eq(&self.settings, &other.settings) {
            0
        } else {
            self.settings.len() + other.settings.len()
        };
        let bindings = if Rc::ptr_eq(&self.bindings, &other.bindings) {
            0
        } else {
            self.bindings.len() + other.bindings.len()
        };
        self.frames.weight(&other.frames) + settings + bindings
    }

    /// What is certain whichever of the two ways was taken.
    pub(super) fn merge(self, other: &Self, why: &Rc<Why>) -> Self {
        Self {
            frames: self.frames.merge(&other.frames, why),
            bindings: merge_bindings(&self.bindings, &other.bindings),
            settings: merge_maps(&self.settings, &other.settings, |a, b| match b {
                Some(b) if a.same(b) => a.clone(),
                _ => Value::Unknown(Rc::clone(why)),
            }),
            channels: merge_maps(&self.channels, &other.channels, |a, b| match b {
                Some(b) if a.content == b.content => a.clone(),
                _ => Channel {
                    content: None,
                    why: Rc::clone(why),
                },
            }),
            started: if self.started == other.started {
                self.started
            } else {
                Tri::Maybe
            },
            ran: if self.ran == other.ran {
                self.ran
            } else {
                Tri::Maybe
            },
            callback: if self.callback == other.callback {
                self.callback
            } else {
                None
            },
            step: if self.step == other.step {
                self.step
            } else {
                None
            },
            directory: if self.directory == other.directory {
                self.directory
            } else {
                None
            },
            open: self.open.or_else(|| other.open.clone()),
        }
    }
}

type Map<T> = Rc<HashMap<String, T>>;

fn merge_maps<T: Clone>(a: &Map<T>, b: &Map<T>, pick: impl Fn(&T, Option<&T>) -> T) -> Map<T> {
    if Rc::ptr_eq(a, b) {
        return Rc::clone(a);
    }
    let mut merged: HashMap<String, T> = a
        .iter()
        .map(|(name, value)| (name.clone(), pick(value, b.get(name))))
        .collect();
    for (name, value) in b.iter() {
        if !a.contains_key(name) {
            merged.insert(name.clone(), pick(value, None));
        }
    }
    Rc::new(merged)
}

fn merge_bindings(a: &Map<Binding>, b: &Map<Binding>) -> Map<Binding> {
    merge_maps(a, b, |one, other| match (one, other) {
        (Binding::Proc(one), Some(Binding::Proc(other))) if Rc::ptr_eq(one, other) => {
            Binding::Proc(Rc::clone(one))
        }
        (Binding::Proc(procedure) | Binding::Perhaps(procedure), _) => {
            Binding::Perhaps(Rc::clone(procedure))
        }
        (other, _) => other.clone(),
    })
}
