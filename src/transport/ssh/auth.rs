//! Logging in: a loop in which the server says which methods may go on, [`Login::next`] chooses the
//! next step, and the step's result goes back into it.
//!
//! What needs nobody (keys of the agent, key files) is done for every attempt; what needs a person
//! (`person`) only while somebody waits who can be asked.

mod offer;
mod person;

use std::collections::VecDeque;
use std::path::PathBuf;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::client::AgentClient;
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::asker::Asker;
use super::client::{Client, Signs};
use super::config::{Method, Target};
use super::keys::{self, Offer};
use crate::shell::quote;
use crate::transport::TransportError;
use crate::transport::prompt::AuthMethod;

/// How often a person may answer with each method, as ssh's `NumberOfPasswordPrompts`.
const ATTEMPTS: u32 = 3;

/// How many methods a server may accept and still ask for another: it names them beforehand, and
/// sites want two or three. One that goes on for ever is none.
const STEPS: u32 = 8;

/// A step of the login.
#[derive(Debug)]
enum Step {
    /// Ask which methods there are.
    Ask,
    /// Offer a key.
    Key(Offer),
    /// Ask the person.
    Person(AuthMethod),
    /// Nothing is left.
    GiveUp,
}

/// How far a login has come.
#[derive(Debug, Default)]
struct Login {
    /// What may be tried, the best first.
    methods: Vec<Method>,
    offers: VecDeque<Offer>,
    /// The methods that may go on, once the server has said so.
    remaining: Option<MethodSet>,
    /// How many methods were accepted, each time with the wish for another.
    partial: u32,
    tried: Vec<String>,
    /// How often a person answered, by method.
    answered: Vec<(AuthMethod, u32)>,
    /// Methods that are of no use any more.
    spent: Vec<AuthMethod>,
    /// Key files that need a passphrase.
    locked: Vec<PathBuf>,
    /// What else is worth telling.
    notes: Vec<String>,
}

impl Login {
    /// Chooses the next step; `person` says whether there is somebody to ask.
    fn next(&mut self, person: bool) -> Step {
        let Some(remaining) = &self.remaining else {
            // Without having asked: a server that takes keys saves us a round trip.
            if self.methods.first() == Some(&Method::Keys)
                && let Some(offer) = self.offers.pop_front()
            {
                return Step::Key(offer);
            }
            return Step::Ask;
        };
        for method in &self.methods {
            match method {
                Method::Keys if remaining.contains(&MethodKind::PublicKey) => {
                    if let Some(offer) = self.offers.pop_front() {
                        return Step::Key(offer);
                    }
                }
                Method::Person(method)
                    if person
                        && remaining.contains(&kind(*method))
                        && !self.spent.contains(method)
                        && self.answers(*method) < ATTEMPTS =>
                {
                    return Step::Person(*method);
                }
                Method::Keys | Method::Person(_) => {}
            }
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
                if partial_success {
                    self.partial += 1;
                    if self.partial > STEPS {
                        self.methods.clear();
                        self.notes.push(format!(
                            "it accepted {STEPS} steps and asked for more: the login was given up"
                        ));
                    }
                    // What comes now is another question.
                    self.answered.clear();
                    self.spent.clear();
                }
                false
            }
        }
    }

    fn answers(&self, method: AuthMethod) -> u32 {
        let found = self.answered.iter().find(|(other, _)| *other == method);
        found.map_or(0, |(_, count)| *count)
    }

    fn count_answer(&mut self, method: AuthMethod) {
        match self.answered.iter_mut().find(|(other, _)| *other == method) {
            Some((_, count)) => *count += 1,
            None => self.answered.push((method, 1)),
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
        let refused: Vec<&str> = self
            .answered
            .iter()
            .map(|(method, _)| method.name())
            .collect();
        let first = if !refused.is_empty() {
            format!("the answers were refused ({})", refused.join(", "))
        } else if self.partial > 0 {
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

fn kind(method: AuthMethod) -> MethodKind {
    match method {
        AuthMethod::Passphrase => MethodKind::PublicKey,
        AuthMethod::KeyboardInteractive => MethodKind::KeyboardInteractive,
        AuthMethod::Password => MethodKind::Password,
    }
}

/// Everything a step needs.
struct Round<'a> {
    handle: &'a mut Handle<Client>,
    target: &'a Target,
    place: &'a str,
    asker: &'a Asker,
    signs: &'a Signs,
    agent: Option<AgentClient<UnixStream>>,
    login: Login,
    /// When the server's patience (`LoginGraceTime`) may end.
    deadline: Instant,
}

/// Logs in, or says what is needed.
pub(super) async fn log_in(
    handle: &mut Handle<Client>,
    target: &Target,
    place: &str,
    asker: &Asker,
    signs: &Signs,
    deadline: Instant,
) -> Result<(), TransportError> {
    let keys = keys::collect(target).await;
    let mut round = Round {
        handle,
        target,
        place,
        asker,
        signs,
        agent: keys.agent,
        login: Login {
            methods: target.methods.clone(),
            offers: keys.offers,
            notes: keys.notes,
            ..Login::default()
        },
        deadline,
    };
    loop {
        let answer = match round.login.next(asker.has_people()) {
            Step::Ask => {
                let none = round.handle.authenticate_none(&target.user);
                Some(round_trip(asker, target, place, none).await?)
            }
            Step::Key(offer) => round.offer(offer).await?,
            Step::Person(AuthMethod::Password) => round.password().await?,
            Step::Person(method) => {
                debug_assert_eq!(method, AuthMethod::KeyboardInteractive);
                round.keyboard_interactive().await?
            }
            Step::GiveUp => {
                let offered = round.login.remaining.as_deref().unwrap_or_default();
                if target.wants_gssapi && offered.contains(&MethodKind::GssapiWithMic) {
                    round.login.notes.push(
                        "a Kerberos ticket (gssapi-with-mic) does not log in here: use a key, or \
                         answer the prompts"
                            .to_owned(),
                    );
                }
                return Err(round.login.explain(&target.user, place));
            }
        };
        if answer.is_some_and(|answer| round.login.heard(answer)) {
            return Ok(());
        }
    }
}

/// One exchange with the server that waits for nobody but, at times, the person.
async fn round_trip<T>(
    asker: &Asker,
    target: &Target,
    place: &str,
    work: impl Future<Output = Result<T, russh::Error>>,
) -> Result<T, TransportError> {
    match asker.within(target.connect_timeout, work).await {
        Some(done) => done.map_err(|error| broken(place, &error)),
        None => Err(TransportError::Unreachable(format!(
            "the login on {place} was not answered within {} s",
            target.connect_timeout.as_secs_f32()
        ))),
    }
}

fn broken(place: &str, error: &russh::Error) -> TransportError {
    TransportError::Unreachable(format!("the login on {place} broke off: {error}"))
}

#[cfg(test)]
mod tests;
