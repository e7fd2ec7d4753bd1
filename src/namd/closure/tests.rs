use super::super::test_support::{Disk, has, inputs, said, script};
use super::super::{
    Closure, Code, Found, InputState, OutputKind, Role, Severity, Want, apply_rewrites, paths,
};

/// What NAMD insists on, so that tests see their own findings only.
const BASE: &str = "structure a.psf\ncoordinates a.pdb\nparameters a.prm\ntemperature 300\ncutoff 9\n\
                    switching off\nexclude scaled1-4\noutputname o\n";
const FILES: &[(&str, &str)] = &[("a.psf", "x"), ("a.pdb", "x"), ("a.prm", "x")];

/// The analysis of `BASE` and more, with more files.
fn with(text: &str, files: &[(&str, &str)]) -> super::Analysis {
    let mut disk = Disk::new(FILES);
    for (name, content) in files {
        disk.add(name, content.as_bytes());
    }
    disk.add("c.namd", format!("{BASE}{text}").as_bytes());
    disk.analyse("c.namd")
}

/// Inputs beyond those of `BASE`.
fn more(analysis: &super::Analysis) -> Vec<String> {
    inputs(analysis).into_iter().skip(3).collect()
}

#[test]
fn it_asks_for_the_configuration_first_and_for_content_only_where_it_reads() {
    let mut closure = Closure::new("/w/c.namd");
    let needs = closure.needs();
    assert_eq!(needs.len(), 1);
    assert_eq!(needs[0].path, "/w/c.namd");
    assert!(matches!(needs[0].want, Want::Content { .. }));
    let text = b"source lib.tcl\nstructure ../x.psf\noutputname out/a\nrun 20\n".to_vec();
    closure.feed(
        "/w/c.namd",
        Found::File {
            bytes: 60,
            content: Some(text),
        },
    );
    let needs: Vec<_> = closure
        .needs()
        .into_iter()
        .map(|need| (need.path, need.want))
        .collect();
    assert_eq!(needs.len(), 3);
    assert!(matches!(&needs[..], [
        (psf, Want::Kind), (lib, Want::Content { .. }), (out, Want::Kind)
    ] if psf == "/w/../x.psf" && lib == "/w/lib.tcl" && out == "/w/out"));
    for (path, _) in needs {
        closure.feed(&path, Found::Missing);
    }
    assert_eq!(closure.needs(), []);
    // An answer before all is known is an answer as far as it goes.
    assert_eq!(Closure::new("/w/c.namd").finish().findings, []);
}

#[test]
fn a_poor_answer_is_not_asked_for_again() {
    let mut closure = Closure::new("/w/c.namd");
    closure.needs();
    closure.feed(
        "/w/c.namd",
        Found::File {
            bytes: 10,
            content: None,
        },
    );
    assert_eq!(closure.needs(), []);
    assert!(has(
        &closure.finish(),
        Severity::Error,
        Code::InputUnreadable
    ));
    for (found, code) in [
        (Found::Missing, Code::InputMissing),
        (Found::Directory { entries: None }, Code::InputIsDirectory),
        (
            Found::Unreadable("permission denied".into()),
            Code::InputUnreadable,
        ),
    ] {
        let mut closure = Closure::new("/w/c.namd");
        closure.needs();
        closure.feed("/w/c.namd", found);
        assert!(has(&closure.finish(), Severity::Error, code));
    }
}

#[test]
fn a_sound_job_is_sound() {
    let analysis = with("restartfreq 100\nrun 1000\n", &[]);
    assert_eq!(analysis.findings, []);
    assert!(analysis.is_sound());
    assert_eq!(analysis.uploads().count(), 4);
    assert_eq!(analysis.inputs[0].role, Role::Config);
    assert_eq!(analysis.inputs[1].site.range.start.line, 0);
    assert_eq!(analysis.inputs[1].state, InputState::File { bytes: 1 });
}

