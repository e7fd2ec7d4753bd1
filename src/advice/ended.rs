//! Jobs that have ended.

use super::remedy::{more_memory, more_time, restart, was_near_its_memory};
use super::{Advice, Cause, Diagnosis, Evidence, Witness, Witnesses, fatal, output};
use crate::job::Cause as Said;
use crate::scheduler::Exit;

use Cause as C;

/// Less than this is no room for another restart file.
const NO_ROOM: u64 = 1 << 20;
/// Exit codes of the job script itself: its directory is gone; it is a second copy.
const NO_DIRECTORY: i32 = 73;
const SECOND_COPY: i32 = 75;
/// What Slurm notes when it cannot open a job's output file or enter its directory (0:53).
const CANNOT_OPEN: i32 = 53;

/// The batch system's words for the newest attempt.
fn slurm(witnesses: &Witnesses<'_>) -> Evidence {
    let Some(attempt) = witnesses.job.attempt() else {
        return Evidence::of_slurm("never submitted");
    };
    let mut text = match &attempt.id {
        Some(id) => format!("job {id}"),
        None => "the job".to_owned(),
    };
    let mut more = |words: String| {
        text.push_str(", ");
        text.push_str(&words);
    };
    if let Some(word) = &attempt.word {
        more(word.clone());
    }
    if let Some(exit) = attempt.exit {
        more(format!("exit code {}, signal {}", exit.code, exit.signal));
    }
    if let Some(reason) = attempt.reason.as_ref().filter(|reason| *reason != "None") {
        more(format!("reason {reason}"));
    }
    if let Some(nodes) = &attempt.nodes {
        more(format!("on {nodes}"));
    }
    Evidence::of_slurm(text)
}

/// COMPLETED. Only a NAMD log that breaks off is worth a word.
pub(super) fn completed(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    let log = witnesses
        .log
        .filter(|log| log.is_namd() && !log.succeeded())?;
    let last = log.step.map_or(String::new(), |step| {
        format!("the last step it shows is {step}")
    });
    Some(Diagnosis::new(C::EndNotSeen, &last).shown_by([
        slurm(witnesses),
        Evidence::of_log(witnesses, "no WallClock line at its end", log.lines),
    ]))
}

/// CANCELLED, by whom.
pub(super) fn cancelled(witnesses: &Witnesses<'_>, by: &str) -> Diagnosis {
    let cause = match by {
        "you" => C::CancelledByYou,
        "the system" | "user 0" => C::CancelledBySystem,
        _ => C::CancelledByOther,
    };
    let detail = if cause == C::CancelledByOther { by } else { "" };
    let mut diagnosis = Diagnosis::new(cause, detail).shown_by([slurm(witnesses)]);
    let go_on = restart(witnesses);
    if cause == C::CancelledByYou && !go_on.is_empty() {
        diagnosis.advice.push(Advice {
            code: "submitAgain",
            text: format!("Submitting it again begins anew.{go_on}"),
            safe_to_repeat: true,
            edit: None,
        });
    }
    // Why it was cancelled may stand in the log.
    if let Some(fatal) = fatal::judge(witnesses) {
        diagnosis = diagnosis.shown_by(fatal.evidence);
    }
    diagnosis
}

