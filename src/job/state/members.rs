//! What one look tells of an array: each member goes through the one transition table as a job
//! does, and the job's own state follows from its members.
//!
//! | members | job |
//! |---|---|
//! | none has run, some wait | PENDING (held if all that wait are held) |
//! | some live, and one has run | RUNNING (phase `queued` while none is on its nodes) |
//! | all over, one failed | FAILED |
//! | all over, none failed, of one nobody knows how | UNKNOWN |
//! | all over, none of these, one was cancelled | CANCELLED |
//! | all completed | COMPLETED |

use jiff::Timestamp;

use crate::job::members::{Member, MemberState, Members};
use crate::job::state::AbsenceRule;
use crate::job::state::look::SOMEBODY;
use crate::job::{Absence, Attempt, Cause, Job, JobState, Outcome};
use crate::scheduler::{End, MemberSet, MembersSeen, Report, RunPhase, Seen, Source};

/// How many members' raw lines a history row quotes.
const QUOTED: usize = 3;

/// What a look brought, for the history.
#[derive(Default)]
struct News {
    changed: usize,
    quoted: Vec<String>,
    source: Option<Source>,
}

impl Job {
    /// Takes in what one look says of the members; says who decided, and the raw lines of some.
    pub(super) fn see_members(
        &mut self,
        seen: &[MembersSeen],
        rule: AbsenceRule,
        now: Timestamp,
    ) -> Option<(Source, String)> {
        let array = self.spec.array.clone()?;
        let attempt = self.attempts.last()?;
        // Submitted anew while the cluster was being asked: this is about the past.
        if seen
            .iter()
            .any(|told| Some(&told.id) != attempt.id.as_ref())
        {
            return None;
        }
        let mut one = self.as_member();
        let mut news = News::default();
        for told in seen {
            for number in told.members.iter().filter(|n| array.members().contains(*n)) {
                let known = self.members.0.get(&number);
                if known.is_none() && waits_as_submitted(told) {
                    continue;
                }
                let before = known.cloned().unwrap_or_else(Member::waiting);
                let (after, witness) = one.see_member(&before, told, rule, now);
                if after == before {
                    continue;
                }
                if after.status() != before.status() {
                    news.note(number, &before, &after, witness);
                }
                self.members.0.insert(number, after);
            }
        }
        self.note_waiting(seen);
        self.follow_members(now);
        let source = news
            .source
            .or_else(|| Some(seen.first()?.reports.first()?.source))
            .unwrap_or(Source::Squeue);
        Some((source, news.words(self)))
    }

    /// A job that stands for one member on its way through the table: this job's identity, without
    /// what makes it heavy.
    fn as_member(&self) -> Self {
        let mut one = Self {
            spec: crate::job::JobSpec {
                files: Vec::new(),
                array: None,
                ..self.spec.clone()
            },
            attempts: self.attempts.last().cloned().into_iter().collect(),
            members: Members::default(),
            error: None,
            ..self.clone()
        };
        if let Some(attempt) = one.attempts.last_mut() {
            attempt.members = None;
        }
        one
    }

    /// One member's way through the table. `self` only lends its place.
    fn see_member(
        &mut self,
        before: &Member,
        told: &MembersSeen,
        rule: AbsenceRule,
        now: Timestamp,
    ) -> (Member, Option<(Source, String)>) {
        let whole = self.cancel_asked;
        self.put_on(before, whole);
        let reports = about(before, &told.reports);
        let witness = if told.absent && told.unrecorded && reports.is_empty() {
            self.miss_member(before, rule, now)
        } else {
            self.see(&reports, told.absent, rule, now)
        };
        let after = self.take_off(before);
        self.cancel_asked = whole;
        (after, witness)
    }

    /// Neither the queue nor the records know a member, and both answered whole.
    ///
    /// Slurm drops members that are cancelled while they wait without a trace, if others of the
    /// array live on (observed on 22.05); of one that has run there is a record. So three such
    /// answers are an end when cancelling was asked for here. When it was not, the one rule for
    /// absence decides when, and what it means is known all the same: somebody cancelled it.
    fn miss_member(
        &mut self,
        before: &Member,
        rule: AbsenceRule,
        now: Timestamp,
    ) -> Option<(Source, String)> {
        let waited =
            matches!(before.state, MemberState::Pending { .. }) && before.started.is_none();
        let asked = self.cancel_asked.is_some();
        let sooner = AbsenceRule { seconds: 0, ..rule };
        let witness =
            self.count_absence(if asked && waited { sooner } else { rule }, now, false)?;
        if let JobState::Ended { outcome, ended } = &self.state
            && *outcome == Outcome::Unknown
            && waited
        {
            let by = if asked { "you" } else { SOMEBODY };
            let (outcome, ended) = (Outcome::Cancelled { by: by.into() }, *ended);
            self.end(outcome, ended);
            let said = "neither in the queue nor in the accounting: cancelled while it waited";
            return Some((Source::Squeue, said.to_owned()));
        }
        Some(witness)
    }

