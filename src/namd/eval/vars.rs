//! Variables: frames, arrays, links, namespaces, and what is left of them when
//! two ways through the script meet.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::super::tcl::split_element;
use super::value::{Value, Why};

/// One variable.
#[derive(Debug, Clone)]
pub(super) enum Var {
    /// An ordinary one.
    Scalar(Value),
    /// An array; `open` if elements may exist that are not listed.
    Array {
        /// The known elements.
        elements: Rc<Elements>,
        /// Why further elements may exist or listed ones may differ.
        open: Option<Rc<Why>>,
    },
    /// Another name for a variable of another frame.
    Link(usize, Rc<str>),
    /// It may or may not exist, on account of a branch.
    Perhaps(Rc<Why>),
}

/// The variables of one level of procedure calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    vars: HashMap<String, Var>,
}

/// The elements of an array by name.
pub(super) type Elements = BTreeMap<String, Value>;

/// What reading a variable gives.
pub(super) enum Read {
    /// Its value.
    Value(Value),
    /// It may not exist.
    Perhaps(Rc<Why>),
    /// It certainly does not exist.
    Missing,
    /// It exists but is an array where a scalar is read, or the other way round.
    WrongKind,
}

/// All frames; the first holds the global variables, namespaces' ones by full name.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    frames: Vec<Rc<Frame>>,
}

/// Where names are looked up: a frame and a namespace.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// Index of the frame; 0 is global.
    pub frame: usize,
    /// Namespace without leading colons; empty for the global one.
    pub namespace: Rc<str>,
}

impl Frames {
    /// Only the global frame.
    pub(super) fn new() -> Self {
        Self {
            frames: vec![Rc::default()],
        }
    }

    /// Opens a frame for a procedure; gives its index.
    pub(super) fn push(&mut self) -> usize {
        self.frames.push(Rc::default());
        self.frames.len() - 1
    }

    /// Drops the frames from `index` on.
    pub(super) fn truncate(&mut self, index: usize) {
        self.frames.truncate(index.max(1));
    }

