//! Files through commands: `cat`, `dd`, `head` and `tail` in an ordinary session.
//!
//! Not SFTP: one command with a stream needs two round trips where an SFTP upload needs seven, its
//! errors come with their text ("No space left on device" where SFTP says "Failure"), and sites
//! that switch the subsystem off lose nothing.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Ssh;
use crate::shell::{Command, Output, RemotePath, quote};
use crate::transport::bundle::{self, Piece};
use crate::transport::local::Part;
use crate::transport::process::{Capture, STDOUT_LIMIT};
use crate::transport::{Content, Sent, TransportError, Watcher};

/// A transfer in which no byte moves for this long is given up.
const STANDSTILL: Duration = Duration::from_mins(1);

/// Unit of a request of [`get`]: the block size of the `dd` that answers it.
const BLOCK: u64 = 1024 * 1024;

/// Blocks of one request.
const BLOCKS: u64 = 2;

/// Requests under way: 16 MiB, which is the window of a channel. What is asked for is what can be
/// waiting here in memory, so a slow disk slows the transfer and not the other commands.
const REQUESTS: usize = 8;

/// The command that prints a part of a file.
pub(super) fn read_from(path: &RemotePath, offset: u64, max: u64) -> Command {
    // An answer cannot be longer than this anyway, and `head` refuses absurd numbers.
    let max = max.min(STDOUT_LIMIT as u64);
    let from = offset.saturating_add(1).min(i64::MAX.unsigned_abs());
    Command::read(
        "read a file",
        format!(
            "f={file}\n{CHECK}\ntail -c +{from} <\"$f\" | head -c {max}\n",
            file = path.quoted(),
        ),
    )
}

/// Ends the script with a message unless `$f` is a file that can be read. The shell's own message
/// names the reason; `true` is no special builtin, so that a failed redirection is not fatal.
/// Opening anything but a file could wait for ever.
const CHECK: &str = r#"if [ -e "$f" ] && [ ! -f "$f" ]; then echo "$f: is not a file" >&2; exit 66; fi
true <"$f" || exit 66"#;

/// What a read came to. `tail` stands in a pipe, where its exit code is not seen but its message is.
pub(super) fn part(output: Output, path: &RemotePath) -> Result<Vec<u8>, TransportError> {
    let broken = output.stdout.is_empty() && output.first_error_line().is_some();
    match refused(&output, path) {
        None if !broken => Ok(output.stdout),
        None => Err(trouble(&output, path)),
        Some(error) => Err(error),
    }
}

/// The error a script of ours ended with, if it did.
fn refused(output: &Output, path: &RemotePath) -> Option<TransportError> {
    (!output.ok()).then(|| trouble(output, path))
}

fn trouble(output: &Output, path: &RemotePath) -> TransportError {
    let why = output
        .first_error_line()
        .unwrap_or_else(|| format!("it ended with {}", output.status));
    TransportError::Remote(format!("{path}: {why}"))
}

/// Puts a file: streamed into a temporary one beside the target, counted, renamed.
pub(super) async fn put(
    ssh: &Ssh,
    from: &Path,
    to: &RemotePath,
    watch: &Watcher,
) -> Result<Sent, TransportError> {
    let (bytes, executable) = look(from).await?;
    let mode = if executable { "755" } else { "644" };
    // An input that breaks off ends here as well: the count is then wrong.
    let script = format!(
        r#"t={target}
p={part}.$$
trap 'rm -f "$p"' EXIT
trap 'exit 66' TERM
trap '' HUP PIPE
if [ -d "$t" ]; then echo "$t: is a directory" >&2; exit 66; fi
cat >"$p" || exit 66
n=$(wc -c <"$p") || exit 66
if [ "$n" -ne {bytes} ]; then echo "only $n of {bytes} bytes arrived" >&2; exit 66; fi
chmod {mode} "$p" && mv -f "$p" "$t" && trap - EXIT
"#,
        target = to.quoted(),
        part = quote(&format!("{}/{}", to.parent(), unique())),
    );
    let command = Command::read("put a file", script).within(STANDSTILL);
    let content = Content::File {
        path: from.to_owned(),
        bytes,
        modified: None,
        executable,
    };
    let pieces = bundle::stream_file(to.to_string(), content);
    let (output, sent) = ssh
        .talk(&command, Some(pieces), Some(watch), Capture::new())
        .await?;
    if let Some(error) = refused(&output, to) {
        return Err(error);
    }
    sent.into_iter().next().ok_or_else(|| {
        TransportError::Remote(format!("{to}: the file was not taken in to its end"))
    })
}

async fn look(path: &Path) -> Result<(u64, bool), TransportError> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = tokio::fs::metadata(path)
        .await
        .map_err(|error| TransportError::Local(format!("{}: {error}", path.display())))?;
    Ok((meta.len(), meta.permissions().mode() & 0o100 != 0))
}

/// A name for a temporary file, ours among all clients of this machine.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".namdrunner-{}-{count}.part", std::process::id())
}

