//! Forgetting: raw evidence after its time, and old jobs where the settings say so.
//!
//! Once at the start and once a day, in steps so small that nobody waits for them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Engine, blocking};
use crate::error::Result;

/// How often it is looked at.
const EVERY: Duration = Duration::from_hours(24);
/// Rows of one step; each is a transaction of its own.
const STEP: usize = 500;
/// Steps of one round; what is left is for the next.
const STEPS: usize = 200;

/// What a round forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Forgotten {
    /// History rows that lost their raw line, if they had one.
    pub(super) rows: usize,
    /// Jobs.
    pub(super) jobs: usize,
}

impl Engine {
    /// Forgets in the background for as long as the program runs.
    pub(super) fn start_forgetting(&self) {
        let engine = self.clone();
        let stop = self.inner.stop.clone();
        tokio::spawn(async move {
            let mut ticker = tokio::time::interval(EVERY);
            ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = ticker.tick() => {}
                }
                let now = engine.now();
                match engine.forget_what_is_old(now).await {
                    Ok(done) if done == Forgotten::default() => {}
                    Ok(done) => tracing::info!(rows = done.rows, jobs = done.jobs, "forgotten"),
                    Err(error) => tracing::warn!(%error, "nothing was forgotten"),
                }
            }
        });
    }

    /// One round, as of `now`.
    pub(super) async fn forget_what_is_old(&self, now: Timestamp) -> Result<Forgotten> {
        let kept = self.settings().retention;
        let before = move |days: u32| now - SignedDuration::from_hours(24 * i64::from(days));
        let mut done = Forgotten::default();
        if let Some(days) = kept.evidence {
            for _ in 0..STEPS {
                let engine = self.clone();
                let looked =
                    blocking(move || engine.store().forget_evidence(before(days), STEP)).await?;
                done.rows += looked;
                if looked < STEP {
                    break;
                }
            }
        }
        if let Some(days) = kept.jobs {
            // Jobs of clusters that are no longer configured as well.
            for cluster in self.store().clusters_with_jobs()? {
                for id in self.store().ended_before(&cluster, before(days), STEP)? {
                    // Its files stay where they are.
                    self.forget(&id).await?;
                    done.jobs += 1;
                }
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests;
