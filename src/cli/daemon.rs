//! `namdrunner daemon`: the background server.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::{Home, LINGER_VARIABLE, Linger};
use crate::error::{Error, ErrorKind, Result};
use crate::server::daemon::way::Started;
use crate::server::daemon::{self, Setup, Speaker};

/// Runs it; `detached` from the terminal, as a client starts it.
pub(super) fn run(detached: bool) -> ExitCode {
    // A session of its own: the end of the terminal, and its signals, are not for this process. It
    // fails only for the leader of a group, which is in a session of its own already.
    let alone = detached.then(rustix::process::setsid);
    super::with_server(|runtime, home| {
        if let Some(Err(error)) = alone {
            tracing::debug!(%error, "no session of its own");
        }
        let result = runtime.block_on(serve(home, detached));
        if let (Err(error), true) = (&result, detached) {
            tell(&Started::from(error));
        }
        result.map(|()| ExitCode::SUCCESS)
    })
}

async fn serve(home: Home, detached: bool) -> Result<()> {
    let speaker = Speaker::this();
    let mut facts = super::facts(&home);
    facts.daemon_pid = Some(speaker.pid);
    let setup = Setup {
        home: home.clone(),
        speaker,
        facts,
        linger: linger()?,
        patience: None,
        stop: super::stop_by_signal(),
    };
    let open = |owner| super::engine(&home, Some(owner));
    daemon::run(setup, open, || {
        if detached {
            tell(&Started::Ready);
            forget_stdout();
        }
    })
    .await
}

/// Tells who started this process what became of it.
fn tell(started: &Started) {
    let line = serde_json::to_string(started).unwrap_or_default();
    let mut stdout = std::io::stdout().lock();
    // It may be gone: the daemon is there for the next one.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Lets go of the pipe to who started this process.
fn forget_stdout() {
    let turned = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .and_then(|null| Ok(rustix::stdio::dup2_stdout(&null)?));
    if let Err(error) = turned {
        tracing::warn!("The pipe to who started the daemon stays open: {error}.");
    }
}

fn linger() -> Result<Option<Linger>> {
    let Ok(text) = std::env::var(LINGER_VARIABLE) else {
        return Ok(None);
    };
    Linger::parse(&text).map(Some).map_err(|why| {
        Error::new(
            ErrorKind::SettingsInvalid,
            format!("{LINGER_VARIABLE}: {why}."),
        )
        .hinted("It is meant for tests: unset it, or set it to jobs, clients or a time.")
    })
}
