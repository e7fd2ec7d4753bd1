//! `namdrunner serve`: one client on stdin and stdout.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Home;
use crate::server::{Options, serve};

pub(super) async fn run(home: Home) -> ExitCode {
    let options = Options {
        facts: super::facts(&home),
        stop: stop_by_signal(),
        ..Options::default()
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        "serving on stdin and stdout"
    );
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let exit = serve(stdin, stdout, super::engine(&home), options).await;
    tracing::info!(?exit, "served");
    ExitCode::from(exit.code())
}

/// Set by the signals that ask a process to end.
fn stop_by_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ] {
        let stop = stop.clone();
        match signal(kind) {
            Ok(mut signals) => {
                tokio::spawn(async move {
                    if signals.recv().await.is_some() {
                        tracing::info!("asked to end by a signal");
                        stop.cancel();
                    }
                });
            }
            Err(error) => tracing::warn!("A signal cannot be listened to: {error}."),
        }
    }
    stop
}
