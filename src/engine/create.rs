//! createJob and previewJob: from a config in the editor to a job that is whole on the cluster.
//!
//! The intent row is stored first and stays hidden. The files go up in one round trip into
//! `<jobId>.partial-<token>`, are checked there, and the directory is renamed: on the cluster, too, a job
//! exists completely or not at all. What a dead process left is swept or taken over at the next
//! look at the cluster.

use std::sync::Arc;

use crate::config::{self, SchedulerKind};
use crate::engine::cluster::{Cluster, Ready, lock};
use crate::engine::files::{self, Survey};
use crate::engine::{
    Caller, CreateJob, Created, Engine, Health, Progress, blocking, instance, kill_point,
};
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::Fact;
use crate::job::{Job, JobId, JobSpec, JobState, layout};
use crate::namd::{Finding, Severity};
use crate::scheduler::{Array, Resources};
use crate::shell::{BadPath, Command};

/// Checks what a caller asks of a job beside its config.
pub(crate) fn check_asked(
    name: Option<&str>,
    resources: Option<&Resources>,
    launch: Option<&str>,
) -> Result<()> {
    if let Some(name) = name
        && (name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control))
    {
        return Err(Error::bad_param(
            "name",
            "must have 1 to 200 characters on one line",
        ));
    }
    if let Some(resources) = resources {
        config::validate_resources(resources)
            .map_err(|(field, why)| Error::bad_param(&format!("resources.{field}"), why))?;
    }
    if let Some(launch) = launch {
        config::validate_launch(launch).map_err(|why| Error::bad_param("launch", why))?;
    }
    Ok(())
}

/// The array that is asked for. One needs a batch system, and only one has `{index}`.
pub(super) fn asked_array(ask: &CreateJob, cluster: &Cluster) -> Result<Option<Array>> {
    let Some(text) = &ask.array else {
        check_index(ask.launch.as_deref(), cluster)?;
        return Ok(None);
    };
    let array = Array::parse(text).map_err(|why| Error::bad_param("array", why))?;
    if cluster.settings.scheduler == SchedulerKind::Direct {
        let why = format!(
            "the cluster {:?} has no batch system, and arrays need one; make a job for each member",
            cluster.name()
        );
        return Err(Error::bad_param("array", why));
    }
    Ok(Some(array))
}

/// Only the members of an array have a number.
pub(super) fn check_index(launch: Option<&str>, cluster: &Cluster) -> Result<()> {
    let why = "names {index}, which only the members of an array have; give `array` too";
    match launch {
        Some(launch) if launch.contains("{index}") => Err(Error::bad_param("launch", why)),
        None if cluster.settings.launch.contains("{index}") => Err(Error::bad_param(
            "array",
            "is missing: the cluster's launch command names {index}, which only the members of an array have",
        )),
        _ => Ok(()),
    }
}

/// Whether the cluster takes arrays with such numbers, if it has said so.
pub(super) fn fits_cluster(array: &Array, ready: &Ready) -> Result<()> {
    let controller = ready
        .facts
        .as_ref()
        .and_then(|facts| facts.controller.as_ref());
    match controller
        .and_then(|controller| controller.max_array_size)
        .and_then(|size| array.refused_by(size))
    {
        Some(why) => Err(Error::bad_param("array", why)),
        None => Ok(()),
    }
}

