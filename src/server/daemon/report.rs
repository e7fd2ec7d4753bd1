//! What `namdrunner status` tells of the daemon.

use serde::{Deserialize, Serialize};

use super::Daemon;
use crate::engine::Engine;
use crate::protocol::ClusterHealth;
use crate::rpc::view;

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The version of the protocol it speaks.
    pub protocol: u32,
    /// How long it has been there.
    pub uptime_seconds: u64,
    /// The database's directory.
    pub data_dir: String,
    /// The directory of its log files.
    pub log_dir: String,
    /// Who is connected.
    pub clients: Vec<Client>,
    /// The clusters, as far as the settings and the database can be read.
    pub clusters: Vec<Cluster>,
    /// Steps under way.
    pub steps: Vec<Step>,
    /// Why there is no engine, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Who is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The forwarder's process.
    pub pid: u32,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How long it has been connected.
    pub connected_seconds: u64,
    /// How long ago it sent something.
    pub silent_seconds: u64,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: ClusterHealth,
    /// Why it is not ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Jobs on their way, queued or running.
    pub active_jobs: u64,
    /// How often its queue was asked in the last hour.
    pub queries_last_hour: u32,
}

/// A step under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Where.
    pub cluster: String,
    /// For which job.
    pub job_id: String,
}

impl Report {
    pub(super) fn of(daemon: &Daemon) -> Self {
        let setup = &daemon.setup;
        let engine = daemon.opening.opened();
        let clusters = engine.as_ref().map(Engine::clusters);
        let occupation = engine.as_ref().map(Engine::occupation);
        let clients = daemon
            .guests()
            .present
            .values()
            .cloned()
            .collect::<Vec<_>>();
        Self {
            pid: setup.speaker.pid,
            version: setup.speaker.version.clone(),
            protocol: setup.speaker.protocol,
            uptime_seconds: daemon.begun_at.elapsed().as_secs(),
            data_dir: setup.home.data_dir.display().to_string(),
            log_dir: setup.home.state_dir.display().to_string(),
            clients: clients
                .iter()
                .map(|guest| {
                    let (name, active) = guest.look();
                    Client {
                        pid: guest.pid,
                        name,
                        connected_seconds: guest.since.elapsed().as_secs(),
                        silent_seconds: active.elapsed().as_secs(),
                    }
                })
                .collect(),
            clusters: clusters
                .unwrap_or_default()
                .iter()
                .map(|state| Cluster {
                    name: state.name.clone(),
                    health: view::cluster(state).health,
                    reason: state.reason.clone(),
                    active_jobs: state.active_jobs as u64,
                    queries_last_hour: state.queries_last_hour,
                })
                .collect(),
            steps: occupation
                .unwrap_or_default()
                .steps
                .into_iter()
                .map(|(cluster, job)| Step {
                    cluster,
                    job_id: job.to_string(),
                })
                .collect(),
            problem: daemon.opening.failure().map(|error| error.message.clone()),
        }
    }
}
