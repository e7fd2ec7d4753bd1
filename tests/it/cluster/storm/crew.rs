//! A person with many jobs and much patience: creates them, submits what is not submitted, cancels
//! what is to be cancelled, and does again what failed, until every job has come to its end. Then
//! Slurm's records are compared with what the program says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::audit::{names, settled_records, starts};
use crate::cluster::rig::{Client, Rig, cluster_env};
use crate::cluster::tools::Tools;

/// How long a crew goes on before the test fails: many times what it takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is to become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// It runs to its end.
    Complete,
    /// It ends with exit code 3.
    Fail,
    /// It is cancelled once it is in the queue.
    Cancel,
    /// It is cancelled right after its submission was asked for, wherever that is by then.
    CancelEarly,
    /// It is deleted, with its files, while it runs.
    Delete,
}

impl Goal {
    fn config(self) -> &'static str {
        match self {
            Self::Complete => "ends.namd",
            Self::Fail => "fails.namd",
            Self::Cancel | Self::CancelEarly | Self::Delete => "lingers.namd",
        }
    }
}

#[derive(Debug)]
struct Wanted {
    key: String,
    goal: Goal,
    id: Option<String>,
    submitted: bool,
    /// Cancelling or deleting has been asked for; what came of it is looked up.
    asked: bool,
    over: bool,
}

/// Many jobs of one home.
pub struct Crew {
    pub rig: Rig,
    pub tools: Tools,
    pub client: Client,
    env: Vec<(String, String)>,
    jobs: Vec<Wanted>,
}

const JOB: &str = r#"# What a job of the fault suite runs instead of NAMD.
echo "$SLURM_JOB_ID" >>starts
case $1 in
    *lingers*) exec sleep 600 ;;
    *fails*) sleep 1; exit 3 ;;
    *) sleep 1 ;;
esac
"#;

impl Crew {
    /// A home of its own, with these jobs to be made; the cluster is reached through `port`.
    pub fn new(goals: &[Goal], port: Option<u16>) -> Self {
        let rig = Rig::new();
        let tools = Tools::install(&rig);
        let port = port.map_or_else(|| cluster_env("NRT_SSH_PORT"), |port| port.to_string());
        rig.configure(&port, &tools.setup());
        let water = fs::read_to_string(rig.config("water.namd")).unwrap();
        for name in ["ends.namd", "fails.namd", "lingers.namd"] {
            fs::write(rig.config(name), &water).unwrap();
        }
        fs::write(rig.config("job"), JOB).unwrap();
        fs::set_permissions(rig.config("job"), fs::Permissions::from_mode(0o755)).unwrap();
        // Nobody reads the system: a few kilobytes will do.
        for name in [
            "../common/water.psf",
            "../common/water.pdb",
            "../common/tip3p.prm",
        ] {
            fs::write(rig.config(name), "0123456789abcdef\n".repeat(100)).unwrap();
        }
        let jobs = goals.iter().enumerate().map(|(n, goal)| Wanted {
            key: format!("wanted-{n}"),
            goal: *goal,
            id: None,
            submitted: false,
            asked: false,
            over: false,
        });
        let env = vec![("NAMDRUNNER_GRACE_SECONDS".to_owned(), "3".to_owned())];
        let client = open(&rig, &env, None);
        Self {
            jobs: jobs.collect(),
            rig,
            tools,
            client,
            env,
        }
    }

    /// A new server on the same home, perhaps one that dies somewhere.
    pub fn reopen(&mut self, kill_at: Option<&str>) {
        self.client.kill();
        self.client = open(&self.rig, &self.env, kill_at);
    }

    // --- steps, each one sent without waiting for its answers -----------------------------------

    /// Asks for all jobs that have no id.
    pub fn create(&mut self) -> Asked {
        let missing: Vec<usize> = self.which(|job| job.id.is_none());
        let asks = missing.iter().map(|n| {
            let job = &self.jobs[*n];
            json!({
                "configPath": self.rig.config(job.goal.config()),
                "inputs": ["job"],
                "cluster": "test",
                "name": job.key,
                "idempotencyKey": job.key,
                "launch": "sh equil/job {config} > {log} 2>&1",
                "resources": { "walltime": 600 },
            })
        });
        let asks = asks.collect();
        Asked {
            ids: self.client.start("createJob", asks),
            jobs: missing,
            what: "createJob",
        }
    }

