//! NAMD's log, read as it grows.
//!
//! [`LogReader`] is fed bytes in any portions and keeps a [`LogReport`]: small, of bounded size
//! whatever the log holds, and the same however the bytes were cut. It never fails: what is not
//! understood is passed over.
//!
//! ```
//! use namdrunner::namd::{LogReader, StepPlan};
//!
//! let mut reader = LogReader::default();
//! reader.feed(b"Info: NAMD 3.0 for Linux-x86_64-multicore\nInfo: TIMESTEP               2\n");
//! reader.feed(b"TCL: Running for 2000 steps\nETITLE:      TS     TEMP\n\nENERGY:    5");
//! reader.feed(b"00   299.5\n");
//! let plan = StepPlan { total_steps: Some(2000), segments: Some(1) };
//! let progress = reader.report().progress(&plan).unwrap();
//! assert_eq!((progress.step, progress.total_steps), (500, Some(2000)));
//! assert_eq!(progress.temperature, Some(299.5));
//! ```
//!
//! The forms of the lines are NAMD's own (Controller.C, Output.C, ScriptTcl.C, common.C of 2.6 to
//! 3.0); each is described where it is read, in `lines`.
//!
//! A log can be left and taken up again: [`LogReader::offset`] says from which byte on it must be
//! read, and [`LogReader::fits`] whether the bytes before that are still the ones that were read.

mod energies;
mod faults;
mod lines;
mod progress;
mod rate;
mod report;

use serde::{Deserialize, Serialize};

pub use energies::Energy;
pub use faults::{FatalError, Line, Lines};
pub use progress::{Progress, StepPlan};
pub use rate::{Rate, RateSource};
pub use report::{LogEnd, LogReport, RestartSet, Stretch};

/// Bytes of a line that are looked at; what follows in the same line is passed over.
const LINE: usize = 4096;
/// Bytes before the offset that are remembered, to know the log again.
const MEMORY: usize = 64;

/// Reads a log as it grows. Serialised, it can be taken up where it was left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogReader {
    report: LogReport,
    /// Bytes of whole lines, and of the part of an endless line that has been passed over.
    offset: u64,
    /// The line that the offset lies in is too long and is being passed over.
    passing: bool,
    /// The last bytes before the offset.
    memory: Vec<u8>,
    /// What has been fed of a line that is not whole. Not kept: it will be read again.
    #[serde(skip)]
    line: Vec<u8>,
}

impl LogReader {
    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (piece, whole) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(at) => (bytes.get(..=at).unwrap_or(bytes), true),
                None => (bytes, false),
            };
            bytes = bytes.get(piece.len()..).unwrap_or_default();
            self.piece(piece, whole);
        }
    }

    /// Takes bytes of one line, its end included if it is `whole`.
    fn piece(&mut self, piece: &[u8], whole: bool) {
        if self.passing {
            self.pass(piece);
            self.passing = !whole;
            return;
        }
        let room = LINE.saturating_sub(self.line.len());
        self.line
            .extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if piece.len() > room {
            // The rest of an endless line is passed over, and counts as read.
            let beyond = piece.get(room..).unwrap_or_default();
            let head = std::mem::take(&mut self.line);
            self.pass(&head);
            self.read(&head);
            self.passing = !whole;
            self.pass(beyond);
        } else if whole {
            let line = std::mem::take(&mut self.line);
            self.pass(&line);
            self.read(&line);
        }
    }

    fn read(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.report.take(&String::from_utf8_lossy(line));
    }

    /// Moves the offset over `bytes`.
    fn pass(&mut self, bytes: &[u8]) {
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        let keep = bytes.get(bytes.len().saturating_sub(MEMORY)..);
        self.memory.extend_from_slice(keep.unwrap_or_default());
        let excess = self.memory.len().saturating_sub(MEMORY);
        self.memory.drain(..excess);
    }

    /// Says that no more comes: a last line without its end is read as it is.
    pub fn finish(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.pass(&line);
            self.read(&line);
        }
    }

    /// Goes on at a later offset: what lies between is not read. Segments that began there are
    /// missed, and line numbers are no longer true.
    pub fn skip_to(&mut self, offset: u64) {
        if offset > self.offset {
            self.line.clear();
            self.memory.clear();
            self.offset = offset;
            // The offset may lie in the middle of a line.
            self.passing = true;
            self.report.skipped = true;
        }
    }

    /// From which byte on the log must be fed after it was left.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes before [`offset`](Self::offset) are remembered.
    pub fn overlap(&self) -> usize {
        self.memory.len()
    }

    /// Whether `before`, the bytes now found before the offset, are those that were read. If not,
    /// it is another log under the same name: begin anew.
    pub fn fits(&self, before: &[u8]) -> bool {
        before == self.memory
    }

    /// What is known so far.
    pub fn report(&self) -> &LogReport {
        &self.report
    }
}

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;
