//! NAMD's own files, read without NAMD: what a configuration needs, writes and runs.
//!
//! A configuration is a Tcl program, so what it needs is found by evaluating
//! it as far as the result is certain beforehand ([`Closure`]). Nothing here
//! touches the file system: the closure is a step function that asks for paths
//! to be looked at and is told what is there.
//!
//! ```
//! use namdrunner::namd::{Closure, Found};
//!
//! let mut closure = Closure::new("/home/me/run1/eq.namd");
//! loop {
//!     let needs = closure.needs();
//!     if needs.is_empty() {
//!         break;
//!     }
//!     for need in needs {
//!         // Really: look at need.path on disk, as far as need.want says.
//!         let found = match need.path.as_str() {
//!             "/home/me/run1/eq.namd" => Found::File {
//!                 bytes: 51,
//!                 content: Some(b"set name sys\nstructure ../$name.psf\nrun 1000\n".to_vec()),
//!             },
//!             "/home/me/run1/../sys.psf" => Found::File { bytes: 81920, content: None },
//!             _ => Found::Missing,
//!         };
//!         closure.feed(&need.path, found);
//!     }
//! }
//! let analysis = closure.finish();
//! let paths: Vec<_> = analysis.uploads().filter_map(|input| input.path.as_deref()).collect();
//! assert_eq!(paths, ["eq.namd", "../sys.psf"]);
//! assert_eq!(analysis.plan.total_steps, Some(1000));
//! assert!(!analysis.is_sound()); // cutoff, exclude and others are missing
//! ```
//!
//! What cannot be determined beforehand is a [`Finding`], never a guess. Rules
//! that are not obvious:
//!
//! * A keyword's files are relative to the directory NAMD is in at startup
//!   (`cd` before, `cwd`); those of `source`, `open` and other commands to the
//!   directory of the moment.
//! * What a script only asks for (`file exists`, `glob`) is part of the closure
//!   if it is there: the script on the cluster must get the same answer.
//! * A file that the run writes before it reads it is [`InputState::Produced`].
//!   One that is read at startup and written later is an input like any other.
//! * A keyword whose feature is off ([`Input::unused`]) is ignored by NAMD, so
//!   its file may be missing.
//! * A Colvars state may be named with or without `.colvars.state`;
//!   [`Input::path`] is the file that is really there.

mod closure;
mod colvars;
mod config;
mod eval;
mod facts;
mod finding;
pub mod keywords;
mod log;
mod options;
pub mod paths;
mod rewrite;
mod tcl;
mod text;

pub use closure::{
    Analysis, Closure, INDEX, Input, InputState, LiteralPath, Output, OutputKind, Outputs, Plan,
    Quoting, Segment, SegmentKind, Setting, Site,
};
pub use config::{Outline, Statement, StatementKind, SyntaxProblem, looks_like_namd};
pub use facts::{Found, Need, Want};
pub use finding::{Code, Finding, Severity};
pub use keywords::Role;
pub use log::{
    Energy, FatalError, Line, Lines, LogEnd, LogReader, LogReport, Progress, Rate, RateSource,
    RestartSet, StepPlan, Stretch,
};
pub use rewrite::{Rewrite, apply_rewrites};
pub use text::{Position, Range, Source, Span};

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod runs_tests;
#[cfg(test)]
mod test_support;
