//! The last reading of a job's log, after its end: the rest of the log, what the job script
//! printed, and how full the disk is. A step of its own, behind the look that saw the end; what a
//! crash leaves undone is taken up by the next look. The results follow it ([`super::results`]).

use std::sync::Arc;
use std::time::Duration;

use crate::engine::cluster::Cluster;
use crate::engine::follow::Followed;
use crate::engine::{Engine, ResultsSeen, blocking, kill_point};
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::Fact;
use crate::job::{Job, layout};
use crate::namd::LogReader;
use crate::scheduler::tail::{self, Tail};
use crate::shell::{Command, RemotePath};

/// Jobs that ended longer ago are not read any more.
const OLD_SECONDS: i64 = 7 * 24 * 3600;
/// Jobs closed in one go.
const JOBS: usize = 50;
/// Bytes of a log in one command, here.
const SHARE: u64 = 4 << 20;
/// Bytes of what the job script printed.
const OUTPUT: u64 = 256 << 10;
/// Commands for one log: with what is skipped, any log is read by then.
const ROUNDS: usize = 16;
/// Files of a network file system show late what another machine wrote last.
const SETTLE: Duration = Duration::from_secs(2);

impl Engine {
    /// Closes the logs of jobs that have ended, in a task of its own.
    pub(super) fn start_closing(&self, cluster: &Arc<Cluster>) {
        let (engine, cluster) = (self.clone(), Arc::clone(cluster));
        self.spawn(async move {
            // One closes and one more waits: it will find what the first did not.
            let Ok(_seat) = cluster.closers.try_acquire() else {
                return;
            };
            let _one = cluster.closing.lock().await;
            if let Err(error) = engine.close_logs(&cluster).await {
                tracing::warn!(cluster = cluster.name(), %error, "logs are not closed yet");
            }
            engine.start_collecting(&cluster);
        });
    }

    /// The jobs that have ended and for which something is still to be done.
    pub(super) fn unsettled(&self, cluster: &Cluster) -> Result<Vec<Job>> {
        let since = self.now() - jiff::SignedDuration::from_secs(OLD_SECONDS);
        self.store().unsettled_ends(cluster.name(), since, JOBS)
    }

    async fn close_logs(&self, cluster: &Arc<Cluster>) -> Result<()> {
        for job in self.unsettled(cluster)? {
            let closed = tokio::select! {
                () = cluster.stop.cancelled() => return Ok(()),
                closed = self.close_log(cluster, &job) => closed,
            };
            match closed {
                Ok(()) => {}
                // Without the link the others would fail as well.
                Err(error) if is_about_link(&error) => return Err(error),
                Err(error) => tracing::warn!(job = %job.id, %error, "a log is not closed yet"),
            }
        }
        Ok(())
    }

    async fn close_log(&self, cluster: &Arc<Cluster>, job: &Job) -> Result<()> {
        let Some(attempt) = job.attempt() else {
            return Ok(());
        };
        let mut kept = Followed::of(self.store().progress(&job.id)?, attempt.n);
        if kept.is_closed(job) {
            return Ok(());
        }
        // A job submitted by hand may have its log nowhere that is known: then there is none.
        let places = attempt.id.as_ref().and_then(|id| {
            let dir = layout::work_dir(job, attempt.n).ok()?;
            let log = dir.join(&layout::log_in_tree(job)).ok()?;
            let output = dir.join(&cluster.scheduler.output_name(&dir, id)).ok()?;
            Some((dir, log, output))
        });
        if let (Some((dir, log, output)), None) = (places, &job.spec.array) {
            self.read_to_the_end(cluster, &mut kept, &dir, &log, &output)
                .await?;
        }
        kept.log.finish();
        kept.closed = true;
        // What is known of results is of another end, if of any.
        kept.results = ResultsSeen::default();
        kept.settled = false;
        kill_point("closing");
        // Slurm's COMPLETED is doubted on positive evidence alone. Recorded before the log counts as
        // read: what a crash leaves in between is read and recorded again.
        if let Some(fatal) = kept.log.report().fatal.first() {
            let fact = Fact::LogSpoke {
                attempt: attempt.n,
                text: fatal.text.clone(),
                line: fatal.number,
            };
            self.record(&job.id, fact).await?;
        }
        kill_point("closing-told");
        let now = self.now();
        kept.closed_at = Some(now);
        let (store, id, stored) = (
            Arc::clone(&self.inner.store),
            job.id.clone(),
            kept.stored()?,
        );
        blocking(move || store.put_progress(&[(id, stored)], now)).await?;
        self.tell_progress(job)
    }

    /// Reads until nothing more comes: twice the same size, unless the log itself says that it is
    /// over.
    async fn read_to_the_end(
        &self,
        cluster: &Arc<Cluster>,
        kept: &mut Followed,
        dir: &RemotePath,
        log: &RemotePath,
        output: &RemotePath,
    ) -> Result<()> {
        let mut looked = false;
        for _ in 0..ROUNDS {
            let nonce = format!("c{}", self.token());
            let tails = [
                kept.next(log.clone(), SHARE),
                Tail {
                    path: output.clone(),
                    from: 0,
                    max: OUTPUT,
                },
            ];
            let script = format!(
                "{}{}",
                tail::room_script(&nonce, dir),
                tail::script(&nonce, &tails)
            );
            let command = Command::read("log", script).within(Duration::from_mins(3));
            let answer = cluster.run(&command).await?;
            let room = tail::parse_room(&nonce, &answer);
            let chunks = tail::parse(&nonce, &tails, &answer);
            let [Some(of_log), Some(of_output)] = &chunks[..] else {
                return Err(Error::new(
                    ErrorKind::RemoteCommandFailed,
                    format!(
                        "The log of the job could not be read on {}.",
                        cluster.place()
                    ),
                )
                .on_cluster(cluster.name()));
            };
            let moved = kept.take(of_log, self.now());
            let mut printed = LogReader::default();
            printed.feed(&of_output.bytes);
            printed.finish();
            kept.output = Some(printed);
            if let Some(room) = room {
                kept.work_dir = Some(room.is_there);
                kept.free_bytes = room.free_bytes;
            }
            let report = kept.log.report();
            let over = report.end.is_some() || !report.fatal.is_empty();
            if kept.is_whole() && (over || (looked && !moved) || of_log.size.is_none() && looked) {
                return Ok(());
            }
            looked = kept.is_whole();
            if looked {
                tokio::time::sleep(SETTLE).await;
            }
        }
        Ok(())
    }
}

/// Whether an error says nothing of what was asked, only of the way there.
pub(super) fn is_about_link(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::ClusterUnavailable
            | ErrorKind::AuthRequired
            | ErrorKind::HostKeyChanged
            | ErrorKind::Timeout
    )
}
