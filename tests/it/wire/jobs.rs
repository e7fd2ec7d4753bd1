//! Jobs over the wire, on this machine: what needs no batch system.

use std::fs;
use std::path::{Path, PathBuf};

use namdrunner::config::Home;
use namdrunner::engine::{self, Engine};
use namdrunner::rpc::{self, Opening};
use namdrunner::server::{Options, serve_methods};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use crate::support::client::{Client, PATIENCE, program};
use crate::support::water;

/// A home, and the water box of the demo in it.
pub(super) struct Place(TempDir);

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        water::lay_out(dir.path());
        Self(dir)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join("water/equil/water.namd")
    }

    pub(super) fn client(&self) -> Client {
        Client::spawn(&self.path().join("namdrunner"))
    }

    /// An engine in this process, for sessions that share one.
    fn engine(&self) -> Engine {
        let home = self.path().join("namdrunner");
        let home = Home {
            config_file: home.join("config/config.toml"),
            data_dir: home.join("data"),
            state_dir: home.join("state"),
            runtime_dir: home.join("run"),
        };
        Engine::start(home, engine::Options::default()).unwrap()
    }
}

fn sharing() -> Options {
    Options {
        owns_engine: false,
        ..Options::default()
    }
}

pub(super) async fn create(client: &mut Client, place: &Place, more: Value) -> Value {
    let mut params = json!({"configPath": place.config(), "cluster": "local"});
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let created = client.request("createJob", params).await.unwrap();
    created["job"].clone()
}

