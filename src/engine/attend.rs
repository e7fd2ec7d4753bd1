//! What a server in the background asks of the engine: what is going on, and what happens to the
//! watching of jobs while nobody is there.

use std::sync::atomic::Ordering;

use crate::engine::cluster::Ask;
use crate::engine::{Engine, Health};
use crate::job::JobId;

/// What would be interrupted or left undone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occupation {
    /// Jobs that a step is under way for, by cluster.
    pub steps: Vec<(String, JobId)>,
    /// Tasks that the end of the program waits for, and collections of results, which it breaks off
    /// when it has to.
    pub tasks: usize,
    /// Jobs that are on their way, queued or running.
    pub active_jobs: u64,
}

impl Engine {
    /// What is going on. Errors of the store count as nothing: they keep no program alive.
    pub fn occupation(&self) -> Occupation {
        let counts = self.store().counts().unwrap_or_default();
        let mut steps: Vec<(String, JobId)> = self
            .all_clusters()
            .iter()
            .flat_map(|cluster| {
                let name = cluster.name().to_owned();
                let jobs = cluster.busy_jobs().into_iter();
                jobs.map(move |id| (name.clone(), id)).collect::<Vec<_>>()
            })
            .collect();
        steps.sort();
        Occupation {
            steps,
            tasks: self.inner.tasks.len() + self.inner.collections.len(),
            active_jobs: counts
                .iter()
                .filter(|count| count.active)
                .map(|count| count.jobs)
                .sum(),
        }
    }

    /// Says whether somebody is there who could log in. While nobody is, a cluster that asks for a
    /// login is not tried again: each try may be a push to a sleeping person's phone, and too many
    /// lock an account. When somebody comes, such clusters are looked at at once.
    pub fn attend(&self, attended: bool) {
        if self.inner.attended.swap(attended, Ordering::SeqCst) || !attended {
            return;
        }
        for cluster in self.all_clusters() {
            if cluster.book().health == Health::AuthRequired
                && self.active_count(cluster.name()) > 0
            {
                let _ = cluster.asks.send(Ask::Resume);
            }
        }
    }

    /// Whether somebody is there who could log in.
    pub(crate) fn is_attended(&self) -> bool {
        self.inner.attended.load(Ordering::SeqCst)
    }
}
