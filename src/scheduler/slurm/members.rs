//! What the rows of one look say of each member of an array.
//!
//! A member has a row of its own once it has started, was requeued or was touched alone; the others
//! share one (`3_[4-9%2]`, in sacct also the bare number). The shared row of sacct is not kept up:
//! it goes on naming members that have their own by now, so their own counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::rows::Row;
use crate::scheduler::{End, IdPart, MemberSet, MembersSeen, Report, Seen, Source, Watched};

/// Everything that was said of one watched array.
pub(super) struct Rows<'r, Q, A> {
    /// Its rows of squeue.
    pub(super) queue: &'r [Q],
    /// Its rows of sacct.
    pub(super) records: &'r [A],
    /// What the members left themselves: end markers, and what Slurm wrote into their outputs.
    pub(super) own: Option<&'r BTreeMap<u32, Vec<Report>>>,
    /// squeue answered whole.
    pub(super) queue_whole: bool,
    /// sacct was asked about every member that the queue does not hold, and answered whole.
    pub(super) records_whole: bool,
}

/// The rows of one source, by member.
struct ByMember<'r, R> {
    /// The newest row of each member that has its own, and how many older ones there are.
    own: BTreeMap<u32, (&'r R, u32)>,
    /// Rows that several members share: which ones (none: all that have no own row).
    shared: Vec<(Option<MemberSet>, &'r R)>,
}

impl<'r, R: Row> ByMember<'r, R> {
    fn new(rows: &'r [R]) -> Self {
        let mut sorted = Self {
            own: BTreeMap::new(),
            shared: Vec::new(),
        };
        for row in rows {
            let (part, at) = row.part();
            match part {
                IdPart::Member(member) => {
                    sorted
                        .own
                        .entry(*member)
                        .and_modify(|(known, times)| {
                            *times += 1;
                            // Of two rows of the same second, the later one is the newer one.
                            if at >= known.part().1 {
                                *known = row;
                            }
                        })
                        .or_insert((row, 0));
                }
                IdPart::Waiting(list) => {
                    let list = list.split('%').next().unwrap_or_default();
                    sorted.shared.push((MemberSet::parse(list), row));
                }
                IdPart::Whole => sorted.shared.push((None, row)),
                IdPart::Component(_) => {}
            }
        }
        sorted
    }

    /// The shared row that a member without its own is in: the newest.
    fn shared(&self, member: u32) -> Option<usize> {
        let holds = |(set, _): &&(Option<MemberSet>, &R)| {
            set.as_ref().is_none_or(|set| set.contains(member))
        };
        self.shared
            .iter()
            .enumerate()
            .filter(|(_, shared)| holds(shared))
            .max_by_key(|(n, (_, row))| (row.part().1, *n))
            .map(|(n, _)| n)
    }
}

/// What the look says: members of which the same is known stand together.
pub(super) fn seen<Q: Row, A: Row>(job: &Watched, rows: &Rows<'_, Q, A>) -> Vec<MembersSeen> {
    let queue = ByMember::new(rows.queue);
    let records = ByMember::new(rows.records);
    let lives = |row: &Q| !matches!(row.state(), Seen::Ended(_));
    let mut members: BTreeSet<u32> = queue
        .own
        .iter()
        .filter(|(_, (row, _))| lives(row))
        .map(|(member, _)| *member)
        .collect();
    members.extend(job.open.iter().flat_map(MemberSet::iter));
    let mut seen = Vec::new();
    let mut alike: HashMap<(Option<usize>, Option<usize>), Vec<u32>> = HashMap::new();
    for member in members {
        let own = rows.own.and_then(|own| own.get(&member));
        let own = own.map_or(&[][..], Vec::as_slice);
        let (in_queue, recorded) = (queue.own.get(&member), records.own.get(&member));
        if own.is_empty() && in_queue.is_none() && recorded.is_none() {
            let shared = (queue.shared(member), records.shared(member));
            alike.entry(shared).or_default().push(member);
            continue;
        }
        let shared_row = |row: Option<usize>| row.and_then(|n| queue.shared.get(n));
        let row = in_queue
            .map(|(row, _)| *row)
            .or_else(|| shared_row(queue.shared(member)).map(|(_, row)| *row));
        // It has started, so that the record of those that wait is not about it.
        let waited = own.is_empty() && in_queue.is_none();
        let record = recorded.copied().or_else(|| {
            let shared = records.shared(member).filter(|_| waited)?;
            records.shared.get(shared).map(|(_, row)| (*row, 0))
        });
        seen.extend(one(job, rows, member, row, record, own));
    }
    for ((row, record), members) in alike {
        let row = row.and_then(|n| queue.shared.get(n)).map(|(_, row)| *row);
        let record = record
            .and_then(|n| records.shared.get(n))
            .map(|(_, row)| (*row, 0));
        let members: MemberSet = members.into_iter().collect();
        let first = members.first().unwrap_or_default();
        if let Some(mut told) = one(job, rows, first, row, record, &[]) {
            told.members = members;
            seen.push(told);
        }
    }
    // The order of a map is random, the answer must not be.
    seen.sort_by_key(|told| told.members.first());
    seen
}

/// What is said of one member.
fn one<Q: Row, A: Row>(
    job: &Watched,
    rows: &Rows<'_, Q, A>,
    member: u32,
    row: Option<&Q>,
    record: Option<(&A, u32)>,
    own: &[Report],
) -> Option<MembersSeen> {
    let absent = row.is_none() && rows.queue_whole && !job.settled;
    let row = row.filter(|row| !job.settled || !matches!(row.state(), Seen::Ended(_)));
    let mut reports = Vec::new();
    let unrecorded = absent && record.is_none() && rows.records_whole;
    let record = record.filter(|_| !job.settled).map(|(record, restarts)| {
        let mut report = record.report(job, Source::Sacct);
        report.restarts = Some(restarts);
        report
    });
    if let Some(row) = row {
        let mut report = row.report(job, Source::Squeue);
        // squeue does not say who cancelled, sacct does.
        if let Some(record) = &record
            && report.state == Seen::Ended(End::Cancelled { by_uid: None })
            && let Seen::Ended(End::Cancelled { by_uid: Some(_) }) = record.state
        {
            report.state = record.state.clone();
            report.word.clone_from(&record.word);
        }
        reports.push(report);
    }
    reports.extend(record);
    reports.extend_from_slice(own);
    let silent = reports.is_empty() && !absent;
    (!silent).then(|| MembersSeen {
        id: job.id.clone(),
        members: std::iter::once(member).collect(),
        reports,
        absent,
        unrecorded,
    })
}
