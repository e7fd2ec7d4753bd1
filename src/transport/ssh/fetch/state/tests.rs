use tempfile::TempDir;

use super::*;
use crate::shell::RemotePath;

fn file(dir: &TempDir, name: &str) -> Get {
    Get {
        from: RemotePath::parse(&format!("/far/{name}")).unwrap(),
        to: dir.path().join(name),
        bytes: None,
    }
}

#[tokio::test]
async fn a_far_end_that_says_nonsense_costs_nothing() {
    let (dir, watch) = (TempDir::new().unwrap(), Watcher::default());
    let work = Work::new(vec![file(&dir, "a"), file(&dir, "b")], &watch);
    work.begin();
    for size in [u64::MAX, LARGEST + 1] {
        let found = work.found(0, size, 0o644, "").await;
        assert!(
            matches!(&found, Err(Stop::Error(TransportError::Remote(text))) if text.contains("/far/a")),
            "{found:?}"
        );
    }
    work.found(0, 10, 0o644, "").await.unwrap();
    work.found(usize::MAX, 10, 0o644, "").await.unwrap();
    work.sum(0, u64::MAX).await.unwrap();
    for (file, block) in [(0, u64::MAX), (0, 1), (9, 0)] {
        work.present(file, block);
        work.good(file, block);
    }
    work.plan();
    assert!(work.complete().is_empty());
    assert_eq!(work.next().map(|span| span.length), Some(10));
    assert!(work.next().is_none());
}

#[tokio::test]
async fn a_file_that_is_lost_holds_up_no_other() {
    let (dir, watch) = (TempDir::new().unwrap(), Watcher::default());
    let work = Work::new(vec![file(&dir, "a"), file(&dir, "b")], &watch);
    work.begin();
    work.found(0, 10, 0o644, "").await.unwrap();
    work.found(1, 0, 0o644, "").await.unwrap();
    work.plan();
    // Gone while the connection was.
    work.begin();
    work.lost(0, "No such file".into());
    assert!(work.next().is_none());
    assert_eq!(work.complete(), [1]);
    work.name(1).await.unwrap();
    assert!(work.is_done());
    assert_eq!(work.forget_lost().await, ["/far/a: No such file"]);
    let here: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(here.len(), 1, "{here:?}");
}
