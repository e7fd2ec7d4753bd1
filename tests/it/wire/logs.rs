//! How far jobs are and what is wrong with them, over the wire, on this machine.

use std::fs;

use serde_json::{Value, json};

use super::jobs::Place;
use crate::support::client::Client;

/// Writes a config beside those of the water box.
fn config(place: &Place, name: &str, directives: &[&str], run: &str) -> std::path::PathBuf {
    let mut text = String::new();
    for directive in directives {
        text.push_str("# namd-stand-in: ");
        text.push_str(directive);
        text.push('\n');
    }
    let stem = name.trim_end_matches(".namd");
    text.push_str("source short.tcl\nsource cell.tcl\nparameters $common/tip3p.prm\n");
    text.push_str(&format!("outputName {stem}\n{run}\n"));
    let path = place.path().join("water/equil").join(name);
    fs::write(&path, text).unwrap();
    path
}

async fn listening(place: &Place) -> Client {
    let mut client = place.client();
    client.ignore("clusterStatusChanged");
    client.ignore("syncCompleted");
    client.at_ease();
    client.request("subscribe", json!({})).await.unwrap();
    client
}

async fn launch(client: &mut Client, config: &std::path::Path, more: Value) -> String {
    let mut params = json!({ "configPath": config, "submit": true });
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let created = client.request("createJob", params).await.unwrap();
    created["job"]["jobId"].as_str().unwrap().to_owned()
}

async fn status(client: &mut Client, id: &str) -> Value {
    let answer = client
        .request("jobStatus", json!({ "jobId": id }))
        .await
        .unwrap();
    answer["job"].clone()
}

/// Waits for the end and for the diagnosis that follows it.
async fn diagnosed(client: &mut Client, id: &str) -> Value {
    let told = client
        .expect_notification_where("jobProgress", |params| {
            params["jobId"] == id && params["diagnosis"].is_object()
        })
        .await;
    told["diagnosis"].clone()
}

