//! Comparing: the rows here, the batch system's records, the directories on the cluster.
//!
//! Two bounded remote commands: a survey of directories and queue, and one look at the jobs that are
//! in doubt. Where they contradict a row, the batch system wins, by the same facts as at any look,
//! so that the history says so. What has no row is told, and touched by nothing here.

mod strays;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::cluster::{Ask, Cluster, Ready};
use crate::engine::watchlist::watched;
use crate::engine::{Compared, Comparison, Engine, Reconciled};
use crate::error::{Error, Result};
use crate::job::state::Fact;
use crate::job::{Job, JobId, JobState};
use crate::scheduler::survey::{Directory, Survey, SurveyAsk};
use crate::scheduler::{MembersSeen, Query, Report, SchedulerId, Source, SourceHealth, Watch};
use crate::store::Outline;

/// Jobs without a witnessed end that are asked about again: the latest.
const UNWITNESSED: usize = 1000;

impl Compared {
    pub(super) fn new(kind: Comparison, found: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            kind,
            job_id: None,
            name: None,
            slurm_job_id: None,
            path: None,
            found: found.into(),
            changed: None,
            why: why.into(),
        }
    }

    pub(super) fn of(mut self, id: &JobId) -> Self {
        self.job_id = Some(id.clone());
        self
    }

    pub(super) fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    pub(super) fn slurm(mut self, id: &SchedulerId) -> Self {
        self.slurm_job_id = Some(id.to_string());
        self
    }

    pub(super) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(super) fn changing(mut self, changed: impl Into<String>) -> Self {
        self.changed = Some(changed.into());
        self
    }
}

impl Engine {
    /// Compares what is known here with a cluster, and puts right what differs; with `dry_run`, only
    /// tells what it would do. With `foreign`, the person's other jobs in the queue are listed too.
    pub async fn reconcile(&self, name: &str, dry_run: bool, foreign: bool) -> Result<Reconciled> {
        self.reload_settings();
        let cluster = self.find_cluster(name)?;
        let result = self.try_reconcile(&cluster, dry_run, foreign).await;
        if let Err(error) = &result {
            self.note_trouble(&cluster, "reconcile", error);
        }
        result
    }

    async fn try_reconcile(
        &self,
        cluster: &Arc<Cluster>,
        dry_run: bool,
        foreign: bool,
    ) -> Result<Reconciled> {
        let ready = cluster.ready().await?;
        let _one = cluster.comparing.lock().await;
        let survey = self.survey_of(cluster, &ready).await?;
        let outlines = self.store().outlines(cluster.name())?;
        let mut items = Vec::new();
        let query = self
            .compare_jobs(cluster, &ready, &survey, &outlines, dry_run, &mut items)
            .await?;
        self.compare_intents(cluster, dry_run, &mut items).await?;
        self.compare_attempts(&survey, &outlines, dry_run, &mut items)
            .await?;
        self.compare_directories(cluster, &ready, &survey, &outlines, &mut items)?;
        let others = strays::others(&ready, &survey, &outlines, foreign, &mut items);
        if !dry_run && items.iter().any(|item| item.changed.is_some()) {
            // What was ended here and lives there must be followed.
            let _ = cluster.asks.send(Ask::Expect);
        }
        Ok(Reconciled {
            cluster: cluster.name().to_owned(),
            at: self.now(),
            dry_run,
            jobs: outlines.len(),
            directories: survey.directories.len(),
            more_directories: survey.more,
            foreign_jobs: others,
            listing: survey.listing,
            squeue: worst(survey.queue, query.squeue),
            sacct: query.sacct,
            marker: query.marker,
            items,
        })
    }

    /// One survey: what lies below both roots, and the queue.
    pub(super) async fn survey_of(&self, cluster: &Arc<Cluster>, ready: &Ready) -> Result<Survey> {
        let _heavy = cluster.heavy.acquire().await;
        // After the wait: what is known by now is known.
        let ask = SurveyAsk {
            project_root: ready.project_root.clone(),
            scratch_root: ready.scratch_root.clone(),
            known: self.store().known_ids()?,
            slurm_setup: ready.prelude.clone(),
            nonce: self.token(),
        };
        cluster.book().note_query(std::time::Instant::now());
        let output = cluster.run(&cluster.scheduler.survey(&ask)).await?;
        let survey = cluster.scheduler.parse_survey(&ask, &output);
        for line in survey.odd_lines.iter().take(50) {
            tracing::warn!(cluster = cluster.name(), line, "not understood");
        }
        for (part, health) in [("survey", &survey.listing), ("squeue", &survey.queue)] {
            if let SourceHealth::Failed { exit, why } = health {
                tracing::warn!(cluster = cluster.name(), part, ?exit, why, "source failed");
                let mut book = cluster.book();
                book.note_error(part, *exit, why.clone(), self.now());
            }
        }
        Ok(survey)
    }

