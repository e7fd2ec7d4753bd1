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
use crate::scheduler::control::{CONTROL, words};
use crate::scheduler::frame::{Part, SENTINEL, parts, shell};
use crate::scheduler::{FoundAttempt, LostAttempt, SchedulerId, Source, SourceHealth};
use crate::shell::{Command, Output};

/// How much earlier than our clock says the records are searched: clocks differ.
const SKEW_SECONDS: i64 = 86_400;

/// The command. Its input is the list of attempts, a line each.
pub(super) fn find(lost: &[LostAttempt]) -> Command {
    let mut input = String::new();
    for attempt in lost {
        let _ = writeln!(input, "{}\t{}", attempt.tag.as_str(), attempt.work_dir);
    }
    Command::read("find", remote(lost)).with_input(input)
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
    let mut text = format!("{{\n{}{}", asking(setup), shell("find"));
    let _ = write!(
        text,
        r#"tab=$(printf '\t')
list=$(cat)
while IFS=$tab read -r tag work; do
    [ -n "$tag" ] || continue
    control=$work/{CONTROL}
    [ ! -f "$control/receipt" ] || while IFS= read -r line; do note "$line"; done <"$control/receipt"
    k=0
    while [ -L "$control/lock.$((k+1))" ]; do
        k=$((k+1))
        case $(readlink "$control/lock.$k") in "$tag "*) ;; *) continue ;; esac
        [ ! -f "$control/sbatch.out.$k" ] || while IFS= read -r line; do note "out $line"; done <"$control/sbatch.out.$k"
    done
    if [ $k != 0 ]; then
        read -r owner host pid <<EOF
$(readlink "$control/lock.$k")
EOF
        state=elsewhere
        if [ -f "$control/over.$k" ]; then state=over
        elif [ "$host" = "$(uname -n)" ]; then
            state=gone
            kill -0 "$pid" 2>/dev/null && state=alive
        fi
        [ ! -f "$control/sending.$k" ] || state="$state sending"
        note "lock $k $owner $state"
    fi
    [ ! -L "$control/owner" ] || note "owner $(readlink "$control/owner")"
    part "trace $tag" ''
done <<EOF
$list
EOF
ask() {{
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
            let Some(trace) = named(&format!("trace {}", attempt.tag.as_str())) else {
                return FoundAttempt::Unanswered {
                    why: output
                        .first_error_line()
                        .unwrap_or_else(|| "the answer was not whole".to_owned()),
                };
            };
            if let Some(found) = by_trace(attempt, trace) {
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
                locked: may_be_under_way(trace),
            }
        })
        .collect()
}

/// The job that the control directory names.
fn by_trace(attempt: &LostAttempt, trace: &Part<'_>) -> Option<FoundAttempt> {
    let job = |id: &str, evidence: &str| {
        Some(FoundAttempt::Job {
            id: SchedulerId::parse(id).ok()?,
            source: Source::Marker,
            evidence: evidence.to_owned(),
        })
    };
    let receipt = trace.lines.iter().find_map(|line| {
        let words = words(line, "receipt")?;
        let &[tag, id, _] = words.as_slice() else {
            return None;
        };
        if tag == attempt.tag.as_str() {
            job(id, line)
        } else {
            None
        }
    });
    receipt
        .or_else(|| {
            let answers = trace
                .lines
                .iter()
                .filter_map(|line| line.strip_prefix("out "));
            answers
                .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
                .find_map(|line| job(line, line))
        })
        .or_else(|| {
            let owner = trace
                .lines
                .iter()
                .find_map(|line| line.strip_prefix("owner "));
            owner.and_then(|id| job(id, &format!("owner {id}")))
        })
}

/// The job that a list names: by its comment, or by its working directory.
fn by_row(attempt: &LostAttempt, part: &Part<'_>, source: Source) -> Option<FoundAttempt> {
    let comment = format!("|namdrunner:{}|", attempt.tag.as_str());
    part.lines.iter().rev().find_map(|line| {
        let id = SchedulerId::parse(line.split('|').next()?).ok()?;
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

/// Whether somebody may still be submitting: a lock that was not given back, unless its holder is
/// known to have died before sbatch was started.
fn may_be_under_way(trace: &Part<'_>) -> bool {
    trace
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("lock "))
        .any(|line| {
            let mut words = line.split(' ').skip(2);
            let (state, sending) = (words.next(), words.next().is_some());
            match state {
                Some("over") => false,
                Some("gone") => sending,
                _ => true,
            }
        })
}
