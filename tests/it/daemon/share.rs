//! Many clients of one daemon.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Inside, Place, create};
use crate::support::client::{Client, PATIENCE};
use namdrunner::server::daemon::Speaker;
use namdrunner::server::daemon::way::Way;
use namdrunner::server::forward::forward;

#[tokio::test]
async fn two_editors_see_the_same() {
    let place = Place::new();
    let mut one = place.editor().await;
    let mut two = place.editor().await;
    let id = create(&mut one, &place, "quick.namd").await;
    one.request("submit", json!({"jobId": id})).await.unwrap();
    let mut told: [Vec<Value>; 2] = Default::default();
    for (editor, told) in [&mut one, &mut two].into_iter().zip(&mut told) {
        loop {
            let change = editor.expect_notification("jobStatusChanged").await;
            let ended = change["to"] == "COMPLETED";
            told.push(change["seq"].clone());
            if ended {
                break;
            }
        }
    }
    assert_eq!(told[0], told[1], "the same changes in the same order");
    assert_eq!(one.shut_down().await, 0);
    assert!(two.request("listJobs", json!({})).await.is_ok());
    assert_eq!(two.shut_down().await, 0);
    place.until_free().await;
}

#[tokio::test]
async fn what_a_client_has_begun_finishes_without_it() {
    let place = Place::new();
    let mut stays = place.editor().await;
    let mut goes = place.editor().await;
    let mut params = super::creation(&place, "quick.namd");
    params["submit"] = json!(true);
    params["workDoneToken"] = json!(1);
    goes.start("createJob", params).await;
    // It has begun.
    goes.expect_notification("$/progress").await;
    goes.kill().await;
    let told = stays
        .expect_notification_where("jobStatusChanged", |told| told["to"] == "COMPLETED")
        .await;
    assert_eq!(told["job"]["attempt"], 1);
    assert_eq!(stays.shut_down().await, 0);
    place.until_free().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_and_holds_nobody_up() {
    /// More than all the queues and sockets between hold.
    const CHANGES: usize = 1500;
    let place = Place::new();
    let daemon = Inside::start(&place, "0.0.1", 1, Duration::from_millis(300)).await;
    let way = || {
        Way::of(
            place.files(),
            Speaker {
                version: "0.0.1".into(),
                protocol: 1,
                pid: 1,
            },
        )
    };
    let (ours, theirs) = tokio::io::duplex(1024);
    let (reader, writer) = tokio::io::split(theirs);
    let stuck = tokio::spawn(forward(reader, writer, way(), CancellationToken::new()));
    let (from, mut to) = tokio::io::split(ours);
    to.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(from).lines();
    let subscribed = lines.next_line().await.unwrap().unwrap();
    assert!(subscribed.contains("storeId"), "{subscribed}");

    let mut quick = Client::over_pipe(|reader, writer| {
        forward(reader, writer, way(), CancellationToken::new())
    });
    let id = create(&mut quick, &place, "quick.namd").await;
    let mut worst = Duration::ZERO;
    for n in 0..CHANGES {
        let begun = Instant::now();
        let params = json!({"jobId": id, "name": format!("n{n}")});
        quick.request("updateJob", params).await.unwrap();
        worst = worst.max(begun.elapsed());
    }
    assert!(worst < Duration::from_secs(10), "{worst:?}");
    let newest = quick.request("listJobs", json!({})).await.unwrap()["seq"]
        .as_u64()
        .unwrap();
    let dropped = async {
        while place.status().await["clients"].as_array().unwrap().len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, dropped).await.expect("it is dropped");
    // When it reads again it is told everything, in order: its forwarder came again.
    let mut last = 0;
    while last < newest {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap();
        let message: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
        if message["method"] == "jobStatusChanged" {
            let seq = message["params"]["seq"].as_u64().unwrap();
            // Only the intent of the upload, the first change, is not shown.
            assert_eq!(seq, if last == 0 { seq } else { last + 1 });
            last = seq;
        }
    }
    drop((to, lines));
    let _ = stuck.await.unwrap();
    assert_eq!(quick.finish().await, 0);
    daemon.end().await;
}
