//! Integration tests: the program and the library as their users meet them.

mod cluster;
mod support;
mod tidy;
mod wire;
