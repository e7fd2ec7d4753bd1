//! What NAMD adds to Tcl: its keywords, `run`, `minimize` and the other commands.
//!
//! Before startup an unknown command is a keyword with its value
//! (`ScriptTcl::Tcl_config`); afterwards it sets a parameter
//! (`ScriptTcl::Tcl_param`). `run`, `minimize` and most other commands of NAMD
//! bring startup about (`ScriptTcl::initcheck`).

use std::rc::Rc;

use super::super::keywords::{self, Role};
use super::super::text::Span;
use super::trace::{Purpose, WrittenKind};
use super::value::{Arg, Value, concatenate};
use super::{Flow, Machine, Place, Tri};

impl Machine<'_> {
    pub(super) fn namd_command(&mut self, name: &str, args: &[Arg], place: Place) -> Option<Flow> {
        let starts = matches!(
            name,
            "startup"
                | "run"
                | "minimize"
                | "reinitvels"
                | "rescalevels"
                | "move"
                | "moveallby"
                | "output"
                | "measure"
                | "colvarbias"
                | "colvarvalue"
                | "colvarfreq"
                | "cv"
                | "checkpoint"
                | "revert"
                | "checkpointStore"
                | "checkpointLoad"
                | "checkpointSwap"
                | "checkpointFree"
                | "replicaDcdFile"
                | "reinitatoms"
                | "coorfile"
                | "dumpbench"
                | "consForceConfig"
                | "reloadCharges"
                | "reloadGridforceGrid"
                | "updateGridScale"
                | "replicaAtomSendrecv"
                | "replicaAtomSend"
                | "replicaAtomRecv"
                | "rescalesolutecharges"
        );
        if starts && self.aside == 0 {
            self.startup();
        }
        Some(match name {
            "run" => self.do_run(args, place),
            "minimize" => self.do_minimize(args, place),
            "output" => self.do_output(args, place),
            "cv" => self.do_cv(args, place),
            // `param NAME VALUE` and NAME VALUE are the same.
            "param" => self.keyword(args, place),
            "isset" | "istrue" => self.do_isset(name, args, place),
            "structure" if self.world.started == Tri::Yes => {
                self.reload_structure(args);
                Ok(Value::empty())
            }
            "coorfile" => {
                if let [what, _, file, ..] = args
                    && what.text() == Some("open")
                {
                    self.use_file("coorfile open", Role::Coordinates, Purpose::Read, file);
                }
                Ok(self.unknown("it depends on a trajectory file"))
            }
            "reloadCharges" => {
                if let Some(file) = args.first() {
                    self.use_file(name, Role::Atoms, Purpose::Read, file);
                }
                Ok(Value::empty())
            }
            "reinitatoms" => {
                if let Some(base) = args.first() {
                    for suffix in [".xsc", ".coor", ".vel"] {
                        let path = concatenate(&[base.value.clone(), Value::known(suffix)]);
                        self.use_file(
                            name,
                            Role::State,
                            Purpose::Read,
                            &Arg::made(path, base.place),
                        );
                    }
                }
                Ok(Value::empty())
            }
            "replicaDcdFile" => {
                self.writes(name, args.get(1), WrittenKind::File, place);
                Ok(Value::empty())
            }
            "stdout" | "dumpbench" => {
                self.writes(name, args.first(), WrittenKind::File, place);
                Ok(Value::empty())
            }
            "callback" => {
                self.world.callback = args.first().and_then(Arg::text).map(Rc::from);
                Ok(Value::empty())
            }
            "startup"
            | "reinitvels"
            | "rescalevels"
            | "move"
            | "moveallby"
            | "checkpoint"
            | "revert"
            | "checkpointStore"
            | "checkpointLoad"
            | "checkpointSwap"
            | "checkpointFree"
            | "colvarfreq"
            | "consForceConfig"
            | "reloadGridforceGrid"
            | "updateGridScale"
            | "replicaAtomSendrecv"
            | "replicaAtomSend"
            | "replicaAtomRecv"
            | "rescalesolutecharges"
            | "replicaBarrier"
            | "replicaSend"
            | "replicaYield" => Ok(Value::empty()),
            "numPes" | "numNodes" | "numPhysicalNodes" | "numReplicas" | "myReplica"
            | "replicaRecv" | "replicaSendrecv" | "replicaEval" => {
                Ok(self.unknown(format!("`{name}` is decided by how the job is launched")))
            }
            "measure" | "colvarbias" | "colvarvalue" | "vecadd" | "vecsub" | "vecscale"
            | "getbond" | "getangle" | "getdihedral" | "anglegrad" | "dihedralgrad" | "python" => {
                Ok(self.unknown(format!("`{name}` is worked out by NAMD")))
            }
            _ => return None,
        })
    }

    fn do_output(&mut self, args: &[Arg], place: Place) -> Flow {
        let Some(name) = args.last() else {
            return self.usage(place, "output ?withforces|onlyforces? name");
        };
        let mode = if args.len() > 1 {
            args.first().and_then(Arg::text)
        } else {
            None
        };
        if mode != Some("onlyforces") {
            self.writes("output", Some(name), WrittenKind::Coordinates, place);
        }
        if mode.is_some() {
            self.writes("output", Some(name), WrittenKind::Forces, place);
        }
        Ok(Value::empty())
    }

    fn do_cv(&mut self, args: &[Arg], place: Place) -> Flow {
        let word = |at: usize| args.get(at).and_then(Arg::text).unwrap_or("");
        match (word(0), args) {
            ("configfile", [_, file]) => {
                self.use_file("cv configfile", Role::Colvars, Purpose::Colvars, file);
            }
            ("load", [_, file]) => self.use_file("cv load", Role::State, Purpose::State, file),
            ("bias", [_, _, what, file]) if what.text() == Some("load") => {
                self.use_file("cv bias load", Role::State, Purpose::State, file);
            }
            ("save", [_, file]) => {
                self.writes("cv save", Some(file), WrittenKind::ColvarsState, place);
            }
            ("bias", [_, _, what, file]) if what.text() == Some("save") => {
                self.writes("cv bias save", Some(file), WrittenKind::ColvarsState, place);
            }
            ("config", [_, config]) => {
                if let Value::Known { text, .. } = &config.value {
                    let text = Rc::clone(text);
                    self.charge(text.len())?;
                    let code = config.value.code();
                    self.colvars_names(&text, |span| match code {
                        // Word for word in the file only where nothing was joined.
                        Some(code) if code.span.end - code.span.start == text.len() => Place {
                            file: code.file,
                            span: Span::new(
                                code.span.start + span.start,
                                code.span.start + span.end,
                            ),
                        },
                        _ => config.place,
                    });
                }
            }
            _ => {}
        }
        Ok(self.unknown("`cv` is worked out by NAMD"))
    }

    fn do_isset(&mut self, name: &str, args: &[Arg], place: Place) -> Flow {
        let [keyword] = args else {
            return self.usage(place, &format!("{name} keyword"));
        };
        let keyword = super::known!(self, std::slice::from_ref(keyword))
            .concat()
            .to_ascii_lowercase();
        let value = self.world.settings.get(&keyword).cloned();
        let sure = self.world.started == Tri::No && self.world.open.is_none();
        match (value, name) {
            (Some(Value::Unknown(why)), _) => Ok(self.because(&why)),
            (Some(Value::Known { text, .. }), "istrue") => Ok(match keywords::read_bool(&text) {
                Some(yes) => Value::truth(yes),
                None => self.unknown("it is not a boolean"),
            }),
            (Some(_), _) => Ok(Value::truth(true)),
            (None, "isset") if sure => Ok(Value::truth(false)),
            (None, _) => Ok(self.unknown(format!("`{keyword}` is not set in the files read here"))),
        }
    }

    fn reload_structure(&mut self, args: &[Arg]) {
        match args {
            [structure] => self.use_file("structure", Role::Structure, Purpose::Read, structure),
            [structure, _, coordinates] => {
                self.use_file("structure", Role::Structure, Purpose::Read, structure);
                self.use_file(
                    "structure … pdb",
                    Role::Coordinates,
                    Purpose::Read,
                    coordinates,
                );
            }
            _ => {}
        }
    }
}
