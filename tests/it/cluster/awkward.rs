//! Awkward cases in which other tools tell their users something wrong, and what ours are told:
//! which status, by whom it is witnessed, why, and in which words. Those that stop daemons are
//! among the faults.

use serde_json::{Value, json};

use super::rig::{Client, PATIENCE, Rig, ctl, slurm, statuses, submissions_below, until};
use super::tools::Tools;

fn job(client: &mut Client, id: &str) -> Value {
    client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone()
}

/// The newest entry of a job's history.
fn last_witness(client: &mut Client, id: &str) -> Value {
    let history = client
        .request("jobHistory", json!({ "jobId": id }))
        .unwrap();
    history["entries"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone()
}

#[test]
#[ignore = "needs tests/run.sh"]
fn cancelled_by_root_is_cancelled_and_says_by_whom() {
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
        let slurm_id = job(&mut client, id)["slurmJobId"]
            .as_str()
            .unwrap()
            .to_owned();
        slurm(&["scancel", &slurm_id]);
    }
    for id in [&running, &pending] {
        let told = client.wait_for_status(id, "CANCELLED", PATIENCE);
        assert_eq!(told["cause"]["code"], "cancelled", "{told}");
        let by = told["cause"]["text"].as_str().unwrap();
        // The queue does not name anybody; the accounting does, where there is one.
        assert!(
            [
                "It was cancelled by user 0.",
                "It was cancelled by somebody else."
            ]
            .contains(&by),
            "{told}"
        );
        let witness = last_witness(&mut client, id);
        assert_eq!(witness["to"], "CANCELLED", "{witness}");
        assert!(
            witness["evidence"].as_str().unwrap().contains("CANCELLED"),
            "{witness}"
        );
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn cancelled_by_the_person_says_so() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    client.request("cancel", json!({ "jobId": id })).unwrap();
    let told = client.wait_for_status(&id, "CANCELLED", PATIENCE);
    assert_eq!(told["cause"]["text"], "It was cancelled by you.", "{told}");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn past_its_time_limit_is_failed_and_says_the_limit() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    let running = until(&mut client, &id, "RUNNING");
    ctl(&["time-out", running["job"]["slurmJobId"].as_str().unwrap()]);
    let told = client.wait_for_status(&id, "FAILED", PATIENCE);
    assert_eq!(told["slurmState"], "TIMEOUT", "{told}");
    assert_eq!(told["cause"]["code"], "timeLimit", "{told}");
    assert_eq!(
        told["cause"]["text"], "It reached its wall-clock limit.",
        "{told}"
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn exit_code_three_is_failed_with_three_and_tried_once() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "exits.namd", json!({}));
    let told = client.wait_for_status(&id, "FAILED", PATIENCE);
    assert_eq!(told["exitCode"], 3, "{told}");
    assert_eq!(told["cause"]["code"], "exitCode", "{told}");
    assert_eq!(
        told["cause"]["text"], "The job script ended with exit code 3.",
        "{told}"
    );
    assert_eq!(told["attempt"], 1, "{told}");
    let dir = format!("{}/{id}", rig.scratch_root);
    assert_eq!(submissions_below(&dir).len(), 1);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn when_squeue_fails_once_nothing_changes_and_the_failure_is_listed() {
    let rig = Rig::new();
    let tools = Tools::install(&rig);
    rig.configure(&super::rig::cluster_env("NRT_SSH_PORT"), &tools.setup());
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    client.forget_news();
    tools.once(
        "squeue",
        "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
    );
    let trouble = client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "unavailable"
    });
    let reason = trouble["status"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("did not answer (exit code 1)") && reason.contains("Unable to contact"),
        "{trouble}"
    );
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "ok"
    });
    let status = client
        .request("clusterStatus", json!({ "cluster": "test" }))
        .unwrap();
    let failures = status["errors"].as_array().unwrap();
    assert_eq!(failures[0]["part"], "squeue", "{status}");
    assert_eq!(failures[0]["exit"], 1, "{status}");
    assert!(
        failures[0]["message"]
            .as_str()
            .unwrap()
            .contains("Unable to contact"),
        "{status}"
    );
    assert_eq!(
        statuses(&mut client, &id),
        ["CREATED", "PENDING", "RUNNING"],
        "no job was touched"
    );
    // The log has it with exit code and words, whoever was listening.
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let log = rig.log();
        let line = log.lines().find(|line| line.contains("source failed"));
        if let Some(line) = line {
            assert!(
                line.contains("squeue") && line.contains("exit=Some(1)"),
                "{line}"
            );
            assert!(
                line.contains("Unable to contact slurm controller"),
                "{line}"
            );
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{log}");
        client.wait_for_any_notification(std::time::Duration::from_millis(200));
    }
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn requeued_by_an_administrator_it_waits_and_runs_again_under_the_same_id() {
    let rig = Rig::with("requeue = true");
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    let running = until(&mut client, &id, "RUNNING");
    let slurm_id = running["job"]["slurmJobId"].as_str().unwrap().to_owned();
    client.forget_news();
    slurm(&["scontrol", "requeue", &slurm_id]);
    let waits = until(&mut client, &id, "PENDING");
    assert_eq!(waits["job"]["slurmJobId"], *slurm_id, "{waits}");
    assert!(
        waits["job"]["exitCode"].is_null(),
        "no end is shown: {waits}"
    );
    // Slurm lets a requeued job wait for two minutes (BeginTime); an administrator need not.
    let reason = &waits["job"]["reason"];
    assert!(
        reason.is_null() || reason["class"] == "willStart",
        "{waits}"
    );
    slurm(&[
        "scontrol",
        "update",
        &format!("jobid={slurm_id}"),
        "StartTime=now",
    ]);
    let again = until(&mut client, &id, "RUNNING");
    assert_eq!(again["job"]["restarts"], 1, "{again}");
    let shown = slurm(&["scontrol", "show", "job", &slurm_id]);
    assert!(
        shown.contains("Restarts=1"),
        "Slurm counts the same: {shown}"
    );
    assert_eq!(again["job"]["attempt"], 1, "{again}");
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
    assert_eq!(
        statuses(&mut client, &id),
        [
            "CREATED",
            "PENDING",
            "RUNNING",
            "PENDING",
            "RUNNING",
            "CANCELLED"
        ]
    );
    let dir = format!("{}/{id}", rig.scratch_root);
    assert_eq!(submissions_below(&dir), [slurm_id]);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_requeue_that_was_not_allowed_is_refused_and_the_job_goes_on() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    let running = until(&mut client, &id, "RUNNING");
    let slurm_id = running["job"]["slurmJobId"].as_str().unwrap().to_owned();
    // A rerun from step 0 would overwrite restart files, so jobs say --no-requeue.
    let shown = slurm(&["scontrol", "show", "job", &slurm_id]);
    assert!(shown.contains("Requeue=0"), "{shown}");
    client
        .request("syncAll", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(job(&mut client, &id)["status"], "RUNNING");
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_between_sbatch_and_the_next_write_it_is_found_and_not_sent_again() {
    let rig = Rig::new();
    let tools = Tools::install(&rig);
    rig.configure(&super::rig::cluster_env("NRT_SSH_PORT"), &tools.setup());
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", json!({}));
    client.close();
    let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", "submit-answered")]);
    client.send_request("submit", json!({ "jobId": id }));
    client.wait_for_death(PATIENCE);
    let mut client = rig.client();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    assert_eq!(tools.calls("sbatch"), 1, "sbatch ran once");
    let history = client
        .request("jobHistory", json!({ "jobId": id }))
        .unwrap();
    let entries = history["entries"].as_array().unwrap();
    let found = entries
        .iter()
        .find(|entry| entry["to"] == "PENDING")
        .unwrap();
    assert_eq!(found["source"], "marker", "by its receipt: {found}");
    assert!(
        found["evidence"]
            .as_str()
            .unwrap()
            .starts_with("found: receipt 1 "),
        "{found}"
    );
    let dir = format!("{}/{id}", rig.scratch_root);
    assert_eq!(submissions_below(&dir).len(), 1);
}
