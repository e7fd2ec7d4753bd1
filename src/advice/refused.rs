//! What sbatch says when it does not take a job. (The messages: `slurm_strerror` in Slurm's
//! `slurm_errno.c`, as sbatch prints them.)

use super::{Cause, Diagnosis, Evidence, Witnesses};
use crate::error::ErrorKind;

use Cause as C;

/// Words in lower case and what they mean; the first that fits counts.
const MEANINGS: &[(&str, Cause)] = &[
    ("invalid partition", C::PartitionRefused),
    ("partition not available", C::PartitionRefused),
    ("required partition not available", C::PartitionRefused),
    ("not permitted to use this partition", C::PartitionRefused),
    ("user's group not permitted", C::PartitionRefused),
    ("requested time limit is invalid", C::LimitExceeded),
    (
        "requested partition configuration not available",
        C::LimitExceeded,
    ),
    ("violates accounting/qos policy", C::LimitExceeded),
    ("more processors requested than permitted", C::LimitExceeded),
    ("node count specification invalid", C::LimitExceeded),
    ("time limit exceeds", C::LimitExceeded),
    ("invalid account", C::AccountRefused),
    ("invalid qos", C::QosRefused),
    ("license", C::LicenceRefused),
    ("licence", C::LicenceRefused),
    ("memory specification can not be satisfied", C::NoSuchNodes),
    (
        "requested node configuration is not available",
        C::NoSuchNodes,
    ),
    ("invalid generic resource", C::NoSuchNodes),
    ("invalid feature", C::NoSuchNodes),
    ("cpu count per node can not be satisfied", C::NoSuchNodes),
    ("no space left", C::DiskFull),
    ("quota", C::QuotaExceeded),
];

/// What a refused submission means. None while nothing was refused.
pub(super) fn judge(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    let error = witnesses.job.error.as_ref()?;
    let refused =
        error.kind == ErrorKind::SlurmRejected.name() || error.kind == ErrorKind::Quota.name();
    if !refused {
        return None;
    }
    let lower = error.message.to_lowercase();
    let cause = MEANINGS
        .iter()
        .find(|(words, _)| lower.contains(words))
        .map_or(C::SubmitRefused, |(_, cause)| *cause);
    Some(
        Diagnosis::new(cause, &error.message).shown_by([Evidence::of_slurm(error.message.clone())]),
    )
}
