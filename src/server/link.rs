//! A session over the daemon's socket: what is different when a forwarder stands between.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

use super::daemon::Resume;

/// Notification of a forwarder: the client's input has ended. The socket stays open for answers,
/// and its end means that nobody waits for them any more.
pub(super) const END_OF_INPUT: &str = "$/endOfInput";
/// Notification to a forwarder, never passed on: the daemon ends in order, and is not to be started
/// again before the client has something to ask.
pub(super) const LEAVING: &str = "$/leaving";

/// A client that comes over the socket.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where it goes on, if it was cut off.
    pub resume: Option<Resume>,
    /// How long it may read nothing at all before it is dropped.
    pub patience: Duration,
    /// Who it is.
    pub guest: Arc<Guest>,
    /// What goes on when the client goes: calls that have begun to change something.
    pub begun: TaskTracker,
}

/// Who is served.
#[derive(Debug)]
pub struct Guest {
    /// The forwarder's process.
    pub pid: u32,
    /// When it came.
    pub since: Instant,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    name: Option<String>,
    active: Instant,
}

impl Guest {
    /// One who has just come.
    pub fn new(pid: u32) -> Self {
        let now = Instant::now();
        Self {
            pid,
            since: now,
            told: Mutex::new(Told {
                name: None,
                active: now,
            }),
        }
    }

    /// The client's name for itself, and when it last sent something.
    pub fn look(&self) -> (Option<String>, Instant) {
        let told = self.told();
        (told.name.clone(), told.active)
    }

    pub(super) fn introduce(&self, name: &str) {
        self.told().name = Some(name.to_owned());
    }

    pub(super) fn touch(&self) {
        self.told().active = Instant::now();
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
