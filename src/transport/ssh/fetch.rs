//! Fetching files: large ones over several SFTP sessions, or through the porter where there are none;
//! small ones together, in one stream.
//!
//! Each block is summed at both ends as soon as it is here, while the next ones travel. What an
//! earlier attempt left unfinished is compared in the same way and continued.

mod bundle;
mod here;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;

use super::Ssh;
use super::connection::Connection;
use super::flow::Flow;
use super::porter::{Answer, Answers, Asks, get_script};
use super::sftp::{LANES, Lane, READ, Trouble, open_lanes};
use super::transfer::{self, OnDrop, Stop, unless_stopped};
use crate::transport::blocks::PIECE;
use crate::transport::{Get, Sent, TransportError, Watcher};
use state::{Span, Work};

/// Files below this size travel together.
const SMALL: u64 = 1024 * 1024;

/// From how many bytes on lanes are opened: they cost four round trips, and through the porter
/// alone this much needs one.
const LANES_FROM: u64 = 4 * 1024 * 1024;

/// How many files that cannot be fetched are named.
const NAMED: usize = 5;

/// Files that one porter takes on.
const TOGETHER: usize = 200;

/// Fetches files. See [`crate::transport::Transport::get`].
pub(super) async fn get(
    ssh: &Ssh,
    files: &[Get],
    watch: &Watcher,
) -> Result<Vec<Sent>, TransportError> {
    let is_small = |file: &&Get| file.bytes.is_some_and(|bytes| bytes < SMALL);
    let small: Vec<&Get> = files.iter().filter(is_small).collect();
    let mut fetched: HashMap<&Get, Sent> = HashMap::new();
    if small.len() > 1 {
        fetched.extend(bundle::get(ssh, &small, watch).await?);
    }
    // What changed while it travelled with others comes by itself.
    let rest: Vec<&Get> = files
        .iter()
        .filter(|file| !fetched.contains_key(file))
        .collect();
    let mut lost = Vec::new();
    for group in rest.chunks(TOGETHER) {
        let work = Work::new(group.iter().copied().cloned().collect(), watch);
        let result = transfer::persist(watch, || work.moved(), || attempt(ssh, &work)).await;
        if let Err(error) = result {
            work.forget_unless(&error).await;
            return Err(error);
        }
        lost.extend(work.forget_lost().await);
        fetched.extend(group.iter().copied().zip(work.fetched()));
    }
    // All others are here.
    if !lost.is_empty() {
        return Err(TransportError::Remote(named(&lost)));
    }
    Ok(files
        .iter()
        .filter_map(|file| fetched.get(file).cloned())
        .collect())
}

