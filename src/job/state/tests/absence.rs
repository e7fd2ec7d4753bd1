//! Absence is not an end, until the rule says so.

use super::*;

#[test]
fn both_limits_of_the_rule_must_be_reached() {
    // Ends of looks without the job, and whether the job is UNKNOWN after the last.
    for (looks, unknown) in [
        (&[100, 400, 699][..], false),
        (&[100, 400, 700], true),
        (&[100, 700], false),
        (&[100, 9000], false),
        (&[100, 110, 120, 130], false),
        (&[100, 110, 120, 699, 700], true),
    ] {
        for mut life in [Life::pending(), Life::running()] {
            let before = life.job.status();
            for seconds in looks {
                assert_eq!(life.job.status(), before);
                life.then(*seconds, &absent([]));
            }
            let after = if unknown { Status::Unknown } else { before };
            assert_eq!(life.job.status(), after, "{looks:?}");
        }
    }
}

#[test]
fn a_missing_job_is_unconfirmed_at_once_and_waiting_writes_nothing() {
    let mut life = Life::running();
    for n in 0..40 {
        life.then(100 + n * 15, &absent([]));
    }
    life.then(700, &absent([])).then(730, &absent([]));
    assert_eq!(
        life.rows(),
        [
            "100 RUNNING → RUNNING (unconfirmed) squeue: not in the queue for 0 s, and no other witness",
            "115 RUNNING → RUNNING (unconfirmed) squeue: not in the queue for 15 s, and no other witness",
            "130 RUNNING → RUNNING (unconfirmed) squeue: not in the queue for 30 s, and no other witness",
            "700 RUNNING → UNKNOWN (settled) squeue: not in the queue for 600 s, and no other witness",
        ]
    );
    assert_eq!(life.job.absence, None);
    assert_eq!(life.attempt().outcome, Some(Outcome::Unknown));
}

#[test]
fn the_rule_is_a_setting() {
    let strict = |answers, seconds| Fact::Seen {
        reports: Vec::new(),
        absent: true,
        rule: AbsenceRule { answers, seconds },
    };
    let mut life = Life::running();
    life.then(100, &strict(1, 0));
    assert_eq!(life.job.status(), Status::Unknown);
    // Made laxer while a job is missing: the answers that count so far still count.
    let mut life = Life::running();
    life.then(100, &strict(2, 50))
        .then(110, &strict(2, 50))
        .then(140, &strict(4, 50))
        .then(150, &strict(4, 50));
    assert_eq!(life.job.status(), Status::Unknown);
}

#[test]
fn silence_says_nothing() {
    let mut life = Life::running();
    for n in 0..100 {
        life.then(100 + n * 60, &look([]));
    }
    life.is_unmoved(&[]);
    // Nor does it count between answers that lack the job.
    life.then(7000, &absent([]))
        .then(7300, &look([]))
        .then(7600, &absent([]));
    assert_eq!(life.job.absence.as_ref().unwrap().answers, 2);
}

#[test]
fn any_sighting_begins_anew() {
    for back in [
        queue("RUNNING"),
        queue("PENDING"),
        queue("COMPLETING"),
        queue("LEVITATING"),
    ] {
        let mut life = Life::running();
        life.then(100, &absent([]))
            .then(400, &absent([]))
            .then(650, &look([back]));
        assert_eq!(life.job.absence, None);
        life.then(700, &absent([]))
            .then(710, &absent([]))
            .then(720, &absent([]));
        assert!(life.job.is_active(), "{:?}", life.job.state);
    }
}

#[test]
fn a_second_witness_ends_it_at_once() {
    for (witness, status) in [
        (record("COMPLETED"), Status::Completed),
        (record("TIMEOUT"), Status::Failed),
        (marker(0), Status::Completed),
        (marker(2), Status::Failed),
    ] {
        let mut life = Life::running();
        life.then(100, &absent([])).then(130, &absent([witness]));
        assert_eq!(life.job.status(), status);
        assert_eq!(life.job.absence, None);
    }
}

#[test]
fn unknown_is_resolved_by_any_witness_and_reopened_by_the_queue() {
    let unknown = || {
        let mut life = Life::running();
        for seconds in [100, 400, 700] {
            life.then(seconds, &absent([]));
        }
        assert_eq!(life.job.status(), Status::Unknown);
        life.rows();
        life
    };
    for (witness, status) in [
        (record("COMPLETED"), Status::Completed), // slurmdbd was down for an hour
        (marker(3), Status::Failed),              // NFS showed it late
        (queue("CANCELLED"), Status::Cancelled),
        (queue("RUNNING"), Status::Running),
        (queue("PENDING"), Status::Pending),
        (queue("COMPLETING"), Status::Running),
    ] {
        let mut life = unknown();
        life.then(5000, &absent([witness]));
        assert_eq!(life.job.status(), status);
    }
    // A record that is still open is as old as the job's disappearance.
    let mut life = unknown();
    life.then(5000, &look([record("RUNNING")]))
        .then(5030, &absent([]));
    life.is_unmoved(&[]);
}

#[test]
fn preempted_is_no_end_while_it_may_be_put_back() {
    let mut life = Life::running();
    // squeue lists it as PREEMPTED for some minutes, then it is put back under the same id.
    life.then(100, &look([queue("PREEMPTED")]))
        .then(130, &look([queue("PREEMPTED")]))
        .then(160, &absent([record("PREEMPTED")]))
        .then(190, &absent([]));
    assert_eq!(
        (life.job.status(), life.job.phase()),
        (Status::Running, "unconfirmed")
    );
    life.then(220, &look([queue("PENDING")]));
    assert_eq!(life.job.status(), Status::Pending);
    assert_eq!((life.attempt().restarts, life.attempt().exit), (1, None));
    life.then(300, &look([queue("RUNNING")]));
    // Having been back, it is not taken for preempted when it is missing.
    for seconds in [400, 700, 1000] {
        life.then(seconds, &absent([]));
    }
    assert_eq!(*life.outcome(), Outcome::Unknown);
}

#[test]
fn preempted_and_gone_for_good_is_a_failure_by_the_same_rule() {
    for looks in [
        [
            look([queue("PREEMPTED")]),
            look([queue("PREEMPTED")]),
            look([queue("PREEMPTED")]),
        ],
        [look([queue("PREEMPTED")]), absent([]), absent([])],
        [
            absent([]),
            absent([record("PREEMPTED")]),
            absent([record("PREEMPTED")]),
        ],
    ] {
        let mut life = Life::running();
        for (seconds, look) in [(100, &looks[0]), (400, &looks[1]), (699, &looks[2])] {
            life.then(seconds, look);
            assert_eq!(life.job.status(), Status::Running);
        }
        life.then(700, &looks[2]);
        assert_eq!(
            *life.outcome(),
            Outcome::Failed {
                cause: Cause::Preempted
            }
        );
        // And even then it may come back.
        life.then(800, &look([queue("PENDING")]));
        assert_eq!(life.job.status(), Status::Pending);
    }
    // A record alone, while the queue says nothing, counts no answers.
    let mut life = Life::running();
    life.rows();
    life.then(100, &look([record("PREEMPTED")]));
    life.is_unmoved(&[]);
}
