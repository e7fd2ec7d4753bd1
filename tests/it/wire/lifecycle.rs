//! Beginning and end of a session.

use std::sync::Arc;
use std::time::Duration;

use namdrunner::rpc::Opening;
use namdrunner::server::{Exit, Options, serve_methods};
use serde_json::json;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::fixture;
use crate::support::client::{Client, PATIENCE, program};

#[tokio::test]
async fn initialize_tells_who_the_server_is() {
    let home = tempdir().unwrap();
    let mut client = Client::spawn(home.path());
    let told = client
        .request(
            "initialize",
            json!({
                "processId": 1,
                "clientInfo": {"name": "an editor"},
                "capabilities": {"window": {"workDoneProgress": true}},
                "initializationOptions": {"canPrompt": true, "client": {"name": "x", "version": "1"}},
                "trace": "off",
            }),
        )
        .await
        .unwrap();
    assert_eq!(told["serverInfo"]["name"], "namdrunner");
    assert_eq!(told["namdrunner"]["protocol"], 1);
    let below_home = |field: &str| {
        let path = told["namdrunner"][field].as_str().unwrap();
        assert!(
            path.starts_with(home.path().to_str().unwrap()),
            "{field}: {path}"
        );
    };
    below_home("home");
    below_home("configFile");
    below_home("logDir");
    let again = client.request("initialize", json!({})).await.unwrap_err();
    assert_eq!(again["code"], -32600);
    assert_eq!(client.shut_down().await, 0);
}

#[tokio::test]
async fn a_wrong_initialize_may_be_mended() {
    let mut client = Client::in_memory(Opening::never());
    let error = client
        .request(
            "initialize",
            json!({"initializationOptions": {"canPrompt": "yes"}}),
        )
        .await
        .unwrap_err();
    assert_eq!(error["code"], -32602);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("initializationOptions.canPrompt")
    );
    client.request("initialize", json!({})).await.unwrap();
    assert_eq!(client.shut_down().await, 0);
}

#[tokio::test]
async fn after_shutdown_only_exit_is_left() {
    let home = tempdir().unwrap();
    let mut client = Client::spawn(home.path());
    client.request("initialize", json!({})).await.unwrap();
    assert_eq!(
        client.request("shutdown", json!(null)).await.unwrap(),
        json!(null)
    );
    for method in ["listJobs", "initialize", "shutdown", "nothing"] {
        let error = client.request(method, json!({})).await.unwrap_err();
        assert_eq!(error["code"], -32600, "{method}");
    }
    client.notify("exit", json!(null)).await;
    assert_eq!(client.wait().await, 0);
}

#[tokio::test]
async fn exit_without_shutdown_is_exit_code_1() {
    let home = tempdir().unwrap();
    let mut client = Client::spawn(home.path());
    client.notify("exit", json!(null)).await;
    assert_eq!(client.wait().await, 1);
}

#[tokio::test]
async fn the_end_of_input_is_a_clean_end_that_answers_what_was_asked() {
    let home = tempdir().unwrap();
    assert_eq!(Client::spawn(home.path()).finish().await, 0);
    // As a shell script does it, the last line without its newline.
    let mut client = Client::spawn(home.path()).in_lines();
    client
        .send_bytes(b"\n  {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nothing\"}")
        .await;
    client.close_input().await;
    assert_eq!(
        client.receive().await.unwrap()["result"]["serverInfo"]["name"],
        "namdrunner"
    );
    assert_eq!(client.receive().await.unwrap()["error"]["code"], -32601);
    assert_eq!(client.wait().await, 0);
}

#[tokio::test]
async fn requests_that_take_long_are_answered_after_the_end_of_input() {
    let (mut client, stage) = fixture::client(Options::default());
    let id = client.start("jobStatus", json!({})).await;
    stage.until_begun(1).await;
    client.close_input().await;
    stage.open();
    assert_eq!(client.answer(id).await.unwrap(), "passed");
    assert_eq!(client.wait().await, 0);
}

