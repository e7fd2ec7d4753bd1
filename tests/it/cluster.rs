//! Promises kept on a real Slurm behind a real sshd, over the real wire. Run by `tests/run.sh`.

mod arrays;
mod disks;
mod faults;
mod life;
mod links;
#[path = "../support/proxy.rs"]
mod proxy;
mod reconcile;
pub mod rig;
