//! Who can be asked while a connection is being made: the callers that wait for it.
//!
//! An attempt that nobody waits for, or nobody who can answer, asks nothing. One that began so can
//! still ask somebody who came later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::transport::prompt::{AuthAsk, HostKeyAsk, Prompter, Secret};

/// Least time between two looks at how long a person took.
const TICK: Duration = Duration::from_millis(10);

/// The people who wait for one link. All clones are one.
#[derive(Clone, Default)]
pub(super) struct Asker {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    people: Vec<Person>,
    next: u64,
    /// How long people were waited for so far.
    spent: Duration,
    /// Since when one is being waited for.
    since: Option<Instant>,
}

#[derive(Clone)]
struct Person {
    number: u64,
    prompter: Arc<dyn Prompter>,
    gone: CancellationToken,
}

/// How a question ended.
#[derive(Debug)]
pub(super) enum Reply<T> {
    /// Answered.
    Given(T),
    /// The person wants no more of it.
    Dismissed,
    /// There is nobody to ask (any more).
    Nobody,
    /// No answer came in time.
    TooLate,
    /// The server has ended the connection meanwhile.
    Moot,
}

/// Somebody's presence: ends when dropped, and withdraws what was asked of them.
pub(super) struct Presence {
    asker: Asker,
    number: u64,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut inner = self.asker.lock();
        let at = inner
            .people
            .iter()
            .position(|person| person.number == self.number);
        if let Some(at) = at {
            inner.people.remove(at).gone.cancel();
        }
    }
}

/// Runs while a person is waited for.
struct Clock<'a>(&'a Asker);

impl Drop for Clock<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        if let Some(since) = inner.since.take() {
            inner.spent += since.elapsed();
        }
    }
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let people = self.lock().people.len();
        f.debug_struct("Asker").field("people", &people).finish()
    }
}

impl Asker {
    /// Notes that somebody waits who can be asked.
    pub(super) fn join(&self, prompter: Arc<dyn Prompter>) -> Presence {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.people.push(Person {
            number,
            prompter,
            gone: CancellationToken::new(),
        });
        drop(inner);
        Presence {
            asker: self.clone(),
            number,
        }
    }

    /// Whether there is anybody to ask.
    pub(super) fn has_people(&self) -> bool {
        !self.lock().people.is_empty()
    }

    /// Asks a question of a login.
    pub(super) async fn ask(
        &self,
        ask: &AuthAsk,
        deadline: Instant,
        moot: &CancellationToken,
    ) -> Reply<Vec<Secret>> {
        let put = |prompter: Arc<dyn Prompter>| {
            let ask = ask.clone();
            async move { prompter.ask(ask).await }.boxed()
        };
        match self.put(put, deadline, moot).await {
            Reply::Given(Some(answers)) if answers.len() == ask.prompts.len() => {
                Reply::Given(answers)
            }
            Reply::Given(_) | Reply::Dismissed => Reply::Dismissed,
            Reply::Nobody => Reply::Nobody,
            Reply::TooLate => Reply::TooLate,
            Reply::Moot => Reply::Moot,
        }
    }

    /// Asks whether a host key is accepted.
    pub(super) async fn confirm(
        &self,
        ask: &HostKeyAsk,
        deadline: Instant,
        moot: &CancellationToken,
    ) -> Reply<bool> {
        let put = |prompter: Arc<dyn Prompter>| {
            let ask = ask.clone();
            async move { prompter.confirm(ask).await }.boxed()
        };
        self.put(put, deadline, moot).await
    }

    /// Tells of a host key that is refused whatever is answered, until the deadline at most.
    pub(super) fn inform(&self, ask: HostKeyAsk, deadline: Instant) {
        let Some(person) = self.person() else {
            return;
        };
        tokio::spawn(async move {
            let told = person.prompter.confirm(ask);
            let _ = tokio::time::timeout_at(deadline, told).await;
        });
    }

