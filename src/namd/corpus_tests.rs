//! Holds the reader against real configurations and what a real Tcl
//! interpreter, with NAMD's commands stubbed, makes of them.
//!
//! The configurations state no licence and are not part of this repository:
//! set `NAMDRUNNER_CORPUS` to the folder that has `configs/` and
//! `configs-oracle.tsv`, and run the ignored tests. What is expected of each
//! stands in `tests/data/namd/corpus-expectations.tsv`, which is our own;
//! `NAMDRUNNER_CORPUS_BLESS=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Analysis, Closure, Found, Severity, Want};

const TABLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/namd/corpus-expectations.tsv"
);

const HEAD: &str = "\
# What is expected of each configuration of the corpus (see src/namd/corpus_tests.rs).
# file: name in the corpus. oracle: ok if the stubbed Tcl interpreter ran it to its end.
# inputs: files the closure names, the configuration left out. values: first 8 digits of the SHA-256 of them.
# extra: keyword=value of those the oracle does not have, each by a command it lacks or a second level.
# steps: our total, or why none is claimed. oracle_steps: the oracle's (it counts run and minimize only).
# missing, present: findings when no file but the configuration is there, and when every file is.
# file\toracle\tinputs\tvalues\textra\tsteps\toracle_steps\tmissing\tpresent
";

struct OracleRow {
    file: String,
    ok: bool,
    steps: u64,
    inputs: Vec<String>,
}

fn corpus() -> PathBuf {
    PathBuf::from(
        std::env::var("NAMDRUNNER_CORPUS").expect("NAMDRUNNER_CORPUS names the corpus folder"),
    )
}

fn oracle(corpus: &Path) -> Vec<OracleRow> {
    let text = std::fs::read_to_string(corpus.join("configs-oracle.tsv")).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            // Cells with quotation marks are quoted as in CSV.
            let unquoted =
                |cell: &str| match cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')) {
                    Some(inner) => inner.replace("\"\"", "\""),
                    None => cell.to_owned(),
                };
            let cells: Vec<String> = line.split('\t').map(unquoted).collect();
            OracleRow {
                file: cells[0].clone(),
                ok: cells[1] == "ok",
                steps: cells[5].parse().unwrap_or(0),
                inputs: cells[7]
                    .split('|')
                    .filter(|s| !s.is_empty())
                    .map(str::to_owned)
                    .collect(),
            }
        })
        .collect()
}

/// Runs the closure where every path but the configuration is `there` or not.
fn analyse(name: &str, bytes: &[u8], there: bool) -> Analysis {
    let path = format!("/corpus/{name}");
    let mut closure = Closure::new(&path);
    for _ in 0..64 {
        let needs = closure.needs();
        if needs.is_empty() {
            return closure.finish();
        }
        for need in needs {
            let found = if need.path == path {
                Found::File {
                    bytes: bytes.len() as u64,
                    content: Some(bytes.to_vec()),
                }
            } else if need.want == Want::Entries {
                Found::Directory {
                    entries: Some(Vec::new()),
                }
            } else if there && !super::paths::file_name(&need.path).contains('.') {
                Found::Directory { entries: None }
            } else if there {
                // A size that binary coordinates can have.
                Found::File {
                    bytes: 2404,
                    content: None,
                }
            } else {
                Found::Missing
            };
            closure.feed(&need.path, found);
        }
    }
    panic!("{name} never stops asking");
}

fn codes(analysis: &Analysis) -> String {
    let mut counts: BTreeMap<(Severity, &str), usize> = BTreeMap::new();
    for finding in &analysis.findings {
        *counts
            .entry((finding.severity, finding.code.as_str()))
            .or_default() += 1;
    }
    let mut out = String::new();
    for ((severity, code), count) in counts {
        let mark = match severity {
            Severity::Error => "E",
            Severity::Warning => "W",
            Severity::Information => "I",
        };
        let _ = write!(
            out,
            "{}{mark}:{code}*{count}",
            if out.is_empty() { "" } else { " " }
        );
    }
    out
}

fn steps(analysis: &Analysis) -> String {
    let plan = &analysis.plan;
    match plan.total_steps {
        Some(total) => total.to_string(),
        None if plan.segments.is_empty() => "nothing runs".into(),
        None if plan.segments.iter().any(|segment| !segment.certain) => {
            "depends on a condition".into()
        }
        None if plan.segments.iter().any(|segment| segment.steps.is_none()) => {
            "a count is not known".into()
        }
        None => "a file or package may run more".into(),
    }
}

