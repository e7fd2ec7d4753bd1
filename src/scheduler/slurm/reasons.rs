//! Why a job waits, in words a person can use.
//!
//! The names are those of `src/common/job_state_reason.c` (older: `job_reason_string` in
//! `slurm_protocol_defs.c`), their meanings those of squeue(1), JOB REASON CODES, and of
//! <https://slurm.schedmd.com/resource_limits.html>. What holds blanks is slurmctld's own free text.

use std::borrow::Cow;

/// What a waiting job needs to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing: it starts by itself.
    WillStart,
    /// A person: its owner, or whoever runs the cluster.
    NeedsYou,
    /// It cannot start as it is: cancel it, change it, submit it again.
    Never,
}

impl Outlook {
    /// The wire's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::WillStart => "willStart",
            Self::NeedsYou => "needsYou",
            Self::Never => "never",
        }
    }
}

/// A reason, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What it needs to start.
    pub outlook: Outlook,
    /// What it means and what to do, as full sentences.
    pub words: Cow<'static, str>,
}

use Outlook::{NeedsYou, Never, WillStart};

/// Name, outlook, words.
const REASONS: &[(&str, Outlook, &str)] = &[
    (
        "None",
        WillStart,
        "The scheduler has not looked at the job yet.",
    ),
    (
        "WaitingForScheduling",
        WillStart,
        "The scheduler has not looked at the job yet.",
    ),
    ("Priority", WillStart, "Other jobs come first."),
    (
        "Resources",
        WillStart,
        "It is next in line and waits for nodes to become free.",
    ),
    (
        "BeginTime",
        WillStart,
        "Its earliest start time has not come. After a requeue that is two minutes or so.",
    ),
    ("Dependency", WillStart, "It waits for another job to end."),
    (
        "DependencyNeverSatisfied",
        Never,
        "The job it depends on did not end as required, so it will never start. Cancel it.",
    ),
    (
        "JobHeldUser",
        NeedsYou,
        "It is held by you (or with your name). Release it with `scontrol release`.",
    ),
    (
        "JobHeldAdmin",
        NeedsYou,
        "An administrator holds it. Ask the people who run the cluster why.",
    ),
    (
        "job requeued in held state",
        NeedsYou,
        "It was put back into the queue and is held. Find out why, then `scontrol release` it.",
    ),
    (
        "launch failed requeued held",
        NeedsYou,
        "A node could not start it, and it was put back and held. If the node is to blame, `scontrol release` it; otherwise look at the job's output.",
    ),
    (
        "JobHoldMaxRequeue",
        NeedsYou,
        "It was put back into the queue too often and is held. Something on its nodes or in the job goes wrong each time.",
    ),
    (
        "JobArrayTaskLimit",
        WillStart,
        "As many members of its array run as it allows at once.",
    ),
    (
        "Licenses",
        WillStart,
        "It waits for a licence to become free.",
    ),
    ("Reservation", WillStart, "Its reservation has not begun."),
    (
        "ReservationDeleted",
        Never,
        "The reservation it asked for is gone. Cancel it and submit it without.",
    ),
    (
        "ReservationInvalid",
        Never,
        "The reservation it asked for does not exist or does not fit. Cancel it and submit it without.",
    ),
    (
        "PartitionConfig",
        Never,
        "It asks for more than the partition has or allows. Ask for less, or use another partition.",
    ),
    (
        "PartitionNodeLimit",
        Never,
        "It asks for more nodes than the partition allows, or needed nodes are down. Ask for fewer, or use another partition.",
    ),
    (
        "PartitionTimeLimit",
        Never,
        "Its time limit is longer than the partition allows. Ask for less time, or use another partition.",
    ),
    (
        "PartitionDown",
        NeedsYou,
        "The partition is switched off. Use another one, or wait until the people who run the cluster switch it on.",
    ),
    (
        "PartitionInactive",
        NeedsYou,
        "The partition takes jobs but starts none now. Use another one, or ask the people who run the cluster.",
    ),
    (
        "NodeDown",
        NeedsYou,
        "A node it needs is down. If you asked for that node, do not.",
    ),
    (
        "FrontEndDown",
        NeedsYou,
        "No front end node is up. Ask the people who run the cluster.",
    ),
    (
        "BadConstraints",
        Never,
        "No node fits what it asks for. Look at constraint, memory, cores and generic resources.",
    ),
    (
        "Constraints",
        WillStart,
        "No node that fits what it asks for is free now.",
    ),
    (
        "InvalidAccount",
        Never,
        "Its account is not valid (any more). Cancel it and submit it with another one.",
    ),
    (
        "InvalidQOS",
        Never,
        "Its quality of service is not valid (any more). Cancel it and submit it with another one.",
    ),
    (
        "AccountNotAllowed",
        Never,
        "Its account may not use this partition. Use another account or partition.",
    ),
    (
        "QOSNotAllowed",
        Never,
        "Its quality of service may not be used with this account or partition.",
    ),
    (
        "AccountingPolicy",
        NeedsYou,
        "A limit of your account stands against it. Ask for less, or ask the people who run the cluster.",
    ),
    (
        "AssociationJobLimit",
        WillStart,
        "As many of your jobs run as your account allows.",
    ),
    (
        "AssociationResourceLimit",
        WillStart,
        "Your account uses as much as it may; it goes on when other jobs end.",
    ),
    (
        "AssociationTimeLimit",
        NeedsYou,
        "The computing time of your account is used up.",
    ),
    (
        "QOSJobLimit",
        WillStart,
        "As many jobs run with this quality of service as it allows.",
    ),
    (
        "QOSResourceLimit",
        WillStart,
        "This quality of service uses as much as it may; it goes on when other jobs end.",
    ),
    (
        "QOSTimeLimit",
        NeedsYou,
        "The computing time of this quality of service is used up.",
    ),
    (
        "QOSUsageThreshold",
        NeedsYou,
        "Your share of the cluster is used beyond what this quality of service allows. It recovers with time.",
    ),
    (
        "MaxMemPerLimit",
        Never,
        "It asks for more memory per core or node than is allowed. Ask for less memory, or for more cores.",
    ),
    ("Prolog", WillStart, "Its nodes are being made ready."),
    (
        "Cleaning",
        WillStart,
        "It was put back into the queue, and what is left of its last run is being cleaned up.",
    ),
    (
        "BurstBufferResources",
        WillStart,
        "It waits for room in the burst buffer.",
    ),
    (
        "BurstBufferStageIn",
        WillStart,
        "Its files are being copied into the burst buffer.",
    ),
    (
        "BurstBufferOperation",
        NeedsYou,
        "An operation of the burst buffer failed, and it is held.",
    ),
    (
        "PowerNotAvail",
        WillStart,
        "The cluster's power budget is used up for now.",
    ),
    (
        "PowerReserved",
        WillStart,
        "The cluster's power budget is kept for a reservation.",
    ),
    (
        "SchedDefer",
        WillStart,
        "The scheduler puts off looking at new jobs.",
    ),
    (
        "FedJobLock",
        WillStart,
        "The clusters of the federation are deciding where it runs.",
    ),
    (
        "SystemFailure",
        NeedsYou,
        "Slurm, a file system or the network failed. Ask the people who run the cluster.",
    ),
    // Reasons for an end, shown while it is being cleaned up or after it.
    (
        "JobLaunchFailure",
        NeedsYou,
        "A node could not start it: a missing directory, a full disk, a bad node.",
    ),
    (
        "NonZeroExitCode",
        Never,
        "Its script ended with an exit code other than 0.",
    ),
    ("RaisedSignal", Never, "A signal ended it."),
    ("TimeLimit", Never, "It reached its time limit."),
    (
        "InactiveLimit",
        Never,
        "It was ended for doing nothing for too long.",
    ),
    (
        "OutOfMemory",
        Never,
        "It used more memory than it asked for.",
    ),
    ("DeadLine", Never, "It cannot end before its deadline."),
    (
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
        NeedsYou,
        "The nodes that could run it are down, being emptied, or kept for other partitions. It may start later; another partition may be quicker.",
    ),
];

