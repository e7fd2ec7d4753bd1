//! An engine that is opened while the server already answers.
//!
//! A broken settings file or database must not be a dead server: each call then answers with what
//! is wrong, and a later one tries again. And an editor is not kept waiting for the database.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// How long a failure is answered again before another attempt is made.
const PAUSE: Duration = Duration::from_secs(1);

type Opener = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Engine>> + Send>> + Send + Sync;

/// The engine, or the way to get one. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Opening {
    open: Arc<Opener>,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone)]
enum State {
    Closed,
    UnderWay,
    Open(Engine),
    Failed(Arc<Error>, Instant),
}

impl Opening {
    /// An engine that `open` opens when it is first needed; again after a failure.
    pub fn by<F, Fut>(open: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Engine>> + Send + 'static,
    {
        Self {
            open: Arc::new(move || Box::pin(open())),
            state: Arc::new(watch::Sender::new(State::Closed)),
        }
    }

    /// An engine that is open.
    pub fn of(engine: Engine) -> Self {
        let opening = Self::by(|| async { Err(Error::internal("the engine is gone")) });
        opening.state.send_replace(State::Open(engine));
        opening
    }

    /// An engine that cannot be opened: for tests of the wire alone.
    #[doc(hidden)]
    pub fn never() -> Self {
        Self::by(|| async { Err(Error::internal("There is no engine here.")) })
    }

    /// Begins to open, if nobody has.
    pub fn begin(&self) {
        let begun = self.state.send_if_modified(|state| {
            let begin = match state {
                State::Closed => true,
                State::Failed(_, at) => at.elapsed() >= PAUSE,
                State::UnderWay | State::Open(_) => false,
            };
            if begin {
                *state = State::UnderWay;
            }
            begin
        });
        if begun {
            let this = self.clone();
            tokio::spawn(async move {
                // In a task of its own, so that a panic in it is an error and not a wait for ever.
                let opened = tokio::spawn((this.open)()).await.unwrap_or_else(|panic| {
                    Err(Error::internal("The engine could not be started.").caused_by(panic))
                });
                this.state.send_replace(match opened {
                    Ok(engine) => State::Open(engine),
                    Err(error) => {
                        tracing::error!(%error, "the engine cannot be opened");
                        State::Failed(Arc::new(error), Instant::now())
                    }
                });
            });
        }
    }

    /// The engine; opens it if need be.
    pub async fn engine(&self) -> Result<Engine> {
        let mut state = self.state.subscribe();
        loop {
            self.begin();
            match &*state.borrow_and_update() {
                State::Open(engine) => return Ok(engine.clone()),
                State::Failed(error, _) => return Err(again(error)),
                State::Closed | State::UnderWay => {}
            }
            if state.changed().await.is_err() {
                return Err(Error::internal("The engine is gone."));
            }
        }
    }

    /// The engine, if it is open.
    pub fn opened(&self) -> Option<Engine> {
        match &*self.state.borrow() {
            State::Open(engine) => Some(engine.clone()),
            _ => None,
        }
    }

    /// What opening comes to, from now on, whoever begins it.
    pub fn outcomes(&self) -> Outcomes {
        let mut state = self.state.subscribe();
        state.mark_changed();
        Outcomes(state)
    }
}

/// What opening comes to.
pub struct Outcomes(watch::Receiver<State>);

impl Outcomes {
    /// The next outcome: the engine, or a failure that nobody has been given here.
    pub async fn next(&mut self) -> Result<Engine> {
        loop {
            if self.0.changed().await.is_err() {
                return std::future::pending().await;
            }
            match &*self.0.borrow_and_update() {
                State::Open(engine) => return Ok(engine.clone()),
                State::Failed(error, _) => return Err(again(error)),
                State::Closed | State::UnderWay => {}
            }
        }
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("open", &self.opened().is_some())
            .finish_non_exhaustive()
    }
}

/// The same error for another caller.
fn again(error: &Error) -> Error {
    Error {
        kind: error.kind,
        message: error.message.clone(),
        hint: error.hint.clone(),
        job_id: error.job_id.clone(),
        cluster: error.cluster.clone(),
        findings: error.findings.clone(),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_wait_and_tried_once() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let opening = Opening::by(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err(Error::new(ErrorKind::SettingsInvalid, "Line 3.").hinted("Mend it.")) }
        });
        for _ in 0..3 {
            let (a, b) = tokio::join!(opening.engine(), opening.engine());
            for error in [a.err().unwrap(), b.err().unwrap()] {
                assert_eq!(error.kind, ErrorKind::SettingsInvalid);
                assert_eq!(error.hint.as_deref(), Some("Mend it."));
            }
        }
        assert_eq!(tries.load(Ordering::SeqCst), 1);
        assert!(opening.opened().is_none());
    }

    #[tokio::test]
    async fn a_panic_while_opening_is_an_error() {
        let opening = Opening::by(|| async { panic!("on purpose") });
        assert_eq!(
            opening.engine().await.err().unwrap().kind,
            ErrorKind::Internal
        );
    }
}
