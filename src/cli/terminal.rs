//! Asking the person at the terminal, whatever stdin and stdout are used for.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use secrecy::zeroize::Zeroizing;
use tokio::sync::Mutex;

use crate::engine::prompt::{AuthAsk, AuthMethod, Field, HostKeyAsk, Prompter, Secret};

/// The longest answer.
const LONGEST: usize = 4096;

/// The terminal of this process.
pub(super) struct Terminal {
    tty: Arc<File>,
    /// One question at a time.
    turn: Mutex<()>,
}

/// Ends a question that nobody waits for any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Terminal {
    /// The terminal, if this process has one.
    pub(super) fn open() -> Option<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty");
        Some(Self {
            tty: Arc::new(tty.ok()?),
            turn: Mutex::new(()),
        })
    }

    /// Shows a text and reads a line for each prompt; none if the person wants out (Ctrl-C, Ctrl-D).
    async fn lines(&self, shown: String, prompts: Vec<Field>) -> Option<Vec<Secret>> {
        let _turn = self.turn.lock().await;
        let stop = Arc::new(AtomicBool::new(false));
        let _stop = Stop(Arc::clone(&stop));
        let tty = Arc::clone(&self.tty);
        let read = tokio::task::spawn_blocking(move || {
            write(&tty, &shown);
            let prompts = prompts.iter();
            prompts.map(|prompt| line(&tty, prompt, &stop)).collect()
        });
        read.await.ok()?
    }
}

#[async_trait]
impl Prompter for Terminal {
    async fn ask(&self, ask: AuthAsk) -> Option<Vec<Secret>> {
        self.lines(heading(&ask), ask.prompts).await
    }

    async fn confirm(&self, ask: HostKeyAsk) -> bool {
        let question = key_question(&ask);
        let prompts = match ask.known_fingerprint {
            None => vec![Field {
                text: "Is it the right one? Type yes to record it and go on: ".to_owned(),
                echo: true,
            }],
            Some(_) => Vec::new(),
        };
        let answers = self.lines(question, prompts).await.unwrap_or_default();
        answers.first().is_some_and(says_yes)
    }
}

fn says_yes(answer: &Secret) -> bool {
    use crate::engine::prompt::ExposeSecret as _;
    answer.expose_secret().trim().eq_ignore_ascii_case("yes")
}

/// What stands above the prompts.
fn heading(ask: &AuthAsk) -> String {
    let mut text = String::new();
    if ask.method == AuthMethod::KeyboardInteractive {
        let _ = writeln!(text, "{} asks {}:", ask.host, ask.user);
    }
    for part in [&ask.reason, &ask.name, &ask.instructions] {
        if !part.is_empty() {
            let _ = writeln!(text, "{part}");
        }
    }
    printable(&text)
}

fn key_question(ask: &HostKeyAsk) -> String {
    let HostKeyAsk {
        host,
        port,
        algorithm,
        fingerprint,
        ..
    } = ask;
    let text = match &ask.known_fingerprint {
        None => format!(
            "The host key of {host} (port {port}) is not known:\n  {algorithm} {fingerprint}\n\
             Compare it with the one the site publishes.\n"
        ),
        Some(known) => format!(
            "THE HOST KEY OF {host} (port {port}) HAS CHANGED:\n  {algorithm} {fingerprint}\n\
             recorded is\n  {known}\nSomebody may be listening in. Nothing was sent.\n"
        ),
    };
    printable(&text)
}

/// Without the control characters that would play with the terminal.
fn printable(text: &str) -> String {
    let plain = text.chars();
    plain
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// Errors mean that the terminal is gone, and reading ends as well.
fn write(mut tty: &File, text: &str) {
    let _ = tty.write_all(text.as_bytes());
    let _ = tty.flush();
}

/// The terminal as it was, restored when this is dropped.
struct Restore<'a>(&'a File, Termios);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(self.0, OptionalActions::Flush, &self.1);
    }
}

