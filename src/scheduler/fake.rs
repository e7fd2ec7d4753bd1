//! A machine in a temporary directory, with a Slurm of shell scripts if need be, and a way to run
//! our commands on it as a transport would.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use crate::scheduler::{Launch, Resources, Tag};
use crate::shell::{Command, ExitStatus, Output, RemotePath};

/// A temporary machine: programs in `bin`, everything else in the other directories.
pub(super) struct Machine {
    dir: tempfile::TempDir,
    login_shell: &'static str,
    only_own_programs: bool,
}

impl Machine {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["bin", "home", "project/job/input_files", "scratch"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        Self {
            dir,
            login_shell: "sh",
            only_own_programs: false,
        }
    }

    /// Another login shell than sh.
    pub(super) fn with_login_shell(mut self, shell: &'static str) -> Self {
        self.login_shell = shell;
        self
    }

    /// Another `sh`: dash, bash, busybox.
    pub(super) fn with_sh(self, program: &Path) -> Self {
        symlink(program, self.path("bin/sh")).unwrap();
        self
    }

    /// A machine that has these programs and no others.
    pub(super) fn with_only(mut self, programs: &[&str]) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        for program in programs {
            let found = path
                .split(':')
                .map(|dir| Path::new(dir).join(program))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{program} is not installed"));
            let _ = symlink(found, self.path(&format!("bin/{program}")));
        }
        self.only_own_programs = true;
        self.login_shell = "/bin/sh";
        self
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(super) fn remote(&self, relative: &str) -> RemotePath {
        RemotePath::parse(self.path(relative).to_str().unwrap()).unwrap()
    }

    pub(super) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_default()
    }

    /// Puts a program on the PATH. It finds the machine's directory in `$M`.
    pub(super) fn program(&self, name: &str, body: &str) {
        let path = self.path(&format!("bin/{name}"));
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// An sbatch that counts its calls and then does this.
    pub(super) fn sbatch(&self, body: &str) {
        self.program(
            "sbatch",
            &format!(
                "printf '%s\\n' \"$@\" >\"$M/sbatch.args\"\necho call >>\"$M/sbatch.calls\"\n{body}"
            ),
        );
    }

    pub(super) fn sbatch_calls(&self) -> usize {
        self.read("sbatch.calls").lines().count()
    }

    /// Runs a command as a transport does: the line to the login shell, the rest to its input.
    pub(super) fn run(&self, command: &Command) -> Output {
        self.run_with(command, &command.stdin())
    }

    /// The same with another input.
    pub(super) fn run_with(&self, command: &Command, stdin: &[u8]) -> Output {
        let mut path = self.path("bin").display().to_string();
        if !self.only_own_programs {
            path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
        }
        let mut child = Process::new(self.login_shell)
            .args(["-c", &command.exec_line()])
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("M", self.dir.path())
            .env("SQUEUE_PARTITION", "debug")
            .env("SBATCH_WAIT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = stdin.to_vec();
        let writer = std::thread::spawn(move || {
            // A shell that ends early closes the pipe.
            let _ = input.write_all(&bytes);
        });
        let out = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Output {
            status: out
                .status
                .code()
                .map_or_else(|| ExitStatus::Signal("KILL".into()), ExitStatus::Code),
            stdout: out.stdout,
            stderr: out.stderr,
        }
    }

    /// A launch on this machine.
    pub(super) fn launch(&self) -> Launch {
        self.write("project/job/input_files/common/x.psf", "psf\n");
        self.write("project/job/input_files/run/ubq.namd", "run 1\n");
        Launch {
            project_dir: self.remote("project/job"),
            work_dir: self.remote("scratch/job/1"),
            ..launch()
        }
    }
}

/// A launch with a bit of everything.
pub(super) fn launch() -> Launch {
    Launch {
        job_id: "ubq_01hf3v8k5w2q0c9m7n4r6t1x8z".into(),
        job_name: "Ubiquitin in water".into(),
        attempt: 1,
        tag: Tag::parse("k3j5h2g8").unwrap(),
        project_dir: RemotePath::parse("/home/me/ubq_01hf3v8k5w2q0c9m7n4r6t1x8z").unwrap(),
        work_dir: RemotePath::parse("/scratch/me/ubq_01hf3v8k5w2q0c9m7n4r6t1x8z/1").unwrap(),
        config: "run/ubq.namd".into(),
        log: "run/ubq.log".into(),
        output_dirs: vec!["run/out".into()],
        resources: Resources {
            nodes: Some(1),
            ntasks: Some(8),
            walltime: Some(3600),
            partition: Some("main".into()),
            ..Resources::default()
        },
        setup: Vec::new(),
        slurm_setup: Vec::new(),
        array: None,
        command: "namd3 +p{cores} {config} >{log}".into(),
        requeue: false,
        max_running: 1,
        asked: r#"{"schema":1,"name":"it's"}"#.into(),
        take_over: false,
    }
}

/// The shells that `sh` may be, as far as they are installed here. Each as a program that takes
/// `-c` and `-s` (busybox goes by the name it is called with).
pub(super) fn shells() -> Vec<PathBuf> {
    [
        "/bin/dash",
        "/bin/bash",
        "/bin/busybox",
        "/bin/mksh",
        "/bin/ksh",
        "/bin/yash",
    ]
    .iter()
    .map(PathBuf::from)
    .filter(|path| path.exists())
    .collect()
}
