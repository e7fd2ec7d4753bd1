//! What every submission does on the cluster before the batch system is asked, and how its answer
//! is told: the lock, the receipt, the copy of the inputs.

use std::fmt::Write as _;
use std::time::Duration;

use super::control::{ATTEMPTS, INPUT_FILES, epoch, output_dirs, variables};
use super::frame::{Part, parts, shell};
use super::{Launch, SchedulerId, Submitted};
use crate::shell::{Command, Output, quote};

/// The command that stages one attempt and then runs `send`. Its input is the job script.
///
/// `send` is shell text that asks the batch system. It has `$tag`, `$work`, `$control`, the number
/// `$k` of its lock, and the functions `note`, `errors`, `keep`, `release`, `failed`, `accepted` and
/// `over`. It makes `sending.$k` before it asks, and writes the answer to `answer.$k` before it reads
/// it.
///
/// The file that gives a lock back is made before the lock is taken, because on a full disk it could
/// not be made afterwards; to rename it takes no room.
pub(super) fn command(launch: &Launch, script_name: &str, script: String, send: &str) -> Command {
    Command::effect("submit", remote(launch, script_name, script.len(), send))
        .with_input(script)
        // Copying the inputs is the long part.
        .within(Duration::from_mins(30))
}

/// What runs on the cluster. One group, so that a text that was cut on its way does nothing.
fn remote(launch: &Launch, script_name: &str, script_bytes: usize, send: &str) -> String {
    let array = launch.array.is_some();
    let mut text = String::from("{\ntrap '' HUP PIPE\numask o-w\n");
    text.push_str(&variables(launch, ""));
    text.push_str(&shell(launch.tag.as_str()));
    let _ = write!(
        text,
        r#"inputs={inputs}
kept={kept}
receipt=$control/receipt
me=$(uname -n)
slip=
over() {{ [ -z "$slip" ] || rm -f "$slip"; note "outcome $1"; part submit ''; exit 0; }}
errors() {{ while IFS= read -r line && [ "$count" -lt 60 ]; do note "$1 $line"; done; }}
refuse() {{ note "step $1 rc=$2"; errors err <<EOF
$said
EOF
over notStaged; }}
failed() {{ release; refuse "$1" "$2"; }}
accepted() {{ note "id $1"; note "at $2"; over "$3"; }}
known() {{
    [ -f "$receipt" ] || return
    read -r _ _ owner id at _ <"$receipt"
    [ "$owner" = "$tag" ] && accepted "$id" "$at" repeated
    note "err $work already holds job $id of another submission ($owner)"
    over notStaged
}}
release() {{ mv -f "$slip" "$control/over.$k"; }} 2>/dev/null
take() {{ k=$1; said=$(ln -s "$tag $me $$" "$control/lock.$k" 2>&1); }}
answer() {{
    id=
    while read -r line; do
        case ${{line%%;*}} in '' | *[!0-9]*) ;; *) id=$line ;; esac
    done <"$control/answer.$k"
}} 2>/dev/null
keep() {{
    aside=$receipt.$me.$$
    echo "receipt 1 $tag $id $at ." | dd of="$aside" conv=fsync 2>/dev/null ||
        echo "receipt 1 $tag $id $at ." >"$aside"
    mv -f "$aside" "$receipt"
    remember
}}
# A copy beside the inputs, where no purge of the scratch file system reaches it.
remember() {{ cp "$receipt" "$kept/receipt.$$" && mv -f "$kept/receipt.$$" "$kept/receipt"; }} 2>/dev/null

script=$(cat; echo .)
k=1
said=$(mkdir -p "$control" 2>&1) || refuse mkdir $?
known
slip=$control/slip.$me.$$
said=$( {{ true >"$slip"; }} 2>&1) || refuse slip $?
if ! take 1; then
    [ -L "$control/lock.1" ] || refuse lock 1
    while [ -L "$control/lock.$((k+1))" ]; do k=$((k+1)); done
    held=$(readlink "$control/lock.$k") || {{ note "err cannot read the lock in $control"; over unknown; }}
    known
    if [ ! -f "$control/over.$k" ]; then
        read -r owner host pid <<EOF
$held
EOF
        where=elsewhere sending=no
        if [ "$host" = "$me" ]; then
            where=gone
            kill -0 "$pid" 2>/dev/null && where=alive
        fi
        [ ! -f "$control/sending.$k" ] || sending=yes
        if [ "$owner" != "$tag" ] && [ "$where,$sending" != gone,no ]; then
            note "err $work is held by another submission ($owner)"
            over notStaged
        fi
        answer
        if [ -n "$id" ] && [ "$owner" = "$tag" ]; then
            at=$(date +%s)
            keep
            accepted "$id" "$at" repeated
        fi
        case $where,$sending,{take_over} in
            gone,no,*) ;;
            gone,*,yes | elsewhere,*,yes) ;;
            *)
                note "err an earlier submission left a lock and no receipt ($host, process $pid, $where, asked: $sending)"
                over unknown ;;
        esac
    fi
    take $((k+1)) || {{ note 'err another submission is under way'; over unknown; }}
