//! Integration tests: the program and the library as their users meet them.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking, speaks by printing, and is nobody's library"
)]

mod cluster;
mod readme;
mod support;
mod tidy;
mod wire;
