//! What stands above a config and at its `run` lines: the job's state in a few words, and what can
//! be done about it. Pure.

use gen_lsp_types::{CodeLens, Command, InlayHint, Label, Position, Range, Tooltip};
use serde_json::{Value, json};

use crate::namd::Analysis;
use crate::protocol::{Job, Phase, Status};

use super::commands::Verb;
use super::place;

/// The lenses of a config at its first line. `job` is its latest job, `cluster` where a new one
/// would go, `changed` whether the text is another than the job was made with.
pub(crate) fn of_config(
    uri: &str,
    job: Option<&Job>,
    cluster: &str,
    changed: bool,
) -> Vec<CodeLens> {
    let Some(job) = job else {
        return vec![
            lens(
                &format!("▶ Create and submit ({cluster})"),
                Verb::CreateAndSubmit,
                json!([uri]),
            ),
            lens("Preview", Verb::Preview, json!([uri])),
        ];
    };
    let id = json!([job.job_id]);
    let mut lenses = vec![lens(&headline(job), Verb::Status, id.clone())];
    let ended = job.status.is_terminal();
    if job.status == Status::Created && may_submit(job) {
        lenses.push(lens("▶ Submit", Verb::Submit, id.clone()));
    } else if !ended {
        lenses.push(lens("Cancel", Verb::Cancel, id.clone()));
    }
    if ended && !changed {
        lenses.push(lens("▶ Submit again", Verb::Submit, id.clone()));
    }
    if changed {
        lenses.push(lens("Changed since: compare", Verb::Diff, id));
    }
    // Another one beside it: the usual wish once the first is on its way, or the text has changed.
    if changed || !ended {
        lenses.push(lens("New job", Verb::CreateAndSubmit, json!([uri])));
    }
    lenses
}

/// A hint behind the first line that runs something, for a job that is on its way.
pub(crate) fn hints(analysis: &Analysis, job: Option<&Job>) -> Vec<InlayHint> {
    let Some(job) = job.filter(|job| !job.status.is_terminal()) else {
        return Vec::new();
    };
    let here = |file: &str| file.is_empty() || file == analysis.config;
    let mut segments = analysis.plan.segments.iter();
    let Some(segment) = segments.find(|segment| here(&segment.site.file)) else {
        return Vec::new();
    };
    vec![InlayHint {
        position: place::position(segment.site.range.end),
        label: Label::String(brief(job)),
        kind: None,
        text_edits: None,
        tooltip: Some(Tooltip::String(headline(job))),
        padding_left: Some(true),
        padding_right: None,
        data: None,
    }]
}

/// The job in one line.
pub(crate) fn headline(job: &Job) -> String {
    let mut said = format!("{} {}", mark(job.status), word(job));
    if let Some(id) = &job.slurm_job_id {
        said.push(' ');
        said.push_str(id);
    }
    let more = match job.status {
        Status::Pending => job.reason.as_ref().map(|reason| reason.text.clone()),
        Status::Running => job
            .time_used_seconds
            .map(|used| match job.time_limit_seconds {
                Some(limit) => format!("{} of {}", clock(used), clock(limit)),
                None => clock(used),
            }),
        Status::Completed => job
            .time_used_seconds
            .map(|used| format!("took {}", clock(used))),
        Status::Failed | Status::Cancelled => job.cause.as_ref().map(|cause| cause.text.clone()),
        Status::Created => job.error_info.as_ref().map(|error| error.message.clone()),
        Status::Unknown => Some("nothing witnessed its end".to_owned()),
    };
    if let Some(more) = more {
        said.push_str(" · ");
        said.push_str(more.trim_end_matches('.'));
    }
    said.push_str(" · ");
    said.push_str(&job.cluster);
    if job.observed.stale {
        said.push_str(" · not confirmed lately");
    }
    said
}

/// As short as it goes.
fn brief(job: &Job) -> String {
    let mut said = format!("{} {}", mark(job.status), word(job));
    if job.observed.stale {
        said.push('?');
    }
    said
}

/// The status, and the phase where that says more.
fn word(job: &Job) -> String {
    let status = serde_json::to_value(job.status);
    let status = status
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned));
    let finer = match job.phase {
        Phase::WaitingForLogin => Some("waiting for a login"),
        Phase::WaitingForRoom => Some("waiting for room"),
        Phase::Submitting => Some("submitting"),
        Phase::Unconfirmed => Some("unconfirmed"),
        Phase::Held => Some("held"),
        Phase::Starting => Some("starting"),
        Phase::Suspended => Some("suspended"),
        Phase::Finishing => Some("finishing"),
        Phase::Uploading | Phase::Staged | Phase::Queued | Phase::Running | Phase::Settled => None,
    };
    let status = status.unwrap_or_default();
    match finer {
        Some(finer) => format!("{status} ({finer})"),
        None => status,
    }
}

fn mark(status: Status) -> char {
    match status {
        Status::Created => '○',
        Status::Pending => '◔',
        Status::Running => '●',
        Status::Completed => '✓',
        Status::Failed => '✗',
        Status::Cancelled => '⊘',
        Status::Unknown => '?',
    }
}

/// Whether a submission may be asked for.
fn may_submit(job: &Job) -> bool {
    matches!(job.phase, Phase::Staged | Phase::Unconfirmed)
}

/// Seconds as Slurm writes a time: `1-02:03:04`, `2:03:04`, `3:04`.
pub(crate) fn clock(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        format!("{days}-{hours:02}:{minutes:02}:{seconds:02}")
    } else if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn lens(title: &str, verb: Verb, arguments: Value) -> CodeLens {
    let top = Position {
        line: 0,
        character: 0,
    };
    CodeLens {
        range: Range {
            start: top,
            end: top,
        },
        command: Some(Command {
            title: title.to_owned(),
            tooltip: None,
            command: verb.name().to_owned(),
            arguments: match arguments {
                Value::Array(arguments) => Some(arguments),
                _ => None,
            },
        }),
        data: None,
    }
}

#[cfg(test)]
mod tests;
