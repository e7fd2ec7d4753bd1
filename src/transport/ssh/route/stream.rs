//! The bytes to a host: by TCP, through a command, or through another host.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::config::Target;
use super::Route;
use crate::transport::TransportError;

/// Both directions.
pub(super) type Stream = Box<dyn Duplex>;

/// Bytes in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Duplex for T {}

/// Connects to the first address of the host that answers.
pub(super) async fn tcp(target: &Target) -> Result<Stream, TransportError> {
    let deadline = Instant::now() + target.connect_timeout;
    let place = target.place();
    let unreachable =
        |why: String| TransportError::Unreachable(format!("{place} cannot be reached: {why}"));
    let late = || {
        let seconds = target.connect_timeout.as_secs_f32();
        unreachable(format!(
            "no answer within {seconds} s; check the network or VPN"
        ))
    };
    let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
    let addresses: Vec<SocketAddr> = timeout_at(deadline, lookup)
        .await
        .map_err(|_| late())?
        .map_err(|error| unreachable(format!("its name is not found ({error})")))?
        .filter(|address| target.family.is_none_or(|v6| address.is_ipv6() == v6))
        .collect();
    let mut last = late();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        // One silent address must not use up the time of the others.
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left -= 1;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot turn off the delay of small packets");
                }
                return Ok(Box::new(stream));
            }
            Ok(Err(error)) => last = unreachable(format!("{error} ({address})")),
            Err(_) => last = late(),
        }
    }
    Err(last)
}

/// A channel of a host on the way.
pub(super) async fn through(hop: &Route, target: &Target) -> Result<Stream, TransportError> {
    let (place, over) = (target.place(), hop.target.place());
    let port = u32::from(target.port);
    let opened = hop
        .handle
        .channel_open_direct_tcpip(&target.host, port, "127.0.0.1", 0);
    match timeout(target.connect_timeout, opened).await {
        Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
        Ok(Err(error)) => Err(TransportError::Unreachable(format!(
            "{over} does not lead on to {place}: {error}"
        ))),
        Err(_) => Err(TransportError::Unreachable(format!(
            "{over} does not say whether it reaches {place}"
        ))),
    }
}

/// A command whose input and output are the bytes.
pub(super) struct Command {
    _child: Child,
    said: Arc<Mutex<String>>,
}

/// Complaints of a command that are kept.
const KEPT: usize = 2000;

/// How long is waited for what an ended command has to say.
const TO_SAY: Duration = Duration::from_millis(500);

/// Starts a command.
pub(super) fn command(target: &Target, line: &str) -> Result<(Stream, Command), TransportError> {
    let failed = |why: String| {
        TransportError::Unreachable(format!(
            "the ProxyCommand of {} cannot be run: {why}",
            target.place()
        ))
    };
    let mut child = tokio::process::Command::new("sh")
        // `exec`, as ssh does: what is killed is the command and not a shell before it.
        .args(["-c", &format!("exec {line}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("it has no input or output".to_owned()));
    };
    let said = Arc::new(Mutex::new(String::new()));
    if let Some(complaints) = child.stderr.take() {
        tokio::spawn(listen(complaints, Arc::clone(&said)));
    }
    let stream = tokio::io::join(output, input);
    Ok((
        Box::new(stream),
        Command {
            _child: child,
            said,
        },
    ))
}

async fn listen(mut complaints: ChildStderr, said: Arc<Mutex<String>>) {
    let mut buffer = [0; 512];
    while let Ok(read @ 1..) = complaints.read(&mut buffer).await {
        let text = String::from_utf8_lossy(buffer.get(..read).unwrap_or_default());
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < KEPT {
            said.push_str(&text);
        }
    }
}

impl Command {
    /// Its complaints in brackets, if it had any.
    pub(super) async fn last_words(&self) -> String {
        // They come by another way than the end of its output.
        let deadline = Instant::now() + TO_SAY;
        loop {
            let said = self.said();
            if !said.is_empty() {
                return format!(" (the ProxyCommand says: {said})");
            }
            if Instant::now() >= deadline {
                return String::new();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said.trim().chars();
        said.map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}
