//! Where a job came from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::shell::RemotePath;

/// Where a job came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "origin")]
pub enum Origin {
    /// It was made here.
    #[default]
    Created,
    /// It was found in its directories on the cluster: made by another laptop, or with a database
    /// that is lost.
    Discovered {
        /// When.
        at: Timestamp,
    },
    /// It was submitted by hand, and taken into the list by its id. Its files are its owner's: they
    /// are looked at, and never written or removed.
    Adopted {
        /// When.
        at: Timestamp,
        /// Where it runs.
        work_dir: RemotePath,
        /// Its script as the batch system kept it, or as it was named.
        script: Option<String>,
        /// NAMD's log relative to where it runs, if its script says so.
        log: Option<String>,
    },
}

impl Origin {
    /// The wire's word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Discovered { .. } => "discovered",
            Self::Adopted { .. } => "adopted",
        }
    }

    /// Whether the job was submitted by hand.
    pub fn is_adopted(&self) -> bool {
        matches!(self, Self::Adopted { .. })
    }
}
