//! An sshd of a test's own, and a home of the program that knows it as `test`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use tempfile::TempDir;

use super::super::rig::cluster_env;
use crate::support::client::Client;

/// What must be nowhere but in the answer to the question.
pub(super) const SECRET: &str = "planted-Sesam-4711";

/// What makes the codes, and how the authenticator writes it.
const CODES: &[u8] = b"12345678901234567890";
const CODES_32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A password, asked for by keyboard-interactive.
const PASSWORD: (&str, &str) = (
    "KbdInteractiveAuthentication yes\nPubkeyAuthentication no\n",
    // (pam_exec says nothing of credentials, and without anybody's word on them PAM refuses;
    // pam_permit says yes.)
    "auth required pam_exec.so quiet expose_authtok {dir}/check\nauth required pam_permit.so\n\
     account required pam_permit.so\nsession required pam_permit.so\n",
);

/// The same, and then a code that changes every 30 s.
const PASSWORD_AND_CODE: (&str, &str) = (
    PASSWORD.0,
    "auth required pam_exec.so quiet expose_authtok {dir}/check\n\
     auth required pam_google_authenticator.so secret={dir}/codes user=root no_strict_owner\n\
     account required pam_permit.so\nsession required pam_permit.so\n",
);

/// A key, which is `{dir}/key`.
const KEY: (&str, &str) = (
    "PubkeyAuthentication yes\nKbdInteractiveAuthentication no\n\
     AuthorizedKeysFile {dir}/key.pub\n",
    "account required pam_permit.so\nsession required pam_permit.so\n",
);

/// The sshd and the home.
pub(super) struct Rig {
    pub(super) dir: TempDir,
    sshd: Child,
    pam: PathBuf,
    pub(super) port: u16,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        let _ = std::fs::remove_file(&self.pam);
    }
}

/// The code of now (RFC 6238).
pub(super) fn code() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let counter = (now.as_secs() / 30).to_be_bytes();
    let mac = Hmac::<Sha1>::new_from_slice(CODES).unwrap();
    let hash = mac.chain_update(counter).finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let four: [u8; 4] = hash[at..at + 4].try_into().unwrap();
    let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000;
    format!("{number:06}")
}

fn free_port() -> u16 {
    // (Closed when this returns.)
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts sshd under a name of its own; none if the port is taken.
fn start(dir: &Path, name: &str, port: u16, lines: &str) -> Option<Child> {
    let config = format!(
        "{lines}ListenAddress 127.0.0.1\nPort {port}\nPidFile none\nUsePAM yes\nUseDNS no\n\
         PasswordAuthentication no\nStrictModes no\nHostKey {}\n",
        dir.join("host_key").display()
    );
    let file = dir.join("sshd_config");
    std::fs::write(&file, config).unwrap();
    let log = dir.join("sshd_log");
    let mut sshd = Command::new(dir.join(name))
        .args(["-D", "-e", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !said().contains("Server listening") {
        if sshd.try_wait().unwrap().is_some() {
            assert!(said().contains("already in use"), "{}", said());
            return None;
        }
        assert!(Instant::now() < deadline, "sshd did not start: {}", said());
        std::thread::yield_now();
    }
    Some(sshd)
}

fn make_key(path: &Path) {
    let key = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status();
    assert!(key.unwrap().success());
}

impl Rig {
    /// One that asks for [`SECRET`].
    pub(super) fn new() -> Self {
        Self::asking(PASSWORD)
    }

    /// One that asks for [`SECRET`] and then for [`code`].
    pub(super) fn with_code() -> Self {
        Self::asking(PASSWORD_AND_CODE)
    }

    /// One that takes the key at [`Rig::key`] alone.
    pub(super) fn with_key() -> Self {
        Self::asking(KEY)
    }

    fn asking((lines, service): (&str, &str)) -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mode = std::fs::Permissions::from_mode;
        // (The user of the server reads the key's list of it.)
        std::fs::set_permissions(dir.path(), mode(0o755)).unwrap();
        make_key(&at("host_key"));
        make_key(&at("key"));
        // The password comes with a NUL at its end.
        let check = format!("#!/bin/sh\n[ \"$(tr -d '\\000')\" = '{SECRET}' ]\n");
        std::fs::write(at("check"), check).unwrap();
        std::fs::set_permissions(at("check"), mode(0o755)).unwrap();
        std::fs::write(at("codes"), format!("{CODES_32}\n\" TOTP_AUTH\n")).unwrap();
        std::fs::set_permissions(at("codes"), mode(0o400)).unwrap();
        // PAM knows a server by the name of its program.
        let name = format!("nrt-wire-{}", std::process::id());
        std::os::unix::fs::symlink("/usr/sbin/sshd", at(&name)).unwrap();
        let pam = Path::new("/etc/pam.d").join(&name);
        let put_in = |text: &str| text.replace("{dir}", dir.path().to_str().unwrap());
        std::fs::write(&pam, put_in(service)).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        // A port that was free may be another's by the time that it is used.
        let (port, sshd) = (0..20)
            .find_map(|_| {
                let port = free_port();
                let started = start(dir.path(), &name, port, &put_in(lines));
                started.map(|sshd| (port, sshd))
            })
            .expect("a port");
        let rig = Self {
            dir,
            sshd,
            pam,
            port,
        };
        rig.configure();
        rig
    }

    fn configure(&self) {
        let config = self.home().join("config");
        std::fs::create_dir_all(&config).unwrap();
        let text = format!(
            "default_cluster = \"test\"\n[clusters.test]\nhost = \"127.0.0.1\"\nport = {}\n\
             user = \"{}\"\nknown_hosts = [\"{}\"]\nssh_config = \"none\"\n\
             scheduler = \"direct\"\nproject_root = \"~/nrt-login\"\n\
             scratch_root = \"~/nrt-login\"\nsync_interval = 1\n",
            self.port,
            cluster_env("NRT_SSH_USER"),
            self.known_hosts().display(),
        );
        std::fs::write(config.join("config.toml"), text).unwrap();
    }

    pub(super) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    /// The key that one of them takes.
    pub(super) fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// Records the host's key, so that nobody is asked about it.
    pub(super) fn know_the_host(&self) {
        let key = std::fs::read_to_string(self.dir.path().join("host_key.pub")).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", self.port);
        std::fs::write(self.known_hosts(), line).unwrap();
    }

    /// What the sshd has logged.
    pub(super) fn sshd_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("sshd_log")).unwrap()
    }

    /// A server of its own.
    pub(super) fn client(&self) -> Client {
        let mut client = Client::spawn_with(&self.home(), surroundings);
        client.at_ease();
        client
    }

    /// Through the daemon, with more environment.
    pub(super) fn through_daemon(&self, with: impl FnOnce(&mut tokio::process::Command)) -> Client {
        let mut client = Client::through_daemon_with(&self.home(), |command| {
            surroundings(command);
            with(command);
        });
        client.at_ease();
        client
    }
}

fn surroundings(command: &mut tokio::process::Command) {
    command
        .env("NAMDRUNNER_LOG", "trace")
        .env_remove("SSH_AUTH_SOCK")
        .env("NAMDRUNNER_MIN_SYNC_SECONDS", "0.2");
}
