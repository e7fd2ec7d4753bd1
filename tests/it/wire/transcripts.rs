//! Golden dialogues: `protocol/transcripts/*.md`, replayed against the real binary.
//!
//! Each file is one conversation. Its code blocks marked `jsonrpc` hold it; all else is prose:
//!
//! ```text
//! --> {"jsonrpc":"2.0",…}      a message to the server; it may go on over the next lines
//! --> raw "{\r\n"              bytes, as a JSON text, without a frame
//! --> end of input
//! <-- {"jsonrpc":"2.0",…}      a message that must come; others of other ids or methods may come first
//! <-- exit code 0
//! ```
//!
//! Words behind `jsonrpc`: `lines` (newline-delimited JSON), `ignore=method,method` (never looked
//! at), `more=method,method` (more of them may come than stand here), `broken-settings`.
//!
//! Messages stand as they were recorded. What differs from run to run is compared by its kind only
//! (`normal`); `/home/ada` stands for a fresh directory that holds the server's home and the
//! water box of the demo. `NAMDRUNNER_UPDATE=1` writes what came into the files: to add a dialogue,
//! write `<-- {"id":1}` and the like, `<job>` and `<store>` for the newest ids, and run it so.

mod normal;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use namdrunner::protocol::emit::Examples;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::water;
use normal::Normal;
use text::{Part, Step};

/// What the fresh directory is called in the files.
const HOME: &str = "/home/ada";

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/transcripts")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    files.sort();
    files
}

/// Where the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// In the process that the client starts.
    Alone,
    /// In the background.
    Daemon,
}

/// Replays one file; in `update` mode gives its text with what came.
async fn replay(path: &Path, server: Server, update: bool) -> String {
    let mut parts = text::read(&fs::read_to_string(path).unwrap());
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let world = tempfile::tempdir().unwrap();
    water::lay_out(world.path());
    let real = world.path().to_str().unwrap().to_owned();
    let words: Vec<String> = parts.iter().flat_map(Part::words).collect();
    if words.iter().any(|word| word == "broken-settings") {
        let file = world.path().join("namdrunner/config/config.toml");
        fs::write(file, "[clusters.hpc]\nhots = \"login.example.org\"\n").unwrap();
    }
    let home = world.path().join("namdrunner");
    let mut client = match server {
        Server::Alone => Client::spawn(&home),
        Server::Daemon => Client::through_daemon(&home),
    };
    if words.iter().any(|word| word == "lines") {
        client = client.in_lines();
    }
    let words_of = |start: &str| -> Vec<String> {
        let lists = words.iter().filter_map(|word| word.strip_prefix(start));
        lists
            .flat_map(|list| list.split(','))
            .map(ToOwned::to_owned)
            .collect()
    };
    for method in words_of("ignore=") {
        client.ignore(&method);
    }
    let mut client = Some(client);
    let mut recorded = Normal::default();
    let mut found = Normal::default();
    for step in parts.iter_mut().flat_map(Part::steps) {
        let open = client.as_mut().expect("nothing follows the exit code");
        match step {
            Step::Send(value) => {
                if update && let Some(named) = recorded.with_new_ids(value) {
                    *value = named;
                }
                recorded.of(value);
                let text = recorded.with_ids_of(&found, &value.to_string());
                open.send_text(&text.replace(HOME, &real)).await;
            }
            Step::SendText(text) => open.send_text(text).await,
            Step::SendRaw(bytes) => open.send_bytes(bytes.as_bytes()).await,
            Step::EndOfInput => open.close_input().await,
            Step::Receive(expected) => {
                // Stands above the panic when nothing comes.
                println!("{name}: {expected}");
                let message = open.take(|message| same_key(expected, message)).await;
                let message = message.unwrap_or_else(|| panic!("{name}: nothing like {expected}"));
                let message: Value =
                    serde_json::from_str(&message.to_string().replace(&real, HOME)).unwrap();
                if let Some(id) = message["id"].as_u64() {
                    open.forget(id);
                }
                let (want, mut have) = (recorded.of(expected), found.of(&message));
                if server == Server::Daemon {
                    forget_the_daemon(&mut have);
                }
                if update && want != have {
                    recorded.of(&message);
                    *expected = message;
                } else {
                    assert_eq!(have, want, "{name}: {message:#}");
                }
            }
            Step::Exit(code) => {
                for method in words_of("more=") {
                    open.ignore(&method);
                }
                let ended = client.take().unwrap();
                assert_eq!(ended.wait().await, *code, "{name}");
            }
        }
    }
    if let Some(client) = client {
        client.finish().await;
    }
    text::write(&parts)
}

