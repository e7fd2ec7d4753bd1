//! Sequence numbers, hidden jobs and tombstones; changes that are whole or not at all.

use super::*;
use crate::error::Error;
use crate::job::state::Change;

fn seqs(changes: &[StoredChange]) -> Vec<u64> {
    changes
        .iter()
        .map(|change| match change {
            StoredChange::Job { entry, .. } => entry.seq,
            StoredChange::Deleted { seq, .. } => *seq,
        })
        .collect()
}

#[test]
fn numbers_grow_by_one_with_each_change_that_is_told() {
    let (dir, store) = fresh();
    assert_eq!(store.seq().unwrap(), 0);
    assert_eq!(put(&store, job(1)), 1);
    assert_eq!(put(&store, intent(2)), 0);
    assert_eq!(put(&store, job(3)), 2);
    let told = |updated: Result<Updated>| updated.unwrap().unwrap().0;
    let (one, two, three) = (job(1).id, job(2).id, job(3).id);
    assert_eq!(told(record(&store, &one, &renamed("a"), at(50))), 3);
    assert_eq!(told(record(&store, &two, &renamed("b"), at(51))), 0);
    assert!(
        record(&store, &one, &renamed("a"), at(52))
            .unwrap()
            .is_none()
    );
    assert_eq!(store.delete(&three, at(53)).unwrap(), 4);
    assert_eq!(told(record(&store, &two, &uploaded(), at(54))), 5);
    assert_eq!(store.delete(&two, at(55)).unwrap(), 6);
    drop(store);
    // After the newest numbers' rows are gone, and across a restart, none is given again.
    let store = open(dir.path(), Journal::WriteAhead);
    assert_eq!(store.seq().unwrap(), 6);
    assert_eq!(told(record(&store, &one, &renamed("c"), at(56))), 7);
    assert_sound(&store);
}

#[test]
fn a_hidden_job_is_told_once_it_is_whole_as_new() {
    let (_dir, store) = fresh();
    let id = intent(1).id;
    assert_eq!(put(&store, intent(1)), 0);
    let ask = Fact::DeleteAsked { remote_files: true };
    record(&store, &id, &ask, at(60)).unwrap();
    let all = JobFilter {
        limit: 9,
        ..JobFilter::default()
    };
    assert!(store.list(&all).unwrap().jobs.is_empty());
    assert!(store.changes_since(0, 9).unwrap().changes.is_empty());
    assert!(store.history(&id).unwrap().is_empty());
    assert!(store.counts().unwrap().is_empty());
    assert!(store.clusters_with_jobs().unwrap().is_empty());
    let (seq, change) = record(&store, &id, &uploaded(), at(70)).unwrap().unwrap();
    assert_eq!((seq, change.from, change.to), (1, None, Status::Created));
    assert_eq!(change.seconds_in_from, 0);
    let history = store.history(&id).unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].from, history[0].to), (None, Status::Created));
    assert_eq!(history[0].seconds_in_from, 0);
    assert_eq!(store.list(&all).unwrap().jobs.len(), 1);
}

#[test]
fn a_swept_intent_leaves_nothing() {
    let (_dir, store) = fresh();
    put(&store, intent(1));
    put(&store, intent(2));
    store.discard(&intent(1).id).unwrap();
    assert_eq!(store.delete(&intent(2).id, at(9)).unwrap(), 0);
    assert!(store.uploading().unwrap().is_empty());
    assert_eq!(store.seq().unwrap(), 0);
    for n in [1, 2] {
        let id = intent(n).id;
        assert!(!store.is_deleted(&id).unwrap());
        assert_eq!(
            store.config_text(&id).unwrap_err().kind,
            ErrorKind::JobNotFound
        );
        assert_eq!(store.discard(&id).unwrap_err().kind, ErrorKind::JobNotFound);
    }
    put(&store, job(3));
    let refused = store.discard(&job(3).id).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::RefusedInState);
    assert!(store.job(&job(3).id).is_ok());
}

#[test]
fn deleting_leaves_a_tombstone_and_nothing_else() {
    let (_dir, store) = fresh();
    let mut first = job(1);
    first.spec.idempotency_key = Some("k".into());
    let id = first.id.clone();
    put(&store, first.clone());
    store
        .put_progress(
            &[(
                id.clone(),
                StoredProgress {
                    attempt: 1,
                    log_offset: 0,
                    document: serde_json::Value::Null,
                    results: None,
                    settled: false,
                },
            )],
            at(2),
        )
        .unwrap();
    store.delete(&id, at(3)).unwrap();
    for found in [
        store.job(&id).map(drop),
        store.history(&id).map(drop),
        store.config_text(&id).map(drop),
        store.delete(&id, at(3)).map(drop),
        record(&store, &id, &renamed("x"), at(4)).map(drop),
    ] {
        let error = found.unwrap_err();
        assert_eq!(error.kind, ErrorKind::JobNotFound);
        assert_eq!(error.job_id.as_deref(), Some(id.as_str()));
    }
    assert_eq!(store.progress(&id).unwrap(), None);
    assert!(store.is_deleted(&id).unwrap());
    // Its key is free again.
    first.id = job(2).id;
    put(&store, first);
}

