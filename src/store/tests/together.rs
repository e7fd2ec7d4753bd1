//! Several writers and readers at once, in one process and between stores.

use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn many_open_a_new_database_at_once() {
    for journal in JOURNALS {
        for _ in 0..10 {
            let dir = tempfile::tempdir().unwrap();
            let start = Barrier::new(8);
            let ids: Vec<String> = thread::scope(|scope| {
                let opening: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            open(dir.path(), journal).store_id().to_owned()
                        })
                    })
                    .collect();
                opening.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            assert_eq!(ids[0].len(), 32);
        }
    }
}

/// Four threads on two stores of one file add one to the same job. Read and write are one step, so
/// none is lost, and the numbers have no gap.
#[test]
fn no_change_is_lost() {
    const EACH: u32 = 20;
    for journal in JOURNALS {
        let dir = tempfile::tempdir().unwrap();
        let stores = [open(dir.path(), journal), open(dir.path(), journal)];
        let mut counter = job(1);
        counter.spec.name = "0".into();
        let id = counter.id.clone();
        put(&stores[0], counter);
        let mut seqs: Vec<u64> = thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|n| {
                    let (store, id) = (&stores[n % 2], &id);
                    scope.spawn(move || {
                        let add = |_| {
                            let added = store.update(id, |job| {
                                let n: u32 = job.spec.name.parse().unwrap();
                                Ok(job.apply(&renamed(&(n + 1).to_string()), at(9)).unwrap())
                            });
                            added.unwrap().unwrap().0
                        };
                        (0..EACH).map(add).collect::<Vec<u64>>()
                    })
                })
                .collect();
            writers
                .into_iter()
                .flat_map(|writer| writer.join().unwrap())
                .collect()
        });
        seqs.sort_unstable();
        assert_eq!(seqs, (2..=u64::from(4 * EACH) + 1).collect::<Vec<_>>());
        assert_eq!(
            stores[1].job(&id).unwrap().spec.name,
            (4 * EACH).to_string()
        );
        assert_sound(&stores[0]);
    }
}

/// A reader sees job and history of one moment while others write, and does not wait for them.
#[test]
fn readers_see_whole_changes() {
    let (dir, store) = fresh();
    let id = job(1).id;
    put(&store, job(1));
    let other = open(dir.path(), Journal::WriteAhead);
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..200 {
                record(&other, &id, &renamed(&n.to_string()), at(n))
                    .unwrap()
                    .unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        for _ in 0..6 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    let all = store.changes_since(0, 10_000).unwrap();
                    assert!(!all.truncated && all.seq >= last);
                    last = all.seq;
                    assert_eq!(u64::try_from(all.changes.len()).unwrap(), all.seq);
                    let Some(StoredChange::Job { entry, job }) = all.changes.last() else {
                        panic!("nothing told");
                    };
                    assert_eq!(row::time(entry.at), row::time(job.updated_at));
                }
            });
        }
    });
    assert_eq!(store.seq().unwrap(), 201);
}
