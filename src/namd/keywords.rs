//! NAMD's configuration keywords as data: type, default, parent, what they name.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The table; its head says what the columns are and where they come from.
const TABLE: &str = include_str!("keywords.tsv");

/// What kind of value a keyword takes (`ParseOptions::DataElement` in NAMD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// on/off, yes/no, true/false, 1/0 in any case.
    Bool,
    /// A number, with an optional unit.
    Float,
    /// An integer and nothing else.
    Int,
    /// Text; a file name, a word, or several.
    Text,
    /// Three numbers.
    Vector,
}

/// What a file that a configuration names is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The configuration itself.
    Config,
    /// Molecular structure: PSF, AMBER and GROMACS topologies.
    Structure,
    /// Initial or reference coordinates.
    Coordinates,
    /// Force field parameters.
    Parameters,
    /// The state of an earlier run: coordinates, velocities, cell, Colvars state.
    State,
    /// Values per atom: constraint references, flags, charges.
    Atoms,
    /// A grid potential.
    Field,
    /// A Colvars configuration, or a file that one names.
    Colvars,
    /// A Tcl script.
    Script,
    /// Anything else.
    Other,
}

/// How a keyword's value names its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The value is the path.
    Plain,
    /// The value is a tag and a path (`mgridforcefile tag file`).
    Tagged,
    /// The value is a path, or a script if it holds a line break
    /// (`strstr(script->data,"\n")` in NAMD's `GlobalMasterTcl`).
    Inline,
    /// The value is a Colvars state file, with or without `.colvars.state`.
    State,
}

/// What a keyword names, if it names something in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Nothing.
    Nothing,
    /// A file that must be there before the run.
    Input(Role, Form),
    /// A file, or the beginning of file names, that the run writes.
    Output,
    /// The directory that NAMD changes to (`cwd`).
    ChangeDirectory,
    /// A scratch directory.
    Directory,
    /// A program.
    Program,
    /// A file through which NAMD and another program talk.
    Exchange,
    /// A file that is read if it is there and written otherwise.
    Cache,
}

/// One keyword.
#[derive(Debug, Clone)]
pub struct Keyword {
    /// The spelling NAMD's own source uses; case does not matter to NAMD.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// The default as NAMD's source has it; empty if there is none.
    pub default: &'static str,
    /// Unit of the value, empty if none.
    pub units: &'static str,
    /// `>0`, `>=0` or empty.
    pub range: &'static str,
    /// The keyword it depends on, `main` if none.
    pub parent: &'static str,
    /// May be given more than once.
    pub multiple: bool,
    /// Must be given when its parent is on.
    pub required: bool,
    /// What it names.
    pub names: Names,
    /// Line of NAMD 3.0's SimParameters.C.
    pub line: u32,
    /// The preprocessor condition round it; empty for every build.
    pub build: &'static str,
}

struct Table {
    keywords: Vec<Keyword>,
    by_name: HashMap<String, usize>,
    parents: HashMap<String, Vec<usize>>,
}

fn table() -> &'static Table {
    static CELL: OnceLock<Table> = OnceLock::new();
    CELL.get_or_init(|| {
        let keywords: Vec<Keyword> = TABLE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(read_row)
            .collect();
        let mut by_name = HashMap::with_capacity(keywords.len());
        let mut parents: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, keyword) in keywords.iter().enumerate() {
            by_name.insert(keyword.name.to_ascii_lowercase(), at);
            parents
                .entry(keyword.parent.to_ascii_lowercase())
                .or_default()
                .push(at);
        }
        Table {
            keywords,
            by_name,
            parents,
        }
    })
}

