//! `namdrunner call`: one request over the same wire, through the daemon or to a server in this process.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use super::terminal::Terminal;
use crate::config::Home;
use crate::engine::prompt::{
    AuthAsk, AuthMethod, ExposeSecret as _, Field, HostKeyAsk, Prompter as _,
};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{self, Method as _, Notification as _, Question as _, Status};
use crate::server::daemon::way::Way;
use crate::server::forward::forward;
use crate::server::framing::{Frames, Framing, MAX_MESSAGE};
use crate::server::{Options, serve};

/// Arguments of `call`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The method, as `namdrunner schema` lists them
    method: String,
    /// Its parameters, a JSON object; `-` reads them from stdin
    #[arg(value_name = "JSON|-")]
    params: Option<String>,
    /// Print notifications, one on each line, until the job ends; the exit code tells how
    #[arg(long)]
    follow: bool,
    /// Without the background server: a server in this process
    #[arg(long)]
    standalone: bool,
}

pub(super) async fn run(home: Home, arguments: Arguments) -> Result<ExitCode> {
    let params = params(&arguments)?;
    let (ours, theirs) = tokio::io::duplex(256 * 1024);
    let (reader, writer) = tokio::io::split(theirs);
    let server = if arguments.standalone {
        let options = Options {
            facts: super::facts(&home),
            ..Options::default()
        };
        tokio::spawn(serve(reader, writer, super::engine(&home, None), options))
    } else {
        let never = CancellationToken::new();
        tokio::spawn(forward(reader, writer, Way::new(home), never))
    };
    let (reader, writer) = tokio::io::split(ours);
    let mut wire = Wire {
        frames: Frames::new(reader, usize::MAX),
        writer,
        waiting: VecDeque::new(),
        terminal: Terminal::open(),
    };
    let code = async {
        wire.introduce().await?;
        if arguments.follow {
            follow(&mut wire, &arguments.method, &params).await
        } else {
            once(&mut wire, &arguments.method, &params).await
        }
    };
    let code = code.await;
    // The end of input: the server finishes what it has accepted.
    let _ = wire.writer.shutdown().await;
    let drained = async { while let Ok(Some(_)) = wire.frames.next().await {} };
    let ((), ended) = tokio::join!(drained, server);
    ended.map_err(|error| Error::internal("The server ended unexpectedly.").caused_by(error))?;
    code
}

/// The parameters, as an object. `submit` waits for the batch system unless told otherwise: nobody
/// stays to be notified.
fn params(arguments: &Arguments) -> Result<Value> {
    let text = match arguments.params.as_deref() {
        None => "{}".to_owned(),
        Some("-") => {
            let mut text = String::new();
            let limit = MAX_MESSAGE as u64;
            std::io::stdin()
                .lock()
                .take(limit)
                .read_to_string(&mut text)
                .map_err(|error| bad(format!("The parameters cannot be read: {error}.")))?;
            text
        }
        Some(text) => text.to_owned(),
    };
    let mut params: Value = serde_json::from_str(&text)
        .map_err(|error| bad(format!("The parameters are not JSON: {error}.")))?;
    if arguments.method == protocol::Submit::NAME
        && !arguments.follow
        && let Some(fields) = params.as_object_mut()
    {
        fields.entry("wait").or_insert(Value::Bool(true));
    }
    Ok(params)
}

fn bad(message: String) -> Error {
    Error::new(ErrorKind::InvalidParams, message)
        .hinted("Give a JSON object, as in: namdrunner call jobStatus '{\"jobId\":\"…\"}'")
}

/// The client's end of the server.
struct Wire {
    frames: Frames<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    /// What came while a question was open.
    waiting: VecDeque<Value>,
    /// Where the person is asked what a login needs, if there is one.
    terminal: Option<Terminal>,
}

impl Wire {
    /// Says that the person can be asked, if they can.
    async fn introduce(&mut self) -> Result<()> {
        if self.terminal.is_none() {
            return Ok(());
        }
        let params = json!({"initializationOptions": {"canPrompt": true}});
        self.send(0, protocol::Initialize::NAME, &params).await?;
        self.answer(0).await.map(drop)
    }

    async fn send(&mut self, id: u32, method: &str, params: &Value) -> Result<()> {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send_message(&message).await
    }

    async fn send_message(&mut self, message: &Value) -> Result<()> {
        let mut frame = Vec::new();
        Framing::Lines.write(&message.to_string(), &mut frame);
        self.writer.write_all(&frame).await.map_err(gone)
    }

    /// The next message that is no question; questions are answered.
    async fn next(&mut self) -> Result<Value> {
        loop {
            let message = match self.waiting.pop_front() {
                Some(message) => message,
                None => self.read().await?,
            };
            match (message.get("method"), message.get("id")) {
                (Some(_), Some(id)) => {
                    let id = id.clone();
                    self.answer_question(&id, &message).await?;
                }
                _ => return Ok(message),
            }
        }
    }

