//! One client's session: what it has asked, and what it is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use jsonrpsee::Methods;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::prompt::Prompter;
use crate::engine::{Event, Registration};
use crate::error::{Error, Result};
use crate::lsp;
use crate::protocol::{
    CancelRequest, ClientInfo, ExitNow, INVALID_REQUEST, Initialize, InitializeParams,
    InitializeResult, Initialized, LogMessage, Method, NOT_INITIALIZED, Notification, OnLogMessage,
    ServerFacts, ServerInfo, Shutdown, Subscribe, SubscribeResult, method,
};
use crate::rpc::failure::{self, refusal};
use crate::rpc::{self, Opening};

use super::daemon::Resume;
use super::language::{self, Features};
use super::link::{END_OF_INPUT, Link};
use super::message::{self, Id, Incoming, Message, Params, Request, notification};
use super::notices::{self, Told};
use super::outbox::Outbox;
use super::questions::{Person, Questions};
use super::work::Work;

/// What may be worked on at once: requests, where each 64 KiB of text count as one.
const ROOM: u32 = 1024;

/// One client's session, shared by the tasks of its requests.
pub(super) struct Session {
    pub(super) methods: Methods,
    pub(super) outbox: Outbox,
    /// Answers every request that is left.
    pub(super) abandon: CancellationToken,
    pub(super) link: Option<Link>,
    /// The tasks of calls: they may outlast their requests over a link.
    pub(super) calls: TaskTracker,
    pub(super) engine: Opening,
    pub(super) features: Features,
    facts: ServerFacts,
    room: Arc<Semaphore>,
    /// The tasks of requests.
    tasks: TaskTracker,
    questions: Arc<Questions>,
    /// Where the client is known as one that can be asked.
    registration: OnceLock<Registration>,
    /// Requests that are being worked on, by a number of ours: a client may use an id twice.
    in_flight: Mutex<HashMap<u64, (Id, CancellationToken)>>,
    next: AtomicU64,
    initialized: AtomicBool,
    shut_down: AtomicBool,
    input_ended: AtomicBool,
    listening: AtomicBool,
    /// Withdraws every request, as `$/cancelRequest` would.
    withdraw: CancellationToken,
    /// Ends the passing on of notifications.
    silence: CancellationToken,
}

/// The answer to a message.
enum Answer {
    /// Here it is.
    Now(String),
    /// It has to be worked for.
    Later(BoxFuture<'static, Reply>),
}

impl Answer {
    async fn when_done(self) -> Reply {
        match self {
            Self::Now(text) => text.into(),
            Self::Later(reply) => reply.await,
        }
    }
}

/// An answer on its way out. What waits until it is on its way waits for the drop of `_then`.
pub(super) struct Reply {
    text: String,
    _then: Option<oneshot::Sender<()>>,
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self { text, _then: None }
    }
}

impl Session {
    pub(super) fn new(
        methods: Methods,
        engine: Opening,
        outbox: Outbox,
        options: &super::Options,
    ) -> Arc<Self> {
        let link = options.link.clone();
        let calls = link
            .as_ref()
            .map_or_else(TaskTracker::new, |link| link.begun.clone());
        let mut methods = methods;
        let features = Features::new();
        let more = features.methods(engine.clone(), outbox.clone(), calls.clone());
        if let Err(error) = methods.merge(more) {
            tracing::error!(%error, "a method is bound twice");
        }
        let this = Arc::new(Self {
            methods,
            features,
            questions: Questions::new(outbox.clone()),
            registration: OnceLock::new(),
            outbox,
            abandon: CancellationToken::new(),
            calls,
            link,
            engine,
            facts: options.facts.clone(),
            room: Arc::new(Semaphore::new(ROOM as usize)),
            tasks: TaskTracker::new(),
            in_flight: Mutex::default(),
            next: AtomicU64::new(0),
            initialized: AtomicBool::new(false),
            shut_down: AtomicBool::new(false),
            input_ended: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            // What outlasts its client is still withdrawn when the program ends.
            withdraw: options.stop.child_token(),
            silence: CancellationToken::new(),
        });
        if let Some(resume) = this.link.as_ref().and_then(|link| link.resume.as_ref()) {
            this.resume(resume);
        }
        this
    }

