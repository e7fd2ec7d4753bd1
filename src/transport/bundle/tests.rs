use std::process::{Command, Stdio};
use std::sync::Arc;

use super::*;
use crate::transport::Entry;

fn bundle(entries: &[(&str, &[u8])]) -> Bundle {
    Bundle {
        entries: entries
            .iter()
            .map(|(path, bytes)| Entry {
                path: (*path).to_owned(),
                from: Content::Bytes(Arc::from(*bytes)),
            })
            .collect(),
    }
}

async fn whole(mut pieces: Pieces) -> Result<(Vec<u8>, u64, Vec<Sent>), TransportError> {
    let (mut stream, mut moved, mut sent) = (Vec::new(), 0, Vec::new());
    loop {
        match pieces.recv().await.expect("an end") {
            Ok(Piece::Chunk {
                bytes,
                payload,
                done,
            }) => {
                assert!(bytes.len() <= CHUNK);
                stream.extend(bytes);
                moved += payload;
                sent.extend(done);
            }
            Ok(Piece::End) => return Ok((stream, moved, sent)),
            Err(error) => return Err(error),
        }
    }
}

#[tokio::test]
async fn every_tar_there_is_unpacks_it() {
    let long = format!("{}/long", "d".repeat(150));
    let huge = "x".repeat(300_000);
    let entries: [(&str, &[u8]); 5] = [
        ("a b/c", b"one"),
        (&long, b"two"),
        ("empty", b""),
        ("block", &[7; 512]),
        ("huge", huge.as_bytes()),
    ];
    let (stream, moved, sent) = whole(super::stream(bundle(&entries))).await.unwrap();
    assert_eq!(moved, 3 + 3 + 512 + 300_000);
    assert_eq!(sent.len(), 5);
    let mut seen = 0;
    for tar in ["tar", "bsdtar", "busybox tar"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("archive"), &stream).unwrap();
        let tool = tar.split(' ').next().unwrap();
        let output = Command::new("sh")
            .args([
                "-c",
                &format!("command -v {tool} >/dev/null || exit 77; {tar} -xf archive"),
            ])
            .current_dir(dir.path())
            .output()
            .unwrap();
        if output.status.code() == Some(77) {
            continue;
        }
        seen += 1;
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{tar}: {output:?}"
        );
        for (path, bytes) in entries {
            assert!(
                std::fs::read(dir.path().join(path)).unwrap() == bytes,
                "{tar}: {path}"
            );
        }
        let sums = std::fs::read_to_string(dir.path().join(SUMS)).unwrap();
        assert_eq!(sums.lines().count(), 5);
    }
    assert!(seen > 0);
}

#[test]
fn sizes_from_eight_gibibytes_fit() {
    for size in [0, 8 << 30, 3 << 40] {
        let blocks = header("big.dcd", size, false, 1_700_000_000);
        let header = Header::from_byte_slice(&blocks);
        assert_eq!(header.entry_size().unwrap(), size);
        assert_eq!(header.mtime().unwrap(), 1_700_000_000);
        assert_eq!(header.cksum().unwrap(), {
            let mut copy = header.clone();
            copy.set_cksum();
            copy.cksum().unwrap()
        });
    }
}

#[test]
fn sha256sum_reads_the_list_whatever_the_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for name in [
        "plain",
        "a b",
        " lead",
        "back\\slash",
        "line\nfeed",
        "\\n",
        "*star",
        "\u{e9}",
    ] {
        std::fs::write(dir.path().join(name), name).unwrap();
        list.push_str(&sum_line(&Sent {
            path: name.to_owned(),
            bytes: name.len() as u64,
            sha256: hex(&Sha256::digest(name)),
        }));
    }
    let check = |list: &str| {
        std::fs::write(dir.path().join("list"), list).unwrap();
        Command::new("sha256sum")
            .args(["-c", "--strict", "--quiet", "list"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(check(&list));
    std::fs::write(dir.path().join("line\nfeed"), "changed").unwrap();
    assert!(
        !check(&list),
        "and it is the names' contents that are compared"
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for path in [
        "", "/a", "a/", "a//b", ".", "./a", "a/../b", "..", "a\0b", SUMS,
    ] {
        assert!(check_path(path).is_err(), "{path:?}");
    }
    for path in ["a", "-rf", "a b/c", ".hidden", "..a", "a/...", "a\nb"] {
        assert!(check_path(path).is_ok(), "{path:?}");
    }
}

#[tokio::test]
async fn reading_waits_for_the_link() {
    // A file that may not be read ahead of: only the queue and the chunk in hand are.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big");
    let size = 64 * CHUNK;
    std::fs::write(&path, vec![1; size]).unwrap();
    let content = Content::File {
        path,
        bytes: size as u64,
        modified: None,
        executable: false,
    };
    let mut pieces = stream_file("big".into(), content);
    let first = pieces.recv().await.unwrap().unwrap();
    assert!(matches!(first, Piece::Chunk { ref bytes, .. } if bytes.len() == CHUNK));
    assert!(pieces.len() <= QUEUE && pieces.max_capacity() == QUEUE);
    // Nobody reads on: the thread notices and ends, or the runtime could not shut down.
    drop(pieces);
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_looked_at_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.psf");
    std::fs::write(&path, "one").unwrap();
    let looked_at = std::fs::metadata(&path).unwrap();
    let content = Content::File {
        path: path.clone(),
        bytes: looked_at.len(),
        modified: looked_at.modified().ok(),
        executable: false,
    };
    let sent = || whole(stream_file("x.psf".into(), content.clone()));
    assert!(sent().await.is_ok());
    // The same size, other bytes.
    std::fs::write(&path, "two").unwrap();
    let later = looked_at.modified().unwrap() + std::time::Duration::from_secs(2);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(later).unwrap();
    let refused = sent().await.unwrap_err().to_string();
    assert!(refused.contains("was written to since"), "{refused}");
    std::fs::write(&path, "three").unwrap();
    let refused = sent().await.unwrap_err().to_string();
    assert!(refused.contains("5 bytes now"), "{refused}");
    std::fs::remove_file(&path).unwrap();
    let refused = sent().await.unwrap_err().to_string();
    assert!(refused.contains("is gone"), "{refused}");
}
