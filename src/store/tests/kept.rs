//! What is written comes back.

use super::*;

#[test]
fn every_state_comes_back_as_it_was() {
    for journal in JOURNALS {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), journal);
        let jobs = every_state();
        for job in &jobs {
            put(&store, job.clone());
        }
        let id = store.store_id().to_owned();
        drop(store);
        let store = open(dir.path(), journal);
        assert_eq!(store.store_id(), id);
        for job in &jobs {
            assert_eq!(store.job(&job.id).unwrap(), *job);
            assert_eq!(store.config_text(&job.id).unwrap(), b"run 100 ;# \xe9\n");
        }
        // The helper gives a state to each job in turn: all words of users are among them.
        for status in Status::ALL {
            assert!(jobs.iter().any(|job| job.status() == status), "{status}");
        }
    }
}

#[test]
fn columns_are_for_people_with_any_sqlite_tool() {
    let (_dir, store) = fresh();
    let mut job = every_state().remove(9);
    job.spec.labels = BTreeMap::from([("a".into(), "ÄB".into())]);
    put(&store, job.clone());
    let columns = "job_name, slurm_job_id, status, phase, created_at, updated_at, status_since,
        submitted_at, completed_at, cluster, project_dir, scratch_dir, config_path, attempt, tag,
        error_info, cancel_asked_at, delete_asked_at, archive_asked_at, unconfirmed_since,
        unconfirmed_answers, idempotency_key, hidden, active, search";
    let found: Vec<String> = store
        .read(|db| {
            Ok(
                db.query_row(&format!("SELECT {columns} FROM jobs"), [], |row| {
                    (0..25)
                        .map(|i| {
                            Ok(match row.get_ref(i)? {
                                rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                                rusqlite::types::ValueRef::Integer(n) => n.to_string(),
                                other => other.as_str()?.to_owned(),
                            })
                        })
                        .collect()
                })?,
            )
        })
        .unwrap();
    let id = job.id.as_str();
    let wanted = [
        "Ubiquitin 9",
        "1002",
        "RUNNING",
        "unconfirmed",
        "2025-01-01T00:00:09.123Z",
        "2025-01-01T00:00:09.123Z",
        "2025-01-01T00:00:09.123Z",
        "2025-01-01T00:00:10.123Z",
        "NULL",
        "odd",
        &format!("/project/{id}"),
        &format!("/scratch/{id}"),
        "/home/ada/ubq/run9.namd",
        "2",
        "tag00000002",
        r#"{"kind":"submitUnknown","message":"The answer was lost.","hint":"Look.","at":"2025-01-01T00:00:41.123456789Z"}"#,
        "2025-01-01T00:00:42.123Z",
        "2025-01-01T00:00:43.123Z",
        "2025-01-01T00:00:44.123Z",
        "2025-01-01T00:00:30.123Z",
        "2",
        "key 9",
        "0",
        "1",
        &format!("ubiquitin 9\n{id}\n1001\n1002\näb"),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn columns_follow_every_change() {
    let (_dir, store) = fresh();
    for job in every_state() {
        let id = job.id.clone();
        put(&store, job);
        record(&store, &id, &renamed("Another"), at(500))
            .unwrap()
            .unwrap();
        assert_eq!(store.job(&id).unwrap().spec.name, "Another");
    }
    assert_sound(&store);
}

#[test]
fn fields_of_a_newer_program_do_no_harm() {
    let (_dir, store) = fresh();
    let job = job(1);
    put(&store, job.clone());
    store
        .write(|db| {
            db.execute(
                "UPDATE jobs SET document = json_set(document, '$.colour', 'blue',
                    '$.spec.shape', json('[1,2]'), '$.state.deeper', 7)",
                [],
            )?;
            Ok(())
        })
        .unwrap();
    assert_eq!(store.job(&job.id).unwrap(), job);
    record(&store, &job.id, &renamed("b"), at(9))
        .unwrap()
        .unwrap();
    assert_eq!(store.job(&job.id).unwrap().spec.name, "b");
}

#[test]
fn a_row_nobody_can_read_spoils_no_list() {
    let (_dir, store) = fresh();
    for n in 1..=3 {
        put(&store, job(n));
    }
    let bad = job(2).id;
    store
        .write(|db| {
            db.execute(
                "UPDATE jobs SET document = json_set(document, '$.state.phase', 'dreaming')
                 WHERE job_id = ?1",
                [bad.as_str()],
            )?;
            Ok(())
        })
        .unwrap();
    let error = store.job(&bad).unwrap_err();
    assert_eq!(error.kind, ErrorKind::StoreUnavailable);
    assert_eq!(error.job_id.as_deref(), Some(bad.as_str()));
    let filter = JobFilter {
        limit: 2,
        ..JobFilter::default()
    };
    let page = store.list(&filter).unwrap();
    assert_eq!(page.jobs, [job(3)]);
    let filter = JobFilter {
        after: page.next,
        ..filter
    };
    let page = store.list(&filter).unwrap();
    assert_eq!((page.jobs, page.next), (vec![job(1)], None));
    assert!(store.check().is_err());
}

#[test]
fn progress_and_facts_are_kept_apart_from_history() {
    let (_dir, store) = fresh();
    let (job, gone) = (job(1), job(2).id);
    put(&store, job.clone());
    assert_eq!(store.progress(&job.id).unwrap(), None);
    let mut progress = StoredProgress {
        attempt: 1,
        log_offset: 17,
        document: serde_json::json!({ "step": 500 }),
        results: Some(serde_json::json!({ "state": "copied" })),
        settled: true,
    };
    for offset in [17, 34] {
        progress.log_offset = offset;
        let all = [
            (job.id.clone(), progress.clone()),
            (gone.clone(), progress.clone()),
        ];
        store.put_progress(&all, at(5)).unwrap();
        assert_eq!(store.progress(&job.id).unwrap(), Some(progress.clone()));
    }
    assert_eq!(store.progress(&gone).unwrap(), None);
    assert_eq!(store.results(&job.id, 1).unwrap(), progress.results);
    assert_eq!(store.results(&job.id, 2).unwrap(), None, "another attempt");
    assert_eq!(store.results(&gone, 1).unwrap(), None);

    assert_eq!(
        store.cluster_facts("blue").unwrap(),
        ClusterFacts::default()
    );
    let facts = serde_json::json!({ "squeue": "/usr/bin/squeue" });
    for (given, kept) in [
        ((Some(facts.clone()), None), (Some(facts.clone()), None)),
        ((None, Some(1)), (Some(facts.clone()), Some(1))),
        ((Some(2.into()), None), (Some(2.into()), Some(1))),
    ] {
        let given = ClusterFacts {
            facts: given.0,
            last_sync: given.1.map(|s| Timestamp::new(s, 0).unwrap()),
        };
        store.put_cluster_facts("blue", &given).unwrap();
        let found = store.cluster_facts("blue").unwrap();
        assert_eq!(
            (found.facts, found.last_sync.map(Timestamp::as_second)),
            kept
        );
    }
    assert_eq!(store.seq().unwrap(), 1);
    assert_eq!(store.history(&job.id).unwrap().len(), 1);
}

#[test]
fn ended_jobs_are_unsettled_until_they_are_settled() {
    let (_dir, store) = fresh();
    let mut ended = job(2);
    ended.attempts.push(attempt(1));
    ended.state = JobState::Ended {
        outcome: Outcome::Completed,
        ended: at(9),
    };
    put(&store, ended.clone());
    // One that was never submitted, and one that has not ended.
    put(&store, job(4));
    let unsettled = || {
        let jobs = store.unsettled_ends("even", at(0), 10).unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(unsettled(), std::slice::from_ref(&ended.id));
    let read = |attempt, settled: bool| {
        let progress = StoredProgress {
            attempt,
            log_offset: 1,
            document: serde_json::Value::Null,
            results: None,
            settled,
        };
        store
            .put_progress(&[(ended.id.clone(), progress)], at(10))
            .unwrap();
    };
    read(1, false);
    assert_eq!(unsettled().len(), 1);
    read(1, true);
    assert!(unsettled().is_empty());
    // What is kept of an earlier attempt says nothing of this one.
    read(0, true);
    assert_eq!(unsettled().len(), 1);
    assert!(
        store
            .unsettled_ends("even", at(100), 10)
            .unwrap()
            .is_empty()
    );
    assert!(store.unsettled_ends("odd", at(0), 10).unwrap().is_empty());
}

/// The databases of released schemas are opened for ever. `NAMDRUNNER_REGENERATE=1` writes the file
/// of the newest schema anew; those of older ones are never written again.
#[test]
fn an_old_database_opens() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store/v1.sqlite3");
    if std::env::var_os("NAMDRUNNER_REGENERATE").is_some() {
        assert_eq!(SCHEMA, 1, "the file of schema 1 is history");
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), Journal::WriteAhead);
        for job in every_state() {
            put(&store, job);
        }
        store.delete(&every_state()[1].id, at(1000)).unwrap();
        drop(store);
        std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
        std::fs::copy(dir.path().join(FILE), &kept).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(&kept, dir.path().join(FILE)).unwrap();
    let store = open(dir.path(), Journal::WriteAhead);
    let mut jobs = every_state();
    let deleted = jobs.remove(1);
    for job in &jobs {
        assert_eq!(store.job(&job.id).unwrap(), *job);
    }
    assert!(store.is_deleted(&deleted.id).unwrap());
    let visible = u64::try_from(jobs.len()).unwrap();
    assert_eq!(store.seq().unwrap(), visible + 1);
    record(&store, &jobs[3].id, &renamed("still works"), at(2000))
        .unwrap()
        .unwrap();
    assert_sound(&store);
}