fn row(oracle: &OracleRow, bytes: &[u8]) -> (String, Vec<String>) {
    let missing = analyse(&oracle.file, bytes, false);
    let present = analyse(&oracle.file, bytes, true);
    let mut problems = Vec::new();
    let inputs: Vec<&super::Input> = missing.inputs.iter().skip(1).collect();
    let mut values: Vec<&str> = inputs.iter().map(|input| input.value.as_str()).collect();
    if oracle.ok {
        for wanted in oracle
            .inputs
            .iter()
            .filter(|input| !input.contains("\\n") && !input.contains('{'))
        {
            for analysis in [&missing, &present] {
                if !analysis.inputs.iter().any(|input| input.value == *wanted) {
                    problems.push(format!("{}: `{wanted}` is not in the closure", oracle.file));
                }
            }
        }
        if let Some(total) = missing
            .plan
            .total_steps
            .filter(|total| *total != oracle.steps)
        {
            let implicit = missing
                .plan
                .segments
                .iter()
                .all(|s| s.kind == super::SegmentKind::Numsteps);
            if !(implicit && oracle.steps == 0) {
                problems.push(format!(
                    "{}: {total} steps, the oracle has {}",
                    oracle.file, oracle.steps
                ));
            }
        }
    }
    let extra: Vec<String> = inputs
        .iter()
        .filter(|input| !oracle.inputs.contains(&input.value))
        .map(|input| format!("{}={}", input.keyword, input.value))
        .collect();
    values.sort_unstable();
    let digest = Sha256::digest(values.join("\n").as_bytes());
    let digest = digest
        .iter()
        .take(4)
        .fold(String::new(), |out, byte| format!("{out}{byte:02x}"));
    let row = [
        oracle.file.clone(),
        if oracle.ok { "ok" } else { "err" }.to_owned(),
        inputs.len().to_string(),
        digest,
        extra.join("|"),
        steps(&missing),
        oracle.steps.to_string(),
        codes(&missing),
        codes(&present),
    ];
    (row.join("\t"), problems)
}

#[test]
#[ignore = "needs NAMDRUNNER_CORPUS"]
fn closures_hold_what_tcl_finds() {
    let corpus = corpus();
    let rows = oracle(&corpus);
    assert_eq!(rows.len(), 121, "the corpus is whole");
    assert_eq!(rows.iter().filter(|row| row.ok).count(), 91);
    let mut table = String::from(HEAD);
    let mut problems = Vec::new();
    for oracle in &rows {
        let bytes = std::fs::read(corpus.join("configs").join(&oracle.file)).unwrap();
        let (line, found) = row(oracle, &bytes);
        table.push_str(&line);
        table.push('\n');
        problems.extend(found);
    }
    if std::env::var_os("NAMDRUNNER_CORPUS_BLESS").is_some() {
        std::fs::write(TABLE, &table).unwrap();
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let expected = std::fs::read_to_string(TABLE).unwrap_or_default();
    for (want, got) in expected.lines().zip(table.lines()) {
        assert_eq!(want, got);
    }
    assert_eq!(expected.lines().count(), table.lines().count());
}

#[test]
#[ignore = "needs NAMDRUNNER_CORPUS"]
fn configurations_are_recognised_by_content() {
    let corpus = corpus();
    let manifest = std::fs::read_to_string(corpus.join("configs/MANIFEST.tsv")).unwrap();
    let mut missed = Vec::new();
    let mut whole = 0;
    for line in manifest.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells[5] != "main" {
            continue;
        }
        whole += 1;
        let bytes = std::fs::read(corpus.join("configs").join(cells[0])).unwrap();
        if !super::looks_like_namd("x.conf", &bytes) {
            missed.push(cells[0].to_owned());
        }
    }
    assert!(whole > 90, "{whole}");
    assert!(missed.len() <= 4, "{missed:#?}");
    let scripts = std::fs::read_dir(corpus.join("sbatch")).unwrap();
    for script in scripts {
        let path = script.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !super::looks_like_namd("x.conf", &bytes),
            "{}",
            path.display()
        );
    }
}
