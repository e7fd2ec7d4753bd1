//! The reader against NAMD's own words, against bad input, and against itself in other portions.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::default();
    reader.feed(text.as_bytes());
    reader.finish();
    reader.report().clone()
}

const RUNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/namd/runs");

fn run(name: &str) -> Vec<u8> {
    std::fs::read(format!("{RUNS}/{name}.log")).unwrap()
}

#[test]
fn a_run_in_two_segments() {
    let bytes = run("01_min_npt");
    let mut reader = LogReader::default();
    let half = bytes.len() / 2;
    reader.feed(&bytes[..half]);
    let plan = StepPlan {
        total_steps: Some(200),
        segments: Some(2),
    };
    let now = reader.report().progress(&plan).unwrap();
    assert_eq!((now.segment, now.segments), (1, Some(2)));
    assert!(now.minimizing);
    assert!((now.ns_done - 0.0).abs() < 1e-12);
    reader.feed(&bytes[half..]);
    let done = reader.report().progress(&plan).unwrap();
    assert_eq!((done.segment, done.step, done.steps_done), (2, 200, 200));
    // 160 steps of 2 fs; the 40 steps of the minimisation simulate nothing.
    assert!((done.ns_done - 0.00032).abs() < 1e-12, "{}", done.ns_done);
    assert_eq!(done.ns_per_day, Some(2.11642));
    assert_eq!(done.temperature, Some(247.8015));
    assert_eq!(done.eta_seconds, None);
    assert_eq!(done.restart_step, Some(200));
    assert!(reader.report().succeeded());
    let names: Vec<&str> = done.energies.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(&names[..3], ["BOND", "ANGLE", "DIHED"]);
    assert!(names.contains(&"GPRESSAVG"));
}

#[test]
fn a_killed_run_has_an_estimate_and_a_restart() {
    let mut reader = LogReader::default();
    reader.feed(&run("04_kill"));
    let report = reader.report();
    let plan = StepPlan {
        total_steps: Some(20_200),
        segments: Some(1),
    };
    let now = report.progress(&plan).unwrap();
    assert_eq!(now.step, 460);
    assert_eq!(report.restart.step, Some(460));
    // 20,200 - 260 steps at 0.046792 s.
    assert_eq!((now.steps_done, now.eta_seconds), (260, Some(934)));
    assert!(!report.succeeded() && report.fatal.is_empty());
}

#[test]
fn every_unit_of_speed_is_understood() {
    let head = "Info: NAMD 3.0 for X\nInfo: TIMESTEP 2\nTCL: Running for 100 steps\n";
    let rate = |lines: &str| read(&format!("{head}{lines}")).pace.rate.unwrap();
    let days = rate("Info: Benchmark time: 2 CPUs 0.05 s/step 0.25 days/ns 90 MB memory\n");
    assert_eq!(days.ns_per_day, Some(4.0));
    let ns = rate("Info: Benchmark time: 16 CPUs 0.0007 s/step 110.8 ns/day 0 MB memory\n");
    assert_eq!(ns.ns_per_day, Some(110.8));
    let timing = rate(
        "TIMING: 20  CPU: 1, 0.05/step  Wall: 1, 0.1728/step, 2 hours remaining, 9 kB of memory in use.\n",
    );
    assert_eq!(
        (timing.ns_per_day, timing.source),
        (Some(1.0), RateSource::Timing)
    );
    // The average since the segment's first TIMING counts, not the last stretch.
    let average = rate(
        "TIMING: 20  CPU: 1, 9/step  Wall: 10, 9/step, 2 hours remaining, 9 MB of memory in use.\n\
         TIMING: 40  CPU: 1, 9/step  Wall: 20, 9/step, 108.7 ns/days, 2 hours remaining, 9 MB of memory in use.\n",
    );
    assert!((average.seconds_per_step - 0.5).abs() < 1e-12);
    let best = rate(
        "PERFORMANCE: 20  averaging 3.5 ns/day, 0.048 sec/step with standard deviation 0.03\n\
         TIMING: 20  CPU: 1, 9/step  Wall: 10, 9/step, 2 hours remaining, 9 MB of memory in use.\n",
    );
    assert_eq!(
        (best.ns_per_day, best.source),
        (Some(3.5), RateSource::Performance)
    );
}

