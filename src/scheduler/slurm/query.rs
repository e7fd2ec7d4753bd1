//! One look at all watched jobs: one remote command, one round trip.
//!
//! squeue is asked for all jobs of the user (`-j` with a lone purged id is an error, and 10,000 ids
//! do not fit one argument), and the answer is cut down to the watched ones on the cluster. Only
//! for jobs that are missing there, or have ended, sacct is asked by id and the end marker is read.
//!
//! Of an array the members count one by one. Its ended members stay in the queue for a while, up to
//! thousands of rows: those that are known to have ended are left out on the cluster. sacct has a
//! record for each member that started; members that wait, or were cancelled waiting, share one that
//! is found by the array's number only.

mod script;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::rows::{AccountRow, QueueRow, derive};
use super::{members, notices};
use crate::scheduler::control::{ExitMark, epoch};
use crate::scheduler::frame::{self, Part, parts};
use crate::scheduler::{
    End, Exit, IdPart, MembersSeen, Query, Report, SchedulerId, Seen, Source, SourceHealth, Watch,
    Watched,
};
use crate::shell::Output;

pub(super) use script::query;

/// squeue's fields. Free text comes last: `%r` holds blanks, `%k` and `%Z` anything.
pub(super) const QUEUE_FIELDS: &str = "%i|%T|%l|%S|%e|%V|%P|%N|%r|%k|%Z";
/// How many there are.
pub(super) const QUEUE_FIELD_COUNT: usize = 11;
/// sacct's fields. The working directory is the job's identity, so its name, which is free text,
/// is not asked for. Comment is not there on most sites, `Restarts` only in new versions.
pub(super) const ACCOUNT_FIELDS: &str = "JobID,State,ExitCode,DerivedExitCode,Submit,Start,End,Elapsed,TimelimitRaw,Partition,NodeList,MaxRSS,ReqMem,WorkDir";
/// How many there are.
pub(super) const ACCOUNT_FIELD_COUNT: usize = 14;

/// What squeue's or sacct's part says about its source's health.
pub(super) fn health(part: &Part<'_>, program: &str) -> SourceHealth {
    let exit: Option<i32> = part.number("rc");
    let error = part.error().unwrap_or_default();
    let failed = |why: String| SourceHealth::Failed { exit, why };
    match exit {
        None => failed(format!("{program} did not run to its end")),
        Some(127) if program == "sacct" => SourceHealth::Absent {
            why: format!("sacct is not there: {error}"),
        },
        Some(0) => {
            let rows: u64 = part.number("rows").unwrap_or(0);
            let transport = ["timed out", "slurm_load_jobs error", "Unable to contact"]
                .iter()
                .any(|words| error.contains(words));
            if part.number::<u64>("odd") != Some(0) {
                failed(format!("{program} printed rows that are not whole"))
            } else if transport || (rows == 0 && error.contains("error")) {
                // Slurm can say so and still exit with 0. A whole list behind some harmless warning
                // has rows: the list comes in one message or not at all.
                failed(error.to_owned())
            } else {
                SourceHealth::Ok
            }
        }
        Some(_) if error.contains("accounting storage is disabled") => SourceHealth::Absent {
            why: error.to_owned(),
        },
        Some(code) if error.is_empty() => failed(format!("{program} ended with exit code {code}")),
        Some(_) => failed(error.to_owned()),
    }
}

/// The worse of two answers of one source.
fn worse(one: SourceHealth, other: SourceHealth) -> SourceHealth {
    let rank = |health: &SourceHealth| match health {
        SourceHealth::NotAsked => 0,
        SourceHealth::Ok => 1,
        SourceHealth::Absent { .. } => 2,
        SourceHealth::Failed { .. } => 3,
    };
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}

type Key<'a> = (&'a str, u64);

fn key(job: &Watched) -> Key<'_> {
    (job.id.cluster.as_deref().unwrap_or("-"), job.id.base)
}