#[tokio::test]
async fn a_job_is_created_listed_changed_told_and_deleted() {
    let place = Place::new();
    let mut client = place.client();
    for ignored in ["clusterStatusChanged", "jobProgress", "syncCompleted"] {
        client.ignore(ignored);
    }
    let subscribed = client.request("subscribe", json!({})).await.unwrap();
    assert_eq!(subscribed["seq"], 0);
    let created = client
        .request(
            "createJob",
            json!({"configPath": place.config(), "cluster": "local", "labels": {"series": "a"}, "workDoneToken": 7}),
        )
        .await
        .unwrap();
    let job = &created["job"];
    let id = job["jobId"].as_str().unwrap().to_owned();
    assert_eq!(
        (&job["status"], &job["phase"]),
        (&json!("CREATED"), &json!("staged"))
    );
    assert_eq!(job["jobName"], "water");
    assert!(created["findings"].is_array());
    let mut progress = Vec::new();
    while progress.last() != Some(&json!("end")) {
        let told = client.expect_notification("$/progress").await;
        assert_eq!(told["token"], 7);
        progress.push(told["value"]["kind"].clone());
    }
    assert_eq!(progress[0], "begin");
    // The intent of the upload is nobody's business: the first change that is told is the whole job.
    let told = client.expect_notification("jobStatusChanged").await;
    assert_eq!(
        (&told["jobId"], &told["to"]),
        (&json!(id), &json!("CREATED"))
    );
    assert_eq!(told["job"]["labels"], json!({"series": "a"}));

    let status = client
        .request("jobStatus", json!({"jobId": id}))
        .await
        .unwrap();
    assert_eq!(status["job"]["configPath"], json!(place.config()));
    let listed = client
        .request("listJobs", json!({"status": ["CREATED"], "text": "WATER"}))
        .await
        .unwrap();
    assert_eq!(listed["jobs"][0]["jobId"], json!(id));
    assert_eq!(listed["storeId"], subscribed["storeId"]);
    let none = client
        .request("listJobs", json!({"status": ["RUNNING"]}))
        .await
        .unwrap();
    assert_eq!(none["jobs"], json!([]));

    let updated = client
        .request("updateJob", json!({"jobId": id, "name": "water, again"}))
        .await
        .unwrap();
    assert_eq!(updated["job"]["jobName"], "water, again");
    let told = client.expect_notification("jobStatusChanged").await;
    assert_eq!(told["job"]["jobName"], "water, again");
    let seq = told["seq"].as_u64().unwrap();

    let history = client
        .request("jobHistory", json!({"jobId": id}))
        .await
        .unwrap();
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["seq"], json!(seq));
    let deleted = client
        .request("deleteJob", json!({"jobId": id, "remoteFiles": true}))
        .await
        .unwrap();
    assert_eq!(deleted["deleted"], true);
    let gone = client.expect_notification("jobDeleted").await;
    assert_eq!(gone["jobId"], json!(id));
    while let Some(message) = client.take_now("jobStatusChanged") {
        assert_eq!(message["params"]["jobId"], json!(id));
    }
    let error = client
        .request("jobStatus", json!({"jobId": id}))
        .await
        .unwrap_err();
    assert_eq!(
        error["data"],
        json!({
            "kind": "jobNotFound", "hint": error["data"]["hint"], "retryable": false, "jobId": id,
        })
    );
    let past = client
        .request(
            "changesSince",
            json!({"storeId": subscribed["storeId"], "seq": seq}),
        )
        .await
        .unwrap();
    let last = past["changes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last, json!({"seq": gone["seq"], "jobId": id}));
    assert_eq!(past["truncated"], false);
    let other = client
        .request("changesSince", json!({"storeId": "another", "seq": 0}))
        .await
        .unwrap();
    assert_eq!(
        (&other["changes"], &other["truncated"]),
        (&json!([]), &json!(true))
    );
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_script_that_did_not_subscribe_sees_its_answers_alone() {
    let place = Place::new();
    let mut client = place.client().in_lines();
    create(&mut client, &place, json!({})).await;
    assert_eq!(client.finish().await, 0, "and nothing else came");
}

#[tokio::test]
async fn a_preview_tells_the_files_and_findings_and_does_nothing() {
    let place = Place::new();
    let mut client = place.client();
    let preview = client
        .request(
            "previewJob",
            json!({"configPath": place.config(), "cluster": "local"}),
        )
        .await
        .unwrap();
    let files = preview["files"].as_array().unwrap();
    assert!(
        files
            .iter()
            .any(|file| file["role"] == "structure" && file["action"] == "upload")
    );
    let listed = client.request("listJobs", json!({})).await.unwrap();
    assert_eq!(listed["jobs"], json!([]));
    let both = json!({"configPath": place.config(), "jobId": "water_01hf3v8k5w2q0c9m7n4r6t1x8z"});
    for params in [json!({}), both] {
        let error = client.request("previewJob", params).await.unwrap_err();
        assert_eq!(error["code"], -32602);
    }
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn a_missing_input_is_told_with_its_place() {
    let place = Place::new();
    fs::remove_file(place.path().join("water/common/water.psf")).unwrap();
    let mut client = place.client();
    let error = client
        .request(
            "createJob",
            json!({"configPath": place.config(), "cluster": "local"}),
        )
        .await
        .unwrap_err();
    assert_eq!(error["data"]["kind"], "inputMissing");
    let finding = &error["data"]["findings"][0];
    assert_eq!(
        (&finding["severity"], &finding["code"]),
        (&json!("error"), &json!("inputMissing"))
    );
    assert!(
        finding["range"]["start"]["line"]
            .as_u64()
            .is_some_and(|line| line > 0)
    );
    assert!(finding["message"].as_str().unwrap().contains("water.psf"));
    assert_eq!(client.finish().await, 0);
}

#[tokio::test]
async fn settings_that_are_wrong_are_told_by_every_call_until_they_are_mended() {
    let place = Place::new();
    let file = place.path().join("namdrunner/config/config.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, "[clusters.x]\ncolour = 1\n").unwrap();
    let mut client = place.client();
    client.initialize().await;
    let told = client.expect_notification("window/logMessage").await;
    assert!(
        told["message"].as_str().unwrap().contains("colour"),
        "{told}"
    );
    let error = client.request("listJobs", json!({})).await.unwrap_err();
    assert_eq!(error["data"]["kind"], "settingsInvalid");
    fs::write(&file, good).unwrap();
    client.ignore("window/logMessage");
    let mended = async {
        while client.request("listJobs", json!({})).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, mended).await.expect("it is read again");
    assert_eq!(client.shut_down().await, 0);
}

#[tokio::test]
async fn call_makes_one_call() {
    let place = Place::new();
    let run = async |arguments: &[&str]| {
        program(&place.path().join("namdrunner"))
            .arg("call")
            .args(arguments)
            .output()
            .await
            .unwrap()
    };
    let params = json!({"configPath": place.config(), "cluster": "local"}).to_string();
    let created = run(&["createJob", &params]).await;
    let stderr = String::from_utf8_lossy(&created.stderr).into_owned();
    assert_eq!(created.status.code(), Some(0), "{stderr}");
    let created: Value = serde_json::from_slice(&created.stdout).unwrap();
    let id = created["job"]["jobId"].as_str().unwrap();
    // Another process, the same store.
    let listed = run(&["listJobs"]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["jobs"][0]["jobId"], json!(id));
    // A job that nobody submits is not waited for.
    let followed = run(&["jobStatus", &json!({"jobId": id}).to_string(), "--follow"]).await;
    assert_eq!(followed.status.code(), Some(0));
    let missing = json!({"jobId": "water_01hf3v8k5w2q0c9m7n4r6t1x8z"}).to_string();
    let refused = run(&["cancel", &missing, "--follow"]).await;
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    let nameless = run(&["listJobs", "--follow"]).await;
    assert_eq!(nameless.status.code(), Some(2));
}

#[tokio::test]
async fn two_sessions_of_one_engine_see_each_other() {
    let place = Place::new();
    let engine = place.engine();
    let session = || {
        let engine = Opening::of(engine.clone());
        Client::in_memory_with(rpc::methods(engine.clone()), engine, sharing())
    };
    let (mut writes, mut reads) = (session(), session());
    reads.ignore("syncCompleted");
    reads.ignore("jobProgress");
    reads.ignore("clusterStatusChanged");
    reads.initialize().await;
    let job = create(&mut writes, &place, json!({})).await;
    let told = reads.expect_notification("jobStatusChanged").await;
    assert_eq!(told["jobId"], job["jobId"]);
    assert_eq!(writes.finish().await, 0);
    // The other's end is not the engine's.
    assert!(
        reads
            .request("jobStatus", json!({"jobId": job["jobId"]}))
            .await
            .is_ok()
    );
    assert_eq!(reads.shut_down().await, 0);
    engine.shut_down().await;
}

#[tokio::test]
async fn a_slow_editor_holds_nobody_up_and_misses_nothing() {
    /// More than the engine's bus holds.
    const CHANGES: u64 = 5000;
    let place = Place::new();
    let engine = place.engine();
    let opening = Opening::of(engine.clone());
    let (ours, theirs) = tokio::io::duplex(1024);
    let (reader, writer) = tokio::io::split(theirs);
    let methods = rpc::methods(opening.clone());
    let slow = tokio::spawn(serve_methods(
        reader,
        writer,
        methods,
        opening.clone(),
        sharing(),
    ));
    let (from, mut to) = tokio::io::split(ours);
    to.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(from).lines();
    let subscribed = lines.next_line().await.unwrap().unwrap();
    assert!(subscribed.contains("storeId"), "{subscribed}");

    let methods = rpc::methods(opening.clone());
    let mut quick = Client::in_memory_with(methods, opening, sharing());
    let id = create(&mut quick, &place, json!({})).await["jobId"].clone();
    for n in 0..CHANGES {
        let params = json!({"jobId": id, "name": format!("n{n}")});
        quick.request("updateJob", params).await.unwrap();
    }
    let newest = quick.request("listJobs", json!({})).await.unwrap()["seq"]
        .as_u64()
        .unwrap();
    assert_eq!(quick.finish().await, 0);

    let (mut last, mut told) = (0, 0);
    while last < newest {
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["method"] == "jobStatusChanged" {
            let seq = message["params"]["seq"].as_u64().unwrap();
            assert!(seq > last, "{seq} after {last}");
            last = seq;
            told += 1;
        }
    }
    // Every change but the intent of the upload, which is not shown.
    assert!(told >= CHANGES, "{told} of {CHANGES}");
    drop((to, lines));
    assert_eq!(slow.await.unwrap().code(), 0);
    engine.shut_down().await;
}

#[tokio::test]
async fn arrays_need_a_batch_system_and_members_an_array() {
    let place = Place::new();
    let mut client = place.client();
    for method in ["createJob", "previewJob"] {
        let refused = client
            .request(
                method,
                json!({"configPath": place.config(), "cluster": "local", "array": "0-9%4"}),
            )
            .await
            .unwrap_err();
        assert_eq!(refused["code"], -32602, "{refused}");
        let message = refused["message"].as_str().unwrap();
        assert!(
            message.starts_with("Parameter `array`: ") && message.contains("no batch system"),
            "{message}"
        );
    }
    let job = create(&mut client, &place, json!({})).await;
    assert!(job.get("array").is_none() && job.get("memberCounts").is_none());
    let refused = client
        .request("cancel", json!({"jobId": job["jobId"], "members": [0]}))
        .await
        .unwrap_err();
    assert_eq!(refused["code"], -32602, "{refused}");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .starts_with("Parameter `members`: ")
    );
    let refused = client
        .request(
            "updateJob",
            json!({"jobId": job["jobId"], "launch": "namd3 {config} {index}"}),
        )
        .await
        .unwrap_err();
    assert_eq!(refused["code"], -32602, "{refused}");
}
