//! How long it stays, and how it ends.

use serde_json::{Value, json};

use super::{Place, create, until};
use crate::support::client::Client;
use namdrunner::engine::owner;

#[tokio::test]
async fn status_and_stop() {
    let place = Place::new();
    let (code, text, _) = place.run(&["status"]).await;
    assert_eq!(code, 1);
    assert!(text.starts_with("No background server"), "{text}");
    let (code, text, _) = place.run(&["stop"]).await;
    assert_eq!(code, 0);
    assert!(text.starts_with("No background server"), "{text}");
    let mut editor = Client::through_daemon(&place.home());
    editor.at_ease();
    let introduction = json!({"capabilities": {}, "clientInfo": {"name": "Neovim"}});
    editor.request("initialize", introduction).await.unwrap();
    editor.notify("initialized", json!({})).await;
    editor.request("listJobs", json!({})).await.unwrap();
    let pid = place.daemon();
    let status = place.status().await;
    assert_eq!(
        (&status["pid"], &status["clients"][0]["name"]),
        (&json!(pid), &json!("Neovim"))
    );
    assert_eq!(status["clusters"][0]["name"], "local");
    assert_eq!(status["dataDir"], json!(place.data_dir()));
    let (code, text, _) = place.run(&["status"]).await;
    assert_eq!(code, 0);
    for word in [
        &pid.to_string(),
        "Neovim",
        "local: ",
        "queries in the last hour",
    ] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
    let (code, text, _) = place.run(&["stop"]).await;
    assert_eq!((code, text.contains(&pid.to_string())), (0, true), "{text}");
    assert!(!place.is_owned(), "and it is gone");
    // The editor that is still open starts another when it has something to ask, and not before.
    let (code, _, _) = place.run(&["status"]).await;
    assert_eq!(code, 1);
    editor.request("listJobs", json!({})).await.unwrap();
    assert_ne!(place.daemon(), pid);
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
}

#[tokio::test]
async fn an_editor_that_is_closed_after_stop_starts_nobody() {
    let place = Place::new();
    let mut editor = place.editor().await;
    place.run(&["stop"]).await;
    editor.notify("exit", json!(null)).await;
    assert_eq!(editor.wait().await, 0);
    assert!(!place.is_owned());
}

#[tokio::test]
async fn jobs_are_watched_to_their_end_when_no_client_is_there() {
    let place = Place::new();
    let mut editor = Client::through_daemon_with(&place.home(), |command| {
        command.env("NAMDRUNNER_LINGER", "jobs");
    });
    editor.at_ease();
    editor.initialize().await;
    let id = create(&mut editor, &place, "quick.namd").await;
    editor
        .request("submit", json!({"jobId": id}))
        .await
        .unwrap();
    let pid = place.daemon();
    assert_eq!(editor.shut_down().await, 0);
    let mut status = place.status().await;
    while status["clusters"][0]["activeJobs"] != 0 {
        assert_eq!(status["pid"], json!(pid));
        status = place.status().await;
    }
    assert_eq!(status["clients"], json!([]));
    // What was seen while nobody was there is in the history.
    let (_, text, _) = place
        .run(&["call", "jobStatus", &json!({"jobId": id}).to_string()])
        .await;
    let job: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(job["job"]["status"], "COMPLETED");
    assert_eq!(place.daemon(), pid);
    place.run(&["stop"]).await;
}

/// Results are copied for some seconds behind the end, when nothing else keeps the daemon any more.
#[tokio::test]
async fn it_stays_until_the_results_are_in_their_place() {
    let place = Place::new();
    let mut editor = place.editor().await;
    editor.notify("initialized", json!({})).await;
    let id = create(&mut editor, &place, "quick.namd").await;
    editor
        .request("submit", json!({"jobId": id}))
        .await
        .unwrap();
    let told = editor
        .expect_notification_where("jobStatusChanged", |told| told["to"] == "COMPLETED")
        .await;
    let project = told["job"]["projectDir"].as_str().unwrap().to_owned();
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
    let outputs = std::fs::read_dir(format!("{project}/outputs/1")).unwrap();
    assert!(outputs.count() > 0);
}

#[tokio::test]
async fn jobs_do_not_keep_it_where_they_may_not() {
    let place = Place::new();
    let mut editor = place.editor().await;
    let id = create(&mut editor, &place, "lingers.namd").await;
    editor
        .request("submit", json!({"jobId": id, "wait": true}))
        .await
        .unwrap();
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
    // The job lives, and the next daemon knows it.
    let mut editor = place.editor().await;
    let job = editor
        .request("jobStatus", json!({"jobId": id, "sync": true}))
        .await
        .unwrap();
    assert!(
        ["PENDING", "RUNNING"].contains(&job["job"]["status"].as_str().unwrap()),
        "{job}"
    );
    editor
        .request("cancel", json!({"jobId": id}))
        .await
        .unwrap();
    assert_eq!(editor.shut_down().await, 0);
}

#[tokio::test]
async fn a_signal_ends_it_in_order() {
    let place = Place::new();
    let mut editor = place.editor().await;
    let id = create(&mut editor, &place, "quick.namd").await;
    // The step is under way when the signal comes, or about to be: it finishes.
    editor
        .request("submit", json!({"jobId": id}))
        .await
        .unwrap();
    let socket = owner::noted(&place.data_dir()).unwrap().socket;
    super::signal(place.daemon(), "TERM");
    place.until_free().await;
    assert!(!super::exists(&socket));
    let job = editor
        .request("jobStatus", json!({"jobId": id}))
        .await
        .unwrap();
    assert_eq!(job["job"]["attempt"], 1, "{job}");
    assert_ne!(job["job"]["phase"], "staged", "{job}");
    assert_eq!(editor.shut_down().await, 0);
}

/// How often the threads of a process have been woken, all together.
fn wakings(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_one = |task: std::io::Result<std::fs::DirEntry>| -> u64 {
        let text = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.map_or(0, |count| count.trim().parse().unwrap())
    };
    tasks.map(of_one).sum()
}

#[tokio::test]
async fn a_daemon_with_nothing_to_do_sleeps() {
    let place = Place::new();
    let mut editor = place.editor().await;
    editor.request("syncAll", json!({})).await.unwrap();
    let pid = place.daemon();
    // What the start has left to do may still be going on: quiet must come, and last.
    let mut quiet = false;
    for _ in 0..20 {
        let before = wakings(pid);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        quiet = wakings(pid) - before <= 2;
        if quiet {
            break;
        }
    }
    assert!(quiet, "it is woken all the time");
    assert_eq!(editor.shut_down().await, 0);
}

#[tokio::test]
async fn it_ends_when_its_data_directory_is_gone() {
    let place = Place::new();
    let mut editor = Client::through_daemon_with(&place.home(), |command| {
        command.env("NAMDRUNNER_LINGER", "jobs");
    });
    editor.at_ease();
    editor.initialize().await;
    let id = create(&mut editor, &place, "lingers.namd").await;
    editor
        .request("submit", json!({"jobId": id, "wait": true}))
        .await
        .unwrap();
    let pid = place.daemon();
    assert_eq!(editor.shut_down().await, 0);
    let process = std::path::PathBuf::from(format!("/proc/{pid}"));
    let away = place.home().join("away");
    std::fs::rename(place.data_dir(), &away).unwrap();
    until("the daemon ends", || !process.exists()).await;
    std::fs::rename(&away, place.data_dir()).unwrap();
    let mut editor = place.editor().await;
    editor
        .request("cancel", json!({"jobId": id}))
        .await
        .unwrap();
    assert_eq!(editor.shut_down().await, 0);
}
