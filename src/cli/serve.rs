//! `namdrunner serve`: one client on stdin and stdout, through the daemon or in this process.

use std::process::ExitCode;

use crate::config::Home;
use crate::server::daemon::way::Way;
use crate::server::forward::forward;
use crate::server::{Options, serve};

pub(super) async fn run(home: Home, standalone: bool) -> ExitCode {
    let stop = super::stop_by_signal();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        standalone,
        "serving on stdin and stdout"
    );
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let exit = if standalone {
        let options = Options {
            facts: super::facts(&home),
            stop,
            ..Options::default()
        };
        serve(stdin, stdout, super::engine(&home, None), options).await
    } else {
        forward(stdin, stdout, Way::new(home), stop).await
    };
    tracing::info!(?exit, "served");
    ExitCode::from(exit.code())
}