/// FAILED.
pub(super) fn failed(witnesses: &Witnesses<'_>, said: &Said) -> Diagnosis {
    let slurm = slurm(witnesses);
    let of_slurm = match said {
        // The witnesses are those of the first member that failed.
        Said::Members { reason, .. } => return failed(witnesses, reason),
        Said::TimeLimit => Some(C::TimeLimit),
        Said::OutOfMemory => Some(C::OutOfMemory),
        Said::NodeFail => Some(C::NodeFailure),
        Said::BootFail => Some(C::BootFailure),
        Said::Deadline => Some(C::Deadline),
        Said::Preempted => Some(C::Preempted),
        Said::Revoked => Some(C::Revoked),
        Said::ExitCode { .. }
        | Said::MarkerDisagrees { .. }
        | Said::LogDisagrees { .. }
        | Said::Vanished { .. } => None,
    };
    // What NAMD says of itself comes first: behind a fatal error it can hang until its limit.
    if let Some(mut diagnosis) = fatal::judge(witnesses) {
        if diagnosis.cause == C::ColvarsError && of_slurm == Some(C::TimeLimit) {
            let detail = diagnosis
                .summary
                .split_once(": ")
                .map_or("", |(_, rest)| rest);
            diagnosis.summary = C::ColvarsHang.summary(detail);
            diagnosis.cause = C::ColvarsHang;
        }
        go_on_from(witnesses, &mut diagnosis);
        return diagnosis.shown_by([slurm]);
    }
    match of_slurm {
        Some(C::TimeLimit) => return time_limit(witnesses, slurm),
        Some(C::OutOfMemory) => return out_of_memory(witnesses, slurm),
        Some(cause) => {
            let mut diagnosis = Diagnosis::new(cause, "").shown_by([slurm]);
            go_on_from(witnesses, &mut diagnosis);
            return diagnosis;
        }
        None => {}
    }
    if let Some(diagnosis) = output::judge(witnesses) {
        return match diagnosis.cause {
            C::TimeLimit => time_limit(witnesses, slurm).shown_by(diagnosis.evidence),
            C::OutOfMemory => out_of_memory(witnesses, slurm).shown_by(diagnosis.evidence),
            _ => diagnosis.shown_by([slurm]),
        };
    }
    let exit = witnesses.job.attempt().and_then(|attempt| attempt.exit);
    by_exit(witnesses, said, exit, slurm)
}

/// Nothing has said why: the exit code, the disk and the memory are all there is.
fn by_exit(
    witnesses: &Witnesses<'_>,
    said: &Said,
    exit: Option<Exit>,
    slurm: Evidence,
) -> Diagnosis {
    let (code, signal) = match (said, exit) {
        (Said::MarkerDisagrees { code }, _) => (*code, 0),
        (_, Some(exit)) => (exit.code, exit.signal),
        (Said::ExitCode { code, signal }, None) => (code.unwrap_or(0), signal.unwrap_or(0)),
        _ => (0, 0),
    };
    // A shell's word for a program that a signal ended.
    let signal = if signal == 0 && (129..=192).contains(&code) {
        code - 128
    } else {
        signal
    };
    let full = witnesses.disk.free_bytes.filter(|free| *free < NO_ROOM);
    let log = witnesses.log;
    let by_signal = format!("by signal {signal}");
    let (cause, detail) = match (code, signal) {
        _ if matches!(said, Said::Vanished { .. }) => match said {
            Said::Vanished { detail } => (C::Vanished, detail.clone()),
            _ => (C::Vanished, String::new()),
        },
        _ if full.is_some() => (C::DiskFull, String::new()),
        (_, 9) if was_near_its_memory(witnesses.job) => return out_of_memory(witnesses, slurm),
        (_, 4) => (C::NotExecutable, "signal 4, illegal instruction".to_owned()),
        (_, 6 | 7 | 8 | 11) => (C::Crashed, by_signal),
        (_, CANNOT_OPEN) => (
            C::FileSystemError,
            "Slurm could not open the job's output or enter its directory (0:53)".to_owned(),
        ),
        (NO_DIRECTORY, 0) => (
            C::FileSystemError,
            "the job's working directory could not be entered".to_owned(),
        ),
        (SECOND_COPY, 0) => (C::SecondCopy, String::new()),
        (126, 0) => (C::NotExecutable, "exit code 126".to_owned()),
        (127, 0) => (C::ProgramNotFound, "exit code 127".to_owned()),
        (_, 1..) => (C::Killed, by_signal),
        _ => (C::Unknown, String::new()),
    };
    let mut diagnosis = Diagnosis::new(cause, &detail).shown_by([slurm]);
    if let Said::MarkerDisagrees { code } = said {
        diagnosis = diagnosis.shown_by([Evidence {
            source: Witness::Marker,
            ..Evidence::observed(format!("the job script ended with exit code {code}"))
        }]);
    }
    if let Some(free) = full {
        diagnosis = diagnosis.shown_by([Evidence {
            source: Witness::Disk,
            ..Evidence::observed(format!("{free} bytes are free where it ran"))
        }]);
    }
    if witnesses.disk.work_dir == Some(false) {
        diagnosis = diagnosis.shown_by([Evidence {
            source: Witness::Disk,
            ..Evidence::observed("its working directory is gone")
        }]);
    }
    match log {
        Some(log) if log.is_namd() => {
            let text = match (&log.end, log.step) {
                (Some(_), _) => "NAMD's log shows that it ended well".to_owned(),
                (None, Some(step)) => {
                    format!("NAMD's log breaks off; the last step it shows is {step}")
                }
                (None, None) => "NAMD's log breaks off before the first step".to_owned(),
            };
            diagnosis = diagnosis.shown_by([Evidence::of_log(witnesses, text, log.lines)]);
            let strange = log.not_a_number.iter();
            let errors = log.errors.first.iter().take(4).chain(strange);
            let errors: Vec<Evidence> = errors
                .map(|line| Evidence::of_log(witnesses, line.text.clone(), line.number))
                .collect();
            diagnosis = diagnosis.shown_by(errors);
        }
        Some(log) if log.lines > 0 => {
            let text = format!("the log's {} lines are not NAMD's", log.lines);
            diagnosis = diagnosis.shown_by([Evidence::of_log(witnesses, text, 0)]);
        }
        _ => {
            let text = "NAMD's log is empty or was never there";
            diagnosis = diagnosis.shown_by([Evidence::of_log(witnesses, text, 0)]);
        }
    }
    go_on_from(witnesses, &mut diagnosis);
    diagnosis
}

