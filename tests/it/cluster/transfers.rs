//! Large inputs: sent once, found again after a crash, not sent when an earlier job has them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::proxy::Proxy;
use super::rig::{PATIENCE, Rig, cluster_env};

const LARGE: usize = 24_000_000;

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A rig behind a proxy that counts, with inputs beside the config: a large one, a middling one.
fn rig() -> (tokio::runtime::Runtime, Proxy, Rig) {
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
    rig.reach_through(proxy.port());
    let inputs = rig.config("it's big.dcd");
    std::fs::write(&inputs, noise(LARGE)).unwrap();
    std::fs::write(rig.config("table.dat"), noise(600_000)).unwrap();
    let tool = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(rig.config("table.dat"), tool).unwrap();
    (runtime, proxy, rig)
}

fn asked(rig: &Rig) -> Value {
    json!({
        "configPath": rig.config("water.namd"),
        "inputs": ["it's big.dcd", "table.dat"],
    })
}

fn action(preview: &Value, name: &str) -> String {
    let files = preview["files"].as_array().unwrap();
    let file = files
        .iter()
        .find(|file| file["remote"].as_str().unwrap().ends_with(name));
    file.unwrap()["action"].as_str().unwrap().to_owned()
}

fn arrived(job: &Value, rig: &Rig) {
    let project = Path::new(job["projectDir"].as_str().unwrap());
    for name in ["it's big.dcd", "table.dat"] {
        let there = std::fs::read(project.join("input_files/equil").join(name)).unwrap();
        assert!(there == std::fs::read(rig.config(name)).unwrap(), "{name}");
    }
    let mode = std::fs::metadata(project.join("input_files/equil/table.dat")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o111, 0o111);
    let sums = std::fs::read_to_string(project.join("sha256sums")).unwrap();
    assert!(sums.contains("it's big.dcd"), "{sums}");
    let checked = std::process::Command::new("sha256sum")
        .args(["-c", "--quiet", "--strict", "sha256sums"])
        .current_dir(project)
        .status();
    assert!(checked.unwrap().success());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn what_an_earlier_job_has_is_not_sent_again() {
    let (_runtime, proxy, rig) = rig();
    let mut client = rig.client();
    let preview = client.request("previewJob", asked(&rig)).unwrap();
    assert_eq!(action(&preview, "big.dcd"), "upload");
    let mut with_token = asked(&rig);
    with_token["workDoneToken"] = json!("up");
    let first = client.request("createJob", with_token).unwrap()["job"].clone();
    let sent = proxy.delivered();
    assert!(sent > LARGE as u64, "{sent}");
    arrived(&first, &rig);
    let staging = format!("{}/.namdrunner/staging", rig.project_root);
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 0);

    let preview = client.request("previewJob", asked(&rig)).unwrap();
    assert_eq!(action(&preview, "big.dcd"), "reuse");
    assert_eq!(action(&preview, "table.dat"), "reuse");
    assert!(
        preview["totalBytes"].as_u64().unwrap() < 500_000,
        "{preview}"
    );
    let before = proxy.delivered();
    let second = client.request("createJob", asked(&rig)).unwrap()["job"].clone();
    arrived(&second, &rig);
    let sent = proxy.delivered() - before;
    assert!(sent < 500_000, "{sent}");

    // An edit of one job's files is not one of the other's, and is found out.
    let theirs = format!(
        "{}/input_files/equil/it's big.dcd",
        second["projectDir"].as_str().unwrap()
    );
    let mine = first["projectDir"].as_str().unwrap();
    let spoilt = std::fs::OpenOptions::new()
        .write(true)
        .open(&theirs)
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&spoilt, b"spoilt", 5).unwrap();
    drop(spoilt);
    arrived(&first, &rig);
    let third = client.request("createJob", asked(&rig)).unwrap()["job"].clone();
    arrived(&third, &rig);

    // A changed file is sent, and so is one that is gone there.
    std::fs::write(rig.config("it's big.dcd"), noise(LARGE - 1)).unwrap();
    for job in [mine, third["projectDir"].as_str().unwrap()] {
        std::fs::remove_file(format!("{job}/input_files/equil/table.dat")).unwrap();
    }
    std::fs::remove_file(format!(
        "{}/input_files/equil/table.dat",
        second["projectDir"].as_str().unwrap()
    ))
    .unwrap();
    let preview = client.request("previewJob", asked(&rig)).unwrap();
    assert_eq!(action(&preview, "big.dcd"), "upload");
    assert_eq!(action(&preview, "table.dat"), "upload");
    let fourth = client.request("createJob", asked(&rig)).unwrap()["job"].clone();
    arrived(&fourth, &rig);
    client.close();
}