    /// Rows against the batch system: those that live, those whose end nobody witnessed, and those
    /// that are over here and not there.
    async fn compare_jobs(
        &self,
        cluster: &Arc<Cluster>,
        ready: &Ready,
        survey: &Survey,
        outlines: &[Outline],
        dry_run: bool,
        items: &mut Vec<Compared>,
    ) -> Result<Query> {
        let store = self.store();
        let mut jobs: HashMap<SchedulerId, Job> = HashMap::new();
        let mut asked = Vec::new();
        let mut ask = |job: Job, settled: bool| {
            let Some(mut watch) = watched(&job, settled) else {
                return;
            };
            if let (Some(array), false) = (&job.spec.array, settled) {
                let doubtful = job.members.doubtful(Timestamp::MIN);
                let doubtful = doubtful.map(|(members, _)| members).unwrap_or_default();
                watch.open = Some(job.members.open(array).union(&doubtful));
            }
            if !jobs.contains_key(&watch.id) {
                jobs.insert(watch.id.clone(), job);
                asked.push(watch);
            }
        };
        for job in store.active(Some(cluster.name()))? {
            if !matches!(job.state, JobState::Submitting { .. }) {
                ask(self.whole(job)?, false);
            }
        }
        let unwitnessed = store.unwitnessed(cluster.name(), Timestamp::MIN)?;
        for (id, _) in unwitnessed.into_iter().take(UNWITNESSED) {
            ask(self.with_members(&id)?, false);
        }
        let open: HashSet<u64> = survey
            .queued
            .iter()
            .filter(|queued| !queued.ended)
            .map(|queued| queued.id.base)
            .collect();
        for outline in outlines.iter().filter(|outline| !outline.active) {
            if base_of(outline).is_some_and(|base| open.contains(&base)) {
                ask(self.with_members(&outline.id)?, true);
            }
        }
        let query = self.ask_about(cluster, ready, asked).await?;
        let absent: HashSet<&SchedulerId> = query.absent.iter().collect();
        let mut reports: HashMap<&SchedulerId, Vec<Report>> = HashMap::new();
        for report in &query.reports {
            reports.entry(&report.id).or_default().push(report.clone());
        }
        let mut members: HashMap<&SchedulerId, Vec<MembersSeen>> = HashMap::new();
        for seen in &query.members {
            members.entry(&seen.id).or_default().push(seen.clone());
        }
        let rule = cluster.settings.absence;
        let mut facts = Vec::new();
        for (id, job) in &jobs {
            let fact = if job.spec.array.is_some() {
                let seen = members.remove(id).unwrap_or_default();
                Fact::MembersSeen { seen, rule }
            } else {
                Fact::Seen {
                    reports: reports.remove(id).unwrap_or_default(),
                    absent: absent.contains(id),
                    rule,
                }
            };
            if let Some(item) = self.compare_job(job, id, &fact) {
                items.push(item);
                facts.push((job.id.clone(), fact));
            }
        }
        if !dry_run {
            self.record_many(facts).await?;
        }
        Ok(query)
    }

    /// One look at some jobs, whether or not they are active.
    pub(super) async fn ask_about(
        &self,
        cluster: &Arc<Cluster>,
        ready: &Ready,
        jobs: Vec<crate::scheduler::Watched>,
    ) -> Result<Query> {
        if jobs.is_empty() {
            return Ok(Query::default());
        }
        let watch = Watch {
            jobs,
            slurm_setup: ready.prelude.clone(),
            nonce: self.token(),
        };
        cluster.book().note_query(std::time::Instant::now());
        let output = cluster.run(&cluster.scheduler.query(&watch)).await?;
        let query = cluster.scheduler.parse_query(&watch, &output);
        for line in &query.odd_lines {
            tracing::warn!(cluster = cluster.name(), line, "not understood");
        }
        Ok(query)
    }

    /// What a look means for one job.
    fn compare_job(&self, job: &Job, slurm: &SchedulerId, fact: &Fact) -> Option<Compared> {
        let change = job.apply(fact, self.now()).ok().flatten()?;
        let (from, to) = (job.status(), change.to);
        let evidence = change.evidence.clone().unwrap_or_default();
        let (kind, why) = if change.job.absence.is_some() {
            (
                Comparison::JobMissing,
                "The queue and the records do not hold it. It is called UNKNOWN when that has \
                 lasted as long as the cluster's rule of absence says.",
            )
        } else if from == to {
            (
                Comparison::DetailsDiffer,
                "Its status is right; what the batch system says beside it was new.",
            )
        } else {
            (
                Comparison::StatusDiffers,
                "The batch system knows better than what is kept here.",
            )
        };
        let words = format!("{}: {evidence}", change.source.name());
        let told = if from == to {
            format!("{from}, {}", change.phase)
        } else {
            format!("{from} to {to}")
        };
        Some(
            Compared::new(kind, words, why)
                .of(&job.id)
                .named(&job.spec.name)
                .slurm(slurm)
                .changing(told),
        )
    }

