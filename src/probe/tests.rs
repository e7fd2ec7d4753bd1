//! The probe, run by real shells with real and with odd profiles; and pasted answers.

use std::path::Path;
use std::process::{Command as Process, Stdio};

use insta::assert_snapshot;

use super::*;
use crate::config::{Settings, Surroundings};
use crate::shell::{Command, ExitStatus};

fn cluster(lines: &str) -> Cluster {
    let text = format!("[clusters.t]\n{lines}\n");
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

/// Runs a command as a transport does, in an environment of its own.
fn run(command: &Command, shell: &str, home: &Path, path: &str) -> Output {
    let mut process = Process::new(shell);
    process
        .args(["-c", &command.exec_line()])
        .env_clear()
        .env("HOME", home)
        .env("USER", "you")
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = process.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &command.stdin()).unwrap();
    let out = child.wait_with_output().unwrap();
    Output {
        status: out
            .status
            .code()
            .map_or(ExitStatus::Signal("?".into()), ExitStatus::Code),
        stdout: out.stdout,
        stderr: out.stderr,
    }
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn probe(cluster: &Cluster, home: &Path) -> Result<RemoteFacts, BadProbe> {
    parse_probe(&run(&probe_command(cluster), "sh", home, PATH))
}

/// A directory with the few programs the probe itself needs, and what else is asked for.
fn small_path(temp: &Path, fakes: &[(&str, &str)]) -> String {
    let bin = temp.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for tool in [
        "sh", "dd", "cat", "id", "date", "tr", "head", "uname", "tar",
    ] {
        let real = ["/bin", "/usr/bin"]
            .iter()
            .map(|dir| Path::new(dir).join(tool))
            .find(|path| path.exists())
            .unwrap();
        let link = bin.join(tool);
        if !link.exists() {
            std::os::unix::fs::symlink(real, link).unwrap();
        }
    }
    for (name, script) in fakes {
        let file = bin.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&file, mode).unwrap();
    }
    bin.display().to_string()
}

#[test]
fn this_machine_answers() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = cluster("");
    let before = Timestamp::now();
    let facts = probe(&cluster, temp.path()).unwrap();
    assert_eq!(facts.home.as_str(), temp.path().to_str().unwrap());
    let user = Process::new("id").arg("-un").output().unwrap().stdout;
    assert_eq!(facts.user, String::from_utf8_lossy(&user).trim());
    assert!(facts.has_tar());
    assert!(Path::new(facts.tool("tar")).is_absolute());
    assert!(!facts.hostname.is_empty());
    assert!(!facts.os.is_empty());
    assert!((-1..=30).contains(&facts.clock_offset(before)));
    assert_eq!(facts.controller, None);
}

#[test]
fn every_login_shell_gives_the_same_answer() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = cluster("slurm_setup = []\nscheduler = \"slurm\"");
    let command = probe_command(&cluster);
    let asked = |shell: &str| {
        let mut facts = parse_probe(&run(&command, shell, temp.path(), PATH)).unwrap();
        facts.now = Timestamp::UNIX_EPOCH;
        facts
    };
    let with_sh = asked("sh");
    for shell in ["bash", "dash", "tcsh", "csh", "zsh", "ksh", "fish"] {
        let there = Process::new(shell)
            .args(["-c", "true"])
            .stderr(Stdio::null())
            .status();
        if there.is_ok() {
            assert_eq!(asked(shell), with_sh, "{shell}");
        }
    }
}

#[test]
fn a_profile_may_be_noisy() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(
        temp.path().join(".bash_profile"),
        r#"
echo "*** Welcome to HPC ***"
printf 'Quota: 93%% used> '
echo "warning: something" >&2
read answer
alias id='echo no'
shopt -s expand_aliases
set -u
export SCRATCH="/lustre/a b/$USER"
export PATH="/opt/site's/bin:$PATH"
export SLURM_CONF=/etc/other.conf
"#,
    )
    .unwrap();
    let cluster = cluster("scratch_root = \"$SCRATCH/namd\"");
    let facts = probe(&cluster, temp.path()).unwrap();
    assert_eq!(facts.login, LoginShell::Bash);
    assert_eq!(facts.env["SCRATCH"], "/lustre/a b/you");
    assert_eq!(
        facts.roots(&cluster).unwrap().1.as_str(),
        "/lustre/a b/you/namd"
    );
    assert!(facts.path.starts_with("/opt/site's/bin:"));
    assert_eq!(facts.slurm_conf.as_deref(), Some("/etc/other.conf"));
}

