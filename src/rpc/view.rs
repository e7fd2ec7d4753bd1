//! Domain → wire, and the little that comes the other way. Pure.

mod clusters;
mod comparison;
mod files;
mod insight;
mod members;

use jiff::Timestamp;

use crate::engine::{CreateJob, Created, Event, FileAction, Preview, UpdateJob};
use crate::job::origin::Origin;
use crate::job::state::Change;
use crate::job::{self, Cause, Job, JobState, Outcome};
use crate::namd;
use crate::protocol as wire;
use crate::protocol::Time;
use crate::scheduler::slurm::reasons::{self, Outlook};
use crate::scheduler::{Resources, Source};
use crate::store::{HistoryEntry, StoredChange};

pub use clusters::{check, cluster, sync_completed, synced};
pub use comparison::{discovered, reconciled};
pub use files::{downloaded, job_file};
pub use insight::{diagnosis, piece, progress};

/// What is known about the age of what is known of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// When its cluster last answered.
    pub observed: Option<Timestamp>,
    /// That is longer ago than it should be.
    pub stale: bool,
    /// Now.
    pub now: Timestamp,
}

/// A job.
pub fn job(job: &Job, sight: Sight) -> wire::Job {
    let attempt = job.attempt();
    let started = match &job.state {
        JobState::Running { started, .. } => Some(*started),
        JobState::Ended { .. } => attempt.and_then(|attempt| attempt.started),
        _ => None,
    };
    let until = job.ended().unwrap_or(sight.now);
    let outcome = match &job.state {
        JobState::Ended { outcome, .. } => Some(outcome),
        _ => None,
    };
    let waits = matches!(job.state, JobState::Pending { .. });
    let exit = attempt.and_then(|attempt| attempt.exit);
    wire::Job {
        job_id: job.id.to_string(),
        job_name: job.spec.name.clone(),
        cluster: job.spec.cluster.clone(),
        config_path: job.spec.config_path.clone(),
        config_sha256: job.spec.config_sha256.clone(),
        created_at: Time(job.created_at),
        updated_at: Time(job.updated_at),
        submitted_at: attempt.and_then(|attempt| attempt.submitted).map(Time),
        started_at: started.map(Time),
        completed_at: job.ended().map(Time),
        status: status(job.status()),
        phase: wire::Phase::parse(job.phase()).unwrap_or(wire::Phase::Unconfirmed),
        slurm_job_id: job.scheduler_id().map(ToString::to_string),
        slurm_state: attempt.and_then(|attempt| attempt.word.clone()),
        reason: attempt
            .filter(|_| waits)
            .and_then(|attempt| attempt.reason.as_deref())
            .map(wait_reason),
        exit_code: exit.map(|exit| exit.code),
        signal: exit.map(|exit| exit.signal).filter(|signal| *signal != 0),
        nodes: attempt.and_then(|attempt| attempt.nodes.clone()),
        partition: attempt.and_then(|attempt| attempt.partition.clone()),
        estimated_start: attempt
            .filter(|_| waits)
            .and_then(|attempt| attempt.estimated_start)
            .map(Time),
        time_used_seconds: started.map(|started| seconds(until.duration_since(started).as_secs())),
        time_limit_seconds: attempt
            .and_then(|attempt| attempt.time_limit)
            .or(job.spec.resources.walltime),
        max_rss_bytes: attempt.and_then(|attempt| attempt.max_rss),
        restarts: attempt.map_or(0, |attempt| attempt.restarts),
        labels: job.spec.labels.clone(),
        observed: wire::Observed {
            at: sight.observed.map(Time),
            source: job.seen.as_ref().map(|seen| source(seen.source)),
            age_seconds: sight
                .observed
                .map(|at| seconds(sight.now.duration_since(at).as_secs())),
            stale: sight.stale,
        },
        unconfirmed_since: job.absence.as_ref().map(|absence| Time(absence.since)),
        origin: origin(&job.origin),
        project_dir: job.spec.project_dir.to_string(),
        scratch_dir: job.spec.scratch_dir.to_string(),
        resources: resources(&job.spec.resources),
        launch: job.spec.launch.clone(),
        array: job.spec.array.as_ref().map(ToString::to_string),
        member_counts: job.member_counts().map(members::counts),
        members: None,
        components: attempt.and_then(members::components),
        attempt: attempt.map_or(0, |attempt| attempt.n),
        attempts: job.attempts.iter().map(an_attempt).collect(),
        cancel_requested_at: job.cancel_asked.map(Time),
        cause: outcome.and_then(cause),
        error_info: job.error.as_ref().map(|error| wire::ErrorInfo {
            kind: error.kind.clone(),
            message: error.message.clone(),
            hint: error.hint.clone(),
            at: Time(error.at),
        }),
        progress: None,
        diagnosis: None,
        results: wire::Results {
            state: wire::ResultsState::None,
            files: 0,
            bytes: 0,
            reason: None,
        },
    }
}

