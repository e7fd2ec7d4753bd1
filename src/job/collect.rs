//! Results from scratch to the project directory, on the cluster: the command and its answer.
//!
//! What a run has written is copied to `outputs/<n>/` and `logs/<n>/`, each file under a temporary
//! name, compared byte by byte, and renamed. A file that is there already and equal is left alone, so
//! that the command can be repeated after anything. Inputs that the run left as they were are not
//! copied: `input_files/` has them.

use crate::job::{Job, layout};
use crate::shell::BadPath;

/// What the answer's line begins with.
const DONE: &str = "collected";
/// Seconds of copying after which it stops between two files.
const PART: u32 = 60;
/// What stands behind a file's name while it is copied.
const PARTIAL: &str = ".collecting-";
/// The name of the lock, in the directory for logs.
const LOCK: &str = ".collecting";

/// Whether a file in the project directory is there for the collecting alone, by its name.
pub(super) fn is_own(name: &str) -> bool {
    name == LOCK || name.contains(PARTIAL)
}

/// What came of collecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// Everything is in the project directory.
    All {
        /// Files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// So much is there, and more is to be copied: it is to be repeated at once.
    Part {
        /// Files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Another process collects the same.
    Busy,
    /// There is nothing to collect: the working directory is gone, or was never made.
    Nothing,
    /// The working tree is the project's own: nothing is copied onto itself.
    InPlace,
    /// Files still change.
    Unsettled,
    /// The project's file system has no room.
    NoRoom {
        /// Kilobytes needed.
        needed: u64,
        /// Kilobytes free.
        free: u64,
    },
    /// Some files could not be copied.
    Failed {
        /// The first of them, and why.
        why: String,
    },
}

/// The script that collects the results of attempt `n`. Niced, as befits a login node. It stops
/// between two files when it has copied for 60 seconds; repeating it goes on from there.
///
/// A file under its final name has been compared; it is known again by its size and date. A lock in
/// the directory for logs keeps a second one away, as long as the first runs on the same login node.
pub fn script(job: &Job, n: u32) -> Result<String, BadPath> {
    let work = layout::work_dir(job, n)?;
    Ok(format!(
        r#"{{
renice -n 10 -p $$ >/dev/null 2>&1
work={work} scratch={scratch} project={project} outputs={OUTPUTS}/{n} logs={LOGS}/{n}
say() {{ [ -z "$mine" ] || rm -f "$lock"; printf '\n{DONE} %s .\n' "$*"; exit 0; }}
mine=
if [ ! -d "$work" ]; then
    [ -d "$scratch" ] || say failed 0 0 "$scratch is not there: is its file system mounted?"
    say nothing
fi
[ -d "$project" ] || say failed 0 0 "the project directory is gone"
[ "$(cd -P "$work/.." && pwd -P)" != "$(cd -P "$project" && pwd -P)" ] || say inplace
# Everything is written below here: a project directory that is removed meanwhile does not come back.
cd -P "$project" || say failed 0 0 "the project directory cannot be entered"
why=$(mkdir -p "$outputs" "$logs" 2>&1) || say failed 0 0 "its directories cannot be made: $(printf '%s' "$why" | head -n 1)"
lock=$logs/{LOCK} me="$(uname -n) $$"
if ! (set -C; printf '%s\n' "$me" >"$lock") 2>/dev/null; then
    read -r host pid 2>/dev/null <"$lock"
    if [ "$host" = "$(uname -n)" ] && kill -0 "$pid" 2>/dev/null; then say busy; fi
    printf '%s\n' "$me" >"$lock" || say failed 0 0 "nothing can be written to $project"
fi
mine=yes
files_of() {{ (cd "$work" && find . -type f ! -path './{CONTROL}/*' ! -path './*/{CONTROL}/*' "$@"); }}
look() {{ files_of -exec ls -ln {{}} + 2>/dev/null; }}
before=$(look)
sleep 2
[ "$before" = "$(look)" ] || say unsettled
# What a collection that was killed left.
find "$outputs" "$logs" -name '*{PARTIAL}*' -exec rm -f {{}} + 2>/dev/null
is_input() {{
    cmp -s "$work/$1" "{INPUTS}/$1" || cmp -s "$work/$1" "{INPUTS}/${{1#*/}}"
}}
place() {{
    case $1 in
        {CONTROL}/*) to=$logs/${{1#*/}} ;;
        *.log | *.out | *.err) to=$logs/$1 ;;
        *) to=$outputs/$1 ;;
    esac
}}
# Whether $to is $work/$1: renamed with its date only after it was compared.
is_there() {{
    [ -f "$to" ] || return 1
    [ "$(wc -c <"$work/$1")" -eq "$(wc -c <"$to")" ] || return 1
    {{ [ ! "$work/$1" -nt "$to" ] && [ ! "$work/$1" -ot "$to" ]; }} || cmp -s "$work/$1" "$to"
}}
list=$(files_of -print
    cd "$work" || exit
    for file in ./{CONTROL}/slurm*.out ./{CONTROL}/job.out ./{CONTROL}/job.sbatch ./{CONTROL}/job.sh ./{CONTROL}/namd.log; do
        [ ! -f "$file" ] || printf '%s\n' "$file"
    done)
