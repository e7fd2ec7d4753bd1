//! The wire: framing, requests, lifecycle and the generated protocol.

mod cli;
mod faults;
mod fixture;
mod generated;
mod lifecycle;
mod requests;
mod transcripts;
mod withdrawal;
