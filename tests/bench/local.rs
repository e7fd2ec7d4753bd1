//! What needs no cluster: round trips and the start, with 10,000 jobs stored.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use namdrunner::job::state::{AbsenceRule, Fact};
use namdrunner::job::{Job, JobId, JobSpec, JobState};
use namdrunner::scheduler::{End, Report, Resources, SchedulerId, Seen, Source, Tag};
use namdrunner::shell::RemotePath;
use namdrunner::store::{Options, Store, StoredProgress};
use serde_json::json;

use crate::client::{Client, resident_mib};
use crate::{quantiles, report};

const JOBS: usize = 10_000;

pub fn run() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let ids = fill(&home.join("data"), 0..JOBS, "local", "/projects/me");
    // What a list shows first has ended, and its results are in their place.
    end(&home.join("data"), &ids[JOBS - 1000..]);
    println!("With {JOBS} jobs stored:\n");

    let version = || {
        let begun = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_namdrunner"))
            .arg("--version")
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        begun.elapsed().as_secs_f64() * 1e3
    };
    let start = || {
        let begun = Instant::now();
        let mut client = Client::start(&home);
        client.ok("initialize", &json!({ "capabilities": {} }));
        begun.elapsed().as_secs_f64() * 1e3
    };
    let (floor, _) = quantiles((0..20).map(|_| version()).collect());
    let (median, worst) = quantiles((0..20).map(|_| start()).collect());
    report(
        "start to `initialize` answered, median",
        median,
        "namdrunner --version",
        floor,
    );
    report(
        "start to `initialize` answered, worst of 20",
        worst,
        "namdrunner --version",
        floor,
    );

    let mut client = Client::start(&home);
    let mut echo = Vec::new();
    let mut status = Vec::new();
    for n in 0..4000 {
        let (_, took) = client.call("noSuchMethod", &json!({}));
        echo.push(took.as_secs_f64() * 1e3);
        let id = &ids[(n * 7919) % ids.len()];
        let (_, took) = client.ok("jobStatus", &json!({ "jobId": id }));
        status.push(took.as_secs_f64() * 1e3);
    }
    let (echo_median, echo_p99) = quantiles(echo);
    let (median, p99) = quantiles(status);
    report(
        "jobStatus round trip over stdio, median",
        median,
        "an unknown method",
        echo_median,
    );
    report(
        "jobStatus round trip over stdio, p99",
        p99,
        "an unknown method",
        echo_p99,
    );
    let list = |client: &mut Client| {
        let (page, took) = client.ok("listJobs", &json!({ "limit": 1000 }));
        let jobs = page["jobs"].as_array().unwrap();
        assert_eq!(jobs.len(), 1000);
        assert_eq!(jobs[999]["results"]["state"], "copied");
        took.as_secs_f64() * 1e3
    };
    let (median, _) = quantiles((0..20).map(|_| list(&mut client)).collect());
    report(
        "listJobs, 1,000 jobs that have ended",
        median,
        "an unknown method",
        echo_median,
    );
    if let Some(mib) = client.resident_mib() {
        println!("{:<58} {mib:>9.1} MiB", "resident memory after all of that");
    }
    drop(client);
    daemon(&home, &ids, floor, echo_median);
}

