//! What runs on the cluster for a survey.

use std::fmt::Write as _;
use std::time::Duration;

use super::{MOST_DIRECTORIES, SurveyAsk};
use crate::job::layout::{ATTEMPTS, CONTROL, INPUT_FILES, JOB_INFO, PARTIAL, SUMS};
use crate::scheduler::frame::{self, shell};
use crate::shell::{Command, quote};

/// At most so many attempts of one job are looked at.
const MOST_ATTEMPTS: usize = 200;
/// A larger file of a job without a row is not read.
const MOST_BYTES: usize = 1 << 20;
/// All files together may have so many bytes; what is left over is told of the next time.
const ALL_BYTES: usize = 16 << 20;
/// How long a slow file system is given.
const TIMEOUT: Duration = Duration::from_mins(3);

/// The command. `setup` comes first, `queue` is shell text that prints the part `squeue`. Its input
/// is the list of known jobs, a line each.
pub(in crate::scheduler) fn command(ask: &SurveyAsk, setup: &str, queue: &str) -> Command {
    let mut known = ask.known.join("\n");
    known.push('\n');
    Command::read("survey", remote(ask, setup, queue))
        .with_input(known)
        .within(TIMEOUT)
}

/// No program is started for a directory that has a row here: thousands of them are looked at by
/// the shell alone.
fn remote(ask: &SurveyAsk, setup: &str, queue: &str) -> String {
    let nonce = frame::nonce(&ask.nonce);
    let mut text = format!("{{\n{setup}{}", shell(&nonce));
    let _ = write!(
        text,
        r#"project={project}
scratch={scratch}
left={ALL_BYTES}
hex() {{ od -An -v -tx1 <"$1" | tr -d ' \n'; }}
send() {{
    if [ -L "$2" ]; then note "withheld $1 is a symbolic link"; return 1; fi
    [ -f "$2" ] || return 1
    bytes=$(($(wc -c <"$2")))
    if [ $bytes -gt {MOST_BYTES} ]; then note "withheld $1 has $bytes bytes"; return 1; fi
    if [ $bytes -gt $left ]; then note "withheld $1 waits for the next survey"; return 1; fi
    left=$((left-bytes))
    note "$1 $(hex "$2")"
}}
mark() {{ if [ -f "$3" ] && IFS= read -r line <"$3"; then note "attempt $1 $2 $line"; fi; }}
number() {{ n=${{1##*/}}; case $n in '' | 0* | *[!0-9]* | ?????*) return 1 ;; esac; }}
names=$(
    {{
        sed 's/^/k /'
        ls -1 "$project" 2>/dev/null | sed 's/^/p /'
        ls -1 "$scratch" 2>/dev/null | sed 's/^/s /'
    }} | awk '
        {{
            kind = substr($0, 1, 1); id = substr($0, 3)
            if (kind == "k") {{ known[id] = 1; next }}
            if (id ~ /\{PARTIAL}/) {{ kind = "t"; sub(/\{PARTIAL}.*/, "", id) }}
            n = length(id)
            if (n < 28 || n > 59 || substr(id, n - 26, 1) != "_") next
            if (substr(id, 1, n - 27) !~ /^[a-z0-9][-a-z0-9]*$/ || substr(id, n - 25) !~ /^[a-z0-9]*$/) next
            if (!(id in flags)) ids[++count] = id
            flags[id] = flags[id] kind
        }}
        END {{
            for (i = 1; i <= count; i++) {{
                id = ids[i]
                print substr(id, length(id) - 25), id, flags[id] (id in known ? "k" : "")
            }}
        }}' | sort -r
)
seen=0 more=0
while read -r made id flags; do
    [ -n "$id" ] || continue
    if [ $seen -ge {MOST_DIRECTORIES} ]; then more=$((more+1)); continue; fi
    seen=$((seen+1))
    dir=$project/$id
    note "flags $flags"
    for place in "$dir" "$scratch/$id"; do
        if [ -L "$place" ]; then note link
        elif [ -e "$place" ] && [ ! -O "$place" ]; then note foreign
        fi
    done
    if [ $count -gt 1 ]; then part "dir $id" ''; continue; fi
    case $flags in
        *k*) ;;
        *p*)
            if send info "$dir/{JOB_INFO}"; then
                send sums "$dir/{SUMS}"
                config=$(sed -n 's/^  "config": "\(.*\)",$/\1/p' "$dir/{JOB_INFO}" | head -n 1)
                case /$config/ in // | //* | */../*) ;; *) send config "$dir/{INPUT_FILES}/$config" ;; esac
            fi ;;
    esac
    tries=0
    for kept in "$dir/{ATTEMPTS}"/*; do
        number "$kept" && [ $((tries=tries+1)) -le {MOST_ATTEMPTS} ] || continue
        mark "$n" asked "$kept/asked"
        mark "$n" mark "$kept/receipt"
    done
    tries=0
    for work in "$scratch/$id"/*; do
        number "$work" && [ $((tries=tries+1)) -le {MOST_ATTEMPTS} ] || continue
        control=$work/{CONTROL}
        for name in receipt started exit; do mark "$n" mark "$control/$name"; done
        k=0
        while [ -L "$control/lock.$((k+1))" ]; do k=$((k+1)); done
        if [ $k != 0 ] && [ ! -f "$control/over.$k" ]; then
            note "attempt $n lock $(readlink "$control/lock.$k")"
        fi
    done
    part "dir $id" ''
done <<EOF
$names
EOF
part directories "seen=$seen more=$more"
{queue}}}
"#,
        project = quote(ask.project_root.as_str()),
        scratch = quote(ask.scratch_root.as_str()),
    );
    text
}
