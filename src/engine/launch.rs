//! Submission, step by step: intent on disk, one remote command, its answer on disk.

use std::sync::Arc;
use std::time::Duration;

use crate::config;
use crate::engine::Engine;
use crate::engine::cluster::{Ask, Busy, Cluster, Ready};
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::Fact;
use crate::job::{ErrorInfo, Job, JobId, JobState, SubmitStep, layout};
use crate::scheduler::{
    CancelTarget, FoundAttempt, IdPart, Launch, LostAttempt, MemberSet, Source, Submitted,
};

/// How long a submission without an answer is only looked for, and not called unconfirmed: longer
/// than the submitting command may take by itself.
pub(crate) const GRACE_SECONDS: i64 = 180;
/// How many times as long when the attempt's lock exists on the cluster: the command had begun.
const LOCKED_GRACE: i64 = 5;
/// After this long without a login or an answer, nothing is submitted by surprise.
const FORGET_SECONDS: i64 = 24 * 3600;
/// How often a submission that found no room is tried again.
const ROOM_SECONDS: i64 = 60;
/// How often an unconfirmed submission is still looked for.
const SEARCH_AGAIN: Duration = Duration::from_mins(5);
/// What a person is told to do about a submission that waits for a link, a login, or the controller.
const WAITS_FOR_CLUSTER: &str =
    "It is submitted when the cluster answers again, within a day; cancel withdraws it.";
/// What staging may take beside what its bytes need.
const SUBMIT_TIMEOUT: Duration = Duration::from_mins(2);

/// Everything the script of the job's newest attempt (or the next one) is made from.
pub(crate) fn plan(job: &Job, cluster: &config::Cluster, ready: &Ready) -> Result<Launch> {
    let (attempt, tag) = match (&job.state, job.attempt()) {
        (JobState::Submitting { .. }, Some(attempt)) => (attempt.n, attempt.tag.clone()),
        (_, newest) => (
            newest.map_or(1, |newest| newest.n + 1),
            super::placeholder_tag(),
        ),
    };
    let bad = |why: crate::shell::BadPath| {
        Error::new(ErrorKind::SettingsInvalid, format!("{why}.")).of_job(&job.id)
    };
    Ok(Launch {
        job_id: job.id.to_string(),
        job_name: job.spec.name.clone(),
        attempt,
        tag,
        project_dir: job.spec.project_dir.clone(),
        work_dir: layout::work_dir(job, attempt).map_err(bad)?,
        config: job.spec.config_in_tree.clone(),
        log: layout::log_in_tree(job),
        output_dirs: job.spec.output_dirs.clone(),
        resources: job.spec.resources.clone(),
        array: job.spec.array.clone(),
        setup: cluster.setup.clone(),
        slurm_setup: ready.prelude.clone(),
        command: job
            .spec
            .launch
            .clone()
            .unwrap_or_else(|| cluster.launch.clone()),
        requeue: cluster.requeue,
        max_running: cluster.max_running,
        take_over: job.attempt().is_some_and(|attempt| attempt.untraced),
    })
}

impl Engine {
    /// Takes the accepted submission of a job as far as it goes now. Never fails: what went wrong
    /// is recorded with the job.
    pub(crate) async fn launch(&self, cluster: &Arc<Cluster>, id: &JobId, _busy: Busy) {
        if let Err(error) = self.try_launch(cluster, id).await {
            tracing::warn!(job = %id, cluster = cluster.name(), %error, "submission stopped");
        }
        let _ = cluster.asks.send(Ask::Expect);
    }

