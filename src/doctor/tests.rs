//! The doctor's command run by a real shell, and its judgement of pasted answers.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Mutex;

use async_trait::async_trait;
use insta::assert_snapshot;

use super::*;
use crate::config::Surroundings;
use crate::config::home::PlatformDirs;
use crate::shell::{Command, ExitStatus, Output, RemotePath};
use crate::transport::{Bundle, Get, Put, Sent, Watcher};

fn cluster(lines: &str) -> Cluster {
    let text = format!("[clusters.hpc]\n{lines}\n");
    let surroundings = Surroundings {
        data_dir: "/data".into(),
        home_dir: None,
        min_sync: None,
    };
    Settings::parse(&text, "config.toml", &surroundings)
        .unwrap_or_else(|errors| panic!("{errors}"))
        .clusters
        .swap_remove(0)
}

/// A transport that runs commands with `sh` in a home directory of its own, or fails.
struct Link {
    home: std::path::PathBuf,
    failure: Option<TransportError>,
    runs: Mutex<u32>,
}

impl Link {
    fn to(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            failure: None,
            runs: Mutex::new(0),
        }
    }
}

#[async_trait]
impl Transport for Link {
    async fn run(&self, command: &Command) -> Result<Output, TransportError> {
        *self.runs.lock().unwrap() += 1;
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let mut child = Process::new("sh")
            .args(["-c", &command.exec_line()])
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &command.stdin()).unwrap();
        let out = child.wait_with_output().unwrap();
        Ok(Output {
            status: ExitStatus::Code(out.status.code().unwrap()),
            stdout: out.stdout,
            stderr: out.stderr,
        })
    }

    async fn run_with_bundle(
        &self,
        _: &Command,
        _: &Bundle,
        _: &Watcher,
    ) -> Result<(Output, Vec<Sent>), TransportError> {
        Err(TransportError::Cancelled)
    }

    async fn read_from(&self, _: &RemotePath, _: u64, _: u64) -> Result<Vec<u8>, TransportError> {
        Err(TransportError::Cancelled)
    }

    async fn get(&self, _: &[Get], _: &Watcher) -> Result<Vec<Sent>, TransportError> {
        Err(TransportError::Cancelled)
    }

    async fn put(&self, _: &[Put], _: &Watcher) -> Result<Vec<Sent>, TransportError> {
        Err(TransportError::Cancelled)
    }

    fn connected(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

fn find<'c>(checks: &'c [Check], name: &str) -> &'c Check {
    checks
        .iter()
        .find(|check| check.name == name)
        .unwrap_or_else(|| panic!("no check {name} among {checks:#?}"))
}

/// Checks as lines, without what differs from machine to machine.
fn lines(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = if check.ok { "ok " } else { "BAD" };
        let hint = check.hint.as_deref().map(|hint| format!(" -> {hint}"));
        let hint = hint.unwrap_or_default();
        writeln!(text, "{mark} {}: {}{hint}", check.name, check.detail).unwrap();
    }
    text
}

#[tokio::test]
async fn this_machine_in_one_command() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().display();
    std::fs::create_dir(temp.path().join("p")).unwrap();
    let cluster = cluster(&format!(
        "project_root = \"{root}/p\"\nscratch_root = \"{root}/it's new/deep\"\nlaunch = \"sh {{config}}\""
    ));
    let link = Link::to(temp.path());
    let checks = run(&cluster, &link, None).await;
    assert_eq!(*link.runs.lock().unwrap(), 1);
    for name in ["link", "login", "home", "tar", "sha256sum"] {
        assert!(find(&checks, name).ok, "{checks:#?}");
    }
    assert!(
        find(&checks, "project root")
            .detail
            .contains("is writable, ")
    );
    assert!(find(&checks, "project root").detail.ends_with(" free"));
    assert!(
        find(&checks, "scratch root")
            .detail
            .contains("will be created")
    );
    assert!(find(&checks, "launch").detail.starts_with("sh is /"));
    let left: Vec<_> = std::fs::read_dir(temp.path().join("p")).unwrap().collect();
    assert!(left.is_empty(), "the trial file is removed");
    assert!(!temp.path().join("it's new").try_exists().unwrap());
}

