//! What a cluster test stands on: a home whose config.toml names the test cluster, a simulation to
//! run, and a client of the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client as Wire;

/// How long anything on the test cluster may take before a test gives up. Slurm starts a job within
/// a second or two; a loaded machine is given plenty.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A variable that `tests/run.sh` sets.
pub fn cluster_env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run.sh"))
}

/// One test's home and simulation.
pub struct Rig {
    dir: tempfile::TempDir,
    /// Roots of this test alone, on the cluster.
    pub project_root: String,
    pub scratch_root: String,
}

impl Rig {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With further lines in the cluster's table.
    pub fn with(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = dir
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('.', "");
        let rig = Self {
            project_root: format!("{}/{own}", cluster_env("NRT_PROJECT_ROOT")),
            scratch_root: format!("{}/{own}", cluster_env("NRT_SCRATCH_ROOT")),
            dir,
        };
        rig.configure(&cluster_env("NRT_SSH_PORT"), lines);
        rig.write_simulation();
        rig
    }

    /// Writes config.toml; the cluster is reached through `port` (a test's own proxy, perhaps).
    pub fn configure(&self, port: &str, lines: &str) {
        let config = self.home().join("config");
        std::fs::create_dir_all(&config).unwrap();
        // The same keys, at whatever port they are met.
        let known_hosts = std::fs::read_to_string(cluster_env("NRT_KNOWN_HOSTS"))
            .unwrap()
            .replace(&cluster_env("NRT_SSH_PORT"), port);
        std::fs::write(config.join("known_hosts"), known_hosts).unwrap();
        let text = format!(
            r#"default_cluster = "test"
[clusters.test]
host = "127.0.0.1"
port = {port}
user = "{user}"
identity_files = ["{key}"]
known_hosts = ["{known_hosts}"]
scheduler = "slurm"
project_root = "{project}"
scratch_root = "{scratch}"
launch = "sh equil/namd-stand-in +p1 {{config}} > {{log}} 2>&1"
sync_interval = 1
{lines}
[clusters.test.resources]
ntasks = 1
walltime = "5m"
memory = "100M"
"#,
            user = cluster_env("NRT_SSH_USER"),
            key = cluster_env("NRT_SSH_KEY"),
            known_hosts = config.join("known_hosts").display(),
            project = self.project_root,
            scratch = self.scratch_root,
        );
        std::fs::write(config.join("config.toml"), text).unwrap();
    }

    /// The cluster is reached through a proxy, whose port is another name for the same host keys.
    pub fn reach_through(&self, port: u16) {
        self.configure(&port.to_string(), "");
    }

    /// What the program has written into its log.
    pub fn log(&self) -> String {
        let files = std::fs::read_dir(self.home().join("state")).unwrap();
        files
            .flatten()
            .filter_map(|file| std::fs::read_to_string(file.path()).ok())
            .collect()
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The simulation that the program ships, with the stand-in beside its config.
    fn write_simulation(&self) {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo");
        let variants = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo");
        let work = self.dir.path().join("water");
        let copy = |from: PathBuf, to: &str| {
            let to = work.join(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&from, to).unwrap_or_else(|why| panic!("{}: {why}", from.display()));
        };
        copy(demo.join("namd-stand-in"), "equil/namd-stand-in");
        copy(demo.join("water/equil/water.namd"), "equil/water.namd");
        for name in ["water.psf", "water.pdb", "tip3p.prm"] {
            copy(
                demo.join("water/common").join(name),
                &format!("common/{name}"),
            );
        }
        for entry in std::fs::read_dir(variants).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if Path::new(&name)
                .extension()
                .is_some_and(|ending| ending == "namd" || ending == "tcl")
            {
                copy(entry.path(), &format!("equil/{name}"));
            }
        }
    }

    /// A config of the simulation: `water.namd` runs to its end, `exits.namd` ends with code 3,
    /// `lingers.namd` runs for hours.
    pub fn config(&self, name: &str) -> PathBuf {
        self.dir.path().join("water/equil").join(name)
    }

    /// The program with this home, initialised.
    pub fn client(&self) -> Client {
        self.client_with(&[])
    }

