//! The outputs of a process: what start-up files print is cut off, what is too long is bounded.

use tokio::sync::mpsc;

use super::MARK;
use crate::shell::{ExitStatus, Output};
use crate::transport::TransportError;

/// Standard output beyond this is an error, not an answer.
pub(in crate::transport) const STDOUT_LIMIT: usize = 64 * 1024 * 1024;

/// How much of the end of standard error is kept.
const STDERR_KEPT: usize = 64 * 1024;

/// The outputs of a process, as they come in.
pub(in crate::transport) struct Capture {
    out: Out,
    out_mark: Mark,
    err: Vec<u8>,
    err_mark: Mark,
}

enum Out {
    Kept(Vec<u8>),
    Passed(mpsc::UnboundedSender<Vec<u8>>),
}

impl Capture {
    /// Keeps standard output, up to [`STDOUT_LIMIT`].
    pub(in crate::transport) fn new() -> Self {
        Self::into_place(Out::Kept(Vec::new()))
    }

    /// Passes standard output on as it comes. Who asks for the bytes bounds them.
    pub(in crate::transport) fn passing(to: mpsc::UnboundedSender<Vec<u8>>) -> Self {
        Self::into_place(Out::Passed(to))
    }

    fn into_place(out: Out) -> Self {
        Self {
            out,
            out_mark: Mark::Awaited(Vec::new()),
            err: Vec::new(),
            err_mark: Mark::Awaited(Vec::new()),
        }
    }

    /// Takes a part of standard output.
    pub(in crate::transport) fn stdout(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let out = &mut self.out;
        self.out_mark.pass(bytes, |bytes| match out {
            Out::Kept(kept) if kept.len() + bytes.len() > STDOUT_LIMIT => {
                Err(TransportError::Remote(format!(
                    "the answer is longer than {} MiB",
                    STDOUT_LIMIT >> 20
                )))
            }
            Out::Kept(kept) => {
                kept.extend_from_slice(bytes);
                Ok(())
            }
            // Who reads it may have stopped; the process' end will tell.
            Out::Passed(to) => {
                let _ = to.send(bytes.to_vec());
                Ok(())
            }
        })
    }

    /// Takes a part of standard error.
    pub(in crate::transport) fn stderr(&mut self, bytes: &[u8]) {
        let err = &mut self.err;
        // Keeping cannot fail.
        let _ = self.err_mark.pass(bytes, |bytes| {
            err.extend_from_slice(bytes);
            // Cut rarely, so that a flood costs little.
            if err.len() > 4 * STDERR_KEPT {
                err.drain(..err.len() - STDERR_KEPT);
            }
            Ok(())
        });
    }

    /// Whether the script has begun. If not, and the process has ended, nothing of it ran.
    pub(in crate::transport) fn begun(&self) -> bool {
        matches!(self.out_mark, Mark::Seen) || matches!(self.err_mark, Mark::Seen)
    }

    /// The answer, or why the script never began.
    pub(in crate::transport) fn finish(
        mut self,
        status: ExitStatus,
        place: &str,
    ) -> Result<Output, TransportError> {
        if let (Mark::Awaited(out), Mark::Awaited(err)) = (&self.out_mark, &self.err_mark) {
            return Err(not_begun(&status, place, out, err));
        }
        self.err.drain(..self.err.len().saturating_sub(STDERR_KEPT));
        let stdout = match self.out {
            Out::Kept(kept) => kept,
            Out::Passed(_) => Vec::new(),
        };
        Ok(Output {
            status,
            stdout,
            stderr: self.err,
        })
    }
}

fn not_begun(status: &ExitStatus, place: &str, out: &[u8], err: &[u8]) -> TransportError {
    let said = [err, out]
        .into_iter()
        .flat_map(|bytes| bytes.split(|byte| *byte == b'\n'))
        .map(|line| String::from_utf8_lossy(line).trim().to_owned())
        .find(|line| !line.is_empty())
        .map_or_else(String::new, |line| format!(", saying \"{line}\""));
    // What OpenSSH's sshd says (`do_pwchange` in `session.c`). By keyboard-interactive the new password
    // is asked for at the login.
    if String::from_utf8_lossy(err).contains("Password change required but no TTY available") {
        return TransportError::AuthRequired(format!(
            "the password of your account on {place} has expired, and nothing runs there before it \
             is changed: log in once with `ssh` in a terminal and change it"
        ));
    }
    TransportError::Unreachable(format!(
        "the login on {place} ran no command: it ended with {status}{said}; check with \
         `ssh` that the account may run commands there"
    ))
}

/// The search for [`MARK`] in one output.
enum Mark {
    /// Not yet seen; what came so far.
    Awaited(Vec<u8>),
    Seen,
}

impl Mark {
    fn pass(
        &mut self,
        bytes: &[u8],
        mut onward: impl FnMut(&[u8]) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        let Self::Awaited(noise) = self else {
            return onward(bytes);
        };
        noise.extend_from_slice(bytes);
        let found = noise.windows(MARK.len()).position(|window| window == MARK);
        if let Some(at) = found {
            let rest = noise.split_off(at + MARK.len());
            *self = Self::Seen;
            if !rest.is_empty() {
                return onward(&rest);
            }
        } else if noise.len() > 2 * STDERR_KEPT {
            // Endless noise: only its end can still hold the beginning of the mark.
            noise.drain(..noise.len() - STDERR_KEPT);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(out: &[&[u8]], err: &[&[u8]]) -> Result<Output, TransportError> {
        let mut capture = Capture::new();
        for part in out {
            capture.stdout(part)?;
        }
        for part in err {
            capture.stderr(part);
        }
        capture.finish(ExitStatus::Code(1), "alpha")
    }

    #[test]
    fn what_start_up_files_print_is_no_answer() {
        let got = output(
            &[b"Welcome!\n\x1ename", b"namd\n\x1enamdr", b"unner\nanswer"],
            &[b"stty: not a tty\n", MARK, b"squeue: error"],
        )
        .unwrap();
        assert_eq!(got.stdout, b"answer");
        assert_eq!(got.stderr, b"squeue: error");
    }

    #[test]
    fn a_login_that_runs_nothing_is_told_from_a_command_that_fails() {
        let error = output(&[b"This account is currently not available.\n"], &[]).unwrap_err();
        assert!(error.nothing_ran());
        assert!(
            error
                .to_string()
                .contains("\"This account is currently not available.\""),
            "{error}"
        );
        assert!(output(&[MARK], &[]).is_ok());
    }

    #[test]
    fn a_password_that_has_expired_is_a_matter_for_a_person() {
        let said = b"WARNING: Your password has expired.\n\
            Password change required but no TTY available.\n";
        let error = output(&[], &[said]).unwrap_err();
        assert!(
            matches!(&error, TransportError::AuthRequired(text) if text.contains("has expired")),
            "{error:?}"
        );
    }

    #[test]
    fn only_the_end_of_standard_error_is_kept() {
        let mut flood = MARK.to_vec();
        for line in 0..100_000 {
            flood.extend_from_slice(format!("{line}\n").as_bytes());
        }
        let got = output(&[], &[&flood]).unwrap();
        assert_eq!(got.stderr.len(), STDERR_KEPT);
        assert!(got.stderr.ends_with(b"99999\n"));
    }
}
