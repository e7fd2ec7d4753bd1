//! NAMDRunner.

pub mod config;
pub mod engine;
pub mod error;
pub mod job;
pub mod namd;
pub mod scheduler;
pub mod shell;
pub mod store;
pub mod transport;
