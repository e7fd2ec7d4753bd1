//! Looking at everything there is: the job directories below both roots, and the person's queue.
//!
//! For lost databases, other laptops, and for comparing what is known here with what is there. One
//! remote command that changes nothing: directories by the time in their names, the newest first, at
//! most [`MOST_DIRECTORIES`]; of those without a row here their `job_info.json`, list of checksums
//! and NAMD config too, as far as they are small. What lies in those files is foreign text: it comes
//! back as bytes, and is judged by the job room.

mod script;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::control::{ExitMark, epoch, words};
use super::frame::{self, Part, parts};
use super::{SchedulerId, SourceHealth, Tag};
use crate::shell::{Output, RemotePath};

pub(super) use script::command;

/// At most so many job directories are looked at, the newest first.
pub const MOST_DIRECTORIES: usize = 5000;
/// At most so many jobs of the queue are listed.
pub const MOST_QUEUED: usize = 20_000;
/// A line of a control file is never longer.
const LONGEST_LINE: usize = 400;

/// What a survey is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyAsk {
    /// Where job directories are kept.
    pub project_root: RemotePath,
    /// Where jobs run.
    pub scratch_root: RemotePath,
    /// The jobs known here, deleted ones included: their descriptions are not sent.
    pub known: Vec<String>,
    /// Shell lines run before Slurm's commands.
    pub slurm_setup: Vec<String>,
    /// A random word that frames the parts of the answer.
    pub nonce: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// How the listing of the directories went. Only when it is `Ok` does a missing directory count
    /// as missing.
    pub listing: SourceHealth,
    /// How the queue answered.
    pub queue: SourceHealth,
    /// The directories, the newest first.
    pub directories: Vec<Directory>,
    /// Directories beyond the bound, not looked at.
    pub more: u64,
    /// The person's jobs in the queue, ended ones included as long as Slurm shows them.
    pub queued: Vec<QueuedJob>,
    /// Lines that could not be understood, for the log.
    pub odd_lines: Vec<String>,
}

/// What was found of one job's directories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Their name: a job id by its form.
    pub name: String,
    /// There is one below the project root.
    pub in_project: bool,
    /// There is one below the scratch root.
    pub in_scratch: bool,
    /// There is one of an upload that is not whole.
    pub partial: bool,
    /// It is somebody else's, or a symbolic link: not looked into.
    pub not_ours: Option<&'static str>,
    /// Why its description was not sent although there is no row here.
    pub withheld: Option<String>,
    /// The bytes of `job_info.json`.
    pub info: Option<Vec<u8>>,
    /// The bytes of the list of checksums.
    pub sums: Option<Vec<u8>>,
    /// The bytes of the NAMD config as it was uploaded.
    pub config: Option<Vec<u8>>,
    /// What its attempts left, by number.
    pub attempts: BTreeMap<u32, AttemptTrace>,
}

/// What one attempt left in its control directory, and in the project directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttemptTrace {
    /// What was asked, one line of JSON.
    pub asked: Option<String>,
    /// The receipt of its submission.
    pub receipt: Option<Receipt>,
    /// The token of its newest lock: somebody began to submit it.
    pub lock: Option<Tag>,
    /// The word that it runs.
    pub started: Option<StartMark>,
    /// The end marker.
    pub exit: Option<EndMark>,
}

/// A receipt: the batch system took an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The attempt's token.
    pub tag: Tag,
    /// The batch system's id.
    pub id: SchedulerId,
    /// When, by the cluster's clock.
    pub at: Timestamp,
    /// The line.
    pub line: String,
}

/// The word that a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartMark {
    /// The attempt's token.
    pub tag: Tag,
    /// When, by the node's clock.
    pub at: Timestamp,
    /// The line.
    pub line: String,
}

/// A job's own word of its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndMark {
    /// The attempt's token.
    pub tag: Tag,
    /// How often it had been started again.
    pub restarts: u32,
    /// Exit code.
    pub code: i32,
    /// Signal, or 0.
    pub signal: i32,
    /// When, by the node's clock.
    pub at: Option<Timestamp>,
    /// The line.
    pub line: String,
}

/// One of the person's jobs in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJob {
    /// Its id.
    pub id: SchedulerId,
    /// The batch system's word for its state.
    pub word: String,
    /// Whether that is an end.
    pub ended: bool,
    /// When it was submitted.
    pub submitted: Option<Timestamp>,
    /// The token in its comment, if it is one of this program's.
    pub tag: Option<Tag>,
    /// Its name.
    pub name: String,
    /// Its working directory.
    pub work_dir: String,
    /// The raw line.
    pub line: String,
}