#[tokio::test]
async fn roots_that_cannot_be_used() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().display();
    std::fs::write(temp.path().join("file"), "").unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", temp.path().join("link")).unwrap();
    let wrong = cluster(&format!(
        "project_root = \"{root}/file/x\"\nscratch_root = \"{root}/link\""
    ));
    let checks = run(&wrong, &Link::to(temp.path()), None).await;
    let project = find(&checks, "project root");
    assert!(!project.ok && project.detail.ends_with("file is not a directory"));
    let scratch = find(&checks, "scratch root");
    assert!(!scratch.ok && scratch.detail.ends_with("is a link to nowhere"));

    // /proc refuses new files to everybody, root included.
    let refused = cluster("project_root = \"/proc\"\nscratch_root = \"$NOWHERE/x\"");
    let checks = run(&refused, &Link::to(temp.path()), None).await;
    let roots = find(&checks, "roots");
    assert!(
        !roots.ok && roots.detail.contains("$NOWHERE is not set"),
        "{roots:?}"
    );
    let refused = cluster("project_root = \"/proc\"\nscratch_root = \"/tmp\"");
    let checks = run(&refused, &Link::to(temp.path()), None).await;
    let project = find(&checks, "project root");
    assert!(!project.ok, "{project:?}");
    assert!(project.detail.starts_with("no file can be made in /"));
}

