//! What the answer of the doctor's command means. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::script::{SETUP_BEGINS, SETUP_ENDS, programs};
use super::{Check, took};
use crate::config::{Cluster, SchedulerKind};
use crate::probe::{Answer, LoginShell, RemoteFacts, SLURM_TOOLS, facts};
use crate::shell::Output;

/// Seconds by which clocks may differ without a remark.
const CLOCK: i64 = 120;

/// Free space in bytes below which a remark is made: less than one trajectory.
const LITTLE_SPACE: u64 = 1 << 30;

/// Makes checks of the answer to [`super::doctor_command`]. `duration` is how long it took, with
/// login; `asked` is our clock when it came.
pub fn judge(
    cluster: &Cluster,
    output: &Output,
    duration: Duration,
    asked: Timestamp,
) -> Vec<Check> {
    let mut checks = vec![Check::fine(
        "link",
        format!(
            "{} answered, login and all checks in {}",
            cluster.address(),
            took(duration)
        ),
    )];
    let read = Answer::read(output).and_then(|answer| Ok((facts(&answer)?, answer)));
    let (facts, answer) = match read {
        Ok(read) => read,
        Err(error) => {
            checks.push(Check::bad("login", error.what, error.hint));
            return checks;
        }
    };
    let judge = Judge {
        cluster,
        facts: &facts,
        answer: &answer,
        output,
    };
    checks.push(judge.login());
    checks.extend(judge.clock(asked));
    checks.push(Check::fine("home", facts.home.as_str()));
    if cluster.scheduler == SchedulerKind::Slurm {
        checks.extend(judge.slurm_setup());
        checks.extend(SLURM_TOOLS.map(|name| judge.slurm_tool(name)));
        checks.extend(judge.controller());
        checks.extend(judge.accounting());
        checks.extend(judge.partition());
    }
    checks.extend(judge.roots());
    checks.extend(judge.tools());
    checks.extend(judge.launch());
    checks
}

struct Judge<'a> {
    cluster: &'a Cluster,
    facts: &'a RemoteFacts,
    answer: &'a Answer,
    output: &'a Output,
}

