//! What is known here against what is there: a lost database, jobs submitted by hand, directories
//! without a row, ends that nobody was looking at.

use std::time::Instant;

use serde_json::{Value, json};

use super::rig::{Client, PATIENCE, Rig, cluster_env, slurm, statuses, until};

/// Runs shell lines as the person on the cluster.
fn by_hand(script: &str) -> String {
    let output = std::process::Command::new("ssh")
        .args([
            "-i",
            &cluster_env("NRT_SSH_KEY"),
            "-p",
            &cluster_env("NRT_SSH_PORT"),
        ])
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            cluster_env("NRT_KNOWN_HOSTS")
        ))
        .args(["-o", "BatchMode=yes"])
        .arg(format!("{}@127.0.0.1", cluster_env("NRT_SSH_USER")))
        .arg(script)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn lose_the_database(rig: &Rig) {
    std::fs::remove_dir_all(rig.home().join("data")).unwrap();
}

fn reconcile(client: &mut Client, more: Value) -> Value {
    let mut params = json!({ "cluster": "test" });
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    client.request("reconcile", params).unwrap()
}

fn items<'a>(result: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = result["items"].as_array().unwrap();
    all.iter().filter(|item| item["kind"] == kind).collect()
}

fn job(client: &mut Client, id: &str) -> Value {
    client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone()
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_lost_database_comes_back_with_attempts_and_ends_and_follows_what_lives() {
    let rig = Rig::new();
    let mut client = rig.client();
    let ended = rig.launch(
        &mut client,
        "exits.namd",
        json!({ "name": "ends twice", "labels": { "study": "a" } }),
    );
    client.wait_for_status(&ended, "FAILED", PATIENCE);
    client
        .request("submit", json!({ "jobId": ended, "wait": true }))
        .unwrap();
    let created = rig.create(&mut client, "water.namd", json!({}));
    let lives = rig.launch(&mut client, "lingers.namd", json!({}));
    let down = json!({ "resources": { "partition": "down" } });
    let waits = rig.launch(&mut client, "water.namd", down);
    client.wait_for_status(&ended, "FAILED", PATIENCE);
    client.wait_for_status(&lives, "RUNNING", PATIENCE);
    let before = job(&mut client, &ended);
    let running = job(&mut client, &lives);
    client.kill();
    drop(client);
    lose_the_database(&rig);

    // The first connection finds them by itself; nobody has to ask.
    let mut client = rig.client();
    client
        .request("connect", json!({ "cluster": "test" }))
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while client.request("listJobs", json!({})).unwrap()["jobs"]
        .as_array()
        .unwrap()
        .len()
        < 4
    {
        assert!(Instant::now() < deadline);
        client.wait_for_any_notification(std::time::Duration::from_secs(1));
    }
    let after = job(&mut client, &ended);
    assert_eq!(after["origin"]["kind"], "discovered", "{after}");
    for field in [
        "jobName",
        "labels",
        "status",
        "exitCode",
        "createdAt",
        "attempt",
        "resources",
        "configSha256",
    ] {
        assert_eq!(before[field], after[field], "{field}: {after}");
    }
    let ids = |job: &Value| -> Vec<Value> {
        let attempts = job["attempts"].as_array().unwrap();
        attempts
            .iter()
            .map(|attempt| attempt["slurmJobId"].clone())
            .collect()
    };
    assert_eq!(ids(&before), ids(&after));
    let ends = |job: &Value| -> Vec<Value> {
        let attempts = job["attempts"].as_array().unwrap();
        attempts
            .iter()
            .map(|attempt| attempt["outcome"].clone())
            .collect()
    };
    assert_eq!(ends(&after), ["FAILED", "FAILED"], "{after}");
    assert_eq!(
        statuses(&mut client, &ended),
        [
            "CREATED", "PENDING", "RUNNING", "FAILED", "CREATED", "PENDING", "RUNNING", "FAILED"
        ]
    );
    let history = client
        .request("jobHistory", json!({ "jobId": ended }))
        .unwrap();
    let first = &history["entries"][0];
    assert_eq!(first["source"], "discovered", "{history}");
    assert!(
        first["evidence"]
            .as_str()
            .unwrap()
            .contains("job_info.json"),
        "{first}"
    );
    for entry in history["entries"].as_array().unwrap() {
        if entry["to"] == "FAILED" {
            assert!(!entry["evidence"].as_str().unwrap().is_empty(), "{entry}");
        }
    }
    assert_eq!(job(&mut client, &created)["status"], "CREATED");

    // What lives is followed as before, and obeys.
    let found = client.wait_for_status(&lives, "RUNNING", PATIENCE);
    assert_eq!(found["slurmJobId"], running["slurmJobId"]);
    client.wait_for_status(&waits, "PENDING", PATIENCE);
    for id in [&lives, &waits] {
        client.request("cancel", json!({ "jobId": id })).unwrap();
        client.wait_for_status(id, "CANCELLED", PATIENCE);
    }
    // Submitting once more does not begin at the first attempt again.
    client
        .request("submit", json!({ "jobId": ended, "wait": true }))
        .unwrap();
    assert_eq!(job(&mut client, &ended)["attempt"], 3);
    client.wait_for_status(&ended, "FAILED", PATIENCE);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_purged_scratch_directory_leaves_the_ids_and_the_records_leave_the_ends() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "exits.namd", json!({}));
    let before = client.wait_for_status(&id, "FAILED", PATIENCE);
    client.close();
    lose_the_database(&rig);
    std::fs::remove_dir_all(format!("{}/{id}", rig.scratch_root)).unwrap();
    let mut client = rig.client();
    client
        .request("discoverJobs", json!({ "cluster": "test" }))
        .unwrap();
    let after = client.wait_for_status(&id, "FAILED", PATIENCE);
    assert_eq!(before["slurmJobId"], after["slurmJobId"]);
    let source = after["observed"]["source"].as_str().unwrap();
    assert!(["squeue", "sacct"].contains(&source), "{after}");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn the_components_of_a_heterogeneous_job_are_told_apart() {
    let rig = Rig::new();
    let mut client = rig.client();
    let dir = format!("{}/by hand", rig.project_root);
    let slurm_id = by_hand(&format!(
        "mkdir -p '{dir}' && cd '{dir}' && printf '#!/bin/bash\\nexec sleep 300\\n' >run.sh && \
         sbatch --parsable --time=5 -n1 --mem=50 -w c1 : -n2 --mem=50 -w c2 run.sh"
    ));
    let adopted = client
        .request(
            "adoptJob",
            json!({ "cluster": "test", "slurmJobId": slurm_id }),
        )
        .unwrap();
    let id = adopted["job"]["jobId"].as_str().unwrap().to_owned();
    let told = client.wait_for_status(&id, "RUNNING", PATIENCE);
    let component = |job: &Value, n: usize, field: &str| -> String {
        let value = &job["components"][n][field];
        value.as_str().unwrap_or_else(|| panic!("{job}")).to_owned()
    };
    for (n, node) in [(0, "c1"), (1, "c2")] {
        assert_eq!(component(&told, n, "slurmJobId"), format!("{slurm_id}+{n}"));
        assert_eq!(component(&told, n, "status"), "RUNNING", "{told}");
        assert_eq!(component(&told, n, "nodes"), node);
    }
    client.request("cancel", json!({ "jobId": id })).unwrap();
    let told = client.wait_for_status(&id, "CANCELLED", PATIENCE);
    assert_eq!(told["components"].as_array().unwrap().len(), 2, "{told}");
    for n in [0, 1] {
        assert_eq!(component(&told, n, "status"), "CANCELLED", "{told}");
        assert!(!component(&told, n, "completedAt").is_empty());
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_job_submitted_by_hand_is_adopted_and_followed_to_its_end() {
    let rig = Rig::new();
    let mut client = rig.client();
    let dir = format!("{}/by hand", rig.project_root);
    let slurm_id = by_hand(&format!(
        "mkdir -p '{dir}/run' && cd '{dir}' && printf 'numsteps 100\\n' >run/equil.namd && \
         printf '#!/bin/bash\\nCONF=equil.namd\\ncd run\\nnamd3() {{ sleep 6; exit 3; }}\\nnamd3 +p1 \"$CONF\" > equil.log\\n' >run.sh && \
         sbatch --parsable -J 'by hand' --time=5 run.sh"
    ));
    let adopted = client
        .request(
            "adoptJob",
            json!({ "cluster": "test", "slurmJobId": slurm_id }),
        )
        .unwrap()["job"]
        .clone();
    let id = adopted["jobId"].as_str().unwrap().to_owned();
    assert_eq!(adopted["origin"]["kind"], "adopted", "{adopted}");
    assert_eq!(adopted["jobName"], "by hand");
    assert_eq!(adopted["slurmJobId"], json!(slurm_id));
    assert_eq!(
        adopted["configPath"],
        json!(format!("{dir}/run/equil.namd"))
    );
    assert_eq!(adopted["scratchDir"], json!(dir));
    assert_eq!(adopted["resources"]["walltime"], 300, "{adopted}");
    let error = client
        .request(
            "adoptJob",
            json!({ "cluster": "test", "slurmJobId": slurm_id }),
        )
        .expect_err("once");
    assert_eq!(error["data"]["kind"], "refusedInState", "{error}");
    assert_eq!(error["data"]["jobId"], json!(id));

    let ended = client.wait_for_status(&id, "FAILED", PATIENCE);
    assert_eq!(ended["exitCode"], 3, "{ended}");
    let history = client
        .request("jobHistory", json!({ "jobId": id }))
        .unwrap();
    let entries = history["entries"].as_array().unwrap();
    assert!(
        entries.iter().any(|entry| entry["to"] == "PENDING"
            && entry["evidence"].as_str().unwrap().contains("scontrol")),
        "{history}"
    );

    // Its files are its owner's: it is not run again from here, and nothing is removed.
    let error = client
        .request("submit", json!({ "jobId": id }))
        .expect_err("by hand");
    assert_eq!(error["data"]["kind"], "refusedInState", "{error}");
    let params = json!({ "jobId": id, "remoteFiles": true });
    let error = client.request("deleteJob", params).expect_err("by hand");
    assert_eq!(error["data"]["kind"], "refusedInState", "{error}");
    client.request("deleteJob", json!({ "jobId": id })).unwrap();
    assert!(std::path::Path::new(&dir).join("run/equil.namd").exists());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_adopted_job_is_cancelled_or_let_go() {
    let rig = Rig::new();
    let mut client = rig.client();
    let dir = format!("{}/hand", rig.project_root);
    let submit = format!("mkdir -p '{dir}' && cd '{dir}' && sbatch --parsable --wrap 'sleep 600'");
    let (first, second) = (by_hand(&submit), by_hand(&submit));
    let adopt = |client: &mut Client, slurm_id: &str| {
        let params = json!({ "cluster": "test", "slurmJobId": slurm_id });
        client.request("adoptJob", params).unwrap()["job"]["jobId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let id = adopt(&mut client, &first);
    client.wait_for_status(&id, "RUNNING", PATIENCE);
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);

    // Taken out of the list, it goes on.
    let id = adopt(&mut client, &second);
    client.wait_for_status(&id, "RUNNING", PATIENCE);
    client.request("deleteJob", json!({ "jobId": id })).unwrap();
    let state = slurm(&["squeue", "-h", "-j", &second, "-o", "%T"]);
    assert_eq!(state.trim(), "RUNNING");
    slurm(&["scancel", &second]);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn what_cannot_be_adopted_is_told_with_the_reason() {
    let rig = Rig::new();
    let mut client = rig.client();
    let mut refused = |slurm_id: &str| {
        let params = json!({ "cluster": "test", "slurmJobId": slurm_id });
        client.request("adoptJob", params).expect_err("refused")
    };
    assert_eq!(refused("999999")["data"]["kind"], "jobNotFound");
    assert_eq!(refused("1; rm -rf ~")["code"], -32602);
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    let ours = job(&mut client, &id)["slurmJobId"]
        .as_str()
        .unwrap()
        .to_owned();
    let params = json!({ "cluster": "test", "slurmJobId": ours });
    let error = client.request("adoptJob", params).expect_err("ours");
    assert_eq!(error["data"]["jobId"], json!(id), "{error}");
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_comparison_tells_first_and_then_puts_right() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    let told = until(&mut client, &id, "RUNNING");
    let slurm_id = told["job"]["slurmJobId"].as_str().unwrap().to_owned();
    client.kill();
    drop(client);
    // While nobody looks, root ends it; and another directory turns up.
    slurm(&["scancel", &slurm_id]);
    let stray = format!("{}/stray_01hf3v8k5w2q0c9m7n4r6t1x8z", rig.project_root);
    let hand = by_hand(&format!(
        "mkdir -p '{stray}' && cd '{stray}' && echo garbled >job_info.json && sbatch --parsable --wrap 'sleep 600'"
    ));
    // A program that does not poll (nothing configured to hurry) still compares on demand.
    rig.configure(&cluster_env("NRT_SSH_PORT"), "");
    let mut client = rig.client_with(&[("NAMDRUNNER_MIN_SYNC_SECONDS", "1")]);
    let dry = reconcile(&mut client, json!({ "dryRun": true, "foreign": true }));
    assert_eq!(dry["dryRun"], true);
    assert_eq!(dry["sources"]["squeue"]["health"], "ok", "{dry}");
    let strays = items(&dry, "directoryWithoutRow");
    assert!(
        strays.iter().any(|item| item["path"] == json!(stray)
            && item["found"].as_str().unwrap().contains("garbled")),
        "{dry}"
    );
    let foreign = items(&dry, "foreignJob");
    assert!(
        foreign.iter().any(|item| item["slurmJobId"] == json!(hand)),
        "{dry}"
    );
    assert!(dry["foreignJobs"].as_u64().unwrap() >= 1);
    // Others are counted, and listed only when asked for.
    let quiet = reconcile(&mut client, json!({ "dryRun": true }));
    assert!(items(&quiet, "foreignJob").is_empty());
    assert!(quiet["foreignJobs"].as_u64().unwrap() >= 1);

    let done = reconcile(&mut client, json!({}));
    assert_eq!(done["dryRun"], false);
    let ended = client.wait_for_status(&id, "CANCELLED", PATIENCE);
    let cause = ended["cause"]["text"].as_str().unwrap();
    assert!(!cause.contains("by you"), "{ended}");
    let again = reconcile(&mut client, json!({}));
    assert!(items(&again, "statusDiffers").is_empty(), "{again}");
    slurm(&["scancel", &hand]);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_row_without_its_directory_and_a_job_without_its_row_are_told() {
    let rig = Rig::new();
    let mut client = rig.client();
    let bare = rig.create(&mut client, "water.namd", json!({}));
    std::fs::remove_dir_all(format!("{}/{bare}", rig.project_root)).unwrap();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    client.wait_for_status(&id, "RUNNING", PATIENCE);
    let slurm_id = job(&mut client, &id)["slurmJobId"].clone();
    client.close();
    // Another laptop with the same roots: it knows nothing of them.
    lose_the_database(&rig);
    let mut client = rig.client();
    let other = rig.create(&mut client, "exits.namd", json!({}));
    let found = reconcile(&mut client, json!({ "dryRun": true }));
    let told = items(&found, "jobWithoutRow");
    let known = client.request("listJobs", json!({})).unwrap();
    // Either the first connection has taken it in by now, or it is told.
    assert!(
        told.iter().any(|item| item["slurmJobId"] == slurm_id) || known.to_string().contains(&id),
        "{found}"
    );
    std::fs::remove_dir_all(format!("{}/{other}", rig.project_root)).unwrap();
    let found = reconcile(&mut client, json!({}));
    let missing = items(&found, "directoryMissing");
    assert!(
        missing.iter().any(|item| item["jobId"] == json!(other)),
        "{found}"
    );
    assert_eq!(
        job(&mut client, &other)["status"],
        "CREATED",
        "told, not changed"
    );
    slurm(&["scancel", slurm_id.as_str().unwrap()]);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn what_was_deleted_here_is_not_resurrected() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", json!({}));
    client.request("deleteJob", json!({ "jobId": id })).unwrap();
    let found = client
        .request("discoverJobs", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(found["jobs"], json!([]));
    let told = items(&found, "deletedHere");
    assert!(
        told.iter().any(|item| item["jobId"] == json!(id)),
        "{found}"
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_attempt_submitted_from_another_laptop_is_taken_in() {
    let rig = Rig::new();
    let mut here = rig.client();
    let id = rig.launch(&mut here, "exits.namd", json!({}));
    here.wait_for_status(&id, "FAILED", PATIENCE);
    here.close();
    // The other laptop has a home of its own, and the same roots.
    let kept = rig.home().join("data");
    let aside = rig.home().join("data-of-the-first");
    std::fs::rename(&kept, &aside).unwrap();
    let mut there = rig.client();
    there
        .request("discoverJobs", json!({ "cluster": "test" }))
        .unwrap();
    there.wait_for_status(&id, "FAILED", PATIENCE);
    there
        .request("submit", json!({ "jobId": id, "wait": true }))
        .unwrap();
    there.wait_for_status(&id, "FAILED", PATIENCE);
    let second = job(&mut there, &id)["slurmJobId"].clone();
    there.close();
    std::fs::remove_dir_all(&kept).unwrap();
    std::fs::rename(&aside, &kept).unwrap();
    let mut here = rig.client();
    let found = reconcile(&mut here, json!({}));
    // The comparison at the first connection may have been quicker.
    let job = here.wait_for_status(&id, "FAILED", PATIENCE);
    let attempts = job["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{found}\n{job}");
    assert_eq!(attempts[1]["slurmJobId"], second);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn two_thousand_jobs_are_found_and_compared_in_seconds() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "exits.namd", json!({}));
    let told = client.wait_for_status(&id, "FAILED", PATIENCE);
    let slurm_id = told["slurmJobId"].as_str().unwrap().to_owned();
    client.close();
    lose_the_database(&rig);
    // As many directories like it, each with an id of its own, and one of Slurm's that it never gave.
    let stem = &id[..id.len() - 4];
    by_hand(&format!(
        "cd '{root}/{id}' && for n in $(seq 1000 2999); do \
             mkdir -p \"../{stem}$n/attempts/1\" && cp sha256sums \"../{stem}$n/\" && \
             sed 's/{id}/{stem}'$n'/g' job_info.json >\"../{stem}$n/job_info.json\" && \
             sed 's/ {slurm_id} / 90'$n' /' attempts/1/receipt >\"../{stem}$n/attempts/1/receipt\" || exit; \
         done",
        root = rig.project_root
    ));
    // (The first connection looks for them by itself, too.)
    let mut client = rig.client();
    let begun = Instant::now();
    let found = client
        .request("discoverJobs", json!({ "cluster": "test" }))
        .unwrap();
    let discovered = begun.elapsed();
    let begun = Instant::now();
    let compared = reconcile(&mut client, json!({ "dryRun": true }));
    let dry = begun.elapsed();
    let begun = Instant::now();
    let again = reconcile(&mut client, json!({}));
    let put_right = begun.elapsed();
    println!(
        "2,000 jobs: found in {discovered:.1?}, compared in {dry:.1?}, put right in {put_right:.1?}"
    );
    assert_eq!(compared["jobs"], 2001, "{}", found["jobs"]);
    assert!(again["items"].as_array().unwrap().len() <= 2001);
    for took in [discovered, dry, put_right] {
        assert!(took < PATIENCE, "{took:?}");
    }
}
