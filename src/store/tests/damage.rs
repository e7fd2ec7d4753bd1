//! What is broken, foreign, newer, full or forbidden: a clear error, and nothing touched.

use std::collections::BTreeMap;
use std::fs;

use super::*;

/// All files below a directory with their bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

/// A closed database of some jobs.
fn stocked() -> TempDir {
    let (dir, store) = fresh();
    for n in 0..60 {
        put(&store, job(n));
    }
    drop(store);
    dir
}

/// Opening fails in this way and leaves every file as it was.
fn refused(dir: &Path, kind: ErrorKind, words: &str) {
    let before = files(dir);
    let error = Store::open(dir, Options::default()).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.message.contains(words), "{error}");
    assert!(error.message.contains(dir.to_str().unwrap()), "{error}");
    assert!(error.hint.is_some(), "{error}");
    let after = files(dir);
    for (path, bytes) in &before {
        assert!(
            after.get(path) == Some(bytes),
            "{} was touched",
            path.display()
        );
    }
    for (path, bytes) in after {
        // SQLite's shared memory holds no content.
        let kept = before.contains_key(&path)
            || bytes.is_empty()
            || path.to_str().unwrap().ends_with("-shm");
        assert!(kept, "{} appeared", path.display());
    }
}

fn raw(dir: &Path) -> Connection {
    Connection::open(dir.join(FILE)).unwrap()
}

#[test]
fn a_file_that_is_no_database() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), "structure mypsf.psf\n".repeat(500)).unwrap();
    refused(
        dir.path(),
        ErrorKind::StoreUnavailable,
        "is not a job database",
    );
}

#[test]
fn a_file_cut_short() {
    let dir = stocked();
    let path = dir.path().join(FILE);
    let bytes = fs::read(&path).unwrap();
    for length in [bytes.len() - 4096, bytes.len() / 2, 4096, 1000, 50] {
        fs::write(&path, &bytes[..length]).unwrap();
        refused(dir.path(), ErrorKind::StoreUnavailable, "job database");
    }
}

#[test]
fn a_file_damaged_in_the_middle() {
    let dir = stocked();
    let path = dir.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / 4096;
    let mut noticed = 0;
    for page in 1..pages {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xA5);
        fs::write(&path, &bytes).unwrap();
        let found = Store::open(dir.path(), Options::default()).and_then(|store| store.check());
        if let Err(error) = found {
            assert_eq!(error.kind, ErrorKind::StoreUnavailable, "{error}");
            assert!(error.hint.is_some());
            noticed += 1;
        }
        assert!(fs::read(&path).unwrap() == bytes, "page {page}");
    }
    assert_eq!(noticed, pages - 1);
}

#[test]
fn damage_met_in_use_is_named() {
    let dir = stocked();
    let path = dir.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let root: u32 = raw(dir.path())
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'jobs'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let root = usize::try_from(root).unwrap();
    bytes[(root - 1) * 4096..root * 4096].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let all = JobFilter {
        limit: 100,
        ..JobFilter::default()
    };
    for error in [
        store.list(&all).unwrap_err(),
        store.insert(&job(99).introduced(), b"").unwrap_err(),
        store
            .active(None)
            .map(drop)
            .and(store.job(&job(1).id).map(drop))
            .unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::StoreUnavailable, "{error}");
        assert!(error.message.contains("damaged"), "{error}");
        assert!(error.hint.unwrap().contains(".recover"));
    }
}

#[test]
fn a_log_without_its_database() {
    let (dir, store) = fresh();
    put(&store, job(1));
    let orphaned = tempfile::tempdir().unwrap();
    let log = format!("{FILE}-wal");
    fs::copy(dir.path().join(&log), orphaned.path().join(&log)).unwrap();
    refused(
        orphaned.path(),
        ErrorKind::StoreUnavailable,
        "missing or empty",
    );
    assert!(!orphaned.path().join(FILE).exists());
    fs::write(orphaned.path().join(FILE), "").unwrap();
    refused(
        orphaned.path(),
        ErrorKind::StoreUnavailable,
        "missing or empty",
    );
    // With its database it is all there.
    fs::copy(dir.path().join(FILE), orphaned.path().join(FILE)).unwrap();
    let store = open(orphaned.path(), Journal::WriteAhead);
    assert_eq!(store.job(&job(1).id).unwrap(), job(1));
}

