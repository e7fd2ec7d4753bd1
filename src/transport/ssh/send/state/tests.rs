use tempfile::TempDir;

use super::*;
use crate::shell::RemotePath;
use crate::transport::Put;

/// A file of two blocks and a bit, about to be sent.
async fn work(dir: &TempDir, watch: &'static Watcher) -> Work<'static> {
    let from = dir.path().join("out");
    std::fs::write(&from, vec![7; 20_000_000]).unwrap();
    let put = Put {
        from,
        to: RemotePath::parse("/far/target").unwrap(),
        modified: None,
    };
    Work::new(reading::look(vec![put]).await.unwrap(), watch)
}

fn watcher() -> &'static Watcher {
    Box::leak(Box::default())
}

#[tokio::test]
async fn what_had_arrived_must_be_there_over_the_next_connection() {
    let dir = TempDir::new().unwrap();
    let work = work(&dir, watcher()).await;
    work.begin();
    work.found(0, 0, None, "").unwrap();
    work.start_reading().await;
    let first = work.next().await.unwrap().unwrap();
    let second = work.next().await.unwrap().unwrap();
    work.acknowledged(&second);
    work.take_back(std::iter::once(first));
    let reached = second.at + second.bytes.len() as u64;

    work.begin();
    work.found(0, reached, None, "").unwrap();
    // Others that were on their way may have arrived as well.
    work.found(0, reached + 1, None, "").unwrap();
    let Err(Stop::Error(TransportError::Remote(text))) = work.found(0, reached - 1, None, "")
    else {
        panic!("it goes on where nothing is");
    };
    assert!(
        text.contains("/far/target") && text.contains("left"),
        "{text}"
    );
}

#[tokio::test]
async fn a_far_end_that_says_nonsense_costs_nothing() {
    let dir = TempDir::new().unwrap();
    let work = work(&dir, watcher()).await;
    work.begin();
    work.found(0, u64::MAX, Some(u64::MAX), "").unwrap();
    work.found(usize::MAX, 1, None, "").unwrap();
    work.check_room().unwrap();
    assert_eq!(work.unsure().len(), 3, "no more than the file has");
    for (file, block) in [(0, u64::MAX), (0, 3), (7, 0), (0, 1)] {
        work.there(file, block, Some("sum".into()));
        work.compared(file, u64::MAX, Some("sum")).unwrap();
    }
    work.named(9);
    assert_eq!(work.unfinished(), [0]);
}
