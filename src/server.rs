//! One client over any duplex stream: stdin and stdout, a pipe in memory, the daemon's socket.
//!
//! What a client can rely on, whatever it sends:
//!
//! - Each request gets exactly one answer, in any order; a batch gets its answers in one message. A
//!   panic answers −32603, and concerns that request alone.
//! - Requests are worked on side by side. One that depends on another's effect waits for its answer.
//! - When a thousand requests are being worked on, reading pauses until some are answered: more can
//!   be piped in than is ever held. For the same reason a client that never reads is not read.
//! - `$/cancelRequest` drops requests that only read; tells those that move files or talk to a
//!   cluster, which undo what they can; and has no effect on short ones that write.
//! - Questions of ours go only to a client that said `canPrompt`, and are withdrawn when they are
//!   moot; at the end of input they count as not answered.
//! - At the end of input the requests that have been read are answered, at most [`Options::linger`]
//!   long, and the engine finishes what it has accepted. The same when the client stops reading.
//! - Notifications wait for no client and are lost to none (`notices`).
//! - Over the daemon's socket ([`link`]) the engine stays when the client goes: requests that only
//!   read are dropped with it, those that have begun to change something finish. A client that reads
//!   nothing for long is dropped.

pub mod daemon;
pub mod forward;
pub mod framing;
mod language;
pub mod link;
mod message;
mod notices;
mod outbox;
mod progress;
mod questions;
mod session;
mod work;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jsonrpsee::Methods;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::protocol::{ServerFacts, VERSION};
use crate::rpc::{self, Opening};
use framing::{Fault, Frames, MAX_MESSAGE};
use link::{LEAVING, Link};
use session::Session;

/// How a session is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// What `initialize` tells of this server.
    pub facts: ServerFacts,
    /// Ends the session from outside.
    pub stop: CancellationToken,
    /// Whether the engine ends with the session.
    pub owns_engine: bool,
    /// How long requests may go on after the end of input.
    pub linger: Duration,
    /// How long requests may take to answer once they were withdrawn, and the client to read the
    /// last answers.
    pub grace: Duration,
    /// Set when the client comes over the daemon's socket.
    pub link: Option<Link>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            facts: ServerFacts {
                protocol: VERSION,
                home: String::new(),
                config_file: String::new(),
                log_dir: String::new(),
                daemon_pid: None,
            },
            stop: CancellationToken::new(),
            owns_engine: true,
            // Long enough for an upload of some gigabytes, whose job would else be lost.
            linger: Duration::from_mins(10),
            grace: Duration::from_secs(3),
            link: None,
        }
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By `exit`, after `shutdown` or without it.
    Asked {
        /// `shutdown` came before.
        shut_down: bool,
    },
    /// By the end of input.
    EndOfInput,
    /// The client stopped reading.
    ClientGone,
    /// From outside.
    Stopped,
}

impl Exit {
    /// The exit code of the process, as LSP has it: 1 for `exit` without `shutdown`, else 0.
    pub fn code(self) -> u8 {
        u8::from(matches!(self, Self::Asked { shut_down: false }))
    }
}

/// Serves one client until it is gone.
pub async fn serve<R, W>(reader: R, writer: W, engine: Opening, options: Options) -> Exit
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let methods = rpc::methods(engine.clone());
    serve_methods(reader, writer, methods, engine, options).await
}

/// Serves one client with other methods than the engine's; the session's own are the same.
pub async fn serve_methods<R, W>(
    reader: R,
    writer: W,
    methods: Methods,
    engine: Opening,
    options: Options,
) -> Exit
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let framing = Arc::new(OnceLock::new());
    let patience = options.link.as_ref().map(|link| link.patience);
    let (outbox, writing) = outbox::open(writer, Arc::clone(&framing), patience);
    let mut writing = tokio::spawn(writing);
    engine.begin();
    let session = Session::new(methods, engine.clone(), outbox.clone(), &options);
    let mut frames = Frames::new(reader, MAX_MESSAGE);
    let linked = options.link.is_some();

    let read = async {
        loop {
            let frame = frames.next().await;
            if let Some(known) = frames.framing() {
                framing.get_or_init(|| known);
            }
            match frame {
                Ok(Some(Ok(text))) => {
                    // It may be an answer with a password.
                    let text = SecretString::from(text);
                    let text = text.expose_secret();
                    if session.receive(text).await {
                        if session.input_has_ended() {
                            return Exit::EndOfInput;
                        }
                        let shut_down = session.was_shut_down();
                        return Exit::Asked { shut_down };
                    }
                }
                Ok(Some(Err(fault))) => {
                    tracing::warn!("A message could not be read. {}", fault.kind());
                    let _ = outbox.send(answer_to(&fault)).await;
                }
                Ok(None) if linked => return Exit::ClientGone,
                Ok(None) => return Exit::EndOfInput,
                Err(error) => {
                    tracing::warn!("The input cannot be read any more: {error}.");
                    return Exit::EndOfInput;
                }
            }
        }
    };
    let mut exit = tokio::select! {
        biased;
        () = options.stop.cancelled() => Exit::Stopped,
        () = outbox.gone() => Exit::ClientGone,
        exit = read => exit,
    };
    tracing::debug!(?exit, "a session ends");
    session.hear_no_more();

    let finished = match exit {
        Exit::EndOfInput if linked => {
            // Nothing more is read but the end of the stream.
            let gone = async { while let Ok(Some(_)) = frames.next().await {} };
            tokio::select! {
                () = options.stop.cancelled() => {
                    exit = Exit::Stopped;
                    false
                }
                () = gone => {
                    exit = Exit::ClientGone;
                    false
                }
                () = outbox.gone() => {
                    exit = Exit::ClientGone;
                    false
                }
                () = session.settle() => true,
            }
        }
        Exit::EndOfInput | Exit::ClientGone if !linked => {
            tokio::select! {
                () = options.stop.cancelled() => false,
                finished = timeout(options.linger, session.settle()) => finished.is_ok(),
            }
        }
        _ => false,
    };
    if linked && exit == Exit::Stopped {
        let _ = outbox.send(message::bare(LEAVING)).await;
    }
    // What has begun over a link goes on without its client: it is not withdrawn.
    if !finished && (!linked || exit == Exit::Stopped) {
        session.withdraw_all();
        let _ = timeout(options.grace, session.settle()).await;
    }
    if let Some(engine) = engine.opened().filter(|_| options.owns_engine) {
        for left in engine.shut_down().await {
            tracing::warn!("Not finished: {left}");
        }
    }
    session.abandon_all();
    let flushed = async {
        session.settle().await;
        drop(session);
        drop(outbox);
        (&mut writing).await
    };
    match timeout(options.grace, flushed).await {
        Ok(Ok(Err(error))) => tracing::debug!(%error, "the client did not read to the end"),
        Ok(_) => {}
        Err(_) => tracing::warn!("The client did not read its last answers."),
    }
    writing.abort();
    exit
}

/// The error answer to a frame that could not be read.
fn answer_to(fault: &Fault) -> String {
    match fault {
        Fault::TooLong { .. } => message::invalid(&message::Id::null(), fault.to_string()),
        Fault::Header(_) | Fault::NotUtf8 | Fault::Half => message::unreadable(fault.to_string()),
    }
}
