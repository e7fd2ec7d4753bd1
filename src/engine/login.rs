//! Connecting and disconnecting: the use cases in which a person may be asked.

use std::sync::Arc;

use crate::doctor::{self, Check};
use crate::engine::cluster::{Ask, Cluster};
use crate::engine::{Caller, ClusterState, Engine, Health};
use crate::error::{Error, ErrorKind, Result};

impl Engine {
    /// Opens the connection to a cluster, if there is none, and learns what is needed.
    pub async fn connect(&self, name: &str, caller: &Caller) -> Result<ClusterState> {
        self.reload_settings();
        let cluster = self.find_cluster(name)?;
        self.log_in(&cluster, caller).await?;
        let learned = async {
            cluster.ready().await?;
            // A connection that only seems to stand is replaced by this.
            let hello = crate::shell::Command::read("connect", ":");
            cluster.run(&hello).await.map(drop)
        };
        if let Err(error) = learned.await {
            self.note_trouble(&cluster, "connect", &error);
            return Err(error);
        }
        self.turn(&cluster, Health::Ok, None, None);
        let _ = cluster.asks.send(Ask::Expect);
        Ok(self.state_of(&cluster))
    }

    /// Ends the connection to a cluster; the next command opens a new one.
    pub async fn disconnect(&self, name: &str) -> Result<ClusterState> {
        let cluster = self.find_cluster(name)?;
        cluster.transport.close().await;
        self.turn(&cluster, Health::Unchecked, None, None);
        Ok(self.state_of(&cluster))
    }

    /// Looks for what may keep jobs from running on a cluster, over its one connection.
    pub async fn examine(&self, name: &str, caller: &Caller) -> Result<Vec<Check>> {
        self.reload_settings();
        let cluster = self.find_cluster(name)?;
        let transport = cluster.transport.as_ref();
        Ok(doctor::run(&cluster.settings, transport, caller.prompter.clone()).await)
    }

    /// Connects to a cluster if nothing stands, asking the caller's person what is needed.
    pub(crate) async fn log_in(&self, cluster: &Arc<Cluster>, caller: &Caller) -> Result<()> {
        let (health, reason, hint) = {
            let book = cluster.book();
            (book.health, book.reason.clone(), book.hint.clone())
        };
        // One that stands is only asked for a sign of life.
        let stands = cluster.transport.connected();
        if !stands {
            self.turn(cluster, Health::Connecting, None, None);
        }
        let connecting = cluster.transport.connect(caller.prompter.clone());
        match caller.cancel.run_until_cancelled(connecting).await {
            Some(Ok(())) => {
                if !stands {
                    self.turn(cluster, Health::Ok, None, None);
                }
                Ok(())
            }
            Some(Err(error)) => {
                let error = cluster.translate(&error, "connect");
                self.note_trouble(cluster, "connect", &error);
                Err(error)
            }
            None => {
                self.turn(cluster, health, reason, hint);
                let withdrawn = Error::new(ErrorKind::Cancelled, "Withdrawn by the caller.");
                Err(withdrawn.on_cluster(cluster.name()))
            }
        }
    }

    /// Logs in before a submission is taken, so that it does not wait for a login that nobody is
    /// asked for. A cluster that is only out of reach is no hindrance: the job waits for it.
    pub(crate) async fn log_in_to_submit(
        &self,
        cluster: &Arc<Cluster>,
        caller: &Caller,
    ) -> Result<()> {
        let refused = cluster.book().health == Health::AuthRequired;
        if caller.prompter.is_none() && !refused {
            return Ok(());
        }
        match self.log_in(cluster, caller).await {
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::AuthRequired | ErrorKind::HostKeyChanged | ErrorKind::Cancelled
                ) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Sees to it that a connection that breaks under active jobs is opened again soon, not only
    /// when the next look is due.
    pub(crate) async fn mend(self, cluster: Arc<Cluster>) {
        loop {
            tokio::select! {
                () = cluster.stop.cancelled() => return,
                () = cluster.transport.lost() => {}
            }
            tracing::info!(cluster = cluster.name(), "the connection ended by itself");
            if self.active_count(cluster.name()) > 0 {
                let _ = cluster.asks.send(Ask::Expect);
            }
        }
    }
}