/// Explains a reason as squeue prints it. None for one we know nothing of: show it as it is.
pub fn explain(reason: &str) -> Option<Explained> {
    let reason = reason.trim().trim_start_matches('(').trim_end_matches(')');
    let known = REASONS.iter().find(|(name, _, _)| *name == reason);
    if let Some(&(_, outlook, words)) = known {
        return Some(Explained {
            outlook,
            words: Cow::Borrowed(words),
        });
    }
    if let Some(rest) = reason.strip_prefix("ReqNodeNotAvail") {
        return Some(not_available(rest));
    }
    limit(reason)
}

/// `ReqNodeNotAvail`, and what follows it: `, UnavailableNodes:c[1-3]`, `, Reserved for maintenance`,
/// `, May be reserved for other job`.
fn not_available(rest: &str) -> Explained {
    let rest = rest.trim_start_matches(',').trim();
    if rest.contains("maintenance") {
        return Explained {
            outlook: WillStart,
            words: "Its time limit reaches into an announced maintenance. It starts after it; with a shorter time limit it may start before.".into(),
        };
    }
    let nodes = rest
        .strip_prefix("UnavailableNodes:")
        .map(str::trim)
        .filter(|nodes| !nodes.is_empty());
    Explained {
        outlook: if nodes.is_some() { NeedsYou } else { WillStart },
        words: match nodes {
            Some(nodes) => format!("Nodes it needs are down or being emptied ({nodes}). It starts when somebody brings them back; without asking for these nodes it may start before.").into(),
            None => "Nodes it needs are in use or kept for other jobs.".into(),
        },
    }
}

