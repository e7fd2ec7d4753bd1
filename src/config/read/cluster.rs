//! The table of a cluster, with its resources and its rule of absence. Pure.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::address::{check_cluster_name, check_host, check_jumps, check_user};
use crate::config::resources::{MAX_COUNT, check_extra, check_list, check_memory, check_name};
use crate::config::root::check_root;
use crate::config::time::{check_walltime, parse_interval, parse_walltime};
use crate::config::values::{Found, Section, TextOrWhole};
use crate::config::{
    Cluster, DEFAULT_LAUNCH, DEFAULT_SYNC_DIRECT, DEFAULT_SYNC_SLURM, LOCAL, MAX_SYNC,
    MIN_SYNC_DIRECT, MIN_SYNC_SLURM, SchedulerKind, validate_launch,
};
use crate::job::state::AbsenceRule;
use crate::scheduler::Resources;

use super::{Reader, TOP};

/// Keys of a cluster.
pub(super) const CLUSTER: &[&str] = &[
    "absence",
    "host",
    "identity_files",
    "known_hosts",
    "launch",
    "max_running",
    "port",
    "project_root",
    "proxy_jump",
    "requeue",
    "resources",
    "scheduler",
    "scratch_root",
    "setup",
    "slurm_setup",
    "ssh_config",
    "sync_interval",
    "user",
];
const RESOURCES: &[&str] = &[
    "account",
    "constraint",
    "cpus_per_task",
    "extra",
    "gres",
    "memory",
    "nodes",
    "ntasks",
    "partition",
    "qos",
    "walltime",
];
const ABSENCE: &[&str] = &["answers", "minutes"];

/// Words of `ssh_config(5)`, sbatch(1) and daily speech for our keys.
const CLUSTER_SYNONYMS: &[(&str, &str)] = &[
    ("address", "host"),
    ("command", "launch"),
    ("hostname", "host"),
    ("identity_file", "identity_files"),
    ("interval", "sync_interval"),
    ("jump", "proxy_jump"),
    ("modules", "setup"),
    ("proxyjump", "proxy_jump"),
    ("ssh_key", "identity_files"),
    ("username", "user"),
];
const RESOURCES_SYNONYMS: &[(&str, &str)] = &[
    ("cores", "cpus_per_task"),
    ("cpus", "cpus_per_task"),
    ("features", "constraint"),
    ("gpus", "gres"),
    ("mem", "memory"),
    ("options", "extra"),
    ("queue", "partition"),
    ("sbatch", "extra"),
    ("tasks", "ntasks"),
    ("time", "walltime"),
    ("time_limit", "walltime"),
];

