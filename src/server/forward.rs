//! The forwarder: what an editor starts. It passes messages between its client and the daemon, and
//! stands between the client and the daemon's end.
//!
//! It passes whole messages, not bytes, and keeps a ledger of them (`ledger`): what has been asked
//! and not answered, whether the session was opened, the last change that was told. When the daemon
//! is lost (killed, crashed), the forwarder starts or finds another at once and goes on there:
//!
//! - The session is opened again with the parameters of its `initialize`; who was told what happens
//!   is told on, beginning with what was missed in between.
//! - Requests that only read are asked again, once. The others are answered with `serverLost`, which
//!   is retryable: whether they took effect can be looked up, and doing so is the client's decision.
//! - Questions to the client are withdrawn (`$/cancelRequest`), and answers to them are dropped.
//!
//! A daemon that ends in order says so. It is not started again before the client has something to
//! ask: `namdrunner stop` means what it says, and so does the end of the user's login.
//!
//! When there is no way to a daemon, each request is answered with the reason, and the next one tries
//! again.

mod ledger;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::ledger::{Ledger, Upward};
use super::daemon::way::{Reached, Way};
use super::framing::{Frames, Framing, MAX_MESSAGE};
use super::link::END_OF_INPUT;
use super::outbox::{self, Outbox};
use super::{Exit, answer_to, message};
use crate::error::{Error, ErrorKind};

/// How long the daemon may take over the last answers after `exit`, and the client to read them.
const GRACE: Duration = Duration::from_secs(5);
/// A daemon that was lost sooner than this after it was reached is started again after a pause.
const STEADY: Duration = Duration::from_secs(10);

/// Serves one client through the daemon until it is gone.
pub async fn forward<R, W>(reader: R, writer: W, way: Way, stop: CancellationToken) -> Exit
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let framing = Arc::new(OnceLock::new());
    let (outbox, writing) = outbox::open(writer, Arc::clone(&framing), None);
    let mut writing = tokio::spawn(writing);
    let gone = outbox.clone();
    let mut forwarder = Forwarder {
        way,
        client: Frames::new(reader, MAX_MESSAGE),
        framing,
        next: None,
        input_ended: false,
        outbox,
        ledger: Mutex::default(),
    };
    let exit = tokio::select! {
        biased;
        () = stop.cancelled() => Exit::Stopped,
        () = gone.gone() => Exit::ClientGone,
        exit = forwarder.run() => exit,
    };
    tracing::debug!(?exit, "forwarded");
    drop((forwarder, gone));
    let _ = timeout(GRACE, &mut writing).await;
    writing.abort();
    exit
}

struct Forwarder<R> {
    way: Way,
    client: Frames<R>,
    framing: Arc<OnceLock<Framing>>,
    /// A message of the client's that has been read and not been passed on.
    next: Option<String>,
    input_ended: bool,
    outbox: Outbox,
    ledger: Mutex<Ledger>,
}

/// How the passing on between client and daemon ended.
enum Carried {
    /// The session is over.
    Over(Exit),
    /// The daemon ended in order.
    Left,
    /// The daemon is gone.
    Lost,
}

/// How the passing on from the client ended.
enum Up {
    EndOfInput,
    Exit,
    Lost,
}

impl<R: AsyncRead + Unpin> Forwarder<R> {
    async fn run(&mut self) -> Exit {
        let mut pause = Duration::ZERO;
        loop {
            let resume = self.ledger().resume();
            let reached = self.way.session(resume).await;
            let begun = Instant::now();
            let left = match reached {
                Ok(reached) => match self.carry(reached).await {
                    Carried::Over(exit) => return exit,
                    Carried::Left => true,
                    Carried::Lost => {
                        tracing::warn!("The background server was lost.");
                        false
                    }
                },
                Err(error) => {
                    tracing::warn!("{error}");
                    self.refuse(&error).await;
                    true
                }
            };
            self.give_up_what_was_lost().await;
            let waits = self.ledger().has_questions_for_the_daemon();
            if self.input_ended && !waits {
                return Exit::EndOfInput;
            }
            if (left || self.ledger().shut_down) && !waits {
                if !self.wait_for_input().await {
                    return Exit::EndOfInput;
                }
                continue;
            }
            pause = if begun.elapsed() < STEADY {
                (pause * 2).clamp(Duration::from_millis(20), Duration::from_secs(5))
            } else {
                Duration::ZERO
            };
            sleep(pause).await;
        }
    }

    /// Passes messages until the session is over or the daemon is gone.
    async fn carry(&mut self, reached: Reached) -> Carried {
        let Reached { reader, mut writer } = reached;
        let again = self.ledger().take_what_is_asked_again();
        for text in again {
            if pass(&mut writer, &text).await.is_err() {
                return Carried::Lost;
            }
        }
        let ended = self.pass_both_ways(reader, writer).await;
        match ended {
            Up::Exit => {
                let error = Error::new(ErrorKind::Cancelled, "The session was ended by `exit`.");
                let shut_down = self.ledger().shut_down;
                self.refuse(&error).await;
                Carried::Over(Exit::Asked { shut_down })
            }
            Up::EndOfInput if !self.ledger().has_questions_for_the_daemon() => {
                Carried::Over(Exit::EndOfInput)
            }
            Up::EndOfInput | Up::Lost if self.ledger().left() => Carried::Left,
            Up::EndOfInput | Up::Lost => Carried::Lost,
        }
    }

