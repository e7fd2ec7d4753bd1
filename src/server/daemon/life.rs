//! How long the daemon stays.

use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Daemon;
use crate::config::Linger;
use crate::engine::owner::Owner;
use crate::engine::{Engine, Event, Occupation};

/// How long it stays when nothing keeps it: for the next call of a script, the window that is opened
/// again, and so that no login is thrown away that was just made.
const IDLE: Duration = Duration::from_mins(1);
/// How long it waits for the first client.
const FIRST: Duration = Duration::from_secs(10);
/// How often it looks whether steps have ended that keep it.
const STEPS: Duration = Duration::from_millis(500);

/// Since when what might keep it has been gone.
#[derive(Debug, Clone, Copy)]
struct Since {
    /// The last client.
    client: Instant,
    /// The last active job.
    job: Instant,
}

/// Until when it stays as things are; none: as long as they are so.
fn until(linger: Linger, since: Since, occupation: &Occupation) -> Option<Instant> {
    match linger {
        Linger::For(time) => Some(since.client + time),
        Linger::Clients => Some(since.client + IDLE),
        Linger::Jobs if occupation.active_jobs > 0 => None,
        Linger::Jobs => Some(since.client.max(since.job) + IDLE),
    }
}

impl Daemon {
    /// Waits until there is no reason to stay; says why.
    pub(super) async fn live(&self, owner: &Owner) -> &'static str {
        let mut present = self.present.subscribe();
        let mut since = Since {
            client: Instant::now(),
            job: Instant::now(),
        };
        let mut awaited = Some(Instant::now() + FIRST);
        loop {
            if !owner.holds() {
                return "its data directory is gone";
            }
            let engine = self.opening.opened();
            let somebody = *present.borrow_and_update() > 0;
            if let Some(engine) = &engine {
                engine.attend(somebody);
            }
            if somebody {
                awaited = None;
                // The sender is ours: it does not go away.
                let _ = present.changed().await;
                since.client = Instant::now();
                continue;
            }
            // Listened to before it is looked at, so that nothing is missed in between.
            let mut events = engine.as_ref().map(Engine::events);
            let occupation = engine.as_ref().map(Engine::occupation).unwrap_or_default();
            if occupation.active_jobs > 0 {
                since.job = Instant::now();
            }
            let settings = engine.as_ref().map(|engine| engine.settings().linger);
            let linger = self.setup.linger.or(settings).unwrap_or_default();
            let until = until(linger, since, &occupation).map(|until| match awaited {
                Some(first) => until.max(first),
                None => until,
            });
            if until.is_some_and(|until| until <= Instant::now()) {
                if self.close(false) {
                    return "nothing is left to do";
                }
                // Steps are activity themselves: looking at them wakes nobody.
                tokio::select! {
                    _ = present.changed() => {}
                    () = tokio::time::sleep(STEPS) => {}
                }
                continue;
            }
            tokio::select! {
                _ = present.changed() => {}
                () = news(&mut events) => {}
                () = sleep_until(until) => {}
            }
        }
    }
}

async fn news(events: &mut Option<Receiver<Event>>) {
    let Some(events) = events else {
        return std::future::pending().await;
    };
    if let Err(RecvError::Closed) = events.recv().await {
        std::future::pending::<()>().await;
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_keep_it_only_if_they_may() {
        let now = Instant::now();
        let since = Since {
            client: now,
            job: now + Duration::from_secs(5),
        };
        let quiet = Occupation::default();
        let active = Occupation {
            active_jobs: 3,
            ..Occupation::default()
        };
        let time = Duration::from_hours(2);
        assert_eq!(until(Linger::Jobs, since, &active), None);
        assert_eq!(
            until(Linger::Jobs, since, &quiet),
            Some(since.job + IDLE),
            "soon after the last job"
        );
        assert_eq!(until(Linger::Clients, since, &active), Some(now + IDLE));
        assert_eq!(until(Linger::For(time), since, &active), Some(now + time));
    }
}