#[test]
fn what_is_wrong_with_a_file_is_said_where_it_is_named() {
    let analysis = with(
        "binCoordinates nope.coor\nextendedSystem d\nrun 20\n",
        &[("d/x", "")],
    );
    assert_eq!(
        said(&analysis, Severity::Error),
        ["inputMissing 9:16", "inputIsDirectory 10:16"]
    );
    let analysis = with(
        "if {$env(X)} {\n binCoordinates nope.coor\n}\nrun 20\n",
        &[],
    );
    assert!(analysis.is_sound());
    assert_eq!(said(&analysis, Severity::Warning), ["inputMissing 10:17"]);
    let analysis = with("binVelocities v\nrun 20\n", &[("v", "12345")]);
    assert!(said(&analysis, Severity::Error).contains(&"inputBroken 9:15".to_owned()));
}

#[test]
fn files_of_a_feature_that_is_off_are_not_needed() {
    let analysis = with("colvarsConfig nope.in\nrun 20\n", &[]);
    assert!(analysis.is_sound());
    assert_eq!(said(&analysis, Severity::Warning), ["ignoredKeyword 9:1"]);
    let input = analysis.inputs.last().unwrap();
    assert!(input.unused && !input.certain && input.state == InputState::Missing);
    // Switched off on purpose it is hardly worth a word.
    let analysis = with("langevin off\nlangevinTemp 300\nrun 20\n", &[]);
    assert_eq!(said(&analysis, Severity::Warning), Vec::<String>::new());
    assert_eq!(
        said(&analysis, Severity::Information),
        ["ignoredKeyword 10:1"]
    );
}

#[test]
fn colvars_configurations_name_further_files_relative_to_namd() {
    let config = "indexFile g.ndx\ncolvar {\n name r\n rmsd {\n  atoms { indexGroup P }\n  refPositionsFile ref.xyz\n }\n}\n";
    let analysis = with(
        "colvars on\ncolvarsConfig in/cv.in\nrun 20\n",
        &[("in/cv.in", config), ("g.ndx", "x"), ("ref.xyz", "x")],
    );
    assert_eq!(
        more(&analysis),
        [
            "colvarsConfig=in/cv.in",
            "colvars indexFile=g.ndx",
            "colvars refPositionsFile=ref.xyz"
        ]
    );
    assert!(analysis.is_sound(), "{:?}", analysis.findings);
    let reference = analysis.inputs.last().unwrap();
    assert_eq!(reference.site.file, "in/cv.in");
    assert_eq!(reference.site.range.start.line, 5);
    // The same inline, and through `cv`.
    let analysis = with(
        "colvars on\ncv configfile cv.in\ncv config {\n indexFile h.ndx\n}\n\
                         cv load old\ncv save new\nrun 20\n",
        &[("cv.in", ""), ("h.ndx", ""), ("old.colvars.state", "")],
    );
    assert_eq!(
        more(&analysis),
        [
            "cv configfile=cv.in",
            "colvars indexFile=h.ndx",
            "cv load=old.colvars.state"
        ]
    );
    assert_eq!(analysis.inputs[5].site.range.start.line, 11);
    assert_eq!(
        analysis.outputs.kind_of("new.colvars.state"),
        Some(OutputKind::ColvarsState)
    );
    // A broken one is an error in that file.
    let analysis = with(
        "colvars on\ncolvarsConfig cv.in\nrun 20\n",
        &[("cv.in", "colvar {\n name d\n")],
    );
    let error = analysis
        .findings
        .iter()
        .find(|f| f.severity == Severity::Error)
        .unwrap();
    assert_eq!((error.file.as_str(), error.code), ("cv.in", Code::Syntax));
}

#[test]
fn a_colvars_state_is_found_with_and_without_suffix() {
    for (value, there, want) in [
        ("old", "old.colvars.state", "old.colvars.state"),
        (
            "old.colvars.state",
            "old.colvars.state",
            "old.colvars.state",
        ),
        ("old.state", "old.state", "old.state"),
    ] {
        let analysis = with(
            &format!("colvars on\ncolvarsConfig cv.in\ncolvarsInput {value}\nrun 20\n"),
            &[("cv.in", ""), (there, "x")],
        );
        assert_eq!(more(&analysis)[1], format!("colvarsInput={want}"));
        assert!(analysis.is_sound(), "{value}: {:?}", analysis.findings);
    }
    let analysis = with(
        "colvars on\ncolvarsConfig cv.in\ncolvarsInput old\nrun 20\n",
        &[("cv.in", "")],
    );
    assert!(has(&analysis, Severity::Error, Code::InputMissing));
}

