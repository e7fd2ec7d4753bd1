//! placeholder until the room is merged
/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding;
