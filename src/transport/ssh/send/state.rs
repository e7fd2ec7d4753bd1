//! What is known of the files of one transfer: what was acknowledged, what was compared, what is done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::reading::{self, Chunk, Outgoing, Read};
use crate::transport::blocks;
use crate::transport::ssh::porter::Known;
use crate::transport::ssh::transfer::{Pulse, Stop};
use crate::transport::{Sent, TransportError, Watcher};

/// A transfer, over all its connections.
pub(super) struct Work<'a> {
    pub(super) files: Vec<Outgoing>,
    pub(super) watch: &'a Watcher,
    pub(super) pulse: Pulse,
    state: Mutex<State>,
    reads: tokio::sync::Mutex<Option<mpsc::Receiver<Result<Read, TransportError>>>>,
    moved: AtomicU64,
    news: Notify,
}

#[derive(Default)]
struct State {
    files: Vec<FileState>,
    /// Pieces that a broken connection left unacknowledged.
    again: VecDeque<Chunk>,
    questions: VecDeque<String>,
    /// Whether the reader has begun: what the far end held before it is known.
    begun: bool,
}

#[derive(Default)]
struct FileState {
    suffix: String,
    /// Bytes that were there at first; of more than the file has, as many as it has.
    size_there: u64,
    /// Where the last acknowledged byte ends: so much is there, or what was there is lost.
    reached: u64,
    /// Bytes that are free beside it.
    room: Option<u64>,
    /// What the far end held at first.
    there: Vec<Option<String>>,
    blocks: Vec<BlockState>,
    sha256: Option<String>,
    done: u64,
    name_asked: bool,
    named: bool,
}

#[derive(Default, Clone)]
struct BlockState {
    acknowledged: u64,
    sum: Option<String>,
    asked: bool,
    good: bool,
}

