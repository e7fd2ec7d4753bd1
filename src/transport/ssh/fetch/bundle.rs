//! Small files, fetched together: their checksums and then a tar stream, in one round trip.

use std::collections::HashMap;
use std::fs::Permissions;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::SMALL;
use crate::shell::Command;
use crate::transport::bundle::{Piece, hex};
use crate::transport::local::Part;
use crate::transport::process::Capture;
use crate::transport::ssh::Ssh;
use crate::transport::{Get, Sent, TransportError, Watcher};

/// Most bytes and files of one stream: what may wait here for a slow disk.
const BYTES: u64 = 8 * 1024 * 1024;
const FILES: usize = 1000;

/// The longest line before the stream, in bytes: longer than any path.
const LONGEST: usize = 64 * 1024;

/// A file that comes to more than this has grown since it was listed, and comes by itself.
const LARGEST: u64 = 4 * SMALL;

/// Sums the files whose names (below `/`) stand on its input and prints them as a tar stream. `-h`:
/// what a link points at is what is wanted. A file that changes, or is gone, is no failure where sums
/// tell of it: it comes by itself.
const SCRIPT: &str = r#"list=$(cat)
cd / || exit 66
if command -v sha256sum >/dev/null 2>&1; then s=sha256sum
elif command -v shasum >/dev/null 2>&1; then s='shasum -a 256'
else s=
fi
if [ -n "$s" ]; then printf '%s\n' "$list" | tr '\n' '\000' | xargs -0 nice $s 2>/dev/null; fi
echo "ready $s"
printf '%s\n' "$list" | tar -chf - -T - || { t=$?; [ -n "$s" ] && [ "$t" -le 2 ]; }
"#;

/// Fetches files; one that changed meanwhile is left out.
pub(super) async fn get<'f>(
    ssh: &Ssh,
    files: &[&'f Get],
    watch: &Watcher,
) -> Result<Vec<(&'f Get, Sent)>, TransportError> {
    // A backslash in a list means something to `tar`; one in a name is rare.
    let plain = files
        .iter()
        .filter(|file| !file.from.as_str().contains('\\'));
    let mut fetched = Vec::new();
    let mut batch: Vec<&'f Get> = Vec::new();
    let mut bytes = 0;
    for file in plain {
        let size = file.bytes.unwrap_or(SMALL);
        if bytes + size > BYTES || batch.len() >= FILES {
            fetched.extend(fetch(ssh, &std::mem::take(&mut batch), watch).await?);
            bytes = 0;
        }
        bytes += size;
        batch.push(file);
    }
    if !batch.is_empty() {
        fetched.extend(fetch(ssh, &batch, watch).await?);
    }
    Ok(fetched)
}

async fn fetch<'f>(
    ssh: &Ssh,
    files: &[&'f Get],
    watch: &Watcher,
) -> Result<Vec<(&'f Get, Sent)>, TransportError> {
    let mut list = String::new();
    for file in files {
        list.push('.');
        list.push_str(file.from.as_str());
        list.push('\n');
    }
    let command = Command::read("get small files", SCRIPT).with_input(list);
    let (bytes, arriving) = mpsc::unbounded_channel();
    let (end, pieces) = mpsc::channel(1);
    // Nothing follows the list. Said so, the time-out bounds a standstill and not the whole.
    let _ = end.send(Ok(Piece::End)).await;
    drop(end);
    let targets: Vec<Get> = files.iter().copied().cloned().collect();
    // A caller that goes away stops the thread as well.
    let cancel = watch.cancel.child_token();
    let _guard = cancel.clone().drop_guard();
    let tell = watch.clone();
    let unpacking = tokio::task::spawn_blocking(move || {
        let stream = Arriving {
            from: arriving,
            held: Vec::new(),
            at: 0,
        };
        unpack(stream, &targets, &cancel, &tell)
    });
    let capture = Capture::passing(bytes);
    let talked = ssh.talk(&command, Some(pieces), Some(watch), capture).await;
    let unpacked = unpacking.await.unwrap_or_else(|error| {
        Err(TransportError::Local(format!(
            "the thread that writes ended early: {error}"
        )))
    });
    let (output, _) = talked?;
    if let Some(why) = output.first_error_line().filter(|_| !output.ok()) {
        return Err(TransportError::Remote(why));
    }
    let sent = unpacked?;
    Ok(sent
        .into_iter()
        .filter_map(|(number, sent)| Some((*files.get(number)?, sent)))
        .collect())
}

