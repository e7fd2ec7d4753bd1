//! What a look asks about: the jobs that are on their way, those whose end nothing witnessed, and
//! those that ended of late and may come back.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::cluster::Cluster;
use crate::engine::{Engine, pace};
use crate::error::{ErrorKind, Result};
use crate::job::state::Fact;
use crate::job::{Job, JobId, JobState, layout};
use crate::scheduler::{MemberSet, SchedulerId, Watched};

/// Ended jobs of this age at most are still watched for a return to the queue.
const WATCH_ENDED_SECONDS: i64 = 24 * 3600;
/// And no more than this many; the same for ends in doubt.
const WATCH_ENDED: usize = 200;

/// The jobs of a cluster as they were at a change of the store: read anew only when there was another.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The change's number.
    seq: u64,
    /// Those that are on their way, in the queue or running, with their members.
    pub(super) active: Vec<Job>,
    /// Those that ended of late.
    ended: Vec<Job>,
}

/// The jobs of one look.
pub(super) struct Watchlist {
    pub(super) standing: Arc<Standing>,
    /// Jobs that are over, of which a witness is still looked for.
    doubts: Vec<Job>,
    /// What is asked about.
    pub(super) watched: Vec<Watched>,
    /// Whose they are.
    pub(super) by_id: HashMap<SchedulerId, JobId>,
    /// How many of them have not settled.
    pub(super) queried: usize,
    /// The jobs whose doubts are asked about.
    asked: Vec<JobId>,
}

impl Watchlist {
    /// Adds a job, unless another with its id is there.
    fn add(&mut self, watch: Watched, job: &JobId) {
        if !self.by_id.contains_key(&watch.id) {
            self.by_id.insert(watch.id.clone(), job.clone());
            self.watched.push(watch);
        }
    }
}

impl Engine {
    fn standing(&self, cluster: &Cluster) -> Result<Arc<Standing>> {
        let store = self.store();
        let seq = store.seq()?;
        let known = cluster.book().standing.clone();
        if let Some(known) = known.filter(|known| known.seq == seq) {
            return Ok(known);
        }
        // After the number: what changes in between is read now, and once more at the next look.
        let active = store.active(Some(cluster.name()))?.into_iter();
        let active = active
            .map(|job| self.whole(job))
            .collect::<Result<Vec<_>>>()?;
        let ended = store.recently_ended(cluster.name(), self.ended_since(), WATCH_ENDED)?;
        let standing = Arc::new(Standing { seq, active, ended });
        cluster.book().standing = Some(Arc::clone(&standing));
        Ok(standing)
    }

    /// What this look asks about. Of the ends in doubt those whose turn it is, or all if a person
    /// `wants` to know.
    pub(super) fn watchlist(&self, cluster: &Cluster, wants: bool) -> Result<Watchlist> {
        let standing = self.standing(cluster)?;
        let mut list = Watchlist {
            doubts: self.doubts(cluster, wants)?,
            watched: Vec::new(),
            by_id: HashMap::new(),
            queried: 0,
            asked: Vec::new(),
            standing: Arc::clone(&standing),
        };
        for job in &standing.active {
            let Some(mut watch) = watch_of(job, false) else {
                continue;
            };
            if let Some(array) = &job.spec.array {
                let mut open = job.members.open(array);
                if let Some(doubtful) = self.doubtful_members(cluster, job, wants) {
                    open = open.union(&doubtful);
                    list.asked.push(job.id.clone());
                }
                watch.open = Some(open);
            }
            list.add(watch, &job.id);
        }
        // Nothing witnessed their end: a record that comes late, or the job itself, still may.
        for job in std::mem::take(&mut list.doubts) {
            let Some(mut watch) = watched(&job, false) else {
                continue;
            };
            if job.spec.array.is_some() {
                let Some((doubtful, _)) = job.members.doubtful(self.ended_since()) else {
                    continue;
                };
                watch.open = Some(doubtful);
            }
            list.add(watch, &job.id);
            list.asked.push(job.id.clone());
            list.doubts.push(job);
        }
        list.queried = list.watched.len();
        if list.queried > 0 {
            for job in &standing.ended {
                if let Some(watch) = watch_of(job, true) {
                    list.add(watch, &job.id);
                }
            }
        }
        Ok(list)
    }

