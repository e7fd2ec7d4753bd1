//! What each parser promises for any bytes whatever: a function per parser, that fails by panicking.
//!
//! Shared by the fuzz targets beside this file and by the tests, which replay the corpus and what
//! fuzzing has found, and try changes of them. So nothing here may be random or slow.

use namdrunner::namd::{Closure, Found, LogReader, Outline};
use namdrunner::probe;
use namdrunner::scheduler::slurm::{Slurm, reasons};
use namdrunner::scheduler::{
    FoundAttempt, LostAttempt, MemberSet, Scheduler as _, SchedulerId, Seen, Source, Submitted,
    Tag, Watch, Watched,
};
use namdrunner::server::framing::{Decoder, Fault};
use namdrunner::shell::{ExitStatus, Output, RemotePath};

/// A parser's name and its promise.
pub type Target = (&'static str, fn(&[u8]));

/// All of them. Each has a directory of its name in `corpus`.
pub const TARGETS: &[Target] = &[
    ("framing", framing),
    ("query", query),
    ("squeue", squeue),
    ("sacct", sacct),
    ("marker", marker),
    ("submit", submit),
    ("find", find),
    ("cancel", cancel),
    ("probe", probe),
    ("reason", reason),
    ("namd_config", namd_config),
    ("namd_log", namd_log),
];

const TAG: &str = "aaaa1111";
const DIR: &str = "/scratch/me/j/1";

fn tag() -> Tag {
    Tag::parse(TAG).expect("a literal that fits")
}

fn output(bytes: &[u8]) -> Output {
    Output {
        status: ExitStatus::Code(0),
        stdout: bytes.to_vec(),
        stderr: Vec::new(),
    }
}

fn watch() -> Watch {
    let job = |id: &str, settled, open: Option<&str>| Watched {
        id: SchedulerId::parse(id).expect("a literal that fits"),
        work_dir: RemotePath::parse(DIR).expect("a literal that fits"),
        tag: tag(),
        submitted: jiff::Timestamp::UNIX_EPOCH,
        settled,
        open: open.and_then(MemberSet::parse),
    };
    Watch {
        jobs: vec![
            job("10", false, None),
            job("11", true, None),
            job("12", false, Some("1-9")),
        ],
        slurm_setup: Vec::new(),
        nonce: "n0nce".to_owned(),
    }
}

/// A message is the same however its bytes arrive; a fault is told and survived.
pub fn framing(bytes: &[u8]) {
    let read = |piece: usize| {
        let mut decoder = Decoder::new(256);
        let mut read: Vec<Result<String, Fault>> = Vec::new();
        for piece in bytes.chunks(piece) {
            decoder.feed(piece);
            while let Some(found) = decoder.decode() {
                read.push(found);
            }
        }
        read
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(read(1), whole);
    assert_eq!(read(7), whole);
    for message in whole.into_iter().flatten() {
        assert!(message.len() <= 256);
    }
}

/// The answer to a look, as it arrives.
pub fn query(bytes: &[u8]) {
    looked(bytes, bytes);
}

/// Any lines in a part of the answer that is whole: what squeue might print.
pub fn squeue(bytes: &[u8]) {
    let rows = rows(bytes);
    let ours = |row: &&String| {
        ["10|", "11|", "12_"].iter().any(|id| row.starts_with(id))
            && (row.ends_with(&format!("|{DIR}")) || row.contains(&format!("|namdrunner:{TAG}|")))
    };
    let ours = rows.iter().filter(ours).count();
    looked(
        &part(
            "squeue -",
            &rows,
            &format!("rc=0 rows={} odd=0 ours={ours}", rows.len()),
        ),
        bytes,
    );
}

/// The same for sacct, behind a queue that is empty.
pub fn sacct(bytes: &[u8]) {
    let mut answer = part("squeue -", &[], "rc=0 rows=0 odd=0 ours=0");
    let rows = rows(bytes);
    let tail = format!("rc=0 rows={} odd=0 ours=0", rows.len());
    answer.extend(part("sacct -", &rows, &tail));
    answer.extend(part("markers", &[], "rc=0"));
    looked(&answer, bytes);
}

/// The same for end markers.
pub fn marker(bytes: &[u8]) {
    let mut answer = part("squeue -", &[], "rc=0 rows=0 odd=0 ours=0");
    answer.extend(part("markers", &rows(bytes), "rc=0"));
    looked(&answer, bytes);
}

fn rows(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split('\n')
        .map(|line| line.trim_end_matches('\r').to_owned())
        .collect()
}

fn part(name: &str, rows: &[String], tail: &str) -> Vec<u8> {
    part_of(name, "n0nce", rows, tail)
}

fn part_of(name: &str, nonce: &str, rows: &[String], tail: &str) -> Vec<u8> {
    let mut text = format!("\n@namdrunner {nonce} begin {name}\n");
    for row in rows {
        text.push('|');
        text.push_str(row);
        text.push('\n');
    }
    let lines = rows.len();
    text.push_str(&format!(
        "@namdrunner {nonce} end {name} {tail} lines={lines} err=\n"
    ));
    text.into_bytes()
}

/// Every report is about a watched job, at most one for each source, and its evidence was said. A job
/// is missing only from a queue that answered whole. The same bytes always mean the same.
fn looked(answer: &[u8], said: &[u8]) {
    let watch = watch();
    let query = Slurm.parse_query(&watch, &output(answer));
    assert_eq!(query, Slurm.parse_query(&watch, &output(answer)));
    let said = String::from_utf8_lossy(said);
    let mut seen = Vec::new();
    for report in &query.reports {
        let job = watch.jobs.iter().find(|job| job.id == report.id);
        let job = job.expect("a watched job");
        assert!(!seen.contains(&(&report.id, report.source)), "{report:?}");
        seen.push((&report.id, report.source));
        let line = report.evidence.split(" (").next().unwrap_or_default();
        assert!(said.contains(line), "{report:?}");
        if job.settled {
            assert_eq!(report.source, Source::Squeue);
            assert!(!matches!(report.state, Seen::Ended(_)), "{report:?}");
        }
        if report.source == Source::Marker {
            assert!(report.evidence.contains(TAG) && report.evidence.ends_with(" ."));
        }
    }
    let mut members = Vec::new();
    for seen in &query.members {
        let job = watch.jobs.iter().find(|job| job.id == seen.id);
        assert!(job.is_some_and(|job| job.open.is_some()), "{seen:?}");
        for member in seen.members.iter() {
            assert!(!members.contains(&member), "member {member} twice");
            members.push(member);
        }
        for report in &seen.reports {
            let line = report.evidence.split(" (").next().unwrap_or_default();
            assert!(said.contains(line), "{report:?}");
        }
    }
    for id in &query.absent {
        assert!(query.squeue.is_ok(), "{id}");
        assert!(watch.jobs.iter().any(|job| job.id == *id && !job.settled));
        let in_queue = |report: &namdrunner::scheduler::Report| {
            report.id == *id && report.source == Source::Squeue
        };
        assert!(!query.reports.iter().any(in_queue));
    }
}

/// sbatch's answer: accepted only with an id that was said, on a line of its own.
pub fn submit(bytes: &[u8]) {
    let whole = part_of("submit", TAG, &rows(bytes), "");
    for answer in [bytes, &whole] {
        let text = String::from_utf8_lossy(answer).into_owned();
        match Slurm.parse_submit(&output(answer)) {
            Submitted::Accepted { id, .. } => {
                let said = text.lines().any(|line| {
                    line.strip_prefix("|id ")
                        .and_then(|id| SchedulerId::parse(id).ok())
                        .is_some_and(|parsed| parsed == id)
                });
                assert!(said, "{id}");
            }
            Submitted::Rejected { .. } => assert!(text.contains("|outcome rejected"), "{text}"),
            Submitted::NotReached { .. } => assert!(text.contains("connect failure"), "{text}"),
            Submitted::NotStaged { .. } => assert!(text.contains("|outcome not"), "{text}"),
            Submitted::Unknown { detail } => assert!(!detail.is_empty()),
        }
    }
}

/// The search for a lost submission: found only under an id that was said.
pub fn find(bytes: &[u8]) {
    let lost = [LostAttempt {
        tag: tag(),
        work_dir: RemotePath::parse(DIR).expect("a literal that fits"),
        since: jiff::Timestamp::UNIX_EPOCH,
        slurm_setup: Vec::new(),
    }];
    let rows = rows(bytes);
    let empty = |name: &str| part_of(name, "find", &[], "");
    let tail = format!("rc=0 rows={} odd=0", rows.len());
    let listed = |name: &str| part_of(name, "find", &rows, &tail);
    let answers = [
        bytes.to_vec(),
        [
            part_of(&format!("trace {TAG}"), "find", &rows, ""),
            empty("squeue"),
            empty("sacct"),
        ]
        .concat(),
        [
            empty(&format!("trace {TAG}")),
            listed("squeue"),
            empty("sacct"),
        ]
        .concat(),
        [
            empty(&format!("trace {TAG}")),
            listed("squeue"),
            listed("sacct"),
        ]
        .concat(),
    ];
    let said = String::from_utf8_lossy(bytes);
    for answer in answers {
        let found = Slurm.parse_find(&lost, &output(&answer));
        assert_eq!(found.len(), 1);
        for found in found {
            match found {
                FoundAttempt::Job { evidence, .. } => assert!(said.contains(&evidence)),
                FoundAttempt::Unanswered { why } => assert!(!why.is_empty()),
                FoundAttempt::Nothing { .. } => {}
            }
        }
    }
}

/// scancel's answer: taken only when it came to its end.
pub fn cancel(bytes: &[u8]) {
    if Slurm.parse_cancel(&output(bytes)).is_ok() {
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains(" end done"), "{text}");
    }
    let rows = rows(bytes);
    let whole = [
        part_of("scancel", "cancel", &rows, "rc=0"),
        part_of("done", "cancel", &[], ""),
    ];
    let _ = Slurm.parse_cancel(&output(&whole.concat()));
}

/// What a login shell says of itself; the prelude made of it is text for a shell, whatever it said.
pub fn probe(bytes: &[u8]) {
    match probe::parse_probe(&output(bytes)) {
        Ok(facts) => {
            assert!(!probe::remote_prelude(&facts).contains('\0'));
        }
        Err(bad) => assert!(!bad.what.is_empty() && !bad.hint.is_empty()),
    }
}

/// Slurm's word for why a job waits.
pub fn reason(bytes: &[u8]) {
    let word = String::from_utf8_lossy(bytes);
    if let Some(explained) = reasons::explain(&word) {
        assert!(!explained.words.is_empty());
    }
}

/// A NAMD config: read to its end, whatever is missing, with every finding inside its file.
pub fn namd_config(bytes: &[u8]) {
    const PATH: &str = "/w/c.namd";
    let mut closure = Closure::new(PATH);
    loop {
        let needs = closure.needs();
        if needs.is_empty() {
            break;
        }
        for need in needs {
            let found = if need.path == PATH {
                Found::File {
                    bytes: bytes.len() as u64,
                    content: Some(bytes.to_vec()),
                }
            } else {
                Found::Missing
            };
            closure.feed(&need.path, found);
        }
    }
    for finding in &closure.finish().findings {
        assert!(finding.span.start <= finding.span.end);
        assert!(finding.range.start <= finding.range.end);
        assert!(!finding.message.is_empty());
        if finding.file == "c.namd" {
            assert!(finding.span.end <= bytes.len() + 1, "{finding:?}");
        }
    }
    for statement in Outline::read(bytes).statements {
        assert!(statement.span.end <= bytes.len());
    }
}

/// NAMD's log: the same report however its bytes arrive.
pub fn namd_log(bytes: &[u8]) {
    let read = |piece: usize| {
        let mut reader = LogReader::default();
        for piece in bytes.chunks(piece) {
            reader.feed(piece);
        }
        reader
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(read(1).report(), whole.report());
    assert_eq!(read(13).report(), whole.report());
    assert!(whole.offset() <= bytes.len() as u64);
}
