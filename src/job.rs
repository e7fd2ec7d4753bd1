//! The job: what was asked, where it lies, and what is known of it.
//!
//! [`Job`] is plain data. Its status and lifecycle change only in [`state`], by [`state::Fact`]s.

pub mod adoption;
pub mod components;
pub mod discovery;
pub mod info;
pub mod layout;
pub mod members;
pub mod origin;
pub mod results;
pub mod state;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::error::ErrorKind;
use crate::job::members::{MemberCounts, Members};
use crate::job::origin::Origin;
use crate::scheduler::{Array, Exit, Resources, RunPhase, SchedulerId, Source, Tag};
use crate::shell::RemotePath;

/// `<slug of the name>_<time-ordered unique part>`: safe in paths, file names and Slurm.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// Longest slug, so that the id fits comfortably into file names and `squeue`'s name column.
    const SLUG: usize = 32;

    /// Makes an id from the job's name, the time and 80 random bits.
    pub fn new(name: &str, now: Timestamp, random: u128) -> Self {
        let mut slug = String::new();
        for c in name.chars() {
            if slug.len() >= Self::SLUG {
                break;
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_end_matches('-');
        let slug = if slug.is_empty() { "job" } else { slug };
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let unique = Ulid::from_parts(millis, random)
            .to_string()
            .to_ascii_lowercase();
        Self(format!("{slug}_{unique}"))
    }

    /// Parses an id; anything that could not have been made by [`JobId::new`] is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let (slug, unique) = text.rsplit_once('_')?;
        let fits = (1..=Self::SLUG).contains(&slug.len())
            && slug
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !slug.starts_with('-')
            && unique.len() == 26
            && unique
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for JobId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not a job id"))
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

/// One NAMD simulation, from the config in the editor to its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Our id.
    pub id: JobId,
    /// What was asked for, and where it lies.
    pub spec: JobSpec,
    /// When the job was asked for.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
    /// Where it is in its life.
    pub state: JobState,
    /// When it entered its present status.
    pub status_since: Timestamp,
    /// Its attempts, the newest last; empty until the first submit.
    pub attempts: Vec<Attempt>,
    /// The last thing that went wrong, if it still matters.
    pub error: Option<ErrorInfo>,
    /// When cancelling was asked for and has not been settled.
    pub cancel_asked: Option<Timestamp>,
    /// When deleting was asked for.
    pub delete_asked: Option<Timestamp>,
    /// Whether that asked for the files on the cluster, too.
    #[serde(default)]
    pub delete_remote: bool,
    /// When archiving was asked for.
    pub archive_asked: Option<Timestamp>,
    /// The sources do not hold the job although they should.
    pub absence: Option<Absence>,
    /// Who last said something new about the job.
    pub seen: Option<Sighting>,
    /// Where it came from.
    #[serde(default)]
    pub origin: Origin,
    /// Of an array: its members, as far as anything is known of them. Not part of the document, and
    /// empty in lists: see [`members`].
    #[serde(skip)]
    pub members: Members,
}

/// What was asked for, and where it lies. Fixed at creation but for name, labels, resources, launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The user's name for it.
    pub name: String,
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// The NAMD config on this machine, absolute.
    pub config_path: String,
    /// SHA-256 of the config's bytes when it was read, in hex.
    pub config_sha256: String,
    /// The config relative to the top of the uploaded tree, `/`-separated.
    pub config_in_tree: String,
    /// Directories in the tree that the config's output names need.
    pub output_dirs: Vec<String>,
    /// What was uploaded.
    pub files: Vec<JobFile>,
    /// `<project_root>/<jobId>`.
    pub project_dir: RemotePath,
    /// `<scratch_root>/<jobId>`; attempts run in numbered directories below.
    pub scratch_dir: RemotePath,
    /// What it asks of the batch system, defaults filled in.
    pub resources: Resources,
    /// How NAMD is started, if not the cluster's way.
    pub launch: Option<String>,
    /// The members, if it is an array. Fixed at creation: what was uploaded depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<Array>,
    /// The person's own labels.
    pub labels: BTreeMap<String, String>,
    /// The caller's key against creating the same job twice.
    pub idempotency_key: Option<String>,
    /// Steps the config runs in all, where it says so statically.
    pub total_steps: Option<u64>,
    /// In how many segments (`run`, `minimize`), where it says so statically.
    #[serde(default)]
    pub segments: Option<u32>,
}

/// One uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    /// Where it is on this machine, absolute.
    pub local: String,
    /// Where it is in the uploaded tree, `/`-separated.
    pub in_tree: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in hex, of what was uploaded.
    pub sha256: String,
    /// What the config calls it (`structure`, `parameters`, `config`, `sourced`, …).
    pub role: String,
}

