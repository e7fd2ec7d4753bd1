//! `namdrunner schema`: the protocol, machine-readable.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::emit;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write openrpc.json and the TypeScript and Lua types into this directory instead
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Some(dir) = &arguments.write else {
        let _ = std::io::stdout().write_all(emit::openrpc().as_bytes());
        return Ok(ExitCode::SUCCESS);
    };
    for (name, text) in emit::files() {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(|error| {
            Error::new(
                ErrorKind::SettingsInvalid,
                format!("{} cannot be written: {error}.", path.display()),
            )
            .hinted("Name a directory that exists and can be written.")
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
