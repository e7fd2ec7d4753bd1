//! What a person is asked: passphrases, passwords, and whatever else a server wants to know.

use std::path::PathBuf;

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse as Response};
use russh::keys::PrivateKey;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::super::asker::{Asker, Reply};
use super::super::config::Target;
use super::super::keys::{self, Loaded};
use super::{ATTEMPTS, Round, broken, round_trip};
use crate::transport::TransportError;
use crate::transport::prompt::{AuthAsk, AuthMethod, ExposeSecret as _, Field, Secret};

/// Rounds of questions in one attempt; a server that goes on for ever is none.
const ROUNDS: usize = 30;

/// Characters of a server's text that are shown.
const SHOWN: usize = 4000;

impl Round<'_> {
    /// Tries the account's password.
    pub(super) async fn password(&mut self) -> Result<Option<AuthResult>, TransportError> {
        let (user, host) = (&self.target.user, &self.target.host);
        let prompts = vec![Field {
            text: format!("Password of {user} on {host}: "),
            echo: false,
        }];
        let mut ask = self.question(AuthMethod::Password);
        ask.prompts = prompts;
        let answers = self.put(&ask).await?;
        self.login.count_answer(AuthMethod::Password);
        let word = answers.first().map_or("", |it| it.expose_secret());
        let tried = self
            .handle
            .authenticate_password(user.clone(), word.to_owned());
        round_trip(self.asker, self.target, self.place, tried)
            .await
            .map(Some)
    }

    /// Answers what the server asks, round after round.
    pub(super) async fn keyboard_interactive(
        &mut self,
    ) -> Result<Option<AuthResult>, TransportError> {
        let method = AuthMethod::KeyboardInteractive;
        let started = self
            .handle
            .authenticate_keyboard_interactive_start(self.target.user.clone(), None::<String>);
        let mut response = round_trip(self.asker, self.target, self.place, started).await?;
        let mut answered = false;
        // All rounds are one attempt.
        let attempt = self.login.answers(method) + 1;
        // What came with rounds that ask nothing, as Duo's "Pushed a login request".
        let mut said = Vec::new();
        for _ in 0..ROUNDS {
            match response {
                Response::Success => return Ok(Some(AuthResult::Success)),
                Response::Failure {
                    remaining_methods,
                    partial_success,
                } => {
                    if !answered && !partial_success {
                        // It refuses without a question: asking again would not help.
                        self.login.spent.push(method);
                    }
                    self.login
                        .notes
                        .extend(said.into_iter().map(|said| format!("it said: {said}")));
                    return Ok(Some(AuthResult::Failure {
                        remaining_methods,
                        partial_success,
                    }));
                }
                Response::InfoRequest {
                    name,
                    instructions,
                    prompts,
                } => {
                    let instructions = shown(&instructions);
                    let mut answers = Vec::new();
                    if prompts.is_empty() {
                        said.extend(Some(instructions).filter(|text| !text.is_empty()));
                    } else {
                        let mut ask = self.question(method);
                        ask.attempt = attempt;
                        ask.name = shown(&name);
                        said.push(instructions);
                        said.retain(|text| !text.is_empty());
                        ask.instructions = std::mem::take(&mut said).join("\n");
                        ask.prompts = prompts
                            .iter()
                            .map(|prompt| Field {
                                text: shown(&prompt.prompt),
                                echo: prompt.echo,
                            })
                            .collect();
                        if answered {
                            // A further round of the same attempt.
                            ask.reason.clear();
                        }
                        answers = self.put(&ask).await?;
                        if !answered {
                            self.login.count_answer(method);
                        }
                        answered = true;
                    }
                    response = self.respond(&answers).await?;
                }
            }
        }
        Err(TransportError::AuthRequired(format!(
            "{} asks and asks: the login was given up after {ROUNDS} rounds",
            self.place
        )))
    }

    /// Sends answers. The server may take its time with them: a push to a telephone waits for its
    /// owner.
    async fn respond(&mut self, answers: &[Secret]) -> Result<Response, TransportError> {
        let texts = answers
            .iter()
            .map(|answer| answer.expose_secret().to_owned());
        let sent = self
            .handle
            .authenticate_keyboard_interactive_respond(texts.collect());
        let until = self
            .deadline
            .max(Instant::now() + self.target.connect_timeout);
        match timeout_at(until, sent).await {
            Ok(response) => response.map_err(|error| broken(self.place, &error)),
            Err(_) => Err(TransportError::AuthRequired(format!(
                "{} did not say in time whether the answer is right; was a push to a telephone \
                 left unanswered?",
                self.place
            ))),
        }
    }

    /// A question without its prompts.
    fn question(&self, method: AuthMethod) -> AuthAsk {
        let answers = self.login.answers(method);
        let reason = if answers > 0 {
            "The last answer was refused."
        } else if self.login.partial > 0 {
            "The first step was accepted; the server asks for another."
        } else {
            ""
        };
        AuthAsk {
            cluster: self.target.cluster.clone(),
            host: self.target.host.clone(),
            user: self.target.user.clone(),
            method,
            name: String::new(),
            instructions: String::new(),
            prompts: Vec::new(),
            attempt: answers + 1,
            reason: reason.to_owned(),
        }
    }

    async fn put(&self, ask: &AuthAsk) -> Result<Vec<Secret>, TransportError> {
        let moot = self.signs.ended();
        match self.asker.ask(ask, self.deadline, &moot).await {
            Reply::Given(answers) => Ok(answers),
            other => Err(TransportError::AuthRequired(format!(
                "the login {}@{} needs you: {}",
                self.target.user,
                self.place,
                no_answer(&other)
            ))),
        }
    }
}

