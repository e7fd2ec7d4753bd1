//! What there is to know of a machine before anything is run on it. Pure.
//!
//! At connect a login shell is asked once, because only a login shell has a site's modules and
//! paths; everything after that runs in a plain `sh` that begins with [`remote_prelude`]. The
//! answer is lines `namdrunner-probe:KEY=VALUE` between whatever banners and warnings a site's
//! profiles print, and is whole only with its last line.

mod script;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::config::{BadRoot, Cluster, expand_root};
use crate::shell::{Output, RemotePath, quote};

pub(crate) use self::script::in_login_shell;
pub use self::script::probe_command;

/// What begins each line of the answer.
pub(crate) const MARK: &str = "namdrunner-probe:";

/// Programs whose paths are asked for, beside Slurm's.
pub(crate) const TOOLS: [&str; 8] = [
    "tar",
    "sha256sum",
    "shasum",
    "flock",
    "setsid",
    "timeout",
    "nice",
    "df",
];

/// Slurm's commands that are used.
pub const SLURM_TOOLS: [&str; 4] = ["sbatch", "squeue", "sacct", "scancel"];

/// Variables, beside `PATH` and `SLURM_CONF`, without which Slurm's commands of a login shell may not
/// work in a plain one.
pub(crate) const CARRIED: [&str; 4] = [
    "LD_LIBRARY_PATH",
    "SLURM_CLUSTERS",
    "SBATCH_CLUSTERS",
    "SLURM_CONF_SERVER",
];

/// What a probe found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFacts {
    /// The home directory.
    pub home: RemotePath,
    /// The user's name.
    pub user: String,
    /// The user's number.
    pub uid: u32,
    /// The machine's own name: one of several login nodes, perhaps.
    pub hostname: String,
    /// The operating system, in its own words.
    pub os: String,
    /// Its clock when it answered, to the second.
    pub now: Timestamp,
    /// `PATH` of the login shell after the Slurm set-up lines.
    pub path: String,
    /// `SLURM_CONF`, where set.
    pub slurm_conf: Option<String>,
    /// The variables that the cluster's roots name, as far as they are set.
    pub env: BTreeMap<String, String>,
    /// Further variables that Slurm's commands may need, as far as they are set.
    pub carried: BTreeMap<String, String>,
    /// The programs that were found, by name.
    pub tools: BTreeMap<String, Tool>,
    /// Slurm's version (`22.05.8`), as its `sbatch` or `squeue` says.
    pub slurm_version: Option<String>,
    /// What the controller said of itself; none when it was not asked or did not answer.
    pub controller: Option<Controller>,
    /// Why the controller said nothing, its first line.
    pub controller_error: Option<String>,
    /// Which shell was asked.
    pub login: LoginShell,
    /// Exit code of the Slurm set-up lines.
    pub setup_exit: i32,
}

/// A program on a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its absolute path.
    pub path: String,
    /// What it says of its version; asked of Slurm's commands only.
    pub version: Option<String>,
}

/// What `scontrol show config` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Controller {
    /// `ClusterName`.
    pub cluster_name: Option<String>,
    /// `MinJobAge` in seconds: how long the queue still shows a job that ended.
    pub min_job_age: Option<u64>,
    /// `AccountingStorageType`: `accounting_storage/slurmdbd`, or `…/none`.
    pub accounting: Option<String>,
    /// `MaxArraySize`.
    pub max_array_size: Option<u64>,
}

/// Which shell was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginShell {
    /// `bash -lc`.
    Bash,
    /// There is no bash: `sh` read `/etc/profile` and `~/.profile`.
    Sh,
    /// A login shell did not come to its end (a profile that ends it, replaces it, or hangs); a
    /// plain `sh` answered.
    Plain,
}

/// Why an answer is not a whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadProbe {
    /// What is wrong, a sentence.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl Tool {
    /// The number in what it says of its version: `22.05.8` of `slurm-wlm 22.05.8`. None when it
    /// printed something else, such as an error.
    pub fn version_number(&self) -> Option<&str> {
        let number = self.version.as_deref()?.split_whitespace().last()?;
        number
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(number)
    }
}

impl RemoteFacts {
    /// Whether files can be sent and mirrored as one stream.
    pub fn has_tar(&self) -> bool {
        self.tools.contains_key("tar")
    }

    /// Whether sums can be checked there.
    pub fn has_sha256sum(&self) -> bool {
        self.tools.contains_key("sha256sum") || self.tools.contains_key("shasum")
    }

    /// A tool's absolute path, or its bare name where it was not found.
    pub fn tool<'a>(&'a self, name: &'a str) -> &'a str {
        self.tools.get(name).map_or(name, |tool| &tool.path)
    }

    /// How far the machine's clock is ahead of ours, in seconds. `asked` is our clock when the
    /// answer came; half a round trip and a second's rounding are in it.
    pub fn clock_offset(&self, asked: Timestamp) -> i64 {
        self.now.as_second().saturating_sub(asked.as_second())
    }

    /// The paths of a cluster's project and scratch roots.
    pub fn roots(&self, cluster: &Cluster) -> Result<(RemotePath, RemotePath), BadRoot> {
        let path = |template: &str| {
            expand_root(template, &self.home, &self.user, |name| {
                self.env.get(name).cloned()
            })
        };
        Ok((path(&cluster.project_root)?, path(&cluster.scratch_root)?))
    }
}

