//! What Slurm itself says became of the submissions, and what each start of a script left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::cluster::rig::{pause, slurm};

/// The jobs Slurm ever had in one working directory: id, state, exit code.
pub type Records = BTreeMap<String, BTreeMap<String, Record>>;

/// Slurm's word about one of its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `COMPLETED`, `CANCELLED`, … without ` by 1000`.
    pub state: String,
    /// Exit code; only the accounting knows it.
    pub code: Option<i64>,
    /// Whether the accounting has its end. (It can know a final state before: then the exit code is
    /// not there yet and reads 0, observed.)
    pub closed: bool,
}

/// Everything in the queue and the accounting with a working directory below `root`.
pub fn records(root: &str) -> Records {
    let mut found = Records::new();
    let queue = slurm(&["squeue", "-h", "-t", "all", "-o", "%A|%T|||%Z"]);
    let fields = "JobIDRaw,State,ExitCode,End,WorkDir";
    let accounts = slurm(&[
        "sacct",
        "-a",
        "-D",
        "-X",
        "-n",
        "-P",
        "-S",
        "now-2hours",
        "-o",
        fields,
    ]);
    // The accounting's word comes second and stays.
    for line in queue.lines().chain(accounts.lines()) {
        let fields: Vec<&str> = line.splitn(5, '|').collect();
        let &[id, state, exit, end, dir] = fields.as_slice() else {
            continue;
        };
        if !dir.starts_with(root) {
            continue;
        }
        let record = Record {
            state: state.split(' ').next().unwrap_or_default().to_owned(),
            code: exit.split(':').next().and_then(|code| code.parse().ok()),
            closed: end.starts_with(|c: char| c.is_ascii_digit()),
        };
        found
            .entry(dir.to_owned())
            .or_default()
            .insert(id.to_owned(), record);
    }
    found
}

/// The records, once the accounting has an end for every job: slurmdbd lags, and has been away.
pub fn settled_records(root: &str, patience: Duration) -> Records {
    let deadline = Instant::now() + patience;
    loop {
        let found = records(root);
        let open = found.values().flatten().find(|(_, record)| !record.closed);
        let Some((id, record)) = open else {
            return found;
        };
        assert!(
            Instant::now() < deadline,
            "Slurm job {id} has no end in the accounting: {record:?}"
        );
        pause(Duration::from_millis(300));
    }
}

/// Each start of a job's own script leaves a line with Slurm's id.
pub fn starts(dir: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{dir}/starts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Names in a directory; none if it is not there.
pub fn names(dir: &str) -> BTreeSet<String> {
    std::fs::read_dir(dir)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default()
}
