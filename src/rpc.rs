//! The dispatch table: every method of the wire, and what it calls.
//!
//! The whole surface is [`methods`]. Parameters are read here, results are made by [`view`], and
//! errors by [`failure`]. What only a session knows (`initialize`, `shutdown`, `subscribe`) is
//! answered by the server.

pub mod failure;
pub mod opening;
pub mod view;

use std::future::Future;

use futures_util::future::try_join_all;
use jsonrpsee::types::Params;
use jsonrpsee::{Methods, RpcModule};
use serde::de::DeserializeOwned;

use crate::engine::{Caller, Engine, Part, Run, Which};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, JobId, JobState};
use crate::protocol::{self as wire, Method};
use crate::store::JobFilter;
use view::Sight;

pub use opening::Opening;

/// The methods over an engine.
pub fn methods(engine: Opening) -> Methods {
    let mut table = Table(RpcModule::new(engine));
    table.on(wire::CreateJob, create_job);
    table.on(wire::UpdateJob, update_job);
    table.on(wire::PreviewJob, preview_job);
    table.on(wire::Submit, submit);
    table.on(wire::JobStatus, job_status);
    table.on(wire::ListJobs, list_jobs);
    table.on(wire::JobHistory, job_history);
    table.on(wire::JobLog, job_log);
    table.on(wire::Diagnose, diagnose);
    table.on(wire::RetryStep, retry_step);
    table.on(wire::SyncAll, sync_all);
    table.on(wire::Cancel, cancel);
    table.on(wire::DeleteJob, delete_job);
    table.on(wire::ListFiles, list_files);
    table.on(wire::Download, download);
    table.on(wire::ChangesSince, changes_since);
    table.on(wire::ListClusters, list_clusters);
    table.on(wire::ClusterStatusOf, cluster_status);
    table.on(wire::Connect, connect);
    table.on(wire::Disconnect, disconnect);
    table.on(wire::Reconcile, reconcile);
    table.on(wire::DiscoverJobs, discover_jobs);
    table.on(wire::AdoptJob, adopt_job);
    table.on(wire::Doctor, examine);
    table.0.into()
}

/// Methods that a session answers itself.
pub const OF_THE_SESSION: [&str; 3] = [
    wire::Initialize::NAME,
    wire::Shutdown::NAME,
    wire::Subscribe::NAME,
];

struct Table(RpcModule<Opening>);

impl Table {
    /// Binds a method: reads its parameters, opens the engine, calls, and turns errors into objects.
    fn on<M: Method, F, Fut>(&mut self, _: M, call: F)
    where
        M::Params: 'static,
        M::Result: Clone + Send + 'static,
        F: Fn(Engine, M::Params, Caller) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<M::Result>> + Send + 'static,
    {
        let bound =
            self.0
                .register_async_method(M::NAME, move |params, engine, extensions| async move {
                    let caller = extensions.get::<Caller>().cloned().unwrap_or_default();
                    let answer = async {
                        let params = read::<M::Params>(&params)?;
                        call(engine.engine().await?, params, caller).await
                    };
                    answer.await.map_err(|error| {
                        failure::log(M::NAME, &error);
                        failure::object(&error)
                    })
                });
        if let Err(error) = bound {
            tracing::error!(%error, "a method is bound twice");
        }
    }
}

/// Reads parameters by name; absent ones are an empty object.
fn read<T: DeserializeOwned>(params: &Params<'_>) -> Result<T> {
    from_text(params.as_str().unwrap_or("{}"))
}

/// Reads a method's parameters from JSON text.
pub fn from_text<T: DeserializeOwned>(text: &str) -> Result<T> {
    let text = if text == "null" { "{}" } else { text };
    if text.starts_with('[') {
        return Err(Error::new(
            ErrorKind::InvalidParams,
            "Parameters are given by name, in an object, not by position.",
        )
        .hinted("Send `\"params\": {\"name\": value}`; `namdrunner schema` prints the names."));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        let why = error.inner().to_string();
        // serde counts lines and columns in the params alone, which helps nobody.
        let why = why.split(" at line ").next().unwrap_or_default();
        let message = if place == "." {
            format!("The parameters do not fit: {why}.")
        } else {
            format!("Parameter `{place}`: {why}.")
        };
        Error::new(ErrorKind::InvalidParams, message)
            .hinted("`namdrunner schema` prints what each method takes.")
    })
}

async fn create_job(
    engine: Engine,
    params: wire::CreateJobParams,
    caller: Caller,
) -> Result<wire::CreateJobResult> {
    let submit = params.submit == Some(true);
    let mut created = engine
        .create_job(view::create_asked(params), &caller)
        .await?;
    if submit {
        // The job exists: an error from here on must name it.
        let id = created.job.id.clone();
        created.job = engine
            .submit(&id, false, &caller)
            .await
            .map_err(|error| error.of_job(&id))?;
    }
    Ok(view::created(&created, sight(&engine, &created.job)))
}

