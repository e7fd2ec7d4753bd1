use super::super::test_support::{Disk, has, inputs, said, script, settings};
use super::super::{Analysis, Closure, Code, Severity};

/// The value that the last keyword of a script gets.
fn last(analysis: &Analysis) -> (String, bool) {
    let setting = analysis.settings.last().expect("a keyword is set");
    (setting.value.clone(), setting.known)
}

#[test]
fn results_are_those_of_tclsh() {
    let table = include_str!("../../../tests/data/namd/tcl-results.tsv");
    let unescaped = |text: &str| {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '\\' { chars.next() } else { None }) {
                (_, Some('n')) => out.push('\n'),
                (_, Some('t')) => out.push('\t'),
                (_, Some(other)) => out.push(other),
                (plain, None) => out.push(plain),
            }
        }
        out
    };
    let mut rows = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (text, want) = line.split_once('\t').unwrap();
        let (text, want) = (unescaped(text), unescaped(want));
        // In braces behind a keyword, so that an empty result is one too.
        let analysis = script(&format!("{text}\noutputname \"<$r>\"\n"));
        let (got, known) = last(&analysis);
        assert!(known, "{text}: not worked out: {:?}", analysis.findings);
        assert_eq!(got, format!("<{want}>"), "{text}");
        assert!(
            !analysis
                .findings
                .iter()
                .any(|f| f.code == Code::ScriptError),
            "{text}: {:?}",
            analysis.findings
        );
        rows += 1;
    }
    assert!(rows > 90);
}

#[test]
fn keywords_are_taken_apart_as_namd_does() {
    // The forms listed in NAMD's Tcl_config.
    for text in [
        "cutoff 12",
        "cutoff=12",
        "cutoff =12",
        "cutoff= 12",
        "cutoff = 12",
        "CutOff 12 # comment",
        "cutoff {12}",
        "cutoff 12 ;# comment",
        "cutoff\t12",
        "param cutoff 12",
        "cutoff=12 # comment",
    ] {
        assert_eq!(settings(&script(text)), ["cutoff=12"], "{text}");
    }
    assert_eq!(
        settings(&script("cellOrigin 1  2\t3 # c")),
        ["cellOrigin=1 2 3"]
    );
    assert_eq!(
        settings(&script("cellOrigin={1 2} 3")),
        ["cellOrigin={1 2} 3"]
    );
    assert_eq!(settings(&script("outputname a#b")), ["outputname=a#b"]);
    assert_eq!(
        settings(&script("cellOrigin {1 # 2}")),
        ["cellOrigin=1 # 2"]
    );
    assert_eq!(
        settings(&script("set n x\noutputname $n.$n[expr {1+1}]")),
        ["outputname=x.x2"]
    );
    // A keyword without value reads it.
    assert_eq!(
        settings(&script("outputname a\nrestartname [outputname].r")),
        ["outputname=a", "restartname=a.r"]
    );
}

#[test]
fn comments_behind_values_are_evaluated_before_they_are_cut() {
    let analysis = script("temperature 300 # in [K]\n");
    assert_eq!(
        said(&analysis, Severity::Error).first().map(String::as_str),
        Some("noRun 1:1")
    );
    assert!(said(&analysis, Severity::Error).contains(&"readBeforeSet 1:23".to_owned()));
    assert!(has(
        &script("temperature 300 # costs $5\n"),
        Severity::Error,
        Code::UndefinedVariable
    ));
}

