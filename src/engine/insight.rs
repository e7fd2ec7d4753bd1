//! What is known of a job beyond its status: how far it is, and what is wrong with it.

use jiff::Timestamp;

use crate::advice::{self, Diagnosis, Disk, Prediction, Witnesses};
use crate::engine::follow::Followed;
use crate::engine::{Engine, ResultsSeen};
use crate::error::Result;
use crate::job::{Job, JobId, layout};
use crate::namd::{Progress, StepPlan};

/// What is known of a job beyond its status.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Insight {
    /// How far it is, by NAMD's log.
    pub progress: Option<Progress>,
    /// When the log was last read.
    pub at: Option<Timestamp>,
    /// When the log last grew.
    pub grew: Option<Timestamp>,
    /// How its predicted end lies to its time limit, while it runs.
    pub prediction: Option<Prediction>,
    /// How far the collection of its results is.
    pub results: ResultsSeen,
    /// What is wrong with it, and what to do.
    pub diagnosis: Option<Diagnosis>,
}

impl Engine {
    /// What is known of a job beyond its status, from what has been read. Asks no cluster.
    pub fn insight(&self, job: &Job) -> Result<Insight> {
        let attempt = job.attempt().map_or(0, |attempt| attempt.n);
        let kept = Followed::of(self.store().progress(&job.id)?, attempt);
        // Only for its places; a job without it is judged all the same.
        let config = self.store().config_text(&job.id).ok();
        let plan = StepPlan {
            total_steps: job.spec.total_steps,
            segments: job.spec.segments,
        };
        let log = kept.log.report();
        let progress = log.progress(&plan);
        let now = self.now();
        let witnesses = Witnesses {
            job,
            log: Some(log).filter(|log| log.lines > 0),
            log_name: &layout::log_in_tree(job),
            output: kept.output.as_ref().map(crate::namd::LogReader::report),
            config: config.as_deref(),
            plan,
            disk: Disk {
                free_bytes: kept.free_bytes,
                work_dir: kept.work_dir,
            },
            grew: kept.grew,
            now,
        };
        // How the log ends is only known when it has been read to its end.
        let ended = job.ended().is_some();
        // The members of an array are not judged yet: each has a log of its own.
        let judged = (!ended || job.spec.array.is_none()).then_some(&witnesses);
        let diagnosis = judged
            .and_then(advice::diagnose)
            .filter(|diagnosis| kept.closed || !ended || !diagnosis.cause.needs_the_end());
        let prediction = progress
            .as_ref()
            .filter(|_| !ended)
            .and_then(|progress| advice::prediction(job, progress, kept.grew.unwrap_or(now)));
        Ok(Insight {
            progress,
            at: kept.read,
            grew: kept.grew,
            prediction,
            results: kept.results,
            diagnosis,
        })
    }

    /// A job with what is wrong with it.
    #[allow(
        clippy::unused_async,
        reason = "reads are short; the signature leaves room to change that"
    )]
    pub async fn diagnose(&self, id: &JobId) -> Result<Insight> {
        let job = self.visible(id)?;
        self.insight(&job)
    }
}
