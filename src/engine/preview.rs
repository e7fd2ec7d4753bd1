//! previewJob: what createJob and submit would do, with no effect.

use std::sync::Arc;

use crate::config;
use crate::engine::cluster::Ready;
use crate::engine::create::{asked_array, check_asked, fits_cluster};
use crate::engine::{Caller, CreateJob, Engine, FileAction, Preview, PreviewFile, launch};
use crate::error::Result;
use crate::job::{JobId, layout};
use crate::namd::{Code, Finding, Severity};
use crate::shell::RemotePath;

impl Engine {
    /// Shows what createJob and submit would do. Nothing is written anywhere.
    pub async fn preview_job(&self, ask: CreateJob, _caller: &Caller) -> Result<Preview> {
        self.reload_settings();
        check_asked(
            ask.name.as_deref(),
            Some(&ask.resources),
            ask.launch.as_deref(),
        )?;
        let cluster = self.cluster_for(&ask)?;
        let array = asked_array(&ask, &cluster)?;
        let mut survey = self.survey(&ask, array.clone()).await?;
        let ready = match cluster.ready().await {
            Ok(ready) => ready,
            Err(error) => {
                survey.findings.push(Finding::of_config(
                    Severity::Warning,
                    Code::NotStatic,
                    format!(
                        "The paths on the cluster are shown unexpanded: {}",
                        error.message
                    ),
                ));
                Arc::new(Ready::unasked(&cluster.settings))
            }
        };
        if let Some(array) = &array {
            fits_cluster(array, &ready)?;
        }
        let job = self.intend(&ask, array, &cluster, &ready, &survey)?;
        let mut files: Vec<PreviewFile> = survey
            .files
            .iter()
            .map(|file| PreviewFile {
                local: Some(file.path.display().to_string()),
                remote: format!(
                    "{}/{}/{}",
                    job.spec.project_dir,
                    layout::INPUT_FILES,
                    file.in_tree
                ),
                bytes: Some(file.bytes),
                role: file.role.clone(),
                sha256: None,
                action: FileAction::Upload,
            })
            .collect();
        files.extend(survey.on_cluster.iter().map(|(path, role)| PreviewFile {
            local: None,
            remote: path.clone(),
            bytes: None,
            role: role.clone(),
            sha256: None,
            action: FileAction::OnCluster,
        }));
        let launch = launch::plan(&job, &cluster.settings, &ready)?;
        Ok(Preview {
            total_bytes: survey.files.iter().map(|file| file.bytes).sum(),
            files,
            script: cluster.scheduler.script(&launch),
            rewritten: survey.rewritten,
            findings: survey.findings,
        })
    }

    /// Shows an existing job's files and the script its next attempt would have.
    pub async fn preview_existing(&self, id: &JobId) -> Result<Preview> {
        let job = self.visible(id)?;
        let cluster = self.find_cluster(&job.spec.cluster)?;
        let ready = match cluster.ready().await {
            Ok(ready) => ready,
            Err(_) => Arc::new(Ready::unasked(&cluster.settings)),
        };
        let launch = launch::plan(&job, &cluster.settings, &ready)?;
        let files: Vec<PreviewFile> = job
            .spec
            .files
            .iter()
            .map(|file| PreviewFile {
                local: Some(file.local.clone()),
                remote: format!(
                    "{}/{}/{}",
                    job.spec.project_dir,
                    layout::INPUT_FILES,
                    file.in_tree
                ),
                bytes: Some(file.bytes),
                role: file.role.clone(),
                sha256: Some(file.sha256.clone()),
                action: FileAction::Reuse,
            })
            .collect();
        Ok(Preview {
            files,
            script: cluster.scheduler.script(&launch),
            rewritten: None,
            findings: Vec::new(),
            total_bytes: 0,
        })
    }
}

impl Ready {
    /// Stands in when a preview is asked for and the cluster does not answer: the roots are shown
    /// as they are written.
    fn unasked(settings: &config::Cluster) -> Self {
        let shown = |template: &str| {
            let plain = template.trim_start_matches('/').replace("..", "");
            RemotePath::parse(&format!("/{plain}"))
                .or_else(|_| RemotePath::parse("/unknown"))
                .unwrap_or_else(|_| RemotePath::root())
        };
        Self {
            facts: None,
            project_root: shown(&settings.project_root),
            scratch_root: shown(&settings.scratch_root),
            prelude: settings.slurm_setup.clone(),
        }
    }
}
