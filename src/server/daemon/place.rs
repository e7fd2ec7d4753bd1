//! Where the daemon of a store listens, and that nobody else does.
//!
//! The name of the socket is made of the data directory's, so that stores do not meet. It lies in a
//! directory that is this user's alone (0700), and is 0600 itself; both ends ask the kernel who the
//! other is. The lock beside the database decides who may be here (`engine::owner`), so that a
//! socket that is found by the lock's holder is nobody's any more.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::net::{UnixListener, UnixStream};

use crate::config::Home;
use crate::error::{Error, ErrorKind, Result};

/// A place where a daemon can listen.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) socket: PathBuf,
}

/// The places of a store, the best first: the runtime directory, and the machine's directory for
/// temporary files where the former's name is too long (a socket's is at most 103 bytes on macOS,
/// 107 on Linux) or its file system knows no sockets.
pub(super) fn places(home: &Home) -> Vec<Place> {
    let temporary = Path::new("/tmp").join(format!("namdrunner-{}", own_uid()));
    let name = socket_name(&home.data_dir);
    [home.runtime_dir.clone(), temporary]
        .into_iter()
        .map(|dir| Place {
            socket: dir.join(&name),
        })
        .filter(|place| fits(&place.socket))
        .collect()
}

/// `daemon-<hash of the data directory>.sock`. Links are followed, so that all names of a directory
/// are one.
fn socket_name(data_dir: &Path) -> String {
    let real = fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let hash = Sha256::digest(real.as_os_str().as_encoded_bytes());
    let short = hash
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("daemon-{short:016x}.sock")
}

fn fits(socket: &Path) -> bool {
    // 104 bytes hold the name and the zero after it, on the smallest of our platforms.
    socket.as_os_str().len() < 104 && SocketAddr::from_pathname(socket).is_ok()
}

/// Listens at the best place that can be had. The caller holds the store's lock: what is there
/// already is nobody's.
pub(super) fn listen(home: &Home) -> Result<(UnixListener, Place)> {
    let mut why = Vec::new();
    for place in places(home) {
        match listen_at(&place.socket) {
            Ok(listener) => return Ok((listener, place)),
            Err(error) => why.push(format!("{}: {error}", place.socket.display())),
        }
    }
    Err(Error::new(
        ErrorKind::SettingsInvalid,
        format!("No socket can be made for clients. {}.", why.join("; ")),
    )
    .hinted(
        "Make the directory yours alone (chmod 700), set XDG_RUNTIME_DIR to one that is, or start \
         `namdrunner serve --standalone`, which needs none.",
    ))
}

pub(super) fn listen_at(socket: &Path) -> io::Result<UnixListener> {
    make_private(socket.parent().unwrap_or(Path::new("/")))?;
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Makes sure that a directory is there and this user's alone.
fn make_private(dir: &Path) -> io::Result<()> {
    let mut make = fs::DirBuilder::new();
    make.recursive(true).mode(0o700).create(dir)?;
    check_owned(dir)?;
    if fs::symlink_metadata(dir)?.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A directory of somebody else's, or a link that somebody else could turn, is no place.
fn check_owned(dir: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(dir)?;
    if !found.is_dir() {
        return Err(io::Error::other(format!(
            "{} is no directory",
            dir.display()
        )));
    }
    if found.uid() != own_uid() {
        return Err(io::Error::other(format!(
            "{} belongs to another user",
            dir.display()
        )));
    }
    Ok(())
}

/// Connects to who listens at a place, if that is a process of this user's.
pub(super) async fn connect(socket: &Path) -> io::Result<UnixStream> {
    if let Some(dir) = socket.parent() {
        check_owned(dir)?;
    }
    let stream = UnixStream::connect(socket).await?;
    check_peer(&stream)?;
    Ok(stream)
}

/// Whether the other end is a process of this user's.
pub(super) fn check_peer(stream: &UnixStream) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if uid == own_uid() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "the other end belongs to the user with the number {uid}"
        )))
    }
}

pub(super) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// What tells one socket from another at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    pub(super) fn of(socket: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(socket).ok()?;
        Some(Self(found.dev(), found.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(dir: &Path) -> Home {
        Home {
            config_file: dir.join("config.toml"),
            data_dir: dir.join("data"),
            state_dir: dir.join("state"),
            runtime_dir: dir.join("run"),
        }
    }

    #[tokio::test]
    async fn the_socket_is_private_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path());
        let (first, place) = listen(&home).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&place.socket), 0o600);
        assert_eq!(mode(&home.runtime_dir), 0o700);
        connect(&place.socket).await.unwrap();
        drop(first);
        let refused = connect(&place.socket).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let (_second, again) = listen(&home).unwrap();
        assert_eq!(again.socket, place.socket);
        connect(&place.socket).await.unwrap();
    }

    #[test]
    fn an_open_directory_is_closed_and_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        make_private(&open).unwrap();
        assert_eq!(fs::metadata(&open).unwrap().mode() & 0o777, 0o700);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(make_private(&link).is_err());
    }

    #[test]
    fn stores_have_sockets_of_their_own_and_links_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for data in [&one, &two] {
            fs::create_dir(data).unwrap();
        }
        std::os::unix::fs::symlink(&one, dir.path().join("link")).unwrap();
        assert_ne!(socket_name(&one), socket_name(&two));
        assert_eq!(socket_name(&one), socket_name(&dir.path().join("link")));
    }

    #[test]
    fn a_name_that_is_too_long_goes_elsewhere() {
        let long = PathBuf::from("/").join("x".repeat(120));
        let home = Home {
            runtime_dir: long,
            ..home(Path::new("/h"))
        };
        let places = places(&home);
        assert_eq!(places.len(), 1);
        assert!(places.iter().all(|place| place.socket.starts_with("/tmp")));
    }
}
