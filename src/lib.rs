//! NAMDRunner.

pub mod config;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod job;
pub mod namd;
pub mod probe;
pub mod scheduler;
pub mod shell;
pub mod store;
pub mod transport;
