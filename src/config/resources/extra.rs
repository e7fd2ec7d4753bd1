//! Further sbatch options: which may be given. Pure.

use super::{LONGEST, check_word};

/// What becomes of an sbatch option among `extra`.
enum Verdict {
    /// It is refused, for this reason.
    Refused(&'static str),
    /// It has a key of its own.
    OwnKey(&'static str),
}

use Verdict::{OwnKey, Refused};

/// Options that would break the way jobs are run and watched, and options with a key of their own;
/// long name, short name, verdict. Names from sbatch(1) of Slurm 22.05 and 24.05.
const SETTLED: &[(&str, Option<char>, Verdict)] = &[
    ("account", Some('A'), OwnKey("account")),
    (
        "array",
        Some('a'),
        Refused("an array would be many jobs where one is watched"),
    ),
    (
        "chdir",
        Some('D'),
        Refused("the working directory is the job's own on scratch"),
    ),
    (
        "clusters",
        Some('M'),
        Refused(
            "Slurm's other commands need it too: put `export SLURM_CLUSTERS=… SBATCH_CLUSTERS=…` into slurm_setup",
        ),
    ),
    (
        "comment",
        None,
        Refused("the comment carries the token by which a lost submission is found"),
    ),
    ("constraint", Some('C'), OwnKey("constraint")),
    ("cpus-per-task", Some('c'), OwnKey("cpus_per_task")),
    (
        "error",
        Some('e'),
        Refused("the job's output files are placed in its own directory"),
    ),
    ("gid", None, Refused("it is for administrators")),
    ("gres", None, OwnKey("gres")),
    ("help", Some('h'), Refused("nothing would be submitted")),
    ("input", Some('i'), Refused("the job script reads nothing")),
    (
        "job-name",
        Some('J'),
        Refused("the name is the job's id, by which it is found again"),
    ),
    ("mem", None, OwnKey("memory")),
    ("nodes", Some('N'), OwnKey("nodes")),
    ("no-requeue", None, OwnKey("requeue")),
    ("ntasks", Some('n'), OwnKey("ntasks")),
    (
        "open-mode",
        None,
        Refused("the job's output files are its own"),
    ),
    (
        "output",
        Some('o'),
        Refused("the job's output files are placed in its own directory"),
    ),
    ("parsable", None, Refused("it is given already")),
    ("partition", Some('p'), OwnKey("partition")),
    ("qos", Some('q'), OwnKey("qos")),
    (
        "quiet",
        Some('Q'),
        Refused("the job's id would not be printed"),
    ),
    ("requeue", None, OwnKey("requeue")),
    ("test-only", None, Refused("nothing would be submitted")),
    ("time", Some('t'), OwnKey("walltime")),
    ("uid", Some('u'), Refused("it is for administrators")),
    ("usage", None, Refused("nothing would be submitted")),
    ("version", Some('V'), Refused("nothing would be submitted")),
    (
        "wait",
        Some('W'),
        Refused("the submission would last as long as the job"),
    ),
    (
        "workdir",
        None,
        Refused("the working directory is the job's own on scratch"),
    ),
    ("wrap", None, Refused("it replaces the job script")),
];

/// Short options that take a value (`-w node1`), and those that take none.
const SHORT_WITH_VALUE: &str = "bBdFGkLmSswx";
const SHORT_FLAGS: &str = "HOksv";

/// Checks one further sbatch option: `--name`, `--name=value`, `-X` or `-Xvalue`.
pub(in crate::config) fn check_extra(option: &str) -> Result<(), String> {
    if option.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if let Some((name, value)) = option.split_once(' ')
        && name.starts_with("--")
        && !name.contains('=')
    {
        return Err(format!(
            "join the name and the value with =: \"{name}={}\"",
            value.trim()
        ));
    }
    check_word(option)?;
    // sbatch takes any #SBATCH line with one of these words for the separator of a heterogeneous
    // job's components.
    let lower = option.to_ascii_lowercase();
    if lower.contains("hetjob") || lower.contains("packjob") {
        return Err(format!(
            "{option:?} would make a heterogeneous job; a job has one component here"
        ));
    }
    if let Some(long) = option.strip_prefix("--") {
        let name = long.split('=').next().unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("{option:?} is not an sbatch option"));
        }
        match SETTLED.iter().find(|(known, _, _)| *known == name) {
            Some((_, _, verdict)) => return Err(refusal(&format!("--{name}"), verdict)),
            // getopt takes an option's beginning for the option.
            None => {
                if let Some((known, _, _)) =
                    SETTLED.iter().find(|(known, _, _)| known.starts_with(name))
                {
                    return Err(format!(
                        "sbatch would take --{name} for --{known}; write the option's full name"
                    ));
                }
            }
        }
        return Ok(());
    }
    let Some(letter) = option
        .strip_prefix('-')
        .and_then(|rest| rest.chars().next())
    else {
        return Err(format!(
            "{option:?} does not begin with `--`, as in \"--mail-type=END\""
        ));
    };
    if let Some((_, _, verdict)) = SETTLED.iter().find(|(_, short, _)| *short == Some(letter)) {
        return Err(refusal(&format!("-{letter}"), verdict));
    }
    let alone = option.chars().count() == 2;
    let fits = if alone {
        SHORT_FLAGS.contains(letter)
    } else {
        SHORT_WITH_VALUE.contains(letter)
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "write the long form of {option:?}, such as \"--exclusive\""
        ))
    }
}

