//! `namdrunner demo`: the whole way of a job, shown over the real wire.
//!
//! It starts this program's own server as a child, without a daemon, with a home of its own in a
//! temporary directory, and speaks newline-delimited JSON-RPC with it as a script would: create, submit, and follow the
//! notifications until the job has ended. NAMD is the machine's own if there is one; otherwise the
//! stand-in, which says so.
#![allow(
    clippy::print_stdout,
    reason = "the demo talks to a person; the wire is its child's stdout"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The simulation that the program ships: path in the working directory, content.
const WATER: [(&str, &str); 4] = [
    (
        "equil/water.namd",
        include_str!("demo/water/equil/water.namd"),
    ),
    (
        "common/water.psf",
        include_str!("demo/water/common/water.psf"),
    ),
    (
        "common/water.pdb",
        include_str!("demo/water/common/water.pdb"),
    ),
    (
        "common/tip3p.prm",
        include_str!("demo/water/common/tip3p.prm"),
    ),
];
/// A POSIX shell script that reads a config and writes NAMD's log and files; no physics.
const STAND_IN: &str = include_str!("demo/namd-stand-in");
/// The demo gives up after this long.
const PATIENCE: Duration = Duration::from_mins(2);
/// Widest line of the dialogue that is shown.
const WIDTH: usize = 150;

/// Runs the demo; the exit code is 0 when the job ended COMPLETED.
pub(super) fn run(keep: bool) -> ExitCode {
    match show(keep) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("\nThe demo could not go on: {why}");
            ExitCode::FAILURE
        }
    }
}

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn show(keep: bool) -> Fallible<bool> {
    let dir = std::env::temp_dir().join(format!("namdrunner-demo-{}", std::process::id()));
    let result = play(&dir);
    if keep {
        println!("\nEverything is left in {}.", dir.display());
    } else {
        // The job has ended; nothing of it is worth keeping.
        let _ = std::fs::remove_dir_all(&dir);
    }
    result
}

fn play(dir: &Path) -> Fallible<bool> {
    let config = lay_out(dir)?;
    println!("NAMDRunner demo: a NAMD config becomes a finished job.\n");
    println!("  home     {}", dir.join("home").display());
    println!(
        "  config   {} (216 water molecules, shipped with the program)",
        config.display()
    );
    match find_namd() {
        Some(namd) => println!("  NAMD     {}", namd.display()),
        None => println!(
            "  NAMD     none on PATH: a stand-in is used, which writes NAMD's log and files\n           in NAMD's format and computes no physics"
        ),
    }
    println!("  cluster  local (this machine, no batch system)\n");
    println!("The dialogue, newline-delimited JSON-RPC over the server's stdin and stdout:\n");

    let mut server = Server::start(&dir.join("home"))?;
    server.call(
        "initialize",
        &json!({ "capabilities": {}, "initializationOptions":
            { "client": { "name": "namdrunner demo", "version": env!("CARGO_PKG_VERSION") }, "canPrompt": false } }),
    )?;
    server.notify("initialized", &json!({}))?;
    let created = server.call(
        "createJob",
        &json!({ "configPath": config, "name": "water demo" }),
    )?;
    let id = created
        .pointer("/job/jobId")
        .and_then(Value::as_str)
        .ok_or("no job id")?
        .to_owned();
    server.call("submit", &json!({ "jobId": id }))?;
    let status = server.follow(&id)?;
    let history = server.call("jobHistory", &json!({ "jobId": id }))?;
    let job = server.call("jobStatus", &json!({ "jobId": id }))?;
    print_history(&history);
    if let Some(scratch) = job.pointer("/job/scratchDir").and_then(Value::as_str) {
        print_files(Path::new(scratch));
    }
    server.call("shutdown", &Value::Null)?;
    server.notify("exit", &Value::Null)?;
    server.end()?;
    println!("\nThe job ended {status}.");
    Ok(status == "COMPLETED")
}

/// Writes the simulation, the stand-in if NAMD is missing, and a config.toml that names it.
fn lay_out(dir: &Path) -> Fallible<PathBuf> {
    let work = dir.join("water");
    for (path, text) in WATER {
        let path = work.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    let launch = if let Some(namd) = find_namd() {
        format!(
            "{} +p{{cores}} {{config}} > {{log}} 2>&1",
            crate::shell::quote(&namd.to_string_lossy())
        )
    } else {
        let stand_in = dir.join("namd-stand-in");
        std::fs::write(&stand_in, STAND_IN)?;
        let stand_in = crate::shell::quote(&stand_in.to_string_lossy());
        format!("sh {stand_in} +p{{cores}} {{config}} > {{log}} 2>&1")
    };
    let home = dir.join("home");
    std::fs::create_dir_all(home.join("config"))?;
    let mut local = toml::Table::new();
    local.insert("scheduler".into(), "direct".into());
    local.insert("launch".into(), launch.into());
    let root = |name: &str| toml::Value::from(home.join(name).display().to_string());
    local.insert("project_root".into(), root("projects"));
    local.insert("scratch_root".into(), root("scratch"));
    let clusters = toml::Table::from_iter([("local".to_owned(), toml::Value::Table(local))]);
    let settings = toml::Table::from_iter([("clusters".to_owned(), toml::Value::Table(clusters))]);
    std::fs::write(home.join("config/config.toml"), toml::to_string(&settings)?)?;
    Ok(work.join("equil/water.namd"))
}

fn find_namd() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    ["namd3", "namd2"].into_iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|program| program.is_file())
    })
}

