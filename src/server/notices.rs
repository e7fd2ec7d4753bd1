//! What the engine tells, passed on to one client.
//!
//! The engine's bus is bounded and waits for nobody. A client that reads slowly falls behind on it
//! and is then told what it missed from the store, in order, so that nothing about a job is ever
//! lost, no engine ever waits for a client, and no backlog is kept in memory. What has no number
//! (clusters, syncs) is not repeated; the clusters are told as they are now.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::engine::{ClusterState, Engine, Event, Health};
use crate::error::Result;
use crate::protocol::{
    Change, ChangesSinceResult, ClusterStatusChanged, JobDeleted, JobProgressed, LogMessage,
    OnClusterStatusChanged, OnJobDeleted, OnJobProgress, OnJobStatusChanged, OnLogMessage,
    OnSyncCompleted,
};
use crate::rpc::{self, view};

use super::message::notification;
use super::outbox::{Gone, Outbox};

/// How many missed changes are read at once.
const PAGE: usize = 200;

/// What the passing on needs of the engine.
pub(super) trait Teller {
    /// An event as a notification; nothing if it is not for clients.
    fn tell(&self, event: &Event) -> Option<String>;
    /// What was committed since a change.
    async fn past(&self, seq: u64) -> Result<ChangesSinceResult>;
    /// The clusters as they are now, as notifications.
    fn clusters(&self) -> Vec<String>;
}

/// The engine as a teller, for a store.
pub(super) struct Told {
    pub(super) engine: Engine,
    pub(super) store_id: String,
}

impl Teller for Told {
    fn tell(&self, event: &Event) -> Option<String> {
        match event {
            Event::Job { seq, change } => {
                let sight = rpc::sight(&self.engine, &change.job);
                view::change(*seq, change, sight)
                    .map(|params| notification::<OnJobStatusChanged>(&params))
            }
            Event::Progress {
                seq,
                job_id,
                insight,
            } => Some(notification::<OnJobProgress>(&JobProgressed {
                seq: *seq,
                job_id: job_id.to_string(),
                progress: view::progress(insight),
                diagnosis: view::diagnosis(insight),
                results: view::results(insight.results.clone()),
            })),
            Event::JobDeleted { seq, job_id } => Some(notification::<OnJobDeleted>(&JobDeleted {
                seq: *seq,
                job_id: job_id.to_string(),
            })),
            Event::Cluster(state) => Some(notification::<OnClusterStatusChanged>(
                &ClusterStatusChanged {
                    cluster: state.name.clone(),
                    status: view::cluster(state),
                },
            )),
            Event::Synced(synced) => Some(notification::<OnSyncCompleted>(&view::sync_completed(
                synced,
            ))),
        }
    }

    async fn past(&self, seq: u64) -> Result<ChangesSinceResult> {
        rpc::past(&self.engine, &self.store_id, seq, PAGE).await
    }

    fn clusters(&self) -> Vec<String> {
        let clusters = self.engine.clusters().into_iter();
        clusters
            .filter_map(|state| self.tell(&Event::Cluster(state.into())))
            .collect()
    }
}

/// Passes events on until the client or the engine is gone. `seq` is the last change the client
/// needs not be told.
pub(super) async fn pass_on(
    mut events: Receiver<Event>,
    teller: impl Teller,
    seq: u64,
    outbox: Outbox,
) -> Result<(), Gone> {
    // Up to `known` all was told; `last` is the highest told. Two commits that are told in the other
    // order must both be told, so that only the former hides an event.
    let (mut known, mut last) = (seq, seq);
    loop {
        match events.recv().await {
            Ok(event) => {
                let number = view::seq_of(&event);
                if number.is_some_and(|number| number <= known) {
                    continue;
                }
                if let Some(message) = teller.tell(&event) {
                    outbox.send(message).await?;
                }
                last = last.max(number.unwrap_or(last));
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::debug!(
                    missed,
                    last,
                    "a client reads slowly; it is told from the store"
                );
                known = catch_up(&teller, last, &outbox).await?;
                last = known;
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

/// The same for a client that was away: it is told first what has happened since a change.
pub(super) async fn pass_on_since(
    events: Receiver<Event>,
    teller: impl Teller,
    since: u64,
    outbox: Outbox,
) -> Result<(), Gone> {
    let seq = catch_up(&teller, since, &outbox).await?;
    pass_on(events, teller, seq, outbox).await
}

/// Tells a client that has just come of clusters that wait for somebody to log in: their jobs have
/// not been watched since.
pub(super) async fn tell_locked_out(engine: &Engine, outbox: &Outbox) {
    let waits = |state: &ClusterState| state.health == Health::AuthRequired;
    for state in engine.clusters().into_iter().filter(waits) {
        let words = [
            format!(
                "{} has asked for a login since {}, and nobody was there.",
                state.name, state.since
            ),
            match state.active_jobs {
                0 => String::new(),
                1 => "Its one active job is not watched until then.".to_owned(),
                jobs => format!("Its {jobs} active jobs are not watched until then."),
            },
            state.reason.clone().unwrap_or_default(),
            state.hint.clone().unwrap_or_default(),
        ];
        let words: Vec<String> = words.into_iter().filter(|text| !text.is_empty()).collect();
        let news = notification::<OnClusterStatusChanged>(&ClusterStatusChanged {
            cluster: state.name.clone(),
            status: view::cluster(&state),
        });
        let message = notification::<OnLogMessage>(&LogMessage {
            level: 2,
            message: words.join(" "),
        });
        for text in [news, message] {
            let _ = outbox.send(text).await;
        }
    }
}

async fn catch_up(teller: &impl Teller, mut seq: u64, outbox: &Outbox) -> Result<u64, Gone> {
    loop {
        let past = match teller.past(seq).await {
            Ok(past) => past,
            Err(error) => {
                // The next change that is told has a number that shows the gap.
                tracing::warn!(%error, seq, "missed changes could not be read");
                break;
            }
        };
        let more = past.truncated && !past.changes.is_empty();
        for change in past.changes {
            let message = match change {
                Change::Job(params) => notification::<OnJobStatusChanged>(&params),
                Change::Deleted(params) => notification::<OnJobDeleted>(&params),
            };
            outbox.send(message).await?;
        }
        seq = seq.max(past.seq);
        if !more {
            break;
        }
    }
    for message in teller.clusters() {
        outbox.send(message).await?;
    }
    Ok(seq)
}

#[cfg(test)]
mod tests;