async fn update_job(
    engine: Engine,
    params: wire::UpdateJobParams,
    _: Caller,
) -> Result<wire::JobResult> {
    let id = job_id(&params.job_id)?;
    let job = engine.update_job(&id, view::update_asked(params)).await?;
    Ok(job_result(&engine, &job))
}

async fn preview_job(
    engine: Engine,
    params: wire::PreviewJobParams,
    caller: Caller,
) -> Result<wire::PreviewJobResult> {
    let preview = match (&params.job_id, &params.config_path) {
        (Some(id), None) => engine.preview_existing(&job_id(id)?).await?,
        (None, Some(path)) => {
            let ask = wire::CreateJobParams {
                config_path: path.clone(),
                cluster: params.cluster,
                name: params.name,
                resources: params.resources,
                launch: params.launch,
                inputs: params.inputs,
                array: params.array,
                ..wire::CreateJobParams::default()
            };
            engine.preview_job(view::create_asked(ask), &caller).await?
        }
        (Some(_), Some(_)) => {
            return Err(Error::bad_param(
                "jobId",
                "either a job or a `configPath` is previewed, not both",
            ));
        }
        (None, None) => {
            return Err(Error::bad_param(
                "configPath",
                "is missing; give it, or the `jobId` of a job that exists",
            ));
        }
    };
    Ok(view::preview(preview))
}

async fn submit(
    engine: Engine,
    params: wire::SubmitParams,
    caller: Caller,
) -> Result<wire::JobResult> {
    let wait = params.wait == Some(true);
    let job = engine
        .submit(&job_id(&params.job_id)?, wait, &caller)
        .await?;
    Ok(job_result(&engine, &job))
}

async fn job_status(
    engine: Engine,
    params: wire::JobStatusParams,
    caller: Caller,
) -> Result<wire::JobResult> {
    let sync = params.sync == Some(true);
    let job = engine.job(&job_id(&params.job_id)?, sync, &caller).await?;
    let insight = engine.insight(&job)?;
    let mut shown = view::whole_job(&job, sight(&engine, &job));
    shown.progress = view::progress(&insight);
    shown.diagnosis = view::diagnosis(&insight);
    Ok(wire::JobResult { job: shown })
}

async fn list_jobs(
    engine: Engine,
    params: wire::ListJobsParams,
    _: Caller,
) -> Result<wire::ListJobsResult> {
    let statuses = params.status.unwrap_or_default();
    let filter = JobFilter {
        statuses: statuses.into_iter().map(view::status_asked).collect(),
        cluster: params.cluster,
        config_path: params.config_path,
        text: params.text,
        limit: limit(params.limit, 200)?,
        after: params.after,
    };
    let page = engine.list(filter).await?;
    let (store_id, _) = engine.store_position()?;
    // One by one: a page is not held twice.
    let jobs = page.jobs.into_iter();
    Ok(wire::ListJobsResult {
        jobs: jobs
            .map(|job| listed(&engine, &job))
            .collect::<Result<_>>()?,
        next: page.next,
        seq: page.seq,
        store_id,
    })
}

/// A job in a list: with its progress while it runs.
fn listed(engine: &Engine, job: &Job) -> Result<wire::Job> {
    let mut shown = view::job(job, sight(engine, job));
    if matches!(job.state, JobState::Running { .. }) {
        shown.progress = view::progress(&engine.insight(job)?);
    }
    Ok(shown)
}

async fn job_log(
    engine: Engine,
    params: wire::JobLogParams,
    _: Caller,
) -> Result<wire::JobLogResult> {
    let which = match params.which {
        None | Some(wire::WhichLog::Namd) => Which::Namd,
        Some(wire::WhichLog::Stdout | wire::WhichLog::Stderr) => Which::Script,
    };
    let part = match (params.offset, params.tail) {
        (Some(offset), None) => Some(Part::From(offset)),
        (None, Some(bytes)) => Some(Part::Last(bytes)),
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(Error::bad_param(
                "tail",
                "is given beside `offset`: only one of them can be",
            ));
        }
    };
    let run = Run {
        attempt: params.attempt,
        member: params.member,
    };
    let piece = engine
        .job_log(&job_id(&params.job_id)?, which, part, run)
        .await?;
    Ok(view::piece(piece))
}

async fn diagnose(
    engine: Engine,
    params: wire::JobParams,
    _: Caller,
) -> Result<wire::DiagnoseResult> {
    let insight = engine.diagnose(&job_id(&params.job_id)?).await?;
    Ok(wire::DiagnoseResult {
        diagnosis: view::diagnosis(&insight),
    })
}