    /// Asks to submit all that were never asked to be.
    pub fn submit(&mut self) -> Asked {
        let ready = self.which(|job| job.id.is_some() && !job.submitted && !job.over);
        self.ask("submit", ready, json!({}))
    }

    /// Asks to cancel the jobs with this goal, wherever they are.
    pub fn cancel(&mut self, goal: Goal) -> Asked {
        let ready = self.which(|job| {
            job.goal == goal && job.id.is_some() && job.submitted && !job.over && !job.asked
        });
        self.ask("cancel", ready, json!({}))
    }

    /// Asks to delete, with their files, the jobs that are to be: they run.
    pub fn delete(&mut self) -> Asked {
        let ready = self.which(|job| {
            job.goal == Goal::Delete && job.id.is_some() && job.submitted && !job.over
        });
        self.ask("deleteJob", ready, json!({ "remoteFiles": true }))
    }

    /// Asks for a look.
    pub fn look(&mut self) -> Asked {
        let asks = vec![json!({ "cluster": "test" })];
        Asked {
            ids: self.client.start("syncAll", asks),
            jobs: Vec::new(),
            what: "syncAll",
        }
    }

    fn ask(&mut self, what: &'static str, jobs: Vec<usize>, more: Value) -> Asked {
        let asks = jobs.iter().map(|n| {
            let mut params = more.clone();
            params["jobId"] = json!(self.jobs[*n].id);
            params
        });
        let asks = asks.collect();
        Asked {
            ids: self.client.start(what, asks),
            jobs,
            what,
        }
    }

    fn which(&self, fits: impl Fn(&Wanted) -> bool) -> Vec<usize> {
        let fitting = self.jobs.iter().enumerate().filter(|(_, job)| fits(job));
        fitting.map(|(n, _)| n).collect()
    }

    /// Waits for the answers and takes in what they say. False when the server died first.
    pub fn hear(&mut self, asked: Asked) -> bool {
        let answers = self.client.answers(asked.ids, PATIENCE);
        let alive = answers.iter().all(Option::is_some);
        for (n, answer) in asked.jobs.into_iter().zip(answers) {
            let Some(answer) = answer else { continue };
            let job = &mut self.jobs[n];
            match (asked.what, answer) {
                ("createJob", Ok(made)) => {
                    job.id = Some(made["job"]["jobId"].as_str().unwrap().to_owned());
                }
                ("submit", Ok(_)) => job.submitted = true,
                ("cancel", Ok(_)) => job.asked = true,
                ("deleteJob", Ok(_)) => job.over = true,
                // A deletion that a dead server had begun was taken up by the next one.
                ("deleteJob", Err(error)) if error["data"]["kind"] == "jobNotFound" => {
                    job.over = true;
                }
                (_, Ok(_)) => {}
                (what, Err(error)) => expected(what, &error),
            }
        }
        alive
    }

