//! How much of a transfer may be on its way at once, so that it does not delay what else the
//! connection carries.
//!
//! What is sent faster than the line takes it waits somewhere on the way, and a question about the
//! queue waits behind it. So the delay itself is watched: as long as answers come as soon as they did
//! on the empty line, more is sent at once; when they come later by more than [`PATIENCE`], less. A
//! fast line with a long way is filled all the same, because a long way is no queue.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// What a transfer may add to the delay of others.
const PATIENCE: Duration = Duration::from_millis(10);

/// Bytes that may always be on their way, or nothing would move.
const FLOOR: u64 = 128 * 1024;

/// Bytes on their way before anything is known of the line.
const START: u64 = 1024 * 1024;

/// The bound, adjusted once for each windowful of answers.
#[derive(Debug)]
pub(super) struct Window {
    limit: u64,
    ceiling: u64,
    on_way: u64,
    /// The shortest delay seen: that of the empty line.
    empty: Option<Duration>,
    /// Bytes sent under a larger limit, whose delay says nothing about this one.
    stale: u64,
    /// Bytes still to be answered in this round, and the shortest delay in it.
    left: u64,
    shortest: Option<Duration>,
}

impl Window {
    fn new(ceiling: u64) -> Self {
        let limit = START.min(ceiling);
        Self {
            limit,
            ceiling,
            on_way: 0,
            empty: None,
            stale: 0,
            left: limit,
            shortest: None,
        }
    }

    fn take(&mut self, bytes: u64) -> bool {
        let fits = self.on_way == 0 || self.on_way + bytes <= self.limit;
        if fits {
            self.on_way += bytes;
        }
        fits
    }

    fn give(&mut self, bytes: u64, took: Duration) {
        self.lose(bytes);
        self.empty = Some(self.empty.map_or(took, |empty| empty.min(took)));
        if self.stale > 0 {
            self.stale = self.stale.saturating_sub(bytes);
            return;
        }
        self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0 {
            self.adjust();
        }
    }

    fn lose(&mut self, bytes: u64) {
        self.on_way = self.on_way.saturating_sub(bytes);
    }

    fn adjust(&mut self) {
        let (Some(empty), Some(shortest)) = (self.empty, self.shortest.take()) else {
            return;
        };
        let patience = PATIENCE.max(empty / 2);
        let queue = shortest.saturating_sub(empty);
        if queue <= patience / 2 {
            self.limit = (self.limit * 2).min(self.ceiling);
        } else if queue > patience {
            if self.limit <= FLOOR {
                // Not our queue then: the way itself has become longer.
                self.empty = Some(shortest);
            }
            let share = (patience.as_secs_f64() / queue.as_secs_f64()).max(0.5);
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of some megabytes, from one half to one"
            )]
            let smaller = (self.limit as f64 * share) as u64;
            self.limit = smaller.max(FLOOR);
            self.stale = self.on_way;
        }
        self.left = self.limit;
    }
}

/// A [`Window`] that all transfers of a connection share.
#[derive(Debug)]
pub(super) struct Flow {
    window: Mutex<Window>,
    changed: Notify,
}

impl Flow {
    /// A window of at most this many bytes.
    pub(super) fn new(ceiling: u64) -> Self {
        Self {
            window: Mutex::new(Window::new(ceiling)),
            changed: Notify::new(),
        }
    }

    /// Takes room for bytes to be sent, if there is.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let (taken, more) = {
            let mut window = self.window();
            (window.take(bytes), window.on_way < window.limit)
        };
        if taken && more {
            // Another that waits may fit as well.
            self.changed.notify_one();
        }
        taken
    }

    /// Gives room back: the bytes were answered after this time.
    pub(super) fn give(&self, bytes: u64, took: Duration) {
        self.window().give(bytes, took);
        self.changed.notify_one();
    }

    /// Gives room back of bytes that will never be answered.
    pub(super) fn lose(&self, bytes: u64) {
        self.window().lose(bytes);
        self.changed.notify_one();
    }

    /// Waits until there may be room.
    pub(super) async fn room(&self) {
        self.changed.notified().await;
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        // Plain numbers, whole after every statement.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const PACKET: u64 = 32 * 1024;
    const CEILING: u64 = 8 * 1024 * 1024;

    /// A line of this rate and delay: what is on its way beyond what the line holds waits.
    fn settle(window: &mut Window, bytes_per_second: u32, way: Duration) -> u64 {
        let mut line = VecDeque::new();
        for _ in 0..20_000 {
            while window.take(PACKET) {
                let ahead = u32::try_from(window.on_way).unwrap();
                let queued = f64::from(ahead) / f64::from(bytes_per_second);
                line.push_back(way.max(Duration::from_secs_f64(queued)));
            }
            window.give(PACKET, line.pop_front().unwrap());
        }
        for _ in line {
            window.lose(PACKET);
        }
        window.limit
    }

    #[test]
    fn a_long_way_is_filled() {
        let limit = settle(
            &mut Window::new(CEILING),
            1_000_000_000,
            Duration::from_millis(40),
        );
        assert_eq!(limit, CEILING);
    }

    #[test]
    fn a_slow_line_is_not_flooded() {
        // 10 MB/s and 40 ms: the line holds 400 kB, and 20 ms more (half the way) may wait.
        let limit = settle(
            &mut Window::new(CEILING),
            10_000_000,
            Duration::from_millis(40),
        );
        assert!((300_000..=900_000).contains(&limit), "{limit}");
        // 200 kB/s: as little as moves at all.
        let limit = settle(
            &mut Window::new(CEILING),
            200_000,
            Duration::from_millis(40),
        );
        assert!(limit <= 2 * FLOOR, "{limit}");
    }

    #[test]
    fn a_line_that_becomes_slower_and_faster_is_followed() {
        let mut window = Window::new(CEILING);
        settle(&mut window, 1_000_000_000, Duration::from_millis(5));
        let slower = settle(&mut window, 10_000_000, Duration::from_millis(5));
        assert!(slower < 600_000, "{slower}");
        let longer = settle(&mut window, 1_000_000_000, Duration::from_millis(80));
        assert_eq!(longer, CEILING, "a longer way is no queue");
    }

    #[test]
    fn something_may_always_move() {
        let mut window = Window::new(PACKET);
        assert!(window.take(10 * PACKET));
        assert!(!window.take(1));
        window.lose(10 * PACKET);
        assert!(window.take(1));
    }
}
