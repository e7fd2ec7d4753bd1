//! `namdrunner doctor [CLUSTER]`: runs the checks of one cluster, or of all, and prints the table.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::doctor::{all_ok, render};
use crate::cli::terminal::Terminal;
use crate::config::{Cluster, Home, Settings};
use crate::doctor;
use crate::engine;
use crate::engine::prompt::Prompter;
use crate::error::{Error, Result};

/// Columns of the table.
const WIDTH: usize = 100;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The cluster's name in config.toml; all of them without one
    cluster: Option<String>,
}

/// The exit code is 0 when jobs can run on every cluster that was checked.
pub(super) async fn run(home: Home, arguments: &Arguments) -> Result<ExitCode> {
    let loaded = Settings::load(&home);
    let mut groups = vec![(
        "settings".to_owned(),
        vec![doctor::config_check(&home, &loaded)],
    )];
    let Ok(settings) = loaded else {
        return print(&groups);
    };
    let clusters: Vec<&Cluster> = match &arguments.cluster {
        Some(name) => vec![settings.cluster(Some(name))?],
        None => settings.clusters.iter().collect(),
    };
    let terminal = Terminal::open().map(Arc::new);
    for cluster in clusters {
        let transport = engine::transport_of(cluster);
        let person = terminal
            .clone()
            .map(|terminal| terminal as Arc<dyn Prompter>);
        let checks = doctor::run(cluster, transport.as_ref(), person).await;
        transport.close().await;
        groups.push((cluster.name.clone(), checks));
    }
    print(&groups)
}

fn print(groups: &[(String, Vec<doctor::Check>)]) -> Result<ExitCode> {
    std::io::stdout()
        .lock()
        .write_all(render(groups, WIDTH).as_bytes())
        .map_err(|error| Error::internal("The table could not be printed.").caused_by(error))?;
    Ok(if all_ok(groups) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