    /// Goes on until every job has come to its end. False when the server died first.
    pub fn finish(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let made = self.create();
            if !self.hear(made) {
                return false;
            }
            if !self.attend() {
                return false;
            }
            if self.jobs.iter().all(|job| job.over) {
                return true;
            }
            assert!(
                Instant::now() < deadline,
                "not at their ends within {PATIENCE:?}: {:#?}\nthe cluster: {:?}",
                self.unfinished(),
                self.client
                    .request("clusterStatus", json!({ "cluster": "test" }))
            );
            let look = self.look();
            if !self.hear(look) {
                return false;
            }
            self.client
                .wait_for_any_notification(Duration::from_millis(200));
        }
    }

    /// Ends the server. False when it died instead.
    pub fn leave(&mut self) -> bool {
        // What the last look has begun is begun by then.
        let look = self.look();
        self.hear(look) && self.client.leave()
    }

    /// Waits until no submission is on its way any more.
    pub fn until_queued(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let open = self.unfinished();
            let waits = |answer: &Value| {
                let phase = answer["job"]["phase"].as_str().unwrap_or_default();
                ["submitting", "waitingForLogin", "waitingForRoom"].contains(&phase)
            };
            if !open.iter().any(waits) {
                return;
            }
            assert!(Instant::now() < deadline, "on their way: {open:#?}");
            self.client
                .wait_for_any_notification(Duration::from_millis(200));
        }
    }

    fn unfinished(&mut self) -> Vec<Value> {
        let open = self.which(|job| !job.over);
        let asked = self.ask("jobStatus", open, json!({}));
        let answers = self.client.answers(asked.ids, PATIENCE);
        answers
            .into_iter()
            .map(|answer| json!(answer.map(|a| a.unwrap_or_else(|e| e))))
            .collect()
    }

    /// Looks at each open job once and does what a person would.
    fn attend(&mut self) -> bool {
        let open = self.which(|job| job.id.is_some() && !job.over);
        let asked = self.ask("jobStatus", open, json!({}));
        let jobs = asked.jobs.clone();
        let answers = self.client.answers(asked.ids, PATIENCE);
        let (mut submit, mut cancel, mut delete) = (Vec::new(), Vec::new(), Vec::new());
        for (n, answer) in jobs.into_iter().zip(answers) {
            let Some(answer) = answer else { return false };
            let wanted = &mut self.jobs[n];
            let job = match answer {
                Ok(job) => job["job"].clone(),
                // Deleted, though the answer to that was lost.
                Err(error) if wanted.goal == Goal::Delete => {
                    assert_eq!(error["data"]["kind"], "jobNotFound", "{error}");
                    wanted.over = true;
                    continue;
                }
                Err(error) => panic!("{}: {error}", wanted.key),
            };
            let phase = job["phase"].as_str().unwrap_or_default();
            match job["status"].as_str().unwrap() {
                "CREATED" if wanted.goal == Goal::CancelEarly && wanted.asked => {
                    // Withdrawn, or on its way to be cancelled, or without a trace.
                    wanted.over = ["staged", "unconfirmed"].contains(&phase);
                }
                "CREATED" if ["staged", "unconfirmed"].contains(&phase) => {
                    // (Cancelled before it was sent: a person who wants it in the queue first.)
                    wanted.asked = false;
                    submit.push(n);
                }
                "PENDING" | "RUNNING" => {
                    wanted.submitted = true;
                    match wanted.goal {
                        Goal::Cancel | Goal::CancelEarly if !wanted.asked => cancel.push(n),
                        Goal::Delete => delete.push(n),
                        _ => {}
                    }
                }
                "COMPLETED" | "FAILED" | "CANCELLED" | "UNKNOWN" if wanted.goal == Goal::Delete => {
                    delete.push(n);
                }
                "COMPLETED" | "FAILED" | "CANCELLED" | "UNKNOWN" => wanted.over = true,
                _ => {}
            }
        }
        for (what, jobs, more) in [
            ("submit", submit, json!({})),
            ("cancel", cancel, json!({})),
            ("deleteJob", delete, json!({ "remoteFiles": true })),
        ] {
            let asked = self.ask(what, jobs, more);
            if !self.hear(asked) {
                return false;
            }
        }
        true
    }

    // --- the end --------------------------------------------------------------------------------

    /// Compares what the program says with Slurm's records and the jobs' own traces. Returns how
    /// many submissions there were.
    pub fn audit(mut self, during: &str) -> usize {
        self.tools.heal();
        let records = settled_records(&self.rig.scratch_root, Duration::from_mins(1));
        let listed = self
            .client
            .request("listJobs", json!({ "limit": 1000 }))
            .unwrap();
        let told: BTreeMap<String, Value> = listed["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| (job["jobId"].as_str().unwrap().to_owned(), job.clone()))
            .collect();
        let wanted: BTreeSet<String> = self.jobs.iter().filter_map(|job| job.id.clone()).collect();
        assert_eq!(
            wanted.len(),
            self.jobs.len(),
            "{during}: one job for each wish"
        );
        for id in told.keys() {
            assert!(wanted.contains(id), "{during}: nobody asked for {id}");
        }
        let none = BTreeMap::new();
        for job in &self.jobs {
            let (id, goal) = (job.id.as_ref().unwrap(), job.goal);
            let dir = format!("{}/{id}/1", self.rig.scratch_root);
            let runs = records.get(&dir).unwrap_or(&none);
            let started = starts(&dir);
            let context = format!(
                "{during}, {id} ({goal:?}): told {}; Slurm has {runs:?}; started {started:?}",
                told.get(id).unwrap_or(&Value::Null)
            );
            // Once in Slurm, and begun at most once.
            let (slurm_id, run) = match (runs.len(), goal) {
                (1, _) => runs.iter().next().unwrap(),
                (0, Goal::CancelEarly) => {
                    assert_eq!(told[id]["status"], "CREATED", "{context}");
                    assert!(started.is_empty(), "{context}");
                    continue;
                }
                (0, _) => panic!("LOST: {context}"),
                (_, _) => panic!("DUPLICATE: {context}"),
            };
            if goal == Goal::Delete {
                assert_eq!(run.state, "CANCELLED", "{context}");
                assert!(!told.contains_key(id), "{context}");
                for root in [&self.rig.scratch_root, &self.rig.project_root] {
                    assert!(!names(root).contains(id), "{root}: {context}");
                }
                continue;
            }
            let told = &told[id];
            let (state, code, begun) = match goal {
                Goal::Complete => ("COMPLETED", Some(0), 1..=1),
                Goal::Fail => ("FAILED", Some(3), 1..=1),
                _ => ("CANCELLED", None, 0..=1),
            };
            assert_eq!(run.state, state, "{context}");
            assert_eq!(told["status"], state, "WRONG: {context}");
            assert_eq!(told["slurmJobId"], json!(slurm_id), "{context}");
            assert_eq!(told["attempt"], 1, "{context}");
            assert!(begun.contains(&started.len()), "{context}");
            assert!(started.iter().all(|by| by == slurm_id), "{context}");
            if let Some(code) = code {
                assert_eq!(
                    (run.code, &told["exitCode"]),
                    (Some(code), &json!(code)),
                    "{context}"
                );
            }
        }
        // Nothing of Slurm's that is nobody's, nothing half-made.
        for dir in records.keys() {
            let owner = dir[self.rig.scratch_root.len()..].trim_start_matches('/');
            let owner = owner.split('/').next().unwrap_or_default();
            assert!(wanted.contains(owner), "{during}: {dir} is nobody's");
        }
        let half = names(&self.rig.project_root);
        let half: Vec<&String> = half
            .iter()
            .filter(|name| name.contains(".partial"))
            .collect();
        assert!(half.is_empty(), "{during}: left half-made: {half:?}");
        let submissions = self.jobs.len();
        self.client.close();
        submissions
    }
}

/// A refusal that a fault, or a second try, explains. Anything else is a fault of ours.
fn expected(what: &str, error: &Value) {
    let kinds = [
        "clusterUnavailable",
        "timeout",
        "transferFailed",
        "remoteCommandFailed",
        "refusedInState",
        "slurmRejected",
        "submitUnknown",
    ];
    let kind = error["data"]["kind"].as_str().unwrap_or_default();
    assert!(kinds.contains(&kind), "{what}: {error}");
}

/// Requests on their way.
#[derive(Debug)]
pub struct Asked {
    ids: Vec<u64>,
    jobs: Vec<usize>,
    what: &'static str,
}

fn open(rig: &Rig, env: &[(String, String)], kill_at: Option<&str>) -> Client {
    let mut env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (&**k, &**v)).collect();
    env.extend(kill_at.map(|at| ("NAMDRUNNER_KILL_AT", at)));
    let mut client = rig.client_with(&env);
    client.deafen();
    client
}
