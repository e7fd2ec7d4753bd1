//! A client of the server: over the real binary, or over a pipe in memory.
//!
//! It reads all the time, so that a test never blocks the server by accident, and keeps what it
//! reads until somebody asks for it. When it is dropped, every message must have been asked for or
//! be of a kind that was explicitly ignored.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use namdrunner::rpc::{self, Opening};
use namdrunner::server::framing::{Frames, Framing};
use namdrunner::server::{Exit, Options, serve_methods};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long anything may take before a test fails. Long, since machines that test are slow.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The program: the one that was built with the tests, or another one, named by
/// `NAMDRUNNER_TEST_BINARY` (a release build, an installed one).
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("NAMDRUNNER_TEST_BINARY")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_namdrunner").into())
        .into()
}

/// The program with all its files below `home`. A daemon that it starts ends with its last client,
/// unless a test says otherwise: none is left behind.
pub(crate) fn program(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .env("NAMDRUNNER_HOME", home)
        .env("NAMDRUNNER_LINGER", "0s")
        .kill_on_drop(true);
    command
}

/// One client.
pub(crate) struct Client {
    writer: Option<Box<dyn AsyncWrite + Unpin + Send>>,
    inbox: mpsc::UnboundedReceiver<Value>,
    kept: VecDeque<Value>,
    ignored: Vec<String>,
    framing: Framing,
    next: u64,
    pending: Vec<u64>,
    at_ease: bool,
    server: Server,
}

enum Server {
    Process { child: Box<Child>, stderr: PathBuf },
    Task(JoinHandle<Exit>),
}

impl Client {
    /// Over the real binary, a server of its own, with all its files below `home`.
    pub(crate) fn spawn(home: &Path) -> Self {
        Self::spawn_with(home, |_| {})
    }

    /// Over the real binary, as editors start it: through the daemon.
    pub(crate) fn through_daemon(home: &Path) -> Self {
        Self::through_daemon_with(home, |_| {})
    }

    /// The same, with more environment.
    pub(crate) fn through_daemon_with(home: &Path, with: impl FnOnce(&mut Command)) -> Self {
        Self::start_process(home, program(home), with)
    }

    /// The same, of a program that stands somewhere else.
    pub(crate) fn through_daemon_of(at: &Path, home: &Path) -> Self {
        let mut command = Command::new(at);
        command
            .env("NAMDRUNNER_HOME", home)
            .env("NAMDRUNNER_LINGER", "0s")
            .kill_on_drop(true);
        Self::start_process(home, command, |_| {})
    }

    /// The same, with more arguments or environment.
    pub(crate) fn spawn_with(home: &Path, with: impl FnOnce(&mut Command)) -> Self {
        let mut command = program(home);
        command.args(["serve", "--standalone"]);
        Self::start_process(home, command, with)
    }

