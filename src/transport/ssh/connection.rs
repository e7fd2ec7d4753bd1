//! A standing connection: reaching the host, knowing it, logging in.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use russh::client::{self, Handle, Msg};
use russh::keys::Algorithm;
use russh::{Channel, ChannelMsg, Disconnect, Preferred, SshId, cipher};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::client::{Client, ConnectError, Signs, said};
use super::flow::Flow;
use super::known_hosts::Book;
use super::sftp::LANES;
use super::{READY_FOR, SshSettings, auth, host_key};
use crate::transport::TransportError;
use crate::transport::process::LINE;

/// Commands side by side. OpenSSH allows ten sessions (`MaxSessions`) but frees one only when its
/// process is gone: of 100 commands, eight at once ran into the limit 7 to 14 times, five never.
pub(super) const SLOTS: usize = 5;

/// Window of a channel: what the server may send before we answer. 2 MiB, the usual, gives 0.9 s for
/// 20 MB at a round trip of 40 ms; this gives 0.2 s.
const WINDOW: u32 = 16 * 1024 * 1024;

/// The largest packet russh takes.
const PACKET: u32 = 65_535;

/// Most that is on its way to the cluster: the window an OpenSSH server grants, for each lane.
const MOST_UP: u64 = LANES as u64 * 2 * 1024 * 1024;

/// Most that is on its way from the cluster. It is what may wait here in memory.
const MOST_DOWN: u64 = 12 * 1024 * 1024;

/// Messages a channel holds before its reader has taken them.
const BUFFERED: usize = 512;

/// Signs of life asked for in vain before a connection is given up.
const UNANSWERED: usize = 3;

/// How long a connection that was silent may take to answer before it is replaced.
const TO_ANSWER: Duration = Duration::from_secs(5);

/// A connection on which we are logged in.
pub(super) struct Connection {
    handle: Handle<Client>,
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
    /// Reaches the host, checks its key and logs in, each within the connect timeout.
    pub(super) async fn open(settings: &SshSettings, place: &str) -> Result<Self, TransportError> {
        let deadline = Instant::now() + settings.connect_timeout;
        let book = host_key::read_book(settings).await;
        let signs = Arc::new(Signs::default());
        let client = Client {
            settings: settings.clone(),
            place: place.to_owned(),
            signs: Arc::clone(&signs),
            book,
        };
        let config = Arc::new(config(settings, &client.book));
        let stream = reach(settings, place, deadline).await?;
        let greeting = timeout_at(deadline, client::connect_stream(config, stream, client)).await;
        let mut handle = match greeting {
            Ok(Ok(handle)) => handle,
            Ok(Err(ConnectError::HostKey { message, hint })) => {
                return Err(TransportError::HostKey { message, hint });
            }
            Ok(Err(ConnectError::Ssh(error))) => {
                return Err(TransportError::Unreachable(format!(
                    "no SSH connection with {place}: {}",
                    said(&error)
                )));
            }
            Err(_) => {
                return Err(TransportError::Unreachable(format!(
                    "{place} accepts the connection but does not speak SSH within {} s; check \
                     the port and any firewall or VPN between",
                    settings.connect_timeout.as_secs_f32()
                )));
            }
        };
        let login = auth::log_in(&mut handle, settings, place);
        match timeout(settings.connect_timeout, login).await {
            Ok(result) => result.map_err(|error| with_reason(error, &signs))?,
            Err(_) => {
                return Err(TransportError::Unreachable(format!(
                    "the login on {place} was not answered within {} s",
                    settings.connect_timeout.as_secs_f32()
                )));
            }
        }
        signs.heard();
        tracing::info!(host = %settings.host, port = settings.port, "connected");
        Ok(Self {
            handle,
            signs,
            slots: Arc::new(Semaphore::new(SLOTS)),
            lanes: Arc::new(Semaphore::new(LANES)),
            flows: [Flow::new(MOST_UP), Flow::new(MOST_DOWN)],
            without_sftp: OnceLock::new(),
            ready: Mutex::new(None),
            starting: AtomicBool::new(false),
            commands: AtomicU64::new(0),
            place: place.to_owned(),
            keepalive: settings.keepalive,
            patience: settings.connect_timeout,
            shell_ahead: settings.shell_ahead,
        })
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
        self.handle.is_closed()
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
            timeout(TO_ANSWER, self.handle.send_ping()).await,
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
        let channel = timeout(self.patience, self.handle.channel_open_session())
            .await
            .unwrap_or(Err(russh::Error::ConnectionTimeout))?;
        channel.exec(true, LINE).await?;
        Ok(channel)
    }

    /// Opens a channel, for SFTP.
    pub(super) async fn open_channel(&self) -> Result<Channel<Msg>, russh::Error> {
        timeout(self.patience, self.handle.channel_open_session())
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
        let goodbye = self
            .handle
            .disconnect(Disconnect::ByApplication, "closed by the user", "");
        // A dead link takes no goodbye.
        let _ = timeout(TO_ANSWER, goodbye).await;
    }
}

fn config(settings: &SshSettings, book: &Book) -> client::Config {
    let recorded = book.key_types(&settings.host, settings.port);
    let mut keys = Preferred::DEFAULT.key.into_owned();
    // Stable: among recorded ones, and among the others, the usual order stays.
    keys.sort_by_key(|algorithm| !recorded.contains(&key_type(algorithm)));
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-namdrunner_",
            env!("CARGO_PKG_VERSION")
        ))),
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: BUFFERED,
        keepalive_interval: Some(settings.keepalive),
        keepalive_max: UNANSWERED,
        nodelay: true,
        preferred: Preferred {
            key: Cow::Owned(keys),
            cipher: Cow::Owned(ciphers()),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

/// AES-GCM before the usual first choice: processors of servers and laptops have had
/// instructions for it for a decade, and the ciphering of both ends is what a fast line waits for.
fn ciphers() -> Vec<cipher::Name> {
    let fast = [cipher::AES_128_GCM, cipher::AES_256_GCM];
    let usual = Preferred::DEFAULT.cipher.iter().copied();
    let others = usual.filter(|name| !fast.contains(name));
    fast.into_iter().chain(others).collect()
}

/// The type a key of this algorithm is recorded as: RSA keys have one name whatever the hash.
fn key_type(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}

/// Connects to the first address of the host that answers.
async fn reach(
    settings: &SshSettings,
    place: &str,
    deadline: Instant,
) -> Result<TcpStream, TransportError> {
    let unreachable =
        |why: String| TransportError::Unreachable(format!("{place} cannot be reached: {why}"));
    let late = || {
        let seconds = settings.connect_timeout.as_secs_f32();
        unreachable(format!(
            "no answer within {seconds} s; check the network or VPN"
        ))
    };
    let lookup = tokio::net::lookup_host((settings.host.as_str(), settings.port));
    let addresses: Vec<SocketAddr> = timeout_at(deadline, lookup)
        .await
        .map_err(|_| late())?
        .map_err(|error| unreachable(format!("its name is not found ({error})")))?
        .collect();
    let mut last = late();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        // One silent address must not use up the time of the others.
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left -= 1;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot turn off the delay of small packets");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => last = unreachable(format!("{error} ({address})")),
            Err(_) => last = late(),
        }
    }
    Err(last)
}

fn with_reason(error: TransportError, signs: &Signs) -> TransportError {
    match (error, signs.why_gone()) {
        (TransportError::AuthRequired(text), Some(why)) => {
            TransportError::AuthRequired(format!("{text} ({why})"))
        }
        (error, _) => error,
    }
}
