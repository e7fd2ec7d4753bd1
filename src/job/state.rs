//! The only transition table: a [`Fact`] applied to a [`Job`] gives a [`Change`], or a refusal.
//!
//! Pure: the time comes in. Facts that bring no news give no change, so nothing is written for them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::job::{
    Absence, Attempt, Cause, ErrorInfo, Job, JobState, Outcome, Sighting, Status, SubmitStep,
};
use crate::scheduler::{End, Report, Resources, RunPhase, SchedulerId, Seen, Source, Tag};

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
    /// The person asked to cancel.
    CancelAsked,
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

/// Who cancelled, when no source names anybody.
const SOMEBODY: &str = "somebody else";

/// Takes over a value that was reported.
fn replace<T: Clone>(known: &mut Option<T>, said: Option<&T>) {
    if said.is_some() {
        *known = said.cloned();
    }
}

/// Takes over a value that was reported, if none is known.
fn fill<T: Clone>(known: &mut Option<T>, said: Option<&T>) {
    if known.is_none() {
        *known = said.cloned();
    }
}

impl Job {
    /// The change that makes a new job known to the store.
    pub fn introduced(self) -> Change {
        Change {
            from: None,
            to: self.status(),
            phase: self.phase(),
            at: self.created_at,
            source: Source::User,
            evidence: None,
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

    /// Takes in one tick's knowledge; says whose word decided, and the raw line.
    fn see(
        &mut self,
        reports: &[Report],
        absent: bool,
        rule: AbsenceRule,
        now: Timestamp,
    ) -> Option<(Source, String)> {
        let current = self.attempts.last()?;
        let submitted = current.submitted.unwrap_or(current.asked);
        let id = current.id.clone()?;
        // The job was submitted anew while the cluster was being asked: this is about the past.
        if reports.iter().any(|report| report.id != id) {
            return None;
        }
        let by = |source| reports.iter().find(|report| report.source == source);
        let (queue, records, marker) = (by(Source::Squeue), by(Source::Sacct), by(Source::Marker));
        // The queue's word counts before the records', and both before the job's own; but a record
        // that is still open says nothing about a job the queue no longer holds (slurmdbd lags).
        let open = |report: &&Report| !matches!(report.state, Seen::Ended(_));
        let witness = queue
            .or(records.filter(|report| !open(report)))
            .or(marker)
            .or(if absent { None } else { records });
        let Some(witness) = witness else {
            return if absent {
                self.count_absence(rule, now, false)
            } else {
                None
            };
        };
        let ended = matches!(self.state, JobState::Ended { .. });
        let in_queue = witness.source == Source::Squeue;
        match &witness.state {
            // What has ended is opened again only by the queue itself.
            Seen::Waiting { .. } | Seen::Running(_) | Seen::Other if ended && !in_queue => {
                return None;
            }
            // The last moments of a job whose end was witnessed already.
            Seen::Running(RunPhase::Finishing) if ended && self.status() != Status::Unknown => {
                return None;
            }
            Seen::Ended(End::Preempted) => {
                // It is usually put back under the same id: an end only if it stays away.
                if !in_queue && !absent {
                    return None;
                }
                self.note(witness, reports);
                return self
                    .count_absence(rule, now, true)
                    .map(|(source, _)| (source, witness.evidence.clone()));
            }
            Seen::Ended(end) => {
                self.note(witness, reports);
                let outcome = self.outcome_of(end, witness, reports);
                if self.revised_by(&outcome, witness) {
                    let ended = witness
                        .ended
                        .or_else(|| reports.iter().find_map(|report| report.ended))
                        .unwrap_or(now);
                    self.end(outcome, ended);
                }
            }
            Seen::Waiting { held, .. } => {
                self.go_back_to_the_queue(witness);
                self.note(witness, reports);
                self.absence = None;
                self.state = JobState::Pending {
                    id,
                    submitted,
                    held: *held,
                };
            }
            // COMPLETING hides what it was: a job that never ran is not shown as running.
            Seen::Running(RunPhase::Finishing)
                if matches!(self.state, JobState::Pending { .. }) && witness.started.is_none() =>
            {
                self.note(witness, reports);
                self.absence = None;
            }
            Seen::Running(run) => {
                let started = witness.started.unwrap_or(match self.state {
                    JobState::Running { started, .. } => started,
                    _ => now,
                });
                self.reopen();
                self.note(witness, reports);
                self.absence = None;
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.started = Some(started);
                    attempt.estimated_start = None;
                }
                self.state = JobState::Running {
                    id,
                    submitted,
                    started,
                    run: *run,
                };
            }
            // A word we do not know: the last status stays, the word is shown. But it is there.
            Seen::Other => {
                self.note(witness, reports);
                self.absence = None;
            }
        }
        Some((witness.source, self.evidence_of(witness, marker)))
    }

    /// Whether an end that is reported replaces what is known: always the first, and any that
    /// resolves UNKNOWN. Later only the queue may contradict, and never by knowing less.
    fn revised_by(&self, outcome: &Outcome, witness: &Report) -> bool {
        let JobState::Ended { outcome: known, .. } = &self.state else {
            return true;
        };
        match (known, outcome) {
            (known, outcome) if known == outcome => false,
            (Outcome::Unknown, _) => true,
            // Once ended, nobody remembers here that it was we who asked.
            (Outcome::Cancelled { by }, Outcome::Cancelled { .. }) => by == SOMEBODY,
            // The marker is not read again; its contradiction stands.
            (
                Outcome::Failed {
                    cause: Cause::MarkerDisagrees { .. },
                },
                Outcome::Completed,
            ) => false,
            _ => witness.source == Source::Squeue,
        }
    }

    /// The raw lines that decided: two when the marker contradicts Slurm.
    fn evidence_of(&self, witness: &Report, marker: Option<&Report>) -> String {
        match (&self.state, marker) {
            (
                JobState::Ended {
                    outcome:
                        Outcome::Failed {
                            cause: Cause::MarkerDisagrees { .. },
                        },
                    ..
                },
                Some(marker),
            ) => format!("{} · marker: {}", witness.evidence, marker.evidence),
            _ => witness.evidence.clone(),
        }
    }

    fn outcome_of(&self, end: &End, witness: &Report, reports: &[Report]) -> Outcome {
        let marker = reports
            .iter()
            .find(|report| report.source == Source::Marker);
        let exit = self.attempts.last().and_then(|attempt| attempt.exit);
        let failed = |cause| Outcome::Failed { cause };
        match end {
            End::Completed => match marker.and_then(|marker| marker.exit) {
                Some(exit) if exit.code != 0 && witness.source != Source::Marker => {
                    failed(Cause::MarkerDisagrees { code: exit.code })
                }
                _ => Outcome::Completed,
            },
            // The direct scheduler's processes end by the signal that we sent.
            End::Failed | End::Vanished { .. }
                if self.cancel_asked.is_some()
                    && witness.source == Source::Marker
                    && exit.is_none_or(|exit| exit.signal != 0 || exit.code > 128) =>
            {
                Outcome::Cancelled { by: "you".into() }
            }
            End::Failed => failed(Cause::ExitCode {
                code: exit.map(|exit| exit.code),
                signal: exit.map(|exit| exit.signal).filter(|signal| *signal != 0),
            }),
            End::Cancelled { .. } => Outcome::Cancelled {
                // squeue does not say who it was; the records may.
                by: match reports.iter().find_map(|report| match report.state {
                    Seen::Ended(End::Cancelled { by_uid }) => by_uid,
                    _ => None,
                }) {
                    _ if self.cancel_asked.is_some() => "you".into(),
                    Some(uid) => format!("user {uid}"),
                    None => SOMEBODY.into(),
                },
            },
            End::TimeLimit => failed(Cause::TimeLimit),
            End::OutOfMemory => failed(Cause::OutOfMemory),
            End::NodeFail => failed(Cause::NodeFail),
            End::BootFail => failed(Cause::BootFail),
            End::Deadline => failed(Cause::Deadline),
            End::Preempted => failed(Cause::Preempted),
            End::Revoked => failed(Cause::Revoked),
            End::Vanished { detail } => failed(Cause::Vanished {
                detail: detail.clone(),
            }),
        }
    }

    fn end(&mut self, outcome: Outcome, ended: Timestamp) {
        // A cancellation that lost the race against the job's own end has nothing more to do.
        self.cancel_asked = None;
        self.absence = None;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended = Some(ended);
            attempt.outcome = Some(outcome.clone());
            attempt.estimated_start = None;
            attempt.reason = None;
        }
        self.state = JobState::Ended { outcome, ended };
    }