#[test]
fn a_restart_set_counts_when_its_velocities_are_written() {
    let begun = "Info: NAMD 3.0 for X\nTCL: Running for 900 steps\n\
        WRITING EXTENDED SYSTEM TO RESTART FILE AT STEP 100\n\
        WRITING COORDINATES TO DCD FILE a.dcd AT STEP 100\n\
        WRITING COORDINATES TO RESTART FILE AT STEP 100\nFINISHED WRITING RESTART COORDINATES\n\
        WRITING VELOCITIES TO RESTART FILE AT STEP 100\nFINISHED WRITING RESTART VELOCITIES\n\
        WRITING EXTENDED SYSTEM TO RESTART FILE AT STEP 200\n\
        WRITING COORDINATES TO RESTART FILE AT STEP 200\n";
    let report = read(begun);
    assert_eq!(
        (report.restart.step, report.restart.writing),
        (Some(100), Some(200))
    );
    let report = read(&format!("{begun}FINISHED WRITING RESTART VELOCITIES\n"));
    assert_eq!(
        report.restart.step,
        Some(100),
        "coordinates were not finished"
    );
}

#[test]
fn a_changed_timestep_and_a_changed_count_are_followed() {
    let report = read(
        "Info: NAMD 3.0 for X\nInfo: TIMESTEP               1\nTCL: Running for 1000 steps\nENERGY: 900 1\n\
         TCL: Setting parameter timestep to 2.0\nTCL: Running for 1000 steps\nENERGY: 1000 1\nENERGY: 1500 1\n\
         TCL: Setting parameter firsttimestep to 0\nTCL: Running for 500 steps\nENERGY: 0 1\nENERGY: 250 1\n",
    );
    assert_eq!(report.steps_done(), 2250);
    assert_eq!(report.step, Some(250));
    // 1000 steps of 1 fs, 1000 of 2 fs, and 250 of the third run.
    assert!(
        (report.fs_done() - 3500.0).abs() < 1e-9,
        "{}",
        report.fs_done()
    );
}

#[test]
fn energies_that_are_no_numbers_or_touch() {
    let head = "Info: NAMD 3.0 for X\nETITLE:      TS    BOND    ANGLE    TEMP\n";
    let report = read(&format!(
        "{head}ENERGY:  10  -nan  99999999999.9999123456.0001\n"
    ));
    assert_eq!(report.not_a_number.as_ref().unwrap().number, 3);
    let values: Vec<_> = report.energies.iter().map(|e| e.value).collect();
    assert_eq!(
        values,
        [None, Some(99_999_999_999.999_9), Some(123_456.000_1)]
    );
    let report = read(&format!("{head}ENERGY:  10  ********  1.0000  300.0000\n"));
    assert_eq!(report.not_a_number, None);
    assert_eq!(report.temperature(), Some(300.0));
    // Columns that do not fit their titles are left out; the step counts all the same.
    let report = read(&format!(
        "{head}ENERGY:  10  1.0000  2.0000  3.0000  4.0000\n"
    ));
    assert_eq!((report.step, report.energies.len()), (Some(10), 0));
}

#[test]
fn fatal_errors_are_kept_once_with_what_follows() {
    let report = read(
        "Info: NAMD 3.0 for X\nFATAL ERROR: too many args\n    while executing\n\"run 20 # x\"\n\
         \x20   (file \"a.namd\" line 17)\n[Partition 0][Node 0] End of program\nFATAL ERROR: too many args\n",
    );
    assert_eq!(report.fatal.len(), 1);
    assert_eq!(report.fatal_count, 2);
    assert_eq!(report.fatal[0].number, 2);
    assert_eq!(report.fatal[0].more.len(), 3);
    assert!(report.end_of_program && !report.succeeded());
    let report = read(
        "------------- Processor 0 Exiting: Called CmiAbort ------------\n\
         Reason: FATAL ERROR: UNABLE TO OPEN .psf FILE nope.psf\n",
    );
    assert_eq!(report.fatal[0].text, "UNABLE TO OPEN .psf FILE nope.psf");
    let report = read("REPLICA 3 FATAL ERROR: Low global exclusion count!\n");
    assert_eq!(report.fatal[0].text, "Low global exclusion count!");
    let report = read("EXITING: benchmarkTime reached\n");
    assert!(report.fatal.is_empty() && report.succeeded());
    let report =
        read("Info:         ERROR TOLERANCE : 1e-08\nTCL: FATAL ERROR: said by a script\n");
    assert!(report.fatal.is_empty() && report.errors.count == 0);
}

#[test]
fn another_run_in_the_same_file_begins_anew() {
    let first = String::from_utf8(run("06_blow")).unwrap();
    let lines = first.lines().count() as u64;
    let second = String::from_utf8(run("02_prod")).unwrap();
    let report = read(&format!("{first}{second}"));
    assert!(report.fatal.is_empty(), "{:?}", report.fatal);
    assert!(report.lines > lines);
    assert_eq!(report.step, read(&second).step);
}

#[test]
fn what_is_no_log_says_nothing() {
    for text in [
        "",
        "\n\n\n",
        "total 12\n-rw-r--r-- 1 a b 3 x\n",
        "GROMACS - gmx mdrun, 2024\nStep 100\n",
    ] {
        let report = read(text);
        assert!(!report.is_namd());
        assert_eq!(report.progress(&StepPlan::default()), None, "{text:?}");
    }
}

