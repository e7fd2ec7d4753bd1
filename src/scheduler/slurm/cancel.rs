//! Cancelling.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::asking;
use crate::scheduler::frame::{parts, shell};
use crate::scheduler::{CancelTarget, IdPart, SchedulerId};
use crate::shell::{Command, Output, quote};

/// How many ids one scancel gets.
const CHUNK: usize = 200;

/// What scancel says of a job that is over: it need not be cancelled. (Since about 20.02 it says
/// nothing of an unknown id and exits with 0, observed on 22.05.)
const OVER: &[&str] = &[
    "Invalid job id specified",
    "already completing or completed",
    "Job has already finished",
];

/// The command.
pub(super) fn cancel(targets: &[CancelTarget]) -> Command {
    let setup = targets
        .first()
        .map_or(&[][..], |target| &target.slurm_setup);
    let mut by_cluster: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for target in targets {
        by_cluster
            .entry(target.id.cluster.as_deref())
            .or_default()
            .push(quote(&word(&target.id)));
    }
    let mut text = format!("{{\n{}{}", asking(setup), shell("cancel"));
    text.push_str(
        "ask() {\n    said=$(scancel \"$@\" 2>&1)\n    rc=$?\n    while IFS= read -r line; do [ -z \"$line\" ] || note \"$line\"; done <<EOF\n$said\nEOF\n    part scancel \"rc=$rc\"\n}\n",
    );
    for (cluster, ids) in by_cluster {
        let cluster = cluster.map_or_else(String::new, |name| format!("-M {} ", quote(name)));
        for ids in ids.chunks(CHUNK) {
            let _ = writeln!(text, "ask {cluster}{}", ids.join(" "));
        }
    }
    text.push_str("part done ''\n}\n");
    // Cancelling what is cancelled does no harm.
    Command::read("cancel", text)
}

/// An id as scancel takes it: the members that wait without their throttle (`3_[3-9%2]` is
/// `Invalid job id`, observed).
fn word(id: &SchedulerId) -> String {
    let id = SchedulerId {
        cluster: None,
        part: match &id.part {
            IdPart::Waiting(list) => {
                IdPart::Waiting(list.split('%').next().unwrap_or_default().to_owned())
            }
            part => part.clone(),
        },
        base: id.base,
    };
    id.to_string()
}

/// Whether Slurm took it.
pub(super) fn parse(output: &Output) -> Result<(), String> {
    let text = output.text();
    let parts = parts(&text, None);
    if !parts.iter().any(|part| part.name == "done") {
        return Err(output
            .first_error_line()
            .unwrap_or_else(|| format!("the answer was not whole ({})", output.status)));
    }
    for part in parts.iter().filter(|part| part.name == "scancel") {
        let failed =
            |line: &&&str| line.contains("error") && !OVER.iter().any(|words| line.contains(words));
        if let Some(line) = part.lines.iter().find(failed) {
            return Err((*line).trim_start_matches("scancel: ").to_owned());
        }
        let over = part
            .lines
            .iter()
            .any(|line| OVER.iter().any(|words| line.contains(words)));
        if part.number::<i32>("rc") != Some(0) && !over {
            let code = part.value("rc").unwrap_or("?");
            return Err(match part.lines.first() {
                Some(line) => (*line).to_owned(),
                None => format!("scancel ended with exit code {code}"),
            });
        }
    }
    Ok(())
}
