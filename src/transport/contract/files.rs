use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::{Rig, noise, watcher};
use crate::transport::bundle::hex;
use crate::transport::{TransportError, Watcher};

fn is_remote(error: &TransportError) -> bool {
    matches!(error, TransportError::Remote(_))
}

pub(super) async fn parts_of_files_are_read(rig: &Rig) {
    rig.said(
        "printf 0123456789 >digits; : >empty; head -c 300000 /dev/zero >zeros; printf end >>zeros",
    )
    .await;
    let read = async |name: &str, offset, max| {
        let bytes = rig.transport.read_from(&rig.far(name), offset, max).await;
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    assert_eq!(read("digits", 0, 100).await, "0123456789");
    assert_eq!(read("digits", 0, 4).await, "0123");
    assert_eq!(read("digits", 3, 4).await, "3456");
    assert_eq!(read("digits", 9, 100).await, "9");
    assert_eq!(read("digits", 10, 100).await, "");
    assert_eq!(read("digits", 99, 100).await, "");
    assert_eq!(read("digits", 3, 0).await, "");
    assert_eq!(read("digits", 3, u64::MAX).await, "3456789");
    assert_eq!(read("digits", 1 << 40, 1).await, "");
    assert_eq!(read("empty", 0, 100).await, "");
    assert_eq!(read("zeros", 300_000, 100).await, "end");
}

pub(super) async fn what_cannot_be_read_is_refused(rig: &Rig) {
    rig.said("mkdir directory; mkfifo pipe").await;
    for name in ["missing", "directory", "missing/below", "pipe"] {
        let error = rig
            .transport
            .read_from(&rig.far(name), 0, 10)
            .await
            .unwrap_err();
        assert!(is_remote(&error), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

pub(super) async fn files_go_there_and_back(rig: &Rig) {
    // Two requests and a bit, exactly one block, one byte, nothing; and names that need quoting.
    for (name, length) in [
        ("it's a $file", 5_000_000),
        ("block", 1 << 20),
        ("-n", 1),
        ("empty", 0),
    ] {
        let bytes = noise(length);
        let near = rig.make(name, &bytes);
        let (watch, moved) = watcher(|_| ());
        let sent = rig
            .transport
            .put(&near, &rig.far(name), &watch)
            .await
            .unwrap();
        assert_eq!(sent.path, rig.far(name).as_str());
        assert_eq!(sent.bytes, length as u64);
        assert_eq!(sent.sha256, hex(&Sha256::digest(&bytes)));
        assert_eq!(moved.load(Ordering::SeqCst), length as u64);

        let (watch, moved) = watcher(|_| ());
        let back = rig.near("back");
        let size = rig
            .transport
            .get(&rig.far(name), &back, &watch)
            .await
            .unwrap();
        assert_eq!(size, length as u64);
        assert_eq!(moved.load(Ordering::SeqCst), length as u64);
        assert!(std::fs::read(&back).unwrap() == bytes, "{name}");
    }
    // What exists is replaced, and what may be executed stays so.
    let tool = rig.make("tool", b"#!/bin/sh\necho new\n");
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let far = rig.far("block");
    rig.transport
        .put(&tool, &far, &Watcher::default())
        .await
        .unwrap();
    assert_eq!(rig.said("./block").await, "new\n");
    let back = rig.near("back");
    rig.transport
        .get(&far, &back, &Watcher::default())
        .await
        .unwrap();
    assert_eq!(std::fs::read(&back).unwrap(), b"#!/bin/sh\necho new\n");
    assert_eq!(
        std::fs::metadata(&back).unwrap().permissions().mode() & 0o777,
        0o755
    );
    nothing_is_left(rig).await;
}

pub(super) async fn failures_say_where_and_leave_nothing(rig: &Rig) {
    let watch = Watcher::default();
    let near = rig.make("near", b"bytes");
    rig.said("mkdir directory; printf old >old").await;

    let error = rig
        .transport
        .get(&rig.far("missing"), &near, &watch)
        .await
        .unwrap_err();
    assert!(
        is_remote(&error) && error.to_string().contains("missing"),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&near).unwrap(), b"bytes");
    let error = rig
        .transport
        .get(&rig.far("directory"), &near, &watch)
        .await
        .unwrap_err();
    assert!(is_remote(&error), "{error:?}");
    let nowhere = rig.near("no/such/place");
    let error = rig
        .transport
        .get(&rig.far("old"), &nowhere, &watch)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Local(_)), "{error:?}");
    assert!(error.to_string().contains("no/such/place"), "{error}");

    let error = rig
        .transport
        .put(&rig.near("missing"), &rig.far("new"), &watch)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Local(_)), "{error:?}");
    for target in ["no/such/place", "directory"] {
        let error = rig
            .transport
            .put(&near, &rig.far(target), &watch)
            .await
            .unwrap_err();
        assert!(
            is_remote(&error) && error.to_string().contains(target),
            "{error:?}"
        );
    }
    assert_eq!(
        rig.said("ls -A; ls -A directory; cat old").await,
        "directory\nold\nold"
    );
    nothing_is_left(rig).await;
}

pub(super) async fn transfers_can_be_cancelled(rig: &Rig) {
    let near = rig.make("near", &noise(60_000_000));
    rig.said("printf old >target; head -c 60000000 /dev/zero >source")
        .await;
    let (watch, _) = watcher(|watch| watch.cancel.cancel());
    let error = rig
        .transport
        .put(&near, &rig.far("target"), &watch)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    let (watch, _) = watcher(|watch| watch.cancel.cancel());
    let error = rig
        .transport
        .get(&rig.far("source"), &rig.near("new"), &watch)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    assert_eq!(rig.said("cat target; ls -A").await, "oldsource\ntarget\n");
    assert!(!rig.near("new").exists());
    nothing_is_left(rig).await;
}

async fn nothing_is_left(rig: &Rig) {
    let parts = "find . -name '.namdrunner-*' | wc -l";
    assert_eq!(rig.said(parts).await.trim(), "0");
    let near: Vec<_> = std::fs::read_dir(rig.near.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with(".namdrunner"))
        .collect();
    assert!(near.is_empty(), "{near:?}");
}
