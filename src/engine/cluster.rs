//! One configured cluster at run time: its transport, its scheduler, what was learned of it, how it
//! is. Whatever the number of editors and jobs, there is one of these, with one connection.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use jiff::Timestamp;
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::{self, SchedulerKind};
use crate::engine::health::Book;
use crate::engine::{ClusterState, Health, Synced};
use crate::error::{Error, ErrorKind, Result};
use crate::job::JobId;
use crate::probe::{self, RemoteFacts};
use crate::scheduler::Scheduler;
use crate::scheduler::direct::Direct;
use crate::scheduler::slurm::Slurm;
use crate::shell::{Command, Output, RemotePath};
use crate::transport::local::Local;
use crate::transport::ssh::{Ssh, SshConfig, SshSettings};
use crate::transport::{Transport, TransportError};

/// Submissions of one cluster that run side by side; below the transport's own bound on channels,
/// so that a look at the queue always finds one free.
const SUBMITS: usize = 3;

/// What the poller is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Look now and tell.
    Sync(oneshot::Sender<Synced>),
    /// Another process changed jobs of this cluster: plan anew.
    Plan,
    /// Somebody is there who could log in: look now, if nothing is planned.
    Resume,
    /// News is likely soon (submission, cancellation): look early, and plan anew.
    Expect,
    /// The cluster was reached for the first time: compare it with what is known.
    Met,
}

/// One configured cluster at run time.
pub(crate) struct Cluster {
    pub(crate) settings: config::Cluster,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) scheduler: Box<dyn Scheduler>,
    pub(crate) asks: mpsc::UnboundedSender<Ask>,
    /// Submissions in hand.
    pub(crate) submits: Semaphore,
    /// One heavy thing at a time on a login node.
    pub(crate) heavy: Semaphore,
    /// One comparison at a time, from its survey to what came of it: the next knows what this one took in.
    pub(crate) comparing: tokio::sync::Mutex<()>,
    /// The logs of ended jobs are closed one after the other …
    pub(crate) closing: tokio::sync::Mutex<()>,
    /// … by one task, while one more may wait.
    pub(crate) closers: Semaphore,
    /// One upload of large files at a time: the next may find what this one brings.
    pub(crate) large: Semaphore,
    /// Ends its tasks: the program ends, or the cluster's settings changed.
    pub(crate) stop: CancellationToken,
    ready: OnceCell<Arc<Ready>>,
    book: Mutex<Book>,
    busy: Mutex<HashSet<JobId>>,
}

/// What was learned at the first connection.
#[derive(Debug)]
pub(crate) struct Ready {
    /// None only in a stand-in for previews of a cluster that does not answer.
    pub(crate) facts: Option<RemoteFacts>,
    pub(crate) project_root: RemotePath,
    pub(crate) scratch_root: RemotePath,
    /// Lines before the batch system's commands: the login shell's PATH and the like.
    pub(crate) prelude: Vec<String>,
}

/// Holds a job's name among those a step is under way for; gives it back when dropped.
pub(crate) struct Busy {
    cluster: Arc<Cluster>,
    id: JobId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.cluster.busy).remove(&self.id);
    }
}

