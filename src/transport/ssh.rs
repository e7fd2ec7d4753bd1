//! Commands and files over SSH. The only place that names `russh`.
//!
//! One connection serves all callers of an [`Ssh`]; it is opened when it is first needed and again
//! when it broke. Commands run side by side in channels of their own.

mod asker;
mod auth;
mod channel;
mod client;
mod config;
mod connection;
mod fetch;
mod files;
mod flow;
mod host_key;
mod keys;
mod known_hosts;
mod link;
mod pace;
mod porter;
mod route;
mod send;
mod sftp;
mod transfer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::process::{Capture, Input, Terms, converse, dress};
use super::prompt::Prompter;
use super::{Bundle, Get, Put, Sent, Transport, TransportError, Watcher, bundle};
use crate::shell::{Command, Output, RemotePath};
use channel::Session;
use link::Link;

/// Which settings of ssh itself are followed, for what a [`SshSettings`] leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshConfig {
    /// None.
    None,
    /// `~/.ssh/config` and `/etc/ssh/ssh_config`.
    Usual,
    /// This file alone.
    File(PathBuf),
}

/// Where and how to log in. What is not given is taken from ssh's own settings, and if they do not
/// say, is what is usual.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// The cluster's name in config.toml, for prompts.
    pub cluster: String,
    /// The host, by name or address, or an alias of ssh's settings.
    pub host: String,
    /// Its port; usual is 22.
    pub port: Option<u16>,
    /// The user there; usual is the name of the local user.
    pub user: Option<String>,
    /// Private keys to log in with. If any are given, only they are tried (through the agent where
    /// it holds them), as OpenSSH's `IdentitiesOnly` does; otherwise all keys of the agent and then
    /// `~/.ssh/id_ed25519`, `id_ecdsa` and `id_rsa`.
    pub identity_files: Vec<PathBuf>,
    /// Files of known host keys; new ones are written to the first. If any are given, no others
    /// count; usual are `~/.ssh/known_hosts`, `~/.ssh/known_hosts2` and `/etc/ssh/ssh_known_hosts`.
    pub known_hosts: Vec<PathBuf>,
    /// Hosts to go over, as ssh's `ProxyJump`; `none` for the straight way.
    pub proxy_jump: Option<String>,
    /// Which settings of ssh are followed.
    pub config: SshConfig,
    /// The program that is asked what they are (`ssh -G`).
    pub ssh_program: PathBuf,
    /// Whether to ask the SSH agent.
    pub use_agent: bool,
    /// The agent's socket; none means what `SSH_AUTH_SOCK` names.
    pub agent_socket: Option<PathBuf>,
    /// Time for reaching the host, and for each step of the login that waits for no person; also the longest wait for a turn to open a
    /// connection or a channel.
    pub connect_timeout: Duration,
    /// Silence after which the server is asked for a sign of life; after four of these without any
    /// the connection is given up.
    pub keepalive: Duration,
    /// Least time between two openings of the connection, so that a broken network or a wrong key
    /// does not look like an attack to the site. Zero for tests.
    pub open_spacing: Duration,
    /// Whether to keep a shell waiting on the cluster for the next command, which saves it two
    /// round trips and the start of the shell. It is one sleeping process while commands are
    /// frequent, and is let go after [`READY_FOR`] without any.
    pub shell_ahead: bool,
}

/// How long a shell started ahead waits for a command.
pub const READY_FOR: Duration = Duration::from_mins(2);

impl SshSettings {
    /// Settings for a host with what suits most sites: the agent, 20 s to connect, a dead link
    /// noticed within 40 s, connections opened at least 15 s apart; no settings of ssh.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            cluster: String::new(),
            host: host.into(),
            port: None,
            user: None,
            identity_files: Vec::new(),
            known_hosts: Vec::new(),
            proxy_jump: None,
            config: SshConfig::None,
            ssh_program: "ssh".into(),
            use_agent: true,
            agent_socket: None,
            connect_timeout: Duration::from_secs(20),
            keepalive: Duration::from_secs(10),
            open_spacing: Duration::from_secs(15),
            shell_ahead: true,
        }
    }
}

