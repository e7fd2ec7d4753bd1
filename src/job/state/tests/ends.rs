//! How jobs end, who says so, and what happens when the witnesses differ.

use super::*;

fn failed(cause: Cause) -> Outcome {
    Outcome::Failed { cause }
}

#[test]
fn every_end_has_its_outcome() {
    let exit = |code, signal| {
        failed(Cause::ExitCode {
            code: Some(code),
            signal,
        })
    };
    let by = |who: &str| Outcome::Cancelled { by: who.into() };
    let with_exit = |mut report: Report, code, signal| {
        report.exit = Some(Exit { code, signal });
        report
    };
    for (reports, outcome, source) in [
        (vec![queue("COMPLETED")], Outcome::Completed, "squeue"),
        (vec![record("COMPLETED")], Outcome::Completed, "sacct"),
        (vec![marker(0)], Outcome::Completed, "marker"),
        (
            vec![with_exit(record("FAILED"), 3, 0)],
            exit(3, None),
            "sacct",
        ),
        (
            vec![with_exit(record("FAILED"), 0, 9)],
            exit(0, Some(9)),
            "sacct",
        ),
        (vec![marker(3)], exit(3, None), "marker"),
        (vec![marker(139)], exit(139, Some(11)), "marker"),
        // squeue's line holds no exit code; the marker's fills the gap.
        (vec![queue("FAILED"), marker(3)], exit(3, None), "squeue"),
        (
            vec![queue("FAILED")],
            failed(Cause::ExitCode {
                code: None,
                signal: None,
            }),
            "squeue",
        ),
        (
            vec![queue("TIMEOUT"), marker(143)],
            failed(Cause::TimeLimit),
            "squeue",
        ),
        (
            vec![record("OUT_OF_MEMORY"), marker(137)],
            failed(Cause::OutOfMemory),
            "sacct",
        ),
        (vec![record("NODE_FAIL")], failed(Cause::NodeFail), "sacct"),
        (vec![record("BOOT_FAIL")], failed(Cause::BootFail), "sacct"),
        (vec![record("DEADLINE")], failed(Cause::Deadline), "sacct"),
        (vec![record("REVOKED")], failed(Cause::Revoked), "sacct"),
        (vec![record("CANCELLED by 0")], by("user 0"), "sacct"),
        (vec![queue("CANCELLED")], by("somebody else"), "squeue"),
        // The records know who it was.
        (
            vec![queue("CANCELLED"), record("CANCELLED by 1000")],
            by("user 1000"),
            "squeue",
        ),
    ] {
        let mut life = Life::running();
        life.then(50, &absent(reports.clone()));
        assert_eq!(*life.outcome(), outcome, "{reports:?}");
        let row = life.rows().pop().unwrap();
        assert!(row.contains(&format!("(settled) {source}: ")), "{row}");
        assert_eq!(life.attempt().outcome.as_ref(), Some(&outcome));
        // Told once, however often it is said.
        life.then(60, &look(reports));
        life.is_unmoved(&[]);
    }
}

#[test]
fn the_end_is_when_the_witness_says() {
    let when = |mut report: Report, seconds| {
        report.ended = Some(at(seconds));
        report
    };
    for (reports, ended) in [
        (vec![when(marker(0), 40), when(queue("COMPLETED"), 42)], 42),
        (vec![when(marker(0), 40), queue("COMPLETED")], 40),
        (vec![queue("COMPLETED")], 50),
    ] {
        let mut life = Life::running();
        life.then(50, &look(reports));
        assert_eq!(life.job.ended(), Some(at(ended)));
        assert_eq!(life.job.updated_at, at(50));
        // squeue lists an ended job for minutes; its end does not move.
        life.rows();
        life.then(80, &look([queue("COMPLETED")]));
        life.is_unmoved(&[]);
        assert_eq!(life.job.ended(), Some(at(ended)));
    }
}

