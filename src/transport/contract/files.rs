use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::{Rig, noise, watcher};
use crate::transport::bundle::hex;
use crate::transport::{Get, Put, TransportError, Watcher};

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
        ("large", 21_000_000),
        ("it's a $file", 5_000_000),
        ("block", 1 << 20),
        ("-n", 1),
        ("empty", 0),
    ] {
        let bytes = noise(length);
        let near = rig.make(name, &bytes);
        let (watch, moved) = watcher(|_| ());
        let sent = rig.put(&near, name, &watch).await.unwrap();
        assert_eq!(sent.path, rig.far(name).as_str());
        assert_eq!(sent.bytes, length as u64);
        assert_eq!(sent.sha256, hex(&Sha256::digest(&bytes)));
        assert_eq!(moved.load(Ordering::SeqCst), length as u64);

        let (watch, moved) = watcher(|_| ());
        let back = rig.near("back");
        let size = rig.get(name, &back, &watch).await.unwrap();
        assert_eq!(size, length as u64);
        assert_eq!(moved.load(Ordering::SeqCst), length as u64);
        assert!(std::fs::read(&back).unwrap() == bytes, "{name}");
    }
    // What exists is replaced, and what may be executed stays so.
    let tool = rig.make("tool", b"#!/bin/sh\necho new\n");
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    rig.put(&tool, "block", &Watcher::default()).await.unwrap();
    assert_eq!(rig.said("./block").await, "new\n");
    let back = rig.near("back");
    rig.get("block", &back, &Watcher::default()).await.unwrap();
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

    let error = rig.get("missing", &near, &watch).await.unwrap_err();
    assert!(
        is_remote(&error) && error.to_string().contains("missing"),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&near).unwrap(), b"bytes");
    let error = rig.get("directory", &near, &watch).await.unwrap_err();
    assert!(is_remote(&error), "{error:?}");
    let nowhere = rig.near("no/such/place");
    let error = rig.get("old", &nowhere, &watch).await.unwrap_err();
    assert!(matches!(error, TransportError::Local(_)), "{error:?}");
    assert!(error.to_string().contains("no/such/place"), "{error}");

    let error = rig
        .put(&rig.near("missing"), "new", &watch)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Local(_)), "{error:?}");
    for target in ["no/such/place", "directory"] {
        let error = rig.put(&near, target, &watch).await.unwrap_err();
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
    let error = rig.put(&near, "target", &watch).await.unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    let (watch, _) = watcher(|watch| watch.cancel.cancel());
    let error = rig
        .get("source", &rig.near("new"), &watch)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    assert_eq!(rig.said("cat target; ls -A").await, "oldsource\ntarget\n");
    assert!(!rig.near("new").exists());
    nothing_is_left(rig).await;
}