/// The hundred or so limits of associations and qualities of service. Their names say whose limit
/// (`Assoc`, `QOS`, `Max…PerAccount`), of what, and counted over what.
fn limit(reason: &str) -> Option<Explained> {
    let (whose, rest) = if let Some(rest) = reason.strip_prefix("Assoc") {
        ("your account", rest)
    } else if let Some(rest) = reason.strip_prefix("QOS") {
        ("this quality of service", rest)
    } else if reason.starts_with("Max") && reason.ends_with("PerAccount") {
        ("your account", reason)
    } else {
        return None;
    };
    let rest = rest.strip_suffix("Limit").unwrap_or(rest);
    let (kind, rest) = if let Some(rest) = rest.strip_prefix("Grp") {
        ("Grp", rest)
    } else if let Some(rest) = rest.strip_prefix("Max") {
        ("Max", rest)
    } else {
        ("Min", rest.strip_prefix("Min")?)
    };
    // Not `Minutes…`: of the time of running jobs some is given back when they end.
    let budget = rest.contains("Minutes") && !rest.contains("RunMinutes") || rest == "Wall";
    let what = rest
        .trim_end_matches("NotSatisfied")
        .split("Per")
        .next()
        .unwrap_or(rest);
    let what = thing(what);
    let (outlook, words) = if kind == "Min" {
        (
            Never,
            format!("It asks for less ({what}) than {whose} requires. Ask for more."),
        )
    } else if kind == "Max" && (rest.ends_with("PerJob") || rest.ends_with("PerNode")) {
        (
            Never,
            format!(
                "It asks for more ({what}) than {whose} allows for one job. Ask for less, or have the limit raised."
            ),
        )
    } else if budget {
        (
            NeedsYou,
            format!(
                "What {whose} may use ({what}) is used up. Ask the people who run the cluster, or use another account."
            ),
        )
    } else {
        (
            WillStart,
            format!(
                "Your jobs, or your group's, use as much as {whose} allows ({what}). It starts when others end."
            ),
        )
    };
    Some(Explained {
        outlook,
        words: words.into(),
    })
}

/// The limited thing in words.
fn thing(name: &str) -> String {
    let time = name.contains("Minutes");
    let name = name.trim_end_matches("Minutes").trim_end_matches("Run");
    let word = match name {
        "Cpu" | "CPU" => "cores",
        "Mem" | "Memory" => "memory",
        "Node" => "nodes",
        "Job" | "Jobs" => "jobs",
        "SubmitJob" | "SubmitJobs" => "submitted jobs",
        "Wall" | "WallDuration" => "run time",
        "GRES" => "generic resources such as GPUs",
        "Energy" => "energy",
        "License" => "licences",
        "BB" => "burst buffer",
        "Billing" => "billing units",
        _ => "a resource",
    };
    if time {
        format!("{word} × time")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook(reason: &str) -> Option<Outlook> {
        explain(reason).map(|explained| explained.outlook)
    }

    #[test]
    fn every_reason_of_a_real_slurm_is_explained() {
        let names = include_str!("../../../tests/data/slurm/reasons-22.05.txt");
        let table: Vec<String> = names
            .lines()
            .map(|name| {
                let explained = explain(name).unwrap_or_else(|| panic!("{name}"));
                format!(
                    "{name} · {} · {}",
                    explained.outlook.name(),
                    explained.words
                )
            })
            .collect();
        assert!(table.len() > 180);
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn limits_are_told_apart() {
        for (reason, expected) in [
            ("AssocMaxWallDurationPerJobLimit", Never),
            ("QOSMaxCpuPerJobLimit", Never),
            ("QOSMaxGRESPerUser", WillStart),
            ("QOSMaxJobsPerUserLimit", WillStart),
            ("AssocGrpCpuLimit", WillStart),
            ("AssocGrpCPUMinutesLimit", NeedsYou),
            ("AssocGrpCPURunMinutesLimit", WillStart),
            ("AssocGrpBillingMinutes", NeedsYou),
            ("QOSGrpWallLimit", NeedsYou),
            ("QOSMinCpuNotSatisfied", Never),
            ("MaxGRESPerAccount", WillStart),
            ("AssocMaxSubmitJobLimit", WillStart),
        ] {
            assert_eq!(outlook(reason), Some(expected), "{reason}");
        }
    }

    #[test]
    fn free_text_is_read_too() {
        assert_eq!(outlook("(Priority)"), Some(WillStart));
        assert_eq!(
            outlook("ReqNodeNotAvail, Reserved for maintenance"),
            Some(WillStart)
        );
        assert_eq!(
            outlook("ReqNodeNotAvail, May be reserved for other job"),
            Some(WillStart)
        );
        let down = explain("ReqNodeNotAvail, UnavailableNodes:c[1-3]").unwrap();
        assert_eq!(down.outlook, NeedsYou);
        assert!(down.words.contains("c[1-3]"));
        assert_eq!(outlook("job requeued in held state"), Some(NeedsYou));
        assert_eq!(outlook("Your balance is negative"), None);
        assert_eq!(outlook(""), None);
    }
}