#[test]
fn a_live_job_is_not_deleted() {
    let (_dir, store) = fresh();
    for job in every_state() {
        let (id, active) = (job.id.clone(), job.is_active());
        put(&store, job);
        let deleted = store.delete(&id, at(99));
        if active {
            let error = deleted.unwrap_err();
            assert_eq!(error.kind, ErrorKind::RefusedInState);
            assert!(store.job(&id).is_ok() && !store.is_deleted(&id).unwrap());
        } else {
            deleted.unwrap();
        }
    }
}

#[test]
fn changes_are_told_in_order_and_in_parts() {
    let (_dir, store) = fresh();
    let (one, two) = (job(1).id, job(2).id);
    put(&store, job(1)); // 1
    put(&store, job(2)); // 2
    record(&store, &one, &renamed("a"), at(50)).unwrap(); // 3
    record(&store, &two, &renamed("b"), at(51)).unwrap(); // 4
    store.delete(&two, at(52)).unwrap(); // 5
    record(&store, &one, &renamed("c"), at(53)).unwrap(); // 6

    let all = store.changes_since(0, 100).unwrap();
    assert_eq!(seqs(&all.changes), [1, 3, 5, 6]); // two's history went with it
    assert_eq!((all.seq, all.truncated), (6, false));
    for change in &all.changes {
        match change {
            // The job is as it is now, whatever the row tells of.
            StoredChange::Job { job, .. } => assert_eq!(job.spec.name, "c"),
            StoredChange::Deleted { job_id, .. } => assert_eq!(*job_id, two),
        }
    }
    let mut since = 0;
    let mut parts = Vec::new();
    loop {
        let part = store.changes_since(since, 1).unwrap();
        parts.extend(seqs(&part.changes));
        since = part.seq;
        if !part.truncated {
            break;
        }
    }
    assert_eq!(parts, [1, 3, 5, 6]);
    assert_eq!(since, 6);
    let none = store.changes_since(6, 100).unwrap();
    assert_eq!(
        (none.changes.len(), none.seq, none.truncated),
        (0, 6, false)
    );
    let foreign = store.changes_since(7, 100).unwrap();
    assert_eq!(
        (foreign.changes.len(), foreign.seq, foreign.truncated),
        (0, 6, true)
    );
    let nothing = store.changes_since(2, 0).unwrap();
    assert_eq!(
        (nothing.changes.len(), nothing.seq, nothing.truncated),
        (0, 2, true)
    );
}

#[test]
fn history_tells_all_of_a_change() {
    let (_dir, store) = fresh();
    let id = job(1).id;
    put(&store, job(1));
    record(&store, &id, &Fact::SubmitAsked { tag: tag(1) }, at(100)).unwrap();
    record(&store, &id, &Fact::SubmitSent, at(101)).unwrap();
    let submitted = Fact::Submitted {
        id: SchedulerId::whole(42),
        at: at(102),
        source: Source::Squeue,
        evidence: "42|PENDING|a b".into(),
    };
    record(&store, &id, &submitted, at(103)).unwrap();
    let history = store.history(&id).unwrap();
    assert_eq!(history.len(), 4);
    let cut = |seconds| {
        at(seconds).round(jiff::Unit::Second).unwrap() + jiff::Span::new().milliseconds(123)
    };
    assert_eq!(
        history[3],
        HistoryEntry {
            seq: 4,
            job_id: id,
            at: cut(103),
            from: Some(Status::Created),
            to: Status::Pending,
            phase: "queued".into(),
            source: Source::Squeue,
            evidence: Some("42|PENDING|a b".into()),
            attempt: 1,
            seconds_in_from: 102,
        }
    );
    let path: Vec<(u32, &str, Source)> = history
        .iter()
        .map(|entry| (entry.attempt, entry.phase.as_str(), entry.source))
        .collect();
    assert_eq!(
        path,
        [
            (0, "staged", Source::User),
            (1, "submitting", Source::User),
            (1, "submitting", Source::Local),
            (1, "queued", Source::Squeue),
        ]
    );
}

#[test]
fn a_key_makes_one_job_for_each_cluster() {
    let (_dir, store) = fresh();
    let keyed = |n| {
        let mut job = intent(n);
        job.spec.idempotency_key = Some("the same".into());
        job
    };
    put(&store, keyed(1));
    put(&store, keyed(2)); // another cluster
    let error = store.insert(&keyed(3).introduced(), b"").unwrap_err();
    assert_eq!(error.kind, ErrorKind::RefusedInState);
    assert_eq!(error.job_id, Some(keyed(1).id.to_string()));
    assert_eq!(
        store.job(&keyed(3).id).unwrap_err().kind,
        ErrorKind::JobNotFound
    );
    let found = store.by_idempotency_key("odd", "the same").unwrap();
    assert_eq!(found, Some(keyed(1)));
}

