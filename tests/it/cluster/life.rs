//! The life of jobs on a healthy cluster.

use serde_json::json;

use super::rig::{PATIENCE, Rig, ended_below, slurm, statuses, submissions_below, until};

#[test]
#[ignore = "needs tests/run.sh"]
fn a_config_becomes_a_finished_job() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", json!({ "name": "water, 300 K" }));
    client.request("submit", json!({ "jobId": id })).unwrap();

    for status in ["PENDING", "RUNNING", "COMPLETED"] {
        let told = until(&mut client, &id, status);
        assert_eq!(told["job"]["status"], status);
        assert!(told["seq"].as_u64().unwrap() > 0);
    }
    assert_eq!(
        statuses(&mut client, &id),
        ["CREATED", "PENDING", "RUNNING", "COMPLETED"]
    );

    let job = client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone();
    assert_eq!(job["exitCode"], 0, "{job}");
    assert_eq!(job["attempt"], 1);
    assert!(job["slurmJobId"].is_string(), "{job}");
    assert!(
        job["startedAt"].is_string() && job["completedAt"].is_string(),
        "{job}"
    );
    // The simulation's files are where the config puts them, in the attempt's working tree.
    let scratch = job["scratchDir"].as_str().unwrap();
    for file in [
        "equil/water_equil.coor",
        "equil/water.log",
        ".namdrunner/job.sbatch",
    ] {
        let path = format!("{scratch}/1/{file}");
        assert!(std::path::Path::new(&path).exists(), "{path}");
    }
    let project = job["projectDir"].as_str().unwrap();
    for file in [
        "job_info.json",
        "input_files/common/water.psf",
        "outputs",
        "logs",
    ] {
        assert!(
            std::path::Path::new(&format!("{project}/{file}")).exists(),
            "{file}"
        );
    }
    let uploaded = std::fs::read(format!("{project}/input_files/equil/water.namd")).unwrap();
    assert_eq!(
        uploaded,
        std::fs::read(rig.config("water.namd")).unwrap(),
        "byte for byte"
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_non_zero_exit_is_failed_with_its_code() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "exits.namd", json!({}));
    let told = until(&mut client, &id, "FAILED");
    assert_eq!(told["job"]["exitCode"], 3, "{told}");
    assert!(told["source"].is_string());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_job_past_its_walltime_is_failed_by_time_limit() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(
        &mut client,
        "lingers.namd",
        json!({ "resources": { "walltime": 60 } }),
    );
    let told = client.expect_notification("jobStatusChanged", PATIENCE * 3, |params| {
        params["jobId"] == id && params["to"] == "FAILED"
    });
    assert_eq!(told["job"]["slurmState"], "TIMEOUT", "{told}");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn cancelled_by_us_while_running_and_while_pending() {
    let rig = Rig::new();
    let mut client = rig.client();
    let running = rig.launch(&mut client, "lingers.namd", json!({}));
    let pending = rig.launch(
        &mut client,
        "lingers.namd",
        json!({ "resources": { "partition": "down" } }),
    );
    until(&mut client, &running, "RUNNING");
    for id in [&running, &pending] {
        client.request("cancel", json!({ "jobId": id })).unwrap();
    }
    for id in [&running, &pending] {
        client.wait_for_status(id, "CANCELLED", PATIENCE);
        // Again, when it is gone already: no error, no change.
        let again = client.request("cancel", json!({ "jobId": id })).unwrap();
        assert_eq!(again["job"]["status"], "CANCELLED");
    }
    assert_eq!(
        statuses(&mut client, &pending),
        ["CREATED", "PENDING", "CANCELLED"]
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn cancelled_by_root_says_by_whom() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    let told = until(&mut client, &id, "RUNNING");
    slurm(&["scancel", told["job"]["slurmJobId"].as_str().unwrap()]);
    until(&mut client, &id, "CANCELLED");
    let job = client
        .request("jobStatus", json!({ "jobId": id, "sync": true }))
        .unwrap();
    assert_eq!(job["job"]["status"], "CANCELLED", "{job}");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn what_slurm_refuses_is_told_in_its_words_and_can_be_mended() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", json!({}));
    for resources in [
        json!({ "partition": "nosuch" }),
        json!({ "qos": "nosuch" }),
        json!({ "memory": "9000G" }),
    ] {
        client
            .request("updateJob", json!({ "jobId": id, "resources": resources }))
            .unwrap();
        let error = client
            .request("submit", json!({ "jobId": id, "wait": true }))
            .expect_err("refused");
        assert_eq!(
            error["data"]["kind"], "slurmRejected",
            "{resources}: {error}"
        );
        assert_eq!(error["code"], -32020, "{error}");
        let job = client.request("jobStatus", json!({ "jobId": id })).unwrap();
        assert_eq!(job["job"]["status"], "CREATED");
        assert_eq!(job["job"]["errorInfo"]["kind"], "slurmRejected");
    }
    client
        .request("updateJob", json!({ "jobId": id, "resources": {} }))
        .unwrap();
    client
        .request("submit", json!({ "jobId": id, "wait": true }))
        .unwrap();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    // Slurm keeps a FAILED record of a script it refused; what ran is one job.
    assert_eq!(
        ended_below(&format!("{}/{id}", rig.scratch_root), "COMPLETED"),
        1
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_live_job_is_not_submitted_again_and_an_ended_one_makes_a_new_attempt() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "water.namd", json!({}));
    let error = client
        .request("submit", json!({ "jobId": id }))
        .expect_err("live");
    assert_eq!(error["data"]["kind"], "refusedInState", "{error}");
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    client
        .request("submit", json!({ "jobId": id, "wait": true }))
        .unwrap();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    let job = client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone();
    assert_eq!(job["attempt"], 2);
    let attempts = job["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_ne!(attempts[0]["slurmJobId"], attempts[1]["slurmJobId"]);
    assert_eq!(
        submissions_below(&format!("{}/{id}", rig.scratch_root)).len(),
        2
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn no_room_is_waited_out() {
    let rig = Rig::new();
    let mut client = rig.client();
    let resources = json!({ "resources": { "qos": "limited" } });
    let first = rig.launch(&mut client, "lingers.namd", resources.clone());
    let second = rig.launch(&mut client, "lingers.namd", resources.clone());
    let third = rig.create(&mut client, "water.namd", resources);
    let answer = client.request("submit", json!({ "jobId": third, "wait": true }));
    let job = client
        .request("jobStatus", json!({ "jobId": third }))
        .unwrap();
    assert_eq!(job["job"]["phase"], "waitingForRoom", "{answer:?} {job}");
    assert_eq!(job["job"]["status"], "CREATED");
    // Withdrawn while it waits: nothing was submitted.
    let job = client.request("cancel", json!({ "jobId": third })).unwrap();
    assert_eq!(job["job"]["phase"], "staged", "{job}");
    for id in [first, second] {
        client
            .request("deleteJob", json!({ "jobId": id, "remoteFiles": true }))
            .unwrap();
    }
    assert!(submissions_below(&format!("{}/{third}", rig.scratch_root)).is_empty());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn deleting_a_running_job_ends_it_and_takes_only_its_own_files() {
    let rig = Rig::new();
    let mut client = rig.client();
    let kept = rig.create(&mut client, "water.namd", json!({}));
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    let deleted = client
        .request("deleteJob", json!({ "jobId": id, "remoteFiles": true }))
        .unwrap();
    assert_eq!(deleted["deleted"], true);
    assert_eq!(deleted["remote"].as_array().unwrap().len(), 2, "{deleted}");
    for root in [&rig.project_root, &rig.scratch_root] {
        assert!(!std::path::Path::new(&format!("{root}/{id}")).exists());
    }
    assert!(std::path::Path::new(&format!("{}/{kept}", rig.project_root)).exists());
    let error = client
        .request("jobStatus", json!({ "jobId": id }))
        .expect_err("gone");
    assert_eq!(error["data"]["kind"], "jobNotFound");
    let gone = client.expect_notification("jobDeleted", PATIENCE, |params| params["jobId"] == id);
    assert!(gone["seq"].as_u64().unwrap() > 0);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_job_keeps_its_roots_when_others_are_configured() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", json!({}));
    let made_in = [rig.project_root.clone(), rig.scratch_root.clone()];
    for root in [&mut rig.project_root, &mut rig.scratch_root] {
        root.push_str("-moved");
    }
    rig.configure(&super::rig::cluster_env("NRT_SSH_PORT"), "");
    let other = rig.create(&mut client, "water.namd", json!({}));
    assert!(std::path::Path::new(&format!("{}/{other}", rig.project_root)).exists());
    client
        .request("submit", json!({ "jobId": id, "wait": true }))
        .unwrap();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    // Its directories lie in none of the roots that are configured now, and show that they are its.
    let deleted = client
        .request("deleteJob", json!({ "jobId": id, "remoteFiles": true }))
        .unwrap();
    let removed = made_in.map(|root| format!("{root}/{id}"));
    assert_eq!(deleted["remote"], json!(removed), "{deleted}");
    for dir in removed {
        assert!(!std::path::Path::new(&dir).exists(), "{dir}");
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_preview_has_no_effect() {
    let rig = Rig::new();
    let mut client = rig.client();
    let preview = client
        .request(
            "previewJob",
            json!({ "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"] }),
        )
        .unwrap();
    let files = preview["files"].as_array().unwrap();
    assert_eq!(files.len(), 5, "{preview}");
    assert!(
        preview["script"].as_str().unwrap().contains("#SBATCH"),
        "{preview}"
    );
    assert!(!std::path::Path::new(&rig.project_root).exists());
    assert_eq!(
        client.request("listJobs", json!({})).unwrap()["jobs"],
        json!([])
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn forty_jobs_are_one_question() {
    let rig = Rig::new();
    let mut client = rig.client();
    let ids: Vec<String> = (0..40)
        .map(|n| {
            rig.create(
                &mut client,
                "water.namd",
                json!({ "name": format!("job {n}"), "resources": { "partition": "down" } }),
            )
        })
        .collect();
    for id in &ids {
        client.request("submit", json!({ "jobId": id })).unwrap();
    }
    for id in &ids {
        client.wait_for_status(id, "PENDING", PATIENCE);
    }
    let before = client
        .request("clusterStatus", json!({ "cluster": "test" }))
        .unwrap();
    let synced = client
        .request("syncAll", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(synced["clusters"][0]["queried"], 40, "{synced}");
    let after = client
        .request("clusterStatus", json!({ "cluster": "test" }))
        .unwrap();
    let asked = |status: &serde_json::Value| {
        status["cluster"]["queriesLastHour"]
            .as_u64()
            .or(status["queriesLastHour"].as_u64())
            .unwrap()
    };
    // The poller may have looked by itself in between; forty questions it may not have been.
    assert!(asked(&after) - asked(&before) <= 3, "{before} {after}");
    for id in &ids {
        client.request("cancel", json!({ "jobId": id })).unwrap();
    }
    for id in &ids {
        client.wait_for_status(id, "CANCELLED", PATIENCE);
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_repeated_create_with_the_same_key_is_the_same_job() {
    let rig = Rig::new();
    let mut client = rig.client();
    let first = rig.create(
        &mut client,
        "water.namd",
        json!({ "idempotencyKey": "run-7" }),
    );
    let again = rig.create(
        &mut client,
        "water.namd",
        json!({ "idempotencyKey": "run-7" }),
    );
    assert_eq!(first, again);
}
