//! `namdrunner status` and `namdrunner stop`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::Home;
use crate::error::{Error, Result};
use crate::server::daemon::report::Report;
use crate::server::daemon::way::Way;

/// Prints how the background server is; the exit code is 1 when there is none.
pub(super) async fn status(home: Home, json: bool) -> Result<ExitCode> {
    let data_dir = home.data_dir.display().to_string();
    let (text, code) = match Way::new(home).status().await? {
        Some(report) if json => (as_json(&report)?, ExitCode::SUCCESS),
        Some(report) => (as_text(&report), ExitCode::SUCCESS),
        None if json => ("null\n".to_owned(), ExitCode::FAILURE),
        None => (nobody(&data_dir), ExitCode::FAILURE),
    };
    print(&text)?;
    Ok(code)
}

/// Ends the background server and waits until it is gone.
pub(super) async fn stop(home: Home) -> Result<ExitCode> {
    let data_dir = home.data_dir.display().to_string();
    let text = match Way::new(home).stop().await? {
        Some(pid) => format!("The background server (process {pid}) has ended.\n"),
        None => nobody(&data_dir),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn nobody(data_dir: &str) -> String {
    format!("No background server is there for {data_dir}.\n")
}

fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .map_err(|error| Error::internal("Nothing could be printed.").caused_by(error))
}

fn as_json(report: &Report) -> Result<String> {
    let text = serde_json::to_string_pretty(report);
    text.map(|text| text + "\n")
        .map_err(|error| Error::internal("The report could not be written.").caused_by(error))
}

fn as_text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:<9}  {value}");
    };
    line(
        "server",
        &format!(
            "NAMDRunner {}, protocol {}, process {}, up {}",
            report.version,
            report.protocol,
            report.pid,
            time(report.uptime_seconds)
        ),
    );
    line("database", &report.data_dir);
    line("logs", &report.log_dir);
    if let Some(problem) = &report.problem {
        line("problem", problem);
    }
    list(&mut line, "clients", &report.clients, |client| {
        format!(
            "{} (process {}), connected {}, silent {}",
            client.name.as_deref().unwrap_or("a script"),
            client.pid,
            time(client.connected_seconds),
            time(client.silent_seconds)
        )
    });
    list(&mut line, "clusters", &report.clusters, |cluster| {
        let health = serde_json::to_value(cluster.health).unwrap_or_default();
        let reason = cluster.reason.as_ref().map(|reason| format!(": {reason}"));
        format!(
            "{}: {}, {} active, {} queries in the last hour{}",
            cluster.name,
            health.as_str().unwrap_or_default(),
            cluster.active_jobs,
            cluster.queries_last_hour,
            reason.unwrap_or_default()
        )
    });
    list(&mut line, "steps", &report.steps, |step| {
        format!("{} on {}", step.job_id, step.cluster)
    });
    text
}

fn list<T>(
    line: &mut impl FnMut(&str, &str),
    name: &str,
    items: &[T],
    show: impl Fn(&T) -> String,
) {
    if items.is_empty() {
        line(name, "none");
    }
    for (n, item) in items.iter().enumerate() {
        line(if n == 0 { name } else { "" }, &show(item));
    }
}

/// A time as people say it.
fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ClusterHealth;
    use crate::server::daemon::report::{Client, Cluster, Step};

    #[test]
    fn a_report_is_read_at_a_glance() {
        let report = Report {
            pid: 4711,
            version: "1.2.3".into(),
            protocol: 1,
            uptime_seconds: 3 * 86_400,
            data_dir: "/home/you/.local/share/namdrunner".into(),
            log_dir: "/home/you/.local/state/namdrunner".into(),
            clients: vec![
                Client {
                    pid: 10,
                    name: Some("Visual Studio Code".into()),
                    connected_seconds: 7300,
                    silent_seconds: 3,
                },
                Client {
                    pid: 11,
                    name: None,
                    connected_seconds: 1,
                    silent_seconds: 1,
                },
            ],
            clusters: vec![Cluster {
                name: "hpc".into(),
                health: ClusterHealth::AuthRequired,
                reason: Some("Duo".into()),
                active_jobs: 4,
                queries_last_hour: 60,
            }],
            steps: vec![Step {
                cluster: "hpc".into(),
                job_id: "equil_01".into(),
            }],
            problem: None,
        };
        insta::assert_snapshot!(as_text(&report), @r"
        server     NAMDRunner 1.2.3, protocol 1, process 4711, up 3 days
        database   /home/you/.local/share/namdrunner
        logs       /home/you/.local/state/namdrunner
        clients    Visual Studio Code (process 10), connected 2 h, silent 3 s
                   a script (process 11), connected 1 s, silent 1 s
        clusters   hpc: authRequired, 4 active, 60 queries in the last hour: Duo
        steps      equil_01 on hpc
        ");
        let none = Report {
            clients: Vec::new(),
            clusters: Vec::new(),
            steps: Vec::new(),
            problem: Some("Line 3.".into()),
            ..report
        };
        assert!(as_text(&none).contains("problem    Line 3."));
        assert!(as_text(&none).contains("steps      none"));
    }
}
