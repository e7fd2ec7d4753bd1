//! The members of arrays: written with their job, kept by attempt, gone with their job.

use super::*;
use crate::job::members::{Member, MemberState};
use crate::job::state::AbsenceRule;
use crate::scheduler::{Array, MemberSet, MembersSeen, Report, Seen};

/// An array of five, in the queue as its first attempt.
fn array(store: &Store) -> JobId {
    let mut job = job(1);
    job.spec.array = Some(Array::parse("0-4").unwrap());
    put(store, job.clone());
    submit(store, &job.id, 1);
    job.id
}

fn submit(store: &Store, id: &JobId, n: u32) {
    for fact in [
        Fact::SubmitAsked { tag: tag(n) },
        Fact::SubmitSent,
        Fact::Submitted {
            id: SchedulerId::whole(1000 + u64::from(n)),
            at: at(10),
            source: Source::Local,
            evidence: "receipt".into(),
        },
    ] {
        record(store, id, &fact, at(10)).unwrap().unwrap();
    }
}

/// Some members of an attempt are said to be in a state.
fn seen(n: u32, members: &str, state: Seen, word: &str) -> Fact {
    let id = SchedulerId::whole(1000 + u64::from(n));
    let report = Report {
        id: id.clone(),
        source: Source::Squeue,
        state,
        word: word.into(),
        reason: None,
        submitted: None,
        started: Some(at(20)),
        ended: None,
        exit: None,
        nodes: None,
        partition: None,
        time_limit: None,
        max_rss: None,
        restarts: None,
        components: Vec::new(),
        evidence: format!("row {word}"),
    };
    Fact::MembersSeen {
        seen: vec![MembersSeen {
            id,
            members: MemberSet::parse(members).unwrap(),
            reports: vec![report],
            absent: false,
            unrecorded: false,
        }],
        rule: AbsenceRule::default(),
    }
}

fn running(n: u32, members: &str) -> Fact {
    seen(n, members, Seen::Running(RunPhase::Running), "RUNNING")
}

fn rows(store: &Store) -> Vec<(u32, u32, String)> {
    store
        .read(|db| {
            let mut found = db.prepare(
                "SELECT attempt, member, status FROM job_members ORDER BY attempt, member",
            )?;
            let rows = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .unwrap()
}

#[test]
fn members_come_back_with_their_job() {
    for journal in JOURNALS {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), journal);
        let id = array(&store);
        assert_eq!(store.members(&id).unwrap().0.len(), 0, "they wait");
        let (_, change) = record(&store, &id, &running(1, "1-2"), at(30))
            .unwrap()
            .unwrap();
        assert!(
            change.job.members.0.is_empty(),
            "what is told holds counts only"
        );
        assert_eq!(change.job.member_counts().unwrap().running, 2);
        drop(store);
        let store = open(dir.path(), journal);
        let members = store.members(&id).unwrap();
        let started = MemberState::Running {
            started: at(20),
            run: RunPhase::Running,
        };
        assert_eq!(members.0.keys().copied().collect::<Vec<_>>(), [1, 2]);
        assert!(members.0.values().all(|member| member.state == started));
        // No news is no row, and no change.
        assert_eq!(
            record(&store, &id, &running(1, "1-2"), at(40)).unwrap(),
            None
        );
        assert!(store.job(&id).unwrap().members.0.is_empty());
        assert_sound(&store);
    }
}

#[test]
fn each_attempt_keeps_its_own_and_they_go_with_their_job() {
    let (_dir, store) = fresh();
    let id = array(&store);
    let failed = seen(
        1,
        "0-4",
        Seen::Ended(crate::scheduler::End::Failed),
        "FAILED",
    );
    record(&store, &id, &failed, at(30)).unwrap().unwrap();
    submit(&store, &id, 2);
    assert!(
        store.members(&id).unwrap().0.is_empty(),
        "those of the newest"
    );
    record(&store, &id, &running(2, "3"), at(50))
        .unwrap()
        .unwrap();
    let failed = |member| (1, member, "FAILED".to_owned());
    let mut all: Vec<_> = (0..5).map(failed).collect();
    all.push((2, 3, "RUNNING".to_owned()));
    assert_eq!(rows(&store), all);
    let over = seen(
        2,
        "0-4",
        Seen::Ended(crate::scheduler::End::Completed),
        "COMPLETED",
    );
    record(&store, &id, &over, at(60)).unwrap().unwrap();
    assert_eq!(store.job(&id).unwrap().status(), Status::Completed);
    store.delete(&id, at(70)).unwrap();
    assert_eq!(rows(&store), []);
}

#[test]
fn a_refused_change_writes_no_member() {
    let (_dir, store) = fresh();
    let id = array(&store);
    let result = store.update(&id, |job| {
        let mut change = job.apply(&running(1, "0-4"), at(30)).unwrap().unwrap();
        assert_eq!(change.job.members.0.len(), 5);
        change.from = Some(Status::Failed);
        Ok(Some(change))
    });
    assert!(result.is_err());
    assert_eq!(rows(&store), []);
}

#[test]
fn a_member_nobody_can_read_is_told_and_spoils_no_list() {
    let (_dir, store) = fresh();
    let id = array(&store);
    record(&store, &id, &running(1, "0"), at(30))
        .unwrap()
        .unwrap();
    store
        .write(|db| Ok(db.execute("UPDATE job_members SET document = '{}'", [])?))
        .unwrap();
    let error = store.members(&id).unwrap_err();
    assert_eq!(error.kind, ErrorKind::StoreUnavailable);
    assert!(
        error.message.contains("Member 0 of job"),
        "{}",
        error.message
    );
    assert_eq!(store.active(None).unwrap().len(), 1);
}

#[test]
fn a_member_is_as_small_as_what_is_known() {
    let text = serde_json::to_string(&Member::waiting()).unwrap();
    assert_eq!(text, r#"{"state":{"is":"pending","held":false}}"#);
}
