//! Looking at the processes.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::process;
use crate::scheduler::control::{CONTROL, ExitMark, epoch, words};
use crate::scheduler::frame::{self, parts, shell};
use crate::scheduler::{
    End, Exit, Query, Report, RunPhase, Seen, Source, SourceHealth, Watch, Watched,
};
use crate::shell::{Command, Output};

/// Why a job waits here.
const WAITS: &str = "waits for a free slot on this machine (max_running)";

/// The command. Its input is the list of jobs, a line each. Jobs that have ended cannot come back.
pub(super) fn query(watch: &Watch) -> Command {
    let mut list = String::new();
    for job in watch.jobs.iter().filter(|job| !job.settled) {
        let _ = writeln!(
            list,
            "{}\t{}\t{}",
            job.id.base,
            job.tag.as_str(),
            job.work_dir
        );
    }
    let nonce = frame::nonce(&watch.nonce);
    Command::read("query", remote(&nonce)).with_input(list)
}

/// What runs on the machine. The process is looked at before its marker, which is its last word: a
/// process that is gone has left it already, if it leaves one.
fn remote(nonce: &str) -> String {
    format!(
        r#"{{
{shell}{functions}me=$(uname -n)
note "$(date +%s)"
part clock ''
tab=$(printf '\t')
line_of() {{ line=; [ -f "$control/$1" ] && IFS= read -r line <"$control/$1"; }}
while IFS=$tab read -r id tag work; do
    control=$work/{CONTROL}
    if [ ! -d "$control" ]; then
        note "$id none"
        continue
    fi
    state=gone
    if line_of started || line_of waiting; then
        mark=$line
        set -- $line
        case $1 in
            started | waiting)
                if lives "$8" "$9" "${{10}}"; then state=alive
                elif [ "${{10}}" != "$boot" ] && [ "$6" != "$me" ]; then state=elsewhere
                elif [ "${{10}}" != "$boot" ]; then state=rebooted
                fi ;;
        esac
    else
        mark=
        [ -z "$(birth "$id")" ] || state=alive
    fi
    if line_of exit; then
        case $mark in started*) note "$id ran $mark" ;; esac
        note "$id exit $line"
        continue
    fi
    case $state in
        alive | elsewhere)
            rm -f "$control/missed"
            note "$id $state $mark" ;;
        *)
            if [ -f "$control/missed" ]; then note "$id $state twice"
            else
                true 2>/dev/null >"$control/missed"
                note "$id $state once"
            fi ;;
    esac
done
part jobs ''
}}
"#,
        shell = shell(nonce),
        functions = process::FUNCTIONS,
    )
}

/// What the answer says.
pub(super) fn parse(watch: &Watch, output: &Output) -> Query {
    let text = output.text();
    let parts = parts(&text, Some(&frame::nonce(&watch.nonce)));
    let named = |name: &str| parts.iter().find(|part| part.name == name);
    let mut query = Query {
        remote_now: named("clock").and_then(|part| epoch(part.lines.first()?)),
        ..Query::default()
    };
    let Some(jobs) = named("jobs") else {
        query.marker = SourceHealth::Failed {
            exit: None,
            why: output
                .first_error_line()
                .unwrap_or_else(|| format!("the answer was not whole ({})", output.status)),
        };
        return query;
    };
    query.marker = SourceHealth::Ok;
    let by_id: HashMap<u64, &Watched> = watch.jobs.iter().map(|job| (job.id.base, job)).collect();
    // Of a job that has ended: what its word of the start said.
    let mut ran: HashMap<u64, Report> = HashMap::new();
    for &line in &jobs.lines {
        let known = line
            .split_once(' ')
            .and_then(|(id, rest)| Some((*by_id.get(&id.parse().ok()?)?, rest)));
        match known {
            Some((job, "none")) => query.absent.push(job.id.clone()),
            // The first look that misses it says nothing yet.
            Some((_, "gone once" | "rebooted once")) => {}
            Some((job, rest)) => match report(job, rest) {
                Some(start) if rest.starts_with("ran ") => {
                    ran.insert(job.id.base, start);
                }
                Some(mut report) => {
                    if let Some(start) = ran.remove(&job.id.base) {
                        report.started = start.started;
                        report.nodes = start.nodes;
                    }
                    query.reports.push(report);
                }
                None => query.odd_lines.push(line.to_owned()),
            },
            None => query.odd_lines.push(line.to_owned()),
        }
    }
    query
}

/// What was seen of one job.
fn report(job: &Watched, seen: &str) -> Option<Report> {
    let (what, rest) = seen.split_once(' ')?;
    let bare = Report::bare(job, Source::Marker, seen);
    match what {
        "exit" => {
            let mark = ExitMark::parse(rest)?;
            if mark.tag != job.tag || mark.id != job.id.base.to_string() {
                return None;
            }
            Some(Report {
                state: Seen::Ended(if mark.code == 0 {
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
                evidence: rest.to_owned(),
                ..bare
            })
        }
        "alive" | "elsewhere" if rest.is_empty() => Some(Report {
            state: Seen::Waiting {
                held: false,
                requeued: false,
            },
            word: "waiting".into(),
            ..bare
        }),
        "alive" | "elsewhere" | "ran" => {
            let (state, host, at) = live_mark(job, rest)?;
            let running = matches!(state, Seen::Running(_));
            Some(Report {
                word: if running { "running" } else { "waiting" }.to_owned(),
                reason: (!running).then(|| WAITS.to_owned()),
                started: at.filter(|_| running),
                submitted: at.filter(|_| !running),
                nodes: running.then(|| host.to_owned()),
                state,
                evidence: rest.to_owned(),
                ..bare
            })
        }
        "gone" | "rebooted" if rest == "twice" => {
            let detail = if what == "rebooted" {
                "the machine was restarted"
            } else {
                "its process is gone and left no end marker: it was killed"
            };
            Some(Report {
                state: Seen::Ended(End::Vanished {
                    detail: detail.to_owned(),
                }),
                word: "gone".into(),
                evidence: format!("process {}: {detail}", job.id.base),
                ..bare
            })
        }
        _ => None,
    }
}

/// The state, the host and the time in a `started` or `waiting` line.
fn live_mark<'a>(job: &Watched, line: &'a str) -> Option<(Seen, &'a str, Option<Timestamp>)> {
    let (state, kind) = if line.starts_with("started") {
        (Seen::Running(RunPhase::Running), "started")
    } else {
        let waiting = Seen::Waiting {
            held: false,
            requeued: false,
        };
        (waiting, "waiting")
    };
    let words = words(line, kind)?;
    let &[tag, id, _, host, at, ..] = words.as_slice() else {
        return None;
    };
    (tag == job.tag.as_str() && id == job.id.base.to_string()).then(|| (state, host, epoch(at)))
}
