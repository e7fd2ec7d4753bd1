//! Promises kept on a real Slurm behind a real sshd, over the real wire. Run by `tests/run.sh`.

mod arrays;
mod awkward;
mod disks;
mod faults;
mod life;
mod links;
mod login;
mod logs;
mod polite;
#[path = "../support/proxy.rs"]
pub mod proxy;
mod reconcile;
mod results;
pub mod rig;
mod storm;
pub mod tools;
mod transfers;
