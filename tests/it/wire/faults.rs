//! Frames that are wrong: told where they can be, and never the end.

use serde_json::{Value, json};
use tempfile::tempdir;

use namdrunner::rpc::Opening;

use crate::support::client::Client;

const NEXT: &str = r#"{"jsonrpc":"2.0","id":"next","method":"initialize"}"#;

fn frame(body: &str) -> Vec<u8> {
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// What is wrong, as it stands between two good requests; and how many errors it gives.
fn abuses() -> Vec<(Vec<u8>, Vec<i64>)> {
    let frame_of = |bytes: &[u8]| {
        let mut frame = format!("Content-Length: {}\r\n\r\n", bytes.len()).into_bytes();
        frame.extend_from_slice(bytes);
        frame
    };
    vec![
        (b"Content-Length: -1\r\n\r\n{}".to_vec(), vec![-32700]),
        (b"Content-Length: x\r\n\r\n{}".to_vec(), vec![-32700]),
        (
            b"Content-Length: 184467440737095516150\r\n\r\n{}".to_vec(),
            vec![-32700],
        ),
        (
            b"Content-Length: 99999999999\r\n\r\n{}".to_vec(),
            vec![-32600],
        ),
        (
            b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_vec(),
            vec![-32700],
        ),
        (b"X-Only: 1\r\n\r\n".to_vec(), vec![-32700]),
        (b"{\"jsonrpc\":\"2.0\"}\r\n".to_vec(), vec![-32700]),
        (frame_of(b"\"\xff\xfe\""), vec![-32700]),
        (frame_of(b""), vec![-32700]),
        (frame_of(b"{"), vec![-32700]),
        (frame_of(b"[1,2"), vec![-32700]),
        (frame_of(b"{\"a\":1}garbage"), vec![-32700]),
        (frame_of(b"\"text\""), vec![-32600]),
        (frame_of("[".repeat(10_000).as_bytes()), vec![-32700]),
        (frame_of("{\"a\":".repeat(10_000).as_bytes()), vec![-32700]),
        (vec![0; 100_000], vec![-32700]),
    ]
}

async fn survives(mut client: Client, abuse: &[u8], errors: &[i64], in_pieces: bool) {
    let mut stream = frame(r#"{"jsonrpc":"2.0","id":"first","method":"nothing"}"#);
    stream.extend_from_slice(abuse);
    stream.extend_from_slice(&frame(NEXT));
    if in_pieces && stream.len() < 1000 {
        for byte in stream {
            client.send_bytes(&[byte]).await;
        }
    } else {
        client.send_bytes(&stream).await;
    }
    let shown = String::from_utf8_lossy(abuse.get(..60).unwrap_or(abuse)).into_owned();
    let answer_to = |id: Value| move |message: &Value| message["id"] == id;
    client.take(answer_to(json!("first"))).await.unwrap();
    for code in errors {
        let error = client.take(answer_to(Value::Null)).await.unwrap();
        assert_eq!(error["error"]["code"], json!(code), "{shown:?}: {error}");
        assert!(error["error"]["data"]["hint"].is_string());
    }
    let next = client.take(answer_to(json!("next"))).await.unwrap();
    assert!(next["result"].is_object(), "{shown:?}");
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn no_fault_ends_the_server_or_the_next_request() {
    for (abuse, errors) in abuses() {
        for in_pieces in [false, true] {
            let client = Client::in_memory(Opening::never());
            survives(client, &abuse, &errors, in_pieces).await;
        }
    }
}

#[tokio::test]
async fn no_fault_ends_the_process() {
    let home = tempdir().unwrap();
    let good = frame(r#"{"jsonrpc":"2.0","id":"good","method":"nothing"}"#);
    let (mut stream, mut errors) = (Vec::new(), Vec::new());
    for (abuse, codes) in abuses() {
        stream.extend([abuse, good.clone()].concat());
        errors.extend(codes);
    }
    let mut client = Client::spawn(home.path());
    client.send_bytes(&[good, stream].concat()).await;
    client.send_bytes(&frame(NEXT)).await;
    client.close_input().await;
    for _ in 0..=abuses().len() {
        client
            .take(|message| message["id"] == "good")
            .await
            .unwrap();
    }
    for code in errors {
        let told = |m: &Value| m["id"].is_null() && m["error"]["code"] == json!(code);
        client.take(told).await.unwrap();
    }
    client
        .take(|message| message["id"] == "next")
        .await
        .unwrap();
    assert_eq!(client.wait().await, 0);
}

#[tokio::test]
async fn a_frame_over_16_mib_is_refused_and_passed_over() {
    let home = tempdir().unwrap();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#,
        "x".repeat(17 << 20)
    );
    survives(Client::spawn(home.path()), &frame(&body), &[-32600], false).await;
    let mut client = Client::spawn(home.path()).in_lines();
    client.send_text(&body).await;
    let error = client.receive().await.unwrap();
    assert_eq!(error["error"]["code"], -32600);
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("16777216")
    );
    client.send_text(NEXT).await;
    assert!(client.receive().await.unwrap()["result"].is_object());
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn wrong_lines_cost_themselves() {
    let mut client = Client::in_memory(Opening::never()).in_lines();
    client
        .send_bytes(b"{\"jsonrpc\":\n  \r\nnonsense\n\xff\xfe\n[]\n1\n")
        .await;
    client.send_text(NEXT).await;
    let mut codes = Vec::new();
    loop {
        let message = client.receive().await.unwrap();
        if message["id"] == "next" {
            break;
        }
        codes.push(message["error"]["code"].as_i64().unwrap());
    }
    codes.sort_unstable();
    assert_eq!(codes, [-32700, -32700, -32700, -32600, -32600]);
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn half_a_frame_at_the_end_is_told() {
    let home = tempdir().unwrap();
    for half in [
        "Content-Length: 100\r\n\r\n{\"jsonrpc\"",
        "Content-Length: 10",
        "Content-Length: 10\r\n\r\n",
    ] {
        let mut client = Client::spawn(home.path());
        client.send_bytes(&frame(NEXT)).await;
        client.send_bytes(half.as_bytes()).await;
        client.close_input().await;
        assert!(client.take(|m| m["id"] == "next").await.unwrap()["result"].is_object());
        let error = client.take(|m| m["id"].is_null()).await.unwrap();
        assert_eq!(error["error"]["code"], -32700, "{half:?}");
        assert_eq!(client.wait().await, 0);
    }
}

#[tokio::test]
async fn what_follows_a_wrong_length_is_in_no_log() {
    const SECRET: &str = "Sesam-tail";
    let dir = tempfile::tempdir().unwrap();
    for through_daemon in [false, true] {
        let home = dir.path().join(through_daemon.to_string());
        let trace = |command: &mut tokio::process::Command| {
            command.env("NAMDRUNNER_LOG", "trace");
        };
        let mut client = if through_daemon {
            Client::through_daemon_with(&home, trace)
        } else {
            Client::spawn_with(&home, trace)
        };
        // An answer whose length was counted in characters: its tail is taken for a header.
        let wrong =
            format!("Content-Length: 20\r\n\r\n{{\"answers\":[\"a password {SECRET}\"]}}\n");
        client.send_bytes(wrong.as_bytes()).await;
        for _ in 0..2 {
            let answer = client.receive().await.unwrap();
            assert_eq!(answer["error"]["code"], -32700, "{answer}");
        }
        client.request("listClusters", json!({})).await.unwrap();
        let stderr = client.stderr();
        assert_eq!(client.finish().await, 0);
        assert!(stderr.contains("could not be read"), "{stderr}");
        assert!(!stderr.contains(SECRET), "{stderr}");
        let logs = std::fs::read_dir(home.join("state")).unwrap().flatten();
        for log in logs.filter(|entry| entry.path().is_file()) {
            let text = std::fs::read(log.path()).unwrap();
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(SECRET), "{text}");
        }
    }
}
