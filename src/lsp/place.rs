//! Places of configs as LSP has them. Pure.

use gen_lsp_types::{Position, Range};

use crate::namd;
use crate::namd::paths;

use super::address::uri_of;

/// A range.
pub(crate) fn range(range: namd::Range) -> Range {
    Range {
        start: position(range.start),
        end: position(range.end),
    }
}

/// A position.
pub(crate) fn position(position: namd::Position) -> Position {
    Position {
        line: position.line,
        character: position.character,
    }
}

/// Whether two ranges share a place; ends that touch do.
pub(crate) fn meet(a: Range, b: Range) -> bool {
    let before = |x: Position, y: Position| (x.line, x.character) < (y.line, y.character);
    !before(a.end, b.start) && !before(b.end, a.start)
}

/// The address of a file that an analysis names: relative to the config's directory, or absolute.
/// An empty name is the config itself.
pub(crate) fn uri_of_file(config: &str, file: &str) -> String {
    if file.is_empty() {
        return uri_of(config);
    }
    uri_of(&paths::tidy(&paths::join(paths::parent(config), file)))
}
