//! Ssh.
