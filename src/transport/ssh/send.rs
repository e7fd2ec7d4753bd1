//! Sending files that travel by themselves: over several SFTP sessions, or through the porter where
//! there are none.
//!
//! One thread reads each file once, in order, and sums what it hands on, so what is compared at the
//! far end is what was sent. The lanes take the pieces as they have room. When the connection breaks,
//! what was not acknowledged is sent again over the next one, and nothing else. What an earlier
//! process left unfinished is summed block by block and continued.

mod reading;
mod state;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;

use super::Ssh;
use super::connection::Connection;
use super::flow::Flow;
use super::porter::{Answer, Answers, Asks, Ended, PutLine, put_script};
use super::sftp::{LANES, Lane, PACKET, Trouble, open_lanes};
use super::transfer::{self, Stop, unless_stopped};
use crate::transport::blocks::{self, PIECE};
use crate::transport::{Put, Sent, TransportError, Watcher};
use reading::Chunk;
use state::Work;

/// From how many bytes on lanes are opened: they cost four round trips.
const LANES_FROM: u64 = 4 * 1024 * 1024;

/// Sends files. See [`crate::transport::Transport::put`].
pub(super) async fn put(
    ssh: &Ssh,
    files: &[Put],
    watch: &Watcher,
) -> Result<Vec<Sent>, TransportError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let files = reading::look(files.to_vec()).await?;
    let work = Work::new(files, watch);
    transfer::persist(watch, || work.moved(), || attempt(ssh, &work)).await?;
    Ok(work.sent())
}

/// One connection's part in a transfer.
async fn attempt(ssh: &Ssh, work: &Work<'_>) -> Result<(), TransportError> {
    let known = work.begin();
    let lines = work.files.iter().zip(&known).enumerate();
    let script = put_script(lines.map(|(number, (file, (part, known)))| PutLine {
        number,
        part,
        target: &file.to,
        size: file.size,
        known: *known,
    }));
    transfer::with_porter(
        ssh,
        "put files",
        script,
        work.watch,
        |connection, asks, mut answers| async move {
            let moving = move_all(work, &connection, &asks, &mut answers);
            let mut result = unless_stopped(moving, work.watch, &work.pulse).await;
            if let Err(Stop::Refused { file, text }) = result {
                let why = why(&asks, &mut answers, file).await.unwrap_or_default();
                let why = if why.is_empty() { text } else { why };
                let to = work.files.get(file).map(|file| file.to.to_string());
                let to = to.unwrap_or_default();
                result = Err(TransportError::Remote(format!("{to}: {why}")).into());
            }
            if result.as_ref().is_err_and(Stop::is_final) {
                clean(work, &asks, &mut answers).await;
            }
            asks.end().await;
            result
        },
    )
    .await
}

/// Moves what is left over this connection, and sees every file named.
async fn move_all(
    work: &Work<'_>,
    connection: &Arc<Connection>,
    asks: &Asks,
    answers: &mut Answers,
) -> Result<(), Stop> {
    let lanes = async {
        if work.left() >= LANES_FROM {
            open_lanes(connection, LANES).await
        } else {
            Vec::new()
        }
    };
    let (lanes, looked) = tokio::join!(lanes, look(work, asks, answers));
    looked?;
    work.start_reading().await;
    let flow = connection.flow_up();
    let flying = Flying::default();
    if lanes.is_empty() {
        let _back = transfer::OnDrop(|| flying.give_back(work, flow));
        tokio::try_join!(
            through_porter(work, asks, flow, &flying),
            follow(work, asks, answers, flow, &flying),
        )?;
    } else {
        tokio::try_join!(
            try_join_all(lanes.iter().map(|lane| carry(work, lane, flow))),
            follow(work, asks, answers, flow, &flying),
        )?;
    }
    Ok(())
}