fn refusal(option: &str, verdict: &Verdict) -> String {
    match verdict {
        Refused(why) => format!("{option} cannot be set: {why}"),
        OwnKey(key) => format!("{option} has a key of its own: set `{key}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn refusals_say_why() {
        let mut said = String::new();
        for option in [
            "--output=x",
            "-ox",
            "--outp=x",
            "--array=1-3",
            "--partition=gpu",
            "-pgpu",
            "--mem=4G",
            "--mail-user you@example.edu",
            "--part=gpu",
            "--clusters=b",
            "--requeue",
            "--licenses=hetjob:1",
            "mail-type=END",
            "-Hox",
            "-z",
            "-",
            "--",
            "--x=a\nb",
        ] {
            let why = check_extra(option).unwrap_err();
            writeln!(said, "{option:?}: {why}").unwrap();
        }
        insta::assert_snapshot!(said, @r#"
"--output=x": --output cannot be set: the job's output files are placed in its own directory
"-ox": -o cannot be set: the job's output files are placed in its own directory
"--outp=x": sbatch would take --outp for --output; write the option's full name
"--array=1-3": --array cannot be set: an array would be many jobs where one is watched
"--partition=gpu": --partition has a key of its own: set `partition`
"-pgpu": -p has a key of its own: set `partition`
"--mem=4G": --mem has a key of its own: set `memory`
"--mail-user you@example.edu": join the name and the value with =: "--mail-user=you@example.edu"
"--part=gpu": sbatch would take --part for --partition; write the option's full name
"--clusters=b": --clusters cannot be set: Slurm's other commands need it too: put `export SLURM_CLUSTERS=… SBATCH_CLUSTERS=…` into slurm_setup
"--requeue": --requeue has a key of its own: set `requeue`
"--licenses=hetjob:1": "--licenses=hetjob:1" would make a heterogeneous job; a job has one component here
"mail-type=END": "mail-type=END" does not begin with `--`, as in "--mail-type=END"
"-Hox": write the long form of "-Hox", such as "--exclusive"
"-z": write the long form of "-z", such as "--exclusive"
"-": "-" does not begin with `--`, as in "--mail-type=END"
"--": "--" is not an sbatch option
"--x=a\nb": it holds a line break, which would begin a new line of the job script
"#);
    }
}
