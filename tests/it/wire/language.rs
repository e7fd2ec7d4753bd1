//! The language features, as a stock LSP client sees them.

use std::fs;

use serde_json::{Value, json};

use super::jobs::Place;
use crate::support::client::Client;

/// A session of an editor that asks anew when told to.
async fn editor(place: &Place) -> (Client, Value) {
    let mut client = place.client();
    for other in [
        "clusterStatusChanged",
        "syncCompleted",
        "jobStatusChanged",
        "jobProgress",
    ] {
        client.ignore(other);
    }
    let told = client
        .request(
            "initialize",
            json!({"capabilities": {"workspace": {
                "codeLens": {"refreshSupport": true},
                "inlayHint": {"refreshSupport": true},
            }}}),
        )
        .await
        .unwrap();
    client.notify("initialized", json!({})).await;
    (client, told["capabilities"].clone())
}

async fn open(client: &mut Client, uri: &str, text: &str) {
    let item = json!({"uri": uri, "languageId": "namd", "version": 1, "text": text});
    client
        .notify("textDocument/didOpen", json!({"textDocument": item}))
        .await;
}

async fn diagnostics(client: &mut Client, uri: &str) -> Value {
    let told = client
        .expect_notification_where("textDocument/publishDiagnostics", |told| told["uri"] == uri)
        .await;
    told["diagnostics"].clone()
}

async fn lenses(client: &mut Client, uri: &str) -> Vec<String> {
    let lenses = client
        .request(
            "textDocument/codeLens",
            json!({"textDocument": {"uri": uri}}),
        )
        .await
        .unwrap();
    let lenses = lenses.as_array().unwrap().iter();
    lenses
        .map(|lens| lens["command"]["title"].as_str().unwrap().to_owned())
        .collect()
}

async fn execute(client: &mut Client, command: &str, argument: &str) -> Result<Value, Value> {
    client
        .request(
            "workspace/executeCommand",
            json!({"command": command, "arguments": [argument]}),
        )
        .await
}

#[tokio::test]
async fn from_the_lens_to_the_end_of_the_job() {
    let place = Place::new();
    let (mut client, capabilities) = editor(&place).await;
    assert_eq!(capabilities["textDocumentSync"]["change"], 2);
    let path = place.path().join("water/equil/quick.namd");
    let uri = format!("file://{}", path.display());
    let text = fs::read_to_string(&path).unwrap();
    open(&mut client, &uri, &text).await;
    let found = diagnostics(&mut client, &uri).await;
    assert!(
        !found
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["severity"] == 1),
        "{found}"
    );
    assert_eq!(
        lenses(&mut client, &uri).await,
        ["▶ Create and submit (local)", "Preview"]
    );

    let preview = execute(&mut client, "namdrunner.preview", &uri)
        .await
        .unwrap();
    assert!(preview["script"].as_str().unwrap().starts_with("#!"));
    client.expect_notification("window/showMessage").await;

    let made = execute(&mut client, "namdrunner.createAndSubmit", &uri)
        .await
        .unwrap();
    let id = made["job"]["jobId"].as_str().unwrap().to_owned();
    let said = client.expect_notification("window/showMessage").await;
    assert!(
        said["message"].as_str().unwrap().contains("quick"),
        "{said}"
    );

    // The lenses follow the job, each time the server says so.
    client.at_ease();
    let mut seen = Vec::new();
    loop {
        let first = lenses(&mut client, &uri).await.remove(0);
        let ended = first.starts_with('✓');
        seen.push(first);
        if ended {
            break;
        }
        let asked = client
            .take(|message| message["method"] == "workspace/codeLens/refresh")
            .await
            .unwrap();
        assert!(asked["id"].is_string(), "{asked}");
    }
    assert!(seen.last().unwrap().contains("COMPLETED"), "{seen:?}");

    let told = execute(&mut client, "namdrunner.status", &id)
        .await
        .unwrap();
    assert_eq!(told["job"]["status"], "COMPLETED");
    // What the job ran, for a comparison.
    let ran = execute(&mut client, "namdrunner.diff", &id).await.unwrap();
    assert_eq!(ran["text"], text);
}

