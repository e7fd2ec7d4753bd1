//! A standing connection, and the shells in it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use russh::client::Msg;
use russh::{Channel, ChannelMsg};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::client::Signs;
use super::flow::Flow;
use super::route::Route;
use super::sftp::LANES;
use super::{READY_FOR, SshSettings};
use crate::transport::process::LINE;

/// Commands side by side. OpenSSH allows ten sessions (`MaxSessions`) but frees one only when its
/// process is gone: of 100 commands, eight at once ran into the limit 7 to 14 times, five never.
pub(super) const SLOTS: usize = 5;

/// Most that is on its way to the cluster: the window an OpenSSH server grants, for each lane.
const MOST_UP: u64 = LANES as u64 * 2 * 1024 * 1024;

/// Most that is on its way from the cluster. It is what may wait here in memory.
const MOST_DOWN: u64 = 12 * 1024 * 1024;

/// How long a connection that was silent may take to answer before it is replaced.
const TO_ANSWER: Duration = Duration::from_secs(5);

/// A connection on which we are logged in.
pub(super) struct Connection {
    route: Route,
    signs: Arc<Signs>,
    slots: Arc<Semaphore>,
    /// Places for SFTP sessions.
    lanes: Arc<Semaphore>,
    /// What transfers have on their way, to the cluster and from it.
    flows: [Flow; 2],
    /// Why there is no SFTP, once that is known.
    without_sftp: OnceLock<String>,
    /// A shell started ahead for the next command.
    ready: Mutex<Option<Channel<Msg>>>,
    /// Whether one is being started.
    starting: AtomicBool,
    /// Counts commands, so that a shell nobody wanted is known.
    commands: AtomicU64,
    place: String,
    keepalive: Duration,
    patience: Duration,
    shell_ahead: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("place", &self.place)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Takes over a route at whose end we are logged in.
    pub(super) fn over(route: Route, settings: &SshSettings, place: &str) -> Self {
        let (patience, keepalive) = (route.target.connect_timeout, route.target.keepalive);
        Self {
            signs: Arc::clone(&route.signs),
            route,
            slots: Arc::new(Semaphore::new(SLOTS)),
            lanes: Arc::new(Semaphore::new(LANES)),
            flows: [Flow::new(MOST_UP), Flow::new(MOST_DOWN)],
            without_sftp: OnceLock::new(),
            ready: Mutex::new(None),
            starting: AtomicBool::new(false),
            commands: AtomicU64::new(0),
            place: place.to_owned(),
            keepalive,
            patience,
            shell_ahead: settings.shell_ahead,
        }
    }

    /// The cluster's name for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The places for commands side by side.
    pub(super) fn slots(&self) -> &Arc<Semaphore> {
        &self.slots
    }

