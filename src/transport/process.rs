//! The conversation with one running command, the same for every transport: input in, output out,
//! until its end, a timeout, or the caller's withdrawal.

mod capture;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

use super::bundle::{Piece, Pieces};
use super::{Sent, TransportError, Watcher};
use crate::shell::{Command, ExitStatus};

pub(super) use capture::{Capture, STDOUT_LIMIT};

/// How long a command may take to notice that its input broke off.
const GRACE: Duration = Duration::from_secs(5);

/// Printed on both outputs before the script begins. What stands before it was printed by the
/// login shell's start-up files and is no answer; without it the script never ran.
pub(super) const MARK: &[u8] = b"\x1enamdrunner\n";
const PRINT_MARK: &str = r"printf '\036namdrunner\n';printf '\036namdrunner\n' >&2;";

/// The line every login shell is handed, whatever the command: it starts an `sh` that waits for the
/// length of a script and then for the script, and leaves the rest of its input to it.
///
/// It means the same to sh, bash, zsh, ksh, csh, tcsh and fish. Because it does not depend on the
/// command, a shell can be started ahead. `read` takes no byte too many from a pipe (POSIX), nor
/// does `dd`: of GNU and busybox with the flag in one read or two, elsewhere byte by byte.
pub(super) const LINE: &str = "exec sh -c 'read -r n && eval \"$(dd bs=$n count=1 \
     iflag=fullblock 2>/dev/null || dd bs=1 count=$n 2>/dev/null)\"'";

/// What a shell started by [`LINE`] reads before the command's own input.
pub(super) fn dress(script: &str) -> Vec<u8> {
    let length = PRINT_MARK.len() + script.len();
    format!("{length}\n{PRINT_MARK}{script}").into_bytes()
}

/// A started command as a transport sees it.
pub(super) trait Process: Send {
    /// Waits for the next thing that happens and puts output into the capture.
    ///
    /// Must lose nothing when dropped before it is ready.
    fn next(
        &mut self,
        capture: &mut Capture,
    ) -> impl Future<Output = Result<Step, TransportError>> + Send;
}

/// What happened to a process.
pub(super) enum Step {
    /// It goes on.
    On,
    /// It has ended and all its output is here.
    Ended(ExitStatus),
}

/// What a command reads, after its script.
pub(super) struct Input {
    /// Bytes at hand: the script and the command's own input.
    pub(super) head: Vec<u8>,
    /// Bytes still being made.
    pub(super) pieces: Option<Pieces>,
}

/// The bounds of a conversation.
pub(super) struct Terms<'a> {
    /// What the command is for.
    pub(super) what: &'a str,
    /// The machine, for messages.
    pub(super) place: &'a str,
    /// Time for the whole command; with [`Input::pieces`], without any byte moving.
    pub(super) timeout: Duration,
    /// The caller's eye and hand.
    pub(super) watch: Option<&'a Watcher>,
}

impl<'a> Terms<'a> {
    /// The terms of a plain command.
    pub(super) fn of(command: &'a Command, place: &'a str) -> Self {
        Self {
            what: command.what,
            place,
            timeout: command.timeout,
            watch: None,
        }
    }
}

