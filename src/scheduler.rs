//! What a batch system is to us: pairs of "the command to run" and "what its answer means".
//!
//! Nothing here runs anything or sees a transport. Two implementations: [`slurm`] and, for machines
//! without a batch system, [`direct`].

pub mod array;
mod body;
mod control;
pub mod direct;
#[cfg(test)]
mod fake;
mod frame;
mod handmade;
#[cfg(test)]
mod script_tests;
pub mod slurm;
mod stage;
pub mod survey;
pub mod tail;
mod trace;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use array::{Array, BadArray, MemberSet};

use crate::shell::{Command, Output, RemotePath};
use survey::{Survey, SurveyAsk};

pub use handmade::{HandMade, NotFound};

/// The pairs. Each `parse_*` takes the output of the command the method before it made.
pub trait Scheduler: Send + Sync {
    /// The job script of one attempt: readable, commented, with what was asked and nothing else.
    fn script(&self, launch: &Launch) -> String;

    /// The submission, to be run in the attempt's control directory after it has been staged.
    /// Repeating it returns the first answer: it takes a lock there and leaves a receipt.
    fn submit(&self, launch: &Launch) -> Command;
    /// Sorts the answer: accepted, rejected with Slurm's reason, or unknown.
    fn parse_submit(&self, output: &Output) -> Submitted;

    /// One command that looks at every watched job, in one round trip.
    fn query(&self, watch: &Watch) -> Command;
    /// What the answer says, source by source. Never fails: what is not whole says nothing.
    fn parse_query(&self, watch: &Watch, output: &Output) -> Query;

    /// Looks for attempts whose submission has no known outcome; answered like a query.
    fn find(&self, lost: &[LostAttempt]) -> Command;
    /// What was found of each attempt, in the order asked.
    fn parse_find(&self, lost: &[LostAttempt], output: &Output) -> Vec<FoundAttempt>;

    /// Where the job script's own output goes, relative to the attempt's working directory.
    fn output_name(&self, work_dir: &RemotePath, id: &SchedulerId) -> String;

    /// Cancels a job (or some members of an array). A job that is gone already is not an error.
    fn cancel(&self, targets: &[CancelTarget]) -> Command;
    /// Whether the batch system took the cancellation.
    fn parse_cancel(&self, output: &Output) -> Result<(), String>;

    /// One command that lists what there is: the job directories below both roots, and the person's
    /// whole queue.
    fn survey(&self, ask: &SurveyAsk) -> Command;
    /// What the answer says. Never fails: what is not whole is said to be so.
    fn parse_survey(&self, ask: &SurveyAsk, output: &Output) -> Survey;

    /// Looks at one job that was submitted by hand. None where there is no batch system to ask.
    fn hand_made(&self, id: &SchedulerId, setup: &[String]) -> Option<Command>;
    /// What is known of it.
    fn parse_hand_made(&self, id: &SchedulerId, output: &Output) -> Result<HandMade, NotFound>;
}

/// A batch system's id for a job, parsed; nothing else reaches a command line.
///
/// Slurm prints `N`, `N_M` (array member), `N_[3-9%2]` (members not yet started), `N+K` (component
/// of a heterogeneous job), each with `;cluster` in a federation (squeue(1) `%i`, sbatch(1)
/// `--parsable`). For the direct scheduler it is the wrapper's process id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SchedulerId {
    /// The job's number.
    pub base: u64,
    /// Which part of it.
    pub part: IdPart,
    /// The cluster of a federation, if named.
    pub cluster: Option<String>,
}

/// Which part of a job an id names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdPart {
    /// The whole job.
    Whole,
    /// One array member.
    Member(u32),
    /// The members that have not started, as Slurm prints them between brackets.
    Waiting(String),
    /// A component of a heterogeneous job.
    Component(u32),
}

/// A text that is not a scheduler id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a job id of the batch system")]
pub struct BadId(pub String);

impl SchedulerId {
    /// The id of a whole job.
    pub fn whole(base: u64) -> Self {
        Self {
            base,
            part: IdPart::Whole,
            cluster: None,
        }
    }