pub(super) async fn many_files_come_together(rig: &Rig) {
    rig.said(
        "mkdir many; i=0; while [ $i -lt 60 ]; do head -c $((i * 700)) /dev/urandom >\"many/f $i.xst\"; \
         i=$((i + 1)); done; chmod 755 'many/f 7.xst'; ln -s 'f 9.xst' many/link; \
         printf odd >'many/back\\slash'; head -c 9000000 /dev/urandom >many/large",
    )
    .await;
    let mut files: Vec<Get> = (0..60)
        .map(|i| (format!("f {i}.xst"), i * 700))
        .map(|(name, bytes)| Get {
            from: rig.far(&format!("many/{name}")),
            to: rig.near(&name),
            bytes: Some(bytes),
        })
        .collect();
    for (name, bytes) in [("link", 6300), ("back\\slash", 3), ("large", 9_000_000)] {
        files.push(Get {
            from: rig.far(&format!("many/{name}")),
            to: rig.near(name),
            bytes: Some(bytes),
        });
    }
    // One has grown since it was listed.
    files[3].bytes = Some(1);
    let (watch, moved) = watcher(|_| ());
    let fetched = rig.transport.get(&files, &watch).await.unwrap();
    assert_eq!(fetched.len(), files.len());
    let total: u64 = (0..60).map(|i| i * 700).sum::<u64>() + 6300 + 3 + 9_000_000;
    assert_eq!(moved.load(Ordering::SeqCst), total);
    for (file, fetched) in files.iter().zip(&fetched) {
        assert_eq!(fetched.path, file.from.as_str());
        let far = rig
            .said(&format!("sha256sum <{}", file.from.quoted()))
            .await;
        let near = std::fs::read(&file.to).unwrap();
        assert_eq!(
            far,
            format!("{}  -\n", hex(&Sha256::digest(&near))),
            "{}",
            file.from
        );
        assert_eq!(fetched.bytes, near.len() as u64);
    }
    let mode = std::fs::metadata(rig.near("f 7.xst"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    // One that is not there spoils none of what is asked for again.
    files.push(Get {
        from: rig.far("many/missing"),
        to: rig.near("missing"),
        bytes: Some(1),
    });
    let error = rig
        .transport
        .get(&files, &Watcher::default())
        .await
        .unwrap_err();
    assert!(
        is_remote(&error) && error.to_string().contains("missing"),
        "{error:?}"
    );
    nothing_is_left(rig).await;
}

pub(super) async fn large_files_go_side_by_side(rig: &Rig) {
    let sizes = [20_000_000, 0, 9_000_001, 3];
    let files: Vec<Put> = sizes
        .iter()
        .enumerate()
        .map(|(n, size)| Put {
            from: rig.make(&format!("in {n}"), &noise(*size)),
            to: rig.far(&format!("out {n}")),
            modified: None,
        })
        .collect();
    let told = Arc::new(Mutex::new(std::collections::BTreeMap::new()));
    let (mut watch, moved) = watcher(|_| ());
    let tells = Arc::clone(&told);
    watch.file = Some(Arc::new(move |path: &str, done, size| {
        assert!(done <= size);
        let before = tells.lock().unwrap().insert(path.to_owned(), (done, size));
        assert!(
            before.is_none_or(|before| before.0 < done),
            "{path}: {before:?} {done}"
        );
    }));
    let sent = rig.transport.put(&files, &watch).await.unwrap();
    assert_eq!(
        moved.load(Ordering::SeqCst),
        sizes.iter().sum::<usize>() as u64
    );
    let told = told.lock().unwrap().clone();
    for ((size, file), sent) in sizes.iter().zip(&files).zip(&sent) {
        let bytes = std::fs::read(&file.from).unwrap();
        assert_eq!(sent.sha256, hex(&Sha256::digest(&bytes)));
        assert_eq!(
            (sent.path.as_str(), sent.bytes),
            (file.to.as_str(), *size as u64)
        );
        if *size > 0 {
            assert_eq!(
                told.get(file.to.as_str()),
                Some(&(*size as u64, *size as u64))
            );
        }
        let far = rig.said(&format!("sha256sum <{}", file.to.quoted())).await;
        assert_eq!(far, format!("{}  -\n", sent.sha256));
    }
    nothing_is_left(rig).await;
}

pub(super) async fn a_file_that_is_written_to_is_not_sent(rig: &Rig) {
    let path = rig.make("busy", &noise(20_000_000));
    for same_length in [true, false] {
        let written = path.clone();
        let (watch, _) = watcher(move |_| {
            use std::io::{Seek as _, SeekFrom, Write as _};
            let mut file = std::fs::File::options().write(true).open(&written).unwrap();
            let at = if same_length {
                SeekFrom::Start(0)
            } else {
                SeekFrom::End(0)
            };
            file.seek(at).unwrap();
            file.write_all(b"more").unwrap();
        });
        let error = rig.put(&path, "target", &watch).await.unwrap_err();
        assert!(matches!(error, TransportError::Local(_)), "{error:?}");
        assert!(error.to_string().contains("busy changed"), "{error}");
        assert_eq!(rig.said("ls -A").await, "");
        rig.make("busy", &noise(20_000_000));
    }
    std::fs::remove_file(&path).unwrap();
    let error = rig
        .put(&path, "target", &Watcher::default())
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Local(_)), "{error:?}");
    assert_eq!(rig.said("ls -A").await, "");
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
