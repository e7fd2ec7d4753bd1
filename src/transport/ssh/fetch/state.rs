//! What is known of the files that are being fetched, and their unfinished copies on this machine.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::here::Here;
use crate::transport::blocks::{self, BLOCK, PIECE};
use crate::transport::ssh::transfer::{Pulse, Stop};
use crate::transport::{Get, Sent, TransportError, Watcher};

/// How often a block may arrive otherwise than it is there before the file is given up.
const DIFFERENCES: u32 = 2;

/// The largest file, in bytes: the list of its blocks is held in memory. (16 TiB, the largest of ext4.)
const LARGEST: u64 = 1 << 44;

/// A part of a file that is fetched at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) file: usize,
    pub(super) at: u64,
    pub(super) length: usize,
}

impl Span {
    /// What tells it from others.
    pub(super) fn key(&self) -> (usize, u64) {
        (self.file, self.at)
    }
}

/// A transfer, over all its connections.
pub(super) struct Work<'a> {
    pub(super) files: Vec<Get>,
    pub(super) watch: &'a Watcher,
    pub(super) pulse: Pulse,
    state: Mutex<State>,
    moved: AtomicU64,
    news: Notify,
}

#[derive(Default)]
struct State {
    files: Vec<FileState>,
    /// What is to be fetched.
    spans: VecDeque<Span>,
    questions: VecDeque<String>,
    planned: bool,
    differences: u32,
}

#[derive(Default)]
struct FileState {
    /// Known since the porter found it.
    here: Option<Here>,
    blocks: Vec<BlockState>,
    done: u64,
    named: bool,
    /// Why it cannot be fetched.
    lost: Option<String>,
}

#[derive(Default, Clone)]
struct BlockState {
    arrived: u64,
    asked: bool,
    good: bool,
}

