//! The text of config.toml in, settings or messages out.

use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn here() -> Surroundings {
    Surroundings {
        data_dir: "/home/you/.local/share/namdrunner".into(),
        home_dir: Some("/home/you".into()),
        min_sync: None,
    }
}

fn parse(text: &str) -> Settings {
    Settings::parse(text, "config.toml", &here()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn mistakes(text: &str) -> String {
    Settings::parse(text, "config.toml", &here())
        .unwrap_err()
        .to_string()
}

const REMOTE: &str = "host = \"h.example.edu\"\nproject_root = \"~/p\"\nscratch_root = \"/s\"\n";

#[test]
fn without_a_file_there_is_this_machine() {
    let settings = Settings::without_file(&here()).unwrap();
    assert_eq!(settings.default_cluster, "local");
    let [local] = settings.clusters.as_slice() else {
        panic!("one cluster")
    };
    assert_eq!(local.scheduler, SchedulerKind::Direct);
    assert!(local.is_local());
    assert_eq!(local.project_root, "/home/you/.local/share/namdrunner/jobs");
    assert_eq!(
        local.scratch_root,
        "/home/you/.local/share/namdrunner/scratch"
    );
    assert_eq!(local.launch, DEFAULT_LAUNCH);
    assert_eq!(validate_launch(DEFAULT_LAUNCH), Ok(()));
    assert_eq!(local.sync_interval, Duration::from_secs(2));
    assert_eq!(local.max_running, 1);
}

#[test]
fn the_example_of_a_site_says_what_it_means() {
    let settings = parse(include_str!("../../tests/data/config/site-example.toml"));
    let names: Vec<&str> = settings.clusters.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["hpc", "hpc-gpu", "lab", "local"]);
    assert_eq!(settings.default_cluster, "hpc");

    let hpc = settings.cluster(None).unwrap();
    assert_eq!(hpc.address(), "you@login.hpc.example.edu");
    assert_eq!(hpc.scheduler, SchedulerKind::Slurm);
    assert_eq!(hpc.sync_interval, Duration::from_secs(30));
    assert_eq!(hpc.setup, ["module purge", "module load namd/3.0.1"]);
    assert_eq!(hpc.resources.walltime, Some(86_400));
    assert_eq!(hpc.resources.extra.len(), 2);
    assert_eq!(validate_resources(&hpc.resources), Ok(()));
    assert_eq!(hpc.absence, AbsenceRule::default());

    let gpu = settings.cluster(Some("hpc-gpu")).unwrap();
    assert_eq!(gpu.resources.gres.as_deref(), Some("gpu:a100:1"));

    let lab = settings.cluster(Some("lab")).unwrap();
    assert_eq!(lab.scheduler, SchedulerKind::Direct);
    assert_eq!(lab.address(), "bench3.chem.example.edu:2222");
    assert_eq!(lab.identity_files, [Path::new("/home/you/.ssh/id_lab")]);
    assert_eq!(lab.sync_interval, DEFAULT_SYNC_DIRECT);
}

#[test]
fn this_machine_stays_unless_it_is_put_off() {
    let kept = parse(&format!("[clusters.hpc]\n{REMOTE}"));
    assert_eq!(kept.default_cluster, "hpc");
    assert!(kept.cluster(Some("local")).is_ok());

    let off = parse(&format!("local = false\n[clusters.hpc]\n{REMOTE}"));
    assert_eq!(off.clusters.len(), 1);

    let own = parse("[clusters.local]\nmax_running = 2\nscratch_root = \"/fast/you\"\n");
    assert_eq!(own.clusters.len(), 1);
    let local = own.cluster(Some("local")).unwrap();
    assert_eq!(local.max_running, 2);
    assert_eq!(local.scratch_root, "/fast/you");
    assert_eq!(local.project_root, "/home/you/.local/share/namdrunner/jobs");
}

#[test]
fn two_clusters_on_this_machine_do_not_share_directories() {
    let settings = parse("[clusters.a]\n[clusters.b]\n");
    let roots: Vec<&str> = settings
        .clusters
        .iter()
        .map(|c| c.project_root.as_str())
        .collect();
    assert_eq!(
        roots,
        [
            "/home/you/.local/share/namdrunner/jobs/a",
            "/home/you/.local/share/namdrunner/jobs/b",
            "/home/you/.local/share/namdrunner/jobs"
        ]
    );
}

#[test]
fn local_slurm_is_a_free_combination() {
    let settings = parse("[clusters.login]\nscheduler = \"slurm\"\n");
    let login = settings.cluster(Some("login")).unwrap();
    assert!(login.is_local());
    assert_eq!(login.scheduler, SchedulerKind::Slurm);
    assert_eq!(login.sync_interval, DEFAULT_SYNC_SLURM);
}

#[test]
fn every_key_is_read() {
    let settings = parse(
        r#"
        default_cluster = "x"
        [clusters.x]
        host = "h"
        user = "u"
        port = 2222
        scheduler = "slurm"
        project_root = "/p/$USER"
        scratch_root = "${WORK}/s"
        setup = ["""
module load a
module load b"""]
        slurm_setup = ["export SLURM_CONF=/x"]
        launch = "srun namd3 {config} > {log}"
        sync_interval = "2m"
        identity_files = ["/k"]
        known_hosts = ["~/k"]
        proxy_jump = "you@gate:22"
        ssh_config = "~/.ssh/hpc"
        requeue = true
        [clusters.x.resources]
        nodes = 1
        ntasks = 2
        cpus_per_task = 3
        memory = "4G"
        walltime = 7200
        partition = "p"
        qos = "q"
        account = "a"
        gres = "gpu:1"
        constraint = "c"
        extra = ["--exclusive"]
        [clusters.x.absence]
        answers = 5
        minutes = 1
        "#,
    );
    let expected = Cluster {
        name: "x".into(),
        host: Some("h".into()),
        user: Some("u".into()),
        port: Some(2222),
        identity_files: vec!["/k".into()],
        known_hosts: vec!["/home/you/k".into()],
        proxy_jump: Some("you@gate:22".into()),
        ssh_config: Some("/home/you/.ssh/hpc".into()),
        scheduler: SchedulerKind::Slurm,
        project_root: "/p/$USER".into(),
        scratch_root: "${WORK}/s".into(),
        setup: vec!["module load a".into(), "module load b".into()],
        slurm_setup: vec!["export SLURM_CONF=/x".into()],
        launch: "srun namd3 {config} > {log}".into(),
        resources: Resources {
            nodes: Some(1),
            ntasks: Some(2),
            cpus_per_task: Some(3),
            memory: Some("4G".into()),
            walltime: Some(7200),
            partition: Some("p".into()),
            qos: Some("q".into()),
            account: Some("a".into()),
            gres: Some("gpu:1".into()),
            constraint: Some("c".into()),
            extra: vec!["--exclusive".into()],
        },
        sync_interval: Duration::from_mins(2),
        absence: AbsenceRule {
            answers: 5,
            seconds: 60,
        },
        requeue: true,
        max_running: 1,
    };
    assert_eq!(settings.cluster(None).unwrap(), &expected);
}

#[test]
fn the_shortest_interval_has_an_override_for_tests() {
    let fast = Surroundings {
        min_sync: Some(Duration::from_millis(200)),
        ..here()
    };
    let text = format!("[clusters.x]\n{REMOTE}sync_interval = 1\n[clusters.y]\n{REMOTE}");
    let settings = Settings::parse(&text, "config.toml", &fast).unwrap();
    let intervals: Vec<Duration> = settings.clusters.iter().map(|c| c.sync_interval).collect();
    let quick = Duration::from_millis(200);
    assert_eq!(intervals, [Duration::from_secs(1), quick, quick]);
    assert!(Settings::parse(&text, "config.toml", &here()).is_err());
}

#[test]
fn an_unknown_cluster_is_answered_with_the_nearest() {
    let settings = parse(&format!("[clusters.hpc]\n{REMOTE}"));
    let error = settings.cluster(Some("hcp")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ClusterNotFound);
    assert_eq!(error.hint.as_deref(), Some("Did you mean \"hpc\"?"));
    let error = settings.cluster(Some("elsewhere")).unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("There are: hpc, local."));
}

