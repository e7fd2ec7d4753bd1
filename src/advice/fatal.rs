//! NAMD's own words for its end, and what they mean. (Fatal messages: NAMD 3.0 sources, and the runs
//! in tests/data/namd.)

use super::place;
use super::{Cause, Diagnosis, Evidence, Witness, Witnesses};
use crate::namd::{FatalError, LogReport};

use Cause as C;

/// What a fatal error holds, and what it means; the first that fits counts. Several words must all
/// be there.
const MEANINGS: &[(&[&str], Cause)] = &[
    // The causes beneath, which the system's own words tell, come first.
    (&["No space left on device"], C::DiskFull),
    (&["Disk quota exceeded"], C::QuotaExceeded),
    (&["Input/output error"], C::FileSystemError),
    (&["Stale file handle"], C::FileSystemError),
    (&["Read-only file system"], C::FileSystemError),
    (&["Cannot allocate memory"], C::OutOfMemory),
    (&["memory allocation", "failed"], C::OutOfMemory),
    (&["Memory allocation failed"], C::OutOfMemory),
    // Start.
    (
        &["Unknown command-line option +devices"],
        C::GpuBuildMismatch,
    ),
    (&["Unknown command-line option"], C::CommandLineInvalid),
    (
        &["No simulation config file specified"],
        C::CommandLineInvalid,
    ),
    (&["Unable to access config file"], C::ConfigNotFound),
    (&["+partitions other than 1"], C::ReplicasUnsupported),
    (
        &["not supported on regular multicore builds"],
        C::GpuBuildMismatch,
    ),
    (&["not supported", "CUDA"], C::GpuBuildMismatch),
    (&["no CUDA-capable device"], C::GpuMissing),
    (&["No CUDA devices found"], C::GpuMissing),
    (&["CUDA driver version is insufficient"], C::GpuMissing),
    (&["CUDA error"], C::CudaError),
    // Configuration.
    (
        &["must be a multiple of stepsPerCycle"],
        C::StepsNotMultiple,
    ),
    (&["Setting parameter", "from script failed"], C::NotSettable),
    (
        &["Must have either an initial temperature or a velocity file"],
        C::TemperatureMissing,
    ),
    (
        &["Cannot specify both an initial temperature and a velocity file"],
        C::TemperatureTwice,
    ),
    (
        &["not found in the configuration file"],
        C::RequiredKeywordMissing,
    ),
    (&["pairlistDist must be >= cutoff"], C::SettingsConflict),
    (
        &["requires periodic boundary conditions"],
        C::SettingsConflict,
    ),
    (&["incompatible with"], C::SettingsConflict),
    (&["cannot be used with"], C::SettingsConflict),
    // Inputs.
    (&["couldn't read file"], C::InputMissing),
    (&["Unable to open text file"], C::OutputDirectoryMissing),
    (&["for writing"], C::OutputDirectoryMissing),
    (
        &["couldn't open", "permission denied"],
        C::OutputDirectoryMissing,
    ),
    (&["UNABLE TO OPEN"], C::InputMissing),
    (&["Cannot open file", "for input"], C::InputMissing),
    (&["Unable to open binary file"], C::InputMissing),
    (&["Unable to open extended system file"], C::InputMissing),
    (&["couldn't open", "no such file"], C::InputMissing),
    (&["Incorrect atom count"], C::AtomCountMismatch),
    (
        &["Number of pdb and psf atoms are not the same"],
        C::AtomCountMismatch,
    ),
    (&["Error reading binary file"], C::InputBroken),
    (&["Error reading extended system file"], C::InputBroken),
    (&["UNABLE TO FIND", "STRING IN PSF FILE"], C::InputBroken),
    (&["UNABLE TO FIND", "PARAMETERS FOR"], C::ParameterMissing),
    (&["DIDN'T FIND", "PARAMETER"], C::ParameterMissing),
    // Run.
    (&["Periodic cell has become too small"], C::CellTooSmall),
    (&["global", "exclusion count"], C::ExclusionCount),
    (&["Bad global"], C::ExclusionCount),
    (&["Stray PME grid charges"], C::ExclusionCount),
    (
        &["Error in the collective variables module"],
        C::ColvarsError,
    ),
    (&["Error opening"], C::OutputDirectoryMissing),
];

/// How many lines of one kind are shown.
const SHOWN: usize = 4;

