//! Requests: one answer to each, whatever is asked.

use std::collections::HashSet;

use namdrunner::protocol::{METHODS, Withdrawal};
use namdrunner::rpc::Opening;
use namdrunner::server::Options;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::fixture;
use crate::support::client::Client;

async fn two_hundred(mut client: Client, method: &str) {
    let mut ids = Vec::new();
    for n in 0..200 {
        let params = json!({"n": n, "jobId": format!("x{n}")});
        ids.push(client.start(method, params).await);
    }
    // In another order than asked.
    for id in ids.iter().rev() {
        let n = id - 1;
        match client.answer(*id).await {
            Ok(echo) => assert_eq!(echo["n"], json!(n)),
            Err(error) => assert_eq!(error["data"]["jobId"], json!(format!("x{n}"))),
        }
    }
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn two_hundred_at_once_each_get_their_own_answer() {
    let (client, _) = fixture::client(Options::default());
    two_hundred(client, "echo").await;
    let (client, _) = fixture::client(Options::default());
    two_hundred(client.in_lines(), "echo").await;
}

#[tokio::test]
async fn two_hundred_at_once_over_the_binary() {
    let home = tempdir().unwrap();
    two_hundred(Client::spawn(home.path()), "jobStatus").await;
    two_hundred(Client::spawn(home.path()).in_lines(), "jobHistory").await;
}

#[tokio::test]
async fn more_than_is_worked_on_at_once_can_be_piped_in() {
    let (mut client, _) = fixture::client(Options::default());
    let mut all = String::new();
    for n in 0..5000 {
        let request =
            json!({"jsonrpc": "2.0", "id": n.to_string(), "method": "echo", "params": {"n": n}});
        all += &request.to_string();
        all.push('\n');
    }
    client.send_bytes(all.as_bytes()).await;
    let mut seen = HashSet::new();
    for _ in 0..5000 {
        let answer = client.receive().await.unwrap();
        assert_eq!(answer["id"], answer["result"]["n"].to_string());
        assert!(seen.insert(answer["id"].to_string()), "answered twice");
    }
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn unknown_methods_and_positional_parameters_are_refused_in_words() {
    let mut client = Client::in_memory(Opening::never());
    let error = client.request("jobstatus", json!({})).await.unwrap_err();
    assert_eq!(error["code"], -32601);
    assert_eq!(error["data"]["hint"], "Did you mean jobStatus?");
    let error = client.request("jobStatus", json!(["a"])).await.unwrap_err();
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().unwrap().contains("by name"));
    let error = client.request("jobStatus", json!({})).await.unwrap_err();
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().unwrap().contains("`jobId`"));
    assert_eq!(error["data"]["kind"], "invalidParams");
    assert_eq!(error["data"]["retryable"], false);
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn every_method_answers_a_session_whose_engine_does_not_open() {
    let mut client = Client::in_memory(Opening::never());
    for row in METHODS {
        if row.name == "shutdown" {
            continue;
        }
        let answer = client
            .request(
                row.name,
                json!({"configPath": "/a", "jobId": "a", "cluster": "c", "storeId": "s", "seq": 0}),
            )
            .await;
        match answer {
            Ok(result) => assert!(row.name == "initialize", "{}: {result}", row.name),
            Err(error) => assert!(error["data"]["kind"].is_string(), "{}: {error}", row.name),
        }
    }
    assert_eq!(client.shut_down().await, 0);
}

#[tokio::test]
async fn a_panic_answers_its_own_request_alone() {
    let (mut client, stage) = fixture::client(Options::default());
    let waiting = client.start("jobStatus", json!({})).await;
    for method in ["panics", "panicsLater"] {
        let error = client.request(method, json!({})).await.unwrap_err();
        assert_eq!(error["code"], -32603);
        assert_eq!(error["data"]["kind"], "internal");
        assert!(!error["message"].as_str().unwrap().contains("on purpose"));
    }
    stage.open();
    assert_eq!(client.answer(waiting).await.unwrap(), "passed");
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_batch_is_answered_in_one_message_in_its_order() {
    let (mut client, stage) = fixture::client(Options::default());
    let batch = json!([
        {"jsonrpc": "2.0", "id": "slow", "method": "jobStatus"},
        {"jsonrpc": "2.0", "method": "echo", "params": {}},
        1,
        {"jsonrpc": "2.0", "id": 2, "method": "echo", "params": {"a": 1}},
        {"jsonrpc": "2.0", "id": 3, "method": "nothing"},
        {"jsonrpc": "2.0", "id": 4, "method": "panics"},
    ]);
    client.send_text(&batch.to_string()).await;
    stage.until_begun(1).await;
    // A request behind the batch does not wait for it.
    assert_eq!(
        client.request("echo", json!({"b": 1})).await.unwrap(),
        json!({"b": 1})
    );
    stage.open();
    let answers = client.take(Value::is_array).await.unwrap();
    let told: Vec<(Value, Value)> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| (answer["id"].clone(), answer["error"]["code"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (json!("slow"), Value::Null),
            (Value::Null, json!(-32600)),
            (json!(2), Value::Null),
            (json!(3), json!(-32601)),
            (json!(4), json!(-32603)),
        ]
    );
    assert_eq!(answers[2]["result"], json!({"a": 1}));

    client.send_text("[]").await;
    let empty = client.receive().await.unwrap();
    assert_eq!(
        (&empty["id"], &empty["error"]["code"]),
        (&Value::Null, &json!(-32600))
    );
    // A batch of notifications has no answer: the next message is the next answer.
    client
        .send_text(r#"[{"jsonrpc":"2.0","method":"echo"}]"#)
        .await;
    assert_eq!(client.request("echo", json!({})).await.unwrap(), json!({}));
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn notifications_have_no_answer_and_no_effect_but_their_own() {
    let home = tempdir().unwrap();
    let mut client = Client::spawn(home.path());
    for method in ["textDocument/didOpen", "$/setTrace", "listJobs", "nothing"] {
        client.notify(method, json!({})).await;
    }
    client.request("initialize", json!({})).await.unwrap();
    assert!(
        client
            .stderr()
            .contains("listJobs without an id was ignored")
    );
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn one_id_used_twice_is_answered_twice() {
    let (mut client, _) = fixture::client(Options::default());
    for _ in 0..2 {
        client
            .send_text(r#"{"jsonrpc":"2.0","id":7,"method":"echo","params":{}}"#)
            .await;
    }
    for _ in 0..2 {
        assert_eq!(client.receive().await.unwrap()["id"], 7);
    }
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn answers_may_be_larger_than_all_that_waits() {
    let (mut client, _) = fixture::client(Options::default());
    let bytes = 40 * 1024 * 1024;
    let ids = [
        client.start("long", json!({"bytes": bytes})).await,
        client.start("long", json!({"bytes": bytes})).await,
        client.start("long", json!({"bytes": 3})).await,
    ];
    assert_eq!(client.answer(ids[2]).await.unwrap(), "xxx");
    for id in [ids[0], ids[1]] {
        assert_eq!(
            client.answer(id).await.unwrap().as_str().unwrap().len(),
            bytes
        );
    }
    assert_eq!(client.finish().await, 0);
}

#[test]
fn what_is_told_of_withdrawal_is_what_the_tests_rely_on() {
    let of = |name| {
        let row = METHODS.iter().find(|row| row.name == name);
        row.map(|row| row.withdrawal)
    };
    assert_eq!(of("jobStatus"), Some(Withdrawal::Drop));
    assert_eq!(of("createJob"), Some(Withdrawal::Ask));
    assert_eq!(of("cancel"), Some(Withdrawal::Ignore));
}