/// A cluster behind SSH.
///
/// Connects when a command needs it, with keys that need nobody; [`Transport::connect`] may ask a
/// person. Callers that come meanwhile wait for the same attempt. After
/// a failed attempt its error is the answer until the next one is due: after
/// [`SshSettings::open_spacing`], doubled with each failure in a row up to a minute (host not
/// reached) or ten (login or host key refused). [`Transport::close`] forgets the failures.
///
/// A command that runs into its timeout, or whose caller goes away, is ended (`TERM`) if it is idempotent; one with an effect
/// is left to finish unheard, because ending it halfway is worse than not knowing.
#[derive(Debug)]
pub struct Ssh {
    link: Link,
}

impl Ssh {
    /// A cluster that is not connected yet.
    pub fn new(settings: SshSettings) -> Self {
        Self {
            link: Link::new(settings),
        }
    }

    /// Runs a command, with what is still being made after its input.
    async fn talk(
        &self,
        command: &Command,
        pieces: Option<bundle::Pieces>,
        watch: Option<&Watcher>,
        capture: Capture,
    ) -> Result<(Output, Vec<Sent>), TransportError> {
        let terms = Terms {
            watch,
            ..Terms::of(command, self.link.place())
        };
        let session = match watch {
            Some(watch) => watch
                .cancel
                .run_until_cancelled(self.link.session(command))
                .await
                .ok_or(TransportError::Cancelled)??,
            None => self.link.session(command).await?,
        };
        self.converse_in(session, command, pieces, capture, &terms)
            .await
    }

    /// Runs a command in a session that stands.
    async fn converse_in(
        &self,
        mut session: Session,
        command: &Command,
        pieces: Option<bundle::Pieces>,
        mut capture: Capture,
        terms: &Terms<'_>,
    ) -> Result<(Output, Vec<Sent>), TransportError> {
        let mut head = dress(&command.script);
        head.extend_from_slice(&command.input);
        let input = Input { head, pieces };
        let to = session.input()?;
        let (status, sent) = converse(&mut session, to, input, &mut capture, terms).await?;
        let output = capture.finish(status, terms.place);
        if let Err(why @ TransportError::AuthRequired(_)) = &output {
            self.link.refused(session.connection(), why);
        }
        Ok((output?, sent))
    }
}

#[async_trait]
impl Transport for Ssh {
    async fn run(&self, command: &Command) -> Result<Output, TransportError> {
        let (output, _) = self.talk(command, None, None, Capture::new()).await?;
        Ok(output)
    }

    async fn run_with_bundle(
        &self,
        command: &Command,
        bundle: &Bundle,
        watch: &Watcher,
    ) -> Result<(Output, Vec<Sent>), TransportError> {
        let _turn = self.link.transfer_turn(watch).await?;
        let pieces = bundle::stream(bundle.clone());
        self.talk(command, Some(pieces), Some(watch), Capture::new())
            .await
    }

    async fn read_from(
        &self,
        path: &RemotePath,
        offset: u64,
        max: u64,
    ) -> Result<Vec<u8>, TransportError> {
        let command = files::read_from(path, offset, max);
        let output = self.run(&command).await?;
        files::part(output, path)
    }

    async fn get(&self, files: &[Get], watch: &Watcher) -> Result<Vec<Sent>, TransportError> {
        let _turn = self.link.transfer_turn(watch).await?;
        fetch::get(self, files, watch).await
    }

    async fn put(&self, files: &[Put], watch: &Watcher) -> Result<Vec<Sent>, TransportError> {
        let _turn = self.link.transfer_turn(watch).await?;
        send::put(self, files, watch).await
    }

    async fn sftp(&self) -> Option<Result<(), String>> {
        let connection = match self.link.connection(false).await {
            Ok(connection) => connection,
            Err(error) => return Some(Err(error.to_string())),
        };
        if !sftp::open_lanes(&connection, 1).await.is_empty() {
            return Some(Ok(()));
        }
        let why = connection.without_sftp().map(str::to_owned);
        Some(Err(why.unwrap_or_else(|| {
            "it allows too few sessions (MaxSessions) for one beside the commands".to_owned()
        })))
    }

    async fn connect(&self, person: Option<Arc<dyn Prompter>>) -> Result<(), TransportError> {
        self.link.connect(person).await
    }

    async fn lost(&self) {
        self.link.lost().await;
    }

    fn remarks(&self) -> Vec<String> {
        self.link.remarks()
    }

    fn connected(&self) -> bool {
        self.link.is_up()
    }

    async fn close(&self) {
        self.link.close().await;
    }
}

#[cfg(test)]
mod tests;
