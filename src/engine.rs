//! The engine: use cases as methods, and the one door every change of a job goes through.
//!
//! A use case decides with the pure rooms, acts through a cluster's transport, and records what
//! happened with `Engine::record`: the fact is applied to the job as the store holds it, job row
//! and history row are committed as one, and only then is anybody told.

mod adopt;
mod attend;
mod calls;
mod closing;
mod cluster;
mod create;
mod discover;
mod files;
mod follow;
mod health;
mod insight;
mod instance;
mod launch;
mod login;
mod logs;
mod meter;
pub mod owner;
mod pace;
mod preview;
mod prompts;
mod reconcile;
mod record;
mod remove;
mod results;
mod retention;
mod retrieve;
mod roster;
mod shown;
mod sync;
mod upload;
mod watchlist;
mod worker;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use attend::Occupation;
pub use calls::*;
pub use cluster::transport_of;
pub use insight::Insight;
pub use logs::{Part, Piece, Run, Which};
pub use prompts::{Prompts, Registration};
pub use results::{ResultsSeen, ResultsStep};
pub use shown::{ConfigRead, names_in, read_shown_config};

/// What a person is asked, for those who put it to them.
pub use crate::transport::{agents, prompt};

use crate::config::{Home, Settings, Watched};
use crate::engine::cluster::{Ask, Cluster, lock};
use crate::engine::instance::Instance;
use crate::engine::owner::Owner;
use crate::error::{Error, ErrorKind, Result};
use crate::job::state::Fact;
use crate::job::{ErrorInfo, Job, JobId, JobState, SubmitStep};
use crate::scheduler::{MemberSet, Tag};
use crate::store::{self, Changes, HistoryEntry, JobFilter, Page, Store};

/// Events a slow listener may fall behind before it has to ask `changesSince`.
const EVENTS: usize = 4096;
/// How long the end of the program waits for steps under way.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the store is checked for changes by other processes, while somebody listens.
const FOLLOW: Duration = Duration::from_secs(1);

/// The use cases. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    home: Home,
    store: Arc<Store>,
    options: Options,
    owner: Arc<Owner>,
    instance: Instance,
    /// Whether somebody is there to log in: see [`Engine::attend`].
    attended: AtomicBool,
    configured: RwLock<Configured>,
    events: broadcast::Sender<Event>,
    /// The number of the last change told. Held while a change is committed and told, so that
    /// events leave in the order of their numbers; never across an await.
    told: Mutex<u64>,
    /// Uploads of this process that failed and could not be swept: taken up at the next look.
    unswept: Mutex<HashSet<JobId>>,
    tasks: TaskTracker,
    /// Collections of results, which it does not wait for.
    collections: TaskTracker,
    stop: CancellationToken,
}

/// The settings and the clusters made from them.
struct Configured {
    watched: Watched,
    clusters: BTreeMap<String, Arc<Cluster>>,
}

/// How an engine is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The right to the store, held by a daemon from before it opens the store until it has ended.
    /// None: a right beside others is taken.
    pub owner: Option<Arc<Owner>>,
    /// How long a submission without an answer is only looked for (`NAMDRUNNER_GRACE_SECONDS`).
    pub grace_seconds: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            owner: None,
            grace_seconds: launch::GRACE_SECONDS,
        }
    }
}