/// Whether a process of this machine has a file open.
fn is_open(file: &std::path::Path) -> bool {
    let listed = |dir: &std::path::Path| {
        // A process that ends meanwhile has nothing open.
        std::fs::read_dir(dir).into_iter().flatten().flatten()
    };
    listed("/proc".as_ref())
        .flat_map(|process| listed(&process.path().join("fd")))
        .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == file))
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_upload_goes_on_after_its_process_was_killed() {
    let (_runtime, proxy, rig) = rig();
    // Several sessions write, and not in order: of what may be on its way no block need be whole.
    std::fs::write(rig.config("it's big.dcd"), noise(60_000_000)).unwrap();
    let mut client = rig.client();
    client
        .request("connect", json!({ "cluster": "test" }))
        .unwrap();
    // The network goes in the middle, and then the process.
    let before = proxy.delivered();
    proxy.cut_after(before + 45_000_000);
    client.send_request("createJob", asked(&rig));
    let staging = format!("{}/.namdrunner/staging", rig.project_root);
    let deadline = std::time::Instant::now() + PATIENCE;
    while proxy.delivered() < before + 45_000_000 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    proxy.refuse(true);
    client.kill();
    proxy.refuse(false);
    proxy.cut_after(0);
    let left: Vec<_> = std::fs::read_dir(&staging)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    // What had arrived is still being written, and a part that was written to just now could be
    // another process' own.
    while is_open(&left[0]) {
        assert!(std::time::Instant::now() < deadline, "{left:?} stays open");
        std::thread::yield_now();
    }
    let aged = std::process::Command::new("touch")
        .args(["-d", "5 minutes ago"])
        .arg(&left[0])
        .status();
    assert!(aged.unwrap().success());
    let before = proxy.delivered();
    let mut client = rig.client();
    let job = client.request("createJob", asked(&rig)).unwrap()["job"].clone();
    arrived(&job, &rig);
    let sent = proxy.delivered() - before;
    assert!(sent < 45_000_000, "{sent}");
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 0);
    client.close();
}