async fn retry_step(engine: Engine, params: wire::JobParams, _: Caller) -> Result<wire::JobResult> {
    let job = engine.retry_step(&job_id(&params.job_id)?).await?;
    Ok(job_result(&engine, &job))
}

async fn job_history(
    engine: Engine,
    params: wire::JobParams,
    caller: Caller,
) -> Result<wire::JobHistoryResult> {
    let id = job_id(&params.job_id)?;
    let job = engine.job(&id, false, &caller).await?;
    let entries = engine.history(&id).await?;
    Ok(view::history(entries, &job, engine.now()))
}

async fn sync_all(
    engine: Engine,
    params: wire::SyncAllParams,
    caller: Caller,
) -> Result<wire::SyncAllResult> {
    let (synced, seq) = engine.sync_all(params.cluster.as_deref(), &caller).await?;
    Ok(wire::SyncAllResult {
        clusters: synced.iter().map(view::synced).collect(),
        seq,
    })
}

async fn cancel(
    engine: Engine,
    params: wire::CancelJobParams,
    _: Caller,
) -> Result<wire::JobResult> {
    let id = job_id(&params.job_id)?;
    let job = match params.members {
        Some(members) => {
            engine
                .cancel_members(&id, members.into_iter().collect())
                .await?
        }
        None => engine.cancel(&id).await?,
    };
    Ok(job_result(&engine, &job))
}

async fn delete_job(
    engine: Engine,
    params: wire::DeleteJobParams,
    _: Caller,
) -> Result<wire::DeleteJobResult> {
    let remote_files = params.remote_files == Some(true);
    let deleted = engine
        .delete_job(&job_id(&params.job_id)?, remote_files)
        .await?;
    Ok(wire::DeleteJobResult {
        deleted: true,
        remote: deleted.remote,
    })
}

async fn list_files(
    engine: Engine,
    params: wire::JobParams,
    _: Caller,
) -> Result<wire::ListFilesResult> {
    let files = engine.list_files(&job_id(&params.job_id)?).await?;
    Ok(wire::ListFilesResult {
        files: files.into_iter().map(view::job_file).collect(),
    })
}

async fn download(
    engine: Engine,
    params: wire::DownloadParams,
    caller: Caller,
) -> Result<wire::DownloadResult> {
    let id = job_id(&params.job_id)?;
    let to = params.to.map(Into::into);
    let patterns = params.patterns.as_deref();
    let downloaded = engine.download(&id, patterns, to, &caller).await?;
    Ok(view::downloaded(downloaded))
}

async fn changes_since(
    engine: Engine,
    params: wire::ChangesSinceParams,
    _: Caller,
) -> Result<wire::ChangesSinceResult> {
    let limit = limit(params.limit, 500)?;
    past(&engine, &params.store_id, params.seq, limit).await
}

/// What happened since a change, as the wire tells it.
pub async fn past(
    engine: &Engine,
    store_id: &str,
    seq: u64,
    limit: usize,
) -> Result<wire::ChangesSinceResult> {
    let past = engine.changes_since(store_id, seq, limit).await?;
    let changes = past.changes.into_iter();
    Ok(wire::ChangesSinceResult {
        changes: changes
            .filter_map(|change| view::stored_change(change, |job| sight(engine, job)))
            .collect(),
        seq: past.seq,
        truncated: past.truncated,
    })
}

async fn list_clusters(
    engine: Engine,
    _: wire::NoParams,
    _: Caller,
) -> Result<wire::ListClustersResult> {
    Ok(wire::ListClustersResult {
        clusters: engine.clusters().iter().map(view::cluster).collect(),
    })
}

async fn cluster_status(
    engine: Engine,
    params: wire::ClusterParams,
    _: Caller,
) -> Result<wire::ClusterStatus> {
    Ok(view::cluster(&engine.cluster(&params.cluster)?))
}

async fn connect(
    engine: Engine,
    params: wire::ConnectParams,
    caller: Caller,
) -> Result<wire::ClusterStatus> {
    let state = engine.connect(&params.cluster, &caller).await?;
    Ok(view::cluster(&state))
}

async fn disconnect(
    engine: Engine,
    params: wire::ClusterParams,
    _: Caller,
) -> Result<wire::ClusterStatus> {
    let state = engine.disconnect(&params.cluster).await?;
    Ok(view::cluster(&state))
}

async fn reconcile(
    engine: Engine,
    params: wire::ReconcileParams,
    _: Caller,
) -> Result<wire::ReconcileResult> {
    let (dry_run, foreign) = (params.dry_run == Some(true), params.foreign == Some(true));
    let found = engine.reconcile(&params.cluster, dry_run, foreign).await?;
    Ok(view::reconciled(found))
}