impl<'a> Work<'a> {
    pub(super) fn new(files: Vec<Get>, watch: &'a Watcher) -> Self {
        let state = State {
            files: files.iter().map(|_| FileState::default()).collect(),
            ..State::default()
        };
        Self {
            files,
            watch,
            pulse: Pulse::default(),
            state: Mutex::new(state),
            moved: AtomicU64::new(0),
            news: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain data; nothing that holds the lock can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that have arrived so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Bytes that are to come, as far as known before the porter looks: of unlisted files as many as
    /// make lanes worth while.
    pub(super) fn expected(&self) -> u64 {
        let state = self.state();
        let files = self.files.iter().zip(&state.files);
        files
            .map(|(file, known)| match (&known.here, file.bytes) {
                (Some(here), _) => here.size.saturating_sub(known.done),
                (None, Some(bytes)) => bytes,
                (None, None) => BLOCK,
            })
            .sum()
    }

    /// Prepares for a new connection: what was asked of the old one is asked again.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.questions.clear();
        for file in &mut state.files {
            for block in &mut file.blocks {
                block.asked = block.good;
            }
        }
        let numbers = 0..state.files.len();
        drop(state);
        numbers.for_each(|number| self.consider(number));
    }

    /// Notes what the porter found of a file, and makes or finds its unfinished copy.
    pub(super) async fn found(
        &self,
        file: usize,
        size: u64,
        mode: u32,
        modified: &str,
    ) -> Result<(), Stop> {
        let Some(get) = self.files.get(file) else {
            return Ok(());
        };
        let known = self.state().files.get(file).and_then(|f| f.here.clone());
        if let Some(known) = known {
            if size < known.size {
                return Err(TransportError::Remote(format!(
                    "{}: it became shorter while it was read",
                    get.from
                ))
                .into());
            }
            return Ok(());
        }
        if size > LARGEST {
            return Err(TransportError::Remote(format!(
                "{}: of {size} bytes, which is more than can be fetched",
                get.from
            ))
            .into());
        }
        let here = Here::find(get, size, mode, modified).await?;
        if let Some(this) = self.state().files.get_mut(file) {
            this.blocks = vec![BlockState::default(); index(blocks::count(size))];
            this.here = Some(here);
        }
        Ok(())
    }

    /// Notes that a file cannot be fetched (any more); the others can.
    pub(super) fn lost(&self, file: usize, why: String) {
        let mut state = self.state();
        let asks_about_it = format!("s {file} ");
        state.spans.retain(|span| span.file != file);
        state
            .questions
            .retain(|question| !question.starts_with(&asks_about_it));
        if let Some(this) = state.files.get_mut(file).filter(|this| !this.named) {
            this.lost = Some(why);
        }
    }

    /// The blocks that may be here already: file, block, length.
    pub(super) fn unsure(&self) -> Vec<(usize, u64, u64)> {
        let state = self.state();
        if state.planned {
            return Vec::new();
        }
        let files = state.files.iter().enumerate();
        files
            .filter_map(|(number, file)| Some((number, file.here.as_ref()?)))
            .flat_map(|(number, here)| {
                (0..blocks::count(here.held))
                    .map(move |block| (number, block, blocks::length(here.size, block)))
            })
            .collect()
    }

    /// A block was here and is as it is there.
    pub(super) fn present(&self, file: usize, block: u64) {
        let mut bytes = 0;
        if let Some(this) = self.state().files.get_mut(file) {
            let size = this.here.as_ref().map_or(0, |here| here.size);
            bytes = blocks::length(size, block);
            if let Some(known) = this.blocks.get_mut(index(block)) {
                *known = BlockState {
                    arrived: bytes,
                    asked: true,
                    good: true,
                };
            }
        }
        self.tell(file, bytes);
    }

    /// Lists what is to be fetched, once.
    pub(super) fn plan(&self) {
        let mut state = self.state();
        if state.planned {
            return;
        }
        state.planned = true;
        let mut spans = VecDeque::new();
        for (number, file) in state.files.iter().enumerate() {
            let Some(here) = &file.here else { continue };
            for (block, known) in (0_u64..).zip(&file.blocks) {
                if !known.good {
                    spans.extend(spans_of(number, here.size, block));
                }
            }
        }
        state.spans = spans;
        drop(state);
        self.news.notify_one();
    }

    /// The next part to be fetched.
    pub(super) fn next(&self) -> Option<Span> {
        self.state().spans.pop_front()
    }

    /// Parts that did not arrive.
    pub(super) fn take_back(&self, spans: impl Iterator<Item = Span>) {
        self.state().spans.extend(spans);
    }

    /// Writes what arrived.
    pub(super) async fn write(&self, file: usize, at: u64, bytes: Vec<u8>) -> Result<(), Stop> {
        let Some(here) = self.here(file) else {
            return Ok(());
        };
        Ok(here.write(at, bytes).await?)
    }

    /// A part has arrived and is written.
    pub(super) fn arrived(&self, span: &Span) {
        let bytes = span.length as u64;
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        if let Some(this) = self.state().files.get_mut(span.file)
            && let Some(block) = this.blocks.get_mut(index(span.at / BLOCK))
        {
            block.arrived += bytes;
        }
        self.tell(span.file, bytes);
        self.consider(span.file);
    }

    fn tell(&self, file: usize, bytes: u64) {
        self.pulse.beat();
        let (done, size) = match self.state().files.get_mut(file) {
            Some(this) => {
                this.done += bytes;
                (this.done, this.here.as_ref().map_or(0, |here| here.size))
            }
            None => return,
        };
        if let Some(get) = self.files.get(file) {
            self.watch.tell(bytes, get.from.as_str(), done, size);
        }
    }

    /// Sees what can be asked about a file now.
    fn consider(&self, file: usize) {
        let mut state = self.state();
        let mut questions = Vec::new();
        if let Some(this) = state.files.get_mut(file)
            && let Some(here) = &this.here
        {
            for (number, block) in (0_u64..).zip(&mut this.blocks) {
                let length = blocks::length(here.size, number);
                if block.arrived >= length && !block.good && !block.asked {
                    block.asked = true;
                    questions.push(format!("s {file} {number} {length}"));
                }
            }
        }
        state.questions.extend(questions);
        drop(state);
        self.news.notify_one();
    }

    /// What is to be asked of the porter.
    pub(super) fn question(&self) -> Option<String> {
        self.state().questions.pop_front()
    }

    /// Waits for something to happen.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The checksum of a block as it is here.
    pub(super) async fn sum(&self, file: usize, block: u64) -> Result<String, Stop> {
        let Some(here) = self.here(file) else {
            return Ok(String::new());
        };
        Ok(here.sum(block).await?)
    }

    /// A block is here as it is there.
    pub(super) fn good(&self, file: usize, block: u64) {
        if let Some(this) = self.state().files.get_mut(file)
            && let Some(block) = this.blocks.get_mut(index(block))
        {
            block.good = true;
        }
        self.news.notify_one();
    }

    /// A block is not as it is there: it was written to meanwhile. It is fetched once more.
    pub(super) fn differs(&self, file: usize, block: u64) -> Stop {
        let from = self.files.get(file).map(|file| file.from.to_string());
        let text = format!(
            "{}: it changed while it was read; wait until nothing writes to it and repeat",
            from.unwrap_or_default()
        );
        let mut state = self.state();
        state.differences += 1;
        let mut again = Vec::new();
        if let Some(this) = state.files.get_mut(file)
            && let Some(here) = &this.here
            && let Some(known) = this.blocks.get_mut(index(block))
        {
            *known = BlockState::default();
            this.done = this.done.saturating_sub(blocks::length(here.size, block));
            again.extend(spans_of(file, here.size, block));
        }
        state.spans.extend(again);
        if state.differences > DIFFERENCES {
            TransportError::Remote(text).into()
        } else {
            TransportError::Lost(text).into()
        }
    }

    /// The files that are whole and have no name yet.
    pub(super) fn complete(&self) -> Vec<usize> {
        let state = self.state();
        let files = state.files.iter().enumerate();
        files
            .filter(|(_, file)| {
                state.planned
                    && !file.named
                    && file.lost.is_none()
                    && file.here.is_some()
                    && file.blocks.iter().all(|block| block.good)
            })
            .map(|(number, _)| number)
            .collect()
    }

    /// Gives a file its permissions, its date and its name.
    pub(super) async fn name(&self, file: usize) -> Result<(), Stop> {
        let Some(here) = self.here(file) else {
            return Ok(());
        };
        here.name().await?;
        if let Some(this) = self.state().files.get_mut(file) {
            this.named = true;
        }
        Ok(())
    }

    /// Whether all files have their names, but for those that cannot be fetched.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state();
        state
            .files
            .iter()
            .all(|file| file.named || file.lost.is_some())
    }

