//! How the files a run writes are called: names given, and NAMD's defaults
//! (`SimParameters::check_config`, `Output`, `Controller` of NAMD 3.0).

use super::super::eval::trace::{Base, Setting, Trace, WrittenKind};
use super::super::eval::value::Value;
use super::super::eval::{Place, Tri};
use super::super::keywords::{Keyword, Names};
use super::super::options::{Options, TOP};
use super::super::paths;
use super::outputs::OutputKind;

/// One output with its place in the script.
pub(super) struct Draft {
    pub keyword: String,
    pub kind: OutputKind,
    pub path: Option<String>,
    pub certain: bool,
    pub place: Place,
    /// The name is not known because of an error already reported.
    pub failed: bool,
}

/// How the name of one family of files is come by.
struct Family {
    /// The keyword that names it.
    keyword: &'static str,
    /// The keyword that switches it on when above zero; empty for always.
    every: &'static str,
    /// What is put behind `outputname` if the keyword is not set.
    default: &'static str,
    /// What is put behind the name.
    suffixes: &'static [(&'static str, OutputKind)],
}

const FINAL: &[(&str, OutputKind)] = &[
    (".coor", OutputKind::Coordinates),
    (".vel", OutputKind::Velocities),
    (".xsc", OutputKind::Cell),
];
const RESTART: &[(&str, OutputKind)] = &[
    (".coor", OutputKind::Restart),
    (".vel", OutputKind::Restart),
    (".xsc", OutputKind::Restart),
];
const COLVARS: &[(&str, OutputKind)] = &[
    (".colvars.state", OutputKind::ColvarsState),
    (".colvars.traj", OutputKind::Colvars),
    (".*.pmf", OutputKind::Colvars),
];

const FAMILIES: &[Family] = &[
    Family {
        keyword: "outputname",
        every: "",
        default: "",
        suffixes: FINAL,
    },
    Family {
        keyword: "restartname",
        every: "restartfreq",
        default: ".restart",
        suffixes: RESTART,
    },
    Family {
        keyword: "DCDfile",
        every: "DCDfreq",
        default: ".dcd",
        suffixes: &[("", OutputKind::Trajectory)],
    },
    Family {
        keyword: "velDCDfile",
        every: "velDCDfreq",
        default: ".veldcd",
        suffixes: &[("", OutputKind::VelocityTrajectory)],
    },
    Family {
        keyword: "forceDCDfile",
        every: "forceDCDfreq",
        default: ".forcedcd",
        suffixes: &[("", OutputKind::Forces)],
    },
    Family {
        keyword: "XSTfile",
        every: "XSTfreq",
        default: ".xst",
        suffixes: &[("", OutputKind::CellTrajectory)],
    },
];

/// Names of one kind beyond this are not listed.
const MAX_NAMES: usize = 1000;

struct Collector<'t> {
    trace: &'t Trace,
    options: Options<'t>,
    startup: Option<String>,
    drafts: Vec<Draft>,
}

/// Every file the run writes; with `outputname` and the restart files' name.
pub(super) fn collect(trace: &Trace) -> (Vec<Draft>, Option<String>, Option<String>) {
    let startup = trace.startup.clone();
    let mut all = Collector {
        trace,
        options: Options::new(trace),
        startup,
        drafts: Vec::new(),
    };
    for family in FAMILIES {
        all.family(family);
    }
    all.colvars();
    all.methods();
    all.commands();
    let outputname = all.options.text("outputname").map(str::to_owned);
    let restartname = all.options.text("restartname").map(str::to_owned);
    let restartname =
        restartname.or_else(|| outputname.as_ref().map(|name| format!("{name}.restart")));
    (all.drafts, outputname, restartname)
}

