//! What NAMD checks about the keywords together, at startup: which are looked
//! at, set twice, missing, of the wrong kind, or contradict each other.
//!
//! Follows `ParseOptions::set` (a keyword counts only if its parent is on) and
//! the beginning of `SimParameters::check_config` of NAMD 3.0.

mod checks;
mod values;

use std::collections::HashMap;

use super::eval::Tri;
use super::eval::trace::{Setting, Trace};
use super::keywords::{self, Keyword, Kind};
pub(super) use checks::{Complaint, TOP};
use values::leading_number;

/// The keywords of a configuration as NAMD sees them at startup.
pub(super) struct Options<'t> {
    settings: HashMap<&'t str, Vec<&'t Setting>>,
    /// Keywords may be set in files that are not here.
    open: bool,
    cache: HashMap<&'static str, Tri>,
}

impl<'t> Options<'t> {
    /// Collects the keywords set before startup.
    pub(super) fn new(trace: &'t Trace) -> Self {
        let mut settings: HashMap<&str, Vec<&Setting>> = HashMap::new();
        for setting in trace.settings.iter().filter(|setting| !setting.late) {
            settings
                .entry(setting.name.as_str())
                .or_default()
                .push(setting);
        }
        let open = trace.open.is_some() || trace.exhausted;
        Self {
            settings,
            open,
            cache: HashMap::new(),
        }
    }

    fn given(&self, name: &str) -> &[&'t Setting] {
        self.settings
            .get(name.to_ascii_lowercase().as_str())
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The first setting of a keyword, which is the one NAMD uses, if it is certain.
    pub(super) fn first(&self, name: &str) -> Option<&'t Setting> {
        self.given(name)
            .first()
            .copied()
            .filter(|setting| setting.certain)
    }

    /// The string a keyword is certainly set to.
    pub(super) fn text(&self, name: &str) -> Option<&'t str> {
        self.first(name)?.value.text()
    }

    /// Whether a keyword is given a value.
    pub(super) fn is_set(&self, name: &str) -> Tri {
        match self.given(name) {
            [] if self.open => Tri::Maybe,
            [] => Tri::No,
            given if given.iter().any(|setting| setting.certain) => Tri::Yes,
            _ => Tri::Maybe,
        }
    }

    /// The number a keyword comes to, its default included.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.is_set(name) {
            Tri::Yes => leading_number(self.text(name)?).map(|(number, _)| number),
            Tri::No => keywords::find(name)?.default.parse().ok(),
            Tri::Maybe => None,
        }
    }

    /// The whole number a keyword comes to, its default included.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.is_set(name) {
            Tri::Yes => self.text(name)?.trim().parse().ok(),
            Tri::No => keywords::find(name)?.default.parse().ok(),
            Tri::Maybe => None,
        }
    }

    /// Whether a keyword counts as defined, so that its children are looked at.
    pub(super) fn defined(&mut self, keyword: &'static Keyword) -> Tri {
        if let Some(known) = self.cache.get(keyword.name) {
            return *known;
        }
        // Against a loop of parents, which the table does not have.
        self.cache.insert(keyword.name, Tri::No);
        let found = match self.active(keyword) {
            Tri::No => Tri::No,
            active => {
                let own = self.own(keyword);
                if own == Tri::Yes { active } else { own }
            }
        };
        self.cache.insert(keyword.name, found);
        found
    }

    /// Whether the keyword's parent is on.
    pub(super) fn active(&mut self, keyword: &'static Keyword) -> Tri {
        match keywords::find(keyword.parent) {
            None => Tri::Yes,
            Some(parent) => self.defined(parent),
        }
    }

    /// Whether the keyword is on by itself, its parent aside.
    fn own(&self, keyword: &'static Keyword) -> Tri {
        // A boolean with children counts as undefined when it is off.
        let switch =
            keyword.kind == Kind::Bool && keywords::children(keyword.name).next().is_some();
        let by_default = match (keyword.default, switch) {
            ("", _) | ("off", true) => Tri::No,
            _ => Tri::Yes,
        };
        let given = self.given(keyword.name);
        match given.first() {
            None if self.open && switch => Tri::Maybe,
            None => by_default,
            Some(first) if !first.certain => {
                if switch || by_default == Tri::No {
                    Tri::Maybe
                } else {
                    Tri::Yes
                }
            }
            Some(_) if !switch => Tri::Yes,
            Some(first) => match first.value.text().map(keywords::read_bool) {
                Some(Some(true)) => Tri::Yes,
                Some(Some(false)) => Tri::No,
                _ => Tri::Maybe,
            },
        }
    }

    /// Whether a switch is on, its parents included.
    pub(super) fn on(&mut self, name: &str) -> Tri {
        let Some(keyword) = keywords::find(name) else {
            return Tri::No;
        };
        match self.active(keyword) {
            Tri::No => return Tri::No,
            Tri::Maybe => return Tri::Maybe,
            Tri::Yes => {}
        }
        match self.given(name).first() {
            None if self.open => Tri::Maybe,
            None if keyword.default == "on" => Tri::Yes,
            None => Tri::No,
            Some(first) => match (first.certain, first.value.text().map(keywords::read_bool)) {
                (true, Some(Some(true))) => Tri::Yes,
                (true, Some(Some(false))) => Tri::No,
                _ => Tri::Maybe,
            },
        }
    }
}
