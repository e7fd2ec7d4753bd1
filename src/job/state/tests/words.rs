//! Every flag over every base state, as squeue prints them: only the base state ends a job.

use super::*;
use crate::scheduler::slurm::Slurm;
use crate::scheduler::{Scheduler as _, Watch, Watched};
use crate::shell::Output;

const BASES: [(&str, Option<Status>); 12] = [
    ("PENDING", None),
    ("RUNNING", None),
    ("SUSPENDED", None),
    ("COMPLETED", Some(Status::Completed)),
    ("CANCELLED", Some(Status::Cancelled)),
    ("FAILED", Some(Status::Failed)),
    ("TIMEOUT", Some(Status::Failed)),
    ("NODE_FAIL", Some(Status::Failed)),
    // Usually put back under the same id: an end only by the rule of absence.
    ("PREEMPTED", None),
    ("BOOT_FAIL", Some(Status::Failed)),
    ("DEADLINE", Some(Status::Failed)),
    ("OUT_OF_MEMORY", Some(Status::Failed)),
];

/// In Slurm's own order; REVOKED is the one that is an end.
const FLAGS: [&str; 16] = [
    "COMPLETING",
    "STAGE_OUT",
    "CONFIGURING",
    "EXPEDITING",
    "RESIZING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "SPECIAL_EXIT",
    "STOPPED",
    "RESV_DEL_HOLD",
    "SIGNALING",
    "LAUNCH_FAILED",
    "RECONFIG_FAIL",
    "POWER_UP_NODE",
    "UPDATE_DB",
];

/// A look in which squeue says one word and the accounting, where it has ended, another.
fn seen(job: &Job, in_queue: &str, in_records: &str) -> Fact {
    let attempt = job.attempt().unwrap();
    let watch = Watch {
        jobs: vec![Watched {
            id: id(1),
            work_dir: RemotePath::parse("/scratch/j/1").unwrap(),
            tag: attempt.tag.clone(),
            submitted: at(2),
            settled: !job.is_active(),
            open: None,
        }],
        slurm_setup: Vec::new(),
        nonce: "n".into(),
    };
    let tag = attempt.tag.as_str();
    let text = format!(
        "@namdrunner n begin squeue -\n\
         |1|{in_queue}|10:00|2027-01-15T08:00:10|N/A|2027-01-15T08:00:02|main|c1|None|namdrunner:{tag}|/scratch/j/1\n\
         @namdrunner n end squeue - rc=0 rows=1 odd=0 ours=1 lines=1 err=\n\
         @namdrunner n begin sacct -\n\
         |1|{in_records}|0:0|0:0|2027-01-15T08:00:02|2027-01-15T08:00:10|2027-01-15T08:01:00|00:00:50|10|main|c1||1000M|/scratch/j/1\n\
         @namdrunner n end sacct - rc=0 rows=1 odd=0 ours=1 lines=1 err=\n\
         @namdrunner n begin markers\n@namdrunner n end markers rc=0 lines=0\n"
    );
    let output = Output {
        stdout: text.into_bytes(),
        ..Output::default()
    };
    let query = Slurm.parse_query(&watch, &output);
    assert!(query.squeue.is_ok() && query.absent.is_empty());
    look(query.reports)
}

#[test]
fn only_the_base_state_below_a_flag_ends_a_job() {
    for (base, end) in BASES {
        for flag in FLAGS {
            let mut life = Life::running();
            let fact = seen(&life.job, flag, base);
            life.then(20, &fact);
            assert!(life.job.is_active(), "{flag} over {base}: {:?}", life.rows);
            let fact = seen(&life.job, base, base);
            life.then(30, &fact);
            match end {
                Some(end) => assert_eq!(life.job.status(), end, "{flag}, then {base}"),
                None => assert!(life.job.is_active(), "{flag}, then {base}"),
            }
        }
    }
}

#[test]
fn a_flag_that_returns_to_the_queue_opens_an_ended_job_again() {
    for (base, end) in BASES {
        if end.is_none() {
            continue;
        }
        for flag in [
            "REQUEUED",
            "REQUEUE_FED",
            "REQUEUE_HOLD",
            "SPECIAL_EXIT",
            "EXPEDITING",
        ] {
            let mut life = Life::running();
            let fact = seen(&life.job, base, base);
            life.then(20, &fact);
            assert!(!life.job.is_active(), "{base}");
            let fact = seen(&life.job, flag, base);
            life.then(30, &fact);
            assert_eq!(life.job.status(), Status::Pending, "{base}, then {flag}");
        }
    }
}
