//! The daemon: one server in the background for all clients of a store.

mod cost;
mod end;
mod loss;
mod points;
mod share;
mod soak;
mod start;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use namdrunner::config::{Home, Linger};
use namdrunner::engine::owner::{self, Owner};
use namdrunner::engine::{self, Engine};
use namdrunner::protocol::ServerFacts;
use namdrunner::rpc::Opening;
use namdrunner::server::daemon::{self, Setup, Speaker};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::client::{Client, PATIENCE, program};
use crate::support::water;

/// A home with the water box of the demo beside it. Whatever daemon is left at the end is ended.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        water::lay_out(dir.path());
        Self(dir)
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("namdrunner")
    }

    fn data_dir(&self) -> PathBuf {
        self.home().join("data")
    }

    fn files(&self) -> Home {
        let home = self.home();
        Home {
            config_file: home.join("config/config.toml"),
            data_dir: home.join("data"),
            state_dir: home.join("state"),
            runtime_dir: home.join("run"),
        }
    }

    fn config(&self, name: &str) -> PathBuf {
        self.0.path().join("water/equil").join(name)
    }

    /// An editor, initialised, that lets news be.
    async fn editor(&self) -> Client {
        let mut client = Client::through_daemon(&self.home());
        client.at_ease();
        client.initialize().await;
        client
    }

    /// The process that has noted itself as the daemon.
    fn daemon(&self) -> u32 {
        owner::noted(&self.data_dir()).expect("a daemon").pid
    }

    /// Whether another process than this one owns the store, and can be reached.
    fn has_another_daemon(&self, before: u32) -> bool {
        // (Looking whether it is owned takes the note away while nobody does.)
        self.is_owned() && owner::noted(&self.data_dir()).is_some_and(|note| note.pid != before)
    }

    /// Whether a daemon owns the store.
    fn is_owned(&self) -> bool {
        self.data_dir().exists() && Owner::beside_others(&self.data_dir()).is_err()
    }

    /// Waits until no daemon owns the store any more.
    async fn until_free(&self) {
        until("the daemon ends", || !self.is_owned()).await;
    }

    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = program(&self.home())
            .args(arguments)
            .output()
            .await
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    async fn status(&self) -> Value {
        let (_, text, _) = self.run(&["status", "--json"]).await;
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_owned()
            && let Some(note) = owner::noted(&self.data_dir())
            && note.pid != std::process::id()
        {
            signal(note.pid, "KILL");
        }
    }
}

/// The params of a `createJob`.
fn creation(place: &Place, config: &str) -> Value {
    json!({"configPath": place.config(config), "cluster": "local"})
}

async fn create(client: &mut Client, place: &Place, config: &str) -> String {
    let created = client.request("createJob", creation(place, config)).await;
    created.unwrap()["job"]["jobId"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn signal(pid: u32, name: &str) {
    let _ = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status();
}

/// Waits until something is so that nobody tells of.
async fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A daemon in this process, which says that it is another version.
struct Inside {
    stop: CancellationToken,
    task: JoinHandle<namdrunner::error::Result<()>>,
}

impl Inside {
    async fn start(place: &Place, version: &str, protocol: u32, patience: Duration) -> Self {
        let home = place.files();
        let speaker = Speaker {
            version: version.into(),
            protocol,
            pid: std::process::id(),
        };
        let stop = CancellationToken::new();
        let setup = Setup {
            home: home.clone(),
            facts: ServerFacts {
                protocol,
                home: String::new(),
                config_file: String::new(),
                log_dir: String::new(),
                daemon_pid: Some(speaker.pid),
            },
            speaker,
            linger: Some(Linger::Jobs),
            patience: Some(patience),
            stop: stop.clone(),
        };
        let (ready, listens) = tokio::sync::oneshot::channel();
        let open = move |owner| {
            Opening::by(move || {
                let options = engine::Options {
                    owner: Some(std::sync::Arc::clone(&owner)),
                    ..engine::Options::default()
                };
                let home = home.clone();
                async move { Engine::start(home, options) }
            })
        };
        let task = tokio::spawn(daemon::run(setup, open, move || {
            let _ = ready.send(());
        }));
        listens.await.expect("it listens");
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("it ends").unwrap().unwrap();
    }
}

/// How much memory a process holds, in MiB (Linux).
fn resident_mib(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}
