//! Comparing: directories without a row, rows without a directory, and jobs in the queue that
//! neither accounts for.

use std::collections::HashSet;

use super::base_of;
use crate::engine::cluster::{Cluster, Ready};
use crate::engine::discover::place;
use crate::engine::{Compared, Comparison, Engine};
use crate::error::Result;
use crate::job::{JobId, discovery};
use crate::scheduler::survey::{Directory, QueuedJob, Survey};
use crate::store::Outline;

impl Engine {
    /// Directories against rows, both ways.
    pub(super) fn compare_directories(
        &self,
        cluster: &Cluster,
        ready: &Ready,
        survey: &Survey,
        outlines: &[Outline],
        items: &mut Vec<Compared>,
    ) -> Result<()> {
        let there: HashSet<&str> = survey
            .directories
            .iter()
            .filter(|directory| directory.in_project)
            .map(|directory| directory.name.as_str())
            .collect();
        let root = format!("{}/", ready.project_root);
        if survey.listing.is_ok() && survey.more == 0 {
            for outline in outlines {
                // A job keeps the roots it was made with, and an adopted one has its own place.
                let listed = outline
                    .project_dir
                    .strip_prefix(&root)
                    .is_some_and(|name| name == outline.id.as_str());
                if listed && !there.contains(outline.id.as_str()) {
                    items.push(
                        Compared::new(
                            Comparison::DirectoryMissing,
                            "Its directory below the project root is gone.",
                            "Somebody removed it. The job stays in the list; it cannot be \
                             submitted again without its inputs: create it anew for that.",
                        )
                        .of(&outline.id)
                        .named(&outline.name)
                        .at(&outline.project_dir),
                    );
                }
            }
        }
        let rows: HashSet<&str> = outlines.iter().map(|outline| outline.id.as_str()).collect();
        for directory in &survey.directories {
            if !rows.contains(directory.name.as_str())
                && let Some(item) = self.stray(cluster, ready, directory)?
            {
                items.push(item);
            }
        }
        Ok(())
    }

    /// A directory that no visible job of this cluster has.
    fn stray(
        &self,
        cluster: &Cluster,
        ready: &Ready,
        directory: &Directory,
    ) -> Result<Option<Compared>> {
        let path = if directory.in_project || directory.partial {
            format!("{}/{}", ready.project_root, directory.name)
        } else {
            format!("{}/{}", ready.scratch_root, directory.name)
        };
        if let Some(id) = JobId::parse(&directory.name) {
            if self.store().is_deleted(&id)? {
                let item = Compared::new(
                    Comparison::DeletedHere,
                    "The job was deleted here, and its files were left.",
                    "It is not taken into the list again. Its directories may be removed by hand.",
                );
                return Ok(Some(item.of(&id).at(path)));
            }
            // A hidden intent, or a job of another cluster with the same roots.
            if self.store().job(&id).is_ok() {
                return Ok(None);
            }
        }
        let checked = place(cluster, ready, |place| {
            discovery::read(directory, place, self.now())
        });
        Ok(Some(match checked {
            Ok(draft) => Compared::new(
                Comparison::DirectoryWithoutRow,
                format!(
                    "A job that is not in the list, made {:.0} on {}.",
                    draft.job.created_at, draft.made_on
                ),
                "discoverJobs takes it into the list.",
            )
            .of(&draft.job.id)
            .named(&draft.job.spec.name)
            .at(path),
            Err(why) => Compared::new(
                Comparison::DirectoryWithoutRow,
                format!("A directory with the name of a job; {why}."),
                "It cannot be taken into the list, and is left alone.",
            )
            .at(path),
        }))
    }
}

/// The person's jobs in the queue that no row and no directory of a row accounts for: those that
/// are this program's are told, the others counted, or listed when asked for.
pub(super) fn others(
    ready: &Ready,
    survey: &Survey,
    outlines: &[Outline],
    list: bool,
    items: &mut Vec<Compared>,
) -> usize {
    let rows: HashSet<&str> = outlines.iter().map(|outline| outline.id.as_str()).collect();
    let mut claimed: HashSet<u64> = outlines.iter().filter_map(base_of).collect();
    for directory in &survey.directories {
        let receipts = directory
            .attempts
            .values()
            .filter_map(|a| a.receipt.as_ref());
        if rows.contains(directory.name.as_str()) {
            claimed.extend(receipts.map(|receipt| receipt.id.base));
        }
    }
    let scratch = format!("{}/", ready.scratch_root);
    let is_ours =
        |queued: &QueuedJob| queued.tag.is_some() || queued.work_dir.starts_with(&scratch);
    let open = survey
        .queued
        .iter()
        .filter(|queued| !queued.ended && !claimed.contains(&queued.id.base));
    let mut foreign = 0;
    for queued in open {
        let item = if is_ours(queued) {
            Compared::new(
                Comparison::JobWithoutRow,
                queued.line.clone(),
                "It was submitted by this program, from elsewhere or before its row was deleted. \
                 discoverJobs takes it into the list if its directory is there; `scancel` ends it.",
            )
        } else {
            foreign += 1;
            if !list {
                continue;
            }
            Compared::new(
                Comparison::ForeignJob,
                queued.line.clone(),
                "It was not submitted by this program. adoptJob takes it into the list.",
            )
        };
        items.push(
            item.slurm(&queued.id)
                .named(&queued.name)
                .at(&queued.work_dir),
        );
    }
    foreign
}
