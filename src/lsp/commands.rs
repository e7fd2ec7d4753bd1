//! The commands behind lenses and actions, and what carries each out.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::engine::{Caller, CreateJob, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, JobId};
use crate::rpc::{self, view};

use super::lenses;

/// What can be asked for by `workspace/executeCommand`, with the defaults of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Makes a job of a config: `[uri]`.
    Create,
    /// Makes and submits one: `[uri]`.
    CreateAndSubmit,
    /// Shows what that would do: `[uri]`.
    Preview,
    /// Submits a job: `[jobId]`.
    Submit,
    /// Cancels one: `[jobId]`.
    Cancel,
    /// Looks at its cluster and tells how it is: `[jobId]`.
    Status,
    /// Gives the config as the job runs it: `[jobId]`.
    Diff,
    /// Looks at all clusters: `[]`.
    Sync,
}

impl Verb {
    pub(crate) const ALL: [Self; 8] = [
        Self::Create,
        Self::CreateAndSubmit,
        Self::Preview,
        Self::Submit,
        Self::Cancel,
        Self::Status,
        Self::Diff,
        Self::Sync,
    ];

    /// The command's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "namdrunner.create",
            Self::CreateAndSubmit => "namdrunner.createAndSubmit",
            Self::Preview => "namdrunner.preview",
            Self::Submit => "namdrunner.submit",
            Self::Cancel => "namdrunner.cancel",
            Self::Status => "namdrunner.status",
            Self::Diff => "namdrunner.diff",
            Self::Sync => "namdrunner.sync",
        }
    }

    /// The command of a name.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::bad_param("command", format!("is not one of {names}"))
            })
    }

    /// Whether it is about a config, not about a job.
    pub(crate) fn is_about_config(self) -> bool {
        matches!(self, Self::Create | Self::CreateAndSubmit | Self::Preview)
    }
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    /// A sentence for the person.
    pub(crate) message: String,
    /// The result, as the method of the same name gives it.
    pub(crate) result: Value,
}

/// Carries out a command about a config.
pub(crate) async fn on_config(
    engine: &Engine,
    verb: Verb,
    path: PathBuf,
    caller: &Caller,
) -> Result<Done> {
    let ask = CreateJob {
        config_path: path,
        ..CreateJob::default()
    };
    if verb == Verb::Preview {
        let preview = view::preview(engine.preview_job(ask, caller).await?);
        let message = format!(
            "{} files, {}, would be uploaded.",
            preview.files.len(),
            super::links::size(preview.total_bytes)
        );
        return Ok(Done {
            message,
            result: written(&preview)?,
        });
    }
    let created = engine.create_job(ask, caller).await?;
    if verb == Verb::Create {
        return Ok(told(engine, &created.job, "was created"));
    }
    let job = engine.submit(&created.job.id, false, caller).await?;
    Ok(told(engine, &job, "was created and is being submitted"))
}

/// Carries out a command about a job.
pub(crate) async fn on_job(engine: &Engine, verb: Verb, id: &str, caller: &Caller) -> Result<Done> {
    let id = JobId::parse(id).ok_or_else(|| {
        Error::new(ErrorKind::JobNotFound, format!("There is no job {id:?}."))
            .hinted("`listJobs` gives the jobs and their ids.")
    })?;
    match verb {
        Verb::Submit => {
            let job = engine.submit(&id, false, caller).await?;
            Ok(told(engine, &job, "is being submitted"))
        }
        Verb::Cancel => {
            let job = engine.cancel(&id).await?;
            Ok(told(engine, &job, "is being cancelled"))
        }
        Verb::Diff => {
            let text = engine.config_text(&id).await?;
            let job = engine.job(&id, false, caller).await?;
            Ok(Done {
                message: String::new(),
                result: json!({
                    "jobId": job.id,
                    "configPath": job.spec.config_path,
                    "text": String::from_utf8_lossy(&text),
                }),
            })
        }
        _ => {
            let job = engine.job(&id, true, caller).await?;
            let wire = view::job(&job, rpc::sight(engine, &job));
            Ok(Done {
                message: format!("{}: {}.", job.spec.name, lenses::headline(&wire)),
                result: json!({ "job": written(&wire)? }),
            })
        }
    }
}

/// Looks at all clusters.
pub(crate) async fn sync(engine: &Engine, caller: &Caller) -> Result<Done> {
    let (synced, seq) = engine.sync_all(None, caller).await?;
    let failed: Vec<&str> = synced
        .iter()
        .filter(|synced| synced.error.is_some())
        .map(|synced| synced.cluster.as_str())
        .collect();
    let changed: usize = synced.iter().map(|synced| synced.changed).sum();
    let message = if failed.is_empty() {
        format!("All clusters answered; {changed} jobs changed.")
    } else {
        format!(
            "No answer from {}; {changed} jobs changed.",
            failed.join(", ")
        )
    };
    let clusters: Vec<_> = synced.iter().map(view::synced).collect();
    Ok(Done {
        message,
        result: json!({ "clusters": written(&clusters)?, "seq": seq }),
    })
}

fn told(engine: &Engine, job: &Job, what: &str) -> Done {
    let wire = view::job(job, rpc::sight(engine, job));
    Done {
        message: format!("Job {} {what} on {}.", job.spec.name, job.spec.cluster),
        result: json!({ "job": wire }),
    }
}

fn written<T: serde::Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|why| Error::internal("a result could not be written").caused_by(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_and_others_are_told_which_are() {
        for verb in Verb::ALL {
            assert_eq!(Verb::parse(verb.name()).unwrap(), verb);
        }
        let error = Verb::parse("namdrunner.launchMissiles").unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidParams);
        assert!(error.message.contains("namdrunner.submit"), "{error}");
    }
}
