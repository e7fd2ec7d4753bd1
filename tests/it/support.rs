//! What the tests share.
#![allow(dead_code)] // each test uses its part

pub(crate) mod client;
pub(crate) mod water;
