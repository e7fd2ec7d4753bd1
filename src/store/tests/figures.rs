//! How fast it is, with 10,000 jobs. Prints figures; asserts only what no machine may miss.
//!
//! `cargo test --release --lib store::tests::figures -- --ignored --nocapture`

use std::time::Instant;

use super::*;

const JOBS: u32 = 10_000;

/// The median and the 99th percentile of `n` runs, in microseconds.
fn times(n: u32, mut run: impl FnMut(u32)) -> (u128, u128) {
    let mut times: Vec<u128> = (0..n)
        .map(|i| {
            let began = Instant::now();
            run(i);
            began.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// Resident memory of this process in MiB, where the kernel tells.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// A job as they are: eight input files, one attempt.
fn usual(n: u32) -> Job {
    let mut job = job(n);
    for i in 0..7 {
        let mut file = job.spec.files[0].clone();
        file.in_tree = format!("common/toppar/par_all36_{i}.prm");
        job.spec.files.push(file);
    }
    job.attempts = vec![attempt(1)];
    job.state = if n.is_multiple_of(10) {
        JobState::Pending {
            id: SchedulerId::whole(u64::from(n)),
            submitted: at(10),
            held: false,
        }
    } else {
        JobState::Ended {
            outcome: Outcome::Completed,
            ended: at(99),
        }
    };
    job
}

#[test]
#[ignore = "prints figures; run by hand with --release"]
fn with_ten_thousand_jobs() {
    let dir = tempfile::tempdir().unwrap();
    for journal in JOURNALS {
        let dir = dir.path().join(format!("{journal:?}"));
        println!("{journal:?}");
        let store = open(&dir, journal);
        let ids: Vec<JobId> = (0..JOBS).map(|n| usual(n).id).collect();
        store
            .write(|db| {
                for n in 0..JOBS {
                    let change = usual(n).introduced();
                    write::introduce(db, &change, b"run 1")?;
                }
                Ok(())
            })
            .unwrap();
        drop(store);
        let bytes = std::fs::metadata(dir.join(FILE)).unwrap().len();
        println!("  file                    {} MiB", bytes / 1024 / 1024);

        let before = resident();
        let (median, worst) = times(50, |_| drop(open(&dir, journal)));
        println!("  open                    {median} us, p99 {worst} us");
        let (median, worst) = times(50, |_| {
            let store = open(&dir, journal);
            store.active(None).unwrap();
        });
        println!("  open and 1,000 active   {median} us, p99 {worst} us");
        let store = open(&dir, journal);
        let pick = |i: u32| &ids[usize::try_from(i * 7919 % JOBS).unwrap()];
        let (median, worst) = times(5_000, |i| drop(store.job(pick(i)).unwrap()));
        println!("  job                     {median} us, p99 {worst} us");
        for limit in [200, 1000] {
            let filter = JobFilter {
                limit,
                ..JobFilter::default()
            };
            let (median, worst) = times(50, |_| {
                assert_eq!(store.list(&filter).unwrap().jobs.len(), limit);
            });
            println!("  list {limit:<4}               {median} us, p99 {worst} us");
        }
        let rare = JobFilter {
            limit: 200,
            text: Some("ubiquitin 77".into()),
            ..JobFilter::default()
        };
        let (median, worst) = times(50, |_| drop(store.list(&rare).unwrap()));
        println!("  search all names        {median} us, p99 {worst} us");
        let (median, worst) = times(50, |_| drop(store.changes_since(5_000, 200).unwrap()));
        println!("  200 changes             {median} us, p99 {worst} us");
        let (median, worst) = times(50, |_| drop(store.counts().unwrap()));
        println!("  counts                  {median} us, p99 {worst} us");
        let (median, worst) = times(500, |i| {
            let name = renamed(&format!("round {i}"));
            record(&store, pick(i), &name, at(i.into()))
                .unwrap()
                .unwrap();
        });
        println!("  update                  {median} us, p99 {worst} us");
        let (median, worst) = times(10, |i| {
            let name = renamed(&format!("batch {i}"));
            let batch = (0..1000).map(|n| {
                let name = &name;
                (pick(n).clone(), move |job: &Job| {
                    Ok(job.apply(name, at(9)).unwrap())
                })
            });
            assert_eq!(store.update_many(batch).unwrap().len(), 1000);
        });
        println!("  update 1,000 at once    {median} us, p99 {worst} us");
        let (median, worst) = times(3, |_| store.check().unwrap());
        println!("  check                   {median} us, p99 {worst} us");
        println!(
            "  resident memory         {} MiB, {before} before",
            resident()
        );
        assert!(worst < 60_000_000);
    }
}