impl Engine {
    /// Opens the store and starts one poller per cluster. Must be called inside a tokio runtime.
    pub fn start(home: Home, options: Options) -> Result<Self> {
        let watched = Watched::load(home.clone())?;
        let owner = match &options.owner {
            Some(owner) => Arc::clone(owner),
            None => Arc::new(Owner::beside_others(&home.data_dir)?),
        };
        let store = Arc::new(Store::open(&home.data_dir, store::Options::default())?);
        let told = store.seq()?;
        let instance = Instance::start(&home.data_dir)?;
        let configured = RwLock::new(Configured {
            watched,
            clusters: BTreeMap::new(),
        });
        let (events, _) = broadcast::channel(EVENTS);
        let engine = Self {
            inner: Arc::new(Inner {
                home,
                store,
                options,
                owner,
                instance,
                attended: AtomicBool::new(true),
                configured,
                events,
                told: Mutex::new(told),
                unswept: Mutex::new(HashSet::new()),
                tasks: TaskTracker::new(),
                collections: TaskTracker::new(),
                stop: CancellationToken::new(),
            }),
        };
        engine.arrange_clusters();
        if !engine.inner.owner.is_alone() {
            engine.start_following();
        }
        engine.start_forgetting();
        Ok(engine)
    }

    /// Events from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// Changes what may be changed of a job.
    pub async fn update_job(&self, id: &JobId, update: UpdateJob) -> Result<Job> {
        let UpdateJob {
            name,
            labels,
            resources,
            launch,
        } = update;
        create::check_asked(name.as_deref(), resources.as_ref(), launch.as_deref())?;
        if let Some(launch) = &launch {
            let job = self.stored(id)?;
            if job.spec.array.is_none() {
                create::check_index(Some(launch), &*self.find_cluster(&job.spec.cluster)?)?;
            }
        }
        let resources = match resources {
            Some(asked) => {
                let cluster = self.find_cluster(&self.stored(id)?.spec.cluster)?;
                Some(asked.or(&cluster.settings.resources))
            }
            None => None,
        };
        self.record(
            id,
            Fact::Updated {
                name,
                labels,
                resources,
                launch,
            },
        )
        .await
    }

    /// Submits a job. Answers when the ask is on disk; with `wait`, when the batch system has
    /// answered (or the answer has to be waited for beyond this call).
    pub async fn submit(&self, id: &JobId, wait: bool, caller: &Caller) -> Result<Job> {
        let cluster = self.find_cluster(&self.stored(id)?.spec.cluster)?;
        self.log_in_to_submit(&cluster, caller).await?;
        let tag = self.tag()?;
        // Claimed before the intent is stored: a look in between must not start it as well.
        let Some(busy) = cluster.claim(id) else {
            return Err(Error::new(
                ErrorKind::RefusedInState,
                format!("A step of job {id} is under way already."),
            )
            .hinted("Look at its status in a moment.")
            .of_job(id));
        };
        let job = self.record(id, Fact::SubmitAsked { tag }).await?;
        kill_point("submit-asked");
        let launch = {
            let (engine, cluster, id) = (self.clone(), Arc::clone(&cluster), id.clone());
            self.spawn(async move { engine.launch(&cluster, &id, busy).await })
        };
        if !wait {
            return Ok(job);
        }
        let _ = launch.await;
        let job = self.stored(id)?;
        match (&job.state, &job.error) {
            (JobState::Pending { .. } | JobState::Running { .. }, _) | (_, None) => Ok(job),
            (_, Some(info)) => Err(error_of(info).of_job(id).on_cluster(cluster.name())),
        }
    }

    /// A job, with the members of an array; with `sync`, after a look at its cluster.
    pub async fn job(&self, id: &JobId, sync: bool, caller: &Caller) -> Result<Job> {
        let mut job = self.visible(id)?;
        if sync && job.is_active() {
            self.sync_all(Some(&job.spec.cluster), caller).await?;
            job = self.visible(id)?;
        }
        if job.spec.array.is_some() {
            job.members = self.store().members(id)?;
        }
        Ok(job)
    }