#[test]
fn ends_without_a_witness_are_found_by_job_and_by_member() {
    let (_dir, store) = fresh();
    let ended = |n: u32, seconds: i64, outcome: Outcome| {
        let mut job = job(n);
        job.attempts.push(attempt(1));
        job.status_since = at(seconds);
        job.state = JobState::Ended {
            outcome,
            ended: at(seconds),
        };
        job
    };
    let failed = || Outcome::Failed {
        cause: Cause::NodeFail,
    };
    put(&store, ended(2, 20, Outcome::Unknown));
    put(&store, ended(4, 40, failed()));
    put(&store, ended(6, 60, failed()));
    put(&store, ended(8, 80, failed()));
    // Members that nobody witnessed: of 6 in the newest attempt, of 8 in an older one.
    store
        .write(|db| {
            for (n, attempt) in [(6, 1), (8, 0)] {
                db.execute(
                    "INSERT INTO job_members VALUES (?1, ?2, 3, 'UNKNOWN', '{}')",
                    rusqlite::params![job(n).id.as_str(), attempt],
                )?;
            }
            Ok(())
        })
        .unwrap();
    let found = |since| {
        let found = store.unwitnessed("even", at(since)).unwrap();
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(found(0), [job(6).id, job(2).id]);
    assert_eq!(found(30), [job(6).id]);
    assert!(store.unwitnessed("odd", at(0)).unwrap().is_empty());
    // Who changed after which change.
    assert_eq!(store.changed_after(3).unwrap(), [job(8).id].into());
    assert!(store.changed_after(4).unwrap().is_empty());
}

/// A life that was replayed elsewhere: made, then renamed.
fn story(n: u32) -> Vec<crate::job::state::Change> {
    let first = job(n).introduced_by(Source::Discovered, Some("job_info.json".into()));
    let second = first
        .job
        .apply(&renamed("later"), at(500))
        .unwrap()
        .unwrap();
    vec![first, second]
}

#[test]
fn a_job_that_was_found_comes_in_whole_and_once() {
    let (_dir, store) = fresh();
    let stories =
        |n: &[u32]| -> Vec<_> { n.iter().map(|n| (story(*n), b"run 1".to_vec())).collect() };
    let numbers = store.restore(&stories(&[1])).unwrap();
    assert_eq!(numbers, [Some(vec![1, 2])]);
    let id = &job(1).id;
    assert_eq!(store.job(id).unwrap().spec.name, "later");
    assert_eq!(store.config_text(id).unwrap(), b"run 1");
    let history = store.history(id).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].source, Source::Discovered);
    assert_eq!(history[0].evidence.as_deref(), Some("job_info.json"));
    // Found again, by this program or by another one.
    assert_eq!(store.restore(&stories(&[1])).unwrap(), [None]);
    assert_eq!(store.seq().unwrap(), 2);
    // What was deleted is not resurrected.
    store.delete(id, at(600)).unwrap();
    // Its neighbours come in all the same.
    let numbers = store.restore(&stories(&[1, 3])).unwrap();
    assert_eq!(numbers, [None, Some(vec![4, 5])]);
    assert_sound(&store);
}