/// The lines that make a plain `sh` find what the login shell found. To stand before every later
/// command on the same cluster; safe whatever the values hold.
pub fn remote_prelude(facts: &RemoteFacts) -> String {
    let mut lines = format!("PATH={}; export PATH\n", quote(&facts.path));
    let slurm_conf = facts.slurm_conf.as_ref().map(|value| ("SLURM_CONF", value));
    let carried = facts
        .carried
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    for (name, value) in slurm_conf.into_iter().chain(carried) {
        let _ = writeln!(lines, "{name}={}; export {name}", quote(value));
    }
    lines
}

/// Reads the answer to [`probe_command`].
pub fn parse_probe(output: &Output) -> Result<RemoteFacts, BadProbe> {
    let answer = Answer::read(output)?;
    facts(&answer)
}

/// The lines of an answer. A key that is there twice counts as it came last: when a login shell
/// broke off, a plain one answered after it.
pub(crate) struct Answer {
    values: BTreeMap<String, String>,
}

impl Answer {
    /// Picks the lines out of the noise.
    pub(crate) fn read(output: &Output) -> Result<Self, BadProbe> {
        let text = output.text();
        let mut values = BTreeMap::new();
        for line in text.lines() {
            // A banner without a line end may stand before the mark.
            let Some((_, pair)) = line.split_once(MARK) else {
                continue;
            };
            let Some((key, value)) = pair.split_once('=') else {
                continue;
            };
            if key == "begin" {
                values.clear();
            }
            values.insert(key.to_owned(), value.trim_end().to_owned());
        }
        if values.contains_key("end") {
            return Ok(Self { values });
        }
        let seen = output
            .first_error_line()
            .or_else(|| {
                let last = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
                (!last.contains(MARK)).then(|| last.to_owned())
            })
            .map_or_else(String::new, |line| {
                format!("; it said: {}", line.trim_end_matches('.'))
            });
        let (what, hint) = if !values.contains_key("begin") {
            (
                format!("The shell did not run the probe ({}){seen}.", output.status),
                "Log in by hand with ssh and see whether `sh` works there, and whether a start-up file ends the shell.",
            )
        } else if values.contains_key("setup") {
            (
                format!("The probe broke off ({}){seen}.", output.status),
                "Try again; if it stays so, see what the machine's commands print by hand.",
            )
        } else {
            (
                format!("The lines of slurm_setup ended the shell{seen}."),
                "Run the lines of slurm_setup by hand in a login shell there, and correct them in config.toml.",
            )
        };
        Err(BadProbe {
            what,
            hint: hint.to_owned(),
        })
    }

    /// A value that is there and not empty.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A value as a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.trim().parse().ok()
    }

    /// The keys that begin with `prefix`, without it, and their values.
    fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str())))
            .filter(|(_, value)| !value.is_empty())
    }
}

/// The facts of a whole answer.
pub(crate) fn facts(answer: &Answer) -> Result<RemoteFacts, BadProbe> {
    let missing = |what: &str| BadProbe {
        what: format!("The machine did not say {what}."),
        hint: "Log in by hand with ssh and see what `id; date +%s; echo $HOME` prints.".to_owned(),
    };
    let home = answer
        .get("home")
        .ok_or_else(|| missing("its home directory"))?;
    let home = RemotePath::parse(home).map_err(|error| BadProbe {
        what: format!("The home directory there cannot be used: {error}."),
        hint: "Write absolute directories as project_root and scratch_root, and set HOME there."
            .to_owned(),
    })?;
    let seconds: i64 = answer.number("now").ok_or_else(|| missing("the time"))?;
    let now = Timestamp::from_second(seconds).map_err(|_| missing("a possible time"))?;
    let tools: BTreeMap<String, Tool> = answer
        .with_prefix("tool.")
        .map(|(name, path)| {
            let tool = Tool {
                path: path.to_owned(),
                version: answer.get(&format!("version.{name}")).map(str::to_owned),
            };
            (name.to_owned(), tool)
        })
        .collect();
    let slurm_version = SLURM_TOOLS
        .iter()
        .find_map(|name| tools.get(*name)?.version_number().map(str::to_owned));
    let owned = |prefix: &str| -> BTreeMap<String, String> {
        answer
            .with_prefix(prefix)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    Ok(RemoteFacts {
        home,
        user: answer
            .get("user")
            .ok_or_else(|| missing("the user's name"))?
            .to_owned(),
        uid: answer
            .number("uid")
            .ok_or_else(|| missing("the user's number"))?,
        hostname: answer.get("hostname").unwrap_or_default().to_owned(),
        os: answer.get("os").unwrap_or_default().to_owned(),
        now,
        path: answer
            .get("path")
            .ok_or_else(|| missing("its PATH"))?
            .to_owned(),
        slurm_conf: answer.get("slurm_conf").map(str::to_owned),
        env: owned("env."),
        carried: owned("carry."),
        tools,
        slurm_version,
        controller: controller(answer),
        controller_error: answer.get("scontrol_error").map(str::to_owned),
        login: match answer.get("shell") {
            Some("bash") => LoginShell::Bash,
            Some("sh") => LoginShell::Sh,
            _ => LoginShell::Plain,
        },
        setup_exit: answer.number("setup").unwrap_or_default(),
    })
}

/// What the lines of `scontrol show config` say (`MinJobAge               = 300 sec`).
fn controller(answer: &Answer) -> Option<Controller> {
    let text = |key: &str| {
        let value = answer.get(&format!("scontrol.{key}"))?;
        (value != "(null)").then(|| value.to_owned())
    };
    let number = |key: &str| {
        let value = text(key)?;
        value.split_whitespace().next()?.parse().ok()
    };
    let found = Controller {
        cluster_name: text("ClusterName"),
        min_job_age: number("MinJobAge"),
        accounting: text("AccountingStorageType"),
        max_array_size: number("MaxArraySize"),
    };
    (found != Controller::default()).then_some(found)
}