#[test]
fn only_a_contradiction_turns_completed_into_failed_and_both_are_named() {
    let mut life = Life::running();
    life.then(50, &look([queue("COMPLETED"), marker(3)]));
    assert_eq!(*life.outcome(), failed(Cause::MarkerDisagrees { code: 3 }));
    assert_eq!(
        life.rows(),
        [
            "50 RUNNING → FAILED (settled) squeue: 1|COMPLETED · marker: exit 1 token000001 1 0 3 0 1800000100 ."
        ]
    );
    // The next look does not read the marker again: its word stands.
    life.then(60, &look([queue("COMPLETED")]));
    life.is_unmoved(&[]);

    // A marker that says 0 does not turn Slurm's FAILED into COMPLETED, nor does a missing one
    // turn COMPLETED into anything.
    let mut life = Life::running();
    life.then(50, &look([queue("FAILED"), marker(0)]));
    assert_eq!(life.job.status(), Status::Failed);
    let mut life = Life::running();
    life.then(50, &look([queue("COMPLETED")]));
    assert_eq!(life.job.status(), Status::Completed);
}

#[test]
fn the_queue_counts_before_the_records_and_these_before_the_marker() {
    for (reports, status, source) in [
        (
            vec![marker(0), record("COMPLETED"), queue("RUNNING")],
            Status::Running,
            "squeue",
        ),
        (vec![marker(0), record("TIMEOUT")], Status::Failed, "sacct"),
        // An open record says nothing against the job's own end.
        (
            vec![marker(0), record("RUNNING")],
            Status::Completed,
            "marker",
        ),
    ] {
        let mut life = Life::pending();
        life.then(50, &look(reports));
        assert_eq!(life.job.status(), status);
        assert!(life.rows()[0].contains(&format!(") {source}: ")));
    }
}

#[test]
fn an_open_record_is_heard_only_while_the_queue_says_nothing() {
    let mut life = Life::pending();
    life.then(50, &look([record("RUNNING")]));
    assert_eq!(life.job.status(), Status::Running);
    // The queue answers whole and lacks the job: slurmdbd lags behind, its RUNNING is old.
    life.then(60, &absent([record("RUNNING")]));
    assert_eq!(
        (life.job.status(), life.job.phase()),
        (Status::Running, "unconfirmed")
    );
}

#[test]
fn we_stay_who_cancelled() {
    let mut life = Life::running();
    life.then(20, &Fact::CancelAsked)
        .then(30, &look([queue("CANCELLED")]));
    // The ask is settled and forgotten; the queue goes on listing the job, and the records name us.
    life.rows();
    for (seconds, reports) in [
        (40, vec![queue("CANCELLED")]),
        (50, vec![queue("CANCELLED"), record("CANCELLED by 1000")]),
    ] {
        life.then(seconds, &look(reports));
        assert_eq!(*life.outcome(), Outcome::Cancelled { by: "you".into() });
    }
    // Where nobody was named, a name is news.
    let mut life = Life::running();
    life.then(30, &look([queue("CANCELLED")]))
        .then(40, &look([queue("CANCELLED"), record("CANCELLED by 0")]));
    assert_eq!(
        *life.outcome(),
        Outcome::Cancelled {
            by: "user 0".into()
        }
    );
}