#[test]
fn known_branches_are_taken_and_unknown_ones_are_all_followed() {
    assert_eq!(
        inputs(&script("if {0} {structure a.psf} else {structure b.psf}")),
        ["structure=b.psf"]
    );
    let text = "if {$env(X)} {\n structure a.psf\n set t 1\n} else {\n structure b.psf\n set t 1\n}\n\
                outputname o$t\n";
    let analysis = script(text);
    assert_eq!(inputs(&analysis), ["structure=a.psf?", "structure=b.psf?"]);
    // What both ways agree on is known.
    assert_eq!(last(&analysis), ("o1".into(), true));
    let analysis = script("set n 1\nif {$env(X)} {set n 2}\noutputname o$n\n");
    assert_eq!(last(&analysis), ("o*".into(), false));
    // The environment may be told.
    let disk = Disk::new(&[("c.namd", "if {$env(X) == 3} {outputname o$::env(X)}")]);
    let closure = Closure::new("/w/c.namd").with_environment("X", "3");
    assert_eq!(settings(&disk.drive(closure)), ["outputname=o3"]);
}

#[test]
fn an_early_return_on_one_way_makes_the_result_unknown() {
    let text = "proc f {} {\n if {$env(X)} {return 1}\n return 2\n}\noutputname o[f]\n";
    assert_eq!(last(&script(text)), ("o*".into(), false));
    let text = "proc f {} {\n if {$env(X)} {return 2} else {return 2}\n}\noutputname o[f]\n";
    assert!(!last(&script(text)).1);
    let text = "set i 0\nwhile {$i < 5} {\n incr i\n if {$env(X)} break\n}\noutputname o$i\n";
    assert_eq!(last(&script(text)), ("o*".into(), false));
    let text =
        "set k 7\nset i 0\nwhile {$i < 5} {\n if {$env(X)} continue\n incr i\n}\noutputname o$k\n";
    assert_eq!(last(&script(text)), ("o7".into(), true));
}

#[test]
fn loops_over_unknown_things_run_their_body_as_maybe() {
    let text = "foreach f $env(FILES) {\n parameters $f\n parameters fixed.prm\n set last $f\n}\noutputname o$last\n";
    let analysis = script(text);
    assert_eq!(
        inputs(&analysis),
        ["parameters=-?", "parameters=fixed.prm?"]
    );
    assert!(said(&analysis, Severity::Warning).contains(&"notStatic 2:13".to_owned()));
    assert!(!last(&analysis).1);
    let analysis = script("for {set i 0} {$i < 100000} {incr i} {run 20}\n");
    assert!(has(&analysis, Severity::Warning, Code::BudgetExceeded));
    assert_eq!(analysis.plan.total_steps, None);
}

#[test]
fn what_cannot_be_known_is_said_with_its_reason() {
    let analysis = script("structure [exec make_psf]/x.psf\n");
    let finding = analysis
        .findings
        .iter()
        .find(|f| f.code == Code::NotStatic)
        .unwrap();
    assert!(
        finding.message.contains("`*/x.psf`") && finding.message.contains("exec make_psf"),
        "{}",
        finding.message
    );
    assert_eq!(analysis.inputs[1].value, "*/x.psf");
    assert_eq!(analysis.inputs[1].path, None);
    // A path below the working directory leads somewhere all the same.
    assert_eq!(
        inputs(&script("structure [pwd]/x.psf")),
        ["structure=./x.psf"]
    );
    assert_eq!(
        inputs(&script("structure [file join [pwd] in x.psf]")),
        ["structure=./in/x.psf"]
    );
    assert_eq!(
        inputs(&script("structure [file normalize ../x.psf]")),
        ["structure=../x.psf"]
    );
    let analysis = script("outputname [file tail [pwd]]\n");
    assert!(!last(&analysis).1);
}

#[test]
fn errors_that_a_catch_takes_are_not_reported() {
    let text =
        "if {[catch {source missing.tcl} msg]} {set got 1} else {set got 0}\noutputname o$got\n";
    let analysis = script(text);
    assert_eq!(last(&analysis), ("o1".into(), true));
    assert!(!has(&analysis, Severity::Error, Code::InputMissing));
    assert!(has(&analysis, Severity::Warning, Code::InputMissing));
    // Whether an unknown command fails is not known.
    let analysis = script("set got [catch {exec true}]\noutputname o$got\n");
    assert_eq!(last(&analysis), ("o*".into(), false));
}

