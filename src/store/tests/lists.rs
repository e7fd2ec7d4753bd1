//! Lists and the other questions.

use super::*;
use crate::scheduler::{End, Report, Seen};

fn ids(jobs: &[Job]) -> Vec<&JobId> {
    jobs.iter().map(|job| &job.id).collect()
}

fn filter() -> JobFilter {
    JobFilter {
        limit: 200,
        ..JobFilter::default()
    }
}

fn names(store: &Store, filter: &JobFilter) -> Vec<String> {
    let page = store.list(filter).unwrap();
    page.jobs.into_iter().map(|job| job.spec.name).collect()
}

#[test]
fn pages_hold_each_job_once_whatever_happens_between_them() {
    let (_dir, store) = fresh();
    for n in 1..=9 {
        let mut job = job(n);
        // Three jobs of one moment: the id decides between them.
        job.created_at = at(i64::from(n) / 3);
        put(&store, job);
    }
    let mut filter = JobFilter {
        limit: 2,
        ..JobFilter::default()
    };
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = store.list(&filter).unwrap();
        assert!(page.jobs.len() <= 2);
        seen.extend(page.jobs.iter().map(|job| job.spec.name.clone()));
        pages += 1;
        if pages == 2 {
            // The last job told goes away, and a new one comes.
            store.delete(&page.jobs[1].id, at(100)).unwrap();
            put(&store, job(20));
        }
        match page.next {
            Some(next) => filter.after = Some(next),
            None => break,
        }
    }
    let wanted: Vec<String> = (1..=9).rev().map(|n| format!("Ubiquitin {n}")).collect();
    assert_eq!(seen, wanted);
    assert_eq!(pages, 5);
}

#[test]
fn a_full_last_page_has_no_next() {
    let (_dir, store) = fresh();
    for n in 1..=2 {
        put(&store, job(n));
    }
    for (limit, count, more) in [
        (0, 0, false),
        (1, 1, true),
        (2, 2, false),
        (usize::MAX, 2, false),
    ] {
        let page = store.list(&JobFilter { limit, ..filter() }).unwrap();
        assert_eq!(
            (page.jobs.len(), page.next.is_some()),
            (count, more),
            "{limit}"
        );
        assert_eq!(page.seq, 2);
    }
}

#[test]
fn a_made_up_place_is_refused_by_name() {
    let (_dir, store) = fresh();
    for after in [
        "",
        "7",
        "/",
        "2025-01-01T00:00:00Z/",
        "2025-01-01T00:00:00Z/../x",
    ] {
        let after = Some(after.to_owned());
        let error = store.list(&JobFilter { after, ..filter() }).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidParams);
        assert!(error.message.contains("`after`"));
    }
}

#[test]
fn filters_join() {
    let (_dir, store) = fresh();
    for job in every_state() {
        put(&store, job);
    }
    let all = every_state().len() - 1; // one is hidden
    assert_eq!(names(&store, &filter()).len(), all);
    let odd = JobFilter {
        cluster: Some("odd".into()),
        ..filter()
    };
    assert!(names(&store, &odd).len() < all);
    let pending = JobFilter {
        statuses: vec![Status::Pending, Status::Unknown],
        ..filter()
    };
    let found = store.list(&pending).unwrap().jobs;
    assert_eq!(found.len(), 3);
    let both = JobFilter {
        statuses: pending.statuses.clone(),
        ..odd
    };
    let wanted = found.iter().filter(|job| job.spec.cluster == "odd").count();
    assert_eq!(names(&store, &both).len(), wanted);
    let config = JobFilter {
        config_path: Some("/home/ada/ubq/run5.namd".into()),
        ..filter()
    };
    assert_eq!(names(&store, &config), ["Ubiquitin 5"]);
}

#[test]
fn text_is_found_in_name_ids_and_labels_in_any_case() {
    let (_dir, store) = fresh();
    let mut one = job(1);
    one.attempts = vec![attempt(1), attempt(2)];
    one.spec.name = "100%_Wasser".into();
    let id = one.id.as_str()[12..30].to_uppercase();
    put(&store, one);
    put(&store, job(2));
    for (text, found) in [
        ("wasser", 1),
        ("100%_", 1),
        ("%", 1),
        (id.as_str(), 1),
        ("1001", 1),
        ("1002", 1),
        ("GRÖSSE", 0),
        ("GRÖßE 1", 1),
        ("größe", 2),
        ("study", 0),
        ("'; DROP TABLE jobs --", 0),
        ("", 2),
    ] {
        let filter = JobFilter {
            text: Some(text.into()),
            ..filter()
        };
        assert_eq!(names(&store, &filter).len(), found, "{text:?}");
    }
}