    /// Puts a question to the person, unless it is withdrawn meanwhile.
    async fn answer_question(&mut self, id: &Value, question: &Value) -> Result<()> {
        let terminal = self.terminal.take();
        let answered = {
            let mut answering = std::pin::pin!(answer_to(terminal.as_ref(), question));
            loop {
                tokio::select! {
                    answered = &mut answering => break Some(answered),
                    message = self.read() => {
                        let message = message?;
                        let withdrawn = message.get("method") == Some(&json!("$/cancelRequest"))
                            && message.pointer("/params/id") == Some(id);
                        if withdrawn {
                            break None;
                        }
                        self.waiting.push_back(message);
                    }
                }
            }
        };
        self.terminal = terminal;
        let Some(result) = answered else {
            // A withdrawn request has its answer all the same.
            let message = json!({"jsonrpc": "2.0", "id": id, "error": {
                "code": ErrorKind::Cancelled.code(), "message": "The question was withdrawn.",
            }});
            return self.send_message(&message).await;
        };
        let mut message = Zeroizing::new(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#));
        message.push_str(&result);
        message.push('}');
        let mut frame = Zeroizing::new(Vec::with_capacity(message.len() + 1));
        Framing::Lines.write(&message, &mut frame);
        self.writer.write_all(&frame).await.map_err(gone)
    }

    async fn read(&mut self) -> Result<Value> {
        match self.frames.next().await {
            Ok(Some(Ok(text))) => serde_json::from_str(&text).map_err(gone),
            Ok(Some(Err(fault))) => Err(gone(fault)),
            Ok(None) => Err(Error::internal("The server ended without an answer.")),
            Err(error) => Err(gone(error)),
        }
    }

    /// The answer to a request, and what was notified before it.
    async fn answer(&mut self, id: u32) -> Result<(Result<Value, Value>, Vec<Value>)> {
        let mut notified = Vec::new();
        loop {
            let mut message = self.next().await?;
            if message.get("method").is_some() {
                notified.push(message);
            } else if message.get("id") == Some(&json!(id)) {
                let answer = match message.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(message
                        .get_mut("result")
                        .map(Value::take)
                        .unwrap_or_default()),
                };
                return Ok((answer, notified));
            }
        }
    }
}