needed=0
while IFS= read -r file; do
    file=${{file#./}}
    [ -f "$work/$file" ] || continue
    place "$file"
    [ ! -f "$to" ] || continue
    is_input "$file" && continue
    size=$(wc -c <"$work/$file") && needed=$((needed + size / 1024 + 1))
done <<END_OF_LIST
$list
END_OF_LIST
free=$(df -Pk . 2>/dev/null | awk 'NR == 2 {{ printf "%.0f", $(NF - 2) }}')
[ -z "$free" ] || [ "$needed" -lt "$free" ] || say noroom "$needed" "$free"
files=0 bytes=0 failed='' begun=$(date +%s)
while IFS= read -r file; do
    file=${{file#./}}
    [ -n "$file" ] || continue
    if [ ! -f "$work/$file" ]; then
        failed=${{failed:-$file is gone, or has a name that cannot be handled}}
        continue
    fi
    place "$file"
    if ! is_there "$file"; then
        is_input "$file" && continue
        [ $(($(date +%s) - begun)) -lt {PART} ] || say part "$files" "$bytes"
        partial=$to{PARTIAL}$$
        why=$({{ mkdir -p "${{to%/*}}" && cp -p "$work/$file" "$partial" &&
            cmp "$work/$file" "$partial" && mv -f "$partial" "$to"; }} 2>&1) || {{
            rm -f "$partial"
            failed=${{failed:-$file: $(printf '%s' "$why" | head -n 1)}}
            continue
        }}
    fi
    files=$((files + 1))
    size=$(wc -c <"$to") && bytes=$((bytes + size))
done <<END_OF_LIST
$list
END_OF_LIST
[ -z "$failed" ] || say failed "$files" "$bytes" "$failed"
say all "$files" "$bytes"
}}
"#,
        CONTROL = layout::CONTROL,
        INPUTS = layout::INPUT_FILES,
        work = work.quoted(),
        scratch = job.spec.scratch_dir.parent().quoted(),
        project = job.spec.project_dir.quoted(),
        OUTPUTS = layout::OUTPUTS,
        LOGS = layout::LOGS,
    ))
}

/// Reads the answer of [`script`]. None: it did not come whole.
pub fn read(answer: &str) -> Option<Collected> {
    let words = answer
        .lines()
        .find_map(|line| line.strip_prefix(DONE)?.strip_suffix(" ."))?
        .trim_start();
    let (what, rest) = words.split_once(' ').unwrap_or((words, ""));
    let mut numbers = rest.split(' ').map(|word| word.parse::<u64>().ok());
    let mut number = || numbers.next().flatten();
    Some(match what {
        "nothing" => Collected::Nothing,
        "busy" => Collected::Busy,
        "part" => Collected::Part {
            files: number()?,
            bytes: number()?,
        },
        "inplace" => Collected::InPlace,
        "unsettled" => Collected::Unsettled,
        "noroom" => Collected::NoRoom {
            needed: number()?,
            free: number()?,
        },
        "all" => Collected::All {
            files: number()?,
            bytes: number()?,
        },
        "failed" => Collected::Failed {
            why: rest.splitn(3, ' ').nth(2)?.to_owned(),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        assert_eq!(
            read("banner\ncollected all 12 34567 .\n"),
            Some(Collected::All {
                files: 12,
                bytes: 34567
            })
        );
        assert_eq!(read("collected nothing ."), Some(Collected::Nothing));
        assert_eq!(
            read("collected failed 3 4 a b.dcd: cp: No space left ."),
            Some(Collected::Failed {
                why: "a b.dcd: cp: No space left".into()
            })
        );
        for cut in [
            "",
            "collected all 12 34567",
            "collected all 12 .",
            "collected",
        ] {
            assert_eq!(read(cut), None, "{cut:?}");
        }
    }
}