fi
note "step lock rc=0"
{{ mkdir -p "$kept" && printf '%s\n' {asked} >"$kept/asked.$$" && mv -f "$kept/asked.$$" "$kept/asked"; }} 2>/dev/null

said=$(printf '%s' "${{script%.}}" 2>&1 >"$control/{script_name}") || failed script $?
[ "$(($(wc -c <"$control/{script_name}")))" = {script_bytes} ] || {{ said='the job script did not arrive whole'; failed script 1; }}
if [ -d "$inputs" ]; then
    {into}said=$(cp -Rpf --reflink=auto "$inputs/." "$into" 2>&1)
    rc=$?
    case $rc$said in 0*) ;; *option*) said=$(cp -Rpf "$inputs/." "$into" 2>&1); rc=$? ;; esac
    [ $rc = 0 ] || failed mirror $rc
{read_only}    note 'step mirror rc=0'
else
    said="$inputs is not there"
    failed mirror 1
fi
{output_dirs}{send}}}
"#,
        inputs = quote(&format!("{}/{INPUT_FILES}", launch.project_dir)),
        kept = quote(&format!(
            "{}/{ATTEMPTS}/{}",
            launch.project_dir, launch.attempt
        )),
        asked = quote(&launch.asked),
        take_over = if launch.take_over { "yes" } else { "no" },
        // Members make their trees themselves when they start, from this one copy: so a submission
        // takes as long for ten thousand of them as for one, and what never runs costs nothing.
        into = if array {
            format!(
                "into=$work/{INPUT_FILES}\n    said=$(mkdir -p \"$into\" 2>&1) || failed mirror $?\n    "
            )
        } else {
            "into=$work\n    ".to_owned()
        },
        read_only = if array {
            "    said=$(find \"$into\" -type f -exec chmod a-w {} + 2>&1) || failed mirror $?\n"
        } else {
            ""
        },
        output_dirs = output_dirs(launch, "work")
            .filter(|_| !array)
            .map(|dirs| format!("said=$({dirs} 2>&1) || failed output_dirs $?\n"))
            .unwrap_or_default(),
    );
    text
}

/// The lines `key …` of an answer.
fn said<'a>(part: &Part<'a>, key: &str) -> Vec<&'a str> {
    part.lines
        .iter()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
        .filter(|line| !line.trim().is_empty())
        .collect()
}

/// What the answer says. `rejected` reads the refusal of the batch system, `program` is what asks
/// it.
pub(super) fn parse(
    output: &Output,
    program: &str,
    rejected: impl FnOnce(&[&str]) -> Submitted,
) -> Submitted {
    let text = output.text();
    let parts = parts(&text, None);
    let Some(part) = parts.iter().find(|part| part.name == "submit") else {
        let seen = output
            .first_error_line()
            .unwrap_or_else(|| "no error message".to_owned());
        return Submitted::Unknown {
            detail: format!("the answer was not whole ({}): {seen}", output.status),
        };
    };
    let last = |key: &str| said(part, key).last().copied().unwrap_or_default();
    let errors = said(part, "err");
    match last("outcome") {
        outcome @ ("accepted" | "repeated") => match SchedulerId::parse(last("id")) {
            Ok(id) => Submitted::Accepted {
                at: epoch(last("at")),
                repeated: outcome == "repeated",
                evidence: format!("{program}: {id}"),
                id,
            },
            Err(bad) => Submitted::Unknown {
                detail: bad.to_string(),
            },
        },
        "rejected" => rejected(&errors),
        "notRun" => {
            let mut words = errors;
            words.extend(said(part, "setup"));
            let words = if words.is_empty() {
                "its setup lines ended the shell".to_owned()
            } else {
                first_few(&words)
            };
            Submitted::NotStaged {
                reason: format!("{program} could not be run: {words}"),
                quota: false,
            }
        }
        "notStaged" => Submitted::NotStaged {
            quota: is_quota(&errors),
            reason: first_few(&errors),
        },
        outcome => {
            let mut detail = vec![format!("{program}: {}", last("step"))];
            detail.extend(errors.iter().map(|&line| line.to_owned()));
            detail.extend(said(part, "out").iter().map(|&line| line.to_owned()));
            if outcome != "unknown" {
                detail.push(format!("outcome {outcome:?}"));
            }
            Submitted::Unknown {
                detail: detail.join(" · "),
            }
        }
    }
}

/// A copy that fails can fail for each of a thousand files.
fn first_few(lines: &[&str]) -> String {
    let more = if lines.len() > 3 { " · …" } else { "" };
    let few: Vec<&str> = lines.iter().take(3).copied().collect();
    format!("{}{more}", few.join(" · "))
}

/// Whether a disk or a quota is full, by the C library's texts (and Lustre's, GPFS' tools').
fn is_quota(errors: &[&str]) -> bool {
    errors.iter().any(|line| {
        line.contains("No space left on device")
            || line.to_ascii_lowercase().contains("quota exceeded")
    })
}
