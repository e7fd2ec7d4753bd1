//! Jobs that are not in the list, found in their directories on the cluster.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config;
use crate::engine::cluster::{Ask, Cluster, Ready, lock};
use crate::engine::reconcile::of_slurm;
use crate::engine::{Compared, Comparison, Discovered, Engine, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::job::discovery::{self, Draft, Place};
use crate::job::state::Change;
use crate::job::{Job, JobId};
use crate::scheduler::{Report, Resources, SchedulerId};
use crate::store::ClusterFacts;

/// A cluster is compared by itself no more often than this.
const COMPARE_SECONDS: i64 = 3600;
/// Jobs that are taken in with one transaction.
const AT_ONCE: usize = 200;
/// Where the time of that is kept among a cluster's facts.
const COMPARED_AT: &str = "comparedAt";

/// A cluster's place, for a reader of what lies there.
pub(super) fn place<T>(cluster: &Cluster, ready: &Ready, read: impl FnOnce(&Place<'_>) -> T) -> T {
    let check = |resources: &Resources, launch: Option<&str>| {
        config::validate_resources(resources).map_err(|(field, why)| format!("{field} {why}"))?;
        launch.map_or(Ok(()), config::validate_launch)
    };
    read(&Place {
        cluster: cluster.name(),
        project_root: &ready.project_root,
        scratch_root: &ready.scratch_root,
        check: &check,
    })
}

impl Engine {
    /// Finds this program's jobs below a cluster's roots and takes those that are not in the list
    /// into it, with their attempts and history. Jobs that were deleted here stay deleted.
    pub async fn discover(&self, name: &str) -> Result<Discovered> {
        self.reload_settings();
        let cluster = self.find_cluster(name)?;
        let result = self.try_discover(&cluster).await;
        if let Err(error) = &result {
            self.note_trouble(&cluster, "discover", error);
        }
        result
    }

    async fn try_discover(&self, cluster: &Arc<Cluster>) -> Result<Discovered> {
        let ready = cluster.ready().await?;
        let _one = cluster.comparing.lock().await;
        let survey = self.survey_of(cluster, &ready).await?;
        let mut items = Vec::new();
        let mut drafts: Vec<(Draft, Vec<u8>)> = Vec::new();
        for directory in &survey.directories {
            let path = format!("{}/{}", ready.project_root, directory.name);
            if let Some(id) = JobId::parse(&directory.name) {
                if self.store().is_deleted(&id)? {
                    items.push(
                        Compared::new(
                            Comparison::DeletedHere,
                            "The job was deleted here, and its files were left.",
                            "What was deleted is not taken into the list again.",
                        )
                        .of(&id)
                        .at(path),
                    );
                    continue;
                }
                if self.store().job(&id).is_ok() {
                    continue;
                }
            }
            let read = place(cluster, &ready, |place| {
                discovery::read(directory, place, self.now())
            });
            let config = directory.config.clone().unwrap_or_default();
            match read.and_then(|draft| self.belongs_here(cluster, draft)) {
                Ok(draft) => drafts.push((draft, config)),
                Err(why) => items.push(
                    Compared::new(
                        Comparison::DirectoryWithoutRow,
                        format!("A directory with the name of a job; {why}."),
                        "It was not taken into the list, and is left alone.",
                    )
                    .at(path),
                ),
            }
        }
        let watched = drafts
            .iter()
            .flat_map(|(draft, _)| draft.watched())
            .collect();
        let query = self.ask_about(cluster, &ready, watched).await?;
        let absent: HashSet<SchedulerId> = query.absent.iter().cloned().collect();
        let rule = cluster.settings.absence;
        let mut by_id: HashMap<&SchedulerId, Vec<&Report>> = HashMap::new();
        for report in &query.reports {
            by_id.entry(&report.id).or_default().push(report);
        }
        let mut stories = drafts
            .into_iter()
            .map(|(draft, config)| (draft.replay(&by_id, &absent, rule, self.now()), config));
        let mut jobs = Vec::new();
        loop {
            let some: Vec<_> = stories.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            jobs.extend(self.take_in(some).await?);
        }
        if !jobs.is_empty() {
            tracing::info!(cluster = cluster.name(), jobs = jobs.len(), "found jobs");
            let _ = cluster.asks.send(Ask::Expect);
        }
        if !survey.listing.is_ok() && jobs.is_empty() {
            let why = "What lies below the roots could not be listed.".to_owned();
            return Err(of_slurm(ErrorKind::RemoteCommandFailed, why, cluster)
                .hinted("clusterStatus names what failed. Ask again in a moment."));
        }
        Ok(Discovered {
            cluster: cluster.name().to_owned(),
            at: self.now(),
            jobs,
            items,
            more_directories: survey.more,
        })
    }

    /// A cluster was reached for the first time by this program: one without jobs here is searched
    /// for them, any other is compared. Several programs, or a script of many calls, do so once an
    /// hour.
    pub(super) fn meet(&self, cluster: &Arc<Cluster>) {
        let (engine, cluster) = (self.clone(), Arc::clone(cluster));
        tokio::spawn(async move {
            let name = cluster.name();
            let meeting = async {
                if !engine.has_its_turn_to_compare(name)? {
                    return Ok(());
                }
                if engine.store().has_known(name)? {
                    let found = engine.reconcile(name, false, false).await?;
                    for item in found.items.iter().filter(|item| item.changed.is_some()) {
                        tracing::info!(cluster = name, ?item, "put right");
                    }
                } else {
                    let found = engine.discover(name).await?;
                    for item in &found.items {
                        tracing::info!(cluster = name, ?item, "not taken in");
                    }
                }
                Ok::<(), Error>(())
            };
            let done = tokio::select! {
                () = cluster.stop.cancelled() => return,
                done = meeting => done,
            };
            if let Err(error) = done {
                tracing::warn!(cluster = name, %error, "not compared");
            }
        });
    }

    /// Whether nobody has compared this cluster of late; notes that it is being done.
    fn has_its_turn_to_compare(&self, cluster: &str) -> Result<bool> {
        let kept = self.store().cluster_facts(cluster)?;
        let last = kept.facts.as_ref().and_then(|facts| {
            facts
                .get(COMPARED_AT)?
                .as_str()?
                .parse::<jiff::Timestamp>()
                .ok()
        });
        let now = self.now();
        if last.is_some_and(|last| now.duration_since(last).as_secs().abs() < COMPARE_SECONDS) {
            return Ok(false);
        }
        let facts = ClusterFacts {
            facts: Some(serde_json::json!({ COMPARED_AT: now.to_string() })),
            last_sync: None,
        };
        self.store().put_cluster_facts(cluster, &facts)?;
        Ok(true)
    }

    /// Two clusters of config.toml may share one machine and its roots: a job goes back to the one
    /// it was made on.
    fn belongs_here(&self, cluster: &Cluster, draft: Draft) -> Result<Draft, String> {
        let settings = self.settings();
        let other = settings.clusters.iter().find(|other| {
            other.name == draft.made_on
                && other.name != cluster.name()
                && other.host == cluster.settings.host
        });
        match other {
            Some(other) => Err(format!(
                "it was made on the cluster {}, which is to be discovered for it",
                other.name
            )),
            None => Ok(draft),
        }
    }

    /// Stores jobs with their histories and configs, in one transaction, and tells. Those that are here
    /// already, or were deleted here, are left out.
    pub(super) async fn take_in(&self, stories: Vec<(Vec<Change>, Vec<u8>)>) -> Result<Vec<Job>> {
        let engine = self.clone();
        blocking(move || {
            let mut told = lock(&engine.inner.told);
            let taken = engine.store().restore(&stories)?;
            let mut jobs = Vec::new();
            for ((changes, _), numbers) in stories.into_iter().zip(taken) {
                let Some(numbers) = numbers else {
                    continue;
                };
                for (seq, change) in numbers.into_iter().zip(&changes) {
                    engine.tell_in_order(&mut told, seq, change);
                }
                jobs.extend(changes.into_iter().next_back().map(|change| change.job));
            }
            Ok(jobs)
        })
        .await
    }
}
