//! Many clients and many jobs for long: memory is flat, no task and no change is lost.
//!
//! `NAMDRUNNER_TEST_SOAK_SECONDS` makes it longer than the few seconds of the ordinary run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Place, create, resident_mib};
use crate::support::client::Client;

const CLIENTS: usize = 20;

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// What one client was told, by number.
struct Listener {
    client: Client,
    last: u64,
    gaps: u64,
}

impl Listener {
    async fn new(place: &Place) -> Self {
        let mut client = Client::through_daemon(&place.home());
        client.at_ease();
        client.initialize().await;
        Self {
            client,
            last: 0,
            gaps: 0,
        }
    }

    /// Takes what has been told up to a change.
    async fn hear(&mut self, until: u64) {
        while self.last < until {
            let told = self
                .client
                // (Progress only repeats the number of the last change.)
                .take(|message| {
                    message["params"]["seq"].is_u64() && message["method"] != "jobProgress"
                })
                .await;
            let seq = told.expect("the daemon is there")["params"]["seq"]
                .as_u64()
                .unwrap();
            assert!(seq > self.last, "{seq} after {}", self.last);
            if self.last > 0 && seq != self.last + 1 {
                self.gaps += 1;
            }
            self.last = seq;
        }
    }
}

#[tokio::test]
#[ignore = "needs tests/run.sh"]
async fn many_clients_for_long() {
    let time = Duration::from_secs(variable("NAMDRUNNER_TEST_SOAK_SECONDS", 20));
    let jobs = usize::try_from(variable("NAMDRUNNER_TEST_SOAK_JOBS", 60)).unwrap();
    let place = Place::new();
    let mut writer = place.editor().await;
    let pid = place.daemon();
    let mut ids = Vec::new();
    for _ in 0..jobs {
        ids.push(create(&mut writer, &place, "quick.namd").await);
    }
    let mut listeners = Vec::new();
    for _ in 0..CLIENTS {
        listeners.push(Listener::new(&place).await);
    }
    // Some of them run, one after another: the poller and the steps are at work.
    for id in ids.iter().take(20) {
        writer
            .request("submit", json!({"jobId": id}))
            .await
            .unwrap();
    }
    let begun = Instant::now();
    let mut seen = Vec::new();
    let mut round = 0_usize;
    while begun.elapsed() < time || round < 5 {
        round += 1;
        for (n, id) in ids.iter().enumerate() {
            let params = json!({"jobId": id, "labels": {"round": format!("{round}.{n}")}});
            writer.request("updateJob", params).await.unwrap();
        }
        writer.forget_news();
        let newest = writer
            .request("listJobs", json!({"limit": 1}))
            .await
            .unwrap();
        let newest = newest["seq"].as_u64().unwrap();
        for listener in &mut listeners {
            listener.hear(newest).await;
            listener.client.forget_news_before(newest);
        }
        // Clients come and go.
        let place_of_one = round % CLIENTS;
        let one = std::mem::replace(&mut listeners[place_of_one], Listener::new(&place).await);
        assert_eq!(one.gaps, 0);
        assert_eq!(one.client.shut_down().await, 0);
        seen.push(resident_mib(pid));
    }
    let status: Value = place.status().await;
    assert_eq!(status["pid"], json!(pid), "it was the same all the time");
    assert_eq!(status["clients"].as_array().unwrap().len(), CLIENTS + 1);
    let (early, late) = (seen[seen.len() / 4], *seen.last().unwrap());
    println!(
        "{CLIENTS} clients, {jobs} jobs, {round} rounds in {:?}: resident {early:.1} MiB, later {late:.1} MiB",
        begun.elapsed()
    );
    assert!(late < early * 1.3 + 4.0, "memory grows: {seen:?}");
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .count();
    assert!(threads < 40, "{threads} threads");
    for listener in listeners {
        assert_eq!(listener.gaps, 0);
        assert_eq!(listener.client.shut_down().await, 0);
    }
    assert_eq!(writer.shut_down().await, 0);
    place.until_free().await;
}
