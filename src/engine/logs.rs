//! `jobLog`: a piece of a log, read where it lies.

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, JobId, layout};
use crate::scheduler::tail::{self, Tail};
use crate::scheduler::{IdPart, SchedulerId};
use crate::shell::Command;

/// Bytes given at most, and when nothing is said.
const MOST: u64 = 1 << 20;
const USUAL: u64 = 64 << 10;

/// Which of a job's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// NAMD's log.
    Namd,
    /// What the job script printed. Both of its outputs go to one file.
    Script,
}

/// Which part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// From this byte on.
    From(u64),
    /// So many bytes at its end, from the beginning of a line on.
    Last(u64),
}

/// Which run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// The attempt; none means the newest.
    pub attempt: Option<u32>,
    /// The member of an array.
    pub member: Option<u32>,
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// The file, on the cluster.
    pub path: String,
    /// The byte it begins at.
    pub from: u64,
    /// The byte after its last: where the next piece begins.
    pub next: u64,
    /// The file's size.
    pub size: u64,
}

impl Engine {
    /// Reads a piece of a job's log on its cluster. A log that is not there yet is empty.
    pub async fn job_log(
        &self,
        id: &JobId,
        which: Which,
        part: Option<Part>,
        Run { attempt, member }: Run,
    ) -> Result<Piece> {
        let job = self.visible(id)?;
        check_member(&job, member)?;
        let found = match attempt {
            Some(n) => job.attempts.iter().find(|attempt| attempt.n == n),
            None => job.attempt(),
        };
        let Some(found) = found else {
            return Err(Error::new(
                ErrorKind::RefusedInState,
                match attempt {
                    Some(n) => format!("Job {id} has no attempt {n}."),
                    None => format!("Job {id} has not been submitted: it has no log."),
                },
            )
            .hinted("jobStatus lists its attempts.")
            .of_job(id));
        };
        let cluster = self.find_cluster(&job.spec.cluster)?;
        let bad = |why: crate::shell::BadPath| Error::internal(why.to_string()).of_job(id);
        let top = layout::work_dir(&job, found.n).map_err(bad)?;
        // A member runs in a tree of its own; what the script prints stands beside them all.
        let dir = match (which, member) {
            (Which::Namd, Some(member)) => top.join(&member.to_string()).map_err(bad)?,
            _ => top,
        };
        let name = match (which, &found.id) {
            (Which::Namd, _) => layout::log_in_tree(&job),
            (Which::Script, Some(slurm)) => {
                let of_member = SchedulerId {
                    part: member.map_or_else(|| slurm.part.clone(), IdPart::Member),
                    ..slurm.clone()
                };
                cluster.scheduler.output_name(&dir, &of_member)
            }
            (Which::Script, None) => {
                return Err(Error::new(
                    ErrorKind::RefusedInState,
                    format!("Job {id} has not been taken by the batch system yet: its script has printed nothing."),
                )
                .hinted("Ask again when it is PENDING or later.")
                .of_job(id));
            }
        };
        let path = dir.join(&name).map_err(bad)?;
        cluster.ready().await?;
        let nonce = format!("l{}", self.token());
        // The size is learned on the way; a piece at the end takes its place from it.
        let read = async |from: u64, max: u64| {
            let tails = [Tail {
                path: path.clone(),
                from,
                max,
            }];
            let command = Command::read("log", tail::script(&nonce, &tails));
            let answer = cluster.run(&command).await?;
            tail::parse(&nonce, &tails, &answer)
                .pop()
                .flatten()
                .ok_or_else(|| {
                    Error::new(
                        ErrorKind::RemoteCommandFailed,
                        format!("{path} could not be read on {}.", cluster.place()),
                    )
                    .on_cluster(cluster.name())
                    .of_job(id)
                })
        };
        let (from, max, at_line) = match part {
            Some(Part::From(from)) => (from, MOST, false),
            Some(Part::Last(bytes)) => {
                let size = read(u64::MAX >> 2, 1).await?.size.unwrap_or(0);
                let bytes = bytes.clamp(1, MOST);
                (size.saturating_sub(bytes), bytes, size > bytes)
            }
            None => {
                let size = read(u64::MAX >> 2, 1).await?.size.unwrap_or(0);
                (size.saturating_sub(USUAL), USUAL, size > USUAL)
            }
        };
        let chunk = read(from, max).await?;
        let size = chunk.size.unwrap_or(0);
        let (skipped, bytes) = whole_text(
            &chunk.bytes,
            at_line,
            from + chunk.bytes.len() as u64 >= size,
        );
        Ok(Piece {
            text: String::from_utf8_lossy(bytes).into_owned(),
            path: path.to_string(),
            from: from + skipped,
            next: from + skipped + bytes.len() as u64,
            size,
        })
    }
}

/// Of an array a member has to be named, and of nothing else.
fn check_member(job: &Job, member: Option<u32>) -> Result<()> {
    let error = match (&job.spec.array, member) {
        (None, Some(_)) => Error::bad_param("member", "is given, and the job is no array"),
        (Some(array), None) => Error::bad_param(
            "member",
            format!(
                "is missing: {} is the array {array}, and each of its members has a log of its own",
                job.id
            ),
        )
        .hinted("jobStatus lists its members."),
        (Some(array), Some(member)) if !array.members().contains(member) => {
            Error::bad_param("member", format!("{member} is none of the array {array}"))
        }
        (None, None) | (Some(_), Some(_)) => return Ok(()),
    };
    Err(error.of_job(&job.id))
}

/// Cuts to where a line begins (if asked) and, before the end of the file, to whole characters.
/// Says how many bytes were left out at the beginning.
fn whole_text(bytes: &[u8], at_line: bool, is_end: bool) -> (u64, &[u8]) {
    let begin = if at_line {
        bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1)
    } else {
        0
    };
    let mut text = bytes.get(begin..).unwrap_or_default();
    if !is_end
        && let Err(error) = std::str::from_utf8(text)
        && error.error_len().is_none()
        && error.valid_up_to() > 0
    {
        text = text.get(..error.valid_up_to()).unwrap_or(text);
    }
    (begin as u64, text)
}

#[cfg(test)]
mod tests {
    use super::whole_text;

    #[test]
    fn pieces_end_with_whole_characters_and_begin_with_lines() {
        let text = "ab\ncdé".as_bytes();
        assert_eq!(whole_text(text, false, true), (0, text));
        let cut = &text[..text.len() - 1];
        assert_eq!(whole_text(cut, false, false), (0, &b"ab\ncd"[..]));
        assert_eq!(whole_text(cut, false, true).1, cut);
        assert_eq!(whole_text(text, true, true), (3, "cdé".as_bytes()));
        // Bytes that are no text at all are given, not waited for.
        assert_eq!(whole_text(b"\xff\xfe", false, false), (0, &b"\xff\xfe"[..]));
    }
}