/// Reads one line. The terminal gives each key at once, shows nothing and sends no signals, so that
/// nothing can end this process while its terminal is not as it was.
fn line(tty: &File, prompt: &Field, stop: &AtomicBool) -> Option<Secret> {
    let before = rustix::termios::tcgetattr(tty).ok()?;
    let mut quiet = before.clone();
    let _restore = Restore(tty, before);
    quiet
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
    // A read ends without a key after a fifth of a second: time to see whether anybody waits.
    quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
    quiet.special_codes[SpecialCodeIndex::VTIME] = 2;
    rustix::termios::tcsetattr(tty, OptionalActions::Flush, &quiet).ok()?;
    // Only now: whoever answers a prompt at once is neither shown nor lost.
    write(tty, &printable(&prompt.text));
    let mut line = Line::default();
    let mut key = Zeroizing::new([0_u8; 1]);
    let mut reader = tty;
    let end = loop {
        if stop.load(Ordering::Relaxed) {
            break End::GaveUp;
        }
        match reader.read(&mut *key) {
            Ok(0) => continue,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break End::GaveUp,
        }
        let [byte] = *key;
        if let Some(end) = line.press(byte) {
            break end;
        }
        if prompt.echo {
            let text = std::str::from_utf8(&line.bytes).map(|text| Zeroizing::new(text.to_owned()));
            // The whole line again: simple, and right after a deletion too.
            let shown = text.as_deref().map_or("", String::as_str);
            let last = printable(prompt.text.lines().last().unwrap_or_default());
            write(tty, &format!("\r\x1b[K{last}{}", printable(shown)));
        }
    };
    write(tty, "\n");
    match end {
        End::Entered => line.secret(),
        End::GaveUp => None,
    }
}

/// How a line ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Entered,
    GaveUp,
}

/// A line as it is typed.
struct Line {
    bytes: Zeroizing<Vec<u8>>,
}

impl Default for Line {
    fn default() -> Self {
        // Of full length from the start: growing would leave copies behind.
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(LONGEST)),
        }
    }
}

impl Line {
    fn press(&mut self, byte: u8) -> Option<End> {
        const CTRL_C: u8 = 3;
        const CTRL_D: u8 = 4;
        const CTRL_U: u8 = 21;
        const BACKSPACE: [u8; 2] = [8, 127];
        match byte {
            b'\n' | b'\r' => return Some(End::Entered),
            CTRL_C => return Some(End::GaveUp),
            CTRL_D if self.bytes.is_empty() => return Some(End::GaveUp),
            CTRL_U => self.bytes.clear(),
            byte if BACKSPACE.contains(&byte) => {
                // A character may be several bytes.
                while self.bytes.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
            }
            byte if byte < b' ' => {}
            byte if self.bytes.len() < LONGEST => self.bytes.push(byte),
            _ => {}
        }
        None
    }

    fn secret(&self) -> Option<Secret> {
        std::str::from_utf8(&self.bytes).ok().map(Secret::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::prompt::ExposeSecret as _;

    fn typed(keys: &str) -> (Option<End>, String) {
        let mut line = Line::default();
        let end = keys.bytes().find_map(|byte| line.press(byte));
        let secret = line.secret().unwrap_or_default();
        (end, secret.expose_secret().to_owned())
    }

    #[test]
    fn lines_are_typed_and_mended() {
        let entered = |text: &str| (Some(End::Entered), text.to_owned());
        assert_eq!(typed("abc\r"), entered("abc"));
        assert_eq!(typed("ab\u{7f}c\n"), entered("ac"));
        assert_eq!(typed("aä\u{8}b\n"), entered("ab"));
        assert_eq!(typed("wrong\u{15}right\n"), entered("right"));
        assert_eq!(typed("\u{7f}\u{1b}x\n"), entered("x"));
        assert_eq!(typed("abc\u{3}").0, Some(End::GaveUp));
        assert_eq!(typed("\u{4}").0, Some(End::GaveUp));
        assert_eq!(typed("a\u{4}\n"), entered("a"));
    }

    #[test]
    fn a_changed_key_is_no_question() {
        let mut ask = HostKeyAsk {
            cluster: "alpha".into(),
            host: "login\u{1b}[2J".into(),
            port: 22,
            algorithm: "ssh-ed25519".into(),
            fingerprint: "SHA256:new".into(),
            known_fingerprint: None,
        };
        assert!(key_question(&ask).contains("is not known"));
        ask.known_fingerprint = Some("SHA256:old".into());
        let text = key_question(&ask);
        assert!(
            text.contains("HAS CHANGED") && text.contains("SHA256:old"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
        assert!(says_yes(&Secret::from(" YES ")) && !says_yes(&Secret::from("y")));
    }
}
