//! The fault suite through the daemon: it dies at each step of a submission to a real Slurm, whose
//! records are counted afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use namdrunner::engine::owner::Owner;

use super::cost::editor;
use super::until;
use crate::cluster::rig::{Rig, submissions_below};
use crate::support::client::Client;

/// Every step of a submission: it is asked, sent, answered, recorded.
const POINTS: [&str; 4] = [
    "submit-asked",
    "submit-sent",
    "submit-answered",
    "submit-recorded",
];
const JOBS: usize = 3;

/// Does what a person would until the job has ended well.
async fn to_its_end(client: &mut Client, id: &Value, context: &str) {
    loop {
        let status = client.request("jobStatus", json!({"jobId": id})).await;
        let job = status.unwrap()["job"].clone();
        match job["status"].as_str().unwrap() {
            "COMPLETED" => {
                assert_eq!(job["attempt"], 1, "{context}: {job}");
                return;
            }
            "CREATED"
                if ["staged", "unconfirmed"]
                    .iter()
                    .any(|it| job["phase"] == *it) =>
            {
                let submit = client.request("submit", json!({"jobId": id})).await;
                submit.unwrap();
            }
            "FAILED" | "CANCELLED" | "UNKNOWN" => panic!("{context}: {job}"),
            _ => {}
        }
        client.wait_for_news(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_daemon_that_dies_at_any_step_of_a_submission_submits_once() {
    for point in POINTS {
        let rig = Rig::new();
        let mut client = editor(&rig, |command| {
            command.env("NAMDRUNNER_KILL_AT", point);
        })
        .await;
        let mut ids = Vec::new();
        for _ in 0..JOBS {
            let params = json!({
                "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"],
                "cluster": "test",
            });
            let created = client.request("createJob", params).await.unwrap();
            ids.push(created["job"]["jobId"].clone());
        }
        let mut asks = Vec::new();
        for id in &ids {
            asks.push(
                client
                    .start("submit", json!({"jobId": id, "wait": true}))
                    .await,
            );
        }
        let mut lost = 0;
        for ask in asks {
            if let Err(error) = client.answer(ask).await {
                assert_eq!(error["data"]["kind"], "serverLost", "{point}: {error}");
                lost += 1;
            }
        }
        assert!(lost > 0, "{point}: nobody died");
        // Those that were started in its place die at the same step: one that does not takes over.
        assert_eq!(client.shut_down().await, 0);
        let data = rig.home().join("data");
        until("the store is free", || Owner::beside_others(&data).is_ok()).await;
        let mut client = editor(&rig, |command| {
            command.env("NAMDRUNNER_GRACE_SECONDS", "3");
        })
        .await;
        for id in &ids {
            to_its_end(&mut client, id, point).await;
            let below = format!("{}/{}/", rig.scratch_root, id.as_str().unwrap());
            let submissions = submissions_below(&below);
            assert_eq!(submissions.len(), 1, "{point}, {id}: {submissions:?}");
        }
        assert_eq!(client.shut_down().await, 0);
    }
}
