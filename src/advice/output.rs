//! What other programs print when something is wrong: the shell, the loader, modules, srun, Slurm's
//! step daemon, MPI, CUDA, the C library. As data; the first that fits counts.

use super::{Cause, Diagnosis, Evidence, Witness, Witnesses};
use crate::namd::Line;

use Cause as C;

/// Words in lower case, all of which a line holds, and what it means.
const MEANINGS: &[(&[&str], Cause)] = &[
    (&["due to time limit"], C::TimeLimit),
    (&["due to node failure"], C::NodeFailure),
    (&["due to preemption"], C::Preempted),
    (&["oom_kill"], C::OutOfMemory),
    (&["oom-kill"], C::OutOfMemory),
    (&["out of memory"], C::OutOfMemory),
    (&["out_of_memory"], C::OutOfMemory),
    (&["exceeded memory limit"], C::OutOfMemory),
    (&["bad_alloc"], C::OutOfMemory),
    (&["cannot allocate memory"], C::OutOfMemory),
    (&["no space left on device"], C::DiskFull),
    (&["disk quota exceeded"], C::QuotaExceeded),
    (&["input/output error"], C::FileSystemError),
    (&["stale file handle"], C::FileSystemError),
    (&["read-only file system"], C::FileSystemError),
    (&["module: command not found"], C::ModuleNotFound),
    (&["module: not found"], C::ModuleNotFound),
    (&["unable to locate a modulefile"], C::ModuleNotFound),
    (&["module(s) are unknown"], C::ModuleNotFound),
    (&["exist but cannot be loaded"], C::ModuleNotFound),
    (&["error while loading shared libraries"], C::LibraryMissing),
    (&["command not found"], C::ProgramNotFound),
    (&["execve", "no such file or directory"], C::ProgramNotFound),
    (&["exec", "no such file or directory"], C::ProgramNotFound),
    (&["namd", "no such file or directory"], C::ProgramNotFound),
    (&["could not find the executable"], C::ProgramNotFound),
    (
        &["was unable to find the specified executable"],
        C::ProgramNotFound,
    ),
    (&[": not found"], C::ProgramNotFound),
    (&["exec format error"], C::NotExecutable),
    (&["cannot execute"], C::NotExecutable),
    (&["illegal instruction"], C::NotExecutable),
    (&["permission denied"], C::NotExecutable),
    (&["no cuda-capable device"], C::GpuMissing),
    (&["no devices found"], C::GpuMissing),
    (&["cuda driver version is insufficient"], C::GpuMissing),
    (&["cuda error"], C::CudaError),
    (&["cudaerror"], C::CudaError),
    (&["not enough slots"], C::LauncherFailed),
    (&["pmi2_init"], C::LauncherFailed),
    (&["pmix"], C::LauncherFailed),
    (&["unable to create step"], C::LauncherFailed),
    (&["srun: error", "invalid"], C::LauncherFailed),
    (&["mpi_init"], C::LauncherFailed),
    (&["mpirun"], C::LauncherFailed),
    (&["mpiexec"], C::LauncherFailed),
    (&["orte"], C::LauncherFailed),
    (&["prterun"], C::LauncherFailed),
    (&["charmrun"], C::LauncherFailed),
    (&["segmentation fault"], C::Crashed),
    (&["bus error"], C::Crashed),
    (&["floating point exception"], C::Crashed),
    (&["core dumped"], C::Crashed),
    (&["mpi_abort"], C::Crashed),
    (&["killed"], C::Killed),
];

/// What a line of another program means.
fn meaning(text: &str) -> Option<(usize, Cause)> {
    let lower = text.to_lowercase();
    MEANINGS
        .iter()
        .position(|(words, _)| words.iter().all(|word| lower.contains(word)))
        .and_then(|at| Some((at, MEANINGS.get(at)?.1)))
}

/// The lines of other programs, each with what it means and who printed it.
fn lines<'a>(witnesses: &Witnesses<'a>) -> Vec<(&'a Line, Witness)> {
    let of = |log: Option<&'a crate::namd::LogReport>, source| {
        log.into_iter()
            .flat_map(|log| log.foreign.first.iter())
            .map(move |line| (line, source))
    };
    of(witnesses.log, Witness::Log)
        .chain(of(witnesses.output, Witness::Output))
        .collect()
}

fn evidence(witnesses: &Witnesses<'_>, line: &Line, source: Witness) -> Evidence {
    Evidence {
        source,
        file: (source == Witness::Log).then(|| witnesses.log_name.to_owned()),
        ..Evidence::of_log(witnesses, line.text.clone(), line.number)
    }
}

/// What other programs say happened: of all lines, the one whose meaning is the most telling.
pub(super) fn judge(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    let lines = lines(witnesses);
    let (_, cause, line, source) = lines
        .iter()
        .filter_map(|(line, source)| {
            let (rank, cause) = meaning(&line.text)?;
            Some((rank, cause, *line, *source))
        })
        .min_by_key(|(rank, ..)| *rank)?;
    let rest = lines
        .iter()
        .filter(|(other, _)| other.number != line.number)
        .take(4)
        .map(|(line, source)| evidence(witnesses, line, *source));
    Some(
        Diagnosis::new(cause, &line.text)
            .shown_by([evidence(witnesses, line, source)])
            .shown_by(rest),
    )
}

/// Lines of other programs, as evidence for a cause that others witness.
pub(super) fn shown(witnesses: &Witnesses<'_>) -> Vec<Evidence> {
    lines(witnesses)
        .into_iter()
        .take(4)
        .map(|(line, source)| evidence(witnesses, line, source))
        .collect()
}
