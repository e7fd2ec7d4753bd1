//! NAMDRunner: runs NAMD simulations on Slurm clusters, from an editor, over JSON-RPC.
//!
//! # How it is built
//!
//! A pure core decides ([`scheduler`], [`job`], [`namd`], [`advice`]), two adapters act ([`transport`],
//! [`store`]), one [`engine`] sequences them through one door, and a thin wire ([`protocol`],
//! [`rpc`], [`server`]) carries calls in and changes out.
//!
//! ```text
//! editor ──bytes──> server ──call──> rpc ──> engine ──> transport ──> cluster
//!    ^                 ^                        │  uses pure: namd, scheduler, job
//!    └ jobStatusChanged┴── broadcast <── record(fact)
//!                                         │ job.apply(fact) = Change     (pure)
//!                                         └ store.update: job row + history row, one transaction
//! ```
//!
//! Bottom to top: [`error`] and [`shell`] are words everybody uses. [`scheduler`] turns wishes into
//! commands and answers into reports, and runs nothing. [`job`] holds the only transition table
//! ([`job::state`]). [`namd`] reads configs and logs and never fails. [`advice`] says what went wrong
//! and what to do, from what these know ([`error`] gives it the names of refusals). [`config`] and
//! [`probe`] know the person's settings and what a cluster's login shell says; [`doctor`] judges
//! both before a job is lost to them. [`transport`] runs
//! commands and moves files; it never knows what a job is. [`store`] is SQLite. [`engine`] is the use cases: creating
//! and uploading, submitting step by step, one look at a cluster, cancelling, deleting. [`protocol`]
//! is every wire type and the method table; [`rpc`] puts the table onto the dispatcher and turns
//! domain into wire; [`lsp`] shows beside an open config what [`namd`] and the engine know;
//! [`server`] serves one session over any duplex stream; all windows of a user share one
//! in the background, which editors reach through a forwarder ([`server::forward`]). [`cli`] is thin.
//!
//! # How files travel
//!
//! Small files go in one tar stream, in one round trip whatever their number: SFTP needs three round
//! trips for each, one after another in OpenSSH's own client (500 files of 20 kB over 40 ms: 0.8 s
//! against 95 s). Files from [`transport::LARGE`] on go over several SFTP sessions of the one
//! connection, because a server takes 2 MiB of one channel per round trip, and because SFTP
//! acknowledges what it wrote: that tells what has to be sent again after a break, and how long what
//! is on its way waits, which is kept below what a look at the queue would notice. Beside them runs
//! one `sh` that sums what has arrived, block by block, names what is whole, and says in the system's
//! words what is wrong, which SFTP cannot ("Failure" for a full disk); where there is no SFTP it
//! carries the bytes as well. `cargo bench -- transfer` measures all of it beside `sftp` and `rsync`.
//!
//! # Invariants
//!
//! 1. The core ([`error`], [`shell`], [`scheduler`], [`job`], [`namd`], [`advice`]) is synchronous
//!    and total. The time, ids and randomness come in as arguments.
//! 2. A scheduler never runs anything and never sees a transport; a transport never knows a job.
//! 3. A job's status and lifecycle change only through `Engine::record` (and its plural);
//!    [`job::Job::apply`] is the only transition table; job row and history row are one
//!    transaction, committed before anybody is told.
//! 4. Intent is stored before effect: a submission before `sbatch` runs, a cancellation before
//!    `scancel`, an upload before its first byte. A crash is resolved by looking, never by guessing.
//! 5. Silence is not an outcome. An unreachable cluster, a failed command, a partial answer or an id
//!    missing from one reply ends no job. Only an explicit report, an accounting record, or the
//!    job's own end marker does; absence ends it as UNKNOWN by one rule, and it can be reopened.
//! 6. Parsers of foreign text return what they understood plus findings; they neither panic nor let
//!    one unknown line spoil its neighbours.
//! 7. Wire types are not domain types. The protocol grows by optional fields; names never change.
//! 8. Standard output belongs to the wire. Every request gets exactly one response. Notifications
//!    are hints. Those of a change carry its `seq`, and a client that missed some asks
//!    `changesSince`; others tell what is, and the next one tells it anew.
//! 9. One connection and one poller per cluster, whatever the number of editors or jobs; a look is
//!    one remote command. A daemon owns a store alone ([`server::daemon`]): the lock beside the
//!    database decides, never a socket or a process id. Only servers without a daemon share a store,
//!    and elect the poller with a file lock.
//! 10. Secrets never touch disk, log, `Debug` or the bus.
//! 11. Remote deletion goes through [`job::layout::deletable`]: only paths strictly inside the
//!     roots that carry the job's id; the removing command compares canonical paths once more.
//! 12. No lock is held across an await. A broken or newer database is an error with a hint, never a
//!     fresh start.
//!
//! The lints in `Cargo.toml` and `clippy.toml` and the test `tidy` hold what they can of this.

pub mod error;
pub mod shell;

pub mod advice;
pub mod job;
pub mod namd;
pub mod scheduler;

pub mod config;
pub mod doctor;
pub mod probe;
pub mod store;
pub mod transport;

pub mod engine;

pub mod protocol;
pub mod rpc;

pub mod lsp;
pub mod server;

pub mod cli;