#[test]
fn what_slurm_wrote_into_the_output_explains_the_marker() {
    let overdue = Report {
        state: Seen::Ended(End::TimeLimit),
        ..said(Source::Log, "TIMEOUT")
    };
    let mut life = Life::running();
    let stopped = Report {
        ended: Some(at(28)),
        ..marker(143)
    };
    life.then(
        30,
        &Fact::Seen {
            reports: vec![stopped, overdue.clone()],
            absent: true,
            rule: AbsenceRule::default(),
        },
    );
    assert_eq!(*life.outcome(), failed(Cause::TimeLimit));
    let attempt = life.attempt();
    assert_eq!(attempt.ended, Some(at(28)), "the marker knows when");
    assert_eq!(attempt.exit.map(|exit| exit.code), Some(143));
    assert_eq!(life.job.seen.as_ref().unwrap().source, Source::Log);
    // Slurm's own records count before it, and a script that came to its end by itself.
    for (other, status) in [
        (record("COMPLETED"), Status::Completed),
        (marker(0), Status::Completed),
        (queue("RUNNING"), Status::Running),
    ] {
        let mut life = Life::running();
        life.then(30, &look([other, overdue.clone()]));
        assert_eq!(life.job.status(), status);
    }
    // Preempted: it is usually put back, whatever its marker says.
    let preempted = Report {
        state: Seen::Ended(End::Preempted),
        ..said(Source::Log, "PREEMPTED")
    };
    let gone = Fact::Seen {
        reports: vec![marker(143), preempted],
        absent: true,
        rule: AbsenceRule::default(),
    };
    let mut life = Life::running();
    life.then(30, &gone);
    assert_eq!(life.job.status(), Status::Running);
    assert!(life.job.absence.as_ref().unwrap().preempted);
    life.then(400, &gone).then(700, &gone);
    assert_eq!(*life.outcome(), failed(Cause::Preempted));
}

#[test]
fn components_live_and_end_each_by_itself() {
    let with = |report: Report, parts: &[(u32, &str, Option<i32>)]| {
        let part = |(number, word, code): &(u32, &str, Option<i32>)| {
            let part = Report {
                started: Some(at(12)),
                ended: Some(at(28)),
                nodes: Some(format!("c{number}")),
                exit: code.map(|code| Exit { code, signal: 0 }),
                ..said(report.source, word)
            };
            (*number, part)
        };
        Report {
            components: parts.iter().map(part).collect(),
            ..report
        }
    };
    let shown = |life: &Life| -> Vec<String> {
        let all = life.attempt().components.iter();
        all.map(|one| {
            let nodes = one.nodes.as_deref().unwrap_or("-");
            let code = one.exit.map_or(-1, |exit| exit.code);
            format!(
                "{} {} {nodes} {code} {}",
                one.number,
                one.status,
                one.ended.is_some()
            )
        })
        .collect()
    };
    let mut life = Life::pending();
    let waits = with(
        queue("PENDING"),
        &[(0, "PENDING", None), (1, "PENDING", None)],
    );
    life.then(10, &look([waits]));
    assert_eq!(
        shown(&life),
        ["0 PENDING - -1 false", "1 PENDING - -1 false"]
    );
    let runs = with(
        queue("RUNNING"),
        &[(0, "RUNNING", None), (1, "RUNNING", None)],
    );
    life.then(20, &look([runs]));
    assert_eq!(
        shown(&life),
        ["0 RUNNING c0 -1 false", "1 RUNNING c1 -1 false"]
    );
    // One is over and gone from the queue; its record knows the exit code.
    let rest = with(
        queue("RUNNING"),
        &[(0, "COMPLETED", None), (1, "RUNNING", None)],
    );
    let known = with(
        record("RUNNING"),
        &[(0, "COMPLETED", Some(0)), (1, "RUNNING", None)],
    );
    life.then(30, &look([rest, known]));
    assert_eq!(
        shown(&life),
        ["0 COMPLETED c0 0 true", "1 RUNNING c1 -1 false"]
    );
    // What is not told of any more is as it was; and the same again is no news.
    let failed = with(record("FAILED"), &[(1, "FAILED", Some(3))]);
    let mut lost = life;
    life = Life {
        job: lost.job.clone(),
        rows: Vec::new(),
    };
    life.then(40, &look([failed.clone()]));
    assert_eq!(
        shown(&life),
        ["0 COMPLETED c0 0 true", "1 FAILED c1 3 true"]
    );
    life.rows.clear();
    life.then(41, &look([failed])).is_unmoved(&[]);
    let gone = Fact::Seen {
        reports: Vec::new(),
        absent: true,
        rule: AbsenceRule {
            answers: 1,
            seconds: 0,
        },
    };
    lost.then(40, &gone);
    assert_eq!(
        shown(&lost),
        ["0 COMPLETED c0 0 true", "1 UNKNOWN c1 -1 false"]
    );
}