#[test]
fn tags_inline_scripts_and_script_files_are_understood() {
    let text = "mgridforce on\nmgridforcefile oxy g.pdb\nmgridforcepotfile oxy {p q.dx}\nmgridforcecol oxy B\n\
                mgridforcescale oxy 1 1 1\ntclForces on\n\
                tclForcesScript {\n set f [open data.txt]\n source more.tcl\n addatom 1\n}\n\
                tclForcesScript forces.tcl\nrun 20\n";
    let analysis = with(
        text,
        &[
            ("g.pdb", "x"),
            ("p q.dx", "x"),
            ("forces.tcl", "source [file join sub x.tcl]\nfoo $bar\n"),
            ("data.txt", ""),
            ("more.tcl", ""),
            ("sub/x.tcl", ""),
        ],
    );
    assert_eq!(
        more(&analysis),
        [
            "mgridforcefile=g.pdb",
            "mgridforcepotfile=p q.dx",
            "tclForcesScript=forces.tcl",
            "open=data.txt?",
            "source=more.tcl?",
            "source=sub/x.tcl?"
        ]
    );
    // Their own commands and variables are not held against them.
    assert!(
        analysis.is_sound() && said(&analysis, Severity::Warning).is_empty(),
        "{:?}",
        analysis.findings
    );
}

#[test]
fn directories_change_with_cd_and_cwd() {
    let text = "cd in\nsource l.tcl\ncwd ../sys\nstructure a.psf\nparameters ../p.prm\nrun 20\n";
    let disk = Disk::new(&[
        ("c.namd", text),
        ("in/l.tcl", "coordinates a.pdb\n"),
        ("sys/a.psf", "x"),
        ("sys/a.pdb", "x"),
        ("p.prm", "x"),
    ]);
    let analysis = disk.analyse("c.namd");
    assert_eq!(
        inputs(&analysis),
        [
            "source=in/l.tcl",
            "coordinates=in/../sys/a.pdb",
            "structure=in/../sys/a.psf",
            "parameters=in/../sys/../p.prm"
        ]
    );
    assert!(!has(&analysis, Severity::Error, Code::InputMissing));
    assert_eq!(analysis.inputs[3].base, "in/../sys");
    assert_eq!(analysis.inputs[1].base, "in");
}

#[test]
fn sourced_files_are_followed_and_cycles_end() {
    let disk = Disk::new(&[
        ("c.namd", "source a.tcl\noutputname $name\n"),
        (
            "a.tcl",
            "source b.tcl\nset name [info script]\nreturn\nset name no\n",
        ),
        ("b.tcl", "structure b.psf\n"),
    ]);
    let analysis = disk.analyse("c.namd");
    assert_eq!(
        inputs(&analysis),
        ["source=a.tcl", "source=b.tcl", "structure=b.psf"]
    );
    assert_eq!(analysis.read, ["c.namd", "a.tcl", "b.tcl"]);
    assert_eq!(analysis.outputs.outputname.as_deref(), Some("a.tcl"));
    let disk = Disk::new(&[("c.namd", "source a.tcl\n"), ("a.tcl", "source ./c.namd\n")]);
    let analysis = disk.analyse("c.namd");
    assert!(has(&analysis, Severity::Error, Code::SourceCycle));
    // The same file twice in a row is no cycle.
    let disk = Disk::new(&[
        ("c.namd", "source a.tcl\nsource a.tcl\n"),
        ("a.tcl", "set x 1\n"),
    ]);
    assert!(!has(
        &disk.analyse("c.namd"),
        Severity::Error,
        Code::SourceCycle
    ));
}

#[test]
fn what_a_script_asks_for_is_part_of_it_if_it_is_there() {
    let text = "if {[file exists pre.tcl]} {source pre.tcl}\nif {[file exists no.tcl]} {source no.tcl}\n\
                if {[file exists done.flag]} {set x 1} else {set x 0}\nset n [llength [glob -nocomplain run*.dcd]]\n\
                dcdfile run_[format %03d $n]_$x.dcd\ndcdfreq 10\nrun 20\n";
    let analysis = with(
        text,
        &[
            ("pre.tcl", ""),
            ("done.flag", ""),
            ("run_a.dcd", "x"),
            ("run_b.dcd", "x"),
            ("run.log", ""),
        ],
    );
    assert_eq!(
        more(&analysis),
        [
            "file exists=pre.tcl?",
            "source=pre.tcl",
            "file exists=done.flag?",
            "glob=run_a.dcd?",
            "glob=run_b.dcd?"
        ]
    );
    assert_eq!(
        analysis.outputs.kind_of("run_002_1.dcd"),
        Some(OutputKind::Trajectory)
    );
    assert_eq!(analysis.uploads().count(), 9);
}