#[test]
fn a_profile_that_ends_or_replaces_the_shell_does_not_hide_the_machine() {
    for profile in ["exit 0", "exec sh -c 'echo gone'", "kill -9 $$", "return 3"] {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join(".bash_profile"), profile).unwrap();
        let facts = probe(&cluster(""), temp.path()).unwrap();
        let expected = if profile.starts_with("return") {
            LoginShell::Bash
        } else {
            LoginShell::Plain
        };
        assert_eq!(facts.login, expected, "{profile}");
    }
}

#[test]
fn without_bash_the_profile_is_read_by_sh() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join(".profile"), "export WORK=/work/you\n").unwrap();
    let path = small_path(temp.path(), &[]);
    // /etc/profile of this machine may replace PATH; the profile under test puts it back.
    std::fs::write(
        temp.path().join(".profile"),
        format!("export WORK=/work/you PATH={path}\n"),
    )
    .unwrap();
    let cluster = cluster("scratch_root = \"${WORK}/namd\"");
    let output = run(&probe_command(&cluster), "/bin/sh", temp.path(), &path);
    let facts = parse_probe(&output).unwrap();
    assert_eq!(facts.login, LoginShell::Sh);
    assert_eq!(facts.env["WORK"], "/work/you");
    assert!(facts.has_tar());
    assert!(!facts.has_sha256sum());
    assert_eq!(facts.tool("flock"), "flock");
}

#[test]
fn slurms_commands_are_found_after_the_set_up_lines() {
    let temp = tempfile::tempdir().unwrap();
    let fakes = temp.path().join("slurm");
    let dir = small_path(
        &fakes,
        &[
            ("sbatch", "echo slurm-wlm 22.05.8"),
            ("squeue", "echo slurm-wlm 22.05.8"),
            ("sacct", "echo 'sacct: fatal: no config' >&2; exit 1"),
            (
                "scontrol",
                "cat <<'E'\nConfiguration data as of 2026-01-02T03:04:05\nAccountingStorageType   = accounting_storage/slurmdbd\nClusterName             = blue\nMinJobAge               = 300 sec\nMaxArraySize            = 1001\nSlurmctldLogFile        = (null)\nE",
            ),
        ],
    );
    let cluster = cluster(&format!(
        "scheduler = \"slurm\"\nslurm_setup = [\"echo loading\", \"PATH={dir}:$PATH\", \"export LD_LIBRARY_PATH=/opt/slurm/lib\"]"
    ));
    let facts = probe(&cluster, temp.path()).unwrap();
    assert_eq!(facts.setup_exit, 0);
    assert_eq!(facts.tool("sbatch"), format!("{dir}/sbatch"));
    assert_eq!(facts.slurm_version.as_deref(), Some("22.05.8"));
    assert_eq!(facts.tools["sacct"].version_number(), None);
    assert_eq!(
        facts.controller,
        Some(Controller {
            cluster_name: Some("blue".into()),
            min_job_age: Some(300),
            accounting: Some("accounting_storage/slurmdbd".into()),
            max_array_size: Some(1001),
        })
    );
    assert_eq!(facts.carried["LD_LIBRARY_PATH"], "/opt/slurm/lib");
}

#[test]
fn set_up_lines_that_fail_or_end_the_shell_are_told_apart() {
    let temp = tempfile::tempdir().unwrap();
    let failing = cluster("scheduler = \"slurm\"\nslurm_setup = [\"module load nothing\"]");
    assert_ne!(probe(&failing, temp.path()).unwrap().setup_exit, 0);
    let ending = cluster("scheduler = \"slurm\"\nslurm_setup = [\"exit 4\"]");
    let error = probe(&ending, temp.path()).unwrap_err();
    assert!(
        error.what.contains("slurm_setup ended the shell"),
        "{error}"
    );
}

