//! The probe's shell script. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use crate::config::{Cluster, SchedulerKind, root_variables};
use crate::shell::{Command, quote};

use super::{CARRIED, MARK, SLURM_TOOLS, TOOLS};

/// Seconds the probe may take in a login shell before a plain one is asked: some profiles wait for
/// an answer that never comes.
const LOGIN_SECONDS: u32 = 25;

/// Exit code by which the probe's own end is told from a profile's.
const END: u8 = 97;

/// The command that asks a machine about itself; [`super::parse_probe`] reads the answer.
///
/// It changes nothing there and can be repeated.
pub fn probe_command(cluster: &Cluster) -> Command {
    Command::read("probe", in_login_shell(cluster, "", LOGIN_SECONDS))
        .within(Duration::from_secs(u64::from(LOGIN_SECONDS) * 2 + 10))
}

/// The script: everything of the probe, then `more`, in a login shell where there is one.
///
/// `more` finds the functions `say KEY VALUE`, `limit SECONDS COMMAND…` and `find_tool NAME`, and
/// the variable `user`. `seconds` is what a login shell may take for all of it.
pub(crate) fn in_login_shell(cluster: &Cluster, more: &str, seconds: u32) -> String {
    let inner = quote(&inner(cluster, more));
    // The profiles get no input: one that asks a question must not eat what follows, nor wait.
    // Their output goes along as noise. bash exists on every Slurm site we know; without it `sh`
    // reads the files that a login would. Exit code 97 is the probe's own end.
    format!(
        r#"probe={inner}
run() {{
    if command -v timeout >/dev/null 2>&1; then timeout {seconds} "$@"; else "$@"; fi </dev/null
}}
if command -v bash >/dev/null 2>&1; then
    run bash -lc "$probe" bash
else
    run sh -c '
        if [ -r /etc/profile ]; then . /etc/profile; fi
        if [ -r "$HOME/.profile" ]; then . "$HOME/.profile"; fi
        eval "$1"' sh "$probe"
fi
if [ $? -ne {END} ]; then
    run sh -c "$probe" plain
fi
true
"#
    )
}

/// What the login shell runs.
fn inner(cluster: &Cluster, more: &str) -> String {
    let mut script = format!(
        r#"set +eufvx
unalias -a 2>/dev/null
printf '\n%s\n' '{MARK}begin=1'
line_end='
'
say() {{
    case $2 in
    *"$line_end"*) set -- "$1" "$(printf '%s' "$2" | tr '\n' ' ')" ;;
    esac
    printf '{MARK}%s=%s\n' "$1" "$2"
}}
limit() {{
    limit_seconds=$1
    shift
    if command -v timeout >/dev/null 2>&1; then timeout "$limit_seconds" "$@"; else "$@"; fi
}}
find_tool() (
    set -f
    IFS=:
    for dir in $PATH; do
        case $dir in
        /*) if [ -f "$dir/$1" ] && [ -x "$dir/$1" ]; then printf %s "$dir/$1"; return 0; fi ;;
        esac
    done
    return 1
)
user=$(id -un)
say shell "$0"
say home "$HOME"
say user "$user"
say uid "$(id -u)"
say hostname "$(hostname 2>/dev/null || uname -n)"
say os "$( ( . /etc/os-release && printf %s "$PRETTY_NAME" ) 2>/dev/null || uname -sr )"
"#
    );
    let setup = cluster.slurm_setup.join("\n");
    if setup.trim().is_empty() {
        script.push_str("say setup 0\n");
    } else {
        // `eval` in this very shell, so that what it sets stays; its output is not ours.
        let _ = writeln!(script, "eval {} >&2\nsay setup $?", quote(&setup));
    }
    script.push_str("say path \"$PATH\"\nsay slurm_conf \"${SLURM_CONF-}\"\n");
    for name in CARRIED {
        let _ = writeln!(script, "say carry.{name} \"${{{name}-}}\"");
    }
    let mut variables = root_variables(&cluster.project_root);
    variables.extend(root_variables(&cluster.scratch_root));
    for name in variables {
        let _ = writeln!(script, "say env.{name} \"${{{name}-}}\"");
    }
    let tools = TOOLS.join(" ");
    let _ = writeln!(
        script,
        "for tool in {tools}; do say \"tool.$tool\" \"$(find_tool \"$tool\")\"; done"
    );
    if cluster.scheduler == SchedulerKind::Slurm {
        let tools = SLURM_TOOLS.join(" ");
        let _ = write!(
            script,
            r#"for tool in {tools}; do
    path=$(find_tool "$tool")
    say "tool.$tool" "$path"
    if [ -n "$path" ]; then say "version.$tool" "$(limit 10 "$path" --version 2>&1 | head -n 1)"; fi
done
say tool.sinfo "$(find_tool sinfo)"
scontrol=$(find_tool scontrol)
say tool.scontrol "$scontrol"
if [ -n "$scontrol" ]; then
    config=$(limit 15 "$scontrol" show config 2>&1)
    if [ $? -eq 0 ]; then
        printf '%s\n' "$config" | while read -r key equals value; do
            case $key in
            ClusterName | MinJobAge | AccountingStorageType | MaxArraySize) say "scontrol.$key" "$value" ;;
            esac
        done
    else
        say scontrol_error "$(printf '%s\n' "$config" | head -n 1)"
    fi
fi
"#
        );
    }
    script.push_str(more);
    // The clock last: what came before may have taken seconds.
    // Not `exit`, at which a login shell would read ~/.bash_logout.
    let _ = writeln!(script, "say now \"$(date +%s)\"\nsay end 1\n(exit {END})");
    script
}