    async fn try_launch(&self, cluster: &Arc<Cluster>, id: &JobId) -> Result<()> {
        let _permit = cluster.submits.acquire().await;
        let job = self.stored(id)?;
        if !matches!(job.state, JobState::Submitting { .. }) {
            return Ok(());
        }
        let ready = match cluster.ready().await {
            Ok(ready) => ready,
            Err(error) => return self.wait_for_login(cluster, id, error).await,
        };
        let launch = match plan(&job, &cluster.settings, &ready) {
            Ok(launch) => launch,
            Err(error) => return self.not_submitted(id, &error).await,
        };
        let bytes: u64 = job.spec.files.iter().map(|file| file.bytes).sum();
        let command = cluster
            .scheduler
            .submit(&launch)
            .within(SUBMIT_TIMEOUT + Duration::from_secs(bytes / 20_000_000));
        // The intent, before the effect. From here on only looking tells.
        if let Err(refused) = self.record(id, Fact::SubmitSent).await {
            // Cancelled before it was sent: nothing has happened on the cluster.
            if self.stored(id)?.cancel_asked.is_some() {
                self.record(id, Fact::NotSubmitted { error: None }).await?;
                return Ok(());
            }
            return Err(refused);
        }
        super::kill_point("submit-sent");
        let submitted = match cluster.try_run(&command).await {
            Ok(output) => cluster.scheduler.parse_submit(&output),
            Err(error) if error.nothing_ran() => {
                let error = cluster.translate(&error, "submit");
                return self.wait_for_login(cluster, id, error).await;
            }
            Err(error) => Submitted::Unknown {
                detail: error.to_string(),
            },
        };
        super::kill_point("submit-answered");
        self.settle_submission(cluster, id, submitted).await
    }

    async fn settle_submission(
        &self,
        cluster: &Arc<Cluster>,
        id: &JobId,
        submitted: Submitted,
    ) -> Result<()> {
        match submitted {
            Submitted::Accepted {
                id: scheduler_id,
                at,
                repeated,
                evidence,
            } => {
                let evidence = if repeated {
                    format!("found the receipt: {evidence}")
                } else {
                    evidence
                };
                let at = at.unwrap_or_else(|| self.now());
                self.accepted(cluster, id, scheduler_id, at, Source::Local, evidence)
                    .await
            }
            Submitted::Rejected {
                reason,
                no_room: true,
            } => {
                let step = SubmitStep::WaitingForRoom;
                let message = format!(
                    "{} allows no more jobs of yours at present: {reason}",
                    cluster.place()
                );
                let hint = "It is submitted by itself when there is room; cancel withdraws it.";
                self.waits(id, step, ErrorKind::SlurmRejected, message, hint)
                    .await
            }
            Submitted::Rejected {
                reason,
                no_room: false,
            } => {
                let error = Error::new(
                    ErrorKind::SlurmRejected,
                    format!("{} refused the job: {reason}", cluster.place()),
                )
                .hinted("Change what the job asks for (updateJob) and submit it again; nothing needs to be uploaded anew.");
                self.not_submitted(id, &error).await
            }
            Submitted::NotReached { reason } => {
                let message = format!(
                    "The batch system of {} does not answer, so the job was not submitted: {reason}",
                    cluster.place()
                );
                let step = SubmitStep::WaitingForLogin;
                let kind = ErrorKind::ClusterUnavailable;
                self.waits(id, step, kind, message, WAITS_FOR_CLUSTER).await
            }
            Submitted::NotStaged { reason, quota } => {
                let kind = if quota {
                    ErrorKind::Quota
                } else {
                    ErrorKind::TransferFailed
                };
                let error = Error::new(
                    kind,
                    format!(
                        "The job's files could not be laid out on {}: {reason}",
                        cluster.place()
                    ),
                )
                .hinted(if quota {
                    "Free space there (or raise the quota), then submit again."
                } else {
                    "`namdrunner doctor` checks both roots; mend what it names, then submit again."
                });
                self.not_submitted(id, &error).await
            }
            Submitted::Unknown { detail } => {
                cluster
                    .book()
                    .note_error("submit", None, detail.clone(), self.now());
                let message = format!(
                    "The answer to the submission was lost ({detail}); it is being looked for."
                );
                let hint = "Nothing is submitted twice: wait, the next looks tell whether it was accepted.";
                self.waits(
                    id,
                    SubmitStep::Sent,
                    ErrorKind::SubmitUnknown,
                    message,
                    hint,
                )
                .await
            }
        }
    }