    /// Number of frames.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    fn get(&self, frame: usize, name: &str) -> Option<&Var> {
        self.frames.get(frame)?.vars.get(name)
    }

    fn frame_mut(&mut self, frame: usize) -> Option<&mut Frame> {
        self.frames.get_mut(frame).map(Rc::make_mut)
    }

    /// The frame and full name a name stands for, links followed.
    pub(super) fn resolve(&self, scope: &Scope, name: &str) -> (usize, Rc<str>) {
        let (mut frame, mut key): (usize, Rc<str>) = if let Some(full) = name.strip_prefix("::") {
            (0, Rc::from(full.trim_start_matches(':')))
        } else if scope.frame > 0 && !name.contains("::") {
            (scope.frame, Rc::from(name))
        } else if scope.namespace.is_empty() {
            (0, Rc::from(name))
        } else {
            let inner: Rc<str> = Rc::from(format!("{}::{name}", scope.namespace));
            let outer = self.get(0, &inner).is_none() && self.get(0, name).is_some();
            (0, if outer { Rc::from(name) } else { inner })
        };
        for _ in 0..32 {
            match self.get(frame, &key) {
                Some(Var::Link(to, name)) => {
                    frame = *to;
                    key = Rc::clone(name);
                }
                _ => break,
            }
        }
        (frame, key)
    }

    /// Reads `name` or its element `index`.
    pub(super) fn read(&self, scope: &Scope, name: &str, index: Option<&str>) -> Read {
        let (frame, key) = self.resolve(scope, name);
        // A link may lead to an array's element.
        if index.is_none()
            && let Some((array, element)) = split_element(&key)
        {
            return self.read_at(frame, array, Some(element));
        }
        self.read_at(frame, &key, index)
    }

    fn read_at(&self, frame: usize, key: &str, index: Option<&str>) -> Read {
        match (self.get(frame, key), index) {
            (None, _) => Read::Missing,
            (Some(Var::Perhaps(why)), _) => Read::Perhaps(Rc::clone(why)),
            (Some(Var::Scalar(value)), None) => Read::Value(value.clone()),
            (Some(Var::Array { elements, open }), Some(index)) => {
                match (elements.get(index), open) {
                    (Some(value), _) => Read::Value(value.clone()),
                    (None, Some(why)) => Read::Perhaps(Rc::clone(why)),
                    (None, None) => Read::Missing,
                }
            }
            _ => Read::WrongKind,
        }
    }

    /// The elements of an array, and why the list may be incomplete.
    pub(super) fn array(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Option<(Rc<Elements>, Option<Rc<Why>>)> {
        let (frame, key) = self.resolve(scope, name);
        match self.get(frame, &key) {
            Some(Var::Array { elements, open }) => Some((Rc::clone(elements), open.clone())),
            Some(Var::Perhaps(why)) => Some((Rc::default(), Some(Rc::clone(why)))),
            _ => None,
        }
    }

    /// Sets `name` or its element `index`. False if the kinds do not fit.
    pub(super) fn write(
        &mut self,
        scope: &Scope,
        name: &str,
        index: Option<&str>,
        value: Value,
    ) -> bool {
        let (frame, key) = self.resolve(scope, name);
        let (key, index) = match (index, split_element(&key)) {
            (None, Some((array, element))) => (Rc::from(array), Some(element.to_owned())),
            _ => (key, index.map(str::to_owned)),
        };
        let Some(frame) = self.frame_mut(frame) else {
            return false;
        };
        match (frame.vars.get_mut(&*key), index) {
            (Some(Var::Array { .. }), None) | (Some(Var::Scalar(_)), Some(_)) => false,
            (_, None) => {
                frame.vars.insert(key.to_string(), Var::Scalar(value));
                true
            }
            (Some(Var::Array { elements, .. }), Some(index)) => {
                Rc::make_mut(elements).insert(index, value);
                true
            }
            (other, Some(index)) => {
                let open = match other {
                    Some(Var::Perhaps(why)) => Some(Rc::clone(why)),
                    _ => None,
                };
                let elements = Rc::new(Elements::from([(index, value)]));
                frame
                    .vars
                    .insert(key.to_string(), Var::Array { elements, open });
                true
            }
        }
    }

    /// Marks an array as having elements that are not known.
    pub(super) fn open_array(&mut self, scope: &Scope, name: &str, why: &Rc<Why>) {
        let (frame, key) = self.resolve(scope, name);
        let Some(frame) = self.frame_mut(frame) else {
            return;
        };
        // What is listed may have been overwritten too.
        let var = Var::Array {
            elements: Rc::default(),
            open: Some(Rc::clone(why)),
        };
        frame.vars.insert(key.to_string(), var);
    }

    /// Makes an array exist, empty if it is new.
    pub(super) fn make_array(&mut self, scope: &Scope, name: &str) -> bool {
        let (frame, key) = self.resolve(scope, name);
        let Some(frame) = self.frame_mut(frame) else {
            return false;
        };
        let entry = frame
            .vars
            .entry(key.to_string())
            .or_insert_with(|| Var::Array {
                elements: Rc::default(),
                open: None,
            });
        matches!(entry, Var::Array { .. })
    }

    /// Makes `name` in `scope` another name for `target` of frame `to`.
    pub(super) fn link(&mut self, scope: &Scope, name: &str, to: usize, target: &str) {
        if to == scope.frame && name == target {
            return;
        }
        if let Some(frame) = self.frame_mut(scope.frame) {
            frame
                .vars
                .insert(name.to_owned(), Var::Link(to, Rc::from(target)));
        }
    }

    /// Removes a variable or an element; false if there was none.
    pub(super) fn unset(&mut self, scope: &Scope, name: &str, index: Option<&str>) -> bool {
        let (frame, key) = self.resolve(scope, name);
        let Some(frame) = self.frame_mut(frame) else {
            return false;
        };
        match index {
            None => frame.vars.remove(&*key).is_some(),
            Some(index) => match frame.vars.get_mut(&*key) {
                Some(Var::Array { elements, .. }) => Rc::make_mut(elements).remove(index).is_some(),
                _ => false,
            },
        }
    }

    /// Names of the variables seen from `scope`, sorted.
    pub(super) fn names(&self, scope: &Scope) -> Vec<String> {
        let mut names: Vec<String> = self
            .frames
            .get(scope.frame)
            .map(|f| f.vars.keys().cloned().collect())
            .unwrap_or_default();
        names.sort();
        names
    }

    /// How much there is to compare, for the budget.
    pub(super) fn weight(&self, other: &Self) -> usize {
        self.frames
            .iter()
            .zip(&other.frames)
            .filter(|(a, b)| !Rc::ptr_eq(a, b))
            .map(|(a, b)| a.vars.len() + b.vars.len())
            .sum()
    }

    /// What is certain whichever of the two ways was taken.
    pub(super) fn merge(&self, other: &Self, why: &Rc<Why>) -> Self {
        let frames = self
            .frames
            .iter()
            .zip(&other.frames)
            .map(|(a, b)| {
                if Rc::ptr_eq(a, b) {
                    Rc::clone(a)
                } else {
                    Rc::new(a.merge(b, why))
                }
            })
            .collect();
        Self { frames }
    }
}

