//! A standing connection: reaching the host, knowing it, logging in.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use russh::client::{self, DisconnectReason, Handle, Msg};
use russh::keys::{Algorithm, PublicKeyBase64 as _, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Disconnect, Preferred, SshId};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::known_hosts::{self, Book, Place, Shown, Verdict};
use super::{READY_FOR, SshSettings, auth};
use crate::shell::quote;
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

/// What the connection's own task tells.
#[derive(Debug, Default)]
struct Signs {
    /// When the server was last heard, in milliseconds of wall-clock time: unlike the monotonic
    /// clock it goes on while the machine sleeps.
    heard: AtomicU64,
    /// Why the connection ended.
    gone: Mutex<Option<String>>,
}

impl Signs {
    fn heard(&self) {
        self.heard.store(milliseconds(), Ordering::Relaxed);
    }
}

fn milliseconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
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
        let book = read_book(settings).await;
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
            .gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .unwrap_or_else(|| "the other side is gone".to_owned())
    }

    /// Whether the server was heard so lately that it need not be asked.
    pub(super) fn is_fresh(&self) -> bool {
        let heard = self.signs.heard.load(Ordering::Relaxed);
        // A clock set back counts as silence.
        milliseconds()
            .checked_sub(heard)
            .is_some_and(|silence| u128::from(silence) < self.keepalive.as_millis())
    }

    #[cfg(test)]
    pub(super) fn pretend_silence(&self) {
        self.signs.heard.store(0, Ordering::Relaxed);
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
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
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

/// Reads the records of host keys. A file that is missing holds none.
async fn read_book(settings: &SshSettings) -> Book {
    let mut book = Book::default();
    for file in known_hosts_files(settings) {
        match tokio::fs::read(&file).await {
            Ok(bytes) => book.add(&file, &String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %file.display(), %error, "cannot read host keys"),
        }
    }
    book
}

fn known_hosts_files(settings: &SshSettings) -> Vec<PathBuf> {
    if !settings.known_hosts.is_empty() {
        return settings
            .known_hosts
            .iter()
            .map(|path| auth::expand(path))
            .collect();
    }
    let mut files: Vec<PathBuf> = dirs::home_dir()
        .into_iter()
        .flat_map(|home| {
            let ssh = home.join(".ssh");
            [ssh.join("known_hosts"), ssh.join("known_hosts2")]
        })
        .collect();
    files.push("/etc/ssh/ssh_known_hosts".into());
    files
}

/// Our end of the protocol.
pub(super) struct Client {
    settings: SshSettings,
    place: String,
    signs: Arc<Signs>,
    book: Book,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum ConnectError {
    Ssh(russh::Error),
    HostKey { message: String, hint: String },
}

impl From<russh::Error> for ConnectError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Client {
    type Error = ConnectError;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, ConnectError> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            // We do not offer to accept certificates, so a server that sends one is broken.
            return Ok(false);
        };
        let blob = key.public_key_bytes();
        let shown = Shown {
            host: &self.settings.host,
            port: self.settings.port,
            blob: &blob,
        };
        match refusal(&self.settings, &self.place, &blob, self.book.judge(shown)) {
            None => Ok(true),
            Some((message, hint)) => Err(ConnectError::HostKey { message, hint }),
        }
    }

    async fn auth_banner(
        &mut self,
        banner: &str,
        _: &mut client::Session,
    ) -> Result<(), ConnectError> {
        tracing::debug!(banner, "the server's banner");
        Ok(())
    }

    async fn channel_open_confirmation(
        &mut self,
        _: russh::ChannelId,
        _: u32,
        _: u32,
        _: &mut client::Session,
    ) -> Result<(), ConnectError> {
        self.signs.heard();
        Ok(())
    }

    async fn data(
        &mut self,
        _: russh::ChannelId,
        _: &[u8],
        _: &mut client::Session,
    ) -> Result<(), ConnectError> {
        self.signs.heard();
        Ok(())
    }

    async fn channel_close(
        &mut self,
        _: russh::ChannelId,
        _: &mut client::Session,
    ) -> Result<(), ConnectError> {
        self.signs.heard();
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<ConnectError>,
    ) -> Result<(), ConnectError> {
        let (text, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the server said: {}", info.message), Ok(()))
            }
            DisconnectReason::Error(ConnectError::Ssh(error)) => {
                (said(&error), Err(ConnectError::Ssh(error)))
            }
            DisconnectReason::Error(error) => (format!("{error:?}"), Err(error)),
        };
        tracing::info!(host = %self.settings.host, reason = %text, "disconnected");
        *self
            .signs
            .gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(text);
        result
    }
}