    /// Parses what Slurm prints.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let bad = || BadId(text.to_owned());
        let (id, cluster) = match text.trim().split_once(';') {
            Some((id, cluster)) => (id, Some(cluster.to_owned())),
            None => (text.trim(), None),
        };
        let plain_name = |name: &String| {
            !name.is_empty()
                && !name.starts_with('-')
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        if cluster.as_ref().is_some_and(|name| !plain_name(name)) {
            return Err(bad());
        }
        let number = |digits: &str| -> Option<u64> {
            (digits.len() <= 19 && digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| digits.parse().ok())
                .flatten()
        };
        let small = |digits: &str| number(digits).and_then(|n| u32::try_from(n).ok());
        let (base, part) = if let Some((base, rest)) = id.split_once('_') {
            let part = if let Some(list) = rest.strip_prefix('[').and_then(|l| l.strip_suffix(']'))
            {
                if !list
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b"-,:%.".contains(&b))
                {
                    return Err(bad());
                }
                IdPart::Waiting(list.to_owned())
            } else {
                IdPart::Member(small(rest).ok_or_else(bad)?)
            };
            (base, part)
        } else if let Some((base, rest)) = id.split_once('+') {
            (base, IdPart::Component(small(rest).ok_or_else(bad)?))
        } else {
            (id, IdPart::Whole)
        };
        Ok(Self {
            base: number(base).ok_or_else(bad)?,
            part,
            cluster,
        })
    }
}

impl fmt::Display for SchedulerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base)?;
        match &self.part {
            IdPart::Whole => {}
            IdPart::Member(n) => write!(f, "_{n}")?,
            IdPart::Waiting(list) => write!(f, "_[{list}]")?,
            IdPart::Component(n) => write!(f, "+{n}")?,
        }
        self.cluster
            .as_ref()
            .map_or(Ok(()), |cluster| write!(f, ";{cluster}"))
    }
}

impl TryFrom<String> for SchedulerId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        Self::parse(&text)
    }
}

impl From<SchedulerId> for String {
    fn from(id: SchedulerId) -> Self {
        id.to_string()
    }
}

/// The random token of one attempt: in Slurm's comment, the receipt, the script and the end marker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// Takes 8 to 40 lower-case letters and digits; anything else is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (8..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Tag {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or(text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

/// What a job asks of the batch system. Absent means: the cluster's own default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Nodes (`--nodes`).
    pub nodes: Option<u32>,
    /// Tasks (`--ntasks`).
    pub ntasks: Option<u32>,
    /// Cores for each task (`--cpus-per-task`).
    pub cpus_per_task: Option<u32>,
    /// Memory per node as Slurm writes it: `4G`, `512M` (`--mem`).
    pub memory: Option<String>,
    /// Wall-clock limit in seconds (`--time`).
    pub walltime: Option<u64>,
    /// Partition (`--partition`).
    pub partition: Option<String>,
    /// Quality of service (`--qos`).
    pub qos: Option<String>,
    /// Account (`--account`).
    pub account: Option<String>,
    /// Generic resources, `gpu:1` (`--gres`).
    pub gres: Option<String>,
    /// Node features (`--constraint`).
    pub constraint: Option<String>,
    /// Further sbatch options, each as on the command line: `--mail-type=END`.
    pub extra: Vec<String>,
}

impl Resources {
    /// These resources, with what is absent taken from `defaults`.
    #[must_use]
    pub fn or(self, defaults: &Self) -> Self {
        let d = defaults.clone();
        Self {
            nodes: self.nodes.or(d.nodes),
            ntasks: self.ntasks.or(d.ntasks),
            cpus_per_task: self.cpus_per_task.or(d.cpus_per_task),
            memory: self.memory.or(d.memory),
            walltime: self.walltime.or(d.walltime),
            partition: self.partition.or(d.partition),
            qos: self.qos.or(d.qos),
            account: self.account.or(d.account),
            gres: self.gres.or(d.gres),
            constraint: self.constraint.or(d.constraint),
            extra: if self.extra.is_empty() {
                d.extra
            } else {
                self.extra
            },
        }
    }
}

