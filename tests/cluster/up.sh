#!/usr/bin/env bash
# Starts the test cluster, or repairs it: whatever is missing or does not answer is started anew; a
# healthy one is only looked at. Prints the path of env.sh. See README.md beside this file.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=tests/cluster/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/cluster/daemons.sh
. "$here/daemons.sh"
# shellcheck source=tests/cluster/login.sh
. "$here/login.sh"
# shellcheck source=tests/cluster/create.sh
. "$here/create.sh"

# The cluster, account, qos and user slurmdbd must know before slurmctld may start.
make_accounts() {
    [[ ! -e $DIR/etc/accounts-made ]] || return 0
    local words answer
    while read -ra words; do
        # (It fails when a start that was killed has added it already.)
        answer=$(slurm sacctmgr -i "${words[@]}" </dev/null 2>&1) ||
            [[ $answer == *'already exists'* || $answer == *'Nothing new added'* ]] ||
            fail "sacctmgr ${words[*]}: $answer"
    done <<END
add cluster nrtest
add account nrtest Description=tests Organization=namdrunner
add qos limited MaxSubmitJobsPerUser=2
add user $USER_NAME DefaultAccount=nrtest QOS=normal,limited DefaultQOS=normal
END
    touch "$DIR/etc/accounts-made"
}

start_all() {
    restore_conf
    ensure munge 10
    ensure mariadb 60
    ensure slurmdbd 60
    make_accounts
    ensure slurmctld 60
    repair_nodes
    ensure sshd 20
}

# Takes back what `ctl.sh conf` and `ctl.sh accounting off` changed and nobody undid.
restore_conf() {
    # (A cluster that an earlier version of this script started has no copy, and no odd login.)
    if [[ -e $DIR/etc/sshd_config.first ]] && ! cmp -s "$DIR/etc/sshd_config" "$DIR/etc/sshd_config.first"; then
        set_login plain
    fi
    cmp -s "$CONF" "$CONF.first" && cmp -s "$DIR/etc/accounting.conf" "$DIR/etc/accounting-on.conf" && return
    cp "$CONF.first" "$CONF"
    cp "$DIR/etc/accounting-on.conf" "$DIR/etc/accounting.conf"
    kill_daemon slurmctld TERM
}

# All nodes are started before any is waited for.
repair_nodes() {
    local node
    for node in "${NODES[@]}"; do
        alive "$node" || start_daemon "$node"
    done
    for node in "${NODES[@]}"; do
        answers "$node" && continue
        # Drained by a test, or given up by the controller while its daemon was dead.
        wait_for 5 answers "$node" && continue
        slurm scontrol update nodename="$node" state=resume >/dev/null 2>&1 || true
        wait_for 10 answers "$node" || ensure "$node" 30
    done
    # (Taken at their word one by one, the first may have gone while the last was waited for.)
    wait_for 20 all_nodes_up || fail "not all nodes stay up: $(slurm sinfo -h -N -o '%N %T' | sort -u | tr '\n' ' ')"
}

all_nodes_up() {
    local node
    for node in "${NODES[@]}"; do
        answers "$node" || return 1
    done
}

need_root
check_dir
[[ -z "$("$here/install.sh" --missing)" ]] || fail "packages are missing: run tests/cluster/install.sh first"
take_lock
began=$SECONDS
if load_state; then
    trap 'say "the cluster in $DIR could not be repaired; tests/cluster/down.sh removes it"' EXIT
    was=there
else
    [[ ! -e $DIR || -e $MARK || -z "$(ls -A "$DIR")" ]] || fail "$DIR is there, not empty, and not a test cluster"
    refuse_other_slurm
    trap 'trap "" INT TERM HUP; say "the start failed; removing everything again"; tear_down' EXIT
    was=new
fi
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [[ $was == new ]]; then
    [[ ! -e $MARK ]] || tear_down   # what a start that was killed has left
    create
fi
start_all
trap - EXIT
say "up after $((SECONDS - began)) s in $DIR (ssh port $SSH_PORT, user $USER_NAME)"
printf '%s\n' "$DIR/env.sh"