    async fn put<T>(
        &self,
        put: impl Fn(Arc<dyn Prompter>) -> BoxFuture<'static, T>,
        deadline: Instant,
        moot: &CancellationToken,
    ) -> Reply<T> {
        loop {
            let Some(person) = self.person() else {
                return Reply::Nobody;
            };
            self.lock().since = Some(Instant::now());
            let _clock = Clock(self);
            tokio::select! {
                biased;
                () = moot.cancelled() => return Reply::Moot,
                // Somebody else may be there.
                () = person.gone.cancelled() => {}
                () = sleep_until(deadline) => return Reply::TooLate,
                answer = put(person.prompter) => return Reply::Given(answer),
            }
        }
    }

    /// Runs something that may take so long without the time in which a person is waited for. None
    /// if it took longer.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let (begun, before) = (Instant::now(), self.spent());
        let mut work = std::pin::pin!(work);
        loop {
            let used = begun
                .elapsed()
                .saturating_sub(self.spent().saturating_sub(before));
            let left = limit.saturating_sub(used);
            if left.is_zero() {
                return None;
            }
            if let Ok(done) = timeout(left.max(TICK), &mut work).await {
                return Some(done);
            }
        }
    }

    fn spent(&self) -> Duration {
        let inner = self.lock();
        inner.spent + inner.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The one who came last: the person who is at the keyboard now.
    fn person(&self) -> Option<Person> {
        self.lock().people.last().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Plain data, whole after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::transport::prompt::{AuthMethod, Field};

    /// Says a word, or never anything.
    struct Says(Option<&'static str>);

    #[async_trait]
    impl Prompter for Says {
        async fn ask(&self, _: AuthAsk) -> Option<Vec<Secret>> {
            match self.0 {
                Some(word) => Some(vec![Secret::from(word)]),
                None => std::future::pending().await,
            }
        }
        async fn confirm(&self, _: HostKeyAsk) -> bool {
            self.0.is_some()
        }
    }

    fn question() -> AuthAsk {
        AuthAsk {
            cluster: "alpha".into(),
            host: "alpha".into(),
            user: "me".into(),
            method: AuthMethod::Password,
            name: String::new(),
            instructions: String::new(),
            prompts: vec![Field {
                text: "Password: ".into(),
                echo: false,
            }],
            attempt: 1,
            reason: String::new(),
        }
    }

    const MOMENT: Duration = Duration::from_millis(100);

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn who_came_last_is_asked_and_who_leaves_is_let_be() {
        let (asker, moot) = (Asker::default(), CancellationToken::new());
        let ask = async || asker.ask(&question(), in_seconds(60), &moot).await;
        assert!(matches!(ask().await, Reply::Nobody));
        let first = asker.join(Arc::new(Says(Some("first"))));
        let silent = asker.join(Arc::new(Says(None)));
        let leaves = async {
            while asker.lock().since.is_none() {
                tokio::task::yield_now().await;
            }
            drop(silent);
        };
        let (reply, ()) = tokio::join!(ask(), leaves);
        assert!(matches!(reply, Reply::Given(answers) if answers.len() == 1));
        drop(first);
        assert!(!asker.has_people());
    }

    #[tokio::test]
    async fn questions_end_in_time_and_with_the_connection() {
        let (asker, moot) = (Asker::default(), CancellationToken::new());
        let _silent = asker.join(Arc::new(Says(None)));
        let reply = asker.ask(&question(), Instant::now() + MOMENT, &moot).await;
        assert!(matches!(reply, Reply::TooLate));
        moot.cancel();
        let reply = asker.ask(&question(), in_seconds(60), &moot).await;
        assert!(matches!(reply, Reply::Moot));
    }

    #[tokio::test]
    async fn a_persons_time_does_not_count() {
        let (asker, moot) = (Asker::default(), CancellationToken::new());
        let _silent = asker.join(Arc::new(Says(None)));
        // The person takes longer than the work may.
        let question = question();
        let work = asker.ask(&question, Instant::now() + 3 * MOMENT, &moot);
        assert!(asker.within(MOMENT, work).await.is_some());
        let slow = std::future::pending::<()>();
        assert!(asker.within(MOMENT, slow).await.is_none());
    }
}
