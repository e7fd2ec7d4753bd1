//! The client's way to the daemon of a store: finds it, or starts it; asks an old one to leave.
//!
//! Of many clients that find nobody, the one that gets the lock on `locks/start` starts the daemon;
//! it holds the lock until the daemon can be reached or has failed, and the others try to connect
//! meanwhile. The daemon's own lock decides in any case.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

use super::greeting::{Hello, Parting, Resume, Speaker, Want, Welcome, hear, say};
use super::place;
use super::report::Report;
use crate::config::Home;
use crate::config::home::{HOME_VARIABLE, ensure_private_dir};
use crate::engine::owner;
use crate::error::{Error, ErrorKind, Result};

/// How long a daemon may take to answer: one that ends finishes its steps first.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a store may seem to be used by nobody who can be reached, before that is an error.
const DOUBT: Duration = Duration::from_millis(500);
/// How long a daemon that was started may take until it listens.
const START: Duration = Duration::from_secs(30);

/// The way to the daemon of a store.
#[derive(Debug, Clone)]
pub struct Way {
    home: Home,
    speaker: Speaker,
}

/// A session that has begun.
#[derive(Debug)]
pub struct Reached {
    pub(in crate::server) reader: BufReader<OwnedReadHalf>,
    pub(in crate::server) writer: OwnedWriteHalf,
}

/// What a daemon that was started says on its standard output: one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Started {
    /// It listens.
    Ready,
    /// It could not, and has ended.
    Failed {
        /// The kind of error.
        kind: String,
        /// What happened.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl From<&Error> for Started {
    fn from(error: &Error) -> Self {
        Self::Failed {
            kind: error.kind.name().to_owned(),
            message: error.message.clone(),
            hint: error.hint.clone(),
        }
    }
}

/// Somebody who answers.
struct Found {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    hello: Hello,
}

impl Way {
    /// The way for this program.
    pub fn new(home: Home) -> Self {
        Self::of(home, Speaker::this())
    }

    /// The way for a program that says it is another version.
    pub fn of(home: Home, speaker: Speaker) -> Self {
        Self { home, speaker }
    }

