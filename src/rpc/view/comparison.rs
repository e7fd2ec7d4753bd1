//! Comparing: domain → wire. Pure.

use crate::engine::{Compared, Comparison, Discovered, Reconciled};
use crate::protocol as wire;
use crate::protocol::{ComparedKind, Time};

use super::clusters::source_status;

/// What `reconcile` gives.
pub fn reconciled(found: Reconciled) -> wire::ReconcileResult {
    wire::ReconcileResult {
        cluster: found.cluster,
        at: Time(found.at),
        dry_run: found.dry_run,
        jobs: found.jobs as u64,
        directories: found.directories as u64,
        more_directories: found.more_directories,
        foreign_jobs: found.foreign_jobs as u64,
        sources: wire::ComparedSources {
            directories: source_status(&found.listing),
            squeue: source_status(&found.squeue),
            sacct: source_status(&found.sacct),
            marker: source_status(&found.marker),
        },
        items: found.items.into_iter().map(item).collect(),
    }
}

/// What `discoverJobs` gives.
pub fn discovered(found: Discovered, jobs: Vec<wire::Job>) -> wire::DiscoverJobsResult {
    wire::DiscoverJobsResult {
        cluster: found.cluster,
        at: Time(found.at),
        jobs,
        items: found.items.into_iter().map(item).collect(),
        more_directories: found.more_directories,
    }
}

fn item(compared: Compared) -> wire::ComparedItem {
    wire::ComparedItem {
        kind: kind(compared.kind),
        job_id: compared.job_id.map(String::from),
        job_name: compared.name,
        slurm_job_id: compared.slurm_job_id,
        path: compared.path,
        found: compared.found,
        changed: compared.changed,
        why: compared.why,
    }
}

fn kind(kind: Comparison) -> ComparedKind {
    match kind {
        Comparison::StatusDiffers => ComparedKind::StatusDiffers,
        Comparison::DetailsDiffer => ComparedKind::DetailsDiffer,
        Comparison::JobMissing => ComparedKind::JobMissing,
        Comparison::AttemptWithoutRow => ComparedKind::AttemptWithoutRow,
        Comparison::DirectoryMissing => ComparedKind::DirectoryMissing,
        Comparison::DirectoryWithoutRow => ComparedKind::DirectoryWithoutRow,
        Comparison::DeletedHere => ComparedKind::DeletedHere,
        Comparison::UnfinishedUpload => ComparedKind::UnfinishedUpload,
        Comparison::SubmissionOpen => ComparedKind::SubmissionOpen,
        Comparison::CancellationAsked => ComparedKind::CancellationAsked,
        Comparison::DeletionAsked => ComparedKind::DeletionAsked,
        Comparison::JobWithoutRow => ComparedKind::JobWithoutRow,
        Comparison::ForeignJob => ComparedKind::ForeignJob,
    }
}
