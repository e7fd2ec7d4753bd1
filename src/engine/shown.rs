//! Configs as an editor shows them: text that may not be saved, read with the files around it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, files};
use crate::error::Result;
use crate::job::{Job, JobId};
use crate::namd::Analysis;
use crate::store::JobFilter;

/// Most names of a directory that are given.
const MOST_NAMES: usize = 10_000;

/// A config as it was read.
#[derive(Debug)]
pub struct ConfigRead {
    /// The file, canonical but for its own name, as jobs have it.
    pub path: PathBuf,
    /// What was read.
    pub bytes: Vec<u8>,
    /// SHA-256 of that, in hex, as jobs have it.
    pub sha256: String,
    /// What is in it.
    pub analysis: Analysis,
}

/// Reads a config whose text is `shown`; where that `is` what is on disk, the file's own bytes are
/// read, which need not be UTF-8. Waits for the disk.
pub fn read_shown_config(
    path: &Path,
    shown: &str,
    is: impl Fn(&[u8]) -> bool,
) -> Result<ConfigRead> {
    let canonical = match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(directory)), Some(name)) => directory.join(name),
        // Not saved yet, perhaps: nothing around it is there either.
        _ => path.to_owned(),
    };
    let bytes = fs::read(&canonical)
        .ok()
        .filter(|bytes| is(bytes))
        .unwrap_or_else(|| shown.as_bytes().to_vec());
    Ok(ConfigRead {
        sha256: files::sha256(&bytes),
        analysis: files::analyse(&files::utf8(&canonical)?, &bytes),
        path: canonical,
        bytes,
    })
}

/// The names in a directory, in order; none if it cannot be read. Names that are not UTF-8 are left
/// out. Waits for the disk.
pub fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let names = entries.flatten().take(MOST_NAMES);
    let mut names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

impl Engine {
    /// The job a config belongs to: the latest that was made from this file.
    pub async fn latest_of_config(&self, path: &Path) -> Result<Option<Job>> {
        let filter = JobFilter {
            config_path: Some(path.display().to_string()),
            limit: 1,
            ..JobFilter::default()
        };
        Ok(self.list(filter).await?.jobs.into_iter().next())
    }

    /// The config of a job as it was read when the job was made, byte for byte.
    #[allow(clippy::unused_async, reason = "reads are short, as of the others")]
    pub async fn config_text(&self, id: &JobId) -> Result<Vec<u8>> {
        self.visible(id)?;
        self.store().config_text(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_and_bytes_that_are_not_utf_8_come_from_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.namd");
        let saved = b"# \xC5ngstr\xF6m\nstructure a.psf\n";
        fs::write(&path, saved).unwrap();
        let lossy = String::from_utf8_lossy(saved).into_owned();
        let is = |bytes: &[u8]| String::from_utf8_lossy(bytes) == lossy;
        let read = read_shown_config(&path, &lossy, is).unwrap();
        assert_eq!(read.bytes, saved);
        let read = read_shown_config(&path, "structure b.psf\n", |_| false).unwrap();
        assert_eq!(read.bytes, b"structure b.psf\n");
        let values: Vec<&str> = read
            .analysis
            .inputs
            .iter()
            .map(|input| input.value.as_str())
            .collect();
        assert!(values.contains(&"b.psf"), "{values:?}");
    }

    #[test]
    fn a_config_that_was_never_saved_is_read_all_the_same() {
        let read = read_shown_config(Path::new("/no/such/place/a.namd"), "run 10\n", |_| true);
        assert_eq!(read.unwrap().analysis.plan.total_steps, Some(10));
    }
}
