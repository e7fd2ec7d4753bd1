//! The forwarder's ledger: what is asked and not answered, and how far the session has come.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::lsp::Language;
use crate::protocol::{
    CancelRequest, ExitNow, Initialize, Initialized, Method as _, Notification as _, OnProgress,
    Progress, ProgressParams, Shutdown, Subscribe, Withdrawal, method,
};
use crate::rpc::failure;
use crate::server::daemon::Resume;
use crate::server::link::LEAVING;
use crate::server::message::{self, Id, Incoming, Message, Request, notification};

/// The request that runs a command on a document: it changes things.
const EXECUTE: &str = "workspace/executeCommand";

/// What is known of one session.
#[derive(Default)]
pub(super) struct Ledger {
    /// What has been asked and not answered, in the order it was asked.
    asked: BTreeMap<u64, Asked>,
    next: u64,
    /// The daemon's questions that the client has not answered.
    questions: HashSet<Id>,
    /// The documents that are open.
    language: Language,
    /// Progress that has begun and not ended, by its token as JSON.
    progress: HashSet<String>,
    /// The parameters of `initialize`, once it was answered.
    initialize: Option<Value>,
    listening: bool,
    /// The last change that was told.
    seq: Option<u64>,
    /// `shutdown` was asked.
    pub(super) shut_down: bool,
    /// The daemon said that it ends.
    left: bool,
}

#[derive(Debug)]
struct Asked {
    id: Id,
    method: String,
    /// Requests of one batch are answered with one message.
    batch: Option<u64>,
    token: Option<String>,
    params: Option<Value>,
    /// The text, if it may be asked again.
    text: Option<String>,
    /// The answer, whoever is asked.
    answer: Option<String>,
}

/// What becomes of a message of the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Upward {
    /// It is passed on.
    Pass,
    /// It answers a question of a daemon that is gone.
    Drop,
    /// It is passed on, and is the last.
    Exit,
    /// It is no message: this is the answer.
    Answer(String),
}

/// What a message of the daemon's means for the ledger.
#[derive(Debug, Default)]
pub(super) struct Downward {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Answer { id: Id, ok: bool, seq: Option<u64> },
    Question(Id),
    Progress { token: String, ended: bool },
    Withdrawn(Id),
    Told(u64),
    Leaving,
}

/// Whether a message is `exit`.
pub(super) fn is_exit(text: &str) -> bool {
    matches!(
        message::read(text),
        Incoming::One(Message::Notification(note)) if note.method == ExitNow::NAME
    )
}

impl Ledger {
    /// Where the session would go on with another daemon; none if it has not begun.
    pub(super) fn resume(&self) -> Option<Resume> {
        (self.initialize.is_some() || self.listening).then(|| Resume {
            initialize: self.initialize.clone(),
            listening: self.listening,
            seq: self.seq,
        })
    }