#[test]
fn a_database_of_another_program() {
    for sql in [
        "CREATE TABLE addresses (name TEXT)",
        "PRAGMA application_id = 7",
        "CREATE TABLE jobs (job_id TEXT); PRAGMA user_version = 1",
    ] {
        let dir = tempfile::tempdir().unwrap();
        raw(dir.path()).execute_batch(sql).unwrap();
        refused(dir.path(), ErrorKind::StoreUnavailable, "not NAMDRunner's");
    }
}

#[test]
fn a_newer_schema() {
    let dir = stocked();
    raw(dir.path())
        .pragma_update(None, "user_version", SCHEMA + 1)
        .unwrap();
    refused(
        dir.path(),
        ErrorKind::StoreTooNew,
        &format!("has schema {}", SCHEMA + 1),
    );
}

#[test]
fn a_newer_schema_that_is_still_in_the_log() {
    let (dir, store) = fresh();
    put(&store, job(1));
    store
        .write(|db| Ok(db.pragma_update(None, "user_version", SCHEMA + 1)?))
        .unwrap();
    // As a crash of the newer program would leave it.
    let crashed = tempfile::tempdir().unwrap();
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        fs::copy(dir.path().join(&name), crashed.path().join(&name)).unwrap();
    }
    refused(
        crashed.path(),
        ErrorKind::StoreTooNew,
        &format!("has schema {}", SCHEMA + 1),
    );
}

#[test]
fn a_place_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let mut places = vec![file.clone(), file.join("below")];
    if cfg!(target_os = "linux") {
        places.push("/proc/namdrunner".into()); // not even root makes a directory there
        places.push("/proc".into());
    }
    for place in places {
        let error = Store::open(&place, Options::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::StoreUnavailable, "{error}");
        assert!(error.message.contains(place.to_str().unwrap()), "{error}");
        assert!(error.hint.is_some());
    }
    fs::create_dir(dir.path().join(FILE)).unwrap();
    let error = Store::open(dir.path(), Options::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::StoreUnavailable, "{error}");
}

#[cfg(unix)]
#[test]
fn a_new_place_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("data/namdrunner");
    let store = open(&home, Journal::WriteAhead);
    put(&store, job(1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home), 0o700);
    for file in files(&home).keys() {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!(files(&home).len(), 3);
}

/// As root every directory can be written, so the attempt is made by a process of another user.
#[cfg(unix)]
#[test]
fn a_place_that_may_only_be_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let base = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
    let allow =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    allow(base.path(), 0o755);
    let program = base.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    allow(&program, 0o755);
    let dir = base.path().join("data");
    let store = open(&dir, Journal::WriteAhead);
    put(&store, job(1));
    drop(store);
    let root = fs::metadata(&dir).unwrap().uid() == 0;
    for (file_mode, dir_mode) in [
        (0o444, 0o555),
        (0o666, 0o555),
        (0o444, 0o777),
        (0o000, 0o777),
    ] {
        allow(&dir.join(FILE), file_mode);
        allow(&dir, dir_mode);
        let before = fs::read(dir.join(FILE)).ok();
        let mut child = std::process::Command::new(&program);
        child
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "store::tests::damage::opens_and_tells",
            ])
            .env("NAMDRUNNER_TEST_STORE", &dir);
        if root {
            child.uid(65_534).gid(65_534);
        }
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        println!("{file_mode:o} {dir_mode:o}: {said}");
        assert!(
            said.contains("told: storeUnavailable"),
            "{file_mode:o} {dir_mode:o}: {said}"
        );
        assert!(
            said.contains("Make the") || said.contains("yours to read"),
            "{said}"
        );
        allow(&dir, 0o755);
        allow(&dir.join(FILE), 0o600);
        assert_eq!(
            before
                .as_ref()
                .unwrap_or(&fs::read(dir.join(FILE)).unwrap()),
            &fs::read(dir.join(FILE)).unwrap()
        );
    }
    open(&dir, Journal::WriteAhead).check().unwrap();
}