impl<'t> Collector<'t> {
    /// The settings of a keyword; more than a loop's worth are not looked at.
    fn named(&self, keyword: &str) -> Vec<&'t Setting> {
        let lower = keyword.to_ascii_lowercase();
        let all = self
            .trace
            .settings
            .iter()
            .filter(|setting| setting.name == lower);
        all.take(MAX_NAMES).collect()
    }

    fn path(&self, value: &Value, base: &Base, suffix: &str) -> Option<String> {
        let directory = match base {
            Base::Startup => self.startup.as_deref(),
            Base::Directory(directory) => directory.as_deref(),
        }?;
        let name = value.pattern();
        (name != "*").then(|| paths::join(directory, &format!("{name}{suffix}")))
    }

    fn add(
        &mut self,
        keyword: &str,
        kind: OutputKind,
        setting: &Setting,
        suffix: &str,
        certain: bool,
    ) {
        let path = self.path(&setting.value, &setting.base, suffix);
        self.drafts.push(Draft {
            keyword: keyword.to_owned(),
            kind,
            path,
            certain: certain && setting.certain,
            place: setting.value_place,
            failed: matches!(&setting.value, Value::Unknown(why) if why.failed),
        });
    }

    fn family(&mut self, family: &Family) {
        let every = if family.every.is_empty() {
            Some(1.0)
        } else {
            self.options.number(family.every)
        };
        let later = self.named(family.every).iter().any(|setting| setting.late);
        if every == Some(0.0) && !later {
            return;
        }
        // With `restartsave` the step is part of the name, and `.restart` is not.
        let save = family.keyword == "restartname" && self.options.on("restartsave") != Tri::No;
        let own = self.named(family.keyword);
        let (names, default) = if own.is_empty() && !family.default.is_empty() {
            (
                self.named("outputname"),
                if save { "" } else { family.default },
            )
        } else {
            (own, "")
        };
        for setting in names {
            for (suffix, kind) in family.suffixes {
                let step = if save { ".*" } else { "" };
                let suffix = format!("{default}{step}{suffix}");
                self.add(family.keyword, *kind, setting, &suffix, every.is_some());
            }
        }
    }

    fn colvars(&mut self) {
        let on = self.options.on("colvars");
        if on == Tri::No {
            return;
        }
        for setting in self.named("outputname") {
            for (suffix, kind) in COLVARS {
                self.add(
                    "colvars",
                    *kind,
                    setting,
                    suffix,
                    on == Tri::Yes && !suffix.contains('*'),
                );
            }
        }
        let own = self.named("restartname");
        let (names, suffix) = if own.is_empty() {
            (self.named("outputname"), ".restart.colvars.state")
        } else {
            (own, ".colvars.state")
        };
        for setting in names {
            self.add("colvars", OutputKind::ColvarsState, setting, suffix, false);
        }
    }

    /// Output of single methods, by their own keywords or by default.
    fn methods(&mut self) {
        if self.options.on("alch") != Tri::No && self.named("alchOutFile").is_empty() {
            let ti = self
                .options
                .text("alchType")
                .is_some_and(|kind| kind.eq_ignore_ascii_case("ti"));
            for setting in self.named("outputname") {
                let suffix = if ti { ".ti" } else { ".fep" };
                self.add(
                    "alchOutFile",
                    OutputKind::Alchemical,
                    setting,
                    suffix,
                    false,
                );
            }
        }
        // FFTW's plans are kept in a file named after version and platform.
        let plans =
            self.options.on("PME") != Tri::No && self.options.on("FFTWUseWisdom") != Tri::No;
        if let (true, Some(directory)) = (plans, self.startup.as_deref()) {
            let own = self.options.text("FFTWWisdomFile");
            let path = paths::join(directory, own.unwrap_or("FFTW_NAMD_*.txt"));
            self.drafts.push(Draft {
                keyword: "FFTWWisdomFile".into(),
                kind: OutputKind::Other,
                path: Some(path),
                certain: false,
                place: TOP,
                failed: false,
            });
        }
        if self.options.on("accelMDG") != Tri::No {
            for setting in self
                .named("outputname")
                .into_iter()
                .chain(self.named("restartname"))
            {
                self.add("accelMDG", OutputKind::Other, setting, ".gamd", false);
            }
        }
        for setting in &self.trace.settings {
            let Some(Keyword {
                names: Names::Output,
                name,
                ..
            }) = setting.keyword
            else {
                continue;
            };
            if FAMILIES
                .iter()
                .any(|family| family.keyword.eq_ignore_ascii_case(name))
            {
                continue;
            }
            let kind = if *name == "alchOutFile" {
                OutputKind::Alchemical
            } else {
                OutputKind::Other
            };
            self.add(name, kind, setting, "", true);
        }
    }

    /// What commands of the script write.
    fn commands(&mut self) {
        for written in &self.trace.written {
            let suffixes: &[(&str, OutputKind)] = match written.kind {
                WrittenKind::Coordinates => FINAL,
                WrittenKind::Forces => &[(".force", OutputKind::Forces)],
                WrittenKind::ColvarsState => &[(".colvars.state", OutputKind::ColvarsState)],
                WrittenKind::File => &[("", OutputKind::Other)],
                WrittenKind::Directory => continue,
            };
            for (suffix, kind) in suffixes {
                let whole =
                    written.kind == WrittenKind::ColvarsState && written.path.ends_with(suffix);
                let suffix = if whole { "" } else { suffix };
                let path = self.path(&Value::known(written.path.as_str()), &written.base, suffix);
                self.drafts.push(Draft {
                    keyword: written.keyword.clone(),
                    kind: *kind,
                    path,
                    certain: written.certain,
                    place: written.place,
                    failed: false,
                });
            }
        }
    }
}
