//! Promises kept on a real Slurm behind a real sshd, over the real wire. Run by `tests/run.sh`.

mod faults;
mod life;
mod reconcile;
pub mod rig;
