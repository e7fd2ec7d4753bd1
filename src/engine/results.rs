//! Results, after the end: from scratch to the project directory. A step of its own, that goes on by
//! itself while the status is terminal: tried again with growing pauses, then paused with a reason
//! until somebody asks (`retryStep`). What a crash leaves undone is taken up by the next look.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::closing::is_about_link;
use crate::engine::cluster::{Cluster, lock};
use crate::engine::follow::Followed;
use crate::engine::{Engine, blocking, kill_point};
use crate::error::{Error, ErrorKind, Result};
use crate::job::collect::{self, Collected};
use crate::job::{Job, JobId, JobState};
use crate::shell::Command;

/// Pauses between tries, in seconds. After the last, it is paused.
const PAUSES: [i64; 4] = [5, 30, 120, 600];
/// One part takes about a minute; a single large file may take longer.
const TIMEOUT: Duration = Duration::from_hours(2);
/// Until the next try when the cluster could not be reached, in seconds.
const LINK_PAUSE: i64 = 30;

/// How far the collection of an attempt's results is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResultsSeen {
    /// How far.
    pub state: ResultsStep,
    /// Files in the project directory.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why it pauses, or will be tried again.
    pub reason: Option<String>,
    /// Tries that failed.
    pub tries: u32,
    /// Not to be tried again before.
    pub not_before: Option<Timestamp>,
}

/// How far the collection is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResultsStep {
    /// Not begun, or to be tried again.
    #[default]
    Waiting,
    /// The intent is on disk: it is being copied, or was when a process died.
    Copying,
    /// Everything is in the project directory.
    Copied,
    /// There was nothing to collect.
    Nothing,
    /// It goes no further by itself.
    Paused,
}

impl ResultsSeen {
    /// As it was kept; nothing if it was not, or cannot be read.
    pub(crate) fn of(kept: Option<serde_json::Value>) -> Self {
        kept.and_then(|kept| serde_json::from_value(kept).ok())
            .unwrap_or_default()
    }

    /// Whether nothing more happens by itself.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.state,
            ResultsStep::Copied | ResultsStep::Nothing | ResultsStep::Paused
        )
    }

    /// It did not work, this time.
    fn failed(&mut self, why: String, now: Timestamp) {
        let pause = usize::try_from(self.tries)
            .ok()
            .and_then(|tries| PAUSES.get(tries));
        self.tries = self.tries.saturating_add(1);
        self.reason = Some(why);
        if let Some(seconds) = pause {
            self.state = ResultsStep::Waiting;
            self.not_before = Some(now + SignedDuration::from_secs(*seconds));
        } else {
            self.state = ResultsStep::Paused;
            self.not_before = None;
        }
    }

    /// Takes in what came of one try.
    fn take(&mut self, came: Collected, now: Timestamp) {
        match came {
            Collected::All { files, bytes } => {
                (self.files, self.bytes) = (files, bytes);
                self.done(ResultsStep::Copied, None);
            }
            // Told between the parts; as a last word it is none.
            Collected::Part { files, bytes } => (self.files, self.bytes) = (files, bytes),
            Collected::Busy => self.failed(
                "An earlier collection of the same job still runs on the cluster.".into(),
                now,
            ),
            Collected::InPlace => self.done(ResultsStep::Copied, None),
            Collected::Nothing => self.done(
                ResultsStep::Nothing,
                Some("Its working directory is not there any more: nothing could be collected."),
            ),
            Collected::Unsettled => {
                self.failed("Files in its working directory still change.".into(), now);
            }
            Collected::NoRoom { needed, free } => self.failed(
                format!(
                    "There is no room in the project directory: {} MB are needed, {} MB are free.",
                    needed.div_ceil(1024),
                    free / 1024
                ),
                now,
            ),
            Collected::Failed { why } => {
                self.failed(format!("Not all could be copied: {why}."), now);
            }
        }
    }

    fn done(&mut self, state: ResultsStep, reason: Option<&str>) {
        self.state = state;
        self.reason = reason.map(Into::into);
        self.not_before = None;
    }
}