    /// Whether something waits for a daemon.
    pub(super) fn has_questions_for_the_daemon(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether the daemon said that it ends; said once.
    pub(super) fn left(&mut self) -> bool {
        std::mem::take(&mut self.left)
    }

    /// Notes a message of the client's.
    pub(super) fn note_upward(&mut self, text: &str) -> Upward {
        match message::read(text) {
            Incoming::One(Message::Request(request)) => {
                self.ask(request, None, Some(text));
                Upward::Pass
            }
            Incoming::One(Message::Notification(note)) => self.note(&note),
            Incoming::One(Message::Answer(_)) => self.take_answer(text),
            Incoming::One(Message::Bad(answer)) => Upward::Answer(answer),
            Incoming::Batch(messages) => {
                let batch = self.next;
                let mut upward = Upward::Pass;
                for one in messages {
                    match one {
                        Message::Request(request) => self.ask(request, Some(batch), None),
                        Message::Notification(note) => {
                            if self.note(&note) == Upward::Exit {
                                upward = Upward::Exit;
                            }
                        }
                        Message::Bad(answer) => self.note_bad(answer, batch),
                        Message::Answer(_) => {}
                    }
                }
                upward
            }
        }
    }

    /// Notes what is no message in a batch: its answer is one of the batch's, whoever gives it.
    fn note_bad(&mut self, answer: String, batch: u64) {
        let envelope: Option<Envelope<'_>> = serde_json::from_str(&answer).ok();
        let id = envelope.and_then(|envelope| Id::read(envelope.id?));
        let asked = Asked {
            id: id.unwrap_or_else(Id::null),
            method: String::new(),
            batch: Some(batch),
            token: None,
            params: None,
            text: None,
            answer: Some(answer),
        };
        self.asked.insert(self.next, asked);
        self.next += 1;
    }

    fn take_answer(&mut self, text: &str) -> Upward {
        let envelope: Option<Envelope<'_>> = serde_json::from_str(text).ok();
        let Some(id) = envelope.and_then(|envelope| Id::read(envelope.id?)) else {
            return Upward::Drop;
        };
        if self.questions.remove(&id) {
            Upward::Pass
        } else {
            Upward::Drop
        }
    }

    fn note(&mut self, note: &Request) -> Upward {
        match note.method.as_str() {
            Initialized::NAME => {
                // It may come before the answer to `initialize` has.
                let opened = self.initialize.is_some()
                    || self
                        .asked
                        .values()
                        .any(|asked| asked.method == Initialize::NAME);
                self.listening |= opened;
                Upward::Pass
            }
            ExitNow::NAME => Upward::Exit,
            name => {
                let _ = self.language.hear(name, note.params.text());
                Upward::Pass
            }
        }
    }

    fn ask(&mut self, request: Request, batch: Option<u64>, text: Option<&str>) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Token<'a> {
            #[serde(borrow, default)]
            work_done_token: Option<&'a RawValue>,
        }
        let params = request.params.text();
        let token = serde_json::from_str::<Token<'_>>(params).ok();
        let token = token.and_then(|token| Some(token.work_done_token?.get().to_owned()));
        let name = request.method.as_str();
        let opens = [Initialize::NAME, Subscribe::NAME, Shutdown::NAME].contains(&name);
        let reads = method(name).map_or(name != EXECUTE, |row| row.withdrawal == Withdrawal::Drop);
        let again = text.filter(|_| (opens || reads) && token.is_none());
        self.shut_down |= name == Shutdown::NAME;
        let asked = Asked {
            params: (name == Initialize::NAME)
                .then(|| serde_json::from_str(params).ok())
                .flatten(),
            id: request.id,
            method: request.method,
            batch,
            token,
            text: again.map(ToOwned::to_owned),
            answer: None,
        };
        self.asked.insert(self.next, asked);
        self.next += 1;
    }

    /// Notes a message of the daemon's that is on its way to the client.
    pub(super) fn note_downward(&mut self, noted: Downward) {
        for part in noted.parts {
            match part {
                Part::Answer { id, ok, seq } => self.answered(&id, ok, seq),
                Part::Question(id) => {
                    self.questions.insert(id);
                }
                Part::Withdrawn(id) => {
                    self.questions.remove(&id);
                }
                Part::Progress { token, ended: true } => {
                    self.progress.remove(&token);
                }
                Part::Progress {
                    token,
                    ended: false,
                } => {
                    self.progress.insert(token);
                }
                Part::Told(seq) => self.seq = self.seq.max(Some(seq)),
                Part::Leaving => self.left = true,
            }
        }
    }

    fn answered(&mut self, id: &Id, ok: bool, seq: Option<u64>) {
        let place = self.asked.iter().find(|(_, asked)| asked.id == *id);
        let Some(asked) = place
            .map(|(place, _)| *place)
            .and_then(|place| self.asked.remove(&place))
        else {
            return;
        };
        if !ok {
            return;
        }
        match asked.method.as_str() {
            Initialize::NAME => self.initialize = asked.params,
            Subscribe::NAME => self.listening = true,
            _ => {}
        }
        // What it has not been told of, it has seen.
        self.seq = self.seq.or(seq);
    }

    /// Answers to everything that is asked.
    pub(super) fn refuse_all(&mut self, error: &Error) -> Vec<String> {
        let asked = std::mem::take(&mut self.asked);
        self.answer_all(asked, |_| failure::object(error))
    }

    /// Answers to what was lost with a daemon and cannot be asked again, and withdrawals of its
    /// questions.
    pub(super) fn give_up_what_was_lost(&mut self) -> Vec<String> {
        let asked = std::mem::take(&mut self.asked);
        let (kept, lost) = asked
            .into_iter()
            .partition(|(_, asked)| asked.text.is_some());
        self.asked = kept;
        let mut texts = self.answer_all(lost, |asked| failure::object(&lost_error(&asked.method)));
        let questions = std::mem::take(&mut self.questions);
        texts.extend(questions.iter().map(message::withdrawal));
        self.left = false;
        texts
    }

    /// What another daemon is told and asked: the open documents, and, once, what was not answered.
    pub(super) fn take_what_is_asked_again(&mut self) -> Vec<String> {
        let open = self.language.reopened();
        let open = open.iter().map(|params| {
            format!(r#"{{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{params}}}"#)
        });
        let asked = self
            .asked
            .values_mut()
            .filter_map(|asked| asked.text.take());
        open.chain(asked).collect()
    }

    fn answer_all(
        &mut self,
        asked: BTreeMap<u64, Asked>,
        error: impl Fn(&Asked) -> jsonrpsee::types::ErrorObjectOwned,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        let mut batches: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for asked in asked.into_values() {
            let begun = asked
                .token
                .as_ref()
                .filter(|token| self.progress.remove(*token));
            if let Some(token) = begun.and_then(|token| serde_json::from_str(token).ok()) {
                texts.push(notification::<OnProgress>(&ProgressParams {
                    token,
                    value: Progress::End {},
                }));
            }
            let answer = match &asked.answer {
                Some(answer) => answer.clone(),
                None => message::failure(&asked.id, &error(&asked)),
            };
            match asked.batch {
                Some(batch) => batches.entry(batch).or_default().push(answer),
                None => texts.push(answer),
            }
        }
        let batches = batches.into_values();
        texts.extend(batches.map(|answers| format!("[{}]", answers.join(","))));
        texts
    }
}

