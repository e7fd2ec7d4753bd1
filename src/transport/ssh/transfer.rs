//! What sending and fetching have in common: a porter for as long as the transfer lasts, new
//! attempts when the connection broke, and an end when nothing moves.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::Ssh;
use super::connection::Connection;
use super::porter::{Answers, Asks};
use crate::shell::Command;
use crate::transport::process::{Capture, Terms};
use crate::transport::{TransportError, Watcher};

/// A transfer in which nothing moves for this long is given up.
const STANDSTILL: Duration = Duration::from_mins(1);

/// How long the porter may take to end when it is no longer needed.
const TO_END: Duration = Duration::from_secs(10);

/// The porter's own limit: a standstill is noticed here, not by its conversation.
const FOR_EVER: Duration = Duration::from_hours(24 * 30);

/// Attempts in a row that move nothing, after which a transfer is given up.
const IN_VAIN: u32 = 3;

/// The pause before the first new attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// Why one connection's part in a transfer ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// For this reason.
    Error(TransportError),
    /// The server refused something about a file, in words that may say little.
    Refused {
        /// The file's number.
        file: usize,
        /// The server's words.
        text: String,
    },
    /// The porter ended; its conversation knows why.
    Porter,
    /// An SFTP session ended.
    Link,
}

impl Stop {
    /// Whether it makes no sense to go on from what is there.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Error(
                TransportError::Cancelled | TransportError::Local(_) | TransportError::Remote(_)
            )
        )
    }
}

impl From<TransportError> for Stop {
    fn from(error: TransportError) -> Self {
        Self::Error(error)
    }
}

/// Counts whatever moves.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicU64);

impl Pulse {
    /// Something moved.
    pub(super) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    async fn stopped(&self) {
        let mut before = self.0.load(Ordering::Relaxed);
        loop {
            sleep(STANDSTILL).await;
            let now = self.0.load(Ordering::Relaxed);
            if now == before {
                return;
            }
            before = now;
        }
    }
}

/// Does something when it is dropped.
pub(super) struct OnDrop<F: Fn()>(pub(super) F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Works until the caller withdraws or nothing moves any more.
pub(super) async fn unless_stopped<T>(
    work: impl Future<Output = Result<T, Stop>>,
    watch: &Watcher,
    pulse: &Pulse,
) -> Result<T, Stop> {
    tokio::select! {
        biased;
        () = watch.cancel.cancelled() => Err(TransportError::Cancelled.into()),
        result = work => result,
        () = pulse.stopped() => Err(TransportError::Timeout(format!(
            "the transfer stood still for {} s", STANDSTILL.as_secs()
        )).into()),
    }
}

/// Begins again over a new connection as long as that moves something.
pub(super) async fn persist<F, Fut>(
    watch: &Watcher,
    moved: impl Fn() -> u64,
    mut attempt: F,
) -> Result<(), TransportError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), TransportError>>,
{
    let mut in_vain = 0;
    let mut begun = false;
    loop {
        let before = moved();
        let error = match attempt().await {
            Ok(()) => return Ok(()),
            Err(error @ TransportError::Lost(_)) => error,
            Err(error @ TransportError::Unreachable(_)) if begun => error,
            Err(error) => return Err(error),
        };
        begun = true;
        in_vain = if moved() > before { 0 } else { in_vain + 1 };
        if in_vain >= IN_VAIN {
            return Err(error);
        }
        tracing::info!(%error, "a transfer broke off and goes on over a new connection");
        let pause = sleep(PAUSE * 2_u32.pow(in_vain));
        if watch.cancel.run_until_cancelled(pause).await.is_none() {
            return Err(TransportError::Cancelled);
        }
    }
}

/// Works with a porter that runs this script.
pub(super) async fn with_porter<F, Fut>(
    ssh: &Ssh,
    what: &'static str,
    script: String,
    watch: &Watcher,
    work: F,
) -> Result<(), TransportError>
where
    F: FnOnce(Arc<Connection>, Asks, Answers) -> Fut,
    Fut: Future<Output = Result<(), Stop>>,
{
    let command = Command::read(what, script);
    let session = watch
        .cancel
        .run_until_cancelled(ssh.link.session(&command))
        .await
        .ok_or(TransportError::Cancelled)??;
    let connection = Arc::clone(session.connection());
    let (asks, pieces) = Asks::new();
    let (bytes, arriving) = mpsc::unbounded_channel();
    let place = ssh.link.place();
    let terms = Terms {
        what,
        place,
        timeout: FOR_EVER,
        watch: None,
    };
    let capture = Capture::passing(bytes);
    let talking = ssh.converse_in(session, &command, Some(pieces), capture, &terms);
    let working = work(connection, asks, Answers::new(arriving));
    let (mut talking, mut working) = (pin!(talking), pin!(working));
    let (talked, worked) = tokio::select! {
        // With it end its answers, and with them the work.
        talked = &mut talking => (talked, working.await),
        worked = &mut working => {
            let late = || {
                TransportError::Lost(format!("`{what}` on {place} did not end when it was told to"))
            };
            let talked = timeout(TO_END, talking).await.unwrap_or_else(|_| Err(late()));
            (talked, worked)
        }
    };
    let stop = match worked {
        Ok(()) => return Ok(()),
        Err(Stop::Error(error)) => return Err(error),
        Err(stop) => stop,
    };
    let output = talked?.0;
    if !output.ok() {
        let why = output
            .first_error_line()
            .unwrap_or_else(|| format!("`{what}` ended with {}", output.status));
        return Err(TransportError::Remote(why));
    }
    Err(TransportError::Lost(match stop {
        Stop::Refused { text, .. } => text,
        _ => format!("the SFTP session with {place} ended early"),
    }))
}
