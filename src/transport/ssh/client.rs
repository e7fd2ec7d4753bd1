//! Our end of the protocol: what the server may tell us, and what of it is remembered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russh::client::{self, DisconnectReason};
use russh::keys::PublicKeyOrCertificate;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asker::Asker;
use super::config::Target;
use super::host_key::{self, Refusal};
use super::known_hosts::Book;

/// What the connection's own task tells.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// When the server was last heard, in milliseconds of wall-clock time: unlike the monotonic
    /// clock it goes on while the machine sleeps.
    heard: AtomicU64,
    /// Why the connection ended.
    gone: Mutex<Option<String>>,
    ended: CancellationToken,
}

impl Signs {
    /// Notes that the server was heard now.
    pub(super) fn heard(&self) {
        self.heard.store(milliseconds(), Ordering::Relaxed);
    }

    /// For how long it was silent; nothing if the clock was set back.
    pub(super) fn silence(&self) -> Option<Duration> {
        milliseconds()
            .checked_sub(self.heard.load(Ordering::Relaxed))
            .map(Duration::from_millis)
    }

    /// Makes it look as if the machine had slept.
    #[cfg(test)]
    pub(super) fn pretend_silence(&self) {
        self.heard.store(0, Ordering::Relaxed);
    }

    /// Why the connection ended, as far as known.
    pub(super) fn why_gone(&self) -> Option<String> {
        self.gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Cancelled when the connection ends.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Notes that the connection has ended; the first reason holds, and is there for whoever hears of
    /// the end.
    fn is_gone(&self, why: impl Into<String>) {
        self.gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| why.into());
        self.ended.cancel();
    }
}

fn milliseconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// Our end of the protocol.
pub(super) struct Client {
    /// Whom we mean to reach.
    pub(super) target: Arc<Target>,
    /// Who can be asked about a new host key.
    pub(super) asker: Asker,
    /// When the server's patience may end.
    pub(super) deadline: Instant,
    /// Where what it tells goes.
    pub(super) signs: Arc<Signs>,
    /// The records of host keys.
    pub(super) book: Book,
}

/// The connection's own task holds its client to its end. (`disconnected` alone is not enough: russh
/// leaves it out when it cannot close the stream under the connection, as over a host on the way
/// that has died.)
impl Drop for Client {
    fn drop(&mut self) {
        self.signs.is_gone("the way to it is gone");
    }
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The protocol failed.
    Ssh(russh::Error),
    /// The host is not known to be itself.
    HostKey(Refusal),
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
        host_key::check(&self.target, &self.book, shown, &self.asker, self.deadline)
            .await
            .map(|()| true)
            .map_err(ConnectError::HostKey)
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
        tracing::info!(host = %self.target.host, reason = %text, "disconnected");
        self.signs.is_gone(text);
        result
    }
}

/// What an error of the protocol means, in words.
pub(super) fn said(error: &russh::Error) -> String {
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