#[tokio::test]
async fn setup_lines_and_programs() {
    let temp = tempfile::tempdir().unwrap();
    let mut said = String::new();
    for lines_of in [
        "setup = [\"nosuchcommand load namd/9\"]\nlaunch = \"srun-none /opt/x/namd3 {config}\"",
        "setup = [\"echo lmod: no such module >&2\", \"exit 1\"]",
        "setup = [\"nosuchcommand load a\", \"true\"]\nlaunch = \"env {config}\"",
        "setup = [\"NAMD=/bin\", \"echo noise\"]\nlaunch = \"OMP=1 \\\"${NAMD}/sh\\\" {config}\"",
    ] {
        let checks = run(&cluster(lines_of), &Link::to(temp.path()), None).await;
        let last: Vec<Check> = checks
            .into_iter()
            .filter(|check| ["setup", "launch"].contains(&check.name.as_str()))
            .collect();
        said += &lines(&last);
        said.push('\n');
    }
    assert_snapshot!(said, @r#"
BAD setup: its last line failed with exit code 127: nosuchcommand: command not found -> Run the lines by hand in a login shell there, and correct setup in [clusters.hpc].
BAD launch: srun-none is not found after the lines of setup -> Load NAMD in setup (for instance setup = ["module load namd"]), or write the program's full path into launch, in [clusters.hpc]. On a site whose login nodes lack it, a job may still find it.
BAD launch: /opt/x/namd3 is not found after the lines of setup -> Load NAMD in setup (for instance setup = ["module load namd"]), or write the program's full path into launch, in [clusters.hpc]. On a site whose login nodes lack it, a job may still find it.

BAD setup: its lines ended the shell: lmod: no such module -> Run the lines by hand in a login shell there, and correct setup in [clusters.hpc].

ok  setup: its lines ran and said: nosuchcommand: command not found -> If that is an error, correct the lines; only the last one's success counts.
ok  launch: env is /usr/bin/env

ok  setup: its lines ran
ok  launch: "${NAMD}/sh" is /bin/sh
"#);
}

#[tokio::test]
async fn links_that_do_not_stand() {
    let cluster = cluster(
        "host = \"login.hpc.example.edu\"\nuser = \"you\"\nport = 2222\nproject_root = \"~/p\"\nscratch_root = \"/s\"",
    );
    let mut said = String::new();
    for failure in [
        TransportError::Unreachable("connection refused".into()),
        TransportError::AuthRequired("the server wants publickey".into()),
        TransportError::HostKey {
            message: "the host key is unknown (SHA256:abc)".into(),
            hint: "Compare it with the site's, then run ssh-keyscan.".into(),
        },
        TransportError::Lost("the connection broke".into()),
        TransportError::Timeout("no answer in 210 s".into()),
    ] {
        let mut link = Link::to(Path::new("/"));
        link.failure = Some(failure);
        said += &lines(&run(&cluster, &link, None).await);
    }
    assert_snapshot!(said, @r#"
BAD link: you@login.hpc.example.edu:2222: connection refused -> See whether `ssh -p 2222 you@login.hpc.example.edu` works from this machine. If it does not: is the VPN on, is `host` right in [clusters.hpc], is the site in maintenance?
BAD link: you@login.hpc.example.edu:2222: the server wants publickey -> Load your key into the agent (`ssh-add`) or name it as identity_files in [clusters.hpc]. A cluster that asks for a password or a code needs a place where you can be asked: `namdrunner doctor hpc` in a terminal, or an editor.
BAD host key: you@login.hpc.example.edu:2222: the host key is unknown (SHA256:abc) -> Compare it with the site's, then run ssh-keyscan.
BAD link: you@login.hpc.example.edu:2222: the connection broke -> The connection broke while the checks ran. Try again.
BAD link: you@login.hpc.example.edu:2222: no answer in 210 s -> The machine took the connection and did not finish the checks. A hanging file system or start-up file is the usual reason: log in by hand and see what hangs.
"#);
}

/// What a login node of a Slurm site prints, banner included.
const SITE: &str = "\
Last login: Mon Jan  5 09:00:00 2026 from 192.0.2.7

namdrunner-probe:begin=1
namdrunner-probe:shell=bash
namdrunner-probe:home=/home/you
namdrunner-probe:user=you
namdrunner-probe:uid=1234
namdrunner-probe:hostname=login2
namdrunner-probe:os=Rocky Linux 8.10 (Green Obsidian)
namdrunner-probe:setup=0
namdrunner-probe:path=/opt/slurm/bin:/usr/bin:/bin
namdrunner-probe:slurm_conf=
namdrunner-probe:env.SCRATCH=/lustre/you
namdrunner-probe:tool.tar=/usr/bin/tar
namdrunner-probe:tool.sha256sum=/usr/bin/sha256sum
namdrunner-probe:tool.sbatch=/opt/slurm/bin/sbatch
namdrunner-probe:version.sbatch=slurm 23.02.7
namdrunner-probe:tool.squeue=/opt/slurm/bin/squeue
namdrunner-probe:version.squeue=slurm 23.02.7
namdrunner-probe:tool.sacct=/opt/slurm/bin/sacct
namdrunner-probe:version.sacct=slurm 23.02.7
namdrunner-probe:tool.scancel=/opt/slurm/bin/scancel
namdrunner-probe:version.scancel=slurm 23.02.7
namdrunner-probe:scontrol.AccountingStorageType=accounting_storage/slurmdbd
namdrunner-probe:scontrol.ClusterName=blue
namdrunner-probe:scontrol.MinJobAge=300 sec
namdrunner-probe:squeue.exit=0
namdrunner-probe:squeue.jobs=3
namdrunner-probe:sacct.exit=0
namdrunner-probe:partitions=compute gpu debug
namdrunner-probe:root.project.dir=/home/you/namdrunner
namdrunner-probe:root.project.at=/home/you
namdrunner-probe:root.project.df=nfs1:/home 1048576000 734003200 314572800 70% /home
namdrunner-probe:root.project.state=new
namdrunner-probe:root.scratch.dir=/lustre/you/namdrunner
namdrunner-probe:root.scratch.at=/lustre/you/namdrunner
namdrunner-probe:root.scratch.df=10.0.0.1@o2ib:/lustre 900719925474 1 524288 99% /lustre my disk
namdrunner-probe:root.scratch.state=fine
namdrunner-probe:setup_lines=0
namdrunner-probe:program.0=/opt/slurm/bin/srun
namdrunner-probe:program.1=/apps/namd/3.0.1/namd3
namdrunner-probe:now=1767600000
namdrunner-probe:end=1
";

const SITE_LINES: &str = r#"host = "login.hpc.example.edu"
user = "you"
project_root = "~/namdrunner"
scratch_root = "$SCRATCH/namdrunner"
setup = ["module load namd/3.0.1"]
slurm_setup = ["module load slurm"]
launch = "srun namd3 {config} > {log} 2>&1"
resources.partition = "gpu,cpu"
"#;

fn judged(stdout: &str, stderr: &str) -> String {
    let output = Output {
        status: ExitStatus::Code(0),
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let asked = Timestamp::from_second(1_767_600_001).unwrap();
    lines(&judge(
        &cluster(SITE_LINES),
        &output,
        Duration::from_millis(1240),
        asked,
    ))
}

#[test]
fn a_site_in_good_health_but_for_a_partition() {
    assert_snapshot!(judged(SITE, ""), @r#"
ok  link: you@login.hpc.example.edu answered, login and all checks in 1.2 s
ok  login: you on login2 (Rocky Linux 8.10 (Green Obsidian))
ok  home: /home/you
ok  slurm_setup: its lines ran
ok  sbatch: /opt/slurm/bin/sbatch (23.02.7)
ok  squeue: /opt/slurm/bin/squeue (23.02.7)
ok  sacct: /opt/slurm/bin/sacct (23.02.7)
ok  scancel: /opt/slurm/bin/scancel (23.02.7)
ok  controller: cluster blue, 3 jobs of yours in the queue
ok  accounting: sacct answers
BAD partition: there is no partition cpu -> Choose one of: compute, gpu, debug; and write it as partition in [clusters.hpc.resources].
ok  project root: /home/you/namdrunner will be created, 300.0 GiB free
ok  scratch root: /lustre/you/namdrunner is writable, 512.0 MiB free -> That is little for a trajectory. Remove what is not needed, or choose another file system.
ok  tar: /usr/bin/tar
ok  sha256sum: /usr/bin/sha256sum
ok  setup: its lines ran
ok  launch: srun is /opt/slurm/bin/srun
ok  launch: namd3 is /apps/namd/3.0.1/namd3
"#);
}

#[test]
fn a_site_in_bad_health() {
    let ill = SITE
        .replace("shell=bash", "shell=plain")
        .replace("setup=0", "setup=1")
        .replace("now=1767600000", "now=1767603600")
        .replace("tool.sacct=/opt/slurm/bin/sacct", "tool.sacct=")
        .replace("version.scancel=slurm 23.02.7", "version.scancel=scancel: fatal: Could not establish a configuration source")
        .replace("squeue.exit=0", "squeue.exit=1")
        .replace("squeue.jobs=3", "squeue.error=slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
        .replace("sacct.exit=0", "sacct.exit=1\nnamdrunner-probe:sacct.error=Slurm accounting storage is disabled")
        .replace("tool.sha256sum=/usr/bin/sha256sum", "tool.sha256sum=")
        .replace("root.project.state=new", "root.project.state=refused")
        .replace(
            "root.scratch.state=fine",
            "root.scratch.state=refused\nnamdrunner-probe:root.scratch.error=sh: 1: cannot create /lustre/you/namdrunner/.namdrunner-probe.77: Disk quota exceeded",
        )
        .replace("program.1=/apps/namd/3.0.1/namd3", "program.1=");
    assert_snapshot!(judged(&ill, "Lmod has detected the following error: no module slurm\n"), @r#"
ok  link: you@login.hpc.example.edu answered, login and all checks in 1.2 s
ok  login: you on login2 (Rocky Linux 8.10 (Green Obsidian)), but a login shell did not come to its end -> A start-up file (~/.bash_profile, ~/.bashrc) ends or replaces the shell, or waits for an answer. Modules may be missing: let it do that in interactive shells only.
ok  clock: it is 3599 s ahead of this machine's -> Jobs are followed by the cluster's own clock, so this does no harm; times shown are the cluster's.
ok  home: /home/you
BAD slurm_setup: its last line failed with exit code 1: Lmod has detected the following error: no module slurm -> Run the lines by hand in a login shell there, and correct them in [clusters.hpc].
ok  sbatch: /opt/slurm/bin/sbatch (23.02.7)
ok  squeue: /opt/slurm/bin/squeue (23.02.7)
ok  sacct: it is not on the PATH of a login shell -> Ends are seen in the queue and by the marker that each job leaves. If the site does keep accounts, make sacct available in slurm_setup.
BAD scancel: /opt/slurm/bin/scancel says: scancel: fatal: Could not establish a configuration source -> It does not run as it should. Where it cannot find its configuration, write slurm_setup = ["export SLURM_CONF=/etc/slurm/slurm.conf"] with the site's file in [clusters.hpc].
BAD controller: squeue says: slurm_load_jobs error: Unable to contact slurm controller (connect failure) -> The controller is down or in maintenance: `scontrol ping` there, or the site's status page, says more.
ok  accounting: sacct says: Slurm accounting storage is disabled -> This site keeps no accounts. Ends are seen in the queue and by the marker that each job leaves; without either, a job ends as UNKNOWN. The queue shows a job for 300 s after its end.
BAD partition: there is no partition cpu -> Choose one of: compute, gpu, debug; and write it as partition in [clusters.hpc.resources].
BAD project root: no file can be made in /home/you: it is not writable for you -> Make it, or write another directory as project_root in [clusters.hpc].
BAD scratch root: no file can be made in /lustre/you/namdrunner: Disk quota exceeded -> Free some space there, or write another directory as scratch_root in [clusters.hpc].
ok  tar: /usr/bin/tar
BAD sha256sum: it is not on the PATH of a login shell -> It is part of every Linux (coreutils, tar, util-linux): ask the site's support, or have it installed.
ok  setup: its lines ran
ok  launch: srun is /opt/slurm/bin/srun
BAD launch: namd3 is not found after the lines of setup -> Load NAMD in setup (for instance setup = ["module load namd"]), or write the program's full path into launch, in [clusters.hpc]. On a site whose login nodes lack it, a job may still find it.
"#);
}

#[test]
fn a_shell_that_does_not_answer() {
    assert_snapshot!(judged("This account is currently not available.\n", ""), @r#"
ok  link: you@login.hpc.example.edu answered, login and all checks in 1.2 s
BAD login: The shell did not run the probe (exit code 0); it said: This account is currently not available. -> Log in by hand with ssh and see whether `sh` works there, and whether a start-up file ends the shell.
"#);
}

#[test]
fn what_config_toml_came_to() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().as_os_str().to_owned();
    let home = Home::locate(|_| Some(dir.clone()), &PlatformDirs::default()).unwrap();
    let check = config_check(&home, &Settings::load(&home));
    assert!(
        check.ok
            && check
                .detail
                .ends_with("does not exist: local; default local")
    );
    assert!(check.hint.is_some());
    std::fs::create_dir_all(home.config_file.parent().unwrap()).unwrap();
    std::fs::write(&home.config_file, "[clusters.x]\nhots = 1\n").unwrap();
    let check = config_check(&home, &Settings::load(&home));
    assert!(
        !check.ok && check.detail.contains("Did you mean `host`?"),
        "{check:?}"
    );
}

#[test]
fn programs_are_those_a_shell_can_look_up() {
    use super::script::programs;
    for (launch, expected) in [
        ("namd3 +p{cores} {config} > {log}", vec!["namd3"]),
        ("srun -n {ntasks} namd2 {config}", vec!["srun", "namd2"]),
        (
            "X=1 exec /opt/NAMD_3/namd3 {config}",
            vec!["/opt/NAMD_3/namd3"],
        ),
        ("\"$NAMD_DIR\"/namd3 {config}", vec![]),
        ("\"$NAMD_DIR/namd3\" {config}", vec!["\"$NAMD_DIR/namd3\""]),
        ("$(which namd3) {config}", vec![]),
        (
            "charmrun ++n 4 ${N}/namd2 {config}",
            vec!["charmrun", "${N}/namd2"],
        ),
    ] {
        assert_eq!(programs(launch), expected, "{launch}");
    }
}
