//! Taking over a job that was submitted by hand.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::engine::cluster::{Ask, Cluster};
use crate::engine::files::hex;
use crate::engine::reconcile::{no_later_than, of_slurm};
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::job::origin::Origin;
use crate::job::{Job, JobId, JobSpec, JobState, adoption, discovery};
use crate::scheduler::{HandMade, NotFound, SchedulerId, Source};
use crate::shell::RemotePath;
use crate::store::Outline;

/// A config beyond this is not kept with an adopted job.
const MOST_CONFIG: u64 = 1 << 20;

impl Engine {
    /// Takes a job that was submitted by hand into the list: its script, its directory and its NAMD
    /// config, as far as they can be told. It is followed and can be cancelled; its files are never
    /// written or removed.
    pub async fn adopt(&self, name: &str, slurm_job_id: &str) -> Result<Job> {
        self.reload_settings();
        let cluster = self.find_cluster(name)?;
        let id = SchedulerId::parse(slurm_job_id)
            .map_err(|bad| Error::bad_param("slurmJobId", format!("{bad}")))?;
        let result = self.try_adopt(&cluster, &id).await;
        if let Err(error) = &result
            && Cluster::health_of(error).is_some()
        {
            self.note_trouble(&cluster, "adopt", error);
        }
        result
    }

    async fn try_adopt(&self, cluster: &Arc<Cluster>, id: &SchedulerId) -> Result<Job> {
        let place = cluster.place();
        if let Some(known) = self.row_of(cluster, id)? {
            let message = format!("Slurm job {id} is in the list already, as {}.", known.id);
            return Err(of_slurm(ErrorKind::RefusedInState, message, cluster).of_job(&known.id));
        }
        let ready = cluster.ready().await?;
        let Some(command) = cluster.scheduler.hand_made(id, &ready.prelude) else {
            let message = format!("{place} has no batch system: there is nothing to adopt.");
            return Err(of_slurm(ErrorKind::RefusedInState, message, cluster));
        };
        let output = cluster.run(&command).await?;
        let found = cluster
            .scheduler
            .parse_hand_made(id, &output)
            .map_err(|why| not_adopted(cluster, id, why))?;
        let work_dir = RemotePath::parse(&found.work_dir).map_err(|why| {
            let message = format!("Slurm job {id} cannot be followed: {why}.");
            of_slurm(ErrorKind::RefusedInState, message, cluster)
        })?;
        if work_dir.is_inside(&ready.scratch_root) {
            let message = format!("Slurm job {id} was submitted by this program, in {work_dir}.");
            return Err(of_slurm(ErrorKind::RefusedInState, message, cluster)
                .hinted("discoverJobs takes it into the list, with its history."));
        }
        let (config_path, config, log) = self.config_of(cluster, &found, &work_dir).await?;
        let job = self.handmade(cluster, &found, &work_dir, config_path, &config, log);
        let submitted = no_later_than(found.submitted, self.now());
        let source = if found.evidence.starts_with("sacct") {
            Source::Sacct
        } else {
            Source::Squeue
        };
        let changes = discovery::adopted(job, self.tag()?, id, submitted, source, &found.evidence);
        let Some(job) = self.take_in(vec![(changes, config)]).await?.pop() else {
            return Err(Error::internal("an adopted job has an id that exists"));
        };
        // What it does now.
        let _ = cluster.asks.send(Ask::Expect);
        self.sync_all(Some(cluster.name()), &Caller::default())
            .await?;
        self.visible(&job.id)
    }

    fn row_of(&self, cluster: &Cluster, id: &SchedulerId) -> Result<Option<Outline>> {
        let is_same = |text: &String| {
            SchedulerId::parse(text)
                .is_ok_and(|known| known.base == id.base && known.part == id.part)
        };
        let outlines = self.store().outlines(cluster.name())?;
        // Numbers are used again some day: only a job that lives keeps another from being adopted.
        Ok(outlines
            .into_iter()
            .filter(|outline| outline.scheduler_id.as_ref().is_some_and(is_same))
            .find(|outline| outline.active || self.is_recent(&outline.id)))
    }

