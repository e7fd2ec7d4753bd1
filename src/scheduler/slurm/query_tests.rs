//! The query script run for real in several shells and awks, and its answers read.

use std::fmt::Write as _;

use jiff::Timestamp;
use proptest::prelude::*;

use super::Slurm;
use crate::scheduler::fake::{Machine, shells};
use crate::scheduler::{
    End, Query, Report, Scheduler as _, SchedulerId, Seen, Source, SourceHealth, Tag, Watch,
    Watched,
};
use crate::shell::{Output, RemotePath};

const QUEUE: &str = include_str!("../../../tests/data/slurm/squeue-22.05.txt");
const RECORDS: &str = include_str!("../../../tests/data/slurm/sacct-22.05.txt");

fn watched(id: &str, work_dir: &str, tag: &str) -> Watched {
    Watched {
        id: SchedulerId::parse(id).unwrap(),
        work_dir: RemotePath::parse(work_dir).unwrap(),
        tag: Tag::parse(tag).unwrap(),
        submitted: "2026-11-23T21:50:29Z".parse::<Timestamp>().unwrap(),
        settled: false,
        open: None,
    }
}

fn watch(ids: &[u64]) -> Watch {
    Watch {
        jobs: ids
            .iter()
            .map(|id| {
                let dir = if *id == 5 {
                    "/scratch/it's a \"dir\" %j # $(id) hash#x -y".to_owned()
                } else {
                    format!("/home/nrtest/w{id}")
                };
                watched(&id.to_string(), &dir, "aaaa1111")
            })
            .collect(),
        slurm_setup: Vec::new(),
        nonce: "n0nce".into(),
    }
}

/// A machine whose squeue and sacct print these texts: sacct only for the ids asked for.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.write("queue", QUEUE);
    machine.write("records", RECORDS);
    machine.program(
        "squeue",
        r#"echo squeue >>"$M/calls"; echo "$TZ $SLURM_TIME_FORMAT ${SQUEUE_PARTITION-unset} $*" >"$M/squeue.args"; cat "$M/queue""#,
    );
    machine.program(
        "sacct",
        r#"echo sacct >>"$M/calls"; echo "$*" >"$M/sacct.args"
ids= ; while [ $# != 0 ]; do [ "$1" != -j ] || ids=,$2,; shift; done
while IFS= read -r line; do id=${line%%[|._+]*}; case $ids in *,$id,*) printf '%s\n' "$line" ;; esac; done <"$M/records""#,
    );
    machine
}

fn ask(machine: &Machine, watch: &Watch) -> Query {
    Slurm.parse_query(watch, &machine.run(&Slurm.query(watch)))
}

fn of(query: &Query, id: u64, source: Source) -> Option<&Report> {
    let mut found = query
        .reports
        .iter()
        .filter(|report| report.id.base == id && report.source == source);
    let first = found.next();
    assert!(found.next().is_none(), "one report per job and source");
    first
}

