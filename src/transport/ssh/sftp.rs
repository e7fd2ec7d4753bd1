//! SFTP sessions as lanes for the bytes of large files.
//!
//! Only bytes travel here: names, checksums and permissions are the business of the porter beside
//! it, whose errors have words ("No space left on device" where SFTP says "Failure"). Several lanes,
//! because a server takes 2 MiB of one channel before it answers, which at a round trip of 40 ms is
//! 50 MB/s.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use russh::{ChannelMsg, ChannelOpenFailure};
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::connection::Connection;

/// Lanes of one connection. Five commands, one waiting shell and these are what the usual
/// `MaxSessions` of ten allows.
pub(super) const LANES: usize = 4;

/// Bytes of one request to write: what every server takes (SFTP draft 02, section 3).
pub(super) const PACKET: usize = 32 * 1024;

/// Bytes of one request to read; servers that give less are asked again for the rest.
pub(super) const READ: u32 = 64 * 1024;

/// How long a request may go unanswered. The standstill of a transfer is noticed before.
const TO_ANSWER: u64 = 120;

/// How long a lane may take to open.
const TO_OPEN: Duration = Duration::from_secs(20);

/// Why a request was not granted.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The session is gone, and with it whatever it was asked.
    Gone,
    /// The server says no, in its words.
    Refused(String),
}

/// Why there is no lane.
#[derive(Debug)]
enum NoLane {
    /// The server allows no further session.
    Full,
    /// The connection is gone.
    Gone,
    /// It has no SFTP that works.
    Missing(String),
}

/// One SFTP session.
pub(super) struct Lane {
    session: RawSftpSession,
    _place: OwnedSemaphorePermit,
    /// The connection lives as long as its lanes.
    _connection: Arc<Connection>,
}

/// Opens lanes: as many as are free, as the server allows, and as leave a session for commands. None
/// is no error: the porter can carry the bytes as well.
pub(super) async fn open_lanes(connection: &Arc<Connection>, wanted: usize) -> Vec<Lane> {
    if connection.without_sftp().is_some() {
        return Vec::new();
    }
    let places = (0..wanted).map_while(|_| Arc::clone(connection.lanes()).try_acquire_owned().ok());
    let opened = join_all(places.map(|place| open(connection, place))).await;
    let mut lanes = Vec::new();
    for lane in opened {
        match lane {
            Ok(lane) => lanes.push(lane),
            Err(NoLane::Missing(why)) => connection.note_without_sftp(&why),
            Err(NoLane::Full | NoLane::Gone) => {}
        }
    }
    // What is left must be room for a command, or a look at the queue would wait for the transfer.
    while !lanes.is_empty() && !connection.keeps_room().await {
        lanes.pop();
    }
    lanes
}

async fn open(connection: &Arc<Connection>, place: OwnedSemaphorePermit) -> Result<Lane, NoLane> {
    let opening = async {
        let mut channel = match connection.open_channel().await {
            Ok(channel) => channel,
            Err(russh::Error::ChannelOpenFailure(
                ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
            )) => return Err(NoLane::Full),
            Err(_) => return Err(NoLane::Gone),
        };
        let asked = channel.request_subsystem(true, "sftp").await;
        asked.map_err(|_| NoLane::Gone)?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) => {
                    let _ = channel.close().await;
                    return Err(NoLane::Missing("it offers no SFTP subsystem".to_owned()));
                }
                None => return Err(NoLane::Gone),
                Some(_) => {}
            }
        }
        let config = Config {
            request_timeout_secs: TO_ANSWER,
            ..Config::default()
        };
        let session = RawSftpSession::new_with_config(channel.into_stream(), config);
        match session.init().await {
            Ok(_) => Ok(session),
            Err(error) => Err(NoLane::Missing(format!(
                "its SFTP subsystem does not answer as one ({error})"
            ))),
        }
    };
    let session = timeout(TO_OPEN, opening).await.unwrap_or_else(|_| {
        Err(NoLane::Missing(format!(
            "its SFTP subsystem does not answer within {} s",
            TO_OPEN.as_secs()
        )))
    })?;
    if connection.is_closed() {
        return Err(NoLane::Gone);
    }
    Ok(Lane {
        session,
        _place: place,
        _connection: Arc::clone(connection),
    })
}

impl Lane {
    /// Opens a file that exists, for writing.
    pub(super) async fn open_to_write(&self, path: &str) -> Result<String, Trouble> {
        self.open(path, OpenFlags::WRITE).await
    }

    /// Opens a file for reading.
    pub(super) async fn open_to_read(&self, path: &str) -> Result<String, Trouble> {
        self.open(path, OpenFlags::READ).await
    }

    async fn open(&self, path: &str, flags: OpenFlags) -> Result<String, Trouble> {
        let opened = self
            .session
            .open(path, flags, FileAttributes::empty())
            .await;
        opened.map(|opened| opened.handle).map_err(trouble)
    }

    /// Writes at a place.
    pub(super) async fn write(&self, handle: &str, at: u64, bytes: Vec<u8>) -> Result<(), Trouble> {
        let written = self.session.write(handle, at, bytes).await;
        written.map(drop).map_err(trouble)
    }

    /// Reads exactly this much from a place.
    pub(super) async fn read(
        &self,
        handle: &str,
        at: u64,
        length: usize,
    ) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let rest = u32::try_from(length - bytes.len()).unwrap_or(u32::MAX);
            match self
                .session
                .read(handle, at + bytes.len() as u64, rest.min(READ))
                .await
            {
                Ok(data) if data.data.is_empty() => return Err(shorter()),
                Ok(data) if bytes.is_empty() => bytes = data.data,
                Ok(data) => bytes.extend_from_slice(&data.data),
                Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => {
                    return Err(shorter());
                }
                Err(error) => return Err(trouble(error)),
            }
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Lets go of a file.
    pub(super) async fn close(&self, handle: &str) {
        // Errors of writing were told by the writes.
        let _ = self.session.close(handle).await;
    }
}

fn shorter() -> Trouble {
    Trouble::Refused("it became shorter while it was read".to_owned())
}

fn trouble(error: SftpError) -> Trouble {
    match error {
        SftpError::Status(status) => Trouble::Refused(if status.error_message.is_empty() {
            status.status_code.to_string()
        } else {
            status.error_message
        }),
        SftpError::Limited(why) => Trouble::Refused(why),
        _ => Trouble::Gone,
    }
}
