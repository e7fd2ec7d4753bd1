//! What an attempt's control directory tells of a submission whose answer was lost.

use std::fmt::Write as _;

use super::control::{CONTROL, words};
use super::frame::{Part, parts, shell};
use super::{FoundAttempt, LostAttempt, SchedulerId, Source};
use crate::shell::Output;

/// The list for [`script`]'s input: a line for each attempt.
pub(super) fn list(lost: &[LostAttempt]) -> String {
    let mut input = String::new();
    for attempt in lost {
        let _ = writeln!(input, "{}\t{}", attempt.tag.as_str(), attempt.work_dir);
    }
    input
}

/// Shell text that reads the list into `$list` and prints a part `trace <tag>` for each attempt.
pub(super) fn script() -> String {
    format!(
        r#"{functions}tab=$(printf '\t')
list=$(cat)
while IFS=$tab read -r tag work; do
    [ -n "$tag" ] || continue
    control=$work/{CONTROL}
    [ ! -f "$control/receipt" ] || while IFS= read -r line; do note "$line"; done <"$control/receipt"
    k=0
    while [ -L "$control/lock.$((k+1))" ]; do
        k=$((k+1))
        case $(readlink "$control/lock.$k") in "$tag "*) ;; *) continue ;; esac
        [ ! -f "$control/answer.$k" ] || while IFS= read -r line; do note "out $line"; done <"$control/answer.$k"
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
"#,
        functions = shell("find")
    )
}

/// The job that the control directory names.
pub(super) fn by_trace(attempt: &LostAttempt, trace: &Part<'_>) -> Option<FoundAttempt> {
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

/// Whether somebody may still be submitting: a lock that was not given back, unless its holder is
/// known to have died before sbatch was started.
pub(super) fn may_be_under_way(trace: &Part<'_>) -> bool {
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

/// What was found of each attempt, where the control directories are all there is to look at.
pub(super) fn parse(lost: &[LostAttempt], output: &Output) -> Vec<FoundAttempt> {
    let text = output.text();
    let parts = parts(&text, None);
    lost.iter()
        .map(|attempt| {
            let name = format!("trace {}", attempt.tag.as_str());
            match parts.iter().find(|part| part.name == name) {
                None => FoundAttempt::Unanswered {
                    why: output
                        .first_error_line()
                        .unwrap_or_else(|| "the answer was not whole".to_owned()),
                },
                Some(traces) => by_trace(attempt, traces).unwrap_or(FoundAttempt::Nothing {
                    locked: may_be_under_way(traces),
                }),
            }
        })
        .collect()
}