/// Where a job is in its life. What is only true in one phase lives in that phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "phase")]
pub enum JobState {
    /// An intent: its files are on their way. Hidden from lists until it is whole.
    Uploading {
        /// Since when.
        since: Timestamp,
        /// The process that uploads, by its instance name: an intent whose owner is gone is swept.
        owner: String,
    },
    /// Complete on the cluster, not submitted.
    Created,
    /// The submission of the newest attempt is on its way: from the moment it is asked for to the
    /// batch system's answer.
    Submitting {
        /// Since when.
        since: Timestamp,
        /// How far it is.
        step: SubmitStep,
    },
    /// In the queue.
    Pending {
        /// The batch system's id.
        id: SchedulerId,
        /// When it was submitted.
        submitted: Timestamp,
        /// A person must release it.
        held: bool,
    },
    /// On its nodes.
    Running {
        /// The batch system's id.
        id: SchedulerId,
        /// When it was submitted.
        submitted: Timestamp,
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

/// How far a submission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SubmitStep {
    /// Asked for; nothing has been sent.
    Asked,
    /// Waiting until somebody logs in to the cluster.
    WaitingForLogin,
    /// The site allows no more jobs of this user now; will be tried again.
    WaitingForRoom,
    /// The command that stages and submits may be running on the cluster: only looking tells.
    Sent,
    /// The answer was lost; it is being looked for.
    Unconfirmed,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// It did what it was asked.
    Completed,
    /// It did not.
    Failed {
        /// Why.
        cause: Cause,
    },
    /// Somebody ended it.
    Cancelled {
        /// Who, in words: `you`, `user 0`, `the system`.
        by: String,
    },
    /// The cluster no longer knows it and nothing witnessed its end.
    Unknown,
}

impl Outcome {
    /// Its status in one word.
    pub fn status(&self) -> Status {
        match self {
            Self::Completed => Status::Completed,
            Self::Failed { .. } => Status::Failed,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::Unknown => Status::Unknown,
        }
    }
}

/// Why a job failed, as its witness tells; advice is derived from it and never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "cause")]
pub enum Cause {
    /// The script ended with a non-zero code.
    ExitCode {
        /// The code, if known.
        code: Option<i32>,
        /// The signal, if one ended it.
        signal: Option<i32>,
    },
    /// Slurm said COMPLETED; the job's own marker says otherwise. Both are named.
    MarkerDisagrees {
        /// The marker's exit code.
        code: i32,
    },
    /// Slurm said COMPLETED; NAMD's log holds a fatal error. Both are named.
    LogDisagrees {
        /// NAMD's words.
        text: String,
    },
    /// The wall-clock limit.
    TimeLimit,
    /// Out of memory.
    OutOfMemory,
    /// A node failed.
    NodeFail,
    /// The nodes could not be booted.
    BootFail,
    /// The deadline passed.
    Deadline,
    /// Preempted and not put back.
    Preempted,
    /// Revoked in favour of a sibling cluster.
    Revoked,
    /// Its processes are gone without a marker.
    Vanished {
        /// What was seen.
        detail: String,
    },
    /// Members of an array failed.
    Members {
        /// How many.
        failed: u32,
        /// Of how many.
        of: u32,
        /// The first of them, by number.
        first: u32,
        /// Why that one failed.
        reason: Box<Cause>,
    },
}

/// One submission of a job and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub n: u32,
    /// Its token.
    pub tag: Tag,
    /// When it was asked for.
    pub asked: Timestamp,
    /// The batch system's id.
    pub id: Option<SchedulerId>,
    /// When the batch system took it.
    pub submitted: Option<Timestamp>,
    /// When it started (last).
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The batch system's last word for its state.
    pub word: Option<String>,
    /// Why it waits, in the batch system's word.
    pub reason: Option<String>,
    /// When the batch system thinks it will start.
    pub estimated_start: Option<Timestamp>,
    /// Exit code and signal.
    pub exit: Option<Exit>,
    /// Its nodes.
    pub nodes: Option<String>,
    /// Its partition.
    pub partition: Option<String>,
    /// Its wall-clock limit in seconds.
    pub time_limit: Option<u64>,
    /// Largest resident memory in bytes.
    pub max_rss: Option<u64>,
    /// How often it was started again under the same id.
    pub restarts: u32,
    /// Its submission left no trace in any source past the grace period. If the person asks again,
    /// a lock without a receipt may be taken over.
    #[serde(default)]
    pub untraced: bool,
    /// How its members stand, if it is an array that the batch system has taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<MemberCounts>,
    /// Its components, if it is a heterogeneous job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<components::Component>,
}

/// What went wrong, kept with the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// The error kind's wire name.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl ErrorInfo {
    /// Makes one.
    pub fn new(
        kind: ErrorKind,
        message: impl Into<String>,
        hint: Option<&str>,
        at: Timestamp,
    ) -> Self {
        Self {
            kind: kind.name().into(),
            message: message.into(),
            hint: hint.map(Into::into),
            at,
        }
    }
}

