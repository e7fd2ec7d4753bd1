//! What one look at the cluster tells of a job: which witness is believed, what it changes, when a
//! job has ended, lives again, or is missing.

use jiff::Timestamp;

use crate::job::state::AbsenceRule;
use crate::job::{Absence, Cause, Job, JobState, Outcome, Status, components};
use crate::scheduler::{End, Report, RunPhase, Seen, Source};

/// Who cancelled, when no source names anybody.
pub(super) const SOMEBODY: &str = "somebody else";

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
    /// Takes in one tick's knowledge; says whose word decided, and the raw line.
    pub(super) fn see(
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
        // What Slurm wrote into the job's own output knows why it was ended, which the marker does not.
        // A marker with exit code 0 says that the script had come to its end by itself.
        let finished = |marker: &Report| marker.exit.is_some_and(|exit| exit.code == 0);
        let output = by(Source::Log).filter(|_| !marker.is_some_and(finished));
        // The queue's word counts before the records', and both before the job's own; but a record
        // that is still open says nothing about a job the queue no longer holds (slurmdbd lags).
        let open = |report: &&Report| !matches!(report.state, Seen::Ended(_));
        let witness = queue
            .or(records.filter(|report| !open(report)))
            .or(output)
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
            // Marker and log are not read again; their contradiction stands.
            (
                Outcome::Failed {
                    cause: Cause::MarkerDisagrees { .. } | Cause::LogDisagrees { .. },
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

    pub(super) fn end(&mut self, outcome: Outcome, ended: Timestamp) {
        // A cancellation that lost the race against the job's own end has nothing more to do.
        self.cancel_asked = None;
        self.absence = None;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended = Some(ended);
            for one in &mut attempt.components {
                if outcome == Outcome::Unknown && !one.status.is_terminal() {
                    one.status = Status::Unknown;
                }
            }
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
        attempt.components = components::merged(&attempt.components, witness, reports);
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
    pub(super) fn count_absence(
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
