//! The language features as part of one session: their requests as methods, and what is told
//! without being asked — diagnostics when a text changes, and that lenses are to be asked for anew
//! when a job does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jsonrpsee::{Methods, RpcModule};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::TaskTracker;

use crate::engine::{Caller, Engine, Event};
use crate::lsp::{self, Due, Language};
use crate::protocol::{
    ExecuteCommandOptions, NoOptions, ServerCapabilities, TextDocumentSyncOptions,
};
use crate::rpc::{Opening, failure};

use super::message::{self, Id};
use super::outbox::Outbox;
use super::session::Session;

/// How long typing must pause before the text is examined.
const PAUSE: Duration = Duration::from_millis(200);
/// How long changes of jobs are gathered before lenses are asked for anew.
const GATHER: Duration = Duration::from_millis(250);

/// What a session has of the language features.
pub(super) struct Features {
    language: Arc<Language>,
    /// Whether the client asks for lenses and hints anew when told to.
    refresh: Refresh,
    watching: AtomicBool,
}

/// Whether the client takes requests to ask anew.
#[derive(Default)]
struct Refresh {
    lenses: AtomicBool,
    hints: AtomicBool,
}

impl Features {
    pub(super) fn new() -> Self {
        Self {
            language: Arc::default(),
            refresh: Refresh::default(),
            watching: AtomicBool::new(false),
        }
    }

    /// Notes what the client can do, from the parameters of `initialize`.
    pub(super) fn learn(&self, initialize: &str) {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Client {
            capabilities: Capabilities,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Capabilities {
            workspace: Workspace,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Workspace {
            code_lens: Refreshes,
            inlay_hint: Refreshes,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Refreshes {
            refresh_support: bool,
        }
        let client: Client = serde_json::from_str(initialize).unwrap_or_default();
        let workspace = client.capabilities.workspace;
        self.refresh
            .lenses
            .store(workspace.code_lens.refresh_support, Ordering::SeqCst);
        self.refresh
            .hints
            .store(workspace.inlay_hint.refresh_support, Ordering::SeqCst);
    }

    /// The requests, as methods of the session.
    pub(super) fn methods(&self, engine: Opening, outbox: Outbox, calls: TaskTracker) -> Methods {
        let mut module = RpcModule::new((Arc::clone(&self.language), engine, outbox, calls));
        for name in lsp::REQUESTS {
            let bound =
                module.register_async_method(name, move |params, context, extensions| async move {
                    let (language, engine, outbox, calls) = &*context;
                    let caller = extensions.get::<Caller>().cloned().unwrap_or_default();
                    let text = params.as_str().unwrap_or("{}").to_owned();
                    let (language, engine) = (Arc::clone(language), engine.clone());
                    // A task of its own: a job that is being made is not dropped half-way when the
                    // request is withdrawn, but told and undone. The daemon waits for it.
                    let work = calls
                        .spawn(async move { language.answer(name, &text, &engine, caller).await });
                    let answered = work.await.unwrap_or_else(|_| {
                        Err(crate::error::Error::internal("a feature panicked"))
                    });
                    match answered {
                        Ok((result, message)) => {
                            if let Some(message) = message {
                                let _ = outbox.send(show_message(&message)).await;
                            }
                            Ok(result)
                        }
                        Err(error) => {
                            failure::log(name, &error);
                            Err(failure::object(&error))
                        }
                    }
                });
            if let Err(error) = bound {
                tracing::error!(%error, "a method is bound twice");
            }
        }
        module.into()
    }
}

/// What the server does of LSP.
pub(super) fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: "utf-16".into(),
        text_document_sync: TextDocumentSyncOptions {
            open_close: true,
            change: 2,
            save: NoOptions {},
        },
        code_lens_provider: NoOptions {},
        inlay_hint_provider: true,
        document_link_provider: NoOptions {},
        code_action_provider: true,
        execute_command_provider: ExecuteCommandOptions {
            commands: lsp::command_names(),
        },
    }
}

impl Session {
    /// Takes a notification about documents.
    pub(super) fn hear(self: &Arc<Self>, method: &str, params: &str) {
        let Some(due) = self.features.language.hear(method, params) else {
            return;
        };
        self.watch_jobs();
        let this = Arc::clone(self);
        match due {
            Due::Examine { uri, typing } => self.in_background(async move {
                let language = &this.features.language;
                let revision = language.revision(&uri);
                if typing {
                    tokio::time::sleep(PAUSE).await;
                }
                // What was typed since is examined by its own turn.
                if language.revision(&uri) == revision {
                    this.examine(&uri).await;
                }
            }),
            Due::ExamineAll => self.in_background(async move { this.examine_all().await }),
            Due::Forget(files) => self.in_background(async move {
                for uri in files {
                    let params = json!({ "uri": uri, "diagnostics": [] });
                    this.publish(&params).await;
                }
            }),
        }
    }

    async fn examine_all(self: &Arc<Self>) {
        for uri in self.features.language.open_documents() {
            self.examine(&uri).await;
        }
    }

    async fn examine(self: &Arc<Self>, uri: &str) {
        // Findings need no database: they are told although it cannot be opened.
        let engine = self.engine.engine().await.ok();
        for params in self.features.language.examine(uri, engine.as_ref()).await {
            self.publish(&params).await;
        }
    }

    async fn publish(&self, params: &impl serde::Serialize) {
        let message = json!({
            "jsonrpc": "2.0",
            "method": "textDocument/publishDiagnostics",
            "params": params,
        });
        // A client that is gone is noticed by the server.
        let _ = self.outbox.send(message.to_string()).await;
    }

    /// From the first document on: tells the client to ask anew when a job of one changes.
    fn watch_jobs(self: &Arc<Self>) {
        if self.features.watching.swap(true, Ordering::SeqCst) {
            return;
        }
        let this = Arc::clone(self);
        self.in_background(async move {
            let Ok(engine) = this.engine.engine().await else {
                this.features.watching.store(false, Ordering::SeqCst);
                return;
            };
            this.pass_on_refreshes(&engine).await;
        });
    }

    async fn pass_on_refreshes(self: &Arc<Self>, engine: &Engine) {
        let mut events = engine.events();
        loop {
            let concerns = match events.recv().await {
                Ok(Event::Job { change, .. }) => {
                    self.features.language.shows(&change.job.spec.config_path)
                }
                Ok(Event::JobDeleted { .. }) | Err(RecvError::Lagged(_)) => true,
                Ok(_) => false,
                Err(RecvError::Closed) => return,
            };
            if !concerns || self.features.language.is_idle() {
                continue;
            }
            // A burst is one refresh; what comes meanwhile is in it.
            tokio::time::sleep(GATHER).await;
            while let Ok(_) | Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) =
                events.try_recv()
            {}
            let refresh = &self.features.refresh;
            for (takes, method) in [
                (&refresh.lenses, "workspace/codeLens/refresh"),
                (&refresh.hints, "workspace/inlayHint/refresh"),
            ] {
                if takes.load(Ordering::SeqCst) {
                    // Its answer says nothing.
                    let question = message::bare_question(&Id::of_question(), method);
                    let _ = self.outbox.send(question).await;
                }
            }
            self.examine_all().await;
        }
    }
}

fn show_message(message: &str) -> String {
    json!({
        "jsonrpc": "2.0",
        "method": "window/showMessage",
        "params": { "type": 3, "message": message },
    })
    .to_string()
}