    fn put_on(&mut self, member: &Member, whole: Option<Timestamp>) {
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        let submitted = attempt.submitted.unwrap_or(attempt.asked);
        let Some(id) = attempt.id.clone() else {
            return;
        };
        let (ended, outcome) = match &member.state {
            MemberState::Ended { outcome, ended } => (Some(*ended), Some(outcome.clone())),
            _ => (None, None),
        };
        *attempt = Attempt {
            id: attempt.id.take(),
            submitted: attempt.submitted,
            started: member.started,
            ended,
            outcome,
            word: member.word.clone(),
            reason: member.reason.clone(),
            exit: member.exit,
            nodes: member.nodes.clone(),
            max_rss: member.max_rss,
            restarts: member.restarts,
            ..Attempt::new(attempt.n, attempt.tag.clone(), attempt.asked)
        };
        self.absence.clone_from(&member.absence);
        // What has ended cannot end by it any more.
        self.cancel_asked = member.cancel_asked.or(whole).filter(|_| member.is_open());
        self.state = match &member.state {
            MemberState::Pending { held } => JobState::Pending {
                id,
                submitted,
                held: *held,
            },
            MemberState::Running { started, run } => JobState::Running {
                id,
                submitted,
                started: *started,
                run: *run,
            },
            MemberState::Ended { outcome, ended } => JobState::Ended {
                outcome: outcome.clone(),
                ended: *ended,
            },
        };
    }

    fn take_off(&mut self, before: &Member) -> Member {
        let Some(attempt) = self.attempts.last() else {
            return before.clone();
        };
        let state = match &self.state {
            JobState::Pending { held, .. } => MemberState::Pending { held: *held },
            JobState::Running { started, run, .. } => MemberState::Running {
                started: *started,
                run: *run,
            },
            JobState::Ended { outcome, ended } => MemberState::Ended {
                outcome: outcome.clone(),
                ended: *ended,
            },
            _ => before.state.clone(),
        };
        let open = !matches!(state, MemberState::Ended { .. });
        Member {
            state,
            word: attempt.word.clone(),
            reason: attempt.reason.clone(),
            started: attempt.started,
            exit: attempt.exit,
            nodes: attempt.nodes.clone(),
            max_rss: attempt.max_rss,
            restarts: attempt.restarts,
            absence: self.absence.clone(),
            cancel_asked: before.cancel_asked.filter(|_| open),
        }
    }

    /// What the row that waiting members share says is kept once, with the attempt.
    fn note_waiting(&mut self, seen: &[MembersSeen]) {
        let waiting = seen
            .iter()
            .filter_map(|told| {
                let queue = told.reports.iter().find(|r| r.source == Source::Squeue)?;
                matches!(queue.state, Seen::Waiting { .. }).then_some((told, queue))
            })
            .max_by_key(|(told, _)| told.members.len());
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        let Some((_, report)) = waiting else {
            return;
        };
        attempt.reason.clone_from(&report.reason);
        if report.partition.is_some() {
            attempt.partition.clone_from(&report.partition);
        }
        if report.time_limit.is_some() {
            attempt.time_limit = report.time_limit;
        }
        attempt.estimated_start = match (attempt.estimated_start, report.started) {
            // Slurm's estimate moves a little with every scheduling cycle; that is no news.
            (Some(old), Some(new)) if new.duration_since(old).as_secs().abs() < 600 => Some(old),
            (_, new) => new,
        };
    }

    /// The job's own state, from its members'.
    pub(super) fn follow_members(&mut self, now: Timestamp) {
        let Some(array) = self.spec.array.clone() else {
            return;
        };
        let counts = self.members.count(&array);
        let open = self.members.open(&array);
        let Some(attempt) = self.attempts.last_mut() else {
            return;
        };
        let Some(id) = attempt.id.clone() else {
            return;
        };
        let submitted = attempt.submitted.unwrap_or(attempt.asked);
        attempt.members = Some(counts);
        let members = &self.members.0;
        if counts.pending == 0 {
            attempt.reason = None;
        }
        attempt.max_rss = members.values().filter_map(|m| m.max_rss).max();
        attempt.restarts = members.values().map(|m| m.restarts).sum();
        attempt.started = members
            .values()
            .filter(|member| member.has_run())
            .filter_map(|member| member.started)
            .min();
        if counts.open() == 0 {
            self.settle_members(now);
            return;
        }
        attempt.ended = None;
        attempt.outcome = None;
        attempt.exit = None;
        self.absence = common_absence(&self.members, &open);
        if members.values().any(Member::has_run) {
            let run = members
                .values()
                .filter_map(|member| match member.state {
                    MemberState::Running { run, .. } => Some(run),
                    _ => None,
                })
                .min_by_key(|run| match run {
                    RunPhase::Running => 0,
                    RunPhase::Suspended => 1,
                    RunPhase::Starting => 2,
                    RunPhase::Finishing => 3,
                })
                .unwrap_or(RunPhase::Running);
            let word = if counts.running > 0 {
                "RUNNING"
            } else {
                "PENDING"
            };
            attempt.word = Some(word.to_owned());
            attempt.estimated_start = None;
            self.state = JobState::Running {
                id,
                submitted,
                started: attempt.started.unwrap_or(now),
                run,
            };
        } else {
            attempt.word = Some("PENDING".to_owned());
            let held = open.iter().all(|n| {
                let known = members.get(&n).map(|member| &member.state);
                matches!(known, Some(MemberState::Pending { held: true }))
            });
            self.state = JobState::Pending {
                id,
                submitted,
                held,
            };
        }
    }

