# shellcheck shell=bash
# The first start: what is chosen (ports, user, host name) and every file of the private directory.
# Sourced by up.sh after lib.sh.
# (Names in capitals come from lib.sh or go to the state file, which shellcheck cannot see.)
# shellcheck disable=SC2034,SC2153

# --- before the first start ----------------------------------------------------------------------

# Two Slurms on one machine are easily mistaken for one another, and the other one may be real.
# (Test clusters of this project beside each other are fine: nothing of theirs is shared.)
refuse_other_slurm() {
    local file proc conf
    for file in /etc/slurm/slurm.conf /etc/slurm-llnl/slurm.conf; do
        [[ ! -e $file ]] || fail "this machine has a Slurm of its own ($file); the tests will not start another beside it"
    done
    for proc in /proc/[0-9]*; do
        case $(readlink "$proc/exe" 2>/dev/null || true) in
            */slurmctld* | */slurmd*) ;;
            *) continue ;;
        esac
        conf=$(tr '\0' '\n' 2>/dev/null <"$proc/environ" | sed -n 's/^SLURM_CONF=//p') || true
        [[ -n $conf && -e ${conf%/etc/slurm.conf}/.namdrunner-test-cluster ]] ||
            fail "a Slurm that is not the tests' runs here (pid ${proc#/proc/}); the tests will not start another beside it"
    done
}

