//! The person's whole queue, for a survey.

use super::query::health;
use super::states::seen;
use super::text::time;
use crate::scheduler::frame::{self, Part, SENTINEL};
use crate::scheduler::survey::{MOST_QUEUED, QueuedJob, Survey, SurveyAsk};
use crate::scheduler::{SchedulerId, Seen, SourceHealth, Tag};

/// squeue's fields. Free text comes last; of it the directory is wanted most, so it is the very last.
const FIELDS: &str = "%i|%T|%V|%k|%j|%Z";
/// How many there are at least.
const FIELD_COUNT: usize = 6;

/// Shell text that prints the part `squeue`.
pub(super) fn script(ask: &SurveyAsk) -> String {
    let nonce = frame::nonce(&ask.nonce);
    format!(
        r#"printf '\n{SENTINEL} {nonce} begin squeue\n'
{{ squeue -h -t all -u "$(id -u)" -o '{FIELDS}' 2>&1; echo "= $?"; }} | awk -F '|' '
    /^= [0-9]+$/ {{ rc = substr($0, 3); next }}
    !/^[0-9]/ {{ if ($0 != "" && (err == "" || (err !~ /error/ && /error/))) err = $0; next }}
    {{
        rows++
        if (NF < {FIELD_COUNT}) {{ odd++; next }}
        if (lines < {MOST_QUEUED}) {{ print "|" $0; lines++ }}
    }}
    END {{ print "{SENTINEL} {nonce} end squeue rc=" rc " rows=" rows + 0 " odd=" odd + 0 " lines=" lines + 0 " err=" substr(err, 1, 300) }}'
"#
    )
}

/// Reads the part.
pub(super) fn read(part: &Part<'_>, survey: &mut Survey) {
    survey.queue = health(part, "squeue");
    if !survey.queue.is_ok() {
        return;
    }
    for &line in &part.lines {
        match row(line) {
            Some(job) => survey.queued.push(job),
            None => survey.odd_lines.push(format!("squeue: {line}")),
        }
    }
    if part.number("rows") != Some(part.lines.len()) {
        survey.queue = SourceHealth::Failed {
            exit: None,
            why: format!("only the first {MOST_QUEUED} jobs of the queue were listed"),
        };
    }
}

fn row(line: &str) -> Option<QueuedJob> {
    let mut fields = line.splitn(4, '|');
    let id = SchedulerId::parse(fields.next()?).ok()?;
    let word = fields.next()?;
    let submitted = time(fields.next()?);
    let free = fields.next()?;
    // A comment of ours holds no bar; a name or a directory may, and is cut wrongly then, for show.
    let (before, work_dir) = free.rsplit_once('|')?;
    let (comment, name) = before.split_once('|')?;
    Some(QueuedJob {
        id,
        word: word.to_owned(),
        ended: matches!(seen(word), Seen::Ended(_)),
        submitted,
        tag: comment.strip_prefix("namdrunner:").and_then(Tag::parse),
        name: name.to_owned(),
        work_dir: work_dir.to_owned(),
        line: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_ours_and_of_others() {
        let ours =
            row("1018|RUNNING|2026-11-23T21:50:31|namdrunner:k3j5h2g8|ubq_01|/scratch/me/ubq_01/1")
                .unwrap();
        assert_eq!(ours.tag, Tag::parse("k3j5h2g8"));
        assert_eq!(ours.work_dir, "/scratch/me/ubq_01/1");
        assert!(!ours.ended);
        let hand = row("7_[0-3%2]|PENDING|2026-11-23T21:50:31|(null)|a|b|/home/me").unwrap();
        assert_eq!((hand.tag.clone(), hand.name.as_str()), (None, "a|b"));
        let over = row("9|CANCELLED|N/A||x|/").unwrap();
        assert!(over.ended && over.submitted.is_none());
        for line in ["", "x|RUNNING|N/A||a|/", "1|RUNNING|N/A"] {
            assert!(row(line).is_none(), "{line:?}");
        }
    }
}
