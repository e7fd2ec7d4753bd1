//! Following the logs of running jobs: the new bytes ride in the look's one remote command.
//!
//! What has been read is kept beside the job (the reader, its offset, when the log last grew), so
//! that any process takes it up where another left it. A log that is not the one that was read —
//! cut off, or begun anew by a requeue — is known by the bytes before the offset, and read afresh.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Event, ResultsSeen, blocking};
use crate::error::Result;
use crate::job::{Job, JobState, layout};
use crate::namd::LogReader;
use crate::scheduler::tail::{self, Chunk, Tail};
use crate::shell::{Command, Output};
use crate::store::StoredProgress;

/// Logs read in one look. Of more jobs, those take turns that were read the longest ago.
const LOGS: usize = 64;
/// Bytes of all logs in one look.
const BUDGET: u64 = 2 << 20;
/// Bytes of one log in one look.
const SHARE: u64 = 512 << 10;
/// A log that is further behind than this is not read whole: only its end is.
const BEHIND: u64 = 32 << 20;
/// What is read of such a log.
const END: u64 = 256 << 10;

/// What is kept of a job's log and output between looks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Followed {
    /// The attempt it belongs to.
    pub(crate) attempt: u32,
    /// NAMD's log.
    pub(crate) log: LogReader,
    /// The log's size when it was last read.
    pub(crate) size: u64,
    /// When it was last read, by our clock.
    pub(crate) read: Option<Timestamp>,
    /// When it last grew, by our clock.
    pub(crate) grew: Option<Timestamp>,
    /// What the job script printed; read once, at the end.
    pub(crate) output: Option<LogReader>,
    /// Bytes free where it ran, at the end.
    pub(crate) free_bytes: Option<u64>,
    /// Its working directory was there at the end.
    pub(crate) work_dir: Option<bool>,
    /// It has ended, and nothing more will be read.
    pub(crate) closed: bool,
    /// When that was, by our clock.
    pub(crate) closed_at: Option<Timestamp>,
    /// How far the collection of its results is. Kept beside the document.
    #[serde(skip)]
    pub(crate) results: ResultsSeen,
    /// Closed, and with its results nothing more happens by itself. Kept likewise.
    #[serde(skip)]
    pub(crate) settled: bool,
}

impl Followed {
    /// Takes what was read; says whether the log grew or changed.
    pub(crate) fn take(&mut self, chunk: &Chunk, now: Timestamp) -> bool {
        self.read = Some(now);
        let Some(size) = chunk.size else {
            return false;
        };
        let overlap = self.log.overlap();
        let (before, fresh) = chunk.bytes.split_at(overlap.min(chunk.bytes.len()));
        if !self.log.fits(before) {
            // Another log under the same name: from its beginning, at the next look.
            self.log = LogReader::default();
            self.size = 0;
            self.grew = Some(now);
            return true;
        }
        self.log.feed(fresh);
        if size > self.log.offset().saturating_add(BEHIND) {
            self.log.skip_to(size - END);
        }
        let grew = size != self.size;
        self.size = size;
        if grew {
            self.grew = Some(now);
        }
        grew
    }

    /// Which bytes come next, at most `share` of them.
    pub(crate) fn next(&self, path: crate::shell::RemotePath, share: u64) -> Tail {
        let overlap = self.log.overlap() as u64;
        Tail {
            path,
            from: self.log.offset().saturating_sub(overlap),
            max: share.saturating_add(overlap),
        }
    }

    /// Everything that was there when it was last read has been read.
    pub(crate) fn is_whole(&self) -> bool {
        // A line without its end is not counted, and no longer than a reader's line.
        self.size <= self.log.offset().saturating_add(4096)
    }

    /// The log of the end that is known now has been read. An end that came later is another one.
    pub(crate) fn is_closed(&self, job: &Job) -> bool {
        self.closed && self.closed_at.is_some_and(|at| at >= job.status_since)
    }

    /// It runs, whatever was taken for its end before: that will be read, and collected, anew.
    fn reopen(&mut self) {
        self.closed = false;
        self.closed_at = None;
        self.settled = false;
        self.results = ResultsSeen::default();
    }

    pub(crate) fn stored(&self) -> Result<StoredProgress> {
        let bad = |why: serde_json::Error| crate::error::Error::internal(why.to_string());
        let results = Some(&self.results).filter(|results| **results != ResultsSeen::default());
        Ok(StoredProgress {
            attempt: self.attempt,
            log_offset: self.log.offset(),
            document: serde_json::to_value(self).map_err(bad)?,
            results: results.map(serde_json::to_value).transpose().map_err(bad)?,
            settled: self.settled,
        })
    }

    /// What is kept, if it is of this attempt and can be read: an older program's may not be, and is
    /// read afresh.
    pub(crate) fn of(stored: Option<StoredProgress>, attempt: u32) -> Self {
        let read = |stored: StoredProgress| {
            let document: Self = serde_json::from_value(stored.document).ok()?;
            Some(Self {
                results: ResultsSeen::of(stored.results),
                settled: stored.settled,
                ..document
            })
        };
        stored
            .filter(|stored| stored.attempt == attempt)
            .and_then(read)
            .unwrap_or(Self {
                attempt,
                ..Self::default()
            })
    }
}

/// The logs that one look reads.
#[derive(Default)]
pub(super) struct Following {
    jobs: Vec<(Job, Followed)>,
    tails: Vec<Tail>,
    nonce: String,
}

