//! Forgetting, as of any time.

use super::*;
use crate::config::Home;
use crate::job::{Job, JobId, JobState};

const DAY: i64 = 24 * 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// An engine whose config.toml says this, with two jobs: one that ended in the beginning, one that
/// never ran.
fn engine(config: &str) -> (tempfile::TempDir, Engine, JobId, JobId) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let home = Home {
        config_file: path("config.toml"),
        data_dir: path("data"),
        state_dir: path("state"),
        runtime_dir: path("run"),
    };
    std::fs::write(&home.config_file, config).unwrap();
    let engine = Engine::start(home, crate::engine::Options::default()).unwrap();
    let ended = job("ended", 1, true);
    let created = job("created", 2, false);
    for job in [&ended, &created] {
        engine
            .store()
            .insert(
                &job.clone().introduced_by(
                    crate::scheduler::Source::Squeue,
                    Some("the raw line".into()),
                ),
                b"",
            )
            .unwrap();
    }
    (dir, engine, ended.id, created.id)
}

fn job(name: &str, n: u128, ended: bool) -> Job {
    let id = JobId::new(name, at(0), n);
    let state = if ended {
        JobState::Ended {
            outcome: crate::job::Outcome::Completed,
            ended: at(0),
        }
    } else {
        JobState::Created
    };
    let spec = serde_json::json!({
        "name": name, "cluster": "local", "config_path": "/c.namd", "config_sha256": "",
        "config_in_tree": "c.namd", "output_dirs": [], "files": [],
        "project_dir": format!("/p/{id}"), "scratch_dir": format!("/s/{id}"),
        "resources": {}, "launch": null, "labels": {}, "idempotency_key": null, "total_steps": null,
    });
    Job::new(id, serde_json::from_value(spec).unwrap(), state, at(0))
}

fn evidence(engine: &Engine, id: &JobId) -> Option<String> {
    engine.store().history(id).unwrap()[0].evidence.clone()
}

#[tokio::test]
async fn raw_evidence_lives_ninety_days_and_jobs_for_ever() {
    let (_dir, engine, ended, _) = engine("");
    let done = engine.forget_what_is_old(at(90 * DAY)).await.unwrap();
    assert_eq!(done, Forgotten::default(), "not a second too early");
    assert!(evidence(&engine, &ended).is_some());
    let done = engine.forget_what_is_old(at(90 * DAY + 1)).await.unwrap();
    assert_eq!((done.rows, done.jobs), (2, 0));
    assert_eq!(evidence(&engine, &ended), None);
    let again = engine.forget_what_is_old(at(90 * DAY + 2)).await.unwrap();
    assert_eq!(again, Forgotten::default(), "nothing is looked at twice");
    // What happened, when and by whose witness stays, for ever.
    engine.forget_what_is_old(at(36_000 * DAY)).await.unwrap();
    let entry = &engine.store().history(&ended).unwrap()[0];
    assert_eq!((entry.at, entry.source.name()), (at(0), "squeue"));
}

#[tokio::test]
async fn the_settings_say_how_long() {
    let config = "[retention]\njobs = 30\nevidence = \"forever\"\n";
    let (_dir, engine, ended, created) = engine(config);
    let done = engine.forget_what_is_old(at(30 * DAY + 1)).await.unwrap();
    assert_eq!((done.rows, done.jobs), (0, 1));
    assert!(engine.store().job(&ended).is_err());
    // It left a tombstone: it is not discovered anew.
    assert!(engine.store().is_deleted(&ended).unwrap());
    // What never ran has not ended, however old.
    engine.forget_what_is_old(at(30_000 * DAY)).await.unwrap();
    assert!(evidence(&engine, &created).is_some());
}

#[tokio::test]
async fn a_round_of_many_rows_goes_in_steps() {
    let (_dir, engine, _, _) = engine("");
    for n in 0..1200_u32 {
        let job = job(&format!("job {n}"), 100 + u128::from(n), false);
        engine.store().insert(&job.introduced(), b"").unwrap();
    }
    let done = engine.forget_what_is_old(at(91 * DAY)).await.unwrap();
    assert_eq!(done.rows, 1202);
}
