//! Findings as diagnostics, each in the file it is about. Pure.

use std::collections::BTreeMap;

use gen_lsp_types::{Diagnostic, DiagnosticSeverity, Range, Uri};

use crate::namd::{Analysis, Finding, Severity};
use crate::protocol::{Job, Status};

use super::place;

/// Who says so.
pub(crate) const SOURCE: &str = "namdrunner";
/// The code of the remark that a config is no longer what its job runs.
pub(crate) const CHANGED: &str = "changedSinceCreated";

/// What is to be shown of an analysis, by the address of the file. The config is always among them,
/// and so is every file that was read, so that what was mended disappears.
pub(crate) fn of_analysis(
    uri: &str,
    config: &str,
    analysis: &Analysis,
) -> BTreeMap<String, Vec<Diagnostic>> {
    let mut shown: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    // The editor's own address of the config, however it writes it.
    let address = |file: &str| {
        if file.is_empty() || file == analysis.config {
            uri.to_owned()
        } else {
            place::uri_of_file(config, file)
        }
    };
    shown.entry(uri.to_owned()).or_default();
    for file in &analysis.read {
        shown.entry(address(file)).or_default();
    }
    for finding in &analysis.findings {
        let known = shown.entry(address(&finding.file)).or_default();
        known.push(of_finding(finding));
    }
    shown
}

/// One finding.
pub(crate) fn of_finding(finding: &Finding) -> Diagnostic {
    Diagnostic {
        range: place::range(finding.range),
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
            Severity::Information => DiagnosticSeverity::Information,
        }),
        code: Some(finding.code.as_str().to_owned().into()),
        source: Some(SOURCE.into()),
        message: finding.message.clone().into(),
        ..Diagnostic::default()
    }
}

/// The quiet remark that the job of a config runs another text than the one shown; none when there
/// is no such job, or nothing it could still mislead about.
pub(crate) fn of_change(job: &Job, sha256: &str) -> Option<Diagnostic> {
    if job.config_sha256 == sha256 || job.status.is_terminal() {
        return None;
    }
    let what = match job.status {
        Status::Created => "was made from",
        _ => "runs",
    };
    let message = format!(
        "This file has changed since job {} was made. The job {what} the text it was made with; make a \
         new job to run this one.",
        job.job_name
    );
    Some(Diagnostic {
        range: Range::default(),
        severity: Some(DiagnosticSeverity::Information),
        code: Some(CHANGED.to_owned().into()),
        source: Some(SOURCE.into()),
        message: message.into(),
        ..Diagnostic::default()
    })
}

/// As `textDocument/publishDiagnostics` takes it.
pub(crate) fn published(
    uri: String,
    version: Option<i32>,
    diagnostics: Vec<Diagnostic>,
) -> gen_lsp_types::PublishDiagnosticsParams {
    gen_lsp_types::PublishDiagnosticsParams {
        uri: Uri(uri),
        version,
        diagnostics,
    }
}
