//! Rows of squeue and sacct, and one report from all rows of a job.

use std::collections::HashMap;

use jiff::Timestamp;

use super::query::{ACCOUNT_FIELD_COUNT, QUEUE_FIELD_COUNT};
use super::states::{seen, seen_with};
use super::text::{bytes, duration, exit, time};
use crate::scheduler::{End, Exit, IdPart, Report, RunPhase, SchedulerId, Seen, Source, Watched};

/// A row of squeue, with [`super::query::QUEUE_FIELDS`].
#[derive(Debug, Clone)]
pub(super) struct QueueRow<'a> {
    pub(super) id: SchedulerId,
    word: &'a str,
    limit: &'a str,
    start: &'a str,
    end: &'a str,
    submit: &'a str,
    partition: &'a str,
    nodes: &'a str,
    /// Reason, comment and working directory: free text, of which the last two may hold bars.
    rest: &'a str,
    reason: Option<&'a str>,
    line: &'a str,
}

/// A row of sacct, with [`super::query::ACCOUNT_FIELDS`].
#[derive(Debug, Clone)]
pub(super) struct AccountRow<'a> {
    pub(super) id: SchedulerId,
    pub(super) id_text: &'a str,
    /// For a step: the job's id.
    pub(super) step_of: Option<&'a str>,
    word: &'a str,
    exit: Option<(i32, i32)>,
    submit: Option<Timestamp>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    limit: &'a str,
    partition: &'a str,
    nodes: &'a str,
    pub(super) max_rss: Option<u64>,
    work_dir: &'a str,
    line: &'a str,
}

/// What Slurm prints for nothing.
fn some(text: &str) -> Option<&str> {
    let nothing = [
        "",
        "None",
        "(null)",
        "N/A",
        "n/a",
        "Unknown",
        "None assigned",
    ];
    (!nothing.contains(&text)).then_some(text)
}

impl<'a> QueueRow<'a> {
    /// Reads a row; none if it is not one.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        // The last three may hold bars: they are told apart when the job is known.
        let mut fields = line.splitn(QUEUE_FIELD_COUNT - 2, '|');
        let mut next = || fields.next();
        let id = SchedulerId::parse(next()?).ok()?;
        let word = next()?;
        let (limit, start, end, submit) = (next()?, next()?, next()?, next()?);
        let (partition, nodes, rest) = (next()?, next()?, next()?);
        (rest.matches('|').count() >= 2).then_some(Self {
            id,
            word,
            limit,
            start,
            end,
            submit,
            partition,
            nodes,
            rest,
            reason: rest.split('|').next().and_then(some),
            line,
        })
    }

    /// Whether it is the watched job, and not another one that got the same number. A site's own
    /// plugin may rewrite the directory, a person may change the comment: one of them is enough.
    pub(super) fn is_of(&self, job: &Watched) -> bool {
        let comment = format!("|namdrunner:{}|", job.tag.as_str());
        self.rest
            .strip_suffix(job.work_dir.as_str())
            .is_some_and(|before| before.ends_with('|'))
            || self.rest.contains(&comment)
    }

    /// Whether its state is an end.
    pub(super) fn has_ended(&self) -> bool {
        matches!(seen(self.word), Seen::Ended(_))
    }

    /// Whether it is a member of an array or a component.
    pub(super) fn is_part(&self) -> bool {
        self.id.part != IdPart::Whole
    }
}

impl<'a> AccountRow<'a> {
    /// Reads a row; none if it is not one.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(ACCOUNT_FIELD_COUNT, '|');
        let mut next = || fields.next();
        let full = next()?;
        let (id_text, step_of) = match full.split_once('.') {
            Some((job, _)) => (full, Some(job)),
            None => (full, None),
        };
        let id = SchedulerId::parse(step_of.unwrap_or(id_text)).ok()?;
        let word = next()?;
        let exit = exit(next()?);
        let _derived_exit = next()?;
        let (submit, start, end) = (time(next()?), time(next()?), time(next()?));
        let _elapsed = next()?;
        let (limit, partition, nodes) = (next()?, next()?, next()?);
        let max_rss = bytes(next()?);
        let _requested_memory = next()?;
        let work_dir = next()?;
        Some(Self {
            id,
            id_text,
            step_of,
            word,
            exit,
            submit,
            start,
            end,
            limit,
            partition,
            nodes,
            max_rss,
            work_dir,
            line,
        })
    }

    /// Whether it is the watched job, and not another one that had the same number.
    pub(super) fn is_of(&self, job: &Watched) -> bool {
        if self.work_dir.is_empty() {
            // Records of very old versions have none: then the time has to do.
            return self
                .submit
                .is_some_and(|at| at.duration_since(job.submitted).as_secs() >= -120);
        }
        self.work_dir == job.work_dir.as_str()
            || self.work_dir == as_recorded(job.work_dir.as_str())
    }

    /// The state. A final word without a time of its end is an open record (slurmdbd lags).
    fn seen(&self) -> Seen {
        match seen(self.word) {
            Seen::Ended(_) if self.end.is_none() => Seen::Other,
            seen => seen,
        }
    }
}

/// When it began to run. A job that ended without ever having had a node is given the time of its
/// end as its start (observed: cancelled while held).
fn began(ended: bool, nodes: Option<&str>, start: Option<Timestamp>) -> Option<Timestamp> {
    start.filter(|_| !ended || nodes.is_some())
}

/// A path as slurmdbd keeps it: with a backquote for each `"` (observed on 22.05).
pub(super) fn as_recorded(path: &str) -> String {
    path.replace('"', "`")
}

