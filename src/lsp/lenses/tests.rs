use super::*;

/// A job as the wire has it, with some fields replaced.
fn job(fields: Value) -> Job {
    let mut job = json!({
        "jobId": "water_01hx", "jobName": "water", "cluster": "hpc", "configPath": "/x/a.namd",
        "configSha256": "aa", "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-01T00:00:00.000Z", "status": "CREATED", "phase": "staged",
        "restarts": 0, "labels": {}, "observed": { "stale": false }, "projectDir": "/p",
        "scratchDir": "/s", "resources": {}, "attempt": 0, "attempts": [],
        "results": { "state": "none", "files": 0, "bytes": 0 }
    });
    if let (Some(job), Value::Object(fields)) = (job.as_object_mut(), fields) {
        job.extend(fields);
    }
    serde_json::from_value(job).unwrap()
}

fn titles(job: Option<&Job>, changed: bool) -> Vec<String> {
    of_config("file:///x/a.namd", job, "hpc", changed)
        .into_iter()
        .map(|lens| {
            let command = lens.command.unwrap();
            format!("{} [{}]", command.title, command.command)
        })
        .collect()
}

#[test]
fn without_a_job_one_can_be_made() {
    assert_eq!(
        titles(None, false),
        [
            "▶ Create and submit (hpc) [namdrunner.createAndSubmit]",
            "Preview [namdrunner.preview]"
        ]
    );
}

#[test]
fn each_status_offers_what_makes_sense() {
    let created = job(json!({}));
    assert_eq!(
        titles(Some(&created), false),
        [
            "○ CREATED · hpc [namdrunner.status]",
            "▶ Submit [namdrunner.submit]",
            "New job [namdrunner.createAndSubmit]"
        ]
    );
    let pending = job(json!({
        "status": "PENDING", "phase": "queued", "slurmJobId": "42",
        "reason": { "code": "Priority", "text": "Jobs with a higher priority come first.", "class": "willStart" }
    }));
    assert_eq!(
        titles(Some(&pending), true),
        [
            "◔ PENDING 42 · Jobs with a higher priority come first · hpc [namdrunner.status]",
            "Cancel [namdrunner.cancel]",
            "Changed since: compare [namdrunner.diff]",
            "New job [namdrunner.createAndSubmit]"
        ]
    );
    let running = job(json!({
        "status": "RUNNING", "phase": "running", "slurmJobId": "42", "timeUsedSeconds": 4510,
        "timeLimitSeconds": 86400, "observed": { "stale": true }
    }));
    assert_eq!(
        headline(&running),
        "● RUNNING 42 · 1:15:10 of 1-00:00:00 · hpc · not confirmed lately"
    );
    let failed = job(json!({
        "status": "FAILED", "phase": "settled",
        "cause": { "code": "exitCode", "text": "The job script ended with exit code 3." }
    }));
    assert_eq!(
        titles(Some(&failed), false),
        [
            "✗ FAILED · The job script ended with exit code 3 · hpc [namdrunner.status]",
            "▶ Submit again [namdrunner.submit]"
        ]
    );
}

#[test]
fn a_submission_on_its_way_can_be_cancelled_and_not_asked_for_twice() {
    let waiting = job(json!({ "phase": "waitingForLogin", "attempt": 1 }));
    let titles = titles(Some(&waiting), false);
    assert!(
        titles.iter().any(|title| title.starts_with("Cancel")),
        "{titles:?}"
    );
    assert!(
        !titles.iter().any(|title| title.contains("▶ Submit")),
        "{titles:?}"
    );
}

#[test]
fn times_are_as_slurm_writes_them() {
    for (seconds, shown) in [
        (5, "0:05"),
        (65, "1:05"),
        (3600, "1:00:00"),
        (86_400 + 61, "1-00:01:01"),
    ] {
        assert_eq!(clock(seconds), shown);
    }
}