/// Says which files cannot be fetched, and why.
fn named(lost: &[String]) -> String {
    let first = lost.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let first = first.join("; ");
    match lost.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

/// One connection's part in a transfer.
async fn attempt(ssh: &Ssh, work: &Work<'_>) -> Result<(), TransportError> {
    work.begin();
    let paths = work.files.iter().map(|file| &file.from).enumerate();
    transfer::with_porter(
        ssh,
        "get files",
        get_script(paths),
        work.watch,
        |connection, asks, mut answers| async move {
            let moving = move_all(work, &connection, &asks, &mut answers);
            let mut result = unless_stopped(moving, work.watch, &work.pulse).await;
            if let Err(Stop::Refused { file, text }) = result {
                let from = work.files.get(file).map(|file| file.from.to_string());
                let from = from.unwrap_or_default();
                result = Err(TransportError::Remote(format!("{from}: {text}")).into());
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
        // The sizes are not known yet where they were not listed.
        if work.expected() >= LANES_FROM {
            open_lanes(connection, LANES).await
        } else {
            Vec::new()
        }
    };
    let (lanes, looked) = tokio::join!(lanes, look(work, asks, answers));
    looked?;
    let flow = connection.flow_down();
    let asked = Asked::default();
    let _back = OnDrop(|| asked.give_back(work, flow));
    if lanes.is_empty() {
        tokio::try_join!(
            ask_porter(work, asks, flow, &asked),
            follow(work, asks, answers, flow, &asked),
        )?;
    } else {
        tokio::try_join!(
            try_join_all(lanes.iter().map(|lane| carry(work, lane, flow))),
            follow(work, asks, answers, flow, &asked),
        )?;
    }
    Ok(())
}

/// Reads what the porter finds, and compares what is here already.
async fn look(work: &Work<'_>, asks: &Asks, answers: &mut Answers) -> Result<(), Stop> {
    loop {
        match Answer::parse(&answers.line().await?) {
            Some(Answer::File {
                file,
                size,
                mode,
                modified,
            }) => work.found(file, size, mode, &modified).await?,
            Some(Answer::Lost { file, text }) => work.lost(file, text),
            Some(Answer::Ready) => break,
            _ => {}
        }
    }
    let unsure = work.unsure();
    for (file, block, length) in &unsure {
        asks.ask(&format!("s {file} {block} {length}")).await?;
    }
    for _ in &unsure {
        if let Some(Answer::Sum { file, block, sum }) = Answer::parse(&answers.line().await?)
            && let Some(sum) = sum
            && work.sum(file, block).await? == sum
        {
            work.present(file, block);
        }
        work.pulse.beat();
    }
    work.plan();
    Ok(())
}

/// Compares what has arrived, until every file has its name.
async fn follow(
    work: &Work<'_>,
    asks: &Asks,
    answers: &mut Answers,
    flow: &Flow,
    asked: &Asked,
) -> Result<(), Stop> {
    let mut sums = FuturesUnordered::new();
    loop {
        while let Some(question) = work.question() {
            asks.ask(&question).await?;
        }
        for file in work.complete() {
            work.name(file).await?;
        }
        if work.is_done() {
            return Ok(());
        }
        tokio::select! {
            line = answers.line() => {
                work.pulse.beat();
                match Answer::parse(&line?) {
                    Some(Answer::Sum { file, block, sum: Some(sum) }) => {
                        sums.push(async move { (file, block, work.sum(file, block).await, sum) });
                    }
                    // Where nothing can sum, the size is all that is checked.
                    Some(Answer::Sum { file, block, sum: None }) => work.good(file, block),
                    Some(Answer::Read { file, piece }) => {
                        let Some((at, length)) = asked.part(file, piece) else { continue };
                        let bytes = answers.bytes(length).await?;
                        let arrived = Instant::now();
                        work.write(file, at, bytes).await?;
                        if let Some((span, begun)) = asked.answered(file, piece) {
                            flow.give(span.length as u64, arrived - begun);
                            work.arrived(&span);
                        }
                    }
                    _ => {}
                }
            }
            Some((file, block, here, there)) = sums.next(), if !sums.is_empty() => {
                if here? == there {
                    work.good(file, block);
                } else {
                    return Err(work.differs(file, block));
                }
            }
            () = work.news() => {}
        }
    }
}

/// What a lane has asked for and not received. Dropped, it gives all of it back.
struct Taken<'a> {
    work: &'a Work<'a>,
    flow: &'a Flow,
    spans: HashMap<(usize, u64), (Span, usize)>,
    bytes: u64,
}

impl Taken<'_> {
    fn arrived(&mut self, part: Arrived) -> Result<(), Stop> {
        let Arrived {
            key,
            bytes,
            result,
            took,
        } = part;
        result?;
        self.bytes -= bytes;
        self.flow.give(bytes, took);
        self.work.pulse.beat();
        if let Some((_, open)) = self.spans.get_mut(&key) {
            *open -= 1;
            if *open == 0
                && let Some((span, _)) = self.spans.remove(&key)
            {
                self.work.arrived(&span);
            }
        }
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.flow.lose(self.bytes);
        self.work
            .take_back(self.spans.drain().map(|(_, (span, _))| span));
    }
}

/// One request that was answered and written.
struct Arrived {
    key: (usize, u64),
    bytes: u64,
    result: Result<(), Stop>,
    took: std::time::Duration,
}

/// Fetches pieces over one SFTP session until there are no more.
async fn carry(work: &Work<'_>, lane: &Lane, flow: &Flow) -> Result<(), Stop> {
    let stop = |file, trouble| match trouble {
        Trouble::Gone => Stop::Link,
        Trouble::Refused(text) => Stop::Refused { file, text },
    };
    let mut handles: HashMap<usize, Arc<str>> = HashMap::new();
    let mut taken = Taken {
        work,
        flow,
        spans: HashMap::new(),
        bytes: 0,
    };
    let mut flying = FuturesUnordered::new();
    let mut next: Option<(Span, usize)> = None;
    loop {
        if next.is_none()
            && let Some(span) = work.next()
        {
            let file = span.file;
            let requests = span.length.div_ceil(READ as usize);
            taken.spans.insert(span.key(), (span, requests));
            if let std::collections::hash_map::Entry::Vacant(free) = handles.entry(file) {
                let path = work.files.get(file).map(|file| file.from.as_str());
                let handle = lane.open_to_read(path.unwrap_or_default()).await;
                free.insert(handle.map_err(|trouble| stop(file, trouble))?.into());
            }
            next = Some((span, 0));
        }
        let Some((span, from)) = next.take() else {
            match flying.next().await {
                Some(part) => taken.arrived(part)?,
                None => break,
            }
            continue;
        };
        let length = (span.length - from).min(READ as usize);
        if !flow.take(length as u64) {
            next = Some((span, from));
            tokio::select! {
                Some(part) = flying.next(), if !flying.is_empty() => taken.arrived(part)?,
                () = flow.room() => {}
            }
            continue;
        }
        taken.bytes += length as u64;
        let handle = handles.get(&span.file).cloned().unwrap_or_default();
        flying.push(async move {
            let begun = Instant::now();
            let at = span.at + from as u64;
            let read = lane.read(&handle, at, length).await;
            let took = begun.elapsed();
            let result = match read {
                Ok(bytes) => work.write(span.file, at, bytes).await,
                Err(trouble) => Err(stop(span.file, trouble)),
            };
            Arrived {
                key: span.key(),
                bytes: length as u64,
                result,
                took,
            }
        });
        if from + length < span.length {
            next = Some((span, from + length));
        }
    }
    for handle in handles.into_values() {
        lane.close(&handle).await;
    }
    Ok(())
}

/// What is asked of the porter, and since when.
#[derive(Default)]
struct Asked(Mutex<AskedSpans>);

type AskedSpans = HashMap<(usize, u64), (Span, Option<Instant>)>;

impl Asked {
    /// The place and the length of a piece that was asked for.
    fn part(&self, file: usize, piece: u64) -> Option<(u64, usize)> {
        let held = self.held();
        let (span, _) = held.get(&(file, place(piece)?))?;
        Some((span.at, span.length))
    }

    fn answered(&self, file: usize, piece: u64) -> Option<(Span, Instant)> {
        let (span, begun) = self.held().remove(&(file, place(piece)?))?;
        Some((span, begun?))
    }

    fn give_back(&self, work: &Work<'_>, flow: &Flow) {
        let held = std::mem::take(&mut *self.held());
        let begun = held.values().filter(|(_, begun)| begun.is_some());
        flow.lose(begun.map(|(span, _)| span.length as u64).sum());
        work.take_back(held.into_values().map(|(span, _)| span));
    }

    fn held(&self) -> MutexGuard<'_, AskedSpans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a piece begins; none where no file has one.
fn place(piece: u64) -> Option<u64> {
    piece.checked_mul(PIECE as u64)
}

/// Asks the porter for pieces until there are no more.
async fn ask_porter(work: &Work<'_>, asks: &Asks, flow: &Flow, asked: &Asked) -> Result<(), Stop> {
    while let Some(span) = work.next() {
        // Held before it has room: who waits may be dropped.
        asked.held().insert(span.key(), (span, None));
        while !flow.take(span.length as u64) {
            flow.room().await;
        }
        asked
            .held()
            .insert(span.key(), (span, Some(Instant::now())));
        let piece = span.at / PIECE as u64;
        asks.ask(&format!("r {} {piece} {}", span.file, span.length))
            .await?;
    }
    Ok(())
}
