//! What goes out: a bounded queue in front of one writer.
//!
//! Whoever has something to say waits until there is room, so that a client that reads slowly slows
//! down its own session and nothing else, and costs a bounded amount of memory.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::framing::Framing;

/// The most messages that wait.
const MESSAGES: usize = 256;
/// The most kilobytes that wait; one larger message waits alone.
const KILOBYTES: u32 = 32 * 1024;

/// The client does not read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// The way out. Cheap to clone; the writer ends when the last clone is gone.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Waiting {
    message: String,
    _room: OwnedSemaphorePermit,
}

/// Makes the way out and the task that writes, which ends with the last [`Outbox`] or a failure.
/// `framing` is looked at when there is something to write. A client that takes no byte for
/// `patience` is one that is gone.
pub(super) fn open<W: AsyncWrite + Unpin>(
    writer: W,
    framing: Arc<OnceLock<Framing>>,
    patience: Option<Duration>,
) -> (Outbox, impl Future<Output = io::Result<()>>) {
    let (queue, waiting) = mpsc::channel(MESSAGES);
    let outbox = Outbox {
        queue,
        room: Arc::new(Semaphore::new(KILOBYTES as usize)),
    };
    (outbox, write_all(writer, waiting, framing, patience))
}

impl Outbox {
    /// Sends a message; waits for room.
    pub(super) async fn send(&self, message: String) -> Result<(), Gone> {
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(cost(&message)) => room,
            () = self.queue.closed() => return Err(Gone),
        };
        let waiting = Waiting {
            message,
            _room: room.map_err(|_| Gone)?,
        };
        self.queue.send(waiting).await.map_err(|_| Gone)
    }

    /// Sends a message if there is room; says whether there was.
    pub(super) fn offer(&self, message: String) -> bool {
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(cost(&message)) else {
            return false;
        };
        let waiting = Waiting {
            message,
            _room: room,
        };
        self.queue.try_send(waiting).is_ok()
    }

    /// Waits until the client does not read any more.
    pub(super) async fn gone(&self) {
        self.queue.closed().await;
    }
}

fn cost(message: &str) -> u32 {
    u32::try_from(message.len() / 1024 + 1).map_or(KILOBYTES, |cost| cost.min(KILOBYTES))
}

async fn write_all<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut queue: mpsc::Receiver<Waiting>,
    framing: Arc<OnceLock<Framing>>,
    patience: Option<Duration>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    while let Some(mut waiting) = queue.recv().await {
        let framing = framing.get().copied().unwrap_or(Framing::ContentLength);
        // Small messages that wait together are written together.
        loop {
            framing.write(&waiting.message, &mut bytes);
            if bytes.len() > 64 * 1024 {
                break;
            }
            match queue.try_recv() {
                Ok(next) => waiting = next,
                Err(_) => break,
            }
        }
        write(&mut writer, &bytes, patience).await?;
        writer.flush().await?;
        bytes.clear();
        bytes.shrink_to(1024 * 1024);
    }
    writer.shutdown().await
}

async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    mut bytes: &[u8],
    patience: Option<Duration>,
) -> io::Result<()> {
    let Some(patience) = patience else {
        return writer.write_all(bytes).await;
    };
    while !bytes.is_empty() {
        let taken = timeout(patience, writer.write(bytes)).await.map_err(|_| {
            tracing::warn!("A client has read nothing for {patience:?}: it is dropped.");
            io::Error::from(io::ErrorKind::TimedOut)
        })??;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(taken..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn lines() -> Arc<OnceLock<Framing>> {
        Arc::new(OnceLock::from(Framing::Lines))
    }

    #[tokio::test]
    async fn messages_leave_in_order_and_the_end_is_an_end() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let (outbox, writing) = open(ours, lines(), None);
        let writing = tokio::spawn(writing);
        for n in 0..1000 {
            let mut line = vec![0; n.to_string().len() + 1];
            let both = tokio::join!(outbox.send(n.to_string()), theirs.read_exact(&mut line));
            both.0.unwrap();
            both.1.unwrap();
            assert_eq!(line, format!("{n}\n").into_bytes());
        }
        drop(outbox);
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_size() {
        let (ours, _theirs) = tokio::io::duplex(1);
        let (outbox, _writing) = open(ours, lines(), None);
        let large = "x".repeat(20 * 1024 * 1024);
        assert!(outbox.offer(large.clone()));
        assert!(!outbox.offer(large), "there is no room for a second");
        let small = (0..2 * MESSAGES)
            .filter(|_| outbox.offer("x".into()))
            .count();
        assert_eq!(small, MESSAGES - 1);
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed_by_those_who_wait() {
        let (ours, theirs) = tokio::io::duplex(1);
        let (outbox, writing) = open(ours, lines(), None);
        let writing = tokio::spawn(writing);
        drop(theirs);
        let mut sent = Ok(());
        while sent.is_ok() {
            sent = outbox.send("x".repeat(1024 * 1024)).await;
        }
        outbox.gone().await;
        assert!(writing.await.unwrap().is_err());
    }
}
