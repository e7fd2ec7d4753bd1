//! The daemon: one server in the background for all windows of a user, so that there is one login,
//! one poller and one writer whatever is open.
//!
//! What an editor starts is a forwarder ([`super::forward`]), which finds the daemon or starts it
//! ([`way`]). Every client has a session of its own over the one engine.
//!
//! ```text
//! editor ──stdio── forwarder ──socket── session ┐
//! script ──stdio── forwarder ──socket── session ┼── engine ── store, clusters
//! `call` ───────── forwarder ──socket── session ┘
//! ```
//!
//! - The lock beside the database decides who may be the daemon ([`crate::engine::owner`]); the
//!   socket is only where it can be reached (`place`).
//! - Of many clients that find no daemon one starts it; the others wait and connect ([`way`]).
//! - Before a session both ends say who they are (`greeting`). A client that is newer than a daemon
//!   with nothing to do asks it to leave and starts its own.
//! - It stays while somebody is connected, while a step is under way, and, as `linger` in config.toml
//!   says, while jobs are active (`life`). Nothing wakes it but clients and the pollers.
//! - It ends in order by SIGTERM or `namdrunner stop`: requests are answered, steps finish or are
//!   undone, clients are told. When it ends otherwise (`kill -9`), the forwarders start another, and
//!   what was under way is resolved by looking, as after any crash.

mod greeting;
mod life;
mod place;
pub mod report;
pub mod way;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use greeting::{Resume, Speaker};

use crate::config::{Home, Linger};
use crate::engine::agents;
use crate::engine::owner::{Note, Owner};
use crate::error::{Error, Result};
use crate::protocol::ServerFacts;
use crate::rpc::Opening;
use crate::server::link::{Guest, Link};
use crate::server::{Options, serve};
use greeting::{Hello, Parting, Want, Welcome, hear, say};
use place::{Identity, Place};

/// How long a client may read nothing at all before it is dropped.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long sessions may take to end.
const GRACE: Duration = Duration::from_secs(8);

/// What a daemon is started with.
pub struct Setup {
    /// Where its files are.
    pub home: Home,
    /// Who it is.
    pub speaker: Speaker,
    /// What `initialize` tells of it.
    pub facts: ServerFacts,
    /// Stands in for what config.toml says.
    pub linger: Option<Linger>,
    /// How long a client may read nothing at all before it is dropped. None: a minute.
    pub patience: Option<Duration>,
    /// Ends it in order.
    pub stop: CancellationToken,
}

/// A daemon at work.
struct Daemon {
    setup: Setup,
    opening: Opening,
    begun_at: Instant,
    guests: Mutex<Guests>,
    /// How many sessions there are.
    present: watch::Sender<usize>,
    /// Sessions and greetings.
    sessions: TaskTracker,
    /// Calls that have begun to change something, some without their clients.
    begun: TaskTracker,
}

#[derive(Default)]
struct Guests {
    next: u64,
    present: BTreeMap<u64, Arc<Guest>>,
    /// Nobody is let in any more.
    closed: bool,
}

/// Where it listens.
struct Door {
    listener: tokio::net::UnixListener,
    place: Place,
    identity: Option<Identity>,
}

/// Runs the daemon of a store until it has ended. `open` makes the engine with the right to the store;
/// `ready` is called when clients can connect.
pub async fn run(
    setup: Setup,
    open: impl FnOnce(Arc<Owner>) -> Opening,
    ready: impl FnOnce(),
) -> Result<()> {
    let owner = Arc::new(Owner::alone(&setup.home.data_dir)?);
    let mut door = Door::open(&setup, &owner)?;
    let opening = open(Arc::clone(&owner));
    // Jobs are watched whether a client asks for anything or not.
    opening.begin();
    let mut nudges = signal(SignalKind::window_change())
        .map_err(|why| Error::internal("A signal cannot be listened to.").caused_by(why))?;
    let daemon = Arc::new(Daemon {
        setup,
        opening,
        begun_at: Instant::now(),
        guests: Mutex::default(),
        present: watch::Sender::new(0),
        sessions: TaskTracker::new(),
        begun: TaskTracker::new(),
    });
    tracing::info!(
        version = daemon.setup.speaker.version,
        socket = %door.place.socket.display(),
        "the daemon is there"
    );
    ready();
    let why = tokio::select! {
        () = daemon.setup.stop.cancelled() => "it was asked to",
        why = daemon.live(&owner) => why,
        never = daemon.welcome(&mut door, &owner, &mut nudges) => match never {},
    };
    tracing::info!(why, "the daemon ends");
    daemon.close(true);
    door.close();
    daemon.end().await;
    tracing::info!("the daemon has ended");
    Ok(())
}

enum Never {}

impl Door {
    fn open(setup: &Setup, owner: &Owner) -> Result<Self> {
        let (listener, place) = place::listen(&setup.home)?;
        owner.write_note(&Note {
            pid: setup.speaker.pid,
            host: way::host_name(),
            version: setup.speaker.version.clone(),
            socket: place.socket.clone(),
        })?;
        let identity = Identity::of(&place.socket);
        Ok(Self {
            listener,
            place,
            identity,
        })
    }

