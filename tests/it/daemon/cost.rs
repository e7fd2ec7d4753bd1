//! What clients cost, on the test cluster: one login and one poller, whatever their number.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::cluster::rig::{Rig, cluster_env, slurm};
use crate::support::client::Client;
use namdrunner::engine::owner;

/// Logins of the test user that sshd has logged, from anywhere.
fn logins() -> usize {
    let log = std::fs::read_to_string(cluster_env("NRT_SSHD_LOG")).unwrap();
    log.lines()
        .filter(|line| line.contains("Accepted publickey"))
        .count()
}

/// What slurmctld has been asked about the test user's queue since it started, by sdiag's count of
/// what `squeue -u` sends.
fn queue_requests() -> u64 {
    let text = slurm(&["sdiag"]);
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("REQUEST_JOB_USER_INFO "));
    let rest = line.and_then(|line| line.split_once("count:"));
    rest.and_then(|(_, rest)| rest.split_whitespace().next())
        .map_or(0, |count| count.parse().unwrap())
}

async fn editor(rig: &Rig, with: impl FnOnce(&mut Command)) -> Client {
    let mut client = Client::through_daemon_with(&rig.home(), |command| {
        command.env("NAMDRUNNER_MIN_SYNC_SECONDS", "1");
        with(command);
    });
    client.at_ease();
    client.initialize().await;
    client
}

/// With so many editors watching one running job for a while: logins, looks, and what slurmctld was
/// asked.
async fn cost_of(editors: usize, time: Duration) -> (usize, u64, u64) {
    let rig = Rig::new();
    let (logins_before, requests_before) = (logins(), queue_requests());
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
    let requests = queue_requests() - requests_before;
    let logins = logins() - logins_before;
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
    (logins, looks, requests)
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn one_five_and_twenty_editors_cost_the_same() {
    let time = Duration::from_secs(8);
    let mut costs = Vec::new();
    for editors in [1, 5, 20] {
        let begun = Instant::now();
        let (logins, looks, requests) = cost_of(editors, time).await;
        println!(
            "{editors} editors for {:?}: {logins} logins, {looks} looks, {requests} requests to slurmctld",
            begun.elapsed()
        );
        costs.push((editors, logins, looks, requests, begun.elapsed()));
    }
    for (editors, logins, looks, requests, took) in costs {
        // Other tests log in at the same time when they share the cluster; none of these does twice.
        assert!(
            looks <= took.as_secs() + 6,
            "{editors}: {looks} looks in {took:?}"
        );
        assert!(logins >= 1, "{editors}: {logins}");
        if std::env::var_os("NAMDRUNNER_TEST_ALONE").is_some() {
            assert_eq!(logins, 1, "{editors}");
            assert!(requests <= looks + 2, "{editors}: {requests} requests");
        }
    }
}

/// Attempts to log in that sshd has refused.
fn refusals() -> usize {
    let log = std::fs::read_to_string(cluster_env("NRT_SSHD_LOG")).unwrap();
    let refused = |line: &&str| line.contains("Connection closed by authenticating user");
    log.lines().filter(refused).count()
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_cluster_that_asks_for_a_login_is_left_alone_while_nobody_is_there() {
    let rig = Rig::new();
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
    let before = refusals();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let while_alone = refusals() - before;
    assert_eq!(while_alone, 0, "it was tried again");
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