impl Engine {
    /// Collects results in a task of its own, which the end of the program does not wait for: it
    /// takes long, and breaking off does no harm.
    pub(super) fn start_collecting(&self, cluster: &Arc<Cluster>) {
        let (engine, cluster) = (self.clone(), Arc::clone(cluster));
        self.inner.collections.spawn(async move {
            // One collects and one more waits: it will find what the first did not.
            let Ok(_seat) = cluster.collectors.try_acquire() else {
                return;
            };
            let _one = cluster.collecting.lock().await;
            let collected = tokio::select! {
                () = cluster.stop.cancelled() => return,
                collected = engine.collect_due(&cluster) => collected,
            };
            match collected {
                Ok(Some(due)) => engine.collect_again(&cluster, due),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(cluster = cluster.name(), %error, "not all is collected yet");
                    // Where somebody has to log in, the look after that takes it up.
                    if matches!(
                        error.kind,
                        ErrorKind::ClusterUnavailable | ErrorKind::Timeout
                    ) {
                        let pause = SignedDuration::from_secs(LINK_PAUSE);
                        engine.collect_again(&cluster, engine.now() + pause);
                    }
                }
            }
        });
    }

    /// Collects what is due. Gives when the next try is due, if there is one. Fails where the
    /// cluster cannot be reached: that is no try.
    async fn collect_due(&self, cluster: &Arc<Cluster>) -> Result<Option<Timestamp>> {
        let mut next: Option<Timestamp> = None;
        for job in self.unsettled(cluster)? {
            let Some(attempt) = job.attempt() else {
                continue;
            };
            let mut kept = Followed::of(self.store().progress(&job.id)?, attempt.n);
            if !kept.is_closed(&job) || kept.settled {
                continue;
            }
            let due = kept.results.not_before.filter(|due| *due > self.now());
            if due.is_none() && !kept.results.is_final() {
                self.collect_one(cluster, &job, &mut kept).await?;
            } else if kept.results.is_final() {
                // A crash came between: there is nothing more to do.
                self.keep_results(&job, &mut kept).await?;
            }
            next = next.into_iter().chain(kept.results.not_before).min();
        }
        Ok(next)
    }

    async fn collect_one(
        &self,
        cluster: &Arc<Cluster>,
        job: &Job,
        kept: &mut Followed,
    ) -> Result<()> {
        if job.origin.is_adopted() {
            kept.results.done(
                ResultsStep::Nothing,
                Some("It was submitted by hand: its files stay where they are."),
            );
            return self.keep_results(job, kept).await.map(drop);
        }
        kept.results.state = ResultsStep::Copying;
        loop {
            if !self.keep_results(job, kept).await? {
                return Ok(());
            }
            // Deleted meanwhile: there is nothing to tell, here and below.
            let _ = self.tell_progress(job);
            kill_point("collecting");
            let came = self.collect(cluster, job, kept.attempt).await;
            kill_point("collected");
            let now = self.now();
            match came {
                Ok(Collected::Part { files, bytes }) => {
                    (kept.results.files, kept.results.bytes) = (files, bytes);
                    continue;
                }
                Ok(came) => kept.results.take(came, now),
                Err(error) if is_about_link(&error) => return Err(error),
                Err(error) => kept.results.failed(error.message, now),
            }
            if self.keep_results(job, kept).await? {
                let _ = self.tell_progress(job);
            }
            return Ok(());
        }
    }

    async fn collect(&self, cluster: &Arc<Cluster>, job: &Job, n: u32) -> Result<Collected> {
        let bad = |why: crate::shell::BadPath| Error::internal(why.to_string()).of_job(&job.id);
        let script = collect::script(job, n).map_err(bad)?;
        let command = Command::read("collect results", script).within(TIMEOUT);
        // One heavy thing at a time on a login node; others get their turn between the parts.
        let _heavy = cluster.heavy.acquire().await;
        let output = cluster.run(&command).await?;
        collect::read(&output.text()).ok_or_else(|| {
            let why = output
                .first_error_line()
                .unwrap_or_else(|| output.status.to_string());
            Error::new(
                ErrorKind::RemoteCommandFailed,
                format!(
                    "The results could not be collected on {}: {why}.",
                    cluster.place()
                ),
            )
            .of_job(&job.id)
            .on_cluster(cluster.name())
        })
    }

    /// Keeps how far the results are, unless the job was deleted, or a new attempt has begun
    /// meanwhile; says whether.
    async fn keep_results(&self, job: &Job, kept: &mut Followed) -> Result<bool> {
        kept.settled = kept.closed && kept.results.is_final();
        let (store, id, stored) = (
            Arc::clone(&self.inner.store),
            job.id.clone(),
            kept.stored()?,
        );
        let (now, of) = (self.now(), job.status_since);
        blocking(move || {
            // Another end, or none any more, is for the next reading.
            let is_same = store.job(&id).is_ok_and(|job| {
                let newest = job.attempt().map(|attempt| attempt.n);
                newest == Some(stored.attempt) && job.status_since == of
            });
            if is_same {
                store.put_progress(&[(id, stored)], now)?;
            }
            Ok(is_same)
        })
        .await
    }

    /// Takes up a paused collection now. Where everything is in its place nothing happens.
    pub async fn retry_step(&self, id: &JobId) -> Result<Job> {
        let job = self.visible(id)?;
        let (JobState::Ended { .. }, Some(attempt)) = (&job.state, job.attempt()) else {
            return Err(Error::new(
                ErrorKind::RefusedInState,
                format!("Job {id} has not ended: nothing is collected yet."),
            )
            .hinted("Its results are collected by themselves after its end.")
            .of_job(id));
        };
        let cluster = self.find_cluster(&job.spec.cluster)?;
        let mut kept = Followed::of(self.store().progress(id)?, attempt.n);
        if kept.results.state != ResultsStep::Copied {
            kept.results = ResultsSeen {
                files: kept.results.files,
                bytes: kept.results.bytes,
                ..ResultsSeen::default()
            };
            self.keep_results(&job, &mut kept).await?;
            self.start_closing(&cluster);
        }
        Ok(job)
    }

    /// How far the collection of a job's results is.
    pub fn results(&self, job: &Job) -> ResultsSeen {
        let Some(attempt) = job.attempt().filter(|_| job.ended().is_some()) else {
            return ResultsSeen::default();
        };
        // What cannot be read will be collected afresh.
        ResultsSeen::of(self.store().results(&job.id, attempt.n).unwrap_or_default())
    }

    /// Takes the collecting up again at a time, unless something does before.
    fn collect_again(&self, cluster: &Arc<Cluster>, due: Timestamp) {
        let now = self.now();
        {
            let mut planned = lock(&cluster.collect_again);
            if planned.is_some_and(|planned| now < planned && planned <= due) {
                return;
            }
            *planned = Some(due);
        }
        let (engine, cluster) = (self.clone(), Arc::clone(cluster));
        let ahead = due.duration_since(now).unsigned_abs();
        // No task that the end of the program waits for: the next start takes it up.
        tokio::spawn(async move {
            tokio::select! {
                () = cluster.stop.cancelled() => {}
                () = tokio::time::sleep(ahead) => engine.start_closing(&cluster),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn it_is_tried_again_with_growing_pauses_and_then_paused() {
        let mut seen = ResultsSeen::default();
        let mut pauses = Vec::new();
        let mut now = 0;
        while !seen.is_final() {
            seen.take(Collected::Unsettled, at(now));
            if let Some(due) = seen.not_before {
                let pause = due.duration_since(at(now)).as_secs();
                pauses.push(pause);
                now += pause;
            }
        }
        assert_eq!(pauses, PAUSES);
        assert_eq!(seen.state, ResultsStep::Paused);
        assert!(seen.reason.unwrap().contains("still change"));
    }

    #[test]
    fn what_came_of_a_try_is_told_in_figures() {
        let mut seen = ResultsSeen::default();
        let no_room = Collected::NoRoom {
            needed: 4096,
            free: 2048,
        };
        seen.take(no_room, at(0));
        let reason = seen.reason.as_ref().unwrap();
        assert!(
            reason.contains("4 MB are needed, 2 MB are free"),
            "{reason}"
        );
        seen.take(Collected::All { files: 3, bytes: 9 }, at(10));
        assert_eq!(
            (seen.state, seen.files, seen.reason, seen.not_before),
            (ResultsStep::Copied, 3, None, None)
        );
    }
}