/// Writes the files of a stream, each under its name when it is whole and as it was summed.
fn unpack(
    mut stream: Arriving,
    targets: &[Get],
    cancel: &CancellationToken,
    watch: &Watcher,
) -> Result<Vec<(usize, Sent)>, TransportError> {
    let mut sums = HashMap::new();
    let summed = loop {
        let Some(line) = stream.line() else {
            // The conversation knows why.
            return Ok(Vec::new());
        };
        if let Some(by) = line.strip_prefix("ready") {
            break !by.trim().is_empty();
        }
        if let Some((path, sum)) = sum_line(&line) {
            sums.insert(path.to_owned(), sum.to_owned());
        }
    };
    let names: HashMap<&str, usize> = targets
        .iter()
        .enumerate()
        .map(|(number, file)| (file.from.as_str(), number))
        .collect();
    let broken = |error: io::Error| TransportError::Lost(format!("the stream broke off: {error}"));
    let mut fetched = Vec::new();
    let mut archive = tar::Archive::new(stream);
    for entry in archive.entries().map_err(broken)? {
        if cancel.is_cancelled() {
            return Err(TransportError::Cancelled);
        }
        let mut entry = entry.map_err(broken)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.strip_prefix('.').unwrap_or(&path);
        let Some((number, file)) = names
            .get(path)
            .and_then(|number| Some((*number, targets.get(*number)?)))
        else {
            continue;
        };
        if entry.size() > LARGEST {
            continue;
        }
        let mode = entry.header().mode().unwrap_or(0o644);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        if summed && sums.get(path) != Some(&sha256) {
            continue;
        }
        let here =
            |error: io::Error| TransportError::Local(format!("{}: {error}", file.to.display()));
        let part = Part::create(&file.to).map_err(here)?;
        let mut to = part.file().map_err(here)?;
        to.write_all(&bytes).map_err(here)?;
        to.set_permissions(Permissions::from_mode((mode & 0o777) | 0o600))
            .map_err(here)?;
        if let Ok(date) = entry_date(&entry) {
            to.set_modified(date).map_err(here)?;
        }
        part.rename(&file.to).map_err(here)?;
        watch.tell(
            bytes.len() as u64,
            path,
            bytes.len() as u64,
            bytes.len() as u64,
        );
        fetched.push((
            number,
            Sent {
                path: file.from.to_string(),
                bytes: bytes.len() as u64,
                sha256,
            },
        ));
    }
    Ok(fetched)
}

/// The path and the checksum of a line of `sha256sum`: `<sum>  ./path`. One of a name that it writes
/// otherwise (with a backslash before the sum) is left out: that file comes by itself.
fn sum_line(line: &str) -> Option<(&str, &str)> {
    let (sum, name) = line.split_at_checked(64)?;
    let path = name.strip_prefix("  .").or(name.strip_prefix(" *."))?;
    sum.bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then_some((path, sum))
}

/// When a file was modified.
fn entry_date<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<SystemTime> {
    Ok(UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?))
}

/// What arrives, as something to read from.
struct Arriving {
    from: mpsc::UnboundedReceiver<Vec<u8>>,
    held: Vec<u8>,
    at: usize,
}

impl Arriving {
    fn fill(&mut self) -> bool {
        while self.at >= self.held.len() {
            let Some(more) = self.from.blocking_recv() else {
                return false;
            };
            (self.held, self.at) = (more, 0);
        }
        true
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            if !self.fill() || line.len() > LONGEST {
                return None;
            }
            let byte = *self.held.get(self.at)?;
            self.at += 1;
            if byte == b'\n' {
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            line.push(byte);
        }
    }
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.fill() {
            return Ok(0);
        }
        let there = self.held.get(self.at..).unwrap_or_default();
        let count = there.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), there.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}
