# shellcheck shell=bash
# One start and one question per daemon. Sourced after lib.sh, with the state loaded.
# Every daemon is started with nothing of ours open (terminal, pipes, lock) and in a session of its
# own, so that neither ^C nor a closed pipe reaches it.

NODES=(c1 c2 c3 c4)
DAEMONS=(munge mariadb slurmdbd slurmctld "${NODES[@]}" sshd)

detached() {
    local log=$DIR/log/$1.out
    shift
    (cd / && exec setsid --fork "$@" </dev/null >>"$log" 2>&1 9<&-)
}

# Slurm's daemons listen on the address their host name resolves to. Where that is not loopback they
# get a host name of their own (see up.sh).
slurm_daemon() {
    local name=$1
    shift
    if [[ $OWN_HOSTNAME == yes ]]; then
        # shellcheck disable=SC2016
        set -- unshare --uts sh -c 'hostname localhost && exec "$@"' sh "$@"
    fi
    SLURM_CONF=$CONF detached "$name" "$@"
}

start_daemon() {
    case $1 in
        munge)
            rm -f "$DIR"/munge/munge.socket.2*
            detached munge setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged \
                --socket="$DIR/munge/munge.socket.2" --key-file="$DIR/munge/key" \
                --pid-file="$DIR/munge/munge.pid" --seed-file="$DIR/munge/seed" \
                --log-file="$DIR/munge/munged.log" --num-threads=10
            ;;
        mariadb)
            # Durability is worth nothing here, a quick start is. The last two are slurmdbd's wishes.
            detached mariadb /usr/sbin/mariadbd --no-defaults --user=mysql \
                --datadir="$DIR/mysql/data" --socket="$DIR/mysql/sock" --pid-file="$DIR/mysql/mariadb.pid" \
                --bind-address=127.0.0.1 --port="$MYSQL_PORT" --skip-name-resolve --init-file="$DIR/mysql/init.sql" \
                --performance-schema=OFF --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=OFF --skip-log-bin \
                --innodb-buffer-pool-size=128M --innodb-lock-wait-timeout=900
            ;;
        slurmdbd) slurm_daemon slurmdbd /usr/sbin/slurmdbd ;;
        slurmctld) slurm_daemon slurmctld /usr/sbin/slurmctld -f "$CONF" ;;
        c[1-4]) slurm_daemon "$1" /usr/sbin/slurmd -N "$1" -f "$CONF" ;;
        sshd)
            mkdir -p /run/sshd
            detached sshd /usr/sbin/sshd -f "$DIR/etc/sshd_config" -E "$DIR/log/sshd.log"
            ;;
        *) fail "no daemon is called '$1'; there are: ${DAEMONS[*]}" ;;
    esac
}

# (KILL follows TERM: mariadb-admin does not heed the latter.)
bounded() { timeout -k 1 "$@"; }

# Succeeds when the daemon lives and does its work, asked in the way its users ask.
answers() {
    alive "$1" || return 1
    case $1 in
        munge) bounded 5 munge -S "$DIR/munge/munge.socket.2" -n | bounded 5 unmunge -S "$DIR/munge/munge.socket.2" ;;
        mariadb) bounded 5 mariadb-admin --no-defaults --socket="$DIR/mysql/sock" ping ;;
        slurmdbd) bounded 5 env SLURM_CONF="$CONF" sacctmgr -n show cluster ;;
        slurmctld) [[ $(bounded 5 env SLURM_CONF="$CONF" scontrol ping) == *' is UP'* ]] ;;
        c[1-4]) node_up "$1" ;;
        sshd) bounded 10 ssh -F none -i "$DIR/key" -p "$SSH_PORT" -o BatchMode=yes -o IdentitiesOnly=yes \
            -o UserKnownHostsFile="$DIR/known_hosts" "$USER_NAME@127.0.0.1" true ;;
    esac </dev/null >/dev/null 2>&1
}

# The controller sees the node, and neither it nor a person keeps it from work.
node_up() {
    local state
    state=$(bounded 5 env SLURM_CONF="$CONF" sinfo -h -n "$1" -p main,short -o %T)
    [[ $state =~ ^(idle|mixed|allocated|completing)$ ]]
}

# After a restart the controller takes some 4 s until it has heard from the nodes again; until then
# they are "unknown" and no job starts. Those whose daemons are dead are not waited for.
nodes_heard_of() {
    local node state
    while read -r node state; do
        [[ $state != unknown* ]] || dead "$node" || return 1
    done < <(bounded 5 env SLURM_CONF="$CONF" sinfo -h -N -o '%N %T')
}

wait_answers() {
    if wait_for "$2" answers "$1"; then
        [[ $1 != slurmctld ]] || wait_for 30 nodes_heard_of || true
        return 0
    fi
    say "$1 does not answer after $2 s; the end of its logs:"
    tail -n 15 "$DIR/log/$1".* >&2 || true
    return 1
}

# Starts what is not there, and starts anew what is there and does not answer.
ensure() {
    answers "$1" && return
    kill_daemon "$1" KILL
    start_daemon "$1"
    wait_answers "$1" "${2:-30}"
}

# Ends one daemon and waits until it is gone.
kill_daemon() {
    local pid
    pid=$(pid_of "$1") || return 0
    kill "-$2" "$pid" 2>/dev/null || true
    [[ $2 == KILL ]] || kill -CONT "$pid" 2>/dev/null || true   # (a frozen one would not hear it)
    wait_for 30 dead "$1" || kill -KILL "$pid" 2>/dev/null || true
    wait_for 10 dead "$1"
}