impl Reader<'_, '_, '_> {
    pub(super) fn cluster(&mut self, name: &str, section: &Section<'_>) -> Cluster {
        let elsewhere = [
            (RESOURCES, format!("[{}]", section.key("resources"))),
            (ABSENCE, format!("[{}]", section.key("absence"))),
            (
                TOP,
                "the beginning of the file, before all tables".to_owned(),
            ),
        ];
        section.refuse_others(self.notes, CLUSTER, CLUSTER_SYNONYMS, &elsewhere);
        let host = self.checked(section, "host", "\"login.hpc.example.edu\"", check_host);
        let user = self.checked(section, "user", "\"you\"", check_user);
        let port = section
            .whole(self.notes, "port", 1..=i64::from(u16::MAX))
            .and_then(|port| u16::try_from(port).ok());
        let remote = section.has("host").is_some();
        let scheduler = self.scheduler(section, remote);
        self.refuse_without_effect(section, remote, scheduler);
        let (project_root, scratch_root) = self.roots(section, remote, name);
        let launch = self.checked(
            section,
            "launch",
            &format!("{DEFAULT_LAUNCH:?}"),
            validate_launch,
        );
        Cluster {
            name: name.to_owned(),
            host,
            user,
            port,
            identity_files: self.local_files(section, "identity_files", "[\"~/.ssh/id_hpc\"]"),
            known_hosts: self.local_files(section, "known_hosts", "[\"~/.ssh/known_hosts\"]"),
            proxy_jump: self.checked(section, "proxy_jump", "\"gate.example.edu\"", check_jumps),
            ssh_config: self.ssh_config(section),
            scheduler,
            project_root,
            scratch_root,
            setup: self.shell_lines(section, "setup", "[\"module load namd/3.0\"]"),
            slurm_setup: self.shell_lines(section, "slurm_setup", "[\"module load slurm\"]"),
            launch: launch.unwrap_or_else(|| DEFAULT_LAUNCH.to_owned()),
            resources: self.resources(section),
            sync_interval: self.sync_interval(section, scheduler),
            absence: self.absence(section),
            requeue: section.flag(self.notes, "requeue").unwrap_or(false),
            max_running: section
                .whole(self.notes, "max_running", 1..=1024)
                .and_then(|jobs| u32::try_from(jobs).ok())
                .unwrap_or(1),
        }
    }

    fn scheduler(&mut self, section: &Section<'_>, remote: bool) -> SchedulerKind {
        let default = if remote {
            SchedulerKind::Slurm
        } else {
            SchedulerKind::Direct
        };
        let Some(word) = section.text(self.notes, "scheduler", "\"slurm\"") else {
            return default;
        };
        let kinds = [SchedulerKind::Slurm, SchedulerKind::Direct];
        kinds
            .into_iter()
            .find(|kind| kind.name() == word.value)
            .unwrap_or_else(|| {
                self.wrong(
                    &word.span,
                    &section.key("scheduler"),
                    &format!("{:?} is not a batch system known here", word.value),
                    "Allowed are \"slurm\", and \"direct\" for machines without one.",
                );
                default
            })
    }

    /// Notes keys that are read by nobody on such a cluster: the user means something else.
    fn refuse_without_effect(
        &mut self,
        section: &Section<'_>,
        remote: bool,
        scheduler: SchedulerKind,
    ) {
        let mut refuse = |keys: &[&str], why: &str, allowed: &str| {
            for key in keys {
                if let Some(span) = section.has(key) {
                    self.wrong(&span, &section.key(key), why, allowed);
                }
            }
        };
        if !remote {
            refuse(
                &[
                    "user",
                    "port",
                    "identity_files",
                    "known_hosts",
                    "proxy_jump",
                    "ssh_config",
                ],
                "without `host` the cluster is this machine, and nothing is reached by ssh",
                "Add `host`, or remove the line.",
            );
        }
        match scheduler {
            SchedulerKind::Direct => refuse(
                &["slurm_setup", "requeue"],
                "it concerns Slurm, but the scheduler is \"direct\"",
                "Write scheduler = \"slurm\", or remove the line.",
            ),
            SchedulerKind::Slurm => refuse(
                &["max_running"],
                "Slurm decides how many jobs run at once",
                "It is for scheduler = \"direct\"; remove the line.",
            ),
        }
    }

    /// Both roots. On this machine they have a place of their own; on a cluster only the user
    /// knows which file systems are kept and which are fast.
    fn roots(&mut self, section: &Section<'_>, remote: bool, name: &str) -> (String, String) {
        let mut root = |key: &str, example: &str, own: &str| {
            let given = self.checked(section, key, example, check_root);
            if let Some(given) = given {
                return given;
            }
            if section.has(key).is_some() {
                return String::new();
            }
            if remote {
                self.wrong(
                    &section.span,
                    &section.key(key),
                    "the key is missing",
                    &format!("For instance {key} = {example}"),
                );
                return String::new();
            }
            let mut place = self.surroundings.data_dir.join(own);
            if name != LOCAL && check_cluster_name(name).is_ok() {
                place = place.join(name);
            }
            let place = place.to_string_lossy().into_owned();
            if let Err(why) = check_root(&place) {
                let what = format!("the data directory {place:?} cannot hold jobs: {why}");
                let allowed = format!("Write another directory as {key}.");
                self.wrong(&section.span, &section.key(key), &what, &allowed);
            }
            place
        };
        (
            root("project_root", "\"~/namdrunner\"", "jobs"),
            root("scratch_root", "\"$SCRATCH/namdrunner\"", "scratch"),
        )
    }

    fn sync_interval(&mut self, section: &Section<'_>, scheduler: SchedulerKind) -> Duration {
        let (default, floor, of) = match scheduler {
            SchedulerKind::Slurm => (
                DEFAULT_SYNC_SLURM,
                MIN_SYNC_SLURM,
                "Slurm, whose controller everybody shares",
            ),
            SchedulerKind::Direct => (DEFAULT_SYNC_DIRECT, MIN_SYNC_DIRECT, "the direct scheduler"),
        };
        let floor = self.surroundings.min_sync.unwrap_or(floor);
        let default = match self.surroundings.min_sync {
            Some(floor) => default.min(floor),
            None => default,
        };
        let key = section.key("sync_interval");
        let Some(given) = section.text_or_whole("sync_interval") else {
            return default;
        };
        let read = match given.value {
            TextOrWhole::Text(text) => parse_interval(text),
            TextOrWhole::Whole(seconds) => u64::try_from(seconds)
                .map(Duration::from_secs)
                .map_err(|_| format!("{seconds} is not a number of seconds")),
            TextOrWhole::Neither(kind) => Err(format!("a time is needed, not {kind}")),
        };
        let bounds = format!(
            "Allowed is \"{}s\" to \"1h\" for {of}.",
            floor.as_secs_f64()
        );
        match read {
            Ok(interval) if (floor..=MAX_SYNC).contains(&interval) => interval,
            Ok(interval) => {
                let what = if interval < floor {
                    format!("{} s is too short", interval.as_secs())
                } else {
                    format!("{} s is longer than an hour", interval.as_secs())
                };
                self.wrong(&given.span, &key, &what, &bounds);
                default
            }
            Err(why) => {
                self.wrong(&given.span, &key, &why, &bounds);
                default
            }
        }
    }

    fn absence(&mut self, section: &Section<'_>) -> AbsenceRule {
        let mut rule = AbsenceRule::default();
        let Some(section) = section.table(self.notes, "absence") else {
            return rule;
        };
        section.refuse_others(self.notes, ABSENCE, &[], &[]);
        if let Some(answers) = section.whole(self.notes, "answers", 1..=1000) {
            rule.answers = u32::try_from(answers).unwrap_or(rule.answers);
        }
        if let Some(minutes) = section.whole(self.notes, "minutes", 0..=10_080) {
            rule.seconds = minutes * 60;
        }
        rule
    }

    fn resources(&mut self, section: &Section<'_>) -> Resources {
        let Some(section) = section.table(self.notes, "resources") else {
            return Resources::default();
        };
        let elsewhere = [(CLUSTER, "the table of the cluster itself".to_owned())];
        section.refuse_others(self.notes, RESOURCES, RESOURCES_SYNONYMS, &elsewhere);
        let mut count = |key: &str| {
            section
                .whole(self.notes, key, 1..=MAX_COUNT)
                .and_then(|count| u32::try_from(count).ok())
        };
        let (nodes, ntasks, cpus_per_task) =
            (count("nodes"), count("ntasks"), count("cpus_per_task"));
        let mut extra = Vec::new();
        for option in section.texts(self.notes, "extra", "[\"--mail-type=END\"]") {
            if let Err(why) = check_extra(option.value) {
                self.wrong(&option.span, &section.key("extra"), &why, "");
            }
            extra.push(option.value.to_owned());
        }
        Resources {
            nodes,
            ntasks,
            cpus_per_task,
            memory: self.checked(&section, "memory", "\"4G\"", check_memory),
            walltime: self.walltime(&section),
            partition: self.checked(&section, "partition", "\"compute\"", check_name),
            qos: self.checked(&section, "qos", "\"normal\"", check_name),
            account: self.checked(&section, "account", "\"project42\"", check_name),
            gres: self.checked(&section, "gres", "\"gpu:1\"", check_list),
            constraint: self.checked(&section, "constraint", "\"ib\"", check_list),
            extra,
        }
    }

    fn walltime(&mut self, section: &Section<'_>) -> Option<u64> {
        let given = section.text_or_whole("walltime")?;
        let read = match given.value {
            TextOrWhole::Text(text) => parse_walltime(text),
            TextOrWhole::Whole(seconds) => u64::try_from(seconds)
                .map_err(|_| format!("{seconds} is not a number of seconds"))
                .and_then(check_walltime),
            TextOrWhole::Neither(kind) => Err(format!("a time is needed, not {kind}")),
        };
        read.map_err(|why| {
            let allowed = "Allowed are \"24:00:00\", \"1-12:00:00\", \"90m\", and seconds as a number without quotes.";
            self.wrong(&given.span, &section.key("walltime"), &why, allowed);
        })
        .ok()
    }

    /// A file instead of ssh's own, or `none`.
    fn ssh_config(&mut self, section: &Section<'_>) -> Option<PathBuf> {
        let given = section.text(self.notes, "ssh_config", "\"~/.ssh/config-hpc\"")?;
        if given.value == "none" {
            return Some(PathBuf::new());
        }
        self.local_file(section, "ssh_config", &given)
    }

    /// Files of this machine.
    fn local_files(&mut self, section: &Section<'_>, key: &str, example: &str) -> Vec<PathBuf> {
        let files = section.texts(self.notes, key, example);
        let files = files.iter();
        files
            .filter_map(|file| self.local_file(section, key, file))
            .collect()
    }

    /// A file of this machine: absolute, or below the home directory.
    fn local_file(
        &mut self,
        section: &Section<'_>,
        key: &str,
        file: &Found<&str>,
    ) -> Option<PathBuf> {
        let home = self.surroundings.home_dir.as_ref();
        let path = match file.value.strip_prefix("~/") {
            Some(rest) => home.map(|home| home.join(rest)),
            None => Some(PathBuf::from(file.value)).filter(|path| path.is_absolute()),
        };
        let path = path.filter(|_| !file.value.chars().any(char::is_control));
        if path.is_none() {
            self.wrong(
                &file.span,
                &section.key(key),
                &format!("{:?} is not the full path of a file", file.value),
                "Begin it with / or ~/.",
            );
        }
        path
    }

    /// Shell lines; a text of several lines counts as several.
    fn shell_lines(&mut self, section: &Section<'_>, key: &str, example: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for text in section.texts(self.notes, key, example) {
            for line in text.value.lines() {
                if let Some(c) = line.chars().find(|c| c.is_control() && *c != '\t') {
                    let what = format!("the line holds the control character {c:?}");
                    self.wrong(&text.span, &section.key(key), &what, "Remove it.");
                }
                lines.push(line.to_owned());
            }
        }
        lines
    }
}
