//! One look at a cluster: one remote command for all its active jobs, and what it means for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::cluster::Cluster;
use crate::engine::follow::Following;
use crate::engine::watchlist::Watchlist;
use crate::engine::{Engine, Health, Synced};
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::Fact;
use crate::job::{Job, JobId, JobState};
use crate::scheduler::{MemberSet, MembersSeen, Query, Report, SchedulerId, SourceHealth, Watch};
use crate::store::ClusterFacts;

/// A cancellation that was asked for and has not shown for this long is sent again.
const CANCEL_AGAIN_SECONDS: i64 = 20;

impl Engine {
    /// Looks at a cluster once. Never fails: a failure changes the cluster's health and no job. `wants`:
    /// a person asked for it.
    pub(crate) async fn look(&self, cluster: &Arc<Cluster>, wants: bool) -> Synced {
        let begun = Instant::now();
        let result = self.try_look(cluster, wants).await;
        let at = self.now();
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (queried, changed, error) = match result {
            Ok((queried, changed, None)) => (queried, changed, None),
            Ok((_, changed, Some(trouble))) => {
                let (message, hint) = (trouble.message, trouble.hint);
                self.turn(cluster, Health::Unavailable, Some(message.clone()), hint);
                (0, changed, Some(message))
            }
            Err(error) => {
                self.note_trouble(cluster, "sync", &error);
                (0, 0, Some(error.message))
            }
        };
        let health = cluster.book().health;
        Synced {
            cluster: cluster.name().to_owned(),
            health,
            at,
            queried,
            changed,
            took_ms,
            error,
        }
    }

    /// How many jobs were asked about, how many changed, and the queue's failure, which has been
    /// noted.
    async fn try_look(
        &self,
        cluster: &Arc<Cluster>,
        wants: bool,
    ) -> Result<(usize, usize, Option<Error>)> {
        self.reload_settings();
        let list = self.watchlist(cluster, wants)?;
        let jobs = &list.standing.active;
        self.resume_deletions(cluster)?;
        let uploading = self.abandoned_uploads(cluster)?;
        let unread = !self.unread(cluster)?.is_empty();
        if unread {
            self.start_closing(cluster);
        }
        let queried = list.queried;
        if jobs.is_empty() && uploading.is_empty() && queried == 0 {
            return Ok((0, 0, None));
        }
        let ready = cluster.ready().await?;
        if !uploading.is_empty() {
            self.sweep_uploads(cluster, uploading).await;
        }
        let (changed, trouble) = if queried == 0 {
            (0, None)
        } else {
            let watch = Watch {
                jobs: list.watched.clone(),
                slurm_setup: ready.prelude.clone(),
                nonce: self.token(),
            };
            let following = self.following(jobs)?;
            let (changed, trouble) = self.query(cluster, &watch, &list, following).await?;
            if trouble.is_none() {
                self.note_doubts(cluster, &list);
            }
            if unread || changed > 0 {
                self.start_closing(cluster);
            }
            (changed, trouble)
        };
        if let Some(trouble) = trouble {
            return Ok((queried, changed, Some(trouble)));
        }
        self.resume_submissions(cluster, jobs).await?;
        self.resume_cancellations(cluster, jobs).await;
        self.turn(cluster, Health::Ok, None, None);
        self.keep_sync_time(cluster);
        Ok((queried, changed, None))
    }

    /// Keeps the time of a successful look beyond the end of the program, so that the age of what is
    /// known is known after a restart. Once a minute is enough.
    fn keep_sync_time(&self, cluster: &Cluster) {
        const EVERY: std::time::Duration = std::time::Duration::from_mins(1);
        let last_sync = {
            let mut book = cluster.book();
            if book.kept_sync.is_some_and(|at| at.elapsed() < EVERY) {
                return;
            }
            book.kept_sync = Some(Instant::now());
            book.last_sync
        };
        let facts = ClusterFacts {
            facts: None,
            last_sync,
        };
        if let Err(error) = self.store().put_cluster_facts(cluster.name(), &facts) {
            tracing::warn!(cluster = cluster.name(), %error, "the time of a look was not kept");
        }
    }

    /// Whether something that has ended here is waited for: a job that is called UNKNOWN may show up
    /// again, or its record may; a log may not have been read to its end.
    pub(super) fn waits_for_more(&self, cluster: &Cluster) -> bool {
        let doubts = self.store().unwitnessed(cluster.name(), self.ended_since());
        doubts.is_ok_and(|doubts| !doubts.is_empty())
            || self.unread(cluster).is_ok_and(|jobs| !jobs.is_empty())
    }

