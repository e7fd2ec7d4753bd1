//! How far a transfer is: bytes, rate, and the time that is left, of the file and of the whole.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::engine::cluster::lock;
use crate::engine::{Caller, FileProgress, Progress, TransferProgress};
use crate::transport::Watcher;

/// The time over which the rate is taken.
const SPAN: Duration = Duration::from_secs(4);

/// The least time between two samples of the rate.
const STEP: Duration = Duration::from_millis(100);

/// Counts the bytes of one transfer and tells its caller.
pub(crate) struct Meter {
    caller: Caller,
    doing: &'static str,
    total: u64,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    done: u64,
    /// Bytes that moved, without those that were there already: what the rate is made of.
    moved: Rate,
    file: Option<FileProgress>,
}

/// Bytes over the last seconds.
#[derive(Default)]
struct Rate {
    moved: u64,
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    fn add(&mut self, now: Instant, bytes: u64) {
        if self.samples.is_empty() {
            self.samples.push_back((now, 0));
        }
        self.moved += bytes;
        let last = self.samples.back().map(|(at, _)| *at);
        if last.is_none_or(|at| now.duration_since(at) >= STEP) {
            self.samples.push_back((now, self.moved));
        }
        // One that is older than the span stays, so that there is a beginning.
        while let Some((second, _)) = self.samples.get(1) {
            if now.duration_since(*second) < SPAN {
                break;
            }
            self.samples.pop_front();
        }
    }

    /// Bytes per second; none before anything can be said.
    fn per_second(&self, now: Instant) -> Option<u64> {
        let (at, moved) = self.samples.front()?;
        let millis = u64::try_from(now.duration_since(*at).as_millis()).ok()?;
        let bytes = (self.moved - moved).checked_mul(1000)?;
        (millis >= 200)
            .then(|| bytes / millis)
            .filter(|rate| *rate > 0)
    }
}

impl Meter {
    /// A meter of `total` bytes, for what is being done: `Uploading`.
    pub(crate) fn new(caller: &Caller, doing: &'static str, total: u64) -> Arc<Self> {
        Arc::new(Self {
            caller: caller.clone(),
            doing,
            total,
            count: Mutex::default(),
        })
    }

    /// What the transport tells of it.
    pub(crate) fn watcher(self: &Arc<Self>) -> Watcher {
        let (moves, files) = (Arc::clone(self), Arc::clone(self));
        Watcher {
            progress: Some(Arc::new(move |bytes| moves.moved(bytes, Instant::now()))),
            file: Some(Arc::new(move |path, done, size| {
                lock(&files.count).file = Some(FileProgress {
                    path: path.to_owned(),
                    done,
                    total: size,
                });
            })),
            cancel: self.caller.cancel.clone(),
        }
    }

    /// Bytes that need not move: they are where they belong.
    pub(crate) fn skip(&self, bytes: u64) {
        lock(&self.count).done += bytes;
    }

    fn moved(&self, bytes: u64, now: Instant) {
        let Some(tell) = &self.caller.progress else {
            return;
        };
        let progress = {
            let mut count = lock(&self.count);
            count.done += bytes;
            count.moved.add(now, bytes);
            self.progress(&count, now)
        };
        tell(progress);
    }

    fn progress(&self, count: &Count, now: Instant) -> Progress {
        let done = count.done.min(self.total);
        let rate = count.moved.per_second(now);
        let seconds = |left: u64| rate.map(|rate| left.div_ceil(rate));
        let left = seconds(self.total - done);
        let file = count.file.clone();
        let mut message = self.doing.to_owned();
        if let Some(file) = &file {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            message = format!("{message} {name} ({})", of(file.done, file.total));
        }
        message = format!("{message}: {}", of(done, self.total));
        if let (Some(rate), Some(left)) = (rate, left) {
            message = format!("{message}, {}/s, {} left", size(rate), time(left));
        }
        Progress {
            message,
            done,
            total: self.total,
            transfer: Some(TransferProgress {
                bytes_per_second: rate,
                seconds_left: left,
                file_seconds_left: file
                    .as_ref()
                    .and_then(|file| seconds(file.total.saturating_sub(file.done))),
                file,
            }),
        }
    }
}

fn of(done: u64, total: u64) -> String {
    format!("{} of {}", size(done), size(total))
}

/// Bytes for people, in decimal units as transfer programs have them.
pub(crate) fn size(bytes: u64) -> String {
    let mut unit = 1_u64;
    let mut name = "B";
    for (next, its_name) in [
        (1_000, "kB"),
        (1_000_000, "MB"),
        (1_000_000_000, "GB"),
        (1_000_000_000_000, "TB"),
    ] {
        if bytes >= next {
            (unit, name) = (next, its_name);
        }
    }
    let tenths = bytes / (unit / 10).max(1);
    if unit == 1 || tenths >= 1000 {
        format!("{} {name}", bytes / unit)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// Seconds for people.
fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_234_567, "1.2 MB"),
            (99_950_000, "99.9 MB"),
            (200_000_000, "200 MB"),
            (7_300_000_000, "7.3 GB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let begun = Instant::now();
        let mut rate = Rate::default();
        let mut now = begun;
        for _ in 0..100 {
            rate.add(now, 1_000_000);
            now += Duration::from_millis(100);
        }
        let fast = rate.per_second(now).unwrap();
        assert!((9_000_000..=11_000_000).contains(&fast), "{fast}");
        for _ in 0..100 {
            rate.add(now, 100_000);
            now += Duration::from_millis(100);
        }
        let slow = rate.per_second(now).unwrap();
        assert!((900_000..=1_100_000).contains(&slow), "{slow}");
        assert!(Rate::default().per_second(now).is_none());
    }

    #[test]
    fn what_is_there_already_counts_as_done_and_not_as_moved() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tells = Arc::clone(&told);
        let caller = Caller {
            progress: Some(Arc::new(move |progress| lock(&tells).push(progress))),
            ..Caller::default()
        };
        let meter = Meter::new(&caller, "Uploading", 100_000_000);
        meter.skip(60_000_000);
        let begun = Instant::now();
        meter.moved(0, begun);
        (meter.watcher().file.unwrap())("/a/traj.dcd", 20_000_000, 40_000_000);
        meter.moved(20_000_000, begun + Duration::from_secs(2));
        let last = lock(&told).pop().unwrap();
        assert_eq!((last.done, last.total), (80_000_000, 100_000_000));
        assert_eq!(
            last.message,
            "Uploading traj.dcd (20.0 MB of 40.0 MB): 80.0 MB of 100 MB, 10.0 MB/s, 2 s left"
        );
        let transfer = last.transfer.unwrap();
        assert_eq!(transfer.file_seconds_left, Some(2));
    }
}
