//! A process of this machine as a [`Process`].

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::shell::ExitStatus;
use crate::transport::TransportError;
use crate::transport::process::{Capture, Process, Step};

/// Size of one read from a pipe; a pipe of Linux holds 64 KiB.
const READ: usize = 64 * 1024;

/// A started shell with its outputs.
pub(super) struct Running {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    out: Vec<u8>,
    err: Vec<u8>,
    ended: bool,
    kill: bool,
}

impl Running {
    /// Starts a shell line. `kill` says whether to end its process group if nobody waits for it.
    pub(super) fn start(line: &str, kill: bool) -> Result<(Self, ChildStdin), TransportError> {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(home) = dirs::home_dir().filter(|home| home.is_dir()) {
            // Named too, as a login does: whoever started us (a service, cron) may not have.
            command.current_dir(&home).env("HOME", home);
        }
        let mut child = command
            .spawn()
            .map_err(|error| TransportError::Local(format!("sh cannot be started: {error}")))?;
        let stdin = child.stdin.take().ok_or_else(|| {
            TransportError::Local("sh was started without a standard input".to_owned())
        })?;
        let running = Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            out: vec![0; READ],
            err: vec![0; READ],
            ended: false,
            kill,
        };
        Ok((running, stdin))
    }
}

impl Process for Running {
    async fn next(&mut self, capture: &mut Capture) -> Result<Step, TransportError> {
        let broken = |error| TransportError::Local(format!("a pipe of sh broke: {error}"));
        let got = tokio::select! {
            got = read(self.stdout.as_mut(), &mut self.out) => Got::Out(got.map_err(broken)?),
            got = read(self.stderr.as_mut(), &mut self.err) => Got::Err(got.map_err(broken)?),
            // As over SSH, a command has ended when nobody holds its outputs any more.
            status = self.child.wait(), if self.stdout.is_none() && self.stderr.is_none() => {
                Got::End(status.map_err(broken)?)
            }
        };
        match got {
            Got::Out(0) => self.stdout = None,
            Got::Err(0) => self.stderr = None,
            Got::Out(read) => capture.stdout(self.out.get(..read).unwrap_or_default())?,
            Got::Err(read) => capture.stderr(self.err.get(..read).unwrap_or_default()),
            Got::End(status) => {
                self.ended = true;
                let status = match (status.code(), status.signal()) {
                    (Some(code), _) => ExitStatus::Code(code),
                    (None, signal) => ExitStatus::Signal(signal_name(signal.unwrap_or_default())),
                };
                return Ok(Step::Ended(status));
            }
        }
        Ok(Step::On)
    }
}

enum Got {
    Out(usize),
    Err(usize),
    End(std::process::ExitStatus),
}

async fn read<R: AsyncReadExt + Unpin>(
    from: Option<&mut R>,
    into: &mut [u8],
) -> std::io::Result<usize> {
    match from {
        Some(from) => from.read(into).await,
        None => std::future::pending().await,
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(group) = self.child.id().filter(|_| !self.ended) else {
            return;
        };
        if self.kill {
            // The shell is not yet waited for, so its number, and the group's, cannot be another's.
            // Not tokio's: a runtime that shuts down drops us as well. It takes a millisecond.
            let _ = std::process::Command::new("sh")
                .args(["-c", &format!("kill -KILL -{group}")])
                .stderr(Stdio::null())
                .status();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // What it still prints is read, or a closed pipe would end it halfway.
            let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
            runtime.spawn(async move {
                tokio::join!(drain(stdout), drain(stderr));
            });
        }
    }
}

async fn drain<R: AsyncRead + Unpin>(from: Option<R>) {
    if let Some(mut from) = from {
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
}

/// The name of a signal as SSH has it (RFC 4254, section 6.10), or its number.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        other => return other.to_string(),
    };
    name.to_owned()
}
