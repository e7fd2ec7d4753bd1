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

use crate::engine::{Engine, Prompts};
use crate::error::{Error, Result};

/// How long a failure is answered again before another attempt is made for a call.
const PAUSE: Duration = Duration::from_secs(1);
/// How long until another attempt is made by itself.
const RETRY: Duration = Duration::from_secs(5);

type Opener = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Engine>> + Send>> + Send + Sync;

/// The engine, or the way to get one. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Opening {
    open: Arc<Opener>,
    state: Arc<watch::Sender<State>>,
    prompts: Prompts,
}

#[derive(Clone)]
enum State {
    Closed,
    /// After a failure, perhaps.
    UnderWay(Option<Arc<Error>>),
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
            prompts: Prompts::default(),
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

    /// The clients whose person can be asked, whether the engine is open or not.
    pub fn prompts(&self) -> &Prompts {
        &self.prompts
    }

    /// Begins to open, if nobody has.
    pub fn begin(&self) {
        let begun = self.state.send_if_modified(|state| {
            let before = match state {
                State::Closed => None,
                State::Failed(error, at) if at.elapsed() >= PAUSE => Some(Arc::clone(error)),
                State::Failed(..) | State::UnderWay(_) | State::Open(_) => return false,
            };
            *state = State::UnderWay(before);
            true
        });
        if begun {
            tokio::spawn(self.clone().open());
        }
    }

    async fn open(self) {
        // In a task of its own, so that a panic in it is an error and not a wait for ever.
        let opened = tokio::spawn((self.open)()).await.unwrap_or_else(|panic| {
            Err(Error::internal("The engine could not be started.").caused_by(panic))
        });
        let state = match opened {
            Ok(engine) => State::Open(engine),
            Err(error) => {
                self.retry_later();
                let before = match &*self.state.borrow() {
                    State::UnderWay(before) => before.clone(),
                    _ => None,
                };
                // The same failure again is no news.
                let known = before.filter(|before| before.message == error.message);
                let error = known.unwrap_or_else(|| {
                    tracing::error!(%error, "the engine cannot be opened");
                    Arc::new(error)
                });
                State::Failed(error, Instant::now())
            }
        };
        self.state.send_replace(state);
    }

    /// What was wrong may be mended without anybody calling.
    fn retry_later(&self) {
        let open = Arc::clone(&self.open);
        let state = Arc::downgrade(&self.state);
        let prompts = self.prompts.clone();
        tokio::spawn(async move {
            tokio::time::sleep(RETRY).await;
            if let Some(state) = state.upgrade() {
                Self {
                    open,
                    state,
                    prompts,
                }
                .begin();
            }
        });
    }

    /// The engine; opens it if need be.
    pub async fn engine(&self) -> Result<Engine> {
        let mut state = self.state.subscribe();
        loop {
            self.begin();
            match &*state.borrow_and_update() {
                State::Open(engine) => return Ok(engine.clone()),
                State::Failed(error, _) => return Err(again(error)),
                State::Closed | State::UnderWay(_) => {}
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

    /// Why it is not open, if the last attempt failed.
    pub fn failure(&self) -> Option<Arc<Error>> {
        match &*self.state.borrow() {
            State::Failed(error, _) => Some(Arc::clone(error)),
            _ => None,
        }
    }

    /// What opening comes to, from now on, whoever begins it.
    pub fn outcomes(&self) -> Outcomes {
        let mut state = self.state.subscribe();
        state.mark_changed();
        Outcomes { state, told: None }
    }
}

/// What opening comes to.
pub struct Outcomes {
    state: watch::Receiver<State>,
    told: Option<Arc<Error>>,
}

impl Outcomes {
    /// The next outcome: the engine, or a failure that has not been given here.
    pub async fn next(&mut self) -> Result<Engine> {
        loop {
            if self.state.changed().await.is_err() {
                return std::future::pending().await;
            }
            match &*self.state.borrow_and_update() {
                State::Open(engine) => return Ok(engine.clone()),
                State::Failed(error, _) => {
                    let told = self.told.as_ref();
                    if told.is_none_or(|told| !Arc::ptr_eq(told, error)) {
                        self.told = Some(Arc::clone(error));
                        return Err(again(error));
                    }
                }
                State::Closed | State::UnderWay(_) => {}
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

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_failure_is_told_once() {
        let opening = Opening::by(|| async { Err(Error::internal("Always.")) });
        let mut outcomes = opening.outcomes();
        opening.begin();
        assert_eq!(outcomes.next().await.err().unwrap().message, "Always.");
        // As another attempt would leave it.
        let before = match &*opening.state.borrow() {
            State::Failed(error, _) => Arc::clone(error),
            _ => panic!("no failure"),
        };
        opening.state.send_replace(State::UnderWay(Some(before)));
        opening.clone().open().await;
        let told = tokio::time::timeout(Duration::from_millis(20), outcomes.next()).await;
        assert!(told.is_err(), "it was told again");
    }
}
