//! Advice in figures: how much more time or memory, and from where to go on.

use jiff::Timestamp;

use super::{Advice, Edit, Witnesses};
use crate::job::{Job, JobState};
use crate::namd::Progress;

/// What is added to an estimate: start-up, slower nodes.
const MARGIN_PERCENT: u64 = 15;

/// `3 h 10 min`, `45 min`, `20 s`, `2 d 3 h`.
pub fn in_words(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, ..) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A time limit as Slurm writes it: `06:00:00`, `1-12:00:00`.
pub fn clock(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let rest = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if days == 0 {
        rest
    } else {
        format!("{days}-{rest}")
    }
}

/// How a running job's predicted end lies to its time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// Seconds it needs beyond its limit; 0 if it finishes before.
    pub short_by: u64,
    /// Seconds that a new run from the start would need in all.
    pub total: u64,
}

/// What a job's progress, observed at `at`, says of its end. None where time or steps are unknown.
pub fn prediction(job: &Job, progress: &Progress, at: Timestamp) -> Option<Prediction> {
    let attempt = job.attempt()?;
    let limit = attempt.time_limit.or(job.spec.resources.walltime)?;
    let started = match &job.state {
        JobState::Running { started, .. } => *started,
        _ => attempt.started?,
    };
    let until = job.ended().unwrap_or(at);
    let elapsed = u64::try_from(until.duration_since(started).as_secs()).unwrap_or(0);
    let total = elapsed.saturating_add(progress.eta_seconds?);
    Some(Prediction {
        short_by: total.saturating_sub(limit),
        total,
    })
}

/// An estimate, with its margin, rounded up to what a person would write.
fn request(total: u64) -> u64 {
    let wanted = total.saturating_mul(100 + MARGIN_PERCENT) / 100;
    let grain = match wanted {
        0..=7_200 => 600,
        7_201..=43_200 => 1_800,
        _ => 3_600,
    };
    wanted.div_ceil(grain).saturating_mul(grain)
}

/// The sentence about restart files: empty if none are known.
pub(super) fn restart(witnesses: &Witnesses<'_>) -> String {
    let Some(set) = witnesses.log.map(|log| &log.restart) else {
        return String::new();
    };
    match (set.step, &set.name) {
        (Some(step), Some(name)) => {
            format!(" Last complete restart set: step {step} ({name}.coor, .vel, .xsc).")
        }
        (Some(step), None) => format!(" Last complete restart set: step {step}."),
        (None, _) => String::new(),
    }
}

/// How long a run that reached its limit needed still.
pub(super) fn more_time(witnesses: &Witnesses<'_>) -> (Option<String>, Advice) {
    let at = witnesses.grew.unwrap_or(witnesses.now);
    let progress = witnesses.log.and_then(|log| log.progress(&witnesses.plan));
    let needs = progress
        .as_ref()
        .and_then(|progress| prediction(witnesses.job, progress, at));
    let go_on = restart(witnesses);
    match needs.filter(|needs| needs.short_by > 0) {
        Some(needs) => {
            let walltime = request(needs.total);
            let short = in_words(needs.short_by);
            let advice = Advice {
                code: "requestTime",
                text: format!(
                    "It needs about {short} more: request {} and submit again (it begins anew), or continue from its restart files.{go_on}",
                    clock(walltime)
                ),
                safe_to_repeat: true,
                edit: Some(Edit::Walltime(walltime)),
            };
            (Some(format!("it needs about {short} more")), advice)
        }
        None => (
            None,
            Advice {
                code: "requestTime",
                text: format!(
                    "Request more time and submit again (it begins anew), or continue from its restart files.{go_on}"
                ),
                safe_to_repeat: false,
                edit: None,
            },
        ),
    }
}

/// Bytes in a memory size as Slurm writes it (`4G`, `512M`; a plain number is megabytes).
fn bytes(memory: &str) -> Option<u64> {
    let digits: String = memory.chars().take_while(char::is_ascii_digit).collect();
    let factor = match memory.get(digits.len()..)?.to_ascii_uppercase().as_str() {
        "K" | "KB" => 1 << 10,
        "" | "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        "T" | "TB" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// What it used and asked for, in words, and how much more to ask for.
pub(super) fn more_memory(witnesses: &Witnesses<'_>) -> (String, Advice) {
    let job = witnesses.job;
    let asked = job.spec.resources.memory.as_deref();
    let used = job.attempt().and_then(|attempt| attempt.max_rss);
    let mega = |bytes: u64| bytes.div_ceil(1 << 20);
    let mut said = Vec::new();
    if let Some(used) = used {
        said.push(format!("its largest process used {} MB", mega(used)));
    }
    if let Some(asked) = asked {
        said.push(format!("{asked} per node were asked for"));
    }
    // Half as much again as the larger of the two; one process is not the whole node.
    let base = asked.and_then(bytes).max(used);
    let edit = base.map(|base| format!("{}M", mega(base.saturating_mul(3) / 2)));
    let wish = edit.as_ref().map_or_else(
        || "more memory".to_owned(),
        |memory| format!("more memory, {memory} for instance,"),
    );
    let advice = Advice {
        code: "requestMemory",
        text: format!(
            "Request {wish} and submit again, or spread it over more nodes. Fewer processes on a node need less, too.{}",
            restart(witnesses)
        ),
        safe_to_repeat: edit.is_some(),
        edit: edit.map(Edit::Memory),
    };
    (said.join("; "), advice)
}

/// Whether it used nearly all the memory it had asked for.
pub(super) fn was_near_its_memory(job: &Job) -> bool {
    let asked = job.spec.resources.memory.as_deref().and_then(bytes);
    let used = job.attempt().and_then(|attempt| attempt.max_rss);
    matches!((asked, used), (Some(asked), Some(used)) if used >= asked / 10 * 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_and_slurm_write_them() {
        assert_eq!(in_words(11_400), "3 h 10 min");
        assert_eq!(in_words(59), "59 s");
        assert_eq!(in_words(90_000 + 86_400), "2 d 1 h");
        assert_eq!(clock(21_600), "06:00:00");
        assert_eq!(clock(129_600), "1-12:00:00");
        assert_eq!(request(18_000), 21_600);
        assert_eq!(request(1), 600);
        assert_eq!(bytes("4G"), Some(4 << 30));
        assert_eq!(bytes("512"), Some(512 << 20));
        assert_eq!(bytes("4X"), None);
    }
}