impl Engine {
    /// Makes a job: closure, intent, upload.
    pub async fn create_job(&self, ask: CreateJob, caller: &Caller) -> Result<Created> {
        self.reload_settings();
        check_asked(
            ask.name.as_deref(),
            Some(&ask.resources),
            ask.launch.as_deref(),
        )?;
        let cluster = self.cluster_for(&ask)?;
        let array = asked_array(&ask, &cluster)?;
        if let Some(key) = &ask.idempotency_key
            && let Some(job) = self.made_before(&cluster, key).await?
        {
            return Ok(Created {
                job,
                findings: Vec::new(),
            });
        }
        caller.tell("Reading the NAMD configuration", 0, 0);
        let survey = self.survey(&ask, array.clone()).await?;
        refuse_errors(&survey.findings)?;
        caller.tell("Connecting", 0, 0);
        self.log_in(&cluster, caller).await?;
        let ready = match cluster.ready().await {
            Ok(ready) => ready,
            Err(error) => {
                self.note_trouble(&cluster, "create", &error);
                return Err(error);
            }
        };
        if let Some(array) = &array {
            fits_cluster(array, &ready)?;
        }
        let job = self.intend(&ask, array, &cluster, &ready, &survey)?;
        let id = job.id.clone();
        {
            let (engine, job, text) = (self.clone(), job.clone(), survey.config_bytes.clone());
            blocking(move || engine.store().insert(&job.introduced(), &text).map(drop)).await?;
        }
        kill_point("create-intended");
        match self.upload(&cluster, &ready, &job, &survey, caller).await {
            Ok(sha256) => {
                kill_point("create-uploaded");
                let job = self.record(&id, Fact::Uploaded { sha256 }).await?;
                kill_point("create-recorded");
                self.turn(&cluster, Health::Ok, None, None);
                Ok(Created {
                    job,
                    findings: survey.findings,
                })
            }
            Err(error) => {
                self.note_trouble(&cluster, "upload", &error);
                self.withdraw_upload(&cluster, &job).await;
                Err(error)
            }
        }
    }

    pub(super) fn cluster_for(&self, ask: &CreateJob) -> Result<Arc<Cluster>> {
        match &ask.cluster {
            Some(name) => self.find_cluster(name),
            None => self.find_cluster(&self.settings().default_cluster),
        }
    }

    pub(super) async fn survey(&self, ask: &CreateJob, array: Option<Array>) -> Result<Survey> {
        let (path, inputs) = (ask.config_path.clone(), ask.inputs.clone());
        blocking(move || files::survey(&path, &inputs, array.as_ref())).await
    }

    /// The job as it is asked for, before anything has been done.
    pub(super) fn intend(
        &self,
        ask: &CreateJob,
        array: Option<Array>,
        cluster: &Cluster,
        ready: &Ready,
        survey: &Survey,
    ) -> Result<Job> {
        let now = self.now();
        let name = ask.name.clone().unwrap_or_else(|| survey.stem());
        let id = JobId::new(&name, now, ulid::Ulid::generate().random());
        let bad = |why: BadPath| Error::new(ErrorKind::SettingsInvalid, format!("{why}."));
        let spec = JobSpec {
            name,
            cluster: cluster.name().to_owned(),
            config_path: survey.config_path.display().to_string(),
            config_sha256: survey.config_sha256.clone(),
            config_in_tree: survey.config_in_tree.clone(),
            output_dirs: survey.output_dirs.clone(),
            files: survey.job_files(),
            project_dir: layout::job_dir(&ready.project_root, &id).map_err(bad)?,
            scratch_dir: layout::job_dir(&ready.scratch_root, &id).map_err(bad)?,
            resources: ask.resources.clone().or(&cluster.settings.resources),
            launch: ask.launch.clone(),
            array,
            labels: ask.labels.clone(),
            idempotency_key: ask.idempotency_key.clone(),
            total_steps: survey.total_steps,
            segments: survey.segments,
        };
        let state = JobState::Uploading {
            since: now,
            owner: self.instance().name().to_owned(),
        };
        Ok(Job::new(id, spec, state, now))
    }