/// The answer to a question, as JSON text.
async fn answer_to(terminal: Option<&Terminal>, question: &Value) -> Zeroizing<String> {
    let null = || Zeroizing::new("null".to_owned());
    let name = question.get("method").and_then(Value::as_str);
    let params = question.get("params").cloned().unwrap_or_default();
    let Some(terminal) = terminal else {
        return null();
    };
    match name {
        Some(protocol::AuthPrompt::NAME) => {
            let Ok(asked) = serde_json::from_value::<protocol::AuthPromptParams>(params) else {
                return null();
            };
            match terminal.ask(auth_ask(asked)).await {
                None => null(),
                Some(answers) => {
                    let texts = answers.iter().map(|answer| {
                        // A text becomes JSON whatever it holds.
                        let text = serde_json::to_string(answer.expose_secret());
                        Zeroizing::new(text.unwrap_or_default())
                    });
                    let mut out = Zeroizing::new(String::from(r#"{"answers":["#));
                    for (n, text) in texts.enumerate() {
                        out.push_str(if n > 0 { "," } else { "" });
                        out.push_str(&text);
                    }
                    out.push_str("]}");
                    out
                }
            }
        }
        Some(protocol::HostKeyPrompt::NAME) => {
            let asked = serde_json::from_value::<protocol::HostKeyPromptParams>(params);
            let accept = match asked {
                Ok(asked) => terminal.confirm(key_ask(asked)).await,
                Err(_) => false,
            };
            Zeroizing::new(json!({"accept": accept}).to_string())
        }
        _ => null(),
    }
}

fn auth_ask(asked: protocol::AuthPromptParams) -> AuthAsk {
    AuthAsk {
        cluster: asked.cluster,
        host: asked.host,
        user: asked.user,
        method: match asked.method {
            protocol::PromptMethod::Passphrase => AuthMethod::Passphrase,
            protocol::PromptMethod::KeyboardInteractive => AuthMethod::KeyboardInteractive,
            protocol::PromptMethod::Password => AuthMethod::Password,
        },
        name: asked.name,
        instructions: asked.instructions,
        prompts: asked
            .prompts
            .into_iter()
            .map(|prompt| Field {
                text: prompt.text,
                echo: prompt.echo,
            })
            .collect(),
        attempt: asked.attempt,
        reason: asked.reason,
    }
}

fn key_ask(asked: protocol::HostKeyPromptParams) -> HostKeyAsk {
    HostKeyAsk {
        cluster: asked.cluster,
        host: asked.host,
        port: asked.port,
        algorithm: asked.algorithm,
        fingerprint: asked.fingerprint,
        known_fingerprint: asked.known_fingerprint,
    }
}

fn gone(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("The server cannot be spoken to.").caused_by(error)
}

async fn once(wire: &mut Wire, method: &str, params: &Value) -> Result<ExitCode> {
    wire.send(1, method, params).await?;
    match wire.answer(1).await?.0 {
        Ok(result) => {
            let stdout = std::io::stdout();
            print(&result, stdout.is_terminal());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(refused(&error)),
    }
}

async fn follow(wire: &mut Wire, method: &str, params: &Value) -> Result<ExitCode> {
    wire.send(1, protocol::Subscribe::NAME, &json!({})).await?;
    if let (Err(error), _) = wire.answer(1).await? {
        return Ok(refused(&error));
    }
    wire.send(2, method, params).await?;
    let (result, notified) = match wire.answer(2).await? {
        (Ok(result), notified) => (result, notified),
        (Err(error), _) => return Ok(refused(&error)),
    };
    print(&result, false);
    let Some(job_id) = named_job(&result, params) else {
        return Err(bad(format!(
            "{method} names no job that could be followed."
        )));
    };
    if let Some(code) = result
        .get("job")
        .and_then(|job| at_rest(job, ExitCode::SUCCESS))
    {
        return Ok(code);
    }
    // What was notified before the result may be older than it: a job that was `staged` then is none
    // that was not submitted.
    let known = updated_at(result.get("job"));
    let mut notified = notified.into_iter();
    loop {
        let message = match notified.next() {
            Some(message) => message,
            None => wire.next().await?,
        };
        print(&message, false);
        let about = |field: &str| message.pointer(&format!("/params/{field}"));
        if about("jobId").and_then(Value::as_str) != Some(&job_id) {
            continue;
        }
        if message.get("method") == Some(&json!(protocol::OnJobDeleted::NAME)) {
            return Ok(ExitCode::FAILURE);
        }
        let news = about("job").filter(|job| updated_at(Some(job)) > known);
        if let Some(code) = news.and_then(|job| at_rest(job, ExitCode::FAILURE)) {
            return Ok(code);
        }
    }
}

fn named_job(result: &Value, params: &Value) -> Option<String> {
    let id = result.pointer("/job/jobId").or_else(|| params.get("jobId"));
    id.and_then(Value::as_str).map(ToOwned::to_owned)
}

/// When a job last changed; times on the wire sort as texts.
fn updated_at(job: Option<&Value>) -> String {
    let at = job.and_then(|job| job.get("updatedAt"));
    at.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The exit code when nothing more happens to a job by itself; `staged` when it was not submitted.
fn at_rest(job: &Value, staged: ExitCode) -> Option<ExitCode> {
    let status = job.get("status").cloned().unwrap_or_default();
    match serde_json::from_value::<Status>(status).ok()? {
        Status::Completed => Some(ExitCode::SUCCESS),
        Status::Failed => Some(ExitCode::from(3)),
        Status::Cancelled => Some(ExitCode::from(4)),
        Status::Unknown => Some(ExitCode::from(5)),
        Status::Created if job.get("phase") == Some(&json!("staged")) => Some(staged),
        Status::Created | Status::Pending | Status::Running => None,
    }
}

/// Prints to stdout; a reader that is gone is no error of ours.
fn print(value: &Value, pretty: bool) {
    let text = if pretty {
        format!("{value:#}")
    } else {
        value.to_string()
    };
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn refused(error: &Value) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "{error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: &str, phase: &str) -> Option<ExitCode> {
        at_rest(
            &json!({"status": status, "phase": phase}),
            ExitCode::FAILURE,
        )
    }

    #[test]
    fn the_exit_code_tells_how_the_job_ended() {
        assert_eq!(code("COMPLETED", "settled"), Some(ExitCode::SUCCESS));
        assert_eq!(code("FAILED", "settled"), Some(ExitCode::from(3)));
        assert_eq!(code("CANCELLED", "settled"), Some(ExitCode::from(4)));
        assert_eq!(code("UNKNOWN", "settled"), Some(ExitCode::from(5)));
        assert_eq!(code("CREATED", "staged"), Some(ExitCode::FAILURE));
        for (status, phase) in [
            ("CREATED", "submitting"),
            ("CREATED", "waitingForLogin"),
            ("PENDING", "queued"),
            ("RUNNING", "running"),
            ("LATER", "new"),
        ] {
            assert_eq!(code(status, phase), None);
        }
    }

    #[test]
    fn submit_waits_unless_it_is_followed_or_told_otherwise() {
        let of = |method: &str, text: &str, follow| {
            params(&Arguments {
                method: method.into(),
                params: Some(text.into()),
                follow,
                standalone: false,
            })
            .unwrap()
        };
        let id = r#"{"jobId":"a"}"#;
        assert_eq!(of("submit", id, false), json!({"jobId": "a", "wait": true}));
        assert_eq!(of("submit", id, true), json!({"jobId": "a"}));
        assert_eq!(of("cancel", id, false), json!({"jobId": "a"}));
        let told = r#"{"jobId":"a","wait":false}"#;
        assert_eq!(
            of("submit", told, false),
            json!({"jobId": "a", "wait": false})
        );
    }
}
