//! The files of a new job on their way: most in one bundle, in one round trip; large ones by themselves,
//! going on where they stopped; and not those that an earlier job left on the cluster.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::engine::cluster::{Cluster, Ready, is_full};
use crate::engine::files::{LocalFile, Survey, hex};
use crate::engine::meter::Meter;
use crate::engine::{Caller, Engine, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::job::layout::{self, Placed, Supply};
use crate::job::{Job, info};
use crate::shell::{BadPath, Command, ExitStatus, Output, RemotePath};
use crate::store::JobFilter;
use crate::transport::{Bundle, Content, Entry, LARGE, Put, SUMS, Sent, TransportError};

/// Slowest line an upload is given time for, in bytes per second.
const SLOWEST_LINE: u64 = 100_000;

/// Files from this size on are looked for among those of earlier jobs. Below, sending them costs less
/// than looking.
const REUSED_FROM: u64 = 128 * 1024;

/// Earlier jobs of a cluster, the newest first, whose files are considered.
const EARLIER_JOBS: usize = 500;

/// A file of a survey that the cluster is thought to have.
#[derive(Debug, Clone)]
pub(super) struct Reusable {
    /// Its number among the survey's files.
    pub(super) number: usize,
    pub(super) bytes: u64,
    pub(super) placed: Placed,
}

impl Engine {
    /// Sends a job's files; returns the checksums of what stands on the cluster, by place in the
    /// tree.
    pub(super) async fn upload(
        &self,
        cluster: &Arc<Cluster>,
        ready: &Ready,
        job: &Job,
        survey: &Survey,
        caller: &Caller,
    ) -> Result<BTreeMap<String, String>> {
        let total = survey.files.iter().map(|file| file.bytes).sum();
        let meter = Meter::new(caller, "Uploading", total);
        let _turn = if survey.files.iter().any(is_large) {
            if cluster.large.available_permits() == 0 {
                caller.tell("Waiting for another upload of large files", 0, total);
            }
            let turn = caller.cancel.run_until_cancelled(cluster.large.acquire());
            let turn = turn.await.and_then(std::result::Result::ok);
            Some(turn.ok_or_else(|| Error::new(ErrorKind::Cancelled, "Withdrawn by the caller."))?)
        } else {
            None
        };
        let reusable = self.reusable(cluster, survey).await?;
        for trusting in [true, false] {
            let mut placed = Vec::new();
            if trusting {
                meter.skip(reusable.iter().map(|file| file.bytes).sum());
                placed.extend(reusable.iter().map(|file| file.placed.clone()));
            }
            let staged = self.stage(cluster, ready, survey, &placed, &meter, !trusting);
            placed.extend(staged.await?);
            if let Some(sums) = self.send(cluster, job, survey, &placed, &meter).await? {
                return Ok(sums);
            }
            tracing::info!(job = %job.id, "a file of an earlier job is not as it was: all are sent");
        }
        Err(Error::internal(
            "a file changed on the cluster while it was compared",
        ))
    }

    /// Sends the bundle, which makes the job whole. None if a file that was there is not as it was.
    async fn send(
        &self,
        cluster: &Arc<Cluster>,
        job: &Job,
        survey: &Survey,
        placed: &[Placed],
        meter: &Arc<Meter>,
    ) -> Result<Option<BTreeMap<String, String>>> {
        let mut bundle = Bundle {
            entries: vec![Entry {
                path: layout::JOB_INFO.to_owned(),
                from: Content::Bytes(info::describe(job).into_bytes().into()),
            }],
        };
        let sent = |file: &&LocalFile| placed.iter().all(|other| other.in_tree != file.in_tree);
        let mut total = 0;
        for file in survey.files.iter().filter(sent) {
            total += file.bytes;
            bundle.entries.push(Entry {
                path: format!("{}/{}", layout::INPUT_FILES, file.in_tree),
                from: match &file.content {
                    Some(bytes) => Content::Bytes(Arc::clone(bytes)),
                    None => Content::File {
                        path: file.path.clone(),
                        bytes: file.bytes,
                        modified: file.modified,
                        executable: file.executable,
                    },
                },
            });
        }
        // What is copied on the cluster takes its time as well.
        let all: u64 = survey.files.iter().map(|file| file.bytes).sum();
        let patience = Duration::from_secs(120 + total.max(all / 100) / SLOWEST_LINE);
        // Each sending has a name of its own: of an earlier one something may still run.
        let command = || {
            layout::upload_script(&job.spec.project_dir, &self.token(), SUMS, placed)
                .map(|script| Command::effect("upload", script).within(patience))
                .map_err(bad)
        };
        let watch = meter.watcher();
        let mut result = cluster
            .transport
            .run_with_bundle(&command()?, &bundle, &watch)
            .await;
        if matches!(result, Err(TransportError::Lost(_))) {
            tracing::info!(job = %job.id, "the upload broke off and begins anew");
            result = cluster
                .transport
                .run_with_bundle(&command()?, &bundle, &watch)
                .await;
        }
        let (output, sent) = result.map_err(|error| cluster.translate(&error, "the upload"))?;
        if output.status == ExitStatus::Code(layout::NOT_AS_IT_WAS) {
            return Ok(None);
        }
        judge_upload(&output, cluster)?;
        // One that found its work done says what stands there.
        Ok(Some(layout::whole_upload(&output.text()).unwrap_or_else(
            || {
                let placed = placed
                    .iter()
                    .map(|file| (file.in_tree.clone(), file.sha256.clone()));
                sums_in_tree(sent).into_iter().chain(placed).collect()
            },
        )))
    }

    /// The files that earlier jobs of this cluster hold with the same content. Whether they are still
    /// there the cluster says.
    pub(super) async fn reusable(
        &self,
        cluster: &Cluster,
        survey: &Survey,
    ) -> Result<Vec<Reusable>> {
        let candidates: Vec<(usize, LocalFile)> = survey
            .files
            .iter()
            .cloned()
            .enumerate()
            .filter(|(_, file)| file.content.is_none() && file.bytes >= REUSED_FROM)
            .collect();
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let engine = self.clone();
        let filter = JobFilter {
            cluster: Some(cluster.name().to_owned()),
            limit: EARLIER_JOBS,
            ..JobFilter::default()
        };
        blocking(move || {
            let page = engine.store().list(&filter)?;
            let mut known: HashMap<u64, HashMap<&str, (&RemotePath, &str)>> = HashMap::new();
            for job in page.jobs.iter().filter(|job| job.delete_asked.is_none()) {
                for file in job.spec.files.iter().filter(|file| file.sha256.len() == 64) {
                    let of_size = known.entry(file.bytes).or_default();
                    of_size
                        .entry(&file.sha256)
                        .or_insert((&job.spec.project_dir, file.in_tree.as_str()));
                }
            }
            let mut found = Vec::new();
            for (number, file) in candidates {
                // Only a file of a size that is known is read for its checksum.
                let Some(of_size) = known.get(&file.bytes) else {
                    continue;
                };
                let Ok(sha256) = sum(&file.path) else {
                    continue;
                };
                let Some((dir, theirs)) = of_size.get(sha256.as_str()) else {
                    continue;
                };
                let Ok(from) = dir.join(&format!("{}/{theirs}", layout::INPUT_FILES)) else {
                    continue;
                };
                found.push(Reusable {
                    number,
                    bytes: file.bytes,
                    placed: Placed {
                        from,
                        in_tree: file.in_tree,
                        sha256,
                        origin: Supply::Earlier,
                        executable: file.executable,
                    },
                });
            }
            Ok(found)
        })
        .await
    }

    /// Which of these are on the cluster, with the size they had.
    pub(super) async fn still_there(
        &self,
        cluster: &Cluster,
        reusable: Vec<Reusable>,
    ) -> Result<Vec<Reusable>> {
        if reusable.is_empty() {
            return Ok(reusable);
        }
        let files = reusable.iter().map(|file| (&file.placed.from, file.bytes));
        let command = Command::read("look for files", layout::still_there_script(files));
        let text = cluster.run(&command).await?.text();
        let there: Vec<usize> = text.lines().filter_map(|line| line.parse().ok()).collect();
        let files = reusable.into_iter().enumerate();
        Ok(files
            .filter(|(number, _)| there.contains(number))
            .map(|(_, file)| file)
            .collect())
    }

    /// Sends the large files of a survey that are not `placed` yet to where they wait for their job.
    /// `anew` trusts nothing that an earlier upload left there.
    async fn stage(
        &self,
        cluster: &Arc<Cluster>,
        ready: &Ready,
        survey: &Survey,
        placed: &[Placed],
        meter: &Arc<Meter>,
        anew: bool,
    ) -> Result<Vec<Placed>> {
        let is_placed = |file: &LocalFile| placed.iter().any(|other| other.in_tree == file.in_tree);
        let large: Vec<(&LocalFile, String)> = survey
            .files
            .iter()
            .filter(|file| is_large(file) && !is_placed(file))
            .map(|file| (file, staged_name(file)))
            .collect();
        if large.is_empty() {
            return Ok(Vec::new());
        }
        let staging = ready.project_root.join(layout::STAGING).map_err(bad)?;
        let names: Vec<String> = large.iter().map(|(_, name)| name.clone()).collect();
        let command = Command::read("make room", layout::staging_script(&staging, &names, anew));
        let output = cluster.run(&command).await?;
        if !output.ok() {
            let why = output.first_error_line().unwrap_or_default();
            return Err(Error::new(
                ErrorKind::TransferFailed,
                format!("{staging} on {} cannot be made: {why}.", cluster.place()),
            )
            .hinted("`namdrunner doctor` checks both roots.")
            .on_cluster(cluster.name()));
        }
        let there = output.text();
        let (whole, missing): (Vec<_>, Vec<_>) = large
            .into_iter()
            .partition(|(_, name)| there.lines().any(|line| line == name));
        let staged = |file: &LocalFile, name: &str, sha256: String, origin| {
            Ok::<_, Error>(Placed {
                from: staging.join(name).map_err(bad)?,
                in_tree: file.in_tree.clone(),
                sha256,
                origin,
                executable: file.executable,
            })
        };
        let mut placed = Vec::new();
        for (file, name) in whole {
            let path = file.path.clone();
            let sum = blocking(move || sum(&path).map_err(|why| unreadable(&path, &why))).await?;
            placed.push(staged(file, &name, sum, Supply::Left)?);
            meter.skip(file.bytes);
        }
        let mut puts = Vec::new();
        for (file, name) in &missing {
            puts.push(Put {
                from: file.path.clone(),
                to: staging.join(name).map_err(bad)?,
                modified: file.modified,
            });
        }
        let result = cluster.transport.put(&puts, &meter.watcher()).await;
        let sent = result.map_err(|error| cluster.translate(&error, "the upload"))?;
        for ((file, name), sent) in missing.into_iter().zip(sent) {
            placed.push(staged(file, &name, sent.sha256, Supply::Staged)?);
        }
        Ok(placed)
    }
}

fn is_large(file: &LocalFile) -> bool {
    file.content.is_none() && file.bytes >= LARGE
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn bad(why: BadPath) -> Error {
    Error::new(ErrorKind::SettingsInvalid, format!("{why}."))
}

/// The name a file has while it waits for its job: that of its content as far as that can be told
/// without reading it, so that an upload that was interrupted is found again.
fn staged_name(file: &LocalFile) -> String {
    let modified = file
        .modified
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_nanos());
    let of = format!("{}\0{}\0{modified}", file.path.display(), file.bytes);
    let mut name = hex(&Sha256::digest(of));
    name.truncate(32);
    name
}

/// The checksum of a file on this machine.
fn sum(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

fn unreadable(path: &Path, why: &io::Error) -> Error {
    Error::new(
        ErrorKind::TransferFailed,
        format!("{} cannot be read: {why}.", path.display()),
    )
}

fn sums_in_tree(sent: Vec<Sent>) -> BTreeMap<String, String> {
    let inside = format!("{}/", layout::INPUT_FILES);
    sent.into_iter()
        .filter_map(|sent| Some((sent.path.strip_prefix(&inside)?.to_owned(), sent.sha256)))
        .collect()
}

fn judge_upload(output: &Output, cluster: &Cluster) -> Result<()> {
    let ExitStatus::Code(code) = output.status else {
        return Err(Error::new(
            ErrorKind::TransferFailed,
            format!(
                "The upload to {} was ended by {}.",
                cluster.place(),
                output.status
            ),
        ));
    };
    if code == 0 {
        return Ok(());
    }
    // What a full disk is said to be may stand behind what it led to.
    let full = String::from_utf8_lossy(&output.stderr)
        .lines()
        .find(|line| is_full(line))
        .map(|line| line.trim().to_owned());
    let is_quota = full.is_some();
    let said = full
        .or_else(|| output.first_error_line())
        .unwrap_or_else(|| format!("exit code {code}"));
    let what = layout::upload_failure(code);
    let kind = if is_quota {
        ErrorKind::Quota
    } else {
        ErrorKind::TransferFailed
    };
    Err(Error::new(kind, format!("The upload to {} failed: {what} ({said}).", cluster.place()))
        .hinted(if is_quota {
            "Free space there (or raise the quota), then create the job again. Nothing is left half-made."
        } else {
            "`namdrunner doctor` checks both roots. Nothing is left half-made."
        })
        .on_cluster(cluster.name()))
}
