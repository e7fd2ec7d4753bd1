//! What the tests share.
#![allow(dead_code)] // each test uses its part

pub(crate) mod client;
#[path = "../support/proxy.rs"]
pub mod proxy;
pub(crate) mod water;
