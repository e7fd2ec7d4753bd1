//! Commands and files on this machine, under the same contract as over SSH.
//!
//! A command is started in the home directory, as `sshd` would, by handing the very line that
//! would go to the login shell to `sh -c`. It leads a process group of its own.

mod files;
mod spawn;

use std::path::Path;

use async_trait::async_trait;

use super::process::{Capture, Input, LINE, Terms, converse, dress};
use super::{Bundle, Get, Put, Sent, Transport, TransportError, Watcher, bundle};
use crate::shell::{Command, Output, RemotePath};
pub(super) use files::Part;
use spawn::Running;

/// What this machine is called in messages.
const PLACE: &str = "this machine";

/// This machine as a cluster. Needs no connection.
///
/// A command that runs into its timeout is killed with its process group if it is idempotent; one
/// with an effect is left to finish unheard, because ending it halfway is worse than not knowing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

impl Local {
    /// This machine.
    pub fn new() -> Self {
        Self
    }

    async fn run_with(
        command: &Command,
        pieces: Option<bundle::Pieces>,
        watch: Option<&Watcher>,
    ) -> Result<(Output, Vec<Sent>), TransportError> {
        let mut head = dress(&command.script);
        head.extend_from_slice(&command.input);
        let (mut running, stdin) = Running::start(LINE, command.idempotent)?;
        let mut capture = Capture::new();
        let input = Input { head, pieces };
        let terms = Terms {
            watch,
            ..Terms::of(command, PLACE)
        };
        let (status, sent) = converse(&mut running, stdin, input, &mut capture, &terms).await?;
        Ok((capture.finish(status, PLACE)?, sent))
    }
}

#[async_trait]
impl Transport for Local {
    async fn run(&self, command: &Command) -> Result<Output, TransportError> {
        let (output, _) = Self::run_with(command, None, None).await?;
        Ok(output)
    }

    async fn run_with_bundle(
        &self,
        command: &Command,
        bundle: &Bundle,
        watch: &Watcher,
    ) -> Result<(Output, Vec<Sent>), TransportError> {
        let pieces = bundle::stream(bundle.clone());
        Self::run_with(command, Some(pieces), Some(watch)).await
    }

    async fn read_from(
        &self,
        path: &RemotePath,
        offset: u64,
        max: u64,
    ) -> Result<Vec<u8>, TransportError> {
        files::read_from(path.as_str().into(), offset, max).await
    }

    async fn get(&self, files: &[Get], watch: &Watcher) -> Result<Vec<Sent>, TransportError> {
        let mut fetched = Vec::new();
        for Get { from, to, .. } in files {
            let from = Path::new(from.as_str());
            fetched.push(files::copy(from, to, files::Ours::Target, watch).await?);
        }
        Ok(fetched)
    }

    async fn put(&self, files: &[Put], watch: &Watcher) -> Result<Vec<Sent>, TransportError> {
        let mut sent = Vec::new();
        for Put { from, to, .. } in files {
            let to = Path::new(to.as_str());
            sent.push(files::copy(from, to, files::Ours::Source, watch).await?);
        }
        Ok(sent)
    }

    fn connected(&self) -> bool {
        true
    }

    async fn close(&self) {}
}
