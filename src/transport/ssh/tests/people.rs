//! Logins that need a person.

use std::process::Command as Process;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use tempfile::TempDir;

use super::person::Person;
use super::server::{Server, public};
use super::*;
use crate::transport::contract::{eventually, ssh_settings};

const PASSWORD: &str = "correct horse";
/// `SECRET` in base 32, as the authenticator keeps it.
const SECRET: &[u8] = b"12345678901234567890";
const SECRET_32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A password, checked without an account of this machine having one.
const PAM_PASSWORD: &str = "\
auth required pam_exec.so quiet expose_authtok {dir}/check
account required pam_permit.so
session required pam_permit.so
";
/// A password and then a code that changes every 30 s.
const PAM_CODE: &str = "\
auth required pam_exec.so quiet expose_authtok {dir}/check
auth required pam_google_authenticator.so secret={dir}/totp user=root no_strict_owner
account required pam_permit.so
session required pam_permit.so
";
/// The code alone.
const PAM_CODE_ALONE: &str = "\
auth required pam_google_authenticator.so secret={dir}/totp user=root no_strict_owner
account required pam_permit.so
session required pam_permit.so
";

fn prepare(dir: &Path) {
    let executable = |name: &str, text: String, mode| {
        let file = dir.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .unwrap();
    };
    // The password comes with a NUL at its end.
    let check = format!("#!/bin/sh\n[ \"$(tr -d '\\000')\" = '{PASSWORD}' ]\n");
    executable("check", check, 0o755);
    executable("totp", format!("{SECRET_32}\n\" TOTP_AUTH\n"), 0o400);
}

/// The code of now (RFC 6238).
fn code() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let counter = (now.as_secs() / 30).to_be_bytes();
    let mac = Hmac::<Sha1>::new_from_slice(SECRET).unwrap();
    let hash = mac.chain_update(counter).finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let four: [u8; 4] = hash[at..at + 4].try_into().unwrap();
    let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000;
    format!("{number:06}")
}

/// Without any key.
fn without_keys(server: &Server) -> SshSettings {
    SshSettings {
        identity_files: vec!["/nowhere".into()],
        cluster: "alpha".into(),
        ..settings(server, server.port)
    }
}

async fn log_in(ssh: &Ssh, person: &std::sync::Arc<Person>) -> Result<(), TransportError> {
    ssh.connect(Some(person.clone())).await
}

