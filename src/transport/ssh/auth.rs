//! Logging in with what needs nobody: keys of the agent and key files.
//!
//! The login is a loop: the server says which methods may go on, [`Login::next`] chooses the next
//! step, the step's result goes back into it. Methods that need a person (passwords, codes) are
//! further steps of the same loop.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{
    Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, load_public_key,
};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use super::SshSettings;
use super::connection::Client;
use crate::shell::quote;
use crate::transport::TransportError;

/// Key files tried when none are named, in OpenSSH's order of today's types.
const DEFAULT_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// A key to offer.
#[derive(Debug, Clone)]
enum Offer {
    Agent(Box<AgentIdentity>),
    File(PathBuf),
}

/// A step of the login.
#[derive(Debug)]
enum Step {
    /// Ask which methods there are.
    Ask,
    /// Offer a key.
    Key(Offer),
    /// Nothing is left that needs nobody.
    GiveUp,
}

/// How far a login has come.
#[derive(Debug, Default)]
struct Login {
    offers: VecDeque<Offer>,
    /// The methods that may go on, once the server has said so.
    remaining: Option<MethodSet>,
    /// A method was accepted and the server wants another.
    partial: bool,
    tried: Vec<String>,
    /// Key files that need a passphrase.
    locked: Vec<PathBuf>,
    /// What else is worth telling.
    notes: Vec<String>,
}

impl Login {
    /// Chooses the next step.
    fn next(&mut self) -> Step {
        let keys_allowed = self
            .remaining
            .as_ref()
            .is_none_or(|methods| methods.contains(&MethodKind::PublicKey));
        if keys_allowed && let Some(offer) = self.offers.pop_front() {
            return Step::Key(offer);
        }
        if self.remaining.is_none() {
            return Step::Ask;
        }
        Step::GiveUp
    }

    /// Takes the server's answer to a step; whether we are in.
    fn heard(&mut self, answer: AuthResult) -> bool {
        match answer {
            AuthResult::Success => true,
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => {
                self.remaining = Some(remaining_methods);
                self.partial |= partial_success;
                false
            }
        }
    }

    /// What the user is told when nothing is left.
    fn explain(&self, user: &str, place: &str) -> TransportError {
        let methods: Vec<String> = self
            .remaining
            .iter()
            .flat_map(|methods| methods.iter())
            .map(String::from)
            .collect();
        let first = if self.partial {
            "a key was accepted, and the server asks for more".to_owned()
        } else if self.tried.is_empty() {
            "there is no key to offer".to_owned()
        } else {
            format!("no key was accepted (tried {})", self.tried.join(", "))
        };
        let second = if methods.is_empty() {
            "the server ended the login, perhaps after too many keys: name the right one in \
             `identity_files`"
                .to_owned()
        } else {
            format!("the server offers {}", methods.join(", "))
        };
        let locked = self.locked.iter().map(|file| {
            format!(
                "{} has a passphrase: run `ssh-add {}` and try again",
                file.display(),
                quote(&file.to_string_lossy())
            )
        });
        let parts: Vec<String> = [first, second]
            .into_iter()
            .chain(locked)
            .chain(self.notes.iter().cloned())
            .collect();
        TransportError::AuthRequired(format!(
            "the login {user}@{place} needs you: {}",
            parts.join("; ")
        ))
    }
}

/// Logs in, or says what is needed.
pub(super) async fn log_in(
    handle: &mut Handle<Client>,
    settings: &SshSettings,
    place: &str,
) -> Result<(), TransportError> {
    let user = user_name(settings).await?;
    let mut login = Login::default();
    let mut agent = offers(settings, &mut login).await;
    let broken = |error: russh::Error| {
        TransportError::Unreachable(format!("the login on {place} broke off: {error}"))
    };
    loop {
        let answer = match login.next() {
            Step::Ask => handle.authenticate_none(&user).await.map_err(broken)?,
            Step::Key(offer) => {
                match offer_key(handle, &user, offer, agent.as_mut(), &mut login).await {
                    Ok(Some(answer)) => answer,
                    Ok(None) => continue,
                    Err(error) => return Err(broken(error)),
                }
            }
            Step::GiveUp => return Err(login.explain(&user, place)),
        };
        if login.heard(answer) {
            return Ok(());
        }
    }
}