impl<'a> Work<'a> {
    pub(super) fn new(files: Vec<Outgoing>, watch: &'a Watcher) -> Self {
        let states = files.iter().map(|file| FileState {
            blocks: vec![BlockState::default(); index(blocks::count(file.size))],
            ..FileState::default()
        });
        let state = State {
            files: states.collect(),
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            files,
            watch,
            pulse: Pulse::default(),
            reads: tokio::sync::Mutex::new(None),
            moved: AtomicU64::new(0),
            news: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain data; nothing that holds the lock can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes acknowledged so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Bytes that are not known to be there.
    pub(super) fn left(&self) -> u64 {
        let state = self.state();
        let files = self.files.iter().zip(&state.files);
        files
            .map(|(file, known)| file.size - known.done.min(file.size))
            .sum()
    }

    /// Prepares for a new connection: what was asked of the old one is asked again. Returns where each
    /// file grows and what is known of it.
    pub(super) fn begin(&self) -> Vec<(String, Known)> {
        let mut state = self.state();
        let begun = state.begun;
        state.questions.clear();
        let mut known = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            let Some(this) = state.files.get_mut(number) else {
                continue;
            };
            let how = match (begun, this.name_asked) {
                (false, _) => Known::New,
                (true, false) => Known::Ours,
                (true, true) => Known::Named,
            };
            if this.name_asked && !this.named {
                // It may have its name, or not: what it holds decides.
                this.blocks.iter_mut().for_each(|block| block.good = false);
            }
            this.name_asked = this.named;
            for block in &mut this.blocks {
                block.asked = block.good;
            }
            known.push((place(file, &this.suffix), how));
        }
        drop(state);
        for number in 0..self.files.len() {
            self.consider(number);
        }
        known
    }

    /// Where a file grows.
    pub(super) fn part(&self, file: usize) -> String {
        let state = self.state();
        match (self.files.get(file), state.files.get(file)) {
            (Some(out), Some(this)) => place(out, &this.suffix),
            _ => String::new(),
        }
    }

    /// Notes what the porter found of a file. Over a further connection, an error if it is no longer
    /// what it was: each byte is read once here and sent, so that it can only be sent anew.
    pub(super) fn found(
        &self,
        file: usize,
        size: u64,
        room: Option<u64>,
        suffix: &str,
    ) -> Result<(), Stop> {
        let mut state = self.state();
        let begun = state.begun;
        let (Some(out), Some(this)) = (self.files.get(file), state.files.get_mut(file)) else {
            return Ok(());
        };
        if !begun {
            suffix.clone_into(&mut this.suffix);
            this.size_there = size.min(out.size);
            this.room = room;
        } else if size < this.reached {
            return Err(TransportError::Remote(format!(
                "{}: of the {} bytes that had arrived only {size} are left; repeat it",
                out.to, this.reached
            ))
            .into());
        }
        Ok(())
    }

    /// Refuses to begin where there is no room for what is to be sent.
    pub(super) fn check_room(&self) -> Result<(), Stop> {
        let state = self.state();
        let files = || self.files.iter().zip(&state.files);
        for (file, this) in files().filter(|_| !state.begun) {
            let directory = file.to.parent();
            let beside = files().filter(|(other, _)| other.to.parent() == directory);
            let needed: u64 = beside
                .map(|(other, this)| other.size.saturating_sub(this.size_there))
                .sum();
            if let Some(room) = this.room
                && room < needed
            {
                return Err(TransportError::Remote(format!(
                    "{directory}: No space left on device: {needed} bytes are needed, {room} bytes \
                     are free"
                ))
                .into());
            }
        }
        Ok(())
    }

    /// The blocks whose content at the far end is to be compared with the file before it is sent.
    pub(super) fn unsure(&self) -> Vec<(usize, u64)> {
        let state = self.state();
        if state.begun {
            return Vec::new();
        }
        let files = state.files.iter().enumerate();
        files
            .flat_map(|(number, this)| {
                (0..blocks::count(this.size_there)).map(move |block| (number, block))
            })
            .collect()
    }

    /// Notes what a block holds at the far end before anything is sent.
    pub(super) fn there(&self, file: usize, block: u64, sum: Option<String>) {
        if let Some(this) = self.state().files.get_mut(file) {
            // Of so many blocks at most it was asked.
            let asked = index(blocks::count(this.size_there));
            if this.there.len() < asked {
                this.there.resize(asked, None);
            }
            if let Some(slot) = this.there.get_mut(index(block)) {
                *slot = sum;
            }
        }
    }

    /// Starts the reader, once.
    pub(super) async fn start_reading(&self) {
        let mut reads = self.reads.lock().await;
        if reads.is_none() {
            let there = {
                let mut state = self.state();
                state.begun = true;
                let files = state.files.iter_mut();
                files.map(|file| std::mem::take(&mut file.there)).collect()
            };
            *reads = Some(reading::start(self.files.clone(), there));
        }
    }

    /// The next piece to be sent; none when all were handed out.
    pub(super) async fn next(&self) -> Result<Option<Chunk>, Stop> {
        if let Some(chunk) = self.state().again.pop_front() {
            return Ok(Some(chunk));
        }
        let mut reads = self.reads.lock().await;
        let Some(reads) = reads.as_mut() else {
            return Ok(None);
        };
        loop {
            match reads.recv().await {
                Some(Ok(Read::Chunk(chunk))) => return Ok(Some(chunk)),
                Some(Ok(read)) => self.noted(read),
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(self.state().again.pop_front()),
            }
        }
    }

    fn noted(&self, read: Read) {
        let (Read::Block { file, .. } | Read::Present { file, .. } | Read::End { file, .. }) = read
        else {
            return;
        };
        let mut there = 0;
        if let Some(this) = self.state().files.get_mut(file) {
            match read {
                Read::Block { block, sum, .. } => {
                    if let Some(block) = this.blocks.get_mut(index(block)) {
                        block.sum = Some(sum);
                    }
                }
                Read::Present { block, sum, .. } => {
                    there = self
                        .files
                        .get(file)
                        .map_or(0, |file| blocks::length(file.size, block));
                    this.reached = this.reached.max(block * blocks::BLOCK + there);
                    if let Some(block) = this.blocks.get_mut(index(block)) {
                        *block = BlockState {
                            acknowledged: there,
                            sum: Some(sum),
                            asked: true,
                            good: true,
                        };
                    }
                }
                Read::End { sha256, .. } => this.sha256 = Some(sha256),
                Read::Chunk(_) => {}
            }
        }
        self.tell(file, there);
        self.consider(file);
    }

    /// Pieces that were not acknowledged.
    pub(super) fn take_back(&self, chunks: impl Iterator<Item = Chunk>) {
        self.state().again.extend(chunks);
    }

    /// A piece is at the far end.
    pub(super) fn acknowledged(&self, chunk: &Chunk) {
        let bytes = chunk.bytes.len() as u64;
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        if let Some(this) = self.state().files.get_mut(chunk.file) {
            this.reached = this.reached.max(chunk.at + bytes);
            if let Some(block) = this.blocks.get_mut(index(chunk.at / blocks::BLOCK)) {
                block.acknowledged += bytes;
            }
        }
        self.tell(chunk.file, bytes);
        self.consider(chunk.file);
    }

    /// Tells the watcher of bytes that are there.
    fn tell(&self, file: usize, bytes: u64) {
        self.pulse.beat();
        if bytes == 0 {
            return;
        }
        let done = match self.state().files.get_mut(file) {
            Some(this) => {
                this.done += bytes;
                this.done
            }
            None => return,
        };
        if let Some(out) = self.files.get(file) {
            self.watch.tell(bytes, out.to.as_str(), done, out.size);
        }
    }

    /// Sees what can be asked about a file now.
    fn consider(&self, file: usize) {
        let Some(out) = self.files.get(file) else {
            return;
        };
        let mut state = self.state();
        if !state.begun {
            return;
        }
        let mut questions = Vec::new();
        if let Some(this) = state.files.get_mut(file).filter(|this| !this.named) {
            let mut all_good = true;
            for (number, block) in (0_u64..).zip(&mut this.blocks) {
                let length = blocks::length(out.size, number);
                let whole = block.acknowledged >= length && (block.sum.is_some() || block.good);
                if whole && !block.good && !block.asked {
                    block.asked = true;
                    questions.push(format!("s {file} {number} {length}"));
                }
                all_good &= block.good;
            }
            if all_good && this.sha256.is_some() && !this.name_asked {
                this.name_asked = true;
                questions.push(format!("f {file} {} {:o}", out.size, out.mode));
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

    /// A block was summed at the far end.
    pub(super) fn compared(&self, file: usize, block: u64, sum: Option<&str>) -> Result<(), Stop> {
        let good = {
            let mut state = self.state();
            let this = state.files.get_mut(file);
            let Some(known) = this.and_then(|this| this.blocks.get_mut(index(block))) else {
                return Ok(());
            };
            // Where nothing can sum, the size is all that is checked.
            known.good = sum.is_none() || known.sum.as_deref() == sum;
            known.good
        };
        if !good {
            let to = self.files.get(file).map(|file| file.to.to_string());
            return Err(TransportError::Remote(format!(
                "{}: its checksum differs from that of what was sent; repeat it",
                to.unwrap_or_default()
            ))
            .into());
        }
        self.consider(file);
        Ok(())
    }

    /// A file has its name.
    pub(super) fn named(&self, file: usize) {
        if let Some(this) = self.state().files.get_mut(file) {
            this.named = true;
        }
        self.news.notify_one();
    }

    /// Whether all files have their names.
    pub(super) fn is_done(&self) -> bool {
        self.state().files.iter().all(|file| file.named)
    }

    /// The numbers of the files that have not got their names.
    pub(super) fn unfinished(&self) -> Vec<usize> {
        let state = self.state();
        let files = state.files.iter().enumerate();
        files
            .filter(|(_, file)| !file.named)
            .map(|(number, _)| number)
            .collect()
    }

    /// What was sent.
    pub(super) fn sent(&self) -> Vec<Sent> {
        let state = self.state();
        let files = self.files.iter().zip(&state.files);
        files
            .map(|(file, this)| Sent {
                path: file.to.to_string(),
                bytes: file.size,
                sha256: this.sha256.clone().unwrap_or_default(),
            })
            .collect()
    }
}

fn place(file: &Outgoing, suffix: &str) -> String {
    format!("{}/{}{suffix}", file.to.parent(), file.part)
}

/// A block's place in a list; one that does not fit is in none.
fn index(block: u64) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
