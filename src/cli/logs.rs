//! Logs: a file that is begun anew each day, and stderr for what a person should see now. Never
//! stdout, which carries the wire.

use std::panic::PanicHookInfo;
use std::path::Path;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::home::ensure_private_dir;

/// How many days are kept.
const DAYS: usize = 7;

/// Starts logging; what waits is written when the guard is dropped.
///
/// The file's level is `NAMDRUNNER_LOG`, or `info`. A directory that cannot be written costs the
/// file, not the server.
pub(super) fn start(dir: &Path) -> Option<WorkerGuard> {
    let level = std::env::var("NAMDRUNNER_LOG").ok();
    let level = level.and_then(|word| word.parse::<LevelFilter>().ok());
    let (file, guard, problem) = match open(dir) {
        Ok(file) => {
            let (file, guard) = tracing_appender::non_blocking(file);
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(file)
                .with_ansi(false)
                .with_filter(level.unwrap_or(LevelFilter::INFO));
            (Some(layer), Some(guard), None)
        }
        Err(error) => (None, None, Some(error)),
    };
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .without_time()
        .with_target(false)
        .with_filter(LevelFilter::from_level(Level::WARN));
    let started = tracing_subscriber::registry()
        .with(file)
        .with(stderr)
        .try_init();
    std::panic::set_hook(Box::new(log_panic));
    if started.is_ok()
        && let Some(problem) = problem
    {
        tracing::warn!(
            "No log file can be written in {}: {problem}.",
            dir.display()
        );
    }
    guard
}

fn open(dir: &Path) -> Result<RollingFileAppender, String> {
    ensure_private_dir(dir).map_err(|error| error.to_string())?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("namdrunner")
        .filename_suffix("log")
        .max_log_files(DAYS)
        .build(dir)
        .map_err(|error| error.to_string())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("no text");
    let place = panic.location().map(ToString::to_string);
    let thread = std::thread::current().name().map(ToOwned::to_owned);
    let trace = std::backtrace::Backtrace::force_capture();
    tracing::error!(place, thread, "panic: {text}");
    tracing::debug!("{trace}");
}
