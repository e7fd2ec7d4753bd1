//! A job that was submitted by hand, as the batch system knows it.

use jiff::Timestamp;

use super::{Resources, SchedulerId};

/// What is known of a job that was submitted by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandMade {
    /// Its id.
    pub id: SchedulerId,
    /// Its owner's name.
    pub owner: String,
    /// Its owner's number; 0 where only the name is known, and it is the person's own.
    pub owner_uid: u32,
    /// Its name in the batch system.
    pub name: String,
    /// Its working directory: foreign text, to be checked.
    pub work_dir: String,
    /// When it was submitted.
    pub submitted: Option<Timestamp>,
    /// The script's path and its arguments, as the batch system prints them.
    pub command: Option<String>,
    /// Where its output goes.
    pub output: Option<String>,
    /// The bytes of its script, as the batch system keeps it.
    pub script: Option<Vec<u8>>,
    /// What it asked for, as far as is told.
    pub resources: Resources,
    /// The raw line, or the telling parts of several.
    pub evidence: String,
}

/// Why there is no such job to tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// Neither the controller nor the accounting knows this id among the person's jobs.
    Nowhere,
    /// It is somebody else's.
    NotYours {
        /// Whose.
        owner: String,
    },
    /// Some source did not answer: nothing can be said.
    Unanswered {
        /// What failed.
        why: String,
    },
}
