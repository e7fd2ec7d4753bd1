//! Holds the findings against what NAMD 3.0 itself did with the same files:
//! the runs in `tests/data/namd/runs`, made for this project.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::test_support::{Disk, has};
use super::{Analysis, Code, Severity};

const RUNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/namd/runs");

/// The inputs of the runs, as far as their size matters.
fn disk() -> Disk {
    let mut disk = Disk::new(&[
        ("alanin.psf", "PSF"),
        ("alanin.params", "x"),
        ("alanin.pdb", "x"),
        ("short.pdb", "x"),
        ("short.params", "x"),
        ("empty.xsc", ""),
        ("trunc.coor", "1234567"),
        ("out/", ""),
        ("5dhfr_cube.psf", "PSF"),
        ("5dhfr_cube.pdb", "x"),
        ("par_all22_prot.inp", "x"),
    ]);
    // 4 + 24 bytes for each atom: 66 and 23558 atoms.
    disk.add("ok1.vel", &[0; 4 + 24 * 66]);
    for stage in ["01_min_npt", "02_prod"] {
        disk.add(&format!("{stage}.restart.coor"), &vec![0; 4 + 24 * 23558]);
        disk.add(&format!("{stage}.restart.vel"), &vec![0; 4 + 24 * 23558]);
    }
    for (there, here) in [
        ("02_prod.restart.xsc", "02_prod.restart.xsc"),
        ("02_prod.restart.xsc", "01_min_npt.restart.xsc"),
        ("d.colvars", "d.colvars"),
        ("bad.colvars", "bad.colvars"),
        ("jac_base.tcl", "jac_base.tcl"),
        ("jac_big.tcl", "jac_big.tcl"),
    ] {
        disk.add(
            here,
            &std::fs::read(PathBuf::from(RUNS).join(there)).unwrap(),
        );
    }
    disk
}

fn analyse(name: &str) -> Analysis {
    let mut disk = disk();
    let path = if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("{name}.namd")
    } else {
        format!("cases/{name}.namd")
    };
    let bytes = std::fs::read(PathBuf::from(RUNS).join(path)).unwrap();
    // This one was run in a directory below the others.
    let place = if name == "ok_cwd_sub" {
        "sub/c.namd".into()
    } else {
        format!("{name}.namd")
    };
    disk.add(&place, &bytes);
    disk.analyse(&place)
}

/// What is expected of each case that NAMD refused, and of some it did not:
/// what we say, with the severity, or why it cannot be foreseen.
const FORESEEN: &[(&str, &str)] = &[
    ("bad_abort", "E scriptError"),
    ("bad_atomcount", "- needs the number of atoms in both files"),
    ("bad_bincoor_missing", "E inputMissing"),
    ("bad_bincoor_truncated", "E inputBroken"),
    (
        "bad_bincoor_wrong_count",
        "- needs the number of atoms in the structure",
    ),
    ("bad_blowup", "- physics"),
    ("bad_bool", "E invalidValue"),
    ("bad_bracket_in_comment", "E readBeforeSet"),
    ("bad_colvars_config_missing", "E inputMissing"),
    ("bad_colvars_syntax", "- needs the keywords of Colvars"),
    ("bad_comment_after_run", "E wrongArguments"),
    ("bad_crlf", "ran"),
    ("bad_cudasoa_on_cpu", "- depends on the build of NAMD"),
    ("bad_cutoff_gt_pairlist", "E conflict"),
    ("bad_duplicate_keyword", "E duplicateKeyword"),
    ("bad_empty", "E noRun"),
    ("bad_exclude_missing", "E requiredMissing"),
    ("bad_firsttimestep_not_multiple", "E stepsNotMultiple"),
    ("bad_gpuresident_on_cpu", "- depends on the build of NAMD"),
    ("bad_keyword_no_value", "E readBeforeSet"),
    ("bad_langevintemp_ignored", "ran, W ignoredKeyword"),
    ("bad_minimize_negative", "E wrongArguments"),
    ("bad_no_temperature", "E requiredMissing"),
    ("bad_number", "E invalidValue"),
    ("bad_outputdir_missing", "I outputDirectoryMissing"),
    ("bad_param_after_run", "W notSettable"),
    ("bad_param_missing_type", "- needs the force field"),
    ("bad_parameters_none", "E requiredMissing"),
    ("bad_params_missing", "E inputMissing"),
    ("bad_pdb_missing", "E inputMissing"),
    ("bad_piston_no_cell", "ran"),
    ("bad_pme_no_cell", "E conflict"),
    ("bad_psf_is_pdb", "- needs the content of the structure"),
    ("bad_psf_missing", "E inputMissing"),
    ("bad_rattle", "- physics"),
    ("bad_required_missing", "E requiredMissing"),
    ("bad_run_nonint", "E wrongArguments"),
    ("bad_source_missing", "E inputMissing"),
    ("bad_steps_not_multiple", "E stepsNotMultiple"),
    ("bad_tcl_error_proc", "E scriptError"),
    ("bad_unbalanced_brace", "E syntax"),
    ("bad_undefined_var", "E undefinedVariable"),
    ("bad_unknown_after_run", "W unknownKeyword"),
    ("bad_unknown_keyword", "W unknownKeyword"),
    ("bad_vel_and_temp", "E conflict"),
    ("bad_xsc_empty", "E inputBroken"),
    ("bad_xsc_missing", "E inputMissing"),
];

