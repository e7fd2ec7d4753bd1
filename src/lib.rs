//! NAMDRunner.

pub mod namd;
