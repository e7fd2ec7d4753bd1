//! The one connection of a cluster: opened once for all who wait for it, replaced when it is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asker::Asker;
use super::channel::{OpenError, Session};
use super::connection::Connection;
use super::pace::{Pace, Turn};
use super::{SshSettings, config, route};
use crate::shell::Command;
use crate::transport::prompt::Prompter;
use crate::transport::{TransportError, Watcher};

/// Transfers side by side, so that short commands always find a channel.
const TRANSFERS: usize = 3;

/// The link to one cluster.
#[derive(Debug)]
pub(super) struct Link {
    settings: Arc<SshSettings>,
    place: Arc<str>,
    state: Arc<Mutex<State>>,
    transfers: Arc<Semaphore>,
    asker: Asker,
    remarks: Arc<Mutex<Vec<String>>>,
    /// Cancelled when the connection that stands ends; none stands before the first and after the
    /// end was told.
    up: watch::Sender<Option<CancellationToken>>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    pace: Pace,
    /// Counts attempts, so that one that was given up does not come back as the connection.
    attempts: u64,
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Connection>, TransportError>>>;

#[derive(Debug)]
enum Phase {
    Down,
    Opening(Attempt),
    Up(Arc<Connection>),
}

/// Where a connection comes from.
enum Standing {
    Connection(Arc<Connection>),
    Attempt(Attempt),
}

impl Link {
    pub(super) fn new(settings: SshSettings) -> Self {
        let place = match settings.port {
            None | Some(22) => settings.host.clone(),
            Some(port) => format!("{}:{port}", settings.host),
        };
        Self {
            place: place.into(),
            state: Arc::new(Mutex::new(State {
                phase: Phase::Down,
                pace: Pace::new(settings.open_spacing),
                attempts: 0,
            })),
            transfers: Arc::new(Semaphore::new(TRANSFERS)),
            asker: Asker::default(),
            remarks: Arc::default(),
            up: watch::Sender::new(None),
            settings: Arc::new(settings),
        }
    }

    /// The cluster's name for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Whether a connection stands.
    pub(super) fn is_up(&self) -> bool {
        matches!(&self.lock().phase, Phase::Up(connection) if !connection.is_closed())
    }

    /// Ends the connection and forgets failures. Commands under way are lost.
    pub(super) async fn close(&self) {
        let phase = {
            let mut state = self.lock();
            state.pace.forgive();
            state.attempts += 1;
            std::mem::replace(&mut state.phase, Phase::Down)
        };
        self.up.send_replace(None);
        if let Phase::Up(connection) = phase {
            connection.disconnect().await;
        }
    }

    /// Waits for a turn to move files.
    pub(super) async fn transfer_turn(
        &self,
        watch: &Watcher,
    ) -> Result<OwnedSemaphorePermit, TransportError> {
        let turn = Arc::clone(&self.transfers).acquire_owned();
        match watch.cancel.run_until_cancelled(turn).await {
            // The semaphore is never closed.
            Some(Ok(turn)) => Ok(turn),
            Some(Err(_)) | None => Err(TransportError::Cancelled),
        }
    }

    /// A shell for one command, on a connection that answers. Waits at most the command's timeout
    /// for other commands to make room. Whatever the error, nothing ran.
    pub(super) async fn session(&self, command: &Command) -> Result<Session, TransportError> {
        let mut renewed = false;
        let patience = command.timeout.max(self.settings.connect_timeout);
        loop {
            let connection = self.connection(false).await?;
            match Session::open(&connection, command, patience).await {
                Ok(session) => return Ok(session),
                Err(OpenError::Gone(why)) => {
                    self.discard(&connection);
                    if renewed {
                        return Err(TransportError::Unreachable(format!(
                            "{} does not answer: {why}",
                            self.place
                        )));
                    }
                    renewed = true;
                }
                Err(OpenError::Full { alone }) => {
                    if alone {
                        // What fills the server is none of our running commands: remains of
                        // earlier ones, which only a new connection leaves behind.
                        self.discard(&connection);
                    }
                    return Err(TransportError::Unreachable(format!(
                        "{} opens no further session (its MaxSessions is used up); it is tried \
                         again later",
                        self.place
                    )));
                }
                Err(OpenError::Busy) => {
                    return Err(TransportError::Unreachable(format!(
                        "{} is still busy with earlier commands after {} s",
                        self.place,
                        patience.as_secs()
                    )));
                }
                Err(OpenError::Refused(why)) => {
                    return Err(TransportError::Unreachable(format!(
                        "{} allows no session to run commands in: {why}",
                        self.place
                    )));
                }
            }
        }
    }

