//! Seeded randomness: a failure names its seed, and the seed brings the same faults again.

use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that sets the seed.
const SEED: &str = "NAMDRUNNER_STORM_SEED";

/// A small generator (splitmix64, public domain, by Sebastiano Vigna).
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    state: u64,
    what: &'static str,
}

impl Dice {
    /// The seed of the environment, or a new one.
    pub fn cast(what: &'static str) -> Self {
        let seed = std::env::var(SEED).ok().map_or_else(
            || {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20)
            },
            |text| {
                text.parse()
                    .unwrap_or_else(|_| panic!("{SEED} is a number"))
            },
        );
        Self {
            seed,
            state: seed,
            what,
        }
    }

    /// Another generator, for another thread.
    pub fn child(&mut self) -> Self {
        Self {
            seed: self.seed,
            state: self.next(),
            what: self.what,
        }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}: again with {SEED}={}", self.what, self.seed);
        }
    }
}
