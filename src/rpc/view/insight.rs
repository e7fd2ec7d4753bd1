//! How far a job is and what is wrong with it, for the wire. Pure.

use crate::advice::{self, Edit};
use crate::engine::{Insight, Piece, ResultsSeen, ResultsStep};
use crate::namd;
use crate::protocol as wire;
use crate::protocol::Time;

/// How far a job is.
pub fn progress(insight: &Insight) -> Option<wire::JobProgress> {
    let known = insight.progress.as_ref()?;
    let finite = |number: f64| Some(number).filter(|number| number.is_finite());
    let short_by = insight.prediction.map(|prediction| prediction.short_by);
    Some(wire::JobProgress {
        segment: known.segment,
        segments: known.segments,
        minimizing: known.minimizing,
        step: known.step,
        steps_done: known.steps_done,
        total_steps: known.total_steps,
        ns_done: finite(known.ns_done).unwrap_or(0.0),
        ns_per_day: known.ns_per_day.and_then(finite),
        eta_seconds: known.eta_seconds,
        finishes_before_limit: short_by.map(|short_by| short_by == 0),
        short_by_seconds: short_by.filter(|short_by| *short_by > 0),
        temperature: known.temperature.and_then(finite),
        energies: known
            .energies
            .iter()
            .filter_map(|energy| Some((energy.name.clone(), finite(energy.value?)?)))
            .collect(),
        warnings: known.warnings,
        restart_step: known.restart_step,
        at: insight.at.map(Time),
    })
}

/// What is wrong with a job.
pub fn diagnosis(insight: &Insight) -> Option<wire::Diagnosis> {
    let known = insight.diagnosis.as_ref()?;
    Some(wire::Diagnosis {
        cause: known.cause.word().to_owned(),
        summary: known.summary.clone(),
        evidence: known
            .evidence
            .iter()
            .map(|piece| wire::Evidence {
                source: piece.source.name().to_owned(),
                text: piece.text.clone(),
                file: piece.file.clone(),
                line: piece.line,
            })
            .collect(),
        advice: known.advice.iter().map(one_advice).collect(),
        range: known.range.map(range),
    })
}

fn one_advice(known: &advice::Advice) -> wire::Advice {
    wire::Advice {
        code: known.code.to_owned(),
        text: known.text.clone(),
        safe_to_repeat: known.safe_to_repeat,
        edit: known.edit.as_ref().map(|edit| match edit {
            Edit::Walltime(seconds) => wire::Edit {
                walltime: Some(*seconds),
                ..wire::Edit::default()
            },
            Edit::Memory(memory) => wire::Edit {
                memory: Some(memory.clone()),
                ..wire::Edit::default()
            },
        }),
    }
}

/// Where a job's results are.
pub fn results(seen: ResultsSeen) -> wire::Results {
    wire::Results {
        state: match seen.state {
            ResultsStep::Waiting | ResultsStep::Nothing => wire::ResultsState::None,
            ResultsStep::Copying => wire::ResultsState::Copying,
            ResultsStep::Copied => wire::ResultsState::Copied,
            ResultsStep::Paused => wire::ResultsState::Paused,
        },
        files: seen.files,
        bytes: seen.bytes,
        reason: seen.reason,
    }
}

/// A range in a file.
pub(super) fn range(range: namd::Range) -> wire::Range {
    let position = |at: namd::Position| wire::Position {
        line: at.line,
        character: at.character,
    };
    wire::Range {
        start: position(range.start),
        end: position(range.end),
    }
}

/// A piece of a log.
pub fn piece(piece: Piece) -> wire::JobLogResult {
    wire::JobLogResult {
        text: piece.text,
        path: piece.path,
        from: piece.from,
        offset: piece.next,
        size: piece.size,
        eof: piece.next >= piece.size,
    }
}
