//! The control directory of an attempt: which files lie in it, and what their one line says.
//!
//! | file | made by | says |
//! |---|---|---|
//! | `lock.<k>` | the submission, a symbolic link | who submits: `<tag> <host> <pid>`; the highest `k` counts |
//! | `slip.<host>.<pid>` | the submission | nothing; it is renamed to give a lock back, which takes no room on a full disk |
//! | `over.<k>` | the submission | that lock is given back: nothing was submitted under it |
//! | `sending.<k>` | the submission | from here on the batch system may have the job |
//! | `answer.<k>`, `errors.<k>` | whoever was asked | its answer, before anybody reads it |
//! | `receipt` | the submission | `receipt 1 <tag> <id> <epoch> .` |
//! | `job.sbatch`, `job.sh` | the submission | the job script |
//! | `owner` | the job, a symbolic link | the one job that may run in this directory: `<id>` |
//! | `started` | the job | `started 1 <tag> <id> <restarts> <host> <epoch> … .` |
//! | `exit` | the job | `exit 1 <tag> <id> <restarts> <code> <signal> <epoch> .` |
//!
//! A symbolic link is made and filled in one step that fails when the name exists, on local disks as
//! on NFS, Lustre and GPFS. Nothing is ever unlocked by deleting: the next holder makes the next
//! link, so that two of them can never meet. The dot at the end of a line proves it whole.

use jiff::Timestamp;

use super::{Launch, Tag};
use crate::shell::quote;

/// Name of the control directory in a working tree.
pub(super) const CONTROL: &str = ".namdrunner";
/// Name of the directory that keeps what was asked and the receipt of each attempt, by number.
pub(super) const ATTEMPTS: &str = "attempts";
/// Name of the directory that keeps the uploaded tree.
pub(super) const INPUT_FILES: &str = "input_files";

/// What the end marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExitMark {
    /// The attempt's token.
    pub(super) tag: Tag,
    /// The job's id, as its script knew it.
    pub(super) id: String,
    /// How often it had been started again.
    pub(super) restarts: u32,
    /// Exit code.
    pub(super) code: i32,
    /// Signal that ended the script or NAMD, or 0.
    pub(super) signal: i32,
    /// When, by the node's clock.
    pub(super) at: Option<Timestamp>,
}

impl ExitMark {
    /// Reads the marker's line. A line that is not whole is none.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let words = words(line, "exit")?;
        let &[tag, id, restarts, code, signal, at] = words.as_slice() else {
            return None;
        };
        let code = code.parse().ok()?;
        Some(Self {
            tag: Tag::parse(tag)?,
            id: id.to_owned(),
            restarts: restarts.parse().ok()?,
            code,
            signal: match (signal.parse().ok()?, code) {
                // A shell's word for a program that a signal ended. (Slurm signals all processes of
                // a job: NAMD's end can be seen before the script's own signal.)
                (0, 129..=192) => code - 128,
                (signal, _) => signal,
            },
            at: epoch(at),
        })
    }
}

/// The words between `<kind> 1` and the closing dot.
pub(super) fn words<'a>(line: &'a str, kind: &str) -> Option<Vec<&'a str>> {
    let rest = line
        .strip_prefix(kind)?
        .strip_prefix(" 1 ")?
        .strip_suffix(" .")?;
    Some(rest.split(' ').collect())
}

/// A time in seconds since 1970, as `date +%s` prints it.
pub(super) fn epoch(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(text.parse().ok()?).ok()
}

/// Text for a comment in a script: one line, nothing that ends it.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// The variables that every script about one attempt begins with: `tag`, `work` and `control`.
/// Job scripts, in which other people's lines run, give them a prefix.
pub(super) fn variables(launch: &Launch, prefix: &str) -> String {
    format!(
        "{prefix}tag={}\n{prefix}work={}\n{prefix}control=${prefix}work/{CONTROL}\n",
        launch.tag.as_str(),
        launch.work_dir.quoted()
    )
}

/// Makes the directories that the output names need, below the variable `work`.
pub(super) fn output_dirs(launch: &Launch, work: &str) -> Option<String> {
    if launch.output_dirs.is_empty() {
        return None;
    }
    let dirs: Vec<String> = launch
        .output_dirs
        .iter()
        .map(|dir| format!("\"${work}\"/{}", quote(dir)))
        .collect();
    Some(format!("mkdir -p {}", dirs.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_markers_are_read() {
        let line = "exit 1 k3j5h2g8 1018 2 143 15 1800000000 .";
        let mark = ExitMark::parse(line).unwrap();
        assert_eq!((mark.restarts, mark.code, mark.signal), (2, 143, 15));
        assert_eq!(mark.at.unwrap().as_second(), 1_800_000_000);
        for end in 0..line.len() {
            assert!(ExitMark::parse(&line[..end]).is_none(), "{}", &line[..end]);
        }
        let crash = ExitMark::parse("exit 1 k3j5h2g8 1018 0 139 0 1800000000 .").unwrap();
        assert_eq!(crash.signal, 11);
        let ssh = ExitMark::parse("exit 1 k3j5h2g8 1018 0 255 0 1800000000 .").unwrap();
        assert_eq!(ssh.signal, 0);
        assert!(ExitMark::parse("exit 1 k3j5h2g8 1018 x 143 15 1800000000 .").is_none());
        assert!(ExitMark::parse("exit 2 k3j5h2g8 1018 0 143 15 1800000000 .").is_none());
    }

    #[test]
    fn names_are_the_layouts() {
        assert_eq!(CONTROL, crate::job::layout::CONTROL);
        assert_eq!(INPUT_FILES, crate::job::layout::INPUT_FILES);
        assert_eq!(ATTEMPTS, crate::job::layout::ATTEMPTS);
    }
}
