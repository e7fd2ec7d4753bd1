//! A job's files as the wire tells them.

use jiff::Timestamp;

use crate::engine::Downloaded;
use crate::job::results::RemoteFile;
use crate::protocol as wire;
use crate::protocol::Time;

/// A file of a job on its cluster.
pub fn job_file(file: RemoteFile) -> wire::JobFile {
    let modified = file.modified.and_then(|at| Timestamp::from_second(at).ok());
    wire::JobFile {
        path: file.path,
        remote: file.remote.to_string(),
        role: file.role,
        input: file.input,
        bytes: file.bytes,
        modified: modified.map(Time),
        place: if file.in_project {
            wire::FilePlace::Project
        } else {
            wire::FilePlace::Scratch
        },
        attempt: file.attempt,
    }
}

/// What a download brought.
pub fn downloaded(downloaded: Downloaded) -> wire::DownloadResult {
    let files = downloaded.files.into_iter();
    wire::DownloadResult {
        to: downloaded.to.display().to_string(),
        files: files
            .map(|file| wire::DownloadedFile {
                path: file.path,
                local: file.local.display().to_string(),
                bytes: file.bytes,
                fetched: file.fetched,
            })
            .collect(),
    }
}