impl Judge<'_> {
    /// The table of config.toml that describes the cluster.
    fn table(&self) -> String {
        format!("[clusters.{}]", self.cluster.name)
    }

    fn login(&self) -> Check {
        let facts = self.facts;
        let who = format!("{} on {} ({})", facts.user, facts.hostname, facts.os);
        match facts.login {
            LoginShell::Bash => Check::fine("login", who),
            LoginShell::Sh => Check::note(
                "login",
                who,
                "There is no bash; sh read /etc/profile and ~/.profile instead.",
            ),
            LoginShell::Plain => Check::note(
                "login",
                format!("{who}, but a login shell did not come to its end"),
                "A start-up file (~/.bash_profile, ~/.bashrc) ends or replaces the shell, or waits for an answer. Modules may be missing: let it do that in interactive shells only.",
            ),
        }
    }

    fn clock(&self, asked: Timestamp) -> Option<Check> {
        let offset = self.facts.clock_offset(asked);
        if offset.abs() <= CLOCK {
            return None;
        }
        let side = if offset > 0 { "ahead of" } else { "behind" };
        Some(Check::note(
            "clock",
            format!("it is {} s {side} this machine's", offset.unsigned_abs()),
            "Jobs are followed by the cluster's own clock, so this does no harm; times shown are the cluster's.",
        ))
    }

    fn slurm_setup(&self) -> Option<Check> {
        if self.cluster.slurm_setup.is_empty() {
            return None;
        }
        Some(if self.facts.setup_exit == 0 {
            Check::fine("slurm_setup", "its lines ran")
        } else {
            let said = self.output.first_error_line();
            let said = said.as_deref().map(without_place);
            Check::bad(
                "slurm_setup",
                format!(
                    "its last line failed with exit code {}{}",
                    self.facts.setup_exit,
                    said.map_or_else(String::new, |line| format!(": {line}"))
                ),
                format!(
                    "Run the lines by hand in a login shell there, and correct them in {}.",
                    self.table()
                ),
            )
        })
    }

    fn slurm_tool(&self, name: &str) -> Check {
        let Some(tool) = self.facts.tools.get(name) else {
            if name == "sacct" {
                return Check::note(
                    name,
                    "it is not on the PATH of a login shell",
                    "Ends are seen in the queue and by the marker that each job leaves. If the site does keep accounts, make sacct available in slurm_setup.",
                );
            }
            return Check::bad(
                name,
                "it is not on the PATH of a login shell",
                format!(
                    "Find out how it is made available (`module avail slurm`) and write that as slurm_setup in {}, for instance slurm_setup = [\"module load slurm\"]. A machine without Slurm takes scheduler = \"direct\".",
                    self.table()
                ),
            );
        };
        match (tool.version_number(), &tool.version) {
            (Some(version), _) => Check::fine(name, format!("{} ({version})", tool.path)),
            (None, Some(words)) => Check::bad(
                name,
                format!("{} says: {words}", tool.path),
                format!(
                    "It does not run as it should. Where it cannot find its configuration, write slurm_setup = [\"export SLURM_CONF=/etc/slurm/slurm.conf\"] with the site's file in {}.",
                    self.table()
                ),
            ),
            (None, None) => Check::bad(
                name,
                format!("{} did not say its version within 10 s", tool.path),
                "Run it by hand with --version and see what hangs.",
            ),
        }
    }

    fn controller(&self) -> Option<Check> {
        let name = "controller";
        if self.answer.get("squeue.exit")? != "0" {
            let said = self
                .answer
                .get("squeue.error")
                .unwrap_or("no answer within 20 s");
            return Some(Check::bad(
                name,
                format!("squeue says: {said}"),
                "The controller is down or in maintenance: `scontrol ping` there, or the site's status page, says more.",
            ));
        }
        let jobs: u64 = self.answer.number("squeue.jobs").unwrap_or(0);
        let cluster = self
            .facts
            .controller
            .as_ref()
            .and_then(|controller| controller.cluster_name.as_ref())
            .map_or_else(String::new, |name| format!("cluster {name}, "));
        let plural = if jobs == 1 { "job" } else { "jobs" };
        Some(Check::fine(
            name,
            format!("{cluster}{jobs} {plural} of yours in the queue"),
        ))
    }

    fn accounting(&self) -> Option<Check> {
        let name = "accounting";
        if self.answer.get("sacct.exit")? == "0" {
            return Some(Check::fine(name, "sacct answers"));
        }
        let said = self
            .answer
            .get("sacct.error")
            .unwrap_or("no answer within 20 s");
        let kept = self
            .facts
            .controller
            .as_ref()
            .and_then(|controller| controller.min_job_age)
            .map_or_else(String::new, |seconds| {
                format!(" The queue shows a job for {seconds} s after its end.")
            });
        let hint = if said.contains("disabled") {
            format!(
                "This site keeps no accounts. Ends are seen in the queue and by the marker that each job leaves; without either, a job ends as UNKNOWN.{kept}"
            )
        } else {
            format!(
                "Ends are seen in the queue and by the marker that each job leaves, until the accounting is back.{kept}"
            )
        };
        Some(Check::note(name, format!("sacct says: {said}"), hint))
    }

    /// Whether the default partitions exist.
    fn partition(&self) -> Option<Check> {
        let known: Vec<&str> = self.answer.get("partitions")?.split_whitespace().collect();
        let wanted = self.cluster.resources.partition.as_deref()?;
        let missing: Vec<&str> = wanted
            .split(',')
            .filter(|wanted| !known.contains(wanted))
            .collect();
        Some(if missing.is_empty() {
            Check::fine("partition", wanted)
        } else {
            Check::bad(
                "partition",
                format!("there is no partition {}", missing.join(", ")),
                format!(
                    "Choose one of: {}; and write it as partition in [clusters.{}.resources].",
                    known.join(", "),
                    self.cluster.name
                ),
            )
        })
    }

    fn roots(&self) -> Vec<Check> {
        let table = self.table();
        if let Err(error) = self.facts.roots(self.cluster) {
            let key = if error.template == self.cluster.project_root {
                "project_root"
            } else {
                "scratch_root"
            };
            return vec![Check::bad(
                "roots",
                format!("{key} = {:?} cannot be used: {}", error.template, error.why),
                format!("Correct {key} in {table}."),
            )];
        }
        vec![self.root("project"), self.root("scratch")]
    }

    fn root(&self, which: &str) -> Check {
        let name = format!("{which} root");
        let get = |key: &str| self.answer.get(&format!("root.{which}.{key}"));
        let dir = get("dir").unwrap_or_default();
        let at = get("at").unwrap_or(dir);
        let free = get("df").and_then(free_space);
        let space = free.map_or_else(String::new, |bytes| format!(", {} free", size(bytes)));
        let hint = format!(
            "Make it, or write another directory as {which}_root in {}.",
            self.table()
        );
        match get("state") {
            Some(state @ ("fine" | "new")) => {
                let detail = if state == "new" {
                    format!("{dir} will be created{space}")
                } else {
                    format!("{dir} is writable{space}")
                };
                if free.is_some_and(|bytes| bytes < LITTLE_SPACE) {
                    Check::note(
                        &name,
                        detail,
                        "That is little for a trajectory. Remove what is not needed, or choose another file system.",
                    )
                } else {
                    Check::fine(&name, detail)
                }
            }
            Some("broken") => Check::bad(&name, format!("{dir} is a link to nowhere"), hint),
            Some("notdir") => Check::bad(&name, format!("{at} is not a directory"), hint),
            Some(_) => {
                let words = get("error")
                    .and_then(|text| text.rsplit(": ").next())
                    .unwrap_or("it is not writable for you");
                let hint = if words.contains("quota") || words.contains("No space") {
                    format!(
                        "Free some space there, or write another directory as {which}_root in {}.",
                        self.table()
                    )
                } else {
                    hint
                };
                Check::bad(&name, format!("no file can be made in {at}: {words}"), hint)
            }
            None => Check::bad(
                &name,
                format!("{dir} was not looked at"),
                "Its file system may hang: log in by hand and list it.",
            ),
        }
    }

    fn tools(&self) -> Vec<Check> {
        let mut needed = vec![("tar", self.facts.has_tar())];
        needed.push(("sha256sum", self.facts.has_sha256sum()));
        if self.cluster.scheduler == SchedulerKind::Direct {
            for name in ["setsid", "flock"] {
                needed.push((name, self.facts.tools.contains_key(name)));
            }
        }
        needed
            .into_iter()
            .map(|(name, there)| {
                if there {
                    Check::fine(name, self.facts.tool(name))
                } else {
                    Check::bad(
                        name,
                        "it is not on the PATH of a login shell",
                        "It is part of every Linux (coreutils, tar, util-linux): ask the site's support, or have it installed.",
                    )
                }
            })
            .collect()
    }

    fn launch(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let exit: Option<i32> = self.answer.number("setup_lines");
        if !self.cluster.setup.is_empty() {
            let words = setup_words(self.output);
            let said = words
                .as_ref()
                .map_or_else(String::new, |line| format!(": {line}"));
            let hint = format!(
                "Run the lines by hand in a login shell there, and correct setup in {}.",
                self.table()
            );
            checks.push(match exit {
                Some(0) if words.is_some() => Check::note(
                    "setup",
                    format!("its lines ran and said{said}"),
                    "If that is an error, correct the lines; only the last one's success counts.",
                ),
                Some(0) => Check::fine("setup", "its lines ran"),
                Some(code) => Check::bad(
                    "setup",
                    format!("its last line failed with exit code {code}{said}"),
                    hint,
                ),
                None => Check::bad("setup", format!("its lines ended the shell{said}"), hint),
            });
        }
        if exit.is_none() {
            return checks;
        }
        for (place, program) in programs(&self.cluster.launch).iter().enumerate() {
            checks.push(match self.answer.get(&format!("program.{place}")) {
                Some(path) => Check::fine("launch", format!("{program} is {path}")),
                None => Check::bad(
                    "launch",
                    format!("{program} is not found after the lines of setup"),
                    format!(
                        "Load NAMD in setup (for instance setup = [\"module load namd\"]), or write the program's full path into launch, in {}. On a site whose login nodes lack it, a job may still find it.",
                        self.table()
                    ),
                ),
            });
        }
        checks
    }
}

