use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::{Rig, eventually};
use crate::shell::{Command, ExitStatus};
use crate::transport::TransportError;

pub(super) async fn exit_codes_come_back(rig: &Rig) {
    for code in [0, 1, 3, 66, 127, 255] {
        let output = rig.run(&format!("exit {code}")).await.unwrap();
        assert_eq!(output.status, ExitStatus::Code(code));
    }
    let output = rig.run("no-such-command-here").await.unwrap();
    assert_eq!(output.status, ExitStatus::Code(127));
    assert!(
        output.first_error_line().unwrap().contains("not found"),
        "{output:?}"
    );
}

pub(super) async fn signals_come_back(rig: &Rig) {
    for signal in ["TERM", "KILL", "SEGV"] {
        let output = rig
            .run(&format!("kill -{signal} $$; sleep 5"))
            .await
            .unwrap();
        assert_eq!(output.status, ExitStatus::Signal(signal.to_owned()));
    }
}

pub(super) async fn long_output_is_whole(rig: &Rig) {
    let output = rig
        .run("echo warned >&2; head -c 20000000 /dev/zero | tr '\\0' x; echo end")
        .await
        .unwrap();
    assert!(output.ok());
    assert_eq!(output.stdout.len(), 20_000_004);
    assert!(output.stdout.ends_with(b"xxend\n"));
    assert_eq!(output.stderr, b"warned\n");
}

pub(super) async fn endless_output_is_refused(rig: &Rig) {
    let error = rig.run("cat /dev/zero").await.unwrap_err();
    assert!(
        matches!(&error, TransportError::Remote(text) if text.contains("64 MiB")),
        "{error:?}"
    );
    // And what printed it does not go on for ever.
    assert_eq!(rig.said("echo on").await, "on\n");
}

pub(super) async fn only_the_end_of_standard_error_is_kept(rig: &Rig) {
    let output = rig
        .run("i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done >&2; exit 2")
        .await
        .unwrap();
    assert_eq!(output.status, ExitStatus::Code(2));
    assert_eq!(output.stderr.len(), 64 * 1024);
    assert!(output.stderr.ends_with(b"line 29999\n"));
}

pub(super) async fn input_nobody_reads_does_not_hang(rig: &Rig) {
    let command = rig.command("head -c 1").with_input(vec![b'x'; 8 << 20]);
    let output = timeout(Duration::from_secs(20), rig.transport.run(&command))
        .await
        .expect("the command has ended")
        .unwrap();
    assert_eq!(output.stdout, b"x");
    assert!(output.ok());
}

pub(super) async fn any_byte_passes_both_ways(rig: &Rig) {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let command = rig.command("cat").with_input(bytes.clone());
    assert_eq!(rig.transport.run(&command).await.unwrap().stdout, bytes);
    let said = rig
        .said("printf '%s' \"it's \\$HOME; \\`x\\` \u{e9} \u{1f600}\"")
        .await;
    assert_eq!(said, "it's $HOME; `x` \u{e9} \u{1f600}");
}

pub(super) async fn fifty_commands_run_side_by_side(rig: &Rig) {
    let texts =
        join_all((0..50).map(|n| async move { rig.said(&format!("echo {n}; sleep 0.01")).await }))
            .await;
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(*text, format!("{n}\n"));
    }
}

async fn pid_is_gone(rig: &Rig) -> bool {
    // A zombie whose parent has not looked yet is gone as well.
    rig.said("p=$(cat pid); kill -0 \"$p\" 2>/dev/null && ! grep -q '^State:.Z' /proc/$p/status && echo alive || echo gone")
        .await
        == "gone\n"
}

pub(super) async fn a_late_reading_command_is_ended(rig: &Rig) {
    let command = rig
        .command("echo $$ >pid.new; mv pid.new pid; sleep 60")
        .within(Duration::from_millis(1500));
    let before = Instant::now();
    let error = rig.transport.run(&command).await.unwrap_err();
    assert!(matches!(&error, TransportError::Timeout(_)), "{error:?}");
    assert!(error.to_string().contains("`test`"), "{error}");
    assert!(before.elapsed() < Duration::from_secs(10));
    eventually("the end of the command", || pid_is_gone(rig)).await;
}

pub(super) async fn a_late_command_with_an_effect_finishes(rig: &Rig) {
    let script = format!(
        "cd {}; sleep 2; echo one; echo two; echo done >receipt",
        rig.far.quoted()
    );
    let command = Command::effect("submit", script).within(Duration::from_millis(500));
    let error = rig.transport.run(&command).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout(_)), "{error:?}");
    assert!(!error.nothing_ran());
    eventually("the effect", || async {
        rig.said("cat receipt 2>/dev/null || true").await == "done\n"
    })
    .await;
}

pub(super) async fn a_caller_that_goes_away_ends_a_reading_command(rig: &Rig) {
    let command = rig.command("echo $$ >pid.new; mv pid.new pid; sleep 60");
    let transport = std::sync::Arc::clone(&rig.transport);
    let running = tokio::spawn(async move { transport.run(&command).await });
    eventually("the start of the command", || async {
        !rig.said("cat pid 2>/dev/null || true").await.is_empty()
    })
    .await;
    running.abort();
    eventually("the end of the command", || pid_is_gone(rig)).await;
}

pub(super) async fn commands_start_at_home(rig: &Rig) {
    let output = rig
        .transport
        .run(&Command::read(
            "pwd",
            "cd; a=$(pwd); cd - >/dev/null; [ \"$a\" = \"$(pwd)\" ]",
        ))
        .await
        .unwrap();
    assert!(output.ok(), "{output:?}");
}
