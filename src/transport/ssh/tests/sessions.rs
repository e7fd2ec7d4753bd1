use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::transport::contract::eventually;

/// A script that stands in for the user's login shell.
fn login_shell(server_dir: &tempfile::TempDir, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let file = server_dir.path().join("shell");
    std::fs::set_permissions(server_dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("ForceCommand {}", file.display())
}

fn behind(text: &str) -> (Server, Ssh, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&login_shell(&dir, text));
    let ssh = Ssh::new(settings(&server, server.port));
    (server, ssh, dir)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn every_login_shell_does_the_same() {
    let script = "set -- \"it's\" '$x!'; for w in \"$@\"; do echo \"$w\"; done; cat; exit 4";
    let mut seen = 0;
    for shell in [
        "sh",
        "dash",
        "bash",
        "zsh",
        "ksh",
        "csh",
        "tcsh",
        "fish",
        "busybox sh",
    ] {
        let name = shell.split(' ').next().unwrap();
        let found = std::process::Command::new("sh")
            .args(["-c", &format!("command -v {name}")])
            .output()
            .unwrap();
        if !found.status.success() {
            continue;
        }
        seen += 1;
        let (_server, ssh, _dir) = behind(&format!("exec {shell} -c \"$SSH_ORIGINAL_COMMAND\""));
        let command = Command::read("test", script).with_input("a\0\\!\n");
        let output = ssh.run(&command).await.unwrap();
        assert_eq!(
            output.status,
            crate::shell::ExitStatus::Code(4),
            "{shell}: {output:?}"
        );
        assert_eq!(output.stdout, b"it's\n$x!\na\0\\!\n", "{shell}");
        assert!(output.stderr.is_empty(), "{shell}: {output:?}");
    }
    assert!(seen >= 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn noisy_start_up_files_do_not_disturb() {
    let (_server, ssh, _dir) = behind(
        "echo 'Welcome to the cluster!'; echo 'stty: not a tty' >&2\n\
         exec bash -c \"$SSH_ORIGINAL_COMMAND\"",
    );
    let output = ssh
        .run(&Command::read("test", "echo out; echo err >&2"))
        .await
        .unwrap();
    assert_eq!(
        (output.text(), output.stderr),
        ("out\n".into(), b"err\n".to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn an_account_without_commands_is_out_of_reach() {
    let (_server, ssh, _dir) = behind("echo 'This account is currently not available.'; exit 1");
    let error = ssh
        .run(&Command::effect("submit", "sbatch x"))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Unreachable(_)), "{error:?}");
    assert!(
        error.to_string().contains("currently not available"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn few_sessions_are_enough() {
    for sessions in [1, 2, 10] {
        let server = Server::start(&format!("MaxSessions {sessions}"));
        let ssh = Arc::new(Ssh::new(settings(&server, server.port)));
        let texts = join_all((0..20).map(|n| {
            let ssh = Arc::clone(&ssh);
            async move { run(&ssh, &format!("sleep 0.02; echo {n}")).await }
        }))
        .await;
        for (n, text) in texts.into_iter().enumerate() {
            assert_eq!(text.unwrap(), format!("{n}\n"), "MaxSessions {sessions}");
        }
        assert_eq!(server.logins(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn sessions_that_stay_taken_cost_the_connection_not_the_cluster() {
    let server = Server::start("MaxSessions 1");
    let ssh = Ssh::new(SshSettings {
        connect_timeout: Duration::from_secs(2),
        ..settings(&server, server.port)
    });
    // A command that holds the only session and is not heard any more.
    let stuck = Command::effect("stuck", "sleep 20").within(Duration::from_millis(300));
    let error = ssh.run(&stuck).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout(_)), "{error:?}");
    let short = Command::read("test", "echo on").within(Duration::from_secs(2));
    let error = ssh.run(&short).await.unwrap_err();
    assert!(
        matches!(&error, TransportError::Unreachable(text) if text.contains("MaxSessions")),
        "{error:?}"
    );
    assert_eq!(ssh.run(&short).await.unwrap().text(), "on\n");
    assert_eq!(server.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn a_shell_started_ahead_may_be_ended_there() {
    let server = Server::start("");
    let ssh = Ssh::new(settings(&server, server.port));
    // The other children of our session's server process are shells that wait.
    let others =
        "for p in $(ps -o pid= --ppid $PPID); do [ \"$p\" -ne $$ ] && echo \"$p\"; done; true";
    eventually("a waiting shell", || async {
        !run(&ssh, others).await.unwrap().is_empty()
    })
    .await;
    let kill = format!("kill -9 $({others})");
    for _ in 0..5 {
        // The next command may meet the dead shell in that very moment: then nothing ran.
        match run(&ssh, &kill).await {
            Ok(_) => {}
            Err(error) => assert!(error.nothing_ran(), "{error:?}"),
        }
    }
    eventually("a command that runs", || async {
        run(&ssh, "echo on").await.is_ok_and(|text| text == "on\n")
    })
    .await;
    assert_eq!(server.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/run.sh"]
async fn no_shell_is_started_ahead_where_that_is_not_wanted() {
    let server = Server::start("");
    let ssh = Ssh::new(SshSettings {
        shell_ahead: false,
        ..settings(&server, server.port)
    });
    for _ in 0..3 {
        let count = run(&ssh, "ps -o pid= --ppid $PPID | wc -l").await.unwrap();
        // This shell, and nothing but it.
        assert_eq!(count.trim(), "1");
    }
}
