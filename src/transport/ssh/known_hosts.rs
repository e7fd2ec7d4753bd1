//! The records of host keys, as sshd(8) "`SSH_KNOWN_HOSTS` FILE FORMAT" defines them. Pure: text in,
//! verdict out.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The port whose hosts are recorded by their bare name.
const DEFAULT_PORT: u16 = 22;

/// All records there are, in the order of the files.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    records: Vec<Record>,
}

/// A key as a server shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The host as the user names it.
    pub(super) host: &'a str,
    /// Its port.
    pub(super) port: u16,
    /// The key in its wire form (RFC 4253, section 6.6), which begins with its type.
    pub(super) blob: &'a [u8],
}

/// What the records say of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is recorded for this host.
    Known,
    /// The host is not recorded at all.
    Unknown {
        /// A certificate authority is recorded for it, which does not help with a bare key.
        authority: bool,
    },
    /// Another key of the same type is recorded.
    Changed {
        /// Where.
        at: Place,
        /// The fingerprint of the recorded key.
        recorded: String,
    },
    /// Only keys of other types are recorded.
    OtherType {
        /// Where the first of them is.
        at: Place,
        /// Their types.
        recorded: Vec<String>,
    },
    /// The key is recorded as one that must not be used any more.
    Revoked {
        /// Where.
        at: Place,
    },
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file.
    pub(super) file: PathBuf,
    /// The line, from 1.
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file.display(), self.line)
    }
}

#[derive(Debug, Clone)]
struct Record {
    at: Place,
    marker: Marker,
    hosts: Hosts,
    key_type: String,
    blob: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Authority,
    Revoked,
}

#[derive(Debug, Clone)]
enum Hosts {
    Patterns(Vec<String>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl Book {
    /// Adds the records of one file. Lines that cannot be read are passed over, as ssh does.
    pub(super) fn add(&mut self, file: &Path, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let at = Place {
                file: file.to_owned(),
                line: index + 1,
            };
            self.records.extend(record(at, line));
        }
    }

    /// Judges a key.
    ///
    /// As ssh does, a host on another port than 22 is also known by a key recorded for its bare
    /// name, but never called changed by it.
    pub(super) fn judge(&self, shown: Shown<'_>) -> Verdict {
        let name = name(shown.host, shown.port);
        let bare = shown.host.to_ascii_lowercase();
        let same = |record: &&Record| record.blob == shown.blob;
        if let Some(record) = self
            .of(Marker::Revoked, &[&name, &bare])
            .find(|record| same(record))
        {
            return Verdict::Revoked {
                at: record.at.clone(),
            };
        }
        if self
            .of(Marker::None, &[&name, &bare])
            .any(|record| same(&record))
        {
            return Verdict::Known;
        }
        let key_type = key_type(shown.blob).unwrap_or_default();
        if let Some(record) = self
            .of(Marker::None, &[&name])
            .find(|record| record.key_type == key_type)
        {
            return Verdict::Changed {
                at: record.at.clone(),
                recorded: fingerprint(&record.blob),
            };
        }
        let names = [name.as_str()];
        let mut others = self.of(Marker::None, &names).peekable();
        if let Some(first) = others.peek() {
            return Verdict::OtherType {
                at: first.at.clone(),
                recorded: others.map(|record| record.key_type.clone()).collect(),
            };
        }
        Verdict::Unknown {
            authority: self.of(Marker::Authority, &[&name]).next().is_some(),
        }
    }

    /// The types of the keys recorded for a host. Asked for first in the key exchange, they keep a
    /// server with several keys from showing one that is not recorded.
    pub(super) fn key_types(&self, host: &str, port: u16) -> Vec<&str> {
        let (name, bare) = (name(host, port), host.to_ascii_lowercase());
        let mut types: Vec<&str> = Vec::new();
        for record in self.of(Marker::None, &[&name, &bare]) {
            if !types.contains(&record.key_type.as_str()) {
                types.push(&record.key_type);
            }
        }
        types
    }

    /// Whether a key is recorded as an authority whose certificates hold for a host.
    pub(super) fn is_authority(&self, host: &str, port: u16, blob: &[u8]) -> bool {
        let (name, bare) = (name(host, port), host.to_ascii_lowercase());
        self.of(Marker::Authority, &[&name, &bare])
            .any(|record| record.blob == blob)
    }

    /// Whether certificates of a host are of use.
    pub(super) fn has_authority(&self, host: &str, port: u16) -> bool {
        let (name, bare) = (name(host, port), host.to_ascii_lowercase());
        self.of(Marker::Authority, &[&name, &bare]).next().is_some()
    }

    fn of<'a>(&'a self, marker: Marker, names: &[&str]) -> impl Iterator<Item = &'a Record> {
        self.records.iter().filter(move |record| {
            record.marker == marker && names.iter().any(|name| record.hosts.hold(name))
        })
    }
}

