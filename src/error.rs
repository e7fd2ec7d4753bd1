//! The one error type of the crate: what happened, why, what to do.
//!
//! [`ErrorKind`] is closed. Each kind has one JSON-RPC code, given by its place in [`ErrorKind::ALL`],
//! so that the code table in `protocol/` is generated from this file. Only the edge (`rpc`) turns an
//! [`Error`] into a JSON-RPC error object.

use std::fmt;

use crate::namd::Finding;

/// What kind of thing went wrong, as scripts and editors can switch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No job has this id in the store.
    JobNotFound,
    /// No cluster of this name is configured.
    ClusterNotFound,
    /// `config.toml` is wrong, or a setting given with a call is.
    SettingsInvalid,
    /// The NAMD configuration cannot be run as it stands; the findings say where.
    NamdConfigInvalid,
    /// The NAMD configuration (or a file it sources) cannot be read on this machine.
    ConfigNotReadable,
    /// A file that the NAMD configuration needs is missing, a directory, or unreadable.
    InputMissing,
    /// The job's state does not allow what was asked.
    RefusedInState,
    /// The cluster cannot be reached or does not answer.
    ClusterUnavailable,
    /// The cluster asks for a login that nobody present can give.
    AuthRequired,
    /// The cluster's host key is unknown, revoked, or not the one recorded.
    HostKeyChanged,
    /// Slurm refused the job and named the reason.
    SlurmRejected,
    /// The submission was sent and its outcome is not known yet.
    SubmitUnknown,
    /// A command on the cluster failed.
    RemoteCommandFailed,
    /// A file could not be moved to or from the cluster.
    TransferFailed,
    /// A disk or quota is full.
    Quota,
    /// The job database cannot be opened, read or written.
    StoreUnavailable,
    /// Another process holds the job database.
    StoreBusy,
    /// The job database was written by a newer NAMDRunner.
    StoreTooNew,
    /// Something took longer than it may.
    Timeout,
    /// The background server ended before it had answered.
    ServerLost,
    /// A parameter is missing or wrong; the message names it.
    InvalidParams,
    /// The caller withdrew the request.
    Cancelled,
    /// A defect in NAMDRunner.
    Internal,
}

impl ErrorKind {
    /// Kinds with a code of our own, in the order that numbers them from −32010 down.
    pub const ALL: [Self; 20] = [
        Self::JobNotFound,
        Self::ClusterNotFound,
        Self::SettingsInvalid,
        Self::NamdConfigInvalid,
        Self::ConfigNotReadable,
        Self::InputMissing,
        Self::RefusedInState,
        Self::ClusterUnavailable,
        Self::AuthRequired,
        Self::HostKeyChanged,
        Self::SlurmRejected,
        Self::SubmitUnknown,
        Self::RemoteCommandFailed,
        Self::TransferFailed,
        Self::Quota,
        Self::StoreUnavailable,
        Self::StoreBusy,
        Self::StoreTooNew,
        Self::Timeout,
        Self::ServerLost,
    ];

    /// The kind's name on the wire (`data.kind`), camelCase.
    pub fn name(self) -> &'static str {
        match self {
            Self::JobNotFound => "jobNotFound",
            Self::ClusterNotFound => "clusterNotFound",
            Self::SettingsInvalid => "settingsInvalid",
            Self::NamdConfigInvalid => "namdConfigInvalid",
            Self::ConfigNotReadable => "configNotReadable",
            Self::InputMissing => "inputMissing",
            Self::RefusedInState => "refusedInState",
            Self::ClusterUnavailable => "clusterUnavailable",
            Self::AuthRequired => "authRequired",
            Self::HostKeyChanged => "hostKeyChanged",
            Self::SlurmRejected => "slurmRejected",
            Self::SubmitUnknown => "submitUnknown",
            Self::RemoteCommandFailed => "remoteCommandFailed",
            Self::TransferFailed => "transferFailed",
            Self::Quota => "quota",
            Self::StoreUnavailable => "storeUnavailable",
            Self::StoreBusy => "storeBusy",
            Self::StoreTooNew => "storeTooNew",
            Self::Timeout => "timeout",
            Self::ServerLost => "serverLost",
            Self::InvalidParams => "invalidParams",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// The kind of a wire name; the inverse of [`ErrorKind::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .chain([Self::InvalidParams, Self::Cancelled, Self::Internal])
            .find(|kind| kind.name() == name)
    }

    /// The JSON-RPC error code.
    pub fn code(self) -> i32 {
        match self {
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::Cancelled => -32800,
            own => {
                let place = Self::ALL.iter().position(|kind| *kind == own).unwrap_or(0);
                -32010 - i32::try_from(place).unwrap_or(0)
            }
        }
    }

    /// Whether the same call may succeed later without anything being changed by hand.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::ClusterUnavailable
                | Self::TransferFailed
                | Self::StoreBusy
                | Self::Timeout
                | Self::SubmitUnknown
                | Self::ServerLost
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error as a person and a program need it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of thing went wrong.
    pub kind: ErrorKind,
    /// What happened and why, in full sentences, naming the thing.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The job concerned.
    pub job_id: Option<String>,
    /// The cluster concerned.
    pub cluster: Option<String>,
    /// Findings in the NAMD configuration, when they are the reason.
    pub findings: Vec<Finding>,
    /// The underlying error, for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error of a kind with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            job_id: None,
            cluster: None,
            findings: Vec::new(),
            source: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the job concerned.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "ids come owned and borrowed")]
    pub fn of_job(mut self, job_id: impl fmt::Display) -> Self {
        self.job_id = Some(job_id.to_string());
        self
    }

    /// Names the cluster concerned.
    #[must_use]
    pub fn on_cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// Attaches the findings that are the reason.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// Keeps the underlying error for the log.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An error about a parameter, naming it.
    pub fn bad_param(field: &str, why: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::InvalidParams,
            format!("Parameter `{field}`: {why}."),
        )
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message).hinted(
            "This is a defect in NAMDRunner. The log file holds the details; please report it.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_in_the_documented_order() {
        assert_eq!(ErrorKind::JobNotFound.code(), -32010);
        assert_eq!(ErrorKind::ClusterNotFound.code(), -32011);
        assert_eq!(ErrorKind::Timeout.code(), -32028);
        assert_eq!(ErrorKind::Cancelled.code(), -32800);
    }

    #[test]
    fn names_round_trip() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.name()), Some(kind));
        }
    }
}