/// Reads what the porter finds, and asks what of it is right.
async fn look(work: &Work<'_>, asks: &Asks, answers: &mut Answers) -> Result<(), Stop> {
    loop {
        match Answer::parse(&answers.line().await?) {
            Some(Answer::Part {
                file,
                size,
                room,
                suffix,
            }) => work.found(file, size, room, &suffix)?,
            Some(Answer::Ready) => break,
            _ => {}
        }
    }
    work.check_room()?;
    let questions = work.unsure();
    for (file, block) in &questions {
        let length = blocks::length(work.files[*file].size, *block);
        asks.ask(&format!("s {file} {block} {length}")).await?;
    }
    for _ in &questions {
        work.pulse.beat();
        if let Some(Answer::Sum { file, block, sum }) = Answer::parse(&answers.line().await?) {
            work.there(file, block, sum);
        }
    }
    Ok(())
}

/// Asks the porter about what has arrived, until every file has its name.
async fn follow(
    work: &Work<'_>,
    asks: &Asks,
    answers: &mut Answers,
    flow: &Flow,
    flying: &Flying,
) -> Result<(), Stop> {
    loop {
        while let Some(question) = work.question() {
            asks.ask(&question).await?;
        }
        if work.is_done() {
            return Ok(());
        }
        tokio::select! {
            line = answers.line() => {
                work.pulse.beat();
                match Answer::parse(&line?) {
                    Some(Answer::Sum { file, block, sum }) => work.compared(file, block, sum.as_deref())?,
                    Some(Answer::Named { file }) => work.named(file),
                    Some(Answer::Written { file, piece }) => {
                        if let Some((chunk, begun)) = flying.answered(file, piece) {
                            flow.give(chunk.bytes.len() as u64, begun.elapsed());
                            work.acknowledged(&chunk);
                        }
                    }
                    _ => {}
                }
            }
            () = work.news() => {}
        }
    }
}

/// Asks why nothing can be written.
async fn why(asks: &Asks, answers: &mut Answers, file: usize) -> Result<String, Ended> {
    asks.ask(&format!("d {file}")).await?;
    loop {
        if let Some(Answer::Why { text }) = Answer::parse(&answers.line().await?) {
            return Ok(text);
        }
    }
}

/// Removes what is unfinished.
async fn clean(work: &Work<'_>, asks: &Asks, answers: &mut Answers) {
    let removing = async {
        let mut awaited = 0;
        for number in work.unfinished() {
            asks.ask(&format!("x {number}")).await?;
            awaited += 1;
        }
        while awaited > 0 {
            if Answer::parse(&answers.line().await?) == Some(Answer::Removed) {
                awaited -= 1;
            }
        }
        Ok::<(), Ended>(())
    };
    // A porter that does not answer leaves it to the next attempt, which finds it.
    let _ = tokio::time::timeout(Duration::from_secs(5), removing).await;
}

/// What a lane has taken and not yet been told of. Dropped, it gives all of it back.
struct Taken<'a> {
    work: &'a Work<'a>,
    flow: &'a Flow,
    chunks: HashMap<(usize, u64), (Chunk, usize)>,
    bytes: u64,
}

impl Taken<'_> {
    fn answered(&mut self, written: Written) -> Result<(), Stop> {
        let Written {
            key,
            bytes,
            result,
            took,
        } = written;
        match result {
            Ok(()) => {}
            Err(Trouble::Gone) => return Err(Stop::Link),
            Err(Trouble::Refused(text)) => return Err(Stop::Refused { file: key.0, text }),
        }
        self.bytes -= bytes;
        self.flow.give(bytes, took);
        self.work.pulse.beat();
        if let Some((_, open)) = self.chunks.get_mut(&key) {
            *open -= 1;
            if *open == 0
                && let Some((chunk, _)) = self.chunks.remove(&key)
            {
                self.work.acknowledged(&chunk);
            }
        }
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.flow.lose(self.bytes);
        let chunks = self.chunks.drain().map(|(_, (chunk, _))| chunk);
        self.work.take_back(chunks);
    }
}

/// One request that was answered.
struct Written {
    key: (usize, u64),
    bytes: u64,
    result: Result<(), Trouble>,
    took: Duration,
}