    /// Forgets the end of the newest attempt: it lives.
    fn reopen(&mut self) {
        if let (JobState::Ended { .. }, Some(attempt)) = (&self.state, self.attempts.last_mut()) {
            attempt.ended = None;
            attempt.outcome = None;
            attempt.exit = None;
        }
    }

    /// It waits (again): if it was on its nodes, they are its nodes no more, and it will be started
    /// once more.
    fn go_back_to_the_queue(&mut self, witness: &Report) {
        let ran = match &self.state {
            JobState::Running { .. } => true,
            JobState::Ended { outcome, .. } => *outcome != Outcome::Unknown,
            _ => false,
        };
        self.reopen();
        if let Some(attempt) = self.attempts.last_mut()
            && ran
        {
            attempt.exit = None;
            attempt.nodes = None;
            if witness.restarts.is_none() && attempt.started.is_some() {
                attempt.restarts += 1;
            }
        }
    }

    /// Takes over what is said beside the state, as far as it is news worth a row. The witness is
    /// believed; the others fill gaps, so that two spellings of one thing do not alternate.
    fn note(&mut self, witness: &Report, reports: &[Report]) {
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        if !witness.word.is_empty() {
            attempt.word = Some(witness.word.clone());
        }
        if matches!(witness.state, Seen::Waiting { .. }) {
            attempt.reason.clone_from(&witness.reason);
            // Slurm's estimate moves a little with every scheduling cycle; that is no news.
            let moved = match (attempt.estimated_start, witness.started) {
                (Some(old), Some(new)) => new.duration_since(old).as_secs().abs() >= 600,
                (old, new) => old != new,
            };
            if moved {
                attempt.estimated_start = witness.started;
            }
        } else {
            attempt.reason = None;
        }
        if witness.source == Source::Marker {
            // Its own word about its end is less than the batch system's.
            fill(&mut attempt.exit, witness.exit.as_ref());
        } else {
            replace(&mut attempt.exit, witness.exit.as_ref());
        }
        replace(&mut attempt.nodes, witness.nodes.as_ref());
        replace(&mut attempt.partition, witness.partition.as_ref());
        replace(&mut attempt.time_limit, witness.time_limit.as_ref());
        replace(&mut attempt.max_rss, witness.max_rss.as_ref());
        if matches!(witness.state, Seen::Ended(_)) {
            replace(&mut attempt.started, witness.started.as_ref());
        }
        for report in reports {
            if matches!(report.state, Seen::Ended(_)) && matches!(witness.state, Seen::Ended(_)) {
                fill(&mut attempt.exit, report.exit.as_ref());
                fill(&mut attempt.started, report.started.as_ref());
            }
            fill(&mut attempt.nodes, report.nodes.as_ref());
            fill(&mut attempt.partition, report.partition.as_ref());
            fill(&mut attempt.time_limit, report.time_limit.as_ref());
            fill(&mut attempt.max_rss, report.max_rss.as_ref());
            attempt.restarts = attempt.restarts.max(report.restarts.unwrap_or(0));
        }
    }

