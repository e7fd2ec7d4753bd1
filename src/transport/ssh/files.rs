//! Parts of files through commands: `tail` and `head` in an ordinary session, one round trip.

use crate::shell::{Command, Output, RemotePath};
use crate::transport::TransportError;
use crate::transport::process::STDOUT_LIMIT;

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