/// Everything the script and the submission of one attempt are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Our job id, safe in paths and in Slurm.
    pub job_id: String,
    /// The user's name for the job, free text.
    pub job_name: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The attempt's token.
    pub tag: Tag,
    /// `<project_root>/<jobId>`: where the inputs are kept.
    pub project_dir: RemotePath,
    /// `<scratch_root>/<jobId>/<n>`: where NAMD runs. `.namdrunner/` in it is the control directory.
    pub work_dir: RemotePath,
    /// The NAMD config, relative to `work_dir`.
    pub config: String,
    /// NAMD's log, relative to `work_dir`.
    pub log: String,
    /// Directories, relative to `work_dir`, that the config's output names need.
    pub output_dirs: Vec<String>,
    /// What it asks of the batch system.
    pub resources: Resources,
    /// Shell lines run in the script before NAMD (`module load namd/3.0`).
    pub setup: Vec<String>,
    /// Shell lines run before Slurm's commands (`module load slurm`).
    pub slurm_setup: Vec<String>,
    /// The members, if it is an array. Each runs in a tree of its own, `<work_dir>/<member>`, which it
    /// makes when it starts; the control directory of `work_dir` itself is the attempt's.
    pub array: Option<Array>,
    /// How NAMD is started: a shell command with `{config}`, `{log}`, `{cores}`, `{ntasks}`,
    /// `{nodes}`, and in an array `{index}`.
    pub command: String,
    /// Whether Slurm may start the job again by itself (`--requeue`); a rerun from step 0
    /// overwrites restart files, so the default is no.
    pub requeue: bool,
    /// How many jobs the direct scheduler runs at once on the machine.
    pub max_running: u32,
    /// What is asked, one line of JSON: kept in the project directory, beside the receipt, for those
    /// who find the job there.
    pub asked: String,
    /// The person asks again for an attempt whose first submission left no trace in any source: a
    /// lock without a receipt is taken over, unless its holder is alive. Otherwise it stays.
    pub take_over: bool,
}

/// How a submission ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The batch system has the job under this id.
    Accepted {
        /// Its id.
        id: SchedulerId,
        /// When, by the cluster's clock, if it said so.
        at: Option<Timestamp>,
        /// Whether an earlier submission of the same attempt had been accepted and this is its id.
        repeated: bool,
        /// The raw line.
        evidence: String,
    },
    /// The batch system refused, and said why.
    Rejected {
        /// Its words.
        reason: String,
        /// The site allows no more jobs of this user now: to be tried again later, not a failure.
        no_room: bool,
    },
    /// The batch system did not answer before it was asked: it has no job of this attempt.
    NotReached {
        /// Its commands' words.
        reason: String,
    },
    /// Staging on the cluster failed before the batch system was asked.
    NotStaged {
        /// What failed.
        reason: String,
        /// A disk or quota is full.
        quota: bool,
    },
    /// It may or may not have been accepted: look before anything else is done.
    Unknown {
        /// What was seen.
        detail: String,
    },
}

/// The jobs one query looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// The jobs.
    pub jobs: Vec<Watched>,
    /// Shell lines run before Slurm's commands.
    pub slurm_setup: Vec<String>,
    /// A random word that frames the parts of the answer.
    pub nonce: String,
}

/// One watched job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The batch system's id.
    pub id: SchedulerId,
    /// The attempt's working directory: identity of the job against recycled ids.
    pub work_dir: RemotePath,
    /// The attempt's token.
    pub tag: Tag,
    /// When it was submitted, by the cluster's clock.
    pub submitted: Timestamp,
    /// It has ended; it is only of interest if the queue holds it again.
    pub settled: bool,
    /// Of an array: the members that have not ended. None: it is no array.
    pub open: Option<MemberSet>,
}