#[test]
fn the_direct_schedulers_jobs_end_by_the_signal_we_sent() {
    let vanished = Report {
        state: Seen::Ended(End::Vanished {
            detail: "no process 1".into(),
        }),
        ..said(Source::Marker, "gone")
    };
    for report in [marker(143), marker(137), vanished.clone()] {
        let mut life = Life::running();
        life.then(20, &Fact::CancelAsked).then(30, &look([report]));
        assert_eq!(*life.outcome(), Outcome::Cancelled { by: "you".into() });
    }
    // Not every end after an ask is its effect, and without an ask it is a failure.
    let mut life = Life::running();
    life.then(20, &Fact::CancelAsked)
        .then(30, &look([marker(1)]));
    assert_eq!(life.job.status(), Status::Failed);
    let mut life = Life::running();
    life.then(30, &look([vanished]));
    assert_eq!(
        *life.outcome(),
        failed(Cause::Vanished {
            detail: "no process 1".into()
        })
    );
}

#[test]
fn what_has_ended_is_opened_again_by_the_queue_alone() {
    for end in ["COMPLETED", "NODE_FAIL", "CANCELLED by 0"] {
        for (back, status) in [("PENDING", Status::Pending), ("RUNNING", Status::Running)] {
            let mut life = Life::running();
            life.then(20, &look([queue(end)]));
            life.rows();
            for other in [record(back), said(Source::Marker, back)] {
                life.then(30, &look([other]));
            }
            life.is_unmoved(&[]);
            life.then(40, &look([queue(back)]));
            assert_eq!(life.job.status(), status, "{end}");
            let attempt = life.attempt();
            assert_eq!(
                (attempt.ended, &attempt.outcome, attempt.exit),
                (None, &None, None)
            );
            life.then(50, &look([queue("COMPLETED")]));
            assert_eq!(*life.outcome(), Outcome::Completed);
        }
    }
}

#[test]
fn the_last_moments_do_not_reopen() {
    // The marker was read while squeue was out of order; then squeue shows the epilogue.
    let mut life = Life::running();
    life.then(20, &look([marker(0)]));
    life.rows();
    life.then(30, &look([queue("COMPLETING"), marker(0)]));
    life.is_unmoved(&[]);
    life.then(40, &look([queue("COMPLETED"), marker(0)]));
    assert_eq!(*life.outcome(), Outcome::Completed);
    // A job cancelled while it waited passes through COMPLETING without ever having run.
    let mut life = Life::pending();
    life.then(20, &look([queue("COMPLETING")]));
    assert_eq!(life.job.status(), Status::Pending);
    assert_eq!(life.attempt().word.as_deref(), Some("COMPLETING"));
}

#[test]
fn the_queue_may_correct_an_end() {
    // Its own marker said 137; Slurm knows why.
    let mut life = Life::running();
    life.then(20, &look([marker(137)]))
        .then(30, &look([queue("OUT_OF_MEMORY"), marker(137)]));
    assert_eq!(*life.outcome(), failed(Cause::OutOfMemory));
    // Put back and done between two looks.
    let mut life = Life::running();
    life.then(20, &look([queue("NODE_FAIL")]))
        .then(900, &look([queue("COMPLETED")]));
    assert_eq!(*life.outcome(), Outcome::Completed);
}

#[test]
fn what_the_records_add_later_is_kept() {
    let mut life = Life::running();
    life.then(20, &look([queue("TIMEOUT")]));
    let mut record = record("TIMEOUT");
    record.max_rss = Some(1 << 30);
    record.started = Some(at(8));
    life.then(30, &look([queue("TIMEOUT"), record.clone()]))
        .then(40, &look([record]));
    assert_eq!(
        life.rows(),
        [
            "20 RUNNING → FAILED (settled) squeue: 1|TIMEOUT",
            "30 FAILED → FAILED (settled) squeue: 1|TIMEOUT",
            "40 FAILED → FAILED (settled) sacct: 1|TIMEOUT",
        ]
    );
    assert_eq!(life.attempt().max_rss, Some(1 << 30));
    assert_eq!(life.job.status_since, at(20));
}