/// A job with the members of an array.
pub fn whole_job(whole: &Job, sight: Sight) -> wire::Job {
    wire::Job {
        members: members::all(whole),
        ..job(whole, sight)
    }
}

fn origin(origin: &Origin) -> Option<wire::Origin> {
    let (kind, at, script) = match origin {
        Origin::Created => return None,
        Origin::Discovered { at } => (wire::OriginKind::Discovered, at, None),
        Origin::Adopted { at, script, .. } => (wire::OriginKind::Adopted, at, script.clone()),
    };
    Some(wire::Origin {
        kind,
        at: Time(*at),
        script,
    })
}

/// Whether a job may be shown: one that is not whole yet is nobody's business.
pub fn is_shown(job: &Job) -> bool {
    !matches!(job.state, JobState::Uploading { .. })
}

fn an_attempt(attempt: &job::Attempt) -> wire::Attempt {
    wire::Attempt {
        n: attempt.n,
        asked_at: Time(attempt.asked),
        slurm_job_id: attempt.id.as_ref().map(ToString::to_string),
        submitted_at: attempt.submitted.map(Time),
        started_at: attempt.started.map(Time),
        ended_at: attempt.ended.map(Time),
        outcome: attempt
            .outcome
            .as_ref()
            .map(|outcome| status(outcome.status())),
        cause: attempt.outcome.as_ref().and_then(cause),
        member_counts: attempt.members.map(members::counts),
    }
}

fn cause(outcome: &Outcome) -> Option<wire::Cause> {
    use wire::CauseCode as Code;
    let (code, text) = match outcome {
        Outcome::Completed | Outcome::Unknown => return None,
        Outcome::Cancelled { by } => (Code::Cancelled, format!("It was cancelled by {by}.")),
        Outcome::Failed { cause: found } => match found {
            Cause::ExitCode { code, signal } => {
                let text = match (code, signal) {
                    (_, Some(signal)) => format!("The job script was ended by signal {signal}."),
                    (Some(code), None) => format!("The job script ended with exit code {code}."),
                    (None, None) => "The job script failed; its exit code is not known.".into(),
                };
                (Code::ExitCode, text)
            }
            Cause::MarkerDisagrees { code } => (
                Code::MarkerDisagrees,
                format!(
                    "Slurm says COMPLETED, but the job's own end marker holds exit code {code}."
                ),
            ),
            Cause::LogDisagrees { text } => (
                Code::LogDisagrees,
                format!("Slurm says COMPLETED, but NAMD's log holds a fatal error: {text}"),
            ),
            Cause::TimeLimit => (Code::TimeLimit, "It reached its wall-clock limit.".into()),
            Cause::OutOfMemory => (Code::OutOfMemory, "It ran out of memory.".into()),
            Cause::NodeFail => (Code::NodeFail, "A node failed.".into()),
            Cause::BootFail => (Code::BootFail, "Its nodes could not be booted.".into()),
            Cause::Deadline => (Code::Deadline, "Its deadline passed.".into()),
            Cause::Preempted => (
                Code::Preempted,
                "It was preempted and not put back into the queue.".into(),
            ),
            Cause::Revoked => (
                Code::Revoked,
                "It was revoked in favour of a sibling cluster.".into(),
            ),
            Cause::Vanished { detail } => (
                Code::Vanished,
                format!("Its processes are gone without a trace of their end: {detail}."),
            ),
            Cause::Members {
                failed,
                of,
                first,
                reason,
            } => {
                let why = cause(&Outcome::Failed {
                    cause: Cause::clone(reason),
                })?;
                let text = format!(
                    "{failed} of {of} members failed. Member {first}: {}",
                    why.text
                );
                (why.code, text)
            }
        },
    };
    Some(wire::Cause { code, text })
}

