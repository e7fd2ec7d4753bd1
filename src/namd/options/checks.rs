//! The complaints NAMD would have at startup.

use super::super::eval::trace::Setting;
use super::super::eval::{Place, Tri};
use super::super::finding::{Code, Severity};
use super::super::keywords::{self, Keyword, Kind};
use super::super::text::Span;
use super::Options;
use super::values::wrong_value;

impl<'t> Options<'t> {
    /// Reports what NAMD would complain about; `job` if the file runs something.
    pub(in crate::namd) fn check(&mut self, trace: &mut Vec<Complaint>, job: bool) {
        let mut order: Vec<(&str, Vec<&Setting>)> = self
            .settings
            .iter()
            .map(|(name, given)| (*name, given.clone()))
            .collect();
        order.sort_by_key(|(name, _)| *name);
        for (_, given) in &order {
            let Some(keyword) = given.first().and_then(|setting| setting.keyword) else {
                continue;
            };
            self.check_keyword(keyword, given, trace);
        }
        if job && !self.open {
            self.check_required(trace);
            self.check_together(trace);
        }
    }

    fn check_keyword(
        &mut self,
        keyword: &'static Keyword,
        given: &[&'t Setting],
        out: &mut Vec<Complaint>,
    ) {
        let Some(first) = given.first() else { return };
        match self.active(keyword) {
            Tri::No => {
                out.push(self.ignored(keyword, first));
                return;
            }
            Tri::Maybe => return,
            Tri::Yes => {}
        }
        let certain: Vec<&&Setting> = given.iter().filter(|setting| setting.certain).collect();
        if let ([first, second, ..], false) = (certain.as_slice(), keyword.multiple) {
            let message = format!(
                "`{}` is set twice, and NAMD stops with \"Multiple definitions\". Remove one of them.",
                keyword.name
            );
            let mut complaint =
                Complaint::error(Code::DuplicateKeyword, second.name_place, message);
            complaint.other = Some(first.name_place);
            out.push(complaint);
        }
        if let (true, Some(value)) = (first.certain, first.value.text())
            && let Some(problem) = wrong_value(keyword, value)
        {
            let message = format!("`{}` {problem}; NAMD stops at startup.", keyword.name);
            out.push(Complaint::error(
                Code::InvalidValue,
                first.value_place,
                message,
            ));
        }
    }

    /// A keyword without effect: worth a warning unless it was switched off on purpose.
    fn ignored(&self, keyword: &'static Keyword, setting: &Setting) -> Complaint {
        let switch = keywords::find(keyword.parent).is_some_and(|parent| parent.kind == Kind::Bool);
        let (severity, state) = match (self.is_set(keyword.parent), switch) {
            (Tri::Yes, _) => (Severity::Information, "is switched off"),
            (_, true) => (Severity::Warning, "is not on"),
            _ => (Severity::Warning, "is not set"),
        };
        let message = format!(
            "`{}` has no effect because `{}` {state}; NAMD says so and goes on.",
            keyword.name, keyword.parent
        );
        let (code, place) = (Code::IgnoredKeyword, setting.name_place);
        Complaint {
            severity,
            code,
            place,
            message,
            other: None,
        }
    }

    fn check_required(&mut self, out: &mut Vec<Complaint>) {
        for keyword in keywords::all() {
            let wanted =
                keyword.required && keyword.default.is_empty() && !keyword.build.starts_with("NOT");
            if !wanted || self.is_set(keyword.name) != Tri::No || self.active(keyword) != Tri::Yes {
                continue;
            }
            let (place, when) = match self.first(keyword.parent) {
                Some(parent) => (
                    parent.name_place,
                    format!(" when `{}` is set", keyword.parent),
                ),
                None => (TOP, String::new()),
            };
            let message = format!(
                "`{}` is a required configuration option{when}, and it is not set; NAMD stops at startup.",
                keyword.name
            );
            out.push(Complaint::error(Code::RequiredMissing, place, message));
        }
    }

    fn check_together(&mut self, out: &mut Vec<Complaint>) {
        let missing =
            |message: &str| Complaint::error(Code::RequiredMissing, TOP, message.to_owned());
        let force_field = (self.on("amber"), self.on("gromacs"));
        if force_field == (Tri::No, Tri::No) {
            for name in ["structure", "parameters", "coordinates"] {
                if self.is_set(name) == Tri::No && self.on("usePluginIO") != Tri::Yes {
                    let message = format!(
                        "`{name}` is not set, and NAMD stops with \"{name} not found in the configuration file!\"."
                    );
                    out.push(missing(&message));
                }
            }
        } else if force_field.0 == Tri::Yes
            && ["coordinates", "ambercoor"]
                .iter()
                .all(|name| self.is_set(name) == Tri::No)
        {
            out.push(missing(
                "neither `coordinates` nor `ambercoor` is set; NAMD needs one of them.",
            ));
        }
        self.check_velocities(out);
        self.check_distances(out);
        let cell = ["cellBasisVector1", "cellBasisVector2", "cellBasisVector3"];
        let no_cell = cell.iter().any(|name| self.is_set(name) == Tri::No)
            && self.is_set("extendedSystem") == Tri::No;
        if self.on("PME") == Tri::Yes && no_cell {
            let message =
                "`PME` needs a periodic cell: set `extendedSystem`, or `cellBasisVector1` to 3.";
            out.push(Complaint::error(
                Code::Conflict,
                self.place("PME"),
                message.into(),
            ));
        }
        for (name, allowed) in [
            ("exclude", &["none", "1-2", "1-3", "1-4", "scaled1-4"][..]),
            ("rigidBonds", &["all", "water", "none"][..]),
        ] {
            if let Some(value) = self.text(name)
                && !allowed.contains(&value.to_ascii_lowercase().as_str())
            {
                let message = format!(
                    "`{name}` cannot be `{value}`; it is one of {}. NAMD stops at startup.",
                    allowed.join(", ")
                );
                out.push(Complaint::error(
                    Code::InvalidValue,
                    self.place(name),
                    message,
                ));
            }
        }
    }

    fn check_velocities(&mut self, out: &mut Vec<Complaint>) {
        let files = [self.is_set("velocities"), self.is_set("binvelocities")];
        let temperature = self.is_set("temperature");
        if temperature == Tri::Yes && files.contains(&Tri::Yes) {
            let message = "NAMD cannot take both an initial temperature and a velocity file. Remove \
                           `temperature`, or `binVelocities`.";
            out.push(Complaint::error(
                Code::Conflict,
                self.place("temperature"),
                message.into(),
            ));
        }
        let minimizes = [self.on("minimization"), self.on("velocityQuenching")];
        let none = temperature == Tri::No && files == [Tri::No, Tri::No];
        if none && minimizes == [Tri::No, Tri::No] {
            let message = "NAMD must have either an initial temperature or a velocity file: set \
                           `temperature`, `binVelocities` or `velocities`.";
            out.push(Complaint::error(Code::RequiredMissing, TOP, message.into()));
        }
    }

    fn check_distances(&mut self, out: &mut Vec<Complaint>) {
        let cutoff = if self.is_set("cutoff") == Tri::Yes {
            self.number("cutoff")
        } else {
            None
        };
        if self.on("switching") == Tri::Yes {
            if self.is_set("switchdist") == Tri::No {
                let message = "`switchdist` must be set when switching is on, which it is unless `switching off` is given.";
                out.push(Complaint::error(
                    Code::RequiredMissing,
                    self.place("switching"),
                    message.into(),
                ));
            } else if let (Some(from), Some(cutoff)) = (self.number("switchdist"), cutoff)
                && from > cutoff
            {
                let message =
                    format!("`switchdist` ({from}) must be between 0 and cutoff ({cutoff}).");
                out.push(Complaint::error(
                    Code::Conflict,
                    self.place("switchdist"),
                    message,
                ));
            }
        }
        if self.is_set("pairlistdist") == Tri::Yes
            && let (Some(list), Some(cutoff)) = (self.number("pairlistdist"), cutoff)
            && list < cutoff
        {
            let message =
                format!("`pairlistdist` ({list}) must not be less than cutoff ({cutoff}).");
            out.push(Complaint::error(
                Code::Conflict,
                self.place("pairlistdist"),
                message,
            ));
        }
    }

    fn place(&self, name: &str) -> Place {
        self.first(name).map_or(TOP, |setting| setting.value_place)
    }
}

/// The beginning of the configuration, for what is missing in it.
pub(in crate::namd) const TOP: Place = Place {
    file: 0,
    span: Span { start: 0, end: 0 },
};

/// One thing NAMD would complain about.
#[derive(Debug)]
pub(in crate::namd) struct Complaint {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What to say.
    pub message: String,
    /// A second place to name.
    pub other: Option<Place>,
}

impl Complaint {
    fn error(code: Code, place: Place, message: String) -> Self {
        Self {
            severity: Severity::Error,
            code,
            place,
            message,
            other: None,
        }
    }
}