    /// Whether the socket is still where clients look for it: a runtime directory may be wiped.
    fn stands(&self) -> bool {
        self.identity.is_some() && Identity::of(&self.place.socket) == self.identity
    }

    fn close(self) {
        if self.stands() {
            let _ = std::fs::remove_file(&self.place.socket);
        }
    }
}

impl Daemon {
    /// Lets clients in.
    async fn welcome(
        self: &Arc<Self>,
        door: &mut Door,
        owner: &Owner,
        nudges: &mut Signal,
    ) -> Never {
        loop {
            tokio::select! {
                come = door.listener.accept() => match come {
                    Ok((stream, _)) => {
                        let daemon = Arc::clone(self);
                        self.sessions.spawn(async move {
                            if let Err(error) = daemon.receive(stream).await {
                                tracing::debug!(%error, "a client did not come in");
                            }
                        });
                    }
                    Err(error) => {
                        // Too many open files, for one: they become fewer.
                        tracing::warn!("No client can be let in: {error}.");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                },
                // A client that finds the lock held and no socket.
                _ = nudges.recv() => if !door.stands() {
                    match Door::open(&self.setup, owner) {
                        Ok(new) => {
                            tracing::info!(socket = %new.place.socket.display(), "the socket was made again");
                            *door = new;
                        }
                        Err(error) => tracing::warn!(%error, "the socket cannot be made again"),
                    }
                },
            }
        }
    }

    /// Hears what a client wants, and does it.
    async fn receive(self: Arc<Self>, stream: UnixStream) -> io::Result<()> {
        place::check_peer(&stream)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let hello = Hello {
            speaker: self.setup.speaker.clone(),
            busy: self.is_busy(),
        };
        say(&mut writer, &hello).await?;
        match hear(&mut reader).await? {
            Want::Session {
                client,
                resume,
                agent,
            } => {
                let Some((number, guest)) = self.admit(&client) else {
                    // It is about to end. The client finds the next one.
                    return Ok(());
                };
                if let Some(agent) = agent {
                    agents::name(&agent);
                }
                let gone = Leaves(&self, number);
                say(&mut writer, &Welcome { welcome: true }).await?;
                let options = Options {
                    facts: self.setup.facts.clone(),
                    stop: self.setup.stop.child_token(),
                    owns_engine: false,
                    link: Some(Link {
                        resume,
                        patience: self.setup.patience.unwrap_or(PATIENCE),
                        guest,
                        begun: self.begun.clone(),
                    }),
                    ..Options::default()
                };
                let exit = serve(reader, writer, self.opening.clone(), options).await;
                tracing::info!(client = client.pid, ?exit, "a client left");
                drop(gone);
            }
            Want::Status => {
                let report = report::Report::of(&self);
                say(&mut writer, &report).await?;
            }
            Want::Stop { if_idle } => {
                let leaving = self.close(!if_idle);
                say(&mut writer, &Parting { leaving }).await?;
                if leaving {
                    self.setup.stop.cancel();
                }
            }
        }
        Ok(())
    }

    fn admit(&self, client: &Speaker) -> Option<(u64, Arc<Guest>)> {
        let mut guests = self.guests();
        if guests.closed {
            return None;
        }
        let number = guests.next;
        guests.next += 1;
        let guest = Arc::new(Guest::new(client.pid));
        guests.present.insert(number, Arc::clone(&guest));
        self.present.send_replace(guests.present.len());
        tracing::info!(
            client = client.pid,
            version = client.version,
            "a client came"
        );
        Some((number, guest))
    }

    fn leave(&self, number: u64) {
        let mut guests = self.guests();
        guests.present.remove(&number);
        self.present.send_replace(guests.present.len());
    }

    /// Lets nobody in any more; with `busy_or_not` false only if there is nothing to do. Says whether
    /// it did.
    fn close(&self, busy_or_not: bool) -> bool {
        let mut guests = self.guests();
        if busy_or_not || (guests.present.is_empty() && !self.has_steps()) {
            guests.closed = true;
        }
        guests.closed
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is served, or a step is under way.
    fn is_busy(&self) -> bool {
        !self.guests().present.is_empty() || self.has_steps()
    }

    fn has_steps(&self) -> bool {
        let engine = self.opening.opened();
        let occupation = engine.map(|engine| engine.occupation()).unwrap_or_default();
        !self.begun.is_empty() || occupation.tasks > 0 || !occupation.steps.is_empty()
    }

    /// Ends in order: sessions, calls, steps, connections.
    async fn end(&self) {
        self.setup.stop.cancel();
        self.sessions.close();
        if timeout(GRACE, self.sessions.wait()).await.is_err() {
            tracing::warn!("A session did not end in time.");
        }
        self.begun.close();
        let _ = timeout(GRACE, self.begun.wait()).await;
        if let Some(engine) = self.opening.opened() {
            for left in engine.shut_down().await {
                tracing::warn!("Not finished: {left}");
            }
        }
    }
}

/// A client that is gone is gone however its session ended.
struct Leaves<'d>(&'d Daemon, u64);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}
