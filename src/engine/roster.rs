//! The clusters at run time, as the settings have them, and how they are.

use std::sync::{Arc, PoisonError};

use crate::config::Reload;
use crate::engine::cluster::Cluster;
use crate::engine::{ClusterState, Configured, Engine, Event, Health, worker};
use crate::error::{Error, ErrorKind, Result};

impl Engine {
    /// Takes over a changed config.toml. A wrong one is logged; the settings in force stay.
    pub(crate) fn reload_settings(&self) {
        let looked = self.configured_mut().watched.refresh();
        match looked {
            Reload::Same => {}
            Reload::Changed(_) => {
                self.arrange_clusters();
                tracing::info!("config.toml was read again");
            }
            Reload::Wrong(error) => {
                tracing::error!(%error, "config.toml is wrong; the settings in force stay");
            }
        }
    }

    /// Makes the run-time clusters fit the settings: unchanged ones stay as they are.
    pub(super) fn arrange_clusters(&self) {
        let mut configured = self.configured_mut();
        let settings = configured.watched.settings();
        let wanted = |name: &str| {
            settings
                .clusters
                .iter()
                .find(|cluster| cluster.name == name)
        };
        configured.clusters.retain(|name, cluster| {
            let same = wanted(name).is_some_and(|wanted| *wanted == cluster.settings);
            if !same {
                cluster.stop.cancel();
            }
            same
        });
        for wanted in &settings.clusters {
            if configured.clusters.contains_key(&wanted.name) {
                continue;
            }
            let stop = self.inner.stop.child_token();
            let (cluster, asked) = Cluster::new(wanted.clone(), stop, self.now());
            configured
                .clusters
                .insert(wanted.name.clone(), Arc::clone(&cluster));
            tokio::spawn(self.clone().mend(Arc::clone(&cluster)));
            tokio::spawn(worker::run(self.clone(), cluster, asked));
        }
    }

    pub(crate) fn find_cluster(&self, name: &str) -> Result<Arc<Cluster>> {
        let configured = self.configured();
        configured.clusters.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = configured.clusters.keys().map(String::as_str).collect();
            Error::new(
                ErrorKind::ClusterNotFound,
                format!("There is no cluster {name:?}."),
            )
            .hinted(format!(
                "Configured: {}. Clusters are described in {}.",
                known.join(", "),
                self.inner.home.config_file.display()
            ))
            .on_cluster(name)
        })
    }

    pub(super) fn all_clusters(&self) -> Vec<Arc<Cluster>> {
        self.configured().clusters.values().cloned().collect()
    }

    pub(super) fn state_of(&self, cluster: &Cluster) -> ClusterState {
        cluster.state(self.active_count(cluster.name()))
    }

    /// Takes over a cluster's health and tells, if it is news.
    pub(crate) fn turn(
        &self,
        cluster: &Cluster,
        health: Health,
        reason: Option<String>,
        hint: Option<String>,
    ) {
        let news = cluster.book().turn(health, reason, hint, self.now());
        if news {
            self.tell(Event::Cluster(Arc::new(self.state_of(cluster))));
        }
    }

    /// Notes what went wrong with a cluster: in its list of failures, in its health, in the log.
    pub(crate) fn note_trouble(&self, cluster: &Cluster, part: &str, error: &Error) {
        tracing::warn!(cluster = cluster.name(), part, %error, "trouble");
        cluster
            .book()
            .note_error(part, None, error.message.clone(), self.now());
        if let Some(health) = Cluster::health_of(error) {
            self.turn(
                cluster,
                health,
                Some(error.message.clone()),
                error.hint.clone(),
            );
        }
    }

    pub(crate) fn active_count(&self, cluster: &str) -> usize {
        self.store().counts().map_or(0, |counts| {
            let active = counts
                .iter()
                .filter(|count| count.cluster == cluster && count.active);
            usize::try_from(active.map(|count| count.jobs).sum::<u64>()).unwrap_or(usize::MAX)
        })
    }

    pub(super) fn configured(&self) -> std::sync::RwLockReadGuard<'_, Configured> {
        self.inner
            .configured
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn configured_mut(&self) -> std::sync::RwLockWriteGuard<'_, Configured> {
        self.inner
            .configured
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