    pub fn client_with(&self, env: &[(&str, &str)]) -> Client {
        Client::spawn(&self.home(), env)
    }

    /// Makes a job from a config of the simulation; returns its id.
    pub fn create(&self, client: &mut Client, config: &str, more: Value) -> String {
        let mut params = json!({
            "configPath": self.config(config),
            "inputs": ["namd-stand-in"],
            "cluster": "test",
        });
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        let created = client.request("createJob", params).unwrap();
        assert_eq!(created["job"]["status"], "CREATED", "{created}");
        created["job"]["jobId"].as_str().unwrap().to_owned()
    }

    /// Creates and submits, and waits for Slurm's answer.
    pub fn launch(&self, client: &mut Client, config: &str, more: Value) -> String {
        let id = self.create(client, config, more);
        client
            .request("submit", json!({ "jobId": id, "wait": true }))
            .unwrap();
        id
    }
}

/// The statuses a job went through, by its history, without changes within a status.
pub fn statuses(client: &mut Client, id: &str) -> Vec<String> {
    let history = client
        .request("jobHistory", json!({ "jobId": id }))
        .unwrap();
    let mut path: Vec<String> = Vec::new();
    for entry in history["entries"].as_array().unwrap() {
        let to = entry["to"].as_str().unwrap();
        if path.last().is_none_or(|last| last != to) {
            path.push(to.to_owned());
        }
    }
    path
}

/// Waits until notifications have shown a job in a status; returns the last one.
pub fn until(client: &mut Client, id: &str, status: &str) -> Value {
    client.expect_notification("jobStatusChanged", PATIENCE, |params| {
        params["jobId"] == id && params["to"] == status
    })
}

/// Waits between two looks at something that tells nobody.
#[allow(
    clippy::disallowed_methods,
    reason = "nothing else runs on the test's own thread"
)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Runs one of the cluster's own commands as root (`scancel`, `sacct`, …).
pub fn slurm(args: &[&str]) -> String {
    ctl(&[&["slurm"], args].concat())
}

