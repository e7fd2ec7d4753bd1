//! Where in the configuration a cause lies.

use super::{Cause, Witnesses};
use crate::namd::{FatalError, Outline, Position, Range, Statement};

use Cause as C;

/// The place, if the configuration is at hand and holds it.
pub(super) fn of(
    witnesses: &Witnesses<'_>,
    cause: Cause,
    detail: &str,
    fatal: &FatalError,
) -> Option<Range> {
    let outline = Outline::read(witnesses.config?);
    let config = witnesses.job.spec.config_in_tree.as_str();
    if let Some(line) = traced_line(fatal, config) {
        return Some(command_at(&outline, line).unwrap_or_else(|| whole_line(line)));
    }
    let statements = &outline.statements;
    let named = |name: &str| {
        statements
            .iter()
            .rev()
            .find(|statement| statement.name.eq_ignore_ascii_case(name))
    };
    let text = fatal.text.as_str();
    match cause {
        C::UnknownKeyword => {
            let name = detail.split(", ").next()?;
            named(name).map(|statement| statement.name_range)
        }
        C::DuplicateKeyword | C::NotSettable => named(detail).map(|statement| statement.range),
        // Between quotation marks; some messages hold an apostrophe, too.
        C::InvalidValue => detail
            .split('\'')
            .find_map(named)
            .map(|statement| statement.value_range),
        C::StepsNotMultiple => named("firsttimestep").map(|statement| statement.range),
        C::AbortedByScript => named("abort")
            .or_else(|| named("error"))
            .map(|statement| statement.range),
        C::GpuBuildMismatch => named("GPUresident")
            .or_else(|| named("CUDASOAintegrate"))
            .map(|statement| statement.range),
        C::SettingsConflict => text
            .split(|c: char| !c.is_alphanumeric())
            .find_map(named)
            .map(|statement| statement.range),
        C::TemperatureTwice => named("temperature").map(|statement| statement.range),
        C::ColvarsError => named("colvarsConfig").map(|statement| statement.value_range),
        C::AtomCountMismatch if text.contains("pdb and psf") => {
            named("coordinates").map(|statement| statement.value_range)
        }
        C::InputMissing | C::InputBroken | C::AtomCountMismatch | C::OutputDirectoryMissing => {
            if text.contains("extended system file") {
                return named("extendedSystem").map(|statement| statement.value_range);
            }
            let of_structure = text.contains("PSF") || text.contains(".psf");
            by_value(statements, text, of_structure).map(|statement| statement.value_range)
        }
        _ => None,
    }
}

/// The line that Tcl's trace names, zero-based, if it is one of the configuration itself.
fn traced_line(fatal: &FatalError, config: &str) -> Option<u32> {
    let name = config.rsplit('/').next().unwrap_or(config);
    fatal.more.iter().find_map(|line| {
        let rest = line.trim().strip_prefix("(file \"")?;
        let (file, rest) = rest.split_once("\" line ")?;
        let number: u32 = rest.trim_end_matches(')').parse().ok()?;
        (file.rsplit('/').next() == Some(name)).then(|| number.saturating_sub(1))
    })
}

/// The command that stands on a line; Tcl names the line on which a command begins or ends.
fn command_at(outline: &Outline, line: u32) -> Option<Range> {
    outline
        .statements
        .iter()
        .filter(|statement| statement.range.start.line <= line && line <= statement.range.end.line)
        .max_by_key(|statement| statement.range.start.line)
        .map(|statement| statement.range)
}

fn whole_line(line: u32) -> Range {
    let start = Position { line, character: 0 };
    let end = Position {
        line: line.saturating_add(1),
        character: 0,
    };
    Range { start, end }
}

/// The command whose value, a path or the stem of one, stands in the message; the longest counts.
fn by_value<'a>(
    statements: &'a [Statement],
    text: &str,
    of_structure: bool,
) -> Option<&'a Statement> {
    statements
        .iter()
        .filter(|statement| {
            statement.value.as_deref().is_some_and(|value| {
                let value = value.trim();
                value.len() > 1 && value.parse::<f64>().is_err() && text.contains(value)
            })
        })
        .max_by_key(|statement| {
            let length = statement
                .value
                .as_deref()
                .map_or(0, |value| value.trim().len());
            let structure = of_structure && statement.name.eq_ignore_ascii_case("structure");
            (length, structure)
        })
}
