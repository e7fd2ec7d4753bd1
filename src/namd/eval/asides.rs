//! What NAMD reads beside the configuration: force scripts and Colvars
//! configurations, looked through for further files.

use std::rc::Rc;

use super::super::facts::Want;
use super::super::finding::{Code as Kind, Severity};
use super::super::keywords::Role;
use super::super::text::Span;
use super::super::{colvars, paths, tcl};
use super::files::Loaded;
use super::trace::{Aside, Base, InputUse, Purpose, Spot};
use super::value::Value;
use super::{Flow, KEPT, MAX_WORK, Machine, Place, Tri};

impl Machine<'_> {
    /// Looks through the scripts that NAMD runs beside the configuration, and
    /// through the Colvars configurations, for further files.
    pub(super) fn run_asides(&mut self, place: Place) {
        let startup = self.trace.startup.clone();
        let mut at = 0;
        while let Some(input) = self.trace.inputs.get(at).cloned() {
            at += 1;
            if input.purpose == Purpose::Colvars {
                self.read_colvars(&input, startup.as_deref());
            }
        }
        let mut at = 0;
        while let Some(aside) = self.trace.asides.get(at).cloned() {
            at += 1;
            self.aside += 1;
            self.maybe += 1;
            let _ = match aside {
                Aside::Text(value, place) => self.run_value(&value, place),
                Aside::File(path, base) => {
                    self.run_aside_file(&path, &base, startup.as_deref(), place)
                }
            };
            self.aside -= 1;
            self.maybe -= 1;
        }
    }

    fn from_base(path: &str, base: &Base, startup: Option<&str>) -> Option<String> {
        let directory = match base {
            Base::Startup => startup,
            Base::Directory(directory) => directory.as_deref(),
        };
        directory.map(|directory| paths::join(directory, path))
    }

    fn run_aside_file(
        &mut self,
        path: &str,
        base: &Base,
        startup: Option<&str>,
        place: Place,
    ) -> Flow {
        let Some(path) = Self::from_base(path, base, startup) else {
            return Ok(Value::empty());
        };
        match self.load(&path, Want::SCRIPT) {
            Loaded::File(file) => {
                let end = self.files.get(file).map_or(0, |source| source.script_end());
                self.sourcing.push(path);
                let flow = self.run_value(
                    &Value::Known {
                        text: Rc::from(""),
                        code: Some(Place {
                            file,
                            span: Span::new(0, end),
                        }),
                    },
                    place,
                );
                self.sourcing.pop();
                flow
            }
            _ => Ok(Value::empty()),
        }
    }

    fn read_colvars(&mut self, input: &InputUse, startup: Option<&str>) {
        let Ok(path) = &input.path else { return };
        let Some(path) = Self::from_base(path, &input.base, startup) else {
            return;
        };
        if input.produced {
            return;
        }
        let Loaded::File(file) = self.load(&path, Want::SCRIPT) else {
            return;
        };
        let Some(source) = self.files.get(file).cloned() else {
            return;
        };
        if self.charge(source.text().len()).is_err() {
            return;
        }
        let before = self.trace.inputs.len();
        self.colvars_names(source.text(), |span| Place { file, span });
        for added in self.trace.inputs.get_mut(before..).unwrap_or_default() {
            added.certain &= input.certain;
            added.base = input.base.clone();
            added.after_run = input.after_run;
            added.parent = input.parent;
        }
    }

    /// Notes the files that a Colvars configuration names.
    pub(super) fn colvars_names(&mut self, text: &str, place: impl Fn(Span) -> Place) {
        let read = colvars::read(text);
        for error in read.errors {
            let message = format!(
                "Colvars cannot read this: {}. NAMD stops with \"Error in the collective variables module\".",
                error.what
            );
            self.say(Severity::Error, Kind::Syntax, place(error.at), message);
        }
        if self.quiet > 0 {
            return;
        }
        for named in read.files {
            self.work += KEPT as u64;
            if self.work > MAX_WORK {
                break;
            }
            let place = place(named.span);
            let spot = Spot {
                path: place.span,
                word: place.span,
                quote: tcl::Quote::Bare,
            };
            let base = if self.world.started == Tri::Yes {
                self.here()
            } else {
                Base::Startup
            };
            if named.kind == colvars::Kind::Script {
                self.trace
                    .asides
                    .push(Aside::File(named.path.clone(), base.clone()));
            }
            self.trace.use_file(InputUse {
                keyword: format!("colvars {}", named.keyword),
                role: if named.kind == colvars::Kind::Script {
                    Role::Script
                } else {
                    Role::Colvars
                },
                value: named.path.clone(),
                path: Ok(named.path),
                base,
                purpose: Purpose::Read,
                place,
                spot: Some(spot),
                certain: self.maybe == 0,
                after_run: self.world.ran != Tri::No,
                produced: false,
                parent: None,
            });
        }
    }
}
