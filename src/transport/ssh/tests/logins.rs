use std::path::PathBuf;
use std::process::{Child, Command as Process};

use tempfile::TempDir;

use super::server::{Server, public};
use super::*;
use crate::transport::contract::{eventually, ssh_settings};

fn host_key(error: TransportError) -> (String, String) {
    match error {
        TransportError::HostKey { message, hint } => (message, hint),
        other => panic!("{other:?}"),
    }
}

fn needs_you(error: TransportError) -> String {
    match error {
        TransportError::AuthRequired(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn an_unknown_host_is_refused_with_its_fingerprint() {
    let server = Server::start("");
    let file = server.dir.path().join("new % file");
    let settings = SshSettings {
        known_hosts: vec![file.clone()],
        ..settings(&server, server.port)
    };
    let (message, hint) = host_key(refusal(settings.clone()).await);
    assert!(
        message.contains(&server.fingerprint("ed25519")),
        "{message}"
    );
    assert!(!file.exists(), "nothing is written without being asked");
    // The command of the hint does what it says: it records the key where we look.
    let command = hint.split('`').nth(1).unwrap();
    let settled = format!(
        "{command} -o StrictHostKeyChecking=accept-new -o BatchMode=yes -i '{}' true",
        settings.identity_files[0].display()
    );
    assert!(
        Process::new("sh")
            .args(["-c", &settled])
            .status()
            .unwrap()
            .success(),
        "{settled}"
    );
    assert_eq!(run(&Ssh::new(settings), "echo in").await.unwrap(), "in\n");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_changed_or_revoked_key_is_refused() {
    let server = Server::start("");
    let other = server.dir.path().join("other");
    make_key(&other, "ed25519", "");
    let place = format!("[127.0.0.1]:{}", server.port);
    let judged = async |text: String| {
        let file = server.dir.path().join("book");
        std::fs::write(&file, text).unwrap();
        let settings = SshSettings {
            known_hosts: vec![file],
            ..settings(&server, server.port)
        };
        host_key(refusal(settings).await)
    };
    let (message, hint) = judged(format!("\n{place} {}\n", public(&other))).await;
    assert!(
        message.contains("CHANGED") && message.contains("line 2"),
        "{message}"
    );
    assert!(
        message.contains(&server.fingerprint("ed25519")),
        "{message}"
    );
    assert!(hint.contains("ssh-keygen -R"), "{hint}");
    let (message, hint) = judged(format!("@revoked * {}\n", server.public("ed25519"))).await;
    assert!(message.contains("revoked"), "{message}");
    assert!(!hint.contains("ssh-keygen"), "{hint}");
    assert_eq!(server.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn the_recorded_type_of_key_is_asked_for() {
    let server = Server::start("");
    let file = server.dir.path().join("book");
    let line = format!("[127.0.0.1]:{} {}\n", server.port, server.public("rsa"));
    std::fs::write(&file, line).unwrap();
    let with = |server: &Server| SshSettings {
        known_hosts: vec![file.clone()],
        ..settings(server, server.port)
    };
    assert_eq!(
        run(&Ssh::new(with(&server)), "echo in").await.unwrap(),
        "in\n"
    );

    let other = Server::with_keys("", &["ed25519"]);
    let line = format!("[127.0.0.1]:{} {}\n", other.port, server.public("rsa"));
    std::fs::write(&file, line).unwrap();
    let (message, _) = host_key(refusal(with(&other)).await);
    assert!(
        message.contains("another type") && message.contains("ssh-rsa"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_login_that_needs_a_person_says_what_for() {
    let server = Server::start("PasswordAuthentication yes\nKbdInteractiveAuthentication yes");
    let dir = TempDir::new().unwrap();
    let stranger = dir.path().join("stranger");
    make_key(&stranger, "ed25519", "");
    let with = |files: Vec<PathBuf>| SshSettings {
        identity_files: files,
        ..settings(&server, server.port)
    };
    let text = needs_you(refusal(with(vec![stranger.clone()])).await);
    assert!(
        text.contains("no key was accepted") && text.contains("stranger"),
        "{text}"
    );
    assert!(
        text.contains("publickey") && text.contains("password"),
        "{text}"
    );

    // Every form in which a key can be protected.
    let locked = dir.path().join("locked one");
    make_key(&locked, "ed25519", "secret");
    let pem = dir.path().join("pem");
    make_key(&pem, "rsa", "secret");
    let converted = |format: &str| {
        let done = Process::new("ssh-keygen")
            .args([
                "-q", "-p", "-P", "secret", "-N", "secret", "-m", format, "-f",
            ])
            .arg(&pem)
            .status();
        assert!(done.unwrap().success());
    };
    for (file, format) in [
        (&locked, None),
        (&pem, None),
        (&pem, Some("PEM")),
        (&pem, Some("PKCS8")),
    ] {
        if let Some(format) = format {
            converted(format);
        }
        let text = needs_you(refusal(with(vec![file.clone()])).await);
        assert!(text.contains("has a passphrase"), "{format:?}: {text}");
        assert!(text.contains("ssh-add"), "{text}");
    }
    let text = needs_you(refusal(with(vec![locked.clone()])).await);
    assert!(
        text.contains("locked one'` and try again"),
        "quoted: {text}"
    );

    let text = needs_you(refusal(with(vec![dir.path().join("missing")])).await);
    assert!(text.contains("missing: No such file"), "{text}");
    let text = needs_you(refusal(with(vec![dir.path().join("stranger.pub")])).await);
    assert!(text.contains("not a usable private key"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn keys_of_every_type_log_in() {
    let dir = TempDir::new().unwrap();
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let list = dir.path().join("authorized_keys");
    let server = Server::start(&format!("AuthorizedKeysFile {}", list.display()));
    for (kind, format) in [
        ("ed25519", None),
        ("ecdsa", None),
        ("rsa", None),
        ("rsa", Some("PEM")),
        ("rsa", Some("PKCS8")),
    ] {
        let key = dir.path().join(format!("{kind}{format:?}"));
        make_key(&key, kind, "");
        if let Some(format) = format {
            let done = Process::new("ssh-keygen")
                .args(["-q", "-p", "-N", "", "-m", format, "-f"])
                .arg(&key)
                .status();
            assert!(done.unwrap().success());
        }
        std::fs::write(&list, public(&key)).unwrap();
        let settings = SshSettings {
            identity_files: vec![key],
            ..settings(&server, server.port)
        };
        assert_eq!(
            run(&Ssh::new(settings), "echo in").await.unwrap(),
            "in\n",
            "{kind} {format:?}"
        );
    }
}

/// An agent of the test's own.
struct Agent {
    process: Child,
    dir: TempDir,
}

impl Agent {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let process = Process::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(dir.path().join("socket"))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { process, dir };
        // 1: it answers that it holds no keys; 2: it does not answer.
        let answers = || {
            let list = Process::new("ssh-add")
                .arg("-l")
                .env("SSH_AUTH_SOCK", agent.socket())
                .output();
            list.unwrap().status.code() == Some(1)
        };
        eventually("the agent", || async { answers() }).await;
        agent
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Locks it with a passphrase.
    fn lock(&self) {
        let asks = self.dir.path().join("asks");
        std::fs::write(&asks, "#!/bin/sh\necho secret\n").unwrap();
        std::fs::set_permissions(&asks, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let locked = Process::new("ssh-add")
            .args(["-q", "-x"])
            .env("SSH_AUTH_SOCK", self.socket())
            .env("SSH_ASKPASS", &asks)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", ":0")
            .stdin(std::process::Stdio::null())
            .status();
        assert!(locked.unwrap().success());
    }

    fn add(&self, key: &Path) {
        let added = Process::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", self.socket())
            .status();
        assert!(added.unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn the_agent_logs_in_and_a_named_key_goes_first() {
    let server = Server::start("LogLevel VERBOSE");
    let agent = Agent::start().await;
    let ours = ssh_settings().identity_files[0].clone();
    let with = |files: Vec<PathBuf>| SshSettings {
        use_agent: true,
        agent_socket: Some(agent.socket()),
        identity_files: files,
        ..settings(&server, server.port)
    };
    // A key the agent holds works although its file cannot be read without a passphrase.
    let copy = agent.dir.path().join("copy");
    std::fs::copy(&ours, &copy).unwrap();
    agent.add(&copy);
    let done = Process::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "secret", "-f"])
        .arg(&copy)
        .status();
    assert!(done.unwrap().success());
    assert_eq!(
        run(&Ssh::new(with(vec![copy.clone()])), "echo in")
            .await
            .unwrap(),
        "in\n"
    );

    // Six strangers before it use up the server's patience, unless the right one is named.
    let crowd = Agent::start().await;
    for n in 0..7 {
        let stranger = crowd.dir.path().join(format!("stranger{n}"));
        make_key(&stranger, "ed25519", "");
        crowd.add(&stranger);
    }
    crowd.add(&ours);
    let with = |files: Vec<PathBuf>| SshSettings {
        agent_socket: Some(crowd.socket()),
        ..with(files)
    };
    let text = needs_you(refusal(with(Vec::new())).await);
    assert!(
        text.contains("identity_files") && text.contains("Too many"),
        "{text}"
    );
    assert_eq!(
        run(&Ssh::new(with(vec![ours])), "echo in").await.unwrap(),
        "in\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_missing_or_locked_agent_is_told_of_and_passed_over() {
    let server = Server::start("");
    let agent = Agent::start().await;
    let ours = ssh_settings().identity_files[0].clone();
    let stranger = agent.dir.path().join("stranger");
    make_key(&stranger, "ed25519", "");
    let with = |socket: PathBuf, file: &Path| SshSettings {
        use_agent: true,
        agent_socket: Some(socket),
        identity_files: vec![file.to_owned()],
        ..settings(&server, server.port)
    };
    let nowhere = agent.dir.path().join("nowhere");
    assert_eq!(
        run(&Ssh::new(with(nowhere.clone(), &ours)), "echo in")
            .await
            .unwrap(),
        "in\n"
    );
    let text = needs_you(refusal(with(nowhere, &stranger)).await);
    assert!(text.contains("the SSH agent does not answer"), "{text}");

    agent.add(&ours);
    agent.lock();
    let text = needs_you(refusal(with(agent.socket(), &stranger)).await);
    assert!(text.contains("is locked"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_second_factor_is_asked_for_after_the_key() {
    let server =
        Server::start("PasswordAuthentication yes\nAuthenticationMethods publickey,password");
    let text = needs_you(refusal(settings(&server, server.port)).await);
    assert!(
        text.contains("a key was accepted") && text.contains("password"),
        "{text}"
    );
}
