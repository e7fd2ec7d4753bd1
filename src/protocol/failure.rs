//! Errors on the wire: their codes, what they mean, and what they carry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;

/// What an error answer carries in `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// The error's kind, a word to switch on. Readers treat words they do not know by `retryable`.
    pub kind: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the same call may succeed later without anything being changed by hand.
    pub retryable: bool,
    /// The job concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The cluster concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Findings in the NAMD config, when they are the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Finding>>,
}

/// One thing found in a NAMD config, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is, a word to switch on.
    pub code: String,
    /// What happened, why, and what to do.
    pub message: String,
    /// The file it is about: absolute, or relative to the config's directory.
    pub file: String,
    /// Where in the file.
    pub range: Range,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The job cannot be made or would certainly fail: it blocks.
    Error,
    /// Something may go wrong or could not be determined.
    Warning,
    /// Worth knowing.
    Information,
}

/// A stretch of a file, as in LSP; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// A place in a file, as in LSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The line, from 0.
    pub line: u32,
    /// The character in the line, from 0, in UTF-16 units.
    pub character: u32,
}

/// An error code, as the table of errors tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode {
    /// The JSON-RPC error code.
    pub code: i32,
    /// `data.kind`.
    pub kind: &'static str,
    /// Whether the same call may succeed later by itself.
    pub retryable: bool,
    /// When it is answered.
    pub meaning: &'static str,
}

/// The message is no JSON.
pub const PARSE_ERROR: ErrorCode = wire(
    -32700,
    "parseError",
    "A message or frame could not be read: no JSON, a bad header, text that is not UTF-8, or an end in its middle. The answer's id is null.",
);
/// The message is no request.
pub const INVALID_REQUEST: ErrorCode = wire(
    -32600,
    "invalidRequest",
    "A message is JSON but no JSON-RPC 2.0 request, is an empty batch, is larger than 16 MiB, or comes at the wrong time (a second initialize, anything after shutdown).",
);
/// There is no such method.
pub const METHOD_NOT_FOUND: ErrorCode = wire(
    -32601,
    "methodNotFound",
    "There is no such method. The hint names the nearest one.",
);

/// A language feature was asked for too early.
pub const NOT_INITIALIZED: ErrorCode = wire(
    -32002,
    "notInitialized",
    "A language feature was asked for before `initialize`. Job methods need none.",
);

const fn wire(code: i32, kind: &'static str, meaning: &'static str) -> ErrorCode {
    ErrorCode {
        code,
        kind,
        retryable: false,
        meaning,
    }
}

/// The code of an error kind.
pub fn error_code(kind: ErrorKind) -> ErrorCode {
    ErrorCode {
        code: kind.code(),
        kind: kind.name(),
        retryable: kind.retryable(),
        meaning: meaning(kind),
    }
}

/// All codes: JSON-RPC's and LSP's, then ours in their order.
pub fn error_codes() -> Vec<ErrorCode> {
    let mut codes = vec![
        PARSE_ERROR,
        INVALID_REQUEST,
        METHOD_NOT_FOUND,
        NOT_INITIALIZED,
    ];
    codes.extend(
        [
            ErrorKind::InvalidParams,
            ErrorKind::Internal,
            ErrorKind::Cancelled,
        ]
        .into_iter()
        .chain(ErrorKind::ALL)
        .map(error_code),
    );
    codes
}

fn meaning(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidParams => "A parameter is missing or wrong; the message names it.",
        ErrorKind::Internal => "A defect in NAMDRunner; the log file holds the details.",
        ErrorKind::Cancelled => {
            "The request was withdrawn by `$/cancelRequest`, or the server is ending, before it had its effect."
        }
        ErrorKind::JobNotFound => "No job has this id.",
        ErrorKind::ClusterNotFound => "No cluster of this name is configured.",
        ErrorKind::SettingsInvalid => {
            "config.toml is wrong; the message names file, line and key. Or a setting given with the call is."
        }
        ErrorKind::NamdConfigInvalid => {
            "The NAMD config cannot be run as it stands; `findings` says where and why."
        }
        ErrorKind::ConfigNotReadable => {
            "The NAMD config, or a file it sources, cannot be read on this machine."
        }
        ErrorKind::InputMissing => {
            "A file that the NAMD config needs is missing, is a directory, or cannot be read; `findings` says which."
        }
        ErrorKind::RefusedInState => "The job's state does not allow what was asked.",
        ErrorKind::ClusterUnavailable => "The cluster cannot be reached or does not answer.",
        ErrorKind::AuthRequired => "The cluster asks for a login that nobody present can give.",
        ErrorKind::HostKeyChanged => {
            "The cluster's host key is unknown, revoked, or not the one recorded."
        }
        ErrorKind::SlurmRejected => "Slurm refused the job; the message holds its words.",
        ErrorKind::SubmitUnknown => {
            "The submission was sent and its outcome is not known yet. It is being looked for; submitting again is safe."
        }
        ErrorKind::RemoteCommandFailed => "A command on the cluster failed.",
        ErrorKind::TransferFailed => "A file could not be moved to or from the cluster.",
        ErrorKind::Quota => "A disk or quota is full.",
        ErrorKind::StoreUnavailable => "The job database cannot be opened, read or written.",
        ErrorKind::StoreBusy => "Another process holds the job database.",
        ErrorKind::StoreTooNew => "The job database was written by a newer NAMDRunner.",
        ErrorKind::Timeout => "Something took longer than it may.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_kind_is_there_once() {
        let codes = error_codes();
        let mut numbers: Vec<i32> = codes.iter().map(|code| code.code).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), codes.len());
        assert_eq!(codes.len(), 7 + ErrorKind::ALL.len());
    }
}