    /// Intents that a dead process or a lost link left: uploads, submissions, cancellations,
    /// deletions.
    async fn compare_intents(
        &self,
        cluster: &Arc<Cluster>,
        dry_run: bool,
        items: &mut Vec<Compared>,
    ) -> Result<()> {
        let store = self.store();
        let abandoned = self.abandoned_uploads(cluster)?;
        for job in store.uploading()? {
            if job.spec.cluster != cluster.name() {
                continue;
            }
            let item = if abandoned.iter().any(|left| left.id == job.id) {
                Compared::new(
                    Comparison::UnfinishedUpload,
                    "An upload that its program did not finish.",
                    "One that was whole on the cluster becomes a job; any other is cleared away.",
                )
                .changing("taken over or cleared away")
            } else {
                Compared::new(
                    Comparison::UnfinishedUpload,
                    "An upload that is under way.",
                    "The program that makes it is alive.",
                )
            };
            items.push(item.of(&job.id).named(&job.spec.name));
        }
        for job in store.deleting()? {
            if job.spec.cluster == cluster.name() {
                let item = Compared::new(
                    Comparison::DeletionAsked,
                    "Its deletion was asked for and has not happened.",
                    "It is taken up where it stopped.",
                );
                items.push(item.of(&job.id).named(&job.spec.name).changing("taken up"));
            }
        }
        let active = store.active(Some(cluster.name()))?;
        for job in &active {
            if let JobState::Submitting { .. } = job.state {
                let item = Compared::new(
                    Comparison::SubmissionOpen,
                    format!("Its submission has not been settled ({}).", job.phase()),
                    "It is looked for by its receipt, in the queue and in the records, and never \
                     sent a second time blindly.",
                );
                items.push(item.of(&job.id).named(&job.spec.name));
            } else if job.cancel_asked.is_some() {
                let item = Compared::new(
                    Comparison::CancellationAsked,
                    "Its cancellation was asked for and has had no effect yet.",
                    "It is sent again.",
                );
                items.push(item.of(&job.id).named(&job.spec.name));
            }
        }
        if !dry_run {
            self.resume_deletions(cluster)?;
            if !abandoned.is_empty() {
                self.sweep_uploads(cluster, abandoned).await;
            }
            self.resume_submissions(cluster, &active).await?;
            self.resume_cancellations(cluster, &active).await;
        }
        Ok(())
    }

    /// Attempts that were submitted from elsewhere: a receipt on the cluster that no row here has.
    async fn compare_attempts(
        &self,
        survey: &Survey,
        outlines: &[Outline],
        dry_run: bool,
        items: &mut Vec<Compared>,
    ) -> Result<()> {
        let by_id: HashMap<&str, &Outline> = outlines
            .iter()
            .map(|outline| (outline.id.as_str(), outline))
            .collect();
        for directory in &survey.directories {
            let Some((&outline, (&n, receipt))) = by_id
                .get(directory.name.as_str())
                .filter(|outline| !outline.active)
                .zip(newest_receipt(directory))
            else {
                continue;
            };
            if outline.scheduler_id.as_deref() == Some(receipt.id.to_string().as_str()) {
                continue;
            }
            let job = self.store().job(&outline.id)?;
            let known = job.attempt().map_or(0, |attempt| attempt.n);
            if n != known + 1 || job.is_active() {
                continue;
            }
            let asked = Fact::SubmitAsked {
                tag: receipt.tag.clone(),
            };
            let taken = Fact::Submitted {
                id: receipt.id.clone(),
                at: receipt.at,
                source: Source::Discovered,
                evidence: receipt.line.clone(),
            };
            let mut item = Compared::new(
                Comparison::AttemptWithoutRow,
                format!("attempt {n}: {}", receipt.line),
                "It was submitted from elsewhere, or with a database that was lost.",
            )
            .of(&job.id)
            .named(&job.spec.name)
            .slurm(&receipt.id)
            .changing(format!("{} to PENDING", job.status()));
            if !dry_run {
                // In one: a submission that is asked for and not yet taken would be made.
                let facts = vec![(job.id.clone(), asked), (job.id.clone(), taken)];
                if self.record_many(facts).await? < 2 {
                    item.changed = None;
                    "It changed meanwhile; compare again.".clone_into(&mut item.why);
                }
            }
            items.push(item);
        }
        Ok(())
    }
}

pub(super) fn base_of(outline: &Outline) -> Option<u64> {
    let id = SchedulerId::parse(outline.scheduler_id.as_deref()?).ok()?;
    Some(id.base)
}

fn newest_receipt(directory: &Directory) -> Option<(&u32, &crate::scheduler::survey::Receipt)> {
    let (n, trace) = directory.attempts.last_key_value()?;
    Some((n, trace.receipt.as_ref()?))
}

/// The less healthy of two answers of one source.
fn worst(one: SourceHealth, other: SourceHealth) -> SourceHealth {
    match (&one, &other) {
        (SourceHealth::Failed { .. } | SourceHealth::Absent { .. }, _)
        | (_, SourceHealth::NotAsked) => one,
        _ => other,
    }
}

/// Nothing that is in the future may have happened.
pub(super) fn no_later_than(at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    at.unwrap_or(now).min(now)
}

/// An error about a job of the batch system.
pub(super) fn of_slurm(kind: crate::error::ErrorKind, message: String, cluster: &Cluster) -> Error {
    Error::new(kind, message).on_cluster(cluster.name())
}
