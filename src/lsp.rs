//! What an editor shows beside a config: diagnostics, lenses, hints, links, quick fixes, and the
//! commands behind them, as the Language Server Protocol has them.
//!
//! [`Language`] is one session's open documents. What is read of a config is the text as the editor
//! has it, with the files around it as they are on disk; what is read stays until the text changes
//! or a file is saved. What a config needs comes from [`crate::namd`], what is known of its job from
//! the engine; nothing is decided here.

mod actions;
mod address;
mod commands;
mod diagnostics;
mod document;
mod lenses;
mod links;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gen_lsp_types as lsp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::engine::{self, Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::Job;
use crate::rpc::{self, Opening, view};

use self::commands::{Done, Verb};
use self::document::Document;

/// The requests answered here.
pub const REQUESTS: [&str; 5] = [
    "textDocument/codeLens",
    "textDocument/inlayHint",
    "textDocument/documentLink",
    "textDocument/codeAction",
    "workspace/executeCommand",
];

/// The names of the commands that [`Language::answer`] carries out.
pub fn command_names() -> Vec<String> {
    Verb::ALL.map(|verb| verb.name().to_owned()).to_vec()
}

/// One session's open documents, and what was read of them.
#[derive(Default)]
pub struct Language {
    open: Mutex<BTreeMap<String, Open>>,
    /// Configs that a job is being made of: a second click makes no second job.
    creating: Mutex<BTreeSet<PathBuf>>,
}

struct Open {
    document: Document,
    reading: Option<Reading>,
    /// Files that diagnostics were published for.
    published: BTreeSet<String>,
}

/// What was read of a text.
#[derive(Clone)]
struct Reading {
    revision: u64,
    text: Arc<engine::ConfigRead>,
}

/// What a notification asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// This document is to be examined and its diagnostics told: at once, or when typing pauses.
    Examine {
        /// The document's address.
        uri: String,
        /// Its text is being typed.
        typing: bool,
    },
    /// All open documents are: the files around them may have changed.
    ExamineAll,
    /// What was told of a document that was closed is taken back.
    Forget(Vec<String>),
}

impl Language {
    /// Takes a notification about documents; none if it is about something else or cannot be read.
    pub fn hear(&self, method: &str, params: &str) -> Option<Due> {
        match method {
            "textDocument/didOpen" => {
                let params: lsp::DidOpenTextDocumentParams = heard(method, params)?;
                let item = params.text_document;
                let uri = item.uri.0;
                let document = Document {
                    path: address::path_of(&uri)?,
                    language: item.language_id.into(),
                    text: item.text,
                    version: item.version,
                    revision: 0,
                };
                self.lock().insert(
                    uri.clone(),
                    Open {
                        document,
                        reading: None,
                        published: BTreeSet::new(),
                    },
                );
                Some(Due::Examine { uri, typing: false })
            }
            "textDocument/didChange" => {
                let params: lsp::DidChangeTextDocumentParams = heard(method, params)?;
                let uri = params.text_document.text_document_identifier.uri.0;
                let version = params.text_document.version;
                let mut open = self.lock();
                let document = &mut open.get_mut(&uri)?.document;
                document.change(version, params.content_changes);
                Some(Due::Examine { uri, typing: true })
            }
            // Another file may be what a config misses, or sources.
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {
                for open in self.lock().values_mut() {
                    open.document.revision += 1;
                }
                Some(Due::ExamineAll)
            }
            "textDocument/didClose" => {
                let params: lsp::DidCloseTextDocumentParams = heard(method, params)?;
                let closed = self.lock().remove(&params.text_document.uri.0)?;
                Some(Due::Forget(closed.published.into_iter().collect()))
            }
            _ => None,
        }
    }

    /// The open documents as the parameters of the `textDocument/didOpen` that tell another server of
    /// them.
    pub fn reopened(&self) -> Vec<Value> {
        let open = self.lock();
        let documents = open.iter().map(|(uri, open)| (uri, &open.document));
        documents
            .map(|(uri, document)| {
                json!({"textDocument": {
                    "uri": uri,
                    "languageId": document.language,
                    "version": document.version,
                    "text": document.text,
                }})
            })
            .collect()
    }

    /// The addresses of the open documents.
    pub fn open_documents(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The number of a document's text: what was typed since has another. None if it is not open.
    pub fn revision(&self, uri: &str) -> Option<u64> {
        Some(self.lock().get(uri)?.document.revision)
    }

    /// Whether a job belongs to an open document.
    pub fn shows(&self, config_path: &str) -> bool {
        let open = self.lock();
        open.values()
            .filter_map(|open| open.reading.as_ref())
            .any(|reading| reading.text.path.as_os_str() == config_path)
    }

    /// Whether any document is open.
    pub fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }

