//! Promises kept on a real Slurm behind a real sshd, over the real wire. Run by `tests/run.sh`.

mod awkward;
mod faults;
mod life;
mod polite;
pub mod rig;
mod storm;
pub mod tools;
