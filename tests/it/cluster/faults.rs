//! Promises kept while the cluster, the link or the program itself fails. These tests stop and start
//! the daemons, so they run one at a time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rig::{PATIENCE, Rig, ctl, statuses, submissions_below, until};

/// Starts a daemon again when dropped, also when the test fails.
struct Stopped(&'static str);

impl Stopped {
    fn now(daemon: &'static str) -> Self {
        ctl(&["stop", daemon]);
        Self(daemon)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        ctl(&["start", self.0]);
    }
}

fn health(status: &Value) -> &Value {
    status
        .get("cluster")
        .and_then(|cluster| cluster.get("health"))
        .unwrap_or(&status["health"])
}

#[test]
#[ignore = "needs tests/run.sh"]
fn without_slurmdbd_the_queue_itself_tells_the_end() {
    let rig = Rig::new();
    let mut client = rig.client();
    let stopped = Stopped::now("slurmdbd");
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    drop(stopped);
    assert_eq!(statuses(&mut client, &id).last().unwrap(), "COMPLETED");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn without_slurmctld_no_job_changes_and_it_goes_on_afterwards() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    let stopped = Stopped::now("slurmctld");
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "unavailable"
    });
    let job = client.request("jobStatus", json!({ "jobId": id })).unwrap();
    assert_eq!(
        job["job"]["status"], "RUNNING",
        "silence changes nothing: {job}"
    );
    let status = client
        .request("clusterStatus", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(health(&status), "unavailable", "{status}");
    client.forget_news();
    drop(stopped);
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "ok"
    });
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
    assert_eq!(
        statuses(&mut client, &id),
        ["CREATED", "PENDING", "RUNNING", "CANCELLED"]
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_server_killed_mid_job_finds_it_finished() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.kill();
    let mut client = rig.client();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    let path = statuses(&mut client, &id);
    assert_eq!(
        (
            path.first().unwrap().as_str(),
            path.last().unwrap().as_str()
        ),
        ("CREATED", "COMPLETED")
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn sshd_killed_mid_job_is_noticed_and_repaired() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    ctl(&["sshd-kill"]);
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "unavailable"
    });
    client.forget_news();
    let job = client.request("jobStatus", json!({ "jobId": id })).unwrap();
    assert_eq!(job["job"]["status"], "RUNNING");
    ctl(&["start", "sshd"]);
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "ok"
    });
    client
        .request("deleteJob", json!({ "jobId": id, "remoteFiles": true }))
        .unwrap();
}

/// Kills the program at a named point of a submission, and says what Slurm and the program have in
/// the end.
fn killed_at(point: &str, more: Value) -> (Vec<String>, Vec<String>) {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", more);
    client.close();
    let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", point)]);
    client.send_request("submit", json!({ "jobId": id }));
    client.wait_for_death(PATIENCE);
    // The next start takes the submission up by itself. A submission whose answer was lost may
    // only be looked for; one that was never sent may be sent.
    let mut client = rig.client_with(&[("NAMDRUNNER_GRACE_SECONDS", "3")]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let job = client
            .request("jobStatus", json!({ "jobId": id, "sync": true }))
            .unwrap();
        let (status, phase) = (&job["job"]["status"], &job["job"]["phase"]);
        if phase == "unconfirmed" {
            client
                .request("submit", json!({ "jobId": id, "wait": true }))
                .unwrap();
        }
        if status == "COMPLETED" {
            break;
        }
        assert!(Instant::now() < deadline, "{point}: {job}");
        client.wait_for_any_notification(Duration::from_secs(1));
    }
    let path = statuses(&mut client, &id);
    (
        submissions_below(&format!("{}/{id}", rig.scratch_root)),
        path,
    )
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_at_any_point_of_a_submission_it_runs_exactly_once() {
    for point in ["submit-asked", "submit-sent", "submit-answered"] {
        let (in_slurm, path) = killed_at(point, json!({}));
        assert_eq!(in_slurm.len(), 1, "{point}: Slurm had {in_slurm:?}");
        assert_eq!(path.first().unwrap(), "CREATED", "{point}: {path:?}");
        assert_eq!(path.last().unwrap(), "COMPLETED", "{point}: {path:?}");
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_at_any_point_of_an_array_s_submission_each_member_runs_exactly_once() {
    for point in ["submit-sent", "submit-answered"] {
        let (in_slurm, path) = killed_at(point, json!({ "array": "0-2" }));
        // Slurm counts the members of one submission.
        assert_eq!(in_slurm.len(), 3, "{point}: Slurm had {in_slurm:?}");
        assert_eq!(path.last().unwrap(), "COMPLETED", "{point}: {path:?}");
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_during_creation_the_job_exists_completely_or_not_at_all() {
    for (point, expected) in [("create-intended", 0), ("create-uploaded", 1)] {
        let rig = Rig::new();
        let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", point)]);
        let params = json!({ "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"] });
        client.send_request("createJob", params);
        client.wait_for_death(PATIENCE);
        let mut client = rig.client();
        let deadline = Instant::now() + PATIENCE;
        loop {
            client
                .request("syncAll", json!({ "cluster": "test" }))
                .unwrap();
            let jobs = client.request("listJobs", json!({})).unwrap();
            let jobs = jobs["jobs"].as_array().unwrap().clone();
            let left = std::fs::read_dir(&rig.project_root)
                .map(|dir| {
                    dir.flatten()
                        .map(|e| e.file_name().into_string().unwrap())
                        .collect::<Vec<_>>()
                })
                .unwrap_or_default();
            if jobs.len() == expected && left.len() == expected {
                if let Some(job) = jobs.first() {
                    assert_eq!(job["status"], "CREATED");
                    let id = job["jobId"].as_str().unwrap().to_owned();
                    client
                        .request("submit", json!({ "jobId": id, "wait": true }))
                        .unwrap();
                    client.wait_for_status(&id, "COMPLETED", PATIENCE);
                }
                break;
            }
            assert!(Instant::now() < deadline, "{point}: {jobs:?} {left:?}");
            client.wait_for_any_notification(Duration::from_secs(1));
        }
    }
}
