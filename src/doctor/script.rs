//! The doctor's shell script: the probe, and what only a person who asks needs to know. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use crate::config::{Cluster, SchedulerKind, root_as_shell_word};
use crate::probe::in_login_shell;
use crate::shell::{Command, quote};

/// Marks the beginning of the set-up lines' own words in the error output.
pub(super) const SETUP_BEGINS: &str = "namdrunner-doctor:setup-begins";
/// Marks their end.
pub(super) const SETUP_ENDS: &str = "namdrunner-doctor:setup-ends";

/// The command that looks at a cluster; [`super::judge()`] reads the answer.
///
/// Its only effect is a small file in each root that exists, removed at once.
pub fn doctor_command(cluster: &Cluster) -> Command {
    let mut more = String::new();
    if cluster.scheduler == SchedulerKind::Slurm {
        more.push_str(SLURM);
    }
    more.push_str(ROOT);
    for (name, template) in [
        ("project", &cluster.project_root),
        ("scratch", &cluster.scratch_root),
    ] {
        // Settings hold no other roots; one that cannot be read is said by the judge.
        if let Ok(word) = root_as_shell_word(template, "user") {
            let _ = writeln!(more, "look_at_root {name} {word}");
        }
    }
    let _ = write!(
        more,
        "(\necho {SETUP_BEGINS} >&2\neval {} >/dev/null\nsay setup_lines $?\necho {SETUP_ENDS} >&2\n",
        quote(&cluster.setup.join("\n"))
    );
    for (place, word) in programs(&cluster.launch).iter().enumerate() {
        // As the job script would read the word, variables of the set-up lines included.
        let _ = writeln!(
            more,
            "say program.{place} \"$(command -v {word} 2>/dev/null)\""
        );
    }
    more.push_str(")\n");
    Command::read("doctor", in_login_shell(cluster, &more, SECONDS))
        .within(Duration::from_secs(u64::from(SECONDS) * 2 + 30))
}

/// Seconds all of it may take: modules and a sick file system can be slow.
const SECONDS: u32 = 90;

/// Looks at the queue, the accounting and the partitions.
const SLURM: &str = r#"
squeue=$(find_tool squeue)
if [ -n "$squeue" ]; then
    answer=$(limit 20 "$squeue" -h -u "$user" -o %i 2>&1)
    code=$?
    say squeue.exit "$code"
    if [ "$code" -eq 0 ]; then
        say squeue.jobs "$(printf '%s' "$answer" | grep -c .)"
    else
        say squeue.error "$(printf '%s\n' "$answer" | head -n 1)"
    fi
fi
sacct=$(find_tool sacct)
if [ -n "$sacct" ]; then
    answer=$(limit 20 "$sacct" -n -X -P -o JobID -S "$(date +%Y-%m-%dT%H:%M:%S)" 2>&1)
    code=$?
    say sacct.exit "$code"
    if [ "$code" -ne 0 ]; then say sacct.error "$(printf '%s\n' "$answer" | head -n 1)"; fi
fi
sinfo=$(find_tool sinfo)
if [ -n "$sinfo" ]; then
    answer=$(limit 20 "$sinfo" -h -a -o %R 2>/dev/null) && say partitions "$answer"
fi
"#;

/// Defines `look_at_root NAME DIR`: whether files can be made there, or the directory itself.
const ROOT: &str = r#"
look_at_root() {
    say "root.$1.dir" "$2"
    at=$2
    if [ -L "$at" ] && [ ! -e "$at" ]; then
        say "root.$1.state" broken
        return
    fi
    while [ ! -e "$at" ]; do
        case $at in
        */*) at=${at%/*} ;;
        *) at= ;;
        esac
        if [ -z "$at" ]; then at=/; fi
    done
    say "root.$1.at" "$at"
    if [ ! -d "$at" ]; then
        say "root.$1.state" notdir
        return
    fi
    space=$(limit 20 df -Pk "$at" 2>/dev/null | tail -n 1)
    say "root.$1.df" "$space"
    if [ "$at" != "$2" ]; then
        if [ -w "$at" ] && [ -x "$at" ]; then say "root.$1.state" new; else say "root.$1.state" refused; fi
        return
    fi
    trial=$at/.namdrunner-probe.$$
    # The braces take the words of a redirection that fails.
    error=$( { printf '%s' namdrunner > "$trial"; } 2>&1 )
    back=$(cat "$trial" 2>/dev/null)
    rm -f "$trial"
    if [ "$back" = namdrunner ]; then
        say "root.$1.state" fine
    else
        say "root.$1.state" refused
        say "root.$1.error" "$error"
    fi
}
"#;

/// The programs that a launch command names first: its first word, and any that looks like NAMD
/// behind a launcher (`srun namd3`). Only words that a shell can look up without running anything.
pub(super) fn programs(launch: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut first = true;
    for word in launch.split_whitespace() {
        let assignment = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if first && (assignment || word == "exec") {
            continue;
        }
        let name = word.trim_matches('"').rsplit('/').next().unwrap_or(word);
        let wanted = first || name.to_ascii_lowercase().starts_with("namd");
        first = false;
        let quotes = word.matches('"').count();
        let can_be_looked_up = !word.starts_with('-')
            && (quotes == 0 || quotes == 2 && word.starts_with('"') && word.ends_with('"'))
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-./+${}\"~".contains(&b));
        if wanted && can_be_looked_up && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}