# Eight neighbouring ports, below those the kernel hands out by itself, of which none is in use.
choose_ports() {
    local used base port try
    used=$(awk 'FNR > 1 { split($2, a, ":"); print a[length(a)] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null) || true
    for ((try = 0; try < 1000; try++)); do
        base=$((20000 + 8 * (RANDOM % 1500)))
        for ((port = base; port < base + 8; port++)); do
            [[ $used != *"$(printf '%04X' "$port")"* ]] || continue 2
        done
        SSH_PORT=$base SLURMCTLD_PORT=$((base + 1)) SLURMDBD_PORT=$((base + 2)) MYSQL_PORT=$((base + 3))
        SLURMD_PORTS="[$((base + 4))-$((base + 7))]"
        return
    done
    fail "found no eight free ports between 20000 and 32000"
}

# The name of the unix user to make: nrtest, unless somebody has it.
choose_user() {
    local number=''
    while getent passwd "nrtest$number" >/dev/null || getent group "nrtest$number" >/dev/null; do
        number=$((${number:-1} + 1))
    done
    USER_NAME=nrtest$number
}

# Slurm's daemons must listen on loopback only, and they listen on what their host name resolves to.
choose_hostname() {
    OWN_HOSTNAME=no HOST=$(uname -n) COMMUNICATION='CommunicationParameters=NoInAddrAny,NoCtldInAddrAny'
    HOST_ADDR=$(getent ahostsv4 "$HOST" | awk 'NR == 1 { print $1 }') || true
    HOST=${HOST%%.*}
    [[ $HOST_ADDR != 127.* ]] || return 0
    HOST_ADDR=127.0.0.1
    if unshare --uts true 2>/dev/null; then
        OWN_HOSTNAME=yes HOST=localhost
    else
        COMMUNICATION=''
        say "note: '$HOST' does not resolve to a loopback address and this container may not rename itself:"
        say "      Slurm's daemons will listen on all addresses (each call still needs the cluster's munge key)"
    fi
}

# --- the directory -------------------------------------------------------------------------------

create() {
    umask 022
    mkdir -p "$DIR"
    : >"$MARK"
    mkdir "$DIR"/{etc,run,log,spool,mysql,munge,home,home/.ssh,project,scratch}
    choose_ports
    choose_user
    choose_hostname
    MIN_JOB_AGE=${NAMDRUNNER_TEST_MIN_JOB_AGE:-300}
    [[ $MIN_JOB_AGE =~ ^[0-9]+$ ]] || fail "NAMDRUNNER_TEST_MIN_JOB_AGE is a number of seconds; it is '$MIN_JOB_AGE'"
    RUN_SSHD_MADE=no
    [[ -d /run/sshd ]] || RUN_SSHD_MADE=yes
    local name
    for name in SSH_PORT SLURMCTLD_PORT SLURMDBD_PORT MYSQL_PORT USER_NAME OWN_HOSTNAME RUN_SSHD_MADE; do
        printf '%s=%s\n' "$name" "${!name}"
    done >"$STATE"

    # The slow parts beside each other.
    mariadb-install-db --no-defaults --user=mysql --datadir="$DIR/mysql/data" \
        --auth-root-socket-user=root --skip-test-db >"$DIR/log/mariadb-install.out" 2>&1 9<&- &
    local database=$!
    make_user
    make_munge_key
    make_sshd
    make_slurm
    wait "$database" || { tail -n 20 "$DIR/log/mariadb-install.out" >&2; fail "mariadb-install-db failed"; }
    write_env
}

make_user() {
    # '*': no password fits, and the account is not locked. The directory in the comment says whose it is.
    useradd --home-dir "$DIR/home" --no-create-home --shell /bin/bash --user-group --no-log-init \
        --password '*' --comment "namdrunner test cluster $DIR" "$USER_NAME"
    ssh-keygen -q -t ed25519 -N '' -C namdrunner-tests -f "$DIR/key"
    cp "$DIR/key.pub" "$DIR/home/.ssh/authorized_keys"
    cp /etc/skel/.[a-z]* "$DIR/home/"
    chmod 700 "$DIR/home" "$DIR/home/.ssh"
    chown -R "$USER_NAME:" "$DIR/home" "$DIR/project" "$DIR/scratch"
}

make_munge_key() {
    (umask 077 && head -c 128 /dev/urandom >"$DIR/munge/key")
    chown -R munge: "$DIR/munge"
}

make_sshd() {
    local type
    for type in ed25519 ecdsa rsa; do
        ssh-keygen -q -t "$type" -N '' -C '' -f "$DIR/etc/ssh_host_${type}_key"
        printf '[127.0.0.1]:%s %s\n' "$SSH_PORT" "$(cut -d' ' -f1,2 "$DIR/etc/ssh_host_${type}_key.pub")"
    done >"$DIR/known_hosts"
    cat >"$DIR/etc/sshd_config" <<END
ListenAddress 127.0.0.1
Port $SSH_PORT
PidFile $DIR/run/sshd.pid
HostKey $DIR/etc/ssh_host_ed25519_key
HostKey $DIR/etc/ssh_host_ecdsa_key
HostKey $DIR/etc/ssh_host_rsa_key
# Tests count logins in the log.
LogLevel VERBOSE
AllowUsers $USER_NAME
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
UseDNS no
# The default, which real sites keep: a client that wants more sessions needs a second connection.
MaxSessions 10
# Tests connect more often than people do.
MaxStartups 200:30:400
LoginGraceTime 30
PrintMotd no
X11Forwarding no
SetEnv SLURM_CONF=$CONF PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
Subsystem sftp /usr/lib/openssh/sftp-server
END
    # Newer sshd locks out an address after refused logins; here all come from one address.
    if /usr/sbin/sshd -t -f /dev/null -h "$DIR/etc/ssh_host_ed25519_key" -o PerSourcePenalties=no 2>/dev/null; then
        echo 'PerSourcePenalties no' >>"$DIR/etc/sshd_config"
    fi
    cp "$DIR/etc/sshd_config" "$DIR/etc/sshd_config.first"   # as below, for `ctl.sh login`
}

make_slurm() {
    local password
    password=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
    install -m 640 -g mysql /dev/null "$DIR/mysql/init.sql"
    cat >"$DIR/mysql/init.sql" <<END
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';
END
    chown mysql: "$DIR/mysql"
    mkdir "$DIR"/spool/ctld

    install -m 600 /dev/null "$DIR/etc/slurmdbd.conf"
    cat >"$DIR/etc/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/munge.socket.2
$COMMUNICATION
DbdHost=$HOST
DbdAddr=$HOST_ADDR
DbdPort=$SLURMDBD_PORT
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$MYSQL_PORT
StorageUser=slurm
StoragePass=$password
StorageLoc=slurm_acct_db
LogFile=$DIR/log/slurmdbd.log
PidFile=$DIR/run/slurmdbd.pid
END

    # In a file of its own, because ctl.sh takes it away and brings it back.
    cat >"$DIR/etc/accounting-on.conf" <<END
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$HOST_ADDR
AccountingStoragePort=$SLURMDBD_PORT
AccountingStoragePass=$DIR/munge/munge.socket.2
AccountingStorageEnforce=limits,qos
END
    echo '# accounting is off' >"$DIR/etc/accounting-off.conf"
    cp "$DIR/etc/accounting-on.conf" "$DIR/etc/accounting.conf"

    # slurmd asks for cgroups even when nothing uses them, and stops without. Since 23.02 it can be told
    # not to; before, naming v1 keeps it from looking.
    local version plugin=disabled
    version=$(/usr/sbin/slurmd -V | grep -oE '[0-9]+\.[0-9]+' | head -n 1)
    printf '%s\n' 23.02 "$version" | sort -VC || plugin=cgroup/v1
    echo "CgroupPlugin=$plugin" >"$DIR/etc/cgroup.conf"

    cat >"$CONF" <<END
ClusterName=nrtest
SlurmctldHost=$HOST($HOST_ADDR)
SlurmctldPort=$SLURMCTLD_PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/munge.socket.2
$COMMUNICATION
StateSaveLocation=$DIR/spool/ctld
SlurmdSpoolDir=$DIR/spool/%n
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/%n.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/%n.log
Include $DIR/etc/accounting.conf

# Nodes that claim more than the machine has, and no cgroups, which a container may not give.
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000

# Jobs start, end and are killed within a second or two.
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
KillWait=2
OverTimeLimit=0
InactiveLimit=0
ReturnToService=2
MinJobAge=$MIN_JOB_AGE
MaxJobCount=20000
MaxArraySize=10001
# Tests change the file while daemons run.
DebugFlags=NO_CONF_HASH

NodeName=c[1-4] NodeHostname=$HOST NodeAddr=$HOST_ADDR Port=$SLURMD_PORTS CPUs=64 Sockets=2 CoresPerSocket=32 ThreadsPerCore=1 RealMemory=256000 State=UNKNOWN
PartitionName=main Nodes=c[1-3] Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=short Nodes=c4 MaxTime=00:02:00 State=UP
PartitionName=down Nodes=c[1-3] State=DOWN
END
    cp "$CONF" "$CONF.first"   # ctl.sh changes the other; up.sh brings it back
}

write_env() {
    cat >"$DIR/env.sh" <<END
NAMDRUNNER_TEST_CLUSTER=$DIR
NRT_DIR=$DIR
NRT_SSH_PORT=$SSH_PORT
NRT_SSH_USER=$USER_NAME
NRT_SSH_KEY=$DIR/key
NRT_KNOWN_HOSTS=$DIR/known_hosts
NRT_SSHD_LOG=$DIR/log/sshd.log
NRT_SLURM_CONF=$CONF
NRT_HOME=$DIR/home
NRT_PROJECT_ROOT=$DIR/project
NRT_SCRATCH_ROOT=$DIR/scratch
END
}
