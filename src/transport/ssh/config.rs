//! Where a cluster's login really goes: config.toml's settings over those of `ssh_config(5)`.
//!
//! No crate reads ssh's settings right, so ssh itself is asked ([`openssh`]); where there is none, a
//! strict reader of our own (`file`) takes its place.

mod file;
mod openssh;
mod target;
mod tokens;

use std::path::{Path, PathBuf};

use super::known_hosts::matches;
use super::{SshConfig, SshSettings};
use crate::transport::{TransportError, agents};
pub(super) use target::{Agent, Method, Target, Way};
use tokens::Here;

/// What is wanted of the settings: a host as a person names it, and what is known already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The host, or an alias of one.
    pub(super) host: &'a str,
    /// The user, if config.toml or a jump names one.
    pub(super) user: Option<&'a str>,
    /// The port, likewise.
    pub(super) port: Option<u16>,
}

/// Options of `ssh_config(5)` in force for a host: lower-case names and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options(Vec<(String, String)>);

/// Options that may be given several times; of all others the first holds.
const LISTS: [&str; 3] = ["certificatefile", "identityfile", "ignoreunknown"];

impl Options {
    fn add(&mut self, name: &str, value: &str) {
        let listed = LISTS.contains(&name);
        let held = |(other, old): &(String, String)| other == name && (!listed || old == value);
        if !self.0.iter().any(held) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The value of an option; none if it is not set, or set to `none`.
    fn one(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.eq_ignore_ascii_case("none"))
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.eq_ignore_ascii_case("none"))
            .collect()
    }

    fn is(&self, name: &str, word: &str) -> bool {
        // `ssh -G` says `true` of some options where others, and people, say `yes`.
        let plain = |word: &str| match word.to_ascii_lowercase().as_str() {
            "true" => "yes".to_owned(),
            "false" | "off" => "no".to_owned(),
            other => other.to_owned(),
        };
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .is_some_and(|(_, value)| plain(value) == word)
    }

    /// `ssh -G` tells the keys it would try where none are named; they are no choice of anybody's.
    fn keep_default_keys_apart(&mut self) {
        let usual = |(name, value): &(String, String)| {
            name == "identityfile" && value.starts_with("~/.ssh/id_") && !value.contains('%')
        };
        let rsa =
            |(name, value): &(String, String)| name == "identityfile" && value == "~/.ssh/id_rsa";
        let keys = self.0.iter().filter(|(name, _)| name == "identityfile");
        let (all, usual_ones) = (keys.count(), self.0.iter().filter(|it| usual(it)).count());
        // Five types and more at once, RSA first, is how ssh lists them.
        let first = self.0.iter().find(|(name, _)| name == "identityfile");
        if all >= 5 && all == usual_ones && first.is_some_and(rsa) {
            self.0.retain(|(name, _)| name != "identityfile");
        }
    }
}

