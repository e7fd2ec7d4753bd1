//! The closed list of causes: the word, what happened, and what to do, as data.

use super::Advice;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident, $word:literal, $safe:literal, $summary:literal, $advice:literal;)*) => {
        /// Why a job failed, or does not get on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Cause { $($(#[$doc])* $name,)* }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word on the wire; it stays the same.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            fn words(self) -> (&'static str, &'static str, bool) {
                match self { $(Self::$name => ($summary, $advice, $safe),)* }
            }
        }
    };
}

causes! {
    // The batch system's.
    /// The wall-clock limit.
    TimeLimit, "timeLimit", false, "It reached its time limit{}.", "";
    /// Memory.
    OutOfMemory, "outOfMemory", false, "It ran out of memory{}.", "";
    /// A node.
    NodeFailure, "nodeFailure", true, "One of its nodes failed{}.",
        "Submit it again: the node is to blame, not the job.";
    /// Nodes that could not be booted.
    BootFailure, "bootFailure", true, "Its nodes could not be started{}.",
        "Submit it again: the nodes are to blame, not the job.";
    /// Another job took its place.
    Preempted, "preempted", true, "A job of higher priority took its place, and it was not put back into the queue{}.",
        "Submit it again, or use a partition or QOS that is not preempted.";
    /// The deadline.
    Deadline, "deadline", false, "Its deadline passed before it could end{}.",
        "Submit it again with a later deadline, or without one.";
    /// A sibling cluster of a federation runs it.
    Revoked, "revoked", false, "It was revoked in favour of a sibling cluster{}.",
        "Look for it on the cluster that Slurm moved it to.";
    /// Cancelled by its owner through us.
    CancelledByYou, "cancelledByYou", true, "You cancelled it.", "";
    /// Cancelled by another user, or an administrator.
    CancelledByOther, "cancelledByOther", false, "It was cancelled by {}.",
        "Ask the people who run the cluster why before you submit it again.";
    /// Cancelled by the batch system, or root.
    CancelledBySystem, "cancelledBySystem", false, "The system, or its administrator, cancelled it{}.",
        "Slurm cancels jobs whose dependency failed, whose reservation is gone, or whose node could not start them: `sacct -j ID -o State,Reason` tells which.";
    /// Killed by a signal.
    Killed, "killed", false, "It was killed{}.",
        "The usual reason is memory: look at what it used, and request more. Otherwise somebody killed it by hand.";
    /// No process, no marker.
    Vanished, "vanished", true, "Its processes are gone without a trace of their end{}.",
        "The machine was restarted or the processes were killed: submit it again.";

    // sbatch refused.
    /// The partition.
    PartitionRefused, "partitionRefused", false, "Slurm does not know the partition, or it may not be used: {}",
        "Choose another partition with updateJob (`sinfo -s` lists them), and submit again.";
    /// The account.
    AccountRefused, "accountRefused", false, "Slurm does not let you use that account: {}",
        "Set the account you belong to (`sacctmgr show assoc user=$USER` lists them), and submit again.";
    /// The QOS.
    QosRefused, "qosRefused", false, "Slurm does not let you use that QOS: {}",
        "Choose another QOS (`sacctmgr show assoc user=$USER format=qos` lists them), and submit again.";
    /// A limit of the partition, account or user.
    LimitExceeded, "limitExceeded", false, "It asks for more than the site allows: {}",
        "Ask for less time, fewer cores or nodes, or use another partition, and submit again.";
    /// No node is like that.
    NoSuchNodes, "noSuchNodes", false, "No node of the partition has what it asks for: {}",
        "Ask for less memory, fewer cores per node or another kind of GPU, or use another partition, and submit again.";
    /// A licence.
    LicenceRefused, "licenceRefused", false, "A licence it asks for cannot be had: {}",
        "Correct or remove `--licenses`; `scontrol show lic` lists them.";
    /// Anything else.
    SubmitRefused, "submitRefused", false, "Slurm refused it: {}",
        "Correct what Slurm names, and submit again.";

    // It did not come to NAMD.
    /// The program.
    ProgramNotFound, "programNotFound", false, "A program could not be found: {}",
        "Correct `launch` or `setup` of the cluster in config.toml: the module that brings NAMD must be loaded, or the path be whole. `doctor` checks it.";
    /// The module.
    ModuleNotFound, "moduleNotFound", false, "An environment module could not be loaded: {}",
        "Correct `setup` of the cluster in config.toml; `module avail namd` on the cluster lists what there is.";
    /// A shared library.
    LibraryMissing, "libraryMissing", false, "A library that the program needs could not be found: {}",
        "Load the modules it was built with (compiler, MPI, CUDA) in `setup`, in the order the site names.";
    /// Wrong rights or architecture.
    NotExecutable, "notExecutable", false, "The program cannot be run on that node: {}",
        "Use a build of NAMD for the nodes' processors, and see that you may run it.";
    /// MPI, srun, charmrun.
    LauncherFailed, "launcherFailed", false, "The processes could not be started: {}",
        "`launch` does not fit this build of NAMD or this cluster's MPI: a multicore build is started plainly with +p, an MPI build with srun or mpirun, a netlrts build with charmrun.";
    /// GPU settings on a build without.
    GpuBuildMismatch, "gpuBuildMismatch", false, "This build of NAMD is not made for GPUs in that way: {}",
        "Use a CUDA (or HIP) build of NAMD, or take GPUresident and +devices out.";
    /// No GPU.
    GpuMissing, "gpuMissing", false, "NAMD found no GPU it can use: {}",
        "Ask for one (gres `gpu:1`) and use a partition that has GPUs; the driver must fit the build.";
    /// The GPU failed.
    CudaError, "cudaError", true, "The GPU reported an error: {}",
        "Submit it again, on another node if it was the same one twice. If it comes back at the same step, the system is unstable.";
    /// Replicas on a build without.
    ReplicasUnsupported, "replicasUnsupported", false, "This build of NAMD cannot run several replicas: {}",
        "+replicas needs an MPI, netlrts or UCX build.";
    /// NAMD's command line.
    CommandLineInvalid, "commandLineInvalid", false, "NAMD did not understand its command line: {}",
        "Correct `launch`: options begin with +, `--keyword value` sets a keyword, and the configuration comes last.";
    /// The config is not where the command line says.
    ConfigNotFound, "configNotFound", false, "NAMD found no configuration under the name it was given: {}",
        "`launch` must name the configuration with {config} and must not change the directory before.";

    // The configuration.
    /// A keyword NAMD does not know.
    UnknownKeyword, "unknownKeyword", false, "The configuration holds a keyword that NAMD does not know: {}.",
        "Correct its spelling, or take it out.";
    /// Twice.
    DuplicateKeyword, "duplicateKeyword", false, "The configuration sets a keyword twice: {}.",
        "Leave one of the two lines.";
    /// Not set.
    RequiredKeywordMissing, "requiredKeywordMissing", false, "The configuration does not set a keyword that NAMD needs: {}.",
        "Set it.";
    /// Neither number nor word it takes.
    InvalidValue, "invalidValue", false, "A value in the configuration is not one NAMD takes: {}",
        "Correct the value.";
    /// Settings that exclude each other.
    SettingsConflict, "settingsConflict", false, "Settings in the configuration do not go together: {}",
        "Correct the settings NAMD names.";
    /// Tcl.
    ScriptError, "scriptError", false, "The configuration's script failed: {}",
        "Correct the command at that line. Comments behind a command need `;#`.";
    /// `abort`, `error` of the script.
    AbortedByScript, "abortedByScript", false, "The configuration's own script ended the run: {}",
        "Look at the condition under which the script does so.";
    /// Steps.
    StepsNotMultiple, "stepsNotMultiple", false, "A number of steps is not a multiple of stepsPerCycle: {}",
        "Make run lengths and firstTimestep multiples of stepsPerCycle (20, if it is not set).";
    /// Set too late.
    NotSettable, "notSettable", false, "A keyword was set after the run had begun, which NAMD allows only for some: {}",
        "Set it before the first run or minimize.";
    /// No velocities.
    TemperatureMissing, "temperatureMissing", false, "Neither temperature nor velocities are set.",
        "Set temperature for a fresh start, or velocities (or binVelocities) for a continuation.";
    /// Two kinds of velocities.
    TemperatureTwice, "temperatureTwice", false, "Both temperature and velocities are set.",
        "Take temperature out: a continuation has its velocities from the file.";

    // The inputs.
    /// A file.
    InputMissing, "inputMissing", false, "An input file could not be opened: {}",
        "See that the path is right and the file was uploaded: previewJob shows which files go along; `inputs` adds some.";
    /// A file that is not what it should be.
    InputBroken, "inputBroken", false, "An input file is empty, cut off or of another kind: {}",
        "Copy the file again, or take it from an earlier restart set (.old).";
    /// Files of different systems.
    AtomCountMismatch, "atomCountMismatch", false, "Structure and coordinates have different numbers of atoms: {}",
        "Use files of one and the same system.";
    /// Force field.
    ParameterMissing, "parameterMissing", false, "The force field has no parameters for something in the structure: {}",
        "Add the parameter file that has them (`parameters`); several can be given.";

    // The run.
    /// Blew up.
    Unstable, "unstable", false, "The system became unstable: atoms move too fast{}.",
        "The same again would end the same way. Minimise first or for longer, use a shorter timestep, look for overlapping atoms and a wrong cell; then start from before the trouble.";
    /// RATTLE.
    ConstraintFailure, "constraintFailure", false, "Rigid bonds could not be kept (RATTLE): the system became unstable{}.",
        "The same again would end the same way. Minimise first or for longer, use a shorter timestep, look for overlapping atoms around the atom that is named.";
    /// NPT shrink.
    CellTooSmall, "cellTooSmall", true, "The periodic cell shrank too much for the grid that NAMD had laid out at the start.",
        "This is harmless while a system is being compressed: continue from the last restart files, as often as needed, or set a larger margin.";
    /// Exclusions, PME charges.
    ExclusionCount, "exclusionCount", false, "NAMD lost count of its pairs of atoms, which means atoms moved too far: {}",
        "Minimise for longer, use a shorter timestep or a larger margin, and check the cell.";
    /// Colvars.
    ColvarsError, "colvarsError", false, "Colvars refused its configuration: {}",
        "Correct the Colvars file at what it names.";
    /// Colvars, and NAMD still there.
    ColvarsHang, "colvarsHang", false, "Colvars refused its configuration, and NAMD hangs instead of ending: {}",
        "Cancel it, it burns its time for nothing; then correct the Colvars file at what it names.";
    /// A fatal error, and NAMD still there.
    HungAfterError, "hungAfterError", false, "NAMD reported a fatal error and does not end: {}",
        "Cancel it, it burns its time for nothing; then see to the error.";
    /// Output directory.
    OutputDirectoryMissing, "outputDirectoryMissing", false, "An output file could not be written: {}",
        "The directory for it is not there, or may not be written to. Make it in the script (`file mkdir`) before the first run, or use a name that exists.";
    /// Disk.
    DiskFull, "diskFull", false, "The disk is full{}.",
        "Remove what is no longer needed in scratch, or write less often (DCDfreq); then submit again.";
    /// Quota.
    QuotaExceeded, "quotaExceeded", false, "Your quota is used up{}.",
        "Remove what is no longer needed, or ask for more; then submit again.";
    /// I/O error.
    FileSystemError, "fileSystemError", true, "The file system failed: {}",
        "Submit it again when the file system is well; ask the people who run the cluster if it is not.";
    /// Segmentation fault.
    Crashed, "crashed", false, "The program crashed{}.",
        "A crash at the start is often a build that does not fit the node or the MPI; one in the middle may be memory or an unstable system. If it comes back at the same place, try another build.";
    /// Two copies of one submission.
    SecondCopy, "secondCopy", false, "Another submission of the same attempt had the directory, so this copy stopped itself.",
        "Look at the other job: it is the one that counts.";
    /// Any other fatal error.
    NamdError, "namdError", false, "NAMD ended with an error: {}",
        "See to what NAMD names.";
    /// COMPLETED, and no end in the log.
    EndNotSeen, "endNotSeen", false, "Slurm says it completed, but NAMD's log does not show its end{}.",
        "Look at the end of the log. If `launch` sends NAMD's output elsewhere, this means nothing.";

    // It does not get on.
    /// Never starts.
    NeverStarts, "neverStarts", false, "It will never start: {}", "Cancel it, change what it asks for, and submit it again.";
    /// Waits for a person.
    NeedsRelease, "needsRelease", false, "It waits for somebody: {}", "";
    /// Waits for long.
    PendingLong, "pendingLong", true, "It has been waiting {}.",
        "Shorter time limits and fewer nodes start sooner: backfill fills gaps. `squeue --start -j ID` shows Slurm's estimate.";
    /// Silent.
    LogSilent, "logSilent", false, "It runs, but its log has not grown {}.",
        "NAMD writes its log about once a minute. Look at the node (`srun --overlap --jobid=ID --pty top`): a hung start, a full disk or a lost file system look like this. Cancel it if nothing moves.";
    /// Completing for long.
    CompletingLong, "completingLong", false, "It has been ending {}.",
        "Processes that hang in a file system keep a node in COMPLETING. Its results are safe; the people who run the cluster can free the node.";
    /// Will not finish.
    WillNotFinish, "willNotFinish", false, "It will not finish before its time limit: {}", "";

    /// None of these.
    Unknown, "unknown", false, "It failed, and nothing shows why{}.",
        "Look at the log and the job's output (jobLog); the evidence is what there is.";
}