#[tokio::test]
async fn progress_is_told_while_it_runs_and_logs_can_be_followed() {
    let place = Place::new();
    let mut client = listening(&place).await;
    let config = config(
        &place,
        "slow.namd",
        &["seconds-per-1000-steps 6"],
        "minimize 100\nrun 400",
    );
    let id = launch(&mut client, &config, json!({})).await;
    let told = client
        .expect_notification_where("jobProgress", |params| {
            params["jobId"] == *id && params["progress"]["stepsDone"].as_u64() > Some(100)
        })
        .await;
    let progress = &told["progress"];
    assert_eq!(progress["totalSteps"], 500, "{told:#}");
    assert_eq!(
        (&progress["segment"], &progress["segments"]),
        (&json!(2), &json!(2))
    );
    assert!(progress["nsPerDay"].as_f64() > Some(0.0), "{told:#}");
    assert!(progress["energies"]["TOTAL"].is_number(), "{told:#}");
    assert!(progress["temperature"].as_f64() > Some(0.0), "{told:#}");
    let running = status(&mut client, &id).await;
    if running["status"] == "RUNNING" {
        assert!(running["progress"]["etaSeconds"].is_u64(), "{running:#}");
    }
    client
        .expect_notification_where("jobStatusChanged", |params| {
            params["jobId"] == *id && params["to"] == "COMPLETED"
        })
        .await;
    // The last reading follows the end by itself.
    let told = client
        .expect_notification_where("jobProgress", |params| {
            params["jobId"] == *id && params["progress"]["stepsDone"] == 500
        })
        .await;
    assert_eq!(told["progress"]["restartStep"], 500, "{told:#}");
    let job = status(&mut client, &id).await;
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(job["diagnosis"], Value::Null, "{job:#}");
    // And the results follow it.
    let told = client
        .expect_notification_where("jobProgress", |params| {
            params["jobId"] == *id && params["results"]["state"] == "copied"
        })
        .await;
    assert!(told["results"]["files"].as_u64() > Some(4), "{told:#}");
    let project = job["projectDir"].as_str().unwrap();
    let outputs = fs::read_dir(format!("{project}/outputs/1"))
        .unwrap()
        .count();
    assert!(outputs > 0);
    // 400 steps of 2 fs; the minimisation simulates nothing.
    assert!((job["progress"]["nsDone"].as_f64().unwrap() - 0.0008).abs() < 1e-9);

    let scratch = job["scratchDir"].as_str().unwrap();
    let log = fs::read_to_string(format!("{scratch}/1/water/equil/slow.log"))
        .or_else(|_| fs::read_to_string(format!("{scratch}/1/equil/slow.log")))
        .unwrap();
    let mut text = String::new();
    let mut offset = 0;
    loop {
        let piece = client
            .request(
                "jobLog",
                json!({ "jobId": id, "which": "namd", "offset": offset }),
            )
            .await
            .unwrap();
        text.push_str(piece["text"].as_str().unwrap());
        offset = piece["offset"].as_u64().unwrap();
        if piece["eof"] == true {
            break;
        }
    }
    assert_eq!(text, log);
    let end = client
        .request("jobLog", json!({ "jobId": id, "tail": 200 }))
        .await
        .unwrap();
    let tail = end["text"].as_str().unwrap();
    assert!(log.ends_with(tail) && !tail.is_empty() && tail.len() <= 200);
    assert!(log[..log.len() - tail.len()].ends_with('\n'), "whole lines");
    let script = client
        .request("jobLog", json!({ "jobId": id, "which": "stderr" }))
        .await
        .unwrap();
    assert_eq!(script["eof"], true);
    let error = client
        .request("jobLog", json!({ "jobId": id, "tail": 1, "offset": 1 }))
        .await
        .unwrap_err();
    assert_eq!(error["code"], -32602);
    let error = client
        .request("jobLog", json!({ "jobId": id, "attempt": 7 }))
        .await
        .unwrap_err();
    assert_eq!(error["data"]["kind"], "refusedInState");
}

#[tokio::test]
async fn results_that_cannot_be_copied_are_tried_again_and_say_why() {
    let place = Place::new();
    let mut client = listening(&place).await;
    let config = config(&place, "stuck.namd", &[], "run 200");
    let created = client
        .request("createJob", json!({ "configPath": config }))
        .await
        .unwrap();
    let id = created["job"]["jobId"].as_str().unwrap().to_owned();
    // A file where the directory for outputs belongs.
    let project = created["job"]["projectDir"].as_str().unwrap().to_owned();
    fs::remove_dir(format!("{project}/outputs")).unwrap();
    fs::write(format!("{project}/outputs"), "in the way").unwrap();
    client
        .request("submit", json!({ "jobId": id }))
        .await
        .unwrap();
    let told = client
        .expect_notification_where("jobProgress", |params| {
            params["jobId"] == *id && params["results"]["reason"].is_string()
        })
        .await;
    let reason = told["results"]["reason"].as_str().unwrap();
    assert!(reason.contains("directories cannot be made"), "{told:#}");
    let job = status(&mut client, &id).await;
    assert_eq!(
        job["status"], "COMPLETED",
        "results are an axis of their own"
    );
    assert_eq!(job["results"]["reason"], reason);
    fs::remove_file(format!("{project}/outputs")).unwrap();
    client
        .request("retryStep", json!({ "jobId": id }))
        .await
        .unwrap();
    client
        .expect_notification_where("jobProgress", |params| {
            params["jobId"] == *id && params["results"]["state"] == "copied"
        })
        .await;
    assert!(
        fs::read_dir(format!("{project}/outputs/1"))
            .unwrap()
            .count()
            > 0
    );
}