#[test]
fn two_spellings_of_one_thing_do_not_alternate() {
    let mut life = Life::pending();
    let mut runs = queue("RUNNING");
    runs.nodes = Some("c[1-2]".into());
    runs.time_limit = Some(600);
    let mut record = record("RUNNING");
    record.nodes = Some("c1,c2".into());
    record.time_limit = Some(660);
    record.partition = Some("long".into());
    life.then(10, &look([runs.clone()]))
        .then(20, &look([record.clone(), runs.clone()]))
        .then(30, &look([runs.clone()]))
        .then(40, &look([runs, record]));
    assert_eq!(life.rows().len(), 2);
    assert_eq!(life.attempt().nodes.as_deref(), Some("c[1-2]"));
    assert_eq!(life.attempt().partition.as_deref(), Some("long"));
}

#[test]
fn restarts_are_counted() {
    // squeue does not count them: each way back from the nodes to the queue is one.
    let mut life = Life::running();
    let mut runs = queue("RUNNING");
    runs.nodes = Some("c1".into());
    life.then(15, &look([runs]))
        .then(20, &look([queue("REQUEUED")]))
        .then(25, &look([queue("PENDING")]));
    assert_eq!(life.attempt().restarts, 1);
    assert_eq!(life.attempt().nodes, None);
    life.then(30, &look([queue("RUNNING")]))
        .then(40, &look([queue("NODE_FAIL")]))
        .then(50, &look([queue("PENDING")]));
    assert_eq!(life.attempt().restarts, 2);
    // sacct and the marker count; the higher number is right.
    life.then(60, &look([queue("RUNNING")]));
    let mut record = record("COMPLETED");
    record.restarts = Some(3);
    life.then(70, &absent([record]));
    assert_eq!(life.attempt().restarts, 3);
    assert_eq!(life.job.attempts.len(), 1);
    // A job that never ran is not started again.
    let mut life = Life::pending();
    life.then(20, &look([queue("PENDING")]))
        .then(30, &look([queue("REQUEUE_HOLD")]));
    assert_eq!(life.attempt().restarts, 0);
}

#[test]
fn a_fatal_error_in_the_log_contradicts_completed_and_nothing_else() {
    let spoke = |attempt| Fact::LogSpoke {
        attempt,
        text: "Low global exclusion count!".into(),
        line: 812,
    };
    let mut life = Life::running();
    life.then(40, &spoke(1)).is_unmoved(&[]);
    life.then(50, &look([queue("COMPLETED")]));
    life.rows();
    // Another attempt's log says nothing of this one.
    life.then(60, &spoke(2)).is_unmoved(&[]);
    life.then(60, &spoke(1));
    assert_eq!(
        life.rows(),
        [
            "60 COMPLETED → FAILED (settled) log: batch system: COMPLETED · log, line 812: FATAL ERROR: Low global exclusion count!"
        ]
    );
    let outcome = failed(Cause::LogDisagrees {
        text: "Low global exclusion count!".into(),
    });
    assert_eq!(*life.outcome(), outcome);
    assert_eq!(life.attempt().outcome.as_ref(), Some(&outcome));
    // The queue goes on saying COMPLETED for a while; after a crash the log is read again.
    life.then(70, &look([queue("COMPLETED")]))
        .then(80, &spoke(1))
        .is_unmoved(&[]);
    // A job that failed by another word keeps it.
    let mut life = Life::running();
    life.then(50, &look([queue("TIMEOUT")])).rows();
    life.then(60, &spoke(1)).is_unmoved(&[]);
}
