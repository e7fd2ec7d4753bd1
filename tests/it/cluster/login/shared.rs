//! The same through the daemon that several windows share.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rig::{Rig, SECRET, code};
use super::{answer, asked, holding, initialize};
use crate::support::client::Client;
use crate::support::water;

/// Answers a password and a code, wherever they are asked, until `id` has its answer.
async fn log_in(client: &mut Client, id: u64) -> Value {
    for _ in 0..2 {
        let (question, params) = asked(client, "authPrompt").await;
        let prompt = params["prompts"][0]["text"].as_str().unwrap();
        let word = match prompt {
            "Password: " => SECRET.to_owned(),
            "Verification code: " => code(),
            other => panic!("{other}"),
        };
        answer(client, question, json!({ "answers": [word] })).await;
    }
    client.answer(id).await.unwrap()
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_password_and_a_code_are_asked_once_for_all_windows() {
    let rig = Rig::with_code();
    rig.know_the_host();
    let mut one = rig.through_daemon(|_| {});
    initialize(&mut one, true).await;
    let mut two = rig.through_daemon(|_| {});
    initialize(&mut two, true).await;
    let connect = one.start("connect", json!({"cluster": "test"})).await;
    let status = log_in(&mut one, connect).await;
    assert_eq!(status["health"], "ok");
    // The other window is told, and has it too.
    two.expect_notification_where("clusterStatusChanged", |told| {
        told["status"]["health"] == "ok"
    })
    .await;
    let connected = two.request("connect", json!({"cluster": "test"})).await;
    assert_eq!(connected.unwrap()["health"], "ok");
    assert!(two.take_now("authPrompt").is_none());
    let logins = rig
        .sshd_log()
        .matches("Accepted keyboard-interactive")
        .count();
    assert_eq!(logins, 1, "{}", rig.sshd_log());
    assert_eq!(one.shut_down().await, 0);
    assert_eq!(two.shut_down().await, 0);
    // Neither the forwarders nor the daemon have kept it.
    assert_eq!(
        holding(rig.dir.path(), SECRET),
        [rig.dir.path().join("check")]
    );
    assert!(!holding(&rig.home(), "connected").is_empty());
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_question_moves_to_another_window_when_the_one_that_is_asked_closes() {
    let rig = Rig::with_code();
    rig.know_the_host();
    water::lay_out(rig.dir.path());
    let mut stays = rig.through_daemon(|_| {});
    initialize(&mut stays, true).await;
    let mut closes = rig.through_daemon(|_| {});
    initialize(&mut closes, true).await;
    // What changes something goes on when its window closes, and its question with it.
    let config = rig.dir.path().join("water/equil/quick.namd");
    let params = json!({"configPath": config, "cluster": "test", "name": "moved"});
    closes.start("createJob", params).await;
    let (_, first) = asked(&mut closes, "authPrompt").await;
    assert_eq!(first["prompts"][0]["text"], "Password: ");
    assert!(stays.take_now("authPrompt").is_none(), "one is asked");
    closes.kill().await;
    for expected in ["Password: ", "Verification code: "] {
        let (id, params) = asked(&mut stays, "authPrompt").await;
        assert_eq!(params["prompts"][0]["text"], expected);
        let word = if expected == "Password: " {
            SECRET.to_owned()
        } else {
            code()
        };
        answer(&mut stays, id, json!({ "answers": [word] })).await;
    }
    let told = stays
        .expect_notification_where("jobStatusChanged", |told| told["to"] == "CREATED")
        .await;
    assert_eq!(told["job"]["jobName"], "moved");
    let delete = json!({"jobId": told["jobId"], "remoteFiles": true});
    stays.request("deleteJob", delete).await.unwrap();
    assert_eq!(stays.shut_down().await, 0);
}

/// An agent that holds a key; it ends when dropped.
struct Agent(Child);

impl Agent {
    fn start(socket: &std::path::Path, key: &std::path::Path) -> Self {
        let agent = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self(agent);
        let add = || {
            let added = Command::new("ssh-add")
                .arg("-q")
                .arg(key)
                .env("SSH_AUTH_SOCK", socket)
                .stderr(Stdio::null())
                .status();
            added.unwrap().success()
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !add() {
            assert!(Instant::now() < deadline, "the agent takes no key");
            std::thread::yield_now();
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn the_agent_of_a_later_login_is_asked_by_a_daemon_that_was_there_before() {
    let rig = Rig::with_key();
    rig.know_the_host();
    let socket = |name: &str| rig.dir.path().join(name);
    // The daemon's own, of a login that has ended since.
    let gone = Agent::start(&socket("gone"), &rig.key());
    let mut first = rig.through_daemon(|command| {
        command.env("SSH_AUTH_SOCK", socket("gone"));
    });
    initialize(&mut first, false).await;
    drop(gone);
    let refused = first.request("connect", json!({"cluster": "test"})).await;
    let error = refused.unwrap_err();
    assert_eq!(error["data"]["kind"], "authRequired", "{error}");
    // (What was refused is not tried again at once, except for somebody who could answer.)
    let _agent = Agent::start(&socket("agent"), &rig.key());
    let mut second = rig.through_daemon(|command| {
        command.env("SSH_AUTH_SOCK", socket("agent"));
    });
    initialize(&mut second, true).await;
    let connected = second.request("connect", json!({"cluster": "test"})).await;
    assert_eq!(connected.unwrap()["health"], "ok");
    assert_eq!(first.shut_down().await, 0);
    assert_eq!(second.shut_down().await, 0);
}