/// Talks to a process until it ends. `Err` leaves the process to its owner's `Drop`.
pub(super) async fn converse<P: Process>(
    process: &mut P,
    to: impl AsyncWrite + Send + Unpin,
    input: Input,
    capture: &mut Capture,
    terms: &Terms<'_>,
) -> Result<(ExitStatus, Vec<Sent>), TransportError> {
    let moved = AtomicU64::new(0);
    let mut moved_before = 0;
    let streaming = input.pieces.is_some();
    let mut sent = Vec::new();
    let status = {
        let mut feeding = pin!(feed(to, input, terms.watch, &moved, &mut sent));
        let mut fed = false;
        // Once set, the answer is this error; the process only gets time to see its input end.
        let mut failed: Option<TransportError> = None;
        let mut deadline = pin!(sleep_until(Instant::now() + terms.timeout));
        loop {
            let asked = failed.is_none();
            tokio::select! {
                step = process.next(capture) => match step {
                    Ok(Step::On) => {
                        moved.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(Step::Ended(status)) => break failed.map_or(Ok(status), Err),
                    Err(error) => break Err(failed.unwrap_or(error)),
                },
                result = &mut feeding, if !fed => {
                    fed = true;
                    if let Err(error) = result {
                        failed = Some(error);
                        deadline.as_mut().reset(Instant::now() + GRACE);
                    }
                }
                () = cancelled(terms.watch), if asked && !fed => {
                    // The feeder sees it as well and ends the input.
                    failed = Some(TransportError::Cancelled);
                    deadline.as_mut().reset(Instant::now() + GRACE);
                }
                () = &mut deadline => {
                    if let Some(error) = failed {
                        break Err(error);
                    }
                    let now = moved.load(Ordering::Relaxed);
                    if streaming && now != moved_before {
                        moved_before = now;
                        deadline.as_mut().reset(Instant::now() + terms.timeout);
                    } else {
                        break Err(timed_out(terms, streaming));
                    }
                }
            }
        }
    };
    Ok((status?, sent))
}

fn timed_out(terms: &Terms<'_>, streaming: bool) -> TransportError {
    let Terms {
        what,
        place,
        timeout,
        ..
    } = terms;
    let moved = if streaming {
        " without any byte moving"
    } else {
        ""
    };
    TransportError::Timeout(format!(
        "`{what}` on {place} took more than {} s{moved}; whether it had its effect is not known",
        timeout.as_secs_f32()
    ))
}

async fn cancelled(watch: Option<&Watcher>) {
    match watch {
        Some(watch) => watch.cancel.cancelled().await,
        None => std::future::pending().await,
    }
}

/// Writes the input and ends it. Errors are those of the input alone: a process that stops reading
/// says why by its end.
async fn feed(
    mut to: impl AsyncWrite + Unpin,
    input: Input,
    watch: Option<&Watcher>,
    moved: &AtomicU64,
    sent: &mut Vec<Sent>,
) -> Result<(), TransportError> {
    let result = tokio::select! {
        biased;
        () = cancelled(watch) => Err(TransportError::Cancelled),
        result = write(&mut to, input, watch, moved, sent) => result,
    };
    // The process sees the end of its input either way; one that is gone does not mind.
    let _ = to.shutdown().await;
    result
}

async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    input: Input,
    watch: Option<&Watcher>,
    moved: &AtomicU64,
    sent: &mut Vec<Sent>,
) -> Result<(), TransportError> {
    if !input.head.is_empty() && to.write_all(&input.head).await.is_err() {
        return Ok(());
    }
    drop(input.head);
    let Some(mut pieces) = input.pieces else {
        return Ok(());
    };
    while let Some(piece) = pieces.recv().await {
        match piece? {
            Piece::End => return Ok(()),
            Piece::Chunk {
                bytes,
                payload,
                done,
            } => {
                if !bytes.is_empty() && to.write_all(&bytes).await.is_err() {
                    return Ok(());
                }
                moved.fetch_add(1, Ordering::Relaxed);
                sent.extend(done);
                if let Some(progress) = watch.and_then(|watch| watch.progress.as_ref())
                    && payload > 0
                {
                    progress(payload);
                }
            }
        }
    }
    Err(TransportError::Local(
        "the thread that reads the files to be sent ended early".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_exactly_however_it_arrives() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let script = "cat; exit 3";
        let input = [&dress(script)[..], b"its\0input"].concat();
        // All at once, byte by byte, and without the flag of GNU's `dd`.
        for (step, dd) in [
            (usize::MAX, ""),
            (1, ""),
            (
                usize::MAX,
                "dd() { case $* in *fullblock*) return 1;; esac; command dd \"$@\"; }; ",
            ),
        ] {
            let line = LINE.replacen("read", &format!("{dd}read"), 1);
            let mut child = Command::new("sh")
                .args(["-c", &line])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            for part in input.chunks(step.min(input.len())) {
                stdin.write_all(part).unwrap();
            }
            drop(stdin);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.stdout, [MARK, b"its\0input"].concat());
            assert_eq!(output.status.code(), Some(3));
        }
    }

    #[test]
    fn the_printed_mark_is_the_mark() {
        let out = std::process::Command::new("sh")
            .args(["-c", PRINT_MARK])
            .output()
            .unwrap();
        assert_eq!(out.stdout, MARK);
        assert_eq!(out.stderr, MARK);
    }
}