    fn is_recent(&self, id: &JobId) -> bool {
        const RECENT_SECONDS: i64 = 30 * 24 * 3600;
        self.store().job(id).is_ok_and(|job| {
            let since = job.attempt().and_then(|attempt| attempt.submitted);
            let since = since.unwrap_or(job.created_at);
            self.now().duration_since(since).as_secs() < RECENT_SECONDS
        })
    }

    /// The NAMD config that a script runs: its path, its bytes and the log it is run with.
    async fn config_of(
        &self,
        cluster: &Cluster,
        found: &HandMade,
        work_dir: &RemotePath,
    ) -> Result<(Option<RemotePath>, Vec<u8>, Option<String>)> {
        let script = String::from_utf8_lossy(found.script.as_deref().unwrap_or_default());
        let candidates = adoption::candidates(&script, found.command.as_deref(), work_dir.as_str());
        for candidate in candidates {
            let Ok(path) = RemotePath::parse(&candidate.config) else {
                continue;
            };
            match cluster.transport.read_from(&path, 0, MOST_CONFIG).await {
                Ok(bytes) => {
                    let below = format!("{work_dir}/");
                    let log = candidate.log.as_deref().or(found.output.as_deref());
                    let log = log
                        .and_then(|log| log.strip_prefix(&below))
                        .map(str::to_owned);
                    return Ok((Some(path), bytes, log));
                }
                Err(crate::transport::TransportError::Remote(_)) => {}
                Err(error) => return Err(cluster.translate(&error, "adopt")),
            }
        }
        Ok((None, Vec::new(), None))
    }

    fn handmade(
        &self,
        cluster: &Cluster,
        found: &HandMade,
        work_dir: &RemotePath,
        config_path: Option<RemotePath>,
        config: &[u8],
        log: Option<String>,
    ) -> Job {
        let now = self.now();
        let plain: String = found
            .name
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        let name = if plain.trim().is_empty() {
            format!("Slurm job {}", found.id)
        } else {
            plain
        };
        let id = JobId::new(&name, now, ulid::Ulid::generate().random());
        let in_tree = config_path.as_ref().map(|path| {
            let below = path.as_str().strip_prefix(work_dir.as_str());
            below.map_or(path.as_str(), |path| path.trim_start_matches('/'))
        });
        let spec = JobSpec {
            name,
            cluster: cluster.name().to_owned(),
            config_in_tree: in_tree.unwrap_or_default().to_owned(),
            config_sha256: if config_path.is_some() {
                hex(&Sha256::digest(config))
            } else {
                String::new()
            },
            config_path: config_path.map_or_else(String::new, String::from),
            output_dirs: Vec::new(),
            files: Vec::new(),
            project_dir: work_dir.clone(),
            scratch_dir: work_dir.clone(),
            resources: found.resources.clone(),
            launch: None,
            labels: std::collections::BTreeMap::new(),
            idempotency_key: None,
            total_steps: None,
            segments: None,
            array: None,
        };
        let created = no_later_than(found.submitted, now);
        let mut job = Job::new(id, spec, JobState::Created, created);
        job.origin = Origin::Adopted {
            at: now,
            work_dir: work_dir.clone(),
            script: found.command.clone(),
            log,
        };
        job
    }
}

fn not_adopted(cluster: &Cluster, id: &SchedulerId, why: NotFound) -> Error {
    let place = cluster.place();
    match why {
        NotFound::Nowhere => of_slurm(
            ErrorKind::JobNotFound,
            format!("{place} knows no job {id} of yours, neither in the queue nor in the records."),
            cluster,
        )
        .hinted("`squeue --me` lists the jobs that can be adopted."),
        NotFound::NotYours { owner } => of_slurm(
            ErrorKind::RefusedInState,
            format!("Slurm job {id} on {place} belongs to {owner}."),
            cluster,
        )
        .hinted("Only your own jobs can be adopted."),
        NotFound::Unanswered { why } => of_slurm(
            ErrorKind::RemoteCommandFailed,
            format!("{place} did not say what job {id} is: {why}"),
            cluster,
        )
        .hinted("Ask again in a moment."),
    }
}