fn read_row(line: &'static str) -> Option<Keyword> {
    let mut cells = line.split('\t');
    let mut next = || cells.next().unwrap_or("");
    let name = next();
    let kind = match next() {
        "bool" => Kind::Bool,
        "float" => Kind::Float,
        "int" | "uint" => Kind::Int,
        "vector" => Kind::Vector,
        _ => Kind::Text,
    };
    let (default, units, range, parent) = (next(), next(), next(), next());
    let multiple = next() == "multiple";
    let required = next() == "required";
    let names = read_names(next());
    let line = next().parse().unwrap_or(0);
    let build = next();
    (!name.is_empty()).then_some(Keyword {
        name,
        kind,
        default,
        units,
        range,
        parent,
        multiple,
        required,
        names,
        line,
        build,
    })
}

fn read_names(cell: &str) -> Names {
    let mut parts = cell.split(':');
    match parts.next() {
        Some("input") => {
            let role = match parts.next() {
                Some("structure") => Role::Structure,
                Some("coordinates") => Role::Coordinates,
                Some("parameters") => Role::Parameters,
                Some("state") => Role::State,
                Some("atoms") => Role::Atoms,
                Some("field") => Role::Field,
                Some("colvars") => Role::Colvars,
                Some("script") => Role::Script,
                _ => Role::Other,
            };
            let form = match parts.next() {
                Some("tagged") => Form::Tagged,
                Some("inline") => Form::Inline,
                Some("state") => Form::State,
                _ => Form::Plain,
            };
            Names::Input(role, form)
        }
        Some("output") => Names::Output,
        Some("chdir") => Names::ChangeDirectory,
        Some("directory") => Names::Directory,
        Some("exec") => Names::Program,
        Some("exchange") => Names::Exchange,
        Some("cache") => Names::Cache,
        _ => Names::Nothing,
    }
}

/// Every keyword, in alphabetical order of NAMD's spelling.
pub fn all() -> &'static [Keyword] {
    &table().keywords
}

/// Looks a keyword up; case does not matter.
pub fn find(name: &str) -> Option<&'static Keyword> {
    let table = table();
    table
        .keywords
        .get(*table.by_name.get(&name.to_ascii_lowercase())?)
}

/// The keywords that depend on `name`; case does not matter.
pub fn children(name: &str) -> impl Iterator<Item = &'static Keyword> {
    let table = table();
    let rows = table
        .parents
        .get(&name.to_ascii_lowercase())
        .map(Vec::as_slice)
        .unwrap_or_default();
    rows.iter().filter_map(|row| table.keywords.get(*row))
}

/// The keyword a misspelt one was probably meant to be.
pub fn closest(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    // One slip in every four letters, at most three.
    let allowed = (wanted.chars().count() / 4).clamp(1, 3);
    table()
        .by_name
        .iter()
        .filter(|(known, _)| known.len().abs_diff(wanted.len()) <= allowed)
        .map(|(known, at)| (strsim::damerau_levenshtein(&wanted, known), known, at))
        .filter(|(distance, ..)| *distance <= allowed)
        .min_by_key(|(distance, known, _)| (*distance, known.as_str()))
        .and_then(|(_, _, at)| table().keywords.get(*at))
        .map(|keyword| keyword.name)
}