/// One row, whoever printed it.
pub(super) trait Row {
    /// Which part of the job it is about, and how new it is: of each part the newest row counts.
    fn part(&self) -> (&IdPart, Option<Timestamp>);
    /// Its state.
    fn state(&self) -> Seen;
    /// What it says.
    fn report(&self, job: &Watched, source: Source) -> Report;
}

impl Row for QueueRow<'_> {
    fn part(&self) -> (&IdPart, Option<Timestamp>) {
        (&self.id.part, time(self.submit))
    }

    fn state(&self) -> Seen {
        seen_with(self.word, self.reason)
    }

    fn report(&self, job: &Watched, source: Source) -> Report {
        let state = self.state();
        let ended = matches!(state, Seen::Ended(_));
        Report {
            reason: self.reason.map(str::to_owned),
            submitted: time(self.submit),
            started: began(ended, some(self.nodes), time(self.start)),
            // Of a running job it is the time when its limit ends it.
            ended: if ended { time(self.end) } else { None },
            nodes: some(self.nodes).map(str::to_owned),
            partition: some(self.partition).map(str::to_owned),
            time_limit: duration(self.limit),
            word: self.word.to_owned(),
            state,
            ..Report::bare(job, source, self.line)
        }
    }
}

impl Row for AccountRow<'_> {
    fn part(&self) -> (&IdPart, Option<Timestamp>) {
        (&self.id.part, self.submit)
    }

    fn state(&self) -> Seen {
        self.seen()
    }

    fn report(&self, job: &Watched, source: Source) -> Report {
        let state = self.state();
        let ended = matches!(state, Seen::Ended(_));
        Report {
            submitted: self.submit,
            started: began(ended, some(self.nodes), self.start),
            ended: self.end,
            exit: self.exit.map(|(code, signal)| Exit { code, signal }),
            nodes: some(self.nodes).map(str::to_owned),
            partition: some(self.partition).map(str::to_owned),
            time_limit: self.limit.parse::<u64>().ok().map(|minutes| minutes * 60),
            max_rss: self.max_rss,
            word: self.word.to_owned(),
            state,
            ..Report::bare(job, source, self.line)
        }
    }
}

/// How much a state weighs when a job has several parts: it runs if one runs, waits if one waits,
/// and has ended when all have; then the worst end counts.
fn weight(state: &Seen) -> u32 {
    match state {
        Seen::Running(RunPhase::Running) => 100,
        Seen::Running(RunPhase::Suspended) => 99,
        Seen::Running(RunPhase::Starting) => 98,
        Seen::Running(RunPhase::Finishing) => 97,
        // One member that can start by itself is reason enough not to call for a person.
        Seen::Waiting { held: false, .. } => 91,
        Seen::Waiting { held: true, .. } => 90,
        Seen::Other => 80,
        Seen::Ended(End::Completed) => 0,
        Seen::Ended(End::Cancelled { .. }) => 1,
        Seen::Ended(End::Revoked) => 2,
        Seen::Ended(End::Preempted) => 3,
        Seen::Ended(_) => 4,
    }
}

/// Where a part stands among the others.
fn order(part: &IdPart) -> (u8, u32) {
    match part {
        IdPart::Whole => (0, 0),
        IdPart::Component(n) => (1, *n),
        IdPart::Member(n) => (2, *n),
        IdPart::Waiting(_) => (3, 0),
    }
}

/// One report from all rows of a job: of each part the newest, over the parts the heaviest.
pub(super) fn derive<R: Row>(job: &Watched, source: Source, rows: &[R]) -> Option<Report> {
    let mut newest: HashMap<&IdPart, (&R, u32)> = HashMap::new();
    for row in rows {
        let (part, at) = row.part();
        if !job.watches(part) {
            continue;
        }
        newest
            .entry(part)
            .and_modify(|(known, times)| {
                *times += 1;
                // Of two rows of the same second, the later one is the newer one.
                if at >= known.part().1 {
                    *known = row;
                }
            })
            .or_insert((row, 0));
    }
    // The order of a map is random, the answer must not be: of equals the first part.
    let (row, restarts) = newest.values().max_by(|(one, _), (other, _)| {
        let (a, b) = (weight(&one.state()), weight(&other.state()));
        a.cmp(&b)
            .then_with(|| order(other.part().0).cmp(&order(one.part().0)))
    })?;
    let mut report = row.report(job, source);
    if source == Source::Sacct {
        report.restarts = Some(*restarts);
        report.max_rss = newest
            .values()
            .filter_map(|(row, _)| row.report(job, source).max_rss)
            .max();
    }
    if job.id.part == IdPart::Whole {
        report.components = newest
            .iter()
            .filter_map(|(part, (row, _))| match part {
                IdPart::Component(number) => Some((*number, row.report(job, source))),
                _ => None,
            })
            .collect();
        report.components.sort_by_key(|(number, _)| *number);
    }
    if newest.len() > 1 {
        let over = newest
            .values()
            .filter(|(row, _)| matches!(row.state(), Seen::Ended(_)))
            .count();
        report.evidence = format!(
            "{} ({over} of {} parts over)",
            report.evidence,
            newest.len()
        );
    }
    Some(report)
}

impl Watched {
    /// Whether a row about this part is about the watched job.
    fn watches(&self, part: &IdPart) -> bool {
        match (&self.id.part, part) {
            (IdPart::Whole | IdPart::Waiting(_), _) => true,
            (one, other) => one == other,
        }
    }
}
