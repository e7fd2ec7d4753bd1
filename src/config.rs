//! `config.toml`: clusters and their defaults; and where this program's files live.
//!
//! [`Settings::parse`] is pure: text in, settings or a list of [`Mistake`]s out. Only [`home`] and
//! [`reload`] read files and the environment. The values that also come over the wire (resources,
//! launch commands) are checked by the same functions: [`validate_resources`], [`validate_launch`].
//!
//! Without a file there is one cluster, [`LOCAL`]: this machine, jobs as plain processes. It stays
//! beside the clusters of a file, unless the file says `local = false` or defines
//! `[clusters.local]` itself.

mod address;
pub mod home;
pub mod launch;
pub mod linger;
pub mod mistake;
mod read;
pub mod reload;
pub mod resources;
pub mod root;
pub mod time;
mod values;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use self::home::Home;
pub use self::launch::{DEFAULT_LAUNCH, validate_launch};
pub use self::linger::{LINGER_VARIABLE, Linger};
pub use self::mistake::{ConfigErrors, Mistake};
pub use self::reload::{Reload, Stamp, Watched};
pub use self::resources::validate_resources;
pub(crate) use self::root::root_as_shell_word;
pub use self::root::{BadRoot, expand_root, root_variables};
pub use self::time::{format_walltime, parse_walltime};
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::AbsenceRule;
use crate::scheduler::Resources;

/// Name of the cluster that is there without being configured: this machine.
pub const LOCAL: &str = "local";

/// Environment variable that replaces the shortest allowed [`Cluster::sync_interval`], in seconds
/// (`0.2` is allowed), and the default interval where that is longer. For tests; a site's
/// controller deserves better.
pub const MIN_SYNC_VARIABLE: &str = "NAMDRUNNER_MIN_SYNC_SECONDS";

/// Shortest interval between looks at a Slurm queue: a shared controller serves everybody.
pub const MIN_SYNC_SLURM: Duration = Duration::from_secs(15);
/// Shortest interval between looks where there is no batch system.
pub const MIN_SYNC_DIRECT: Duration = Duration::from_secs(1);
/// Longest interval between looks: an hour.
pub const MAX_SYNC: Duration = Duration::from_hours(1);
/// Interval between looks at a Slurm queue when the file does not say.
pub const DEFAULT_SYNC_SLURM: Duration = Duration::from_secs(30);
/// Interval between looks where there is no batch system when the file does not say.
pub const DEFAULT_SYNC_DIRECT: Duration = Duration::from_secs(2);

/// Everything configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The clusters, in the file's order, [`LOCAL`] last when it is not in the file. Never empty.
    pub clusters: Vec<Cluster>,
    /// The cluster taken when a call names none.
    pub default_cluster: String,
    /// How long the background server stays when nobody is connected.
    pub linger: Linger,
}

/// A cluster, or this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Its name in config.toml.
    pub name: String,
    /// Host name, address or ssh alias; none means this machine.
    pub host: Option<String>,
    /// User there; none means what ssh's settings say, else the same as here.
    pub user: Option<String>,
    /// Port; none means what ssh's settings say, else 22.
    pub port: Option<u16>,
    /// Private keys to try, beside the agent and the usual files. Absolute.
    pub identity_files: Vec<PathBuf>,
    /// `known_hosts` files; empty means the user's and the system's. Absolute.
    pub known_hosts: Vec<PathBuf>,
    /// Hosts to go over on the way there, as ssh's `ProxyJump`; `none` for the straight way whatever
    /// ssh's own settings say.
    pub proxy_jump: Option<String>,
    /// A file of `ssh_config(5)` to follow instead of the usual ones. Absolute; an empty path means
    /// that none is followed.
    pub ssh_config: Option<PathBuf>,
    /// What runs jobs there.
    pub scheduler: SchedulerKind,
    /// Where job directories are kept: absolute, `~/…`, or with variables (`$HOME`, `$USER`,
    /// `$WORK`), which mean the remote ones. [`expand_root`] makes a path of it.
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

impl SchedulerKind {
    /// The word in config.toml and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slurm => "slurm",
            Self::Direct => "direct",
        }
    }
}

/// What the meaning of a config.toml depends on besides its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The data directory: the local cluster's roots lie in it by default.
    pub data_dir: PathBuf,
    /// The user's home on this machine, for `~/` in names of local files.
    pub home_dir: Option<PathBuf>,
    /// Replaces the shortest sync interval; see [`MIN_SYNC_VARIABLE`].
    pub min_sync: Option<Duration>,
}

impl Settings {
    /// Reads a config.toml's text. `file` is what messages call it.
    pub fn parse(
        text: &str,
        file: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, ConfigErrors> {
        read::settings(text, file, surroundings)
    }

    /// What is in force without a config.toml: the cluster [`LOCAL`].
    pub fn without_file(surroundings: &Surroundings) -> Result<Self, ConfigErrors> {
        Self::parse("", "config.toml", surroundings)
    }

    /// Reads config.toml; without one, [`Settings::without_file`].
    ///
    /// Errors are `settingsInvalid` and hold every mistake.
    pub fn load(home: &Home) -> Result<Self> {
        reload::load(home, &Stamp::of(home))
    }

    /// Whether config.toml is another than the one these settings were read from.
    pub fn changed_since(home: &Home, stamp: &Stamp) -> bool {
        Stamp::of(home) != *stamp
    }

    /// The cluster of a name, or the default one.
    pub fn cluster(&self, name: Option<&str>) -> Result<&Cluster> {
        let name = name.unwrap_or(&self.default_cluster);
        self.clusters
            .iter()
            .find(|cluster| cluster.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self.clusters.iter().map(|c| c.name.as_str()).collect();
                Error::new(
                    ErrorKind::ClusterNotFound,
                    format!("No cluster is called {name:?} in config.toml."),
                )
                .hinted(match mistake::nearest(name, known.iter().copied()) {
                    Some(near) => format!("Did you mean {near:?}?"),
                    None => format!("There are: {}.", known.join(", ")),
                })
                .on_cluster(name)
            })
    }
}

impl Cluster {
    /// Whether it is this machine.
    pub fn is_local(&self) -> bool {
        self.host.is_none()
    }

    /// `user@host:port` as far as configured, for messages; `this machine` without a host.
    pub fn address(&self) -> String {
        let Some(host) = &self.host else {
            return "this machine".to_owned();
        };
        let user = self.user.as_ref().map(|user| format!("{user}@"));
        let port = self.port.map(|port| format!(":{port}"));
        format!(
            "{}{host}{}",
            user.unwrap_or_default(),
            port.unwrap_or_default()
        )
    }
}