impl Frame {
    pub(super) fn merge(&self, other: &Self, why: &Rc<Why>) -> Self {
        let mut vars = HashMap::with_capacity(self.vars.len());
        for (name, var) in &self.vars {
            let merged = match other.vars.get(name) {
                Some(twin) => var.merge(twin, why),
                None => Var::Perhaps(Rc::clone(why)),
            };
            vars.insert(name.clone(), merged);
        }
        for name in other.vars.keys() {
            vars.entry(name.clone())
                .or_insert_with(|| Var::Perhaps(Rc::clone(why)));
        }
        Self { vars }
    }
}

impl Var {
    pub(super) fn merge(&self, other: &Self, why: &Rc<Why>) -> Self {
        match (self, other) {
            (Self::Scalar(a), Self::Scalar(b)) if a.same(b) => self.clone(),
            (Self::Scalar(_), Self::Scalar(_)) => Self::Scalar(Value::Unknown(Rc::clone(why))),
            (Self::Link(frame, name), Self::Link(twin, twin_name))
                if frame == twin && name == twin_name =>
            {
                self.clone()
            }
            (
                Self::Array {
                    elements: a,
                    open: None,
                },
                Self::Array {
                    elements: b,
                    open: None,
                },
            ) if a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|(x, y)| x.0 == y.0 && x.1.same(y.1)) =>
            {
                self.clone()
            }
            (Self::Array { elements: a, .. }, Self::Array { elements: b, .. }) => {
                let kept = a
                    .iter()
                    .filter(|(name, value)| b.get(*name).is_some_and(|twin| twin.same(value)))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                Self::Array {
                    elements: Rc::new(kept),
                    open: Some(Rc::clone(why)),
                }
            }
            _ => Self::Perhaps(Rc::clone(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global() -> Scope {
        Scope {
            frame: 0,
            namespace: Rc::from(""),
        }
    }

    fn text(frames: &Frames, scope: &Scope, name: &str) -> Option<String> {
        match frames.read(scope, name, None) {
            Read::Value(value) => value.text().map(str::to_owned),
            _ => None,
        }
    }

    #[test]
    fn namespaces_prefer_their_own_then_the_global_variable() {
        let mut frames = Frames::new();
        let inside = Scope {
            frame: 0,
            namespace: Rc::from("n"),
        };
        frames.write(&global(), "a", None, Value::known("global"));
        assert_eq!(text(&frames, &inside, "a").as_deref(), Some("global"));
        frames.write(&inside, "b", None, Value::known("own"));
        assert_eq!(text(&frames, &global(), "::n::b").as_deref(), Some("own"));
        assert_eq!(text(&frames, &global(), "b"), None);
    }

    #[test]
    fn links_lead_to_other_frames_and_to_elements() {
        let mut frames = Frames::new();
        frames.write(&global(), "a", Some("x"), Value::known("1"));
        let scope = Scope {
            frame: frames.push(),
            namespace: Rc::from(""),
        };
        frames.link(&scope, "mine", 0, "a(x)");
        assert_eq!(text(&frames, &scope, "mine").as_deref(), Some("1"));
        frames.write(&scope, "mine", None, Value::known("2"));
        assert!(
            matches!(frames.read(&global(), "a", Some("x")), Read::Value(v) if v.text() == Some("2"))
        );
    }

    #[test]
    fn where_two_ways_meet_only_what_agrees_is_known() {
        let mut one = Frames::new();
        one.write(&global(), "same", None, Value::known("1"));
        let mut two = one.clone();
        one.write(&global(), "differs", None, Value::known("a"));
        two.write(&global(), "differs", None, Value::known("b"));
        one.write(&global(), "once", None, Value::known("x"));
        let why = Rc::new(Why {
            reason: "r".into(),
            pattern: None,
            failed: false,
        });
        let met = one.merge(&two, &why);
        assert_eq!(text(&met, &global(), "same").as_deref(), Some("1"));
        assert!(matches!(
            met.read(&global(), "differs", None),
            Read::Value(Value::Unknown(_))
        ));
        assert!(matches!(
            met.read(&global(), "once", None),
            Read::Perhaps(_)
        ));
    }
}
