//! Logging in with what needs nobody: keys of the agent and key files.
//!
//! The login is a loop: the server says which methods may go on, [`Login::next`] chooses the next
//! step, the step's result goes back into it. Methods that need a person (passwords, codes) are
//! further steps of the same loop.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use super::SshSettings;
use super::client::Client;
use super::keys::{self, Loaded, Offer};
use crate::shell::quote;
use crate::transport::TransportError;

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
    let keys = keys::collect(settings).await;
    let mut agent = keys.agent;
    let mut login = Login {
        offers: keys.offers,
        notes: keys.notes,
        ..Login::default()
    };
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
            let key = match keys::load(path.clone()).await {
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
    use super::*;

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
