//! `$/cancelRequest` and `$/progress`.

use std::sync::atomic::Ordering;

use namdrunner::server::Options;
use serde_json::json;

use super::fixture;

#[tokio::test]
async fn a_request_that_only_reads_is_dropped() {
    let (mut client, stage) = fixture::client(Options::default());
    let id = client.start("jobStatus", json!({})).await;
    stage.until_begun(1).await;
    client.notify("$/cancelRequest", json!({"id": id})).await;
    let error = client.answer(id).await.unwrap_err();
    assert_eq!(error["code"], -32800);
    assert_eq!(error["data"]["kind"], "cancelled");
    assert_eq!(stage.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_request_with_effects_decides_itself() {
    let (mut client, stage) = fixture::client(Options::default());
    let undone = client.start("createJob", json!({})).await;
    let done = client.start("createJob", json!({"done": true})).await;
    stage.until_begun(2).await;
    for id in [undone, done] {
        client.notify("$/cancelRequest", json!({"id": id})).await;
    }
    assert_eq!(client.answer(undone).await.unwrap_err()["code"], -32800);
    assert_eq!(client.answer(done).await.unwrap(), "created all the same");
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_short_request_that_writes_is_left_alone() {
    let (mut client, stage) = fixture::client(Options::default());
    let id = client.start("cancel", json!({})).await;
    stage.until_begun(1).await;
    client.notify("$/cancelRequest", json!({"id": id})).await;
    // Sent behind it, so that the withdrawal has been taken when this is answered.
    client.request("echo", json!({})).await.unwrap();
    stage.open();
    assert_eq!(client.answer(id).await.unwrap(), "written");
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn withdrawing_what_is_not_there_does_nothing() {
    let (mut client, stage) = fixture::client(Options::default());
    client.start("jobStatus", json!({})).await;
    for params in [
        json!({"id": 99}),
        json!({"id": "1"}),
        json!({}),
        json!([1]),
        json!(null),
    ] {
        client.notify("$/cancelRequest", params).await;
    }
    client.request("echo", json!({})).await.unwrap();
    stage.open();
    assert_eq!(client.answer(1).await.unwrap(), "passed");
    // A late one, for an answered request.
    client.notify("$/cancelRequest", json!({"id": 1})).await;
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_member_of_a_batch_can_be_withdrawn() {
    let (mut client, stage) = fixture::client(Options::default());
    client
        .send_text(r#"[{"jsonrpc":"2.0","id":"a","method":"jobStatus"},{"jsonrpc":"2.0","id":"b","method":"echo","params":{}}]"#)
        .await;
    stage.until_begun(1).await;
    client.notify("$/cancelRequest", json!({"id": "a"})).await;
    let answers = client.receive().await.unwrap();
    assert_eq!(answers[0]["error"]["code"], -32800);
    assert_eq!(answers[1]["result"], json!({}));
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn progress_begins_reports_now_and_then_and_ends_before_the_answer() {
    let (mut client, stage) = fixture::client(Options::default());
    stage.open();
    let id = client
        .start("createJob", json!({"workDoneToken": "t", "reports": 1000}))
        .await;
    let mut kinds = Vec::new();
    loop {
        let message = client.receive().await.unwrap();
        if message["id"] == json!(id) {
            assert_eq!(message["result"], "created");
            break;
        }
        assert_eq!(message["method"], "$/progress");
        assert_eq!(message["params"]["token"], "t");
        kinds.push(message["params"]["value"].clone());
    }
    assert_eq!(
        kinds.first().unwrap(),
        &json!({"kind": "begin", "title": "Creating the job", "cancellable": true})
    );
    assert_eq!(
        kinds.get(1).unwrap(),
        &json!({"kind": "report", "message": "0 of 1000", "percentage": 0})
    );
    assert_eq!(kinds.last().unwrap(), &json!({"kind": "end"}));
    // A thousand reports in an instant are a few on the wire.
    assert!(kinds.len() < 50, "{} messages", kinds.len());
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn no_token_no_progress() {
    let (mut client, stage) = fixture::client(Options::default());
    stage.open();
    client
        .request("createJob", json!({"reports": 5}))
        .await
        .unwrap();
    stage.open();
    // A method that is never long has none either.
    client
        .request("jobStatus", json!({"workDoneToken": 1}))
        .await
        .unwrap();
    assert_eq!(client.finish().await, 0);
}
