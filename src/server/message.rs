//! One message: JSON text in, a call (or what is wrong with it) out; and answers as text.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::protocol::{CancelRequest, INVALID_REQUEST, Notification, PARSE_ERROR, Question};
use crate::rpc::failure::refusal;

/// The most messages of one batch.
pub(super) const MAX_BATCH: usize = 1000;

/// What a frame held.
#[derive(Debug)]
pub(super) enum Incoming {
    /// One message.
    One(Message),
    /// A batch of them.
    Batch(Vec<Message>),
}

/// One message.
#[derive(Debug)]
pub(super) enum Message {
    /// A request: it gets exactly one answer.
    Request(Request),
    /// A notification: it gets none.
    Notification(Request),
    /// An answer to something we asked, perhaps.
    Answer(Answer),
    /// No message: this is the answer.
    Bad(String),
}

/// An answer of the client.
#[derive(Debug)]
pub(super) struct Answer {
    /// The id of the question.
    pub(super) id: Id,
    /// What was answered, as JSON text; none if it was an error. It may hold a password.
    pub(super) result: Option<SecretString>,
}

/// What is called.
#[derive(Debug)]
pub(super) struct Request {
    /// The id as it was written; `null` for a notification.
    pub(super) id: Id,
    /// The method.
    pub(super) method: String,
    /// An object, as it was written.
    pub(super) params: Params,
}

/// A request's id as it was written, so that it is given back the same, whatever its size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Id(String);

impl Id {
    pub(super) fn null() -> Self {
        Self("null".into())
    }

    /// The id of a question of ours: a text, so that nobody takes it for the id of a request of
    /// theirs. None is used twice, not by the next daemon either: what is answered late to one that is
    /// gone (a password, perhaps) is never taken for an answer to another.
    pub(super) fn of_question() -> Self {
        static BEGUN: LazyLock<u128> = LazyLock::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_millis())
        });
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(format!("\"namdrunner-{process}-{:x}-{number}\"", *BEGUN))
    }

    /// The id of `$/cancelRequest`'s params and the like.
    pub(super) fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let fits = text == "null"
            || text.starts_with('"')
            || text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        fits.then(|| Self(text.to_owned()))
    }
}

/// Parameters by name.
#[derive(Debug)]
pub(super) enum Params {
    /// An object; absent, null and the empty array are an empty one.
    Object(Option<Box<RawValue>>),
    /// By position: refused by the methods.
    Positional,
}

impl Params {
    /// As JSON text.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Object(Some(object)) => object.get(),
            Self::Object(None) => "{}",
            Self::Positional => "[0]",
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads a frame's text.
pub(super) fn read(text: &str) -> Incoming {
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        return Incoming::One(Message::Bad(unreadable(format!(
            "The message is not JSON: {error}."
        ))));
    }
    if !text.trim_ascii_start().starts_with('[') {
        return Incoming::One(read_one(text));
    }
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(messages) if messages.is_empty() => {
            Incoming::One(Message::Bad(invalid(&Id::null(), "The batch is empty.")))
        }
        Ok(messages) if messages.len() > MAX_BATCH => Incoming::One(Message::Bad(invalid(
            &Id::null(),
            format!(
                "The batch holds {} messages; at most {MAX_BATCH} are read.",
                messages.len()
            ),
        ))),
        Ok(messages) => Incoming::Batch(messages.iter().map(|raw| read_one(raw.get())).collect()),
        Err(error) => Incoming::One(Message::Bad(invalid(
            &Id::null(),
            format!("The batch cannot be read: {error}."),
        ))),
    }
}

fn read_one(text: &str) -> Message {
    let bad = |id: &Id, why: String| Message::Bad(invalid(id, why));
    let envelope: Envelope<'_> = match serde_json::from_str(text) {
        Ok(envelope) if text.trim_ascii_start().starts_with('{') => envelope,
        Ok(_) => return bad(&Id::null(), "A message is an object.".into()),
        Err(error) => {
            return bad(
                &Id::null(),
                format!("The message is no JSON-RPC request: {error}."),
            );
        }
    };
    let id = match envelope.id.map(Id::read) {
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => {
            return bad(&Id::null(), "The id is neither a number nor a text.".into());
        }
    };
    let null = Id::null();
    let answer_to = id.as_ref().unwrap_or(&null);
    if envelope.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
        return bad(answer_to, "The field `jsonrpc` must be \"2.0\".".into());
    }
    let Some(method) = envelope.method else {
        return if envelope.result.is_some() || envelope.error.is_some() {
            Message::Answer(Answer {
                id: id.unwrap_or(null),
                result: envelope
                    .result
                    .map(|result| SecretString::from(result.get())),
            })
        } else {
            bad(answer_to, "The field `method` is missing.".into())
        };
    };
    let Ok(method) = serde_json::from_str::<String>(method.get()) else {
        return bad(answer_to, "The field `method` must be a text.".into());
    };
    let params = match envelope.params.map(RawValue::get) {
        None => Params::Object(None),
        // Lua and PHP write an empty table as an empty array.
        Some(array) if array.starts_with('[') => {
            let inner = array.trim_start_matches('[').trim_ascii();
            if inner == "]" && array.matches('[').count() == 1 {
                Params::Object(None)
            } else {
                Params::Positional
            }
        }
        Some(object) if object.starts_with('{') => {
            Params::Object(envelope.params.map(ToOwned::to_owned))
        }
        Some(_) => return bad(answer_to, "The field `params` must be an object.".into()),
    };
    match id {
        Some(id) => Message::Request(Request { id, method, params }),
        None => Message::Notification(Request {
            id: null,
            method,
            params,
        }),
    }
}

