//! How it is found and started, and that there is one.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Inside, Place, exists, signal, until};
use crate::support::client::{Client, binary, program};
use namdrunner::engine::owner;

/// How many clients start at the same moment.
const CLIENTS: usize = 10;

/// Starts clients at the same moment; gives the daemons they say they have.
async fn launch_at_once(place: &Place) -> BTreeSet<u64> {
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|_| Client::through_daemon(&place.home()))
        .collect();
    let mut daemons = BTreeSet::new();
    for client in &mut clients {
        let told = client.initialize().await;
        daemons.insert(told["namdrunner"]["daemonPid"].as_u64().unwrap());
    }
    for client in clients {
        assert_eq!(client.shut_down().await, 0);
    }
    daemons
}

async fn rounds(rounds: usize) {
    let place = Place::new();
    for round in 0..rounds {
        let daemons = launch_at_once(&place).await;
        assert_eq!(daemons.len(), 1, "round {round}: {daemons:?}");
        // Half of the rounds meet what a daemon leaves that was killed, and half of those that one
        // is just ending.
        match round % 4 {
            0 | 1 => signal(u32::try_from(*daemons.first().unwrap()).unwrap(), "KILL"),
            2 => place.until_free().await,
            _ => {}
        }
    }
    place.until_free().await;
}