    /// Removes what there is of files that could not be fetched; says which, and why.
    pub(super) async fn forget_lost(&self) -> Vec<String> {
        let lost: Vec<(String, Option<PathBuf>)> = {
            let state = self.state();
            let files = self.files.iter().zip(&state.files);
            files
                .filter_map(|(get, this)| {
                    let text = format!("{}: {}", get.from, this.lost.as_ref()?);
                    Some((text, this.here.as_ref().map(|here| here.path.clone())))
                })
                .collect()
        };
        let mut texts = Vec::new();
        for (text, unfinished) in lost {
            if let Some(path) = unfinished {
                // Nothing can be done about one that cannot be removed.
                let _ = tokio::fs::remove_file(path).await;
            }
            texts.push(text);
        }
        texts
    }

    /// Removes what is unfinished, unless the error is one after which it can be continued.
    pub(super) async fn forget_unless(&self, error: &TransportError) {
        if error.is_link() {
            return;
        }
        let unfinished: Vec<PathBuf> = {
            let state = self.state();
            let files = state.files.iter().filter(|file| !file.named);
            files
                .filter_map(|file| Some(file.here.as_ref()?.path.clone()))
                .collect()
        };
        for path in unfinished {
            // Nothing can be done about one that cannot be removed.
            let _ = tokio::fs::remove_file(path).await;
        }
    }

    /// What was fetched.
    pub(super) fn fetched(&self) -> Vec<Sent> {
        let state = self.state();
        let files = self.files.iter().zip(&state.files);
        files
            .map(|(file, this)| Sent {
                path: file.from.to_string(),
                bytes: this.here.as_ref().map_or(0, |here| here.size),
                sha256: String::new(),
            })
            .collect()
    }

    fn here(&self, file: usize) -> Option<Here> {
        self.state().files.get(file)?.here.clone()
    }
}

fn spans_of(file: usize, size: u64, block: u64) -> impl Iterator<Item = Span> {
    let (start, length) = (block * BLOCK, blocks::length(size, block));
    (0..length.div_ceil(PIECE as u64)).map(move |piece| {
        let from = piece * PIECE as u64;
        let length = usize::try_from(length - from).map_or(PIECE, |left| left.min(PIECE));
        Span {
            file,
            at: start + from,
            length,
        }
    })
}

/// A block's place in a list; one that does not fit is in none.
fn index(block: u64) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
