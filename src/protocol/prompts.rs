//! What this server asks of a client whose person can answer.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

/// What a login asks. Its texts come from the cluster where the method is `keyboard-interactive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthPromptParams {
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// The host that asks; on the way to a cluster it may be another one than the cluster's.
    pub host: String,
    /// The user there.
    pub user: String,
    /// What is being tried.
    pub method: PromptMethod,
    /// A title. Empty: there is none.
    pub name: String,
    /// What is said about the prompts. Empty: nothing.
    pub instructions: String,
    /// What is asked; show all of it at once.
    pub prompts: Vec<Prompt>,
    /// Counts the attempts with this method, from 1.
    pub attempt: u32,
    /// Why it is asked (again). Empty: there is nothing to say.
    pub reason: String,
}

/// What a login tries. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptMethod {
    /// The passphrase of a key file on this machine; it is not sent anywhere.
    Passphrase,
    /// Whatever the host asks: passwords, codes, menus.
    KeyboardInteractive,
    /// The account's password.
    Password,
}

/// One line to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// What is asked for.
    pub text: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
}

/// The answers to an `authPrompt`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthPromptResult {
    /// One for each prompt, in their order.
    pub answers: Vec<Answer>,
}

/// A password, a code: read from the wire, and never written or shown by this server.
pub struct Answer(pub SecretString);

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(SecretString::from(text)))
    }
}

impl JsonSchema for Answer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Answer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// A host key that is not recorded, or another one than recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostKeyPromptParams {
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// The host; on the way to a cluster it may be another one than the cluster's.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The key's type, as `ssh-ed25519`.
    pub algorithm: String,
    /// The key's fingerprint, as `ssh-keygen -l` prints it; to be compared with what the site
    /// publishes.
    pub fingerprint: String,
    /// Whether the host is new or its key another one.
    pub state: HostKeyState,
    /// The fingerprint that is recorded. Absent: the host is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_fingerprint: Option<String>,
}

/// What is wrong with a host key. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HostKeyState {
    /// The host is not recorded; the key can be accepted, and is recorded then.
    New,
    /// Another key is recorded: somebody may be listening in. The connection is refused whatever
    /// the answer is; the request informs.
    Changed,
}

/// The answer to a `hostKeyPrompt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostKeyPromptResult {
    /// Whether the key is the right one.
    pub accept: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_not_shown() {
        let read: Option<AuthPromptResult> =
            serde_json::from_str(r#"{"answers":["planted"]}"#).unwrap();
        let shown = format!("{read:?}");
        assert!(
            shown.contains("Answer(…)") && !shown.contains("planted"),
            "{shown}"
        );
        let none: Option<AuthPromptResult> = serde_json::from_str("null").unwrap();
        assert!(none.is_none());
    }
}
