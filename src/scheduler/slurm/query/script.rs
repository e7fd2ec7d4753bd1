//! What runs on the cluster to look at all watched jobs.

use std::fmt::Write as _;

use super::super::asking;
use super::super::notices::PATTERN;
use super::super::states::ending_words;
use super::{ACCOUNT_FIELD_COUNT, ACCOUNT_FIELDS, QUEUE_FIELD_COUNT, QUEUE_FIELDS};
use crate::scheduler::Watch;
use crate::scheduler::control::CONTROL;
use crate::scheduler::frame::{self, SENTINEL};
use crate::shell::Command;

/// How many ids one sacct is asked for: far below the 128 KiB of one argument.
const CHUNK: usize = 500;
/// Outputs of jobs of which nothing else tells that one look reads, and how much of each.
const NOTICES: usize = 200;
const NOTICE_BYTES: usize = 4096;
/// For more members than this, sacct is asked for the whole array.
const ONE_BY_ONE: usize = 200;

/// The command. Its input is the list of jobs, a line each.
pub(in crate::scheduler::slurm) fn query(watch: &Watch) -> Command {
    let mut list = String::new();
    for job in &watch.jobs {
        let _ = writeln!(
            list,
            "{}\t{}\t{}\t{}\t{}\t{}",
            job.id.cluster.as_deref().unwrap_or("-"),
            job.id.base,
            if job.settled { "settled" } else { "live" },
            job.tag.as_str(),
            match &job.open {
                Some(open) => format!("[{open}]"),
                None => "-".to_owned(),
            },
            job.work_dir
        );
    }
    Command::read("query", remote(watch)).with_input(list)
}