    /// Jobs, newest first.
    #[allow(
        clippy::unused_async,
        reason = "reads are short; the signature leaves room to change that"
    )]
    pub async fn list(&self, filter: JobFilter) -> Result<Page> {
        self.store().list(&filter)
    }

    /// A job's history, oldest first.
    #[allow(clippy::unused_async, reason = "as above")]
    pub async fn history(&self, id: &JobId) -> Result<Vec<HistoryEntry>> {
        self.visible(id)?;
        self.store().history(id)
    }

    /// Looks at one cluster, or at all side by side. Where nothing is active nothing is asked.
    /// A login that needs a person asks the caller's.
    pub async fn sync_all(
        &self,
        cluster: Option<&str>,
        caller: &Caller,
    ) -> Result<(Vec<Synced>, u64)> {
        self.reload_settings();
        let clusters = match cluster {
            Some(name) => vec![self.find_cluster(name)?],
            None => self.all_clusters(),
        };
        let looks = clusters.into_iter().map(|cluster| async move {
            if caller.prompter.is_some() && self.active_count(cluster.name()) > 0 {
                // What is wrong shows in the look.
                let _ = self.log_in(&cluster, caller).await;
            }
            let (asker, answer) = oneshot::channel();
            let _ = cluster.asks.send(Ask::Sync(asker));
            answer.await.unwrap_or_else(|_| Synced {
                cluster: cluster.name().to_owned(),
                health: cluster.book().health,
                at: self.now(),
                queried: 0,
                changed: 0,
                took_ms: 0,
                error: Some("The cluster's settings changed or the program is ending.".to_owned()),
            })
        });
        let synced = futures_util::future::join_all(looks).await;
        Ok((synced, self.store().seq()?))
    }

    /// Cancels a job. The intent is on disk before the cluster is asked; if the cluster cannot be
    /// reached now, it is sent at the next look. Cancelling an ended job changes nothing.
    pub async fn cancel(&self, id: &JobId) -> Result<Job> {
        let job = self.visible(id)?;
        if let JobState::Created = job.state {
            return Err(Error::new(
                ErrorKind::RefusedInState,
                format!("Job {id} has not been submitted: there is nothing to cancel."),
            )
            .hinted("deleteJob removes it.")
            .of_job(id));
        }
        if matches!(job.state, JobState::Ended { .. }) {
            return Ok(job);
        }
        let cluster = self.find_cluster(&job.spec.cluster)?;
        let job = self.record(id, Fact::CancelAsked).await?;
        kill_point("cancel-recorded");
        match job.state {
            // Nothing has been sent: the submission is withdrawn.
            JobState::Submitting { step, .. }
                if step != SubmitStep::Sent
                    && step != SubmitStep::Unconfirmed
                    && let Some(_busy) = cluster.claim(id) =>
            {
                self.record(id, Fact::NotSubmitted { error: None }).await
            }
            JobState::Pending { .. } | JobState::Running { .. } => {
                let _busy = cluster.claim(id);
                if let Err(error) = self.send_cancel(&cluster, &job, None).await {
                    return self.cancel_delayed(&cluster, id, &error).await;
                }
                self.visible(id)
            }
            // On its way: cancelled as soon as the batch system's answer is known.
            _ => Ok(job),
        }
    }

    /// Cancels some members of an array, as [`Engine::cancel`] does all of it.
    pub async fn cancel_members(&self, id: &JobId, members: MemberSet) -> Result<Job> {
        let job = self.visible(id)?;
        let bad = |why: &str| Err(Error::bad_param("members", why).of_job(id));
        let Some(array) = &job.spec.array else {
            return bad("are named, but the job is no array; leave them out to cancel it");
        };
        if let Some(other) = members.iter().find(|n| !array.members().contains(*n)) {
            return bad(&format!("hold {other}, which the array {array} does not"));
        }
        if members.is_empty() {
            return bad("are empty; leave them out to cancel the whole array");
        }
        match job.state {
            JobState::Ended { .. } => return Ok(job),
            JobState::Pending { .. } | JobState::Running { .. } => {}
            _ => {
                return Err(Error::new(
                    ErrorKind::RefusedInState,
                    format!("Array {id} is not in the queue: its members cannot be cancelled one by one."),
                )
                .hinted("Cancel the whole array, or wait until it is in the queue.")
                .of_job(id));
            }
        }
        let cluster = self.find_cluster(&job.spec.cluster)?;
        let fact = Fact::CancelMembersAsked {
            members: members.clone(),
        };
        let job = self.record(id, fact).await?;
        let _busy = cluster.claim(id);
        if let Err(error) = self.send_cancel(&cluster, &job, Some(&members)).await {
            return self.cancel_delayed(&cluster, id, &error).await;
        }
        self.visible(id)
    }

    /// The cancellation is on disk and has not reached the cluster.
    async fn cancel_delayed(
        &self,
        cluster: &Arc<Cluster>,
        id: &JobId,
        error: &Error,
    ) -> Result<Job> {
        self.note_trouble(cluster, "cancel", error);
        let message = format!(
            "The cancellation has not reached the cluster yet. {}",
            error.message
        );
        let hint = "It is sent again at the next looks.";
        let error = ErrorInfo::new(error.kind, message, Some(hint), self.now());
        self.record(id, Fact::Noted { error }).await
    }

    /// What happened since a change number.
    #[allow(clippy::unused_async, reason = "as above")]
    pub async fn changes_since(&self, store_id: &str, seq: u64, limit: usize) -> Result<Changes> {
        let (own, newest) = self.store_position()?;
        if own != store_id {
            return Ok(Changes {
                changes: Vec::new(),
                seq: newest,
                truncated: true,
            });
        }
        self.store().changes_since(seq, limit)
    }

    /// All clusters, as configured.
    pub fn clusters(&self) -> Vec<ClusterState> {
        self.reload_settings();
        self.all_clusters()
            .iter()
            .map(|cluster| self.state_of(cluster))
            .collect()
    }

    /// One cluster.
    pub fn cluster(&self, name: &str) -> Result<ClusterState> {
        self.reload_settings();
        Ok(self.state_of(&*self.find_cluster(name)?))
    }

    /// When a job was last looked at, and whether that is too long ago for its status to be taken
    /// for granted (three intervals). An ended job does not grow stale.
    pub fn observed(&self, job: &Job) -> (Option<Timestamp>, bool) {
        let seen = job.seen.as_ref().map(|seen| seen.at);
        if !matches!(
            job.state,
            JobState::Pending { .. } | JobState::Running { .. }
        ) {
            return (seen, false);
        }
        let Ok(cluster) = self.find_cluster(&job.spec.cluster) else {
            return (seen, true);
        };
        let book = cluster.book();
        let at = seen.max(book.last_sync);
        let patience = i64::try_from(book.interval.as_secs() * 3)
            .unwrap_or(i64::MAX)
            .max(15);
        let stale = at.is_none_or(|at| self.now().duration_since(at).as_secs() > patience);
        (at, stale)
    }

    /// The store's id, and the number of the last committed change.
    pub fn store_position(&self) -> Result<(String, u64)> {
        Ok((self.store().store_id().to_owned(), self.store().seq()?))
    }

    /// Where this program's files live: the directory of the database.
    pub fn home(&self) -> String {
        self.inner.home.data_dir.display().to_string()
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.configured().watched.settings()
    }

    /// Lets steps under way finish (bounded), then ends the pollers and the connections. Returns
    /// what is left, in words; it is taken up again by the next start.
    pub async fn shut_down(&self) -> Vec<String> {
        let inner = &self.inner;
        inner.tasks.close();
        let mut left = Vec::new();
        if tokio::time::timeout(DRAIN, inner.tasks.wait())
            .await
            .is_err()
        {
            left = self
                .store()
                .active(None)
                .unwrap_or_default()
                .into_iter()
                .filter(|job| matches!(job.state, JobState::Submitting { .. }))
                .map(|job| format!("the submission of {} goes on at the next start", job.id))
                .collect();
        }
        inner.stop.cancel();
        for cluster in self.all_clusters() {
            cluster.transport.close().await;
        }
        inner.instance.end();
        left
    }

    /// The wall clock, to the millisecond (as the store keeps it).
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.round(
            TimestampRound::new()
                .smallest(Unit::Millisecond)
                .mode(RoundMode::Trunc),
        )
        .unwrap_or(now)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn data_dir(&self) -> &PathBuf {
        &self.inner.home.data_dir
    }

    pub(crate) fn instance(&self) -> &Instance {
        &self.inner.instance
    }

    pub(crate) fn grace_seconds(&self) -> i64 {
        self.inner.options.grace_seconds
    }

    /// A job, hidden intents included.
    pub(crate) fn stored(&self, id: &JobId) -> Result<Job> {
        self.store().job(id)
    }

    /// A job as callers may see it.
    pub(crate) fn visible(&self, id: &JobId) -> Result<Job> {
        let job = self.stored(id)?;
        if matches!(job.state, JobState::Uploading { .. }) {
            Err(job_not_found(id))
        } else {
            Ok(job)
        }
    }

    /// A task that the end of the program waits for.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.inner.tasks.spawn(task)
    }

    /// A random word of 26 lower-case letters and digits.
    #[allow(
        clippy::unused_self,
        reason = "randomness enters through the engine alone"
    )]
    pub(crate) fn token(&self) -> String {
        ulid::Ulid::generate().to_string().to_ascii_lowercase()
    }

    pub(crate) fn tag(&self) -> Result<Tag> {
        Tag::parse(&self.token()).ok_or_else(|| Error::internal("a token did not fit"))
    }

    /// A random number in 0..1.
    #[allow(clippy::unused_self, reason = "as above")]
    pub(crate) fn chance(&self) -> f64 {
        let sample = u32::try_from(ulid::Ulid::generate().random() & 0xFFFF_FFFF).unwrap_or(0);
        f64::from(sample) / f64::from(u32::MAX)
    }
}

