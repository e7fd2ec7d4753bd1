//! Whatever happens, in whatever order: the table holds its promises.

use proptest::prelude::*;

use super::*;

const WORDS: [&str; 20] = [
    "PENDING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "CONFIGURING",
    "RUNNING",
    "SUSPENDED",
    "COMPLETING",
    "COMPLETED",
    "FAILED",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "NODE_FAIL",
    "BOOT_FAIL",
    "DEADLINE",
    "REVOKED",
    "PREEMPTED",
    "CANCELLED",
    "CANCELLED by 0",
    "CANCELLED by 1000",
    "LEVITATING",
];

pub(super) fn any_report() -> impl Strategy<Value = Report> {
    let source = prop_oneof![
        4 => Just(Source::Squeue),
        3 => Just(Source::Sacct),
        2 => Just(Source::Marker),
        1 => Just(Source::Log),
    ];
    let time = || proptest::option::of((-500_i64..20_000).prop_map(at));
    let rest = (
        time(),
        time(),
        proptest::option::of((-1_i32..256, 0_i32..16)),
        proptest::option::of("c[0-9]"),
        proptest::option::of(0_u32..4),
        proptest::option::of(any::<u64>()),
    );
    // Mostly about the newest attempts; sometimes about others.
    (source, 0..WORDS.len(), 1_u64..5, rest).prop_map(|(source, word, about, rest)| {
        let (started, ended, exit, nodes, restarts, max_rss) = rest;
        Report {
            id: id(about),
            started,
            ended,
            exit: exit.map(|(code, signal)| Exit { code, signal }),
            reason: nodes.clone(),
            nodes,
            restarts,
            max_rss,
            ..said(source, WORDS[word])
        }
    })
}

fn any_error() -> impl Strategy<Value = ErrorInfo> {
    (0..ErrorKind::ALL.len(), "[a-c]").prop_map(|(n, text)| error(ErrorKind::ALL[n], &text))
}

fn any_step() -> impl Strategy<Value = SubmitStep> {
    prop_oneof![
        Just(SubmitStep::WaitingForLogin),
        Just(SubmitStep::WaitingForRoom),
        Just(SubmitStep::Sent),
        Just(SubmitStep::Unconfirmed),
    ]
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let rule =
        (1_u32..4, 0_i64..700).prop_map(|(answers, seconds)| AbsenceRule { answers, seconds });
    let seen = (
        proptest::collection::vec(any_report(), 0..4),
        any::<bool>(),
        rule,
    )
        .prop_map(|(reports, absent, rule)| Fact::Seen {
            reports,
            absent,
            rule,
        });
    prop_oneof![
        2 => Just(uploaded()),
        4 => (1_u32..9).prop_map(ask),
        4 => Just(Fact::SubmitSent),
        // The ids that reports are about.
        4 => (1_u64..5, 0_i64..9000).prop_map(|(id, at)| accepted(id, at)),
        1 => (any_step(), any_error()).prop_map(|(step, error)| Fact::SubmitWaits { step, error }),
        1 => proptest::option::of(any_error()).prop_map(|error| Fact::NotSubmitted { error }),
        12 => seen,
        1 => Just(Fact::CancelAsked),
        1 => any_error().prop_map(|error| Fact::CancelFailed { error }),
        1 => any_error().prop_map(|error| Fact::Noted { error }),
        1 => any::<bool>().prop_map(|remote_files| Fact::DeleteAsked { remote_files }),
        1 => Just(Fact::DeleteWithdrawn),
        1 => proptest::option::of("[a-c]{1,2}").prop_map(|name| Fact::Updated {
            name,
            labels: None,
            resources: None,
            launch: None,
        }),
    ]
}

/// What holds for a job in any state.
fn assert_whole(job: &Job) {
    let newest = job.attempts.last();
    match &job.state {
        JobState::Uploading { .. } | JobState::Created => assert_eq!(newest, None),
        JobState::Submitting { .. } => {
            assert_eq!(newest.unwrap().id, None);
            assert_eq!(newest.unwrap().outcome, None);
        }
        JobState::Pending { id, .. } | JobState::Running { id, .. } => {
            assert_eq!(newest.unwrap().id.as_ref(), Some(id));
            assert_eq!(newest.unwrap().outcome, None);
            assert_eq!(newest.unwrap().ended, None);
        }
        JobState::Ended { outcome, ended } => {
            assert_eq!(newest.unwrap().outcome.as_ref(), Some(outcome));
            assert_eq!(newest.unwrap().ended, Some(*ended));
            assert_ne!(newest.unwrap().id, None);
        }
    }
    if !job.is_active() {
        assert_eq!((job.cancel_asked, &job.absence), (None, &None));
    }
    let numbers: Vec<u32> = job.attempts.iter().map(|attempt| attempt.n).collect();
    assert!(
        numbers
            .iter()
            .copied()
            .eq(1..=u32::try_from(numbers.len()).unwrap())
    );
    let earlier = job
        .attempts
        .split_last()
        .map_or(&[][..], |(_, earlier)| earlier);
    assert!(earlier.iter().all(|attempt| attempt.outcome.is_some()));
    let json = serde_json::to_string(job).unwrap();
    assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), *job);
}