/// An answer with a result.
pub(super) fn success(id: &Id, result: &(impl Serialize + ?Sized)) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#,
        id.0,
        text_of(result)
    )
}

/// An answer with an error object.
pub(super) fn failure(id: &Id, error: &(impl Serialize + ?Sized)) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"error":{}}}"#,
        id.0,
        text_of(error)
    )
}

/// A question of ours that carries nothing.
pub(super) fn bare_question(id: &Id, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{method}"}}"#, id.0)
}

/// A question of ours.
pub(super) fn question<Q: Question>(id: &Id, params: &Q::Params) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}}"#,
        id.0,
        Q::NAME,
        text_of(params)
    )
}

/// The withdrawal of a question of ours.
pub(super) fn withdrawal(id: &Id) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"{}","params":{{"id":{}}}}}"#,
        CancelRequest::NAME,
        id.0
    )
}

/// A notification.
pub(super) fn notification<N: Notification>(params: &N::Params) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"{}","params":{}}}"#,
        N::NAME,
        text_of(params)
    )
}

/// A notification that carries nothing.
pub(super) fn bare(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#)
}

/// The answer to what cannot be read at all.
pub(super) fn unreadable(why: impl Into<String>) -> String {
    failure(
        &Id::null(),
        &refusal(
            PARSE_ERROR,
            why,
            "Send one JSON-RPC 2.0 message in each frame, or one on each line.",
        ),
    )
}

/// The answer to what is no request.
pub(super) fn invalid(id: &Id, why: impl Into<String>) -> String {
    failure(
        id,
        &refusal(
            INVALID_REQUEST,
            why,
            "Send JSON-RPC 2.0: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"listJobs\",\"params\":{}}.",
        ),
    )
}

/// Wire types have text keys and finite numbers only, so that this cannot fail.
fn text_of(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a wire value could not be written");
        "null".into()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn one(text: &str) -> Message {
        match read(text) {
            Incoming::One(message) => message,
            Incoming::Batch(_) => panic!("a batch"),
        }
    }

    fn bad(text: &str) -> (i64, Value) {
        let Message::Bad(answer) = one(text) else {
            panic!("{text} is not refused");
        };
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|m| !m.is_empty())
        );
        (
            answer["error"]["code"].as_i64().unwrap(),
            answer["id"].clone(),
        )
    }

    #[test]
    fn ids_are_given_back_as_they_were_written() {
        for id in [
            "1",
            "-7",
            "1.5",
            "18446744073709551616",
            "\"a\\u0041\"",
            "null",
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            let Message::Request(request) = one(&text) else {
                panic!("{text}");
            };
            assert_eq!(
                success(&request.id, &json!({})),
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
            );
        }
    }

    #[test]
    fn what_is_no_request_is_told_why() {
        assert_eq!(bad("{"), (-32700, Value::Null));
        assert_eq!(bad(""), (-32700, Value::Null));
        assert_eq!(bad("{} {}"), (-32700, Value::Null));
        for text in ["1", "\"x\"", "null", "[]", "{}", r#"{"jsonrpc":"2.0"}"#] {
            assert_eq!(bad(text), (-32600, Value::Null), "{text}");
        }
        for fields in [
            r#""method":"m""#,
            r#""jsonrpc":"1.0","method":"m""#,
            r#""jsonrpc":2.0,"method":"m""#,
            r#""jsonrpc":"2.0","method":1"#,
            r#""jsonrpc":"2.0","method":"m","params":"x""#,
            r#""jsonrpc":"2.0","method":"m","params":5"#,
        ] {
            assert_eq!(bad(&format!("{{\"id\":3,{fields}}}")), (-32600, json!(3)));
        }
        for id in ["true", "{}", "[1]"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            assert_eq!(bad(&text), (-32600, Value::Null));
        }
        assert_eq!(bad(&"[".repeat(500)), (-32700, Value::Null));
    }

    #[test]
    fn absent_params_have_many_forms() {
        for params in [
            "",
            r#","params":null"#,
            r#","params":[]"#,
            r#","params": [ ] "#,
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m"{params}}}"#);
            assert!(
                matches!(
                    one(&text),
                    Message::Request(Request {
                        params: Params::Object(None),
                        ..
                    })
                ),
                "{text}"
            );
        }
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[[]]}"#),
            Message::Request(Request {
                params: Params::Positional,
                ..
            })
        ));
    }

    #[test]
    fn answers_and_notifications_are_told_from_requests() {
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":1,"result":null}"#),
            Message::Answer(_)
        ));
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","method":"exit"}"#),
            Message::Notification(_)
        ));
    }

    #[test]
    fn batches_are_split() {
        let Incoming::Batch(messages) =
            read(r#" [{"jsonrpc":"2.0","id":1,"method":"m"}, 1, {"jsonrpc":"2.0","method":"n"}]"#)
        else {
            panic!("no batch");
        };
        assert!(matches!(
            messages.as_slice(),
            [
                Message::Request(_),
                Message::Bad(_),
                Message::Notification(_)
            ]
        ));
        let many = format!("[{}1]", "1,".repeat(MAX_BATCH));
        assert_eq!(bad(&many), (-32600, Value::Null));
    }
}
