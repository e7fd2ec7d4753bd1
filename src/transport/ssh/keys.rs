//! The keys there are to log in with: those of the agent and those in files.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PublicKey, load_public_key};
use tokio::net::UnixStream;

use super::SshSettings;

/// Key files tried when none are named, in OpenSSH's order of today's types.
const DEFAULT_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// A key to offer.
#[derive(Debug, Clone)]
pub(super) enum Offer {
    /// One the agent signs with.
    Agent(Box<AgentIdentity>),
    /// One in a file.
    File(PathBuf),
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

/// Collects the keys to offer.
pub(super) async fn collect(settings: &SshSettings) -> Keys {
    let mut notes = Vec::new();
    let (mut agent, mut identities) = (None, Vec::new());
    if settings.use_agent {
        match ask_agent(settings).await {
            Some(Ok((answering, held))) => (agent, identities) = (Some(answering), held),
            Some(Err(error)) => notes.push(format!("the SSH agent does not answer: {error}")),
            None => {}
        }
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
    Keys {
        offers: order(&files, &public, identities, named),
        agent,
        notes,
    }
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

type Answer = (AgentClient<UnixStream>, Vec<AgentIdentity>);

/// Asks the agent what it holds. Nothing if there is none.
async fn ask_agent(settings: &SshSettings) -> Option<Result<Answer, russh::keys::Error>> {
    let given = settings.agent_socket.as_deref().map(expand);
    // An empty variable is how some desktops say that there is none.
    let socket = given
        .or_else(|| std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from))
        .filter(|socket| !socket.as_os_str().is_empty())?;
    let answer = async {
        let mut agent = AgentClient::connect_uds(&socket).await?;
        let identities = agent.request_identities().await?;
        Ok((agent, identities))
    };
    Some(answer.await)
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

/// Reads a key file.
pub(super) async fn load(path: PathBuf) -> Loaded {
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
}
