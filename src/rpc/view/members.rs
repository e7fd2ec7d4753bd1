//! The members of an array and the components of a heterogeneous job, as the wire tells them. Pure.

use crate::job::components::Component;
use crate::job::members::{Member, MemberCounts, MemberState};
use crate::job::{Attempt, Job, JobState};
use crate::protocol as wire;
use crate::protocol::Time;
use crate::scheduler::{IdPart, SchedulerId};

/// How many have which status.
pub(super) fn counts(counts: MemberCounts) -> wire::MemberCounts {
    wire::MemberCounts {
        total: counts.total,
        pending: counts.pending,
        running: counts.running,
        completed: counts.completed,
        failed: counts.failed,
        cancelled: counts.cancelled,
        unknown: counts.unknown,
    }
}

/// All of them; none if the job is no array.
pub(super) fn all(job: &Job) -> Option<Vec<wire::Member>> {
    let array = job.spec.array.as_ref()?;
    let submitted = job.attempt().and_then(|attempt| attempt.members).is_some();
    let id = job.scheduler_id().filter(|_| submitted);
    let waiting = Member::waiting();
    let members = array.members().iter().map(|number| {
        let member = job.members.0.get(&number).unwrap_or(&waiting);
        let mut told = one(number, member, id);
        if !submitted {
            told.status = wire::Status::Created;
        } else if told.slurm_state.is_none()
            && matches!(
                job.state,
                JobState::Pending { .. } | JobState::Running { .. }
            )
        {
            told.slurm_state = Some("PENDING".to_owned());
        }
        told
    });
    Some(members.collect())
}

/// The components of an attempt of a heterogeneous job; none if it is no such job.
pub(super) fn components(attempt: &Attempt) -> Option<Vec<wire::Component>> {
    let one = |one: &Component| wire::Component {
        id: one.number,
        status: super::status(one.status),
        slurm_job_id: attempt.id.as_ref().map(|whole| {
            let part = IdPart::Component(one.number);
            SchedulerId {
                part,
                ..whole.clone()
            }
            .to_string()
        }),
        slurm_state: one.word.clone(),
        exit_code: one.exit.map(|exit| exit.code),
        signal: one
            .exit
            .map(|exit| exit.signal)
            .filter(|signal| *signal != 0),
        started_at: one.started.map(Time),
        completed_at: one.ended.map(Time),
        nodes: one.nodes.clone(),
        partition: one.partition.clone(),
        max_rss_bytes: one.max_rss,
    };
    let all = attempt.components.iter().map(one).collect::<Vec<_>>();
    (!all.is_empty()).then_some(all)
}

fn one(number: u32, member: &Member, array: Option<&SchedulerId>) -> wire::Member {
    let (ended, cause) = match &member.state {
        MemberState::Ended { outcome, ended } => (Some(*ended), super::cause(outcome)),
        _ => (None, None),
    };
    let waits = matches!(member.state, MemberState::Pending { .. });
    let id = array.map(|array| {
        let part = IdPart::Member(number);
        SchedulerId {
            part,
            ..array.clone()
        }
        .to_string()
    });
    wire::Member {
        id: number,
        status: super::status(member.status()),
        slurm_job_id: id,
        slurm_state: member.word.clone(),
        reason: member
            .reason
            .as_deref()
            .filter(|_| waits)
            .map(super::wait_reason),
        exit_code: member.exit.map(|exit| exit.code),
        signal: member
            .exit
            .map(|exit| exit.signal)
            .filter(|signal| *signal != 0),
        started_at: member.started.filter(|_| !waits).map(Time),
        completed_at: ended.map(Time),
        nodes: member.nodes.clone(),
        max_rss_bytes: member.max_rss,
        restarts: (member.restarts > 0).then_some(member.restarts),
        unconfirmed_since: member.absence.as_ref().map(|absence| Time(absence.since)),
        cancel_requested_at: member.cancel_asked.map(Time),
        cause,
    }
}
