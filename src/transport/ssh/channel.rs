//! One command in a channel of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelOpenFailure, Sig};
use tokio::io::AsyncWrite;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::connection::{Connection, SLOTS};
use crate::shell::{Command, ExitStatus};
use crate::transport::TransportError;
use crate::transport::process::{Capture, Process, Step};

/// How long a command told to end may take to do so.
const TO_END: Duration = Duration::from_secs(10);

/// How long the output of a command with an effect is read after its timeout, so that it can
/// finish.
const TO_FINISH: Duration = Duration::from_mins(5);

/// A shell that waits for its script, or runs it.
#[derive(Debug)]
pub(super) struct Session {
    channel: Option<Channel<Msg>>,
    /// Its place among our channels.
    _slot: OwnedSemaphorePermit,
    connection: Arc<Connection>,
    what: &'static str,
    kill: bool,
    status: Option<ExitStatus>,
}

/// Why no channel could be had. Nothing ran.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The connection is dead.
    Gone(String),
    /// The server opens no more.
    Full {
        /// No other command of ours is waited for: what fills the server are remains.
        alone: bool,
    },
    /// Our own commands hold all channels.
    Busy,
    /// The server refuses for good.
    Refused(String),
}

impl Session {
    /// Takes the shell started ahead, or starts one.
    ///
    /// A server frees a session only after its process is gone, a moment after we hear of the end,
    /// so "no more sessions" is asked again.
    pub(super) async fn open(
        connection: &Arc<Connection>,
        command: &Command,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        let slot = timeout(patience, Arc::clone(connection.slots()).acquire_owned())
            .await
            .map_err(|_| OpenError::Busy)?
            .map_err(|_| OpenError::Gone("it was closed".to_owned()))?;
        let channel = match connection.take_ready() {
            Some(channel) => channel,
            None => start_with_patience(connection, patience).await?,
        };
        connection.make_ready();
        Ok(Self {
            channel: Some(channel),
            _slot: slot,
            connection: Arc::clone(connection),
            what: command.what,
            kill: command.idempotent,
            status: None,
        })
    }

    /// The connection it runs over.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The shell's standard input.
    pub(super) fn input(&self) -> Result<Pin<Box<dyn AsyncWrite + Send>>, TransportError> {
        match &self.channel {
            Some(channel) => Ok(Box::pin(channel.make_writer())),
            None => Err(self.ended_without_status(true, false)),
        }
    }

    fn ended_without_status(&self, closed: bool, begun: bool) -> TransportError {
        let (what, place) = (self.what, self.connection.place());
        if closed && !begun {
            TransportError::Unreachable(format!("{place} closed the channel before `{what}` began"))
        } else if closed {
            TransportError::Lost(format!(
                "{place} closed the channel without saying how `{what}` ended"
            ))
        } else {
            // What we sent may have arrived.
            TransportError::Lost(format!(
                "the connection to {place} was lost while `{what}` ran ({}); whether it had its \
                 effect is not known",
                self.connection.why_gone()
            ))
        }
    }
}

async fn start_with_patience(
    connection: &Connection,
    patience: Duration,
) -> Result<Channel<Msg>, OpenError> {
    let full = || OpenError::Full {
        alone: connection.slots().available_permits() + 1 >= SLOTS,
    };
    let start = || async {
        match connection.start_shell().await {
            Ok(channel) => Ok(channel),
            Err(russh::Error::ChannelOpenFailure(
                ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
            )) => Err(full()),
            Err(russh::Error::ChannelOpenFailure(why)) => {
                Err(OpenError::Refused(format!("{why:?}")))
            }
            Err(russh::Error::ConnectionTimeout) => {
                Err(OpenError::Gone("no sign of life".to_owned()))
            }
            Err(_) => Err(OpenError::Gone(connection.why_gone())),
        }
    };
    let started = start
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(10))
                .with_max_delay(Duration::from_secs(1))
                .without_max_times(),
        )
        .when(|error| matches!(error, OpenError::Full { .. }));
    timeout(patience, started)
        .await
        .unwrap_or_else(|_| Err(full()))
}

impl Process for Session {
    async fn next(&mut self, capture: &mut Capture) -> Result<Step, TransportError> {
        let Some(channel) = self.channel.as_mut() else {
            return Err(self.ended_without_status(true, capture.begun()));
        };
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => capture.stdout(&data)?,
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => capture.stderr(&data),
            Some(ChannelMsg::Failure) => {
                return Err(TransportError::Unreachable(format!(
                    "{} refuses to run commands for this account",
                    self.connection.place()
                )));
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                // Exit codes are 0 to 255; the field is wider.
                let code = i32::try_from(exit_status).unwrap_or(i32::MAX);
                self.status = Some(ExitStatus::Code(code));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                self.status = Some(ExitStatus::Signal(name(&signal_name)));
            }
            Some(ChannelMsg::Close) => {
                self.channel = None;
                return match self.status.take() {
                    Some(status) => Ok(Step::Ended(status)),
                    None => Err(self.ended_without_status(true, capture.begun())),
                };
            }
            // Not closed by the server but by the end of the connection: even with a status, the
            // output may lack its end.
            None => {
                self.channel = None;
                return Err(self.ended_without_status(false, capture.begun()));
            }
            Some(_) => {}
        }
        Ok(Step::On)
    }
}

fn name(signal: &Sig) -> String {
    match signal {
        // OpenSSH sends signals the RFC has no name for as `SIG@openssh.com`.
        Sig::Custom(name) => name.clone(),
        // The variants are named as the RFC names the signals.
        named => format!("{named:?}"),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (Some(channel), Ok(runtime)) =
            (self.channel.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        // Its place among our channels is free at once: the server may still count the session, and
        // then says so. The connection stays until the command is heard out, even if it has been
        // replaced meanwhile.
        let connection = Arc::clone(&self.connection);
        let kill = self.kill;
        runtime.spawn(async move {
            wind_down(channel, kill).await;
            drop(connection);
        });
    }
}

/// Lets a command nobody waits for come to its end.
///
/// Closing the channel is the last resort: the process would go on, keep its session on the
/// server, and die of its next output.
async fn wind_down(mut channel: Channel<Msg>, kill: bool) {
    // Errors mean that the connection is gone, and the command with it or not: nothing to be done.
    let _ = channel.eof().await;
    let mut ended = false;
    if kill {
        for signal in [Sig::TERM, Sig::KILL] {
            let _ = channel.signal(signal).await;
            ended = timeout(TO_END, heard_out(&mut channel)).await.is_ok();
            if ended {
                break;
            }
        }
    } else {
        ended = timeout(TO_FINISH, heard_out(&mut channel)).await.is_ok();
    }
    if !ended {
        let _ = channel.close().await;
    }
}

async fn heard_out(channel: &mut Channel<Msg>) {
    while !matches!(channel.wait().await, None | Some(ChannelMsg::Close)) {}
}