#[test]
fn a_controller_that_does_not_answer_is_quoted() {
    let temp = tempfile::tempdir().unwrap();
    let dir = small_path(
        temp.path(),
        &[(
            "scontrol",
            "echo 'slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        )],
    );
    let cluster = cluster(&format!(
        "scheduler = \"slurm\"\nslurm_setup = [\"PATH={dir}:$PATH\"]"
    ));
    let facts = probe(&cluster, temp.path()).unwrap();
    assert_eq!(facts.controller, None);
    assert!(
        facts
            .controller_error
            .unwrap()
            .contains("Unable to contact")
    );
}

#[test]
fn the_prelude_gives_a_plain_shell_what_the_login_shell_had() {
    let temp = tempfile::tempdir().unwrap();
    let mut facts = probe(&cluster(""), temp.path()).unwrap();
    facts.path = "/usr/bin:/bin:/odd 'place'/$(touch x)".into();
    facts.slurm_conf = Some("/etc/s l.conf".into());
    facts.carried.insert("LD_LIBRARY_PATH".into(), "/l".into());
    let script = format!(
        "{}env | grep -E '^(PATH|SLURM_CONF|LD_LIBRARY_PATH)=' | sort\n",
        remote_prelude(&facts)
    );
    let output = run(&Command::read("test", script), "sh", temp.path(), PATH);
    assert_snapshot!(output.text(), @r#"
LD_LIBRARY_PATH=/l
PATH=/usr/bin:/bin:/odd 'place'/$(touch x)
SLURM_CONF=/etc/s l.conf
"#);
}

#[test]
fn broken_answers_say_what_to_do() {
    let answer = |stdout: &str, stderr: &str| Output {
        status: ExitStatus::Code(1),
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let mut said = String::new();
    for output in [
        answer("This account is not available.\n", ""),
        answer("", "sh: not found\n"),
        answer(
            "namdrunner-probe:begin=1\nnamdrunner-probe:home=/home/you\n",
            "",
        ),
        answer(
            "namdrunner-probe:begin=1\nnamdrunner-probe:setup=0\n",
            "Killed\n",
        ),
        answer("namdrunner-probe:begin=1\nnamdrunner-probe:end=1\n", ""),
        answer(
            "namdrunner-probe:begin=1\nnamdrunner-probe:home=nowhere\nnamdrunner-probe:end=1\n",
            "",
        ),
    ] {
        let error = parse_probe(&output).unwrap_err();
        let _ = writeln!(said, "{} {}", error.what, error.hint);
    }
    assert_snapshot!(said, @r#"
The shell did not run the probe (exit code 1); it said: This account is not available. Log in by hand with ssh and see whether `sh` works there, and whether a start-up file ends the shell.
The shell did not run the probe (exit code 1); it said: sh: not found. Log in by hand with ssh and see whether `sh` works there, and whether a start-up file ends the shell.
The lines of slurm_setup ended the shell. Run the lines of slurm_setup by hand in a login shell there, and correct them in config.toml.
The probe broke off (exit code 1); it said: Killed. Try again; if it stays so, see what the machine's commands print by hand.
The machine did not say its home directory. Log in by hand with ssh and see what `id; date +%s; echo $HOME` prints.
The home directory there cannot be used: the path "nowhere" is not absolute. Write absolute directories as project_root and scratch_root, and set HOME there.
"#);
}

proptest::proptest! {
    #[test]
    fn no_answer_panics(text in "((namdrunner-probe:)?(begin|end|home|now|uid|user|path|tool.x|setup|scontrol.MinJobAge)=\\PC{0,8}\n){0,12}") {
        let output = Output { stdout: text.into_bytes(), ..Output::default() };
        let _ = parse_probe(&output);
    }
}
