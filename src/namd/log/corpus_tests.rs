//! The reader against real logs, held to a table that was reviewed by hand:
//! `tests/data/namd/log-expectations.tsv`.
//!
//! The logs of the runs made for this project are part of the repository. Those of the corpus state
//! no licence: `NAMDRUNNER_CORPUS` names the folder that has `logs/`.
//! `NAMDRUNNER_CORPUS_BLESS=1` writes the table anew (with `-j1`, both tests write it); review what
//! changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{LogReader, LogReport, StepPlan};
use crate::namd::{Closure, Found};

const TABLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/namd/log-expectations.tsv"
);
const RUNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/namd/runs");

const HEAD: &str = "\
# What is expected of each log (see src/namd/log/corpus_tests.rs). corpus/: of the corpus; the others are in runs/.
# segments, step: as of the last line. total: steps in all, where log or configuration tell; - if not. done: steps done.
# ns/day: `-` where nothing in the log says. restart: step of the last whole set. end: wall, fatal, or cut.
# fatal: the first fatal error's message.
# file\tversion\tsegments\tstep\tdone\ttotal\tns\tns/day\ttemperature\trestart\twarnings\tend\tfatal
";

fn logs(dir: &Path, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "log") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            found.insert(format!("{prefix}{name}"), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// What the configuration beside a log plans.
fn plan(name: &str) -> StepPlan {
    let path = PathBuf::from(RUNS).join(format!("{name}.namd"));
    let Ok(config) = std::fs::read(&path) else {
        return StepPlan::default();
    };
    let mut closure = Closure::new("/runs/run.namd");
    for _ in 0..64 {
        let needs = closure.needs();
        if needs.is_empty() {
            break;
        }
        for need in needs {
            let file = need.path.rsplit('/').next().unwrap_or_default();
            let content = if need.path == "/runs/run.namd" {
                Some(config.clone())
            } else {
                std::fs::read(PathBuf::from(RUNS).join(file)).ok()
            };
            let found = content.map_or(
                Found::File {
                    bytes: 1,
                    content: None,
                },
                |content| Found::File {
                    bytes: content.len() as u64,
                    content: Some(content),
                },
            );
            closure.feed(&need.path, found);
        }
    }
    let plan = closure.finish().plan;
    StepPlan {
        total_steps: plan.total_steps,
        segments: None,
    }
}

fn row(name: &str, report: &LogReport) -> String {
    let progress = report.progress(&plan(name));
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let end = match (&report.end, report.fatal.is_empty()) {
        (_, false) => "fatal",
        (Some(_), _) => "wall",
        (None, _) => "cut",
    };
    let mut text = format!("{name}\t{}", report.version.as_deref().unwrap_or("-"));
    let progress = progress.as_ref();
    let cells = [
        report.segments.to_string(),
        or(report.step.map(|step| step.to_string())),
        or(progress.map(|p| p.steps_done.to_string())),
        or(progress.and_then(|p| p.total_steps).map(|n| n.to_string())),
        or(progress.map(|p| format!("{:.6}", p.ns_done))),
        or(progress
            .and_then(|p| p.ns_per_day)
            .map(|n| format!("{n:.4}"))),
        or(report.temperature().map(|t| format!("{t:.2}"))),
        or(report.restart.step.map(|step| step.to_string())),
        report.warnings.count.to_string(),
        end.to_owned(),
        or(report.fatal.first().map(|fatal| fatal.text.clone())),
    ];
    for cell in cells {
        let _ = write!(text, "\t{cell}");
    }
    text
}

fn check(logs: &BTreeMap<String, Vec<u8>>, ours: impl Fn(&str) -> bool) {
    let table = std::fs::read_to_string(TABLE).unwrap_or_default();
    let mut rows: BTreeMap<String, String> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some((line.split_once('\t')?.0.to_owned(), line.to_owned())))
        .collect();
    let mut wrong = String::new();
    for (name, bytes) in logs {
        let mut whole = LogReader::default();
        whole.feed(bytes);
        whole.finish();
        // In portions that grow and shrink, and as a server that is started again each time.
        let mut pieces = LogReader::default();
        let (mut at, mut size) = (0, 1);
        while at < bytes.len() {
            size = size * 7 % 4999 + 1;
            let end = (at + size).min(bytes.len());
            pieces.feed(&bytes[at..end]);
            at = end;
        }
        pieces.finish();
        assert_eq!(whole, pieces, "{name}");
        let is = row(name, whole.report());
        match rows.get(name) {
            Some(expected) if *expected == is => {}
            expected => {
                let _ = writeln!(wrong, "{}\n{is}", expected.map_or("not there", |e| e));
            }
        }
        rows.insert(name.clone(), is);
    }
    let gone: Vec<&String> = rows
        .keys()
        .filter(|name| ours(name) && !logs.contains_key(*name))
        .collect();
    assert!(gone.is_empty(), "no such logs: {gone:?}");
    if std::env::var_os("NAMDRUNNER_CORPUS_BLESS").is_some() {
        let mut text = HEAD.to_owned();
        for row in rows.values() {
            text.push_str(row);
            text.push('\n');
        }
        std::fs::write(TABLE, text).unwrap();
    } else {
        assert!(wrong.is_empty(), "expected, and is:\n{wrong}");
    }
}

#[test]
fn the_logs_of_our_runs() {
    let mut all = logs(Path::new(RUNS), "");
    all.extend(logs(&Path::new(RUNS).join("cases"), "cases/"));
    assert!(all.len() > 80, "{}", all.len());
    check(&all, |name| !name.starts_with("corpus/"));
}

#[test]
#[ignore = "needs NAMDRUNNER_CORPUS"]
fn the_logs_of_the_corpus() {
    let corpus = std::env::var("NAMDRUNNER_CORPUS").expect("NAMDRUNNER_CORPUS names the corpus");
    let all = logs(&Path::new(&corpus).join("logs"), "corpus/");
    assert!(all.len() >= 43, "{}", all.len());
    check(&all, |name| name.starts_with("corpus/"));
}