/// What the answer says.
pub(super) fn parse(watch: &Watch, output: &Output) -> Query {
    let text = output.text();
    let parts = parts(&text, Some(&frame::nonce(&watch.nonce)));
    let mut query = Query::default();
    let mut by_key: HashMap<Key<'_>, &Watched> = HashMap::with_capacity(watch.jobs.len());
    for job in &watch.jobs {
        by_key.insert(key(job), job);
    }
    let mut queue: HashMap<Key<'_>, Vec<QueueRow<'_>>> = HashMap::new();
    let mut records: HashMap<Key<'_>, Vec<AccountRow<'_>>> = HashMap::new();
    let mut whole_clusters = Vec::new();
    let (mut marked, mut noticed) = (HashSet::new(), HashSet::new());
    let mut clocks = (None, None);
    for part in &parts {
        query
            .odd_lines
            .extend(part.noise.iter().map(|&line| line.to_owned()));
        let (name, cluster) = part.name.split_once(' ').unwrap_or((part.name, "-"));
        match name {
            "clock" => clocks.0 = part.lines.first().copied(),
            "clock2" => clocks.1 = part.lines.first().copied(),
            "squeue" => {
                let seen = health(part, "squeue");
                let seen = if seen.is_ok() {
                    queue_rows(part, cluster, &by_key, &mut queue, &mut query.odd_lines)
                } else {
                    seen
                };
                if seen.is_ok() {
                    whole_clusters.push(cluster);
                }
                query.squeue = worse(query.squeue, seen);
            }
            "sacct" => {
                let seen = health(part, "sacct");
                if seen.is_ok() {
                    account_rows(part, cluster, &by_key, &mut records, &mut query.odd_lines);
                }
                query.sacct = worse(query.sacct, seen);
            }
            "markers" => {
                query.marker = SourceHealth::Ok;
                for &line in &part.lines {
                    // (One line for each job is asked for.)
                    match marker(line, &by_key) {
                        Some(report) if marked.insert(report.id.clone()) => {
                            query.reports.push(report);
                        }
                        _ => query.odd_lines.push(format!("marker: {line}")),
                    }
                }
            }
            "notices" => {
                for &line in &part.lines {
                    match notice(line, &by_key) {
                        Some(report) if noticed.insert(report.id.clone()) => {
                            query.reports.push(report);
                        }
                        // Words that say nothing of an end: it was requeued.
                        _ => {}
                    }
                }
            }
            _ => query.odd_lines.push(format!("part {}", part.name)),
        }
    }
    let first_error = || {
        output
            .first_error_line()
            .unwrap_or_else(|| format!("the answer was not whole ({})", output.status))
    };
    let clusters: HashSet<&str> = watch.jobs.iter().map(|job| key(job).0).collect();
    if clusters.iter().any(|name| !whole_clusters.contains(name)) && query.squeue.is_ok()
        || query.squeue == SourceHealth::NotAsked && !watch.jobs.is_empty()
    {
        query.squeue = SourceHealth::Failed {
            exit: None,
            why: first_error(),
        };
    }
    if query.marker == SourceHealth::NotAsked && !watch.jobs.is_empty() {
        query.marker = SourceHealth::Failed {
            exit: None,
            why: first_error(),
        };
    }
    query.remote_now = clocks.0.and_then(|line| epoch(line.split(' ').next()?));
    query.squeue_ms = clocks
        .0
        .zip(clocks.1)
        .and_then(|(from, to)| between(from, to));
    let mut own: HashMap<SchedulerId, BTreeMap<u32, Vec<Report>>> = HashMap::new();
    query.reports.retain(|report| {
        let key = (report.id.cluster.as_deref().unwrap_or("-"), report.id.base);
        match (&report.id.part, by_key.get(&key)) {
            (IdPart::Member(member), Some(job)) if job.open.is_some() => {
                let id = job.id.clone();
                let of_job = own.entry(id.clone()).or_default();
                of_job.entry(*member).or_default().push(Report {
                    id,
                    ..report.clone()
                });
                false
            }
            _ => true,
        }
    });
    let mut asked_for_more = false;
    for job in &watch.jobs {
        let rows = queue.get(&key(job)).map_or(&[][..], Vec::as_slice);
        if job.open.is_some() {
            let seen = members::seen(
                job,
                &members::Rows {
                    queue: rows,
                    records: records.get(&key(job)).map_or(&[][..], Vec::as_slice),
                    own: own.get(&job.id),
                    queue_whole: whole_clusters.contains(&key(job).0),
                    records_whole: query.sacct.is_ok() && query.marker.is_ok(),
                },
            );
            let waits = |one: &MembersSeen| {
                let queue = one
                    .reports
                    .iter()
                    .find(|report| report.source == Source::Squeue);
                queue.is_some_and(|report| !matches!(report.state, Seen::Ended(_)))
            };
            asked_for_more |= !job.settled && query.squeue.is_ok() && !seen.iter().all(waits);
            query.members.extend(seen);
            continue;
        }
        let open = rows.iter().any(|row| !row.has_ended());
        if job.settled {
            if open && let Some(report) = derive(job, Source::Squeue, rows) {
                query.reports.push(report);
            }
            continue;
        }
        let records = records.get(&key(job)).map_or(&[][..], Vec::as_slice);
        // Members of an array leave the queue one by one: what is left of it does not tell how the
        // others ended, the records do.
        let partial = rows.len() > 1 || rows.iter().any(QueueRow::is_part);
        let record = derive(job, Source::Sacct, records);
        if !rows.is_empty() && (open || !partial || records.is_empty()) {
            let mut report = derive(job, Source::Squeue, rows);
            // squeue does not say who cancelled, sacct does.
            if let (Some(report), Some(record)) = (&mut report, &record)
                && report.state == Seen::Ended(End::Cancelled { by_uid: None })
                && let Seen::Ended(End::Cancelled { by_uid: Some(_) }) = record.state
            {
                report.state = record.state.clone();
                report.word.clone_from(&record.word);
            }
            query.reports.extend(report);
        }
        query.reports.extend(record);
        if rows.is_empty() && whole_clusters.contains(&key(job).0) {
            query.absent.push(job.id.clone());
        }
        asked_for_more |= !open && query.squeue.is_ok();
    }
    if asked_for_more && query.sacct == SourceHealth::NotAsked {
        query.sacct = SourceHealth::Failed {
            exit: None,
            why: first_error(),
        };
    }
    query
}

