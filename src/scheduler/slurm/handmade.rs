//! One job that was submitted by hand: what Slurm knows of it, and its script.
//!
//! `scontrol show job` as long as slurmctld holds it; after that its record in the accounting.

use super::asking;
use super::query::health;
use super::text::{duration, slurm_time, time};
use crate::scheduler::frame::{Part, SENTINEL, parts, shell};
use crate::scheduler::survey::unhex;
use crate::scheduler::{HandMade, IdPart, NotFound, Resources, SchedulerId, SourceHealth};
use crate::shell::{Command, Output, quote};

/// A batch script beyond this is not read.
const MOST_SCRIPT: usize = 256 << 10;
/// sacct's fields; free text comes last.
const FIELDS: &str = "JobID,User,State,Submit,TimelimitRaw,Partition,Account,QOS,JobName,WorkDir";
/// How many there are.
const FIELD_COUNT: usize = 10;

/// The command.
pub(super) fn command(id: &SchedulerId, setup: &[String]) -> Command {
    let base = match &id.part {
        IdPart::Member(n) => format!("{}_{n}", id.base),
        IdPart::Component(n) => format!("{}+{n}", id.base),
        IdPart::Whole | IdPart::Waiting(_) => id.base.to_string(),
    };
    let cluster = id
        .cluster
        .as_ref()
        .map_or_else(String::new, |name| format!("-M {} ", quote(name)));
    let text = format!(
        r#"{{
{asking}{functions}note "$(id -u) $(id -un)"
part user ''
said=$(scontrol {cluster}show job {base} 2>&1)
rc=$?
while IFS= read -r line; do note "$line"; done <<EOF
$said
EOF
part job "rc=$rc"
script=$(scontrol {cluster}write batch_script {base} - 2>/dev/null | head -c {MOST_SCRIPT} | od -An -v -tx1 | tr -d ' \n')
note "$script"
part script ''
printf '\n{SENTINEL} handmade begin sacct\n'
{{ sacct {cluster}-D -X -P -n -u "$(id -u)" -j {base} -S {since} -o {FIELDS} 2>&1; echo "= $?"; }} | awk '
    /^= [0-9]+$/ {{ rc = substr($0, 3); next }}
    !/^[0-9]/ {{ if ($0 != "" && (err == "" || (err !~ /error/ && /error/))) err = $0; next }}
    {{ rows++; print "|" $0; lines++ }}
    END {{ print "{SENTINEL} handmade end sacct rc=" rc " rows=" rows + 0 " odd=0 lines=" lines + 0 " err=" substr(err, 1, 300) }}'
}}
"#,
        asking = asking(setup),
        functions = shell("handmade"),
        since = slurm_time(jiff::Timestamp::UNIX_EPOCH),
    );
    Command::read("adopt", text)
}

/// What the answer says.
pub(super) fn parse(id: &SchedulerId, output: &Output) -> Result<HandMade, NotFound> {
    let text = output.text();
    let parts = parts(&text, Some("handmade"));
    let named = |name: &str| parts.iter().find(|part| part.name == name);
    let not_whole = || NotFound::Unanswered {
        why: output
            .first_error_line()
            .unwrap_or_else(|| format!("the answer was not whole ({})", output.status)),
    };
    let (user, job) = (named("user"), named("job"));
    let (Some(user), Some(job)) = (user.and_then(|part| part.lines.first()), job) else {
        return Err(not_whole());
    };
    let (uid, user) = user.split_once(' ').ok_or_else(not_whole)?;
    if job.number("rc") == Some(0)
        && let Some(mut found) = of_controller(id, job)
    {
        if found.owner_uid.to_string() != uid {
            return Err(NotFound::NotYours { owner: found.owner });
        }
        found.script = named("script")
            .and_then(|part| unhex(part.lines.first()?))
            .filter(|bytes| !bytes.is_empty());
        return Ok(found);
    }
    let records = named("sacct").ok_or_else(not_whole)?;
    let rows = records.lines.iter().filter_map(|line| of_record(id, line));
    if let Some(mut found) = rows.max_by_key(|found| found.submitted) {
        user.clone_into(&mut found.owner);
        return Ok(found);
    }
    let said = job.lines.first().copied().unwrap_or_default();
    if said.contains("Invalid job id") {
        return Err(match health(records, "sacct") {
            SourceHealth::Failed { why, .. } => NotFound::Unanswered {
                why: format!("sacct: {why}"),
            },
            _ => NotFound::Nowhere,
        });
    }
    Err(NotFound::Unanswered {
        why: format!("scontrol: {said}"),
    })
}