#[test]
fn mistakes_of_keys() {
    assert_snapshot!(mistakes(
        r#"
defaultcluster = "hpc"
host = "x"
[cluster.hpc]
[clusters.hpc]
hostname = "login"
prot = 22
partition = "gpu"
colour = "blue"
[clusters.hpc.resources]
time = "1h"
cpus-per-task = 4
setup = []
[clusters.hpc.absence]
seconds = 5
"#
    ), @r#"
config.toml:2:1: defaultcluster: There is no key `defaultcluster` here. Did you mean `default_cluster`?
config.toml:3:1: host: There is no key `host` here. It belongs into a table [clusters.NAME].
config.toml:4:2: cluster: There is no key `cluster` here. Did you mean `clusters`?
config.toml:6:1: clusters.hpc.hostname: There is no key `hostname` here. Write `host`.
config.toml:7:1: clusters.hpc.prot: There is no key `prot` here. Did you mean `port`?
config.toml:8:1: clusters.hpc.partition: There is no key `partition` here. It belongs into [clusters.hpc.resources].
config.toml:9:1: clusters.hpc.colour: There is no key `colour` here. There are: absence, host, identity_files, known_hosts, launch, max_running, port, project_root, proxy_jump, requeue, resources, scheduler, scratch_root, setup, slurm_setup, ssh_config, sync_interval, user.
config.toml:11:1: clusters.hpc.resources.time: There is no key `time` here. Write `walltime`.
config.toml:12:1: clusters.hpc.resources.cpus-per-task: There is no key `cpus-per-task` here. Did you mean `cpus_per_task`?
config.toml:13:1: clusters.hpc.resources.setup: There is no key `setup` here. It belongs into the table of the cluster itself.
config.toml:15:1: clusters.hpc.absence.seconds: There is no key `seconds` here. There are: answers, minutes.
"#);
}

#[test]
fn mistakes_of_kinds_and_bounds() {
    assert_snapshot!(mistakes(
        r#"
default_cluster = "hcp"
local = "no"
[clusters.hpc]
host = 5
user = ["you"]
port = "22"
scheduler = "pbs"
project_root = "namd"
scratch_root = "/"
setup = "module load namd"
slurm_setup = ["a", 3]
launch = "namd3 {conf} > {log}"
sync_interval = "5s"
identity_files = ["id_rsa"]
requeue = "yes"
max_running = 2
resources = "none"
[clusters.hpc.absence]
answers = 0
minutes = 1.5
[clusters."Ärger"]
[clusters."../x"]
"#
    ), @r#"
config.toml:2:19: default_cluster: No cluster is called "hcp". There are: hpc, Ärger, ../x, local.
config.toml:3:9: local: true or false is needed, not a text. Without quotes.
config.toml:5:8: clusters.hpc.host: A text in quotes is needed, not a whole number. For instance host = "login.hpc.example.edu"
config.toml:6:8: clusters.hpc.user: A text in quotes is needed, not a list. For instance user = "you"
config.toml:7:8: clusters.hpc.port: A number is needed, without quotes: 22. Allowed is 1 to 65535.
config.toml:8:13: clusters.hpc.scheduler: "pbs" is not a batch system known here. Allowed are "slurm", and "direct" for machines without one.
config.toml:9:16: clusters.hpc.project_root: It is not absolute; begin with /, ~/ or a variable such as $SCRATCH.
config.toml:10:16: clusters.hpc.scratch_root: It is the root of the file system.
config.toml:11:9: clusters.hpc.setup: A list of texts is needed, not a text. For instance setup = ["module load namd/3.0"]
config.toml:12:21: clusters.hpc.slurm_setup[1]: A text in quotes is needed, not a whole number. For instance slurm_setup = ["module load slurm"]
config.toml:13:10: clusters.hpc.launch: {conf} is no placeholder; did you mean {config}?
config.toml:14:17: clusters.hpc.sync_interval: 5 s is too short. Allowed is "15s" to "1h" for Slurm, whose controller everybody shares.
config.toml:15:19: clusters.hpc.identity_files: "id_rsa" is not the full path of a file. Begin it with / or ~/.
config.toml:16:11: clusters.hpc.requeue: true or false is needed, not a text. Without quotes.
config.toml:17:1: clusters.hpc.max_running: Slurm decides how many jobs run at once. It is for scheduler = "direct"; remove the line.
config.toml:18:13: clusters.hpc.resources: A table is needed, not a text. Begin it with [clusters.hpc.resources] on a line of its own.
config.toml:20:11: clusters.hpc.absence.answers: 0 is out of bounds. Allowed is 1 to 1000.
config.toml:21:11: clusters.hpc.absence.minutes: A whole number is needed, not a number with a point. Allowed is 0 to 10080.
config.toml:22:11: clusters.Ärger: "Ärger" cannot be a cluster's name: letters, digits, `_`, `-` and `.` are allowed, beginning with a letter or digit.
config.toml:23:11: clusters.../x: "../x" cannot be a cluster's name: letters, digits, `_`, `-` and `.` are allowed, beginning with a letter or digit.
"#);
}

#[test]
fn mistakes_of_values() {
    assert_snapshot!(mistakes(
        r#"
[clusters.hpc]
host = "you@login.example.edu"
user = "-l"
project_root = "~root/x"
scratch_root = "$(mktemp -d)"
sync_interval = 12.5
[clusters.hpc.resources]
nodes = 0
ntasks = 99999999999
memory = "4GB"
walltime = "90"
partition = "a\n#SBATCH --wrap=x"
qos = ""
account = "-x"
gres = "gpu:1 # two"
extra = ["--output=x", "mail-type=END", "--mail-user you@example.edu"]
[clusters.b]
host = "login:22"
[clusters.c]
port = 22
slurm_setup = ["x"]
[clusters.d]
walltime = 12:00:00
resources.walltime = 12:00:00
"#
    ), @r#"
config.toml:3:8: clusters.hpc.host: The user stands in a line of its own: host = "login.example.edu" and user = "you".
config.toml:4:8: clusters.hpc.user: "-l" begins with `-`.
config.toml:5:16: clusters.hpc.project_root: Only your own home can be meant by ~; write the directory out.
config.toml:6:16: clusters.hpc.scratch_root: $(mktemp -d) is not a variable's name; only $NAME and ${NAME} are replaced.
config.toml:7:17: clusters.hpc.sync_interval: A time is needed, not a number with a point. Allowed is "15s" to "1h" for Slurm, whose controller everybody shares.
config.toml:9:9: clusters.hpc.resources.nodes: 0 is out of bounds. Allowed is 1 to 10000000.
config.toml:10:10: clusters.hpc.resources.ntasks: 99999999999 is out of bounds. Allowed is 1 to 10000000.
config.toml:11:10: clusters.hpc.resources.memory: "4GB" is not memory as Slurm writes it: write "4G".
config.toml:12:12: clusters.hpc.resources.walltime: "90" has no unit: Slurm would read minutes; write "90m" or "90s". Allowed are "24:00:00", "1-12:00:00", "90m", and seconds as a number without quotes.
config.toml:13:13: clusters.hpc.resources.partition: It holds a line break, which would begin a new line of the job script.
config.toml:14:7: clusters.hpc.resources.qos: It is empty; leave it out for the batch system's default.
config.toml:15:11: clusters.hpc.resources.account: "-x" begins with `-` and would be read as an option.
config.toml:16:8: clusters.hpc.resources.gres: "gpu:1 # two" holds a blank, at which sbatch would split it.
config.toml:17:10: clusters.hpc.resources.extra: --output cannot be set: the job's output files are placed in its own directory.
config.toml:17:24: clusters.hpc.resources.extra: "mail-type=END" does not begin with `--`, as in "--mail-type=END".
config.toml:17:41: clusters.hpc.resources.extra: Join the name and the value with =: "--mail-user=you@example.edu".
config.toml:18:11: clusters.b.project_root: The key is missing. For instance project_root = "~/namdrunner"
config.toml:18:11: clusters.b.scratch_root: The key is missing. For instance scratch_root = "$SCRATCH/namdrunner"
config.toml:19:8: clusters.b.host: The port stands in a line of its own: host = "login" and port = 22.
config.toml:21:1: clusters.c.port: Without `host` the cluster is this machine, and nothing is reached by ssh. Add `host`, or remove the line.
config.toml:22:1: clusters.c.slurm_setup: It concerns Slurm, but the scheduler is "direct". Write scheduler = "slurm", or remove the line.
config.toml:24:1: clusters.d.walltime: There is no key `walltime` here. It belongs into [clusters.d.resources].
config.toml:25:22: clusters.d.resources.walltime: A time is needed, not a date or time without quotes. Allowed are "24:00:00", "1-12:00:00", "90m", and seconds as a number without quotes.
"#);
}

#[test]
fn mistakes_of_the_text_itself() {
    assert_snapshot!(mistakes(
        "[clusters.hpc]\nhost = login.hpc.example.edu\nwalltime = 24:00:00\n"
    ), @r#"
config.toml:2:8: String values must be quoted, expected literal string. Texts, and times such as "24:00:00", stand in quotes.
config.toml:3:12: Invalid time, expected hour between 00 and 23. Texts, and times such as "24:00:00", stand in quotes.
"#);
    assert_snapshot!(mistakes("[clusters.hpc\n"), @"config.toml:1:14: Unclosed table, expected `]`.");
    assert_snapshot!(mistakes("a = 1\na = 2\n"), @"config.toml:2:1: The key `a` is there twice. Remove one of the two.");
    assert_snapshot!(mistakes("é = \"ü\" x\n"), @r#"
config.toml:1:1: Invalid unquoted key, expected letters, numbers, `-`, `_`.
config.toml:1:9: Unexpected key or value, expected newline, `#`. Texts, and times such as "24:00:00", stand in quotes.
"#);
    assert_snapshot!(mistakes("local = false\n"), @"config.toml:1:1: local: No cluster is left with `local = false`. Define one in a table [clusters.NAME], or remove the line.");
    assert_snapshot!(mistakes("local = false\n[clusters.local]\n"), @"config.toml:1:1: local: `local = false` leaves out the cluster that [clusters.local] defines. Remove one of the two.");
    assert_snapshot!(mistakes("clusters = 3\n"), @"config.toml:1:12: clusters: A table is needed, not a whole number. Begin it with [clusters] on a line of its own.");
}

#[test]
fn as_an_error_it_names_the_file_and_every_mistake() {
    let errors = Settings::parse("local = 1\nx = 2\n", "/etc/config.toml", &here()).unwrap_err();
    let error = Error::from(errors);
    assert_eq!(error.kind, ErrorKind::SettingsInvalid);
    assert_snapshot!(error.message, @r#"
config.toml has 2 mistakes:
/etc/config.toml:1:9: local: true or false is needed, not a whole number. Without quotes.
/etc/config.toml:2:1: x: There is no key `x` here. There are: clusters, default_cluster, linger, local.
"#);
    assert_snapshot!(error.hint.unwrap(), @"Correct /etc/config.toml and save it; it is read again by itself.");
}

#[test]
fn a_file_from_another_system_is_read() {
    let text = format!("\u{feff}[clusters.hpc]\r\n{}", REMOTE.replace('\n', "\r\n"));
    assert_eq!(parse(&text).default_cluster, "hpc");
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\PC|\n){0,200}") {
        let _ = Settings::parse(&text, "config.toml", &here());
    }

    #[test]
    fn no_keys_panic(
        keys in prop::collection::vec(
            "(local|clusters|\\[clusters\\.[a-c]\\]|\\[clusters\\.a\\.resources\\]|host|port|setup|walltime|extra|launch|project_root)( = (\"[ -~]{0,12}\"|-?[0-9]{1,20}|\\[\"[a-z$/~-]{0,8}\", 1\\]|12:30:00|true|\\{a = 1\\}))?",
            0..12,
        )
    ) {
        let text = keys.join("\n");
        if let Err(errors) = Settings::parse(&text, "config.toml", &here()) {
            prop_assert!(!errors.mistakes.is_empty());
        }
    }
}