    /// The diagnostics of a document and of the files it is made of, as
    /// `textDocument/publishDiagnostics` takes them. `engine` is absent while it cannot be opened.
    pub async fn examine(
        &self,
        uri: &str,
        engine: Option<&Engine>,
    ) -> Vec<lsp::PublishDiagnosticsParams> {
        let Ok((document, reading)) = self.read(uri).await else {
            return Vec::new();
        };
        let mut shown = BTreeMap::new();
        if let Some(reading) = &reading {
            let config = reading.path.to_string_lossy();
            shown = diagnostics::of_analysis(uri, &config, &reading.analysis);
            if let Some(engine) = engine
                && let Ok(Some(job)) = latest_job(engine, &reading.path).await
                && let Some(remark) = diagnostics::of_change(&job, &reading.sha256)
            {
                shown.entry(uri.to_owned()).or_default().push(remark);
            }
        }
        let mut open = self.lock();
        let Some(known) = open.get_mut(uri) else {
            return Vec::new();
        };
        if known.document.revision != document.revision {
            // A newer text is being examined.
            return Vec::new();
        }
        for before in std::mem::take(&mut known.published) {
            shown.entry(before).or_default();
        }
        known.published = shown
            .iter()
            .filter(|(_, diagnostics)| !diagnostics.is_empty())
            .map(|(uri, _)| uri.clone())
            .collect();
        shown
            .into_iter()
            .map(|(file, diagnostics)| {
                let version = (file == uri).then_some(document.version);
                diagnostics::published(file, version, diagnostics)
            })
            .collect()
    }

    /// Answers one of [`REQUESTS`]. The second part is a sentence for the person, if there is one.
    pub async fn answer(
        self: &Arc<Self>,
        method: &str,
        params: &str,
        engine: &Opening,
        caller: Caller,
    ) -> Result<(Value, Option<String>)> {
        let result = match method {
            "textDocument/codeLens" => {
                let params: lsp::CodeLensParams = rpc::from_text(params)?;
                written(&self.lenses(&params.text_document.uri.0, engine).await?)
            }
            "textDocument/inlayHint" => {
                let params: lsp::InlayHintParams = rpc::from_text(params)?;
                written(
                    &self
                        .hints(&params.text_document.uri.0, params.range, engine)
                        .await?,
                )
            }
            "textDocument/documentLink" => {
                let params: lsp::DocumentLinkParams = rpc::from_text(params)?;
                let (_, reading) = self.read(&params.text_document.uri.0).await?;
                let links = reading.map(|reading| {
                    links::of_analysis(&reading.path.to_string_lossy(), &reading.analysis)
                });
                written(&links.unwrap_or_default())
            }
            "textDocument/codeAction" => {
                let params: lsp::CodeActionParams = rpc::from_text(params)?;
                written(
                    &self
                        .actions(&params.text_document.uri.0, params.range)
                        .await?,
                )
            }
            "workspace/executeCommand" => {
                let params: lsp::ExecuteCommandParams = rpc::from_text(params)?;
                let done = self.execute(params, engine, caller).await?;
                let message = Some(done.message).filter(|message| !message.is_empty());
                return Ok((done.result, message));
            }
            _ => return Err(Error::internal("a request came to the wrong place")),
        };
        Ok((result?, None))
    }

    async fn lenses(&self, uri: &str, engine: &Opening) -> Result<Vec<lsp::CodeLens>> {
        let (_, Some(reading)) = self.read(uri).await? else {
            return Ok(Vec::new());
        };
        let engine = engine.engine().await?;
        let job = latest_job(&engine, &reading.path).await?;
        let changed = job
            .as_ref()
            .is_some_and(|job| job.config_sha256 != reading.sha256);
        let cluster = engine.settings().default_cluster.clone();
        Ok(lenses::of_config(uri, job.as_ref(), &cluster, changed))
    }

    async fn hints(
        &self,
        uri: &str,
        range: lsp::Range,
        engine: &Opening,
    ) -> Result<Vec<lsp::InlayHint>> {
        let (_, Some(reading)) = self.read(uri).await? else {
            return Ok(Vec::new());
        };
        let engine = engine.engine().await?;
        let job = latest_job(&engine, &reading.path).await?;
        let mut hints = lenses::hints(&reading.analysis, job.as_ref());
        hints.retain(|hint| {
            let at = lsp::Range {
                start: hint.position,
                end: hint.position,
            };
            place::meet(at, range)
        });
        Ok(hints)
    }

    async fn actions(&self, uri: &str, range: lsp::Range) -> Result<Vec<lsp::CodeAction>> {
        let (_, Some(reading)) = self.read(uri).await? else {
            return Ok(Vec::new());
        };
        let uri = uri.to_owned();
        engine::blocking(move || {
            let directory = reading.path.parent().unwrap_or(Path::new("/"));
            let entries = |below: &str| engine::names_in(&directory.join(below));
            Ok(actions::at(
                &uri,
                &reading.bytes,
                &reading.analysis,
                range,
                entries,
            ))
        })
        .await
    }