fn needs_you(result: Result<impl Sized, TransportError>) -> String {
    match result {
        Err(TransportError::AuthRequired(text)) => text,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it logged in"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_password_logs_in_and_is_asked_of_people_alone() {
    let server = Server::with_pam(
        "LogLevel VERBOSE\nPasswordAuthentication yes\nKbdInteractiveAuthentication no",
        PAM_PASSWORD,
        prepare,
    );
    let ssh = Ssh::new(without_keys(&server));
    // A look that nobody waits for asks nobody.
    let text = needs_you(run(&ssh, "true").await);
    assert!(
        text.contains("the server offers") && text.contains("password"),
        "{text}"
    );
    let person = Person::saying(&["wrong", PASSWORD]);
    log_in(&ssh, &person).await.unwrap();
    assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n");
    let user = ssh_settings().user.unwrap();
    let prompt = format!("Password of {user} on 127.0.0.1: ");
    assert_eq!(
        person.prompts(),
        format!("password 1: {prompt}\npassword 2: {prompt}\n")
    );
    {
        let asked = person.asked.lock().unwrap();
        assert_eq!(
            (asked[0].cluster.as_str(), asked[0].reason.as_str()),
            ("alpha", "")
        );
        assert_eq!(asked[1].reason, "The last answer was refused.");
        assert!(!asked[0].prompts[0].echo);
    }
    // One that stands asks nothing, and a new one again nobody but people.
    log_in(&ssh, &person).await.unwrap();
    assert_eq!(person.asked.lock().unwrap().len(), 2);
    ssh.close().await;
    needs_you(run(&ssh, "true").await);
    assert_eq!(person.asked.lock().unwrap().len(), 2);
    // Three wrong ones are the end.
    let person = Person::saying(&["a", "b", "c", PASSWORD]);
    let text = needs_you(log_in(&ssh, &person).await);
    assert!(
        text.contains("the answers were refused (password)"),
        "{text}"
    );
    assert_eq!(person.asked.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_password_and_a_code_log_in_by_rounds() {
    let server = Server::with_pam("KbdInteractiveAuthentication yes", PAM_CODE, prepare);
    let ssh = Ssh::new(without_keys(&server));
    let wrong_once = std::sync::atomic::AtomicBool::new(true);
    let person = Person::answering(move |ask| {
        let prompts = ask.prompts.iter();
        let answer = |text: &str| match text {
            "Password: " => PASSWORD.to_owned(),
            _ if wrong_once.swap(false, Ordering::SeqCst) => "000000".to_owned(),
            _ => code(),
        };
        Some(prompts.map(|prompt| answer(&prompt.text)).collect())
    });
    log_in(&ssh, &person).await.unwrap();
    assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n");
    assert_eq!(
        person.prompts(),
        "keyboard-interactive 1: Password: \n\
         keyboard-interactive 1: Verification code: \n\
         keyboard-interactive 2: Password: \n\
         keyboard-interactive 2: Verification code: \n"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_key_and_then_a_code_log_in() {
    let server = Server::with_pam(
        "KbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive",
        PAM_CODE_ALONE,
        prepare,
    );
    let ssh = Ssh::new(settings(&server, server.port));
    let text = needs_you(run(&ssh, "true").await);
    assert!(text.contains("a key was accepted"), "{text}");
    let person = Person::answering(|_| Some(vec![code()]));
    log_in(&ssh, &person).await.unwrap();
    assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n");
    let asked = person.asked.lock().unwrap();
    assert!(
        asked[0].reason.contains("first step was accepted"),
        "{:?}",
        asked[0]
    );
    assert_eq!(asked.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn passphrases_open_keys_of_every_format() {
    let dir = TempDir::new().unwrap();
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let list = dir.path().join("authorized_keys");
    let server = Server::start(&format!("AuthorizedKeysFile {}", list.display()));
    for (kind, format, with_public) in [
        ("ed25519", None, true),
        ("rsa", None, false),
        ("rsa", Some("PEM"), true),
        ("rsa", Some("PEM"), false),
        ("rsa", Some("PKCS8"), true),
        ("rsa", Some("PKCS8"), false),
    ] {
        let case = format!("{kind} {format:?} {with_public}");
        let key = dir.path().join(&case);
        make_key(&key, kind, "secret");
        if let Some(format) = format {
            let done = Process::new("ssh-keygen")
                .args([
                    "-q", "-p", "-P", "secret", "-N", "secret", "-m", format, "-f",
                ])
                .arg(&key)
                .status();
            assert!(done.unwrap().success());
        }
        std::fs::write(&list, public(&key)).unwrap();
        if !with_public {
            std::fs::remove_file(dir.path().join(format!("{case}.pub"))).unwrap();
        }
        let ssh = Ssh::new(SshSettings {
            identity_files: vec![key.clone()],
            ..settings(&server, server.port)
        });
        let person = Person::saying(&["wrong", "secret"]);
        log_in(&ssh, &person).await.unwrap();
        assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n", "{case}");
        let prompt = format!("Passphrase of {}: ", key.display());
        assert_eq!(
            person.prompts(),
            format!("passphrase 1: {prompt}\npassphrase 2: {prompt}\n")
        );
    }
    // Nobody is asked for the passphrase of a key that the server does not take.
    let stranger = dir.path().join("stranger");
    make_key(&stranger, "ed25519", "secret");
    let ssh = Ssh::new(SshSettings {
        identity_files: vec![stranger],
        ..settings(&server, server.port)
    });
    let person = Person::saying(&["secret"]);
    let text = needs_you(log_in(&ssh, &person).await);
    assert!(text.contains("no key was accepted"), "{text}");
    assert_eq!(person.prompts(), "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_new_host_is_asked_about_once_and_recorded() {
    let server = Server::start("");
    let file = server.dir.path().join("ssh/known_hosts");
    let config = server.dir.path().join("ssh_config");
    std::fs::write(&config, "HashKnownHosts yes\n").unwrap();
    let with = || SshSettings {
        known_hosts: vec![file.clone()],
        config: SshConfig::File(config.clone()),
        cluster: "alpha".into(),
        ..settings(&server, server.port)
    };
    let doubtful = Person::saying(&[]);
    let refused = log_in(&Ssh::new(with()), &doubtful).await;
    assert!(
        matches!(refused, Err(TransportError::HostKey { .. })),
        "{refused:?}"
    );
    assert!(!file.exists());

    let person = Person::trusting();
    let ssh = Ssh::new(with());
    log_in(&ssh, &person).await.unwrap();
    assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n");
    let asked = person.keys.lock().unwrap().clone();
    let asked = match asked.as_slice() {
        [one] => one,
        other => panic!("{other:?}"),
    };
    assert_eq!(asked.fingerprint, server.fingerprint("ed25519"));
    assert_eq!(
        (asked.port, asked.known_fingerprint.as_deref()),
        (server.port, None)
    );
    assert_eq!(asked.algorithm, "ssh-ed25519");
    // It is recorded, hashed as the settings want it, and ssh finds it too.
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("|1|") && !text.contains("127.0.0.1"),
        "{text}"
    );
    let place = format!("[127.0.0.1]:{}", server.port);
    let found = Process::new("ssh-keygen")
        .args(["-F", &place, "-f"])
        .arg(&file)
        .output();
    assert!(found.unwrap().status.success());
    assert_eq!(run(&Ssh::new(with()), "echo in").await.unwrap(), "in\n");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_changed_host_key_is_shown_and_refused_whatever_is_answered() {
    let server = Server::start("");
    let other = server.dir.path().join("other");
    make_key(&other, "ed25519", "");
    let file = server.dir.path().join("book");
    let line = format!("[127.0.0.1]:{} {}\n", server.port, public(&other));
    std::fs::write(&file, &line).unwrap();
    let ssh = Ssh::new(SshSettings {
        known_hosts: vec![file.clone()],
        ..settings(&server, server.port)
    });
    let person = Person::trusting();
    let refused = log_in(&ssh, &person).await;
    assert!(
        matches!(&refused, Err(TransportError::HostKey { message, .. }) if message.contains("CHANGED")),
        "{refused:?}"
    );
    eventually("the notice", || async {
        !person.keys.lock().unwrap().is_empty()
    })
    .await;
    assert!(person.keys.lock().unwrap()[0].known_fingerprint.is_some());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), line);
    assert_eq!(server.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn questions_are_withdrawn_with_who_waits_and_with_the_servers_patience() {
    let server = Server::with_pam(
        "PasswordAuthentication yes\nKbdInteractiveAuthentication no\nLoginGraceTime 2",
        PAM_PASSWORD,
        prepare,
    );
    let ssh = Ssh::new(without_keys(&server));
    let person = Person::silent();
    // The server ends the login.
    let text = needs_you(log_in(&ssh, &person).await);
    assert!(text.contains("the server ended the login"), "{text}");
    assert_eq!(person.withdrawn.load(Ordering::SeqCst), 1);
    // Whoever waited goes away.
    {
        let mut waiting = std::pin::pin!(log_in(&ssh, &person));
        let asked = eventually("the question", || async {
            person.asked.lock().unwrap().len() == 2
        });
        tokio::select! {
            result = &mut waiting => panic!("{result:?}"),
            () = asked => {}
        }
    }
    eventually("the withdrawal", || async {
        person.withdrawn.load(Ordering::SeqCst) == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_person_can_come_to_an_attempt_that_is_under_way() {
    // What nobody waits for begins; its login is held up by the network.
    let server = Server::with_pam(
        "LogLevel VERBOSE\nPasswordAuthentication yes\nKbdInteractiveAuthentication no",
        PAM_PASSWORD,
        prepare,
    );
    let proxy = super::proxy::Proxy::start(server.port, Duration::from_millis(100))
        .await
        .unwrap();
    let ssh = std::sync::Arc::new(Ssh::new(SshSettings {
        identity_files: vec!["/nowhere".into()],
        ..settings(&server, proxy.port())
    }));
    let silent = tokio::spawn({
        let ssh = std::sync::Arc::clone(&ssh);
        async move { run(&ssh, "echo in").await }
    });
    eventually("the connection", || async { server.connections() == 1 }).await;
    let person = Person::saying(&[PASSWORD]);
    log_in(&ssh, &person).await.unwrap();
    assert_eq!(silent.await.unwrap().unwrap(), "in\n");
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn too_many_attempts_are_told_as_the_server_tells_them() {
    let server = Server::with_pam(
        "PasswordAuthentication yes\nKbdInteractiveAuthentication no\nMaxAuthTries 2",
        PAM_PASSWORD,
        prepare,
    );
    let ssh = Ssh::new(without_keys(&server));
    let person = Person::saying(&["a", "b", "c"]);
    let text = needs_you(log_in(&ssh, &person).await);
    assert!(text.contains("Too many authentication failures"), "{text}");
}

/// A password of the system's own, in its files.
const PAM_SYSTEM: &str = "\
auth required pam_unix.so
account required pam_unix.so
password required pam_unix.so
session required pam_permit.so
";

/// A user of this machine whose password has expired; removed when dropped.
struct Expired(String);

impl Expired {
    fn new(number: u32) -> Self {
        let account = Self(format!("nrtx{number}x{}", std::process::id()));
        let add = ["--no-create-home", "--home-dir", "/", "--shell", "/bin/sh"];
        account.root("useradd", &add);
        let mut set = Process::new("chpasswd")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let line = format!("{}:{PASSWORD}\n", account.0);
        let mut input = set.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, line.as_bytes()).unwrap();
        drop(input);
        assert!(set.wait().unwrap().success());
        account.root("chage", &["--lastday", "0"]);
        account
    }

    fn root(&self, program: &str, arguments: &[&str]) {
        let done = Process::new(program).args(arguments).arg(&self.0).status();
        assert!(done.unwrap().success(), "{program}");
    }

    fn settings(&self, server: &Server) -> SshSettings {
        SshSettings {
            user: Some(self.0.clone()),
            ..without_keys(server)
        }
    }
}

impl Drop for Expired {
    fn drop(&mut self) {
        let _ = Process::new("userdel").arg("--force").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_password_that_has_expired_is_changed_at_the_login() {
    let account = Expired::new(1);
    let server = Server::with_pam("KbdInteractiveAuthentication yes", PAM_SYSTEM, prepare);
    let ssh = Ssh::new(account.settings(&server));
    let person = Person::answering(|ask| {
        let answer = |text: &str| match text {
            text if text.to_ascii_lowercase().contains("new") => "staple-4711-battery".to_owned(),
            _ => PASSWORD.to_owned(),
        };
        Some(ask.prompts.iter().map(|it| answer(&it.text)).collect())
    });
    log_in(&ssh, &person).await.unwrap();
    assert_eq!(run(&ssh, "echo in").await.unwrap(), "in\n");
    let prompts = person.prompts();
    assert!(prompts.contains("New password: "), "{prompts}");
    // From now on it is the new one.
    let again = Ssh::new(account.settings(&server));
    let person = Person::answering(|ask| {
        let answers = ask.prompts.iter().map(|_| "staple-4711-battery".to_owned());
        Some(answers.collect())
    });
    log_in(&again, &person).await.unwrap();
    assert_eq!(run(&again, "echo in").await.unwrap(), "in\n");
    assert_eq!(person.asked.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_password_that_has_expired_is_told_where_it_cannot_be_changed() {
    let account = Expired::new(2);
    let server = Server::with_pam(
        "PasswordAuthentication yes\nKbdInteractiveAuthentication no",
        PAM_SYSTEM,
        prepare,
    );
    let ssh = Ssh::new(account.settings(&server));
    let person = Person::saying(&[PASSWORD]);
    log_in(&ssh, &person).await.unwrap();
    for _ in 0..2 {
        let text = needs_you(run(&ssh, "echo in").await);
        assert!(
            text.contains("has expired") || text.contains("no key to offer"),
            "{text}"
        );
    }
    let text = needs_you(log_in(&ssh, &Person::saying(&["wrong", "wrong", "wrong"])).await);
    assert!(text.contains("the answers were refused"), "{text}");
}