/// Takes out the one difference: the daemon says that it is one.
fn forget_the_daemon(message: &mut Value) {
    let answers = match message {
        Value::Array(answers) => answers.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for answer in answers {
        if let Some(Value::Object(facts)) = answer.pointer_mut("/result/namdrunner") {
            assert!(facts.shift_remove("daemonPid").is_some(), "it is not one");
        }
    }
}

/// Whether a message is the one that is expected: the same answer, or the same notification.
fn same_key(expected: &Value, message: &Value) -> bool {
    if let (Value::Array(_), Value::Array(_)) = (expected, message) {
        return true;
    }
    match expected.get("method") {
        Some(method) => {
            // What tells one of a kind from the next.
            let fields = ["/params/value/kind", "/params/to", "/params/phase"];
            message.get("method") == Some(method)
                && fields.iter().all(|field| {
                    let wanted = expected.pointer(field);
                    wanted.is_none_or(|wanted| message.pointer(field) == Some(wanted))
                })
        }
        None => message.get("method").is_none() && message.get("id") == expected.get("id"),
    }
}

#[tokio::test]
async fn every_dialogue_goes_as_recorded() {
    let update = std::env::var_os("NAMDRUNNER_UPDATE").is_some();
    let files = files();
    assert!(!files.is_empty());
    for path in files {
        let written = replay(&path, Server::Alone, update).await;
        if update {
            fs::write(&path, written).unwrap();
        } else {
            let committed = fs::read_to_string(&path).unwrap();
            assert!(
                written == committed,
                "{}: NAMDRUNNER_UPDATE=1 formats it",
                path.display()
            );
        }
    }
}

/// Windows that share a server are told the same, word for word, as one that has its own.
#[tokio::test]
async fn every_dialogue_goes_the_same_through_the_daemon() {
    for path in files() {
        replay(&path, Server::Daemon, false).await;
    }
}

/// All recorded exchanges, for the README.
pub(super) struct Recorded(Vec<Step>);

impl Recorded {
    pub(super) fn read() -> Self {
        let mut steps = Vec::new();
        for path in files() {
            let mut parts = text::read(&fs::read_to_string(path).unwrap());
            steps.extend(
                parts
                    .iter_mut()
                    .flat_map(Part::steps)
                    .map(|step| step.clone()),
            );
        }
        Self(steps)
    }
}

impl Examples for Recorded {
    fn of_method(&self, name: &str) -> Option<String> {
        self.0.iter().enumerate().find_map(|(at, step)| match step {
            Step::Send(request) if request["method"] == name => {
                let answer = self.0.iter().skip(at).find_map(|step| match step {
                    Step::Receive(answer) if answer["id"] == request["id"] => Some(answer),
                    _ => None,
                })?;
                answer.get("result")?;
                let (sent, came) = (
                    text::message("--> ", request),
                    text::message("<-- ", answer),
                );
                Some(format!("{sent}\n{came}"))
            }
            _ => None,
        })
    }

    fn of_notification(&self, name: &str) -> Option<String> {
        self.0.iter().find_map(|step| match step {
            Step::Receive(message) if message["method"] == name => {
                // A change of status shows more than one within a status.
                let from = message.pointer("/params/from");
                let within = name == "jobStatusChanged" && from == message.pointer("/params/to");
                let first = name == "jobStatusChanged" && from.is_none();
                (!within && !first).then(|| text::message("<-- ", message))
            }
            _ => None,
        })
    }
}

#[test]
fn messages_are_told_apart() {
    let answer = json!({"id": 1, "result": {}});
    assert!(same_key(&json!({"id": 1}), &answer));
    assert!(!same_key(&json!({"id": 2}), &answer));
    assert!(!same_key(&json!({"method": "a"}), &answer));
    assert!(same_key(
        &json!({"method": "a"}),
        &json!({"method": "a", "params": 1})
    ));
}
