# shellcheck shell=bash
# Shared by the scripts of this folder: where things are, what a process of the
# cluster is, how long to wait. Sourced, never run.

# --- words to the user (stdout is kept for answers) ----------------------------------------------

say()  { printf 'cluster: %s\n' "$*" >&2; }
fail() { printf 'cluster: error: %s\n' "$*" >&2; exit 1; }

need_root() { [[ $EUID -eq 0 ]] || fail "needs root (it makes a user and starts daemons); you are $(id -un)"; }

is_debian() {
    local ID='' ID_LIKE=''
    [[ -r /etc/os-release ]] || return 1
    # shellcheck disable=SC1091
    . /etc/os-release
    [[ " $ID $ID_LIKE " == *' debian '* ]]
}

# Runs a command every 0.1 s until it succeeds. wait_for SECONDS COMMAND...
wait_for() {
    local end=$((SECONDS + $1 + 1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# --- the private directory -----------------------------------------------------------------------

# Each checkout has a directory of its own, so that `up`, `ctl` and `down` find the same one without
# being told, and two checkouts never share one.
default_dir() {
    local root hash
    root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd -P)
    hash=$(printf %s "$root" | sha256sum)
    printf '%s/namdrunner-cluster-%s' "${TMPDIR:-/tmp}" "${hash:0:8}"
}

DIR=${NAMDRUNNER_TEST_CLUSTER:-$(default_dir)}
DIR=${DIR%/}
MARK=$DIR/.namdrunner-test-cluster   # what `down` asks for before it removes anything
STATE=$DIR/state                     # what was chosen at the first start: ports, user, host name
CONF=$DIR/etc/slurm.conf

check_dir() {
    # A socket's path may have 107 bytes on Linux; the longest name below the directory has 40.
    [[ $DIR =~ ^/[A-Za-z0-9._/+-]+$ && ${#DIR} -le 64 && $DIR != *..* ]] ||
        fail "NAMDRUNNER_TEST_CLUSTER must be an absolute path of at most 64 plain characters; it is '$DIR'"
    [[ ! -L $DIR ]] || fail "$DIR is a symbolic link; give the real directory"
    if [[ -e $DIR ]]; then
        [[ -d $DIR && $(stat -c %u "$DIR") == 0 ]] || fail "$DIR is not a directory of root's; choose another"
    fi
}

# The values chosen at the first start, when there was one and it came to its end (env.sh is written
# last of all files).
load_state() {
    [[ -f $MARK && -f $STATE ]] || return 1
    # shellcheck disable=SC1090
    . "$STATE"
    [[ -f $DIR/env.sh ]]
}

# One script at a time changes a cluster of this machine: choosing ports and the user's name is a
# race otherwise. The lock is on a directory that is there anyway, so nothing is left behind.
# Daemons are started with descriptor 9 closed, or they would hold it for life.
take_lock() {
    exec 9</run
    flock -n 9 && return
    say "waiting for another cluster script"
    flock -w 180 9 || fail "another cluster script has been busy for 3 minutes (lock on /run)"
}

# --- running things ------------------------------------------------------------------------------

slurm() { SLURM_CONF=$CONF "$@"; }

# Runs a command as the test user with what a login of theirs would have. (setpriv, not su: no PAM
# session, no shell in between, the exit code unchanged.)
as_user() {
    setpriv --reuid="$USER_NAME" --regid="$USER_NAME" --init-groups --reset-env -- \
        env -C "$DIR/home" HOME="$DIR/home" SLURM_CONF="$CONF" \
        PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"
}

# --- which processes are ours --------------------------------------------------------------------

# Whether a process names our directory in its command line or its environment. (A pid file outlives
# `kill -9`, and numbers are used again.)
names_us() {
    grep -qzE "(^|=| )$DIR/" "/proc/$1/cmdline" "/proc/$1/environ" 2>/dev/null
}

# A daemon's pid, when it lives.
pid_of() {
    local pid='' file=$DIR/run/$1.pid
    case $1 in
        munge) file=$DIR/munge/munge.pid ;;
        mariadb) file=$DIR/mysql/mariadb.pid ;;
    esac
    { read -r pid <"$file"; } 2>/dev/null || true   # (not all end it with a newline)
    [[ $pid =~ ^[0-9]+$ ]] && names_us "$pid" || return 1
    printf '%s\n' "$pid"
}

alive() { pid_of "$1" >/dev/null; }
dead()  { ! alive "$1"; }

# Processes that hold a TCP connection or listener of our sshd: the listener and every session's
# processes, before and after login. Found by the socket, since sshd rewrites its command line.
pids_on_port() {
    local hex inode
    hex=$(printf '%04X' "$1")
    awk -v p=":$hex" 'FNR > 1 && substr($2, length($2) - 4) == p && $10 != 0 { print $10 }' /proc/net/tcp |
        while read -r inode; do
            find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\[$inode\]" 2>/dev/null
        done | cut -d/ -f3 | sort -un
}

# Everything that belongs to this cluster and is still alive, whatever pid files say: daemons and
# slurmstepd by the directory they name, sshd's sessions by their socket, and all processes of the
# test user.
our_pids() {
    local proc uid='' exe pid
    [[ -z ${USER_NAME:-} ]] || uid=$(id -u "$USER_NAME" 2>/dev/null || true)
    for proc in /proc/[0-9]*; do
        pid=${proc#/proc/}
        exe=$(readlink "$proc/exe" 2>/dev/null) || continue   # (a kernel thread, or dead and not yet reaped)
        if [[ -z $uid || $(stat -c %u "$proc" 2>/dev/null) != "$uid" ]]; then
            case ${exe##*/} in
                slurm* | munged* | mariadbd* | mysqld* | sshd*) names_us "$pid" || continue ;;
                *) grep -qz "^--datadir=$DIR/" "$proc/cmdline" 2>/dev/null || continue ;;   # mariadb-install-db
            esac
        fi
        printf '%s\n' "$pid"
    done
    [[ -z ${SSH_PORT:-} ]] || pids_on_port "$SSH_PORT"
}

# --- the end -------------------------------------------------------------------------------------

# Removes everything that may be left of the cluster in our directory, however far its start came.
# Nothing of it is to be kept, so nobody is asked politely.
tear_down() {
    load_state || true
    local pids round
    mapfile -t pids < <(jobs -p)
    ((${#pids[@]} == 0)) || { kill -KILL "${pids[@]}"; wait "${pids[@]}"; } 2>/dev/null || true
    for round in {1..100}; do
        mapfile -t pids < <(our_pids | sort -un)
        ((${#pids[@]})) || break
        kill -KILL "${pids[@]}" 2>/dev/null || true
        sleep 0.1
    done
    ((round < 100)) || say "these processes do not end: ${pids[*]}"
    if [[ $(getent passwd "${USER_NAME:-}" | cut -d: -f5) == "namdrunner test cluster $DIR" ]]; then
        userdel --force "$USER_NAME" 2>/dev/null || say "the user $USER_NAME could not be removed"
    fi
    if [[ ${RUN_SSHD_MADE:-no} == yes ]] && ! pgrep -x sshd >/dev/null; then
        rmdir /run/sshd 2>/dev/null || true
    fi
    [[ ! -e $MARK ]] || rm -rf --one-file-system "$DIR"
}