#[tokio::test]
async fn findings_follow_the_text_and_the_files_around_it() {
    let place = Place::new();
    let (mut client, _) = editor(&place).await;
    let path = place.path().join("water/equil/new.namd");
    let uri = format!("file://{}", path.display());
    let broken = "structure WATER.psf\noutputname out\nrun 10\n";
    open(&mut client, &uri, broken).await;
    let found = diagnostics(&mut client, &uri).await;
    let missing = found
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["code"] == "inputMissing")
        .unwrap_or_else(|| panic!("{found}"));
    assert_eq!(missing["source"], "namdrunner");
    assert_eq!(
        missing["range"]["start"],
        json!({"line": 0, "character": 10})
    );

    // A file that differs in the case of its letters is there: saving it brings the fix.
    let there = path.with_file_name("water.psf");
    fs::copy(place.path().join("water/common/water.psf"), &there).unwrap();
    client
        .notify(
            "textDocument/didSave",
            json!({"textDocument": {"uri": uri}}),
        )
        .await;
    diagnostics(&mut client, &uri).await;
    let actions = client
        .request(
            "textDocument/codeAction",
            json!({
                "textDocument": {"uri": uri},
                "range": missing["range"],
                "context": {"diagnostics": []},
            }),
        )
        .await
        .unwrap();
    let edit = &actions[0]["edit"]["changes"][&uri][0];
    assert_eq!(edit["newText"], "water.psf", "{actions}");

    // Applied, as an editor does.
    client
        .notify(
            "textDocument/didChange",
            json!({
                "textDocument": {"uri": uri, "version": 2},
                "contentChanges": [{"range": edit["range"], "text": edit["newText"]}],
            }),
        )
        .await;
    let found = diagnostics(&mut client, &uri).await;
    assert!(
        !found
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["code"] == "inputMissing"),
        "{found}"
    );
    let links = client
        .request(
            "textDocument/documentLink",
            json!({"textDocument": {"uri": uri}}),
        )
        .await
        .unwrap();
    let canonical = fs::canonicalize(&there).unwrap();
    assert_eq!(
        links[0]["target"],
        format!("file://{}", canonical.display())
    );

    // What is not saved is not sent.
    fs::write(&path, "run 1\n").unwrap();
    let refused = execute(&mut client, "namdrunner.create", &uri)
        .await
        .unwrap_err();
    assert!(
        refused["message"].as_str().unwrap().contains("not saved"),
        "{refused}"
    );
    assert!(refused["data"]["hint"].is_string());

    client
        .notify(
            "textDocument/didClose",
            json!({"textDocument": {"uri": uri}}),
        )
        .await;
    assert_eq!(diagnostics(&mut client, &uri).await, json!([]));
    assert_eq!(client.shut_down().await, 0);
}

#[tokio::test]
async fn other_texts_are_left_alone_and_bad_asks_are_told() {
    let place = Place::new();
    let mut script = place.client();
    let early = script
        .request(
            "textDocument/codeLens",
            json!({"textDocument": {"uri": "file:///x"}}),
        )
        .await
        .unwrap_err();
    assert_eq!(early["code"], -32002);
    assert_eq!(script.finish().await, 0);

    let (mut client, _) = editor(&place).await;
    let item = json!({"uri": "file:///x/notes.txt", "languageId": "plaintext", "version": 1, "text": "run 10"});
    client
        .notify("textDocument/didOpen", json!({"textDocument": item}))
        .await;
    assert_eq!(
        lenses(&mut client, "file:///x/notes.txt").await,
        [] as [&str; 0]
    );
    for (command, argument, code) in [
        ("namdrunner.explode", "x", -32602),
        ("namdrunner.submit", "nobody", -32010),
        ("namdrunner.create", "untitled:1", -32602),
    ] {
        let error = execute(&mut client, command, argument).await.unwrap_err();
        assert_eq!(error["code"], code, "{error}");
    }
    // Texts that cannot be read as they should are no end of anything.
    client
        .notify("textDocument/didOpen", json!({"textDocument": 5}))
        .await;
    client.notify("textDocument/didChange", json!({})).await;
    client
        .notify(
            "textDocument/didClose",
            json!({"textDocument": {"uri": "file:///no"}}),
        )
        .await;
    assert_eq!(client.shut_down().await, 0);
}