#[tokio::test]
async fn a_failure_is_explained_with_its_line() {
    let place = Place::new();
    let mut client = listening(&place).await;
    let config = config(
        &place,
        "shrinks.namd",
        &["fatal Periodic cell has become too small for original patch grid! at 150"],
        "run 400",
    );
    let id = launch(&mut client, &config, json!({})).await;
    let diagnosis = diagnosed(&mut client, &id).await;
    assert_eq!(diagnosis["cause"], "cellTooSmall", "{diagnosis:#}");
    let evidence = &diagnosis["evidence"][0];
    assert_eq!(evidence["source"], "log");
    let job = status(&mut client, &id).await;
    assert_eq!(job["status"], "FAILED");
    let path = format!(
        "{}/1/{}",
        job["scratchDir"].as_str().unwrap(),
        evidence["file"].as_str().unwrap()
    );
    let log = fs::read_to_string(path).unwrap();
    let line = usize::try_from(evidence["line"].as_u64().unwrap()).unwrap();
    assert_eq!(log.lines().nth(line - 1), evidence["text"].as_str());
    let advice = diagnosis["advice"].as_array().unwrap();
    assert!(
        advice
            .iter()
            .any(|one| one["text"].as_str().unwrap().contains("step 100")),
        "{diagnosis:#}"
    );
    let again = client
        .request("diagnose", json!({ "jobId": id }))
        .await
        .unwrap();
    assert_eq!(again["diagnosis"], diagnosis);
    assert_eq!(job["diagnosis"], diagnosis);
}

#[tokio::test]
async fn a_fatal_error_behind_exit_code_0_is_a_failure_with_both_witnesses() {
    let place = Place::new();
    let mut client = listening(&place).await;
    let config = config(
        &place,
        "lies.namd",
        &[
            "say FATAL ERROR: Low global exclusion count! at 100",
            "exit 0 at 200",
        ],
        "run 400",
    );
    let id = launch(&mut client, &config, json!({})).await;
    let told = client
        .expect_notification_where("jobStatusChanged", |params| {
            params["jobId"] == *id && params["to"] == "FAILED"
        })
        .await;
    assert_eq!(
        (&told["from"], &told["source"]),
        (&json!("COMPLETED"), &json!("log"))
    );
    let evidence = told["evidence"].as_str().unwrap();
    assert!(
        evidence.contains("exit 0") && evidence.contains("Low global exclusion count"),
        "{evidence}"
    );
    assert_eq!(told["job"]["cause"]["code"], "logDisagrees");
    let diagnosis = diagnosed(&mut client, &id).await;
    assert_eq!(diagnosis["cause"], "exclusionCount");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let place = Place::new();
    let mut client = listening(&place).await;
    let config = config(&place, "nobody.namd", &[], "run 40");
    let launch_with = json!({ "launch": "namd3-nowhere {config} > {log} 2>&1" });
    let id = launch(&mut client, &config, launch_with).await;
    let diagnosis = diagnosed(&mut client, &id).await;
    assert_eq!(diagnosis["cause"], "programNotFound", "{diagnosis:#}");
    assert!(
        diagnosis["summary"]
            .as_str()
            .unwrap()
            .contains("namd3-nowhere"),
        "{diagnosis:#}"
    );
}

#[tokio::test]
async fn what_a_crash_left_unread_is_read_by_the_next_start() {
    let place = Place::new();
    let home = place.path().join("namdrunner");
    let mut client = Client::spawn_with(&home, |command| {
        command.env("NAMDRUNNER_KILL_AT", "closing");
    });
    client.at_ease();
    client.request("subscribe", json!({})).await.unwrap();
    let config = config(
        &place,
        "dies.namd",
        &["fatal Low global exclusion count! at 100"],
        "run 400",
    );
    let id = launch(&mut client, &config, json!({})).await;
    client.wait_for_death().await;
    let mut client = place.client();
    client.at_ease();
    client.request("subscribe", json!({})).await.unwrap();
    let diagnosis = diagnosed(&mut client, &id).await;
    assert_eq!(diagnosis["cause"], "exclusionCount");
    assert_eq!(client.finish().await, 0);
}