#[test]
fn a_real_answer_is_read_in_every_shell_and_awk() {
    let mut texts = Vec::new();
    for sh in shells() {
        for awk in [
            "/usr/bin/gawk",
            "/usr/bin/mawk",
            "/bin/busybox",
            "/usr/bin/original-awk",
        ] {
            if !std::path::Path::new(awk).exists() {
                continue;
            }
            let machine = machine().with_sh(&sh);
            std::os::unix::fs::symlink(awk, machine.path("bin/awk")).unwrap();
            let query = ask(
                &machine,
                &watch(&[5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
            );
            assert_eq!(query.squeue, SourceHealth::Ok, "{sh:?} {awk}");
            assert!(query.remote_now.is_some() && query.squeue_ms.is_some());
            assert_eq!(machine.read("calls"), "squeue\nsacct\n");
            let mut text = String::new();
            for report in &query.reports {
                writeln!(text, "{report:?}").unwrap();
            }
            for id in &query.absent {
                writeln!(text, "absent {id}").unwrap();
            }
            for line in &query.odd_lines {
                writeln!(text, "odd {line}").unwrap();
            }
            let args = machine.read("squeue.args");
            assert!(
                args.starts_with("UTC standard unset -h -t all -u "),
                "{args}"
            );
            assert!(machine.read("sacct.args").contains("-j 5,13,14,15,20 "));
            texts.push(text);
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "all shells and awks agree");
    insta::assert_snapshot!(texts[0]);
}

#[test]
fn a_queue_that_holds_all_asks_nobody_else() {
    let machine = machine();
    let query = ask(&machine, &watch(&[10, 12, 17]));
    assert_eq!(machine.read("calls"), "squeue\n");
    assert_eq!(query.sacct, SourceHealth::NotAsked);
    assert_eq!(query.marker, SourceHealth::Ok);
    assert_eq!(query.reports.len(), 3);
    let held = of(&query, 17, Source::Squeue).unwrap();
    assert_eq!(
        held.state,
        Seen::Waiting {
            held: true,
            requeued: false
        }
    );
    assert_eq!(held.reason.as_deref(), Some("JobHeldUser"));
}

#[test]
fn settled_jobs_are_seen_only_when_they_are_back() {
    let machine = machine();
    let mut watch = watch(&[10, 13, 99]);
    for job in &mut watch.jobs {
        job.settled = true;
    }
    let query = ask(&machine, &watch);
    assert_eq!(machine.read("calls"), "squeue\n");
    assert!(query.absent.is_empty());
    assert_eq!(query.reports.len(), 1);
    assert!(of(&query, 10, Source::Squeue).is_some());
}

#[test]
fn a_recycled_id_is_not_ours() {
    let machine = machine();
    let mut watch = watch(&[12, 20]);
    watch.jobs[0].work_dir = RemotePath::parse("/home/nrtest/other").unwrap();
    watch.jobs[0].tag = Tag::parse("bbbb2222").unwrap();
    let query = ask(&machine, &watch);
    assert!(query.reports.is_empty(), "{:?}", query.reports);
    assert_eq!(
        query.absent,
        [SchedulerId::whole(12), SchedulerId::whole(20)]
    );
    assert!(
        query
            .odd_lines
            .iter()
            .any(|line| line.contains("somebody-else"))
    );
}

#[test]
fn the_comment_is_identity_enough() {
    let machine = machine();
    let mut watch = watch(&[10]);
    watch.jobs[0].work_dir = RemotePath::parse("/elsewhere").unwrap();
    let query = ask(&machine, &watch);
    let report = of(&query, 10, Source::Squeue).unwrap();
    assert_eq!(report.reason.as_deref(), Some("BeginTime"));
}

#[test]
fn markers_count_only_whole_and_ours() {
    let machine = machine();
    let dir = machine.remote("scratch/job/1");
    let mut watch = watch(&[77]);
    watch.jobs[0].work_dir = dir;
    let marker = |text: &str| {
        machine.write("scratch/job/1/.namdrunner/exit", text);
        let query = ask(&machine, &watch);
        assert_eq!(query.absent, [SchedulerId::whole(77)]);
        of(&query, 77, Source::Marker).cloned()
    };
    let report = marker("exit 1 aaaa1111 77 1 3 0 1800000000 .\n").unwrap();
    assert_eq!(report.state, Seen::Ended(End::Failed));
    assert_eq!(report.exit.unwrap().code, 3);
    assert_eq!(report.restarts, Some(1));
    assert!(report.ended.is_some());
    let done = marker("exit 1 aaaa1111 77 0 0 0 1800000000 .\n").unwrap();
    assert_eq!(done.state, Seen::Ended(End::Completed));
    for text in [
        "exit 1 bbbb2222 77 0 0 0 1800000000 .\n",
        "exit 1 aaaa1111 78 0 0 0 1800000000 .\n",
        "exit 1 aaaa1111 77 0 0 0 18000\n",
        "",
    ] {
        assert_eq!(marker(text), None, "{text}");
    }
}

/// `slurmstepd`'s words in the output of a job that ran out of time.
const OVERDUE: &str =
    "slurmstepd: error: *** JOB 77 ON c1 CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LIMIT ***";

#[test]
fn where_no_record_is_the_job_s_own_output_tells_why_slurm_ended_it() {
    for awk in [
        "/usr/bin/gawk",
        "/usr/bin/mawk",
        "/bin/busybox",
        "/usr/bin/original-awk",
    ] {
        if !std::path::Path::new(awk).exists() {
            continue;
        }
        for name in ["job", "it's a $(job) \"x\"", "back\\slash"] {
            let machine = machine();
            std::os::unix::fs::symlink(awk, machine.path("bin/awk")).unwrap();
            machine.program("sacct", "echo 'sacct: error: no' >&2; exit 1");
            let dir = format!("scratch/{name}/1");
            let mut watch = watch(&[77]);
            watch.jobs[0].work_dir = machine.remote(&dir);
            let write = |file: &str, text: &str| {
                machine.write(&format!("{dir}/.namdrunner/{file}"), text);
            };
            let read = || {
                let output = machine.run(&Slurm.query(&watch));
                let query = Slurm.parse_query(&watch, &output);
                assert!(query.odd_lines.is_empty(), "{awk} {name}: {query:?}");
                (of(&query, 77, Source::Log).cloned(), output)
            };
            let output = if name.contains('\\') {
                "slurm.out"
            } else {
                "slurm-77.out"
            };
            let long = "a long line of a script that talks\n".repeat(1000);
            write(output, &format!("{long}\0\u{fe}\n{OVERDUE}\n"));
            write("exit", "exit 1 aaaa1111 77 0 143 15 1800000000 .\n");
            assert_eq!(read().0, None, "{awk}: it never started");
            write("started", "started 1 aaaa1111 77 0 c1 1800000000 .\n");
            let (told, whole) = read();
            let told = told.unwrap_or_else(|| panic!("{awk} {name}: {whole:?}"));
            assert_eq!(told.state, Seen::Ended(End::TimeLimit));
            assert_eq!(
                (told.word.as_str(), told.evidence.as_str()),
                ("TIMEOUT", OVERDUE)
            );
            // Cut off anywhere, a marker is never there without what explains it.
            for end in 0..whole.stdout.len() {
                let cut = Output {
                    stdout: whole.stdout[..end].to_vec(),
                    ..whole.clone()
                };
                let query = Slurm.parse_query(&watch, &cut);
                let marker = of(&query, 77, Source::Marker).is_some();
                assert!(!marker || of(&query, 77, Source::Log).is_some(), "{end}");
            }
            // It was started again: these may be the words of the first run.
            write("started", "started 1 aaaa1111 77 1 c1 1800000000 .\n");
            assert_eq!(read().0, None, "{awk}");
            write("started", "started 1 bbbb2222 77 0 c1 1800000000 .\n");
            assert_eq!(read().0, None, "{awk}: another attempt's");
            // A record that tells the end makes it needless to read anything.
            write("started", "started 1 aaaa1111 77 0 c1 1800000000 .\n");
            machine.program(
                "sacct",
                &format!(
                    "printf '77|TIMEOUT|0:0|0:0|2026-11-23T21:50:31|2026-11-23T21:50:31|2026-11-23T21:51:31|00:01:00|1|main|c1||100M|%s\\n' '{}'",
                    watch.jobs[0].work_dir.as_str().replace('\'', "'\\''").replace('"', "`")
                ),
            );
            assert_eq!(read().0, None, "{awk}");
        }
    }
}

#[test]
fn a_sick_source_says_nothing() {
    for (squeue, why) in [
        (
            "echo 'slurm_load_jobs error: Socket timed out on send/recv operation' >&2; exit 1",
            "Socket timed out",
        ),
        (
            "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
            "connect failure",
        ),
        (
            "echo 'slurm_load_jobs error: Socket timed out on send/recv operation' >&2",
            "Socket timed out",
        ),
        ("echo 'squeue: error: something new' >&2", "something new"),
        ("exit 3", "exit code 3"),
        ("head -c 300 \"$M/queue\"", "squeue did not run to its end"),
        ("head -n 3 \"$M/queue\"; echo '10|RUN'", "not whole"),
        ("kill -9 $$", ""),
        ("kill -9 $PPID", "squeue did not run to its end"),
    ] {
        let machine = machine();
        machine.program("squeue", squeue);
        let query = ask(&machine, &watch(&[10, 99]));
        assert!(
            query.reports.is_empty() && query.absent.is_empty(),
            "{squeue}"
        );
        let SourceHealth::Failed { why: said, .. } = &query.squeue else {
            panic!("{squeue}: {:?}", query.squeue);
        };
        assert!(said.contains(why), "{squeue}: {said}");
        assert_eq!(machine.read("calls"), "", "{squeue}");
    }
    let machine = machine();
    std::fs::remove_file(machine.path("bin/squeue")).unwrap();
    let query = ask(
        &machine,
        &Watch {
            slurm_setup: vec!["PATH=$M/bin:/bin".into()],
            ..watch(&[10])
        },
    );
    if !std::path::Path::new("/bin/squeue").exists() {
        assert!(matches!(
            query.squeue,
            SourceHealth::Failed {
                exit: Some(127),
                ..
            }
        ));
        assert!(query.absent.is_empty());
    }
}

#[test]
fn a_warning_beside_a_whole_list_is_only_a_warning() {
    let machine = machine();
    machine.program(
        "squeue",
        "echo 'squeue: error: plugstack.conf: something harmless' >&2; cat \"$M/queue\"",
    );
    let query = ask(&machine, &watch(&[10, 99]));
    assert_eq!(query.squeue, SourceHealth::Ok);
    assert_eq!(query.absent, [SchedulerId::whole(99)]);
}

#[test]
fn accounting_may_be_missing_or_down() {
    for (sacct, absent) in [
        ("echo 'Slurm accounting storage is disabled' >&2; exit 1", true),
        ("exit 127", true),
        (
            "echo 'sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:127.0.0.1:26226: Connection refused
sacct: error: Problem talking to the database: Connection refused' >&2; exit 1",
            false,
        ),
    ] {
        let machine = machine();
        machine.program("sacct", sacct);
        let query = ask(&machine, &watch(&[13, 99]));
        assert_eq!(query.squeue, SourceHealth::Ok);
        assert_eq!(query.absent, [SchedulerId::whole(99)]);
        assert_eq!(query.reports.len(), 1, "the queue still tells");
        match &query.sacct {
            SourceHealth::Absent { .. } => assert!(absent),
            SourceHealth::Failed { why, .. } => {
                assert!(!absent);
                assert!(why.contains("Connection refused"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn setup_that_ends_the_shell_says_nothing() {
    let machine = machine();
    for setup in ["exit 0", "if broken"] {
        let watch = Watch {
            slurm_setup: vec![setup.into()],
            ..watch(&[99])
        };
        let query = ask(&machine, &watch);
        assert!(query.absent.is_empty(), "{setup}");
        assert!(
            matches!(query.squeue, SourceHealth::Failed { .. }),
            "{setup}"
        );
    }
    // What it reads and prints is its own affair.
    let watch = Watch {
        slurm_setup: vec!["cat; echo @namdrunner n0nce begin squeue -; set -eu".into()],
        ..watch(&[10, 99])
    };
    let query = ask(&machine, &watch);
    assert_eq!(query.squeue, SourceHealth::Ok);
    assert_eq!((query.reports.len(), query.absent.len()), (1, 1));
}

#[test]
fn clusters_of_a_federation_answer_for_themselves() {
    let machine = machine();
    machine.program(
        "squeue",
        r#"case "$*" in
*"-M blue"*) echo CLUSTER: blue; echo '10|RUNNING|1:00|N/A|N/A|N/A|p|b1|None|namdrunner:aaaa1111|/home/nrtest/w10' ;;
*"-M red"*) echo 'squeue: error: No cluster '\''red'\'' known by database.' >&2; exit 1 ;;
*) cat "$M/queue" ;;
esac"#,
    );
    let mut watch = watch(&[10, 12, 99]);
    watch
        .jobs
        .push(watched("10;blue", "/home/nrtest/w10", "aaaa1111"));
    watch
        .jobs
        .push(watched("12;red", "/home/nrtest/w12", "aaaa1111"));
    let query = ask(&machine, &watch);
    assert!(matches!(query.squeue, SourceHealth::Failed { .. }));
    assert_eq!(query.absent, [SchedulerId::whole(99)]);
    let words: Vec<(String, &str)> = query
        .reports
        .iter()
        .map(|report| (report.id.to_string(), report.word.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            ("10".to_owned(), "PENDING"),
            ("12".to_owned(), "RUNNING"),
            ("10;blue".to_owned(), "RUNNING")
        ]
    );
}

/// The whole answer of the real texts, made once.
fn whole() -> (Watch, Output) {
    let machine = machine();
    let mut watch = watch(&[5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    let dir = machine.remote("scratch/job/1");
    machine.write(
        "scratch/job/1/.namdrunner/exit",
        "exit 1 aaaa1111 99 1 3 0 1800000000 .\n",
    );
    watch.jobs.push(Watched {
        work_dir: dir,
        ..watched("99", "/x", "aaaa1111")
    });
    let output = machine.run(&Slurm.query(&watch));
    (watch, output)
}

#[test]
fn a_cut_answer_never_ends_a_job_or_misses_one() {
    let (watch, output) = whole();
    let full = Slurm.parse_query(&watch, &output);
    assert_eq!(full.absent.len(), 2);
    for end in 0..=output.stdout.len() {
        let cut = Output {
            stdout: output.stdout[..end].to_vec(),
            ..output.clone()
        };
        let query = Slurm.parse_query(&watch, &cut);
        for report in &query.reports {
            // Who cancelled it may be in the part that was lost.
            let same = full.reports.iter().any(|known| {
                (&known.id, known.source, &known.ended, &known.evidence)
                    == (&report.id, report.source, &report.ended, &report.evidence)
            });
            assert!(same, "{end}: {report:?}");
        }
        for id in &query.absent {
            assert!(full.absent.contains(id), "{end}");
            assert!(query.squeue.is_ok());
        }
    }
}

proptest! {
    /// Bytes lost or changed anywhere: no end that the whole answer does not hold, no absence.
    #[test]
    fn a_damaged_answer_never_ends_a_job_or_misses_one(at in 0.0..1.0_f64, len in 0..400_usize, fill in ".{0,20}") {
        thread_local! {
            static WHOLE: (Watch, Output) = whole();
        }
        WHOLE.with(|(watch, output)| {
            let full = Slurm.parse_query(watch, output);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let from = (at * output.stdout.len() as f64) as usize;
            let to = (from + len).min(output.stdout.len());
            let mut bytes = output.stdout[..from].to_vec();
            bytes.extend_from_slice(fill.as_bytes());
            bytes.extend_from_slice(&output.stdout[to..]);
            let query = Slurm.parse_query(watch, &Output { stdout: bytes, ..output.clone() });
            for id in &query.absent {
                assert!(full.absent.contains(id), "{id}");
            }
        });
    }

    #[test]
    fn random_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let query = Slurm.parse_query(&watch(&[10]), &Output { stdout: bytes, ..Output::default() });
        assert!(query.reports.is_empty() && query.absent.is_empty());
    }

    #[test]
    fn random_rows_are_read(lines in prop::collection::vec("\\|?[0-9_\\[\\]+;]{0,6}(\\|[A-Z 0-9:-]{0,12}){0,16}", 0..20)) {
        let mut text = String::from("@namdrunner n0nce begin squeue -\n");
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        let count = lines.iter().filter(|line| line.starts_with('|')).count();
        writeln!(text, "@namdrunner n0nce end squeue - rc=0 rows=9 odd=0 ours=0 lines={count} err=").unwrap();
        Slurm.parse_query(&watch(&[10]), &Output { stdout: text.into_bytes(), ..Output::default() });
    }
}

#[test]
fn five_thousand_jobs_are_read_in_a_blink() {
    let ids: Vec<u64> = (1..=5000).collect();
    let watch = watch(&ids);
    let mut text = String::from("@namdrunner n0nce begin squeue -\n");
    for id in &ids {
        writeln!(text, "|{id}|PENDING|1-00:00:00|N/A|N/A|2026-11-23T21:50:29|main||Priority|namdrunner:aaaa1111|/home/nrtest/w{id}").unwrap();
    }
    text.push_str("@namdrunner n0nce end squeue - rc=0 rows=5000 odd=0 ours=5000 lines=5000 err=\n@namdrunner n0nce begin markers\n@namdrunner n0nce end markers rc=0 lines=0\n");
    let output = Output {
        stdout: text.into_bytes(),
        ..Output::default()
    };
    let start = std::time::Instant::now();
    let query = Slurm.parse_query(&watch, &output);
    let took = start.elapsed();
    assert_eq!(query.reports.len(), 5000);
    // Unoptimised and beside other work; the benchmark tells the figure.
    assert!(took.as_millis() < 1000, "{took:?}");
}
