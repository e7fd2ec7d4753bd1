//! Disks that are full, and directories that may not be written to: for the upload, and for the
//! copy that a submission makes. Nothing is left half-made, the message says what to do, and when it
//! is done the same job goes on.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::rig::{PATIENCE, Rig, cluster_env, submissions_below};

/// A small disk of the test user's, mounted until dropped. (These tests run as root.)
pub struct Disk(String);

impl Disk {
    pub fn at(place: &str, limit: &str) -> Self {
        std::fs::create_dir_all(place).unwrap();
        let user = cluster_env("NRT_SSH_USER");
        let id = |kind: &str| {
            let output = Command::new("id")
                .args([kind, user.as_str()])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let options = format!("{limit},uid={},gid={}", id("-u"), id("-g"));
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", place]);
        Self(place.to_owned())
    }

    /// More room: somebody has cleared up.
    pub fn grow(&self) {
        run(
            "mount",
            &["-o", "remount,size=64m,nr_inodes=10000", &self.0],
        );
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0]);
    }
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
}

fn names(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn assert_says(error: &Value, kind: &str, part: &str) {
    assert_eq!(error["data"]["kind"], kind, "{error}");
    assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    assert!(
        error["data"]["hint"]
            .as_str()
            .is_some_and(|hint| !hint.is_empty())
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_full_disk_refuses_the_upload_and_leaves_nothing() {
    let rig = Rig::new();
    let mut client = rig.client();
    let params = json!({ "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"] });
    // Bytes run out in the middle of a file; then there are no files to be had any more.
    for limit in ["size=64k", "nr_inodes=6"] {
        let disk = Disk::at(&rig.project_root, limit);
        let error = client.request("createJob", params.clone()).unwrap_err();
        assert_says(&error, "quota", "No space left on device");
        assert_eq!(names(&rig.project_root), [""; 0], "{limit}");
        let jobs = client.request("listJobs", json!({})).unwrap();
        assert_eq!(jobs["jobs"], json!([]));
        disk.grow();
        let created = client.request("createJob", params.clone()).unwrap();
        let id = created["job"]["jobId"].as_str().unwrap();
        assert_eq!(names(&rig.project_root), [id]);
        client
            .request("deleteJob", json!({ "jobId": id, "remoteFiles": true }))
            .unwrap();
        assert_eq!(names(&rig.project_root), [""; 0]);
    }
    client.close();
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_full_disk_refuses_the_submission_and_the_job_goes_on_when_there_is_room() {
    for limit in ["size=64k", "size=8k", "nr_inodes=9"] {
        let rig = Rig::new();
        let mut client = rig.client();
        let disk = Disk::at(&rig.scratch_root, limit);
        let id = rig.create(&mut client, "water.namd", json!({}));
        let ask = json!({ "jobId": id, "wait": true });
        // Again and again, until somebody clears up.
        for _ in 0..2 {
            let error = client.request("submit", ask.clone()).unwrap_err();
            assert_says(&error, "quota", "No space left on device");
            let job = client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone();
            assert_eq!(job["status"], "CREATED", "{job}");
            assert_eq!(job["errorInfo"]["kind"], "quota", "{job}");
        }
        disk.grow();
        client.request("submit", ask).unwrap();
        client.wait_for_status(&id, "COMPLETED", PATIENCE);
        let below = format!("{}/{id}", rig.scratch_root);
        assert_eq!(submissions_below(&below).len(), 1, "{limit}");
        client.close();
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_root_that_may_not_be_written_to_is_named() {
    let rig = Rig::new();
    let mut client = rig.client();
    let user = cluster_env("NRT_SSH_USER");
    // Root's own: the test user may look and not write.
    for root in [&rig.project_root, &rig.scratch_root] {
        std::fs::create_dir_all(root).unwrap();
    }
    let params = json!({ "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"] });
    let error = client.request("createJob", params.clone()).unwrap_err();
    assert_says(&error, "transferFailed", "Permission denied");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains(&rig.project_root),
        "{error}"
    );
    run("chown", &[&user, &rig.project_root]);

    let id = rig.create(&mut client, "water.namd", json!({}));
    let ask = json!({ "jobId": id, "wait": true });
    let error = client.request("submit", ask.clone()).unwrap_err();
    assert_says(&error, "transferFailed", "Permission denied");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains(&rig.scratch_root),
        "{error}"
    );
    assert!(Path::new(&rig.scratch_root).exists());
    run("chown", &[&user, &rig.scratch_root]);
    client.request("submit", ask).unwrap();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    client.close();
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_disk_that_went_read_only_is_named() {
    let rig = Rig::new();
    let mut client = rig.client();
    let disk = Disk::at(&rig.project_root, "size=8m");
    run("mount", &["-o", "remount,ro", &disk.0]);
    let params = json!({ "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"] });
    let error = client.request("createJob", params).unwrap_err();
    assert_says(&error, "transferFailed", "Read-only file system");
    run("mount", &["-o", "remount,rw", &disk.0]);
    let id = rig.create(&mut client, "water.namd", json!({}));
    // Deleting is refused as well, and the job is still there.
    run("mount", &["-o", "remount,ro", &disk.0]);
    let ask = json!({ "jobId": id, "remoteFiles": true });
    let error = client.request("deleteJob", ask.clone()).unwrap_err();
    assert_says(&error, "remoteCommandFailed", "Read-only file system");
    client.request("jobStatus", json!({ "jobId": id })).unwrap();
    run("mount", &["-o", "remount,rw", &disk.0]);
    client.request("deleteJob", ask).unwrap();
    assert_eq!(names(&rig.project_root), [""; 0]);
    client.close();
}
