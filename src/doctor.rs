//! What may keep jobs from running on a cluster, and what to do about it.
//!
//! One remote command gathers everything but how files travel ([`doctor_command`]); [`judge()`] makes checks of its answer
//! and is pure, as is everything else here but [`run`].

mod judge;
mod script;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::judge::judge;
pub use self::script::doctor_command;
use crate::config::{Cluster, Home, Settings};
use crate::error::Error;
use crate::transport::prompt::Prompter;
use crate::transport::{Transport, TransportError};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, a word or two: `link`, `sbatch`, `scratch root`.
    pub name: String,
    /// Whether jobs can run as far as this goes.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it; with `ok`, what is worth knowing.
    pub hint: Option<String>,
}

impl Check {
    /// Something that is as it should be.
    pub(crate) fn fine(name: &str, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            ok: true,
            detail: detail.into(),
            hint: None,
        }
    }

    /// Something that works, with a remark.
    pub(crate) fn note(name: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..Self::fine(name, detail)
        }
    }

    /// Something that keeps jobs from running.
    pub(crate) fn bad(name: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            ok: false,
            ..Self::note(name, detail, hint)
        }
    }
}

/// Looks at a cluster through one remote command, and tries its SFTP. Never fails: a link that does not stand is a
/// check that failed.
///
/// A login that needs a person asks `person`.
pub async fn run(
    cluster: &Cluster,
    transport: &dyn Transport,
    person: Option<Arc<dyn Prompter>>,
) -> Vec<Check> {
    let began = Instant::now();
    let looked = async {
        transport.connect(person).await?;
        transport.run(&doctor_command(cluster)).await
    };
    let mut checks = match looked.await {
        Ok(output) => {
            let took = began.elapsed();
            let mut checks = judge(cluster, &output, took, Timestamp::now());
            checks.extend(transport.sftp().await.map(sftp));
            checks
        }
        Err(error) => vec![link_failure(cluster, &error)],
    };
    let remarks = transport.remarks().into_iter();
    checks.extend(remarks.map(|remark| {
        let (what, hint) = remark.split_once(": ").unwrap_or((&remark, ""));
        Check::note("ssh config", what, hint)
    }));
    checks
}

/// How large files travel.
fn sftp(found: Result<(), String>) -> Check {
    match found {
        Ok(()) => Check::fine("sftp", "large files travel over several channels"),
        Err(why) => Check::note(
            "sftp",
            format!("large files go through commands, in one channel: {why}"),
            "That is slower where the cluster is far away. A site switches SFTP on with `Subsystem sftp internal-sftp` in its sshd_config.",
        ),
    }
}

/// What reading config.toml came to, as the first check.
pub fn config_check(home: &Home, settings: &Result<Settings, Error>) -> Check {
    let file = home.config_file.display();
    match settings {
        Ok(settings) => {
            let names: Vec<&str> = settings.clusters.iter().map(|c| c.name.as_str()).collect();
            let clusters = format!("{}; default {}", names.join(", "), settings.default_cluster);
            if home.config_file.is_file() {
                Check::fine("config", format!("{file}: {clusters}"))
            } else {
                Check::note(
                    "config",
                    format!("{file} does not exist: {clusters}"),
                    "Jobs run on this machine. Describe a cluster in that file to run them there.",
                )
            }
        }
        Err(error) => Check::bad(
            "config",
            error.message.clone(),
            error.hint.clone().unwrap_or_default(),
        ),
    }
}

/// A link that does not stand.
fn link_failure(cluster: &Cluster, error: &TransportError) -> Check {
    let address = cluster.address();
    let detail = format!("{address}: {error}");
    let name = &cluster.name;
    match error {
        TransportError::Unreachable(_) => Check::bad(
            "link",
            detail,
            format!(
                "See whether `ssh {}` works from this machine. If it does not: is the VPN on, is `host` right in [clusters.{name}], is the site in maintenance?",
                ssh_arguments(cluster)
            ),
        ),
        TransportError::AuthRequired(_) => Check::bad(
            "link",
            detail,
            format!(
                "Load your key into the agent (`ssh-add`) or name it as identity_files in [clusters.{name}]. A cluster that asks for a password or a code needs a place where you can be asked: `namdrunner doctor {name}` in a terminal, or an editor."
            ),
        ),
        TransportError::HostKey { hint, .. } => Check::bad("host key", detail, hint.clone()),
        TransportError::Lost(_) => Check::bad(
            "link",
            detail,
            "The connection broke while the checks ran. Try again.",
        ),
        TransportError::Timeout(_) => Check::bad(
            "link",
            detail,
            "The machine took the connection and did not finish the checks. A hanging file system or start-up file is the usual reason: log in by hand and see what hangs.",
        ),
        TransportError::Remote(_) | TransportError::Local(_) | TransportError::Cancelled => {
            Check::bad(
                "link",
                detail,
                "Try again; if it stays so, the log file says more.",
            )
        }
    }
}

/// How a person would reach the cluster with ssh.
fn ssh_arguments(cluster: &Cluster) -> String {
    let port = cluster.port.map(|port| format!("-p {port} "));
    let user = cluster.user.as_ref().map(|user| format!("{user}@"));
    format!(
        "{}{}{}",
        port.unwrap_or_default(),
        user.unwrap_or_default(),
        cluster.host.as_deref().unwrap_or("localhost")
    )
}

/// How long a duration is, for people: `240 ms`, `3.2 s`.
fn took(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
