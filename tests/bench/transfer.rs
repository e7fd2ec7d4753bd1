//! Files over SSH beside OpenSSH's own `sftp` and `rsync`, all over connections that stand.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use namdrunner::shell::{Command as Remote, RemotePath};
use namdrunner::transport::ssh::{Ssh, SshSettings};
use namdrunner::transport::{Bundle, Content, Entry, Get, Put, SUMS, Transport, Watcher};
use tokio::runtime::Runtime;

use crate::cluster::env;
use crate::proxy::Proxy;
use crate::quantiles;

const LARGE: usize = 200_000_000;
const SMALL: usize = 20_000;
const MANY: usize = 500;
const ROUNDS: usize = 5;

pub fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let direct: u16 = env("NRT_SSH_PORT").parse().unwrap();
    // The network is a process of its own: its memory and time are not ours.
    let mut network = Command::new(std::env::current_exe().unwrap())
        .args(["--bench".to_owned(), format!("--proxy-to={direct}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let said = network.stdout.as_mut().unwrap();
    BufReader::new(said).read_line(&mut line).unwrap();
    let delayed: u16 = line.trim().parse().unwrap();
    for (name, port) in [("0 ms", direct), ("40 ms round trip", delayed)] {
        println!("\nFiles at {name} (over a connection that stands; ratio: theirs to ours):\n");
        let bench = Bench::new(&runtime, port);
        bench.large();
        bench.status_meanwhile();
        bench.small();
    }
    network.kill().unwrap();
    network.wait().unwrap();
}

/// Is the network for another process: says its port and goes on until it is ended.
pub fn be_proxy(to: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let proxy = Proxy::start(to, Duration::from_millis(20)).await.unwrap();
        println!("{}", proxy.port());
        std::future::pending::<()>().await;
    });
}

struct Bench<'r> {
    runtime: &'r Runtime,
    dir: tempfile::TempDir,
    far: String,
    port: u16,
    ssh: Arc<Ssh>,
}

impl<'r> Bench<'r> {
    fn new(runtime: &'r Runtime, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let known_hosts = dir.path().join("known_hosts");
        // The proxy's port is another name for the same host key.
        let key = std::fs::read_to_string(env("NRT_KNOWN_HOSTS")).unwrap();
        let key = key.split_once(' ').unwrap().1.trim().to_owned();
        std::fs::write(&known_hosts, format!("[127.0.0.1]:{port} {key}\n")).unwrap();
        let ssh = Ssh::new(SshSettings {
            port: Some(port),
            user: Some(env("NRT_SSH_USER")),
            identity_files: vec![env("NRT_SSH_KEY").into()],
            known_hosts: vec![known_hosts],
            use_agent: false,
            open_spacing: Duration::ZERO,
            ..SshSettings::new("127.0.0.1")
        });
        let name = dir.path().file_name().unwrap().to_str().unwrap();
        let bench = Self {
            far: format!("{}/{}", env("NRT_SCRATCH_ROOT"), name.replace('.', "")),
            runtime,
            dir,
            port,
            ssh: Arc::new(ssh),
        };
        bench.remote(&format!("mkdir -p {}/many", bench.far));
        bench.openssh("ssh", &["-M", "-N", "-f"], &[]);
        bench
    }

    fn remote(&self, script: &str) {
        let command = Remote::read("bench", script);
        let output = self.runtime.block_on(self.ssh.run(&command)).unwrap();
        assert!(output.ok(), "{script}: {output:?}");
    }

    fn options(&self) -> Vec<String> {
        let dir = self.dir.path().display();
        [
            "BatchMode=yes".to_owned(),
            format!("ControlPath={dir}/mux"),
            format!("UserKnownHostsFile={dir}/known_hosts"),
            format!("IdentityFile={}", env("NRT_SSH_KEY")),
            format!("Port={}", self.port),
        ]
        .into_iter()
        .flat_map(|option| ["-o".to_owned(), option])
        .collect()
    }

    fn host() -> String {
        format!("{}@127.0.0.1", env("NRT_SSH_USER"))
    }

    /// Runs one of OpenSSH's programs over the standing connection; how long it took.
    fn openssh(&self, program: &str, before: &[&str], after: &[&str]) -> f64 {
        let begun = Instant::now();
        let status = Command::new(program)
            .args(self.options())
            .args(before)
            .arg(Self::host())
            .args(after)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{program} {before:?} {after:?}");
        begun.elapsed().as_secs_f64()
    }

    fn sftp(&self, batch: &str) -> f64 {
        let file = self.near("batch");
        std::fs::write(&file, batch).unwrap();
        self.openssh("sftp", &["-q", "-b", file.to_str().unwrap()], &[])
    }