/// What NAMD's fatal error means, if there is one.
pub(super) fn judge(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    let of_log = witnesses
        .log
        .and_then(|log| Some((log, log.fatal.first()?)));
    let of_output = witnesses
        .output
        .and_then(|log| Some((log, log.fatal.first()?)));
    let (log, fatal) = of_log.or(of_output)?;
    let line = Evidence {
        source: if of_log.is_some() {
            Witness::Log
        } else {
            Witness::Output
        },
        file: of_log.is_some().then(|| witnesses.log_name.to_owned()),
        ..Evidence::of_log(
            witnesses,
            format!("FATAL ERROR: {}", fatal.text),
            fatal.number,
        )
    };
    // A colvars error, a RATTLE failure and mistakes in the settings are told before.
    let (cause, detail) = meaning(log, fatal);
    let mut diagnosis = Diagnosis::new(cause, &detail);
    diagnosis.range = place::of(witnesses, cause, &detail, fatal);
    let before = match cause {
        C::ColvarsError => &log.colvars.first[..],
        C::UnknownKeyword
        | C::DuplicateKeyword
        | C::RequiredKeywordMissing
        | C::InvalidValue
        | C::SettingsConflict
        | C::Unstable
        | C::ConstraintFailure => &log.errors.first[..],
        _ => &[],
    };
    let prefix = if cause == C::ColvarsError {
        "colvars: "
    } else {
        "ERROR: "
    };
    let before = before.iter().take(SHOWN).map(|line| {
        Evidence::of_log(
            witnesses,
            format!("{prefix}{}", line.text.trim()),
            line.number,
        )
    });
    let more = fatal
        .more
        .iter()
        .zip(1..)
        .take(SHOWN)
        .map(|(text, at)| Evidence::of_log(witnesses, text.trim(), fatal.number + at));
    let strange = log
        .not_a_number
        .iter()
        .map(|line| Evidence::of_log(witnesses, line.text.clone(), line.number));
    Some(diagnosis.shown_by(before.chain([line]).chain(more).chain(strange)))
}

/// The cause, and the words that go into its sentence.
fn meaning(log: &LogReport, fatal: &FatalError) -> (Cause, String) {
    let text = fatal.text.as_str();
    let plain = |cause| (cause, text.to_owned());
    if text.starts_with("ERROR(S) IN THE CONFIGURATION FILE") {
        return settings(log);
    }
    if text.starts_with("Exiting prematurely") {
        let rattle = log.errors.holding("RATTLE");
        let first = rattle.or(log.errors.first.first());
        let detail = first.map_or_else(String::new, |line| line.text.clone());
        let cause = if rattle.is_some() {
            C::ConstraintFailure
        } else {
            C::Unstable
        };
        return (cause, detail);
    }
    if let Some(said) = text.strip_prefix("TCL:") {
        return (C::AbortedByScript, said.trim().to_owned());
    }
    let known = MEANINGS
        .iter()
        .find(|(words, _)| words.iter().all(|word| text.contains(word)));
    match known {
        Some((_, C::ColvarsError)) => {
            let detail = log
                .colvars
                .first
                .first()
                .map_or(text, |line| line.text.as_str());
            (
                C::ColvarsError,
                detail.trim_start_matches("Error:").trim().to_owned(),
            )
        }
        Some((_, C::RequiredKeywordMissing)) => {
            let name = text.split_whitespace().next().unwrap_or_default();
            (C::RequiredKeywordMissing, name.to_owned())
        }
        Some((_, C::NotSettable)) => {
            let name = text.split_whitespace().nth(2).unwrap_or_default();
            (C::NotSettable, name.to_owned())
        }
        Some((_, cause)) => plain(*cause),
        // A directory of the configuration that is not there; NAMD says no more.
        None if config_dir(log).is_some_and(|dir| text.starts_with(&format!("{dir}: "))) => {
            plain(C::ConfigNotFound)
        }
        None if fatal
            .more
            .iter()
            .any(|line| line.trim() == "while executing") =>
        {
            plain(C::ScriptError)
        }
        None => plain(C::NamdError),
    }
}

fn config_dir(log: &LogReport) -> Option<&str> {
    let (dir, _) = log.config.as_deref()?.rsplit_once('/')?;
    Some(dir)
}

/// `ERROR(S) IN THE CONFIGURATION FILE`: the lines before it tell which.
fn settings(log: &LogReport) -> (Cause, String) {
    let errors = &log.errors.first;
    if let Some(at) = errors
        .iter()
        .position(|line| line.text.contains("NOT VALID"))
    {
        // One indented keyword on each line that follows.
        let names: Vec<&str> = errors
            .iter()
            .skip(at + 1)
            .take_while(|line| line.text.starts_with(' '))
            .map(|line| line.text.trim())
            .collect();
        return (C::UnknownKeyword, names.join(", "));
    }
    for line in errors {
        let text = line.text.as_str();
        if let Some(rest) = text.strip_prefix("Multiple definitions of ") {
            return (
                C::DuplicateKeyword,
                rest.trim().trim_matches('\'').to_owned(),
            );
        }
        let quoted = || text.split('\'').nth(1).unwrap_or(text).to_owned();
        if text.contains("is a required configuration option") {
            return (C::RequiredKeywordMissing, quoted());
        }
        let value = [
            "can't understand",
            "Expecting value",
            "was set to",
            "must be",
            "should be",
            "out of range",
        ];
        if value.iter().any(|words| text.contains(words)) {
            let next = errors.iter().find(|next| next.number == line.number + 1);
            let detail = match next {
                Some(next) if next.text.starts_with(' ') => {
                    format!("{} {}", text.trim(), next.text.trim())
                }
                _ => text.trim().to_owned(),
            };
            return (C::InvalidValue, detail);
        }
    }
    let first = errors.first().map_or("", |line| line.text.as_str());
    (C::SettingsConflict, first.to_owned())
}
