//! Whom a question goes to: the clients whose person can answer.
//!
//! A question belongs to a caller and goes to that client. When it is gone while the work goes on,
//! the one that was active last is asked instead.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::engine::cluster::lock;
use crate::transport::prompt::{AuthAsk, HostKeyAsk, Prompter, Secret};

/// The clients that can be asked. All clones are one.
#[derive(Clone, Default)]
pub struct Prompts {
    clients: Arc<Mutex<Clients>>,
}

#[derive(Default)]
struct Clients {
    /// The one that was active last stands last.
    known: Vec<(u64, Arc<dyn Prompter>)>,
    next: u64,
}

/// A client that can be asked, until this is dropped.
pub struct Registration {
    prompts: Prompts,
    number: u64,
}

impl Prompts {
    /// Takes in a client.
    pub fn register(&self, prompter: Arc<dyn Prompter>) -> Registration {
        let mut clients = self.lock();
        let number = clients.next;
        clients.next += 1;
        clients.known.push((number, prompter));
        drop(clients);
        Registration {
            prompts: self.clone(),
            number,
        }
    }

    /// A client by its number, else the one that was active last.
    fn client(&self, number: u64) -> Option<(u64, Arc<dyn Prompter>)> {
        let clients = self.lock();
        let own = clients.known.iter().find(|(other, _)| *other == number);
        own.or(clients.known.last()).cloned()
    }

    fn has(&self, number: u64) -> bool {
        self.lock().known.iter().any(|(other, _)| *other == number)
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        lock(&self.clients)
    }
}

impl Registration {
    /// Notes that the client is being used.
    pub fn touch(&self) {
        let mut clients = self.prompts.lock();
        let at = clients
            .known
            .iter()
            .position(|(other, _)| *other == self.number);
        if let Some(at) = at {
            let client = clients.known.remove(at);
            clients.known.push(client);
        }
    }

    /// The client answers no more: others are asked in its stead. Again is nothing.
    pub fn withdraw(&self) {
        let mut clients = self.prompts.lock();
        clients.known.retain(|(other, _)| *other != self.number);
    }

    /// Who answers for requests of this client.
    pub fn prompter(&self) -> Arc<dyn Prompter> {
        Arc::new(Caller {
            prompts: self.prompts.clone(),
            number: self.number,
        })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.withdraw();
    }
}

struct Caller {
    prompts: Prompts,
    number: u64,
}

impl Caller {
    /// The next to be asked after `before`, which has not answered: nobody, while it is there.
    fn next(&self, before: Option<u64>) -> Option<(u64, Arc<dyn Prompter>)> {
        match before {
            Some(before) if self.prompts.has(before) => None,
            _ => self.prompts.client(self.number),
        }
    }
}

#[async_trait]
impl Prompter for Caller {
    async fn ask(&self, ask: AuthAsk) -> Option<Vec<Secret>> {
        let mut before = None;
        while let Some((number, client)) = self.next(before) {
            if let Some(answers) = client.ask(ask.clone()).await {
                return Some(answers);
            }
            before = Some(number);
        }
        None
    }

    async fn confirm(&self, ask: HostKeyAsk) -> bool {
        let mut before = None;
        while let Some((number, client)) = self.next(before) {
            if client.confirm(ask.clone()).await {
                return true;
            }
            before = Some(number);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts, or does not.
    struct Says(bool);

    #[async_trait]
    impl Prompter for Says {
        async fn ask(&self, _: AuthAsk) -> Option<Vec<Secret>> {
            None
        }
        async fn confirm(&self, _: HostKeyAsk) -> bool {
            self.0
        }
    }

    /// Leaves when it is asked.
    struct Leaves(Mutex<Option<Registration>>);

    #[async_trait]
    impl Prompter for Leaves {
        async fn ask(&self, _: AuthAsk) -> Option<Vec<Secret>> {
            None
        }
        async fn confirm(&self, _: HostKeyAsk) -> bool {
            lock(&self.0).take();
            false
        }
    }

    fn key() -> HostKeyAsk {
        HostKeyAsk {
            cluster: "alpha".into(),
            host: "alpha".into(),
            port: 22,
            algorithm: "ssh-ed25519".into(),
            fingerprint: "SHA256:x".into(),
            known_fingerprint: None,
        }
    }

    #[tokio::test]
    async fn a_caller_is_asked_itself_and_else_who_was_active_last() {
        let prompts = Prompts::default();
        let yes = prompts.register(Arc::new(Says(true)));
        let no = prompts.register(Arc::new(Says(false)));
        let of_yes = yes.prompter();
        assert!(of_yes.confirm(key()).await);
        assert!(!no.prompter().confirm(key()).await, "a no is an answer");
        drop(yes);
        assert!(!of_yes.confirm(key()).await);
        let other = prompts.register(Arc::new(Says(true)));
        assert!(of_yes.confirm(key()).await);
        no.touch();
        assert!(!of_yes.confirm(key()).await);
        drop((no, other));
        assert!(!of_yes.confirm(key()).await);
    }

    #[tokio::test]
    async fn a_client_that_leaves_while_it_is_asked_hands_the_question_on() {
        let prompts = Prompts::default();
        let _stays = prompts.register(Arc::new(Says(true)));
        let leaves = Arc::new(Leaves(Mutex::default()));
        let registered = prompts.register(leaves.clone());
        let asked = registered.prompter();
        *lock(&leaves.0) = Some(registered);
        assert!(asked.confirm(key()).await);
    }
}
