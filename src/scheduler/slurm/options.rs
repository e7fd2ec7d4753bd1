//! sbatch's options: from what was asked to words, for the script's `#SBATCH` lines and for the
//! command line.

use super::text::walltime;
use crate::scheduler::control::{CONTROL, one_line};
use crate::scheduler::{IdPart, Launch, SchedulerId};
use crate::shell::{RemotePath, quote};

/// One option: `--name=value`, or `--name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opt {
    name: &'static str,
    value: Option<String>,
    /// sbatch's environment variables of the same meaning, which would win over a `#SBATCH` line.
    variables: &'static str,
    /// Whether the bookkeeping rests on it.
    identity: bool,
}

impl Opt {
    /// As a `#SBATCH` line's words.
    pub(super) fn directive(&self) -> String {
        match &self.value {
            Some(value) => format!("--{}={}", self.name, directive_word(value)),
            None => format!("--{}", self.name),
        }
    }

    /// As one word of a shell command.
    fn argument(&self) -> String {
        match &self.value {
            Some(value) => format!("--{}={}", self.name, quote(value)),
            None => format!("--{}", self.name),
        }
    }

    /// Whether a `#SBATCH` line can carry it. sbatch takes any such line that holds one of these
    /// words, wherever, for the separator of a heterogeneous job's components
    /// (`_opt_batch_script` in src/sbatch/opt.c).
    pub(super) fn fits_directive(&self) -> bool {
        let value = self
            .value
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        !value.contains("hetjob") && !value.contains("packjob")
    }
}

/// What was asked of the batch system, and what the bookkeeping needs, in the script's order.
pub(super) fn options(launch: &Launch) -> Vec<Opt> {
    let asked = &launch.resources;
    let own = |name, value: Option<String>, variables| Opt {
        name,
        value,
        variables,
        identity: true,
    };
    let comment = format!("namdrunner:{}", launch.tag.as_str());
    let requeue = if launch.requeue {
        "requeue"
    } else {
        "no-requeue"
    };
    let mut options = vec![
        own("job-name", Some(launch.job_id.clone()), "SBATCH_JOB_NAME"),
        own("comment", Some(comment), "SBATCH_COMMENT"),
        own(
            "chdir",
            Some(launch.work_dir.as_str().to_owned()),
            "SBATCH_CHDIR",
        ),
        own("output", Some(output_file(launch)), "SBATCH_OUTPUT"),
        own(requeue, None, "SBATCH_REQUEUE SBATCH_NO_REQUEUE"),
    ];
    if let Some(array) = &launch.array {
        options.push(own("array", Some(array.to_string()), "SBATCH_ARRAY_INX"));
    }
    if launch.requeue {
        // The first run's words are worth keeping.
        options.push(own("open-mode", Some("append".into()), "SBATCH_OPEN_MODE"));
    }
    let count = |count: Option<u32>| count.map(|count| count.to_string());
    let word = |text: &Option<String>| text.as_deref().map(one_line);
    let resources = [
        ("nodes", count(asked.nodes), ""),
        ("ntasks", count(asked.ntasks), ""),
        (
            "cpus-per-task",
            count(asked.cpus_per_task),
            "SBATCH_CPUS_PER_TASK",
        ),
        ("mem", word(&asked.memory), "SBATCH_MEM_PER_NODE"),
        ("time", asked.walltime.map(walltime), "SBATCH_TIMELIMIT"),
        ("partition", word(&asked.partition), "SBATCH_PARTITION"),
        ("qos", word(&asked.qos), "SBATCH_QOS"),
        ("account", word(&asked.account), "SBATCH_ACCOUNT"),
        ("gres", word(&asked.gres), "SBATCH_GRES"),
        ("constraint", word(&asked.constraint), "SBATCH_CONSTRAINT"),
    ];
    let asked_for = resources
        .into_iter()
        .filter(|(_, value, _)| value.is_some());
    options.extend(asked_for.map(|(name, value, variables)| Opt {
        name,
        value,
        variables,
        identity: false,
    }));
    options
}

/// The words for sbatch's command line: what the bookkeeping rests on, because it wins there over
/// the environment and over a person's own lines, and what no `#SBATCH` line can carry.
pub(super) fn arguments(launch: &Launch) -> String {
    let words: Vec<String> = options(launch)
        .iter()
        .filter(|option| option.identity || !option.fits_directive())
        .map(Opt::argument)
        .collect();
    words.join(" ")
}

/// sbatch's environment variables that would override what was asked, or turn one job into
/// something else (`SBATCH_WAIT` would not return before the job's end).
pub(super) fn overriding_variables(launch: &Launch) -> String {
    let mut words = vec!["SBATCH_ARRAY_INX", "SBATCH_WAIT", "SBATCH_TEST_ONLY"];
    words.extend(
        options(launch)
            .iter()
            .map(|option| option.variables)
            .filter(|words| !words.is_empty()),
    );
    words.join(" ")
}

