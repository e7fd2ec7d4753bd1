//! listFiles and download: what a job has on the cluster, and how it comes here.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use glob::{MatchOptions, Pattern};

use crate::engine::cluster::Cluster;
use crate::engine::meter::Meter;
use crate::engine::{Caller, Downloaded, DownloadedFile, Engine, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::job::results::{self, RemoteFile};
use crate::job::{Job, JobId};
use crate::shell::Command;
use crate::transport::Get;

/// What listing a large directory may take.
const LISTING: Duration = Duration::from_mins(5);

/// Trajectories, and anything else larger than this, come only when they are asked for.
const UNASKED_TO: u64 = 100_000_000;

/// Files with their places on this machine.
type Paired = Vec<(RemoteFile, PathBuf)>;

impl Engine {
    /// The files of a job on its cluster: inputs as they were uploaded, and what its attempts wrote.
    pub async fn list_files(&self, id: &JobId) -> Result<Vec<RemoteFile>> {
        let job = self.visible(id)?;
        let cluster = self.find_cluster(&job.spec.cluster)?;
        self.files_of(&cluster, &job).await
    }

    async fn files_of(&self, cluster: &Cluster, job: &Job) -> Result<Vec<RemoteFile>> {
        let command = Command::read("list files", results::listing_script(job)).within(LISTING);
        let output = match cluster.run(&command).await {
            Ok(output) => output,
            Err(error) => {
                self.note_trouble(cluster, "list files", &error);
                return Err(error.of_job(&job.id));
            }
        };
        if !output.ok() {
            let why = output
                .first_error_line()
                .unwrap_or_else(|| output.status.to_string());
            return Err(Error::new(
                ErrorKind::RemoteCommandFailed,
                format!(
                    "The files of {} cannot be listed on {}: {why}.",
                    job.id,
                    cluster.place()
                ),
            )
            .of_job(&job.id)
            .on_cluster(cluster.name()));
        }
        Ok(results::read_listing(job, &output.text()))
    }

    /// Fetches files of a job's newest attempt. Without patterns: everything but inputs, trajectories
    /// and what is very large. Without a place: a directory of the job's id beside its config. A file
    /// that is here as it is there is not fetched again.
    pub async fn download(
        &self,
        id: &JobId,
        patterns: Option<&[String]>,
        to: Option<PathBuf>,
        caller: &Caller,
    ) -> Result<Downloaded> {
        let job = self.visible(id)?;
        let cluster = self.find_cluster(&job.spec.cluster)?;
        let patterns = patterns.map(parse).transpose()?;
        let to = place(&job, to)?;
        caller.tell("Listing the files", 0, 0);
        let listed = self.files_of(&cluster, &job).await?;
        let newest = listed.iter().filter_map(|file| file.attempt).max();
        let wanted: Vec<RemoteFile> = listed
            .iter()
            .filter(|file| match &patterns {
                Some(patterns) => {
                    (file.attempt == newest || file.attempt.is_none())
                        && patterns.iter().any(|pattern| matches(pattern, &file.path))
                }
                None => file.attempt == newest && newest.is_some() && comes_unasked(file),
            })
            .cloned()
            .collect();
        if wanted.is_empty() && patterns.is_some() {
            return Err(Error::bad_param(
                "patterns",
                format!("match none of the job's {} files", listed.len()),
            )
            .hinted("`listFiles` shows them; patterns are matched against `path`.")
            .of_job(id));
        }
        let (here, missing) = self.compare(&to, wanted).await?;
        let total = missing.iter().map(|(file, _)| file.bytes).sum();
        let meter = Meter::new(caller, "Downloading", total);
        let gets: Vec<Get> = missing
            .iter()
            .map(|(file, local)| Get {
                from: file.remote.clone(),
                to: local.clone(),
                bytes: Some(file.bytes),
            })
            .collect();
        let fetched = match cluster.transport.get(&gets, &meter.watcher()).await {
            Ok(fetched) => fetched,
            Err(error) => {
                let error = cluster.translate(&error, "the download").of_job(id);
                self.note_trouble(&cluster, "download", &error);
                return Err(error);
            }
        };
        let mut files: Vec<DownloadedFile> = missing
            .into_iter()
            .zip(fetched)
            .map(|((file, local), fetched)| DownloadedFile {
                path: file.path,
                local,
                bytes: fetched.bytes,
                fetched: true,
            })
            .collect();
        files.extend(here.into_iter().map(|(file, local)| DownloadedFile {
            path: file.path,
            local,
            bytes: file.bytes,
            fetched: false,
        }));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Downloaded { to, files })
    }

    /// Parts the files into those that are here as they are there, and those that are to be fetched,
    /// whose directories are made.
    async fn compare(&self, to: &Path, wanted: Vec<RemoteFile>) -> Result<(Paired, Paired)> {
        let to = to.to_owned();
        blocking(move || {
            let mut parts: (Paired, Paired) = Default::default();
            for file in wanted {
                let local = to.join(&file.path);
                if is_here(&file, &local) {
                    parts.0.push((file, local));
                    continue;
                }
                let dir = local.parent().unwrap_or(&to);
                std::fs::create_dir_all(dir).map_err(|why| {
                    Error::new(
                        ErrorKind::TransferFailed,
                        format!("{} cannot be made: {why}.", dir.display()),
                    )
                })?;
                parts.1.push((file, local));
            }
            Ok(parts)
        })
        .await
    }
}

/// Where the files go.
fn place(job: &Job, to: Option<PathBuf>) -> Result<PathBuf> {
    match to {
        Some(to) if to.is_absolute() => Ok(to),
        Some(_) => Err(Error::bad_param("to", "must be an absolute path")),
        None => {
            let config = Path::new(&job.spec.config_path);
            let beside = config.parent().unwrap_or(Path::new("/"));
            Ok(beside.join(job.id.as_str()))
        }
    }
}

fn parse(patterns: &[String]) -> Result<Vec<Pattern>> {
    patterns
        .iter()
        .map(|text| {
            Pattern::new(text)
                .map_err(|why| Error::bad_param("patterns", format!("{text:?}: {}", why.msg)))
        })
        .collect()
}

/// A pattern without a slash is one of names, wherever they are; `*` does not reach over a slash.
fn matches(pattern: &Pattern, path: &str) -> bool {
    let options = MatchOptions {
        require_literal_separator: true,
        ..MatchOptions::new()
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    pattern.matches_with(path, options)
        || (!pattern.as_str().contains('/') && pattern.matches_with(name, options))
}

fn comes_unasked(file: &RemoteFile) -> bool {
    !file.input && file.bytes <= UNASKED_TO && file.role != "trajectory" && file.role != "control"
}

/// Whether a file is here with the size and the date it has there: what was fetched has them.
fn is_here(file: &RemoteFile, local: &Path) -> bool {
    let Ok(meta) = std::fs::metadata(local) else {
        return false;
    };
    let modified = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_secs()).ok());
    meta.is_file()
        && meta.len() == file.bytes
        && file.modified.is_some()
        && modified == file.modified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_of_paths_or_of_names() {
        let is = |pattern: &str, path: &str| matches(&Pattern::new(pattern).unwrap(), path);
        assert!(is("*.dcd", "eq.dcd"));
        assert!(is("*.dcd", "output/eq.dcd"));
        assert!(is("output/*", "output/eq.dcd"));
        assert!(!is("output/*", "output/a/eq.dcd"));
        assert!(is("**/*.xsc", "a/b/c.xsc"));
        assert!(!is("eq*", "output/prod.dcd"));
    }
}
