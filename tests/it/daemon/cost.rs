//! What clients cost, on the test cluster: one login and one poller, whatever their number.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::cluster::proxy::Proxy;
use crate::cluster::rig::{Rig, cluster_env};
use crate::cluster::tools::Tools;
use crate::support::client::Client;
use namdrunner::engine::owner;

/// The way to the test cluster's sshd, which counts connections.
async fn counted_way() -> Proxy {
    let port = cluster_env("NRT_SSH_PORT").parse().unwrap();
    Proxy::start(port, Duration::ZERO).await.unwrap()
}

pub(super) async fn editor(rig: &Rig, with: impl FnOnce(&mut Command)) -> Client {
    let mut client = Client::through_daemon_with(&rig.home(), |command| {
        command.env("NAMDRUNNER_MIN_SYNC_SECONDS", "1");
        with(command);
    });
    client.at_ease();
    client.initialize().await;
    client
}

/// With so many editors watching one running job for a while: connections, looks, and calls of
/// `squeue` on the cluster.
async fn cost_of(editors: usize, time: Duration) -> (usize, usize, usize) {
    let way = counted_way().await;
    let rig = Rig::new();
    let tools = Tools::install(&rig);
    rig.configure(&way.port().to_string(), &tools.setup());
    let mut clients = Vec::new();
    for _ in 0..editors {
        clients.push(editor(&rig, |_| {}).await);
    }
    let first = &mut clients[0];
    let params = json!({
        "configPath": rig.config("lingers.namd"), "inputs": ["namd-stand-in"], "cluster": "test",
    });
    let created = first.request("createJob", params).await.unwrap();
    let id = created["job"]["jobId"].clone();
    first
        .request("submit", json!({"jobId": id, "wait": true}))
        .await
        .unwrap();
    let begun = Instant::now();
    for client in &mut clients {
        client
            .expect_notification_where("jobStatusChanged", |told| told["to"] == "RUNNING")
            .await;
    }
    // Looks go on; each is told to every editor.
    while begun.elapsed() < time {
        clients[0].expect_notification("syncCompleted").await;
    }
    let status = clients[0]
        .request("clusterStatus", json!({"cluster": "test"}))
        .await
        .unwrap();
    let looks = status["queriesLastHour"].as_u64().unwrap();
    let (logins, calls) = (way.accepted(), tools.calls("squeue"));
    clients[0]
        .request("cancel", json!({"jobId": id}))
        .await
        .unwrap();
    clients[0]
        .expect_notification_where("jobStatusChanged", |told| told["to"] == "CANCELLED")
        .await;
    for client in clients {
        assert_eq!(client.shut_down().await, 0);
    }
    (logins, usize::try_from(looks).unwrap(), calls)
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn one_five_and_twenty_editors_cost_the_same() {
    let time = Duration::from_secs(8);
    let mut costs = Vec::new();
    for editors in [1, 5, 20] {
        let begun = Instant::now();
        let (logins, looks, calls) = cost_of(editors, time).await;
        println!(
            "{editors} editors for {:?}: {logins} logins, {looks} looks, {calls} calls of squeue",
            begun.elapsed()
        );
        costs.push((editors, logins, looks, calls, begun.elapsed()));
    }
    for (editors, logins, looks, calls, took) in costs {
        assert_eq!(logins, 1, "{editors}");
        // One a second, and those soon after the submission.
        let due = usize::try_from(took.as_secs()).unwrap() + 6;
        assert!(looks <= due, "{editors}: {looks} looks in {took:?}");
        // A look is one squeue; one that was under way may not be counted yet as the other.
        assert!(calls >= 3, "{editors}: {calls} calls");
        assert!(
            calls <= looks + 2,
            "{editors}: {calls} calls in {looks} looks"
        );
    }
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_cluster_that_asks_for_a_login_is_left_alone_while_nobody_is_there() {
    let way = counted_way().await;
    let rig = Rig::new();
    rig.reach_through(way.port());
    let mut first = editor(&rig, |command| {
        command.env("NAMDRUNNER_LINGER", "jobs");
    })
    .await;
    let params = json!({
        "configPath": rig.config("lingers.namd"), "inputs": ["namd-stand-in"], "cluster": "test",
    });
    let created = first.request("createJob", params).await.unwrap();
    let id = created["job"]["jobId"].clone();
    first
        .request("submit", json!({"jobId": id, "wait": true}))
        .await
        .unwrap();
    // The key is not good any more.
    let key = cluster_env("NRT_SSH_KEY");
    let config = rig.home().join("config/config.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let other = rig.home().join("other_key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&other)
        .status();
    assert!(made.unwrap().success());
    std::fs::write(&config, good.replace(&key, other.to_str().unwrap())).unwrap();
    first
        .expect_notification_where("clusterStatusChanged", |told| {
            told["status"]["health"] == "authRequired"
        })
        .await;
    let pid = owner::noted(&rig.home().join("data")).unwrap().pid;
    assert_eq!(first.shut_down().await, 0);
    // A look that was due when the editor went may still come.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = way.accepted();
    assert!(
        before >= 2,
        "the other key was tried over a connection of its own"
    );
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(way.accepted(), before, "it was tried again");
    let mut second = editor(&rig, |_| {}).await;
    let told = second
        .expect_notification_where("window/logMessage", |told| {
            told["message"]
                .as_str()
                .unwrap()
                .contains("has asked for a login since")
        })
        .await;
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("active job is not watched"), "{message}");
    assert_eq!(owner::noted(&rig.home().join("data")).unwrap().pid, pid);
    std::fs::write(&config, good).unwrap();
    let status = json!({"jobId": id, "sync": true});
    second.request("jobStatus", status).await.unwrap();
    second
        .request("cancel", json!({"jobId": id}))
        .await
        .unwrap();
    second
        .expect_notification_where("jobStatusChanged", |told| told["to"] == "CANCELLED")
        .await;
    assert_eq!(second.shut_down().await, 0);
    super::signal(pid, "TERM");
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_daemon_that_is_killed_at_any_moment_submits_once() {
    let seeds: u64 = std::env::var("NAMDRUNNER_TEST_SEEDS").map_or(4, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let rig = Rig::new();
        let mut client = editor(&rig, |command| {
            command.env("NAMDRUNNER_GRACE_SECONDS", "5");
        })
        .await;
        let params = json!({
            "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"], "cluster": "test",
        });
        let created = client.request("createJob", params).await.unwrap();
        let id = created["job"]["jobId"].clone();
        let submit = client
            .start("submit", json!({"jobId": id, "wait": true}))
            .await;
        // Somewhere in the some 200 ms that a submission takes here.
        tokio::time::sleep(Duration::from_millis(seed * 83 % 250)).await;
        let pid = owner::noted(&rig.home().join("data")).unwrap().pid;
        super::signal(pid, "KILL");
        let answer: Result<Value, Value> = client.answer(submit).await;
        if let Err(error) = &answer {
            assert_eq!(error["data"]["kind"], "serverLost", "seed {seed}: {error}");
        }
        let mut job = client
            .request("jobStatus", json!({"jobId": id}))
            .await
            .unwrap();
        if job["job"]["attempt"] == 0 {
            // The intent had not reached the disk: as the error says, look, and repeat.
            client
                .request("submit", json!({"jobId": id}))
                .await
                .unwrap();
        }
        while job["job"]["status"] != "COMPLETED" {
            client.wait_for_news(Duration::from_secs(1)).await;
            job = client
                .request("jobStatus", json!({"jobId": id}))
                .await
                .unwrap();
            assert_ne!(job["job"]["status"], "FAILED", "seed {seed}: {job}");
            // It died between the intent and the command: nothing was found, and the person asks
            // again, as the hint says. The same attempt is used.
            if job["job"]["phase"] == "unconfirmed" {
                client
                    .request("submit", json!({"jobId": id}))
                    .await
                    .unwrap();
            }
        }
        let submissions = crate::cluster::rig::submissions_below(&rig.scratch_root);
        assert_eq!(submissions.len(), 1, "seed {seed}: {submissions:?}");
        assert_eq!(client.shut_down().await, 0);
    }
}
