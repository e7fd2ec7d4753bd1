//! The keys there are to log in with: those of the agent and those in files.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKey, load_public_key};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::config::{Agent, Target};
use crate::transport::prompt::{ExposeSecret, Secret};

/// Key files tried when none are named, in OpenSSH's order of today's types.
const DEFAULT_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Longest wait for the agent's list of keys; it may ask the person to unlock it.
const AGENT_ANSWERS: Duration = Duration::from_secs(10);

/// A key to offer.
#[derive(Debug, Clone)]
pub(super) enum Offer {
    /// One the agent signs with, or a certificate of it in a file.
    Agent(Box<AgentIdentity>),
    /// One in a file.
    File {
        /// The file.
        path: PathBuf,
        /// Its public half, if that can be read without a passphrase.
        public: Option<Box<PublicKey>>,
        /// A certificate to show instead of the bare key.
        certificate: Option<Box<Certificate>>,
    },
}

/// All there is to offer.
pub(super) struct Keys {
    /// In the order to offer them.
    pub(super) offers: VecDeque<Offer>,
    /// The agent that signs for some of them.
    pub(super) agent: Option<AgentClient<UnixStream>>,
    /// What is worth telling if none of them helps.
    pub(super) notes: Vec<String>,
}

/// A key file and what could be read of it.
#[derive(Debug, Clone)]
struct KeyFile {
    path: PathBuf,
    public: Option<PublicKey>,
}

/// Collects the keys to offer.
pub(super) async fn collect(target: &Target) -> Keys {
    let mut notes = Vec::new();
    let (mut agent, mut identities) = (None, Vec::new());
    if let Agent::Socket(socket) = &target.agent {
        match timeout(AGENT_ANSWERS, ask_agent(socket)).await {
            Ok(Ok((answering, held))) => {
                if held.is_empty() {
                    notes.push("the SSH agent holds no key, or is locked".to_owned());
                }
                (agent, identities) = (Some(answering), held);
            }
            Ok(Err(error)) => notes.push(format!("the SSH agent does not answer: {error}")),
            Err(_) => notes.push(format!(
                "the SSH agent does not answer within {} s",
                AGENT_ANSWERS.as_secs()
            )),
        }
    }
    let paths: Vec<PathBuf> = if target.identity_files.is_empty() {
        let ssh = dirs::home_dir().map(|home| home.join(".ssh"));
        ssh.iter()
            .flat_map(|ssh| DEFAULT_FILES.map(|name| ssh.join(name)))
            .filter(|path| path.exists())
            .collect()
    } else {
        target.identity_files.clone()
    };
    let mut files = Vec::new();
    let mut certificates = Vec::new();
    for path in paths {
        certificates.extend(certificate(with_ending(&path, "-cert.pub")).await.ok());
        let public = public_key(path.clone()).await;
        files.push(KeyFile { path, public });
    }
    for path in &target.certificate_files {
        match certificate(path.clone()).await {
            Ok(found) if !certificates.contains(&found) => certificates.push(found),
            Ok(_) => {}
            Err(why) => notes.push(format!("{}: {why}", path.display())),
        }
    }
    certificates.retain(|certificate| match unusable(certificate, &target.user) {
        Some(Unusable::Surely(why)) => {
            notes.push(why);
            false
        }
        Some(Unusable::Perhaps(why)) => {
            notes.push(why);
            true
        }
        None => true,
    });
    Keys {
        offers: order(&files, identities, &certificates, target.identities_only),
        agent,
        notes,
    }
}

/// Why a certificate does not log in.
enum Unusable {
    Surely(String),
    Perhaps(String),
}

