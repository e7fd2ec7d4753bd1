//! Submission and refresh against the bare commands over one live OpenSSH connection.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::proxy::Proxy;
use crate::{quantiles, report};

const ROUNDS: usize = 7;

pub fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let direct: u16 = env("NRT_SSH_PORT").parse().unwrap();
    let delayed = runtime
        .block_on(Proxy::start(direct, Duration::from_millis(20)))
        .unwrap();
    for (name, port) in [("0 ms", direct), ("40 ms round trip", delayed.port())] {
        println!("\nAt {name}:\n");
        let bench = Bench::new(port);
        bench.submission();
        bench.refresh(1000);
        bench.refresh(5000);
    }
}

pub fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

struct Bench {
    dir: tempfile::TempDir,
    port: u16,
    root: String,
}

impl Bench {
    fn new(port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = dir
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('.', "");
        let bench = Self {
            root: format!("{}/{own}", env("NRT_SCRATCH_ROOT")),
            dir,
            port,
        };
        let config = bench.home().join("config");
        std::fs::create_dir_all(&config).unwrap();
        let text = format!(
            "default_cluster = \"test\"\n[clusters.test]\nhost = \"127.0.0.1\"\nport = {port}\n\
             user = \"{}\"\nidentity_files = [\"{}\"]\nknown_hosts = [\"{}\"]\nscheduler = \"slurm\"\n\
             project_root = \"{}/{own}\"\nscratch_root = \"{}\"\nlaunch = \"true {{config}} {{log}}\"\n\
             [clusters.test.resources]\nntasks = 1\nmemory = \"1M\"\npartition = \"down\"\n",
            env("NRT_SSH_USER"),
            env("NRT_SSH_KEY"),
            bench.known_hosts().display(),
            env("NRT_PROJECT_ROOT"),
            bench.root,
        );
        std::fs::write(config.join("config.toml"), text).unwrap();
        // The proxy's port is another name for the same host key.
        let key = std::fs::read_to_string(env("NRT_KNOWN_HOSTS")).unwrap();
        let key = key.split_once(' ').unwrap().1.trim().to_owned();
        std::fs::write(bench.known_hosts(), format!("[127.0.0.1]:{port} {key}\n")).unwrap();
        bench.write_inputs();
        bench.open_mux();
        bench
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    /// Five files, 4 MB in all.
    fn write_inputs(&self) {
        let sim = self.dir.path().join("sim");
        std::fs::create_dir_all(&sim).unwrap();
        let noise = |seed: u64| {
            let mut state = seed;
            (0..1_000_000_usize)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect::<Vec<u8>>()
        };
        for (seed, name) in (1_u64..).zip(["x.psf", "x.pdb", "a.prm", "b.prm"]) {
            std::fs::write(sim.join(name), noise(seed)).unwrap();
        }
        std::fs::write(
            sim.join("x.namd"),
            "structure x.psf\ncoordinates x.pdb\nparaTypeCharmm on\nparameters a.prm\nparameters b.prm\n\
             temperature 300\ncutoff 12\nexclude scaled1-4\noutputname out\ntimestep 2\nrun 1000\n",
        )
        .unwrap();
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-o",
            "BatchMode=yes",
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=120",
        ])
        .arg("-o")
        .arg(format!("ControlPath={}/mux", self.dir.path().display()))
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile={}",
            self.known_hosts().display()
        ))
        .args(["-i", &env("NRT_SSH_KEY"), "-p", &self.port.to_string()])
        .arg(format!("{}@127.0.0.1", env("NRT_SSH_USER")));
        ssh
    }

    fn open_mux(&self) {
        assert!(self.ssh().arg("true").status().unwrap().success());
    }

    fn bare(&self, script: &str, stdin: Option<&[u8]>) -> f64 {
        let begun = Instant::now();
        let mut child = self
            .ssh()
            .arg(script)
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        if let Some(bytes) = stdin {
            child.stdin.take().unwrap().write_all(bytes).unwrap();
        }
        assert!(child.wait().unwrap().success(), "{script}");
        begun.elapsed().as_secs_f64() * 1e3
    }

    /// createJob + submit with Slurm's answer, against `tar | ssh tar` + `ssh sbatch`.
    fn submission(&self) {
        let sim = self.dir.path().join("sim");
        let mut client = Client::start(&self.home());
        client.ok("connect", &json!({ "cluster": "test" }));
        let ours = (0..ROUNDS)
            .map(|_| {
                let (created, first) =
                    client.ok("createJob", &json!({ "configPath": sim.join("x.namd") }));
                let (_, second) = client.ok(
                    "submit",
                    &json!({ "jobId": created["job"]["jobId"], "wait": true }),
                );
                (first + second).as_secs_f64() * 1e3
            })
            .collect();
        let tar = |dir: &Path| {
            let tar = Command::new("tar")
                .arg("-C")
                .arg(dir)
                .args(["-cf", "-", "."])
                .output()
                .unwrap();
            tar.stdout
        };
        let theirs = (0..ROUNDS)
            .map(|n| {
                let begun = Instant::now();
                let stream = tar(&sim);
                let packed = begun.elapsed().as_secs_f64() * 1e3;
                let to = format!("{}/bare-{n}", self.root);
                packed
                    + self.bare(
                        &format!("mkdir -p {to} && tar -C {to} -xf -"),
                        Some(&stream),
                    )
                    + self.bare(
                        &format!("cd {to} && sbatch --parsable -p down --mem=1M --wrap true"),
                        None,
                    )
            })
            .collect();
        let ((ours, _), (theirs, _)) = (quantiles(ours), quantiles(theirs));
        report(
            "createJob + submit, five files, 4 MB, median of 7",
            ours,
            "tar + sbatch",
            theirs,
        );
        self.cancel_all();
    }

    /// One look at `count` waiting jobs, against `squeue` alone and `squeue` + `sacct`.
    fn refresh(&self, count: usize) {
        self.submit_held(count);
        let mut client = Client::start(&self.home());
        client.ok("connect", &json!({ "cluster": "test" }));
        Self::sync(&mut client, count);
        let ours = (0..ROUNDS)
            .map(|_| {
                // A look younger than five seconds answers; a fresh one is what is measured.
                std::thread::sleep(Duration::from_millis(5100));
                Self::sync(&mut client, count)
            })
            .collect();
        let squeue = (0..ROUNDS)
            .map(|_| self.bare("squeue --me -h -t all -o '%i|%T|%M|%l|%S|%e|%r|%Z'", None))
            .collect();
        let both = (0..ROUNDS)
            .map(|_| {
                self.bare("squeue --me -h -t all -o '%i|%T|%M|%l|%S|%e|%r|%Z'; sacct -n -X -P -S now-1hour", None)
            })
            .collect();
        let ((ours, _), (squeue, _), (both, _)) =
            (quantiles(ours), quantiles(squeue), quantiles(both));
        report(
            &format!("syncAll, {count} active jobs"),
            ours,
            "bare squeue",
            squeue,
        );
        report(
            &format!("syncAll, {count} active jobs"),
            ours,
            "squeue + sacct",
            both,
        );
        if let Some(mib) = client.resident_mib() {
            println!(
                "{:<58} {mib:>9.1} MiB",
                format!("resident memory with {count} active jobs")
            );
        }
        drop(client);
        self.cancel_all();
    }

    fn sync(client: &mut Client, count: usize) -> f64 {
        let (synced, took) = client.ok("syncAll", &json!({ "cluster": "test" }));
        let cluster: &Value = &synced["clusters"][0];
        assert_eq!(cluster["queried"], count, "{synced}");
        took.as_secs_f64() * 1e3
    }

    /// Submits real jobs that wait, by bare sbatch in one session, and stores them as ours.
    fn submit_held(&self, count: usize) {
        use namdrunner::job::state::Fact;
        use namdrunner::job::{JobId, JobState};
        use namdrunner::scheduler::{SchedulerId, Source, Tag};
        use namdrunner::store::{Options, Store};

        let data = self.home().join("data");
        let ids = crate::local::fill(&data, count);
        let store = Store::open(&data, Options::default()).unwrap();
        let mut script = String::from("set -e\n");
        for id in &ids {
            let work = format!("{}/{id}/1", self.root);
            writeln!(
                script,
                "mkdir -p {work}; cd {work}; sbatch --parsable -p down --mem=1M --wrap true"
            )
            .unwrap();
        }
        let mut child = self
            .ssh()
            .arg("sh -s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<&str> = text.lines().collect();
        assert_eq!(numbers.len(), count, "sbatch took them all");
        let now = jiff::Timestamp::now();
        for (id, number) in ids.iter().zip(numbers) {
            let id = JobId::parse(id).unwrap();
            let scheduler_id = SchedulerId::parse(number).unwrap();
            store
                .update(&id, |job| {
                    let mut job = job.clone();
                    job.spec.cluster = "test".into();
                    job.spec.scratch_dir =
                        namdrunner::shell::RemotePath::parse(&format!("{}/{id}", self.root))
                            .unwrap();
                    let tag = Tag::parse("benchbenchbench").unwrap();
                    let job = job
                        .apply(&Fact::SubmitAsked { tag }, now)
                        .unwrap()
                        .unwrap()
                        .job;
                    assert!(matches!(job.state, JobState::Submitting { .. }));
                    let fact = Fact::Submitted {
                        id: scheduler_id,
                        at: now,
                        source: Source::Local,
                        evidence: number.to_owned(),
                    };
                    Ok(job.apply(&fact, now).unwrap())
                })
                .unwrap();
        }
    }

    fn cancel_all(&self) {
        self.bare("scancel -u \"$(id -un)\"", None);
        // The next measurement begins with an empty database.
        let _ = std::fs::remove_dir_all(self.home().join("data"));
    }
}