#[test]
#[ignore = "needs tests/run.sh"]
fn results_come_home() {
    let (_runtime, proxy, rig) = rig();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    let listed = client.request("listFiles", json!({ "jobId": id })).unwrap();
    let files = listed["files"].as_array().unwrap();
    let of = |path: &str| {
        let found = files.iter().find(|file| file["path"] == path);
        found.unwrap_or_else(|| panic!("no {path} in {listed:#}"))
    };
    assert_eq!(of("equil/water.log")["role"], "log");
    assert_eq!(of("equil/water.log")["attempt"], 1);
    assert_eq!(of("equil/water_equil.coor")["role"], "restart");
    assert_eq!(of("common/water.psf")["role"], "structure");
    assert_eq!(of("common/water.psf")["input"], true);
    assert_eq!(of("common/water.psf")["place"], "project");
    assert_eq!(of(".namdrunner/job.sbatch")["role"], "control");

    let to = rig.home().join("results");
    let asked = json!({ "jobId": id, "to": to });
    let got = client.request("download", asked.clone()).unwrap();
    let fetched = got["files"].as_array().unwrap();
    assert!(
        fetched.iter().all(|file| file["fetched"] == true),
        "{got:#}"
    );
    for file in fetched {
        let near = std::fs::metadata(file["local"].as_str().unwrap()).unwrap();
        assert_eq!(near.len(), file["bytes"].as_u64().unwrap());
    }
    let log = std::fs::read_to_string(to.join("equil/water.log")).unwrap();
    assert!(log.contains("WallClock"), "{log}");
    assert!(
        !to.join("common/water.psf").exists(),
        "inputs stay where they are"
    );
    // What is here is not fetched again.
    let before = proxy.delivered();
    let again = client.request("download", asked).unwrap();
    let files = again["files"].as_array().unwrap();
    assert!(
        files.iter().all(|file| file["fetched"] == false),
        "{again:#}"
    );
    assert!(proxy.delivered() - before < 200_000);
    // Patterns name files, inputs among them; one that matches nothing is told.
    let asked = json!({ "jobId": id, "to": to, "patterns": ["*.psf", "equil/*.xsc"] });
    client.request("download", asked).unwrap();
    assert!(to.join("common/water.psf").exists());
    let wrong = json!({ "jobId": id, "to": to, "patterns": ["*.nothing"] });
    let error = client.request("download", wrong).unwrap_err();
    assert!(
        error["message"].as_str().unwrap().contains("patterns"),
        "{error}"
    );
    client.close();
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_upload_that_is_cancelled_ends_at_once_and_leaves_nothing() {
    let (_runtime, proxy, rig) = rig();
    proxy.set_delay(Duration::from_millis(20));
    let mut client = rig.client();
    let connected = client.request("connect", json!({ "cluster": "test" }));
    connected.unwrap();
    let before = proxy.delivered();
    let asks = client.start("createJob", vec![asked(&rig)]);
    let deadline = std::time::Instant::now() + PATIENCE;
    while proxy.delivered() < before + 4_000_000 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    let begun = std::time::Instant::now();
    client.notify("$/cancelRequest", json!({ "id": asks[0] }));
    let answer = client.answers(asks, PATIENCE).remove(0).unwrap();
    let error = answer.expect_err("it was in the middle of 24 MB");
    assert_eq!(error["code"], -32800, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(proxy.delivered() < before + LARGE as u64);
    let listed = client.request("listJobs", json!({})).unwrap();
    assert_eq!(listed["jobs"], json!([]));
    let left: Vec<_> = [&rig.project_root, &rig.scratch_root]
        .into_iter()
        .filter_map(|root| std::fs::read_dir(root).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.file_name()))
        .filter(|name| name != ".namdrunner")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let staging = format!("{}/.namdrunner/staging", rig.project_root);
    let staged = std::fs::read_dir(&staging).map_or(0, Iterator::count);
    assert_eq!(staged, 0);
    // It is safe to repeat.
    proxy.set_delay(Duration::ZERO);
    let job = client.request("createJob", asked(&rig)).unwrap()["job"].clone();
    arrived(&job, &rig);
    client.close();
}

/// A small file system; unmounted when dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: std::path::PathBuf) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(&at)
            .status();
        assert!(mounted.unwrap().success());
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_full_disk_at_home_is_called_so() {
    let (_runtime, _proxy, rig) = rig();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    let small = Small::mount(rig.home().join("small"));
    let others = small.0.join("others");
    let full = std::fs::write(&others, vec![0; 4 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let to = small.0.join("results");
    let ask = json!({ "jobId": id, "to": to });
    let error = client.request("download", ask.clone()).unwrap_err();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("No space left on device"), "{error}");
    assert!(message.contains("small"), "the place is named: {error}");
    std::fs::remove_file(others).unwrap();
    let got = client.request("download", ask).unwrap();
    for file in got["files"].as_array().unwrap() {
        let near = std::fs::metadata(file["local"].as_str().unwrap()).unwrap();
        assert_eq!(near.len(), file["bytes"].as_u64().unwrap());
    }
    let hidden = std::fs::read_dir(to.join("equil")).unwrap().flatten();
    let hidden = hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "nothing half-made is left");
    client.close();
}