/// Locks; a panic elsewhere while holding the lock does not matter to plain data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    pub(crate) fn new(
        settings: config::Cluster,
        stop: CancellationToken,
        now: Timestamp,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Ask>) {
        let transport = transport_of(&settings);
        let scheduler: Box<dyn Scheduler> = match settings.scheduler {
            SchedulerKind::Slurm => Box::new(Slurm),
            SchedulerKind::Direct => Box::new(Direct),
        };
        let (asks, asked) = mpsc::unbounded_channel();
        let cluster = Self {
            book: Mutex::new(Book::new(settings.sync_interval, now)),
            transport,
            scheduler,
            asks,
            submits: Semaphore::new(SUBMITS),
            heavy: Semaphore::new(1),
            comparing: tokio::sync::Mutex::new(()),
            closing: tokio::sync::Mutex::new(()),
            closers: Semaphore::new(2),
            large: Semaphore::new(1),
            stop,
            ready: OnceCell::new(),
            busy: Mutex::new(HashSet::new()),
            settings,
        };
        (Arc::new(cluster), asked)
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// What is known of the cluster; connects and asks its login shell the first time.
    pub(crate) async fn ready(&self) -> Result<Arc<Ready>> {
        let learn = || async {
            let ready = self.learn().await?;
            self.book().note_probe(&self.settings, ready.facts.as_ref());
            let _ = self.asks.send(Ask::Met);
            Ok::<_, Error>(ready)
        };
        Ok(Arc::clone(self.ready.get_or_try_init(learn).await?))
    }

    /// What is known without asking.
    pub(crate) fn ready_already(&self) -> Option<Arc<Ready>> {
        self.ready.get().map(Arc::clone)
    }

    async fn learn(&self) -> Result<Arc<Ready>> {
        let output = self.run(&probe::probe_command(&self.settings)).await?;
        let facts = probe::parse_probe(&output).map_err(|why| {
            Error::new(
                ErrorKind::RemoteCommandFailed,
                format!(
                    "The login shell on {} did not answer as expected: {}",
                    self.place(),
                    why.what
                ),
            )
            .hinted(why.hint)
            .on_cluster(self.name())
        })?;
        let root = |key, template: &str| {
            let lookup = |name: &str| facts.env.get(name).cloned();
            config::expand_root(template, &facts.home, &facts.user, lookup).map_err(|why| {
                Error::new(
                    ErrorKind::SettingsInvalid,
                    format!("Cluster {}, {key}: {why}.", self.name()),
                )
                .hinted("Give an absolute path on the cluster, or one that begins with ~, $HOME or $USER.")
                .on_cluster(self.name())
            })
        };
        Ok(Arc::new(Ready {
            project_root: root("project_root", &self.settings.project_root)?,
            scratch_root: root("scratch_root", &self.settings.scratch_root)?,
            prelude: vec![probe::remote_prelude(&facts)],
            facts: Some(facts),
        }))
    }

    /// Runs a command; one that may be repeated is, once, when the answer is lost.
    pub(crate) async fn run(&self, command: &Command) -> Result<Output> {
        self.try_run(command)
            .await
            .map_err(|error| self.translate(&error, command.what))
    }

    /// As [`Cluster::run`], with the transport's own error: whether the command may have run matters.
    pub(crate) async fn try_run(&self, command: &Command) -> Result<Output, TransportError> {
        let attempt = || async {
            let begun = Instant::now();
            let result = self.transport.run(command).await;
            match &result {
                Ok(output) => tracing::debug!(
                    cluster = self.name(),
                    what = command.what,
                    status = %output.status,
                    ms = begun.elapsed().as_millis(),
                    "ran"
                ),
                Err(error) => tracing::warn!(
                    cluster = self.name(),
                    what = command.what,
                    %error,
                    ms = begun.elapsed().as_millis(),
                    "no whole answer"
                ),
            }
            result
        };
        if !command.idempotent {
            return attempt().await;
        }
        let once_more = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_jitter()
            .with_max_times(1);
        attempt
            .retry(once_more)
            .when(|error| matches!(error, TransportError::Lost(_)))
            .await
    }

    /// The crate's error for a transport's.
    pub(crate) fn translate(&self, error: &TransportError, what: &str) -> Error {
        let place = self.place();
        let made = match error {
            TransportError::Unreachable(why) => Error::new(
                ErrorKind::ClusterUnavailable,
                format!("Cannot reach {place}: {why}"),
            )
            .hinted("Check the network (VPN) and the cluster's settings; nothing was changed."),
            TransportError::AuthRequired(why) => Error::new(
                ErrorKind::AuthRequired,
                format!("{place} asks for a login: {why}"),
            )
            .hinted(format!(
                "Connect where you can be asked: in the editor, or with `namdrunner call connect \
                 '{{\"cluster\":\"{}\"}}'` in a terminal. A key in the ssh agent (ssh-add) needs no \
                 answers.",
                self.name()
            )),
            TransportError::HostKey { message, hint } => {
                Error::new(ErrorKind::HostKeyChanged, message.clone()).hinted(hint.clone())
            }
            TransportError::Lost(why) => Error::new(
                ErrorKind::ClusterUnavailable,
                format!("The connection to {place} broke during {what}: {why}"),
            )
            .hinted("It is opened again by itself; ask again."),
            TransportError::Timeout(why) => Error::new(
                ErrorKind::Timeout,
                format!("{place} took too long over {what}: {why}"),
            )
            .hinted("The login node may be overloaded; ask again later."),
            TransportError::Remote(why) if is_full(why) => Error::new(
                ErrorKind::Quota,
                format!("There is no room on {place} for {what}: {why}"),
            )
            .hinted(
                "Free space there (or raise the quota), then ask again. Nothing is left half-made.",
            ),
            TransportError::Remote(why) => Error::new(
                ErrorKind::TransferFailed,
                format!("{place} refused {what}: {why}"),
            ),
            TransportError::Local(why) => Error::new(ErrorKind::TransferFailed, why.clone()),
            TransportError::Cancelled => {
                Error::new(ErrorKind::Cancelled, "Withdrawn by the caller.")
            }
        };
        made.on_cluster(self.name())
    }

    /// The cluster as a person knows it.
    pub(crate) fn place(&self) -> String {
        match &self.settings.host {
            Some(host) if host != self.name() => format!("{} ({host})", self.name()),
            Some(host) => host.clone(),
            None => format!("{} (this machine)", self.name()),
        }
    }

    /// Claims a job for a step; none if a step is under way already.
    pub(crate) fn claim(self: &Arc<Self>, id: &JobId) -> Option<Busy> {
        lock(&self.busy).insert(id.clone()).then(|| Busy {
            cluster: Arc::clone(self),
            id: id.clone(),
        })
    }

    /// Whether a step of the job is under way in this process.
    pub(crate) fn is_busy(&self, id: &JobId) -> bool {
        lock(&self.busy).contains(id)
    }

    /// The jobs that a step is under way for.
    pub(crate) fn busy_jobs(&self) -> Vec<JobId> {
        lock(&self.busy).iter().cloned().collect()
    }

    /// As `clusterStatus` tells it.
    pub(crate) fn state(&self, active_jobs: usize) -> ClusterState {
        let mut book = self.book();
        ClusterState {
            name: self.name().to_owned(),
            host: self.settings.host.clone(),
            scheduler: match self.settings.scheduler {
                SchedulerKind::Slurm => "slurm",
                SchedulerKind::Direct => "direct",
            },
            health: book.health,
            since: book.since,
            reason: book.reason.clone(),
            hint: book.hint.clone(),
            squeue: book.squeue.clone(),
            sacct: book.sacct.clone(),
            marker: book.marker.clone(),
            interval_seconds: book.interval.as_secs(),
            last_sync: book.last_sync,
            next_sync: book.next_sync,
            latency_ms: book
                .latency
                .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            queries_last_hour: book.queries_last_hour(Instant::now()),
            errors: book.errors(),
            active_jobs,
            defaults: self.settings.resources.clone(),
        }
    }

    /// The health that an error means, if it is about the cluster itself.
    pub(crate) fn health_of(error: &Error) -> Option<Health> {
        match error.kind {
            ErrorKind::AuthRequired | ErrorKind::HostKeyChanged => Some(Health::AuthRequired),
            ErrorKind::ClusterUnavailable | ErrorKind::Timeout | ErrorKind::RemoteCommandFailed => {
                Some(Health::Unavailable)
            }
            _ => None,
        }
    }
}