    /// Passes messages both ways until one has ended.
    async fn pass_both_ways(
        &mut self,
        reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
    ) -> Up {
        let Self {
            client,
            framing,
            next,
            input_ended,
            outbox,
            ledger,
            ..
        } = self;
        let down = Self::down(reader, outbox, ledger);
        let up = async {
            loop {
                let text = match next.take() {
                    Some(text) => text,
                    None => match read(client, framing, outbox).await {
                        Some(text) => text,
                        None => break,
                    },
                };
                let upward = lock(ledger).note_upward(&text);
                match upward {
                    Upward::Pass => {}
                    Upward::Drop => continue,
                    Upward::Answer(answer) => {
                        // A client that is gone is noticed by `forward`.
                        let _ = outbox.send(answer).await;
                        continue;
                    }
                    Upward::Exit => {
                        let _ = pass(&mut writer, &text).await;
                        return Up::Exit;
                    }
                }
                if pass(&mut writer, &text).await.is_err() {
                    return Up::Lost;
                }
            }
            *input_ended = true;
            match pass(&mut writer, &message::bare(END_OF_INPUT)).await {
                Ok(()) => Up::EndOfInput,
                Err(_) => Up::Lost,
            }
        };
        tokio::pin!(down, up);
        tokio::select! {
            () = &mut down => Up::Lost,
            ended = &mut up => {
                match ended {
                    Up::EndOfInput => down.await,
                    // What the daemon has written before it went is still there to be read.
                    Up::Exit | Up::Lost => {
                        let _ = timeout(GRACE, down).await;
                    }
                }
                ended
            }
        }
    }

    /// Passes messages from the daemon until it has no more. May be dropped at any time: a message is
    /// in the ledger only when it is on its way out.
    async fn down(reader: impl AsyncRead + Unpin, outbox: &Outbox, ledger: &Mutex<Ledger>) {
        let mut daemon = Frames::new(reader, usize::MAX);
        while let Ok(Some(Ok(text))) = daemon.next().await {
            let noted = ledger::Downward::read(&text);
            if noted.is_for_the_client() {
                // A client that is gone is noticed by `forward`.
                let _ = outbox.send(text).await;
            }
            lock(ledger).note_downward(noted);
        }
    }

    /// Answers everything that is asked, and the next message if there is one, with an error.
    async fn refuse(&mut self, error: &Error) {
        if let Some(text) = self.next.take() {
            // Its requests become part of the ledger.
            let noted = self.ledger().note_upward(&text);
            if let Upward::Answer(answer) = noted {
                self.send_all(vec![answer]).await;
            }
        }
        let answers = self.ledger().refuse_all(error);
        self.send_all(answers).await;
    }

    /// Answers what cannot be asked again, and withdraws the daemon's questions.
    async fn give_up_what_was_lost(&mut self) {
        let answers = self.ledger().give_up_what_was_lost();
        self.send_all(answers).await;
    }

    async fn send_all(&self, texts: Vec<String>) {
        for text in texts {
            let _ = self.outbox.send(text).await;
        }
    }

    /// Waits until the client says something; false at the end of its input.
    async fn wait_for_input(&mut self) -> bool {
        if self.next.is_none() && !self.input_ended {
            self.next = read(&mut self.client, &self.framing, &self.outbox).await;
            self.input_ended = self.next.is_none();
        }
        // Nobody is started for a farewell.
        let farewell = self.next.as_deref().is_some_and(ledger::is_exit);
        self.next.is_some() && !farewell
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The client's next message; none at the end. What cannot be read is answered here.
async fn read<R: AsyncRead + Unpin>(
    client: &mut Frames<R>,
    framing: &OnceLock<Framing>,
    outbox: &Outbox,
) -> Option<String> {
    loop {
        let frame = client.next().await;
        if let Some(known) = client.framing() {
            framing.get_or_init(|| known);
        }
        match frame {
            Ok(Some(Ok(text))) => return Some(text),
            Ok(Some(Err(fault))) => {
                tracing::warn!("A message could not be read. {}", fault.kind());
                let _ = outbox.send(answer_to(&fault)).await;
            }
            Ok(None) => return None,
            Err(error) => {
                tracing::warn!("The input cannot be read any more: {error}.");
                return None;
            }
        }
    }
}

/// Passes a message to the daemon. Between the two it is always framed by its length: the client's
/// text may hold newlines.
async fn pass(writer: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    let mut frame = Vec::with_capacity(text.len() + 32);
    Framing::ContentLength.write(text, &mut frame);
    writer.write_all(&frame).await?;
    writer.flush().await
}