#[tokio::test]
async fn requests_that_take_too_long_are_withdrawn_and_answered_all_the_same() {
    let options = Options {
        linger: Duration::from_millis(50),
        grace: Duration::from_millis(50),
        ..Options::default()
    };
    let (mut client, stage) = fixture::client(options);
    let reads = client.start("jobStatus", json!({})).await;
    let moves = client.start("createJob", json!({})).await;
    let stuck = client.start("cancel", json!({})).await;
    stage.until_begun(3).await;
    client.close_input().await;
    for id in [reads, moves, stuck] {
        assert_eq!(client.answer(id).await.unwrap_err()["code"], -32800);
    }
    assert_eq!(client.wait().await, 0);
}

#[tokio::test]
async fn exit_withdraws_what_is_under_way() {
    let (mut client, stage) = fixture::client(Options::default());
    let id = client.start("createJob", json!({})).await;
    stage.until_begun(1).await;
    client.request("shutdown", json!(null)).await.unwrap();
    client.notify("exit", json!(null)).await;
    assert_eq!(client.answer(id).await.unwrap_err()["code"], -32800);
    assert_eq!(client.wait().await, 0);
}

#[tokio::test]
async fn a_signal_ends_the_server_in_order() {
    let home = tempdir().unwrap();
    let mut client = Client::spawn(home.path());
    client.request("initialize", json!({})).await.unwrap();
    let id = client.process_id().unwrap().to_string();
    let killed = tokio::process::Command::new("sh")
        .args(["-c", &format!("kill -TERM {id}")])
        .status()
        .await;
    assert!(killed.unwrap().success());
    assert_eq!(client.wait().await, 0);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_a_clean_end() {
    let (ours, theirs) = tokio::io::duplex(64);
    let (reader, writer) = tokio::io::split(theirs);
    let stage = Arc::default();
    let server = tokio::spawn(serve_methods(
        reader,
        writer,
        fixture::methods(&stage),
        Opening::never(),
        Options::default(),
    ));
    let (mut from, mut to) = tokio::io::split(ours);
    to.write_all(
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"long\",\"params\":{\"bytes\":100000}}\n",
    )
    .await
    .unwrap();
    from.read_u8().await.unwrap();
    drop((from, to));
    let exit = timeout(PATIENCE, server).await.unwrap().unwrap();
    assert_eq!(exit.code(), 0);
    assert!(
        matches!(exit, Exit::ClientGone | Exit::EndOfInput),
        "{exit:?}"
    );
}

#[tokio::test]
async fn a_closed_stdout_is_a_clean_end_of_the_process() {
    let home = tempdir().unwrap();
    let mut child = program(home.path())
        .args(["serve", "--standalone"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let request = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}\n";
    // The input stays open: the broken pipe alone must end it.
    stdin.write_all(request).await.unwrap();
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_client_that_never_reads_is_not_waited_for_at_the_end() {
    let (ours, theirs) = tokio::io::duplex(64);
    let (reader, writer) = tokio::io::split(theirs);
    let stage = Arc::default();
    let server = tokio::spawn(serve_methods(
        reader,
        writer,
        fixture::methods(&stage),
        Opening::never(),
        Options {
            grace: Duration::from_millis(50),
            linger: Duration::from_millis(50),
            ..Options::default()
        },
    ));
    let (_from, mut to) = tokio::io::split(ours);
    for _ in 0..10 {
        to.write_all(
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"long\",\"params\":{\"bytes\":9000000}}\n",
        )
        .await
        .unwrap();
    }
    to.shutdown().await.unwrap();
    assert_eq!(server.await.unwrap(), Exit::EndOfInput);
}

#[tokio::test]
async fn an_engine_that_does_not_open_is_told_to_editors() {
    let mut client = Client::in_memory(Opening::never());
    client.initialize().await;
    let told = client.expect_notification("window/logMessage").await;
    assert_eq!(told["type"], 1);
    assert!(told["message"].as_str().unwrap().contains("no engine"));
    let error = client.request("subscribe", json!({})).await.unwrap_err();
    assert_eq!(error["code"], -32603);
    assert_eq!(client.shut_down().await, 0);
}