/// Where Slurm writes what the script prints.
///
/// `%` begins a pattern in the whole path, the directory included (observed: a job in `/x/a%%b`
/// fails with `Could not open stdout file /x/a%b/…`), so it is doubled. A path with a backslash has
/// no patterns at all, and loses its single backslashes (sbatch(1), FILENAME PATTERN).
fn output_file(launch: &Launch) -> String {
    let dir = format!("{}/{CONTROL}", launch.work_dir);
    if dir.contains('\\') && launch.array.is_some() {
        // One file for all would keep the words of one. NAMD's own log is not concerned.
        "/dev/null".to_owned()
    } else if dir.contains('\\') {
        format!("{}/slurm.out", dir.replace('\\', r"\\"))
    } else if launch.array.is_some() {
        format!("{}/slurm-%A_%a.out", dir.replace('%', "%%"))
    } else {
        format!("{}/slurm-%j.out", dir.replace('%', "%%"))
    }
}

/// The name that Slurm makes of [`output_file`] for a job, relative to the working directory.
pub(super) fn output_name(work_dir: &RemotePath, id: &SchedulerId) -> String {
    if work_dir.as_str().contains('\\') {
        format!("{CONTROL}/slurm.out")
    } else if let IdPart::Member(member) = id.part {
        format!("{CONTROL}/slurm-{}_{member}.out", id.base)
    } else {
        format!("{CONTROL}/slurm-{}.out", id.base)
    }
}

/// A value in a `#SBATCH` line. sbatch splits it at blanks, ends it at `#`, takes both kinds of
/// quotes, and a backslash before any character, in quotes too (seen with `sbatch -vvv`).
fn directive_word(value: &str) -> String {
    let plain = !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-./:=,+@%()[]*&|!<>~^".contains(&b));
    if plain {
        value.to_owned()
    } else {
        let escaped = value.replace('\\', r"\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    }
}

/// Options of sbatch that a person may not give, with their short forms: those the bookkeeping
/// rests on, and those that make something else of it than one job.
const RESERVED: &[(&str, &str, &str)] = &[
    (
        "array",
        "a",
        "give `array` to createJob instead: each member gets a directory of its own",
    ),
    ("chdir", "D", "NAMDRunner decides where the job runs"),
    ("workdir", "D", "NAMDRunner decides where the job runs"),
    ("comment", "", "NAMDRunner knows its jobs by the comment"),
    ("output", "o", "NAMDRunner decides where the output goes"),
    ("error", "e", "NAMDRunner decides where the output goes"),
    ("job-name", "J", "the name in Slurm is the job's id"),
    ("open-mode", "", "NAMDRunner decides where the output goes"),
    (
        "requeue",
        "",
        "set `requeue` in the cluster's section instead",
    ),
    (
        "no-requeue",
        "",
        "set `requeue` in the cluster's section instead",
    ),
    ("wait", "W", "sbatch would not return before the job's end"),
    ("wrap", "", "the job script is NAMDRunner's"),
    ("test-only", "", "nothing would be submitted"),
    ("parsable", "", "NAMDRunner sets it itself"),
    ("quiet", "Q", "sbatch's own words are needed"),
    ("help", "h", "nothing would be submitted"),
    ("usage", "", "nothing would be submitted"),
    ("version", "V", "nothing would be submitted"),
];

/// Why a person's own sbatch option cannot be used, or none.
pub fn reserved_option(option: &str) -> Option<&'static str> {
    let mut words = option.split_whitespace();
    let word = match words.next()? {
        "#SBATCH" => words.next()?,
        word => word,
    };
    if word == ":" || word.eq_ignore_ascii_case("hetjob") {
        return Some("a job has one component here");
    }
    let found = RESERVED.iter().find(|(long, short, _)| {
        if let Some(given) = word.strip_prefix("--") {
            let given = given.split('=').next().unwrap_or(given);
            // getopt_long takes beginnings; `--no`, `--er` would be too short to be one option's.
            *long == given || (given.len() >= 4 && long.starts_with(given))
        } else {
            !short.is_empty() && word.strip_prefix('-').is_some_and(|w| w.starts_with(short))
        }
    });
    found.map(|(_, _, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_sbatch_reads_as_one() {
        assert_eq!(directive_word("a&b|c[1-3]"), "a&b|c[1-3]");
        assert_eq!(directive_word("it's 5#"), "\"it's 5#\"");
        assert_eq!(directive_word(r#"a\b"c"#), r#""a\\b\"c""#);
        assert_eq!(directive_word(""), "\"\"");
    }

    #[test]
    fn options_that_would_break_the_bookkeeping_are_named() {
        for option in [
            "--array=0-3",
            "-a 0-3",
            "-a0-3",
            "#SBATCH --comm=x",
            "--comment=x",
            "-D /tmp",
            "--wait",
            ":",
            "hetjob",
            "--test-only",
        ] {
            assert!(reserved_option(option).is_some(), "{option}");
        }
        for option in [
            "--mail-type=END",
            "--exclusive",
            "-w node1",
            "--wckey=a",
            "--nodelist=a",
            "-A acc",
            "--constraint=a",
            "--no-kill",
            "--ntasks-per-node=4",
            "",
        ] {
            assert_eq!(reserved_option(option), None, "{option}");
        }
    }
}