    async fn query(
        &self,
        cluster: &Arc<Cluster>,
        watch: &Watch,
        list: &Watchlist,
        following: Following,
    ) -> Result<(usize, Option<Error>)> {
        let begun = Instant::now();
        cluster.book().note_query(begun);
        super::kill_point("sync-asked");
        let command = following.ride(cluster.scheduler.query(watch));
        let output = cluster.run(&command).await?;
        let took = begun.elapsed();
        let query = cluster.scheduler.parse_query(watch, &output);
        for line in &query.odd_lines {
            tracing::warn!(cluster = cluster.name(), line, "not understood");
        }
        self.note_sources(cluster, &query, took);
        let changed = self
            .digest(cluster, query.reports, query.members, &query.absent, list)
            .await?;
        self.follow(following, &output).await?;
        // The queue's own failure makes the cluster unavailable; what the other sources witnessed
        // has been taken in all the same.
        match query.squeue {
            SourceHealth::Failed { exit, why } => {
                let code = exit.map_or(String::new(), |code| format!(" (exit code {code})"));
                let trouble = Error::new(
                    ErrorKind::RemoteCommandFailed,
                    format!(
                        "The queue of {} did not answer{code}: {why}",
                        cluster.place()
                    ),
                )
                .hinted("No job was changed. It is asked again by itself.")
                .on_cluster(cluster.name());
                Ok((changed, Some(trouble)))
            }
            _ => Ok((changed, None)),
        }
    }

    fn note_sources(&self, cluster: &Cluster, query: &Query, took: std::time::Duration) {
        let now = self.now();
        let mut book = cluster.book();
        for (part, health) in [
            ("squeue", &query.squeue),
            ("sacct", &query.sacct),
            ("marker", &query.marker),
        ] {
            if let SourceHealth::Failed { exit, why } = health {
                tracing::warn!(cluster = cluster.name(), part, ?exit, why, "source failed");
                book.note_error(part, *exit, why.clone(), now);
            }
        }
        let keep = |old: &mut SourceHealth, new: &SourceHealth| {
            if *new != SourceHealth::NotAsked {
                old.clone_from(new);
            }
        };
        keep(&mut book.squeue, &query.squeue);
        keep(&mut book.sacct, &query.sacct);
        keep(&mut book.marker, &query.marker);
        book.latency = Some(
            query
                .squeue_ms
                .map_or(took, std::time::Duration::from_millis),
        );
        if query.squeue.is_ok() {
            book.last_sync = Some(now);
        }
    }

    /// Records what one look means for each job; says how many changed.
    async fn digest(
        &self,
        cluster: &Arc<Cluster>,
        reports: Vec<Report>,
        members: Vec<MembersSeen>,
        absent: &[SchedulerId],
        list: &Watchlist,
    ) -> Result<usize> {
        let by_id = &list.by_id;
        let mut facts: HashMap<JobId, (Vec<Report>, bool)> = HashMap::new();
        for report in reports {
            if let Some(id) = by_id.get(&report.id) {
                facts.entry(id.clone()).or_default().0.push(report);
            }
        }
        for id in absent {
            if let Some(id) = by_id.get(id) {
                facts.entry(id.clone()).or_default().1 = true;
            }
        }
        let mut arrays: HashMap<JobId, Vec<MembersSeen>> = HashMap::new();
        for seen in members {
            if let Some(id) = by_id.get(&seen.id) {
                arrays.entry(id.clone()).or_default().push(seen);
            }
        }
        let rule = cluster.settings.absence;
        let arrays = arrays
            .into_iter()
            .map(|(id, seen)| (id, Fact::MembersSeen { seen, rule }));
        let facts = facts
            .into_iter()
            .map(|(id, (reports, absent))| {
                (
                    id,
                    Fact::Seen {
                        reports,
                        absent,
                        rule,
                    },
                )
            })
            .chain(arrays)
            .collect();
        super::kill_point("sync-answered");
        let facts = self.news(list, facts)?;
        let changed = self.record_many(facts).await?;
        super::kill_point("sync-recorded");
        Ok(changed)
    }

    /// Cancellations that were asked for and have had no effect: the program may have died in
    /// between. Cancelling twice does no harm.
    pub(super) async fn resume_cancellations(&self, cluster: &Arc<Cluster>, jobs: &[Job]) {
        for job in jobs {
            let overdue = |asked: jiff::Timestamp| {
                self.now().duration_since(asked).as_secs() >= CANCEL_AGAIN_SECONDS
            };
            let members = match job.cancel_asked {
                Some(_) => None,
                None if job.spec.array.is_some() => Some(self.cancelled_in_vain(job, overdue)),
                None => continue,
            };
            let overdue = match &members {
                None => job.cancel_asked.is_some_and(overdue),
                Some(members) => !members.is_empty(),
            };
            let queued = matches!(
                job.state,
                JobState::Pending { .. } | JobState::Running { .. }
            );
            if queued
                && overdue
                && !cluster.is_busy(&job.id)
                && let Err(error) = self.send_cancel(cluster, job, members.as_ref()).await
            {
                tracing::warn!(job = %job.id, %error, "cancellation not taken");
            }
        }
    }
}

impl Engine {
    /// The members of an array whose cancellation was asked for and is overdue.
    fn cancelled_in_vain(&self, job: &Job, overdue: impl Fn(jiff::Timestamp) -> bool) -> MemberSet {
        let members = self.store().members(&job.id).unwrap_or_default();
        let asked = members
            .0
            .iter()
            .filter(|(_, member)| member.is_open() && member.cancel_asked.is_some_and(&overdue));
        asked.map(|(number, _)| *number).collect()
    }
}
