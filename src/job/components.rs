//! The components of a heterogeneous job (`sbatch … : …`): one submission, several sets of resources,
//! each with nodes and an end of its own. They start together; the job's status follows from theirs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::Status;
use crate::scheduler::{End, Exit, Report, Seen};

/// One component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its number, from 0.
    pub number: u32,
    /// Where it is in its life.
    pub status: Status,
    /// The batch system's last word for its state.
    pub word: String,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Exit code and signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Its partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Largest resident memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rss: Option<u64>,
}

impl Component {
    /// As a report has it; what the report does not say stays as it was known.
    fn told(number: u32, report: &Report, known: Option<&Self>) -> Self {
        let status = match &report.state {
            Seen::Waiting { .. } => Status::Pending,
            Seen::Running(_) => Status::Running,
            Seen::Ended(End::Completed) => Status::Completed,
            Seen::Ended(End::Cancelled { .. }) => Status::Cancelled,
            Seen::Ended(_) => Status::Failed,
            Seen::Other => known.map_or(Status::Pending, |known| known.status),
        };
        // One that waits has no nodes; the start that is told then is an estimate.
        let known = known.filter(|_| status != Status::Pending);
        let told = Some(report).filter(|_| status != Status::Pending);
        Self {
            number,
            status,
            word: report.word.clone(),
            started: told
                .and_then(|told| told.started)
                .or_else(|| known?.started),
            ended: told
                .and_then(|told| told.ended)
                .filter(|_| status.is_terminal()),
            exit: told.and_then(|told| told.exit).or_else(|| known?.exit),
            nodes: told
                .and_then(|told| told.nodes.clone())
                .or_else(|| known?.nodes.clone()),
            partition: report
                .partition
                .clone()
                .or_else(|| known?.partition.clone()),
            max_rss: report.max_rss.or_else(|| known?.max_rss),
        }
    }
}

/// The components as one look has them: the witness is believed, others fill what it does not say.
pub(super) fn merged(known: &[Component], witness: &Report, others: &[Report]) -> Vec<Component> {
    let find = |number| {
        known
            .iter()
            .find(|known: &&Component| known.number == number)
    };
    let mut all: Vec<Component> = witness
        .components
        .iter()
        .map(|(number, told)| {
            let mut one = Component::told(*number, told, find(*number));
            let others = others.iter().flat_map(|other| &other.components);
            for (_, other) in others.filter(|(other, _)| other == number) {
                if one.status.is_terminal() && matches!(other.state, Seen::Ended(_)) {
                    one.exit = one.exit.or(other.exit);
                    one.ended = one.ended.or(other.ended);
                }
                one.max_rss = one.max_rss.or(other.max_rss);
            }
            one
        })
        .collect();
    for one in known {
        if all.iter().all(|other| other.number != one.number) {
            all.push(one.clone());
        }
    }
    all.sort_by_key(|one| one.number);
    all
}