    async fn execute(
        self: &Arc<Self>,
        params: lsp::ExecuteCommandParams,
        engine: &Opening,
        caller: Caller,
    ) -> Result<Done> {
        let verb = Verb::parse(&params.command)?;
        let engine = engine.engine().await?;
        if verb == Verb::Sync {
            return commands::sync(&engine, &caller).await;
        }
        let first = params.arguments.unwrap_or_default().into_iter().next();
        let Some(Value::String(first)) = first else {
            let what = if verb.is_about_config() {
                "the config's address"
            } else {
                "a job's id"
            };
            return Err(Error::bad_param(
                "arguments",
                format!("must begin with {what}"),
            ));
        };
        if !verb.is_about_config() {
            return commands::on_job(&engine, verb, &first, &caller).await;
        }
        let path = self.saved(&first).await?;
        if verb == Verb::Preview {
            return commands::on_config(&engine, verb, path, &caller).await;
        }
        let _one = Creating::begin(self, &path)?;
        commands::on_config(&engine, verb, path, &caller).await
    }

    /// The file of a config, if what the editor shows is what is on disk: what would be sent is the
    /// file.
    async fn saved(&self, uri: &str) -> Result<PathBuf> {
        let path = address::path_of(uri).ok_or_else(|| {
            Error::bad_param(
                "arguments",
                "must begin with the `file:` address of a config",
            )
        })?;
        let document = self.lock().get(uri).map(|open| open.document.clone());
        let Some(document) = document else {
            return Ok(path.into());
        };
        engine::blocking(move || {
            // What cannot be read is told better when the job is made.
            let saved = std::fs::read(&path).map_or(true, |bytes| document.is_saved_as(&bytes));
            if saved {
                return Ok(path.into());
            }
            Err(Error::new(
                ErrorKind::ConfigNotReadable,
                format!("{path} has changes that are not saved."),
            )
            .hinted("Save it first: what is sent is the file on disk."))
        })
        .await
    }

    /// A document and, if it is a config, what is in it.
    async fn read(&self, uri: &str) -> Result<(Document, Option<Arc<engine::ConfigRead>>)> {
        let (document, known) = {
            let open = self.lock();
            let Some(open) = open.get(uri) else {
                return Err(
                    Error::new(ErrorKind::InvalidParams, format!("{uri} is not open."))
                        .hinted("Send `textDocument/didOpen` first."),
                );
            };
            let known = open.reading.clone();
            let fresh = known.filter(|known| known.revision == open.document.revision);
            (open.document.clone(), fresh)
        };
        if let Some(known) = known {
            return Ok((document, Some(known.text)));
        }
        if !document.is_config() {
            return Ok((document, None));
        }
        let text = {
            let (path, shown) = (PathBuf::from(&document.path), document.clone());
            let read = move || {
                engine::read_shown_config(&path, &shown.text, |disk| shown.is_saved_as(disk))
            };
            Arc::new(engine::blocking(read).await?)
        };
        if let Some(open) = self.lock().get_mut(uri) {
            open.reading = Some(Reading {
                revision: document.revision,
                text: Arc::clone(&text),
            });
        }
        Ok((document, Some(text)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A config that a job is being made of.
struct Creating<'l> {
    language: &'l Language,
    path: PathBuf,
}

impl<'l> Creating<'l> {
    fn begin(language: &'l Language, path: &Path) -> Result<Self> {
        let creating = language.creating.lock();
        let mut creating = creating.unwrap_or_else(PoisonError::into_inner);
        if !creating.insert(path.to_owned()) {
            return Err(Error::new(
                ErrorKind::RefusedInState,
                format!("A job of {} is being made already.", path.display()),
            )
            .hinted("Wait until it is there."));
        }
        Ok(Self {
            language,
            path: path.to_owned(),
        })
    }
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        let creating = self.language.creating.lock();
        let mut creating = creating.unwrap_or_else(PoisonError::into_inner);
        creating.remove(&self.path);
    }
}

/// The job a config belongs to: the latest with its path.
async fn latest_job(engine: &Engine, path: &Path) -> Result<Option<Job>> {
    let job = engine.latest_of_config(path).await?;
    Ok(job.map(|job| view::job(&job, rpc::sight(engine, &job))))
}

fn heard<T: DeserializeOwned>(method: &str, params: &str) -> Option<T> {
    match rpc::from_text(params) {
        Ok(params) => Some(params),
        Err(error) => {
            tracing::warn!(method, %error, "a notification was ignored");
            None
        }
    }
}

fn written<T: serde::Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|why| Error::internal("a result could not be written").caused_by(why))
}