#[test]
fn an_error_is_reported_once_and_reading_goes_on() {
    let analysis = script("outputname $oops\nstructure a.psf\nproc f {} {return $nothing}\nf\nf\n");
    let errors = said(&analysis, Severity::Error);
    assert_eq!(
        errors
            .iter()
            .filter(|e| e.starts_with("undefinedVariable"))
            .count(),
        2
    );
    assert!(errors.contains(&"undefinedVariable 1:12".to_owned()));
    assert!(errors.contains(&"undefinedVariable 3:19".to_owned()));
    assert_eq!(inputs(&analysis), ["structure=a.psf"]);
    // What follows from the error is not reported again.
    assert!(!has(&analysis, Severity::Warning, Code::NotStatic));
    let analysis = script("proc f {a} { return [expr {$a/0}] }\nset q [f 3]\n");
    assert!(
        said(&analysis, Severity::Error).contains(&"scriptError 1:27".to_owned()),
        "{:?}",
        analysis.findings
    );
}

#[test]
fn a_script_that_stops_itself_stops() {
    let analysis = script("run 20\nexit\nrun 20\nstructure late.psf\n");
    assert_eq!(analysis.plan.total_steps, Some(20));
    assert_eq!(inputs(&analysis), Vec::<String>::new());
    assert!(said(&script("error oops"), Severity::Error).contains(&"scriptError 1:1".to_owned()));
    // A guard that may not be met is worth knowing, no more.
    let analysis = script("if {$env(X) > 3} {\n error \"too many\"\n}\nrun 20\n");
    assert!(has(&analysis, Severity::Information, Code::ScriptError));
    assert_eq!(analysis.plan.total_steps, Some(20));
}

#[test]
fn after_a_missing_library_nothing_is_held_against_the_script() {
    let analysis = script("source lib.tcl\noutputname $name\nrunFEP 0 1\n[prefix] on\n");
    assert_eq!(
        analysis.findings.iter().map(|f| f.code).collect::<Vec<_>>(),
        [
            Code::InputMissing,
            Code::NoRun,
            Code::NotStatic,
            Code::NotStatic
        ]
    );
    assert!(has(&analysis, Severity::Warning, Code::NoRun));
    assert_eq!(analysis.plan.total_steps, None);
}

#[test]
fn commands_can_be_wrapped() {
    let text = "rename run namd_run\nproc run {n} {\n namd_run [expr {$n / 2}]\n}\nrun 200\n";
    let analysis = script(text);
    assert_eq!(analysis.plan.total_steps, Some(100));
    assert_eq!(analysis.plan.segments[0].site.range.start.line, 2);
    let text = "proc structure {f} { ::coordinates $f.pdb }\nstructure a\n";
    assert_eq!(settings(&script(text)), ["::coordinates=a.pdb"]);
}

#[test]
fn after_startup_keywords_are_parameters() {
    let base = "langevin on\nlangevinTemp 300\nlangevinDamping 1\noutputname o\nrun 20\n";
    let analysis = script(&format!("{base}langevinTemp 310\nrun 20\n"));
    assert!(!has(&analysis, Severity::Error, Code::DuplicateKeyword));
    assert!(analysis.settings.last().unwrap().after_startup);
    let analysis = script(&format!("{base}cutoff 9\n"));
    assert!(said(&analysis, Severity::Warning).contains(&"notSettable 6:1".to_owned()));
    let analysis = script(&format!("{base}langevinTemp 310 # in kelvin now\n"));
    assert!(said(&analysis, Severity::Error).contains(&"wrongArguments 6:1".to_owned()));
    let analysis = script(&format!("{base}structure new.psf pdb new.pdb\n"));
    assert_eq!(
        inputs(&analysis),
        ["structure=new.psf", "structure … pdb=new.pdb"]
    );
    // reinitvels, cv and others bring startup about too.
    assert!(script("cv units real\ntimestep 1\n").settings[0].after_startup);
}