    /// `rsync`, if it is installed.
    fn rsync(&self, from: &str, to: &str) -> Option<f64> {
        let begun = Instant::now();
        let status = Command::new("rsync")
            .args(["-r", "--whole-file", "--ignore-times", "-e"])
            .arg(format!("ssh {}", self.options().join(" ")))
            .args([from, to])
            .status()
            .ok()?;
        assert!(status.success());
        Some(begun.elapsed().as_secs_f64())
    }

    fn near(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn far(&self, name: &str) -> RemotePath {
        RemotePath::parse(&format!("{}/{name}", self.far)).unwrap()
    }

    fn put(&self, from: &Path, to: &str) -> f64 {
        let file = Put {
            from: from.to_owned(),
            to: self.far(to),
            modified: None,
        };
        let begun = Instant::now();
        let (files, watch) = ([file], Watcher::default());
        self.runtime.block_on(self.ssh.put(&files, &watch)).unwrap();
        begun.elapsed().as_secs_f64()
    }

    fn get(&self, files: &[Get]) -> f64 {
        let begun = Instant::now();
        let watch = Watcher::default();
        self.runtime.block_on(self.ssh.get(files, &watch)).unwrap();
        begun.elapsed().as_secs_f64()
    }

    /// A checksum at both ends, which we compare and `sftp` does not.
    fn sums(&self, near: &Path, far: &str) -> f64 {
        let begun = Instant::now();
        let here = Command::new("sha256sum").arg(near).output().unwrap();
        assert!(here.status.success());
        self.openssh("ssh", &[], &[&format!("sha256sum {far}")]);
        begun.elapsed().as_secs_f64()
    }

    fn large(&self) {
        let (near, far) = (self.near("large"), self.far("large"));
        std::fs::write(&near, noise(LARGE)).unwrap();
        let batch = format!("put {} {far}-sftp\n", near.display());
        let to = format!("{}:{far}-rsync", Self::host());
        Self::beside(
            "200 MB up",
            || self.put(&near, "large"),
            || self.sftp(&batch),
            || self.sums(&near, far.as_str()),
            || self.rsync(near.to_str().unwrap(), &to),
        );
        let back = Get {
            from: far.clone(),
            to: self.near("back"),
            bytes: Some(LARGE as u64),
        };
        let batch = format!("get {far} {}\n", self.near("s").display());
        let from = format!("{}:{far}", Self::host());
        let to = self.near("r");
        Self::beside(
            "200 MB down",
            || self.get(std::slice::from_ref(&back)),
            || self.sftp(&batch),
            || self.sums(&near, far.as_str()),
            || self.rsync(&from, to.to_str().unwrap()),
        );
    }

    /// A large file, in turns with what others take.
    fn beside(
        what: &str,
        ours: impl Fn() -> f64,
        sftp: impl Fn() -> f64,
        sums: impl Fn() -> f64,
        rsync: impl Fn() -> Option<f64>,
    ) {
        let (mut own, mut bare, mut summed, mut rsynced) = (vec![], vec![], vec![], vec![]);
        let mut peak = 0.0_f64;
        for _ in 0..ROUNDS {
            forget_peak();
            own.push(ours());
            peak = peak.max(peak_mib());
            let moved = sftp();
            bare.push(moved);
            summed.push(moved + sums());
            rsynced.push(rsync());
        }
        let middle = |times: Vec<f64>| quantiles(times).0;
        let rsynced: Option<Vec<f64>> = rsynced.into_iter().collect();
        let own = middle(own);
        let summed = middle(summed);
        row(what, LARGE as f64, own, middle(bare), rsynced.map(middle));
        println!(
            "{:<26} sftp and sha256sum at both ends {summed:.2} s ratio {:.2}; peak resident memory {peak:.0} MiB",
            "",
            summed / own
        );
    }

    fn small(&self) {
        let near = self.near("many");
        std::fs::create_dir_all(&near).unwrap();
        let names: Vec<String> = (0..MANY).map(|n| format!("f{n}")).collect();
        for name in &names {
            std::fs::write(near.join(name), noise(SMALL)).unwrap();
        }
        let bytes = (MANY * SMALL) as f64;
        let bundle = Bundle {
            entries: names
                .iter()
                .map(|name| Entry {
                    path: name.clone(),
                    from: Content::File {
                        path: near.join(name),
                        bytes: SMALL as u64,
                        modified: None,
                        executable: false,
                    },
                })
                .collect(),
        };
        let script = format!(
            "cd {}/many && tar -xf - && sha256sum -c --quiet {SUMS}",
            self.far
        );
        let ours = median(|| {
            let begun = Instant::now();
            let command = Remote::read("bench", script.as_str());
            let watch = Watcher::default();
            let sent = self.ssh.run_with_bundle(&command, &bundle, &watch);
            let (output, _) = self.runtime.block_on(sent).unwrap();
            assert!(output.ok(), "{output:?}");
            begun.elapsed().as_secs_f64()
        });
        self.remote(&format!("mkdir -p {0}/sftp {0}/rsync", self.far));
        let batch: String = names
            .iter()
            .map(|name| format!("put {0}/{name} {1}/sftp/{name}\n", near.display(), self.far))
            .collect();
        let sftp = self.sftp(&batch);
        let to = format!("{}:{}/rsync/", Self::host(), self.far);
        let rsync = some_median(|| self.rsync(&format!("{}/", near.display()), &to));
        row("500 files of 20 kB up", bytes, ours, sftp, rsync);

        let back = self.near("back-many");
        std::fs::create_dir_all(&back).unwrap();
        let files: Vec<Get> = names
            .iter()
            .map(|name| Get {
                from: self.far(&format!("many/{name}")),
                to: back.join(name),
                bytes: Some(SMALL as u64),
            })
            .collect();
        let ours = median(|| self.get(&files));
        let batch: String = names
            .iter()
            .map(|name| format!("get {0}/many/{name} {1}/{name}\n", self.far, back.display()))
            .collect();
        let sftp = self.sftp(&batch);
        let from = format!("{}:{}/many/", Self::host(), self.far);
        let rsync = some_median(|| self.rsync(&from, &format!("{}/", back.display())));
        row("500 files of 20 kB down", bytes, ours, sftp, rsync);
    }

    /// How long a look at the queue takes while 200 MB are moving, and while nothing is.
    fn status_meanwhile(&self) {
        let near = self.near("large");
        let look = || {
            let begun = Instant::now();
            let command = Remote::read("bench", "squeue -h --me -o %i");
            let output = self.runtime.block_on(self.ssh.run(&command)).unwrap();
            assert!(output.ok(), "{output:?}");
            begun.elapsed().as_secs_f64() * 1e3
        };
        let (_, idle) = quantiles((0..100).map(|_| look()).collect());
        let file = Put {
            from: near,
            to: self.far("meanwhile"),
            modified: None,
        };
        let back = Get {
            from: self.far("large"),
            to: self.near("meanwhile"),
            bytes: Some(LARGE as u64),
        };
        for up in [true, false] {
            let moving = Arc::new(AtomicBool::new(true));
            let (ssh, goes, file, back) = (
                Arc::clone(&self.ssh),
                Arc::clone(&moving),
                file.clone(),
                back.clone(),
            );
            let transfer = self.runtime.spawn(async move {
                let watch = Watcher::default();
                while goes.load(Ordering::SeqCst) {
                    if up {
                        ssh.put(std::slice::from_ref(&file), &watch).await.unwrap();
                    } else {
                        ssh.get(std::slice::from_ref(&back), &watch).await.unwrap();
                    }
                }
            });
            let (_, busy) = quantiles((0..100).map(|_| look()).collect());
            moving.store(false, Ordering::SeqCst);
            self.runtime.block_on(transfer).unwrap();
            println!(
                "{:<26} p99 {busy:.0} ms; idle {idle:.0} ms; ratio {:.2}",
                if up {
                    "squeue during an upload"
                } else {
                    "squeue during a download"
                },
                busy / idle
            );
        }
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let _ = Command::new("ssh")
            .args(self.options())
            .args(["-O", "exit"])
            .arg(Self::host())
            .stderr(Stdio::null())
            .status();
        self.remote(&format!("rm -rf {}", self.far));
    }
}

fn row(what: &str, bytes: f64, ours: f64, sftp: f64, rsync: Option<f64>) {
    let rate = |seconds: f64| bytes / seconds / 1e6;
    print!(
        "{what:<26} {ours:>7.2} s {:>6.0} MB/s   sftp {sftp:>6.2} s {:>6.0} MB/s ratio {:>6.2}",
        rate(ours),
        rate(sftp),
        sftp / ours
    );
    match rsync {
        Some(rsync) => println!(
            "   rsync {rsync:>6.2} s {:>6.0} MB/s ratio {:>6.2}",
            rate(rsync),
            rsync / ours
        ),
        None => println!("   rsync is not installed"),
    }
}

fn median(mut once: impl FnMut() -> f64) -> f64 {
    quantiles((0..ROUNDS).map(|_| once()).collect()).0
}

fn some_median(mut once: impl FnMut() -> Option<f64>) -> Option<f64> {
    let times: Option<Vec<f64>> = (0..ROUNDS).map(|_| once()).collect();
    Some(quantiles(times?).0)
}

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

/// Lets the peak of resident memory begin anew (Linux).
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
