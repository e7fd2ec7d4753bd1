//! What only a person can answer: passwords, passphrases, codes, and whether a new host is the right
//! one. A transport asks through [`Prompter`] and does not know who answers.

use std::fmt;

use async_trait::async_trait;
pub use secrecy::{ExposeSecret, SecretString as Secret};

/// Somebody who can be asked. Dropping a question's future withdraws the question.
#[async_trait]
pub trait Prompter: Send + Sync {
    /// The answers, one for each prompt, in their order; none if nobody gives any.
    async fn ask(&self, ask: AuthAsk) -> Option<Vec<Secret>>;

    /// Whether a new host key is accepted. For a changed one the answer means nothing: the question
    /// informs.
    async fn confirm(&self, ask: HostKeyAsk) -> bool;
}

/// A question that a login asks. Texts that come from the server hold no control characters but
/// line ends and tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthAsk {
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// The host that asks; on the way to a cluster it may be another one.
    pub host: String,
    /// The user there.
    pub user: String,
    /// What is being tried.
    pub method: AuthMethod,
    /// A title, if the server gives one.
    pub name: String,
    /// What the server says about it, if anything.
    pub instructions: String,
    /// What is asked.
    pub prompts: Vec<Field>,
    /// Counts the attempts with this method, from 1.
    pub attempt: u32,
    /// Why it is asked (again); empty if there is nothing to say.
    pub reason: String,
}

/// One line to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What is asked for.
    pub text: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
}

/// What a login tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// The passphrase of a key file on this machine; it is not sent to the server.
    Passphrase,
    /// Whatever the server asks: passwords, codes, menus.
    KeyboardInteractive,
    /// The account's password.
    Password,
}

impl AuthMethod {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::Password => "password",
        }
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A host key that is not the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyAsk {
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The key's type, as `ssh-ed25519`.
    pub algorithm: String,
    /// The key's fingerprint, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The fingerprint that is recorded instead; none for a host that is new.
    pub known_fingerprint: Option<String>,
}
