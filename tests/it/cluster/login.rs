//! Logins that need a person, over the real wire: the test answers what the program asks, against an
//! sshd of its own that wants a password from PAM.

mod rig;
mod shared;
mod terminal;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::rig::{Rig, SECRET};
use super::rig::cluster_env;
use crate::support::client::Client;

async fn initialize(client: &mut Client, can_prompt: bool) {
    let options = json!({"initializationOptions": {"canPrompt": can_prompt}});
    client.request("initialize", options).await.unwrap();
    // Its answer says that from now on everything is told.
    client.request("subscribe", json!({})).await.unwrap();
}

/// The next question of this name: its id and what it tells.
async fn asked(client: &mut Client, name: &str) -> (Value, Value) {
    let mut question = client
        .take(|message| message["method"] == name && message.get("id").is_some())
        .await
        .expect("the server asks");
    (question["id"].take(), question["params"].take())
}

async fn answer(client: &mut Client, id: Value, result: Value) {
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
    client.send_text(&answer.to_string()).await;
}

/// Every file below a directory that holds a text.
fn holding(dir: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn what_a_login_asks_is_answered_by_the_client_and_kept_by_nobody() {
    let rig = Rig::new();
    let mut client = rig.client();
    initialize(&mut client, true).await;
    let connect = client.start("connect", json!({"cluster": "test"})).await;

    let (id, key) = asked(&mut client, "hostKeyPrompt").await;
    assert_eq!(
        (&key["cluster"], &key["state"]),
        (&json!("test"), &json!("new"))
    );
    assert!(
        key["fingerprint"].as_str().unwrap().starts_with("SHA256:"),
        "{key}"
    );
    answer(&mut client, id, json!({"accept": true})).await;

    let (id, first) = asked(&mut client, "authPrompt").await;
    assert_eq!(first["method"], "keyboard-interactive");
    assert_eq!(first["user"], json!(cluster_env("NRT_SSH_USER")));
    assert_eq!(
        first["prompts"],
        json!([{"text": "Password: ", "echo": false}])
    );
    assert_eq!(
        (&first["attempt"], &first["reason"]),
        (&json!(1), &json!(""))
    );
    answer(&mut client, id, json!({"answers": ["wrong"]})).await;

    let (id, second) = asked(&mut client, "authPrompt").await;
    assert_eq!(second["attempt"], 2);
    assert_eq!(second["reason"], "The last answer was refused.");
    answer(&mut client, id, json!({"answers": [SECRET]})).await;

    let status = client.answer(connect).await.unwrap();
    assert_eq!(status["health"], "ok");
    assert!(!status.to_string().contains(SECRET));
    assert!(rig.known_hosts().exists());
    client
        .expect_notification_where("clusterStatusChanged", |told| {
            told["status"]["health"] == "connecting"
        })
        .await;
    // What is connected asks no more.
    client
        .request("connect", json!({"cluster": "test"}))
        .await
        .unwrap();
    assert!(client.take_now("authPrompt").is_none());
    let stderr = client.stderr();
    assert!(!stderr.contains(SECRET), "{stderr}");
    assert_eq!(client.shut_down().await, 0);
    let expected = [rig.dir.path().join("check")];
    assert_eq!(holding(rig.dir.path(), SECRET), expected);
    // There was something to search.
    assert!(!holding(&rig.home(), "connected").is_empty());
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_question_is_withdrawn_with_the_request_it_is_for() {
    let rig = Rig::new();
    let mut client = rig.client();
    initialize(&mut client, true).await;
    let connect = client.start("connect", json!({"cluster": "test"})).await;
    let (id, _) = asked(&mut client, "hostKeyPrompt").await;
    answer(&mut client, id, json!({"accept": true})).await;
    let (id, _) = asked(&mut client, "authPrompt").await;
    client
        .notify("$/cancelRequest", json!({"id": connect}))
        .await;
    let error = client.answer(connect).await.unwrap_err();
    assert_eq!(error["code"], -32800, "{error}");
    let withdrawn = client.expect_notification("$/cancelRequest").await;
    assert_eq!(withdrawn["id"], id);
    // Too late: it changes nothing.
    answer(&mut client, id, json!({"answers": [SECRET]})).await;
    client.request("listClusters", json!({})).await.unwrap();
    assert_eq!(client.shut_down().await, 0);
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn who_cannot_answer_is_told_at_once_and_not_asked() {
    let rig = Rig::new();
    rig.know_the_host();
    let mut client = rig.client();
    initialize(&mut client, false).await;
    for _ in 0..2 {
        let error = client
            .request("connect", json!({"cluster": "test"}))
            .await
            .unwrap_err();
        assert_eq!(error["data"]["kind"], "authRequired", "{error}");
        assert!(
            error["data"]["hint"]
                .as_str()
                .unwrap()
                .contains("call connect"),
            "{error}"
        );
    }
    assert!(client.take_now("authPrompt").is_none());
    assert_eq!(client.shut_down().await, 0);
}