/// The sources do not hold a job they should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Since when.
    pub since: Timestamp,
    /// In how many whole answers.
    pub answers: u32,
    /// It was last reported preempted, which decides what its absence means.
    pub preempted: bool,
}

/// Who said something new, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// When, by our clock.
    pub at: Timestamp,
    /// Who.
    pub source: Source,
}

/// The one word users know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Made, not in a queue.
    Created,
    /// In the queue.
    Pending,
    /// On its nodes.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended by somebody.
    Cancelled,
    /// The cluster no longer knows it and nothing witnessed its end.
    Unknown,
}

impl Status {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Pending,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The word, upper case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The status of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether nothing more happens by itself.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Unknown
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Job {
    /// A job that has just been asked for.
    pub fn new(id: JobId, spec: JobSpec, state: JobState, now: Timestamp) -> Self {
        Self {
            id,
            spec,
            created_at: now,
            updated_at: now,
            state,
            status_since: now,
            attempts: Vec::new(),
            error: None,
            cancel_asked: None,
            delete_asked: None,
            delete_remote: false,
            archive_asked: None,
            absence: None,
            seen: None,
            origin: Origin::Created,
            members: Members::default(),
        }
    }

    /// The one word users know.
    pub fn status(&self) -> Status {
        match &self.state {
            JobState::Uploading { .. } | JobState::Created | JobState::Submitting { .. } => {
                Status::Created
            }
            JobState::Pending { .. } => Status::Pending,
            JobState::Running { .. } => Status::Running,
            JobState::Ended { outcome, .. } => outcome.status(),
        }
    }

    /// The finer phase, as the wire names it.
    pub fn phase(&self) -> &'static str {
        match &self.state {
            JobState::Uploading { .. } => "uploading",
            JobState::Created => "staged",
            JobState::Submitting { step, .. } => match step {
                SubmitStep::Asked | SubmitStep::Sent => "submitting",
                SubmitStep::WaitingForLogin => "waitingForLogin",
                SubmitStep::WaitingForRoom => "waitingForRoom",
                SubmitStep::Unconfirmed => "unconfirmed",
            },
            JobState::Pending { .. } | JobState::Running { .. } if self.absence.is_some() => {
                "unconfirmed"
            }
            JobState::Pending { held: true, .. } => "held",
            JobState::Pending { .. } => "queued",
            // An array whose members that have started are over, while others wait.
            JobState::Running { .. } if self.has_only_waiting_members() => "queued",
            JobState::Running { run, .. } => match run {
                RunPhase::Starting => "starting",
                RunPhase::Running => "running",
                RunPhase::Suspended => "suspended",
                RunPhase::Finishing => "finishing",
            },
            JobState::Ended { .. } => "settled",
        }
    }

    /// Whether the cluster must be asked about it: it is in the queue, on its nodes, or on its way.
    pub fn is_active(&self) -> bool {
        matches!(
            self.state,
            JobState::Submitting { .. } | JobState::Pending { .. } | JobState::Running { .. }
        )
    }

    fn has_only_waiting_members(&self) -> bool {
        let counts = self.attempt().and_then(|attempt| attempt.members);
        counts.is_some_and(|counts| counts.running == 0 && counts.pending > 0)
    }

    /// How the members of an array stand; all zero but for their number before it is submitted.
    pub fn member_counts(&self) -> Option<MemberCounts> {
        let array = self.spec.array.as_ref()?;
        let counts = self.attempt().and_then(|attempt| attempt.members);
        Some(counts.unwrap_or_else(|| MemberCounts {
            total: u32::try_from(array.members().len()).unwrap_or(u32::MAX),
            ..MemberCounts::default()
        }))
    }

    /// The newest attempt.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The batch system's id of the newest attempt.
    pub fn scheduler_id(&self) -> Option<&SchedulerId> {
        self.attempt().and_then(|attempt| attempt.id.as_ref())
    }

    /// When it ended, if it has.
    pub fn ended(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Ended { ended, .. } => Some(*ended),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_and_time_ordered() {
        let t = |ms| Timestamp::from_millisecond(ms).unwrap();
        let id = JobId::new(
            "Ubiquitin in water, 300 K; $(rm -rf ~)",
            t(1_700_000_000_000),
            7,
        );
        assert!(
            id.as_str().starts_with("ubiquitin-in-water-300-k-rm-rf_"),
            "{id}"
        );
        assert_eq!(JobId::parse(id.as_str()), Some(id));
        assert!(JobId::new("--", t(0), 1).as_str().starts_with("job_"));
        assert!(JobId::new("a", t(1), 9) < JobId::new("a", t(2), 1));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            "",
            "a_b",
            "../../etc_01hf3v8k5w2q0c9m7n4r6t1x8z",
            "A_01hf3v8k5w2q0c9m7n4r6t1x8z",
        ] {
            assert!(JobId::parse(text).is_none(), "{text:?}");
        }
    }
}