    async fn accepted(
        &self,
        cluster: &Arc<Cluster>,
        id: &JobId,
        scheduler_id: crate::scheduler::SchedulerId,
        at: jiff::Timestamp,
        source: Source,
        evidence: String,
    ) -> Result<()> {
        let fact = Fact::Submitted {
            id: scheduler_id,
            at,
            source,
            evidence,
        };
        let job = self.record(id, fact).await?;
        super::kill_point("submit-recorded");
        // Asked to cancel while the answer was on its way.
        if job.cancel_asked.is_some() {
            self.send_cancel(cluster, &job, None).await?;
        }
        Ok(())
    }

    /// The submission waits for a link or a login; it goes on when the cluster answers.
    async fn wait_for_login(&self, cluster: &Arc<Cluster>, id: &JobId, error: Error) -> Result<()> {
        self.note_trouble(cluster, "submit", &error);
        let step = SubmitStep::WaitingForLogin;
        if error.kind == ErrorKind::SettingsInvalid || error.kind == ErrorKind::HostKeyChanged {
            return self.not_submitted(id, &error).await;
        }
        self.waits(id, step, error.kind, error.message, WAITS_FOR_CLUSTER)
            .await
    }

    async fn waits(
        &self,
        id: &JobId,
        step: SubmitStep,
        kind: ErrorKind,
        message: String,
        hint: &str,
    ) -> Result<()> {
        let error = ErrorInfo::new(kind, message, Some(hint), self.now());
        self.record(id, Fact::SubmitWaits { step, error })
            .await
            .map(drop)
    }

    async fn not_submitted(&self, id: &JobId, error: &Error) -> Result<()> {
        let error = ErrorInfo::new(
            error.kind,
            error.message.clone(),
            error.hint.as_deref(),
            self.now(),
        );
        self.record(id, Fact::NotSubmitted { error: Some(error) })
            .await
            .map(drop)
    }

    /// Takes up submissions that no step is under way for: after a restart, a lost answer, a
    /// missing login, or for want of room. Called at each look; most of the time there are none.
    pub(crate) async fn resume_submissions(
        &self,
        cluster: &Arc<Cluster>,
        jobs: &[Job],
    ) -> Result<()> {
        let now = self.now();
        let may_look_again = cluster
            .book()
            .last_search
            .is_none_or(|at| at.elapsed() >= SEARCH_AGAIN);
        let mut lost = Vec::new();
        for job in jobs {
            let JobState::Submitting { since, step } = job.state else {
                continue;
            };
            if cluster.is_busy(&job.id) {
                continue;
            }
            // A cancellation that came while nothing had been sent withdraws the submission.
            if job.cancel_asked.is_some()
                && !matches!(step, SubmitStep::Sent | SubmitStep::Unconfirmed)
            {
                self.record(&job.id, Fact::NotSubmitted { error: None })
                    .await?;
                continue;
            }
            let age = now.duration_since(since).as_secs();
            let quiet = now.duration_since(job.updated_at).as_secs();
            match step {
                SubmitStep::Asked | SubmitStep::WaitingForLogin if age > FORGET_SECONDS => {
                    let error = Error::new(
                        ErrorKind::ClusterUnavailable,
                        "The submission waited a day for the cluster and was withdrawn.",
                    )
                    .hinted("Submit it again when it is still wanted.");
                    self.not_submitted(&job.id, &error).await?;
                }
                SubmitStep::Asked | SubmitStep::WaitingForLogin => {
                    self.start_launch(cluster, &job.id);
                }
                SubmitStep::WaitingForRoom if quiet >= ROOM_SECONDS => {
                    self.start_launch(cluster, &job.id);
                }
                SubmitStep::Sent => lost.push(job),
                // Still looked for, seldom: a queue may wake up late.
                SubmitStep::Unconfirmed if age <= FORGET_SECONDS && may_look_again => {
                    lost.push(job);
                }
                SubmitStep::WaitingForRoom | SubmitStep::Unconfirmed => {}
            }
        }
        if lost.is_empty() {
            Ok(())
        } else {
            self.look_for(cluster, &lost).await
        }
    }

