//! What the contract cannot show: logins, host keys, and what a network does to a connection.

mod duo;
mod faults;
mod logins;
mod people;
mod person;
#[path = "../../../tests/support/proxy.rs"]
mod proxy;
mod routes;
mod server;
mod sessions;
mod transfers;

use std::path::Path;
use std::time::Duration;

use super::{Ssh, SshConfig, SshSettings};
use crate::shell::Command;
use crate::transport::{Transport as _, TransportError};
use server::Server;

/// Settings for a server of the tests' own, through any port.
fn settings(server: &Server, port: u16) -> SshSettings {
    SshSettings {
        port: Some(port),
        known_hosts: vec![server.known_hosts(port)],
        ..crate::transport::contract::ssh_settings()
    }
}

async fn run(ssh: &Ssh, script: &str) -> Result<String, TransportError> {
    ssh.run(&Command::read("test", script))
        .await
        .map(|output| output.text())
}

/// What a connection to these settings ends with at once.
async fn refusal(settings: SshSettings) -> TransportError {
    run(&Ssh::new(settings), "true").await.unwrap_err()
}

fn make_key(path: &Path, kind: &str, passphrase: &str) {
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-C", "test", "-N", passphrase, "-f"])
        .arg(path)
        .args(bits)
        .status();
    assert!(made.unwrap().success());
}

const SOON: Duration = Duration::from_secs(5);
