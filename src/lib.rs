//! `NAMDRunner`.

pub mod namd;