#[test]
fn a_found_job_does_not_take_an_idempotency_key_from_another() {
    let (_dir, store) = fresh();
    let mut known = job(2);
    known.spec.idempotency_key = Some("key".into());
    put(&store, known.clone());
    let mut found = job(4);
    found.spec.idempotency_key = Some("key".into());
    let changes = vec![found.clone().introduced_by(Source::Discovered, None)];
    let numbers = store.restore(&[(changes, Vec::new())]).unwrap();
    assert_eq!(numbers.len(), 1);
    assert_eq!(store.job(&found.id).unwrap().spec.idempotency_key, None);
    let of_key = store.by_idempotency_key("even", "key").unwrap().unwrap();
    assert_eq!(of_key.id, known.id);
}

#[test]
fn evidence_is_dropped_by_its_age_in_steps_and_once() {
    let (_dir, store) = fresh();
    put(&store, job(1));
    let id = job(1).id;
    for seconds in [100, 200, 300] {
        record(&store, &id, &renamed(&format!("at {seconds}")), at(seconds)).unwrap();
    }
    let left = || {
        let history = store.history(&id).unwrap();
        history
            .iter()
            .filter(|entry| entry.evidence.is_some())
            .count()
    };
    assert_eq!(left(), 3);
    assert_eq!(store.forget_evidence(at(0), 9).unwrap(), 0);
    assert_eq!(store.forget_evidence(at(250), 2).unwrap(), 2);
    assert_eq!(left(), 2, "the first row had none");
    assert_eq!(store.forget_evidence(at(250), 2).unwrap(), 1);
    assert_eq!(store.forget_evidence(at(250), 2).unwrap(), 0);
    assert_eq!(left(), 1);
    assert_eq!(store.history(&id).unwrap().len(), 4);
}