/// Milliseconds between two clock lines, where the cluster's `date` knows nanoseconds.
fn between(from: &str, to: &str) -> Option<u64> {
    let nanos = |line: &str| -> Option<u64> {
        let (seconds, nanos) = line.split_once(' ')?;
        if nanos.len() != 9 {
            return None;
        }
        let seconds = seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?;
        seconds.checked_add(nanos.parse().ok()?)
    };
    Some(nanos(to)?.checked_sub(nanos(from)?)? / 1_000_000)
}

/// Sorts squeue's rows to their jobs. The cluster counted the rows that are ours: a row that was
/// damaged on its way must not make its job look gone.
fn queue_rows<'a>(
    part: &Part<'a>,
    cluster: &str,
    by_key: &HashMap<Key<'a>, &'a Watched>,
    queue: &mut HashMap<Key<'a>, Vec<QueueRow<'a>>>,
    odd_lines: &mut Vec<String>,
) -> SourceHealth {
    let mut ours = Vec::with_capacity(part.lines.len());
    for &line in &part.lines {
        let row = QueueRow::parse(line);
        let job = row
            .as_ref()
            .and_then(|row| by_key.get(&(cluster, row.id.base)));
        match (row, job) {
            (Some(row), Some(job)) if row.is_of(job) => ours.push((key(job), row)),
            _ => odd_lines.push(format!("squeue: {line}")),
        }
    }
    if part.number("ours") != Some(ours.len()) {
        return SourceHealth::Failed {
            exit: part.number("rc"),
            why: "rows of squeue were damaged on their way".to_owned(),
        };
    }
    for (key, row) in ours {
        queue.entry(key).or_default().push(row);
    }
    SourceHealth::Ok
}

/// Sorts sacct's rows to their jobs; a step's memory goes to the record it follows.
fn account_rows<'a>(
    part: &Part<'a>,
    cluster: &str,
    by_key: &HashMap<Key<'a>, &'a Watched>,
    records: &mut HashMap<Key<'a>, Vec<AccountRow<'a>>>,
    odd_lines: &mut Vec<String>,
) {
    let mut last: Option<Key<'a>> = None;
    for &line in &part.lines {
        let Some(row) = AccountRow::parse(line) else {
            odd_lines.push(format!("sacct: {line}"));
            last = None;
            continue;
        };
        if let Some(step_of) = row.step_of {
            if let Some(record) = last
                .and_then(|key| records.get_mut(&key))
                .and_then(|records| records.last_mut())
                && record.id_text == step_of
            {
                record.max_rss = record.max_rss.max(row.max_rss);
            }
            continue;
        }
        last = None;
        match by_key.get(&(cluster, row.id.base)) {
            Some(job) if row.is_of(job) => {
                records.entry(key(job)).or_default().push(row);
                last = Some(key(job));
            }
            // A recycled id: somebody's earlier job.
            _ => odd_lines.push(format!("sacct: {line}")),
        }
    }
}

/// What a line `<cluster> <id> <text>` is about.
struct About<'a> {
    job: &'a Watched,
    /// The id of the part of it.
    id: SchedulerId,
    /// The same as the line has it.
    written: &'a str,
    text: &'a str,
}

fn about<'a>(line: &'a str, by_key: &HashMap<Key<'_>, &'a Watched>) -> Option<About<'a>> {
    let (cluster, rest) = line.split_once(' ')?;
    let (written, text) = rest.split_once(' ')?;
    let SchedulerId { base, part, .. } = SchedulerId::parse(written).ok()?;
    let job = *by_key.get(&(cluster, base))?;
    let is_member = matches!(part, IdPart::Member(_));
    if is_member && job.open.is_none() && part != job.id.part {
        return None;
    }
    let part = if is_member { part } else { job.id.part.clone() };
    let id = SchedulerId {
        part,
        ..job.id.clone()
    };
    Some(About {
        job,
        id,
        written,
        text,
    })
}

/// The report of one notice line.
fn notice(line: &str, by_key: &HashMap<Key<'_>, &Watched>) -> Option<Report> {
    let About { job, id, text, .. } = about(line, by_key)?;
    let report = notices::report(job, text)?;
    Some(Report { id, ..report })
}

/// The report of one marker line: `<cluster> <id> <the marker>`.
fn marker(line: &str, by_key: &HashMap<Key<'_>, &Watched>) -> Option<Report> {
    let About {
        job,
        id,
        written,
        text,
    } = about(line, by_key)?;
    let mark = ExitMark::parse(text)?;
    if mark.tag != job.tag || mark.id != written {
        return None;
    }
    Some(Report {
        id,
        state: Seen::Ended(if mark.code == 0 && mark.signal == 0 {
            End::Completed
        } else {
            End::Failed
        }),
        word: format!("exit {}", mark.code),
        ended: mark.at,
        exit: Some(Exit {
            code: mark.code,
            signal: mark.signal,
        }),
        restarts: Some(mark.restarts),
        ..Report::bare(job, Source::Marker, text)
    })
}
