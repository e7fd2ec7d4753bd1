//! The command line. Each subcommand is thin: it works over the same wire or the same tables.

mod call;
mod daemon;
mod demo;
mod doctor;
mod examine;
mod logs;
mod schema;
mod serve;
mod status;
mod terminal;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Home;
use crate::engine::Engine;
use crate::engine::owner::Owner;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{ServerFacts, VERSION};
use crate::rpc::Opening;

/// Runs NAMD on Slurm clusters from the editor: a JSON-RPC server on stdin and stdout.
#[derive(Debug, Parser)]
#[command(name = "namdrunner", version, about, after_help = HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

const HELP: &str = "\
Without a command it serves: through the background server that all windows share, which it starts
if need be. Files: NAMDRUNNER_HOME=DIR puts settings, data, logs and runtime files
below DIR. NAMDRUNNER_LOG=error|warn|info|debug|trace says how much is written to the log file.

Exit codes
  serve   0 after shutdown and exit, or at the end of input; 1 after exit without shutdown
  call    0 a result; 1 an error answer (printed to stderr as JSON)
          with --follow: 0 COMPLETED, 3 FAILED, 4 CANCELLED, 5 UNKNOWN; 1 it ended otherwise
  doctor  0 jobs can run on every cluster that was looked at; 1 something is missing
  demo    0 the job was completed; 1 it was not
  all     2 wrong arguments";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves one client on stdin and stdout (the default)
    Serve {
        /// In this process, without the background server
        #[arg(long)]
        standalone: bool,
    },
    /// Makes one call and prints its result
    Call(call::Arguments),
    /// Checks the settings, the connection and everything a cluster needs to have
    Doctor(examine::Arguments),
    /// Shows a small job from its config to its end, on this machine
    Demo {
        /// Leave the demo's files where they are
        #[arg(long)]
        keep: bool,
    },
    /// Shows the background server: clients, clusters, steps
    Status {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ends the background server in order; jobs are not touched
    Stop,
    /// Is the background server (started by itself when it is needed)
    Daemon {
        /// Leave the terminal, and say on stdout that clients can connect
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Prints the OpenRPC document, or writes all generated files
    Schema(schema::Arguments),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let serve = Command::Serve { standalone: false };
    match arguments.command.unwrap_or(serve) {
        Command::Serve { standalone } => {
            with_server(|runtime, home| Ok(runtime.block_on(serve::run(home, standalone))))
        }
        Command::Call(arguments) => {
            with_server(|runtime, home| runtime.block_on(call::run(home, arguments)))
        }
        Command::Doctor(arguments) => {
            with_server(|runtime, home| runtime.block_on(examine::run(home, &arguments)))
        }
        Command::Status { json } => {
            with_server(|runtime, home| runtime.block_on(status::status(home, json)))
        }
        Command::Stop => with_server(|runtime, home| runtime.block_on(status::stop(home))),
        Command::Daemon { detached } => daemon::run(detached),
        Command::Demo { keep } => demo::run(keep),
        Command::Schema(arguments) => ended(schema::run(&arguments)),
    }
}

/// What commands with an engine need: a place for files, logs, and a runtime.
fn with_server(work: impl FnOnce(&Runtime, Home) -> Result<ExitCode>) -> ExitCode {
    let home = match Home::from_env() {
        Ok(home) => home,
        Err(error) => return ended(Err(error)),
    };
    let _logs = logs::start(&home.state_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::internal("No threads could be started.").caused_by(error));
    match runtime {
        Ok(runtime) => {
            let code = ended(work(&runtime, home));
            // A thread may wait for input for ever.
            runtime.shutdown_background();
            code
        }
        Err(error) => ended(Err(error)),
    }
}

/// The exit code of a command; an error is told on stderr.
fn ended(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "namdrunner: {error}");
        if let Some(hint) = &error.hint {
            let _ = writeln!(stderr, "{hint}");
        }
        match error.kind {
            ErrorKind::InvalidParams => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    })
}

/// The engine over a home, opened when it is first needed.
fn engine(home: &Home, owner: Option<Arc<Owner>>) -> Opening {
    let home = home.clone();
    Opening::by(move || open(home.clone(), owner.clone()))
}

/// Opening reads settings and database from the disk: off the threads that serve.
async fn open(home: Home, owner: Option<Arc<Owner>>) -> Result<Engine> {
    let mut options = options()?;
    options.owner = owner;
    tokio::task::spawn_blocking(move || Engine::start(home, options))
        .await
        .unwrap_or_else(|broken| Err(Error::internal("Starting broke off.").caused_by(broken)))
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

/// What tests turn.
fn options() -> Result<crate::engine::Options> {
    let mut options = crate::engine::Options::default();
    if let Ok(text) = std::env::var("NAMDRUNNER_GRACE_SECONDS") {
        options.grace_seconds = text.parse().map_err(|_| {
            let why = format!("NAMDRUNNER_GRACE_SECONDS={text} is not a number of seconds.");
            Error::new(ErrorKind::SettingsInvalid, why)
        })?;
    }
    Ok(options)
}

/// What `initialize` tells of this server.
fn facts(home: &Home) -> ServerFacts {
    ServerFacts {
        protocol: VERSION,
        home: home.data_dir.display().to_string(),
        config_file: home.config_file.display().to_string(),
        log_dir: home.state_dir.display().to_string(),
        daemon_pid: None,
    }
}