/// The child: this program's own server.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    #[allow(
        clippy::disallowed_types,
        reason = "no runtime here: one thread reads, one waits"
    )]
    messages: mpsc::Receiver<Value>,
    begun: Instant,
    next: u64,
}

impl Server {
    fn start(home: &Path) -> Fallible<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--standalone"])
            .env("NAMDRUNNER_HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let sent = serde_json::from_str(&line).map(|message| sender.send(message));
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Ok(Self {
            child,
            stdin,
            messages,
            begun: Instant::now(),
            next: 1,
        })
    }

    fn send(&mut self, message: &Value) -> Fallible<()> {
        self.show("-->", message);
        let stdin = self.stdin.as_mut().ok_or("the server's input is closed")?;
        stdin.write_all(format!("{message}\n").as_bytes())?;
        stdin.flush()?;
        Ok(())
    }

    fn notify(&mut self, method: &str, params: &Value) -> Fallible<()> {
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        if !params.is_null() {
            message["params"] = params.clone();
        }
        self.send(&message)
    }

    /// One request; notifications that come first are shown on the way.
    fn call(&mut self, method: &str, params: &Value) -> Fallible<Value> {
        let id = self.next;
        self.next += 1;
        let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        if !params.is_null() {
            message["params"] = params.clone();
        }
        self.send(&message)?;
        loop {
            let message = self.receive()?;
            if message.get("id").and_then(Value::as_u64) != Some(id) {
                continue;
            }
            if let Some(error) = message.get("error") {
                return Err(error
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or("failed")
                    .into());
            }
            return Ok(message.get("result").cloned().unwrap_or(Value::Null));
        }
    }

    fn receive(&mut self) -> Fallible<Value> {
        let left = PATIENCE.saturating_sub(self.begun.elapsed());
        let message = self
            .messages
            .recv_timeout(left)
            .map_err(|_| "the server did not answer in time; its log is in the demo's home")?;
        self.show("<--", &message);
        Ok(message)
    }

    /// Follows the notifications until the job has ended; says how.
    fn follow(&mut self, id: &str) -> Fallible<String> {
        loop {
            let message = self.receive()?;
            if message.get("method").and_then(Value::as_str) != Some("jobStatusChanged")
                || message.pointer("/params/jobId").and_then(Value::as_str) != Some(id)
            {
                continue;
            }
            let to = message
                .pointer("/params/to")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if matches!(to, "COMPLETED" | "FAILED" | "CANCELLED" | "UNKNOWN") {
                return Ok(to.to_owned());
            }
        }
    }

    fn show(&self, arrow: &str, message: &Value) {
        let text = brief(message).to_string();
        let mut shown: String = text.chars().take(WIDTH).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        println!(
            "{:7.3} s {arrow} {shown}",
            self.begun.elapsed().as_secs_f64()
        );
        if let Some(line) = headline(message) {
            println!("            {line}");
        }
    }

    fn end(mut self) -> Fallible<()> {
        drop(self.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// The message with what is long in it left out: whole jobs and whole cluster states.
fn brief(message: &Value) -> Value {
    fn shorten(value: &mut Value) {
        let Some(fields) = value.as_object_mut() else {
            return;
        };
        for (name, inner) in fields {
            let kept: &[&str] = match name.as_str() {
                "job" => &["jobId", "status", "phase"],
                "status" if inner.is_object() => &["health"],
                _ => {
                    shorten(inner);
                    continue;
                }
            };
            if let Some(inner) = inner.as_object_mut() {
                inner.retain(|field, _| kept.contains(&field.as_str()));
                inner.insert("…".to_owned(), Value::Null);
            }
        }
    }
    let mut message = message.clone();
    shorten(&mut message);
    message
}

/// What a change of status means, in large.
fn headline(message: &Value) -> Option<String> {
    if message.get("method")? != "jobStatusChanged" {
        return None;
    }
    let params = message.get("params")?;
    let (from, to) = (params.get("from"), params.get("to")?.as_str()?);
    if from.and_then(Value::as_str) == Some(to) {
        return None;
    }
    let name = params.pointer("/job/jobName")?.as_str()?;
    let source = params.get("source")?.as_str()?;
    Some(format!("=== {name} is {to} (witness: {source}) ==="))
}

fn print_history(history: &Value) {
    println!("\n  status     since (UTC)               after      witness");
    println!(
        "  ---------  ------------------------  ---------  -----------------------------------"
    );
    let entries = history
        .get("entries")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for entry in entries.filter(|entry| entry.get("from") != entry.get("to")) {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        let after = entry
            .get("secondsInFrom")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        let evidence: String = text("evidence").chars().take(60).collect();
        println!(
            "  {:<9}  {:<24}  {:>7} s  {}: {}",
            text("to"),
            text("at"),
            after,
            text("source"),
            evidence
        );
    }
}

fn print_files(scratch: &Path) {
    println!("\n  left by the run in {}:", scratch.join("1").display());
    let Ok(entries) = std::fs::read_dir(scratch.join("1/equil")) else {
        return;
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().into_string().ok()?,
                entry.metadata().ok()?.len(),
            ))
        })
        .collect();
    files.sort();
    for (name, bytes) in files {
        println!("  {bytes:>10}  equil/{name}");
    }
}
