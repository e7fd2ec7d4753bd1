//! Somebody who answers, as a test tells them to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::transport::prompt::{AuthAsk, HostKeyAsk, Prompter, Secret};

type Answers = dyn Fn(&AuthAsk) -> Option<Vec<String>> + Send + Sync;

/// Answers questions and keeps them.
pub(super) struct Person {
    answers: Box<Answers>,
    accepts: bool,
    pub(super) asked: Mutex<Vec<AuthAsk>>,
    pub(super) keys: Mutex<Vec<HostKeyAsk>>,
    /// Questions that were withdrawn.
    pub(super) withdrawn: AtomicUsize,
    /// Leaves questions open.
    silent: bool,
}

impl Person {
    /// Answers each prompt by what it asks.
    pub(super) fn answering(
        answers: impl Fn(&AuthAsk) -> Option<Vec<String>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answers: Box::new(answers),
            accepts: false,
            asked: Mutex::default(),
            keys: Mutex::default(),
            withdrawn: AtomicUsize::new(0),
            silent: false,
        })
    }

    /// Gives these answers, one question after the other, each with one prompt; then none.
    pub(super) fn saying(words: &[&str]) -> Arc<Self> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let next = AtomicUsize::new(0);
        Self::answering(move |_| {
            let word = words.get(next.fetch_add(1, Ordering::SeqCst));
            word.map(|word| vec![word.clone()])
        })
    }

    /// Accepts every new host key; answers nothing.
    pub(super) fn trusting() -> Arc<Self> {
        let mut person = Self::saying(&[]);
        Arc::get_mut(&mut person).unwrap().accepts = true;
        person
    }

    /// Hears questions and says nothing.
    pub(super) fn silent() -> Arc<Self> {
        let mut person = Self::saying(&[]);
        Arc::get_mut(&mut person).unwrap().silent = true;
        person
    }

    /// The prompts so far, one question on each line.
    pub(super) fn prompts(&self) -> String {
        let asked = self.asked.lock().unwrap();
        let lines = asked.iter().map(|ask| {
            let prompts: Vec<&str> = ask.prompts.iter().map(|it| it.text.as_str()).collect();
            format!("{} {}: {}\n", ask.method, ask.attempt, prompts.join("|"))
        });
        lines.collect()
    }
}

/// Counts a question that is dropped open.
struct Open<'a>(&'a Person, bool);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.withdrawn.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Prompter for Person {
    async fn ask(&self, ask: AuthAsk) -> Option<Vec<Secret>> {
        let mut open = Open(self, true);
        let answers = (self.answers)(&ask);
        self.asked.lock().unwrap().push(ask);
        if self.silent {
            std::future::pending::<()>().await;
        }
        open.1 = false;
        Some(answers?.into_iter().map(Secret::from).collect())
    }

    async fn confirm(&self, ask: HostKeyAsk) -> bool {
        self.keys.lock().unwrap().push(ask);
        self.accepts
    }
}
