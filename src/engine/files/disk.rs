//! Looking at this machine's disk: the config, and whatever the closure asks about.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::namd::{Found, Want};

use super::LARGEST_TEXT;

/// The config's canonical place and its bytes.
pub(super) fn read_config(config: &Path) -> Result<(PathBuf, Vec<u8>)> {
    if !config.is_absolute() {
        return Err(Error::bad_param("configPath", "must be an absolute path"));
    }
    let (Some(dir), Some(name)) = (config.parent(), config.file_name()) else {
        return Err(Error::bad_param("configPath", "must name a file"));
    };
    let path = fs::canonicalize(dir)
        .map_err(|why| unreadable(config, &why))?
        .join(name);
    let meta = fs::metadata(&path).map_err(|why| unreadable(config, &why))?;
    if !meta.is_file() {
        let what = if meta.is_dir() {
            "a directory"
        } else {
            "not a regular file"
        };
        return Err(Error::new(
            ErrorKind::ConfigNotReadable,
            format!("{} is {what}, not a NAMD configuration.", config.display()),
        ));
    }
    if meta.len() > LARGEST_TEXT {
        return Err(Error::new(
            ErrorKind::ConfigNotReadable,
            format!(
                "{} has {} bytes: that is no NAMD configuration.",
                config.display(),
                meta.len()
            ),
        ));
    }
    let bytes = fs::read(&path).map_err(|why| unreadable(config, &why))?;
    Ok((path, bytes))
}

pub(super) fn unreadable(path: &Path, why: &io::Error) -> Error {
    Error::new(
        ErrorKind::ConfigNotReadable,
        format!("Cannot read {}: {why}.", path.display()),
    )
    .hinted("Check the path and its permissions. Unsaved changes in an editor are not seen.")
}

/// The config, as it was read at first.
pub(super) fn as_read(bytes: &[u8], want: Want) -> Found {
    let whole = matches!(want, Want::Content { max_bytes } if bytes.len() as u64 <= max_bytes);
    Found::File {
        bytes: bytes.len() as u64,
        content: whole.then(|| bytes.to_vec()),
    }
}

/// What stands at a path.
pub(super) fn look(path: &Path, want: Want) -> Found {
    let meta = match fs::metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Found::Missing,
        Err(why) => return Found::Unreadable(why.to_string()),
        Ok(meta) => meta,
    };
    if meta.is_dir() {
        // A name that is not UTF-8 becomes one that is not there, which is found and said.
        let names = |dir: fs::ReadDir| {
            dir.flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        };
        let entries = (want == Want::Entries)
            .then(|| fs::read_dir(path).map(names).ok())
            .flatten();
        return Found::Directory { entries };
    }
    if !meta.is_file() {
        return Found::Unreadable("it is not a regular file".to_owned());
    }
    // Opened even when only its size matters: an unreadable input must be found now.
    let read = fs::File::open(path).and_then(|file| match want {
        Want::Content { max_bytes } if meta.len() <= max_bytes => {
            let mut content = Vec::new();
            // Not further, even if it has grown, or is longer than it says as those in `/proc` are.
            file.take(max_bytes).read_to_end(&mut content)?;
            Ok(Some(content))
        }
        _ => Ok(None),
    });
    match read {
        Ok(content) => Found::File {
            bytes: meta.len(),
            content,
        },
        Err(why) => Found::Unreadable(why.to_string()),
    }
}

pub(crate) fn utf8(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(
            ErrorKind::ConfigNotReadable,
            format!("The path {} is not UTF-8.", path.display()),
        )
        .hinted("Rename it with plain letters.")
    })
}