fn unusable(certificate: &Certificate, user: &str) -> Option<Unusable> {
    let id = certificate.key_id();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let when = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds)
            .map_or_else(|_| "never".to_owned(), |at| at.to_string())
    };
    if now >= certificate.valid_before() {
        let at = when(certificate.valid_before());
        return Some(Unusable::Surely(format!(
            "the certificate {id:?} expired at {at}"
        )));
    }
    if now < certificate.valid_after() {
        let at = when(certificate.valid_after());
        return Some(Unusable::Surely(format!(
            "the certificate {id:?} is valid only from {at}"
        )));
    }
    let names = certificate.valid_principals();
    // A server can map names to accounts, so that it may be right all the same.
    (!names.is_empty() && !names.iter().any(|name| name == user)).then(|| {
        Unusable::Perhaps(format!(
            "the certificate {id:?} is for {}",
            names.join(", ")
        ))
    })
}

/// The order of offers: what the agent holds of the files first, then, unless files were named,
/// the rest of the agent, then the files the agent does not hold. A key that has a certificate is
/// offered with that first. A server counts each refused offer and usually ends the login with the
/// sixth.
fn order(
    files: &[KeyFile],
    identities: Vec<AgentIdentity>,
    certificates: &[Certificate],
    named_only: bool,
) -> VecDeque<Offer> {
    let of_file = |identity: &AgentIdentity| {
        let key = identity.public_key();
        files.iter().position(|file| {
            file.public
                .as_ref()
                .is_some_and(|it| it.key_data() == key.key_data())
        })
    };
    let of_key = |key: &KeyData| -> Vec<&Certificate> {
        let held = certificates.iter().filter(|it| it.public_key() == key);
        held.collect()
    };
    let mut held: Vec<(usize, AgentIdentity)> = Vec::new();
    let mut others: Vec<AgentIdentity> = Vec::new();
    for identity in identities {
        let certified = certificates
            .iter()
            .any(|it| it.public_key() == identity.public_key().key_data());
        match of_file(&identity) {
            Some(index) => held.push((index, identity)),
            // A certificate that is named names its key.
            None if certified => held.push((files.len(), identity)),
            None => others.push(identity),
        }
    }
    held.sort_by_key(|(index, _)| *index);
    if named_only {
        others.clear();
    }
    let mut offers = VecDeque::new();
    let in_agent: Vec<usize> = held.iter().map(|(index, _)| *index).collect();
    for identity in held.into_iter().map(|(_, identity)| identity).chain(others) {
        let key = identity.public_key().key_data().clone();
        for certificate in of_key(&key) {
            offers.push_back(Offer::Agent(Box::new(AgentIdentity::Certificate {
                certificate: certificate.clone(),
                comment: identity.comment().to_owned(),
            })));
        }
        offers.push_back(Offer::Agent(Box::new(identity)));
    }
    for (index, file) in files.iter().enumerate() {
        if in_agent.contains(&index) {
            continue;
        }
        let offer = |certificate: Option<&Certificate>| Offer::File {
            path: file.path.clone(),
            public: file.public.clone().map(Box::new),
            certificate: certificate.cloned().map(Box::new),
        };
        let key = file.public.as_ref().map(PublicKey::key_data);
        let certified = key.into_iter().flat_map(of_key);
        offers.extend(certified.map(|certificate| offer(Some(certificate))));
        offers.push_back(offer(None));
    }
    offers
}

/// Asks the agent what it holds.
async fn ask_agent(
    socket: &Path,
) -> Result<(AgentClient<UnixStream>, Vec<AgentIdentity>), russh::keys::Error> {
    let mut agent = AgentClient::connect_uds(socket).await?;
    let identities = agent.request_identities().await?;
    Ok((agent, identities))
}

/// A key file as it could be read.
pub(super) enum Loaded {
    /// It can be used.
    Key(Box<PrivateKey>),
    /// It needs a passphrase.
    Locked,
    /// It cannot be used, and why.
    Unusable(String),
}