#[test]
fn an_endless_line_takes_no_memory() {
    let mut reader = LogReader::default();
    reader.feed(b"Info: NAMD 3.0 for X\n");
    let block = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        reader.feed(&block);
        assert!(reader.line.capacity() <= 2 * LINE && reader.memory.len() <= MEMORY);
    }
    reader.feed(b"\nTCL: Running for 7 steps\n");
    assert_eq!(reader.report().segments, 1);
    assert_eq!(reader.offset(), 21 + (64 << 20) + 1 + 25);
}

#[test]
fn an_endless_log_takes_no_memory() {
    let mut reader = LogReader::default();
    let block = "FATAL ERROR: a\nERROR: b\nWarning: c\ncolvars: Error: d\nslurmstepd: error: e\n"
        .repeat(1000);
    reader.feed(block.as_bytes());
    let size = serde_json::to_string(&reader).unwrap().len();
    for n in 0..50 {
        reader.feed(
            block
                .replace("ERROR: a", &format!("ERROR: a{n}"))
                .as_bytes(),
        );
    }
    let later = serde_json::to_string(&reader).unwrap().len();
    assert!(later < size + 2000, "{size} {later}");
    assert_eq!(reader.report().warnings.count, 51_000);
}

#[test]
fn it_can_be_left_and_taken_up_again() {
    let bytes = run("04_kill");
    let mut whole = LogReader::default();
    whole.feed(&bytes);
    let mut reader = LogReader::default();
    let mut at = 0;
    while at < bytes.len() {
        // Each time as the next process would: from the store, from its offset on.
        let text = serde_json::to_string(&reader).unwrap();
        reader = serde_json::from_str(&text).unwrap();
        let from = usize::try_from(reader.offset()).unwrap();
        assert!(reader.fits(&bytes[from - reader.overlap()..from]));
        at = (from + 5000).min(bytes.len());
        reader.feed(&bytes[from..at]);
    }
    assert_eq!(reader.report(), whole.report());
    let mut other = bytes.clone();
    other[bytes.len() - 3] ^= 1;
    assert!(!whole.fits(&other[bytes.len() - whole.overlap()..]));
}

#[test]
fn what_was_skipped_is_said() {
    let bytes = run("02_prod");
    let mut reader = LogReader::default();
    reader.feed(&bytes[..8000]);
    reader.skip_to(bytes.len() as u64 - 4000);
    reader.feed(&bytes[bytes.len() - 4000..]);
    let mut whole = LogReader::default();
    whole.feed(&bytes);
    assert!(reader.report().skipped);
    assert_eq!(reader.report().step, whole.report().step);
    assert_eq!(reader.offset(), bytes.len() as u64);
}

fn some_line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Info: NAMD 3.0 for Linux\n".to_owned()),
        Just("Info: TIMESTEP               2\n".to_owned()),
        Just("ETITLE:      TS     BOND   TEMP\n".to_owned()),
        (any::<i64>(), any::<f64>(), any::<f64>())
            .prop_map(|(n, a, b)| format!("ENERGY: {n} {a} {b}\n")),
        any::<u64>().prop_map(|n| format!("TCL: Running for {n} steps\n")),
        any::<u64>().prop_map(|n| format!("TCL: Minimizing for {n} steps\n")),
        any::<i64>().prop_map(|n| format!("TCL: Setting parameter firsttimestep to {n}\n")),
        any::<i64>().prop_map(|n| format!("WRITING COORDINATES TO RESTART FILE AT STEP {n}\n")),
        Just("FINISHED WRITING RESTART VELOCITIES\n".to_owned()),
        any::<f64>().prop_map(|x| format!(
            "TIMING: 5  CPU: {x}, {x}/step  Wall: {x}, {x}/step, {x} hours remaining\n"
        )),
        Just("FATAL ERROR: x\n".to_owned()),
        "[A-Z]{0,12}: \\PC{0,40}\n",
        "\\PC{0,6000}",
    ]
}

proptest! {
    #[test]
    fn portions_do_not_matter(
        lines in prop::collection::vec(some_line(), 0..40),
        cuts in prop::collection::vec(1..900_usize, 1..30),
    ) {
        let text = lines.concat();
        let mut whole = LogReader::default();
        whole.feed(text.as_bytes());
        let mut pieces = LogReader::default();
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            pieces.feed(now);
            rest = later;
        }
        prop_assert_eq!(&whole, &pieces);
        whole.finish();
        whole.report().progress(&StepPlan::default());
        prop_assert_eq!(whole.offset(), text.len() as u64);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let mut reader = LogReader::default();
        reader.feed(&bytes);
        reader.finish();
        let kept = serde_json::to_string(&reader).unwrap();
        prop_assert_eq!(serde_json::from_str::<LogReader>(&kept).unwrap(), reader);
    }
}
