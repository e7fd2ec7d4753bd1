//! Promises kept while the cluster, the link or the program itself fails. These tests stop and start
//! the daemons, so they run one at a time.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::proxy::Proxy;
use super::rig::{
    PATIENCE, Rig, cluster_env, ctl, pause, slurm, statuses, submissions_below, until,
};

/// Starts a daemon again when dropped, also when the test fails.
struct Stopped(&'static str);

impl Stopped {
    fn now(daemon: &'static str) -> Self {
        ctl(&["stop", daemon]);
        Self(daemon)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        ctl(&["start", self.0]);
    }
}

fn health(status: &Value) -> &Value {
    status
        .get("cluster")
        .and_then(|cluster| cluster.get("health"))
        .unwrap_or(&status["health"])
}

#[test]
#[ignore = "needs tests/run.sh"]
fn without_slurmdbd_the_queue_itself_tells_the_end() {
    let rig = Rig::new();
    let mut client = rig.client();
    let stopped = Stopped::now("slurmdbd");
    let id = rig.launch(&mut client, "water.namd", json!({}));
    let failing = rig.launch(&mut client, "exits.namd", json!({}));
    let cancelled = rig.launch(&mut client, "lingers.namd", json!({}));
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    // The job's own end marker knows the exit code, which the queue does not.
    let told = client.wait_for_status(&failing, "FAILED", PATIENCE);
    assert_eq!(told["exitCode"], 3, "{told}");
    client.wait_for_status(&cancelled, "RUNNING", PATIENCE);
    client
        .request("cancel", json!({ "jobId": cancelled }))
        .unwrap();
    let told = client.wait_for_status(&cancelled, "CANCELLED", PATIENCE);
    assert_eq!(told["cause"]["text"], "It was cancelled by you.", "{told}");
    let status = client
        .request("clusterStatus", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(status["health"], "ok", "the queue answers: {status}");
    assert_eq!(status["sources"]["sacct"]["health"], "failed", "{status}");
    assert!(status["sources"]["sacct"]["reason"].is_string(), "{status}");
    drop(stopped);
    assert_eq!(statuses(&mut client, &id).last().unwrap(), "COMPLETED");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn without_slurmctld_no_job_changes_and_it_goes_on_afterwards() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    let waiting = rig.create(&mut client, "water.namd", json!({}));
    let stopped = Stopped::now("slurmctld");
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "unavailable"
    });
    let job = client.request("jobStatus", json!({ "jobId": id })).unwrap();
    assert_eq!(
        job["job"]["status"], "RUNNING",
        "silence changes nothing: {job}"
    );
    let status = client
        .request("clusterStatus", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(health(&status), "unavailable", "{status}");
    let reason = status["reason"].as_str().unwrap();
    assert!(
        reason.contains("did not answer") && reason.contains("Unable to contact slurm controller"),
        "{status}"
    );
    // A submission is neither refused nor lost: it waits, and says for what.
    let error = client
        .request("submit", json!({ "jobId": waiting, "wait": true }))
        .expect_err("nobody takes it");
    assert_eq!(error["data"]["kind"], "clusterUnavailable", "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("was not submitted"),
        "{error}"
    );
    client.forget_news();
    drop(stopped);
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "ok"
    });
    client.wait_for_status(&waiting, "COMPLETED", PATIENCE * 2);
    let dir = format!("{}/{waiting}", rig.scratch_root);
    assert_eq!(submissions_below(&dir).len(), 1);
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
    assert_eq!(
        statuses(&mut client, &id),
        ["CREATED", "PENDING", "RUNNING", "CANCELLED"]
    );
}

/// Takes a node back into service when dropped, also when the test fails.
struct Down(String);