/// Reads a key file, with its passphrase if it is known.
pub(super) async fn load(path: PathBuf, passphrase: Option<Secret>) -> Loaded {
    let read = tokio::task::spawn_blocking(move || {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Secret::from(text),
            Err(error) => return Loaded::Unusable(error.to_string()),
        };
        let text = text.expose_secret();
        let given = passphrase.as_ref().map(ExposeSecret::expose_secret);
        match russh::keys::decode_secret_key(text, given) {
            // A key that is not protected decodes whatever passphrase is given.
            Ok(key) if is_of_a_token(&key.algorithm()) => Loaded::Unusable(
                "a FIDO key signs only through the agent: load it with `ssh-add`".to_owned(),
            ),
            Ok(key) => Loaded::Key(Box::new(key)),
            Err(russh::keys::Error::KeyIsEncrypted) => Loaded::Locked,
            // A PKCS#8 file says so only in its first line; a wrong passphrase shows in three ways.
            Err(_) if given.is_some() || text.contains("BEGIN ENCRYPTED PRIVATE KEY") => {
                Loaded::Locked
            }
            Err(error) => Loaded::Unusable(format!("not a usable private key ({error})")),
        }
    });
    read.await
        .unwrap_or_else(|error| Loaded::Unusable(error.to_string()))
}

fn is_of_a_token(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
    )
}

/// The public half of a key file, which is readable whatever its passphrase, if it is beside it or
/// in OpenSSH's own format. A file may also be a public key itself, whose other half the agent has.
async fn public_key(path: PathBuf) -> Option<PublicKey> {
    let read = tokio::task::spawn_blocking(move || {
        let own = std::fs::read_to_string(&path).ok().map(Secret::from);
        let text = own.as_ref().map_or("", |text| text.expose_secret());
        load_public_key(&path)
            .or_else(|_| load_public_key(with_ending(&path, ".pub")))
            .ok()
            .or_else(|| Some(PrivateKey::from_openssh(text).ok()?.public_key().clone()))
    });
    read.await.ok().flatten()
}

async fn certificate(path: PathBuf) -> Result<Certificate, String> {
    let read = tokio::task::spawn_blocking(move || {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        Certificate::from_openssh(text.trim()).map_err(|error| format!("no certificate ({error})"))
    });
    read.await.map_err(|error| error.to_string())?
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use russh::keys::parse_public_key_base64;

    use super::*;

    // Made by ssh-keygen for these tests.
    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIMcAhUQXHeUm4I95o0PlvPW6rU3HqxbO2SsAVqSb1m6l";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIGYs4BFgGTZuyMNpbe5MVODeltcnb6+tfgXbY5QnidtE";

    fn key(base64: &str) -> PublicKey {
        parse_public_key_base64(base64).unwrap()
    }

    fn names(files: &[&str], public: &[Option<&str>], agent: &[&str], named: bool) -> Vec<String> {
        let files: Vec<KeyFile> = files
            .iter()
            .zip(public)
            .map(|(path, public)| KeyFile {
                path: PathBuf::from(path),
                public: public.map(key),
            })
            .collect();
        let identities = agent
            .iter()
            .map(|base64| AgentIdentity::PublicKey {
                key: key(base64),
                comment: if *base64 == A { "agent A" } else { "agent B" }.to_owned(),
            })
            .collect();
        order(&files, identities, &[], named)
            .into_iter()
            .map(|offer| match offer {
                Offer::Agent(identity) => identity.comment().to_owned(),
                Offer::File { path, .. } => path.display().to_string(),
            })
            .collect()
    }

    #[test]
    fn named_keys_alone_are_offered_through_the_agent_where_it_holds_them() {
        let files = ["fa", "fb", "fc"];
        let public = [Some(A), Some(B), None];
        assert_eq!(names(&files, &public, &[], true), files);
        assert_eq!(names(&files, &public, &[B], true), ["agent B", "fa", "fc"]);
        assert_eq!(
            names(&files, &public, &[B, A], true),
            ["agent A", "agent B", "fc"]
        );
        assert_eq!(names(&["fc"], &[None], &[A, B], true), ["fc"]);
    }

    #[test]
    fn without_names_the_whole_agent_goes_before_the_usual_files() {
        assert_eq!(
            names(&["fb", "fc"], &[Some(B), None], &[A, B], false),
            ["agent B", "agent A", "fc"]
        );
        assert_eq!(names(&[], &[], &[A], false), ["agent A"]);
    }
}
