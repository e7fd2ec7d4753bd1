//! The poller: one task per cluster. It waits for the next look or for an ask, and looks.
//!
//! Nothing active: it sleeps until asked. Several asks at once are one look. A look that failed is
//! followed by a pause that doubles, with jitter; what hangs on the cluster waits visibly. A cluster
//! that asks for a login is left alone while nobody is there to log in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::config::SchedulerKind;
use crate::engine::cluster::{Ask, Cluster};
use crate::engine::instance::Turn;
use crate::engine::pace::{self, EARLY_LOOKS, Pace};
use crate::engine::{Engine, Event, Health, Synced};

/// A look younger than this answers `syncAll`, unless a job was submitted or cancelled since.
const FRESH: Duration = Duration::from_secs(5);
/// How often a cluster is looked at for nothing but jobs whose end nobody witnessed.
const UNWITNESSED_EVERY: Duration = Duration::from_mins(10);
/// First pause after a failed look, for a cluster reached over a network.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The poller's own plan; nobody else sees it.
struct Plan {
    /// When to look next, if at all.
    next: Option<Instant>,
    /// Early looks still to come.
    early: Vec<Instant>,
    /// Looks without news in a row.
    quiet: u32,
    /// The last look, when it ended, and whether something was sent to the cluster since.
    last: Option<(Instant, Synced)>,
    /// The cluster was reached for the first time.
    met: bool,
    /// Nothing is active: what is planned is for what has ended.
    unhurried: bool,
}

/// Runs until the cluster is stopped.
pub(crate) async fn run(engine: Engine, cluster: Arc<Cluster>, mut asks: UnboundedReceiver<Ask>) {
    let mut plan = Plan {
        next: Some(Instant::now()),
        early: Vec::new(),
        quiet: 0,
        last: None,
        met: false,
        unhurried: false,
    };
    let mut turn = Turn::default();
    loop {
        let wake = plan.wake();
        let mut scheduled = false;
        let mut waiting: Vec<oneshot::Sender<Synced>> = Vec::new();
        tokio::select! {
            () = cluster.stop.cancelled() => return,
            () = sleep_until(wake) => scheduled = wake == plan.next,
            ask = asks.recv() => {
                let Some(ask) = ask else { return };
                plan.take(ask, &cluster, &mut waiting);
                while let Ok(ask) = asks.try_recv() {
                    plan.take(ask, &cluster, &mut waiting);
                }
                if std::mem::take(&mut plan.met) {
                    engine.meet(&cluster);
                }
                if (plan.next.is_none() || plan.unhurried) && engine.active_count(cluster.name()) > 0 {
                    plan.next = Some(Instant::now() + cluster.settings.sync_interval);
                    plan.unhurried = false;
                }
                if waiting.is_empty() {
                    continue;
                }
                if let Some(fresh) = plan.fresh() {
                    answer(waiting, &fresh);
                    continue;
                }
            }
        }
        if scheduled && !engine.is_attended() && cluster.book().health == Health::AuthRequired {
            plan.next = None;
            plan.early.clear();
            continue;
        }
        // Several processes may serve editors; one of them polls. What a person asked for, or a
        // step of this process made likely, is looked at by whoever has it in hand.
        if scheduled && !turn.take(engine.data_dir(), cluster.name()) {
            plan.next = Some(Instant::now() + cluster.settings.sync_interval);
            continue;
        }
        let asked = !waiting.is_empty();
        let synced = tokio::select! {
            () = cluster.stop.cancelled() => return,
            synced = engine.look(&cluster, asked) => synced,
        };
        plan.after(&engine, &cluster, &synced);
        if plan.next.is_none() {
            turn.give_back();
        }
        if synced.queried > 0 || synced.error.is_some() || asked {
            engine.tell(Event::Synced(Arc::new(synced.clone())));
        }
        answer(waiting, &synced);
    }
}

fn answer(waiting: Vec<oneshot::Sender<Synced>>, synced: &Synced) {
    for asker in waiting {
        // The asker may have gone; that changes nothing.
        let _ = asker.send(synced.clone());
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Plan {
    fn wake(&self) -> Option<Instant> {
        self.early.iter().copied().chain(self.next).min()
    }

    fn take(&mut self, ask: Ask, cluster: &Cluster, waiting: &mut Vec<oneshot::Sender<Synced>>) {
        match ask {
            Ask::Sync(asker) => waiting.push(asker),
            Ask::Plan => {}
            Ask::Resume => self.next = self.next.or(Some(Instant::now())),
            Ask::Met => self.met = true,
            Ask::Expect => {
                let now = Instant::now();
                self.quiet = 0;
                self.last = None;
                self.early.retain(|at| *at > now);
                self.early.extend(EARLY_LOOKS.map(|after| now + after));
                self.early.sort_unstable();
                // A burst of submissions is looked at once, after the last of them.
                let keep = self.early.len().saturating_sub(EARLY_LOOKS.len());
                self.early.drain(..keep);
                self.next = self.next.or(Some(now + cluster.settings.sync_interval));
            }
        }
    }

    fn fresh(&self) -> Option<Synced> {
        self.last
            .as_ref()
            .filter(|(ended, synced)| ended.elapsed() < FRESH && synced.error.is_none())
            .map(|(_, synced)| synced.clone())
    }

    /// Plans the next look from what this one brought.
    fn after(&mut self, engine: &Engine, cluster: &Cluster, synced: &Synced) {
        let now = Instant::now();
        self.early.retain(|at| *at > now);
        self.quiet = if synced.changed > 0 {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        self.last = Some((now, synced.clone()));
        let random = engine.chance();
        let base = cluster.settings.sync_interval;
        let mut book = cluster.book();
        let delay = if synced.health == Health::Ok {
            let direct = cluster.settings.scheduler == SchedulerKind::Direct;
            let pace = Pace {
                base,
                // Looking at this machine's own processes costs next to nothing.
                quiet: if direct { 0 } else { self.quiet },
                latency: book.latency.unwrap_or_default(),
                min_job_age: cluster
                    .ready_already()
                    .and_then(|ready| ready.facts.as_ref()?.controller.as_ref()?.min_job_age)
                    .map(Duration::from_secs),
            };
            book.interval = pace.interval();
            pace.jittered(random)
        } else {
            book.failures = book.failures.saturating_add(1);
            self.early.clear();
            pace::backoff(FIRST_PAUSE.min(base), book.failures, random)
        };
        let locked_out = synced.health == Health::AuthRequired && !engine.is_attended();
        let idle = locked_out || engine.active_count(cluster.name()) == 0;
        self.unhurried = idle;
        self.next = if !idle {
            Some(now + delay)
        } else if !locked_out && engine.waits_for_more(cluster) {
            Some(now + delay.max(UNWITNESSED_EVERY))
        } else {
            None
        };
        if idle {
            self.early.clear();
        }
        book.next_sync = self.wake().and_then(|at| {
            let ahead = jiff::SignedDuration::try_from(at.duration_since(now)).ok()?;
            engine.now().checked_add(ahead).ok()
        });
    }
}
