//! The only transition table: a [`Fact`] applied to a [`Job`] gives a [`Change`], or a refusal.
//!
//! Pure: the time comes in. Facts that bring no news give no change, so nothing is written for them.

mod look;
mod members;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::job::members::Members;
use crate::job::{Attempt, Cause, ErrorInfo, Job, JobState, Outcome, Sighting, Status, SubmitStep};
use crate::scheduler::{MemberSet, MembersSeen, Report, Resources, SchedulerId, Source, Tag};

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Its directory and files are whole on the cluster.
    Uploaded {
        /// SHA-256 of what was sent, by path in the tree.
        sha256: BTreeMap<String, String>,
    },
    /// The person asked for a submission; the tag is for the new attempt, if one is made.
    SubmitAsked {
        /// A fresh token.
        tag: Tag,
    },
    /// The submission goes no further until something else happens.
    SubmitWaits {
        /// What it waits for.
        step: SubmitStep,
        /// Why, for the person.
        error: ErrorInfo,
    },
    /// The submitting command is about to be run: the intent, before the effect.
    SubmitSent,
    /// The batch system took it.
    Submitted {
        /// Its id.
        id: SchedulerId,
        /// When, by the cluster's clock if it said so.
        at: Timestamp,
        /// Who says so.
        source: Source,
        /// The raw line.
        evidence: String,
    },
    /// The submission did not happen and will not: refused, not staged, or withdrawn.
    NotSubmitted {
        /// Why. None when the person withdrew it.
        error: Option<ErrorInfo>,
    },
    /// One tick's knowledge of the job.
    Seen {
        /// What the sources said, at most one report each.
        reports: Vec<Report>,
        /// A whole answer of the queue did not hold the job.
        absent: bool,
        /// When absence becomes UNKNOWN.
        rule: AbsenceRule,
    },
    /// NAMD's log, read to its end, holds a fatal error.
    LogSpoke {
        /// The attempt whose log it is.
        attempt: u32,
        /// NAMD's words.
        text: String,
        /// The line in its log.
        line: u64,
    },
    /// One tick's knowledge of an array's members.
    MembersSeen {
        /// What was said of which.
        seen: Vec<MembersSeen>,
        /// When absence becomes UNKNOWN.
        rule: AbsenceRule,
    },
    /// The person asked to cancel.
    CancelAsked,
    /// The person asked to cancel some members of an array.
    CancelMembersAsked {
        /// Which.
        members: MemberSet,
    },
    /// Cancelling did not work.
    CancelFailed {
        /// Why.
        error: ErrorInfo,
    },
    /// Something went wrong that the person should see; nothing else changes.
    Noted {
        /// What.
        error: ErrorInfo,
    },
    /// The person asked to delete.
    DeleteAsked {
        /// The files on the cluster, too.
        remote_files: bool,
    },
    /// Deleting was given up.
    DeleteWithdrawn,
    /// The person changed what may be changed.
    Updated {
        /// A new name.
        name: Option<String>,
        /// New labels, replacing the old.
        labels: Option<BTreeMap<String, String>>,
        /// New resources, replacing the old.
        resources: Option<Resources>,
        /// A new way to start NAMD.
        launch: Option<String>,
    },
}

/// When the absence of a job in whole answers becomes UNKNOWN: both must be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsenceRule {
    /// Whole answers without the job.
    pub answers: u32,
    /// Seconds since the first of them.
    pub seconds: i64,
}

impl Default for AbsenceRule {
    fn default() -> Self {
        Self {
            answers: 3,
            seconds: 600,
        }
    }
}

/// A change to be committed: the job as it is now, and the history row that tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The job after the change.
    pub job: Job,
    /// Its status before; none for a new job.
    pub from: Option<Status>,
    /// Its status after.
    pub to: Status,
    /// Its finer phase after.
    pub phase: &'static str,
    /// When, by our clock.
    pub at: Timestamp,
    /// Who witnessed it.
    pub source: Source,
    /// The raw line that witnesses it, or a few words.
    pub evidence: Option<String>,
    /// Seconds spent in the status before.
    pub seconds_in_from: i64,
}

/// A fact that does not fit the job's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// Why, as a full sentence for the person.
    pub why: String,
    /// What to do.
    pub hint: String,
}

fn refused(why: impl Into<String>, hint: &str) -> Refused {
    Refused {
        why: why.into(),
        hint: hint.into(),
    }
}

impl Job {
    /// The change that makes a new job known to the store.
    pub fn introduced(self) -> Change {
        self.introduced_by(Source::User, None)
    }

    /// The same for a job that was not made here.
    pub fn introduced_by(self, source: Source, evidence: Option<String>) -> Change {
        Change {
            from: None,
            to: self.status(),
            phase: self.phase(),
            at: self.created_at,
            source,
            evidence,
            seconds_in_from: 0,
            job: self,
        }
    }

