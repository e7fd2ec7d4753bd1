//! `kill -9` of the daemon: clients go on by themselves, the state is whole, nothing is done twice.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Place, create, signal, until};
use crate::support::client::Client;

#[tokio::test]
async fn editors_go_on_with_another_daemon_and_miss_nothing() {
    let place = Place::new();
    let mut editors = [place.editor().await, place.editor().await];
    let id = create(&mut editors[0], &place, "quick.namd").await;
    let mut last = [0; 2];
    let mut names: [Vec<String>; 2] = Default::default();
    for round in 0..3 {
        let before = place.daemon();
        for n in 0..4 {
            // In the middle of changes: those before it are told by one daemon, those after it, and
            // those that were lost on the way, by the next.
            if n == 2 {
                signal(before, "KILL");
            }
            let params = json!({"jobId": id, "name": format!("{round}.{n}")});
            let mut answer = editors[n % 2].request("updateJob", params.clone()).await;
            if let Err(error) = &answer {
                assert_eq!(error["data"]["kind"], "serverLost", "{error}");
                assert_eq!(error["data"]["retryable"], true, "{error}");
                answer = editors[n % 2].request("updateJob", params).await;
            }
            answer.unwrap();
        }
        for (which, editor) in editors.iter_mut().enumerate() {
            let end = format!("{round}.3");
            while names[which].last() != Some(&end) {
                let told = editor.expect_notification("jobStatusChanged").await;
                let seq = told["seq"].as_u64().unwrap();
                assert!(seq > last[which], "{seq} after {}", last[which]);
                last[which] = seq;
                names[which].push(told["job"]["jobName"].as_str().unwrap().to_owned());
            }
        }
        assert_ne!(place.daemon(), before);
    }
    for mut seen in names {
        seen.retain(|name| name.contains('.'));
        let all: Vec<String> = (0..3)
            .flat_map(|round| (0..4).map(move |n| format!("{round}.{n}")))
            .collect();
        seen.dedup();
        assert_eq!(seen, all);
    }
    for editor in editors {
        assert_eq!(editor.shut_down().await, 0);
    }
    place.until_free().await;
}

#[tokio::test]
async fn an_editor_that_is_silent_is_told_what_happens_after_the_loss() {
    let place = Place::new();
    let mut silent = place.editor().await;
    // It knows the state as of now, and hears nothing more from this daemon.
    silent.request("listJobs", json!({})).await.unwrap();
    let before = place.daemon();
    signal(before, "KILL");
    until("another daemon is there", || {
        place.has_another_daemon(before)
    })
    .await;
    let mut other = place.editor().await;
    let id = create(&mut other, &place, "quick.namd").await;
    let told = silent.expect_notification("jobStatusChanged").await;
    assert_eq!(told["jobId"], json!(id));
    assert_eq!(silent.shut_down().await, 0);
    assert_eq!(other.shut_down().await, 0);
}

/// The submission's every moment: the intent is there, the command is sent, it has answered.
#[tokio::test]
async fn a_submission_survives_the_daemon_and_is_made_once() {
    for moment in ["submit-asked", "submit-sent", "submit-answered"] {
        let place = Place::new();
        let mut editor = Client::through_daemon_with(&place.home(), |command| {
            command.env("NAMDRUNNER_KILL_AT", moment);
        });
        editor.at_ease();
        editor.initialize().await;
        let id = create(&mut editor, &place, "quick.namd").await;
        let before = place.daemon();
        let params = json!({"jobId": id, "wait": true});
        let error = editor.request("submit", params).await.unwrap_err();
        assert_eq!(error["data"]["kind"], "serverLost", "{moment}: {error}");
        until("another daemon is there", || {
            place.has_another_daemon(before)
        })
        .await;
        // That one would be killed at the same moment: one that is not takes over.
        assert_eq!(editor.shut_down().await, 0);
        place.until_free().await;
        let mut editor = Client::through_daemon_with(&place.home(), |command| {
            command.env("NAMDRUNNER_GRACE_SECONDS", "1");
        });
        editor.at_ease();
        editor.initialize().await;
        // It looks, and finishes what was begun.
        let settled = |told: &Value| told["to"] == "COMPLETED" || told["phase"] == "unconfirmed";
        let mut job = editor
            .request("jobStatus", json!({"jobId": id}))
            .await
            .unwrap()["job"]
            .clone();
        while job["status"] != "COMPLETED" {
            if job["phase"] == "unconfirmed" {
                // It was killed before anything was sent, which nobody can know: the same attempt
                // is sent.
                editor
                    .request("submit", json!({"jobId": id}))
                    .await
                    .unwrap();
            }
            let told = editor
                .expect_notification_where("jobStatusChanged", settled)
                .await;
            job = told["job"].clone();
        }
        let told = json!({"job": job});
        assert_eq!(editor.shut_down().await, 0);
        let attempts = told["job"]["attempts"].as_array().map_or(1, Vec::len);
        assert_eq!(attempts, 1, "{moment}: {told}");
        // Each run of the stand-in begins its log anew, and a second one would have left a trace.
        let scratch = told["job"]["scratchDir"].as_str().unwrap();
        let runs = std::fs::read_dir(scratch).unwrap().count();
        assert_eq!(runs, 1, "{moment}");
    }
}

#[tokio::test]
async fn a_call_that_is_cut_off_says_so() {
    let place = Place::new();
    let mut editor = Client::through_daemon_with(&place.home(), |command| {
        command.env("NAMDRUNNER_KILL_AT", "create-uploaded");
    });
    editor.at_ease();
    editor.initialize().await;
    let mut params = super::creation(&place, "quick.namd");
    params["workDoneToken"] = json!("t");
    let error = editor.request("createJob", params).await.unwrap_err();
    assert_eq!(error["data"]["kind"], "serverLost");
    let mut kinds: Vec<Value> = Vec::new();
    while let Some(told) = editor.take_now("$/progress") {
        kinds.push(told["params"]["value"]["kind"].clone());
    }
    kinds.retain(|kind| kind != "report");
    assert_eq!(kinds, ["begin", "end"]);
    // A job exists whole or not at all.
    let listed = editor.request("listJobs", json!({})).await.unwrap();
    for job in listed["jobs"].as_array().unwrap() {
        assert_eq!(job["status"], "CREATED");
    }
    assert_eq!(editor.shut_down().await, 0);
    tokio::time::timeout(Duration::from_mins(1), place.until_free())
        .await
        .unwrap();
}
