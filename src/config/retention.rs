//! How long what happened is kept. Pure.

use super::mistake::Notes;
use super::values::{Section, TextOrWhole};

/// The word for "never forgotten".
const FOR_EVER: &str = "forever";
/// Days for which raw evidence is kept when the file does not say.
const EVIDENCE_DAYS: u32 = 90;
/// The longest time in days: a hundred years.
const MOST_DAYS: i64 = 36_500;

/// Keys of the table `[retention]`.
const KEYS: &[&str] = &["evidence", "jobs"];

/// How long what happened is kept, in days; none means for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Jobs that have ended, with their histories.
    pub jobs: Option<u32>,
    /// The raw lines in histories. What happened, when, and by whose witness stays.
    pub evidence: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            jobs: None,
            evidence: Some(EVIDENCE_DAYS),
        }
    }
}

/// Reads the table, if it is there.
pub(super) fn read(notes: &mut Notes<'_>, top: &Section<'_>) -> Retention {
    let mut retention = Retention::default();
    let Some(section) = top.table(notes, "retention") else {
        return retention;
    };
    section.refuse_others(
        notes,
        KEYS,
        &[("history", "evidence"), ("days", "jobs")],
        &[],
    );
    let mut days = |key: &str, place: &mut Option<u32>| {
        let Some(given) = section.text_or_whole(key) else {
            return;
        };
        let read = match given.value {
            TextOrWhole::Text(FOR_EVER) => Some(None),
            TextOrWhole::Whole(days) if (1..=MOST_DAYS).contains(&days) => {
                u32::try_from(days).ok().map(Some)
            }
            _ => None,
        };
        match read {
            Some(read) => *place = read,
            None => notes.note(
                &given.span,
                &section.key(key),
                "It is not a number of days.".to_owned(),
                format!("Allowed is 1 to {MOST_DAYS}, without quotes, or \"{FOR_EVER}\"."),
            ),
        }
    };
    days("jobs", &mut retention.jobs);
    days("evidence", &mut retention.evidence);
    retention
}