/// Where a piece of knowledge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Decided on this machine.
    Local,
    /// The queue.
    Squeue,
    /// The accounting records.
    Sacct,
    /// The marker files the job's own script leaves.
    Marker,
    /// NAMD's log, or what the batch system wrote into the job's own output.
    Log,
    /// The person.
    User,
    /// What the job left in its directories on the cluster.
    Discovered,
}

impl Source {
    /// The wire's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Squeue => "squeue",
            Self::Sacct => "sacct",
            Self::Marker => "marker",
            Self::Log => "log",
            Self::User => "user",
            Self::Discovered => "discovered",
        }
    }
}

/// How one source answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum SourceHealth {
    /// It was not asked.
    #[default]
    NotAsked,
    /// It answered whole.
    Ok,
    /// It does not exist on this cluster (no sacct, accounting disabled).
    Absent {
        /// What was seen.
        why: String,
    },
    /// It failed this time, or its answer was not whole.
    Failed {
        /// Its exit code, if it ran.
        exit: Option<i32>,
        /// The first line of its error output, or what was wrong with the answer.
        why: String,
    },
}

impl SourceHealth {
    /// Whether its silence about a job means anything.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }
}

/// What a query found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// The cluster's clock when it answered.
    pub remote_now: Option<Timestamp>,
    /// The queue's health. Only when it is `Ok` does a missing job count as missing.
    pub squeue: SourceHealth,
    /// The accounting's health.
    pub sacct: SourceHealth,
    /// The markers' health.
    pub marker: SourceHealth,
    /// How long the queue took to answer, in milliseconds, measured on the cluster, if known.
    pub squeue_ms: Option<u64>,
    /// What was said about watched jobs that are no arrays, at most one per job and source.
    pub reports: Vec<Report>,
    /// What was said about members of watched arrays, each member at most once.
    pub members: Vec<MembersSeen>,
    /// Watched jobs, arrays aside, that a whole answer of the queue did not hold.
    pub absent: Vec<SchedulerId>,
    /// Lines that could not be understood, for the log.
    pub odd_lines: Vec<String>,
}

/// What one look says of some members of an array: the same of each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersSeen {
    /// The watched array's id.
    pub id: SchedulerId,
    /// The members.
    pub members: MemberSet,
    /// What the sources said, at most one report each; they carry the array's id.
    pub reports: Vec<Report>,
    /// A whole answer of the queue did not hold them.
    pub absent: bool,
    /// The accounting answered whole and has no record of them. Slurm keeps none, and forgets at
    /// once, of members that are cancelled while they wait and others do not (observed on 22.05).
    pub unrecorded: bool,
}

/// What one source said about one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The watched job's id.
    pub id: SchedulerId,
    /// Who says so.
    pub source: Source,
    /// The state, as understood.
    pub state: Seen,
    /// The batch system's own word for it (`PENDING`, `CANCELLED by 1000`).
    pub word: String,
    /// Why it waits, in the batch system's word (`Priority`), or why it ended.
    pub reason: Option<String>,
    /// When it was submitted (or last requeued).
    pub submitted: Option<Timestamp>,
    /// When it started, or will by the batch system's estimate.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Exit code and signal.
    pub exit: Option<Exit>,
    /// Nodes, as the batch system writes them (`c[1-3]`).
    pub nodes: Option<String>,
    /// The partition.
    pub partition: Option<String>,
    /// Wall-clock limit in seconds.
    pub time_limit: Option<u64>,
    /// Largest resident memory of a step, in bytes.
    pub max_rss: Option<u64>,
    /// How often it was started again.
    pub restarts: Option<u32>,
    /// What the same source said of each component of a heterogeneous job, by number.
    pub components: Vec<(u32, Self)>,
    /// The raw line.
    pub evidence: String,
}

impl Report {
    /// A report of what the queue, the records or the marker of this job say, taken from elsewhere
    /// than a look at it.
    pub fn told(id: &SchedulerId, source: Source, state: Seen, word: &str, evidence: &str) -> Self {
        Self {
            id: id.clone(),
            source,
            state,
            word: word.to_owned(),
            reason: None,
            submitted: None,
            started: None,
            ended: None,
            exit: None,
            nodes: None,
            partition: None,
            time_limit: None,
            max_rss: None,
            restarts: None,
            components: Vec::new(),
            evidence: evidence.to_owned(),
        }
    }