/// The token shown in previews of a script whose attempt does not exist yet.
pub(crate) fn placeholder_tag() -> Tag {
    #[allow(clippy::expect_used, reason = "a literal that fits; held by a test")]
    Tag::parse("previewpreviewpreview").expect("fits")
}

fn job_not_found(id: &JobId) -> Error {
    Error::new(ErrorKind::JobNotFound, format!("There is no job {id}."))
        .hinted("listJobs shows what there is.")
        .of_job(id)
}

fn error_of(info: &ErrorInfo) -> Error {
    let kind = ErrorKind::from_name(&info.kind).unwrap_or(ErrorKind::Internal);
    let error = Error::new(kind, info.message.clone());
    match &info.hint {
        Some(hint) => error.hinted(hint.clone()),
        None => error,
    }
}

/// Runs something that waits for the disk off the runtime's workers.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|broken| Err(Error::internal(format!("A step broke off: {broken}"))))
}

/// A named place where fault tests kill the process: `NAMDRUNNER_KILL_AT=<name>`, or `<name>:<n>` for
/// the n-th time it is passed. A test finds the names in the source and dies at each of them.
pub(crate) fn kill_point(name: &str) {
    static AT: std::sync::OnceLock<Option<(String, AtomicU32)>> = std::sync::OnceLock::new();
    let at = AT.get_or_init(|| {
        let at = std::env::var("NAMDRUNNER_KILL_AT").ok()?;
        let (name, passage) = at.split_once(':').unwrap_or((&at, "1"));
        Some((name.to_owned(), AtomicU32::new(passage.parse().ok()?)))
    });
    let Some((at, left)) = at else { return };
    if at == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        tracing::error!(name, "killed here, as asked");
        #[allow(
            clippy::disallowed_methods,
            reason = "to die as by kill -9 is what is asked for"
        )]
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_placeholder_tag_fits() {
        assert_eq!(super::placeholder_tag().as_str(), "previewpreviewpreview");
    }
}