fn results() -> Vec<(String, bool)> {
    let text = std::fs::read_to_string(PathBuf::from(RUNS).join("RESULTS.tsv")).unwrap();
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once('\t')?;
            Some((name.to_owned(), rest.starts_with("rc=0")))
        })
        // Cases of the command line have no configuration of their own.
        .filter(|(name, _)| !name.starts_with("cl_"))
        .collect()
}

#[test]
fn what_namd_ran_has_no_errors() {
    let mut wrong = String::new();
    let mut seen = 0;
    for (name, ran) in results() {
        if !ran {
            continue;
        }
        seen += 1;
        for finding in analyse(&name)
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
        {
            let _ = writeln!(wrong, "{name}: {}", finding.message);
        }
    }
    assert_eq!(seen, 20);
    assert_eq!(wrong, "");
}

#[test]
fn what_namd_refused_is_foreseen_where_it_can_be() {
    let mut wrong = String::new();
    for (name, ran) in results()
        .into_iter()
        .filter(|(name, _)| name.starts_with("bad_"))
    {
        let expected = FORESEEN
            .iter()
            .find(|(case, _)| *case == name)
            .map(|(_, what)| *what);
        let expected = expected.unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(expected.starts_with("ran"), ran, "{name}");
        let analysis = analyse(&name);
        let errors = analysis
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .count();
        let mut words = expected.trim_start_matches("ran, ").split(' ');
        let severity = match words.next() {
            Some("E") => Severity::Error,
            Some("W") => Severity::Warning,
            Some("I") => Severity::Information,
            _ => {
                if errors > 0 {
                    let _ = writeln!(wrong, "{name}: {:?}", analysis.findings);
                }
                continue;
            }
        };
        let code = words.next().unwrap_or("");
        let found = analysis
            .findings
            .iter()
            .any(|f| f.severity == severity && f.code.as_str() == code);
        if !found || (severity != Severity::Error && errors > 0) {
            let _ = writeln!(wrong, "{name}: {:#?}", analysis.findings);
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn the_chain_of_runs_is_understood() {
    let first = analyse("01_min_npt");
    assert!(first.is_sound(), "{:?}", first.findings);
    assert_eq!(first.plan.total_steps, Some(200));
    assert_eq!(first.plan.restart_freq, Some(40));
    assert_eq!(first.plan.timestep_fs, Some(2.0));
    assert_eq!(first.outputs.outputname.as_deref(), Some("01_min_npt"));
    // The step is read out of the .xsc, as the script does.
    let next = analyse("03_cont");
    assert!(next.is_sound(), "{:?}", next.findings);
    let first_step = next
        .settings
        .iter()
        .find(|s| s.keyword == "firsttimestep")
        .unwrap();
    assert_eq!((first_step.value.as_str(), first_step.known), ("860", true));
    assert_eq!(next.plan.first_step, Some(860));
    assert_eq!(next.plan.total_steps, Some(60));
    assert!(
        next.inputs
            .iter()
            .any(|i| i.keyword == "open" && i.path.as_deref() == Some("02_prod.restart.xsc"))
    );
    // 05, 06: physics goes wrong, not the configuration.
    for name in [
        "02_prod",
        "04_kill",
        "05_badcell",
        "06_blow",
        "07_overwrite",
    ] {
        assert!(analyse(name).is_sound(), "{name}");
    }
    // The cell is set twice over, and the .xsc wins silently: no complaint of NAMD's.
    assert!(!has(&analyse("08_xsc"), Severity::Error, Code::Conflict));
}