impl Cause {
    /// What happened; `detail` is put at its place: inside a sentence, or behind it after a colon.
    pub(super) fn summary(self, detail: &str) -> String {
        let (summary, _, _) = self.words();
        let detail = detail.trim();
        let Some((before, after)) = summary.split_once("{}") else {
            return summary.to_owned();
        };
        let text = if detail.is_empty() {
            format!("{}{after}", before.trim_end_matches([' ', ':']))
        } else {
            let colon = if before.ends_with(' ') { "" } else { ": " };
            format!("{before}{colon}{}{after}", detail.trim_end_matches('.'))
        };
        let text = text.trim_end_matches('.');
        if text.ends_with(['!', '?']) {
            text.to_owned()
        } else {
            format!("{text}.")
        }
    }

    /// Whether it can only be told when the log has been read to its end.
    pub fn needs_the_end(self) -> bool {
        matches!(self, Self::EndNotSeen | Self::Unknown)
    }

    /// What to do, where that does not depend on the job.
    pub(super) fn advice(self) -> Option<Advice> {
        let (_, text, safe_to_repeat) = self.words();
        (!text.is_empty()).then(|| Advice {
            code: if safe_to_repeat {
                "submitAgain"
            } else {
                "correct"
            },
            text: text.to_owned(),
            safe_to_repeat,
            edit: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_sentences_end() {
        let mut words: Vec<&str> = Cause::ALL.iter().map(|cause| cause.word()).collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
        for cause in Cause::ALL {
            for detail in ["", "x", "x.", "what it says!"] {
                let text = cause.summary(detail);
                assert!(text.ends_with(['.', '!', '?']), "{text}");
                assert!(!text.contains("..") && !text.contains("{}"), "{text}");
                assert!(!text.contains(": .") && !text.contains("::"), "{text}");
            }
        }
    }
}
