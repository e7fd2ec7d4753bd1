//! What client and daemon say to one another before a session: JSON, a line each.
//!
//! The client says who it is, the daemon who it is and what it is doing, and the client what it
//! wants: a session, whose bytes follow at once, or one answer. The client decides, since it may be
//! the newer of the two. Fields that are not known are passed over, so that versions can differ;
//! these lines are never given another meaning.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// The longest line, in bytes. `initialize` of a client that comes again is in one.
const MAX_LINE: u64 = 1024 * 1024;
/// How long the other end may take over a line.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Speaker {
    /// The program's version.
    pub version: String,
    /// The version of the protocol that clients are spoken to with.
    pub protocol: u32,
    /// The process.
    pub pid: u32,
}

impl Speaker {
    /// This program in this process.
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: crate::protocol::VERSION,
            pid: std::process::id(),
        }
    }

    /// Whether this is a later version of the program than another.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        numbers(&self.version) > numbers(&other.version)
    }
}

/// The numbers of `1.2.3-rc1+x`; a release is later than what was there before it.
fn numbers(version: &str) -> (Vec<u64>, bool) {
    let version = version.split('+').next().unwrap_or_default();
    let (numbers, before) = version.split_once('-').unwrap_or((version, ""));
    let parse = |part: &str| part.parse().unwrap_or(0);
    (numbers.split('.').map(parse).collect(), before.is_empty())
}

/// What the daemon says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hello {
    #[serde(flatten)]
    pub(super) speaker: Speaker,
    /// Somebody is served, or a step is under way.
    #[serde(default)]
    pub(super) busy: bool,
}

/// What the client wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "want",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Want {
    /// A session; its frames follow.
    Session {
        /// Who it is.
        client: Speaker,
        /// Where a session that was cut off goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
        /// The socket of its SSH agent: the daemon's own may be gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<PathBuf>,
    },
    /// How the daemon is: one line, a `Report`.
    Status,
    /// The daemon's end: one line, a `Parting`.
    Stop {
        /// Only if nobody is served and no step is under way.
        #[serde(default)]
        if_idle: bool,
    },
}

/// Where a session goes on whose daemon was lost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// The parameters of its `initialize`, if it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialize: Option<Value>,
    /// Whether it is told what happens.
    #[serde(default)]
    pub listening: bool,
    /// The last change it was told of, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// What the daemon says when it begins a session. A client that does not hear it was not let in, and
/// has lost nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Welcome {
    /// True.
    pub(super) welcome: bool,
}

/// What the daemon answers to `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parting {
    /// Whether it ends.
    pub(super) leaving: bool,
}

/// Writes a line.
pub(super) async fn say<W: AsyncWrite + Unpin>(
    to: &mut W,
    what: &impl Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

/// Reads a line; no byte after it.
pub(super) async fn hear<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<T> {
    let line = timeout(PATIENCE, line(from))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(serde_json::from_slice(&line)?)
}

async fn line(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut from = from.take(MAX_LINE);
    loop {
        // The reader holds a buffer: byte by byte costs nothing.
        match from.read_u8().await? {
            b'\n' => return Ok(line),
            byte => line.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Speaker {
        Speaker {
            version: text.into(),
            ..Speaker::this()
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (newer, older) in [
            ("0.10.0", "0.9.9"),
            ("1.0.0", "1.0.0-rc1"),
            ("1.0.1-rc1", "1.0.0"),
            ("2", "1.9"),
        ] {
            assert!(version(newer).is_newer_than(&version(older)), "{newer}");
            assert!(!version(older).is_newer_than(&version(newer)), "{older}");
        }
        assert!(!version("1.0.0+a").is_newer_than(&version("1.0.0+b")));
    }

    #[tokio::test]
    async fn lines_end_where_they_end_and_strange_fields_are_passed_over() {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        ours.write_all(b"{\"want\":\"status\",\"later\":1}\nrest")
            .await
            .unwrap();
        let want: Want = hear(&mut theirs).await.unwrap();
        assert_eq!(want, Want::Status);
        let mut rest = [0; 4];
        theirs.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"rest");
    }

    fn text(what: &impl Serialize) -> String {
        serde_json::to_string(what).unwrap()
    }

    #[test]
    fn the_lines_are_as_they_were() {
        let hello = Hello {
            speaker: Speaker {
                version: "1.2.3".into(),
                protocol: 1,
                pid: 9,
            },
            busy: true,
        };
        assert_eq!(
            text(&hello),
            r#"{"version":"1.2.3","protocol":1,"pid":9,"busy":true}"#
        );
        assert_eq!(text(&Want::Status), r#"{"want":"status"}"#);
        assert_eq!(
            text(&Want::Stop { if_idle: true }),
            r#"{"want":"stop","ifIdle":true}"#
        );
        let resume = Resume {
            initialize: None,
            listening: true,
            seq: Some(4),
        };
        assert_eq!(
            text(&Want::Session {
                client: hello.speaker,
                resume: Some(resume),
                agent: Some("/run/agent".into()),
            }),
            r#"{"want":"session","client":{"version":"1.2.3","protocol":1,"pid":9},"resume":{"listening":true,"seq":4},"agent":"/run/agent"}"#
        );
    }
}
