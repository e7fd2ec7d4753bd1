//! The wire: framing, requests, lifecycle and the generated protocol.

mod cli;
mod faults;
mod files;
mod fixture;
mod generated;
mod jobs;
mod language;
mod lifecycle;
mod logs;
mod requests;
mod runs;
mod transcripts;
mod withdrawal;