    /// Opens the connection, if none stands. With a person it asks them what it needs to know, and
    /// does not wait longer than the least time between two openings.
    pub(super) async fn connect(
        &self,
        person: Option<Arc<dyn Prompter>>,
    ) -> Result<(), TransportError> {
        let Some(prompter) = person else {
            return self.connection(false).await.map(drop);
        };
        let _presence = self.asker.join(prompter);
        let under_way = matches!(self.lock().phase, Phase::Opening(_));
        match self.connection(true).await {
            // It may have been past its questions when the person came.
            Err(TransportError::AuthRequired(_) | TransportError::HostKey { .. }) if under_way => {
                self.connection(true).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Waits until a standing connection ends without having been told to.
    pub(super) async fn lost(&self) {
        let mut up = self.up.subscribe();
        loop {
            let ended = up.borrow_and_update().clone();
            match ended {
                Some(ended) => tokio::select! {
                    () = ended.cancelled() => {
                        if up.borrow().as_ref().is_some_and(CancellationToken::is_cancelled) {
                            self.up.send_replace(None);
                            return;
                        }
                    }
                    _ = up.changed() => {}
                },
                // The sender is ours.
                None => drop(up.changed().await),
            }
        }
    }

    /// What of the person's settings for ssh is not followed, as the last attempt found.
    pub(super) fn remarks(&self) -> Vec<String> {
        let remarks = self.remarks.lock();
        remarks.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection: the standing one if it shows signs of life, else a new one.
    pub(super) async fn connection(&self, person: bool) -> Result<Arc<Connection>, TransportError> {
        loop {
            let connection = match self.standing(person)? {
                Standing::Connection(connection) => connection,
                Standing::Attempt(attempt) => return attempt.await,
            };
            if connection.is_fresh() || connection.answers().await {
                return Ok(connection);
            }
            self.discard(&connection);
        }
    }

    fn standing(&self, person: bool) -> Result<Standing, TransportError> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Up(connection) if !connection.is_closed() => {
                Ok(Standing::Connection(Arc::clone(connection)))
            }
            Phase::Opening(attempt) => Ok(Standing::Attempt(attempt.clone())),
            Phase::Up(_) | Phase::Down => self.begin(&mut state, person).map(Standing::Attempt),
        }
    }

    /// Starts an attempt, if one is due. It goes on even if nobody waits for it any more.
    fn begin(&self, state: &mut State, person: bool) -> Result<Attempt, TransportError> {
        let now = Instant::now();
        let turn = if person {
            Turn::In(state.pace.turn_of_person(now))
        } else {
            state.pace.turn(now)
        };
        let wait = match turn {
            Turn::Refused(error, left) => return Err(later(error, left)),
            Turn::In(left) if left > self.settings.connect_timeout => {
                return Err(TransportError::Unreachable(format!(
                    "the connection to {} ended; it is opened again in {} s",
                    self.place,
                    left.as_secs()
                )));
            }
            Turn::In(left) => left,
        };
        state.attempts += 1;
        let this = state.attempts;
        let (shared, settings, place, asker, remarks) = (
            Arc::clone(&self.state),
            Arc::clone(&self.settings),
            Arc::clone(&self.place),
            self.asker.clone(),
            Arc::clone(&self.remarks),
        );
        let up = self.up.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            lock(&shared).pace.opening(Instant::now());
            let result = open(&settings, &place, asker, &remarks).await;
            let mut state = lock(&shared);
            if state.attempts == this {
                state.pace.opened(result.as_ref().err().cloned());
                state.phase = match &result {
                    Ok(connection) => {
                        up.send_replace(Some(connection.ended()));
                        Phase::Up(Arc::clone(connection))
                    }
                    Err(_) => Phase::Down,
                };
            }
            result
        });
        let attempt = async move {
            task.await.unwrap_or_else(|error| {
                Err(TransportError::Unreachable(format!(
                    "the attempt to connect ended early: {error}"
                )))
            })
        }
        .boxed()
        .shared();
        state.phase = Phase::Opening(attempt.clone());
        Ok(attempt)
    }

    /// Gives up a connection on which the server lets nothing run; why is the answer until the next
    /// attempt is due.
    pub(super) fn refused(&self, connection: &Arc<Connection>, why: &TransportError) {
        self.discard(connection);
        self.lock().pace.opened(Some(why.clone()));
    }

    /// Gives a connection up, unless another has already taken its place.
    fn discard(&self, connection: &Arc<Connection>) {
        let mut state = self.lock();
        if matches!(&state.phase, Phase::Up(current) if Arc::ptr_eq(current, connection)) {
            state.phase = Phase::Down;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes the standing connection look as if the machine had slept.
    #[cfg(test)]
    pub(super) fn pretend_silence(&self) {
        if let Phase::Up(connection) = &self.lock().phase {
            connection.pretend_silence();
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    // The state is plain data, whole after every statement.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds out where the login goes, and logs in.
async fn open(
    settings: &SshSettings,
    place: &str,
    asker: Asker,
    remarks: &Mutex<Vec<String>>,
) -> Result<Arc<Connection>, TransportError> {
    let target = config::resolve(settings).await?;
    remarks
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone_from(&target.remarks);
    let route = route::open(Arc::new(target), asker).await?;
    Ok(Arc::new(Connection::over(route, settings, place)))
}

/// Says when an error is worth asking again. What a person has to do about is said as it was: the
/// same words are no news.
fn later(error: TransportError, left: Duration) -> TransportError {
    let note = format!("(not tried again for {} s)", left.as_secs().max(1));
    match error {
        TransportError::Unreachable(text) => TransportError::Unreachable(format!("{text} {note}")),
        other => other,
    }
}
