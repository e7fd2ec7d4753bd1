//! What this server asks of its client: requests of ours, their answers, and their withdrawal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::engine::prompt::{AuthAsk, AuthMethod, HostKeyAsk, Prompter, Secret};
use crate::protocol::{
    AuthPrompt, AuthPromptParams, HostKeyPrompt, HostKeyPromptParams, HostKeyState, Prompt,
    PromptMethod, Question,
};

use super::message::{self, Answer, Id};
use super::outbox::Outbox;

/// The questions of one session.
pub(super) struct Questions {
    outbox: Outbox,
    open: Mutex<HashMap<Id, oneshot::Sender<Option<SecretString>>>>,
    /// Set when no answers come any more.
    deaf: CancellationToken,
}

/// A question that is open. Dropped before its answer has come, it is withdrawn.
struct Open<'a> {
    questions: &'a Questions,
    id: Id,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let open = self.questions.open.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        if open.remove(&self.id).is_some() {
            // A client that does not read would not take it down either.
            self.questions.outbox.offer(message::withdrawal(&self.id));
        }
    }
}

impl Questions {
    pub(super) fn new(outbox: Outbox) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            open: Mutex::default(),
            deaf: CancellationToken::new(),
        })
    }

    /// Ends all questions: no answers come any more.
    pub(super) fn hear_no_more(&self) {
        self.deaf.cancel();
    }

    /// Takes an answer of the client's.
    pub(super) fn take(&self, answer: Answer) {
        let open = self.open.lock();
        let asker = open
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&answer.id);
        if let Some(asker) = asker {
            // Whoever asked may be gone this moment.
            drop(asker.send(answer.result));
        } else {
            tracing::debug!(id = ?answer.id, "an answer came to nothing that is open");
        }
    }

    /// Asks. None if nobody answers, or answers with an error.
    async fn ask<Q: Question>(&self, params: &Q::Params) -> Option<Q::Result> {
        let id = Id::of_question();
        let (asker, answered) = oneshot::channel();
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(id.clone(), asker);
        }
        let open = Open {
            questions: self,
            id,
        };
        let question = message::question::<Q>(&open.id, params);
        let answered = async {
            self.outbox.send(question).await.ok()?;
            answered.await.ok()?
        };
        let answer = self.deaf.run_until_cancelled(answered).await??;
        let read = serde_json::from_str(answer.expose_secret());
        // The error's text may quote what was answered.
        let unread = |_| tracing::warn!("The answer to {} cannot be read.", Q::NAME);
        read.map_err(unread).ok()
    }
}

/// A session's client as somebody to ask.
pub(super) struct Person(pub(super) Weak<Questions>);

#[async_trait]
impl Prompter for Person {
    async fn ask(&self, ask: AuthAsk) -> Option<Vec<Secret>> {
        let questions = self.0.upgrade()?;
        let params = AuthPromptParams {
            cluster: ask.cluster,
            host: ask.host,
            user: ask.user,
            method: match ask.method {
                AuthMethod::Passphrase => PromptMethod::Passphrase,
                AuthMethod::KeyboardInteractive => PromptMethod::KeyboardInteractive,
                AuthMethod::Password => PromptMethod::Password,
            },
            name: ask.name,
            instructions: ask.instructions,
            prompts: ask
                .prompts
                .into_iter()
                .map(|field| Prompt {
                    text: field.text,
                    echo: field.echo,
                })
                .collect(),
            attempt: ask.attempt,
            reason: ask.reason,
        };
        let answer = questions.ask::<AuthPrompt>(&params).await??;
        Some(answer.answers.into_iter().map(|answer| answer.0).collect())
    }

    async fn confirm(&self, ask: HostKeyAsk) -> bool {
        let Some(questions) = self.0.upgrade() else {
            return false;
        };
        let params = HostKeyPromptParams {
            cluster: ask.cluster,
            host: ask.host,
            port: ask.port,
            algorithm: ask.algorithm,
            fingerprint: ask.fingerprint,
            state: match ask.known_fingerprint {
                None => HostKeyState::New,
                Some(_) => HostKeyState::Changed,
            },
            known_fingerprint: ask.known_fingerprint,
        };
        let answer = questions.ask::<HostKeyPrompt>(&params).await;
        answer.is_some_and(|answer| answer.accept)
    }
}