/// What a waiting job's word means. A word that is not known is shown as it is.
fn wait_reason(code: &str) -> wire::WaitReason {
    let explained = reasons::explain(code);
    wire::WaitReason {
        code: code.to_owned(),
        class: match explained.as_ref().map(|explained| explained.outlook) {
            Some(Outlook::WillStart) => wire::ReasonClass::WillStart,
            Some(Outlook::NeedsYou) => wire::ReasonClass::NeedsYou,
            Some(Outlook::Never) => wire::ReasonClass::Never,
            None => wire::ReasonClass::Unknown,
        },
        text: explained.map_or_else(|| code.to_owned(), |explained| explained.words.into_owned()),
    }
}

/// A status.
pub fn status(status: job::Status) -> wire::Status {
    match status {
        job::Status::Created => wire::Status::Created,
        job::Status::Pending => wire::Status::Pending,
        job::Status::Running => wire::Status::Running,
        job::Status::Completed => wire::Status::Completed,
        job::Status::Failed => wire::Status::Failed,
        job::Status::Cancelled => wire::Status::Cancelled,
        job::Status::Unknown => wire::Status::Unknown,
    }
}

/// A status that a caller filters by.
pub fn status_asked(status: wire::Status) -> job::Status {
    match status {
        wire::Status::Created => job::Status::Created,
        wire::Status::Pending => job::Status::Pending,
        wire::Status::Running => job::Status::Running,
        wire::Status::Completed => job::Status::Completed,
        wire::Status::Failed => job::Status::Failed,
        wire::Status::Cancelled => job::Status::Cancelled,
        wire::Status::Unknown => job::Status::Unknown,
    }
}

fn source(source: Source) -> wire::Source {
    match source {
        Source::Local => wire::Source::Local,
        Source::Squeue => wire::Source::Squeue,
        Source::Sacct => wire::Source::Sacct,
        Source::Marker => wire::Source::Marker,
        Source::Log => wire::Source::Log,
        Source::User => wire::Source::User,
        Source::Discovered => wire::Source::Discovered,
    }
}

fn resources(resources: &Resources) -> wire::Resources {
    let r = resources.clone();
    wire::Resources {
        nodes: r.nodes,
        ntasks: r.ntasks,
        cpus_per_task: r.cpus_per_task,
        memory: r.memory,
        walltime: r.walltime,
        partition: r.partition,
        qos: r.qos,
        account: r.account,
        gres: r.gres,
        constraint: r.constraint,
        extra: (!r.extra.is_empty()).then_some(r.extra),
    }
}

fn resources_asked(asked: wire::Resources) -> Resources {
    Resources {
        nodes: asked.nodes,
        ntasks: asked.ntasks,
        cpus_per_task: asked.cpus_per_task,
        memory: asked.memory,
        walltime: asked.walltime,
        partition: asked.partition,
        qos: asked.qos,
        account: asked.account,
        gres: asked.gres,
        constraint: asked.constraint,
        extra: asked.extra.unwrap_or_default(),
    }
}

/// What `createJob` asks the engine.
pub fn create_asked(params: wire::CreateJobParams) -> CreateJob {
    CreateJob {
        config_path: params.config_path.into(),
        cluster: params.cluster,
        name: params.name,
        resources: resources_asked(params.resources.unwrap_or_default()),
        launch: params.launch,
        inputs: params.inputs.unwrap_or_default(),
        array: params.array,
        labels: params.labels.unwrap_or_default(),
        idempotency_key: params.idempotency_key,
    }
}

/// What `updateJob` asks the engine.
pub fn update_asked(params: wire::UpdateJobParams) -> UpdateJob {
    UpdateJob {
        name: params.name,
        labels: params.labels,
        resources: params.resources.map(resources_asked),
        launch: params.launch,
    }
}

/// What `createJob` gives.
pub fn created(created: &Created, sight: Sight) -> wire::CreateJobResult {
    wire::CreateJobResult {
        job: job(&created.job, sight),
        findings: findings(&created.findings),
    }
}

/// What `previewJob` gives.
pub fn preview(preview: Preview) -> wire::PreviewJobResult {
    let findings = findings(&preview.findings);
    let files = preview.files.into_iter().map(|file| wire::PreviewFile {
        local: file.local,
        remote: file.remote,
        bytes: file.bytes,
        role: file.role,
        sha256: file.sha256,
        action: match file.action {
            FileAction::Upload => wire::FileAction::Upload,
            FileAction::Reuse => wire::FileAction::Reuse,
            FileAction::OnCluster => wire::FileAction::OnCluster,
        },
    });
    wire::PreviewJobResult {
        files: files.collect(),
        script: preview.script,
        rewritten: preview.rewritten,
        findings,
        total_bytes: preview.total_bytes,
    }
}