#[test]
fn an_error_of_the_question_changes_nothing() {
    let (_dir, store) = fresh();
    put(&store, job(1));
    let error = store
        .update(&job(1).id, |_| Err(Error::internal("made up")))
        .unwrap_err();
    assert_eq!(error.message, "made up");
    assert_eq!(store.job(&job(1).id).unwrap(), job(1));
    assert_eq!(store.seq().unwrap(), 1);
}

#[test]
fn a_panic_in_the_question_changes_nothing_and_the_store_goes_on() {
    let (_dir, store) = fresh();
    put(&store, job(1));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.update(&job(1).id, |_| panic!("made up"))
    }));
    assert!(panicked.is_err());
    record(&store, &job(1).id, &renamed("on"), at(9))
        .unwrap()
        .unwrap();
    assert_eq!(store.seq().unwrap(), 2);
    assert_sound(&store);
}

#[test]
fn row_and_history_are_one() {
    for journal in JOURNALS {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), journal);
        put(&store, job(1));
        put(&store, job(2));
        store
            .write(|db| {
                db.execute_batch(
                    "CREATE TEMP TRIGGER no_history BEFORE INSERT ON main.job_status_history
                     WHEN new.attempt = 1 BEGIN SELECT RAISE(ABORT, 'made up'); END;",
                )?;
                Ok(())
            })
            .unwrap();
        let ask = Fact::SubmitAsked { tag: tag(1) };
        // The row is written before the history row fails.
        let error = record(&store, &job(1).id, &ask, at(9)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
        assert_eq!(store.job(&job(1).id).unwrap(), job(1));
        // In a batch, the jobs before it are taken back too.
        let renaming = renamed("b");
        let failed = store.update_many(
            [(job(2).id, &renaming), (job(1).id, &ask)]
                .map(|(id, fact)| (id, move |job: &Job| Ok(job.apply(fact, at(9)).unwrap()))),
        );
        assert_eq!(failed.unwrap_err().kind, ErrorKind::Internal);
        assert_eq!(store.job(&job(2).id).unwrap(), job(2));
        let mut submitted = job(3);
        submitted.attempts = vec![attempt(1)];
        assert!(store.insert(&submitted.clone().introduced(), b"").is_err());
        assert!(store.job(&submitted.id).is_err());
        assert_eq!(store.seq().unwrap(), 2);
        assert_sound(&store);
    }
}

#[test]
fn a_batch_is_one_commit_with_an_answer_for_each() {
    let (_dir, store) = fresh();
    for n in 1..=3 {
        put(&store, job(n));
    }
    put(&store, intent(4));
    let asks: Vec<(u32, &str)> = vec![
        (1, "x"),
        (2, "refuse"),
        (9, "x"),
        (3, "none"),
        (4, "x"),
        (1, "y"),
    ];
    let asks = asks.into_iter().map(|(n, what)| {
        (job(n).id, move |job: &Job| match what {
            "refuse" => Err(Error::new(ErrorKind::RefusedInState, "no")),
            "none" => Ok(None),
            name => Ok(job.apply(&renamed(name), at(99)).unwrap()),
        })
    });
    let done = store.update_many(asks).unwrap();
    let told: Vec<String> = done
        .into_iter()
        .map(|answer| match answer {
            Ok(Some((seq, change))) => format!("{seq} {}", change.job.spec.name),
            Ok(None) => "none".into(),
            Err(error) => error.kind.to_string(),
        })
        .collect();
    assert_eq!(
        told,
        ["4 x", "refusedInState", "jobNotFound", "none", "0 x", "5 y"]
    );
    assert_sound(&store);
}

#[test]
fn a_change_that_does_not_follow_from_the_job_is_a_defect() {
    let (_dir, store) = fresh();
    put(&store, job(1));
    let same = || job(1).apply(&renamed("x"), at(9)).unwrap().unwrap();
    let mut changes = vec![job(2).apply(&renamed("x"), at(9)).unwrap().unwrap()];
    let spoils: [fn(&mut Change); 6] = [
        |change| change.from = Some(Status::Running),
        |change| change.job.spec.cluster = "another".into(),
        |change| change.job.spec.config_path = "/another".into(),
        |change| change.job.spec.idempotency_key = Some("another".into()),
        |change| change.job.created_at = at(77),
        |change| change.job.state = intent(1).state,
    ];
    for spoil in spoils {
        let mut change = same();
        spoil(&mut change);
        changes.push(change);
    }
    for change in changes {
        let error = store.update(&job(1).id, |_| Ok(Some(change))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
        assert_eq!(store.job(&job(1).id).unwrap(), job(1));
    }
    store
        .update(&job(1).id, |_| Ok(Some(same())))
        .unwrap()
        .unwrap();
}
