//! Writing an accepted host key down.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::super::config::Target;
use super::super::known_hosts;

/// Appends a key to the first file of known hosts, which is made if need be. The error is in words.
pub(super) async fn append(target: &Target, blob: &[u8]) -> Result<(), String> {
    let file = target.known_hosts.first().cloned();
    let file = file.ok_or_else(|| "no file of known hosts is named".to_owned())?;
    let (host, port) = target.recorded_as();
    let name = known_hosts::name(host, port);
    let hosts = if target.hash_known_hosts {
        known_hosts::hashed(&name, &salt())
    } else {
        name
    };
    let line = known_hosts::line(&hosts, blob).ok_or_else(|| "the key is damaged".to_owned())?;
    let shown = file.display().to_string();
    tokio::task::spawn_blocking(move || write(&file, &line))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("{shown}: {error}"))
}

fn write(file: &Path, line: &str) -> std::io::Result<()> {
    if let Some(parent) = file.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut opened = std::fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)?;
    // A last line without its end must not swallow ours.
    let mut text = String::new();
    if opened.metadata()?.len() > 0 {
        let mut last = [b'\n'];
        opened.seek(SeekFrom::End(-1))?;
        opened.read_exact(&mut last)?;
        if last != [b'\n'] {
            text.push('\n');
        }
    }
    text.push_str(line);
    // In one piece: others may write too.
    opened.write_all(text.as_bytes())?;
    opened.sync_all()
}

/// Sixteen random bytes and a bit, as `ssh-keygen -H` takes twenty.
fn salt() -> [u8; 20] {
    let mut salt = [0; 20];
    let parts = [ulid::Ulid::generate(), ulid::Ulid::generate()];
    let random = parts.iter().flat_map(|part| part.random().to_be_bytes());
    // The upper bytes of each number are zero: 80 random bits fill ten bytes.
    let random = random.collect::<Vec<u8>>();
    let halves = random.chunks(16).flat_map(|part| part.iter().skip(6));
    for (byte, random) in salt.iter_mut().zip(halves) {
        *byte = *random;
    }
    salt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_added_whatever_the_file_ends_with() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/known_hosts");
        write(&file, "a\n").unwrap();
        write(&file, "b\n").unwrap();
        std::fs::write(&file, "a\nb").unwrap();
        write(&file, "c\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nb\nc\n");
    }

    #[test]
    fn salts_are_random_all_over() {
        let (one, other) = (salt(), salt());
        assert!(one.iter().zip(other).filter(|(a, b)| **a != *b).count() > 12);
        assert!(salt() != one);
    }
}
