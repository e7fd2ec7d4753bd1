//! The way to a host: reaching it, knowing it, logging in; over other hosts or through a command if
//! need be.

mod stream;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use russh::client::{self, Handle};
use russh::keys::Algorithm;
use russh::{Disconnect, Preferred, SshId, cipher};
use tokio::time::{Instant, timeout};

use super::asker::Asker;
use super::client::{Client, ConnectError, Signs, said};
use super::config::{Target, Way};
use super::known_hosts::Book;
use super::{auth, host_key};
use crate::transport::TransportError;
use stream::{Command, Stream};

/// Window of a channel: what the server may send before we answer. 2 MiB, the usual, gives 0.9 s for
/// 20 MB at a round trip of 40 ms; this gives 0.2 s.
const WINDOW: u32 = 16 * 1024 * 1024;

/// The largest packet russh takes.
const PACKET: u32 = 65_535;

/// Messages a channel holds before its reader has taken them.
const BUFFERED: usize = 512;

/// Signs of life asked for in vain before a connection is given up.
const UNANSWERED: usize = 3;

/// How long servers wait for a login (`LoginGraceTime` of OpenSSH): no question is open for longer.
const GRACE: Duration = Duration::from_mins(2);

/// How long a goodbye may take.
const TO_PART: Duration = Duration::from_secs(5);

/// A host on which we are logged in, and what leads there.
pub(super) struct Route {
    pub(super) handle: Handle<Client>,
    pub(super) signs: Arc<Signs>,
    pub(super) target: Arc<Target>,
    /// Ends with it.
    under: Under,
}

/// What a connection stands on.
enum Under {
    /// The network.
    Nothing,
    /// A command (`ProxyCommand`), which is ended when it is dropped.
    Command(Command),
    /// A connection to another host.
    Host(Box<Route>),
}

/// Reaches a host, checks its key and logs in. What waits for nobody takes at most the connect
/// timeout: reaching, the key exchange, each step of the login.
pub(super) fn open(
    target: Arc<Target>,
    asker: Asker,
) -> BoxFuture<'static, Result<Route, TransportError>> {
    async move {
        let place = target.place();
        let (stream, under) = reach(&target, &asker).await?;
        let deadline = Instant::now() + GRACE;
        let signs = Arc::new(Signs::default());
        let client = Client {
            book: host_key::read_book(&target).await,
            target: Arc::clone(&target),
            asker: asker.clone(),
            deadline,
            signs: Arc::clone(&signs),
        };
        let config = Arc::new(config(&target, &client.book));
        let greeting = client::connect_stream(config, stream, client);
        let mut handle = match asker.within(target.connect_timeout, greeting).await {
            Some(Ok(handle)) => handle,
            Some(Err(ConnectError::HostKey(refusal))) => {
                return Err(TransportError::HostKey {
                    message: refusal.message,
                    hint: refusal.hint,
                });
            }
            Some(Err(ConnectError::Ssh(error))) => {
                return Err(TransportError::Unreachable(format!(
                    "no SSH connection with {place}: {}{}",
                    said(&error),
                    under.last_words().await
                )));
            }
            None => {
                return Err(TransportError::Unreachable(format!(
                    "{place} accepts the connection but does not speak SSH within {} s; check \
                     the port and any firewall or VPN between{}",
                    target.connect_timeout.as_secs_f32(),
                    under.last_words().await
                )));
            }
        };
        auth::log_in(&mut handle, &target, &place, &asker, &signs, deadline)
            .await
            .map_err(|error| with_reason(error, &signs))?;
        signs.heard();
        tracing::info!(host = %target.host, port = target.port, "connected");
        Ok(Route {
            handle,
            signs,
            target,
            under,
        })
    }
    .boxed()
}

impl Route {
    /// Says goodbye, here and then to the hosts on the way.
    pub(super) fn goodbye(&self) -> BoxFuture<'_, ()> {
        async move {
            let goodbye =
                self.handle
                    .disconnect(Disconnect::ByApplication, "closed by the user", "");
            // A dead link takes no goodbye.
            let _ = timeout(TO_PART, goodbye).await;
            if let Under::Host(hop) = &self.under {
                hop.goodbye().await;
            }
        }
        .boxed()
    }
}

impl Under {
    /// What a command complained of, for messages.
    async fn last_words(&self) -> String {
        match self {
            Self::Command(command) => command.last_words().await,
            Self::Nothing | Self::Host(_) => String::new(),
        }
    }
}

async fn reach(target: &Target, asker: &Asker) -> Result<(Stream, Under), TransportError> {
    match &target.way {
        Way::Own => Ok((stream::tcp(target).await?, Under::Nothing)),
        Way::Command(line) => {
            let (stream, command) = stream::command(target, line)?;
            Ok((stream, Under::Command(command)))
        }
        Way::Over(hop) => {
            let hop = open(Arc::new((**hop).clone()), asker.clone()).await?;
            let stream = stream::through(&hop, target).await?;
            Ok((stream, Under::Host(Box::new(hop))))
        }
    }
}

fn config(target: &Target, book: &Book) -> client::Config {
    let (host, port) = target.recorded_as();
    let recorded = book.key_types(host, port);
    let mut keys = Preferred::DEFAULT.key.into_owned();
    // Stable: among recorded ones, and among the others, the usual order stays.
    keys.sort_by_key(|algorithm| !recorded.contains(&key_type(algorithm)));
    // A server that has a certificate shows it instead of a key, which helps only those who know
    // its authority.
    let certificates = if book.has_authority(host, port) {
        keys.clone()
    } else {
        Vec::new()
    };
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-namdrunner_",
            env!("CARGO_PKG_VERSION")
        ))),
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: BUFFERED,
        keepalive_interval: Some(target.keepalive),
        keepalive_max: UNANSWERED,
        nodelay: true,
        preferred: Preferred {
            key: Cow::Owned(keys),
            host_key_certificates: Cow::Owned(certificates),
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

fn with_reason(error: TransportError, signs: &Signs) -> TransportError {
    match (error, signs.why_gone()) {
        (TransportError::AuthRequired(text), Some(why)) => {
            TransportError::AuthRequired(format!("{text} ({why})"))
        }
        (error, _) => error,
    }
}