#[test]
fn questions_have_their_jobs() {
    let (_dir, store) = fresh();
    let jobs = every_state();
    for job in &jobs {
        put(&store, job.clone());
    }
    let wanted = |pass: &dyn Fn(&Job) -> bool| -> Vec<JobId> {
        let mut ids: Vec<_> = jobs
            .iter()
            .filter(|j| pass(j))
            .map(|j| j.id.clone())
            .collect();
        ids.sort();
        ids
    };
    let found = |jobs: Vec<Job>| -> Vec<JobId> {
        let mut ids: Vec<_> = jobs.into_iter().map(|job| job.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(found(store.active(None).unwrap()), wanted(&Job::is_active));
    assert_eq!(
        found(store.active(Some("odd")).unwrap()),
        wanted(&|job| job.is_active() && job.spec.cluster == "odd")
    );
    assert_eq!(found(store.active(Some("none")).unwrap()), []);
    assert_eq!(found(store.uploading().unwrap()), wanted(&row::hidden));
    assert_eq!(
        found(store.deleting().unwrap()),
        wanted(&|job| job.delete_asked.is_some())
    );
    assert_eq!(store.clusters_with_jobs().unwrap(), ["even", "odd"]);
    let counted: u64 = store.counts().unwrap().iter().map(|count| count.jobs).sum();
    assert_eq!(counted, u64::try_from(jobs.len() - 1).unwrap());
    let active: u64 = store
        .counts()
        .unwrap()
        .iter()
        .filter(|count| count.active && count.cluster == "even" && count.status == Status::Created)
        .map(|count| count.jobs)
        .sum();
    assert_eq!(active, 3); // Asked, WaitingForRoom, Unconfirmed
    let keyed = store.by_idempotency_key("odd", "key 5").unwrap().unwrap();
    assert_eq!(keyed, jobs[5]);
    assert_eq!(store.by_idempotency_key("even", "key 5").unwrap(), None);
    assert_eq!(store.by_tag(&tag(7)).unwrap(), None);
    assert!(store.by_tag(&tag(2)).unwrap().is_some());
}

#[test]
fn recently_ended_goes_by_our_clock() {
    let (_dir, store) = fresh();
    for (n, by_us) in [(2, 100), (4, 200), (6, 300)] {
        let mut job = job(n);
        job.attempts = vec![attempt(1)];
        job.state = JobState::Running {
            id: SchedulerId::whole(1001),
            submitted: at(10),
            started: at(20),
            run: RunPhase::Running,
        };
        let id = job.id.clone();
        put(&store, job);
        let ended = Report {
            id: SchedulerId::whole(1001),
            source: Source::Sacct,
            state: Seen::Ended(End::Completed),
            word: "COMPLETED".into(),
            reason: None,
            submitted: None,
            started: None,
            ended: Some(at(-5000)), // a cluster whose clock is far behind
            exit: None,
            nodes: None,
            partition: None,
            time_limit: None,
            max_rss: None,
            restarts: None,
            components: Vec::new(),
            evidence: "1001|COMPLETED".into(),
        };
        let fact = Fact::Seen {
            reports: vec![ended],
            absent: false,
            rule: crate::job::state::AbsenceRule::default(),
        };
        record(&store, &id, &fact, at(by_us)).unwrap().unwrap();
    }
    let recent = |since, limit| store.recently_ended("even", at(since), limit).unwrap();
    assert_eq!(ids(&recent(200, 9)), [&job(6).id, &job(4).id]);
    assert_eq!(ids(&recent(0, 1)), [&job(6).id]);
    assert!(recent(301, 9).is_empty());
    assert!(store.recently_ended("odd", at(0), 9).unwrap().is_empty());
}

#[test]
fn each_question_has_an_index() {
    let (_dir, store) = fresh();
    let list = |filter: &JobFilter| super::super::list::query(filter).unwrap().0;
    let some = || Some("x".to_owned());
    let questions = [
        (list(&filter()), "jobs_newest"),
        (
            list(&JobFilter {
                text: some(),
                ..filter()
            }),
            "jobs_newest",
        ),
        (
            list(&JobFilter {
                cluster: some(),
                ..filter()
            }),
            "jobs_by_cluster",
        ),
        (
            list(&JobFilter {
                config_path: some(),
                ..filter()
            }),
            "jobs_by_config",
        ),
        (
            list(&JobFilter {
                statuses: vec![Status::Failed],
                ..filter()
            }),
            "jobs_by_status",
        ),
        (read::ACTIVE_ON.into(), "jobs_active"),
        (read::ACTIVE.into(), "jobs_active"),
        (read::ENDED.into(), "jobs_ended"),
        (read::HIDDEN.into(), "jobs_hidden"),
        (read::DELETING.into(), "jobs_deleting"),
        (read::BY_KEY.into(), "jobs_by_key"),
        (read::BY_TAG.into(), "jobs_by_tag"),
        (read::CLUSTERS.into(), "jobs_by_cluster"),
        (read::history_sql(), "history_by_job"),
        (super::super::retention::OLD.into(), "jobs_ended"),
        (super::super::restore::OUTLINES.into(), "jobs_by_cluster"),
        (
            read::UNSETTLED_ENDS.into(),
            "COVERING INDEX progress_settled",
        ),
        (read::UNSETTLED_ENDS.into(), "jobs_ended"),
        (
            super::super::restore::CHANGED_AFTER.into(),
            "INTEGER PRIMARY KEY",
        ),
        (
            super::super::changes::CHANGED.clone(),
            "INTEGER PRIMARY KEY",
        ),
        (super::super::changes::DELETED.into(), "INTEGER PRIMARY KEY"),
    ];
    // (A few ids may be sorted.)
    let sorted = [
        (super::super::restore::UNWITNESSED, "jobs_by_status"),
        (super::super::restore::UNWITNESSED, "members_unwitnessed"),
    ];
    store
        .read(|db| {
            let sorted = sorted.map(|(sql, index)| (sql.to_owned(), index));
            let few = sorted.map(|(sql, index)| (sql, index, true));
            let all = questions.map(|(sql, index)| (sql, index, false));
            for (sql, index, may_sort) in all.into_iter().chain(few) {
                let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let count = plan.parameter_count();
                let nulls = vec![rusqlite::types::Null; count];
                let steps: Vec<String> = plan
                    .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))?
                    .collect::<rusqlite::Result<_>>()?;
                let plan = steps.join("; ");
                assert!(plan.contains(index), "{sql}\n  {plan}");
                assert!(may_sort || !plan.contains("TEMP B-TREE"), "{sql}\n  {plan}");
            }
            Ok(())
        })
        .unwrap();
}
