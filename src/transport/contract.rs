//! The contract of a transport, held by one suite that runs against every one of them.
//!
//! Over SSH it needs a server: `NRT_SSH_PORT`, `NRT_SSH_USER`, `NRT_SSH_KEY` and `NRT_KNOWN_HOSTS`
//! name it, as the test cluster sets them.

mod bundles;
mod commands;
mod files;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::local::Local;
use super::ssh::{Ssh, SshSettings};
use super::{Get, Put, Sent, Transport, TransportError, Watcher};
use crate::shell::{Command, Output, RemotePath};

/// Settings for the server the environment names.
pub(super) fn ssh_settings() -> SshSettings {
    let var = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run.sh"))
    };
    SshSettings {
        port: Some(var("NRT_SSH_PORT").parse().unwrap()),
        user: Some(var("NRT_SSH_USER")),
        identity_files: vec![var("NRT_SSH_KEY").into()],
        known_hosts: vec![var("NRT_KNOWN_HOSTS").into()],
        use_agent: false,
        open_spacing: Duration::ZERO,
        ..SshSettings::new("127.0.0.1")
    }
}

/// A transport with a directory at each end.
pub(super) struct Rig {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) far: RemotePath,
    pub(super) near: TempDir,
}

impl Rig {
    pub(super) async fn new(transport: impl Transport + 'static) -> Self {
        let transport: Arc<dyn Transport> = Arc::new(transport);
        let made = transport
            .run(&Command::effect("mktemp", "mktemp -d"))
            .await
            .unwrap();
        assert!(made.ok(), "{made:?}");
        Self {
            transport,
            far: RemotePath::parse(made.text().trim()).unwrap(),
            near: TempDir::new().unwrap(),
        }
    }

    pub(super) async fn run(&self, script: &str) -> Result<Output, TransportError> {
        self.transport.run(&self.command(script)).await
    }

    /// A command that starts in the far directory.
    pub(super) fn command(&self, script: &str) -> Command {
        Command::read(
            "test",
            format!("cd {} || exit 99\n{script}", self.far.quoted()),
        )
    }

    /// Runs what must succeed and returns what it printed.
    pub(super) async fn said(&self, script: &str) -> String {
        let output = self.run(script).await.unwrap();
        assert!(output.ok(), "{script}: {output:?}");
        output.text()
    }

    pub(super) fn far(&self, name: &str) -> RemotePath {
        self.far.join(name).unwrap()
    }

    pub(super) fn near(&self, name: &str) -> PathBuf {
        self.near.path().join(name)
    }

    /// Sends one file.
    pub(super) async fn put(
        &self,
        from: &Path,
        to: &str,
        watch: &Watcher,
    ) -> Result<Sent, TransportError> {
        let file = Put {
            from: from.to_owned(),
            to: self.far(to),
            modified: None,
        };
        let mut sent = self.transport.put(&[file], watch).await?;
        assert_eq!(sent.len(), 1);
        Ok(sent.remove(0))
    }

    /// Fetches one file whose size is not known.
    pub(super) async fn get(
        &self,
        from: &str,
        to: &Path,
        watch: &Watcher,
    ) -> Result<u64, TransportError> {
        let file = Get {
            from: self.far(from),
            to: to.to_owned(),
            bytes: None,
        };
        let fetched = self.transport.get(&[file], watch).await?;
        assert_eq!(fetched.len(), 1);
        Ok(fetched[0].bytes)
    }

    /// Makes a near file.
    pub(super) fn make(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.near(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn clean(self) {
        let script = format!("rm -rf {}", self.far.quoted());
        self.transport
            .run(&Command::read("clean", script))
            .await
            .unwrap();
    }
}

/// A watcher that counts, and does something when the first bytes have moved.
pub(super) fn watcher(
    first: impl Fn(&Watcher) + Send + Sync + 'static,
) -> (Watcher, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let plain = Watcher::default();
    let inner = plain.clone();
    let watch = Watcher {
        progress: Some(Arc::new(move |bytes| {
            if counted.fetch_add(bytes, Ordering::SeqCst) == 0 {
                first(&inner);
            }
        })),
        ..plain
    };
    (watch, count)
}

/// Bytes without a pattern that a shift or a repeated block would keep.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

/// Waits until something is so, or fails.
pub(super) async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !check().await {
        assert!(Instant::now() < deadline, "{what} did not come about");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Runs each case against every transport.
macro_rules! contract {
    ($($module:ident :: $case:ident),* $(,)?) => {
        mod local {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let rig = Rig::new(Local::new()).await;
                    $module::$case(&rig).await;
                    rig.clean().await;
                }
            )*
        }
        mod ssh {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = "needs tests/run.sh"]
                async fn $case() {
                    let rig = Rig::new(Ssh::new(ssh_settings())).await;
                    $module::$case(&rig).await;
                    rig.clean().await;
                }
            )*
        }
    };
}

contract![
    commands::exit_codes_come_back,
    commands::signals_come_back,
    commands::long_output_is_whole,
    commands::endless_output_is_refused,
    commands::only_the_end_of_standard_error_is_kept,
    commands::input_nobody_reads_does_not_hang,
    commands::any_byte_passes_both_ways,
    commands::fifty_commands_run_side_by_side,
    commands::a_late_reading_command_is_ended,
    commands::a_late_command_with_an_effect_finishes,
    commands::a_caller_that_goes_away_ends_a_reading_command,
    commands::commands_start_at_home,
    bundles::a_bundle_arrives_and_verifies,
    bundles::a_large_file_streams,
    bundles::a_command_may_end_before_the_bundle,
    bundles::a_file_that_changed_is_named,
    bundles::a_file_that_changes_meanwhile_is_named,
    bundles::a_bundle_can_be_cancelled,
    bundles::a_standstill_is_not_waited_for_for_ever,
    bundles::a_slow_but_moving_bundle_is_not_cut_off,
    files::parts_of_files_are_read,
    files::what_cannot_be_read_is_refused,
    files::files_go_there_and_back,
    files::failures_say_where_and_leave_nothing,
    files::transfers_can_be_cancelled,
    files::many_files_come_together,
    files::large_files_go_side_by_side,
    files::a_file_that_is_written_to_is_not_sent,
];
