use serde_json::{Value, json};

use super::*;
use crate::protocol::{CauseCode, Phase, ReasonClass, Status};
use crate::scheduler::SchedulerId;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A job in a state, as the store would give it.
#[allow(
    clippy::needless_pass_by_value,
    reason = "written down where it is called"
)]
fn a_job(state: Value, attempt: Value) -> Job {
    let mut whole = json!({
        "n": 1, "tag": "abcdefgh", "asked": at(0), "id": null, "submitted": null, "started": null,
        "ended": null, "outcome": null, "word": null, "reason": null, "estimated_start": null,
        "exit": null, "nodes": null, "partition": null, "time_limit": null, "max_rss": null,
        "restarts": 0, "untraced": false,
    });
    let attempts = match attempt {
        Value::Object(fields) => {
            whole.as_object_mut().unwrap().extend(fields);
            json!([whole])
        }
        _ => json!([]),
    };
    serde_json::from_value(json!({
        "id": "water_01hf3v8k5w2q0c9m7n4r6t1x8z",
        "spec": {
            "name": "water", "cluster": "hpc", "config_path": "/home/ada/water.namd",
            "config_sha256": "ab", "config_in_tree": "water.namd", "output_dirs": [], "files": [],
            "project_dir": "/p/water_01hf3v8k5w2q0c9m7n4r6t1x8z",
            "scratch_dir": "/s/water_01hf3v8k5w2q0c9m7n4r6t1x8z",
            "resources": {"nodes": 2, "walltime": 3600}, "launch": null, "labels": {"a": "b"},
            "idempotency_key": null, "total_steps": null,
        },
        "created_at": at(0), "updated_at": at(10), "state": state, "status_since": at(0),
        "attempts": attempts, "error": null, "cancel_asked": null, "delete_asked": null,
        "delete_remote": false, "archive_asked": null, "absence": null,
        "seen": {"at": at(10), "source": "squeue"},
    }))
    .unwrap()
}

fn seen(job: &Job) -> wire::Job {
    let sight = Sight {
        observed: Some(at(90)),
        stale: false,
        now: at(100),
        results: ResultsSeen::default(),
    };
    super::job(job, sight)
}

#[test]
fn a_new_job_says_only_what_is_known() {
    let shown =
        serde_json::to_value(seen(&a_job(json!({"phase": "created"}), Value::Null))).unwrap();
    assert_eq!(shown["status"], "CREATED");
    assert_eq!(shown["phase"], "staged");
    assert_eq!(shown["createdAt"], "2027-01-15T08:00:00.000Z");
    assert_eq!(shown["resources"], json!({"nodes": 2, "walltime": 3600}));
    assert_eq!(shown["timeLimitSeconds"], 3600);
    assert_eq!(
        shown["observed"],
        json!({"at": "2027-01-15T08:01:30.000Z", "source": "squeue", "ageSeconds": 10, "stale": false})
    );
    assert_eq!(shown["results"]["state"], "none");
    assert_eq!(shown["attempt"], 0);
    for absent in [
        "slurmJobId",
        "startedAt",
        "timeUsedSeconds",
        "reason",
        "cause",
        "errorInfo",
    ] {
        assert!(shown.get(absent).is_none(), "{absent}: {}", shown[absent]);
    }
}

#[test]
fn a_waiting_job_says_why_in_words() {
    let waits = |reason: &str| {
        let state = json!({"phase": "pending", "id": "17", "submitted": at(5), "held": false});
        let attempt = json!({"id": "17", "submitted": at(5), "word": "PENDING", "reason": reason, "estimated_start": at(500)});
        seen(&a_job(state, attempt))
    };
    let shown = waits("Priority");
    let reason = shown.reason.unwrap();
    assert_eq!(
        (reason.code.as_str(), reason.class),
        ("Priority", ReasonClass::WillStart)
    );
    assert_ne!(reason.text, "Priority");
    assert_eq!(shown.slurm_job_id.as_deref(), Some("17"));
    assert_eq!(shown.estimated_start, Some(Time(at(500))));
    assert_eq!(
        waits("DependencyNeverSatisfied").reason.unwrap().class,
        ReasonClass::Never
    );
    let unknown = waits("SiteSpecific7").reason.unwrap();
    assert_eq!(
        (unknown.text.as_str(), unknown.class),
        ("SiteSpecific7", ReasonClass::Unknown)
    );
}

#[test]
fn time_used_runs_to_now_or_to_the_end() {
    let state = json!({"phase": "running", "id": "17", "submitted": at(5), "started": at(40), "run": "running"});
    let attempt = json!({"id": "17", "submitted": at(5), "started": at(40), "time_limit": 600});
    let running = seen(&a_job(state, attempt));
    assert_eq!(running.time_used_seconds, Some(60));
    assert_eq!(running.time_limit_seconds, Some(600));
    let outcome = json!({"outcome": "completed"});
    let attempt = json!({"id": "17", "started": at(40), "ended": at(70), "outcome": outcome, "exit": {"code": 0, "signal": 0}});
    let state = json!({"phase": "ended", "outcome": outcome, "ended": at(70)});
    let ended = seen(&a_job(state, attempt));
    assert_eq!(ended.status, Status::Completed);
    assert_eq!(ended.time_used_seconds, Some(30));
    assert_eq!((ended.exit_code, ended.signal), (Some(0), None));
    assert_eq!(ended.attempts[0].outcome, Some(Status::Completed));
    // Clocks that disagree give nothing negative.
    let state = json!({"phase": "running", "id": "17", "submitted": at(5), "started": at(140), "run": "starting"});
    let early = seen(&a_job(state, json!({"id": "17"})));
    assert_eq!(early.time_used_seconds, Some(0));
    assert_eq!(early.phase, Phase::Starting);
}

