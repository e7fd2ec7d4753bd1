//! Jobs that come back from their directories, on this machine, over the wire.

use serde_json::{Value, json};

use super::jobs::{Place, create};
use crate::support::client::Client;

fn quiet(place: &Place) -> Client {
    let mut client = place.client();
    client.ignore("clusterStatusChanged");
    client.ignore("syncCompleted");
    client.ignore("jobProgress");
    client.ignore("jobStatusChanged");
    client
}

/// A place where a job ran to its end, was submitted again and cancelled; and its id.
async fn lived() -> (Place, Value) {
    let place = Place::new();
    let mut client = quiet(&place);
    client.request("subscribe", json!({})).await.unwrap();
    let config = place.path().join("water/equil/exits.namd");
    let params = json!({"configPath": config, "name": "first life", "labels": {"study": "a"}});
    let job = create(&mut client, &place, params).await;
    let id = job["jobId"].clone();
    for _ in 0..2 {
        let params = json!({"jobId": id, "wait": true});
        client.request("submit", params).await.unwrap();
        loop {
            let params = json!({"jobId": id, "sync": true});
            let job = client.request("jobStatus", params).await.unwrap();
            if job["job"]["status"] == "FAILED" {
                break;
            }
            client
                .expect_notification_where("syncCompleted", |_| true)
                .await;
        }
    }
    assert_eq!(client.finish().await, 0);
    (place, id)
}

fn lose_the_database(place: &Place) {
    std::fs::remove_dir_all(place.path().join("namdrunner/data")).unwrap();
}

#[tokio::test]
async fn a_lost_database_is_made_anew_from_the_directories() {
    let (place, id) = lived().await;
    lose_the_database(&place);
    let mut client = quiet(&place);
    let found = client
        .request("discoverJobs", json!({"cluster": "local"}))
        .await
        .unwrap();
    // The first connection may have searched by itself a moment before.
    assert!(found["jobs"].as_array().unwrap().len() <= 1, "{found:#}");
    let job = &client
        .request("jobStatus", json!({"jobId": id}))
        .await
        .unwrap()["job"];
    assert_eq!(job["status"], "FAILED", "{job:#}");
    assert_eq!(job["origin"]["kind"], "discovered");
    assert_eq!(job["jobName"], "first life");
    assert_eq!(job["labels"], json!({"study": "a"}));
    assert_eq!(job["exitCode"], 3);
    let attempts = job["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt["outcome"] == "FAILED"),
        "{job:#}"
    );
    assert_ne!(attempts[0]["slurmJobId"], attempts[1]["slurmJobId"]);
    let history = client
        .request("jobHistory", json!({"jobId": id}))
        .await
        .unwrap();
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries[0]["source"], "discovered", "{history:#}");
    let ends = entries
        .iter()
        .filter(|entry| entry["to"] == "FAILED" && entry["from"] != "FAILED");
    for end in ends.clone() {
        assert_eq!(end["source"], "marker", "{end}");
        assert!(
            end["evidence"].as_str().unwrap().starts_with("exit 1 "),
            "{end}"
        );
    }
    assert_eq!(ends.count(), 2);
    // Asked again, nothing is found twice.
    let again = client
        .request("discoverJobs", json!({"cluster": "local"}))
        .await
        .unwrap();
    assert_eq!((&again["jobs"], &again["items"]), (&json!([]), &json!([])));
    // It is a job like any other: it can be submitted again.
    let third = client
        .request("submit", json!({"jobId": id, "wait": true}))
        .await
        .unwrap();
    assert_eq!(third["job"]["attempt"], 3);
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn the_first_connection_of_a_cluster_without_jobs_finds_them_by_itself() {
    let (place, id) = lived().await;
    lose_the_database(&place);
    let mut client = place.client();
    client.ignore("clusterStatusChanged");
    client.ignore("syncCompleted");
    client.ignore("jobProgress");
    client.request("subscribe", json!({})).await.unwrap();
    client
        .request("connect", json!({"cluster": "local"}))
        .await
        .unwrap();
    let told = client
        .expect_notification_where("jobStatusChanged", |params| {
            params["jobId"] == id && params["attempt"] != 0 && params["to"] == "FAILED"
        })
        .await;
    assert_eq!(told["job"]["origin"]["kind"], "discovered");
    client.ignore("jobStatusChanged");
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn what_was_deleted_stays_deleted_and_what_is_garbled_is_told() {
    let (place, id) = lived().await;
    let mut client = quiet(&place);
    client
        .request("deleteJob", json!({"jobId": id}))
        .await
        .unwrap();
    let projects = place.path().join("namdrunner/projects");
    let garbled = projects.join("garbled_01hf3v8k5w2q0c9m7n4r6t1x8z");
    std::fs::create_dir_all(&garbled).unwrap();
    std::fs::write(
        garbled.join("job_info.json"),
        "{\"schema\": 1, \"jobId\": \"../..\"}",
    )
    .unwrap();
    let found = client
        .request("discoverJobs", json!({"cluster": "local"}))
        .await
        .unwrap();
    assert_eq!(found["jobs"], json!([]), "{found:#}");
    let kinds: Vec<&Value> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["kind"])
        .collect();
    assert_eq!(kinds.len(), 2, "{found:#}");
    assert!(
        kinds.contains(&&json!("deletedHere")) && kinds.contains(&&json!("directoryWithoutRow"))
    );
    let compared = client
        .request("reconcile", json!({"cluster": "local", "dryRun": true}))
        .await
        .unwrap();
    assert_eq!(
        (&compared["jobs"], &compared["directories"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(client.finish().await, 0);
}
