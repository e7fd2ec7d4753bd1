//! Logins that need a person, over the real wire: the test answers what the program asks, against an
//! sshd of its own that wants a password from PAM.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::rig::cluster_env;
use crate::support::client::Client;

/// What must be nowhere but in the answer to the question.
const SECRET: &str = "planted-Sesam-4711";

/// An sshd that asks for a password, with a home of the program that knows it as `test`.
struct Rig {
    dir: TempDir,
    sshd: Child,
    pam: PathBuf,
    port: u16,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        let _ = std::fs::remove_file(&self.pam);
    }
}

impl Rig {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let key = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(at("host_key"))
            .status();
        assert!(key.unwrap().success());
        // The password comes with a NUL at its end.
        let check = format!("#!/bin/sh\n[ \"$(tr -d '\\000')\" = '{SECRET}' ]\n");
        std::fs::write(at("check"), check).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(at("check"), mode).unwrap();
        // PAM knows a server by the name of its program. (pam_exec says nothing of credentials, and
        // without anybody's word on them PAM refuses; pam_permit says yes.)
        let name = format!("nrt-wire-{}", std::process::id());
        std::os::unix::fs::symlink("/usr/sbin/sshd", at(&name)).unwrap();
        let pam = Path::new("/etc/pam.d").join(&name);
        let service = format!(
            "auth required pam_exec.so quiet expose_authtok {}\n\
             auth required pam_permit.so\naccount required pam_permit.so\n\
             session required pam_permit.so\n",
            at("check").display()
        );
        std::fs::write(&pam, service).unwrap();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = port.local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nPidFile none\nUsePAM yes\nUseDNS no\n\
             KbdInteractiveAuthentication yes\nPasswordAuthentication no\n\
             PubkeyAuthentication no\nStrictModes no\nHostKey {}\n",
            at("host_key").display()
        );
        std::fs::write(at("sshd_config"), config).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let sshd = Command::new(at(&name))
            .args(["-D", "-e", "-f"])
            .arg(at("sshd_config"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(at("sshd_log")).unwrap())
            .spawn()
            .unwrap();
        let rig = Self {
            dir,
            sshd,
            pam,
            port,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "sshd did not start");
            std::thread::yield_now();
        }
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

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    fn client(&self) -> Client {
        let mut client = Client::spawn_with(&self.home(), |command| {
            command
                .env("NAMDRUNNER_LOG", "trace")
                .env_remove("SSH_AUTH_SOCK")
                .env("NAMDRUNNER_MIN_SYNC_SECONDS", "0.2");
        });
        client.at_ease();
        client
    }
}

async fn initialize(client: &mut Client, can_prompt: bool) {
    let options = json!({"initializationOptions": {"canPrompt": can_prompt}});
    client.request("initialize", options).await.unwrap();
    // Its answer says that from now on everything is told.
    client.request("subscribe", json!({})).await.unwrap();
}

/// The next question of this name: its id and what it tells.
async fn asked(client: &mut Client, name: &str) -> (Value, Value) {
    let mut question = client
        .take(|message| message["method"] == name && message.get("id").is_some())
        .await
        .expect("the server asks");
    (question["id"].take(), question["params"].take())
}

async fn answer(client: &mut Client, id: Value, result: Value) {
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
    client.send_text(&answer.to_string()).await;
}

/// Every file below a directory that holds a text.
fn holding(dir: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn what_a_login_asks_is_answered_by_the_client_and_kept_by_nobody() {
    let rig = Rig::new();
    let mut client = rig.client();
    initialize(&mut client, true).await;
    let connect = client.start("connect", json!({"cluster": "test"})).await;

    let (id, key) = asked(&mut client, "hostKeyPrompt").await;
    assert_eq!(
        (&key["cluster"], &key["state"]),
        (&json!("test"), &json!("new"))
    );
    assert!(
        key["fingerprint"].as_str().unwrap().starts_with("SHA256:"),
        "{key}"
    );
    answer(&mut client, id, json!({"accept": true})).await;

    let (id, first) = asked(&mut client, "authPrompt").await;
    assert_eq!(first["method"], "keyboard-interactive");
    assert_eq!(first["user"], json!(cluster_env("NRT_SSH_USER")));
    assert_eq!(
        first["prompts"],
        json!([{"text": "Password: ", "echo": false}])
    );
    assert_eq!(
        (&first["attempt"], &first["reason"]),
        (&json!(1), &json!(""))
    );
    answer(&mut client, id, json!({"answers": ["wrong"]})).await;

    let (id, second) = asked(&mut client, "authPrompt").await;
    assert_eq!(second["attempt"], 2);
    assert_eq!(second["reason"], "The last answer was refused.");
    answer(&mut client, id, json!({"answers": [SECRET]})).await;

    let status = client.answer(connect).await.unwrap();
    assert_eq!(status["health"], "ok");
    assert!(!status.to_string().contains(SECRET));
    assert!(rig.known_hosts().exists());
    client
        .expect_notification_where("clusterStatusChanged", |told| {
            told["status"]["health"] == "connecting"
        })
        .await;
    // What is connected asks no more.
    client
        .request("connect", json!({"cluster": "test"}))
        .await
        .unwrap();
    assert!(client.take_now("authPrompt").is_none());
    let stderr = client.stderr();
    assert!(!stderr.contains(SECRET), "{stderr}");
    assert_eq!(client.shut_down().await, 0);
    let expected = [rig.dir.path().join("check")];
    assert_eq!(holding(rig.dir.path(), SECRET), expected);
    // There was something to search.
    assert!(!holding(&rig.home(), "connected").is_empty());
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_question_is_withdrawn_with_the_request_it_is_for() {
    let rig = Rig::new();
    let mut client = rig.client();
    initialize(&mut client, true).await;
    let connect = client.start("connect", json!({"cluster": "test"})).await;
    let (id, _) = asked(&mut client, "hostKeyPrompt").await;
    answer(&mut client, id, json!({"accept": true})).await;
    let (id, _) = asked(&mut client, "authPrompt").await;
    client
        .notify("$/cancelRequest", json!({"id": connect}))
        .await;
    let error = client.answer(connect).await.unwrap_err();
    assert_eq!(error["code"], -32800, "{error}");
    let withdrawn = client.expect_notification("$/cancelRequest").await;
    assert_eq!(withdrawn["id"], id);
    // Too late: it changes nothing.
    answer(&mut client, id, json!({"answers": [SECRET]})).await;
    client.request("listClusters", json!({})).await.unwrap();
    assert_eq!(client.shut_down().await, 0);
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn who_cannot_answer_is_told_at_once_and_not_asked() {
    let rig = Rig::new();
    let key = std::fs::read_to_string(rig.dir.path().join("host_key.pub")).unwrap();
    let line = format!("[127.0.0.1]:{} {key}", rig.port);
    std::fs::write(rig.known_hosts(), line).unwrap();
    let mut client = rig.client();
    initialize(&mut client, false).await;
    for _ in 0..2 {
        let error = client
            .request("connect", json!({"cluster": "test"}))
            .await
            .unwrap_err();
        assert_eq!(error["data"]["kind"], "authRequired", "{error}");
        assert!(
            error["data"]["hint"]
                .as_str()
                .unwrap()
                .contains("call connect"),
            "{error}"
        );
    }
    assert!(client.take_now("authPrompt").is_none());
    assert_eq!(client.shut_down().await, 0);
}