/// Carries pieces over one SFTP session until there are no more.
async fn carry(work: &Work<'_>, lane: &Lane, flow: &Flow) -> Result<(), Stop> {
    let mut handles: HashMap<usize, Arc<str>> = HashMap::new();
    let mut taken = Taken {
        work,
        flow,
        chunks: HashMap::new(),
        bytes: 0,
    };
    let mut flying = FuturesUnordered::new();
    let mut next: Option<(Chunk, usize)> = None;
    let mut drained = false;
    loop {
        if let Some((chunk, from)) = next.take() {
            let length = PACKET.min(chunk.bytes.len() - from);
            if !flow.take(length as u64) {
                next = Some((chunk, from));
                tokio::select! {
                    Some(written) = flying.next(), if !flying.is_empty() => taken.answered(written)?,
                    () = flow.room() => {}
                }
                continue;
            }
            taken.bytes += length as u64;
            let bytes = chunk
                .bytes
                .get(from..from + length)
                .unwrap_or_default()
                .to_vec();
            let handle = handles.get(&chunk.file).cloned().unwrap_or_default();
            let (key, at) = (chunk.key(), chunk.at + from as u64);
            flying.push(async move {
                let begun = Instant::now();
                let result = lane.write(&handle, at, bytes).await;
                Written {
                    key,
                    bytes: length as u64,
                    result,
                    took: begun.elapsed(),
                }
            });
            if from + length < chunk.bytes.len() {
                next = Some((chunk, from + length));
            }
            continue;
        }
        tokio::select! {
            biased;
            Some(written) = flying.next(), if !flying.is_empty() => taken.answered(written)?,
            chunk = work.next(), if !drained => match chunk? {
                None => drained = true,
                Some(chunk) => {
                    let packets = chunk.bytes.len().div_ceil(PACKET);
                    let file = chunk.file;
                    taken.chunks.insert(chunk.key(), (chunk.clone(), packets));
                    if let Entry::Vacant(free) = handles.entry(file) {
                        let path = work.part(file);
                        let handle = lane.open_to_write(&path).await.map_err(|trouble| match trouble {
                            Trouble::Gone => Stop::Link,
                            Trouble::Refused(text) => Stop::Refused { file, text },
                        })?;
                        free.insert(handle.into());
                    }
                    next = Some((chunk, 0));
                }
            },
            else => break,
        }
    }
    for handle in handles.into_values() {
        lane.close(&handle).await;
    }
    Ok(())
}

/// What is handed to the porter, and since when it is on its way.
#[derive(Default)]
struct Flying(Mutex<FlyingChunks>);

type FlyingChunks = HashMap<(usize, u64), (Chunk, Option<Instant>)>;

impl Flying {
    fn answered(&self, file: usize, piece: u64) -> Option<(Chunk, Instant)> {
        let at = piece.checked_mul(PIECE as u64)?;
        let (chunk, begun) = self.held().remove(&(file, at))?;
        Some((chunk, begun?))
    }

    fn give_back(&self, work: &Work<'_>, flow: &Flow) {
        let held = std::mem::take(&mut *self.held());
        let begun = held.values().filter(|(_, begun)| begun.is_some());
        flow.lose(begun.map(|(chunk, _)| chunk.bytes.len() as u64).sum());
        work.take_back(held.into_values().map(|(chunk, _)| chunk));
    }

    fn held(&self) -> MutexGuard<'_, FlyingChunks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries pieces through the porter until there are no more.
async fn through_porter(
    work: &Work<'_>,
    asks: &Asks,
    flow: &Flow,
    flying: &Flying,
) -> Result<(), Stop> {
    while let Some(chunk) = work.next().await? {
        let length = chunk.bytes.len();
        // Held before it has room: who waits may be dropped.
        flying.held().insert(chunk.key(), (chunk.clone(), None));
        while !flow.take(length as u64) {
            flow.room().await;
        }
        let begun = Some(Instant::now());
        flying.held().insert(chunk.key(), (chunk.clone(), begun));
        let (file, piece) = (chunk.file, chunk.at / PIECE as u64);
        asks.ask_with(&format!("w {file} {piece} {length}"), &chunk.bytes)
            .await?;
    }
    Ok(())
}

impl From<Ended> for Stop {
    fn from(_: Ended) -> Self {
        Self::Porter
    }
}
