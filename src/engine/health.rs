//! How one cluster is: health, sources, latency, the looks of the last hour, the last failures.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::config::{self, SchedulerKind};
use crate::engine::watchlist::Standing;
use crate::engine::{ClusterError, Health};
use crate::job::JobId;
use crate::probe::RemoteFacts;
use crate::scheduler::SourceHealth;

/// Failures kept for `clusterStatus`.
const ERRORS: usize = 50;

/// The book of one cluster. Kept behind a lock that is never held across an await.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) health: Health,
    pub(crate) since: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) squeue: SourceHealth,
    pub(crate) sacct: SourceHealth,
    pub(crate) marker: SourceHealth,
    pub(crate) interval: Duration,
    pub(crate) last_sync: Option<Timestamp>,
    pub(crate) next_sync: Option<Timestamp>,
    pub(crate) latency: Option<Duration>,
    pub(crate) failures: u32,
    /// When a successful look was last written to the store.
    pub(crate) kept_sync: Option<Instant>,
    /// When submissions without an answer were last looked for.
    pub(crate) last_search: Option<Instant>,
    /// The cluster's jobs as they were read last.
    pub(crate) standing: Option<Arc<Standing>>,
    /// When each job in doubt was last asked about.
    pub(crate) doubts: HashMap<JobId, Timestamp>,
    queries: VecDeque<Instant>,
    errors: VecDeque<ClusterError>,
}

impl Book {
    pub(crate) fn new(interval: Duration, now: Timestamp) -> Self {
        Self {
            health: Health::Unchecked,
            since: now,
            reason: None,
            hint: None,
            squeue: SourceHealth::NotAsked,
            sacct: SourceHealth::NotAsked,
            marker: SourceHealth::NotAsked,
            interval,
            last_sync: None,
            next_sync: None,
            latency: None,
            failures: 0,
            kept_sync: None,
            last_search: None,
            standing: None,
            doubts: HashMap::new(),
            queries: VecDeque::new(),
            errors: VecDeque::new(),
        }
    }

    /// Takes over a new health; says whether that is news.
    pub(crate) fn turn(
        &mut self,
        health: Health,
        reason: Option<String>,
        hint: Option<String>,
        now: Timestamp,
    ) -> bool {
        let news = self.health != health || self.reason != reason;
        if self.health != health {
            self.since = now;
        }
        if health == Health::Ok {
            self.failures = 0;
        }
        (self.health, self.reason, self.hint) = (health, reason, hint);
        news
    }

    /// What the first look at a cluster tells of its sources, before any is asked: a site without
    /// accounting is known to be one.
    pub(crate) fn note_probe(&mut self, settings: &config::Cluster, facts: Option<&RemoteFacts>) {
        let Some(facts) = facts.filter(|_| settings.scheduler == SchedulerKind::Slurm) else {
            return;
        };
        let missing = |tool: &str| !facts.tools.contains_key(tool);
        if missing("squeue") {
            self.squeue = SourceHealth::Absent {
                why: "there is no squeue on the PATH of the login shell".to_owned(),
            };
        }
        let accounting = facts
            .controller
            .as_ref()
            .and_then(|it| it.accounting.as_deref());
        if missing("sacct") {
            self.sacct = SourceHealth::Absent {
                why: "there is no sacct on the PATH of the login shell".to_owned(),
            };
        } else if let Some(kind) = accounting.filter(|kind| kind.ends_with("/none")) {
            self.sacct = SourceHealth::Absent {
                why: format!("accounting is disabled (AccountingStorageType={kind})"),
            };
        }
    }

    /// Notes a failure for `clusterStatus.errors`.
    pub(crate) fn note_error(
        &mut self,
        part: &str,
        exit: Option<i32>,
        message: String,
        at: Timestamp,
    ) {
        if self.errors.len() == ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(ClusterError {
            at,
            part: part.to_owned(),
            exit,
            message,
        });
    }

    /// Notes that the queue is being asked.
    pub(crate) fn note_query(&mut self, now: Instant) {
        self.queries.push_back(now);
        self.forget_old_queries(now);
    }

    /// How often the queue was asked in the last hour.
    pub(crate) fn queries_last_hour(&mut self, now: Instant) -> u32 {
        self.forget_old_queries(now);
        u32::try_from(self.queries.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn errors(&self) -> Vec<ClusterError> {
        self.errors.iter().cloned().collect()
    }

    fn forget_old_queries(&mut self, now: Instant) {
        const HOUR: Duration = Duration::from_hours(1);
        while self
            .queries
            .front()
            .is_some_and(|at| now.duration_since(*at) > HOUR)
        {
            self.queries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_fifty_failures_and_one_hour_of_looks() {
        let now = Timestamp::UNIX_EPOCH;
        let mut book = Book::new(Duration::from_secs(30), now);
        for n in 0..60 {
            book.note_error("squeue", Some(1), n.to_string(), now);
        }
        assert_eq!(book.errors().len(), 50);
        assert_eq!(
            book.errors().first().map(|e| e.message.clone()),
            Some("10".to_owned())
        );
        let start = Instant::now();
        book.note_query(start);
        book.note_query(start + Duration::from_mins(50));
        assert_eq!(book.queries_last_hour(start + Duration::from_mins(50)), 2);
        assert_eq!(book.queries_last_hour(start + Duration::from_secs(3700)), 1);
    }

    #[test]
    fn the_same_trouble_is_told_once() {
        let now = Timestamp::UNIX_EPOCH;
        let mut book = Book::new(Duration::from_secs(30), now);
        assert!(book.turn(Health::Unavailable, Some("refused".into()), None, now));
        assert!(!book.turn(Health::Unavailable, Some("refused".into()), None, now));
        assert!(book.turn(Health::Ok, None, None, now));
    }
}
