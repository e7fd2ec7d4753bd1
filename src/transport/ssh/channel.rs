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
/// finish. It holds its place among our channels meanwhile, as it does on the server.
const TO_FINISH: Duration = Duration::from_mins(5);

/// A channel with, perhaps, a command in it.
#[derive(Debug)]
pub(super) struct Session {
    channel: Option<Channel<Msg>>,
    slot: Option<OwnedSemaphorePermit>,
    connection: Arc<Connection>,
    what: &'static str,
    started: bool,
    accepted: bool,
    status: Option<ExitStatus>,
    kill: bool,
}

/// Why no channel could be had. Nothing ran.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The connection is dead.
    Gone(String),
    /// The server opens no more; we hold no other channel if `alone`.
    Full {
        /// No other channel of ours is in use.
        alone: bool,
    },
    /// Our own commands hold all channels.
    Busy,
    /// The server refuses for good.
    Refused(String),
}

impl Session {
    /// Opens a channel: the spare one, or a new one.
    ///
    /// A server frees a session only after its process is gone, a moment after we hear of the end,
    /// so "no more sessions" is asked again.
    pub(super) async fn open(
        connection: &Arc<Connection>,
        patience: Duration,
        answer_within: Duration,
    ) -> Result<Self, OpenError> {
        let slot = timeout(patience, Arc::clone(connection.slots()).acquire_owned())
            .await
            .map_err(|_| OpenError::Busy)?
            .map_err(|_| OpenError::Gone("it was closed".to_owned()))?;
        let channel = match connection.take_spare() {
            Some(channel) => channel,
            None => open_with_patience(connection, patience, answer_within).await?,
        };
        connection.refill(answer_within);
        Ok(Self {
            channel: Some(channel),
            slot: Some(slot),
            connection: Arc::clone(connection),
            what: "",
            started: false,
            accepted: false,
            status: None,
            kill: false,
        })
    }

    /// Asks for the command and returns its standard input. The server's consent comes with the
    /// output: waiting for it would cost a round trip.
    pub(super) async fn start(
        &mut self,
        line: &str,
        command: &Command,
    ) -> Result<Pin<Box<dyn AsyncWrite + Send>>, TransportError> {
        self.what = command.what;
        self.kill = command.idempotent;
        let place = self.connection.place();
        let gone = || {
            TransportError::Unreachable(format!(
                "the connection to {place} ended before `{}` was sent",
                command.what
            ))
        };
        let channel = self.channel.as_ref().ok_or_else(gone)?;
        channel.exec(true, line).await.map_err(|_| gone())?;
        self.started = true;
        Ok(Box::pin(channel.make_writer()))
    }

    fn ended_without_status(&self, closed: bool) -> TransportError {
        let (what, place) = (self.what, self.connection.place());
        if closed && !self.accepted {
            // Messages of a channel keep their order: consent would have come before.
            TransportError::Unreachable(format!(
                "{place} closed the channel without running `{what}`"
            ))
        } else if closed {
            TransportError::Lost(format!(
                "{place} closed the channel without saying how `{what}` ended"
            ))
        } else {
            TransportError::Lost(format!(
                "the connection to {place} was lost while `{what}` ran ({}); whether it had its \
                 effect is not known",
                self.connection.why_gone()
            ))
        }
    }
}

async fn open_with_patience(
    connection: &Connection,
    patience: Duration,
    answer_within: Duration,
) -> Result<Channel<Msg>, OpenError> {
    let full = || OpenError::Full {
        alone: connection.slots().available_permits() + 1 >= SLOTS,
    };
    let open = || async {
        let opened = timeout(answer_within, connection.open_channel()).await;
        match opened {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(
                ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
            ))) => Err(full()),
            Ok(Err(russh::Error::ChannelOpenFailure(why))) => {
                Err(OpenError::Refused(format!("{why:?}")))
            }
            Ok(Err(_)) => Err(OpenError::Gone(connection.why_gone())),
            Err(_) => Err(OpenError::Gone(format!(
                "no sign of life for {} s",
                answer_within.as_secs()
            ))),
        }
    };
    let opened = open
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(10))
                .with_max_delay(Duration::from_secs(1))
                .without_max_times(),
        )
        .when(|error| matches!(error, OpenError::Full { .. }));
    timeout(patience, opened)
        .await
        .unwrap_or_else(|_| Err(full()))
}

impl Process for Session {
    async fn next(&mut self, capture: &mut Capture) -> Result<Step, TransportError> {
        let Some(channel) = self.channel.as_mut() else {
            return Err(self.ended_without_status(true));
        };
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => capture.stdout(&data)?,
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => capture.stderr(&data),
            Some(ChannelMsg::Success) => self.accepted = true,
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
                    None => Err(self.ended_without_status(true)),
                };
            }
            // Not closed by the server but by the end of the connection: even with a status, the
            // output may lack its end.
            None => {
                self.channel = None;
                return Err(self.ended_without_status(false));
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
        let (slot, connection) = (self.slot.take(), Arc::clone(&self.connection));
        let (started, kill) = (self.started, self.kill);
        runtime.spawn(async move {
            if started {
                wind_down(channel, kill).await;
            } else {
                let _ = channel.close().await;
            }
            drop((slot, connection));
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