    /// Notes that the doubts of a list were asked about.
    pub(super) fn note_doubts(&self, cluster: &Cluster, list: &Watchlist) {
        let (now, since) = (self.now(), self.ended_since());
        let mut book = cluster.book();
        book.doubts.retain(|_, asked| *asked >= since);
        book.doubts
            .extend(list.asked.iter().map(|id| (id.clone(), now)));
    }

    /// The facts that may be news, judged by what is at hand: what brings none needs no transaction,
    /// and its row is not read again. A job that changed since is judged as its row is then.
    pub(super) fn news(
        &self,
        list: &Watchlist,
        mut facts: Vec<(JobId, Fact)>,
    ) -> Result<Vec<(JobId, Fact)>> {
        let now = self.now();
        let changed = self.store().changed_after(list.standing.seq)?;
        // (Of arrays that have settled the members are not at hand.)
        let ended = list.standing.ended.iter();
        let ended = ended.filter(|job| job.spec.array.is_none());
        let known: HashMap<&JobId, &Job> = ended
            .chain(&list.standing.active)
            .chain(&list.doubts)
            .map(|job| (&job.id, job))
            .collect();
        facts.retain(|(id, fact)| {
            changed.contains(id)
                || known
                    .get(id)
                    .is_none_or(|job| !matches!(job.apply(fact, now), Ok(None)))
        });
        Ok(facts)
    }

    /// The jobs that are over without a witness, with their members, as far as it is their turn: those
    /// that were asked about the longest ago.
    fn doubts(&self, cluster: &Cluster, wants: bool) -> Result<Vec<Job>> {
        let store = self.store();
        let all = store.unwitnessed(cluster.name(), self.ended_since())?;
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut due: Vec<_> = {
            let book = cluster.book();
            all.into_iter()
                .map(|(id, since)| (book.doubts.get(&id).copied(), id, since))
                .filter(|(asked, _, since)| wants || pace::is_doubt_due(*since, *asked, now))
                .collect()
        };
        due.sort_by_key(|(asked, _, _)| *asked);
        due.truncate(WATCH_ENDED);
        let mut jobs = Vec::new();
        for (_, id, _) in due {
            match self.with_members(&id) {
                Ok(job) => jobs.push(job),
                Err(error) if error.kind == ErrorKind::JobNotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(jobs)
    }

    /// A job with its members.
    pub(super) fn with_members(&self, id: &JobId) -> Result<Job> {
        self.whole(self.store().job(id)?)
    }

    /// The same job with its members.
    pub(super) fn whole(&self, mut job: Job) -> Result<Job> {
        if job.spec.array.is_some() {
            job.members = self.store().members(&job.id)?;
        }
        Ok(job)
    }

    /// The members in doubt of an array that goes on, if it is their turn.
    fn doubtful_members(&self, cluster: &Cluster, job: &Job, wants: bool) -> Option<MemberSet> {
        let (doubtful, since) = job.members.doubtful(self.ended_since())?;
        let asked = cluster.book().doubts.get(&job.id).copied();
        (wants || pace::is_doubt_due(since, asked, self.now())).then_some(doubtful)
    }

    pub(super) fn ended_since(&self) -> jiff::Timestamp {
        self.now() - jiff::SignedDuration::from_secs(WATCH_ENDED_SECONDS)
    }
}

/// How a job is watched; none when the batch system has no id for it.
fn watch_of(job: &Job, settled: bool) -> Option<Watched> {
    let in_queue = matches!(
        job.state,
        JobState::Pending { .. } | JobState::Running { .. }
    );
    if !settled && !in_queue {
        return None;
    }
    watched(job, settled)
}

/// The same, whatever is known of its state. Of an array no member is open.
pub(super) fn watched(job: &Job, settled: bool) -> Option<Watched> {
    let attempt = job.attempt()?;
    Some(Watched {
        id: attempt.id.clone()?,
        work_dir: layout::work_dir(job, attempt.n).ok()?,
        tag: attempt.tag.clone(),
        submitted: attempt.submitted.unwrap_or(attempt.asked),
        settled,
        open: job.spec.array.as_ref().map(|_| MemberSet::default()),
    })
}
