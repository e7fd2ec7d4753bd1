//! `kill -9` at any moment: what was answered is there, nothing is half there.

#![allow(
    clippy::disallowed_types,
    reason = "threads of a test wait here, no runtime's"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, channel};
use std::time::Instant;

use super::*;

/// Kills for each journal. The first of each begin with no database: making it is killed too.
const KILLS: u64 = 16;

/// Numbers that look random and follow from a seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// A process that writes as fast as it can, and what it says it has done.
struct Writer {
    child: Child,
    #[allow(
        clippy::disallowed_types,
        reason = "no runtime here: one thread reads a pipe"
    )]
    answers: mpsc::Receiver<String>,
}

impl Writer {
    fn start(dir: &Path, journal: Journal, name: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "store::tests::killed::writes_until_it_is_killed",
            ])
            .env("NAMDRUNNER_TEST_STORE", dir)
            .env("NAMDRUNNER_TEST_JOURNAL", format!("{journal:?}"))
            .env("NAMDRUNNER_TEST_NAME", name.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, answers) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, answers }
    }

    /// Kills it after that many answers and then that long; gives all its answers.
    fn kill_after(mut self, answers: u64, then: Duration) -> Vec<String> {
        let mut told = Vec::new();
        while u64::try_from(told.len()).unwrap() < answers {
            told.push(self.answers.recv().unwrap());
        }
        let end = Instant::now() + then;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.answers.recv_timeout(left) {
                Ok(line) => told.push(line),
                Err(_) => break,
            }
        }
        assert_eq!(
            self.child.try_wait().unwrap(),
            None,
            "it ended by itself: {told:?}"
        );
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What is still in the pipe was answered before the end.
        told.extend(self.answers.iter());
        told
    }
}

#[test]
fn killed_at_any_moment() {
    let seed = std::env::var("NAMDRUNNER_SEED").map_or_else(
        |_| u64::try_from(Timestamp::now().as_nanosecond() & 0xFFFF_FFFF).unwrap(),
        |seed| seed.parse().unwrap(),
    );
    println!("NAMDRUNNER_SEED={seed}");
    let mut dice = Dice(seed);
    for journal in JOURNALS {
        let mut dir = tempfile::tempdir().unwrap();
        let mut last = 0;
        let mut deleted = BTreeSet::new();
        for round in 0..KILLS {
            if round < KILLS / 4 {
                dir = tempfile::tempdir().unwrap();
                last = 0;
                deleted.clear();
            }
            // The second one goes on writing over the first one's remains, until its own end.
            let two = round % 3 == 2;
            let first = Writer::start(dir.path(), journal, 2 * round);
            let second = two.then(|| Writer::start(dir.path(), journal, 2 * round + 1));
            // Starting takes some milliseconds: among them are kills while it opens.
            let answers = if round < KILLS / 4 { 0 } else { dice.below(30) };
            let mut told = first.kill_after(answers, Duration::from_micros(dice.below(15_000)));
            if let Some(second) = second {
                told.extend(
                    second.kill_after(dice.below(30), Duration::from_micros(dice.below(5_000))),
                );
            }

            let store = open(dir.path(), journal);
            assert_sound(&store);
            let seq = store.seq().unwrap();
            let told: Vec<(&str, u64, &str)> = told
                .iter()
                .filter_map(|line| line.strip_prefix("done ")?.split_once(' '))
                .map(|(what, rest)| {
                    let (seq, id) = rest.split_once(' ').unwrap();
                    (what, seq.parse().unwrap(), id)
                })
                .collect();
            deleted.extend(
                told.iter()
                    .filter(|(what, ..)| *what == "deleted")
                    .map(|(.., id)| (*id).to_owned()),
            );
            for (what, number, id) in &told {
                let id = JobId::parse(id).unwrap();
                // Numbers go on where the last process ended, and what was answered stays.
                assert!(*number <= seq, "{what} {number} of {seq}");
                assert!(*number > last, "{what} {number} after {last}");
                let gone = store.is_deleted(&id).unwrap();
                assert!(gone || store.history(&id).unwrap().iter().any(|e| e.seq == *number));
                assert!(gone || !deleted.contains(id.as_str()));
            }
            // At most one commit of each process was not answered, of at most a batch of jobs.
            let highest = told.iter().map(|(_, seq, _)| *seq).max().unwrap_or(last);
            assert!(seq <= highest + 2 * BATCH, "{seq} after {highest}");
            last = seq;
        }
        println!("{journal:?}: {last} changes survived in the last database");
        assert!(last > 0, "nothing was ever written");
    }
}

const BATCH: u64 = 4;

/// Not a test of its own: the process that is killed. Each line it prints was committed before.
#[test]
#[ignore = "run by killed_at_any_moment as a process of its own"]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os("NAMDRUNNER_TEST_STORE") else {
        return;
    };
    let variable = |name| std::env::var(name).unwrap();
    let journal = JOURNALS
        .into_iter()
        .find(|journal| format!("{journal:?}") == variable("NAMDRUNNER_TEST_JOURNAL"))
        .unwrap();
    let name: u32 = variable("NAMDRUNNER_TEST_NAME").parse().unwrap();
    let mut out = std::io::stdout();
    // Writing fails when the parent is gone: then this ends too.
    let mut tell = |what: &str, seq: u64, id: &JobId| {
        out.write_all(format!("\ndone {what} {seq} {id}\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
    };
    let store = open(Path::new(&dir), journal);
    for n in 0.. {
        let now = at(i64::from(n));
        let jobs: Vec<JobId> = (0..u32::try_from(BATCH).unwrap())
            .map(|i| {
                let mut hidden = intent(name * 10_000 + n * 10 + i);
                hidden.spec.cluster = "blue".into();
                put(&store, hidden.clone());
                let (seq, _) = record(&store, &hidden.id, &uploaded(), now)
                    .unwrap()
                    .unwrap();
                tell("created", seq, &hidden.id);
                hidden.id
            })
            .collect();
        let withdrawn = Fact::NotSubmitted { error: None };
        for fact in [Fact::SubmitAsked { tag: tag(n) }, withdrawn] {
            let batch = jobs.iter().map(|id| {
                let fact = &fact;
                (id.clone(), move |job: &Job| {
                    Ok(job.apply(fact, now).unwrap())
                })
            });
            for (id, done) in jobs.iter().zip(store.update_many(batch).unwrap()) {
                tell("updated", done.unwrap().unwrap().0, id);
            }
        }
        for id in jobs.iter().skip(1) {
            tell("deleted", store.delete(id, now).unwrap(), id);
        }
    }
}