    /// Goes on where a session was cut off.
    fn resume(self: &Arc<Self>, resume: &Resume) {
        if let Some(params) = &resume.initialize {
            let params = Params::Object(RawValue::from_string(params.to_string()).ok());
            if self.initialize(&params).is_err() {
                tracing::warn!("A session that was cut off cannot go on as it was.");
            }
        }
        if resume.listening && !self.listening.swap(true, Ordering::SeqCst) {
            self.listen_when_open(resume.seq);
        }
    }

    /// Whether `shutdown` was asked.
    pub(super) fn was_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::SeqCst)
    }

    /// Ends all questions of ours: no answers come any more. What is open is asked of another client,
    /// if there is one.
    pub(super) fn hear_no_more(&self) {
        // First: whoever asked looks at once for somebody else.
        if let Some(registration) = self.registration.get() {
            registration.withdraw();
        }
        self.questions.hear_no_more();
    }

    /// Who answers what a request needs to know, if the client can.
    pub(super) fn prompter(&self) -> Option<Arc<dyn Prompter>> {
        self.registration.get().map(Registration::prompter)
    }

    /// Whether a forwarder has told of the end of the client's input.
    pub(super) fn input_has_ended(&self) -> bool {
        self.input_ended.load(Ordering::SeqCst)
    }

    /// Waits until every request has its answer on its way.
    pub(super) async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Withdraws every request.
    pub(super) fn withdraw_all(&self) {
        self.withdraw.cancel();
    }

    /// Answers every request that is left, and tells nothing more.
    pub(super) fn abandon_all(&self) {
        self.abandon.cancel();
        self.silence.cancel();
    }

    /// Takes one frame; waits while too much is being worked on. Says whether it was `exit`.
    pub(super) async fn receive(self: &Arc<Self>, text: &str) -> bool {
        if let Some(link) = &self.link {
            link.guest.touch();
        }
        let cost = u32::try_from(text.len() / (64 * 1024)).map_or(ROOM, |cost| cost + 1);
        let room = Arc::clone(&self.room).acquire_many_owned(cost.min(ROOM));
        let Ok(room) = room.await else {
            return true;
        };
        match message::read(text) {
            Incoming::One(one) => self.receive_one(one, room).await,
            Incoming::Batch(batch) => self.receive_batch(batch, room),
        }
    }

    async fn receive_one(self: &Arc<Self>, one: Message, room: OwnedSemaphorePermit) -> bool {
        let (answer, exit) = self.begin(one);
        match answer {
            None => {}
            // At once, so that such answers keep the order of their requests. A client that is gone
            // is noticed by the server.
            Some(Answer::Now(text)) => drop(self.outbox.send(text).await),
            Some(Answer::Later(answer)) => {
                let outbox = self.outbox.clone();
                self.tasks.spawn(async move {
                    let reply = answer.await;
                    let _ = outbox.send(reply.text).await;
                    drop(room);
                });
            }
        }
        exit
    }

    fn receive_batch(self: &Arc<Self>, batch: Vec<Message>, room: OwnedSemaphorePermit) -> bool {
        let mut exit = false;
        let mut answers = Vec::new();
        for one in batch {
            let (answer, exits) = self.begin(one);
            exit |= exits;
            answers.extend(answer.map(|answer| self.tasks.spawn(answer.when_done())));
        }
        if !answers.is_empty() {
            let outbox = self.outbox.clone();
            self.tasks.spawn(async move {
                let replies: Vec<Reply> = join_all(answers).await.into_iter().flatten().collect();
                let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
                let _ = outbox.send(format!("[{}]", texts.join(","))).await;
                drop(room);
            });
        }
        exit
    }

    /// Begins with one message: gives its answer, if it gets one, and says whether it was `exit`.
    /// What must happen in the order of arrival happens before this returns.
    fn begin(self: &Arc<Self>, one: Message) -> (Option<Answer>, bool) {
        match one {
            Message::Request(request) => (Some(self.answer(request)), false),
            Message::Notification(note) => (None, self.take_note(&note)),
            Message::Bad(answer) => (Some(Answer::Now(answer)), false),
            Message::Answer(answer) => {
                self.questions.take(answer);
                (None, false)
            }
        }
    }

    fn answer(self: &Arc<Self>, request: Request) -> Answer {
        if let Some(registration) = self.registration.get() {
            registration.touch();
        }
        let id = request.id.clone();
        if self.was_shut_down() {
            let why = "The server has been shut down; only `exit` is left.";
            return Answer::Now(message::invalid(&id, why));
        }
        match request.method.as_str() {
            Initialize::NAME => Answer::Now(match self.initialize(&request.params) {
                Ok(result) => message::success(&id, &result),
                Err(error) => message::failure(&id, &error),
            }),
            Shutdown::NAME => {
                self.shut_down.store(true, Ordering::SeqCst);
                Answer::Now(message::success(&id, &()))
            }
            Subscribe::NAME => {
                let this = Arc::clone(self);
                let subscribed = async move {
                    let answer = this.subscribe(&id).await;
                    answer.unwrap_or_else(|error| {
                        failure::log(Subscribe::NAME, &error);
                        message::failure(&id, &failure::object(&error)).into()
                    })
                };
                Answer::Later(subscribed.boxed())
            }
            name if self.methods.method(name).is_none() => {
                Answer::Now(message::failure(&id, &failure::no_such_method(name)))
            }
            name if lsp::REQUESTS.contains(&name) && !self.initialized.load(Ordering::SeqCst) => {
                let hint = "Language features are for sessions that sent `initialize`.";
                let error = refusal(NOT_INITIALIZED, "The session is not initialized.", hint);
                Answer::Now(message::failure(&id, &error))
            }
            _ => Answer::Later(Work::new(self, request).run().boxed()),
        }
    }

    fn initialize(&self, params: &Params) -> Result<InitializeResult, ErrorObjectOwned> {
        let text = params.text();
        let params: InitializeParams =
            rpc::from_text(text).map_err(|error| failure::object(&error))?;
        if self.initialized.swap(true, Ordering::SeqCst) {
            return Err(refusal(
                INVALID_REQUEST,
                "The session was initialized before.",
                "Send `initialize` once.",
            ));
        }
        self.features.learn(text);
        let options = params.initialization_options.unwrap_or_default();
        if options.can_prompt == Some(true) {
            let person = Arc::new(Person(Arc::downgrade(&self.questions)));
            self.registration
                .get_or_init(|| self.engine.prompts().register(person));
        }
        if let Some(ClientInfo { name, version }) = options.client.or(params.client_info) {
            tracing::info!(name, version, "a client is here");
            if let Some(link) = &self.link {
                link.guest.introduce(&name);
            }
        }
        Ok(InitializeResult {
            capabilities: language::capabilities(),
            server_info: ServerInfo {
                name: env!("CARGO_PKG_NAME").into(),
                version: env!("CARGO_PKG_VERSION").into(),
            },
            namdrunner: self.facts.clone(),
        })
    }

    /// Takes a notification; says whether it was `exit`. Unknown ones are ignored, as LSP has it.
    fn take_note(self: &Arc<Self>, note: &Request) -> bool {
        match note.method.as_str() {
            Initialized::NAME => {
                if self.initialized.load(Ordering::SeqCst)
                    && !self.listening.swap(true, Ordering::SeqCst)
                {
                    self.listen_when_open(None);
                }
            }
            END_OF_INPUT if self.link.is_some() => {
                self.input_ended.store(true, Ordering::SeqCst);
                return true;
            }
            CancelRequest::NAME => self.cancel(&note.params),
            ExitNow::NAME => return true,
            name if method(name).is_some() => tracing::warn!(
                "A {name} without an id was ignored: nobody could have been told how it went."
            ),
            name => self.hear(name, note.params.text()),
        }
        false
    }

    fn cancel(&self, params: &Params) {
        #[derive(Deserialize)]
        struct Withdrawn<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
        }
        let withdrawn: Option<Withdrawn<'_>> = serde_json::from_str(params.text()).ok();
        let Some(id) = withdrawn.and_then(|withdrawn| Id::read(withdrawn.id)) else {
            tracing::warn!("A $/cancelRequest without the id of a request was ignored.");
            return;
        };
        let in_flight = self.in_flight.lock();
        let in_flight = in_flight.unwrap_or_else(PoisonError::into_inner);
        for (_, token) in in_flight.values().filter(|(other, _)| *other == id) {
            token.cancel();
        }
    }

    /// Notes that a request is being worked on: its number, and the token that withdraws it.
    pub(super) fn enter(&self, id: &Id) -> (u64, CancellationToken) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let token = self.withdraw.child_token();
        let in_flight = self.in_flight.lock();
        let mut in_flight = in_flight.unwrap_or_else(PoisonError::into_inner);
        in_flight.insert(number, (id.clone(), token.clone()));
        (number, token)
    }

    /// Notes that a request has its answer.
    pub(super) fn leave(&self, number: u64) {
        let in_flight = self.in_flight.lock();
        let mut in_flight = in_flight.unwrap_or_else(PoisonError::into_inner);
        in_flight.remove(&number);
    }

    async fn subscribe(self: &Arc<Self>, id: &Id) -> Result<Reply> {
        let engine = self.engine.engine().await?;
        let events = engine.events();
        let (store_id, seq) = engine.store_position()?;
        let result = SubscribeResult {
            seq,
            store_id: store_id.clone(),
        };
        let text = message::success(id, &result);
        if self.listening.swap(true, Ordering::SeqCst) {
            return Ok(text.into());
        }
        // Nothing is told before the answer.
        let (then, answered) = oneshot::channel();
        let this = Arc::clone(self);
        self.in_background(async move {
            let _ = answered.await;
            notices::tell_locked_out(&engine, &this.outbox).await;
            this.pass_on(events, Told { engine, store_id }, seq).await;
        });
        Ok(Reply {
            text,
            _then: Some(then),
        })
    }

    /// Tells a client what happens, from when the engine is open, or since a change.
    fn listen_when_open(self: &Arc<Self>, since: Option<u64>) {
        let this = Arc::clone(self);
        self.in_background(async move {
            let mut outcomes = this.engine.outcomes();
            let engine = loop {
                match outcomes.next().await {
                    Ok(engine) => break engine,
                    Err(error) => this.tell_error(&error).await,
                }
            };
            let events = engine.events();
            match engine.store_position() {
                Ok((store_id, seq)) => {
                    let told = Told { engine, store_id };
                    notices::tell_locked_out(&told.engine, &this.outbox).await;
                    match since.filter(|since| *since < seq) {
                        Some(since) => {
                            let outbox = this.outbox.clone();
                            let _ = notices::pass_on_since(events, told, since, outbox).await;
                        }
                        None => this.pass_on(events, told, seq).await,
                    }
                }
                Err(error) => {
                    this.listening.store(false, Ordering::SeqCst);
                    this.tell_error(&error).await;
                }
            }
        });
    }

    async fn pass_on(&self, events: Receiver<Event>, told: Told, seq: u64) {
        // A client that is gone is noticed by the server.
        let _ = notices::pass_on(events, told, seq, self.outbox.clone()).await;
    }

    async fn tell_error(&self, error: &Error) {
        let hint = error.hint.as_deref().unwrap_or_default();
        let message = notification::<OnLogMessage>(&LogMessage {
            level: 1,
            message: format!("{error} {hint}").trim_end().to_owned(),
        });
        let _ = self.outbox.send(message).await;
    }

    pub(super) fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let silence = self.silence.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = silence.cancelled() => {}
                () = work => {}
            }
        });
    }
}