/// Fetches a file: the far side says its size and then prints the blocks it is asked for.
pub(super) async fn get(
    ssh: &Ssh,
    from: &RemotePath,
    to: &Path,
    watch: &Watcher,
) -> Result<u64, TransportError> {
    let script = format!(
        r#"f={file}
{CHECK}
stat -L -c '%s %a' "$f" 2>/dev/null || echo "$(wc -c <"$f") 644"
while read -r skip count; do
dd if="$f" bs={BLOCK} skip="$skip" count="$count" 2>/dev/null || {{ echo "$f: cannot be read" >&2; exit 66; }}
done
"#,
        file = from.quoted(),
    );
    let command = Command::read("get a file", script).within(STANDSTILL);
    let (bytes, arriving) = mpsc::unbounded_channel();
    // As many as can be asked for at once, and the end.
    let (ask, requests) = mpsc::channel(REQUESTS + 1);
    let target = to.to_owned();
    let progress = watch.progress.clone();
    let writer = tokio::task::spawn_blocking(move || {
        let receiver = Receiver {
            arriving,
            ask,
            asked: 0,
            answered: VecDeque::new(),
        };
        receiver.receive(&target, &mut |bytes| {
            if let Some(progress) = &progress {
                progress(bytes);
            }
        })
    });
    let talked = ssh
        .talk(
            &command,
            Some(requests),
            Some(watch),
            Capture::passing(bytes),
        )
        .await;
    // The writer ends when the conversation does: its bytes stop.
    let written = writer.await.unwrap_or_else(|error| {
        Err(Trouble::Here(format!(
            "the thread that writes ended early: {error}"
        )))
    });
    let (output, _) = match (talked, &written) {
        // A disk that is full here is the reason for whatever happened there.
        (_, Err(Trouble::Here(why))) => return Err(TransportError::Local(why.clone())),
        (talked, _) => talked?,
    };
    if let Some(error) = refused(&output, from) {
        return Err(error);
    }
    let (part, bytes) = written.map_err(|_| {
        TransportError::Remote(format!("{from}: it became shorter while it was read"))
    })?;
    part.rename(to)
        .map_err(|error| TransportError::Local(format!("{}: {error}", to.display())))?;
    Ok(bytes)
}

/// Why a file did not arrive.
enum Trouble {
    /// It cannot be written.
    Here(String),
    /// The stream broke off; the conversation knows why.
    Short,
}

/// The near end of [`get`], on a thread that may wait for the disk.
struct Receiver {
    arriving: mpsc::UnboundedReceiver<Vec<u8>>,
    ask: mpsc::Sender<Result<Piece, TransportError>>,
    /// Blocks asked for so far.
    asked: u64,
    /// Where each request under way ends, in bytes.
    answered: VecDeque<u64>,
}

impl Receiver {
    fn receive(
        mut self,
        target: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Part, u64), Trouble> {
        let here = |error: io::Error| Trouble::Here(format!("{}: {error}", target.display()));
        let (size, mode, mut early) = self.announced()?;
        let part = Part::create(target).map_err(here)?;
        let mut file = part.file().map_err(here)?;
        for _ in 0..REQUESTS {
            self.request(size);
        }
        let mut written = 0;
        while written < size {
            let bytes = if early.is_empty() {
                self.arriving.blocking_recv().ok_or(Trouble::Short)?
            } else {
                std::mem::take(&mut early)
            };
            // A file that grows may answer with more than it announced.
            let left = usize::try_from(size - written).unwrap_or(usize::MAX);
            let bytes = bytes.get(..left).unwrap_or(&bytes);
            file.write_all(bytes).map_err(here)?;
            written += bytes.len() as u64;
            progress(bytes.len() as u64);
            while self.answered.front().is_some_and(|end| *end <= written) {
                self.answered.pop_front();
                self.request(size);
            }
        }
        set_mode(&file, mode).map_err(here)?;
        // Without more to ask for, the far side ends.
        let _ = self.ask.blocking_send(Ok(Piece::End));
        Ok((part, size))
    }

    /// Reads the first line: size and permissions. Returns what came after it as well.
    fn announced(&mut self) -> Result<(u64, u32, Vec<u8>), Trouble> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            bytes.extend(self.arriving.blocking_recv().ok_or(Trouble::Short)?);
        };
        let rest = bytes.split_off(end + 1);
        let line = String::from_utf8_lossy(&bytes).into_owned();
        let mut words = line.split_ascii_whitespace();
        let size = words.next().and_then(|word| word.parse().ok());
        let mode = words
            .next()
            .and_then(|word| u32::from_str_radix(word, 8).ok());
        match (size, mode) {
            (Some(size), Some(mode)) => Ok((size, mode, rest)),
            _ => Err(Trouble::Short),
        }
    }

    /// Asks for the next blocks, if there are any.
    fn request(&mut self, size: u64) {
        let start = self.asked * BLOCK;
        if start >= size {
            return;
        }
        let line = format!("{} {BLOCKS}\n", self.asked);
        self.asked += BLOCKS;
        self.answered.push_back((self.asked * BLOCK).min(size));
        let piece = Piece::Chunk {
            bytes: line.into_bytes(),
            payload: 0,
            done: Vec::new(),
        };
        // Nobody takes it when the far side has ended: then no more bytes come either.
        let _ = self.ask.blocking_send(Ok(piece));
    }
}

fn set_mode(file: &std::fs::File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // What is fetched belongs to the user: always readable and writable by them, and never with
    // the bits that mean another user or group on another machine.
    file.set_permissions(std::fs::Permissions::from_mode((mode & 0o777) | 0o600))
}