/// The cluster lost it.
pub(super) fn unknown(witnesses: &Witnesses<'_>) -> Diagnosis {
    if let Some(diagnosis) = fatal::judge(witnesses) {
        return diagnosis.shown_by([slurm(witnesses)]);
    }
    let ended_well = witnesses.log.is_some_and(crate::namd::LogReport::succeeded);
    let detail = if ended_well {
        "Slurm no longer knows the job; NAMD's log shows that it ended well"
    } else {
        "Slurm no longer knows the job, and it left no word of its end"
    };
    let mut diagnosis = Diagnosis::new(C::Unknown, detail).shown_by([slurm(witnesses)]);
    if let Some(end) = witnesses.log.and_then(|log| log.end.as_ref()) {
        diagnosis = diagnosis.shown_by([Evidence::of_log(witnesses, "WallClock", end.line)]);
    }
    diagnosis.shown_by(output::shown(witnesses))
}

fn time_limit(witnesses: &Witnesses<'_>, slurm: Evidence) -> Diagnosis {
    let (needs, advice) = more_time(witnesses);
    let mut diagnosis = Diagnosis::new(C::TimeLimit, &needs.unwrap_or_default()).shown_by([slurm]);
    diagnosis.advice.insert(0, advice);
    if let Some(log) = witnesses.log
        && let Some(step) = log.step
    {
        let text = format!("the last step it shows is {step}");
        diagnosis = diagnosis.shown_by([Evidence::of_log(witnesses, text, log.lines)]);
    }
    diagnosis
}

fn out_of_memory(witnesses: &Witnesses<'_>, slurm: Evidence) -> Diagnosis {
    let (said, advice) = more_memory(witnesses);
    let mut diagnosis = Diagnosis::new(C::OutOfMemory, &said)
        .shown_by([slurm])
        .shown_by(output::shown(witnesses));
    diagnosis.advice.insert(0, advice);
    diagnosis
}

/// Names the restart files, if there are any to go on from.
fn go_on_from(witnesses: &Witnesses<'_>, diagnosis: &mut Diagnosis) {
    let go_on = restart(witnesses);
    if !go_on.is_empty() {
        diagnosis.advice.push(Advice {
            code: "continue",
            text: format!("What has been done need not be lost.{go_on}"),
            safe_to_repeat: false,
            edit: None,
        });
    }
}
