//! deleteJob: intent first, cancel what lives, remove only inside the roots, leave a tombstone.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::cluster::{Ask, Cluster};
use crate::engine::{Deleted, Engine, Event, blocking, kill_point, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::Fact;
use crate::job::{Job, JobId, JobState, SubmitStep, layout};
use crate::shell::Command;

/// How long deleting waits for a cancelled job to end, before it asks to be called again.
const CANCEL_PATIENCE: Duration = Duration::from_secs(30);
/// How long removing a job's directories may take.
const REMOVE_TIMEOUT: Duration = Duration::from_mins(10);

impl Engine {
    /// Deletes a job: cancels it if it lives, removes its directories on the cluster if asked.
    ///
    /// Refused while the job may live and the cluster does not answer. Without `remote_files`
    /// nothing on the cluster is touched.
    pub async fn delete_job(&self, id: &JobId, remote_files: bool) -> Result<Deleted> {
        let job = self.visible(id)?;
        if !job.is_active() && !remote_files {
            self.forget(id).await?;
            return Ok(Deleted::default());
        }
        let cluster = self.find_cluster(&job.spec.cluster)?;
        let Some(_busy) = cluster.claim(id) else {
            return Err(may_live(&job, "another step of it is under way"));
        };
        self.record(id, Fact::DeleteAsked { remote_files }).await?;
        kill_point("delete-asked");
        self.delete_or_withdraw(&cluster, id, remote_files).await
    }

    async fn delete_or_withdraw(
        &self,
        cluster: &Arc<Cluster>,
        id: &JobId,
        remote_files: bool,
    ) -> Result<Deleted> {
        let result = self.try_delete(cluster, id, remote_files).await;
        if let Err(error) = &result {
            self.note_trouble(cluster, "delete", error);
            // A refusal must not leave a job that can neither be used nor is gone.
            if self.store().job(id).is_ok() {
                self.record(id, Fact::DeleteWithdrawn).await?;
            }
        }
        result
    }

    /// Takes up deletions that a dead process left half-way.
    pub(crate) fn resume_deletions(&self, cluster: &Arc<Cluster>) -> Result<()> {
        for job in self.store().deleting()? {
            if job.spec.cluster != cluster.name() {
                continue;
            }
            let Some(busy) = cluster.claim(&job.id) else {
                continue;
            };
            let (engine, cluster) = (self.clone(), Arc::clone(cluster));
            self.spawn(async move {
                let _busy = busy;
                if let Err(error) = engine
                    .delete_or_withdraw(&cluster, &job.id, job.delete_remote)
                    .await
                {
                    tracing::warn!(job = %job.id, %error, "an interrupted deletion was given up");
                }
            });
        }
        Ok(())
    }

    async fn try_delete(
        &self,
        cluster: &Arc<Cluster>,
        id: &JobId,
        remote_files: bool,
    ) -> Result<Deleted> {
        if self.stored(id)?.is_active() {
            self.end_before_deleting(cluster, id).await?;
            kill_point("delete-ended");
        }
        let job = self.stored(id)?;
        let remote = if remote_files {
            self.remove_files(cluster, &job).await?
        } else {
            Vec::new()
        };
        kill_point("delete-removed");
        self.forget(id).await?;
        Ok(Deleted { remote })
    }

    /// Cancels and waits until the end is witnessed: a job whose files go must not be writing them.
    async fn end_before_deleting(&self, cluster: &Arc<Cluster>, id: &JobId) -> Result<()> {
        // Ask::Expect and the looks below need a link; without one the job may live on unseen.
        cluster.ready().await?;
        let job = self.record(id, Fact::CancelAsked).await?;
        match job.state {
            JobState::Submitting {
                step: SubmitStep::Sent,
                ..
            } => {
                return Err(may_live(&job, "its submission has not been answered yet"));
            }
            // Nothing was sent, or no source has a trace of it past the grace period.
            JobState::Submitting { .. } => {
                return self
                    .record(id, Fact::NotSubmitted { error: None })
                    .await
                    .map(drop);
            }
            _ => self.send_cancel(cluster, &job, None).await?,
        }
        let deadline = tokio::time::Instant::now() + CANCEL_PATIENCE;
        let mut events = self.events();
        loop {
            let job = self.stored(id)?;
            if !job.is_active() {
                return Ok(());
            }
            let _ = cluster.asks.send(Ask::Expect);
            // Woken by the poller's early looks, or by the end itself.
            let news = async {
                while let Ok(event) = events.recv().await {
                    if matches!(&event, Event::Job { change, .. } if change.job.id == *id) {
                        return;
                    }
                }
            };
            if tokio::time::timeout_at(deadline, news).await.is_err() {
                let job = self.stored(id)?;
                if !job.is_active() {
                    return Ok(());
                }
                return Err(may_live(
                    &job,
                    "it has been cancelled and has not ended yet",
                ));
            }
        }
    }

    /// Removes the job's directories; the command compares canonical paths once more.
    async fn remove_files(&self, cluster: &Arc<Cluster>, job: &Job) -> Result<Vec<String>> {
        let ready = cluster.ready().await?;
        let configured = [&ready.project_root, &ready.scratch_root];
        let dirs = layout::deletable(job, configured).map_err(|why| {
            Error::new(
                ErrorKind::RefusedInState,
                format!("Nothing was removed: {why}."),
            )
            .of_job(&job.id)
        })?;
        let _heavy = cluster.heavy.acquire().await;
        let command = Command::read("remove", layout::remove_script(&dirs)).within(REMOVE_TIMEOUT);
        let output = cluster.run(&command).await?;
        if !output.ok() {
            let said = output
                .first_error_line()
                .unwrap_or_else(|| output.status.to_string());
            return Err(Error::new(
                ErrorKind::RemoteCommandFailed,
                format!(
                    "The files of {} on {} were not all removed: {said}",
                    job.id,
                    cluster.place()
                ),
            )
            .hinted("The job stays in the list. Mend what is named, then delete it again.")
            .of_job(&job.id)
            .on_cluster(cluster.name()));
        }
        Ok(output
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix("removed "))
            .map(str::to_owned)
            .collect())
    }

    async fn forget(&self, id: &JobId) -> Result<()> {
        let (engine, id) = (self.clone(), id.clone());
        blocking(move || {
            let mut told = lock(&engine.inner.told);
            let seq = engine.store().delete(&id, engine.now())?;
            engine.tell_deleted(&mut told, seq, &id);
            Ok(())
        })
        .await
    }
}

fn may_live(job: &Job, why: &str) -> Error {
    Error::new(
        ErrorKind::RefusedInState,
        format!("Job {} was not deleted: {why}.", job.id),
    )
    .hinted("Delete it again in a moment.")
    .of_job(&job.id)
}