    /// Whether this key has made a job already. One that a dead process left half-made is cleared.
    async fn made_before(&self, cluster: &Arc<Cluster>, key: &str) -> Result<Option<Job>> {
        let Some(job) = self.store().by_idempotency_key(cluster.name(), key)? else {
            return Ok(None);
        };
        let JobState::Uploading { owner, .. } = &job.state else {
            return Ok(Some(job));
        };
        let given_up = lock(&self.inner.unswept).contains(&job.id);
        if !given_up && !instance::is_gone(self.data_dir(), owner) {
            return Err(Error::new(
                ErrorKind::RefusedInState,
                format!("A job with the key {key:?} is being created right now."),
            )
            .hinted("Ask again in a moment.")
            .of_job(&job.id));
        }
        cluster.ready().await?;
        self.sweep_uploads(cluster, vec![job]).await;
        match self.store().by_idempotency_key(cluster.name(), key)? {
            Some(job) if matches!(job.state, JobState::Uploading { .. }) => Err(Error::new(
                ErrorKind::ClusterUnavailable,
                format!(
                    "A half-made job with the key {key:?} could not be cleared on {}.",
                    cluster.place()
                ),
            )
            .hinted("Ask again when the cluster answers.")),
            found => Ok(found),
        }
    }

    /// Takes back an upload that failed: the row at once, the directory if the cluster answers.
    /// If it does not, the row stays hidden and is swept later.
    async fn withdraw_upload(&self, cluster: &Arc<Cluster>, job: &Job) {
        // The same as for an upload that a dead process left: one that was whole after all (the
        // answer alone was lost) is taken over; the caller may delete it.
        self.sweep_uploads(cluster, vec![job.clone()]).await;
        if self.store().job(&job.id).is_ok() {
            lock(&self.inner.unswept).insert(job.id.clone());
        }
    }

    /// Uploads whose process is gone, and those of this process that failed and were not swept.
    pub(crate) fn abandoned_uploads(&self, cluster: &Cluster) -> Result<Vec<Job>> {
        let mut jobs = self.store().uploading()?;
        jobs.retain(|job| {
            let JobState::Uploading { owner, .. } = &job.state else {
                return false;
            };
            let given_up = lock(&self.inner.unswept).contains(&job.id);
            job.spec.cluster == cluster.name()
                && (given_up || instance::is_gone(self.data_dir(), owner))
        });
        Ok(jobs)
    }

    /// Takes over uploads that were whole on the cluster, and clears the others away.
    pub(crate) async fn sweep_uploads(&self, cluster: &Arc<Cluster>, jobs: Vec<Job>) {
        for job in jobs {
            let script = layout::sweep_script(&job.spec.project_dir);
            let Ok(output) = cluster.try_run(&Command::read("sweep", script)).await else {
                return;
            };
            if !output.ok() {
                tracing::warn!(job = %job.id, status = %output.status, "a half-made job could not be swept");
                continue;
            }
            kill_point("sweep-answered");
            let text = output.text();
            let done = if let Some(sums) = layout::whole_upload(&text) {
                tracing::info!(job = %job.id, "an upload that was whole is taken over");
                self.record(&job.id, Fact::Uploaded { sha256: sums })
                    .await
                    .map(drop)
            } else {
                tracing::info!(job = %job.id, "a half-made job was swept");
                self.store().discard(&job.id)
            };
            if let Err(error) = done {
                tracing::warn!(job = %job.id, %error, "a half-made job stays");
            }
        }
    }
}

impl Caller {
    /// Reports progress, if the caller asked for it.
    pub(crate) fn tell(&self, message: &str, done: u64, total: u64) {
        if let Some(progress) = &self.progress {
            progress(Progress {
                message: message.to_owned(),
                done,
                total,
                transfer: None,
            });
        }
    }
}

/// Refuses a config whose findings hold errors; the kind is that of the first of them.
fn refuse_errors(findings: &[Finding]) -> Result<()> {
    let errors: Vec<Finding> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .cloned()
        .collect();
    let Some(first) = errors.first() else {
        return Ok(());
    };
    let kind = if first.is_about_input() {
        ErrorKind::InputMissing
    } else {
        ErrorKind::NamdConfigInvalid
    };
    let more = match errors.len() - 1 {
        0 => String::new(),
        1 => " (and one more)".to_owned(),
        n => format!(" (and {n} more)"),
    };
    let message = format!("{}{more}", first.message);
    Err(Error::new(kind, message)
        .hinted("The findings name each place. Nothing was uploaded.")
        .with_findings(findings.to_vec()))
}
