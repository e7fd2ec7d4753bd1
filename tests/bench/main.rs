//! `cargo bench`: figures beside a reference measured in the same run.
//!
//! Without the test cluster's variables (see `tests/cluster/README.md`) only the local part runs:
//! the round trip of `jobStatus` and the start with 10,000 jobs stored. With them, submission and
//! refresh are measured against the bare commands over one live OpenSSH connection, at 0 ms and
//! through a proxy that adds 20 ms each way.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a benchmark that meets the unexpected fails, its numbers are small, and it may sleep"
)]

#[path = "../support/proxy.rs"]
mod proxy;

mod client;
mod cluster;
mod local;

fn main() {
    // `cargo test --benches` runs this too: then it only has to build.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    // `cargo bench -- local` or `-- cluster` leaves the other part out.
    let only = |part: &str| std::env::args().any(|arg| arg == part);
    if !only("cluster") {
        local::run();
    }
    if only("local") {
        return;
    }
    if std::env::var_os("NRT_SSH_PORT").is_some() {
        cluster::run();
    } else {
        println!(
            "\nNo test cluster (NRT_SSH_PORT is not set): submission and refresh are left out."
        );
    }
}

/// Median and 99th percentile of durations in milliseconds.
pub fn quantiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    (at(0.5), at(0.99))
}

/// Prints one figure with its reference.
pub fn report(what: &str, ours: f64, reference: &str, theirs: f64) {
    println!(
        "{what:<58} {ours:>9.2} ms   {reference} {theirs:.2} ms   ratio {:.2}",
        ours / theirs
    );
}