/// Offers one key. None if it could not be offered, which is noted.
async fn offer_key(
    handle: &mut Handle<Client>,
    user: &str,
    offer: Offer,
    agent: Option<&mut AgentClient<UnixStream>>,
    login: &mut Login,
) -> Result<Option<AuthResult>, russh::Error> {
    match (offer, agent) {
        (Offer::Agent(identity), Some(agent)) => {
            let comment = identity.comment().to_owned();
            let hash = rsa_hash(handle, &identity.public_key().algorithm()).await?;
            login.tried.push(format!("{comment} of the agent"));
            let answer = match *identity {
                AgentIdentity::PublicKey { key, .. } => {
                    handle
                        .authenticate_publickey_with(user, key, hash, agent)
                        .await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    handle
                        .authenticate_certificate_with(user, certificate, hash, agent)
                        .await
                }
            };
            match answer {
                Ok(answer) => Ok(Some(answer)),
                Err(error) => {
                    // A locked agent, a key that wants a touch or a confirmation.
                    login
                        .notes
                        .push(format!("the agent did not sign with {comment}: {error}"));
                    Ok(None)
                }
            }
        }
        (Offer::Agent(_), None) => Ok(None),
        (Offer::File(path), _) => {
            let key = match load(path.clone()).await {
                Loaded::Key(key) => key,
                Loaded::Locked => {
                    login.locked.push(path);
                    return Ok(None);
                }
                Loaded::Unusable(why) => {
                    login.notes.push(format!("{}: {why}", path.display()));
                    return Ok(None);
                }
            };
            let hash = rsa_hash(handle, &key.algorithm()).await?;
            login.tried.push(path.display().to_string());
            let key = PrivateKeyWithHashAlg::new(Arc::new(*key), hash);
            handle.authenticate_publickey(user, key).await.map(Some)
        }
    }
}

/// The hash to sign with: without one, an RSA key would sign with SHA-1, which servers refuse.
async fn rsa_hash(
    handle: &Handle<Client>,
    algorithm: &Algorithm,
) -> Result<Option<HashAlg>, russh::Error> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    match handle.best_supported_rsa_hash().await? {
        Some(best) => Ok(best),
        // Servers before OpenSSH 7.2 do not say; those that can do it accept this.
        None => Ok(Some(HashAlg::Sha256)),
    }
}

/// Collects the keys to offer, and the agent that signs for some of them.
async fn offers(settings: &SshSettings, login: &mut Login) -> Option<AgentClient<UnixStream>> {
    let (mut agent, identities) = if settings.use_agent {
        ask_agent(settings, login).await
    } else {
        (None, Vec::new())
    };
    if identities.is_empty() {
        agent = None;
    }
    let named = !settings.identity_files.is_empty();
    let files: Vec<PathBuf> = if named {
        settings
            .identity_files
            .iter()
            .map(|path| expand(path))
            .collect()
    } else {
        let ssh = dirs::home_dir().map(|home| home.join(".ssh"));
        ssh.iter()
            .flat_map(|ssh| DEFAULT_FILES.map(|name| ssh.join(name)))
            .filter(|path| path.exists())
            .collect()
    };
    let mut public = Vec::new();
    for path in &files {
        public.push(public_key(path.clone()).await);
    }
    login.offers = order(&files, &public, identities, named);
    agent
}

/// The order of offers: what the agent holds of the files first, then, unless files were named,
/// the rest of the agent, then the files the agent does not hold. A server counts each refused
/// offer and usually ends the login with the sixth.
fn order(
    files: &[PathBuf],
    public: &[Option<PublicKey>],
    identities: Vec<AgentIdentity>,
    named: bool,
) -> VecDeque<Offer> {
    let of_file = |identity: &AgentIdentity| {
        let key = identity.public_key();
        public.iter().position(|public| {
            public
                .as_ref()
                .is_some_and(|it| it.key_data() == key.key_data())
        })
    };
    let mut held: Vec<(usize, AgentIdentity)> = Vec::new();
    let mut others: Vec<AgentIdentity> = Vec::new();
    for identity in identities {
        match of_file(&identity) {
            Some(index) => held.push((index, identity)),
            None => others.push(identity),
        }
    }
    held.sort_by_key(|(index, _)| *index);
    if named {
        others.clear();
    }
    let rest = files
        .iter()
        .enumerate()
        .filter(|(index, _)| !held.iter().any(|(other, _)| other == index))
        .map(|(_, path)| Offer::File(path.clone()))
        .collect::<Vec<_>>();
    held.into_iter()
        .map(|(_, identity)| identity)
        .chain(others)
        .map(|identity| Offer::Agent(Box::new(identity)))
        .chain(rest)
        .collect()
}