#[tokio::test]
async fn ten_clients_at_once_start_one_daemon() {
    rounds(8).await;
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn ten_clients_at_once_start_one_daemon_a_hundred_times() {
    rounds(100).await;
}

#[tokio::test]
async fn it_has_a_session_of_its_own_and_nothing_of_the_terminal() {
    let place = Place::new();
    let editor = place.editor().await;
    let pid = place.daemon();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The fields behind the name: state, parent, group, session, terminal.
    let (name, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    assert_eq!(
        (fields[2], fields[3]),
        (pid.to_string().as_str(), pid.to_string().as_str())
    );
    assert_eq!(fields[4], "0", "no terminal");
    assert!(name.contains("namdrunner"), "{name}");
    for descriptor in 0..3 {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
        assert_eq!(target.to_str().unwrap(), "/dev/null", "{descriptor}");
    }
    assert_eq!(
        std::fs::read_link(format!("/proc/{pid}/cwd"))
            .unwrap()
            .to_str(),
        Some("/")
    );
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
    let socket = owner::noted(&place.data_dir());
    assert!(socket.is_none(), "the note is of nobody any more");
}

#[tokio::test]
async fn a_runtime_directory_that_was_wiped_is_made_again() {
    let place = Place::new();
    let mut first = place.editor().await;
    let pid = place.daemon();
    std::fs::remove_dir_all(place.home().join("run")).unwrap();
    let mut second = place.editor().await;
    assert_eq!(place.daemon(), pid, "the same");
    for client in [&mut first, &mut second] {
        assert!(client.request("listJobs", json!({})).await.is_ok());
    }
    assert_eq!(first.shut_down().await, 0);
    assert_eq!(second.shut_down().await, 0);
    place.until_free().await;
    let sockets = std::fs::read_dir(place.home().join("run")).unwrap().count();
    assert_eq!(sockets, 0, "the socket is taken away");
}

#[tokio::test]
async fn a_home_with_a_long_name_has_its_socket_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("x".repeat(100));
    let mut client = Client::through_daemon(&home);
    client.initialize().await;
    let note = owner::noted(&home.join("data")).unwrap();
    assert!(note.socket.starts_with("/tmp"), "{:?}", note.socket);
    assert!(exists(&note.socket));
    assert_eq!(client.shut_down().await, 0);
    until("its socket is away", || !exists(&note.socket)).await;
}

#[tokio::test]
async fn a_server_without_a_daemon_and_a_daemon_do_not_share_a_store() {
    let place = Place::new();
    let editor = place.editor().await;
    let mut alone = Client::spawn(&place.home());
    alone.at_ease();
    let error = alone.request("listJobs", json!({})).await.unwrap_err();
    assert_eq!(error["data"]["kind"], "storeBusy", "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains(&place.daemon().to_string()),
        "{error}"
    );
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
    // Mended by itself.
    let listed = async {
        while alone.request("listJobs", json!({})).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::client::PATIENCE, listed)
        .await
        .unwrap();

    // The other way round: each request says why, and the first after it was mended succeeds.
    let mut editor = Client::through_daemon(&place.home());
    let error = editor.request("initialize", json!({})).await.unwrap_err();
    assert_eq!(error["data"]["kind"], "storeBusy", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("--standalone"),
        "{error}"
    );
    assert_eq!(alone.finish().await, 0);
    assert!(editor.request("initialize", json!({})).await.is_ok());
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
}

#[tokio::test]
async fn an_older_daemon_with_nothing_to_do_is_replaced() {
    let place = Place::new();
    let old = Inside::start(&place, "0.0.1", 1, Duration::from_mins(1)).await;
    let mut editor = Client::through_daemon(&place.home());
    let told = editor.initialize().await;
    assert_ne!(told["namdrunner"]["daemonPid"], json!(std::process::id()));
    assert!(old.task.await.unwrap().is_ok(), "it has ended in order");
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
}

#[tokio::test]
async fn an_older_daemon_that_is_busy_is_used_if_the_protocol_fits() {
    let place = Place::new();
    let old = Inside::start(&place, "0.0.1", 1, Duration::from_mins(1)).await;
    let way = namdrunner::server::daemon::way::Way::of(
        place.files(),
        namdrunner::server::daemon::Speaker {
            version: "0.0.1".into(),
            protocol: 1,
            pid: 1,
        },
    );
    let mut first = Client::over_pipe(|reader, writer| {
        namdrunner::server::forward::forward(reader, writer, way, CancellationToken::new())
    });
    first.initialize().await;
    let mut newer = Client::through_daemon(&place.home());
    let told = newer.initialize().await;
    assert_eq!(told["namdrunner"]["daemonPid"], json!(std::process::id()));
    let status = place.status().await;
    assert_eq!(status["version"], "0.0.1");
    assert_eq!(status["clients"].as_array().unwrap().len(), 2, "{status}");
    assert_eq!(newer.shut_down().await, 0);
    assert_eq!(first.shut_down().await, 0);
    old.end().await;
}

#[tokio::test]
async fn a_protocol_that_does_not_fit_is_told() {
    let place = Place::new();
    let newer = Inside::start(&place, "99.0.0", 2, Duration::from_mins(1)).await;
    let mut editor = Client::through_daemon(&place.home());
    let error = editor.request("initialize", json!({})).await.unwrap_err();
    let message = error["message"].as_str().unwrap();
    for words in ["NAMDRunner 99.0.0", "version 2", "version 1"] {
        assert!(message.contains(words), "{message}");
    }
    assert!(error["data"]["hint"].is_string());
    assert_eq!(editor.finish().await, 0);
    newer.end().await;
}

#[tokio::test]
async fn the_program_may_be_replaced_under_a_running_daemon() {
    let place = Place::new();
    let at = place.0.path().join("bin/namdrunner");
    std::fs::create_dir(at.parent().unwrap()).unwrap();
    let install = || {
        // As package managers do it.
        let new = at.with_extension("new");
        std::fs::copy(binary(), &new).unwrap();
        std::fs::rename(&new, &at).unwrap();
    };
    install();
    let mut before = Client::through_daemon_of(&at, &place.home());
    before.at_ease();
    before.initialize().await;
    let pid = place.daemon();
    install();
    let mut after = Client::through_daemon_of(&at, &place.home());
    after.at_ease();
    let told = after.initialize().await;
    assert_eq!(
        told["namdrunner"]["daemonPid"],
        json!(pid),
        "the same goes on"
    );
    let id = super::create(&mut after, &place, "quick.namd").await;
    // The window that was open before starts a daemon again when that one is lost: of the file that
    // it was started from, which has no name any more.
    signal(pid, "KILL");
    let job = before.request("jobStatus", json!({"jobId": id})).await;
    assert_eq!(job.unwrap()["job"]["status"], "CREATED");
    assert_ne!(place.daemon(), pid);
    assert_eq!(before.shut_down().await, 0);
    assert_eq!(after.shut_down().await, 0);
    place.until_free().await;
}

/// With every door open: a process of another user connects, and is told nothing.
#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn a_process_of_another_user_is_told_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let mut editor = place.editor().await;
    let socket = owner::noted(&place.data_dir()).unwrap().socket;
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for dir in socket.ancestors().skip(1) {
        if dir.starts_with(place.0.path()) {
            open(dir, 0o755);
        }
    }
    open(&socket, 0o666);
    // (Debian always has a Perl that can.)
    let listen = "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
                  sysread($s, my $heard, 9); print $heard";
    let heard = |user: &str| {
        let output = std::process::Command::new("setpriv")
            .args(["--reuid", user, "--clear-groups"])
            .args(["/usr/bin/perl", "-MIO::Socket::UNIX", "-e", listen])
            .arg(&socket)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(heard("nobody"), "");
    assert!(heard("root").contains("version"), "the doors are open");
    assert!(editor.request("listJobs", json!({})).await.is_ok());
    assert_eq!(editor.shut_down().await, 0);
    place.until_free().await;
}

#[tokio::test]
async fn calls_and_scripts_use_it_and_get_all_their_answers() {
    let place = Place::new();
    let editor = place.editor().await;
    let pid = place.daemon();
    let (code, text, _) = place.run(&["call", "initialize"]).await;
    assert_eq!(code, 0);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["namdrunner"]["daemonPid"], json!(pid));
    // A script that writes everything and closes its output.
    let mut script = Client::through_daemon(&place.home()).in_lines();
    let created = script
        .start("createJob", super::creation(&place, "quick.namd"))
        .await;
    let listed = script.start("listJobs", json!({})).await;
    script.send_bytes(b"not json\n").await;
    script.send_text(r#"[{"jsonrpc":"2.0","id":"b","method":"listClusters"},{"jsonrpc":"2.0","id":"c","method":"nothing"}]"#).await;
    script.close_input().await;
    assert!(script.answer(created).await.is_ok());
    assert!(script.answer(listed).await.is_ok());
    let rest = [
        script.receive().await.unwrap(),
        script.receive().await.unwrap(),
    ];
    assert!(
        rest.iter().any(|one| one["error"]["code"] == -32700),
        "{rest:?}"
    );
    assert!(
        rest.iter()
            .any(|one| one.as_array().is_some_and(|all| all.len() == 2)),
        "{rest:?}"
    );
    assert_eq!(script.wait().await, 0);
    // `exit` without `shutdown`.
    let mut rude = Client::through_daemon(&place.home());
    rude.notify("exit", json!(null)).await;
    assert_eq!(rude.wait().await, 1);
    assert_eq!(editor.shut_down().await, 0);
}

#[tokio::test]
async fn what_cannot_be_started_is_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("data"), "a file").unwrap();
    let output = program(dir.path())
        .args(["call", "listJobs"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot be made"), "{text}");
}

#[tokio::test]
async fn what_is_no_message_is_answered_although_there_is_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("data"), "a file").unwrap();
    let mut client = Client::through_daemon(dir.path()).in_lines();
    client.send_bytes(b"{no json\n").await;
    let answer = client.receive().await.unwrap();
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
    let batch = r#"[{"jsonrpc":"2.0","id":"a","method":"listJobs"},7]"#;
    client.send_text(batch).await;
    let answer = client.receive().await.unwrap();
    assert_eq!(answer.as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(answer[1]["error"]["code"], -32600, "{answer}");
    assert_eq!(client.finish().await, 0);
}
