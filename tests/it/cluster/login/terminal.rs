//! `call` and `doctor` ask at the terminal: over a real one, which `script` makes.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::rig::{Rig, SECRET, code};
use super::{holding, json};
use crate::support::client::{PATIENCE, binary};

/// A program at a terminal.
struct Typed {
    child: Child,
    keys: Option<ChildStdin>,
    shown: Arc<(Mutex<String>, Condvar)>,
    read: usize,
}

impl Typed {
    fn start(rig: &Rig, arguments: &str) -> Self {
        let mut child = Command::new("script")
            .args(["--quiet", "--flush", "--return", "--command"])
            .arg(format!("exec '{}' {arguments}", binary().display()))
            .arg("/dev/null")
            .env("NAMDRUNNER_HOME", rig.home())
            .env("NAMDRUNNER_LINGER", "0s")
            .env("NAMDRUNNER_LOG", "trace")
            .env("SHELL", "/bin/sh")
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let shown = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (screen, mut output) = (Arc::clone(&shown), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]);
                screen.0.lock().unwrap().push_str(&text);
                screen.1.notify_all();
            }
        });
        Self {
            keys: child.stdin.take(),
            child,
            shown,
            read: 0,
        }
    }

    /// Waits until something is shown behind what was waited for before.
    fn until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let (lock, news) = &*self.shown;
        let mut shown = lock.lock().unwrap();
        loop {
            if let Some(at) = shown[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {text:?} in {shown:?}");
            shown = news.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Answers a prompt as soon as it is shown.
    fn answer(&mut self, prompt: &str, line: &str) {
        self.until(prompt);
        let keys = self.keys.as_mut().unwrap();
        keys.write_all(format!("{line}\r").as_bytes()).unwrap();
        keys.flush().unwrap();
    }

    /// Waits for its end: the exit code, and all that was shown.
    fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code().unwrap();
            }
            let shown = self.shown.0.lock().unwrap().clone();
            assert!(Instant::now() < deadline, "it does not end: {shown}");
            super::super::rig::pause(Duration::from_millis(20));
        };
        drop(self.keys.take());
        let shown = self.shown.0.lock().unwrap().clone();
        (code, shown)
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_call_asks_at_the_terminal() {
    for how in ["", "--standalone"] {
        let rig = Rig::with_code();
        let params = json!({"cluster": "test"});
        let mut call = Typed::start(&rig, &format!("call {how} connect '{params}'"));
        call.until("is not known");
        call.until("SHA256:");
        call.answer("go on: ", "yes");
        call.answer("Password: ", "wrong");
        call.answer("Verification code: ", "000000");
        call.until("The last answer was refused.");
        call.answer("Password: ", SECRET);
        call.answer("Verification code: ", &code());
        call.until("\"health\"");
        let (code, shown) = call.end();
        assert_eq!(code, 0, "{shown}");
        assert!(shown.contains("\"ok\""), "{shown}");
        assert!(
            !shown.contains(SECRET) && !shown.contains("000000"),
            "{shown}"
        );
        assert!(rig.known_hosts().exists());
        assert_eq!(
            holding(rig.dir.path(), SECRET),
            [rig.dir.path().join("check")]
        );
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_call_that_nobody_wants_to_answer_ends_with_the_reason() {
    let rig = Rig::new();
    rig.know_the_host();
    let mut call = Typed::start(&rig, "call connect '{\"cluster\":\"test\"}'");
    // Ctrl-C.
    call.answer("Password: ", "\u{3}");
    let (code, shown) = call.end();
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("authRequired"), "{shown}");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn the_doctor_asks_at_the_terminal() {
    let rig = Rig::with_code();
    let mut doctor = Typed::start(&rig, "doctor test");
    doctor.answer("go on: ", "yes");
    doctor.answer("Password: ", SECRET);
    doctor.answer("Verification code: ", &code());
    let (_, shown) = doctor.end();
    assert!(shown.contains("login"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(rig.sshd_log().contains("Accepted keyboard-interactive"));
    assert_eq!(
        holding(rig.dir.path(), SECRET),
        [rig.dir.path().join("check")]
    );
}