impl Down {
    fn now(node: &str) -> Self {
        let name = format!("nodename={node}");
        slurm(&["scontrol", "update", &name, "state=down", "reason=test"]);
        Self(name)
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        slurm(&["scontrol", "update", &self.0, "state=idle"]);
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_node_that_fails_takes_its_job_along_and_is_named() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    let running = until(&mut client, &id, "RUNNING");
    let slurm_id = running["job"]["slurmJobId"].as_str().unwrap();
    let node = slurm(&["squeue", "-h", "-j", slurm_id, "-o", "%N"]);
    let down = Down::now(node.trim());
    let told = client.wait_for_status(&id, "FAILED", PATIENCE);
    assert_eq!(told["slurmState"], "NODE_FAIL", "{told}");
    assert_eq!(told["cause"]["code"], "nodeFail", "{told}");
    drop(down);
    // Another attempt runs as soon as there is a node.
    client.request("submit", json!({ "jobId": id })).unwrap();
    until(&mut client, &id, "RUNNING");
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
    assert_eq!(
        statuses(&mut client, &id),
        [
            "CREATED",
            "PENDING",
            "RUNNING",
            "FAILED",
            "CREATED",
            "PENDING",
            "RUNNING",
            "CANCELLED"
        ]
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_server_killed_mid_job_finds_it_finished() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.kill();
    let mut client = rig.client();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    let path = statuses(&mut client, &id);
    assert_eq!(
        (
            path.first().unwrap().as_str(),
            path.last().unwrap().as_str()
        ),
        ("CREATED", "COMPLETED")
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn sshd_killed_mid_job_is_noticed_and_repaired() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    ctl(&["sshd-kill"]);
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "unavailable"
    });
    client.forget_news();
    let job = client.request("jobStatus", json!({ "jobId": id })).unwrap();
    assert_eq!(job["job"]["status"], "RUNNING");
    ctl(&["start", "sshd"]);
    client.expect_notification("clusterStatusChanged", PATIENCE, |params| {
        params["status"]["health"] == "ok"
    });
    client
        .request("deleteJob", json!({ "jobId": id, "remoteFiles": true }))
        .unwrap();
}

/// Kills the program at a named point of a submission, and says what Slurm and the program have in
/// the end.
fn killed_at(point: &str, more: Value) -> (Vec<String>, Vec<String>) {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", more);
    client.close();
    let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", point)]);
    client.send_request("submit", json!({ "jobId": id }));
    client.wait_for_death(PATIENCE);
    // The next start takes the submission up by itself. A submission whose answer was lost may
    // only be looked for; one that was never sent may be sent.
    let mut client = rig.client_with(&[("NAMDRUNNER_GRACE_SECONDS", "3")]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let job = client
            .request("jobStatus", json!({ "jobId": id, "sync": true }))
            .unwrap();
        let (status, phase) = (&job["job"]["status"], &job["job"]["phase"]);
        if phase == "unconfirmed" {
            client
                .request("submit", json!({ "jobId": id, "wait": true }))
                .unwrap();
        }
        if status == "COMPLETED" {
            break;
        }
        assert!(Instant::now() < deadline, "{point}: {job}");
        client.wait_for_any_notification(Duration::from_secs(1));
    }
    let path = statuses(&mut client, &id);
    (
        submissions_below(&format!("{}/{id}", rig.scratch_root)),
        path,
    )
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_at_any_point_of_a_submission_it_runs_exactly_once() {
    for point in ["submit-asked", "submit-sent", "submit-answered"] {
        let (in_slurm, path) = killed_at(point, json!({}));
        assert_eq!(in_slurm.len(), 1, "{point}: Slurm had {in_slurm:?}");
        assert_eq!(path.first().unwrap(), "CREATED", "{point}: {path:?}");
        assert_eq!(path.last().unwrap(), "COMPLETED", "{point}: {path:?}");
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_at_any_point_of_an_array_s_submission_each_member_runs_exactly_once() {
    for point in ["submit-sent", "submit-answered"] {
        let (in_slurm, path) = killed_at(point, json!({ "array": "0-2" }));
        // Slurm counts the members of one submission.
        assert_eq!(in_slurm.len(), 3, "{point}: Slurm had {in_slurm:?}");
        assert_eq!(path.last().unwrap(), "COMPLETED", "{point}: {path:?}");
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_during_creation_the_job_exists_completely_or_not_at_all() {
    for (point, expected) in [("create-intended", 0), ("create-uploaded", 1)] {
        let rig = Rig::new();
        let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", point)]);
        let params = json!({ "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"] });
        client.send_request("createJob", params);
        client.wait_for_death(PATIENCE);
        let mut client = rig.client();
        let deadline = Instant::now() + PATIENCE;
        loop {
            client
                .request("syncAll", json!({ "cluster": "test" }))
                .unwrap();
            let jobs = client.request("listJobs", json!({})).unwrap();
            let jobs = jobs["jobs"].as_array().unwrap().clone();
            let left = std::fs::read_dir(&rig.project_root)
                .map(|dir| {
                    dir.flatten()
                        .map(|e| e.file_name().into_string().unwrap())
                        .collect::<Vec<_>>()
                })
                .unwrap_or_default();
            if jobs.len() == expected && left.len() == expected {
                if let Some(job) = jobs.first() {
                    assert_eq!(job["status"], "CREATED");
                    let id = job["jobId"].as_str().unwrap().to_owned();
                    client
                        .request("submit", json!({ "jobId": id, "wait": true }))
                        .unwrap();
                    client.wait_for_status(&id, "COMPLETED", PATIENCE);
                }
                break;
            }
            assert!(Instant::now() < deadline, "{point}: {jobs:?} {left:?}");
            client.wait_for_any_notification(Duration::from_secs(1));
        }
    }
}

/// A slurmctld that forgets ended jobs within seconds and keeps no records; the usual one again when
/// dropped.
struct Forgetful;

impl Forgetful {
    fn now() -> Self {
        ctl(&["accounting", "off"]);
        ctl(&["conf", "MinJobAge=2"]);
        Self
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        ctl(&["conf", "MinJobAge=300"]);
        ctl(&["accounting", "on"]);
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn where_slurm_remembers_nothing_only_the_job_itself_or_nobody_tells_its_end() {
    let _forgetful = Forgetful::now();
    // (The rule is ten minutes; nobody waits that long here.)
    let rig = Rig::with("[clusters.test.absence]\nanswers = 3\nminutes = 0");
    let mut client = rig.client();
    let finishing = rig.launch(&mut client, "water.namd", json!({}));
    let failing = rig.launch(&mut client, "exits.namd", json!({}));
    let vanishing = rig.launch(
        &mut client,
        "lingers.namd",
        json!({ "resources": { "partition": "down" } }),
    );
    let overdue = rig.launch(&mut client, "lingers.namd", json!({}));
    let stopped = rig.launch(&mut client, "lingers.namd", json!({}));
    let mut slurm_id = |id: &str, status: &str| {
        let job = client.wait_for_status(id, status, PATIENCE);
        job["slurmJobId"].as_str().unwrap().to_owned()
    };
    let waits = slurm_id(&vanishing, "PENDING");
    let (late, early) = (slurm_id(&overdue, "RUNNING"), slurm_id(&stopped, "RUNNING"));
    client.kill();
    // Everything ends while nobody looks, and is forgotten.
    ctl(&["slurm", "scancel", &waits, &early]);
    ctl(&["time-out", &late]);
    let deadline = Instant::now() + PATIENCE * 2;
    while !slurm(&["squeue", "-h", "-t", "all", "-o", "%Z"])
        .lines()
        .all(|dir| !dir.starts_with(&rig.scratch_root))
    {
        assert!(Instant::now() < deadline, "slurmctld does not forget");
        pause(Duration::from_millis(500));
    }
    let mut client = rig.client();
    // Two left an end marker of their own.
    let told = client.wait_for_status(&finishing, "COMPLETED", PATIENCE);
    assert_eq!(told["observed"]["source"], "marker", "{told}");
    let told = client.wait_for_status(&failing, "FAILED", PATIENCE);
    assert_eq!(told["exitCode"], 3, "{told}");
    // Two were ended by Slurm, which said why in their output: their markers know a signal only.
    for (id, status, cause, words) in [
        (&overdue, "FAILED", "timeLimit", "DUE TO TIME LIMIT ***"),
        (&stopped, "CANCELLED", "cancelled", "CANCELLED AT"),
    ] {
        let told = client.wait_for_status(id, status, PATIENCE);
        assert_eq!(told["observed"]["source"], "log", "{told}");
        assert_eq!(told["cause"]["code"], cause, "{told}");
        let history = client
            .request("jobHistory", json!({ "jobId": id }))
            .unwrap();
        let last = history["entries"].as_array().unwrap().last().unwrap();
        let line = last["evidence"].as_str().unwrap();
        assert!(
            line.starts_with("slurmstepd") && line.contains(words),
            "{last}"
        );
    }
    // One never ran: nobody knows what became of it, and nothing is made up.
    let told = client.wait_for_status(&vanishing, "UNKNOWN", PATIENCE);
    assert!(
        told["exitCode"].is_null() && told["cause"].is_null(),
        "{told}"
    );
    let history = client
        .request("jobHistory", json!({ "jobId": vanishing }))
        .unwrap();
    let last = history["entries"].as_array().unwrap().last().unwrap();
    assert!(
        last["evidence"]
            .as_str()
            .unwrap()
            .contains("no other witness"),
        "{last}"
    );
}

/// A slurmctld that takes arrays of ten thousand; the usual one again when dropped.
struct Roomy;

impl Roomy {
    fn now() -> Self {
        ctl(&["conf", "MaxArraySize=10001", "MaxJobCount=30000"]);
        Self
    }
}

impl Drop for Roomy {
    fn drop(&mut self) {
        ctl(&["conf", "MaxArraySize=", "MaxJobCount="]);
    }
}

/// Gives each member a row of its own in the queue, as holding or requeueing it would.
fn split(array: &str, members: u32) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/ctl.sh");
    let mut scontrol = std::process::Command::new("bash")
        .arg(script)
        .args(["slurm", "scontrol"])
        .env("NAMDRUNNER_TEST_CLUSTER", cluster_env("NRT_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = scontrol.stdin.take().unwrap();
    for member in 0..members {
        writeln!(input, "update jobid={array}_{member} nice=1").unwrap();
    }
    drop(input);
    assert!(scontrol.wait().unwrap().success());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn ten_thousand_members_each_with_a_row_are_looked_at_in_bounds() {
    const MEMBERS: u32 = 10_000;
    let _roomy = Roomy::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let port = cluster_env("NRT_SSH_PORT").parse().unwrap();
    let proxy = runtime
        .block_on(Proxy::start(port, Duration::ZERO))
        .unwrap();
    let rig = Rig::new();
    // No look but those that are asked for.
    rig.configure(&proxy.port().to_string(), "");
    let text = std::fs::read_to_string(rig.home().join("config/config.toml")).unwrap();
    let text = text.replace("sync_interval = 1\n", "sync_interval = 3600\n");
    std::fs::write(rig.home().join("config/config.toml"), text).unwrap();
    let mut client = rig.client();
    let id = rig.launch(
        &mut client,
        "water.namd",
        json!({ "array": "0-9999", "resources": { "partition": "down" } }),
    );
    let slurm_id = client.wait_for_status(&id, "PENDING", PATIENCE)["slurmJobId"].clone();
    let slurm_id = slurm_id.as_str().unwrap();
    let mut look = |what: &str| {
        let (took, bytes) = loop {
            // A look younger than five seconds would answer, such as the early one of a submission.
            pause(Duration::from_secs(6));
            let before = proxy.delivered();
            let begun = Instant::now();
            let synced = client
                .request("syncAll", json!({ "cluster": "test" }))
                .unwrap();
            assert!(synced["clusters"][0]["error"].is_null(), "{synced}");
            let bytes = proxy.delivered() - before;
            if bytes > 0 {
                break (begun.elapsed(), bytes);
            }
        };
        let begun = Instant::now();
        let rows = slurm(&["squeue", "-h", "-t", "all", "-o", "%i|%T|%k|%Z"]);
        let (bare, rows) = (begun.elapsed(), rows.lines().count());
        println!(
            "{what}: {took:.0?} and {bytes} bytes; {rows} rows, squeue alone {bare:.0?}, ratio {:.1}",
            took.as_secs_f64() / bare.as_secs_f64()
        );
        // Loose: this machine does other things as well.
        assert!(
            took < bare * 40 + Duration::from_secs(10),
            "{what}: {took:?}"
        );
        bytes
    };
    let together = look("ten thousand in one row");
    assert!(together < 100_000, "{together} bytes");
    split(slurm_id, MEMBERS - 1);
    for what in ["each with a row", "the same again"] {
        let apart = look(what);
        assert!(apart < u64::from(MEMBERS) * 500, "{apart} bytes");
    }
    let job = client.request("jobStatus", json!({ "jobId": id })).unwrap();
    assert_eq!(
        job["job"]["memberCounts"]["pending"], MEMBERS,
        "{}",
        job["job"]["memberCounts"]
    );
    let begun = Instant::now();
    client.request("cancel", json!({ "jobId": id })).unwrap();
    let told = client.wait_for_status(&id, "CANCELLED", PATIENCE * 2);
    println!("all cancelled after {:.0?}", begun.elapsed());
    assert_eq!(told["memberCounts"]["cancelled"], MEMBERS);
}