    /// Begins a session; starts the daemon if there is none.
    pub(in crate::server) async fn session(&self, resume: Option<Resume>) -> Result<Reached> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(2);
        let mut in_doubt = None;
        let mut wants_to_replace = true;
        while begun.elapsed() < PATIENCE {
            if let Some(found) = self.knock().await {
                if wants_to_replace && self.speaker.is_newer_than(&found.hello.speaker) {
                    wants_to_replace = !found.hello.busy && found.send_away().await;
                    continue;
                }
                self.check_protocol(&found.hello)?;
                let want = Want::Session {
                    client: self.speaker.clone(),
                    resume: resume.clone(),
                    agent: std::env::var_os("SSH_AUTH_SOCK")
                        .filter(|socket| !socket.is_empty())
                        .map(PathBuf::from),
                };
                match found.begin(&want).await {
                    Ok(reached) => return Ok(reached),
                    // It is about to end.
                    Err(error) => tracing::debug!(%error, "not let in"),
                }
            } else if let Some(_lock) = self.start_lock()? {
                // Another may have started it since.
                if self.knock().await.is_some() {
                    continue;
                }
                match self.start().await {
                    Ok(()) => continue,
                    Err(error) if error.kind == ErrorKind::StoreBusy => {
                        let since = *in_doubt.get_or_insert_with(Instant::now);
                        if !self.nudge() && since.elapsed() > DOUBT {
                            return Err(error);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        Err(self.no_answer())
    }

    /// How the daemon is; none if there is none.
    pub async fn status(&self) -> Result<Option<Report>> {
        let Some(mut found) = self.knock().await else {
            return self.nobody();
        };
        found.ask(&Want::Status).await.map(Some).map_err(gone)
    }

    /// Ends the daemon in order; gives its process once it has ended, and none if there is none.
    pub async fn stop(&self) -> Result<Option<u32>> {
        let Some(mut found) = self.knock().await else {
            return self.nobody();
        };
        let pid = found.hello.speaker.pid;
        let want = Want::Stop { if_idle: false };
        let _: Parting = found.ask(&want).await.map_err(gone)?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            // Its socket is away at once; its lock when it is gone.
            match owner::Owner::beside_others(&self.home.data_dir) {
                Err(error) if error.kind == ErrorKind::StoreBusy => {}
                _ => return Ok(Some(pid)),
            }
            if self
                .knock()
                .await
                .is_some_and(|other| other.hello.speaker.pid != pid)
            {
                return Ok(Some(pid));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(self.no_answer())
    }

    /// What it means that nobody answers.
    fn nobody<T>(&self) -> Result<Option<T>> {
        if !self.home.data_dir.exists() {
            return Ok(None);
        }
        match owner::Owner::beside_others(&self.home.data_dir) {
            Err(error) if error.kind == ErrorKind::StoreBusy => Err(self.no_answer()),
            _ => Ok(None),
        }
    }

    /// Connects to who is there, if anybody is.
    async fn knock(&self) -> Option<Found> {
        let noted = owner::noted(&self.home.data_dir).map(|note| note.socket);
        let usual = place::places(&self.home);
        let mut sockets: Vec<PathBuf> = noted.into_iter().collect();
        sockets.extend(usual.into_iter().map(|place| place.socket));
        sockets.dedup();
        for socket in sockets {
            match Found::at(&socket).await {
                Ok(found) => return Some(found),
                Err(error) => tracing::debug!(%error, socket = %socket.display(), "nobody"),
            }
        }
        None
    }

    fn check_protocol(&self, hello: &Hello) -> Result<()> {
        let (ours, theirs) = (&self.speaker, &hello.speaker);
        if ours.protocol == theirs.protocol {
            return Ok(());
        }
        let message = format!(
            "The background server (process {}) is NAMDRunner {} and speaks version {} of the \
             protocol; this is NAMDRunner {}, which speaks version {}.",
            theirs.pid, theirs.version, theirs.protocol, ours.version, ours.protocol
        );
        Err(if ours.protocol > theirs.protocol {
            Error::new(ErrorKind::StoreBusy, message).hinted(
                "It is replaced by itself when its other windows are closed and its steps are done; \
                 `namdrunner stop` ends it now.",
            )
        } else {
            Error::new(ErrorKind::StoreTooNew, message)
                .hinted("Start the newer NAMDRunner here too, or end the other with its `stop`.")
        })
    }

    /// The right to start the daemon; none while another client does.
    fn start_lock(&self) -> Result<Option<File>> {
        let dir = self.home.data_dir.join("locks");
        ensure_private_dir(&dir)?;
        let path = dir.join("start");
        let file = File::create(&path).map_err(|why| {
            Error::new(
                ErrorKind::StoreUnavailable,
                format!("Cannot lock {}: {why}.", path.display()),
            )
            .hinted("The data directory must be writable.")
        })?;
        Ok(file.try_lock().is_ok().then_some(file))
    }

    /// Starts the daemon: this program again, with nothing of this process's terminal.
    async fn start(&self) -> Result<()> {
        let failed = |what: String| {
            Error::new(
                ErrorKind::ServerLost,
                format!("The background server {what}."),
            )
            .hinted(format!(
                "Its log is in {}. `namdrunner serve --standalone` works without it.",
                self.home.state_dir.display()
            ))
        };
        let mut command = tokio::process::Command::new(program());
        command
            .arg0(env!("CARGO_PKG_NAME"))
            .args(["daemon", "--detached"])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(dir) = std::env::var_os(HOME_VARIABLE).filter(|dir| !dir.is_empty()) {
            // It has another working directory.
            command.env(
                HOME_VARIABLE,
                std::path::absolute(&dir).unwrap_or(dir.into()),
            );
        }
        let mut child = command
            .spawn()
            .map_err(|why| failed(format!("cannot be started: {why}")))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(Error::internal("The daemon has no output."));
        };
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        match timeout(START, stdout.read_line(&mut line)).await {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => return Err(failed(format!("could not be heard: {why}"))),
            Err(_) => return Err(failed(format!("did not listen within {START:?}"))),
        }
        match serde_json::from_str(&line) {
            Ok(Started::Ready) => Ok(()),
            Ok(Started::Failed {
                kind,
                message,
                hint,
            }) => {
                let kind = ErrorKind::from_name(&kind).unwrap_or(ErrorKind::Internal);
                let error = Error::new(kind, message);
                Err(match hint {
                    Some(hint) => error.hinted(hint),
                    None => error,
                })
            }
            Err(_) => Err(failed("ended as soon as it was started".to_owned())),
        }
    }

    /// Asks the daemon that holds the lock to see to its socket. Says whether there is one to ask:
    /// the signal means nothing to a process that is not it (a window changed its size).
    fn nudge(&self) -> bool {
        let Some(note) = owner::noted(&self.home.data_dir) else {
            return false;
        };
        let here = note.host == host_name();
        let pid = i32::try_from(note.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        match pid {
            Some(pid) if here => {
                rustix::process::kill_process(pid, rustix::process::Signal::WINCH).is_ok()
            }
            _ => false,
        }
    }

    fn no_answer(&self) -> Error {
        let dir = self.home.data_dir.display();
        let message = match owner::noted(&self.home.data_dir) {
            Some(note) => format!(
                "The background server that owns the jobs in {dir} (process {} on {}) does not answer.",
                note.pid, note.host
            ),
            None => format!("The jobs in {dir} are used by a server that cannot be reached."),
        };
        Error::new(ErrorKind::StoreBusy, message)
            .hinted("Wait until it has finished what it is doing, or end that process.")
    }
}

impl Found {
    async fn at(socket: &Path) -> io::Result<Self> {
        let (reader, writer) = place::connect(socket).await?.into_split();
        let mut reader = BufReader::new(reader);
        let hello = hear(&mut reader).await?;
        Ok(Self {
            reader,
            writer,
            hello,
        })
    }

    async fn ask<T: serde::de::DeserializeOwned>(&mut self, want: &Want) -> io::Result<T> {
        say(&mut self.writer, want).await?;
        hear(&mut self.reader).await
    }

    async fn begin(mut self, want: &Want) -> io::Result<Reached> {
        let _: Welcome = self.ask(want).await?;
        Ok(Reached {
            reader: self.reader,
            writer: self.writer,
        })
    }

    /// Asks it to leave if it has nothing to do; says whether it does.
    async fn send_away(mut self) -> bool {
        let want = Want::Stop { if_idle: true };
        let parting: io::Result<Parting> = self.ask(&want).await;
        match parting {
            Ok(parting) => {
                tracing::info!(
                    version = self.hello.speaker.version,
                    leaving = parting.leaving,
                    "an older background server was asked to leave"
                );
                parting.leaving
            }
            // It left before it was asked.
            Err(_) => true,
        }
    }
}

fn gone(error: io::Error) -> Error {
    Error::new(
        ErrorKind::ServerLost,
        "The background server ended before it answered.",
    )
    .hinted("Ask again.")
    .caused_by(error)
}

/// This program's file: what runs now, even if another has been put in its place since.
fn program() -> PathBuf {
    let running = Path::new("/proc/self/exe");
    let same = |path: &PathBuf| {
        use std::os::unix::fs::MetadataExt as _;
        let id = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
        id(path) == id(running)
    };
    match std::env::current_exe() {
        // By its name, so that a list of processes shows it.
        Ok(path) if !running.exists() || same(&path) => path,
        _ => running.to_owned(),
    }
}

/// This machine's name, as it calls itself.
pub(super) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