fn lost_error(method: &str) -> Error {
    Error::new(
        ErrorKind::ServerLost,
        format!("The background server ended while it worked on {method}."),
    )
    .hinted(
        "It has been started again. Look whether the call took effect before you repeat it; a job \
         that was submitted is never submitted twice.",
    )
}

impl Downward {
    /// Reads what matters of a message of the daemon's.
    pub(super) fn read(text: &str) -> Self {
        let mut parts = Vec::new();
        if text.starts_with('[') {
            let answers: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            parts.extend(answers.iter().filter_map(|one| Part::read(one.get())));
        } else {
            parts.extend(Part::read(text));
        }
        Self { parts }
    }

    /// Whether it is meant for the client, not for the forwarder alone.
    pub(super) fn is_for_the_client(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part, Part::Leaving))
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    seq: Option<u64>,
}

fn seq_in(raw: Option<&RawValue>) -> Option<u64> {
    serde_json::from_str::<Numbered>(raw?.get()).ok()?.seq
}

impl Part {
    fn read(text: &str) -> Option<Self> {
        let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
        let id = envelope.id.and_then(Id::read);
        match (envelope.method, id) {
            (None, Some(id)) => Some(Self::Answer {
                id,
                ok: envelope.result.is_some(),
                seq: seq_in(envelope.result),
            }),
            (Some(_), Some(id)) => Some(Self::Question(id)),
            (Some(LEAVING), None) => Some(Self::Leaving),
            (Some(OnProgress::NAME), None) => {
                #[derive(Deserialize)]
                struct Value<'a> {
                    kind: &'a str,
                }
                #[derive(Deserialize)]
                struct Params<'a> {
                    #[serde(borrow)]
                    token: &'a RawValue,
                    #[serde(borrow)]
                    value: Value<'a>,
                }
                let params: Params<'_> = serde_json::from_str(envelope.params?.get()).ok()?;
                Some(Self::Progress {
                    token: params.token.get().to_owned(),
                    ended: params.value.kind == "end",
                })
            }
            (Some(CancelRequest::NAME), None) => {
                #[derive(Deserialize)]
                struct Params<'a> {
                    #[serde(borrow)]
                    id: &'a RawValue,
                }
                let params: Params<'_> = serde_json::from_str(envelope.params?.get()).ok()?;
                Id::read(params.id).map(Self::Withdrawn)
            }
            (Some(_), None) => seq_in(envelope.params).map(Self::Told),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests;