/// What an error of the protocol means, in words.
fn said(error: &russh::Error) -> String {
    match error {
        russh::Error::KeepaliveTimeout => "it no longer gives a sign of life".to_owned(),
        russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the other side closed it".to_owned()
        }
        russh::Error::Disconnect => "the other side ended it".to_owned(),
        russh::Error::HUP => "the other side hung up before its greeting".to_owned(),
        russh::Error::NoCommonAlgo { kind, theirs, .. } => format!(
            "it offers no {kind:?} algorithm that is supported here, only {}",
            theirs.join(", ")
        ),
        other => other.to_string(),
    }
}

fn with_reason(error: TransportError, signs: &Signs) -> TransportError {
    let gone = signs
        .gone
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    match (error, gone) {
        (TransportError::AuthRequired(text), Some(why)) => {
            TransportError::AuthRequired(format!("{text} ({why})"))
        }
        (error, _) => error,
    }
}

/// Why a host key is not accepted and what can be done; nothing if it is known.
fn refusal(
    settings: &SshSettings,
    place: &str,
    blob: &[u8],
    verdict: Verdict,
) -> Option<(String, String)> {
    let print = known_hosts::fingerprint(blob);
    let key_type = known_hosts::key_type(blob).unwrap_or("unknown");
    let accept = accept_command(settings);
    let forget = |at: &Place| {
        format!(
            "ssh-keygen -R {} -f {}",
            quote(&known_hosts::name(&settings.host, settings.port)),
            quote(&at.file.to_string_lossy())
        )
    };
    let told = match verdict {
        Verdict::Known => return None,
        Verdict::Unknown { authority } => {
            let note = if authority {
                " (a certificate authority is recorded for it, but certificates of hosts are not \
                 supported yet)"
            } else {
                ""
            };
            (
                format!("the host key of {place} is not known{note}: {key_type} {print}"),
                format!(
                    "compare the fingerprint with the one the site publishes; if they are the \
                     same, run `{accept}` once and answer yes"
                ),
            )
        }
        Verdict::Changed { at, recorded } => (
            format!(
                "the host key of {place} has CHANGED: it shows {key_type} {print}, but {recorded} \
                 is recorded in {at}"
            ),
            format!(
                "somebody may be intercepting the connection: ask the site. Only if it confirms \
                 the new key, run `{}` and then `{accept}`",
                forget(&at)
            ),
        ),
        Verdict::OtherType { at, recorded } => (
            format!(
                "{place} shows a host key of another type than recorded: {key_type} {print}; \
                 {} in {at}",
                recorded.join(", ")
            ),
            format!(
                "compare the fingerprint with the one the site publishes; if they are the same, \
                 run `{}` and then `{accept}`",
                forget(&at)
            ),
        ),
        Verdict::Revoked { at } => (
            format!("the host key of {place} is revoked in {at}: {key_type} {print}"),
            "do not connect; ask the site which key is valid".to_owned(),
        ),
    };
    Some(told)
}

/// The `ssh` call that shows the key to the user and records it where we look.
fn accept_command(settings: &SshSettings) -> String {
    let mut words = vec!["ssh".to_owned()];
    if let Some(file) = settings.known_hosts.first() {
        // ssh takes words apart and expands `%` in this option.
        let file = auth::expand(file).display().to_string().replace('%', "%%");
        let option = format!("UserKnownHostsFile=\"{file}\"");
        words.extend(["-o".to_owned(), quote(&option)]);
    }
    if settings.port != 22 {
        words.extend(["-p".to_owned(), settings.port.to_string()]);
    }
    let target = match &settings.user {
        Some(user) => format!("{user}@{}", settings.host),
        None => settings.host.clone(),
    };
    words.push(quote(&target));
    words.join(" ")
}
