//! One look at all watched jobs: one remote command, one round trip.
//!
//! squeue is asked for all jobs of the user (`-j` with a lone purged id is an error, and 10,000 ids
//! do not fit one argument), and the answer is cut down to the watched ones on the cluster. Only
//! for jobs that are missing there, or have ended, sacct is asked by id and the end marker is read.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::asking;
use super::rows::{AccountRow, QueueRow, derive};
use super::states::ending_words;
use crate::scheduler::control::{CONTROL, ExitMark, epoch};
use crate::scheduler::frame::{self, Part, SENTINEL, parts};
use crate::scheduler::{End, Exit, Query, Report, Seen, Source, SourceHealth, Watch, Watched};
use crate::shell::{Command, Output};

/// squeue's fields. Free text comes last: `%r` holds blanks, `%k` and `%Z` anything.
pub(super) const QUEUE_FIELDS: &str = "%i|%T|%l|%S|%e|%V|%P|%N|%r|%k|%Z";
/// How many there are.
pub(super) const QUEUE_FIELD_COUNT: usize = 11;
/// sacct's fields. The working directory is the job's identity, so its name, which is free text,
/// is not asked for. Comment is not there on most sites, `Restarts` only in new versions.
pub(super) const ACCOUNT_FIELDS: &str = "JobID,State,ExitCode,DerivedExitCode,Submit,Start,End,Elapsed,TimelimitRaw,Partition,NodeList,MaxRSS,ReqMem,WorkDir";
/// How many there are.
pub(super) const ACCOUNT_FIELD_COUNT: usize = 14;
/// How many ids one sacct is asked for: far below the 128 KiB of one argument.
const CHUNK: usize = 500;

/// The command. Its input is the list of jobs, a line each.
pub(super) fn query(watch: &Watch) -> Command {
    let mut list = String::new();
    for job in &watch.jobs {
        let _ = writeln!(
            list,
            "{}\t{}\t{}\t{}\t{}",
            job.id.cluster.as_deref().unwrap_or("-"),
            job.id.base,
            if job.settled { "settled" } else { "live" },
            job.tag.as_str(),
            job.work_dir
        );
    }
    Command::read("query", remote(watch)).with_input(list)
}

/// What runs on the cluster: an awk program that runs squeue, then sacct where needed, and reads the
/// markers itself. Started once whatever the number of jobs.
fn remote(watch: &Watch) -> String {
    let nonce = frame::nonce(&watch.nonce);
    let ends: Vec<&str> = ending_words().collect();
    format!(
        r#"{{
{asking}uid=$(id -u)
printf '\n{SENTINEL} {nonce} begin clock\n|%s\n{SENTINEL} {nonce} end clock lines=1\n' "$(date '+%s %N')"
awk -F '\t' -v uid="$uid" -v ends=' {ends} ' '
function head(name) {{ print "{SENTINEL} {nonce} begin " name; lines = 0; err = ""; rc = ""; rows = 0; odd = 0; own = 0 }}
function tail(name) {{ print "{SENTINEL} {nonce} end " name " rc=" rc " rows=" rows " odd=" odd " ours=" own " lines=" lines " err=" substr(err, 1, 300) }}
function say(text) {{ print "|" text; lines++ }}
function row(line, fields) {{
    if (line ~ /^= [0-9]+$/) {{ rc = substr(line, 3); return 0 }}
    if (line !~ /^[0-9]/) {{
        if (line != "" && line !~ /^CLUSTER: / && (err == "" || (err !~ /error/ && line ~ /error/))) err = line
        return 0
    }}
    rows++
    if (split(line, f, "|") < fields) {{ odd++; return 0 }}
    base = f[1]; sub(/[^0-9].*/, "", base)
    return ((c, base) in dir)
}}
function ask(c, ids) {{
    if (ids == "" || stop) return
    head("sacct " c)
    cmd = "sacct" (c == "-" ? "" : " -M " c) " -D -P -n -u " uid " -j " ids " -o {ACCOUNT_FIELDS} 2>&1; echo \"= $?\""
    while ((cmd | getline line) > 0) if (row(line, {ACCOUNT_FIELD_COUNT})) say(line)
    close(cmd)
    tail("sacct " c)
    if (rc != 0) stop = 1
}}
{{
    dir[$1, $2] = $5; tag[$1, $2] = $4; live[$1, $2] = ($3 == "live")
    if (!($1 in known)) {{ known[$1] = 1; clusters[++nc] = $1 }}
    jobs[++nj] = $1; bases[nj] = $2
}}
END {{
    for (i = 1; i <= nc; i++) {{
        c = clusters[i]
        head("squeue " c)
        cmd = "squeue" (c == "-" ? "" : " -M " c) " -h -t all -u " uid " -o \"{QUEUE_FIELDS}\" 2>&1; echo \"= $?\""
        while ((cmd | getline line) > 0) if (row(line, {QUEUE_FIELD_COUNT})) {{
            ended = index(ends, " " f[2] " ")
            d = dir[c, base]
            ours = (substr(line, length(line) - length(d)) == "|" d || index(line, "|namdrunner:" tag[c, base] "|"))
            if (ours && !ended) waits[c, base] = 1
            if (live[c, base] || (ours && !ended)) {{ say(line); own += ours }}
        }}
        close(cmd)
        tail("squeue " c)
        whole[c] = (rc == "0" && !odd && (rows || err !~ /error/))
        if (i == 1) {{ "date \"+%s %N\"" | getline line; head("clock2"); say(line); tail("clock2") }}
    }}
    for (i = 1; i <= nc; i++) {{
        c = clusters[i]; ids = ""; n = 0
        if (!whole[c]) continue
        for (j = 1; j <= nj; j++) {{
            if (jobs[j] != c || !live[c, bases[j]] || ((c, bases[j]) in waits)) continue
            look[++nl] = j
            ids = ids (n++ ? "," : "") bases[j]
            if (n == {CHUNK}) {{ ask(c, ids); ids = ""; n = 0 }}
        }}
        ask(c, ids)
    }}
    head("markers")
    rc = 0
    for (i = 1; i <= nl; i++) {{
        c = jobs[look[i]]; base = bases[look[i]]; file = dir[c, base] "/{CONTROL}/exit"; line = ""
        if ((getline line < file) > 0) say(c " " base " " line)
        close(file)
    }}
    tail("markers")
}}'
}}
"#,
        asking = asking(&watch.slurm_setup),
        ends = ends.join(" "),
    )
}

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
    let mut marked = HashSet::new();
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
    let mut asked_for_more = false;
    for job in &watch.jobs {
        let rows = queue.get(&key(job)).map_or(&[][..], Vec::as_slice);
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

/// The report of one marker line: `<cluster> <id> <the marker>`.
fn marker(line: &str, by_key: &HashMap<Key<'_>, &Watched>) -> Option<Report> {
    let (cluster, rest) = line.split_once(' ')?;
    let (base, text) = rest.split_once(' ')?;
    let job = by_key.get(&(cluster, base.parse().ok()?))?;
    let mark = ExitMark::parse(text)?;
    if mark.tag != job.tag || mark.id != base {
        return None;
    }
    Some(Report {
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
