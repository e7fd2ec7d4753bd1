//! Results after the end, on a real cluster: from scratch to the project directory, whatever happens
//! meanwhile.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::disks::Disk;
use super::proxy::Proxy;
use super::rig::{Client, PATIENCE, Rig, cluster_env, until};

fn results(client: &mut Client, id: &str, state: &str) -> Value {
    client.expect_notification("jobProgress", PATIENCE, |params| {
        params["jobId"] == id && params["results"]["state"] == state
    })["results"]
        .clone()
}

fn job(client: &mut Client, id: &str) -> Value {
    client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone()
}

/// What the run wrote is in the project directory as it is on scratch, and nothing beside it.
fn assert_collected(job: &Value) {
    let project = job["projectDir"].as_str().unwrap();
    let scratch = job["scratchDir"].as_str().unwrap();
    let mut count = 0;
    for name in [
        "water_equil.coor",
        "water_equil.vel",
        "water_equil.xsc",
        "water_equil.restart.coor",
    ] {
        let kept = format!("{project}/outputs/1/equil/{name}");
        let made = format!("{scratch}/1/equil/{name}");
        let kept = std::fs::read(&kept).unwrap_or_else(|why| panic!("{kept}: {why}"));
        assert_eq!(kept, std::fs::read(&made).unwrap(), "{name}");
        count += 1;
    }
    assert_eq!(count, 4);
    assert_eq!(
        std::fs::read(format!("{project}/logs/1/equil/water.log")).unwrap(),
        std::fs::read(format!("{scratch}/1/equil/water.log")).unwrap()
    );
    let found = Command::new("find")
        .args([project, "-name", "*.collecting*"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        "",
        "nothing is left over"
    );
    // Inputs are kept once.
    assert!(!Path::new(&format!("{project}/outputs/1/common/water.psf")).exists());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_program_that_dies_while_it_collects_goes_on_with_it() {
    for place in ["closing-told", "collecting", "collected"] {
        let rig = Rig::new();
        let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", place)]);
        let id = rig.launch(&mut client, "water.namd", json!({}));
        client.wait_for_death(PATIENCE);
        // Whatever was under way: the next one takes it up by itself.
        let mut client = rig.client();
        let told = results(&mut client, &id, "copied");
        assert!(told["files"].as_u64() > Some(5), "{place}: {told}");
        let job = job(&mut client, &id);
        assert_eq!(job["status"], "COMPLETED", "{place}");
        assert_eq!(job["results"], told, "{place}");
        assert_collected(&job);
        // Nothing is paused: asking changes nothing.
        client.request("retryStep", json!({ "jobId": id })).unwrap();
        assert_eq!(self::job(&mut client, &id)["results"], told);
        client.close();
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_link_that_breaks_while_it_collects_is_no_failure() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let port = cluster_env("NRT_SSH_PORT").parse().unwrap();
    let proxy = runtime
        .block_on(Proxy::start(port, Duration::ZERO))
        .unwrap();
    let rig = Rig::new();
    rig.reach_through(proxy.port());
    let mut client = rig.client();
    let id = rig.launch(&mut client, "water.namd", json!({}));
    // The command is on its way, or on the cluster, where it waits for two seconds: it is cut off, and
    // for a while nothing gets through.
    results(&mut client, &id, "copying");
    proxy.refuse(true);
    proxy.cut();
    let job = job(&mut client, &id);
    assert_eq!(job["status"], "COMPLETED");
    proxy.refuse(false);
    client
        .request("connect", json!({ "cluster": "test" }))
        .unwrap();
    results(&mut client, &id, "copied");
    let job = self::job(&mut client, &id);
    assert_eq!(job["results"].get("reason"), None, "{job}");
    assert_collected(&job);
    client.close();
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_scratch_directory_that_was_purged_is_told() {
    let rig = Rig::new();
    let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", "collecting")]);
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.wait_for_death(PATIENCE);
    std::fs::remove_dir_all(format!("{}/{id}", rig.scratch_root)).unwrap();
    let mut client = rig.client();
    let told = client.expect_notification("jobProgress", PATIENCE, |params| {
        params["jobId"] == id && params["results"]["reason"].is_string()
    })["results"]
        .clone();
    assert_eq!(told["state"], "none", "{told}");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("is not there any more"), "{reason}");
    let job = job(&mut client, &id);
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(job["results"], told);
    client.close();
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_scratch_file_system_that_is_not_mounted_is_waited_for() {
    let rig = Rig::new();
    let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", "collecting")]);
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.wait_for_death(PATIENCE);
    let away = format!("{}-away", rig.scratch_root);
    std::fs::rename(&rig.scratch_root, &away).unwrap();
    let mut client = rig.client();
    let told = client.expect_notification("jobProgress", PATIENCE, |params| {
        params["jobId"] == id && params["results"]["reason"].is_string()
    })["results"]
        .clone();
    assert!(
        told["reason"].as_str().unwrap().contains("mounted?"),
        "{told}"
    );
    std::fs::rename(&away, &rig.scratch_root).unwrap();
    // By itself: it is tried again with growing pauses.
    results(&mut client, &id, "copied");
    assert_collected(&job(&mut client, &id));
    client.close();
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_full_project_disk_is_told_in_figures_and_gone_on_from() {
    let rig = Rig::new();
    let disk = Disk::at(&rig.project_root, "size=1m");
    let mut client = rig.client();
    let id = rig.create(&mut client, "water.namd", json!({}));
    // Somebody fills what is left, but for the job's own small files.
    let filler = format!("{}/filler", rig.project_root);
    let done = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "free=$(df -Pk '{0}' | awk 'NR == 2 {{ print $4 }}'); head -c $(((free - 16) * 1024)) /dev/zero >'{filler}'",
            rig.project_root
        ))
        .status()
        .unwrap();
    assert!(done.success());
    client
        .request("submit", json!({ "jobId": id, "wait": true }))
        .unwrap();
    until(&mut client, &id, "COMPLETED");
    let told = client.expect_notification("jobProgress", PATIENCE, |params| {
        params["jobId"] == id && params["results"]["reason"].is_string()
    })["results"]
        .clone();
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("no room"), "{reason}");
    disk.grow();
    client.request("retryStep", json!({ "jobId": id })).unwrap();
    results(&mut client, &id, "copied");
    assert_collected(&job(&mut client, &id));
    client.close();
}
