//! A small client of the binary, newline-delimited.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub struct Client {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    next: u64,
}

impl Client {
    /// A server of its own.
    pub fn start(home: &Path) -> Self {
        Self::of(
            Command::new(env!("CARGO_BIN_EXE_namdrunner")).args(["serve", "--standalone"]),
            home,
        )
    }

    /// As an editor starts it: a forwarder to the daemon, which it starts where there is none.
    pub fn through_daemon(home: &Path) -> Self {
        Self::of(
            Command::new(env!("CARGO_BIN_EXE_namdrunner")).env("NAMDRUNNER_LINGER", "0s"),
            home,
        )
    }

    fn of(command: &mut Command, home: &Path) -> Self {
        let mut child = command
            .env("NAMDRUNNER_HOME", home)
            .env("NAMDRUNNER_MIN_SYNC_SECONDS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            next: 1,
        }
    }

    /// One request; returns the result (or the error object) and how long it took.
    pub fn call(&mut self, method: &str, params: &Value) -> (Value, Duration) {
        let id = self.next;
        self.next += 1;
        let text = format!(
            "{}\n",
            json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
        );
        let begun = Instant::now();
        self.stdin.write_all(text.as_bytes()).unwrap();
        self.stdin.flush().unwrap();
        loop {
            let mut line = String::new();
            assert!(
                self.stdout.read_line(&mut line).unwrap() > 0,
                "the server ended"
            );
            let took = begun.elapsed();
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                let value = message.get("result").or(message.get("error")).unwrap();
                return (value.clone(), took);
            }
        }
    }

    pub fn ok(&mut self, method: &str, params: &Value) -> (Value, Duration) {
        let (value, took) = self.call(method, params);
        assert!(
            value.get("code").is_none() || value.get("message").is_none(),
            "{method}: {value}"
        );
        (value, took)
    }

    /// Its process.
    pub fn pid(&self) -> u64 {
        u64::from(self.child.id())
    }

    /// Resident memory in MiB (Linux).
    pub fn resident_mib(&self) -> Option<f64> {
        resident_mib(self.pid())
    }
}

/// Resident memory of a process in MiB (Linux).
pub fn resident_mib(pid: u64) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