/// The same through the server that all windows share.
fn daemon(home: &Path, ids: &[String], floor: f64, echo: f64) {
    const WINDOWS: usize = 10;
    println!("\nThrough one daemon, {WINDOWS} windows:\n");
    let mut windows = Vec::new();
    let mut opened = Vec::new();
    let mut pid = 0;
    for _ in 0..WINDOWS {
        let begun = Instant::now();
        let mut window = Client::through_daemon(home);
        let (answer, _) = window.ok("initialize", &json!({ "capabilities": {} }));
        opened.push(begun.elapsed().as_secs_f64() * 1e3);
        pid = answer["namdrunner"]["daemonPid"].as_u64().unwrap();
        windows.push(window);
    }
    let floored = |what: &str, took: f64| report(what, took, "namdrunner --version", floor);
    floored(
        "first window, which starts it: `initialize` answered",
        opened[0],
    );
    let (median, worst) = quantiles(opened[1..].to_vec());
    floored("another window, median", median);
    floored("another window, worst of 9", worst);
    let mut times = Vec::new();
    for n in 0..4000 {
        let id = &ids[(n * 7919) % ids.len()];
        let (_, took) = windows[n % WINDOWS].ok("jobStatus", &json!({ "jobId": id }));
        times.push(took.as_secs_f64() * 1e3);
    }
    let (median, p99) = quantiles(times);
    report(
        "jobStatus, median",
        median,
        "standalone, an unknown method",
        echo,
    );
    report("jobStatus, p99", p99, "standalone, an unknown method", echo);
    for (what, pid) in [
        ("resident memory of the daemon", Some(pid)),
        (
            "resident memory of a window's forwarder",
            windows.first().map(Client::pid),
        ),
    ] {
        if let Some(mib) = pid.and_then(resident_mib) {
            println!("{what:<58} {mib:>9.1} MiB");
        }
    }
}

/// Lets jobs have run to their end.
fn end(data: &Path, ids: &[String]) {
    let store = Store::open(data, Options::default()).unwrap();
    let now = Timestamp::now();
    for (number, id) in ids.iter().enumerate() {
        let id = JobId::parse(id).unwrap();
        let at_work = SchedulerId::parse(&(number + 1).to_string()).unwrap();
        let completed = Seen::Ended(End::Completed);
        let report = Report::told(&at_work, Source::Marker, completed, "COMPLETED", "");
        let facts = [
            Fact::SubmitAsked {
                tag: Tag::parse("benchbenchbench").unwrap(),
            },
            Fact::Submitted {
                id: at_work.clone(),
                at: now,
                source: Source::Local,
                evidence: String::new(),
            },
            Fact::Seen {
                reports: vec![report],
                absent: false,
                rule: AbsenceRule::default(),
            },
        ];
        for fact in facts {
            store
                .update(&id, |job| Ok(job.apply(&fact, now).unwrap()))
                .unwrap();
        }
        let progress = StoredProgress {
            attempt: 1,
            log_offset: 0,
            document: json!({}),
            results: Some(json!({ "state": "copied", "files": 12, "bytes": 34_567 })),
            settled: true,
        };
        store
            .put_progress(&[(id, progress)], Timestamp::now())
            .unwrap();
    }
}

/// Stores the jobs of these numbers, the newest last, with this root on this cluster.
pub fn fill(data: &Path, numbers: Range<usize>, cluster: &str, root: &str) -> Vec<String> {
    std::fs::create_dir_all(data).unwrap();
    let store = Store::open(data, Options::default()).unwrap();
    let begun = Timestamp::now() - SignedDuration::from_hours(24 * 30);
    numbers
        .map(|n| {
            let at = begun + SignedDuration::from_secs(i64::try_from(n).unwrap() * 60);
            let id = JobId::new(&format!("equilibration {n}"), at, n as u128);
            let root = RemotePath::parse(root).unwrap();
            let spec = JobSpec {
                name: format!("equilibration {n}"),
                cluster: cluster.into(),
                config_path: format!("/home/me/sims/{}/equil.namd", n % 100),
                config_sha256: "0".repeat(64),
                config_in_tree: "equil.namd".into(),
                output_dirs: Vec::new(),
                files: Vec::new(),
                project_dir: root.join(id.as_str()).unwrap(),
                scratch_dir: root.join(id.as_str()).unwrap(),
                resources: Resources::default(),
                launch: None,
                array: None,
                labels: BTreeMap::new(),
                idempotency_key: None,
                total_steps: Some(500_000),
                segments: Some(1),
            };
            let state = JobState::Uploading {
                since: at,
                owner: "bench".into(),
            };
            let job = Job::new(id.clone(), spec, state, at);
            store.insert(&job.introduced(), b"run 500000\n").unwrap();
            let whole = Fact::Uploaded {
                sha256: BTreeMap::new(),
            };
            store
                .update(&id, |job| Ok(job.apply(&whole, at).unwrap()))
                .unwrap();
            id.to_string()
        })
        .collect()
}
