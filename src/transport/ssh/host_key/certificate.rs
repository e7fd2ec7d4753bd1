//! Certificates of hosts: an authority that is recorded for a host (`@cert-authority`) vouches for
//! its key.

use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::{Certificate, PublicKey, PublicKeyBase64 as _};

use super::super::config::Target;
use super::super::known_hosts::{Book, Shown, Verdict, matches};

/// Whether a certificate vouches for the host; the error says why not.
pub(super) fn judge(target: &Target, book: &Book, shown: &Certificate) -> Result<(), String> {
    let (host, port) = target.recorded_as();
    let blob = |key| PublicKey::new(key, "").public_key_bytes();
    let authority = blob(shown.signature_key().clone());
    if !book.is_authority(host, port, &authority) {
        return Err("its authority is not recorded for this host".to_owned());
    }
    for key in [authority, blob(shown.public_key().clone())] {
        let shown = Shown {
            host,
            port,
            blob: &key,
        };
        if let Verdict::Revoked { at } = book.judge(shown) {
            return Err(format!("a key of it is revoked in {at}"));
        }
    }
    if shown.verify_signature().is_err() {
        return Err("its signature is wrong".to_owned());
    }
    if !shown.cert_type().is_host() {
        return Err("it is one of a user, not of a host".to_owned());
    }
    if !shown.critical_options().is_empty() {
        return Err("it has conditions that are not known here".to_owned());
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if now < shown.valid_after() {
        return Err("it is not valid yet".to_owned());
    }
    if now >= shown.valid_before() {
        return Err("it has expired".to_owned());
    }
    let names = shown.valid_principals();
    let name = host.to_ascii_lowercase();
    let fits = |pattern: &String| matches(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
    // One without names is for all hosts.
    if !names.is_empty() && !names.iter().any(fits) {
        return Err(format!("it is for {}", names.join(", ")));
    }
    Ok(())
}