/// What holds for any change.
fn assert_lawful(before: &Job, fact: &Fact, change: &Change, now: Timestamp) {
    let after = &change.job;
    assert_eq!(change.from, Some(before.status()));
    assert_eq!((change.to, change.phase), (after.status(), after.phase()));
    assert!(change.seconds_in_from >= 0);
    assert_ne!(before, after);

    // What a job is does not change.
    assert_eq!(
        (&before.id, before.created_at),
        (&after.id, after.created_at)
    );
    assert_eq!(before.spec.cluster, after.spec.cluster);
    assert_eq!(before.spec.project_dir, after.spec.project_dir);

    // Time goes on, whatever the clock does.
    assert!(after.updated_at >= before.updated_at && after.updated_at >= now);
    assert!(after.status_since >= before.status_since);
    assert_eq!(change.at, after.updated_at);
    if before.status() == after.status() {
        assert_eq!(before.status_since, after.status_since);
    }

    // No attempt is lost but one that the batch system never had, and the earlier ones rest.
    let (old, new) = (&before.attempts, &after.attempts);
    if new.len() < old.len() {
        assert!(matches!(fact, Fact::NotSubmitted { .. }));
        assert_eq!(*new, old[..old.len() - 1]);
        assert_eq!(old.last().unwrap().id, None);
    } else {
        let resting = old.len().saturating_sub(1);
        assert_eq!(old[..resting], new[..resting]);
        assert!(new.len() == old.len() || matches!(fact, Fact::SubmitAsked { .. }));
        if let (Some(old), Some(new)) = (old.last(), new.get(resting)) {
            assert_eq!((&old.tag, old.asked), (&new.tag, new.asked));
            assert!(old.id.is_none() || old.id == new.id);
            assert!(old.restarts <= new.restarts);
        }
    }

    // Only what was seen ends a job, or takes it back from an end.
    let ended = |job: &Job| job.status().is_terminal();
    match fact {
        Fact::Seen {
            reports,
            absent,
            rule,
        } => {
            if ended(after) && !ended(before) {
                let witnessed = reports
                    .iter()
                    .any(|report| matches!(report.state, Seen::Ended(_)));
                assert!(witnessed || *absent);
                if after.status() == Status::Unknown {
                    let missing = before.absence.as_ref();
                    assert!(missing.map_or(0, |absence| absence.answers) + 1 >= rule.answers);
                    let since = missing.map_or(now, |absence| absence.since);
                    assert!(now.duration_since(since).as_secs() >= rule.seconds);
                }
            }
            if ended(before) && !ended(after) {
                let queue = |report: &Report| report.source == Source::Squeue;
                assert!(reports.iter().any(queue));
            }
        }
        // An attempt that was not made leaves the job as the one before it did.
        Fact::NotSubmitted { .. } => assert!(!ended(before)),
        Fact::SubmitAsked { .. } => assert!(!ended(after)),
        _ => assert_eq!(ended(before), ended(after)),
    }

    // Nothing is sent that was cancelled, and nothing that was sent is simply taken back.
    if let JobState::Submitting { step, .. } = &before.state {
        assert!(!(matches!(fact, Fact::SubmitSent) && before.cancel_asked.is_some()));
        assert!(!(*step == SubmitStep::Sent && *fact == withdrawn()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        failure_persistence: None, // the smallest failing case is printed: make a test of it
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_table_holds(facts in proptest::collection::vec((any_fact(), -20_i64..400), 1..60)) {
        let mut job = uploading();
        let mut now = 0;
        for (fact, passed) in facts {
            now += passed;
            match job.apply(&fact, at(now)) {
                Ok(None) => {}
                Ok(Some(change)) => {
                    assert_lawful(&job, &fact, &change, at(now));
                    assert_whole(&change.job);
                    // The same again is no news, unless answers are counted.
                    let counted = matches!(&fact, Fact::Seen { reports, absent, .. }
                        if *absent || reports.iter().any(|r| r.word == "PREEMPTED"));
                    if !counted && let Ok(again) = change.job.apply(&fact, at(now)) {
                        prop_assert_eq!(again, None);
                    }
                    job = change.job;
                }
                Err(refused) => {
                    prop_assert!(refused.why.ends_with('.') && refused.hint.ends_with('.'));
                }
            }
        }
    }

    #[test]
    fn one_row_each_is_all_that_is_written_for_what_stays(
        reports in proptest::collection::vec(any_report(), 1..4),
        looks in 2_i64..30,
    ) {
        let mut life = Life::running();
        let counts = |report: &Report| report.word == "PREEMPTED"; // the answers without it
        let reports: Vec<Report> = reports
            .into_iter()
            .map(|report| Report { id: id(1), ..report })
            .filter(|report| !counts(report))
            .collect();
        for n in 0..looks {
            life.then(20 + 30 * n, &look(reports.clone()));
        }
        prop_assert!(life.rows.len() <= 1, "{:?}", life.rows);
    }
}