/// Findings in a NAMD config.
pub fn findings(findings: &[namd::Finding]) -> Vec<wire::Finding> {
    let one = |finding: &namd::Finding| wire::Finding {
        severity: match finding.severity {
            namd::Severity::Error => wire::Severity::Error,
            namd::Severity::Warning => wire::Severity::Warning,
            namd::Severity::Information => wire::Severity::Information,
        },
        code: finding.code.as_str().to_owned(),
        message: finding.message.clone(),
        file: finding.file.clone(),
        range: insight::range(finding.range),
    };
    findings.iter().map(one).collect()
}

/// A row of a job's history.
pub fn history_entry(entry: HistoryEntry) -> wire::HistoryEntry {
    wire::HistoryEntry {
        seq: entry.seq,
        at: Time(entry.at),
        from: entry.from.map(status),
        to: status(entry.to),
        phase: wire::Phase::parse(&entry.phase),
        source: source(entry.source),
        evidence: entry.evidence,
        attempt: entry.attempt,
        seconds_in_from: seconds(entry.seconds_in_from),
    }
}

/// A job's history: its entries, and how long it spent in each status until `now`.
pub fn history(entries: Vec<HistoryEntry>, job: &Job, now: Timestamp) -> wire::JobHistoryResult {
    let mut spent: Vec<(job::Status, i64)> = Vec::new();
    let mut add = |status: job::Status, seconds: i64| match spent
        .iter_mut()
        .find(|(known, _)| *known == status)
    {
        Some((_, sum)) => *sum += seconds.max(0),
        None => spent.push((status, seconds.max(0))),
    };
    for entry in &entries {
        // A row within a status tells how long it has lasted so far; the one that leaves it tells
        // all of it.
        if let Some(from) = entry.from.filter(|from| *from != entry.to) {
            add(from, entry.seconds_in_from);
        }
    }
    if !job.status().is_terminal() {
        add(job.status(), now.duration_since(job.status_since).as_secs());
    }
    wire::JobHistoryResult {
        durations: spent
            .into_iter()
            .map(|(of, spent)| wire::Duration {
                status: status(of),
                seconds: seconds(spent),
            })
            .collect(),
        entries: entries.into_iter().map(history_entry).collect(),
    }
}

/// A change as it was committed. Nothing for a job that may not be shown yet.
pub fn change(seq: u64, change: &Change, sight: Sight) -> Option<wire::JobStatusChanged> {
    is_shown(&change.job).then(|| wire::JobStatusChanged {
        seq,
        job_id: change.job.id.to_string(),
        job: job(&change.job, sight),
        from: change.from.map(status),
        to: status(change.to),
        phase: wire::Phase::parse(change.phase),
        at: Time(change.at),
        source: source(change.source),
        evidence: change.evidence.clone(),
        seconds_in_from: seconds(change.seconds_in_from),
    })
}

/// A change as the store kept it. Nothing for a job that may not be shown yet.
pub fn stored_change(
    change: StoredChange,
    sight: impl FnOnce(&Job) -> Sight,
) -> Option<wire::Change> {
    match change {
        StoredChange::Job { entry, job: now } => is_shown(&now).then(|| {
            let job = job(&now, sight(&now));
            let entry = history_entry(entry);
            wire::Change::Job(Box::new(wire::JobStatusChanged {
                seq: entry.seq,
                job_id: job.job_id.clone(),
                job,
                from: entry.from,
                to: entry.to,
                phase: entry.phase,
                at: entry.at,
                source: entry.source,
                evidence: entry.evidence,
                seconds_in_from: entry.seconds_in_from,
            }))
        }),
        StoredChange::Deleted { seq, job_id } => Some(wire::Change::Deleted(wire::JobDeleted {
            seq,
            job_id: job_id.to_string(),
        })),
    }
}

/// The number of a change that an event tells of.
pub fn seq_of(event: &Event) -> Option<u64> {
    match event {
        Event::Job { seq, .. } | Event::JobDeleted { seq, .. } => Some(*seq),
        Event::Progress { .. } | Event::Cluster(_) | Event::Synced(_) => None,
    }
}

/// Seconds on the wire are never negative: clocks that disagree give 0.
fn seconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0)
}

#[cfg(test)]
mod tests;