/// Reads a boolean as NAMD does (`ParseOptions::atoBool`).
pub fn read_bool(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// See [`settable_after_start`]; sorted.
const SETTABLE: &[&str] = &[
    "accelmdalpha",
    "accelmde",
    "accelmdgrestartfile",
    "accelmdgsigma0d",
    "accelmdgsigma0p",
    "accelmdtalpha",
    "accelmdte",
    "alch",
    "alchequilsteps",
    "alchlambda",
    "alchlambda2",
    "alchlambdafreq",
    "alchlambdaidws",
    "berendsenpressure",
    "berendsenpressurecompressibility",
    "berendsenpressurerelaxationtime",
    "berendsenpressuretarget",
    "commonly",
    "computeenergies",
    "consforcescaling",
    "constraintscaling",
    "cudasoaintegrate",
    "dcdfile",
    "dcdfreq",
    "drudebondconst",
    "drudebondlen",
    "drudehardwall",
    "efield",
    "efieldfreq",
    "efieldphase",
    "firsttimestep",
    "fixcelldims",
    "fixcelldimx",
    "fixcelldimy",
    "fixcelldimz",
    "fixedatoms",
    "gpuresident",
    "initialtemp",
    "langevin",
    "langevinbaoab",
    "langevinpiston",
    "langevinpistondecay",
    "langevinpistonperiod",
    "langevinpistontarget",
    "langevinpistontemp",
    "langevintemp",
    "loweandersentemp",
    "maximummove",
    "montecarloacceptancerate",
    "montecarloadjustmentfreq",
    "montecarlopressurefreq",
    "montecarlopressureon",
    "montecarlopressuretarget",
    "montecarlotemp",
    "nonbondedscaling",
    "numsteps",
    "outputenergies",
    "outputenergiesprecision",
    "outputname",
    "reassigntemp",
    "rescaletemp",
    "restartname",
    "scriptarg1",
    "scriptarg2",
    "scriptarg3",
    "scriptarg4",
    "scriptarg5",
    "scriptintarg1",
    "scriptintarg2",
    "scriptstringarg1",
    "scriptstringarg2",
    "solutescalingfactor",
    "solutescalingfactorcharge",
    "solutescalingfactorvdw",
    "stiraxis",
    "stirpivot",
    "stochrescale",
    "stochrescaletemp",
    "surfacetensiontarget",
    "tclbcargs",
    "useconstantarea",
    "useconstantratio",
    "useflexiblecell",
    "usegrouppressure",
    "veldcdfile",
    "velocityquenching",
];

/// Keywords that a script may set after the first run (`SimParameters::scriptSet`
/// of NAMD 3.0); every other one ends the run with "Setting parameter … failed".
pub fn settable_after_start(name: &str) -> bool {
    SETTABLE
        .binary_search(&name.to_ascii_lowercase().as_str())
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert_eq!(all().len(), 679);
        let inputs = all()
            .iter()
            .filter(|k| matches!(k.names, Names::Input(..)))
            .count();
        assert_eq!(inputs, 68);
        for keyword in all() {
            assert!(
                keyword.parent == "main" || find(keyword.parent).is_some(),
                "{}",
                keyword.name
            );
        }
        assert_eq!(all().iter().filter(|k| k.multiple).count(), 39);
    }

    #[test]
    fn rows_are_read() {
        let cutoff = find("CutOff").unwrap();
        assert_eq!(
            (cutoff.kind, cutoff.units, cutoff.range),
            (Kind::Float, "A", ">0")
        );
        assert!(cutoff.required && !cutoff.multiple);
        assert_eq!(find("DCDfile").unwrap().parent, "DCDfreq");
        assert_eq!(
            find("parameters").unwrap().names,
            Names::Input(Role::Parameters, Form::Plain)
        );
        assert_eq!(
            find("mgridforcefile").unwrap().names,
            Names::Input(Role::Atoms, Form::Tagged)
        );
        assert_eq!(find("cwd").unwrap().names, Names::ChangeDirectory);
        assert!(find("notAKeyword").is_none());
        assert!(children("langevin").any(|child| child.name == "langevinTemp"));
    }

    #[test]
    fn slips_are_recognised() {
        assert_eq!(closest("langvinDamping"), Some("langevinDamping"));
        assert_eq!(closest("strucutre"), Some("structure"));
        assert_eq!(closest("runFEP"), None);
    }

    #[test]
    fn settable_list_is_sorted_and_known() {
        assert!(SETTABLE.is_sorted());
        assert!(settable_after_start("langevinTemp") && settable_after_start("veldcdfile"));
        assert!(settable_after_start("accelMDalpha") && settable_after_start("useGroupPressure"));
        assert!(!settable_after_start("cutoff") && !settable_after_start("xstFile"));
    }
}