#[test]
fn every_cause_is_told_in_words() {
    let causes = [
        (
            json!({"cause": "exitCode", "code": 3, "signal": null}),
            CauseCode::ExitCode,
            "exit code 3",
        ),
        (
            json!({"cause": "exitCode", "code": 0, "signal": 9}),
            CauseCode::ExitCode,
            "signal 9",
        ),
        (
            json!({"cause": "exitCode", "code": null, "signal": null}),
            CauseCode::ExitCode,
            "not known",
        ),
        (
            json!({"cause": "markerDisagrees", "code": 7}),
            CauseCode::MarkerDisagrees,
            "exit code 7",
        ),
        (json!({"cause": "timeLimit"}), CauseCode::TimeLimit, "limit"),
        (
            json!({"cause": "outOfMemory"}),
            CauseCode::OutOfMemory,
            "memory",
        ),
        (json!({"cause": "nodeFail"}), CauseCode::NodeFail, "node"),
        (json!({"cause": "bootFail"}), CauseCode::BootFail, "booted"),
        (
            json!({"cause": "deadline"}),
            CauseCode::Deadline,
            "deadline",
        ),
        (
            json!({"cause": "preempted"}),
            CauseCode::Preempted,
            "preempted",
        ),
        (json!({"cause": "revoked"}), CauseCode::Revoked, "revoked"),
        (
            json!({"cause": "vanished", "detail": "rebooted"}),
            CauseCode::Vanished,
            "rebooted",
        ),
    ];
    for (cause, code, words) in causes {
        let outcome = json!({"outcome": "failed", "cause": cause});
        let state = json!({"phase": "ended", "outcome": outcome, "ended": at(70)});
        let shown = seen(&a_job(state, json!({"outcome": outcome})));
        let told = shown.cause.unwrap();
        assert_eq!((shown.status, told.code), (Status::Failed, code));
        assert!(told.text.contains(words), "{}", told.text);
        assert_eq!(shown.attempts[0].cause.as_ref(), Some(&told));
    }
    let outcome = json!({"outcome": "cancelled", "by": "user 0"});
    let state = json!({"phase": "ended", "outcome": outcome, "ended": at(70)});
    let told = seen(&a_job(state, Value::Null)).cause.unwrap();
    assert_eq!(told.text, "It was cancelled by user 0.");
}

#[test]
fn a_job_that_is_not_whole_is_not_shown() {
    let job = a_job(
        json!({"phase": "uploading", "since": at(0), "owner": "me"}),
        Value::Null,
    );
    let sight = Sight {
        observed: None,
        stale: true,
        now: at(0),
        results: ResultsSeen::default(),
    };
    assert!(change(1, &job.clone().introduced(), sight.clone()).is_none());
    let entry = HistoryEntry {
        seq: 1,
        job_id: job.id.clone(),
        at: at(0),
        from: None,
        to: job::Status::Created,
        phase: "uploading".into(),
        source: Source::User,
        evidence: None,
        attempt: 0,
        seconds_in_from: 0,
    };
    let stored = StoredChange::Job {
        entry,
        job: Box::new(job.clone()),
    };
    assert!(stored_change(stored, |_| sight.clone()).is_none());
    let deleted = StoredChange::Deleted {
        seq: 2,
        job_id: job.id,
    };
    assert!(matches!(
        stored_change(deleted, |_| sight),
        Some(wire::Change::Deleted(_))
    ));
}

#[test]
fn a_change_carries_the_job_and_how_it_came() {
    let state = json!({"phase": "pending", "id": "17", "submitted": at(5), "held": true});
    let job = a_job(state, json!({"id": SchedulerId::whole(17)}));
    let told = change(
        9,
        &Change {
            from: Some(job::Status::Created),
            to: job.status(),
            phase: job.phase(),
            at: at(6),
            source: Source::Squeue,
            evidence: Some("17|PENDING".into()),
            seconds_in_from: -3,
            job,
        },
        Sight {
            observed: None,
            stale: true,
            now: at(7),
            results: ResultsSeen::default(),
        },
    )
    .unwrap();
    assert_eq!(
        (told.seq, told.from, told.to),
        (9, Some(Status::Created), Status::Pending)
    );
    assert_eq!((told.phase, told.seconds_in_from), (Some(Phase::Held), 0));
    assert!(told.job.observed.stale);
}

#[test]
fn status_has_the_same_words_on_both_sides() {
    for status in job::Status::ALL {
        let shown = super::status(status);
        assert_eq!(serde_json::to_value(shown).unwrap(), status.word());
        assert_eq!(status_asked(shown), status);
        assert_eq!(shown.is_terminal(), status.is_terminal());
    }
}

#[test]
fn what_is_asked_arrives() {
    let params: wire::CreateJobParams = serde_json::from_value(json!({
        "configPath": "/a.namd", "cluster": "hpc", "name": "n",
        "resources": {"cpusPerTask": 4, "extra": ["--exclusive"]}, "launch": "l",
        "inputs": ["x*"], "labels": {"k": "v"}, "idempotencyKey": "i",
    }))
    .unwrap();
    let asked = create_asked(params);
    assert_eq!(asked.config_path, std::path::Path::new("/a.namd"));
    assert_eq!(asked.resources.cpus_per_task, Some(4));
    assert_eq!(asked.resources.extra, ["--exclusive"]);
    assert_eq!(
        (asked.inputs, asked.idempotency_key),
        (vec!["x*".into()], Some("i".into()))
    );
    let params = wire::UpdateJobParams {
        job_id: "x".into(),
        resources: Some(wire::Resources::default()),
        ..Default::default()
    };
    let asked = update_asked(params);
    assert_eq!(asked.resources, Some(Resources::default()));
    assert_eq!(asked.labels, None);
}
