//! The ways ssh's own settings lead to a host, and certificates.

use std::process::Command as Process;

use tempfile::TempDir;

use super::server::{Server, public};
use super::*;
use crate::transport::contract::ssh_settings;

/// Settings of ssh in a file, and what of a cluster leaves everything to them.
struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    /// A block for a server, under an alias.
    fn host(&self, alias: &str, server: &Server, more: &str) -> String {
        self.host_at(alias, server, server.port, more)
    }

    /// The same, through another port.
    fn host_at(&self, alias: &str, server: &Server, port: u16, more: &str) -> String {
        let ours = ssh_settings();
        let book = self.dir.path().join(format!("book-{alias}"));
        std::fs::copy(server.known_hosts(port), &book).unwrap();
        format!(
            "Host {alias}\n  HostName 127.0.0.1\n  Port {port}\n  User {}\n  IdentityFile {}\n  \
             IdentitiesOnly yes\n  UserKnownHostsFile {}\n  {more}\n",
            ours.user.unwrap(),
            ours.identity_files[0].display(),
            book.display()
        )
    }

    fn settings(&self, alias: &str, text: &str) -> SshSettings {
        let config = self.dir.path().join("config");
        std::fs::write(&config, text).unwrap();
        SshSettings {
            config: SshConfig::File(config),
            use_agent: false,
            open_spacing: Duration::ZERO,
            ..SshSettings::new(alias)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn an_alias_leads_over_other_hosts() {
    let (gate, second, hpc) = (Server::start(""), Server::start(""), Server::start(""));
    let files = Files::new();
    let text = [
        files.host("gate", &gate, ""),
        files.host("second", &second, ""),
        files.host("hpc", &hpc, "ProxyJump gate,second"),
        files.host("closed", &hpc, "ProxyJump gate"),
    ]
    .concat();
    for program in ["ssh", "/nowhere/ssh"] {
        let ssh = Ssh::new(SshSettings {
            ssh_program: program.into(),
            ..files.settings("hpc", &text)
        });
        // Whom the server sees come is the host before it.
        assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n", "{program}");
        ssh.close().await;
    }
    assert_eq!((gate.logins(), second.logins(), hpc.logins()), (2, 2, 2));

    let shut = Server::start("AllowTcpForwarding no");
    let text = [
        files.host("gate", &shut, ""),
        files.host("hpc", &hpc, "ProxyJump gate"),
    ]
    .concat();
    let error = refusal(files.settings("hpc", &text)).await;
    assert!(
        matches!(&error, TransportError::Unreachable(text) if text.contains("gate") && text.contains("does not lead on")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_host_on_the_way_that_dies_is_noticed() {
    let (gate, hpc) = (Server::start(""), Server::start(""));
    let proxy = super::proxy::Proxy::start(gate.port, Duration::ZERO)
        .await
        .unwrap();
    let files = Files::new();
    let text = [
        files.host_at("gate", &gate, proxy.port(), ""),
        files.host("hpc", &hpc, "ProxyJump gate"),
    ]
    .concat();
    let ssh = Ssh::new(files.settings("hpc", &text));
    assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n");
    let lost = ssh.lost();
    proxy.cut();
    tokio::time::timeout(SOON, lost)
        .await
        .expect("its end is noticed");
    assert!(!ssh.connected());
    assert_eq!(run(&ssh, "echo again").await.unwrap(), "again\n");
    assert_eq!((gate.logins(), hpc.logins()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_command_leads_there_and_its_complaints_are_told() {
    let hpc = Server::start("");
    let files = Files::new();
    let command = "ProxyCommand bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3'";
    let text = files.host("hpc", &hpc, command);
    for program in ["ssh", "/nowhere/ssh"] {
        let settings = SshSettings {
            ssh_program: program.into(),
            ..files.settings("hpc", &text)
        };
        assert_eq!(
            run(&Ssh::new(settings), "echo in").await.unwrap(),
            "in\n",
            "{program}"
        );
    }
    let text = files.host(
        "hpc",
        &hpc,
        "ProxyCommand sh -c 'echo no ticket >&2; exit 1'",
    );
    let error = refusal(files.settings("hpc", &text)).await;
    assert!(
        matches!(&error, TransportError::Unreachable(text) if text.contains("no ticket")),
        "{error:?}"
    );
}

fn keygen(arguments: &[&str], key: &Path) {
    let done = Process::new("ssh-keygen")
        .arg("-q")
        .args(arguments)
        .arg(key)
        .status();
    assert!(done.unwrap().success(), "{arguments:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn certificates_of_users_log_in() {
    let dir = TempDir::new().unwrap();
    let authority = dir.path().join("authority");
    make_key(&authority, "ed25519", "");
    let authority = authority.to_str().unwrap();
    let server = Server::start(&format!(
        "TrustedUserCAKeys {authority}.pub\nAuthorizedKeysFile none"
    ));
    let user = ssh_settings().user.unwrap();
    let with = |key: &Path, config: &str| {
        let file = dir.path().join("config");
        std::fs::write(&file, config).unwrap();
        SshSettings {
            identity_files: vec![key.to_owned()],
            config: SshConfig::File(file),
            ..settings(&server, server.port)
        }
    };
    for kind in ["ed25519", "rsa"] {
        // Beside its key.
        let key = dir.path().join(kind);
        make_key(&key, kind, "");
        let public = format!("{}.pub", key.display());
        keygen(
            &["-s", authority, "-I", "beside", "-n", &user],
            Path::new(&public),
        );
        assert_eq!(
            run(&Ssh::new(with(&key, "")), "echo in").await.unwrap(),
            "in\n",
            "{kind}"
        );
    }
    // Named elsewhere.
    let key = dir.path().join("ed25519");
    let beside = dir.path().join("ed25519-cert.pub");
    let named = dir.path().join("named.pub");
    std::fs::rename(&beside, &named).unwrap();
    let config = format!("CertificateFile {}\n", named.display());
    assert_eq!(
        run(&Ssh::new(with(&key, &config)), "echo in")
            .await
            .unwrap(),
        "in\n"
    );
    // One that has expired is not offered, and said.
    let public = format!("{}.pub", key.display());
    let expired = [
        "-s",
        authority,
        "-I",
        "old",
        "-n",
        &user,
        "-V",
        "20200101:20200102",
    ];
    keygen(&expired, Path::new(&public));
    let error = refusal(with(&key, "")).await;
    assert!(
        matches!(&error, TransportError::AuthRequired(text) if text.contains("\"old\" expired at 2020-01-0")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn certificates_of_hosts_are_known_by_their_authority() {
    let dir = TempDir::new().unwrap();
    let authority = dir.path().join("authority");
    make_key(&authority, "ed25519", "");
    let sign = |server: &Server, name: &str, validity: &str| {
        let key = server.dir.path().join("host_ed25519.pub");
        let signer = authority.to_str().unwrap();
        keygen(
            &["-s", signer, "-h", "-I", "host", "-n", name, "-V", validity],
            &key,
        );
    };
    let server = Server::prepared("HostCertificate {dir}/host_ed25519-cert.pub", |server| {
        make_key(&server.join("host_ed25519"), "ed25519", "");
        let key = server.join("host_ed25519.pub");
        let signer = authority.to_str().unwrap();
        keygen(&["-s", signer, "-h", "-I", "host", "-n", "127.0.0.1"], &key);
    });
    let file = dir.path().join("book");
    let with = |text: &str| {
        std::fs::write(&file, text).unwrap();
        SshSettings {
            known_hosts: vec![file.clone()],
            ..settings(&server, server.port)
        }
    };
    let known = format!("@cert-authority [127.0.0.1]:* {}\n", public(&authority));
    assert_eq!(
        run(&Ssh::new(with(&known)), "echo in").await.unwrap(),
        "in\n"
    );
    // One that is revoked, one for elsewhere, one that is over: not known.
    let revoked = format!("{known}@revoked * {}\n", public(&authority));
    let error = refusal(with(&revoked)).await;
    assert!(
        matches!(&error, TransportError::HostKey { message, .. } if message.contains("revoked")),
        "{error:?}"
    );
    let elsewhere = known.replace("127.0.0.1", "*.example.org");
    let error = refusal(with(&elsewhere)).await;
    assert!(
        matches!(&error, TransportError::HostKey { .. }),
        "{error:?}"
    );
    for (name, validity, part) in [
        (
            "other.example.org",
            "-1h:+1h",
            "it is for other.example.org",
        ),
        ("127.0.0.1", "20200101:20200102", "it has expired"),
    ] {
        sign(&server, name, validity);
        server.reload();
        let error = refusal(with(&known)).await;
        assert!(
            matches!(&error, TransportError::HostKey { message, .. } if message.contains(part)),
            "{error:?}"
        );
    }
}
