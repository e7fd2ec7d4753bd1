//! The members of an array: what is known of each, and how many there are of which status.
//!
//! A member that waits as the array was submitted needs no words: it has no entry in [`Members`]. So
//! an array of ten thousand costs as much as what has happened to it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::{Absence, Outcome, Status};
use crate::scheduler::{Array, Exit, MemberSet, RunPhase};

/// What is known of the members of a job's newest attempt, by number. Kept in a table of its own;
/// it is at hand only where a job is changed or one job's status is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Members(pub BTreeMap<u32, Member>);

/// One member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Where it is in its life.
    pub state: MemberState,
    /// The batch system's last word for its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// Why it waits, in the batch system's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it started (last).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Exit code and signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Largest resident memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rss: Option<u64>,
    /// How often it was started again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u32,
    /// The sources do not hold it although they should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<Absence>,
    /// When cancelling it, and not the whole array, was asked for and has not been settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_asked: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Where a member is in its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum MemberState {
    /// In the queue.
    Pending {
        /// A person must release it.
        held: bool,
    },
    /// On its nodes.
    Running {
        /// When it started.
        started: Timestamp,
        /// The finer truth.
        run: RunPhase,
    },
    /// Over.
    Ended {
        /// How.
        outcome: Outcome,
        /// When.
        ended: Timestamp,
    },
}

impl Member {
    /// A member that waits as it was submitted.
    pub fn waiting() -> Self {
        Self {
            state: MemberState::Pending { held: false },
            word: None,
            reason: None,
            started: None,
            exit: None,
            nodes: None,
            max_rss: None,
            restarts: 0,
            absence: None,
            cancel_asked: None,
        }
    }

    /// Its status in one word.
    pub fn status(&self) -> Status {
        match &self.state {
            MemberState::Pending { .. } => Status::Pending,
            MemberState::Running { .. } => Status::Running,
            MemberState::Ended { outcome, .. } => outcome.status(),
        }
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, MemberState::Ended { .. })
    }

    /// Whether it is, or was, on its nodes.
    pub(crate) fn has_run(&self) -> bool {
        match &self.state {
            MemberState::Pending { .. } => false,
            MemberState::Running { .. } => true,
            MemberState::Ended { .. } => self.started.is_some(),
        }
    }
}

impl Members {
    /// What is known of a member.
    pub fn get(&self, member: u32) -> Member {
        self.0.get(&member).cloned().unwrap_or_else(Member::waiting)
    }

    /// The members of an array that have not ended.
    pub fn open(&self, array: &Array) -> crate::scheduler::MemberSet {
        let open = |member: &u32| self.0.get(member).is_none_or(Member::is_open);
        array.members().iter().filter(open).collect()
    }

    /// The members whose end nothing witnessed, of this time or later, and since when the last is so.
    pub fn doubtful(&self, since: Timestamp) -> Option<(MemberSet, Timestamp)> {
        let doubtful = || {
            self.0
                .iter()
                .filter_map(|(number, member)| match &member.state {
                    MemberState::Ended {
                        outcome: Outcome::Unknown,
                        ended,
                    } if *ended >= since => Some((*number, *ended)),
                    _ => None,
                })
        };
        let last = doubtful().map(|(_, ended)| ended).max()?;
        Some((doubtful().map(|(number, _)| number).collect(), last))
    }

    /// How many of an array's members have which status.
    pub fn count(&self, array: &Array) -> MemberCounts {
        let total = u32::try_from(array.members().len()).unwrap_or(u32::MAX);
        let mut counts = MemberCounts {
            total,
            ..MemberCounts::default()
        };
        for member in self.0.values() {
            let count = match member.status() {
                Status::Created | Status::Pending => continue,
                Status::Running => &mut counts.running,
                Status::Completed => &mut counts.completed,
                Status::Failed => &mut counts.failed,
                Status::Cancelled => &mut counts.cancelled,
                Status::Unknown => &mut counts.unknown,
            };
            *count += 1;
        }
        let others = counts.running + counts.ended();
        counts.pending = total.saturating_sub(others);
        counts
    }
}

/// How many members have which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberCounts {
    /// In all.
    pub total: u32,
    /// In the queue.
    pub pending: u32,
    /// On their nodes.
    pub running: u32,
    /// Ended well.
    pub completed: u32,
    /// Ended badly.
    pub failed: u32,
    /// Ended by somebody.
    pub cancelled: u32,
    /// Nothing witnessed their end.
    pub unknown: u32,
}

impl MemberCounts {
    /// How many have ended.
    pub fn ended(&self) -> u32 {
        self.completed + self.failed + self.cancelled + self.unknown
    }

    /// How many have not.
    pub fn open(&self) -> u32 {
        self.pending + self.running
    }
}
