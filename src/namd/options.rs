//! What NAMD checks about the keywords together, at startup: which are looked
//! at, set twice, missing, of the wrong kind, or contradict each other.
//!
//! Follows `ParseOptions::set` (a keyword counts only if its parent is on) and
//! the beginning of `SimParameters::check_config` of NAMD 3.0.

use std::collections::HashMap;

use super::eval::trace::{Setting, Trace};
use super::eval::{Place, Tri};
use super::finding::{Code, Severity};
use super::keywords::{self, Keyword, Kind};
use super::text::Span;

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

    /// Reports what NAMD would complain about; `job` if the file runs something.
    pub(super) fn check(&mut self, trace: &mut Vec<Complaint>, job: bool) {
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
pub(super) const TOP: Place = Place {
    file: 0,
    span: Span { start: 0, end: 0 },
};

/// One thing NAMD would complain about.
#[derive(Debug)]
pub(super) struct Complaint {
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

/// The number at the beginning of a value and what follows, as `sscanf("%lf%s")`
/// takes them apart.
fn leading_number(value: &str) -> Option<(f64, &str)> {
    let value = value.trim_start();
    let mut end = 0;
    let bytes = value.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    if matches!(bytes.first(), Some(b'+' | b'-')) {
        end += 1;
    }
    let mantissa = end;
    while digit(end) {
        end += 1;
    }
    if bytes.get(end) == Some(&b'.') {
        end += 1;
        while digit(end) {
            end += 1;
        }
    }
    if !value
        .get(mantissa..end)?
        .bytes()
        .any(|b| b.is_ascii_digit())
    {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digit(end + 1 + sign) {
            end += 1 + sign;
            while digit(end) {
                end += 1;
            }
        }
    }
    Some((value.get(..end)?.parse().ok()?, value.get(end..)?))
}

/// What is wrong with a value, to stand behind the keyword's name.
fn wrong_value(keyword: &Keyword, value: &str) -> Option<String> {
    let number = match keyword.kind {
        Kind::Text => return None,
        Kind::Bool => {
            return keywords::read_bool(value)
                .is_none()
                .then(|| format!("is on or off (yes/no, true/false, 1/0), not `{value}`"));
        }
        Kind::Vector => {
            return (!is_vector(value)).then(|| format!("takes three numbers, not `{value}`"));
        }
        Kind::Int => {
            let digits = value.trim();
            let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
                return Some(format!(
                    "takes a whole number and nothing else, not `{value}`"
                ));
            }
            digits.parse().ok()?
        }
        Kind::Float => {
            let Some((number, rest)) = leading_number(value) else {
                // Hexadecimal, infinite and the like are left to NAMD.
                let odd = value
                    .trim_start()
                    .trim_start_matches(['+', '-'])
                    .to_ascii_lowercase();
                let special =
                    odd.starts_with("0x") || odd.starts_with("inf") || odd.starts_with("nan");
                return (!special).then(|| format!("takes a number, not `{value}`"));
            };
            let words: Vec<&str> = rest.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [unit] if unit_fits(keyword.units, unit) => {}
                [unit] => {
                    return Some(format!(
                        "cannot be given in `{unit}`{}",
                        unit_hint(keyword.units)
                    ));
                }
                _ => return Some(format!("takes a number and at most a unit, not `{value}`")),
            }
            // A unit changes the number, never its sign.
            number
        }
    };
    match keyword.range {
        ">0" if number <= 0.0 => Some(format!("must be positive, and is {value}")),
        ">=0" if number < 0.0 => Some(format!("must not be negative, and is {value}")),
        _ => None,
    }
}

fn unit_hint(units: &str) -> String {
    if units.is_empty() {
        ", it has no unit".into()
    } else {
        format!("; its unit is {units}")
    }
}

/// Whether NAMD can convert the unit (`ParseOptions::atoUnits`, `convert`).
fn unit_fits(units: &str, unit: &str) -> bool {
    let family = |unit: &str| match unit.to_ascii_lowercase().as_str() {
        "fs" | "ns" | "sec" | "min" | "hr" => Some(1),
        "a" | "nm" | "m" | "angstrom" => Some(2),
        "kcal" | "kj" | "ev" | "kcal/mol" | "kj/mol" => Some(3),
        "k" => Some(4),
        _ => None,
    };
    family(unit).is_some() && family(unit) == family(units)
}

/// Whether a value is a vector to NAMD (`Vector::set`): three numbers with
/// blanks or commas between.
fn is_vector(value: &str) -> bool {
    let numbers: Vec<&str> = value
        .split([' ', '\t', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let commas = value.matches(',').count();
    numbers.len() == 3
        && (commas == 0 || commas == 2)
        && numbers
            .iter()
            .all(|part| leading_number(part).is_some_and(|(_, rest)| rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, value: &str) -> Option<String> {
        wrong_value(keywords::find(name).unwrap(), value)
    }

    #[test]
    fn values_are_judged_as_namd_judges_them() {
        for (name, value) in [
            ("cutoff", "12."),
            ("cutoff", "12 A"),
            ("temperature", "300K"),
            ("timestep", "2.0 fs"),
            ("cutoff", "1.2 nm"),
            ("switching", "ON"),
            ("switching", "1"),
            ("numsteps", " 100 "),
            ("cellOrigin", "0 0 0"),
            ("cellOrigin", "1.0, -2,3e1"),
            ("outputname", "anything"),
            ("margin", "0"),
            ("PMETolerance", "10e-6"),
        ] {
            assert_eq!(problem(name, value), None, "{name} {value}");
        }
        for (name, value) in [
            ("cutoff", "eight"),
            ("cutoff", "12 K"),
            ("cutoff", "12 A b"),
            ("cutoff", "0"),
            ("switching", "maybe"),
            ("numsteps", "1e6"),
            ("numsteps", "10.5"),
            ("numsteps", "10 steps"),
            ("cellOrigin", "0 0"),
            ("cellOrigin", "xx_xx_xx 0 0"),
            ("cellOrigin", "1,2 3"),
            ("margin", "-1"),
            ("langevinDamping", "5 fs"),
        ] {
            assert!(problem(name, value).is_some(), "{name} {value}");
        }
    }

    #[test]
    fn leading_numbers() {
        assert_eq!(leading_number("300K"), Some((300.0, "K")));
        assert_eq!(leading_number("  1.5e3 fs"), Some((1500.0, " fs")));
        assert_eq!(leading_number("2eV"), Some((2.0, "eV")));
        assert_eq!(leading_number("."), None);
    }
}
