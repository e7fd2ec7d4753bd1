//! Whether a host is the one it says it is, and what the user is told if that is not sure.

use std::path::PathBuf;

use super::known_hosts::{self, Book, Place, Shown, Verdict};
use super::{SshSettings, keys};
use crate::shell::quote;

/// Reads the records of host keys. A file that is missing holds none.
pub(super) async fn read_book(settings: &SshSettings) -> Book {
    let mut book = Book::default();
    for file in known_hosts_files(settings) {
        match tokio::fs::read(&file).await {
            Ok(bytes) => book.add(&file, &String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %file.display(), %error, "cannot read host keys"),
        }
    }
    book
}

fn known_hosts_files(settings: &SshSettings) -> Vec<PathBuf> {
    if !settings.known_hosts.is_empty() {
        return settings
            .known_hosts
            .iter()
            .map(|path| keys::expand(path))
            .collect();
    }
    let mut files: Vec<PathBuf> = dirs::home_dir()
        .into_iter()
        .flat_map(|home| {
            let ssh = home.join(".ssh");
            [ssh.join("known_hosts"), ssh.join("known_hosts2")]
        })
        .collect();
    files.push("/etc/ssh/ssh_known_hosts".into());
    files
}

/// Why a host key is not accepted and what can be done; nothing if it is known.
pub(super) fn refusal(
    settings: &SshSettings,
    place: &str,
    book: &Book,
    blob: &[u8],
) -> Option<(String, String)> {
    let print = known_hosts::fingerprint(blob);
    let key_type = known_hosts::key_type(blob).unwrap_or("unknown");
    let accept = accept_command(settings);
    let forget = |at: &Place| {
        format!(
            "ssh-keygen -R {} -f {}",
            quote(&known_hosts::name(&settings.host, settings.port)),
            quote(&at.file.to_string_lossy())
        )
    };
    let shown = Shown {
        host: &settings.host,
        port: settings.port,
        blob,
    };
    let told = match book.judge(shown) {
        Verdict::Known => return None,
        Verdict::Unknown { authority } => {
            let note = if authority {
                " (a certificate authority is recorded for it, but certificates of hosts are not \
                 supported yet)"
            } else {
                ""
            };
            (
                format!("the host key of {place} is not known{note}: {key_type} {print}"),
                format!(
                    "compare the fingerprint with the one the site publishes; if they are the \
                     same, run `{accept}` once and answer yes"
                ),
            )
        }
        Verdict::Changed { at, recorded } => (
            format!(
                "the host key of {place} has CHANGED: it shows {key_type} {print}, but {recorded} \
                 is recorded in {at}"
            ),
            format!(
                "somebody may be intercepting the connection: ask the site. Only if it confirms \
                 the new key, run `{}` and then `{accept}`",
                forget(&at)
            ),
        ),
        Verdict::OtherType { at, recorded } => (
            format!(
                "{place} shows a host key of another type than recorded: {key_type} {print}; \
                 {} in {at}",
                recorded.join(", ")
            ),
            format!(
                "compare the fingerprint with the one the site publishes; if they are the same, \
                 run `{}` and then `{accept}`",
                forget(&at)
            ),
        ),
        Verdict::Revoked { at } => (
            format!("the host key of {place} is revoked in {at}: {key_type} {print}"),
            "do not connect; ask the site which key is valid".to_owned(),
        ),
    };
    Some(told)
}

/// The `ssh` call that shows the key to the user and records it where we look.
fn accept_command(settings: &SshSettings) -> String {
    let mut words = vec!["ssh".to_owned()];
    if let Some(file) = settings.known_hosts.first() {
        // ssh takes words apart and expands `%` in this option.
        let file = keys::expand(file).display().to_string().replace('%', "%%");
        let option = format!("UserKnownHostsFile=\"{file}\"");
        words.extend(["-o".to_owned(), quote(&option)]);
    }
    if settings.port != 22 {
        words.extend(["-p".to_owned(), settings.port.to_string()]);
    }
    let target = match &settings.user {
        Some(user) => format!("{user}@{}", settings.host),
        None => settings.host.clone(),
    };
    words.push(quote(&target));
    words.join(" ")
}
