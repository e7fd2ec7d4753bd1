use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::proxy::Proxy;
use super::server::Server;
use super::*;
use crate::transport::contract::{eventually, noise};
use crate::transport::{Bundle, Content, Entry, Watcher};

/// A server, a network before it, and a connection through both.
struct Rig {
    server: Server,
    proxy: Proxy,
    ssh: Arc<Ssh>,
}

async fn rig(change: impl FnOnce(&mut SshSettings)) -> Rig {
    let server = Server::start("");
    let proxy = Proxy::start(server.port, Duration::ZERO).await.unwrap();
    let mut settings = settings(&server, proxy.port());
    change(&mut settings);
    Rig {
        ssh: Arc::new(Ssh::new(settings)),
        server,
        proxy,
    }
}

impl Rig {
    /// Starts a command that goes on until the fault, and waits until it runs.
    async fn start(&self) -> tokio::task::JoinHandle<Result<String, TransportError>> {
        let dir = tempfile::tempdir().unwrap();
        let flag = dir.path().join("runs");
        // The user of the server is another one.
        std::fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let script = format!(
            "echo $PPID >'{0}.new'; mv '{0}.new' '{0}'; sleep 20",
            flag.display()
        );
        let ssh = Arc::clone(&self.ssh);
        let running = tokio::spawn(async move { run(&ssh, &script).await });
        eventually("the start of the command", || async { flag.exists() }).await;
        drop(dir);
        running
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it happens soon")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_session_killed_under_a_command_is_a_lost_answer() {
    let rig = rig(|_| ()).await;
    let error = soon(run(&rig.ssh, "kill -9 $PPID; sleep 20"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, TransportError::Lost(text) if text.contains("`test`")),
        "{error:?}"
    );
    assert!(!error.nothing_ran());
    assert_eq!(run(&rig.ssh, "echo again").await.unwrap(), "again\n");
    assert_eq!(rig.server.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_broken_network_is_a_lost_answer() {
    let rig = rig(|_| ()).await;
    let running = rig.start().await;
    assert!(rig.ssh.connected());
    rig.proxy.cut();
    let error = soon(running).await.unwrap().unwrap_err();
    assert!(matches!(error, TransportError::Lost(_)), "{error:?}");
    assert!(!rig.ssh.connected());
    assert_eq!(run(&rig.ssh, "echo again").await.unwrap(), "again\n");
    assert!(rig.ssh.connected());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_network_that_went_away_is_noticed() {
    let rig = rig(|settings| settings.keepalive = Duration::from_millis(200)).await;
    let running = rig.start().await;
    rig.proxy.silence();
    let error = soon(running).await.unwrap().unwrap_err();
    assert!(
        matches!(&error, TransportError::Lost(text) if text.contains("sign of life")),
        "{error:?}"
    );
    assert_eq!(run(&rig.ssh, "echo again").await.unwrap(), "again\n");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_silent_connection_is_tried_before_a_command_is_trusted_to_it() {
    // The keepalive would notice after two minutes; the clock says that it is time to ask.
    let rig = rig(|settings| settings.keepalive = Duration::from_secs(30)).await;
    assert_eq!(run(&rig.ssh, "echo one").await.unwrap(), "one\n");
    rig.ssh.link.pretend_silence();
    assert_eq!(run(&rig.ssh, "echo two").await.unwrap(), "two\n");
    assert_eq!(rig.proxy.accepted(), 1, "a connection that answers is kept");
    rig.ssh.link.pretend_silence();
    rig.proxy.silence();
    let effect = Command::effect("submit", "echo three");
    let output = timeout(Duration::from_secs(15), rig.ssh.run(&effect))
        .await
        .unwrap();
    assert_eq!(output.unwrap().text(), "three\n");
    assert_eq!(rig.proxy.accepted(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_connection_cut_in_a_bundle_is_a_lost_answer() {
    let rig = rig(|_| ()).await;
    run(&rig.ssh, "true").await.unwrap();
    rig.proxy.cut_after(3_000_000);
    let bundle = Bundle {
        entries: vec![Entry {
            path: "big".into(),
            from: Content::Bytes(noise(20_000_000).into()),
        }],
    };
    let command = Command::effect("upload", "cat >/dev/null");
    let watch = Watcher::default();
    let error = soon(rig.ssh.run_with_bundle(&command, &bundle, &watch))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Lost(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn all_callers_share_one_connection() {
    let rig = rig(|_| ()).await;
    let texts = join_all((0..30).map(|n| {
        let ssh = Arc::clone(&rig.ssh);
        async move { run(&ssh, &format!("echo {n}")).await.unwrap() }
    }))
    .await;
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(*text, format!("{n}\n"));
    }
    assert_eq!((rig.proxy.accepted(), rig.server.logins()), (1, 1));
    rig.ssh.close().await;
    eventually("the end of the connection", || async {
        !rig.ssh.connected()
    })
    .await;
    assert_eq!(run(&rig.ssh, "echo on").await.unwrap(), "on\n");
    assert_eq!(rig.server.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_caller_that_goes_away_does_not_stop_the_connecting() {
    let rig = rig(|_| ()).await;
    rig.proxy.set_delay(Duration::from_millis(50));
    let ssh = Arc::clone(&rig.ssh);
    let first = tokio::spawn(async move { run(&ssh, "true").await });
    eventually("the first attempt", || async { rig.proxy.accepted() == 1 }).await;
    first.abort();
    assert_eq!(run(&rig.ssh, "echo second").await.unwrap(), "second\n");
    assert_eq!(rig.proxy.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_failed_attempt_answers_until_the_next_is_due() {
    let rig = rig(|settings| {
        settings.open_spacing = Duration::from_secs(5);
        settings.connect_timeout = Duration::from_secs(10);
    })
    .await;
    rig.proxy.refuse(true);
    let first = run(&rig.ssh, "true").await.unwrap_err();
    assert!(matches!(first, TransportError::Unreachable(_)), "{first:?}");
    let before = Instant::now();
    let second = run(&rig.ssh, "true").await.unwrap_err();
    assert!(
        second.to_string().contains("not tried again for"),
        "{second}"
    );
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(rig.proxy.accepted(), 1);
    // A user who asks again is forgiven the failure, not the spacing.
    rig.proxy.refuse(false);
    rig.ssh.close().await;
    assert_eq!(run(&rig.ssh, "echo up").await.unwrap(), "up\n");
    assert!(before.elapsed() > Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn hosts_that_cannot_be_reached_say_why() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let web_port = web.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = web.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            held.push(stream);
        }
    });
    for (host, port, says) in [
        (
            "127.0.0.1",
            silent.local_addr().unwrap().port(),
            "does not speak SSH",
        ),
        ("127.0.0.1", web_port, "SSH"),
        ("127.0.0.1", closed, "refused"),
        ("no-such-host.invalid", 22, "its name is not found"),
    ] {
        let settings = SshSettings {
            port: Some(port),
            user: Some("me".into()),
            connect_timeout: Duration::from_millis(800),
            ..SshSettings::new(host)
        };
        let error = soon(refusal(settings)).await;
        assert!(matches!(error, TransportError::Unreachable(_)), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
    answering.abort();
}