#[test]
fn steps_are_counted_and_checked() {
    let analysis =
        script("stepspercycle 10\nfirsttimestep 100\nminimize 50\nrun 100\nrun norepeat 20\n");
    let plan = &analysis.plan;
    assert_eq!(plan.total_steps, Some(170));
    let firsts: Vec<_> = plan.segments.iter().map(|s| s.first_step).collect();
    assert_eq!(firsts, [Some(100), Some(150), Some(250)]);
    assert!(said(&script("run 15"), Severity::Error).contains(&"stepsNotMultiple 1:5".to_owned()));
    assert!(
        said(&script("firsttimestep 7\nrun 20"), Severity::Error)
            .contains(&"stepsNotMultiple 1:15".to_owned())
    );
    assert!(!has(
        &script("stepspercycle $env(S)\nrun 15"),
        Severity::Error,
        Code::StepsNotMultiple
    ));
    assert!(said(&script("run 1.5"), Severity::Error).contains(&"wrongArguments 1:5".to_owned()));
    assert!(
        said(&script("run 20 # go"), Severity::Error).contains(&"wrongArguments 1:1".to_owned())
    );
    let analysis = script("run $env(N)\n");
    assert_eq!(analysis.plan.segments[0].steps, None);
    assert!(said(&analysis, Severity::Information).contains(&"notStatic 1:5".to_owned()));
}

#[test]
fn files_are_read_line_by_line() {
    let text = "proc first {f} {\n set fd [open $f r]\n gets $fd\n gets $fd\n gets $fd line\n close $fd\n\
                \x20return [lindex $line 0]\n}\nfirsttimestep [first r.xsc]\n";
    let disk = Disk::new(&[
        ("c.namd", text),
        ("r.xsc", "# NAMD\n#$LABELS step a_x\n860 61.3\n"),
    ]);
    let analysis = disk.analyse("c.namd");
    assert_eq!(settings(&analysis), ["firsttimestep=860"]);
    assert_eq!(inputs(&analysis), ["open=r.xsc"]);
    let text = "set n 0\nset f [open l.txt]\nwhile {[gets $f line] >= 0} {incr n; lappend l $line}\n\
                outputname o$n[join $l -][eof $f]\n";
    let disk = Disk::new(&[("c.namd", text), ("l.txt", "a\n\nb")]);
    assert_eq!(last(&disk.analyse("c.namd")).0, "o3a--b1");
    let text = "set f [open l.txt]\noutputname o[llength [split [string trim [read $f]] \\n]]\n";
    let disk = Disk::new(&[("c.namd", text), ("l.txt", "a\r\nb\r\nc\r\n")]);
    assert_eq!(last(&disk.analyse("c.namd")).0, "o3");
}

#[test]
fn a_callback_sets_what_it_sets() {
    let text = "proc keep {labels values} {\n global energies\n set energies $values\n}\ncallback keep\n\
                run 20\noutputname o$energies\n";
    let analysis = script(text);
    assert!(!has(&analysis, Severity::Error, Code::UndefinedVariable));
    assert_eq!(last(&analysis), ("o*".into(), false));
    assert!(has(
        &script("outputname $energies\n"),
        Severity::Error,
        Code::UndefinedVariable
    ));
}

#[test]
fn programs_of_ones_own_are_taken_along() {
    let text = "QMForces on\nQMExecPath ./qm.py\nQMPrepProc /usr/bin/python3\nexec sh prepare.sh /etc/passwd\n";
    let disk = Disk::new(&[
        ("c.namd", text),
        ("qm.py", "x"),
        ("prepare.sh", "x"),
        ("/etc/passwd", "x"),
        ("/usr/bin/python3", "x"),
    ]);
    assert_eq!(
        inputs(&disk.analyse("c.namd")),
        ["QMExecPath=./qm.py?", "exec=prepare.sh?"]
    );
}