    /// One more whole answer without the job. UNKNOWN (or preempted for good) by the rule only.
    fn count_absence(
        &mut self,
        rule: AbsenceRule,
        now: Timestamp,
        preempted: bool,
    ) -> Option<(Source, String)> {
        if !matches!(
            self.state,
            JobState::Pending { .. } | JobState::Running { .. }
        ) {
            return None;
        }
        let before = self.absence.clone();
        let absence = Absence {
            since: before.as_ref().map_or(now, |absence| absence.since),
            // Counted on disk, so that a restart does not begin anew; no further than the rule
            // needs, so that waiting for its time writes nothing.
            answers: before
                .as_ref()
                .map_or(1, |absence| absence.answers + 1)
                .min(rule.answers),
            preempted: preempted || before.as_ref().is_some_and(|absence| absence.preempted),
        };
        let gone = now.duration_since(absence.since).as_secs();
        let said = format!("not in the queue for {gone} s, and no other witness");
        let over = absence.answers >= rule.answers && gone >= rule.seconds;
        if over {
            let outcome = if absence.preempted {
                Outcome::Failed {
                    cause: Cause::Preempted,
                }
            } else {
                Outcome::Unknown
            };
            self.end(outcome, now);
        } else {
            self.absence = Some(absence);
        }
        Some((Source::Squeue, said))
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
            untraced: false,
        }
    }
}

#[cfg(test)]
mod tests;
