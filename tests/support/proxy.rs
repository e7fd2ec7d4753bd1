//! A TCP proxy on loopback with a delay, and with the faults a network has.
//!
//! Plain tokio code, to be included with `#[path]` where a test or a benchmark needs it. Each
//! direction delivers what it reads after the delay, in order, with no limit of rate; at most 64 MiB
//! are on their way.

#![allow(dead_code, unreachable_pub, reason = "each includer uses a part of it")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Size of one read; what waits is at most this times [`WAITING`].
const READ: usize = 64 * 1024;
const WAITING: usize = 1024;

/// A running proxy; dropping it ends it with all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    /// One way, in microseconds.
    delay: AtomicU64,
    /// Counts the cuts: a connection ends when it is no longer of its generation.
    cuts: watch::Sender<u64>,
    /// Counts the silences: a connection of an earlier generation delivers nothing more.
    silences: AtomicU64,
    /// Whether new connections are dropped at once.
    refuses: AtomicBool,
    accepted: AtomicUsize,
    /// Bytes delivered in both directions.
    delivered: AtomicU64,
    /// Bytes one connection may deliver before it is cut; zero means any number.
    cut_after: AtomicU64,
    /// The fault that comes after so many bytes, once.
    armed: Mutex<Option<Armed>>,
}

/// A direction through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server behind.
    There,
    /// From there to the client.
    Back,
}

/// What a connection meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It breaks, both ways.
    Cut,
    /// Nothing more is delivered in this direction, and nobody is told.
    Stall,
    /// This direction ends in an orderly way; the other goes on.
    HalfClose,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    way: Way,
    left: usize,
    fault: Fault,
}

impl Shared {
    /// How many of `len` bytes may be delivered, and the fault that follows them.
    fn allowed(&self, way: Way, len: usize) -> (usize, Option<Fault>) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        match armed.as_mut().filter(|armed| armed.way == way) {
            Some(armed_here) if armed_here.left <= len => {
                let (left, fault) = (armed_here.left, armed_here.fault);
                *armed = None;
                (left, Some(fault))
            }
            Some(armed_here) => {
                armed_here.left -= len;
                (len, None)
            }
            None => (len, None),
        }
    }
}

impl Proxy {
    /// Starts a proxy to a port of this machine with this delay each way.
    pub async fn start(target_port: u16, one_way: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: SocketAddr::from(([127, 0, 0, 1], target_port)),
            delay: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
            silences: AtomicU64::new(0),
            refuses: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            delivered: AtomicU64::new(0),
            cut_after: AtomicU64::new(0),
            armed: Mutex::new(None),
        });
        let proxy = Self {
            address,
            accepting: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        };
        proxy.set_delay(one_way);
        Ok(proxy)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sets the delay each way for what is read from now on.
    pub fn set_delay(&self, one_way: Duration) {
        let micros = u64::try_from(one_way.as_micros()).unwrap_or(u64::MAX);
        self.shared.delay.store(micros, Ordering::SeqCst);
    }

    /// Breaks all connections there are, as a router that restarts.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Delivers nothing more on the connections there are, which stay open: a network that went
    /// away. New connections work.
    pub fn silence(&self) {
        self.shared.silences.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Cuts each connection once it has delivered this many bytes; zero turns that off.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Once this many more bytes have been delivered in a direction, over all connections, the one
    /// that delivered the last of them meets the fault; once. With zero bytes, before the next one.
    pub fn arm(&self, way: Way, bytes: usize, fault: Fault) {
        *self.lock_armed() = Some(Armed {
            way,
            left: bytes,
            fault,
        });
    }

    /// Whether a fault still waits for its bytes; it is taken back.
    pub fn disarm(&self) -> bool {
        self.lock_armed().take().is_some()
    }

    fn lock_armed(&self) -> std::sync::MutexGuard<'_, Option<Armed>> {
        let armed = self.shared.armed.lock();
        armed.unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections were made so far, refused ones included.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes were delivered so far, both ways together.
    pub fn delivered(&self) -> u64 {
        self.shared.delivered.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((near, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        if !shared.refuses.load(Ordering::SeqCst) {
            tokio::spawn(carry(near, Arc::clone(&shared)));
        }
    }
}

/// Carries one connection until either side ends it or it is cut.
async fn carry(near: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let generation = shared.silences.load(Ordering::SeqCst);
    let Ok(far) = TcpStream::connect(shared.target).await else {
        return;
    };
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let this = Arc::new(Connection {
        end: Notify::new(),
        generation,
        delivered: AtomicU64::new(0),
        shared,
    });
    let there = one_way(Way::There, near_in, far_out, Arc::clone(&this));
    let back = one_way(Way::Back, far_in, near_out, Arc::clone(&this));
    tokio::select! {
        // A half that ends leaves the other its time: SSH and HTTP both close that way.
        _ = async { tokio::join!(there, back) } => {}
        _ = cuts.changed() => {}
        () = this.end.notified() => {}
    }
}

struct Connection {
    end: Notify,
    generation: u64,
    delivered: AtomicU64,
    shared: Arc<Shared>,
}

async fn one_way(
    way: Way,
    mut from: tcp::OwnedReadHalf,
    to: tcp::OwnedWriteHalf,
    this: Arc<Connection>,
) {
    let (queue, waiting) = mpsc::channel::<(Instant, Vec<u8>)>(WAITING);
    let delivering = deliver(way, waiting, to, Arc::clone(&this));
    let reading = async move {
        let mut buffer = vec![0; READ];
        while let Ok(read) = from.read(&mut buffer).await {
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            let delay = Duration::from_micros(this.shared.delay.load(Ordering::SeqCst));
            if queue
                .send((Instant::now() + delay, bytes.to_vec()))
                .await
                .is_err()
            {
                break;
            }
        }
    };
    tokio::join!(delivering, reading);
}

async fn deliver(
    way: Way,
    mut waiting: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: tcp::OwnedWriteHalf,
    this: Arc<Connection>,
) {
    let shared = &this.shared;
    while let Some((due, bytes)) = waiting.recv().await {
        sleep_until(due).await;
        if shared.silences.load(Ordering::SeqCst) != this.generation {
            std::future::pending::<()>().await;
        }
        let (allowed, fault) = shared.allowed(way, bytes.len());
        let bytes = bytes.get(..allowed).unwrap_or_default();
        if to.write_all(bytes).await.is_err() {
            return;
        }
        match fault {
            None => {}
            Some(Fault::Cut) => {
                this.end.notify_one();
                std::future::pending::<()>().await;
            }
            Some(Fault::Stall) => std::future::pending::<()>().await,
            // What is dropped is shut down.
            Some(Fault::HalfClose) => return,
        }
        let count = allowed as u64;
        shared.delivered.fetch_add(count, Ordering::SeqCst);
        let so_far = this.delivered.fetch_add(count, Ordering::SeqCst) + count;
        let limit = shared.cut_after.load(Ordering::SeqCst);
        if limit > 0 && so_far >= limit {
            this.end.notify_one();
        }
    }
}
