use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, DuplexStream, Lines};
use tokio::sync::broadcast;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::job::JobId;
use crate::server::framing::Framing;
use crate::server::outbox;

/// A store with deletions alone: the shortest changes there are.
#[derive(Clone, Default)]
struct Past {
    committed: Arc<Mutex<Vec<u64>>>,
    broken: bool,
    read: Arc<Mutex<Vec<u64>>>,
}

impl Teller for Past {
    fn tell(&self, event: &Event) -> Option<String> {
        match event {
            Event::JobDeleted { seq, .. } => Some(format!(r#"{{"seq":{seq}}}"#)),
            _ => None,
        }
    }

    async fn past(&self, seq: u64) -> Result<ChangesSinceResult> {
        if self.broken {
            return Err(Error::new(ErrorKind::StoreBusy, "Busy."));
        }
        self.read.lock().unwrap().push(seq);
        let committed = self.committed.lock().unwrap();
        let later: Vec<u64> = committed.iter().copied().filter(|n| *n > seq).collect();
        let page: Vec<u64> = later.iter().copied().take(10).collect();
        Ok(ChangesSinceResult {
            seq: page.last().copied().unwrap_or(seq),
            truncated: later.len() > page.len(),
            changes: page
                .into_iter()
                .map(|seq| {
                    Change::Deleted(JobDeleted {
                        seq,
                        job_id: "x".into(),
                    })
                })
                .collect(),
        })
    }

    fn clusters(&self) -> Vec<String> {
        vec![r#"{"clusters":true}"#.into()]
    }
}

fn event(seq: u64) -> Event {
    Event::JobDeleted {
        seq,
        job_id: JobId::parse("x_01hf3v8k5w2q0c9m7n4r6t1x8z").unwrap(),
    }
}

struct Rig {
    events: broadcast::Sender<Event>,
    past: Past,
    lines: Lines<BufReader<DuplexStream>>,
}

/// A client with a small pipe, and a bus for few events.
fn rig(past: Past, seq: u64) -> Rig {
    let (ours, theirs) = tokio::io::duplex(32);
    let (outbox, writing) = outbox::open(ours, Arc::new(OnceLock::from(Framing::Lines)), None);
    tokio::spawn(writing);
    let (events, receiver) = broadcast::channel(16);
    tokio::spawn(pass_on(receiver, past.clone(), seq, outbox));
    Rig {
        events,
        past,
        lines: BufReader::new(theirs).lines(),
    }
}

impl Rig {
    fn commit(&self, seq: u64) {
        self.past.committed.lock().unwrap().push(seq);
        let _ = self.events.send(event(seq));
    }

    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The number of the next change.
    async fn number(&mut self) -> u64 {
        let told = self.next().await;
        let number = told["seq"].as_u64().or(told["params"]["seq"].as_u64());
        number.unwrap_or_else(|| panic!("{told} has no number"))
    }

    /// The number of the next change, or nothing for what has none.
    async fn number_if_any(&mut self) -> Option<u64> {
        let told = self.next().await;
        told["seq"].as_u64().or(told["params"]["seq"].as_u64())
    }
}

#[tokio::test]
async fn what_happens_is_told_once_and_what_was_known_is_not() {
    let mut rig = rig(Past::default(), 5);
    for seq in [4, 5, 6, 7] {
        rig.commit(seq);
    }
    assert_eq!(rig.number().await, 6);
    assert_eq!(rig.number().await, 7);
}

#[tokio::test]
async fn two_commits_told_in_the_other_order_are_both_told() {
    let mut rig = rig(Past::default(), 0);
    rig.commit(2);
    rig.commit(1);
    assert_eq!(rig.number().await, 2);
    assert_eq!(rig.number().await, 1);
}

#[tokio::test]
async fn a_client_that_reads_slowly_misses_nothing() {
    let mut rig = rig(Past::default(), 0);
    // Nobody waits for the client: far more than bus, queue and pipe hold.
    for seq in 1..=2000 {
        rig.commit(seq);
        if seq % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut told = Vec::new();
    let mut clusters = 0;
    while told.last() != Some(&2000) {
        match rig.number_if_any().await {
            Some(seq) => told.push(seq),
            None => clusters += 1,
        }
    }
    assert_eq!(told, (1..=2000).collect::<Vec<u64>>());
    assert!(clusters > 0 || rig.next().await == json!({"clusters": true}));
    assert!(
        !rig.past.read.lock().unwrap().is_empty(),
        "it never fell behind"
    );
    // And it goes on with what happens now.
    rig.commit(2001);
    while rig.number_if_any().await != Some(2001) {}
}

#[tokio::test]
async fn a_store_that_cannot_be_read_ends_nothing() {
    let past = Past {
        broken: true,
        ..Past::default()
    };
    let mut rig = rig(past, 0);
    for seq in 1..=100 {
        rig.commit(seq);
    }
    // What is left on the bus is told, and the numbers show the gap.
    let mut last = 0;
    while last < 100 {
        if let Some(seq) = rig.number_if_any().await {
            assert!(seq > last);
            last = seq;
        }
    }
}