/// What runs on the cluster: an awk program that runs squeue, then sacct where needed, and reads the
/// markers itself. Started once whatever the number of jobs.
fn remote(watch: &Watch) -> String {
    let nonce = frame::nonce(&watch.nonce);
    let ends: Vec<&str> = ending_words().collect();
    format!(
        r#"{{
{asking}uid=$(id -u)
printf '\n{SENTINEL} {nonce} begin clock\n|%s\n{SENTINEL} {nonce} end clock lines=1\n' "$(date '+%s %N')"
awk -F '\t' -v uid="$uid" -v ends=' {ends} ' '
function head(name) {{ print "{SENTINEL} {nonce} begin " name; lines = 0; err = ""; rc = ""; rows = 0; odd = 0; own = 0 }}
function tail(name) {{ print "{SENTINEL} {nonce} end " name " rc=" rc " rows=" rows " odd=" odd " ours=" own " lines=" lines " err=" substr(err, 1, 300) }}
function say(text) {{ print "|" text; lines++ }}
function row(line, fields) {{
    if (line ~ /^= [0-9]+$/) {{ rc = substr(line, 3); return 0 }}
    if (line !~ /^[0-9]/) {{
        if (line != "" && line !~ /^CLUSTER: / && (err == "" || (err !~ /error/ && line ~ /error/))) err = line
        return 0
    }}
    rows++
    if (split(line, f, "|") < fields) {{ odd++; return 0 }}
    base = f[1]; sub(/[^0-9].*/, "", base)
    return ((c, base) in dir)
}}
function member(id) {{
    if (id !~ /_[0-9]/) return ""
    sub(/^[0-9]*_/, "", id); sub(/[^0-9].*/, "", id)
    return id
}}
function list(id) {{ sub(/^[^[]*\[/, "", id); sub(/[%\]].*/, "", id); return id }}
function span(set, key, text,   n, i, m, items, ends, steps, last, step) {{
    n = split(text, items, ",")
    for (i = 1; i <= n; i++) {{
        step = (split(items[i], steps, ":") > 1) ? steps[2] + 0 : 1
        last = (split(steps[1], ends, "-") > 1) ? ends[2] + 0 : ends[1] + 0
        if (step < 1 || items[i] !~ /^[0-9]/) continue
        for (m = ends[1] + 0; m <= last; m += step) {{ set[key, m] = 1; order[key, ++order[key]] = m }}
    }}
}}
function add(c, id) {{
    ids = ids (n++ ? "," : "") id
    if (n == {CHUNK}) {{ ask(c, ids); ids = ""; n = 0 }}
}}
function ask(c, ids) {{
    if (ids == "" || stop) return
    head("sacct " c)
    cmd = "sacct" (c == "-" ? "" : " -M " c) " -D -P -n -u " uid " -j " ids " -o {ACCOUNT_FIELDS} 2>&1; echo \"= $?\""
    while ((cmd | getline line) > 0) if (row(line, {ACCOUNT_FIELD_COUNT})) {{
        m = member(f[1])
        word = f[2]; sub(/ .*/, "", word)
        if (f[1] !~ /\./ && index(ends, " " word " ")) told[c, base, m] = 1
        if (m == "" || !((c, base) in array) || ((c, base, m) in wanted)) say(line)
    }}
    close(cmd)
    tail("sacct " c)
    if (rc != 0) stop = 1
}}
function quoted(text,   n, i, parts, all) {{
    n = split(text, parts, "\047"); all = parts[1]
    for (i = 2; i <= n; i++) all = all "\047\\\047\047" parts[i]
    return "\047" all "\047"
}}
{{
    dir[$1, $2] = $6; tag[$1, $2] = $4; live[$1, $2] = ($3 == "live")
    if ($5 != "-") {{ array[$1, $2] = 1; span(open, $1 SUBSEP $2, list($5)) }}
    if (!($1 in known)) {{ known[$1] = 1; clusters[++nc] = $1 }}
    jobs[++nj] = $1; bases[nj] = $2
}}
END {{
    for (i = 1; i <= nc; i++) {{
        c = clusters[i]
        head("squeue " c)
        cmd = "squeue" (c == "-" ? "" : " -M " c) " -h -t all -u " uid " -o \"{QUEUE_FIELDS}\" 2>&1; echo \"= $?\""
        while ((cmd | getline line) > 0) if (row(line, {QUEUE_FIELD_COUNT})) {{
            ended = index(ends, " " f[2] " ")
            d = dir[c, base]
            ours = (substr(line, length(line) - length(d)) == "|" d || index(line, "|namdrunner:" tag[c, base] "|"))
            if (!((c, base) in array)) {{
                if (ours && !ended) waits[c, base] = 1
                shown = (live[c, base] || (ours && !ended))
            }} else if ((m = member(f[1])) == "") {{
                if (ours && !ended) span(waits, c SUBSEP base SUBSEP "w", list(f[1]))
                shown = (live[c, base] || (ours && !ended))
            }} else {{
                if (ours && !ended) waits[c, base, "w", m] = 1
                if (ours && ended) over[c, base, m] = 1
                shown = (live[c, base] && ((c, base, m) in open)) || (ours && !ended)
            }}
            if (shown) {{ say(line); own += ours }}
        }}
        close(cmd)
        tail("squeue " c)
        whole[c] = (rc == "0" && !odd && (rows || err !~ /error/))
        if (i == 1) {{ "date \"+%s %N\"" | getline line; head("clock2"); say(line); tail("clock2") }}
    }}
    for (i = 1; i <= nc; i++) {{
        c = clusters[i]; ids = ""; n = 0
        if (!whole[c]) continue
        for (j = 1; j <= nj; j++) {{
            if (jobs[j] != c || !live[c, bases[j]]) continue
            key = c SUBSEP bases[j]
            if (key in array) {{
                lost = 0; from = nl
                for (k = 1; k <= order[key]; k++) {{
                    m = order[key, k]
                    if ((key, "w", m) in waits) continue
                    look[++nl] = j; part[nl] = m; wanted[key, m] = 1
                    if (!((key, m) in over)) lost = 1
                }}
                if (nl == from) continue
                if (lost || nl - from > {ONE_BY_ONE}) add(c, bases[j])
                else for (k = from + 1; k <= nl; k++) add(c, bases[j] "_" part[k])
            }} else if (!(key in waits)) {{
                look[++nl] = j; part[nl] = ""
                add(c, bases[j])
            }}
        }}
        ask(c, ids)
    }}
    # Before the markers: what is cut off must not leave a marker without what explains it.
    head("notices")
    rc = 0
    for (i = 1; i <= nl; i++) {{
        c = jobs[look[i]]; base = bases[look[i]]; m = part[i]
        if (((c, base, m) in told) || read == {NOTICES}) continue
        file = dir[c, base] (m == "" ? "" : "/" m) "/{CONTROL}/started"; line = ""; own = (getline line < file)
        close(file)
        # Of one that was started again the words may be those of an earlier run.
        if (own <= 0 || split(line, f, " ") < 6 || f[3] != tag[c, base] || f[5] != "0") continue
        file = dir[c, base] "/{CONTROL}/slurm-" base (m == "" ? "" : "_" m) ".out"; line = ""; said = ""
        if (index(file, "\\")) file = dir[c, base] "/{CONTROL}/slurm.out"
        cmd = "tail -c {NOTICE_BYTES} " quoted(file) " 2>/dev/null"
        while ((cmd | getline line) > 0) if (line ~ /{PATTERN}/) said = line
        close(cmd)
        read++
        if (said != "") say(c " " base (m == "" ? "" : "_" m) " " said)
    }}
    own = 0
    tail("notices")
    head("markers")
    rc = 0
    for (i = 1; i <= nl; i++) {{
        c = jobs[look[i]]; base = bases[look[i]]; file = dir[c, base]; id = base; line = ""
        if (part[i] != "") {{ file = file "/" part[i]; id = base "_" part[i] }}
        file = file "/{CONTROL}/exit"
        if ((getline line < file) > 0) say(c " " id " " line)
        close(file)
    }}
    tail("markers")
}}'
}}
"#,
        asking = asking(&watch.slurm_setup),
        ends = ends.join(" "),
    )
}
