//! Jobs that run, on this machine, over the wire.

use serde_json::{Value, json};

use super::jobs::{Place, create};
use crate::support::client::{Client, program};

/// The statuses that notifications tell of a job until it has ended, without repetitions.
async fn path(client: &mut Client, id: &Value) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    loop {
        let told = client
            .expect_notification_where("jobStatusChanged", |params| params["jobId"] == *id)
            .await;
        let to = told["to"].as_str().unwrap().to_owned();
        if path.last() != Some(&to) {
            path.push(to.clone());
        }
        if !["CREATED", "PENDING", "RUNNING"].contains(&to.as_str()) {
            return path;
        }
    }
}

async fn subscribed(place: &Place) -> Client {
    let mut client = place.client();
    client.ignore("clusterStatusChanged");
    client.ignore("syncCompleted");
    client.ignore("jobProgress");
    client.request("subscribe", json!({})).await.unwrap();
    client
}

#[tokio::test]
async fn a_job_goes_its_whole_way() {
    let place = Place::new();
    let mut client = subscribed(&place).await;
    let config = place.path().join("water/equil/quick.namd");
    let job = create(&mut client, &place, json!({"configPath": config})).await;
    let id = job["jobId"].clone();
    let submitted = client
        .request("submit", json!({"jobId": id}))
        .await
        .unwrap();
    assert_eq!(submitted["job"]["attempt"], 1);
    let path = path(&mut client, &id).await;
    assert_eq!(path.first().map(String::as_str), Some("CREATED"));
    assert_eq!(path.last().map(String::as_str), Some("COMPLETED"));
    assert!(path.contains(&"PENDING".to_owned()), "{path:?}");
    let history = client
        .request("jobHistory", json!({"jobId": id}))
        .await
        .unwrap();
    let mut last = 0;
    for entry in history["entries"].as_array().unwrap() {
        let seq = entry["seq"].as_u64().unwrap();
        assert!(seq > last, "{history:#}");
        last = seq;
    }
    let job = &client
        .request("jobStatus", json!({"jobId": id}))
        .await
        .unwrap()["job"];
    assert_eq!(job["exitCode"], 0);
    assert!(job["completedAt"].is_string(), "{job:#}");
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_job_that_fails_says_how() {
    let place = Place::new();
    let mut client = subscribed(&place).await;
    let config = place.path().join("water/equil/exits.namd");
    let params = json!({"configPath": config, "submit": true});
    let created = client.request("createJob", params).await.unwrap();
    let id = created["job"]["jobId"].clone();
    assert_eq!(created["job"]["attempt"], 1);
    assert_eq!(
        path(&mut client, &id).await.last().map(String::as_str),
        Some("FAILED")
    );
    let job = &client
        .request("jobStatus", json!({"jobId": id}))
        .await
        .unwrap()["job"];
    assert_eq!(
        (&job["exitCode"], &job["cause"]["code"]),
        (&json!(3), &json!("exitCode"))
    );
    assert!(job["cause"]["text"].as_str().unwrap().contains('3'));
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_running_job_is_not_submitted_again_and_is_cancelled() {
    let place = Place::new();
    let mut client = subscribed(&place).await;
    let config = place.path().join("water/equil/lingers.namd");
    let job = create(&mut client, &place, json!({"configPath": config})).await;
    let id = &job["jobId"];
    client
        .request("submit", json!({"jobId": id, "wait": true}))
        .await
        .unwrap();
    let error = client
        .request("submit", json!({"jobId": id}))
        .await
        .unwrap_err();
    assert_eq!(error["data"]["kind"], "refusedInState");
    client
        .request("cancel", json!({"jobId": id}))
        .await
        .unwrap();
    assert_eq!(
        path(&mut client, id).await.last().map(String::as_str),
        Some("CANCELLED")
    );
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn follow_prints_what_happens_and_exits_as_the_job_did() {
    let place = Place::new();
    let run = async |arguments: &[&str]| {
        let output = program(&place.path().join("namdrunner"))
            .arg("call")
            .args(arguments)
            .output()
            .await
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> = stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (output.status.code().unwrap(), lines)
    };
    for (config, code, status) in [("quick.namd", 0, "COMPLETED"), ("exits.namd", 3, "FAILED")] {
        let config = place.path().join("water/equil").join(config);
        let params = json!({"configPath": config, "submit": true}).to_string();
        let (ended, lines) = run(&["createJob", &params, "--follow"]).await;
        assert_eq!(ended, code);
        assert!(
            lines.first().unwrap()["job"]["jobId"].is_string(),
            "the result comes first"
        );
        let last = lines.last().unwrap();
        assert_eq!(
            (&last["method"], &last["params"]["to"]),
            (&json!("jobStatusChanged"), &json!(status))
        );
        let told = |line: &&Value| line["method"] == "jobStatusChanged";
        assert!(lines.iter().filter(told).count() > 1, "{lines:#?}");
        // Following what has ended tells the same at once.
        let id = json!({"jobId": lines[0]["job"]["jobId"]}).to_string();
        assert_eq!(run(&["jobStatus", &id, "--follow"]).await.0, code);
    }
}