#[test]
fn what_the_run_writes_before_it_reads_is_not_uploaded() {
    let text = "restartfreq 20\nset f [open note.txt w]\nputs $f x\nclose $f\nsource note.txt\nfile mkdir made/here\n\
                file copy a.pdb made/here\nrun 20\noutput mid\nreinitatoms mid\nstructure o.coor\n\
                if {[file exists o.restart.coor]} {source after.tcl}\n";
    let analysis = with(text, &[]);
    let state = |keyword: &str| {
        analysis
            .inputs
            .iter()
            .filter(|i| i.keyword == keyword)
            .map(|i| i.state.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(state("source")[0], InputState::Produced);
    assert_eq!(
        state("reinitatoms"),
        [
            InputState::Produced,
            InputState::Produced,
            InputState::Produced
        ]
    );
    assert_eq!(state("structure").last(), Some(&InputState::Produced));
    // Whether a restart file is there by then is not known.
    assert!(
        analysis
            .inputs
            .iter()
            .any(|i| i.path.as_deref() == Some("after.tcl") && !i.certain)
    );
    assert!(analysis.is_sound(), "{:?}", analysis.findings);
    // Read at the start, it is an input even if it is written over later.
    let analysis = with(
        "binCoordinates o.restart.coor\nrestartfreq 20\nrun 20\n",
        &[("o.restart.coor", "1234")],
    );
    assert_eq!(
        analysis.inputs.last().unwrap().state,
        InputState::File { bytes: 4 }
    );
    assert_eq!(
        said(&analysis, Severity::Information),
        ["inputOverwritten 9:16"]
    );
    let analysis = with(
        "binCoordinates o.restart.coor\nrestartfreq 20\nrun 20\n",
        &[],
    );
    let error = analysis.findings.first().unwrap();
    assert!(error.code == Code::InputMissing && error.message.contains("only after it is read"));
}

#[test]
fn outputs_have_names_kinds_and_directories() {
    let text = "restartfreq 100\ndcdfreq 10\nxstfreq 10\nDCDfile traj/x.dcd\ncolvars on\nrun 20\n\
                outputname second/p\nrun 20\noutput withforces snap/s\n";
    let analysis = with(text, &[("traj/old", "")]);
    let outputs = &analysis.outputs;
    for (path, kind) in [
        ("o.coor", OutputKind::Coordinates),
        ("o.vel", OutputKind::Velocities),
        ("o.xsc", OutputKind::Cell),
        ("o.restart.coor", OutputKind::Restart),
        ("o.restart.xsc.old", OutputKind::Restart),
        ("traj/x.dcd", OutputKind::Trajectory),
        ("traj/x.dcd.BAK", OutputKind::Trajectory),
        ("o.xst", OutputKind::CellTrajectory),
        ("o.colvars.traj", OutputKind::Colvars),
        ("o.restart.colvars.state", OutputKind::ColvarsState),
        ("second/p.coor", OutputKind::Coordinates),
        ("./snap/s.force", OutputKind::Forces),
    ] {
        assert_eq!(outputs.kind_of(path), Some(kind), "{path}");
    }
    assert_eq!(outputs.kind_of("a.psf"), None);
    assert_eq!(outputs.kind_of("o.dcd"), None);
    assert_eq!(outputs.directories, ["second", "snap", "traj"]);
    assert_eq!(outputs.outputname.as_deref(), Some("o"));
    assert_eq!(outputs.restartname.as_deref(), Some("o.restart"));
    // NAMD makes none of them; the one that is there needs no word.
    assert_eq!(
        said(&analysis, Severity::Information),
        [
            "outputDirectoryMissing 15:12",
            "outputDirectoryMissing 17:1"
        ]
    );
    assert!(analysis.is_sound());
    let analysis = with("restartfreq 20\nrestartsave yes\nrun 20\n", &[]);
    assert_eq!(
        analysis.outputs.kind_of("o.1050.coor"),
        Some(OutputKind::Restart)
    );
    // A directory that the script makes itself, and one that cannot be.
    let analysis = script("file mkdir out\noutputname out/a\n");
    assert!(!has(
        &analysis,
        Severity::Information,
        Code::OutputDirectoryMissing
    ));
    let analysis = with("DCDfile a.psf/x.dcd\ndcdfreq 10\nrun 20\n", &[]);
    assert!(has(&analysis, Severity::Error, Code::Conflict));
    assert!(has(
        &script("outputname /abs/x"),
        Severity::Warning,
        Code::AbsoluteOutput
    ));
}

#[test]
fn absolute_paths_are_rewritten_where_they_stand_as_they_are() {
    let text = "structure /data/my sys/a.psf\nparameters {/data/p q.prm} ;# keep\ncoordinates=/data/a.pdb\n\
                mgridforcefile t /data/g.pdb\nbinCoordinates \"/data/r.coor\"\nextendedSystem /cluster/only.xsc\n";
    let mut disk = Disk::new(&[]);
    disk.add("c.namd", text.as_bytes());
    for file in [
        "/data/my sys/a.psf",
        "/data/p q.prm",
        "/data/a.pdb",
        "/data/g.pdb",
        "/data/r.coor",
    ] {
        disk.add(file, b"abcd");
    }
    let analysis = disk.analyse("c.namd");
    let rewrites = analysis.rewrites(|input| {
        Some(format!(
            "inputs/{}",
            paths::file_name(input.path.as_deref().unwrap_or(""))
        ))
    });
    let copy = apply_rewrites(text.as_bytes(), &rewrites);
    let want = "structure /data/my sys/a.psf\nparameters {inputs/p q.prm} ;# keep\ncoordinates=inputs/a.pdb\n\
                mgridforcefile t inputs/g.pdb\nbinCoordinates \"inputs/r.coor\"\nextendedSystem /cluster/only.xsc\n";
    assert_eq!(String::from_utf8(copy).unwrap(), want);
    // Two words make one path; it cannot be changed in one place, so it blocks.
    assert!(said(&analysis, Severity::Error).contains(&"absolutePath 1:11".to_owned()));
    assert!(said(&analysis, Severity::Information).contains(&"absolutePath 2:12".to_owned()));
    assert!(said(&analysis, Severity::Warning).contains(&"onClusterOnly 6:16".to_owned()));
    assert_eq!(analysis.inputs.last().unwrap().state, InputState::OnCluster);
    // The rewritten copy means the same, with the files in their new place.
    let mut disk = Disk::new(&[
        ("inputs/p q.prm", "x"),
        ("inputs/a.pdb", "x"),
        ("inputs/g.pdb", "x"),
        ("inputs/r.coor", "abcd"),
    ]);
    disk.add("c.namd", want.as_bytes());
    let again = disk.analyse("c.namd");
    let states = again.inputs.iter().skip(2).take(4);
    assert!(
        states
            .clone()
            .all(|i| matches!(i.state, InputState::File { .. })),
        "{:?}",
        states.collect::<Vec<_>>()
    );
}

#[test]
fn absolute_paths_that_cannot_be_rewritten_block() {
    for text in [
        "set d /data\nstructure $d/a.psf\n",
        "source lib.tcl\n",
        "cwd /data\nstructure a.psf\n",
        "colvars on\ncolvarsConfig cv.in\n",
    ] {
        let disk = Disk::new(&[
            ("c.namd", text),
            ("/data/a.psf", "x"),
            ("lib.tcl", "structure /data/a.psf\n"),
            ("cv.in", "indexFile /data/a.psf\n"),
        ]);
        let analysis = disk.analyse("c.namd");
        assert!(
            has(&analysis, Severity::Error, Code::AbsolutePath),
            "{text}: {:?}",
            analysis.findings
        );
        assert_eq!(analysis.rewrites(|_| Some("x".into())), []);
    }
    // A state keeps its suffix out of the configuration.
    let disk = Disk::new(&[
        ("c.namd", "colvars on\ncolvarsInput /data/s\n"),
        ("/data/s.colvars.state", "x"),
    ]);
    let rewrites = disk
        .analyse("c.namd")
        .rewrites(|_| Some("in/s.colvars.state".into()));
    assert_eq!(
        rewrites.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(),
        ["in/s"]
    );
}

#[test]
fn names_that_are_not_utf8_are_refused_and_latin1_comments_are_not() {
    let mut disk = Disk::new(FILES);
    let mut text = BASE.as_bytes().to_vec();
    text.extend_from_slice(b"margin 2 ;# \xc5ngstr\xf6m\nrun 20\nfoo 1\n");
    disk.add("c.namd", &text);
    let analysis = disk.analyse("c.namd");
    assert!(analysis.is_sound());
    assert_eq!(said(&analysis, Severity::Warning), ["unknownKeyword 11:1"]);
    let finding = &analysis.findings[0];
    assert_eq!(&text[finding.span.start..finding.span.end], b"foo");
    disk.add("c.namd", b"structure \xe4.psf\n");
    let analysis = disk.analyse("c.namd");
    assert!(has(&analysis, Severity::Error, Code::NonUtf8FileName));
}

#[test]
fn marks_and_line_ends_of_other_systems() {
    let analysis = script("\u{feff}structure a.psf\n");
    assert!(said(&analysis, Severity::Error).contains(&"byteOrderMark 1:1".to_owned()));
    assert_eq!(inputs(&analysis), ["structure=a.psf"]);
    let text = BASE.replace('\n', "\r\n");
    let disk = Disk::new(&[(
        "c.namd",
        &format!("{text}if {{1}} {{\r\n parameters \\\r\n  b.prm\r\n}}\r\nrun 20"),
    )]);
    let analysis = disk.analyse("c.namd");
    assert_eq!(more(&analysis), ["parameters=b.prm"]);
    assert_eq!(
        analysis.inputs[4].site.range.start,
        super::super::Position {
            line: 10,
            character: 2
        }
    );
    assert_eq!(analysis.plan.total_steps, Some(20));
}

#[test]
fn numsteps_runs_by_itself() {
    let analysis = with("numsteps 500\nfirsttimestep 100\n", &[]);
    assert_eq!(analysis.plan.total_steps, Some(400));
    assert!(analysis.is_sound());
    let analysis = with("numsteps 500\nminimization on\n", &[]);
    assert_eq!(analysis.plan.segments[0].kind, super::SegmentKind::Minimize);
    let analysis = with("numsteps 100\nfirsttimestep 100\n", &[]);
    assert_eq!(said(&analysis, Severity::Warning), ["noRun 9:10"]);
    assert_eq!(said(&with("", &[]), Severity::Error), ["noRun 1:1"]);
}

#[test]
fn anchored_paths_give_the_ancestor() {
    let analysis = with(
        "parameters ../top/b.prm\ndcdfile ../out/x.dcd\ndcdfreq 10\nrun 20\n",
        &[("../top/b.prm", "x")],
    );
    let anchored = analysis.anchored_paths();
    let found = paths::common_ancestor("/w", anchored.iter().map(String::as_str));
    assert_eq!(
        (found.root.as_str(), found.config_directory.as_str()),
        ("/", "w")
    );
}

#[test]
fn an_analysis_survives_the_wire() {
    let analysis = with(
        "colvars on\ncolvarsConfig cv.in\nrun 20\n",
        &[("cv.in", "indexFile x\n")],
    );
    let wire = serde_json::to_string(&analysis).unwrap();
    assert_eq!(
        serde_json::from_str::<super::Analysis>(&wire).unwrap(),
        analysis
    );
}

#[test]
fn the_closure_can_wait_across_threads() {
    fn can_be_sent<T: Send + Sync>() {}
    can_be_sent::<Closure>();
    can_be_sent::<super::Analysis>();
}

#[test]
fn directories_that_must_be_there_are_listed() {
    let text = "if {[file isdirectory keep]} {set x 1} else {set x 0}\nif {[file exists none]} {set x 2}\n\
                QMForces on\nQMBaseDir scratch/qm\ndcdfile d/$x.dcd\ndcdfreq 10\nrun 20\n";
    let analysis = with(text, &[("keep/x", "")]);
    assert_eq!(analysis.outputs.directories, ["d", "keep", "scratch/qm"]);
    assert_eq!(
        analysis.outputs.kind_of("d/1.dcd"),
        Some(OutputKind::Trajectory)
    );
}
