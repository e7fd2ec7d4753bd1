//! Integration tests: the program and the library as their users meet them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::large_enum_variant,
    clippy::format_push_string,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that meets the unexpected fails, and nobody outside names its parts"
)]

mod cluster;
mod daemon;
mod fuzz;
mod readme;
mod support;
mod tidy;
mod wire;