    /// Applies a fact. `Ok(None)`: nothing new.
    pub fn apply(&self, fact: &Fact, now: Timestamp) -> Result<Option<Change>, Refused> {
        let mut job = self.clone();
        let (source, evidence) = match fact {
            Fact::Uploaded { sha256 } => {
                let JobState::Uploading { .. } = job.state else {
                    return Ok(None);
                };
                for file in &mut job.spec.files {
                    if let Some(sum) = sha256.get(&file.in_tree) {
                        file.sha256.clone_from(sum);
                    }
                }
                job.state = JobState::Created;
                (Source::Local, None)
            }
            Fact::SubmitAsked { tag } => {
                job.ask_submit(tag, now)?;
                (Source::User, None)
            }
            Fact::SubmitWaits { step, error } => {
                let JobState::Submitting {
                    since,
                    step: before,
                } = job.state
                else {
                    return Ok(None);
                };
                // Said again at every look; the words may hold an age.
                let known = job.error.as_ref().map(|known| &known.kind);
                if before == *step && known == Some(&error.kind) {
                    return Ok(None);
                }
                job.state = JobState::Submitting { since, step: *step };
                job.error = Some(error.clone());
                if let (SubmitStep::Unconfirmed, Some(attempt)) = (step, job.attempts.last_mut()) {
                    attempt.untraced = true;
                }
                (Source::Local, Some(error.message.clone()))
            }
            Fact::SubmitSent => {
                let JobState::Submitting { since, .. } = job.state else {
                    return Err(refused(
                        format!("Job {} is no longer waiting to be submitted.", job.id),
                        "Look at its status; submit it again if that is still wanted.",
                    ));
                };
                if job.cancel_asked.is_some() {
                    return Err(refused(
                        format!("Job {} was cancelled before it was submitted.", job.id),
                        "Submit it again if that is still wanted.",
                    ));
                }
                job.state = JobState::Submitting {
                    since,
                    step: SubmitStep::Sent,
                };
                job.error = None;
                (Source::Local, None)
            }
            Fact::Submitted {
                id,
                at,
                source,
                evidence,
            } => {
                let JobState::Submitting { .. } = job.state else {
                    return Ok(None);
                };
                if let Some(attempt) = job.attempts.last_mut() {
                    attempt.id = Some(id.clone());
                    attempt.submitted = Some(*at);
                }
                if let (Some(array), Some(attempt)) = (&job.spec.array, job.attempts.last_mut()) {
                    attempt.members = Some(job.members.count(array));
                }
                job.state = JobState::Pending {
                    id: id.clone(),
                    submitted: *at,
                    held: false,
                };
                job.error = None;
                (*source, Some(evidence.clone()))
            }
            Fact::NotSubmitted { error } => {
                let JobState::Submitting { step, .. } = job.state else {
                    return Ok(None);
                };
                // Another step (of another process, even) may have sent it since the person was
                // told that it could be withdrawn.
                if error.is_none() && step == SubmitStep::Sent {
                    return Err(refused(
                        format!("The submission of job {} has just been sent.", job.id),
                        "Wait for the batch system's answer. If cancelling was asked for, it happens then.",
                    ));
                }
                job.unsubmit();
                job.error.clone_from(error);
                job.cancel_asked = None;
                (
                    Source::Local,
                    error.as_ref().map(|error| error.message.clone()),
                )
            }
            Fact::Seen {
                reports,
                absent,
                rule,
            } => match job.see(reports, *absent, *rule, now) {
                Some(news) => (news.0, Some(news.1)),
                None => return Ok(None),
            },
            // Positive evidence against Slurm's COMPLETED; of any other end it tells nothing new here.
            Fact::LogSpoke {
                attempt,
                text,
                line,
            } => {
                let newest = job
                    .attempts
                    .last_mut()
                    .filter(|newest| newest.n == *attempt);
                let (JobState::Ended { outcome, .. }, Some(newest)) = (&mut job.state, newest)
                else {
                    return Ok(None);
                };
                if *outcome != Outcome::Completed {
                    return Ok(None);
                }
                *outcome = Outcome::Failed {
                    cause: Cause::LogDisagrees { text: text.clone() },
                };
                newest.outcome = Some(outcome.clone());
                let said = newest.word.as_deref().unwrap_or("COMPLETED");
                let evidence =
                    format!("batch system: {said} · log, line {line}: FATAL ERROR: {text}");
                (Source::Log, Some(evidence))
            }
            Fact::MembersSeen { seen, rule } => match job.see_members(seen, *rule, now) {
                Some(news) => (news.0, Some(news.1)),
                None => return Ok(None),
            },
            Fact::CancelMembersAsked { members } => {
                let lives = matches!(
                    job.state,
                    JobState::Pending { .. } | JobState::Running { .. }
                );
                if !lives || job.ask_to_cancel(members, now) == 0 {
                    return Ok(None);
                }
                let said = format!("cancel asked for members {members}");
                (Source::User, Some(said))
            }
            Fact::CancelAsked => {
                if !job.is_active() || job.cancel_asked.is_some() {
                    return Ok(None);
                }
                job.cancel_asked = Some(now);
                (Source::User, Some("cancel asked".to_owned()))
            }
            Fact::CancelFailed { error } => {
                // The job's end may have come first.
                if job.cancel_asked.is_none() {
                    return Ok(None);
                }
                job.cancel_asked = None;
                job.error = Some(error.clone());
                (Source::Local, Some(error.message.clone()))
            }
            Fact::Noted { error } => {
                if job
                    .error
                    .as_ref()
                    .is_some_and(|known| known.message == error.message)
                {
                    return Ok(None);
                }
                job.error = Some(error.clone());
                (Source::Local, Some(error.message.clone()))
            }
            Fact::DeleteWithdrawn => {
                job.delete_asked = None;
                job.delete_remote = false;
                (Source::Local, Some("delete withdrawn".to_owned()))
            }
            Fact::DeleteAsked { remote_files } => {
                job.delete_remote |= *remote_files;
                job.delete_asked = job.delete_asked.or(Some(now));
                (Source::User, Some("delete asked".to_owned()))
            }
            Fact::Updated {
                name,
                labels,
                resources,
                launch,
            } => {
                let label_only = resources.is_none() && launch.is_none();
                if job.is_active() && !label_only {
                    return Err(refused(
                        format!(
                            "Job {} is {}: what it asks of the cluster cannot be changed now.",
                            job.id,
                            job.status()
                        ),
                        "Change it before it is submitted or after it has ended. Name and labels may always change.",
                    ));
                }
                let spec = &mut job.spec;
                if let Some(name) = name {
                    spec.name.clone_from(name);
                }
                if let Some(labels) = labels {
                    spec.labels.clone_from(labels);
                }
                if let Some(resources) = resources {
                    spec.resources.clone_from(resources);
                }
                if let Some(launch) = launch {
                    spec.launch = Some(launch.clone());
                }
                (Source::User, Some("updated".to_owned()))
            }
        };
        Ok(self.changed_to(job, now, source, evidence))
    }