    /// Starts the launch of a job as a task of its own, unless one is under way.
    pub(crate) fn start_launch(&self, cluster: &Arc<Cluster>, id: &JobId) {
        if let Some(busy) = cluster.claim(id) {
            let (engine, cluster, id) = (self.clone(), Arc::clone(cluster), id.clone());
            self.spawn(async move { engine.launch(&cluster, &id, busy).await });
        }
    }

    /// Looks for submissions whose answer was lost: receipt, queue, accounting.
    async fn look_for(&self, cluster: &Arc<Cluster>, jobs: &[&Job]) -> Result<()> {
        let ready = cluster.ready().await?;
        let mut lost = Vec::new();
        for job in jobs {
            let (Some(attempt), JobState::Submitting { since, .. }) = (job.attempt(), &job.state)
            else {
                continue;
            };
            let Ok(work_dir) = layout::work_dir(job, attempt.n) else {
                continue;
            };
            lost.push(LostAttempt {
                tag: attempt.tag.clone(),
                work_dir,
                since: attempt.asked.min(*since),
                slurm_setup: ready.prelude.clone(),
            });
        }
        {
            let mut book = cluster.book();
            let now = std::time::Instant::now();
            book.note_query(now);
            book.last_search = Some(now);
        }
        let output = cluster.run(&cluster.scheduler.find(&lost)).await?;
        let found = cluster.scheduler.parse_find(&lost, &output);
        super::kill_point("find-answered");
        for (job, found) in jobs.iter().zip(found) {
            let age = match job.state {
                JobState::Submitting { since, .. } => self.now().duration_since(since).as_secs(),
                _ => continue,
            };
            match found {
                FoundAttempt::Job {
                    id,
                    source,
                    evidence,
                } => {
                    let evidence = format!("found: {evidence}");
                    self.accepted(cluster, &job.id, id, self.now(), source, evidence)
                        .await?;
                }
                FoundAttempt::Nothing { locked } => {
                    let grace = self.grace_seconds() * if locked { LOCKED_GRACE } else { 1 };
                    if age >= grace {
                        let message = format!(
                            "No trace of the submission was found on {} for {age} s: no receipt, not in the queue, not in the accounting.",
                            cluster.place()
                        );
                        let hint = "Submit it again: the same attempt is used, so that a copy which starts late stops itself.";
                        let step = SubmitStep::Unconfirmed;
                        self.waits(&job.id, step, ErrorKind::SubmitUnknown, message, hint)
                            .await?;
                    }
                }
                FoundAttempt::Unanswered { why } => {
                    cluster.book().note_error("find", None, why, self.now());
                }
            }
        }
        Ok(())
    }

    /// Sends the cancellation of a job that the batch system has, or of some members of an array.
    pub(crate) async fn send_cancel(
        &self,
        cluster: &Arc<Cluster>,
        job: &Job,
        members: Option<&MemberSet>,
    ) -> Result<()> {
        let (Some(attempt), ready) = (job.attempt(), cluster.ready().await?) else {
            return Ok(());
        };
        let Some(mut id) = attempt.id.clone() else {
            return Ok(());
        };
        if let Some(members) = members {
            id.part = IdPart::Waiting(members.to_string());
        }
        let work_dir = layout::work_dir(job, attempt.n)
            .map_err(|why| Error::internal(why.to_string()).of_job(&job.id))?;
        let target = CancelTarget {
            id,
            work_dir,
            tag: attempt.tag.clone(),
            slurm_setup: ready.prelude.clone(),
        };
        super::kill_point("cancel-asked");
        let output = cluster.run(&cluster.scheduler.cancel(&[target])).await?;
        super::kill_point("cancel-answered");
        cluster.scheduler.parse_cancel(&output).map_err(|why| {
            cluster
                .book()
                .note_error("cancel", None, why.clone(), self.now());
            Error::new(
                ErrorKind::RemoteCommandFailed,
                format!("{} did not take the cancellation: {why}", cluster.place()),
            )
            .hinted("It is tried again at the next looks.")
            .of_job(&job.id)
            .on_cluster(cluster.name())
        })?;
        let _ = cluster.asks.send(Ask::Expect);
        Ok(())
    }
}
