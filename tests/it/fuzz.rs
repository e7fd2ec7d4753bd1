//! What the fuzz targets promise (tests/fuzz), held on every run: over their corpus, over everything
//! fuzzing has found, over all beginnings of these, and over changes of them by chance.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::harness::{TARGETS, Target};

#[path = "../fuzz/harness.rs"]
mod harness;

/// How long `changes_by_chance_keep_every_promise` goes on for each target, in seconds; without it
/// each gets a fixed number of tries.
const SECONDS: &str = "NAMDRUNNER_FUZZ_SECONDS";
/// Tries for each target and ordinary run.
const TRIES: usize = 400;

/// Words that parsers look for.
const WORDS: &[&str] = &[
    "|",
    "\n",
    "\r\n",
    "\0",
    " ",
    "=",
    ".",
    "\u{e9}",
    "10|",
    "11|",
    "12_3|",
    "12_[1-9%2]|",
    "10+0|",
    "10.batch|",
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "COMPLETING",
    "CANCELLED by 0",
    "FAILED",
    "OUT_OF_ME+",
    "REQUEUED",
    "SPECIAL_EXIT",
    "NODE_FAIL",
    "PREEMPTED",
    "TIMEOUT",
    "REVOKED",
    "Unknown",
    "None",
    "N/A",
    "(null)",
    "2026-11-23T21:50:31",
    "1-00:00:00",
    "UNLIMITED",
    "99999999999999999999",
    "-1",
    "4196K",
    "3:0",
    "0:9",
    "|namdrunner:aaaa1111|",
    "|/scratch/me/j/1",
    "@namdrunner n0nce begin squeue -\n",
    "@namdrunner n0nce end squeue - rc=0 rows=1 odd=0 ours=1 lines=1 err=\n",
    "id ",
    "at ",
    "outcome accepted",
    "outcome rejected",
    "err ",
    "out ",
    "step sbatch rc=1",
    "receipt 1 aaaa1111 10 1800000000 .",
    "exit 1 aaaa1111 10 0 0 0 1800000000 .",
    "slurmstepd: error: *** JOB 10 ON c1 CANCELLED AT 2026-11-25T12:00:00 DUE TO TIME LIMIT ***",
    " DUE TO PREEMPTION ***",
    "lock 1 aaaa1111 gone sending",
    "Content-Length: ",
    "Content-Length: 2\r\n\r\n{}",
    "{",
    "}",
    "[",
    "]",
    "$",
    "\"",
    "\\",
    ";",
    "set ",
    "proc ",
    "source ",
    "if ",
    "while {1} {",
    "foreach ",
    "structure ",
    "run 10",
    "ENERGY: ",
    "ETITLE: ",
    "Info: ",
    "FATAL ERROR: ",
    "TIMING: 100 ",
    "TCL: Running for 100 steps\n",
    "End of program\n",
    "WallClock: 1.0",
    "ENERGY: ",
    "ETITLE: ",
    "FATAL ERROR: ",
    "Info: ",
    "TCL: Running for 100 steps\n",
    "WallClock: 1.0",
    "namdrunner-probe:",
    "end=1\n",
];

fn files(of: &str, target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(of)
        .join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&dir)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn each_target_is_built_for_libfuzzer_too() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let manifest = fs::read_to_string(here.join("Cargo.toml")).unwrap();
    let programs = fs::read_dir(here.join("fuzz_targets")).unwrap().count();
    assert_eq!(programs, TARGETS.len());
    for (name, _) in TARGETS {
        let program = fs::read_to_string(here.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("{name}(")), "{program}");
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}

fn keeps_its_promise((name, target): Target, input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(
        outcome.is_ok(),
        "{name} breaks its promise; keep this in tests/fuzz/regressions/{name}: {}",
        input.escape_ascii()
    );
}

#[test]
fn the_corpus_and_what_fuzzing_found_keep_every_promise() {
    for target in TARGETS {
        let corpus = files("corpus", target.0);
        assert!(
            !corpus.is_empty(),
            "tests/fuzz/corpus/{} is empty",
            target.0
        );
        for input in corpus.into_iter().chain(files("regressions", target.0)) {
            keeps_its_promise(*target, &input);
            // Every beginning of it; of long ones, as many spread over them.
            let step = (input.len() / 300).max(1);
            for end in (0..input.len()).step_by(step) {
                keeps_its_promise(*target, &input[..end]);
            }
        }
    }
}

/// A small generator (splitmix64): the same changes on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % end.max(1) as u64).unwrap()
    }

    fn change(&mut self, input: &mut Vec<u8>, others: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(40)).min(input.len());
        match self.below(8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => {
                let again = input[at..end].to_vec();
                drop(input.splice(at..at, again));
            }
            3 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            4 => {
                let bytes: Vec<u8> = (0..self.below(6))
                    .map(|_| u8::try_from(self.below(256)).unwrap())
                    .collect();
                drop(input.splice(at..end, bytes));
            }
            5 => {
                let other = &others[self.below(others.len())];
                let from = self.below(other.len());
                let to = (from + self.below(200)).min(other.len());
                drop(input.splice(at..at, other[from..to].iter().copied()));
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                let until = if self.below(2) == 0 { at } else { end };
                drop(input.splice(at..until, word.bytes()));
            }
        }
        input.truncate(1 << 16);
    }
}

#[test]
fn changes_by_chance_keep_every_promise() {
    let seconds: Option<u64> = std::env::var(SECONDS)
        .ok()
        .map(|text| text.parse().unwrap());
    for target in TARGETS {
        let seeds: Vec<Vec<u8>> = files("corpus", target.0)
            .into_iter()
            .chain(files("regressions", target.0))
            .collect();
        let started = Instant::now();
        let mut chance = Chance(seconds.map_or(1, |_| u64::from(std::process::id())));
        let mut tries = 0;
        while seconds.map_or(tries < TRIES, |most| {
            started.elapsed() < Duration::from_secs(most)
        }) {
            let mut input = seeds[chance.below(seeds.len())].clone();
            for _ in 0..=chance.below(5) {
                chance.change(&mut input, &seeds);
            }
            keeps_its_promise(*target, &input);
            tries += 1;
        }
        if seconds.is_some() {
            println!("{}: {tries} tries", target.0);
        }
    }
}