impl Following {
    /// Puts the reading behind what a command does.
    pub(super) fn ride(&self, mut command: Command) -> Command {
        command.script.push('\n');
        command
            .script
            .push_str(&tail::script(&self.nonce, &self.tails));
        command
    }
}

impl Engine {
    /// Which logs to read in the next look.
    pub(super) fn following(&self, jobs: &[Job]) -> Result<Following> {
        let running = jobs
            .iter()
            // Each member of an array has a log of its own; they are not followed yet.
            .filter(|job| job.spec.array.is_none())
            .filter(|job| matches!(job.state, JobState::Running { .. }));
        let mut found = Vec::new();
        for job in running {
            let Some(attempt) = job.attempt() else {
                continue;
            };
            let mut kept = Followed::of(self.store().progress(&job.id)?, attempt.n);
            // It may have been taken for ended before.
            kept.reopen();
            found.push((job.clone(), kept));
        }
        found.sort_by_key(|(_, kept)| kept.read);
        found.truncate(LOGS);
        let share = (BUDGET / found.len().max(1) as u64).min(SHARE);
        let mut following = Following {
            nonce: format!("t{}", self.token()),
            ..Following::default()
        };
        for (job, kept) in found {
            let path = layout::work_dir(&job, kept.attempt)
                .and_then(|dir| dir.join(&layout::log_in_tree(&job)));
            if let Ok(path) = path {
                following.tails.push(kept.next(path, share));
                following.jobs.push((job, kept));
            }
        }
        Ok(following)
    }

    /// Takes what a look read of the logs, keeps it, and tells of what moved.
    pub(super) async fn follow(&self, following: Following, output: &Output) -> Result<()> {
        let now = self.now();
        let chunks = tail::parse(&following.nonce, &following.tails, output);
        let mut kept = Vec::new();
        let mut moved = Vec::new();
        for ((job, mut followed), chunk) in following.jobs.into_iter().zip(chunks) {
            let Some(chunk) = chunk else { continue };
            let news = followed.take(&chunk, now);
            kept.push((job.id.clone(), followed.stored()?));
            if news {
                moved.push(job);
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.inner.store);
        blocking(move || store.put_progress(&kept, now)).await?;
        for job in moved {
            self.tell_progress(&job)?;
        }
        Ok(())
    }

    /// Tells how far a job is.
    pub(super) fn tell_progress(&self, job: &Job) -> Result<()> {
        // The job may have changed since the look began.
        let job = self.stored(&job.id)?;
        let insight = self.insight(&job)?;
        self.tell(Event::Progress {
            seq: self.store().seq()?,
            job_id: job.id.clone(),
            insight: Arc::new(insight),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// What a look reads of a file.
    fn look(kept: &mut Followed, file: &[u8], share: u64, now: i64) -> bool {
        let path = crate::shell::RemotePath::parse("/a/b.log").unwrap();
        let tail = kept.next(path, share);
        let from = usize::try_from(tail.from).unwrap().min(file.len());
        let to = (from + usize::try_from(tail.max).unwrap()).min(file.len());
        let chunk = Chunk {
            size: Some(file.len() as u64),
            bytes: file[from..to].to_vec(),
        };
        let text = serde_json::to_string(kept).unwrap();
        *kept = serde_json::from_str(&text).unwrap();
        kept.take(&chunk, at(now))
    }

    const LOG: &[u8] = include_bytes!("../../tests/data/namd/runs/01_min_npt.log");

    #[test]
    fn a_log_is_followed_as_it_grows() {
        let mut kept = Followed::default();
        let mut now = 0;
        for end in (0..LOG.len()).step_by(997).chain([LOG.len(), LOG.len()]) {
            now += 1;
            look(&mut kept, &LOG[..end], 4000, now);
        }
        while !kept.is_whole() {
            look(&mut kept, LOG, 4000, now);
        }
        look(&mut kept, LOG, 4000, now + 50);
        assert_eq!(kept.log.report().step, Some(200));
        assert!(kept.log.report().succeeded());
        // Nothing came any more: it last grew when it did.
        assert!(kept.grew <= Some(at(now)));
        assert_eq!(kept.read, Some(at(now + 50)));
    }

    #[test]
    fn a_log_that_is_begun_anew_is_read_afresh() {
        let mut kept = Followed::default();
        look(&mut kept, LOG, 1 << 20, 1);
        assert_eq!(kept.log.report().step, Some(200));
        // A requeue: the same name, other bytes; shorter, then longer than what was read.
        let other = include_bytes!("../../tests/data/namd/runs/02_prod.log");
        for file in [&other[..5000], &other[..]] {
            let mut kept = kept.clone();
            assert!(look(&mut kept, file, 1 << 20, 2));
            look(&mut kept, file, 1 << 20, 3);
            assert_ne!(kept.log.report().step, Some(200));
        }
        // Cut off in place.
        assert!(look(&mut kept, &LOG[..100], 1 << 20, 4));
        assert_eq!(kept.log.report().step, None);
    }

    #[test]
    fn of_a_log_far_behind_the_end_is_read() {
        let mut kept = Followed::default();
        let mut big = LOG[..6000].to_vec();
        big.resize(usize::try_from(BEHIND).unwrap() + (2 << 20), b'\n');
        big.extend_from_slice(&LOG[6000..]);
        for now in 1..20 {
            look(&mut kept, &big, SHARE, now);
        }
        assert!(kept.is_whole());
        assert_eq!(kept.log.report().step, Some(200));
        assert!(kept.log.report().skipped);
    }
}
