use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::{Rig, noise, watcher};
use crate::shell::ExitStatus;
use crate::transport::bundle::hex;
use crate::transport::{Bundle, Content, Entry, TransportError, Watcher};

const UNPACK: &str = "tar -xf - && sha256sum -c --quiet .namdrunner-sha256sums && echo verified";

fn entry(path: &str, from: &[u8]) -> Entry {
    Entry {
        path: path.to_owned(),
        from: Content::Bytes(Arc::from(from)),
    }
}

fn file(path: &str, from: PathBuf, executable: bool) -> Entry {
    Entry {
        path: path.to_owned(),
        from: Content::File {
            bytes: std::fs::metadata(&from).unwrap().len(),
            modified: None,
            path: from,
            executable,
        },
    }
}

pub(super) async fn a_bundle_arrives_and_verifies(rig: &Rig) {
    let long = format!("{}/{}.psf", "directory".repeat(20), "n".repeat(200));
    let edge = format!("{}/{}", "d".repeat(50), "f".repeat(49));
    assert_eq!(edge.len(), 100);
    let entries = vec![
        entry("empty", b""),
        entry("a b/it's $HOME;*?.conf", b"run 100\n"),
        file(
            "deep/er/and/deeper/input.pdb",
            rig.make("i", &noise(70_000)),
            false,
        ),
        file(
            "bin/tool.sh",
            rig.make("t", b"#!/bin/sh\necho runs\n"),
            true,
        ),
        entry(&long, b"long"),
        entry(&format!("{edge}g"), b"101 bytes"),
        entry(&edge, b"100 bytes"),
        entry("\u{fc}mlaut/\u{65e5}\u{672c}.txt", b"utf-8"),
        entry("back\\slash", b"escaped in the list"),
        entry("-rf", b"no option"),
        entry("block", &noise(512)),
        entry("chunk", &noise(256 * 1024)),
    ];
    let count = entries.len();
    let total: u64 = entries
        .iter()
        .map(|entry| match &entry.from {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { bytes, .. } => *bytes,
        })
        .sum();
    let (watch, moved) = watcher(|_| ());
    let command = rig
        .command(&format!("read -r word; echo \"$word\"; {UNPACK}"))
        .with_input("first\n");
    let (output, sent) = rig
        .transport
        .run_with_bundle(
            &command,
            &Bundle {
                entries: entries.clone(),
            },
            &watch,
        )
        .await
        .unwrap();
    assert!(output.ok(), "{output:?}");
    assert_eq!(output.text(), "first\nverified\n");
    assert_eq!(sent.len(), count);
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.clone()).collect();
    assert_eq!(
        sent.iter()
            .map(|sent| sent.path.clone())
            .collect::<Vec<_>>(),
        paths
    );
    let progress = moved.load(Ordering::SeqCst);
    // The list counts as well: it is what makes the rest sure.
    assert!(progress == total, "{progress} of {total}");
    assert_eq!(sent[1].sha256, hex(&Sha256::digest(b"run 100\n")));
    // And the far side agrees file by file, also without the list.
    for sent in &sent {
        let path = crate::shell::quote(&format!("./{}", sent.path));
        let far = rig.said(&format!("sha256sum <{path}; wc -c <{path}")).await;
        assert_eq!(far, format!("{}  -\n{}\n", sent.sha256, sent.bytes));
    }
    assert_eq!(rig.said("bin/tool.sh").await, "runs\n");
    assert_eq!(rig.said("[ -x block ] || echo plain").await, "plain\n");
    // Dates are those of the files.
    let near = std::fs::metadata(rig.near("i"))
        .unwrap()
        .modified()
        .unwrap();
    let near = near
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert_eq!(
        rig.said("stat -c %Y deep/er/and/deeper/input.pdb")
            .await
            .trim(),
        near.to_string()
    );
}

pub(super) async fn a_large_file_streams(rig: &Rig) {
    let bytes = noise(50_000_000);
    let sum = hex(&Sha256::digest(&bytes));
    let bundle = Bundle {
        entries: vec![
            file("big.dcd", rig.make("big", &bytes), false),
            entry("after", b"x"),
        ],
    };
    drop(bytes);
    let (output, sent) = rig
        .transport
        .run_with_bundle(&rig.command(UNPACK), &bundle, &Watcher::default())
        .await
        .unwrap();
    assert!(output.ok(), "{output:?}");
    assert_eq!((sent[0].bytes, &sent[0].sha256), (50_000_000, &sum));
    assert_eq!(rig.said("sha256sum <big.dcd").await, format!("{sum}  -\n"));
}

pub(super) async fn a_command_may_end_before_the_bundle(rig: &Rig) {
    let bundle = Bundle {
        entries: vec![
            entry("small", b"x"),
            file("big", rig.make("big", &noise(20_000_000)), false),
        ],
    };
    let command = rig.command("head -c 100 >/dev/null; echo no room >&2; exit 3");
    let watch = Watcher::default();
    let run = rig.transport.run_with_bundle(&command, &bundle, &watch);
    let (output, sent) = timeout(Duration::from_secs(20), run)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(output.status, ExitStatus::Code(3));
    assert_eq!(output.first_error_line().unwrap(), "no room");
    assert!(sent.len() < 2, "{sent:?}");
}