/// Whether a system's words mean a full disk or quota.
pub(crate) fn is_full(words: &str) -> bool {
    words.contains("No space left") || words.to_ascii_lowercase().contains("quota")
}

/// A way to reach a cluster; nothing is connected yet.
pub fn transport_of(cluster: &config::Cluster) -> Arc<dyn Transport> {
    match &cluster.host {
        None => Arc::new(Local::new()),
        Some(host) => Arc::new(Ssh::new(ssh_settings(host, cluster))),
    }
}

/// What the SSH transport needs of a cluster's settings.
fn ssh_settings(host: &str, cluster: &config::Cluster) -> SshSettings {
    let mut settings = SshSettings::new(host);
    settings.cluster.clone_from(&cluster.name);
    settings.config = match &cluster.ssh_config {
        None => SshConfig::Usual,
        Some(file) if file.as_os_str().is_empty() => SshConfig::None,
        Some(file) => SshConfig::File(file.clone()),
    };
    settings.proxy_jump.clone_from(&cluster.proxy_jump);
    settings.port = cluster.port;
    settings.user.clone_from(&cluster.user);
    settings.identity_files.clone_from(&cluster.identity_files);
    settings.known_hosts.clone_from(&cluster.known_hosts);
    // A cluster that is looked at more often (tests) may also be connected to more often.
    settings.open_spacing = settings.open_spacing.min(cluster.sync_interval);
    settings
}
