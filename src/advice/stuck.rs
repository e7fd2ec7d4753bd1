//! Jobs that do not get on: that wait for ever, run without a word, or do not come to their end.

use super::remedy::{in_words, more_time};
use super::{Advice, Cause, Diagnosis, Evidence, Witnesses, fatal};
use crate::job::JobState;
use crate::scheduler::RunPhase;
use crate::scheduler::slurm::reasons::{self, Outlook};

use Cause as C;

/// From here on waiting is worth a word.
const LONG_WAIT: u64 = 24 * 3600;
/// NAMD writes its log about once a minute (Controller.C); a start may take some minutes.
const SILENCE: u64 = 15 * 60;
/// So many times the usual distance of two outputs is silence, too.
const OUTPUTS: f64 = 5.0;
/// A process that has printed its fatal error is gone within this time.
const LAST_WORDS: u64 = 120;
/// COMPLETING takes seconds to minutes.
const LONG_END: u64 = 3600;

fn since(witnesses: &Witnesses<'_>, then: jiff::Timestamp) -> u64 {
    u64::try_from(witnesses.now.duration_since(then).as_secs()).unwrap_or(0)
}

/// A job in the queue.
pub(super) fn pending(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    let JobState::Pending {
        submitted, held, ..
    } = witnesses.job.state.clone()
    else {
        return None;
    };
    let attempt = witnesses.job.attempt()?;
    let reason = attempt.reason.as_deref();
    let explained = reason.and_then(reasons::explain);
    let words = explained.as_ref().map(|explained| explained.words.as_ref());
    let shown = reason.map(|reason| Evidence::of_slurm(format!("PENDING, reason {reason}")));
    let cause = match explained.as_ref().map(|explained| explained.outlook) {
        Some(Outlook::Never) => C::NeverStarts,
        Some(Outlook::NeedsYou) => C::NeedsRelease,
        _ if held => C::NeedsRelease,
        _ => {
            let waited = since(witnesses, submitted);
            if waited < LONG_WAIT {
                return None;
            }
            let mut detail = format!("for {}", in_words(waited));
            if let Some(words) = words {
                detail.push_str(": ");
                detail.push_str(words);
            }
            return Some(Diagnosis::new(C::PendingLong, &detail).shown_by(shown));
        }
    };
    let detail = words.or(reason).unwrap_or("it is held");
    Some(Diagnosis::new(cause, detail).shown_by(shown))
}

/// A job on its nodes.
pub(super) fn running(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    let JobState::Running { started, run, .. } = witnesses.job.state.clone() else {
        return None;
    };
    let quiet = since(witnesses, witnesses.grew.unwrap_or(started).max(started));
    match run {
        RunPhase::Starting | RunPhase::Suspended => return None,
        RunPhase::Finishing => {
            let ending = since(witnesses, witnesses.job.updated_at);
            return (ending >= LONG_END).then(|| {
                let detail = format!("for {}", in_words(ending));
                Diagnosis::new(C::CompletingLong, &detail)
                    .shown_by([Evidence::of_slurm("COMPLETING")])
            });
        }
        RunPhase::Running => {}
    }
    if let Some(mut diagnosis) = fatal::judge(witnesses)
        && quiet >= LAST_WORDS
    {
        let cause = match diagnosis.cause {
            C::ColvarsError => C::ColvarsHang,
            _ => C::HungAfterError,
        };
        let detail = diagnosis.summary.clone();
        let detail = match cause {
            C::ColvarsHang => detail
                .split_once(": ")
                .map_or(detail.as_str(), |(_, rest)| rest),
            _ => detail.as_str(),
        };
        diagnosis.summary = cause.summary(detail);
        diagnosis.cause = cause;
        let cancel = Advice {
            code: "cancel",
            text: "Cancel it: it burns its time for nothing.".to_owned(),
            safe_to_repeat: false,
            edit: None,
        };
        diagnosis.advice.insert(0, cancel);
        let text = format!("its log has not grown for {}", in_words(quiet));
        return Some(diagnosis.shown_by([Evidence::observed(text)]));
    }
    if quiet >= silence(witnesses) && witnesses.log.is_none_or(|log| !log.succeeded()) {
        let detail = format!("for {}", in_words(quiet));
        let last = witnesses.log.filter(|log| log.lines > 0);
        let text = match last.and_then(|log| log.step) {
            Some(step) => format!("the last step it shows is {step}"),
            None if last.is_some() => "it shows no step".to_owned(),
            None => "there is no log, or nothing in it".to_owned(),
        };
        let line = last.map_or(0, |log| log.lines);
        return Some(
            Diagnosis::new(C::LogSilent, &detail)
                .shown_by([Evidence::of_log(witnesses, text, line)]),
        );
    }
    will_not_finish(witnesses)
}

/// How long a healthy run may be silent, in seconds.
fn silence(witnesses: &Witnesses<'_>) -> u64 {
    let between = witnesses.log.and_then(|log| {
        let rate = log.progress(&witnesses.plan)?.seconds_per_step?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let steps = log.output_steps? as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate; the cast saturates"
        )]
        let seconds = (steps * rate * OUTPUTS) as u64;
        Some(seconds)
    });
    between.unwrap_or(0).max(SILENCE)
}

fn will_not_finish(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    let (needs, advice) = more_time(witnesses);
    let needs = needs?;
    let log = witnesses.log?;
    let progress = log.progress(&witnesses.plan)?;
    let text = format!(
        "step {} of {}, {} to go",
        progress.steps_done,
        progress.total_steps?,
        in_words(progress.eta_seconds?)
    );
    let mut diagnosis = Diagnosis::new(C::WillNotFinish, &needs)
        .shown_by([Evidence::of_log(witnesses, text, log.lines)]);
    diagnosis.advice = vec![
        Advice {
            code: "letRun",
            text: "Let it run on if its restart files are of use: it can be continued from the last of them.".to_owned(),
            safe_to_repeat: false,
            edit: None,
        },
        advice,
    ];
    Some(diagnosis)
}