/// Why there is no answer.
fn no_answer<T>(reply: &Reply<T>) -> &'static str {
    match reply {
        Reply::Given(_) | Reply::Dismissed => {
            "the question was not answered; connect to be asked again"
        }
        Reply::Nobody => "whoever could answer its question is gone; connect to be asked again",
        Reply::TooLate => "the question was not answered in time; connect to be asked again",
        Reply::Moot => {
            "the server ended the login before its question was answered; connect to be asked again"
        }
    }
}

/// How a passphrase is asked for.
pub(super) struct Passphrase<'a> {
    pub(super) target: &'a Target,
    pub(super) asker: &'a Asker,
    pub(super) moot: CancellationToken,
    pub(super) deadline: Instant,
    pub(super) path: PathBuf,
}

impl Passphrase<'_> {
    /// Asks until the key opens; what is worth telling is the error.
    pub(super) async fn ask(&self) -> Result<Box<PrivateKey>, String> {
        let mut reason = String::new();
        for attempt in 1..=ATTEMPTS {
            let ask = AuthAsk {
                cluster: self.target.cluster.clone(),
                host: self.target.host.clone(),
                user: self.target.user.clone(),
                method: AuthMethod::Passphrase,
                name: String::new(),
                instructions: String::new(),
                prompts: vec![Field {
                    text: format!("Passphrase of {}: ", self.path.display()),
                    echo: false,
                }],
                attempt,
                reason: std::mem::take(&mut reason),
            };
            let mut answers = match self.asker.ask(&ask, self.deadline, &self.moot).await {
                Reply::Given(answers) => answers,
                other => return Err(no_answer(&other).to_owned()),
            };
            // None is asked for without a passphrase.
            let passphrase = answers.pop();
            match keys::load(self.path.clone(), passphrase).await {
                Loaded::Key(key) => return Ok(key),
                Loaded::Locked => "The passphrase is wrong.".clone_into(&mut reason),
                Loaded::Unusable(why) => return Err(why),
            }
        }
        Err("the passphrase was wrong".to_owned())
    }
}

/// A server's text as it may be shown: without the control characters that play with a terminal.
fn shown(text: &str) -> String {
    let plain = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .take(SHOWN);
    plain.collect::<String>().trim_end_matches('\n').to_owned()
}
