#!/usr/bin/env bash
# Faults on purpose, and commands inside the test cluster.
#
#   ctl.sh stop|kill|freeze|thaw|start|restart DAEMON...
#            DAEMON: munge mariadb slurmdbd slurmctld c1 c2 c3 c4 sshd
#            stop asks (SIGTERM), kill does not (SIGKILL), freeze suspends (SIGSTOP: it takes calls
#            and never answers). Each returns when it is so; start, thaw and restart return when the
#            daemon answers. Stopping sshd ends its listener only: sessions live on.
#   ctl.sh sshd-kill          ends sshd and every session, as a dying login node would
#   ctl.sh sessions-kill      ends every session and leaves the listener
#   ctl.sh accounting off|on  slurmctld without its database, and back
#   ctl.sh conf KEY=VALUE...  sets lines of slurm.conf and restarts slurmctld (e.g. MinJobAge=2);
#                             KEY= takes the line out
#   ctl.sh login plain|noisy|csh
#                             what a login of the test user's is like: as Debian makes it; with a banner,
#                             start-up files that talk, and an odd time zone, locale and SLURM_TIME_FORMAT;
#                             the same with csh as the login shell
#   ctl.sh time-out JOB       a running job's time is over within seconds (its own limit takes a minute
#                             at least: Slurm counts limits in minutes)
#   ctl.sh as-user COMMAND... as the test user, with a login's environment; exit code unchanged
#   ctl.sh slurm COMMAND...   as root, with this cluster's SLURM_CONF; exit code unchanged
#   ctl.sh status             one line per daemon; fails when one does not answer
#   ctl.sh dir                where the cluster is
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source=tests/cluster/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/cluster/daemons.sh
. "$here/daemons.sh"
# shellcheck source=tests/cluster/login.sh
. "$here/login.sh"

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

check_names() {
    (($#)) || usage
    local name
    for name; do
        [[ " ${DAEMONS[*]} " == *" $name "* ]] || fail "no daemon is called '$name'; there are: ${DAEMONS[*]}"
    done
}

start_one() {
    alive "$1" || start_daemon "$1"
    wait_answers "$1" 60
}

kill_sessions() {
    local listener pids round
    listener=$(pid_of sshd || true)
    for round in {1..50}; do
        mapfile -t pids < <(pids_on_port "$SSH_PORT" | grep -vx "${listener:-none}" || true)
        ((${#pids[@]})) || return 0
        kill -KILL "${pids[@]}" 2>/dev/null || true
        ((round == 1)) || sleep 0.1
    done
    fail "sessions of sshd are left: ${pids[*]}"
}

set_conf() {
    local pair key
    for pair; do
        key=${pair%%=*}
        [[ $key =~ ^[A-Za-z]+$ && $pair == *=* ]] || fail "conf takes KEY=VALUE, not '$pair'"
        sed -i "/^$key=/Id" "$CONF"
        [[ $pair == *= ]] || printf '%s\n' "$pair" >>"$CONF"
    done
}

restart_slurmctld() {
    kill_daemon slurmctld TERM
    start_daemon slurmctld
    wait_answers slurmctld 60
}

verb=${1:-}
(($#)) && shift
need_root
check_dir
load_state || fail "no cluster is up in $DIR; tests/cluster/up.sh starts one"

case $verb in
    as-user) (($#)) || usage; as_user "$@"; exit ;;
    slurm) (($#)) || usage; slurm "$@"; exit ;;
    time-out) (($# == 1)) || usage; slurm scontrol update jobid="$1" EndTime=now+1; exit ;;
    dir) printf '%s\n' "$DIR"; exit ;;
    status)
        rc=0
        for daemon in "${DAEMONS[@]}"; do
            if answers "$daemon"; then word=answers; elif alive "$daemon"; then word='does not answer'; else word='is not running'; fi
            [[ $word == answers ]] || rc=1
            printf '%-9s %s\n' "$daemon" "$word"
        done
        exit "$rc"
        ;;
esac

take_lock
case $verb in
    stop) check_names "$@"; for daemon; do kill_daemon "$daemon" TERM; done ;;
    kill) check_names "$@"; for daemon; do kill_daemon "$daemon" KILL; done ;;
    freeze) check_names "$@"; for daemon; do kill -STOP "$(pid_of "$daemon")"; done ;;
    thaw) check_names "$@"; for daemon; do kill -CONT "$(pid_of "$daemon")"; wait_answers "$daemon" 60; done ;;
    start) check_names "$@"; for daemon; do start_one "$daemon"; done ;;
    restart) check_names "$@"; for daemon; do kill_daemon "$daemon" TERM; start_one "$daemon"; done ;;
    sshd-kill) kill_daemon sshd KILL; kill_sessions ;;
    sessions-kill) kill_sessions ;;
    accounting)
        [[ ${1:-} == on || ${1:-} == off ]] || usage
        cp "$DIR/etc/accounting-$1.conf" "$DIR/etc/accounting.conf"
        restart_slurmctld
        ;;
    login) [[ ${1:-} =~ ^(plain|noisy|csh)$ ]] || usage; set_login "$1" ;;
    conf) (($#)) || usage; set_conf "$@"; restart_slurmctld ;;
    *) usage ;;
esac