    fn start_process(home: &Path, mut command: Command, with: impl FnOnce(&mut Command)) -> Self {
        std::fs::create_dir_all(home).expect("the home can be written");
        let stderr = home.join("stderr.txt");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).expect("the home can be written"));
        with(&mut command);
        let mut child = command.spawn().expect("the binary starts");
        let reader = child.stdout.take().expect("stdout is piped");
        let writer = child.stdin.take().expect("stdin is piped");
        Self::over(
            reader,
            writer,
            Server::Process {
                child: Box::new(child),
                stderr,
            },
        )
    }

    /// Over a pipe in memory.
    pub(crate) fn in_memory(engine: Opening) -> Self {
        Self::in_memory_with(rpc::methods(engine.clone()), engine, Options::default())
    }

    /// The same, with other methods or options.
    pub(crate) fn in_memory_with(
        methods: jsonrpsee::Methods,
        engine: Opening,
        options: Options,
    ) -> Self {
        Self::over_pipe(|reader, writer| serve_methods(reader, writer, methods, engine, options))
    }

    /// Over a pipe in memory, with what serves its other end.
    pub(crate) fn over_pipe<F>(
        serve: impl FnOnce(ReadHalf<DuplexStream>, WriteHalf<DuplexStream>) -> F,
    ) -> Self
    where
        F: Future<Output = Exit> + Send + 'static,
    {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(theirs);
        let server = tokio::spawn(serve(reader, writer));
        let (reader, writer) = tokio::io::split(ours);
        Self::over(reader, writer, Server::Task(server))
    }

    fn over(
        reader: impl AsyncRead + Unpin + Send + 'static,
        writer: impl AsyncWrite + Unpin + Send + 'static,
        server: Server,
    ) -> Self {
        let (found, inbox) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut frames = Frames::new(reader, usize::MAX);
            while let Ok(Some(frame)) = frames.next().await {
                // The last words of a server that was killed may break off.
                let Ok(text) = frame else { break };
                let message = serde_json::from_str(&text).expect("the server writes JSON");
                if found.send(message).is_err() {
                    break;
                }
            }
        });
        Self {
            writer: Some(Box::new(writer)),
            inbox,
            kept: VecDeque::new(),
            ignored: Vec::new(),
            framing: Framing::ContentLength,
            next: 1,
            pending: Vec::new(),
            at_ease: false,
            server,
        }
    }

    /// Speaks newline-delimited JSON from now on; only before the first message.
    pub(crate) fn in_lines(mut self) -> Self {
        self.framing = Framing::Lines;
        self
    }

    /// Passes over all notifications of a method, those that are kept included.
    pub(crate) fn ignore(&mut self, method: &str) {
        self.kept.retain(|message| message["method"] != method);
        self.ignored.push(method.to_owned());
    }

    /// Lets messages that nobody asked for be: for tests whose subject is the cluster, not the wire.
    pub(crate) fn at_ease(&mut self) {
        self.at_ease = true;
    }

    /// Waits at most so long for any notification, and drops it.
    pub(crate) async fn wait_for_news(&mut self, patience: Duration) {
        if self.kept.pop_front().is_none() {
            let _ = timeout(patience, self.inbox.recv()).await;
        }
    }

    /// Drops what has been kept: what is expected next must come from now on.
    pub(crate) fn forget_news(&mut self) {
        self.kept.clear();
        while self.inbox.try_recv().is_ok() {}
    }

    /// Drops what has been kept of changes up to a number.
    pub(crate) fn forget_news_before(&mut self, seq: u64) {
        self.kept
            .retain(|message| message["params"]["seq"].as_u64().is_some_and(|of| of > seq));
    }

    /// Ends the process at once, as `kill -9` does, if it has not ended.
    pub(crate) async fn kill(&mut self) {
        self.at_ease = true;
        if let Server::Process { child, .. } = &mut self.server
            && child.id().is_some()
        {
            child.kill().await.expect("the server can be killed");
        }
    }

    /// Waits until the process is gone, however it ended.
    pub(crate) async fn wait_for_death(&mut self) {
        self.at_ease = true;
        if let Server::Process { child, .. } = &mut self.server {
            let _ = timeout(PATIENCE, child.wait())
                .await
                .expect("the server ends");
        }
    }

    /// Ends the input and waits until the process is gone; says whether it ended well.
    pub(crate) async fn leave(&mut self) -> bool {
        self.at_ease = true;
        self.close_input().await;
        let Server::Process { child, .. } = &mut self.server else {
            return true;
        };
        let ended = timeout(PATIENCE, child.wait())
            .await
            .expect("the server ends");
        ended.expect("the server can be waited for").success()
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().expect("the input is open");
        writer.write_all(bytes).await.expect("the server reads");
        writer.flush().await.expect("the server reads");
    }

    /// Sends a text as one frame.
    pub(crate) async fn send_text(&mut self, text: &str) {
        let mut frame = Vec::new();
        self.framing.write(text, &mut frame);
        self.send_bytes(&frame).await;
    }

    /// Sends a notification.
    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.send_text(&message.to_string()).await;
    }

    /// Sends a request; [`Client::answer`] waits for its answer.
    pub(crate) async fn start(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        self.pending.push(id);
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send_text(&message.to_string()).await;
        id
    }

    /// Waits for the answer to a request: its result, or its error object.
    pub(crate) async fn answer(&mut self, id: u64) -> Result<Value, Value> {
        let mut message = self
            .take(|message| message.get("method").is_none() && message["id"] == json!(id))
            .await
            .unwrap_or_else(|| panic!("the server ended without an answer to {id}"));
        self.forget(id);
        match message.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(message["result"].take()),
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.start(method, params).await;
        self.answer(id).await
    }

    /// As [`Client::start`], for a server that may be gone.
    pub(crate) async fn try_start(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mut frame = Vec::new();
        self.framing.write(&message.to_string(), &mut frame);
        if let Some(writer) = self.writer.as_mut() {
            // A server that is gone does not read; its missing answer tells.
            let _ = writer.write_all(&frame).await;
            let _ = writer.flush().await;
        }
        id
    }

    /// As [`Client::answer`]; none if the server ended first.
    pub(crate) async fn try_answer(
        &mut self,
        id: u64,
        patience: Duration,
    ) -> Option<Result<Value, Value>> {
        let fits = |message: &Value| message.get("method").is_none() && message["id"] == json!(id);
        let deadline = tokio::time::Instant::now() + patience;
        let mut message = match self.kept.iter().position(fits) {
            Some(at) => self.kept.remove(at)?,
            None => loop {
                let message = tokio::time::timeout_at(deadline, self.inbox.recv())
                    .await
                    .unwrap_or_else(|_| panic!("no answer to {id} within {patience:?}"))?;
                if fits(&message) {
                    break message;
                }
                self.keep(message);
            },
        };
        Some(match message.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(message["result"].take()),
        })
    }

    /// Opens an LSP session.
    pub(crate) async fn initialize(&mut self) -> Value {
        let result = self
            .request("initialize", json!({"capabilities": {}}))
            .await;
        self.notify("initialized", json!({})).await;
        result.expect("initialize has a result")
    }

    /// Waits for a notification; gives its params.
    pub(crate) async fn expect_notification(&mut self, method: &str) -> Value {
        self.expect_notification_where(method, |_| true).await
    }

    /// Waits for a notification whose params fit; those that do not stay to be asked for.
    pub(crate) async fn expect_notification_where(
        &mut self,
        method: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut message = self
            .take(|message| message["method"] == method && fits(&message["params"]))
            .await
            .unwrap_or_else(|| panic!("the server ended without a {method}"));
        message["params"].take()
    }

    /// Waits for the next message of any kind; none at the end.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        let message = self.take(|_| true).await?;
        if let Some(id) = message["id"].as_u64() {
            self.forget(id);
        }
        Some(message)
    }

    /// The first message that fits, of those that are kept and those to come.
    pub(crate) async fn take(&mut self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        if let Some(at) = self.kept.iter().position(&fits) {
            return self.kept.remove(at);
        }
        loop {
            let message = timeout(PATIENCE, self.inbox.recv())
                .await
                .unwrap_or_else(|_| panic!("nothing came; kept: {:?}", self.kept))?;
            if fits(&message) {
                return Some(message);
            }
            self.keep(message);
        }
    }

    /// The first notification of a method that has come already.
    pub(crate) fn take_now(&mut self, method: &str) -> Option<Value> {
        while let Ok(message) = self.inbox.try_recv() {
            self.keep(message);
        }
        let at = self
            .kept
            .iter()
            .position(|message| message["method"] == method)?;
        self.kept.remove(at)
    }

    /// Does not wait for the answer to a request any more.
    pub(crate) fn forget(&mut self, id: u64) {
        self.pending.retain(|pending| *pending != id);
    }

    fn keep(&mut self, message: Value) {
        let method = message["method"].as_str().unwrap_or_default();
        if !self.ignored.iter().any(|ignored| ignored == method) {
            self.kept.push_back(message);
        }
    }

    /// Ends the input.
    pub(crate) async fn close_input(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            let _ = writer.shutdown().await;
        }
    }

    /// Ends the input and waits for the server's end: gives its exit code.
    pub(crate) async fn finish(mut self) -> i32 {
        self.close_input().await;
        self.wait().await
    }

    /// `shutdown` and `exit`, as editors do it: gives the exit code.
    pub(crate) async fn shut_down(mut self) -> i32 {
        self.request("shutdown", json!(null))
            .await
            .expect("shutdown has a result");
        self.notify("exit", json!(null)).await;
        self.wait().await
    }

    /// Waits for the server's end: gives its exit code.
    pub(crate) async fn wait(mut self) -> i32 {
        while let Some(message) = timeout(PATIENCE, self.inbox.recv())
            .await
            .expect("the server closes its output")
        {
            self.keep(message);
        }
        let code = match &mut self.server {
            Server::Process { child, .. } => timeout(PATIENCE, child.wait())
                .await
                .expect("the server ends")
                .expect("the server can be waited for")
                .code()
                .expect("the server ends by itself"),
            Server::Task(task) => timeout(PATIENCE, task)
                .await
                .expect("the server ends")
                .expect("the server does not panic")
                .code()
                .into(),
        };
        drop(self);
        code
    }

    /// The process's id.
    pub(crate) fn process_id(&self) -> Option<u32> {
        match &self.server {
            Server::Process { child, .. } => child.id(),
            Server::Task(_) => None,
        }
    }

    /// What the process has written to stderr.
    pub(crate) fn stderr(&self) -> String {
        match &self.server {
            Server::Process { stderr, .. } => std::fs::read_to_string(stderr).unwrap_or_default(),
            Server::Task(_) => String::new(),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Server::Task(task) = &self.server {
            task.abort();
        }
        if std::thread::panicking() {
            if let Server::Process { stderr, .. } = &self.server {
                let stderr = std::fs::read_to_string(stderr).unwrap_or_default();
                println!("the server's stderr:\n{stderr}");
            }
            return;
        }
        if self.at_ease {
            return;
        }
        while let Ok(message) = self.inbox.try_recv() {
            self.keep(message);
        }
        assert!(
            self.kept.is_empty(),
            "messages that nobody asked for: {:#?}",
            self.kept
        );
        assert!(
            self.pending.is_empty(),
            "requests without an answer: {:?}",
            self.pending
        );
    }
}
