//! An `sshd` of a test's own, so that it can be configured and hurt. Needs to be root, as the test
//! cluster does.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::make_key;

/// A running server; dropping it ends it.
pub(super) struct Server {
    pub(super) port: u16,
    /// Holds its keys (`host_ed25519`, `host_rsa`) and logs.
    pub(super) dir: TempDir,
    process: Child,
    _pam: Option<PamService>,
}

/// A PAM service of the test's own; removed when dropped.
struct PamService(PathBuf);

impl Drop for PamService {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Server {
    /// Starts a server whose logins ask PAM, with these lines as its service. They may name
    /// `{dir}`, which `prepare` can fill.
    pub(super) fn with_pam(lines: &str, pam: &str, prepare: impl FnOnce(&Path)) -> Self {
        // PAM knows a server by the name of its program.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nrt-sshd-{}-{count}", std::process::id());
        let dir = TempDir::new().unwrap();
        prepare(dir.path());
        let program = dir.path().join(&name);
        std::os::unix::fs::symlink("/usr/sbin/sshd", &program).unwrap();
        let service = PamService(Path::new("/etc/pam.d").join(&name));
        let text = pam.replace("{dir}", dir.path().to_str().unwrap());
        std::fs::write(&service.0, text).unwrap();
        let lines = format!("UsePAM yes\n{lines}");
        Self::run(dir, &program, &lines, &["ed25519", "rsa"], Some(service))
    }

    /// Starts a server with these lines first in its configuration, where they win.
    pub(super) fn start(lines: &str) -> Self {
        Self::with_keys(lines, &["ed25519", "rsa"])
    }

    /// Starts a server with host keys of these types only.
    pub(super) fn with_keys(lines: &str, kinds: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        Self::run(dir, Path::new("/usr/sbin/sshd"), lines, kinds, None)
    }

    /// Starts a server whose directory is filled before; its lines may name it as `{dir}`.
    pub(super) fn prepared(lines: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::new().unwrap();
        prepare(dir.path());
        let lines = lines.replace("{dir}", dir.path().to_str().unwrap());
        let program = Path::new("/usr/sbin/sshd");
        Self::run(dir, program, &lines, &["ed25519", "rsa"], None)
    }

    /// Has it read its configuration and its host keys anew: it starts itself again, and listens
    /// when it has.
    pub(super) fn reload(&self) {
        let before = self.log().matches("Server listening").count();
        let hup = Command::new("kill")
            .arg("-HUP")
            .arg(self.process.id().to_string())
            .status();
        assert!(hup.unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.log().matches("Server listening").count() == before {
            assert!(
                Instant::now() < deadline,
                "sshd did not reload: {}",
                self.log()
            );
            std::thread::yield_now();
        }
    }

    fn run(
        dir: TempDir,
        program: &Path,
        lines: &str,
        kinds: &[&str],
        pam: Option<PamService>,
    ) -> Self {
        for kind in kinds {
            let key = dir.path().join(format!("host_{kind}"));
            if !key.exists() {
                make_key(&key, kind, "");
            }
        }
        // Where Debian's sshd wants to be; made by its service otherwise.
        std::fs::create_dir_all("/run/sshd").unwrap();
        // A port that was free may be another's by the time that it is used.
        let (port, process) = (0..20)
            .find_map(|_| {
                let port = free_port();
                let started = Self::listen(dir.path(), program, port, lines, kinds);
                started.map(|process| (port, process))
            })
            .expect("a port");
        Self {
            port,
            dir,
            process,
            _pam: pam,
        }
    }

    /// Starts it; none if the port is taken.
    fn listen(dir: &Path, program: &Path, port: u16, lines: &str, kinds: &[&str]) -> Option<Child> {
        let mut config = format!(
            "{lines}\nListenAddress 127.0.0.1\nPort {port}\nPidFile none\nUsePAM no\nUseDNS no\n\
             PasswordAuthentication no\nStrictModes no\nMaxStartups 200\n"
        );
        for kind in kinds {
            let key = dir.join(format!("host_{kind}"));
            writeln!(config, "HostKey {}", key.display()).unwrap();
        }
        let file = dir.join("config");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut process = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(dir.join("log")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !said().contains("Server listening") {
            if process.try_wait().unwrap().is_some() {
                assert!(said().contains("already in use"), "{}", said());
                return None;
            }
            assert!(Instant::now() < deadline, "sshd did not start: {}", said());
            std::thread::yield_now();
        }
        Some(process)
    }

    /// A file that records the server's keys under this port.
    pub(super) fn known_hosts(&self, port: u16) -> PathBuf {
        let mut text = String::new();
        for kind in ["ed25519", "rsa"] {
            if self.dir.path().join(format!("host_{kind}")).exists() {
                writeln!(text, "[127.0.0.1]:{port} {}", self.public(kind)).unwrap();
            }
        }
        let file = self.dir.path().join(format!("known_hosts_{port}"));
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The public host key of a type: its type and its blob.
    pub(super) fn public(&self, kind: &str) -> String {
        public(&self.dir.path().join(format!("host_{kind}")))
    }

    /// The fingerprint of a host key, as `ssh-keygen` has it.
    pub(super) fn fingerprint(&self, kind: &str) -> String {
        let key = self.dir.path().join(format!("host_{kind}.pub"));
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(key)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }

    /// What it logged so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// How many logins it accepted.
    pub(super) fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    /// How many connections it was asked for. Needs `LogLevel VERBOSE`.
    pub(super) fn connections(&self) -> usize {
        self.log().matches("Connection from").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Type and blob of the public half of a key file.
pub(super) fn public(key: &Path) -> String {
    let text = std::fs::read_to_string(format!("{}.pub", key.display())).unwrap();
    let mut words = text.split(' ');
    format!("{} {}", words.next().unwrap(), words.next().unwrap().trim())
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