/// What the far side makes of a stream that breaks off: the end of its input, without the list.
const NOTICE: &str = "tar -xf - 2>/dev/null; [ -e .namdrunner-sha256sums ] || echo cut >noticed";

pub(super) async fn a_file_that_changed_is_named(rig: &Rig) {
    let grown = file("grown", rig.make("grown", b"12345"), false);
    rig.make("grown", b"123456");
    let shrunk = file("shrunk", rig.make("shrunk", b"12345"), false);
    rig.make("shrunk", b"1");
    let vanished = file("vanished", rig.make("vanished", b"12345"), false);
    std::fs::remove_file(rig.near("vanished")).unwrap();
    let directory = file("directory", rig.near.path().to_owned(), false);
    for (entry, says) in [
        (grown, "grown changed"),
        (shrunk, "shrunk changed"),
        (vanished, "vanished is gone"),
        (directory, "is not a regular file"),
        (entry("../escape", b""), "\"../escape\" cannot be the name"),
        (
            entry("/etc/passwd", b""),
            "\"/etc/passwd\" cannot be the name",
        ),
    ] {
        rig.said("rm -f noticed").await;
        let bundle = Bundle {
            entries: vec![super::bundles::entry("before", b"x"), entry],
        };
        let error = rig
            .transport
            .run_with_bundle(&rig.command(NOTICE), &bundle, &Watcher::default())
            .await
            .unwrap_err();
        assert!(matches!(error, TransportError::Local(_)), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        // The far side had its time to notice before we were told.
        assert_eq!(rig.said("cat noticed").await, "cut\n");
    }
}

pub(super) async fn a_file_that_changes_meanwhile_is_named(rig: &Rig) {
    let path = rig.make("busy", &noise(20_000_000));
    let bundle = Bundle {
        entries: vec![file("busy", path.clone(), false)],
    };
    // Longer, and of the same length but written to.
    for same_length in [false, true] {
        let path = path.clone();
        let (watch, _) = watcher(move |_| {
            use std::io::{Seek as _, SeekFrom, Write as _};
            let mut file = std::fs::File::options().write(true).open(&path).unwrap();
            let at = if same_length {
                SeekFrom::Start(0)
            } else {
                SeekFrom::End(0)
            };
            file.seek(at).unwrap();
            file.write_all(b"more").unwrap();
        });
        let error = rig
            .transport
            .run_with_bundle(&rig.command(NOTICE), &bundle, &watch)
            .await
            .unwrap_err();
        assert!(matches!(error, TransportError::Local(_)), "{error:?}");
        assert!(error.to_string().contains("busy"), "{error}");
        assert_eq!(rig.said("cat noticed; rm noticed").await, "cut\n");
        rig.make("busy", &noise(20_000_000));
    }
}

pub(super) async fn a_bundle_can_be_cancelled(rig: &Rig) {
    let bundle = Bundle {
        entries: vec![file("big", rig.make("big", &noise(20_000_000)), false)],
    };
    let (watch, _) = watcher(|watch| watch.cancel.cancel());
    let before = Instant::now();
    let error = rig
        .transport
        .run_with_bundle(&rig.command(NOTICE), &bundle, &watch)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    assert!(
        before.elapsed() < Duration::from_secs(4),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(rig.said("cat noticed").await, "cut\n");

    let early = Watcher::default();
    early.cancel.cancel();
    let error = rig
        .transport
        .run_with_bundle(&rig.command(NOTICE), &bundle, &early)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
}

pub(super) async fn a_standstill_is_not_waited_for_for_ever(rig: &Rig) {
    let bundle = Bundle {
        entries: vec![file("big", rig.make("big", &noise(20_000_000)), false)],
    };
    let command = rig.command("sleep 60").within(Duration::from_millis(700));
    let watch = Watcher::default();
    let run = rig.transport.run_with_bundle(&command, &bundle, &watch);
    let error = timeout(Duration::from_secs(20), run)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(&error, TransportError::Timeout(text) if text.contains("without any byte moving")),
        "{error:?}"
    );
}

pub(super) async fn a_slow_but_moving_bundle_is_not_cut_off(rig: &Rig) {
    let bundle = Bundle {
        entries: vec![file("big", rig.make("big", &noise(8 << 20)), false)],
    };
    // Eight megabytes in eight steps: longer than the timeout in all, shorter in each.
    let command = rig
        .command("for i in 1 2 3 4 5 6 7 8; do sleep 0.4; head -c 1000000 >/dev/null; done; cat >/dev/null")
        .within(Duration::from_millis(1500));
    let (output, _) = rig
        .transport
        .run_with_bundle(&command, &bundle, &Watcher::default())
        .await
        .unwrap();
    assert!(output.ok(), "{output:?}");
}