async fn ask_agent(
    settings: &SshSettings,
    login: &mut Login,
) -> (Option<AgentClient<UnixStream>>, Vec<AgentIdentity>) {
    let given = settings.agent_socket.as_deref().map(expand);
    let named = || std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    // An empty variable is how some desktops say that there is none.
    let Some(socket) = given
        .or_else(named)
        .filter(|socket| !socket.as_os_str().is_empty())
    else {
        return (None, Vec::new());
    };
    let answer = async {
        let mut agent = AgentClient::connect_uds(&socket).await?;
        let identities = agent.request_identities().await?;
        Ok::<_, russh::keys::Error>((agent, identities))
    };
    match answer.await {
        Ok((agent, identities)) => (Some(agent), identities),
        Err(error) => {
            login
                .notes
                .push(format!("the SSH agent does not answer: {error}"));
            (None, Vec::new())
        }
    }
}

/// A key file as it could be read.
enum Loaded {
    Key(Box<PrivateKey>),
    Locked,
    Unusable(String),
}

async fn load(path: PathBuf) -> Loaded {
    let read = tokio::task::spawn_blocking(move || {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return Loaded::Unusable(error.to_string()),
        };
        match russh::keys::decode_secret_key(&text, None) {
            Ok(key) => Loaded::Key(Box::new(key)),
            Err(russh::keys::Error::KeyIsEncrypted) => Loaded::Locked,
            // A PKCS#8 file says so only in its first line.
            Err(_) if text.contains("BEGIN ENCRYPTED PRIVATE KEY") => Loaded::Locked,
            Err(error) => Loaded::Unusable(format!("not a usable private key ({error})")),
        }
    });
    read.await
        .unwrap_or_else(|error| Loaded::Unusable(error.to_string()))
}

/// The public half of a key file, which is readable whatever its passphrase, if it is beside it or
/// in OpenSSH's own format.
async fn public_key(path: PathBuf) -> Option<PublicKey> {
    let read = tokio::task::spawn_blocking(move || {
        let mut beside = path.clone().into_os_string();
        beside.push(".pub");
        load_public_key(beside).ok().or_else(|| {
            let text = std::fs::read_to_string(&path).ok()?;
            Some(PrivateKey::from_openssh(text).ok()?.public_key().clone())
        })
    });
    read.await.ok().flatten()
}

/// Expands a leading `~/`.
pub(super) fn expand(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), dirs::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// The user to log in as: the one given, else the local one.
async fn user_name(settings: &SshSettings) -> Result<String, TransportError> {
    if let Some(user) = &settings.user {
        return Ok(user.clone());
    }
    for variable in ["USER", "LOGNAME"] {
        if let Ok(user) = std::env::var(variable)
            && !user.is_empty()
        {
            return Ok(user);
        }
    }
    let id = tokio::process::Command::new("id").arg("-un").output().await;
    id.ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .filter(|user| !user.is_empty())
        .ok_or_else(|| {
            TransportError::Local(
                "the local user has no name; set `user` for the cluster".to_owned(),
            )
        })
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
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let public: Vec<_> = public.iter().map(|it| it.map(key)).collect();
        let identities = agent
            .iter()
            .map(|base64| AgentIdentity::PublicKey {
                key: key(base64),
                comment: if *base64 == A { "agent A" } else { "agent B" }.to_owned(),
            })
            .collect();
        order(&files, &public, identities, named)
            .into_iter()
            .map(|offer| match offer {
                Offer::Agent(identity) => identity.comment().to_owned(),
                Offer::File(path) => path.display().to_string(),
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

    #[test]
    fn the_servers_methods_drive_the_login() {
        let failure = |methods: &[MethodKind], partial_success| AuthResult::Failure {
            remaining_methods: MethodSet::from(methods),
            partial_success,
        };
        let two = || VecDeque::from([Offer::File("fa".into()), Offer::File("fb".into())]);
        // No key at all: ask what there is.
        let mut login = Login::default();
        assert!(matches!(login.next(), Step::Ask));
        login.heard(failure(&[MethodKind::Password], false));
        assert!(matches!(login.next(), Step::GiveUp));
        // Keys are of no use where the server does not take them.
        let mut login = Login {
            offers: two(),
            ..Login::default()
        };
        assert!(matches!(login.next(), Step::Key(_)));
        login.heard(failure(&[MethodKind::KeyboardInteractive], true));
        assert!(matches!(login.next(), Step::GiveUp));
        let text = login.explain("me", "alpha").to_string();
        assert!(text.contains("me@alpha"), "{text}");
        assert!(text.contains("a key was accepted"), "{text}");
        assert!(text.contains("keyboard-interactive"), "{text}");
        // Otherwise all of them are tried.
        let mut login = Login {
            offers: two(),
            ..Login::default()
        };
        for _ in 0..2 {
            assert!(matches!(login.next(), Step::Key(_)));
            assert!(!login.heard(failure(&[MethodKind::PublicKey], false)));
        }
        assert!(matches!(login.next(), Step::GiveUp));
        assert!(login.heard(AuthResult::Success));
    }
}