/// The name a host is recorded under.
pub(super) fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == DEFAULT_PORT {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

/// A name in the form that does not tell it (`HashKnownHosts`).
pub(super) fn hashed(name: &str, salt: &[u8]) -> String {
    let hash = Hmac::<Sha1>::new_from_slice(salt)
        .map(|mac| mac.chain_update(name).finalize().into_bytes().to_vec())
        // Keys of any length are taken.
        .unwrap_or_default();
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
}

/// A line of a file of known hosts. None if the key does not name its type.
pub(super) fn line(hosts: &str, blob: &[u8]) -> Option<String> {
    let key_type = key_type(blob)?;
    Some(format!("{hosts} {key_type} {}\n", STANDARD.encode(blob)))
}

/// The fingerprint of a key as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// The type named inside a key.
pub(super) fn key_type(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

fn record(at: Place, line: &str) -> Option<Record> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let mut first = words.next()?;
    let marker = match first {
        "@cert-authority" => Marker::Authority,
        "@revoked" => Marker::Revoked,
        // A marker of tomorrow: what the line means is not known, so it means nothing.
        other if other.starts_with('@') => return None,
        _ => Marker::None,
    };
    if marker != Marker::None {
        first = words.next()?;
    }
    let hosts = hosts(first)?;
    let named = words.next()?;
    let blob = STANDARD.decode(words.next()?).ok()?;
    // A line whose words contradict each other is damaged.
    let key_type = key_type(&blob)
        .filter(|inside| *inside == named)?
        .to_owned();
    Some(Record {
        at,
        marker,
        hosts,
        key_type,
        blob,
    })
}

fn hosts(word: &str) -> Option<Hosts> {
    let Some(hashed) = word.strip_prefix("|1|") else {
        let patterns = word.split(',').map(str::to_ascii_lowercase).collect();
        return Some(Hosts::Patterns(patterns));
    };
    let (salt, hash) = hashed.split_once('|')?;
    Some(Hosts::Hashed {
        salt: STANDARD.decode(salt).ok()?,
        hash: STANDARD.decode(hash).ok()?,
    })
}

impl Hosts {
    fn hold(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => {
                let mut held = false;
                for pattern in patterns {
                    match pattern.strip_prefix('!') {
                        Some(not) if matches(not.as_bytes(), name.as_bytes()) => return false,
                        Some(_) => {}
                        None => held |= matches(pattern.as_bytes(), name.as_bytes()),
                    }
                }
                held
            }
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok()),
        }
    }
}

/// Whether a pattern of `*` (any characters) and `?` (one character) matches a whole text.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on if what follows the last `*` does not fit: one character later.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let (mut pattern, mut text) = (pattern, text);
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((want, rest)), Some((got, more))) if *want == b'?' || want == got => {
                (pattern, text) = (rest, more);
            }
            (None, None) => return true,
            _ => match retry.and_then(|(rest, from)| Some((rest, from.get(1..)?))) {
                Some((rest, from)) => {
                    retry = Some((rest, from));
                    (pattern, text) = (rest, from);
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests;