    /// Whether the connection has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.route.handle.is_closed()
    }

    /// Cancelled when it ends, however it does.
    pub(super) fn ended(&self) -> CancellationToken {
        self.signs.ended()
    }

    /// Why it ended, as far as known.
    pub(super) fn why_gone(&self) -> String {
        self.signs
            .why_gone()
            .unwrap_or_else(|| "the other side is gone".to_owned())
    }

    /// Whether the server was heard so lately that it need not be asked.
    pub(super) fn is_fresh(&self) -> bool {
        self.signs
            .silence()
            .is_some_and(|silence| silence < self.keepalive)
    }

    #[cfg(test)]
    pub(super) fn pretend_silence(&self) {
        self.signs.pretend_silence();
    }

    /// Asks the server for a sign of life.
    pub(super) async fn answers(&self) -> bool {
        let answered = matches!(
            timeout(TO_ANSWER, self.route.handle.send_ping()).await,
            Ok(Ok(()))
        ) && !self.is_closed();
        if answered {
            self.signs.heard();
        }
        answered
    }

    /// Starts a shell: one round trip until it is ours, and another until it reads.
    ///
    /// An OpenSSH server grants no window before it has started something, so a script on standard
    /// input waits for that. An unanswered attempt ends after the connect timeout as
    /// [`russh::Error::ConnectionTimeout`].
    pub(super) async fn start_shell(&self) -> Result<Channel<Msg>, russh::Error> {
        let channel = timeout(self.patience, self.route.handle.channel_open_session())
            .await
            .unwrap_or(Err(russh::Error::ConnectionTimeout))?;
        channel.exec(true, LINE).await?;
        Ok(channel)
    }

    /// Opens a channel, for SFTP.
    pub(super) async fn open_channel(&self) -> Result<Channel<Msg>, russh::Error> {
        timeout(self.patience, self.route.handle.channel_open_session())
            .await
            .unwrap_or(Err(russh::Error::ConnectionTimeout))
    }

    /// The places for SFTP sessions.
    pub(super) fn lanes(&self) -> &Arc<Semaphore> {
        &self.lanes
    }

    /// What transfers have on their way to the cluster.
    pub(super) fn flow_up(&self) -> &Flow {
        let [up, _] = &self.flows;
        up
    }

    /// What transfers have on their way from the cluster.
    pub(super) fn flow_down(&self) -> &Flow {
        let [_, down] = &self.flows;
        down
    }

    /// Why there is no SFTP, if that is known.
    pub(super) fn without_sftp(&self) -> Option<&str> {
        self.without_sftp.get().map(String::as_str)
    }

    /// Notes that there is no SFTP.
    pub(super) fn note_without_sftp(&self, why: &str) {
        if self.without_sftp.set(why.to_owned()).is_ok() {
            tracing::warn!(
                place = %self.place, why,
                "large files go through commands, in one channel, instead of over SFTP"
            );
        }
    }

    /// Whether there is a session left for a command, and holds on to it: the shell that waits.
    pub(super) async fn keeps_room(&self) -> bool {
        if self.ready().is_some() {
            return true;
        }
        let Ok(channel) = self.start_shell().await else {
            return false;
        };
        if let Some(spare) = self.put_by(channel) {
            // The shell reads the end of its input and ends.
            let _ = spare.eof().await;
        }
        true
    }

    /// Keeps a shell for the next command, or returns one that is not needed.
    fn put_by(&self, channel: Channel<Msg>) -> Option<Channel<Msg>> {
        let mut ready = self.ready();
        if self.shell_ahead && ready.is_none() {
            *ready = Some(channel);
            None
        } else {
            Some(channel)
        }
    }

    /// Takes the shell started ahead, unless the server has ended it meanwhile.
    pub(super) fn take_ready(&self) -> Option<Channel<Msg>> {
        self.commands.fetch_add(1, Ordering::Relaxed);
        let mut channel = self.ready().take()?;
        loop {
            match channel.wait().now_or_never() {
                // Nothing more has come: it stands.
                None => return Some(channel),
                Some(
                    None
                    | Some(
                        ChannelMsg::Close
                        | ChannelMsg::Eof
                        | ChannelMsg::Failure
                        | ChannelMsg::ExitStatus { .. }
                        | ChannelMsg::ExitSignal { .. },
                    ),
                ) => return None,
                // Consent, window, and what start-up files print: none of it an answer.
                Some(Some(_)) => {}
            }
        }
    }

    /// Starts the next shell in the background. A server that allows no more gives none.
    pub(super) fn make_ready(self: &Arc<Self>) {
        if !self.shell_ahead || self.starting.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            let Some(connection) = this.upgrade() else {
                return;
            };
            if connection.ready().is_none()
                && let Ok(channel) = connection.start_shell().await
            {
                *connection.ready() = Some(channel);
            }
            connection.starting.store(false, Ordering::Release);
            let before = connection.commands.load(Ordering::Relaxed);
            drop(connection);
            sleep(READY_FOR).await;
            if let Some(connection) = this.upgrade()
                && connection.commands.load(Ordering::Relaxed) == before
            {
                let unwanted = connection.ready().take();
                if let Some(channel) = unwanted {
                    // The shell reads the end of its input and ends.
                    let _ = channel.eof().await;
                }
            }
        });
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, Option<Channel<Msg>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says goodbye.
    pub(super) async fn disconnect(&self) {
        self.route.goodbye().await;
    }
}
