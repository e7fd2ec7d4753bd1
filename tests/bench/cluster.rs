//! Submission and refresh against the bare commands over one live OpenSSH connection.
//!
//! Ours and theirs take turns, so that what else the machine does falls on both alike. Every look
//! that is counted is known to have asked the cluster: an answer out of the cache would be no figure.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::proxy::Proxy;
use crate::{quantiles, report};

const ROUNDS: usize = 15;

/// What a person would type to see the queue; the fields are those that our look asks for.
const SQUEUE: &str = "squeue --me -h -t all -o '%i|%T|%l|%S|%e|%V|%P|%N|%r|%k|%Z'";
const SACCT: &str = "sacct -n -X -P -S now-1hour -o JobID,State,ExitCode,Submit,Start,End,Elapsed";

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
    let lines = [("0 ms", direct), ("40 ms", delayed.port())];
    let bench = Bench::new(lines.map(|(_, port)| port));
    println!("\nOver SSH to a real Slurm, medians of {ROUNDS}:\n");
    for (name, port) in lines {
        bench.submission(name, port);
    }
    let mut known = 0;
    for count in [1000, 5000] {
        bench.submit_waiting(known..count);
        known = count;
        for (name, port) in lines {
            bench.refresh(name, port, count);
        }
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

struct Bench {
    dir: tempfile::TempDir,
    root: String,
    port: u16,
}

impl Bench {
    fn new(ports: [u16; 2]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().file_name().unwrap().to_str().unwrap();
        let own = own.replace('.', "");
        let [direct, _] = ports;
        let bench = Self {
            root: format!("{}/{own}", env("NRT_SCRATCH_ROOT")),
            dir,
            port: direct,
        };
        std::fs::create_dir_all(bench.home().join("config")).unwrap();
        // The proxy's port is another name for the same host keys.
        let keys = std::fs::read_to_string(env("NRT_KNOWN_HOSTS")).unwrap();
        let mut known = String::new();
        for port in ports {
            for line in keys.lines() {
                let key = line.split_once(' ').unwrap().1;
                writeln!(known, "[127.0.0.1]:{port} {key}").unwrap();
            }
        }
        std::fs::write(bench.known_hosts(), known).unwrap();
        bench.write_inputs();
        for port in ports {
            assert!(bench.ssh(port).arg("true").status().unwrap().success());
        }
        bench
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    /// A server whose cluster is behind this port, connected.
    fn client(&self, port: u16) -> Client {
        let text = format!(
            "default_cluster = \"test\"\n[clusters.test]\nhost = \"127.0.0.1\"\nport = {port}\n\
             user = \"{}\"\nidentity_files = [\"{}\"]\nknown_hosts = [\"{}\"]\nscheduler = \"slurm\"\n\
             project_root = \"{root}/project\"\nscratch_root = \"{root}\"\n\
             launch = \"true {{config}} {{log}}\"\n\
             [clusters.test.resources]\nntasks = 1\nmemory = \"1M\"\npartition = \"down\"\n",
            env("NRT_SSH_USER"),
            env("NRT_SSH_KEY"),
            self.known_hosts().display(),
            root = self.root,
        );
        std::fs::write(self.home().join("config/config.toml"), text).unwrap();
        let mut client = Client::start(&self.home());
        client.ok("connect", &json!({ "cluster": "test" }));
        client
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
             temperature 300\nexclude scaled1-4\n1-4scaling 1.0\ncutoff 12\nswitchdist 10\n\
             pairlistdist 14\noutputname out\ntimestep 2\nrun 1000\n",
        )
        .unwrap();
    }

    /// The one live connection of the bare commands.
    fn ssh(&self, port: u16) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes"])
            .args(["-o", "ControlMaster=auto", "-o", "ControlPersist=60"])
            .arg("-o")
            .arg(format!(
                "ControlPath={}/mux-{port}",
                self.dir.path().display()
            ))
            .arg("-o")
            .arg(format!(
                "UserKnownHostsFile={}",
                self.known_hosts().display()
            ))
            .args(["-i", &env("NRT_SSH_KEY"), "-p", &port.to_string()])
            .arg(format!("{}@127.0.0.1", env("NRT_SSH_USER")));
        ssh
    }

    /// Milliseconds that a command takes by itself.
    fn bare(&self, port: u16, script: &str, stdin: Option<&[u8]>) -> f64 {
        let begun = Instant::now();
        let mut child = self
            .ssh(port)
            .arg(script)
            .stdin(stdin.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(bytes) = stdin {
            child.stdin.take().unwrap().write_all(bytes).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{script}");
        begun.elapsed().as_secs_f64() * 1e3
    }

    /// createJob + submit with Slurm's answer, against `tar | ssh tar` + `ssh sbatch`.
    fn submission(&self, name: &str, port: u16) {
        let sim = self.dir.path().join("sim");
        let mut client = self.client(port);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let (mut creating, mut submitting) = (Vec::new(), Vec::new());
        for n in 0..ROUNDS {
            let (created, first) =
                client.ok("createJob", &json!({ "configPath": sim.join("x.namd") }));
            let id = &created["job"]["jobId"];
            let (answer, second) = client.ok("submit", &json!({ "jobId": id, "wait": true }));
            assert!(answer["job"]["slurmJobId"].is_string(), "{answer}");
            creating.push(first.as_secs_f64() * 1e3);
            submitting.push(second.as_secs_f64() * 1e3);
            ours.push((first + second).as_secs_f64() * 1e3);

            let to = format!("{}/bare-{port}-{n}", self.root);
            let begun = Instant::now();
            let tar = Command::new("tar")
                .arg("-C")
                .arg(&sim)
                .args(["-cf", "-", "."])
                .output()
                .unwrap();
            let packing = begun.elapsed().as_secs_f64() * 1e3;
            let unpack = format!("mkdir -p {to} && tar -C {to} -xf -");
            let send = format!("cd {to} && sbatch --parsable -p down --mem=1M --wrap true");
            theirs.push(
                packing
                    + self.bare(port, &unpack, Some(&tar.stdout))
                    + self.bare(port, &send, None),
            );
        }
        let ((ours, _), (theirs, _)) = (quantiles(ours), quantiles(theirs));
        report(
            &format!("{name}: createJob + submit, five files, 4 MB"),
            ours,
            "tar + sbatch",
            theirs,
        );
        println!(
            "{:<58} {:>9.2} ms and {:.2} ms",
            "  of that createJob, and submit",
            quantiles(creating).0,
            quantiles(submitting).0
        );
        drop(client);
        self.withdraw();
        // The next measurement begins with an empty database.
        std::fs::remove_dir_all(self.home().join("data")).unwrap();
    }

    /// One look at `count` waiting jobs, against `squeue` alone and `squeue` + `sacct`.
    fn refresh(&self, name: &str, port: u16, count: usize) {
        let mut client = self.client(port);
        Self::look(&mut client, count);
        let (mut ours, mut squeue, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(Self::look(&mut client, count));
            squeue.push(self.bare(port, SQUEUE, None));
            both.push(self.bare(port, &format!("{SQUEUE}; {SACCT}"), None));
        }
        let ((ours, _), (squeue, _), (both, _)) =
            (quantiles(ours), quantiles(squeue), quantiles(both));
        let what = format!("{name}: syncAll, {count} active jobs");
        report(&what, ours, "bare squeue", squeue);
        report(&what, ours, "squeue + sacct", both);
        if let Some(mib) = client.resident_mib() {
            let what = format!("{name}: resident memory with {count} active jobs");
            println!("{what:<58} {mib:>9.1} MiB");
        }
    }

    /// Milliseconds of one look that asks the cluster.
    fn look(client: &mut Client, count: usize) -> f64 {
        // Expecting news, the server takes no earlier look for an answer.
        client.ok("connect", &json!({ "cluster": "test" }));
        let asked = |client: &mut Client| {
            let (status, _) = client.ok("clusterStatus", &json!({ "cluster": "test" }));
            status["queriesLastHour"].as_u64().unwrap()
        };
        let before = asked(client);
        let (synced, took) = client.ok("syncAll", &json!({ "cluster": "test" }));
        let cluster: &Value = &synced["clusters"][0];
        assert_eq!(cluster["queried"], count, "{synced}");
        assert_eq!(asked(client), before + 1, "the answer is of this look");
        took.as_secs_f64() * 1e3
    }

    /// Submits real jobs that wait, by bare sbatch in one session, and stores them as ours.
    fn submit_waiting(&self, range: Range<usize>) {
        use namdrunner::job::state::Fact;
        use namdrunner::job::{JobId, JobState};
        use namdrunner::scheduler::{SchedulerId, Source, Tag};
        use namdrunner::store::{Options, Store};

        let data = self.home().join("data");
        let count = range.len();
        let ids = crate::local::fill(&data, range, "test", &self.root);
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
            .ssh(self.port)
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
                    let tag = Tag::parse("benchbenchbench").unwrap();
                    let job = job
                        .apply(&Fact::SubmitAsked { tag }, now)
                        .unwrap()
                        .unwrap()
                        .job;
                    assert!(matches!(job.state, JobState::Submitting { .. }));
                    let fact = Fact::Submitted {
                        id: scheduler_id.clone(),
                        at: now,
                        source: Source::Local,
                        evidence: number.to_owned(),
                    };
                    Ok(job.apply(&fact, now).unwrap())
                })
                .unwrap();
        }
    }

    /// Cancels the jobs of this benchmark, by their directories, and removes those.
    fn withdraw(&self) {
        let script = format!(
            "squeue --me -h -o '%i %Z' | awk -v root='{root}/' 'index($2, root) == 1 {{ print $1 }}' | \
             xargs -r -n 500 scancel; rm -rf '{root}'",
            root = self.root
        );
        let _ = self.ssh(self.port).arg(script).status();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.withdraw();
    }
}
