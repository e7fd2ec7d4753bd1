//! `config.toml`: clusters and their defaults; and where this program's files live.

use std::path::PathBuf;
use std::time::Duration;

use crate::job::state::AbsenceRule;
use crate::scheduler::Resources;

/// Everything configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The clusters, in the file's order. Never empty: without a file there is `local`.
    pub clusters: Vec<Cluster>,
    /// The cluster taken when a call names none.
    pub default_cluster: String,
}

/// A cluster, or this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Its name in config.toml.
    pub name: String,
    /// Host name, address or ssh alias; none means this machine.
    pub host: Option<String>,
    /// User there; none means the same as here.
    pub user: Option<String>,
    /// Port; none means 22.
    pub port: Option<u16>,
    /// Private keys to try, beside the agent and the usual files.
    pub identity_files: Vec<PathBuf>,
    /// known_hosts files; empty means the user's and the system's.
    pub known_hosts: Vec<PathBuf>,
    /// What runs jobs there.
    pub scheduler: SchedulerKind,
    /// Where job directories are kept: absolute, `~/…`, or with `$HOME` and `$USER`, which mean the
    /// remote ones.
    pub project_root: String,
    /// Where jobs run; as above.
    pub scratch_root: String,
    /// Shell lines run in the job script before NAMD.
    pub setup: Vec<String>,
    /// Shell lines run before Slurm's commands.
    pub slurm_setup: Vec<String>,
    /// How NAMD is started: a shell command with `{config}`, `{log}`, `{cores}`, `{ntasks}`, `{nodes}`.
    pub launch: String,
    /// What a job asks for when it does not say.
    pub resources: Resources,
    /// How often the queue is looked at while jobs are active.
    pub sync_interval: Duration,
    /// When absence becomes UNKNOWN.
    pub absence: AbsenceRule,
    /// Whether Slurm may start a job again by itself.
    pub requeue: bool,
    /// How many jobs the direct scheduler runs at once.
    pub max_running: u32,
}

/// What runs jobs on a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchedulerKind {
    /// Slurm.
    Slurm,
    /// No batch system: detached processes.
    Direct,
}

/// Where this program's files live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `config.toml`.
    pub config_file: PathBuf,
    /// The database's directory.
    pub data_dir: PathBuf,
    /// Logs.
    pub state_dir: PathBuf,
    /// Sockets and locks.
    pub runtime_dir: PathBuf,
}