/// Stops, starts and asks the test cluster's daemons.
pub fn ctl(args: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/ctl.sh");
    let output = Command::new("bash")
        .arg(script)
        .args(args)
        .env("NAMDRUNNER_TEST_CLUSTER", cluster_env("NRT_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ctl.sh {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the accounting says of jobs with `fields`, one line each; nothing where there is none.
fn accounts(args: &[&str], fields: &str) -> String {
    let common = ["-a", "-X", "-n", "-P", "-S", "now-1hour", "-o", fields];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/ctl.sh");
    let output = Command::new("bash")
        .arg(script)
        .args(["slurm", "sacct"])
        .args(args)
        .args(common)
        .env("NAMDRUNNER_TEST_CLUSTER", cluster_env("NRT_DIR"))
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || why.contains("accounting storage is disabled"),
        "sacct: {why}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many jobs with a working directory below this one came to this end, by Slurm's records.
pub fn ended_below(dir: &str, state: &str) -> usize {
    let queue = slurm(&["squeue", "-h", "-t", "all", "-o", "%T|%Z"]);
    let records = accounts(&[], "State,WorkDir");
    let count = |text: &str| {
        let rows = text.lines().filter_map(|line| line.split_once('|'));
        rows.filter(|(word, work)| *word == state && work.starts_with(dir))
            .count()
    };
    count(&queue).max(count(&records))
}

/// How many jobs Slurm ever had with a working directory below this one, by its own records:
/// the queue and the accounting together.
pub fn submissions_below(dir: &str) -> Vec<String> {
    let queue = slurm(&["squeue", "-h", "-t", "all", "-o", "%A|%Z"]);
    let records = accounts(&["-D"], "JobIDRaw,WorkDir");
    let mut ids: Vec<String> = queue
        .lines()
        .chain(records.lines())
        .filter_map(|line| line.split_once('|'))
        .filter(|(_, work)| work.starts_with(dir))
        .map(|(id, _)| id.to_owned())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What a request came to: its result, or its error object.
pub type Reply = Result<Value, Value>;

/// The wire's client, with a runtime of its own: these tests wait for a cluster, one step after
/// another.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    wire: Option<Wire>,
}

impl Client {
    fn spawn(home: &Path, env: &[(&str, &str)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let wire = runtime.block_on(async {
            let mut wire = Wire::spawn_with(home, |command| {
                command.env("NAMDRUNNER_MIN_SYNC_SECONDS", "1");
                for (name, value) in env {
                    command.env(name, value);
                }
            });
            wire.at_ease();
            wire.initialize().await;
            wire
        });
        Self {
            runtime,
            wire: Some(wire),
        }
    }

    fn wire(&mut self) -> (&tokio::runtime::Runtime, &mut Wire) {
        (&self.runtime, self.wire.as_mut().unwrap())
    }

    /// One request: its result, or its error object.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let (runtime, wire) = self.wire();
        runtime.block_on(wire.request(method, params))
    }

    /// Sends a request and waits for nothing.
    pub fn send_request(&mut self, method: &str, params: Value) {
        let (runtime, wire) = self.wire();
        runtime.block_on(async {
            let id = wire.start(method, params).await;
            wire.forget(id);
        });
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: Value) {
        let (runtime, wire) = self.wire();
        runtime.block_on(wire.notify(method, params));
    }

    /// Sends requests, one behind the other, and waits for nothing: the server may be gone.
    pub fn start(&mut self, method: &str, asks: Vec<Value>) -> Vec<u64> {
        let (runtime, wire) = self.wire();
        runtime.block_on(async {
            let mut ids = Vec::new();
            for params in asks {
                ids.push(wire.try_start(method, params).await);
            }
            ids
        })
    }

    /// The answers to requests that were started; none where the server ended first.
    pub fn answers(&mut self, ids: Vec<u64>, patience: Duration) -> Vec<Option<Reply>> {
        let (runtime, wire) = self.wire();
        runtime.block_on(async {
            let mut answers = Vec::new();
            for id in ids {
                answers.push(wire.try_answer(id, patience).await);
            }
            answers
        })
    }

    /// Passes over notifications: for tests that look for themselves.
    pub fn deafen(&mut self) {
        for method in [
            "jobStatusChanged",
            "jobProgress",
            "jobDeleted",
            "clusterStatusChanged",
            "syncCompleted",
        ] {
            self.wire().1.ignore(method);
        }
    }

    /// The params of the first notification that fits; others stay.
    pub fn expect_notification(
        &mut self,
        method: &str,
        patience: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        let (runtime, wire) = self.wire();
        let found = runtime.block_on(async {
            tokio::time::timeout(patience, wire.expect_notification_where(method, fits)).await
        });
        found.unwrap_or_else(|_| panic!("no such {method} within {patience:?}"))
    }

    /// Waits until a job has a status, by asking whenever there is news.
    pub fn wait_for_status(&mut self, id: &str, status: &str, patience: Duration) -> Value {
        let deadline = std::time::Instant::now() + patience;
        loop {
            let job = self.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone();
            if job["status"] == status {
                return job;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "not {status} within {patience:?}: {job}"
            );
            self.wait_for_any_notification(Duration::from_secs(1));
        }
    }

    /// Waits at most so long for any news.
    pub fn wait_for_any_notification(&mut self, patience: Duration) {
        let (runtime, wire) = self.wire();
        runtime.block_on(wire.wait_for_news(patience));
    }

    /// What is expected next must come from now on.
    pub fn forget_news(&mut self) {
        self.wire().1.forget_news();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let (runtime, wire) = self.wire();
        runtime.block_on(wire.kill());
    }

    /// Ends the input and waits for the program's end; says whether it ended well.
    pub fn leave(&mut self) -> bool {
        let (runtime, wire) = self.wire();
        runtime.block_on(wire.leave())
    }

    /// Waits until the program is gone.
    pub fn wait_for_death(&mut self, _patience: Duration) {
        let (runtime, wire) = self.wire();
        runtime.block_on(wire.wait_for_death());
    }

    /// Ends the input and waits for the program's end.
    pub fn close(mut self) {
        let wire = self.wire.take().unwrap();
        assert_eq!(self.runtime.block_on(wire.finish()), 0);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.wire.take();
    }
}