/// Whether one of the patterns matches and none of those that begin with `!` does.
fn matches_any(text: &str, patterns: &[impl AsRef<str>]) -> bool {
    let text = text.to_ascii_lowercase();
    let mut held = false;
    for pattern in patterns {
        let pattern = pattern.as_ref().to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(not) if matches(not.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => held |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    held
}

/// How many hosts may be jumped over.
const MOST_JUMPS: usize = 8;

/// Finds out where a login goes.
pub(super) async fn resolve(settings: &SshSettings) -> Result<Target, TransportError> {
    let here = this_side().await?;
    let wanted = Wanted {
        host: &settings.host,
        user: settings.user.as_deref(),
        port: settings.port,
    };
    let options = options(settings, &wanted, &here).await?;
    let mut target = Target::of(&wanted, &options, Some(settings), &here).map_err(wrong)?;
    let jumps = target.jumps.clone();
    if !jumps.is_empty() {
        target.way = way(settings, &jumps, &here, &mut target.remarks, MOST_JUMPS).await?;
    }
    Ok(target)
}

/// The way to a target: over its jumps, the last of which stands next to it.
async fn way(
    settings: &SshSettings,
    jumps: &[String],
    here: &Here,
    remarks: &mut Vec<String>,
    left: usize,
) -> Result<Way, TransportError> {
    let Some((last, before)) = jumps.split_last() else {
        return Ok(Way::Own);
    };
    let Some(left) = left.checked_sub(1) else {
        return Err(wrong(format!(
            "more than {MOST_JUMPS} hosts to jump over; does a host jump over itself?"
        )));
    };
    let (user, host, port) = target::place(last).map_err(wrong)?;
    let wanted = Wanted {
        host: &host,
        user: user.as_deref(),
        port,
    };
    let options = options(settings, &wanted, here).await?;
    let mut hop = Target::of(&wanted, &options, None, here).map_err(wrong)?;
    hop.timing(settings);
    hop.known_hosts_of(settings);
    // What is named before it leads to it; a hop that is the first goes its own way.
    let jumps = if before.is_empty() {
        hop.jumps.clone()
    } else {
        before.to_vec()
    };
    let further = Box::pin(way(settings, &jumps, here, remarks, left)).await?;
    if !matches!(further, Way::Own) {
        hop.way = further;
    }
    remarks.extend(
        hop.remarks
            .drain(..)
            .map(|remark| format!("{host}: {remark}")),
    );
    Ok(Way::Over(Box::new(hop)))
}

async fn options(
    settings: &SshSettings,
    wanted: &Wanted<'_>,
    here: &Here,
) -> Result<Options, TransportError> {
    let file = match &settings.config {
        SshConfig::None => return Ok(Options::default()),
        SshConfig::Usual => None,
        SshConfig::File(path) => Some(path.as_path()),
    };
    let told = match openssh::ask(&settings.ssh_program, file, wanted).await {
        Some(told) => told,
        None => read_ourselves(file, wanted, here).await,
    };
    told.map_err(|why| wrong(format!("the settings of ssh cannot be followed: {why}")))
}

async fn read_ourselves(
    file: Option<&Path>,
    wanted: &Wanted<'_>,
    here: &Here,
) -> Result<Options, String> {
    let named: Vec<PathBuf> = match file {
        Some(file) => vec![file.to_owned()],
        None => vec![here.home.join(".ssh/config"), "/etc/ssh/ssh_config".into()],
    };
    let must_exist = file.is_some();
    let (host, user, port) = (
        wanted.host.to_owned(),
        wanted.user.map(str::to_owned),
        wanted.port,
    );
    let here = here.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut files = Vec::new();
        for path in named {
            match std::fs::read(&path) {
                Ok(bytes) => files.push((path, String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        let wanted = Wanted {
            host: &host,
            user: user.as_deref(),
            port,
        };
        let includes = |pattern: &str| included(pattern, &here);
        file::read(&files, &includes, &wanted, &here.user)
    });
    read.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// The files that an `Include` names, which may be none.
fn included(pattern: &str, here: &Here) -> Result<Vec<(PathBuf, String)>, String> {
    let path = here.path(pattern);
    let path = if path.is_absolute() {
        path
    } else {
        here.home.join(".ssh").join(path)
    };
    let found = glob::glob(&path.to_string_lossy()).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for path in found.flatten().filter(|path| path.is_file()) {
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        files.push((path, String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(files)
}

/// Whose settings they are.
async fn this_side() -> Result<Here, TransportError> {
    let said = async |program: &str, argument: &str| {
        let output = tokio::process::Command::new(program)
            .arg(argument)
            .stdin(std::process::Stdio::null())
            .output()
            .await;
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if let Some(socket) = agents::newest().await
        && let Ok(socket) = socket.into_os_string().into_string()
    {
        variables.retain(|(name, _)| name != "SSH_AUTH_SOCK");
        variables.push(("SSH_AUTH_SOCK".to_owned(), socket));
    }
    let mut here = Here {
        home: dirs::home_dir().unwrap_or_default(),
        variables,
        ..Here::default()
    };
    let named = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| here.variable(name));
    let user = match named.filter(|user| !user.is_empty()) {
        Some(user) => Some(user.to_owned()),
        None => said("id", "-un").await,
    };
    here.user = user.ok_or_else(|| {
        TransportError::Local("the local user has no name; set `user` for the cluster".to_owned())
    })?;
    here.host = said("uname", "-n").await.unwrap_or_default();
    here.uid = said("id", "-u")
        .await
        .and_then(|uid| uid.parse().ok())
        .unwrap_or_default();
    Ok(here)
}

fn wrong(why: String) -> TransportError {
    TransportError::Unreachable(why)
}

#[cfg(test)]
mod tests;
