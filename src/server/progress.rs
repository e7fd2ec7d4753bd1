//! `$/progress` of one request: begin, reports now and then, end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::engine;
use crate::protocol::{OnProgress, Progress, ProgressFile, ProgressParams, ProgressToken};

use super::message::notification;
use super::outbox::Outbox;

/// The least time between two reports.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports the progress of one request.
pub(super) struct Reporter {
    outbox: Outbox,
    token: ProgressToken,
    told: Mutex<Told>,
}

/// What was told last.
#[derive(Default)]
struct Told {
    at: Option<Instant>,
    percentage: u32,
}

impl Reporter {
    /// Tells that the request is being worked on.
    pub(super) async fn begin(
        outbox: Outbox,
        token: ProgressToken,
        title: &str,
        cancellable: bool,
    ) -> Arc<Self> {
        let this = Self {
            outbox,
            token,
            told: Mutex::default(),
        };
        let begin = Progress::Begin {
            title: title.to_owned(),
            cancellable,
        };
        // A client that is gone is noticed by the session.
        let _ = this.outbox.send(this.message(begin)).await;
        Arc::new(this)
    }

    /// Tells how far it is, unless that was told a moment ago or the client is slow to read: the
    /// next report makes up for it.
    pub(super) fn report(&self, progress: &engine::Progress) {
        let Ok(mut told) = self.told.lock() else {
            return;
        };
        let now = Instant::now();
        if told.at.is_some_and(|at| now.duration_since(at) < PAUSE) {
            return;
        }
        let percentage = percent(progress.done, progress.total).map(|p| p.max(told.percentage));
        let transfer = progress.transfer.as_ref();
        let file = transfer.and_then(|transfer| {
            let file = transfer.file.as_ref()?;
            Some(ProgressFile {
                path: file.path.clone(),
                bytes: file.done,
                total_bytes: file.total,
                seconds_left: transfer.file_seconds_left,
            })
        });
        let report = Progress::Report {
            message: progress.message.clone(),
            percentage,
            bytes: transfer.map(|_| progress.done),
            total_bytes: transfer.map(|_| progress.total),
            bytes_per_second: transfer.and_then(|transfer| transfer.bytes_per_second),
            seconds_left: transfer.and_then(|transfer| transfer.seconds_left),
            file,
        };
        if self.outbox.offer(self.message(report)) {
            told.at = Some(now);
            told.percentage = percentage.unwrap_or(told.percentage);
        }
    }

    /// Tells that the answer follows.
    pub(super) async fn end(&self) {
        let _ = self.outbox.send(self.message(Progress::End {})).await;
    }

    fn message(&self, value: Progress) -> String {
        notification::<OnProgress>(&ProgressParams {
            token: self.token.clone(),
            value,
        })
    }
}

/// How much of the whole is done, if the whole is known.
fn percent(done: u64, total: u64) -> Option<u32> {
    let part = u128::from(done.min(total)) * 100;
    u32::try_from(part.checked_div(u128::from(total))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_from_0_to_100_and_of_a_known_whole() {
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(1, 3), Some(33));
        assert_eq!(percent(7, 5), Some(100));
        assert_eq!(percent(u64::MAX, u64::MAX), Some(100));
    }
}