async fn discover_jobs(
    engine: Engine,
    params: wire::ClusterParams,
    _: Caller,
) -> Result<wire::DiscoverJobsResult> {
    let found = engine.discover(&params.cluster).await?;
    let jobs = found.jobs.iter();
    let jobs = jobs
        .map(|job| view::job(job, sight(&engine, job)))
        .collect();
    Ok(view::discovered(found, jobs))
}

async fn adopt_job(
    engine: Engine,
    params: wire::AdoptJobParams,
    _: Caller,
) -> Result<wire::JobResult> {
    let job = engine.adopt(&params.cluster, &params.slurm_job_id).await?;
    Ok(job_result(&engine, &job))
}

async fn examine(
    engine: Engine,
    params: wire::DoctorParams,
    caller: Caller,
) -> Result<wire::DoctorResult> {
    let names: Vec<String> = match params.cluster {
        Some(name) => vec![name],
        None => engine
            .clusters()
            .into_iter()
            .map(|cluster| cluster.name)
            .collect(),
    };
    let checks = try_join_all(names.into_iter().map(|name| {
        let (engine, caller) = (engine.clone(), caller.clone());
        async move {
            let checks = engine.examine(&name, &caller).await?;
            let views = checks.into_iter().map(|check| view::check(&name, check));
            Ok::<Vec<_>, Error>(views.collect())
        }
    }));
    Ok(wire::DoctorResult {
        checks: checks.await?.into_iter().flatten().collect(),
    })
}

fn job_result(engine: &Engine, job: &Job) -> wire::JobResult {
    wire::JobResult {
        job: view::job(job, sight(engine, job)),
    }
}

/// How fresh what is known of a job is.
pub fn sight(engine: &Engine, job: &Job) -> Sight {
    let (observed, stale) = engine.observed(job);
    Sight {
        observed,
        stale,
        now: engine.now(),
        results: engine.results(job),
    }
}

/// A text that is no job id cannot be the id of a job.
fn job_id(text: &str) -> Result<JobId> {
    JobId::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        Error::new(
            ErrorKind::JobNotFound,
            format!("There is no job {shown:?}."),
        )
        .hinted("`listJobs` gives the jobs and their ids.")
        .of_job(shown)
    })
}

fn limit(asked: Option<u32>, otherwise: u32) -> Result<usize> {
    let limit = asked.unwrap_or(otherwise);
    if (1..=1000).contains(&limit) {
        Ok(limit as usize)
    } else {
        Err(Error::bad_param("limit", "must be from 1 to 1000"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        let error = from_text::<T>(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidParams);
        error.message
    }

    #[test]
    fn what_is_announced_is_bound_and_nothing_else() {
        let methods = methods(Opening::never());
        let mut bound: Vec<&str> = methods.method_names().chain(OF_THE_SESSION).collect();
        let mut announced: Vec<&str> = wire::METHODS.iter().map(|row| row.name).collect();
        bound.sort_unstable();
        announced.sort_unstable();
        assert_eq!(bound, announced);
    }

    #[test]
    fn bad_parameters_are_named() {
        let message = refused::<wire::JobParams>("{}");
        assert_eq!(message, "The parameters do not fit: missing field `jobId`.");
        let message = refused::<wire::JobParams>(r#"{"jobId":5}"#);
        assert_eq!(
            message,
            "Parameter `jobId`: invalid type: integer `5`, expected a string."
        );
        let message =
            refused::<wire::CreateJobParams>(r#"{"configPath":"/a","resources":{"nodes":"two"}}"#);
        assert!(
            message.starts_with("Parameter `resources.nodes`"),
            "{message}"
        );
        let message = refused::<wire::ListJobsParams>(r#"{"status":["RUNNING","LOST"]}"#);
        assert!(
            message.starts_with("Parameter `status[1]`: unknown variant `LOST`"),
            "{message}"
        );
        let message = refused::<wire::JobParams>(r#"["a"]"#);
        assert!(message.contains("by name"), "{message}");
    }

    #[test]
    fn absent_and_unknown_parameters_are_fine() {
        for text in ["{}", "null", r#"{"later":{"a":1}}"#] {
            assert_eq!(
                from_text::<wire::ListJobsParams>(text).unwrap(),
                wire::ListJobsParams::default()
            );
        }
        from_text::<wire::NoParams>(r#"{"x":1}"#).unwrap();
        let null = from_text::<wire::ListJobsParams>(r#"{"limit":null}"#).unwrap();
        assert_eq!(null.limit, None);
    }

    #[test]
    fn a_text_that_is_no_id_is_a_job_not_found() {
        let error = job_id("../x").unwrap_err();
        assert_eq!(error.kind, ErrorKind::JobNotFound);
    }
}