    /// A report that says nothing yet.
    fn bare(job: &Watched, source: Source, evidence: &str) -> Self {
        Self::told(&job.id, source, Seen::Other, "", evidence)
    }
}

/// How a job's script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code.
    pub code: i32,
    /// Signal that ended it, or 0.
    pub signal: i32,
}

/// What a state word means to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It waits. `held`: a person must release it.
    Waiting {
        /// A person must release it.
        held: bool,
        /// It ran before and was put back.
        requeued: bool,
    },
    /// It has (or is getting, or giving back) its nodes.
    Running(RunPhase),
    /// It has ended.
    Ended(End),
    /// A word we do not know: the last status stays, the word is shown.
    Other,
}

/// The finer truth of "running".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunPhase {
    /// Nodes are being made ready (CONFIGURING, `STAGE_IN`).
    Starting,
    /// It runs.
    Running,
    /// It is stopped and keeps its nodes (SUSPENDED, STOPPED).
    Suspended,
    /// Its processes are being ended or its files staged out (COMPLETING, `STAGE_OUT`). It may still
    /// turn into a requeue.
    Finishing,
}

/// How a job ended, by the batch system or by its marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Exit code 0.
    Completed,
    /// A non-zero exit code.
    Failed,
    /// Cancelled, by a user id if the batch system names one.
    Cancelled {
        /// The user id.
        by_uid: Option<u32>,
    },
    /// The wall-clock limit.
    TimeLimit,
    /// Out of memory.
    OutOfMemory,
    /// A node failed.
    NodeFail,
    /// The job could not be started on its nodes.
    BootFail,
    /// The deadline passed.
    Deadline,
    /// Preempted by another job. Usually put back under the same id: an end only after absence.
    Preempted,
    /// Revoked in favour of a sibling cluster.
    Revoked,
    /// The processes are gone without a marker (direct scheduler): killed, or the machine rebooted.
    Vanished {
        /// What was seen.
        detail: String,
    },
}

/// An attempt whose submission has no known outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostAttempt {
    /// Its token.
    pub tag: Tag,
    /// Its working directory.
    pub work_dir: RemotePath,
    /// When the submission was sent, by our clock.
    pub since: Timestamp,
    /// Shell lines run before Slurm's commands.
    pub slurm_setup: Vec<String>,
}

/// What was found of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundAttempt {
    /// The batch system has it.
    Job {
        /// Its id.
        id: SchedulerId,
        /// Who says so.
        source: Source,
        /// The raw line.
        evidence: String,
    },
    /// Every source answered whole, and none has a trace: no lock, no receipt, no job.
    Nothing {
        /// Whether the submission's lock exists: then it may still be on its way.
        locked: bool,
    },
    /// Some source did not answer: nothing can be said.
    Unanswered {
        /// What failed.
        why: String,
    },
}

/// What a cancellation names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelTarget {
    /// The batch system's id.
    pub id: SchedulerId,
    /// The attempt's working directory.
    pub work_dir: RemotePath,
    /// The attempt's token.
    pub tag: Tag,
    /// Shell lines run before Slurm's commands.
    pub slurm_setup: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_slurm_prints_them() {
        for text in [
            "1018",
            "3_7",
            "3_[3-4%2]",
            "10+0",
            "12;blue",
            "3_[0,2-9:2%4]",
        ] {
            assert_eq!(SchedulerId::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(SchedulerId::parse(" 42\n").unwrap(), SchedulerId::whole(42));
    }

    #[test]
    fn nothing_else_is_an_id() {
        for text in [
            "", "-1", "12a", "1;", "1;a b", "1_", "1_[a]", "1+", "$(id)", "--all", "1 2",
        ] {
            assert!(SchedulerId::parse(text).is_err(), "{text:?}");
        }
    }
}
