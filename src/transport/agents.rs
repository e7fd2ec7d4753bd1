//! The SSH agents that clients of this process have named.
//!
//! A server in the background keeps the environment of whoever started it. When that login has ended,
//! its `SSH_AUTH_SOCK` names an agent that is gone (a forwarded one, above all), while a client that
//! comes later has one that answers. The environment of a process cannot be changed safely, so what
//! stands in for its `SSH_AUTH_SOCK` is kept here.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

/// How many are remembered.
const MOST: usize = 16;
/// How long one may take to take a connection.
const TO_ANSWER: Duration = Duration::from_secs(1);

/// The newest stands last.
static NAMED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Notes the agent's socket of a client that has come now: it is asked before earlier ones. Must be of
/// the same user; a relative path is nobody's.
pub fn name(socket: &Path) {
    if !socket.is_absolute() {
        return;
    }
    let mut named = named();
    named.retain(|other| other != socket);
    named.push(socket.to_owned());
    let surplus = named.len().saturating_sub(MOST);
    named.drain(..surplus);
}

/// The newest of those that still take connections, before what the environment names.
pub(super) async fn newest() -> Option<PathBuf> {
    let known = named().clone();
    for socket in known.into_iter().rev() {
        let met = timeout(TO_ANSWER, UnixStream::connect(&socket)).await;
        if matches!(met, Ok(Ok(_))) {
            return Some(socket);
        }
    }
    None
}

fn named() -> MutexGuard<'static, Vec<PathBuf>> {
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_that_answers_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let socket = |name: &str| {
            let path = dir.path().join(name);
            (std::os::unix::net::UnixListener::bind(&path).unwrap(), path)
        };
        let (first, at_first) = socket("first");
        let (second, at_second) = socket("second");
        name(&at_first);
        name(&at_second);
        assert_eq!(newest().await, Some(at_second.clone()));
        name(Path::new("relative"));
        name(&at_first);
        assert_eq!(newest().await, Some(at_first.clone()));
        // The file outlives its agent.
        drop(first);
        assert_eq!(newest().await, Some(at_second));
        drop(second);
        assert_eq!(newest().await, None);
        for number in 0..100 {
            name(&dir.path().join(number.to_string()));
        }
        assert_eq!(named().len(), MOST);
    }
}