/// What `scontrol show job` says: `Key=Value` pairs, several on a line but where a value may hold
/// blanks. Of several records (an array) the first.
fn of_controller(id: &SchedulerId, part: &Part<'_>) -> Option<HandMade> {
    let lines: Vec<&str> = part
        .lines
        .iter()
        .map(|line| line.trim())
        .take_while(|line| !line.is_empty())
        .collect();
    let word = |key: &str| {
        lines
            .iter()
            .flat_map(|line| line.split(' '))
            .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
            .filter(|value| !["(null)", "N/A", "Unknown", ""].contains(value))
    };
    let line = |key: &str| {
        lines
            .iter()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .filter(|value| *value != "(null)" && !value.is_empty())
            .map(str::to_owned)
    };
    let (owner, owner_uid) = word("UserId")?.strip_suffix(')')?.split_once('(')?;
    let first = lines.first()?;
    let count = |key: &str| {
        // `NumNodes=1-1` of a job that waits.
        let number: String = word(key)?
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        number.parse().ok().filter(|count| *count > 0)
    };
    Some(HandMade {
        id: id.clone(),
        owner: owner.to_owned(),
        owner_uid: owner_uid.parse().ok()?,
        name: first.split_once("JobName=")?.1.to_owned(),
        work_dir: line("WorkDir")?,
        submitted: word("SubmitTime").and_then(time),
        command: line("Command"),
        output: line("StdOut"),
        script: None,
        resources: Resources {
            nodes: count("NumNodes"),
            ntasks: count("NumTasks").or_else(|| count("NumCPUs")),
            walltime: word("TimeLimit").and_then(duration),
            partition: word("Partition").map(str::to_owned),
            qos: word("QOS").map(str::to_owned),
            account: word("Account").map(str::to_owned),
            ..Resources::default()
        },
        evidence: format!(
            "scontrol: {first} {} {}",
            word("UserId").unwrap_or_default(),
            word("JobState").unwrap_or_default()
        ),
    })
}

/// What a record of sacct says.
fn of_record(id: &SchedulerId, line: &str) -> Option<HandMade> {
    let fields: Vec<&str> = line.splitn(FIELD_COUNT - 1, '|').collect();
    let &[job, owner, _, submit, limit, partition, account, qos, rest] = fields.as_slice() else {
        return None;
    };
    let found = SchedulerId::parse(job).ok()?;
    // A name may hold bars; a directory hardly does.
    let (name, work_dir) = rest.rsplit_once('|')?;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (found.base == id.base && !work_dir.is_empty()).then(|| HandMade {
        id: id.clone(),
        owner: owner.to_owned(),
        owner_uid: 0,
        name: name.to_owned(),
        work_dir: work_dir.to_owned(),
        submitted: time(submit),
        command: None,
        output: None,
        script: None,
        resources: Resources {
            walltime: limit.parse::<u64>().ok().map(|minutes| minutes * 60),
            partition: some(partition),
            account: some(account),
            qos: some(qos),
            ..Resources::default()
        },
        evidence: format!("sacct: {line}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = include_str!("../../../tests/data/slurm/scontrol-job-22.05.txt");

    fn answer(job: &str, rc: i32, sacct: &str) -> Output {
        let lines: Vec<&str> = job.lines().collect();
        let framed = format!("|{}\n", lines.join("\n|"));
        let rows = sacct
            .lines()
            .fold(String::new(), |all, row| all + "|" + row + "\n");
        let n = sacct.lines().count();
        let text = format!(
            "motd\n@namdrunner handmade begin user\n|1001 nrtest\n@namdrunner handmade end user lines=1 \n\
             @namdrunner handmade begin job\n{framed}@namdrunner handmade end job lines={} rc={rc}\n\
             @namdrunner handmade begin script\n|236e0a\n@namdrunner handmade end script lines=1 \n\
             @namdrunner handmade begin sacct\n{rows}@namdrunner handmade end sacct rc=0 rows={n} odd=0 lines={n} err=\n",
            lines.len()
        );
        Output {
            stdout: text.into_bytes(),
            ..Output::default()
        }
    }

    #[test]
    fn a_job_of_the_controller_is_read() {
        let id = SchedulerId::whole(8);
        let found = parse(&id, &answer(SHOWN, 0, "")).unwrap();
        assert_eq!(found.name, "my equil run");
        assert_eq!(found.work_dir, "/home/nrtest/hand made");
        assert_eq!(
            found.command.as_deref(),
            Some("/home/nrtest/hand made/run.sh 300 K")
        );
        assert_eq!(found.resources.walltime, Some(600));
        assert_eq!(found.resources.partition.as_deref(), Some("main"));
        assert_eq!(found.resources.nodes, Some(1));
        assert_eq!(found.script.as_deref(), Some(&b"#n\n"[..]));
        assert!(found.submitted.is_some());
    }

    #[test]
    fn somebody_else_s_job_is_not_ours_to_adopt() {
        let shown = SHOWN.replace("(1001)", "(1002)");
        let refused = parse(&SchedulerId::whole(8), &answer(&shown, 0, "")).unwrap_err();
        assert!(matches!(refused, NotFound::NotYours { .. }), "{refused:?}");
    }

    #[test]
    fn what_the_controller_forgot_is_found_in_the_records() {
        let gone = "slurm_load_jobs error: Invalid job id specified";
        let rows =
            "8|nrtest|COMPLETED|2026-11-23T21:50:31|10|main|nrtest|normal|a|b|/home/nrtest/x\n";
        let found = parse(&SchedulerId::whole(8), &answer(gone, 1, rows)).unwrap();
        assert_eq!(
            (found.name.as_str(), found.work_dir.as_str()),
            ("a|b", "/home/nrtest/x")
        );
        let nowhere = parse(&SchedulerId::whole(8), &answer(gone, 1, "")).unwrap_err();
        assert_eq!(nowhere, NotFound::Nowhere);
        let down = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)";
        let unanswered = parse(&SchedulerId::whole(8), &answer(down, 1, "")).unwrap_err();
        assert!(matches!(unanswered, NotFound::Unanswered { .. }));
    }
}