#[cfg(unix)]
#[test]
#[ignore = "run by a_place_that_may_only_be_read as another user"]
fn opens_and_tells() {
    let Some(dir) = std::env::var_os("NAMDRUNNER_TEST_STORE") else {
        return;
    };
    match Store::open(Path::new(&dir), Options::default()) {
        Ok(_) => println!("told: nothing"),
        Err(error) => println!("told: {} {error} {:?}", error.kind, error.hint),
    }
}

/// `max_page_count` makes SQLite answer as it does on a full disk (`SQLITE_FULL`).
#[test]
fn a_full_disk() {
    for journal in JOURNALS {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), journal);
        put(&store, job(1));
        let limit = |pages: i64| {
            let writer = store.writer.lock().unwrap();
            let now: i64 = writer
                .pragma_query_value(None, "page_count", |row| row.get(0))
                .unwrap();
            writer
                .pragma_update_and_check(None, "max_page_count", now + pages, |_| Ok(()))
                .unwrap();
        };
        limit(0);
        let big = vec![0; 100_000];
        let error = store.insert(&job(2).introduced(), &big).unwrap_err();
        assert_eq!(error.kind, ErrorKind::StoreUnavailable);
        assert!(error.message.contains("full"), "{error}");
        assert!(error.hint.unwrap().contains("Free some space"));
        assert_eq!(
            store.job(&job(2).id).unwrap_err().kind,
            ErrorKind::JobNotFound
        );
        assert_eq!(store.seq().unwrap(), 1);
        limit(1000);
        store.insert(&job(2).introduced(), &big).unwrap();
        assert_eq!(store.seq().unwrap(), 2);
        assert_sound(&store);
    }
}

#[test]
fn another_process_that_does_not_let_go() {
    for journal in JOURNALS {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            journal,
            busy_timeout: Duration::from_millis(20),
            ..Options::default()
        };
        let store = Store::open(dir.path(), options).unwrap();
        put(&store, job(1));
        let other = raw(dir.path());
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = record(&store, &job(1).id, &renamed("x"), at(9)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::StoreBusy);
        assert!(error.kind.retryable());
        // Reading goes on.
        assert_eq!(store.job(&job(1).id).unwrap(), job(1));
        other.execute_batch("ROLLBACK").unwrap();
        record(&store, &job(1).id, &renamed("x"), at(9))
            .unwrap()
            .unwrap();
    }
}

#[test]
fn the_journal_follows_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |store: &Store| -> String {
        let writer = store.writer.lock().unwrap();
        writer
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap()
    };
    for (n, (journal, wanted)) in (1..).zip([
        (Journal::WriteAhead, "wal"),
        (Journal::Rollback, "delete"),
        (Journal::WriteAhead, "wal"),
    ]) {
        let store = open(dir.path(), journal);
        assert_eq!(mode(&store), wanted);
        put(&store, job(n));
        assert_sound(&store);
    }
    let local = filesystem::local(dir.path()).is_ok();
    let store = open(dir.path(), Journal::ByFilesystem);
    assert_eq!(mode(&store), if local { "wal" } else { "delete" });
    assert_eq!(store.seq().unwrap(), 3);
    // What is open in one way is not opened in another at the same time.
    if local {
        let options = Options {
            journal: Journal::Rollback,
            busy_timeout: Duration::from_millis(20),
            ..Options::default()
        };
        let error = Store::open(dir.path(), options).unwrap_err();
        assert!(
            matches!(
                error.kind,
                ErrorKind::StoreBusy | ErrorKind::StoreUnavailable
            ),
            "{error}"
        );
        assert_eq!(mode(&store), "wal");
        put(&store, job(9));
    }
}

#[test]
fn commits_are_durable() {
    let (_dir, store) = fresh();
    let writer = store.writer.lock().unwrap();
    let value = |name: &str| -> i64 {
        writer
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    assert_eq!(value("synchronous"), 3); // EXTRA
    assert_eq!(value("fullfsync"), 1);
    assert_eq!(value("foreign_keys"), 1);
}
