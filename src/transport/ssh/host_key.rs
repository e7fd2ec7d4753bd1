//! Whether a host is the one it says it is, and what the user is told if that is not sure.

mod certificate;
mod record;

use russh::keys::{PublicKeyBase64 as _, PublicKeyOrCertificate};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asker::{Asker, Reply};
use super::config::Target;
use super::known_hosts::{self, Book, Place, Shown, Verdict};
use crate::shell::quote;
use crate::transport::prompt::HostKeyAsk;

/// Why a host key is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong, with the fingerprint.
    pub(super) message: String,
    /// What can be done.
    pub(super) hint: String,
}

/// Reads the records of host keys. A file that is missing holds none.
pub(super) async fn read_book(target: &Target) -> Book {
    let mut book = Book::default();
    for file in target.known_hosts.iter().chain(&target.global_known_hosts) {
        match tokio::fs::read(&file).await {
            Ok(bytes) => book.add(file, &String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %file.display(), %error, "cannot read host keys"),
        }
    }
    book
}

/// Judges what a host shows. A key of a host that is not recorded at all is asked about, and
/// recorded if it is accepted.
pub(super) async fn check(
    target: &Target,
    book: &Book,
    shown: &PublicKeyOrCertificate,
    asker: &Asker,
    deadline: Instant,
) -> Result<(), Refusal> {
    let mut note = String::new();
    if let PublicKeyOrCertificate::Certificate(shown) = shown {
        match certificate::judge(target, book, shown) {
            Ok(()) => return Ok(()),
            // As ssh does: then the key inside counts by itself.
            Err(why) => note = format!(" (its certificate is not accepted: {why})"),
        }
    }
    let blob = shown.public_key().public_key_bytes();
    let verdict = judge(target, book, &blob);
    let Some(mut refusal) = refusal(target, &verdict, &blob) else {
        return Ok(());
    };
    refusal.message.push_str(&note);
    let mut ask = HostKeyAsk {
        cluster: target.cluster.clone(),
        host: target.host.clone(),
        port: target.port,
        algorithm: known_hosts::key_type(&blob).unwrap_or("unknown").to_owned(),
        fingerprint: known_hosts::fingerprint(&blob),
        known_fingerprint: None,
    };
    match verdict {
        Verdict::Unknown { .. } => {
            let moot = CancellationToken::new();
            match asker.confirm(&ask, deadline, &moot).await {
                Reply::Given(true) => {
                    if let Err(why) = record::append(target, &blob).await {
                        refusal.message = format!(
                            "the host key of {} was accepted, but it cannot be recorded: {why}",
                            target.place()
                        );
                        "make the file writable and connect again".clone_into(&mut refusal.hint);
                        return Err(refusal);
                    }
                    tracing::info!(host = %target.host, key = ask.fingerprint, "recorded");
                    Ok(())
                }
                _ => Err(refusal),
            }
        }
        Verdict::Changed { recorded, .. } => {
            ask.known_fingerprint = Some(recorded);
            asker.inform(ask, deadline);
            Err(refusal)
        }
        Verdict::Known | Verdict::OtherType { .. } | Verdict::Revoked { .. } => Err(refusal),
    }
}

fn judge(target: &Target, book: &Book, blob: &[u8]) -> Verdict {
    let (host, port) = target.recorded_as();
    book.judge(Shown { host, port, blob })
}

/// Why a verdict does not let us in and what can be done; nothing if it does.
fn refusal(target: &Target, verdict: &Verdict, blob: &[u8]) -> Option<Refusal> {
    let place = target.place();
    let print = known_hosts::fingerprint(blob);
    let key_type = known_hosts::key_type(blob).unwrap_or("unknown");
    let accept = accept_command(target);
    let (host, port) = target.recorded_as();
    let forget = |at: &Place| {
        format!(
            "ssh-keygen -R {} -f {}",
            quote(&known_hosts::name(host, port)),
            quote(&at.file.to_string_lossy())
        )
    };
    let (message, hint) = match verdict {
        Verdict::Known => return None,
        Verdict::Unknown { authority } => {
            let note = if *authority {
                " (a certificate authority is recorded for it, and it shows none of its \
                 certificates)"
            } else {
                ""
            };
            (
                format!("the host key of {place} is not known{note}: {key_type} {print}"),
                format!(
                    "compare the fingerprint with the one the site publishes; if they are the \
                     same, accept it where you are asked, or run `{accept}` once and answer yes"
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
                forget(at)
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
                forget(at)
            ),
        ),
        Verdict::Revoked { at } => (
            format!("the host key of {place} is revoked in {at}: {key_type} {print}"),
            "do not connect; ask the site which key is valid".to_owned(),
        ),
    };
    Some(Refusal { message, hint })
}

/// The `ssh` call that shows the key to the user and records it where we look.
fn accept_command(target: &Target) -> String {
    let mut words = vec!["ssh".to_owned()];
    if let Some(file) = target.known_hosts.first() {
        // ssh takes words apart and expands `%` in this option.
        let file = file.display().to_string().replace('%', "%%");
        let option = format!("UserKnownHostsFile=\"{file}\"");
        words.extend(["-o".to_owned(), quote(&option)]);
    }
    if target.port != 22 {
        words.extend(["-p".to_owned(), target.port.to_string()]);
    }
    words.push(quote(&format!("{}@{}", target.user, target.named)));
    words.join(" ")
}
