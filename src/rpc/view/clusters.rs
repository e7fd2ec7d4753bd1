//! Clusters: domain → wire. Pure.

use crate::doctor::Check;
use crate::engine::{ClusterState, Health, Synced};
use crate::protocol as wire;
use crate::protocol::Time;
use crate::scheduler::SourceHealth;

use super::resources;

/// A cluster.
pub fn cluster(state: &ClusterState) -> wire::ClusterStatus {
    wire::ClusterStatus {
        name: state.name.clone(),
        host: state.host.clone(),
        scheduler: state.scheduler.to_owned(),
        health: health(state.health),
        since: Time(state.since),
        reason: state.reason.clone(),
        hint: state.hint.clone(),
        sources: wire::Sources {
            squeue: source_status(&state.squeue),
            sacct: source_status(&state.sacct),
            marker: source_status(&state.marker),
        },
        interval_seconds: state.interval_seconds,
        last_sync: state.last_sync.map(Time),
        next_sync: state.next_sync.map(Time),
        latency_ms: state.latency_ms,
        queries_last_hour: state.queries_last_hour,
        errors: state
            .errors
            .iter()
            .map(|error| wire::ClusterFailure {
                at: Time(error.at),
                part: error.part.clone(),
                exit: error.exit,
                message: error.message.clone(),
            })
            .collect(),
        active_jobs: state.active_jobs as u64,
        defaults: resources(&state.defaults),
    }
}

pub(super) fn source_status(health: &SourceHealth) -> wire::SourceStatus {
    let (health, exit, reason) = match health {
        SourceHealth::NotAsked => (wire::SourceHealth::NotAsked, None, None),
        SourceHealth::Ok => (wire::SourceHealth::Ok, None, None),
        SourceHealth::Absent { why } => (wire::SourceHealth::Absent, None, Some(why)),
        SourceHealth::Failed { exit, why } => (wire::SourceHealth::Failed, *exit, Some(why)),
    };
    wire::SourceStatus {
        health,
        exit,
        reason: reason.cloned(),
    }
}

fn health(health: Health) -> wire::ClusterHealth {
    match health {
        Health::Ok => wire::ClusterHealth::Ok,
        Health::Connecting => wire::ClusterHealth::Connecting,
        Health::AuthRequired => wire::ClusterHealth::AuthRequired,
        Health::Unavailable => wire::ClusterHealth::Unavailable,
        Health::Unchecked => wire::ClusterHealth::Unchecked,
    }
}

/// One cluster's part of a sync, as `syncAll` gives it.
pub fn synced(synced: &Synced) -> wire::ClusterSynced {
    wire::ClusterSynced {
        cluster: synced.cluster.clone(),
        health: health(synced.health),
        queried: synced.queried as u64,
        changed: synced.changed as u64,
        took_ms: synced.took_ms,
        error: synced.error.clone(),
    }
}

/// One cluster's part of a sync, as it is notified.
pub fn sync_completed(synced: &Synced) -> wire::SyncCompleted {
    wire::SyncCompleted {
        cluster: synced.cluster.clone(),
        at: Time(synced.at),
        queried: synced.queried as u64,
        changed: synced.changed as u64,
        took_ms: synced.took_ms,
        error: synced.error.clone(),
    }
}

/// One of `doctor`'s checks.
pub fn check(cluster: &str, check: Check) -> wire::Check {
    wire::Check {
        cluster: cluster.to_owned(),
        name: check.name,
        ok: check.ok,
        detail: check.detail,
        hint: check.hint,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::scheduler::Resources;

    #[test]
    fn a_cluster_tells_each_source() {
        let state = ClusterState {
            name: "hpc".into(),
            host: None,
            scheduler: "slurm",
            health: Health::Unavailable,
            since: Timestamp::UNIX_EPOCH,
            reason: Some("No route.".into()),
            hint: None,
            squeue: SourceHealth::Failed {
                exit: Some(1),
                why: "timed out".into(),
            },
            sacct: SourceHealth::Absent {
                why: "no slurmdbd".into(),
            },
            marker: SourceHealth::Ok,
            interval_seconds: 30,
            last_sync: None,
            next_sync: Some(Timestamp::UNIX_EPOCH),
            latency_ms: None,
            queries_last_hour: 4,
            errors: Vec::new(),
            active_jobs: 2,
            defaults: Resources::default(),
        };
        let shown = serde_json::to_value(cluster(&state)).unwrap();
        assert_eq!(shown["health"], "unavailable");
        assert_eq!(
            shown["sources"],
            json!({
                "squeue": {"health": "failed", "exit": 1, "reason": "timed out"},
                "sacct": {"health": "absent", "reason": "no slurmdbd"},
                "marker": {"health": "ok"},
            })
        );
        assert!(shown.get("host").is_none());
        assert_eq!(shown["defaults"], json!({}));
    }

    #[test]
    fn health_has_the_same_words_on_both_sides() {
        for state in [
            Health::Ok,
            Health::Connecting,
            Health::AuthRequired,
            Health::Unavailable,
            Health::Unchecked,
        ] {
            assert_eq!(serde_json::to_value(health(state)).unwrap(), state.name());
        }
    }
}
