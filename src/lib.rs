//! NAMDRunner.

pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod job;
pub mod namd;
pub mod protocol;
pub mod rpc;
pub mod scheduler;
pub mod server;
pub mod shell;
pub mod store;
pub mod transport;
