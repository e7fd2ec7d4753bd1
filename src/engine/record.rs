//! The one door: a fact is applied to a job as the store holds it, committed, and then told.
//!
//! Events leave in the order of their numbers, those of other processes on the same store included:
//! the lock on the last number told is held while a change is committed and told.

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::cluster::{Ask, lock};
use crate::engine::{Engine, Event, FOLLOW, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::{Change, Fact};
use crate::job::{Job, JobId, JobState};
use crate::store::StoredChange;

impl Engine {
    /// Applies a fact to a job, commits, tells. Returns the job as it is then, changed or not.
    pub(crate) async fn record(&self, id: &JobId, fact: Fact) -> Result<Job> {
        let (engine, id) = (self.clone(), id.clone());
        blocking(move || {
            let now = engine.now();
            let mut told = lock(&engine.inner.told);
            let change = engine.store().update(&id, |job| apply(job, &fact, now))?;
            match change {
                Some((seq, change)) => {
                    engine.tell_in_order(&mut told, seq, &change);
                    Ok(change.job)
                }
                None => engine.stored(&id),
            }
        })
        .await
    }

    /// Applies facts to many jobs in one transaction. A job that refuses its fact is logged and
    /// skipped: one job's trouble is not its neighbours'. Returns how many changed.
    pub(crate) async fn record_many(&self, facts: Vec<(JobId, Fact)>) -> Result<usize> {
        if facts.is_empty() {
            return Ok(0);
        }
        let engine = self.clone();
        blocking(move || {
            let now = engine.now();
            let mut told = lock(&engine.inner.told);
            let ids: Vec<JobId> = facts.iter().map(|(id, _)| id.clone()).collect();
            let asks = facts
                .into_iter()
                .map(|(id, fact)| (id, move |job: &Job| apply(job, &fact, now)));
            let results = engine.store().update_many(asks)?;
            let mut changed = 0;
            for (id, result) in ids.iter().zip(results) {
                match result {
                    Ok(Some((seq, change))) => {
                        changed += 1;
                        engine.tell_in_order(&mut told, seq, &change);
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(job = %id, %error, "fact refused"),
                }
            }
            Ok(changed)
        })
        .await
    }

    /// Tells of a change of ours, after the changes that other processes committed before it.
    pub(super) fn tell_in_order(&self, told: &mut u64, seq: u64, change: &Change) {
        if seq > *told + 1 {
            self.tell_foreign(told, Some(seq));
        }
        *told = seq.max(*told);
        // A hidden intent is nobody's business yet; its first appearance is CREATED.
        if !matches!(change.job.state, JobState::Uploading { .. }) {
            self.tell(Event::Job {
                seq,
                change: Arc::new(change.clone()),
            });
        }
    }

    /// Tells of a deletion of ours, in order as above.
    pub(crate) fn tell_deleted(&self, told: &mut u64, seq: u64, id: &JobId) {
        if seq > *told + 1 {
            self.tell_foreign(told, Some(seq));
        }
        *told = seq.max(*told);
        self.tell(Event::JobDeleted {
            seq,
            job_id: id.clone(),
        });
    }

    /// Tells of changes that other processes committed, up to but not including `before`.
    pub(super) fn tell_foreign(&self, told: &mut u64, before: Option<u64>) {
        loop {
            let Ok(page) = self.store().changes_since(*told, 500) else {
                return;
            };
            if page.changes.is_empty() {
                *told = (*told).max(page.seq.min(before.map_or(u64::MAX, |seq| seq - 1)));
                return;
            }
            for stored in page.changes {
                let (seq, event) = match stored {
                    StoredChange::Deleted { seq, job_id } => {
                        (seq, Event::JobDeleted { seq, job_id })
                    }
                    StoredChange::Job { entry, job } => {
                        let cluster = job.spec.cluster.clone();
                        let phase = job.phase();
                        let change = Change {
                            from: entry.from,
                            to: entry.to,
                            phase,
                            at: entry.at,
                            source: entry.source,
                            evidence: entry.evidence,
                            seconds_in_from: entry.seconds_in_from,
                            job: *job,
                        };
                        if let Ok(cluster) = self.find_cluster(&cluster) {
                            let _ = cluster.asks.send(Ask::Plan);
                        }
                        (
                            entry.seq,
                            Event::Job {
                                seq: entry.seq,
                                change: Arc::new(change),
                            },
                        )
                    }
                };
                if before.is_some_and(|before| seq >= before) {
                    return;
                }
                *told = seq;
                self.tell(event);
            }
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody listening is no error.
        let _ = self.inner.events.send(event);
    }

    /// Watches the store for changes by other processes (a script beside an editor) while somebody
    /// listens.
    pub(super) fn start_following(&self) {
        let engine = self.clone();
        let stop = self.inner.stop.clone();
        tokio::spawn(async move {
            let mut ticker = tokio::time::interval(FOLLOW);
            ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = ticker.tick() => {}
                }
                if engine.inner.events.receiver_count() == 0 {
                    continue;
                }
                let follow = engine.clone();
                let _ = blocking(move || {
                    let mut told = lock(&follow.inner.told);
                    if follow.store().seq()? > *told {
                        follow.tell_foreign(&mut told, None);
                    }
                    Ok(())
                })
                .await;
            }
        });
    }
}

fn apply(job: &Job, fact: &Fact, now: Timestamp) -> Result<Option<Change>> {
    job.apply(fact, now).map_err(|refused| {
        Error::new(ErrorKind::RefusedInState, refused.why)
            .hinted(refused.hint)
            .of_job(&job.id)
            .on_cluster(&job.spec.cluster)
    })
}