    /// The change from this job to `job`, or none when they are equal.
    fn changed_to(
        &self,
        mut job: Self,
        now: Timestamp,
        source: Source,
        evidence: Option<String>,
    ) -> Option<Change> {
        if *self == job {
            return None;
        }
        // A clock that is set back does not turn the order of what happened.
        let now = now.max(self.updated_at);
        let (from, to) = (self.status(), job.status());
        job.updated_at = now;
        job.seen = Some(Sighting { at: now, source });
        if from != to {
            job.status_since = now;
        }
        Some(Change {
            from: Some(from),
            to,
            phase: job.phase(),
            at: now,
            source,
            evidence,
            seconds_in_from: now.duration_since(self.status_since).as_secs().max(0),
            job,
        })
    }

    fn ask_submit(&mut self, tag: &Tag, now: Timestamp) -> Result<(), Refused> {
        if self.origin.is_adopted() && !self.attempts.is_empty() {
            return Err(refused(
                format!(
                    "Job {} was submitted by hand: its inputs are not kept here.",
                    self.id
                ),
                "Create a job from its NAMD config and submit that.",
            ));
        }
        match &self.state {
            JobState::Uploading { .. } => {
                return Err(refused(
                    format!("Job {} is still being uploaded.", self.id),
                    "Wait until createJob has answered.",
                ));
            }
            // The same attempt, token, lock and receipt: a first copy that starts late stops itself.
            JobState::Submitting {
                step: SubmitStep::Unconfirmed,
                ..
            } => {}
            JobState::Submitting { .. } | JobState::Pending { .. } | JobState::Running { .. } => {
                return Err(refused(
                    format!(
                        "Job {} is already {} ({}).",
                        self.id,
                        self.status(),
                        self.phase()
                    ),
                    "Wait for its end, or cancel it first.",
                ));
            }
            JobState::Created | JobState::Ended { .. } => {
                let n = self.attempts.last().map_or(1, |attempt| attempt.n + 1);
                self.attempts.push(Attempt::new(n, tag.clone(), now));
                self.members = Members::default();
            }
        }
        if self.delete_asked.is_some() {
            return Err(refused(
                format!("Job {} is being deleted.", self.id),
                "Create a new job from the config.",
            ));
        }
        self.state = JobState::Submitting {
            since: now,
            step: SubmitStep::Asked,
        };
        self.error = None;
        self.cancel_asked = None;
        self.absence = None;
        Ok(())
    }

    /// Takes back an attempt that never reached the batch system.
    fn unsubmit(&mut self) {
        self.attempts.pop();
        let earlier = self.attempts.last();
        self.state = match earlier.and_then(|a| Some((a.outcome.clone()?, a.ended?))) {
            Some((outcome, ended)) => JobState::Ended { outcome, ended },
            None => JobState::Created,
        };
    }
}

impl Attempt {
    /// A new attempt, just asked for.
    pub fn new(n: u32, tag: Tag, asked: Timestamp) -> Self {
        Self {
            n,
            tag,
            asked,
            id: None,
            submitted: None,
            started: None,
            ended: None,
            outcome: None,
            word: None,
            reason: None,
            estimated_start: None,
            exit: None,
            nodes: None,
            partition: None,
            time_limit: None,
            max_rss: None,
            restarts: 0,
            components: Vec::new(),
            untraced: false,
            members: None,
        }
    }
}

#[cfg(test)]
mod tests;
