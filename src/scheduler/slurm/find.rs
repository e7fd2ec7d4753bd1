//! Looking for attempts whose submission has no known outcome.
//!
//! Traces, in the order of their worth: the receipt, sbatch's own answer in its file, the job that
//! owns the directory, the queue (by comment or working directory), the accounting records (by user,
//! working directory and time of submission).

use std::fmt::Write as _;

use super::asking;
use super::query::health;
use super::rows::as_recorded;
use super::text::slurm_time;
use crate::scheduler::frame::{Part, SENTINEL, parts};
use crate::scheduler::{
    FoundAttempt, IdPart, LostAttempt, SchedulerId, Source, SourceHealth, trace,
};
use crate::shell::{Command, Output};

/// How much earlier than our clock says the records are searched: clocks differ.
const SKEW_SECONDS: i64 = 86_400;

/// The command. Its input is the list of attempts, a line each.
pub(super) fn find(lost: &[LostAttempt]) -> Command {
    Command::read("find", remote(lost)).with_input(trace::list(lost))
}

fn remote(lost: &[LostAttempt]) -> String {
    let setup = lost.first().map_or(&[][..], |attempt| &attempt.slurm_setup);
    let since = lost
        .iter()
        .map(|attempt| attempt.since)
        .min()
        .unwrap_or_default();
    let since = since
        .checked_sub(jiff::SignedDuration::from_secs(SKEW_SECONDS))
        .unwrap_or(since);
    let mut text = format!("{{\n{}{}", asking(setup), trace::script());
    let _ = write!(
        text,
        r#"ask() {{
    printf '\n{SENTINEL} find begin %s\n' "$1"
    what=$1
    shift
    {{ printf '%s\n=\n' "$list"; "$@" 2>&1; echo "= $?"; }} | awk -F '\t' -v what="$what" '
        !listed && $0 == "=" {{ listed = 1; next }}
        !listed {{ dir[++n] = $2; tag[n] = $1; next }}
        /^= [0-9]+$/ {{ rc = substr($0, 3); next }}
        !/^[0-9]/ {{ if ($0 != "" && (err == "" || (err !~ /error/ && /error/))) err = $0; next }}
        {{
            rows++
            for (i = 1; i <= n; i++) {{
                d = dir[i]; gsub(/"/, "`", d)
                if (substr($0, length($0) - length(dir[i])) == "|" dir[i] || substr($0, length($0) - length(d)) == "|" d ||
                    index($0, "|namdrunner:" tag[i] "|")) {{ print "|" $0; lines++; break }}
            }}
        }}
        END {{ print "{SENTINEL} find end " what " rc=" rc " rows=" rows + 0 " odd=0 lines=" lines + 0 " err=" substr(err, 1, 300) }}'
}}
ask squeue squeue -h -t all -u "$(id -u)" -o '%i|%T|%V|%k|%Z'
ask sacct sacct -D -X -P -n -u "$(id -u)" -S {since} -o JobID,State,Submit,WorkDir
}}
"#,
        since = slurm_time(since)
    );
    text
}

/// What was found of each attempt.
pub(super) fn parse(lost: &[LostAttempt], output: &Output) -> Vec<FoundAttempt> {
    let text = output.text();
    let parts = parts(&text, None);
    let named = |name: &str| parts.iter().find(|part| part.name == name);
    let answer = |program: &str| match named(program) {
        Some(part) => health(part, program),
        None => SourceHealth::Failed {
            exit: None,
            why: output
                .first_error_line()
                .unwrap_or_else(|| format!("{program}'s answer was not whole")),
        },
    };
    let (queue, records) = (answer("squeue"), answer("sacct"));
    lost.iter()
        .map(|attempt| {
            let Some(traces) = named(&format!("trace {}", attempt.tag.as_str())) else {
                return FoundAttempt::Unanswered {
                    why: output
                        .first_error_line()
                        .unwrap_or_else(|| "the answer was not whole".to_owned()),
                };
            };
            if let Some(found) = trace::by_trace(attempt, traces) {
                return found;
            }
            for (health, name, source) in [
                (&queue, "squeue", Source::Squeue),
                (&records, "sacct", Source::Sacct),
            ] {
                if health.is_ok()
                    && let Some(found) = named(name).and_then(|part| by_row(attempt, part, source))
                {
                    return found;
                }
            }
            for (health, name) in [(&queue, "squeue"), (&records, "sacct")] {
                if let SourceHealth::Failed { why, .. } = health {
                    return FoundAttempt::Unanswered {
                        why: format!("{name}: {why}"),
                    };
                }
            }
            FoundAttempt::Nothing {
                locked: trace::may_be_under_way(traces),
            }
        })
        .collect()
}

/// The job that a list names: by its comment, or by its working directory.
fn by_row(attempt: &LostAttempt, part: &Part<'_>, source: Source) -> Option<FoundAttempt> {
    let comment = format!("|namdrunner:{}|", attempt.tag.as_str());
    part.lines.iter().rev().find_map(|line| {
        // The row may be a member's; what was submitted is the whole.
        let id = SchedulerId {
            part: IdPart::Whole,
            ..SchedulerId::parse(line.split('|').next()?).ok()?
        };
        let ends_in = |dir: &str| {
            line.strip_suffix(dir)
                .is_some_and(|before| before.ends_with('|'))
        };
        let ours = ends_in(attempt.work_dir.as_str())
            || ends_in(&as_recorded(attempt.work_dir.as_str()))
            || line.contains(&comment);
        ours.then(|| FoundAttempt::Job {
            id,
            source,
            evidence: (*line).to_owned(),
        })
    })
}