/// The first words that the set-up lines printed to the error output.
fn setup_words(output: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let (_, words) = text.rsplit_once(SETUP_BEGINS)?;
    let words = words.split(SETUP_ENDS).next().unwrap_or_default();
    words
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(|line| without_place(line).to_owned())
}

/// A shell's error without the place in a script that nobody sees (`bash: line 84: `).
fn without_place(line: &str) -> &str {
    let Some((before, words)) = line.split_once(": ").and_then(|(shell, rest)| {
        let (place, words) = rest.split_once(": ")?;
        (!shell.contains(' ')).then_some((place, words))
    }) else {
        return line;
    };
    let number = before.strip_prefix("line ").unwrap_or(before);
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        words
    } else {
        line
    }
}

/// The free bytes in a line of `df -Pk`: the number before the percentage.
///
/// POSIX fixes the columns, but names of file systems and mount points may hold blanks.
fn free_space(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(4).find_map(|four| match four {
        [total, used, free, percent] => {
            let number = |word: &str| word.parse::<u64>().ok();
            percent.strip_suffix('%').and_then(number)?;
            number(total)?;
            number(used)?;
            number(free)?.checked_mul(1024)
        }
        _ => None,
    })
}

/// A size for people, in binary units.
fn size(bytes: u64) -> String {
    let units = ["TiB", "GiB", "MiB", "KiB"];
    for (place, unit) in units.iter().enumerate() {
        let shift = 10 * (units.len() - place);
        let whole = bytes >> shift;
        if whole > 0 {
            let tenth = ((bytes >> (shift - 10)) & 1023) * 10 / 1024;
            return format!("{whole}.{tenth} {unit}");
        }
    }
    format!("{bytes} bytes")
}