/// What the answer says. `queue` reads the part `squeue`.
pub(super) fn parse(
    ask: &SurveyAsk,
    output: &Output,
    queue: impl FnOnce(&Part<'_>, &mut Survey),
) -> Survey {
    let text = output.text();
    let parts = parts(&text, Some(&frame::nonce(&ask.nonce)));
    let mut survey = Survey::default();
    for part in &parts {
        if let Some(name) = part.name.strip_prefix("dir ") {
            let found = directory(name, part, &mut survey.odd_lines);
            survey.directories.push(found);
        }
    }
    let not_whole = |what: &str| SourceHealth::Failed {
        exit: None,
        why: output
            .first_error_line()
            .unwrap_or_else(|| format!("{what} did not arrive whole")),
    };
    let end = parts.iter().find(|part| part.name == "directories");
    survey.listing = match end.and_then(|part| part.number::<usize>("seen")) {
        Some(seen) if seen == survey.directories.len() => SourceHealth::Ok,
        _ => not_whole("the list of directories"),
    };
    survey.more = end.and_then(|part| part.number("more")).unwrap_or(0);
    survey.queue = not_whole("the queue");
    if let Some(part) = parts.iter().find(|part| part.name == "squeue") {
        queue(part, &mut survey);
    }
    survey
}

fn directory(name: &str, part: &Part<'_>, odd: &mut Vec<String>) -> Directory {
    let mut found = Directory {
        name: name.to_owned(),
        ..Directory::default()
    };
    for &line in &part.lines {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let understood = match key {
            "flags" => {
                found.in_project = rest.contains('p');
                found.in_scratch = rest.contains('s');
                found.partial = rest.contains('t');
                true
            }
            "link" => {
                found.not_ours = Some("it is a symbolic link");
                true
            }
            "foreign" => {
                found.not_ours = Some("it belongs to somebody else");
                true
            }
            "withheld" => {
                found.withheld = found.withheld.take().or(Some(rest.to_owned()));
                true
            }
            "info" => keep_bytes(&mut found.info, rest),
            "sums" => keep_bytes(&mut found.sums, rest),
            "config" => keep_bytes(&mut found.config, rest),
            "attempt" => attempt(&mut found.attempts, rest).is_some(),
            _ => false,
        };
        if !understood {
            let start: String = line.chars().take(200).collect();
            odd.push(format!("{name}: {start}"));
        }
    }
    found
}

fn keep_bytes(place: &mut Option<Vec<u8>>, hex: &str) -> bool {
    *place = unhex(hex);
    place.is_some()
}

/// Bytes of pairs of hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            &[high, low] => u8::try_from(value(high)? * 16 + value(low)?).ok(),
            _ => None,
        })
        .collect()
}

/// Takes in `<n> asked …`, `<n> mark <a control file's line>` or `<n> lock <link>`.
fn attempt(attempts: &mut BTreeMap<u32, AttemptTrace>, line: &str) -> Option<()> {
    let (n, rest) = line.split_once(' ')?;
    let n: u32 = n.parse().ok().filter(|n| *n > 0)?;
    let (what, rest) = rest.split_once(' ')?;
    if what == "asked" {
        attempts.entry(n).or_default().asked = Some(rest.to_owned());
        return Some(());
    }
    if rest.len() > LONGEST_LINE {
        return None;
    }
    if what == "lock" {
        let tag = Tag::parse(rest.split(' ').next()?)?;
        attempts.entry(n).or_default().lock = Some(tag);
        return Some(());
    }
    let line = rest.to_owned();
    match rest.split(' ').next()? {
        "receipt" => {
            let &[tag, id, at] = words(rest, "receipt")?.as_slice() else {
                return None;
            };
            let receipt = Receipt {
                tag: Tag::parse(tag)?,
                id: SchedulerId::parse(id).ok()?,
                at: epoch(at)?,
                line,
            };
            attempts.entry(n).or_default().receipt = Some(receipt);
        }
        "started" => {
            let words = words(rest, "started")?;
            let &[tag, _, _, _, at, ..] = words.as_slice() else {
                return None;
            };
            let mark = StartMark {
                tag: Tag::parse(tag)?,
                at: epoch(at)?,
                line,
            };
            attempts.entry(n).or_default().started = Some(mark);
        }
        "exit" => {
            let mark = ExitMark::parse(rest)?;
            let mark = EndMark {
                tag: mark.tag,
                restarts: mark.restarts,
                code: mark.code,
                signal: mark.signal,
                at: mark.at,
                line,
            };
            attempts.entry(n).or_default().exit = Some(mark);
        }
        _ => return None,
    }
    Some(())
}