    /// All members are over.
    fn settle_members(&mut self, now: Timestamp) {
        let members = &self.members.0;
        let total = members.len();
        let ends = || {
            members.iter().filter_map(|(number, member)| {
                let MemberState::Ended { outcome, .. } = &member.state else {
                    return None;
                };
                Some((*number, member, outcome))
            })
        };
        let failed = ends().filter_map(|(number, member, outcome)| match outcome {
            Outcome::Failed { cause } => Some((number, member, cause)),
            _ => None,
        });
        let count = failed.clone().count();
        let mut exit = None;
        let outcome = if let Some((number, member, cause)) = failed.clone().next() {
            exit = member.exit;
            Outcome::Failed {
                cause: Cause::Members {
                    failed: u32::try_from(count).unwrap_or(u32::MAX),
                    of: u32::try_from(total).unwrap_or(u32::MAX),
                    first: number,
                    reason: Box::new(cause.clone()),
                },
            }
        } else if ends().any(|(_, _, outcome)| *outcome == Outcome::Unknown) {
            Outcome::Unknown
        } else {
            let cancelled = || {
                ends().filter_map(|(_, _, outcome)| match outcome {
                    Outcome::Cancelled { by } => Some(by),
                    _ => None,
                })
            };
            let by = cancelled()
                .find(|by| *by == "you")
                .or_else(|| cancelled().next());
            if let Some(by) = by {
                Outcome::Cancelled { by: by.clone() }
            } else {
                exit = ends().next().and_then(|(_, member, _)| member.exit);
                Outcome::Completed
            }
        };
        let ended = members
            .values()
            .filter_map(|member| match member.state {
                MemberState::Ended { ended, .. } => Some(ended),
                _ => None,
            })
            .max()
            .unwrap_or(now);
        let word = outcome.status().word().to_owned();
        self.end(outcome, ended);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.word = Some(word);
            attempt.exit = exit;
        }
    }

    /// Notes that cancelling some members was asked for; how many that concerns.
    pub(super) fn ask_to_cancel(&mut self, which: &MemberSet, now: Timestamp) -> u64 {
        let Some(array) = &self.spec.array else {
            return 0;
        };
        let mut asked = 0;
        for number in which.iter().filter(|n| array.members().contains(*n)) {
            let member = self.members.0.entry(number).or_insert_with(Member::waiting);
            if member.is_open() && member.cancel_asked.is_none() {
                member.cancel_asked = Some(now);
                asked += 1;
            }
        }
        asked
    }
}

impl News {
    fn note(
        &mut self,
        number: u32,
        before: &Member,
        after: &Member,
        witness: Option<(Source, String)>,
    ) {
        self.changed += 1;
        let Some((source, line)) = witness else {
            return;
        };
        self.source.get_or_insert(source);
        if self.quoted.len() < QUOTED {
            let (from, to) = (before.status(), after.status());
            self.quoted.push(format!("{number} {from} → {to}: {line}"));
        }
    }

    fn words(self, job: &Job) -> String {
        let counts = job.attempt().and_then(|attempt| attempt.members);
        let over = counts.map_or(0, |counts| counts.ended());
        let total = counts.map_or(0, |counts| counts.total);
        let mut words = vec![format!("{over} of {total} members over")];
        words.extend(self.quoted);
        if self.changed > QUOTED {
            words.push(format!("and {} more", self.changed - QUOTED));
        }
        words.join(" · ")
    }
}

/// The reports that are about this member. The accounting's record of members that never ran goes on
/// naming those that did, until they have their own.
fn about(member: &Member, reports: &[Report]) -> Vec<Report> {
    let ran = member.started.is_some();
    let never_ran = |report: &Report| {
        report.source == Source::Sacct
            && report.started.is_none()
            && report.nodes.is_none()
            && matches!(report.state, Seen::Ended(End::Cancelled { .. }))
    };
    reports
        .iter()
        .filter(|report| !(ran && never_ran(report)))
        .cloned()
        .collect()
}

/// Whether this only says that members wait as they were submitted.
fn waits_as_submitted(told: &MembersSeen) -> bool {
    let waits = |report: &Report| {
        matches!(
            report.state,
            Seen::Waiting {
                held: false,
                requeued: false
            }
        )
    };
    let by_queue = |report: &Report| report.source == Source::Squeue && waits(report);
    !told.absent && told.reports.iter().any(by_queue) && told.reports.iter().all(waits)
}

/// The absence of an array: that of its members, if none of those that should live was seen.
fn common_absence(members: &Members, open: &MemberSet) -> Option<Absence> {
    let mut common: Option<Absence> = None;
    for number in open.iter() {
        let absence = members.0.get(&number)?.absence.clone()?;
        common = Some(match common {
            Some(known) if known.since <= absence.since => known,
            _ => absence,
        });
    }
    common
}
